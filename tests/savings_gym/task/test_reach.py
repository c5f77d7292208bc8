"""Physics and timing of the task: what acts when, what is seen when."""

import mujoco
import numpy as np
import pytest

from savings_gym import (
    ChannelField,
    ConstantField,
    CurlField,
    Delays,
    ElasticField,
    NullField,
    ReachEnv,
    ReachVectorEnv,
    RewardWeights,
    ViscousField,
)
from savings_gym.arm.model import load_arm
from savings_gym.task.rewards import REWARD_TERMS, ROUGH, SHORTEST_REACH, reward_terms

TEST_TRIAL = {"noise": False, "go_time": 0.2, "catch_fraction": 0.0}


def excitations(env, steps=100, seed=0, scale=0.3):
    """Smooth random actions (steps, actuators)."""
    rng = np.random.default_rng(seed)
    raw = rng.uniform(-1.0, 1.0, (steps + 8, env.action_space.shape[0]))
    smooth = np.stack([np.convolve(column, np.ones(9) / 9.0, "valid") for column in raw.T], axis=1)
    return scale * (np.abs(smooth) if env.action_space.low[0] == 0.0 else smooth)


def run(env, actions, **reset):
    """Observations (T + 1, ...), and the infos of reset and all steps."""
    observation, info = env.reset(seed=0, options=reset)
    observations, infos = [observation], [info]
    for action in actions:
        observation, reward, _, _, info = env.step(action)
        observations.append(observation)
        infos.append({**info, "reward": reward})
    return np.array(observations), infos


def positions(infos):
    return np.array([info["hand_position"] for info in infos])


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
@pytest.mark.parametrize(
    "field",
    [
        NullField(),
        CurlField(8.0),
        CurlField(-8.0) + ConstantField((1.0, -0.5), onset="start"),
        ElasticField(80.0, onset="start") + ViscousField([[-5.0, 1.0], [2.0, -3.0]]),
        ChannelField(),
        CurlField(8.0, onset="cue") + ConstantField((0.5, 1.0)),
    ],
    ids=lambda field: "+".join(part.kind for part in field.parts()) or "null",
)
def test_the_field_acts_as_its_transposed_jacobian_says(actuation, field):
    """Against a loop over mj_step with MuJoCo's own Jacobian and the formula of the field."""
    env = ReachEnv(actuation=actuation, field=field, **TEST_TRIAL)
    actions = excitations(env)
    _, infos = run(env, actions, target=1)
    arm, start, target = load_arm(actuation), infos[0]["hand_position"], infos[0]["target_position"]
    model, data = arm.model, mujoco.MjData(arm.model)
    data.qpos[:], data.act[:] = arm.start, 0.001
    low, high = arm.control_range.T
    site, jacobian = model.site("hand").id, np.zeros((3, 2))
    parts = [(part.onset, part.coefficients(start[None], target[None])) for part in field.parts()]
    for t, action in enumerate(actions):
        data.ctrl[:] = np.clip(action * high, low, high)
        forces = []
        for _ in range(5):
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_jacSite(model, data, jacobian, None, site)
            x, v = data.site_xpos[site, :2].copy(), jacobian[:2] @ data.qvel
            force = np.zeros(2)
            for onset, linear in parts:
                if t >= {"start": 0, "go": 20, "cue": 27}[onset]:
                    force += linear.B[0] @ v + linear.K[0] @ (linear.x0[0] - x) + linear.c[0]
            data.qfrc_applied[:] = jacobian[:2].T @ force
            mujoco.mj_step(model, data)
            forces.append(force)
        assert infos[t + 1]["field_force"] == pytest.approx(np.mean(forces, axis=0), abs=1e-9)
        mujoco.mj_kinematics(model, data)
        assert infos[t + 1]["hand_position"] == pytest.approx(data.site_xpos[site, :2], abs=1e-10)
    assert np.ptp(positions(infos), axis=0).max() > 0.01


