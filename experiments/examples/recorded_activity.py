"""Activity as netCDF, its principal and force axes: `python -m experiments.examples.recorded_activity`."""

import copy
from pathlib import Path

import numpy as np
import tyro

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import FROZEN, SupervisedLearner
from agents.supervised.reaches import centre_out
from agents.supervised.record import record
from savings_gym import CurlField
from savings_gym.activity.preparatory import force_axes
from savings_gym.activity.recording import by_phase, load_activity, save_activity
from savings_gym.activity.subspaces import principal_subspace

WEIGHTS = Path(__file__).parents[1] / "pretrained" / "gru128.safetensors"
PREPARED, MOVING = slice(25, 44), 60  # control steps: before go at 0.44 s, and early in the reach


def main(out: Path = Path("runs/activity.nc"), quick: bool = False, seed: int = 0) -> dict[str, float]:
    """Record networks before and after they learn a field, read the file, and look at preparation.

    Args:
        out: netCDF file to write.
        quick: Two networks and few updates.
        seed: Of the noise.
    """
    ensemble = load_ensemble(WEIGHTS, 2 if quick else 8)
    ensemble.freeze(*FROZEN)
    naive, learner, rng = copy.deepcopy(ensemble), SupervisedLearner(ensemble), np.random.default_rng(seed)
    for _ in range(20 if quick else 400):
        learner.update(centre_out(ensemble.networks, CurlField(8.0), rng, probe=False))
    save_activity(out, record({"NF1": naive, "FF1": learner.ensemble}, seed=seed))

    activity = load_activity(out)  # any program that reads netCDF can
    print(f"{out}: {dict(activity.sizes)}, {', '.join(map(str, activity.data_vars))}")
    hidden = {phase: x[:, :, PREPARED] for phase, x in by_phase(activity).items()}
    samples = hidden["NF1"].reshape(len(naive.initial), -1, activity.sizes["unit"])
    centred = samples - samples.mean(axis=1, keepdims=True)
    axes = principal_subspace(samples, 3).axes  # (networks, units, 3)
    explained = ((centred @ axes) ** 2).sum((1, 2)) / (centred**2).sum((1, 2))

    prepared = {phase: x.mean(axis=2) for phase, x in hidden.items()}  # (networks, 8, units)
    force = by_phase(activity, "hand_force")["NF1"][:, :, MOVING]  # (networks, 8, 2) N
    predicted = force_axes(prepared, force).predicted_force(prepared["NF1"])
    r = np.corrcoef(predicted.ravel(), force.ravel())[0, 1]
    measures = {"explained": float(explained.mean()), "r": float(r)}
    print(f"three principal components carry {measures['explained']:.0%} of preparatory variance")
    print(f"the force of the reach and that which preparation predicts correlate: {measures['r']:.2f}")
    return measures


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.recorded_activity")
