import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savings_gym.fields import (
    ChannelField,
    ConstantField,
    CurlField,
    ElasticField,
    Field,
    NullField,
    SumField,
    ViscousField,
    as_field,
    field_from_dict,
    resolve_fields,
)
from savings_gym.linear_fields import LinearFields

FIELDS = [
    NullField(),
    CurlField(8.0),
    CurlField(-5.0, onset="start"),
    ViscousField([[-10.0, 2.0], [1.0, -8.0]]),
    ElasticField(100.0),
    ElasticField([[50.0, 10.0], [10.0, 80.0]], centre=(0.1, 0.4), onset="start"),
    ConstantField((1.0, -2.0)),
    ChannelField(),
    CurlField(8.0) + ElasticField(30.0, centre=(0.0, 0.5)) + ElasticField(70.0),
]

numbers = st.floats(-2.0, 2.0)
points = st.tuples(numbers, numbers).map(np.array)


def force(field: Field, x, v, start=(0.0, 0.4), target=(0.1, 0.4)):
    """Force after go, (2,) N."""
    rows = [np.asarray(a, dtype=float)[None] for a in (start, target, x, v)]
    always, after_go = resolve_fields(field, rows[0], rows[1])
    return (always.force(*rows[2:]) + after_go.force(*rows[2:]))[0]


@given(points, points)
def test_every_field_is_its_formula(x, v):
    start = np.array([0.0, 0.4])
    assert force(NullField(), x, v) == pytest.approx([0.0, 0.0])
    assert force(CurlField(8.0), x, v) == pytest.approx([8.0 * v[1], -8.0 * v[0]])
    assert force(CurlField(-8.0), x, v) == pytest.approx(-force(CurlField(8.0), x, v))
    matrix = np.array([[-10.0, 2.0], [1.0, -8.0]])
    assert force(ViscousField(matrix), x, v) == pytest.approx(matrix @ v)
    assert force(ElasticField(100.0), x, v) == pytest.approx(100.0 * (start - x))
    assert force(ElasticField(matrix, centre=(0.2, 0.3)), x, v) == pytest.approx(matrix @ ([0.2, 0.3] - x))
    assert force(ConstantField((1.0, -2.0)), x, v) == pytest.approx([1.0, -2.0])


@given(points, points, st.floats(0.0, 6.28))
def test_channel_pulls_position_back_onto_the_line_and_leaves_it_free_along(x, v, angle):
    start, along = np.array([0.0, 0.4]), np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    f = force(ChannelField(6000.0, 250.0), x, v, start, start + 0.1 * along)
    assert f @ along == pytest.approx(0.0, abs=1e-8)
    assert f @ across == pytest.approx(-6000.0 * (x - start) @ across - 250.0 * v @ across, abs=1e-8)


def test_channel_without_a_line_runs_along_x():
    f = force(ChannelField(100.0, 0.0), [0.3, 0.5], [0.0, 0.0], [0.0, 0.4], [0.0, 0.4])
    assert f == pytest.approx([0.0, -10.0])


@settings(max_examples=50)
@given(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4), points, points)
def test_a_sum_is_the_sum_of_its_parts(fields, x, v):
    total = fields[0]
    for field in fields[1:]:
        total = total + field
    assert force(total, x, v) == pytest.approx(sum(force(field, x, v) for field in fields), abs=1e-9)


def test_onset_decides_the_slot_and_a_sum_keeps_both():
    start, target = np.zeros((1, 2)), np.ones((1, 2))
    always, after_go = resolve_fields(
        CurlField(8.0) + ConstantField((1.0, 0.0), onset="start"), start, target
    )
    assert always.active.all() and after_go.active.all()
    assert not always.B.any() and always.c[0].tolist() == [1.0, 0.0]
    assert after_go.B[0].tolist() == [[0.0, 8.0], [-8.0, 0.0]] and not after_go.c.any()


def test_rows_with_different_fields_do_not_mix():
    rng = np.random.default_rng(0)
    start, target, x, v = rng.normal(size=(4, len(FIELDS), 2))
    always, after_go = resolve_fields(FIELDS, start, target)
    for i, field in enumerate(FIELDS):
        alone = force(field, x[i], v[i], start[i], target[i])
        assert (always.force(x, v) + after_go.force(x, v))[i].tolist() == alone.tolist()


def test_put_replaces_rows():
    start, target = np.zeros((2, 2)), np.ones((2, 2))
    fields = resolve_fields(CurlField(8.0), start, target)[1]
    fields.put(np.array([1]), LinearFields.zeros(1))
    assert fields.active.tolist() == [True, False]


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.kind)
def test_fields_hash_pickle_print_and_go_through_json(field):
    assert field_from_dict(json.loads(json.dumps(field.to_dict()))) == field
    assert pickle.loads(pickle.dumps(field)) == field
    assert hash(field) == hash(as_field(field.to_dict()))
    assert eval(repr(field)) == field


def test_is_null():
    nulls = (NullField(), CurlField(0.0), SumField(()))
    assert all(field.is_null for field in nulls)
    assert not any(field.is_null for field in FIELDS[1:])
    assert as_field(None) == NullField()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CurlField(float("nan")), "b must be a finite number, got nan"),
        (lambda: CurlField("strong"), "b must be a finite number, got 'strong'"),
        (lambda: ViscousField([1.0, 2.0]), r"matrix must be finite numbers of shape \(2, 2\)"),
        (lambda: ViscousField([[1.0, np.inf], [0.0, 0.0]]), "matrix must be finite"),
        (lambda: ElasticField([[np.nan, 0.0], [0.0, 1.0]]), "stiffness must be finite"),
        (lambda: ElasticField(np.nan), "stiffness must be a finite number, got nan"),
        (lambda: ElasticField(1.0, centre=(0.0, 0.0, 0.0)), "centre must be finite"),
        (lambda: ConstantField((0.0, np.nan)), "force must be finite"),
        (lambda: ChannelField(-1.0), "stiffness must be at least 0, got -1.0"),
        (lambda: ChannelField(damping=np.inf), "damping must be a finite number, got inf"),
        (lambda: CurlField(8.0, onset="later"), "onset must be one of .*'go', 'start'.*got 'later'"),
        (lambda: field_from_dict({"kind": "swirl"}), "unknown field kind 'swirl'; the kinds are .*curl"),
        (lambda: field_from_dict({"kind": "curl"}), r"missing \['b'\]"),
        (lambda: field_from_dict({"kind": "curl", "b": 8.0, "c": 1.0}), r"unknown \['c'\]"),
        (lambda: field_from_dict({"kind": "curl", "b": np.nan}), "got nan"),
        (lambda: as_field("curl"), "a field must be a Field, its dict, or None; got 'curl'"),
        (lambda: SumField((CurlField(1.0),), onset="start"), "parts of a sum keep their own onset"),
        (lambda: resolve_fields([NullField()], np.zeros((2, 2)), np.ones((2, 2))), "1 fields .* 2 trials"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
