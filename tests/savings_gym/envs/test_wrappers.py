import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from savings_gym import (
    BCI_ENV_IDS,
    ContextCue,
    CurlField,
    ForceField,
    NullField,
    Phase,
    PhaseSchedule,
    ReachEnv,
    ReachVectorEnv,
    RecordTrials,
    Schedule,
    VectorContextCue,
    four_phase,
)

SCHEDULE = four_phase(CurlField(8.0), nf1=2, ff1=1, nf2=2, ff2=1)


def test_force_field_replaces_the_field_and_options_go_first():
    env = ForceField(gym.make("NullFieldReach-v0"), CurlField(-4.0))
    env.reset(seed=0)
    assert env.unwrapped.trial_field == CurlField(-4.0)
    env.reset(options={"field": NullField(), "target": 3})
    assert env.unwrapped.trial_field.is_null
    outer = ForceField(env, CurlField(2.0))
    outer.reset()
    assert outer.unwrapped.trial_field == CurlField(2.0)


def test_a_wrapped_field_acts_like_one_from_the_constructor():
    wrapped = ForceField(ReachEnv(), {"kind": "curl", "b": 8.0})
    built = ReachEnv(field=CurlField(8.0))
    assert (wrapped.reset(seed=0)[0] == built.reset(seed=0)[0]).all()
    for _ in range(60):
        left, right = wrapped.step(np.full(6, 0.1)), built.step(np.full(6, 0.1))
        assert (left[0] == right[0]).all()
        assert (left[4]["field_force"] == right[4]["field_force"]).all()


def test_a_phase_schedule_is_the_schedule_of_the_constructor():
    wrapped, built = PhaseSchedule(ReachEnv(), SCHEDULE), ReachEnv(schedule=SCHEDULE)
    for trial in range(8):
        seed = 7 if trial == 0 else None
        (left, told), (right, known) = wrapped.reset(seed=seed), built.reset(seed=seed)
        assert (left == right).all()
        assert all(
            told[name] == known[name] for name in ("phase", "trial", "schedule_done", "target", "catch")
        )
        assert wrapped.unwrapped.trial_field == built.trial_field
        wrapped.reset(), built.reset()
        for _ in range(3):
            told, known = wrapped.step(np.zeros(6))[4], built.step(np.zeros(6))[4]
            assert all(told[name] == known[name] for name in ("phase", "trial", "schedule_done"))
    assert told["phase"] == 3 and wrapped.trial_phase.name == "FF2" and told["schedule_done"]
    assert wrapped.reset(seed=7)[1]["trial"] == 0


def test_a_phase_schedule_carries_the_share_of_catch_trials():
    env = PhaseSchedule(ReachEnv(), Schedule((Phase("a", None, 5, 0.0), Phase("b", None, 5, 1.0))))
    catch = []
    for _ in range(10):
        catch.append(env.reset()[1]["catch"])
        env.step(np.zeros(6))
    assert catch == [False] * 5 + [True] * 5


def test_the_context_cue_says_whether_there_is_a_field():
    env = ContextCue(ReachEnv(schedule=SCHEDULE))
    cues = []
    for _ in range(6):
        observation, _ = env.reset()
        later = env.step(np.zeros(6))[0]
        assert observation.shape == later.shape == (18,) and observation[-1] == later[-1]
        cues.append(observation[-1])
    assert cues == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]


def test_the_context_cue_tells_contexts_apart():
    env = ContextCue(ForceField(ReachEnv(), CurlField(-8.0)), [None, CurlField(8.0), CurlField(-8.0)])
    assert env.reset(seed=0)[0][-3:].tolist() == [0.0, 0.0, 1.0]
    assert env.reset(options={"field": CurlField(8.0)})[0][-3:].tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match=r"the trial's field CurlField.*b=3.0.* none of the contexts"):
        env.reset(options={"field": CurlField(3.0)})


def test_wrapped_envs_pass_the_checker_and_go_through_json(recwarn):
    env = gym.make("NullFieldReach-v0")
    env = ContextCue(PhaseSchedule(ForceField(env, CurlField(8.0)), SCHEDULE), [NullField(), CurlField(8.0)])
    check_env(env, skip_render_check=True)
    assert [
        str(w.message) for w in recwarn if "is different from the unwrapped version" not in str(w.message)
    ] == []
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(again, ContextCue) and again.contexts == (NullField(), CurlField(8.0))
    assert again.env.schedule == SCHEDULE
    assert again.env.env.field == CurlField(8.0)
    assert (again.reset(seed=0)[0] == env.reset(seed=0)[0]).all()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("contexts", [None, [NullField(), CurlField(8.0)]])