def test_a_field_changes_the_movement_and_a_null_field_does_not():
    actions = excitations(ReachEnv())
    free, curl, null = (
        positions(run(ReachEnv(field=field, **TEST_TRIAL), actions)[1])
        for field in (None, CurlField(8.0), CurlField(0.0))
    )
    assert (free == null).all()
    assert (free[:21] == curl[:21]).all()
    assert np.abs(free - curl).max() > 0.005


def test_a_null_row_does_not_notice_that_other_rows_are_in_a_field():
    """Both routes through the physics, with and without forces at every physics step, are one."""
    env = ReachVectorEnv(2, **TEST_TRIAL)
    actions = excitations(ReachEnv())
    env.reset(seed=0, options={"target": 0, "field": [NullField(), CurlField(8.0, onset="start")]})
    alone = positions(run(ReachEnv(**TEST_TRIAL), actions, target=0)[1])
    for t, action in enumerate(actions):
        _, _, _, _, info = env.step(np.stack([action, action]))
        assert (info["hand_position"][0] == alone[t + 1]).all()


@pytest.mark.parametrize("target", [0, 3])
def test_a_channel_keeps_the_hand_on_the_line_and_is_pushed_across_it(target):
    env = ReachEnv(field=ChannelField(onset="start"), **TEST_TRIAL)
    actions = excitations(env, scale=0.5)
    _, infos = run(env, actions, target=target)
    _, free = run(ReachEnv(**TEST_TRIAL), actions, target=target)
    start = infos[0]["hand_position"]
    along = (infos[0]["target_position"] - start) / 0.10
    across = np.array([-along[1], along[0]])
    forces = np.array([info["field_force"] for info in infos[1:]])
    assert np.abs((positions(infos) - start) @ across).max() < 0.003
    assert np.abs((positions(free) - start) @ across).max() > 0.01
    assert np.abs((positions(infos) - start) @ along).max() > 0.01
    assert np.abs(forces @ along).max() < 1e-9 and np.abs(forces @ across).max() > 1.0


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
@pytest.mark.parametrize("delays", [Delays(), Delays(vision=0.0, proprioception=0.05), None])
def test_delays_are_exact(actuation, delays):
    env = ReachEnv(actuation=actuation, field=CurlField(8.0), delays=delays, **TEST_TRIAL)
    actions = excitations(env)
    observations, infos = run(env, actions)
    seen_late = 0 if delays is None else round(delays.vision * 100)
    felt_late = 0 if delays is None else round(delays.proprioception * 100)
    arm = env.task.arm
    q = arm.inverse_kinematics(positions(infos))
    hand_velocity = np.array([info["hand_velocity"] for info in infos])
    v = np.linalg.solve(arm.hand_jacobian(q), hand_velocity[..., None])[..., 0]
    if actuation == "muscle":
        felt = np.concatenate([arm.muscle_length(q), arm.muscle_velocity(q, v)], axis=1)
    else:
        felt = np.concatenate([q, v / 10.0], axis=1)
    for t in range(101):
        seen = positions(infos)[max(t - seen_late, 0)]
        assert observations[t, :2] == pytest.approx(seen, abs=1e-7)
        assert observations[t, 2:-3] == pytest.approx(felt[max(t - felt_late, 0)], abs=1e-6)


