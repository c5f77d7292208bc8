"""The agents of the benchmark.

Their hyper-parameters stand in ``hyperparameters.toml``, with where each comes from;
`experiments.benchmark.search` looks for better ones. A learning rate may fall during NF1, while an
agent learns to reach, but not afterwards: a lower rate in FF2 than in FF1 would hide savings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from savings_gym.arrays import as_choice
from savings_gym.models.names import MODELS
from savings_gym.perturbations.fields import CurlField, Field

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Sb3Agent:
    """An algorithm of stable-baselines3, or `agents.ppo.recurrent_ppo.RecurrentPPO`.

    Attributes:
        description: One line for the page.
        algorithm: "PPO", "SAC", "TQC", "RecurrentPPO", or a class from elsewhere as "module:Class".
        policy: Name of its policy.
        arms: Training environments side by side.
        settings: Arguments of the algorithm's class.
        last_rate: Learning rate from the end of NF1 on, reached in a straight line; None keeps it constant.
        stack: Number of latest observations in the agent's input.
        normalise_rewards: Whether `VecNormalize` scales rewards as well as observations.
        recurrent: Whether the agent has a memory, and is also probed with memory carried across trials.
        search: Choices for `experiments.benchmark.search` by name of the setting; "a.b" is setting b of a.
        source: Of a class from elsewhere, the SHA-256 of the file that defines it; None for those above.
        code: Of a class from elsewhere, where its code can be read, for the page.
        known_noise: Whether its exploration noise can be matched between phases, see
            `experiments.benchmark.noise`.
    """

    description: str
    algorithm: str
    policy: str
    arms: int
    settings: Settings
    last_rate: float | None = None
    stack: int = 1
    normalise_rewards: bool = True
    recurrent: bool = False
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    source: str | None = None
    code: str | None = None
    known_noise: bool = True


@dataclass(frozen=True)
class OutsideAgent:
    """A class that learns trial by trial, see `experiments.benchmark.outside`: from elsewhere, or a theory.

    Attributes:
        description: One line for the page.
        learner: The class, as "module:Class" or "path/to/file.py:Class".
        settings: Arguments of the class, those left at their defaults included.
        source: SHA-256 of the file that defines it.
        code: Where its code can be read, for the page.
        recurrent: Whether it has memory that can be carried across trials.
    """

    description: str
    learner: str
    settings: Settings = field(default_factory=dict)
    source: str | None = None
    code: str | None = None
    recurrent: bool = False


@dataclass(frozen=True)
class PlainAgent:
    """`agents.ppo.plain_ppo.PlainPPO`, driven by a loop instead of a callback.

    Attributes:
        description: One line for the page.
        arms: Training environments side by side.
        settings: Arguments of `agents.ppo.plain_ppo.PPOSettings`.
    """

    description: str
    arms: int
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class SupervisedAgent:
    """An ensemble that learns by backpropagation through the arm; each network counts as a seed.

    Attributes:
        description: One line for the page.
        networks: Size of the ensemble.
        pretraining_updates: Most updates of its own pre-training on random reaches, which the criterion of
            the protocol ends; None starts from the networks that ship.
    """

    description: str
    networks: int
    pretraining_updates: int | None = None


@dataclass(frozen=True)
class FixedAgent:
    """An agent that does not learn, as a bound for the others.

    Attributes:
        description: One line for the page.
        kind: "zero", "random" or "model".
        expected_field: Field that the model-based controller compensates, see `expecting`.
    """

    description: str
    kind: str
    expected_field: Field | None = None


Agent = Sb3Agent | OutsideAgent | PlainAgent | SupervisedAgent | FixedAgent

FIELD = CurlField(8.0)  # that agents below expect, or know the effect of, unless a protocol has another

HYPERPARAMETERS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("hyperparameters.toml").read_text(encoding="utf-8")
)
RECURRENT: dict[str, Any] = HYPERPARAMETERS["recurrent-ppo"]["settings"]


def _sb3(description: str, algorithm: str, policy: str, table: str, recurrent: bool = False) -> Sb3Agent:
    """Return an agent with the hyper-parameters of a table of ``hyperparameters.toml``."""
    values = dict(HYPERPARAMETERS[table])
    choices = {name: tuple(choice) for name, choice in values.pop("search").items()}
    del values["found"], values["origin"]
    return Sb3Agent(description, algorithm, policy, recurrent=recurrent, search=choices, **values)


AGENTS: dict[str, Agent] = {
    "recurrent-ppo-lstm": _sb3(
        "recurrent PPO, LSTM of 128 units", "RecurrentPPO", "LstmPolicy", "recurrent-ppo", recurrent=True
    ),
    "recurrent-ppo-gru": _sb3(
        "recurrent PPO, GRU of 128 units", "RecurrentPPO", "GruPolicy", "recurrent-ppo", recurrent=True
    ),
    "ppo": _sb3(
        "PPO, two layers of 128 units on the last 4 observations", "PPO", "SquashedMlpPolicy", "ppo"
    ),
    "sac": _sb3("SAC, two layers of 128 units, one observation", "SAC", "MlpPolicy", "sac"),
    "tqc": _sb3(
        "TQC (truncated quantile critics), two layers of 128 units, one observation",
        "TQC", "MlpPolicy", "tqc",
    ),
    "plain-ppo": PlainAgent(
        "PPO in plain PyTorch (agents/ppo/plain_ppo.py), one observation",
        HYPERPARAMETERS["plain-ppo"]["arms"],
        HYPERPARAMETERS["plain-ppo"]["settings"],
    ),
    "supervised": SupervisedAgent(
        "GRU of 128 units, backpropagation through the arm, pre-trained",
        HYPERPARAMETERS["supervised"]["networks"],
    ),
    "supervised-from-nothing": SupervisedAgent(
        "the same, pre-trained only until it meets the criterion",
        HYPERPARAMETERS["supervised"]["networks"],
        pretraining_updates=20_000,
    ),
    **{
        theory: OutsideAgent(
            f"inverse dynamics of the arm; the field it expects is learned by {kind.name}",
            "agents.baselines.theory:TheoryLearner",
            {"theory": theory},
        )
        for theory, kind in MODELS.items()
    },
    "zero": FixedAgent("no excitation", "zero"),
    "random": FixedAgent("uniformly random excitations", "random"),
    "model": FixedAgent("inverse dynamics of the arm, expects no field", "model"),
    "model-field": FixedAgent("inverse dynamics of the arm, expects the field", "model", FIELD),
}  # fmt: skip


def expecting(agent: Agent, field: CurlField) -> Agent:
    """Return an agent of `AGENTS` in the field of a protocol: with this field, if it knows anything about it.

    That is the field that a controller expects, and the one that the theories call a perturbation of 1.
    """
    if field == FIELD:
        return agent
    if isinstance(agent, FixedAgent) and agent.expected_field is not None:
        return replace(agent, expected_field=field)
    if isinstance(agent, OutsideAgent):
        return replace(agent, settings={**agent.settings, "b": field.b})
    return agent


def chosen_agents(names: tuple[str, ...]) -> dict[str, Agent]:
    """Return the named agents in the order of `AGENTS`; all of them if no name is given.

    Raises:
        ValueError: If a name is not in the list.
    """
    for name in names:
        as_choice("agent", name, AGENTS)
    return {name: agent for name, agent in AGENTS.items() if not names or name in names}
