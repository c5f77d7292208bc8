"""What a step of the environments costs: beside its bare physics, and beside other vector environments.

The environments are measured as people use them: with muscles, noise, delays, complete infos and the start of
new trials, without a field and in a curl field. Bare physics means the same number of physics steps of the
same model on the same number of threads, and nothing else: no actions, no field, no observations. A session
is measured beside the same trials in the trial environment, with the step, or the reset, that begins a trial.
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

from experiments.runs.tables import grouped
from experiments.speed.bench import Section
from experiments.speed.work import Task, ratio, take_turns
from savings_gym.arm.model import load_arm
from savings_gym.arrays import Array
from savings_gym.envs.session import ReachSessionEnv, ReachSessionVectorEnv
from savings_gym.envs.single import ReachEnv
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.session import MOST_TRIALS, Block, Session
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS

SIZES = (256, 1024)  # arms whose step is compared with bare physics
FEW, MANY = 16, 256  # arms of the comparison of vector environments
FIELDS = {"null": None, "curl": CurlField(8.0)}
SUBSTEPS = round(CONTROL_STEP / load_arm().timestep)


def measure_environments(quick: bool) -> Section:
    """Measure in this process, taking turns.

    Args:
        quick: Few and short repetitions, under 20 s. They leave out the step that starts new trials, one in a
            hundred, which lowers the ratios of the vector environment by about 2 %.

    Returns:
        ``vector_step_vs_bare`` and ``single_step_vs_bare``, the largest of the ratios in ``env``; there they
        are by number of arms and field, beside steps of one arm per second by environment, and the time of a
        session over that of its trials in the trial environment, by number of arms.
    """
    rounds, steps = (5, TRIAL_STEPS // 5) if quick else (9, TRIAL_STEPS)
    vector = {str(n): _vector(n, rounds, steps) for n in SIZES}
    single = _single(60 if quick else 300)
    session = {str(n): _session(n, 5 if quick else 25) for n in (1, FEW, MANY)}
    speed = {str(n): _steps_per_second(n, 1 if quick else 7) for n in (FEW, MANY)}
    return {
        "vector_step_vs_bare": max(value for by_field in vector.values() for value in by_field.values()),
        "single_step_vs_bare": max(single.values()),
        "env": {
            "vector": vector,
            "single": single,
            "session": session,
            "steps_per_second": speed,
            "threads": os.cpu_count(),
        },
    }


def report_rows(results: Section) -> list[tuple[str, str]]:
    """Return the rows of the report: measure and value."""
    if "env" not in results:
        return []
    section = results["env"]
    rows = [
        (f"step of {n} arms / bare physics, {field} field", f"{value:.2f}")
        for n, by_field in section["vector"].items()
        for field, value in by_field.items()
    ]
    rows += [
        (f"step of one arm / bare physics, {field} field", f"{value:.2f}")
        for field, value in section["single"].items()
    ]
    rows += [
        (f"trial in a session / trial of its own, {n} arm{'s' * (n != '1')}", f"{value:.2f}")
        for n, value in section.get("session", {}).items()  # which older results lack
    ]
    return rows + [
        (f"{name}, {n} arms", f"{grouped(round(value))} steps/s")
        for n, by_name in section["steps_per_second"].items()
        for name, value in by_name.items()
    ]


def _vector(n: int, rounds: int, steps: int) -> dict[str, float]:
    """Time of a step of n arms over that of its bare physics, by field, from turns of several steps."""
    actions = _actions(n)[:steps]
    arm = load_arm()
    batch = Batch(arm.model, n, 0)
    batch.bind("qpos")[:], batch.bind("ctrl")[:] = arm.start, actions[0]

    def bare() -> None:
        for _ in range(steps):
            batch.step(nstep=SUBSTEPS)

    tasks: dict[str, Task] = {"bare": _timed(bare)}
    for name, field in FIELDS.items():
        env = ReachVectorEnv(n, field=field, autoreset_mode="SameStep")
        env.reset(seed=0)
        tasks[name] = _timed(_trial(env.step, actions))
    seconds = take_turns(tasks, rounds)
    return {name: ratio(seconds[name], seconds["bare"]) for name in FIELDS}


def _single(rounds: int) -> dict[str, float]:
    """Time of a step of the single environment over that of its bare physics, by field.

    Both run in one thread, so its own processor time counts, which other processes do not change.
    """
    actions = _actions(1)[:, 0]
    model = load_arm().model
    data = mujoco.MjData(model)

    def bare() -> None:
        for _ in range(TRIAL_STEPS * SUBSTEPS):
            mujoco.mj_step(model, data)

    def start(key: int = 0) -> None:
        mujoco.mj_resetDataKeyframe(model, data, key)
        data.ctrl[:] = actions[0]

    tasks: dict[str, Task] = {"bare": _timed(bare, start, time.thread_time)}
    for name, field in FIELDS.items():
        env = ReachEnv(field=field)
        env.reset(seed=0)
        tasks[name] = _timed(_trial(env.step, actions), env.reset, time.thread_time)
    seconds = take_turns(tasks, rounds)
    return {name: ratio(seconds[name], seconds["bare"]) for name in FIELDS}


def _session(n: int, rounds: int) -> float:
    """Time of a trial of n arms within a session over that of a trial of its own, of single ones for 1."""
    actions = _actions(n)
    session = Session((Block("curl", CurlField(8.0), MOST_TRIALS),))
    trial: Any
    within: Any
    trial, within = (
        (ReachEnv(field=FIELDS["curl"]), ReachSessionEnv(session=session))
        if n == 1
        else (
            ReachVectorEnv(n, field=FIELDS["curl"], autoreset_mode="SameStep"),
            ReachSessionVectorEnv(n, session=session, autoreset_mode="SameStep"),
        )
    )
    tasks: dict[str, Task] = {}
    clock = time.thread_time if n == 1 else time.perf_counter
    for name, env in (("trial", trial), ("session", within)):
        env.reset(seed=0)
        run = _trial(env.step, actions[:, 0] if n == 1 else actions)
        tasks[name] = _timed(_followed_by(run, env.reset) if env is trial and n == 1 else run, clock=clock)
    seconds = take_turns(tasks, rounds)
    return ratio(seconds["session"], seconds["trial"])


def _followed_by(run: Callable[[], None], end: Callable[[], Any]) -> Callable[[], None]:
    """A run, then its end."""

    def both() -> None:
        run()
        end()

    return both


def _steps_per_second(n: int, rounds: int) -> dict[str, float]:
    """Steps of one arm per second, by environment of n arms; only this package's with many arms."""
    actions = _actions(n)
    with ExitStack() as stack:
        tasks: dict[str, Task] = {}
        for name, make in vector_environments(n).items():
            env = make()
            stack.callback(env.close)
            env.reset()
            tasks[name] = _timed(_trial(env.step, actions))
        seconds = take_turns(tasks, rounds)
    return {name: n * TRIAL_STEPS / median(values) for name, values in seconds.items()}