@pytest.mark.parametrize(
    ("onset", "delays"),
    [("go", Delays()), ("cue", Delays()), ("cue", Delays(vision=0.06, cue=0.07)),
     ("cue", Delays(vision=0.03, cue=0.01)), ("start", Delays(cue=0.0))],
)  # fmt: skip
@pytest.mark.parametrize("go", [0, 13, 44])
def test_cue_goal_and_field_set_in_when_they_should(go, onset, delays):
    force = ConstantField((1.0, 2.0), onset=onset)
    weights = RewardWeights(proximity=100.0, effort=0.0, jerk=0.0)
    env = ReachEnv(field=force, reward_weights=weights, delays=delays, **TEST_TRIAL)
    late = round(100 * (delays.vision if delays.cue is None else delays.cue))
    begin = {"start": 0, "go": go, "cue": go + late}[onset]
    observations, infos = run(env, excitations(env), go_time=go / 100, target=2)
    start, target = infos[0]["hand_position"], infos[0]["target_position"]
    assert infos[0]["go_time"] == pytest.approx(go / 100)
    for t in range(101):
        assert observations[t, -1] == float(t >= go + late)
        seen = positions(infos)[max(t - round(100 * delays.vision), 0)]
        assert observations[t, :2] == pytest.approx(seen, abs=1e-7)
        assert observations[t, -3:-1] == pytest.approx(target, abs=1e-7)
    for k in range(1, 101):
        goal = target if k >= go + late else start
        distance = np.linalg.norm(infos[k]["hand_position"] - goal)
        assert infos[k]["reward"] == pytest.approx(1.0 - 2.0 * distance / 0.10)
        assert infos[k]["field_force"].tolist() == ([1.0, 2.0] if k - 1 >= begin else [0.0, 0.0])


def test_a_catch_trial_has_no_cue_no_new_goal_and_no_field_from_go():
    field = ConstantField((1.0, 2.0)) + ConstantField((1.0, 2.0), onset="cue")
    env = ReachEnv(field=field, **TEST_TRIAL)
    observations, infos = run(env, np.zeros((100, 6)), catch=True, target=2)
    assert infos[-1]["catch"] and not observations[:, -1].any()
    assert not np.array([info["field_force"] for info in infos]).any()
    assert infos[-1]["reward_proximity"] > 0.0
    assert observations[0, -3:-1] == pytest.approx(infos[0]["target_position"], abs=1e-7)


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_observations_are_finite_inside_their_space_and_never_constant(actuation):
    env = ReachEnv(actuation=actuation, field=CurlField(8.0), targets="random")
    rng = np.random.default_rng(0)
    seen = []
    for trial in range(3):
        observation, _ = env.reset(seed=trial)
        for _ in range(100):
            observation, reward, _, _, _ = env.step(rng.uniform(env.action_space.low, env.action_space.high))
            assert env.observation_space.contains(observation) and np.isfinite(reward)
            seen.append(observation)
    assert (np.std(seen[-100:], axis=0)[:-3] > 0.0).all()
    assert (np.std(seen, axis=0)[:-1] > 0.0).all()


def test_noise_has_its_size_on_each_channel():
    env = ReachEnv(noise={"vision": 0.01, "proprioception": 0.02, "excitation": 0.03})
    env.reset(seed=0)
    noise = env.task.trials.noise[0]
    assert noise.std(axis=0) == pytest.approx([0.01] * 2 + [0.02] * 12 + [0.03] * 6, rel=0.3)
    silent = ReachEnv(noise=False)
    silent.reset(seed=0)
    assert not silent.task.trials.noise.any()


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_excitation_noise_is_added_to_the_action_which_is_then_clipped(actuation):
    env = ReachEnv(actuation=actuation, noise={"excitation": 0.2})
    env.reset(seed=0)
    action = 0.5 * env.action_space.high
    low, high = env.task.arm.control_range.T
    for t in range(20):
        env.step(action)
        noisy = action + env.task.trials.noise[0, t, -len(action) :]
        command = np.clip(noisy * high, low, high) if actuation == "torque" else np.clip(noisy, low, high)
        assert env.task.ctrl[0] == pytest.approx(command)


def test_a_field_too_strong_to_simulate_is_an_error_until_the_next_trial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log
    env = ReachEnv(field=ViscousField([[1e9, 0.0], [0.0, 1e9]], onset="start"))
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="diverged.*ViscousField"):
        for _ in range(100):
            env.step(np.full(6, 0.5))
    env.reset(options={"field": NullField()})
    env.step(np.zeros(6))


