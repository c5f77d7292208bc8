"""A reinforcement learner at a brain-computer interface: savings and memory trace under a rotated decoder.

    python -m experiments.bci.ppo --preset quick|smoke [--out runs/bci-ppo-quick]

lets PPO learn to move a cursor with the activity of some units, turns the cursor (FF1), washes that out (NF2)
and turns it again (FF2), beside shams that practise without a turn in FF1. Writes one table of probes per
agent, probes.parquet, summary.json, bci_ppo.png and README.md. The same command goes on with what is missing;
a kill loses one agent at most.
"""

from __future__ import annotations

import logging
import sys

import pandas as pd
import torch

from experiments.bci.ppo.config import PRESETS, BciPpo, identity
from experiments.bci.ppo.course import agent_probes
from experiments.bci.ppo.measures import GROUP, agent_values, curves, quantities
from experiments.bci.ppo.report import draw, page
from experiments.claims import as_summary
from experiments.runs.command_line import StopFlag, command_text, preset_main
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report

log = logging.getLogger(__name__)


def run(config: BciPpo) -> int:
    """Let every agent learn, then report; return the exit status, see `run_to_page`."""
    torch.set_num_threads(1)  # the networks are too small for more

    def work(folder: RunFolder, stop: StopFlag) -> None:
        table = pd.concat([agent_probes(config, agent, stop) for agent in range(config.agents)])
        folder.write_probes(table)
        found = curves(table)
        values = agent_values(found)
        numbers = quantities(values, config.seed)
        draw(found, values, config, config.out)
        made_by = command_text("experiments.bci.ppo", config, PRESETS)
        text = page(numbers, config, made_by)
        write_report(config.out, text, made_by, as_summary(numbers, {GROUP: values}))

    return run_to_page(config.out, identity(config), work, "--ppo.learning-rate")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.bci.ppo", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
