"""The torch arm is MuJoCo's arm, and its gradients are right."""

import mujoco
import numpy as np
import pytest
import torch

from agents.supervised.torch_arm import ArmState, TorchArm
from savings_gym.arm.model import load_arm
from savings_gym.task.settings import TRIAL_STEPS

FLOAT = torch.float64
WORKSPACE = np.array([[0.4, 0.7], [1.6, 1.9]])  # rad, where random excitations keep off the stops for 1 s


def fields(kind, rng, start):
    """B, K, x0, c of n fields as arrays."""
    n = len(start)
    b, k, c = np.zeros((n, 2, 2)), np.zeros((n, 2, 2)), np.zeros((n, 2))
    if kind == "curl":
        b[:] = 8.0 * np.array([[0.0, 1.0], [-1.0, 0.0]])
    elif kind == "channel":
        across = rng.normal(size=(n, 2))
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        wall = across[:, :, None] * across[:, None]
        b, k = -20.0 * wall, 400.0 * wall
    elif kind == "everything":
        b, k = rng.normal(0, 3, (n, 2, 2)) - 8 * np.eye(2), rng.normal(0, 5, (n, 2, 2)) + 20 * np.eye(2)
        c = rng.normal(0, 2, (n, 2))
    return b, k, start.copy(), c


def mujoco_paths(arm, q0, excitation, field):
    """(T, n, 2) joint angles of MuJoCo's arms after each control step, each of 5 physics steps."""
    path = np.zeros((len(excitation), *q0.shape))
    for i, (b, k, x0, c) in enumerate(zip(*field, strict=True)):
        data = mujoco.MjData(arm.model)
        mujoco.mj_resetDataKeyframe(arm.model, data, 0)
        data.qpos[:] = q0[i]
        for t, control in enumerate(excitation[:, i]):
            data.ctrl[:] = control
            for _ in range(5):
                x, v = arm.hand_position(data.qpos), arm.hand_velocity(data.qpos, data.qvel)
                data.qfrc_applied[:] = arm.hand_jacobian(data.qpos).T @ (b @ v + k @ (x0 - x) + c)
                mujoco.mj_step(arm.model, data)
            path[t, i] = data.qpos
    return path


def torch_paths(q0, excitation, field, dtype=FLOAT, device="cpu", actuation="muscle", arm=None):
    arm = TorchArm(device, dtype, actuation, arm)

    def tensor(array):
        return torch.as_tensor(array, dtype=dtype, device=device)

    state, path = arm.at_rest(tensor(q0)), []
    for control in tensor(excitation):
        state = arm.control_step(state, control, tuple(tensor(part) for part in field))
        path.append(state.q)
    return torch.stack(path).double().cpu().numpy()


def reach(kind="none", n=12, steps=TRIAL_STEPS, strong=False):
    """Random excitations from random places in the workspace."""
    arm, rng = load_arm("muscle"), np.random.default_rng(3)
    q0 = rng.uniform(*WORKSPACE, (n, 2))
    excitation = rng.uniform(0, 1, (steps, n, 6)) if strong else rng.normal(0, 0.01, (steps, n, 6))
    excitation = np.clip(excitation, 0.0, 1.0)
    return arm, q0, excitation, fields(kind, rng, arm.hand_position(q0))


@pytest.mark.parametrize("strong", [False, True], ids=["weak", "strong"])
@pytest.mark.parametrize("kind", ["none", "curl", "channel", "everything"])
def test_it_follows_mujoco_to_a_nanometre_over_a_reach(kind, strong):
    arm, q0, excitation, field = reach(kind, strong=strong)
    theirs, ours = mujoco_paths(arm, q0, excitation, field), torch_paths(q0, excitation, field)
    low, high = arm.joint_range.T
    inside = np.logical_and.accumulate(((low < theirs) & (theirs < high)).all(-1))  # where the promise holds
    assert inside[9].all() and (strong or inside[-1].sum() >= 8)  # strong muscles reach the stops soon
    hand, other = arm.hand_position(theirs), arm.hand_position(ours)
    assert np.ptp(hand, axis=0).max() > 0.1  # m
    assert np.abs(hand - other)[inside].max() < 1e-9


@pytest.mark.parametrize("kind", ["none", "curl"])
def test_motors_follow_mujoco_to_a_nanometre(kind):
    _, q0, excitation, field = reach(kind)
    arm = load_arm("motor")
    theirs = mujoco_paths(arm, q0, excitation, field)
    ours = torch_paths(q0, excitation, field, actuation="motor")
    assert np.ptp(arm.hand_position(theirs), axis=0).max() > 0.1  # m
    low, high = arm.joint_range.T
    inside = np.logical_and.accumulate(((low < theirs) & (theirs < high)).all(-1))
    assert (
        inside[9].all() and np.abs(arm.hand_position(theirs) - arm.hand_position(ours))[inside].max() < 1e-9
    )


@pytest.mark.parametrize("actuation", ["muscle", "motor"])
def test_a_changed_arm_follows_mujoco_to_a_nanometre(actuation):
    _, q0, excitation, field = reach("curl")
    changes = {
        "strength": {"biceps": 0.5, "deltoid": 2.0}, "length": {"upper_arm": 1.2, "forearm": 0.9},
        "mass": {"forearm": 1.5},
    }  # fmt: skip
    arm, standard = load_arm(actuation, changes), load_arm(actuation)
    field = (*field[:2], arm.hand_position(q0), field[3])
    theirs = mujoco_paths(arm, q0, excitation, field)
    ours = torch_paths(q0, excitation, field, actuation=actuation, arm=changes)
    low, high = arm.joint_range.T
    inside = np.logical_and.accumulate(((low < theirs) & (theirs < high)).all(-1))
    assert inside[9].all()
    assert np.abs(arm.hand_position(theirs) - arm.hand_position(ours))[inside].max() < 1e-9
    assert np.abs(theirs - mujoco_paths(standard, q0, excitation, field)).max() > 0.1  # rad, another arm


