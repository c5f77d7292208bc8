"""What the controls say of three explanations of savings follows from the signs of their tests."""

import pytest

from experiments.figures.explanations import explanations
from experiments.figures.muscles import RELAXED
from experiments.stored.resistance import HOLD, KINDS, REACH, STIFFNESS_FED

FLOOR = 2.5  # N


def rows(main=1.2e-3, opposite=0.4e-3, mirror=1.5e-3, stiffer=0.0, hold=2.8, p=1e-4):
    def estimate(value):
        return {"mean": value, "ci": [value - 1e-4, value + 1e-4], "p": p if value else 0.8}

    def practice(value):
        return {
            "initial": {"difference": value, "ci": [value - 1e-4, value + 1e-4], "p": p if value else 0.8}
        }

    beyond = {f"{kind}, beyond sham": estimate(0.0) for kind in KINDS}
    beyond[f"{STIFFNESS_FED}, beyond sham"] = estimate(stiffer)
    beyond |= {HOLD: estimate(hold), REACH: estimate(15.0)}
    return {
        "main": {"practice": practice(main), "resistance": beyond},
        "opposite": {"practice": practice(opposite)},
        "mirror": {"practice": practice(mirror)},
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("stiffer arm: not found", "direction of the field: yes", "0.400 mm [0.300, 0.500]",
              "memory of the field: in part", "1.50 mm [1.40, 1.60] after itself, 0.400 mm [0.3")),
        ({"opposite": 0.0}, ("direction of the field: not shown", "memory of the field: in part")),
        ({"opposite": -0.5e-3}, ("direction of the field: no", "memory of the field: in part", "-0.500 mm")),
        ({"opposite": 1.35e-3}, ("direction of the field: yes", "memory of the field: not shown")),
        ({"opposite": 2e-3}, ("direction of the field: yes", "memory of the field: no")),
        ({"stiffer": 5.0}, ("stiffer arm: in part", "stiffness, with feedback 5.00 N/m")),
        ({"stiffer": -5.0}, ("stiffer arm: not found",)),
    ],
)  # fmt: skip
def test_signs_decide(given, expected):
    text = explanations(rows(**given))
    for words in expected:
        assert words in text


def test_a_relaxed_arm_cannot_tell_in_the_hold():
    """Nothing is denied of measures that stand on their floor."""
    relaxed, stiff = (explanations(rows(hold=share * RELAXED * FLOOR), FLOOR) for share in (0.9, 1.1))
    assert (
        "not shown here; how the moving arm resists, and what muscles do in the field, is the matter of "
        "[timing](#timing). "
        "After NF2, co-contraction" in relaxed
    )
    assert "of 15 N" in relaxed and "say little" in relaxed and "neither" not in relaxed
    assert "neither co-contraction nor stiffness nor damping" in stiff and "say little" not in stiff
    for text in (relaxed, stiff, explanations(rows(), None)):
        assert "stiffer arm: no." not in text
    assert "in part" in explanations(rows(stiffer=5.0), FLOOR)  # what is measured is not hidden


def test_fields_of_other_kinds_are_told_with_their_tests():
    every, text = rows(), explanations(rows())
    assert "other kinds" not in text
    every |= {"other-field": rows(main=0.6e-3)["main"], "assistive": rows(main=0.0)["main"]}
    text = explanations(every)
    assert "one that resists movement (0.600 mm [0.500, 0.700], p = 0.0001); one that assists it (" in text
    assert text.count("not shown") == 1 and "p = 0.8, not shown" in text


def test_what_either_field_leaves_and_what_only_the_same_one_leaves_add_up():
    """Savings c + s after the same field and c - s after its opposite: 1.5 and 0.4 mm."""
    given = rows()
    assert "they are 0.95 mm (63 %) and 0.55 mm" in explanations(given)
    assert "learning rate" not in explanations(given)
    for name, ratio in (("mirror", 1.25), ("opposite", 1.0)):
        given[name]["practice"]["rate"] = {"ratio": ratio, "ci": [ratio - 0.02, ratio + 0.02]}
    text = explanations(given)
    assert "1.25 [1.23, 1.27] times after the same field, 1.00 [0.98, 1.02] times after its opposite" in text
    assert "add up" not in explanations(rows(opposite=-0.5e-3))  # no common part to speak of
    given["mirror"]["practice"]["rate"]["ci"] = [0.9, 1.6]
    assert "learning rate" not in explanations(given)


def test_what_was_not_run_is_not_spoken_of():
    every = rows()
    assert explanations({}) == ""
    assert "direction of the field" not in explanations({"main": every["main"]})
    del every["mirror"]
    assert "direction of the field" in explanations(every) and "memory" not in explanations(every)
    every["main"]["resistance"] = {HOLD: {"mean": 1.0, "ci": [0.9, 1.1], "p": 0.01}}
    assert "stiffer" not in explanations(every)
