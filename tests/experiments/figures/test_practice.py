"""The figure of what is left beyond practice: runs less their own shams, at every network size."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from planted_probes import TRUE_START
from planted_runs import planted_folder

from experiments.figures import practice as figure
from experiments.figures.by_size import at
from experiments.figures.practice import FASTER, SAVED, SHIFT, TRACE, as_ratio, practice
from experiments.figures.runs import SIZE, SIZE_SHAM, PlannedRun, plan_size_shams
from experiments.figures.size import step
from experiments.savings.config import PRESETS
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity

N = 12
BEYOND = {32: 1.0, 64: 2.0}  # mm by which FF2 of the sham is farther from the line


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Networks of two sizes that save 1 and 2 mm beyond practice, and learn as fast as their shams."""
    monkeypatch.setattr(figure, "preparation", lambda dataset: None)
    monkeypatch.setattr(figure, "sham_projection", lambda runs, prepared: None)
    monkeypatch.setattr(StoredRuns, "activity", lambda self, run, field="null": None)
    folders, shams = {}, {}
    for units, difference in BEYOND.items():
        for place, ff2 in ((folders, 0.030), (shams, 0.030 + 1e-3 * difference)):
            name = f"{units}-{'sham' if place is shams else 'run'}"
            met = {} if place is folders else {"FF1": -0.001}  # no field: a little to the other side
            place[units] = planted_folder(
                tmp_path / name, networks=N, spread=2e-4, noise=1e-5, start=TRUE_START | met | {"FF2": ff2},
                rate=dict.fromkeys(("FF1", "FF2"), 2e-3),
            )  # fmt: skip
    return StoredRuns(folders[64], folders, {}, 0, shams[64], shams)


def test_each_size_is_compared_with_its_own_sham(runs, tmp_path):
    findings = practice(runs, tmp_path)
    numbers = findings.by_name
    for units, difference in BEYOND.items():
        assert numbers[at(SAVED, units)].value == pytest.approx(difference, abs=0.02)
        assert numbers[at(FASTER, units)].value == pytest.approx(0.0, abs=0.05)
    assert numbers[step(SAVED, 32, 64)].value == pytest.approx(1.0, abs=0.03)
    tested = [numbers[at(SAVED, u)].p_holm for u in BEYOND] + [numbers[step(SAVED, 32, 64)].p_holm]
    assert max(tested) < 1e-6
    expected = (
        "Initial savings beyond practice: 1.00 and 2.00 mm at 32 and 64 units, above 0 at every size; larger "
        "at 64 than at 32 units (p = "
    )
    assert findings.text.startswith(expected)
    assert "not measurably different from 0 at any size" in findings.text
    assert numbers[step(FASTER, 32, 64)].p_holm > 0.05
    assert at(SHIFT, 32) not in numbers and at(TRACE, 32) not in numbers
    assert np.all(np.isnan(findings.networks[SHIFT])) and len(findings.networks["units"]) == 2 * N
    assert findings.pictures[0].is_file()


def test_log2_is_told_as_a_ratio():
    ratio = as_ratio(Quantity("x", 1.0, (0.0, 3.0), 8, "1", 0.01, p_holm=0.02))
    assert (ratio.value, ratio.ci, ratio.p_holm) == (2.0, (1.0, 8.0), 0.02)
    assert as_ratio(Quantity("x", None, (None, None), 0, "1")).value is None


def test_networks_that_a_run_lacks_do_not_move_the_pairs(runs, tmp_path):
    whole = practice(runs, tmp_path).networks
    for folder, number in ((runs.sizes[64], 3), (runs.size_shams[64], 7)):  # which diverged
        table = pd.read_parquet(folder / "probes.parquet")
        table[table["network"] != number].to_parquet(folder / "probes.parquet")
    fewer = practice(runs, tmp_path).networks
    kept = (whole["units"] == 32) | ~np.isin(whole["network"], (3, 7))
    for name in ("network", f"{SAVED} (mm)", FASTER):
        np.testing.assert_allclose(fewer[name], whole[name][kept], rtol=1e-12, err_msg=name)


def test_a_size_without_a_sham_is_left_out(runs, tmp_path):
    some = dataclasses.replace(runs, size_shams={32: runs.size_shams[32]})
    assert set(practice(some, tmp_path).networks["units"]) == {32}
    with pytest.raises(ValueError, match="has a sham"):
        practice(dataclasses.replace(runs, size_shams={}), tmp_path)


def test_the_sham_of_a_size_differs_in_its_field_alone(tmp_path):
    config = dataclasses.replace(PRESETS["paper"], units=32, out=tmp_path / "units-32")
    (sham,) = plan_size_shams([PlannedRun("units-32", SIZE, config)])
    assert (sham.name, sham.kind, sham.begins_as) == ("units-32-sham", SIZE_SHAM, config.out)
    assert sham.config.phases()[1].field.is_null and sham.config.phases()[3] == config.phases()[3]
    assert dataclasses.replace(sham.config, change=config.change, out=config.out) == config
