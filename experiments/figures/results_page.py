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
import re
import shutil
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from experiments import study
from experiments.drawing.run import draw_figures
from experiments.figures.captions import CAPTIONS, QUESTIONS
from experiments.figures.cause import CAUSE, cause
from experiments.figures.command import FIGURES, NEEDS
from experiments.figures.comparison import HOLM, MEANING, comparison_table
from experiments.figures.factors import compares
from experiments.figures.findings import Findings
from experiments.figures.make_figures import RECORD, read_record
from experiments.figures.reasons import why_they_differ
from experiments.figures.runs import FACTOR, MAIN
from experiments.figures.summary import in_short, summary
from experiments.runs.command_line import command_main
from experiments.runs.folder import RunFolder
from experiments.runs.networks import criterion_probes
from experiments.runs.tables import MISSING, grouped, listed, markdown_table
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
LEFT_OUT: Final = "left_out"  # in the list of runs: numbers of networks that the figures leave out
SVG_LIMIT: Final = 250_000  # bytes; larger ones stay in the folder of the figures
INTRODUCTION: Final = """\
# Results

Our networks in the four phases of Shahbazi, Codol, Michaels & Gribble, *A context-free model of savings in \
motor learning*, eLife 14:RP107423 (2026), beside the study's numbers. Do networks that get no cue relearn a \
field faster, is that more than practice, and does a trace in their preparatory activity cause it?

- *NF1, FF1, NF2, FF2*: no field, the field, washout, the field again.
- *Sham*: the same networks through the same phases without a field in FF1. *Beyond practice*: less what the \
sham shows.
- *Preparatory activity*: that of the recurrent units before go, 0.16 s into the trial. Its *shift*: how it \
changes from the end of NF1 to the end of FF1.
- *Displacement*: a multiple of the shift added to activity once in a trial.

All measures, with formulas: [`docs/measures.md`](../docs/measures.md)."""
ORIGIN: Final = """\
`python -m experiments.figures.results_page` writes this page from the files in `results/`. One command \
makes all results but those that name another:"""
OF_RUNS: Final = (
    "*Pairs of networks*: FF1 of one network against FF2 of another, as in the study's figure. *Channel "
    "force*: share of the field that networks cancel in an error clamp. Figures of this run: "
    "[behaviour](#behaviour) and those that follow."
)
AS_BEFORE: Final = "Rows and columns are those of [the main run](#the-main-run)."
FRONT_PICTURES: Final = ("learning_curves.png",)  # of the main run, on the first page of the documentation
SMALLEST_P: Final = 1e-4  # smaller ones are printed as such
CELL_BORDER: Final = re.compile(r"(?<!\\)\|")
SMALL_P: Final = re.compile(r"\bp = (?:0|\d(?:\.\d)?e-\d+)(?!\d|\.\d)")  # in text, with two digits


@dataclass(frozen=True)
class ResultsPage:
    """Arguments of the results page."""

    take: Path | None = None
    """Folder of ``experiments.figures`` whose results are to be committed."""
    quick: Path | None = None
    """Run folder of ``make savings`` that is to be committed."""
    drop_added: bool = False
    """Let --take drop runs that were added one by one (``figures.condition``, ``figures.more_networks``,
    ``figures.few_networks``)."""


def take(source: Path, results: Path = RESULTS, drop_added: bool = False) -> list[Path]:
    """Copy numbers and pictures of figures, and the lists of runs; they replace what was there.

    Args:
        source: Folder of ``experiments.figures``.
        results: Folder of committed results.
        drop_added: Drop runs that were added to these results one by one.

    Returns:
        The files copied.

    Raises:
        FileNotFoundError: If the source has no finished figures; nothing is changed then.
        ValueError: If runs that were added would be dropped without `drop_added`; nothing is changed then.
    """
    lacking = [name for name in (INDEX, REFERENCE, RECORD) if not (source / name).is_file()]
    if lacking:
        raise FileNotFoundError(f"{str(source)!r} has no {', '.join(lacking)}: run experiments.figures first")
    added = _added(results, _figures_of(source)) - _added(source)
    if added and not drop_added:
        raise ValueError(
            f"{str(results)!r} has runs that {str(source)!r} lacks, added by {listed(sorted(added))}: to "
            "take its results without them, give --drop-added; the same commands then add them again"
        )
    files = [source / name for name in (INDEX, REFERENCE, RECORD)]
    for name in _figures_of(source):
        findings = Findings.load(source, name)
        if _left_out(name, findings):
            findings = dataclasses.replace(findings, pictures=[])
        files += findings.files(source, name)
    files = [path for path in files if path.suffix != ".svg" or path.stat().st_size <= SVG_LIMIT]
    results.mkdir(parents=True, exist_ok=True)
    for old in results.iterdir():
        if old.suffix in (".json", ".csv", ".png", ".svg"):
            old.unlink()
    return [Path(shutil.copyfile(path, results / path.name)) for path in files]


