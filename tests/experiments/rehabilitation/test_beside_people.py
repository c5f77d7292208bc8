"""Therapies beside what was found in people: every course has a finding, and directions are compared."""

import pytest

from experiments.rehabilitation.beside_people import PUBLISHED, same_direction
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE, THERAPIES


def test_every_course_but_the_references_has_a_published_finding_with_its_source():
    assert set(PUBLISHED) == set(THERAPIES) - {EVERYDAY, PRACTICE}
    assert all("doi 10." in its.text or "same review" in its.text for its in PUBLISHED.values())


@pytest.mark.parametrize(
    ("people", "networks", "words"),
    [
        (-1, -1, "yes"),
        (-1, 1, "no: the opposite"),
        (-1, 0, "no difference shown in networks"),
        (0, 0, "no difference shown in either"),
        (0, -1, "no: a difference in networks only"),
        (None, -1, "open"),
    ],
)
def test_directions_agree_only_where_both_are_known(people, networks, words):
    assert same_direction(people, networks).startswith(words)
