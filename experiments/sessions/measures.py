"""What tests say: adaptation, washout and savings in activity, and what preparatory activity knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from experiments.claims import corrected
from experiments.sessions.decoding import side_read
from experiments.sessions.protocol import END, INTERFERENCE, INTERFERENCE_SHAM, SAVINGS, SHAM
from experiments.sessions.shift import last_trials, shift_length, trial_shifts
from experiments.sessions.testing import SIGNS, Outcome
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.statistics import Sampling

EARLY: Final = 5  # first trials of a block, of which all but the first follow an encounter with the field
ERROR, SPEED = REACHING = (
    "end-point error in NF1", "peak speed in NF1, relative to that without training in sessions"
)  # fmt: skip
CHANCE: Final = 0.5  # of reading on which side the field was
(
    FIRST, ADAPTED, AFTER_EFFECT, RESIDUAL, SAVED_FIRST, SAVED_EARLY, INTERFERED, DESPITE, LENGTH, SHIFT,
    SHIFT_BEYOND, READ, READ_LATER,
) = MEASURES = (
    "deviation, first trial of FF1", "adaptation within FF1", "after-effect, first trial of NF2",
    "end of NF2, less NF1", "savings beyond the sham, first trial", "savings beyond the sham, trials 2 to 5",
    "interference with the opposite field, trials 2 to 5",
    "savings beyond the sham, trials 2 to 5, after the opposite field",
    "length of the shift in FF1, relative to activity in NF1", "shift left in NF2",
    "shift left in NF2, beyond the sham", "side of the field read before go in FF1, less chance",
    "side of the field read before go at the end of NF2, less chance",
)  # fmt: skip
# with a test, corrected together
CLAIMED: Final = (
    ADAPTED, SAVED_FIRST, SAVED_EARLY, INTERFERED, DESPITE, LENGTH, SHIFT_BEYOND, READ, READ_LATER
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """A test, averaged over its sessions, signs of the field and targets.

    Attributes:
        deviation: Block to lateral deviation, on the side to which the field of FF1 pushes, (n, trials) [m].
        shift: Block to preparatory activity along the shift from NF1 to FF1 of the savings test, (n, trials):
            0 at the end of NF1, 1 at the end of FF1. Empty for tests of interference.
    """

    deviation: dict[str, Floats]
    shift: dict[str, Floats]


def curves(tested: Mapping[str, Outcome], names: Mapping[str, tuple[str, ...]]) -> dict[str, Curves]:
    """Return the curves of every test.

    Args:
        tested: Results by kind of test.
        names: Names of the blocks by kind of test.
    """
    blocks = {kind: block_deviations(result.table, names[kind]) for kind, result in tested.items()}
    shifts = trial_shifts(tested, {name: values.shape[1] for name, values in blocks[SAVINGS].items()})
    return {kind: Curves(blocks[kind], shifts.get(kind, {})) for kind in tested}


def block_deviations(table: pd.DataFrame, names: tuple[str, ...]) -> dict[str, Floats]:
    """Return the deviations of the named blocks, see `Curves`, from the table of an `Outcome`."""
    signed = table.assign(along=table["lateral_deviation"] * table["sign"])
    means = signed.groupby(["phase", "network", "update"])["along"].mean()
    return {name: means[name].unstack("update").to_numpy(dtype=np.float64) for name in names}


def preparation_values(main: Outcome, sham: Outcome, lengths: Mapping[str, int]) -> dict[str, Floats]:
    """Return what preparatory activity knows of the field, (n,): its shift, and the side read from it.

    Args:
        main: Of the savings test.
        sham: Of its sham.
        lengths: Trials of its blocks, in their order.
    """
    last = last_trials(lengths)
    end = last["FF1"].stop
    # trials that follow one in the field, even if FF1 is a single trial
    after_one = slice(end - lengths["FF1"] + 1, max(end, end - lengths["FF1"] + 2))
    return {LENGTH: shift_length(main, sham, lengths)} | {
        name: side_read(main.prepared[:, :, :, trials], SIGNS) - CHANCE
        for name, trials in ((READ, after_one), (READ_LATER, last["NF2"]))
    }


def network_values(found: Mapping[str, Curves], prepared: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return one value per network for each of `MEASURES`, in SI units.

    Args:
        found: Curves by kind of test.
        prepared: What `preparation_values` returned.
    """
    main, sham = found[SAVINGS].deviation, found[SHAM].deviation
    opposed, opposed_sham = found[INTERFERENCE].deviation, found[INTERFERENCE_SHAM].deviation
    shift, sham_shift = found[SAVINGS].shift, found[SHAM].shift
    return {
        FIRST: main["FF1"][:, 0] - _end(main["NF1"]),
        ADAPTED: main["FF1"][:, 0] - _end(main["FF1"]),
        AFTER_EFFECT: main["NF2"][:, 0] - _end(main["NF1"]),
        RESIDUAL: _end(main["NF2"]) - _end(main["NF1"]),
        SAVED_FIRST: sham["FF2"][:, 0] - main["FF2"][:, 0],
        SAVED_EARLY: _early(sham["FF2"]) - _early(main["FF2"]),
        INTERFERED: _early(opposed_sham["B"]) - _early(opposed["B"]),
        DESPITE: _early(opposed_sham["FF2"]) - _early(opposed["FF2"]),
        SHIFT: _end(shift["NF2"]),
        SHIFT_BEYOND: _end(shift["NF2"]) - _end(sham_shift["NF2"]),
        **prepared,
    }


def _end(values: Floats) -> Floats:
    return values[:, -END:].mean(axis=1)


def _early(values: Floats) -> Floats:
    """Mean of trials 2 to `EARLY`, or of the only one."""
    return values[:, 1:EARLY].mean(axis=1) if values.shape[1] > 1 else values[:, 0]


def quantities(
    values: Mapping[str, Mapping[str, Floats]], seed: int, claimed: Sequence[str] = CLAIMED
) -> dict[str, dict[str, Quantity]]:
    """Return means with t intervals; the tests are corrected for all networks together.

    Args:
        values: `network_values` and others [SI units], by what the networks were trained in.
        seed: As in `Sampling`.
        claimed: Names of the values with a test.
    """
    sampling = Sampling(seed)
    found = {
        regime: {
            name: quantity(
                name, each, _unit(name), sampling, scale=1.0 if _unit(name) == "1" else MM,
                test=name in claimed,
            )
            for name, each in its.items()
        }
        for regime, its in values.items()
    }  # fmt: skip
    return corrected(found, claimed)


def _unit(name: str) -> str:
    return "1" if name in (LENGTH, SHIFT, SHIFT_BEYOND, READ, READ_LATER, SPEED) else "mm"
