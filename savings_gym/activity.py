"""Activity as data: what networks, muscles and hand did in a probe, as labelled arrays in a netCDF file.

A data set has the dimensions (network, phase, target, time) and a last one a variable:

==============  ======  =====  ======================================================================
variable        last    unit   what
==============  ======  =====  ======================================================================
hidden          unit    -      activity in the control step: the memory after the step's observation
excitation      muscle  -      action in the control step, without noise (torque arm: its two motors)
muscle_force    muscle  N      at the beginning of the control step; muscle arms only
hand_force      axis    N      that the muscles push with at the hand, likewise: J(q)^-T tau
hand            axis    m      at the beginning of the control step
velocity        axis    m/s    likewise
==============  ======  =====  ======================================================================

Time is that of the beginning of the control step, s: step t is at t * 0.01. ``final_hand`` (network, phase,
target, axis) is where the hand is at the end of the last step; `hand_paths` has it as the last sample.
Attributes: ``field`` and, where known, ``noise`` and ``delays`` of the probes (JSON), ``go_time`` (s) and
``seed``. Where activity was displaced there are ``displacement_step`` and the variable ``displacement``, what
was added to it.

Recordings come from any agent: `probing.Probe` records policies in MuJoCo, `agents.activity` ensembles.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity_recording import (
    OPTIONAL,
    Recording,
    checked_recording,
    hand_force,
    muscle_torque,
    shapes_of,
    stacked_recordings,
)
from savings_gym.arm import load_arm
from savings_gym.arrays import Floats, as_finite
from savings_gym.field_dicts import as_field
from savings_gym.files import write_atomically
from savings_gym.probe_rows import PROBE_GO
from savings_gym.settings import CONTROL_STEP

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "DIMS", "VARIABLES", "Recording", "activity_dataset", "by_phase", "hand_force", "hand_paths",
    "load_activity", "muscle_torque", "save_activity",
]  # fmt: skip

DIMS = ("network", "phase", "target", "time")
VARIABLES = {  # last dimension, unit, long name
    "hidden": ("unit", "1", "activity in the control step"),
    "excitation": ("muscle", "1", "action in the control step, without noise"),
    "muscle_force": ("muscle", "N", "muscle force at the beginning of the control step"),
    "hand_force": ("axis", "N", "force that the muscles push with at the hand"),
    "hand": ("axis", "m", "hand position at the beginning of the control step"),
    "velocity": ("axis", "m/s", "hand velocity at the beginning of the control step"),
}


def activity_dataset(
    phases: Mapping[str, Recording | Sequence[Recording]],
    *,
    field: Any = None,
    go_time: float = PROBE_GO,
    networks: Sequence[int] | None = None,
    displacement: tuple[int, ArrayLike] | None = None,
    **about: Any,
) -> xr.Dataset:
    """Recordings of several phases as one data set, in float32.

    Args:
        phases: Phase name to a recording of n networks, or to n recordings of one network each.
        field: Field of the probes, or its dict; None is no force.
        go_time: Of the probes, s.
        networks: Their n numbers; 0 to n - 1 unless given.
        displacement: Control step before which, and (n, units) or (n, targets, units) vectors by which,
            activity was displaced.
        **about: More attributes, JSON-able: ``seed``, ``noise``, ``delays``, ...

    Raises:
        ValueError: When there is no phase, or shapes differ between phases, networks or variables.
        ImportError: Without xarray.
    """
    _check_netcdf()
    import xarray as xr

    if not phases:
        raise ValueError("activity needs at least one phase, got none")
    made = {name: checked_recording(name, stacked_recordings(name, given)) for name, given in phases.items()}
    first = next(iter(made.values()))
    for name, one in made.items():
        if shapes_of(one) != shapes_of(first):
            raise ValueError(
                f"phase {name!r} has {shapes_of(one)}, phase {next(iter(made))!r} has {shapes_of(first)}; "
                "expected the same networks, targets, time, units and actuators in every phase"
            )
    n, targets, steps, units = first.hidden.shape
    numbers = list(range(n)) if networks is None else [int(i) for i in networks]
    if len(numbers) != n:
        raise ValueError(f"networks names {len(numbers)} networks, the recordings have {n}")
    actuators = load_arm("muscle" if first.muscle_force is not None else "torque").actuator_names
    if first.excitation.shape[-1] != len(actuators):
        raise ValueError(
            f"the recordings have {first.excitation.shape[-1]} actuators, expected {', '.join(actuators)}"
        )
    variables: dict[str, Any] = {}
    for name, (last, unit, label) in VARIABLES.items():
        if getattr(first, name) is not None:
            values = np.stack([getattr(one, name)[:, :, :steps] for one in made.values()], 1)
            variables[name] = ((*DIMS, last), values.astype(np.float32), {"units": unit, "long_name": label})
    ends = np.stack([one.hand[:, :, -1] for one in made.values()], 1).astype(np.float32)
    told = {"units": "m", "long_name": "hand position at the end of the last control step"}
    variables["final_hand"] = ((*DIMS[:3], "axis"), ends, told)
    attributes: dict[str, Any] = {"field": json.dumps(as_field(field).to_dict()), "go_time": float(go_time)}
    if displacement is not None:
        attributes["displacement_step"] = int(displacement[0])
        variables["displacement"] = _displacement(displacement[1], (n, targets, units))
    coordinates = {
        "network": numbers, "phase": list(made), "target": np.arange(targets), "unit": np.arange(units),
        "time": ("time", CONTROL_STEP * np.arange(steps), {"units": "s"}),
        "muscle": list(actuators), "axis": ["x", "y"],
    }  # fmt: skip
    for name, value in about.items():
        attributes[name] = value if isinstance(value, int | str | float) else _json(value)
    return xr.Dataset(variables, coordinates, attributes)


def by_phase(dataset: xr.Dataset, variable: str = "hidden") -> dict[str, Floats]:
    """One variable by phase, (network, target, time, k) in float64: what the analyses take.

    Raises:
        ValueError: For an unknown variable, other dimensions, or values that are not finite.
    """
    if variable not in VARIABLES or variable not in dataset:
        there = ", ".join(name for name in VARIABLES if name in dataset) or "none of them"
        raise ValueError(f"no variable {variable!r} in the activity; there are: {there}")
    expected = (*DIMS, VARIABLES[variable][0])
    if set(dataset[variable].dims) != set(expected):
        raise ValueError(f"{variable} has dimensions {tuple(dataset[variable].dims)}, expected {expected}")
    values = dataset[variable].transpose(*expected).to_numpy()
    names = [str(name) for name in dataset["phase"].to_numpy()]
    return {name: as_finite(f"{variable} of {name}", values[:, i]) for i, name in enumerate(names)}


def hand_paths(dataset: xr.Dataset) -> dict[str, Floats]:
    """Hand paths by phase, (network, target, T + 1, 2) m, as `metrics.kinematic_measures` takes them."""
    ends = dataset["final_hand"].transpose(*DIMS[:3], "axis").to_numpy().astype(np.float64)
    return {
        name: np.concatenate([path, ends[:, i, :, None]], 2)
        for i, (name, path) in enumerate(by_phase(dataset, "hand").items())
    }


def save_activity(path: str | Path, dataset: xr.Dataset) -> None:
    """Write a data set as netCDF, whole or not at all.

    Raises:
        ValueError: When it is no data set of activity.
        ImportError: Without xarray or h5netcdf.
    """
    _check_netcdf()
    _check_dataset("the data set", dataset)
    write_atomically(Path(path), bytes(dataset.to_netcdf(engine="h5netcdf")))


def load_activity(path: str | Path) -> xr.Dataset:
    """A data set that `save_activity` wrote, in memory.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no netCDF file, or not one of activity; it says what is missing.
        ImportError: Without xarray or h5netcdf.
    """
    _check_netcdf()
    import xarray as xr

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no activity file {str(path)!r}")
    try:
        dataset = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{str(path)!r} is not a whole netCDF file: {error}") from error
    _check_dataset(repr(str(path)), dataset)
    return dataset.assign_coords({name: dataset[name].astype(str) for name in ("phase", "muscle", "axis")})


def _check_netcdf() -> None:
    missing = [name for name in ("xarray", "h5netcdf") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"activity is kept with xarray and h5netcdf, but {' and '.join(missing)} cannot be found: "
            "pip install xarray h5netcdf h5py, or pip install 'savings_gym[experiments]'"
        )


def _check_dataset(what: str, dataset: xr.Dataset) -> None:
    for name, (last, _, _) in VARIABLES.items():
        if name not in dataset:
            if name in OPTIONAL:
                continue
            raise ValueError(f"{what} holds no activity: variable {name!r} is missing")
        if set(dataset[name].dims) != {*DIMS, last}:
            found = tuple(dataset[name].dims)
            raise ValueError(f"{what}: {name} has dimensions {found}, expected {(*DIMS, last)}")
    if absent := [name for name in (*DIMS, "muscle", "axis") if name not in dataset.coords]:
        raise ValueError(f"{what} lacks the coordinates {', '.join(absent)}")


def _displacement(vector: ArrayLike, sizes: tuple[int, int, int]) -> tuple[Any, ...]:
    """The variable `displacement`, checked."""
    added, (n, targets, units) = as_finite("displacement", vector), sizes
    dims = {(n, units): ("network", "unit"), (n, targets, units): ("network", "target", "unit")}
    if added.shape not in dims:
        raise ValueError(f"displacement has shape {added.shape}, expected one of {list(dims)}")
    return dims[added.shape], added.astype(np.float32), {"units": "1", "long_name": "added to activity, once"}


def _json(value: Any) -> str:
    """A setting as JSON, also a dataclass."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
    return json.dumps(plain, sort_keys=True)
