"""The arguments of the four-phase experiment, its presets, and what identifies a run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from agents.supervised.checkpoints import actuation_of, pretraining_of, read_metadata
from agents.supervised.learner import FROZEN, OPTIMISERS, ROLLOUTS, Learning
from agents.supervised.local_rule import RULES
from agents.supervised.losses import LossWeights
from agents.supervised.memory import check_learning_memory
from agents.supervised.networks import (
    CELLS,
    INITIAL_WEIGHTS,
    PARAMETERS,
    check_cell,
    check_device,
    check_parameters,
)
from agents.supervised.reaches import STUDY_DELAYS, STUDY_TRAINING_GO, TRAINING_GO
from agents.supervised.torch_arm import ACTUATIONS, check_actuation
from experiments.runs.command_line import choice, choices, command_arguments, command_text
from experiments.runs.folder import RunFolder
from experiments.savings.experiment import Task
from experiments.savings.phases import (
    ANGLE_DEG,
    PhaseChanges,
    TrainingPhase,
    perturbation,
    size_of,
)
from experiments.savings.pretrain import Pretraining, as_stored
from savings_gym.arrays import as_choice, as_seed, as_whole_number
from savings_gym.files import file_digest, is_empty, sole_writer
from savings_gym.perturbations.fields import ONSETS, Field
from savings_gym.probes.criterion import ReachCriterion
from savings_gym.task.settings import CATCH_FRACTION, N_TARGETS, Delays, Noise, go_steps

ROOT: Final = Path(__file__).resolve().parents[2]
PRETRAINED: Final = "pretrained.safetensors"  # in the folder of a run that pre-trained its networks
# These change results by rounding at most.
EXECUTION: Final = ("out", "rollout", "keep_every", "device", "figures", "track")
# Left out of the identity if they have their defaults, which older runs lack.
ONLY_IF_CHANGED: Final = (
    "change", "rule", "actuation", "onset", "training_go", "pretraining_anneal", "initial_weights",
    "criterion", "criterion_probes", "pretraining_criterion", "perturbation", "angle_deg", "ff1_ramp",
)  # fmt: skip
SIZE_WEIGHTS: Final = {  # of networks that were pre-trained alike, see experiments/pretrained/README.md
    units: Path(f"experiments/pretrained/gru{units}-paper.safetensors") for units in (32, 64, 128)
}
SHIPPED: Final = SIZE_WEIGHTS[128]
FOR_ENVIRONMENTS: Final = Path("experiments/pretrained/gru128.safetensors")  # with those of the environments
PRESET_NAMES: Final = ("quick", "paper", "smoke")


@dataclass(frozen=True)
class Savings:
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 of the shipped networks and short phases: 2 minutes of one core), paper (40 of them on the
    schedule of the study: 3 to 4 hours of one core), both with delays, go times and onset of the field as in
    the study's code; smoke (seconds, the first time a minute, to compile), with those of the environments."""
    out: Path = Path("runs/savings-quick")
    """Run folder: a new one, or that of an interrupted run to resume."""
    networks: int = 8
    """Number of networks."""
    units: int = 128
    """Recurrent units of each network."""
    cell: Annotated[str, choice(CELLS)] = "gru"
    """Recurrent cell; weights that are loaded must have the same."""
    seed: int = 0
    """Seed of all random numbers; networks from a file start from the same weights with any seed."""
    pretrained: Path | None = None
    """Weights to start from; None pre-trains first."""
    pretraining_updates: int = 20_000
    """Batches of 32 random reaches, if networks are pre-trained first."""
    pretraining_anneal: int = 0
    """Of the updates of pre-training, the last N, over which the learning rate falls linearly to 0."""
    pretraining_criterion: float | None = None
    """Mean end-point error over networks [m] that ends their pre-training early; None: no early end."""
    initial_weights: Annotated[str, choice(INITIAL_WEIGHTS)] = "stack"
    """Draw initial weights for the stack of all gates, as the study does, or for each gate on its own."""
    nf1_updates: int = 600
    """Updates of the baseline, at most; each trains the 8 targets once."""
    ff1_updates: int = 600
    """Updates of the adaptation."""
    nf2_updates: int = 1200
    """Updates of the washout."""
    ff2_updates: int = 600
    """Updates of the re-adaptation."""
    criterion: float | None = None
    """Mean end-point error over networks [m] that ends the baseline early; None: no early end."""
    criterion_probes: int = 3
    """Probes in a row that must meet the criterion."""
    b: float = 8.0
    """Strength of the curl field [N s/m]; the sign sets the direction."""
    perturbation: str = "curl"
    """What FF1 and FF2 train: curl (a force field of strength b), rotation (of the cursor, by angle-deg), or
    any other as JSON, such as '{"kind": "gain", "gain": 1.5}'."""
    angle_deg: float = ANGLE_DEG
    """Angle of a rotation of the cursor [degrees], counter-clockwise."""
    ff1_ramp: float = 0.0
    """Share of FF1 over which its field grows from nothing, update by update; 0 is at once."""
    onset: Annotated[str, choice(ONSETS)] = "go"
    """When fields set on, unless JSON says otherwise: at the start of the trial, at go, or when the go cue is
    seen."""
    change: PhaseChanges = PhaseChanges()
    """What differs from the study in FF1 and FF2, for controls."""
    catch_fraction: float = CATCH_FRACTION
    """Share of every training batch without a go cue."""
    training_go: tuple[float, float] = TRAINING_GO
    """First and last time of go in training trials [s]."""
    rule: Annotated[str, choice(RULES)] = "bptt"
    """Backpropagation through time, or e-prop, a local rule for any cell, with the read-out's own weights or
    fixed random ones as feedback."""
    optimiser: Annotated[str, choice(OPTIMISERS)] = "sgd"
    """Optimiser, fresh in every phase."""
    learning_rate: float = 5e-3
    """Learning rate of the optimiser."""
    clip: float = 1.0
    """Largest gradient norm of a network."""
    loss: LossWeights = LossWeights()
    """Weights of the loss terms."""
    frozen: Annotated[tuple[str, ...], choices(PARAMETERS)] = FROZEN
    """Parameters that stay fixed after pre-training."""
    noise: Noise = Noise()
    """Noise of excitations and senses, in probes too."""
    delays: Delays = Delays()
    """Delays of the senses and of the go cue [s]; weights should be from networks trained with the same."""
    probe_every: int = 1
    """Updates between probes."""
    keep_every: int = 200
    """Updates between saved states, and the most that a kill can lose."""
    actuation: Annotated[str, choice(ACTUATIONS)] = "muscle"
    """Muscles, or ideal motors in their place; the weights must be from networks trained with the same."""
    rollout: Annotated[str, choice(ROLLOUTS)] = "auto"
    """fused runs GRUs on a CPU, plain runs everything; auto takes fused if it can."""
    device: str = "cpu"
    """Where the networks run: cpu, cuda (or one card, such as cuda:1), or mps."""
    figures: bool = True
    """Draw learning curves and hand paths at the end, two thirds of the bytes of a folder."""
    track: bool = False
    """Mirror the finished run to Weights & Biases (offline without WANDB_API_KEY)."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for field in dataclasses.fields(self):
            if field.type == "int" and field.name != "seed":
                least = 0 if field.name == "pretraining_anneal" else 1
                as_whole_number(field.name, getattr(self, field.name), least)
        as_seed("seed", self.seed)
        for name, valid in {"preset": PRESET_NAMES, "rollout": ROLLOUTS}.items():
            as_choice(name, getattr(self, name), valid)
        if not 0.0 <= self.catch_fraction < 1.0:
            raise ValueError(f"catch_fraction must be at least 0 and below 1, got {self.catch_fraction}")
        self.pretraining(self.out)
        self.task()
        self.field()
        if not 0.0 <= self.ff1_ramp <= 1.0:
            raise ValueError(f"ff1_ramp must be at least 0 and at most 1, got {self.ff1_ramp}")
        go_steps(self.training_go)
        self.learning()
        check_cell(self.cell)
        check_device(self.device)
        check_parameters(self.frozen)
        check_actuation(self.actuation)
        if set(self.frozen) >= set(PARAMETERS):
            raise ValueError("frozen names every parameter: nothing could learn")
        if self.rollout == "fused" and (self.cell != "gru" or self.device != "cpu"):
            raise ValueError(f"the fused rollout runs gru on cpu, not {self.cell} on {self.device}")

    @property
    def size(self) -> float:
        """Size of the perturbation: b [N s/m], the angle of a rotation [degrees], or 1 for any other."""
        return size_of(self.perturbation, self.b, self.angle_deg)

    def field(self) -> Field:
        """Return the perturbation, by default the curl field."""
        return perturbation(self.perturbation)(self.size, self.onset)

    def learning(self) -> Learning:
        """Return how the networks learn in the four phases."""
        return Learning(
            self.optimiser, rate=self.learning_rate, clip=self.clip, weights=self.loss, rule=self.rule,
            feedback_seed=self.seed,
        )  # fmt: skip

    def task(self) -> Task:
        """Return what all phases have in common."""
        criterion = None if self.criterion is None else ReachCriterion(self.criterion, self.criterion_probes)
        return Task(
            self.seed, self.catch_fraction, self.noise, self.delays, self.training_go, self.probe_every,
            self.keep_every, criterion,
        )  # fmt: skip

    def phases(self) -> list[TrainingPhase]:
        """Return the four phases."""
        counts = (self.nf1_updates, self.ff1_updates, self.nf2_updates, self.ff2_updates)
        return self.change.phases(
            self.b, counts, self.onset, self.ff1_ramp, self.perturbation, self.angle_deg
        )

    def pretraining(self, out: Path) -> Pretraining:
        """Return the arguments with which the networks are pre-trained, if they are, into a file."""
        return Pretraining(
            out, self.networks, self.units, self.cell, self.pretraining_updates, seed=self.seed,
            device=self.device, noise=self.noise, delays=self.delays, training_go=self.training_go,
            actuation=self.actuation, anneal=self.pretraining_anneal, initial_weights=self.initial_weights,
            criterion=self.pretraining_criterion,
        )  # fmt: skip


QUICK: Final = Savings(pretrained=SHIPPED, onset="cue", training_go=STUDY_TRAINING_GO, delays=STUDY_DELAYS)
PRESETS: Final = {
    "quick": QUICK,
    "paper": dataclasses.replace(
        QUICK, preset="paper", out=Path("runs/savings-paper"), networks=40, nf1_updates=10_000,
        ff1_updates=3_200, nf2_updates=10_000, ff2_updates=3_200, keep_every=500,
    ),
    "smoke": Savings(
        "smoke", Path("runs/savings-smoke"), networks=2, units=8, pretrained=None, pretraining_updates=4,
        nf1_updates=24, ff1_updates=24, nf2_updates=24, ff2_updates=24, keep_every=10,
    ),
}  # fmt: skip


def check_memory(config: Savings) -> None:
    """Refuse a run that needs more memory than is available.

    Raises:
        ValueError: It names the estimate and what is available.
    """
    trials = N_TARGETS if config.pretrained is not None else max(N_TARGETS, Pretraining.trials)
    check_learning_memory(
        config.cell, config.networks, config.units, trials, rollout=config.rollout, device=config.device
    )


def start_weights(config: Savings) -> Path | None:
    """Return the weights file to start from, checked, or None if networks are to be pre-trained.

    Raises:
        FileNotFoundError, ValueError: If the file is missing or damaged, or does not fit the arguments.
    """
    if config.pretrained is None:
        return None
    path = config.pretrained
    if not path.is_absolute() and not path.exists() and (ROOT / path).exists():
        path = ROOT / path  # the shipped weights, from any working directory
    metadata = read_metadata(path)
    if metadata["units"] != config.units:
        raise ValueError(
            f"{path} holds networks of {metadata['units']} units, --units is {config.units}: ask for that "
            "many, or pre-train with --pretrained None"
        )
    if metadata["cell"] != config.cell:
        raise ValueError(f"{path} holds networks of cell {metadata['cell']}, --cell is {config.cell}")
    if config.networks > metadata["networks"]:
        raise ValueError(
            f"{path} holds {metadata['networks']} networks, --networks is {config.networks}: ask for fewer, "
            "or pre-train with --pretrained None"
        )
    if len(ways := dict.fromkeys(pretraining_of(path)[: config.networks])) > 1:
        raise ValueError(
            f"{path} holds networks that were pre-trained in different ways ({'; '.join(ways)}), which are "
            "not pooled in one run: name a file for each"
        )
    trained = actuation_of(path)
    if trained != config.actuation:
        raise ValueError(
            f"{path} holds networks that were pre-trained with actuation {trained}, --actuation is "
            f"{config.actuation}: name other weights, or pre-train with --pretrained None"
        )
    return path


def identity(config: Savings, weights: Path | None) -> dict[str, Any]:
    """Return the arguments that decide the results, with a digest of the weights file."""
    values = dataclasses.asdict(config)
    values["pretrained"] = None if config.pretrained is None else config.pretrained.as_posix()
    values["delays"] = as_stored(config.delays)
    if weights is not None:
        values["pretrained_sha256"] = file_digest(weights)
    usual = Savings()
    unchanged = {name for name in ONLY_IF_CHANGED if getattr(config, name) == getattr(usual, name)}
    return {name: value for name, value in values.items() if name not in {*EXECUTION, *unchanged}}


def finished(config: Savings) -> bool:
    """Return whether the run folder holds this very run, complete; nothing is run or written.

    Raises:
        FileNotFoundError, ValueError: If the run could not start, as in `start_weights`.
        FileExistsError: If the folder holds another run, or something else.
    """
    values = identity(config, start_weights(config))
    begun = config.out.is_file() or not is_empty(config.out)
    return begun and RunFolder(config.out, values).complete


def begin(config: Savings) -> RunFolder:
    """Return the run folder of a run, begun if it is new.

    Raises:
        FileNotFoundError, ValueError: If the run could not start, as in `start_weights`.
        FileExistsError: If the folder holds another run, or something else.
    """
    values = identity(config, start_weights(config))
    with sole_writer(config.out):
        return RunFolder(config.out, values, config.device)


def command(config: Savings) -> str:
    """Return the command line that repeats this run alone, in its folder."""
    return command_text("experiments.savings", config, PRESETS)


def arguments(config: Savings) -> list[str]:
    """Return the arguments of ``experiments.savings`` for this run."""
    return command_arguments(config, PRESETS)
