"""The figure of timing takes planted courses apart, and finds nothing between networks that are the same."""

import dataclasses
import json

import numpy as np
import pytest

from agents.supervised.reaches import centre_out_targets
from experiments.controls.conditions import conditions
from experiments.figures import few_networks
from experiments.figures.results_page import INDEX
from experiments.figures.timing import (
    ALIKE,
    BEYOND_PLAN,
    CLAIMED,
    DURING,
    GROWS,
    LARGEST,
    ONLY,
    OPPOSITE,
    PLAN,
    RESISTING,
    SAVED,
    SPEED,
    YIELDS,
    beyond_sham,
    in_short,
    network_values,
    share_at,
    text_of,
    timing,
    unit_of,
)
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS
from experiments.savings.shared_phases import begin_from
from experiments.stored import first_reach as first_reach_module
from experiments.stored.first_reach import FirstReach, first_reach, with_sham
from experiments.stored.runs import StoredRuns
from experiments.study import quantity
from savings_gym.metrics.kinematics import SETTLED
from savings_gym.metrics.statistics import Sampling
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import CONTROL_STEP

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


def course(size, late=0.3):
    """A bump of a size, largest some time after the cue is seen."""
    time = CONTROL_STEP * np.arange(STEPS + 1)
    return np.tile(size * np.exp(-0.5 * ((time - SEEN - late) / 0.06) ** 2), (N, 1))


def planted(memory=0.0, either=0.0, at_first=None, stiffer=0.0, late=0.3):
    """A run with a plan of so many mm against the field, which resists both fields by so many; and its sham.

    The sham deviates by 30 mm, 10 and 20 mm on the way, where the run saves an equal share unless it saves
    another one `at_first`. The deviation is largest at another time in the opposite field.
    """
    n = np.ones(N)
    contraction, saved = np.full((N, STEPS), 15.0), 1e-3 * (memory + either)
    share = saved / 0.03
    on_the_way = np.outer(n, (0.01, 0.02))
    sham = FirstReach(
        course(0.03, late), course(0.03, late + 0.05), course(0.0), 0.03 * n, 0.03 * n, on_the_way,
        contraction, contraction, 0.6 * n, 0.7 * n, 6e-3 * n,
    )  # fmt: skip
    plan = course(1e-3 * memory, late)
    run = FirstReach(
        sham.learned - plan - course(1e-3 * either, late), sham.opposite, sham.free - plan,
        sham.learned_most - saved, sham.opposite_most - 1e-3 * (either - memory),
        on_the_way * (1.0 - np.array([share if at_first is None else at_first, share])),
        contraction + stiffer, contraction, sham.speed, sham.speed_time,
        sham.yielding * (1.0 - 0.1 * stiffer),
    )  # fmt: skip
    return network_values(run, sham, SEEN)


def test_a_plan_and_what_resists_both_fields_are_told_apart():
    values = planted(memory=1.0, either=0.5)
    for name, expected in ((SAVED, 1.5), (OPPOSITE, -0.5), (ALIKE, 0.5), (ONLY, 1.0), (PLAN, 1.0)):
        assert values[name] == pytest.approx(expected), name
    assert values[BEYOND_PLAN] == pytest.approx(0.0, abs=1e-12)
    for name in (share_at(0.25), share_at(0.5), LARGEST):
        assert values[name] == pytest.approx(5.0)
    assert values[GROWS] == pytest.approx(0.0, abs=1e-9)
    assert planted(either=1.5, at_first=0.02)[GROWS] == pytest.approx(3.0)


def test_an_arm_that_resists_is_measured_by_what_it_has_beyond_the_sham():
    values = planted(stiffer=2.0)
    assert values[beyond_sham(YIELDS)] == pytest.approx(-1.2) and values[YIELDS] == pytest.approx(4.8)
    assert values[beyond_sham(DURING)] == pytest.approx(2.0)
    assert values[beyond_sham(SPEED)] == pytest.approx(0.0)
    assert {unit_of(beyond_sham(kind)) for kind in RESISTING} == {"m/s", "s", "mm/N", "N"}


