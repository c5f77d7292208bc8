"""A wrapper that measures the trials in which an agent learns."""

from __future__ import annotations

from collections import Counter
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from savings_gym.arrays import Array, Columns, Info, as_whole_number
from savings_gym.envs.wrappers import check_reaching
from savings_gym.metrics.kinematics import SETTLED, kinematic_measures
from savings_gym.task.schedule import Phase
from savings_gym.task.settings import CONTROL_STEP


class RecordTrials(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Measures every finished training trial of a `ReachEnv`.

    The table has one row per trial and the columns of a probe table. "phase" is the name of the trial's
    phase, "" without a schedule; a `PhaseSchedule` wrapper must be inside this one. Trials of a phase are
    grouped into blocks of as many trials as the phase has targets: "update" is the number of the block and
    "trial" the trials of the phase before it. If every phase lasts whole blocks and all their trials are
    finished, every target comes once in a block, and `metrics.curves.phase_curves` takes a block for a probe.
    Further columns are "catch" (no go signal, so the hand had to stay) and "reward" (its sum over the trial).

    Compare savings of probes, not of these trials: here the agent explores and learns, and go comes at other
    times.

    Args:
        env: A `ReachEnv`, wrapped or not.
        network: Number of the agent, for the column of that name.

    Raises:
        ValueError: If there is no `ReachEnv` inside, or one of sessions, or `network` is not a whole number.
    """

    def __init__(self, env: gym.Env[Array, Array], network: int = 0) -> None:
        settings = check_reaching("RecordTrials", env)
        network = as_whole_number("network", network)
        RecordConstructorArgs.__init__(self, network=network)
        gym.Wrapper.__init__(self, env)
        self.network = network
        self._targets = len(settings.directions or (0,))
        self._counts: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._path: list[Array] = []
        self._scored = "hand_position"  # or "cursor_position", by the field of the trial
        self._reward = 0.0

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial; an unfinished one is not recorded."""
        observation, info = self.env.reset(seed=seed, options=options)
        cursor = self.env.get_wrapper_attr("trial_field").scored == "cursor"
        self._scored = "cursor_position" if cursor else "hand_position"
        self._path, self._reward = [info[self._scored]], 0.0
        return observation, info

    def step(self, action: Array) -> tuple[Array, Any, bool, bool, Info]:
        """Advance by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._path.append(info[self._scored])
        self._reward += float(reward)
        if terminated or truncated:
            self._record(info)
        return observation, reward, terminated, truncated, info

    def trials(self, phase: str | None = None) -> int:
        """Return the number of finished trials of a phase, or of all phases for None."""
        return self._counts.total() if phase is None else self._counts[phase]

    def table(self) -> Columns:
        """Return the finished trials, one row each.

        Raises:
            ValueError: If no trial is finished yet.
        """
        if not self._rows:
            raise ValueError("no trial is finished yet")
        return {name: _column(name, [row[name] for row in self._rows]) for name in self._rows[0]}

    def _record(self, info: Info) -> None:
        """Add the row of the trial that ends with this info."""
        path, target = np.stack(self._path), info["target_position"]
        current = self.env.get_wrapper_attr("trial_phase")
        phase, size = ("", self._targets) if current is None else (current.name, self._block_of(current))
        # the line of a reach starts when the hand has settled, or at go if that is sooner
        rest = min(SETTLED, info["go_time"], (len(path) - 1) * CONTROL_STEP)
        measures = kinematic_measures(path, target, CONTROL_STEP, rest)
        block = self._counts[phase] // size
        self._rows.append(
            {
                "network": self.network,
                "phase": phase,
                "update": block,
                "trial": block * size,
                "target": info["target"],
                **{name: float(value) for name, value in measures.items()},
                "catch": bool(info["catch"]),
                "reward": self._reward,
            }
        )
        self._counts[phase] += 1

    def _block_of(self, phase: Phase) -> int:
        """Return the number of trials in which every target of a phase comes once."""
        return self._targets if phase.targets is None else len(phase.targets)


def _column(name: str, values: list[Any]) -> Array:
    """Return the values of a column in its type in a probe table."""
    if name == "phase":
        return np.array(values, dtype=object)
    if isinstance(values[0], bool):
        return np.array(values)
    return np.array(values, dtype=np.float32 if isinstance(values[0], float) else np.int32)
