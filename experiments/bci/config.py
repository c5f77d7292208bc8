"""Arguments of the experiment with a brain-computer interface."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from agents.supervised.learner import Learning
from agents.supervised.networks import CELLS, check_cell
from experiments.runs.command_line import choice
from savings_gym.arrays import as_choice, as_number, as_numbers, as_seed, as_whole_number
from savings_gym.bci.decoder import SMOOTHING
from savings_gym.bci.factors import FACTORS
from savings_gym.bci.perturbations import CHANGE, KINDS, OUTSIDE, WITHIN
from savings_gym.task.settings import Delays, Noise

SHAM: Final = {kind: f"{kind}, sham" for kind in KINDS}  # practises the intuitive decoder in FF1
CONDITIONS: Final = (WITHIN, SHAM[WITHIN], OUTSIDE, SHAM[OUTSIDE])
PRESET_NAMES: Final = ("quick", "smoke")


@dataclass(frozen=True)
class Bci:
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 networks, some minutes), smoke (seconds)."""
    out: Path = Path("runs/bci-quick")
    """Run folder: a new one, or that of a finished run to show."""
    networks: int = 8
    """Number of networks, each of which goes through every condition."""
    cell: Annotated[str, choice(CELLS)] = "gru"
    """Kind of recurrent network."""
    units: int = 60
    """Units of each network, all of which are decoded."""
    seed: int = 0
    """Seed of all random numbers."""
    factors: int = FACTORS
    """Factors of the activity, the dimension of the manifold."""
    smoothing: float = SMOOTHING
    """Share of the cursor's velocity that a decoder keeps in a control step."""
    change: tuple[float, float] = CHANGE
    """Lowest and highest change of open-loop velocities by a perturbation, relative to their size."""
    candidates: int = 2000
    """Permutations among which a perturbation is chosen."""
    calibration_noise: float = 0.05
    """Standard deviation of the noise on activity from which decoders are calibrated: private variance."""
    pretrain_updates: int = 1000
    """Updates before any decoder, in which networks learn to move the cursor by a read-out of their own."""
    pretrain_rate: float = 3e-3
    """Learning rate of Adam in these, at first; it falls linearly to 0."""
    nf1_updates: int = 100
    """Updates under the intuitive decoder."""
    ff1_updates: int = 400
    """Updates under the perturbed decoder."""
    nf2_updates: int = 400
    """Updates under the intuitive decoder again, the washout."""
    ff2_updates: int = 400
    """Updates under the perturbed decoder again."""
    rate: float = 2e-2
    """Learning rate of plain gradient descent in the four phases; only the recurrent layer learns."""
    probe_every: int = 10
    """Updates between probes."""
    noise: Noise = Noise()
    """Noise of activity and of the cursor as it is seen."""
    delays: Delays = Delays()
    """Delays of the cursor and of the go cue [s]."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        check_cell(self.cell)
        as_whole_number("networks", self.networks, 2)
        as_whole_number("units", self.units, 2)
        as_whole_number("factors", self.factors, 2, self.units - 1)
        for name in ("candidates", "pretrain_updates", "nf1_updates", "ff1_updates", "nf2_updates",
                     "ff2_updates", "probe_every"):  # fmt: skip
            as_whole_number(name, getattr(self, name), 1)
        as_seed("seed", self.seed)
        as_number("smoothing", self.smoothing, 0.0, 0.99)
        as_number("calibration_noise", self.calibration_noise, 1e-6, 1.0)
        low, high = as_numbers("change", self.change, (2,)).tolist()
        if not 0.0 <= low < high:
            raise ValueError(f"change must be two values of at least 0, the lower first, got {self.change}")
        self.pretraining()
        self.learning()

    def pretraining(self) -> Learning:
        """Return how networks learn before any decoder."""
        return Learning("adam", rate=self.pretrain_rate)

    def learning(self) -> Learning:
        """Return how networks learn in the four phases."""
        return Learning("sgd", rate=self.rate)

    def updates(self, phase: str) -> int:
        """Return the updates of a phase."""
        return int(getattr(self, f"{phase.lower()}_updates"))


PRESETS: Final = {
    "quick": Bci(),
    "smoke": Bci(
        "smoke", Path("runs/bci-smoke"), networks=2, units=12, factors=4, change=(0.2, 3.0), candidates=50,
        pretrain_updates=6, nf1_updates=2, ff1_updates=3, nf2_updates=3, ff2_updates=3, probe_every=2,
    ),
}  # fmt: skip


def identity(config: Bci) -> dict[str, Any]:
    """Return the arguments that decide the results."""
    values = dataclasses.asdict(config)
    del values["out"]
    return values