def test_an_arm_that_does_not_pull_is_refused():
    with pytest.raises(ValueError, match=r"actuation must be one of \('muscle', 'motor'\), got 'torque'"):
        TorchArm(actuation="torque")


def test_it_follows_mujoco_into_the_joint_stops():
    arm = load_arm("muscle")
    excitation = np.zeros((20, 4, 6))
    for i, pull in enumerate([(1, 5), (0, 4), (2, 4), (3, 5)]):  # to every end of the range
        excitation[:, i, pull] = 0.15
    low, high = arm.joint_range.T
    q0 = np.array([[low[0], 1.5], [high[0], 1.5], [1.0, high[1]], [1.0, low[1]]])
    field = fields("none", None, arm.hand_position(q0))
    theirs = mujoco_paths(arm, q0, excitation, field)
    assert ((theirs < low) | (theirs > high)).any((0, 2)).all()  # every arm was outside
    assert np.abs(theirs - torch_paths(q0, excitation, field)).max() < 1e-9


def test_float32_follows_to_a_hundredth_of_a_millimetre():
    arm, q0, excitation, field = reach("curl")
    exact, coarse = torch_paths(q0, excitation, field), torch_paths(q0, excitation, field, torch.float32)
    assert np.abs(arm.hand_position(exact) - arm.hand_position(coarse)).max() < 1e-5


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_cuda_follows_the_cpu(dtype, bound):
    arm, q0, excitation, field = reach("everything")
    here, there = torch_paths(q0, excitation, field), torch_paths(q0, excitation, field, dtype, "cuda")
    assert np.abs(arm.hand_position(here) - arm.hand_position(there)).max() < bound


def test_hand_and_muscles_are_those_of_the_arm():
    arm, rng = load_arm("muscle"), np.random.default_rng(0)
    q, v = rng.uniform(*arm.joint_range.T, (30, 2)), rng.normal(0, 5, (30, 2))
    activation, ours = rng.uniform(0, 1, (30, 6)), TorchArm(dtype=FLOAT)
    hand, velocity, jacobian = ours.hand(torch.tensor(q), torch.tensor(v))
    length, speed, arms = ours.muscle_state(torch.tensor(q), torch.tensor(v))
    force = ours.muscle_force(length, speed, torch.tensor(activation))
    for mine, theirs in [
        (hand, arm.hand_position(q)),
        (velocity, arm.hand_velocity(q, v)),
        (jacobian, arm.hand_jacobian(q)),
        (length, arm.muscle_length(q)),
        (speed, arm.muscle_velocity(q, v)),
        (arms, arm.moment_arms(q)),
        (force / 1e3, arm.muscle_force(q, v, activation) / 1e3),
    ]:
        assert mine.numpy() == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    "q",
    [(1.0, 1.5), (-0.1, 2.8)],
    ids=["inside the range", "in both stops"],
)
def test_gradients_of_a_control_step_are_finite_differences(q):
    arm, rng = TorchArm(dtype=FLOAT), np.random.default_rng(5)

    def step(q, v, activation, excitation, *field):
        return tuple(arm.control_step(ArmState(q, v, activation), excitation, field))

    x0 = arm.arm.hand_position(q) + 0.02
    arguments = [np.array(q), rng.normal(0, 1, 2), rng.uniform(0.1, 0.5, 6), rng.uniform(0.2, 0.8, 6),
                 rng.normal(0, 8, (2, 2)), rng.normal(0, 30, (2, 2)), x0, rng.normal(0, 2, 2)]  # fmt: skip
    assert torch.autograd.gradcheck(step, [torch.tensor(a, requires_grad=True) for a in arguments])


def test_excitations_are_clipped_to_their_range_and_pass_no_gradient_there():
    arm = TorchArm(dtype=FLOAT)
    state = arm.at_rest(torch.tensor([1.0, 1.5], dtype=FLOAT))
    none = tuple(torch.zeros(shape, dtype=FLOAT) for shape in ((2, 2), (2, 2), 2, 2))
    outside = torch.tensor([-1.0, 0.0, 0.5, 1.5, 0.0, 2.0], dtype=FLOAT, requires_grad=True)
    after = arm.control_step(state, outside, none)
    inside = torch.clip(outside.detach(), *arm.excitation_range)
    assert torch.equal(after.activation, arm.control_step(state, inside, none).activation)
    after.activation.sum().backward()
    assert (outside.grad != 0).tolist() == [False, False, True, False, False, False]


def test_any_leading_shape_will_do():
    arm, rng = TorchArm(dtype=FLOAT), np.random.default_rng(2)
    q, u = torch.tensor(rng.uniform(0.5, 1.5, (2, 3, 2))), torch.tensor(rng.uniform(0, 1, (2, 3, 6)))
    none = tuple(torch.zeros(2, 3, *shape, dtype=FLOAT) for shape in ((2, 2), (2, 2), (2,), (2,)))
    whole = arm.control_step(arm.at_rest(q), u, none)
    alone = arm.control_step(arm.at_rest(q[1, 2]), u[1, 2], tuple(part[1, 2] for part in none))
    for many, one in zip(whole, alone, strict=True):
        assert many[1, 2].numpy() == pytest.approx(one.numpy(), abs=1e-13)
