"""Measures and page of rehabilitation: planted recoveries are found, and sentences follow the tests."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from planted_probes import TRUE_START, plant

from experiments.rehabilitation.config import INTACT, INTACT_PRACTICE, Rehabilitation
from experiments.rehabilitation.courses import BEFORE, REACHES, UNPRACTISED
from experiments.rehabilitation.figure import FIGURE, caption, draw
from experiments.rehabilitation.in_short import in_short
from experiments.rehabilitation.measures import (
    CAUSES,
    CHANGED,
    COURSE,
    DEFICIT,
    FIRST,
    GENERALISED,
    LEFT,
    OF_COURSE,
    OF_LESION,
    OTHER_COURSE,
    OTHER_THERAPY,
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
    unpractised,
)
from experiments.rehabilitation.report import page
from experiments.rehabilitation.therapy import (
    ASSISTED,
    AUGMENTED,
    DOUBLE,
    EVERYDAY,
    PRACTICE,
    SPACED,
)

CONFIG = Rehabilitation(networks=6, dose=20, everyday=40, sessions=4, probe_every=10)
BEFORE_LESION, RIGHT_AFTER, PRACTISED_TO, LEFT_AT = 0.002, 0.03, 0.003, 0.006  # m
OTHERS_BEFORE, OTHERS_AFTER, OTHERS_PRACTISED_TO, OTHERS_LEFT_AT = 0.004, 0.040, 0.020, 0.008  # m
OTHERS = (OTHERS_BEFORE, OTHERS_AFTER, OTHERS_PRACTISED_TO, OTHERS_LEFT_AT)  # in unpractised reaches
# errors at the end of practice and at the end, as multiples of those of practice at once
EFFECTS = {EVERYDAY: (1.0, 1.5), PRACTICE: (1.0, 1.0), DOUBLE: (0.8, 1.0), SPACED: (1.0, 0.7),
           ASSISTED: (1.5, 1.0), AUGMENTED: (1.1, 1.0), INTACT_PRACTICE: (0.5, 0.5)}  # fmt: skip


def probes(course, effects=EFFECTS, seed=0, networks=6, scale=1.0, others=OTHERS):
    """Probes of a course with an error of its own at the end of practice, and one at the end [m].

    Between them, its logarithm follows a line. Courses scatter independently. The errors of unpractised
    reaches, `others`, are alike in all courses but for the scatter: before and right after the lesion, until
    the end of practice, and later.
    """
    rng = np.random.default_rng((seed, list(EFFECTS).index(course)))
    end, rest = practice_and_rest(CONFIG, course)
    low, last = PRACTISED_TO * effects[course][0], LEFT_AT * effects[course][1]
    rows = []
    for network in range(networks):
        own = scale * np.exp(0.3 * np.random.default_rng((seed, 99, network)).standard_normal())
        for update in (BEFORE, *range(0, end + rest + 1, 10)):
            its = {BEFORE: (BEFORE_LESION, others[0]), 0: (RIGHT_AFTER, others[1])}.get(update)
            scatter = 1.0
            if its is None:
                since = max(update - end, 0) / rest
                its = low * (last / low) ** since, others[2 if update <= end else 3]
                scatter = np.exp(0.03 * rng.standard_normal())
            for name, error, count in zip(REACHES, its, (8, UNPRACTISED), strict=True):
                rows += [(network, update, name, target, own * scatter * error) for target in range(count)]
    return pd.DataFrame(rows, columns=["network", "update", "reaches", "target", "endpoint_error"])


def saved(amounts, seed=0):
    """Probes of four phases and of the sham, after every course, with savings [m]."""

    def phases(ff2):
        return pd.DataFrame(
            plant(networks=6, updates=20, noise=2e-4, start=TRUE_START | {"FF2": ff2}, seed=seed)
        )

    return {course: (phases(0.033), phases(0.033 + amount)) for course, amount in amounts.items()}


SAVE = {INTACT: 0.001, INTACT_PRACTICE: 0.0015, EVERYDAY: 0.002, PRACTICE: 0.003}


def planted(effects=EFFECTS, savings=SAVE, sizes=(32, 64, 128), scales=(1.0, 1.0, 1.0), others=OTHERS):
    """Values of networks of some sizes, whose errors differ by a factor."""
    return {
        units: course_values(
            {name: probes(name, effects, units, scale=scale, others=others) for name in CONFIG.courses},
            CONFIG,
        )
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
    assert found[after(LEFT, INTACT_PRACTICE)].value == pytest.approx(1.5, rel=0.03)


def test_planted_generalisation_is_found(numbers):
    """Practice halves the error in other reaches; everyday life brings it to a fifth."""
    found = numbers[OTHER_COURSE]
    assert found[DEFICIT].value == pytest.approx(10.0) and found[DEFICIT].p is None
    assert found[after(PRACTISED, PRACTICE)].value == pytest.approx(5.0, rel=0.03)
    assert found[after(LEFT, EVERYDAY)].value == pytest.approx(2.0, rel=0.03)
    for name, change in ((after(GENERALISED, PRACTICE), -50.0), (after(CHANGED, PRACTICE), -60.0)):
        assert found[name].value == pytest.approx(change, abs=3.0) and found[name].p_holm < 1e-4
    tested = {name for name in found if name.startswith(GENERALISED)}
    assert tested == {after(GENERALISED, name) for name in (PRACTICE, DOUBLE, ASSISTED, AUGMENTED)}
    beside = numbers[OTHER_THERAPY]
    assert after(LEFT, EVERYDAY) in beside and not any(name.startswith(WAITED) for name in beside)
    assert all(abs(its.value) < 5.0 for its in beside.values())


def test_errors_in_one_kind_of_reaches_leave_the_other_alone(values, numbers):
    """Ten times the error in unpractised reaches changes no number of practised ones, and reversely."""
    for kind, kept in ((True, (COURSE, THERAPY, SIZE)), (False, (OTHER_COURSE, OTHER_THERAPY))):
        late = (DEFICIT, PRACTISED, LEFT, WAITED)
        changed = {
            units: {
                name: v * 10.0
                if name.startswith(unpractised("")) == kind
                and name.removeprefix(unpractised("")).startswith(late)
                else v
                for name, v in its.items()
            }
            for units, its in values.items()
        }
        other = quantities(changed, CONFIG)
        assert all(other[family] == numbers[family] for family in kept)
        family = OTHER_COURSE if kind else COURSE
        assert other[family][DEFICIT].value == pytest.approx(10.0 * numbers[family][DEFICIT].value)


def test_planted_effects_of_therapies_are_found(numbers):
    found = numbers[THERAPY]
    expected = {after(PRACTISED, DOUBLE): -20.0, after(PRACTISED, ASSISTED): 50.0, after(LEFT, SPACED): -30.0,
                after(LEFT, DOUBLE): 0.0, after(LEFT, EVERYDAY): 50.0}  # fmt: skip
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
    config = dataclasses.replace(CONFIG, relearn=("intact-spaced",))
    tables = {name: probes(name) for name in (PRACTICE, SPACED)} | {"intact-spaced": probes(SPACED)}
    assert after(WAITED, "intact-spaced") not in course_values(tables, config)


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
    """No test that a lesion hurts; everyday life only at the end; savings do not pay for therapies."""
    untested = [DEFICIT, *(after(name, t) for t in CONFIG.courses for name in (PRACTISED, LEFT))]
    for family in (COURSE, OTHER_COURSE):
        assert all(numbers[family][name].p is None for name in untested if name in numbers[family])
    assert [name for name in numbers[THERAPY] if EVERYDAY in name] == [after(LEFT, EVERYDAY)]
    for family, its in numbers.items():
        ps = sorted(entry.p for entry in its.values() if entry.p is not None)
        assert min(entry.p_holm for entry in its.values() if entry.p is not None) == pytest.approx(
            min(1.0, len(ps) * ps[0])
        ), family
    without = quantities(values, dataclasses.replace(CONFIG, relearn=()))
    assert without[THERAPY] == numbers[THERAPY] and not without[SAVINGS] and not without[CAUSES]


def test_planted_savings_are_found(numbers):
    found = numbers[SAVINGS]
    for course, amount in SAVE.items():
        assert found[after(SAVED, course)].value == pytest.approx(1e3 * amount, abs=0.1)
        assert found[after(SAVED, course)].p_holm < 0.05
    assert found[after(FIRST, INTACT)].p is None


def test_planted_causes_of_savings_are_found(numbers):
    """The lesion adds 1.5 mm and the course 0.5 mm, which is all that practice has beyond intact."""
    found = numbers[CAUSES]
    lesion, course = found[after(OF_LESION, PRACTICE)], found[after(OF_COURSE, PRACTICE)]
    assert (lesion.value, course.value) == pytest.approx((1.5, 0.5), abs=0.1)
    assert lesion.p_holm < 0.05 and course.p_holm < 0.05
    savings = [numbers[SAVINGS][after(SAVED, name)].value for name in (PRACTICE, INTACT)]
    assert lesion.value + course.value == pytest.approx(savings[0] - savings[1])
    assert not any(EVERYDAY in name for name in found)
    by_size = [found[at_size(after(OF_LESION, PRACTICE), units)] for units in CONFIG.sizes]
    assert np.mean([its.value for its in by_size]) == pytest.approx(lesion.value)
    assert all(its.p is None for its in by_size)


def test_causes_are_differences_within_networks(values):
    """Savings that differ from network to network alike in all courses are no noise of the differences."""
    own = np.linspace(-0.01, 0.01, 6)
    spread = {
        units: {name: v + own if name.startswith(SAVED) else v for name, v in its.items()}
        for units, its in values.items()
    }
    wide, narrow = (quantities(its, CONFIG) for its in (spread, values))
    name = after(OF_LESION, PRACTICE)
    assert wide[CAUSES][name].p == pytest.approx(narrow[CAUSES][name].p)
    assert wide[SAVINGS][after(SAVED, PRACTICE)].p > narrow[SAVINGS][after(SAVED, PRACTICE)].p


def bullets(effects=EFFECTS, savings=SAVE, scales=(1.0, 1.0, 1.0), others=OTHERS):
    numbers = quantities(planted(effects, savings, scales=scales, others=others), CONFIG)
    return in_short(numbers, CONFIG).split("\n")


def test_what_is_shown_is_stated():
    course, other, everyday, spacing, others, size, savings, causes = bullets(scales=(4.0, 1.0, 0.25))
    assert "then raise it to 3.0" in course and "15 [" in course
    assert "Recovery by practice generalises: in 16 reaches" in other
    assert "it lowers the error from 10" in other and "then lower it to 2.0" in other
    assert re.search(r"60 updates of everyday life alone leave (49|50|51) % more error \[", everyday)
    assert (
        "a difference in reaches that were not practised" in everyday
        and "20 of practice with 40 of everyday life" in everyday
    )
    assert re.search(r"leaves (29|30|31) % less error \[\d+, \d+\]", spacing)
    assert "(less error in 18 of 18 networks)" in spacing
    at_practice, at_end = others.split("; at the end of the course")
    assert "% more error" in at_practice and "with assistance as needed" in at_practice
    assert "no difference shown with twice the dose, assistance as needed or error augmentation" in at_end
    assert (
        re.search(r"7\d % less error", size) and "neither the deficit nor recovery is shown to change" in size
    )
    assert "2.0 mm" in savings and "after *everyday*" in savings and "intact" not in savings
    assert re.search(r"After \*practice\*, lesioned networks save 1\.[456]\d? mm more \[", causes)
    assert re.search(r"and intact networks save 0\.[456]\d? mm more \[", causes)


def test_what_is_not_shown_is_not_stated():
    """Without an effect, every sentence says so, and none states a direction."""
    flat = {name: (1.0, PRACTISED_TO / LEFT_AT) for name in EFFECTS}
    still = (OTHERS_BEFORE, OTHERS_AFTER, OTHERS_AFTER, OTHERS_AFTER)
    sentences = bullets(flat, dict.fromkeys(SAVE, 0.0), others=still)
    course, other, everyday, spacing, others, size, savings, causes = sentences
    assert "change it is not shown" in course and "raise" not in course
    assert other.startswith("- That practice changes the error in 16 reaches") and "is not shown" in other
    assert "change it is not shown" in other and "enerali" not in other
    assert (
        "are not shown to leave another error" in everyday
        and "in reaches that were not practised (" in everyday
    )
    assert (
        "savings are not shown to differ" in causes and "savings of intact networks are not shown" in causes
    )
    assert spacing.startswith("- That a dose spaced out") and "is not shown (" in spacing
    assert "a difference is not shown" in spacing
    assert others.count("no difference shown") == 2
    assert "the error before the lesion is not shown to change" in size
    assert savings == "- Lesioned networks are not shown to save in a curl field after " + (
        re.search(r"\*everyday\* \(.*\) or \*practice\* \(.*\)", savings)[0] + "."
    )
    assert not re.search(r"(%|mm) (less|more)|raise|lower", "\n".join(sentences))


def test_an_effect_that_only_its_interval_shows_is_a_possibility(numbers):
    name = after(LEFT, DOUBLE)
    entry = dataclasses.replace(numbers[THERAPY][name], value=-9.8, ci=(-18.3, -0.4), p=0.04, p_holm=0.13)
    said = in_short(numbers | {THERAPY: numbers[THERAPY] | {name: entry}}, CONFIG)
    assert (
        "at the end of the course, perhaps 9.8 % less error [0.4, 18.3] with twice the dose (though that "
        "does not survive the correction) and no difference shown with assistance as needed or error "
        "augmentation"
    ) in said


def test_an_effect_to_the_other_side_is_stated_as_such():
    worse = EFFECTS | {SPACED: (1.0, 2.0)}
    assert "% more error" in bullets(worse)[3].partition(";")[0]
    recovers = {name: (1.0, 0.1) for name in EFFECTS}
    assert "then lower it to 0.3" in bullets(recovers)[0]
    hurts = (OTHERS_BEFORE, OTHERS_AFTER, 2.0 * OTHERS_AFTER, OTHERS_AFTER)
    other, fewer = bullets(others=hurts)[1], bullets(savings=SAVE | {INTACT_PRACTICE: 0.005})[-1]
    assert "does not generalise" in other and "it raises the error from 10" in other
    assert "mm less [" in fewer and "mm more [" in fewer


def test_the_page_has_bold_cells_a_caption_and_what_was_not_measured(numbers):
    text = page(numbers, CONFIG, "a command")
    assert re.search(r"\| \*spaced\* \| [^|]* \| \*\*-\d", text)  # bold in its row
    assert caption(CONFIG) in text and FIGURE in text
    assert re.search(r"\| \*everyday\* \| - \| \*\*\d", text)  # tested at the end only
    assert "## Reaches that were not practised" in text and "## Savings: lesion and course" in text
    assert "| lesion | *practice* - *intact-practice* |" in text
    assert "Savings of intact networks after *everyday*" in text.partition("## Not measured")[2]
    assert "for as many updates:" not in text
    whole = dataclasses.replace(CONFIG, relearn=(INTACT, INTACT_PRACTICE, PRACTICE))
    assert "Not measured" not in page(numbers, whole, "a command")
    assert not re.search(r"Shown:|Not shown:|p = ", text)


def test_the_caption_has_every_panel(values, numbers, tmp_path, monkeypatch):
    """As many letters as panels, whatever there is to draw."""
    from experiments.drawing import style

    letters = []
    monkeypatch.setattr(style, "letter_panels", lambda panels: letters.append(len(list(panels))))
    for config in (CONFIG, dataclasses.replace(CONFIG, sizes=(32,), relearn=())):
        its = {units: values[units] for units in config.sizes}
        tables = {
            units: {name: probes(name, seed=units) for name in config.courses} for units in config.sizes
        }
        draw(tables, its, quantities(its, config), config, tmp_path)
        named = re.findall(r"\*\*([a-z])(?: to ([a-z]))?\*\*", caption(config))
        assert sum(1 + (ord(last) - ord(first) if last else 0) for first, last in named) == letters.pop()
    assert (tmp_path / FIGURE).is_file()


def test_a_page_of_one_size_and_two_courses_says_no_more(values):
    config = dataclasses.replace(CONFIG, sizes=(32,), therapies=(PRACTICE, ASSISTED), relearn=(PRACTICE,))
    text = page(quantities({32: values[32]}, config), config, "a command")
    assert "Size of the networks" not in text and "everyday*" not in text and "*spaced*" not in text
    assert "At equal time" not in text and "*intact" not in text and "lesion and course" not in text
    assert "for as many updates:" in text.partition("## Not measured")[2]
