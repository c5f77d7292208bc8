"""How stiff the networks of a run hold the hand, and how much antagonist muscles work against each other.

A network may meet a field better because it remembers it, or because its arm has become stiffer, which helps
in any field. These measures tell the two apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from agents.supervised.closed_loop import linearise
from agents.supervised.torch_arm import TorchArm
from experiments.stored.activity import activity_of_run
from experiments.stored.preparation import PREPARATORY_TIME, cue_seen, four_phases
from experiments.stored.runs import kept_ensemble
from savings_gym.arrays import Floats
from savings_gym.files import read_config
from savings_gym.metrics.cocontraction import co_contraction
from savings_gym.metrics.resistance import Resistance, hand_resistance
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, Delays

HOLD, REACH, STIFFNESS, STIFFNESS_FED, DAMPING, DAMPING_FED = KINDS = (
    "co-contraction, hold", "co-contraction, reach", "stiffness, muscles", "stiffness, with feedback",
    "damping, muscles", "damping, with feedback",
)  # fmt: skip
UNITS: Final = {
    HOLD: "N", REACH: "N", STIFFNESS: "N/m", STIFFNESS_FED: "N/m", DAMPING: "N s/m", DAMPING_FED: "N s/m",
}  # fmt: skip
REACHING: Final = 0.4  # s after the cue is seen; the reach
PUSHED: Final = 0.5  # s that small forces last, from whose effect stiffness and damping with feedback follow
SHOWN: Final = (0, N_TARGETS // 2)  # targets that are shown while the hand is pushed


def resistance(run: Path, phase: str) -> dict[str, Floats]:
    """Return co-contraction and stiffness of the networks at the end of a phase of a run, without a field.

    The networks are those that did not diverge, see `experiments.runs.networks`.

    Returns:
        Kind (`KINDS`) to (n,) values: co-contraction while the hand is held, from the preparatory time to go,
        and in the reach, mean over targets [N]; stiffness [N/m] and damping [N s/m] of the held hand, means
        over directions, of the muscles alone at constant activation, and with the network's feedback, from
        the motion under small forces that last for `PUSHED`, see ``savings_gym.metrics.resistance``.

    Raises:
        FileNotFoundError, ValueError: If the run has no such networks.
    """
    activity = activity_of_run(run)
    force = co_contraction(four_phases(activity, "muscle_force")[phase]).mean(axis=1)  # (n, T)
    stored = read_config(run)
    networks = kept_ensemble(run, phase).double()
    arm = TorchArm(dtype=networks.initial.dtype, actuation=stored.get("actuation", "muscle"))
    loops = [linearise(networks, arm, k, delays=Delays(**stored["delays"])) for k in SHOWN]
    fed = [[_resistance(moved) for moved in loop.pushed_hand(round(PUSHED / CONTROL_STEP))] for loop in loops]
    return {
        HOLD: before_go(force),
        REACH: in_reach(force, cue_seen(activity)),
        STIFFNESS: np.mean([_over_directions(loop.muscle_stiffness) for loop in loops], axis=0),
        STIFFNESS_FED: _over_directions(np.mean([[one.stiffness for one in its] for its in fed], axis=0)),
        DAMPING: np.mean([_over_directions(loop.muscle_damping) for loop in loops], axis=0),
        DAMPING_FED: _over_directions(np.mean([[one.damping for one in its] for its in fed], axis=0)),
    }


def before_go(contraction: Floats) -> Floats:
    """Return the mean co-contraction of probes from the preparatory time to go, (n,) [N].

    Args:
        contraction: (n, T) at the start of every control step [N].
    """
    return contraction[:, round(PREPARATORY_TIME / CONTROL_STEP) : round(PROBE_GO / CONTROL_STEP)].mean(1)


def in_reach(contraction: Floats, seen: float) -> Floats:
    """Return the mean co-contraction of probes in the reach, (n,) [N].

    Args:
        contraction: (n, T) at the start of every control step [N].
        seen: Time at which the cue is seen, when the reach begins [s].
    """
    return contraction[:, round(seen / CONTROL_STEP) : round((seen + REACHING) / CONTROL_STEP)].mean(1)


def _resistance(moved: Floats) -> Resistance:
    """Return what resists lasting forces of 1 N in x and y that move the hand, (2, T + 1, 2) [m]."""
    directions, times, axes = moved.shape
    return hand_resistance(moved, np.broadcast_to(np.eye(axes)[:, None], (directions, times - 1, axes)))


def _over_directions(stiffness: Floats) -> Floats:
    """Return the mean over directions u of u'Ku, (n,), of matrices K (n, 2, 2): half the trace."""
    return np.asarray(np.trace(stiffness, axis1=1, axis2=2) / 2.0)
