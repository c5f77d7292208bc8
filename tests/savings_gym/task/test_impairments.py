"""Impaired muscles and actions: closed forms, and both faces of the environment."""

import dataclasses
import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from savings_gym import Fatigue, Impairments, Noise, ReachEnv, ReachSessionEnv, ReachVectorEnv
from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arm.model import load_arm
from savings_gym.task.settings import CONTROL_STEP

TIRED = Fatigue(rate=2.0, recovery=0.5)
SILENT = Noise(0.0, 0.0, 0.0)
IMPAIRED = [
    {"signal_noise": 0.3},
    {"spasticity": {"biceps": 2.0, "deltoid": 0.5}, "threshold": 0.05},
    {"fatigue": {"rate": 3.0, "recovery": 1.0, "rest": 0.5}},
    {"signal_noise": 0.1, "spasticity": 1.0, "reflex_delay": 0.0, "fatigue": {}},
    {"fatigue": {"rate": {"biceps": 3.0, "deltoid": 1.0}, "recovery": 0.5}},
]
ELBOW = Fatigue(rate=0.00912, recovery=0.00094)
RECRUITMENT = 10.0  # LD and LR of the source [1/s]


@given(st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.floats(0.0, 1.0), st.integers(1, 30))
def test_fatigue_is_its_solution(rate, recovery, excitation, steps):
    fatigue, fatigued = Fatigue(rate, recovery), np.zeros(1)
    for _ in range(steps):
        fatigued = fatigue.after(fatigued, np.array([excitation]), 0.01)
    assert 0.0 <= fatigued[0] <= 1.0
    time, small = 0.01 * steps, rate * excitation * 0.01 * steps
    if small <= 1.0 - excitation:  # never short of motor units
        grown = time if recovery == 0.0 else -np.expm1(-recovery * time) / recovery
        assert fatigued[0] == pytest.approx(rate * excitation * grown, abs=1e-9)
    elif excitation == 1.0 and rate + recovery > 0.0:
        both = rate + recovery
        assert fatigued[0] == pytest.approx(rate / both * -np.expm1(-both * time), rel=0.05)


def three_compartments(fatigue, command, begin, time):
    """Active and fatigued shares by the source's equations, (2, k), and the state (3,) at the last time."""

    def flow(t, state):
        resting, active, fatigued = state
        short = command - active
        recruited = RECRUITMENT * (min(short, resting) if short > 0.0 else short)
        tired, recovered = fatigue.rate * active, fatigue.recovery * fatigued
        return [recovered - recruited, recruited - tired, tired - recovered]

    its = solve_ivp(flow, time[[0, -1]], begin, "LSODA", time, rtol=1e-8, atol=1e-10, max_step=0.5)
    return its.y[1:], its.y[:, -1]


def test_fatigue_is_that_of_the_three_compartments():
    """Without their recruitment; shares of fatigued units within 0.001, of active ones within 0.005.

    Half a second after a change of the command, the recruitment is over.
    """
    blocks = ((0.5, 140.0), (0.0, 60.0), (0.8, 60.0), (0.3, 60.0))  # command, seconds
    state, fatigued, ended = np.array([1.0, 0.0, 0.0]), np.zeros(1), None
    for command, seconds in blocks:
        time = np.linspace(0.0, seconds, round(seconds / 0.1) + 1)
        (active, tired), state = three_compartments(ELBOW, command, state, time)
        ours = [float(fatigued[0])]
        for _ in time[1:]:
            fatigued = ELBOW.after(fatigued, np.array([command]), 0.1)
            ours.append(float(fatigued[0]))
        left = np.minimum(command, 1.0 - np.array(ours))
        assert ours == pytest.approx(tired, abs=1e-3)
        assert left[5:] == pytest.approx(active[5:], abs=5e-3)
        if ended is None:  # when 1 % of half the strength is missing
            ended = [float(time[10:][np.argmax(share[10:] < 0.99 * command)]) for share in (left, active)]
    assert ended[0] == pytest.approx(ended[1], abs=0.5) and ended[0] == pytest.approx(117.0, abs=0.5)


def test_every_muscle_tires_and_recovers_at_its_own_rate():
    rates = dict(zip(MUSCLES, (3.0, 0.0, 1.0, 0.5, 2.0, 0.1), strict=True))
    recoveries = dict(zip(MUSCLES, (0.1, 0.2, 1.0, 0.0, 0.5, 2.0), strict=True))
    each, command = Fatigue(rates, recoveries), np.linspace(0.2, 1.0, 6)
    fatigued = np.zeros((2, 6))
    for _ in range(100):
        fatigued = each.after(fatigued, command, CONTROL_STEP)
    for i, muscle in enumerate(MUSCLES):
        alone, expected = Fatigue(rates[muscle], recoveries[muscle]), np.zeros(1)
        for _ in range(100):
            expected = alone.after(expected, command[i : i + 1], CONTROL_STEP)
        assert fatigued[:, i].tolist() == [expected[0], expected[0]]
    some, same = Fatigue({"biceps": 2.0}, 0.5), Fatigue(dict.fromkeys(MUSCLES, 2.0), 0.5)
    tired = some.after(np.zeros(6), np.ones(6), 1.0)
    assert np.flatnonzero(tired).tolist() == [MUSCLES.index("biceps")]
    assert (same.after(np.zeros(6), np.ones(6), 1.0) == TIRED.after(np.zeros(6), np.ones(6), 1.0)).all()


