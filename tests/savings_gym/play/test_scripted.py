"""What is planted in a scripted player is found by the measures of the game."""

import json

import numpy as np
import pytest

from savings_gym import CurlField, ViscousField, four_phase
from savings_gym.files import read_table
from savings_gym.play.command import main
from savings_gym.play.game import Game
from savings_gym.play.scripted import ScriptedPlayer

SHORT = ["--offscreen", "--actuation", "torque", "--targets", "2", "--trials", "2", "24", "24", "24"]


@pytest.mark.parametrize(("ratio", "retained"), [(2.0, 0.25), (1.0, 0.0)])
def test_planted_savings_are_found(ratio, retained, tmp_path):
    out = tmp_path / "run"
    planted = ["--rate", "0.2", "--rate-ratio", str(ratio), "--retention", str(retained)]
    assert main([*SHORT, *planted, "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    found = summary["savings"]
    assert found["rate"]["ratio"] == pytest.approx(ratio, rel=0.1)
    assert found["rate"]["ff1"] == pytest.approx(0.2, rel=0.1)
    assert summary["retention"] == pytest.approx(retained, abs=0.02)
    initial = summary["phases"]["FF1"]["initial_deviation"]
    assert initial > 0.02 and found["initial"]["difference"] == pytest.approx(retained * initial, abs=2e-3)
    assert summary["complete"] and len(read_table(out / "probes.parquet")) == 74


def test_a_share_of_the_field_that_is_made_up_for_leaves_the_rest():
    field = CurlField(8.0)
    deviations = []
    for share in (0.0, 0.5, 1.0):
        player = ScriptedPlayer()
        player.share = lambda *_, share=share: share
        game = Game(four_phase(field, 1, 1, 1, 1), 1, "torque")
        game.play(player)
        deviations.append(game.table()["lateral_deviation"])
    none, half, all_of_it = np.array(deviations)
    assert none[[0, 2]] == pytest.approx(0.0, abs=1e-3) and (none[[1, 3]] > 0.02).all()
    assert half[[1, 3]] == pytest.approx(0.5 * none[[1, 3]], rel=0.1)
    assert all_of_it[[1, 3]] == pytest.approx(0.0, abs=2e-3)
    assert all_of_it[[0, 2]] == pytest.approx(-none[[1, 3]], rel=0.25)  # after-effects


def test_it_makes_up_for_other_fields_too():
    player = ScriptedPlayer()
    player.share = lambda *_: 1.0
    game = Game(four_phase(ViscousField(((-6.0, 9.0), (3.0, -6.0))), 1, 1, 1, 1), 1, "muscle")
    game.play(player)
    assert np.abs(game.table()["lateral_deviation"][[1, 3]]).max() < 3e-3


def test_learning_is_planted_trial_by_trial():
    schedule, player = four_phase(None, 8, 40, 40, 40), ScriptedPlayer(0.1, 2.0, 0.25)
    share = np.array([player.share(schedule, trial, 4) for trial in range(129)])
    assert (share[:9] == 0.0).all() and (np.diff(share.reshape(-1)[:128].reshape(-1, 4)) == 0.0).all()
    learned = share[48]
    assert learned == pytest.approx(1 - np.exp(-4.0))
    assert share[8:48:4] == pytest.approx(1 - np.exp(-0.4 * np.arange(10)))
    assert share[48:88:4] == pytest.approx(learned * (0.25 + 0.75 * np.exp(-0.4 * np.arange(10))))
    assert (1 - share[88:128:4]) == pytest.approx((1 - share[88]) * np.exp(-0.8 * np.arange(10)))


@pytest.mark.parametrize("wrong", [{"rate": -1.0}, {"rate_ratio": np.nan}, {"retention": 1.5}])
def test_impossible_learning_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScriptedPlayer(**wrong)
