"""A brain-computer interface as a Gymnasium environment, single and vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Array, as_choice, as_flag, as_whole_number
from savings_gym.bci.decoder import Decoder
from savings_gym.bci.settings import CursorOptions, CursorSettings, cursor_settings
from savings_gym.bci.task import CursorTask
from savings_gym.envs.cursor_picture import cursor_picture
from savings_gym.envs.single import as_actions, as_render_mode, open_window
from savings_gym.envs.trials import INFOS, MOST_ENVS, TrialVectorEnv, as_autoreset_mode
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import (
    CATCH_FRACTION,
    GO_TIMES,
    N_TARGETS,
    RENDER_FPS,
    TRIAL_STEPS,
    Delays,
    DelaysLike,
    NoiseLike,
    RewardWeights,
    RewardWeightsLike,
)


class BCIReachEnv(gym.Env[Array, Array]):
    """The activity of n units moves a cursor to targets, through a linear decoder.

    The agent is the population: its action is what the units do in the next 10 ms, and the decoder (see
    `savings_gym.bci.decoder`) turns that into the velocity of the cursor,

        v_t = A v_(t−1) + K u_t + b        x_t = x_(t−1) + 10 ms · v_t

    An episode is one trial of 1 s, as with the arm: the cursor rests in the middle of the screen, a target is
    shown, and a go signal comes at an unpredictable time. Nothing tells which decoder is on. The paradigm is
    that of Sadtler et al. (2014), doi 10.1038/nature13665, and Losey et al. (2024), doi
    10.1016/j.cub.2024.03.003; trials, delays, noise and rewards are those of `ReachEnv`.

    ## Action space
    `Box(-1, 1, (units,), float32)`, the activity of the units, of no unit. Noise is added, then the sum is
    clipped to the space.

    ## Observation space
    `Box(..., (5,), float32)`. The cursor is seen 70 ms late, with noise; until then, the state at the start
    of the trial is observed. Values beyond the limits are clipped.

    | Num | Observation | Min | Max | Unit |
    |-----|-------------|-----|-----|------|
    | 0 | cursor position x, late | -1 | 1 | m |
    | 1 | cursor position y, late | -1 | 1 | m |
    | 2 | target position x | -1 | 1 | m |
    | 3 | target position y | -1 | 1 | m |
    | 4 | go cue, 70 ms after go | 0 | 1 | - |

    ## Reward
    `reward_proximity + reward_effort + reward_jerk + reward_lateral`, as in `ReachEnv`, with the cursor for
    the hand and the mean squared activity for the effort.

    ## Start of a trial
    The cursor is at (0, 0) m, at rest, and the targets, 0.10 m away, come in shuffled blocks of one trial
    each. Go and catch trials are drawn as in `ReachEnv`. `reset(seed=...)` begins the experiment anew, with
    trial 0.

    `reset(options=...)` chooses for the next trial: "target" (index, or position (x, y) in m as floats),
    "go_time" (s), "catch" (boolean), "catch_fraction", "decoder" (a decoder or its dict). Later trials are as
    they would have been.

    ## End of a trial
    Truncation after 100 control steps of 10 ms. Never termination. The argument `max_episode_steps` of
    `gym.make` can end a trial sooner; a value above 100 has no effect.

    ## Info
    NumPy numbers and arrays, free of delay and noise, with the same names, types and shapes after `reset` and
    after every `step`: "phase" (its index in `Schedule.names`; −1 without a schedule), "trial",
    "schedule_done", "target" (index; −1 if it is not a centre-out target), "target_position" (m), "go_time"
    (s), "catch", "cursor_position" (m), "cursor_velocity" (m/s) and the reward terms (0 after `reset`).

    ## Arguments
    * `units`: number of units; None is that of the decoder, or 90 without one.
    * `decoder`: the decoder of every trial, or its dict; None is a population vector of the units, see
      `bci.decoder.population_vector`.
    * `schedule`: a `Schedule` of `DecoderPhase`, or its dict, which sets the decoder by the number of the
      trial; excludes `decoder`. See `bci.schedule.perturbed_phases`.
    * `targets`: number of centre-out targets (evenly spaced from 0°), or their directions in degrees.
    * `go_time`: time of go in s, or (first, last) of a uniform draw; whole control steps.
    * `catch_fraction`: probability of a catch trial; a phase of the schedule may have its own.
    * `noise`: `Noise` or a dict of some of its values; `excitation` is that of the activity, `vision` that of
      the cursor, and nothing is felt. True means the default, False or None no noise.
    * `delays`: `Delays` or a dict of some of its values, of which `vision` and `cue` count; True means the
      default, False or None no delay.
    * `reward_weights`: `RewardWeights` or a dict of some of its values; True means the default.
    * `render_mode`: "rgb_array", "human" (a window; needs pygame) or None.

    ## Version history
    * v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": RENDER_FPS}

    def __init__(
        self,
        *,
        units: int | None = None,
        decoder: Decoder | Mapping[str, Any] | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        targets: int | Sequence[float] = N_TARGETS,
        go_time: float | Sequence[float] = GO_TIMES,
        catch_fraction: float = CATCH_FRACTION,
        noise: NoiseLike = True,
        delays: DelaysLike = Delays(),  # noqa: B008, frozen
        reward_weights: RewardWeightsLike = RewardWeights(),  # noqa: B008, frozen
        render_mode: str | None = None,
    ) -> None:
        settings = cursor_settings(
            units=units,
            decoder=decoder,
            schedule=schedule,
            targets=targets,
            go_time=go_time,
            catch_fraction=catch_fraction,
            noise=noise,
            delays=delays,
            reward_weights=reward_weights,
        )
        self.task = CursorTask(1, settings)
        self.observation_space = self.task.observation_space
        self.action_space = self.task.action_space
        self.render_mode = as_render_mode(render_mode, self.metadata)
        self._window = open_window() if render_mode == "human" else None

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the window; a copy opens its own when it shows something."""
        return {**self.__dict__, "_window": None}

    @property
    def trial_decoder(self) -> Decoder:
        """The decoder of the current trial."""
        return self.task.trials.decoders[0]

    @property
    def trial_phase(self) -> Phase | None:
        """The phase of the current trial; None without a schedule."""
        return self.task.trials.phases[0]

    @property
    def settings(self) -> CursorSettings:
        """What defines the task; `BCIReachEnv(**env.settings.arguments())` has the same task."""
        return self.task.settings

    def set_schedule(self, schedule: Schedule | Mapping[str, Any] | None, *, restart: bool = True) -> None:
        """Follow another schedule from the next trial on, counting from 0; see `ReachEnv.set_schedule`.

        None returns to the decoder of the constructor, or of the first phase of a schedule given there.

        Raises:
            ValueError: If a phase has no decoder, or one with another number of units.
        """
        self.task.set_schedule(schedule, [self.np_random], as_flag("restart", restart))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin the next trial. See the class for `options`."""
        chosen = self.task.options(options)
        super().reset(seed=None if seed is None else as_whole_number("seed", seed))
        if seed is not None:
            self.task.restart()
        self.task.begin(np.array([0]), [self.np_random], chosen)
        self._show()
        return self.task.observe()[0], self._info()

    def step(self, action: ArrayLike) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Advance by one control step.

        Raises:
            ValueError: If the action has a wrong shape or is not finite.
        """
        self.task.step(as_actions(action, self.task.action_space.shape)[None])
        reward = float(sum(term[0] for term in self.task.reward_terms.values()))
        truncated = bool(self.task.t[0] >= TRIAL_STEPS)
        self._show()
        return self.task.observe()[0], reward, False, truncated, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture of the screen, (480, 480, 3), see `envs.cursor_picture`; None with "human"."""
        if self.render_mode is None:
            gym.logger.warn("render() needs gym.make(..., render_mode='rgb_array')")
        return cursor_picture(self.task, 0) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            self._window.close()

    def _info(self) -> dict[str, Any]:
        """Return the info of the task without its first axis; truths are arrays, as in `ReachEnv`."""
        info = {name: value[0] for name, value in self.task.info().items()}
        return info | {name: np.array(info[name]) for name in ("schedule_done", "catch")}

    def _show(self) -> None:
        if self.render_mode == "human":
            self._window = self._window or open_window()
            self._window.show(cursor_picture(self.task, 0))


