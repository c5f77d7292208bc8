"""Lesions: silent units stay silent, lost weights stay lost, and the rest of a network is untouched."""

import numpy as np
import pytest
import torch

from agents.supervised.learner import ADAPTATION, PRETRAINING, SupervisedLearner
from agents.supervised.lesions import Lesion, lesioned, silent_units
from agents.supervised.networks import PARAMETERS, make_ensemble
from agents.supervised.reaches import centre_out
from savings_gym.perturbations.fields import NullField


def drawn(cell="gru", networks=2, units=20):
    """Networks whose parameters are all different from zero."""
    ensemble = make_ensemble(cell, networks, units, seed=0)
    with torch.no_grad():
        for name in PARAMETERS:
            getattr(ensemble, name).add_(0.05)
    return ensemble


def reaches(networks=2, probe=True):
    return centre_out(networks, NullField(), np.random.default_rng(0), probe=probe)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_lost_units_are_silent_and_stay_so_while_the_others_learn(cell):
    lesion = Lesion(units=0.3)
    ensemble = lesioned(drawn(cell), lesion, seed=1)
    lost = silent_units(ensemble, lesion, seed=1)
    assert lost.sum(1).tolist() == [6, 6] and not torch.equal(*lost)
    before = {name: getattr(ensemble, name).detach().clone() for name in PARAMETERS}
    for learning in (PRETRAINING, ADAPTATION):
        learner = SupervisedLearner(ensemble, learning, rollout="plain")
        learner.update(reaches(probe=False))
    hidden = learner.probe(reaches()).hidden
    assert torch.all(hidden.movedim(-1, 1)[lost] == 0.0)
    assert torch.all(hidden.movedim(-1, 1)[~lost].abs().amax((1, 2)) > 0.0)
    for name in PARAMETERS:
        assert not torch.equal(before[name], getattr(ensemble, name)), f"{name} did not learn"


def test_a_network_without_its_lost_units_does_the_same():
    """The smaller network of the units that are left, its weights copied, gives the same trajectory."""
    lesion = Lesion(units=0.25)
    ensemble = lesioned(drawn(networks=1), lesion, seed=3)
    left = torch.nonzero(~silent_units(ensemble, lesion, seed=3)[0]).flatten()
    small = make_ensemble("gru", 1, len(left), seed=0)
    rows = torch.cat([left + 20 * gate for gate in range(3)])
    with torch.no_grad():
        for name in PARAMETERS:
            whole = getattr(ensemble, name)[0]
            if name in ("input_weight", "input_bias", "recurrent_weight", "recurrent_bias"):
                whole = whole[rows]
            if name in ("initial", "recurrent_weight", "readout_weight"):
                whole = whole[..., left]
            getattr(small, name)[0] = whole
    one, other = (SupervisedLearner(each, rollout="plain").probe(reaches(1)) for each in (ensemble, small))
    torch.testing.assert_close(one.hand, other.hand, rtol=0.0, atol=1e-6)
    torch.testing.assert_close(one.hidden[..., left], other.hidden, rtol=0.0, atol=1e-5)


def test_lost_weights_stay_lost_and_a_larger_lesion_contains_the_smaller():
    some, more = (lesioned(drawn(), Lesion(weights=share), seed=2) for share in (0.2, 0.5))
    lost, larger = (each.recurrent_weight == 0.0 for each in (some, more))
    assert lost.flatten(1).sum(1).tolist() == [240, 240]  # of 60 * 20
    assert torch.all(larger[lost]) and larger.sum() == 1200
    SupervisedLearner(some, PRETRAINING, rollout="plain").update(reaches(probe=False))
    assert torch.equal(some.recurrent_weight == 0.0, lost)


def test_a_network_loses_the_same_units_in_any_ensemble_and_the_original_loses_none():
    ensemble = drawn(networks=3)
    copied = {name: getattr(ensemble, name).detach().clone() for name in PARAMETERS}
    lesion = Lesion(units=0.4, weights=0.1)
    damaged = lesioned(ensemble, lesion, seed=5)
    first = lesioned(ensemble.select(0), lesion, seed=5)
    for name in PARAMETERS:
        assert torch.equal(getattr(damaged, name)[:1], getattr(first, name))
        assert torch.equal(getattr(ensemble, name), copied[name])


def test_both_rollouts_learn_alike_with_a_lesion():
    learners = [
        SupervisedLearner(lesioned(drawn(), Lesion(units=0.3), seed=1), rollout=name)
        for name in ("fused", "plain")
    ]
    for learner in learners:
        learner.update(reaches(probe=False))
    for name in PARAMETERS:
        one, other = (getattr(learner.ensemble, name) for learner in learners)
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_no_lesion_changes_nothing_and_bad_shares_are_refused():
    ensemble = drawn()
    same = lesioned(ensemble, Lesion(), seed=0)
    assert all(torch.equal(getattr(same, name), getattr(ensemble, name)) for name in PARAMETERS)
    for values in ({"units": 1.0}, {"weights": -0.1}, {"units": float("nan")}):
        with pytest.raises(ValueError, match="lesion: (units|weights)"):
            Lesion(**values)
