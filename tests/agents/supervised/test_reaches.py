"""Batches of trials are those of the protocol, and so is what a network sees in them."""

import numpy as np
import pytest
import torch

from agents.supervised.reaches import (
    STUDY_DELAYS,
    STUDY_TRAINING_GO,
    TRAINING_GO,
    Timing,
    centre_out,
    centre_out_targets,
    random_reaches,
)
from agents.supervised.rollout import combined_field, observation, plain_rollout
from agents.supervised.torch_arm import TorchArm
from savings_gym.arm.model import load_arm
from savings_gym.envs.single import ReachEnv
from savings_gym.perturbations.fields import ConstantField, CurlField, ElasticField, NullField
from savings_gym.perturbations.linear_fields import LinearFields
from savings_gym.task.settings import TRIAL_STEPS, Delays, Noise
from savings_gym.task.trials import NO_GO

VISION = 7  # steps, the study's delay
STUDY_ELBOW = np.array([[-0.014, 0.025, -0.016, 0.03], [-0.004, -0.0022, -0.0057, -0.0032]])  # m, m/rad


def generator(seed=0):
    return np.random.default_rng(seed)


def test_targets_are_the_environments_own():
    env, start = ReachEnv(), load_arm("muscle").hand_position(load_arm("muscle").start)
    targets = centre_out_targets()
    for i, target in enumerate(targets):
        _, info = env.reset(seed=0, options={"target": i})
        assert info["target_position"] == pytest.approx(target, abs=1e-12)
    assert np.linalg.norm(targets - start, axis=1) == pytest.approx(0.10)
    assert targets[0] - start == pytest.approx([0.10, 0.0])


def test_a_probe_has_every_target_once_with_go_at_440_ms():
    reaches = centre_out(3, CurlField(8.0), generator(), probe=True)
    assert reaches.go_step.shape == (3, 8) and (reaches.go_step == 44).all()
    assert reaches.target.numpy() == pytest.approx(np.tile(centre_out_targets(), (3, 1, 1)), abs=1e-6)
    assert (reaches.q0 == torch.tensor(load_arm("muscle").start, dtype=torch.float32)).all()


def test_a_training_batch_has_every_target_once_and_exactly_half_of_it_without_go():
    gone, when = np.zeros((50, 8)), []
    for seed in range(50):
        go = centre_out(2, NullField(), generator(seed), probe=False).go_step.numpy()
        catch = go == NO_GO
        assert (catch.sum(1) == 4).all()
        gone[seed] = ~catch[0]
        when.extend(go[~catch])
    assert min(when) == 10 and max(when) == 30 and set(when) == set(range(10, 31))  # 0.10 to 0.30 s
    assert 0.3 < gone.mean(0).min() and gone.mean(0).max() < 0.7  # any target may be caught
    assert not (gone == gone[0]).all()


