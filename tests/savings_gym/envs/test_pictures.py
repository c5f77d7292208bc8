"""Where pictures show what, and in which colour."""

import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from savings_gym import (
    ChannelField,
    ConstantField,
    CurlField,
    ElasticField,
    NullField,
    ReachEnv,
    ReachVectorEnv,
    ViscousField,
    four_phase,
)
from savings_gym.arm.model import load_arm
from savings_gym.envs.pictures import tile_pictures
from savings_gym.envs.render import (
    CENTRE_OUT_VIEW,
    WHOLE_VIEW,
    ReachRenderer,
    SnapshotRenderer,
    activation_shade,
)
from savings_gym.envs.snapshot import CATCH, GO, WAIT, Snapshot, field_arrows, take_snapshot

START = np.array([-0.134, 0.434])
TARGET = START + (-0.08, 0.06)
GREEN, BLUE = (1, (0, 2)), (2, (0, 1))  # channel that leads, channels behind
FIELDS = [
    CurlField(8.0),
    ViscousField(((-5.0, 1.0), (2.0, -7.0))),
    ElasticField(((60.0, 0.0), (0.0, 90.0)), onset="start"),
    ConstantField((3.0, -1.0)),
    ChannelField(),
    CurlField(-4.0) + ConstantField((0.0, 2.0), onset="cue"),
]


def snapshot(**changes):
    arm = load_arm("muscle")
    planted = Snapshot(
        joints=arm.start,
        activation=np.zeros(6),
        start=START,
        target=TARGET,
        other_targets=np.zeros((0, 2)),
        path=START[None],
        force=np.zeros(2),
        arrows=field_arrows(NullField(), START, TARGET),
        acting=False,
        signal=GO,
        title="",
        clock="",
        field_name="",
    )
    return replace(planted, **changes)


@pytest.fixture(scope="module")
def draw(request):
    """A function that draws planted snapshots."""
    renderer = SnapshotRenderer(load_arm("muscle"))
    yield renderer.picture
    renderer.close()


def leading(picture, colour, by=60):
    """Columns and rows (n, 2) of the centres of pixels in which a channel leads."""
    first, others = colour
    pixels = picture.astype(int)
    rows, columns = np.nonzero((pixels[..., [first]] - pixels[..., others] > by).all(-1))
    return np.stack([columns, rows], -1) + 0.5


def changed(before, after):
    """Columns and rows (n, 2) of the centres of pixels that differ."""
    rows, columns = np.nonzero(np.abs(before.astype(int) - after).max(-1) > 25)
    return np.stack([columns, rows], -1) + 0.5


@pytest.mark.render
@pytest.mark.parametrize("size", [120, 480])
@pytest.mark.parametrize("target", [(-0.2, 0.5), (-0.35, 0.2), (0.2, 0.6)])
def test_the_target_is_where_the_view_projects_it(draw, target, size):
    green = leading(draw(snapshot(target=np.array(target)), size), GREEN)
    middle = CENTRE_OUT_VIEW.pixels(target, size)
    assert np.abs(green.mean(0) - middle).max() < 0.6
    assert np.linalg.norm(green - middle, axis=1).max() < 0.015 / CENTRE_OUT_VIEW.side * size + 1.0


@pytest.mark.render
def test_the_hand_of_the_arm_is_at_the_end_of_the_path(draw):
    seen = draw(snapshot()).astype(int)
    column, row = np.floor(
        CENTRE_OUT_VIEW.pixels(load_arm("muscle").hand_position(load_arm("muscle").start), 480)
    )
    around = seen[int(row) - 14 : int(row) + 15, int(column) - 14 : int(column) + 15]
    rows, columns = np.nonzero(around.max(-1) < 110)  # the dark hand
    assert np.abs([rows.mean() - 14, columns.mean() - 14]).max() < 2.0


@pytest.mark.render
def test_targets_are_rings_before_go_and_discs_after_it(draw):
    column, row = np.floor(CENTRE_OUT_VIEW.pixels(TARGET, 480)).astype(int)
    table = draw(snapshot(target=START))[row, column].astype(int)
    for signal in (WAIT, CATCH):
        assert np.abs(draw(snapshot(signal=signal))[row, column] - table).max() < 16
    assert np.abs(draw(snapshot(signal=GO))[row, column] - table).max() > 60


@pytest.mark.render
def test_the_path_lies_on_the_projected_hand_path(draw):
    angle = np.linspace(0.0, 1.5 * np.pi, 60)
    path = START + 0.09 * np.stack([1.0 - np.cos(angle), np.sin(angle)], -1) * (-1.0, 1.0)
    with_path = draw(snapshot(path=path, target=START))
    expected = CENTRE_OUT_VIEW.pixels(path, 480)
    blue = leading(with_path, BLUE, by=25)
    distance = np.linalg.norm(blue[:, None] - expected, axis=-1)
    assert distance.min(0)[5:-10].max() < 1.5  # every point of the path is drawn, but below the cursor
    assert distance.min(1).max() < 5.0  # nothing else is


