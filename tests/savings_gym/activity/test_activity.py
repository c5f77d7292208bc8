"""Activity as data: labels, files, refusals, and the force that muscles push with at the hand."""

import dataclasses

import mujoco
import numpy as np
import pytest

from savings_gym.activity.displacement import Displacement
from savings_gym.activity.recording import (
    Recording,
    activity_dataset,
    by_phase,
    hand_force,
    hand_paths,
    load_activity,
    muscle_torque,
    save_activity,
)
from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arm.model import load_arm
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import Noise

N, TARGETS, STEPS, UNITS = 3, 8, 5, 4
PHASES = ("NF1", "FF1")


def recording(seed=0, networks=N, units=UNITS, actuators=6):
    rng = np.random.default_rng(seed)
    lead = (TARGETS, STEPS) if networks is None else (networks, TARGETS, STEPS)
    longer = (*lead[:-1], STEPS + 1, 2)
    return Recording(
        hidden=rng.normal(size=(*lead, units)),
        excitation=rng.uniform(size=(*lead, actuators)),
        muscle_force=rng.uniform(size=(*lead, actuators)) if actuators == 6 else None,
        hand_force=rng.normal(size=(*lead, 2)),
        hand=rng.normal(size=longer),
        velocity=rng.normal(size=longer),
    )


def dataset(**arguments):
    return activity_dataset({p: recording(i) for i, p in enumerate(PHASES)}, **arguments)


def test_a_data_set_has_labels_units_and_settings():
    stored = dataset(field=CurlField(8.0), seed=3, noise=Noise(), networks=[4, 5, 7])
    for name, last in (("hidden", "unit"), ("muscle_force", "muscle"), ("hand_force", "axis")):
        assert stored[name].dims == ("network", "phase", "target", "time", last)
    assert list(stored["phase"].values) == list(PHASES) and list(stored["network"].values) == [4, 5, 7]
    assert list(stored["muscle"].values) == list(MUSCLES) and list(stored["axis"].values) == ["x", "y"]
    assert np.allclose(stored["time"], 0.01 * np.arange(STEPS))
    assert stored["muscle_force"].units == "N" and stored["hand"].units == "m"
    assert stored.attrs["go_time"] == 0.44 and stored.attrs["seed"] == 3
    assert '"kind": "curl"' in stored.attrs["field"] and '"vision": 0.0001' in stored.attrs["noise"]
    one = stored["hidden"].sel(network=5, phase="FF1", target=6).isel(time=2)
    assert np.allclose(one, recording(1).hidden[1, 6, 2], atol=1e-6)


def test_analyses_get_one_array_per_phase_and_whole_paths():
    hidden, paths = by_phase(dataset()), hand_paths(dataset())
    for i, phase in enumerate(PHASES):
        assert hidden[phase].shape == (N, TARGETS, STEPS, UNITS) and hidden[phase].dtype == np.float64
        assert np.allclose(hidden[phase], recording(i).hidden, atol=1e-6)
        assert np.allclose(paths[phase], recording(i).hand, atol=1e-6)
    turned = dataset().transpose("unit", "time", "muscle", "axis", "phase", "target", "network")
    assert all(np.array_equal(by_phase(turned)[phase], hidden[phase]) for phase in PHASES)


def test_recordings_of_single_networks_are_one_of_all():
    both = recording(0)
    singles = [
        Recording(**{f.name: getattr(both, f.name)[i] for f in dataclasses.fields(Recording)})
        for i in range(N)
    ]
    assert activity_dataset({"NF1": singles}).identical(activity_dataset({"NF1": both}))


@pytest.mark.parametrize("actuators", [6, 2])
@pytest.mark.parametrize(
    "displacement",
    [None, Displacement(2, np.ones((N, 1, UNITS))), Displacement(0, np.ones((N, TARGETS, UNITS)))],
)
def test_a_file_keeps_everything(tmp_path, actuators, displacement):
    stored = activity_dataset(
        {phase: recording(actuators=actuators) for phase in PHASES}, displacement=displacement, seed=1
    )
    for _ in range(2):  # the second time in place of the first
        save_activity(tmp_path / "a" / "activity.nc", stored)
    assert load_activity(tmp_path / "a" / "activity.nc").identical(stored)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["activity.nc"]
    assert ("muscle_force" in stored) == (actuators == 6) and ("displacement" in stored) == bool(displacement)


def changed(**values):
    return dataclasses.replace(recording(), **values)


