"""Arguments of the experiment on rehabilitation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from agents.supervised.learner import Learning
from agents.supervised.lesions import Lesion
from agents.supervised.memory import check_learning_memory
from agents.supervised.reaches import STUDY_DELAYS, STUDY_TRAINING_GO
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE, THERAPIES, Block, course
from experiments.runs.command_line import choice, choices
from experiments.savings.config import SIZE_WEIGHTS, Savings, start_weights
from experiments.savings.phases import PhaseChanges
from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arm.changes import ArmChanges, as_arm_changes
from savings_gym.arrays import as_choice, as_number, as_seed, as_whole_number
from savings_gym.files import file_digest
from savings_gym.task.impairments import Impairments
from savings_gym.task.settings import N_TARGETS, Delays, Noise

PRESET_NAMES: Final = ("quick", "smoke")
INTACT: Final = "intact"  # networks without a lesion, an impaired arm, or therapy
INTACT_COURSES: Final = {  # networks without a lesion or an impaired arm: name of their course to its therapy
    f"{INTACT}-{therapy}": therapy for therapy in THERAPIES
}
INTACT_PRACTICE: Final = f"{INTACT}-{PRACTICE}"


def therapy_of(course_name: str) -> str:
    """Return the therapy of a course of intact or lesioned networks; `INTACT` if there is no course."""
    return INTACT_COURSES.get(course_name, course_name)


def is_intact(course_name: str) -> bool:
    """Return whether networks have no lesion and no impaired arm in this course."""
    return course_name == INTACT or course_name in INTACT_COURSES


@dataclass(frozen=True)
class Rehabilitation:
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 networks of three sizes: an hour of one core), smoke (seconds)."""
    out: Path = Path("runs/rehabilitation-quick")
    """Run folder: a new one, or that of an interrupted run to resume."""
    networks: int = 8
    """Networks of every size, the first ones that ship; each goes through every therapy."""
    sizes: tuple[int, ...] = tuple(SIZE_WEIGHTS)
    """Units of the networks."""
    seed: int = 0
    """Seed of the lesion and of all trials and noise."""
    lesion: Lesion = Lesion(units=0.1)
    """Share of units, or of recurrent weights, that networks lose for good."""
    weak: Annotated[tuple[str, ...], choices(MUSCLES)] = ()
    """Muscles that become weak when the lesion happens."""
    strength: float = 0.5
    """Factor of the force of weak muscles."""
    spastic: Annotated[tuple[str, ...], choices(MUSCLES)] = ()
    """Muscles that resist stretch when the lesion happens."""
    reflex: float = 1.0
    """Excitation of a spastic muscle per velocity of its stretch [largest shortening speeds]."""
    signal_noise: float = 0.0
    """Noise on excitations from the lesion on, as a share of them."""
    therapies: Annotated[tuple[str, ...], choices(THERAPIES)] = THERAPIES
    """Courses of therapy to compare."""
    dose: int = 400
    """Updates of practice, each with the 8 centre-out reaches."""
    everyday: int = 400
    """Updates of everyday life beside practice, each with 8 reaches from anywhere to anywhere."""
    sessions: int = 4
    """Parts of a dose that is spaced out over everyday life."""
    assistance: float = 40.0
    """Stiffness of the helping robot in the first update of assisted practice [N/m]."""
    forgetting: float = 0.95
    """Share of the assistance that is kept from update to update."""
    augmentation: float = 20.0
    """Stiffness of the robot that makes errors larger [N/m]."""
    relearn: Annotated[tuple[str, ...], choices((INTACT, *INTACT_COURSES, *THERAPIES))] = (
        INTACT, INTACT_PRACTICE, EVERYDAY, PRACTICE,
    )  # fmt: skip
    """After which courses networks meet a curl field, are washed out, and meet it again, with shams: intact
    networks without a course or after it (intact-practice, ...), and lesioned ones."""
    nf1_updates: int = 20
    """Updates of the baseline before the field."""
    ff1_updates: int = 300
    """Updates in the field."""
    nf2_updates: int = 600
    """Updates of the washout."""
    ff2_updates: int = 300
    """Updates in the field again."""
    b: float = 8.0
    """Strength of the curl field [N s/m]."""
    learning_rate: float = 5e-3
    """Learning rate of plain gradient descent; only the recurrent layer learns."""
    probe_every: int = 10
    """Updates between probes."""
    noise: Noise = Noise()
    """Noise of excitations and senses."""
    delays: Delays = STUDY_DELAYS
    """Delays of the senses and of the go cue [s]."""
    training_go: tuple[float, float] = STUDY_TRAINING_GO
    """First and last time of go in training trials [s]."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        as_whole_number("networks", self.networks, 2)
        for name in ("dose", "everyday", "sessions", "nf1_updates", "ff1_updates", "nf2_updates",
                     "ff2_updates", "probe_every"):  # fmt: skip
            as_whole_number(name, getattr(self, name), 1)
        as_seed("seed", self.seed)
        for name, high in (("assistance", 1e3), ("augmentation", 1e3), ("forgetting", 0.999)):
            as_number(name, getattr(self, name), 0.0, high)
        if not self.sizes or len(set(self.sizes)) < len(self.sizes) or set(self.sizes) - set(SIZE_WEIGHTS):
            raise ValueError(
                f"sizes must be some of {', '.join(map(str, SIZE_WEIGHTS))}, each once, got {self.sizes}"
            )
        if PRACTICE not in self.therapies:
            raise ValueError(f"therapies must contain {PRACTICE!r}, with which others are compared")
        if lacking := {therapy_of(name) for name in self.relearn} - {INTACT, *self.therapies}:
            raise ValueError(f"relearn names {', '.join(sorted(lacking))}, which is not among the therapies")
        if self.sessions > min(self.dose, self.everyday):
            raise ValueError(f"sessions must be at most dose and everyday, got {self.sessions}")
        for muscle in (*self.weak, *self.spastic):
            as_choice("muscle", muscle, MUSCLES)
        impairments = self.impairments()
        if not (self.lesion or self.weak or impairments):
            raise ValueError(
                "there is no impairment: give --lesion.units, --lesion.weights, --weak, --spastic or "
                "--signal-noise"
            )
        self.arm()
        self.learning()

    @property
    def intact_courses(self) -> tuple[str, ...]:
        """Names of the courses that intact networks take."""
        return tuple(name for name in self.relearn if name in INTACT_COURSES)

    @property
    def courses(self) -> tuple[str, ...]:
        """Names of all courses: those of lesioned networks, then those of intact ones."""
        return self.therapies + self.intact_courses

    def blocks(self, course_name: str) -> list[Block]:
        """Return the blocks of a course, by its name."""
        return course(therapy_of(course_name), self.dose, self.everyday, self.sessions)

    def arm(self) -> ArmChanges:
        """Return the arm of impaired networks."""
        return as_arm_changes({"strength": dict.fromkeys(self.weak, self.strength)})

    def impairments(self) -> Impairments:
        """Return what is impaired between impaired networks and their muscles."""
        return Impairments(self.signal_noise, tuple((name, self.reflex) for name in self.spastic))

    def learning(self) -> Learning:
        """Return how networks learn after the lesion."""
        return Learning("sgd", rate=self.learning_rate)

    def relearning(self, units: int, sham: bool, out: Path) -> Savings:
        """Return the arguments of the four phases that follow a course."""
        return Savings(
            out=out, networks=self.networks, units=units, seed=self.seed, pretrained=SIZE_WEIGHTS[units],
            nf1_updates=self.nf1_updates, ff1_updates=self.ff1_updates, nf2_updates=self.nf2_updates,
            ff2_updates=self.ff2_updates, b=self.b, onset="cue", training_go=self.training_go,
            change=PhaseChanges(ff1_b=0.0 if sham else None), learning_rate=self.learning_rate,
            noise=self.noise, delays=self.delays, probe_every=self.probe_every, figures=False,
        )  # fmt: skip

    def check(self) -> dict[int, Path]:
        """Refuse what cannot run; return the weights to start from, by size.

        Raises:
            FileNotFoundError, ValueError: If weights are missing or too few, or memory is too small.
        """
        for units in self.sizes:
            check_learning_memory("gru", self.networks, units, N_TARGETS)
        found = {units: start_weights(self.relearning(units, False, self.out)) for units in self.sizes}
        return {units: path for units, path in found.items() if path is not None}


PRESETS: Final = {
    "quick": Rehabilitation(),
    "smoke": Rehabilitation(
        "smoke", Path("runs/rehabilitation-smoke"), networks=2, sizes=(32, 64), dose=4, everyday=4,
        sessions=2, relearn=(INTACT, INTACT_PRACTICE, PRACTICE), nf1_updates=1, ff1_updates=3, nf2_updates=3,
        ff2_updates=3, probe_every=2,
    ),
}  # fmt: skip


def identity(config: Rehabilitation, weights: dict[int, Path]) -> dict[str, Any]:
    """Return the arguments that decide the results, with digests of the weights."""
    values = dataclasses.asdict(config)
    del values["out"]
    digests = {str(u): file_digest(path) for u, path in weights.items()}
    return values | {"pretrained_sha256": digests}
