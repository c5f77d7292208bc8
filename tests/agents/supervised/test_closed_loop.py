import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from agents.supervised.closed_loop import ClosedLoop, linearise
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import centre_out
from agents.supervised.rollout import plain_rollout
from agents.supervised.torch_arm import TorchArm
from savings_gym.activity.displacement import Displacement
from savings_gym.metrics.resistance import hand_resistance
from savings_gym.perturbations.fields import NullField
from savings_gym.task.settings import CONTROL_STEP, Delays, Noise
from savings_gym.task.trials import NO_GO

F64 = torch.float64
NETWORKS, UNITS = 3, 12


@pytest.fixture
def arm():
    return TorchArm(dtype=F64)


def ensemble(cell="gru", networks=NETWORKS, units=UNITS, gain=1.0):
    drawn = make_ensemble(cell, networks, units, seed=1, dtype=F64)
    with torch.no_grad():
        drawn.readout_bias.fill_(-3.0)  # so that the muscles respond
        drawn.readout_weight.mul_(4.0)
        drawn.recurrent_weight.mul_(gain)
    return drawn


def pushes(networks=NETWORKS, units=UNITS, seed=0):
    return np.random.default_rng(seed).standard_normal((networks, units))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("delays", [Delays(), Delays(0.03, 0.0)])
def test_jacobians_tell_what_becomes_of_a_small_push(arm, cell, delays):
    """The product of the Jacobians along a trial is the derivative of the rollout, by central differences."""
    networks, step, steps, small = ensemble(cell), 9, 3, 1e-6
    push = pushes()
    loops = [linearise(networks, arm, 2, delays=delays, step=step + k) for k in range(steps)]
    state = np.zeros(loops[0].jacobian.shape[:2])
    state[:, :UNITS] = push
    left = [state := np.einsum("nij,nj->ni", loop.jacobian, state) for loop in loops]
    np.testing.assert_array_equal(left[0][:, :UNITS], loops[0].displaced(push, 1)[1])

    reaches = centre_out(
        NETWORKS, NullField(), np.random.default_rng(0), probe=True, noise=Noise(0.0, 0.0, 0.0),
        delays=delays, dtype=F64,
    )  # fmt: skip
    reaches = dataclasses.replace(reaches, go_step=torch.full_like(reaches.go_step, NO_GO))
    with torch.no_grad():
        more, less = (
            plain_rollout(networks, arm, reaches, Displacement(step, sign * small * push[:, None])).hidden
            for sign in (1.0, -1.0)
        )
    simulated = ((more - less) / (2 * small))[:, step : step + steps, 2].numpy()
    np.testing.assert_allclose(np.stack(left, 1)[..., :UNITS], simulated, rtol=1e-5, atol=1e-8)


def test_units_without_weights_forget_at_the_rate_of_their_gate(arm):
    networks = ensemble()
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.zero_()
        networks.initial.fill_(0.3)
    loop = linearise(networks, arm, 0, step=9)  # a GRU's gate of 1/2 halves activity in every step
    np.testing.assert_allclose(loop.decay_rates(network_only=True), math.log(2.0) / 0.01)
    np.testing.assert_allclose(loop.share_left(pushes(), 5)[-1], 0.5**5)
    np.testing.assert_allclose(loop.slow_share(pushes(), slower_than=0.014), 1.0)  # 0.01 / ln 2 = 0.0144
    np.testing.assert_allclose(loop.slow_share(pushes(), slower_than=0.015), 0.0, atol=1e-9)
    leaky = ensemble("rnn")
    with torch.no_grad():
        leaky.recurrent_weight.zero_()
    expected = -math.log(1.0 - leaky.leak) / 0.01
    np.testing.assert_allclose(linearise(leaky, arm, 0, step=9).decay_rates(network_only=True), expected)


def test_a_push_lies_in_the_slow_modes_or_in_the_fast_ones(arm):
    loop = linearise(ensemble(), arm, 0, step=9)
    push = pushes()
    np.testing.assert_allclose(loop.slow_share(push, slower_than=1e-9), 1.0, rtol=1e-6)
    several = np.stack([push, 2.0 * pushes(seed=1)])
    np.testing.assert_allclose(loop.slow_share(several)[0], loop.slow_share(push))
    np.testing.assert_allclose(loop.share_left(several, 3)[:, 1], loop.share_left(pushes(seed=1), 3))


def test_the_loop_holds_more_than_the_network(arm):
    """An arm without friction is neutral along its joints or slower than a network that forgets at once."""
    networks = ensemble(gain=0.0)
    loop = linearise(networks, arm, 0, step=9)
    assert np.all(loop.decay_rates()[:, 0] < loop.decay_rates(network_only=True)[:, 0])
    assert loop.jacobian.shape == (
        NETWORKS,
        UNITS + 2 + 2 + 6 + 7 * 2 + 2 * 12,
    ) + (UNITS + 48,)


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_without_muscles_the_hand_resists_a_force_by_its_inertia_alone(arm, steps):
    """In k steps of semi-implicit Euler, a constant force f moves a mass m by k (k + 1) / 2 dt² f / m."""
    networks = ensemble()
    with torch.no_grad():
        networks.readout_bias.fill_(-20.0)  # muscles at their smallest activation
        networks.readout_weight.zero_()
    q, still = torch.tensor(arm.arm.start), torch.zeros(2, dtype=F64)
    jacobian = arm.hand(q, still)[2]
    accelerations = arm.acceleration(q.expand(2, -1), still.expand(2, -1), jacobian)  # of unit forces
    mobility = (jacobian @ accelerations.T).numpy()
    k = steps * arm.substeps
    moved = linearise(networks, arm, 0, step=0).pushed_hand(steps)
    assert moved.shape == (NETWORKS, 2, steps + 1, 2) and not moved[:, :, 0].any()
    expected = np.broadcast_to(0.5 * k * (k + 1) * arm.timestep**2 * mobility.T, (NETWORKS, 2, 2))
    np.testing.assert_allclose(moved[:, :, -1], expected, rtol=0.02)


