"""The closed loop of network and arm, linearised where a network holds the hand at the start.

A small change s of the loop's state, one control step later, is J s. The state is all that decides what comes
next: activity, joint angles and velocities, muscle activations, and what was sensed but has not yet arrived.
J is exact (forward-mode differentiation of the rollout's own step), so that its powers tell what becomes of a
displacement of activity, and its eigenvalues how fast: a mode with eigenvalue z decays with the time constant
-dt / ln|z|, and at the inverse of that as its rate.

    loop = linearise(ensemble, TorchArm(dtype=torch.float64), target=0)
    1.0 / loop.decay_rates()[:, 0]      # time constant of the slowest mode of every network [s]
    loop.share_left(shift, 35)[-1]      # of a displacement by the shift, 35 control steps later
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from agents.supervised.networks import Ensemble, State
from agents.supervised.reaches import Reaches, Timing, centre_out
from agents.supervised.torch_arm import ArmState, TorchArm
from savings_gym.arrays import Floats, as_finite, as_whole_number
from savings_gym.perturbations.fields import NullField
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, TRIAL_STEPS, Delays, Noise
from savings_gym.task.trials import NO_GO

SLOW = 0.1  # s; modes with longer time constants are called slow
"""Between the preparatory time, 0.16 s, and the cue, 0.51 s, a mode of 0.1 s falls to 3 %."""


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """The linearised loop of n networks that hold the hand, before the reach to one target.

    Attributes:
        jacobian: (n, S, S) change of the state in a control step per change of the state before it.
        force: (n, S, 2) change of the state in a control step per force on the hand during it [1/N].
        hand: (n, 2, S) change of the hand position per change of the state [m].
        muscle_stiffness: (n, 2, 2) force with which the muscles alone, at their present activations, resist a
            lasting displacement of the hand [N/m]: J^-T (-d tau / d q) J^-1, with tau the joint torques.
        muscle_damping: (n, 2, 2) force with which they resist a velocity of the hand [N s/m]:
            J^-T (-d tau / d qdot) J^-1.
        units: How many of the S entries, the first ones, are activity.
        drift: (n,) relative change of activity in the control step at which the loop is linearised,
            ``|h' - h| / |h|``; 0 in a true hold.
    """

    jacobian: Floats
    force: Floats
    hand: Floats
    muscle_stiffness: Floats
    muscle_damping: Floats
    units: int
    drift: Floats

    @property
    def network(self) -> Floats:
        """Change of activity per change of activity with the input unchanged, (n, units, units).

        That is all of a network whose state is its activity (GRU, leaky units), and a part of an LSTM.
        """
        return self.jacobian[:, : self.units, : self.units]

    def decay_rates(self, *, network_only: bool = False) -> Floats:
        """Return the rates at which all modes decay, the slowest first, (n, S) [1/s].

        The time constant of a mode is 1 / rate. A mode with a negative rate grows, and one with an infinite
        rate is gone after a step.

        Args:
            network_only: Of the network with its input unchanged instead, (n, units).
        """
        size = np.abs(np.linalg.eigvals(self.network if network_only else self.jacobian))
        log_size = np.log(size, out=np.full_like(size, -np.inf), where=size > 0.0)
        return np.sort(-log_size / CONTROL_STEP, axis=-1)

    def displaced(self, change: Floats, steps: int) -> Floats:
        """Return what is left of displacements of activity after 0, 1, ... control steps.

        Args:
            change: (..., n, units) changes of activity.
            steps: How many control steps to follow.

        Returns:
            (steps + 1, ..., n, units).
        """
        series = [self._state(change)]
        for _ in range(as_whole_number("steps", steps)):
            series.append(np.einsum("nij,...nj->...ni", self.jacobian, series[-1]))
        return np.stack(series)[..., : self.units]

    def share_left(self, change: Floats, steps: int) -> Floats:
        """Return the length of what is left, as a share of the displacement's, (steps + 1, ..., n)."""
        return np.linalg.norm(self.displaced(change, steps), axis=-1) / np.linalg.norm(change, axis=-1)

    def slow_share(self, change: Floats, slower_than: float = SLOW) -> Floats:
        """Return the length of the part of a displacement in the slow modes, as a share of its own, (..., n).

        The part is the spectral projection: slow and fast modes together span the state, and the part is what
        remains without the fast ones. Modes are not orthogonal, so that a share may exceed 1.

        Args:
            change: (..., n, units) changes of activity.
            slower_than: Time constant that a slow mode exceeds [s].
        """
        part = np.einsum("nij,...nj->...ni", self._slow_projection(slower_than), self._state(change))
        return np.linalg.norm(part[..., : self.units], axis=-1) / np.linalg.norm(change, axis=-1)

    def _slow_projection(self, slower_than: float) -> Floats:
        """Return the projections on the slow modes along the fast ones, (n, S, S).

        From an ordered Schur form, which needs no eigenvectors: those of delays are nearly parallel.
        """
        from scipy.linalg import schur, solve_sylvester

        projections = np.empty_like(self.jacobian)
        smallest = np.exp(-CONTROL_STEP / slower_than)
        for jacobian, projection in zip(self.jacobian, projections, strict=True):
            form, basis, k = schur(jacobian, sort=lambda real, imag: math.hypot(real, imag) > smallest)
            mixing = solve_sylvester(form[:k, :k], -form[k:, k:], form[:k, k:])
            projection[:] = basis[:, :k] @ np.hstack([np.eye(k), mixing]) @ basis.T
        return projections

    def pushed_hand(self, steps: int) -> Floats:
        """Return how far lasting small forces have moved the hand after 0, 1, ... control steps.

        At first that is a matter of inertia and muscles alone, later also of what the network feels and sees.

        Args:
            steps: How many control steps the forces last, at least 1.

        Returns:
            (n, 2, steps + 1, 2) by the direction of the force, x and y [m/N].
        """
        state = np.zeros_like(self.force)
        moved = [np.zeros_like(self.hand[:, :, :2])]
        for _ in range(as_whole_number("steps", steps, 1)):
            state = self.jacobian @ state + self.force
            moved.append(self.hand @ state)
        return np.stack(moved, axis=1).transpose(0, 3, 1, 2)

    def _state(self, change: Floats) -> Floats:
        change = as_finite("a displacement", change)
        n, size = self.jacobian.shape[:2]
        if change.shape[-2:] != (n, self.units):
            raise ValueError(f"displacement has shape {change.shape}, expected (..., {n}, {self.units})")
        return np.concatenate([change, np.zeros((*change.shape[:-1], size - self.units))], axis=-1)


