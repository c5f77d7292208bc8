"""A reinforcement learner at the interface: paired with its sham, resumed by agent, true to its tests."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from experiments.bci.measures import ERROR, KEPT, RESIDUAL, SAVED_FIRST, TRACE, TRACE_BEYOND, TRACE_SHAM
from experiments.bci.ppo import command
from experiments.bci.ppo.config import PRESETS, BciPpo
from experiments.bci.ppo.course import (
    CONDITIONS,
    PERTURBED,
    PROGRESS,
    SHAM,
    Course,
    agent_file,
    progress_through,
)
from experiments.bci.ppo.measures import (
    BEFORE,
    GROUP,
    LATERAL,
    MEASURES,
    RESIDUAL_BEYOND,
    RESIDUAL_SHAM,
    SPEED,
    agent_values,
    quantities,
)
from experiments.bci.ppo.report import in_short, page
from experiments.runs.command_line import Stopped
from savings_gym import BCIReachVectorEnv, CursorProbe
from savings_gym.bci.decoder import readout_of
from savings_gym.task.schedule import PHASES

SMOKE = PRESETS["smoke"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("bci-ppo") / "run"
    assert command.main(["--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_the_run_is_whole_and_shown_again_without_work(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] and set(MEASURES) - {KEPT} <= set(summary["measures"][GROUP]) <= set(MEASURES)
    files = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert {"README.md", "bci_ppo.png", "config.json", "probes.parquet", "agent_0.parquet"} <= set(files)
    assert command.main(["--preset", "smoke", "--out", str(run)]) == 0
    assert files == {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_agent_and_sham_part_at_the_decoder_of_ff1(run):
    table = pd.read_parquet(run / "probes.parquet").set_index("condition")
    main, sham = (table.loc[name].reset_index(drop=True) for name in CONDITIONS)
    assert set(main.phase) == set(PHASES)
    nf1 = main.phase == "NF1"
    pd.testing.assert_frame_equal(main[nf1], sham[nf1])
    first = (main.phase == "FF1") & (main.trial == 0)
    assert not np.array_equal(main[first][ERROR], sham[first][ERROR])  # through another decoder
    assert not np.array_equal(main[main.phase == "FF2"][ERROR], sham[sham.phase == "FF2"][ERROR])


def test_a_lost_agent_is_learned_again_to_the_same_bytes(run, tmp_path):
    config = dataclasses.replace(SMOKE, out=tmp_path)
    rows = list(Course(config, 1, lambda: False).rows())
    stored = pd.read_parquet(agent_file(run, 1))
    again = np.concatenate([row[ERROR] for row in rows])
    assert np.array_equal(again, stored[ERROR])


def test_an_agent_stops_when_asked(tmp_path):
    with pytest.raises(Stopped):
        list(Course(dataclasses.replace(SMOKE, out=tmp_path), 0, lambda: True).rows())


def test_the_noise_on_actions_is_fixed_after_nf1(monkeypatch, tmp_path):
    noises = {name: [] for name in CONDITIONS}
    course = Course(dataclasses.replace(SMOKE, out=tmp_path), 0, lambda: False)
    original = course._phase

    def watched(learner, probe, phase, condition):
        yield from original(learner, probe, phase, condition)
        noises[condition].append(learner.log_deviation.detach().numpy().copy())

    monkeypatch.setattr(course, "_phase", watched)
    list(course.rows())
    first, *later = noises[PERTURBED] + noises[SHAM]
    assert len(later) == 2 * (len(PHASES) - 1)
    assert all(np.array_equal(first, noise) for noise in later)


def test_progress_through_the_decoder_in_use_is_the_steady_velocity_of_the_cursor():
    """Of constant activity, what the read-out predicts is how fast the cursor really goes."""
    env = BCIReachVectorEnv(8, units=4, noise=False)
    decoder = env.settings.decoder
    preferred = decoder.matrix[0] / np.abs(decoder.matrix[0]).max()
    policy = lambda observation: np.tile(preferred.clip(0.0, 1.0), (len(observation), 1))  # noqa: E731
    result = CursorProbe(env.settings)(policy, decoder)
    found = progress_through(readout_of([decoder]), result)
    velocity = result.velocity[:, -1]  # steady by then
    direction = result.target / np.linalg.norm(result.target, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, (velocity * direction).sum(-1), rtol=1e-3, atol=1e-6)


def planted(trace: float, saved: float, faster: float = 0.0, left: float = 0.0) -> dict:
    """Curves of 4 agents beyond the sham: trace and peak speed in NF2 [m/s], savings and residual [m]."""
    spread = np.array([-1.0, -0.5, 0.5, 1.0])[:, None]
    flat = 1e-3 * spread + np.zeros(8)
    error = {
        name: {
            phase: 0.05 + flat - (saved if phase == "FF2" and name == PERTURBED else 0.0) for phase in PHASES
        }
        for name in CONDITIONS
    }
    progress = {
        name: {
            phase: flat + {"FF1": 0.2, "NF2": trace}.get(phase, 0.0) * (name == PERTURBED) for phase in PHASES
        }
        for name in CONDITIONS
    }
    progress[PERTURBED]["NF2"] = progress[PERTURBED]["NF2"] * 1.001**spread
    error[PERTURBED]["FF2"] = error[PERTURBED]["FF2"] * 1.001**spread
    error[PERTURBED]["NF2"] = error[PERTURBED]["NF2"] + left * 1.001**spread
    still = {name: {phase: flat for phase in PHASES} for name in CONDITIONS}
    speed = {name: dict(its) for name, its in still.items()}
    speed[PERTURBED]["NF2"] = flat + faster * 1.001**spread
    return {ERROR: error, PROGRESS: progress, SPEED: speed, LATERAL: still}


@pytest.mark.parametrize(("trace", "saved"), [(0.1, 0.02), (0.0, 0.0), (-0.1, 0.02)])
def test_what_is_planted_is_found_and_said(trace, saved):
    values = agent_values(planted(trace, saved))
    np.testing.assert_allclose(values[BEFORE].mean(), 0.05)
    np.testing.assert_allclose(values[RESIDUAL], 0.0, atol=1e-12)
    np.testing.assert_allclose(values[SAVED_FIRST], saved, atol=1e-4)
    np.testing.assert_allclose(values[TRACE], trace, atol=2e-3)
    np.testing.assert_allclose(values[TRACE_BEYOND], values[TRACE] - values[TRACE_SHAM])
    numbers = quantities(values, 0)
    text = in_short(numbers[GROUP])
    assert ("still holds a trace" in text) == (trace > 0.0)
    assert ("shows no trace" in text) == (trace < 0.0)
    assert "control with the intuitive decoder is not measurably different" in text
    assert ("shows savings" in text) == (saved > 0.0)
    assert (KEPT in numbers[GROUP]) == (values[TRACE_BEYOND].mean() > 0.0)
    if trace > 0.0:
        assert numbers[GROUP][KEPT].value == pytest.approx(100.0 * trace / 0.2, abs=1.0)
    assert text in page(numbers, SMOKE, "python -m experiments.bci.ppo")


@pytest.mark.parametrize(
    ("trace", "faster", "said"),
    [
        (-0.1, -0.08, "makes less progress through the rotated decoder than that of the sham, by 100"),
        (0.1, 0.08, "makes more progress through the rotated decoder than that of the sham, by 100"),
        (0.0, -0.08, "makes no measurably different progress through the rotated decoder"),
        (0.1, -0.08, "still holds a trace"),
        (-0.1, 0.08, "shows no trace"),
    ],
)
def test_a_trace_that_speed_alone_could_make_or_hide_is_none(trace, faster, said):
    text = in_short(quantities(agent_values(planted(trace, 0.02, faster)), 0)[GROUP])
    assert said in text
    confounded = trace * faster > 0.0 or trace == 0.0
    assert ("this says nothing about a trace" in text) == confounded
    assert (f"{'faster' if faster > 0.0 else 'slower'}, by 80.0 mm/s" in text) == confounded


def test_the_residual_of_the_washout_is_told_beyond_the_sham():
    values = agent_values(planted(0.0, 0.02, left=0.005))
    np.testing.assert_allclose(values[RESIDUAL], 0.005, rtol=0.01)
    np.testing.assert_allclose(values[RESIDUAL_SHAM], 0.0, atol=1e-12)
    np.testing.assert_allclose(values[RESIDUAL_BEYOND], values[RESIDUAL] - values[RESIDUAL_SHAM])
    text = in_short(quantities(values, 0)[GROUP])
    assert "The washout is not complete: the error has changed by 5.00 mm" in text
    assert "some of the savings may be what the washout has left" in text


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"angle": 0.0}, "angle must not be 0"),
        ({"agents": 1}, "agents"),
        ({"nf1_trials": 33}, "nf1_trials must be a multiple of the 128 cursors, got 33"),
        ({"probe_every": 0}, "probe_every"),
        ({"preset": "fast"}, "fast"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, names):
    with pytest.raises(ValueError, match=names):
        BciPpo(**arguments)
