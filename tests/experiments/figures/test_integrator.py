"""Explicit Euler is what its name says, and of first order."""

import numpy as np
import pytest
import torch

from agents.supervised.torch_arm import ArmState, TorchArm
from experiments.figures.integrator import EulerArm

EXCITATION = torch.tensor([[0.3, 0.1, 0.2, 0.05, 0.4, 0.1]], dtype=torch.float64)


def moving():
    return ArmState(
        torch.tensor([[1.0, 1.6]], dtype=torch.float64), torch.tensor([[1.5, -2.0]], dtype=torch.float64),
        torch.full((1, 6), 0.2, dtype=torch.float64),
    )  # fmt: skip


def curl(b=8.0):
    field = torch.tensor([[0.0, b], [-b, 0.0]], dtype=torch.float64)
    nothing = torch.zeros(1, 2, dtype=torch.float64)
    return field, torch.zeros(2, 2, dtype=torch.float64), nothing, nothing


def after(steps):
    arm = EulerArm(steps, dtype=torch.float64)
    return torch.cat(arm.control_step(moving(), EXCITATION, curl()), -1).numpy()


def test_angles_move_by_the_velocity_before_the_step():
    arm, before = EulerArm(1, dtype=torch.float64), moving()
    later = arm.control_step(before, EXCITATION, curl())
    torch.testing.assert_close(later.q, before.q + 0.01 * before.v, rtol=0.0, atol=1e-15)


def test_halving_the_step_halves_the_error():
    exact = after(2560)
    errors = [np.abs(after(steps) - exact).max() for steps in (20, 40, 80)]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2.0, rel=0.1)


def test_it_comes_to_the_same_as_the_integrator_of_the_package():
    arm = TorchArm(dtype=torch.float64)
    theirs = torch.cat(arm.control_step(moving(), EXCITATION, curl()), -1).numpy()
    arm.substeps, arm.timestep = 2560, 0.01 / 2560
    finest = torch.cat(arm.control_step(moving(), EXCITATION, curl()), -1).numpy()
    assert np.abs(finest - after(2560)).max() < 1e-4 < np.abs(theirs - after(1)).max()


def test_explicit_euler_adds_energy_in_a_curl_field():
    """A curl field turns the velocity and does no work."""
    speeds = []
    for steps in (1, 50):
        arm, state = EulerArm(steps, dtype=torch.float64), moving()
        for _ in range(10):
            state = arm.control_step(state, torch.zeros_like(EXCITATION), curl(40.0))
        speeds.append(float(arm.hand(state.q, state.v)[1].norm()))
    assert speeds[0] > 1.02 * speeds[1]
