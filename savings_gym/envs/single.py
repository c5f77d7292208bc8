"""The reaching task as a Gymnasium environment; `envs.vector` has it for many arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arm.changes import ArmLike
from savings_gym.arrays import Array, as_finite, as_flag, as_real, as_whole_number
from savings_gym.perturbations.fields import Field
from savings_gym.task.impairments import ImpairmentsLike
from savings_gym.task.options import TrialOptions
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
    TaskSettings,
    task_settings,
)
from savings_gym.task.single import SingleReachTask

if TYPE_CHECKING:  # imported when something is drawn
    from savings_gym.envs.render import ReachRenderer
    from savings_gym.envs.window import Window

SHOWN = 64  # numbers of an action that an error shows


class ReachEnv(gym.Env[Array, Array]):
    """A planar two-joint arm, driven by six muscles, reaches for targets in a force field.

    The arm lies in the horizontal plane (x to the right, y forward, shoulder at the origin, no
    gravity). An episode is one trial of 1 s: the hand rests at the start, the target is shown, and
    a go signal comes at an unpredictable time. From then on a force field may push the hand; the
    observation does not reveal it. Task and plant follow Shahbazi et al. (2026), eLife
    14:RP107423; the muscles are MuJoCo's.

    ## Action space
    `Box(0, 1, (6,), float32)`, the excitations of the muscles for the next 10 ms. Noise (SD 1e-4) is
    added, then the sum is clipped to 0.001..1. (Ignore checkers that advise symmetric actions: a muscle
    only pulls, so its excitation has no sign.)

    | Num | Action | Min | Max | Name in MJCF | Unit |
    |-----|--------|-----|-----|--------------|------|
    | 0 | excitation, shoulder flexor | 0 | 1 | pectoralis | - |
    | 1 | excitation, shoulder extensor | 0 | 1 | deltoid | - |
    | 2 | excitation, elbow flexor | 0 | 1 | brachioradialis | - |
    | 3 | excitation, elbow extensor | 0 | 1 | triceps_lateral | - |
    | 4 | excitation, biarticular flexor | 0 | 1 | biceps | - |
    | 5 | excitation, biarticular extensor | 0 | 1 | triceps_long | - |

    With `actuation="torque"`: `Box(-1, 1, (2,), float32)`, shares of the largest torque (20 N·m).

    | Num | Action | Min | Max | Name in MJCF | Unit |
    |-----|--------|-----|-----|--------------|------|
    | 0 | torque at the shoulder, flexion positive | -1 | 1 | shoulder | 20 N·m |
    | 1 | torque at the elbow, flexion positive | -1 | 1 | elbow | 20 N·m |

    ## Observation space
    `Box(..., (17,), float32)`. The hand is seen 70 ms late (noise of SD 1e-4 m) and the muscles are
    felt 20 ms late (SD 1e-3); until then, the state at the start of the trial is observed. Values
    beyond the limits are clipped. A visual perturbation as `field` shows the hand elsewhere, see
    `savings_gym.perturbations.visual`.

    | Num | Observation | Min | Max | Name in MJCF | Unit |
    |-----|-------------|-----|-----|--------------|------|
    | 0 | hand position x, late | -1 | 1 | hand (site) | m |
    | 1 | hand position y, late | -1 | 1 | hand (site) | m |
    | 2 | fibre length, late | 0 | 2 | pectoralis | optimal lengths |
    | 3 | fibre length, late | 0 | 2 | deltoid | optimal lengths |
    | 4 | fibre length, late | 0 | 2 | brachioradialis | optimal lengths |
    | 5 | fibre length, late | 0 | 2 | triceps_lateral | optimal lengths |
    | 6 | fibre length, late | 0 | 2 | biceps | optimal lengths |
    | 7 | fibre length, late | 0 | 2 | triceps_long | optimal lengths |
    | 8 | fibre velocity, late | -5 | 5 | pectoralis | largest shortening speeds |
    | 9 | fibre velocity, late | -5 | 5 | deltoid | largest shortening speeds |
    | 10 | fibre velocity, late | -5 | 5 | brachioradialis | largest shortening speeds |
    | 11 | fibre velocity, late | -5 | 5 | triceps_lateral | largest shortening speeds |
    | 12 | fibre velocity, late | -5 | 5 | biceps | largest shortening speeds |
    | 13 | fibre velocity, late | -5 | 5 | triceps_long | largest shortening speeds |
    | 14 | target position x | -1 | 1 | - | m |
    | 15 | target position y | -1 | 1 | - | m |
    | 16 | go cue, 70 ms after go | 0 | 1 | - | - |

    With `trial_cue=True`, a last number is 1 in the first observation of a trial, and 0 in all others.

    With `actuation="torque"`: `Box(..., (9,), float32)`, joints instead of muscles.

    | Num | Observation | Min | Max | Name in MJCF | Unit |
    |-----|-------------|-----|-----|--------------|------|
    | 0 | hand position x, late | -1 | 1 | hand (site) | m |
    | 1 | hand position y, late | -1 | 1 | hand (site) | m |
    | 2 | joint angle, late | -4 | 4 | shoulder | rad |
    | 3 | joint angle, late | -4 | 4 | elbow | rad |
    | 4 | joint velocity, late | -5 | 5 | shoulder | 10 rad/s |
    | 5 | joint velocity, late | -5 | 5 | elbow | 10 rad/s |
    | 6 | target position x | -1 | 1 | - | m |
    | 7 | target position y | -1 | 1 | - | m |
    | 8 | go cue, 70 ms after go | 0 | 1 | - | - |

    ## Reward
    The sum of four terms, each in `info`, in every one of the T = 100 control steps of a trial:

    | Term | Value | Weight w |
    |------|-------|----------|
    | `reward_proximity` | w / T · (1 − 2 d / D) | 1.4 |
    | `reward_effort` | −w / T · mean(u²) | 1 |
    | `reward_jerk` | −w / T · b² / (b² + 0.03²) | 1 |
    | `reward_lateral` | −w / T · l / D | 0 |

    d is the distance of the hand from the goal (the start until the go cue is seen, then the target), D that
    of the target from the start (at least 0.1 m), u the commands, b the second difference of the hand's
    velocity [m/s], l the distance from the straight line to the target. `reward_weights` changes the weights.
    A visual perturbation decides whether the hand or its cursor, where it is seen, has to be near the goal.
    Return of a trial, mean over trials (measured by a test); the straight reach without a field, the others
    in a curl field of 8 N s/m, by torques with `actuation="torque"`:

    | Behaviour | Trial with go | Catch trial |
    |-----------|---------------|-------------|
    | straight reach in 0.36 s (torques) | 0.87 | 1.40 |
    | hand held at the start (torques) | -0.66 | 1.40 |
    | no excitation: the hand drifts | -0.67 | 1.11 |
    | random excitations | -6.9 | -6.9 |

    ## Start of a trial
    The arm is at rest, with activations at 0.001. Centre-out: the hand is at (−0.134, 0.434) m, and the
    targets, 0.10 m away, come in shuffled blocks of one trial each. Random reaches (`targets="random"`):
    start and target are uniform in joint angles. Go comes at a uniform time from 0.10 to 0.30 s. A catch
    trial, in which it does not come, has probability 0.5 and is drawn trial by trial (in the study, exactly
    half of every batch of 8 are catch trials, which one environment cannot promise). `task.draws` lists all
    that is random, in its order, when a trial begins: seed and actions determine everything.
    `reset(seed=...)` begins the experiment anew, with trial 0: seed once, not in every episode.

    `reset(options=...)` chooses for the next trial: "target" (index, or position (x, y) in m as
    floats), "start" (hand position in m; centre-out targets move with it), "go_time" (s), "catch"
    (boolean), "catch_fraction", "field" (a field or its dict). Later trials are as they would have been.

    ## End of a trial
    Truncation after 100 control steps of 10 ms (5 physics steps each). Never termination. The argument
    `max_episode_steps` of `gym.make` can end a trial sooner; a value above 100 has no effect.

    ## Info
    NumPy numbers and arrays, free of delay and noise, with the same names, types and shapes after `reset`
    and after every `step`: "phase" (its index in `Schedule.names`; −1 without a schedule), "trial" (counted
    from 0), "schedule_done", "target" (index; −1 if it is not a centre-out target), "target_position" (m),
    "go_time" (s; in a catch trial, the time at which go is withheld), "catch", "hand_position" (m),
    "hand_velocity" (m/s), "cursor_position" (m, where the hand is seen), "muscle_force" (6 in N; with torques
    "joint_torque", 2 in N·m), "field_force" (the field's force on the hand, N, mean over the physics steps of
    this control step) and the reward terms (0 after `reset`).

    ## Arguments
    * `field`: the perturbation of every trial, a force field (see `savings_gym.perturbations.fields`), a
      visual one (see `savings_gym.perturbations.visual`), a sum of several, or its dict; None means none.
      Its `onset` is "start" (of the trial), "go", or "cue" (when the go cue is seen).
    * `schedule`: a `Schedule` or its dict, which sets the field by the number of the trial; excludes `field`.
      A trial counts once a step has been made in it; if it is reset before, it is drawn again, with the
      same target. The last phase goes on after the end.
    * `actuation`: "muscle"; "motor", ideal motors in place of the muscles, which pull along the same paths
      with the same strength, whatever their length and speed, within a control step; or "torque".
    * `arm`: changes of the arm, such as `{"strength": {"biceps": 0.5}, "length": {"forearm": 1.1}}`, or the
      path of an MJCF file, see `arm.changes.ArmChanges`; None means the standard arm.
    * `targets`: number of centre-out targets (evenly spaced from 0°), their directions in degrees (all
      different), or "random".
    * `go_time`: time of go in s, or (first, last) of a uniform draw; whole control steps. The test
      trials of the study have `go_time=0.44, catch_fraction=0.0`.
    * `catch_fraction`: probability of a catch trial; a phase of the schedule may have its own.
    * `noise`: `Noise` or a dict of some of its values; True means the default, False or None no noise.
    * `delays`: `Delays` or a dict of some of its values, in whole control steps; True means the default,
      False or None no delay. The go cue is as late as the hand, unless it has a delay of its own (`cue`).
    * `reward_weights`: `RewardWeights` or a dict of some of its values; True means the default.
    * `trial_cue`: whether the observation has a last number that is 1 when a trial begins. It is meant for
      `ReachSession-v0`, whose episodes have many trials, and for probes of its agents.
    * `impairments`: `task.impairments.Impairments`, or a dict of some of its values: noise in proportion to
      the action, a stretch reflex by muscle (spasticity), fatigue. `info` then has "fatigued", too: the share
      of fatigued motor units by muscle, if muscles tire. False or None means none.
    * `render_mode`: "rgb_array", "human" or None. "human" shows every step in a window, in real time (needs
      pygame, as in `pip install 'savings_gym[render]'`).

    ## Version history
    * v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": RENDER_FPS}

    def __init__(
        self,
        *,
        field: Field | Mapping[str, Any] | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        actuation: str = "muscle",
        arm: ArmLike = None,
        targets: int | str | Sequence[float] = N_TARGETS,
        go_time: float | Sequence[float] = GO_TIMES,
        catch_fraction: float = CATCH_FRACTION,
        noise: NoiseLike = True,
        delays: DelaysLike = Delays(),  # noqa: B008, frozen
        reward_weights: RewardWeightsLike = RewardWeights(),  # noqa: B008, frozen
        trial_cue: bool = False,
        impairments: ImpairmentsLike = None,
        render_mode: str | None = None,
    ) -> None:
        self.task = self._make_task(
            task_settings(
                field=field,
                schedule=schedule,
                actuation=actuation,
                arm=arm,
                targets=targets,
                go_time=go_time,
                catch_fraction=catch_fraction,
                noise=noise,
                delays=delays,
                reward_weights=reward_weights,
                trial_cue=trial_cue,
                impairments=impairments,
            ),
        )
        self.observation_space = self.task.observation_space
        self.action_space = self.task.action_space
        self.render_mode = as_render_mode(render_mode, self.metadata)
        self._renderer: ReachRenderer | None = None
        self._window = open_window() if render_mode == "human" else None

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without renderer and window; a copy makes its own when it renders."""
        return {**self.__dict__, "_renderer": None, "_window": None}

    @property
    def trial_field(self) -> Field:
        """The field of the current trial."""
        return self.task.trials.fields[0]

    @property
    def trial_phase(self) -> Phase | None:
        """The phase of the current trial; None without a schedule."""
        return self.task.trials.phases[0]

    @property
    def settings(self) -> TaskSettings:
        """What defines the task; `ReachEnv(**env.settings.arguments())` has the same task."""
        return self.task.settings

    def set_schedule(self, schedule: Schedule | Mapping[str, Any] | None, *, restart: bool = True) -> None:
        """Follow another schedule from the next trial on, counting trials from 0.

        None returns to the field of the constructor. A trial in which no step has been made follows the
        new schedule at once: its number, phase, field and catch are set again, and its target is drawn again
        if the phase excludes it, unless the `options` of its reset chose them. The rest stays as drawn. The
        next observation is the first that shows a new target.

        With ``restart=False`` the count goes on, and a trial that has begun stays as it is: for a schedule
        whose later phases are others than planned.
        """
        self.task.set_schedule(schedule, [self.np_random], as_flag("restart", restart))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin the next trial. See the class for `options`."""
        chosen = self.task.trials.options(options)
        super().reset(seed=None if seed is None else as_whole_number("seed", seed))
        if seed is not None:
            self.task.restart()
        self._begin(chosen)
        self._show()
        return self.task.observe(), self._info()

    def step(self, action: ArrayLike) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Advance by one control step.

        Raises:
            ValueError: If the action has a wrong shape or is not finite.
        """
        task = self.task
        reward = task.step(as_actions(action, task.action_space.shape))
        truncated = self._finish_trial()
        self._show()
        return task.observe(), reward, False, truncated, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture of the trial, (480, 480, 3).

        It shows the arm with its muscles, which take on colour as they are activated; start, target (a ring
        before go) and hand path; the cursor in orange, if a visual perturbation moves it; the force on the
        hand in red; and on the table, the field as it acts on hands that move away from the start (see
        `snapshot.FieldArrows`), pale until it sets on.

        None with "human", whose window every reset and step keep up to date, and without a render mode.
        """
        if self.render_mode is None:
            gym.logger.warn("render() needs gym.make(..., render_mode='rgb_array')")
        return self._picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Free the renderer and close the window."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        if self._window is not None:
            self._window.close()

    def _make_task(self, settings: TaskSettings) -> SingleReachTask:
        return SingleReachTask(settings)

    def _begin(self, chosen: TrialOptions) -> None:
        """Begin an episode."""
        self.task.begin(self.np_random, chosen)

    def _finish_trial(self) -> bool:
        """Return whether the step has ended the episode."""
        return bool(self.task.t[0] >= TRIAL_STEPS)

    def _info(self) -> dict[str, Any]:
        return self.task.info()

    def _picture(self) -> NDArray[np.uint8]:
        if self._renderer is None:
            from savings_gym.envs.render import ReachRenderer

            self._renderer = ReachRenderer(self.task)
        return self._renderer.frame(0)

    def _show(self) -> None:
        if self.render_mode == "human":
            self._window = self._window or open_window()
            self._window.show(self._picture())


def open_window() -> Window:
    """Return a window for ``render_mode="human"``; pygame is imported now."""
    from savings_gym.envs.window import Window

    return Window()


def as_render_mode(render_mode: str | None, metadata: Mapping[str, Any]) -> str | None:
    """Return the render mode, or raise a ValueError that lists the valid ones."""
    modes = metadata["render_modes"]
    if render_mode is not None and not (isinstance(render_mode, str) and render_mode in modes):
        raise ValueError(f"render_mode must be None or one of {modes}, got {render_mode!r}")
    return render_mode


def as_actions(action: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the action as floats; ValueError if it is not finite real numbers of this shape."""
    actions = as_real("the action", action)
    if actions.shape != shape:
        raise ValueError(f"an action must have the shape {shape}, got {actions.shape}")
    if actions.size <= SHOWN and not np.isfinite(actions).all():
        raise ValueError(f"an action must be finite, got {actions.tolist()}")
    return as_finite("the action", actions)
