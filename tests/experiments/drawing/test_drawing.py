"""Figures of a run folder: of whole and interrupted runs, equal for equal input, clear if they fail."""

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

from experiments.drawing import style
from experiments.drawing.curves import ff1_over_ff2
from experiments.drawing.run import draw_figures
from experiments.drawing.style import PHASE_COLOUR, WIDTH
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import savings

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


def run_folder(path, networks=5, updates=60, phases=PHASES, paths=PHASES):
    path.mkdir(exist_ok=True)
    table = pd.DataFrame(plant(networks, updates, rate_spread=0.1))
    table = table[table["phase"].isin(phases)]
    table.to_parquet(path / "probes.parquet")
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
            assert image.width == round(WIDTH * style.DPI)
            assert image.convert("L").getextrema() == pytest.approx((30, 255), abs=30)
        assert (folder / name).stat().st_size < 400_000
        assert (folder / name).with_suffix(".svg").read_text().startswith("<?xml")
    others = {path.name for path in folder.iterdir() if path.suffix not in (".png", ".svg")}
    assert others == {"probes.parquet", "paths.nc"}  # and no temporary file


def test_equal_runs_give_equal_bytes(tmp_path):
    folders = [run_folder(tmp_path / name, networks=2, updates=20) for name in "ab"]
    for name in [path.name for path in draw_figures(folders[0])]:
        assert draw_figures(folders[1])
        for suffix in (".png", ".svg"):
            first, second = ((folder / name).with_suffix(suffix).read_bytes() for folder in folders)
            assert first == second, name


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


def test_without_paths_the_rest_is_drawn(tmp_path, caplog):
    folder = run_folder(tmp_path, updates=20, paths=())
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


@pytest.mark.parametrize("name", ["probes.parquet", "paths.nc"])
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


def drawn_numbers(table):
    """The panels of `ff1_over_ff2` by name, and the numbers that they show."""
    numbers = savings(table, resamples=200).to_dict()["savings"]
    figure = ff1_over_ff2(phase_curves(table), numbers["initial"], numbers["rate"])
    return {axes.get_label(): axes for axes in figure.axes}, numbers


def test_the_dots_are_the_values_of_every_network_and_the_squares_their_means():
    table = plant(6, 120, rate_spread=0.1)
    panels, numbers = drawn_numbers(table)
    for panel, section, scale in (("initial", "initial", 1e3), ("rate", "rate", 1e3)):
        dots = panels[panel].collections
        for drawn, phase in zip(dots, ("ff1", "ff2"), strict=True):
            assert drawn.get_offsets().shape == (6, 2)
            assert drawn.get_offsets()[:, 1].mean() == pytest.approx(
                scale * numbers[section][phase], rel=1e-6
            )


def test_titles_for_many_networks_stay_within_the_figure():
    panels, _ = drawn_numbers(plant(40, 30, rate_spread=0.05))
    figure = panels["rate"].figure
    figure.canvas.draw()
    for axes in panels.values():
        assert axes._left_title.get_window_extent().x1 <= figure.bbox.x1


def test_the_titles_name_difference_interval_and_count():
    table = plant(8, 120, rate_spread=0.05)
    panels, numbers = drawn_numbers(table)
    initial, rate = (panels[name].get_title(loc="left") for name in ("initial", "rate"))
    assert initial.startswith(f"FF1 − FF2 = {1e3 * numbers['initial']['difference']:.2f}")
    assert "[" in rate and "faster in 8 of 8" in rate
    mirrored, _ = drawn_numbers(table | {"lateral_deviation": -table["lateral_deviation"]})
    assert (
        mirrored["initial"]
        .get_title(loc="left")
        .startswith(f"FF2 − FF1 = {1e3 * numbers['initial']['difference']:.2f}")
    )
    short, _ = drawn_numbers(plant(2, 7))
    assert short["rate"].get_title(loc="left") == "no rate determined"


def test_residuals_show_what_one_exponential_misses():
    table = plant(4, 300, noise=1e-5)
    fast = 0.004 * np.exp(-0.02 * table["trial"])  # a second, faster process
    table["lateral_deviation"] = table["lateral_deviation"] + np.where(
        np.char.startswith(table["phase"], "FF"), fast, 0.0
    )
    panels, numbers = drawn_numbers(table)
    line = next(line for line in panels["left over"].lines if line.get_color() == PHASE_COLOUR["FF1"])
    assert line.get_ydata()[0] > 1.0  # mm, at the start
    assert numbers["rate"]["ff1_start_residual"] > 0.0


def lightness(colour):
    """L* of a colour."""
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in matplotlib.colors.to_rgb(colour)
    ]
    y = np.dot([0.2126, 0.7152, 0.0722], linear)
    return 116 * y ** (1 / 3) - 16


def test_phases_can_be_told_apart_in_grey():
    levels = sorted(lightness(colour) for colour in PHASE_COLOUR.values())
    solid = [lightness(PHASE_COLOUR[phase]) for phase in ("FF1", "FF2")]
    dashed = [lightness(PHASE_COLOUR[phase]) for phase in ("NF1", "NF2")]
    assert np.diff(levels).min() > 5.0 and abs(np.subtract(*solid)) > 15 and abs(np.subtract(*dashed)) > 30
    assert len(set(style.PHASE_MARKER.values())) == 4


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
