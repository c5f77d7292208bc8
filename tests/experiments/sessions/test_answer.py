"""The page of the sessions experiment: its answer follows from the tests, and it tells the methods."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.figures.findings import Findings
from experiments.figures.results_page import INDEX
from experiments.runs.tables import format_value
from experiments.sessions.answer import answer
from experiments.sessions.config import ADAPTATION, ALONE, Sessions
from experiments.sessions.figure import caption
from experiments.sessions.measures import (
    ADAPTED,
    AFTER_EFFECT,
    CLAIMED,
    FIRST,
    INTERFERED,
    LENGTH,
    MEASURES,
    SAVED_EARLY,
    SAVED_FIRST,
    SHIFT_BEYOND,
    quantities,
)
from experiments.sessions.methods import definitions, limits, training
from experiments.sessions.protocol import UNTRAINED
from experiments.sessions.report import page
from experiments.sessions.washouts import SAVED, washout_claims, washout_measures
from experiments.sessions.weights import (
    AGAIN,
    REVERSED,
    InWeights,
    beside_weights,
    learned_in_weights,
    sources,
)
from experiments.study import Quantity

CONFIG = Sessions()
NOISE, CLEAR = 1e-5, 1.0  # of planted effects [m]


def numbers_of(**effects):
    """Measures of untrained networks, which show nothing, and of others with these effects (by measure)."""
    rng = np.random.default_rng(1)
    names = (*MEASURES, *washout_measures(CONFIG.washouts))
    noise = {name: NOISE * rng.standard_normal(8) for name in names}
    values = {UNTRAINED: noise, ADAPTATION: {name: noise[name] + effects.get(name, 0.0) for name in names}}
    return quantities(values, 0, (*CLAIMED, *washout_claims(CONFIG.washouts)))


def in_weights(saved, left, washout=10_000):
    """What networks that learn in weights show, or do not."""
    value = {True: (1.0, (0.5, 1.5), 1e-6), False: (0.1, (-0.5, 0.7), 0.5)}
    shown = dict.fromkeys(sources(128), True) | {SAVED_FIRST: saved, SHIFT_BEYOND: left}
    measures = {
        name: Quantity(name, value[its][0], value[its][1], 40, "1", value[its][2], p_holm=value[its][2])
        for name, its in shown.items()
    }
    return InWeights(measures, washout)


def test_where_savings_and_the_shift_appear_follows_from_the_tests():
    adapted = {ADAPTED: CLEAR, LENGTH: CLEAR}
    first = answer(numbers_of(**adapted), in_weights(True, True), CONFIG).splitlines()[0]
    assert first.startswith(
        "**Savings after the washout: found in networks that learn in their weights (1.00"
    )
    assert ", not found in networks that learn in their activity (no more than" in first
    assert (
        "A preparatory shift in FF1: found in activity of networks that were taught to report the field, and "
        "of no others (t test of its length); in weights, its length" in first
    )
    assert "the shift returns in FF2 (1.00 [0.50, 1.50], where 1 is all of it; t test)" in first
    assert first.endswith(
        "A shift that outlasts the washout: found in weights only, where it is an upper bound.**"
    )
    saved = adapted | {SAVED_EARLY: CLEAR, SHIFT_BEYOND: CLEAR}
    first = answer(numbers_of(**saved), in_weights(False, True), CONFIG).splitlines()[0]
    assert "washout: found in networks that learn in their activity (washout of 16 trials), not" in first
    assert first.endswith("A shift that outlasts the washout: found in both, in weights as an upper bound.**")
    first = answer(numbers_of(**adapted), in_weights(False, False), CONFIG).splitlines()[0]
    assert first.count("not found in networks") == 2
    assert first.endswith("A shift that outlasts the washout: found in neither.**")
    alone = answer(numbers_of(**adapted), None, CONFIG)
    assert "not found in networks that learn in their activity" in alone.splitlines()[0]
    assert "and of no others (t test of its length). A" in alone
    assert "weights" not in alone
    untaught = dataclasses.replace(CONFIG, reading=0.0)
    alone = answer(numbers_of(**adapted), None, untaught)
    assert "A preparatory shift in FF1: found in activity (t test of its length). A" in alone


@pytest.mark.parametrize("washout", [10_000, 300])
def test_every_finding_stands_beside_the_washout_after_which_it_was_tested(washout):
    """A memory in weights was not tested after the few trials of a memory in activity."""
    numbers, weights = numbers_of(**{ADAPTED: CLEAR}), in_weights(True, True, washout)
    first = answer(numbers, weights, CONFIG).splitlines()[0]
    in_weights_, in_activity = first.split("learn in their weights")[1].split("learn in their activity")
    updates = f"washout of {washout:,} updates of 8 reaches".replace(",", " ")
    assert updates in in_weights_ and "trials" not in in_weights_
    assert "washout of 16 trials" in in_activity and "updates" not in in_activity
    assert f"| washout | {updates.removeprefix('washout of ')} | 40 |" in beside_weights(weights, CONFIG)


def test_the_share_of_the_first_deviation_that_adaptation_removes_is_told():
    text = answer(numbers_of(**{ADAPTED: 0.25 * CLEAR, FIRST: CLEAR}), None, CONFIG)
    assert "*one field, reported* removes 25.0 % [25.0, 25.0] of its first deviation (250 of 1e+03" in text
    assert "Not found in *untrained*." in text


def test_networks_that_deviate_less_without_adapting_resist():
    def text(regime, untrained, **effects):
        numbers = numbers_of(**effects)
        less = quantities({UNTRAINED: {FIRST: np.linspace(0.9, 1.1, 8) * untrained}}, 0)[UNTRAINED]
        numbers = {UNTRAINED: numbers[UNTRAINED] | less, regime: numbers[ADAPTATION]}
        return answer(numbers, None, CONFIG)

    resists = text(ALONE, 2.0 * CLEAR, **{FIRST: CLEAR})
    assert "*one field, reaching alone* deviates less from the first trial on" in resists
    assert "resist the field rather than learn it" in resists
    assert "resist" not in text(ALONE, CLEAR, **{FIRST: CLEAR})  # no less than untrained ones
    assert "resist" not in text(ADAPTATION, 2.0 * CLEAR, **{FIRST: CLEAR, ADAPTED: CLEAR})  # they adapt
    learned = text(ALONE, 2.0 * CLEAR, **{FIRST: CLEAR, AFTER_EFFECT: -CLEAR})
    assert "deviates less" in learned and "resist the field" not in learned


def test_what_is_not_shown_is_excluded_by_its_interval():
    numbers = numbers_of(**{ADAPTED: CLEAR, f"{SAVED} 1": CLEAR, f"{SAVED} 2": -CLEAR})
    text = answer(numbers, None, CONFIG)
    assert "found in *one field, reported* after 1 trial, in which the after-effect was still" in text
    highest = max(numbers[ADAPTATION][name].ci[1] for name in (CLAIMED[1], CLAIMED[2]))
    stated = float(text.split("exclude savings of more than ")[1].split(" mm")[0])
    assert highest <= stated < 2.0 * highest + 0.01
    assert (
        "not found in any of the networks that adapt; beyond the sham, the intervals exclude more than"
        in text
    )


def test_interference_is_told_of_networks_that_adapt():
    begins = "Interference in activity, in trials 2 to 5 of the opposite field right after FF1: "
    found = answer(numbers_of(**{ADAPTED: CLEAR, INTERFERED: CLEAR}), None, CONFIG)
    assert f"{begins}found, 1000 mm [" in found and "] in *one field, reported*." in found
    entry = numbers_of(**{ADAPTED: CLEAR, INTERFERED: CLEAR})[ADAPTATION][INTERFERED]
    numbers = numbers_of(**{ADAPTED: CLEAR})
    numbers[ADAPTATION][INTERFERED] = dataclasses.replace(entry, p_holm=0.2)
    maybe = answer(numbers, None, CONFIG)
    assert f"{begins}not found; perhaps 1000 mm [" in maybe and "does not survive the correction." in maybe
    absent = answer(numbers_of(**{ADAPTED: CLEAR}), None, CONFIG)
    assert f"{begins}not found; the intervals exclude more than 0.0" in absent
    assert "Interference" not in answer(numbers_of(**{INTERFERED: CLEAR}), None, CONFIG)


def test_networks_that_do_not_adapt_answer_nothing():
    text = answer(numbers_of(**{SAVED_EARLY: CLEAR, LENGTH: CLEAR}), None, CONFIG)
    assert "not found in networks with fixed weights, none of which is shown to adapt" in text.splitlines()[0]
    assert "no kind of network is shown to adapt, so there is nothing to save" in text


def test_the_page_says_what_networks_were_taught_and_defines_every_measure():
    text = page(numbers_of(), "python -m experiments.sessions", CONFIG)
    assert text.index("reported*, were at first also taught to report the field") < text.index("## Answer")
    assert "with a weight of 300 that falls linearly to 0" in text
    assert "In the first 40 % of updates" in text and "2 000 updates of 8 sessions" in text
    assert "| one field, reported | 8 trials in the field | yes |" in text
    assert "| one field, reaching alone | 8 trials in the field | no |" in text
    assert all(f"- *{measure}*: " in definitions() for measure in MEASURES)
    assert "washout of more than 3 trials, and those of *one field, reported* and *one" in limits(CONFIG)
    never = dataclasses.replace(CONFIG, reading=0.0)
    assert "reported" not in training(never) and "taught more" not in training(never)
    only = dataclasses.replace(CONFIG, regimes=(ALONE,))
    assert "taught more" not in training(only)
    assert limits(only).startswith("No session of training had a washout;")


def test_learning_in_weights_stands_beside_it_once_its_figures_are_there(tmp_path):
    assert learned_in_weights(tmp_path) is None and beside_weights(None, CONFIG) == ""
    main = {"kind": "main", "units": 128, "updates": [1, 2, 3000, 4]}
    (tmp_path / INDEX).write_text(json.dumps({"runs": [main, main | {"kind": "sham", "units": 32}]}))
    assert learned_in_weights(tmp_path) is None
    by_figure = {}
    for number, (figure, name) in enumerate(sources(128).values()):
        by_figure.setdefault(figure, []).append(Quantity(name, float(number), (-1.0, 9.0), 40, "mm"))
    for figure, numbers in by_figure.items():
        Findings(numbers, {}, []).save(tmp_path, figure)
    text = beside_weights(learned_in_weights(tmp_path), CONFIG)
    assert "| washout | 3 000 updates of 8 reaches | 40 |" in text
    for number, measure in enumerate(sources(128)):
        value, ci = (-float(number), (-9.0, 1.0)) if measure in REVERSED else (float(number), (-1.0, 9.0))
        assert f"| {measure} | {format_value(value, ci, 'mm')} | 40 |" in text
    assert "40 of the study's protocol, which see the hand 60 ms and the cue 70 ms late" in text
    assert "8, pre-trained for the delays of the environments, see hand and cue 70 ms late" in text


def test_a_shift_in_weights_that_does_not_come_back_is_not_found():
    weights = in_weights(True, True)
    weights.measures[AGAIN] = dataclasses.replace(
        weights.measures[AGAIN], value=0.1, ci=(-0.5, 0.7), p=0.5, p_holm=None
    )
    first = answer(numbers_of(**{ADAPTED: CLEAR, LENGTH: CLEAR}), weights, CONFIG).splitlines()[0]
    assert "in weights, its length has no test, but the shift is not shown to return in FF2" in first
    assert "(0.100 [-0.500, 0.700], where 1 is all of it; t test, not corrected)" in first


def test_the_caption_names_every_panel_and_every_kind_of_networks():
    text = caption(("untrained", "one field", "reaching alone"), 8)
    assert "a to c, untrained; d to f, one field; g to i, reaching alone." in text
    assert all(f"({letters})" in text for letters in ("a, d, g", "b, e, h", "c, f, i"))


def test_effects_that_are_found_are_bold_and_no_p_stands_in_the_tables():
    text = page(numbers_of(**{ADAPTED: CLEAR}), "a command", CONFIG)
    tables = text.split("## Beside learning in weights")[0].splitlines()
    rows = {line.split(" | ")[0]: line for line in tables if line.startswith("| ")}
    assert rows[f"| {ADAPTED}"].count("**") == 2 and "**" not in rows[f"| {SHIFT_BEYOND}"]
    assert "p = " not in text and "Bold: differs from 0" in text


@pytest.mark.parametrize("reading", [0.0, 300.0])
def test_names_of_regimes_say_if_networks_were_taught(reading):
    config = dataclasses.replace(CONFIG, reading=reading)
    names = {regime: config.name(regime) for regime in (UNTRAINED, *config.regimes)}
    assert {regime for regime, name in names.items() if name.endswith("reported")} == (
        {"adaptation", "relearning"} if reading else set()
    )
    assert len(set(names.values())) == 4
