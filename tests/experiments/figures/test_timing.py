"""The figure of timing takes planted courses apart, and finds nothing between networks that are the same."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.controls.conditions import conditions
from experiments.figures import few_networks
from experiments.figures.findings import Findings
from experiments.figures.results_page import INDEX
from experiments.figures.timing import (
    BEYOND_PLAN,
    CLAIMED,
    DURING,
    EITHER,
    GROWS,
    ONLY,
    OPPOSITE,
    PEAK,
    PLAN,
    RESISTING,
    SAVED,
    STIFF,
    YIELDS,
    beyond_sham,
    network_values,
    share_at,
    text_of,
    timing,
    unit_of,
)
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS
from experiments.savings.shared_phases import begin_from
from experiments.stored.first_reach import FirstReach, first_reach, with_sham
from experiments.stored.runs import StoredRuns
from experiments.study import quantity
from savings_gym.metrics.statistics import Sampling
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import CONTROL_STEP, PROBE_GO

SEEN, N, STEPS = 0.51, 6, 100
SMOKE = dataclasses.replace(PRESETS["smoke"], ff1_updates=8)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A finished run of two small networks, and its sham."""
    out = tmp_path_factory.mktemp("timing")
    main = dataclasses.replace(SMOKE, out=out / "main")
    sham = dataclasses.replace(conditions(main)["sham"].config, out=out / "sham")
    assert run_savings(main) == 0
    begin_from(main.out, sham)
    assert run_savings(sham) == 0
    return StoredRuns(main.out, {}, {}, 0, sham.out)


def course(size, late=0.0):
    """A bump of a size, 0.3 s after the cue is seen at its largest, with a share that grows with time."""
    time = CONTROL_STEP * np.arange(STEPS + 1)
    bump = np.exp(-0.5 * ((time - SEEN - 0.3) / 0.06) ** 2)
    return np.tile(size * bump * (1.0 + late * (time - SEEN - 0.3)), (N, 1))


def planted(memory=0.0, either=0.0, late=0.0, stiffer=0.0):
    """A run whose sham deviates by 30 mm, and which has a plan against the field and resists both fields."""
    contraction = np.full((N, STEPS), 15.0)
    sham = FirstReach(
        course(0.03), course(0.03), course(0.0), contraction, np.full(N, 200.0), np.full(N, 6e-3)
    )
    plan, other = course(1e-3 * memory), course(1e-3 * either, late)
    run = FirstReach(
        sham.learned - plan - other, sham.opposite + plan - other, sham.free - plan, contraction + stiffer,
        sham.stiffness + 50.0 * stiffer, sham.yielding * (1.0 - 0.1 * stiffer),
    )  # fmt: skip
    return network_values(run, sham, SEEN)


def test_a_plan_and_what_resists_both_fields_are_told_apart():
    values = planted(memory=1.0, either=0.5)
    for name, expected in ((SAVED, 1.5), (OPPOSITE, -0.5), (EITHER, 0.5), (ONLY, 1.0), (PLAN, 1.0)):
        assert values[name] == pytest.approx(expected), name
    assert values[BEYOND_PLAN] == pytest.approx(0.0, abs=1e-12)
    assert values[PEAK] == pytest.approx(0.3, abs=CONTROL_STEP)
    for part in (0.25, 0.5, 1.0):
        assert values[share_at(part)] == pytest.approx(5.0)
    assert values[GROWS] == pytest.approx(0.0, abs=1e-9)
    assert np.all(planted(either=0.5, late=5.0)[GROWS] > 0.5)


def test_a_stiffer_arm_is_measured_by_what_it_has_beyond_the_sham():
    values = planted(stiffer=2.0)
    assert values[beyond_sham(STIFF)] == pytest.approx(100.0) and values[STIFF] == pytest.approx(300.0)
    assert values[beyond_sham(YIELDS)] == pytest.approx(-1.2)
    assert values[beyond_sham(DURING)] == pytest.approx(2.0)
    assert {unit_of(beyond_sham(kind)) for kind in RESISTING} == {"N/m", "mm/N", "N"}