@pytest.mark.parametrize(("fraction", "caught"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_catch_fraction_is_exact(fraction, caught):
    reaches = centre_out(4, NullField(), generator(), probe=False, catch_fraction=fraction)
    assert ((reaches.go_step == NO_GO).sum(1) == caught).all()


def test_random_reaches_are_uniform_in_joint_space():
    arm = load_arm("muscle")
    reaches = random_reaches(4, 500, NullField(), generator(), dtype=torch.float64)
    low, high = arm.joint_range.T
    goal = arm.inverse_kinematics(reaches.target.numpy())
    for q in (reaches.q0.numpy(), goal):
        assert ((low <= q + 1e-9) & (q - 1e-9 <= high)).all()
        place = ((q - low) / (high - low)).reshape(-1, 2)
        for joint in range(2):  # Kolmogorov-Smirnov: 2000 numbers, p of about 1e-3
            ranks = (np.arange(2000) + 0.5) / 2000
            assert np.abs(np.sort(place[:, joint]) - ranks).max() < 0.044
        assert abs(np.corrcoef(place.T)[0, 1]) < 0.08
    assert reaches.start.numpy() == pytest.approx(arm.hand_position(reaches.q0.numpy()), abs=1e-12)
    assert ((reaches.go_step == NO_GO).sum(1) == 250).all()


def test_half_of_random_starts_lie_where_moment_arms_are_not_those_of_the_study():
    arm, (low, high) = load_arm("muscle"), np.radians([45.0, 120.0])
    q0 = random_reaches(4, 500, NullField(), generator(), dtype=torch.float64).q0.numpy().reshape(-1, 2)
    outside = (q0[:, 1] < low) | (q0[:, 1] > high)
    assert outside.mean() == pytest.approx(80 / 155, abs=0.04)
    slope, bend = STUDY_ELBOW  # of the length of brachioradialis, triceps lateral, biceps and triceps long
    difference = np.abs(arm.moment_arms(q0)[:, 2:, 1] - (slope + 2 * bend * q0[:, 1:])).max(1)
    assert difference[~outside].max() < 0.002 and 0.02 < difference[outside].max() < 0.029  # m


def test_noise_has_the_asked_sizes():
    noise = Noise(excitation=0.03, proprioception=0.2, vision=0.01)
    reaches = random_reaches(2, 40, NullField(), generator(), noise=noise, dtype=torch.float64)
    assert reaches.observation_noise.shape == (2, TRIAL_STEPS, 40, 14)
    assert reaches.observation_noise[..., :2].std().item() == pytest.approx(0.01, rel=0.03)
    assert reaches.observation_noise[..., 2:].std().item() == pytest.approx(0.2, rel=0.03)
    assert reaches.excitation_noise.std().item() == pytest.approx(0.03, rel=0.03)


def test_the_same_seed_gives_the_same_batch():
    first, again, other = (random_reaches(2, 4, NullField(), generator(seed)) for seed in (1, 1, 2))
    for name in ("q0", "target", "go_step", "observation_noise", "excitation_noise"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
        assert not torch.equal(getattr(first, name), getattr(other, name)), name


def test_a_probe_of_random_reaches_is_the_same_for_every_network():
    """Whatever their number; only the noise is their own, and go always comes at 0.44 s."""
    few, many = (random_reaches(n, 16, NullField(), generator(), probe=True) for n in (2, 5))
    for name in ("q0", "start", "target", "go_step"):
        first = getattr(few, name)[0]
        for reaches in (few, many):
            assert all(torch.equal(of_network, first) for of_network in getattr(reaches, name)), name
    assert (few.go_step == 44).all()
    assert len(few.target[0].unique(dim=0)) == len(few.q0[0].unique(dim=0)) == 16
    assert not torch.equal(few.observation_noise[0], few.observation_noise[1])
    q = random_reaches(1, 500, NullField(), generator(), probe=True, dtype=torch.float64).q0.numpy()
    low, high = load_arm("muscle").joint_range.T
    assert ((low <= q) & (q <= high)).all() and np.ptp(q, axis=(0, 1)) == pytest.approx(high - low, rel=0.05)


@pytest.mark.parametrize(("delays", "late"), [(Delays(), VISION), (Delays(0.06, cue=0.03), 3)])
def test_the_goal_moves_when_the_cue_is_seen(delays, late):
    reaches = centre_out(2, NullField(), generator(), probe=False, delays=delays)
    goal = reaches.goal()
    for i in range(2):
        for trial in range(8):
            go = int(reaches.go_step[i, trial])
            for k in range(1, TRIAL_STEPS + 1):  # state k is at the end of control step k - 1
                expected = reaches.target if k >= go + late else reaches.start
                assert torch.equal(goal[i, k - 1, trial], expected[i, trial])


@pytest.mark.parametrize("delays", [Delays(), Delays(0.0, 0.0), Delays(0.01, 0.05), STUDY_DELAYS])
def test_what_is_sensed_is_late_and_the_target_is_always_shown(delays):
    timing = Timing.of(delays)
    reaches = centre_out(1, NullField(), generator(), probe=True, delays=delays, noise=Noise(0.0, 0.0, 0.0))
    seen = [torch.full((1, 8, 2), float(t)) for t in range(TRIAL_STEPS)]
    felt = [torch.full((1, 8, 12), float(t)) for t in range(TRIAL_STEPS)]
    for t in range(TRIAL_STEPS):
        inputs = observation(reaches, t, seen[: t + 1], felt[: t + 1])
        assert inputs.shape == (1, 8, 17)
        assert (inputs[..., :2] == max(t - timing.vision, 0)).all()
        assert (inputs[..., 2:14] == max(t - timing.proprioception, 0)).all()
        assert torch.equal(inputs[..., 14:16], reaches.target)
        assert (inputs[..., 16] == float(t >= 44 + timing.cue)).all()
        assert timing.cue == round(100 * delays.cue_delay)


def test_catch_trials_never_get_a_cue():
    reaches = centre_out(1, NullField(), generator(), probe=False, catch_fraction=1.0)
    last = observation(reaches, TRIAL_STEPS - 1, [reaches.start] * 100, [torch.zeros(1, 8, 12)] * 100)
    assert (last[..., 16] == 0).all()


def test_the_field_of_a_batch_is_the_field_that_was_asked_for():
    field = CurlField(8.0) + ElasticField(20.0, onset="start") + ConstantField((1.0, 2.0), onset="cue")
    reaches = centre_out(2, field, generator(), probe=True, dtype=torch.float64)
    rng = generator()
    x, v = rng.normal(size=(16, 2)), rng.normal(size=(16, 2))
    before, after, late = (
        LinearFields(*(part.reshape(16, *part.shape[2:]).numpy() for part in parts)).force(x, v)
        for parts in reaches.fields
    )
    assert before == pytest.approx(20.0 * (reaches.start.reshape(16, 2).numpy() - x), abs=1e-12)
    assert after == pytest.approx(8.0 * np.stack([v[:, 1], -v[:, 0]], -1), abs=1e-12)
    assert (late == [1.0, 2.0]).all()


def test_a_field_sets_on_with_go_or_with_the_cue():
    field = ConstantField((1.0, 0.0)) + ConstantField((0.0, 1.0), onset="cue")
    reaches = centre_out(1, field, generator(), probe=False, delays=Delays(0.06, cue=0.03))
    for t in range(TRIAL_STEPS):
        _, _, _, force = combined_field(reaches.fields, reaches.begun(t))
        assert torch.equal(force[..., 0] != 0, t >= reaches.go_step)
        assert torch.equal(force[..., 1] != 0, t >= reaches.go_step + 3)


def test_go_of_training_comes_within_the_times_asked_for():
    for make in (lambda **go: centre_out(50, NullField(), generator(), probe=False, **go),
                 lambda **go: random_reaches(50, 8, NullField(), generator(), **go)):  # fmt: skip
        for go_time, first in ((TRAINING_GO, 10), (STUDY_TRAINING_GO, 11)):
            go = make(go_time=go_time).go_step
            assert sorted(set(go[go < NO_GO].tolist())) == list(range(first, 31))
        assert torch.equal(make().go_step, make(go_time=TRAINING_GO).go_step)


def test_delays_that_are_no_whole_steps_are_an_error():
    with pytest.raises(ValueError, match="0.005"):
        Delays(vision=0.005)


def test_a_rollout_starts_where_the_reaches_start():
    class Still(torch.nn.Module):
        def initial_state(self, trials):
            return (torch.zeros(1, trials, 1),)

        def step(self, inputs, state):
            return state

        def readout(self, hidden):
            return torch.zeros(*hidden.shape[:2], 6)

    reaches = centre_out(1, NullField(), generator(), probe=True)
    trajectory = plain_rollout(Still(), TorchArm(), reaches)
    assert trajectory.hand.shape == (1, TRIAL_STEPS, 8, 2)
    path = trajectory.path(reaches.start)
    assert path.shape == (1, 8, TRIAL_STEPS + 1, 2)
    assert np.array_equal(path[:, :, 0], reaches.start.double().numpy())
    assert np.abs(path[:, :, 1] - path[:, :, 0]).max() < 1e-3


def test_a_batch_of_one_network_is_made_without_a_warning(recwarn):
    centre_out(1, NullField(), generator(), probe=True, dtype=torch.float64)
    assert not recwarn.list
