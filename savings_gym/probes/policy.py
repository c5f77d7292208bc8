"""The memory of a policy during a probe: carried from step to step, read as activity, displaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Array, as_finite
from savings_gym.task.settings import N_TARGETS, TRIAL_STEPS

View = Callable[[Array, bool], Array]


class Policy(Protocol):
    """The ``predict`` of stable-baselines3; a function from observations to actions will do too."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Actions of all rows and the memory after them."""


@dataclass(frozen=True, eq=False)
class Kick:
    """A displacement of a policy's activity, see `Memory`.

    The memory before control step ``step`` is displaced, once; that step then takes in its observation as
    always.

    Attributes:
        step: Control step of the measured trial, 0 to 99.
        vector: (units,) for all targets, or (8, units); what is added.
    """

    step: int
    vector: ArrayLike

    def __post_init__(self) -> None:
        """Check the values."""
        step = self.step
        if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or not 0 <= step < TRIAL_STEPS:
            raise ValueError(f"the step of a kick must lie in 0..{TRIAL_STEPS - 1}, got {step!r}")
        vector = as_finite("the vector of a kick", self.vector)
        if vector.ndim != 1 and (vector.ndim != 2 or len(vector) != N_TARGETS):
            raise ValueError(
                f"the vector of a kick must have the shape (units,) or ({N_TARGETS}, units), got "
                f"{vector.shape}"
            )


class Memory:
    """A policy with the memory that it has now, in 8 rows; new ones have none.

    Activity is the first array of the policy's state, (8, units), or of the last layer, where it is
    (layers, 8, units), as of recurrent policies of stable-baselines3.

    Args:
        policy: See `probing.Probe`.
        view: See `probing.Probe`.

    Raises:
        TypeError: For what is no policy.
    """

    def __init__(self, policy: Any, view: View | None = None) -> None:
        if not (hasattr(policy, "predict") or callable(policy)):
            raise TypeError(f"a policy needs a predict method or must be a function, got {policy!r}")
        self._policy, self._view = policy, view
        self._state: Any = None
        self._start = np.ones(N_TARGETS, dtype=bool)

    def act(self, observation: Array, first: bool) -> Array:
        """(8, m) actions; `first` says that these are the first observations of a trial."""
        seen = observation if self._view is None else self._view(observation, first)
        if not hasattr(self._policy, "predict"):
            return np.asarray(self._policy(seen))
        action, self._state = self._policy.predict(
            seen, state=self._state, episode_start=self._start, deterministic=True
        )
        self._start = np.zeros(N_TARGETS, dtype=bool)
        return np.asarray(action)

    def activity(self) -> Array:
        """(8, units) activity, a copy.

        Raises:
            ValueError: For a policy without memory, or whose memory is of another shape.
        """
        return self._layer(self._first()).copy()

    def displace(self, vector: ArrayLike) -> None:
        """Add a vector, (units,) or (8, units), to the activity, before the next `act`.

        Before the first one the policy must say what memory it begins with: by a method
        ``initial_state(rows)``, unless it is a recurrent one of sb3-contrib, which begins with zeros.

        Raises:
            ValueError: For a policy without memory, or of another number of units.
        """
        if self._state is None and self._start.all():
            self._state, self._start = self._initial(), np.zeros(N_TARGETS, dtype=bool)
        first = np.array(self._first())
        layer, added = self._layer(first), np.asarray(vector)
        check_kick(added.shape, layer.shape[-1])
        layer += added.astype(layer.dtype)
        if not isinstance(self._state, (tuple, list)):
            self._state = first
        else:
            parts = [first, *self._state[1:]]
            make = getattr(self._state, "_make", type(self._state))
            self._state = make(parts)

    def _first(self) -> Array:
        """First array of the state, not a copy."""
        state = self._state[0] if isinstance(self._state, (tuple, list)) and self._state else self._state
        if state is None:
            raise ValueError(f"the policy has no memory to record or displace: {self._policy!r}")
        return np.asarray(state)

    def _layer(self, first: Array) -> Array:
        layer = first[-1] if first.ndim == 3 else first
        if layer.ndim != 2 or len(layer) != N_TARGETS:
            raise ValueError(
                f"the first array of the policy's state has shape {first.shape}, expected "
                f"({N_TARGETS}, units) or (layers, {N_TARGETS}, units)"
            )
        return layer

    def _initial(self) -> Any:
        if hasattr(self._policy, "initial_state"):
            return self._policy.initial_state(N_TARGETS)
        shape = getattr(getattr(self._policy, "policy", None), "lstm_hidden_state_shape", None)
        if shape is None:
            raise ValueError(
                "a kick at step 0 needs a policy that says what memory it begins with, by a method "
                f"initial_state(rows); {self._policy!r} has none"
            )
        return tuple(np.zeros((shape[0], N_TARGETS, shape[2]), dtype=np.float32) for _ in range(2))


def check_kick(shape: tuple[int, ...], units: int) -> None:
    """Raise a ValueError if vectors of this shape cannot be added to the activity of so many units."""
    if shape not in ((units,), (N_TARGETS, units)):
        raise ValueError(
            f"the vector of a kick has shape {shape}, expected ({units},) or ({N_TARGETS}, {units}) for a "
            f"policy of {units} units"
        )
