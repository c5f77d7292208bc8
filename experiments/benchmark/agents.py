"""The agents of the benchmark: a declared list, each with all its hyper-parameters.

How the hyper-parameters were found is told in `experiments.benchmark.search`, which can look for better ones.
Learning rates may fall while an agent learns to reach, in NF1, and not after: a rate that is lower in FF2
than in FF1 would hide savings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from savings_gym.fields import CurlField, Field

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Sb3Agent:
    """An algorithm of stable-baselines3, sb3-contrib or `agents.ppo.recurrent_ppo`.

    Attributes:
        about: What it is, for the table.
        algorithm: "PPO", "SAC" or "RecurrentPPO" (ours).
        policy: Name of its policy.
        arms: Training environments side by side.
        settings: Arguments of the algorithm's class.
        last_rate: Learning rate from the end of NF1 on; it falls to it in a line. None leaves it alone.
        stack: Last observations that it sees at once.
        rewards: Whether `VecNormalize` divides rewards by their spread, as it does observations.
        recurrent: Whether it has a memory, and is also probed with memory carried across trials.
        search: Values that `experiments.benchmark.search` draws from, by the name of the setting; "a.b" is a
            setting b within a.
    """

    about: str
    algorithm: str
    policy: str
    arms: int
    settings: Settings
    last_rate: float | None = None
    stack: int = 1
    rewards: bool = True
    recurrent: bool = False
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlainAgent:
    """`agents.ppo.plain_ppo`, driven by a loop of our own instead of a callback."""

    about: str
    arms: int
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class SupervisedAgent:
    """The ensemble that learns by backpropagation through the arm; its networks are its seeds."""

    about: str
    networks: int


@dataclass(frozen=True)
class FixedAgent:
    """An agent that does not learn: a limit of the table.

    Attributes:
        about: What it is, for the table.
        kind: "zero", "random" or "model".
        knows: Field that the model-based controller expects.
    """

    about: str
    kind: str
    knows: Field | None = None


Agent = Sb3Agent | PlainAgent | SupervisedAgent | FixedAgent

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
    "gradient_steps": 1,  # for 64 control steps, one of each arm
    "n_steps": 10,  # the hand is seen 70 ms late: one step tells a critic little
    "batch_size": 256,
    "learning_starts": 6_400,
    "buffer_size": 100_000,  # 1000 trials: what is older was met in another phase
    "learning_rate": 1e-3,
    "gamma": 0.97,
    "ent_coef": "auto_0.001",  # the reward of a control step is about 0.01
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
        "RecurrentPPO", "LstmPolicy", 64, RECURRENT, 2e-4, rewards=False, recurrent=True,
        search=PPO_SEARCH,
    ),
    "recurrent-ppo-gru": Sb3Agent(
        "recurrent PPO, GRU of 128 units",
        "RecurrentPPO", "GruPolicy", 64, RECURRENT, 2e-4, rewards=False, recurrent=True,
        search=PPO_SEARCH,
    ),
    "ppo": Sb3Agent(
        "PPO, two layers of 128 units that see the last 4 observations",
        "PPO", "SquashedMlpPolicy", 64, FEEDFORWARD, 2e-4, stack=4, rewards=False,
        search={**PPO_SEARCH, "stack": (1, 2, 4, 8)},
    ),
    "sac": Sb3Agent(
        "SAC, two layers of 128 units, one observation",
        "SAC", "MlpPolicy", 64, OFF_POLICY, 2e-4, rewards=False, search=SAC_SEARCH,
    ),
    "plain-ppo": PlainAgent("PPO in plain PyTorch (agents/plain_ppo.py), one observation", 64),
    "supervised": SupervisedAgent("GRU of 128 units, backpropagation through the arm, pre-trained", 8),
    "zero": FixedAgent("no excitation", "zero"),
    "random": FixedAgent("uniformly random excitations", "random"),
    "model": FixedAgent("inverse dynamics of the arm, knows of no field", "model"),
    "model-field": FixedAgent("inverse dynamics of arm and field", "model", CurlField(8.0)),
}  # fmt: skip


def chosen_agents(names: tuple[str, ...]) -> dict[str, Agent]:
    """The agents of these names, in the order of the list; all of them for none.

    Raises:
        ValueError: For a name that is not in the list.
    """
    unknown = [name for name in names if name not in AGENTS]
    if unknown:
        raise ValueError(f"unknown agent {unknown[0]!r}; choose from: {', '.join(AGENTS)}")
    return {name: agent for name, agent in AGENTS.items() if not names or name in names}
