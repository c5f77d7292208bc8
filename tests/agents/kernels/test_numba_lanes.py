"""Arithmetic in lanes and products of packed weights, against numpy."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="the fused rollout needs numba")

from agents.kernels import lanes, product  # noqa: E402


@numba.njit
def circle(angles, out):
    for i in range(0, len(angles), lanes.ARMS):
        cosine, sine = lanes.cosine_and_sine(lanes.load(angles, (i,)))
        lanes.store(out, (0, i), cosine)
        lanes.store(out, (1, i), sine)
        lanes.store(out, (2, i), lanes.angle_of(cosine, sine))


def test_cosine_sine_and_angle_are_right_to_rounding_all_around():
    angles = np.linspace(-3.14, 3.14, 4096)
    out = np.empty((3, len(angles)))
    circle(angles, out)
    assert np.abs(out[0] - np.cos(angles)).max() < 3e-16
    assert np.abs(out[1] - np.sin(angles)).max() < 3e-16
    inside = np.abs(angles) < 3.0  # at half a turn the cosine alone tells little of the angle
    assert np.abs(out[2] - angles)[inside].max() < 1e-14
    assert np.abs(out[2] - angles).max() < 1e-9
    circle(angles + 10 * np.pi, out)
    assert np.abs(out[:2] - [np.cos(angles), np.sin(angles)]).max() < 1e-14


@numba.njit
def compare(x, y, out):
    a, b = lanes.load(x, (0,)), lanes.load(y, (0,))
    lanes.store(out, (0, 0), lanes.where((a < b) & (a > 0.0), a - 2.0 * b, -a / b))
    lanes.store(out, (1, 0), lanes.clip(a, -0.5, b))
    lanes.store(out, (2, 0), lanes.absolute(a) + lanes.sqrt(lanes.absolute(b)))
    lanes.store(out, (3, 0), lanes.where(a >= b, 1.0, 0.0))
    lanes.store(out, (4, 0), lanes.broadcast(x, (1,)))


def test_every_lane_is_computed_by_itself():
    rng = np.random.default_rng(0)
    x, y, out = rng.normal(size=lanes.ARMS), rng.normal(size=lanes.ARMS), np.empty((5, lanes.ARMS))
    compare(x, y, out)
    expected = [
        np.where((x < y) & (x > 0), x - 2 * y, -x / y),
        np.minimum(np.maximum(x, -0.5), y),
        np.abs(x) + np.sqrt(np.abs(y)),
        x >= y,
        np.full(lanes.ARMS, x[1]),
    ]
    assert out == pytest.approx(np.array(expected), rel=1e-14)


@numba.njit
def packed_product(left, at, right):
    weights = product.packed(right.shape[0], right.shape[1], right)
    product.pack(right, weights)
    out = product.padded(left.shape[0], right.shape[1], right)
    out[:] = 1.0
    product.add_packed(left, at, weights, out)
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(8, 128, 384), *((rows, 2 + rows, 33) for rows in range(1, 14))]
)
def test_a_packed_product_is_the_matrix_product_for_any_sizes(rows, inner, columns, dtype):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(rows, inner + 2)), rng.normal(size=(inner, columns))
    out = packed_product(left.astype(dtype), 2, right.astype(dtype))
    error = np.abs(out[:, :columns] - 1 - left[:, 2:] @ right).max()
    assert error < inner * 10 * np.finfo(dtype).eps
    assert (out[:, columns:] == 1).all() and out.shape[1] >= columns
    assert out.ctypes.data % lanes.VECTOR == 0
