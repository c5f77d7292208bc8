"""A search for hyper-parameters: random draws from the choices of an agent, ranked by how well they reach.

    python -m experiments.benchmark.search --agent ppo --draws 12 --trials 5000 --out runs/search/ppo

Every draw learns to reach without a field, once per seed. Its score is the mean end-point error of the last
probes, so that savings take no part in the choice. Draw 0 is what `experiments.benchmark.agents` declares.
Repeated, the command does what is missing. It writes search.json and search.md into ``--out``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments.benchmark.agents import AGENTS, Sb3Agent, chosen_agents
from experiments.benchmark.protocol import check_seeds
from experiments.runs.command_line import choice, command_main
from experiments.runs.tables import markdown_table
from savings_gym.arrays import MM, as_whole_number
from savings_gym.fields import NullField
from savings_gym.files import write_atomically, write_json
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)
PROBES = 10  # per run
SCORED = 3  # last probes, whose mean error is the score
DECLARED = "declared"
Values = dict[str, Any]
SEARCHABLE = {name: agent for name, agent in AGENTS.items() if isinstance(agent, Sb3Agent) and agent.search}


@dataclass(frozen=True)
class Search:
    """Arguments of the search."""

    agent: Annotated[str, choice(SEARCHABLE)]
    """Name in `experiments.benchmark.agents`, of an algorithm of stable-baselines3."""
    out: Path
    """Folder of the results."""
    draws: int = 12
    """Draws, including the declared settings."""
    trials: int = 5_000
    """Trials of every run."""
    seeds: tuple[int, ...] = (100, 101)
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
        for name in ("draws", "trials", "jobs"):
            as_whole_number(name, getattr(self, name), least=1)
        check_seeds(self.seeds)
        check_seeds((self.seed,))
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")


def draw_values(agent: Sb3Agent, draws: int, seed: int) -> list[Values]:
    """Return the values of every draw by name; the first draw is empty: the declared settings."""
    rng = np.random.default_rng(seed)
    values: list[Values] = [{}]
    for _ in range(draws - 1):
        values.append({name: choices[rng.integers(len(choices))] for name, choices in agent.search.items()})
    return values


def with_values(agent: Sb3Agent, values: Values) -> Sb3Agent:
    """Return the agent with other values; "a.b" is setting b of a, "arms" and "stack" are its own fields."""
    own = {name: value for name, value in values.items() if name in ("arms", "stack")}
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
    make_model(agent, seed).learn((trials + 2 * agent.arms) * TRIAL_STEPS, callback)
    assert callback.result is not None
    table = callback.result.table
    return [
        float(table["endpoint_error"][table["trial"] == trial].mean()) for trial in np.unique(table["trial"])
    ]


def run(config: Search) -> int:
    """Run what is missing and write the table; return the exit status, 1 if a run failed."""
    agent = SEARCHABLE[config.agent]
    draws = draw_values(agent, config.draws, config.seed)
    missing = [
        (number, seed)
        for number, values in enumerate(draws)
        for seed in config.seeds
        if not run_file(config, values, seed).is_file()
    ]
    log.info("%d runs, %d of them missing", len(draws) * len(config.seeds), len(missing))
    failures = 0
    context = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the workers
    with ProcessPoolExecutor(config.jobs, mp_context=context) as pool:
        futures = {
            pool.submit(probe_errors, config.agent, draws[number], config.trials, seed): (number, seed)
            for number, seed in missing
        }
        for future in as_completed(futures):
            number, seed = futures[future]
            try:
                errors = future.result()
            except Exception as error:
                failures += 1
                log.error("draw %d, seed %d failed: %s", number, seed, error)
                continue
            content = {"values": draws[number], "errors": errors}
            write_json(run_file(config, draws[number], seed), content)
            log.info("draw %d, seed %d: %.1f mm  %s", number, seed, MM * errors[-1], draws[number])
    _report(config, agent, draws)
    return 1 if failures else 0


def run_file(config: Search, values: Values, seed: int) -> Path:
    """Return the file of one run, named after its values, so that a repeated search finds it."""
    text = "_".join(f"{name}={value}" for name, value in sorted(values.items())) or DECLARED
    return config.out / "runs" / f"{config.trials}_{seed}_{text.replace('/', '-')}.json"


def _report(config: Search, agent: Sb3Agent, draws: list[Values]) -> None:
    """Write the draws that have runs, best first."""
    rows: list[Values] = []
    for number, values in enumerate(draws):
        files = [run_file(config, values, seed) for seed in config.seeds]
        errors = [json.loads(file.read_text())["errors"] for file in files if file.is_file()]
        if errors:
            scores = [float(np.mean(series[-SCORED:])) for series in errors]
            row = {"draw": number, "values": values, "error": float(np.mean(scores)), "by_seed": scores}
            rows.append(row)
    rows.sort(key=lambda row: row["error"])
    content = {
        "agent": config.agent,
        "declared": dict(agent.settings),
        "trials": config.trials,
        "seeds": list(config.seeds),
        "rows": rows,
    }
    write_json(config.out / "search.json", content)
    cells = [
        [str(row["draw"]), f"{MM * row['error']:.1f}"]
        + [str(row["values"].get(name, DECLARED)) for name in agent.search]
        for row in rows
    ]
    table = markdown_table(("draw", "error (mm)", *agent.search), cells)
    write_atomically(config.out / "search.md", (table + "\n").encode())
    log.info(table)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.benchmark.search", Search, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
