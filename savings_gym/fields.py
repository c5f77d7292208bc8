"""Force fields on the hand, as data.

Every field is linear in the hand's velocity v and position x (SI units, world plane),

    f = B·v + K·(x0 − x) + c        [N]

so a field is a small frozen object that prints, pickles, hashes and goes through JSON, and a
batch of trials, each with a field of its own, is four arrays (`linear_fields.LinearFields`). Coefficients may
depend on the trial's start and target, as those of a channel do.

A field acts from the go signal on (`onset="go"`) or during the whole trial (`onset="start"`).
Fields are added with `+`; the parts of a sum keep their own onset.

Fields from plain values, as they stand in JSON, in a config or in an environment's spec.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats
from savings_gym.linear_fields import LinearFields

Vector = tuple[float, float]
Matrix = tuple[Vector, Vector]

ONSETS = ("go", "start")


def _finite(owner: object, name: str, value: ArrayLike, shape: tuple[int, ...]) -> Any:
    """`value` as nested tuples of floats, or a ValueError that names it."""
    wanted = "a finite number" if shape == () else f"finite numbers of shape {shape}"
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(shape, np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{type(owner).__name__}: {name} must be {wanted}, got {value!r}")
    if shape == ():
        return float(array)
    return tuple(tuple(row) for row in array.tolist()) if len(shape) == 2 else tuple(array.tolist())


@dataclass(frozen=True)
class Field:
    """Base of all force fields.

    Attributes:
        onset: "go" (acts from the go signal on) or "start" (acts during the whole trial).
        kind: The field's name in `to_dict` and in `field_dicts.field_from_dict`.
    """

    onset: str = dataclasses.field(default="go", kw_only=True)
    kind: str = dataclasses.field(default="", init=False, repr=False)

    shapes: ClassVar[dict[str, tuple[int, ...]]] = {}  # of the values that must be finite numbers

    def __post_init__(self) -> None:
        """Check the values, and store arrays as tuples."""
        if self.onset not in ONSETS:
            raise ValueError(f"{type(self).__name__}: onset must be one of {ONSETS}, got {self.onset!r}")
        for name, shape in self.shapes.items():
            object.__setattr__(self, name, _finite(self, name, getattr(self, name), shape))

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        """The non-zero ones of B, K, x0 and c; arguments as in `coefficients`."""
        raise NotImplementedError

    def coefficients(self, start: Floats, target: Floats) -> LinearFields:
        """The field in n trials.

        Args:
            start: (n, 2) hand position at the start of each trial, m.
            target: (n, 2) target position of each trial, m.

        Returns:
            n linear fields, regardless of `onset`.
        """
        return LinearFields.zeros(len(start)).filled(**self._terms(start, target))

    def parts(self) -> tuple[Field, ...]:
        """The fields that add up to this one, each with an onset of its own."""
        return (self,)

    @property
    def is_null(self) -> bool:
        """Whether no movement of the hand ever meets a force."""
        start, target = np.zeros((1, 2)), np.ones((1, 2))
        return not any(part.coefficients(start, target).active.any() for part in self.parts())

    def to_dict(self) -> dict[str, Any]:
        """The field as JSON-able values; `field_dicts.field_from_dict` is the inverse."""
        return dataclasses.asdict(self)

    def __add__(self, other: Field) -> SumField:
        """Both fields at once."""
        if not isinstance(other, Field):
            return NotImplemented
        return SumField((*self.parts(), *other.parts()))


@dataclass(frozen=True)
class NullField(Field):
    """No force."""

    kind: str = dataclasses.field(default="null", init=False, repr=False)

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        return {}

    def parts(self) -> tuple[Field, ...]:
        """Nothing to add."""
        return ()


@dataclass(frozen=True)
class CurlField(Field):
    """Force at right angles to the hand's velocity: f = b·(v_y, −v_x).

    Attributes:
        b: N·s/m. A positive b pushes to the right of the movement, a negative b to the left.
    """

    b: float
    kind: str = dataclasses.field(default="curl", init=False, repr=False)
    shapes = {"b": ()}

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        return {"B": [[0.0, self.b], [-self.b, 0.0]]}


@dataclass(frozen=True)
class ViscousField(Field):
    """Force linear in the hand's velocity: f = matrix·v.

    Attributes:
        matrix: (2, 2) N·s/m; the negative of a positive-definite matrix resists movement.
    """

    matrix: Matrix
    kind: str = dataclasses.field(default="viscous", init=False, repr=False)
    shapes = {"matrix": (2, 2)}

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        return {"B": self.matrix}


@dataclass(frozen=True)
class ElasticField(Field):
    """A spring from the hand to a fixed point: f = stiffness·(centre − x).

    Attributes:
        stiffness: N/m, one number for a spring alike in all directions, or (2, 2).
        centre: (2,) m; None is the hand's position at the start of the trial.
    """

    stiffness: Matrix | float
    centre: Vector | None = None
    kind: str = dataclasses.field(default="elastic", init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values, and make a matrix of one stiffness."""
        super().__post_init__()
        stiffness = self.stiffness
        if np.ndim(stiffness) == 0:
            k = _finite(self, "stiffness", stiffness, ())
            stiffness = ((k, 0.0), (0.0, k))
        object.__setattr__(self, "stiffness", _finite(self, "stiffness", stiffness, (2, 2)))
        if self.centre is not None:
            object.__setattr__(self, "centre", _finite(self, "centre", self.centre, (2,)))

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        return {"K": self.stiffness, "x0": start if self.centre is None else self.centre}


