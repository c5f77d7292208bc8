"""The plan asks for as many seeds as its interval needs, and for what they cost."""

import json

import numpy as np
import pytest

from experiments.benchmark.page import COMMITTED
from experiments.benchmark.plan import PLAN, Plan, main, needs, planned_seeds, seeds_that_fit
from experiments.benchmark.protocol import CONTENT
from savings_gym.metrics.statistics import mean_interval, t_test

PROTOCOL = {"nf1": 1000, "ff1": 500, "nf2": 1000, "ff2": 500, "probe_every": 100}


def row(agent: str, savings: np.ndarray, memory: str = "reset") -> dict:
    test = {"mean": savings.mean(), "t": t_test(savings)[0], "networks": savings.size}
    return {
        "agent": agent, "memory": memory, "fixed": False, "seeds": savings.size, "initial_savings": test,
        "trials_to_reach": {"median": 300.0}, "wall_time_s": 3600.0,
    }  # fmt: skip


def of_spread(deviation: float, n: int = 5) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=n)
    return 0.001 + deviation * (x - x.mean()) / x.std(ddof=1)


def test_the_planned_seeds_give_the_interval_if_the_spread_is_right():
    content = {"protocol": PROTOCOL, "rows": [row("recurrent-ppo-gru", of_spread(0.004))]}
    (need,) = needs(content, 0.0015)
    widths = [np.diff(mean_interval(of_spread(0.004, n)))[0] / 2 for n in (need.seeds, need.seeds - 1)]
    assert widths[0] <= 0.0015 < widths[1] and need.safe_seeds > need.seeds
    assert need.hours == pytest.approx(4500 / 3000)  # NF1 of 500 trials, and twice the 2000 after it


def test_an_agent_gets_the_seeds_of_its_most_demanding_row_and_others_ten():
    carried = row("recurrent-ppo-gru", of_spread(0.006), "carried")
    rows = [row("recurrent-ppo-gru", of_spread(0.004)), carried, row("ppo", of_spread(0.010))]
    needed = needs({"protocol": PROTOCOL, "rows": rows}, 0.0015)
    assert planned_seeds(needed, "recurrent-ppo-gru") == needed[1].seeds > needed[0].seeds
    assert planned_seeds(needed, "ppo") == 10 < needed[2].seeds
    hours = needed[0].hours
    assert seeds_that_fit(needed, 10 * hours + 7 * hours) == 7
    assert seeds_that_fit(needed, hours) == 0


def test_a_plan_is_written_beside_the_results(tmp_path):
    (tmp_path / CONTENT).write_text((COMMITTED / CONTENT).read_text())
    assert main(["--folder", str(tmp_path), "--core-hours", "12"]) == 0
    text = (tmp_path / PLAN).read_text()
    assert "| recurrent-ppo-lstm | " in text and "With 12 core-hours" in text and "$" not in text
    (tmp_path / CONTENT).write_text(json.dumps({"rows": [{}]}))
    assert main(["--folder", str(tmp_path)]) == 2
    with pytest.raises(ValueError, match="half_width must be above 0, got 0.0"):
        Plan(half_width=0.0)
