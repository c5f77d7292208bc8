"""The main experiment: networks learn a force field, lose it, and relearn it faster.

    python -m experiments.savings --preset quick

Four phases, as in the study (eLife 107423): NF1 (no field), FF1 (curl field), NF2 (washout), FF2 (the field
again). The networks get no cue. The run folder and its files are described in ``experiments.run_folder``; an
interrupted run goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from agents.checkpoints import load_ensemble
from agents.losses import LossWeights
from agents.networks import CELLS, PARAMETERS, check_device, check_parameters
from agents.supervised import FROZEN, ROLLOUTS, Learning, SupervisedLearner
from agents.torch_arm import check_actuation
from experiments.command_line import StopFlag, preset_main
from experiments.four_phases import FourPhases, Task
from experiments.phase_changes import PhaseChanges
from experiments.pretrain import Pretraining, pretrain
from experiments.report import Watch, finish_report, show_report
from experiments.run_folder import RunFolder
from experiments.run_identity import identity, start_weights
from experiments.training_phase import TrainingPhase
from savings_gym.fields import CurlField
from savings_gym.settings import Delays, Noise
from savings_gym.tracking import mirror

log = logging.getLogger(__name__)
SHIPPED = Path("experiments/pretrained/gru128.safetensors")  # made by experiments.pretrain, see the README


@dataclass(frozen=True)
class Savings:
    """Arguments of the experiment; the preset sets the defaults."""

    preset: str = "quick"
    """quick (minutes, shipped networks), paper (the study's full schedule), smoke (seconds)."""
    out: Path = Path("runs/savings-quick")
    """Run folder: new, or one to go on with."""
    networks: int = 8
    """Networks."""
    units: int = 128
    """Recurrent units a network."""
    cell: str = "gru"
    """gru, lstm or rnn; only where networks are pre-trained here."""
    seed: int = 0
    """Of everything random here; networks pre-trained elsewhere begin alike for every seed."""
    pretrained: Path | None = SHIPPED
    """Weights to start from; None: pre-train first."""
    pretraining_updates: int = 20_000
    """Batches of 32 random reaches, where networks are pre-trained here."""
    nf1_updates: int = 600
    """Updates of the baseline, each on the 8 targets once."""
    ff1_updates: int = 600
    """Updates of the adaptation."""
    nf2_updates: int = 1200
    """Updates of the washout."""
    ff2_updates: int = 600
    """Updates of the re-adaptation."""
    b: float = 8.0
    """Curl field, N s/m; the sign is the direction."""
    change: PhaseChanges = PhaseChanges()
    """What differs from the study in FF1 and FF2: the controls."""
    catch_fraction: float = 0.5
    """Share of every training batch without go cue."""
    rule: str = "bptt"
    """bptt, or a local rule: eprop, eprop-random (``agents.local_rule``)."""
    optimiser: str = "sgd"
    """sgd or adam, fresh in every phase."""
    learning_rate: float = 5e-3
    """Of the optimiser."""
    clip: float = 1.0
    """Largest gradient norm of a network."""
    loss: LossWeights = LossWeights()
    """Weights of the loss terms."""
    frozen: tuple[str, ...] = FROZEN
    """Parameters that do not learn after pre-training."""
    noise: Noise = Noise()
    """Noise of excitation and senses, in probes too."""
    delays: Delays = Delays()
    """Delays of the senses, s."""
    probe_every: int = 1
    """Updates between probes."""
    keep_every: int = 200
    """Updates between saved states; at most these are lost by a kill."""
    actuation: str = "muscle"
    """muscle, or motor: ideal motors in the muscles' place (networks that were pre-trained with them)."""
    rollout: str = "auto"
    """auto, fused (GRUs on a CPU) or plain."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    track: bool = False
    """Mirror the finished run to Weights & Biases (offline without WANDB_API_KEY)."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        counts = [f.name for f in dataclasses.fields(self) if f.type == "int" and f.name != "seed"]
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        choices = {"preset": PRESET_NAMES, "cell": tuple(CELLS), "rollout": ROLLOUTS}
        for name, valid in choices.items():
            if getattr(self, name) not in valid:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; choose from: {', '.join(valid)}")
        if not 0.0 <= self.catch_fraction < 1.0:
            raise ValueError(f"catch_fraction must be at least 0 and below 1, got {self.catch_fraction}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        CurlField(self.b)
        self.learning()
        check_device(self.device)
        check_parameters(self.frozen)
        check_actuation(self.actuation)
        if set(self.frozen) >= set(PARAMETERS):
            raise ValueError("frozen names every parameter: nothing could learn")
        if self.rollout == "fused" and (self.cell != "gru" or self.device != "cpu"):
            raise ValueError(f"the fused rollout runs gru on cpu, not {self.cell} on {self.device}")

    def learning(self) -> Learning:
        """How the networks learn in the four phases."""
        return Learning(
            self.optimiser, rate=self.learning_rate, clip=self.clip, weights=self.loss, rule=self.rule,
            feedback_seed=self.seed,
        )  # fmt: skip

    def task(self) -> Task:
        """What all phases share."""
        return Task(
            self.seed, self.catch_fraction, self.noise, self.delays, self.probe_every, self.keep_every
        )

    def phases(self) -> list[TrainingPhase]:
        """The four phases."""
        counts = (self.nf1_updates, self.ff1_updates, self.nf2_updates, self.ff2_updates)
        return self.change.phases(self.b, counts)


PRESET_NAMES = ("quick", "paper", "smoke")
PRESETS = {
    "quick": Savings(),
    "paper": Savings(
        "paper", Path("runs/savings-paper"), networks=40, pretrained=None,
        nf1_updates=10_000, ff1_updates=3_200, nf2_updates=10_000, ff2_updates=3_200, keep_every=500,
    ),
    "smoke": Savings(
        "smoke", Path("runs/savings-smoke"), networks=2, units=8, pretrained=None, pretraining_updates=4,
        nf1_updates=24, ff1_updates=24, nf2_updates=24, ff2_updates=24, keep_every=10,
    ),
}  # fmt: skip


def run(config: Savings) -> int:
    """Runs the experiment or goes on with it; returns the exit status: 0, or 130 when it was interrupted."""
    weights = start_weights(config)
    folder = RunFolder(config.out, identity(config, weights))
    if folder.complete:
        log.info("%s is complete: showing its results", config.out)
        folder.finish()
        show_report(folder.path)
        if config.track:
            mirror(folder.path)
        return 0
    stop = StopFlag()
    if weights is None:
        weights = folder.path / "pretrained.safetensors"
        if not weights.is_file():
            log.info("pre-training %d networks with %d updates", config.networks, config.pretraining_updates)
            done = pretrain(
                Pretraining(
                    weights, config.networks, config.units, config.cell, config.pretraining_updates,
                    seed=config.seed, device=config.device, noise=config.noise, delays=config.delays,
                    actuation=config.actuation,
                ),
                stop,
            )  # fmt: skip
            if not done:
                return _interrupted(config.out)
    ensemble = load_ensemble(weights, config.networks, device=config.device)
    ensemble.freeze(*config.frozen)
    learner = SupervisedLearner(ensemble, config.learning(), config.rollout, config.actuation)
    experiment = FourPhases(learner, config.phases(), config.task(), folder, CurlField(config.b))
    updates = sum(phase.updates for phase in config.phases())
    log.info("four phases, %d updates; a first run compiles for half a minute", updates)
    with Watch() as watch:
        complete = experiment.run(watch, stop)
    about = {"units": ensemble.units, "seed": config.seed, "b": config.b, "cell": ensemble.cell}
    finish_report(folder, experiment, complete, about | {"device": config.device, "rollout": config.rollout})
    if not complete:
        return _interrupted(config.out)
    if config.track:
        mirror(folder.path)
    return 0


def finished(config: Savings) -> bool:
    """Whether the run folder holds this very run, complete; nothing is run or written.

    Raises:
        FileNotFoundError, ValueError: When the run could not start: no weights, or not of these networks.
        FileExistsError: When the folder holds another run, or something else.
    """
    mine = identity(config, start_weights(config))
    begun = config.out.is_file() or (config.out.is_dir() and any(config.out.iterdir()))
    return begun and RunFolder(config.out, mine).complete


def _interrupted(out: Path) -> int:
    log.warning("interrupted: %s holds what was done so far; the same command goes on from there", out)
    return 130


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    try:
        return preset_main(arguments, PRESETS, "quick", run, __doc__)
    except FloatingPointError as error:
        log.error("the learning diverged: %s; try a lower --learning-rate", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
