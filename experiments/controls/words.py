"""What the numbers of a control mean for savings without a context cue, in a sentence or two.

Sentences follow from signs alone: an estimate is above or below 0 if its t test says so at the 5 % level. The
comparison that counts is with as much practice but no field before (``practice``), of the initial deviation.
"""

from __future__ import annotations

from typing import Any, Final

Row = dict[str, Any]
LEVEL: Final = 0.05
MM: Final = 1e3
SHAM: Final = (
    "Practice alone looks like savings: what exceeds it is memory of the field, the rest is not.",
    "Practice alone does not measurably look like savings: what other conditions save is not practice.",
    "Practice alone makes the first trials in a field worse: savings against the first encounter understate "
    "what is kept of the field.",
)
# control: meaning of savings beyond practice, of none, and of less than practice gives
MEANINGS: Final[dict[str, tuple[str, str, str]]] = {
    "main experiment": (
        "Savings without any cue are more than practice.",
        "No savings beyond practice are measured.",
        "Having met the field does harm, against practice.",
    ),
    "opposite field": (
        "A field helps its opposite: what is kept is not of this field's own direction.",
        "A field does not measurably help or hinder its opposite.",
        "A field hinders its opposite: what is kept has the direction of the field that was met.",
    ),
    "different task": (
        "This task in place of the field helps, too: savings are not of the field alone.",
        "This task in place of the field saves nothing that is measured: savings need the field itself.",
        "This task in place of the field hinders: savings need the field itself.",
    ),
    "washout": (
        "Savings outlast this washout.",
        "No savings beyond practice are measured after this washout.",
        "After this washout the field is met worse than with practice alone.",
    ),
    "few directions": (
        "The field on some directions is enough for savings over all of them.",
        "The field on some directions gives no measured savings over all of them.",
        "The field on some directions hinders over all of them.",
    ),
    "learning rule": (
        "Savings do not depend on the study's way of learning.",
        "No savings beyond practice are measured in networks that learn in this way.",
        "Networks that learn in this way relearn worse.",
    ),
    "context cue": (
        "With a cue there are savings, too.",
        "With a cue no savings beyond practice are measured.",
        "With a cue the field is met worse the second time.",
    ),
    "actuation": (
        "Savings need no muscles: motors that pull as they are told will do.",
        "No savings beyond practice are measured with ideal motors in the muscles' place.",
        "With ideal motors in the muscles' place, relearning is worse.",
    ),
    "noise and delay": (
        "Savings are robust against this.",
        "No savings beyond practice are measured with this.",
        "With this, relearning is worse.",
    ),
}


def meaning(row: Row, main: Row) -> str:
    """What a row means, from its numbers.

    Args:
        row: of a condition, as ``experiments.controls.rows`` makes it.
        main: of the main run.
    """
    if row["networks"] < 2:
        return "One network: nothing can be told."
    if row["practice"] is None:
        return _of_sham(row)
    found = row["practice"]["initial"]
    parts = [MEANINGS[row["control"]][_choice(found)], _rate(row), *_more(row, main)]
    return " ".join(part for part in parts if part)


def _of_sham(row: Row) -> str:
    """A condition without a field in FF1: only the first encounter can be compared with."""
    if row["first"] is None:
        return "Not compared."
    if row["control"] in ("sham", "different task"):
        return SHAM[_choice(row["first"]["initial"])]
    return "A reference: practice without the field."


def _rate(row: Row) -> str:
    """Whether the field is learned faster than with practice alone."""
    rate = row["practice"]["rate"]
    if not rate or rate["difference"] is None:
        return ""
    return (
        f"It is learned faster than with practice alone ({rate['ratio']:.2f} times).",
        "It is not learned faster than with practice alone.",
        f"It is learned more slowly than with practice alone ({rate['ratio']:.2f} times).",
    )[_choice(rate)]


def _more(row: Row, main: Row) -> list[str]:
    """What only some controls can tell."""
    found, shift, matched = [], row["shift"], row["matched"]
    if row["control"] == "washout" and matched and matched.get("initial"):
        initial = matched["initial"]
        found.append(
            f"In the {matched['networks']} networks that were back within the spread of their baseline, "
            f"savings against the first encounter are {told(initial, 'difference', MM)} mm."
        )
    if row["control"] == "different task" and shift:
        where = f"activity in NF2 at {told(shift['nf2_on_main'])} on the main run's shift"
        found.append(
            (
                f"It leaves {where}: something that looks like the shift appears without this field.",
                "It leaves no measured activity in NF2 on the main run's shift.",
                f"It leaves {where}: against the shift.",
            )[_choice(shift["nf2_on_main"])]
        )
    if row["by_target"] and (others := row["by_target"]["on_others"]["practice"]):
        found.append(
            (
                "Targets that never met the field save, too",
                "Targets that never met the field do not measurably save",
                "Targets that never met the field are worse",
            )[_choice(others["initial"])]
            + f" ({told(others['initial'], 'difference', MM)} mm)."
        )
        if shift and shift.get("others_on_trained"):
            share = shift["others_on_trained"]
            found.append(f"Their activity moves by {told(share)} of the trained targets' shift.")
    if row["control"] == "context cue" and main["practice"]:
        ours, theirs = (r["practice"]["initial"]["difference"] for r in (row, main))
        found.append(f"Beyond practice {MM * ours:.2f} mm, without the cue {MM * theirs:.2f} mm.")
    return found


def told(found: Row, key: str = "mean", scale: float = 1.0) -> str:
    """An estimate with its interval, as ``1.52 [1.41, 1.64]``."""
    if found[key] is None:
        return "-"
    low, high = found["ci"]
    text = f"{scale * found[key]:.3g}"
    return text if low is None else f"{text} [{scale * low:.3g}, {scale * high:.3g}]"


def _choice(found: Row) -> int:
    """0 above, 1 not different from, 2 below zero."""
    value = found["difference"] if "difference" in found else found["mean"]
    if value is None or found["p"] is None or not found["p"] < LEVEL:
        return 1
    return 0 if value > 0 else 2
