"""How fast things are: learning beside MotorNet and bare matrix products, environments, recurrent PPO.

    python -m experiments.speed [--quick] [--part update probe parts growth projection] --out runs/speed
    python -m experiments.speed --part env rl --out runs/speed

Things that are compared take turns within one run, so that their ratios also hold on a machine that is not
quite idle; seconds hold on an idle machine only. The parts env (a step of the environments beside its bare
physics) and rl (recurrent PPO beside sb3-contrib's) are measured if named. The command writes speed.json,
README.md and speed.png into ``--out``. Without MotorNet, which is optional, its comparisons are null.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import torch

from experiments.runs.command_line import command_main
from experiments.runs.folder import versions
from experiments.speed import growth as growth_curves
from experiments.speed.bench import RESULTS, Bench, Section, Speed
from experiments.speed.environments import measure_environments
from experiments.speed.figure import write_figure
from experiments.speed.motornet import HOW_TO_GET, motornet_version
from experiments.speed.projection import project
from experiments.speed.recurrent_ppo import measure_recurrent_ppo
from experiments.speed.report import show, write_page
from experiments.speed.work import Floor, Task, ratio, repeated, take_turns
from savings_gym.files import write_json
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
BUSY = 0.5  # load average above which other work disturbs


def update(bench: Bench) -> Section:
    """Measure updates of the ensemble and of one network, beside MotorNet and the bare matrix products."""
    config = bench.config
    work, one = bench.work(config.networks), bench.work(1)
    floor = Floor(config.networks, N_TARGETS, config.units, config.device)
    tasks: dict[str, Task] = {
        "update": repeated(work.update, 2), "floor": repeated(floor, 2), "batch": work.batch_seconds,
        "single": repeated(lambda: one.batch_seconds() + one.update(), 5), **bench.motornet_tasks("update"),
    }  # fmt: skip
    seconds = take_turns(tasks, bench.rounds)
    with_batch = [a + b for a, b in zip(seconds["update"], seconds["batch"], strict=True)]
    section: Section = {
        "update_seconds": _medians(seconds),
        "time_vs_floor": ratio(seconds["update"], seconds["floor"]),
        "floor_gflops": floor.operations / median(seconds["floor"]) / 1e9,
        "network_updates_per_second": config.networks / median(with_batch),
    }
    if "motornet" in seconds:
        section["throughput_vs_motornet"] = config.networks * ratio(seconds["motornet"], with_batch)
        section["single_network_vs_motornet"] = ratio(seconds["motornet_alone"], seconds["single"])
    return section


def probe(bench: Bench) -> Section:
    """Measure probes of the ensemble and of one network, beside MotorNet."""
    networks = bench.config.networks
    work, one = bench.work(networks), bench.work(1)
    tasks: dict[str, Task] = {
        "probe": repeated(work.probe, 3), "single": repeated(one.probe, 5), **bench.motornet_tasks("probe")
    }  # fmt: skip
    seconds = take_turns(tasks, bench.rounds)
    section: Section = {"probe_seconds": _medians(seconds)}
    if "motornet" in seconds:
        section["probe_throughput_vs_motornet"] = networks * ratio(seconds["motornet"], seconds["probe"])
        section["single_probe_vs_motornet"] = ratio(seconds["motornet_alone"], seconds["single"])
    return section


def parts(bench: Bench) -> Section:
    """Measure the parts of an update; the share of the arm is the time that networks of one unit take."""
    work, arm = bench.work(bench.config.networks), bench.work(bench.config.networks, units=1)
    rounds: list[dict[str, float]] = []
    for _ in range(bench.rounds + 1):
        arm_seconds, seconds = arm.parts(), work.parts()
        arm_share = {"arm_forward": arm_seconds["forward"], "arm_backward": arm_seconds["backward"]}
        rounds.append(seconds | arm_share)
    counted = rounds[1:]  # the first round warms up
    return {"parts_seconds": {name: median(seconds[name] for seconds in counted) for name in rounds[0]}}


def growth(bench: Bench) -> Section:
    """Measure the cost of an update against networks, units, trials, physics steps and threads."""
    config = bench.config
    curves = {
        axis: growth_curves.curve(axis, values, bench.work, config, 1 if config.quick else 7)
        for axis, values in growth_curves.axes(config.quick, config.device).items()
    }
    return {"growth": curves, "growth_slopes": growth_curves.slopes(curves)}


def projection(bench: Bench) -> Section:
    """Project hours of the paper preset, minutes of the quick one, and peak memory."""
    projections = project(5 if bench.config.quick else 200, bench.config.device)
    return {
        "projection": {name: projections[name] for name in ("quick", "paper")},
        "quick_minutes": 60 * projections["quick"]["hours"],
        "paper_hours": projections["paper"]["hours"],
        "peak_memory_gb": projections["peak_memory_gb"],
    }


MEASURES: dict[str, Callable[[Bench], Section]] = {
    "update": update, "probe": probe, "parts": parts, "growth": growth, "projection": projection,
    "env": lambda bench: measure_environments(bench.config.quick),
    "rl": lambda bench: measure_recurrent_ppo(bench.config.quick),
}  # fmt: skip
KEYS = (
    "throughput_vs_motornet", "time_vs_floor", "single_network_vs_motornet", "probe_throughput_vs_motornet",
    "paper_hours", "quick_minutes", "peak_memory_gb", "motornet_peak_memory_gb",
    "vector_step_vs_bare", "single_step_vs_bare", "recurrent_ppo_vs_stock",
)  # fmt: skip


def run(config: Speed) -> Section:
    """Measure the parts and return the content of speed.json, with parts that were measured before."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load is not None and load > BUSY:
        log.warning("other work is running on this machine (load %.1f): seconds will be too long", load)
    if motornet_version() is None and {"update", "probe"} & set(config.part):
        log.warning("MotorNet is not installed, so its comparisons are null; to get it: %s", HOW_TO_GET)
    results: Section = dict.fromkeys(KEYS) | _same_measurement(config.out / RESULTS, _setting(config))
    packages: Section = {**versions(), "motornet": motornet_version()}
    origin = {"versions": packages, "load": load, "quick": config.quick}
    with ExitStack() as stack:
        bench = Bench(config, stack)
        for part in config.part:
            log.info("measuring: %s", part)
            results |= MEASURES[part](bench)
            results["origins"][part] = origin
    if bench.workers is not None:
        results["motornet_peak_memory_gb"] = bench.workers.peak_memory
    return results


