"""Trials of an ensemble on the torch arm, step by step: the readable reference.

``agents.supervised.fused`` does the same for GRUs on a CPU in one call; tests require equal results.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from agents.supervised.networks import Ensemble, State
from agents.supervised.reaches import Reaches
from agents.supervised.torch_arm import ArmState, TorchArm
from savings_gym.activity.displacement import Displacement
from savings_gym.metrics.channel import ChannelResult, channel_result, velocity_matrix
from savings_gym.perturbations.fields import ChannelField, Field
from savings_gym.task.settings import PROBE_GO


@dataclass(frozen=True)
class Trajectory:
    """What n networks did in m trials of T control steps. The time axis comes before that of trials.

    Attributes:
        hand: (n, T, m, 2) position of the hand at the end of each control step [m].
        velocity: (n, T, m, 2) its velocity there [m/s].
        force: (n, T, m, 6) muscle force at the start of each control step [N].
        excitation: (n, T, m, 6) read-out in each control step, without noise.
        hidden: (n, T, m, units) activity in each control step.
        memory: State after the last control step, from which a further trial may go on: (n, m, units) each,
            the activity first; none if it was not kept.
    """

    hand: torch.Tensor
    velocity: torch.Tensor
    force: torch.Tensor
    excitation: torch.Tensor
    hidden: torch.Tensor
    memory: State = ()

    def path(self, start: torch.Tensor) -> NDArray[np.float64]:
        """Return hand paths as the measures take them, (n, m, T + 1, 2) [m].

        Args:
            start: (n, m, 2) positions at time 0 [m].
        """
        series = torch.cat([start[:, None], self.hand], 1).detach().double().cpu().numpy()
        return np.ascontiguousarray(series.swapaxes(1, 2))


def plain_rollout(
    ensemble: Ensemble,
    arm: TorchArm,
    reaches: Reaches,
    displacement: Displacement | None = None,
    memory: State | None = None,
) -> Trajectory:
    """Simulate all trials of all networks, differentiable with respect to the parameters.

    Args:
        ensemble: n networks.
        arm: The arm that they move.
        reaches: m trials per network.
        displacement: What is added to the hidden state (n, m, units), once; None adds nothing.
        memory: State before the first control step, (n, m, units) each; None is the learned initial state.

    Raises:
        ValueError: If the displacement has another shape, or comes after the end of the trials; or if the arm
            has signal-dependent noise and the reaches were made without, or the other way round.
    """
    _check_signal_noise(arm, reaches)
    n, m = reaches.go_step.shape
    state: ArmState = arm.at_rest(reaches.q0)
    memory = ensemble.initial_state(m) if memory is None else memory
    added = None if displacement is None else added_activity(displacement, ensemble, reaches)
    series: list[tuple[torch.Tensor, ...]] = []
    hands, muscles = [reaches.start], []
    for t in range(reaches.steps):
        length, speed, _ = arm.muscle_state(state.q, state.v)
        force = arm.muscle_force(length, speed, state.activation)
        muscles.append(torch.cat([length, speed], -1))
        inputs = observation(reaches, t, hands, muscles)
        if displacement is not None and added is not None and displacement.step == t:
            memory = (memory[0] + added, *memory[1:])
        memory = ensemble.step(inputs, memory)
        excitation = ensemble.readout(memory[0])
        field = acting_field(reaches, t)
        state = arm.control_step(state, _driven(arm, reaches, t, excitation, muscles), field)
        hand, velocity, _ = arm.hand(state.q, state.v)
        hands.append(hand)
        series.append((hand, velocity, force, excitation, memory[0]))
    hand, velocity, force, excitation, hidden = (
        torch.stack(values, 1) for values in zip(*series, strict=True)
    )
    return Trajectory(hand, velocity, force, excitation, hidden, memory)


def added_activity(displacement: Displacement, ensemble: Ensemble, reaches: Reaches) -> torch.Tensor:
    """Return what a displacement adds to the activity, (n, m, units).

    Raises:
        ValueError: If it has another shape, or comes after the end of the trials.
    """
    if displacement.step >= reaches.steps:
        raise ValueError(
            f"the displacement comes at step {displacement.step}, expected 0 to {reaches.steps - 1}"
        )
    n, m = reaches.go_step.shape
    values = displacement.broadcast(n, m, ensemble.units)
    return torch.tensor(values).to(ensemble.initial)


def _check_signal_noise(arm: TorchArm, reaches: Reaches) -> None:
    share = arm.impairments.signal_noise
    if bool(share) != (reaches.signal_noise is not None):
        drawn = "without" if share else "with"
        raise ValueError(
            f"the arm has signal-dependent noise of {share:g}, but the reaches were made {drawn} it; give "
            f"centre_out, random_reaches or make_reaches signal_noise={share:g}"
        )


def _driven(
    arm: TorchArm, reaches: Reaches, t: int, readout: torch.Tensor, muscles: list[torch.Tensor]
) -> torch.Tensor:
    """Return the excitations (n, m, 6) in control step t: the read-out, its noise and the reflex."""
    command = readout + reaches.excitation_noise[:, t]
    if reaches.signal_noise is not None:
        command = command + readout * reaches.signal_noise[:, t]
    if arm.impairments.spasticity:
        velocity = muscles[max(t - arm.reflex_delay, 0)][..., arm.arm.n_actuators :]
        command = arm.with_reflex(command, velocity)
    return command


def observation(
    reaches: Reaches, t: int, hands: list[torch.Tensor], muscles: list[torch.Tensor]
) -> torch.Tensor:
    """Return what the networks observe in control step t, delayed and noisy.

    The channels (n, m, 17) are those of ``savings_gym.task.observation.MUSCLE_OBSERVATION``.

    Args:
        reaches: The trials.
        t: Control step.
        hands: Hand positions so far, (n, m, 2) each [m].
        muscles: Muscle lengths and velocities so far, (n, m, 12) each.
    """
    timing = reaches.timing
    shown = max(t - timing.vision, 0)
    cursor, felt = reaches.seen(hands[shown], shown), muscles[max(t - timing.proprioception, 0)]
    sensed = torch.cat([cursor, felt], -1)
    cue = (t >= reaches.go_step + timing.cue).to(sensed.dtype)[..., None]
    return torch.cat([sensed + reaches.observation_noise[:, t], reaches.target, cue], -1)


def scored_path(trajectory: Trajectory, reaches: Reaches) -> NDArray[np.float64]:
    """Return the paths that measures score, (n, m, T + 1, 2) [m]: of the hands, or of their cursors."""
    series = torch.cat([reaches.start[:, None], trajectory.hand], 1).detach()
    return np.ascontiguousarray(reaches.scored(series).double().cpu().numpy().swapaxes(1, 2))


def wall_forces(trajectory: Trajectory, reaches: Reaches, walls: ChannelField, field: Field) -> ChannelResult:
    """Return the forces of the hands on the walls of a channel, and the adaptation to a field.

    Args:
        trajectory: n networks in m reaches between the walls.
        reaches: These reaches, with go at the time of probes.
        walls: The channel that they are in.
        field: `CurlField` or `ViscousField` that the networks may have learned.

    Returns:
        Of n * m reaches, in the order of the networks.
    """
    hand, velocity = (
        series.detach().double().cpu().numpy().swapaxes(1, 2).reshape(-1, reaches.steps, 2)
        for series in (trajectory.hand, trajectory.velocity)
    )
    start, target = (at.double().cpu().numpy().reshape(-1, 2) for at in (reaches.start, reaches.target))
    return channel_result(hand, velocity, start, target, velocity_matrix(field), walls, PROBE_GO)


def acting_field(reaches: Reaches, t: int) -> tuple[torch.Tensor, ...]:
    """Return the field B, K, x0, c that acts in control step t, see ``combined_field``."""
    b, k, x0, c = combined_field(reaches.fields, reaches.begun(t))
    if reaches.timed is None:
        return b, k, x0, c
    more = reaches.timed[:, t]
    return b + more[..., :4].reshape(b.shape), k + more[..., 4:8].reshape(k.shape), x0, c + more[..., 8:]


def combined_field(
    fields: tuple[tuple[torch.Tensor, ...], ...], begun: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """Return the field B, K, x0, c that acts: the first of the fields, and each later one that has begun.

    All springs become one about the origin: K x0 joins c.

    Args:
        fields: B, K, x0 and c by onset, see ``Reaches``.
        begun: (n, m) booleans for every onset after the first.
    """
    (b, k, x0, c), *later = fields
    pull = (k * x0[..., None, :]).sum(-1) + c
    for (damping, spring, anchor, constant), on in zip(later, begun, strict=True):
        acts = on.to(damping.dtype)
        b = b + acts[..., None, None] * damping
        k = k + acts[..., None, None] * spring
        pull = pull + acts[..., None] * ((spring * anchor[..., None, :]).sum(-1) + constant)
    return b, k, torch.zeros_like(x0), pull