def linearise(
    ensemble: Ensemble,
    arm: TorchArm,
    target: int,
    *,
    delays: Delays = Delays(),  # noqa: B008, frozen
    step: int = TRIAL_STEPS - 1,
) -> ClosedLoop:
    """Linearise the loop of every network in a trial without go, field and noise.

    Args:
        ensemble: n networks, of the arm's dtype.
        arm: The arm that they move.
        target: Index of the centre-out target that is shown.
        delays: Delays of the senses.
        step: Control step in which the loop is linearised; by default the last one, when the hand has been
            held for a second.

    Raises:
        ValueError: If there is no such target or control step, or the arm is spastic.
    """
    if arm.impairments.spasticity:
        raise ValueError(
            "closed loops with a stretch reflex are not linearised: give an arm without spasticity"
        )
    if not 0 <= as_whole_number("target", target) < N_TARGETS:
        raise ValueError(f"target must lie in 0..{N_TARGETS - 1}, got {target}")
    if not 0 <= as_whole_number("step", step) < TRIAL_STEPS:
        raise ValueError(f"step must lie in 0..{TRIAL_STEPS - 1}, got {step}")
    loop = _Loop(ensemble, arm, _hold(ensemble, arm, target, delays))
    with torch.no_grad():
        state = loop.start()
        for _ in range(step):
            state = loop.advance(state)
        after = loop.advance(state)
        hidden, later = state[..., : ensemble.units], after[..., : ensemble.units]
        drift = (later - hidden).norm(dim=-1) / hidden.norm(dim=-1)
        jacobian = _derivative(loop.advance, state)
        force = _derivative(
            lambda push: loop.advance(state.expand(-1, 2, -1), push), torch.zeros_like(state[..., :2])
        )
        hand = _derivative(loop.hand, state)
        stiffness, damping = loop.muscle_resistance(state)

    def array(values: torch.Tensor) -> Floats:
        return values.double().cpu().numpy()

    return ClosedLoop(
        array(jacobian), array(force), array(hand), array(stiffness), array(damping), ensemble.units,
        array(drift[:, 0]),
    )  # fmt: skip


def _derivative(function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor) -> torch.Tensor:
    """Return the derivative (n, outputs, inputs) of a function of (n, trials, inputs), at (n, 1, inputs)."""
    size = at.shape[-1]
    tangents = torch.eye(size).to(at).expand(len(at), -1, -1).contiguous()  # one trial per input that changes
    columns: torch.Tensor = torch.func.jvp(function, (at.expand(-1, size, -1).contiguous(),), (tangents,))[1]
    return columns.mT


