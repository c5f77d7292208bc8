"""What a run with sessions leaves of its tests: probe table, curves, figure, and the measures of its page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from experiments.runs.folder import RunFolder
from experiments.sessions.figure import draw
from experiments.sessions.measures import (
    CLAIMED,
    Curves,
    curves,
    network_values,
    preparation_values,
    quantities,
)
from experiments.sessions.protocol import SAVINGS, SHAM, SessionTests
from experiments.sessions.testing import Outcome
from experiments.sessions.washouts import washout_claims, washout_values
from experiments.study import Quantity
from savings_gym.arrays import Floats
from savings_gym.files import write_atomically

Numbers = dict[str, dict[str, Quantity]]
Values = dict[str, dict[str, Floats]]


def write_results(
    config: SessionTests,
    folder: RunFolder,
    tested: Mapping[str, Mapping[str, Outcome]],
    more: Mapping[str, Mapping[str, Floats]] = MappingProxyType({}),
) -> tuple[Numbers, Values]:
    """Write probes.parquet, curves.npz and sessions.png.

    Args:
        config: The arguments.
        folder: The run.
        tested: Results by kind of test, by what the networks were trained in.
        more: Further values of every network, without a test, likewise.

    Returns:
        Measures and the values of every network, by what they were trained in.
    """
    names = {kind: session.names for kind, session in config.test_sessions().items()}
    found = {regime: curves(its, names) for regime, its in tested.items()}
    values = {
        regime: network_values(
            its, preparation_values(tested[regime][SAVINGS], tested[regime][SHAM], config.lengths())
        )
        | washout_values(its, config.washouts)
        | dict(more.get(regime, {}))
        for regime, its in found.items()
    }
    tables = [
        result.table.assign(trained_in=regime, test=kind)
        for regime, its in tested.items()
        for kind, result in its.items()
    ]
    folder.write_probes(pd.concat(tables, ignore_index=True))
    write_atomically(config.out / "curves.npz", _stored_curves(found))
    draw(config, found)
    claimed = (*CLAIMED, *washout_claims(config.washouts))
    return quantities(values, config.seed, claimed), values


def _stored_curves(found: Mapping[str, Mapping[str, Curves]]) -> bytes:
    """Return the curves of every network as an npz file: REGIME/TEST/SERIES/BLOCK, (networks, trials)."""
    arrays = {
        f"{regime}/{kind}/{series}/{block}": values.astype(np.float32)
        for regime, its in found.items()
        for kind, curve in its.items()
        for series in ("deviation", "shift")
        for block, values in getattr(curve, series).items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
