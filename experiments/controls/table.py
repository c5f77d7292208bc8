"""The table of controls: controls.json with every number, controls.md for readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from experiments.controls.conditions import MAIN, Condition
from experiments.controls.rows import ControlRows
from experiments.controls.words import meaning, told
from experiments.runs.folder import versions
from experiments.runs.tables import markdown_table
from savings_gym.arrays import MM
from savings_gym.files import write_atomically, write_json
from savings_gym.metrics.statistics import holm

Row = dict[str, Any]
ABOUT: Final = """# Controls of savings

Every condition is the main experiment with one thing changed, on the same pre-trained networks. "Within" is
FF1 against FF2 of the condition; "first encounter" compares FF2 with the FF1 in which the same networks met
this field first; "beyond practice" with FF2 of the same networks after as many updates in which FF1 had no
field. Positive is savings. Intervals are 95 % bootstrap intervals over networks, p values paired t tests,
not corrected for the number of conditions but where "Holm" stands: what the conditions mean, below, follows
from these. Bootstrap intervals of 4 or 8 networks are narrower than t intervals would be. "Less the main
run's": initial savings beyond practice less those of the main run, in the same networks. `-`: the comparison
has no meaning, or cannot be made.
"""
SHIFTS: Final = """Preparatory activity 0.16 s into the trial, in the null field. "Own shift left": share of
the condition's own shift from NF1 to FF1 that is left in NF2. "Common": share of that change which all
targets have in common (1/8 by chance). "Length": of the shift, over the main run's. "On the main run's
shift": change from the condition's own NF1, in units in which the main run's FF1 is 1. "Beyond sham": NF2 on
the main run's shift, less that of the same networks without the field."""


def write_table(out: Path, done: dict[str, Condition]) -> list[Path]:
    """Writes controls.json and controls.md of the conditions that are complete; returns both."""
    rows = ControlRows(done)
    found = [rows.row(name) for name in done]
    main = next(row for row in found if row["name"] == MAIN)
    correct(found)
    for row in found:
        row["meaning"] = meaning(row, main)
    files = [out / "controls.json", out / "controls.md"]
    write_json(files[0], {"conditions": found, "versions": versions()})
    write_atomically(files[1], page(found).encode())
    return files


def correct(rows: list[Row]) -> None:
    """Adds ``p_holm`` to the comparisons of the initial deviation with practice, over all conditions."""
    family = [row["practice"]["initial"] for row in rows if row["practice"]]
    tested = [found for found in family if found["p"] is not None]
    for found, p in zip(tested, holm([found["p"] for found in tested]), strict=True):
        found["p_holm"] = float(p)


def page(rows: list[Row]) -> str:
    """The page for readers."""
    parts = [
        ABOUT,
        "## Initial deviation\n", _initial(rows),
        "\n## Learning rate\n", _rate(rows),
        "\n## Washout\n", _washout(rows),
        "\n## Preparatory activity\n", SHIFTS, "", _shift(rows),
        "\n## What it means\n", *(f"- **{row['name']}**: {row['meaning']}" for row in rows),
        "\n## Commands\n", *(f"- {row['name']}, {_minutes(row)}: `{row['command']}`" for row in rows),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _initial(rows: list[Row]) -> str:
    headings = (
        "condition", "what it tests", "networks", "FF1 start (mm)", "FF1 end (mm)",
        "FF2 start (mm)", "within (mm)", "p",
        "against the first encounter (mm)", "p", "beyond practice (mm)", "p", "p (Holm)",
        "less the main run's (mm)", "p",
    )  # fmt: skip
    return markdown_table(
        headings,
        [
            (
                row["name"], row["tests"], str(row["networks"]), told(row["ff1_start"], scale=MM),
                told(row["ff1_end"], scale=MM), told(row["ff2_start"], scale=MM),
                *_compared(row, "initial", "difference", MM), _holm(row), *_versus(row),
            )
            for row in rows
        ],
    )  # fmt: skip


def _holm(row: Row) -> str:
    p = (row["practice"] or {"initial": {}})["initial"].get("p_holm")
    return "-" if p is None else f"{p:.2g}"


def _versus(row: Row) -> tuple[str, str]:
    found = row["versus_main"]
    return ("-", "-") if found is None else (told(found, scale=MM), _p(found))


def _rate(rows: list[Row]) -> str:
    headings = (
        "condition", "FF2 / FF1 within", "p", "over the first encounter", "p", "over practice", "p",
    )  # fmt: skip
    return markdown_table(headings, [(row["name"], *_compared(row, "rate", "ratio", 1.0)) for row in rows])


def _compared(row: Row, measure: str, key: str, scale: float) -> list[str]:
    """Value and p of the three comparisons."""
    cells = []
    for against in ("within", "first", "practice"):
        found = (row[against] or {}).get(measure)
        cells += ["-", "-"] if not found else [told(found, key, scale), _p(found)]
    return cells


def _washout(rows: list[Row]) -> str:
    headings = (
        "condition", "updates of NF2", "after-effect (mm)", "residual, NF2 - NF1 (mm)", "p",
        "networks within their NF1 spread", "their savings against the first encounter (mm)", "p",
        "beyond practice (mm)", "p",
    )  # fmt: skip
    lines = []
    for row in rows:
        residual, matched = row["washout_residual"], row["matched"] or {}
        initial = matched.get("initial")
        practice = (matched.get("practice") or {}).get("initial")
        lines.append((
            row["name"], str(row["updates"][2]), told(row["after_effect"], scale=MM),
            told(residual, scale=MM), _p(residual), f"{matched.get('networks', '-')} of {row['networks']}",
            told(initial, "difference", MM) if initial else "-", _p(initial) if initial else "-",
            told(practice, "difference", MM) if practice else "-", _p(practice) if practice else "-",
        ))  # fmt: skip
    return markdown_table(headings, lines)


def _shift(rows: list[Row]) -> str:
    keys = {
        "retained": "own shift left in NF2", "common": "common", "length": "length",
        "ff1_on_main": "FF1 on the main run's shift", "nf2_on_main": "NF2 on the main run's shift",
        "beyond_sham": "beyond sham",
    }  # fmt: skip
    lines = []
    for row in rows:
        shift = row["shift"] or {}
        cells = [told(shift[key]) if key in shift else "-" for key in keys]
        lines.append((row["name"], *cells, _p(shift["beyond_sham"]) if "beyond_sham" in shift else "-"))
    return markdown_table(("condition", *keys.values(), "p"), lines)


def _p(found: Row) -> str:
    return "-" if found["p"] is None else f"{found['p']:.2g}"


def _minutes(row: Row) -> str:
    return f"{row['wall_time_s'] / 60:.1f} min for the phases of its own"
