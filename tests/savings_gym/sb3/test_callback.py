"""SavingsCallback: probes as one would write them, phases that act, and a training that does not notice."""

import importlib
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from small_learners import (
    CURL,
    STEPS,
    TWO,
    Stop,
    arms,
    assert_same,
    hand_written,
    ppo,
    recurrent,
    single,
    small,
    table_rows,
)
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from savings_gym import Phase, ReachCriterion, Schedule, four_phase, spawn_seeds
from savings_gym.arm.changes import as_arm_changes
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.sb3.callback import SavingsCallback
from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.schedule import as_schedule
from savings_gym.task.settings import TRIAL_STEPS, task_settings

MEASURES = ("lateral_deviation", "endpoint_error")


class Watch(BaseCallback):
    """Notes what is logged, the phase index of every trial that ends, and whether a force acted in it."""

    def __init__(self):
        super().__init__()
        self.trials, self.logged, self._force = [], {}, 0.0

    def _on_step(self):
        infos, dones = self.locals["infos"], self.locals["dones"]
        self._force = self._force + np.array([np.abs(info["field_force"]).sum() for info in infos])
        self.trials += [(infos[row]["phase"], bool(self._force[row] > 0.0)) for row in np.flatnonzero(dones)]
        self._force = np.where(dones, 0.0, self._force)
        self.logged.update(self.logger.name_to_value)
        return True


def run_recurrent(carried_trials=None):
    model = recurrent(arms(noise=False))
    callback = SavingsCallback(TWO, 2, carried_trials=carried_trials)
    first = hand_written(model, None)
    model.learn(STEPS, callback)
    return model, first, callback.result


@pytest.fixture(scope="module")
def memory():
    return run_recurrent(carried_trials=1)


def test_the_probes_are_those_that_one_would_write(memory):
    model, first, result = memory
    assert_same(table_rows(result.table, "NF1", 0), first)
    assert_same(table_rows(result.table, "FF1", 2), hand_written(model, CURL))
    assert result.table["trial"][::8].tolist() == [0, 2, 0, 2] and result.complete


def test_the_same_seed_gives_the_same_table(memory):
    _, _, again = run_recurrent()
    for name, column in memory[2].table.items():
        assert np.array_equal(again.table[name], column, equal_nan=column.dtype.kind == "f")


def test_memory_that_is_carried_is_another_probe(memory):
    result = memory[2]
    differ = result.table["lateral_deviation"] != result.carried.table["lateral_deviation"]
    assert differ.all() and result.carried.table["trial"].tolist() == result.table["trial"].tolist()
    assert result.channel.keys() == result.carried.channel.keys() == {"NF1", "FF1"}
    assert set(result.summary["carried"]) >= {"savings", "phases", "adaptation"}


@pytest.mark.parametrize("normalise_first", [True, False])
def test_probes_see_what_normalisation_and_frame_stack_make_of_an_observation(normalise_first):
    env = VecMonitor(arms(noise=False))
    env = VecFrameStack(VecNormalize(env), 3) if normalise_first else VecNormalize(VecFrameStack(env, 3))
    model = ppo(env)
    model.learn(TRIAL_STEPS)
    normalise = model.get_vec_normalize_env().normalize_obs
    count = model.get_vec_normalize_env().obs_rms.count
    frames = []

    def see(observation, first):
        seen = normalise(observation) if normalise_first else observation
        frames[:] = [*([np.zeros_like(seen)] * 2 if first else frames[-2:]), seen]
        stacked = np.concatenate(frames, axis=1)
        return stacked if normalise_first else normalise(stacked)

    probe = TrainingEnv.of(env).probe(seed=0, carried_trials=1, probe_env=None)
    for _ in range(2):
        assert_same(probe(model, CURL).columns, hand_written(model, CURL, see))
    assert model.get_vec_normalize_env().obs_rms.count == count


