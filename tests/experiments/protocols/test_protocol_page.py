"""The page of the protocols: every sentence follows from a test, and committed pages from their numbers."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

import experiments
from experiments.claims import NO, OPEN, YES, absent, is_shown, opposite, positive
from experiments.protocols.beside_people import (
    DEPENDS,
    FINDINGS,
    MORE_REACHES,
    UNDECIDED,
    UNTESTED,
    beside_people,
    not_positive,
    verdict,
)
from experiments.protocols.config import COURSES, Protocols
from experiments.protocols.figure import PANELS, caption
from experiments.protocols.generalisation import ALONE, EVERYWHERE, VECTOR, farther
from experiments.protocols.in_short import in_short
from experiments.protocols.measures import (
    AFTER,
    AT_FIRST,
    END_OF_B,
    FALLING,
    GAINED,
    GRADUAL_AFTER,
    GRADUAL_LEARNED,
    LEARNED,
    MORE_KEPT,
    RISE,
    than,
)
from experiments.protocols.published import PEOPLE
from experiments.protocols.reading import READING, direction, mean_of
from experiments.protocols.report import page
from experiments.savings.phases import PERTURBATIONS
from experiments.study import Quantity

RESULTS = Path(experiments.__file__).parent / "results"
FOLDERS = {"curl": "protocols", "rotation": "protocols-rotation"}
FORCE = VECTOR["curl"]
CONFIGS = {perturbation: Protocols(perturbation=perturbation) for perturbation in PERTURBATIONS}


def stored(perturbation):
    """The numbers of the committed run, and its command."""
    summary = json.loads((RESULTS / FOLDERS[perturbation] / "summary.json").read_text())
    numbers = {
        course: {name: Quantity(**entry | {"ci": tuple(entry["ci"])}) for name, entry in found.items()}
        for course, found in summary["measures"].items()
    }
    return numbers, summary["command"]


def changed(numbers, course, name, **values):
    """The numbers with one of them changed."""
    entry = dataclasses.replace(numbers[course][name], **values)
    return numbers | {course: numbers[course] | {name: entry}}


def flipped(numbers, course, name):
    return numbers | {course: numbers[course] | {name: opposite(numbers[course][name])}}


def sentences(text):
    return [part for part in re.split(r"(?<=\.)\s", text) if part]


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_the_committed_page_is_what_the_code_makes_of_its_numbers(perturbation):
    numbers, command = stored(perturbation)
    committed = (RESULTS / FOLDERS[perturbation] / "README.md").read_text()
    assert committed == page(numbers, CONFIGS[perturbation], command)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_in_short_is_a_few_sentences_with_numbers(perturbation):
    said = sentences(in_short(stored(perturbation)[0], CONFIGS[perturbation]))
    assert 2 <= len(said) <= 5 and all(re.search(r"\d", sentence) for sentence in said)


@pytest.mark.parametrize(
    ("course", "name", "words"),
    [
        ("abrupt", LEARNED, "networks are not shown to learn A in 400 updates"),
        ("abrupt", AFTER, "an after-effect is not shown"),
        ("gradual", GRADUAL_LEARNED, "they are not shown to learn more or less"),
        ("gradual", GRADUAL_AFTER, "the after-effect is not shown to differ"),
        ("error-clamps", MORE_KEPT, "not shown to keep more in an error clamp"),
        ("spontaneous-recovery", RISE, "spontaneous recovery is not shown"),
        ("single-trials", FALLING, "is not shown to change with the size of A"),
        ("generalisation", farther(EVERYWHERE, ALONE), f"not shown to be nearer than to {EVERYWHERE}"),
        (
            "generalisation",
            farther(ALONE, VECTOR["curl"]),
            f"not shown to be nearer than to {VECTOR['curl']}",
        ),
    ],
)
def test_in_short_changes_when_an_effect_is_not_shown(course, name, words):
    numbers, _ = stored("curl")
    lower = in_short(changed(numbers, course, name, p_holm=0.9), CONFIGS["curl"]).lower()
    assert words.lower() in lower
    if is_shown(numbers[course][name]):
        assert words.lower() not in in_short(numbers, CONFIGS["curl"]).lower()


@pytest.mark.parametrize(
    ("value", "ci", "p_holm", "words"),
    [
        (12.0, (8.0, 16.0), 0.001, "A is learned faster than at first"),
        (-12.0, (-16.0, -8.0), 0.001, "A is learned more slowly than at first"),
        (12.0, (0.5, 23.5), 0.3, "A may be learned faster than at first, though that does not survive"),
        (-12.0, (-23.5, -0.5), 0.3, "A may be learned more slowly than at first, though that does not"),
        (12.0, (-1.0, 25.0), 0.6, "A is not shown to be learned faster, or more slowly, than at first"),
    ],
)
def test_relearning_is_judged_by_its_corrected_test(value, ci, p_holm, words):
    numbers = changed(
        stored("curl")[0], "interference", than(GAINED, AT_FIRST), value=value, ci=ci, p_holm=p_holm
    )
    assert words in in_short(numbers, CONFIGS["curl"])
    assert words in READING["interference"](numbers["interference"], CONFIGS["curl"])


def test_recovery_from_levels_that_b_left_away_from_zero_is_named_as_confounded():
    numbers, _ = stored("curl")
    finding = FINDINGS["curl"]["spontaneous-recovery"]
    left = dataclasses.replace(numbers["spontaneous-recovery"][END_OF_B], values=(-3.0, 21.0))
    for shown in (True, False):
        found = numbers["spontaneous-recovery"]
        found = changed({"": found}, "", RISE, p_holm=0.01 if shown else 0.9)[""]
        said = READING["spontaneous-recovery"](found, CONFIGS["curl"])
        assert "near zero in all of them" in said and ("comes back" in said) == shown
        assert verdict("spontaneous-recovery", found, finding) == (YES if shown else OPEN)
        said = READING["spontaneous-recovery"](found | {END_OF_B: left}, CONFIGS["curl"])
        assert "B lasts 180 updates in every network" in said and "between -3 and 21 % of A" in said
        assert "cannot tell recovery from decay" in said
        assert verdict("spontaneous-recovery", found | {END_OF_B: left}, finding) == UNDECIDED


def test_verdicts_beside_people_follow_from_directions():
    assert [positive([d]) for d in (1, 0, -1)] == [YES, OPEN, NO] and positive([1, 0]) == OPEN
    assert [absent([d]) for d in (1, 0, -1)] == [NO, "not contradicted", NO]
    assert [not_positive([d]) for d in (1, 0, -1)] == [NO, "not contradicted", YES]


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_every_protocol_stands_beside_people_with_a_verdict_that_its_tests_can_change(perturbation):
    numbers, _ = stored(perturbation)
    assert set(FINDINGS[perturbation]) == set(COURSES)
    rows = beside_people(numbers, perturbation).splitlines()[2:]
    assert len(rows) == len(COURSES)
    for course, finding in FINDINGS[perturbation].items():
        assert set(finding.measures) <= set(numbers[course])
        if isinstance(finding.judge, str):
            assert finding.judge in (UNTESTED, DEPENDS, MORE_REACHES)
            continue
        first, found = finding.measures[0], numbers[course]
        shown = changed(numbers, course, first, p_holm=1e-6)
        verdicts = {verdict(course, its[course], finding) for its in (shown, flipped(shown, course, first))}
        verdicts.add(verdict(course, changed(numbers, course, first, p_holm=0.9)[course], finding))
        confounded = verdict(course, found, finding) == UNDECIDED
        assert len(verdicts) > 1 or confounded or finding.judge is absent
        assert verdict(course, {}, finding) == UNTESTED


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_sources_beside_people_are_those_of_the_sections(perturbation):
    for course, finding in FINDINGS[perturbation].items():
        for authors, year in re.findall(r"([A-Z][\w-]+)[^();]*? (\d{4})", finding.people):
            assert authors in PEOPLE[perturbation][course] and year in PEOPLE[perturbation][course]


def test_a_page_of_some_protocols_speaks_of_these_alone():
    numbers, command = stored("curl")
    config = dataclasses.replace(CONFIGS["curl"], only=("error-clamps",))
    some = {"error-clamps": numbers["error-clamps"]}
    said = in_short(some, config)
    assert len(sentences(said)) == 1 and "77 %" in said
    text = page(some, config, command)
    assert "## Generalisation" not in text and "**d**" in text and "**f**" not in text


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_the_caption_explains_every_panel(perturbation):
    text = caption(CONFIGS[perturbation])
    assert [letter for letter in "abcdefgh" if f"**{letter}**, " in text] == list("abcdef")[: len(PANELS)]
    assert {name for panel in PANELS for name in panel.needs} == set(COURSES)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.277, "0.28 %"), (41.2, "41 %"), (-0.875, "-0.88 %"), (101.4, "101 %"), (0.0, "0 %")],
)
def test_a_mean_has_two_significant_digits(value, text):
    assert mean_of(Quantity("x", value, (None, None), 8, "%")) == text


def test_an_effect_has_a_direction_only_if_its_corrected_test_shows_it():
    numbers, _ = stored("curl")
    found = numbers["gradual"]
    assert direction(found, GRADUAL_LEARNED) == -1 and direction(found, "no such measure") == 0
    assert (
        direction(changed(numbers, "gradual", GRADUAL_LEARNED, p_holm=0.06)["gradual"], GRADUAL_LEARNED) == 0
    )
