"""What a person sees of a run: progress while it lasts, then a table beside the study's numbers."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments import study
from experiments.runs.folder import FIGURES, RunFolder, versions
from experiments.runs.networks import criterion_probes, of_kept_networks
from experiments.runs.tables import (
    MISSING,
    NO_INTERVAL,
    finite_or_none,
    format_interval,
    format_p,
    format_value,
    markdown_table,
    print_table,
)
from experiments.savings.experiment import FourPhases, RunProgress
from savings_gym.arrays import MM, PERCENT
from savings_gym.files import PROBES_STOPPED, write_json, write_table
from savings_gym.metrics.savings import savings
from savings_gym.metrics.statistics import INTERVALS, mean_interval
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
LINE_EVERY = 10.0  # s between lines of progress without a terminal
HEADINGS = ("measure", "this run", "95 % interval", "p", "p (Holm)", "study")
LEGEND = (
    f"95 % intervals over networks: of means ({INTERVALS['mean']}), of the ratio ({INTERVALS['ratio']}), of "
    f"shares with savings of networks ({INTERVALS['paired fraction']}) and of pairs of networks "
    f"({INTERVALS['all-pairs fraction']}). "
    "p: t tests, paired for savings; p (Holm): corrected for the two measures of savings. Trials to half: "
    "until the deviation is half of that at the start of FF1; the whole phase, if it never is."
)
Row = tuple[str, ...]


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
    folder: RunFolder, experiment: FourPhases, complete: bool, metadata: dict[str, Any],
    stop: Callable[[], bool], figures: bool = True,
) -> bool:  # fmt: skip
    """Write probes, paths, summary and figures of a run, complete or not, and show the table.

    Args:
        folder: Folder of the run.
        experiment: What was run.
        complete: Whether it reached its end.
        metadata: Entries of the summary besides the measures; ``seed`` is also that of the sign-flip test.
        stop: Called before every figure of a run that reached its end; True leaves it incomplete, so that
            the next command draws what is missing.
        figures: Whether to draw figures.

    Returns:
        Whether the run is complete.
    """
    table = folder.table(before=experiment.part)
    if table.empty:
        return False
    stopped = table["network"].isin(experiment.stopped)
    if stopped.any():
        write_table(folder.path / PROBES_STOPPED, table[stopped])
        table = table[~stopped].reset_index(drop=True)
    folder.write_probes(table)
    experiment.write_paths()
    summary = savings(
        table, metadata["seed"], partial=not complete, criterion_probes=criterion_probes(metadata)
    ).to_dict()
    diverged = {str(i): dataclasses.asdict(stop) for i, stop in experiment.stopped.items()}
    kept = {
        phase: of_kept_networks({"stopped": diverged}, values)
        for phase, values in experiment.adaptation.items()
    }
    summary |= metadata | {
        "adaptation": {phase: sum(values) / len(values) for phase, values in kept.items()},
        "adaptation_networks": experiment.adaptation,
        "wall_time_s": round(experiment.seconds, 1),
        "complete": False,
        "versions": versions(),
    }
    if diverged:
        summary["stopped"] = diverged
    write_json(folder.summary_file, summary)
    if complete:
        if figures:
            draw(folder.path, stop)
        complete = not stop()
    elif figures:
        draw(folder.path)
    folder.check()
    if complete:  # written last: a run that is killed while it draws is finished by the next command
        write_json(folder.summary_file, summary | {"complete": True})
        folder.finish()
    show_report(folder.path)
    return complete


def draw(
    folder: Path, stopped: Callable[[], bool] = lambda: False, names: Collection[str] | None = None
) -> None:
    """Draw the figures of a run. A failure to draw must not lose the run, so it is only logged.

    Args:
        folder: Run folder.
        stopped: Called before every figure; True leaves it and the next ones out.
        names: Only these figures.

    Raises:
        OSError: If a figure cannot be written, as on a full disk.
    """
    from experiments.drawing.run import draw_figures  # matplotlib takes a second

    try:
        for figure in draw_figures(folder, stopped, names):
            log.info("wrote %s", figure)
    except OSError:
        raise
    except Exception:
        log.exception("the figures of %s could not be drawn", folder)


def missing_figures(folder: Path) -> list[str]:
    """Return the names of the figures that a run folder lacks."""
    every = {name: (folder / name, (folder / name).with_suffix(".svg")) for name in FIGURES}
    return [name for name, files in every.items() if not all(file.is_file() for file in files)]


def show_report(folder: Path) -> None:
    """Print the table of a run folder."""
    summary = RunFolder.read_summary(folder)
    title = (
        f"{summary['networks']} networks of {summary['units']} units, seed {summary['seed']}; "
        f"the study: {study.NETWORKS} of 128, longer phases"
    )
    print_table(title, HEADINGS, report_rows(summary))
    console = Console()
    console.print(LEGEND)
    for number, stop in summary.get("stopped", {}).items():
        console.print(
            f"network {number} diverged in update {stop['update']} of {stop['phase']}, and is left out"
        )
    if missing := summary["savings"]["missing"]:
        console.print(f"no savings: {missing}")
    for failure in (summary["savings"]["rate"] or {}).get("failures") or []:
        console.print(f"no learning rate: {failure}")
    state = "" if summary["complete"] else " (not complete)"
    console.print(f"{summary['wall_time_s'] / 60:.1f} min; files in {folder}{state}")
    if summary["complete"]:
        console.print(f"python -m experiments.report {folder} makes a page of it")


def report_rows(summary: dict[str, Any]) -> list[Row]:
    """Return the rows of the table, one cell per heading.

    The study's values are those of 128 units and its full schedule.
    """
    initial, rate = summary["savings"]["initial"], summary["savings"]["rate"]
    rows = [
        _row(f"deviation, {phase} start", entry["initial_deviation"], entry["initial_ci"], reference=name)
        for phase, name in (("FF1", study.INITIAL_FF1), ("FF2", study.INITIAL_FF2))
        if (entry := summary["phases"][phase])
    ]
    rows += (_initial_rows(initial) if initial else []) + (_rate_rows(rate) if rate else [])
    if trials := summary["savings"].get("trials"):  # summaries of older runs have none
        rows += _trials_rows(trials)
    if effect := summary["after_effect"]:
        name = "after-effect in NF2"
        rows.append(_row(name, effect["mean"], effect["ci"], effect["p"], reference=study.AFTER_EFFECT))
    if residual := summary["washout_residual"]:
        name, theirs = "residual, NF1 - NF2", study.RESIDUAL
        rows.append(_row(name, residual["mean"], residual["ci"], residual["p"], reference=theirs, scale=-MM))
    for phase, value in summary["adaptation"].items():
        values = of_kept_networks(summary, summary.get("adaptation_networks", {}).get(phase, []))
        interval = NO_INTERVAL if None in values else mean_interval(values)
        name = "hand in a clamp" if "perturbation" in summary else "channel force"
        rows.append(_row(f"{name}, {phase}", value, interval, scale=PERCENT, unit="%"))
    if "perturbation" in summary:  # the study's numbers are of a curl field
        rows = [(*row[:-1], MISSING) for row in rows]
    return rows


def _initial_rows(initial: dict[str, Any]) -> list[Row]:
    """Savings of the initial deviation."""
    name, theirs = "savings, FF1 - FF2", study.INITIAL_SAVINGS
    return [
        _row(name, initial["difference"], initial["ci"], initial["p"], initial["p_holm"], reference=theirs),
        *_fraction_rows(initial, "initial deviation"),
    ]


def _rate_rows(rate: dict[str, Any]) -> list[Row]:
    """Savings of the learning rate."""
    rows = [
        _row(
            f"rate {phase} ({study.RATE_WINDOW} trials)", rate[phase.lower()],
            reference=name, scale=study.RATE_WINDOW, unit="",
        )
        for phase, name in (("FF1", study.RATE_FF1), ("FF2", study.RATE_FF2))
    ]  # fmt: skip
    ratio, theirs = (rate["ratio"], rate["ci"], rate["p"], rate["p_holm"]), study.RATE_RATIO
    rows.append(_row("ratio, FF2 / FF1", *ratio, reference=theirs, scale=1.0, unit=""))
    return rows + _fraction_rows(rate, "rate")


def _trials_rows(trials: dict[str, Any]) -> list[Row]:
    """Trials to half of the first deviation, and the share of them that FF2 takes."""
    counts = [
        (f"trials to half, {phase}", MISSING if count is None else f"{count:.0f}", MISSING, "", "", MISSING)
        for phase, count in (("FF1", trials["ff1"]), ("FF2", trials["ff2"]))
    ]
    share = _row("share of them, FF2 / FF1", trials["ratio"], trials["ci"], scale=PERCENT, unit="%")
    return [*counts, share]


def _fraction_rows(saved: dict[str, Any], measure: str) -> list[Row]:
    """The two fractions with savings of a measure."""
    percent: dict[str, Any] = {"scale": PERCENT, "unit": "%"}
    name = study.fraction(measure, 128)
    return [
        _row("  share of networks", saved["paired_fraction"], saved["paired_ci"], **percent),
        _row(
            "  share of pairs", saved["all_pairs_fraction"], saved["all_pairs_ci"],
            reference=name, reference_scale=PERCENT, **percent,
        ),
    ]  # fmt: skip


def _row(
    name: str, value: float | None, interval: Sequence[float | None] = NO_INTERVAL, p: float | None = None,
    p_holm: float | None = None, *, reference: str | None = None, scale: float = MM, unit: str = "mm",
    reference_scale: float = 1.0,
) -> Row:  # fmt: skip
    """One row: numbers in SI units times `scale`, and a number of the study times `reference_scale`."""
    ends = sorted(scale * end for end in map(finite_or_none, interval) if end is not None)
    theirs = MISSING
    if reference is not None:
        theirs = format_value(reference_scale * study.REFERENCE[reference].value, unit=unit)
    return (
        name,
        format_value(None if value is None else scale * value, unit=unit),
        format_interval(ends if len(ends) == 2 else NO_INTERVAL),
        "" if p is None else format_p(p),
        "" if p_holm is None else format_p(p_holm),
        theirs,
    )


def markdown_report(summary: dict[str, Any]) -> str:
    """Return the table of a run as Markdown."""
    return markdown_table(HEADINGS, [[cell.strip() for cell in row] for row in report_rows(summary)])
