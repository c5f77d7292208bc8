"""Perturbations of a reach, as data: force fields on the hand, and the base of all others.

Every force field is linear in the hand's velocity v and position x (SI units, world plane),

    f = B·v + K·(x0 − x) + c        [N]

so a field is a small frozen object that prints, pickles, hashes and goes through JSON, and n
trials, each with its own field, are four arrays (`linear_fields.LinearFields`). The coefficients
may depend on the start and the target of the trial, as those of a channel do.

A field acts during the whole trial (`onset="start"`), from the go signal on (`onset="go"`), or from when
the go cue is seen, the delay of the cue later (`onset="cue"`). Fields are added with `+`; the parts of a
sum keep their own onset.

What is seen of the hand can be perturbed, too (`perturbations.visual`), and every perturbation can have a
time course or be restricted to some targets (`perturbations.modified`). They are fields like the others: an
argument `field` takes them, and `+` combines them.

A field of your own is a subclass with a kind. Once it is defined it works everywhere: in the
environments and their specs, in schedules, and in `field_from_dict`:

    @dataclass(frozen=True)
    class Wind(Field, kind="wind"):
        speed: float
        shapes = {"speed": ()}  # a finite number

        def terms(self, start, target):
            return {"B": [[-2.0, 0.0], [0.0, -2.0]], "c": [2.0 * self.speed, 0.0]}  # −2·(v − speed)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_choice, as_numbers
from savings_gym.perturbations.linear_fields import LinearFields
from savings_gym.perturbations.visual_maps import VisualMaps

Vector = tuple[float, float]
Matrix = tuple[Vector, Vector]

ONSETS = ("start", "go", "cue")  # in the order of time
LARGEST = 1e12  # magnitude of the numbers of a field, SI units; beyond it, forces would overflow
TRIED_STARTS = (-0.2, 0.0, 0.2), (0.2, 0.3, 0.4)  # m, x and y of the starts from which a field is tried out
TRIED_DISTANCE = 0.1  # m, from there to the targets

_KINDS: dict[str, type[Field]] = {}  # every subclass of Field by its kind
UNSAID: Any = object()  # kind of a class that cloudpickle rebuilds without the keywords of its statement


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _as_tuples(values: Any) -> Any:
    return tuple(map(_as_tuples, values)) if isinstance(values, list) else values


@dataclass(frozen=True)
class Field:
    """Base of all perturbations; see the module for how to write a force field.

    Attributes:
        onset: "start" (acts during the whole trial), "go" (acts from the go signal on) or "cue" (acts from
            when the go cue is seen).
        kind: Name of the class in `to_dict` and `field_from_dict`, an argument of the class statement. None
            there makes a base class, of which there are no objects.
        scored: Whether rewards, losses and measures score the "cursor" or the "hand", if the perturbation
            changes what is seen; else None.
    """

    onset: str = dataclasses.field(default="go", kw_only=True)
    kind: str = dataclasses.field(default="", init=False, repr=False)  # subclasses have it as an attribute

    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {}  # of the attributes that are finite numbers
    scored: ClassVar[str | None] = None

    def __init_subclass__(cls, *, kind: str | None = UNSAID, **arguments: Any) -> None:
        """Register the class, so that fields of this kind can be made from their dicts.

        Raises:
            ValueError: If the kind is not a name, or belongs to another class.
        """
        super().__init_subclass__(**arguments)
        if kind is None or kind is UNSAID:
            return
        cls._register(kind)

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Register the class if another process sent it here, as one from a script or a notebook.

        Raises:
            TypeError: If the class has no kind of its own.
        """
        kind = vars(cls).get("kind")
        if cls is not Field:
            if not kind:
                base = cls.__bases__[0].__name__
                raise TypeError(
                    f"{cls.__name__} has no kind of its own: write class {cls.__name__}({base}, kind='...')"
                )
            if kind not in _KINDS:
                cls._register(kind)
        return super().__new__(cls)

    @classmethod
    def _register(cls, kind: str) -> None:
        if not isinstance(kind, str) or not kind:
            raise ValueError(f"the kind of {cls.__name__} must be a non-empty string, got {kind!r}")
        other = _KINDS.get(kind, cls)
        if _name(other) != _name(cls):  # a class that is defined again, as in a notebook, replaces itself
            raise ValueError(f"the kind {kind!r} of {_name(cls)} belongs to {_name(other)}: choose another")
        cls.kind = kind
        _KINDS[kind] = cls

    def __post_init__(self) -> None:
        """Check the values, and store arrays as tuples."""
        as_choice(f"{type(self).__name__}: onset", self.onset, ONSETS)
        for name, shape in self.shapes.items():
            self._store(name, shape)

    def _store(self, name: str, *shapes: tuple[int, ...]) -> None:
        """Check the numbers of an attribute, and store them as floats or nested tuples of floats."""
        label = f"{type(self).__name__}: {name}"
        numbers = as_numbers(label, getattr(self, name), *shapes, largest=LARGEST)
        object.__setattr__(self, name, _as_tuples(numbers.tolist()))

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return those of "B", "K", "x0" and "c" that are not zero; arguments as in `coefficients`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method terms(start, target)")

    def coefficients(self, start: Floats, target: Floats) -> LinearFields:
        """Return the field in n trials.

        Args:
            start: (n, 2) hand position at the start of each trial, m.
            target: (n, 2) target position of each trial, m.

        Returns:
            n linear fields, regardless of `onset`.
        """
        return LinearFields.zeros(len(start)).filled(**self.terms(start, target))

    def view(self, start: Floats, target: Floats, size: Floats) -> VisualMaps | None:
        """Return what is seen of the hand in n trials; None if the hand is seen where it is.

        Args:
            start: (n, 2) see `coefficients`.
            target: (n, 2) see `coefficients`.
            size: (n,) share of the perturbation; 0 is none.
        """
        return None

    def course(self, time: Floats) -> Floats | None:
        """Return the size of the perturbation at times after its onset [s]; None if it is always 1."""
        return None

    def parts(self) -> tuple[Field, ...]:
        """Return the fields that add up to this one, each with its own onset."""
        return (self,)

    @property
    def is_null(self) -> bool:
        """Whether the field never changes a force or what is seen, however the hand moves.

        It is tried out in reaches of 10 cm from starts all over the workspace, in every direction of whole
        degrees. A field of your own that acts in none of them, but in others, needs an `is_null` of its own.
        """
        parts = self.parts()
        if parts != (self,):
            return all(part.is_null for part in parts)
        return not _has_effect(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the field as JSON-able values; `field_from_dict` is the inverse."""
        return dataclasses.asdict(self)

    def __add__(self, other: Field) -> SumField:
        """Return the sum of both fields."""
        if not isinstance(other, Field):
            return NotImplemented
        return SumField((*self.parts(), *other.parts()))


@dataclass(frozen=True)
class NullField(Field, kind="null"):
    """No force."""

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {}

    def parts(self) -> tuple[Field, ...]:
        """Return no fields: nothing adds up to no force."""
        return ()


@dataclass(frozen=True)
class CurlField(Field, kind="curl"):
    """Force at right angles to the hand's velocity: f = b·(v_y, −v_x).

    Attributes:
        b: N·s/m. A positive b pushes to the right of the movement, a negative b to the left.
    """

    b: float
    shapes = {"b": ()}

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"B": [[0.0, self.b], [-self.b, 0.0]]}


@dataclass(frozen=True)
class ViscousField(Field, kind="viscous"):
    """Force linear in the hand's velocity: f = matrix·v.

    Attributes:
        matrix: (2, 2) N·s/m; the negative of a positive-definite matrix resists movement.
    """

    matrix: Matrix
    shapes = {"matrix": (2, 2)}

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"B": self.matrix}


@dataclass(frozen=True)
class ElasticField(Field, kind="elastic"):
    """A spring from the hand to a fixed point: f = stiffness·(centre − x).

    Attributes:
        stiffness: N/m, one number for a spring that is equally stiff in all directions, or (2, 2).
        centre: (2,) m; None means the hand's position at the start of the trial.
    """

    stiffness: Matrix | float
    centre: Vector | None = None

    def __post_init__(self) -> None:
        """Check the values, and turn a single stiffness into a matrix."""
        super().__post_init__()
        self._store("stiffness", (), (2, 2))
        if isinstance(self.stiffness, float):
            object.__setattr__(self, "stiffness", ((self.stiffness, 0.0), (0.0, self.stiffness)))
        if self.centre is not None:
            self._store("centre", (2,))

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"K": self.stiffness, "x0": start if self.centre is None else self.centre}


@dataclass(frozen=True)
class ConstantField(Field, kind="constant"):
    """The same force everywhere: f = force.

    Attributes:
        force: (2,) N.
    """

    force: Vector
    shapes = {"force": (2,)}

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"c": self.force}


def across_line(start: Floats, target: Floats) -> Floats:
    """Return n nᵀ, (n, 2, 2), with n at right angles to the lines from start to target, (n, 2) m each."""
    line = target - start
    length = np.hypot(line[:, 0], line[:, 1])
    line[length == 0.0], length[length == 0.0] = (1.0, 0.0), 1.0
    normal = np.stack([-line[:, 1], line[:, 0]], axis=-1) / length[:, None]  # (n, 2)
    across: Floats = normal[:, :, None] * normal[:, None, :]
    return across


@dataclass(frozen=True)
class ChannelField(Field, kind="channel"):
    """Error clamp: stiff walls along the line from start to target.

    With n the unit vector at right angles to the line,
    f = stiffness·n nᵀ(start − x) − damping·n nᵀv: the hand's *position* is pulled back onto the
    line, movement along it is free, and the hand pushes against the wall with −f. The defaults
    are typical of error-clamp experiments. If start and target coincide, the line runs along x.

    Attributes:
        stiffness: N/m, at least 0.
        damping: N·s/m, at least 0.
    """

    stiffness: float = 6000.0
    damping: float = 250.0
    shapes = {"stiffness": (), "damping": ()}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        for name in self.shapes:
            if getattr(self, name) < 0.0:
                raise ValueError(f"ChannelField: {name} must be at least 0, got {getattr(self, name)!r}")

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        across = across_line(start, target)
        return {"B": -self.damping * across, "K": self.stiffness * across, "x0": start}


@dataclass(frozen=True)
class SumField(Field, kind="sum"):
    """Several fields at once, each with its own onset; `a + b` makes one.

    Attributes:
        fields: The parts, or their dicts. The sum takes no `onset` of its own.
    """

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        """Check the parts, and flatten sums of sums."""
        super().__post_init__()
        if self.onset != "go":  # the default
            raise ValueError(
                f"SumField: the parts of a sum keep their own onset; give onset={self.onset!r} to them"
            )
        fields: Any = self.fields
        if isinstance(fields, str) or not isinstance(fields, Sequence):
            raise ValueError(f"SumField: fields must be a sequence of fields, got {fields!r}")
        parts = tuple(part for field in fields for part in as_field(field).parts())
        if len(scored := {part.scored for part in parts} - {None}) > 1:
            raise ValueError(
                f"SumField: its parts must agree on what is scored, got {sorted(map(str, scored))}"
            )
        object.__setattr__(self, "fields", parts)

    @property
    def scored(self) -> str | None:  # type: ignore[override]
        """What is scored, see `Field`."""
        return next((part.scored for part in self.fields if part.scored is not None), None)

    def parts(self) -> tuple[Field, ...]:
        """Return the fields of the sum."""
        return self.fields


def field_from_dict(values: Mapping[str, Any]) -> Field:
    """Return the field that `Field.to_dict` described, for example `{"kind": "curl", "b": 8.0}`.

    Raises:
        ValueError: If the kind or a name is unknown, a name is missing, or a value is bad.
    """
    kind = values.get("kind") if isinstance(values, Mapping) else None
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ValueError(
            f"unknown field kind {kind!r} in {values!r}; the kinds are {sorted(_KINDS)}, and those of your "
            "own subclasses of Field once they are imported"
        )
    arguments = {name: value for name, value in values.items() if name != "kind"}
    names = {f.name: f for f in dataclasses.fields(cls) if f.init}
    unknown = sorted(set(arguments) - set(names), key=str)
    missing = sorted(name for name, f in names.items() if name not in arguments and not _has_default(f))
    if unknown or missing:
        wrong = [f"does not take {unknown}"] * bool(unknown) + [f"lacks {missing}"] * bool(missing)
        raise ValueError(f"field {kind!r} {' and '.join(wrong)}; it takes {sorted(names)}")
    return cls(**arguments)


def acts_on(field: Field, start: Floats, target: Floats) -> bool:
    """Return whether a field changes a force or what is seen in any of n reaches.

    Args:
        field: The field.
        start: (n, 2) [m].
        target: (n, 2) [m].
    """
    if field.coefficients(start, target).active.any():
        return True
    view = field.view(start, target, np.ones(len(start)))
    return view is not None and bool(view.active.any())


@lru_cache(maxsize=1024)  # some agents and wrappers ask in every step
def _has_effect(field: Field) -> bool:
    """Return whether a field changes a force or what is seen in a reach from a grid of starts."""
    angles = np.deg2rad(np.arange(360.0))
    lines = TRIED_DISTANCE * np.stack([np.cos(angles), np.sin(angles)], axis=-1)  # (360, 2)
    starts = np.stack(np.meshgrid(*TRIED_STARTS), axis=-1).reshape(-1, 2)  # (9, 2)
    start, line = np.repeat(starts, len(lines), axis=0), np.tile(lines, (len(starts), 1))
    return acts_on(field, start, start + line)


def _has_default(attribute: dataclasses.Field[Any]) -> bool:
    return any(d is not dataclasses.MISSING for d in (attribute.default, attribute.default_factory))


def as_field(value: Field | Mapping[str, Any] | None) -> Field:
    """Return a field, given as itself, as its dict, or as None for no force.

    Raises:
        ValueError: If `value` is none of these.
    """
    if value is None:
        return NullField()
    if isinstance(value, Field):
        return value
    if isinstance(value, Mapping):
        return field_from_dict(value)
    raise ValueError(
        "a field must be a Field such as CurlField(8.0), its dict such as {'kind': 'curl', 'b': 8.0}, or "
        f"None; got {value!r}"
    )
