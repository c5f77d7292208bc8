"""The exploration noise of learners, matched between FF1 and FF2.

A policy gradient shrinks the noise of actions as learning goes on, whatever the field. FF2 is then explored
with less noise than FF1, and a rate that this changes is taken for savings, or for their absence.
`Protocol.exploration` says what happens to the noise after NF1, and job.json keeps it for every phase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from sb3_contrib import TQC, CrossQ
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import Tensor

from agents.ppo.plain_ppo import PlainPPO
from experiments.benchmark.protocol import AS_TRAINED, FIXED_NOISE, RESET_NOISE
from savings_gym.task.settings import TRIAL_STEPS

ENTROPY_TUNED = (SAC, TQC, CrossQ)


@dataclass(frozen=True)
class LearnedNoise:
    """A parameter that decides how much a learner explores, and that it learns.

    Attributes:
        parameter: The logarithm of the standard deviation of actions, or of SAC's entropy coefficient.
        optimiser: Learns it.
        level: Returns the mean standard deviation of actions, in the units of the policy's normal
            distribution (before it is squashed or clipped); None before there are observations.
    """

    parameter: Tensor
    optimiser: torch.optim.Optimizer
    level: Callable[[], float | None]


def learned_noise(learner: Any) -> LearnedNoise | None:
    """Return the learned noise of a learner; None for one that has none.

    PPO, A2C, RecurrentPPO and `PlainPPO` have one standard deviation per action. The noise of SAC, TQC and
    CrossQ depends on what they observe, and their entropy coefficient sets the scale.
    """
    if isinstance(learner, PlainPPO):
        deviation = learner.log_deviation
        return LearnedNoise(deviation, learner.optimiser, lambda: _mean_deviation(deviation))
    if isinstance(learner, ENTROPY_TUNED):
        if learner.ent_coef_optimizer is None or learner.log_ent_coef is None:  # a declared constant
            return None
        return LearnedNoise(learner.log_ent_coef, learner.ent_coef_optimizer, lambda: _sac_level(learner))
    policy: Any = getattr(learner, "policy", None)
    log_std = getattr(policy, "log_std", None)
    if not isinstance(log_std, Tensor):
        return None
    return LearnedNoise(log_std, policy.optimizer, lambda: _mean_deviation(log_std))


class Exploration:
    """Matches the noise of a learner between the phases after the first, and notes it.

    Args:
        name: Name of the agent, for the error.
        learner: The learner.
        mode: "fixed", "reset" or "as-trained", see `Protocol.exploration`.

    Attributes:
        noise: The standard deviation of actions by ``"PHASE_start"`` and ``"PHASE_end"``; None where it is
            not known.

    Raises:
        ValueError: If the learner has no noise that could be fixed or reset.
    """

    def __init__(self, name: str, learner: Any, mode: str) -> None:
        self._learned, self._mode = learned_noise(learner), mode
        self.noise: dict[str, float | None] = {}
        self._kept: Tensor | None = None
        constant = isinstance(learner, TD3) or (isinstance(learner, ENTROPY_TUNED) and self._learned is None)
        if self._learned is None and mode != AS_TRAINED and not constant:
            raise ValueError(
                f"{name} ({type(learner).__name__}) has no exploration noise that is known here, so that it "
                f"cannot be matched between phases: use --protocol.exploration {AS_TRAINED}"
            )

    def state(self) -> dict[str, Any]:
        """Return what `resume` needs."""
        return {"noise": self.noise, "kept": self._kept}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, with a learner that was restored to the same moment."""
        self.noise, self._kept = state["noise"], state["kept"]
        if self._kept is not None:
            self._hold_if_fixed()

    def begin(self, phase: str, first: bool) -> None:
        """Begin a phase, before any learning in it.

        Args:
            phase: Its name.
            first: Whether it is the first one, in which the learner chooses its noise.
        """
        if self._learned is not None and not first and self._mode != AS_TRAINED:
            self._match(self._learned)
        self._note(f"{phase}_start")

    def end(self, phase: str) -> None:
        """End a phase, after all learning in it."""
        self._note(f"{phase}_end")

    def _match(self, learned: LearnedNoise) -> None:
        """Keep the parameter at the end of the first phase; from then on fix it, or go back to it."""
        if self._kept is None:
            self._kept = learned.parameter.detach().clone()
            self._hold_if_fixed()
        if self._mode == RESET_NOISE:
            with torch.no_grad():
                learned.parameter.copy_(self._kept)
            learned.optimiser.state.pop(learned.parameter, None)  # momentum from another phase

    def _hold_if_fixed(self) -> None:
        if self._learned is not None and self._mode == FIXED_NOISE:
            self._learned.optimiser.register_step_pre_hook(self._hold)

    def _hold(self, *_: Any) -> None:
        """Leave the parameter out of the step that its optimiser is about to make."""
        assert self._learned is not None
        self._learned.parameter.grad = None

    def _note(self, key: str) -> None:
        self.noise[key] = None if self._learned is None else self._learned.level()


def _mean_deviation(log_deviation: Tensor) -> float:
    return float(log_deviation.detach().exp().mean())


def _sac_level(model: SAC | TQC | CrossQ) -> float | None:
    """Mean standard deviation at the observations of the last trial of every arm."""
    observations = _last_observations(model)
    if observations is None:
        return None
    with torch.no_grad():
        _, log_std, _ = model.actor.get_action_dist_params(observations)
    return float(log_std.exp().mean())


def _last_observations(model: OffPolicyAlgorithm) -> Tensor | None:
    """The last `TRIAL_STEPS` observations of every arm as the policy sees them, (m, channels)."""
    buffer = model.replay_buffer
    if buffer is None or buffer.size() == 0:
        return None
    steps = min(TRIAL_STEPS, buffer.size())
    rows = range(buffer.pos - steps, buffer.pos)  # negative ones are the end of a full buffer
    observations: Any = buffer.observations[list(rows)].reshape(-1, *buffer.obs_shape)
    normalisation = model.get_vec_normalize_env()
    if normalisation is not None:
        observations = normalisation.normalize_obs(observations)
    return torch.as_tensor(observations, dtype=torch.float32, device=model.device)
