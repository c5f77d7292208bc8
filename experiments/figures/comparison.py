"""Our numbers beside the study's, all in one table: reference.json and comparison.md.

A figure has a table of its other numbers, so that no number stands in two tables of a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from experiments.figures.findings import Findings
from experiments.figures.reasons import DIFFERS, REASONS
from experiments.runs.tables import MISSING, format_p, format_value, listed, markdown_table
from experiments.study import PRINTED, REFERENCE, REFERENCES, VERDICTS, Quantity, Reference, verdict
from savings_gym.files import write_atomically, write_json

UNDECIDED: Final = "undecided"
COMPARED: Final = ("quantity", "study", "ours [95 % interval]", "p (Holm)", "networks", "verdict")
OWN: Final = ("quantity", "ours [95 % interval]", "p", "p (Holm)", "networks", "note")
MEANING = """\
Verdicts are tests of equivalence. The margin was declared before the runs of this page, after runs of \
other schedules: how far the study's own two sets of networks lie apart (0.45 mm of a deviation, 0.1 mm of \
savings; half its own interval where it gives one, and otherwise the same share, 1.3 %), plus the error of \
reading its plot. *agrees*: our whole 95 % interval lies within the margin of the study's value. \
*differs*: it lies wholly outside. *undecided*: it crosses the margin. The study's value counts as known \
but for this margin: the sampling error of its 40 networks is not added, so *differs* says that our mean \
lies outside the margin around the study's sample, not that two populations differ. With the interval that \
its paired t of about 9 implies, the rate ratio would be undecided. The direction of an effect is named \
beside them. *not testable*: we have no such number; the reason follows. The study's numbers come from 40 \
networks per size and its full schedule; those marked ~ are read off its plots, or stand for a range that \
it prints. Our washout residual and peak speed are means over the last five probes of a phase; the study \
takes the last test alone. Intervals are over networks: t intervals of means, and their counterparts for \
ratios (Fieller), effect sizes (noncentral t), correlations (Fisher) and fractions (exact, or DeLong)."""
IN_WORDS: Final = {  # verdict to its verb, of one number and of several
    "agrees": ("agrees", "agree"),
    "undecided": ("is undecided", "are undecided"),
    "differs": ("differs", "differ"),
    "not testable": ("is not testable", "are not testable"),
}
HOLM: Final = """\
*p (Holm)*: of a two-sided t test against no effect, corrected over all effects that the figure's text \
claims; `-` if it makes no claim about this number."""


def compare(findings: Mapping[str, Findings]) -> list[dict[str, Any]]:
    """Return one row per number of the study: its value, ours, and a verdict.

    Args:
        findings: By figure.

    Returns:
        Rows for JSON: name, unit, reference, reference_ci, reading_error, source, where, reference_networks,
        ours, ci, networks, p, p_holm, figure, verdict, reason.

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
        "p_holm": None if ours is None else ours.p_holm, "figure": figure, "verdict": words, "reason": reason,
    }  # fmt: skip


def further_numbers(title: str, quantities: Iterable[Quantity]) -> dict[str, str]:
    """Return a Markdown table of the quantities that the study does not have, by its title.

    The table has only the columns that its quantities fill. There is none if the study has all of them.
    """
    rows = [
        (
            entry.name, format_value(entry.value, entry.ci, entry.unit), format_p(entry.p),
            format_p(entry.p_holm), str(entry.networks), entry.note or MISSING,
        )
        for entry in quantities
        if entry.name not in REFERENCE
    ]  # fmt: skip
    filled = [i for i in range(len(OWN)) if i == 0 or any(row[i] != MISSING for row in rows)]
    table = markdown_table([OWN[i] for i in filled], [[row[i] for i in filled] for row in rows])
    return {title: table} if rows else {}


def comparison_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a Markdown table of the rows of `compare`."""
    return markdown_table(
        COMPARED,
        [
            (
                row["name"], _study(row), format_value(row["ours"], row["ci"], row["unit"]),
                format_p(row["p_holm"]), str(row["networks"] or MISSING), _verdict(row),
            )
            for row in rows
        ],
    )  # fmt: skip


