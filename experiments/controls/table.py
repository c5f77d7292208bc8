"""The table of controls: controls.json with every number, controls.md for readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from experiments.controls.conditions import MAIN, Condition
from experiments.controls.meaning import REFERENCE, correct, format_estimate, meaning
from experiments.controls.rows import SPREAD, ControlRows
from experiments.runs.folder import versions
from experiments.runs.tables import MISSING, format_p, markdown_table
from experiments.stored.resistance import KINDS, UNITS
from savings_gym.arrays import MM
from savings_gym.files import write_atomically, write_json

Row = dict[str, Any]
TABLE: Final = "controls.json"
COMPARISONS: Final = (
    "*Within*: FF1 against FF2 of the condition. *First encounter*: FF2 against the FF1 in which the same "
    "networks met this field first. *Beyond practice*: FF2 against FF2 of the same networks after as many "
    "updates with no field in FF1. *Less the main run's*: savings beyond practice less those of the main "
    "run, in the same networks and the same field. *Mirrored*: FF1 against the FF2 of an opposite field "
    "with its sign changed."
)
INTRODUCTION: Final = f"""# Controls of savings

Every condition is the main experiment with one thing changed, on the same pre-trained networks. {COMPARISONS}
Positive is savings. Intervals are 95 % intervals over networks, p values come from paired t tests. *Holm*:
corrected over all conditions for each kind of comparison; the sentences follow from these. `-`: the
comparison has no meaning, or cannot be made.
"""
SHIFTS: Final = """Preparatory activity 0.16 s into the trial, in the null field. *Own shift left*: share of
the condition's own shift from NF1 to FF1 that is left in NF2. *Common*: share of that change which all
targets have in common (1/8 by chance). *Length*: of the shift, over the main run's. *On the main run's
shift*: change from the condition's own NF1, in units in which the main run's FF1 is 1. *Beyond sham*: NF2 on
the main run's shift, less that of the same networks without the field."""
WASHOUT: Final = f"""*Networks within their NF1 spread*: those whose residual does not exceed the standard
deviation of their own deviation over the last {SPREAD} probes of NF1; with few of them, the columns that
follow say little."""
RESISTANCE: Final = """Networks at the end of NF2, which meet the field of FF2 next, without a field.
*Co-contraction*: the smaller force of every pair of antagonists, summed; in the hold from 0.16 s to go, and
in the 0.4 s after the cue is seen. *Stiffness* and *damping* of the held hand, means over directions: of the
muscles at constant activation, and with feedback, from the motion under small forces that last for 0.5 s, by
least squares. *Beyond sham*: less that of the same networks after practice without the field. A stiffer or
more damped arm would help in any field."""


def write_table(out: Path, done: dict[str, Condition]) -> list[Path]:
    """Write controls.json and controls.md of the conditions that are complete; return both."""
    control_rows = ControlRows(done)
    rows = [control_rows.row(name) for name in done]
    main = next(row for row in rows if row["name"] == MAIN)
    tests = correct(rows)
    for row in rows:
        row["meaning"] = meaning(row, main)
    files = [out / TABLE, out / "controls.md"]
    write_json(files[0], {"conditions": rows, "tests": tests, "versions": versions()})
    write_atomically(files[1], page(rows).encode())
    return files


def page(rows: list[Row]) -> str:
    """Return the page for readers."""
    parts = [INTRODUCTION]
    parts += [f"## {title}\n\n{content}\n" for title, content in sections(rows).items()]
    parts += ["## Commands\n", *(f"- {row['name']}, {_minutes(row)}: `{row['command']}`" for row in rows)]
    return "\n".join(parts) + "\n"


def sections(rows: list[Row]) -> dict[str, str]:
    """Return tables and sentences by title."""
    return {
        "What it means": "\n".join(
            f"- **{row['name']}**: {row['meaning']}" for row in rows if row["meaning"] != REFERENCE
        ),
        "Initial deviation": _initial(rows),
        "Learning rate": _rate(rows),
        "Washout": _washout(rows),
        "Preparatory activity": f"{SHIFTS}\n\n{_shift(rows)}",
        "Stiffness": f"{RESISTANCE}\n\n{_resistance(rows)}",
    }


