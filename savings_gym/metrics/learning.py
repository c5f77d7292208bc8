"""Measures of a learning curve: windowed means, the rate of an exponential, trials to a criterion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite, as_whole_number

WINDOW = 5  # probes per window, as in the reference study
LEAST_POINTS = 4  # of a curve that an exponential is fitted to

SLOWEST = 0.1  # smallest rate times range of x: the curve shows a tenth of one time constant
FASTEST = 3.0  # largest rate times spacing of x: 95 % of the decay is over at the second point
GRID = 240  # rates tried before the refinement, evenly spaced in their logarithm
FLAT_P = 1e-3  # an exponential must beat a constant at this level
LARGEST_RELATIVE_ERROR = 0.5  # a rate counts as determined if its standard error is under half of it


@dataclass(frozen=True)
class ExponentialFit:
    """Fit of ``amplitude * exp(-rate * x) + asymptote``.

    Attributes:
        amplitude: Distance from the asymptote at x = 0, in the unit of the curve; NaN if the fit failed.
        rate: Per unit of x, above zero; NaN if the fit failed.
        asymptote: Value for large x, in the unit of the curve; NaN if the fit failed.
        start_residual: First point of the curve less the fit there, in the unit of the curve; NaN if the fit
            failed. Learning that is faster at first than one exponential leaves it on the side of the
            amplitude.
        success: Whether the curve determines the rate.
        message: Why it does not, or how good the fit is.
    """

    amplitude: float
    rate: float
    asymptote: float
    start_residual: float
    success: bool
    message: str

    def at(self, x: ArrayLike) -> Floats:
        """Return the fitted curve at x, in the shape of x."""
        curve: Floats = self.amplitude * np.exp(-self.rate * as_finite("x", x)) + self.asymptote
        return curve


def windowed_mean(values: ArrayLike, window: int = WINDOW, axis: int = -1) -> Floats:
    """Return the means of consecutive, non-overlapping windows along an axis.

    Probes after the last whole window are left out, so that every mean has the same precision.

    Args:
        values: (..., n, ...), finite.
        window: Probes per window.
        axis: Axis of the probes.

    Returns:
        (..., n // window, ...).

    Raises:
        ValueError: If a value is not finite, `window` is not a whole number of at least 1, or there is no
            such axis.
    """
    array, window = as_finite("values", values), as_whole_number("window", window, least=1)
    if array.ndim == 0 or not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis is {axis}, expected an axis of values with shape {array.shape}")
    array = np.moveaxis(array, axis, -1)
    count = array.shape[-1] // window
    blocks = array[..., : count * window].reshape(*array.shape[:-1], count, window)
    return np.moveaxis(blocks.mean(axis=-1), -1, axis)


def trials_to_criterion(trials: ArrayLike, deviation: ArrayLike, criterion: float) -> Floats:
    """Return the trials before the first probe whose deviation is within the criterion on either side.

    Args:
        trials: (n,) training trials before each probe, increasing.
        deviation: (..., n) [m], or any other error.
        criterion: Largest absolute deviation that counts as learned, in the unit of `deviation`.

    Returns:
        (...) trials; NaN if the criterion is never met.

    Raises:
        ValueError: If trials do not increase, shapes do not fit, a value is not finite, or the criterion is
            negative.
    """
    axis, curve = _increasing("trials", trials), as_finite("deviation", deviation)
    if curve.ndim == 0 or curve.shape[-1] != axis.size:
        raise ValueError(f"deviation has shape {curve.shape}, expected (..., {axis.size}) like trials")
    if not (np.isfinite(criterion) and criterion >= 0.0):
        raise ValueError(f"criterion is {criterion}, expected a finite number of at least 0")
    if axis.size == 0:
        return np.full(curve.shape[:-1], np.nan)
    within = np.abs(curve) <= criterion
    return np.where(within.any(axis=-1), axis[np.argmax(within, axis=-1)], np.nan)


def learning_rate(x: ArrayLike, deviation: ArrayLike) -> ExponentialFit:
    """Fit the exponential ``a exp(-k x) + c`` to a learning curve by least squares, and return it.

    For a given k the best a and c are linear (variable projection), so only k is searched: over a grid of all
    rates that the points can resolve, then by bounded Brent search around the best of the grid. The search is
    global, scales x and the curve, and needs no starting guess. The fit fails, with NaN and the reason, if
    the curve does not determine k: fewer than 4 points, no better than a constant (F test at `FLAT_P`), a
    best rate on a bound, or a standard error above half the rate.

    Args:
        x: (n,), increasing, in the unit whose inverse the rate has, for example trials.
        deviation: (n,) curve in any unit, rising or falling, for example windowed means of the lateral
            deviation [m].

    Returns:
        The fit. The message of a successful one gives the relative standard error of the rate, which takes
        the residuals as independent.

    Raises:
        ValueError: If `x` does not increase, lengths differ, or a value is not finite.
    """
    axis, curve = _increasing("x", x), as_finite("deviation", deviation)
    if curve.shape != axis.shape:
        raise ValueError(f"deviation has shape {curve.shape}, expected {axis.shape} like x")
    if axis.size < LEAST_POINTS:
        return _failed(f"{axis.size} points, at least {LEAST_POINTS} are needed")
    span = float(axis[-1] - axis[0])
    u = (axis - axis[0]) / span  # 0 to 1
    offset, scale = float(curve.mean()), float(np.abs(curve - curve.mean()).max())
    if scale <= 1e-12 * float(np.abs(curve).max()):
        return _failed("the curve is constant")
    y = (curve - offset) / scale  # mean 0, largest 1
    fastest = FASTEST / float(np.diff(u).min())
    rate = _best_rate(u, y, fastest)
    reason, quality = _verdict(u, y, rate, fastest)
    if reason:
        return _failed(reason)
    amplitude, constant, _ = _project(u, y, np.array([rate]))
    k = rate / span
    return ExponentialFit(
        amplitude=float(amplitude[0]) * scale * float(np.exp(k * axis[0])),
        rate=k,
        asymptote=offset + scale * float(constant[0]),
        start_residual=scale * float(y[0] - amplitude[0] - constant[0]),  # u[0] is 0
        success=True,
        message=quality,
    )


def _failed(message: str) -> ExponentialFit:
    """A fit that determines nothing."""
    return ExponentialFit(np.nan, np.nan, np.nan, np.nan, False, message)


def _project(u: Floats, y: Floats, rates: Floats) -> tuple[Floats, Floats, Floats]:
    """Best amplitude, best constant and sum of squared residuals of each rate, (k,); y has mean 0."""
    decay = np.exp(-rates[:, None] * u)  # (k, n)
    mean = decay.mean(axis=-1)
    centred = decay - mean[:, None]
    amplitude = centred @ y / np.sum(centred**2, axis=-1)
    residual = y - amplitude[:, None] * centred
    return amplitude, -amplitude * mean, np.sum(residual**2, axis=-1)


def _best_rate(u: Floats, y: Floats, fastest: float) -> float:
    """Rate of the smallest sum of squares between `SLOWEST` and `fastest`, in units of 1 / range of x."""
    from scipy.optimize import minimize_scalar  # half a second of import, paid only for fits

    logs = np.linspace(np.log(SLOWEST), np.log(fastest), GRID)
    best = int(np.argmin(_project(u, y, np.exp(logs))[2]))
    low, high = logs[max(best - 1, 0)], logs[min(best + 1, GRID - 1)]
    result = minimize_scalar(
        lambda log: float(_project(u, y, np.exp([log]))[2][0]),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(np.exp(result.x))


def _verdict(u: Floats, y: Floats, rate: float, fastest: float) -> tuple[str, str]:
    """Why the rate is not determined, or an empty string; and how well it is determined."""
    from scipy.special import fdtrc

    amplitude, _, squares = _project(u, y, np.array([rate]))
    freedom = u.size - 3
    left = max(float(squares[0]), 1e-24 * u.size)  # rounding error of a curve whose largest value is 1
    statistic = (float(y @ y) - left) / 2.0 / (left / freedom)
    if not fdtrc(2, freedom, max(statistic, 0.0)) < FLAT_P:
        return "the curve is flat within its noise", ""
    if rate < 1.01 * SLOWEST:
        return "the rate is at its lower bound: the curve is straight over the range of x", ""
    if rate > fastest / 1.01:
        return "the rate is at its upper bound: the change is over within the spacing of x", ""
    decay = np.exp(-rate * u)
    jacobian = np.stack([decay, np.ones_like(u), -float(amplitude[0]) * u * decay], axis=-1)  # (n, 3)
    variance = np.linalg.pinv(jacobian.T @ jacobian)[2, 2] * left / freedom
    relative = float(np.sqrt(variance)) / rate
    if relative > LARGEST_RELATIVE_ERROR:
        return f"the rate is not determined: its standard error is {relative:.2g} of it", ""
    return "", f"relative standard error of the rate {relative:.2g}"


def _increasing(name: str, values: ArrayLike) -> Floats:
    """A finite, strictly increasing (n,) axis."""
    axis = as_finite(name, values)
    if axis.ndim != 1 or np.any(np.diff(axis) <= 0.0):
        raise ValueError(f"{name} has shape {axis.shape}, expected (n,), strictly increasing")
    return axis
