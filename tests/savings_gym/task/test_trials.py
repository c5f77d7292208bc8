"""What is drawn for a trial, and what the options of reset choose instead."""

import numpy as np
import pytest

from savings_gym import CurlField, NullField, Phase, ReachEnv, ReachVectorEnv, Schedule, four_phase


def trials(env, n, seed=0, **options):
    """Infos of n trials of which one step is made each."""
    infos = []
    for trial in range(n):
        _, info = env.reset(seed=seed if trial == 0 else None, options=options)
        env.step(np.zeros(env.action_space.shape))
        infos.append(info)
    return infos


def column(infos, name):
    return np.array([info[name] for info in infos])


def test_every_target_comes_once_a_block_and_blocks_are_shuffled():
    blocks = column(trials(ReachEnv(), 48), "target").reshape(6, 8)
    assert all(sorted(block) == list(range(8)) for block in blocks.tolist())
    assert len({tuple(block) for block in blocks.tolist()}) > 1


def test_centre_out_targets_lie_10_cm_away_every_45_degrees():
    infos = sorted(trials(ReachEnv(), 8), key=lambda info: info["target"])
    offset = column(infos, "target_position") - column(infos, "hand_position")
    angle = np.arange(8) * np.pi / 4
    assert offset == pytest.approx(0.10 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert infos[0]["hand_position"] == pytest.approx([-0.1337, 0.4344], abs=1e-4)


@pytest.mark.parametrize(
    ("targets", "degrees"), [(4, [0, 90, 180, 270]), ([30.0, -60.0], [30, -60]), ((10,), [10])]
)
def test_targets_are_a_number_or_directions(targets, degrees):
    env = ReachEnv(targets=targets)
    for index, angle in enumerate(np.deg2rad(degrees)):
        _, info = env.reset(options={"target": index})
        offset = info["target_position"] - info["hand_position"]
        assert offset == pytest.approx(0.10 * np.array([np.cos(angle), np.sin(angle)]))


def test_go_times_are_uniform_over_whole_steps_and_half_the_trials_are_catch_trials():
    env = ReachVectorEnv(500)
    _, info = env.reset(seed=0)
    steps = np.round(info["go_time"] * 100)
    assert info["go_time"] * 100 == pytest.approx(steps)
    assert set(steps) == set(range(10, 31))
    assert steps.mean() == pytest.approx(20.0, abs=1.0)
    assert info["catch"].mean() == pytest.approx(0.5, abs=0.08)
    fixed = ReachVectorEnv(50, go_time=0.44, catch_fraction=0.0)
    _, info = fixed.reset(seed=0)
    assert info["go_time"] == pytest.approx(0.44) and not info["catch"].any()


def test_random_reaches_are_uniform_in_joint_angles():
    env = ReachVectorEnv(1000, targets="random")
    _, info = env.reset(seed=0)
    arm = env.task.arm
    low, high = arm.joint_range.T
    start = (env.task.qpos - low) / (high - low)
    assert info["hand_position"] == pytest.approx(arm.hand_position(env.task.qpos))
    assert start.min() >= 0.0 and start.max() <= 1.0
    target = (np.mod(arm.inverse_kinematics(info["target_position"]), 2.0 * np.pi) - low) / (high - low)
    assert target.min() >= -1e-9 and target.max() <= 1.0 + 1e-9
    for joints in (start, target):
        for joint in joints.T:
            counts = np.histogram(joint, bins=4, range=(-1e-9, 1 + 1e-9))[0]
            assert counts == pytest.approx(np.full(4, 250), abs=60)
    assert abs(np.corrcoef(start[:, 0], target[:, 0])[0, 1]) < 0.1
    assert (info["target"] == -1).all()


def test_the_sequence_of_trials_depends_on_the_seed_alone():
    names = ("target", "go_time")
    plain = trials(ReachEnv(), 12)
    for other in (
        ReachEnv(noise=False),
        ReachEnv(field=CurlField(8.0), catch_fraction=0.0),
        ReachEnv(actuation="torque", delays=None),
    ):
        infos = trials(other, 12)
        if other.task.arm.actuation == "muscle":
            assert all((column(infos, name) == column(plain, name)).all() for name in names)
    chosen = ReachEnv()
    first = trials(chosen, 1, target=3, go_time=0.5, catch=True, field=CurlField(8.0), start=(0.0, 0.4))
    rest = [chosen.reset()[1] for _ in range(1)]
    assert first[0]["target"] == 3
    assert (rest[0]["target"], rest[0]["go_time"]) == (plain[1]["target"], plain[1]["go_time"])


def test_options_choose_the_trial():
    env = ReachEnv()
    options = {"start": (0.05, 0.45), "target": 2, "go_time": 0.33, "catch": False, "field": CurlField(3.0)}
    _, info = env.reset(seed=0, options=options)
    assert info["hand_position"] == pytest.approx([0.05, 0.45])
    assert info["target_position"] == pytest.approx([0.05, 0.55])
    assert (info["target"], info["go_time"], info["catch"]) == (2, pytest.approx(0.33), False)
    assert env.trial_field == CurlField(3.0)
    _, info = env.reset(options={"target": (0.1, 0.3), "field": {"kind": "curl", "b": -1.0}})
    assert info["target_position"].tolist() == [0.1, 0.3] and info["target"] == -1
    assert env.trial_field == CurlField(-1.0)
    env.reset()
    assert env.trial_field == NullField()
    assert env.reset(options={"catch_fraction": 1.0})[1]["catch"]


def test_phases_change_at_their_exact_trial():
    schedule = four_phase(CurlField(8.0), nf1=3, ff1=2, nf2=4, ff2=1)
    env = ReachEnv(schedule=schedule)
    infos, fields = [], []
    for trial in range(12):
        infos.append(env.reset(seed=5 if trial == 0 else None)[1])
        fields.append(env.trial_field)
        env.reset()  # a trial in which nothing was done does not count
        env.step(np.zeros(6))
    phases = [0] * 3 + [1] * 2 + [2] * 4 + [3] * 3
    assert column(infos, "phase").tolist() == phases
    assert column(infos, "trial").tolist() == list(range(12))
    assert column(infos, "schedule_done").tolist() == [False] * 10 + [True] * 2
    assert [not field.is_null for field in fields] == [
        schedule.names[phase].startswith("FF") for phase in phases
    ]
    assert env.trial_phase.name == "FF2"
    assert env.reset(seed=5)[1]["phase"] == 0 and env.trial_phase == schedule.phases[0]


def test_a_phase_may_have_its_own_share_of_catch_trials():
    schedule = Schedule((Phase("none", None, 10, 0.0), Phase("all", None, 10, 1.0)))
    infos = trials(ReachEnv(schedule=schedule), 20)
    assert column(infos, "catch").tolist() == [False] * 10 + [True] * 10


def test_the_observation_does_not_tell_the_phase():
    phases = tuple(Phase(name, None, 1) for name in ("A", "B"))
    seen = []
    for schedule in (Schedule(phases), Schedule(phases[::-1]), None):
        env = ReachEnv(schedule=schedule)
        observations = [env.reset(seed=1)[0]]
        for _ in range(2):
            observations += [env.step(np.full(6, 0.1))[0] for _ in range(100)] + [env.reset()[0]]
        seen.append(np.array(observations))
    assert (seen[0] == seen[1]).all() and (seen[0] == seen[2]).all()


def test_rows_count_their_own_trials_or_all_together():
    schedule = four_phase(nf1=3, ff1=3, nf2=3, ff2=3)
    counts = {}
    for shared in (False, True):
        env = ReachVectorEnv(2, schedule=schedule, shared_trials=shared)
        rows = [env.reset(seed=0)[1]["trial"].tolist()]
        for _ in range(2):
            env.step(np.zeros((2, 6)))
            rows.append(env.reset()[1]["trial"].tolist())
        counts[shared] = rows
    assert counts[False] == [[0, 0], [1, 1], [2, 2]]
    assert counts[True] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": 1}, r"unknown reset options \['goal'\]; the options are \['target', 'start'"),
        ({"target": 8}, "an index from 0 to 7 or a position .*; got 8"),
        ({"target": -1}, "got -1"),
        ({"target": "left"}, "got 'left'"),
        ({"target": (0, 1)}, r"an index from 0 to 7 or a position \(x, y\) in m, as floats .*; got \(0, 1\)"),
        ({"target": [[0, 1]]}, r"an index from 0 to 7 or a position .*; got \[\[0, 1\]\]"),
        ({"target": (0.1, float("nan"))}, "option 'target', a position .* must be finite numbers"),
        ({"target": (2.0, 2.0)}, r"option 'target': hand position \[2.0, 2.0\] m is out of reach"),
        ({"start": (2.0, 2.0)}, r"option 'start': hand position \[2.0, 2.0\] m is out of reach"),
        ({"start": (0.3, -0.3)}, r"option 'start': \[0.3, -0.3\] m needs joint angles .* outside the range"),
        ({"start": (0.0, 0.62)}, r"option 'start': \[0.0, 0.62\] m has a target that .* is out of reach"),
        (
            {"start": (0.0, 0.2), "target": 6},
            r"'start': \[0.0, 0.2\] m has a target .*: \[0.0, 0.1\] m needs",
        ),
        ({"start": 0.3}, "option 'start', a position .* must be finite numbers"),
        ({"go_time": 0.105}, "go_time must be a whole number of control steps.*got 0.105"),
        ({"go_time": -0.1}, "got -0.1"),
        ({"go_time": "soon"}, "option 'go_time' must be a finite number .* got 'soon'"),
        ({"go_time": "0.1"}, "option 'go_time' must be a finite number .* got '0.1'"),
        ({"go_time": True}, "option 'go_time' must be a finite number .* got True"),
        ({"catch": 1}, "option 'catch' must be True or False, got 1"),
        ({"catch": "no"}, "option 'catch' must be True or False, got 'no'"),
        ({"catch_fraction": True}, "option 'catch_fraction' must be a finite number .* got True"),
        ({"catch_fraction": "1"}, "option 'catch_fraction' must be a finite number .* got '1'"),
        ({"target": True}, "got True"),
        ({"target": ["0"]}, r"got \['0'\]"),
        ({"target": (0.1, True)}, "must be finite numbers .* got .0.1, True"),
        ({"target": [[1], [1, 2]]}, "got .*1, 2"),
        ({"start": ("0.1", "0.4")}, "must be finite numbers .* got .'0.1', '0.4'"),
        ({"field": 8.0}, "a field must be a Field such as .*, or None; got 8.0"),
        (5, "the options of reset must be a dict or None, got 5"),
        ({"catch_fraction": 2.0}, "option 'catch_fraction' must lie in 0..1, got 2.0"),
        ({"field": "curl"}, "a field must be a Field such as .*, or None; got 'curl'"),
    ],
)
def test_bad_options_are_named(options, message):
    env = ReachEnv()
    with pytest.raises(ValueError, match=message):
        env.reset(seed=0, options=options)


