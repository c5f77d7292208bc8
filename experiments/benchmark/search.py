"""A search for hyper-parameters: random draws from the choices of an agent, halved by how well they reach.

    python -m experiments.benchmark.search --agent recurrent-ppo-gru [--preset smoke|quick|full]
    python -m experiments.benchmark.search --agent ppo --draws 12 --trials 5000 --rungs 1

Every draw learns to reach without a field, once per seed, with a learning rate that falls over its trials.
Its score is the mean end-point error of the last probes, so that savings take no part in the choice. On every
rung but the last, runs are shorter, and the best third goes on to the next rung, where it starts anew with
three times the trials (successive halving, Jamieson & Talwalkar 2016, arXiv:1502.07943). Draw 0, what
``hyperparameters.toml`` declares, always goes on.

Every finished run is a file in ``--out``/runs. Repeated, the command does what is missing. It keeps the table
of all runs in search.json and search.md.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments.benchmark.agents import AGENTS, Sb3Agent, chosen_agents
from experiments.benchmark.protocol import check_seeds
from experiments.runs.command_line import StopFlag, choice, command_main, end_with_parent
from experiments.runs.side_by_side import ONE_THREAD
from experiments.runs.tables import markdown_table
from savings_gym.arrays import MM, as_choice, as_whole_number
from savings_gym.files import write_atomically, write_json
from savings_gym.perturbations.fields import NullField
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)
PROBES = 10  # per run
POLL = 0.2  # s
SCORED = 3  # last probes, whose mean error is the score
KEPT = 3  # one in so many draws goes on, to so many times the trials
DECLARED = "declared"
OWN = ("arms", "stack", "last_rate")  # of the agent, not of its algorithm
Values = dict[str, Any]
SEARCHABLE = {name: agent for name, agent in AGENTS.items() if isinstance(agent, Sb3Agent) and agent.search}
PRESETS: dict[str, Values] = {
    "smoke": {"draws": 2, "trials": 64, "rungs": 1, "seeds": (100,)},
    "quick": {"draws": 6, "trials": 4_800, "rungs": 2, "seeds": (100, 101)},
    "full": {"draws": 27, "trials": 13_440, "rungs": 3, "seeds": (100, 101, 102)},
}


@dataclass(frozen=True)
class Search:
    """Arguments of the search."""

    agent: Annotated[str, choice(SEARCHABLE)]
    """Name in `experiments.benchmark.agents`, of an algorithm of stable-baselines3."""
    out: Path = Path("runs/search")
    """Folder of the results."""
    preset: Annotated[str, choice(PRESETS)] = "quick"
    """Decides the arguments below that are not given: smoke (seconds), quick (a core-hour), full (days)."""
    draws: int | None = None
    """Draws, including the declared settings."""
    trials: int | None = None
    """Trials of the runs on the last rung."""
    rungs: int | None = None
    """Rungs; with one, all draws have all trials."""
    seeds: tuple[int, ...] | None = None
    """Seeds of every draw; none of them is a seed of the benchmark."""
    seed: int = 0
    """Seed of the draws."""
    jobs: int = os.cpu_count() or 1
    """Runs at the same time."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        chosen_agents((self.agent,))
        if self.agent not in SEARCHABLE:
            raise ValueError(
                f"agent {self.agent!r} declares no values to search; choose from: {', '.join(SEARCHABLE)}"
            )
        as_choice("preset", self.preset, PRESETS)
        for name in ("draws", "trials", "rungs", "jobs"):
            if getattr(self, name) is not None:
                as_whole_number(name, getattr(self, name), least=1)
        if self.seeds is not None:
            check_seeds(self.seeds)
        check_seeds((self.seed,))
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")

    def size(self, name: str) -> Any:
        """Return an argument, or what the preset says."""
        given = getattr(self, name)
        return PRESETS[self.preset][name] if given is None else given

    def rung_trials(self) -> list[int]:
        """Return the trials of the runs on every rung, whole rollouts of all arms."""
        rungs, arms = self.size("rungs"), SEARCHABLE[self.agent].arms
        shares = [self.size("trials") / KEPT ** (rungs - 1 - k) for k in range(rungs)]
        return [max(round(share / arms), 1) * arms for share in shares]


def draw_values(agent: Sb3Agent, draws: int, seed: int) -> list[Values]:
    """Return the values of every draw by name; the first draw is empty: the declared settings."""
    rng = np.random.default_rng(seed)
    values: list[Values] = [{}]
    for _ in range(draws - 1):
        values.append({name: choices[rng.integers(len(choices))] for name, choices in agent.search.items()})
    return values


def with_values(agent: Sb3Agent, values: Values) -> Sb3Agent:
    """Return the agent with other values; "a.b" is setting b of a, and those of `OWN` are its own fields."""
    own = {name: value for name, value in values.items() if name in OWN}
    settings = json.loads(json.dumps(dict(agent.settings)))
    for name, value in values.items():
        if name in own:
            continue
        outer, *inner = name.split(".")
        if inner:
            settings.setdefault(outer, {})[inner[0]] = value
        else:
            settings[outer] = value
    return dataclasses.replace(agent, settings=settings, **own)


