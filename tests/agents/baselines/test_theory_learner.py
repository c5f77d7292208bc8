"""Theories that move the arm: they learn from what they see, and reach against what they expect."""

import numpy as np
import pytest

from agents.baselines.theory import TheoryLearner
from savings_gym import CurlField, NullField, Probe
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.models.names import MODELS, make_model

ARMS = 8


def learner(field=None, theory="one-rate", seed=0, **settings):
    def make_env(arms, **mode):
        return ReachVectorEnv(arms, field=field, nthread=1, **mode)

    return TheoryLearner(make_env, seed, theory, arms=ARMS, **settings)


def errors_of(agent, trials):
    """Let an agent learn; return the error of every batch, and what it expected before each and after all."""
    errors, expected, reach = [], [agent.expectation], agent._reach

    def recorded():
        errors.append(reach())
        return errors[-1]

    agent._reach = recorded
    for _ in range(trials // ARMS):
        agent.learn(ARMS)
        expected.append(agent.expectation)
    return errors, expected


@pytest.fixture(scope="module")
def course():
    agent = learner(CurlField(8.0), parameters={"learning": 0.2})
    return agent, *errors_of(agent, 5 * ARMS)


def test_it_learns_as_its_theory_says_from_the_errors_it_sees(course):
    _, errors, expected = course
    memory = make_model("one-rate", learning=0.2).memory()
    for error, x in zip(errors, expected, strict=False):
        assert memory.expect() == x
        memory.learn(error)
    assert memory.expect() == expected[-1]
    assert expected == sorted(expected) and expected[-1] > 0.4


def test_the_error_it_sees_is_what_it_does_not_expect(course):
    """In the field the error is about 1 - x of the whole, seen late, with noise and feedback."""
    _, errors, expected = course
    assert np.array(errors) == pytest.approx(1.0 - np.array(expected[:-1]), abs=0.1)


def test_what_it_expects_it_makes_up_for(course):
    agent, *_ = course
    probe, field = Probe(agent.env.settings), CurlField(8.0)
    agent.expectation = 0.0
    naive, none = (probe(agent, f, number=0).mean("lateral_deviation") for f in (field, NullField()))
    assert naive - none == pytest.approx(agent.whole_errors.mean())
    agent.expectation = 0.5
    assert probe.channel(agent, field, number=0).adaptation.mean() == pytest.approx(0.5, abs=0.05)
    after_effect = probe(agent, NullField(), number=0).mean("lateral_deviation")
    assert after_effect - none == pytest.approx(-0.5 * agent.whole_errors.mean(), rel=0.25)


def test_without_a_field_it_expects_hardly_any():
    _, expected = errors_of(learner(theory="two-rate"), 3 * ARMS)
    assert np.abs(expected).max() < 0.03


def test_batches_without_a_cue_teach_nothing(monkeypatch):
    agent = learner(CurlField(8.0), parameters={"retention": 0.5})
    agent.memory.learn(1.0)
    agent.expectation = before = agent.memory.expect()
    monkeypatch.setattr(agent, "_reach", lambda: None)
    agent.learn(4 * ARMS)
    assert agent.expectation == before != 0.0


def test_what_is_saved_goes_on_alike(tmp_path):
    agent = learner(CurlField(8.0), "coin", seed=3, parameters={"particles": 10})
    agent.learn(ARMS)
    agent.save(tmp_path / "agent")
    other = learner(CurlField(8.0), "coin", seed=4, parameters={"particles": 10})
    other.load(tmp_path / "agent")
    for each in (agent, other):
        for error in (0.5, 0.2):
            each.memory.learn(error)
            each.expectation = each.memory.expect()
    assert agent.expectation == other.expectation


@pytest.mark.parametrize("trials", [ARMS + 1, -ARMS])
def test_arms_share_the_trials_evenly(course, trials):
    with pytest.raises(ValueError, match="trials must be a"):
        course[0].learn(trials)


@pytest.mark.parametrize("theory", MODELS)
def test_memories_step_by_step_are_simulations(theory):
    from savings_gym.models.design import Design

    design, model = Design.of_blocks((0.0, 3), (1.0, 10), ("channel", 3), (-1.0, 5)), make_model(theory)
    memory, simulated = model.memory(), model.simulate(design)
    for t in range(design.trials):
        assert memory.expect() == simulated.expectation[t]
        memory.learn(None if design.channel[t] else float(simulated.error[t]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"theory": "three-rates"}, "theory must be one of .*three-rate.*, got 'three-rates'"),
        (
            {"parameters": {"forgetting": 0.1}},
            "parameter of one-rate must be one of .*retention.*'forgetting'",
        ),
        ({"parameters": {"retention": 2.0}}, "retention"),
        ({"b": 0.0}, "b must not be 0"),
    ],
)
def test_bad_arguments_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        learner(**settings)
