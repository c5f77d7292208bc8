"""Sessions as data: what they draw, and what they refuse."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savings_gym import (
    Block,
    CurlField,
    FieldPair,
    NullField,
    Session,
    adaptation_session,
    as_session,
    curl_pairs,
    interference_session,
    savings_session,
)
from savings_gym.task.session import SESSIONS

RIGHT, LEFT = CurlField(8.0), CurlField(-8.0)
PAIRS = (FieldPair(RIGHT, LEFT, weight=3.0), FieldPair(LEFT, RIGHT))
MIXED = Session((Block("null", None, (2, 5)), Block("A", "A", 3), Block("B", "B", (1, 2)),
                 Block("own", CurlField(2.0), 1, catch_fraction=0.25)), PAIRS)  # fmt: skip


def drawn(session, n, seed=0):
    rng = np.random.default_rng(seed)
    return [session.draw(rng) for _ in range(n)]


@given(st.integers(0, 2**32))
def test_a_session_is_a_schedule_of_its_blocks(seed):
    pair, schedule = MIXED.draw(np.random.default_rng(seed))
    assert schedule.names == MIXED.names == ("null", "A", "B", "own")
    assert [phase.field for phase in schedule.phases] == [
        NullField(), PAIRS[pair].a, PAIRS[pair].b, CurlField(2.0)
    ]  # fmt: skip
    for block, phase in zip(MIXED.blocks, schedule.phases, strict=True):
        assert block.range[0] <= phase.trials <= block.range[1]
        assert phase.catch_fraction == block.catch_fraction
    assert MIXED.trials == (7, 11) and 7 <= schedule.trials <= 11


def test_pairs_come_as_often_as_they_weigh_and_lengths_equally_often():
    sessions = drawn(MIXED, 4000)
    assert np.mean([pair == 0 for pair, _ in sessions]) == pytest.approx(0.75, abs=0.03)
    lengths = np.array([[phase.trials for phase in schedule.phases] for _, schedule in sessions])
    for column, values in ((0, (2, 3, 4, 5)), (2, (1, 2))):
        shares = [np.mean(lengths[:, column] == value) for value in values]
        assert shares == pytest.approx([1 / len(values)] * len(values), abs=0.03)
    assert abs(np.corrcoef(lengths[:, 0], [pair for pair, _ in sessions])[0, 1]) < 0.05


def test_the_default_pairs_are_curl_fields_of_both_signs_several_sizes_and_none():
    pairs = as_session("savings").pairs
    weights = {pair.a: pair.weight for pair in pairs}
    assert sum(weights.values()) == pytest.approx(1.0) and weights[NullField()] == pytest.approx(0.2)
    assert {field.b for field in weights if not field.is_null} == {4.0, -4.0, 8.0, -8.0, 12.0, -12.0}
    assert all(pair.b == CurlField(-pair.a.b) for pair in pairs if not pair.a.is_null)
    independent = curl_pairs((8.0,), null=0.5, second="independent")
    chance = {(pair.a, pair.b): pair.weight for pair in independent}
    assert len(chance) == 9 and chance[RIGHT, RIGHT] == chance[RIGHT, LEFT] == pytest.approx(1 / 16)
    assert not any(pair.a.is_null for pair in curl_pairs((1.0, 2.0), null=0.0))


def test_another_field_or_length_of_a_block_leaves_the_rest_as_it_is():
    sham = MIXED.sham("A", "own")
    for (pair, schedule), (other, shammed) in zip(drawn(MIXED, 20), drawn(sham, 20), strict=True):
        assert pair == other and schedule.boundaries == shammed.boundaries
        assert [phase.field.is_null for phase in shammed.phases] == [True, True, False, True]
        assert shammed.phases[2] == schedule.phases[2]
    fixed = Session((Block("null", None, 4), *MIXED.blocks[1:]), PAIRS)
    for (pair, schedule), (other, shorter) in zip(drawn(MIXED, 20), drawn(fixed, 20), strict=True):
        assert pair == other and schedule.phases[1:] == shorter.phases[1:]


def test_the_named_sessions_are_what_their_names_say():
    assert {name: make() for name, make in SESSIONS.items()} == {name: as_session(name) for name in SESSIONS}
    fields = {name: [block.field for block in make().blocks] for name, make in SESSIONS.items()}
    none = NullField()
    assert fields == {
        "adaptation": ["A"], "savings": [none, "A", none, "A"], "interference": ["A", "B", "A"]
    }  # fmt: skip
    assert savings_session(1, 2, 3, (4, 5), PAIRS).trials == (10, 11)
    assert adaptation_session(7, PAIRS) == Session((Block("FF1", "A", 7),), PAIRS)
    assert interference_session(ff1=2).blocks[0].trials == 2


@pytest.mark.parametrize("session", [MIXED, *(make() for make in SESSIONS.values())])
def test_sessions_pickle_hash_and_go_through_json(session):
    assert as_session(json.loads(json.dumps(session.to_dict()))) == session
    assert pickle.loads(pickle.dumps(session)) == session and as_session(session) is session
    assert hash(as_session(session.to_dict())) == hash(session)
    assert as_session({"blocks": [{"name": "x", "trials": 2}]}) == Session((Block("x", None, 2),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Block("x", "C", 1), r"block 'x': field must be one of \('A', 'B'\), .* got 'C'"),
        (lambda: Block("x", 8.0, 1), "a field must be a Field such as .*, or None; got 8.0"),
        (lambda: Block("", None, 1), "must be a non-empty string, got ''"),
        (lambda: Block("x", None, 0), "block 'x': trials must be a whole number of at least 1 .* got 0"),
        (lambda: Block("x", None, "8"), "block 'x': trials must be a whole number .* got '8'"),
        (lambda: Block("x", None, (1, 2, 3)), r"a pair \(smallest, largest\), got \(1, 2, 3\)"),
        (lambda: Block("x", None, (5, 2)), r"the smallest number first, got \(5, 2\)"),
        (lambda: Block("x", None, (1, 2.5)), "block 'x': trials must be a whole number .* got 2.5"),
        (lambda: Block("x", None, 1, catch_fraction=2.0), "catch_fraction must be .* got 2.0"),
        (lambda: FieldPair("right"), "a field must be"),
        (lambda: FieldPair(RIGHT, weight=0.0), "FieldPair: weight must be .* got 0.0"),
        (lambda: Session(()), r"blocks of a session must be a sequence of at least one, got \(\)"),
        (lambda: Session("A"), "blocks of a session must be a sequence .* got 'A'"),
        (lambda: Session((Block("x", None, 1),) * 2), r"different names, got \('x', 'x'\)"),
        (
            lambda: Session(({"name": "x"},)),
            r"must be a Block or a dict of .*\['name', 'trials'\] are needed",
        ),
        (lambda: Session((Block("x", "A", 1),), ()), "pairs of a session must be a sequence of at least one"),
        (lambda: Session((Block("x", "A", 1),), (RIGHT,)), "must be a FieldPair or a dict"),
        (lambda: as_session("four"), r"one of \('adaptation', 'savings', 'interference'\); got 'four'"),
        (lambda: as_session(None), "session must be a Session, its dict .* got None"),
        (lambda: as_session({"pairs": []}), "session must be a Session, its dict"),
        (lambda: MIXED.sham("C"), r"name of a block must be one of \('null', 'A', 'B', 'own'\), got 'C'"),
        (lambda: curl_pairs(()), "at least one size"),
        (lambda: curl_pairs((8.0,), null=1.0), "null below 1"),
        (lambda: curl_pairs((-8.0,)), "a size of a curl field must be .* got -8.0"),
        (lambda: curl_pairs(second="same"), r"second must be one of \('opposite', 'independent'\)"),
        (lambda: savings_session(pairs=PAIRS[0]), "pairs of a session must be a sequence .* got FieldPair"),
        (lambda: savings_session(ff1=0), "block 'FF1': trials must be"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