def vector_environments(n: int) -> dict[str, Callable[[], Any]]:
    """Return what makes an environment of n arms, by name; stable-baselines3's only if it is installed."""
    fork = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    factories: dict[str, Callable[[], Any]] = {
        "ReachVectorEnv": lambda: ReachVectorEnv(n, field=FIELDS["curl"])
    }
    if n <= FEW:
        factories["SyncVectorEnv"] = lambda: SyncVectorEnv([_reach] * n)
        factories["AsyncVectorEnv"] = lambda: AsyncVectorEnv([_reach] * n, context=fork)
    if find_spec("stable_baselines3") is None:
        return factories
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from savings_gym.sb3.vec_env import ReachVecEnv

    factories["ReachVecEnv"] = lambda: ReachVecEnv(n, field=FIELDS["curl"])
    if n <= FEW:
        factories["DummyVecEnv"] = lambda: DummyVecEnv([_reach] * n)
        factories["SubprocVecEnv"] = lambda: SubprocVecEnv([_reach] * n, start_method=fork)
    return factories


def _reach() -> ReachEnv:
    """A single environment, which ends its own trials."""
    return ReachEnv(field=FIELDS["curl"])


def _actions(n: int) -> Array:
    """(100, n, 6) excitations."""
    return np.random.default_rng(0).uniform(0.0, 0.3, (TRIAL_STEPS, n, 6)).astype(np.float32)


def _trial(step: Callable[[Any], Any], actions: Array) -> Callable[[], None]:
    """A run over all actions, one step each."""

    def run() -> None:
        for action in actions:
            step(action)

    return run


def _timed(
    run: Callable[[], Any],
    before: Callable[[], Any] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Task:
    """A task that measures the seconds of a run, without the preparation before it."""

    def task() -> float:
        before()
        start = clock()
        run()
        return clock() - start

    return task
