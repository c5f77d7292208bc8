"""Laws of recurrent PPO: what the stock class learns, memory, states, saving."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from gymnasium import spaces  # noqa: E402
from sb3_contrib import RecurrentPPO as StockRecurrentPPO  # noqa: E402
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy  # noqa: E402
from sb3_contrib.common.recurrent.type_aliases import RNNStates  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402

from agents.ppo.layers import LAYERS  # noqa: E402
from agents.ppo.recurrent_policy import RecurrentPolicy  # noqa: E402
from agents.ppo.recurrent_ppo import RecurrentPPO  # noqa: E402

POLICIES = {"lstm": "LstmPolicy", "gru": "GruPolicy", "rnn": "RnnPolicy"}


class Recall(gym.Env[Any, Any]):
    """A cue of -1 or 1 is seen in the first step only; the last action is rewarded for its sign."""

    STEPS = 4
    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.t = int(self.np_random.integers(2)), 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        over = self.t == self.STEPS
        return self.observe(), float(over and action == self.cue), over, False, {}

    def observe(self) -> Any:
        cue = 2.0 * self.cue - 1.0 if self.t == 0 else 0.0
        return np.array([cue, self.t == self.STEPS - 1], np.float32)


class Follow(gym.Env[Any, Any]):
    """A point is pushed in the plane to the origin; episodes of 9 to 25 steps are truncated."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(0.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = self.np_random.normal(size=2).astype(np.float32)
        self.left = int(self.np_random.integers(9, 26))
        return self.at.copy(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at += 0.3 * (np.asarray(action) - 0.5)
        self.left -= 1
        return self.at.copy(), -float(np.square(self.at).sum()), False, self.left == 0, {}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def parameters(model: Any) -> dict[str, Any]:
    return {name: value.detach().double() for name, value in model.policy.named_parameters()}


def distance(a: Any, b: Any) -> float:
    first, second = parameters(a), parameters(b)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def learner(kind: Any, env: Any, policy: Any, optimiser: Any = torch.optim.Adam, **policy_kwargs: Any) -> Any:
    """A model made with seed 7; what it learns next depends on nothing else that ran before."""
    options = {"lstm_hidden_size": 16, "net_arch": [8], "optimizer_class": optimiser, **policy_kwargs}
    return kind(
        policy, make_vec_env(env, 4, seed=7), n_steps=32, batch_size=40, n_epochs=1, seed=7, device="cpu",
        learning_rate=1e-3 if optimiser is torch.optim.Adam else 1e-2, policy_kwargs=options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("env", "policy_kwargs"),
    [
        ("CartPole-v1", {}),
        (Follow, {}),
        (Follow, {"shared_lstm": True, "enable_critic_lstm": False}),
        (Follow, {"enable_critic_lstm": False, "n_lstm_layers": 2, "lstm_kwargs": {"bias": False}}),
    ],
)
def test_parameters_after_12_rollouts_are_those_of_the_stock_class(env: Any, policy_kwargs: Any) -> None:
    # plain gradient steps, so that rounding stays rounding
    sgd = torch.optim.SGD
    stock = learner(StockRecurrentPPO, env, "MlpLstmPolicy", sgd, **policy_kwargs)
    stock.learn(12 * 32 * 4)
    fast = learner(RecurrentPPO, env, "LstmPolicy", sgd, **policy_kwargs)
    fast.learn(12 * 32 * 4)
    assert distance(stock, fast) < 2e-6
    assert distance(learner(RecurrentPPO, env, "LstmPolicy", sgd, **policy_kwargs), fast) > 1e-2


def test_a_minibatch_of_a_single_step_leaves_finite_weights() -> None:
    model = RecurrentPPO(
        "GruPolicy", make_vec_env(Follow, 1, seed=0), n_steps=101, batch_size=100, minibatches="steps",
        n_epochs=2, device="cpu", policy_kwargs={"lstm_hidden_size": 8},
    )  # fmt: skip
    before = parameters(model)
    model.learn(202)
    assert all(value.isfinite().all() for value in parameters(model).values())
    assert any(not torch.equal(value, before[name]) for name, value in parameters(model).items())


@pytest.mark.parametrize("policy", ["GruPolicy", "RnnPolicy"])
def test_other_cells_learn_what_they_learn_step_by_step_in_torch(policy: str) -> None:
    models = [
        learner(RecurrentPPO, Follow, policy, torch.optim.SGD, fast=fast).learn(6 * 32 * 4)
        for fast in (True, False)
    ]
    assert distance(*models) < 2e-6
    assert distance(learner(RecurrentPPO, Follow, policy), models[0]) > 1e-3


def test_both_begin_with_the_same_parameters() -> None:
    models = [
        learner(StockRecurrentPPO, Follow, "MlpLstmPolicy"),
        learner(RecurrentPPO, Follow, "LstmPolicy"),
    ]
    assert distance(*models) == 0.0


def test_with_adam_it_differs_from_stock_no_more_than_stock_from_itself_after_a_rounding_error() -> None:
    stock = learner(StockRecurrentPPO, Follow, "MlpLstmPolicy").learn(10 * 32 * 4)
    fast = learner(RecurrentPPO, Follow, "LstmPolicy").learn(10 * 32 * 4)
    nudged = learner(StockRecurrentPPO, Follow, "MlpLstmPolicy")
    with torch.no_grad():
        for parameter in nudged.policy.parameters():
            parameter *= 1.0 + torch.finfo(torch.float32).eps
    nudged.learn(10 * 32 * 4)
    assert distance(stock, fast) < 10 * distance(stock, nudged)


def test_a_start_within_a_sequence_takes_the_stock_path() -> None:
    env = make_vec_env(Follow, 1)
    policy = RecurrentPPO("LstmPolicy", env, device="cpu", policy_kwargs={"lstm_hidden_size": 8}).policy
    features, states = torch.randn(3 * 5, 2), (torch.randn(1, 3, 8), torch.randn(1, 3, 8))
    starts = torch.zeros(3, 5)
    starts[0, 0] = starts[1, 3] = 1.0
    ours = policy._process_sequence(features, states, starts.flatten(), policy.lstm_actor)
    stock = RecurrentActorCriticPolicy._process_sequence(
        features, states, starts.flatten(), policy.lstm_actor
    )
    for a, b in zip((ours[0], *ours[1]), (stock[0], *stock[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def recall(kind: Any, policy: str, **policy_kwargs: Any) -> float:
    """Mean reward after learning, 0.5 by chance."""
    env = make_vec_env(Recall, 32, seed=1)
    model = kind(
        policy, env, n_steps=16, batch_size=256, n_epochs=8, gamma=0.9, learning_rate=5e-3, seed=1,
        device="cpu", policy_kwargs={"net_arch": [], **policy_kwargs},
    )  # fmt: skip
    model.learn(8_000)
    return float(evaluate_policy(model, env, 200)[0])


@pytest.mark.parametrize("policy", POLICIES.values())
def test_memory_solves_what_only_memory_can(policy: str) -> None:
    assert recall(RecurrentPPO, policy, lstm_hidden_size=16) > 0.95


def test_no_memory_does_not() -> None:
    assert recall(PPO, "MlpPolicy") < 0.65


@pytest.mark.parametrize("cell", LAYERS)
def test_same_seed_same_parameters_and_another_seed_others(cell: str) -> None:
    models = [learner(RecurrentPPO, Follow, POLICIES[cell]).learn(300) for _ in range(2)]
    assert distance(*models) == 0.0
    other = learner(RecurrentPPO, Follow, POLICIES[cell])
    other.set_random_seed(8)
    assert distance(models[0], other.learn(300)) > 0.0


@pytest.mark.parametrize("cell", LAYERS)
def test_a_loaded_model_acts_and_learns_on_as_the_saved_one(cell: str, tmp_path: Any) -> None:
    model = learner(RecurrentPPO, Follow, POLICIES[cell], bounds="squash", action_init=0.3)
    model.learn(300)
    model.save(tmp_path / "model")
    loaded = RecurrentPPO.load(tmp_path / "model", env=model.get_env(), device="cpu")
    model.policy.save(str(tmp_path / "policy"))
    alone = RecurrentPolicy.load(str(tmp_path / "policy"), device="cpu")
    observations, states = np.random.default_rng(0).normal(size=(6, 4, 2)).astype("f"), [None] * 3
    for observation in observations:
        actions = []
        for i, actor in enumerate((model, loaded, alone)):
            action, states[i] = actor.predict(observation, states[i], deterministic=True)
            actions.append(action)
        np.testing.assert_array_equal(actions[0], actions[1])
        np.testing.assert_array_equal(actions[0], actions[2])
    loaded.learn(300)


def test_a_stock_model_loads() -> None:
    stock = learner(StockRecurrentPPO, Follow, "MlpLstmPolicy")
    ours = learner(RecurrentPPO, Follow, "LstmPolicy", ortho_init=False)
    ours.set_parameters(stock.get_parameters())
    observation = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(
        ours.predict(observation, deterministic=True)[0], stock.predict(observation, deterministic=True)[0]
    )


@pytest.mark.parametrize("cell", LAYERS)
def test_memory_is_carried_by_state_and_reset_by_episode_start(cell: str) -> None:
    model = learner(RecurrentPPO, Follow, POLICIES[cell], action_init=0.5)
    first, second = np.random.default_rng(0).normal(size=(2, 4, 2)).astype("f")

    def act(state: Any, start: Any) -> Any:
        return model.predict(second, state, np.asarray(start), deterministic=True)

    _, state = model.predict(first, deterministic=True)
    assert state[0].shape == state[1].shape == (1, 4, 16)
    fresh, new = act(None, [True] * 4)
    mixed, after = act(state, [True, False, True, False])
    carried, _ = act(state, [False] * 4)
    np.testing.assert_array_equal(mixed[[0, 2]], fresh[[0, 2]])
    np.testing.assert_array_equal(mixed[[1, 3]], carried[[1, 3]])
    np.testing.assert_array_equal(after[0][:, [0, 2]], new[0][:, [0, 2]])
    assert (carried != fresh).any(axis=1).all()
    assert cell == "lstm" or not after[1].any()


def test_the_first_actions_are_where_they_were_asked_for() -> None:
    for bounds in ("clip", "squash"):
        model = learner(RecurrentPPO, Follow, "GruPolicy", bounds=bounds, action_init=0.2)
        actions, _ = model.predict(np.random.randn(50, 2).astype("f"), deterministic=True)
        np.testing.assert_allclose(actions, 0.2, atol=0.02)  # the last layer begins with gains of 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"policy": "GRUPolicy"},
            "policy must be one of .*'LstmPolicy', 'MlpLstmPolicy'.* got 'GRUPolicy'",
        ),
        ({"minibatches": "trials"}, r"minibatches must be one of \('steps', 'sequences'\), got 'trials'"),
        ({"policy_kwargs": {"cell": "mgu"}}, r"cell must be one of \('lstm', 'gru', 'rnn'\), got 'mgu'"),
        ({"policy_kwargs": {"bounds": "tanh"}}, r"bounds must be one of \('clip', 'squash'\), got 'tanh'"),
        ({"policy_kwargs": {"action_init": 1.5}}, "got 1.5"),
        ({"env": "CartPole-v1", "policy_kwargs": {"bounds": "squash"}}, "bounded Box"),
    ],
)
def test_unknown_choices_are_refused_with_the_known_ones(arguments: dict[str, Any], message: str) -> None:
    env = make_vec_env(arguments.pop("env", Follow))
    with pytest.raises(ValueError, match=message):
        RecurrentPPO(arguments.pop("policy", "LstmPolicy"), env, device="cpu", **arguments)


def test_gaussian_actions_are_those_of_the_distribution_of_stable_baselines3() -> None:
    policy = learner(RecurrentPPO, Follow, "GruPolicy", log_std_init=-0.7).policy
    states = (torch.zeros(1, 4, 16), torch.zeros(1, 4, 16))
    given = torch.randn(4, 2), RNNStates(states, states), torch.ones(4)
    with torch.no_grad():
        torch.manual_seed(3)
        actions, _, log_prob, _ = policy(*given)
        distribution, _ = policy.get_distribution(given[0], states, given[2])
        torch.manual_seed(3)
        assert torch.equal(distribution.sample(), actions)
        torch.testing.assert_close(distribution.log_prob(actions), log_prob)
        assert torch.equal(policy(*given, deterministic=True)[0], distribution.mode())
        policy.action_net.bias.fill_(torch.nan)
        with pytest.raises(ValueError, match="not numbers"):
            policy(*given)


@pytest.mark.parametrize("bounds", ["clip", "squash"])
def test_predicted_actions_are_the_mode_of_the_distribution(bounds: str) -> None:
    model = learner(RecurrentPPO, Follow, "GruPolicy", bounds=bounds)
    policy, observation = model.policy, np.random.default_rng(0).normal(size=(4, 2)).astype("f")
    states = (torch.zeros(1, 4, 16), torch.zeros(1, 4, 16))
    actions, after = model.predict(observation, deterministic=True)
    with torch.no_grad():
        given = torch.from_numpy(observation), states, torch.zeros(4)
        distribution, expected = policy.get_distribution(*given)
        mode = policy.into_bounds(distribution.mode()).numpy()
        policy.action_net.bias.fill_(torch.nan)
    np.testing.assert_array_equal(actions, mode)
    np.testing.assert_array_equal(after[0], expected[0].numpy())
    with pytest.raises(ValueError, match="not numbers"):
        model.predict(observation, deterministic=True)


def test_a_change_of_weights_is_seen_at_once() -> None:
    policy = learner(RecurrentPPO, Follow, "LstmPolicy").policy
    states = (torch.zeros(1, 4, 16), torch.zeros(1, 4, 16))
    given = torch.randn(4, 2), RNNStates(states, states), torch.zeros(4)
    with torch.no_grad(), policy.fixed_weights():
        before = policy(*given, deterministic=True)[0]
        torch.testing.assert_close(policy.get_distribution(given[0], states, given[2])[0].mode(), before)
        policy.lstm_actor.weight_ih_l0 *= 2.0
        after = policy(*given, deterministic=True)[0]
    assert not torch.equal(before, after)
    with torch.no_grad():  # outside, torch computes single steps
        torch.testing.assert_close(policy(*given, deterministic=True)[0], after)


def test_images_and_dicts_are_refused() -> None:
    for space in (spaces.Box(0, 255, (36, 36, 3), np.uint8), spaces.Dict(a=Follow.observation_space)):
        with pytest.raises(ValueError, match="flat observations"):
            RecurrentPolicy(space, Follow.action_space, lambda _: 1e-3)
