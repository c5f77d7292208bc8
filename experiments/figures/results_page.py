"""The results page of the repository, experiments/RESULTS.md, made from the results that are committed.

    python -m experiments.figures.results_page --take runs/figures-paper --quick runs/savings-quick

copies numbers and pictures of up-to-date figures into experiments/results/figures, those of their main run
into experiments/results/paper, those of the run that ``make savings`` makes into experiments/results/quick,
and writes the page. Without arguments it writes only the page.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from experiments import study
from experiments.drawing.run import draw_figures
from experiments.figures.channel import BEYOND_SHAM as CHANNEL_BEYOND_SHAM
from experiments.figures.channel import end
from experiments.figures.command import FIGURES, NEEDS
from experiments.figures.comparison import MEANING, comparison_table, tally
from experiments.figures.controls import MEANING as COMPARED
from experiments.figures.controls import MIRRORED, PRACTICE
from experiments.figures.displacement import RANDOM, WITHOUT_STEEPEST
from experiments.figures.findings import Findings
from experiments.figures.make_figures import RECORD, read_record
from experiments.figures.practice import SHIFT, TRACE, beyond
from experiments.figures.reasons import why_they_differ
from experiments.figures.size import INITIAL, TRENDS
from experiments.runs.command_line import command_main
from experiments.runs.folder import RunFolder
from experiments.runs.tables import MISSING, format_p, format_value, markdown_table
from experiments.savings.config import EXECUTION, PRESETS, command
from experiments.savings.report import LEGEND, markdown_report
from experiments.savings.shared_phases import stored_arguments
from savings_gym.files import PROBES, SUMMARY, read_table, write_atomically, write_json
from savings_gym.metrics.savings import savings

log = logging.getLogger(__name__)
HERE: Final = Path(__file__).resolve().parents[1]
PAGE, RESULTS = HERE / "RESULTS.md", HERE / "results" / "figures"
MAIN_RUN, QUICK = HERE / "results" / "paper", HERE / "results" / "quick"
INDEX, REFERENCE = "runs.json", "reference.json"
SVG_LIMIT: Final = 250_000  # bytes; larger ones stay in the folder of the figures
INTRODUCTION: Final = """\
# Results

Our networks in the four phases of Shahbazi, Codol, Michaels & Gribble, *A context-free model of savings in \
motor learning*, eLife 14:RP107423 (2026), beside the study's numbers. \
`python -m experiments.figures.results_page` writes this page from the files in `results/`. One command \
makes all of them:"""
UNITS: Final = PRESETS["paper"].units  # of the main run
SUMMARY_ROWS: Final = (  # figure, quantity, what it means
    ("learning", study.INITIAL_SAVINGS, "FF2 starts closer to the line than FF1 by"),
    (
        "controls",
        f"main: initial savings, {COMPARED[PRACTICE]}",
        "... than after equal practice without a field",
    ),
    ("learning", study.RATE_RATIO, "FF2 is learned faster than FF1 by a factor of"),
    (
        "controls",
        f"main: rate savings, {COMPARED[PRACTICE]}",
        "... than after equal practice without a field",
    ),
    ("behaviour", study.AFTER_EFFECT, "after-effect, start of NF2"),
    ("behaviour", study.RESIDUAL, "left of it at the end of NF2 (NF1 - NF2)"),
    ("channel", end("FF1"), "share of the field compensated in a channel after FF1"),
    ("channel", CHANNEL_BEYOND_SHAM, "... left after NF2, beyond networks that never met the field"),
    ("preparatory", study.SHIFT_NF2, "share of the preparatory shift left in NF2"),
    ("practice", beyond(SHIFT, UNITS), "... beyond networks that never met the field"),
    ("practice", beyond(TRACE, UNITS), "memory trace beyond networks that never met the field"),
    ("displacement", study.SLOPE, "effect of a displacement along the shift at 0.16 s"),
    ("displacement", WITHOUT_STEEPEST, "... without the network that responds most"),
    ("displacement", RANDOM, "... along random directions"),
    ("size", TRENDS[INITIAL], "change of initial savings with every doubling of units"),
    (
        "controls",
        f"opposite: initial savings, {COMPARED[PRACTICE]}",
        "the opposite field, against practice alone",
    ),
    ("controls", f"opposite: initial savings, {COMPARED[MIRRORED]}", "... FF1 against the mirrored FF2"),
)


@dataclass(frozen=True)
class ResultsPage:
    """Arguments of the results page."""

    take: Path | None = None
    """Folder of ``experiments.figures`` whose results are to be committed."""
    quick: Path | None = None
    """Run folder of ``make savings`` that is to be committed."""


