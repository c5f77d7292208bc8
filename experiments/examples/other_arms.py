"""Trained networks in arms they do not know: `python -m experiments.examples.other_arms`."""

from pathlib import Path

import numpy as np
import tyro

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.policy import NetworkPolicy
from savings_gym import Probe
from savings_gym.arrays import MM
from savings_gym.task.settings import task_settings

WEIGHTS = Path(__file__).parents[1] / "pretrained" / "gru128.safetensors"
ARMS = {
    "the arm of training": {},
    "half the biceps": {"strength": {"biceps": 0.5}},
    "elbow extensors weak": {"strength": {"triceps_lateral": 0.4, "triceps_long": 0.4}},
    "forearm 10 % longer": {"length": {"forearm": 1.1}},
    "forearm 50 % heavier": {"mass": {"forearm": 1.5}},
}


def main(quick: bool = False) -> dict[str, float]:
    """Probe networks, which were trained with the standard arm, in arms that they do not know.

    Args:
        quick: One network and three arms.
    """
    ensemble = load_ensemble(WEIGHTS, 8)
    errors = {}
    for name, changes in list(ARMS.items())[: 3 if quick else None]:
        probe = Probe(task_settings(arm=changes))
        results = [
            probe(NetworkPolicy(ensemble, network), number=0)
            for network in range(1 if quick else ensemble.networks)
        ]
        end, side = (
            np.mean([np.abs(result.columns[column]).mean() for result in results])
            for column in ("endpoint_error", "lateral_deviation")
        )
        errors[name] = float(end)
        print(f"{name:22} {MM * end:5.1f} mm from the target, {MM * side:5.1f} mm off the line")
    return errors


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.other_arms")
