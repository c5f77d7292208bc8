"""Arguments of the experiment with a reinforcement learner at the interface."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from agents.ppo.plain_ppo import PPOSettings
from experiments.runs.command_line import choice
from savings_gym.arrays import as_choice, as_number, as_seed, as_whole_number
from savings_gym.bci.decoder import MOST_UNITS
from savings_gym.task.schedule import PHASES

PRESET_NAMES: Final = ("quick", "smoke")


@dataclass(frozen=True)
class BciPpo:
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 agents, some ten minutes of one core each), smoke (seconds)."""
    out: Path = Path("runs/bci-ppo-quick")
    """Run folder: a new one, or that of an interrupted run to resume."""
    agents: int = 8
    """Number of agents, each of which goes through the perturbed decoder and through the sham."""
    seed: int = 0
    """Seed of all random numbers."""
    units: int = 10
    """Units, whose activity the actions are."""
    angle: float = 60.0
    """Angle by which the perturbed decoder turns the cursor [degrees], counter-clockwise."""
    cursors: int = 128
    """Cursors that an agent moves at the same time."""
    nf1_trials: int = 19_200
    """Trials with the intuitive decoder."""
    ff1_trials: int = 10_240
    """Trials with the perturbed decoder; of the sham, with the intuitive one."""
    nf2_trials: int = 10_240
    """Trials with the intuitive decoder again, the washout."""
    ff2_trials: int = 10_240
    """Trials with the perturbed decoder again."""
    probe_every: int = 512
    """Trials between probes."""
    ppo: PPOSettings = field(
        default_factory=lambda: PPOSettings(units=64, learning_rate=1e-3, deviation=0.5, reward_scale=30.0)
    )
    """Hyper-parameters of PPO."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        as_whole_number("agents", self.agents, 2)
        as_seed("seed", self.seed)
        as_whole_number("units", self.units, 2, MOST_UNITS)
        if as_number("angle", self.angle, -180.0, 180.0) == 0.0:
            raise ValueError("angle must not be 0: there would be nothing to learn")
        as_whole_number("cursors", self.cursors, 1)
        for name in ("probe_every", *(f"{phase.lower()}_trials" for phase in PHASES)):
            if as_whole_number(name, getattr(self, name), 1) % self.cursors:
                raise ValueError(
                    f"{name} must be a multiple of the {self.cursors} cursors, got {getattr(self, name)}"
                )

    def trials(self, phase: str) -> int:
        """Return the trials of a phase."""
        return int(getattr(self, f"{phase.lower()}_trials"))


PRESETS: Final = {
    "quick": BciPpo(),
    "smoke": BciPpo(
        "smoke", Path("runs/bci-ppo-smoke"), agents=2, cursors=4, nf1_trials=8, ff1_trials=8, nf2_trials=8,
        ff2_trials=8, probe_every=4, ppo=PPOSettings(units=8, epochs=1, minibatches=2),
    ),
}  # fmt: skip


def identity(config: BciPpo) -> dict[str, Any]:
    """Return the arguments that decide the results."""
    values = dataclasses.asdict(config)
    del values["out"]
    return values
