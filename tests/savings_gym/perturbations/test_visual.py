"""What is seen of the hand: maps as their formulas, and both faces of the environment."""

import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import savings_gym
from agents.baselines.agents import ModelBasedController
from savings_gym import (
    CurlField,
    MirrorReversal,
    Probe,
    Pulse,
    ReachEnv,
    ReachVectorEnv,
    Scaled,
    VisualClamp,
    VisualGain,
    VisualPerturbation,
    VisualShift,
    VisuomotorRotation,
    as_field,
    field_from_dict,
)
from savings_gym.arm.model import load_arm
from savings_gym.envs.snapshot import take_snapshot
from savings_gym.perturbations.trials import resolve_perturbations
from savings_gym.perturbations.visual_maps import VisualMaps, seen_hand
from savings_gym.task.observation import observation_layout
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS

VISUAL = [
    VisuomotorRotation(30.0),
    VisuomotorRotation(-45.0, onset="go"),
    VisualGain(1.4),
    MirrorReversal(),
    MirrorReversal(30.0, scored="hand"),
    VisualShift((0.02, -0.01)),
    VisualClamp(15.0),
    VisualClamp(scored="cursor"),
    VisuomotorRotation(30.0) + CurlField(8.0) + VisualGain(0.8, onset="cue"),
    Pulse(VisualShift((0.02, 0.0), onset="go"), at=0.1, duration=0.15),
]
START, TARGET = np.array([[-0.1, 0.4]]), np.array([[-0.1, 0.5]])
FULL = np.ones(1)
points = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)).map(np.array)


def seen(perturbation, hand, start=START, target=TARGET, size=FULL):
    """Where the hand is seen at full size, (2,)."""
    maps = VisualMaps.about(start)
    for part in perturbation.parts():
        maps = maps.then(part.view(start, target, size))
    return np.array(seen_hand(maps.coefficients()[0], *hand))


def turned(vector, degrees):
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ vector


@given(points)
def test_every_map_is_its_formula(hand):
    start = START[0]
    away = hand - start
    assert seen(VisuomotorRotation(30.0), hand) == pytest.approx(start + turned(away, 30.0))
    assert seen(VisualGain(1.4), hand) == pytest.approx(start + 1.4 * away)
    assert seen(MirrorReversal(), hand) == pytest.approx(start + [-away[0], away[1]])
    assert seen(MirrorReversal(0.0), hand) == pytest.approx(start + [away[0], -away[1]])
    assert seen(VisualShift((0.02, 0.01)), hand) == pytest.approx(hand + [0.02, 0.01])
    ray = turned([0.0, np.linalg.norm(away)], 20.0)  # the target lies ahead
    assert seen(VisualClamp(20.0), hand) == pytest.approx(start + ray)


@given(points, st.floats(-180.0, 180.0))
def test_a_rotation_and_its_opposite_and_two_mirrors_are_nothing(hand, angle):
    assert seen(VisuomotorRotation(angle) + VisuomotorRotation(-angle), hand) == pytest.approx(hand)
    assert seen(MirrorReversal(angle) + MirrorReversal(angle), hand) == pytest.approx(hand)
    assert seen(VisuomotorRotation(angle), hand, size=np.zeros(1)).tolist() == hand.tolist()
    turn, clamp = VisuomotorRotation(angle, scored="hand"), VisualClamp(10.0)
    assert seen(turn + clamp, hand) == pytest.approx(seen(clamp, hand))
    assert seen(clamp + turn, hand) == pytest.approx(seen(VisualClamp(10.0 + angle), hand))


@pytest.mark.parametrize("perturbation", VISUAL, ids=lambda f: f.kind)
def test_perturbations_hash_pickle_print_and_go_through_json(perturbation):
    assert field_from_dict(json.loads(json.dumps(perturbation.to_dict()))) == perturbation
    assert pickle.loads(pickle.dumps(perturbation)) == perturbation
    assert hash(perturbation) == hash(as_field(perturbation.to_dict()))
    assert eval(repr(perturbation), vars(savings_gym)) == perturbation
    assert not perturbation.is_null


def test_nothing_is_null():
    nothing = (VisuomotorRotation(0.0), VisualGain(1.0), VisualShift((0.0, 0.0)), Scaled(VisualClamp(), 0.0))
    assert all(perturbation.is_null for perturbation in nothing)


