"""Pre-training: networks that reach anywhere, before they ever meet a field.

    python -m experiments.pretrain --networks 8 --updates 10500 --out FILE

made the networks that ship (``experiments/pretrained/gru128.safetensors``). The default is the study's:
20 000 batches of 32 random reaches with Adam (eLife 107423). A killed run goes on where it stopped: the
state is kept beside the output and removed at the end. Batch i depends on the seed and i alone.
``experiments.join_networks`` makes one file of networks that were pre-trained with several seeds.
"""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.learner import PRETRAINING, SupervisedLearner
from agents.supervised.networks import CELLS, check_device, make_ensemble
from agents.supervised.reaches import centre_out, random_reaches
from agents.supervised.torch_arm import check_actuation
from experiments.runs.command_line import keep_freed_memory
from savings_gym.fields import NullField
from savings_gym.files import write_atomically
from savings_gym.task.settings import Delays, Noise

log = logging.getLogger(__name__)
KEEP_EVERY = 500  # updates between saved states


@dataclass(frozen=True)
class Pretraining:
    """Arguments of the pre-training; the defaults are the study's."""

    out: Path
    """Weights file to write."""
    networks: int = 8
    """Networks, each with initial weights and reaches of its own."""
    units: int = 128
    """Recurrent units a network."""
    cell: str = "gru"
    """gru, lstm or rnn."""
    updates: int = 20_000
    """Batches; each is one update."""
    anneal: int = 0
    """Last updates, in which the learning rate falls to 0 in a straight line: fewer updates will do then."""
    trials: int = 32
    """Reaches a batch, half of them catch trials."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    noise: Noise = Noise()
    """Noise of excitation and senses."""
    delays: Delays = Delays()
    """Delays of the senses, s."""
    actuation: str = "muscle"
    """muscle, or motor: ideal motors in the muscles' place."""

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("networks", "units", "updates", "trials"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.anneal <= self.updates:
            raise ValueError(f"anneal must lie in 0 to updates, {self.updates}, got {self.anneal}")
        if self.cell not in CELLS:
            raise ValueError(f"unknown cell {self.cell!r}; choose from: {', '.join(CELLS)}")
        check_device(self.device)
        check_actuation(self.actuation)


def pretrain(config: Pretraining, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Runs the pre-training, from its saved state if there is one, and writes the weights.

    Args:
        config: the arguments.
        stopped: asked before every update; True keeps the state and stops.

    Returns:
        Whether the weights were written.
    """
    state_file = config.out.with_suffix(".state.pt")
    ensemble = make_ensemble(
        config.cell, config.networks, config.units, seed=config.seed, device=config.device
    )
    learner = SupervisedLearner(ensemble, PRETRAINING, actuation=config.actuation)
    about = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    first = _resume(state_file, learner, about)
    task: dict[str, Any] = {"noise": config.noise, "delays": config.delays, "device": config.device}
    began = time.monotonic()
    for update in range(first, config.updates):
        if stopped():
            _keep(state_file, learner, about, update)
            return False
        if update and update % KEEP_EVERY == 0:
            _keep(state_file, learner, about, update)
            probe = centre_out(
                config.networks,
                NullField(),
                np.random.default_rng((config.seed, 1, update)),
                probe=True,
                **task,
            )
            error = (learner.probe(probe).hand[:, -1] - probe.target).norm(dim=-1).mean(1)
            pace = (time.monotonic() - began) / max(update - first, 1)
            log.info(
                "update %d of %d: end-point error %s mm%s",
                update,
                config.updates,
                (1e3 * error).round(decimals=1).tolist(),
                f", {pace * (config.updates - update) / 60:.0f} min left" if update > first else "",
            )
        _anneal(learner, config, update)
        rng = np.random.default_rng((config.seed, 0, update))
        learner.update(random_reaches(config.networks, config.trials, NullField(), rng, **task))
    save_ensemble(config.out, ensemble, pretraining=about)
    state_file.unlink(missing_ok=True)
    log.info("wrote %s", config.out)
    return True


def _anneal(learner: SupervisedLearner, config: Pretraining, update: int) -> None:
    """Sets the rate of an update that belongs to the last ones."""
    share = (config.updates - update) / (config.anneal + 1)
    if share < 1.0:
        for group in learner.optimiser.param_groups:
            group["lr"] = PRETRAINING.rate * PRETRAINING.decay**update * share


def _keep(path: Path, learner: SupervisedLearner, about: dict[str, object], update: int) -> None:
    buffer = io.BytesIO()
    state = {"ensemble": learner.ensemble.state_dict(), "optimiser": learner.optimiser.state_dict()}
    torch.save(state | {"about": about, "update": update}, buffer)
    write_atomically(path, buffer.getvalue())


def _resume(path: Path, learner: SupervisedLearner, about: dict[str, object]) -> int:
    """Loads a saved state; returns the update to go on with."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    held = {"anneal": 0, "actuation": "muscle"} | state["about"]  # what states of before do not say
    rate = ("updates", "anneal")
    differing = sorted(name for name in about if name not in ("out", *rate) and held.get(name) != about[name])
    if any(state["update"] > int(str(one["updates"])) - int(str(one["anneal"])) for one in (held, about)):
        differing += [name for name in rate if held[name] != about[name]]  # the rate falls, or would have
    if differing:
        raise ValueError(
            f"{path} belongs to a run with other {', '.join(differing)}: choose another --out or remove it"
        )
    if state["update"] > int(str(about["updates"])):
        raise ValueError(f"{path} is already at update {state['update']}, --updates is {about['updates']}")
    learner.ensemble.load_state_dict(state["ensemble"])
    learner.optimiser.load_state_dict(state["optimiser"])
    log.info("going on at update %d", state["update"])
    return int(state["update"])


def main(config: Annotated[Pretraining, tyro.conf.arg(name="")]) -> None:
    """Pre-trains networks on random reaches and writes their weights."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    keep_freed_memory()
    if config.out.exists():
        sys.exit(f"error: {config.out} is there already: choose another --out or remove it")
    try:
        pretrain(config)
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")


def command() -> None:
    """Command line."""
    tyro.cli(main)
