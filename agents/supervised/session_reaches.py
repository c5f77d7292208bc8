"""Sessions for an ensemble: trials one after the other, in fields that are drawn for each session.

A session is what ``savings_gym.task.session`` declares and ``ReachSession-v0`` plays. Here n networks go
through m sessions each, side by side: trial k of all of them is one batch, and
``agents.supervised.learner.run_sessions`` carries memory from batch to batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from agents.supervised.reaches import TRAINING_GO, Reaches, centre_out_targets, make_reaches
from savings_gym.arm.model import Arm, load_arm
from savings_gym.task.schedule import Schedule
from savings_gym.task.session import Session
from savings_gym.task.settings import (
    CATCH_FRACTION,
    CONTROL_STEP,
    N_TARGETS,
    PROBE_GO,
    Delays,
    Noise,
    go_steps,
)
from savings_gym.task.trials import NO_GO


@dataclass(frozen=True, eq=False)
class SessionReaches:
    """Sessions of n networks, m each, of k trials.

    Attributes:
        trials: k batches (n, m): trial 0 of all sessions, trial 1, ...
        target: (k, n, m) index of the target.
        block: (k, n, m) index of the block.
        in_block: (k, n, m) number of the trial in its block.
        pair: (n, m) index of the pair of fields that was drawn.
    """

    trials: tuple[Reaches, ...]
    target: NDArray[np.int64]
    block: NDArray[np.int64]
    in_block: NDArray[np.int64]
    pair: NDArray[np.int64]


def training_sessions(
    n: int,
    m: int,
    session: Session,
    rng: np.random.Generator,
    *,
    catch_fraction: float = CATCH_FRACTION,
    go_time: tuple[float, float] = TRAINING_GO,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    arm: Arm | None = None,
) -> SessionReaches:
    """Return m sessions for each of n networks, each with fields, block lengths and targets of its own.

    All of them end after the smallest number of trials that the session may have, so blocks of variable
    length are cut at the end. Targets come in blocks of all eight, in random order.

    Args:
        n: Number of networks.
        m: Sessions of each network.
        session: What is drawn.
        rng: Generator of everything.
        catch_fraction: Probability of a trial without go, where a block does not say otherwise.
        go_time: First and last time of go [s].
        noise: Standard deviations of the noise.
        delays: Delays of the observation.
        device: Device of the tensors.
        dtype: Their floating-point type.
        arm: The arm; the standard one by default.
    """
    drawn = [session.draw(rng) for _ in range(n * m)]
    count = session.trials[0]
    orders = [np.concatenate(list(_target_blocks(rng, count)))[:count] for _ in drawn]
    target = np.stack(orders, -1).reshape(count, n, m)
    go = _drawn_go(rng, drawn, count, catch_fraction, go_time).reshape(target.shape)
    return _sessions(
        drawn, target, go, rng,
        noise=noise, delays=delays, device=device, dtype=dtype, arm=arm,
    )  # fmt: skip


def probed_session(
    n: int,
    session: Session,
    rng: np.random.Generator,
    *,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    arm: Arm | None = None,
) -> SessionReaches:
    """Return one session, in trials as of a probe, for n networks: go at 0.44 s, none without go.

    Each network goes through it eight times, side by side, with another target first, so that every trial of
    the session is measured on all eight targets, as in ``savings_gym.probes.sessions.run_sessions``.

    Args:
        n: Number of networks.
        session: What is drawn, once.
        rng: Generator of everything.
        noise: Standard deviations of the noise.
        delays: Delays of the observation.
        device: Device of the tensors.
        dtype: Their floating-point type.
        arm: The arm; the standard one by default.
    """
    drawn = session.draw(rng)
    count = drawn[1].trials
    order = np.concatenate(list(_target_blocks(rng, count)))[:count]
    turned = (order[:, None] + np.arange(N_TARGETS)) % N_TARGETS
    target = np.broadcast_to(turned[:, None], (count, n, N_TARGETS))
    go = np.full((count, n, N_TARGETS), round(PROBE_GO / CONTROL_STEP))
    return _sessions(
        [drawn] * (n * N_TARGETS), target, go, rng,
        noise=noise, delays=delays, device=device, dtype=dtype, arm=arm,
    )  # fmt: skip


def _target_blocks(rng: np.random.Generator, trials: int) -> Iterator[NDArray[np.int64]]:
    """Yield targets in blocks of all eight, for at least so many trials."""
    for _ in range(-(-trials // N_TARGETS)):
        yield rng.permutation(N_TARGETS)


def _drawn_go(
    rng: np.random.Generator,
    drawn: list[tuple[int, Schedule]],
    trials: int,
    catch_fraction: float,
    go_time: tuple[float, float],
) -> NDArray[np.int64]:
    """Draw control steps of go for the trials of sessions, (trials, sessions)."""
    first, last = go_steps(go_time)
    go = rng.integers(first, last + 1, (trials, len(drawn)))
    declared = [[schedule.phase_at(k).catch_fraction for _, schedule in drawn] for k in range(trials)]
    shares = [[catch_fraction if share is None else share for share in trial] for trial in declared]
    return np.where(rng.random(go.shape) < np.array(shares), NO_GO, go)


def _sessions(
    drawn: list[tuple[int, Schedule]],
    target: NDArray[np.int64],
    go: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    noise: Noise,
    delays: Delays,
    device: torch.device | str,
    dtype: torch.dtype,
    arm: Arm | None,
) -> SessionReaches:
    """Turn drawn sessions, in the order of the networks, with targets and go (k, n, m), into batches."""
    arm = arm or load_arm("muscle")
    count, n, m = target.shape
    block = np.array([[schedule.phase_index(k) for _, schedule in drawn] for k in range(count)])
    begins = np.array([schedule.boundaries for _, schedule in drawn])  # (n m, blocks + 1)
    in_block = np.arange(count)[:, None] - begins[np.arange(len(drawn)), block]
    positions, q0 = centre_out_targets(arm), np.broadcast_to(arm.start, (n, m, 2))
    trials = tuple(
        make_reaches(
            q0, positions[target[k]], go[k], [schedule.field_at(k) for _, schedule in drawn], rng,
            noise=noise, delays=delays, device=device, dtype=dtype, arm=arm,
        )
        for k in range(count)
    )  # fmt: skip
    pair = np.array([index for index, _ in drawn]).reshape(n, m)
    return SessionReaches(trials, target, block.reshape(count, n, m), in_block.reshape(count, n, m), pair)
