"""Trained networks act in the MuJoCo environments, by the ``predict`` convention of stable-baselines3."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from agents.supervised.networks import Ensemble, State
from savings_gym.arrays import Array
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.fields import Field, NullField
from savings_gym.task.settings import N_TARGETS, PROBE_GO, TRIAL_STEPS, Delays, Noise


class NetworkPolicy:
    """Networks that act, with the weights they had when the policy was made.

    The read-out is the action; the networks add nothing random, so ``deterministic`` makes no difference
    (the environment has noise of its own).

    Args:
        ensemble: the networks.
        network: the one that acts, for any number of rows; None lets all of them act, each on a block of rows
            of its own: with n networks and n * m rows, network i acts on rows i * m to (i + 1) * m - 1.
    """

    def __init__(self, ensemble: Ensemble, network: int | None = 0) -> None:
        """Copies the weights.

        Raises:
            ValueError: for a network that the ensemble has not.
        """
        chosen = range(ensemble.networks) if network is None else [network]
        self._ensemble = ensemble.select(*chosen).requires_grad_(False)

    @torch.no_grad()
    def predict(
        self,
        observation: ArrayLike,
        state: tuple[Array, ...] | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], tuple[Array, ...]]:
        """The next action.

        Args:
            observation: (inputs,) of one environment, or (rows, inputs) of a vector environment.
            state: what the last call returned; None is the learnt initial state.
            episode_start: (rows,) True where a trial begins: the state there is the initial state. None is
                nowhere.
            deterministic: without effect.

        Returns:
            Action, (outputs,) or (rows, outputs), and the new state, a tuple of (rows, units).

        Raises:
            ValueError: when a shape does not fit.
        """
        seen = np.asarray(observation)
        inputs = self._ensemble.input_weight.shape[2]
        if seen.ndim not in (1, 2) or seen.shape[-1] != inputs:
            raise ValueError(f"observation must be ({inputs},) or (rows, {inputs}), got {seen.shape}")
        rows = 1 if seen.ndim == 1 else len(seen)
        self._check_rows(rows)
        old = self._state(state, rows)
        if episode_start is not None:
            old = self._restart(old, episode_start, rows)
        new = self._ensemble.step(self._by_network(seen.reshape(rows, inputs)), old)
        action = self._ensemble.readout(new[0]).reshape(rows, -1).cpu().numpy().astype(np.float32)
        memory = tuple(part.reshape(rows, -1).cpu().numpy() for part in new)
        return action[0] if seen.ndim == 1 else action, memory

    def initial_state(self, rows: int) -> tuple[Array, ...]:
        """The learnt memory before the first observation, a tuple of (rows, units).

        Raises:
            ValueError: when the rows cannot be shared among the networks.
        """
        self._check_rows(rows)
        return tuple(part.reshape(rows, -1).cpu().numpy() for part in self._state(None, rows))

    def _check_rows(self, rows: int) -> None:
        networks = self._ensemble.networks
        if rows % networks or not rows:
            raise ValueError(f"{networks} networks need a multiple of {networks} rows, got {rows}")

    def _by_network(self, array: Array) -> torch.Tensor:
        """(rows, k) as (networks, rows of each, k) on the networks' device, in their dtype."""
        blocks = array.reshape(self._ensemble.networks, -1, array.shape[-1])
        return torch.as_tensor(np.ascontiguousarray(blocks)).to(self._ensemble.initial)

    def _state(self, state: tuple[Array, ...] | None, rows: int) -> State:
        initial = self._ensemble.initial_state(rows // self._ensemble.networks)
        if state is None:
            return initial
        shapes = [np.shape(part) for part in state]
        expected = [(rows, self._ensemble.units)] * len(initial)
        if shapes != expected:
            raise ValueError(f"state must be of shape {expected} for {rows} rows, got {shapes}")
        return tuple(self._by_network(np.asarray(part)) for part in state)

    def _restart(self, state: State, episode_start: ArrayLike, rows: int) -> State:
        starts = np.asarray(episode_start, dtype=bool)
        if starts.shape not in ((), (rows,)):
            raise ValueError(f"episode_start must be ({rows},) booleans, got shape {starts.shape}")
        fresh = torch.as_tensor(
            np.broadcast_to(starts, (rows,)).reshape(self._ensemble.networks, -1, 1).copy()
        )
        fresh = fresh.to(self._ensemble.initial.device)
        initial = self._ensemble.initial_state(rows // self._ensemble.networks)
        return tuple(torch.where(fresh, new, old) for new, old in zip(initial, state, strict=True))


def mujoco_probe(
    ensemble: Ensemble,
    field: Field = NullField(),  # noqa: B008, frozen
    *,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    seed: int = 0,
) -> NDArray[np.float64]:
    """Hand paths, m, (networks, 8, T + 1, 2), of the 8 centre-out reaches of a probe in MuJoCo.

    Go comes at 0.44 s, no trial is a catch trial, nothing is learnt; targets are those of
    ``agents.supervised.reaches.centre_out_targets``, and time 0 is the start.
    """
    rows = ensemble.networks * N_TARGETS
    env = ReachVectorEnv(
        rows, field=field, go_time=PROBE_GO, catch_fraction=0.0, noise=noise, delays=delays, nthread=1
    )
    policy = NetworkPolicy(ensemble, network=None)
    targets = np.tile(np.arange(N_TARGETS), ensemble.networks)
    observation, info = env.reset(seed=seed, options={"target": targets})
    path, state = [info["hand_position"]], None
    for _ in range(TRIAL_STEPS):
        action, state = policy.predict(observation, state)
        observation, _, _, _, info = env.step(action)
        path.append(info["hand_position"])
    env.close()
    return np.stack(path, 1).reshape(ensemble.networks, N_TARGETS, TRIAL_STEPS + 1, 2)
