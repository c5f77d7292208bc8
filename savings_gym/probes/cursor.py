"""Probes of a brain-computer interface: the 8 centre-out reaches of the cursor under any decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from savings_gym.arrays import Floats, as_whole_number, short
from savings_gym.bci.decoder import Decoder, as_decoder
from savings_gym.bci.settings import CursorSettings
from savings_gym.envs.bci import BCIReachVectorEnv
from savings_gym.envs.single import as_actions
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.probes.policy import Policy, PolicyMemory, View
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, TRIAL_STEPS


@dataclass(frozen=True, eq=False)
class CursorProbeResult:
    """Measures, movements and activity of the 8 reaches of a probe.

    Attributes:
        columns: Name to (8,) measures, those of `metrics.kinematics.KINEMATIC_COLUMNS`, of the cursor.
        path: (8, 101, 2) cursor at 0, 10, ... 1000 ms [m].
        velocity: (8, 101, 2) its velocity [m/s].
        activity: (8, 100, units) the policy's actions, which are the activity of the units.
        target: (8, 2) [m].
    """

    columns: dict[str, Floats]
    path: Floats
    velocity: Floats
    activity: Floats
    target: Floats


class CursorProbe:
    """Probes policies under a decoder: ``CursorProbe(env.settings)(policy, decoder)``.

    A probe is that of the arm, see `probes.probe.Probe`: go at 0.44 s, no catch trials, memory reset, nothing
    learned. `activity.memory_trace` takes the activity of two of them.

    Args:
        settings: The task, from `BCIReachEnv.settings`. Schedule, decoder, targets, go times and catch trials
            are replaced by those of a probe.
        seed: Seed of the noise. Probe number i has the same noise in every `CursorProbe` of this seed.
        view: Turns observations (8, n), and whether they begin a trial, into what the policy sees, as
            `sb3.training_env.AgentView` does for wrapped agents of stable-baselines3.

    Raises:
        ValueError: If the settings are not those of a cursor, or the seed is not a whole number, at least 0.
    """

    def __init__(self, settings: CursorSettings, seed: int = 0, *, view: View | None = None) -> None:
        if not isinstance(settings, CursorSettings):
            raise ValueError(
                "settings must be those of a BCIReachEnv: env.settings, or env.unwrapped.settings of one "
                f"that gym.make returned; got {short(settings)}"
            )
        self._view = view
        self.seed, self._next_number = as_whole_number("seed", seed), 0
        probed = {"schedule": None, "targets": N_TARGETS, "go_time": PROBE_GO, "catch_fraction": 0.0}
        arguments = settings.arguments() | probed | {"decoder": settings.decoder}
        self._env = BCIReachVectorEnv(N_TARGETS, **arguments, autoreset_mode="Disabled")

    def __call__(
        self,
        policy: Policy | Callable[[Any], Any],
        decoder: Decoder | Mapping[str, Any],
        number: int | None = None,
    ) -> CursorProbeResult:
        """Probe a policy under a decoder.

        Args:
            policy: See `probes.probe.Probe`.
            decoder: The decoder, or its dict.
            number: Number of the probe, which decides its noise; None is one more than the last.

        Raises:
            TypeError: If the policy has no `predict` and is not a function.
            ValueError: If the decoder has another number of units.
        """
        chosen = self._next_number if number is None else as_whole_number("number", number)
        self._next_number = chosen + 1
        seeds = np.random.SeedSequence((self.seed, chosen)).generate_state(N_TARGETS).tolist()
        memory, options = (
            PolicyMemory(policy, self._view),
            {"target": np.arange(N_TARGETS), "decoder": as_decoder(decoder)},
        )
        observation, info = self._env.reset(seed=seeds, options=options)
        path, velocity, activity = [info["cursor_position"]], [info["cursor_velocity"]], []
        space: Any = self._env.action_space
        for step in range(TRIAL_STEPS):
            action = as_actions(memory.act(observation, first=step == 0), space.shape)
            activity.append(np.clip(action, space.low, space.high))  # what moves the cursor
            observation, _, _, _, info = self._env.step(activity[-1])
            path.append(info["cursor_position"])
            velocity.append(info["cursor_velocity"])
        cursor, target = np.stack(path, axis=1), info["target_position"]
        return CursorProbeResult(
            kinematic_measures(cursor, target, CONTROL_STEP),
            cursor,
            np.stack(velocity, axis=1),
            np.stack(activity, axis=1),
            target,
        )

    def close(self) -> None:
        """Free the environment."""
        self._env.close()