def test_the_text_follows_the_tests():
    rng = np.random.default_rng(0)

    def text(shown):
        values = planted(memory=1.0, either=0.5, late=5.0, stiffer=1.0)
        entries = {
            name: quantity(name, its * (1.0 + 1e-3 * rng.standard_normal(N)), unit_of(name), Sampling())
            for name, its in values.items()
        }
        return text_of(
            {
                name: dataclasses.replace(entry, p_holm=(1e-4 if shown else 0.5) if name in CLAIMED else None)
                for name, entry in entries.items()
            }
        )

    shown, open_ = text(True), text(False)
    assert "Until then the saved share of the deviation grows: it is " in shown
    assert "stiffness of the moving hand: larger than the sham's (of 250 N/m, by 50" in shown
    assert "yielding of the moving hand: smaller than the sham's" in shown
    assert "the saved share of the deviation does not measurably change" in open_
    assert open_.count("not measurably different (of") == len(RESISTING)
    assert "not measurably different from what is saved in the learned field only" in open_


def test_networks_that_are_the_same_save_nothing_and_are_as_stiff(stored):
    ours, same = with_sham(stored, stored.main, stored.main)
    values = network_values(ours, same, SEEN)
    for name in CLAIMED:
        assert np.all(values[name] == 0.0), name
    ours, practised = with_sham(stored, stored.main, stored.sham)
    assert not np.allclose(ours.learned, practised.learned)
    steps = round(PROBE_GO / CONTROL_STEP)
    assert ours.time[steps] == pytest.approx(PROBE_GO)


def test_the_opposite_field_is_the_field_of_a_run_that_learned_it(stored):
    one, other = (first_reach(stored, stored.main, CurlField(b)) for b in (8.0, -8.0))
    assert one.learned == pytest.approx(other.opposite) and one.opposite == pytest.approx(other.learned)
    assert one.free == pytest.approx(-other.free)
    assert one.stiffness == pytest.approx(other.stiffness) and np.all(one.yielding > 0.0)


def test_the_figure_needs_a_sham(stored, tmp_path):
    findings = timing(stored, tmp_path)
    assert findings.text.startswith("The deviation of the first reach of FF2 is largest")
    assert len(findings.networks["network"]) == SMOKE.networks and (tmp_path / "timing.png").is_file()
    with pytest.raises(ValueError, match="no run of the sham"):
        timing(dataclasses.replace(stored, sham=None), tmp_path)


def test_a_figure_of_few_networks_is_added_and_does_not_replace_that_of_all(tmp_path, monkeypatch, capsys):
    results = tmp_path / "results"
    results.mkdir()
    monkeypatch.setattr(few_networks, "STUDY", SMOKE)
    (results / INDEX).write_text(json.dumps({"command": "all", "runs": [{"name": "main", "kind": "main"}]}))
    (results / "reference.json").write_text(json.dumps({"figures": [], "rows": []}))
    arguments = ["timing", "--networks", "2", "--out", str(tmp_path / "runs"), "--results", str(results)]
    assert few_networks.main(arguments) == 0
    rows = {row["name"]: row for row in json.loads((results / INDEX).read_text())["runs"]}
    assert list(rows) == ["main", "main-2", "main-2-sham"]
    assert rows["main-2"]["figure"] == "timing" and rows["main-2"]["kind"] == "few"
    assert rows["main-2"]["added_by"] == "python -m experiments.figures.few_networks timing --networks 2"
    assert json.loads((results / "reference.json").read_text())["figures"] == ["timing"]
    assert few_networks.main(arguments) == 0  # once more, without work
    (results / INDEX).write_text(json.dumps({"command": "all", "runs": [{"name": "main", "kind": "main"}]}))
    before = Findings.load(results, "timing").text
    with pytest.raises(SystemExit, match="2"):
        few_networks.main(arguments)
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "figure timing is in" in said and "from all networks of the main run" in said
    assert Findings.load(results, "timing").text == before
