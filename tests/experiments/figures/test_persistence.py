"""The figure of persistence agrees with itself: pushes in probes follow the Jacobian of the hold."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.figures.by_size import at
from experiments.figures.factors import factors
from experiments.figures.fading import FADING, LEFT_SHIFT, RATE, fading
from experiments.figures.persistence import (
    DIRECTIONS,
    LEFT,
    LEFT_SHARE,
    LEFT_SLOWEST,
    SHIFT,
    SIZE_LEFT,
    SLOPE_LEFT,
    SLOWEST,
    WITHOUT_STEEPEST,
    measure,
    persistence,
    relations,
)
from experiments.figures.size import step
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS
from experiments.stored.resistance import KINDS, resistance
from experiments.stored.runs import StoredRuns
from experiments.study import SLOPE
from savings_gym.metrics.statistics import Sampling


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A finished run of two small networks."""
    out = tmp_path_factory.mktemp("persistence") / "run"
    assert run_savings(dataclasses.replace(PRESETS["smoke"], out=out)) == 0
    return StoredRuns(out, {}, {}, 0)


def test_small_pushes_in_probes_are_left_as_the_jacobian_says(stored):
    result = measure(stored, stored.main)
    first = 3  # control steps, over which the hold hardly changes
    for name in DIRECTIONS:
        simulated, predicted = result.simulated[name], result.predicted[name]
        assert predicted[:, 0] == pytest.approx(1.0)
        np.testing.assert_allclose(simulated[:, 0], predicted[:, 1], rtol=0.2)
        assert simulated.shape[0] == predicted.shape[0] == 2
        assert np.all(simulated[:, first] > 0.0)
    assert np.all(np.diff(result.slowest) >= 0.0)


def test_the_figure_reports_what_it_measured(stored, tmp_path):
    findings = persistence(stored, tmp_path)
    numbers, result = findings.by_name, measure(stored, stored.main)
    assert numbers[SLOWEST].values == pytest.approx(result.slowest[:, 0], rel=1e-5)
    for name in DIRECTIONS:
        left = 100.0 * result.simulated[name][:, result.waited].mean()
        assert numbers[f"{LEFT}, {name}"].value == pytest.approx(left)
        jacobian = 100.0 * result.predicted[name][:, result.waited + 1].mean()  # as many steps after it
        assert numbers[f"{LEFT}, {name}, by the Jacobian"].value == pytest.approx(jacobian)
    assert "as geometric means, which panel b shows" in findings.text
    assert all(path.is_file() and path.with_suffix(".svg").is_file() for path in findings.pictures)
    assert math.isclose(result.preparation.seen, 0.51)


def test_factors_without_conditions_and_sham_show_the_main_run_alone(stored, tmp_path):
    findings = factors(stored, tmp_path)
    assert findings.text.endswith("No other condition was run.")
    slope = 1e3 * measure(stored, stored.main).slope
    assert findings.by_name["main: displacement slope"].values == pytest.approx(slope, rel=1e-4)


def test_resistance_has_every_kind_for_every_network(stored):
    values = resistance(stored.main, "NF2")
    assert tuple(values) == KINDS
    assert all(value.shape == (2,) and np.all(np.isfinite(value)) for value in values.values())
    with pytest.raises(FileNotFoundError):
        resistance(stored.main / "nothing", "NF2")


def test_what_goes_with_what_is_left_is_found_in_ranks():
    """Slopes whose size, not whose sign, grows with what is left; one network far out changes no rank."""
    rng = np.random.default_rng(0)
    left = rng.uniform(0.02, 0.3, 40)
    slope = left**2 * np.where(rng.random(40) < 0.5, 1.0, -1.0)
    slope[3] = -50.0
    found = {
        entry.name: entry
        for entry in relations(np.arange(40), slope, left, np.exp(left), rng.random(40), Sampling())
    }
    assert found[f"{SIZE_LEFT}{WITHOUT_STEEPEST}"].value == pytest.approx(1.0)
    assert found[f"{SIZE_LEFT}{WITHOUT_STEEPEST}"].networks == 39
    assert "without network 3" in found[f"{SIZE_LEFT}{WITHOUT_STEEPEST}"].note
    assert found[SIZE_LEFT].value > 0.8 and abs(found[SLOPE_LEFT].value) < 0.4
    assert found[LEFT_SHARE].value == pytest.approx(1.0) and abs(found[LEFT_SLOWEST].value) < 0.4


def test_sizes_are_compared_by_what_is_measured_in_each(stored, tmp_path):
    sizes = {8: stored.main, 16: stored.main}  # one run in both places
    findings = fading(dataclasses.replace(stored, sizes=sizes), tmp_path)
    numbers, result = findings.by_name, measure(stored, stored.main)
    for units in sizes:
        left = 100.0 * result.simulated[SHIFT][:, result.waited]
        assert numbers[at(LEFT_SHIFT, units)].values == pytest.approx(left, rel=1e-5)
        assert numbers[at(LEFT_SHIFT, units)].p is None and numbers[at(SLOPE, units)].p is not None
        assert numbers[at(RATE, units)].values == pytest.approx(result.slowest[:, 0], rel=1e-5)
    assert numbers[step(LEFT_SHIFT, 8, 16)].value == pytest.approx(0.0, abs=1e-9)
    again = FADING.read(findings.networks)
    assert FADING.sizes(numbers) == list(again) == list(sizes)
    np.testing.assert_allclose(again[16][1][LEFT_SHIFT], result.simulated[SHIFT][:, result.waited])
    with pytest.raises(ValueError, match="no run of any network size"):
        fading(stored, tmp_path)
