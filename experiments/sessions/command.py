"""Can activity save? Networks trained through sessions of trials, tested with fixed weights.

    python -m experiments.sessions --preset quick|paper|smoke [--out runs/sessions-quick]

starts from pre-trained networks, trains copies of them by backpropagation through sessions of eight trials,
with memory carried from trial to trial, some of them also to report the field, and takes all of them, with
fixed weights, through sessions that have a washout, long or of a few trials, or the opposite field, between
two blocks in a field, and through the same sessions without a field in the first block. Writes
networks_REGIME.safetensors, probes.parquet, curves.npz, summary.json, sessions.png and README.md. The same
command goes on where it was stopped.
"""

from __future__ import annotations

import io
import logging
import sys

import numpy as np
import pandas as pd

from agents.supervised.checkpoints import load_ensemble
from experiments.claims import as_summary, run_to_page, write_report
from experiments.runs.command_line import StopFlag, Stopped, command_text, preset_main
from experiments.runs.folder import RunFolder
from experiments.sessions.config import PRESETS, SAVINGS, SHAM, UNTRAINED, Sessions, identity
from experiments.sessions.figure import draw
from experiments.sessions.measures import (
    CLAIMED,
    Curves,
    curves,
    network_values,
    preparation_values,
    quantities,
)
from experiments.sessions.report import page
from experiments.sessions.testing import Outcome, test
from experiments.sessions.training import networks_file, start_networks, train
from experiments.sessions.washouts import washout_claims, washout_values
from savings_gym.files import write_atomically

log = logging.getLogger(__name__)


def run(config: Sessions) -> int:
    """Train, test and report; return the exit status, see `run_to_page`."""
    weights = config.check()

    def work(folder: RunFolder, stop: StopFlag) -> None:
        for regime in config.regimes:
            if not train(config, weights, regime, stop):
                raise Stopped
        ensembles = {UNTRAINED: start_networks(config, weights)}
        ensembles |= {regime: load_ensemble(networks_file(config.out, regime)) for regime in config.regimes}
        tested: dict[str, dict[str, Outcome]] = {}
        for regime, ensemble in ensembles.items():
            log.info("testing networks: %s", regime)
            tested[regime] = {}
            for kind in config.test_sessions():
                if stop():
                    raise Stopped
                tested[regime][kind] = test(config, ensemble, kind)
        _report(config, folder, tested)

    return run_to_page(config.out, identity(config, weights), work, "--rate")


def _report(config: Sessions, folder: RunFolder, tested: dict[str, dict[str, Outcome]]) -> None:
    """Write tables, figure, page and summary."""
    names = {kind: session.names for kind, session in config.test_sessions().items()}
    found = {regime: curves(its, names) for regime, its in tested.items()}
    lengths = {name: getattr(config, f"{name.lower()}_trials") for name in names[SAVINGS]}
    values = {
        regime: network_values(
            its, preparation_values(tested[regime][SAVINGS], tested[regime][SHAM], lengths)
        )
        | washout_values(its, config.washouts)
        for regime, its in found.items()
    }
    numbers = quantities(values, config.seed, (*CLAIMED, *washout_claims(config.washouts)))
    tables = [
        result.table.assign(trained_in=regime, test=kind)
        for regime, its in tested.items()
        for kind, result in its.items()
    ]
    folder.write_probes(pd.concat(tables, ignore_index=True))
    write_atomically(config.out / "curves.npz", _stored_curves(found))
    draw(config, found)
    made_by = command_text("experiments.sessions", config, PRESETS)
    text = page(numbers, made_by, config)
    write_report(config.out, text, made_by, as_summary(numbers, values))


def _stored_curves(found: dict[str, dict[str, Curves]]) -> bytes:
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.sessions", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
