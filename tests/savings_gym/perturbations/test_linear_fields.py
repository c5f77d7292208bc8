"""Forces of the fields of n trials, at every stage, for many hands and for one."""

import numpy as np
import pytest

from savings_gym.perturbations.fields import (
    ChannelField,
    ConstantField,
    CurlField,
    ElasticField,
    NullField,
)
from savings_gym.perturbations.linear_fields import STAGES, HandForces, force_on_hand
from savings_gym.perturbations.trials import resolve_fields

FIELDS = [
    NullField(),
    CurlField(8.0),
    CurlField(-3.0, onset="start") + ElasticField(50.0, centre=(0.1, 0.3)) + ConstantField((1.0, 2.0)),
    ChannelField(onset="start") + ElasticField(20.0),
    CurlField(5.0, onset="cue") + ElasticField(50.0) + ElasticField(-20.0, centre=(0.1, 0.3), onset="cue"),
]


def test_forces_are_those_of_the_fields_whose_onset_has_come():
    rng, n = np.random.default_rng(1), len(FIELDS)
    start, target, x, v = rng.normal(0.0, 0.3, (4, n, 2))
    forces = HandForces(n)
    forces.put(np.arange(n), *resolve_fields(FIELDS, start, target))
    by_onset = [fields.force(x, v) for fields in resolve_fields(FIELDS, start, target)]
    for stage in (np.zeros(n, int), np.ones(n, int), np.full(n, 2), np.arange(n) % 3):
        expected = sum((stage >= k)[:, None] * force for k, force in enumerate(by_onset))
        force = force_on_hand(forces.at(stage), *x.T, *v.T)
        assert np.stack(force, axis=1) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    forces.put(np.array([1, 2]), *resolve_fields(NullField(), start[:2], target[:2]))
    fx, fy = force_on_hand(forces.at(np.ones(n, int)), *x.T, *v.T)
    assert not fx[:3].any() and not fy[:3].any() and fx[3]
    forces.put(np.arange(n), *resolve_fields(NullField(), start, target))
    assert forces.at(np.ones(n, int)) is None


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.kind)
def test_the_force_on_one_hand_is_that_on_many(field):
    start, target = np.array([[0.0, 0.4]]), np.array([[0.1, 0.4]])
    forces = HandForces(1)
    forces.put(np.array([0]), *resolve_fields([field], start, target))
    x, v = np.array([[0.03], [0.42]]), np.array([[0.3], [-0.2]])
    for stage in range(STAGES):
        one, many = forces.of_first(stage), forces.at(np.array([stage]))
        assert (one is None) == (many is None)
        if one is not None:
            force = force_on_hand(one, *x[:, 0].tolist(), *v[:, 0].tolist())
            assert force == tuple(float(part[0]) for part in force_on_hand(many, *x, *v))
