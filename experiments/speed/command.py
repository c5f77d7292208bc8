"""How fast learning is: against MotorNet, against bare matrix products, in parts, in growth, for whole runs.

    python -m experiments.speed [--quick] [--part update probe parts growth projection] --out runs/speed
    python -m experiments.speed --part env rl --out runs/speed-env

Compared things take turns in one run, so that ratios hold on a machine that is not quite quiet; seconds hold
on an idle one only. The parts env (steps of the environments beside their bare physics) and rl (recurrent PPO
beside sb3-contrib's) are made when named. Writes speed.json, speed.md and speed.png into ``--out``. MotorNet
is optional: without it the comparisons are null.
"""

from __future__ import annotations

import dataclasses
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
from experiments.speed import env as speed_env
from experiments.speed import growth as speed_growth
from experiments.speed import rl as speed_rl
from experiments.speed.bench import Bench, Section, Speed
from experiments.speed.motornet import HOW_TO_GET, motornet_version
from experiments.speed.projection import project
from experiments.speed.report import show, write_figure, write_markdown
from experiments.speed.work import Floor, Task, ratio, repeated, take_turns
from savings_gym.files import write_json
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
BUSY = 0.5  # load average above which other work disturbs


def update(bench: Bench) -> Section:
    """Updates of the ensemble and of one network, beside MotorNet and the matrix products."""
    config = bench.config
    work, one = bench.work(config.networks), bench.work(1)
    floor = Floor(config.networks, N_TARGETS, config.units, config.device)
    tasks: dict[str, Task] = {
        "update": repeated(work.update, 2), "floor": repeated(floor, 2), "batch": work.batch_seconds,
        "single": repeated(lambda: one.batch_seconds() + one.update(), 5), **bench.motornet_tasks("update"),
    }  # fmt: skip
    found = take_turns(tasks, bench.rounds)
    both = [a + b for a, b in zip(found["update"], found["batch"], strict=True)]
    section: Section = {
        "update_seconds": _medians(found),
        "time_vs_floor": ratio(found["update"], found["floor"]),
        "floor_gflops": floor.operations / median(found["floor"]) / 1e9,
        "network_updates_per_second": config.networks / median(both),
    }
    if "motornet" in found:
        section["throughput_vs_motornet"] = config.networks * ratio(found["motornet"], both)
        section["single_network_vs_motornet"] = ratio(found["motornet_alone"], found["single"])
    return section


def probe(bench: Bench) -> Section:
    """Probes of the ensemble and of one network, beside MotorNet."""
    networks = bench.config.networks
    work, one = bench.work(networks), bench.work(1)
    tasks: dict[str, Task] = {
        "probe": repeated(work.probe, 3), "single": repeated(one.probe, 5), **bench.motornet_tasks("probe")
    }  # fmt: skip
    found = take_turns(tasks, bench.rounds)
    section: Section = {"probe_seconds": _medians(found)}
    if "motornet" in found:
        section["probe_throughput_vs_motornet"] = networks * ratio(found["motornet"], found["probe"])
        section["single_probe_vs_motornet"] = ratio(found["motornet_alone"], found["single"])
    return section


def parts(bench: Bench) -> Section:
    """Where the time of an update goes; the arm's share is what networks of one unit take."""
    work, arm = bench.work(bench.config.networks), bench.work(bench.config.networks, units=1)
    series: list[dict[str, float]] = []
    for _ in range(bench.rounds + 1):
        tiny, found = arm.parts(), work.parts()
        series.append(found | {"arm_forward": tiny["forward"], "arm_backward": tiny["backward"]})
    seconds = {name: median(found[name] for found in series[1:]) for name in series[0]}
    return {"parts_seconds": seconds}


def growth(bench: Bench) -> Section:
    """Cost of a network's update against networks, units, trials, physics steps and threads."""
    config = bench.config
    curves = {
        axis: speed_growth.curve(axis, values, bench.work, config, 1 if config.quick else 7)
        for axis, values in speed_growth.axes(config.quick, config.device).items()
    }
    return {"growth": curves, "growth_slopes": speed_growth.slopes(curves)}


def projection(bench: Bench) -> Section:
    """Hours of the paper preset, minutes of the quick one, peak memory."""
    found = project(5 if bench.config.quick else 200, bench.config.device)
    return {
        "projection": {name: found[name] for name in ("quick", "paper")},
        "quick_minutes": 60 * found["quick"]["hours"],
        "paper_hours": found["paper"]["hours"],
        "peak_memory_gb": found["peak_memory_gb"],
    }


MEASURES: dict[str, Callable[[Bench], Section]] = {
    "update": update, "probe": probe, "parts": parts, "growth": growth, "projection": projection,
    "env": speed_env.env, "rl": speed_rl.rl,
}  # fmt: skip
KEYS = (
    "throughput_vs_motornet", "time_vs_floor", "single_network_vs_motornet", "probe_throughput_vs_motornet",
    "paper_hours", "quick_minutes", "peak_memory_gb", "motornet_peak_memory_gb",
    "vector_step_vs_bare", "single_step_vs_bare", "recurrent_ppo_vs_stock",
)  # fmt: skip


def run(config: Speed) -> Section:
    """Measures what is asked for; returns what speed.json holds."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load is not None and load > BUSY:
        log.warning("other work is running here (load %.1f): seconds will be too long", load)
    if motornet_version() is None and {"update", "probe"} & set(config.part):
        log.warning("MotorNet is not installed, its comparisons will be null; to get it: %s", HOW_TO_GET)
    found: Section = dict.fromkeys(KEYS) | _about(config, load)
    with ExitStack() as stack:
        bench = Bench(config, stack)
        for name in config.part:
            log.info("measuring: %s", name)
            found |= MEASURES[name](bench)
    if bench.started is not None:
        found["motornet_peak_memory_gb"] = bench.started.peak_memory
    return found


def _medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in found.items()}


def _about(config: Speed, load: float | None) -> Section:
    """Where and with what."""
    device = "cpu" if config.device == "cpu" else torch.cuda.get_device_name(config.device)
    try:
        import numba

        numba_threads = numba.get_num_threads()
    except ImportError:
        numba_threads = None
    return {
        "device": device,
        "cpu": _cpu(),
        "threads": {"cores": os.cpu_count(), "torch": torch.get_num_threads(), "numba": numba_threads},
        "versions": versions() | {"motornet": motornet_version()},
        "load_before": load,
        "arguments": dataclasses.asdict(config) | {"out": config.out.as_posix()},
    }


def _cpu() -> str:
    """Name of the processor as the system tells it."""
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
    """Measure what is asked for and write the files; return the exit status."""
    found = run(config)
    config.out.mkdir(parents=True, exist_ok=True)
    write_json(config.out / "speed.json", found)
    write_markdown(found, config.out / "speed.md")
    write_figure(found, config.out / "speed.png")
    show(found)
    log.info("wrote %s", config.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
