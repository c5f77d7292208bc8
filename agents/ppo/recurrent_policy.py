"""An actor-critic policy with memory for stable-baselines3: LSTM, GRU or RNN, whole sequences in one call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from agents.ppo.bounds import box_ends, check_squashing, squashed, squashed_bias
from agents.ppo.layers import (
    KeptWeights,
    SequenceStates,
    States,
    check_cell,
    make_layers,
    run_layers,
    run_networks,
    same_lengths,
)
from savings_gym.arrays import as_choice

Tensor = torch.Tensor
BOUNDS = ("clip", "squash")
HALF_LOG_TURN = 0.5 * math.log(2.0 * math.pi)
DIVERGED = "the policy gives actions that are not numbers: its weights have diverged"


class RecurrentPolicy(RecurrentActorCriticPolicy):
    """The `MlpLstmPolicy` of sb3-contrib with a choice of cells and without its loop over time.

    The stock policy steps through a minibatch in Python as soon as an episode starts anywhere in it. Yet its
    buffer cuts sequences where episodes start, so that a start is always the first step of a sequence. Here
    the state is set to zero there, and the layer runs the whole sequence in one call. Sequences with a later
    start, which no buffer makes, take the stock path. With the defaults, parameters have the names and
    initial values of the stock policy, and equal its parameters to rounding while it learns.

    States keep the stock form, hidden and cell, (layers, n, units) each, even if a cell has only a hidden
    state: the other one is then carried along as zeros. So everything that handles states works (`predict`,
    `evaluate_policy`, `RNNStates`, buffers).

    Args:
        observation_space: A Box, Discrete, MultiDiscrete or MultiBinary space, flattened.
        action_space: See the stock policy.
        lr_schedule: Learning rate as a function of the remaining progress, 1 to 0.
        cell: "lstm", "gru" or "rnn" (tanh).
        fast: False takes the stock loop over time (LSTM) or torch's own layers, for comparison.
        bounds: How Gaussian actions are brought into a bounded Box. "clip", as stock, cuts them off. If the
            best action is near a bound, the mean then drifts beyond it, and the deterministic policy, which
            lacks the part of the noise that was not cut off, acts unlike the policy that was trained.
            "squash" puts actions through a sigmoid: noise shrinks towards the bounds, and the deterministic
            action is the median of the random ones.
        action_init: Median action before learning, the same in every dimension of the Box; None is the stock
            bias of 0 (for "squash", the centre of the Box).
        kwargs: Further arguments of the stock policy (`lstm_hidden_size`, `n_lstm_layers`, `shared_lstm`,
            `enable_critic_lstm`, `lstm_kwargs`, `log_std_init`, `net_arch`, ...). Those named after the LSTM
            hold for every cell.

    Raises:
        ValueError: If a choice is unknown, or the policy has no network for a space.
    """

    _kept: KeptWeights | None = None  # while weights stay the same

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        *args: Any,
        cell: str = "lstm",
        fast: bool = True,
        bounds: str = "clip",
        action_init: float | None = None,
        **kwargs: Any,
    ) -> None:
        check_cell(cell)
        _check_spaces(observation_space, action_space, bounds, action_init)
        self.cell, self.fast = cell, fast
        self.bounds, self.action_init = bounds, action_init
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)
        if action_init is not None:
            self._set_first_action(action_init)
        if cell != "lstm":
            self._replace_cells()
        options = self.optimizer_kwargs
        if fast and self.optimizer_class is torch.optim.Adam and not {"fused", "foreach"} & set(options):
            options = {**options, "fused": True}  # one call for all parameters
        make: Any = self.optimizer_class
        self.optimizer = make(self.parameters(), lr=lr_schedule(1), **options)

    def _replace_cells(self) -> None:
        """Replace the LSTMs of the stock policy."""
        layers, _, units = self.lstm_hidden_state_shape
        sizes = (self.features_dim, units, layers)
        self.lstm_actor = make_layers(self.cell, *sizes, **self.lstm_kwargs)  # type: ignore[assignment]
        if self.lstm_critic is not None:
            self.lstm_critic = make_layers(self.cell, *sizes, **self.lstm_kwargs)  # type: ignore[assignment]

    def _set_first_action(self, action: float) -> None:
        bias: Any = self.action_net.bias
        with torch.no_grad():
            if self.bounds == "squash":
                bias.copy_(squashed_bias(action, self.action_space, bias))
            else:
                bias.fill_(action)

    def into_bounds(self, actions: Tensor) -> Tensor:
        """Return actions (n, ...) for the environment, from those of the distribution."""
        if not isinstance(self.action_space, spaces.Box):
            return actions
        if self.bounds == "squash":
            return squashed(actions, self.action_space)
        return torch.clamp(actions, *box_ends(self.action_space, actions))

    @contextmanager
    def fixed_weights(self) -> Iterator[None]:
        """Promise that weights stay the same, which makes single steps faster."""
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None

    def latents(
        self, obs: Any, lstm_states: RNNStates, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor, RNNStates]:
        """Return what the last layers of actor and critic see, (S, units) each, and the last states."""
        features: Any = self.extract_features(obs)
        of_actor, of_critic = (features, features) if self.share_features_extractor else features
        if self.lstm_critic is not None:
            (latent_pi, states_pi), (latent_vf, states_vf) = self._process_sequences(
                (of_actor, of_critic), lstm_states, episode_starts, (self.lstm_actor, self.lstm_critic)
            )
        else:
            latent_pi, states_pi = self._process_sequence(
                of_actor, lstm_states.pi, episode_starts, self.lstm_actor
            )
            states_vf = states_pi
            if self.shared_lstm:
                latent_vf, states_vf = latent_pi.detach(), (states_pi[0].detach(), states_pi[1].detach())
            else:
                assert self.critic is not None
                latent_vf = self.critic(of_critic)
        latent_pi = self.mlp_extractor.forward_actor(latent_pi)
        return latent_pi, self.mlp_extractor.forward_critic(latent_vf), RNNStates(states_pi, states_vf)

    def forward(  # type: ignore[override]
        self, obs: Any, lstm_states: RNNStates, episode_starts: Tensor, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, RNNStates]:
        """Return actions of the distribution, values, logarithms of the actions' probability, and states."""
        latent_pi, latent_vf, states = self.latents(obs, lstm_states, episode_starts)
        if type(self.action_dist) is DiagGaussianDistribution:
            actions, log_prob = _gaussian_actions(self.action_net(latent_pi), self.log_std, deterministic)
        else:
            distribution = self._get_action_dist_from_latent(latent_pi)
            actions = distribution.get_actions(deterministic=deterministic)
            log_prob = distribution.log_prob(actions)
        shape: Any = self.action_space.shape
        return actions.reshape((-1, *shape)), self.value_net(latent_vf), log_prob, states

    def evaluate_actions(  # type: ignore[override]
        self, obs: Any, actions: Tensor, lstm_states: RNNStates, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return values, logarithms of the actions' probability, and the entropy of their distribution."""
        latent_pi, latent_vf, _ = self.latents(obs, lstm_states, episode_starts)
        distribution = self._get_action_dist_from_latent(latent_pi)
        return self.value_net(latent_vf), distribution.log_prob(actions), distribution.entropy()

    def _process_sequence(  # type: ignore[override]
        self, features: Tensor, lstm_states: Any, episode_starts: Tensor, lstm: nn.RNNBase
    ) -> tuple[Tensor, States]:
        """Return the outputs of recurrent layers, in the order of the features, and the last states.

        Args:
            features: (S, features), one sequence after the other.
            lstm_states: Before the first steps, (layers, n, units) each: a pair if all sequences are equally
                long, or `SequenceStates`.
            episode_starts: (S,) 1 where an episode starts.
            lstm: The layers.
        """
        return self._process_sequences((features,), (lstm_states,), episode_starts, (lstm,))[0]

    def _process_sequences(
        self,
        features: Sequence[Tensor],
        lstm_states: Sequence[Any],
        episode_starts: Tensor,
        networks: Sequence[nn.RNNBase],
    ) -> list[tuple[Tensor, States]]:
        """Do the same for several networks at once."""
        n = lstm_states[0][0].shape[1]
        ragged = isinstance(lstm_states[0], SequenceStates)
        if ragged:
            lengths = lstm_states[0].lengths
            first = episode_starts[torch.from_numpy(np.cumsum(lengths) - lengths)]
        else:
            lengths = same_lengths(n, len(features[0]) // n)
            first = episode_starts[:: lengths[0]]
        states = [(of_network[0], of_network[1]) for of_network in lstm_states]
        starts = int(episode_starts.count_nonzero())
        if not starts or (self.fast and starts == int(first.count_nonzero())):
            if starts:
                states = [_reset(before, first) for before in states]
            return run_networks(networks, features, states, lengths, self.fast, self._kept)
        if ragged:
            raise ValueError("no episode may start within a sequence unless all are padded to one length")
        given = zip(features, states, networks, strict=True)
        return [self._step_by_step(series, before, episode_starts, lstm) for series, before, lstm in given]

    def _step_by_step(
        self, features: Tensor, states: States, starts: Tensor, lstm: nn.RNNBase
    ) -> tuple[Tensor, States]:
        n, outputs = states[0].shape[1], []
        steps = features.view(n, -1, features.shape[1]).unbind(1), starts.view(n, -1).unbind(1)
        for step, start in zip(*steps, strict=True):
            output, states = run_layers(lstm, step, _reset(states, start), same_lengths(n, 1))
            outputs.append(output)
        return torch.stack(outputs, 1).flatten(end_dim=1), states

    def _predict(  # type: ignore[override]
        self, observation: Tensor, lstm_states: States, episode_starts: Tensor, deterministic: bool = False
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return actions for the environment, and states.

        The mode of a Gaussian is its mean, for which no distribution needs to be made.
        """
        if not (deterministic and type(self.action_dist) is DiagGaussianDistribution):
            actions, states = super()._predict(observation, lstm_states, episode_starts, deterministic)
            return self.into_bounds(actions), states
        features = BasePolicy.extract_features(self, observation, self.pi_features_extractor)
        latent, states = self._process_sequence(features, lstm_states, episode_starts, self.lstm_actor)
        means = self.action_net(self.mlp_extractor.forward_actor(latent))
        if bool(means.isnan().any()):
            raise ValueError(DIVERGED)
        return self.into_bounds(means), states

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """Return what ``policy.save`` stores of the constructor's arguments."""
        layers, _, units = self.lstm_hidden_state_shape
        return super()._get_constructor_parameters() | {
            "cell": self.cell,
            "fast": self.fast,
            "bounds": self.bounds,
            "action_init": self.action_init,
            "lstm_hidden_size": units,
            "n_lstm_layers": layers,
            "shared_lstm": self.shared_lstm,
            "enable_critic_lstm": self.enable_critic_lstm,
            "lstm_kwargs": self.lstm_kwargs,
        }


class GruPolicy(RecurrentPolicy):
    """A `RecurrentPolicy` of GRUs."""

    def __init__(self, *args: Any, cell: str = "gru", **kwargs: Any) -> None:
        super().__init__(*args, cell=cell, **kwargs)


class RnnPolicy(RecurrentPolicy):
    """A `RecurrentPolicy` of tanh RNNs."""

    def __init__(self, *args: Any, cell: str = "rnn", **kwargs: Any) -> None:
        super().__init__(*args, cell=cell, **kwargs)


def _reset(states: States, starts: Tensor) -> States:
    """Return states (layers, n, units), zero where an episode starts (n,)."""
    continues = (1.0 - starts)[None, :, None]
    return continues * states[0], continues * states[1]


def _gaussian_actions(means: Tensor, log_std: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
    """Return the actions that `DiagGaussianDistribution` would draw, and the logarithms of their probability.

    Raises:
        ValueError: If a mean or a standard deviation is not a number.
    """
    std = log_std.exp()
    actions = means if deterministic else means + torch.empty_like(means).normal_() * std
    log_prob = (-(((actions - means) / std) ** 2) / 2 - log_std - HALF_LOG_TURN).sum(1)
    if bool(log_prob.isnan().any()):
        raise ValueError(DIVERGED)
    return actions, log_prob


def _check_spaces(
    observation_space: spaces.Space, action_space: spaces.Space, bounds: str, first: float | None
) -> None:
    flat = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    if not isinstance(observation_space, flat) or len(observation_space.shape or ()) > 1:
        raise ValueError(
            f"the policy takes flat observations ({', '.join(space.__name__ for space in flat)}), got "
            f"{observation_space}; for images and dicts use sb3-contrib's own policies"
        )
    as_choice("bounds", bounds, BOUNDS)
    if bounds == "squash" or first is not None:
        check_squashing(action_space, first)
