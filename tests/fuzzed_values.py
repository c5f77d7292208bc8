"""Values that no one should give, and what may come of them."""

import math

import numpy as np
from hypothesis import strategies as st

extreme_floats = st.sampled_from(
    [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e-300, 1e300, -1.7e308, 1e12, -1e13]
)
numbers = st.one_of(
    st.integers(-3, 12),
    st.sampled_from([10**400, -(10**400), 2**63, 2**70]),
    st.floats(allow_nan=True, allow_infinity=True),
    extreme_floats,
    st.booleans(),
)
numpy_values = st.sampled_from(
    [
        np.float32(0.3), np.float64(math.nan), np.int8(3), np.bool_(True), np.array(3), np.array([]),
        np.array([0.1, 0.3]), np.array("x"), np.array([1, 2], dtype=object), np.datetime64("2026-01-01"),
        np.array([[1.0, 2.0], [3.0, math.inf]]), np.array(["muscle", "motor"]), np.complex64(1j),
    ]
)  # fmt: skip
odd_objects = st.sampled_from([None, object(), int, 1j, b"x", {1, 2}, range(3), lambda: 1])
words = st.sampled_from(
    ["", "x", "8", "nan", "random", "muscle", "curl", "start", "full", "NextStep", "rgb_array", "\0"]
)
leaves = st.one_of(numbers, numpy_values, odd_objects, words)
names = st.sampled_from(
    [
        "kind",
        "b",
        "onset",
        "fields",
        "phases",
        "name",
        "trials",
        "vision",
        "cue",
        "strength",
        "biceps",
        "file",
    ]
)
keys = st.one_of(names, st.text(max_size=3), st.integers(0, 2), st.none())
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
    ),
    max_leaves=6,
)


def too_large(value: object) -> bool:
    """Whether a value asks for more targets or arms than a test should make."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 64 < value < 2**40


def mangled(values: dict) -> st.SearchStrategy[dict]:
    """Dicts like this one, with entries replaced, removed, added, or renamed."""

    def mangle(changes: tuple[str, str, object]) -> dict:
        how, key, value = changes
        entries = {name: entry for name, entry in values.items() if how != "removed" or name != key}
        if how == "replaced":
            entries[key] = value
        elif how == "renamed":
            entries[f"{key}s"] = entries.pop(key)
        elif how == "added":
            entries["more"] = value
        elif how == "within" and isinstance(entries[key], list) and entries[key]:
            entries[key] = [value, *entries[key][1:]]
        return entries

    ways = st.sampled_from(["replaced", "removed", "renamed", "added", "within"])
    return st.tuples(ways, st.sampled_from(sorted(values)), anything).map(mangle)
