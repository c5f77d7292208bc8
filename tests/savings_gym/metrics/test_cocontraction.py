import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arm.model import load_arm
from savings_gym.metrics.cocontraction import ANTAGONISTS, co_contraction

FORCES = arrays(np.float64, (4, 6), elements=st.floats(0.0, 1500.0))


def test_antagonists_turn_the_same_joints_in_opposite_directions():
    arm = load_arm("muscle")
    turns = np.sign(arm.moment_arms(arm.start).round(6))
    for flexor, extensor in ANTAGONISTS:
        one, other = (turns[MUSCLES.index(name)] for name in (flexor, extensor))
        assert np.array_equal(one, -other) and np.any(one)
    assert sorted(name for pair in ANTAGONISTS for name in pair) == sorted(MUSCLES)


def test_by_hand():
    assert co_contraction([10.0, 4.0, 0.0, 7.0, 1.0, 2.0]) == 5.0


@given(FORCES)
def test_a_muscle_whose_antagonist_is_silent_contracts_alone(forces):
    forces[:, ::2] = 0.0  # one of every pair
    assert np.all(co_contraction(forces) == 0.0)


@given(FORCES, st.floats(0.0, 100.0))
def test_a_common_force_adds_itself_once_per_pair(forces, common):
    np.testing.assert_allclose(co_contraction(forces + common), co_contraction(forces) + 3.0 * common)


@pytest.mark.parametrize("force", [np.zeros((3, 5)), 1.0])
def test_other_numbers_of_muscles_are_refused(force):
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 6\)"):
        co_contraction(force)
