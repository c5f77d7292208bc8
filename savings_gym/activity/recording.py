"""Activity as data: what networks, muscles and hand did in a probe, as labelled arrays in a netCDF file.

A `Recording` holds the arrays of one phase; `activity_dataset` makes a data set of several phases, with the
dimensions (network, phase, target, time) and a last one that depends on the variable:

================  ======  =====  ======================================================================
variable          last    unit   meaning
================  ======  =====  ======================================================================
``hidden``        unit    1      activity in the control step: the memory after the step's observation
``excitation``    muscle  1      action in the control step, without noise (torque arm: its two motors)
``muscle_force``  muscle  N      at the beginning of the control step; muscle arms only
``hand_force``    axis    N      force of the muscles at the hand, J(q)^-T tau, at the same time
``hand``          axis    m      position at the same time
``velocity``      axis    m/s    velocity at the same time
================  ======  =====  ======================================================================

Time is that of the beginning of the control step [s]: step t is at t * 0.01. ``final_hand`` (network, phase,
target, axis) is the hand position at the end of the last step, which `hand_paths` appends. Attributes are
``field``, ``go_time`` [s] and, if known, ``noise`` and ``delays`` of the probes (JSON) and ``seed``.
Displaced activity has the attribute ``displacement_step`` and the variable ``displacement``, the vectors that
were added.

Recordings come from `savings_gym.probes.probe.Probe` (policies in MuJoCo) and `agents.supervised.record`
(ensembles).
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
from numpy.typing import ArrayLike

from savings_gym.activity.displacement import Displacement
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arrays import Array, Floats, as_finite
from savings_gym.files import verified, write_atomically
from savings_gym.perturbations.fields import as_field
from savings_gym.task.settings import CONTROL_STEP, PROBE_GO

if TYPE_CHECKING:
    import xarray as xr

DIMS = ("network", "phase", "target", "time")
VARIABLES = {  # last dimension, unit, long name
    "hidden": ("unit", "1", "activity in the control step"),
    "excitation": ("muscle", "1", "action in the control step, without noise"),
    "muscle_force": ("muscle", "N", "muscle force at the beginning of the control step"),
    "hand_force": ("axis", "N", "force of the muscles at the hand"),
    "hand": ("axis", "m", "hand position at the beginning of the control step"),
    "velocity": ("axis", "m/s", "hand velocity at the beginning of the control step"),
}
OPTIONAL = ("muscle_force",)  # torque arms have none


@dataclass(frozen=True, eq=False)
class Recording:
    """Activity and movement of one network in the T control steps of a probe.

    A recording of n networks has an axis of n in front of every array.

    Attributes:
        hidden: (targets, T, units) activity in each control step.
        excitation: (targets, T, actuators) action, without noise.
        muscle_force: (targets, T, 6) at the beginning of each control step [N]; None for a torque arm.
        hand_force: (targets, T, 2) likewise, see `hand_force` [N].
        hand: (targets, T + 1, 2) at the beginning of each control step and at the end of the last [m].
        velocity: (targets, T + 1, 2) likewise [m/s].
    """

    hidden: Array
    excitation: Array
    muscle_force: Array | None
    hand_force: Array
    hand: Array
    velocity: Array

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every array by its name."""
        return {name: np.shape(getattr(self, name)) for name in VARIABLES if getattr(self, name) is not None}


def activity_dataset(
    phases: Mapping[str, Recording | Sequence[Recording]],
    *,
    field: Any = None,
    go_time: float = PROBE_GO,
    networks: Sequence[int] | None = None,
    displacement: Displacement | None = None,
    **attributes: Any,
) -> xr.Dataset:
    """Return recordings of several phases as one data set, in float32.

    Args:
        phases: Phase name to a recording of n networks, or to n recordings of one network each.
        field: Field of the probes, or its dict; None is no force.
        go_time: Of the probes [s].
        networks: Their n numbers; 0 to n - 1 by default.
        displacement: Vectors added to the activity of all phases.
        **attributes: More attributes, JSON-able: ``seed``, ``noise``, ``delays``, ...

    Raises:
        ValueError: If there is no phase, or shapes differ between phases, networks or variables.
        ImportError: Without xarray and h5netcdf.
    """
    _check_netcdf()
    import xarray as xr

    recordings = _recordings(phases)
    first = next(iter(recordings.values()))
    n, targets, steps, units = first.hidden.shape
    numbers = list(range(n)) if networks is None else [int(i) for i in networks]
    if len(numbers) != n:
        raise ValueError(f"networks names {len(numbers)} networks, the recordings have {n}")
    actuators = load_arm("muscle" if first.muscle_force is not None else "torque").actuator_names
    if first.excitation.shape[-1] != len(actuators):
        raise ValueError(
            f"the recordings have {first.excitation.shape[-1]} actuators, expected {', '.join(actuators)}"
        )
    variables = _variables(list(recordings.values()), steps)
    metadata: dict[str, Any] = {"field": json.dumps(as_field(field).to_dict()), "go_time": float(go_time)}
    if displacement is not None:
        metadata["displacement_step"] = displacement.step
        variables["displacement"] = _displacement(displacement, (n, targets, units))
    coordinates = {
        "network": numbers, "phase": list(recordings), "target": np.arange(targets), "unit": np.arange(units),
        "time": ("time", CONTROL_STEP * np.arange(steps), {"units": "s"}),
        "muscle": list(actuators), "axis": ["x", "y"],
    }  # fmt: skip
    for name, value in attributes.items():
        metadata[name] = value if isinstance(value, int | str | float) else _json(value)
    return xr.Dataset(variables, coordinates, metadata)


