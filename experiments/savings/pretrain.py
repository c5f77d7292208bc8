"""Pre-training: networks that reach anywhere, before they ever meet a field.

    python -m experiments.pretrain --networks 8 --updates 10500 --out FILE

made the networks that ship (``experiments/pretrained/gru128.safetensors``). Learning is that of the study:
20 000 batches of 32 random reaches, with Adam (eLife 107423). Delays and go times are those of the
environments, or with ``--preset paper`` those of the study's code. An interrupted run resumes from where it
stopped if the same command is repeated: its state is kept beside the output until the end. Batch i depends on
the seed and i alone. A network whose gradient is no longer finite learns no more, and the others go on; it is
named, and is not in the file. ``experiments.join_networks`` joins networks that were pre-trained with several
seeds in one file.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import tyro

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.learner import PRETRAINING, SupervisedLearner
from agents.supervised.memory import check_learning_memory
from agents.supervised.networks import (
    CELLS,
    INITIAL_WEIGHTS,
    Ensemble,
    check_cell,
    check_device,
    check_initial_weights,
    make_ensemble,
)
from agents.supervised.reaches import STUDY_DELAYS, STUDY_TRAINING_GO, TRAINING_GO, centre_out, random_reaches
from agents.supervised.torch_arm import ACTUATIONS, check_actuation
from experiments.runs.command_line import StopFlag, choice, preset_main
from experiments.runs.folder import load_state, remove_state, write_state
from savings_gym.arrays import MM, as_choice, as_seed, as_whole_number
from savings_gym.files import check_writable, sole_writer_of
from savings_gym.perturbations.fields import NullField
from savings_gym.probes.criterion import ReachCriterion
from savings_gym.task.settings import Delays, Noise, go_steps

log = logging.getLogger(__name__)
KEEP_EVERY = 500  # updates between saved states
TRY_EVERY = 100  # updates between probes for the criterion
TRAIN, PROBE = range(2)  # second key of the generators
PRESET_NAMES: Final = ("environment", "paper")


@dataclass(frozen=True)
class Pretraining:
    """Arguments of the pre-training; the preset sets the defaults."""

    out: Path
    """Weights file to write."""
    networks: int = 8
    """Number of networks, each with its own initial weights and reaches."""
    units: int = 128
    """Recurrent units of each network."""
    cell: Annotated[str, choice(CELLS)] = "gru"
    """Recurrent cell."""
    updates: int = 20_000
    """Number of updates, each on one batch."""
    anneal: int = 0
    """Of the updates, the last N, over which the learning rate falls linearly to 0: fewer updates suffice
    then."""
    trials: int = 32
    """Reaches in a batch, half of them catch trials."""
    seed: int = 0
    """Seed of all random numbers."""
    device: str = "cpu"
    """Where the networks run: cpu, cuda (or one card, such as cuda:1), or mps."""
    noise: Noise = Noise()
    """Noise of excitations and senses."""
    delays: Delays = Delays()
    """Delays of the senses and of the go cue [s]."""
    training_go: tuple[float, float] = TRAINING_GO
    """First and last time of go [s]."""
    actuation: Annotated[str, choice(ACTUATIONS)] = "muscle"
    """Muscles, or ideal motors in their place."""
    initial_weights: Annotated[str, choice(INITIAL_WEIGHTS)] = "stack"
    """Draw initial weights for the stack of all gates, as the study does, or for each gate on its own."""
    criterion: float | None = None
    """Mean end-point error over networks [m] at which pre-training ends early, tried every 100 updates; None
    makes all updates."""
    preset: Annotated[str, choice(PRESET_NAMES)] = "environment"
    """environment (8 networks; delays and go times of the environments), paper (40 networks; those of the
    study's code, as in the presets quick and paper of experiments.savings)."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("networks", "units", "updates", "trials"):
            as_whole_number(name, getattr(self, name), 1)
        if not 0 <= self.anneal <= self.updates:
            raise ValueError(f"anneal must be from 0 to updates, {self.updates}, got {self.anneal}")
        as_seed("seed", self.seed)
        if self.criterion is not None:
            ReachCriterion(self.criterion, 1)
        go_steps(self.training_go)
        as_choice("preset", self.preset, PRESET_NAMES)
        check_cell(self.cell)
        check_device(self.device)
        check_actuation(self.actuation)
        check_initial_weights(self.initial_weights)


PRESETS: Final = {
    "environment": Pretraining(tyro.MISSING),
    "paper": Pretraining(
        tyro.MISSING, 40, delays=STUDY_DELAYS, training_go=STUDY_TRAINING_GO, preset="paper"
    ),
}


def as_stored(delays: Delays) -> dict[str, float]:
    """Return delays as runs store them: a cue without a delay of its own is left out, as in older runs."""
    return {name: value for name, value in dataclasses.asdict(delays).items() if value is not None}


def stored(config: Pretraining) -> dict[str, Any]:
    """Return the arguments as states and weights files store them."""
    values = dataclasses.asdict(config) | {"out": config.out.name, "delays": as_stored(config.delays)}
    del values["preset"]  # a set of defaults, which are stored
    if config.criterion is None:
        del values["criterion"]  # which older files lack
    through_json: dict[str, Any] = json.loads(json.dumps(values))
    return through_json


def pretrain(config: Pretraining, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Pre-train networks, from a saved state if there is one, and write their weights.

    Args:
        config: The arguments.
        stopped: Called before every update; True saves the state and stops.

    Returns:
        Whether the end was reached and the weights written. Networks that diverged are not among them; their
        numbers, and the updates that they could not make, are the entry "diverged" of the metadata.

    Raises:
        ValueError: If the saved state belongs to a run with other arguments.
        FloatingPointError: If every network diverges.
    """
    state_file = state_of(config.out)
    ensemble = make_ensemble(
        config.cell, config.networks, config.units, seed=config.seed, device=config.device,
        initial_weights=config.initial_weights,
    )  # fmt: skip
    learner = SupervisedLearner(ensemble, PRETRAINING, actuation=config.actuation, stop_diverging=True)
    arguments = stored(config)
    first, diverged = _resume(state_file, learner, arguments)
    task: dict[str, Any] = {
        "noise": config.noise, "delays": config.delays, "go_time": config.training_go,
        "device": config.device,
    }  # fmt: skip
    began, made = time.monotonic(), config.updates
    for update in range(first, config.updates):
        if _criterion_met(learner, config, update):
            made = update
            break
        if stopped():
            _save_state(state_file, learner, arguments, update, diverged)
            return False
        if update and update % KEEP_EVERY == 0:
            _save_state(state_file, learner, arguments, update, diverged)
            pace = (time.monotonic() - began) / (update - first) if update > first else None
            _log_progress(learner, config, update, pace)
        _anneal(learner, config, update)
        rng = np.random.default_rng((config.seed, TRAIN, update))
        learner.update(random_reaches(config.networks, config.trials, NullField(), rng, **task))
        _note_diverged(learner, update, diverged)
    if config.criterion is not None:
        arguments["updates_made"] = made
    _write_weights(config.out, ensemble, arguments, diverged)
    remove_state(state_file)
    log.info("wrote %s", config.out)
    return True


def state_of(weights: Path) -> Path:
    """Return the file of the saved state of a pre-training that writes a weights file."""
    return weights.with_name(f"{weights.name.removesuffix('.safetensors')}.state.pt")


def _note_diverged(learner: SupervisedLearner, update: int, diverged: dict[int, int]) -> None:
    """Remember and log the networks that an update stopped."""
    if int(learner.stopped.sum()) == len(diverged):
        return
    for i in torch.nonzero(learner.stopped).flatten().tolist():
        if i not in diverged:
            diverged[i] = update
            log.warning("network %d diverged in update %d: it learns no more, and is left out", i, update)


def _write_weights(
    path: Path, ensemble: Ensemble, arguments: dict[str, Any], diverged: dict[int, int]
) -> None:
    """Write the networks that learned to the end, and say which did not."""
    if not diverged:
        save_ensemble(path, ensemble, pretraining=arguments)
        return
    whole = [i for i in range(ensemble.networks) if i not in diverged]
    numbers = {str(i): update for i, update in sorted(diverged.items())}
    save_ensemble(path, ensemble.select(*whole), pretraining=arguments, diverged=numbers)
    log.warning(
        "%s holds %d networks: %s diverged", path, len(whole), ", ".join(f"number {i}" for i in numbers)
    )


def _log_progress(learner: SupervisedLearner, config: Pretraining, update: int, pace: float | None) -> None:
    """Probe the networks and log their end-point errors, and the time left at a pace [s per update]."""
    errors = MM * _endpoint_errors(learner, config, update).cpu().numpy()
    log.info(
        "update %d of %d: end-point errors %s mm%s",
        update,
        config.updates,
        ", ".join(f"{error:.1f}" for error in errors),
        "" if pace is None else f", {pace * (config.updates - update) / 60:.0f} min left",
    )


def _endpoint_errors(learner: SupervisedLearner, config: Pretraining, update: int) -> torch.Tensor:
    """Mean end-point error of a probe of every network, (n,) [m]."""
    reaches = centre_out(
        config.networks, NullField(), np.random.default_rng((config.seed, PROBE, update)), probe=True,
        noise=config.noise, delays=config.delays, device=config.device,
    )  # fmt: skip
    return (learner.probe(reaches).hand[:, -1] - reaches.target).norm(dim=-1).mean(1)


def _criterion_met(learner: SupervisedLearner, config: Pretraining, update: int) -> bool:
    """Whether the networks that learn meet the criterion, if there is one and it is due."""
    if config.criterion is None or update % TRY_EVERY or not update:
        return False
    return float(_endpoint_errors(learner, config, update)[~learner.stopped].mean()) <= config.criterion


def _anneal(learner: SupervisedLearner, config: Pretraining, update: int) -> None:
    """Set the learning rate of an update, if it is one of the last."""
    share = (config.updates - update) / (config.anneal + 1)
    if share < 1.0:
        for group in learner.optimiser.param_groups:
            group["lr"] = PRETRAINING.rate * PRETRAINING.decay**update * share


def _save_state(
    path: Path,
    learner: SupervisedLearner,
    arguments: dict[str, object],
    update: int,
    diverged: dict[int, int],
) -> None:
    state = {
        "ensemble": learner.ensemble.state_dict(), "optimiser": learner.optimiser.state_dict(),
        "about": arguments, "update": update, "diverged": diverged,
    }  # fmt: skip
    write_state(path, state)


def _resume(
    path: Path, learner: SupervisedLearner, arguments: dict[str, object]
) -> tuple[int, dict[int, int]]:
    """Load a saved state if there is one.

    Returns:
        The update to go on with, and the networks that diverged, with the updates that they could not make.

    Raises:
        ValueError: If the state is damaged, or belongs to a run with other arguments.
    """
    if not path.is_file():
        return 0, {}
    state = load_state(path)
    older = {  # what older states lack
        "anneal": 0, "actuation": "muscle", "training_go": list(TRAINING_GO), "initial_weights": "stack",
    }  # fmt: skip
    about = older | state["about"]
    length = ("updates", "anneal")
    names = {*about, *arguments} - {"out", *length}
    differing = sorted(name for name in names if about.get(name) != arguments.get(name))
    starts = [int(str(run["updates"])) - int(str(run["anneal"])) for run in (about, arguments)]
    if state["update"] > min(starts):  # the rate has begun to fall, or should have
        differing += [name for name in length if about[name] != arguments[name]]
    if differing:
        raise ValueError(
            f"{path} belongs to a run with other {', '.join(differing)}: choose another --out or remove it"
        )
    if state["update"] > int(str(arguments["updates"])):
        raise ValueError(
            f"{path} is already at update {state['update']}, --updates is {arguments['updates']}"
        )
    learner.ensemble.load_state_dict(state["ensemble"])
    learner.optimiser.load_state_dict(state["optimiser"])
    diverged = dict(state.get("diverged", {}))
    learner.stopped[list(diverged)] = True
    log.info("resuming at update %d", state["update"])
    return int(state["update"]), diverged


def _refuse_existing(weights: Path) -> None:
    if weights.exists():
        raise FileExistsError(f"{weights} exists already: choose another --out or remove it")


def run(config: Pretraining) -> int:
    """Pre-train networks; return the exit status.

    Returns:
        0; 1 if every network diverged; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.

    Raises:
        OSError: If the weights file exists already, cannot be written, or is being made by another process.
        ValueError: If there is not enough memory, or the saved state belongs to another run.
    """
    _refuse_existing(config.out)
    check_learning_memory(config.cell, config.networks, config.units, config.trials, device=config.device)
    check_writable(config.out)
    with StopFlag() as stop, sole_writer_of(config.out):
        _refuse_existing(config.out)  # another process may have just written it
        try:
            if pretrain(config, stop):
                return 0
        except FloatingPointError as error:
            log.error("the learning diverged: %s", error)
            return 1
        log.warning("interrupted: the same command goes on from there")
        return stop.status


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.pretrain", PRESETS, "environment", run, arguments, __doc__)
