"""The simulation reports its present state, and neither threads, other arms nor copies change it."""

import copy
import os
import pickle

import mujoco
import numpy as np
import pytest

from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import load_arm
from savings_gym.arm.simulation import Simulation

BOTH = pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])


def placed(actuation="muscle", n=3, nthread=1):
    """A simulation of n arms at different places in their range."""
    arm = load_arm(actuation)
    low, high = arm.joint_range.T
    simulation = Simulation(arm, n, nthread)
    simulation.place(None, low + (high - low) * np.random.default_rng(0).uniform(0.3, 0.7, (n, 2)))
    return simulation


def moved(simulation, steps=40, seed=1):
    """Step with random commands and torques; returns the states (steps, n, ...) after every step."""
    rng, states = np.random.default_rng(seed), []
    low, high = simulation.arm.control_range.T
    rows = rng.uniform(0.0, 0.3, (steps, 99, len(high))), rng.normal(0.0, 1.0, (steps, 99, 2))
    for command, torque in zip(*rows, strict=True):
        simulation.ctrl[:] = np.maximum(low, command[: simulation.n] * high)
        simulation.torque[:] = torque[: simulation.n]
        simulation.step(None, 5)
        states.append(np.concatenate([simulation.qpos, simulation.qvel, simulation.act], axis=1))
    return np.array(states)


@pytest.mark.parametrize("n", [1, 3])
@BOTH
def test_it_steps_as_mujoco_does(actuation, n):
    simulation, rng = placed(actuation, n), np.random.default_rng(0)
    datas = [mujoco.MjData(simulation.arm.model) for _ in range(n)]
    for data, q in zip(datas, simulation.qpos, strict=True):
        data.qpos[:] = q
        data.act[:] = SMALLEST_ACTIVATION
    low, high = simulation.arm.control_range.T
    for t in range(30):
        simulation.ctrl[:] = np.maximum(low, rng.uniform(0.0, 0.4, (n, len(high))) * high)
        simulation.torque[:] = rng.normal(0.0, 1.0, (n, 2))
        steps, arms = (1, None) if t % 3 else (5, np.array([n - 1]))
        simulation.step(arms, steps, more=t % 2 == 0)
        for i, data in enumerate(datas):
            data.ctrl[:], data.qfrc_applied[:] = simulation.ctrl[i], simulation.torque[i]
            if arms is None or i in arms:
                mujoco.mj_step(simulation.arm.model, data, steps)
            assert (data.qpos == simulation.qpos[i]).all() and (data.qvel == simulation.qvel[i]).all()
            assert (data.act == simulation.act[i]).all()


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("actuation", ["muscle", "motor"])
def test_muscles_are_those_of_the_present_state(actuation, n):
    simulation, arm = placed(actuation, n), load_arm(actuation)

    def check():
        q, v = simulation.qpos, simulation.qvel
        assert simulation.muscle_length() == pytest.approx(arm.muscle_length(q), abs=1e-12)
        assert simulation.muscle_velocity() == pytest.approx(arm.muscle_velocity(q, v), abs=1e-12)
        assert simulation.muscle_force() == pytest.approx(arm.muscle_force(q, v, simulation.act), abs=1e-9)

    check()
    for t in range(20):
        moved(simulation, 1, seed=t)
        check()
    assert simulation.muscle_force().max() > 10.0
    simulation.place(np.array([0]), np.array([[1.0, 1.5]]))
    check()
    assert not simulation.qvel[0].any() and (simulation.act[0] == SMALLEST_ACTIVATION).all()


def test_neither_threads_nor_other_arms_change_an_arm():
    alone, few, many = moved(placed(n=1)), moved(placed(n=3)), moved(placed(n=9, nthread=3))
    assert (many[:, :3] == few).all() and (few[:, :1] == alone).all()


@pytest.mark.parametrize("n", [1, 3])
@BOTH
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_continues_exactly_like_the_original(duplicate, actuation, n):
    original = placed(actuation, n)
    moved(original, 10)
    other = duplicate(original)
    assert other.arm is original.arm
    for name in ("qpos", "qvel", "act", "ctrl"):
        assert (getattr(other, name) == getattr(original, name)).all()
        assert not np.shares_memory(getattr(other, name), getattr(original, name))
    if original.arm.pulls:
        assert (other.muscle_force() == original.muscle_force()).all()
        assert (other.muscle_length() == original.muscle_length()).all()
    before = original.qpos.copy()
    expected = moved(other)
    assert (original.qpos == before).all()  # they are apart
    assert (moved(original) == expected).all()


def test_a_copy_of_a_simulation_that_diverged_has_diverged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log
    simulation = placed("torque", 1)
    simulation.torque[:] = 1e30
    simulation.step(None, 5)
    assert simulation.diverged() and copy.deepcopy(simulation).diverged()
    simulation.place(None, np.array([[1.0, 1.5]]))
    assert not simulation.diverged()


@pytest.mark.parametrize("n", [1, 3])
def test_a_state_that_is_written_is_the_one_that_is_stepped(n):
    simulation, other = placed(n=n), placed(n=n)
    moved(simulation, 3)
    moved(other, 8, seed=5)
    for name in ("qpos", "qvel", "act"):
        getattr(other, name)[:] = getattr(simulation, name)
    assert (moved(other, 5) == moved(simulation, 5)).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_threads_that_a_fork_left_behind_are_missed_at_once():
    """Waiting for them would never end; one thread, and arms that are made in the child, go on."""
    reading, writing = os.pipe()
    shared, alone = placed(nthread=2), placed(nthread=1)
    shared.step(None, 1)
    child = os.fork()
    if not child:
        try:
            alone.step(None, 1)
            placed(nthread=2).step(None, 1)
            shared.step(None, 1)
        except RuntimeError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert "made before this process was forked" in answer.read()
    os.waitpid(child, 0)
