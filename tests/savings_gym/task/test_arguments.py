"""Settings as arguments: one set of words, and one form of error, for all of them."""

import pytest

from savings_gym import (
    BCIReachEnv,
    Delays,
    Impairments,
    Noise,
    ReachEnv,
    ReachSessionEnv,
    RewardWeights,
)
from savings_gym.task.settings import CATCH_FRACTION, GO_TIMES, go_steps

DEFAULT = {"noise": Noise(), "delays": Delays(), "reward_weights": RewardWeights()}
NONE = {"noise": Noise(0.0, 0.0, 0.0), "delays": Delays(0.0, 0.0), "impairments": Impairments()}
DICTS = {
    "noise": ({"vision": 0.02}, Noise(vision=0.02), {"vision": -1.0}),
    "delays": ({"cue": 0.02}, Delays(cue=0.02), {"vision": 0.075}),
    "reward_weights": ({"jerk": 2.0}, RewardWeights(jerk=2.0), {"jerk": -1.0}),
    "impairments": ({"signal_noise": 0.1}, Impairments(signal_noise=0.1), {"signal_noise": -1.0}),
}
CASES = [
    (make, name)
    for make in (ReachEnv, ReachSessionEnv, BCIReachEnv)
    for name in DICTS
    if (make, name) != (BCIReachEnv, "impairments")
]


@pytest.mark.parametrize(("make", "name"), CASES)
def test_an_argument_is_given_as_settings_a_dict_or_a_word(make, name):
    values, settings, _ = DICTS[name]
    made = {True: DEFAULT[name]} if name in DEFAULT else {}
    made |= {False: NONE[name], None: NONE[name]} if name in NONE else {}
    for given, expected in [*made.items(), (settings, settings)]:
        assert getattr(make(**{name: given}).settings, name) == expected
    assert getattr(make(**{name: values}).settings, name) == settings


@pytest.mark.parametrize(("make", "name"), CASES)
def test_whatever_else_is_refused_with_what_is_valid(make, name):
    values, settings, bad = DICTS[name]
    words = [True] * (name not in DEFAULT) + [False, None] * (name not in NONE)
    for given in [*words, 3.0, "none", [], {"sound": 1.0}, {**values, 5: 1.0}]:
        with pytest.raises(ValueError) as refused:
            make(**{name: given})
        said = str(refused.value)
        assert said.startswith(f"{name} must be {type(settings).__name__}, a dict with some of the names [")
        assert said.endswith(f"; got {given!r}")
        assert ("True (the default)" in said) == (name in DEFAULT)
        assert ("False or None (none)" in said) == (name in NONE)
    (key, value), *_ = bad.items()
    with pytest.raises(ValueError, match=f"^{name}: {key} must be .* got {value}"):
        make(**{name: bad})


def test_settings_of_their_own_are_named_by_their_class():
    with pytest.raises(
        ValueError, match="^Delays: vision must be a whole number of control steps, .* 0.075 s"
    ):
        Delays(vision=0.075)
    with pytest.raises(ValueError, match="^Noise: vision must be a finite number of at least 0"):
        Noise(vision=-1.0)


@pytest.mark.parametrize("make", [ReachEnv, ReachSessionEnv, BCIReachEnv])
def test_go_times_and_the_catch_fraction_have_one_default(make):
    settings = make().settings
    assert settings.go_steps == go_steps(GO_TIMES) == (10, 30) and settings.catch_fraction == CATCH_FRACTION
