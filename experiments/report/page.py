"""The page: the data of all runs put into the template, as one string."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jinja2

from experiments.benchmark.columns import tables
from experiments.benchmark.protocol import CONTENT
from experiments.drawing.style import PHASE_COLOUR, PHASE_MEANING
from experiments.figures.comparison import MEANING, tally
from experiments.report.curves import learning_data
from experiments.report.finished import FinishedRun
from experiments.report.measures import Measure, measures, minus
from experiments.report.reaches import UNIT_BYTES, reach_data
from experiments.report.ring import ring_data
from experiments.report.size import size_data
from experiments.report.words import headline, story, tiles
from experiments.runs.out import PAGE
from experiments.savings.config import ROOT
from experiments.savings.report import LEGEND
from experiments.stored.activity import activity_of_run
from savings_gym.files import jsonable
from savings_gym.task.schedule import PHASES

log = logging.getLogger(__name__)
HERE: Final = Path(__file__).parent
LIBRARIES: Final = (("d3.min.js", "d3.LICENSE"), ("plot.umd.min.js", "plot.LICENSE"))
SCRIPTS: Final = ("plots.js", "player.js", "report.js")
NO_NETWORKS: Final = (
    "This folder keeps no networks of experiments.savings, whose reaches and activity are shown here. Of "
    "other learners the page shows the measures."
)


@dataclass(frozen=True, eq=False)
class Section:
    """What the page shows of one run.

    Attributes:
        run: The run.
        headline: Whether it shows savings.
        story: What happened, in sentences.
        lines: The table of measures.
        data: For the plots: ``learning``, ``reaches`` and ``ring``, each None if the run has none.
        missing: Name of a plot to why it is missing.
    """

    run: FinishedRun
    headline: str
    story: list[str]
    lines: list[Measure]
    data: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def tally(self) -> str:
        """How many measures agree with the study's."""
        return tally([{"verdict": line.verdict} for line in self.lines if line.verdict])

    @property
    def compared(self) -> int:
        """How many measures are compared with the study's."""
        return sum(1 for line in self.lines if line.verdict)

    @property
    def tiles(self) -> list[Measure]:
        """The measures that a reader wants first."""
        return tiles(self.lines)

    @property
    def config(self) -> str:
        """The whole config.json as text."""
        return json.dumps(self.run.config, indent=2)


def section(run: FinishedRun, unit_bytes: int = UNIT_BYTES) -> Section:
    """Return what the page shows of a run; networks are probed again if no activity is stored.

    Args:
        run: The run.
        unit_bytes: As in `reach_data`.
    """
    lines, missing = measures(run), {}
    data: dict[str, Any] = {
        "name": run.name, "standard": run.standard, "learning": learning_data(run), "reaches": None,
        "ring": None,
    }  # fmt: skip
    told = story(run, lines)
    if data["learning"] is None:
        missing["learning"] = (
            "This folder has no table of probes (probes.parquet), from which learning curves are drawn."
        )
    if not any((run.folder / f"networks_{phase}.safetensors").is_file() for phase in PHASES):
        missing["reaches"] = missing["ring"] = NO_NETWORKS
        return Section(run, headline(run), told, lines, data, missing)
    log.info("%s: probing the networks of all phases, without and in the field", run.folder)
    free, in_field = (activity_of_run(run.folder, name, save=False) for name in ("null", "curl"))
    data["reaches"] = reach_data(run, free, in_field, unit_bytes)
    try:
        data["ring"], shifts = ring_data(run, free)
        lines += shifts
    except ValueError as error:
        missing["ring"] = f"Preparatory activity of these networks cannot be analysed: {error}."
    return Section(run, headline(run), told, lines, data, missing)


def benchmark_tables(folder: Path) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return headings and rows of every table of a benchmark, by title.

    Raises:
        FileNotFoundError, ValueError: If the folder holds no benchmark.
    """
    path = folder / CONTENT
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no benchmark: there is no {path}")
    try:
        rows = json.loads(path.read_text())["rows"]
        return {
            title: (
                [name for name, _ in columns],
                [[minus(cell(row)) for _, cell in columns] for row in rows],
            )
            for title, columns in tables(rows).items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not hold the results of experiments.benchmark: {error!r}") from error


def render(runs: Sequence[FinishedRun], benchmark: Path | None, arguments: Sequence[str]) -> str:
    """Return the page.

    Args:
        runs: The runs, of which the first is shown first.
        benchmark: Folder of a benchmark, or None.
        arguments: Command line of the report, for the page to quote.
    """
    tables = {} if benchmark is None else benchmark_tables(benchmark)
    sections = [section(run, UNIT_BYTES // len(runs)) for run in runs]
    size = size_data(runs)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    content = {"runs": [its.data for its in sections], "size": size}
    return environment.get_template("template.html").render(
        sections=sections, size=size, tables=tables, benchmark_name=_shown(benchmark), benchmark_page=PAGE,
        runs_named=[(str(i), its.run.name, "") for i, its in enumerate(sections)],
        phases=PHASES, meaning=PHASE_MEANING, colours=PHASE_COLOUR, legend=LEGEND, verdicts=MEANING,
        command=shlex.join(["python", "-m", "experiments.report", *arguments]),
        style=_text("style.css"), data=_json(content),
        scripts=[*(_library(*files) for files in LIBRARIES), *map(_text, SCRIPTS)],
    )  # fmt: skip


def _library(name: str, licence: str) -> str:
    """A library, with its licence in front."""
    return f"/*! {_text(f'vendor/{licence}').strip()} */\n{_text(f'vendor/{name}')}"


def _shown(folder: Path | None) -> str:
    """A folder as the page names it: relative to the repository, if it lies there."""
    if folder is None:
        return ""
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _json(content: dict[str, Any]) -> str:
    """JSON that cannot end the script element that holds it."""
    return json.dumps(jsonable(content), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
