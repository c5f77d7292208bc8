"""Every field of a phase acts in an environment, or the environment refuses it."""

import dataclasses
import json

import numpy as np
import pytest

from savings_gym import (
    BCIReachEnv,
    BCIReachVectorEnv,
    CurlField,
    DecoderPhase,
    NullField,
    Phase,
    PhaseSchedule,
    ReachEnv,
    ReachSessionEnv,
    ReachVectorEnv,
    Scaled,
    Schedule,
    as_schedule,
    population_vector,
)
from savings_gym.bci.schedule import as_decoder_schedule
from savings_gym.sb3 import SavingsCallback

DECODER = population_vector(4)
ROTATED = DECODER.rotated(90.0)
CURL = CurlField(8.0)


def two(cls, **changes):
    """A phase of two trials, with some fields changed, and a plain one after it."""
    of_kind = {"decoder": DECODER} if cls is DecoderPhase else {"field": None}
    return Schedule((cls(**{"name": "A", "trials": 2, **of_kind, **changes}), cls("B", *of_kind.values(), 9)))


def first_trials(env, n=3):
    """(row of infos, phase, field or decoder) of the first trials; of the first row of a vector."""
    seen = []
    for trial in range(n):
        _, info = env.reset(seed=3 if trial == 0 else None)
        phase = env.trial_phases[0] if hasattr(env, "trial_phases") else env.get_wrapper_attr("trial_phase")
        if hasattr(env, "trial_phases"):
            info = {name: value[0] for name, value in info.items()}
            perturbed = env.trial_decoders[0] if hasattr(env, "trial_decoders") else env.trial_fields[0]
        else:
            perturbed = getattr(env.unwrapped, "trial_decoder", None) or env.unwrapped.trial_field
        seen.append((info, phase.name, perturbed))
        env.step(np.zeros(env.action_space.shape))
    return seen


def acts(name, seen):
    """Whether a field of the first phase, of the value in `VALUES`, shows in its trials."""
    infos, phases, perturbed = zip(*seen, strict=True)
    return {
        "name": phases == ("start", "start", "B"),
        "field": perturbed[:2] == (CURL, CURL) and perturbed[2].is_null if name == "field" else None,
        "trials": phases == ("A", "B", "B"),
        "catch_fraction": [bool(info["catch"]) for info in infos[:2]] == [True, True],
        "sizes": perturbed[:2] == (Scaled(CURL, 0.5), Scaled(CURL, 2.0)),
        "targets": [int(info["target"]) for info in infos[:2]] == [5, 5],
        "decoder": perturbed == (ROTATED, ROTATED, DECODER),
    }[name]


VALUES = {
    "name": {"name": "start"},
    "field": {"field": CURL},
    "trials": {"trials": 1},
    "catch_fraction": {"catch_fraction": 1.0},
    "sizes": {"field": CURL, "sizes": (0.5, 2.0)},
    "targets": {"targets": (5,)},
    "decoder": {"decoder": ROTATED},
}
ENVIRONMENTS = {
    "arm": (Phase, lambda schedule: ReachEnv(schedule=schedule, catch_fraction=0.0)),
    "arms": (Phase, lambda schedule: ReachVectorEnv(2, schedule=schedule, catch_fraction=0.0)),
    "wrapper": (Phase, lambda schedule: PhaseSchedule(ReachEnv(catch_fraction=0.0), schedule)),
    "cursor": (DecoderPhase, lambda schedule: BCIReachEnv(schedule=schedule, catch_fraction=0.0)),
    "cursors": (DecoderPhase, lambda schedule: BCIReachVectorEnv(2, schedule=schedule, catch_fraction=0.0)),
}
REFUSED = {  # field of a phase, environments that refuse it, and how
    ("targets", "wrapper"): "PhaseSchedule does not choose targets",
    ("field", "cursor"): "a phase of a cursor has no field",
    ("field", "cursors"): "a phase of a cursor has no field",
    ("sizes", "cursor"): "a phase of a cursor has no sizes",
    ("sizes", "cursors"): "a phase of a cursor has no sizes",
    ("decoder", "arm"): "phase 'A' has a decoder: use BCIReach-v0",
    ("decoder", "arms"): "phase 'A' has a decoder: use BCIReach-v0",
    ("decoder", "wrapper"): "phase 'A' has a decoder: use BCIReach-v0",
}


