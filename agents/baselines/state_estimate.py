"""Where the arm is now, from what is seen and felt of it late and from the commands that were sent since.

A forward model (the arm's own equations, in MuJoCo) follows the arm at the time of the least late of the two
senses. Observations correct it there: what is felt and what is seen late are each compared with what the
model says about *their* time. From there the model runs ahead to the present with the commands on the way, as
in a Smith predictor (Miall, Weir, Wolpert & Stein 1993, doi 10.1080/00222895.1993.9942050).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.baselines.inverse_dynamics import nearest_joint_angles
from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arm.simulation import Simulation
from savings_gym.arrays import Floats
from savings_gym.linear_fields import LinearFields
from savings_gym.task.observation import JOINT_SPEED, observation_layout
from savings_gym.task.settings import TaskSettings, physics_steps, whole_steps

# Share of a difference between observation and model that corrects the model, per control step. Vision is
# precise and late, proprioception noisy and less late.
SEEN_GAIN = 0.30  # of joint angles, from the hand seen
FELT_GAIN = 0.10  # of joint angles, from muscle lengths or joint angles felt
SPEED_GAIN = 0.30  # of joint velocities, from velocities felt
DAMPING = 0.01  # m/rad: an angle that moves the hand by less is not inferred from the hand


class ArmState(NamedTuple):
    """State of n arms.

    Attributes:
        q: (n, 2) rad.
        v: (n, 2) rad/s.
        activation: (n, 6), or (n, 0) of an arm without muscles.
    """

    q: Floats
    v: Floats
    activation: Floats


class KnownField(NamedTuple):
    """Force on the hand that the forward model reckons with, in n trials.

    Attributes:
        always: Parts that act during the whole trial.
        after_go: Parts that act from go on.
        go: (n,) control step of go, as far as it is known; a large number before.
    """

    always: LinearFields
    after_go: LinearFields
    go: NDArray[np.int64]

    def force(self, x: Floats, v: Floats, step: NDArray[np.int64]) -> Floats:
        """(n, 2) N on hands at x, m, with velocity v, m/s, in control steps (n,)."""
        return self.always.force(x, v) + (step >= self.go)[:, None] * self.after_go.force(x, v)


class ForwardModel:
    """n arms, stepped from any state, in a known field; rows do not depend on each other."""

    def __init__(self, arm: Arm, n: int) -> None:
        self._arm, self._simulation = arm, Simulation(arm, n)
        self._substeps = physics_steps(arm.timestep)

    def advance(
        self, state: ArmState, command: Floats, field: KnownField | None, step: NDArray[np.int64]
    ) -> ArmState:
        """The state after one control step with commands (n, actuators) in the range of the controls."""
        arm, simulation = self._arm, self._simulation
        q, v, activation = simulation.qpos, simulation.qvel, simulation.act
        q[:], v[:], activation[:], simulation.ctrl[:] = *state, command
        if field is None:
            simulation.step(None, self._substeps, more=True)
        else:
            for _ in range(self._substeps):
                push = field.force(arm.hand_position(q), arm.hand_velocity(q, v), step)
                simulation.torque[:] = (arm.hand_jacobian(q) * push[..., None]).sum(-2)
                simulation.step(None, more=True)
            simulation.torque[:] = 0.0
        return ArmState(q.copy(), v.copy(), activation.copy())


class Memory(NamedTuple):
    """What the estimator remembers of n trials; arrays (n, ...), made anew and never written to.

    Attributes:
        clock: (n,) observations so far in the trial.
        q: (n, k, 2) joint angles at the last k anchor times, the newest last.
        v: (n, k, 2) velocities there.
        activation: (n, actuators of muscles) at the newest of them.
        sent: (n, lag + 1, actuators) the last commands, the newest last.
    """

    clock: NDArray[np.int64]
    q: Floats
    v: Floats
    activation: Floats
    sent: Floats


class StateEstimator:
    """Estimates the present state of n arms from their observations.

    Args:
        settings: The task; delays and actuation are used.
    """

    def __init__(self, settings: TaskSettings) -> None:
        self.arm = arm = load_arm(settings.actuation, settings.arm)
        self._muscle, self._layout = arm.pulls, observation_layout(settings.actuation)
        seen = whole_steps("the visual delay", settings.delays.vision)
        felt = whole_steps("the proprioceptive delay", settings.delays.proprioception)
        self._lag = min(seen, felt)
        self._seen, self._felt = -1 - (seen - self._lag), -1 - (felt - self._lag)  # places in the memory
        self._kept = 1 + abs(seen - felt)
        self._rest = np.maximum(arm.control_range[:, 0], 0.0)
        self._models: dict[int, ForwardModel] = {}

    def begin(self, observation: Floats) -> Memory:
        """Memory at the first observation (n, channels) of a trial: the arm is at rest where it is seen."""
        n, muscles = len(observation), self.arm.n_actuators if self._muscle else 0
        q = np.repeat(
            nearest_joint_angles(self.arm, observation[:, None, self._layout["hand_position"]]), self._kept, 1
        )
        return Memory(
            np.zeros(n, dtype=np.int64), q, np.zeros_like(q), np.full((n, muscles), SMALLEST_ACTIVATION),
            np.tile(self._rest, (n, self._lag + 1, 1)),
        )  # fmt: skip

    def update(
        self, memory: Memory, observation: Floats, field: KnownField | None
    ) -> tuple[Memory, ArmState]:
        """Takes the next observation (n, channels) in. Returns the new memory and the present state."""
        clock, model = memory.clock, self._model(len(observation))
        anchor = ArmState(memory.q[:, -1], memory.v[:, -1], memory.activation)
        old = clock - self._lag - 1  # control step whose end is the new anchor time
        anchor = _where(old >= 0, model.advance(anchor, memory.sent[:, 0], field, old), anchor)
        moved = (old >= 0)[:, None, None]
        q = np.where(moved, np.concatenate([memory.q[:, 1:], anchor.q[:, None]], 1), memory.q)
        v = np.where(moved, np.concatenate([memory.v[:, 1:], anchor.v[:, None]], 1), memory.v)

        turn, quicken = self._corrections(observation, q, v)
        q, v = q + turn[:, None], v + quicken[:, None]
        now = anchor = ArmState(q[:, -1], v[:, -1], anchor.activation)
        for ahead in range(1, self._lag + 1):
            step = old + ahead
            now = _where(step >= 0, model.advance(now, memory.sent[:, ahead], field, step), now)
        return memory._replace(clock=clock + 1, q=q, v=v, activation=anchor.activation), now

    def _corrections(self, observation: Floats, q: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Changes of joint angles and velocities, (n, 2) each, that the observation asks for."""
        arm, layout = self.arm, self._layout
        q_felt, v_felt, q_seen = q[:, self._felt], v[:, self._felt], q[:, self._seen]
        if self._muscle:
            per_length = arm.moment_arms(q_felt) / arm.muscles.optimal[:, None]
            per_speed = arm.moment_arms(q_felt) / arm.muscles.speed[:, None]
            length, velocity = (observation[:, layout[name]] for name in ("muscle_length", "muscle_velocity"))
            felt = _least_squares(per_length, length - arm.muscle_length(q_felt))
            speed = _least_squares(per_speed, velocity - arm.muscle_velocity(q_felt, v_felt))
        else:
            felt = observation[:, layout["joint_angle"]] - q_felt
            speed = JOINT_SPEED * observation[:, layout["joint_velocity"]] - v_felt
        hand = observation[:, layout["hand_position"]]
        seen = _least_squares(arm.hand_jacobian(q_seen), hand - arm.hand_position(q_seen), DAMPING)
        return SEEN_GAIN * seen + FELT_GAIN * felt, SPEED_GAIN * speed

    def sent(self, memory: Memory, command: Floats) -> Memory:
        """The memory with the commands (n, actuators) that were just sent, in the range of the controls."""
        return memory._replace(sent=np.concatenate([memory.sent[:, 1:], command[:, None]], 1))

    def _model(self, n: int) -> ForwardModel:
        if n not in self._models:
            self._models[n] = ForwardModel(self.arm, n)
        return self._models[n]


def _where(rows: NDArray[np.bool_], new: ArmState, old: ArmState) -> ArmState:
    return ArmState(*(np.where(rows[:, None], a, b) for a, b in zip(new, old, strict=True)))


def _least_squares(matrix: Floats, residual: Floats, damping: float = 0.0) -> Floats:
    """(n, 2) least-squares solutions of (n, m, 2) systems with right-hand sides (n, m)."""
    transposed = np.swapaxes(matrix, -1, -2)
    square: Any = (transposed[..., None] * matrix[:, None]).sum(-2)  # (n, 2, 2)
    moment = (transposed * residual[:, None]).sum(-1)
    return np.linalg.solve(square + damping**2 * np.eye(2), moment[..., None])[..., 0]
