"""A supervised ensemble through the four phases: `python -m experiments.examples.supervised_phases`."""

from pathlib import Path

import numpy as np
import tyro

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import FROZEN, SupervisedLearner
from agents.supervised.policy import NetworkPolicy
from agents.supervised.reaches import centre_out
from savings_gym import Probe, ProbeRecorder, four_phase
from savings_gym.arrays import MM
from savings_gym.task.settings import N_TARGETS, task_settings

WEIGHTS = Path(__file__).parents[1] / "pretrained" / "gru128.safetensors"


def main(quick: bool = False, networks: int = 2, seed: int = 0) -> ProbeRecorder:
    """Adapt pre-trained networks to the curl field, wash out, adapt again, and measure savings.

    Args:
        quick: A few updates per phase.
        networks: How many of the shipped networks.
        seed: Of trials and noise.
    """
    updates, every = (4, 4) if quick else (600, 20)
    trials = updates * N_TARGETS  # every update is a batch of the 8 reaches
    ensemble = load_ensemble(WEIGHTS, networks)
    ensemble.freeze(*FROZEN)  # only the recurrent layer learns, as in the study
    learner, rng = SupervisedLearner(ensemble), np.random.default_rng(seed)
    probe, recorder = Probe(task_settings(), seed), ProbeRecorder(seed)
    for phase in four_phase(nf1=trials, ff1=trials, nf2=trials, ff2=trials).phases:
        for update in range(updates + 1):
            if update % every == 0:
                for network in range(networks):
                    result = probe(NetworkPolicy(learner.ensemble, network), phase.field)
                    recorder.add(result, phase.name, update, update * N_TARGETS, network)
            if update < updates:
                learner.update(centre_out(networks, phase.field, rng, probe=False))
    initial = recorder.measures()["savings"]["initial"]
    print(f"FF1 starts {MM * initial['ff1']:.1f} mm off the line, FF2 {MM * initial['ff2']:.1f} mm")
    print(f"savings: {MM * initial['difference']:.2f} mm")
    return recorder


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.supervised_phases")
