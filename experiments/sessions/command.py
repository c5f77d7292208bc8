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

import logging
import sys

from agents.supervised.checkpoints import load_ensemble
from experiments.claims import as_summary
from experiments.runs.command_line import StopFlag, Stopped, command_text, preset_main
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report
from experiments.sessions.config import PRESETS, Sessions, identity
from experiments.sessions.protocol import UNTRAINED
from experiments.sessions.report import page
from experiments.sessions.results import write_results
from experiments.sessions.testing import Outcome, test
from experiments.sessions.training import networks_file, start_networks, train

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
        numbers, values = write_results(config, folder, tested)
        made_by = command_text("experiments.sessions", config, PRESETS)
        write_report(config.out, page(numbers, made_by, config), made_by, as_summary(numbers, values))

    return run_to_page(config.out, identity(config, weights), work, "--rate")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.sessions", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
