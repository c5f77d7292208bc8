"""Proximal policy optimisation in plain PyTorch, one file: a learner of one's own, without a library for it.

Schulman et al. 2017, arXiv 1707.06347, with generalised advantage estimation (Schulman et al. 2016,
arXiv 1506.02438), for Gymnasium vector environments that begin the next episode in the same step
(``autoreset_mode="SameStep"``). The policy has no memory; what it needs of the past comes as a stack of the
last observations. The end of a trial is a truncation: the value of its last observation is what would follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]


@dataclass(frozen=True)
class PPOSettings:
    """Hyper-parameters, searched by hand on the arm without a field."""

    steps: int = 100  # control steps of every row between updates; one trial of the arm
    frames: int = 1  # observations, the last ones, that the networks see
    units: int = 128  # in each of the two hidden layers of both networks
    learning_rate: float = 5e-4
    epochs: int = 8  # passes over the steps of one update
    minibatches: int = 8  # in one pass
    discount: float = 0.97
    trace: float = 0.95  # lambda of the advantage estimate
    clip: float = 0.2  # of the ratio of new to old probability
    deviation: float = 0.15  # standard deviation of the first actions, in halves of the action range
    rest: float = 0.8  # the first actions' share of the way from mid-range to the action nearest to zero
    value_weight: float = 0.5
    largest_gradient: float = 0.5  # norm
    reward_scale: float = 10.0

    def __post_init__(self) -> None:
        """Raises ValueError for counts below 1."""
        for name in ("steps", "frames", "units", "epochs", "minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


def mlp(inputs: int, units: int, first: Tensor, gain: float, generator: torch.Generator) -> nn.Sequential:
    """Two hidden layers, orthogonal weights; with a small ``gain`` the outputs are ``first`` (outputs,)."""
    widths = (inputs, units, units, len(first))
    layers: list[nn.Module] = []
    for width, after, scale in zip(widths, widths[1:], (math.sqrt(2), math.sqrt(2), gain), strict=False):
        layer = nn.Linear(width, after)
        nn.init.orthogonal_(layer.weight, scale, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    layer.bias.data += first
    return nn.Sequential(*layers[:-1])


class RunningMoments:
    """Mean and variance of every channel over all observations so far."""

    def __init__(self, channels: int) -> None:
        self.mean, self.variance, self.count = np.zeros(channels), np.ones(channels), 1e-4

    def update(self, rows: Array) -> None:
        """Takes observations (n, channels) in."""
        mean, variance, n = rows.mean(0, dtype=np.float64), rows.var(0, dtype=np.float64), len(rows)
        total, apart = self.count + n, mean - self.mean
        square = self.variance * self.count + variance * n + apart**2 * self.count * n / total
        self.mean, self.variance, self.count = self.mean + apart * n / total, square / total, total

    def normalised(self, values: Array) -> Array:
        """Values (..., channels) with mean 0 and variance 1, cut off at 10."""
        scaled = (values - self.mean) / np.sqrt(self.variance + 1e-8)
        return np.clip(scaled, -10.0, 10.0).astype(np.float32)


def pushed(stack: Array, newest: Array, fresh: NDArray[np.bool_]) -> Array:
    """The stack (n, frames, channels) with the newest observation (n, channels) last.

    Where a trial begins, ``fresh`` (n,), all frames are its first observation.
    """
    moved = np.concatenate([stack[:, 1:], newest[:, None]], 1)
    return np.where(fresh[:, None, None], newest[:, None], moved)


def accumulated(surprise: Tensor, decay: Tensor) -> Tensor:
    """Advantages (steps, n): a_t = surprise_t + decay_t a_(t+1), with decay 0 where a trial ends."""
    advantage, later = torch.zeros_like(surprise), torch.zeros_like(surprise[0])
    for t in reversed(range(len(surprise))):
        advantage[t] = later = surprise[t] + decay[t] * later
    return advantage


class PlainPPO:
    """Learns to act in a vector environment.

    Args:
        env: Vector environment with ``autoreset_mode="SameStep"``, flat observations and a bounded Box of
            actions.
        settings: Hyper-parameters; None for the declared ones.
        seed: Of the weights, the actions, the order of the minibatches, and the environment.

    Attributes:
        trials: Episodes that have ended so far.
        actor: Network from normalised frames to the mean action, -1 to 1 over the action range.
        critic: Network to the value.

    Raises:
        ValueError: For an environment that is not as said.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], settings: PPOSettings | None = None, seed: int = 0
    ) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(f"the environment must be made with autoreset_mode='SameStep', got {mode}")
        actions, seen = env.single_action_space, env.single_observation_space
        if not isinstance(actions, Box) or not actions.is_bounded():
            raise ValueError(f"actions must be a bounded Box, got {actions}")
        if seen.shape is None or len(seen.shape) != 1:
            raise ValueError(f"observations must be vectors, got {seen}")
        self.env, self.settings = env, (settings := settings or PPOSettings())
        self.trials, self._asked = 0, 0
        self._centre, self._half = (actions.high + actions.low) / 2, (actions.high - actions.low) / 2
        self._channels, self._n = seen.shape[0], actions.shape[0]
        self._generator = torch.Generator().manual_seed(seed)
        self._dice = torch.Generator().manual_seed(seed + 1)  # of predict, which must not touch learning
        first = settings.rest * (np.clip(0.0, actions.low, actions.high) - self._centre) / self._half
        inputs, start = settings.frames * self._channels, torch.as_tensor(first, dtype=torch.float32)
        self.actor = mlp(inputs, settings.units, start, 0.01, self._generator)
        self.critic = mlp(inputs, settings.units, torch.zeros(1), 1.0, self._generator)
        self.log_deviation = nn.Parameter(torch.full((self._n,), math.log(settings.deviation)))
        self.moments = RunningMoments(self._channels)
        self._parameters = [*self.actor.parameters(), *self.critic.parameters(), self.log_deviation]
        self._optimiser = torch.optim.Adam(self._parameters, settings.learning_rate, eps=1e-5)
        self._seed, self._stack, self._sums = seed, np.zeros(0, dtype=np.float32), np.zeros(env.num_envs)

    def learn(self, trials: int) -> float:
        """Learns until this many more trials have ended.

        Updates are whole ones; trials beyond those asked for count towards the next call.

        Returns:
            Mean sum of the rewards of a trial; NaN if no trial ended in this call.
        """
        self._asked += trials
        returns: list[float] = []
        while self.trials < self._asked:
            self._improve(*self._collect(returns))
        return float(np.mean(returns)) if returns else math.nan

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, tuple[Array]]:
        """The next action, by the convention of stable-baselines3.

        Args:
            observation: (channels,) of one environment, or (n, channels) of a vector environment.
            state: What the last call returned, the last frames; None where all trials begin.
            episode_start: (n,) True where a trial begins; None is nowhere.
            deterministic: Whether to take the mean action.

        Raises:
            ValueError: When the observation does not fit.
        """
        seen = np.asarray(observation, dtype=np.float32)
        rows = np.atleast_2d(seen)
        if rows.ndim != 2 or rows.shape[1] != self._channels:
            raise ValueError(f"observation must be ([rows,] {self._channels}), got {seen.shape}")
        frames = np.repeat(rows[:, None], self.settings.frames, 1) if state is None else state[0]
        fresh = np.zeros(len(rows), dtype=bool) if episode_start is None else np.asarray(episode_start)
        stack = pushed(frames, rows, np.broadcast_to(fresh, len(rows)))
        with torch.no_grad():
            mean = self.actor(self._inputs(stack))
            action = self._action(mean if deterministic else self._sample(mean, self._dice))
        return action[0] if seen.ndim == 1 else action, (stack,)

    def _inputs(self, stack: Array) -> Tensor:
        return torch.from_numpy(self.moments.normalised(stack).reshape(*stack.shape[:-2], -1))

    def _sample(self, mean: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(mean.shape, generator=generator)
        return mean + noise * self.log_deviation.detach().exp()

    def _action(self, raw: Tensor) -> Array:
        """Actions in the action space from those of the policy, which have no bounds."""
        return self._centre + self._half * np.clip(raw.numpy(), -1.0, 1.0)

    def _log_probability(self, raw: Tensor, mean: Tensor) -> Tensor:
        scaled = (raw - mean) / self.log_deviation.exp()
        return -(0.5 * scaled**2 + self.log_deviation + 0.5 * math.log(2 * math.pi)).sum(-1)

    @torch.no_grad()
    def _collect(self, returns: list[float]) -> tuple[Tensor, ...]:
        """One rollout: inputs, actions, log probabilities, advantages and values to learn, all flat."""
        steps, n = self.settings.steps, self.env.num_envs
        if not len(self._stack):
            observation, _ = self.env.reset(seed=self._seed)
            self._stack = np.repeat(observation[:, None], self.settings.frames, 1)
        inputs, following = torch.zeros(2, steps, n, self.settings.frames * self._channels)
        raw, (log_old, rewards, terminated, ended) = torch.zeros(steps, n, self._n), torch.zeros(4, steps, n)
        for t in range(steps):
            self.moments.update(self._stack[:, -1])
            inputs[t] = self._inputs(self._stack)
            mean = self.actor(inputs[t])
            raw[t] = self._sample(mean, self._generator)
            log_old[t] = self._log_probability(raw[t], mean)
            observation, reward, stop, cut, info = self.env.step(self._action(raw[t]))
            over, last = stop | cut, np.array(observation, dtype=np.float32)
            if over.any():
                last[over] = np.stack(info["final_obs"][over])
            following[t] = self._inputs(pushed(self._stack, last, np.zeros(n, dtype=bool)))
            self._stack = pushed(self._stack, observation, over)
            rewards[t] = torch.from_numpy(self.settings.reward_scale * reward)
            terminated[t], ended[t] = torch.from_numpy(stop), torch.from_numpy(over)
            self._sums += reward
            returns += self._sums[over].tolist()
            self._sums[over] = 0.0
            self.trials += int(over.sum())
        values, after = self.critic(inputs)[..., 0], self.critic(following)[..., 0]
        surprise = rewards + self.settings.discount * (1 - terminated) * after - values
        advantage = accumulated(surprise, self.settings.discount * self.settings.trace * (1 - ended))
        return tuple(p.flatten(0, 1) for p in (inputs, raw, log_old, advantage, advantage + values))

    def _improve(self, *rollout: Tensor) -> None:
        """The epochs of one update on what `_collect` returned."""
        (inputs, raw, log_old, advantage, wanted), s = rollout, self.settings
        for _ in range(s.epochs):
            for chosen in torch.randperm(len(inputs), generator=self._generator).chunk(s.minibatches):
                log_new = self._log_probability(raw[chosen], self.actor(inputs[chosen]))
                ratio = (log_new - log_old[chosen]).exp()
                gain = advantage[chosen]
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                policy_loss = -torch.minimum(ratio * gain, ratio.clamp(1 - s.clip, 1 + s.clip) * gain).mean()
                value_loss = 0.5 * (self.critic(inputs[chosen])[..., 0] - wanted[chosen]).square().mean()
                self._optimiser.zero_grad()
                (policy_loss + s.value_weight * value_loss).backward()
                nn.utils.clip_grad_norm_(self._parameters, s.largest_gradient)
                self._optimiser.step()
