"""Protocols by name: their phases, counts and fields; gradual sizes and targets of phases."""

import ast
import inspect
import json

import numpy as np
import pytest

from savings_gym import (
    PROTOCOLS,
    ChannelField,
    CurlField,
    NullField,
    Phase,
    PhaseSchedule,
    ReachEnv,
    ReachVectorEnv,
    Scaled,
    Schedule,
    VisualClamp,
    VisuomotorRotation,
    as_schedule,
    protocol,
)
from savings_gym.task.settings import CONTROL_STEP

NAMES = {
    "abrupt": ("baseline", "A", "washout"),
    "gradual": ("baseline", "ramp", "A", "washout"),
    "savings": ("NF1", "FF1", "NF2", "FF2"),
    "interference": ("NF1", "FF1", "B", "FF2"),
    "spontaneous-recovery": ("baseline", "A", "B", "clamp"),
    "error-clamps": ("baseline", "A", "clamp"),
}


@pytest.mark.parametrize("field", [CurlField(8.0), VisuomotorRotation(30.0)], ids=lambda f: f.kind)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_runs_and_goes_through_json(name, field):
    schedule = protocol(name, field)
    assert schedule.names == NAMES.get(name, schedule.names)
    assert as_schedule(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert protocol(name, field.to_dict()) == schedule
    assert field in [phase.field for phase in schedule.phases] or name == "single-trials"
    env = ReachEnv(schedule=schedule)
    for _ in range(3):
        env.reset(seed=0)
        env.step(np.zeros(6))


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("joint", " -_")
def test_the_words_of_a_name_may_be_joined_in_any_way(name, joint):
    assert protocol(name.replace("-", joint)) == protocol(name)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_argument_that_is_refused_or_listed_is_one_of_the_protocol(name):
    with pytest.raises(ValueError, match="has no argument 'sometimes'; it has") as refused:
        protocol(name, sometimes=1)
    listed = ast.literal_eval(str(refused.value).partition("it has ")[2])
    assert listed == [each for each in inspect.signature(PROTOCOLS[name]).parameters if each != "field"]


def test_lengths_are_exact():
    assert protocol("spontaneous recovery").boundaries == (0, 50, 175, 190, 340)
    assert protocol("savings", nf1=1, ff1=2, nf2=3, ff2=4).boundaries == (0, 1, 3, 6, 10)
    ramped = protocol("savings", nf1=1, ramp=5, ff1=2, nf2=3, ff2=4)
    assert ramped.names == ("NF1", "ramp", "FF1", "NF2", "FF2") and ramped.trials == 15
    assert protocol("abrupt", baseline=0, washout=0).names == ("A",)
    single = protocol("single trials", sizes=(1.0, -1.0, 0.5), rounds=2, between=4, baseline=7)
    assert single.trials == 7 + 6 * (4 + 3) and len(single.phases) == 1 + 6 * 4
    assert protocol("generalisation", rounds=3, refresh=5, baseline=8, adaptation=9).trials == 8 + 9 + 24 + 10


def test_a_single_trial_and_its_clamps_are_never_catch_trials():
    schedule = protocol("single-trials", sizes=(1.0, 0.5), rounds=3, between=2, baseline=3)
    for seed in range(3):
        env, catch = ReachEnv(schedule=schedule), {True: [], False: []}
        for trial in range(schedule.trials):
            _, info = env.reset(seed=seed if trial == 0 else None)
            env.step(np.zeros(6))
            catch[env.trial_phase.trials == 1].append(bool(info["catch"]))
        assert len(catch[True]) == 18 and not any(catch[True]) and any(catch[False])


def test_opposites_and_clamps_are_of_the_kind_of_the_perturbation():
    force, seen = protocol("spontaneous recovery"), protocol("spontaneous recovery", VisuomotorRotation(30.0))
    assert force.phases[2].field == Scaled(CurlField(8.0), -1.0) and force.phases[3].field == ChannelField()
    assert seen.phases[3].field == VisualClamp(scored="cursor")
    assert protocol("interference", other=CurlField(4.0)).phases[2].field == CurlField(4.0)


def of_distance(infos):
    """(k, n) rewards for proximity that the distance of each hand from its start alone would earn."""
    hand = np.array([info["hand_position"] for info in infos])
    start, target, go = hand[0], infos[0]["target_position"], infos[0]["go_time"]
    away, reach = np.linalg.norm(hand - start, axis=-1), np.linalg.norm(target - start, axis=-1)
    went = np.arange(len(infos))[:, None] * CONTROL_STEP >= go - 1e-9
    return 0.014 * (1.0 - 2.0 * np.abs(away - reach * went) / reach)


def clamp_trials(schedule, name):
    """Infos of 16 arms that move at random in a trial of a phase, with rewards for the way alone."""
    weights = {"effort": 0.0, "jerk": 0.0, "lateral": 1.0}
    (phase,) = (phase for phase in schedule.phases if phase.name == name)
    env = ReachVectorEnv(
        16, schedule=Schedule((phase,)), reward_weights=weights, delays=None, noise=None, catch_fraction=0.0
    )
    infos, rng = [env.reset(seed=0)[1]], np.random.default_rng(0)
    actions = 0.5 * rng.random((16, 6))  # one of each arm, so that hands go their own ways
    return infos + [env.step(actions)[4] for _ in range(60)]


@pytest.mark.parametrize("name", ["spontaneous-recovery", "error-clamps"])
def test_in_a_block_of_clamps_the_direction_of_the_hand_earns_nothing(name):
    """The reward is that of the distance from the start: no direction is better, so none is washed out."""
    infos = clamp_trials(protocol(name, VisuomotorRotation(30.0)), "clamp")
    rewards = np.array([info["reward_proximity"] for info in infos])
    assert rewards[1:] == pytest.approx(of_distance(infos)[1:], abs=1e-12)
    assert np.abs([info["reward_lateral"] for info in infos]).max() < 1e-12
    hand = infos[-1]["hand_position"] - infos[0]["hand_position"]
    assert np.linalg.norm(hand, axis=-1).min() > 0.01 and np.ptp(np.arctan2(*hand.T)) > 1.0


@pytest.mark.parametrize(
    ("name", "phases"),
    [("generalisation", ("probe 1", "probe 4")), ("single-trials", ("before 1", "after 1"))],
)
def test_clamps_that_measure_score_the_hand(name, phases):
    for phase in phases:
        infos = clamp_trials(protocol(name, VisuomotorRotation(30.0)), phase)
        rewards = np.array([info["reward_proximity"] for info in infos])
        assert np.abs(rewards - of_distance(infos))[1:].max() > 1e-3
        assert max(np.abs(info["reward_lateral"]).max() for info in infos) > 1e-3


def test_a_gradual_phase_grows_from_trial_to_trial():
    schedule = protocol("gradual", baseline=2, ramp=5, adaptation=2, washout=1)
    sizes = [getattr(schedule.field_at(k), "size", 1.0) for k in range(2, 8)]
    assert sizes == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert schedule.field_at(0).is_null and schedule.field_at(6) == CurlField(8.0)
    assert schedule.field_at(100) == schedule.phases[-1].field
    assert Phase("A", CurlField(8.0), 1, sizes=(0.0, 0.5)).field_at(0) == Scaled(CurlField(8.0), 0.5)


def forces_of_trials(env, trials):
    """Size of the field in trials that are stepped once."""
    sizes = []
    for trial in range(trials):
        env.reset(seed=0 if trial == 0 else None)
        env.step(np.zeros(6))
        sizes.append(getattr(env.unwrapped.trial_field, "size", 1.0))
    return sizes


def test_environments_follow_the_sizes_of_a_phase():
    schedule = Schedule((Phase("ramp", CurlField(8.0), 4, sizes=(0.25, 1.0)), Phase("B", NullField(), 1)))
    assert forces_of_trials(ReachEnv(schedule=schedule), 4) == [0.25, 0.5, 0.75, 1.0]
    assert forces_of_trials(PhaseSchedule(ReachEnv(), schedule), 4) == [0.25, 0.5, 0.75, 1.0]
    shared = ReachVectorEnv(4, schedule=schedule, shared_trials=True)
    shared.reset(seed=0)
    assert [getattr(field, "size", 1.0) for field in shared.trial_fields] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_environments_follow_a_size_for_every_trial(n):
    """Trial k of the phase has the k-th size."""
    sizes = [0.3, -0.5, 1.0, 0.0, 2.0, 0.7][:n]
    phases = (Phase("before", CurlField(1.0), 2), Phase("A", CurlField(8.0), n, sizes=sizes))
    schedule = Schedule((*phases, Phase("after", CurlField(1.0), 1)))
    given = [1.0, 1.0, *sizes, 1.0]
    assert forces_of_trials(ReachEnv(schedule=schedule), n + 3) == given
    assert forces_of_trials(ReachEnv(schedule=json.loads(json.dumps(schedule.to_dict()))), n + 3) == given
    assert forces_of_trials(PhaseSchedule(ReachEnv(), schedule), n + 3) == given
    vector, seen = ReachVectorEnv(2, schedule=schedule), []
    for trial in range(n + 3):
        vector.reset(seed=0 if trial == 0 else None)
        vector.step(np.zeros((2, 6)))
        seen.append([getattr(field, "size", 1.0) for field in vector.trial_fields])
    assert seen == [[size, size] for size in given]
    shared = ReachVectorEnv(n + 3, schedule=schedule, shared_trials=True)
    shared.reset(seed=0)
    assert [getattr(field, "size", 1.0) for field in shared.trial_fields] == given


def test_only_the_targets_of_a_phase_come_each_once_in_a_block():
    schedule = Schedule(
        (
            Phase("all", None, 8),
            Phase("some", None, 6, targets=(1, 4, 6)),
            Phase("one", None, 3, targets=(2,)),
            Phase("again", None, 8),
        )
    )
    env, vector = ReachEnv(schedule=schedule), ReachVectorEnv(2, schedule=schedule)
    targets = []
    for trial in range(25):
        _, info = env.reset(seed=3 if trial == 0 else None)
        _, infos = vector.reset(seed=[3, 4] if trial == 0 else None)
        assert infos["target"][0] == info["target"]
        env.step(np.zeros(6)), vector.step(np.zeros((2, 6)))
        targets.append(int(info["target"]))
    assert sorted(targets[:8]) == sorted(targets[17:]) == list(range(8))
    assert sorted(targets[8:11]) == sorted(targets[11:14]) == [1, 4, 6] and targets[14:17] == [2, 2, 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: protocol("a-b-a"), "protocol must be one of .*'interference'.* got 'a-b-a'"),
        (lambda: protocol(None), "protocol must be one of .*'spontaneous-recovery', .* got None"),
        (lambda: protocol(["abrupt"]), "protocol must be one of .* got .'abrupt'."),
        (
            lambda: protocol("savings", washout=3),
            r"protocol 'savings' has no argument 'washout'; it has \['nf1', 'ff1', 'nf2', 'ff2', 'ramp'\]",
        ),
        (lambda: protocol("abrupt", adaptation=-1), "phase 'A': trials must be a whole number"),
        (lambda: protocol("single trials", rounds=0), "rounds must be a whole number of at least 1"),
        (lambda: Phase("A", None, 3, sizes=1.0), r"sizes must be finite numbers of shape \(2,\)"),
        (lambda: Phase("A", None, 3, targets=()), "targets must be one or more indices"),
        (lambda: Phase("A", None, 3, targets=(1, 1)), "targets must be different"),
        (lambda: ReachEnv(schedule=protocol("generalisation", trained=(9,))), r"targets \(9,\); there are 8"),
        (
            lambda: ReachEnv(targets="random", schedule=protocol("generalisation")),
            "there are none, reaches are random",
        ),
        (lambda: PhaseSchedule(ReachEnv(), protocol("generalisation")), "does not choose targets"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
