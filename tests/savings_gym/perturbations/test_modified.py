"""Time courses, sizes and targets of perturbations, and fields that depend on position."""

import json
import warnings

import numpy as np
import pytest

import savings_gym
from savings_gym import (
    AssistiveField,
    ConstantField,
    CurlField,
    ElasticField,
    ErrorAugmentation,
    ForTargets,
    PositionField,
    Pulse,
    Ramp,
    ReachEnv,
    ReachVectorEnv,
    Scaled,
    VisualShift,
    VisuomotorRotation,
    field_from_dict,
)
from savings_gym.perturbations.trials import resolve_fields
from savings_gym.task.settings import CONTROL_STEP

STILL = np.zeros(6)
PUSH = ConstantField((0.5, 0.2), onset="start")
MODIFIED = [
    Ramp(PUSH, 0.2),
    Ramp(CurlField(8.0) + ElasticField(20.0, onset="cue"), 0.15),
    Pulse(CurlField(8.0, onset="start"), at=0.1, duration=0.05),
    Pulse(Ramp(PUSH, 0.3), 0.2, 0.2),
    Scaled(CurlField(8.0), 0.5),
    Scaled(VisuomotorRotation(30.0) + CurlField(8.0), -1.0),
    ForTargets(CurlField(8.0), (0.0, 90.0)) + ForTargets(VisuomotorRotation(20.0), (180.0,)),
    Pulse(PUSH, 0.3, 0.1) + CurlField(4.0),
    Scaled(PositionField(20.0), 0.5),
    Ramp(AssistiveField(40.0, 5.0), 0.2) + PositionField(-20.0, onset="start"),
    Pulse(ErrorAugmentation(30.0, onset="cue"), 0.1, 0.2),
]


def forces(field, steps=100, **options):
    """Force on the hand in every control step of a trial, (steps, 2), and the step of go."""
    env = ReachEnv(field=field, noise=None)
    _, info = env.reset(seed=0, options={"catch": False, **options})
    pushes = [env.step(STILL)[4]["field_force"] for _ in range(steps)]
    return np.array(pushes), round(info["go_time"] / CONTROL_STEP)


def test_a_ramp_grows_evenly_from_its_onset_on():
    push, _ = forces(Ramp(PUSH, 0.2))
    size = np.clip((np.arange(100) + 0.5) / 20, 0.0, 1.0)
    assert push == pytest.approx(size[:, None] * PUSH.force)
    push, go = forces(Ramp(ConstantField((1.0, 0.0)), 0.1))
    assert not push[:go].any() and push[go, 0] == pytest.approx(0.05) and push[go + 10, 0] == 1.0


def test_a_pulse_acts_in_its_part_of_the_trial():
    push, go = forces(Pulse(ConstantField((1.0, 0.0)), at=0.1, duration=0.15))
    acts = np.zeros(100)
    acts[go + 10 : go + 25] = 1.0
    assert push[:, 0].tolist() == acts.tolist()
    push, _ = forces(Pulse(Ramp(PUSH, 0.3), 0.2, 0.2))
    assert np.flatnonzero(push[:, 0]).tolist() == list(range(20, 40)) and push[39] == pytest.approx(
        PUSH.force
    )
    push, _ = forces(Pulse(PUSH, 0.3, 0.1) + ConstantField((0.0, 1.0), onset="start"))
    assert push[[0, 35]] == pytest.approx(np.array([[0.0, 1.0], [0.5, 1.2]]))


def test_no_force_sets_on_in_a_catch_trial():
    push, _ = forces(Ramp(ConstantField((1.0, 0.0)), 0.1), catch=True)
    assert not push.any()


def test_a_cursor_jump_and_back():
    env = ReachEnv(field=Pulse(VisualShift((0.02, 0.0)), 0.1, 0.15), noise=None)
    _, info = env.reset(seed=0)
    jumps = [info["cursor_position"] - info["hand_position"]]
    for _ in range(40):
        info = env.step(STILL)[4]
        jumps.append(info["cursor_position"] - info["hand_position"])
    expected = np.zeros((41, 2))
    expected[10:25, 0] = 0.02
    assert np.array(jumps) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("field", MODIFIED, ids=lambda f: f.kind)
def test_json_and_both_faces(field):
    assert field_from_dict(json.loads(json.dumps(field.to_dict()))) == field
    assert eval(repr(field), vars(savings_gym)) == field
    assert not field.is_null
    env, vector = ReachEnv(field=field), ReachVectorEnv(2, field=field)
    env.reset(seed=5), vector.reset(seed=[5, 6])
    for action in np.random.default_rng(0).random((50, 6)):
        one, many = env.step(action), vector.step(np.stack([action, action]))
        assert many[0][0] == pytest.approx(one[0], abs=1e-12)
        assert many[4]["field_force"][0] == pytest.approx(one[4]["field_force"], abs=1e-12)


