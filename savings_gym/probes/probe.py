"""A probe: the 8 centre-out reaches of any policy, measured without teaching it anything.

Go comes at 0.44 s, no trial is a catch trial, and the policy neither explores nor learns. A probe has an
environment and random numbers of its own, so training is the same with probes and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from savings_gym.activity.displacement import Displacement
from savings_gym.activity.recording import Recording, hand_force, muscle_torque
from savings_gym.arm.model import Arm
from savings_gym.arrays import Array, Floats, Indices, as_choice, as_whole_number, short
from savings_gym.metrics.channel import ChannelResult, channel_result, velocity_matrix
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.metrics.rotation import rotation_adaptation
from savings_gym.perturbations.fields import ChannelField, Field, as_field
from savings_gym.perturbations.visual import VisualClamp, VisuomotorRotation
from savings_gym.probes.environments import (
    MakeEnv,
    ProbeEnvironments,
    ProbeState,
    SingleEnvironments,
    VectorEnvironment,
)
from savings_gym.probes.policy import Policy, PolicyMemory, View
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, TRIAL_STEPS, TaskSettings

REACH, CHANNEL, BEFORE = range(3)  # streams of random numbers


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """Measures and movements of the 8 reaches of a probe.

    Attributes:
        columns: Name to (8,) measures, those of `metrics.kinematics.KINEMATIC_COLUMNS`, of the hand, or of
            the cursor if a visual perturbation has that scored.
        path: (8, 101, 2) hand position at 0, 10, ... 1000 ms [m].
        velocity: (8, 101, 2) its velocity [m/s].
        force: (8, 100, 2) mean force of the field on the hand in every control step [N].
        start: (8, 2) [m].
        target: (8, 2) [m].
        cursor: (8, 101, 2) where the hand is seen, without delay [m].
        activity: Memory, actions, muscles and hand during the same reaches; None unless recorded.
    """

    columns: dict[str, Floats]
    path: Floats
    velocity: Floats
    force: Floats
    start: Floats
    target: Floats
    cursor: Floats
    activity: Recording | None = None

    def mean(self, column: str) -> float:
        """Return the mean of a measure over the targets, NaN if one target has none.

        Raises:
            ValueError: If there is no such measure.
        """
        return float(self.columns[as_choice("measure", column, self.columns)].mean())


class Probe:
    """Probes policies: ``Probe(env.settings)(policy, field)``.

    A policy is anything with the `predict` of stable-baselines3, called with ``deterministic=True`` on the
    observations (8, n) of all targets at once, or a function from observations (8, n) to actions (8, m). The
    memory that `predict` takes and returns begins anew in every probe; what a policy keeps inside itself does
    not.

    Args:
        settings: The task, from `ReachEnv.settings` or `ReachVectorEnv.settings`. Schedule, field, targets,
            go times and catch trials are replaced by those of a probe.
        seed: Seed of the noise. Probe number i has the same noise in every `Probe` of this seed.
        carried_trials: Trials in the field before the measured one, with targets drawn at random and memory
            carried from each trial to the next: shows what memory across trials does with unchanged weights.
            0 measures the first trial after a reset of memory.
        view: Turns observations (8, n), and whether they begin a trial, into what the policy sees, such as
            normalised or stacked observations; None leaves them as they are.
        make_env: Makes a `ReachEnv` in wrappers, for policies that see what a wrapper makes of the
            observation. 8 of them are then probed in turn; give it instead of `settings`.

    Raises:
        ValueError: If a number is not whole or negative, if both or none of `settings` and `make_env` are
            given, or if `make_env` does not make a new `ReachEnv` with 8 targets at every call.
    """

    def __init__(
        self,
        settings: TaskSettings | None = None,
        seed: int = 0,
        carried_trials: int = 0,
        *,
        view: View | None = None,
        make_env: MakeEnv | None = None,
    ) -> None:
        self.seed = as_whole_number("seed", seed)
        self.carried_trials = as_whole_number("carried_trials", carried_trials)
        self._environments: ProbeEnvironments
        if make_env is not None and settings is None:
            self._environments = SingleEnvironments(make_env)
        elif settings is None or make_env is not None:
            raise ValueError("a probe needs either the settings of a task or make_env")
        elif not isinstance(settings, TaskSettings):
            raise ValueError(
                "settings must be those of an environment: env.settings, or env.unwrapped.settings of one "
                f"that gym.make returned; got {short(settings)}"
            )
        else:
            self._environments = VectorEnvironment(settings)
        self._view = view
        self._next_number = {REACH: 0, CHANNEL: 0}

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
            number: Number of the probe, which decides its noise; None is one more than the last.
            record: Whether to record policy, muscles and hand, as `ProbeResult.activity`. The policy must
                have a memory, see `PolicyMemory`.
            displacement: What is added to the policy's activity in the measured trial; None adds nothing.

        Raises:
            TypeError: If the policy has no `predict` and is not a function.
            ValueError: If a policy without memory is recorded or displaced, or the displacement has another
                number of units.
        """
        number = self._number(REACH, number)
        return self._reaches(policy, as_field(field), number, REACH, record, displacement)

    def channel(
        self, policy: Policy | Callable[[Any], Any], field: Any, number: int | None = None
    ) -> ChannelResult:
        """Measure the adaptation of a policy to a velocity-dependent field, by reaches in a channel.

        Args:
            policy: See the class.
            field: `CurlField` or `ViscousField` that the policy may have learned.
            number: See `__call__`; channel probes are counted separately.

        Returns:
            The adaptation of every reach, (8,): 1 for forces on the channel that would cancel the field, 0
            for none; and the forces that it follows from.

        Raises:
            TypeError: If the policy has no `predict` and is not a function.
            ValueError: If the field is of another kind.
        """
        matrix, walls = velocity_matrix(as_field(field)), ChannelField()
        reach = self._reaches(policy, walls, self._number(CHANNEL, number), CHANNEL)
        return channel_result(
            reach.path[:, 1:], reach.velocity[:, 1:], reach.start, reach.target, matrix, walls, PROBE_GO
        )

    def clamp(
        self, policy: Policy | Callable[[Any], Any], rotation: VisuomotorRotation, number: int | None = None
    ) -> Floats:
        """Measure the adaptation of a policy to a rotation, by reaches in an error clamp of the cursor.

        Args:
            policy: See the class.
            rotation: The rotation that the policy may have learned.
            number: See `__call__`; counted with the channel probes.

        Returns:
            (8,) share that the hand makes up for, see `metrics.rotation.rotation_adaptation`.

        Raises:
            TypeError: If the policy has no `predict` and is not a function.
            ValueError: If the perturbation is of another kind.
        """
        if not isinstance(rotation, VisuomotorRotation):
            raise ValueError(f"a clamp measures adaptation to a VisuomotorRotation, got {rotation!r}")
        reach = self._reaches(policy, VisualClamp(), self._number(CHANNEL, number), CHANNEL)
        return rotation_adaptation(reach.path, reach.target, rotation.angle_deg, CONTROL_STEP)

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of the observation of one reach, before `view`."""
        return self._environments.observation_shape

    @property
    def next_numbers(self) -> dict[int, int]:
        """Number of the next probe of each kind, reaches 0 and channels 1, which decides its noise."""
        return dict(self._next_number)

    @next_numbers.setter
    def next_numbers(self, numbers: dict[int, int]) -> None:
        self._next_number = dict(numbers)

    def close(self) -> None:
        """Free the environments."""
        self._environments.close()

    def _number(self, stream: int, number: int | None) -> int:
        chosen = self._next_number[stream] if number is None else as_whole_number("number", number)
        self._next_number[stream] = chosen + 1
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
        """Make the carried trials, then the measured one."""
        memory = PolicyMemory(policy, self._view)
        for trial in range(self.carried_trials):
            seeds = self._seeds(number, stream, BEFORE) if trial == 0 else None
            run_trial(self._environments, memory, field, seeds, None)
        seeds, targets = self._seeds(number, stream), np.arange(N_TARGETS)
        return run_trial(self._environments, memory, field, seeds, targets, record, displacement)


def run_trial(
    environments: ProbeEnvironments,
    memory: PolicyMemory,
    field: Field,
    seeds: list[int] | None,
    targets: Indices | None,
    record: bool = False,
    displacement: Displacement | None = None,
) -> ProbeResult:
    """Make a trial of every arm with a policy, whose memory goes on from where it is.

    Args:
        environments: The arms.
        memory: The policy with its memory.
        field: Force field of the trial.
        seeds: See `ProbeEnvironments.reset`, also for the targets.
        targets: (8,) indices, or None.
        record: Whether to record policy, muscles and hand.
        displacement: What is added to the policy's activity; None adds nothing.
    """
    observation, state = environments.reset(seeds, targets, field)
    states, hidden, actions = [state], [], []
    for step in range(TRIAL_STEPS):
        if displacement is not None and step == displacement.step:
            memory.displace(displacement)
        action = memory.act(observation, first=step == 0)
        if displacement is not None and step == 0:
            displacement.broadcast(1, *memory.activity().shape)  # a wrong shape fails here, not later
        if record:
            hidden.append(memory.activity())
            actions.append(np.clip(action, *environments.bounds))  # what the arms take
        observation, state = environments.step(action)
        states.append(state)
    series = ProbeState(*(np.stack(values, axis=1) for values in zip(*states, strict=True)))
    target = environments.target
    return ProbeResult(
        columns=kinematic_measures(
            series.cursor if field.scored == "cursor" else series.hand, target, CONTROL_STEP
        ),
        path=series.hand,
        velocity=series.velocity,
        force=series.field_force[:, 1:],
        start=series.hand[:, 0],
        target=target,
        cursor=series.cursor,
        activity=_recording(environments.arm, series, hidden, actions) if record else None,
    )


def _recording(arm: Arm, series: ProbeState, hidden: list[Array], actions: list[Array]) -> Recording:
    """Return what is recorded of a trial.

    Args:
        arm: The arm.
        series: States (8, 101, k) at the start and after every control step.
        hidden: Activity (8, units) in every control step.
        actions: Actions (8, actuators) in every control step.
    """
    joint_angles, output = series.joint_angles[:, :-1], series.actuator_output
    # In a control step muscles pull by their state at its start, motors by the action of the step itself.
    torque = muscle_torque(joint_angles, output[:, :-1], arm) if arm.pulls else output[:, 1:]
    return Recording(
        hidden=np.stack(hidden, axis=1),
        excitation=np.stack(actions, axis=1),
        muscle_force=output[:, :-1] if arm.pulls else None,
        hand_force=hand_force(joint_angles, torque, arm),
        hand=series.hand,
        velocity=series.velocity,
    )
