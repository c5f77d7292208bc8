"""How stiff the networks of a run hold the hand, and how much antagonist muscles work against each other.

A network may meet a field better because it remembers it, or because its arm has become stiffer, which helps
in any field. These measures tell the two apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.closed_loop import linearise
from agents.supervised.torch_arm import TorchArm
from experiments.stored.activity import activity_of_run
from experiments.stored.preparation import PREPARATORY_TIME, cue_seen, four_phases, step_at
from savings_gym.arrays import Floats
from savings_gym.files import read_config
from savings_gym.metrics.cocontraction import co_contraction
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, Delays

HOLD, REACH, MUSCLES, FEEDBACK, DAMPING = KINDS = (
    "co-contraction, hold", "co-contraction, reach", "stiffness, muscles", "stiffness, with feedback",
    "damping, muscles",
)  # fmt: skip
UNITS: Final = {HOLD: "N", REACH: "N", MUSCLES: "N/m", FEEDBACK: "N/m", DAMPING: "N s/m"}
REACHING: Final = 0.4  # s after the cue is seen; the reach
PUSHED: Final = 0.15  # s that the force of the stiffness with feedback has lasted
SHOWN: Final = (0, N_TARGETS // 2)  # targets that are shown while the hand is pushed


def resistance(run: Path, phase: str) -> dict[str, Floats]:
    """Return co-contraction and stiffness of the networks at the end of a phase of a run, without a field.

    Returns:
        Kind (`KINDS`) to (n,) values: co-contraction while the hand is held, from the preparatory time to go,
        and in the reach, mean over targets [N]; stiffness of the held hand, mean over directions [N/m], of
        the muscles alone and under a force that has lasted `PUSHED`; damping of the muscles alone, likewise
        [N s/m].

    Raises:
        FileNotFoundError, ValueError: If the run has no such networks.
    """
    activity = activity_of_run(run)
    force = co_contraction(four_phases(activity, "muscle_force")[phase]).mean(axis=1)  # (n, T)
    time = activity["time"].to_numpy()
    go, seen = step_at(time, float(activity.attrs["go_time"])), step_at(time, cue_seen(activity))
    stored = read_config(run)
    networks = load_ensemble(run / f"networks_{phase}.safetensors").double()
    arm = TorchArm(dtype=networks.initial.dtype, actuation=stored.get("actuation", "muscle"))
    loops = [linearise(networks, arm, k, delays=Delays(**stored["delays"])) for k in SHOWN]
    pushed = round(PUSHED / CONTROL_STEP)
    return {
        HOLD: force[:, step_at(time, PREPARATORY_TIME) : go].mean(axis=1),
        REACH: force[:, seen : seen + round(REACHING / CONTROL_STEP)].mean(axis=1),
        MUSCLES: np.mean([_over_directions(loop.muscle_stiffness) for loop in loops], axis=0),
        FEEDBACK: np.mean([_over_directions(loop.stiffness(pushed)) for loop in loops], axis=0),
        DAMPING: np.mean([_over_directions(loop.muscle_damping) for loop in loops], axis=0),
    }


def _over_directions(stiffness: Floats) -> Floats:
    """Return the mean over directions u of u'Ku, (n,), of matrices K (n, 2, 2): half the trace."""
    return np.asarray(np.trace(stiffness, axis1=1, axis2=2) / 2.0)
