"""What a card says of weights: how well the networks reach, and what they saved in finished runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from agents.supervised.checkpoints import actuation_of, delays_of, load_ensemble
from agents.supervised.networks import Ensemble
from agents.supervised.policy import NetworkPolicy
from experiments import study
from experiments.savings.config import FOR_ENVIRONMENTS, ROOT, command
from experiments.savings.pretrain import as_stored
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.runs import RunFolder
from savings_gym.arrays import MM, Floats
from savings_gym.envs.trials import spawn_seeds
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.files import PROBES, file_digest, read_config, read_table
from savings_gym.metrics.savings import savings
from savings_gym.metrics.statistics import mean_interval
from savings_gym.perturbations.fields import CurlField, Field, NullField
from savings_gym.probes.probe import Probe
from savings_gym.task.settings import TRIAL_STEPS, Delays

RESULTS: Final = ROOT / "experiments" / "results" / "figures"  # numbers of the runs that figures show
ROWS: Final = {  # row of the benchmark whose networks started from a file
    FOR_ENVIRONMENTS: ROOT / "experiments" / "results" / "benchmark" / "rows" / "supervised" / "row.json",
}
FIELDS: Final[dict[str, Field]] = {"NullFieldReach-v0": NullField(), "ForceFieldReach-v0": CurlField(8.0)}
TRIALS: Final = 32  # of every network, for its return
SEED: Final = 0
FOUR_PHASES: Final = "SavingsReach-v0"
WITHIN, BEYOND_SHAM = "", "_beyond_sham"  # endings of keys
SAVED: Final = {  # name and unit by key; a sham is the same run without a field in FF1
    "initial": ("initial savings, FF1 - FF2", "mm"),
    "rate": ("learning rate, FF2 / FF1", "1"),
    "initial_beyond_sham": ("initial savings beyond the sham, its FF2 - FF2", "mm"),
    "rate_beyond_sham": ("learning rate, FF2 / FF2 of the sham", "1"),
}
KEYS: Final = {"initial": "initial_savings", "rate": "rate_ratio"}
FIRST, PRACTICE = "the first encounter with the field", "equal practice without a field in FF1"  # in RESULTS


@dataclass(frozen=True)
class Metric:
    """A number of a card.

    Attributes:
        name: In words.
        key: For machines.
        environment: Id of the environment.
        value: Mean over networks, or ratio of means.
        interval: Its 95 % interval; (None, None) for one network.
        n: Number of networks.
        unit: "mm", or "1" for a number without one.
        runs: Commands of the runs in which it was measured; none if it was in the file itself.
    """

    name: str
    key: str
    environment: str
    value: float
    interval: tuple[float | None, float | None]
    n: int
    unit: str
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Reaches:
    """Probes of all networks of a file in one field.

    Attributes:
        path: (networks, 8, 101, 2) hand positions [m].
        target: (8, 2) [m].
        columns: Measure to (networks,) means over targets.
    """

    path: Floats
    target: Floats
    columns: dict[str, Floats]


def task_arguments(path: Path) -> dict[str, Any]:
    """Return the arguments of the environment for which networks were trained, those that are not usual."""
    actuation, delays = actuation_of(path), delays_of(path)
    usual = delays == Delays()
    return ({} if actuation == "muscle" else {"actuation": actuation}) | (
        {} if usual else {"delays": as_stored(delays)}
    )


def probe_networks(path: Path) -> dict[str, Reaches]:
    """Return probes of all networks, before any learning in a field, by id of the environment."""
    ensemble = load_ensemble(path)
    settings = ReachVectorEnv(1, **task_arguments(path)).settings
    reaches = {}
    for env_id, field in FIELDS.items():
        probe = Probe(settings, seed=SEED)
        results = [probe(NetworkPolicy(ensemble, i), field, number=i) for i in range(ensemble.networks)]
        probe.close()
        names = ("lateral_deviation", "endpoint_error")
        columns = {name: np.array([result.mean(name) for result in results]) for name in names}
        reaches[env_id] = Reaches(np.stack([r.path for r in results]), results[0].target, columns)
    return reaches


def reach_metrics(path: Path, reaches: dict[str, Reaches]) -> list[Metric]:
    """Return returns, deviations and errors of the networks in a file.

    Args:
        path: Weights file.
        reaches: Of `probe_networks`.
    """
    ensemble, arguments = load_ensemble(path), task_arguments(path)
    metrics = []
    for env_id, field in FIELDS.items():
        returns = network_returns(ensemble, field, arguments)
        metrics.append(_over_networks("return per trial", "mean_reward", env_id, returns, "1"))
    for env_id, of in reaches.items():
        for name, key in (("lateral deviation", "lateral_deviation"), ("endpoint error", "endpoint_error")):
            metrics.append(_over_networks(name, key, env_id, MM * of.columns[key], "mm"))
    return metrics


def network_returns(ensemble: Ensemble, field: Field, arguments: dict[str, Any]) -> Floats:
    """Return the mean return of every network over the same `TRIALS` trials, (networks,)."""
    n = ensemble.networks
    env = ReachVectorEnv(n * TRIALS, field=field, nthread=1, **arguments)
    observation, _ = env.reset(seed=spawn_seeds(SEED, TRIALS) * n)
    policy, state, total = NetworkPolicy(ensemble, None), None, np.zeros(n * TRIALS)
    for _ in range(TRIAL_STEPS):
        action, state = policy.predict(observation, state)
        observation, reward, _, _, _ = env.step(action)
        total += reward
    env.close()
    means: Floats = total.reshape(n, TRIALS).mean(1)
    return means


def run_metrics(path: Path, run: Path, sham: Path | None = None) -> list[Metric]:
    """Return what the networks in a file saved in a finished run of `experiments.savings`.

    Args:
        path: Weights file.
        run: Folder of the run, which started from the file.
        sham: Folder of the same run with no field in FF1; adds savings beyond equal practice.

    Raises:
        FileNotFoundError, ValueError: If a folder holds no such run, or one that started from other weights.
    """
    for folder in (run, *(() if sham is None else (sham,))):
        if read_config(folder).get("pretrained_sha256") != file_digest(path):
            raise ValueError(f"the run in {folder} did not start from {path}")
    summary, runs = RunFolder.read_summary(run), (command(stored_arguments(run)),)
    metrics = _savings_metrics(summary["savings"], WITHIN, runs)
    if after := summary["after_effect"]:
        low, high = after["ci"]
        interval = (None, None) if low is None else (MM * low, MM * high)
        name, mean, n = "after-effect at the start of NF2", MM * after["mean"], after["networks"]
        metrics.append(Metric(name, "after_effect", FOUR_PHASES, mean, interval, n, "mm", runs))
    if sham is not None:
        parts = [read_table(folder / PROBES) for folder in (sham, run)]
        shared = np.intersect1d(*(part["network"].unique() for part in parts))
        phases = [
            part[(part["phase"] == "FF2") & part["network"].isin(shared)].assign(phase=phase)
            for part, phase in zip(parts, ("FF1", "FF2"), strict=True)
        ]
        beyond = savings(pd.concat(phases, ignore_index=True), partial=True).to_dict()["savings"]
        metrics += _savings_metrics(beyond, BEYOND_SHAM, (*runs, command(stored_arguments(sham))))
    return metrics


def shown_metrics(path: Path, results: Path = RESULTS) -> list[Metric]:
    """Return what the networks in a file saved in the run that the figures of the repository show.

    Args:
        path: Weights file; one that no run started from gives an empty list.
        results: Folder of ``runs.json`` and of the quantities of `experiments.figures`.

    Raises:
        FileNotFoundError: If the folder is not there.
    """
    every = _read_json(results / "runs.json")["runs"]
    ours = path.resolve()
    runs = [run for run in every if run["pretrained"] and (ROOT / run["pretrained"]).resolve() == ours]
    if not runs:
        return []
    run, commands = runs[0], {run["name"]: run["command"] for run in every}
    sham = commands.get("sham" if run["kind"] == "main" else f"{run['name']}-sham")
    both = (run["command"],) if sham is None else (run["command"], sham)
    quantities = {
        quantity["name"]: quantity
        for name in ("learning", "size", "practice", "controls")
        if (results / f"{name}.json").is_file()
        for quantity in _read_json(results / f"{name}.json")["quantities"]
    }
    units, practice = run["units"], f"initial savings beyond practice, {run['units']} units"
    names = [
        ("initial", WITHIN, f"savings, initial deviation, {units} units"),
        ("rate", WITHIN, f"savings, rate, {units} units"),
        ("initial", BEYOND_SHAM, practice),
    ]
    if run["kind"] == "main":
        names = [("initial", WITHIN, study.INITIAL_SAVINGS), ("rate", WITHIN, study.RATE_RATIO), names[-1]]
    elif run["kind"] != "size":
        names = [
            (kind, ending, f"{run['name']}: {kind} savings, against {reference}")
            for ending, reference in ((WITHIN, FIRST), (BEYOND_SHAM, PRACTICE))
            for kind in KEYS
        ]
    return [
        _saved(kind, ending, found["value"], found["ci"], found["networks"], both if ending else both[:1])
        for kind, ending, name in names
        if (found := quantities.get(name)) is not None and found["value"] is not None
    ]


def row_metrics(path: Path) -> list[Metric]:
    """Return what the networks in a file saved in the benchmark, beyond the sham, too.

    Args:
        path: Weights file; one that no row of `ROWS` started from gives an empty list.
    """
    rows = [row for file, row in ROWS.items() if (ROOT / file).resolve() == path.resolve()]
    metrics = []
    for file in rows:
        row = _read_json(file)
        numbers, runs = row["results"]["reset"]["statistics"], (row["command"],)
        ratio = numbers["rate_savings"]
        saved = [
            ("initial", WITHIN, numbers["initial_savings"]),
            ("rate", WITHIN, ratio | {"mean": ratio["ratio"], "ci": ratio["ratio_ci"]}),
            ("initial", BEYOND_SHAM, numbers["against_sham"]["initial"]),
        ]
        for kind, ending, its in saved:
            scale = MM if kind == "initial" else 1.0
            interval = [scale * end for end in its["ci"]]
            metrics.append(_saved(kind, ending, scale * its["mean"], interval, its["networks"], runs))
    return metrics


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def _savings_metrics(saved: dict[str, Any], ending: str, runs: tuple[str, ...]) -> list[Metric]:
    """Initial and rate savings of a summary, those that could be measured."""
    metrics = []
    for kind, quantity, scale in (("initial", "difference", MM), ("rate", "ratio", 1.0)):
        if (section := saved[kind]) and section[quantity] is not None:
            interval = [None if end is None else scale * end for end in section["ci"]]
            value = scale * section[quantity]
            metrics.append(_saved(kind, ending, value, interval, section["networks"], runs))
    return metrics


def _saved(
    kind: str, ending: str, value: float, interval: Iterable[float | None], n: int, runs: tuple[str, ...]
) -> Metric:
    """Initial or rate savings, within a run or beyond its sham."""
    name, unit = SAVED[kind + ending]
    low, high = interval
    return Metric(name, KEYS[kind] + ending, FOUR_PHASES, value, (low, high), n, unit, runs)


def _over_networks(name: str, key: str, env_id: str, values: Floats, unit: str) -> Metric:
    """Mean over networks with its t interval."""
    low, high = mean_interval(values) if len(values) > 1 else (None, None)
    return Metric(name, key, env_id, float(values.mean()), (low, high), len(values), unit)
