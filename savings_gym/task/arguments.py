"""Settings as arguments: given as objects, as dicts of some of their values, or as True, False or None."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

S = TypeVar("S")


def as_settings(name: str, cls: type[S], value: Any, *, default: S | None = None, none: S | None = None) -> S:
    """Return settings, given as themselves, as a dict of some of their values, or as a word for a choice.

    Args:
        name: Name of the argument, for the error.
        cls: Their class, a dataclass that checks its values.
        value: What was given.
        default: What True stands for; None refuses True.
        none: What False and None stand for; None refuses both.

    Raises:
        ValueError: If `value` is none of these, or a value in the dict is bad; it names the argument and
            lists what is valid.
    """
    if isinstance(value, cls):
        return value
    if value is True and default is not None:
        return default
    if (value is None or value is False) and none is not None:
        return none
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if isinstance(value, Mapping) and set(value) <= set(names):
        try:
            return cls(**value)
        except ValueError as error:
            raise ValueError(f"{name}: {str(error).removeprefix(f'{cls.__name__}: ')}") from None
    words = ["True (the default)"] * (default is not None) + ["False", "None (none)"] * (none is not None)
    *valid, last = [cls.__name__, f"a dict with some of the names {names}", *words]
    raise ValueError(f"{name} must be {', '.join(valid)} or {last}; got {value!r}")
