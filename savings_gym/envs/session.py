"""Sessions of many trials as Gymnasium environments: one arm, and many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from savings_gym.arm.changes import ArmLike
from savings_gym.arrays import Array, Floats, Indices, as_whole_number
from savings_gym.envs.single import ReachEnv
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.task.impairments import ImpairmentsLike
from savings_gym.task.options import TrialOptions
from savings_gym.task.reach import ReachTask
from savings_gym.task.session import Session, as_session
from savings_gym.task.settings import (
    CATCH_FRACTION,
    GO_TIMES,
    N_TARGETS,
    TRIAL_STEPS,
    Delays,
    DelaysLike,
    NoiseLike,
    RewardWeights,
    RewardWeightsLike,
    TaskSettings,
)
from savings_gym.task.single import SingleReachTask


class ReachSessionEnv(ReachEnv):
    """An episode is a session: many trials of `ReachEnv`, in fields that are drawn anew for every session.

    An agent that carries its memory through the session can find out about the field in the first trials
    and use that in later ones; nothing else tells it. So adaptation, washout and savings can show in
    activity, with weights that stay fixed (Wang et al. 2018, doi 10.1038/s41593-018-0147-8; Duan et al. 2016,
    arXiv:1611.02779). Each trial is one of `ReachEnv`, with the same spaces, arm and reward.

    ## Session
    A session is data, see `task.session.Session`: blocks of trials, each with no field, with the field "A" or
    "B" of the session, or with a field of its own; and the pairs that A and B are drawn from. `reset` draws
    the pair, then the lengths of blocks that have a range, then the first trial, all from the environment's
    own generator; `reset(seed=...)` begins anew with session 0. A session without a step is drawn again.

    | `session` | Blocks | Trials |
    |-----------|--------|--------|
    | "adaptation" | FF1 in A | 16 |
    | "savings" | NF1 without a field, FF1 in A, NF2 without a field, FF2 in A | 8, 16, 16, 16 |
    | "interference" | FF1 in A, B in B, FF2 in A | 16, 16, 16 |

    In these, A is a curl field of 4, 8 or 12 N·s/m to either side, or in a fifth of the sessions no field,
    and B is its opposite.

    ## From trial to trial
    The step that ends a trial also begins the next one, so that a session of k trials takes 100 k steps, none
    of them idle, and every action is made in some trial. It returns the reward of the trial that ends, and
    the first observation of the trial that begins: the arm is put back to the start, at rest, exactly as
    `reset` does it in `ReachEnv`; target, catch, go time and noise are drawn, and what was sensed before is
    forgotten (the late senses show the start). The last state of the old trial is not observed, since no
    action could follow it. With `trial_cue=True` the observation shows where trials begin.

    Targets come in shuffled blocks, of which every session begins a new one. `reset(options=...)` takes the
    options of `ReachEnv`, which hold for all trials of the session, whatever its blocks ("field", too).

    ## End of a session
    Truncation with the last control step of the last trial, never termination: a session ends by a count
    that no observation shows, not because of what the arm did, so that learners bootstrap from its last
    observation, which is that of the last trial. In between, neither is set: the return of later trials
    counts for the actions of earlier ones. The argument `max_episode_steps` of `gym.make` and `gym.make_vec`
    can end a session sooner; a value above 100 steps for each of its trials has no effect.

    ## Info
    As in `ReachEnv`, NumPy numbers and arrays with the same names, types and shapes after `reset` and `step`.
    They belong to the trial of the returned observation: "trial" (counted from 0 in every session), "phase"
    (the block, its index in `Session.names`), "schedule_done" (False), "target", "target_position",
    "go_time", "catch", "hand_position", "hand_velocity", "cursor_position", "muscle_force" or
    "joint_torque", "field_force". The reward terms belong to the returned reward, also if it is that of the
    trial before. More than there:

    | Name | Meaning |
    |------|---------|
    | "session" | sessions since the seed, counted from 0 |
    | "pair" | index in `Session.pairs` of what A and B are in the session |
    | "field" | field of the block: 0 none, 1 A, 2 B, 3 one of its own |
    | "phase_trial" | number of the trial in its block |
    | "trial_began" | whether the observation is the first one of a trial |
    | "trial_ended" | whether the step was the last one of a trial, to which the reward belongs |
    | "final_position" | hand after the step (m): at the end of the trial if one has ended |

    So both flags are set where one trial follows another, "trial_began" alone after `reset`, and
    "trial_ended" alone at the end of the session. "final_position" is "hand_position" unless both are set.
    `trial_field` and `trial_phase` are those of the trial of the observation.

    ## Arguments
    * `session`: a `Session`, its dict, or a name from the table above. Excludes the arguments `field` and
      `schedule` of `ReachEnv`; the others are the same here.
    * `trial_cue`: whether the observation has a last number, 1 in the first observation of a trial and 0 in
      all others.
    * `impairments`: see `ReachEnv`; fatigue goes on over all sessions.

    ## Version history
    * v0: first version.
    """

    def __init__(
        self,
        *,
        session: Session | Mapping[str, Any] | str = "savings",
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
        self.session = as_session(session)
        self._trial_ended, self._final_position = False, np.zeros(2)
        super().__init__(
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
            render_mode=render_mode,
        )

    def set_schedule(self, schedule: Any, *, restart: bool = True) -> NoReturn:
        """Refuse another schedule: every session draws its own."""
        _refuse_schedule()

    def _make_task(self, settings: TaskSettings) -> SingleReachTask:
        return SingleReachTask(settings, self.session)

    def _begin(self, chosen: TrialOptions) -> None:
        super()._begin(chosen)
        self._trial_ended = False
        self._read_trial()

    def _finish_trial(self) -> bool:
        """Begin the next trial if one has ended; return whether the session has."""
        task = self.task
        self._trial_ended = super()._finish_trial()
        if not self._trial_ended:
            return False
        self._final_position = task.hand[TRIAL_STEPS, 0].copy()
        if task.sessions.number[0] == task.sessions.last[0]:
            return True
        task.go_on(self.np_random)
        self._read_trial()
        return False

    def _read_trial(self) -> None:
        """Read what stays the same during the trial."""
        self._session_info = {name: value[0] for name, value in self.task.sessions.info().items()}

    def _info(self) -> dict[str, Any]:
        info, ended = super()._info(), self._trial_ended
        info.update(self._session_info)
        info["trial_began"] = np.array(self.task.t.item() == 0)
        info["trial_ended"] = np.array(ended)
        info["final_position"] = (self._final_position if ended else info["hand_position"]).copy()
        return info


class ReachSessionVectorEnv(ReachVectorEnv):
    """Sessions of `num_envs` arms on one thread pool; see `ReachSessionEnv`, and `ReachVectorEnv` for seeds.

    Every environment goes through sessions of its own. Sessions of different lengths end in different steps.
    Trials all begin in the same step with autoreset "SameStep", unless environments are reset one by one.

    Args:
        num_envs: Number of arms.
        session: See `ReachSessionEnv`.
        actuation: See `ReachEnv`.
        arm: See `ReachEnv`.
        targets: See `ReachEnv`.
        go_time: See `ReachEnv`.
        catch_fraction: See `ReachEnv`.
        noise: See `ReachEnv`.
        delays: See `ReachEnv`.
        reward_weights: See `ReachEnv`.
        trial_cue: See `ReachSessionEnv`.
        impairments: See `ReachEnv`.
        render_mode: See `ReachVectorEnv`.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as in Gymnasium: what follows the end of a
            session. With "NextStep", the step after it begins the next session and is idle.
        max_episode_steps: Control steps until truncation, if the session is longer; None lets all sessions
            end with their last trial.
        nthread: Threads; 0 means one per CPU. Results do not depend on it.
        info: "full", or "trial": then `step` returns an empty info unless a trial ends or begins in that
            step.
    """

    _most_steps: int | None = None

    def __init__(
        self,
        num_envs: int = 1,
        *,
        session: Session | Mapping[str, Any] | str = "savings",
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
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        nthread: int = 0,
        info: str = "full",
    ) -> None:
        self.session = as_session(session)
        if max_episode_steps is not None:
            self._most_steps = as_whole_number("max_episode_steps", max_episode_steps, 1)
        super().__init__(
            num_envs,
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
            render_mode=render_mode,
            autoreset_mode=autoreset_mode,
            nthread=nthread,
            info=info,
        )
        self.max_episode_steps = TRIAL_STEPS * self.session.trials[1]
        if self._most_steps is not None:
            self.max_episode_steps = min(self.max_episode_steps, self._most_steps)
        self._trial_ended = np.zeros(self.num_envs, dtype=bool)
        self._final_position: Floats = np.zeros((self.num_envs, 2))

    @property
    def _trial_limit(self) -> int:
        return TRIAL_STEPS

    def set_schedule(self, schedule: Any, *, restart: bool = True) -> NoReturn:
        """Refuse another schedule: every session draws its own."""
        _refuse_schedule()

    def _make_task(self, settings: TaskSettings, nthread: int) -> ReachTask:
        return ReachTask(self.num_envs, settings, nthread, session=self.session)

    def _begin(self, environments: Indices, chosen: TrialOptions | None = None) -> None:
        super()._begin(environments, chosen)
        self._trial_ended[environments] = False

    def _finish_trials(self) -> NDArray[np.bool_]:
        """Begin the next trial where one has ended; return where sessions have."""
        task, over = self.task, np.zeros(self.num_envs, dtype=bool)
        if self._most_steps is not None:
            over |= TRIAL_STEPS * task.sessions.number + task.t >= self._most_steps
        ended = self._trial_ended = super()._finish_trials()
        if not ended.any():
            return over
        self._final_position[ended] = task.hand[TRIAL_STEPS, ended]
        last = ended & (task.sessions.number == task.sessions.last)
        going_on = np.flatnonzero(ended & ~last)
        if going_on.size:
            task.go_on(going_on, [self._rngs[i] for i in going_on])
        return over | last

    def _info(self) -> dict[str, Array]:
        info = super()._info() | self.task.sessions.info()
        ended = self._trial_ended
        return info | {
            "trial_began": self.task.t == 0,
            "trial_ended": ended.copy(),
            "final_position": np.where(ended[:, None], self._final_position, info["hand_position"]),
        }


def _refuse_schedule() -> NoReturn:
    raise ValueError(
        "a session draws its own schedule: make ReachSession-v0 with another session=..., or use "
        "SavingsReach-v0 for one schedule over all episodes"
    )
