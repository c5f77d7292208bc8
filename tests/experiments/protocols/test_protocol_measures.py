"""Measures of the protocols: planted effects are found, beyond what practice does."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.protocols.config import Protocols
from experiments.protocols.generalisation import (
    ALONE,
    ASYMMETRY,
    EVERYWHERE,
    SECOND_PEAK,
    VECTOR,
    at_angle,
    constant,
    distance,
    farther,
)
from experiments.protocols.measures import (
    AFTER,
    AFTER_B,
    AGAIN,
    AT_FIRST,
    END_OF_B,
    END_OF_CLAMP,
    FALLING,
    FIRST,
    GAINED,
    GRADUAL_AFTER,
    GRADUAL_LEARNED,
    KEPT,
    LARGEST,
    LEARNED,
    LOST,
    MORE_KEPT,
    ONE_TARGET,
    RISE,
    START,
    WASHED,
    course_values,
    of_block,
    of_size,
    per_size,
    quantities,
    relearning_updates,
    than,
)
from experiments.protocols.pairs import Pair, read
from experiments.protocols.reading import READING, direction, nearest, nearest_for
from experiments.savings.phases import PERTURBATIONS

SHORT = Protocols(adaptation=3, relearning=1, probe_every=1)  # the last common probe is that of update 1


def planted(phases, networks=6):
    """A course: phase to (deviations [m], adaptations, each per probe or (probes, 8)), plus small noise."""
    rng, rows = np.random.default_rng(0), []
    for phase, (deviations, adaptations) in phases.items():
        its = [
            np.broadcast_to(np.asarray(v, float).reshape(len(v), -1), (len(v), 8))
            for v in (deviations, adaptations)
        ]
        for network in range(networks):
            for update, (deviation, adaptation) in enumerate(zip(*its, strict=True)):
                for target in range(8):
                    small = 1e-6 * rng.standard_normal(2)
                    rows.append(
                        (
                            network,
                            phase,
                            update,
                            target,
                            deviation[target] + small[0],
                            adaptation[target] + small[1],
                        )
                    )
    names = ["network", "phase", "update", "target", "lateral_deviation", "adaptation"]
    return read(pd.DataFrame(rows, columns=names))


def test_hardly_any_compensation_has_no_share_that_is_kept():
    learned, nothing = (planted({"A": ([0.0], [end]), "clamp": ([0.0], [end])}) for end in (0.6, 0.02))
    rest = planted({"A": ([0.0], [0.0]), "clamp": ([0.0], [0.0])})
    kept = course_values({"error-clamps": Pair(learned, rest)}, SHORT)["error-clamps"][KEPT]
    assert kept.shape == (6,)
    assert course_values({"error-clamps": Pair(nothing, rest)}, SHORT)["error-clamps"] == {}


def test_planted_effects_are_found_beyond_the_sham():
    """Every number of the page follows from what was planted; signs are those of A."""
    nothing = ([0.0], [0.05])
    pairs = {
        "abrupt": Pair(
            planted(
                {
                    "baseline": nothing,
                    "A": ([-0.03, -0.01], [0.05, 0.65]),
                    "washout": ([0.02, 0.0], [0.65, 0.2]),
                }
            ),
            planted(
                {
                    "baseline": nothing,
                    "A": ([0.0, 0.001], [0.05, 0.05]),
                    "washout": ([0.001, 0.0], [0.05, 0.05]),
                }
            ),
        ),
        "gradual": Pair(
            planted(
                {
                    "baseline": nothing,
                    "ramp": ([0.0, -0.012], [0.05, 0.5]),
                    "A": ([-0.013, -0.012], [0.5, 0.6]),
                    "washout": ([0.024, 0.0], [0.6, 0.1]),
                }
            ),
            planted(
                {
                    "baseline": nothing,
                    "ramp": ([0.0, 0.0], [0.05, 0.05]),
                    "A": ([0.0, 0.0], [0.05, 0.05]),
                    "washout": ([0.001, 0.0], [0.05, 0.05]),
                }
            ),
        ),
        "error-clamps": Pair(
            planted(
                {"baseline": nothing, "A": ([-0.03, -0.01], [0.05, 0.65]), "clamp": ([0.0, 0.0], [0.65, 0.5])}
            ),
            planted(
                {"baseline": nothing, "A": ([0.0, 0.0], [0.05, 0.05]), "clamp": ([0.0, 0.0], [0.05, 0.05])}
            ),
        ),
        "interference": Pair(
            planted(
                {
                    "NF1": nothing,
                    "FF1": ([-0.03, -0.01], [0, 0.5]),
                    "B": ([0.04, 0.02], [0.6, -0.3]),
                    "FF2": ([-0.035, -0.02], [-0.3, 0.2]),
                }
            ),
            planted(
                {
                    "NF1": nothing,
                    "FF1": ([0.0, 0.0], [0, 0]),
                    "B": ([0.03, 0.01], [0, -0.7]),
                    "FF2": ([-0.039, -0.028], [-0.7, 0]),
                }
            ),
        ),
        "spontaneous-recovery": Pair(
            planted(
                {
                    "baseline": nothing,
                    "A": ([-0.03], [0.6]),
                    "B": ([0.03], [0.05]),
                    "clamp": ([0, 0], [0.05, 0.15]),
                }
            ),
            planted(
                {
                    "baseline": nothing,
                    "A": ([0.0], [0.05]),
                    "B": ([0.0], [0.05]),
                    "clamp": ([0, 0], [0.05, 0.04]),
                }
            ),
        ),
    }
    numbers = quantities(course_values(pairs, SHORT), SHORT)
    expected = {
        ("abrupt", LARGEST): 30.0, ("abrupt", LEARNED): 60.0, ("abrupt", AFTER): 19.0,
        ("gradual", LARGEST): 13.0, ("gradual", AFTER): 23.0, ("gradual", GRADUAL_AFTER): 4.0,
        ("gradual", GRADUAL_LEARNED): -5.0,
        ("interference", of_block(START, AT_FIRST)): 0.0, ("interference", of_block(START, AGAIN)): -30.0,
        ("interference", of_block(START, AFTER_B)): -70.0,
        ("interference", of_block(FIRST, AT_FIRST)): 30.0, ("interference", of_block(FIRST, AGAIN)): 35.0,
        ("interference", of_block(FIRST, AFTER_B)): 39.0,
        ("interference", of_block(GAINED, AT_FIRST)): 50.0,
        ("interference", of_block(GAINED, AGAIN)): 100.0 * 0.5 / 1.3,
        ("interference", of_block(GAINED, AFTER_B)): 100.0 * 0.7 / 1.7,
        ("interference", than(FIRST, AT_FIRST)): 5.0, ("interference", than(FIRST, AFTER_B)): -4.0,
        ("interference", than(GAINED, AT_FIRST)): 100.0 * 0.5 / 1.3 - 50.0,
        ("interference", than(GAINED, AFTER_B)): 100.0 * (0.5 / 1.3 - 0.7 / 1.7),
        ("error-clamps", KEPT): 75.0, ("error-clamps", LOST): 25.0, ("error-clamps", WASHED): 25.0,
        ("error-clamps", MORE_KEPT): 50.0,
        ("spontaneous-recovery", END_OF_B): 0.0, ("spontaneous-recovery", RISE): 11.0,
        ("spontaneous-recovery", END_OF_CLAMP): 11.0,
    }  # fmt: skip
    found = {key: numbers[key[0]][key[1]].value for key in expected}
    assert found == pytest.approx(expected, abs=0.01)
    assert numbers["abrupt"][LARGEST].p is None and numbers["abrupt"][AFTER].p_holm < 1e-6
    assert numbers["interference"][of_block(GAINED, AGAIN)].p is None
    text = READING["gradual"](numbers["gradual"], SHORT)
    assert "learn less of A gradually" in text and "after-effect is larger, by 4.00 mm" in text
    text = READING["interference"](numbers["interference"], SHORT)
    assert "compensation of 0, -30 and -70 % of A" in text and "learned more slowly than at first" in text
    assert "B were still in force" in text and "does not show a memory of A" in text
    text = READING["spontaneous-recovery"](numbers["spontaneous-recovery"], SHORT)
    assert "comes back in the clamp" in text and "near zero in all of them" in text


@pytest.mark.parametrize(("every", "relearning", "updates"), [(10, 200, 200), (2, 3, 2), (10, 5, 0)])
def test_blocks_of_a_are_compared_at_a_probe_that_all_have(every, relearning, updates):
    config = Protocols(adaptation=400, relearning=relearning, probe_every=every)
    assert relearning_updates(config) == updates


def test_relearning_as_fast_as_at_first_has_the_same_share_from_every_level():
    """Networks that close the same share of what is missing, from wherever they start, relearn no faster."""

    def block(start):
        return ([-0.03, -0.02], [start, start + 0.4 * (1.0 - start)])

    nothing, b = ([0.0], [0.0]), ([0.03, 0.02], [0.0, -0.5])
    run = planted({"NF1": nothing, "FF1": block(0.02), "B": b, "FF2": block(-0.3)})
    sham = planted({"NF1": nothing, "FF1": nothing, "B": b, "FF2": block(-0.7)})
    values = course_values({"interference": Pair(run, sham)}, SHORT)["interference"]
    for block_of_a in (AT_FIRST, AGAIN, AFTER_B):
        assert values[of_block(GAINED, block_of_a)] == pytest.approx(np.full(6, 0.4), abs=1e-4)


def test_one_target_is_compared_with_the_same_one_of_eight():
    nothing, zero = np.zeros(8), ([0.0], [0.0])
    alone, others = np.array([0.9, *np.full(7, 0.3)]), np.array([0.6, *np.full(7, 0.2)])
    rest = planted({"A": ([nothing], [nothing]), "washout": zero, "probe 1": ([nothing], [nothing])})
    pairs = {
        "abrupt": Pair(planted({"A": ([nothing - 0.01], [others]), "washout": zero}), rest),
        "generalisation": Pair(planted({"A": ([nothing], [alone]), "probe 1": ([nothing], [alone])}), rest),
    }
    values = course_values(pairs, Protocols(rounds=1))
    assert values["abrupt"][ONE_TARGET] == pytest.approx(np.full(6, 0.3), abs=1e-4)


def test_single_updates_are_sorted_by_size_and_drift_is_taken_off():
    sizes, drift = (2.0, 0.5), 0.01
    config = Protocols(sizes=sizes, rounds=2)

    def course(taught):
        phases = {"baseline": ([0.0], [0.0])}
        for k, size in enumerate(sizes * 2, 1):
            phases |= {
                f"before {k}": ([0.0], [0.1]),
                f"after {k}": ([0.0], [0.1 + taught * size**0.5 + drift]),
            }
        return planted(phases)

    values = course_values({"single-trials": Pair(course(0.04), course(0.0))}, config)["single-trials"]
    assert values[of_size(2.0)] == pytest.approx(np.full(6, 0.04 * 2.0**0.5), abs=1e-5)
    assert values[of_size(0.5)] == pytest.approx(np.full(6, 0.04 * 0.5**0.5), abs=1e-5)
    assert values[per_size(0.5)] == pytest.approx(np.full(6, 0.04 * 0.5**-0.5), abs=1e-5)
    more = 0.04 * (0.5**-0.5 - 2.0**-0.5)
    assert values[FALLING] == pytest.approx(np.full(6, more), abs=1e-5)
    numbers = quantities({"single-trials": values}, config)["single-trials"]
    assert numbers[FALLING].value == pytest.approx(100 * more, abs=1e-3)
    assert {name for name, entry in numbers.items() if entry.p is not None} == {FALLING}
    text = READING["single-trials"](numbers, config)
    assert "5.7 % at size 0.5, 2.8 % at size 2" in text and f"learning rate is {config.single_rate:g}" in text


def test_generalisation_is_by_the_angle_from_the_trained_target():
    by_target = 0.6 * np.array([1.0, 0.6, 0.2, 0.1, 0.3, 0.0, 0.0, 0.4])
    rest = np.zeros(8)
    pair = Pair(
        *(
            planted({"probe 1": ([rest], [its]), "probe 2": ([rest], [its])})
            for its in (by_target + 0.05, rest + 0.05)
        )
    )
    values = course_values({"generalisation": pair}, Protocols(rounds=2))["generalisation"]
    found = {angle: values[at_angle(angle)].mean() for angle in (0, 45, 90, 135, 180, -135, -90, -45)}
    assert list(found.values()) == pytest.approx(by_target.tolist(), abs=1e-5)
    assert values[ASYMMETRY].mean() == pytest.approx(by_target[1] - by_target[7], abs=1e-5)
    beside = (by_target[2] + by_target[6]) / 2.0
    assert values[SECOND_PEAK].mean() == pytest.approx(by_target[4] - beside, abs=1e-5)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_a_constant_vector_makes_up_for_all_at_the_trained_target_and_adds_to_a_behind_it(perturbation):
    config = Protocols(perturbation=perturbation)
    found = [constant(config, angle) for angle in (0.0, 45.0, -45.0, 135.0, -135.0, 180.0)]
    assert found[0] == pytest.approx(1.0) and min(found[1:3]) > 0.0 > max(found[3:])
    assert constant(config, 180.0) == pytest.approx(constant(config, -180.0))
    turned = dataclasses.replace(config, b=-config.b, angle_deg=-config.angle_deg)
    assert constant(turned, -45.0) == pytest.approx(found[1])  # the mirror image
    small = dataclasses.replace(config, angle_deg=0.01)
    for angle in (30.0, 90.0, -120.0):
        assert constant(small, angle) == pytest.approx(np.cos(np.deg2rad(angle)), abs=1e-3)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_the_text_names_the_ideal_that_generalisation_is_nearest_to(perturbation):
    config = Protocols(perturbation=perturbation, rounds=1)
    rest, vector = np.zeros(8), np.array([constant(config, 45.0 * target) for target in range(8)])

    def measured(by_target):
        pair = Pair(*(planted({"probe 1": ([rest], [its])}) for its in (by_target, rest)))
        return quantities(course_values({"generalisation": pair}, config), config)["generalisation"]

    planted_ideals = {VECTOR[perturbation]: vector, ALONE: np.eye(8)[0], EVERYWHERE: np.ones(8)}
    for ideal, by_target in planted_ideals.items():
        numbers = measured(by_target)
        assert numbers[distance(ideal)].value == pytest.approx(0.0, abs=1e-3)
        assert nearest(numbers, config) == (ideal, [name for name in (EVERYWHERE, ALONE, VECTOR[perturbation])
                                                    if name != ideal])  # fmt: skip
        assert nearest_for(numbers, config)[ideal] == 6
        said = READING["generalisation"](numbers, config)
        assert f"nearest to {ideal} (6 of 6 networks)" in said
        assert ("negative: there" in said) == (ideal == VECTOR[perturbation])
        assert "broader" not in said
    broad = measured(np.array([1.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]))
    said = READING["generalisation"](broad, config)
    assert f"nearest to {ALONE}" in said and "broader than that: 20 % at +45 degrees and 50 % at -45" in said
    assert "asymmetric: compensation at -45 degrees is larger than at +45" in said
    assert direction(broad, at_angle(45.0)) == 1 and direction(broad, ASYMMETRY) == -1


def test_an_ideal_that_is_not_shown_to_be_the_nearest_is_named_with_its_rival():
    config = Protocols(rounds=1)
    rng, rest = np.random.default_rng(1), np.zeros(8)
    vector = np.array([constant(config, 45.0 * target) for target in range(8)])
    halfway = 0.5 * (vector + np.eye(8)[0])
    values = course_values(
        {"generalisation": Pair(*(planted({"probe 1": ([rest], [its])}) for its in (halfway, rest)))}, config
    )
    between = farther(ALONE, VECTOR["curl"])
    values["generalisation"][between] = rng.standard_normal(6)
    numbers = quantities(values, config)["generalisation"]
    assert "but not shown to be nearer than to" in READING["generalisation"](numbers, config)