def test_reward_terms_are_their_formulas():
    terms = reward_terms(
        RewardWeights(proximity=2.0, effort=3.0, jerk=4.0, lateral=5.0),
        distance=np.array([0.05, 0.0]),
        reach=np.array([0.2, 0.1]),
        effort=np.array([0.25, 0.5]),
        bend=np.array([0.03**2, 0.0]),
        lateral=np.array([0.04, 0.0]),
    )
    assert tuple(terms) == REWARD_TERMS
    assert terms["reward_proximity"] == pytest.approx([0.02 * 0.5, 0.02])
    assert terms["reward_effort"] == pytest.approx([-0.03 * 0.25, -0.03 * 0.5])
    assert terms["reward_jerk"] == pytest.approx([-0.04 * 0.5, 0.0])
    assert terms["reward_lateral"] == pytest.approx([-0.05 * 0.2, 0.0])


@pytest.mark.parametrize("make", [ReachEnv, lambda **arguments: ReachVectorEnv(1, **arguments)])
def test_the_lateral_term_is_the_distance_from_the_line_and_costs_nothing_unless_asked_for(make):
    task = {"field": CurlField(8.0), "go_time": 0.1, "catch_fraction": 0.0}
    default, lateral = make(**task), make(reward_weights={"lateral": 2.0}, **task)
    infos = [env.reset(seed=0, options={"target": 3})[1] for env in (default, lateral)]
    start, target = (np.ravel(infos[0][name]) for name in ("hand_position", "target_position"))
    across = np.array([start[1] - target[1], target[0] - start[0]]) / np.linalg.norm(target - start)
    for k in range(1, 101):
        action = 0.2 * np.random.default_rng(k).uniform(size=default.action_space.shape)
        reward, other = default.step(action)[1], lateral.step(action)
        expected = -0.02 * abs(across @ (np.ravel(other[4]["hand_position"]) - start)) / 0.10
        assert np.ravel(other[4]["reward_lateral"]) == pytest.approx(expected, abs=1e-12)
        assert np.ravel(other[1]) == pytest.approx(np.ravel(reward) + expected, abs=1e-12)
    assert expected < -1e-4


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
@pytest.mark.parametrize("make", [ReachEnv, lambda **arguments: ReachVectorEnv(1, **arguments)])
def test_rewards_follow_from_hand_and_commands(make, actuation):
    """A target 2 cm away counts as one at the shortest distance that is rewarded."""
    env = make(actuation=actuation, field=CurlField(8.0), go_time=0.1, catch_fraction=0.0, noise=False)
    start = ReachEnv().task.arm.hand_position(ReachEnv().task.arm.start)
    _, info = env.reset(seed=0, options={"target": (start[0] + 0.02, start[1])})
    hand, target = np.ravel(info["hand_position"]), np.ravel(info["target_position"])
    velocities = [np.zeros(2)] * 3
    for k in range(1, 101):
        _, reward, _, _, info = env.step(0.2 * np.random.default_rng(k).uniform(size=env.action_space.shape))
        velocities = [np.ravel(info["hand_velocity"]), *velocities[:2]]
        goal = target if k >= 17 else hand
        distance = np.linalg.norm(np.ravel(info["hand_position"]) - goal)
        share = env.unwrapped.task.ctrl[0] / env.unwrapped.task.arm.control_range[:, 1]
        bend = np.sum((velocities[0] - 2 * velocities[1] + velocities[2]) ** 2)
        assert np.ravel(info["reward_proximity"]) == pytest.approx(
            0.014 * (1 - 2 * distance / SHORTEST_REACH)
        )
        assert np.ravel(info["reward_effort"]) == pytest.approx(-0.01 * np.mean(share**2))
        assert np.ravel(info["reward_jerk"]) == pytest.approx(-0.01 * bend / (bend + ROUGH**2), abs=1e-12)
        assert np.ravel(reward) == pytest.approx(sum(np.ravel(info[name]) for name in REWARD_TERMS))
