"""PPO in one file, in the style of cleanrl: an agent for the benchmark that uses the environment only.

    python -m experiments.examples.cleanrl_style_ppo             # learn in the field, on its own
    python -m experiments.benchmark --agent experiments.examples.cleanrl_style_ppo:PPO

PPO: Schulman et al. 2017, arXiv 1707.06347; its advantages: Schulman et al. 2016, arXiv 1506.02438.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.distributions import Normal

TRIAL = 100  # control steps of a trial; a rollout is one trial of every arm
NETWORKS = ("actor", "critic", "optimiser")
NUMBERS = ("log_std", "count", "mean", "variance", "observation")


def network(inputs: int, units: int, outputs: int, gain: float, bias: float) -> nn.Sequential:
    """Return two hidden layers and an output, with orthogonal weights and a last bias."""
    layers: list[nn.Module] = []
    for width, following, scale in ((inputs, units, 1.4), (units, units, 1.4), (units, outputs, gain)):
        linear = nn.Linear(width, following)
        nn.init.orthogonal_(linear.weight, scale)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    nn.init.constant_(linear.bias, bias)
    return nn.Sequential(*layers[:-1])


class PPO:
    """Learns trial by trial in the environment that it is given; see `experiments.benchmark.outside`."""

    def __init__(
        self, make_env: Callable[..., gym.vector.VectorEnv], seed: int, arms: int = 32, units: int = 128,
        rate: float = 5e-4, epochs: int = 8, batch: int = 800, gamma: float = 0.97, trace: float = 0.95,
        clip: float = 0.2, log_std: float = -1.9,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.envs = make_env(arms, autoreset_mode="SameStep")
        self.epochs, self.batch, self.gamma, self.trace, self.clip = epochs, batch, gamma, trace, clip
        actions: Any = self.envs.single_action_space
        self.low, self.half = actions.low, (actions.high - actions.low) / 2
        self.observation, _ = self.envs.reset(seed=seed)
        inputs, outputs = self.observation.shape[1], len(self.low)
        self.actor = network(inputs, units, outputs, 0.01, -0.8)  # muscles almost at rest
        self.critic = network(inputs, units, 1, 1.0, 0.0)
        self.log_std = nn.Parameter(torch.full((outputs,), log_std))
        self.parameters = [*self.actor.parameters(), *self.critic.parameters(), self.log_std]
        self.optimiser = torch.optim.Adam(self.parameters, rate, eps=1e-5)
        self.count, self.mean, self.variance = 1e-4, np.zeros(inputs), np.ones(inputs)  # of observations

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, Any]:
        """Return actions, and no memory, by the convention of stable-baselines3."""
        with torch.no_grad():
            policy = self.policy(self.normalised(observation))
            return self.action(policy.mean if deterministic else policy.sample()), None

    def learn(self, trials: int) -> None:
        """Learn from so many trials of all arms together, a multiple of the arms."""
        for _ in range(trials // self.envs.num_envs):
            self.improve(*self.rollout())

    def policy(self, inputs: Tensor) -> Normal:
        """Return the distribution of actions before they are limited."""
        return Normal(self.actor(inputs), self.log_std.exp())

    def action(self, raw: Tensor) -> Any:
        """Return actions in their range."""
        return self.low + self.half * (np.clip(raw.numpy(), -1.0, 1.0) + 1.0)

    def normalised(self, observation: Any) -> Tensor:
        """Return observations in units of their standard deviation."""
        scaled = (observation - self.mean) / np.sqrt(self.variance + 1e-8)
        return torch.from_numpy(np.clip(scaled, -10.0, 10.0).astype(np.float32))

    def see(self) -> Tensor:
        """Add the observations to their running mean and variance; return them, normalised."""
        n, mean, variance = len(self.observation), self.observation.mean(0), self.observation.var(0)
        share, shift = n / (self.count + n), mean - self.mean
        self.variance = (1 - share) * self.variance + share * variance + share * (1 - share) * shift**2
        self.mean, self.count = self.mean + share * shift, self.count + n
        return self.normalised(self.observation)

    @torch.no_grad()
    def rollout(self) -> Iterator[Tensor]:
        """Return inputs, actions, their log probabilities, advantages and targets of one trial per arm."""
        steps: list[tuple[Tensor, ...]] = []
        for _ in range(TRIAL):
            x = self.see()
            policy = self.policy(x)
            raw = policy.sample()
            self.observation, reward, _, ends, info = self.envs.step(self.action(raw))
            last = self.observation.copy()
            if ends.any():  # by time: the value of the last observation stands for what would follow
                last[ends] = np.stack(info["final_obs"][ends])
            scaled = torch.from_numpy(10.0 * reward).float()
            steps.append((x, raw, policy.log_prob(raw).sum(1), scaled, self.normalised(last)))
        x, raw, log_old, rewards, then = (torch.stack(part) for part in zip(*steps, strict=True))
        value = self.critic(x)[..., 0]
        error = rewards + self.gamma * self.critic(then)[..., 0] - value
        advantage, later = torch.zeros_like(error), torch.zeros_like(error[0])
        for t in reversed(range(TRIAL)):
            advantage[t] = later = error[t] + self.gamma * self.trace * later
        return (part.flatten(0, 1) for part in (x, raw, log_old, advantage, advantage + value))

    def improve(self, x: Tensor, raw: Tensor, log_old: Tensor, advantage: Tensor, target: Tensor) -> None:
        """Make the epochs of one update."""
        for _ in range(self.epochs):
            for rows in torch.randperm(len(x)).split(self.batch):
                ratio = (self.policy(x[rows]).log_prob(raw[rows]).sum(1) - log_old[rows]).exp()
                gain = (advantage[rows] - advantage[rows].mean()) / (advantage[rows].std() + 1e-8)
                limited = ratio.clamp(1 - self.clip, 1 + self.clip)
                loss = -torch.minimum(ratio * gain, limited * gain).mean()
                loss = loss + 0.25 * (self.critic(x[rows])[:, 0] - target[rows]).square().mean()
                self.optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, 0.5)
                self.optimiser.step()

    def save(self, path: str) -> None:
        """Write all that is kept between two calls of `learn`."""
        states = {name: getattr(self, name).state_dict() for name in NETWORKS}
        torch.save([states, {name: getattr(self, name) for name in NUMBERS}], path)

    def load(self, path: str) -> None:
        """Read what `save` wrote."""
        states, numbers = torch.load(path, weights_only=False)
        for name, state in states.items():
            getattr(self, name).load_state_dict(state)
        self.log_std.data.copy_(numbers.pop("log_std").data)
        vars(self).update(numbers)


def main(quick: bool = False, seed: int = 0) -> PPO:
    """Learn without the benchmark; quick makes a single update."""
    agent = PPO(lambda arms, **mode: gym.make_vec("savings_gym:ForceFieldReach-v0", arms, **mode), seed)
    agent.learn(64 if quick else 13_440)
    return agent


if __name__ == "__main__":
    tyro.cli(main)
