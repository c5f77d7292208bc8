"""Reaches for the page: hand, muscles and units of the networks at the end of every phase, packed.

Every network is probed with the field off and on. So the networks of NF1 with the field on show the first
reaches of FF1, and those of FF1 with the field off the after-effect.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agents.supervised.reaches import centre_out_targets
from experiments.report.finished import FinishedRun
from experiments.savings.phases import stored_field
from experiments.stored.preparation import cue_seen, four_phases
from savings_gym.activity.recording import hand_paths
from savings_gym.arm.model import load_arm
from savings_gym.arrays import MM, Floats, Indices
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP

if TYPE_CHECKING:
    import xarray as xr

HAND_UNIT: Final = 0.02  # mm; 16 bits reach to 655 mm, and the arm to 642
LEVELS: Final = 127.0  # of activity between 0 and the most that there is
UNIT_STEP: Final = 2  # control steps between shown activity of the units
UNIT_BYTES: Final = 2_600_000  # of all runs together, before base64 adds a third


def reach_data(
    run: FinishedRun, free: xr.Dataset, in_field: xr.Dataset, unit_bytes: int = UNIT_BYTES
) -> dict[str, Any]:
    """Return the reaches of a run, packed.

    Args:
        run: The run.
        free: Activity of the four phases, probed without a field.
        in_field: The same, probed in the run's own field.
        unit_bytes: Most bytes of the activity of units; networks, then units, beyond it are left out.

    Returns:
        For JSON. Packed arrays are little-endian, in base64: ``hand`` int16, (network, phase, field, target,
        time, 2) in `HAND_UNIT`; ``excitation`` int8, (network, phase, field, target, time, muscle) in
        1 / `LEVELS`; ``hidden`` int8, (network, phase, field, target, time, unit) in ``most`` / `LEVELS`, at
        every `UNIT_STEP`-th time; ``most`` is 1 unless activity goes beyond, as that of LSTM cells does.
    """
    hidden = four_phases(free, "hidden")["NF1"]
    networks, units = shown(hidden.shape, unit_bytes)
    numbers = [int(number) for number in free["network"].to_numpy()[:networks]]
    order = [by_peak(hidden[i])[:units] for i in range(networks)]
    both = (free, in_field)
    hand = _stacked([hand_paths(its) for its in both], networks)
    excitation = _stacked([four_phases(its, "excitation") for its in both], networks)
    activity = _stacked([four_phases(its, "hidden") for its in both], networks)[..., ::UNIT_STEP, :]
    activity = np.stack([activity[i][..., order[i]] for i in range(networks)])
    most = max(1.0, float(np.abs(activity).max()))
    arm, arguments = load_arm("muscle"), run.config["arguments"]
    field = stored_field(arguments)
    matrix = field.coefficients(np.zeros((1, 2)), np.ones((1, 2))).B[0]
    seen = cue_seen(free)
    return {
        "networks": numbers, "phases": list(PHASES), "step": CONTROL_STEP, "times": hand.shape[4],
        "go": float(free.attrs["go_time"]), "seen": seen, "muscles": _names(free),
        "onset": {"start": 0.0, "go": float(free.attrs["go_time"]), "cue": seen}[field.onset],
        "field": matrix.tolist(), "links": [MM * length for length in arm.link_lengths],
        "targets": (MM * centre_out_targets()).round(3).tolist(),
        "start": (MM * arm.hand_position(arm.start)).round(3).tolist(),
        "units": [[int(unit) for unit in its] for its in order], "allUnits": int(hidden.shape[-1]),
        "unitStep": UNIT_STEP, "handUnit": HAND_UNIT, "levels": LEVELS,
        "most": most, "signed": bool(excitation.min() < 0.0),
        "hand": _packed(MM * hand / HAND_UNIT, "<i2"),
        "excitation": _packed(LEVELS * excitation, "<i1"),
        "hidden": _packed(LEVELS * activity / most, "<i1"),
    }  # fmt: skip


def shown(shape: tuple[int, ...], unit_bytes: int) -> tuple[int, int]:
    """Return how many networks and units fit into a number of bytes, at least one of each.

    Args:
        shape: (networks, targets, time, units) of a phase.
        unit_bytes: As in `reach_data`.
    """
    networks, targets, time, units = shape
    per_unit = 2 * len(PHASES) * targets * -(-time // UNIT_STEP)
    most_units = max(1, unit_bytes // per_unit)
    return max(1, min(networks, unit_bytes // (per_unit * units))), min(units, most_units)


def by_peak(hidden: Floats) -> Indices:
    """Return units in the order of the time at which they leave their mean farthest, (units,).

    Args:
        hidden: (targets, time, units).
    """
    away = np.abs(hidden - hidden.mean(axis=(0, 1))).mean(axis=0)
    return np.argsort(away.argmax(axis=0), kind="stable")


def _stacked(fields: list[dict[str, Floats]], networks: int) -> Floats:
    """Values of (network, target, ...) by phase, of every field, as (network, phase, field, target, ...)."""
    arrays = [np.stack([values[phase][:networks] for phase in PHASES], axis=1) for values in fields]
    return np.stack(arrays, axis=2)


def _names(dataset: xr.Dataset) -> list[str]:
    return [str(name).replace("_", " ") for name in dataset["muscle"].to_numpy()]


def _packed(values: Floats, kind: str) -> str:
    """Rounded values as base64."""
    bounds = np.iinfo(kind)
    whole = np.clip(np.rint(values), bounds.min, bounds.max).astype(kind)
    return base64.b64encode(whole.tobytes()).decode()
