"""The theories of learning by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from savings_gym.arrays import as_choice
from savings_gym.models.coin import Coin
from savings_gym.models.memory_of_errors import MemoryOfErrors
from savings_gym.models.model import Model
from savings_gym.models.state_space import OneRate, ThreeRate, TwoRate

MODELS: Final[Mapping[str, type[Model]]] = {
    "one-rate": OneRate,
    "two-rate": TwoRate,
    "three-rate": ThreeRate,
    "memory-of-errors": MemoryOfErrors,
    "coin": Coin,
}


def make_model(name: str, **parameters: Any) -> Model:
    """Return a theory by its name in `MODELS`.

    Args:
        name: The name.
        **parameters: Those that differ from its defaults.

    Raises:
        ValueError: If there is no such theory, or a parameter is unknown or bad; it names the valid choices.
    """
    kind = MODELS[as_choice("theory", name, MODELS)]
    for parameter in parameters:
        as_choice(f"parameter of {name}", parameter, kind.__dataclass_fields__)
    return kind(**parameters)
