"""What the results page says of the causal claim follows from two sums, and changes with its tests."""

import dataclasses

import pytest

from experiments import study
from experiments.figures import factors
from experiments.figures.by_size import at
from experiments.figures.cause import NEEDED, UNITS, cause
from experiments.figures.displacement import LARGER_AT_CUE, SLOPE_AT_CUE
from experiments.figures.fading import LEFT_SHIFT
from experiments.figures.findings import Findings
from experiments.figures.persistence import LEFT, LEFT_SHARE, LEFT_SLOWEST, SHIFT, SIZE_LEFT
from experiments.figures.practice import SAVED
from experiments.figures.relation import INITIAL, correlated
from experiments.study import Quantity

VALUES = dict(
    zip(NEEDED, (10.0, -0.6, 0.3, -0.07, -0.05, 0.15, 0.05, 0.7, 1.2), strict=True)
)  # in the order of the names


def entry(name, value, p=1e-6, values=()):
    return Quantity(name, value, (value - 0.01, value + 0.01), 40, "1", p, p_holm=p, values=values)


def told(**changes):
    """The section, with other values and p of some quantities, by name; None leaves one out."""
    quantities = {}
    for (figure, name), value in VALUES.items():
        values = (5.0, 10.0, 15.0) if name.startswith(LEFT) else ()
        quantities.setdefault(figure, []).append(entry(name, value, values=values))
    quantities["persistence"] += [
        entry(SIZE_LEFT, 0.7),
        entry(LEFT_SHARE, 0.6),
        entry(LEFT_SLOWEST, -0.3, 0.1),
    ]
    quantities["relation"] = [entry(correlated(INITIAL, UNITS), 0.06, 1.0)]
    quantities["factors"] = [
        entry(f"double: {kind}{factors.LESS_MAIN}", value, p)
        for kind, value, p in (
            (factors.RESPONSE, 0.1, 0.7),
            (factors.LEFT, 2.0, 0.5),
            (factors.SAVED, 2.1, 1e-3),
        )
    ]
    quantities["fading"] = [
        entry(at(name, units), value)
        for name, values in ((LEFT_SHIFT, (8.0, 37.0)), (study.SLOPE, (-0.1, -0.5)))
        for units, value in zip((128, 256), values, strict=True)
    ]
    findings = {}
    for figure, entries in quantities.items():
        kept = []
        for each in entries:
            change = changes.get(each.name, (each.value, each.p))
            if change is not None:
                value, p = change
                kept.append(dataclasses.replace(each, value=value, p=p, p_holm=p))
        findings[figure] = Findings(kept)
    return cause(findings)


def test_both_sums_are_told_with_what_they_rest_on():
    text = told()
    for words in (
        "What is left, times this effect, is -0.06 mm; measured are -0.07",  # 10 % of -0.6 mm
        "would need 73 % left, and the most in one of these networks is 15 %",  # -0.44 of -0.6
        "0.09 mm, or 0.03 mm, of savings of 0.70 mm, or 1.20 mm beyond practice",  # 0.15 and 0.05 of 0.6 mm
        "In the study it is 0.18 × 0.44 = 0.08 mm of 0.9 mm",
        "too small to be the savings, in ours and by the study's own numbers",
        "left of the shift when the cue is seen: 8.0 and 37.0 at 128 and 256 units. Displacement slope",
        "response grows with what it keeps", "is not measurably related to the decay rate",
        "None of 1 changes", "are not shown to save more", "Savings are larger in `double` without",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("name", "value", "p", "words"),
    [
        (study.SHIFT_NF2, 0.9, 1e-6, "**What the trace amounts to.**"),
        (SLOPE_AT_CUE, -4.0, 1e-6, "would need 11 % left, as some networks have"),
        (LARGER_AT_CUE, 0.0, 0.9, "in magnitude not measurably more than one in a random direction"),
        (correlated(INITIAL, UNITS), 0.6, 1e-6, "Networks that keep more of the shift save more"),
        (f"double: {factors.LEFT}{factors.LESS_MAIN}", 9.0, 1e-4, "`double` alter the slope or what is left"),
        (LEFT_SLOWEST, -0.7, 1e-6, "and falls with the decay rate of its slowest mode"),
    ],
)
def test_words_follow_the_tests(name, value, p, words):
    assert words in told(**{name: (value, p)}) and words not in told()


@pytest.mark.parametrize(
    "changes",
    [
        {SLOPE_AT_CUE: (-0.6, 0.4)},
        {SLOPE_AT_CUE: (0.6, 1e-6)},
        {SLOPE_AT_CUE: None},
        {f"{LEFT}, {SHIFT}": None},
        {at(SAVED, UNITS): None},
    ],
)
def test_without_an_effect_to_reckon_with_there_is_no_section(changes):
    assert told(**changes) == ""
