"""Batches of reaches for an ensemble: what differs between trials, as tensors (networks, trials, ...).

The protocol is that of the study (eLife 107423): probes are the 8 centre-out reaches with go at 0.44 s and no
catch trials; training batches draw go uniformly from 0.10 to 0.30 s and leave exactly half of each batch
without go. By default, hand and cue are seen 70 ms late, and fields act from go on, as in the environments.
The study's code ran a little differently: with `STUDY_DELAYS`, `STUDY_TRAINING_GO` and a field that sets on
with the cue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savings_gym.arm.model import Arm, load_arm
from savings_gym.perturbations.fields import Field
from savings_gym.perturbations.trials import TrialPerturbations, resolve_perturbations
from savings_gym.perturbations.visual_maps import seen_hand
from savings_gym.task.observation import MUSCLE_OBSERVATION
from savings_gym.task.settings import (
    CATCH_FRACTION,
    CONTROL_STEP,
    GO_TIMES,
    N_TARGETS,
    PROBE_GO,
    TRIAL_STEPS,
    Delays,
    Noise,
    go_steps,
    whole_steps,
)
from savings_gym.task.trials import NO_GO, REACH

TRAINING_GO = GO_TIMES  # s, of training trials
# The study's code as it ran: the hand is seen a step less late than the cue, and go in steps 11 to 30.
STUDY_DELAYS = Delays(vision=0.06, proprioception=0.02, cue=0.07)
STUDY_TRAINING_GO = (0.11, 0.30)  # s


@dataclass(frozen=True)
class Timing:
    """Delays of the observation, in control steps."""

    vision: int = 7
    proprioception: int = 2
    cue: int = 7

    @classmethod
    def of(cls, delays: Delays) -> Timing:
        """Return the timing for delays in seconds."""
        return cls(
            whole_steps("vision delay", delays.vision),
            whole_steps("proprioception delay", delays.proprioception),
            whole_steps("cue delay", delays.cue_delay),
        )


@dataclass(frozen=True)
class Reaches:
    """Trials of an ensemble, as tensors on one device: n networks, m trials, T control steps.

    Attributes:
        q0: (n, m, 2) joint angles at the start, where the arm is at rest [rad].
        start: (n, m, 2) hand position at the start [m].
        target: (n, m, 2) target position [m].
        go_step: (n, m) control step of go; ``NO_GO`` in catch trials.
        fields: Fields by onset, those of the start, of go and of the cue: B (n, m, 2, 2), K (n, m, 2, 2), x0
            (n, m, 2) and c (n, m, 2) each, of the force B v + K (x0 - x) + c on the hand.
        observation_noise: (n, T, m, 14) noise on hand position, muscle lengths and velocities.
        excitation_noise: (n, T, m, 6) noise on excitations.
        timing: Delays of the observation.
        timed: (n, T, m, 10) B, K and c, row by row, of the force B v - K x + c of fields with a time course,
            in every control step and in addition to ``fields``; None if there is no such field.
        views: (n, T + 1, m, 10) where the hand is seen at the start of every control step and at the end, see
            ``savings_gym.perturbations.visual_maps.seen_hand``; None if it is always seen where it is.
        cursor_scored: (n, m) whether what is seen is scored; None if it is the hand in all trials.
        signal_noise: (n, T, m, 6) noise on excitations in addition, as shares of them; None if there is none.
    """

    q0: torch.Tensor
    start: torch.Tensor
    target: torch.Tensor
    go_step: torch.Tensor
    fields: tuple[tuple[torch.Tensor, ...], ...]
    observation_noise: torch.Tensor
    excitation_noise: torch.Tensor
    timing: Timing
    timed: torch.Tensor | None = None
    views: torch.Tensor | None = None
    cursor_scored: torch.Tensor | None = None
    signal_noise: torch.Tensor | None = None

    @property
    def steps(self) -> int:
        """Control steps of a trial."""
        return self.observation_noise.shape[1]

    def begun(self, t: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return whether fields with onset at go, and at the cue, act in control step t, (n, m) each."""
        return t >= self.go_step, t >= self.go_step + self.timing.cue

    def seen(self, hand: torch.Tensor, t: int) -> torch.Tensor:
        """Return where hands (n, m, 2) are seen at the start of control step t, (n, m, 2) [m]."""
        return hand if self.views is None else _seen(self.views[:, t], hand)

    def scored(self, hand: torch.Tensor) -> torch.Tensor:
        """Return what is scored of hands (n, k, m, 2) at the last k times, they or their cursors [m]."""
        if self.views is None or self.cursor_scored is None:
            return hand
        cursor = _seen(self.views[:, -hand.shape[1] :], hand)
        return torch.where(self.cursor_scored[:, None, :, None], cursor, hand)

    def goal(self) -> torch.Tensor:
        """Return where the hand, or its cursor, should be at the end of each step, (n, T, m, 2) [m].

        It is the start until the go cue reaches the network, and the target from then on.
        """
        time = torch.arange(1, self.steps + 1, device=self.go_step.device)[None, :, None]
        cued = time >= self.go_step[:, None] + self.timing.cue
        return torch.where(cued[..., None], self.target[:, None], self.start[:, None])


