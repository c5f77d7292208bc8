"""How fast recurrent PPO learns on the arm: this project's beside stock sb3-contrib's, and cell beside cell.

A unit of work is a rollout of one trial on all arms and the learning from it. All contestants have the same
hyper-parameters, environment and number of threads, and take turns. The hyper-parameters are those of the
benchmark's agents; a second case has larger minibatches and layers behind the memory, where stock sb3-contrib
wastes less.
"""

from __future__ import annotations

import time
from copy import deepcopy
from statistics import median
from typing import Any

import torch

from experiments.benchmark.agents import RECURRENT
from experiments.runs.tables import grouped
from experiments.speed.bench import Section
from experiments.speed.work import Task, ratio, take_turns, threads
from savings_gym.task.settings import TRIAL_STEPS

ARMS = 64
BENCHMARK: Section = {
    "n_steps": TRIAL_STEPS,
    "batch_size": RECURRENT["batch_size"],
    "n_epochs": RECURRENT["n_epochs"],
    "policy_kwargs": {name: RECURRENT["policy_kwargs"][name] for name in ("lstm_hidden_size", "net_arch")},
}
LARGE: Section = {
    **BENCHMARK,
    "batch_size": 4 * BENCHMARK["batch_size"],
    "policy_kwargs": {**BENCHMARK["policy_kwargs"], "net_arch": [64, 64]},
}
CASES = {"benchmark": BENCHMARK, "large minibatches": LARGE}
CELLS = {"lstm": "LstmPolicy", "gru": "GruPolicy", "rnn": "RnnPolicy"}
LABELS = {"stock": "sb3-contrib, LSTM", "lstm": "LSTM", "gru": "GRU", "rnn": "vanilla RNN"}


def measure_recurrent_ppo(quick: bool) -> Section:
    """Measure in this process, taking turns.

    Args:
        quick: Half of the arms, one case, one number of threads and one round: under 20 s.

    Returns:
        ``recurrent_ppo_vs_stock``, sb3-contrib's seconds over this project's with the benchmark's
        hyper-parameters and torch's own number of threads; and ``recurrent_ppo``, the same by number of
        threads and case, beside control steps per second of sb3-contrib and of every cell.
    """
    own = torch.get_num_threads()
    arms, rounds = (ARMS // 2, 1) if quick else (ARMS, 5)
    cases = dict(list(CASES.items())[: 1 if quick else None])
    by_threads: dict[str, Section] = {}
    for count in [own] if quick else sorted({1, own}):
        with threads(count):
            by_threads[str(count)] = {name: _compare(arms, case, rounds) for name, case in cases.items()}
    return {
        "recurrent_ppo_vs_stock": by_threads[str(own)]["benchmark"]["vs_stock"],
        "recurrent_ppo": {"arms": arms, "cases": cases, "threads": by_threads},
    }


def report_rows(results: Section) -> list[tuple[str, str]]:
    """Return the rows of the report: measure and value."""
    if "recurrent_ppo" not in results:
        return []
    rows = []
    for count, by_case in results["recurrent_ppo"]["threads"].items():
        for case, values in by_case.items():
            setting = f"{case}, {count} thread{'s' if count != '1' else ''}"
            rows.append(
                (f"LSTM, sb3-contrib's time / this project's, {setting}", f"{values['vs_stock']:.1f}")
            )
            rows += [
                (f"{LABELS[name]}, {setting}", f"{grouped(round(speed))} steps/s")
                for name, speed in values["steps_per_second"].items()
            ]
    return rows


def _compare(arms: int, case: Section, rounds: int) -> Section:
    """Sb3-contrib and this project with the hyper-parameters of a case."""
    from sb3_contrib import RecurrentPPO as StockRecurrentPPO

    from agents.ppo.recurrent_ppo import RecurrentPPO

    tasks = {"stock": _learning(StockRecurrentPPO, "MlpLstmPolicy", arms, case)}
    tasks |= {name: _learning(RecurrentPPO, policy, arms, case) for name, policy in CELLS.items()}
    seconds = take_turns(tasks, rounds)
    return {
        "vs_stock": ratio(seconds["stock"], seconds["lstm"]),
        "steps_per_second": {name: arms * TRIAL_STEPS / median(values) for name, values in seconds.items()},
    }


def _learning(algorithm: Any, policy: str, arms: int, case: Section) -> Task:
    """A task of one rollout and the learning from it; other arguments are sb3-contrib's defaults."""
    from savings_gym.sb3.vec_env import ReachVecEnv

    env = ReachVecEnv(arms, nthread=torch.get_num_threads())
    model = algorithm(policy, env, **deepcopy(case), seed=0, device="cpu")

    def task() -> float:
        start = time.perf_counter()
        model.learn(arms * TRIAL_STEPS, reset_num_timesteps=False)
        return time.perf_counter() - start

    return task
