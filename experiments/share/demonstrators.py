"""Who reaches in a dataset: an expert, a mediocre and a random policy for every environment.

Expert and medium are the same controller, `agents.baselines.agents.ModelBasedController`: inverse dynamics
with an estimate of the arm's state. They differ in the field that they expect, and in noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

import savings_gym
from agents.baselines.agents import ModelBasedController, RandomAgent
from savings_gym.arrays import as_choice
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.perturbations.fields import CurlField, Field, NullField, as_field
from savings_gym.probes.policy import Policy

ENVIRONMENTS: Final = (
    "ForceFieldReach-v0", "NullFieldReach-v0", "RandomReach-v0", "ForceFieldReachTorque-v0",
)  # fmt: skip
"""Those with one field; the trials of a schedule are trials of these."""

CURL: Final = CurlField(8.0)
MEDIUM_NOISE: Final = 0.3  # SD, as a share of the range of a command: half the expert's score, see the README

QUALITIES: Final = {
    "expert": (
        "inverse dynamics of the arm, whose state is estimated from the late observations; the field is known"
    ),
    "medium": (
        "the expert, but it expects the wrong field (none in the curl field, a curl field of 8 N s/m "
        f"elsewhere), and Gaussian noise with an SD of {MEDIUM_NOISE:g} of their range is added to its "
        "commands, independently at every step"
    ),
    "random": "commands drawn uniformly from the action space, independently at every step",
}


def check_environment(env_id: str) -> None:
    """Refuse an environment that has no demonstrators.

    Raises:
        ValueError: Names those that have.
    """
    if env_id not in ENVIRONMENTS:
        raise ValueError(
            f"no demonstrators for environment {env_id!r}; choose from: {', '.join(ENVIRONMENTS)}"
        )


def make_environment(env_id: str, n: int) -> ReachVectorEnv:
    """Return n environments of an id, which do not begin new trials by themselves."""
    gym.register_envs(savings_gym)
    return ReachVectorEnv(n, **gym.spec(env_id).kwargs, autoreset_mode="Disabled", nthread=1)


def demonstrator(env_id: str, quality: str, seed: int) -> Policy:
    """Return the policy of a quality.

    Args:
        env_id: One of `ENVIRONMENTS`.
        quality: One of `QUALITIES`.
        seed: Of the policy's own random numbers.

    Raises:
        ValueError: If there is no such environment or quality.
    """
    check_environment(env_id)
    as_choice("quality", quality, QUALITIES)
    env = make_environment(env_id, 1)
    space: Any = env.single_action_space
    field = as_field(env.settings.field)
    policies: dict[str, Callable[[], Policy]] = {
        "expert": lambda: ModelBasedController(env.settings, field),
        "medium": lambda: NoisyPolicy(
            ModelBasedController(env.settings, wrong_expectation(field)), space, MEDIUM_NOISE, seed
        ),
        "random": lambda: RandomAgent(space, seed),
    }
    return policies[quality]()


def wrong_expectation(field: Field) -> Field:
    """Return the field that a mediocre controller expects: none in a field, the curl field without one."""
    return CURL if field.is_null else NullField()


class NoisyPolicy:
    """A policy whose commands carry independent Gaussian noise, within the range of the commands.

    Args:
        policy: The policy without noise.
        action_space: Action space of one environment.
        noise: SD of the noise, as a share of the range of a command.
        seed: Seed of the noise.
    """

    def __init__(self, policy: Policy, action_space: gym.spaces.Box, noise: float, seed: int) -> None:
        self._policy, self._rng = policy, np.random.default_rng(seed)
        self._low, self._high = action_space.low, action_space.high
        self._sd = noise * (self._high - self._low)

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], Any]:
        """Return noisy actions, even if asked to be deterministic, and the policy's new state."""
        action, state = self._policy.predict(observation, state, episode_start, deterministic)
        noisy = np.asarray(action) + self._sd * self._rng.standard_normal(np.shape(action))
        return np.clip(noisy, self._low, self._high).astype(np.float32), state