def test_training_is_the_same_with_probes_and_without():
    def train(callback, **task):
        model = ppo(VecNormalize(arms(2, **task)))
        np.random.seed(0)
        model.learn(STEPS, callback)
        statistics = model.get_vec_normalize_env().obs_rms
        return [
            torch.cat([p.detach().flatten() for p in model.policy.parameters()]).numpy(),
            statistics.mean,
            statistics.count,
            torch.get_rng_state().numpy(),
            np.random.get_state()[1],
            *(env.unwrapped.task.hand for env in model.get_env().unwrapped.envs),
        ]

    callback = SavingsCallback(TWO, 2, carried_trials=1)
    with_probes = train(callback)
    without = train(None, field=None, schedule=Schedule(tuple(Phase(p.name, p.field, 1) for p in TWO.phases)))
    assert all(np.array_equal(a, b) for a, b in zip(with_probes, without, strict=True))
    result = callback.result  # of a policy without memory: nothing is carried
    assert np.array_equal(result.table["endpoint_error"], result.carried.table["endpoint_error"])


def test_the_phases_act_in_the_right_trials_of_training():
    watch = Watch()
    schedule = Schedule((Phase("A", None, 2, 0.0), Phase("B", CURL, 4, 0.0), Phase("C", None, 2, 0.0)))
    callback = SavingsCallback(schedule, 100)
    ppo(arms(2), learning_rate=0.0).learn(10_000, [callback, watch])
    assert watch.trials == [(0, False)] * 2 + [(1, True)] * 4 + [(2, False)] * 2
    missing = "no phase named FF1 or FF2; the table has A, B, C"
    assert callback.result.summary["savings"] == {
        "initial": None,
        "rate": None,
        "trials": None,
        "missing": missing,
    }


def of_two_phases(trials, kind, criterion=None):
    schedule = Schedule((Phase("NF1", None, trials), Phase("FF1", CURL, 4)))
    callback = SavingsCallback(schedule, 2, criterion=criterion)
    env = arms(2) if kind == "single" else ReachVecEnv(2)
    ppo(env).learn(10_000, callback)
    return callback


@pytest.mark.parametrize("kind", ["together", "single"])
def test_a_phase_that_a_criterion_ends_is_like_one_of_that_many_trials(kind):
    ended = of_two_phases(40, kind, ReachCriterion(1.0, 3))
    planned = of_two_phases(4, kind)
    assert ended.phase_trials == planned.phase_trials == {"NF1": 4, "FF1": 4}
    assert ended.criterion_met is True and planned.criterion_met is None
    for name, column in planned.result.table.items():
        assert np.array_equal(ended.result.table[name], column, equal_nan=column.dtype.kind == "f")
    assert ended.result.channel.keys() == {"NF1", "FF1"} and ended.result.complete
    first_phase = {"error": 1.0, "probes": 3, "met": True, "trials": 4}
    assert ended.result.summary["first_phase"] == first_phase


def test_a_phase_whose_criterion_is_not_met_lasts_to_its_end():
    callback = of_two_phases(6, "together", ReachCriterion(1e-6))
    assert callback.phase_trials == {"NF1": 6, "FF1": 4} and callback.criterion_met is False


def test_a_criterion_that_ends_the_only_phase_ends_training():
    callback = SavingsCallback(Schedule((Phase("NF1", None, 40),)), 2, criterion=ReachCriterion(1.0, 3))
    model = ppo(ReachVecEnv(2))
    model.learn(10_000, callback)
    assert callback.criterion_met is True and callback.phase_trials == {"NF1": 4}
    assert callback.result.complete and model.num_timesteps < 10_000
    assert list(callback.result.table["trial"][::8]) == [0, 2, 4]


def test_a_field_to_which_no_channel_measures_adaptation_is_named(caplog):
    schedule = Schedule((Phase("NF1", None, 2), Phase("FF1", CURL + CURL, 2)))
    callback = SavingsCallback(schedule, 2)
    ppo(ReachVecEnv(2)).learn(10_000, callback)
    said = "a channel needs a phase whose field is a CurlField"
    assert callback.result.channel == {} and said in caplog.text


