"""What a person sees of the benchmark: tables, printed and as markdown, and a figure."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.drawing import style as look
from experiments.speed import env as speed_env
from experiments.speed import rl as speed_rl
from experiments.speed.growth import as_rows
from experiments.speed.work import PIECES
from savings_gym.files import write_atomically

log = logging.getLogger(__name__)
Found = dict[str, Any]
Row = tuple[str, ...]
OURS, FLOOR, MOTORNET = look.PHASE_COLOUR["FF1"], look.QUIET, look.PHASE_COLOUR["FF2"]


def tables(found: Found) -> dict[str, list[Row]]:
    """Tables by title; the first row of each is its heading. Parts that were not measured are left out."""
    asked = found["arguments"]
    size = f"{asked['networks']} networks of {asked['units']} units, 8 trials"
    made = {}
    if set(found["arguments"]["part"]) - {"env", "rl"}:
        made[f"Summary: {size}"] = [("measure", "value"), *_summary(found)]
    if "parts_seconds" in found:
        made["Parts of an update"] = [("part", "ms", "share"), *_parts(found["parts_seconds"])]
    if "growth" in found:
        heading = ("axis", "value", "ms a network", "matrix products", "ratio")
        rows = [
            (axis, str(value), *(f"{x:.2f}" for x in rest)) for axis, value, *rest in as_rows(found["growth"])
        ]
        made["Growth: one update"] = [heading, *rows]
    for title, lines in (("Environments", speed_env.rows(found)), ("Recurrent PPO", speed_rl.rows(found))):
        if lines:
            made[title] = [("measure", "value"), *lines]
    return made


def _summary(found: Found) -> list[Row]:
    rows: list[Row] = []

    def add(name: str, value: float | None, form: str, unit: str = "") -> None:
        rows.append((name, "not measured" if value is None else f"{value:{form}} {unit}".strip()))

    for what in ("update", "probe"):
        seconds = found.get(f"{what}_seconds", {})
        names = {
            what: f"{what}, all networks",
            "batch": "  making its batch",
            "floor": "  its bare matrix products",
            "single": f"{what}, one network",
            "motornet": f"MotorNet, {what}: time a network, a process a core",
            "motornet_alone": f"MotorNet, {what}: one network, one process",
        }
        for name, label in names.items():
            if name in seconds:
                add(label, 1e3 * seconds[name], ".3g", "ms")
    add("throughput of updates / MotorNet's", found["throughput_vs_motornet"], ".1f")
    add("throughput of probes / MotorNet's", found["probe_throughput_vs_motornet"], ".1f")
    add("one network / MotorNet", found["single_network_vs_motornet"], ".1f")
    add("time of an update / matrix products", found["time_vs_floor"], ".2f")
    add("preset paper, projected", found["paper_hours"], ".1f", "h")
    add("preset quick, projected", found["quick_minutes"], ".1f", "min")
    add("peak memory, preset paper", found["peak_memory_gb"], ".2f", "GB")
    add("peak memory of a MotorNet process", found["motornet_peak_memory_gb"], ".2f", "GB")
    return rows


def _parts(seconds: dict[str, float]) -> list[Row]:
    whole = sum(seconds[name] for name in PIECES)
    named = [(name, seconds[name]) for name in PIECES]
    for way in ("forward", "backward"):
        at = [name for name, _ in named].index(way)
        arm = seconds[f"arm_{way}"]
        named[at + 1 : at + 1] = [("  of it arm", arm), ("  of it network", seconds[way] - arm)]
    return [(name, f"{1e3 * value:.1f}", f"{100 * value / whole:.0f} %") for name, value in named]


def where(found: Found) -> str:
    """Machine, threads and versions in a line."""
    versions = found["versions"]
    parts = [f"{name} {versions[name]}" for name in ("python", "torch", "numba", "motornet")]
    device = "" if found["device"] == "cpu" else f"{found['device']}, "
    return f"{device}{found['cpu']}, {found['threads']['cores']} cores; {', '.join(parts)}"


def show(found: Found) -> None:
    """Prints the tables."""
    console = Console()
    for title, (heading, *rows) in tables(found).items():
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for i, name in enumerate(heading):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(where(found), highlight=False)


def write_markdown(found: Found, path: Path) -> None:
    """Writes the tables as markdown."""
    lines = [where(found), ""]
    for title, (heading, *rows) in tables(found).items():
        lines += [f"**{title}**", ""]
        lines += [_line(heading), _line(("---", *["---:"] * (len(heading) - 1))), *map(_line, rows), ""]
    write_atomically(path, "\n".join(lines).encode())


def _line(cells: Row) -> str:
    return f"| {' | '.join(cell.strip() for cell in cells)} |"


def write_figure(found: Found, path: Path) -> None:
    """Draws cost against networks and against units, and the parts; nothing where growth was not measured."""
    if "growth" not in found:
        log.info("no figure: growth was not measured")
        return
    with look.house_style():
        figure = look.new_figure(2.6)
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 1.0])
        for axes, axis, label in ((left, "networks", "Networks"), (middle, "units", "Units a network")):
            _growth(axes, found["growth"][axis], label)
        left.set_ylabel("Time of an update, per network (ms)")
        motornet = found.get("update_seconds", {}).get("motornet")
        if motornet is not None:
            left.axhline(1e3 * motornet, color=MOTORNET, linewidth=1.2, label="MotorNet, a process a core")
        _slope(middle, found)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(handles), borderaxespad=0.2)
        _parts_bars(right, found.get("parts_seconds"))
        look.save_png(figure, path)


def _growth(axes: Axes, points: list[dict[str, float]], label: str) -> None:
    """One growth curve, log-log, with that of the products."""
    x = [point["value"] for point in points]
    styles = {"seconds": ("this project", OURS, "o"), "floor_seconds": ("matrix products", FLOOR, "s")}
    for name, (meaning, colour, marker) in styles.items():
        y = [1e3 * point[name] for point in points]
        axes.loglog(x, y, marker, linestyle="-", markersize=3.0, color=colour, linewidth=1.2, label=meaning)
    axes.set_xlabel(label)
    named: list[float] = []  # from the right, without those that would overlap
    for value in reversed(x):
        if not named or named[-1] >= 1.9 * value:
            named.append(value)
    axes.xaxis.set_major_locator(FixedLocator(named))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _slope(axes: Axes, found: Found) -> None:
    """A guide as steep as square growth, and the fitted exponents."""
    points, slopes = found["growth"]["units"], found["growth_slopes"]["units"]
    x = np.array([points[-1]["value"] / 4, points[-1]["value"]])
    y = 1e3 * min(points[-1]["seconds"], points[-1]["floor_seconds"]) * (x / x[-1]) ** 2 / 2
    axes.plot(x, y, color=look.INK, linewidth=0.7, linestyle=(0, (4, 3)))
    axes.annotate("units²", (x[0], y[0]), ha="center", va="top", fontsize=look.SMALL)
    text = f"exponents: ours {slopes['seconds']:.2f}, products {slopes['floor_seconds']:.2f}"
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=look.SMALL)


def _parts_bars(axes: Axes, seconds: dict[str, float] | None) -> None:
    """Milliseconds of the parts; the arm's share darker."""
    if seconds is None:
        axes.set_axis_off()
        return
    y = np.arange(len(PIECES))[::-1]
    axes.barh(
        y,
        [1e3 * seconds[name] for name in PIECES],
        color=OURS,
        alpha=0.45,
        height=0.7,
        label="everything else",
    )
    arm = [1e3 * seconds.get(f"arm_{name}", 0.0) for name in PIECES]
    axes.barh(y, arm, color=OURS, height=0.7, label="arm")
    axes.set_yticks(y, PIECES)
    axes.tick_params(axis="y", left=False)
    axes.set_xlabel("Update of all networks (ms)")
    axes.legend(loc="lower right")
