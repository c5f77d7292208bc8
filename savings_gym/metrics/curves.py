"""From a probe table to learning curves.

A probe table is a mapping of column names to 1-D columns of one length (a dict of arrays, a pandas
DataFrame), with one row per network, phase, update and target:

=====================  =====  =================================================================
column                 type   meaning
=====================  =====  =================================================================
``network``            int    number of the learner
``phase``              str    NF1, FF1, NF2 or FF2; other names are possible
``update``             int    index in the phase, 0 before any learning in it
``trial``              int    training trials in the phase before the probe
``target``             int    number of the target
``lateral_deviation``  float  the measure [m]; `phase_curves` takes any other column in its place
=====================  =====  =================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Array, Columns, Floats, Indices, as_finite

INDEX_COLUMNS = ("network", "phase", "update", "trial", "target")


class ProbeTable(Protocol):
    """A mapping of column names to columns."""

    def __getitem__(self, column: str, /) -> Any:
        """Return a column."""

    def __contains__(self, column: object, /) -> bool:
        """Return whether the table has a column."""


@dataclass(frozen=True, eq=False)
class PhaseCurves:
    """Learning curves of one phase.

    Attributes:
        networks: (n,) network numbers, increasing.
        updates: (u,) update indices, increasing.
        trials: (u,) training trials in the phase before each probe.
        targets: (t,) target numbers of every probe, increasing.
        deviation: (n, u) measure, mean over targets [m].
    """

    networks: Indices
    updates: Indices
    trials: Indices
    targets: Indices
    deviation: Floats


def probe_rows(
    networks: ArrayLike, phase: str, update: int, trial: int, measures: Mapping[str, Array]
) -> Columns:
    """Return the rows of one probe of n learners with m targets, in the columns of a probe table.

    Args:
        networks: (n,) their numbers.
        phase: Name of the phase.
        update: Index in the phase.
        trial: Training trials in the phase before the probe.
        measures: Column name to (n, m) values, or (m,) of one learner.
    """
    numbers = np.asarray(networks, dtype=np.int32)
    rows = next(iter(measures.values())).size
    targets = rows // numbers.size
    index: Columns = {
        "network": np.repeat(numbers, targets),
        "phase": np.full(rows, phase, dtype=object),
        "update": np.full(rows, update, dtype=np.int32),
        "trial": np.full(rows, trial, dtype=np.int32),
        "target": np.tile(np.arange(targets, dtype=np.int32), numbers.size),
    }
    return index | {name: values.ravel().astype(np.float32) for name, values in measures.items()}


def phase_curves(table: ProbeTable, column: str = "lateral_deviation") -> dict[str, PhaseCurves]:
    """Return the mean over targets of a measure, for every network and probe of every phase in the table.

    Rows of a phase that are in the order (network, update, target) are reshaped; others are sorted first.

    Args:
        table: Probe table; within a phase, every network needs the same updates, trials and targets.
        column: Column of the measure.

    Returns:
        Phase name to curves, in the order in which phases first appear.

    Raises:
        ValueError: If a column is missing or of another length or type, a measure is not finite, a row occurs
            twice, or networks differ in updates, trials or targets.
    """
    missing = [name for name in (*INDEX_COLUMNS, column) if name not in table]
    if missing:
        raise ValueError(f"table has no {missing}, expected the columns {[*INDEX_COLUMNS, column]}")
    values = as_finite(column, table[column])
    phase = np.asarray(table["phase"])
    keys = {name: _whole_numbers(name, table[name]) for name in INDEX_COLUMNS if name != "phase"}
    lengths = {name: len(array) for name, array in {**keys, "phase": phase, column: values}.items()}
    if len(set(lengths.values())) != 1 or values.ndim != 1 or phase.ndim != 1:
        raise ValueError(f"columns have the lengths {lengths}, expected 1-D columns of one length")
    if not values.size:
        raise ValueError("table has no rows, expected at least one probe")
    return {
        name: _curves(name, {key: array[rows] for key, array in keys.items()}, values[rows])
        for name, rows in _phase_rows(phase).items()
    }


def shared_networks(first: ArrayLike, second: ArrayLike) -> tuple[Indices, Indices]:
    """Return where the networks that two conditions share stand in each of them.

    Values of two conditions are paired by the numbers of their networks, since either may lack some:

        ours, theirs = shared_networks(run.networks, sham.networks)
        saved = sham.deviation[theirs] - run.deviation[ours]

    Args:
        first: (n,) numbers of networks, all different.
        second: (m,) numbers of networks, all different.

    Returns:
        (k,) places in the first and (k,) places in the second, both in the order of the numbers.

    Raises:
        ValueError: If a number occurs twice in one of them.
    """
    conditions = (_whole_numbers("first", first), _whole_numbers("second", second))
    for networks in conditions:
        if np.unique(networks).size < networks.size:
            raise ValueError(f"a network occurs more than once in {networks.tolist()}")
    _, ours, theirs = np.intersect1d(*conditions, assume_unique=True, return_indices=True)
    return ours, theirs


def _phase_rows(phase: Array) -> dict[str, slice | Indices]:
    """Rows of each phase, as a slice if they are contiguous."""
    starts = np.concatenate([[0], np.flatnonzero(phase[1:] != phase[:-1]) + 1])
    ends = np.append(starts[1:], phase.size)
    names = np.asarray([str(name) for name in phase[starts]])
    rows: dict[str, slice | Indices] = {}
    for name in dict.fromkeys(names.tolist()):
        runs = np.flatnonzero(names == name)
        if runs.size == 1:
            rows[name] = slice(int(starts[runs[0]]), int(ends[runs[0]]))
        else:
            lengths = (ends - starts)[runs]
            shift = np.repeat(starts[runs] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
            rows[name] = np.arange(lengths.sum()) + shift
    return rows


def _curves(phase: str, keys: dict[str, Indices], values: Floats) -> PhaseCurves:
    """Curves of one phase, from its rows."""
    order = [keys["network"], keys["update"], keys["target"]]
    if not _in_order(order).all():
        rank = np.lexsort(order[::-1])
        keys, values = {key: array[rank] for key, array in keys.items()}, values[rank]
        order = [keys["network"], keys["update"], keys["target"]]
        twice = np.flatnonzero(~_in_order(order))
        if twice.size:
            row = [int(key[twice[0]]) for key in order]
            raise ValueError(
                f"phase {phase}: network {row[0]}, update {row[1]}, target {row[2]} occurs more than once"
            )
    network, update, _ = order
    shape = _grid(phase, network, update)
    grid = {key: array.reshape(shape) for key, array in keys.items()}
    for key, first in (
        ("update", grid["update"][:1, :, :1]),
        ("trial", grid["trial"][:1, :, :1]),
        ("target", grid["target"][:1, :1]),
    ):
        wrong = np.argwhere(grid[key] != first)
        if wrong.size:
            i, j, _ = wrong[0]
            at = f"phase {phase}: network {network.reshape(shape)[i, 0, 0]}, probe {j} of the phase"
            actual, expected = grid[key][i, j].tolist(), np.broadcast_to(first, shape)[i, j].tolist()
            raise ValueError(f"{at} has {key} {actual}, expected {expected} as in the first network or probe")
    trials = grid["trial"][0, :, 0]
    if np.any(np.diff(trials) <= 0):
        raise ValueError(
            f"phase {phase}: trial does not increase with update, expected trials before a probe"
        )
    return PhaseCurves(
        networks=grid["network"][:, 0, 0],
        updates=grid["update"][0, :, 0],
        trials=trials,
        targets=grid["target"][0, 0],
        deviation=values.reshape(shape).mean(axis=-1),
    )


def _in_order(keys: list[Indices]) -> NDArray[np.bool_]:
    """Whether each row comes strictly before the next, by the first key, then the second, ...: (n - 1,)."""
    before = np.zeros(keys[0].size - 1, dtype=np.bool_)
    for key in reversed(keys):
        step = np.diff(key)
        before = (step > 0) | ((step == 0) & before)
    return before


def _grid(phase: str, network: Indices, update: Indices) -> tuple[int, int, int]:
    """Number of networks, updates and targets of sorted rows; ValueError if some have fewer than others."""
    new_network = np.flatnonzero(np.diff(network)) + 1
    new_probe = np.flatnonzero((np.diff(network) != 0) | (np.diff(update) != 0)) + 1
    probes = np.concatenate([[0], new_probe])
    targets = np.diff(np.append(probes, network.size))
    common = int(np.bincount(targets).argmax())
    odd = np.flatnonzero(targets != common)
    if odd.size:
        row = probes[odd[0]]
        raise ValueError(
            f"phase {phase}: network {network[row]}, update {update[row]} has {targets[odd[0]]} targets, "
            f"expected {common} as in the other probes"
        )
    networks = np.concatenate([[0], new_network])
    updates = np.diff(np.append(networks, network.size)) // common
    common_updates = int(np.bincount(updates).argmax())
    odd = np.flatnonzero(updates != common_updates)
    if odd.size:
        raise ValueError(
            f"phase {phase}: network {network[networks[odd[0]]]} has {updates[odd[0]]} probes, "
            f"expected {common_updates} as in the other networks"
        )
    return networks.size, common_updates, common


def _whole_numbers(name: str, values: Any) -> Indices:
    """A 1-D column of whole numbers."""
    column = np.asarray(values)
    if column.ndim != 1 or column.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {column.shape} and type {column.dtype}, expected (rows,) integers"
        )
    return column.astype(np.intp, copy=False)
