import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savings_gym.perturbations.fields import CurlField, NullField
from savings_gym.perturbations.modified import Scaled
from savings_gym.task.schedule import Phase, Schedule, as_schedule, four_phase


def test_the_four_phase_protocol_is_that_of_the_study():
    schedule = four_phase()
    assert schedule.names == ("NF1", "FF1", "NF2", "FF2")
    assert schedule.boundaries == (0, 80_000, 105_600, 185_600, 211_200)
    assert [phase.field for phase in schedule.phases] == [NullField(), CurlField(8.0)] * 2
    assert four_phase(CurlField(-8.0)).phases[3].field == CurlField(-8.0)
    assert four_phase({"kind": "curl", "b": 5.0}).phases[1].field == CurlField(5.0)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_boundaries_are_exact(lengths):
    schedule = Schedule(tuple(Phase(f"P{i}", NullField(), n) for i, n in enumerate(lengths)))
    expected = [f"P{i}" for i, n in enumerate(lengths) for _ in range(n)]
    assert [schedule.phase_at(trial).name for trial in range(schedule.trials)] == expected
    assert not schedule.done(schedule.trials - 1)
    assert schedule.done(schedule.trials)
    assert schedule.phase_at(schedule.trials + 5) == schedule.phases[-1]


def test_schedules_pickle_hash_and_go_through_json():
    schedule = four_phase(nf1=3, ff1=2, nf2=3, ff2=2)
    assert as_schedule(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert hash(schedule) == hash(as_schedule(schedule.to_dict()))
    assert as_schedule(None) is None
    assert as_schedule({"phases": [{"name": "rest", "trials": 4}]}).phases[0] == Phase("rest", NullField(), 4)


@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=12), st.integers(0, 20))
def test_a_phase_has_a_size_for_every_trial(sizes, after):
    """Of two numbers, first and last, a phase of two trials has both readings alike."""
    phase = Phase("A", CurlField(8.0), len(sizes), sizes=sizes)
    for k, size in enumerate([*sizes, *sizes[-1:] * after]):
        assert phase.field_at(k) == (CurlField(8.0) if size == 1.0 else Scaled(CurlField(8.0), size))
    schedule = Schedule((Phase("before", None, 3), phase))
    assert [schedule.field_at(3 + k) for k in range(len(sizes))] == list(
        map(phase.field_at, range(len(sizes)))
    )
    assert as_schedule(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert (
        pickle.loads(pickle.dumps(phase))
        == phase
        == Phase("A", CurlField(8.0), len(sizes), sizes=np.array(sizes))
    )


def test_two_sizes_of_many_trials_are_the_first_and_the_last():
    phase = Phase("A", CurlField(8.0), 5, sizes=(-1.0, 0.5))
    assert [phase.field_at(k).size for k in range(7)] == [-1.0, -0.625, -0.25, 0.125, 0.5, 0.5, 0.5]


def test_numbers_of_numpy_are_numbers():
    phase = Phase("A", None, np.int32(3), np.float32(0.5))
    assert phase == Phase("A", None, 3, 0.5)
    json.dumps(Schedule([phase]).to_dict())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Phase("FF1", CurlField(8.0), 0),
            "phase 'FF1': trials must be a whole number of at least 1, got 0",
        ),
        (lambda: Phase("FF1", CurlField(8.0), 2.5), "got 2.5"),
        (lambda: Phase("FF1", CurlField(8.0), True), "got True"),
        (lambda: Phase("", NullField(), 1), "name of a phase"),
        (lambda: Phase("FF1", "curl", 1), "a field must be"),
        (
            lambda: Phase("FF1", None, 1, catch_fraction=1.5),
            "catch_fraction must be .* at least 0 and at most 1, got 1.5",
        ),
        (lambda: Phase("FF1", None, 1, catch_fraction="x"), "catch_fraction must be .* got 'x'"),
        (lambda: Phase("FF1", None, 1, catch_fraction=True), "catch_fraction must be .* got True"),
        (
            lambda: Phase("FF1", None, 4, sizes=(1.0, 0.5, 0.0)),
            "phase 'FF1': sizes must be 2 numbers, of the first and the last trial, or 4, one for every "
            "trial; got 3",
        ),
        (lambda: Phase("FF1", None, 4, sizes=np.ones(5)), "'FF1': sizes must be 2 .* or 4, .* got 5"),
        (lambda: Phase("FF1", None, 4, sizes=()), "'FF1': sizes must be 2 .* or 4, .* got 0"),
        (lambda: Phase("FF1", None, 3, sizes=(1.0, np.nan, 0.0)), "'FF1': sizes must be finite numbers"),
        (lambda: Phase("FF1", None, 2, sizes="ab"), "'FF1': sizes must be finite numbers .* got 'ab'"),
        (lambda: Phase("FF1", None, 2, sizes=np.array(1.0)), "'FF1': sizes must be finite numbers"),
        (lambda: Phase("FF1", None, "8"), "trials must be a whole number of at least 1, got '8'"),
        (lambda: Schedule(()), "at least one phase"),
        (lambda: Schedule("FF1"), "sequence of Phases or dicts, got 'FF1'"),
        (lambda: as_schedule({"phases": 5}), "sequence of Phases or dicts, got 5"),
        (lambda: as_schedule({"phases": [5]}), r"a phase must be .*\['name', 'trials'\] are needed; got 5"),
        (lambda: Schedule((Phase("A", None, 1), Phase("A", None, 1))), "different names"),
        (lambda: Schedule(({"name": "A"},)), "a phase must be"),
        (lambda: four_phase().phase_at(-1), "counted from 0, got -1"),
        (lambda: as_schedule([1, 2]), "a schedule must be"),
        (lambda: four_phase(nf2=0), "phase 'NF2': trials must be"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
