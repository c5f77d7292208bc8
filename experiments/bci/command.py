"""Learning with a brain-computer interface: the activity of networks moves a cursor through a decoder.

    python -m experiments.bci --preset quick|smoke [--out runs/bci-quick]

trains networks to move a cursor, calibrates an intuitive decoder for each, and takes them through intuitive,
perturbed, intuitive and perturbed decoders, with perturbations within and outside the manifold of activity,
and with shams that practise the intuitive decoder instead. Writes probes.parquet, decoders.json,
summary.json, bci.png and README.md. A run takes some minutes and is written at its end: one that is
interrupted starts again.
"""

from __future__ import annotations

import logging
import sys

import numpy as np
import pandas as pd

from experiments.bci.config import PRESETS, Bci, identity
from experiments.bci.measures import error_curves, network_values, quantities
from experiments.bci.phases import Experiment, Outcome
from experiments.bci.report import draw, page
from experiments.claims import as_summary
from experiments.runs.command_line import StopFlag, command_text, preset_main
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report
from savings_gym.arrays import joined
from savings_gym.bci.perturbations import KINDS
from savings_gym.files import write_json

log = logging.getLogger(__name__)
DECODERS = "decoders.json"


def run(config: Bci) -> int:
    """Train, perturb and report; return the exit status, see `run_to_page`."""

    def work(folder: RunFolder, stop: StopFlag) -> None:
        _report(config, folder, Experiment(config, stop).run())

    return run_to_page(config.out, identity(config), work, "--rate", again="starts again")


def _report(config: Bci, folder: RunFolder, outcome: Outcome) -> None:
    """Write tables, decoders, figure, page and summary."""
    table = pd.DataFrame(joined(outcome.rows))
    folder.write_probes(table)
    curves = error_curves(table)
    values = network_values(outcome, curves)
    numbers = quantities(values, config.seed)
    decoders = {"intuitive": [each.decoder().to_dict() for each in outcome.intuitive]}
    decoders |= {kind: [each.to_dict() for each in outcome.perturbed(kind)] for kind in KINDS}
    write_json(config.out / DECODERS, decoders)
    draw(curves, values, config, config.out)
    fit = float(np.mean([each.fit for each in outcome.intuitive]))
    made_by = command_text("experiments.bci", config, PRESETS)
    text = page(numbers, config, made_by, fit)
    write_report(config.out, text, made_by, as_summary(numbers, values), calibration_fit=fit)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.bci", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