class BCIReachVectorEnv(TrialVectorEnv):
    """`num_envs` cursors at once; see `BCIReachEnv` for the task and `ReachVectorEnv` for seeds and infos.

    Environment i of `reset(seed=seed)` goes through the same trials as a `BCIReachEnv` that is seeded with
    `spawn_seeds(seed, num_envs)[i]`. `reset(options=...)` takes one value for all environments, or a list
    with one value for each. `set_schedule` changes the phases later.

    Args:
        num_envs: Number of cursors.
        units: See `BCIReachEnv`.
        decoder: See `BCIReachEnv`.
        schedule: See `BCIReachEnv`.
        targets: See `BCIReachEnv`.
        go_time: See `BCIReachEnv`.
        catch_fraction: See `BCIReachEnv`.
        noise: See `BCIReachEnv`.
        delays: See `BCIReachEnv`.
        reward_weights: See `BCIReachEnv`.
        render_mode: "rgb_array" or None; `render` returns one picture per environment, and `render_grid` one
            of all.
        shared_trials: Count the trials of all environments together.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as in Gymnasium.
        max_episode_steps: Control steps until truncation, at least 1; a trial ends after 100 in any case.
        info: "full", or "trial": then `step` returns an empty info unless a trial ends or begins in that
            step.
    """

    task: CursorTask

    def __init__(
        self,
        num_envs: int = 1,
        *,
        units: int | None = None,
        decoder: Decoder | Mapping[str, Any] | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        targets: int | Sequence[float] = N_TARGETS,
        go_time: float | Sequence[float] = GO_TIMES,
        catch_fraction: float = CATCH_FRACTION,
        noise: NoiseLike = True,
        delays: DelaysLike = Delays(),  # noqa: B008, frozen
        reward_weights: RewardWeightsLike = RewardWeights(),  # noqa: B008, frozen
        render_mode: str | None = None,
        shared_trials: bool = False,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int = TRIAL_STEPS,
        info: str = "full",
    ) -> None:
        num_envs = as_whole_number("num_envs", num_envs, 1, MOST_ENVS)
        max_episode_steps = min(as_whole_number("max_episode_steps", max_episode_steps, 1), TRIAL_STEPS)
        shared_trials, mode = as_flag("shared_trials", shared_trials), as_autoreset_mode(autoreset_mode)
        info = as_choice("info", info, INFOS)
        settings = cursor_settings(
            units=units,
            decoder=decoder,
            schedule=schedule,
            targets=targets,
            go_time=go_time,
            catch_fraction=catch_fraction,
            noise=noise,
            delays=delays,
            reward_weights=reward_weights,
        )
        self.num_envs, self.shared_trials = num_envs, shared_trials
        self.render_mode = as_render_mode(render_mode, self.metadata)
        task = CursorTask(num_envs, settings, shared_trials)
        self._take(task, mode, max_episode_steps, info == "full")

    @property
    def trial_decoders(self) -> tuple[Decoder, ...]:
        """The decoder of the current trial of each environment."""
        return tuple(self.task.trials.decoders)

    @property
    def settings(self) -> CursorSettings:
        """What defines the task; `BCIReachVectorEnv(n, **env.settings.arguments())` has the same task."""
        return self.task.settings

    def _picture(self, environment: int, size: int) -> NDArray[np.uint8]:
        return cursor_picture(self.task, environment, size)

    def _options(self, options: Mapping[str, Any] | None) -> CursorOptions:
        return self.task.options(options)
