"""Sessions: blocks of trials whose fields are drawn anew in every session.

The field of a block is "A" or "B", which are drawn for each session from declared pairs; or none, or one of
its own. Drawing a session makes it a schedule, in which all is known:

    session = Session(
        blocks=(Block("null", None, 8), Block("FF1", "A", (8, 24)), Block("B", "B", 8), Block("FF2", "A", 8)),
        pairs=(FieldPair(CurlField(8.0), CurlField(-8.0)), FieldPair(CurlField(-8.0), CurlField(8.0))),
    )
    pair, schedule = session.draw(np.random.default_rng(0))

`metrics.savings.savings` compares blocks named FF1 and FF2.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np

from savings_gym.arrays import as_choice, as_number, as_whole_number
from savings_gym.perturbations.fields import CurlField, Field, NullField, as_field
from savings_gym.task.schedule import PHASES, Phase, Schedule

DRAWN: Final = ("A", "B")  # fields that are drawn for each session
BLOCK_FIELDS: Final = ("none", "A", "B", "own")  # what the field of a block is, by its index in `info`
SIZES: Final = (4.0, 8.0, 12.0)  # N·s/m, of the curl fields that are drawn by default
NULL_SHARE: Final = 0.2  # probability that A, and with it B, is no field
SECOND: Final = ("opposite", "independent")
MOST_TRIALS: Final = 1_000_000  # in a block
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-9, 1e9


@dataclass(frozen=True)
class Block:
    """A number of trials of a session in one field.

    Attributes:
        name: Name of the block, such as "FF1".
        field: "A" or "B", a field that is drawn for each session; or a force field (or its dict) that is the
            same in all sessions; None means no force.
        trials: Number of trials, at least 1; or the smallest and the largest number, between which it is
            drawn.
        catch_fraction: Probability of a trial without a go signal; None leaves it to the environment.
    """

    name: str
    field: Field | str
    trials: int | tuple[int, int]
    catch_fraction: float | None = None

    def __post_init__(self) -> None:
        """Check the values, and turn a dict into its field."""
        if not isinstance(self.field, str):
            object.__setattr__(self, "field", as_field(self.field))
        elif self.field not in DRAWN:
            raise ValueError(
                f"block {self.name!r}: field must be one of {DRAWN}, a Field, its dict, or None; got "
                f"{self.field!r}"
            )
        label = f"block {self.name!r}: trials"
        if isinstance(self.trials, Sequence) and not isinstance(self.trials, str):
            if len(self.trials) != 2:
                raise ValueError(
                    f"{label} must be a number or a pair (smallest, largest), got {self.trials!r}"
                )
            least, most = (as_whole_number(label, number, 1, MOST_TRIALS) for number in self.trials)
            if least > most:
                raise ValueError(f"{label} must have the smallest number first, got {self.trials!r}")
            object.__setattr__(self, "trials", (least, most))
        else:
            object.__setattr__(self, "trials", as_whole_number(label, self.trials, 1, MOST_TRIALS))
        phase = self.phase(NullField(), self.range[0])  # which checks name and catch_fraction
        object.__setattr__(self, "catch_fraction", phase.catch_fraction)

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest number of trials."""
        return self.trials if isinstance(self.trials, tuple) else (self.trials, self.trials)

    @property
    def field_index(self) -> int:
        """What the field of the block is, as an index of `BLOCK_FIELDS`."""
        if isinstance(self.field, str):
            return BLOCK_FIELDS.index(self.field)
        return BLOCK_FIELDS.index("none" if self.field.is_null else "own")

    def phase(self, field: Field, trials: int) -> Phase:
        """Return the block as it was drawn."""
        return Phase(self.name, field, trials, self.catch_fraction)


