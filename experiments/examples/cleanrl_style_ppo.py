"""PPO in one file, in the style of cleanrl, as an agent of the benchmark; of this project it knows only an id.

    python -m experiments.examples.cleanrl_style_ppo             # learn to reach, on its own
    python -m experiments.benchmark --agent experiments.examples.cleanrl_style_ppo:PPO

Copy it to begin with: nothing but `learn`, `predict` and the constructor is asked for, and `save` and `load`
let a job that was killed go on. PPO: Schulman et al. 2017, arXiv 1707.06347; advantages: 1506.02438.
"""

import math
import time

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import nn

TRIAL = 100  # control steps; rollouts are whole trials


def layer(inputs, outputs, gain=math.sqrt(2)):
    """Return a linear layer with orthogonal weights."""
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


class PPO:
    """Learns trial by trial in the environment that it is given; see `experiments.benchmark.outside`.

    Args:
        make_env: Makes the vector environment of a number of arms.
        seed: Seed of everything random here.
        arms: Arms side by side; a rollout is one trial of each.
        frames: Latest observations in the input.
        units: Units of both hidden layers.
        rate: Learning rate of Adam.
        epochs: Passes over a rollout.
        batch: Steps of a minibatch.
        gamma: Discount factor.
        trace: Lambda of the advantages.
        clip: Largest change of a probability ratio.
        log_std: Logarithm of the first standard deviation, in half ranges of the actions.
    """

    def __init__(
        self, make_env, seed, arms=32, frames=4, units=128, rate=5e-4, epochs=8, batch=800, gamma=0.97,
        trace=0.95, clip=0.2, log_std=-1.5,
    ):  # fmt: skip
        torch.manual_seed(seed)
        self.envs, self.seed = make_env(arms, autoreset_mode="SameStep"), seed
        self.frames, self.epochs, self.batch = frames, epochs, batch
        self.gamma, self.trace, self.clip = gamma, trace, clip
        size, actions = self.envs.single_observation_space.shape[0], self.envs.single_action_space
        self.low, self.half = actions.low, (actions.high - actions.low) / 2
        n, inputs = actions.shape[0], frames * size
        self.actor, self.critic = (
            nn.Sequential(
                layer(inputs, units), nn.Tanh(), layer(units, units), nn.Tanh(), layer(units, outputs, gain)
            )
            for outputs, gain in ((n, 0.01), (1, 1.0))
        )
        nn.init.constant_(self.actor[-1].bias, -0.8)  # muscles at rest
        self.log_std = nn.Parameter(torch.full((n,), log_std))
        self.parameters = [*self.actor.parameters(), *self.critic.parameters(), self.log_std]
        self.optimiser = torch.optim.Adam(self.parameters, rate, eps=1e-5)
        self.count, self.mean, self.square = 1e-4, np.zeros(size), np.ones(size)  # of observations
        self.stack = None

    def push(self, stack, newest, begins):
        """Return the last observations (n, frames, size) with the newest one at the end."""
        shifted = np.concatenate([stack[:, 1:], newest[:, None]], 1)
        return np.where(np.asarray(begins)[:, None, None], newest[:, None], shifted)

    def inputs(self, stack):
        """Return normalised inputs, (n, frames * size)."""
        deviation = np.sqrt(np.maximum(self.square - self.mean**2, 0.0) + 1e-8)
        scaled = np.clip((stack - self.mean) / deviation, -10, 10).astype(np.float32)
        return torch.from_numpy(scaled.reshape(len(stack), -1))

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """Return actions and the last observations, by the convention of stable-baselines3."""
        if state is None:
            state = np.repeat(observation[:, None], self.frames, 1)
        starts = np.zeros(len(observation), dtype=bool) if episode_start is None else episode_start
        stack = self.push(state, observation, starts)
        with torch.no_grad():
            raw = self.actor(self.inputs(stack))
            raw = raw if deterministic else torch.distributions.Normal(raw, self.log_std.exp()).sample()
        return self.act(raw), stack

    def act(self, raw):
        """Return actions in their range."""
        return self.low + self.half * (np.clip(raw.numpy(), -1.0, 1.0) + 1.0)

    def learn(self, trials):
        """Learn from so many trials of all arms together, a multiple of the arms."""
        for _ in range(trials // self.envs.num_envs):
            self.improve(*self.rollout())

    @torch.no_grad()
    def rollout(self):
        """Return inputs, actions, their log probabilities, advantages and returns of one trial per arm."""
        if self.stack is None:
            observation, _ = self.envs.reset(seed=self.seed)
            self.stack = np.repeat(observation[:, None], self.frames, 1)
        x, raw, logp, reward, following = [], [], [], [], []
        for _ in range(TRIAL):
            newest = self.stack[:, -1]
            self.count += len(newest)
            self.mean += (newest - self.mean).sum(0) / self.count
            self.square += (newest**2 - self.square).sum(0) / self.count
            x.append(self.inputs(self.stack))
            policy = torch.distributions.Normal(self.actor(x[-1]), self.log_std.exp())
            raw.append(policy.sample())
            logp.append(policy.log_prob(raw[-1]).sum(1))
            observation, r, terminated, truncated, info = self.envs.step(self.act(raw[-1]))
            ends = terminated | truncated
            last = observation.copy()
            if ends.any():  # a trial ends by time: the value of its last observation follows
                last[ends] = np.stack(info["final_obs"][ends])
            following.append(self.inputs(self.push(self.stack, last, np.zeros(len(last), dtype=bool))))
            self.stack = self.push(self.stack, observation, ends)
            reward.append(torch.from_numpy(10.0 * r).float())
        x, raw, logp, following = (torch.stack(part) for part in (x, raw, logp, following))
        value, then = self.critic(x)[..., 0], self.critic(following)[..., 0]
        error = torch.stack(reward) + self.gamma * then - value
        advantage, later = torch.zeros_like(error), torch.zeros_like(error[0])
        for t in reversed(range(TRIAL)):
            advantage[t] = later = error[t] + self.gamma * self.trace * later
        return (part.flatten(0, 1) for part in (x, raw, logp, advantage, advantage + value))

    def improve(self, x, raw, logp, advantage, target):
        """Make the epochs of one update."""
        for _ in range(self.epochs):
            for rows in torch.randperm(len(x)).split(self.batch):
                policy = torch.distributions.Normal(self.actor(x[rows]), self.log_std.exp())
                ratio = (policy.log_prob(raw[rows]).sum(1) - logp[rows]).exp()
                gain = (advantage[rows] - advantage[rows].mean()) / (advantage[rows].std() + 1e-8)
                limited = ratio.clamp(1 - self.clip, 1 + self.clip)
                loss = -torch.minimum(ratio * gain, limited * gain).mean()
                loss = loss + 0.25 * (self.critic(x[rows])[:, 0] - target[rows]).square().mean()
                self.optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, 0.5)
                self.optimiser.step()

    def save(self, path):
        """Write all that is kept between two calls of `learn`."""
        parts = ("actor", "critic", "optimiser")
        kept = {name: getattr(self, name).state_dict() for name in parts}
        kept |= {name: getattr(self, name) for name in ("log_std", "count", "mean", "square", "stack")}
        torch.save(kept, path)

    def load(self, path):
        """Read what `save` wrote."""
        kept = torch.load(path, weights_only=False)
        for name in ("actor", "critic", "optimiser"):
            getattr(self, name).load_state_dict(kept.pop(name))
        self.log_std.data.copy_(kept.pop("log_std").data)
        self.__dict__.update(kept)


def main(trials: int = 3200, seed: int = 0):
    """Learn to reach without the benchmark, and print how long that takes."""
    began = time.time()
    agent = PPO(lambda n, **options: gym.make_vec("savings_gym:ForceFieldReach-v0", n, **options), seed)
    agent.learn(trials)
    print(f"{trials} trials in {time.time() - began:.0f} s")


if __name__ == "__main__":
    tyro.cli(main)
