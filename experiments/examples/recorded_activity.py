"""Activity as netCDF, its principal and force axes: `python -m experiments.examples.recorded_activity`."""

from pathlib import Path

import numpy as np
import tyro

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.record import record
from savings_gym.activity.preparatory import force_axes
from savings_gym.activity.recording import by_phase, load_activity, save_activity
from savings_gym.activity.subspaces import principal_subspace

WEIGHTS = Path(__file__).parents[1] / "pretrained" / "gru128.safetensors"
PREPARED, MOVING = slice(25, 44), 60  # control steps: before go at 0.44 s, and early in the reach


def main(out: Path = Path("runs/activity.nc"), quick: bool = False, seed: int = 0) -> dict[str, float]:
    """Record the 8 reaches, read them back from the file, and look at preparatory activity.

    Args:
        out: netCDF file to write.
        quick: Two networks instead of eight.
        seed: Of the noise.
    """
    ensemble = load_ensemble(WEIGHTS).select(*range(2 if quick else 8))
    save_activity(out, record({"NF1": ensemble}, seed=seed))

    activity = load_activity(out)  # any program that reads netCDF can
    print(f"{out}: {dict(activity.sizes)}, {', '.join(map(str, activity.data_vars))}")
    hidden = by_phase(activity)["NF1"][:, :, PREPARED]  # (networks, 8, time, units)
    samples = hidden.reshape(len(hidden), -1, hidden.shape[-1])
    centred = samples - samples.mean(axis=1, keepdims=True)
    axes = principal_subspace(samples, 3).axes  # (networks, units, 3)
    explained = ((centred @ axes) ** 2).sum((1, 2)) / (centred**2).sum((1, 2))

    prepared = {"NF1": hidden.mean(axis=2)}
    force = by_phase(activity, "hand_force")["NF1"][:, :, MOVING]  # (networks, 8, 2) N
    predicted = force_axes(prepared, force).predicted_force(prepared["NF1"])
    wanted = force - force.mean(axis=1, keepdims=True)
    r2 = 1.0 - ((predicted - wanted) ** 2).sum((1, 2)) / (wanted**2).sum((1, 2))
    measures = {"explained": float(explained.mean()), "r2": float(np.mean(r2))}
    print(f"three principal components carry {measures['explained']:.0%} of preparatory variance")
    print(f"preparation predicts the force of the reach with R² = {measures['r2']:.2f}")
    return measures


if __name__ == "__main__":
    tyro.cli(main)
