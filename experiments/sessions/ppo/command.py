"""Recurrent PPO in sessions: can rewards teach an agent to adapt, and to save, in its activity?

    python -m experiments.sessions.ppo --preset quick|smoke [--out runs/sessions-ppo-quick]

lets agents learn to reach in single trials, lets copies of them go on in sessions of eight trials in one
field, with memory carried from trial to trial, and takes all of them, with fixed weights, through the tests
of `experiments.sessions`. Writes agent_NUMBER_REGIME.safetensors, the tests of every agent, probes.parquet,
curves.npz, summary.json, sessions.png and README.md. The same command goes on where it was stopped.
"""

from __future__ import annotations

import logging
import sys

import torch

from experiments.claims import as_summary
from experiments.runs.command_line import StopFlag, command_text, preset_main, refuse_unused
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report
from experiments.sessions.ppo.config import PRESETS, STRAIGHT, SessionsPpo, identity
from experiments.sessions.ppo.report import page, reaching
from experiments.sessions.ppo.testing import test, together
from experiments.sessions.ppo.training import train
from experiments.sessions.protocol import UNTRAINED
from experiments.sessions.results import write_results

log = logging.getLogger(__name__)


def run(config: SessionsPpo) -> int:
    """Train and test every agent, then report; return the exit status, see `run_to_page`."""
    torch.set_num_threads(1)  # the networks are too small for more

    def work(folder: RunFolder, stop: StopFlag) -> None:
        regimes = (UNTRAINED, *config.regimes)
        agents = []
        for number in range(config.networks):
            train(config, number, stop)
            agents.append({regime: test(config, number, regime, stop) for regime in regimes})
        tested = {
            regime: {
                kind: together([agent[regime][kind] for agent in agents]) for kind in config.test_sessions()
            }
            for regime in regimes
        }
        numbers, values = write_results(config, folder, tested, reaching(tested))
        made_by = command_text("experiments.sessions.ppo", config, PRESETS)
        write_report(config.out, page(numbers, made_by, config), made_by, as_summary(numbers, values))

    return run_to_page(config.out, identity(config), work, "--rate")


def check_given(config: SessionsPpo) -> None:
    """Refuse arguments of a command line that change nothing.

    Raises:
        ValueError: If there are such arguments.
    """
    if STRAIGHT not in config.regimes:
        refuse_unused(config, PRESETS[config.preset], {"straightness": f"without --regimes {STRAIGHT}"})


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.sessions.ppo", PRESETS, "quick", run, arguments, __doc__, check_given)


if __name__ == "__main__":
    sys.exit(main())
