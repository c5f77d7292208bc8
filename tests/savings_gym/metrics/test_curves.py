"""Probe tables: what is read from them, and what is refused."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_probes import PHASES, plant, rows

from savings_gym.metrics import savings
from savings_gym.metrics.curves import phase_curves, shared_networks


@pytest.fixture(scope="module")
def planted() -> dict[str, np.ndarray]:
    return plant()


def test_curves_are_means_over_targets_whatever_the_order_of_rows(planted):
    curves = phase_curves(planted)
    assert list(curves) == list(PHASES)
    one = curves["FF1"]
    assert one.deviation.shape == (12, 200)
    np.testing.assert_array_equal(one.trials, 8 * np.arange(200))
    np.testing.assert_array_equal(one.targets, np.arange(8))
    pick = (planted["phase"] == "FF1") & (planted["network"] == 7) & (planted["update"] == 31)
    assert pick.sum() == 8
    assert one.deviation[7, 31] == pytest.approx(planted["lateral_deviation"][pick].mean(), rel=1e-14)
    shuffled = np.random.default_rng(0).permutation(planted["network"].size)
    by_network = np.lexsort((planted["target"], planted["phase"], planted["update"], planted["network"]))
    for order in (shuffled, by_network):
        again = phase_curves(rows(planted, order))
        for phase in PHASES:
            np.testing.assert_array_equal(again[phase].deviation, curves[phase].deviation)
            np.testing.assert_array_equal(again[phase].networks, curves[phase].networks)


def test_a_data_frame_is_a_table(planted):
    pandas = pytest.importorskip("pandas")
    result = savings.savings(planted)
    frame = pandas.DataFrame(planted)
    assert savings.savings(frame).to_dict() == result.to_dict()
    frame["phase"] = frame["phase"].astype("category")
    assert savings.savings(frame).to_dict() == result.to_dict()


def broken(table: dict[str, np.ndarray], how: str) -> dict[str, np.ndarray]:
    """A table with one thing wrong."""
    size = table["network"].size
    at = {k: int(np.flatnonzero((table["phase"] == "FF1") & (table["network"] == 3))[k]) for k in range(9)}
    table = {name: values.copy() for name, values in table.items()}
    if how == "column":
        del table["trial"]
    elif how == "length":
        table["trial"] = table["trial"][:-1]
    elif how == "nan":
        table["lateral_deviation"][5] = np.nan
    elif how == "float":
        table["network"] = table["network"].astype(float)
    elif how == "row":
        return rows(table, np.delete(np.arange(size), at[0]))
    elif how == "twice":
        return rows(table, np.append(np.arange(size), at[0]))
    elif how == "probe":
        return rows(table, ~((table["phase"] == "FF1") & (table["network"] == 3) & (table["update"] == 9)))
    elif how == "target":
        table["target"][at[7]] = 9
    elif how == "trial":
        table["trial"][at[0]] = 4
    elif how == "network":
        return rows(table, (table["phase"] != "FF2") | (table["network"] != 0))
    elif how == "start":
        return rows(table, (table["phase"] != "NF2") | (table["update"] > 0))
    elif how == "targets":
        return rows(table, (table["phase"] != "FF2") | (table["target"] < 4))
    elif how == "name":
        table["phase"][table["phase"] == "FF2"] = "FF3"
    elif how == "empty":
        return rows(table, np.zeros(size, dtype=bool))
    return table


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("column", r"table has no \['trial'\], expected the columns \['network', 'phase', 'update'"),
        ("length", "columns have the lengths .* expected 1-D columns of one length"),
        ("nan", r"lateral_deviation has 1 values that are not finite, the first nan at index \(5,\)"),
        ("float", r"network has shape .* type float64, expected \(rows,\) integers"),
        ("row", "phase FF1: network 3, update 0 has 7 targets, expected 8"),
        ("twice", "phase FF1: network 3, update 0, target 0 occurs more than once"),
        ("probe", "phase FF1: network 3 has 29 probes, expected 30"),
        ("target", r"phase FF1: network 3, probe 0 of the phase has target \[.*9\], expected \[0, 1, 2"),
        ("trial", r"phase FF1: network 3, probe 0 of the phase has trial \[4, 0"),
        ("network", r"phase FF2 has the networks \[1, 2, 3, 4\], expected \[0, 1, 2, 3, 4\] as in NF1"),
        ("start", "phase NF2 begins at update 1, expected a probe at update 0"),
        ("targets", r"phase FF2 has the targets \[0, 1, 2, 3\], expected"),
        ("name", r"table has the phases \['NF1', 'FF1', 'NF2', 'FF3'\], expected \['NF1'"),
        ("empty", "table has no rows"),
    ],
)
def test_a_malformed_table_is_an_error_that_says_where(how, message):
    with pytest.raises(ValueError, match=message):
        savings.savings(broken(plant(networks=5, updates=30), how))


def test_a_large_table_is_reshaped_not_looped_over():
    table = plant(networks=10, updates=3200)
    start = time.process_time()
    curves = phase_curves(table)
    assert curves["FF2"].deviation.shape == (10, 3200)
    assert time.process_time() - start < 2.0  # a million rows; a tenth of a second on an idle machine


NUMBERS = st.lists(st.integers(0, 30), unique=True, max_size=20)


@given(NUMBERS, NUMBERS)
def test_networks_are_paired_by_number_whatever_their_order_and_whichever_are_missing(first, second):
    ours, theirs = shared_networks(np.array(first, dtype=int), np.array(second, dtype=int))
    paired = np.array(first, dtype=int)[ours].tolist()
    assert paired == np.array(second, dtype=int)[theirs].tolist() == sorted(set(first) & set(second))


def test_a_network_cannot_be_two_of_a_condition():
    with pytest.raises(ValueError, match="occurs more than once in \\[4, 4\\]"):
        shared_networks([1, 4], [4, 4])
