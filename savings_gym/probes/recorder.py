"""A recorder of probes: from the probes of any agent to a probe table and a summary.

Your own loop turns an agent into a probe table; `savings_gym.sb3.SavingsCallback` is such a loop for
stable-baselines3:

    env = ReachVectorEnv(8, schedule=schedule, shared_trials=True, autoreset_mode="SameStep")
    probe, recorder = Probe(env.settings), ProbeRecorder()
    for phase in schedule.phases:
        for trial in range(0, phase.trials + 1, 64):
            recorder.add(probe(agent, phase.field), phase.name, update=trial // 64, trial=trial)
            if trial < phase.trials:
                agent.learn(env, trials=64)
        recorder.add_channel(probe.channel(agent, field), phase.name)
    recorder.save("runs/mine")
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from savings_gym.arrays import Columns, Floats, as_whole_number, joined
from savings_gym.files import PROBES, PROBES_CARRIED, SUMMARY, check_tables, versions, write_json, write_table
from savings_gym.metrics.channel import ChannelResult
from savings_gym.metrics.curves import phase_curves, probe_rows
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS
from savings_gym.metrics.savings import final_deviation, savings
from savings_gym.probes.criterion import ReachCriterion
from savings_gym.probes.cursor import CursorProbeResult
from savings_gym.probes.probe import ProbeResult


@dataclass(frozen=True, eq=False)
class SavingsResult:
    """Probes of a training run, and what they amount to.

    Attributes:
        table: The probe table, see `ProbeRecorder.table`.
        summary: The contents of summary.json.
        channel: Phase to (8,) adaptation at its end; empty if the schedule has no field to adapt to.
        carried: The same for probes with memory carried across trials; None without such probes.
        complete: Whether training reached the end of the schedule.
    """

    table: Columns
    summary: dict[str, Any]
    channel: dict[str, Floats]
    carried: SavingsResult | None
    complete: bool


class ProbeRecorder:
    """Collects probes into a probe table, see `savings_gym.metrics.curves`, and sums them up.

    Savings compare phases named FF1 and FF2, see `metrics.savings`. Probes of another schedule make a table
    all the same, and the summary says that there are no savings, and why.

    Args:
        seed: Seed of the tests in the summary, which also names it.
        criterion: What may end NF1, whose probes then are its end.

    Raises:
        ValueError: If the seed is not a whole number of at least 0.
    """

    def __init__(self, seed: int = 0, criterion: ReachCriterion | None = None) -> None:
        self._seed, self._started = as_whole_number("seed", seed), time.monotonic()
        self._criterion_probes = None if criterion is None else criterion.probes
        self._probes: list[Columns] = []
        self._channel: dict[str, dict[int, Floats]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle with the time that has passed, so that a copy goes on counting from there."""
        return {**self.__dict__, "_started": time.monotonic() - self._started}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _started=time.monotonic() - state["_started"])

    def add(
        self, result: ProbeResult | CursorProbeResult, phase: str, update: int, trial: int, network: int = 0
    ) -> None:
        """Add the 8 rows of a probe.

        Args:
            result: The probe.
            phase: Name of the phase.
            update: Updates of the agent in the phase before the probe; 0 is the first probe.
            trial: Training trials in the phase before the probe.
            network: Number of the agent, for a table of several.

        Raises:
            ValueError: If a number is not whole or negative, or the phase is not a name.
        """
        _check_phase(phase)
        numbers = {"network": network, "update": update, "trial": trial}
        numbers = {name: as_whole_number(name, number) for name, number in numbers.items()}
        measures = {name: result.columns[name] for name in KINEMATIC_COLUMNS}
        self._probes.append(
            probe_rows([numbers["network"]], phase, numbers["update"], numbers["trial"], measures)
        )

    def add_channel(self, result: ChannelResult, phase: str, network: int = 0) -> None:
        """Add the adaptation at the end of a phase, see `Probe.channel`.

        Args:
            result: Reaches in a channel.
            phase: Name of the phase.
            network: Number of the agent.

        Raises:
            ValueError: If `network` is not a whole number of at least 0, the phase is not a name, or the
                result is not that of a channel.
        """
        _check_phase(phase)
        if not isinstance(result, ChannelResult):
            raise ValueError(f"result must be what Probe.channel returned, got {type(result).__name__}")
        self._channel.setdefault(phase, {})[as_whole_number("network", network)] = result.adaptation

    def table(self) -> Columns:
        """Return the probe table: one row per probe and target, in the order in which probes were added.

        Raises:
            ValueError: If no probe has been added.
        """
        if not self._probes:
            raise ValueError("no probe has been added")
        return joined(self._probes)

    def channel(self) -> dict[str, Floats]:
        """Return phase to (8,) adaptation at its end, mean over networks."""
        return {
            phase: np.mean(list(by_network.values()), axis=0) for phase, by_network in self._channel.items()
        }

    def measures(self) -> dict[str, Any]:
        """Return `savings`, end-point error and adaptation by phase, JSON-able.

        A schedule without phases named FF1 and FF2 has no savings; ``["savings"]["missing"]`` says so.
        """
        table = self.table()
        ends = phase_curves(table, "endpoint_error")
        of_criterion = self._criterion_probes
        return savings(table, self._seed, partial=True, criterion_probes=of_criterion).to_dict() | {
            "endpoint_error": {phase: float(final_deviation(c).mean()) for phase, c in ends.items()},
            "adaptation": {phase: _number(value.mean()) for phase, value in self.channel().items()},
        }

    def summary(
        self, complete: bool = True, *, carried: ProbeRecorder | None = None, **extra: Any
    ) -> dict[str, Any]:
        """Return the contents of summary.json.

        Args:
            complete: Whether training reached the end of the schedule.
            carried: Probes with memory carried across trials, which get an entry "carried".
            **extra: Further entries, JSON-able; they may replace "versions" but no result.

        Raises:
            ValueError: If no probe has been added, or an entry would replace a result.
        """
        results = self.measures() | {
            "seed": self._seed,
            "wall_time_s": round(time.monotonic() - self._started, 1),
            "complete": complete,
        }
        if carried is not None:
            results["carried"] = carried.measures()
        if taken := sorted(results.keys() & extra.keys()):
            raise ValueError(f"the summary has entries {taken} of its own: choose other names")
        return results | {"versions": versions()} | extra

    def result(
        self, summary: dict[str, Any] | None = None, carried: ProbeRecorder | None = None
    ) -> SavingsResult:
        """Return table, summary and adaptation in one.

        Args:
            summary: From `summary` or `save`; None makes it now.
            carried: See `summary`.
        """
        if summary is None:
            summary = self.summary(carried=carried)
        complete, of_carried = summary["complete"], None
        if carried is not None:
            of_carried = carried.result(summary["carried"] | {"complete": complete})
        return SavingsResult(self.table(), summary, self.channel(), of_carried, complete)

    def save(
        self,
        folder: str | Path,
        complete: bool = True,
        *,
        carried: ProbeRecorder | None = None,
        **extra: Any,
    ) -> dict[str, Any]:
        """Write probes.parquet and summary.json, each whole or not at all.

        Args:
            folder: Created if missing; files of an earlier run in it are replaced.
            complete: See `summary`.
            carried: See `summary`; these probes get a table of their own, probes_carried.parquet.
            **extra: See `summary`.

        Returns:
            The summary.

        Raises:
            ImportError: If pandas or pyarrow is missing; nothing is written then.
            ValueError: See `summary`.
        """
        check_tables()
        path = Path(folder)
        summary = self.summary(complete, carried=carried, **extra)
        write_table(path / PROBES, self.table())
        if carried is not None:
            write_table(path / PROBES_CARRIED, carried.table())
        write_json(path / SUMMARY, summary)
        return summary


def unmeasured(summary: Mapping[str, Any]) -> list[str]:
    """Return why a summary lacks savings, one sentence for each kind; empty if it lacks none.

    Args:
        summary: From `ProbeRecorder.summary`.
    """
    missing, rate = summary["savings"]["missing"], summary["savings"]["rate"]
    if missing:
        return [f"savings could not be measured: {missing}"]
    if rate["ratio"] is None:
        reasons = "; ".join(rate["failures"]) or "the rate of FF1 is zero"
        return [f"rate savings could not be measured ({reasons}): probe more often, or train for more trials"]
    return []


def _number(value: Any) -> float | None:
    """Return None for NaN, which JSON lacks: a hand at rest has no adaptation."""
    return float(value) if np.isfinite(value) else None


def _check_phase(phase: Any) -> None:
    if not isinstance(phase, str) or not phase:
        raise ValueError(f"phase must be the name of a phase, such as 'FF1', got {phase!r}")
