"""Training in sessions: backpropagation through trial after trial, with memory carried on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.field_reading import FieldReading
from agents.supervised.learner import SupervisedLearner
from agents.supervised.networks import Ensemble
from agents.supervised.rollout import Trajectory
from agents.supervised.session_reaches import SessionReaches, training_sessions
from experiments.runs.folder import load_state, remove_state, write_state
from experiments.sessions.config import REGIMES, TRAINED_IN, Sessions
from savings_gym.arrays import MM
from savings_gym.files import verified

log = logging.getLogger(__name__)
TRAIN = 0  # last key of the generators
LINE_EVERY = 100  # updates


def networks_file(out: Path, regime: str) -> Path:
    """Return the file of the networks that were trained in a regime."""
    return out / f"networks_{regime}.safetensors"


def start_networks(config: Sessions, weights: Path) -> Ensemble:
    """Return the networks before any session, all of whose parameters learn."""
    ensemble = load_ensemble(weights).select(*range(config.networks))
    ensemble.freeze()
    return ensemble


def train(config: Sessions, weights: Path, regime: str, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Train networks in the sessions of a regime, from a saved state if there is one.

    Update i depends on the seed, the regime and i alone.

    Args:
        config: The arguments.
        weights: File of the networks to start from.
        regime: One of `REGIMES`.
        stopped: Called before every update; True saves the state and stops.

    Returns:
        Whether the end was reached and the networks written.

    Raises:
        FloatingPointError: If the gradient of a network is not finite.
    """
    file, state_file = networks_file(config.out, regime), config.out / f"state_{regime}.pt"
    if verified(file).is_file():
        return True
    learner = SupervisedLearner(start_networks(config, weights), config.learning())
    reading = FieldReading(learner.ensemble, abs(config.b), config.reading_rate)
    first = _resume(learner, reading, state_file)
    began, key = time.monotonic(), REGIMES.index(regime)
    for update in range(first, config.updates):
        if stopped():
            _save(learner, reading, state_file, update)
            return False
        if update > first and update % config.keep_every == 0:
            _save(learner, reading, state_file, update)
        for group in learner.optimiser.param_groups:
            group["lr"] = config.rate * (1.0 - update / config.updates)
        batch = training_sessions(
            config.networks, config.sessions, TRAINED_IN[regime],
            np.random.default_rng((config.seed, key, update, TRAIN)),
            catch_fraction=config.catch_fraction, go_time=config.training_go, noise=config.noise,
            delays=config.delays,
        )  # fmt: skip
        terms = _update(learner, reading, batch, config.reading_weight(regime, update))
        if update % LINE_EVERY == 0:
            pace = (time.monotonic() - began) / (update - first + 1)
            log.info(
                "%s, update %d of %d: hand to goal %.1f mm, reading loss %.1f, %.0f min left", regime, update,
                config.updates, MM * float(terms["position"].mean()),
                float(terms["extra"].mean()) if "extra" in terms else 0.0,
                pace * (config.updates - update) / 60.0,
            )  # fmt: skip
    save_ensemble(file, learner.ensemble, regime=regime)
    remove_state(state_file)
    return True


def _update(
    learner: SupervisedLearner, reading: FieldReading, batch: SessionReaches, weight: float
) -> dict[str, torch.Tensor]:
    """Update networks, and their read-outs while reading has a weight."""
    if weight == 0.0:
        return learner.update(*batch.trials)

    def extra(trajectories: Sequence[Trajectory], /) -> torch.Tensor:
        return weight * reading.loss(trajectories, batch.trials)

    terms = learner.update(*batch.trials, extra=extra)
    reading.step()
    return terms


def _save(learner: SupervisedLearner, reading: FieldReading, file: Path, update: int) -> None:
    state = {"ensemble": learner.ensemble.state_dict(), "optimiser": learner.optimiser.state_dict()}
    write_state(file, state | {"reading": reading.state_dict(), "update": update})


def _resume(learner: SupervisedLearner, reading: FieldReading, file: Path) -> int:
    """Load a saved state if there is one; return the update to go on with."""
    if not verified(file).is_file():
        return 0
    state = load_state(file)
    learner.ensemble.load_state_dict(state["ensemble"])
    learner.optimiser.load_state_dict(state["optimiser"])
    reading.load_state_dict(state["reading"])
    log.info("resuming at update %d", state["update"])
    return int(state["update"])