def test_random_reaches_have_no_target_indices():
    with pytest.raises(ValueError, match="option 'target' must be a position"):
        ReachEnv(targets="random").reset(options={"target": 0})


def test_a_trial_drawn_again_keeps_its_target_and_skips_none():
    env = ReachEnv()
    first = env.reset(seed=0)[1]
    again = env.reset()[1]
    assert again["target"] == first["target"]
    assert (again["go_time"], again["catch"]) != (first["go_time"], first["catch"])
    targets = []
    for trial in range(8):
        targets.append(env.reset()[1]["target"])
        if trial % 2:
            assert env.reset(options={"target": 0})[1]["target"] == 0
            assert env.reset()[1]["target"] == targets[-1]
        env.step(np.zeros(6))
    assert sorted(targets) == list(range(8)) and targets[0] == first["target"]


BEFORE = Schedule((Phase("before", CurlField(2.0), 100, 0.0),))
AFTER = Schedule((Phase("one", CurlField(3.0), 1, 1.0), Phase("two", None, 2)))


def test_a_new_schedule_counts_from_0_at_the_next_trial():
    env, steady = ReachEnv(schedule=BEFORE), ReachEnv(schedule=BEFORE)
    trials(env, 3), trials(steady, 3)
    env.set_schedule(AFTER.to_dict())
    _, _, _, _, info = env.step(np.zeros(6))
    assert (info["phase"], info["trial"]) == (0, 2) and env.trial_field == CurlField(2.0)
    assert env.trial_phase.name == "before"
    for phase, done in ((0, False), (1, False), (1, False), (1, True)):
        info, other = env.reset()[1], steady.reset()[1]
        assert (info["phase"], info["schedule_done"]) == (phase, done)
        assert env.trial_phase == AFTER.phases[phase]
        assert (info["target"], info["go_time"]) == (other["target"], other["go_time"])
        assert env.trial_field == (NullField() if phase else CurlField(3.0))
        assert info["catch"] or phase == 1
        env.step(np.zeros(6)), steady.step(np.zeros(6))
    assert env.settings.schedule == AFTER and info["trial"] == 3
    env.set_schedule(None)
    assert env.reset()[1]["phase"] == -1 and env.trial_phase is None and env.trial_field.is_null