@pytest.mark.render
@pytest.mark.parametrize("force", [(5.0, 0.0), (-3.0, 4.0), (-2.0, -4.5), (0.5, 6.0)])
def test_the_force_arrow_points_from_the_hand_along_the_force(draw, force):
    red = changed(draw(snapshot()), draw(snapshot(force=np.array(force))))
    red = red[red[:, 1] > 60]  # below the text
    along = red.mean(0) - CENTRE_OUT_VIEW.pixels(START, 480)
    along[1] *= -1.0  # rows count downwards
    turn = np.angle(complex(*along) / complex(*force))
    assert abs(np.degrees(turn)) < 4.0
    reach = np.linalg.norm(red - CENTRE_OUT_VIEW.pixels(START, 480), axis=1).max()
    assert reach == pytest.approx(0.02 * np.hypot(*force) / CENTRE_OUT_VIEW.side * 480, rel=0.08)


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_the_arrows_of_a_field_are_its_forces(field):
    env = ReachEnv(field=field, delays={"vision": 0.0}, catch_fraction=0.0)
    env.reset(seed=0)
    arrows = take_snapshot(env.task, 0).arrows
    start, target = env.task.trials.start[0], env.task.trials.target_position[0]
    assert len(arrows.position) > 20 and np.linalg.norm(arrows.force, axis=1).max() > 0.0
    for position, force in zip(arrows.position, arrows.force, strict=True):
        velocity = 5.0 * (position - start)
        parts = [part.coefficients(start[None], target[None]) for part in field.parts()]
        expected = sum(part.force(position[None], velocity[None])[0] for part in parts)
        np.testing.assert_allclose(force, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.render
def test_the_arrows_of_a_constant_field_point_along_it(draw):
    arrows = field_arrows(ConstantField((4.0, 4.0)), START, TARGET)
    pixels = changed(draw(snapshot()), draw(snapshot(arrows=arrows, acting=True)))
    pixels = pixels[(pixels[:, 0] < 160) & (pixels[:, 1] < 240)]  # where the arm covers none
    middles = CENTRE_OUT_VIEW.pixels(arrows.position, 480)
    own = middles[np.linalg.norm(pixels[:, None] - middles, axis=-1).argmin(1)]
    offset = (pixels - own) * (1.0, -1.0)
    long_axis = np.linalg.svd(offset - offset.mean(0), full_matrices=False)[2][0]
    assert abs(long_axis @ (1.0, 1.0)) / np.sqrt(2.0) > np.cos(np.radians(4.0))
    forward, aside = (offset @ np.array([[1.0, 1.0], [1.0, -1.0]])).T
    front, back = (np.abs(aside[half]).max() for half in (forward > 2.0, forward < -2.0))
    assert front > 1.3 * back  # the heads


@pytest.mark.parametrize("onset", ["start", "go", "cue"])
def test_a_field_acts_in_the_picture_when_it_acts_on_the_hand(onset):
    env = ReachEnv(field=ConstantField((1.0, 0.0), onset=onset), go_time=0.05, catch_fraction=0.0)
    env.reset(seed=0)
    for _ in range(20):
        acting = take_snapshot(env.task, 0).acting
        *_, info = env.step(np.zeros(6))
        assert acting == bool(info["field_force"].any())


def test_more_activation_has_more_colour():
    shades = [activation_shade(activation) for activation in np.linspace(0.0, 1.0, 50)]
    assert shades[0] == 0.0 and shades[-1] == 1.0 and (np.diff(shades) > 0.0).all()
    assert activation_shade(-0.1) == 0.0 and activation_shade(1.5) == 1.0


@pytest.mark.render
@pytest.mark.parametrize("muscle", range(6))
def test_each_muscle_colours_with_its_own_activation(draw, muscle):
    rest, changes = draw(snapshot(), 320).astype(int), []
    for activation in (0.01, 0.1, 0.4, 1.0):
        others = draw(snapshot(activation=activation * np.eye(6)[muscle]), 320)
        changes.append(np.abs(others - rest).sum())
    assert changes[0] > 0 and (np.diff(changes) > 0).all()


@pytest.mark.render
@pytest.mark.parametrize("env_id", ["SavingsReach-v0", "RandomReach-v0", "ForceFieldReachTorque-v0"])
def test_equal_seeds_give_equal_pictures(env_id):
    env = gym.make(env_id, render_mode="rgb_array")
    pictures = []
    for _ in range(2):
        env.reset(seed=3)
        env.action_space.seed(3)
        for _ in range(12):
            env.step(env.action_space.sample())
        pictures.append(env.render())
    env.reset(seed=4)
    assert (pictures[0] == pictures[1]).all() and (pictures[0] != env.render()).any()
    env.close()


def test_a_snapshot_names_phase_trial_and_signal():
    env = ReachEnv(schedule=four_phase(nf1=1, ff1=2, nf2=1, ff2=1), go_time=0.1, catch_fraction=0.0)
    seen = []
    env.reset(seed=0)
    for _ in range(3):
        before = take_snapshot(env.task, 0)
        for _ in range(10):
            env.step(np.zeros(6))
        after = take_snapshot(env.task, 0)
        assert (before.signal, after.signal) == (WAIT, GO)
        assert (before.clock, after.clock) == ("0.00 s", "0.10 s")
        assert len(after.path) == 11
        seen.append((before.title, before.field_name))
        env.reset()
    assert seen == [
        ("NF1  trial 0", "no field"),
        ("FF1  trial 1", "curl field"),
        ("FF1  trial 2", "curl field"),
    ]
    env.reset(options={"catch": True, "field": CurlField(2.0) + ConstantField((1.0, 0.0))})
    assert take_snapshot(env.task, 0).signal == CATCH
    assert take_snapshot(env.task, 0).field_name == "curl + constant field"


@pytest.mark.render
@pytest.mark.parametrize(("columns", "across"), [(None, 2), (9, 3)])
def test_a_grid_holds_the_picture_of_every_environment(columns, across):
    envs = gym.make_vec("SavingsReach-v0", num_envs=3, render_mode="rgb_array", nthread=1)
    envs.reset(seed=0)
    for _ in range(30):
        envs.step(envs.action_space.sample())
    grid = envs.render_grid(tile=96, columns=columns)
    renderer = ReachRenderer(envs.task)
    assert grid.shape == (-(-3 // across) * 96, across * 96, 3) and grid.dtype == np.uint8
    for k in range(3):
        top, left = k // across * 96, k % across * 96
        assert (grid[top + 1 : top + 96, left + 1 : left + 96] == renderer.frame(k, 96)[1:, 1:]).all()
    renderer.close()
    envs.close()


@pytest.mark.render
def test_gymnasium_records_a_video_of_a_vector_of_environments(tmp_path):
    pytest.importorskip("moviepy")
    from gymnasium.wrappers.vector import RecordVideo

    envs = gym.make_vec("ForceFieldReach-v0", num_envs=2, render_mode="rgb_array", nthread=1)
    assert len(envs.reset(seed=0)[0]) == 2 and [f.shape for f in envs.render()] == [(480, 480, 3)] * 2
    envs = RecordVideo(envs, str(tmp_path / "video"), video_length=2)
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(envs.action_space.sample())
    envs.close()
    (video,) = (tmp_path / "video").glob("*.mp4")
    assert video.stat().st_size > 1000


def test_tiles_keep_their_order():
    grey = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
    whole = tile_pictures(grey, 2)
    assert whole.shape == (8, 12, 3)
    assert [whole[2, 3, 0], whole[2, 9, 0], whole[6, 3, 0]] == [10, 20, 30]


def test_views_put_the_right_of_the_arm_to_the_right_and_its_front_up():
    for view in (CENTRE_OUT_VIEW, WHOLE_VIEW):
        assert view.pixels((view.x, view.y), 100).tolist() == [50.0, 50.0]
        corner = view.pixels((view.x + view.side / 2, view.y + view.side / 2), 100)
        np.testing.assert_allclose(corner, [100.0, 0.0], atol=1e-9)
    arm, rng = load_arm("muscle"), np.random.default_rng(0)
    low, high = arm.joint_range.T
    everywhere = WHOLE_VIEW.pixels(arm.hand_position(low + (high - low) * rng.random((500, 2))), 100)
    assert everywhere.min() > 2.0 and everywhere.max() < 98.0


@pytest.mark.render
@pytest.mark.parametrize("size", [0, 15, 10_000])
def test_sizes_that_cannot_be_drawn_are_refused(draw, size):
    with pytest.raises(ValueError, match=f"16 to 640 pixels, got {size}"):
        draw(snapshot(), size)


@pytest.mark.render
def test_a_grid_needs_a_column():
    envs = ReachVectorEnv(2, render_mode="rgb_array")
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="columns must be"):
        envs.render_grid(columns=0)
    envs.close()
    assert ReachVectorEnv(2).render_grid() is None


def test_what_is_not_drawn_loads_no_renderer():
    code = (
        "import sys, savings_gym; env = savings_gym.ReachEnv(); env.reset(seed=0); env.step([0.1] * 6); "
        "envs = savings_gym.ReachVectorEnv(2); envs.reset(seed=0); envs.step([[0.1] * 6] * 2); "
        "print([name for name in sys.modules if name.startswith('savings_gym.envs.') "
        "and name.endswith(('.render', '.window', '.snapshot'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