@pytest.mark.parametrize("perturbation", VISUAL, ids=lambda f: f.kind)
def test_both_faces_see_and_score_the_same(perturbation):
    env = ReachEnv(field=perturbation, catch_fraction=0.0)
    vector = ReachVectorEnv(2, field=perturbation, catch_fraction=0.0)
    one, _ = env.reset(seed=3)
    many, _ = vector.reset(seed=[3, 4])
    rng = np.random.default_rng(0)
    for _ in range(60):
        action = rng.random(6)
        step, steps = env.step(action), vector.step(np.stack([action, action]))
        assert steps[0][0] == pytest.approx(step[0], abs=1e-12)
        assert steps[1][0] == pytest.approx(step[1], abs=1e-12)
        for name, value in step[4].items():
            assert steps[4][name][0] == pytest.approx(value, abs=1e-12), name


def trial(perturbation, steps=TRIAL_STEPS, **arguments):
    """Observations, rewards, and infos of a trial with random actions."""
    env = ReachEnv(field=perturbation, noise=None, catch_fraction=0.0, **arguments)
    first, info = env.reset(seed=1)
    rng = np.random.default_rng(0)
    series = [(first, 0.0, info)]
    for _ in range(steps):
        observation, reward, _, _, info = env.step(rng.random(6))
        series.append((observation, reward, info))
    return zip(*series, strict=True)


@pytest.mark.parametrize("perturbation", VISUAL[:8], ids=lambda f: f.kind)
def test_the_seen_hand_is_the_perturbed_hand_a_delay_ago(perturbation):
    observations, _, infos = trial(perturbation)
    start, target = infos[0]["hand_position"][None], infos[0]["target_position"][None]
    for t, observation in enumerate(observations):
        then = max(t - 7, 0)
        hand = infos[then]["hand_position"]
        begun = perturbation.onset == "start" or then * CONTROL_STEP >= infos[0]["go_time"] - 1e-9
        expected = seen(perturbation, hand, start, target) if begun else hand
        assert infos[then]["cursor_position"] == pytest.approx(expected, abs=1e-12)
        assert observation[:2] == pytest.approx(np.clip(expected, -1.0, 1.0), abs=1e-7)  # float32


