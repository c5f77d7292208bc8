"""The agents of the benchmark, each declared with all its hyper-parameters.

The benchmark's page, ``experiments/results/benchmark/README.md``, describes how the hyper-parameters were
found; `experiments.benchmark.search` looks for better ones. A learning rate may fall during NF1, while an
agent learns to reach, but not afterwards: a lower rate in FF2 than in FF1 would hide savings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from savings_gym.fields import CurlField, Field

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Sb3Agent:
    """An algorithm of stable-baselines3, or `agents.ppo.recurrent_ppo.RecurrentPPO`.

    Attributes:
        description: One line for the page.
        algorithm: "PPO", "SAC", "RecurrentPPO", or a class from elsewhere as "module:Class".
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


@dataclass(frozen=True)
class OutsideAgent:
    """A class from elsewhere that learns trial by trial, see `experiments.benchmark.outside`.

    Attributes:
        description: One line for the page.
        learner: The class, as "module:Class" or "path/to/file.py:Class".
        settings: Arguments of the class, those left at their defaults included.
        source: SHA-256 of the file that defines it.
        code: Where its code can be read, for the page.
    """

    description: str
    learner: str
    settings: Settings = field(default_factory=dict)
    source: str | None = None
    code: str | None = None


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
        expected_field: Field that the model-based controller compensates.
    """

    description: str
    kind: str
    expected_field: Field | None = None


Agent = Sb3Agent | OutsideAgent | PlainAgent | SupervisedAgent | FixedAgent

RECURRENT: dict[str, Any] = {
    "n_steps": 100,
    "batch_size": 400,
    "n_epochs": 5,
    "learning_rate": 1e-3,
    "gamma": 0.97,
    "minibatches": "sequences",
    "policy_kwargs": {
        "net_arch": [],
        "lstm_hidden_size": 128,
        "log_std_init": -0.5,
        "bounds": "squash",
        "action_init": 0.05,
    },
}
FEEDFORWARD = {
    "n_steps": 100,
    "batch_size": 800,
    "n_epochs": 8,
    "learning_rate": 5e-4,
    "gamma": 0.97,
    "policy_kwargs": {"net_arch": [128, 128], "log_std_init": -0.5, "action_init": 0.05},
}
OFF_POLICY = {
    "train_freq": 1,
    "gradient_steps": 1,  # per 64 control steps, one of each arm
    "n_steps": 10,  # vision is 70 ms late, so a single step hardly informs the critic
    "batch_size": 256,
    "learning_starts": 6_400,
    "buffer_size": 100_000,  # 1000 trials, so that it soon holds the current phase only
    "learning_rate": 1e-3,
    "gamma": 0.97,
    "ent_coef": "auto_0.001",  # the reward per control step is about 0.01
    "policy_kwargs": {"net_arch": [128, 128]},
}
PPO_SEARCH = {
    "learning_rate": (2e-4, 5e-4, 1e-3, 2e-3),
    "gamma": (0.93, 0.95, 0.97, 0.99),
    "n_epochs": (5, 8, 10),
    "batch_size": (400, 800, 1600),
    "policy_kwargs.log_std_init": (-1.0, -0.7, -0.5, 0.0),
}
SAC_SEARCH = {
    "learning_rate": (3e-4, 5e-4, 1e-3),
    "gamma": (0.93, 0.95, 0.97, 0.99),
    "gradient_steps": (1, 2, 4, 8),
    "n_steps": (1, 5, 10, 20),
    "batch_size": (128, 256, 512),
    "ent_coef": ("auto_0.001", "auto_0.01", "auto"),
}

AGENTS: dict[str, Agent] = {
    "recurrent-ppo-lstm": Sb3Agent(
        "recurrent PPO, LSTM of 128 units",
        "RecurrentPPO", "LstmPolicy", 64, RECURRENT, 2e-4, normalise_rewards=False, recurrent=True,
        search=PPO_SEARCH,
    ),
    "recurrent-ppo-gru": Sb3Agent(
        "recurrent PPO, GRU of 128 units",
        "RecurrentPPO", "GruPolicy", 64, RECURRENT, 2e-4, normalise_rewards=False, recurrent=True,
        search=PPO_SEARCH,
    ),
    "ppo": Sb3Agent(
        "PPO, two layers of 128 units on the last 4 observations",
        "PPO", "SquashedMlpPolicy", 64, FEEDFORWARD, 2e-4, stack=4, normalise_rewards=False,
        search={**PPO_SEARCH, "stack": (1, 2, 4, 8)},
    ),
    "sac": Sb3Agent(
        "SAC, two layers of 128 units, one observation",
        "SAC", "MlpPolicy", 64, OFF_POLICY, 2e-4, normalise_rewards=False, search=SAC_SEARCH,
    ),
    "plain-ppo": PlainAgent("PPO in plain PyTorch (agents/ppo/plain_ppo.py), one observation", 64),
    "supervised": SupervisedAgent("GRU of 128 units, backpropagation through the arm, pre-trained", 8),
    "supervised-from-nothing": SupervisedAgent(
        "the same, pre-trained only until it meets the criterion", 8, pretraining_updates=20_000
    ),
    "zero": FixedAgent("no excitation", "zero"),
    "random": FixedAgent("uniformly random excitations", "random"),
    "model": FixedAgent("inverse dynamics of the arm, expects no field", "model"),
    "model-field": FixedAgent("inverse dynamics of the arm, expects the field", "model", CurlField(8.0)),
}  # fmt: skip


def chosen_agents(names: tuple[str, ...]) -> dict[str, Agent]:
    """Return the named agents in the order of `AGENTS`; all of them if no name is given.

    Raises:
        ValueError: If a name is not in the list.
    """
    unknown = [name for name in names if name not in AGENTS]
    if unknown:
        raise ValueError(f"unknown agent {unknown[0]!r}; choose from: {', '.join(AGENTS)}")
    return {name: agent for name, agent in AGENTS.items() if not names or name in names}
