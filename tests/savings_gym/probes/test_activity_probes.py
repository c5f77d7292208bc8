"""Activity is recorded and displaced in MuJoCo as in the torch rollout, and recording changes nothing."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from lively_networks import SILENCE, lively

from agents.supervised.policy import NetworkPolicy
from agents.supervised.record import record, record_in_mujoco
from savings_gym.activity.displacement import Displacement
from savings_gym.activity.recording import activity_dataset, by_phase, hand_paths
from savings_gym.arm.model import load_arm
from savings_gym.perturbations.fields import CurlField, NullField
from savings_gym.probes.probe import Probe
from savings_gym.task.settings import Delays, task_settings

CURL = CurlField(8.0)
UNITS = 16
NEAR = {  # float32 observations and actions
    "hidden": 1e-4, "excitation": 1e-4, "muscle_force": 1e-2, "hand_force": 1e-3, "hand": 1e-6,
    "velocity": 2e-5, "final_hand": 1e-6, "displacement": 0.0,
}  # fmt: skip


def vectors(*shape, size=0.5):
    return size * torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Counting:
    """Counts its steps in every unit; its actions show the count. `wrap` makes the state."""

    def __init__(self, wrap=lambda first: first, take=lambda state: state, shape=(8, 3), initial=False):
        self.wrap, self.take, self.shape = wrap, take, shape
        if initial:
            self.initial_state = lambda rows: wrap(np.zeros(shape))

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        counts = np.zeros(self.shape) if state is None else self.take(state)
        counts = counts * (1.0 - episode_start[:, None]) + 1.0
        last_layer = counts if counts.ndim == 2 else counts[-1]
        return np.tile(np.tanh(last_layer[:, :1] / 50.0), 6), self.wrap(counts)


@pytest.mark.parametrize(
    ("cell", "field", "displacement"),
    [("gru", CURL, None), ("lstm", NullField(), None), ("gru", CURL, Displacement(16, vectors(2, 1, UNITS))),
     ("lstm", CURL, Displacement(50, vectors(2, 8, UNITS))),
     ("rnn", CURL, Displacement(0, vectors(2, 1, UNITS)))],
    ids=["gru", "lstm", "displaced gru", "displaced lstm", "rnn displaced at first"],
)  # fmt: skip
def test_mujoco_records_what_torch_records(cell, field, displacement):
    phases = {"NF1": lively(cell)}
    arguments = {"noise": SILENCE, "delays": Delays(0.05, 0.01), "displacement": displacement}
    here, there = record(phases, field, **arguments), record_in_mujoco(phases, field, **arguments)
    assert set(here.variables) == set(there.variables) and here.attrs == there.attrs
    for name in here.data_vars:
        assert np.allclose(here[name], there[name], rtol=1e-4, atol=NEAR[name]), name
    apart = abs(here["hidden"].isel(network=1) - here["hidden"].isel(network=0))
    assert float(apart.max()) > 0.1 and float(here["hand"].std("time").max()) > 0.01


def test_mujoco_records_what_torch_records_of_motors():
    phases, arguments = {"NF1": lively()}, {"noise": SILENCE, "actuation": "motor"}
    here, there = record(phases, CURL, **arguments), record_in_mujoco(phases, CURL, **arguments)
    for name in here.data_vars:
        assert np.allclose(here[name], there[name], rtol=1e-4, atol=NEAR[name]), name
    muscles = record(phases, CURL, noise=SILENCE)
    assert float(abs(here["hand"] - muscles["hand"]).max()) > 0.01


def test_mujoco_records_what_torch_records_of_another_arm():
    arm = {"strength": {"biceps": 0.5}, "length": {"forearm": 1.1}}
    phases, arguments = {"NF1": lively()}, {"noise": SILENCE, "arm": arm}
    here, there = record(phases, CURL, **arguments), record_in_mujoco(phases, CURL, **arguments)
    for name in here.data_vars:
        assert np.allclose(here[name], there[name], rtol=1e-4, atol=NEAR[name]), name
    standard = record(phases, CURL, noise=SILENCE)
    assert float(abs(here["hand"] - standard["hand"]).max()) > 0.01


def test_what_is_recorded_belongs_together():
    ensemble = lively(seed=13)  # whose velocity changes little in a control step
    data = record({"NF1": ensemble}, CURL, seed=1)
    hidden, excitation, hand, velocity, force = (
        by_phase(data, name)["NF1"] for name in ("hidden", "excitation", "hand", "velocity", "muscle_force")
    )
    weight, bias = (getattr(ensemble, f"readout_{kind}").detach().numpy() for kind in ("weight", "bias"))
    drive = np.einsum("ntsu,nou->ntso", hidden, weight) + bias[:, None, None]
    assert excitation == pytest.approx(1.0 / (1.0 + np.exp(-drive)), abs=1e-6)
    moved = np.diff(hand_paths(data)["NF1"], axis=2)
    middle = (velocity[:, :, 1:] + velocity[:, :, :-1]) / 2
    assert moved[:, :, :-1] == pytest.approx(0.01 * middle, abs=5e-4)
    assert not velocity[:, :, 0].any() and hand[0, 0, 0] == pytest.approx(
        load_arm().hand_position(load_arm().start)
    )
    arm, q = load_arm(), load_arm().inverse_kinematics(hand)
    torque = -np.einsum("ntsmj,ntsm->ntsj", arm.moment_arms(q), force)
    pushed = np.linalg.solve(np.swapaxes(arm.hand_jacobian(q), -1, -2), torque[..., None])[..., 0]
    assert by_phase(data, "hand_force")["NF1"] == pytest.approx(pushed, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("environments", ["vector", "single"])
def test_recording_changes_nothing(environments):
    policy, results = NetworkPolicy(lively(dtype=torch.float32)), []
    for record_activity in (False, True):
        settings = task_settings() if environments == "vector" else None
        single = None if environments == "vector" else lambda: gym.make("ForceFieldReach-v0")
        results.append(Probe(settings, seed=2, make_env=single)(policy, CURL, record=record_activity))
    plain, recorded = results
    assert plain.activity is None and recorded.activity is not None
    for name, values in plain.columns.items():
        assert np.array_equal(values, recorded.columns[name], equal_nan=True)
    assert np.array_equal(plain.path, recorded.path) and np.array_equal(plain.force, recorded.force)
    assert np.array_equal(recorded.activity.hand, recorded.path)


def test_single_environments_are_recorded_alike():
    policy = NetworkPolicy(lively(dtype=torch.float32))
    one = Probe(task_settings())(policy, CURL, record=True).activity
    other = Probe(make_env=lambda: gym.make("ForceFieldReach-v0"))(policy, CURL, record=True).activity
    for name in ("hidden", "excitation", "muscle_force", "hand_force", "hand", "velocity"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9), name


def test_equal_seeds_give_equal_activity_and_noise_is_the_same_in_all_phases():
    ensemble = lively(networks=1, dtype=torch.float32)
    for recorder in (record, record_in_mujoco):
        first, again, other = (recorder({"NF1": ensemble, "FF1": ensemble}, CURL, seed=s) for s in (3, 3, 4))
        assert first.identical(again)
        hidden = by_phase(first)
        assert np.array_equal(hidden["NF1"], hidden["FF1"])
        assert not np.array_equal(hidden["NF1"], by_phase(other)["NF1"])


@pytest.mark.parametrize("recorder", [record, record_in_mujoco])
@pytest.mark.parametrize("step", [0, 16, 99])
def test_a_displacement_changes_what_comes_after_it_and_nothing_before(recorder, step):
    phases = {"NF2": lively(networks=1, dtype=torch.float32)}
    none, displaced = (
        recorder(phases, CURL, displacement=Displacement(step, size * vectors(1, UNITS)))
        for size in (0.0, 1.0)
    )
    free = recorder(phases, CURL)
    for name in free.data_vars:
        assert np.array_equal(free[name], none[name]), name  # one of length 0 is none
        if "time" in free[name].dims:
            now = slice(None, step) if name in ("hidden", "excitation") else slice(None, step + 1)
            assert np.array_equal(none[name].isel(time=now), displaced[name].isel(time=now)), name
    after = abs(displaced["hidden"] - none["hidden"]).isel(time=step)
    assert float(after.max("unit").min()) > 1e-3
    assert displaced.attrs["displacement_step"] == step
    assert np.allclose(displaced["displacement"], vectors(1, UNITS))


def test_a_displacement_at_first_is_another_initial_state():
    ensemble, vector = lively(networks=1), vectors(1, UNITS)
    moved = lively(networks=1)
    with torch.no_grad():
        moved.initial += vector
    for recorder in (record, record_in_mujoco):
        displaced = recorder({"NF1": ensemble}, CURL, displacement=Displacement(0, vector))
        begun = recorder({"NF1": moved}, CURL)
        assert float(abs(displaced["hidden"] - begun["hidden"]).max()) < 1e-5


@pytest.mark.parametrize(
    ("policy", "units"),
    [(Counting(), 3), (Counting(lambda x: (x, None), lambda s: s[0]), 3),
     (Counting(lambda x: [x, x], lambda s: s[0]), 3),
     (Counting(lambda x: (x, x), lambda s: s[0], shape=(2, 8, 3)), 3)],
    ids=["an array", "a tuple", "a list", "layers"],
)  # fmt: skip
def test_a_displacement_is_added_once_to_the_first_array_of_the_state_and_its_last_layer(policy, units):
    vector = np.arange(8 * units).reshape(8, units) / 8.0
    result = Probe(task_settings())(policy, record=True, displacement=Displacement(5, vector))
    steps = np.arange(1.0, 101.0)[None, :, None]
    expected = steps + np.where(steps > 5, vector[:, None], 0.0)
    assert np.array_equal(result.activity.hidden, expected)
    assert result.activity.excitation == pytest.approx(np.tile(np.tanh(expected[..., :1] / 50.0), 6))


def test_only_the_measured_trial_is_displaced_and_recorded():
    first = Displacement(0, [7.0, 0.0, 0.0])
    result = Probe(task_settings(), carried_trials=2)(Counting(), record=True, displacement=first)
    assert np.array_equal(result.activity.hidden[0, :, 0], 208.0 + np.arange(100))
    assert np.array_equal(result.activity.hidden[0, :, 1], 201.0 + np.arange(100))


def test_the_force_at_the_hand_is_that_of_the_arm_in_the_settings():
    settings = task_settings(noise=False, arm={"length": {"upper_arm": 1.2, "forearm": 0.9}})
    recording = Probe(settings)(Counting(), record=True).activity
    arm = load_arm("muscle", settings.arm)
    q = arm.inverse_kinematics(recording.hand[:, 40])
    torque = -(arm.moment_arms(q) * recording.muscle_force[:, 40, :, None]).sum(-2)
    pushed = np.linalg.solve(arm.hand_jacobian(q).swapaxes(-1, -2), torque[..., None])[..., 0]
    assert np.abs(pushed).max() > 1.0  # N
    assert recording.hand_force[:, 40] == pytest.approx(pushed, rel=1e-6, abs=1e-6)


def test_a_torque_arm_pushes_with_its_motors():
    class Still(Counting):
        def predict(self, *args, **kwargs):
            _, state = super().predict(*args, **kwargs)
            return np.tile([0.05, -0.02], (8, 1)), state

    settings = task_settings(actuation="torque", noise=False)
    result = Probe(settings)(Still(), record=True).activity
    arm = load_arm("torque")
    torque = np.array([0.05, -0.02]) * arm.control_range[:, 1]
    first = arm.hand_jacobian(arm.start).T @ result.hand_force[0, 0]
    assert result.muscle_force is None and first == pytest.approx(torque)
    data = activity_dataset({"NF1": [result]})
    assert list(data["muscle"].values) == list(arm.actuator_names) and "muscle_force" not in data


def still(observation):
    return np.zeros((8, 6))


class Forgetful:
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return still(observation), None


@pytest.mark.parametrize(
    ("policy", "arguments", "error"),
    [
        (still, {"record": True}, "no memory to record"),
        (Forgetful(), {"record": True}, "no memory to record"),
        (Forgetful(), {"displacement": Displacement(50, [1.0])}, "no memory to record or displace"),
        (Counting(), {"displacement": Displacement(50, [1.0])}, r"shape \(1,\), expected \(3,\), \(8, 3\)"),
        (Counting(), {"displacement": Displacement(0, np.ones(3))}, r"method initial_state\(n\)"),
        (
            Counting(initial=True),
            {"displacement": Displacement(0, np.ones((8, 2)))},
            r"shape \(8, 2\), expected \(3,\)",
        ),
        (
            Counting(lambda x: (x[0],), lambda s: np.tile(s[0], (8, 1))),
            {"record": True},
            r"\(3,\), expected \(8",
        ),
    ],
)
def test_what_cannot_be_recorded_or_displaced_is_refused(policy, arguments, error):
    with pytest.raises(ValueError, match=error):
        Probe(task_settings())(policy, **arguments)


@pytest.mark.parametrize(
    ("phases", "arguments", "error"),
    [
        ({}, {}, "at least one phase"),
        ({"NF1": (2,), "FF1": (1,)}, {}, "NF1: 2 networks of 16 units, FF1: 1 networks of 16 units"),
        ({"NF1": (1,)}, {"seed": -1}, "seed must be a whole number"),
        (
            {"NF1": (1,)},
            {"rollout": "quick"},
            "rollout must be one of .*'auto', 'fused', 'plain'.*, got 'quick'",
        ),
        ({"NF1": (1,)}, {"displacement": Displacement(1, np.ones(3))}, r"shape \(3,\), expected \(16,\)"),
        ({"NF1": (1,)}, {"displacement": Displacement(1, np.ones((2, 1, UNITS)))}, r"shape \(2, 1, 16\)"),
    ],
)
def test_ensembles_that_do_not_fit_are_refused(phases, arguments, error):
    with pytest.raises(ValueError, match=error):
        record({phase: lively(networks=given[0]) for phase, given in phases.items()}, **arguments)