def _added(results: Path, replaced: Collection[str] = ()) -> set[str]:
    """The commands that added runs to results, if there are any.

    Args:
        results: Folder of results.
        replaced: Figures whose own runs do not count, as the figures come from others now.
    """
    if not (results / INDEX).is_file():
        return set()
    rows = json.loads((results / INDEX).read_text())["runs"]
    return {row["added_by"] for row in rows if "added_by" in row and row.get("figure") not in replaced}


def take_run(run: Path, results: Path, pictures: Collection[str] | None = None) -> list[Path]:
    """Copy arguments, summary and pictures of a finished run; they replace what was there.

    Summary and pictures are made again from the probes, so that they follow the measures as they are now.

    Args:
        run: Folder of the run.
        results: Folder of committed results.
        pictures: File names of the pictures to copy; all of them by default.

    Returns:
        The files written.
    """
    drawn = [path for path in draw_figures(run) if pictures is None or path.name in pictures]
    summary = RunFolder.read_summary(run)
    table, last_probes = read_table(run / PROBES), criterion_probes(summary)
    summary |= savings(table, summary["seed"], criterion_probes=last_probes).to_dict()
    arguments = stored_arguments(run)
    usual = {name: getattr(PRESETS[arguments.preset], name) for name in EXECUTION}
    summary["command"] = command(dataclasses.replace(arguments, **usual))
    results.mkdir(parents=True, exist_ok=True)
    for old in results.iterdir():
        if old.suffix in (".json", ".png", ".svg"):
            old.unlink()
    write_json(results / SUMMARY, summary)
    return [results / SUMMARY, *(
        Path(shutil.copyfile(path, results / path.name)) for path in (run / "config.json", *drawn)
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
    findings = stored_findings(results)
    parts = [
        INTRODUCTION,
        f"## In short\n\n{in_short(findings, rows)}",
        *_cause(findings),
        f"## Summary\n\n{summary(findings, _main_run(index['runs']), rows)}",
        f"## The main run\n\n{_run_section(main, f'{LEGEND} {OF_RUNS}')}",
    ]
    parts += [
        _section(name, findings.get(name), index, record.get(name, {}))
        for name in FIGURES
        if not _left_out(name, findings.get(name))
    ]
    parts += [
        f"## Every number of the study\n\n{MEANING} {HOLM}\n\n"
        f"{_folded('All numbers', comparison_table(rows))}",
        f"## Why numbers differ\n\n{why_they_differ(rows)}",
        f"## What `make savings` shows\n\n{_run_section(quick, AS_BEFORE)}\n\n{_pictures(quick)}",
        f"## Runs\n\n{ORIGIN}\n\n```\n{index['command']}\n```\n\n"
        f"{_folded('All runs', _run_table(index['runs']))}\n\n{_versions(index['versions'])}",
    ]
    return small_p("\n\n".join(parts) + "\n")


def _cause(findings: dict[str, Findings]) -> list[str]:
    """The section on the causal claim; none if it cannot be written."""
    text = cause(findings)
    return [f"## {CAUSE}\n\n{text}"] if text else []


def stored_findings(results: Path = RESULTS) -> dict[str, Findings]:
    """Return the findings of the figures in a folder of results, by name."""
    return {name: Findings.load(results, name) for name in _figures_of(results)}


def _left_out(name: str, findings: Findings | None) -> bool:
    """Whether the page leaves a figure out: of factors, if there is no condition beside the main run."""
    return name == "factors" and findings is not None and not compares(findings)


def _figures_of(folder: Path) -> list[str]:
    """Names of the figures from which the numbers in a folder come."""
    return list(json.loads((folder / REFERENCE).read_text())["figures"])


def _main_run(runs: list[dict[str, Any]]) -> str:
    """What the main run is, in a sentence; empty without one."""
    main = next((run for run in runs if run["kind"] == "main"), None)
    if main is None:
        return ""
    return (
        f"{main['networks']} networks of {main['units']} units, phases of {_updates(main)} updates (the "
        f"study: {study.NETWORKS} networks; 10 000, 3 200, 10 000, 3 200)."
    )


def small_p(page: str) -> str:
    """Return Markdown in which p values below `SMALLEST_P` are printed as smaller than it.

    These are what follows ``p =`` in text, and the cells of columns named p, or p with a word in brackets.
    """
    lines, columns, before = [], set(), ""
    for line in page.split("\n"):
        shown = SMALL_P.sub(f"p < {SMALLEST_P:g}", line)
        if line.startswith("|"):
            cells = CELL_BORDER.split(line)
            if not before.startswith("|"):
                columns = {i for i, cell in enumerate(cells) if re.fullmatch(r"p( \(.*\))?", cell.strip())}
            elif columns:
                cells = [_small(cell) if i in columns else cell for i, cell in enumerate(cells)]
                shown = "|".join(cells)
        lines.append(shown)
        before = line
    return "\n".join(lines)


def _small(cell: str) -> str:
    """A cell of a table; if it is a p value below `SMALLEST_P`, that it is smaller."""
    try:
        return f" < {SMALLEST_P:g} " if float(cell) < SMALLEST_P else cell
    except ValueError:
        return cell


def _run_section(folder: Path, legend: str) -> str:
    """What a run is, the command that makes it, and its table.

    Args:
        folder: Its committed results.
        legend: What the table shows.
    """
    its = RunFolder.read_summary(folder)
    text = (
        f"`{its['command']}`, {its['networks']} networks of {its['units']} units, seed {its['seed']}, "
        f"{its['wall_time_s'] / 60:.0f} min. {legend} `results/{folder.name}/` holds the summary and the "
        "software versions."
    )
    return f"{text}\n\n{markdown_report(its)}"


def _pictures(folder: Path) -> str:
    """The pictures of a run."""
    pictures = sorted(folder.glob("*.png"))
    return "\n\n".join(
        f"![{path.stem.replace('_', ' ')}](results/{folder.name}/{path.name})" for path in pictures
    )


def _section(name: str, findings: Findings | None, index: dict[str, Any], record: dict[str, Any]) -> str:
    """One figure: its question, answer, pictures, tables, and origin."""
    title, question = f"## {name.replace('_', ' ').capitalize()}", f"*{QUESTIONS[name]}*"
    if findings is None:
        return (
            f"{title}\n\n{question}\n\nNot among these results: `{index['command']} --only {name}` makes it."
        )
    lines = [title, question]
    lines += [findings.text] if findings.text else []
    for path in findings.pictures:
        lines += [f"![{path.stem.replace('_', ' ')}](results/figures/{path.name})", CAPTIONS[path.stem]]
    lines += [_folded(heading, table) for heading, table in findings.tables.items()]
    kinds = NEEDS.get(name, (MAIN,)) + ((FACTOR,) if name == "factors" else ())
    of_few = [row for row in index["runs"] if row.get("figure") == name]
    runs = of_few or [row for row in index["runs"] if row["kind"] in kinds]
    if "units" in findings.networks:
        runs = [row for row in runs if row["units"] in findings.networks["units"]]
    seconds = f" ({record['seconds']:.0f} s after the runs)" if "seconds" in record else ""
    added = dict.fromkeys(f"`{row['added_by']}`" for row in runs if "added_by" in row)
    made = "; ".join([*([] if of_few else [f"alone with `--only {name}`{seconds}"]), *added])
    values = f" Values of every network: `results/figures/{name}.csv`." if findings.networks else ""
    values += _left_out_networks(runs)
    lines.append(f"Made from [{listed([row['name'] for row in runs])}](#runs); {made}.{values}")
    return "\n\n".join(lines)


def _left_out_networks(runs: Collection[dict[str, Any]]) -> str:
    """How many networks of which runs are left out; begins with a space."""
    parts = [
        f"{len(row[LEFT_OUT])} of {row['networks']} of `{row['name']}`" for row in runs if row.get(LEFT_OUT)
    ]
    if not parts:
        return ""
    return f" Networks that do not reach within 10 mm at the end of NF1 are left out: {listed(parts)}."


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
        "commit",
        "command",
    )
    return markdown_table(
        headings,
        [
            (
                row["name"], str(row["networks"]), str(row["units"]), str(row["seed"]), _updates(row),
                _pretraining(row), f"{row['wall_time_s'] / 60:.1f} min", _commit(row), f"`{row['command']}`",
            )
            for row in runs
        ],
    )  # fmt: skip


def _commit(row: dict[str, Any]) -> str:
    """The commit that made a run, which older lists of runs lack."""
    commit = row.get("commit") or row.get("versions", {}).get("commit")
    return commit or MISSING


def _updates(row: dict[str, Any]) -> str:
    return ", ".join(grouped(count) for count in row["updates"])


def _pretraining(row: dict[str, Any]) -> str:
    """Where the networks of a run come from."""
    words = "; ".join(row["pretraining"])
    source = f"`{row['pretrained']}`" if row["pretrained"] else "in the run, not in its wall time"
    return f"{words} ({source})"


def _versions(versions: dict[str, str]) -> str:
    return "Figures made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def run(config: ResultsPage) -> int:
    """Write the page, with new results if there are any; return the exit status."""
    taken: list[Path] = []
    if config.take is not None:
        RunFolder.read_summary(config.take / "runs" / "main")  # before anything is replaced
        taken += take(config.take, drop_added=config.drop_added)
        taken += take_run(config.take / "runs" / "main", MAIN_RUN, FRONT_PICTURES)
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
