"""What adaptation pays, from trials of two controllers that differ in the field that they expect."""

import numpy as np
import pytest

from experiments.benchmark.command import PRESETS
from experiments.benchmark.reward import VARIANTS, Reward, TrialRewards, Variant, trial_rewards
from savings_gym.task.rewards import REWARD_TERMS


@pytest.fixture(scope="module")
def made():
    return trial_rewards(Reward(trials=64))


def test_pay_and_deviation_are_those_of_trials_in_the_share_of_the_variant():
    rng = np.random.default_rng(0)
    terms, catch = rng.normal(size=(2, 40, len(REWARD_TERMS))), np.arange(40) < 20
    pay, deviation = TrialRewards(terms, catch).pay(Variant(3.0, 0.25))
    sums = terms[..., :3].sum(-1) + 3.0 * terms[..., 3]
    assert REWARD_TERMS[3] == "reward_lateral"
    mixed = np.concatenate([sums[:, :20], *[sums[:, 20:]] * 3], axis=1)  # a catch trial among four
    assert pay == pytest.approx(mixed[1].mean() - mixed[0].mean())
    assert deviation == pytest.approx(mixed[0].std())


def test_a_lateral_term_and_fewer_catch_trials_make_adaptation_pay_more(made):
    relative = {variant: np.divide(*made.pay(variant)) for variant in VARIANTS}
    default, paying = Variant(0.0, 0.5), Variant(5.0, 0.1)
    assert 0.05 < made.pay(default)[0] < 0.2
    assert relative[paying] > 2 * relative[default]
    assert made.pay(Variant(5.0, 0.5))[0] > made.pay(Variant(2.0, 0.5))[0] > made.pay(default)[0]
    protocol = PRESETS["paying"].protocol
    assert Variant(protocol.lateral, protocol.catch_fraction) == paying
    assert Variant(PRESETS["full"].protocol.lateral, PRESETS["full"].protocol.catch_fraction) == default


def test_too_few_trials_are_refused():
    with pytest.raises(ValueError, match="trials must be a whole number of at least 64, got 1"):
        Reward(trials=1)
