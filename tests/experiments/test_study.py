"""The study's numbers hang together, and a verdict says what its words mean."""

import math

import numpy as np
import pytest

from experiments import study
from experiments.study import PRINTED, READ, REFERENCES, VERDICTS, Quantity, Reference, verdict

BY_NAME = {row.name: row for row in REFERENCES}
DIFFERENCE = Reference("difference", 1.0, "mm", READ, "here", error=0.2, null=0.0, spread=0.1)
SIZE = Reference("size", 34.7, "mm", READ, "here", error=0.2, spread=0.45)


def ours(value, low=None, high=None, unit="mm", note=""):
    return Quantity("x", value, (low, high), 8, unit, note=note)


@pytest.mark.parametrize(
    ("reference", "quantity", "words"),
    [
        (DIFFERENCE, ours(1.0, 0.71, 1.29), "agrees"),
        (DIFFERENCE, ours(1.0, 0.69, 1.29), "undecided"),  # wider than the margin, 0.3
        (DIFFERENCE, ours(1.4, 1.2, 1.6), "undecided"),
        (DIFFERENCE, ours(1.5, 1.31, 1.7), "differs"),
        (DIFFERENCE, ours(-1.0, -1.2, -0.8), "differs"),
        (SIZE, ours(30.0, 29.0, 31.0), "differs"),
        (SIZE, ours(34.6, 34.06, 35.3), "agrees"),
        (SIZE, ours(34.6, 33.0, 36.0), "undecided"),
        (SIZE, ours(34.7), "undecided"),  # without an interval
        (DIFFERENCE, ours(None, note="one network"), "not testable"),
        (DIFFERENCE, None, "not testable"),
    ],
)
def test_a_verdict_by_hand(reference, quantity, words):
    assert verdict(reference, quantity)[0] == words


def test_the_direction_of_an_effect_is_named_beside_the_verdict():
    ratio = Reference("ratio", 1.5, "1", READ, "here", error=0.01, null=1.0)
    none = "ours does not measurably differ from no effect"
    assert verdict(ratio, ours(1.2, 1.1, 1.3, "1")) == ("differs", "same direction")
    assert verdict(ratio, ours(0.8, 0.7, 0.9, "1")) == ("differs", "opposite direction")
    assert verdict(ratio, ours(1.1, 0.9, 1.3, "1")) == ("differs", none)
    assert verdict(ratio, ours(1.2, 0.9, 1.5, "1")) == ("undecided", none)
    below = Reference("fraction", 0.46, "1", READ, "here", error=0.01, null=0.5)
    assert verdict(below, ours(0.3, 0.2, 0.4, "1")) == ("differs", "same direction")
    assert verdict(below, ours(0.7, 0.6, 0.8, "1")) == ("differs", "opposite direction")
    unclear = Reference("x", 0.1, "mm", READ, "here", error=0.2, null=0.0)
    assert verdict(unclear, ours(1.0, 0.8, 1.2)) == ("differs", "")


def test_the_margin_is_the_spread_of_the_study_and_the_error_of_reading_it():
    assert BY_NAME[study.INITIAL_FF2].margin == pytest.approx(0.45 + 0.2)
    assert BY_NAME[study.position_loss("FF1", 100)].margin == pytest.approx(0.55 + 5e-3)
    assert BY_NAME[study.RATE_FF1].margin == pytest.approx(0.45 / 33.7 * 0.0147 + 2e-4)
    value = {row.name: row.value for row in REFERENCES}
    sets = value[study.displaced(0)] - value[study.INITIAL_FF2]
    assert sets == pytest.approx(study.SPREAD_MM)
    saved = value[study.INITIAL_FF1] - value[study.INITIAL_FF2]
    again = value[study.DISPLACED_FF1] - value[study.displaced(0)]
    assert saved - again == pytest.approx(study.SPREAD_SAVED_MM)


def test_reasons_are_given():
    assert verdict(DIFFERENCE, None)[1] == study.NOT_MEASURED
    assert verdict(BY_NAME[study.position_loss("FF1", 100)], None)[1].startswith("the run has no distance")
    assert verdict(DIFFERENCE, ours(None, note="FF1 is short"))[1] == "FF1 is short"
    assert verdict(DIFFERENCE, ours(1.0))[1] == "ours has no interval"


def test_other_units_are_an_error():
    with pytest.raises(ValueError, match=r"'m', the study's is in 'mm'"):
        verdict(DIFFERENCE, ours(0.001, unit="m"))


def test_an_unknown_source_and_a_negative_error_are_refused():
    with pytest.raises(
        ValueError, match="source must be one of .*'printed', 'read off a plot'.* got 'guessed'"
    ):
        Reference("x", 1.0, "mm", "guessed", "here")
    with pytest.raises(ValueError, match="at least 0, got -1"):
        Reference("x", 1.0, "mm", PRINTED, "here", error=-1.0)


def test_the_numbers_hang_together():
    value = {row.name: row.value for row in REFERENCES}
    assert len(value) == len(REFERENCES)
    difference = value[study.INITIAL_FF1] - value[study.INITIAL_FF2]
    assert difference == pytest.approx(value[study.INITIAL_SAVINGS], abs=0.2)
    assert 100 * value[study.INITIAL_SAVINGS] / value[study.INITIAL_FF1] == pytest.approx(
        value[study.INITIAL_SHARE], abs=0.2
    )
    ratio = value[study.RATE_FF2] / value[study.RATE_FF1]
    assert ratio == pytest.approx(value[study.RATE_RATIO], abs=BY_NAME[study.RATE_RATIO].error)
    assert 9 / math.sqrt(study.NETWORKS) == pytest.approx(value[study.RATE_EFFECT], abs=0.01)
    displaced = [value[study.displaced(m)] for m in study.DISPLACEMENTS]
    slope = np.polyfit(study.DISPLACEMENTS, displaced, 1)[0]
    assert slope == pytest.approx(value[study.SLOPE], abs=BY_NAME[study.SLOPE].error)
    for phase in ("FF1", "FF2"):
        curve = [value[study.curve(phase, batch)] for batch in study.BATCHES]
        assert np.all(np.diff(curve) < 0.0)


def test_every_row_is_complete():
    for row in REFERENCES:
        assert row.where and row.unit and row.networks == 40
        assert row.error > 0.0  # nothing is known better than to its last digit
        low, high = row.ci
        assert (low is None) == (high is None)
        if low is not None:
            assert low < row.value < high
    assert set(VERDICTS) >= {verdict(row, None)[0] for row in REFERENCES}
