"""Our numbers beside the study's: a table for every figure, reference.json and comparison.md for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.figures.kit import Found
from experiments.runs.tables import markdown_table, shown
from experiments.study import REFERENCES, VERDICTS, Quantity, Reference, verdict
from savings_gym.files import write_atomically, write_json

HEADINGS = ("quantity", "study", "ours", "95 % interval", "p", "networks", "verdict")
MEANING = """\
*agrees*: our 95 % interval, widened by the error of reading the study's plot, holds the study's value. \
*same sign*: it does not, but both differ from no effect, to the same side. *differs*: neither. \
*not testable*: we have no such number, and why. The study's numbers are of 40 networks a size and its full \
schedule; those marked ~ are read off its plots. *p*: of our number against no effect, two-sided t test over \
networks. Intervals are bootstrap intervals, which for few networks are narrower than those of the t test; \
where the two disagree, sentences follow p."""


def compare(found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """A row a number of the study: what it says, what we found, and a verdict.

    Args:
        found: What the figures found, by figure.

    Returns:
        Rows for JSON: name, unit, reference, reference_ci, reading_error, source, where, reference_networks,
        ours, ci, networks, p, figure, verdict, reason.

    Raises:
        ValueError: When two figures have a quantity of the same name, and the study has it too.
    """
    ours: dict[str, tuple[str, Quantity]] = {}
    names = {reference.name for reference in REFERENCES}
    for figure, what in found.items():
        for quantity in what.quantities:
            if quantity.name in names and quantity.name in ours:
                raise ValueError(f"{ours[quantity.name][0]} and {figure} both have {quantity.name!r}")
            ours[quantity.name] = figure, quantity
    return [_row(reference, *ours.get(reference.name, ("", None))) for reference in REFERENCES]


def _row(reference: Reference, figure: str, ours: Quantity | None) -> dict[str, Any]:
    words, reason = verdict(reference, ours)
    return {
        "name": reference.name, "unit": reference.unit,
        "reference": reference.value, "reference_ci": list(reference.ci), "reading_error": reference.error,
        "source": reference.source, "where": reference.where, "reference_networks": reference.networks,
        "ours": None if ours is None else ours.value, "ci": [None, None] if ours is None else list(ours.ci),
        "networks": 0 if ours is None else ours.networks, "p": None if ours is None else ours.p,
        "figure": figure, "verdict": words, "reason": reason,
    }  # fmt: skip


def beside_study(quantities: Iterable[Quantity]) -> str:
    """Markdown table of quantities, beside the study's where it has them."""
    known = {reference.name: reference for reference in REFERENCES}
    rows = []
    for quantity in quantities:
        reference = known.get(quantity.name)
        study, words = "-", "-"
        if reference is not None:
            row = _row(reference, "", quantity)
            study, words = _study(row), _verdict(row)
        elif quantity.value is None:
            words = quantity.note
        ours = shown(quantity.value, unit=quantity.unit)
        cells = (quantity.name, study, ours, _interval(quantity.ci), _p(quantity.p), str(quantity.networks))
        rows.append((*cells, words))
    return markdown_table(HEADINGS, rows)


def comparison_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Markdown table of the rows of `compare`."""
    return markdown_table(
        HEADINGS,
        [
            (
                row["name"], _study(row), shown(row["ours"], unit=row["unit"]), _interval(row["ci"]),
                _p(row["p"]), str(row["networks"] or "-"), _verdict(row),
            )
            for row in rows
        ],
    )  # fmt: skip


def tally(rows: Iterable[Mapping[str, Any]]) -> str:
    """How many rows have which verdict, in words."""
    counts = Counter(row["verdict"] for row in rows)
    return ", ".join(f"{counts[words]} {words}" for words in VERDICTS if counts[words])


def write_comparison(out: Path, found: Mapping[str, Found], about: str) -> list[dict[str, Any]]:
    """Writes reference.json and comparison.md; returns the rows.

    Args:
        out: Folder.
        found: What the figures found, by figure.
        about: Which runs these are, a sentence or two.
    """
    rows = compare(found)
    write_json(out / "reference.json", {"figures": list(found), "rows": rows})
    parts = ["# Ours beside the study's", about, f"{tally(rows)}.", MEANING, comparison_table(rows)]
    for name, what in found.items():
        parts.append(f"## {name}")
        parts += [f"![{name}]({path.relative_to(out).as_posix()})" for path in what.figures]
        parts += [what.text] if what.text else []
        parts += [f"**{title}**\n\n{table}" for title, table in what.tables.items()]
    write_atomically(out / "comparison.md", ("\n\n".join(parts) + "\n").encode())
    return rows


def _study(row: Mapping[str, Any]) -> str:
    about = "" if row["source"] == "printed" else "~"
    return about + shown(row["reference"], unit=row["unit"], digits=4)


def _interval(ci: Iterable[float | None]) -> str:
    low, high = ci
    return "-" if low is None or high is None else f"{low:.3g} to {high:.3g}"


def _p(p: float | None) -> str:
    return "-" if p is None else f"{p:.2g}"


def _verdict(row: Mapping[str, Any]) -> str:
    return f"{row['verdict']}: {row['reason']}" if row["reason"] else str(row["verdict"])
