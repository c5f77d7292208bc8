"""The page of the sessions experiment: its answer follows from the tests, and it tells the methods."""

import dataclasses

import numpy as np
import pytest

from experiments.figures.findings import Findings
from experiments.runs.tables import format_value
from experiments.sessions.answer import answer
from experiments.sessions.config import ADAPTATION, ALONE, UNTRAINED, Sessions
from experiments.sessions.measures import (
    ADAPTED,
    CLAIMED,
    LENGTH,
    MEASURES,
    SAVED_EARLY,
    SHIFT_BEYOND,
    quantities,
)
from experiments.sessions.methods import definitions, limits, training
from experiments.sessions.report import page
from experiments.sessions.washouts import SAVED, washout_claims, washout_measures
from experiments.sessions.weights import AGAIN, IN_WEIGHTS, beside_weights, learned_in_weights
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


def in_weights(saved, left):
    """Measures of networks that learn in weights, shown or not."""
    value = {True: (1.0, (0.5, 1.5), 1e-6), False: (0.1, (-0.5, 0.7), 0.5)}
    shown = dict.fromkeys(IN_WEIGHTS, True) | {next(iter(IN_WEIGHTS)): saved, SHIFT_BEYOND: left}
    return {
        name: Quantity(name, value[its][0], value[its][1], 40, "1", value[its][2])
        for name, its in shown.items()
    }


def test_where_savings_and_the_shift_appear_follows_from_the_tests():
    adapted = {ADAPTED: CLEAR, LENGTH: CLEAR}
    first = answer(numbers_of(**adapted), in_weights(True, True), CONFIG).splitlines()[0]
    assert "16 trials: shown in weights, not in activity; the preparatory" in first
    assert "shift in FF1: shown in activity and in weights;" in first
    assert first.endswith("left after the washout: shown in weights, not in activity.**")
    saved = adapted | {SAVED_EARLY: CLEAR, SHIFT_BEYOND: CLEAR}
    first = answer(numbers_of(**saved), in_weights(False, True), CONFIG).splitlines()[0]
    assert "16 trials: shown in activity, not in weights;" in first
    assert first.endswith("left after the washout: shown in activity and in weights.**")
    first = answer(numbers_of(**adapted), in_weights(False, False), CONFIG).splitlines()[0]
    assert "16 trials: shown in neither;" in first
    alone = answer(numbers_of(**adapted), {}, CONFIG)
    assert "16 trials: not shown in activity;" in alone.splitlines()[0] and "weights" not in alone


def test_what_is_not_shown_is_excluded_by_its_interval():
    numbers = numbers_of(**{ADAPTED: CLEAR, f"{SAVED} 1": CLEAR, f"{SAVED} 2": -CLEAR})
    text = answer(numbers, {}, CONFIG)
    assert "shown in *one field, reported* after 1 trial, where" in text
    highest = max(numbers[ADAPTATION][name].ci[1] for name in (CLAIMED[1], CLAIMED[2]))
    stated = float(text.split("exclude savings of more than ")[1].split(" mm")[0])
    assert highest <= stated < 2.0 * highest + 0.01
    assert "not shown in any networks that adapt; beyond the sham, the intervals exclude more than" in text


def test_networks_that_do_not_adapt_answer_nothing():
    text = answer(numbers_of(**{SAVED_EARLY: CLEAR, LENGTH: CLEAR}), {}, CONFIG)
    assert "16 trials: not shown in activity" in text.splitlines()[0]
    assert "no kind of network adapts, so there is nothing to save" in text


def test_the_page_says_what_networks_were_taught_and_defines_every_measure():
    text = page(numbers_of(), "python -m experiments.sessions", CONFIG)
    assert text.index("with a weight of 300 that falls linearly to 0") < text.index("## Answer")
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
    assert learned_in_weights(tmp_path) == {} and beside_weights({}, CONFIG) == ""
    by_figure = {}
    for number, (figure, name) in enumerate(IN_WEIGHTS.values()):
        by_figure.setdefault(figure, []).append(Quantity(name, float(number), (-1.0, 9.0), 40, "mm"))
    for figure, numbers in by_figure.items():
        Findings(numbers, {}, []).save(tmp_path, figure)
    text = beside_weights(learned_in_weights(tmp_path), CONFIG)
    for number, measure in enumerate(IN_WEIGHTS):
        assert f"| {measure} | {format_value(float(number), (-1.0, 9.0), 'mm')} | 40 |" in text
    assert "40 of the study's protocol, which see the hand 60 ms and the cue 70 ms late" in text
    assert "8, pre-trained for the delays of the environments, see hand and cue 70 ms late" in text


def test_a_shift_in_weights_that_does_not_come_back_is_not_shown():
    weights = in_weights(True, True)
    weights[AGAIN] = dataclasses.replace(weights[AGAIN], value=0.1, ci=(-0.5, 0.7), p=0.5)
    first = answer(numbers_of(**{ADAPTED: CLEAR, LENGTH: CLEAR}), weights, CONFIG).splitlines()[0]
    assert "the preparatory shift in FF1: shown in activity, not in weights" in first


@pytest.mark.parametrize("reading", [0.0, 300.0])
def test_names_of_regimes_say_if_networks_were_taught(reading):
    config = dataclasses.replace(CONFIG, reading=reading)
    names = {regime: config.name(regime) for regime in (UNTRAINED, *config.regimes)}
    assert {regime for regime, name in names.items() if name.endswith("reported")} == (
        {"adaptation", "relearning"} if reading else set()
    )
    assert len(set(names.values())) == 4
