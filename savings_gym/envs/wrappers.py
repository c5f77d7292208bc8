"""Wrappers that set the field of the trials, or reveal it to the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector.utils import batch_space

from savings_gym.arrays import Array, Info
from savings_gym.envs.session import ReachSessionEnv
from savings_gym.envs.single import ReachEnv
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.perturbations.fields import Field, as_field
from savings_gym.task.schedule import Phase, Schedule, as_schedule
from savings_gym.task.settings import TaskSettings

Contexts = tuple[Field, ...] | None


class ForceField(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Sets the field of all following trials.

    A vector environment needs no such wrapper: `field` is an argument of its constructor.

    Args:
        env: A `ReachEnv`, wrapped or not, without a schedule.
        field: The field, or its dict; None means no field. `reset(options={"field": ...})` has precedence.

    Raises:
        ValueError: If `env` does not reach, or has a schedule or sessions, whose phases have fields of their
            own; or if `field` is bad.
    """

    def __init__(self, env: gym.Env[Array, Array], field: Field | Mapping[str, Any] | None) -> None:
        _check_unscheduled("ForceField", env)
        self.field = as_field(field)
        RecordConstructorArgs.__init__(self, field=self.field.to_dict())
        gym.Wrapper.__init__(self, env)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial, in the field of the wrapper."""
        return self.env.reset(seed=seed, options={"field": self.field, **(options or {})})


class PhaseSchedule(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Runs an environment through the phases of a schedule.

    "phase", "trial" and "schedule_done" of `info` are those of this schedule. Trials count as in the
    environments: once a step has been made in them, and from 0 again after a seed. An environment with a
    schedule of its own needs no such wrapper, nor does a vector environment: `schedule` is an argument of
    their constructors.

    Args:
        env: A `ReachEnv`, wrapped or not, without a schedule.
        schedule: The schedule, or its dict.

    Raises:
        ValueError: If `env` does not reach, or has a schedule or sessions; or if the schedule is bad or
            chooses targets.
    """

    def __init__(self, env: gym.Env[Array, Array], schedule: Schedule | Mapping[str, Any]) -> None:
        checked = as_schedule(schedule)
        if checked is None:
            raise ValueError("PhaseSchedule needs a schedule, got None")
        if any(phase.targets is not None for phase in checked.phases):
            raise ValueError(
                "PhaseSchedule does not choose targets: give a schedule whose phases have targets to the "
                "environment itself, as its argument schedule"
            )
        _check_unscheduled("PhaseSchedule", env)
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
        chosen: Info = {"field": self.schedule.field_at(trial)}
        if phase.catch_fraction is not None:
            chosen["catch_fraction"] = phase.catch_fraction
        observation, info = self.env.reset(seed=seed, options={**chosen, **(options or {})})
        self.trial, self._performed = trial, False
        return observation, self._with_phase(info)

    def step(self, action: Array) -> tuple[Array, Any, bool, bool, Info]:
        """Advance by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._performed = True
        return observation, reward, terminated, truncated, self._with_phase(info)

    def _with_phase(self, info: Info) -> Info:
        return info | {
            "phase": np.int64(self.schedule.phase_index(self.trial)),
            "trial": np.int64(self.trial),
            "schedule_done": np.array(self.schedule.done(self.trial)),
        }


class ContextCue(gym.Wrapper[Array, Array, Array, Array], RecordConstructorArgs):
    """Reveals the field to the agent, for comparison with agents that have to find out.

    Appends to the observation, during the whole trial, 1 if there is a field and 0 if there is none; or
    with `contexts`, one number for each of them, 1 for the field of the trial and 0 for the others.
    `VectorContextCue` does the same for a vector environment.

    Args:
        env: A `ReachEnv`, wrapped or not; its episodes may be sessions.
        contexts: Different fields, or their dicts.

    Raises:
        ValueError: If `env` does not reach, or the contexts are bad.
    """

    def __init__(
        self,
        env: gym.Env[Array, Array],
        contexts: Sequence[Field | Mapping[str, Any] | None] | None = None,
    ) -> None:
        check_reaching("ContextCue", env, sessions=True)
        self.contexts = _as_contexts(contexts)
        saved = None if self.contexts is None else [field.to_dict() for field in self.contexts]
        RecordConstructorArgs.__init__(self, contexts=saved)
        gym.Wrapper.__init__(self, env)
        self.observation_space = _with_cue_space(env.observation_space, self.contexts)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_cue(observation), info

    def step(self, action: Array) -> tuple[Array, Any, bool, bool, Info]:
        """Advance by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with_cue(observation), reward, terminated, truncated, info

    def _with_cue(self, observation: Array) -> Array:
        cue = _cue(self.env.get_wrapper_attr("trial_field"), self.contexts)
        return np.append(observation, cue).astype(np.float32)


