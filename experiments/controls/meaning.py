"""The meaning of a control for savings without a context cue, in a sentence or two.

Sentences follow from signs alone: an effect is above or below 0 if its test says so at the 5 % level after
Holm's correction over all conditions in which the page makes this kind of comparison. Anything else is "not
measurable", which does not mean absent. The comparison that counts is with equal practice but no field before
(``practice``). A washout is called incomplete as soon as the interval of its residual excludes 0, without
correction: savings that are a remnant of FF1 are the error to guard against, and a correction would hide it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from experiments.runs.tables import format_value
from experiments.study import LEVEL
from savings_gym.arrays import MM
from savings_gym.metrics.statistics import holm

Row = dict[str, Any]
Effect = int  # 1 above, 0 not measurably different from, -1 below zero
REFERENCE: Final = "A reference: practice without the field."
SHAM: Final[dict[Effect, str]] = {
    1: "Practice alone looks like savings: what exceeds it is memory of the field, the rest is not.",
    0: "Practice alone does not measurably look like savings.",
    -1: "Practice alone worsens the first trials in a field: savings against the first encounter understate "
    "how much of the field is remembered.",
}
MEANINGS: Final[dict[str, dict[Effect, str]]] = {  # of savings beyond practice, by control
    "main experiment": {
        1: "Savings without any cue exceed practice.",
        0: "No savings beyond practice are measurable.",
        -1: "Having met the field is worse than practice alone.",
    },
    "opposite field": {
        1: "A field helps its opposite: part of what is kept is independent of the field's direction.",
        0: "A field does not measurably help or hinder its opposite.",
        -1: "A field hinders its opposite: what is kept has the direction of the field that was met.",
    },
    "different task": {
        1: "This task in place of the field helps too: not all savings are specific to the field.",
        0: "This task in place of the field does not measurably help.",
        -1: "This task in place of the field hinders.",
    },
    "field strength": {
        1: "A field of another strength leaves savings too.",
        0: "A field of another strength leaves no measurable savings.",
        -1: "After a field of another strength, the field is met worse.",
    },
    "factor": {
        1: "With this change there are savings too.",
        0: "With this change no savings beyond practice are measurable.",
        -1: "With this change the field is met worse the second time.",
    },
    "washout": {
        1: "After this washout there are savings beyond practice.",
        0: "After this washout no savings beyond practice are measurable.",
        -1: "After this washout the field is met worse than after practice alone.",
    },
    "few directions": {
        1: "The field in some directions helps, averaged over all directions.",
        0: "The field in some directions does not measurably help, averaged over all directions.",
        -1: "The field in some directions hinders, averaged over all directions.",
    },
    "learning rule": {
        1: "Networks that learn this way save too.",
        0: "In networks that learn this way no savings beyond practice are measurable.",
        -1: "Networks that learn this way meet the field worse the second time.",
    },
    "context cue": {
        1: "With a cue there are savings too.",
        0: "With a cue no savings beyond practice are measurable.",
        -1: "With a cue the field is met worse the second time.",
    },
    "actuation": {
        1: "With ideal motors in place of the muscles there are savings too.",
        0: "With ideal motors in place of the muscles no savings beyond practice are measurable.",
        -1: "With ideal motors in place of the muscles the field is met worse the second time.",
    },
    "noise and delay": {
        1: "With this change there are savings too.",
        0: "With this change no savings beyond practice are measurable.",
        -1: "With this change the field is met worse the second time.",
    },
}


def correct(rows: Iterable[Row]) -> dict[str, int]:
    """Add ``p_holm`` to every test behind the sentences of all rows.

    Each kind of comparison is one family: one question, asked of many conditions.

    Returns:
        Kind of comparison to the number of its tests.
    """
    families: dict[str, list[Row]] = {}
    for row in rows:
        for kind, test in claims(row).items():
            families.setdefault(kind, []).append(test)
    for tests in families.values():
        for test, p in zip(tests, holm([test["p"] for test in tests]), strict=True):
            test["p_holm"] = float(p)
    return {kind: len(tests) for kind, tests in families.items()}


def claims(row: Row) -> dict[str, Row]:
    """Return the tests from which the sentences about a row follow, by kind of comparison."""
    if row["networks"] < 2:
        return {}
    tests: dict[str, Row | None] = {}
    if row["sham"] is None:
        if row["control"] == "sham" and row["first"]:
            tests["practice alone"] = row["first"]["initial"]
    elif row["practice"] is not None:
        tests |= {
            "initial savings beyond practice": row["practice"]["initial"],
            "rate savings beyond practice": row["practice"]["rate"],
            "initial savings less the main run's": row["versus_main"],
        }
        if row["mirrored"]:
            tests["mirrored initial savings"] = row["mirrored"]["initial"]
            tests["mirrored rate savings"] = row["mirrored"]["rate"]
        if row["control"] == "washout" and row["matched"] and row["matched"].get("practice"):
            tests["savings of networks back at baseline"] = row["matched"]["practice"]["initial"]
        if row["control"] == "different task" and row["shift"]:
            tests["shift beyond the sham"] = row["shift"].get("beyond_sham")
        if row["by_target"] and row["by_target"]["on_others"]["practice"]:
            tests["savings on untrained targets"] = row["by_target"]["on_others"]["practice"]["initial"]
    return {kind: test for kind, test in tests.items() if test and test["p"] is not None}


def meaning(row: Row, main: Row) -> str:
    """Return the meaning of a row, from its numbers.

    Args:
        row: Of a condition, as ``experiments.controls.rows`` makes it, its tests corrected.
        main: Of the main run.
    """
    if row["networks"] < 2:
        return "One network: no conclusion is possible."
    if row["sham"] is None:
        return " ".join([_of_sham(row), *(_shared(row, main) if row["name"] == "sham" else [])])
    if row["practice"] is None:
        return "Not compared with practice: its sham is missing."
    sentences = [
        with_number(MEANINGS[row["control"]], row["practice"]["initial"], "beyond practice"), _rate(row),
        *_mirrored(row),
        *_washed(row), *_versus_main(row), *_matched(row), *_task(row, main), *_targets(row), *_learned(row),
    ]  # fmt: skip
    return " ".join(sentence for sentence in sentences if sentence)


def _of_sham(row: Row) -> str:
    """A condition without a field in FF1: it can be compared with the first encounter only."""
    if row["first"] is None:
        return "Not compared."
    if row["control"] == "sham":
        return with_number(SHAM, row["first"]["initial"], "against the first encounter")
    return REFERENCE


def _rate(row: Row) -> str:
    """Whether the field is learned faster than with practice alone."""
    rate = row["practice"]["rate"]
    if not rate or rate["difference"] is None:
        return ""
    words = {
        1: "The field is learned faster than after practice alone",
        0: "The field is not measurably learned faster or more slowly than after practice alone",
        -1: "The field is learned more slowly than after practice alone",
    }[effect(rate)]
    return f"{words} ({format_estimate(rate, 'ratio')} times, {p_text(rate)})."


def _mirrored(row: Row) -> list[str]:
    """FF1 against the FF2 of an opposite field with its sign changed."""
    if not row["mirrored"]:
        return []
    initial, rate = row["mirrored"]["initial"], row["mirrored"]["rate"]
    number = f"savings of {format_estimate(initial, 'difference', MM)} mm, {p_text(initial)}"
    words = {
        1: "it begins closer to the line than FF1",
        0: "it does not measurably differ from FF1 at the start",
        -1: "it begins further from the line than FF1",
    }[effect(initial)]
    pace = ""
    if rate and rate["difference"] is not None:
        pace = {
            1: "; it is learned faster",
            0: "; the rates do not measurably differ",
            -1: "; it is learned more slowly",
        }[effect(rate)]
        pace += f" ({format_estimate(rate, 'ratio')} times, {p_text(rate)})"
    return [
        f"With the sign of FF2 changed, {words} ({number}){pace}. This contains any difference "
        "between the two fields themselves; the comparison with practice in the same field does not."
    ]


def _washed(row: Row) -> list[str]:
    """Incomplete washout, which may account for savings; by its interval, which is not corrected."""
    residual, start = row["washout_residual"], row["after_effect"]["mean"]
    if None in residual["ci"] or residual["ci"][0] <= 0.0 <= residual["ci"][1]:
        return []
    low, high = sorted(abs(end) for end in residual["ci"])
    number = f"{format_value(MM * abs(residual['mean']), (MM * low, MM * high))} mm"
    side = "on the side of" if residual["mean"] * start > 0.0 else "on the side opposite to"
    return [f"Washout is not complete: NF2 ends {number} from NF1, {side} the after-effect."]


def _versus_main(row: Row) -> list[str]:
    """Savings compared with those of the main run."""
    versus = row["versus_main"]
    if not versus:
        return []
    words = "" if effect(versus) else ", no measurable difference"
    number = f"{format_estimate(versus, scale=MM)} mm, {p_text(versus)}"
    return [f"Savings beyond practice, less the main run's: {number}{words}."]


def _matched(row: Row) -> list[str]:
    """Savings of the networks that returned to baseline, after other washouts."""
    matched = row["matched"]
    if row["control"] != "washout" or not matched or not matched.get("practice"):
        return []
    initial = matched["practice"]["initial"]
    words = "" if effect(initial) else ", not measurably different from 0"
    count = matched["networks"]
    return [
        f"The {count} network{'s' if count != 1 else ''} back within the spread of baseline save"
        f"{'' if count != 1 else 's'} {format_estimate(initial, 'difference', MM)} mm beyond practice "
        f"({p_text(initial)}){words}."
    ]


def _task(row: Row, main: Row) -> list[str]:
    """What another task does to preparatory activity."""
    if row["control"] != "different task":
        return []
    sentences, shift = _shared(row, main), row["shift"]
    if shift and "beyond_sham" in shift:
        place = format_estimate(shift["beyond_sham"])
        sentences.append(
            {
                1: "Beyond the sham, it leaves activity on the main run's shift",
                0: "Beyond the sham, it leaves no measurable activity on the main run's shift",
                -1: "Beyond the sham, it leaves activity against the main run's shift",
            }[effect(shift["beyond_sham"])]
            + f" ({place}, {p_text(shift['beyond_sham'])})."
        )
    return sentences


def _shared(row: Row, main: Row) -> list[str]:
    """Whether a change that is common to all targets appears without the field."""
    ours, theirs = row["shift"], main["shift"]
    if not ours or not theirs or "common" not in ours or "length" not in ours:
        return []
    return [
        f"Of its change of activity from NF1 to FF1, {format_estimate(ours['common'])} is common to all "
        f"targets, in the main run {format_estimate(theirs['common'])}; the shift is "
        f"{format_estimate(ours['length'])} times as long."
    ]


def _targets(row: Row) -> list[str]:
    """Savings on targets that never met the field."""
    if not row["by_target"] or not (others := row["by_target"]["on_others"]["practice"]):
        return []
    words = {
        1: "Targets that never met the field save too",
        0: "Targets that never met the field do not measurably save",
        -1: "Targets that never met the field are worse",
    }[effect(others["initial"])]
    number = format_estimate(others["initial"], "difference", MM)
    sentences = [f"{words} ({number} mm beyond practice, {p_text(others['initial'])})."]
    if row["shift"] and row["shift"].get("others_on_trained"):
        share = format_estimate(row["shift"]["others_on_trained"])
        sentences.append(f"Their activity moves by {share} of the trained targets' shift.")
    return sentences


def _learned(row: Row) -> list[str]:
    """How far another learning rule learns in FF1."""
    if row["control"] != "learning rule":
        return []
    start, end = (format_estimate(row[key], scale=MM) for key in ("ff1_start", "ff1_end"))
    return [f"FF1 goes from {start} to {end} mm."]


def with_number(sentences: dict[Effect, str], test: Row, against: str) -> str:
    """Return the sentence that follows from a test of initial savings, with its number."""
    number = f"{format_estimate(test, 'difference', MM)} mm {against}, {p_text(test)}"
    first, *rest = sentences[effect(test)].partition(":")
    if any(rest):
        return f"{first} ({number}){''.join(rest)}"
    return f"{first.removesuffix('.')} ({number})."


def p_text(test: Row) -> str:
    """Return the p value of a test in words, corrected if it was."""
    p = test.get("p_holm", test["p"])
    return "no test" if p is None else f"p = {p:.2g}"


def format_estimate(estimate: Row, key: str = "mean", scale: float = 1.0) -> str:
    """Return an estimate with its interval, such as ``1.52 [1.41, 1.64]``."""
    value = estimate[key]
    low, high = (None if end is None else scale * end for end in estimate["ci"])
    return format_value(None if value is None else scale * value, (low, high))


def effect(test: Row) -> Effect:
    """Return 1 above, 0 not measurably different from, -1 below zero; by the corrected p if there is one."""
    value = test["difference"] if "difference" in test else test["mean"]
    p = test.get("p_holm", test["p"])
    if value is None or p is None or p >= LEVEL:
        return 0
    return 1 if value > 0 else -1