def test_the_cue_of_a_vector_environment_is_that_of_its_environments(mode, contexts):
    arguments = {"schedule": SCHEDULE, "max_episode_steps": 5, "autoreset_mode": mode}
    env = VectorContextCue(ReachVectorEnv(2, **arguments), contexts)
    plain = ReachVectorEnv(2, **arguments)
    observation, known = env.reset(seed=0)[0], plain.reset(seed=0)[0]
    length = 1 if contexts is None else 2
    assert env.observation_space.shape == observation.shape == (2, 17 + length)
    assert env.single_observation_space.shape == (17 + length,) and env.num_envs == 2
    cues = set()
    for _ in range(40):
        before = [float(not field.is_null) for field in plain.trial_fields]
        observation, _, _, _, info = env.step(np.zeros((2, 6)))
        known, _, _, _, other = plain.step(np.zeros((2, 6)))
        now = [float(not field.is_null) for field in plain.trial_fields]
        assert env.observation_space.contains(observation)
        assert (observation[:, :17] == known).all() and observation[:, -1].tolist() == now
        if "final_obs" in info:
            for i in range(2):
                assert (info["final_obs"][i][:17] == other["final_obs"][i]).all()
                assert info["final_obs"][i][-1] == before[i]
        cues.add(tuple(now))
    assert cues == {(0.0, 0.0), (1.0, 1.0)}


WRAPPERS = {
    "ForceField": lambda env: ForceField(env, CurlField(3.0)),
    "PhaseSchedule": lambda env: PhaseSchedule(env, SCHEDULE),
    "ContextCue": ContextCue,
    "RecordTrials": RecordTrials,
}


@pytest.mark.parametrize("env_id", ["Pendulum-v1", *BCI_ENV_IDS])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_an_environment_that_does_not_reach_is_refused(wrapper, env_id):
    with pytest.raises(ValueError, match=f"{wrapper} needs a ReachEnv, wrapped or not, got .*{env_id}"):
        WRAPPERS[wrapper](gym.make(env_id))


@pytest.mark.parametrize("wrapper", ["ForceField", "PhaseSchedule"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.make("SavingsReach-v0", schedule=SCHEDULE),
        lambda: ContextCue(ReachEnv(schedule=SCHEDULE)),
        lambda: PhaseSchedule(ReachEnv(), SCHEDULE),
        lambda: ContextCue(PhaseSchedule(ReachEnv(), SCHEDULE)),
    ],
    ids=["made", "inside", "wrapper", "wrapper inside"],
)
def test_phases_keep_their_own_fields(make, wrapper):
    """Another field would be learned under the names of the phases."""
    with pytest.raises(ValueError, match=f"{wrapper} needs an environment without a schedule, .*'FF1'"):
        WRAPPERS[wrapper](make())


@pytest.mark.parametrize("wrapper", ["ForceField", "PhaseSchedule", "RecordTrials"])
def test_sessions_keep_their_own_fields(wrapper):
    with pytest.raises(ValueError, match=f"{wrapper} needs episodes that are trials, not sessions"):
        WRAPPERS[wrapper](gym.make("ReachSession-v0"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContextCue(ReachEnv(), 5), "contexts must be None or a sequence .* got 5"),
        (lambda: ContextCue(ReachEnv(), []), r"contexts must be None or a sequence .* got \[\]"),
        (lambda: ContextCue(ReachEnv(), ["curl"]), "a field must be a Field such as .*, or None; got 'curl'"),
        (lambda: ContextCue(ReachEnv(), [None, NullField()]), "must differ from each other"),
        (lambda: VectorContextCue(gym.make_vec("CartPole-v1", 2)), "needs a ReachVectorEnv"),
        (lambda: ForceField(ReachEnv(), "curl"), "a field must be a Field such as .*, or None; got 'curl'"),
        (lambda: PhaseSchedule(ReachEnv(), None), "needs a schedule, got None"),
        (lambda: PhaseSchedule(ReachEnv(), 5), "a schedule must be a Schedule, .* got 5"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