def test_a_rotation_by_nothing_changes_no_byte():
    for perturbation in (VisuomotorRotation(0.0), VisualGain(1.0), Scaled(MirrorReversal(), 0.0)):
        for ours, theirs in zip(trial(perturbation), trial(None), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                if isinstance(a, dict):
                    assert all(np.array_equal(a[name], b[name]) for name in a)
                else:
                    assert np.array_equal(a, b)


@pytest.mark.parametrize(("scored", "counts"), [("cursor", "cursor_position"), ("hand", "hand_position")])
def test_rewards_are_those_of_what_is_scored(scored, counts):
    weights = {"effort": 0.0, "jerk": 0.0, "lateral": 1.0}
    _, rewards, infos = trial(VisuomotorRotation(60.0, scored=scored), reward_weights=weights, delays=None)
    start, target = infos[0]["hand_position"], infos[0]["target_position"]
    along, go = (target - start) / 0.1, round(infos[0]["go_time"] / CONTROL_STEP)
    for k, (reward, info) in enumerate(zip(rewards, infos, strict=True)):
        if k == 0:
            continue
        away = info[counts] - (target if k >= go else start)
        from_start = info[counts] - start
        beside = abs(along[0] * from_start[1] - along[1] * from_start[0])
        assert reward == pytest.approx(0.014 * (1.0 - 20.0 * np.hypot(*away)) - 0.1 * beside, abs=1e-9)


def test_a_probe_measures_what_is_scored():
    """Hands that go straight miss with a rotated cursor by its angle, and hit in an error clamp."""

    def still(observation):
        return np.zeros((len(observation), 6))

    probe = Probe(ReachEnv(noise=None).settings)
    of_hand = probe(still, VisuomotorRotation(90.0, scored="hand"), number=0)
    of_cursor = probe(still, VisuomotorRotation(90.0), number=0)
    assert np.array_equal(of_hand.path, of_cursor.path)
    away = np.linalg.norm(of_hand.path - of_hand.start[:, None], axis=-1)
    assert np.allclose(np.linalg.norm(of_cursor.cursor - of_hand.start[:, None], axis=-1), away)
    assert of_hand.columns["lateral_deviation"].tolist() != of_cursor.columns["lateral_deviation"].tolist()


def test_a_clamp_probe_measures_where_the_hand_goes():
    """A controller that reaches for targets turned by half of a rotation has learned half of it."""
    settings = ReachEnv(noise=None, actuation="torque").settings
    arm, layout = load_arm("torque"), observation_layout("torque")
    controller, start = ModelBasedController(settings), arm.hand_position(arm.start)

    class Adapted:
        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            aimed = observation.copy()
            away = observation[:, layout["target_position"]] - start
            aimed[:, layout["target_position"]] = start + turned(away.T, -15.0).T
            aimed[:, layout["hand_position"]] = arm.hand_position(observation[:, layout["joint_angle"]])
            return controller.predict(aimed, state, episode_start, deterministic)

    probe = Probe(settings)
    assert probe.clamp(Adapted(), VisuomotorRotation(30.0)) == pytest.approx(np.full(8, 0.5), abs=0.1)
    with pytest.raises(ValueError, match="adaptation to a VisuomotorRotation, got CurlField"):
        probe.clamp(Adapted(), CurlField(8.0))


def test_trials_of_a_batch_have_their_own():
    n = len(VISUAL)
    start, target = np.tile(START, (n, 1)), np.tile(TARGET, (n, 1))
    begins = np.stack([np.zeros(n, int), np.full(n, 20), np.full(n, 27)])
    together = resolve_perturbations(VISUAL, start, target, begins, TRIAL_STEPS, CONTROL_STEP)
    for i, perturbation in enumerate(VISUAL):
        alone = resolve_perturbations(
            perturbation, START, TARGET, begins[:, i : i + 1], TRIAL_STEPS, CONTROL_STEP
        )
        assert np.allclose(together.views[:, i], alone.views[:, 0], atol=1e-15)
        assert together.cursor_scored[i] == alone.cursor_scored[0] == (perturbation.scored == "cursor")


def test_a_vector_row_without_a_perturbation_sees_its_hand():
    vector = ReachVectorEnv(2, noise=None)
    vector.reset(seed=0, options={"field": [VisuomotorRotation(30.0), None]})
    for _ in range(20):
        info = vector.step(np.full((2, 6), 0.3))[4]
    same = info["cursor_position"] == info["hand_position"]
    assert same[1].all() and not same[0].any()
    vector.reset(seed=0, options={"field": None})
    info = vector.step(np.full((2, 6), 0.3))[4]
    assert np.array_equal(info["cursor_position"], info["hand_position"])


def test_pictures_know_the_cursor_and_its_perturbation():
    env = ReachEnv(field=VisuomotorRotation(90.0), noise=None)
    env.reset(seed=0)
    info = env.step(np.full(6, 0.5))[4]
    snapshot = take_snapshot(env.task, 0)
    assert snapshot.cursor.tolist() == info["cursor_position"].tolist() != info["hand_position"].tolist()
    assert snapshot.field_name == "rotation of the cursor"
    env.reset(options={"field": CurlField(8.0)})
    assert take_snapshot(env.task, 0).cursor is None


@pytest.mark.render
def test_the_cursor_is_drawn_where_the_hand_is_seen():
    env = ReachEnv(field=VisualShift((0.05, 0.0)), noise=None, render_mode="rgb_array")
    env.reset(seed=0)
    with_cursor = env.render().astype(int)
    env.reset(seed=0, options={"field": None})
    changed = np.abs(with_cursor - env.render().astype(int)).sum(-1)[60:] > 200  # below the text
    rows, columns = np.nonzero(changed)
    assert 20 < changed.sum() < 2000 and np.ptp(rows) < 40 and np.ptp(columns) < 40
    env.close()


def test_environments_by_name_and_spec():
    env = gym.make("ForceFieldReach-v0", field=VisuomotorRotation(30.0))
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.settings.field == VisuomotorRotation(30.0)


SHIFTED_CLAMP = VisualShift((0.1, 0.0), scored="hand") + VisualClamp()


class Blind(VisualPerturbation, kind="blind"):
    """Misses its terms."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VisuomotorRotation("left"), "angle_deg must be a finite number, got 'left'"),
        (lambda: VisualGain(np.nan), "VisualGain: gain must be a finite number"),
        (lambda: VisualShift(0.1), r"shift must be finite numbers of shape \(2,\)"),
        (lambda: VisualClamp(scored="both"), r"scored must be one of \('cursor', 'hand'\), got 'both'"),
        (lambda: MirrorReversal(onset="later"), "onset must be one of"),
        (lambda: VisualClamp() + VisualGain(2.0), "agree on what is scored, got .'cursor', 'hand'."),
        (lambda: seen(SHIFTED_CLAMP, START[0]), "clamp of the cursor must not come after"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(NotImplementedError, match="Blind needs a method visual_terms"):
        Blind().view(START, TARGET, FULL)
