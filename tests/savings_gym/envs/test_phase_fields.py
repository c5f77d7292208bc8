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


FACES = {  # single environment, vector environment, and a phase with targets
    "arm": (ReachEnv, ReachVectorEnv, lambda targets: Phase("A", CURL, 8, targets=targets)),
    "cursor": (
        lambda: BCIReachEnv(units=4),
        lambda n: BCIReachVectorEnv(n, units=4),
        lambda targets: DecoderPhase("A", ROTATED, 8, targets=targets),
    ),
}


def stepped(env):
    """What is seen, and the info, after a step."""
    observation, _, _, _, info = env.step(np.zeros(env.action_space.shape))
    return observation, info


@pytest.mark.parametrize("face", FACES)
def test_a_new_schedule_draws_targets_of_waiting_trials_again_that_its_phase_excludes(face):
    """Such a trial goes to a target of the phase, which begins a block; nothing else of it changes."""
    _, make, phase = FACES[face]
    env, allowed, n = make(8), (1, 4, 6), 8
    _, before = env.reset(seed=2)
    noise, states = env.task.trials.noise.copy(), [rng.bit_generator.state for rng in env._rngs]
    excluded = ~np.isin(before["target"], allowed)
    assert excluded.any() and not excluded.all()
    env.set_schedule(Schedule((phase(allowed),)))
    used = [rng.bit_generator.state != state for rng, state in zip(env._rngs, states, strict=True)]
    assert used == excluded.tolist() and (env.task.trials.noise == noise).all()
    observation, info = stepped(env)
    assert np.isin(info["target"], allowed).all()
    assert (info["target"] == before["target"])[~excluded].all()
    assert all((info[name] == before[name]).all() for name in ("go_time", "catch", "trial"))
    at = observation[:, 2:4] if face == "cursor" else observation[:, 14:16]
    assert at == pytest.approx(info["target_position"], abs=1e-7)
    offset = info["target_position"] - env.task.trials.start
    angle = np.pi / 4 * info["target"]
    assert offset == pytest.approx(0.10 * np.stack([np.cos(angle), np.sin(angle)], axis=1), abs=1e-12)
    targets = [info["target"]]
    for _ in range(8):
        targets.append(env.reset()[1]["target"])
        env.step(np.zeros(env.action_space.shape))
    for i in range(n):
        blocks = np.array(targets)[:, i] if excluded[i] else np.array(targets)[1:7, i]
        assert (np.sort(blocks.reshape(-1, 3)) == allowed).all()


@pytest.mark.parametrize("face", FACES)
def test_a_single_environment_and_its_row_draw_a_target_again_alike(face):
    make_one, make, phase = FACES[face]
    for seed in range(4):
        one, many = make_one(), make(1)
        one.reset(seed=seed), many.reset(seed=[seed])
        for env in (one, many):
            env.set_schedule(Schedule((phase((2, 5)),)))
        for _ in range(5):
            (seen, info), (seen_by_row, infos) = stepped(one), stepped(many)
            assert info["target"] == infos["target"][0] and info["target"] in (2, 5)
            assert seen_by_row[0] == pytest.approx(seen, abs=1e-12)
            one.reset(), many.reset()


@pytest.mark.parametrize("face", FACES)
def test_a_new_schedule_leaves_targets_that_a_reset_chose_and_those_under_way(face):
    _, make, phase = FACES[face]
    env = make(2)
    env.reset(seed=0, options={"target": 3})
    env.set_schedule(Schedule((phase((0,)),)))
    assert stepped(env)[1]["target"].tolist() == [3, 3]
    env.set_schedule(Schedule((phase((7,)),)))
    assert stepped(env)[1]["target"].tolist() == [3, 3]
    assert env.reset()[1]["target"].tolist() == [7, 7]
    env.set_schedule(Schedule((phase((1,)),)))
    assert env.reset()[1]["target"].tolist() == [1, 1]  # drawn again, in the place of the last
    env.set_schedule(None)
    assert stepped(env)[1]["target"].tolist() == [1, 1]


@pytest.mark.parametrize("face", FACES)
def test_rows_that_share_their_trials_go_to_the_targets_of_their_phases(face):
    kind = ReachVectorEnv if face == "arm" else BCIReachVectorEnv
    phase = FACES[face][2]
    env = kind(4, shared_trials=True)
    if face == "cursor":
        env = kind(4, units=4, shared_trials=True)
    env.reset(seed=1)
    phases = (phase((2,)), phase((6,)), phase((3,)))
    named = [dataclasses.replace(p, name=name, trials=2) for p, name in zip(phases, "ABC", strict=True)]
    env.set_schedule(Schedule(tuple(named)))
    assert stepped(env)[1]["target"].tolist() == [2, 2, 6, 6]
    assert env.reset()[1]["target"].tolist() == [3, 3, 3, 3]


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