def take(source: Path, results: Path = RESULTS) -> list[Path]:
    """Copy numbers and pictures of figures, and the lists of runs; they replace what was there.

    Args:
        source: Folder of ``experiments.figures``.
        results: Folder of committed results.

    Returns:
        The files copied.

    Raises:
        FileNotFoundError: If the source has no finished figures; nothing is changed then.
    """
    lacking = [name for name in (INDEX, REFERENCE, RECORD) if not (source / name).is_file()]
    if lacking:
        raise FileNotFoundError(f"{str(source)!r} has no {', '.join(lacking)}: run experiments.figures first")
    files = [source / name for name in (INDEX, REFERENCE, RECORD)]
    for name in _figures_of(source):
        files += Findings.load(source, name).files(source, name)
    files = [path for path in files if path.suffix != ".svg" or path.stat().st_size <= SVG_LIMIT]
    results.mkdir(parents=True, exist_ok=True)
    for old in results.iterdir():
        if old.suffix in (".json", ".csv", ".png", ".svg"):
            old.unlink()
    return [Path(shutil.copyfile(path, results / path.name)) for path in files]


def take_run(run: Path, results: Path) -> list[Path]:
    """Copy arguments, summary and figures of a finished run; they replace what was there.

    Summary and figures are made again from the probes, so that they follow the measures as they are now.

    Args:
        run: Folder of the run.
        results: Folder of committed results.

    Returns:
        The files written.
    """
    pictures = draw_figures(run)
    summary = RunFolder.read_summary(run)
    summary |= savings(read_table(run / PROBES), seed=summary["seed"]).to_dict()
    arguments = stored_arguments(run)
    usual = {name: getattr(PRESETS[arguments.preset], name) for name in EXECUTION}
    summary["command"] = command(dataclasses.replace(arguments, **usual))
    results.mkdir(parents=True, exist_ok=True)
    for old in results.iterdir():
        if old.suffix in (".json", ".png", ".svg"):
            old.unlink()
    write_json(results / SUMMARY, summary)
    return [results / SUMMARY, *(
        Path(shutil.copyfile(path, results / path.name)) for path in (run / "config.json", *pictures)
    )]  # fmt: skip


def render(results: Path = RESULTS, main: Path = MAIN_RUN, quick: Path = QUICK) -> str:
    """Return the page.

    Args:
        results: Folder of committed figures, beside the page as ``results/figures``.
        main: Folder of their main run, ``results/paper``.
        quick: Folder of the run that ``make savings`` makes, ``results/quick``.

    Raises:
        FileNotFoundError: If there are no results.
    """
    index = json.loads((results / INDEX).read_text())
    rows = json.loads((results / REFERENCE).read_text())["rows"]
    record = read_record(results)
    findings = {name: Findings.load(results, name) for name in _figures_of(results)}
    parts = [
        f"{INTRODUCTION}\n\n```\n{index['command']}\n```",
        f"## Summary\n\n{_summary(findings, index['runs'], rows)}",
        f"## The main run\n\n{_run_section(main)}",
        f"## What `make savings` shows\n\n{_run_section(quick)}",
    ]
    parts += [_section(name, findings.get(name), index, record.get(name, {})) for name in FIGURES]
    parts += [
        "## Every number of the study\n\n"
        f"{tally(rows).capitalize()}.\n\n{MEANING}\n\n{comparison_table(rows)}",
        f"## Why numbers differ\n\n{why_they_differ(rows)}",
        f"## Runs\n\n{_run_table(index['runs'])}\n\n{_versions(index['versions'])}",
    ]
    return "\n\n".join(parts) + "\n"


def _figures_of(folder: Path) -> list[str]:
    """Names of the figures from which the numbers in a folder come."""
    return list(json.loads((folder / REFERENCE).read_text())["figures"])


