"""The figure of muscles: the floor of co-contraction is that of the arm, and the text follows the tests."""

import dataclasses

import numpy as np
import pytest

from experiments.figures.findings import correct
from experiments.figures.muscles import (
    CHANGES,
    LEARNED,
    RELAXED,
    _table,
    _text,
    at,
    beyond_sham,
    change,
    smallest_co_contraction,
)
from experiments.stored.resistance import HOLD, KINDS, REACH, UNITS
from experiments.study import quantity
from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import load_arm
from savings_gym.metrics.cocontraction import co_contraction
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.schedule import PHASES

N = 12


def planted(hold=2.8, beyond=None, learned=1.0, sham=True):
    """Quantities of the figure, with what the sham lacks by measure, and the gain in the reach in FF1."""
    rng, sampling = np.random.default_rng(0), Sampling()
    levels = dict.fromkeys(KINDS, 1.0) | {HOLD: hold, REACH: 15.0}

    def one(name, kind, mean, spread=0.1):
        return quantity(name, mean + spread * rng.standard_normal(N), UNITS[kind], sampling)

    entries = [one(at(kind, phase), kind, levels[kind]) for kind in KINDS for phase in PHASES]
    entries += [
        one(change(kind, b, a), kind, learned if (kind, (b, a)) == (REACH, LEARNED) else 0.0)
        for kind in KINDS
        for b, a in CHANGES
    ]
    if sham:
        entries += [one(beyond_sham(kind), kind, (beyond or {}).get(kind, 0.0)) for kind in KINDS]
    claimed = [beyond_sham(kind) if sham else change(kind, *CHANGES[1]) for kind in KINDS]
    return correct(entries, [*claimed, change(REACH, *LEARNED)])


def test_the_floor_is_that_of_muscles_which_a_network_leaves_alone():
    arm = load_arm("muscle")
    rest = np.full(arm.n_actuators, SMALLEST_ACTIVATION)
    floor = smallest_co_contraction("muscle")
    assert floor == pytest.approx(co_contraction(arm.muscle_force(arm.start, np.zeros(2), rest)))
    assert 0.0 < floor < co_contraction(SMALLEST_ACTIVATION * arm.muscles.strength)  # at optimal length
    for more in (2.0, 10.0):
        force = arm.muscle_force(arm.start, np.zeros(2), more * rest)
        assert co_contraction(force) == pytest.approx(more * floor)
    assert smallest_co_contraction("torque") is None


def test_a_relaxed_arm_says_that_its_measures_say_little():
    floor = smallest_co_contraction("muscle")
    relaxed = _text(planted(hold=0.9 * RELAXED * floor), floor)
    assert f"would be {floor:.3g} N with every muscle at its smallest activation" in relaxed
    assert "say little" not in _text(planted(hold=1.1 * RELAXED * floor), floor)
    assert "say little" not in _text(planted(), None)


def test_what_does_not_differ_is_said_once():
    text = _text(planted(), None)
    assert text.startswith("After washout, none of the 6 measures")
    assert "networks that never met the field (smallest corrected p: " in text
    assert "co-contraction in reaches without it rises from 15 N (by 1." in text
    without = _text(planted(sham=False, learned=0.0), None)
    assert "differs measurably from the end of NF1" in without
    assert "co-contraction in reaches without it does not measurably change" in without
    assert "reaches without it falls from" in _text(planted(learned=-1.0), None)


def test_what_differs_is_named_with_its_side():
    text = _text(planted(beyond={HOLD: 2.0, REACH: -2.0}), None)
    assert f"{HOLD} (larger: " in text and f"{REACH} (smaller: -" in text and "none of" not in text


def test_one_network_allows_no_test():
    one = [dataclasses.replace(entry, p=None, p_holm=None) for entry in planted()]
    assert _text(one, None).startswith("With one network nothing can be tested. The traces")


def test_the_table_has_a_row_per_measure():
    with_sham, without = (_table(planted(sham=sham)).splitlines() for sham in (True, False))
    assert len(with_sham) == len(without) == 2 + len(KINDS)
    assert without[2].endswith("| - | - |") and not with_sham[2].endswith("| - | - |")
