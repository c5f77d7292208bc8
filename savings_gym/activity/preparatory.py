"""Preparatory activity: the axes that predict force, the shift that is common to all targets, what is kept.

The analysis of Sun et al. 2022 (doi 10.1038/s41586-021-04329-x) as the reference study of savings takes it
over for recurrent networks (Shahbazi et al. 2026, eLife 14:RP107423). Preparatory activity is the activity at
one time before the go cue, a mapping of phase names to (..., targets, units); the leading axes are networks,
and every network is analysed by itself. Symbols, per network, with n targets and N units:

- ``x[p, k]`` (N,): activity in phase p before the reach to target k; ``f[k]`` (2,): hand force of NF1 [N];
- ``c`` (N,): mean of ``x`` over phases and targets;
- ``B`` (3, N): least squares of ``x[NF1, k] - c`` on ``(f[k], 1)``;
- ``D`` (N, 2): the first two columns of the pseudo-inverse of ``B``;
- ``A`` (N, 2): the columns of ``D``, the second made orthogonal to the first;
- ``s = mean_k(x[FF1, k]) - mean_k(x[NF1, k])``, and ``u`` (N,): ``s`` less its components along ``A``.

A rotation Q of unit space (x -> x Q) turns ``D``, ``A`` and ``u`` with it and leaves projections as they are.

What a change of preparatory activity between two phases is like: common to all targets, or a turn.

With d[k] (N,) the change of activity before the reach to target k, the uniform part is its mean over targets;
what is left differs between targets, such as the turn of the ring of targets in the plane of predicted force
that aims against a field.

What is added to preparatory activity to test what it does: along a shift, against it, and beside it.

The displacement of the reference study is m times a network's own uniform shift u, unnormalised, added once
to the activity at the preparatory time, m = -2 to 2. Its control is a vector of the same length in a random
direction orthogonal to u: if that moves behaviour as much, the length matters and not the shift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import (
    AT_ONE_TIME,
    NEGLIGIBLE,
    OVER_TRIALS,
    Activity,
    as_activity,
    as_samples,
    minus_per_network,
    orthogonal_to,
    per_network,
    which,
)
from savings_gym.arrays import Floats, as_finite, as_points

REGRESSORS = 3  # the two components of the hand force, and a constant


@dataclass(frozen=True, eq=False)
class ForceAxes:
    """Axes of targeted dimensionality reduction (TDR): where preparatory activity predicts hand force.

    Attributes:
        centre: (..., units) c, mean activity over phases and targets.
        tuning: (..., 2, units) first two rows of B, change of activity with force [activity / N].
        baseline: (..., units) last row of B, activity at zero force less the centre.
        decoder: (..., units, 2) D, reads the force out of centred activity [N / activity].
        axes: (..., units, 2) A, orthogonal, not of unit length.
    """

    centre: Floats
    tuning: Floats
    baseline: Floats
    decoder: Floats
    axes: Floats

    def project(self, activity: ArrayLike) -> Floats:
        """Coordinates (x - c) A of activity (networks..., any axes, units): (networks..., any axes, 2) [N].

        The first is the predicted force along x; the second the part of the predicted force along y that
        comes from activity orthogonal to the first axis.
        """
        return per_network(minus_per_network(activity, self.centre), self.axes)

    def predicted_force(self, activity: ArrayLike) -> Floats:
        """Force (x - c) D that activity (networks..., any axes, units) predicts: (..., any axes, 2) [N]."""
        return per_network(minus_per_network(activity, self.centre), self.decoder)


@dataclass(frozen=True, eq=False)
class UniformShift:
    """Change of preparatory activity that is common to all targets.

    Attributes:
        vector: (..., units) u, orthogonal to the force axes, not of unit length.
        raw: (..., units) s, before it was made orthogonal.
        origin: (..., units) mean activity over targets in the phase where projections are 0.
        scale: (...) s . u = |u|**2, by which projections are divided.
    """

    vector: Floats
    raw: Floats
    origin: Floats
    scale: Floats

    @property
    def length(self) -> Floats:
        """Length of the vector, (...), in the unit of the activity."""
        return np.linalg.norm(self.vector, axis=-1)

    def project(self, activity: ArrayLike) -> Floats:
        """Projection (x - origin) . u / (s . u) of activity (networks..., any axes, units).

        Of shape (networks..., any axes); its mean over targets is 0 before the shift and 1 after it.
        """
        centred = minus_per_network(activity, self.origin)
        between = (1,) * (centred.ndim - self.vector.ndim)
        vector = self.vector.reshape(*self.vector.shape[:-1], *between, self.vector.shape[-1])
        along: Floats = np.sum(centred * vector, axis=-1)
        return along / self.scale.reshape((*self.scale.shape, *between))


def force_axes(activity: Activity, force: ArrayLike, *, phase: str = "NF1") -> ForceAxes:
    """TDR axes from the regression of one phase's preparatory activity on the hand force of its reaches.

    Formulas at the top of the module. All phases given enter the centre c, so that the constant of the
    regression carries the change of mean activity and the pseudo-inverse makes the axes orthogonal to it:
    give the phases whose change the axes shall not pick up. The reference study gives NF1, FF1, NF2 and FF2.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        force: (..., targets, 2) hand force in the reaches of `phase` [N].
        phase: Phase that is regressed.

    Returns:
        Axes of every network.

    Raises:
        ValueError: If the phase is missing, shapes do not match, there are fewer than 3 targets or units, the
            forces lie on a line, or the activity does not tell their two components apart.
    """
    phases = as_activity(activity, (phase,), AT_ONE_TIME)
    shape = phases[phase].shape
    forces = as_points("force", force)
    if forces.shape != (*shape[:-1], 2):
        raise ValueError(
            f"force has shape {forces.shape}, expected {(*shape[:-1], 2)}, as activity has {shape}"
        )
    for name, count in (("targets", shape[-2]), ("units", shape[-1])):
        if count < REGRESSORS:
            raise ValueError(
                f"activity has {count} {name}, expected at least {REGRESSORS}, one a regressor (two "
                "components of the force and a constant)"
            )
    design = np.concatenate([forces, np.ones((*shape[:-1], 1))], axis=-1)  # (..., targets, 3)
    flat = np.linalg.matrix_rank(design) < REGRESSORS
    if np.any(flat):
        raise ValueError(f"force{which(flat)} lies on a line, expected targets that spread it in the plane")
    centre = np.mean([x.mean(axis=-2) for x in phases.values()], axis=0)
    coefficients = np.linalg.pinv(design) @ (phases[phase] - centre[..., None, :])  # B, (..., 3, units)
    decoder = np.linalg.pinv(coefficients, rcond=NEGLIGIBLE)[..., :2]
    tuning = coefficients[..., :2, :]
    wrong = np.abs(tuning @ decoder - np.eye(2)).max(axis=(-2, -1)) > 1e-6
    if np.any(wrong):
        raise ValueError(
            f"activity of {phase}{which(wrong)} does not tell the two components of the force apart, "
            "expected activity tuned to both, and other phases besides, whose mean differs"
        )
    first, second = decoder[..., 0], decoder[..., 1]
    axes = np.stack([first, orthogonal_to(second, first[..., None])], axis=-1)
    return ForceAxes(centre, tuning, coefficients[..., 2, :], decoder, axes)


def uniform_shift(
    activity: Activity, axes: ForceAxes | ArrayLike, *, before: str = "NF1", after: str = "FF1"
) -> UniformShift:
    """Mean change of preparatory activity over targets, orthogonal to the force axes.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        axes: Force axes, or any (..., units, k) axes; k = 0 for none.
        before: Phase where projections are 0.
        after: Phase where they are 1.

    Raises:
        ValueError: If a phase is missing, shapes do not match, or the shift has no length.
    """
    phases = as_activity(activity, (before, after), AT_ONE_TIME)
    origin = phases[before].mean(axis=-2)
    raw = phases[after].mean(axis=-2) - origin
    columns = axes.axes if isinstance(axes, ForceAxes) else np.asarray(axes, dtype=np.float64)
    if columns.shape[:-1] != raw.shape:
        expected = f"({', '.join(str(n) for n in raw.shape)}, k)"
        raise ValueError(f"axes have shape {columns.shape}, expected {expected}, as activity has")
    vector = orthogonal_to(raw, columns)
    lengths = [np.linalg.norm(x, axis=-1) for x in (vector, raw, origin)]
    none = (lengths[0] <= 1e-9 * lengths[1]) | (lengths[0] <= NEGLIGIBLE * lengths[2])
    if np.any(none):
        raise ValueError(
            f"the shift from {before} to {after}{which(none)} has no length orthogonal to the axes, expected "
            "phases whose mean activity differs"
        )
    return UniformShift(vector, raw, origin, np.sum(raw * vector, axis=-1))


def shift_projections(activity: Activity, shift: UniformShift) -> dict[str, Floats]:
    """Projection of every phase's mean preparatory activity on the shift: NF1 = 0, FF1 = 1.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        shift: From the same activity.

    Returns:
        Phase name to (...), a number a network.
    """
    phases = as_activity(activity, (), AT_ONE_TIME)
    return {phase: shift.project(x.mean(axis=-2)) for phase, x in phases.items()}


def retained_fraction(activity: Activity, shift: UniformShift, *, phase: str = "NF2") -> Floats:
    """Fraction of the shift that is left in a phase, (...); 0 = washed out, 1 = all of it.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        shift: From the same networks.
        phase: Phase that is asked about.
    """
    return shift_projections(as_activity(activity, (phase,), AT_ONE_TIME), shift)[phase]


def trial_projections(activity: Activity, shift: UniformShift) -> dict[str, Floats]:
    """Projection on the shift over whole trials, mean over targets, in the scale of `shift_projections`.

    Origin and scale are those of the preparatory time throughout, so the curve of a phase passes through its
    `shift_projections` there and shows elsewhere how activity moves along the shift. The difference of two
    phases' curves is the shift at every time.

    Args:
        activity: Phase name to activity (..., targets, time, units).
        shift: Of the same networks, at the preparatory time.

    Returns:
        Phase name to (..., time).
    """
    phases = as_activity(activity, (), OVER_TRIALS)
    return {phase: shift.project(x.mean(axis=-3)) for phase, x in phases.items()}


def common_share(activity: Activity, *, before: str = "NF1", after: str = "FF1") -> Floats:
    """Share of a change that all targets have in common, ``|mean_k d[k]|**2 / mean_k |d[k]|**2``.

    Unrelated changes of n targets have 1 / n in common on average, by chance.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        before: Phase from which activity changes.
        after: Phase to which it changes.

    Returns:
        (...), 0 to 1; 1 = the same change before every target.

    Raises:
        ValueError: If a phase is missing, shapes do not match, or nothing changes.
    """
    phases = as_activity(activity, (before, after), AT_ONE_TIME)
    change = phases[after] - phases[before]
    every = np.mean(np.sum(change**2, axis=-1), axis=-1)
    none = every == 0.0
    if np.any(none):
        raise ValueError(f"activity{which(none)} is the same in {before} and {after}, expected a change")
    common: Floats = np.sum(change.mean(axis=-2) ** 2, axis=-1) / every
    return common


def ring_turn(ring: ArrayLike, reference: ArrayLike) -> Floats:
    """Angle by which a ring of points turned about its centre, counterclockwise.

    The rotation that brings the centred reference nearest to the centred ring, by least squares:
    ``atan2(sum_k r[k] x p[k], sum_k r[k] . p[k])``. Its size and where its centre is do not matter.

    Args:
        ring: (..., targets, 2).
        reference: (..., targets, 2), the same targets before.

    Returns:
        (...) [rad], -pi to pi.

    Raises:
        ValueError: If shapes do not match, or a ring is a point.
    """
    here, there = as_points("ring", ring), as_points("reference", reference)
    if here.shape != there.shape or here.ndim < 2:
        raise ValueError(
            f"ring and reference have shapes {here.shape} and {there.shape}, expected one (..., targets, 2)"
        )
    p, r = (x - x.mean(axis=-2, keepdims=True) for x in (here, there))
    cross = np.sum(r[..., 0] * p[..., 1] - r[..., 1] * p[..., 0], axis=-1)
    inner = np.sum(r * p, axis=(-2, -1))
    size = np.sqrt(np.sum(p * p, axis=(-2, -1)) * np.sum(r * r, axis=(-2, -1)))
    flat = ~(np.hypot(cross, inner) > 1e-12 * size)
    if np.any(flat):
        raise ValueError(f"ring or reference{which(flat)} has no direction, expected points that spread")
    angle: Floats = np.arctan2(cross, inner)
    return angle


DIRECTIONS = ("along", "against", "random")
"""Directions of a displacement."""


def displacement_vector(
    shift: UniformShift | ArrayLike,
    magnitude: float,
    direction: str = "along",
    *,
    seed: int = 0,
    avoid: ArrayLike | None = None,
) -> Floats:
    """Vector to add to every network's activity: m u, -m u, or m |u| w with w random and orthogonal to u.

    Args:
        shift: Uniform shift, or vectors (..., units).
        magnitude: m; its sign turns the vector round.
        direction: One of `DIRECTIONS`.
        seed: Of random directions.
        avoid: (..., units, k) axes that random directions are orthogonal to as well, such as the force axes.

    Returns:
        (..., units), of length |m| |u|.

    Raises:
        ValueError: For an unknown direction, a magnitude that is not finite, or a shift of zero length.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction is {direction!r}, expected one of {', '.join(DIRECTIONS)}")
    if not np.isfinite(magnitude):
        raise ValueError(f"magnitude is {magnitude}, expected a finite number")
    vector = _vector(shift)
    if direction == "random":
        return magnitude * random_orthogonal(vector, seed, avoid)
    return magnitude * vector if direction == "along" else -magnitude * vector


