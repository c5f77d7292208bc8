"""The results page of the repository, experiments/RESULTS.md, made from the results that are committed.

    python -m experiments.figures.results_page --take runs/figures-quick

copies numbers and pictures of finished figures into experiments/results/figures and writes the page; without
``--take`` only the page is written again.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.figures.command import FIGURES, NEEDS
from experiments.figures.comparison import MEANING, comparison_table, tally
from experiments.figures.kit import Found
from experiments.figures.state import RECORD, read_record
from experiments.runs.command_line import command_main
from experiments.runs.tables import markdown_table
from savings_gym.files import write_atomically

log = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parents[1]
PAGE, RESULTS = HERE / "RESULTS.md", HERE / "results" / "figures"
INDEX, REFERENCE = "runs.json", "reference.json"
INTRODUCTION = """\
# Results

Our networks through the four phases of Shahbazi, Codol, Michaels & Gribble, *A context-free model of \
savings in motor learning*, eLife 14:RP107423 (2026), and beside each number what the study has. \
`python -m experiments.figures.results_page` writes this page from the files in `results/figures/`, made by"""


@dataclass(frozen=True)
class ResultsPage:
    """Arguments of the results page."""

    take: Path | None = None
    """Folder of ``experiments.figures`` whose results are to be committed."""


def take(source: Path, results: Path = RESULTS) -> list[Path]:
    """Copies numbers and pictures of figures, and the lists of runs, in the place of what was there.

    Args:
        source: Folder of ``experiments.figures``.
        results: Where to.

    Returns:
        The files copied.

    Raises:
        FileNotFoundError: When the folder has no finished figures; nothing was changed then.
    """
    lacking = [name for name in (INDEX, REFERENCE, RECORD) if not (source / name).is_file()]
    if lacking:
        raise FileNotFoundError(f"{str(source)!r} has no {', '.join(lacking)}: run experiments.figures first")
    names = [INDEX, REFERENCE, RECORD]
    for name in _made(source):
        names += [f"{name}.json", *(path.name for path in Found.load(source, name).figures)]
    results.mkdir(parents=True, exist_ok=True)
    for old in results.iterdir():
        if old.suffix in (".json", ".png"):
            old.unlink()
    return [Path(shutil.copyfile(source / name, results / name)) for name in names]


def render(results: Path = RESULTS) -> str:
    """The page.

    Args:
        results: Folder of results, beside the page as ``results/figures``.

    Raises:
        FileNotFoundError: When it has no results.
    """
    index = json.loads((results / INDEX).read_text())
    rows = json.loads((results / REFERENCE).read_text())["rows"]
    made, record = _made(results), read_record(results)
    parts = [
        f"{INTRODUCTION}\n\n```\n{index['command']}\n```",
        f"## Runs\n\n{_run_table(index['runs'])}\n\n{_versions(index['versions'])}",
        f"## Beside the study\n\n{tally(rows).capitalize()}.\n\n{MEANING}\n\n{comparison_table(rows)}",
    ]
    for name in FIGURES:
        what = Found.load(results, name) if name in made else None
        parts.append(_section(name, what, index, record.get(name, {})))
    return "\n\n".join(parts) + "\n"


def _made(folder: Path) -> list[str]:
    """Names of the figures that the numbers in a folder are from."""
    return list(json.loads((folder / REFERENCE).read_text())["figures"])


def _section(name: str, found: Found | None, index: dict[str, Any], record: dict[str, Any]) -> str:
    """One figure: what it is, pictures, sentences, tables, and where they come from."""
    title = f"## {name.replace('_', ' ').capitalize()}"
    about = (FIGURES[name].__doc__ or "").strip().split("\n")[0]
    if found is None:
        return f"{title}\n\n{about}\n\nNot among these results: `{index['command']} --only {name}` makes it."
    lines = [title, about]
    lines += [f"![{path.stem.replace('_', ' ')}](results/figures/{path.name})" for path in found.figures]
    lines += [found.text] if found.text else []
    lines += [f"**{heading}**\n\n{table}" for heading, table in found.tables.items()]
    kinds = NEEDS.get(name, ("main",))
    runs = [row for row in index["runs"] if row["kind"] in kinds]
    whose = "; ".join(f"{row['name']} ({row['networks']} networks, seed {row['seed']})" for row in runs)
    seconds = f", {record['seconds']:.0f} s after the runs" if "seconds" in record else ""
    lines.append(f"Runs: {whose}. `{index['command']} --only {name}`{seconds}.")
    return "\n\n".join(lines)


def _run_table(runs: list[dict[str, Any]]) -> str:
    """A row a run."""
    headings = (
        "run",
        "networks",
        "units",
        "seed",
        "updates of the phases",
        "from",
        "wall time",
        "command",
    )
    return markdown_table(
        headings,
        [
            (
                row["name"], str(row["networks"]), str(row["units"]), str(row["seed"]),
                ", ".join(str(count) for count in row["updates"]), _before(row),
                f"{row['wall_time_s'] / 60:.1f} min", f"`{row['command']}`",
            )
            for row in runs
        ],
    )  # fmt: skip


def _before(row: dict[str, Any]) -> str:
    """Where the networks of a run come from."""
    how = "; ".join(f"{n} with {words}" for words, n in row["pretraining"].items())
    if row["pretrained"]:
        return f"`{row['pretrained']}`: {how}"
    return f"the run, not in its wall time: {how}"


def _versions(versions: dict[str, str]) -> str:
    return "Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def run(config: ResultsPage) -> int:
    """Write the page, with new results if given; return the exit status."""
    if config.take is not None:
        log.info("took %d files", len(take(config.take)))
    write_atomically(PAGE, render().encode())
    log.info("wrote %s", PAGE)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.figures.results_page", ResultsPage, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
