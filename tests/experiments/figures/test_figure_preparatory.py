"""The figures of preparatory activity recover what was planted, and say what they cannot do."""

import numpy as np
import pytest
from planted_activity import LEVELS, planted
from planted_runs import MAIN, dataset, runs

from experiments.figures.kit import Found
from experiments.figures.preparatory import BEYOND_SHAM, CODE, FORCE_FIT, SHAM, preparatory, turned
from experiments.stored.preparation import CODE_FORCE_TIME, preparation
from experiments.study import SHIFT_FF2, SHIFT_NF2
from savings_gym.activity.preparatory import force_axes, retained_fraction, uniform_shift


def test_planted_levels_come_back_as_the_numbers_of_the_figure(tmp_path):
    found = preparatory(runs(), tmp_path).by_name
    for name, phase in ((SHIFT_NF2, "NF2"), (SHIFT_FF2, "FF2")):
        assert found[name].value == pytest.approx(LEVELS[phase], abs=0.02)
        assert found[name].ci[0] <= found[name].value <= found[name].ci[1]
        assert "t(3) = " in found[name].note
    assert found[FORCE_FIT].value > 0.99
    assert SHAM not in found
    assert "time of the study's code" in found[f"{SHIFT_NF2}, {CODE}"].note
    held = Found.load(tmp_path, "preparatory")
    assert len(held.figures) == 3 and all(path.is_file() for path in held.figures)


def test_the_ring_turns_by_the_planted_angle(tmp_path):
    found = preparatory(runs(planted((3,), turn=np.radians(12.0))), tmp_path).by_name
    assert found[turned("FF1")].value == pytest.approx(12.0, abs=1e-3)
    assert found[turned("NF2")].value == pytest.approx(0.0, abs=1e-3)


def test_a_sham_of_the_same_networks_is_taken_off(tmp_path):
    data = planted((4,), noise=0.003)
    drift = data.activity["NF1"][:3] + 0.15 * data.shift[:3, None]
    part = planted((3,), noise=0.003)
    part.activity.update({phase: x[:3] for phase, x in data.activity.items()})
    part.force = data.force[:3]
    stored = runs(data, sham={})
    stored.held[stored.sham] = dataset(part, NF2=drift)
    found = preparatory(stored, tmp_path)
    assert found.by_name[SHAM].value == pytest.approx(0.15, abs=0.01)
    assert found.by_name[SHAM].networks == found.by_name[BEYOND_SHAM].networks == 3
    assert found.by_name[BEYOND_SHAM].value == pytest.approx(0.05, abs=0.02)
    assert "never met the field" in found.text


def test_a_sham_of_other_networks_is_not_compared(tmp_path):
    other = {"NF1": planted((4,), seed=1).activity["NF1"]}
    assert SHAM not in preparatory(runs(sham=other), tmp_path).by_name


def test_preparation_reads_the_activity_and_force_of_its_times():
    data = planted((2,), noise=0.01)
    found = preparation(dataset(data))
    axes = force_axes(data.activity, data.force)
    np.testing.assert_allclose(found.axes.axes, axes.axes, rtol=1e-3, atol=1e-3 * np.abs(axes.axes).max())
    kept = retained_fraction(data.activity, uniform_shift(data.activity, axes))
    np.testing.assert_allclose(retained_fraction(found.activity, found.shift), kept, atol=1e-4)
    assert (found.networks, found.go, found.seen) == (2, 0.44, pytest.approx(0.51))
    early = preparation(dataset(data), CODE_FORCE_TIME)
    np.testing.assert_allclose(early.force, 0.01 * data.force[:, ::-1], rtol=1e-5)


def test_preparation_refuses_recordings_that_lack_phases_or_times():
    whole = runs().activity(MAIN)
    with pytest.raises(ValueError, match="has the phases NF1, FF1, NF2, and lacks FF2; expected NF1, FF1"):
        preparation(whole.sel(phase=["NF1", "FF1", "NF2"]))
    with pytest.raises(ValueError, match="no time 0.6 s in the recording, it has 0 to 0.49 s"):
        preparation(whole.isel(time=slice(50)))
    same = {"FF1": planted((4,), noise=0.003).activity["NF1"]}
    with pytest.raises(ValueError, match="has no length"):
        preparation(dataset(planted((4,), noise=0.003), **same))


def test_one_network_has_numbers_without_intervals(tmp_path):
    found = preparatory(runs(planted((1,), noise=0.003)), tmp_path)
    assert found.by_name[SHIFT_NF2].ci == (None, None)
    assert "of one network" in found.text
