"""Trials of a policy as arrays, each from a seed of its own, by which it can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from experiments.share.demonstrators import demonstrator, make_environment
from savings_gym.arrays import Array, Floats
from savings_gym.envs.trials import spawn_seeds
from savings_gym.probes.policy import Policy
from savings_gym.task.settings import TRIAL_STEPS

ROWS: Final = 64  # trials side by side
REFERENCE_SEED: Final = (
    1_000_003  # of the reference trials, which are the same for every dataset of an environment
)


@dataclass(frozen=True, eq=False)
class Episodes:
    """n trials, all of the full length.

    Attributes:
        seeds: Trial i is the first one of a `ReachEnv` after ``reset(seed=seeds[i])``.
        observations: (n, 101, inputs).
        actions: (n, 100, outputs).
        rewards: (n, 100).
        infos: Name to (n, 101, ...) values, as `ReachEnv` describes them.
    """

    seeds: list[int]
    observations: Array
    actions: Array
    rewards: Floats
    infos: dict[str, Array]

    @property
    def returns(self) -> Floats:
        """(n,) sums of rewards."""
        total: Floats = self.rewards.sum(1)
        return total


def record_episodes(env_id: str, policy: Policy, seeds: Sequence[int]) -> Episodes:
    """Return one trial of a policy for each seed.

    Args:
        env_id: An environment with one field.
        policy: Acts with ``deterministic=True``; its memory is empty at the start of every trial.
        seeds: Of the environments.
    """
    parts = [_batch(env_id, policy, seeds[i : i + ROWS]) for i in range(0, len(seeds), ROWS)]
    observations, actions, rewards, infos = zip(*parts, strict=True)
    return Episodes(
        [int(seed) for seed in seeds],
        np.concatenate(observations),
        np.concatenate(actions),
        np.concatenate(rewards),
        {name: np.concatenate([info[name] for info in infos]) for name in infos[0]},
    )


def _batch(
    env_id: str, policy: Policy, seeds: Sequence[int]
) -> tuple[Array, Array, Floats, dict[str, Array]]:
    """Observations, actions, rewards and infos of trials side by side, trial by trial."""
    env = make_environment(env_id, len(seeds))
    observation, info = env.reset(seed=list(seeds))
    observations, actions, rewards, infos = [observation], [], [], [info]
    state: Any = None
    for step in range(TRIAL_STEPS):
        starts = np.full(len(seeds), step == 0)
        action, state = policy.predict(observation, state, starts, True)
        observation, reward, _, _, info = env.step(action)
        observations.append(observation)
        actions.append(np.asarray(action, dtype=np.float32))
        rewards.append(reward)
        infos.append(info)
    env.close()
    names = [name for name in infos[0] if not name.startswith("_")]  # without masks, which are True
    return (
        np.stack(observations, 1),
        np.stack(actions, 1),
        np.stack(rewards, 1),
        {name: np.stack([info[name] for info in infos], 1) for name in names},
    )


def return_summary(returns: Floats) -> dict[str, float | int]:
    """Return mean, standard deviation and number of returns, JSON-able."""
    return {"mean": float(returns.mean()), "sd": float(returns.std(ddof=1)), "n": len(returns)}


def reference_returns(env_id: str, qualities: Sequence[str], episodes: int) -> dict[str, dict[str, Any]]:
    """Return the returns of demonstrators, all in the same trials, by quality.

    Args:
        env_id: One of `experiments.share.demonstrators.ENVIRONMENTS`.
        qualities: Names of the demonstrators.
        episodes: Number of trials of each.
    """
    seeds = spawn_seeds(REFERENCE_SEED, episodes)
    return {
        quality: return_summary(
            record_episodes(env_id, demonstrator(env_id, quality, REFERENCE_SEED), seeds).returns
        )
        for quality in qualities
    }
