"""What a person sees of a run: progress while it lasts, then a table beside the study's numbers."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from experiments.runs.folder import RunFolder, versions
from experiments.savings import experiment as four_phases
from savings_gym.files import write_json
from savings_gym.metrics.savings import savings
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
LINE_EVERY = 10.0  # s between lines where there is no terminal
HEADINGS = ("measure", "this run", "95 % interval", "p", "study")
PER_BATCHES = 5 * N_TARGETS  # trials in a window of 5 batches, the study's unit of the learning rate


class Watch:
    """Shows progress: a live bar in a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        """Looks at the terminal."""
        self.console = Console()
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
        )  # fmt: skip
        self.bar = Progress(*columns, console=self.console, speed_estimate_period=60, refresh_per_second=4)
        self.live = self.console.is_terminal
        self.bar_task: Any = None
        self.last, self.first_done, self.first_time = -LINE_EVERY, -1, 0.0

    def __enter__(self) -> Watch:
        """Starts the display."""
        if self.live:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the display."""
        if self.live:
            self.bar.stop()

    def __call__(self, now: four_phases.Progress) -> None:
        """Shows where the run is."""
        where = f"{now.phase}  trial {now.update * N_TARGETS:6d}/{now.updates * N_TARGETS}"
        text = f"{where}  deviation {1e3 * now.deviation:6.1f} mm"
        if self.live:
            if self.bar_task is None:
                self.bar_task = self.bar.add_task(text, total=now.total, completed=now.done)
            self.bar.update(self.bar_task, completed=now.done, description=text)
            return
        clock = time.monotonic()
        if self.first_done < 0:
            self.first_done, self.first_time = now.done, clock
        if clock - self.last >= LINE_EVERY or now.done == now.total:
            self.last = clock
            pace = (clock - self.first_time) / max(now.done - self.first_done, 1)
            log.info(
                "%s  %3.0f %%  %.0f s left", text, 100 * now.done / now.total, pace * (now.total - now.done)
            )


def finish_report(
    folder: RunFolder, experiment: four_phases.FourPhases, complete: bool, about: dict[str, Any]
) -> None:
    """Writes probes, paths, summary and figures of a run, complete or not, and shows the table."""
    table = folder.table(before=experiment.part)
    if table.empty:
        return
    folder.write_probes(table)
    experiment.write_paths()
    summary = savings(table, seed=about["seed"], partial=not complete).to_dict()
    summary |= about | {
        "adaptation": {phase: sum(values) / len(values) for phase, values in experiment.adaptation.items()},
        "adaptation_networks": experiment.adaptation,
        "wall_time_s": round(experiment.seconds, 1),
        "complete": False,
        "versions": versions(),
    }
    write_json(folder.summary_file, summary)
    draw(folder.path)
    if complete:  # said last: a run that is killed while it draws is finished by the next command
        write_json(folder.summary_file, summary | {"complete": True})
        folder.finish()
    show_report(folder.path)


def draw(folder: Path) -> None:
    """Draws the figures. They are extra: a failure to draw must not lose a run."""
    from experiments.drawing.run import draw_figures  # matplotlib takes a second

    try:
        for figure in draw_figures(folder):
            log.info("wrote %s", figure)
    except Exception:
        log.exception("the figures of %s could not be drawn", folder)


def show_report(folder: Path) -> None:
    """Prints the table of a run folder."""
    summary = RunFolder.read_summary(folder)
    count, units = summary["networks"], summary["units"]
    title = f"{count} networks of {units} units, seed {summary['seed']}; the study: 40 of 128, longer phases"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True)
    for row in report_rows(summary):
        table.add_row(*row)
    console = Console()
    console.print(table)
    failures = ((summary["savings"]["rate"] or {}).get("failures")) or []
    for failure in failures:
        console.print(f"no learning rate: {failure}")
    minutes = summary["wall_time_s"] / 60
    console.print(
        f"{minutes:.1f} min; files in {folder}" + ("" if summary["complete"] else " (not complete)")
    )


def markdown_table(summary: dict[str, Any]) -> str:
    """The same table as Markdown, for the README."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    lines += [f"| {' | '.join(cell.strip() for cell in row)} |" for row in report_rows(summary)]
    return "\n".join(lines)


def report_rows(summary: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Rows of the table: measure, value, interval, p, the study's value (128 units, full schedule)."""
    phases, initial, rate = summary["phases"], summary["savings"]["initial"], summary["savings"]["rate"]
    residual, effect = summary["washout_residual"], summary["after_effect"]
    rows: list[tuple[str, str, str, str, str]] = []

    def add(
        name: str, value: Any, interval: Any, p: Any, study: str, scale: float = 1e3, unit: str = "mm"
    ) -> None:
        ends = interval or [None, None]
        shown = "-" if ends[0] is None else f"{scale * ends[0]:.3g} to {scale * ends[1]:.3g}"
        number = "-" if value is None else f"{scale * value:.3g} {unit}".strip()
        rows.append((name, number, shown, "" if p is None else f"{p:.2g}", study))

    for phase, study in (("FF1", "34.7 mm"), ("FF2", "33.7 mm")):
        if phases[phase]:
            entry = phases[phase]
            add(f"deviation, start of {phase}", entry["initial_deviation"], entry["initial_ci"], None, study)
    if initial:
        add("initial savings, FF1 - FF2", initial["difference"], initial["ci"], initial["p"], "0.9 mm")
        add(
            "  networks with savings", initial["paired_fraction"], None, initial["p_sign_flip"], "-", 100, "%"
        )
        add("  all pairs with savings", initial["all_pairs_fraction"], None, None, "66 %", 100, "%")
    if rate:
        per = PER_BATCHES
        add("rate FF1, per 40 trials", rate["ff1"], None, None, "0.0147", per, "")
        add("rate FF2, per 40 trials", rate["ff2"], None, None, "0.0178", per, "")
        add("rate savings, FF2 / FF1", rate["ratio"], rate["ci"], rate["p"], "1.21", 1.0, "")
        add("  networks with savings", rate["paired_fraction"], None, rate["p_sign_flip"], "-", 100, "%")
        add("  all pairs with savings", rate["all_pairs_fraction"], None, None, "73 %", 100, "%")
    if effect:
        add("after-effect, start of NF2", effect["mean"], effect["ci"], effect["p"], "-36 mm")
    if residual:
        add("washout residual, NF2-NF1", residual["mean"], residual["ci"], residual["p"], "-0.11 mm")
    for phase, value in summary["adaptation"].items():
        add(f"channel force, end of {phase}", value, None, None, "-", 100, "%")
    return rows


def main() -> None:
    """Prints the table of a run folder as Markdown: python -m experiments.report FOLDER."""
    parser = argparse.ArgumentParser(description="Prints the table of a run folder as Markdown.")
    parser.add_argument("folder", type=Path, help="a run folder, or any folder with its summary.json")
    print(markdown_table(RunFolder.read_summary(parser.parse_args().folder)))