def test_only_the_muscles_that_are_named_tire_in_an_environment():
    env = ReachEnv(impairments={"fatigue": {"rate": {"biceps": 2.0}, "recovery": 0.5}}, noise=None)
    env.reset(seed=0)
    expected = np.where(np.array(MUSCLES) == "biceps", 0.8 * -np.expm1(-2.5), 0.0)
    assert full_effort(env) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "fatigue",
    [
        ELBOW,
        Fatigue({"triceps_long": 0.01, "biceps": 0.02}, rest=1.0),
        Fatigue(0.01, dict.fromkeys(MUSCLES, 0.001)),
        Fatigue({"biceps": 0.02, "deltoid": 0.0}, {"biceps": 0.0}),
    ],
)
def test_fatigue_goes_through_json_pickle_and_spec(fatigue):
    assert pickle.loads(pickle.dumps(fatigue)) == fatigue
    assert hash(pickle.loads(pickle.dumps(fatigue))) == hash(fatigue) and eval(repr(fatigue)) == fatigue
    impairments = Impairments(fatigue=fatigue)
    values = dataclasses.asdict(impairments)
    assert Impairments(**json.loads(json.dumps(values))) == impairments
    by_name = {"rate": fatigue.rate, "recovery": fatigue.recovery}
    by_name = {name: dict(its) if isinstance(its, tuple) else its for name, its in by_name.items()}
    env = gym.make("ForceFieldReach-v0", impairments={"fatigue": by_name | {"rest": fatigue.rest}})
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    for each in (env, again, ReachEnv(**env.unwrapped.settings.arguments())):
        assert each.unwrapped.settings.impairments == impairments


def full_effort(env, seconds=1.0):
    for _ in range(round(seconds / CONTROL_STEP)):
        info = env.step(np.ones(6))[4]
    return info["fatigued"]


def test_fatigue_goes_on_over_trials_and_heals_at_rest():
    env = ReachEnv(impairments=Impairments(fatigue=TIRED), noise=None)
    env.reset(seed=0)
    first = full_effort(env)
    assert first == pytest.approx(np.full(6, 0.8 * -np.expm1(-2.5)), abs=0.01)
    _, info = env.reset()
    assert info["fatigued"].tolist() == first.tolist()
    assert (full_effort(env) > first).all() and (env.task.ctrl < 1.0).all()
    _, info = env.reset(seed=0)
    assert not info["fatigued"].any()
    resting = Fatigue(TIRED.rate, TIRED.recovery, rest=2.0)
    env = ReachEnv(impairments=Impairments(fatigue=resting), noise=None)
    env.reset(seed=0)
    before = full_effort(env)
    _, info = env.reset()
    assert info["fatigued"] == pytest.approx(before * np.exp(-0.5 * 2.0))


def test_tired_muscles_give_what_is_left_of_them():
    env = ReachEnv(impairments={"fatigue": TIRED}, noise=None)
    _, info = env.reset(seed=0)
    for _ in range(50):
        left = 1.0 - info["fatigued"]
        info = env.step(np.full(6, 0.9))[4]
        assert env.task.ctrl[0] == pytest.approx(np.minimum(0.9, left))


def test_the_noise_of_a_signal_grows_with_it():
    vector = ReachVectorEnv(400, impairments={"signal_noise": 0.1}, noise=SILENT)
    vector.reset(seed=0)
    for size in (0.2, 0.4):
        commands = []
        for _ in range(10):
            vector.step(np.full((400, 6), size))
            commands.append(vector.task.ctrl.copy())
        assert np.mean(commands) == pytest.approx(size, rel=0.01)
        assert np.std(commands) == pytest.approx(0.1 * size, rel=0.02)


def test_spastic_muscles_resist_their_stretch():
    gains, threshold, steps = {"biceps": 2.0, "triceps_long": 1.0}, 0.02, 3
    impairments = Impairments(spasticity=gains, threshold=threshold, reflex_delay=0.03)
    env = ReachEnv(impairments=impairments, noise=None, delays=None)
    observation, _ = env.reset(seed=0)
    velocity, rng = [observation[8:14]], np.random.default_rng(1)
    gain = np.array([gains.get(muscle, 0.0) for muscle in MUSCLES])
    reflexes = 0.0
    for t in range(60):
        action = 0.1 + 0.3 * rng.random(6)
        observation, *_ = env.step(action)
        stretch = np.maximum(velocity[max(t - steps, 0)] - threshold, 0.0)
        assert env.task.ctrl[0] == pytest.approx(np.minimum(action + gain * stretch, 1.0), abs=1e-6)
        velocity.append(observation[8:14])
        reflexes += (gain * stretch).sum()
    assert reflexes > 0.1


