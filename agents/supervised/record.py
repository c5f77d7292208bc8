"""Activity of ensembles in probes, at any point of their training, as data.

    dataset = record({"NF1": before, "FF1": after}, CurlField(8.0), seed=0)
    hidden = by_phase(dataset)          # phase to (network, target, time, unit)

The probes run on the torch arm; ``record_in_mujoco`` runs them in the environment. Other policies, such as
those of recurrent PPO, are recorded by ``savings_gym.probes.probe.Probe``:

    probe = Probe(env.settings)
    dataset = activity_dataset({"NF1": [probe(model, record=True).activity for model in models]})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.supervised.learner import make_rollout
from agents.supervised.networks import Ensemble
from agents.supervised.policy import NetworkPolicy
from agents.supervised.reaches import Reaches, centre_out
from agents.supervised.rollout import Trajectory, acting_field
from agents.supervised.torch_arm import TorchArm
from savings_gym.activity.displacement import Displacement
from savings_gym.activity.recording import Recording, activity_dataset, hand_force, muscle_torque
from savings_gym.arm.changes import ArmLike
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arrays import as_seed
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.probes.probe import Probe
from savings_gym.task.settings import N_TARGETS, Delays, Noise, task_settings

if TYPE_CHECKING:
    import xarray as xr


RECORDED_STREAM = 3  # second key of the generator of noise in recorded probes
NEARLY_STRAIGHT = 0.1  # rad, of the elbow


def record(
    ensembles: Mapping[str, Ensemble],
    field: Field = NullField(),  # noqa: B008, frozen
    *,
    seed: int = 0,
    displacement: Displacement | None = None,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    rollout: str = "auto",
    actuation: str = "muscle",
    arm: ArmLike = None,
) -> xr.Dataset:
    """Record ensembles in the 8 centre-out reaches of a probe, see ``savings_gym.activity.recording``.

    Args:
        ensembles: Networks at several points of training, by phase; all of one size and number.
        field: Field of all probes.
        seed: Seed of the probes' noise, which is the same in every phase, with and without a displacement.
        displacement: What is added to activity in all phases, by broadcasting to (networks, 8, units).
        noise: Noise of the probes.
        delays: Delays of the probes.
        rollout: As in ``SupervisedLearner``.
        actuation: Actuation of the arm, ``"muscle"`` or ``"motor"``.
        arm: Changes of the arm, or an MJCF file, see ``savings_gym.arm.changes``.

    Raises:
        ValueError: If there is no ensemble, they differ in size or number, or the displacement does not fit.
    """
    _check(ensembles, seed, displacement)
    recordings = {}
    with torch.no_grad():
        for phase, ensemble in ensembles.items():
            like = ensemble.initial
            rng = np.random.default_rng((seed, RECORDED_STREAM))
            reaches = centre_out(
                ensemble.networks, field, rng, probe=True, noise=noise, delays=delays,
                device=like.device, dtype=like.dtype, arm=load_arm(actuation, arm),
            )  # fmt: skip
            torch_arm = TorchArm(like.device, like.dtype, actuation, arm)
            run = make_rollout(ensemble, torch_arm, rollout)
            trajectory = run(ensemble, reaches, displacement=displacement)
            recordings[phase] = as_recording(trajectory, reaches, torch_arm)
    return activity_dataset(
        recordings, field=field, displacement=displacement, seed=seed, noise=noise, delays=delays
    )


def record_in_mujoco(
    ensembles: Mapping[str, Ensemble],
    field: Field = NullField(),  # noqa: B008, frozen
    *,
    seed: int = 0,
    displacement: Displacement | None = None,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    actuation: str = "muscle",
    arm: ArmLike = None,
) -> xr.Dataset:
    """Record like ``record``, but on MuJoCo's arm: equal to rounding without noise, and with other noise.

    The noise is that of probe 0 of ``savings_gym.probes.probe.Probe(settings, seed)``, the same for every
    network.
    """
    _check(ensembles, seed, displacement)
    probe = Probe(task_settings(noise=noise, delays=delays, actuation=actuation, arm=arm), seed)
    recordings: dict[str, list[Recording]] = {phase: [] for phase in ensembles}
    for phase, ensemble in ensembles.items():
        for i in range(ensemble.networks):
            own = displacement
            if displacement is not None:
                vectors = displacement.broadcast(ensemble.networks, N_TARGETS, ensemble.units)
                own = Displacement(displacement.step, vectors[i])
            result = probe(NetworkPolicy(ensemble, i), field, number=0, record=True, displacement=own)
            assert result.activity is not None
            recordings[phase].append(result.activity)
    probe.close()
    return activity_dataset(
        recordings, field=field, displacement=displacement, seed=seed, noise=noise, delays=delays
    )


def as_recording(trajectory: Trajectory, reaches: Reaches, arm: TorchArm) -> Recording:
    """Return the trajectory of a probe, or of any trials, as a recording of n networks."""
    hand = trajectory.path(reaches.start)
    velocity, force = _by_trial(trajectory.velocity), _by_trial(trajectory.force)
    q = _joint_angles(arm.arm, hand[:, :, :-1])
    if q[..., 1].min() < NEARLY_STRAIGHT:
        q = _by_trial(_simulated_joint_angles(trajectory, reaches, arm)).astype(np.float64)
    return Recording(
        hidden=_by_trial(trajectory.hidden),
        excitation=_by_trial(trajectory.excitation),
        muscle_force=force,
        hand_force=hand_force(q, muscle_torque(q, force, arm.arm), arm.arm),
        hand=hand,
        velocity=np.concatenate([np.zeros_like(velocity[:, :, :1]), velocity], 2),  # at rest first
    )


def _joint_angles(arm: Arm, hand: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return joint angles [rad] at hand positions [m], (..., 2), with the elbow flexed.

    Rounding may put a hand beyond a straight arm; it is drawn back to the arm's length.
    """
    extension = np.linalg.norm(hand, axis=-1, keepdims=True) / arm.link_lengths.sum()
    return arm.inverse_kinematics(hand / np.maximum(extension * (1.0 + 1e-12), 1.0))


def _simulated_joint_angles(trajectory: Trajectory, reaches: Reaches, arm: TorchArm) -> torch.Tensor:
    """Simulate the trials again; return joint angles at the start of the control steps, (n, T, m, 2) [rad].

    Meant for arms that become straight or overextended, where the hand does not reveal how the elbow is bent.
    """
    state, angles = arm.at_rest(reaches.q0), []
    for t in range(reaches.steps):
        angles.append(state.q)
        field = acting_field(reaches, t)
        excitation = trajectory.excitation[:, t] + reaches.excitation_noise[:, t]
        state = arm.control_step(state, excitation, field)
    return torch.stack(angles, 1)


def _numpy(values: torch.Tensor) -> NDArray[Any]:
    return values.detach().cpu().numpy()


def _by_trial(series: torch.Tensor) -> NDArray[Any]:
    """Return a series (n, T, m, k) as (n, m, T, k)."""
    return _numpy(series).swapaxes(1, 2)


def _check(ensembles: Mapping[str, Ensemble], seed: int, displacement: Displacement | None) -> None:
    if not ensembles:
        raise ValueError("record needs the ensemble of at least one phase, got none")
    as_seed("seed", seed)
    sizes = {phase: (ensemble.networks, ensemble.units) for phase, ensemble in ensembles.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{phase}: {n} networks of {units} units" for phase, (n, units) in sizes.items())
        raise ValueError(f"phases must have the same numbers of networks and units, got {listed}")
    if displacement is not None:
        networks, units = next(iter(sizes.values()))
        displacement.broadcast(networks, N_TARGETS, units)
