"""Claims: tests are corrected together over all groups, and a sentence says no more than they allow."""

import numpy as np
import pytest

from experiments.claims import (
    as_summary,
    bold_means,
    cell,
    corrected,
    is_shown,
    opposite,
    sign,
    size_of,
    stated,
    suggested,
)
from experiments.study import Quantity


def measured(name: str, value: float, p: float | None) -> Quantity:
    return Quantity(name, value, (value - 1.0, value + 1.0), 8, "mm", p=p)


def test_claimed_tests_of_all_groups_are_corrected_together():
    found = {
        "one": {"a": measured("a", 2.0, 0.01), "b": measured("b", 3.0, 0.04)},
        "two": {"a": measured("a", -2.0, 0.02), "b": measured("b", 0.1, None)},
    }
    result = corrected(found, ("a",))
    assert result["one"]["a"].p_holm == 0.02 and result["two"]["a"].p_holm == 0.02  # of two tests
    assert result["one"]["b"].p_holm is None and found["one"]["a"].p_holm is None
    three = corrected(found, ("a", "b"))
    assert [three["one"]["a"].p_holm, three["two"]["a"].p_holm, three["one"]["b"].p_holm] == [
        0.03,
        0.04,
        0.04,
    ]
    assert three["two"]["b"].p_holm is None


def test_a_sentence_tells_effects_from_their_opposites_and_from_nothing():
    found = {"g": {name: measured(name, v, p) for name, v, p in (("up", 5.0, 1e-4), ("down", -5.0, 1e-4))}}
    found["g"]["none"] = measured("none", 0.1, 0.8)
    found["g"]["unmeasured"] = measured("unmeasured", 9.0, None)
    group = corrected(found, tuple(found["g"]))["g"]
    assert stated(group, found["g"]) == ("Shown: up. Reversed: down. Not shown: none; unmeasured.")
    assert stated(group, ("up",)) == "Shown: up."


def test_a_cell_is_bold_if_its_corrected_test_tells_it_from_nothing():
    found = {"g": {name: measured(name, v, p) for name, v, p in (("up", 5.0, 0.01), ("even", 1.0, 0.04))}}
    found["g"] |= {"too": measured("too", 1.0, 0.9), "untested": measured("untested", 9.0, None)}
    group = corrected(found, tuple(found["g"]))["g"]
    assert cell(group["up"]) == "**5.00 mm [4.00, 6.00]**"
    assert cell(group["even"]) == "1.00 mm [0.00, 2.00]"  # 0.08 among three tests
    assert is_shown(group["up"]) and not is_shown(group["even"])
    assert cell(group["untested"]) == "9.0 mm [8.0, 10.0]"
    assert "p < 0.05 in a t test after Holm's correction over all tests" in bold_means("all tests")


@pytest.mark.parametrize(
    ("value", "half", "p_holm", "shown", "possible"),
    [
        (-10.7, 8.5, 0.01, -1, 0),
        (-10.7, 8.5, 0.06, 0, -1),
        (10.7, 8.5, 0.06, 0, 1),
        (10.7, 11.0, 0.06, 0, 0),
        (10.7, 8.5, None, 0, 0),  # not tested
    ],
)
def test_an_effect_is_shown_or_possible_or_neither(value, half, p_holm, shown, possible):
    entry = Quantity("a", value, (value - half, value + half), 8, "mm", p=0.02, p_holm=p_holm)
    assert (sign(entry), suggested(entry)) == (shown, possible)
    assert (sign(opposite(entry)), suggested(opposite(entry))) == (-shown, -possible)
    assert size_of(entry) == size_of(opposite(entry)) and size_of(entry).startswith("10.7 mm [")


def test_a_summary_keeps_the_values_of_every_network():
    numbers = {"g": {"a": measured("a", 2.0, 0.01)}}
    summary = as_summary(numbers, {"g": {"a": np.array([0.1, 1 / 3])}})
    assert summary["networks"] == {"g": {"a": [0.1, 0.333333]}}
    assert summary["measures"]["g"]["a"]["value"] == 2.0 and summary["measures"]["g"]["a"]["networks"] == 8
