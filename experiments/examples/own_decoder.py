"""A reinforcement learner at a brain-computer interface: `python -m experiments.examples.own_decoder`."""

import numpy as np
import torch
import tyro

from agents.ppo.plain_ppo import PlainPPO, PPOSettings
from savings_gym import BCIReachVectorEnv, CursorProbe, DecoderPhase, Schedule
from savings_gym.arrays import MM, Floats
from savings_gym.bci.settings import cursor_settings
from savings_gym.task.schedule import PHASES

ARMS, UNITS, ANGLE_DEG = 32, 10, 60.0
PPO = PPOSettings(units=64, learning_rate=1e-3, deviation=0.5, reward_scale=30.0)  # it explores with 10 units
TRIALS = {"NF1": 16_384, "FF1": 8_192, "NF2": 8_192, "FF2": 8_192}


def errors(sham: bool, quick: bool, seed: int) -> dict[str, Floats]:
    """Return the error of the cursor in five probes of every phase [m].

    In FF1 and FF2 the decoder turns the cursor; the sham practises the intuitive one in FF1.
    """
    intuitive = cursor_settings(units=UNITS).decoder
    turned = intuitive.rotated(ANGLE_DEG)
    decoders = dict(zip(PHASES, (intuitive, intuitive if sham else turned, intuitive, turned), strict=True))
    trials = dict.fromkeys(PHASES, 4 * ARMS) if quick else TRIALS
    schedule = Schedule(tuple(DecoderPhase(name, decoders[name], trials[name]) for name in PHASES))
    env = BCIReachVectorEnv(
        ARMS, units=UNITS, schedule=schedule, shared_trials=True, autoreset_mode="SameStep"
    )
    agent, probe, found = PlainPPO(env, PPO, seed), CursorProbe(env.settings, seed), {}
    for name, decoder in decoders.items():
        its = [probe(agent, decoder).columns["endpoint_error"].mean()]
        for _ in range(4):
            agent.learn(trials[name] // 4)
            its.append(probe(agent, decoder).columns["endpoint_error"].mean())
        found[name] = np.array(its)
        print(f"{name}{', sham' * sham}: {' '.join(f'{MM * error:.0f}' for error in its)} mm", flush=True)
    return found


def main(quick: bool = False, seed: int = 0) -> dict[str, dict[str, Floats]]:
    """Take PPO through the decoders, and through the sham.

    Args:
        quick: A few trials per phase.
        seed: Of the agent and the trials.
    """
    torch.set_num_threads(1)
    found = {name: errors(name == "sham", quick, seed) for name in ("run", "sham")}
    saved = found["sham"]["FF2"] - found["run"]["FF2"]
    print(f"savings beyond practice: {MM * saved[0]:.1f} mm at first, {MM * saved.mean():.1f} mm on average")
    return found


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.own_decoder")
