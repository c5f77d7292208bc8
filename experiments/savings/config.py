"""The arguments of the four-phase experiment, its presets, and what makes a run this run and no other."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agents.supervised.checkpoints import actuation_of, read_metadata
from agents.supervised.learner import FROZEN, ROLLOUTS, Learning
from agents.supervised.losses import LossWeights
from agents.supervised.networks import CELLS, PARAMETERS, check_device, check_parameters
from agents.supervised.torch_arm import check_actuation
from experiments.runs.folder import RunFolder
from experiments.savings.experiment import Task
from experiments.savings.phases import PhaseChanges, TrainingPhase
from savings_gym.fields import CurlField
from savings_gym.task.settings import Delays, Noise

ROOT: Final = Path(__file__).resolve().parents[2]
HOW_ONLY: Final = ("out", "rollout", "keep_every", "device", "track")  # change results by rounding at most
ONLY_IF_CHANGED: Final = ("change", "rule", "actuation")  # left out where they are as in the study
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
    """bptt, or a local rule: eprop, eprop-random (``agents.supervised.local_rule``)."""
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


def start_weights(config: Savings) -> Path | None:
    """The weights file to start from, checked; None where networks are to be pre-trained."""
    if config.pretrained is None:
        return None
    path = config.pretrained
    if not path.is_absolute() and not path.exists() and (ROOT / path).exists():
        path = ROOT / path  # the shipped weights, from any working directory
    about = read_metadata(path)
    if about["units"] != config.units:
        raise ValueError(
            f"{path} holds networks of {about['units']} units, --units is {config.units}: ask for that many, "
            "or pre-train with --pretrained None"
        )
    if about["cell"] != config.cell:
        raise ValueError(f"{path} holds networks of cell {about['cell']}, --cell is {config.cell}")
    if config.networks > about["networks"]:
        raise ValueError(
            f"{path} holds {about['networks']} networks, --networks is {config.networks}: ask for fewer, or "
            "pre-train with --pretrained None"
        )
    trained = actuation_of(path)
    if trained != config.actuation:
        raise ValueError(
            f"{path} holds networks that were pre-trained with actuation {trained}, --actuation is "
            f"{config.actuation}: name other weights, or pre-train with --pretrained None"
        )
    return path


def identity(config: Savings, weights: Path | None) -> dict[str, Any]:
    """The arguments that decide the results, and which weights the file held."""
    values = dataclasses.asdict(config)
    values["pretrained"] = None if config.pretrained is None else config.pretrained.as_posix()
    if weights is not None:
        values["pretrained_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    usual = {name for name in ONLY_IF_CHANGED if getattr(config, name) == getattr(type(config)(), name)}
    return {name: value for name, value in values.items() if name not in {*HOW_ONLY, *usual}}


def finished(config: Savings) -> bool:
    """Whether the run folder holds this very run, complete; nothing is run or written.

    Raises:
        FileNotFoundError, ValueError: When the run could not start: no weights, or not of these networks.
        FileExistsError: When the folder holds another run, or something else.
    """
    mine = identity(config, start_weights(config))
    begun = config.out.is_file() or (config.out.is_dir() and any(config.out.iterdir()))
    return begun and RunFolder(config.out, mine).complete


def command(config: Savings) -> str:
    """The command line that makes this run alone, in a folder of its own."""
    return " ".join(["python -m experiments.savings", *arguments(config)])


def arguments(config: Savings) -> list[str]:
    """What must be given on the command line of ``experiments.savings`` for this run."""
    preset = PRESETS[config.preset]
    return ["--preset", config.preset, *_differing(config, preset, "")]


def _differing(config: Any, default: Any, prefix: str) -> list[str]:
    """Flags of the fields of a dataclass that are not as in another of its kind."""
    given: list[str] = []
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        flag = f"{prefix}{field.name.replace('_', '-')}"
        if value == usual or field.name == "preset":
            continue
        if dataclasses.is_dataclass(value):
            given += _differing(value, usual, f"{flag}.")
        elif isinstance(value, bool):
            given.append(f"--{flag}" if value else f"--{'no-' + flag}")
        elif isinstance(value, tuple):
            given += [f"--{flag}", *(str(entry) for entry in value)]
        else:
            given += [f"--{flag}", str(value)]
    return given
