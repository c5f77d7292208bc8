"""Films of a finished run: what they show, how long they are, and what is refused."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from experiments.film import command
from experiments.film.command import FilmOfRun, film_of, main
from experiments.film.encode import write_film
from experiments.film.frames import FILM_VIEW, HELD, Layout, film_steps
from experiments.film.trials import MOMENTS, SHOWN, FilmedTrial, activation_of, load_trials, traces
from experiments.savings.command import main as savings_main
from savings_gym import ReachEnv
from savings_gym.activity.recording import hand_paths, load_activity
from savings_gym.arm.model import load_arm
from savings_gym.envs.render import SnapshotRenderer
from savings_gym.files import write_json
from savings_gym.metrics.kinematics import lateral_deviation

SHORT = ["--begin", "0.9", "--every", "5", "--panel", "120"]  # three frames


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("film") / "run"
    assert savings_main(["--preset", "smoke", "--out", str(folder)]) == 0
    return folder


def film(run, out, *more):
    return main([str(run), "--out", str(out), *SHORT, *more])


@pytest.mark.render
def test_a_gif_has_the_declared_frames_and_size_and_equal_commands_give_equal_bytes(run, tmp_path):
    files = [tmp_path / name for name in ("one.gif", "two.gif")]
    assert [film(run, file) for file in files] == [0, 0]
    assert files[0].read_bytes() == files[1].read_bytes()
    picture = Image.open(files[0])
    assert picture.n_frames == len(film_steps(90, 5)) == 3
    assert picture.size == Layout(len(SHOWN), 120).size
    durations = []
    for k in range(3):
        picture.seek(k)
        durations.append(picture.info["duration"])
    assert durations == [50, 50, 1000 * HELD]


@pytest.mark.render
def test_an_mp4_has_the_declared_frames_and_size_and_equal_commands_give_equal_bytes(run, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    files, names = [tmp_path / name for name in ("one.mp4", "two.mp4")], ("before", "NF2-first")
    for file in files:
        assert film(run, file, "--fps", "10", "--traces", "hidden", "--trials", *names) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    count, _ = ffmpeg.count_frames_and_secs(str(files[0]))
    size = next(ffmpeg.read_frames(str(files[0])))["size"]
    assert count == 3 + round(10 * HELD) and size == Layout(2, 120).size


@pytest.mark.render
def test_every_panel_shows_the_hand_where_it_is_stored(run):
    config = FilmOfRun(run, begin=0.5, every=25, panel=400, network=1, target=5, trials=tuple(MOMENTS))
    arm = load_arm("muscle")
    film, renderer = film_of(config, arm), SnapshotRenderer(arm, FILM_VIEW)
    frames = list(film.frames(renderer, config.steps))
    renderer.close()
    stored = {
        "null": hand_paths(load_activity(run / "activity.nc")),
        "curl": hand_paths(load_activity(run / "activity_curl.nc")),
    }
    angle = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    rim = 0.0072 * 400 / FILM_VIEW.side * np.stack([np.cos(angle), np.sin(angle)], -1)
    for frame, step in zip(frames, config.steps, strict=True):
        for k, moment in enumerate(MOMENTS.values()):
            hand = stored[moment.field][moment.networks][1, 5, step]
            middle = FILM_VIEW.pixels(hand, 400) + (film.layout.left(k), film.layout.top)
            (column, row), ring = np.floor(middle).astype(int), np.floor(middle + rim).astype(int)
            assert frame[row, column].max() < 80  # the cursor's dark middle
            assert frame[ring[:, 1], ring[:, 0]].min() > 140  # and its white rim, on a dark hand


def test_the_first_trials_of_a_phase_are_made_by_the_networks_at_the_end_of_the_one_before(run):
    trials = dict(zip(MOMENTS, load_trials(run, tuple(MOMENTS), 1, 3), strict=True))
    stored = xr.load_dataset(run / "paths.nc", engine="h5netcdf").sel(network=1, target=3)
    for phase in ("FF1", "NF2", "FF2"):  # the run's own first probe of the phase: other noise, same networks
        first = stored["first_hand"].sel(phase=phase).to_numpy()
        assert np.abs(trials[f"{phase}-first"].hand - first).max() < 2e-3
    for name, phase, field in (
        ("before", "NF1", "null"),
        ("FF1-last", "FF1", "curl"),
        ("washout", "NF2", "null"),
    ):
        last = stored["hand"].sel(phase=phase, field=field).to_numpy()
        assert np.abs(trials[name].hand - last).max() < 2e-3


def test_the_deviation_ends_as_the_measure_of_the_reach(run):
    (trial,) = load_trials(run, ("FF1-first",), 0, 2)
    filmed = FilmedTrial(trial, load_arm("muscle"))
    assert filmed.deviation(100) == lateral_deviation(trial.hand, trial.target)
    grows = [abs(filmed.deviation(step)) for step in range(26, 101)]
    assert (np.diff(grows) >= 0.0).all()


def test_snapshots_follow_the_trial(run):
    (trial,) = load_trials(run, ("FF1-last",), 0, 2)
    arm = load_arm("muscle")
    filmed = FilmedTrial(trial, arm)
    for step in (0, 43, 44, 51, 60, 100):
        seen = filmed.at(step)
        np.testing.assert_allclose(arm.hand_position(seen.joints), trial.hand[step], atol=1e-9)
        assert len(seen.path) == step + 1 and (seen.signal == "go") == seen.acting == (step >= 44)
        if 44 <= step < 100:
            vx, vy = trial.velocity[step]
            np.testing.assert_allclose(seen.force, [trial.field.b * vy, -trial.field.b * vx], rtol=1e-9)


def test_activation_is_that_of_mujoco():
    env, rng = ReachEnv(noise=False), np.random.default_rng(0)
    env.reset(seed=0)
    excitation, seen = rng.uniform(0.001, 1.0, (20, 6)), [env.task.act[0].copy()]
    for action in excitation:
        env.step(action)
        seen.append(env.task.act[0].copy())
    np.testing.assert_allclose(activation_of(excitation, load_arm("muscle")), seen, atol=1e-9)


def test_traces_are_the_muscles_or_the_units_that_vary_most(run):
    trials = load_trials(run, SHOWN, 0, 0)
    names, values = traces(trials, "excitation")
    assert names[0] == "pectoralis" and (values[1] == trials[1].excitation).all()
    names, values = traces(trials, "hidden")
    chosen = [int(name.removeprefix("unit ")) for name in names]
    spread = np.concatenate([trial.hidden for trial in trials]).std(axis=0)
    assert set(chosen) == set(np.argsort(spread)[-8:]) and (values[2] == trials[2].hidden[:, chosen]).all()


@pytest.mark.parametrize(("first", "every"), [(0, 1), (34, 1), (30, 7), (99, 50)])
def test_frames_end_with_the_trial(first, every):
    steps = film_steps(first, every)
    assert steps[-1] == 100 and steps[0] >= first > steps[0] - every and set(np.diff(steps)) <= {every}


def test_a_gif_holds_every_frame(tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (5, 3))
    pictures = [colours[rng.integers(0, 5, (20, 30))].astype(np.uint8) for _ in range(4)]
    write_film(tmp_path / "film.gif", pictures, 20, 1.0)
    seen = Image.open(tmp_path / "film.gif")
    assert seen.n_frames == 4
    for k, picture in enumerate(pictures):
        seen.seek(k)
        assert np.abs(np.asarray(seen.convert("RGB")).astype(int) - picture).max() < 4


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"trials": ("FF3-first",)}, f"trial must be one of {tuple(MOMENTS)}, got 'FF3-first'"),
        ({"trials": ()}, "trials must name one or more of: before"),
        ({"target": 8}, "unknown target 8; choose from: 0 to 7"),
        ({"traces": "torque"}, "traces must be one of ('excitation', 'hidden'), got 'torque'"),
        (
            {"out": Path("film.avi")},
            "cannot write a film as 'film.avi'; its suffix must be one of: .gif, .mp4",
        ),
        ({"begin": 1.5}, "begin must be 0 to 0.99 s, got 1.5"),
        ({"every": 0}, "every must be a whole number of at least 1, got 0"),
        ({"fps": 0}, "fps must be a whole number of at least 1, got 0"),
        ({"panel": 20}, "panel must be 120 to 640 pixels, got 20"),
    ],
)
def test_bad_values_are_refused_in_a_line(arguments, error):
    with pytest.raises(ValueError, match=f"^{re.escape(error)}[^\n]*$"):
        FilmOfRun(Path("run"), **arguments)


@pytest.mark.parametrize("network", [-1, 2])
def test_an_unknown_network_is_refused(run, network, caplog):
    assert main([str(run), "--network", str(network)]) == 2
    assert f"has no network {network}; choose from: 0 to 1" in caplog.text


def edit(file, **values):
    """Change values of a JSON file, as the run itself would."""
    write_json(file, json.loads(file.read_text()) | values)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda folder: shutil.rmtree(folder), "no folder"),
        (lambda folder: shutil.rmtree(folder) or folder.mkdir(), "is not the folder of a finished run"),
        (lambda folder: edit(folder / "summary.json", complete=False), "is not finished"),
        (lambda folder: (folder / "summary.json").unlink(), "summary.json is missing"),
        (lambda folder: (folder / "networks_NF2.safetensors").unlink(), "networks_NF2.safetensors"),
    ],
)
def test_folders_without_a_finished_run_are_refused_in_a_line(run, tmp_path, change, error, caplog):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    change(folder)
    assert film(folder, tmp_path / "film.gif") == 2 and not (tmp_path / "film.gif").exists()
    message = caplog.records[-1].getMessage()
    assert error in message and len(message.splitlines()) == 1


def test_a_run_without_the_field_twice_is_refused(tmp_path, caplog):
    folder = tmp_path / "sham"
    assert savings_main(["--preset", "smoke", "--out", str(folder), "--change.ff1-b", "0"]) == 0
    assert film(folder, tmp_path / "film.gif") == 2
    assert "change.ff1_b=0.0; a film needs a run with the same field twice" in caplog.text


def test_an_mp4_without_ffmpeg_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match=r"film.mp4 needs ffmpeg: pip install 'savings_gym\[render\]'"):
        FilmOfRun(Path("run"), out=Path("film.mp4"))


def test_a_film_without_opengl_is_refused_with_the_packages_to_install(run, monkeypatch, caplog, tmp_path):
    def missing(*_):
        raise RuntimeError("rendering needs EGL or OSMesa: apt-get install libegl1")

    monkeypatch.setattr(command, "SnapshotRenderer", missing)
    assert film(run, tmp_path / "film.gif") == 2
    assert "apt-get install libegl1" in caplog.text
