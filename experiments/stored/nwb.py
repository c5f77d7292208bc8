"""Recorded activity in the format of Neurodata Without Borders, one file a network: a session of its own.

A session is all probes of a network, trial after trial: those after NF1 first, then FF1, NF2 and FF2, each to
the eight targets. Trials follow each other with a second between them, and none of it is time that passed for
the network, whose memory is reset before each. The table of trials has phase, target (number and position),
go time and field. Activity of units, excitations and forces are time series; the hand is a spatial series.
There is no subject, since species and age mean nothing for a simulation; archives that demand one, such as
DANDI, need it added.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agents.supervised.reaches import centre_out_targets
from savings_gym.arrays import Floats
from savings_gym.task.settings import CONTROL_STEP

if TYPE_CHECKING:
    import xarray as xr
    from pynwb import NWBFile

ABOUT: Final = ("field", "noise", "delays", "seed", "weights")  # attributes that are kept as notes
BETWEEN: Final = 1.0  # s between trials
STUDY: Final = "doi:10.7554/eLife.107423"
SERIES: Final = {  # variable: name in the file, unit, description
    "hidden": ("unit_activity", "a.u.", "Activity of the units of the network, one column each."),
    "excitation": ("excitation", "a.u.", "Command to each actuator, without noise."),
    "muscle_force": ("muscle_force", "newtons", "Force of each muscle."),
    "hand_force": ("hand_force", "newtons", "Force of the muscles at the hand, x and y."),
    "velocity": ("hand_velocity", "meters/second", "Velocity of the hand, x and y."),
}
MISSING: Final = "writing NWB needs pynwb: pip install 'savings_gym[nwb]'"


def nwb_session(activity: xr.Dataset, network: int, start: datetime, identifier: str) -> NWBFile:
    """Return the probes of one network as a session.

    Args:
        activity: As in ``savings_gym.activity.recording``.
        network: Number of the network.
        start: When the session began, for example when the networks were written; with a time zone.
        identifier: Unique name of the session.

    Raises:
        ImportError: If pynwb is not installed.
    """
    try:
        from pynwb import NWBFile
    except ImportError as error:
        raise ImportError(MISSING) from error
    session = NWBFile(
        session_description="Probes of a simulated recurrent network that reaches with a simulated arm",
        identifier=identifier,
        session_start_time=start,
        session_id=f"network-{network:03d}",
        experiment_description=(
            "Reaches to eight targets at the end of no field (NF1), curl field (FF1), washout (NF2) and the "
            f"field again (FF2). Simulated by savings_gym {version('savings_gym')}."
        ),
        keywords=["motor learning", "force field", "savings", "simulation"],
        related_publications=[STUDY],
        notes="; ".join(f"{name}: {activity.attrs[name]}" for name in ABOUT if name in activity.attrs),
        institution="simulation",
        lab="simulation",
    )
    one = activity.sel(network=network)
    _add_trials(session, one)
    _add_series(session, one)
    return session


def _trial_starts(one: xr.Dataset) -> Floats:
    """Return the time at which each trial begins, (phases * targets,) [s]."""
    length = one.sizes["time"] * CONTROL_STEP + BETWEEN
    return np.arange(one.sizes["phase"] * one.sizes["target"], dtype=np.float64) * length


def _add_trials(session: NWBFile, one: xr.Dataset) -> None:
    """Add the table of trials."""
    for name, description in {
        "phase": "Phase after which the probe was made.",
        "target": "Number of the target, counter-clockwise from the right.",
        "target_position": "Position of the target, x and y, in meters.",
        "go_time": "Time of the go signal, in seconds.",
        "field": "Kind of the force field of the probe; null is none.",
    }.items():
        session.add_trial_column(name, description)
    length, go = one.sizes["time"] * CONTROL_STEP, float(one.attrs["go_time"])
    field = json.loads(one.attrs["field"])["kind"]
    where = centre_out_targets()
    starts = iter(_trial_starts(one))
    for phase in one["phase"].to_numpy():
        for target in one["target"].to_numpy():
            start = float(next(starts))
            session.add_trial(
                start_time=start, stop_time=start + length, phase=str(phase), target=int(target),
                target_position=where[target], go_time=start + go, field=field,
            )  # fmt: skip


def _add_series(session: NWBFile, one: xr.Dataset) -> None:
    """Add activity, excitations, forces and movement, all at the same times."""
    from pynwb import TimeSeries
    from pynwb.behavior import Position, SpatialSeries

    within = np.arange(one.sizes["time"]) * CONTROL_STEP
    times = (_trial_starts(one)[:, None] + within).ravel()
    module = session.create_processing_module("behavior", "Movement and muscles of the simulated arm")
    hand = SpatialSeries(
        name="hand", data=_flat(one, "hand"), timestamps=times, unit="meters",
        reference_frame="(0, 0) is the shoulder; x to the right, y away from the body",
        description="Position of the hand, x and y.",
    )  # fmt: skip
    module.add(Position(name="Position", spatial_series=hand))
    for variable, (name, unit, description) in SERIES.items():
        if variable not in one:
            continue
        if names := _columns(one, variable):
            description = f"{description} Columns: {', '.join(names)}."
        series = TimeSeries(
            name=name, data=_flat(one, variable), timestamps=hand, unit=unit, description=description
        )
        if variable == "hidden":
            session.add_acquisition(series)
        else:
            module.add(series)


def _flat(one: xr.Dataset, variable: str) -> Floats:
    """Return a variable with trial after trial, (time, columns)."""
    values = one[variable].transpose("phase", "target", "time", ...).to_numpy()
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1]))


def _columns(one: xr.Dataset, variable: str) -> list[str]:
    """Names of the columns of a variable, if they have any."""
    last = one[variable].dims[-1]
    names: Any = one[last].to_numpy() if last in one.coords else ()
    return [str(name) for name in names] if variable != "hidden" else []


def write_nwb(activity: xr.Dataset, folder: Path, start: datetime, identifier: str) -> list[Path]:
    """Write a file of every network into a folder; each appears only when it is whole.

    Args:
        activity: As in ``savings_gym.activity.recording``.
        folder: Where the files go.
        start: As in `nwb_session`.
        identifier: First part of the identifier of each session.

    Returns:
        The files, ``network-000.nwb`` and so on.

    Raises:
        ImportError: If pynwb is not installed.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise ImportError(MISSING) from error
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for network in activity["network"].to_numpy().tolist():
        session = nwb_session(activity, network, start, f"{identifier}-{network:03d}")
        path = folder / f"network-{network:03d}.nwb"
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as part:
            whole = Path(part) / path.name
            with NWBHDF5IO(whole, "w") as file:
                file.write(session)
            os.replace(whole, path)
        files.append(path)
    return files


def written_at(file: Path) -> datetime:
    """Return when a file was written, in UTC."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)
