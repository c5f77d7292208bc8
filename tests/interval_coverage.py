"""Simulated coverage of the intervals of `savings_gym.metrics`, beside that of the BCa bootstrap.

python tests/interval_coverage.py

prints the tables that the docstrings of `statistics` and `fractions` quote.
"""

from collections.abc import Callable, Iterable

import numpy as np
from scipy import stats

from savings_gym.metrics.fractions import all_pairs_interval
from savings_gym.metrics.statistics import correlation, effect_size, ratio_interval, t_band

FEW = (4, 8, 12, 16)
MANY = (*FEW, 20, 40)
FRACTIONS = (0.5, 0.66, 0.8, 0.9)
CORRELATIONS = (0.0, 0.7)

MEANS: dict[str, tuple[Callable[[np.random.Generator, tuple[int, ...]], np.ndarray], float]] = {
    "normal": (lambda rng, shape: rng.standard_normal(shape), 0.0),
    "lognormal, skewness 1.75": (lambda rng, shape: np.exp(0.5 * rng.standard_normal(shape)), np.exp(0.125)),
    "exponential, skewness 2": (lambda rng, shape: rng.exponential(size=shape), 1.0),
}


def covered(intervals: Iterable[tuple[float, float]], truth: float) -> float:
    """Return the share of intervals that hold the truth."""
    low, high = np.array(list(intervals)).T
    return float(np.mean((low <= truth) & (truth <= high)))


def of_the_mean(kind: str, n: int, samples: int, seed: int = 0) -> float:
    draw, truth = MEANS[kind]
    low, high = t_band(draw(np.random.default_rng(seed), (n, samples)))
    return covered(zip(low, high, strict=True), truth)


def of_the_bootstrap(kind: str, n: int, samples: int, seed: int = 0) -> float:
    draw, truth = MEANS[kind]
    rng = np.random.default_rng(seed)
    results = (stats.bootstrap((draw(rng, (n,)),), np.mean, n_resamples=999, rng=rng) for _ in range(samples))
    return covered((tuple(result.confidence_interval) for result in results), truth)


def of_a_ratio(kind: str, n: int, samples: int, seed: int = 0) -> float:
    """Rates that differ between networks by 30 %, and whose logarithms are correlated by 0.5; ratio 1.25."""
    z, w = _pairs(n, samples, 0.5, seed)
    if kind == "normal":
        pairs = zip(1.25 * (1.0 + 0.3 * z), 1.0 + 0.3 * w, strict=True)
    else:
        pairs = zip(1.25 * np.exp(0.5 * z), np.exp(0.5 * w), strict=True)
    return covered((ratio_interval(*pair) for pair in pairs), 1.25)


def of_a_correlation(r: float, n: int, samples: int, seed: int = 0) -> float:
    return covered((correlation(*pair).ci for pair in zip(*_pairs(n, samples, r, seed), strict=True)), r)


def of_an_effect_size(size: float, n: int, samples: int, seed: int = 0) -> float:
    values = size + np.random.default_rng(seed).standard_normal((samples, n))
    return covered((effect_size(x)[1] for x in values), size)


def of_all_pairs(fraction: float, rho: float, n: int, samples: int, seed: int = 0) -> float:
    """Two normal values per network, correlated by rho; ranks, and so fractions, are those of any others."""
    x, y = _pairs(n, samples, rho, seed)
    better = x + np.sqrt(2.0) * stats.norm.ppf(fraction)
    return covered((all_pairs_interval(*pair) for pair in zip(better, y, strict=True)), fraction)


def _pairs(n: int, samples: int, rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal values with a correlation, (samples, n) each."""
    x, noise = np.random.default_rng(seed).standard_normal((2, samples, n))
    return x, rho * x + np.sqrt(1.0 - rho**2) * noise


def main() -> None:
    """Print the tables."""
    samples = 4000
    for kind in MEANS:
        _line(f"mean, {kind}", (of_the_mean(kind, n, samples) for n in MANY))
        _line(f"mean, {kind}, BCa", (of_the_bootstrap(kind, n, samples // 4) for n in MANY))
    for kind in ("normal", "lognormal"):
        _line(f"ratio, {kind}", (of_a_ratio(kind, n, samples) for n in MANY))
    for r in (0.0, 0.7):
        _line(f"correlation {r}, normal", (of_a_correlation(r, n, samples) for n in MANY))
    _line("effect size 1, normal", (of_an_effect_size(1.0, n, samples) for n in MANY))
    for rho in CORRELATIONS:
        for fraction in FRACTIONS:
            numbers = (of_all_pairs(fraction, rho, n, samples) for n in MANY)
            _line(f"all pairs {fraction:.2f}, rho {rho}", numbers)


def _line(name: str, coverage: Iterable[float]) -> None:
    print(f"{name:42}  " + "  ".join(f"{100 * value:5.1f}" for value in coverage), flush=True)


if __name__ == "__main__":
    main()
