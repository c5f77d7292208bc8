"""Fields from plain values, as they stand in JSON, in a config or in an environment's spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from savings_gym.fields import (
    ChannelField,
    ConstantField,
    CurlField,
    ElasticField,
    Field,
    NullField,
    SumField,
    ViscousField,
)

_KINDS: dict[str, type[Field]] = {
    cls.kind: cls
    for cls in (NullField, CurlField, ViscousField, ElasticField, ConstantField, ChannelField, SumField)
}


def field_from_dict(values: Mapping[str, Any]) -> Field:
    """The field that `Field.to_dict` described, for example `{"kind": "curl", "b": 8.0}`.

    Raises:
        ValueError: For an unknown kind, an unknown or missing name, or a bad value.
    """
    kind = values.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"unknown field kind {kind!r}; the kinds are {sorted(_KINDS)}")
    cls = _KINDS[kind]
    given = {name: value for name, value in values.items() if name != "kind"}
    names = {f.name: f for f in dataclasses.fields(cls) if f.init}
    unknown = sorted(set(given) - set(names))
    missing = sorted(
        name for name, f in names.items() if name not in given and f.default is dataclasses.MISSING
    )
    if unknown or missing:
        raise ValueError(
            f"field {kind!r} takes {sorted(names)}; got the unknown {unknown}, missing {missing}"
        )
    if "fields" in given:
        given["fields"] = tuple(as_field(part) for part in given["fields"])
    return cls(**given)


def as_field(value: Field | Mapping[str, Any] | None) -> Field:
    """A field from a field, from its dict, or from None (no force).

    Raises:
        ValueError: If `value` is none of these.
    """
    if value is None:
        return NullField()
    if isinstance(value, Field):
        return value
    if isinstance(value, Mapping):
        return field_from_dict(value)
    raise ValueError(f"a field must be a Field, its dict, or None; got {value!r}")
