"""What a person sees of a run: progress while it lasts, then a table beside the study's numbers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from experiments import study
from experiments.runs.command_line import command_main
from experiments.runs.folder import RunFolder, versions
from experiments.runs.tables import NO_INTERVAL, format_interval, format_value, markdown_table
from experiments.savings.experiment import FourPhases, RunProgress
from savings_gym.arrays import MM
from savings_gym.files import write_json
from savings_gym.metrics.savings import savings
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
LINE_EVERY = 10.0  # s between lines of progress without a terminal
HEADINGS = ("measure", "this run", "95 % interval", "p", "study")
PERCENT = 100.0


class ProgressDisplay:
    """Shows the progress of a run: a live bar in a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        """Find out whether there is a terminal."""
        self.console = Console()
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
        )  # fmt: skip
        self.bar = Progress(*columns, console=self.console, speed_estimate_period=60, refresh_per_second=4)
        self.live = self.console.is_terminal
        self.bar_task: Any = None
        self.last, self.first_done, self.first_time = -LINE_EVERY, -1, 0.0

    def __enter__(self) -> ProgressDisplay:
        """Start the display."""
        if self.live:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the display."""
        if self.live:
            self.bar.stop()

    def __call__(self, now: RunProgress) -> None:
        """Show how far the run is."""
        trials = f"trial {now.update * N_TARGETS:6d}/{now.updates * N_TARGETS}"
        text = f"{now.phase}  {trials}  deviation {MM * now.deviation:6.1f} mm"
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
            percent, left = PERCENT * now.done / now.total, pace * (now.total - now.done)
            log.info("%s  %3.0f %%  %.0f s left", text, percent, left)


def finish_report(
    folder: RunFolder, experiment: FourPhases, complete: bool, metadata: dict[str, Any]
) -> None:
    """Write probes, paths, summary and figures of a run, complete or not, and show the table.

    Args:
        folder: Folder of the run.
        experiment: What was run.
        complete: Whether it reached its end.
        metadata: What the summary says besides the measures; its ``seed`` is that of the bootstrap.
    """
    table = folder.table(before=experiment.part)
    if table.empty:
        return
    folder.write_probes(table)
    experiment.write_paths()
    summary = savings(table, seed=metadata["seed"], partial=not complete).to_dict()
    summary |= metadata | {
        "adaptation": {phase: sum(values) / len(values) for phase, values in experiment.adaptation.items()},
        "adaptation_networks": experiment.adaptation,
        "wall_time_s": round(experiment.seconds, 1),
        "complete": False,
        "versions": versions(),
    }
    write_json(folder.summary_file, summary)
    draw(folder.path)
    if complete:  # written last: a run that is killed while it draws is finished by the next command
        write_json(folder.summary_file, summary | {"complete": True})
        folder.finish()
    show_report(folder.path)


def draw(folder: Path) -> None:
    """Draw the figures of a run. A failure to draw must not lose the run, so it is only logged."""
    from experiments.drawing.run import draw_figures  # matplotlib takes a second

    try:
        for figure in draw_figures(folder):
            log.info("wrote %s", figure)
    except Exception:
        log.exception("the figures of %s could not be drawn", folder)


def show_report(folder: Path) -> None:
    """Print the table of a run folder."""
    summary = RunFolder.read_summary(folder)
    title = (
        f"{summary['networks']} networks of {summary['units']} units, seed {summary['seed']}; "
        f"the study: {study.NETWORKS} of 128, longer phases"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True)
    for row in report_rows(summary):
        table.add_row(*row)
    console = Console()
    console.print(table)
    for failure in (summary["savings"]["rate"] or {}).get("failures") or []:
        console.print(f"no learning rate: {failure}")
    state = "" if summary["complete"] else " (not complete)"
    console.print(f"{summary['wall_time_s'] / 60:.1f} min; files in {folder}{state}")


def report_rows(summary: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return the rows of the table: measure, value, interval, p, and the study's value.

    The study's values are those of 128 units and its full schedule.
    """
    phases, initial, rate = summary["phases"], summary["savings"]["initial"], summary["savings"]["rate"]
    residual, effect = summary["washout_residual"], summary["after_effect"]
    rows: list[tuple[str, str, str, str, str]] = []

    def add(
        name: str, value: Any, interval: Any, p: Any, reference: str, scale: float = MM, unit: str = "mm"
    ) -> None:
        ends = format_interval(None if end is None else scale * end for end in interval or NO_INTERVAL)
        text = format_value(None if value is None else scale * value, unit=unit)
        rows.append((name, text, ends, "" if p is None else f"{p:.2g}", reference))

    def add_fractions(measure: str, saved: dict[str, Any]) -> None:
        fraction, ends, p = saved["paired_fraction"], saved.get("paired_ci"), saved["p_sign_flip"]
        add("  networks with savings", fraction, ends, p, "-", PERCENT, "%")
        fraction, ends = saved["all_pairs_fraction"], saved.get("all_pairs_ci")
        reference = _reference(study.fraction(measure, 128), PERCENT, "%")
        add("  all pairs with savings", fraction, ends, None, reference, PERCENT, "%")

    for phase, name in (("FF1", study.INITIAL_FF1), ("FF2", study.INITIAL_FF2)):
        if entry := phases[phase]:
            value, ci = entry["initial_deviation"], entry["initial_ci"]
            add(f"deviation, start of {phase}", value, ci, None, _reference(name))
    if initial:
        reference = _reference(study.INITIAL_SAVINGS)
        add("initial savings, FF1 - FF2", initial["difference"], initial["ci"], _p(initial), reference)
        add_fractions("initial deviation", initial)
    if rate:
        for phase, name in (("FF1", study.RATE_FF1), ("FF2", study.RATE_FF2)):
            label, reference = f"rate {phase}, per {study.RATE_WINDOW} trials", _reference(name, unit="")
            add(label, rate[phase.lower()], None, None, reference, study.RATE_WINDOW, "")
        reference = _reference(study.RATE_RATIO, unit="")
        add("rate savings, FF2 / FF1", rate["ratio"], rate["ci"], _p(rate), reference, 1.0, "")
        add_fractions("rate", rate)
    if effect:
        reference = _reference(study.AFTER_EFFECT)
        add("after-effect, start of NF2", effect["mean"], effect["ci"], effect["p"], reference)
    if residual:
        reference = _reference(study.RESIDUAL, -1.0)  # the study gives NF1 - NF2
        add("washout residual, NF2 - NF1", residual["mean"], residual["ci"], residual["p"], reference)
    for phase, value in summary["adaptation"].items():
        add(f"channel force, end of {phase}", value, None, None, "-", PERCENT, "%")
    return rows


def _p(saved: dict[str, Any]) -> float | None:
    """P of savings, corrected for there being two measures of them if the summary has that."""
    corrected = saved.get("p_holm")
    return saved["p"] if corrected is None else corrected


def _reference(name: str, scale: float = 1.0, unit: str = "mm") -> str:
    """Return a number of the study as text."""
    return format_value(scale * study.REFERENCE[name].value, unit=unit)


def markdown_report(summary: dict[str, Any]) -> str:
    """Return the table of a run as Markdown."""
    return markdown_table(HEADINGS, [[cell.strip() for cell in row] for row in report_rows(summary)])


@dataclass(frozen=True)
class Report:
    """Arguments of the command."""

    folder: tyro.conf.Positional[Path]
    """A run folder, or any folder with its summary.json."""


def run(config: Report) -> int:
    """Print the table of a run folder as Markdown; return the exit status."""
    print(markdown_report(RunFolder.read_summary(config.folder)))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    description = "Print the table of a run folder as Markdown."
    return command_main("experiments.report", Report, run, arguments, description)
