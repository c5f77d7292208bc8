"""Arguments of the experiment in which recurrent PPO learns in sessions, and its environments.

Agents first learn to reach without a field, as in the benchmark: an episode is a trial, so that nothing is
remembered. Then an episode is a session of eight trials in one field, drawn anew for every session. Memory is
carried from trial to trial, and gradients go back through all of them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from experiments.benchmark.agents import AGENTS, Sb3Agent
from experiments.runs.command_line import choice, choices
from experiments.sessions.protocol import UNTRAINED, SessionTests
from savings_gym.arrays import as_choice, as_number, as_whole_number
from savings_gym.task.session import adaptation_session
from savings_gym.task.settings import RewardWeights

PRESET_NAMES: Final = ("quick", "smoke")
CELLS: Final = ("gru", "lstm")
USUAL, STRAIGHT = REGIMES = ("usual", "straight")
NAMES: Final = {UNTRAINED: "single trials", USUAL: "sessions", STRAIGHT: "sessions, straightness rewarded"}
SESSION: Final = adaptation_session(8)  # of training
TRIALS: Final = SESSION.trials[0]


@dataclass(frozen=True)
class SessionsPpo(SessionTests):
    """Arguments of the experiment; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (8 agents, half an hour of one core each), smoke (a minute or two)."""
    out: Path = Path("runs/sessions-ppo-quick")
    """Run folder: a new one, or that of an interrupted run to resume."""
    networks: int = 8
    """Number of agents."""
    tests: int = 2
    """Sessions of every kind of test and sign of the field, at least 2."""
    washouts: tuple[int, ...] = (1, 4)
    """Trials of shorter washouts, in rising order, after which the first trial in the field is measured."""
    cell: Annotated[str, choice(CELLS)] = "gru"
    """Recurrent cell of the agents, which are those of the benchmark."""
    regimes: Annotated[tuple[str, ...], choices(REGIMES)] = REGIMES
    """Rewards of the sessions, each of which trains a copy of every agent: the usual one, or one that also
    penalises the distance from the straight line, so that compensating the field pays more."""
    straightness: float = 5.0
    """Weight of that distance in the second of them; see `RewardWeights.lateral`."""
    reaching_trials: int = 9_600
    """Trials without a field, one to an episode, in which an agent learns to reach."""
    session_trials: int = 12_800
    """Trials in sessions, 8 to an episode."""
    arms: int = 32
    """Arms that go through sessions at the same time."""
    minibatch: int = 2
    """Sessions in a minibatch."""
    rate: float = 5e-4
    """Learning rate in sessions."""
    keep_every: int = 1_024
    """Trials between saved states, and about the most that a kill can lose."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        as_choice("cell", self.cell, CELLS)
        super().__post_init__()
        as_whole_number("networks", self.networks, 2)
        unknown = [name for name in self.regimes if name not in REGIMES]
        if unknown or not self.regimes or len(set(self.regimes)) != len(self.regimes):
            raise ValueError(
                f"regimes must be one or more of {', '.join(REGIMES)}, each once, got {self.regimes}"
            )
        for name in ("arms", "keep_every"):
            as_whole_number(name, getattr(self, name), 1)
        for name, at_once in (("reaching_trials", self.agent.arms), ("session_trials", self.arms * TRIALS)):
            if as_whole_number(name, getattr(self, name), 1) % at_once:
                raise ValueError(
                    f"{name} must be a multiple of the {at_once} trials of one rollout, got "
                    f"{getattr(self, name)}"
                )
        as_whole_number("minibatch", self.minibatch, 1, self.arms)
        for name in ("straightness", "rate"):
            if as_number(name, getattr(self, name)) <= 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}")

    @property
    def agent(self) -> Sb3Agent:
        """The agent of the benchmark."""
        agent = AGENTS[f"recurrent-ppo-{self.cell}"]
        assert isinstance(agent, Sb3Agent)
        return agent

    def name(self, regime: str) -> str:
        """Return what agents were trained in, for tables."""
        return NAMES[regime]

    def task(self) -> dict[str, Any]:
        """Return the arguments that all environments of the experiment have in common."""
        return {"noise": self.noise, "delays": self.delays}

    def session_task(self, regime: str) -> dict[str, Any]:
        """Return the arguments of the environments with sessions."""
        lateral = self.straightness if regime == STRAIGHT else 0.0
        return self.task() | {"session": SESSION, "reward_weights": RewardWeights(lateral=lateral)}


PRESETS: Final = {
    "quick": SessionsPpo(),
    "smoke": SessionsPpo(
        preset="smoke", out=Path("runs/sessions-ppo-smoke"), networks=2, nf1_trials=1, ff1_trials=1,
        nf2_trials=1, ff2_trials=1, washouts=(), regimes=(USUAL,), reaching_trials=64, session_trials=16,
        arms=1, minibatch=1, keep_every=8,
    ),
}  # fmt: skip


def identity(config: SessionsPpo) -> dict[str, Any]:
    """Return the arguments that decide the results, with the hyper-parameters of the agents."""
    values = dataclasses.asdict(config)
    for name in ("out", "keep_every"):
        del values[name]
    return values | {"settings": dict(config.agent.settings), "last_rate": config.agent.last_rate}
