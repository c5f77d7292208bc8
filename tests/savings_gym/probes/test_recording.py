"""Records of any agent: the same table and summary as the supervised experiment's, without a learner."""

import json
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from gymnasium.wrappers import TimeLimit

from savings_gym import CurlField, Phase, PhaseSchedule, ReachEnv, Schedule, four_phase
from savings_gym.files import open_folder, write_table
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS, endpoint_error, lateral_deviation
from savings_gym.metrics.savings import savings
from savings_gym.probes.probe import Probe
from savings_gym.probes.record_trials import RecordTrials
from savings_gym.probes.recorder import ProbeRecorder, unmeasured
from savings_gym.probes.times import ProbeTimes
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, task_settings

CURL = CurlField(8.0)
SHIPPED = Path(__file__).resolve().parents[3] / "experiments/results/quick/summary.json"
COLUMNS = ("network", "phase", "update", "trial", "target", *KINEMATIC_COLUMNS)
# What only the supervised ensemble has, and the command that made it, which a shipped summary carries.
OWN = {"adaptation_networks", "cell", "command", "device", "rollout", "units"}


class Learner:
    """Pulls a little more with every lesson."""

    def __init__(self):
        self.lessons = 0

    def learn(self):
        self.lessons += 1

    def __call__(self, observation):
        pull = 0.05 + 0.02 * self.lessons * observation[:, 16:17]
        return np.tile(pull, (1, 6)) * [1.0, 0.5, 1.0, 0.5, 1.0, 0.5]


def recorded(schedule, seed=0, network=0):
    """The loop of a person without stable-baselines3."""
    agent, recorder = Learner(), ProbeRecorder(seed)
    probe = Probe(task_settings(), seed=seed)
    for phase in schedule.phases:
        for trial in range(0, phase.trials + 1, 8):
            recorder.add(probe(agent, phase.field), phase.name, trial // 8, trial, network)
            agent.learn()
        recorder.add_channel(probe.channel(agent, CURL), phase.name, network)
    return recorder


@pytest.fixture(scope="module")
def four():
    return recorded(four_phase(CURL, 8, 8, 8, 8))


def test_a_loop_of_ones_own_makes_a_table_that_savings_reads(four):
    table = four.table()
    assert tuple(table) == COLUMNS
    assert len(table["phase"]) == 4 * 2 * 8 and (table["trial"] == 8 * table["update"]).all()
    assert savings(table).to_dict() == {key: four.summary()[key] for key in savings(table).to_dict()}


def test_the_files_are_those_of_the_supervised_experiment(four, tmp_path):
    returned = four.save(tmp_path / "run", b=8.0)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"probes.parquet", "summary.json"}
    table = pd.read_parquet(tmp_path / "run/probes.parquet")
    kinds = {name: str(kind) for name, kind in table.dtypes.items()}
    index = dict.fromkeys(("network", "update", "trial", "target"), "int32")
    assert kinds == index | {"phase": "str"} | dict.fromkeys(KINEMATIC_COLUMNS, "float32")
    for name, column in four.table().items():
        assert np.array_equal(table[name].to_numpy(), column, equal_nan=name in KINEMATIC_COLUMNS)

    summary, shipped = (
        json.loads((tmp_path / "run/summary.json").read_text()),
        json.loads(SHIPPED.read_text()),
    )
    assert summary == returned
    assert set(shipped) - OWN <= set(summary)
    for part in ("phases", "savings", "adaptation", "washout_residual", "after_effect"):
        assert set(summary[part]) == set(shipped[part])
    assert set(summary["phases"]["FF1"]) == set(shipped["phases"]["FF1"])
    assert set(summary["endpoint_error"]) == set(summary["phases"])


def test_one_seed_gives_the_same_bytes_and_another_seed_others(four, tmp_path):
    for name, seed in (("again", 0), ("other", 1)):
        recorded(four_phase(CURL, 8, 8, 8, 8), seed=seed).save(tmp_path / name)
    four.save(tmp_path / "first")
    first, again, other = (
        (tmp_path / n / "probes.parquet").read_bytes() for n in ("first", "again", "other")
    )
    assert first == again and first != other


def test_carried_probes_have_a_table_and_a_part_of_the_summary(four, tmp_path):
    carried = recorded(four_phase(CURL, 8, 8, 8, 8), seed=1)
    summary = four.save(tmp_path, carried=carried, complete=False)
    assert summary["carried"] == carried.measures() and not summary["complete"]
    assert len(pd.read_parquet(tmp_path / "probes_carried.parquet")) == len(carried.table()["phase"])
    result = four.result(summary, carried)
    assert not result.complete and result.carried is not None and not result.carried.complete
    assert np.array_equal(result.carried.table["lateral_deviation"], carried.table()["lateral_deviation"])


