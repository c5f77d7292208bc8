"""Recurrent PPO at full speed: the `RecurrentPPO` of sb3-contrib without its loops in Python.

    from agents.ppo.recurrent_ppo import RecurrentPPO
    model = RecurrentPPO("LstmPolicy", env)      # or "GruPolicy", "RnnPolicy"

Algorithm, arguments and random numbers are those of the stock class; parameters agree to rounding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO as StockRecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples, RNNStates
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import explained_variance, obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from agents.ppo.layers import HAS_KERNELS
from agents.ppo.recurrent_policy import GruPolicy, RecurrentPolicy, RnnPolicy
from agents.ppo.trial_buffer import MINIBATCHES, TrialBuffer
from savings_gym.arrays import as_choice

if HAS_KERNELS:
    from agents.ppo.gaussian_loss import gaussian_loss
    from agents.ppo.gaussian_loss import supports as gaussian_kernel_supports

LOGGED = ("policy_gradient_loss", "value_loss", "entropy_loss", "clip_fraction")
log = logging.getLogger(__name__)


class RecurrentPPO(StockRecurrentPPO):
    """PPO for policies with memory.

    Advantages are normalised within a minibatch, except in one of a single step, as in the PPO of
    stable-baselines3 (the stock recurrent class makes NaN of it).

    Args:
        policy: "LstmPolicy", "GruPolicy", "RnnPolicy", or a subclass of `RecurrentPolicy`.
        env: The environment, as of stable-baselines3.
        minibatches: "steps", as stock, or "sequences"; see `TrialBuffer`.
        kwargs: Further arguments of the stock class.

    Raises:
        ValueError: If a choice is unknown.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "LstmPolicy": RecurrentPolicy,
        "MlpLstmPolicy": RecurrentPolicy,
        "GruPolicy": GruPolicy,
        "RnnPolicy": RnnPolicy,
    }

    def __init__(self, policy: Any, env: Any, *args: Any, minibatches: str = "steps", **kwargs: Any) -> None:
        as_choice("minibatches", minibatches, MINIBATCHES)
        if isinstance(policy, str):
            as_choice("policy", policy, self.policy_aliases)
        self.minibatches = minibatches
        super().__init__(policy, env, *args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        stock = self.rollout_buffer
        self.rollout_buffer = TrialBuffer(
            self.n_steps,
            self.observation_space,
            self.action_space,
            stock.hidden_state_shape,  # type: ignore[attr-defined]
            self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
        )
        self.rollout_buffer.minibatches = self.minibatches
        fast = getattr(self.policy, "fast", False)
        self.rollout_buffer.padded = not fast
        self._has_gaussian_kernel = fast and HAS_KERNELS and gaussian_kernel_supports(self.policy)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fill the buffer like the stock method, but compute the values at truncations all at once."""
        if not isinstance(rollout_buffer, TrialBuffer):
            raise ValueError(f"the rollout buffer must be a TrialBuffer, got {type(rollout_buffer).__name__}")
        policy: Any = self.policy
        policy.set_training_mode(False)
        rollout_buffer.reset()
        if self.use_sde:
            policy.reset_noise(env.num_envs)
        callback.on_rollout_start()
        with policy.fixed_weights():
            if not self._fill(env, callback, rollout_buffer, n_rollout_steps):
                return False
        callback.on_rollout_end()
        return True

    def _fill(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: TrialBuffer, n_rollout_steps: int
    ) -> bool:
        """Make the steps of a rollout; return False if the callback stops the training."""
        policy: Any = self.policy
        lstm_states: Any = deepcopy(self._last_lstm_states)
        for n_steps in range(n_rollout_steps):
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                policy.reset_noise(env.num_envs)
            with torch.no_grad():
                obs_tensor = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
                starts = torch.as_tensor(self._last_episode_starts, dtype=torch.float32, device=self.device)
                actions, values, log_probs, lstm_states = policy(obs_tensor, lstm_states, starts)
                clipped_actions = policy.into_bounds(actions).cpu().numpy()
            actions = actions.cpu().numpy()
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            filled = [i for i, info in enumerate(infos) if info]
            self._update_info_buffer([infos[i] for i in filled], dones[filled])
            if isinstance(self.action_space, spaces.Discrete):
                actions = actions.reshape(-1, 1)
            self._add_values_at_truncation(rewards, dones, infos, lstm_states)
            rollout_buffer.add(
                self._last_obs, actions, rewards, self._last_episode_starts, values, log_probs,
                lstm_states=self._last_lstm_states,  # type: ignore[arg-type]
            )  # fmt: skip
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
            self._last_lstm_states = lstm_states
        with torch.no_grad():
            starts = torch.as_tensor(dones, dtype=torch.float32, device=self.device)
            values = policy.predict_values(obs_as_tensor(new_obs, self.device), lstm_states.vf, starts)  # type: ignore[arg-type]
        rollout_buffer.compute_returns_and_advantage(last_values=values, dones=dones)
        return True

    def _add_values_at_truncation(
        self,
        rewards: NDArray[np.float32],
        dones: NDArray[np.bool_],
        infos: list[dict[str, Any]],
        states: RNNStates,
    ) -> None:
        """Add the discounted value of the last observation to rewards where time ended an episode."""
        truncated = [
            i
            for i in np.flatnonzero(dones)
            if infos[i].get("terminal_observation") is not None and infos[i].get("TimeLimit.truncated", False)
        ]
        if not truncated:
            return
        policy: Any = self.policy
        last = np.stack([infos[i]["terminal_observation"] for i in truncated])
        with torch.no_grad():
            before = tuple(part[:, torch.as_tensor(truncated)] for part in states.vf)
            starts = torch.zeros(len(truncated), device=self.device)
            values = policy.predict_values(policy.obs_to_tensor(last)[0], before, starts)
        rewards[truncated] += self.gamma * values.flatten().cpu().numpy()

    def train(self) -> None:
        """Learn from the buffer like the stock method, without masks if nothing is padded."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clips = self._clip_ranges()
        logged: dict[str, list[float]] = {name: [] for name in LOGGED}
        stopped = False
        for epoch in range(self.n_epochs):
            divergences: list[float] = []
            for sample in self.rollout_buffer.get(self.batch_size):
                backward, terms = self._loss(sample, clips)  # type: ignore[arg-type]
                divergences.append(terms.pop("approx_kl"))
                loss = terms.pop("loss")
                for name, value in terms.items():
                    logged[name].append(value)
                if self.target_kl is not None and divergences[-1] > 1.5 * self.target_kl:
                    stopped = True
                    if self.verbose >= 1:
                        log.info("epoch %d: stopped early, KL %.2f", epoch, divergences[-1])
                    break
                self.policy.optimizer.zero_grad()
                backward()
                torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()
            self._n_updates += 1
            if stopped:
                break
        means = {name: float(np.mean(values)) for name, values in logged.items()}
        self._log_training(means | {"approx_kl": float(np.mean(divergences)), "loss": loss}, clips)

    def _clip_ranges(self) -> tuple[float, float | None]:
        """Return the current clip ranges of the ratio and of values."""
        remaining = self._current_progress_remaining
        of_values = self.clip_range_vf
        return self.clip_range(remaining), of_values(remaining) if callable(of_values) else None  # type: ignore[operator]

    def _loss(
        self, sample: RecurrentRolloutBufferSamples, clips: tuple[float, float | None]
    ) -> tuple[Callable[[], None], dict[str, float]]:
        """Return what computes the gradients of a minibatch, and its loss and terms for the log."""
        if self._has_gaussian_kernel:
            weights = float(self.ent_coef), float(self.vf_coef)
            return gaussian_loss(self.policy, sample, clips, weights, self.normalize_advantage)
        clip, clip_values = clips
        actions = sample.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        policy: Any = self.policy
        values, log_prob, entropy = policy.evaluate_actions(
            sample.observations, actions, sample.lstm_states, sample.episode_starts
        )  # fmt: skip
        mask = sample.mask > 1e-8
        padded = not bool(mask.all())

        def real(series: torch.Tensor) -> torch.Tensor:
            return series[mask] if padded else series

        values, log_prob = real(values.flatten()), real(log_prob)
        old_values, returns = real(sample.old_values), real(sample.returns)
        advantages = real(sample.advantages)
        if self.normalize_advantage and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        log_ratio = log_prob - real(sample.old_log_prob)
        ratio = torch.exp(log_ratio)
        clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
        policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
        if clip_values is not None:
            values = old_values + torch.clamp(values - old_values, -clip_values, clip_values)
        value_loss = ((returns - values) ** 2).mean()
        entropy_loss = log_prob.mean() if entropy is None else -real(entropy).mean()
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            terms = {
                "loss": loss,
                "policy_gradient_loss": policy_loss,
                "value_loss": value_loss,
                "entropy_loss": entropy_loss,
                "clip_fraction": ((ratio - 1).abs() > clip).float().mean(),
                "approx_kl": (ratio - 1 - log_ratio).mean(),
            }
        return loss.backward, {name: value.item() for name, value in terms.items()}

    def _log_training(self, values: dict[str, float], clips: tuple[float, float | None]) -> None:
        """Log what the stock class logs."""
        buffer = self.rollout_buffer
        values["explained_variance"] = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        if hasattr(self.policy, "log_std"):
            values["std"] = torch.exp(self.policy.log_std).mean().item()
        values["clip_range"] = clips[0]
        if clips[1] is not None:
            values["clip_range_vf"] = clips[1]
        for name, value in values.items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