@dataclass(frozen=True)
class FieldPair:
    """What A and B may be in a session.

    Attributes:
        a: The field A, or its dict; None means no force.
        b: The field B, likewise.
        weight: Probability of the pair relative to that of the others.
    """

    a: Field
    b: Field = NullField()  # noqa: RUF009, frozen
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the values, and turn dicts into fields."""
        for name in ("a", "b"):
            object.__setattr__(self, name, as_field(getattr(self, name)))
        weight = as_number("FieldPair: weight", self.weight, SMALLEST_WEIGHT, LARGEST_WEIGHT)
        object.__setattr__(self, "weight", weight)

    def field(self, name: str) -> Field:
        """Return the field of a name, "A" or "B"."""
        return self.a if name == "A" else self.b


def curl_pairs(
    sizes: Sequence[float] = SIZES, null: float = NULL_SHARE, second: str = "opposite"
) -> tuple[FieldPair, ...]:
    """Return pairs of curl fields of either sign, all equally probable, and of no field.

    Args:
        sizes: Magnitudes b of the fields [N·s/m], above 0.
        null: Probability that A is no field, from 0 to below 1.
        second: B is "opposite" to A (no field if A is none), or "independent" of it, from the same fields
            with the same probabilities.

    Raises:
        ValueError: If a value is bad.
    """
    null, second = as_number("null", null, 0.0, 1.0), as_choice("second", second, SECOND)
    given: Any = sizes
    if isinstance(given, str) or not isinstance(given, Sequence) or not given or null == 1.0:
        raise ValueError(f"curl_pairs needs at least one size and null below 1, got {sizes!r} and {null!r}")
    checked = [as_number("a size of a curl field", size, 1e-9) for size in given]
    each = (1.0 - null) / (2 * len(checked))
    fields: list[tuple[Field, Field, float]] = [
        (CurlField(sign * size), CurlField(-sign * size), each) for size in checked for sign in (1.0, -1.0)
    ]
    if null > 0.0:
        fields.append((NullField(), NullField(), null))
    if second == "opposite":
        return tuple(FieldPair(*pair) for pair in fields)
    return tuple(FieldPair(a, b, p * q) for a, _, p in fields for b, _, q in fields)


@dataclass(frozen=True)
class Session:
    """Blocks of trials, and what the fields A and B may be.

    Attributes:
        blocks: The blocks (or their dicts), at least one, with different names.
        pairs: The pairs (or their dicts) of which one is drawn for each session; by default `curl_pairs()`,
            curl fields of 4, 8 or 12 N·s/m and either sign, B opposite to A, and no field in a fifth of the
            sessions.
    """

    blocks: tuple[Block, ...]
    pairs: tuple[FieldPair, ...] = dataclasses.field(default_factory=curl_pairs)

    def __post_init__(self) -> None:
        """Check blocks and pairs, and turn dicts into them."""
        for name, cls in (("blocks", Block), ("pairs", FieldPair)):
            object.__setattr__(self, name, _sequence_of(cls, name, getattr(self, name)))
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"the blocks of a session need different names, got {self.names}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the blocks, in their order."""
        return tuple(block.name for block in self.blocks)

    @property
    def trials(self) -> tuple[int, int]:
        """Smallest and largest number of trials in all blocks."""
        least, most = zip(*(block.range for block in self.blocks), strict=True)
        return sum(least), sum(most)

    def draw(self, rng: np.random.Generator) -> tuple[int, Schedule]:
        """Draw a session.

        1 + blocks uniform numbers are drawn, in any case: the first decides on the pair, the others on the
        lengths of the blocks. So another field in a block leaves everything else as it is.

        Args:
            rng: The generator.

        Returns:
            The index of the pair, and the schedule of the session.
        """
        share, *lengths = rng.random(1 + len(self.blocks)).tolist()
        weights = list(accumulate(pair.weight for pair in self.pairs))
        index = min(bisect_right(weights, share * weights[-1]), len(weights) - 1)
        pair, phases = self.pairs[index], []
        for block, length in zip(self.blocks, lengths, strict=True):
            field = pair.field(block.field) if isinstance(block.field, str) else block.field
            least, most = block.range
            phases.append(block.phase(field, least + int(length * (most - least + 1))))
        return index, Schedule(tuple(phases))

    def sham(self, *blocks: str) -> Session:
        """Return the session without a field in some blocks; equal seeds draw the same trials in both.

        Args:
            *blocks: Names of the blocks.

        Raises:
            ValueError: If there is no such block; it lists those that there are.
        """
        for name in blocks:
            as_choice("the name of a block", name, self.names)
        changed = (
            dataclasses.replace(block, field=NullField()) if block.name in blocks else block
            for block in self.blocks
        )
        return dataclasses.replace(self, blocks=tuple(changed))

    def to_dict(self) -> dict[str, Any]:
        """Return the session as JSON-able values; `as_session` is the inverse."""
        return dataclasses.asdict(self)


