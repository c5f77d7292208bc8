"""How fast recurrent PPO learns on the arm: ours beside stock sb3-contrib, and cell beside cell.

A unit of work is a rollout of one trial on all arms and the learning from it, with the same
hyper-parameters, environment and thread count for all; the contestants take turns. Hyper-parameters are
those of the benchmark's agents, and as a second case larger minibatches and layers behind the memory, where
stock wastes less.
"""

from __future__ import annotations

import time
from copy import deepcopy
from statistics import median
from typing import Any

import torch

from experiments.benchmark.agents import RECURRENT
from experiments.speed.bench import Bench
from experiments.speed.work import Task, ratio, take_turns, threads
from savings_gym.task.settings import TRIAL_STEPS

Section = dict[str, Any]
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


def rl(bench: Bench) -> Section:
    """The part ``rl`` of ``experiments.speed``."""
    return measure_rl(bench.config.quick)


def measure_rl(quick: bool) -> Section:
    """Measures in this process, by turns.

    Args:
        quick: half of the arms, one case, one number of threads, one round: under 20 s.

    Returns:
        ``recurrent_ppo_vs_stock``, stock seconds over ours with the benchmark's hyper-parameters and torch's
        threads as they are, and ``recurrent_ppo``: the same by number of threads and hyper-parameters,
        beside control steps per second of stock, of ours and of the other cells.
    """
    own = torch.get_num_threads()
    arms, rounds = (ARMS // 2, 1) if quick else (ARMS, 5)
    cases = dict(list(CASES.items())[: 1 if quick else None])
    found: dict[str, Section] = {}
    for count in [own] if quick else sorted({1, own}):
        with threads(count):
            found[str(count)] = {name: _compared(arms, case, rounds) for name, case in cases.items()}
    return {
        "recurrent_ppo_vs_stock": found[str(own)]["benchmark"]["vs_stock"],
        "recurrent_ppo": {"arms": arms, "cases": cases, "threads": found},
    }


def rows(found: Section) -> list[tuple[str, str]]:
    """Lines of the report: name and value."""
    if "recurrent_ppo" not in found:
        return []
    lines = []
    for count, by_case in found["recurrent_ppo"]["threads"].items():
        for case, values in by_case.items():
            where = f"{case}, {count} thread{'s' if count != '1' else ''}"
            lines.append((f"recurrent PPO, stock time / ours, {where}", f"{values['vs_stock']:.1f}"))
            lines += [
                (f"recurrent PPO, {name}, {where}", f"{speed:,.0f} steps/s")
                for name, speed in values["steps_per_second"].items()
            ]
    return lines


def _compared(arms: int, case: Section, rounds: int) -> Section:
    """Stock and ours with the hyper-parameters of a case."""
    from sb3_contrib import RecurrentPPO as StockRecurrentPPO

    from agents.ppo.recurrent_ppo import RecurrentPPO

    tasks = {"stock": _work(StockRecurrentPPO, "MlpLstmPolicy", arms, case)}
    tasks |= {name: _work(RecurrentPPO, policy, arms, case) for name, policy in CELLS.items()}
    found = take_turns(tasks, rounds)
    return {
        "vs_stock": ratio(found["stock"], found["lstm"]),
        "steps_per_second": {name: arms * TRIAL_STEPS / median(seconds) for name, seconds in found.items()},
    }


def _work(kind: Any, policy: str, arms: int, case: Section) -> Task:
    """A rollout and the learning from it; arguments not in the case are sb3-contrib's defaults."""
    from savings_gym.sb3.vec_env import ReachVecEnv

    env = ReachVecEnv(arms, nthread=torch.get_num_threads())
    model = kind(policy, env, **deepcopy(case), seed=0, device="cpu")

    def work() -> float:
        start = time.perf_counter()
        model.learn(arms * TRIAL_STEPS, reset_num_timesteps=False)
        return time.perf_counter() - start

    return work
