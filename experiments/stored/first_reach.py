"""The first reach after the washout, over its course, and how stiff the hand is in it.

The networks at the end of NF2 are probed without learning, in the field that they learned, in its opposite,
without a field, and under small pushes. All probes have the same noise, so that differences are due to the
weights alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from agents.supervised.reaches import centre_out_targets
from agents.supervised.rollout import scored_path
from experiments.stored.preparation import PREPARATORY_TIME
from experiments.stored.probes import learned_field, probe_stored
from experiments.stored.runs import StoredRuns
from savings_gym.arrays import Floats
from savings_gym.metrics.cocontraction import co_contraction
from savings_gym.metrics.curves import shared_networks
from savings_gym.metrics.kinematics import SETTLED, lateral_component
from savings_gym.metrics.resistance import hand_resistance
from savings_gym.perturbations.fields import ConstantField, CurlField, Field, NullField
from savings_gym.perturbations.modified import Pulse
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, Delays

PHASE: Final = "NF2"  # at whose end the networks are probed
REACHING: Final = 0.4  # s after the cue is seen; the reach
PUSH: Final = 1.0  # N
PUSHED_AFTER: Final = 0.15  # s from the moment the cue is seen to a push; the hand is then under way
PUSHED_FOR: Final = 0.1  # s
FOLLOWED: Final = 0.3  # s from the start of a push in which the hand may yield most


@dataclass(frozen=True, eq=False)
class FirstReach:
    """Reaches of n networks, means over the 8 targets; T control steps.

    Attributes:
        learned: (n, T + 1) distance from the line in the field that was learned, positive to its side [m].
        opposite: (n, T + 1) the same in the opposite field, positive to the side of that [m].
        free: (n, T + 1) the same without a field, positive to the side of the learned one [m].
        contraction: (n, T) co-contraction in the learned field [N].
        stiffness: (n,) stiffness of the moving hand across the reach [N/m].
        yielding: (n,) how far a push of 1 N across the reach moves the hand at most [m/N].
    """

    learned: Floats
    opposite: Floats
    free: Floats
    contraction: Floats
    stiffness: Floats
    yielding: Floats

    @property
    def time(self) -> Floats:
        """(T + 1,) times in the trial [s]."""
        return CONTROL_STEP * np.arange(self.learned.shape[1], dtype=np.float64)


def first_reach(runs: StoredRuns, run: Path, field: CurlField) -> FirstReach:
    """Probe the networks of a run after the washout.

    Args:
        runs: The stored runs.
        run: One of them.
        field: The field that its networks, or those of its run, learned.
    """
    in_field, force = _reach(runs, run, field)
    against, _ = _reach(runs, run, CurlField(-field.b))
    free, _ = _reach(runs, run, NullField())
    side = 1.0 if field.b > 0.0 else -1.0  # a positive curl field pushes a reach to the right
    stiffness, yielding = _pushed(runs, run, free)
    return FirstReach(
        side * _across(in_field),
        -side * _across(against),
        side * _across(free),
        co_contraction(force).mean(axis=1),
        stiffness,
        yielding,
    )


def with_sham(runs: StoredRuns, run: Path, sham: Path) -> tuple[FirstReach, FirstReach]:
    """Return the first reaches of the networks that a run and its sham share, in the same order."""
    field = learned_field(runs, run)
    if not isinstance(field, CurlField):
        raise ValueError(f"the first reach is probed in curl fields, and the run learned {field!r}")
    ours, theirs = shared_networks(runs.networks(run), runs.networks(sham))
    pair = (first_reach(runs, run, field), ours), (first_reach(runs, sham, field), theirs)
    main, other = (
        FirstReach(**{name: values[chosen] for name, values in vars(its).items()}) for its, chosen in pair
    )
    return main, other


def cue_seen(runs: StoredRuns, run: Path) -> float:
    """Return when the networks of a run see the cue of a probe [s]."""
    return PROBE_GO + Delays(**runs.arguments(run)["delays"]).cue_delay


def contraction_means(reach: FirstReach, seen: float) -> tuple[Floats, Floats]:
    """Return the mean co-contraction, (n,), before go and in the reach [N]."""
    before = slice(round(PREPARATORY_TIME / CONTROL_STEP), round(PROBE_GO / CONTROL_STEP))
    during = slice(round(seen / CONTROL_STEP), round((seen + REACHING) / CONTROL_STEP))
    return reach.contraction[:, before].mean(axis=1), reach.contraction[:, during].mean(axis=1)


def _reach(runs: StoredRuns, run: Path, field: Field) -> tuple[Floats, Floats]:
    """Hand paths (n, 8, T + 1, 2) [m] and muscle forces (n, 8, T, 6) [N] of a probe."""
    trajectory, reaches = probe_stored(runs, run, field, (PHASE,))[PHASE]
    force = trajectory.force.detach().double().cpu().numpy().swapaxes(1, 2)
    return scored_path(trajectory, reaches), force


def _across(path: Floats) -> Floats:
    """Distance from the line, positive to the right, mean over targets, (n, T + 1) [m]."""
    start = path[:, :, round(SETTLED / CONTROL_STEP)]
    line = centre_out_targets() - start
    return lateral_component(path - start[:, :, None], line[:, :, None]).mean(axis=1)


def _pushed(runs: StoredRuns, run: Path, free: Floats) -> tuple[Floats, Floats]:
    """Stiffness across the reach [N/m] and the most that the hand yields across it [m/N], (n,) each."""
    began = cue_seen(runs, run) + PUSHED_AFTER
    moved = []
    for axis in np.eye(2):
        push = Pulse(ConstantField(tuple(PUSH * axis), onset="start"), at=began, duration=PUSHED_FOR)
        moved.append(_reach(runs, run, push)[0] - free)
    change = np.stack(moved, axis=2)  # (n, 8, push, T + 1, 2)
    first, steps = round(began / CONTROL_STEP), round(PUSHED_FOR / CONTROL_STEP)
    force = PUSH * np.broadcast_to(np.eye(2)[:, None], (2, steps, 2))
    line = centre_out_targets() - free[:, :, round(SETTLED / CONTROL_STEP)]
    normal = np.stack([line[..., 1], -line[..., 0]], axis=-1)
    normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True)  # (n, 8, 2), to the right
    stiffness = np.array(
        [
            np.mean([
                normal[network, target] @ hand_resistance(
                    change[network, target, :, first : first + steps + 1], force
                ).stiffness @ normal[network, target]
                for target in range(N_TARGETS)
            ])
            for network in range(len(free))
        ]
    )  # fmt: skip
    # A push across the reach is the sum of pushes along the axes: the change is linear in small forces.
    follow = change[:, :, :, first : first + round(FOLLOWED / CONTROL_STEP) + 1]
    across = np.einsum("nkptx,nkp,nkx->nkt", follow, normal, normal) / PUSH
    return stiffness, np.abs(across).max(axis=-1).mean(axis=1)