def test_every_field_of_a_phase_is_tested():
    assert {field.name for cls in (Phase, DecoderPhase) for field in dataclasses.fields(cls)} == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_field_of_a_phase_acts_or_is_refused(environment, name):
    cls, make = ENVIRONMENTS[environment]
    if (name, environment) not in REFUSED:
        schedule = two(cls, **VALUES[name])
        assert acts(name, first_trials(make(schedule)))
        other = as_decoder_schedule if cls is DecoderPhase else as_schedule
        again = other(json.loads(json.dumps(schedule.to_dict())))
        assert again == schedule and acts(name, first_trials(make(again.to_dict())))
        return
    value = VALUES[name][name]
    given = {name: value.to_dict() if hasattr(value, "to_dict") else value}
    needed = {"name": "A", "trials": 2} | ({"decoder": DECODER.to_dict()} if cls is DecoderPhase else {})
    phase = needed | given
    with pytest.raises(ValueError, match=REFUSED[name, environment]):
        make({"phases": [phase]})
    if cls is DecoderPhase:
        with pytest.raises(TypeError, match=name):
            DecoderPhase("A", DECODER, 2, **{name: given[name]})


@pytest.mark.parametrize(
    "take",
    [
        lambda schedule: ReachEnv(schedule=schedule),
        lambda schedule: ReachVectorEnv(2, schedule=schedule),
        lambda schedule: ReachEnv().set_schedule(schedule),
        lambda schedule: ReachVectorEnv(2).set_schedule(schedule),
        lambda schedule: PhaseSchedule(ReachEnv(), schedule),
        as_schedule,
    ],
)
def test_an_arm_takes_no_phase_with_a_decoder(take):
    schedule = Schedule((Phase("NF1", None, 2), DecoderPhase("FF1", DECODER, 2)))
    for given in (schedule, schedule.to_dict()):
        with pytest.raises(ValueError, match="phase 'FF1' has a decoder: use BCIReach-v0"):
            take(given)


def test_a_callback_for_arms_takes_no_phase_with_a_decoder():
    pytest.importorskip("stable_baselines3")
    with pytest.raises(ValueError, match="phase 'A' has a decoder: use BCIReach-v0"):
        SavingsCallback(two(DecoderPhase), 2)


def test_the_targets_of_a_cursor_come_once_in_a_block_and_must_be_there():
    schedule = Schedule((DecoderPhase("A", DECODER, 6, targets=(2, 5, 7)), DecoderPhase("B", DECODER, 8)))
    targets = [int(info["target"]) for info, _, _ in first_trials(BCIReachEnv(schedule=schedule), 14)]
    assert sorted(targets[:3]) == sorted(targets[3:6]) == [2, 5, 7] and sorted(targets[6:]) == list(range(8))
    for make in (BCIReachEnv, lambda **given: BCIReachVectorEnv(2, **given)):
        with pytest.raises(ValueError, match=r"phase 'A' has the targets \(2, 5, 7\); there are 4"):
            make(schedule=schedule, targets=4)
        with pytest.raises(ValueError, match=r"phase 'A' has the targets \(2, 5, 7\); there are 4"):
            make(units=4, targets=4).set_schedule(schedule)
    with pytest.raises(ValueError, match="phase 'A': targets must be different"):
        DecoderPhase("A", DECODER, 6, targets=(1, 1))


def test_a_decoder_phase_is_data():
    phase = DecoderPhase("FF1", DECODER.to_dict(), 80, 0.25, (1,))
    assert phase == DecoderPhase(name="FF1", decoder=DECODER, trials=80, catch_fraction=0.25, targets=(1,))
    assert hash(phase) == hash(DecoderPhase("FF1", DECODER, 80, 0.25, (1,)))
    assert dataclasses.replace(phase, trials=3) == DecoderPhase("FF1", DECODER, 3, 0.25, (1,))
    assert phase.field == NullField() and phase.field_at(7) == NullField()
    assert set(phase.to_dict()) == {"name", "decoder", "trials", "catch_fraction", "targets"}
    older = {"name": "FF1", "field": NullField().to_dict(), "trials": 80, "catch_fraction": None}
    (read,) = as_decoder_schedule({"phases": [older | {"decoder": DECODER.to_dict()}]}).phases
    assert read == DecoderPhase("FF1", DECODER, 80)


def test_a_session_refuses_a_schedule_whatever_its_phases():
    for schedule in (two(Phase), two(DecoderPhase)):
        with pytest.raises(ValueError, match="a session draws its own schedule"):
            ReachSessionEnv().set_schedule(schedule)