def random_orthogonal(
    shift: UniformShift | ArrayLike, seed: int = 0, avoid: ArrayLike | None = None
) -> Floats:
    """Vectors as long as the shift in directions drawn evenly from those orthogonal to it.

    Every network has its own direction; the first networks keep theirs when more are added.

    Args:
        shift: Uniform shift, or vectors (..., units).
        seed: Of a fresh generator.
        avoid: (..., units, k) further axes that the direction is orthogonal to.

    Returns:
        (..., units).

    Raises:
        ValueError: If the shift has no length, shapes do not match, or no direction is left.
    """
    vector = _vector(shift)
    axes = vector[..., None]
    if avoid is not None:
        others = as_finite("avoid", avoid)
        if others.shape[:-1] != vector.shape:
            expected = f"({', '.join(str(n) for n in vector.shape)}, k)"
            raise ValueError(f"avoid has shape {others.shape}, expected {expected}, as the shift has")
        # of one scale, so that no axis is taken for rounding error beside a longer one
        longest = np.linalg.norm(others, axis=-2, keepdims=True)
        others = np.divide(others, longest, out=np.zeros_like(others), where=longest > 0.0)
        axes = np.concatenate([axes / np.linalg.norm(axes, axis=-2, keepdims=True), others], axis=-1)
    units, taken = axes.shape[-2:]
    if units <= taken:
        raise ValueError(f"shift has {units} units, expected more than the {taken} directions to avoid")
    drawn = orthogonal_to(np.random.default_rng(seed).standard_normal(vector.shape), axes)
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return drawn * (length / np.linalg.norm(drawn, axis=-1, keepdims=True))


def _vector(shift: UniformShift | ArrayLike) -> Floats:
    """The vectors (..., units) of a shift; ValueError if one has no length."""
    vector = as_samples("shift", shift.vector if isinstance(shift, UniformShift) else shift, ("units",))
    none = ~np.any(vector != 0.0, axis=-1)
    if np.any(none):
        raise ValueError(f"shift{which(none)} has zero length, expected a vector that differs from zero")
    return vector
