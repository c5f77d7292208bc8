"""What the summary of a run says of its measures: of which networks they are, and how NF1 could end.

Networks that diverged are left out.

A network whose gradient is not finite keeps the weights that it had and learns no more. ``stopped`` in the
summary of its run says when that was. Its number stays its own: networks are paired by their numbers, see
`savings_gym.metrics.curves.shared_networks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from experiments.runs.folder import RunFolder
from savings_gym.files import SUMMARY, verified

Value = TypeVar("Value")


def of_kept_networks(summary: Mapping[str, Any], values: Iterable[Value]) -> list[Value]:
    """Return the values of the networks that did not diverge.

    Args:
        summary: Summary of a run.
        values: One for every network, in the order of their numbers, those that diverged among them.
    """
    stopped = summary.get("stopped", {})
    return [value for number, value in enumerate(values) if str(number) not in stopped]


def criterion_probes(summary: Mapping[str, Any]) -> int | None:
    """Return with how many probes NF1 of a run could meet a criterion that ends it; None without one."""
    probes: int | None = summary.get("first_phase", {}).get("probes")
    return probes


def kept_networks(run: Path, networks: int) -> list[int]:
    """Return the numbers of the networks of a run that did not diverge, as far as its summary tells.

    Args:
        run: Run folder; without a summary no network is known to have diverged.
        networks: How many networks it has, those that diverged among them.

    Raises:
        FileNotFoundError, ValueError: If there was a summary, and it is missing or damaged now.
    """
    summary = RunFolder.read_summary(run) if verified(run / SUMMARY).is_file() else {}
    return of_kept_networks(summary, range(networks))
