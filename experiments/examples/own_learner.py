"""Savings of your own RL agent, by a callback: `python -m experiments.examples.own_learner`."""

import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from savings_gym import four_phase
from savings_gym.arrays import MM
from savings_gym.probes.recorder import SavingsResult, unmeasured
from savings_gym.sb3 import ReachVecEnv, SavingsCallback


def main(quick: bool = False, out: str | None = None, seed: int = 0) -> SavingsResult:
    """Train PPO through the four phases; put your agent in its place.

    Args:
        quick: A few trials of 8 arms: shows that it runs, but learns nothing.
        out: Folder for probes.parquet and summary.json; None writes nothing.
        seed: Of the agent.
    """
    arms = 8 if quick else 32
    trials = arms if quick else 10_000  # of all arms together
    schedule = four_phase(nf1=trials, ff1=trials, nf2=trials, ff2=trials)
    env = VecNormalize(ReachVecEnv(arms), norm_reward=False)
    # Excitations lie in 0..1: with the default standard deviation of 1, two thirds of the first ones are
    # clipped, a sixth to full strength. This one is 0.22; means start at 0, muscles at rest.
    model = PPO(
        "MlpPolicy", env, n_steps=100, batch_size=400, n_epochs=1 if quick else 10, seed=seed,
        policy_kwargs={"log_std_init": -1.5},
    )  # fmt: skip
    callback = SavingsCallback(schedule, probe_every=500, out=out, seed=seed)
    model.learn(10**9, callback)  # stops at the end of the schedule
    result = callback.result
    assert result is not None
    initial = result.summary["savings"]["initial"]
    print(f"FF2 starts {MM * initial['difference']:.1f} mm nearer to the line than FF1")
    for reason in unmeasured(result.summary):
        print(reason)
    return result


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.own_learner")
