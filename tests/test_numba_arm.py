"""The arm in numba, with its hand-written reverse pass, is the torch arm with autograd."""

import dataclasses

import numpy as np
import pytest
import torch

from agents.torch_arm import ArmState, TorchArm
from savings_gym.arm import Arm, load_arm

na = pytest.importorskip("agents.numba_arm", reason="the fused rollout needs numba")

SAMPLES = 100


@pytest.fixture(scope="module")
def constants():
    return na.arm_constants(load_arm("muscle"))


def samples():
    """States inside and just outside the joint range, excitations, fields (10,), and a generator."""
    rng = np.random.default_rng(0)
    for _ in range(SAMPLES):
        q, v = rng.uniform([-0.1, -0.1], [2.4, 2.75]), rng.normal(0, 4, 2)
        state = np.concatenate([q, v, rng.uniform(0.001, 1, 6)])
        field = np.concatenate([rng.normal(0, 8, 4), rng.normal(0, 30, 4), rng.normal(0, 3, 2)])
        yield state, rng.uniform(0.001, 1, 6), field, rng


def torch_step(arm, state, control, field):
    """New state (10,), force (6,), lengths and velocities (12,), hand and its velocity (4,)."""
    old = ArmState(state[:2], state[2:4], state[4:])
    b, k, c = torch.tensor(field[:4]).view(2, 2), torch.tensor(field[4:8]).view(2, 2), torch.tensor(field[8:])
    new = arm.physics_step(old, control, (b, k, torch.zeros(2, dtype=torch.float64), c))
    length, velocity, _ = arm.muscle_state(old.q, old.v)
    force = arm.muscle_force(length, velocity, old.activation)
    hand, hand_velocity, _ = arm.hand(old.q, old.v)
    return torch.cat(new), force, torch.cat([length, velocity]), torch.cat([hand, hand_velocity])


def test_a_physics_step_is_that_of_the_torch_arm(constants):
    arm = TorchArm(dtype=torch.float64)
    for state, control, field, _ in samples():
        geometry, force, new = np.zeros((6, 3)), np.zeros(6), np.zeros(10)
        na.physics_step(*constants, state, control, field, geometry, force, new)
        theirs, their_force, sense, _ = torch_step(arm, torch.tensor(state), torch.tensor(control), field)
        assert np.abs(new - theirs.numpy()).max() < 1e-13
        assert np.abs(force - their_force.numpy()).max() < 1e-10  # N
        assert np.abs(geometry[:, 0] - sense[:6].numpy()).max() < 1e-13
        hand = na.hand_and_push(constants[0], state, field)
        b, k, c = field[:4].reshape(2, 2), field[4:8].reshape(2, 2), field[8:]
        assert hand[6:] == pytest.approx(b @ hand[2:4] - k @ hand[:2] + c, abs=1e-12)


def test_the_reverse_passes_are_those_of_autograd(constants):
    arm, scale = TorchArm(dtype=torch.float64), (1.0, 0.01, 1.0, 1.0)
    for state, control, field, rng in samples():
        s, u = torch.tensor(state, requires_grad=True), torch.tensor(control, requires_grad=True)
        outputs = torch_step(arm, s, u, field)
        grads = [rng.normal(0, k, len(out)) for k, out in zip(scale, outputs, strict=True)]
        sum((out * torch.tensor(g)).sum() for out, g in zip(outputs, grads, strict=True)).backward()
        geometry, by_state, by_control = np.zeros((6, 3)), np.zeros(10), np.zeros(6)
        na.physics_step_vjp(
            *constants, state, control, field, geometry, grads[0], grads[1], by_state, by_control
        )
        na.sense_vjp(constants[1], state, geometry, grads[2], by_state)
        na.hand_vjp(constants[0], state, *grads[3], by_state)
        assert by_state == pytest.approx(s.grad.numpy(), rel=1e-11, abs=1e-11)
        assert by_control == pytest.approx(u.grad.numpy(), rel=1e-11, abs=1e-13)


def test_gradients_are_added_to_what_is_there_where_the_docstring_says_so(constants):
    state, control, field, rng = next(iter(samples()))
    geometry, g = np.zeros((6, 3)), rng.normal(0, 1, 10)
    fresh, by_control = np.zeros(10), np.zeros(6)
    na.physics_step_vjp(*constants, state, control, field, geometry, g, np.zeros(6), fresh, by_control)
    dirty, more = np.full(10, 7.0), np.ones(6)
    na.physics_step_vjp(*constants, state, control, field, geometry, g, np.zeros(6), dirty, more)
    assert (dirty == fresh).all() and more == pytest.approx(by_control + 1.0)


def test_a_shoulder_path_off_the_axis_is_refused():
    arm = Arm("muscle")
    centre = arm.paths.centre.copy()
    centre[0, 0] = 0.001, 0.0
    arm.__dict__["paths"] = dataclasses.replace(arm.paths, centre=centre)
    with pytest.raises(ValueError, match="use the plain rollout"):
        na.arm_constants(arm)
