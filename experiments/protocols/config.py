"""Arguments of the experiment, and the schedules that they make, with their shams."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from agents.supervised.learner import Learning
from agents.supervised.memory import check_learning_memory
from agents.supervised.reaches import STUDY_DELAYS, STUDY_TRAINING_GO
from experiments.runs.command_line import choice, choices
from experiments.savings.config import SIZE_WEIGHTS, Savings, start_weights
from experiments.savings.phases import ANGLE_DEG, PERTURBATIONS, perturbation
from savings_gym.arrays import as_choice, as_number, as_seed, as_whole_number
from savings_gym.files import file_digest
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.task.protocols import protocol
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import N_TARGETS, Delays, Noise

PRESET_NAMES: Final = ("quick", "smoke")
COURSES: Final = (  # those of `savings_gym.task.protocols` but "savings", the main experiment
    "abrupt", "gradual", "interference", "spontaneous-recovery", "error-clamps", "single-trials",
    "generalisation",
)  # fmt: skip
REVERSAL: Final = {"curl": 180, "rotation": 360}  # updates in B
RAMP_SHARE: Final = 0.8  # of the updates in A, over which it grows in the gradual protocol
A_PHASES: Final = re.compile(r"(A|ramp|FF1|refresh)( \d+)?")  # in which A is learned first
RECOVERY_PHASES: Final = re.compile("A|B")
SINGLE: Final = re.compile(r"A \d+")  # a trial of A between two error clamps
UNCLIPPED: Final = 1e6  # norm to which no gradient comes


@dataclass(frozen=True)
class Protocols:
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 shipped networks, each protocol with its sham), smoke (seconds)."""
    out: Path = Path("runs/protocols-quick")
    """Run folder: a new one, or that of an interrupted run to resume."""
    only: Annotated[tuple[str, ...], choices(COURSES)] = COURSES
    """Protocols to run."""
    perturbation: Annotated[str, choice(PERTURBATIONS)] = "curl"
    """What A is: curl (a force field) or rotation (of the cursor)."""
    b: float = 8.0
    """Strength of the curl field [N s/m]."""
    angle_deg: float = ANGLE_DEG
    """Angle of the rotation [degrees]."""
    networks: int = 8
    """Networks, the first ones that ship; each goes through every protocol."""
    units: int = 128
    """Units of the networks."""
    seed: int = 0
    """Seed of all trials and noise; equal updates of all courses draw the same trials."""
    baseline: int = 20
    """Updates without a perturbation before A, each with 8 reaches."""
    adaptation: int = 400
    """Updates in A."""
    washout: int = 200
    """Updates of a washout or an error clamp after A."""
    relearning: int = 200
    """Updates in A again, after B."""
    reversal: int | None = None
    """Updates in B before the error clamp; by default about as many as take the adaptation of the quick run
    back to none, 180 of a curl field and 360 of a rotation."""
    sizes: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0)
    """Sizes of A in single updates."""
    rounds: int = 4
    """How often every size comes, and how often generalisation is measured."""
    between: int = 4
    """Updates without a perturbation between single ones with it."""
    refresh: int = 10
    """Updates in A between two measurements of generalisation."""
    learning_rate: float = 5e-3
    """Learning rate of plain gradient descent; only the recurrent layer learns."""
    single_rate: float = 2.5e-4
    """Learning rate of single updates of several sizes, whose gradients are not clipped."""
    probe_every: int = 10
    """Updates between probes, and reaches in an error clamp, from which networks do not learn."""
    noise: Noise = Noise()
    """Noise of excitations and senses."""
    delays: Delays = STUDY_DELAYS
    """Delays of the senses and of the go cue [s]."""
    training_go: tuple[float, float] = STUDY_TRAINING_GO
    """First and last time of go in training trials [s]."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        as_choice("perturbation", self.perturbation, PERTURBATIONS)
        if self.units not in SIZE_WEIGHTS:
            raise ValueError(f"units must be one of {tuple(SIZE_WEIGHTS)}, got {self.units}")
        as_whole_number("networks", self.networks, 2)
        as_whole_number("adaptation", self.adaptation, 3)  # so that some of it comes after the ramp
        for name in ("baseline", "washout", "relearning", "rounds", "between", "refresh",
                     "probe_every"):  # fmt: skip
            as_whole_number(name, getattr(self, name), 1)
        as_whole_number("reversal", self.updates_in_b, 1)
        as_seed("seed", self.seed)
        if not self.only or len(set(self.only)) < len(self.only):
            raise ValueError(f"only must name one or more different protocols, got {self.only}")
        for name in self.only:
            as_choice("only", name, COURSES)
        for size in self.sizes:
            as_number("sizes", size, 0.01, 10.0)
        if len(self.sizes) < 2 or len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes must be two or more different numbers, got {self.sizes}")
        if self.field().is_null:
            raise ValueError(f"{'angle_deg' if self.perturbation == 'rotation' else 'b'} must not be 0")
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")
        for course in COURSES:
            self.learning(course)

    def field(self) -> Field:
        """Return A."""
        size = {"curl": self.b, "rotation": self.angle_deg}[self.perturbation]
        return perturbation(self.perturbation)(size, "cue")

    @property
    def updates_in_b(self) -> int:
        """Updates in B before the error clamp."""
        return REVERSAL[self.perturbation] if self.reversal is None else self.reversal

    def learning(self, course: str = COURSES[0]) -> Learning:
        """Return how networks learn in a protocol.

        Gradients are clipped, as in the study, to less than their length: every update is a step of one
        length. Single updates of several sizes would then say nothing about errors, and are not clipped.
        """
        if course == "single-trials":
            return Learning("sgd", rate=self.single_rate, clip=UNCLIPPED)
        return Learning("sgd", rate=self.learning_rate)

    def schedule(self, course: str, sham: bool = False) -> Schedule:
        """Return a protocol whose trials are updates, or its sham.

        A sham has no perturbation where A is learned first; that of spontaneous recovery has no B, either.
        Single trials are batches like the others, half of them without a go cue.
        """
        ramp = round(RAMP_SHARE * self.adaptation)
        lengths: dict[str, dict[str, Any]] = {
            "abrupt": {"adaptation": self.adaptation, "washout": self.washout},
            "gradual": {"ramp": ramp, "adaptation": self.adaptation - ramp, "washout": self.washout},
            "interference": {"ff1": self.adaptation, "b": self.adaptation, "ff2": self.relearning},
            "spontaneous-recovery": {
                "adaptation": self.adaptation, "b": self.updates_in_b, "clamp": self.washout,
            },
            "error-clamps": {"adaptation": self.adaptation, "clamp": self.washout},
            "single-trials": {"sizes": self.sizes, "rounds": self.rounds, "between": self.between},
            "generalisation": {
                "adaptation": self.adaptation, "rounds": self.rounds, "refresh": self.refresh,
            },
        }  # fmt: skip
        first = {"nf1" if course == "interference" else "baseline": self.baseline}
        schedule = protocol(course, self.field(), **first, **lengths[course])
        bare = RECOVERY_PHASES if course == "spontaneous-recovery" else A_PHASES
        return Schedule(tuple(_changed(phase, bare if sham else None) for phase in schedule.phases))

    def check(self) -> Path:
        """Refuse what cannot run; return the weights to start from.

        Raises:
            FileNotFoundError, ValueError: If weights are missing or too few, or memory is too small.
        """
        check_learning_memory("gru", self.networks, self.units, N_TARGETS)
        run = Savings(networks=self.networks, units=self.units, pretrained=SIZE_WEIGHTS[self.units])
        weights = start_weights(run)
        assert weights is not None
        return weights


def _changed(phase: Phase, bare: re.Pattern[str] | None) -> Phase:
    """Return a phase as networks go through it, without a perturbation if its name is among the bare ones."""
    if SINGLE.fullmatch(phase.name):
        phase = dataclasses.replace(phase, catch_fraction=None)
    if bare is not None and bare.fullmatch(phase.name):
        return dataclasses.replace(phase, field=NullField(), sizes=None)
    return phase


PRESETS: Final = {
    "quick": Protocols(),
    "smoke": Protocols(
        "smoke", Path("runs/protocols-smoke"), networks=2, units=32, baseline=1, adaptation=5, washout=3,
        relearning=3, reversal=2, sizes=(0.5, 2.0), rounds=1, between=1, refresh=1, probe_every=2,
    ),
}  # fmt: skip


def identity(config: Protocols, weights: Path) -> dict[str, Any]:
    """Return the arguments that decide the results, with the digest of the weights."""
    values = dataclasses.asdict(config)
    del values["out"]
    values["reversal"] = config.updates_in_b
    return values | {"pretrained_sha256": file_digest(weights)}
