"""The present state of the arm, estimated from late observations and the commands sent since.

A forward model (the arm's own equations) follows the arm with the shorter of the two sensory
delays. Observations correct it there: vision and proprioception are each compared with the model's state at
the time that they show. From there the model runs ahead to the present under the commands sent meanwhile, as
in a Smith predictor (Miall, Weir, Wolpert & Stein 1993, doi 10.1080/00222895.1993.9942050).
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arm.simulation import Simulation
from savings_gym.arrays import Floats
from savings_gym.perturbations.linear_fields import HandForces, LinearFields, force_on_hand
from savings_gym.task.inverse_dynamics import nearest_joint_angles
from savings_gym.task.observation import JOINT_SPEED, observation_layout
from savings_gym.task.push import pushed_steps
from savings_gym.task.settings import TaskSettings, physics_steps, whole_steps

# Share of the difference between observation and model by which the model is corrected in a control step.
# Vision is precise and late, proprioception noisy and less late.
VISION_GAIN = 0.30  # of joint angles, from the hand
PROPRIOCEPTION_GAIN = 0.10  # of joint angles, from muscle lengths or joint angles
VELOCITY_GAIN = 0.30  # of joint velocities, from muscle or joint velocities
DAMPING = 0.01  # m/rad; an angle that moves the hand by less is not inferred from the hand


class ArmEstimate(NamedTuple):
    """Estimated state of n arms.

    Attributes:
        q: (n, 2) joint angles [rad].
        v: (n, 2) joint velocities [rad/s].
        activation: (n, 6) muscle activations, or (n, 0) for an arm without muscles.
    """

    q: Floats
    v: Floats
    activation: Floats


class KnownField:
    """The field that the forward model expects in n trials.

    Args:
        by_onset: Its parts, which act from the start, from go and from when the go cue is seen, see
            `resolve_fields`.
        go: (n,) control step of go, or a large number until it is known.
        cue: (n,) control step in which the go cue is first seen, likewise.
    """

    def __init__(
        self, by_onset: tuple[LinearFields, ...], go: NDArray[np.int64], cue: NDArray[np.int64]
    ) -> None:
        self._forces, self._go, self._cue = HandForces(len(go)), go, cue
        self._forces.put(np.arange(len(go)), *by_onset)

    def at(self, step: NDArray[np.int64]) -> Floats | None:
        """Return the coefficients of `HandForces` in control steps (n,): (12, n); None without a force."""
        return self._forces.at((step >= self._go).astype(np.int64) + (step >= self._cue))


class ForwardModel:
    """Steps n independent arms from any state in a known field, in MuJoCo."""

    def __init__(self, arm: Arm, n: int) -> None:
        self._simulation = Simulation(arm, n)
        self._substeps = physics_steps(arm.timestep)

    def advance(
        self, state: ArmEstimate, command: Floats, field: KnownField | None, step: NDArray[np.int64]
    ) -> ArmEstimate:
        """Return the state after one control step under commands (n, actuators), within their range."""
        simulation = self._simulation
        q, v, activation = simulation.qpos, simulation.qvel, simulation.act
        q[:], v[:], activation[:], simulation.ctrl[:] = *state, command
        coefficients = None if field is None else field.at(step)
        if coefficients is None:
            simulation.step(None, self._substeps, more=True)
        else:
            pushed_steps(simulation, None, self._substeps, coefficients, more=True)
        return ArmEstimate(q.copy(), v.copy(), activation.copy())


class CompiledForwardModel:
    """The forward model of arms with muscles or motors, by a numba kernel: many times faster.

    It agrees with MuJoCo's to rounding, up to 15 degrees beyond the joint stops. Farther out the closed forms
    of the muscle paths no longer hold.

    Raises:
        ValueError: If the kernel does not cover the arm.
    """

    def __init__(self, arm: Arm) -> None:
        from agents.kernels.arm import arm_constants
        from agents.kernels.control_step import control_step

        self._constants, self._control_step = arm_constants(arm), control_step

    def advance(
        self, state: ArmEstimate, command: Floats, field: KnownField | None, step: NDArray[np.int64]
    ) -> ArmEstimate:
        """Return the state after one control step, as `ForwardModel.advance` does."""
        push = np.zeros((len(command), 10))  # B, K and c of B v - K x + c
        if field is not None and (coefficients := field.at(step)) is not None:
            push[:, :8] = coefficients[:8].T
            push[:, 8:] = np.stack(force_on_hand(coefficients, 0.0, 0.0, 0.0, 0.0), -1)
        # numba would compile the kernel anew for any other layout
        old, command = (np.array(part, order="C") for part in (np.concatenate(state, 1), command))
        new = np.empty_like(old)
        self._control_step(self._constants, old, command, push, new)
        return ArmEstimate(new[:, :2], new[:, 2:4], new[:, 4:])


def forward_model(arm: Arm, n: int) -> ForwardModel | CompiledForwardModel:
    """Return the compiled forward model if numba is installed and covers the arm, else MuJoCo's."""
    if arm.pulls and find_spec("numba") is not None:
        with suppress(ValueError):
            return CompiledForwardModel(arm)
    return ForwardModel(arm, n)


class EstimatorMemory(NamedTuple):
    """What the estimator remembers of n trials; its arrays (n, ...) are never written to.

    The anchor is the estimate of the arm at the shorter of the two sensory delays.

    Attributes:
        clock: (n,) observations so far in the trial.
        q: (n, k, 2) joint angles of the last k anchors, the newest last [rad].
        v: (n, k, 2) their joint velocities [rad/s].
        activation: (n, muscles) activations of the newest.
        sent: (n, lag + 1, actuators) last commands, the newest last.
    """

    clock: NDArray[np.int64]
    q: Floats
    v: Floats
    activation: Floats
    sent: Floats