@pytest.mark.parametrize(
    ("phases", "arguments", "error"),
    [
        ({}, {}, "at least one phase, got none"),
        ({"NF1": []}, {}, "'NF1' has no recording"),
        ({"NF1": recording(), "FF1": recording(networks=2)}, {}, "'FF1' has .*expected the same networks"),
        ({"NF1": [recording(networks=None), recording(networks=None, units=9)]}, {}, "network 1 has .*9"),
        ({"NF1": changed(hidden=np.ones((8, 5, 4)))}, {}, r"\(8, 5, 4\).*expected \(networks, targets"),
        ({"NF1": changed(hand=np.ones((3, 8, 5, 2)))}, {}, r"hand has shape .*expected \(3, 8, 6, 2\)"),
        ({"NF1": changed(hand_force=None)}, {}, r"hand_force has shape \(\)"),
        ({"NF1": recording(actuators=6), "FF1": recording(actuators=2)}, {}, "'FF1' has"),
        ({"NF1": changed(muscle_force=None)}, {}, "6 actuators, expected"),
        ({"NF1": recording()}, {"networks": [0, 1]}, "names 2 networks, the recordings have 3"),
        (
            {"NF1": recording()},
            {"displacement": Displacement(0, np.ones(9))},
            r"shape \(9,\), expected \(4,\)",
        ),
    ],
)
def test_recordings_that_do_not_fit_are_refused(phases, arguments, error):
    with pytest.raises(ValueError, match=error):
        activity_dataset(phases, **arguments)


def test_unknown_variables_and_broken_values_are_refused():
    with pytest.raises(ValueError, match="no variable 'force'.*hidden, excitation, muscle_force"):
        by_phase(dataset(), "force")
    torque = activity_dataset({"NF1": recording(actuators=2)})
    with pytest.raises(ValueError, match="no variable 'muscle_force'"):
        by_phase(torque, "muscle_force")
    with pytest.raises(ValueError, match="expected .*'phase'.*'unit'"):
        by_phase(dataset().isel(phase=0))
    broken = dataset()
    broken["hidden"][0, 1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match="hidden of FF1 has 1 values that are not finite"):
        by_phase(broken)


def test_files_that_hold_no_activity_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no activity file .*none\.nc"):
        load_activity(tmp_path / "none.nc")
    save_activity(tmp_path / "whole.nc", dataset())
    data = (tmp_path / "whole.nc").read_bytes()
    for name, content in (("text.nc", b"hello"), ("half.nc", data[: len(data) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}' is not a whole netCDF file"):
            load_activity(tmp_path / name)
    dataset().drop_vars("hidden").to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="other.nc' holds no activity: variable 'hidden' is missing"):
        load_activity(tmp_path / "other.nc")
    with pytest.raises(ValueError, match="lacks the coordinates phase, muscle"):
        save_activity(tmp_path / "whole.nc", dataset().drop_vars(["phase", "muscle"]))
    assert (tmp_path / "whole.nc").read_bytes() == data


def test_the_hand_force_is_that_of_mujoco():
    arm, rng = load_arm("muscle"), np.random.default_rng(0)
    data = mujoco.MjData(arm.model)
    for _ in range(20):
        q = arm.joint_range[:, 0] + rng.uniform(0.1, 0.9, 2) * np.ptp(arm.joint_range, axis=1)
        v, activation = rng.normal(0, 2, 2), rng.uniform(0.001, 1, 6)
        data.qpos[:], data.qvel[:], data.act[:] = q, v, activation
        mujoco.mj_forward(arm.model, data)
        jacobian = np.zeros((3, 2))
        mujoco.mj_jacSite(arm.model, data, jacobian, None, arm.model.site("hand").id)
        torque = muscle_torque(q, arm.muscle_force(q, v, activation))
        assert torque == pytest.approx(data.qfrc_actuator, rel=1e-9)
        assert jacobian[:2].T @ hand_force(q, torque) == pytest.approx(data.qfrc_actuator, rel=1e-9)


def test_the_hand_force_has_any_leading_shape_and_is_not_finite_for_a_straight_arm():
    arm, rng = load_arm("muscle"), np.random.default_rng(1)
    q, torque = rng.uniform(0.3, 2.0, (2, 3, 2)), rng.normal(size=(2, 3, 2))
    result = hand_force(q, torque)
    solved = np.linalg.solve(np.swapaxes(arm.hand_jacobian(q), -1, -2), torque[..., None])[..., 0]
    assert result == pytest.approx(solved) and result.shape == (2, 3, 2)
    assert not np.isfinite(hand_force([0.5, 0.0], [1.0, 1.0])).all()
