"""The tables of a finished run: `python -m experiments.examples.finished_run runs/savings-quick`."""

import tempfile
from pathlib import Path

import tyro

from savings_gym.arrays import MM
from savings_gym.files import PROBES, read_config, read_table
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.learning import trials_to_criterion
from savings_gym.metrics.savings import savings
from savings_gym.play.command import main as play

CRITERION = 0.010  # m


def main(run: tyro.conf.Positional[Path | None] = None, quick: bool = False) -> dict[str, float]:
    """Print learning curves and savings of any run folder with a probes.parquet.

    Args:
        run: The folder; None lets a scripted player play a game, and reads that.
        quick: A short game.
    """
    if run is None:
        run = Path(tempfile.mkdtemp()) / "game"
        trials = ["1", "8", "8", "8"] if quick else ["4", "40", "40", "40"]
        options = ["--targets", "1", "--rate", "0.4", "--actuation", "torque", "--out", str(run)]
        play(["--offscreen", "--trials", *trials, *options])

    print(f"{run}, made with {read_config(run)}")
    table = read_table(run / PROBES)  # a data frame; one row per network, phase, update and target
    print(table.groupby("phase", sort=False)[["lateral_deviation", "peak_speed"]].mean())
    needed = {}
    for name, curve in phase_curves(table).items():  # deviation is (networks, probes), mean over targets
        needed[name] = float(trials_to_criterion(curve.trials, curve.deviation, CRITERION).mean())
        print(f"{name}: {needed[name]:.0f} trials until the deviation is below {MM * CRITERION:.0f} mm")
    initial = savings(table, window=1, partial=True).initial
    if initial is not None:
        print(f"savings at the start of FF2: {MM * initial.difference:.1f} mm")
    return needed


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.finished_run")
