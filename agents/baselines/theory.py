"""A theory of learning that moves the arm: it learns how strong a field to expect from its own errors.

Models of ``savings_gym.models`` say how an error changes what a learner expects. `TheoryLearner` gives such
an expectation to a controller with a model of the arm, lets it reach, and tells the theory the error that
came of it, so that theories go through any experiment for learners, such as ``experiments.benchmark``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from agents.baselines.agents import ModelBasedController
from savings_gym.arrays import Floats, as_number, as_whole_number
from savings_gym.metrics.kinematics import lateral_deviation
from savings_gym.models.names import make_model
from savings_gym.perturbations.fields import CurlField, NullField
from savings_gym.probes.probe import Probe
from savings_gym.task.observation import observation_layout
from savings_gym.task.settings import N_TARGETS, TRIAL_STEPS

KEPT: Final = ("memory", "expectation", "observation")  # from one call of `learn` to the next


class TheoryLearner:
    """Reaches with a model of the arm, against a curl field as strong as a theory expects.

    A trial of the theory is a batch of reaches that share their error: the slope of the lateral deviations
    that the learner sees, late and with noise, on those that the whole field causes in such reaches if it is
    not expected. The latter it knows, as it knows its arm: they are those of centre-out reaches, of which the
    nearest direction stands for others. Batches without a go cue teach nothing, and nothing is forgotten in
    them. It is made as ``experiments.benchmark`` makes its agents.

    Args:
        make_env: Makes the vector environment of a number of arms.
        seed: Of all noise within the theory.
        theory: A name in `savings_gym.models.names.MODELS`.
        parameters: Parameters of the theory that differ from its defaults, which are mostly those of people.
        b: Curl of the field that counts as a perturbation of 1 [N s/m].
        arms: Reaches of a batch.

    Attributes:
        expectation: Field expected, in units of the perturbation.
        whole_errors: (8,) lateral deviations in a field that is not expected, less those without one, towards
            0, 45, ... degrees [m].

    Raises:
        ValueError: If there is no such theory, or a value is bad.
    """

    def __init__(
        self,
        make_env: Callable[..., Any],
        seed: int,
        theory: str = "two-rate",
        parameters: Mapping[str, float] | None = None,
        b: float = 8.0,
        arms: int = 32,
    ) -> None:
        model = make_model(theory, **dict(parameters or {}))
        self.b, self.arms = as_number("b", b), as_whole_number("arms", arms, least=1)
        if self.b == 0.0:
            raise ValueError("b must not be 0: there would be nothing to learn")
        self.memory = model.memory(np.random.default_rng(seed))
        self.expectation = self.memory.expect()
        self.env = make_env(self.arms, autoreset_mode="SameStep")
        self.observation, _ = self.env.reset(seed=seed)
        settings = self.env.settings
        self._layout = observation_layout(settings.actuation, settings.trial_cue)
        self._controller = ModelBasedController(settings)
        probe = Probe(settings)
        unexpected, none = (
            probe(self._controller, field, number=0).columns["lateral_deviation"]
            for field in (CurlField(self.b), NullField())
        )
        self.whole_errors: Floats = unexpected - none

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, Any]:
        """Return the next action, see `ModelBasedController.predict`."""
        self._controller.field = CurlField(self.b * self.expectation)
        return self._controller.predict(observation, state, episode_start, deterministic)

    def learn(self, trials: int) -> None:
        """Learn from so many trials of all arms together.

        Raises:
            ValueError: If they are no multiple of the arms.
        """
        if as_whole_number("trials", trials, least=0) % self.arms:
            raise ValueError(f"trials must be a multiple of the {self.arms} arms, got {trials}")
        for _ in range(trials // self.arms):
            error = self._reach()
            if error is not None:
                self.memory.learn(error)
                self.expectation = self.memory.expect()

    def _reach(self) -> float | None:
        """Make a trial with every arm; return the error of those that reached, None if none did."""
        paths, state, cued = [], None, np.zeros(self.arms, dtype=bool)
        target = self.observation[:, self._layout["target_position"]].astype(float)
        for _ in range(TRIAL_STEPS):
            paths.append(self.observation[:, self._layout["hand_position"]].astype(float))
            cued |= self.observation[:, self._layout["go_cue"]][:, 0] > 0.5
            action, state = self.predict(self.observation, state)
            self.observation, *_ = self.env.step(action)
        if not cued.any():
            return None
        path: Floats = np.stack(paths, axis=1)[cued]
        x, y = (target[cued] - path[:, 0]).T
        nearest = np.round(np.arctan2(y, x) / (2.0 * np.pi) * N_TARGETS).astype(int) % N_TARGETS
        whole, seen = self.whole_errors[nearest], lateral_deviation(path, target[cued], from_time=0.0)
        return float(np.sum(seen * whole) / np.sum(whole**2))

    def save(self, path: str | Path) -> None:
        """Write all that is kept between two calls of `learn`."""
        Path(path).write_bytes(pickle.dumps({name: getattr(self, name) for name in KEPT}))

    def load(self, path: str | Path) -> None:
        """Read what `save` wrote; as with every pickle, from a file of one's own."""
        vars(self).update(pickle.loads(Path(path).read_bytes()))
