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

Recordings come from any agent: `probes.probe.Probe` records policies in MuJoCo, `agents.supervised.record`
ensembles.

What one network did in a probe, as arrays, and the force that its muscles push with at the hand.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.activity.displacement import Displacement
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arrays import Floats, as_finite
from savings_gym.fields import as_field
from savings_gym.files import write_atomically
from savings_gym.task.settings import CONTROL_STEP, PROBE_GO

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
    displacement: Displacement | None = None,
    **about: Any,
) -> xr.Dataset:
    """Recordings of several phases as one data set, in float32.

    Args:
        phases: Phase name to a recording of n networks, or to n recordings of one network each.
        field: Field of the probes, or its dict; None is no force.
        go_time: Of the probes, s.
        networks: Their n numbers; 0 to n - 1 unless given.
        displacement: What was added to the activity of all phases.
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
        attributes["displacement_step"] = displacement.step
        variables["displacement"] = _displacement(displacement, (n, targets, units))
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


def _displacement(displacement: Displacement, sizes: tuple[int, int, int]) -> tuple[Any, ...]:
    """Return the variable `displacement`, without the axis of targets if it is the same for all."""
    shape, vectors = np.shape(displacement.vector), displacement.broadcast(*sizes)
    attributes = {"units": "1", "long_name": "added to activity, once"}
    if len(shape) == 1 or shape[-2] == 1:
        return ("network", "unit"), vectors[:, 0].astype(np.float32), attributes
    return ("network", "target", "unit"), vectors.astype(np.float32), attributes


def _json(value: Any) -> str:
    """A setting as JSON, also a dataclass."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
    return json.dumps(plain, sort_keys=True)


SERIES = ("hidden", "excitation", "muscle_force", "hand_force", "hand", "velocity")
OPTIONAL = ("muscle_force",)  # a torque arm has none


@dataclass(frozen=True, eq=False)
class Recording:
    """What one network (or n networks, with an axis of n in front) did in the T control steps of a probe.

    Attributes:
        hidden: (targets, T, units) activity in each control step.
        excitation: (targets, T, actuators) action, without noise.
        muscle_force: (targets, T, 6) N, at the beginning of each control step; None on a torque arm.
        hand_force: (targets, T, 2) N, likewise, see `hand_force`.
        hand: (targets, T + 1, 2) m, at the beginning of each control step and at the end of the last.
        velocity: (targets, T + 1, 2) m/s, likewise.
    """

    hidden: NDArray[Any]
    excitation: NDArray[Any]
    muscle_force: NDArray[Any] | None
    hand_force: NDArray[Any]
    hand: NDArray[Any]
    velocity: NDArray[Any]


def muscle_torque(q: ArrayLike, muscle_force: ArrayLike, arm: Arm | None = None) -> Floats:
    """Joint torques of the muscles, N m, (..., 2): tau = -sum over muscles of moment arm times force.

    Args:
        q: (..., 2) rad.
        muscle_force: (..., 6) N, positive when it pulls.
        arm: The muscle arm, if another one than that of the package.
    """
    arms = (arm or load_arm("muscle")).moment_arms(q)
    torque: Floats = -(arms * np.asarray(muscle_force, dtype=float)[..., None]).sum(-2)
    return torque


def hand_force(q: ArrayLike, torque: ArrayLike, arm: Arm | None = None) -> Floats:
    """Force at the hand that joint torques amount to, N, (..., 2): f = J(q)^-T tau.

    A force -f on the hand would hold an arm at rest still. Not finite where the elbow is straight.

    Args:
        q: (..., 2) rad.
        torque: (..., 2) N m.
        arm: The arm, if another one than that of the package.
    """
    jacobian = (arm or load_arm("muscle")).hand_jacobian(q)
    tau = np.asarray(torque, dtype=float)
    a, b, c, d = jacobian[..., 0, 0], jacobian[..., 0, 1], jacobian[..., 1, 0], jacobian[..., 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        force: Floats = (
            np.stack([d * tau[..., 0] - c * tau[..., 1], a * tau[..., 1] - b * tau[..., 0]], -1)
            / (a * d - b * c)[..., None]
        )
    return force


def stacked_recordings(phase: str, given: Recording | Sequence[Recording]) -> Recording:
    """Recordings of one network each as one of all of them."""
    if isinstance(given, Recording):
        return given
    if not given:
        raise ValueError(f"phase {phase!r} has no recording, expected one a network")
    shapes = [shapes_of(one) for one in given]
    if odd := [i for i, shape in enumerate(shapes) if shape != shapes[0]]:
        raise ValueError(f"phase {phase!r}: network {odd[0]} has {shapes[odd[0]]}, network 0 has {shapes[0]}")
    names = [name for name in SERIES if getattr(given[0], name) is not None]
    series: dict[str, Any] = {"muscle_force": None}
    return Recording(**series | {name: np.stack([getattr(one, name) for one in given]) for name in names})


def checked_recording(phase: str, one: Recording) -> Recording:
    """The recording, if its arrays fit to each other."""
    hidden, action = np.shape(one.hidden), np.shape(one.excitation)
    if len(hidden) != 4 or 0 in hidden or len(action) != 4:
        raise ValueError(
            f"phase {phase!r}: hidden has shape {hidden} and excitation {action}, expected (networks, "
            "targets, time, units) and (networks, targets, time, actuators) without an empty axis"
        )
    n, targets, steps, _ = hidden
    expected = {
        "excitation": (n, targets, steps, action[-1]),
        "muscle_force": (n, targets, steps, action[-1]),
        "hand_force": (n, targets, steps, 2),
        "hand": (n, targets, steps + 1, 2),
        "velocity": (n, targets, steps + 1, 2),
    }
    for name, shape in expected.items():
        found = getattr(one, name)
        if np.shape(found) != shape and not (found is None and name in OPTIONAL):
            raise ValueError(f"phase {phase!r}: {name} has shape {np.shape(found)}, expected {shape}")
    return one


def shapes_of(one: Recording) -> dict[str, tuple[int, ...]]:
    """Shape of every array that there is."""
    return {name: np.shape(getattr(one, name)) for name in SERIES if getattr(one, name) is not None}
