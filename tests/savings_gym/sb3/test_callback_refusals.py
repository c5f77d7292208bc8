"""SavingsCallback refuses what cannot work, before any training, and says what would."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, TimeLimit
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from small_learners import CURL, STEPS, TWO, Stop, arms, assert_same, hand_written, ppo, single, table_rows
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback, EveryNTimesteps
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from savings_gym import (
    BCIReachVectorEnv,
    ContextCue,
    ForceField,
    Phase,
    Probe,
    ReachCriterion,
    ReachVectorEnv,
    Schedule,
    VectorContextCue,
    four_phase,
)
from savings_gym.sb3.callback import SavingsCallback
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.settings import TRIAL_STEPS


def test_wrappers_that_are_not_known_need_an_environment_for_probes():
    def cued():
        return Monitor(ContextCue(single(noise=False)()))

    model = ppo(DummyVecEnv([cued]))
    with pytest.raises(ValueError, match=r"\['ContextCue'\].*probe_env="):
        model.learn(STEPS, SavingsCallback(TWO, 4))
    with pytest.raises(ValueError, match=r"shape \(17,\), training has \(18,\)"):
        model.learn(STEPS, SavingsCallback(TWO, 4, probe_env=single()))
    callback = SavingsCallback(TWO, 4, probe_env=cued)
    model.learn(STEPS, callback)
    expected = hand_written(model, CURL, lambda o, _: np.append(o, np.ones((8, 1), np.float32), axis=1))
    assert_same(table_rows(callback.result.table, "FF1", 2), expected)


def test_statistics_that_every_probe_would_change_are_refused():
    make = lambda: NormalizeObservation(single(noise=False)())  # noqa: E731
    model = ppo(DummyVecEnv([make]))
    with pytest.raises(ValueError, match="NormalizeObservation, whose statistics .* VecNormalize"):
        model.learn(STEPS, SavingsCallback(TWO, 4, probe_env=make))

    def fixed():
        env = make()
        env.update_running_mean = False
        return env

    callback = SavingsCallback(TWO, 4, probe_env=fixed)
    model.learn(STEPS, callback)
    assert callback.result.complete


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReachVecEnv(2, max_episode_steps=50),
        lambda: DummyVecEnv([lambda: gym.make("ForceFieldReach-v0", max_episode_steps=50)]),
        lambda: DummyVecEnv([lambda: TimeLimit(gym.make("ForceFieldReach-v0"), 50)]),
    ],
    ids=["vector", "made", "wrapped"],
)
def test_trials_that_end_before_those_of_a_probe_are_refused(make):
    with pytest.raises(ValueError, match="trials end after 50 steps in training, and after 100 in a probe"):
        ppo(make()).learn(STEPS, SavingsCallback(TWO, 4))


class Halved(gym.vector.VectorActionWrapper):
    """Half of what the agent does reaches the arm."""

    def actions(self, actions):
        return 0.5 * actions


class HalvedAlone(gym.ActionWrapper):
    """`Halved`, for a single environment."""

    def action(self, action):
        return 0.5 * action


@pytest.mark.parametrize(
    ("inside", "alone"),
    [(VectorContextCue, ContextCue), (Halved, HalvedAlone)],
    ids=["cue", "actions"],
)
def test_wrappers_inside_a_vector_environment_need_one_too(inside, alone):
    """The error names the remedy, with which probes are those of single environments in the same wrapper."""
    env = ReachVecEnv(inside(ReachVectorEnv(1, noise=False, autoreset_mode="SameStep", shared_trials=True)))
    model = ppo(env)
    with pytest.raises(ValueError, match=rf"\['{inside.__name__}'\] .* or an action; give it probe_env="):
        model.learn(STEPS, SavingsCallback(TWO, 4))
    assert model.num_timesteps == 0
    make = lambda: alone(single(noise=False)())  # noqa: E731
    callback = SavingsCallback(TWO, 4, probe_env=make)
    model.learn(STEPS, callback)
    expected = Probe(make_env=make)(model, CURL).columns
    assert_same(table_rows(callback.result.table, "FF1", 2), expected)


def test_statistics_of_episodes_inside_a_vector_environment_change_no_probe():
    tables = []
    for wrap in (lambda env: env, RecordEpisodeStatistics):
        env = ReachVecEnv(wrap(ReachVectorEnv(2, autoreset_mode="SameStep", shared_trials=True)))
        callback = SavingsCallback(TWO, 2)
        env.seed(0)
        ppo(env).learn(STEPS, callback)
        tables.append(callback.result.table)
    assert all(np.array_equal(tables[0][name], tables[1][name]) for name in ("endpoint_error", "trial"))


@pytest.mark.parametrize("criterion", ["soon", (0.01, 3), {"error": 0.01}, True, np.True_])
def test_what_is_no_criterion_is_refused_with_what_is(criterion):
    with pytest.raises(
        ValueError, match="must be a ReachCriterion, a mean end-point error in m .*, or None; got"
    ):
        SavingsCallback(TWO, 4, criterion=criterion)


@pytest.mark.parametrize("error", [0.0, -0.01, np.nan, np.inf])
def test_a_criterion_is_an_error_above_zero(error):
    with pytest.raises(ValueError, match="criterion: error must be"):
        SavingsCallback(TWO, 4, criterion=error)


def test_a_criterion_may_be_given_by_its_error():
    for error in (0.02, np.float32(0.02), 1):
        assert SavingsCallback(TWO, 4, criterion=error).criterion == ReachCriterion(error=float(error))
    assert SavingsCallback(TWO, 4, criterion=ReachCriterion(0.02, 5)).criterion == ReachCriterion(0.02, 5)
    assert SavingsCallback(TWO, 4).criterion is None


REFUSED = {
    "too long": (lambda: arms(2), four_phase(CURL, 8, 8, 8, 8), "needs 32 trials.* has 4 .*=3200 would do"),
    "not even": (lambda: arms(3), Schedule((Phase("A", None, 4),)), "'A' has 4 trials, which 3 environments"),
    "no reach": (lambda: DummyVecEnv([lambda: gym.make("Pendulum-v1")]), TWO, "environment that reaches"),
    "overruled": (lambda: DummyVecEnv([lambda: ForceField(single()(), CURL)]), TWO, "ForceField.*overrule"),
    "cursors": (
        lambda: ReachVecEnv(BCIReachVectorEnv(1, autoreset_mode="SameStep")),
        TWO,
        "environment that reaches",
    ),
    "sessions in one": (
        lambda: ReachVecEnv(1, session="savings"),
        TWO,
        "trials, not sessions; .*run_sessions",
    ),
    "sessions": (
        lambda: DummyVecEnv([lambda: gym.make("ReachSession-v0")]),
        TWO,
        "trials, not sessions; .*run_sessions",
    ),
    "too short": (lambda: arms(2), Schedule((Phase("A", None, 2), Phase("B", None, 1))), "'B' has 1 trials"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_before_training(case):
    make, schedule, error = REFUSED[case]
    model, callback = ppo(make()), SavingsCallback(schedule, 4)
    with pytest.raises(ValueError, match=error):
        model.learn(STEPS, callback)
    assert model.num_timesteps == 0 and callback.result is None


def test_a_rollout_longer_than_a_phase_is_refused_and_one_that_does_not_fit_pointed_out():
    with pytest.raises(ValueError, match="'NF1' of 2 trials would pass within one rollout of 3 trials"):
        ppo(arms(), n_steps=300).learn(STEPS, SavingsCallback(TWO, 4))
    with pytest.warns(UserWarning, match="do not end with a rollout of 1.5 trials"):
        ppo(arms(), n_steps=150).learn(STEPS, [SavingsCallback(TWO, 4), Stop(1)])


def test_going_on_with_a_training_under_way_is_refused():
    model = ppo(arms())
    model.learn(TRIAL_STEPS)
    with pytest.raises(ValueError, match="reset_num_timesteps=True"):
        model.learn(STEPS, SavingsCallback(TWO, 4), reset_num_timesteps=False)


def evaluation(env):
    return EvalCallback(env, n_eval_episodes=2, eval_freq=50, warn=False, verbose=0)


@pytest.mark.parametrize("wrap", [lambda env: env, VecNormalize], ids=["bare", "normalised"])
@pytest.mark.parametrize(
    "place",
    [lambda part: part, lambda part: CallbackList([part]), lambda part: EveryNTimesteps(10, part)],
    ids=["beside", "in a list", "in an event"],
)
def test_an_evaluation_in_the_training_environment_is_refused_before_training(wrap, place):
    env = wrap(ReachVecEnv(2))
    model, callback = ppo(env), SavingsCallback(TWO, 2)
    with pytest.raises(ValueError, match="EvalCallback evaluates in the training environment"):
        model.learn(STEPS, [place(evaluation(env)), callback])
    assert model.num_timesteps == 0 and callback.result is None


def test_an_evaluation_in_an_environment_of_its_own_changes_no_probe():
    tables = []
    for more in ([], [evaluation(ReachVecEnv(2))]):
        callback = SavingsCallback(TWO, 2)
        ppo(ReachVecEnv(2)).learn(STEPS, [*more, callback])
        tables.append(callback.result.table)
    for name, column in tables[0].items():
        assert np.array_equal(column, tables[1][name], equal_nan=column.dtype.kind == "f")


class MeddlesAt(BaseCallback):
    """Does something to the training environment at a step."""

    def __init__(self, step, meddle):
        super().__init__()
        self.step, self.meddle = step, meddle

    def _on_step(self):
        if self.n_calls == self.step:
            self.meddle(self.training_env)
        return True


def evaluate(env):
    """A trial of a single environment, as an evaluation makes it."""
    env.reset()
    for _ in range(TRIAL_STEPS):
        env.step(np.zeros(6))
    env.reset()


MEDDLERS = {
    "evaluates": (lambda env: evaluate(env.envs[0]), r"finished trial 2 .*\(phase 1\).*counted to trial 0"),
    "resets": (lambda env: env.reset(), r"finished trial 1 .*\(phase 0\).*counted to trial 0"),
    "sets the schedule": (
        lambda env: env.env_method("set_schedule", TWO), r"finished trial 0 .*counted to trial 1",
    ),
    "takes the schedule away": (
        lambda env: env.env_method("set_schedule", None), r"\(phase -1\).*counted to trial 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MEDDLERS)
def test_trials_that_somebody_else_makes_end_the_training(case):
    meddle, error = MEDDLERS[case]
    callback, model = SavingsCallback(TWO, 2), ppo(arms())
    with pytest.raises(RuntimeError, match=error):
        model.learn(STEPS, [callback, MeddlesAt(30, meddle)])
    assert callback.result is None