def _seen(views: torch.Tensor, hand: torch.Tensor) -> torch.Tensor:
    """Return where hands (..., 2) are seen, given views (..., 10)."""
    return torch.stack(seen_hand(views.unbind(-1), hand[..., 0], hand[..., 1]), -1)


def _noise(
    rng: np.random.Generator, sd: NDArray[np.float64] | float, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    return rng.standard_normal(shape, dtype=np.float32) * np.asarray(sd, dtype=np.float32)


def make_reaches(
    q0: NDArray[np.float64],
    target: NDArray[np.float64],
    go_step: NDArray[np.int64],
    field: Field | Sequence[Field],
    rng: np.random.Generator,
    *,
    noise: Noise,
    delays: Delays,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    arm: Arm | None = None,
    signal_noise: float = 0.0,
) -> Reaches:
    """Return reaches of n networks in m trials each.

    Args:
        q0: (n, m, 2) joint angles at the start [rad].
        target: (n, m, 2) target positions [m].
        go_step: (n, m) control steps of go.
        field: Field, or visual perturbation, of all trials, or one for each, n * m in the order of the
            networks.
        rng: Generator of the noise.
        noise: Standard deviations of the noise.
        delays: Delays of the observation.
        device: Device of the tensors.
        dtype: Their floating-point type.
        arm: The arm; the standard one by default.
        signal_noise: Standard deviation of noise on excitations, as a share of them, see ``Impairments``.
    """
    arm = arm or load_arm("muscle")
    n, m = go_step.shape
    start = arm.hand_position(q0)
    timing = Timing.of(delays)
    begins = np.stack([np.zeros_like(go_step), go_step, go_step + timing.cue]).reshape(3, -1)
    perturbations = resolve_perturbations(
        field, start.reshape(-1, 2), target.reshape(-1, 2), begins, TRIAL_STEPS, CONTROL_STEP
    )
    sensor_sd = MUSCLE_OBSERVATION.sensor_noise(noise.vision, noise.proprioception)

    def tensor(array: Any) -> torch.Tensor:
        return torch.as_tensor(np.array(array, order="C")).to(device=device, dtype=dtype)

    fields = tuple(
        tuple(tensor(part.reshape(n, m, *part.shape[1:])) for part in (slot.B, slot.K, slot.x0, slot.c))
        for slot in perturbations.lasting
    )
    timed, views = _by_step(perturbations, (n, m))
    return Reaches(
        q0=tensor(q0),
        start=tensor(start),
        target=tensor(target),
        go_step=torch.as_tensor(go_step, device=device),
        fields=fields,
        observation_noise=tensor(_noise(rng, sensor_sd, (n, TRIAL_STEPS, m, len(sensor_sd)))),
        excitation_noise=tensor(_noise(rng, noise.excitation, (n, TRIAL_STEPS, m, arm.n_actuators))),
        timing=timing,
        timed=None if timed is None else tensor(timed),
        views=None if views is None else tensor(views),
        cursor_scored=(
            torch.as_tensor(perturbations.cursor_scored.reshape(n, m), device=device)
            if perturbations.cursor_scored.any()
            else None
        ),
        signal_noise=(
            tensor(_noise(rng, signal_noise, (n, TRIAL_STEPS, m, arm.n_actuators))) if signal_noise else None
        ),
    )


def _by_step(
    perturbations: TrialPerturbations, shape: tuple[int, int]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return timed fields and views of n networks in m trials, as in `Reaches`."""
    timed, views = None, perturbations.views
    for fields, shares in perturbations.timed:
        pull = (fields.K * fields.x0[:, None, :]).sum(-1) + fields.c
        force = np.concatenate([fields.B.reshape(-1, 4), fields.K.reshape(-1, 4), pull], 1)
        timed = shares[..., None] * force + (0.0 if timed is None else timed)  # (T, n m, 10)
    return _by_network(timed, shape), _by_network(views, shape)


def _by_network(series: NDArray[np.float64] | None, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return a series (T, n m, k) as (n, T, m, k)."""
    return None if series is None else series.reshape(len(series), *shape, -1).swapaxes(0, 1)


def training_go(
    rng: np.random.Generator, n: int, m: int, catch_fraction: float, go_time: tuple[float, float]
) -> NDArray[np.int64]:
    """Draw go steps (n, m); exactly the catch fraction of each network's batch, rounded, is without go."""
    first, last = go_steps(go_time)
    go = rng.integers(first, last + 1, (n, m))
    order = rng.permuted(np.tile(np.arange(m), (n, 1)), axis=1)
    return np.where(order < round(catch_fraction * m), NO_GO, go)


def centre_out_targets(
    arm: Arm | None = None, reach: float = REACH, turn: float = 0.0
) -> NDArray[np.float64]:
    """Return the centre-out targets, every 45 degrees from 0, around the start of the arm: (8, 2) [m].

    Args:
        arm: The arm; the standard one by default.
        reach: Distance from the start [m].
        turn: Angle by which all targets are turned counterclockwise [rad].
    """
    arm = arm or load_arm("muscle")
    angle = 2 * np.pi / N_TARGETS * np.arange(N_TARGETS) + turn
    return arm.hand_position(arm.start) + reach * np.stack([np.cos(angle), np.sin(angle)], -1)


def centre_out(
    n: int,
    field: Field | Sequence[Field],
    rng: np.random.Generator,
    *,
    probe: bool,
    catch_fraction: float = CATCH_FRACTION,
    go_time: tuple[float, float] = TRAINING_GO,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    targets: NDArray[np.float64] | None = None,
    arm: Arm | None = None,
    signal_noise: float = 0.0,
) -> Reaches:
    """Return the 8 centre-out reaches, once for each of n networks: a probe, or a training batch.

    Args:
        n: Number of networks.
        field: Field of all trials, or one for each, 8 n in the order of the networks.
        rng: Generator of go times and noise.
        probe: Whether go always comes at 0.44 s; else it is that of training, with catch trials.
        catch_fraction: Share of a training batch without go.
        go_time: First and last time of go in a training batch [s].
        noise: Standard deviations of the noise.
        delays: Delays of the observation.
        device: Device of the tensors.
        dtype: Their floating-point type.
        targets: (8, 2) other targets [m]; the random numbers are the same.
        arm: The arm; the standard one by default.
        signal_noise: Standard deviation of noise on excitations, as a share of them, see ``Impairments``.
    """
    arm = arm or load_arm("muscle")
    target = np.broadcast_to(centre_out_targets(arm) if targets is None else targets, (n, N_TARGETS, 2))
    q0 = np.broadcast_to(arm.start, (n, N_TARGETS, 2))
    if probe:
        go = np.full((n, N_TARGETS), round(PROBE_GO / CONTROL_STEP))
    else:
        go = training_go(rng, n, N_TARGETS, catch_fraction, go_time)
    return make_reaches(
        q0, target, go, field, rng,
        noise=noise, delays=delays, device=device, dtype=dtype, arm=arm, signal_noise=signal_noise,
    )  # fmt: skip


def random_reaches(
    n: int,
    m: int,
    field: Field,
    rng: np.random.Generator,
    *,
    probe: bool = False,
    catch_fraction: float = CATCH_FRACTION,
    go_time: tuple[float, float] = TRAINING_GO,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    arm: Arm | None = None,
    signal_noise: float = 0.0,
) -> Reaches:
    """Return m reaches from anywhere to anywhere for each of n networks: a training batch, or a probe.

    Start and target are uniform in joint space, as in pre-training.
    Half of these starts (80 of the elbow's 155 degrees) lie outside elbow angles of 45 to 120 degrees.
    Within, the moment arms of our muscles are those of the study to 2 mm (elbow flexors) or 0.1 mm
    (extensors); outside, they differ by up to 29 mm.

    Args:
        n: Number of networks.
        m: Trials of each network.
        field: Field of all trials.
        rng: Generator of reaches, go times and noise.
        probe: Whether all networks make the same reaches, which do not depend on n, with go at 0.44 s; else
            each makes its own, with go as in training, and catch trials.
        catch_fraction: Share of a training batch without go.
        go_time: First and last time of go in a training batch [s].
        noise: Standard deviations of the noise.
        delays: Delays of the observation.
        device: Device of the tensors.
        dtype: Their floating-point type.
        arm: The arm; the standard one by default.
        signal_noise: Standard deviation of noise on excitations, as a share of them, see ``Impairments``.
    """
    arm = arm or load_arm("muscle")
    low, high = arm.joint_range.T
    if probe:
        q = np.broadcast_to(rng.uniform(low, high, (2, 1, m, 2)), (2, n, m, 2))
        go = np.full((n, m), round(PROBE_GO / CONTROL_STEP))
    else:
        q = rng.uniform(low, high, (2, n, m, 2))
        go = training_go(rng, n, m, catch_fraction, go_time)
    return make_reaches(
        q[0], arm.hand_position(q[1]), go, field, rng,
        noise=noise, delays=delays, device=device, dtype=dtype, arm=arm, signal_noise=signal_noise,
    )  # fmt: skip
