"""Measures and page of rehabilitation: planted recoveries are found, and sentences follow the tests."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from planted_probes import TRUE_START, plant

from experiments.rehabilitation.config import INTACT, Rehabilitation
from experiments.rehabilitation.courses import BEFORE
from experiments.rehabilitation.figure import FIGURE, caption, draw
from experiments.rehabilitation.in_short import in_short
from experiments.rehabilitation.measures import (
    CHANGED,
    COURSE,
    DEFICIT,
    FIRST,
    LEFT,
    PRACTISED,
    PRIOR,
    SAVED,
    SAVINGS,
    SIZE,
    THERAPY,
    WAITED,
    after,
    at_size,
    course_values,
    doubling,
    practice_and_rest,
    quantities,
    relearning_values,
    slopes,
)
from experiments.rehabilitation.report import page
from experiments.rehabilitation.therapy import (
    ASSISTED,
    AUGMENTED,
    DOUBLE,
    EVERYDAY,
    PRACTICE,
    SPACED,
    THERAPIES,
)

CONFIG = Rehabilitation(networks=6, dose=20, everyday=40, sessions=4, probe_every=10)
BEFORE_LESION, RIGHT_AFTER, PRACTISED_TO, LEFT_AT = 0.002, 0.03, 0.003, 0.006  # m
# errors at the end of practice and at the end, as multiples of those of practice at once
EFFECTS = {EVERYDAY: (1.0, 1.5), PRACTICE: (1.0, 1.0), DOUBLE: (0.8, 1.0), SPACED: (1.0, 0.7),
           ASSISTED: (1.5, 1.0), AUGMENTED: (1.1, 1.0)}  # fmt: skip


def probes(therapy, effects=EFFECTS, seed=0, networks=6, scale=1.0):
    """Probes of a course with an error of its own at the end of practice, and one at the end [m].

    Between them, its logarithm follows a line. Courses scatter independently.
    """
    rng = np.random.default_rng((seed, THERAPIES.index(therapy)))
    end, rest = practice_and_rest(CONFIG, therapy)
    low, last = PRACTISED_TO * effects[therapy][0], LEFT_AT * effects[therapy][1]
    rows = []
    for network in range(networks):
        own = scale * np.exp(0.3 * np.random.default_rng((seed, 99, network)).standard_normal())
        for update in (BEFORE, *range(0, end + rest + 1, 10)):
            error = {BEFORE: BEFORE_LESION, 0: RIGHT_AFTER}.get(update)
            scatter = 1.0
            if error is None:
                since = max(update - end, 0) / rest
                error = low * (last / low) ** since
                scatter = np.exp(0.03 * rng.standard_normal())
            rows += [(network, update, target, own * scatter * error) for target in range(8)]
    return pd.DataFrame(rows, columns=["network", "update", "target", "endpoint_error"])


def saved(amounts, seed=0):
    """Probes of four phases and of the sham, after every course, with savings [m]."""

    def phases(ff2):
        return pd.DataFrame(
            plant(networks=6, updates=20, noise=2e-4, start=TRUE_START | {"FF2": ff2}, seed=seed)
        )

    return {course: (phases(0.033), phases(0.033 + amount)) for course, amount in amounts.items()}


SAVE = {INTACT: 0.001, EVERYDAY: 0.002, PRACTICE: 0.003}


def planted(effects=EFFECTS, savings=SAVE, sizes=(32, 64, 128), scales=(1.0, 1.0, 1.0)):
    """Values of networks of some sizes, whose errors differ by a factor."""
    return {
        units: course_values({name: probes(name, effects, units, scale=scale) for name in THERAPIES}, CONFIG)
        | relearning_values(saved(savings, units))
        for units, scale in zip(sizes, scales, strict=True)
    }


@pytest.fixture(scope="module")
def values():
    return planted()


@pytest.fixture(scope="module")
def numbers(values):
    return quantities(values, CONFIG)


def test_planted_courses_are_found(numbers):
    """Multiples of the error before the lesion, and what everyday life undoes."""
    found = numbers[COURSE]
    expected = {DEFICIT: 15.0, after(PRACTISED, PRACTICE): 1.5, after(LEFT, PRACTICE): 3.0,
                after(LEFT, EVERYDAY): 4.5, after(PRACTISED, ASSISTED): 2.25}  # fmt: skip
    assert {name: found[name].value for name in expected} == pytest.approx(expected, rel=0.03)
    assert found[after(CHANGED, PRACTICE)].value == pytest.approx(100.0, abs=6.0)
    assert found[after(CHANGED, PRACTICE)].p_holm < 1e-4
    assert after(PRACTISED, EVERYDAY) not in found and after(CHANGED, EVERYDAY) not in found


def test_planted_effects_of_therapies_are_found(numbers):
    found = numbers[THERAPY]
    expected = {after(PRACTISED, DOUBLE): -20.0, after(PRACTISED, ASSISTED): 50.0, after(LEFT, SPACED): -30.0,
                after(LEFT, DOUBLE): 0.0}  # fmt: skip
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=5.0)
    assert {name for name, its in found.items() if its.p_holm < 0.05} >= set(expected) - {after(LEFT, DOUBLE)}
    assert found[after(LEFT, SPACED)].note == "less error in 18 of 18 networks"


def test_spaced_practice_is_compared_at_equal_time_since_practice(values):
    """A quarter of everyday life after practice at once, when its error is on its way to that of the end."""
    assert practice_and_rest(CONFIG, SPACED) == (50, 10)
    its = values[32]
    then = PRACTISED_TO * (LEFT_AT / PRACTISED_TO) ** 0.25
    assert its[after(WAITED, SPACED)] / its[PRIOR] == pytest.approx(then / BEFORE_LESION, rel=0.1)
    assert [name for name in its if name.startswith(WAITED)] == [after(WAITED, SPACED)]


def test_scale_of_errors_changes_nothing_but_the_error_before(values, numbers):
    """Networks that reach ten times as well have the same multiples, changes and tests."""
    scaled = {
        units: {name: v if name.startswith((FIRST, SAVED)) else v / 10.0 for name, v in its.items()}
        for units, its in values.items()
    }
    other = quantities(scaled, CONFIG)
    for family in (COURSE, THERAPY, SAVINGS):
        for name, entry in numbers[family].items():
            assert other[family][name].value == pytest.approx(entry.value)
            assert other[family][name].p_holm == pytest.approx(entry.p_holm)
    prior = at_size(PRIOR, 64)
    assert other[SIZE][prior].value == pytest.approx(numbers[SIZE][prior].value / 10.0)


def test_networks_that_are_alike_at_every_size_count_once(values):
    """The same numbers at three sizes make no interval narrower and no p smaller than at one."""
    one = quantities({32: values[32]}, CONFIG)
    alike = quantities({32: values[32], 64: values[32], 128: values[32]}, CONFIG)
    for name, entry in one[THERAPY].items():
        assert alike[THERAPY][name].p == pytest.approx(entry.p)
        assert alike[THERAPY][name].ci == pytest.approx(entry.ci)
    assert one[SIZE][doubling(PRIOR)].value is None
    assert alike[SIZE][doubling(PRIOR)].value == pytest.approx(0.0, abs=1e-9)


def test_sizes_do_not_add_to_the_spread_of_an_effect():
    """Errors that halve from size to size in every course leave the tests of the courses as they are."""
    same, halved = (quantities(planted(scales=s), CONFIG) for s in ((1.0, 1.0, 1.0), (4.0, 2.0, 1.0)))
    for name, entry in same[THERAPY].items():
        assert halved[THERAPY][name].p == pytest.approx(entry.p)
    change, before = (1.0 + its[SIZE][doubling(PRIOR)].value / 100.0 for its in (halved, same))
    assert change / before == pytest.approx(0.5)
    assert halved[SIZE][doubling(DEFICIT)].value == pytest.approx(0.0, abs=1e-9)


def test_slopes_are_those_of_lines():
    x = np.log2([32.0, 64.0, 128.0])
    values = np.random.default_rng(0).standard_normal((3, 5))
    assert slopes((32, 64, 128), values) == pytest.approx(np.polyfit(x, values, 1)[0])


def test_only_questions_are_tested_and_each_family_alone(values, numbers):
    """No test that a lesion hurts, none against everyday life; savings do not pay for therapies."""
    untested = [DEFICIT, *(after(name, t) for t in THERAPIES for name in (PRACTISED, LEFT))]
    assert all(numbers[COURSE][name].p is None for name in untested if name in numbers[COURSE])
    assert not any(EVERYDAY in name for name in numbers[THERAPY])
    for family, its in numbers.items():
        ps = sorted(entry.p for entry in its.values() if entry.p is not None)
        assert min(entry.p_holm for entry in its.values() if entry.p is not None) == pytest.approx(
            min(1.0, len(ps) * ps[0])
        ), family
    without = quantities(values, dataclasses.replace(CONFIG, relearn=()))
    assert without[THERAPY] == numbers[THERAPY] and not without[SAVINGS]


def test_planted_savings_are_found(numbers):
    found = numbers[SAVINGS]
    for course, amount in SAVE.items():
        assert found[after(SAVED, course)].value == pytest.approx(1e3 * amount, abs=0.1)
        assert found[after(SAVED, course)].p_holm < 0.05
    assert found[after(FIRST, INTACT)].p is None


def bullets(effects=EFFECTS, savings=SAVE, scales=(1.0, 1.0, 1.0)):
    return in_short(quantities(planted(effects, savings, scales=scales), CONFIG), CONFIG).split("\n")


def test_what_is_shown_is_stated():
    course, spacing, others, size, savings = bullets(scales=(4.0, 1.0, 0.25))
    assert "then raise it to 3.0" in course and "15 [" in course
    assert re.search(r"leaves (29|30|31) % less error \[\d+, \d+\]", spacing)
    assert "(less error in 18 of 18 networks)" in spacing
    at_practice, at_end = others.split("; at the end of the course")
    assert "% more error" in at_practice and "with assistance as needed" in at_practice
    assert "no difference shown with twice the dose, assistance as needed or error augmentation" in at_end
    assert (
        re.search(r"7\d % less error", size) and "neither the deficit nor recovery is shown to change" in size
    )
    assert "2.0 mm" in savings and "after *everyday*" in savings and "intact" not in savings


def test_what_is_not_shown_is_not_stated():
    """Without an effect, every sentence says so, and none states a direction."""
    flat = {therapy: (1.0, PRACTISED_TO / LEFT_AT) for therapy in THERAPIES}
    course, spacing, others, size, savings = bullets(flat, dict.fromkeys(SAVE, 0.0))
    assert "change it is not shown" in course and "raise" not in course
    assert spacing.startswith("- That a dose spaced out") and "is not shown (" in spacing
    assert "a difference is not shown" in spacing
    assert others.count("no difference shown") == 2
    assert "the error before the lesion is not shown to change" in size
    assert savings == "- Lesioned networks are not shown to save in a curl field after " + (
        re.search(r"\*everyday\* \(.*\) or \*practice\* \(.*\)", savings)[0] + "."
    )
    assert not re.search(r"% (less|more) error|raise|lower", "\n".join((course, spacing, others, size)))


def test_an_effect_to_the_other_side_is_stated_as_such():
    worse = EFFECTS | {SPACED: (1.0, 2.0)}
    assert "% more error" in bullets(worse)[1].partition(";")[0]
    recovers = {therapy: (1.0, 0.1) for therapy in THERAPIES}
    assert "then lower it to 0.3" in bullets(recovers)[0]


def test_the_page_has_bold_cells_a_caption_and_what_was_not_measured(numbers):
    text = page(numbers, CONFIG, "a command")
    assert re.search(r"\| \*spaced\* \| [^|]* \| \*\*-\d", text)  # bold in its row
    assert caption(CONFIG) in text and FIGURE in text
    assert "cannot be put down to the lesion" in text and "## Not measured" in text
    assert "Everyday life alone for 60 updates" in text
    assert not re.search(r"Shown:|Not shown:|p = ", text)


def test_the_caption_has_every_panel(values, numbers, tmp_path, monkeypatch):
    """As many letters as panels, whatever there is to draw."""
    from experiments.drawing import style

    letters = []
    monkeypatch.setattr(style, "letter_panels", lambda panels: letters.append(len(list(panels))))
    for config in (CONFIG, dataclasses.replace(CONFIG, sizes=(32,), relearn=())):
        its = {units: values[units] for units in config.sizes}
        tables = {units: {name: probes(name, seed=units) for name in THERAPIES} for units in config.sizes}
        draw(tables, its, quantities(its, config), config, tmp_path)
        named = re.findall(r"\*\*([a-z])(?: to ([a-z]))?\*\*", caption(config))
        assert sum(1 + (ord(last) - ord(first) if last else 0) for first, last in named) == letters.pop()
    assert (tmp_path / FIGURE).is_file()


def test_a_page_of_one_size_and_two_courses_says_no_more(values):
    config = dataclasses.replace(CONFIG, sizes=(32,), therapies=(PRACTICE, ASSISTED), relearn=(PRACTICE,))
    text = page(quantities({32: values[32]}, config), config, "a command")
    assert "Size of the networks" not in text and "everyday*" not in text and "*spaced*" not in text
    assert "At equal time" not in text and "*Intact*" not in text
