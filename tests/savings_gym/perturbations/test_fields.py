import json
import pickle
import subprocess
import sys
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from hypothesis import given, settings
from hypothesis import strategies as st

from savings_gym import ContextCue, ReachEnv
from savings_gym.envs.snapshot import acts, name_of
from savings_gym.perturbations.fields import (
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
)
from savings_gym.perturbations.modified import Scaled
from savings_gym.perturbations.position import AssistiveField, ErrorAugmentation, PositionField
from savings_gym.perturbations.trials import resolve_fields
from savings_gym.perturbations.visual import VisualShift
from savings_gym.task.schedule import Phase, Schedule, as_schedule

FIELDS = [
    NullField(),
    CurlField(8.0),
    CurlField(-5.0, onset="start"),
    ViscousField([[-10.0, 2.0], [1.0, -8.0]]),
    ElasticField(100.0),
    ElasticField([[50.0, 10.0], [10.0, 80.0]], centre=(0.1, 0.4), onset="start"),
    ConstantField((1.0, -2.0)),
    ConstantField((3.0, 1.0), onset="cue"),
    ChannelField(),
    PositionField(20.0),
    AssistiveField(40.0, 5.0, onset="cue"),
    ErrorAugmentation(30.0),
    CurlField(8.0) + ElasticField(30.0, centre=(0.0, 0.5)) + ElasticField(70.0),
]

numbers = st.floats(-2.0, 2.0)
points = st.tuples(numbers, numbers).map(np.array)


def force(field: Field, x, v, start=(0.0, 0.4), target=(0.1, 0.4)):
    """Force after the cue, (2,) N."""
    rows = [np.asarray(a, dtype=float)[None] for a in (start, target, x, v)]
    return total_force(resolve_fields(field, rows[0], rows[1]), *rows[2:])[0]


def total_force(by_onset, x, v):
    return sum(fields.force(x, v) for fields in by_onset)


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


def test_onset_decides_the_slot_and_a_sum_keeps_all():
    start, target = np.zeros((1, 2)), np.ones((1, 2))
    field = CurlField(8.0) + ConstantField((1.0, 0.0), onset="start") + ConstantField((0.0, 2.0), onset="cue")
    assert field_from_dict(field.to_dict()) == field
    always, after_go, after_cue = resolve_fields(field, start, target)
    assert always.active.all() and after_go.active.all() and after_cue.active.all()
    assert not always.B.any() and always.c[0].tolist() == [1.0, 0.0]
    assert after_go.B[0].tolist() == [[0.0, 8.0], [-8.0, 0.0]] and not after_go.c.any()
    assert not after_cue.B.any() and after_cue.c[0].tolist() == [0.0, 2.0]


def test_rows_with_different_fields_do_not_mix():
    rng = np.random.default_rng(0)
    start, target, x, v = rng.normal(size=(4, len(FIELDS), 2))
    by_onset = resolve_fields(FIELDS, start, target)
    for i, field in enumerate(FIELDS):
        alone = force(field, x[i], v[i], start[i], target[i])
        assert total_force(by_onset, x, v)[i].tolist() == alone.tolist()


def test_active_trials_are_those_with_a_force():
    start, target = np.zeros((2, 2)), np.ones((2, 2))
    fields = resolve_fields(CurlField(8.0), start, target)[1]
    fields.B[1], fields.K[1], fields.c[1] = 0.0, 0.0, 0.0
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


@dataclass(frozen=True)
class Gale(Field, kind="gale"):
    """A constant force, in N, where `where` says so: of reaches to the right, up at 30 degrees, or so."""

    force: float
    where: str
    shapes = {"force": ()}

    def terms(self, start, target):
        line = target - start
        acts = {
            "right": line[:, 0] > 0.05,
            "down": line[:, 1] < -0.05,
            "30 degrees": np.abs(np.arctan2(line[:, 1], line[:, 0]) - np.pi / 6) < 1e-3,
            "from the left": start[:, 0] < -0.1,
            "from afar": start[:, 1] > 0.35,
            "always": np.ones(len(start), dtype=bool),
        }[self.where]
        return {"c": self.force * np.stack([acts, np.zeros(len(start))], axis=1)}


@dataclass(frozen=True)
class SeenFromTheLeft(Field, kind="seen_from_the_left"):
    """A shift of the cursor in reaches from the left alone."""

    scored = "hand"

    def terms(self, start, target):
        return {}

    def view(self, start, target, size):
        return VisualShift((0.02, 0.0)).view(start, target, size).where(start[:, 0] < -0.1)