def test_the_text_follows_the_tests():
    rng = np.random.default_rng(0)

    def told(shown):
        values = planted(memory=1.0, either=0.5, at_first=0.0, stiffer=1.0)
        entries = {
            name: quantity(name, its * (1.0 + 1e-3 * rng.standard_normal(N)), unit_of(name), Sampling())
            for name, its in values.items()
        }
        found = {
            name: dataclasses.replace(entry, p_holm=1e-4 if shown and np.any(values[name]) else 0.5)
            for name, entry in entries.items()
        }
        return text_of(found), in_short(found)

    (shown, short), (open_, short_open) = told(True), told(False)
    assert "the saved share of the deviation grows along the reach, from " in short
    assert "mm is saved in the opposite field, too. A plan against the field shows in reaches" in short
    assert "the arm resists more than" in short and "is not shown to resist more" in short_open
    assert "is not shown to grow" in short_open and "nothing is shown to be saved in the" in short_open
    assert "The saved share of the deviation grows along the reach (p = 0.0001)" in shown
    assert "Compared with the sham, motion of the hand by a push without a field, 5.4 mm/N, is sm" in shown
    assert "; co-contraction in reaches in the field, 16 N, is larger by 1" in shown
    assert "Not measurably different from the sham's: peak speed without a field, 0.6 m/s (by 0" in shown
    assert "it is 0.5" in shown and "larger. Half the sum of what is saved in the two, 0.5" in shown
    assert "The saved share of the deviation does not measurably change" in open_
    assert "Compared with" not in open_ and all(f"{kind}, " in open_ for kind in RESISTING)
    assert ": not measurably different from the latter (p = 0.5)" in open_


def test_networks_that_are_the_same_save_nothing_and_resist_alike(stored):
    ours, same, _ = with_sham(stored, stored.main, stored.main)
    values = network_values(ours, same, SEEN)
    for name in CLAIMED:
        its = values[name]
        assert np.all(its[np.isfinite(its)] == 0.0), name  # hands that do not get far have no share there
    ours, practised, numbers = with_sham(stored, stored.main, stored.sham)
    assert not np.allclose(ours.learned, practised.learned) and numbers.tolist() == [0, 1]


@pytest.mark.parametrize("onset", ["go", "cue"])
def test_the_opposite_field_is_the_field_of_a_run_that_learned_it(onset, stored):
    one, other = (first_reach(stored, stored.main, CurlField(b, onset=onset)) for b in (8.0, -8.0))
    assert one.learned == pytest.approx(other.opposite) and one.opposite == pytest.approx(other.learned)
    assert one.learned_most == pytest.approx(other.opposite_most)
    assert one.free == pytest.approx(-other.free) and one.yielding == pytest.approx(other.yielding)


def test_a_push_moves_the_hand_across_in_proportion(stored, monkeypatch):
    field = CurlField(8.0)
    small = first_reach(stored, stored.main, field).yielding
    monkeypatch.setattr(first_reach_module, "PUSH", 0.5 * first_reach_module.PUSH)
    assert np.all(small > 0.0)
    assert first_reach(stored, stored.main, field).yielding == pytest.approx(small, rel=0.02)


def test_deviations_on_the_way_are_those_of_the_path():
    made = np.linspace(-0.1, 1.1, 101)  # of the way, at every time
    line = centre_out_targets() - centre_out_targets().mean(axis=0)
    right = np.stack([line[:, 1], -line[:, 0]], axis=-1) / np.linalg.norm(line, axis=-1, keepdims=True)
    start = centre_out_targets().mean(axis=0)
    at_rest = np.arange(101) <= round(SETTLED / CONTROL_STEP)
    made = np.where(at_rest, 0.0, made - made[round(SETTLED / CONTROL_STEP)])
    path = start + line[:, None] * made[:, None] + right[:, None] * (0.02 * made)[:, None]
    found = first_reach_module._on_the_way(path[None])
    assert found.shape == (1, 8, 2) and found == pytest.approx(np.broadcast_to((0.005, 0.01), (1, 8, 2)))
    short = start + line[:, None] * (0.3 * made)[:, None]
    assert np.all(np.isnan(first_reach_module._on_the_way(short[None])[..., 1]))


def test_the_figure_needs_a_sham(stored, tmp_path):
    findings = timing(stored, tmp_path)
    assert findings.text.startswith("In the first reach of FF2, the largest deviation is")
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
    assert few_networks.main([*arguments[:2], "1", *arguments[3:]]) == 0
    names = [row["name"] for row in json.loads((results / INDEX).read_text())["runs"]]
    assert names == ["main", "main-1", "main-1-sham"]  # the figure comes from these now
    (results / INDEX).write_text(json.dumps({"command": "all", "runs": [{"name": "main", "kind": "main"}]}))
    before = (results / "timing.csv").read_bytes()
    with pytest.raises(SystemExit, match="2"):
        few_networks.main(arguments)
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "figure timing is in" in said and "from all networks of the main run" in said
    assert (results / "timing.csv").read_bytes() == before
