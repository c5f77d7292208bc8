"""Every number of the study has one reason that would be given if ours differed."""

from collections import Counter

from experiments.figures.reasons import NAMED, REASONS, why_they_differ
from experiments.study import BATCHES, INITIAL_FF1, REFERENCE, SLOPE, curve


def test_every_number_of_the_study_has_exactly_one_reason():
    assert Counter(name for reason in REASONS for name in reason.names) == dict.fromkeys(REFERENCE, 1)


def test_reasons_are_given_for_what_differs_and_for_nothing_else():
    rows = [{"name": name, "verdict": "agrees"} for name in REFERENCE]
    assert why_they_differ(rows) == "None of them does."
    rows = [row | {"verdict": "differs"} if row["name"] in (SLOPE, INITIAL_FF1) else row for row in rows]
    first, second = why_they_differ(rows).splitlines()
    assert first.startswith(f"- *{INITIAL_FF1}*: Probably the integrator") and "*integrator*" in first
    assert second.startswith(f"- *{SLOPE}*: Of a displacement")


def test_of_many_numbers_with_one_reason_the_first_are_named():
    names = [curve(phase, batch) for phase in ("FF1", "FF2") for batch in BATCHES[1:]]
    told = why_they_differ({"name": name, "verdict": "differs"} for name in names)
    assert told.startswith(
        f"- *{'; '.join(names[:NAMED])}* and {len(names) - NAMED} more: The curves start lower"
    )
