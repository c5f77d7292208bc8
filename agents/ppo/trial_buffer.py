"""The rollout buffer of recurrent PPO, without the stock buffer's Python loop over sequences."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples, RNNStates

from agents.ppo.layers import SequenceStates
from savings_gym.arrays import Indices

MINIBATCHES = ("steps", "sequences")
SERIES = ("observations", "actions", "values", "log_probs", "advantages", "returns", "episode_starts")


class TrialBuffer(RecurrentRolloutBuffer):
    """A `RecurrentRolloutBuffer` that gathers the same minibatches, number for number, by one index each.

    The stock buffer cuts each minibatch into sequences, at episode starts and at the border between two
    environments, and pads them one by one. Here the cuts become an array of indices.

    Attributes:
        padded: Whether sequences are padded to one length, as stock. False leaves the padding out: sequences
            follow one another, and states are `SequenceStates` with their lengths.
        minibatches: "steps", as stock: all steps in a row, rotated by a random number of steps, then cut
            every `batch_size` steps, wherever that falls. "sequences": whole sequences in random order; a
            minibatch takes those that begin within `batch_size` steps. If all episodes are equally long and
            `n_steps` is a multiple of their length, nothing is padded and no episode is cut in two.
    """

    padded: bool = True
    minibatches: str = "steps"

    def get(  # type: ignore[override]
        self, batch_size: int | None = None
    ) -> Generator[RecurrentRolloutBufferSamples, None, None]:
        """Yield the minibatches of one epoch.

        Args:
            batch_size: Steps per minibatch; None puts all steps into one.

        Raises:
            ValueError: If the buffer is not full.
        """
        if not self.full:
            raise ValueError("the rollout buffer must be full before anything is sampled from it")
        total = self.buffer_size * self.n_envs
        self._prepare()
        if self.minibatches == "sequences":
            yield from self._whole_sequences(batch_size or total)
            return
        order = np.roll(np.arange(total), -np.random.randint(total))
        for begin in range(0, total, batch_size or total):
            steps = order[begin : begin + (batch_size or total)]
            starts = self._starts[steps]
            starts[0] = True
            first = np.flatnonzero(starts)
            yield self._sample(steps, first, np.diff(first, append=len(steps)))

    def _prepare(self) -> None:
        """Order the series of a rollout by environment, then time, with a final row of zeros for padding."""
        if self.generator_ready:
            return
        self._with_zeros: dict[str, torch.Tensor] = {}
        for name in SERIES:
            flat = self.swap_and_flatten(getattr(self, name))
            setattr(self, name, flat)
            with_zeros = np.concatenate([flat, np.zeros_like(flat[:1])])
            self._with_zeros[name] = torch.from_numpy(with_zeros).to(self.device)
        self._starts = self.episode_starts.ravel() != 0
        self._starts[:: self.buffer_size] = True
        self.generator_ready = True

    def _whole_sequences(self, batch_size: int) -> Generator[RecurrentRolloutBufferSamples, None, None]:
        first = np.flatnonzero(self._starts)
        lengths = np.diff(first, append=len(self._starts))
        order = np.random.permutation(len(first))
        filled = np.cumsum(lengths[order])
        minibatch = (filled - lengths[order]) // batch_size  # in which a sequence begins
        steps = np.arange(len(self._starts))
        for number in np.unique(minibatch):
            sequences = order[minibatch == number]
            yield self._sample(steps, first[sequences], lengths[sequences])

    def _sample(self, steps: Indices, first: Indices, lengths: Indices) -> RecurrentRolloutBufferSamples:
        """Return a minibatch.

        Args:
            steps: Rows of the series, in order.
            first: (n,) index in ``steps`` at which each sequence begins.
            lengths: (n,) steps of each sequence.
        """
        if self.padded:
            within = np.arange(lengths.max())
            real = within < lengths[:, None]  # (n, longest)
            chosen = np.where(real, steps[np.where(real, first[:, None] + within, 0)], len(self._starts))
            mask = real.astype(np.float32).ravel()
        else:
            moved = first - (np.cumsum(lengths) - lengths)  # from places in the minibatch to those in `steps`
            chosen = steps[np.repeat(moved, lengths) + np.arange(lengths.sum())]
            mask = np.ones(len(chosen), np.float32)
        rows = torch.from_numpy(chosen.ravel()).to(self.device)
        series = {name: values.index_select(0, rows) for name, values in self._with_zeros.items()}
        env, t = np.divmod(steps[first], self.buffer_size)

        def states(network: str) -> tuple[Any, ...]:
            stored = [getattr(self, f"{part}_states_{network}")[t, :, env] for part in ("hidden", "cell")]
            hidden, cell = (  # (layers, n, units)
                self.to_torch(np.ascontiguousarray(part.swapaxes(0, 1)), copy=False) for part in stored
            )
            return (hidden, cell) if self.padded else SequenceStates(hidden, cell, lengths)

        return RecurrentRolloutBufferSamples(
            observations=series["observations"],
            actions=series["actions"],
            old_values=series["values"].flatten(),
            old_log_prob=series["log_probs"].flatten(),
            advantages=series["advantages"].flatten(),
            returns=series["returns"].flatten(),
            lstm_states=RNNStates(states("pi"), states("vf")),
            episode_starts=series["episode_starts"].flatten(),
            mask=torch.from_numpy(mask).to(self.device),
        )

    def reset(self) -> None:
        """Make room for the next rollout; states are not zeroed, since every step writes its own."""
        if hasattr(self, "hidden_states_pi"):
            super(RecurrentRolloutBuffer, self).reset()
        else:
            super().reset()

    def add(self, *args: Any, lstm_states: RNNStates, **kwargs: Any) -> None:  # type: ignore[override]
        """Store one step of all environments, and the states before it."""
        self.hidden_states_pi[self.pos] = lstm_states.pi[0].cpu().numpy()
        self.cell_states_pi[self.pos] = lstm_states.pi[1].cpu().numpy()
        self.hidden_states_vf[self.pos] = lstm_states.vf[0].cpu().numpy()
        self.cell_states_vf[self.pos] = lstm_states.vf[1].cpu().numpy()
        super(RecurrentRolloutBuffer, self).add(*args, **kwargs)