def test_feedback_that_opposes_motion_is_found_as_damping_and_stiffness():
    """A mass on a spring and in a damper, as a loop without a network: x and v by exact integration."""
    mass, damping, stiffness = 1.5, 4.0, 60.0
    a = np.array([[0.0, 1.0], [-stiffness / mass, -damping / mass]])
    step = expm(np.block([[a, np.array([[0.0], [1.0 / mass]])], [np.zeros((1, 3))]]) * CONTROL_STEP)
    jacobian, force, hand = np.zeros((1, 4, 4)), np.zeros((1, 4, 2)), np.zeros((1, 2, 4))
    for axis in range(2):
        own = slice(2 * axis, 2 * axis + 2)
        jacobian[0, own, own], force[0, own, axis], hand[0, axis, 2 * axis] = step[:2, :2], step[:2, 2], 1.0
    none = np.zeros((1, 2, 2))
    (moved,) = ClosedLoop(jacobian, force, hand, none, none, 0, np.zeros(1)).pushed_hand(50)
    found = hand_resistance(moved, np.broadcast_to(np.eye(2)[:, None], (2, 50, 2)))
    np.testing.assert_allclose(found.inertia, mass * np.eye(2), rtol=2e-3, atol=1e-9)
    np.testing.assert_allclose(found.damping, damping * np.eye(2), rtol=2e-3, atol=1e-9)
    np.testing.assert_allclose(found.stiffness, stiffness * np.eye(2), rtol=2e-3, atol=1e-9)


def test_a_hand_that_is_let_go_at_constant_activation_is_pulled_back_by_muscle_stiffness(arm):
    """The torque at a slightly displaced hand, by finite differences, is that of the stiffness."""
    networks = ensemble()
    with torch.no_grad():
        networks.readout_bias.fill_(-1.0)
        networks.readout_weight.zero_()  # constant excitation: co-contraction
    loop = linearise(networks, arm, 0, step=0)
    rest = arm.at_rest(torch.tensor(arm.arm.start))
    jacobian = arm.hand(rest.q, rest.v)[2]

    def hand_force(q):
        length, speed, arms = arm.muscle_state(q, rest.v)
        torque = -(arms * arm.muscle_force(length, speed, rest.activation)[..., None]).sum(-2)
        return torch.linalg.solve(jacobian.T, torque)  # with the Jacobian of the start, as in the formula

    small, columns = 1e-6, []
    for direction in torch.eye(2, dtype=F64):
        turn = torch.linalg.solve(jacobian, small * direction)
        columns.append((hand_force(rest.q - turn) - hand_force(rest.q + turn)) / (2 * small))
    expected = torch.stack(columns, -1).numpy()
    np.testing.assert_allclose(
        loop.muscle_stiffness, np.broadcast_to(expected, (NETWORKS, 2, 2)), rtol=1e-5, atol=1e-4
    )


def test_a_hand_that_moves_at_constant_activation_is_slowed_by_muscle_damping(arm):
    """The muscles' power at a small velocity, by finite differences, is that of the damping."""
    networks = ensemble()
    with torch.no_grad():
        networks.readout_bias.fill_(-1.0)
        networks.readout_weight.zero_()
    loop = linearise(networks, arm, 0, step=0)
    rest = arm.at_rest(torch.tensor(arm.arm.start))
    jacobian = arm.hand(rest.q, rest.v)[2]

    def power(hand_velocity):
        v = torch.linalg.solve(jacobian, hand_velocity)
        length, speed, arms = arm.muscle_state(rest.q, v)
        return -(arm.muscle_force(length, speed, rest.activation) * (arms @ v)).sum()

    for direction in torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]], dtype=F64):
        small = 1e-4 * direction  # the force without motion does opposite power in opposite motions
        spent = -(power(small) + power(-small)) / 2.0
        expected = (small @ torch.tensor(loop.muscle_damping[0]) @ small).item()
        assert spent.item() == pytest.approx(expected, rel=1e-3) and expected > 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 8}, r"target must lie in 0\.\.7, got 8"),
        ({"target": 0, "step": 100}, r"step must lie in 0\.\.99, got 100"),
    ],
)
def test_bad_arguments_are_named(arm, arguments, message):
    with pytest.raises(ValueError, match=message):
        linearise(ensemble(), arm, **arguments)


def test_a_push_of_another_size_is_refused(arm):
    with pytest.raises(ValueError, match=r"displacement has shape \(2, 5\), expected \(\.\.\., 3, 12\)"):
        linearise(ensemble(), arm, 0, step=9).share_left(np.zeros((2, 5)), 1)
