"""The search: draws follow their seed, values reach their settings, and runs are found again."""

import json

import pytest

from experiments.benchmark import search
from experiments.benchmark.agents import Sb3Agent
from experiments.benchmark.search import Search, draw_values, with_values

AGENT = Sb3Agent(
    "for tests", "PPO", "MlpPolicy", 8, {"learning_rate": 1e-3, "policy_kwargs": {"net_arch": [8]}},
    search={"learning_rate": (1e-3, 1e-4), "policy_kwargs.log_std_init": (-1.0, -2.0), "arms": (8, 16)},
)  # fmt: skip


def test_draws_follow_their_seed_and_begin_with_what_is_declared():
    draws = draw_values(AGENT, 20, 0)
    assert draws[0] == {} and draws == draw_values(AGENT, 20, 0) != draw_values(AGENT, 20, 1)
    assert {draw["arms"] for draw in draws[1:]} == {8, 16}
    assert draw_values(AGENT, 5, 0) == draws[:5]


def test_values_reach_their_settings():
    agent = with_values(AGENT, {"learning_rate": 1e-4, "policy_kwargs.log_std_init": -1.0, "arms": 16})
    assert agent.arms == 16 and AGENT.arms == 8
    assert agent.settings == {
        "learning_rate": 1e-4,
        "policy_kwargs": {"net_arch": [8], "log_std_init": -1.0},
    }
    assert AGENT.settings["policy_kwargs"] == {"net_arch": [8]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": "zero"}, "agent 'zero' declares no values to search; choose from: recurrent-ppo-lstm"),
        ({"draws": 0}, "draws must be a whole number of at least 1, got 0"),
        ({"seeds": ()}, "seeds must be different whole numbers"),
        ({"seed": -1}, "seeds must be different whole numbers"),
    ],
)
def test_bad_arguments_are_named(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Search(**{"agent": "ppo", "out": tmp_path} | changes)


def test_a_finished_search_ranks_its_draws_by_error(tmp_path):
    config = Search("ppo", tmp_path, draws=2, trials=64, seeds=(100,), jobs=1)
    draws = draw_values(search.SEARCHABLE["ppo"], 2, 0)
    for values, error in zip(draws, (0.02, 0.01), strict=True):
        file = search.run_file(config, values, 100)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"values": values, "errors": [0.5, error, error, error]}))
    assert search.run(config) == 0
    rows = json.loads((tmp_path / "search.json").read_text())["rows"]
    assert [(row["draw"], row["error"]) for row in rows] == [(1, 0.01), (0, 0.02)]
    table = (tmp_path / "search.md").read_text().splitlines()
    assert table[2].startswith("| 1 | 10.0 |") and "declared" in table[3]
