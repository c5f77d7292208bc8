"""Networks whose activity moves a cursor through a linear decoder, differentiable: `BCIReach-v0` in torch.

The plant is that of `savings_gym.bci.task`, and batches are as for the arm (`agents.supervised.reaches`):
probes are the 8 centre-out reaches with go at 0.44 s, training batches leave half of the trials without go.
Before there is a decoder, networks move the cursor through a read-out of their own, which they learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from agents.supervised.learner import ADAPTATION, Learning, clip_per_network, make_optimiser
from agents.supervised.losses import total_loss
from agents.supervised.networks import CELLS, Ensemble, State, check_cell
from agents.supervised.reaches import TRAINING_GO, training_go
from savings_gym.bci.decoder import SMOOTHING, Decoder
from savings_gym.bci.settings import CHANNELS
from savings_gym.bci.trials import START
from savings_gym.task.settings import (
    CATCH_FRACTION,
    CONTROL_STEP,
    N_TARGETS,
    PROBE_GO,
    TRIAL_STEPS,
    Delays,
    Noise,
    whole_steps,
)
from savings_gym.task.trials import REACH

PLANE: Final = 2


@dataclass(frozen=True)
class Plant:
    """The decoders of n networks: v_t = A v_(t−1) + K u_t + b.

    Attributes:
        weights: (n, 2, units) K [m/s].
        decay: (n, 2, 2) A.
        constant: (n, 2) b [m/s].
    """

    weights: torch.Tensor
    decay: torch.Tensor
    constant: torch.Tensor


def decoded(decoders: Sequence[Decoder], like: torch.Tensor) -> Plant:
    """Return the plant of one decoder per network, with the device and type of a tensor."""
    parts = zip(*((each.matrix, each.decay, each.constant) for each in decoders), strict=True)
    return Plant(*(torch.as_tensor(np.stack(part)).to(like) for part in parts))


def own_readout(ensemble: Ensemble, smoothing: float = SMOOTHING) -> Plant:
    """Return the plant in which the read-out of each network is its decoder, and learns with it."""
    weights = (1.0 - smoothing) * ensemble.readout_weight
    still = torch.zeros_like(ensemble.readout_bias)
    decay = smoothing * torch.eye(PLANE, dtype=still.dtype, device=still.device)
    return Plant(weights, decay.expand(ensemble.networks, -1, -1), still)


def cursor_ensemble(cell: str, networks: int, units: int, *, seed: int) -> Ensemble:
    """Return networks that see a cursor, its target and the cue, with a read-out of two velocities.

    Raises:
        ValueError: If the cell is unknown.
    """
    check_cell(cell)
    return CELLS[cell](networks, units, seed=seed, inputs=CHANNELS, outputs=PLANE)


@dataclass(frozen=True)
class CursorReaches:
    """Trials of n networks, m each, of T control steps.

    Attributes:
        target: (n, m, 2) target position [m].
        go_step: (n, m) control step of go; ``NO_GO`` in catch trials.
        vision_noise: (n, T, m, 2) noise on the cursor as it is seen [m].
        activity_noise: (n, T, m, units) noise on the activity that is decoded.
        vision: Delay of the cursor, in control steps.
        cue: Delay of the go cue, in control steps.
    """

    target: torch.Tensor
    go_step: torch.Tensor
    vision_noise: torch.Tensor
    activity_noise: torch.Tensor
    vision: int
    cue: int

    @property
    def steps(self) -> int:
        """Control steps of a trial."""
        return self.vision_noise.shape[1]

    def goal(self) -> torch.Tensor:
        """Return where the cursor should be at the end of each control step, (n, T, m, 2) [m]."""
        time = torch.arange(1, self.steps + 1, device=self.go_step.device)[None, :, None]
        cued = time >= self.go_step[:, None] + self.cue
        target = self.target[:, None]
        return torch.where(cued[..., None], target, torch.tensor(START).to(target))


def cursor_targets() -> NDArray[np.float64]:
    """Return the centre-out targets, (8, 2) [m]."""
    angle = 2 * np.pi / N_TARGETS * np.arange(N_TARGETS)
    return START + REACH * np.stack([np.cos(angle), np.sin(angle)], -1)


def cursor_reaches(
    ensemble: Ensemble,
    rng: np.random.Generator,
    *,
    probe: bool,
    copies: int = 1,
    catch_fraction: float = CATCH_FRACTION,
    go_time: tuple[float, float] = TRAINING_GO,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
) -> CursorReaches:
    """Return the 8 centre-out reaches, once for each network: a probe, or a training batch.

    Args:
        ensemble: The networks.
        rng: Generator of go times and noise.
        probe: Whether go always comes at 0.44 s; else it is that of training, with catch trials.
        copies: Of the networks, in turn: network i and network i + n / copies get the same trials.
        catch_fraction: Share of a training batch without go.
        go_time: First and last time of go in a training batch [s].
        noise: Its `excitation` is that of the activity.
        delays: Of the cursor and the cue.

    Raises:
        ValueError: If the networks are not a multiple of the copies.
    """
    n, left = divmod(ensemble.networks, copies)
    if left:
        raise ValueError(f"{ensemble.networks} networks are not {copies} copies of fewer")
    if probe:
        go = np.full((n, N_TARGETS), round(PROBE_GO / CONTROL_STEP))
    else:
        go = training_go(rng, n, N_TARGETS, catch_fraction, go_time)

    def noisy(width: int, sd: float) -> torch.Tensor:
        drawn = sd * rng.standard_normal((n, TRIAL_STEPS, N_TARGETS, width), dtype=np.float32)
        return torch.as_tensor(np.tile(drawn, (copies, 1, 1, 1))).to(ensemble.initial)

    target = torch.as_tensor(cursor_targets()).to(ensemble.initial)
    return CursorReaches(
        target=target.expand(ensemble.networks, -1, -1),
        go_step=torch.as_tensor(np.tile(go, (copies, 1)), device=ensemble.initial.device),
        vision_noise=noisy(PLANE, noise.vision),
        activity_noise=noisy(ensemble.units, noise.excitation),
        vision=whole_steps("vision delay", delays.vision),
        cue=whole_steps("cue delay", delays.cue_delay),
    )


@dataclass(frozen=True)
class CursorTrajectory:
    """What n networks did in m trials of T control steps.

    Attributes:
        cursor: (n, T, m, 2) position at the end of each control step [m].
        velocity: (n, T, m, 2) its velocity there [m/s].
        hidden: (n, T, m, units) activity in each control step, without noise.
    """

    cursor: torch.Tensor
    velocity: torch.Tensor
    hidden: torch.Tensor

    def path(self) -> NDArray[np.float64]:
        """Return cursor paths as the measures take them, (n, m, T + 1, 2) [m]."""
        path = self.cursor.detach().double().cpu().numpy().swapaxes(1, 2)
        start = np.broadcast_to(np.array(START), (*path.shape[:2], 1, PLANE))
        return np.concatenate([start, path], axis=2)


def cursor_rollout(ensemble: Ensemble, reaches: CursorReaches, plant: Plant) -> CursorTrajectory:
    """Simulate all trials of all networks, differentiable with respect to the parameters.

    Args:
        ensemble: n networks.
        reaches: m trials per network.
        plant: The decoders of the networks.
    """
    memory: State = ensemble.initial_state(reaches.go_step.shape[1])
    cursor = torch.zeros_like(reaches.target) + torch.tensor(START).to(reaches.target)
    velocity, cursors = torch.zeros_like(cursor), [cursor]
    series: list[tuple[torch.Tensor, ...]] = []
    for t in range(reaches.steps):
        seen = cursors[max(t - reaches.vision, 0)] + reaches.vision_noise[:, t]
        cue = (t >= reaches.go_step + reaches.cue).to(seen.dtype)[..., None]
        memory = ensemble.step(torch.cat([seen, reaches.target, cue], -1), memory)
        activity = (memory[0] + reaches.activity_noise[:, t]).clamp(-1.0, 1.0)
        velocity = velocity @ plant.decay.mT + activity @ plant.weights.mT + plant.constant[:, None]
        cursor = cursor + CONTROL_STEP * velocity
        cursors.append(cursor)
        series.append((cursor, velocity, memory[0]))
    return CursorTrajectory(*(torch.stack(values, 1) for values in zip(*series, strict=True)))


def cursor_loss_terms(trajectory: CursorTrajectory, reaches: CursorReaches) -> dict[str, torch.Tensor]:
    """Return the unweighted loss terms of every network, (n,) each: those of the arm that a cursor has.

    See `agents.supervised.losses.loss_terms`; the cursor takes the place of the hand.
    """
    jerk = trajectory.velocity.diff(n=2, dim=1)
    return {
        "position": (trajectory.cursor - reaches.goal()).abs().sum(-1).mean((1, 2)),
        "jerk": jerk.square().sum(-1).mean((1, 2)),
        "activity": trajectory.hidden.square().mean((1, 2, 3)),
        "activity_change": trajectory.hidden.diff(dim=1).square().mean((1, 2, 3)),
    }


class CursorLearner:
    """An ensemble that learns to move its cursor, by backpropagation through time.

    Args:
        ensemble: The networks; their frozen parameters stay fixed.
        learning: How they learn.

    Raises:
        ValueError: If every parameter is frozen, or the learning has a local rule.
    """

    def __init__(self, ensemble: Ensemble, learning: Learning = ADAPTATION) -> None:
        """Create the optimiser."""
        if learning.rule != "bptt":
            raise ValueError(f"cursors are learned by bptt only, got the rule {learning.rule!r}")
        self.ensemble, self.learning = ensemble, learning
        self.plastic = [parameter for parameter in ensemble.parameters() if parameter.requires_grad]
        if not self.plastic:
            raise ValueError("every parameter is frozen: nothing can learn")
        self.optimiser = make_optimiser(learning, self.plastic)

    def update(self, reaches: CursorReaches, plant: Plant | None = None) -> dict[str, torch.Tensor]:
        """Update every network once; return loss terms and total before the update, (n,) each.

        Args:
            reaches: The trials.
            plant: The decoders; None is the networks' own read-out.

        Raises:
            FloatingPointError: If the gradient of a network is not finite; nothing is changed then.
        """
        self.optimiser.zero_grad(set_to_none=True)
        terms = cursor_loss_terms(self._run(reaches, plant), reaches)
        total = total_loss(terms, self.learning.weights)
        total.sum().backward()
        norms = clip_per_network(self.plastic, self.learning.clip)
        if not bool(torch.isfinite(norms).all()):
            bad = torch.nonzero(~torch.isfinite(norms)).flatten().tolist()
            raise FloatingPointError(f"the gradient of network(s) {bad} is not finite")
        self.optimiser.step()
        for group in self.optimiser.param_groups:
            group["lr"] *= self.learning.decay
        return {name: value.detach() for name, value in terms.items()} | {"total": total.detach()}

    @torch.no_grad()
    def probe(self, reaches: CursorReaches, plant: Plant | None = None) -> CursorTrajectory:
        """Return what the networks do, without learning; arguments as in `update`."""
        return self._run(reaches, plant)

    def _run(self, reaches: CursorReaches, plant: Plant | None) -> CursorTrajectory:
        return cursor_rollout(self.ensemble, reaches, own_readout(self.ensemble) if plant is None else plant)
