"""Policies in sessions: memory is carried along, and what it does is measured as it was planted."""

from contextlib import nullcontext

import numpy as np
import pytest

from agents.baselines.agents import ModelBasedController
from savings_gym import (
    Block,
    CurlField,
    FieldPair,
    Probe,
    ReachEnv,
    Session,
    curl_pairs,
    savings_session,
)
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.probes.environments import VectorEnvironment
from savings_gym.probes.sessions import run_sessions, savings_beyond_sham
from savings_gym.task.settings import TRIAL_STEPS

FIELD = CurlField(8.0)
ONE = (FieldPair(FIELD, CurlField(-8.0)),)
SESSION = savings_session(1, 2, 1, 2, ONE)
RATE = 0.5  # share of the error by which the planted policy corrects itself after every trial


@pytest.fixture(scope="module")
def settings():
    return ReachEnv(actuation="torque", trial_cue=True, noise=None, delays=None).settings


class Rehearser:
    """Expects the field that it met, in part: after a trial, the expected curl moves to that of the trial.

    The curl of the trial is known to it; it is told the blocks. Its memory is the expectation of each arm.
    """

    def __init__(self, settings, session, rate=RATE):
        self.controllers = {}
        self.settings, self.rate = settings, rate
        _, schedule = session.draw(np.random.default_rng(0))
        self.curls = [0.0 if p.field.is_null else p.field.b for p in schedule.phases for _ in range(p.trials)]

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        step, expected, inner = (0, 0.0, None) if state is None else state
        assert (step == 0) == bool(np.all(episode_start))
        assert (observation[:, -1] == (step % TRIAL_STEPS == 0)).all()
        if step % TRIAL_STEPS == 0 and step:
            expected += self.rate * (self.curls[step // TRIAL_STEPS - 1] - expected)
        if expected not in self.controllers:
            field = CurlField(expected) if expected else None
            self.controllers[expected] = ModelBasedController(self.settings, field)
        action, inner = self.controllers[expected].predict(observation, inner)
        return action, (step + 1, expected, inner)


def forgetful(settings):
    """A function of a policy without memory, which pushes the hand towards the target."""

    def act(observation):
        away = observation[:, 6:8] - observation[:, :2]
        return 0.6 * observation[:, [8]] * away @ np.array([[-1.0, 1.0], [1.0, 1.0]])

    return act


def test_a_table_of_sessions_is_a_probe_table(settings):
    session = Session(
        (Block("null", None, 1), Block("A", "A", (1, 3)), Block("own", FIELD, 1)), curl_pairs((4.0,))
    )
    table = run_sessions(forgetful(settings), settings, session, sessions=3, seed=2, network=5)
    assert len({len(column) for column in table.values()}) == 1 and (table["network"] == 5).all()
    for number in range(3):
        rows = {name: column[table["session"] == number] for name, column in table.items()}
        trials = rows["session_trial"].reshape(-1, 8)
        assert (trials == np.arange(len(trials))[:, None]).all()
        assert (np.sort(rows["target"].reshape(-1, 8), axis=1) == np.arange(8)).all()
        lengths = [np.sum(rows["phase"] == name) // 8 for name in session.names]
        assert lengths[0] == lengths[2] == 1 and 1 <= lengths[1] <= 3
        assert rows["update"][::8].tolist() == [0, *range(lengths[1]), 0]
        assert rows["field"][::8].tolist() == ["none", *["A"] * lengths[1], "own"]
        assert np.unique(rows["pair"]).size == 1
    assert len(set(table["pair"])) > 1
    first = {name: column[table["session"] == 0] for name, column in table.items()}
    assert phase_curves(first)["null"].deviation.shape == (1, 1)


@pytest.mark.parametrize("fails", [False, True])
def test_environments_are_closed_whether_or_not_the_policy_fails(settings, monkeypatch, fails):
    closed = []
    monkeypatch.setattr(VectorEnvironment, "close", lambda self: closed.append(self))

    def act(observation):
        if fails:
            raise RuntimeError("no action")
        return np.zeros((8, 2))

    with pytest.raises(RuntimeError, match="no action") if fails else nullcontext():
        run_sessions(act, settings, Session((Block("x", None, 1),)))
    assert len(closed) == 1


class Counting:
    """A policy that does nothing but count its steps, in a memory of one unit."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        count = np.zeros((8, 1)) if state is None else state[0] + 1.0
        return np.zeros((8, 2)), (count,)


def test_every_trial_is_handed_over_with_activity_that_goes_on(settings):
    trials = []
    table = run_sessions(Counting(), settings, SESSION, sessions=2, on_trial=trials.append)
    rows = table["lateral_deviation"].reshape(len(trials), 8)
    for number, trial in enumerate(trials):
        first = 100 * (number % (len(trials) // 2))  # memory begins anew in every session
        assert (trial.activity.hidden[..., 0] == first + np.arange(100.0)).all()
        assert (trial.columns["lateral_deviation"].astype(np.float32) == rows[number]).all()
    unrecorded = run_sessions(Counting(), settings, SESSION, sessions=2)
    for name, values in table.items():
        np.testing.assert_array_equal(values, unrecorded[name], err_msg=name)
    with pytest.raises(ValueError, match="no memory"):
        run_sessions(forgetful(settings), settings, SESSION, on_trial=trials.append)


def test_every_arm_reaches_to_every_target_in_eight_trials(settings):
    table = run_sessions(forgetful(settings), settings, Session((Block("x", None, 8),)))
    for arm in range(8):
        assert sorted(table["target"][table["arm"] == arm]) == list(range(8))


def test_without_memory_both_blocks_of_a_field_are_alike(settings):
    table = run_sessions(forgetful(settings), settings, SESSION)
    deviation = {name: np.zeros((trials, 8)) for name, trials in (("FF1", 2), ("FF2", 2))}
    for name, update, target, value in zip(
        table["phase"], table["update"], table["target"], table["lateral_deviation"], strict=True
    ):
        if name in deviation:
            deviation[name][update, target] = value
    assert np.abs(deviation["FF1"]).min() > 1e-3
    assert (deviation["FF1"] == deviation["FF2"]).all() and (np.diff(deviation["FF1"], axis=0) == 0.0).all()
    summary = savings(table)
    assert summary.initial.difference == 0.0
    sham = run_sessions(forgetful(settings), settings, SESSION.sham("FF1"))
    assert savings_beyond_sham(table, sham).mean == 0.0


def test_planted_adaptation_washout_and_savings_are_found_with_their_rate(settings):
    """The deviation is proportional to the share of the field that is not expected, as in three probes."""
    probe = Probe(settings)
    reach = [
        probe(ModelBasedController(settings, CurlField(b) if b else None), FIELD).mean("lateral_deviation")
        for b in (0.0, 4.0, 8.0)
    ]
    table = run_sessions(Rehearser(settings, SESSION), settings, SESSION)
    curves = {name: curve.deviation[0] for name, curve in phase_curves(table).items()}
    assert curves["FF1"] == pytest.approx(reach[:2], rel=0.02)
    assert curves["NF2"][0] < -0.5 * reach[0]
    left = (1.0 - (1.0 - RATE) ** 2) * (1.0 - RATE)  # of the field, after washout
    expected = left * (reach[0] - reach[2])
    assert (curves["FF2"] - reach[2])[1] == pytest.approx(
        (1.0 - RATE) * (curves["FF2"] - reach[2])[0], rel=0.15
    )
    assert savings(table).initial.difference == pytest.approx(expected, rel=0.15)
    sham = run_sessions(Rehearser(settings, SESSION.sham("FF1")), settings, SESSION.sham("FF1"))
    assert savings_beyond_sham(table, sham).mean == pytest.approx(expected, rel=0.15)


def test_equal_seeds_give_equal_tables_and_a_sham_has_its_targets_and_noise():
    settings = ReachEnv(actuation="torque").settings
    session = savings_session(1, 1, 1, 1, ONE)
    tables = [run_sessions(forgetful(settings), settings, session, seed=seed) for seed in (1, 1, 2)]
    for name, column in tables[0].items():
        np.testing.assert_array_equal(column, tables[1][name])
    assert (tables[0]["lateral_deviation"] != tables[2]["lateral_deviation"]).any()
    sham = run_sessions(forgetful(settings), settings, session.sham("FF1"), seed=1)
    alike = sham["lateral_deviation"] == tables[0]["lateral_deviation"]
    assert alike[sham["phase"] != "FF1"].all() and not alike[sham["phase"] == "FF1"].any()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"session": "four"}, ValueError, "session must be a Session, .* got 'four'"),
        ({"sessions": 0}, ValueError, "sessions must be a whole number of at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be .* got -1"),
        ({"network": 0.5}, ValueError, "network must be .* got 0.5"),
        ({"settings": None}, ValueError, "settings must be those of an environment: .* got None"),
        ({"policy": 3}, TypeError, "a policy needs a predict method or must be a function, got 3"),
    ],
)
def test_bad_arguments_are_named(settings, changed, error, message):
    with pytest.raises(error, match=message):
        run_sessions(**({"policy": np.zeros, "settings": settings, "session": "savings"} | changed))


def test_tables_that_do_not_pair_are_refused():
    def table(networks=(0, 1), phase="FF2", trials=2):
        grid = np.stack(np.meshgrid(networks, range(trials), [0], indexing="ij"), -1).reshape(-1, 3)
        columns = dict(zip(("network", "update", "target"), grid.T, strict=True))
        measure = {"phase": np.full(len(grid), phase), "lateral_deviation": 1e-3 * grid[:, 0]}
        return columns | measure | {"trial": grid[:, 1]}

    assert savings_beyond_sham(table(), table()).mean == 0.0
    for left, right, trials, message in (
        (table(phase="FF1"), table(), 1, r"table has no phase FF2, its phases are \['FF1'\]"),
        (table(), table((0, 2)), 1, r"table has the networks \[0, 1\], but sham \[0, 2\]"),
        (table(), table(), 3, "trials is 3, but FF2 has 2 trials"),
    ):
        with pytest.raises(ValueError, match=message):
            savings_beyond_sham(left, right, trials)