def test_a_vector_mixes_trials_with_and_without_a_course():
    vector = ReachVectorEnv(3, noise=None)
    vector.reset(seed=0, options={"field": [Ramp(PUSH, 0.2), PUSH, None]})
    push = vector.step(np.zeros((3, 6)))[4]["field_force"]
    assert push == pytest.approx(np.array([[0.0125, 0.005], [0.5, 0.2], [0.0, 0.0]]))
    vector.reset(options={"field": PUSH, "reset_mask": np.array([True, False, False])})
    push = vector.step(np.zeros((3, 6)))[4]["field_force"]
    assert push == pytest.approx(np.array([[0.5, 0.2], [0.5, 0.2], [0.0, 0.0]]))


def test_a_size_scales_the_force_and_the_angle():
    start, target = np.array([[0.0, 0.4]]), np.array([[0.1, 0.4]])
    half = resolve_fields(Scaled(CurlField(8.0) + ElasticField(10.0), 0.5), start, target)[1]
    assert half.B[0].tolist() == [[0.0, 4.0], [-4.0, 0.0]] and half.K[0, 0, 0] == 5.0
    one, other = (
        field.view(start, target, np.ones(1)).A
        for field in (Scaled(VisuomotorRotation(30.0), 0.5), VisuomotorRotation(15.0))
    )
    assert one == pytest.approx(other)


def test_every_target_has_its_field():
    per_target = ForTargets(CurlField(8.0), (0.0,)) + ForTargets(CurlField(-8.0), (180.0, 90.0))
    angles = np.deg2rad([0.0, 90.0, 180.0, 270.0, -180.3])
    start = np.tile([0.0, 0.4], (5, 1))
    target = start + 0.1 * np.stack([np.cos(angles), np.sin(angles)], -1)
    assert resolve_fields(per_target, start, target)[1].B[:, 0, 1].tolist() == [8.0, -8.0, -8.0, 0.0, -8.0]
    turned = ForTargets(VisuomotorRotation(30.0), (90.0,)).view(start, target, np.ones(5))
    assert turned.active.tolist() == [False, True, False, False, False]


def test_fields_that_depend_on_position():
    start, target, x, v = (np.array([row]) for row in ((0.0, 0.4), (0.0, 0.5), (0.02, 0.43), (0.1, 0.3)))

    def force(field):
        return resolve_fields(field, start, target)[1].force(x, v)[0]

    assert force(PositionField(50.0)) == pytest.approx([50.0 * 0.03, -50.0 * 0.02])
    assert force(AssistiveField(100.0, 2.0)) == pytest.approx([-2.0 - 0.2, 7.0 - 0.6])
    assert force(ErrorAugmentation(100.0)) == pytest.approx([2.0, 0.0], abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ramp(PUSH, 0.0), r"Ramp: duration \(s\) must be above 0"),
        (lambda: Ramp(PUSH, 2.0), r"duration \(s\) must be a finite number of at least 0 and at most 1"),
        (lambda: Pulse(PUSH, -0.1, 0.1), r"at \(s\) must be a finite number"),
        (lambda: Scaled(PUSH, np.inf), "size must be a finite number"),
        (lambda: Scaled("curl", 1.0), "a field must be a Field"),
        (lambda: ForTargets(PUSH, ()), "directions_deg must be one or more directions"),
        (lambda: ForTargets(PUSH, "up"), "directions_deg must be one or more directions"),
        (lambda: Ramp(CurlField(8.0), 0.1, onset="start"), "keeps its onset; give onset='start' to that"),
        (lambda: AssistiveField(-1.0), "stiffness must be at least 0"),
        (lambda: ErrorAugmentation(-1.0), "stiffness must be at least 0"),
        (lambda: resolve_fields(Ramp(PUSH, 0.1), np.zeros((1, 2)), np.ones((1, 2))), "a field that lasts"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_directions_that_no_target_has_are_named():
    """Radians in place of degrees, say; the field would never act, and nobody would know."""
    for sum_of in (
        ForTargets(CurlField(8.0), (np.pi / 2.0,)),
        CurlField(2.0) + ForTargets(CurlField(8.0), (10.0,)),
    ):
        with pytest.warns(UserWarning, match=r"ForTargets.* acts in no reach .* at 0, 45, .*, 315 degrees"):
            ReachEnv(field=sum_of)
    with warnings.catch_warnings(action="error"):
        ReachEnv(field=ForTargets(CurlField(8.0), (90.0,)))
        ReachEnv(field=ForTargets(CurlField(8.0), (10.0,)), targets="random")
