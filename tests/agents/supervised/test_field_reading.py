"""Reading the field: what is read is the strength that acts, and networks learn from it as from any loss."""

import numpy as np
import pytest
import torch

from agents.supervised.field_reading import FieldReading, curl_strength
from agents.supervised.learner import Learning, SupervisedLearner
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import Reaches, centre_out
from savings_gym.perturbations.fields import CurlField, Field, NullField, ViscousField


def probe(field: Field, seed: int = 0) -> Reaches:
    return centre_out(2, field, np.random.default_rng(seed), probe=True)


@pytest.mark.parametrize("onset", ["go", "cue", "start"])
def test_the_strength_is_that_of_the_curl_field(onset):
    for b in (8.0, -3.5):
        reaches = probe(CurlField(b, onset=onset))
        torch.testing.assert_close(curl_strength(reaches), torch.full((2, 8), b))
    resisting = ViscousField([[-5.0, 2.0], [2.0, -5.0]])
    for field in (NullField(), resisting):
        assert (curl_strength(probe(field)) == 0.0).all()


def lively(seed=0):
    return make_ensemble("gru", 2, 6, seed=seed)


def test_the_loss_is_the_mean_square_error_and_teaches_networks():
    """A step of networks is down the sum of both losses; nothing of one network's reading reaches another."""
    sessions = [probe(CurlField(b)) for b in (8.0, -4.0)]
    networks = lively()
    learner = SupervisedLearner(networks, Learning("sgd", rate=1e-3, clip=1e9))
    reading = FieldReading(networks, 8.0, 1e-3)
    with torch.no_grad():
        reading.weight[0].uniform_(generator=torch.Generator().manual_seed(0))
    trajectories = learner.probe_sessions(sessions)
    loss = reading.loss(trajectories, sessions)
    assert loss[1].item() == pytest.approx((1.0 + 0.25) / 2)  # it still says 0
    said = np.einsum("tmu,u->tm", trajectories[0].hidden[0].numpy(), reading.weight[0].detach().numpy())
    one = np.mean((said - 1.0) ** 2)
    said = np.einsum("tmu,u->tm", trajectories[1].hidden[0].numpy(), reading.weight[0].detach().numpy())
    assert loss[0].item() == pytest.approx((one + np.mean((said + 0.5) ** 2)) / 2, rel=1e-5)

    plain = lively()
    SupervisedLearner(plain, Learning("sgd", rate=1e-3, clip=1e9)).update(*sessions)
    terms = learner.update(*sessions, extra=lambda found: reading.loss(found, sessions))
    assert terms["extra"].tolist() == pytest.approx(loss.tolist(), rel=1e-6)
    assert not torch.equal(networks.recurrent_weight[0], plain.recurrent_weight[0])
    assert torch.equal(networks.recurrent_weight[1], plain.recurrent_weight[1])  # its read-out has no weight


def test_a_read_out_learns_and_goes_on_from_a_saved_state():
    networks = lively()
    learner = SupervisedLearner(networks)
    trials = [probe(CurlField(8.0)), probe(CurlField(-8.0), seed=1)]
    trajectories = learner.probe_sessions(trials)

    def train(reading, steps):
        for _ in range(steps):
            reading.loss(trajectories, trials).sum().backward()
            reading.step()
        return reading.loss(trajectories, trials).detach()

    whole, halves = FieldReading(networks, 8.0, 0.05), FieldReading(networks, 8.0, 0.05)
    after = train(whole, 60)
    assert (after < 0.98).all()  # of 1, when it says 0
    train(halves, 30)
    resumed = FieldReading(networks, 8.0, 0.05)
    resumed.load_state_dict(halves.state_dict())
    assert torch.equal(train(resumed, 30), after)
