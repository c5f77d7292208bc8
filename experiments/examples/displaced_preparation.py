"""Preparatory activity, displaced along its shift: `python -m experiments.examples.displaced_preparation`."""

import copy
from pathlib import Path

import numpy as np
import tyro

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import FROZEN, SupervisedLearner
from agents.supervised.reaches import centre_out, centre_out_targets
from agents.supervised.record import record
from savings_gym import CurlField
from savings_gym.activity.displacement import Displacement, random_orthogonal
from savings_gym.activity.preparatory import force_axes, uniform_shift
from savings_gym.activity.recording import by_phase, hand_paths
from savings_gym.arrays import MM
from savings_gym.metrics.kinematics import lateral_deviation
from savings_gym.task.settings import CONTROL_STEP, PROBE_GO

WEIGHTS = Path(__file__).parents[1] / "pretrained" / "gru128.safetensors"
PREPARED, MOVING, GO = 16, 60, round(PROBE_GO / CONTROL_STEP)  # control steps


def main(quick: bool = False, seed: int = 0) -> dict[str, float]:
    """Find the shift that learning a field leaves, and add it to networks that never met the field.

    Args:
        quick: Two networks and few updates.
        seed: Of trials, noise and the random direction.
    """
    ensemble = load_ensemble(WEIGHTS, 2 if quick else 8)
    ensemble.freeze(*FROZEN)
    naive, learner = copy.deepcopy(ensemble), SupervisedLearner(ensemble)
    rng, field = np.random.default_rng(seed), CurlField(8.0)
    for _ in range(10 if quick else 400):
        learner.update(centre_out(ensemble.networks, field, rng, probe=False))
    activity = record({"NF1": naive, "FF1": learner.ensemble}, seed=seed)
    prepared = {phase: x[:, :, PREPARED] for phase, x in by_phase(activity).items()}
    force = by_phase(activity, "hand_force")["NF1"][:, :, MOVING]
    shift = uniform_shift(prepared, force_axes(prepared, force)).vector
    deviations = {}
    vectors = {"none": 0.0 * shift, "shift": shift, "random": random_orthogonal(shift, seed)}
    for name, vector in vectors.items():
        displaced = record({"NF1": naive}, field, seed=seed, displacement=Displacement(GO, vector[:, None]))
        deviation = lateral_deviation(hand_paths(displaced)["NF1"], centre_out_targets())
        deviations[name] = float(deviation.mean())
        print(f"displaced along {name}: {MM * deviations[name]:.2f} mm")
    return deviations


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.displaced_preparation")
