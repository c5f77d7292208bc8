"""The forward models of the controller are one model."""

import copy
import pickle

import numpy as np
import pytest

from agents.baselines import state_estimate
from agents.baselines.state_estimate import (
    ArmEstimate,
    CompiledForwardModel,
    ForwardModel,
    KnownField,
    forward_model,
)
from savings_gym import ConstantField, CurlField, ElasticField
from savings_gym.arm.build import asset
from savings_gym.arm.model import load_arm
from savings_gym.perturbations.trials import resolve_fields

ARMS = 21  # fill no whole number of vector registers
FIELD = (
    CurlField(8.0) + ElasticField(30.0, (0.1, 0.4), onset="start") + ConstantField((2.0, -1.0), onset="cue")
)
PULLING = pytest.mark.parametrize("actuation", ["muscle", "motor"])


def moving_arms(seed=0):
    """States, some of them in the joint stops, and commands."""
    rng = np.random.default_rng(seed)
    q, v = rng.uniform([-0.1, -0.1], [2.4, 2.75], (ARMS, 2)), rng.normal(0.0, 3.0, (ARMS, 2))
    return ArmEstimate(q, v, rng.uniform(0.001, 1.0, (ARMS, 6))), rng.uniform(0.001, 1.0, (ARMS, 6))


def known_field():
    """A field of which every part acts in a third of the arms in control step 50."""
    start, target = np.tile([0.0, 0.4], (ARMS, 1)), np.tile([0.1, 0.4], (ARMS, 1))
    go, cue = (np.where(np.arange(ARMS) % 3 < k, 10, 90) for k in (2, 1))
    return KnownField(resolve_fields(FIELD, start, target), go, cue)


@PULLING
@pytest.mark.parametrize("field", [None, known_field()], ids=["null", "field"])
def test_the_compiled_forward_model_is_that_of_mujoco(actuation, field):
    pytest.importorskip("numba")
    arm, (state, command), step = load_arm(actuation), moving_arms(), np.full(ARMS, 50)
    compiled = CompiledForwardModel(arm).advance(state, command, field, step)
    simulated = ForwardModel(arm, ARMS).advance(state, command, field, step)
    for part, expected, old in zip(compiled, simulated, state, strict=True):
        assert part == pytest.approx(expected, abs=1e-10) and np.abs(part - old).max() > 0.05


@PULLING
def test_an_arm_moves_as_it_would_alone(actuation):
    pytest.importorskip("numba")
    model, (state, command), step = (
        CompiledForwardModel(load_arm(actuation)),
        moving_arms(),
        np.full(ARMS, 50),
    )
    together = model.advance(state, command, None, step)
    for i in (0, ARMS - 1):
        alone = model.advance(
            ArmEstimate(*(part[i : i + 1] for part in state)), command[i : i + 1], None, step
        )
        assert all(np.array_equal(one[0], part[i]) for one, part in zip(alone, together, strict=True))


def test_copies_of_a_compiled_forward_model_go_on():
    pytest.importorskip("numba")
    model, (state, command), step = CompiledForwardModel(load_arm()), moving_arms(), np.full(ARMS, 50)
    expected = model.advance(state, command, None, step)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(twin.advance(state, command, None, step).q, expected.q)


def test_mujoco_steps_arms_that_the_kernel_does_not_cover(tmp_path, monkeypatch):
    text, on_axis = asset("arm26.xml").read_text(), 'name="shoulder_wrap" class="wrap" pos="0 0 0.03"'
    (tmp_path / "arm.xml").write_text(text.replace(on_axis, on_axis.replace('"0 0 0.03"', '"0.001 0 0.03"')))
    for arm in (load_arm("torque"), load_arm("muscle", tmp_path / "arm.xml")):
        assert isinstance(forward_model(arm, 2), ForwardModel)
    pytest.importorskip("numba")
    assert isinstance(forward_model(load_arm(), 2), CompiledForwardModel)
    monkeypatch.setattr(state_estimate, "find_spec", lambda name: None)
    assert isinstance(forward_model(load_arm(), 2), ForwardModel)