def _hold(ensemble: Ensemble, arm: TorchArm, target: int, delays: Delays) -> Reaches:
    """Return one trial per network in which go never comes."""
    like = ensemble.initial
    probe = centre_out(
        ensemble.networks, NullField(), np.random.default_rng(0), probe=True, noise=Noise(0.0, 0.0, 0.0),
        delays=delays, device=like.device, dtype=like.dtype, arm=arm.arm,
    )  # fmt: skip
    one = {name: getattr(probe, name)[:, target : target + 1] for name in ("q0", "start", "target")}
    return dataclasses.replace(probe, **one, go_step=torch.full_like(probe.go_step[:, :1], NO_GO))


class _Loop:
    """One control step of network and arm as a function of a flat state, (n, trials, S)."""

    def __init__(self, ensemble: Ensemble, arm: TorchArm, hold: Reaches) -> None:
        self.ensemble, self.arm, self.hold = ensemble, arm, hold
        self.timing: Timing = hold.timing
        self.parts = len(ensemble.initial_state(1))

    def start(self) -> torch.Tensor:
        """Return the state at the beginning of the trial, (n, 1, S)."""
        state = self.arm.at_rest(self.hold.q0)
        hand, muscles = self._sensed(state)
        underway = [hand] * self.timing.vision + [muscles] * self.timing.proprioception
        return torch.cat([*self.ensemble.initial_state(1), *state, *underway], -1)

    def hand(self, flat: torch.Tensor) -> torch.Tensor:
        """Return the hand positions, (n, trials, 2) [m], in states (n, trials, S)."""
        state = self._split(flat)[1]
        return self.arm.hand(state.q, state.v)[0]

    def muscle_resistance(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return stiffnesses [N/m] and dampings [N s/m] of the hand at constant activations, (n, 2, 2) each.

        Args:
            flat: (n, 1, S) states.
        """
        state = self._split(flat)[1]
        activation = state.activation.expand(-1, 2, -1)

        def torque(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            length, speed, arms = self.arm.muscle_state(q, v)
            return -(arms * self.arm.muscle_force(length, speed, activation)[..., None]).sum(-2)

        still = torch.zeros_like(state.q)
        inverse = torch.linalg.inv(self.arm.hand(state.q, state.v)[2][:, 0])
        stiffness = _derivative(lambda q: torque(q, torch.zeros_like(q)), state.q)
        damping = _derivative(lambda v: torque(state.q.expand(-1, 2, -1), v), still)
        return -inverse.mT @ stiffness @ inverse, -inverse.mT @ damping @ inverse

    def advance(self, flat: torch.Tensor, force: torch.Tensor | None = None) -> torch.Tensor:
        """Return states (n, trials, S) one control step later, under forces on the hand (n, trials, 2)."""
        memory, state, seen, felt = self._split(flat)
        hand, muscles = self._sensed(state)
        seen, felt = [*seen, hand], [*felt, muscles]  # the oldest first
        trials = flat.shape[1]
        target = self.hold.target.expand(-1, trials, -1)
        cue = torch.zeros_like(target[..., :1])
        memory = self.ensemble.step(torch.cat([seen[0], felt[0], target, cue], -1), memory)
        none = torch.zeros((2, 2)).to(flat)
        field = none, none, none[0], none[0] if force is None else force
        state = self.arm.control_step(state, self.ensemble.readout(memory[0]), field)
        return torch.cat([*memory, *state, *seen[1:], *felt[1:]], -1)

    def _sensed(self, state: ArmState) -> tuple[torch.Tensor, torch.Tensor]:
        length, speed, _ = self.arm.muscle_state(state.q, state.v)
        return self.arm.hand(state.q, state.v)[0], torch.cat([length, speed], -1)

    def _split(self, flat: torch.Tensor) -> tuple[State, ArmState, list[torch.Tensor], list[torch.Tensor]]:
        vision, proprioception = self.timing.vision, self.timing.proprioception
        n_muscles = self.arm.arm.n_actuators
        sizes = [self.ensemble.units] * self.parts + [2, 2, n_muscles]
        sizes += [2] * vision + [2 * n_muscles] * proprioception
        parts = list(flat.split(sizes, -1))
        seen = len(sizes) - proprioception
        memory, state = tuple(parts[: self.parts]), ArmState(*parts[self.parts : self.parts + 3])
        return memory, state, parts[self.parts + 3 : seen], parts[seen:]
