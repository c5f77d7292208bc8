"""Probe tables with known savings, for tests."""

import numpy as np

PHASES = ("NF1", "FF1", "NF2", "FF2")
TRUE_RATE = {"FF1": 2e-3, "FF2": 2.4e-3}
TRUE_START = {"NF1": 0.0, "FF1": 0.035, "NF2": -0.033, "FF2": 0.034}


def plant(
    networks: int = 12,
    updates: int = 200,
    noise: float = 5e-4,
    spread: float = 1e-3,
    seed: int = 0,
    rate_spread: float = 0.0,
    start: dict[str, float] = TRUE_START,
    rate: dict[str, float] = TRUE_RATE,
) -> dict[str, np.ndarray]:
    """Probe table with exponential phases.

    Networks differ in deviation by `spread` [m] and in rate by `rate_spread` (SD of its logarithm), each
    alike in FF1 and FF2.
    """
    rng = np.random.default_rng(seed)
    own = rng.normal(0.0, spread, (networks, 1, 1))
    pace = np.exp(np.random.default_rng([seed, 1]).normal(0.0, rate_spread, (networks, 1)))
    shape = (networks, updates, 8)
    trial = 8 * np.arange(updates)
    index = np.broadcast_arrays(
        *np.meshgrid(np.arange(networks), np.arange(updates), np.arange(8), indexing="ij")
    )
    columns: dict[str, list[np.ndarray]] = {}
    for phase in PHASES:
        decay = start[phase] * np.exp(-rate.get(phase, 3e-3) * pace * trial)[:, :, None]
        offset = own if phase in ("FF1", "FF2") else 0.0
        rows = {
            "network": index[0],
            "phase": np.full(shape, phase),
            "update": index[1],
            "trial": np.broadcast_to(trial[:, None], shape),
            "target": index[2],
            "lateral_deviation": decay + offset + rng.normal(0.0, noise, shape),
        }
        for name, values in rows.items():
            columns.setdefault(name, []).append(values.ravel())
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def rows(table: dict[str, np.ndarray], index: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[index] for name, values in table.items()}
