"""PPO in plain PyTorch: it learns, remembers frames, and knows truncation from termination."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from agents.ppo.plain_ppo import PlainPPO, PPOSettings, advantages, stack_frame
from savings_gym import ReachVectorEnv

SMALL = PPOSettings(
    steps=16,
    units=32,
    learning_rate=3e-3,
    epochs=4,
    minibatches=2,
    discount=0.8,
    deviation=0.2,
    reward_scale=1.0,
)


class Follow(gym.vector.VectorEnv):
    """Act as a number says: shown in every observation, or (``once``) in the first of each trial only.

    With a ``wage`` that is the reward, whatever is done.
    """

    def __init__(self, n=64, once=False, length=4, wage=None, terminates=False):
        self.num_envs, self.once, self.length, self.wage, self.terminates = n, once, length, wage, terminates
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, n)
        self.action_space = batch_space(self.single_action_space, n)

    def _see(self):
        return (self.number * (not self.once or self.t == 0))[:, None].astype(np.float32)

    def _begin(self):
        self.t, self.number = 0, self.np_random.uniform(-0.5, 0.5, self.num_envs)
        return self._see()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._begin(), {}

    def step(self, actions):
        counts = not self.once or self.t > 0
        reward = -((actions[:, 0] - self.number) ** 2) * counts
        if self.wage is not None:
            reward = np.full(self.num_envs, self.wage)
        self.t += 1
        over, info, seen = np.full(self.num_envs, self.t == self.length), {}, self._see()
        if over.all():
            final = np.empty(self.num_envs, dtype=object)
            final[:] = list(seen)
            info, seen = {"final_obs": final}, self._begin()
        return seen, reward, over & self.terminates, over & (not self.terminates), info


def changed(**values):
    return dataclasses.replace(SMALL, **values)


def parameters(learner):
    parts = [*learner.actor.parameters(), *learner.critic.parameters(), learner.log_deviation]
    return torch.cat([part.detach().flatten() for part in parts])


def normalised(learner, observation):
    """An observation (n, channels) as the networks of a learner of one frame see it."""
    moments = learner.moments
    scaled = (observation - moments.mean) / np.sqrt(moments.var + 1e-8)
    return torch.as_tensor(scaled, dtype=torch.float32)


def test_it_learns():
    learner = PlainPPO(Follow(), SMALL)
    before, after = learner.learn(1), 0.0
    for _ in range(6):
        after = learner.learn(1000)
    numbers = np.array([[-0.4], [0.0], [0.4]], dtype=np.float32)
    assert learner.predict(numbers)[0] == pytest.approx(numbers, abs=0.1)
    assert before < -0.4 and after > before / 2  # the rest is noise in the actions


def test_with_frames_it_solves_what_without_them_it_cannot():
    first, later, answers = np.array([[-0.4], [0.4]]), np.zeros((2, 1)), []
    for frames in (1, 2):
        learner = PlainPPO(Follow(once=True, length=2), changed(frames=frames))
        learner.learn(8000)
        _, state = learner.predict(first)
        answers.append(learner.predict(later, state, episode_start=np.zeros(2, dtype=bool))[0][:, 0])
    assert answers[0] == pytest.approx([0.0, 0.0], abs=0.1)
    assert answers[1] == pytest.approx([-0.4, 0.4], abs=0.1)


@pytest.mark.parametrize("terminates", [False, True], ids=["truncated", "terminated"])
def test_what_follows_a_truncated_trial_has_value_and_what_follows_a_terminated_one_has_none(terminates):
    learner = PlainPPO(Follow(length=3, wage=1.0, terminates=terminates), changed(learning_rate=1e-2))
    learner.learn(8000)
    with torch.no_grad():
        value = learner.critic(normalised(learner, np.zeros((1, 1)))).item()
    # the first, second and third step of a trial look alike
    endless, three_steps = 1 / (1 - 0.8), np.mean([1 + 0.8 + 0.64, 1 + 0.8, 1])
    assert value == pytest.approx(three_steps if terminates else endless, rel=0.1)


def test_the_same_seed_gives_the_same_learner_whatever_was_predicted_in_between():
    learners = [PlainPPO(Follow(4), SMALL, seed) for seed in (3, 3, 4)]
    for number, learner in enumerate(learners):
        torch.manual_seed(number)
        learner.learn(32)
        if number == 1:
            learner.predict(np.zeros((3, 1)), deterministic=False)
        learner.learn(32)
    same, again, other = (parameters(learner) for learner in learners)
    assert torch.equal(same, again) and not torch.equal(same, other)
    assert [learner.trials for learner in learners] == [64, 64, 64]


def test_trials_beyond_those_asked_for_count_towards_the_next_call():
    learner = PlainPPO(Follow(4), SMALL)  # 16 trials an update
    done = [(learner.learn(trials), learner.trials)[1] for trials in (1, 14, 2, 31)]
    assert done == [16, 16, 32, 48] and np.isnan(learner.learn(0))


def test_frames_begin_anew_where_a_trial_begins():
    stack, newest = np.arange(12.0).reshape(2, 3, 2), np.array([[20.0, 21.0], [30.0, 31.0]])
    after = stack_frame(stack, newest, np.array([False, True]))
    assert after[0].tolist() == [[2, 3], [4, 5], [20, 21]] and after[1].tolist() == [[30, 31]] * 3
    learner = PlainPPO(Follow(4), changed(frames=3))
    learner.learn(16)
    seen = np.random.default_rng(0).normal(size=(2, 4, 1)).astype(np.float32)
    alone, _ = learner.predict(seen[1])
    _, state = learner.predict(seen[0])
    later, _ = learner.predict(seen[1], state)
    mixed, _ = learner.predict(seen[1], state, episode_start=np.array([True, False, False, True]))
    assert np.abs(later - alone).min() > 0
    assert np.array_equal(mixed, np.where([[True], [False], [False], [True]], alone, later))
    assert learner.predict(seen[1, 0])[0] == pytest.approx(alone[0], abs=1e-6)


def test_advantages_are_discounted_sums_up_to_the_end_of_the_trial():
    rng = np.random.default_rng(0)
    surprise, ended = rng.normal(size=(7, 2)), rng.random((7, 2)) < 0.3
    advantage = advantages(torch.tensor(surprise), torch.tensor(0.8 * ~ended))
    for row in range(2):
        for t in range(7):
            stop = next((k for k in range(t, 7) if ended[k, row]), 6)
            assert advantage[t, row] == pytest.approx(
                sum(0.8 ** (k - t) * surprise[k, row] for k in range(t, stop + 1))
            )


def test_the_networks_see_observations_normalised_by_all_of_the_past():
    learner = PlainPPO(Follow(64), SMALL)
    learner.learn(2560)  # 2560 numbers, each seen in 4 steps
    numbers = learner.env.np_random.uniform(-0.5, 0.5, (5000, 1)).astype(np.float32)
    inputs = normalised(learner, numbers)
    assert inputs.mean() == pytest.approx(0.0, abs=0.1) and inputs.std() == pytest.approx(1.0, rel=0.1)
    assert learner.moments.count == pytest.approx(4 * 2560)
    with torch.no_grad():
        expected = learner.actor(inputs)
    assert learner.predict(numbers)[0] == pytest.approx(expected.numpy(), abs=1e-6)


def test_it_learns_on_the_arm_and_probing_leaves_it_as_it_is():
    env = ReachVectorEnv(8, autoreset_mode="SameStep", nthread=1)
    learner = PlainPPO(env, PPOSettings(frames=2, units=16, epochs=1))
    assert learner.learn(8) < 5.0 and learner.trials == 8
    observation, _ = ReachVectorEnv(3, nthread=1).reset(seed=0)
    before = parameters(learner), learner.moments.mean.copy()
    for deterministic in (True, False):
        action, (frames,) = learner.predict(observation, None, np.ones(3, dtype=bool), deterministic)
        assert action.dtype == np.float32 and frames.shape == (3, 2, 17)
        assert all(env.single_action_space.contains(row) for row in action)
    after = parameters(learner), learner.moments.mean
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    assert np.abs(learner.predict(observation)[0] - 0.1).max() < 0.2  # muscles begin nearly relaxed


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="SameStep.*NEXT_STEP"):
        PlainPPO(ReachVectorEnv(2, nthread=1))
    with pytest.raises(ValueError, match="frames.*0"):
        PPOSettings(frames=0)
    env = gym.make_vec(
        "CartPole-v1", 2, vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}, vectorization_mode="sync"
    )
    with pytest.raises(ValueError, match="bounded Box.*Discrete"):
        PlainPPO(env)
    with pytest.raises(ValueError, match="minibatches must be a whole number of at least 1, got 2.5"):
        PPOSettings(minibatches=2.5)
    with pytest.raises(ValueError, match=r"\(1,\) or \(n, 1\), got \(5,\)"):
        PlainPPO(Follow(2), SMALL).predict(np.zeros(5))


SIZES = ("environments", "steps", "minibatches")


@pytest.mark.parametrize(SIZES, [(1, 9, 4), (1, 7, 3), (2, 8, 8), (3, 9, 10)])
def test_minibatches_of_any_number_leave_finite_weights(environments, steps, minibatches):
    learner = PlainPPO(Follow(environments), changed(steps=steps, minibatches=minibatches))
    learner.learn(4)
    assert torch.isfinite(parameters(learner)).all()


@pytest.mark.parametrize(SIZES, [(1, 9, 8), (1, 1, 1), (2, 8, 9)])
def test_minibatches_of_a_single_step_are_refused(environments, steps, minibatches):
    with pytest.raises(
        ValueError, match=f"{steps} steps of {environments} env.* {minibatches} minibatches of"
    ):
        PlainPPO(Follow(environments), changed(steps=steps, minibatches=minibatches))