def _summary(findings: dict[str, Findings], runs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """The numbers that matter most, in one table."""
    main = next((run for run in runs if run["kind"] == "main"), None)
    lines = []
    for figure, name, words in SUMMARY_ROWS:
        entry = findings[figure].by_name.get(name) if figure in findings else None
        if entry is None or entry.value is None:
            continue
        reference = study.REFERENCE.get(name)
        theirs = MISSING
        if reference is not None:
            mark = "" if reference.source == study.PRINTED else "~"
            theirs = mark + format_value(reference.value, unit=reference.unit, digits=4)
        p = format_p(entry.p if entry.p_holm is None else entry.p_holm)
        ours = format_value(entry.value, entry.ci, entry.unit)
        lines.append((words, ours, p, theirs, str(entry.networks), f"[{figure}](#{figure})"))
    about = "" if main is None else (
        f"{main['networks']} networks of {main['units']} units, phases of {_updates(main)} updates (the "
        f"study: {study.NETWORKS} networks; 10000, 3200, 10000, 3200). "
    )  # fmt: skip
    text = (
        f"{about}Intervals are 95 % intervals over networks. p values are two-sided and corrected (Holm) for "
        "all effects that the text of a figure claims. Figures probe the stored networks again, with noise "
        "of their own: what stands in the table of the main run, too, may differ there in the second digit. "
        "Of "
        f"ours and [the study's numbers](#every-number-of-the-study), {tally(rows)}."
    )
    headings = ("finding", "ours [95 % interval]", "p", "study", "networks", "figure")
    return f"{text}\n\n{markdown_table(headings, lines)}"


def _run_section(folder: Path) -> str:
    """The table and pictures of a run, and the command that makes it."""
    summary = RunFolder.read_summary(folder)
    pictures = sorted(folder.glob("*.png"))
    shown = [f"![{p.stem.replace('_', ' ')}](results/{folder.name}/{p.name})" for p in pictures]
    text = (
        f"`{summary['command']}`, {summary['networks']} networks of {summary['units']} units, seed "
        f"{summary['seed']}, {summary['wall_time_s'] / 60:.0f} min. {LEGEND} *Pairs of networks*: FF1 of one "
        "network against FF2 of another, as in the study's figure. *Channel force*: share of the field that "
        f"networks cancel in an error clamp. `results/{folder.name}/` holds the summary and all versions."
    )
    return "\n\n".join([text, markdown_report(summary), *shown])


def _section(name: str, findings: Findings | None, index: dict[str, Any], record: dict[str, Any]) -> str:
    """One figure: its subject, pictures, sentences, tables, and origin."""
    title = f"## {name.replace('_', ' ').capitalize()}"
    subject = (FIGURES[name].__doc__ or "").strip().split("\n")[0]
    if findings is None:
        return (
            f"{title}\n\n{subject}\n\nNot among these results: `{index['command']} --only {name}` makes it."
        )
    lines = [title, subject]
    lines += [f"![{path.stem.replace('_', ' ')}](results/figures/{path.name})" for path in findings.pictures]
    lines += [findings.text] if findings.text else []
    lines += [_folded(heading, table) for heading, table in findings.tables.items()]
    kinds = NEEDS.get(name, ("main",))
    runs = [row for row in index["runs"] if row["kind"] in kinds]
    origin = "; ".join(f"{row['name']} ({row['networks']} networks, seed {row['seed']})" for row in runs)
    seconds = f", {record['seconds']:.0f} s after the runs" if "seconds" in record else ""
    values = f" Values of every network: `results/figures/{name}.csv`." if findings.networks else ""
    lines.append(f"Runs: {origin}. `{index['command']} --only {name}`{seconds}.{values}")
    return "\n\n".join(lines)


def _folded(heading: str, table: str) -> str:
    """A table that a reader can open."""
    return f"<details>\n<summary>{heading}</summary>\n\n{table}\n\n</details>"


def _run_table(runs: list[dict[str, Any]]) -> str:
    """One row per run."""
    headings = (
        "run",
        "networks",
        "units",
        "seed",
        "updates of the phases",
        "pre-training",
        "wall time",
        "command",
    )
    return markdown_table(
        headings,
        [
            (
                row["name"], str(row["networks"]), str(row["units"]), str(row["seed"]), _updates(row),
                _pretraining(row), f"{row['wall_time_s'] / 60:.1f} min", f"`{row['command']}`",
            )
            for row in runs
        ],
    )  # fmt: skip


def _updates(row: dict[str, Any]) -> str:
    return ", ".join(str(count) for count in row["updates"])


def _pretraining(row: dict[str, Any]) -> str:
    """Where the networks of a run come from."""
    words = "; ".join(row["pretraining"])
    source = f"`{row['pretrained']}`" if row["pretrained"] else "in the run, beyond its wall time"
    return f"{words} ({source})"


def _versions(versions: dict[str, str]) -> str:
    return "Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def run(config: ResultsPage) -> int:
    """Write the page, with new results if there are any; return the exit status."""
    taken: list[Path] = []
    if config.take is not None:
        taken += take_run(config.take / "runs" / "main", MAIN_RUN) + take(config.take)
    if config.quick is not None:
        taken += take_run(config.quick, QUICK)
    if taken:
        log.info("took %d files", len(taken))
    write_atomically(PAGE, render().encode())
    log.info("wrote %s", PAGE)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.figures.results_page", ResultsPage, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
