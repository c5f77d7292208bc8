"""The arm in numba, with its hand-written reverse pass, is the torch arm with autograd."""

import numpy as np
import pytest
import torch

from agents.supervised.torch_arm import ArmState, TorchArm
from savings_gym.arm.build import asset
from savings_gym.arm.model import load_arm

na = pytest.importorskip("agents.kernels.arm", reason="the fused rollout needs numba")

from agents.kernels import lanes  # noqa: E402
from agents.kernels.compile import lanewise  # noqa: E402

ARMS = lanes.ARMS
ROUNDS = 100 // ARMS + 1


@pytest.fixture(scope="module")
def constants():
    return na.arm_constants(load_arm("muscle"))


def samples():
    """States inside and just outside the joint range, excitations, fields (10,) of all lanes, a generator."""
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        q, v = rng.uniform([-0.1, -0.1], [2.4, 2.75], (ARMS, 2)), rng.normal(0, 4, (ARMS, 2))
        state = np.concatenate([q, v, rng.uniform(0.001, 1, (ARMS, 6))], 1)
        field = [rng.normal(0, sd, (ARMS, size)) for sd, size in ((8, 4), (30, 4), (3, 2))]
        yield rows(state), rows(rng.uniform(0.001, 1, (ARMS, 6))), rows(np.concatenate(field, 1)), rng


def rows(values):
    """From one arm after another to (rows, lanes), and back."""
    return np.ascontiguousarray(values.T)


def postures(constants, state):
    out = np.empty((na.POSTURE, ARMS))
    na.take_posture(*constants, state, out)
    return out


def torch_step(arm, state, control, field):
    """(ARMS, ..): new states 10, forces 6, lengths and velocities 12, hand and its velocity 4."""
    old = ArmState(state[:, :2], state[:, 2:4], state[:, 4:])
    b, k, c = field[:, :4].view(-1, 2, 2), field[:, 4:8].view(-1, 2, 2), field[:, 8:]
    new = arm.physics_step(old, control, (b, k, torch.zeros(2, dtype=torch.float64), c))
    length, velocity, _ = arm.muscle_state(old.q, old.v)
    force = arm.muscle_force(length, velocity, old.activation)
    hand, hand_velocity, _ = arm.hand(old.q, old.v)
    return (
        torch.cat(new, 1),
        force,
        torch.cat([length, velocity], 1),
        torch.cat([hand, hand_velocity], 1),
    )


def test_a_physics_step_is_that_of_the_torch_arm(constants):
    arm = TorchArm(dtype=torch.float64)
    for state, control, field, _ in samples():
        posture, force, new = postures(constants, state), np.zeros((6, ARMS)), np.zeros((10, ARMS))
        na.physics_step(*constants, state, control, field, posture, force, new)
        theirs = torch_step(arm, *(torch.tensor(rows(values)) for values in (state, control, field)))
        new_state, their_force, sense, hand = (part.numpy().T for part in theirs)
        assert np.abs(new - new_state).max() < 1e-13
        assert np.abs(force - their_force).max() < 1e-10  # N
        assert np.abs(posture[:6] - sense[:6]).max() < 1e-13
        assert np.abs(posture[[na.X, na.Y]] - hand[:2]).max() < 1e-14
        na.physics_step(*constants, state, control, field, posture, force, state)
        assert (state == new).all()  # in place


def test_the_reverse_passes_are_those_of_autograd(constants):
    arm, scale = TorchArm(dtype=torch.float64), (1.0, 0.01, 1.0, 1.0)
    for state, control, field, rng in samples():
        s, u = (torch.tensor(rows(values), requires_grad=True) for values in (state, control))
        outputs = torch_step(arm, s, u, torch.tensor(rows(field)))
        grads = [rng.normal(0, k, out.shape) for k, out in zip(scale, outputs, strict=True)]
        sum((out * torch.tensor(g)).sum() for out, g in zip(outputs, grads, strict=True)).backward()
        posture, by_state, by_control = postures(constants, state), np.zeros((10, ARMS)), np.zeros((6, ARMS))
        new, force, sense, hand = (rows(g) for g in grads)
        na.physics_step_vjp(*constants, state, control, field, posture, new, force, by_state, by_control)
        na.sense_vjp(constants[1], state, posture, sense, by_state)
        add_hand_vjp(state, posture, hand, by_state)
        assert rows(by_state) == pytest.approx(s.grad.numpy(), rel=1e-11, abs=1e-11)
        assert rows(by_control) == pytest.approx(u.grad.numpy(), rel=1e-11, abs=1e-13)


@lanewise
def add_hand_vjp(state, posture, g, out):
    na.hand_vjp(
        state,
        posture,
        lanes.load(g, (0, 0)),
        lanes.load(g, (1, 0)),
        lanes.load(g, (2, 0)),
        lanes.load(g, (3, 0)),
        out,
    )


def test_gradients_are_added_to_what_is_there_where_the_docstring_says_so(constants):
    state, control, field, rng = next(iter(samples()))
    posture, g, none = postures(constants, state), rng.normal(0, 1, (10, ARMS)), np.zeros((6, ARMS))
    fresh, by_control = np.zeros((10, ARMS)), np.zeros((6, ARMS))
    na.physics_step_vjp(*constants, state, control, field, posture, g, none, fresh, by_control)
    dirty, more = np.full((10, ARMS), 7.0), np.ones((6, ARMS))
    na.physics_step_vjp(*constants, state, control, field, posture, g, none, dirty, more)
    assert (dirty == fresh).all() and more == pytest.approx(by_control + 1.0)


def test_a_shoulder_path_off_the_axis_is_refused(tmp_path):
    text, on_axis = asset("arm26.xml").read_text(), 'name="shoulder_wrap" class="wrap" pos="0 0 0.03"'
    assert on_axis in text
    path = tmp_path / "arm.xml"
    path.write_text(text.replace(on_axis, on_axis.replace('"0 0 0.03"', '"0.001 0 0.03"')))
    with pytest.raises(ValueError, match="use the plain rollout"):
        na.arm_constants(load_arm("muscle", path))
