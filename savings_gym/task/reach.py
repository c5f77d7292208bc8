"""The reaching task of n arms at once, and what it shares with the task of one arm in `single`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from savings_gym.arm import kinematics
from savings_gym.arm.model import load_arm
from savings_gym.arm.simulation import Simulation
from savings_gym.arrays import Floats, Indices
from savings_gym.perturbations.visual_maps import seen_hand
from savings_gym.task.impairments import ImpairedMuscles
from savings_gym.task.observation import JOINT_SPEED, PLANE, observation_layout, reach_spaces
from savings_gym.task.options import AS_DRAWN, TrialOptions
from savings_gym.task.push import pushed_steps
from savings_gym.task.rewards import NO_REACH, REWARD_TERMS, SHORTEST_REACH, reward_terms
from savings_gym.task.schedule import Schedule, as_schedule
from savings_gym.task.session import Session
from savings_gym.task.session_trials import SessionTrials
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, TaskSettings, physics_steps, whole_steps
from savings_gym.task.trials import Trials


class ReachingArms:
    """n arms, the trials they are in, and what is recorded of each trial.

    Observation t (0 .. 100) is made at t · 10 ms; action t acts from there to the next
    observation. With go in control step g and a delay of the cue of d steps, the go cue is seen in
    observations t ≥ g + d, and the goal of the reward is the target in states k ≥ g + d. A field
    acts in all control steps, in t ≥ g or in t ≥ g + d, by its onset "start", "go" or "cue".

    Args:
        n: Number of arms.
        settings: The task.
        nthread: Threads that step the arms; 0 is one per CPU.
        shared_trials: Count the trials of all arms together, instead of arm by arm.
        session: What the trials of an arm belong to; None for trials that follow the settings.

    Attributes:
        arm: The arm.
        layout: Slices of the observation.
        observation_space: Of one arm.
        action_space: Of one arm.
        trials: The trials that the arms are in.
        simulation: The arms in MuJoCo.
        t: (n,) control steps done in the trial; −1 before the first trial.
        hand: (101, n, 2) hand position in the states 0 .. t of the trial [m].
        hand_velocity: (101, n, 2) likewise [m/s].
        cursor: (101, n, 2) likewise, where the hand is seen [m]; the hand, unless a perturbation moves it.
        field_force: (n, 2) the field's mean force on the hand in the last control step [N].
    """

    def __init__(
        self,
        n: int,
        settings: TaskSettings,
        nthread: int = 1,
        shared_trials: bool = False,
        session: Session | None = None,
    ) -> None:
        self.n, self.settings = n, settings
        self.arm = arm = load_arm(settings.actuation, settings.arm)
        self.layout = layout = observation_layout(settings.actuation, settings.trial_cue)
        self.observation_space, self.action_space = reach_spaces(settings.actuation, settings.trial_cue)
        noise = settings.noise
        sd = np.append(
            layout.sensor_noise(noise.vision, noise.proprioception), [noise.excitation] * arm.n_actuators
        )
        low, self._high = arm.control_range.T  # (actuators,) each
        self._least_share = low / self._high
        impairments = settings.impairments
        if impairments.signal_noise:
            sd = np.append(sd, [impairments.signal_noise] * arm.n_actuators)
        self.muscles: ImpairedMuscles | None = None
        if impairments.spasticity or impairments.fatigue:
            self.muscles = ImpairedMuscles(n, impairments, CONTROL_STEP)
        self._reflex_delay = whole_steps("the delay of the reflex", impairments.reflex_delay)
        self.trials: Trials
        if session is None:
            self.trials = Trials(n, arm, settings, sd, shared_trials)
        else:
            self.trials = SessionTrials(n, arm, settings, sd, session)
        self.simulation = Simulation(arm, n, nthread)
        self.t = np.full(n, -1)
        self.hand = np.zeros((TRIAL_STEPS + 1, n, PLANE))
        self.hand_velocity, self.cursor = np.zeros_like(self.hand), np.zeros_like(self.hand)
        self._felt = np.zeros((TRIAL_STEPS + 1, n, layout.proprioception.stop - layout.proprioception.start))
        self.field_force = np.zeros((n, PLANE))
        self._physics_steps = physics_steps(arm.timestep)
        self._vision_delay = whole_steps("the visual delay", settings.delays.vision)
        self._felt_delay = whole_steps("the proprioceptive delay", settings.delays.proprioception)
        self._cue_delay = whole_steps("the delay of the cue", settings.delays.cue_delay)

    @property
    def qpos(self) -> Floats:
        """(n, 2) joint angles [rad], live."""
        return self.simulation.qpos

    @property
    def qvel(self) -> Floats:
        """(n, 2) joint velocities [rad/s], live."""
        return self.simulation.qvel

    @property
    def act(self) -> Floats:
        """(n, muscles) activations, live."""
        return self.simulation.act

    @property
    def ctrl(self) -> Floats:
        """(n, actuators) commands of the last control step, live."""
        return self.simulation.ctrl

    @property
    def stage(self) -> Indices:
        """(n,) stage of each trial: 0 until go, 1 until the go cue is seen, 2 from then on."""
        cue = self.trials.cue_step
        return (self.t >= cue).astype(np.int64) + (self.t >= cue + self._cue_delay)

    def restart(self, arms: Indices | None = None) -> None:
        """Restart the experiment of `arms`, None for all, as after a new seed: the next trial is trial 0."""
        arms = np.arange(self.n) if arms is None else arms
        self.trials.restart(arms)
        if self.muscles is not None:
            self.muscles.restart(arms)

    def set_schedule(
        self,
        schedule: Schedule | Mapping[str, Any] | None,
        rngs: Sequence[np.random.Generator],
        restart: bool = True,
    ) -> None:
        """Follow another schedule. See `trials.ScheduledTrials.set_schedule`.

        Args:
            schedule: The schedule, its dict, or None.
            rngs: n generators; before the first trial, there may be none.
            restart: Whether to count trials from 0.
        """
        followed, waiting = as_schedule(schedule), np.flatnonzero(self.t == 0)
        self.trials.set_schedule(followed, waiting, [rngs[i] for i in waiting.tolist()], restart)
        self.settings = replace(self.settings, schedule=followed)

    @property
    def sessions(self) -> SessionTrials:
        """The trials, of arms in sessions."""
        assert isinstance(self.trials, SessionTrials)
        return self.trials

    def _begin(self, arms: Indices, rngs: Sequence[np.random.Generator], chosen: TrialOptions | None) -> None:
        """Draw the next trial, or session, of `arms` and put them at its start."""
        self._place(arms, self.trials.begin(arms, rngs, self.t[arms] > 0, chosen or AS_DRAWN))

    def _place(self, arms: Indices, joints: Floats) -> None:
        """Put `arms` at joint angles [rad], at rest, where a trial of theirs begins."""
        if self.muscles is not None:
            self.muscles.rest(arms[self.t[arms] > 0])
        self.simulation.place(None if len(arms) == self.n else arms, joints)
        self.field_force[arms] = 0.0
        self.t[arms] = 0

    def _felt_now(self) -> Floats:
        """(n, channels) what is felt of the present state, without delay and noise."""
        simulation = self.simulation
        if not self.arm.pulls:
            return np.concatenate([simulation.qpos, simulation.qvel / JOINT_SPEED], axis=1)
        return np.concatenate([simulation.muscle_length(), simulation.muscle_velocity()], axis=1)

    def _pull(self) -> dict[str, Floats]:
        """(n, actuators) what the actuators do at present, by its name in `info`."""
        if not self.arm.pulls:
            return {"joint_torque": self.ctrl.copy()}
        pull = {"muscle_force": self.simulation.muscle_force()}
        if self.settings.impairments.fatigue is not None and self.muscles is not None:
            pull["fatigued"] = self.muscles.fatigued.copy()
        return pull

    def _command(self, actions: Floats, noise: Floats) -> Floats:
        """Return the commands (..., actuators) of actions with noise, within the control range.

        Args:
            actions: (..., actuators).
            noise: (..., actuators), or twice as many channels, of which the last are shares of the actions.
        """
        n = self.arm.n_actuators
        share = actions + noise[..., :n]
        if self.settings.impairments.signal_noise:
            share += actions * noise[..., n:]
        np.maximum(share, self._least_share, out=share)
        np.minimum(share, 1.0, out=share)
        return share * self._high  # after the limits, so that nothing overflows

    def _check_steps(self, t: int, last: int) -> None:
        """Raise a ResetNeeded if the first of the control steps t .. last cannot be made."""
        if t < 0 or last >= TRIAL_STEPS:
            raise gym.error.ResetNeeded(
                "call reset first: no trial has begun, or its 100 control steps are over"
            )

    def _check_bounds(self) -> None:
        """Raise a RuntimeError if the simulation diverged."""
        if self.simulation.diverged():
            changes = f" or changes of the arm, {self.settings.arm.to_dict()}" if self.settings.arm else ""
            raise RuntimeError(
                f"the simulation diverged in one of the fields {set(self.trials.fields)}; choose weaker "
                f"ones{changes}"
            )


class ReachTask(ReachingArms):
    """n arms that reach, each in a trial of its own, as arrays with one row per arm. See `ReachingArms`.

    An arm depends neither on the others nor on the number of threads.

    Attributes:
        reward_terms: (n,) of each term of the reward in the last control step; 0 before the first one.
    """

    def __init__(
        self,
        n: int,
        settings: TaskSettings,
        nthread: int = 1,
        shared_trials: bool = False,
        session: Session | None = None,
    ) -> None:
        super().__init__(n, settings, nthread, shared_trials, session)
        self.reward_terms: dict[str, Floats] = {name: np.zeros(n) for name in REWARD_TERMS}
        self._together: int | None = -1  # t of all arms, if they have the same
        self._all = np.arange(n)

    def begin(
        self, arms: Indices, rngs: Sequence[np.random.Generator], chosen: TrialOptions | None = None
    ) -> None:
        """Begin the next trial of `arms`, or their next session.

        Args:
            arms: (m,) which arms, ascending.
            rngs: m generators, from which the trials are drawn.
            chosen: What not to draw, from `trials.options`.
        """
        self._begin(arms, rngs, chosen)
        for term in self.reward_terms.values():
            term[arms] = 0.0
        self._begun()

    def go_on(self, arms: Indices, rngs: Sequence[np.random.Generator]) -> None:
        """Begin the next trial of `arms` within their sessions; reward terms stay those of the last step."""
        self._place(arms, self.sessions.go_on(arms, rngs))
        self._begun()

    def _begun(self) -> None:
        self._together = 0 if not self.t.any() else None
        self._record()

    def step(self, actions: Floats, arms: Indices | None = None) -> None:
        """Advance the arms by one control step.

        Args:
            actions: (n, actuators), in the action space; values beyond it are clipped.
            arms: Which to advance, ascending, None for all; the others are to begin a trial next.

        Raises:
            gymnasium.error.ResetNeeded: Before the first trial, and after the end of a trial.
            RuntimeError: If the simulation diverged.
        """
        t = self.t if arms is None else self.t[arms]
        self._check_steps(int(t.min()), int(t.max()))
        command = self._command(actions, self._noise()[:, self.layout.sensed.stop :])
        if self.muscles is not None:
            velocity = self._past(self._felt, self._reflex_delay)[:, -self.arm.n_actuators :]
            command = self.muscles.excite(command, velocity, arms)
        self.ctrl[:] = command
        self._advance(arms)
        if arms is None:
            self.t += 1
            self._together = None if self._together is None else self._together + 1
        else:
            self.t[arms] += 1
            self._together = int(self.t[0]) if (self.t == self.t[0]).all() else None
        self._record()
        self.reward_terms = self._rewards()

    def observe(self) -> NDArray[np.float32]:
        """Return the observations (n, channels), late and noisy, as tabulated in `envs.ReachEnv`."""
        layout, space = self.layout, self.observation_space
        values = np.empty((self.n, layout.size))
        values[:, layout["hand_position"]] = self._past(self.cursor, self._vision_delay)
        values[:, layout.proprioception] = self._past(self._felt, self._felt_delay)
        values[:, layout.sensed] += self._noise()[:, layout.sensed]
        values[:, layout["target_position"]] = self.trials.target_position
        values[:, layout["go_cue"]] = self._cue_seen()[:, None]
        if self.settings.trial_cue:
            values[:, layout["trial_cue"]] = (self.t == 0)[:, None]
        observation = values.astype(np.float32)
        np.maximum(observation, space.low, out=observation)
        return np.minimum(observation, space.high, out=observation)

    def info(self) -> dict[str, Any]:
        """Return what an experimenter wants to know of the arms, (n, ...), free of delay and noise."""
        trials = self.trials
        return self._pull() | {
            "phase": trials.phase.copy(),
            "trial": trials.number.copy(),
            "schedule_done": trials.done.copy(),
            "target": trials.target.copy(),
            "target_position": trials.target_position.copy(),
            "go_time": trials.go_step * CONTROL_STEP,
            "catch": trials.catch.copy(),
            "hand_position": self._past(self.hand, 0).copy(),
            "hand_velocity": self._past(self.hand_velocity, 0).copy(),
            "cursor_position": self._past(self.cursor, 0).copy(),
            "field_force": self.field_force.copy(),
            **{name: term.copy() for name, term in self.reward_terms.items()},
        }

    def _cue_seen(self) -> NDArray[np.bool_]:
        """(n,) whether the go cue is seen at present."""
        return self.t >= self.trials.cue_step + self._cue_delay

    def _past(self, history: Floats, delay: int) -> Floats:
        """(n, k) of a history (101, n, k), in the state `delay` steps ago, or the first one."""
        if self._together is not None:
            return history[max(self._together - delay, 0)]
        return history[np.maximum(self.t - delay, 0), self._all]

    def _noise(self) -> Floats:
        """(n, channels) noise of the current step."""
        t = self._together
        return self.trials.noise[:, t] if t is not None else self.trials.noise[self._all, self.t]

    def _advance(self, arms: Indices | None) -> None:
        """Make the physics steps of a control step, and take the field's mean force on the hand."""
        simulation, steps = self.simulation, self._physics_steps
        coefficients = self.trials.forces.at(self.stage, self.t)
        if coefficients is None:
            self.field_force[:] = 0.0
            simulation.step(arms, steps)
        else:
            mean = pushed_steps(simulation, arms, steps, coefficients)
            self.field_force[:, 0], self.field_force[:, 1] = mean
        self._check_bounds()

    def _record(self) -> None:
        """Store what is seen and felt of the present state."""
        simulation = self.simulation
        vectors = kinematics.hand_vectors(self.arm.link_lengths, *simulation.qpos.T)
        velocity = kinematics.hand_velocity(*vectors, *simulation.qvel.T)
        hand = np.stack(vectors[:2], axis=1)
        for history, values in (
            (self.hand, hand),
            (self.cursor, self._cursor_of(hand)),
            (self.hand_velocity, np.stack(velocity, axis=1)),
            (self._felt, self._felt_now()),
        ):
            if self._together is not None:
                history[self._together] = values
            else:
                history[self.t, self._all] = values

    def _cursor_of(self, hand: Floats) -> Floats:
        """(n, 2) where hands (n, 2) are seen at present [m]."""
        trials = self.trials
        if not trials.displaced.any():
            return hand
        t = self._together
        views = trials.views[t] if t is not None else trials.views[np.maximum(self.t, 0), :, self._all].T
        return np.stack(seen_hand(views, *hand.T), axis=1)

    def _scored(self) -> Floats:
        """(n, 2) what is scored at present, hands or cursors [m]."""
        hand, scored = self._past(self.hand, 0), self.trials.cursor_scored
        return np.where(scored[:, None], self._past(self.cursor, 0), hand) if scored.any() else hand

    def _rewards(self) -> dict[str, Floats]:
        trials = self.trials
        away = self._scored() - np.where(self._cue_seen()[:, None], trials.target_position, trials.start)
        command = self.ctrl / self._high
        now, before, last = (self._past(self.hand_velocity, delay) for delay in range(3))
        return reward_terms(
            self.settings.reward_weights,
            distance=np.sqrt((away**2).sum(axis=1)),
            reach=np.maximum(trials.reach, SHORTEST_REACH),
            effort=(command**2).mean(axis=1),
            bend=((now - 2.0 * before + last) ** 2).sum(axis=1),
            lateral=self._lateral() if self.settings.reward_weights.lateral else np.zeros(self.n),
        )

    def _lateral(self) -> Floats:
        """(n,) distance of what is scored from the line through start and target [m]."""
        trials = self.trials
        along = trials.target_position - trials.start
        away = self._scored() - trials.start
        cross = along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]
        lateral: Floats = np.abs(cross) / np.maximum(trials.reach, NO_REACH)
        return lateral
