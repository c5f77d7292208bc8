"""Join the networks of several weights files in one.

    python -m experiments.join_networks A.safetensors B.safetensors --out C.safetensors

The networks of A keep their numbers, those of B follow; the metadata of A and B are kept.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from agents.supervised.checkpoints import join_ensembles, read_metadata
from experiments.runs.command_line import command_main

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JoinNetworks:
    """Arguments of the command."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Weights files, two or more, of one cell and size."""
    out: Path
    """Weights file to write."""


def run(config: JoinNetworks) -> int:
    """Join the files; return the exit status."""
    join_ensembles(config.files, config.out)
    log.info("wrote %d networks to %s", read_metadata(config.out)["networks"], config.out)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.join_networks", JoinNetworks, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
