"""Proximal policy optimisation in plain PyTorch, in one file: a learner that needs no library of algorithms.

PPO (Schulman et al. 2017, arXiv 1707.06347) with generalised advantage estimation (Schulman et al. 2016,
arXiv 1506.02438), for Gymnasium vector environments that begin the next episode in the same step
(``autoreset_mode="SameStep"``). The policy has no memory; it can see a stack of the last observations. Trials
are truncated, not terminated: the value of their last observation stands for the rewards that would follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.utils import RunningMeanStd
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from savings_gym.arrays import Array, as_whole_number


@dataclass(frozen=True)
class PPOSettings:
    """Hyper-parameters, tuned by hand on the arm without a field.

    Attributes:
        steps: Control steps of every arm between updates; one trial of the arm.
        frames: Number of observations, up to the current one, that the networks see.
        units: Units of each of the two hidden layers of actor and critic.
        learning_rate: Of Adam.
        epochs: Passes over the steps of one update.
        minibatches: Minibatches per pass, of at least 2 steps each.
        discount: Discount factor gamma.
        trace: Lambda of the advantage estimate.
        clip: Largest change of the ratio of new to old probability.
        deviation: Standard deviation of the first actions, relative to half the action range.
        rest: How near the first mean action is to the possible action nearest to zero: 1 is there, 0 in the
            middle of the range.
        value_weight: Weight of the value loss.
        largest_gradient: Norm at which gradients are clipped.
        reward_scale: Factor on the rewards.

    Raises:
        ValueError: If a count is not a whole number of at least 1.
    """

    steps: int = 100
    frames: int = 1
    units: int = 128
    learning_rate: float = 5e-4
    epochs: int = 8
    minibatches: int = 8
    discount: float = 0.97
    trace: float = 0.95
    clip: float = 0.2
    deviation: float = 0.15
    rest: float = 0.8
    value_weight: float = 0.5
    largest_gradient: float = 0.5
    reward_scale: float = 10.0

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("steps", "frames", "units", "epochs", "minibatches"):
            as_whole_number(name, getattr(self, name), least=1)


def make_network(
    inputs: int, units: int, bias: Tensor, gain: float, generator: torch.Generator
) -> nn.Sequential:
    """Return a network of two hidden layers with orthogonal weights.

    Args:
        inputs: Number of inputs.
        units: Units of each hidden layer.
        bias: (outputs,) bias of the last layer; with a small gain, the output before learning.
        gain: Scale of the weights of the last layer.
        generator: For the weights.
    """
    widths = (inputs, units, units, len(bias))
    layers: list[nn.Module] = []
    for width, next_width, scale in zip(widths, widths[1:], (math.sqrt(2), math.sqrt(2), gain), strict=False):
        layer = nn.Linear(width, next_width)
        nn.init.orthogonal_(layer.weight, scale, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    layer.bias.data += bias
    return nn.Sequential(*layers[:-1])


def stack_frame(frames: Array, newest: Array, starts: NDArray[np.bool_]) -> Array:
    """Return frames (n, k, channels) with the newest observation (n, channels) last and the oldest dropped.

    Where a trial starts, ``starts`` (n,), every frame is its first observation.
    """
    shifted = np.concatenate([frames[:, 1:], newest[:, None]], 1)
    return np.where(starts[:, None, None], newest[:, None], shifted)


def advantages(errors: Tensor, decay: Tensor) -> Tensor:
    """Return advantages a_t = errors_t + decay_t a_(t+1), (steps, n).

    Args:
        errors: (steps, n) temporal-difference errors.
        decay: (steps, n) discount times lambda, and 0 where a trial ends.
    """
    advantage, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        advantage[t] = later = errors[t] + decay[t] * later
    return advantage


class PlainPPO:
    """Learns to act in a vector environment.

    Args:
        env: Vector environment with ``autoreset_mode="SameStep"``, flat observations and a bounded Box of
            actions.
        settings: Hyper-parameters; None for the defaults.
        seed: Seed of the weights, the actions, the order of the minibatches, and the environment.

    Attributes:
        trials: Finished episodes so far.
        actor: Network from normalised frames to the mean action, -1 to 1 over the action range.
        critic: Network from normalised frames to the value.
        log_deviation: (actions,) logarithm of the standard deviation of actions, in the actor's units.
        moments: Mean and variance of all observations so far.
        optimiser: Adam, for actor, critic and deviation.

    Raises:
        ValueError: If the environment is of another kind, or has fewer than 2 steps per minibatch.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], settings: PPOSettings | None = None, seed: int = 0
    ) -> None:
        settings, seed = settings or PPOSettings(), as_whole_number("seed", seed)
        _check(env, settings)
        actions: Any = env.single_action_space
        shape: Any = env.single_observation_space.shape
        self.env, self.settings = env, settings
        self.trials, self._trials_to_learn = 0, 0
        self._centre, self._half = (actions.high + actions.low) / 2, (actions.high - actions.low) / 2
        self._channels, self._n_actions = shape[0], actions.shape[0]
        self._generator = torch.Generator().manual_seed(seed)
        self._predict_generator = torch.Generator().manual_seed(seed + 1)  # predict leaves learning alone
        first = settings.rest * (np.clip(0.0, actions.low, actions.high) - self._centre) / self._half
        inputs, bias = settings.frames * self._channels, torch.as_tensor(first, dtype=torch.float32)
        self.actor = make_network(inputs, settings.units, bias, 0.01, self._generator)
        self.critic = make_network(inputs, settings.units, torch.zeros(1), 1.0, self._generator)
        self.log_deviation = nn.Parameter(torch.full((self._n_actions,), math.log(settings.deviation)))
        self.moments = RunningMeanStd(shape=(self._channels,))
        self._parameters = [*self.actor.parameters(), *self.critic.parameters(), self.log_deviation]
        self.optimiser = torch.optim.Adam(self._parameters, settings.learning_rate, eps=1e-5)
        self._seed, self._frames = seed, np.zeros(0, dtype=np.float32)
        self._returns = np.zeros(env.num_envs)  # of the trials so far

    def learn(self, trials: int) -> float:
        """Learn until this many more trials have ended.

        Only whole updates are made; surplus trials count towards the next call.

        Returns:
            Mean return of a trial (sum of its rewards); NaN if no trial ended in this call.

        Raises:
            ValueError: If `trials` is not a whole number of at least 0.
        """
        self._trials_to_learn += as_whole_number("trials", trials)
        returns: list[float] = []
        while self.trials < self._trials_to_learn:
            self._improve(*self._collect(returns))
        return float(np.mean(returns)) if returns else math.nan

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, tuple[Array]]:
        """Return the next action, by the convention of stable-baselines3.

        Args:
            observation: (channels,) of one environment, or (n, channels) of a vector environment.
            state: Second return value of the last call, the last frames; None if all trials begin.
            episode_start: (n,) True where a trial begins; None means nowhere.
            deterministic: Whether to take the mean action.

        Returns:
            Actions, (actions,) or (n, actions), and the last frames, a tuple of (n, frames, channels).

        Raises:
            ValueError: If the observation has another shape.
        """
        array = np.asarray(observation, dtype=np.float32)
        newest = np.atleast_2d(array)
        if newest.ndim != 2 or newest.shape[1] != self._channels:
            raise ValueError(
                f"observation must be ({self._channels},) or (n, {self._channels}), got {array.shape}"
            )
        frames = np.repeat(newest[:, None], self.settings.frames, 1) if state is None else state[0]
        starts = np.zeros(len(newest), dtype=bool) if episode_start is None else np.asarray(episode_start)
        frames = stack_frame(frames, newest, np.broadcast_to(starts, len(newest)))
        with torch.no_grad():
            mean = self.actor(self._inputs(frames))
            action = self._action(mean if deterministic else self._sample(mean, self._predict_generator))
        return action[0] if array.ndim == 1 else action, (frames,)

    def _inputs(self, frames: Array) -> Tensor:
        """Return frames (n, k, channels), normalised and flat, (n, k * channels)."""
        scaled = (frames - self.moments.mean) / np.sqrt(self.moments.var + 1e-8)
        normalised = np.clip(scaled, -10.0, 10.0).astype(np.float32)
        return torch.from_numpy(normalised.reshape(*frames.shape[:-2], -1))

    def _sample(self, mean: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(mean.shape, generator=generator)
        return mean + noise * self.log_deviation.detach().exp()

    def _action(self, raw: Tensor) -> Array:
        """Return actions in the action space of the actor's, which have no bounds."""
        return self._centre + self._half * np.clip(raw.numpy(), -1.0, 1.0)

    def _log_probability(self, raw: Tensor, mean: Tensor) -> Tensor:
        scaled = (raw - mean) / self.log_deviation.exp()
        return -(0.5 * scaled**2 + self.log_deviation + 0.5 * math.log(2 * math.pi)).sum(-1)

    @torch.no_grad()
    def _collect(self, returns: list[float]) -> tuple[Tensor, ...]:
        """Make one rollout, and add the returns of finished trials to a list.

        Returns:
            Inputs, actions, log probabilities, advantages, and values to learn, (steps * n, ...) each.
        """
        steps, n = self.settings.steps, self.env.num_envs
        if not len(self._frames):
            observation, _ = self.env.reset(seed=self._seed)
            self._frames = np.repeat(observation[:, None], self.settings.frames, 1)
        inputs, next_inputs = torch.zeros(2, steps, n, self.settings.frames * self._channels)
        raw = torch.zeros(steps, n, self._n_actions)
        log_old, rewards, terminated, ended = torch.zeros(4, steps, n)
        for t in range(steps):
            self.moments.update(self._frames[:, -1].astype(np.float64))
            inputs[t] = self._inputs(self._frames)
            mean = self.actor(inputs[t])
            raw[t] = self._sample(mean, self._generator)
            log_old[t] = self._log_probability(raw[t], mean)
            observation, reward, terminations, truncations, info = self.env.step(self._action(raw[t]))
            ends, last = terminations | truncations, np.array(observation, dtype=np.float32)
            if ends.any():
                last[ends] = np.stack(info["final_obs"][ends])
            next_inputs[t] = self._inputs(stack_frame(self._frames, last, np.zeros(n, dtype=bool)))
            self._frames = stack_frame(self._frames, observation, ends)
            rewards[t] = torch.from_numpy(self.settings.reward_scale * reward)
            terminated[t], ended[t] = torch.from_numpy(terminations), torch.from_numpy(ends)
            self._returns += reward
            returns += self._returns[ends].tolist()
            self._returns[ends] = 0.0
            self.trials += int(ends.sum())
        values, next_values = self.critic(inputs)[..., 0], self.critic(next_inputs)[..., 0]
        errors = rewards + self.settings.discount * (1 - terminated) * next_values - values
        advantage = advantages(errors, self.settings.discount * self.settings.trace * (1 - ended))
        return tuple(part.flatten(0, 1) for part in (inputs, raw, log_old, advantage, advantage + values))

    def _improve(self, *rollout: Tensor) -> None:
        """Make the epochs of one update on a rollout, as `_collect` returns it."""
        (inputs, raw, log_old, advantage, target), s = rollout, self.settings
        for _ in range(s.epochs):
            order = torch.randperm(len(inputs), generator=self._generator)
            for batch in order.tensor_split(s.minibatches):  # sizes differ by 1 at most
                log_new = self._log_probability(raw[batch], self.actor(inputs[batch]))
                ratio = (log_new - log_old[batch]).exp()
                gain = advantage[batch]
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                policy_loss = -torch.minimum(ratio * gain, ratio.clamp(1 - s.clip, 1 + s.clip) * gain).mean()
                value_loss = 0.5 * (self.critic(inputs[batch])[..., 0] - target[batch]).square().mean()
                self.optimiser.zero_grad()
                (policy_loss + s.value_weight * value_loss).backward()
                nn.utils.clip_grad_norm_(self._parameters, s.largest_gradient)
                self.optimiser.step()


def _check(env: VectorEnv[Any, Any, Any], settings: PPOSettings) -> None:
    """Raise a ValueError if PPO cannot learn in an environment with these settings."""
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.SAME_STEP:
        raise ValueError(f"the environment must be made with autoreset_mode='SameStep', got {mode}")
    actions, observations = env.single_action_space, env.single_observation_space
    if not isinstance(actions, Box) or not actions.is_bounded():
        raise ValueError(f"actions must be a bounded Box, got {actions}")
    if observations.shape is None or len(observations.shape) != 1:
        raise ValueError(f"observations must be vectors, got {observations}")
    if settings.steps * env.num_envs < 2 * settings.minibatches:
        raise ValueError(
            f"{settings.steps} steps of {env.num_envs} environments do not fill {settings.minibatches} "
            "minibatches of at least 2, whose advantages have a standard deviation: choose more steps or "
            "fewer minibatches"
        )
