"""For stable-baselines3: the vector environment as a `VecEnv`, and the savings callback.

Importing this package does not import stable-baselines3; using one of its names does.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from savings_gym.sb3.callback import SavingsCallback
    from savings_gym.sb3.training_env import TrainingEnv
    from savings_gym.sb3.vec_env import ReachVecEnv


__all__ = ["ReachVecEnv", "SavingsCallback", "TrainingEnv"]

_MODULES = {"ReachVecEnv": "vec_env", "SavingsCallback": "callback", "TrainingEnv": "training_env"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no {name!r}; choose from: {', '.join(__all__)}")
    if find_spec("stable_baselines3") is None:
        raise ImportError(
            f"{__name__}.{name} needs stable-baselines3: pip install 'savings_gym[sb3]'",
            name="stable_baselines3",
        )
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
