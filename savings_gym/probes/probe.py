"""Probes: the 8 centre-out reaches of any policy, measured without teaching it anything.

A probe has go at 0.44 s, no catch trial, no exploration and no learning. It runs in an environment of its own
whose random numbers come from the probe's own seed, so training is the same with probes and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from savings_gym.activity.displacement import Displacement
from savings_gym.activity.recording import Recording, hand_force, muscle_torque
from savings_gym.arm.model import Arm
from savings_gym.arrays import Array, Floats
from savings_gym.fields import ChannelField, Field, as_field
from savings_gym.metrics.channel import ChannelResult, channel_result, velocity_matrix
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.probes.policy import Policy, PolicyMemory, View
from savings_gym.probes.rows import SingleRows, State, VectorRows
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, TRIAL_STEPS, TaskSettings

REACH, CHANNEL, BEFORE = range(3)  # streams of random numbers


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """What 8 reaches showed.

    Attributes:
        columns: Name to (8,) measures, those of `metrics.KINEMATIC_COLUMNS`.
        path: (8, 101, 2) hand at 0, 10, ... 1000 ms [m].
        velocity: (8, 101, 2) its velocity [m/s].
        force: (8, 100, 2) mean force of the field on the hand in every control step [N].
        start: (8, 2) m.
        target: (8, 2) m.
        activity: Memory, actions, muscles and hand of the same trial; None unless asked for.
    """

    columns: dict[str, Floats]
    path: Floats
    velocity: Floats
    force: Floats
    start: Floats
    target: Floats
    activity: Recording | None = None

    def mean(self, column: str) -> float:
        """Mean of a measure over the targets; NaN if one target has none."""
        return float(self.columns[column].mean())


class Probe:
    """Probes policies: ``Probe(env.settings)(policy, field)``.

    A policy is anything with the ``predict`` of stable-baselines3, called with ``deterministic=True`` on the
    observations of all 8 rows, or a function from (8, n) observations to (8, m) actions. Before every probe
    memory is reset.

    Args:
        settings: The task, from `ReachEnv.settings` or `ReachVectorEnv.settings`; its schedule, field,
            targets, go times and catch trials are those of a probe instead.
        seed: Of the noise of all probes; probe number i of two probes with one seed has the same noise.
        carried_trials: Trials in the same field before the measured one, as many for each of the 8 rows, with
            targets as drawn and memory carried from trial to trial and into the measured one: what a memory
            that lasts across trials can do with weights as they are. 0 resets memory.
        view: Function of (8, n) observations, and whether they are the first of a trial, to what the policy
            sees: a normalisation, a stack of frames.
        make_env: Function that makes one `ReachEnv` in wrappers, for agents that see what a wrapper makes of
            the observation; 8 of them are then probed, and `settings` is theirs.
    """

    def __init__(
        self,
        settings: TaskSettings | None = None,
        seed: int = 0,
        carried_trials: int = 0,
        *,
        view: View | None = None,
        make_env: Callable[[], gym.Env[Any, Any]] | None = None,
    ) -> None:
        for name, value in (("seed", seed), ("carried_trials", carried_trials)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
        if (settings is None) == (make_env is None):
            raise ValueError("a probe needs either the settings of a task or make_env")
        if settings is not None and not isinstance(settings, TaskSettings):
            raise ValueError(f"settings must be those of an environment, env.settings, got {settings!r}")
        self.seed, self.carried_trials = int(seed), int(carried_trials)
        self._rows = VectorRows(settings) if settings is not None else SingleRows(make_env)  # type: ignore[arg-type]
        self._view = view
        self._done = {REACH: 0, CHANNEL: 0}

    def __call__(
        self,
        policy: Policy | Callable[[Any], Any],
        field: Any = None,
        number: int | None = None,
        *,
        record: bool = False,
        displacement: Displacement | None = None,
    ) -> ProbeResult:
        """Probe a policy in a field.

        Args:
            policy: See the class.
            field: The force field, or its dict; None is no force.
            number: Which probe this is: it decides the noise. None counts on from the last one.
            record: Whether to record what the policy, the muscles and the hand do, as `ProbeResult.activity`;
                for policies with memory, see `PolicyMemory`.
            displacement: What is added to the policy's activity in the measured trial.

        Raises:
            ValueError: When a policy is recorded or displaced that has no memory, or of another size.
        """
        number = self._number(REACH, number)
        return self._reaches(policy, as_field(field), number, REACH, record, displacement)

    def channel(
        self, policy: Policy | Callable[[Any], Any], field: Any, number: int | None = None
    ) -> ChannelResult:
        """Adaptation to a velocity-dependent field, from reaches in a channel.

        Args:
            policy: See the class.
            field: `CurlField` or `ViscousField` that the policy may have learnt.
            number: See `__call__`; channels are counted on their own.

        Raises:
            ValueError: For a field of another kind.
        """
        matrix, walls = velocity_matrix(as_field(field)), ChannelField()
        reach = self._reaches(policy, walls, self._number(CHANNEL, number), CHANNEL)
        return channel_result(
            reach.path[:, 1:], reach.velocity[:, 1:], reach.start, reach.target, matrix, walls, PROBE_GO
        )

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of one row's observation, before `view`."""
        return self._rows.observation_shape

    def close(self) -> None:
        """Free the environment."""
        self._rows.close()

    def _number(self, stream: int, number: int | None) -> int:
        chosen = self._done[stream] if number is None else number
        if chosen < 0:
            raise ValueError(f"number must be at least 0, got {number!r}")
        self._done[stream] = chosen + 1
        return chosen

    def _seeds(self, *key: int) -> list[int]:
        sequence = np.random.SeedSequence((self.seed, *key))
        return [int(seed) for seed in sequence.generate_state(N_TARGETS)]

    def _reaches(
        self,
        policy: Any,
        field: Field,
        number: int,
        stream: int,
        record: bool = False,
        displacement: Displacement | None = None,
    ) -> ProbeResult:
        """Trials before, then the measured one."""
        memory = PolicyMemory(policy, self._view)
        for trial in range(self.carried_trials):
            seeds = self._seeds(number, stream, BEFORE) if trial == 0 else None
            self._trial(memory, field, seeds, None)
        seeds = self._seeds(number, stream)
        return self._trial(memory, field, seeds, np.arange(N_TARGETS), record, displacement)

    def _trial(
        self, memory: PolicyMemory, field: Field, seeds: list[int] | None, targets: Any,
        record: bool = False, displacement: Displacement | None = None,
    ) -> ProbeResult:  # fmt: skip
        rows = self._rows
        observation, state = rows.reset(seeds, targets, field)
        states, hidden, actions = [state], [], []
        for step in range(TRIAL_STEPS):
            if displacement is not None and step == displacement.step:
                memory.displace(displacement)
            action = memory.act(observation, first=step == 0)
            if displacement is not None and step == 0:
                displacement.broadcast(1, *memory.activity().shape)  # a wrong shape fails here, not later
            if record:
                hidden.append(memory.activity())
                actions.append(action.copy())
            observation, state = rows.step(action)
            states.append(state)
        path, velocity, force = (np.stack([s[i] for s in states], axis=1) for i in range(3))
        return ProbeResult(
            columns=kinematic_measures(path, rows.target, CONTROL_STEP),
            path=path,
            velocity=velocity,
            force=force[:, 1:],
            start=path[:, 0],
            target=rows.target,
            activity=_recording(rows.arm, states, hidden, actions) if record else None,
        )


def _recording(arm: Arm, states: list[State], hidden: list[Array], actions: list[Array]) -> Recording:
    """What is kept of a trial, from the states before and after every control step."""
    path, velocity, _, q, pull = (np.stack([state[i] for state in states], axis=1) for i in range(5))
    q, muscles = q[:, :-1], arm.pulls
    # Muscles pull as their state at the beginning of a step says, motors as they are told in the step.
    torque = muscle_torque(q, pull[:, :-1], arm) if muscles else pull[:, 1:]
    return Recording(
        hidden=np.stack(hidden, axis=1),
        excitation=np.stack(actions, axis=1),
        muscle_force=pull[:, :-1] if muscles else None,
        hand_force=hand_force(q, torque, arm),
        hand=path,
        velocity=velocity,
    )
