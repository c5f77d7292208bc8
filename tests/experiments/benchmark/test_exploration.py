"""The noise of a learner stays, or comes back, where the first phase left it; its policy goes on learning."""

import numpy as np
import pytest
import torch
from sb3_contrib import TRPO
from stable_baselines3 import PPO, SAC, TD3

from agents.ppo.plain_ppo import PlainPPO, PPOSettings
from experiments.benchmark.exploration import Exploration
from experiments.benchmark.noise import learned_noise
from savings_gym import ReachVectorEnv
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.settings import TRIAL_STEPS


def small():
    return {"policy_kwargs": {"net_arch": [8]}, "seed": 0, "device": "cpu"}  # algorithms write into it


def make_ppo():
    model = PPO("MlpPolicy", ReachVecEnv(1, nthread=1), n_steps=100, batch_size=50, n_epochs=1, **small())
    return model, lambda: model.learn(TRIAL_STEPS), lambda: model.policy.action_net.weight


def make_trpo():
    model = TRPO("MlpPolicy", ReachVecEnv(1, nthread=1), n_steps=100, batch_size=50, **small())
    return model, lambda: model.learn(TRIAL_STEPS), lambda: model.policy.action_net.weight


def make_sac():
    model = SAC("MlpPolicy", ReachVecEnv(1, nthread=1), learning_starts=10, batch_size=8, **small())
    return model, lambda: model.learn(30, reset_num_timesteps=False), lambda: model.actor.mu.weight


def make_plain():
    env = ReachVectorEnv(1, autoreset_mode="SameStep", nthread=1)
    learner = PlainPPO(env, PPOSettings(units=8, epochs=1, minibatches=2))
    return learner, lambda: learner.learn(1), lambda: learner.actor[0].weight


@pytest.mark.parametrize("make", [make_ppo, make_trpo, make_sac, make_plain])
@pytest.mark.parametrize("mode", ["fixed", "reset", "as-trained"])
def test_noise_after_the_first_phase(make, mode):
    learner, learn, weight = make()
    exploration, parameter = Exploration("it", learner, mode), learned_noise(learner).parameter
    values = {}
    for phase in ("NF1", "FF1", "NF2", "FF2"):
        before = weight().detach().clone()
        exploration.begin(phase, first=phase == "NF1")
        values[f"{phase}_start"] = parameter.detach().clone()
        learn()
        exploration.end(phase)
        values[f"{phase}_end"] = parameter.detach().clone()
        assert not torch.equal(weight(), before)  # the policy goes on learning
    kept = values["NF1_end"]
    assert not torch.equal(kept, values["NF1_start"])
    assert torch.equal(values["FF2_start"], kept) == (mode != "as-trained")
    assert torch.equal(values["FF2_end"], kept) == (mode == "fixed")
    assert torch.equal(values["FF1_end"], kept) == (mode == "fixed")
    assert list(exploration.noise) == list(values)
    levels = [level for level in exploration.noise.values() if level is not None]
    assert len(levels) == len(values) - (make is make_sac) and min(levels) > 0.0  # SAC has seen nothing yet


def test_the_level_is_the_standard_deviation_of_actions():
    learner, learn, _ = make_ppo()
    learn()
    observation = torch.zeros(2000, *learner.observation_space.shape)
    actions = learner.policy.get_distribution(observation).sample().detach()
    assert learned_noise(learner).level() == pytest.approx(float(actions.std(0).mean()), rel=0.03)
    learner, learn, _ = make_sac()
    learn()
    level = learned_noise(learner).level()
    seen = torch.as_tensor(learner.replay_buffer.observations[:30, 0])
    _, log_std, _ = learner.actor.get_action_dist_params(seen)
    assert level == pytest.approx(float(log_std.detach().exp().mean()), rel=1e-5)


def test_an_agent_of_fixed_noise_can_be_saved_and_loaded(tmp_path):
    model, learn, weight = make_sac()
    exploration = Exploration("sac", model, "fixed")
    exploration.begin("NF1", first=True), learn(), exploration.begin("FF1", first=False), learn()
    model.save(tmp_path / "model.zip")
    loaded = SAC.load(tmp_path / "model.zip")
    assert torch.equal(loaded.log_ent_coef, model.log_ent_coef)
    assert torch.equal(loaded.actor.mu.weight, weight())


def test_a_learner_without_known_noise_is_refused_unless_left_as_trained():
    class Mystery:
        pass

    with pytest.raises(ValueError, match="mine .Mystery. has no exploration noise .* as-trained"):
        Exploration("mine", Mystery(), "fixed")
    Exploration("mine", Mystery(), "as-trained").begin("NF1", first=True)
    td3 = TD3("MlpPolicy", ReachVecEnv(1, nthread=1), **small())
    exploration = Exploration("td3", td3, "fixed")  # its noise never changes
    exploration.begin("NF1", first=True)
    assert exploration.noise == {"NF1_start": None}
    assert np.isfinite(td3.predict(td3.get_env().reset())[0]).all()