class VectorContextCue(gym.vector.VectorWrapper):  # generic only from Gymnasium 1.4 on
    """`ContextCue` for a vector environment.

    Args:
        env: A `ReachVectorEnv`, wrapped or not. Single environments that Gymnasium puts together get a
            `ContextCue` each instead.
        contexts: See `ContextCue`.
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Array, Array, Array],
        contexts: Sequence[Field | Mapping[str, Any] | None] | None = None,
    ) -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, ReachVectorEnv):
            raise ValueError(f"VectorContextCue needs a ReachVectorEnv, wrapped or not, got {env!r}")
        self._arms: ReachVectorEnv = env.unwrapped
        self.contexts = _as_contexts(contexts)
        self.single_observation_space = _with_cue_space(env.single_observation_space, self.contexts)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._fields: tuple[Field, ...] = ()
        self._cues = np.zeros((env.num_envs, 0), dtype=np.float32)

    def reset(self, *, seed: Any = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next trial; see `ReachVectorEnv.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_cues(observation), info

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, Info]:
        """Advance all environments by one control step."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:  # of trials that have just ended, so the cues of the last step are theirs
            final_obs = info["final_obs"]
            for i in np.flatnonzero(info["_final_obs"]):
                final_obs[i] = np.append(final_obs[i], self._cues[i]).astype(np.float32)
        return self._with_cues(observation), reward, terminated, truncated, info

    def _with_cues(self, observation: Array) -> Array:
        fields = self._arms.trial_fields
        if fields != self._fields:
            self._fields = fields
            self._cues = np.array([_cue(field, self.contexts) for field in fields], dtype=np.float32)
        return np.concatenate([observation, self._cues], axis=1).astype(np.float32)


def check_reaching(wrapper: str, env: Any, sessions: bool = False) -> TaskSettings:
    """Return the task of the `ReachEnv` that a wrapper is put around.

    Args:
        wrapper: Name of the wrapper, for the error.
        env: What it is put around.
        sessions: Whether its episodes may be sessions of many trials.

    Raises:
        ValueError: If there is no `ReachEnv` inside, or one of sessions where trials are needed.
    """
    inside = getattr(env, "unwrapped", None)
    if not isinstance(inside, ReachEnv):
        raise ValueError(f"{wrapper} needs a ReachEnv, wrapped or not, got {env}")
    if isinstance(inside, ReachSessionEnv) and not sessions:
        raise ValueError(f"{wrapper} needs episodes that are trials, not sessions; got {env}")
    return inside.settings


def _check_unscheduled(wrapper: str, env: gym.Env[Any, Any]) -> None:
    """Raise a ValueError unless an environment reaches, without a schedule, which would be mislabelled."""
    schedule, part = check_reaching(wrapper, env).schedule, env
    while schedule is None and isinstance(part, gym.Wrapper):
        schedule = part.schedule if isinstance(part, PhaseSchedule) else None
        part = part.env
    if schedule is not None:
        raise ValueError(
            f"{wrapper} needs an environment without a schedule, because the phases {schedule.names} have "
            f"fields of their own: make one with schedule=None, or leave {wrapper} out; got {env}"
        )


def _as_contexts(contexts: Any) -> Contexts:
    if contexts is None:
        return None
    if isinstance(contexts, str) or not isinstance(contexts, Sequence) or not contexts:
        raise ValueError(f"contexts must be None or a sequence of at least one field, got {contexts!r}")
    fields = tuple(as_field(field) for field in contexts)
    if len(set(fields)) != len(fields):
        raise ValueError(f"the contexts must differ from each other, got {fields}")
    return fields


def _with_cue_space(space: gym.Space[Any], contexts: Contexts) -> spaces.Box:
    if not isinstance(space, spaces.Box):
        raise ValueError(f"a context cue needs a Box observation space, got {space}")
    n = 1 if contexts is None else len(contexts)
    low, high = np.append(space.low, np.zeros(n)), np.append(space.high, np.ones(n))
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def _cue(field: Field, contexts: Contexts) -> list[float]:
    if contexts is None:
        return [float(not field.is_null)]
    if field not in contexts:
        raise ValueError(f"the trial's field {field} is none of the contexts {contexts}")
    return [float(field == context) for context in contexts]
