"""What a step of the environments costs beside its bare physics, and beside other ways to have many of them.

The environments are as people use them: muscles, noise, delays, full infos, new trials included; without a
field and in a curl field. The bare physics are as many physics steps of the same model, with the same number
of threads, and nothing else: no actions written, no field, nothing read.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from statistics import median
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from mujoco.batch import Batch

from experiments.speed.bench import Bench
from experiments.speed.work import Task, ratio, take_turns
from savings_gym import CurlField, ReachEnv, ReachVectorEnv
from savings_gym.arm.model import load_arm
from savings_gym.task.settings import TRIAL_STEPS, physics_steps

SIZES = (256, 1024)  # arms whose step is compared with the bare one
FEW, MANY = 16, 256  # arms of the comparison of vector environments
FIELDS = {"null": None, "curl": CurlField(8.0)}
SUBSTEPS = physics_steps(load_arm().timestep)
Section = dict[str, Any]


def env(bench: Bench) -> Section:
    """The part ``env`` of ``experiments.speed``."""
    return measure_env(bench.config.quick)


def measure_env(quick: bool) -> Section:
    """Measures in this process, by turns.

    Args:
        quick: few and short repetitions, under 20 s; the step in which new trials begin, one in a hundred, is
            then left out of the vector's ratios, which makes them smaller by about 2 %.

    Returns:
        ``vector_step_vs_bare`` and ``single_step_vs_bare``, the largest of the ratios in ``env``, where they
        are by number of arms and field, and steps of one arm per second by environment.
    """
    vector = {str(n): _vector(n, *((5, TRIAL_STEPS // 5) if quick else (9, TRIAL_STEPS))) for n in SIZES}
    single = _single(60 if quick else 300)
    steps = {str(n): _steps_per_second(n, 1 if quick else 7) for n in (FEW, MANY)}
    return {
        "vector_step_vs_bare": max(found for by_field in vector.values() for found in by_field.values()),
        "single_step_vs_bare": max(single.values()),
        "env": {"vector": vector, "single": single, "steps_per_second": steps, "threads": os.cpu_count()},
    }


def rows(found: Section) -> list[tuple[str, str]]:
    """Lines of the report: name and value."""
    if "env" not in found:
        return []
    parts = found["env"]
    lines = [
        (f"step of {n} arms / bare physics, {field} field", f"{value:.2f}")
        for n, by_field in parts["vector"].items()
        for field, value in by_field.items()
    ]
    lines += [
        (f"step of one arm / bare physics, {field} field", f"{value:.2f}")
        for field, value in parts["single"].items()
    ]
    return lines + [
        (f"{name}, {n} arms", f"{value:,.0f} steps/s")
        for n, by_name in parts["steps_per_second"].items()
        for name, value in by_name.items()
    ]


def _vector(n: int, rounds: int, steps: int) -> dict[str, float]:
    """Time of a step of n arms over that of its bare physics, by field; `steps` a turn."""
    actions = _actions(n)[:steps]
    arm = load_arm()
    batch = Batch(arm.model, n, 0)
    batch.bind("qpos")[:], batch.bind("ctrl")[:] = arm.start, actions[0]

    def bare() -> None:
        for _ in range(steps):
            batch.step(nstep=SUBSTEPS)

    tasks: dict[str, Task] = {"bare": _timed(bare)}
    for name, field in FIELDS.items():
        made = ReachVectorEnv(n, field=field, autoreset_mode="SameStep")
        made.reset(seed=0)
        tasks[name] = _timed(_trial(made.step, actions))
    found = take_turns(tasks, rounds)
    return {name: ratio(found[name], found["bare"]) for name in FIELDS}


def _single(rounds: int) -> dict[str, float]:
    """Time of a step of the single environment over that of its bare physics, by field."""
    actions = _actions(1)[:, 0]
    model = load_arm().model
    data = mujoco.MjData(model)

    def bare() -> None:
        for _ in range(TRIAL_STEPS * SUBSTEPS):
            mujoco.mj_step(model, data)

    def start(key: int = 0) -> None:
        mujoco.mj_resetDataKeyframe(model, data, key)
        data.ctrl[:] = actions[0]

    tasks: dict[str, Task] = {"bare": _timed(bare, start)}
    for name, field in FIELDS.items():
        made = ReachEnv(field=field)
        made.reset(seed=0)
        tasks[name] = _timed(_trial(made.step, actions), made.reset)
    found = take_turns(tasks, rounds)
    return {name: ratio(found[name], found["bare"]) for name in FIELDS}


def _steps_per_second(n: int, rounds: int) -> dict[str, float]:
    """Steps of one arm per second of n arms, by environment; ours alone for many arms."""
    actions = _actions(n)
    with ExitStack() as stack:
        tasks: dict[str, Task] = {}
        for name, make in _environments(n).items():
            made = make()
            stack.callback(made.close)
            made.reset()
            tasks[name] = _timed(_trial(made.step, actions))
        found = take_turns(tasks, rounds)
    return {name: n * TRIAL_STEPS / median(seconds) for name, seconds in found.items()}


def _environments(n: int) -> dict[str, Callable[[], Any]]:
    """What makes n arms, by name."""
    fork = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    made: dict[str, Callable[[], Any]] = {"ReachVectorEnv": lambda: ReachVectorEnv(n, field=FIELDS["curl"])}
    if n <= FEW:
        made["SyncVectorEnv"] = lambda: SyncVectorEnv([_reach] * n)
        made["AsyncVectorEnv"] = lambda: AsyncVectorEnv([_reach] * n, context=fork)
    if find_spec("stable_baselines3") is None:
        return made
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from savings_gym.sb3.vec_env import ReachVecEnv

    made["ReachVecEnv"] = lambda: ReachVecEnv(n, field=FIELDS["curl"])
    if n <= FEW:
        made["DummyVecEnv"] = lambda: DummyVecEnv([_reach] * n)
        made["SubprocVecEnv"] = lambda: SubprocVecEnv([_reach] * n, start_method=fork)
    return made


def _reach() -> ReachEnv:
    """A single environment; it ends its trials itself."""
    return ReachEnv(field=FIELDS["curl"])


def _actions(n: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(100, n, 6) excitations."""
    return np.random.default_rng(0).uniform(0.0, 0.3, (TRIAL_STEPS, n, 6)).astype(np.float32)


def _trial(step: Callable[[Any], Any], actions: np.ndarray[Any, Any]) -> Callable[[], None]:
    """Makes the steps of a trial, or of a part of it."""

    def run() -> None:
        for action in actions:
            step(action)

    return run


def _timed(run: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> Task:
    """Seconds of a run, without what comes before it."""

    def task() -> float:
        before()
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return task