def probe_errors(name: str, values: Values, trials: int, seed: int) -> list[float]:
    """Train an agent with other values; return the mean end-point error of its probes in order [m]."""
    from experiments.benchmark.learners import make_model  # torch and stable-baselines3
    from savings_gym.sb3.callback import SavingsCallback

    agent = with_values(SEARCHABLE[name], values)
    schedule = Schedule((Phase("NF1", NullField(), trials),))
    callback = SavingsCallback(schedule, max(trials // PROBES, 1), seed=seed)
    steps = (trials + 2 * agent.arms) * TRIAL_STEPS
    make_model(agent, seed, trials * TRIAL_STEPS, steps).learn(steps, callback)
    assert callback.result is not None
    table = callback.result.table
    return [
        float(table["endpoint_error"][table["trial"] == trial].mean()) for trial in np.unique(table["trial"])
    ]


def run(config: Search) -> int:
    """Run what is missing and write the table; return the exit status, 1 if a run failed."""
    draws = draw_values(SEARCHABLE[config.agent], config.size("draws"), config.seed)
    numbers, failures = list(range(len(draws))), 0
    os.environ.update(ONE_THREAD)  # inherited by the workers
    with StopFlag() as stop:
        for trials in config.rung_trials():
            failures += _run_rung(config, draws, numbers, trials, stop)
            if stop():
                log.warning("interrupted: runs that have ended are kept; the same command makes the others")
                return stop.status
            numbers = survivors(scores(config, draws, numbers, trials))
    log.info(report(config, draws))
    return 1 if failures else 0


def survivors(errors: dict[int, float]) -> list[int]:
    """Return the draws that go on to the next rung: the declared one, and the best of the others."""
    others = sorted((number for number in errors if number), key=errors.__getitem__)
    return [0, *others[: max((len(others) + 1) // KEPT, 1)]]


def scores(config: Search, draws: list[Values], numbers: list[int], trials: int) -> dict[int, float]:
    """Return the mean errors of draws whose runs of a rung have all been made [m]."""
    by_seed = {number: _seed_scores(config, draws[number], trials) for number in numbers}
    complete = len(config.size("seeds"))
    return {number: float(np.mean(errors)) for number, errors in by_seed.items() if len(errors) == complete}


def run_file(config: Search, values: Values, trials: int, seed: int) -> Path:
    """Return the file of one run, named after its values, so that a repeated search finds it."""
    text = "_".join(f"{name}={value}" for name, value in sorted(values.items())) or DECLARED
    return config.out / "runs" / f"{config.agent}_{trials}_{seed}_{text.replace('/', '-')}.json"


def _run_rung(
    config: Search, draws: list[Values], numbers: list[int], trials: int, stop: Callable[[], bool]
) -> int:
    """Make the missing runs of a rung until ``stop()``; return how many failed."""
    missing = [
        (number, seed)
        for number in numbers
        for seed in config.size("seeds")
        if not run_file(config, draws[number], trials, seed).is_file()
    ]
    log.info("%d trials: %d draws, %d runs missing", trials, len(numbers), len(missing))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(config.jobs, spawn, _begin_worker, (os.getpid(),))
    futures = {
        pool.submit(probe_errors, config.agent, draws[number], trials, seed): (number, seed)
        for number, seed in missing
    }
    failures, running = 0, set(futures)
    try:
        while running and not stop():
            ended, running = wait(running, POLL, FIRST_COMPLETED)
            for future in ended:
                number, seed = futures[future]
                failures += not _keep(config, draws, number, trials, seed, future)
    finally:
        workers = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers if running else ():
            worker.terminate()
    return failures


def _begin_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def _keep(
    config: Search, draws: list[Values], number: int, trials: int, seed: int, future: Future[list[float]]
) -> bool:
    """Write what a run found; return whether it found anything."""
    try:
        errors = future.result()
    except Exception as error:
        log.error("draw %d, seed %d failed: %s", number, seed, error)
        return False
    content = {"values": draws[number], "errors": errors}
    write_json(run_file(config, draws[number], trials, seed), content)
    report(config, draws)  # so that a search that is stopped leaves its table
    log.info("draw %d, seed %d: %.1f mm  %s", number, seed, MM * errors[-1], draws[number])
    return True


def _seed_scores(config: Search, values: Values, trials: int) -> list[float]:
    """Return the scores of the runs of a draw that have been made, seed by seed [m]."""
    files = [run_file(config, values, trials, seed) for seed in config.size("seeds")]
    errors = [json.loads(file.read_text())["errors"] for file in files if file.is_file()]
    return [float(np.mean(series[-SCORED:])) for series in errors]


def report(config: Search, draws: list[Values]) -> str:
    """Write the draws that have runs, the last rung and the best first, and return their table."""
    agent = SEARCHABLE[config.agent]
    rows: list[Values] = []
    for trials in reversed(config.rung_trials()):
        rung = []
        for number, values in enumerate(draws):
            by_seed = _seed_scores(config, values, trials)
            if by_seed:
                row = {"draw": number, "trials": trials, "values": values, "by_seed": by_seed}
                rung.append(row | {"error": float(np.mean(by_seed))})
        rows += sorted(rung, key=lambda row: row["error"])
    content = {
        "agent": config.agent,
        "declared": dict(agent.settings) | {name: getattr(agent, name) for name in OWN},
        "seeds": list(config.size("seeds")),
        "rows": rows,
    }
    write_json(config.out / "search.json", content)
    cells = [
        [str(row["draw"]), str(row["trials"]), f"{MM * row['error']:.1f}"]
        + [", ".join(f"{MM * error:.1f}" for error in row["by_seed"])]
        + [str(row["values"].get(name, DECLARED)) for name in agent.search]
        for row in rows
    ]
    table = markdown_table(("draw", "trials", "error (mm)", "by seed", *agent.search), cells)
    write_atomically(config.out / "search.md", (table + "\n").encode())
    return table


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.benchmark.search", Search, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
