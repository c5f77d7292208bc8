"""Trained networks as policies for the MuJoCo environments, with the ``predict`` of stable-baselines3."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from agents.supervised.networks import Ensemble, State
from savings_gym.arrays import Array
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.task.impairments import ImpairmentsLike
from savings_gym.task.settings import N_TARGETS, PROBE_GO, TRIAL_STEPS, Delays, Noise


class NetworkPolicy:
    """A policy made of networks, with the weights that they have when it is created.

    The read-out is the action. The networks add no noise, so ``deterministic`` makes no difference (the
    environment has its own noise).

    Args:
        ensemble: The networks.
        network: The network that acts, in any number of environments. None lets all n networks act: of n * m
            environments, network i acts in numbers i * m to (i + 1) * m - 1.
    """

    def __init__(self, ensemble: Ensemble, network: int | None = 0) -> None:
        """Copy the weights.

        Raises:
            ValueError: If the ensemble has no such network.
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
        """Return the next action.

        Args:
            observation: (inputs,) of one environment, or (k, inputs) of a vector of k environments.
            state: What the last call returned; None is the learned initial state.
            episode_start: (k,) True where a trial begins, with the initial state; None for nowhere.
            deterministic: Without effect.

        Returns:
            Action, (outputs,) or (k, outputs), and the new state, a tuple of (k, units).

        Raises:
            ValueError: If a shape does not fit.
        """
        values = np.asarray(observation)
        inputs = self._ensemble.input_weight.shape[2]
        if values.ndim not in (1, 2) or values.shape[-1] != inputs:
            raise ValueError(f"observation must be ({inputs},) or (k, {inputs}), got {values.shape}")
        k = 1 if values.ndim == 1 else len(values)
        self._check_number(k)
        old = self._state(state, k)
        if episode_start is not None:
            old = self._restart(old, episode_start, k)
        new = self._ensemble.step(self._by_network(values.reshape(k, inputs)), old)
        action = self._action(new[0]).reshape(k, -1).cpu().numpy().astype(np.float32)
        memory = tuple(part.reshape(k, -1).cpu().numpy() for part in new)
        return action[0] if values.ndim == 1 else action, memory

    def initial_state(self, k: int) -> tuple[Array, ...]:
        """Return the learned state of k environments before the first observation, a tuple of (k, units).

        Raises:
            ValueError: If the environments cannot be shared equally among the networks.
        """
        self._check_number(k)
        return tuple(part.reshape(k, -1).cpu().numpy() for part in self._state(None, k))

    def _action(self, activity: torch.Tensor) -> torch.Tensor:
        return self._ensemble.readout(activity)

    def _check_number(self, k: int) -> None:
        networks = self._ensemble.networks
        if k % networks or not k:
            raise ValueError(f"{networks} networks need a multiple of {networks} environments, got {k}")

    def _by_network(self, array: Array) -> torch.Tensor:
        """Return (k, width) as (networks, k / networks, width), with the networks' device and dtype."""
        blocks = array.reshape(self._ensemble.networks, -1, array.shape[-1])
        return torch.as_tensor(np.ascontiguousarray(blocks)).to(self._ensemble.initial)

    def _state(self, state: tuple[Array, ...] | None, k: int) -> State:
        initial = self._ensemble.initial_state(k // self._ensemble.networks)
        if state is None:
            return initial
        shapes = [np.shape(part) for part in state]
        expected = [(k, self._ensemble.units)] * len(initial)
        if shapes != expected:
            raise ValueError(f"state must have the shapes {expected} in {k} environments, got {shapes}")
        return tuple(self._by_network(np.asarray(part)) for part in state)

    def _restart(self, state: State, episode_start: ArrayLike, k: int) -> State:
        starts = np.asarray(episode_start, dtype=bool)
        if starts.shape not in ((), (k,)):
            raise ValueError(f"episode_start must be ({k},) booleans, got shape {starts.shape}")
        fresh = torch.as_tensor(np.broadcast_to(starts, (k,)).reshape(self._ensemble.networks, -1, 1).copy())
        fresh = fresh.to(self._ensemble.initial.device)
        initial = self._ensemble.initial_state(k // self._ensemble.networks)
        return tuple(torch.where(fresh, new, old) for new, old in zip(initial, state, strict=True))


class ActivityPolicy(NetworkPolicy):
    """Networks whose activity is the action, for `BCIReach-v0`."""

    def _action(self, activity: torch.Tensor) -> torch.Tensor:
        return activity


def mujoco_probe(
    ensemble: Ensemble,
    field: Field = NullField(),  # noqa: B008, frozen
    *,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    seed: int = 0,
    impairments: ImpairmentsLike = None,
) -> NDArray[np.float64]:
    """Return hand paths of the 8 centre-out reaches of a probe in MuJoCo, (networks, 8, T + 1, 2) [m].

    Go comes at 0.44 s, there are no catch trials, and nothing is learned. Targets are those of
    ``agents.supervised.reaches.centre_out_targets``; time 0 is the start.
    """
    environments = ensemble.networks * N_TARGETS
    env = ReachVectorEnv(
        environments, field=field, go_time=PROBE_GO, catch_fraction=0.0, noise=noise, delays=delays,
        impairments=impairments, nthread=1,
    )  # fmt: skip
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