def tally(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return how many rows have which verdict, in words; also that none agrees. Empty without rows."""
    counts = Counter(row["verdict"] for row in rows)
    if not counts:
        return ""
    parts = [] if counts["agrees"] else ["none agrees"]
    for words in VERDICTS:
        if counts[words]:
            one, several = IN_WORDS[words]
            parts.append(f"{counts[words]} {one if counts[words] == 1 else several}")
    return listed(parts)


def beside_the_study(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the verdicts in a sentence or two: how many agree, and what those that differ measure."""
    every = list(rows)
    margins = "by margins declared before the runs of this page"
    verdicts = f"Of the study's {len(every)} numbers, {tally(every)}, {margins}."
    return " ".join(filter(None, (verdicts, _within(every), _too_wide(every), differences(every))))


def _within(rows: Iterable[Mapping[str, Any]]) -> str:
    """Of how many undecided numbers our value, though not all of its interval, lies within the margin."""
    undecided = [row for row in rows if row["verdict"] == UNDECIDED]
    near = sum(abs(row["ours"] - row["reference"]) <= REFERENCE[row["name"]].margin for row in undecided)
    return f"In {near} of the {len(undecided)} undecided, our value lies within the margin." if near else ""


def _too_wide(rows: Iterable[Mapping[str, Any]]) -> str:
    """How many numbers could not have agreed, whatever their value: for them our interval is too wide."""
    wide = 0
    for row in rows:
        low, high = row.get("ci", (None, None))
        if low is not None and high is not None:
            wide += high - low > 2.0 * REFERENCE[row["name"]].margin
    if not wide:
        return ""
    return (
        f"For {wide} of all numbers our interval is wider than the margin to both sides, so they could not "
        "agree whatever their value."
    )


def differences(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what the numbers that differ measure, in a sentence; empty if none does.

    Numbers that measure the same thing many times, such as the points of a curve, are counted together
    (`Reason.measures`), with the first of them as an example.
    """
    differing = {row["name"]: row for row in rows if row["verdict"] == DIFFERS}
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for reason in REASONS:
        its = [differing[name] for name in reason.names if name in differing]
        if its:
            groups.setdefault(reason.measures, []).extend(its)
    if not groups:
        return ""
    parts = [_difference(measured, its) for measured, its in groups.items()]
    if len(differing) == 1:
        return f"What differs: {parts[0]}."
    return f"The {len(differing)} that differ measure {len(parts)} things: {'; '.join(parts)}."


def _difference(measured: str, rows: list[Mapping[str, Any]]) -> str:
    """One thing in which ours differ: how many numbers, on which side, and the first of them."""
    first = rows[0]
    ours = format_value(first["ours"], unit=first["unit"])
    if len(rows) == 1:
        return f"{first['name']} ({ours}, the study {_study(first)})"
    higher = {row["ours"] > row["reference"] for row in rows}
    side = "" if len(higher) > 1 else f", all {'higher' if higher.pop() else 'lower'} than the study's"
    return f"{measured}, {len(rows)} numbers{side} ({first['name']}: {ours}, the study {_study(first)})"


def write_reference(out: Path, findings: Mapping[str, Findings]) -> list[dict[str, Any]]:
    """Write reference.json, the rows of `compare` and the names of the figures; return the rows."""
    rows = compare(findings)
    write_json(out / "reference.json", {"figures": list(findings), "rows": rows})
    return rows


def write_comparison(out: Path, findings: Mapping[str, Findings], origin: str) -> list[dict[str, Any]]:
    """Write reference.json and comparison.md; return the rows.

    Args:
        out: Folder.
        findings: By figure.
        origin: Which runs the numbers come from, a sentence or two.
    """
    rows = write_reference(out, findings)
    about = f"{beside_the_study(rows)}\n\n{MEANING} {HOLM}"
    parts = ["# Ours beside the study's", origin, about, comparison_table(rows)]
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
