"""The sentences at the top of the results page change when a test no longer shows an effect."""

import dataclasses

import pytest

from experiments import study
from experiments.figures.by_size import at
from experiments.figures.comparison import compare
from experiments.figures.displacement import LARGER
from experiments.figures.findings import Findings
from experiments.figures.practice import FASTER, SAVED, SHIFT, TRACE
from experiments.figures.preparatory import SHAM
from experiments.figures.size import INITIAL, saved, step
from experiments.figures.summary import MIRROR_SAVED, OPPOSITE_SAVED, ROWS, in_short, summary, summary_table
from experiments.study import Quantity


def entry(name, value, unit="mm", p=1e-6):
    return Quantity(name, value, (value - 0.1, value + 0.1), 40, unit, p, p_holm=p)


NUMBERS = {
    "learning": [entry(study.INITIAL_SAVINGS, 0.7), entry(study.RATE_RATIO, 1.3, "1")],
    "practice": [
        *(entry(at(SAVED, u), x) for u, x in ((32, 0.7), (64, 0.7), (128, 1.2))),
        entry(step(SAVED, 32, 64), 0.0, p=0.9), entry(step(SAVED, 64, 128), 0.5),
        entry(at(FASTER, 128), 1.0, "1"), entry(at(SHIFT, 128), 0.07, "1"),
        entry(at(TRACE, 128), 0.08, "cm/s", p=0.1),
    ],
    "controls": [entry(OPPOSITE_SAVED, 0.4), entry(MIRROR_SAVED, 1.6)],
    "preparatory": [entry(study.SHIFT_NF2, 0.14, "1"), entry(SHAM, 0.07, "1")],
    "displacement": [
        entry(study.SLOPE, -0.07, "mm per unit of shift"), entry(LARGER, -0.03, "mm per unit of shift"),
    ],
}  # fmt: skip


def told(**changes):
    """The sentences, with other values and p of some quantities, by name."""
    findings = {}
    for figure, entries in NUMBERS.items():
        its = []
        for each in entries:
            value, p = changes.get(each.name, (each.value, each.p))
            ends = (value - 0.1, value + 0.1)
            its.append(dataclasses.replace(each, value=value, ci=ends, p=p, p_holm=p))
        findings[figure] = Findings(its)
    return in_short(findings, compare(findings))


