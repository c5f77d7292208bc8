"""The figures of preparatory activity recover what was planted, and say what they cannot do."""

import numpy as np
import pytest
from planted_activity import LEVELS, planted
from planted_runs import MAIN, dataset, planted_runs

from experiments.figures.findings import TESTED_BY_PRACTICE
from experiments.figures.preparatory import BEYOND_SHAM, FORCE_FIT, SHAM, preparatory, turn
from experiments.runs.tables import format_value
from experiments.stored.preparation import preparation
from experiments.study import SHIFT_FF2, SHIFT_NF2
from savings_gym.activity.preparatory import force_axes, retained_fraction, uniform_shift


def test_planted_levels_come_back_as_the_numbers_of_the_figure(tmp_path):
    findings = preparatory(planted_runs(), tmp_path)
    for name, phase in ((SHIFT_NF2, "NF2"), (SHIFT_FF2, "FF2")):
        entry = findings.by_name[name]
        assert entry.value == pytest.approx(LEVELS[phase], abs=0.02)
        assert entry.ci[0] <= entry.value <= entry.ci[1]
        assert "t(3) = " in entry.note
        assert findings.networks[name] == pytest.approx(entry.values, rel=1e-5)
    assert findings.by_name[FORCE_FIT].value > 0.99
    assert SHAM not in findings.by_name
    assert len(findings.pictures) == 3 and all(path.is_file() for path in findings.pictures)
    assert all(path.with_suffix(".svg").is_file() for path in findings.pictures)


def test_the_ring_turns_by_the_planted_angle(tmp_path):
    numbers = preparatory(planted_runs(planted((3,), turn=np.radians(12.0))), tmp_path).by_name
    assert numbers[turn("FF1")].value == pytest.approx(12.0, abs=1e-3)
    assert numbers[turn("NF2")].value == pytest.approx(0.0, abs=1e-3)


def test_a_sham_of_the_same_networks_is_subtracted(tmp_path):
    data = planted((4,), noise=0.003)
    drift = data.activity["NF1"][:3] + 0.15 * data.shift[:3, None]
    part = planted((3,), noise=0.003)
    part.activity.update({phase: x[:3] for phase, x in data.activity.items()})
    part.force = data.force[:3]
    stored = planted_runs(data, sham={})
    stored.datasets[stored.sham] = dataset(part, NF2=drift)
    findings = preparatory(stored, tmp_path)
    sham, beyond = findings.by_name[SHAM], findings.by_name[BEYOND_SHAM]
    assert sham.value == pytest.approx(0.15, abs=0.01)
    assert sham.networks == beyond.networks == 3
    assert beyond.value == pytest.approx(0.05, abs=0.02)
    assert (
        sham.p_holm >= sham.p and beyond.p is None and beyond.p_holm is None
    )  # the figure of practice has it
    assert "never met the field" in findings.text
    assert f"the field leaves {format_value(beyond.value, beyond.ci)} beyond that, {TESTED_BY_PRACTICE}." in (
        findings.text
    )


def test_networks_that_diverged_in_the_sham_do_not_move_the_pairs(tmp_path):
    stored = planted_runs(sham={})
    whole = preparatory(stored, tmp_path).networks
    stored.datasets[stored.sham] = stored.datasets[stored.sham].isel(network=[0, 2, 3])
    findings = preparatory(stored, tmp_path)
    assert np.isnan(findings.networks[SHAM][1]) and findings.by_name[BEYOND_SHAM].networks == 3
    np.testing.assert_array_equal(findings.networks[SHAM][[0, 2, 3]], whole[SHAM][[0, 2, 3]])
    stored.datasets[MAIN] = stored.datasets[MAIN].isel(network=[1, 2, 3])
    fewer = preparatory(stored, tmp_path).networks
    assert fewer["network"].tolist() == [1, 2, 3] and np.isnan(fewer[SHAM][0])


def test_a_sham_of_other_networks_is_not_compared(tmp_path):
    other = {"NF1": planted((4,), seed=1).activity["NF1"]}
    assert SHAM not in preparatory(planted_runs(sham=other), tmp_path).by_name


def test_preparation_reads_the_activity_and_force_of_its_times():
    data = planted((2,), noise=0.01)
    prepared = preparation(dataset(data))
    axes = force_axes(data.activity, data.force)
    np.testing.assert_allclose(prepared.axes.axes, axes.axes, rtol=1e-3, atol=1e-3 * np.abs(axes.axes).max())
    np.testing.assert_allclose(prepared.force, data.force, rtol=1e-5)
    retained = retained_fraction(data.activity, uniform_shift(data.activity, axes))
    np.testing.assert_allclose(retained_fraction(prepared.activity, prepared.shift), retained, atol=1e-4)
    assert (prepared.networks, prepared.go, prepared.seen) == (2, 0.44, pytest.approx(0.51))


def test_preparation_refuses_recordings_that_lack_phases_or_times():
    whole = planted_runs().activity(MAIN)
    with pytest.raises(ValueError, match="has the phases NF1, FF1, NF2, and lacks FF2; expected NF1, FF1"):
        preparation(whole.sel(phase=["NF1", "FF1", "NF2"]))
    with pytest.raises(ValueError, match="no time 0.6 s in the recording, it has 0 to 0.49 s"):
        preparation(whole.isel(time=slice(50)))
    same = {"FF1": planted((4,), noise=0.003).activity["NF1"]}
    with pytest.raises(ValueError, match="has no length"):
        preparation(dataset(planted((4,), noise=0.003), **same))


def test_one_network_has_numbers_without_intervals(tmp_path):
    findings = preparatory(planted_runs(planted((1,), noise=0.003)), tmp_path)
    assert findings.by_name[SHIFT_NF2].ci == (None, None)
    assert "no test with one network" in findings.text