def by_phase(dataset: xr.Dataset, variable: str = "hidden") -> dict[str, Floats]:
    """Return one variable by phase, (network, target, time, k) in float64, as the analyses take it.

    Raises:
        ValueError: If the variable is unknown, has other dimensions, or values that are not finite.
    """
    if variable not in VARIABLES or variable not in dataset:
        present = ", ".join(name for name in VARIABLES if name in dataset) or "none"
        raise ValueError(f"no variable {variable!r} in the activity; choose from: {present}")
    expected = (*DIMS, VARIABLES[variable][0])
    if set(dataset[variable].dims) != set(expected):
        raise ValueError(f"{variable} has dimensions {tuple(dataset[variable].dims)}, expected {expected}")
    values = dataset[variable].transpose(*expected).to_numpy()
    names = [str(name) for name in dataset["phase"].to_numpy()]
    return {name: as_finite(f"{variable} of {name}", values[:, i]) for i, name in enumerate(names)}


def hand_paths(dataset: xr.Dataset) -> dict[str, Floats]:
    """Return hand paths by phase, (network, target, T + 1, 2) [m], as `kinematic_measures` takes them."""
    ends = dataset["final_hand"].transpose(*DIMS[:3], "axis").to_numpy().astype(np.float64)
    return {
        name: np.concatenate([path, ends[:, i, :, None]], 2)
        for i, (name, path) in enumerate(by_phase(dataset, "hand").items())
    }


def save_activity(path: str | Path, dataset: xr.Dataset) -> None:
    """Write a data set of activity as netCDF, whole or not at all.

    Raises:
        ValueError: If it is not a data set of activity.
        ImportError: Without xarray and h5netcdf.
    """
    _check_netcdf()
    _check_dataset("the data set", dataset)
    write_atomically(Path(path), bytes(dataset.to_netcdf(engine="h5netcdf")))


def load_activity(path: str | Path) -> xr.Dataset:
    """Return a data set that `save_activity` wrote, in memory.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no netCDF file, or not one of activity; the message names what is missing.
        ImportError: Without xarray and h5netcdf.
    """
    _check_netcdf()
    import xarray as xr

    path = Path(path)
    if not verified(path).is_file():
        raise FileNotFoundError(f"no activity file {str(path)!r}")
    try:
        dataset = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{str(path)!r} is not a whole netCDF file: {error}") from error
    _check_dataset(repr(str(path)), dataset)
    return dataset.assign_coords({name: dataset[name].astype(str) for name in ("phase", "muscle", "axis")})


def muscle_torque(q: ArrayLike, muscle_force: ArrayLike, arm: Arm | None = None) -> Floats:
    """Return the joint torques of the muscles, (..., 2) [N m]: tau = -sum of moment arm times force.

    Args:
        q: (..., 2) joint angles [rad].
        muscle_force: (..., 6) positive for a pull [N].
        arm: The muscle arm, if it is not that of the package.
    """
    moment_arms = (arm or load_arm("muscle")).moment_arms(q)
    torque: Floats = -(moment_arms * np.asarray(muscle_force, dtype=float)[..., None]).sum(-2)
    return torque


