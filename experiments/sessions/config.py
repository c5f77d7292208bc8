"""Arguments of the sessions experiment, and what networks are trained on.

A session used in training is short, since gradients go back through all of its trials. What it rewards
decides what a memory can be good for: in "adaptation" one field lasts for the whole session; in "relearning"
the field comes back after a washout. In both, networks also learn to report the field
(``agents.supervised.field_reading``), at first; in "alone" they are trained as in "adaptation", on reaching
alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from agents.supervised.learner import Learning
from agents.supervised.memory import check_learning_memory
from agents.supervised.reaches import TRAINING_GO
from experiments.runs.command_line import choice, choices
from experiments.savings.config import FOR_ENVIRONMENTS, Savings, start_weights
from experiments.sessions.protocol import UNTRAINED, SessionTests
from savings_gym.arrays import as_choice, as_number, as_whole_number
from savings_gym.files import file_digest
from savings_gym.perturbations.fields import NullField
from savings_gym.task.session import Block, Session, adaptation_session
from savings_gym.task.settings import go_steps

ADAPTATION, RELEARNING, ALONE = REGIMES = ("adaptation", "relearning", "alone")
TRAINED_IN: Final = {
    ADAPTATION: adaptation_session(8),
    ALONE: adaptation_session(8),
    RELEARNING: Session(
        (
            Block("NF1", NullField(), (1, 2)),
            Block("FF1", "A", (2, 4)),
            Block("NF2", NullField(), (1, 3)),
            Block("FF2", "A", 4),
        )
    ),
}
PRESET_NAMES: Final = ("quick", "paper", "smoke")
NAMES: Final = {
    UNTRAINED: "untrained", ADAPTATION: "one field", RELEARNING: "returning field",
    ALONE: "one field, reaching alone",
}  # fmt: skip


@dataclass(frozen=True)
class Sessions(SessionTests):
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 shipped networks, 2 000 updates of each kind), paper (10 000), smoke (seconds)."""
    seed: int = 0
    """Seed of all random numbers; the weights to start from are alike for every seed."""
    units: int = 128
    """Recurrent units of each network."""
    pretrained: Path = FOR_ENVIRONMENTS
    """Weights to start from, of networks pre-trained on single reaches."""
    regimes: Annotated[tuple[str, ...], choices(REGIMES)] = REGIMES
    """What networks are trained in, each from the same weights: sessions in one field, sessions in which a
    field comes back after a washout, or sessions in one field without the loss of `reading`."""
    updates: int = 2_000
    """Updates of the training in sessions."""
    sessions: int = 8
    """Sessions of each network in an update, of 8 trials each."""
    rate: float = 1e-3
    """Learning rate of Adam at first; it falls linearly to 0."""
    clip: float = 1.0
    """Largest gradient norm of a network."""
    reading: float = 300.0
    """Weight, at first, of a further loss: the square error of a linear read-out of activity that learns to
    report the field, in units of --b. It falls linearly to 0."""
    reading_share: float = 0.4
    """Share of the updates after which that weight is 0."""
    reading_rate: float = 3e-3
    """Learning rate (Adam) of that read-out."""
    catch_fraction: float = 0.2
    """Probability of a training trial without a go cue."""
    training_go: tuple[float, float] = TRAINING_GO
    """First and last time of go in training trials [s]."""
    keep_every: int = 200
    """Updates between saved states, and the most that a kill can lose."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        super().__post_init__()
        for name in ("units", "updates", "sessions", "keep_every"):
            as_whole_number(name, getattr(self, name), 1)
        unknown = [name for name in self.regimes if name not in REGIMES]
        if unknown or len(set(self.regimes)) != len(self.regimes):
            raise ValueError(f"regimes must be some of {', '.join(REGIMES)}, each once, got {self.regimes}")
        as_number("catch_fraction", self.catch_fraction, 0.0, 0.99)
        as_number("reading", self.reading, 0.0)
        for name in ("reading_share", "reading_rate"):
            as_number(name, getattr(self, name), 0.0, 1.0)
        go_steps(self.training_go)
        self.learning()

    def learning(self) -> Learning:
        """Return how networks learn in sessions."""
        return Learning("adam", rate=self.rate, clip=self.clip)

    def reading_weight(self, regime: str, update: int) -> float:
        """Return the weight of reading the field in an update."""
        last = self.reading_share * self.updates
        return self.reading * (1.0 - update / last) if regime != ALONE and update < last else 0.0

    def taught(self, regime: str) -> bool:
        """Return whether networks learn to report the field in a regime, at first."""
        return regime != UNTRAINED and self.reading_weight(regime, 0) > 0.0

    def name(self, regime: str) -> str:
        """Return the name of a regime in tables, which says if networks were taught to report the field."""
        return f"{NAMES[regime]}, reported" if self.taught(regime) else NAMES[regime]

    def start(self) -> Savings:
        """Return the arguments of a run of `experiments.savings` that starts from the same weights."""
        return Savings(
            networks=self.networks, units=self.units, pretrained=self.pretrained, noise=self.noise,
            delays=self.delays,
        )  # fmt: skip

    def check(self) -> Path:
        """Refuse what cannot run; return the weights to start from.

        Raises:
            FileNotFoundError, ValueError: If the weights are missing or do not fit, or memory is too small.
        """
        weights = start_weights(self.start())
        assert weights is not None
        most = max(session.trials[0] for session in TRAINED_IN.values()) * self.sessions
        check_learning_memory("gru", self.networks, self.units, most)
        return weights


PRESETS: Final = {
    "quick": Sessions(),
    "paper": Sessions(preset="paper", out=Path("runs/sessions-paper"), updates=10_000, tests=8),
    "smoke": Sessions(
        preset="smoke", out=Path("runs/sessions-smoke"), networks=2, updates=4, sessions=2, tests=2,
        nf1_trials=2, ff1_trials=2, nf2_trials=2, ff2_trials=2, washouts=(1,), keep_every=2,
    ),
}  # fmt: skip


def identity(config: Sessions, weights: Path) -> dict[str, Any]:
    """Return the arguments that decide the results, with a digest of the weights."""
    values = dataclasses.asdict(config) | {"pretrained": config.pretrained.as_posix()}
    for name in ("out", "keep_every"):
        del values[name]
    return values | {"pretrained_sha256": file_digest(weights)}