class StateEstimator:
    """Estimates the present state of n arms from their observations.

    Args:
        settings: The task, of which delays and actuation are used.
    """

    def __init__(self, settings: TaskSettings) -> None:
        self.arm = arm = load_arm(settings.actuation, settings.arm)
        self._muscle = arm.pulls
        self._layout = observation_layout(settings.actuation, settings.trial_cue)
        vision = whole_steps("the visual delay", settings.delays.vision)
        proprioception = whole_steps("the proprioceptive delay", settings.delays.proprioception)
        self._lag = min(vision, proprioception)
        self._seen, self._felt = self._lag - vision - 1, self._lag - proprioception - 1  # in the memory
        self._anchors = 1 + abs(vision - proprioception)
        self._rest = np.maximum(arm.control_range[:, 0], 0.0)
        self._models: dict[int, ForwardModel | CompiledForwardModel] = {}

    def begin(self, observation: Floats) -> EstimatorMemory:
        """Return the memory at the first observation (n, channels) of a trial, with the arm at rest."""
        n, muscles = len(observation), self.arm.n_actuators if self._muscle else 0
        hand = observation[:, self._layout["hand_position"]]
        q = np.repeat(nearest_joint_angles(self.arm, hand[:, None]), self._anchors, 1)
        return EstimatorMemory(
            np.zeros(n, dtype=np.int64), q, np.zeros_like(q), np.full((n, muscles), SMALLEST_ACTIVATION),
            np.tile(self._rest, (n, self._lag + 1, 1)),
        )  # fmt: skip

    def update(
        self, memory: EstimatorMemory, observation: Floats, field: KnownField | None
    ) -> tuple[EstimatorMemory, ArmEstimate]:
        """Return the memory after the next observation (n, channels), and the present state of the arm."""
        clock, model = memory.clock, self._model(len(observation))
        anchor = ArmEstimate(memory.q[:, -1], memory.v[:, -1], memory.activation)
        old = clock - self._lag - 1  # control step that ends at the new anchor
        anchor = _where(old >= 0, model.advance(anchor, memory.sent[:, 0], field, old), anchor)
        moved = (old >= 0)[:, None, None]
        q = np.where(moved, np.concatenate([memory.q[:, 1:], anchor.q[:, None]], 1), memory.q)
        v = np.where(moved, np.concatenate([memory.v[:, 1:], anchor.v[:, None]], 1), memory.v)

        dq, dv = self._corrections(observation, q, v)
        q, v = q + dq[:, None], v + dv[:, None]
        now = anchor = ArmEstimate(q[:, -1], v[:, -1], anchor.activation)
        for ahead in range(1, self._lag + 1):
            step = old + ahead
            now = _where(step >= 0, model.advance(now, memory.sent[:, ahead], field, step), now)
        return memory._replace(clock=clock + 1, q=q, v=v, activation=anchor.activation), now

    def _corrections(self, observation: Floats, q: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return the corrections of joint angles and velocities, (n, 2) each."""
        arm, part = self.arm, {name: observation[:, channels] for name, channels in self._layout.items()}
        q_felt, v_felt, q_seen = q[:, self._felt], v[:, self._felt], q[:, self._seen]
        if self._muscle:
            moment_arms = arm.moment_arms(q_felt)
            per_length = moment_arms / arm.muscles.optimal[:, None]
            per_speed = moment_arms / arm.muscles.speed[:, None]
            felt = _least_squares(per_length, part["muscle_length"] - arm.muscle_length(q_felt))
            velocity = _least_squares(
                per_speed, part["muscle_velocity"] - arm.muscle_velocity(q_felt, v_felt)
            )
        else:
            felt, velocity = part["joint_angle"] - q_felt, JOINT_SPEED * part["joint_velocity"] - v_felt
        miss = part["hand_position"] - arm.hand_position(q_seen)
        seen = _least_squares(arm.hand_jacobian(q_seen), miss, DAMPING)
        return VISION_GAIN * seen + PROPRIOCEPTION_GAIN * felt, VELOCITY_GAIN * velocity

    def sent(self, memory: EstimatorMemory, command: Floats) -> EstimatorMemory:
        """Return the memory after commands (n, actuators), within their range, have been sent."""
        return memory._replace(sent=np.concatenate([memory.sent[:, 1:], command[:, None]], 1))

    def _model(self, n: int) -> ForwardModel | CompiledForwardModel:
        if n not in self._models:
            self._models[n] = forward_model(self.arm, n)
        return self._models[n]


def _where(condition: NDArray[np.bool_], new: ArmEstimate, old: ArmEstimate) -> ArmEstimate:
    return ArmEstimate(*(np.where(condition[:, None], a, b) for a, b in zip(new, old, strict=True)))


def _least_squares(matrix: Floats, residual: Floats, damping: float = 0.0) -> Floats:
    """Return least-squares solutions (n, 2) of systems (n, m, 2) with right-hand sides (n, m)."""
    transposed = np.swapaxes(matrix, -1, -2)
    square: Any = (transposed[..., None] * matrix[:, None]).sum(-2)  # (n, 2, 2)
    moment = (transposed * residual[:, None]).sum(-1)
    return np.linalg.solve(square + damping**2 * np.eye(2), moment[..., None])[..., 0]
