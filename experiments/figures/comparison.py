"""Our numbers beside the study's: a table for every figure, reference.json and comparison.md for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.figures.findings import Findings
from experiments.runs.tables import MISSING, format_p, format_value, markdown_table
from experiments.study import PRINTED, REFERENCE, REFERENCES, VERDICTS, Quantity, Reference, verdict
from savings_gym.files import write_atomically, write_json

HEADINGS = ("quantity", "study", "ours [95 % interval]", "p", "p (Holm)", "networks", "verdict")
MEANING = """\
Verdicts are tests of equivalence. The margin was declared before any run: how far the study's own two sets \
of networks lie apart (0.45 mm of a deviation, 0.1 mm of savings; half its own interval where it gives one, \
and otherwise the same share, 1.3 %), plus the error of reading its plot. *agrees*: our whole 95 % interval \
lies within the margin of the study's value. *differs*: it lies wholly outside. *undecided*: it crosses the \
margin. The direction of an effect is named beside them. *not testable*: we have no such number; the reason \
follows. The study's numbers come from 40 networks per size and its full schedule; those marked ~ are read \
off its plots, or stand for a range that it prints. *p*: our number against no effect, two-sided t test over \
networks. Intervals are over networks: t intervals of means, and their counterparts for ratios (Fieller), \
effect sizes (noncentral t), correlations (Fisher) and fractions (exact, or DeLong)."""


def compare(findings: Mapping[str, Findings]) -> list[dict[str, Any]]:
    """Return one row per number of the study: its value, ours, and a verdict.

    Args:
        findings: By figure.

    Returns:
        Rows for JSON: name, unit, reference, reference_ci, reading_error, source, where, reference_networks,
        ours, ci, networks, p, figure, verdict, reason.

    Raises:
        ValueError: If two figures have a quantity of the same name, and the study has it too.
    """
    ours: dict[str, tuple[str, Quantity]] = {}
    for figure, its in findings.items():
        for quantity in its.quantities:
            if quantity.name in REFERENCE and quantity.name in ours:
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
    """Return a Markdown table of quantities, with the study's values where it has them.

    The table has only the columns that its quantities fill.
    """
    rows = []
    for quantity in quantities:
        reference = REFERENCE.get(quantity.name)
        study, words = MISSING, quantity.note or MISSING
        if reference is not None:
            row = _row(reference, "", quantity)
            study, words = _study(row), _verdict(row)
        rows.append(
            (
                quantity.name, study, format_value(quantity.value, quantity.ci, quantity.unit),
                format_p(quantity.p), format_p(quantity.p_holm), str(quantity.networks), words,
            )
        )  # fmt: skip
    compared = any(row[1] != MISSING for row in rows)
    headings = (*HEADINGS[:-1], "verdict or note" if compared else "note")
    filled = [i for i in range(len(headings)) if i == 0 or any(row[i] != MISSING for row in rows)]
    return markdown_table([headings[i] for i in filled], [[row[i] for i in filled] for row in rows])


def comparison_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a Markdown table of the rows of `compare`."""
    return markdown_table(
        [heading for heading in HEADINGS if heading != "p (Holm)"],
        [
            (
                row["name"], _study(row), format_value(row["ours"], row["ci"], row["unit"]),
                format_p(row["p"]), str(row["networks"] or MISSING), _verdict(row),
            )
            for row in rows
        ],
    )  # fmt: skip


def tally(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return how many rows have which verdict, in words."""
    counts = Counter(row["verdict"] for row in rows)
    plural = {"agrees": "agree", "undecided": "are undecided", "differs": "differ"}
    return ", ".join(f"{counts[words]} {plural.get(words, words)}" for words in VERDICTS if counts[words])


def write_comparison(out: Path, findings: Mapping[str, Findings], origin: str) -> list[dict[str, Any]]:
    """Write reference.json and comparison.md; return the rows.

    Args:
        out: Folder.
        findings: By figure.
        origin: Which runs the numbers come from, a sentence or two.
    """
    rows = compare(findings)
    write_json(out / "reference.json", {"figures": list(findings), "rows": rows})
    parts = ["# Ours beside the study's", origin, f"{tally(rows)}.", MEANING, comparison_table(rows)]
    for name, its in findings.items():
        parts.append(f"## {name}")
        parts += [f"![{name}]({path.relative_to(out).as_posix()})" for path in its.pictures]
        parts += [its.text] if its.text else []
        parts += [f"**{title}**\n\n{table}" for title, table in its.tables.items()]
    write_atomically(out / "comparison.md", ("\n\n".join(parts) + "\n").encode())
    return rows


def _study(row: Mapping[str, Any]) -> str:
    mark = "" if row["source"] == PRINTED else "~"
    return mark + format_value(row["reference"], unit=row["unit"], digits=4)


def _verdict(row: Mapping[str, Any]) -> str:
    return f"{row['verdict']}: {row['reason']}" if row["reason"] else str(row["verdict"])
