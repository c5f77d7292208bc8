"""Wrappers that change the field of the trials, or tell it to the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from savings_gym.arrays import Array, Info
from savings_gym.fields import Field, as_field
from savings_gym.task.schedule import Phase, Schedule, as_schedule


class ForceField(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Puts another field on all following trials.

    Args:
        env: A `ReachEnv`, wrapped or not.
        field: The field, or its dict; None is no field. `reset(options={"field": ...})` goes first.
    """

    def __init__(self, env: gym.Env[Array, Array], field: Field | Mapping[str, Any] | None) -> None:
        self.field = as_field(field)
        RecordConstructorArgs.__init__(self, field=self.field.to_dict())
        gym.Wrapper.__init__(self, env)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial, in the field of the wrapper."""
        return self.env.reset(seed=seed, options={"field": self.field, **(options or {})})


class PhaseSchedule(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Runs an environment through the phases of a schedule.

    "phase", "trial" and "schedule_done" of `info` are those of this schedule. Trials count as in the
    environments: as soon as a step was made in them, and anew after a seed. An environment that has
    a schedule from its constructor needs no wrapper.

    Args:
        env: A `ReachEnv`, wrapped or not.
        schedule: The schedule, or its dict.
    """

    def __init__(self, env: gym.Env[Array, Array], schedule: Schedule | Mapping[str, Any]) -> None:
        checked = as_schedule(schedule)
        if checked is None:
            raise ValueError("PhaseSchedule needs a schedule, got None")
        RecordConstructorArgs.__init__(self, schedule=checked.to_dict())
        gym.Wrapper.__init__(self, env)
        self.schedule = checked
        self.trial = -1
        self._performed = True

    @property
    def trial_phase(self) -> Phase | None:
        """The phase of the current trial; None before the first one."""
        return None if self.trial < 0 else self.schedule.phase_at(self.trial)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial, in the field of its phase."""
        trial = 0 if seed is not None else self.trial + self._performed
        phase = self.schedule.phase_at(trial)
        chosen: Info = {"field": phase.field}
        if phase.catch_fraction is not None:
            chosen["catch_fraction"] = phase.catch_fraction
        observation, info = self.env.reset(seed=seed, options={**chosen, **(options or {})})
        self.trial, self._performed = trial, False
        return observation, self._told(info)

    def step(self, action: Array) -> tuple[Array, Any, bool, bool, Info]:
        """Advance by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._performed = True
        return observation, reward, terminated, truncated, self._told(info)

    def _told(self, info: Info) -> Info:
        phase, done = self.schedule.phase_index(self.trial), self.schedule.done(self.trial)
        return {**info, "phase": phase, "trial": self.trial, "schedule_done": done}


class ContextCue(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Tells the agent which field is on, for comparison with agents that are not told.

    Appends to the observation, during the whole trial, 1 if there is a field and 0 if there is none,
    or with `contexts` one number for each of them, 1 for the field of the trial and 0 for the others.

    Args:
        env: A `ReachEnv`, wrapped or not.
        contexts: Fields, or their dicts.
    """

    def __init__(
        self,
        env: gym.Env[Array, Array],
        contexts: Sequence[Field | Mapping[str, Any] | None] | None = None,
    ) -> None:
        self.contexts = None if contexts is None else tuple(as_field(field) for field in contexts)
        if self.contexts is not None and len(set(self.contexts)) != len(self.contexts):
            raise ValueError(f"the contexts must differ from each other, got {self.contexts}")
        saved = None if self.contexts is None else [field.to_dict() for field in self.contexts]
        RecordConstructorArgs.__init__(self, contexts=saved)
        gym.Wrapper.__init__(self, env)
        space = env.observation_space
        if not isinstance(space, spaces.Box):
            raise ValueError(f"ContextCue needs a Box observation space, got {space}")
        n = 1 if self.contexts is None else len(self.contexts)
        low, high = np.append(space.low, np.zeros(n)), np.append(space.high, np.ones(n))
        self.observation_space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_cue(observation), info

    def step(self, action: Array) -> tuple[Array, Any, bool, bool, Info]:
        """Advance by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with_cue(observation), reward, terminated, truncated, info

    def _with_cue(self, observation: Array) -> Array:
        field: Field = self.env.get_wrapper_attr("trial_field")
        if self.contexts is None:
            cue = [float(not field.is_null)]
        elif field in self.contexts:
            cue = [float(field == context) for context in self.contexts]
        else:
            raise ValueError(f"the trial's field {field} is none of the contexts {self.contexts}")
        return np.append(observation, cue).astype(np.float32)