def adaptation_session(trials: int = 16, pairs: Sequence[FieldPair] | None = None) -> Session:
    """Return a session of a single block, FF1, in a field that is drawn for each session."""
    return _session(("FF1",), ("A",), (trials,), pairs)


def savings_session(
    nf1: int = 8, ff1: int = 16, nf2: int = 16, ff2: int = 16, pairs: Sequence[FieldPair] | None = None
) -> Session:
    """Return a session of four blocks, as in `schedule.four_phase`: no field, A, washout, A again."""
    return _session(PHASES, (None, "A", None, "A"), (nf1, ff1, nf2, ff2), pairs)


def interference_session(
    ff1: int = 16, b: int = 16, ff2: int = 16, pairs: Sequence[FieldPair] | None = None
) -> Session:
    """Return a session of three blocks: A, then B, by default opposite to it, then A again."""
    return _session(("FF1", "B", "FF2"), ("A", "B", "A"), (ff1, b, ff2), pairs)


SESSIONS: Final[Mapping[str, Callable[[], Session]]] = {
    "adaptation": adaptation_session, "savings": savings_session, "interference": interference_session
}  # fmt: skip
"""Sessions by name, with their default lengths and fields."""


def as_session(value: Session | Mapping[str, Any] | str) -> Session:
    """Return a session, given as itself, as its dict, or by its name in `SESSIONS`.

    Raises:
        ValueError: If `value` is none of these.
    """
    if isinstance(value, Session):
        return value
    if isinstance(value, str) and value in SESSIONS:
        return SESSIONS[value]()
    if isinstance(value, Mapping) and {"blocks"} <= set(value) <= {"blocks", "pairs"}:
        return Session(**value)
    raise ValueError(
        f'session must be a Session, its dict {{"blocks": [...], "pairs": [...]}}, or one of '
        f"{tuple(SESSIONS)}; got {value!r}"
    )


def _session(names: Sequence[str], fields: Sequence[Any], trials: Sequence[Any], pairs: Any) -> Session:
    blocks = tuple(map(Block, names, fields, trials))
    return Session(blocks) if pairs is None else Session(blocks, pairs)


def _sequence_of(cls: type[Block] | type[FieldPair], name: str, values: Any) -> tuple[Any, ...]:
    """Return blocks or pairs, given as themselves or as dicts."""
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise ValueError(f"the {name} of a session must be a sequence of at least one, got {values!r}")
    names = [f.name for f in dataclasses.fields(cls)]
    needed = {"name", "trials"} if cls is Block else {"a"}
    made = []
    for value in values:
        if not isinstance(value, cls):
            if not isinstance(value, Mapping) or not needed <= set(value) <= set(names):
                raise ValueError(
                    f"one of the {name} of a session must be a {cls.__name__} or a dict of {names}, of which "
                    f"{sorted(needed)} are needed; got {value!r}"
                )
            value = cls(**{**({"field": None} if cls is Block else {}), **value})
        made.append(value)
    return tuple(made)
