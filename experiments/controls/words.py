"""What the numbers of a control mean for savings without a context cue, in a sentence or two.

Sentences follow from signs alone: an estimate is above or below 0 if its t test says so at the 5 % level;
everything else is "not measured", which is not the same as absent. The comparison that counts is with as much
practice but no field before (``practice``), of the initial deviation, corrected for the number of conditions.
"""

from __future__ import annotations

from typing import Any, Final

from savings_gym.arrays import MM

Row = dict[str, Any]
LEVEL: Final = 0.05
SHAM: Final = (
    "Practice alone looks like savings: what exceeds it is memory of the field, the rest is not.",
    "Practice alone does not measurably look like savings.",
    "Practice alone makes the first trials in a field worse: savings against the first encounter understate "
    "what is kept of the field.",
)
# control: meaning of savings beyond practice, of none that is measured, and of less than practice gives
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
        "This task in place of the field helps, too: what looks like savings is not of the field alone.",
        "This task in place of the field does not measurably help.",
        "This task in place of the field hinders.",
    ),
    "washout": (
        "There are savings beyond practice after this washout.",
        "No savings beyond practice are measured after this washout.",
        "After this washout the field is met worse than with practice alone.",
    ),
    "few directions": (
        "The field on some directions helps, in the mean over all.",
        "The field on some directions does not measurably help, in the mean over all.",
        "The field on some directions hinders, in the mean over all.",
    ),
    "learning rule": (
        "Networks that learn in this way save, too.",
        "No savings beyond practice are measured in networks that learn in this way.",
        "Networks that learn in this way meet the field worse the second time.",
    ),
    "context cue": (
        "With a cue there are savings, too.",
        "With a cue no savings beyond practice are measured.",
        "With a cue the field is met worse the second time.",
    ),
    "actuation": (
        "With ideal motors in the muscles' place there are savings, too.",
        "With ideal motors in the muscles' place no savings beyond practice are measured.",
        "With ideal motors in the muscles' place the field is met worse the second time.",
    ),
    "noise and delay": (
        "With this there are savings, too.",
        "With this no savings beyond practice are measured.",
        "With this the field is met worse the second time.",
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
    if row["sham"] is None:
        return " ".join([_of_sham(row), *(_shared(row, main) if row["name"] == "sham" else [])])
    if row["practice"] is None:
        return "Not compared with practice: its sham is not there."
    found = row["practice"]["initial"]
    parts = [MEANINGS[row["control"]][side(found)], _rate(row), *_washed(row), *_more(row, main)]
    return " ".join(part for part in parts if part)


def _of_sham(row: Row) -> str:
    """A condition without a field in FF1: only the first encounter can be compared with."""
    if row["first"] is None:
        return "Not compared."
    if row["control"] == "sham":
        return SHAM[side(row["first"]["initial"])]
    return "A reference: practice without the field."


def _rate(row: Row) -> str:
    """Whether the field is learned faster than with practice alone."""
    rate = row["practice"]["rate"]
    if not rate or rate["difference"] is None:
        return ""
    return (
        f"It is learned faster than with practice alone ({rate['ratio']:.2f} times).",
        "It is not measurably learned faster or more slowly than with practice alone.",
        f"It is learned more slowly than with practice alone ({rate['ratio']:.2f} times).",
    )[side(rate)]


def _washed(row: Row) -> list[str]:
    """Where washout is not complete: this may be what is left."""
    residual = row["washout_residual"]
    if side(residual) == 1:
        return []
    return [f"Washout is not complete: NF2 ends {told(residual, scale=MM)} mm from NF1."]


def _shared(row: Row, main: Row) -> list[str]:
    """Whether a change that is common to all targets appears without the field."""
    ours, theirs = row["shift"], main["shift"]
    if not ours or not theirs or "common" not in ours or "length" not in ours:
        return []
    return [
        f"All targets have {told(ours['common'])} of its change of activity from NF1 to FF1 in common, in "
        f"the main run {told(theirs['common'])}; the shift is {told(ours['length'])} times as long."
    ]


def _more(row: Row, main: Row) -> list[str]:
    """What only some controls can tell, and how savings compare with the main run's."""
    found, shift, matched = [], row["shift"], row["matched"]
    if versus := row["versus_main"]:
        words = "" if side(versus) != 1 else ", no measurable difference"
        found.append(f"Savings beyond practice, less the main run's: {told(versus, scale=MM)} mm{words}.")
    if row["control"] == "washout" and matched and (practice := matched.get("practice")):
        found.append(
            f"The {matched['networks']} networks that were back within the spread of their baseline save "
            f"{told(practice['initial'], 'difference', MM)} mm beyond practice."
        )
    if row["control"] == "different task":
        found += _shared(row, main)
        if shift and "beyond_sham" in shift:
            where = told(shift["beyond_sham"])
            found.append(
                (
                    f"Beyond the sham, it leaves activity at {where} on the main run's shift.",
                    "Beyond the sham, it leaves no measured activity on the main run's shift.",
                    f"Beyond the sham, it leaves activity at {where}, against the main run's shift.",
                )[side(shift["beyond_sham"])]
            )
    if row["by_target"] and (others := row["by_target"]["on_others"]["practice"]):
        found.append(
            (
                "Targets that never met the field save, too",
                "Targets that never met the field do not measurably save",
                "Targets that never met the field are worse",
            )[side(others["initial"])]
            + f" ({told(others['initial'], 'difference', MM)} mm)."
        )
        if shift and shift.get("others_on_trained"):
            share = shift["others_on_trained"]
            found.append(f"Their activity moves by {told(share)} of the trained targets' shift.")
    if row["control"] == "learning rule":
        ends = (told(row[key], scale=MM) for key in ("ff1_start", "ff1_end"))
        found.append("FF1 goes from {} to {} mm.".format(*ends))
    return found


def told(found: Row, key: str = "mean", scale: float = 1.0) -> str:
    """An estimate with its interval, as ``1.52 [1.41, 1.64]``."""
    if found[key] is None:
        return "-"
    low, high = found["ci"]
    text = f"{scale * found[key]:.3g}"
    return text if low is None else f"{text} [{scale * low:.3g}, {scale * high:.3g}]"


def side(found: Row) -> int:
    """0 above, 1 not measurably different from, 2 below zero; by the corrected p where there is one."""
    value = found["difference"] if "difference" in found else found["mean"]
    p = found.get("p_holm", found["p"])
    if value is None or p is None or not p < LEVEL:
        return 1
    return 0 if value > 0 else 2