@pytest.mark.parametrize("where", ["right", "down", "30 degrees", "from the left", "from afar", "always"])
def test_a_field_that_acts_in_some_reaches_only_is_not_null(where):
    gale = Gale(5.0, where)
    assert not gale.is_null and not (NullField() + gale).is_null and not Scaled(gale, -1.0).is_null
    assert Gale(0.0, where).is_null and Scaled(gale, 0.0).is_null
    with pytest.raises(ValueError, match="a schedule excludes a field"):
        ReachEnv(field=gale, schedule=Schedule((Phase("A", None, 1),)))
    cue = ContextCue(ReachEnv(field=gale, targets=12))
    assert cue.reset(seed=0)[0][-1] == 1.0
    assert name_of(gale) == "gale field" and acts(gale, 2)


def test_a_view_that_changes_in_some_reaches_only_is_not_null():
    assert not SeenFromTheLeft().is_null


def test_whether_a_field_is_null_is_found_out_once():
    """Agents and wrappers ask in every step."""
    tried = []

    @dataclass(frozen=True)
    class Counted(Field, kind="counted"):
        size: float

        def terms(self, start, target):
            tried.append(len(start))
            return {"c": (self.size, 0.0)}

    for _ in range(5):
        assert not Counted(1.0).is_null and Counted(0.0).is_null
    assert len(tried) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CurlField(float("nan")), "b must be a finite number, got nan"),
        (lambda: CurlField("strong"), "b must be a finite number, got 'strong'"),
        (lambda: ViscousField([1.0, 2.0]), r"matrix must be finite numbers of shape \(2, 2\)"),
        (lambda: ViscousField([[1.0, np.inf], [0.0, 0.0]]), "matrix must be finite"),
        (lambda: ElasticField([[np.nan, 0.0], [0.0, 1.0]]), r"stiffness must be .* of shape \(2, 2\)"),
        (lambda: ElasticField(np.nan), "stiffness must be a finite number or .*, got nan"),
        (lambda: ElasticField(1.0, centre=(0.0, 0.0, 0.0)), "centre must be finite"),
        (lambda: ConstantField((0.0, np.nan)), "force must be finite"),
        (lambda: ChannelField(-1.0), "stiffness must be at least 0, got -1.0"),
        (lambda: ChannelField(damping=np.inf), "damping must be a finite number, got inf"),
        (lambda: CurlField(8.0, onset="later"), "onset must be one of .*'start', 'go', 'cue'.*got 'later'"),
        (lambda: field_from_dict({"kind": "swirl"}), "unknown field kind 'swirl' .* the kinds are .*curl"),
        (lambda: field_from_dict({"kind": "curl"}), r"lacks \['b'\]"),
        (lambda: field_from_dict({"kind": "curl", "b": 8.0, "c": 1.0}), r"does not take \['c'\]"),
        (lambda: field_from_dict({"kind": "curl", "b": np.nan}), "got nan"),
        (lambda: field_from_dict({"kind": ["curl"]}), "unknown field kind"),
        (lambda: field_from_dict([("kind", "curl")]), "unknown field kind None"),
        (lambda: field_from_dict({"kind": "curl", "b": "8"}), "b must be a finite number, got '8'"),
        (lambda: CurlField(True), "b must be a finite number, got True"),
        (lambda: CurlField(1j), "b must be a finite number, got 1j"),
        (lambda: CurlField(10**400), "b must be a finite number, got 1000"),
        (lambda: CurlField([8.0]), r"b must be a finite number, got \[8.0\]"),
        (lambda: ViscousField([[1.0, False], [0.0, 1.0]]), "matrix must be finite numbers"),
        (lambda: ViscousField([["1", 0.0], [0.0, 1.0]]), "matrix must be finite numbers"),
        (lambda: ViscousField([[1.0, 2.0], [3.0]]), "matrix must be finite numbers"),
        (lambda: ConstantField({1.0, 2.0}), "force must be finite numbers"),
        (lambda: ElasticField("100"), "stiffness must be a finite number .* got '100'"),
        (lambda: SumField(5), "fields must be a sequence of fields, got 5"),
        (lambda: SumField((CurlField(1.0), 5)), "a field must be a Field such as .*, or None; got 5"),
        (lambda: field_from_dict({"kind": "sum", "fields": "curl"}), "sequence of fields, got 'curl'"),
        (lambda: as_field("curl"), "a field must be a Field such as .*, or None; got 'curl'"),
        (lambda: SumField((CurlField(1.0),), onset="start"), "parts of a sum keep their own onset"),
        (lambda: resolve_fields([NullField()], np.zeros((2, 2)), np.ones((2, 2))), "1 fields .* 2 trials"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("number", [8, np.float32(8.0), np.float64(8.0), np.int16(8), np.array(8.0)])
def test_numbers_of_every_precision_are_floats(number):
    assert CurlField(number) == CurlField(8.0) and type(CurlField(number).b) is float
    assert ElasticField(number) == ElasticField(8.0 * np.eye(2, dtype=np.float32))
    json.dumps(CurlField(number).to_dict())


@dataclass(frozen=True)
class Wind(Field, kind="wind"):
    """Air that drags the hand along: f = drag·(speed − v)."""

    speed: tuple[float, float]
    drag: float = 2.0
    shapes = {"speed": (2,), "drag": ()}

    def terms(self, start, target):
        return {"B": -self.drag * np.eye(2), "c": self.drag * np.array(self.speed)}


def test_a_field_of_ones_own_is_one_like_the_others():
    wind = Wind([1.0, -2.0], onset="start")
    assert force(wind, [0.0, 0.0], [0.5, 0.5]) == pytest.approx([1.0, -5.0])
    for field in (wind, wind + CurlField(3.0)):
        assert field_from_dict(json.loads(json.dumps(field.to_dict()))) == field
        assert pickle.loads(pickle.dumps(field)) == field and hash(field) == hash(as_field(field.to_dict()))
    with pytest.raises(ValueError, match="Wind: speed must be finite numbers of shape"):
        field_from_dict({"kind": "wind", "speed": "strong"})


def test_a_field_of_ones_own_goes_through_spec_schedule_and_vector():
    wind = Wind((1.0, -2.0), onset="start")
    schedule = Schedule((Phase("calm", None, 1), Phase("windy", wind, 1)))
    assert as_schedule(json.loads(json.dumps(schedule.to_dict()))) == schedule
    spec = gym.make("ForceFieldReach-v0", field=wind).spec
    env = gym.make(EnvSpec.from_json(spec.to_json()))
    vector = gym.make_vec("ForceFieldReach-v0", 2, field=wind.to_dict())
    env.reset(seed=0), vector.reset(seed=0)
    assert env.unwrapped.trial_field == wind and vector.trial_fields == (wind, wind)
    for face in (env, vector):
        pushed = face.step(np.zeros(face.action_space.shape))[4]["field_force"]
        assert pushed == pytest.approx(np.broadcast_to([2.0, -4.0], pushed.shape), abs=0.2)


def test_a_kind_belongs_to_one_class():
    with pytest.raises(ValueError, match=r"kind 'curl' .* belongs to savings_gym\..*\.CurlField"):

        class Impostor(Field, kind="curl"):
            pass

    class Nameless(CurlField):
        pass

    with pytest.raises(
        TypeError, match=r"Nameless has no kind of its own: write class Nameless\(CurlField, kind"
    ):
        Nameless(8.0)

    with pytest.raises(ValueError, match="non-empty string, got ''"):

        class Empty(Field, kind=""):
            pass

    first, second = (make_gust() for _ in range(2))  # as when a cell of a notebook runs again
    assert first is not second and type(field_from_dict({"kind": "gust"})) is second


def test_a_field_of_a_script_goes_to_another_process(tmp_path):
    """A class that is defined in ``__main__`` goes along by value, and is known there by its kind."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, cloudpickle\n"
        "from dataclasses import dataclass\n"
        "from savings_gym.perturbations.fields import Field\n\n"
        "@dataclass(frozen=True)\n"
        "class Draught(Field, kind='draught'):\n"
        "    speed: float = 1.5\n\n"
        "sys.stdout.buffer.write(cloudpickle.dumps(Draught(2.5)))\n"
    )
    sent = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    field = pickle.loads(sent)
    assert field.to_dict()["kind"] == "draught" and field.speed == 2.5
    assert field_from_dict(field.to_dict()) == field


def make_gust():
    @dataclass(frozen=True)
    class Gust(Field, kind="gust"):
        def terms(self, start, target):
            return {}

    return Gust
