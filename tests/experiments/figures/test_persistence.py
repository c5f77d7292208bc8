"""The figure of persistence agrees with itself: pushes in probes follow the Jacobian of the hold."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.figures.factors import factors
from experiments.figures.persistence import DIRECTIONS, LEFT, SLOWEST, measure, persistence
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS
from experiments.stored.resistance import KINDS, resistance
from experiments.stored.runs import StoredRuns


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