def test_a_new_schedule_changes_trials_at_once_that_wait_for_their_first_step():
    env = ReachVectorEnv(3, schedule=BEFORE, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(np.zeros((3, 6)))
    _, before = env.reset(options={"reset_mask": np.array([True, False, False])})
    noise = env.task.trials.noise.copy()
    env.set_schedule(AFTER)
    _, _, _, _, info = env.step(np.zeros((3, 6)))
    assert info["phase"].tolist() == [0, 0, 0]
    assert [phase.name for phase in env.trial_phases] == ["one", "before", "before"]
    assert info["trial"].tolist() == [0, 0, 0]
    assert info["catch"].tolist() == [True, False, False] and info["target"][0] == before["target"][0]
    assert env.trial_fields == (CurlField(3.0), CurlField(2.0), CurlField(2.0))
    assert (env.task.trials.noise == noise).all()
    _, info = env.reset()
    assert info["phase"].tolist() == [1, 0, 0] and info["trial"].tolist() == [1, 0, 0]


def test_a_new_schedule_leaves_what_the_reset_chose():
    env = ReachVectorEnv(2, schedule=BEFORE)
    env.reset(seed=0, options={"field": CurlField(-1.0), "catch": False})
    env.set_schedule(AFTER)
    assert env.trial_fields == (CurlField(-1.0),) * 2 and not env.task.trials.catch.any()
    assert env.trial_phases == (AFTER.phases[0],) * 2


def test_rows_that_share_their_trials_share_them_in_a_new_schedule():
    env = ReachVectorEnv(3, schedule=BEFORE, shared_trials=True)
    env.reset(seed=0)
    env.set_schedule(AFTER)
    env.step(np.zeros((3, 6)))
    assert env.task.trials.number.tolist() == [0, 1, 2]
    assert env.reset()[1]["trial"].tolist() == [3, 4, 5]


@pytest.mark.parametrize("make", [ReachEnv, lambda **given: ReachVectorEnv(3, shared_trials=True, **given)])
def test_later_phases_are_changed_while_trials_are_counted_on(make):
    """What comes is what would have come if the phases had been so from the beginning."""
    baseline, later = Phase("baseline", None, 7), (Phase("B", CurlField(-3.0), 4, 0.2), Phase("C", None, 9))
    planned = Schedule((baseline, Phase("A", CurlField(5.0), 4), Phase("C", None, 2)))
    env, other = make(schedule=planned), make(schedule=Schedule((baseline, *later)))
    for each in (env, other):
        each.reset(seed=3), each.step(np.zeros(each.action_space.shape))
    env.set_schedule(Schedule((baseline, *later)), restart=False)
    seen = set()
    for _ in range(10):
        for each in (env, other):
            each.step(np.full(each.action_space.shape, 0.2))
        (observed, info), (expected, others) = (each.reset() for each in (env, other))
        np.testing.assert_array_equal(observed, expected)
        for name, value in others.items():
            np.testing.assert_array_equal(info[name], value)
        seen |= set(np.atleast_1d(info["phase"]).tolist())
    assert seen >= {0, 1} and env.settings.schedule == other.settings.schedule
    with pytest.raises(ValueError, match="restart must be True or False, got 'no'"):
        env.set_schedule(planned, restart="no")


@pytest.mark.parametrize("make", [ReachEnv, ReachVectorEnv])
def test_what_is_no_schedule_is_refused_and_changes_nothing(make):
    env = make(schedule=BEFORE)
    with pytest.raises(ValueError, match="a schedule must be a Schedule"):
        env.set_schedule("four")
    assert env.settings.schedule == BEFORE


@pytest.mark.parametrize("given", [None, [0, 6, 0]])
def test_the_start_that_is_named_is_the_one_whose_target_is_out_of_reach(given):
    starts = [(0.0, 0.4), (0.0, 0.2), (-0.1, 0.4)]
    options = {"start": starts} if given is None else {"start": starts, "target": given}
    with pytest.raises(ValueError, match=r"option 'start': \[0.0, 0.2\] m has a target that the arm cannot"):
        ReachVectorEnv(3).reset(options=options)
    ReachVectorEnv(3).reset(options={"start": starts, "target": [0, 2, 0]})


def test_indices_of_targets_are_one_or_one_for_each_row():
    env = ReachVectorEnv(2)
    assert env.reset(options={"target": (0, 1)})[1]["target"].tolist() == [0, 1]
    assert env.reset(options={"target": 3})[1]["target"].tolist() == [3, 3]
    with pytest.raises(ValueError, match=r"an index from 0 to 7, one or 2 of them, or .*; got \(0, 1, 2\)"):
        env.reset(options={"target": (0, 1, 2)})
