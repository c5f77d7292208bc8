"""The search: draws follow their seed, values reach their settings, and runs are found again."""

import json
import multiprocessing
import os
import signal
import threading
import time

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
        ({"preset": "tiny"}, r"preset must be one of \('smoke', 'quick', 'full'.*, got 'tiny'"),
        ({"draws": 0}, "draws must be a whole number of at least 1, got 0"),
        ({"rungs": 0}, "rungs must be a whole number of at least 1, got 0"),
        ({"seeds": ()}, "seeds must be different whole numbers"),
        ({"seed": -1}, "seeds must be different whole numbers"),
    ],
)
def test_bad_arguments_are_named(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Search(**{"agent": "ppo", "out": tmp_path} | changes)


def test_arguments_that_are_not_given_are_those_of_the_preset():
    config = Search("ppo", preset="smoke", trials=1280, rungs=3)
    assert config.size("draws") == 2 and config.size("seeds") == (100,)
    assert config.rung_trials() == [128, 448, 1280]


def test_the_declared_settings_and_the_best_third_of_the_others_go_on():
    assert search.survivors({0: 0.9, 1: 0.3, 2: 0.1, 3: 0.2, 4: 0.5, 5: 0.4}) == [0, 2, 3]
    assert search.survivors({0: 0.1, 1: 0.2}) == [0, 1]


def plant(config, values, trials, errors):
    file = search.run_file(config, values, trials, 100)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"values": values, "errors": errors}))


def test_a_finished_search_ranks_its_draws_by_error_the_longest_runs_first(tmp_path):
    config = Search("ppo", tmp_path, draws=3, trials=192, rungs=2, seeds=(100,), jobs=1)
    draws = draw_values(search.SEARCHABLE["ppo"], 3, 0)
    for values, error in zip(draws, (0.05, 0.03, 0.04), strict=True):
        plant(config, values, 64, [0.5, error, error, error])
    for values, error in zip(draws[:2], (0.02, 0.01), strict=True):
        plant(config, values, 192, [0.5, error, error, error])
    assert search.run(config) == 0
    rows = json.loads((tmp_path / "search.json").read_text())["rows"]
    expected = [(1, 192, 0.01), (0, 192, 0.02), (1, 64, 0.03), (2, 64, 0.04), (0, 64, 0.05)]
    assert [(row["draw"], row["trials"], round(row["error"], 6)) for row in rows] == expected
    table = (tmp_path / "search.md").read_text().splitlines()
    assert table[2].startswith("| 1 | 192 | 10.0 | 10.0 |") and "declared" in table[3]


def sleep_long(*_):
    time.sleep(60)


def test_ctrl_c_ends_a_search_at_once_with_what_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "probe_errors", sleep_long)
    threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    assert search.run(Search("ppo", preset="smoke", out=tmp_path, jobs=1)) == 130
    assert time.monotonic() - began < 30.0
    while multiprocessing.active_children():
        assert time.monotonic() - began < 50.0  # a run sleeps longer
        time.sleep(0.1)


def test_a_smoke_search_makes_its_runs_once(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sb3_contrib")
    arguments = ["--agent", "recurrent-ppo-gru", "--preset", "smoke", "--trials", "64", "--jobs", "1"]
    arguments += ["--out", str(tmp_path)]
    assert search.main(arguments) == 0
    rows = json.loads((tmp_path / "search.json").read_text())["rows"]
    assert [row["trials"] for row in rows] == [64, 64] and {row["draw"] for row in rows} == {0, 1}
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    assert search.main(arguments) == 0 and len(files) == 2
    assert files == {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
