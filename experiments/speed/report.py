"""The results of the speed benchmark as tables: printed, and as a page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from experiments.runs.tables import markdown_table, print_table
from experiments.speed import environments, growth, recurrent_ppo
from experiments.speed.bench import LEARNING, Section, Speed
from experiments.speed.work import PIECES
from savings_gym.files import write_atomically
from savings_gym.task.settings import N_TARGETS

MS = 1e3  # milliseconds per second
VERSIONS = ("python", "mujoco", "gymnasium", "torch", "numba", "motornet")
Cells = tuple[str, ...]
INTRODUCTION = """\
# How fast is it?

`python -m experiments.speed` measures what learning, probes and environments cost, beside \
[MotorNet](https://doi.org/10.7554/eLife.88591), the bare matrix products of the networks, the bare physics \
of MuJoCo, and sb3-contrib. Things that are compared take turns, so that ratios also hold on a machine that \
is not quite idle; seconds hold on an idle machine only. Parts can be measured again one by one: \
`python -m experiments.speed --part NAME ... --out FOLDER` keeps the others."""


def tables(results: Section) -> dict[str, list[Cells]]:
    """Return the tables by title, each with its headings first; parts that were not measured are left out."""
    networks, units = results["sizes"]["networks"], results["sizes"]["units"]
    sections: dict[str, list[Cells]] = {}
    if set(results["origins"]) & {"update", "probe", "projection"}:
        title = f"Learning: {networks} networks of {units} units, {N_TARGETS} trials per update"
        sections[title] = [("measure", "value"), *_summary(results)]
    if "parts_seconds" in results:
        sections["Parts of an update"] = [("part", "ms", "share"), *_parts(results["parts_seconds"])]
    if "growth" in results:
        headings = ("axis", "value", "ms per network", "matrix products (ms)", "ratio")
        rows = [
            (axis.replace("_", " "), str(value), *(f"{x:.2f}" for x in rest))
            for axis, value, *rest in growth.report_rows(results["growth"])
        ]
        sections["Growth of the cost of an update"] = [headings, *rows]
    for title, rows in (
        ("Environments", environments.report_rows(results)),
        (f"Recurrent PPO, {recurrent_ppo.ARMS} arms", recurrent_ppo.report_rows(results)),
    ):
        if rows:
            sections[title] = [("measure", "value"), *rows]
    return sections


def _summary(results: Section) -> list[Cells]:
    """Updates, probes and projections; "not measured" for parts that are missing."""
    rows: list[Cells] = []

    def add(label: str, value: float | None, form: str, unit: str = "") -> None:
        rows.append((label, "not measured" if value is None else f"{value:{form}} {unit}".strip()))

    for work in ("update", "probe"):
        seconds = results.get(f"{work}_seconds", {})
        labels = {
            work: f"{work} of all networks",
            "batch": "making its batch",
            "floor": "its bare matrix products",
            "single": f"{work} of one network",
            "motornet": f"MotorNet, {work}: per network, one process per core",
            "motornet_alone": f"MotorNet, {work}: one network, one process",
        }
        for name, label in labels.items():
            if name in seconds:
                add(label, MS * seconds[name], ".3g", "ms")
    add("updates per second / MotorNet's", results["throughput_vs_motornet"], ".1f")
    add("probes per second / MotorNet's", results["probe_throughput_vs_motornet"], ".1f")
    add("updates of one network per second / MotorNet's", results["single_network_vs_motornet"], ".1f")
    add("time of an update / its bare matrix products", results["time_vs_floor"], ".2f")
    add("preset paper, projected", results["paper_hours"], ".1f", "h")
    add("preset quick, projected", results["quick_minutes"], ".1f", "min")
    add("peak memory of the preset paper", results["peak_memory_gb"], ".2f", "GB")
    add("peak memory of a MotorNet process", results["motornet_peak_memory_gb"], ".2f", "GB")
    return rows


def _parts(seconds: dict[str, float]) -> list[Cells]:
    """Milliseconds and share of every part of an update, and what of it is the arm's."""
    total = sum(seconds[name] for name in PIECES)
    rows = []
    for name in PIECES:
        rows.append((name, seconds[name]))
        if f"arm_{name}" in seconds:
            arm = seconds[f"arm_{name}"]
            rows += [(f"{name}: arm", arm), (f"{name}: network", seconds[name] - arm)]
    return [(name, f"{MS * value:.1f}", f"{100 * value / total:.0f} %") for name, value in rows]


def machine(results: Section) -> str:
    """Return processor, cores and device in one line."""
    device = "" if results["device"] == "cpu" else f"{results['device']}, "
    return f"{device}{results['cpu']}, {results['threads']['cores']} cores"


def origins(results: Section) -> list[Cells]:
    """Return one row per measured part: what makes it again, load before, versions."""
    rows: list[Cells] = []
    for part, origin in results["origins"].items():
        command = f"python -m experiments.speed --part {part}{' --quick' if origin['quick'] else ''}"
        for name, value in results["sizes"].items():
            if part in LEARNING and value != getattr(Speed(), name):
                command += f" --{name} {value}"
        load = "-" if origin["load"] is None else f"{origin['load']:.1f}"
        versions = ", ".join(f"{name} {origin['versions'][name]}" for name in VERSIONS)
        rows.append((part, f"`{command}`", load, versions))
    return rows


def show(results: Section) -> None:
    """Print the tables."""
    for title, (headings, *rows) in tables(results).items():
        print_table(title, headings, rows)
    Console().print(machine(results), highlight=False)


def render(results: Section) -> str:
    """Return the page of the results."""
    parts = [INTRODUCTION, f"Machine: {machine(results)}."]
    if "growth" in results:
        parts.append("![Cost of an update against networks and units, and its parts](speed.png)")
    for title, (headings, *rows) in tables(results).items():
        parts.append(f"## {title}\n\n{markdown_table(headings, rows)}")
    heads = ("part", "command", "load before", "versions")
    parts.append(f"## How each part was measured\n\n{markdown_table(heads, origins(results))}")
    return "\n\n".join(parts) + "\n"


def write_page(results: Section, path: Path) -> None:
    """Write the page of the results."""
    write_atomically(path, render(results).encode())
