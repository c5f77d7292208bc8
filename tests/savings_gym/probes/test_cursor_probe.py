"""Probes of the cursor: of any policy, repeatable, and recorded as those of the arm."""

import numpy as np
import pytest

from savings_gym import BCIReachEnv, CurlField, ProbeRecorder, ReachEnv
from savings_gym.bci.decoder import make_decoder, population_vector
from savings_gym.bci.schedule import perturbed_phases
from savings_gym.metrics.savings import savings
from savings_gym.probes.cursor import CursorProbe

ANGLES = np.arange(12) * np.pi / 6
TUNING = np.stack([np.cos(ANGLES), np.sin(ANGLES)])
INTUITIVE = make_decoder(0.02 * TUNING, (0.0, 0.0), 0.8)


def tuned(observation, turn=0.0):
    """Units with cosine tuning to the way from the cursor to the goal, which is turned by an angle."""
    away = np.where(observation[:, 4:] > 0.0, observation[:, 2:4], 0.0) - observation[:, :2]
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return 3.0 * away @ rotation @ TUNING


def test_tuned_units_reach_under_the_intuitive_decoder_and_err_by_a_rotation():
    probe = CursorProbe(BCIReachEnv(schedule=perturbed_phases(INTUITIVE, INTUITIVE)).settings)
    result = probe(tuned, INTUITIVE)
    assert result.path.shape == (8, 101, 2) and result.activity.shape == (8, 100, 12)
    assert np.abs(result.columns["lateral_deviation"]).max() < 1e-3
    turned = probe(tuned, INTUITIVE.rotated(30.0).to_dict())
    assert np.abs(turned.columns["initial_direction_error"]) == pytest.approx(np.full(8, np.pi / 6), abs=0.02)
    undone = probe(lambda seen: tuned(seen, -np.pi / 6), INTUITIVE.rotated(30.0))
    assert undone.columns["endpoint_error"] == pytest.approx(result.columns["endpoint_error"], abs=1e-3)


def test_equal_numbers_have_equal_noise():
    settings = BCIReachEnv(decoder=INTUITIVE, noise={"excitation": 0.3}).settings
    first, other = CursorProbe(settings), CursorProbe(settings)
    results = [first(tuned, INTUITIVE), first(tuned, INTUITIVE), other(tuned, INTUITIVE, number=1)]
    assert np.array_equal(results[1].path, results[2].path)
    assert not np.array_equal(results[0].path, results[1].path)


def test_probes_of_a_planted_learner_give_its_savings():
    """A learner that turns its tuning by a rate per trial, and keeps some of that through the washout."""
    schedule = perturbed_phases(INTUITIVE, INTUITIVE.rotated(30.0), 15, 15, 15, 15)
    probe, recorder, turn = CursorProbe(BCIReachEnv(schedule=schedule).settings), ProbeRecorder(), 0.0
    for phase, left in zip(schedule.phases, (0.0, -np.pi / 6, -0.1, -np.pi / 6), strict=True):
        for update in range(4):
            recorder.add(probe(lambda seen: tuned(seen, turn), phase.decoder), phase.name, update, 5 * update)  # noqa: B023
            turn += 0.7 * (left - turn)
    summary = savings(recorder.table(), window=1)
    assert summary.initial.difference > 1e-3


def test_a_probe_frees_its_environment():
    probe = CursorProbe(BCIReachEnv(decoder=INTUITIVE).settings)
    assert not probe._env.closed
    probe.close()
    assert probe._env.closed
    probe.close()


def test_what_is_no_cursor_is_refused():
    with pytest.raises(ValueError, match="settings must be those of a BCIReachEnv"):
        CursorProbe(ReachEnv(field=CurlField(8.0)).settings)
    with pytest.raises(ValueError, match="must have 12 units"):
        CursorProbe(BCIReachEnv(decoder=INTUITIVE).settings)(tuned, population_vector(3))


def test_activity_is_what_moved_the_cursor_and_policies_see_through_a_view():
    settings, firsts = BCIReachEnv(decoder=INTUITIVE).settings, []

    def view(observation, first):
        firsts.append(first)
        return observation - observation

    def policy(observation):
        assert not observation.any()
        return np.full((8, 12), 7.0)

    result = CursorProbe(settings, view=view)(policy, INTUITIVE)
    assert (result.activity == 1.0).all()
    assert firsts == [True] + 99 * [False]


def test_the_settings_of_the_arm_are_refused_in_a_short_message():
    with pytest.raises(ValueError, match="must be those of a BCIReachEnv") as error:
        CursorProbe(ReachEnv().settings)
    assert len(str(error.value)) < 600