def test_a_criterion_is_refused_if_rollouts_and_trials_never_begin_together():
    with pytest.raises(ValueError, match="rollouts of 70 steps rarely do"):
        ppo(arms(), n_steps=70).learn(STEPS, SavingsCallback(TWO, 1, criterion=ReachCriterion()))
    for bad, message in (
        ((0.0, 3), "error must be above 0 and at most 1 m"),
        ((10.0, 3), r"at most 1 m \(10 mm is 0.010\), got 10"),
        ((0.01, 0), "probes must be a whole number"),
    ):
        with pytest.raises(ValueError, match=message):
            ReachCriterion(*bad)


@pytest.mark.parametrize("shared", [True, False])
def test_arms_of_a_vector_environment_share_the_trials_of_a_phase(shared):
    schedule, ended = Schedule((Phase("A", None, 3), Phase("B", CURL, 9))), []

    class Ends(BaseCallback):
        def _on_step(self):
            ended.extend((info["phase"], info["trial"]) for info in self.locals["infos"] if info)
            return True

    callback = SavingsCallback(schedule, 100)
    model = ppo(ReachVecEnv(3, shared_trials=shared), learning_rate=0.0)
    model.learn(10_000, [callback, Ends()])
    assert [phase for phase, _ in ended] == [0] * 3 + [1] * 9
    assert [trial for _, trial in ended] == (list(range(12)) if shared else np.repeat(range(4), 3).tolist())
    assert callback.result.table["trial"][::8].tolist() == [0, 3, 0, 9]


def test_the_config_of_a_run_names_the_arm_unless_it_is_the_standard_one(tmp_path):
    weak, tasks = {"strength": {"biceps": 0.5}}, {}
    for name, arm in {"standard": None, "weak": weak}.items():
        ppo(arms(1, arm=arm)).learn(STEPS, SavingsCallback(TWO, 2, tmp_path / name))
        tasks[name] = json.loads((tmp_path / name / "config.json").read_text())["arguments"]["task"]
    assert "arm" not in tasks["standard"]
    assert task_settings(**tasks["weak"]).arm == as_arm_changes(weak)


def test_a_vector_environment_and_single_ones_give_the_same_table():
    tables = []
    for env in (ReachVecEnv(2), arms(2)):
        callback = SavingsCallback(TWO, 2)
        model = ppo(VecNormalize(env))
        env._seeds = spawn_seeds(0, 2)  # SB3 gives neighbouring seeds to single environments
        model.learn(STEPS, callback)
        tables.append(callback.result.table["lateral_deviation"])
    assert np.allclose(*tables, rtol=1e-4)


