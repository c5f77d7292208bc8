"""The muscle arm in torch: batched, differentiable, and the same arm as MuJoCo's.

Every constant is read from the compiled model. The equations of motion of two links in a plane, with
q = (shoulder, elbow), are

    M(q) dv/dt = tau + J(q)' f + C(q, v)
    M11 = a + 2 b cos q2,  M12 = d + b cos q2,  M22 = d
    C1 = b sin q2 (2 v1 v2 + v2^2),  C2 = -b sin q2 v1^2
    a = I1 + I2 + m1 lc1^2 + m2 (l1^2 + lc2^2),  b = m2 l1 lc2,  d = I2 + m2 lc2^2

The integrator is MuJoCo's semi-implicit Euler at the physics step of the model: velocity first, then position
with the new velocity, and activation with its old rate.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import torch

from savings_gym.arm import muscles, tendons
from savings_gym.arm.changes import ArmLike
from savings_gym.arm.kinematics import hand_vectors, hand_velocity
from savings_gym.arm.model import load_arm
from savings_gym.arrays import as_choice
from savings_gym.task.impairments import ImpairmentsLike, as_impairments
from savings_gym.task.settings import physics_steps, whole_steps

ACTUATIONS: Final = ("muscle", "motor")  # those that pull along muscle paths


def check_actuation(actuation: str) -> None:
    """Raise a ValueError if the torch arm has no such actuation."""
    as_choice("actuation", actuation, ACTUATIONS)


class ArmState(NamedTuple):
    """State of any number of arms.

    Attributes:
        q: (..., 2) joint angles [rad].
        v: (..., 2) joint velocities [rad/s].
        activation: (..., 6) muscle activations.
    """

    q: torch.Tensor
    v: torch.Tensor
    activation: torch.Tensor


class TorchArm:
    """The arm with muscles, or with motors in their place, for arrays of any leading shape.

    Args:
        device: Of all tensors.
        dtype: Of all tensors.
        actuation: ``"muscle"`` or ``"motor"``.
        arm: Changes of the arm, or an MJCF file, see ``savings_gym.arm.changes``.
        impairments: Spasticity and signal-dependent noise of all rollouts on this arm, see
            ``savings_gym.task.impairments``.

    Attributes:
        impairments: As checked `Impairments`.
        reflex_delay: Control steps after which a stretched muscle is excited.

    Raises:
        ValueError: If the actuators do not pull along muscle paths, or muscles are to tire: fatigue goes on
            from trial to trial, and batches of trials have no order.
    """

    def __init__(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        actuation: str = "muscle",
        arm: ArmLike = None,
        impairments: ImpairmentsLike = None,
    ) -> None:
        check_actuation(actuation)
        self.arm = compiled = load_arm(actuation, arm)
        self.device, self.dtype = torch.device(device), dtype

        def tensor(array: Any) -> torch.Tensor:
            return torch.as_tensor(np.array(array), dtype=dtype, device=device)

        self.paths, self.muscles = compiled.paths.map(tensor), compiled.muscles.map(tensor)
        self.inertia = compiled.inertia
        self.stops, self.stop_stiffness = tensor(compiled.joint_range), tensor(compiled.stop_stiffness)
        self.excitation_range = tuple(compiled.control_range[0].tolist())
        self.timestep = compiled.timestep
        self.substeps = physics_steps(compiled.timestep)
        self.impairments = as_impairments(impairments)
        if self.impairments.fatigue is not None:
            raise ValueError(
                "impairments: the torch arm knows signal_noise and spasticity, not fatigue, which goes on "
                "from trial to trial; the environments have it"
            )
        self.reflex_delay = whole_steps("impairments: reflex_delay", self.impairments.reflex_delay)
        self._reflex_gains = tensor(self.impairments.gains)

    def at_rest(self, q: torch.Tensor) -> ArmState:
        """Return arms at rest at joint angles q (..., 2), every muscle at its smallest activation."""
        activation = torch.full((*q.shape[:-1], self.arm.n_actuators), self.excitation_range[0]).to(q)
        return ArmState(q, torch.zeros_like(q), activation)

    # Kinematics

    def hand(self, q: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return hand position, (..., 2) m, velocity, (..., 2) m/s, and Jacobian, (..., 2, 2) m/rad."""
        x, y, fore_x, fore_y = hand_vectors(self.arm.link_lengths.tolist(), q[..., 0], q[..., 1], torch)
        velocity = hand_velocity(x, y, fore_x, fore_y, v[..., 0], v[..., 1])
        jacobian = torch.stack([torch.stack([-y, -fore_y], -1), torch.stack([x, fore_x], -1)], -2)
        return torch.stack([x, y], -1), torch.stack(velocity, -1), jacobian

    def muscle_state(
        self, q: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return fibre lengths and velocities, (..., 6), and moment arms, (..., 6, 2) m.

        The units are optimal lengths and maximum shortening velocities.
        """
        length, arms = tendons.lengths_and_moment_arms(self.paths, q, torch)
        length = (length - self.muscles.slack) / self.muscles.optimal
        return length, (arms * v[..., None, :]).sum(-1) / self.muscles.speed, arms

    def muscle_force(
        self, length: torch.Tensor, velocity: torch.Tensor, activation: torch.Tensor
    ) -> torch.Tensor:
        """Return muscle forces, (..., 6) N, from fibre lengths, their velocities, and activations."""
        force: torch.Tensor = muscles.force(self.muscles, length, velocity, activation, torch)
        return force

    # Dynamics

    def acceleration(self, q: torch.Tensor, v: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
        """Return joint accelerations, (..., 2) rad/s^2, under joint torques, (..., 2) N m."""
        a, b, d = self.inertia.a, self.inertia.b, self.inertia.d
        cos, sin = torch.cos(q[..., 1]), torch.sin(q[..., 1])
        v1, v2 = v[..., 0], v[..., 1]
        one = torque[..., 0] + b * sin * (2 * v1 * v2 + v2 * v2)
        two = torque[..., 1] - b * sin * v1 * v1
        m11, m12 = a + 2 * b * cos, d + b * cos
        return (
            torch.stack([d * one - m12 * two, m11 * two - m12 * one], -1) / (m11 * d - m12 * m12)[..., None]
        )

    def physics_step(
        self, state: ArmState, excitation: torch.Tensor, field: tuple[torch.Tensor, ...]
    ) -> ArmState:
        """Make one step of the integrator.

        Args:
            state: Of the arms.
            excitation: (..., 6), in range.
            field: B, K, x0, c of f = B v + K (x0 - x) + c on the hand.
        """
        q, v, activation = state
        length, velocity, arms = self.muscle_state(q, v)
        force = self.muscle_force(length, velocity, activation)
        torque = -(arms * force[..., None]).sum(-2)
        beyond = q - torch.clip(q, self.stops[:, 0], self.stops[:, 1])
        k0, k1, k2 = self.stop_stiffness.unbind(-1)
        torque = torque - beyond * (k0 + k1 * beyond.abs() + k2 * beyond**2)
        hand, velocity_of_hand, jacobian = self.hand(q, v)
        b, k, x0, c = field
        push = (b * velocity_of_hand[..., None, :]).sum(-1) + (k * (x0 - hand)[..., None, :]).sum(-1) + c
        torque = torque + (jacobian * push[..., None]).sum(-2)
        v_new = v + self.timestep * self.acceleration(q, v, torque)
        rate = muscles.activation_rate(self.muscles, excitation, activation, torch)
        return ArmState(q + self.timestep * v_new, v_new, activation + self.timestep * rate)

    def with_reflex(self, command: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        """Return the excitations of spastic muscles, as ``ImpairedMuscles.excite`` of the environments does.

        Args:
            command: (..., 6) excitations that are sent to the muscles.
            velocity: (..., 6) lengthening velocities a reflex delay ago [largest shortening speeds].
        """
        stretch = torch.relu(velocity - self.impairments.threshold)
        command = torch.clip(command, *self.excitation_range)
        return torch.clip(command + self._reflex_gains * stretch, max=1.0)

    def control_step(
        self, state: ArmState, excitation: torch.Tensor, field: tuple[torch.Tensor, ...]
    ) -> ArmState:
        """Make the physics steps of a control step under one excitation (..., 6), clipped to its range."""
        excitation = torch.clip(excitation, *self.excitation_range)
        for _ in range(self.substeps):
            state = self.physics_step(state, excitation, field)
        return state
