"""Arrays of real numbers, and what is refused as one."""

import warnings

import numpy as np
import pytest

from savings_gym.arrays import as_finite, as_real


@pytest.mark.parametrize("values", [3, [1, 2.5], np.float32([0.5]), np.arange(3), [], [True, False]])
def test_real_numbers_become_float64(values):
    for check in (as_real, as_finite):
        array = check("speed", values)
        assert array.dtype == np.float64 and array.tolist() == np.asarray(values, dtype=float).tolist()


@pytest.mark.parametrize(
    "values",
    [1j, np.ones(2, complex), "3", ["1", "2"], np.ones(2, object), None, [[1.0], [2.0, 3.0]]],
)
def test_anything_else_is_refused_without_a_warning(values):
    for check in (as_real, as_finite):
        with (
            warnings.catch_warnings(),
            pytest.raises(ValueError, match="speed is not an array of real numbers"),
        ):
            warnings.simplefilter("error")
            check("speed", values)


def test_values_that_are_not_finite_are_counted_and_the_first_is_named():
    with pytest.raises(
        ValueError, match=r"speed has 2 values that are not finite, the first nan at index \(1,\)"
    ):
        as_finite("speed", [0.0, np.nan, np.inf])
    assert np.isnan(as_real("speed", [np.nan])).all()