def test_several_agents_share_a_table(four):
    both = recorded(four_phase(CURL, 8, 8, 8, 8))
    for agent in (1, 2):
        probe, learner = Probe(task_settings(), seed=agent), Learner()
        for name in ("NF1", "FF1", "NF2", "FF2"):
            for update in (0, 1):
                both.add(probe(learner), name, update, 8 * update, network=agent)
            both.add_channel(probe.channel(learner, CURL), name, network=agent)
    assert both.summary()["networks"] == 3
    assert both.channel()["NF1"].shape == (8,)


def test_another_protocol_is_said_to_have_no_savings():
    recorder = recorded(Schedule((Phase("left", CurlField(-8.0), 8), Phase("right", CURL, 8))))
    summary = recorder.summary()
    missing = "no phase named FF1 or FF2; the table has left, right"
    assert summary["savings"] == {"initial": None, "rate": None, "trials": None, "missing": missing}
    assert summary["networks"] == 1
    assert unmeasured(summary) == [f"savings could not be measured: {missing}"]
    assert set(summary["adaptation"]) == set(summary["endpoint_error"]) == {"left", "right"}


def test_savings_of_too_few_probes_are_said_to_be_unmeasured(four):
    notes = unmeasured(four.summary())
    assert len(notes) == 1 and "network 0, FF1" in notes[0] and "probe more often" in notes[0]


def test_entries_of_ones_own_do_not_replace_results(four):
    assert four.summary(agent="mine")["agent"] == "mine"
    with pytest.raises(ValueError, match=r"entries \['adaptation', 'seed'\] of its own"):
        four.summary(seed=1, adaptation={})


def test_bad_rows_and_seeds_are_refused_and_an_empty_table_too():
    result = Probe(task_settings())(Learner())
    recorder = ProbeRecorder()
    with pytest.raises(ValueError, match="no probe has been added"):
        recorder.table()
    with pytest.raises(ValueError, match="trial must be a whole number of at least 0, got -1"):
        recorder.add(result, "NF1", 0, -1)
    with pytest.raises(ValueError, match="network must be a whole number of at least 0, got 'two'"):
        recorder.add(result, "NF1", 0, 0, network="two")
    with pytest.raises(ValueError, match="seed must be a whole number"):
        ProbeRecorder(seed=0.5)


def test_without_pandas_the_error_says_what_to_install_before_anything_is_written(
    four, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pandas pyarrow"):
        four.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_table_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_table(tmp_path / "a.parquet", {"x": np.arange(3)})
    before = (tmp_path / "a.parquet").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_table(tmp_path / "a.parquet", {"x": np.arange(4)})
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]
    assert (tmp_path / "a.parquet").read_bytes() == before


def test_a_folder_of_another_run_is_refused(tmp_path):
    open_folder(tmp_path / "run", {"seed": 0})
    open_folder(tmp_path / "run", {"seed": 0})
    with pytest.raises(FileExistsError, match="other arguments:\n  seed: 0 there, 1 now"):
        open_folder(tmp_path / "run", {"seed": 1})
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file"):
        open_folder(tmp_path / "file", {})


def dues(times, trials, updates, stop=False):
    return [(d.phase.name, d.update, d.trial, d.last) for d in times.due(trials, updates, stop)]


def test_probes_come_at_both_ends_of_a_phase_and_in_between():
    times = ProbeTimes(Schedule((Phase("A", None, 16), Phase("B", CURL, 8))), probe_every=6)
    seen = [dues(times, 4 * update, update) for update in range(8)]
    assert seen == [
        [("A", 0, 0, False)],
        [],
        [("A", 2, 8, False)],
        [("A", 3, 12, False)],
        [("A", 4, 16, True), ("B", 0, 0, False)],
        [],
        [("B", 2, 8, True)],
        [],
    ]
    assert times.done


def test_rollouts_that_do_not_fit_are_told_as_they_are():
    times = ProbeTimes(Schedule((Phase("A", None, 16), Phase("B", CURL, 16))), probe_every=100)
    assert [dues(times, 10 * update, update) for update in range(5)] == [
        [("A", 0, 0, False)],
        [],
        [("A", 2, 16, True), ("B", 0, 4, False)],
        [],
        [("B", 2, 24, True)],
    ]


def test_a_run_cut_short_is_probed_once_more_unless_nothing_was_done_since():
    times = ProbeTimes(Schedule((Phase("A", None, 16),)), probe_every=100)
    assert dues(times, 0, 0) and dues(times, 4, 1) == []
    assert dues(times, 4, 1, stop=True) == [("A", 1, 4, False)] and not times.done
    assert dues(times, 4, 2, stop=True) == []


def test_a_phase_that_passes_unseen_is_an_error():
    times = ProbeTimes(Schedule((Phase("A", None, 8), Phase("B", CURL, 8), Phase("C", None, 8))), 8)
    dues(times, 0, 0)
    with pytest.raises(RuntimeError, match="'B' of 8 trials has passed"):
        dues(times, 20, 1)
    with pytest.raises(ValueError, match="probe_every must be"):
        ProbeTimes(four_phase(), 0)


