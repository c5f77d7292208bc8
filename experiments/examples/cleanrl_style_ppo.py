"""PPO in one file, in the style of cleanrl: a script of its own, and an agent for the benchmark.

    python -m experiments.examples.cleanrl_style_ppo             # learn in the field, on its own
    python -m experiments.benchmark --agent experiments.examples.cleanrl_style_ppo:PPO

PPO: Schulman et al. 2017, arXiv 1707.06347; its advantages: Schulman et al. 2016, arXiv 1506.02438.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.distributions import Normal

from savings_gym import CurlField, Probe


@dataclass
class Args:
    """Learn to reach in a field, print return and end-point error on the way, and save the agent."""

    quick: bool = False  # two updates: shows that it runs, but learns nothing
    seed: int = 0  # of the agent and its trials
    b: float = 8.0  # curl of the field [N s/m]
    updates: int = 420  # each from one trial of every arm
    every: int = 20  # updates between two lines of output
    out: Path = Path("runs/cleanrl_style_ppo.pt")  # file for the trained agent
    arms: int = 32  # learn side by side
    units: int = 128  # in each of two layers
    rate: float = 5e-4  # of learning
    epochs: int = 8  # per update
    batch: int = 800  # control steps of a gradient step
    gamma: float = 0.97  # discount per control step
    trace: float = 0.95  # lambda of the advantages
    clip: float = 0.2  # of the ratio of new and old probability
    log_std: float = -1.9  # logarithm of the first standard deviation of actions, which lie in -1..1


def network(inputs: int, units: int, outputs: int, gain: float, bias: float) -> nn.Sequential:
    """Return two hidden layers and an output, with orthogonal weights and a last bias."""
    layers = [nn.Linear(inputs, units), nn.Linear(units, units), nn.Linear(units, outputs)]
    for layer, scale, constant in zip(layers, (1.4, 1.4, gain), (0.0, 0.0, bias), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.constant_(layer.bias, constant)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class PPO(nn.Module):
    """Learns trial by trial in the environment that it is given; see `experiments.benchmark.outside`."""

    def __init__(
        self, make_env: Callable[..., Any], seed: int, arms: int = Args.arms, units: int = Args.units,
        rate: float = Args.rate, epochs: int = Args.epochs, batch: int = Args.batch, clip: float = Args.clip,
        gamma: float = Args.gamma, trace: float = Args.trace, log_std: float = Args.log_std,
    ) -> None:  # fmt: skip
        super().__init__()
        torch.manual_seed(seed)
        self.epochs, self.batch, self.gamma, self.trace, self.clip = epochs, batch, gamma, trace, clip
        self.envs, self.returns = make_env(arms, autoreset_mode="SameStep"), list[float]()
        self.observation, _ = self.envs.reset(seed=seed)
        inputs, outputs = self.observation.shape[1], self.envs.single_action_space.shape[0]
        self.scaled = nn.BatchNorm1d(inputs, momentum=None, affine=False).eval()  # by all that was observed
        self.actor = network(inputs, units, outputs, 0.01, -0.8)  # muscles almost at rest
        self.critic = network(inputs, units, 1, 1.0, 0.0)
        self.log_std = nn.Parameter(torch.full((outputs,), log_std))
        self.optimiser = torch.optim.Adam(self.parameters(), rate, eps=1e-5)

    def policy(self, x: Tensor) -> Normal:
        """Return the distribution of actions, of which -1..1 become excitations 0..1."""
        return Normal(self.actor(x), self.log_std.exp())

    @torch.no_grad()
    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, Any]:
        """Return actions, and no memory, by the convention of stable-baselines3."""
        policy = self.policy(self.scaled(torch.as_tensor(observation)))
        return (policy.mean if deterministic else policy.sample()).clamp(-1, 1).numpy() / 2 + 0.5, None

    def learn(self, trials: int) -> None:
        """Learn from so many trials of all arms together, a multiple of the arms."""
        for _ in range(trials // self.envs.num_envs):
            x, raw, log_old, advantage, target = (part.flatten(0, 1) for part in self.rollout())
            for rows in torch.cat([torch.randperm(len(x)) for _ in range(self.epochs)]).split(self.batch):
                ratio = (self.policy(x[rows]).log_prob(raw[rows]).sum(1) - log_old[rows]).exp()
                gain = (advantage[rows] - advantage[rows].mean()) / (advantage[rows].std() + 1e-8)
                loss = -torch.minimum(ratio * gain, ratio.clamp(1 - self.clip, 1 + self.clip) * gain).mean()
                loss = loss + 0.25 * (self.critic(x[rows])[:, 0] - target[rows]).square().mean()
                self.optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters(), 0.5)
                self.optimiser.step()

    @torch.no_grad()
    def rollout(self) -> tuple[Tensor, ...]:
        """Return inputs, actions, their log probabilities, advantages and targets of one trial per arm."""
        steps, ends = list[tuple[Tensor, ...]](), np.zeros(1)
        while not ends.all():  # all arms end their trials together
            seen = torch.as_tensor(self.observation)
            raw = self.policy(x := self.scaled(seen)).sample()
            self.observation, reward, _, ends, info = self.envs.step(raw.clamp(-1, 1).numpy() / 2 + 0.5)
            last = np.stack(info["final_obs"]) if ends.all() else self.observation  # truncated: bootstrap
            steps.append((seen, x, raw, torch.tensor(reward).float(), self.scaled(torch.as_tensor(last))))
        seen, x, raw, reward, then = (torch.stack(part) for part in zip(*steps, strict=True))
        self.scaled.train()(seen.flatten(0, 1))  # adds them to the mean and the variance
        self.scaled.eval()
        self.returns.append(float(reward.sum(0).mean()))
        value = self.critic(x)[..., 0]
        error = 10.0 * reward + self.gamma * self.critic(then)[..., 0] - value
        advantage, later = torch.zeros_like(error), torch.zeros_like(error[0])
        for t in reversed(range(len(error))):
            advantage[t] = later = error[t] + self.gamma * self.trace * later
        return x, raw, self.policy(x).log_prob(raw).sum(-1), advantage, advantage + value

    def save(self, path: Any) -> None:
        """Write all that is kept between two calls of `learn`."""
        torch.save((self.state_dict(), self.optimiser.state_dict(), torch.as_tensor(self.observation)), path)

    def load(self, path: Any) -> None:
        """Read what `save` wrote."""
        networks, optimiser, self.observation = torch.load(path)
        self.load_state_dict(networks)
        self.optimiser.load_state_dict(optimiser)


def main(args: Args) -> PPO:
    """Learn without the benchmark."""
    field, (updates, every) = CurlField(args.b), (2, 1) if args.quick else (args.updates, args.every)
    settings = {name: value for name, value in vars(args).items() if name in PPO.__init__.__annotations__}
    agent = PPO(lambda n, **mode: gym.make_vec("ForceFieldReach-v0", n, field=field, **mode), **settings)
    probe = Probe(agent.envs.unwrapped.settings, args.seed)
    for update in range(1, updates + 1):
        agent.learn(args.arms)
        if update % every == 0:
            mean, error = np.mean(agent.returns[-every:]), 1e3 * probe(agent, field).mean("endpoint_error")
            print(f"trial {args.arms * update}: return {mean:.2f}, {error:.1f} mm from the target")
    print(f"finally {1e3 * probe(agent, field).mean('lateral_deviation'):.1f} mm off the line")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    agent.save(args.out)
    return agent


if __name__ == "__main__":
    main(tyro.cli(Args, prog="python -m experiments.examples.cleanrl_style_ppo"))
