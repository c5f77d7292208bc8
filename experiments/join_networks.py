"""Joins networks of several weights files into one, such as two times 8 networks to 16.

    python -m experiments.join_networks A.safetensors B.safetensors --out C.safetensors

The networks of A keep their numbers, those of B follow; the new file says what A and B said of themselves.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import tyro

from agents.supervised.checkpoints import join_ensembles, read_metadata

log = logging.getLogger(__name__)


def join(files: Annotated[tuple[Path, ...], tyro.conf.Positional], /, out: Path) -> None:
    """Joins networks of several weights files into one.

    Args:
        files: Weights files, two or more, of one cell and size.
        out: Weights file to write.
    """
    join_ensembles(files, out)
    log.info("wrote %d networks to %s", read_metadata(out)["networks"], out)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        tyro.cli(join, args=arguments, description=__doc__)
        return 0
    except (ValueError, OSError) as error:
        log.error("error: %s", error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
