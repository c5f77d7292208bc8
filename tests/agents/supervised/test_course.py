"""An ensemble through a schedule: its trials teach what it learns, and its table says what came of it."""

import dataclasses

import numpy as np
import pytest
import torch

from agents.supervised import course
from agents.supervised.course import PROBE, TRAIN, pretrained_learner, take_course, training_targets
from agents.supervised.learner import SupervisedLearner
from agents.supervised.losses import loss_terms
from agents.supervised.reaches import centre_out, centre_out_targets
from experiments.savings.config import FOR_ENVIRONMENTS
from savings_gym import (
    CurlField,
    ElasticField,
    NullField,
    Phase,
    Schedule,
    VisuomotorRotation,
    four_phase,
    protocol,
)
from savings_gym.arm.model import load_arm
from savings_gym.metrics.savings import savings

FIELD = CurlField(8.0)


def learner():
    return pretrained_learner(FOR_ENVIRONMENTS, 2)


def test_a_course_is_its_updates_one_after_the_other():
    ours, by_hand = learner(), learner()
    take_course(ours, Schedule((Phase("null", NullField(), 1), Phase("A", FIELD, 2))), seed=3, probe_every=1)
    for made, field in enumerate((NullField(), FIELD, FIELD)):
        rng = np.random.default_rng((3, TRAIN, made))
        by_hand.update(centre_out(2, field, rng, probe=False, targets=centre_out_targets()))
    pairs = zip(ours.ensemble.parameters(), by_hand.ensemble.parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_probes_come_at_the_beginning_on_the_way_and_at_the_end():
    table = take_course(
        learner(), Schedule((Phase("A", FIELD, 5), Phase("after 1", FIELD, 3))), probe_every=2
    )
    rows = {(phase, update) for phase, update in zip(table["phase"], table["update"], strict=True)}
    assert rows == {("A", 0), ("A", 2), ("A", 4), ("A", 5), ("after 1", 0)}
    assert len(table["phase"]) == 5 * 2 * 8 and (table["trial"] == 8 * table["update"]).all()
    last = table["lateral_deviation"].reshape(5, 16)[-2:]
    assert np.array_equal(*last), "a phase that only measures shows the networks as they were"


def test_a_ramp_begins_without_its_field():
    ramp = Schedule((Phase("ramp", FIELD, 3, sizes=(0.0, 1.0)),))
    table = take_course(learner(), ramp, FIELD, probe_every=1)
    deviation = np.abs(table["lateral_deviation"].reshape(4, -1)).mean(axis=1)
    assert deviation[0] < 0.005 < deviation[1] < deviation[2] and deviation[3] > 0.025
    assert np.isfinite(table["adaptation"]).all()


def test_every_update_has_the_size_of_its_own():
    sizes = (0.5, -1.0, 1.0)
    ours, by_hand = learner(), learner()
    take_course(ours, Schedule((Phase("A", FIELD, 3, sizes=sizes),)), seed=3)
    for made, size in enumerate(sizes):
        rng = np.random.default_rng((3, TRAIN, made))
        by_hand.update(centre_out(2, CurlField(8.0 * size), rng, probe=False, targets=centre_out_targets()))
    pairs = zip(ours.ensemble.parameters(), by_hand.ensemble.parameters(), strict=True)
    assert all(torch.allclose(first, second, atol=1e-6) for first, second in pairs)


def test_in_a_block_of_clamps_the_direction_of_the_hand_costs_nothing():
    """The position loss of hands that are turned about the start is theirs; a clamped probe's is another."""
    schedules = (protocol(name, VisuomotorRotation(30.0)) for name in ("error-clamps", "generalisation"))
    fields = {phase.name: phase.field for schedule in schedules for phase in schedule.phases}
    for name, counts in (("clamp", False), ("probe 1", True)):
        reaches = centre_out(2, fields[name], np.random.default_rng(0), probe=True, dtype=torch.float64)
        networks = SupervisedLearner(learner().ensemble.double(), rollout="plain")
        trajectory = networks.probe(reaches)
        start, losses = reaches.start[:, None], []
        for angle in np.deg2rad([0.0, 20.0, 90.0, 200.0]):
            turn = torch.tensor([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            turned = dataclasses.replace(trajectory, hand=start + (trajectory.hand - start) @ turn)
            losses.append(loss_terms(turned, reaches)["position"].numpy())
        assert (np.ptp(losses, axis=0).max() > 1e-3) == counts
        assert counts or np.ptp(losses, axis=0).max() < 1e-9


def test_a_rotation_is_measured_in_a_clamp_of_the_cursor():
    turn = VisuomotorRotation(30.0)
    table = take_course(learner(), Schedule((Phase("A", turn, 40),)), turn, probe_every=40)
    before, after = table["adaptation"].reshape(2, -1).mean(axis=1)
    assert abs(before) < 0.05 and after > before + 0.05


def test_targets_come_equally_often():
    every = training_targets(Phase("A", FIELD, 1), update=1)
    assert np.array_equal(every, centre_out_targets())
    three = [training_targets(Phase("A", FIELD, 3, targets=(6, 1, 2)), update) for update in range(3)]
    assert np.array_equal(np.concatenate(three), every[[6, 1, 2] * 8])


def test_phases_have_their_own_share_of_catch_trials(monkeypatch):
    asked = []

    def recorded(*args, **values):
        if not values["probe"]:
            asked.append(values["catch_fraction"])
        return centre_out(*args, **values)

    monkeypatch.setattr(course, "centre_out", recorded)
    take_course(learner(), Schedule((Phase("A", FIELD, 1, catch_fraction=0.25), Phase("B", FIELD, 1))))
    assert asked == [0.25, 0.5]


def test_only_phases_of_protocols_are_without_learning():
    table = take_course(learner(), Schedule((Phase("after lunch", FIELD, 2), Phase("probe 3", FIELD, 2))))
    updates = {
        name: int(table["update"][table["phase"] == name].max()) for name in ("after lunch", "probe 3")
    }
    assert updates == {"after lunch": 2, "probe 3": 0}


def test_another_arm_reaches_to_its_own_targets():
    arm = {"length": {"forearm": 1.2}}
    networks = pretrained_learner(FOR_ENVIRONMENTS, 2, arm=arm)
    table = take_course(networks, Schedule((Phase("null", NullField(), 1),)), FIELD)
    changed = load_arm("muscle", arm)
    rng = np.random.default_rng((0, PROBE))
    reaches = centre_out(2, NullField(), rng, probe=True, arm=changed)
    hand = pretrained_learner(FOR_ENVIRONMENTS, 2, arm=arm).probe(reaches).hand[:, -1].numpy()
    error = np.linalg.norm(hand - centre_out_targets(changed), axis=-1)
    assert table["endpoint_error"][:16].reshape(2, 8) == pytest.approx(error, abs=1e-6)
    assert not np.allclose(centre_out_targets(changed), centre_out_targets(), atol=0.01)


def test_probes_have_equal_noise_and_equal_seeds_give_equal_tables():
    schedule = Schedule((Phase("null", NullField(), 2),))
    first, second, other = (take_course(learner(), schedule, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["lateral_deviation"], other["lateral_deviation"])
    quiet = learner().probe(centre_out(2, NullField(), np.random.default_rng((0, PROBE)), probe=True))
    assert np.isfinite(quiet.hand.numpy()).all()


def test_savings_are_read_from_the_table():
    table = take_course(learner(), four_phase(nf1=1, ff1=12, nf2=1, ff2=12), probe_every=3)
    found = savings(table, resamples=199).to_dict()["savings"]["initial"]
    assert found["difference"] > 0.0, "a washout of one update leaves most of what was learned"


def test_what_cannot_be_measured_is_refused_first():
    networks = learner()
    before = networks.ensemble.initial.detach().clone()
    with pytest.raises(ValueError, match="a channel measures adaptation to a CurlField"):
        take_course(networks, four_phase(nf1=1, ff1=1, nf2=1, ff2=1), ElasticField(10.0))
    with pytest.raises(ValueError, match="has the targets"):
        take_course(networks, Schedule((Phase("A", FIELD, 1, targets=(8,)),)))
    with pytest.raises(ValueError, match="probe_every must be"):
        take_course(networks, four_phase(nf1=1, ff1=1, nf2=1, ff2=1), probe_every=0)
    assert torch.equal(before, networks.ensemble.initial)


def test_what_is_raised_before_an_update_ends_the_course():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_course(learner(), four_phase(nf1=1, ff1=1, nf2=1, ff2=1), before_update=stop)


def test_networks_in_float64_go_the_same_way():
    single, double = learner(), SupervisedLearner(learner().ensemble.double(), rollout="plain")
    schedule = Schedule((Phase("A", FIELD, 1),))
    tables = [take_course(each, schedule, FIELD) for each in (single, double)]
    assert tables[0]["adaptation"] == pytest.approx(tables[1]["adaptation"], abs=2e-3)
