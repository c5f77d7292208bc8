"""A policy in a probe: how it is called, and its memory, which can be recorded and displaced."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from savings_gym.activity.displacement import Displacement
from savings_gym.arrays import Array, short
from savings_gym.task.settings import N_TARGETS

View = Callable[[Array, bool], Array]  # observations, and whether a trial begins, to what the policy sees


class Policy(Protocol):
    """Anything with the `predict` of stable-baselines3."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the actions in all environments, and the memory after them."""


def _takes_memory(predict: Callable[..., Any]) -> bool:
    """Return whether a method can be called with memory, as that of stable-baselines3."""
    try:
        inspect.signature(predict).bind(None, state=None, episode_start=None, deterministic=True)
    except TypeError:
        return False
    except ValueError:  # compiled code without a signature
        return True
    return True


class PolicyMemory:
    """A policy with its memory in the 8 environments of a probe, empty at first.

    Its activity is the first array of the policy's state, (8, units), or the last layer of that array if it
    is (layers, 8, units), as recurrent policies of stable-baselines3 have it.

    Args:
        policy: A policy, or a function from (8, n) observations to (8, m) actions.
        view: Turns observations into what the policy sees; None leaves them as they are.

    Raises:
        TypeError: If the policy has no `predict` and is not a function, or is a class, or if its `predict`
            takes no memory.
    """

    def __init__(self, policy: Any, view: View | None = None) -> None:
        if isinstance(policy, type):
            raise TypeError(f"a policy must be an object, not a class: got {policy!r}")
        if not (hasattr(policy, "predict") or callable(policy)):
            raise TypeError(f"a policy needs a predict method or must be a function, got {policy!r}")
        if hasattr(policy, "predict") and not _takes_memory(policy.predict):
            raise TypeError(
                "predict must take (observation, state, episode_start, deterministic), as that of "
                f"stable-baselines3 does, but {policy!r} does not; a policy without memory can be a function "
                "of observations"
            )
        self._policy, self._view = policy, view
        self._state: Any = None
        self._episode_start = np.ones(N_TARGETS, dtype=bool)

    def act(self, observation: Array, first: bool) -> Array:
        """Return the actions (8, m) for observations (8, n).

        Args:
            observation: One row per environment.
            first: Whether these are the first observations of a trial.
        """
        seen = observation if self._view is None else self._view(observation, first)
        if not hasattr(self._policy, "predict"):
            return self._as_actions(self._policy(seen))
        result = self._policy.predict(
            seen, state=self._state, episode_start=self._episode_start, deterministic=True
        )
        if not isinstance(result, tuple) or len(result) != 2:
            raise ValueError(
                "predict must return actions and memory, which may be None, but that of "
                f"{self._policy!r} returned {type(result).__name__}"
            )
        action, self._state = result
        self._episode_start = np.zeros(N_TARGETS, dtype=bool)
        return self._as_actions(action)

    def _as_actions(self, action: Any) -> Array:
        """Return actions as an array with a row for each of the 8 observations."""
        tensor = action.detach().cpu() if hasattr(action, "detach") else action
        try:
            actions = np.asarray(tensor)
        except ValueError:  # of parts with different shapes
            actions = np.zeros(())
        if actions.ndim < 1 or len(actions) != N_TARGETS:
            raise ValueError(
                f"a policy gets {N_TARGETS} observations at once and must return {N_TARGETS} actions, one a "
                f"row; {self._policy!r} returned {short(action)}"
            )
        return actions

    def activity(self) -> Array:
        """Return a copy of the activity, (8, units).

        Raises:
            ValueError: If the policy has no memory, or a state of another shape.
        """
        return self._layer(self._first_array()).copy()

    def displace(self, displacement: Displacement) -> None:
        """Add the vectors of a displacement to the activity.

        A policy that has not acted yet must have a method `initial_state(n)`, which returns its memory in n
        environments before the first observation. Recurrent policies of sb3-contrib begin with zeros and
        need none.

        Raises:
            ValueError: If the policy has no memory, or another number of units.
        """
        if self._state is None and self._episode_start.all():
            self._state, self._episode_start = self._initial_state(), np.zeros(N_TARGETS, dtype=bool)
        first = np.array(self._first_array())
        layer = self._layer(first)
        layer += displacement.broadcast(1, *layer.shape)[0].astype(layer.dtype)
        if not isinstance(self._state, (tuple, list)):
            self._state = first
        else:
            parts = [first, *self._state[1:]]
            make = getattr(self._state, "_make", type(self._state))  # a named tuple takes no list
            self._state = make(parts)

    def _first_array(self) -> Array:
        """Return the first array of the state, not a copy."""
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

    def _initial_state(self) -> Any:
        if hasattr(self._policy, "initial_state"):
            return self._policy.initial_state(N_TARGETS)
        shape = getattr(getattr(self._policy, "policy", None), "lstm_hidden_state_shape", None)
        if shape is None:
            raise ValueError(
                "a displacement at step 0 needs a policy with a method initial_state(n), which returns its "
                f"memory in n environments before the first observation; {self._policy!r} has none"
            )
        return tuple(np.zeros((shape[0], N_TARGETS, shape[2]), dtype=np.float32) for _ in range(2))
