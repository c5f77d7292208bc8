"""Records of any agent's reaches: a probe table with its summary, and a log of training trials.

A loop of one's own turns an agent into a probe table; `savings_gym.sb3.SavingsCallback` is such a loop for
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

A wrapper that measures the trials in which an agent learns.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from savings_gym.arrays import Array, Columns, Floats, Info
from savings_gym.files import check_tables, versions, write_json, write_table
from savings_gym.metrics.channel import ChannelResult
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.kinematics import (
    KINEMATIC_COLUMNS,
    initial_direction_error,
    kinematic_measures,
    lateral_deviation,
)
from savings_gym.metrics.savings import final_deviation, savings
from savings_gym.probes.probe import ProbeResult
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, TaskSettings

__all__ = ["PROBES", "PROBES_CARRIED", "SUMMARY", "ProbeRecorder", "RecordTrials", "SavingsResult"]

PROBES, PROBES_CARRIED, SUMMARY = "probes.parquet", "probes_carried.parquet", "summary.json"


@dataclass(frozen=True, eq=False)
class SavingsResult:
    """What a training run with probes found.

    Attributes:
        table: The probe table, as of `ProbeRecorder.table`.
        summary: As in summary.json.
        channel: Phase to (8,) adaptation at its end; empty where no field has one.
        carried: The same of probes with memory carried across trials; None where there were none.
        complete: Whether the schedule was done to its end.
    """

    table: Columns
    summary: dict[str, Any]
    channel: dict[str, Floats]
    carried: SavingsResult | None
    complete: bool


class ProbeRecorder:
    """Collects probes into a probe table, see `savings_gym.metrics.curves`, and sums them up.

    Args:
        seed: Of the bootstrap in the summary, which also names it.
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
        self._seed, self._began = int(seed), time.monotonic()
        self._rows: list[Columns] = []
        self._channel: dict[str, dict[int, Floats]] = {}

    def add(self, result: ProbeResult, phase: str, update: int, trial: int, network: int = 0) -> None:
        """Add the 8 rows of a probe.

        Args:
            result: What the probe found.
            phase: Name of the phase.
            update: Updates of the agent in the phase before the probe; 0 is the first probe.
            trial: Training trials in the phase before the probe.
            network: Number of the agent, where a table holds several.
        """
        for name, value in (("update", update), ("trial", trial), ("network", network)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
        index: Columns = {
            "network": np.full(N_TARGETS, network, dtype=np.int32),
            "phase": np.full(N_TARGETS, phase, dtype=object),
            "update": np.full(N_TARGETS, update, dtype=np.int32),
            "trial": np.full(N_TARGETS, trial, dtype=np.int32),
            "target": np.arange(N_TARGETS, dtype=np.int32),
        }
        self._rows.append(index | {k: result.columns[k].astype(np.float32) for k in KINEMATIC_COLUMNS})

    def add_channel(self, result: ChannelResult, phase: str, network: int = 0) -> None:
        """Add the adaptation that a channel showed at the end of a phase."""
        self._channel.setdefault(phase, {})[network] = result.adaptation

    def table(self) -> Columns:
        """The probe table: one row a probe and target, in the order in which probes were added.

        Raises:
            ValueError: Before the first probe.
        """
        if not self._rows:
            raise ValueError("no probe has been added")
        return {name: np.concatenate([row[name] for row in self._rows]) for name in self._rows[0]}

    def channel(self) -> dict[str, Floats]:
        """Phase to (8,) adaptation at its end, mean over networks."""
        return {phase: np.mean(list(found.values()), axis=0) for phase, found in self._channel.items()}

    def measures(self) -> dict[str, Any]:
        """Return `savings`, end-point error and adaptation by phase, JSON-able.

        A schedule without phases named FF1 and FF2 has no savings; ``["savings"]["missing"]`` says so.
        """
        table = self.table()
        ends = phase_curves(table, "endpoint_error")
        return savings(table, self._seed, partial=True).to_dict() | {
            "endpoint_error": {phase: float(final_deviation(c).mean()) for phase, c in ends.items()},
            "adaptation": {phase: _number(value.mean()) for phase, value in self.channel().items()},
        }

    def summary(
        self, complete: bool = True, *, carried: ProbeRecorder | None = None, **about: Any
    ) -> dict[str, Any]:
        """What goes into summary.json.

        Args:
            complete: Whether all phases were done to their end.
            carried: Probes with memory carried across trials; they stand under "carried".
            **about: More to tell, JSON-able.
        """
        found = self.measures() | {
            "seed": self._seed,
            "wall_time_s": round(time.monotonic() - self._began, 1),
            "complete": complete,
            "versions": versions(),
        }
        return found | about | ({} if carried is None else {"carried": carried.measures()})

    def result(
        self, summary: dict[str, Any] | None = None, carried: ProbeRecorder | None = None
    ) -> SavingsResult:
        """Table, summary (as already made, or made now) and adaptation in one."""
        told = self.summary(carried=carried) if summary is None else summary
        beside = None if carried is None else carried.result(told["carried"] | {"complete": told["complete"]})
        return SavingsResult(self.table(), told, self.channel(), beside, told["complete"])

    def save(
        self,
        folder: str | Path,
        complete: bool = True,
        *,
        carried: ProbeRecorder | None = None,
        **about: Any,
    ) -> dict[str, Any]:
        """Write probes.parquet and summary.json, each whole or not at all.

        Args:
            folder: Made if missing; files of an earlier run in it are replaced.
            complete: See `summary`.
            carried: See `summary`; they get a table of their own, probes_carried.parquet.
            **about: See `summary`.

        Returns:
            The summary.

        Raises:
            ImportError: Without pandas or pyarrow, before anything is written.
        """
        check_tables()
        path = Path(folder)
        summary = self.summary(complete, carried=carried, **about)
        write_table(path / PROBES, self.table())
        if carried is not None:
            write_table(path / PROBES_CARRIED, carried.table())
        write_json(path / SUMMARY, summary)
        return summary


def _number(value: Any) -> float | None:
    """JSON has no NaN: a hand that does not move meets no walls."""
    return float(value) if np.isfinite(value) else None


REST = 0.25  # s, when the hand has settled: the line of a reach starts there, or at go if that is sooner


class RecordTrials(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Measures every training trial of a `ReachEnv`, and counts them by phase.

    A trial counts when it has come to its end. The table has the columns of a probe table; `update` is the
    number of the block of targets in the phase, and `trial` the trials in the phase before that block, so
    that a block in which every target comes once can be read like a probe. "phase" is the name of the phase,
    "" without a schedule. More columns: "catch" (no go signal: the hand had to stay) and "reward" (sum over
    the trial). Training trials have exploration and learning in them, and other go times: compare savings
    of probes.

    Args:
        env: A `ReachEnv`, wrapped or not.
        network: Number of the agent, the column of that name.
    """

    def __init__(self, env: gym.Env[Array, Array], network: int = 0) -> None:
        settings = getattr(env.unwrapped, "settings", None)
        if not isinstance(settings, TaskSettings):
            raise ValueError(f"RecordTrials needs a ReachEnv, wrapped or not, got {env!r}")
        RecordConstructorArgs.__init__(self, network=network)
        gym.Wrapper.__init__(self, env)
        self.network = network
        self._block = len(settings.directions or (0,))
        self._counts: Counter[str] = Counter()
        self._rows: list[Info] = []
        self._path: list[Array] = []
        self._reward = 0.0

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial; one that is under way is forgotten."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._path, self._reward = [info["hand_position"]], 0.0
        return observation, info

    def step(self, action: Array) -> tuple[Array, Any, bool, bool, Info]:
        """Advance by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._path.append(info["hand_position"])
        self._reward += float(reward)
        if terminated or truncated:
            self._finish(info)
        return observation, reward, terminated, truncated, info

    def trials(self, phase: str | None = None) -> int:
        """Finished trials of a phase; of all phases for None."""
        return self._counts.total() if phase is None else self._counts[phase]

    def table(self) -> dict[str, Array]:
        """The trials so far, one row each.

        Raises:
            ValueError: Before the end of the first trial.
        """
        if not self._rows:
            raise ValueError("no trial has come to its end")
        return {name: _column(name, [row[name] for row in self._rows]) for name in self._rows[0]}

    def _finish(self, info: Info) -> None:
        path, target = np.stack(self._path), info["target_position"]
        current = self.env.get_wrapper_attr("trial_phase")
        phase = "" if current is None else current.name
        rest = min(REST, info["go_time"], (len(path) - 1) * CONTROL_STEP)
        measures = kinematic_measures(path, target, CONTROL_STEP) | {
            "lateral_deviation": lateral_deviation(path, target, CONTROL_STEP, rest),
            "initial_direction_error": initial_direction_error(path, target, CONTROL_STEP, rest),
        }
        block = self._counts[phase] // self._block
        self._rows.append(
            {
                "network": self.network,
                "phase": phase,
                "update": block,
                "trial": block * self._block,
                "target": info["target"],
                **{name: float(value) for name, value in measures.items()},
                "catch": bool(info["catch"]),
                "reward": self._reward,
            }
        )
        self._counts[phase] += 1
        self._path = []


def _column(name: str, values: list[Any]) -> Array:
    """Values in the types of a probe table."""
    if name == "phase":
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    if isinstance(values[0], bool):
        return np.array(values)
    return np.array(values, dtype=np.float32 if isinstance(values[0], float) else np.int32)