def practise(env, trials, policy=None):
    """Runs whole trials; returns the hand paths."""
    policy, paths = policy or Learner(), []
    for trial in range(trials):
        observation, info = env.reset(seed=5 if trial == 0 else None)
        path = [info["hand_position"]]
        for _ in range(TRIAL_STEPS):
            observation, _, _, _, info = env.step(policy(observation[None])[0])
            path.append(info["hand_position"])
        paths.append((np.stack(path), info["target_position"]))
    return paths


def test_training_trials_are_measured_and_counted_by_phase():
    schedule = Schedule((Phase("A", None, 8, 0.0), Phase("B", CURL, 16, 0.0)))
    env = RecordTrials(gym.make("SavingsReach-v0", schedule=schedule), network=3)
    paths = practise(env, 24)
    assert (env.trials(), env.trials("A"), env.trials("B"), env.trials("C")) == (24, 8, 16, 0)
    table = env.table()
    curves = phase_curves(table)
    assert curves["A"].updates.tolist() == [0] and curves["B"].trials.tolist() == [0, 8]
    assert (table["network"] == 3).all() and not table["catch"].any()
    expected = [endpoint_error(path, target) for path, target in paths]
    assert np.allclose(table["endpoint_error"], expected, rtol=1e-6)
    assert {"catch", "reward"} == set(table) - set(COLUMNS)


def test_a_block_has_the_targets_of_its_phase():
    """So a table of whole blocks is a probe table, whatever the phases; wherever they begin."""
    schedule = Schedule(
        (Phase("A", None, 4, targets=(0, 1)), Phase("B", CURL, 6, targets=(5, 2, 7)), Phase("C", None, 8))
    )
    env = RecordTrials(ReachEnv(schedule=schedule, actuation="torque"))
    practise(env, 18, lambda seen: np.full((1, 2), 0.1))
    table = env.table()
    assert table["update"].tolist() == [0, 0, 1, 1, 0, 0, 0, 1, 1, 1] + [0] * 8
    assert table["trial"].tolist() == [0, 0, 2, 2, 0, 0, 0, 3, 3, 3] + [0] * 8
    assert np.sort(table["target"][:4].reshape(2, 2)).tolist() == [[0, 1]] * 2
    assert np.sort(table["target"][4:10].reshape(2, 3)).tolist() == [[2, 5, 7]] * 2
    curves = phase_curves(table)
    assert [len(curve.updates) for curve in curves.values()] == [2, 2, 1]
    expected = table["lateral_deviation"][4:10].reshape(2, 3).mean(axis=1)
    assert curves["B"].deviation[0] == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 10, 24])
def test_a_trial_that_ends_before_the_hand_has_settled_is_measured(steps):
    """The line of its reach begins at its end at the latest, where the direction is not known."""
    env = RecordTrials(TimeLimit(ReachEnv(), steps))
    path = [env.reset(seed=0, options={"go_time": 0.5})[1]["hand_position"]]
    for _ in range(steps):
        _, _, _, truncated, info = env.step(np.full(6, 0.3))
        path.append(info["hand_position"])
    assert truncated and env.trials() == 1
    table, target = env.table(), info["target_position"]
    deviation = lateral_deviation(np.stack(path), target, from_time=steps * CONTROL_STEP)
    assert table["lateral_deviation"] == pytest.approx(float(deviation)) and deviation != 0.0
    assert np.isnan(table["initial_direction_error"]).all()
    assert table["endpoint_error"] == pytest.approx(float(endpoint_error(np.stack(path), target)))


def test_a_trial_that_is_broken_off_is_forgotten():
    env = RecordTrials(ReachEnv())
    env.reset(seed=0)
    env.step(np.zeros(6))
    with pytest.raises(ValueError, match="no trial is finished yet"):
        env.table()
    practise(env, 1)
    assert env.trials() == 1 and len(env.table()["reward"]) == 1


def test_only_reaches_are_recorded_as_such():
    with pytest.raises(ValueError, match="needs a ReachEnv"):
        RecordTrials(gym.make("CartPole-v1"))


@pytest.mark.parametrize("where", ["constructor", "wrapper"])
def test_training_trials_have_the_name_of_their_phase_whoever_keeps_the_schedule(where):
    schedule = Schedule((Phase("A", None, 1), Phase("B", CURL, 1)))
    env = ReachEnv(schedule=schedule) if where == "constructor" else PhaseSchedule(ReachEnv(), schedule)
    env = RecordTrials(env)
    practise(env, 2)
    assert env.table()["phase"].tolist() == ["A", "B"]
    bare = RecordTrials(ReachEnv())
    practise(bare, 1)
    assert bare.table()["phase"].tolist() == [""]


def test_what_is_no_phase_and_no_channel_is_refused():
    probe, recorder = Probe(ReachEnv(actuation="torque").settings), ProbeRecorder()
    result = probe(lambda observation: np.zeros((8, 2)))
    for phase in (3, None, ""):
        with pytest.raises(ValueError, match="phase must be the name of a phase"):
            recorder.add(result, phase, 0, 0)
    with pytest.raises(ValueError, match="what Probe.channel returned, got ProbeResult"):
        recorder.add_channel(result, "FF1")