@pytest.mark.parametrize("impairments", IMPAIRED, ids=lambda each: "+".join(each))
def test_both_faces_are_impaired_alike(impairments):
    env, vector = ReachEnv(impairments=impairments), ReachVectorEnv(3, impairments=impairments)
    for trial in range(2):
        one = env.reset(seed=5 if trial == 0 else None)
        many = vector.reset(seed=[4, 5, 6] if trial == 0 else None)
        for action in np.random.default_rng(trial).random((40, 6)):
            assert many[0][1] == pytest.approx(one[0], abs=1e-12)
            for name, value in one[-1].items():
                assert many[-1][name][1] == pytest.approx(value, abs=1e-12), name
            one, many = env.step(action), vector.step(np.stack([action] * 3))
        copied = pickle.loads(pickle.dumps(env))
        assert copied.step(np.ones(6))[0].tolist() == env.step(np.ones(6))[0].tolist()
        vector.step(np.ones((3, 6)))


def test_nothing_impaired_is_nothing_changed():
    plain, none = ReachEnv(), ReachEnv(impairments={"threshold": 0.5})
    first, second = plain.reset(seed=1), none.reset(seed=1)
    for action in np.random.default_rng(0).random((20, 6)):
        assert np.array_equal(first[0], second[0]) and set(first[-1]) == set(second[-1])
        first, second = plain.step(action), none.step(action)


def test_arguments_go_through_spec_and_sessions():
    env = gym.make(
        "ForceFieldReach-v0", impairments={"fatigue": {"rate": 1.0}, "spasticity": {"biceps": 2.0}}
    )
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.settings.impairments == Impairments(0.0, (("biceps", 2.0),), fatigue=Fatigue(1.0))
    assert ReachEnv(**env.unwrapped.settings.arguments()).settings == env.unwrapped.settings
    session = ReachSessionEnv(impairments={"fatigue": {}})
    assert "fatigued" in session.reset(seed=0)[1]
    json.dumps(env.spec.kwargs)


def test_a_tool_is_a_point_mass_in_the_hand():
    """It adds m JᵀJ to the mass matrix, whatever else is changed."""
    q, still, mass = np.array([0.7, 1.2]), np.zeros(2), 0.8
    for changes in ({}, {"length": {"forearm": 1.2}, "mass": {"forearm": 1.5}}):
        bare, holding = load_arm("muscle", changes or None), load_arm("muscle", {**changes, "tool": mass})
        matrices = [
            np.stack(
                [arm.joint_torque(q, still, unit) - arm.joint_torque(q, still, still) for unit in np.eye(2)]
            )
            for arm in (bare, holding)
        ]
        jacobian = bare.hand_jacobian(q)
        assert matrices[1] - matrices[0] == pytest.approx(mass * jacobian.T @ jacobian, rel=1e-9)
    assert holding.changes.to_dict()["tool"] == mass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReachEnv(impairments={"palsy": 1.0}), "with some of the names .*'signal_noise'"),
        (lambda: ReachEnv(impairments=3.0), "impairments must be Impairments, a dict .* got 3.0"),
        (lambda: Impairments(signal_noise=-1.0), "signal_noise must be a finite number of at least 0"),
        (lambda: Impairments(spasticity={"calf": 1.0}), "spasticity knows pectoralis, .* got 'calf'"),
        (lambda: Impairments(spasticity="much"), "spasticity must be a gain or gains by muscle"),
        (lambda: Impairments(fatigue={"rate": -1.0}), "Impairments: fatigue: rate must be"),
        (lambda: ReachEnv(impairments={"fatigue": {"rate": -1.0}}), "^impairments: fatigue: rate must be"),
        (lambda: Fatigue(rate={"calf": 1.0}), "Fatigue: rate knows pectoralis, .* got 'calf'"),
        (lambda: Fatigue(recovery={"biceps": -1.0}), "Fatigue: recovery of biceps must be .* got -1.0"),
        (lambda: Fatigue(rate="much"), "rate must be a number or numbers by muscle, got 'much'"),
        (lambda: Fatigue(rate=""), "rate must be a number or numbers by muscle, got ''"),
        (lambda: Fatigue(rate=None), "rate must be a number or numbers by muscle, got None"),
        (lambda: Fatigue(rate=True), "rate must be a finite number"),
        (
            lambda: Fatigue({"biceps": 1.0, "deltoid": 1.0}, {"biceps": 1.0}),
            "recovery by muscle needs every muscle that tires, deltoid, biceps; got none for deltoid",
        ),
        (lambda: Fatigue(1.0, {"biceps": 1.0}), "got none for pectoralis, .*triceps_long"),
        (lambda: ReachEnv(impairments={"reflex_delay": 0.005}), "reflex_delay must be a whole number"),
        (lambda: ReachEnv(actuation="torque", impairments={"spasticity": 1.0}), "'torque' has none"),
        (lambda: ReachEnv(arm={"tool": -1.0}), "arm: tool must be a finite number"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