def _same_measurement(file: Path, setting: Section) -> Section:
    """Results of an earlier run in the same setting; without one, the setting alone."""
    if file.is_file():
        earlier = json.loads(file.read_text())
        if all(earlier.get(name) == value for name, value in json.loads(json.dumps(setting)).items()):
            return dict(earlier)
        log.warning("%s is of another machine or of other sizes: it is replaced", file)
    return {**setting, "origins": {}}


def _setting(config: Speed) -> Section:
    """The machine and the sizes; results in different settings do not mix."""
    sizes = {name: getattr(config, name) for name in ("networks", "units", "rollout", "device")}
    try:
        from agents.kernels.threads import threads

        kernel_threads = threads()
    except ImportError:
        kernel_threads = None
    return {
        "device": "cpu" if config.device == "cpu" else torch.cuda.get_device_name(config.device),
        "cpu": _cpu(),
        "threads": {"cores": os.cpu_count(), "torch": torch.get_num_threads(), "numba": kernel_threads},
        "sizes": sizes,
    }


def _medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in seconds.items()}


def _cpu() -> str:
    """Name of the processor as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.speed", Speed, write_results, arguments, __doc__)


def write_results(config: Speed) -> int:
    """Measure the parts, write the files and print the tables; return the exit status."""
    results = run(config)
    config.out.mkdir(parents=True, exist_ok=True)
    write_json(config.out / RESULTS, results)
    write_figure(results, config.out / "speed.png")
    write_page(results, config.out / "README.md")
    show(results)
    log.info("wrote %s", config.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