def _initial(rows: list[Row]) -> str:
    headings = (
        "condition", "what it tests", "networks", "FF1 start (mm)", "FF1 end (mm)", "FF2 start (mm)",
        "within (mm)", "p", "against the first encounter (mm)", "p", "beyond practice (mm)", "p", "p (Holm)",
        "less the main run's (mm)", "p", "FF1 against mirrored FF2 (mm)", "p",
    )  # fmt: skip
    return markdown_table(
        headings,
        [
            (
                row["name"], row["tests"], str(row["networks"]), format_estimate(row["ff1_start"], scale=MM),
                format_estimate(row["ff1_end"], scale=MM), format_estimate(row["ff2_start"], scale=MM),
                *_compared(row, "initial", "difference", MM), *_versus_main(row),
                *_comparison(row, "mirrored", "initial", "difference", MM),
            )
            for row in rows
        ],
    )  # fmt: skip


def _versus_main(row: Row) -> tuple[str, str]:
    versus = row["versus_main"]
    return (
        (MISSING, MISSING) if versus is None else (format_estimate(versus, scale=MM), format_p(versus["p"]))
    )


def _rate(rows: list[Row]) -> str:
    headings = (
        "condition", "FF2 / FF1 within", "p", "over the first encounter", "p", "over practice", "p",
        "p (Holm)", "mirrored FF2 / FF1", "p",
    )  # fmt: skip
    return markdown_table(
        headings,
        [
            (
                row["name"], *_compared(row, "rate", "ratio", 1.0),
                *_comparison(row, "mirrored", "rate", "ratio", 1.0),
            )
            for row in rows
        ],
    )  # fmt: skip


def _compared(row: Row, measure: str, key: str, scale: float) -> list[str]:
    """Value and p of the three comparisons, and the corrected p of the last one."""
    practice = (row["practice"] or {}).get(measure) or {}
    cells = [
        cell
        for name in ("within", "first", "practice")
        for cell in _comparison(row, name, measure, key, scale)
    ]
    return [*cells, format_p(practice.get("p_holm"))]


def _comparison(row: Row, name: str, measure: str, key: str, scale: float) -> tuple[str, str]:
    """Value and p of one comparison."""
    entry = (row[name] or {}).get(measure)
    return (format_estimate(entry, key, scale), format_p(entry["p"])) if entry else (MISSING, MISSING)


def _washout(rows: list[Row]) -> str:
    headings = (
        "condition", "updates of NF2", "after-effect (mm)", "residual, NF1 - NF2 (mm)", "p",
        "networks within their NF1 spread", "their savings against the first encounter (mm)", "p",
        "beyond practice (mm)", "p",
    )  # fmt: skip
    lines = []
    for row in rows:
        residual, matched = row["washout_residual"], row["matched"] or {}
        lines.append((
            row["name"], str(row["updates"][2]), format_estimate(row["after_effect"], scale=MM),
            format_estimate(_reversed(residual), scale=MM), format_p(residual["p"]),
            f"{matched.get('networks', MISSING)} of {row['networks']}",
            *_comparison(row, "matched", "initial", "difference", MM),
            *_comparison({"practice": matched.get("practice")}, "practice", "initial", "difference", MM),
        ))  # fmt: skip
    return f"{WASHOUT}\n\n{markdown_table(headings, lines)}"


def _reversed(estimate: Row) -> Row:
    """The same estimate with the opposite sign: the study takes its residual as NF1 - NF2."""
    low, high = (None if end is None else -end for end in estimate["ci"])
    return estimate | {"mean": None if estimate["mean"] is None else -estimate["mean"], "ci": [high, low]}


def _shift(rows: list[Row]) -> str:
    keys = {
        "retained": "own shift left in NF2", "common": "common", "length": "length",
        "ff1_on_main": "FF1 on the main run's shift", "nf2_on_main": "NF2 on the main run's shift",
        "beyond_sham": "beyond sham",
    }  # fmt: skip
    lines = []
    for row in rows:
        shift = row["shift"] or {}
        cells = [format_estimate(shift[key]) if key in shift else MISSING for key in keys]
        p = format_p(shift["beyond_sham"]["p"]) if "beyond_sham" in shift else MISSING
        lines.append((row["name"], *cells, p))
    return markdown_table(("condition", *keys.values(), "p"), lines)


def _resistance(rows: list[Row]) -> str:
    headings = ["condition"]
    for kind in KINDS:
        headings += [f"{kind} ({UNITS[kind]})", "beyond sham", "p"]
    lines = []
    for row in rows:
        cells = []
        for kind in KINDS:
            for entry in (row["resistance"].get(kind), row["resistance"].get(f"{kind}, beyond sham")):
                cells.append(MISSING if entry is None else format_estimate(entry))
            cells.append(MISSING if entry is None else format_p(entry["p"]))
        lines.append((row["name"], *cells))
    return markdown_table(headings, lines)


def _minutes(row: Row) -> str:
    return f"{row['wall_time_s'] / 60:.1f} min for its own phases"
