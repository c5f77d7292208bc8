"""Figures of a run folder: of whole and broken-off runs, equal for equal input, clear when they fail."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from planted_probes import PHASES, plant

from experiments.drawing.curves import _initial_text, _rate_text, _rates, _windows
from experiments.drawing.run import draw_figures, read_run
from experiments.drawing.style import DPI, WIDTH, t_interval
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.metrics.statistics import Sampling, mean_interval

NAMES = ["learning_curves.png", "ff1_ff2.png", "hand_paths.png"]
START = np.array([-0.1337, 0.4344])


def planted_paths(networks, phases):
    """Minimum-jerk reaches to 8 targets, bent to one side in the field."""
    rng = np.random.default_rng(0)
    time = np.linspace(0.0, 1.0, 101)
    s = np.clip((time - 0.5) / 0.45, 0.0, 1.0)
    along = 10 * s**3 - 15 * s**4 + 6 * s**5
    angle = np.arange(8) * np.pi / 4
    ahead = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None]
    aside = np.stack([ahead[..., 1], -ahead[..., 0]], axis=-1)

    def reach(deviation):
        bend = rng.normal(deviation, 0.002, (networks, 8, 1)) * np.sin(np.pi * s)
        return START + 0.1 * along[:, None] * ahead + bend[..., None] * aside

    first = np.stack([reach({"NF1": 0.0, "FF1": 0.035, "NF2": -0.035, "FF2": 0.034}[p]) for p in phases], 1)
    ends = [(-0.035, 0.0) if phase.startswith("FF") else (0.0, 0.035) for phase in phases]
    hand = np.stack([np.stack([reach(null), reach(curl)], axis=1) for null, curl in ends], axis=1)
    variables = {
        "hand": (("network", "phase", "field", "target", "time", "axis"), hand.astype(np.float32)),
        "first_hand": (("network", "phase", "target", "time", "axis"), first.astype(np.float32)),
        "target_position": (("target", "axis"), START + 0.1 * ahead[:, 0]),
    }
    return xr.Dataset(variables, {"phase": list(phases), "field": ["null", "curl"], "time": time})


def run_folder(path, networks=5, updates=60, phases=PHASES, paths=PHASES, summary=True):
    path.mkdir(exist_ok=True)
    table = pd.DataFrame(plant(networks, updates, rate_spread=0.1))
    table = table[table["phase"].isin(phases)]
    table.to_parquet(path / "probes.parquet")
    if summary:
        found = savings(table, partial=True, resamples=200).to_dict()
        (path / "summary.json").write_text(json.dumps(found))
    if paths:
        planted_paths(networks, paths).to_netcdf(path / "paths.nc", engine="h5netcdf")
    return path


def drawn(folder):
    return [path.name for path in draw_figures(folder)]


def test_a_whole_run_gives_three_pictures(tmp_path):
    folder = run_folder(tmp_path)
    assert draw_figures(folder) == [folder / name for name in NAMES]
    for name in NAMES:
        with Image.open(folder / name) as image:
            assert image.width == round(WIDTH * DPI)
            assert image.convert("L").getextrema() == pytest.approx((30, 255), abs=30)
        assert (folder / name).stat().st_size < 400_000
    left = {path.name for path in folder.iterdir()} - set(NAMES)
    assert left == {"probes.parquet", "summary.json", "paths.nc"}  # and no temporary file


def test_equal_runs_give_equal_bytes(tmp_path):
    folders = [run_folder(tmp_path / name, networks=2, updates=20) for name in "ab"]
    first, second = ([path.read_bytes() for path in draw_figures(folder)] for folder in folders)
    assert first == second


def test_the_readers_own_settings_neither_change_nor_show(tmp_path):
    folder = run_folder(tmp_path, networks=2, updates=20, paths=())
    before = [path.read_bytes() for path in draw_figures(folder)]
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20.0}):
        mine = dict(matplotlib.rcParams)
        assert [path.read_bytes() for path in draw_figures(folder)] == before
        assert dict(matplotlib.rcParams) == mine


def test_an_interrupted_run_gives_what_it_has(tmp_path, caplog):
    folder = run_folder(tmp_path, phases=("NF1", "FF1"), paths=("NF1",))
    with caplog.at_level(logging.WARNING):
        assert drawn(folder) == ["learning_curves.png", "hand_paths.png"]
    assert "ff1_ff2.png" in caplog.text and "FF2" in caplog.text


def test_without_paths_or_summary_the_rest_is_drawn(tmp_path, caplog):
    folder = run_folder(tmp_path, updates=20, paths=(), summary=False)
    with caplog.at_level(logging.WARNING):
        assert drawn(folder) == ["learning_curves.png", "ff1_ff2.png"]
    assert "paths.nc" in caplog.text


@pytest.mark.parametrize(("networks", "updates"), [(1, 60), (2, 1), (2, 2), (2, 7), (20, 30)])
def test_few_and_many_probes_and_networks(tmp_path, networks, updates):
    assert drawn(run_folder(tmp_path, networks, updates)) == NAMES


def test_paths_of_a_phase_that_has_only_begun(tmp_path):
    folder = run_folder(tmp_path, networks=2, updates=20)
    with xr.open_dataset(folder / "paths.nc", engine="h5netcdf") as file:
        data = file.load()
    data["hand"].loc[{"phase": "FF2"}] = np.nan
    data.to_netcdf(folder / "paths.nc", engine="h5netcdf")
    assert "hand_paths.png" in drawn(folder)
    data[["hand", "first_hand"]] = data[["hand", "first_hand"]] * np.nan
    data.to_netcdf(folder / "paths.nc", engine="h5netcdf")
    assert "hand_paths.png" not in drawn(folder)


def test_no_probes_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"probes\.parquet"):
        draw_figures(tmp_path)


@pytest.mark.parametrize("name", ["probes.parquet", "summary.json", "paths.nc"])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, name):
    folder = run_folder(tmp_path, networks=2, updates=20)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=name):
        draw_figures(folder)


def test_a_missing_column_or_variable_is_an_error_that_names_it(tmp_path):
    folder = run_folder(tmp_path, networks=2, updates=20)
    planted_paths(2, PHASES).drop_vars("first_hand").to_netcdf(folder / "paths.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"paths\.nc.*first_hand"):
        draw_figures(folder)
    pd.DataFrame(plant(2, 20)).drop(columns="lateral_deviation").to_parquet(folder / "probes.parquet")
    with pytest.raises(ValueError, match=r"probes\.parquet.*lateral_deviation"):
        draw_figures(folder)


def test_a_summary_of_fewer_probes_is_not_believed(tmp_path):
    folder = run_folder(tmp_path, updates=30)
    stale = (folder / "summary.json").read_text()
    run_folder(tmp_path, updates=60)
    current = read_run(folder)
    (folder / "summary.json").write_text(stale)
    assert read_run(folder).rate["ratio"] == pytest.approx(current.rate["ratio"])
    assert json.loads(stale)["savings"]["rate"]["ratio"] != pytest.approx(current.rate["ratio"])


def test_the_dots_are_the_rates_of_the_summary():
    table = plant(6, 120, rate_spread=0.1)
    curves, found = phase_curves(table), savings(table, resamples=200).rate
    for phase, expected in (("FF1", found.ff1), ("FF2", found.ff2)):
        rates = _rates(*_windows(curves[phase], 8 * 119), 1.0)
        assert rates.mean() == pytest.approx(expected, rel=1e-6)


def test_the_t_interval_is_near_the_bootstrap():
    values = np.random.default_rng(0).normal(1.0, 0.3, 40)
    mean, low, high = t_interval(values)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(mean_interval(values, Sampling()), abs=0.01)
    assert np.isnan(t_interval(values[:1])[1:]).all()


def test_the_words_say_difference_interval_and_count():
    table = plant(8, 120, rate_spread=0.05)
    found = savings(table, resamples=200).to_dict()["savings"]
    assert _initial_text(found["initial"]).startswith(
        f"FF1 − FF2 = {1e3 * found['initial']['difference']:.2f}"
    )
    assert "[" in _rate_text(found["rate"]) and "faster in 8 of 8 fitted" in _rate_text(found["rate"])
    mirrored = table | {"lateral_deviation": -table["lateral_deviation"]}
    other = savings(mirrored, resamples=200).to_dict()["savings"]
    assert _initial_text(other["initial"]).startswith(
        f"FF2 − FF1 = {1e3 * found['initial']['difference']:.2f}"
    )
    assert _initial_text(None) == _rate_text(None) == ""
    short = savings(plant(2, 7), resamples=200).to_dict()["savings"]
    assert _rate_text(short["rate"]) == "no rate determined"


def test_pyplot_is_never_imported(tmp_path):
    folder = run_folder(tmp_path, networks=2, updates=20)
    code = (
        "import sys; from pathlib import Path; from experiments.drawing.run import draw_figures; "
        "print(len(draw_figures(Path(sys.argv[1]))), 'matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "False"]