def hand_force(q: ArrayLike, torque: ArrayLike, arm: Arm | None = None) -> Floats:
    """Return the force of joint torques at the hand, (..., 2) [N]: f = J(q)^-T tau.

    The force -f on the hand would hold a resting arm still. Not finite for a straight elbow.

    Args:
        q: (..., 2) joint angles [rad].
        torque: (..., 2) joint torques [N m].
        arm: The arm, if it is not that of the package.
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


def _recordings(phases: Mapping[str, Recording | Sequence[Recording]]) -> dict[str, Recording]:
    """One checked recording of all networks per phase; ValueError if they do not fit together."""
    if not phases:
        raise ValueError("activity needs at least one phase, got none")
    recordings = {name: _stacked(name, given) for name, given in phases.items()}
    first, shapes = next(iter(recordings)), next(iter(recordings.values())).shapes()
    for name, recording in recordings.items():
        _check_recording(name, recording)
        if recording.shapes() != shapes:
            raise ValueError(
                f"phase {name!r} has {recording.shapes()}, phase {first!r} has {shapes}; expected the same "
                "networks, targets, time, units and actuators in every phase"
            )
    return recordings


def _stacked(phase: str, given: Recording | Sequence[Recording]) -> Recording:
    """Recordings of one network each as one of all networks."""
    if isinstance(given, Recording):
        return given
    if not given:
        raise ValueError(f"phase {phase!r} has no recording, expected one per network")
    shapes = [recording.shapes() for recording in given]
    if odd := [i for i, shape in enumerate(shapes) if shape != shapes[0]]:
        raise ValueError(f"phase {phase!r}: network {odd[0]} has {shapes[odd[0]]}, network 0 has {shapes[0]}")
    arrays: dict[str, Any] = dict.fromkeys(OPTIONAL)
    arrays |= {name: np.stack([getattr(recording, name) for recording in given]) for name in shapes[0]}
    return Recording(**arrays)


def _check_recording(phase: str, recording: Recording) -> None:
    """Refuse arrays that do not fit together."""
    hidden, action = np.shape(recording.hidden), np.shape(recording.excitation)
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
        array = getattr(recording, name)
        if np.shape(array) != shape and not (array is None and name in OPTIONAL):
            raise ValueError(f"phase {phase!r}: {name} has shape {np.shape(array)}, expected {shape}")


def _variables(recordings: Sequence[Recording], steps: int) -> dict[str, Any]:
    """Variables of the data set, from one recording per phase."""
    variables: dict[str, Any] = {}
    for name in recordings[0].shapes():
        last, unit, label = VARIABLES[name]
        values = np.stack([getattr(recording, name)[:, :, :steps] for recording in recordings], 1)
        variables[name] = ((*DIMS, last), values.astype(np.float32), {"units": unit, "long_name": label})
    ends = np.stack([recording.hand[:, :, -1] for recording in recordings], 1).astype(np.float32)
    metadata = {"units": "m", "long_name": "hand position at the end of the last control step"}
    variables["final_hand"] = ((*DIMS[:3], "axis"), ends, metadata)
    return variables


def _displacement(displacement: Displacement, sizes: tuple[int, int, int]) -> tuple[Any, ...]:
    """The variable `displacement`, without the axis of targets if it is the same for all."""
    shape, vectors = np.shape(displacement.vector), displacement.broadcast(*sizes)
    metadata = {"units": "1", "long_name": "added to activity, once"}
    if len(shape) == 1 or shape[-2] == 1:
        return ("network", "unit"), vectors[:, 0].astype(np.float32), metadata
    return ("network", "target", "unit"), vectors.astype(np.float32), metadata


def _check_netcdf() -> None:
    """Refuse to go on without the packages that read and write netCDF."""
    missing = [name for name in ("xarray", "h5netcdf") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"activity needs xarray and h5netcdf, but {' and '.join(missing)} cannot be found: "
            "pip install xarray h5netcdf h5py, or pip install 'savings_gym[experiments]'"
        )


def _check_dataset(source: str, dataset: xr.Dataset) -> None:
    """Refuse a data set that is not one of activity."""
    for name, (last, _, _) in VARIABLES.items():
        if name not in dataset:
            if name in OPTIONAL:
                continue
            raise ValueError(f"{source} holds no activity: variable {name!r} is missing")
        if set(dataset[name].dims) != {*DIMS, last}:
            dims = tuple(dataset[name].dims)
            raise ValueError(f"{source}: {name} has dimensions {dims}, expected {(*DIMS, last)}")
    if absent := [name for name in (*DIMS, "muscle", "axis") if name not in dataset.coords]:
        raise ValueError(f"{source} lacks the coordinates {', '.join(absent)}")


def _json(value: Any) -> str:
    """A setting as JSON, also a dataclass."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
    return json.dumps(plain, sort_keys=True)
