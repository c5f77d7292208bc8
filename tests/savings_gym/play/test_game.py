"""The game plays its schedule in whole rounds, for anyone who says where the mouse is."""

import numpy as np
import pytest

from savings_gym import CurlField, Phase, Schedule, four_phase
from savings_gym.metrics.curves import phase_curves
from savings_gym.play.game import Game, Stopped
from savings_gym.play.record import retention, score

SHORT = four_phase(nf1=2, ff1=4, nf2=2, ff2=2)


class Straight:
    """Moves the mouse to the target within 0.25 s after go, and stops before a trial."""

    def __init__(self, stop_at=None):
        self.stop_at, self.before_go, self.trials = stop_at, [], []

    def begin(self, game):
        if game.trial == self.stop_at:
            raise Stopped
        self.trials.append((game.phase.name, game.trial, game.target.tolist()))

    def point(self, game):
        if game.steps_since_go < 0:
            self.before_go.append(np.abs(game.path - game.start).max())
            return game.start
        return game.start + min(game.steps_since_go / 25, 1.0) * (game.target - game.start)

    def end(self, game):
        self.last = game.measure("endpoint_error")


def test_every_phase_is_played_in_rounds_of_all_targets():
    game, player, ended = Game(SHORT, targets=2, actuation="torque"), Straight(), []
    assert game.play(player, after_phase=lambda: ended.append(game.trial))
    assert [name for name, _, _ in player.trials] == ["NF1"] * 2 + ["FF1"] * 4 + ["NF2"] * 2 + ["FF2"] * 2
    assert ended == [1, 5, 7, 9]
    table = game.table()
    assert {name: curve.trials.tolist() for name, curve in phase_curves(table).items()} == {
        "NF1": [0], "FF1": [0, 2], "NF2": [0], "FF2": [0],
    }  # fmt: skip
    assert max(player.before_go) < 1e-3
    field = np.isin(table["phase"], ["FF1", "FF2"])
    deviation = np.abs(table["lateral_deviation"])
    assert deviation[field].min() > 5e-3 > 2e-3 > deviation[~field].max()
    assert player.last < 0.02


def test_whoever_stops_keeps_the_finished_rounds():
    game = Game(SHORT, targets=2, actuation="torque")
    assert not game.play(Straight(stop_at=5))
    assert game.table()["phase"].tolist() == ["NF1"] * 2 + ["FF1"] * 2
    result = score(game.table())
    assert "FF2" in result.summary.missing and result.retention is None
    assert any("no savings" in line for line in result.lines())


def test_without_a_finished_round_there_is_no_table():
    game = Game(SHORT, targets=2, actuation="torque")
    assert not game.play(Straight(stop_at=1))
    with pytest.raises(ValueError, match="no round"):
        game.table()


def test_equal_seeds_give_equal_targets():
    def targets(seed):
        game, player = Game(Schedule((Phase("NF1", None, 4),)), 4, "torque", seed), Straight()
        game.play(player)
        return player.trials

    assert targets(1) == targets(1) != targets(2)


def test_phases_must_be_whole_rounds():
    with pytest.raises(ValueError, match="phase FF1 of 5 trials .* whole rounds of 4"):
        Game(four_phase(CurlField(8.0), 4, 5, 4, 4))


def table(phase, deviation):
    n = len(deviation)
    return {
        "network": np.zeros(n, int), "phase": np.full(n, phase, object), "update": np.arange(n),
        "trial": 4 * np.arange(n), "target": np.zeros(n, int), "lateral_deviation": np.array(deviation),
    }  # fmt: skip


def curves(ff1, ff2):
    return phase_curves(table("FF1", ff1)) | phase_curves(table("FF2", ff2))


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("retained", [-0.2, 0.0, 0.25, 1.0])
def test_the_retention_is_found_on_either_side_of_the_line(side, retained):
    ff1, ff2 = np.array([30.0, 10.0, 4.0]), np.array([30.0 - retained * 26.0, 4.0])
    assert retention(curves(side * ff1, side * ff2)) == pytest.approx(retained)


def test_without_learning_there_is_no_retention():
    assert retention({}) is None and retention(phase_curves(table("FF1", [30.0, 4.0]))) is None
    assert retention(curves([30.0, 30.0], [20.0, 4.0])) is None