def test_a_loop_without_sb3_gives_the_same_table_for_a_constant_policy(tmp_path):
    schedule = four_phase(CURL, 2, 2, 2, 2)
    model, watch = ppo(arms(2), learning_rate=0.0), Watch()
    callback = SavingsCallback(schedule, 2, tmp_path, network=2, seed=3)
    model.learn(10_000, [callback, watch])
    probe, recorder = Probe(task_settings(), seed=3), ProbeRecorder(3)
    for phase in schedule.phases:
        for trial in (0, 2):
            recorder.add(probe(model, phase.field), phase.name, trial // 2, trial, network=2)
        recorder.add_channel(probe.channel(model, CURL), phase.name, network=2)
    for name, column in recorder.table().items():
        assert np.array_equal(callback.result.table[name], column, equal_nan=column.dtype.kind == "f")
    summary, expected = callback.result.summary, recorder.summary()
    for name in set(expected) - {"wall_time_s", "versions"}:
        assert summary[name] == expected[name]
    assert model.num_timesteps == 8 * TRIAL_STEPS + 2 and callback.result.complete

    last = table_rows(recorder.table(), "FF2", 1)
    for name in MEASURES:
        assert watch.logged[f"savings/{name}"] == pytest.approx(last[name].mean(), rel=1e-5)
    assert (watch.logged["savings/phase"], watch.logged["savings/trial"]) == (3, 8)
    assert watch.logged["savings/adaptation"] == pytest.approx(callback.result.channel["FF2"].mean())

    files = {"config.json", "manifest.json", "probes.parquet", "summary.json"}
    assert {f.name for f in tmp_path.glob("[!.]*")} == files
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert len(pd.read_parquet(tmp_path / "probes.parquet")) == len(recorder.table()["phase"])
    config = json.loads((tmp_path / "config.json").read_text())["arguments"]
    assert config["algorithm"] == "PPO" and config["hyperparameters"]["n_steps"] == TRIAL_STEPS
    assert as_schedule(config["schedule"]) == schedule
    with pytest.raises(FileExistsError, match="probe_seed: 3 there, 4 now"):
        model.learn(10_000, SavingsCallback(schedule, 2, tmp_path, network=2, seed=4))


@pytest.mark.parametrize(
    ("schedule", "note"),
    [
        (four_phase(CURL, 2, 2, 2, 2), r"^rate savings could not be measured \(network 0, FF1: .*probe more"),
        (TWO, "^savings could not be measured: .*FF2"),
    ],
    ids=["few probes", "no FF2"],
)
def test_savings_that_cannot_be_measured_are_explained(schedule, note, caplog):
    callback = SavingsCallback(schedule, 2)
    ppo(ReachVecEnv(2), learning_rate=0.0).learn(10_000, callback)
    assert callback.result.complete
    assert [bool(re.search(note, record.getMessage())) for record in caplog.records] == [True]


def test_every_probe_is_logged_on_request(caplog):
    with caplog.at_level("INFO"):
        ppo(ReachVecEnv(2)).learn(10_000, SavingsCallback(TWO, 2, verbose=1))
    lines = [record.getMessage() for record in caplog.records if "lateral deviation" in record.getMessage()]
    assert [line.split(":")[0] for line in lines] == [
        "NF1, trial 0", "NF1, trial 2", "FF1, trial 0", "FF1, trial 2"
    ]  # fmt: skip


def test_off_policy_algorithms_are_probed_at_the_first_rollout_behind_a_boundary():
    settings = {"learning_starts": 50, "train_freq": 7, "batch_size": 8, "buffer_size": 1000}
    model, callback = SAC("MlpPolicy", arms(), **settings, **small()), SavingsCallback(TWO, 1)
    model.learn(2 * STEPS, callback)
    table = callback.result.table
    assert table["trial"][::8].tolist() == [0, 1, 2, 0, 1, 2]
    assert table["update"][::8].tolist() == [0, 15, 29, 0, 14, 29]  # rollouts of 7 steps
    assert model.num_timesteps == 58 * 7 + 1


def test_a_run_cut_short_says_so(tmp_path):
    callback = SavingsCallback(TWO, 4, tmp_path)
    ppo(arms()).learn(STEPS, [callback, Stop(250)])
    assert not callback.result.complete and set(callback.result.table["phase"]) == {"NF1", "FF1"}
    assert json.loads((tmp_path / "summary.json").read_text())["complete"] is False


def test_without_stable_baselines3_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ImportError, match=r"pip install 'savings_gym\[sb3\]'"):
        importlib.import_module("savings_gym.sb3").SavingsCallback  # noqa: B018
    with pytest.raises(AttributeError, match="ReachVecEnv"):
        importlib.import_module("savings_gym.sb3").Callback  # noqa: B018


@pytest.mark.slow
def test_environments_in_processes_of_their_own_give_the_same_table():
    def table(kind):
        callback = SavingsCallback(TWO, 4)
        ppo(kind([single(), single()])).learn(STEPS, callback)
        return callback.result.table["lateral_deviation"]

    assert np.array_equal(table(SubprocVecEnv), table(DummyVecEnv))
