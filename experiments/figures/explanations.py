"""Three explanations of savings, told apart: a stiffer arm, a change for any field, a memory of the field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from experiments.controls.conditions import MAIN
from experiments.figures.muscles import is_relaxed
from experiments.runs.tables import format_p, format_value
from experiments.stored.resistance import HOLD, KINDS, REACH, UNITS
from experiments.study import LEVEL
from savings_gym.arrays import MM
from savings_gym.metrics.statistics import holm

Row = Mapping[str, Any]
OPPOSITE, MIRROR = "opposite", "mirror"  # the field of the FF2 of one is both fields of the other
OTHER_FIELDS: Final = {
    "other-field": "one that resists movement",
    "assistive": "one that assists it",
    "double": "one twice as large",
}


def explanations(rows: Mapping[str, Row], floor: float | None = None) -> str:
    """Return what the controls say of the three, in a sentence or two each; of those that were run.

    All three are a list in Markdown.

    Args:
        rows: Of the table of controls, by condition, their tests corrected.
        floor: Smallest co-contraction of the arm [N], see `experiments.figures.muscles`; None if it is not
            known.
    """
    main, opposite = rows.get(MAIN), rows.get(OPPOSITE)
    sentences = [_stiffness(main, floor) if main else ""]
    if main and main.get("practice") and opposite and opposite.get("practice"):
        sentences += [
            " ".join(filter(None, [_any_field(opposite["practice"]["initial"]), _other_fields(rows)])),
            " ".join(
                filter(
                    None,
                    [
                        _memory(opposite["practice"]["initial"], (rows.get(MIRROR) or {}).get("practice")),
                        _parts(opposite["practice"], (rows.get(MIRROR) or {}).get("practice")),
                    ],
                )
            ),
        ]  # fmt: skip
    if len(sentences) > 1 and all(sentences):
        return "\n- ".join(["Three explanations were tested:\n", *sentences])
    return " ".join(filter(None, sentences))


def _stiffness(main: Row, floor: float | None) -> str:
    """Whether the arm resists more after washout than after practice alone, corrected over the kinds.

    In an arm that is relaxed in the hold, co-contraction in the reach alone can tell.
    """
    measured = main.get("resistance", {})
    beyond = {kind: measured.get(f"{kind}, beyond sham") for kind in KINDS}
    tested = {kind: its for kind, its in beyond.items() if its and its["p"] is not None}
    if not tested:
        return ""
    corrected = dict(zip(tested, holm([its["p"] for its in tested.values()]), strict=True))
    more = [kind for kind, its in tested.items() if its["mean"] > 0.0 and corrected[kind] < LEVEL]
    relaxed = bool(measured.get(HOLD)) and is_relaxed(measured[HOLD]["mean"], floor)
    if not more and relaxed and REACH in tested:
        reach = format_value(tested[REACH]["mean"], tested[REACH]["ci"], UNITS[REACH])
        whole = f", of {format_value(measured[REACH]['mean'])} N" if measured.get(REACH) else ""
        return (
            "A stiffer arm: not shown here; how the moving arm resists, and what muscles do in the field, "
            "is the matter of [timing](#timing). After NF2, co-contraction in reaches is not measurably "
            f"larger than after practice alone ({reach}{whole}). The other measures say little, since the "
            "held arm is as good as relaxed ([muscles](#muscles))."
        )
    if not more:
        return (
            "A stiffer arm: not found. After NF2, neither co-contraction nor stiffness nor damping of the "
            "hand is measurably larger than after practice alone."
        )
    numbers = ", ".join(
        f"{kind} {format_value(tested[kind]['mean'], tested[kind]['ci'], UNITS[kind])} "
        f"(p = {format_p(float(corrected[kind]))})"
        for kind in more
    )
    return f"A stiffer arm: in part. After NF2, these exceed practice alone: {numbers}."


def _any_field(practice: Row) -> str:
    """Whether the opposite field is met better, too."""
    p, value = practice.get("p_holm", practice["p"]), practice["difference"]
    number = f"{_mm(value, practice['ci'])}, p = {format_p(p)}"
    begins = "A change that does not depend on the direction of the field:"
    if p is None or p >= LEVEL:
        return (
            f"{begins} not shown; FF2 in the opposite field does not measurably start closer to the line "
            f"({number})."
        )
    if value < 0.0:
        return (
            f"{begins} no; FF2 in the opposite field starts farther from the line than after practice alone "
            f"({number})."
        )
    return (
        f"{begins} yes, for the initial deviation; FF2 in the opposite field, too, starts closer to the line "
        f"than after practice alone ({number}). Whether it helps in fields other than curls was not tested."
    )


def _other_fields(rows: Mapping[str, Row]) -> str:
    """How much better the field is met after other fields than after practice alone."""
    parts = []
    for name, words in OTHER_FIELDS.items():
        if practice := (rows.get(name) or {}).get("practice"):
            initial = practice["initial"]
            p = initial.get("p_holm", initial["p"])
            shown = "" if p is not None and p < LEVEL else ", not shown"
            number = f"{_mm(initial['difference'], initial['ci'])}, p = {format_p(p)}"
            parts.append(f"{words} ({number}{shown})")
    if not parts:
        return ""
    return f"After an FF1 in another field, against practice alone: {'; '.join(parts)}."


def _memory(after_opposite: Row, practice: Row | None) -> str:
    """Whether a field is met better after itself than after its opposite, both against the same sham.

    Args:
        after_opposite: Initial savings beyond practice of the condition *opposite*.
        practice: Savings beyond practice of *mirror*, which meets the field of the FF2 of *opposite* twice.
    """
    if not practice:
        return ""
    itself = practice["initial"]
    numbers = (
        f"{_mm(itself['difference'], itself['ci'])} after itself, "
        f"{_mm(after_opposite['difference'], after_opposite['ci'])} after its opposite"
    )
    if not (further := apart(itself["ci"], after_opposite["ci"])):
        return (
            "A memory of the field: not shown; FF2 starts about as close to the line after FF1 in the same "
            f"field as in its opposite ({numbers})."
        )
    if further < 0:
        return (
            "A memory of the field: no; FF2 starts closer to the line after FF1 in the opposite field than "
            f"in the same ({numbers})."
        )
    return (
        f"A memory of the field: in part; FF2 starts closer to the line after FF1 in the same field than in "
        f"its opposite ({numbers}; the intervals do not overlap), so some of the savings depend on the "
        "field's direction."
    )


def _parts(after_opposite: Row, after_itself: Row | None) -> str:
    """How much of savings comes after either field, and whose is the gain in learning rate.

    Args:
        after_opposite: Savings beyond practice of the condition *opposite*.
        after_itself: Those of *mirror*.
    """
    if not after_itself:
        return ""
    whole, common = (MM * its["initial"]["difference"] for its in (after_itself, after_opposite))
    parts = []
    if whole > common > 0.0:
        either = 0.5 * (whole + common)
        parts.append(
            "If a part that any curl field leaves and a part with the field's sign add up, they are "
            f"{either:.2f} mm ({100.0 * either / whole:.0f} %) and {whole - either:.2f} mm; whether the "
            "first is a better plan or a better correction late in the reach is the question of "
            "[timing](#timing)."
        )
    rates = [rate for its in (after_itself, after_opposite) if (rate := its.get("rate"))]
    if len(rates) == 2 and apart(*(rate["ci"] for rate in rates)) > 0:
        same, opposite = (f"{format_value(rate['ratio'], tuple(rate['ci']))} times" for rate in rates)
        parts.append(
            f"The gain in learning rate depends on the direction, too: {same} after the same field, "
            f"{opposite} after its opposite."
        )
    return " ".join(parts)


def apart(first: Sequence[float | None], second: Sequence[float | None]) -> int:
    """Return 1 if an interval lies above another, -1 if below, 0 if they overlap or have no ends.

    Intervals of two means that do not overlap show a difference at their level however the two are
    correlated: the standard error of a difference never exceeds the sum of those of its parts.
    """
    (low, high), (bottom, top) = (_ends(each) for each in (first, second))
    return 1 if low > top else -1 if high < bottom else 0


def _ends(interval: Sequence[float | None]) -> tuple[float, float]:
    """Ends of an interval; infinite where it has none."""
    low, high = interval
    return -math.inf if low is None else low, math.inf if high is None else high


def _mm(value: float, ci: Any) -> str:
    low, high = (None if end is None else MM * end for end in ci)
    return format_value(MM * value, (low, high), "mm")