def test_effects_that_are_shown_are_stated_with_their_numbers():
    text = told()
    assert text.count("\n") == 5 and all(line.startswith("- ") for line in text.splitlines())
    for words in (
        "starts 0.700 mm [0.600, 0.800] nearer to the line than the first, FF1, and is learned 1.30 [1.2",
        "nearer to the line than after equal practice without a field, and is learned 2.00 [",  # 2 ** 1
        "0.70, 0.70 and 1.20 mm at 32, 64 and 128 units, above 0 at every size; larger at 128 than at 64",
        "FF2 in the opposite field starts 0.4", "it starts 1.60 mm [1.50, 1.70] nearer, which is more.",
        "14.0 % [4.0, 24.0] of the preparatory shift is left;", "the field leaves 7.0 %", "an upper bound",
        "A memory trace beyond practice is not shown", "changes the initial deviation in FF2 by -0.07",
        "in the study by ~-0.44", "random direction of equal length changes it more", "numbers, 1 agrees",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("name", "value", "p", "words"),
    [
        (study.INITIAL_SAVINGS, 0.1, 0.3, "FF2, is not shown to start nearer to the line than the first"),
        (study.INITIAL_SAVINGS, -0.7, 1e-6, "FF2, starts farther from the line than the first"),
        (study.RATE_RATIO, 1.1, 0.3, "is not shown to be learned faster (1.1"),
        (study.RATE_RATIO, 0.8, 1e-6, "is learned more slowly (0.8"),
        (at(SAVED, 128), 0.1, 0.3, "It is not shown to start nearer to the line than after equal"),
        (at(SAVED, 128), 0.1, 0.3, "above 0 at 32 and 64, not measurably different from 0 at 128"),
        (at(FASTER, 128), 0.1, 0.3, "is not shown to be learned faster (1.07"),
        (step(SAVED, 64, 128), 0.5, 0.3, "neighbouring sizes do not measurably differ (p = 0.9 and p = 0.3)"),
        (OPPOSITE_SAVED, 0.1, 0.3, "FF2 in the opposite field is not shown to start nearer to the line"),
        (OPPOSITE_SAVED, -0.4, 1e-6, "FF2 in the opposite field starts farther from the line"),
        (MIRROR_SAVED, 0.5, 1e-6, "starts 0.500 mm [0.400, 0.600] nearer, which is not measurably more."),
        (MIRROR_SAVED, 0.1, 0.3, "field, too, it starts 0.100 mm [0.000, 0.200] nearer, which is less."),
        (study.SHIFT_NF2, 0.01, 0.3, "is left, which is not shown to be more than none"),
        (at(SHIFT, 128), 0.01, 0.3, "that the field leaves more than practice does is not shown (1.0 %"),
        (at(SHIFT, 128), -0.3, 1e-6, "the field leaves less than practice does"),
        (at(TRACE, 128), 0.3, 1e-6, "A memory trace beyond practice is shown"),
        (study.SLOPE, -0.01, 0.3, "is not shown to change the initial deviation in FF2"),
        (LARGER, 0.01, 0.3, "is not shown to change it less"),
        (LARGER, 0.3, 1e-6, "random direction of equal length changes it less"),
    ],
)  # fmt: skip
def test_a_sentence_follows_its_test(name, value, p, words):
    assert words in told(**{name: (value, p)}) and words not in told()


@pytest.mark.parametrize(
    ("savings", "p", "words"),
    [
        (
            (-0.2, -0.03, 0.7),
            (0.2, 0.7, 1e-6),
            "savings are -0.200, -0.030 and 0.700 mm, shown to be above 0 at 128 units only",
        ),
        ((0.5, 0.5, 0.7), (1e-6, 1e-6, 1e-6), "above 0 at every size"),
        ((0.1, 0.1, 0.1), (0.3, 0.3, 0.3), "above 0 at no size"),
    ],
)
def test_savings_against_practice_stand_beside_those_against_ff1(savings, p, words):
    own = [entry(saved(INITIAL, u), x, p=each) for u, x, each in zip((32, 64, 128), savings, p, strict=True)]
    numbers = {"practice": Findings(NUMBERS["practice"]), "size": Findings(own)}
    assert words in in_short(numbers, []) and "Against FF1" not in told()


def test_what_was_not_measured_is_not_spoken_of():
    assert in_short({}, []) == ""
    only = {"learning": Findings(NUMBERS["learning"])}
    assert in_short(only, []).count("\n") == 0 and "practice" not in in_short(only, [])
    assert summary_table({}).count("\n") == 1
    nothing = [dataclasses.replace(each, value=None) for each in NUMBERS["learning"]]
    assert in_short({"learning": Findings(nothing)}, []) == ""


def test_the_table_has_the_corrected_p_and_the_study_s_numbers():
    findings = {figure: Findings(entries) for figure, entries in NUMBERS.items()}
    lines = summary_table(findings).splitlines()
    assert lines[2] == (
        "| FF2 starts closer to the line than FF1 by | 0.700 mm [0.600, 0.800] | 1e-06 | ~0.9 mm | 40 | "
        "[learning](#learning) |"
    )
    faster = next(line for line in lines if "geometric mean" in line)
    assert "| 2.00 [1.87, 2.14] | 1e-06 | - | 40 | [practice](#practice) |" in faster
    assert len({name for _, name, _ in ROWS}) == len(ROWS)
    page = summary(findings, "These networks.", compare(findings))
    assert page.startswith("These networks. Intervals") and page.count("1 agrees") == 1
