"""What networks with fixed weights are tested in: sessions with a washout or the opposite field; shams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from savings_gym.arrays import as_seed, as_whole_number
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.session import FieldPair, Session, interference_session, savings_session
from savings_gym.task.settings import Delays, Noise

UNTRAINED: Final = "untrained"  # in sessions; trained on single reaches like all others
SAVINGS, SHAM, INTERFERENCE, INTERFERENCE_SHAM = TESTS = (
    "savings", "savings, sham", "interference", "interference, sham"
)  # fmt: skip
END: Final = 4  # last trials of a block of a test whose mean is its end


def sham_of(kind: str) -> str:
    """Return the name of the sham of a kind of test."""
    return f"{kind}, sham"


def washout_test(trials: int) -> str:
    """Return the name of a test with a short washout."""
    return f"washout of {trials}"


@dataclass(frozen=True)
class SessionTests:
    """Arguments that all experiments with sessions share: what networks are tested in."""

    preset: str = "quick"
    """Name of the preset."""
    out: Path = Path("runs/sessions-quick")
    """Run folder: a new one, or that of an interrupted run to resume."""
    networks: int = 8
    """Number of networks."""
    seed: int = 0
    """Seed of all random numbers."""
    b: float = 8.0
    """Strength of the curl field of the tests [N s/m]; they are made with both of its signs."""
    tests: int = 4
    """Sessions of every kind of test and sign of the field, at least 2."""
    nf1_trials: int = 8
    """Trials of the baseline in a test."""
    ff1_trials: int = 16
    """Trials of the first block in the field."""
    nf2_trials: int = 16
    """Trials of the washout, or of the opposite field."""
    ff2_trials: int = 16
    """Trials of the second block in the field."""
    washouts: tuple[int, ...] = (1, 2, 4, 8)
    """Trials of shorter washouts, in rising order, after which the first trial in the field is measured."""
    noise: Noise = Noise()
    """Noise of excitations and senses."""
    delays: Delays = Delays()
    """Delays of the senses and of the go cue [s]."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("networks", "nf1_trials", "ff1_trials", "nf2_trials", "ff2_trials"):
            as_whole_number(name, getattr(self, name), 1)
        as_whole_number("tests", self.tests, 2)
        for trials in self.washouts:
            as_whole_number("a washout", trials, 1)
        if list(self.washouts) != sorted(set(self.washouts)):
            raise ValueError(f"washouts must be in rising order, each once, got {self.washouts}")
        as_seed("seed", self.seed)
        if self.b == 0.0:
            raise ValueError("b must not be 0: the tests need a field")
        self.test_sessions()

    def name(self, regime: str) -> str:
        """Return the name of what networks were trained in, for tables."""
        return regime

    def taught(self, regime: str) -> bool:
        """Return whether the training in a regime taught more than reaching: to report the field."""
        return False

    def lengths(self) -> dict[str, int]:
        """Return the trials of the blocks of the savings test, in their order."""
        return {name: getattr(self, f"{name.lower()}_trials") for name in ("NF1", "FF1", "NF2", "FF2")}

    def test_sessions(self) -> dict[str, Session]:
        """Return the sessions of the tests, with the declared field as A; its opposite comes by its sign."""
        first, second = CurlField(self.b), CurlField(-self.b)
        pairs = (FieldPair(first, second),)
        trials = (self.ff1_trials, self.nf2_trials, self.ff2_trials)
        tests = {
            SAVINGS: savings_session(self.nf1_trials, *trials, pairs=pairs),
            INTERFERENCE: interference_session(*trials, pairs=pairs),
        }
        for washout in self.washouts:
            tests[washout_test(washout)] = savings_session(
                self.nf1_trials, self.ff1_trials, washout, 1, pairs=pairs
            )
        return tests | {sham_of(kind): session.sham("FF1") for kind, session in tests.items()}