@dataclass(frozen=True)
class ConstantField(Field):
    """The same force everywhere: f = force.

    Attributes:
        force: (2,) N.
    """

    force: Vector
    kind: str = dataclasses.field(default="constant", init=False, repr=False)
    shapes = {"force": (2,)}

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        return {"c": self.force}


@dataclass(frozen=True)
class ChannelField(Field):
    """Error clamp: stiff walls along the line from start to target.

    With n the unit vector at right angles to the line,
    f = stiffness·n nᵀ(start − x) − damping·n nᵀv: the hand's *position* is pulled back onto the
    line, movement along it is free, and the hand pushes against the wall with −f. The defaults
    are of the size that error-clamp experiments use.
    Where start and target coincide, the line runs along the x axis.

    Attributes:
        stiffness: N/m, at least 0.
        damping: N·s/m, at least 0.
    """

    stiffness: float = 6000.0
    damping: float = 250.0
    kind: str = dataclasses.field(default="channel", init=False, repr=False)
    shapes = {"stiffness": (), "damping": ()}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        for name in self.shapes:
            if getattr(self, name) < 0.0:
                raise ValueError(f"ChannelField: {name} must be at least 0, got {getattr(self, name)!r}")

    def _terms(self, start: Floats, target: Floats) -> dict[str, ArrayLike]:
        line = target - start
        length = np.hypot(line[:, 0], line[:, 1])
        line[length == 0.0], length[length == 0.0] = (1.0, 0.0), 1.0
        normal = np.stack([-line[:, 1], line[:, 0]], axis=-1) / length[:, None]  # (n, 2)
        across = normal[:, :, None] * normal[:, None, :]  # (n, 2, 2)
        return {"B": -self.damping * across, "K": self.stiffness * across, "x0": start}


@dataclass(frozen=True)
class SumField(Field):
    """Several fields at once, each with its own onset. Made by `a + b`.

    Attributes:
        fields: The parts. The sum takes no `onset` of its own.
    """

    fields: tuple[Field, ...]
    kind: str = dataclasses.field(default="sum", init=False, repr=False)

    def __post_init__(self) -> None:
        """Flatten sums of sums."""
        super().__post_init__()
        if self.onset != "go":  # the default, which says nothing
            raise ValueError(
                f"SumField: the parts of a sum keep their own onset; give onset={self.onset!r} to them"
            )
        parts = tuple(part for field in self.fields for part in field.parts())
        object.__setattr__(self, "fields", parts)

    def parts(self) -> tuple[Field, ...]:
        """The fields of the sum."""
        return self.fields


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


def resolve_fields(
    fields: Field | Sequence[Field], start: Floats, target: Floats
) -> tuple[LinearFields, LinearFields]:
    """The forces of n trials, split by the time at which they set in.

    Args:
        fields: One field for all trials, or n fields.
        start: (n, 2) hand position at the start of each trial, m.
        target: (n, 2) target of each trial, m.

    Returns:
        `always` (acts during the whole trial) and `after_go` (acts from go on), n fields each;
        the force on the hand is the sum of both.
    """
    n = len(start)
    each = list(fields) if isinstance(fields, Sequence) else [fields] * n
    if len(each) != n:
        raise ValueError(f"{len(each)} fields were given for {n} trials")
    slots = {"start": LinearFields.zeros(n), "go": LinearFields.zeros(n)}
    rows_of: dict[Field, list[int]] = {}
    for row, field in enumerate(each):
        rows_of.setdefault(field, []).append(row)
    for field, members in rows_of.items():
        rows = np.array(members)
        for part in field.parts():
            slots[part.onset].add(rows, part.coefficients(start[rows], target[rows]))
    return slots["start"], slots["go"]
