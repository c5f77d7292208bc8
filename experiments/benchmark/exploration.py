"""The exploration noise of learners, matched between FF1 and FF2.

A policy gradient shrinks the noise of actions as learning goes on, whatever the field. FF2 is then explored
with less noise than FF1, and a rate that this changes is taken for savings, or for their absence.
`Protocol.exploration` says what happens to the noise after NF1, and job.json keeps it for every phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from experiments.benchmark.noise import LearnedNoise, has_known_noise, learned_noise
from experiments.benchmark.protocol import AS_TRAINED, FIXED_NOISE, RESET_NOISE, check_noise


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
        check_noise(f"{name} ({type(learner).__name__})", has_known_noise(learner), mode)

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
            self._learned.optimiser.register_step_pre_hook(self._leave_out)
            self._learned.optimiser.register_step_post_hook(self._put_back)

    def _leave_out(self, *_: Any) -> None:
        """Leave the parameter out of the step that its optimiser is about to make."""
        assert self._learned is not None
        self._learned.parameter.grad = None

    def _put_back(self, *_: Any) -> None:
        """Undo a change that the optimiser did not make: that of TRPO's line search, before this step."""
        assert self._learned is not None and self._kept is not None
        self._learned.parameter.data.copy_(self._kept)

    def _note(self, key: str) -> None:
        self.noise[key] = None if self._learned is None else self._learned.level()
