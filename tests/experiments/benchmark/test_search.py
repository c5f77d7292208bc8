"""The search: draws that follow their seed, settings that end where they belong."""

import pytest

from experiments.benchmark.agents import Sb3Agent
from experiments.benchmark.search import Search, drawn, with_values

AGENT = Sb3Agent(
    "for tests", "PPO", "MlpPolicy", 8, {"learning_rate": 1e-3, "policy_kwargs": {"net_arch": [8]}},
    search={"learning_rate": (1e-3, 1e-4), "policy_kwargs.log_std_init": (-1.0, -2.0), "arms": (8, 16)},
)  # fmt: skip


def test_draws_follow_their_seed_and_begin_with_what_is_declared():
    draws = drawn(AGENT, 20, 0)
    assert draws[0] == {} and draws == drawn(AGENT, 20, 0) != drawn(AGENT, 20, 1)
    assert {draw["arms"] for draw in draws[1:]} == {8, 16}
    assert drawn(AGENT, 5, 0) == draws[:5]


def test_values_end_where_they_belong():
    made = with_values(AGENT, {"learning_rate": 1e-4, "policy_kwargs.log_std_init": -1.0, "arms": 16})
    assert made.arms == 16 and AGENT.arms == 8
    assert made.settings == {
        "learning_rate": 1e-4,
        "policy_kwargs": {"net_arch": [8], "log_std_init": -1.0},
    }
    assert AGENT.settings["policy_kwargs"] == {"net_arch": [8]}


def test_agents_without_values_to_search_are_refused(tmp_path):
    with pytest.raises(ValueError, match="agent 'zero' declares no values to search; choose from"):
        Search("zero", tmp_path)
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        Search("ppo", tmp_path, draws=0)
