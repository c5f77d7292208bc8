"""Preparatory activity: axes that predict force, the shift common to all targets, and how much is retained.

The analysis of Sun et al. 2022 (doi 10.1038/s41586-021-04329-x), as the reference study of savings applies it
to recurrent networks (Shahbazi et al. 2026, eLife 14:RP107423). Preparatory activity is the activity at one
time before the go signal, a mapping of phase names to (..., targets, units). Leading axes are networks, each
analysed by itself. Symbols, per network, with n targets and N units:

- ``x[p, k]`` (N,): activity in phase p before the reach to target k; ``f[k]`` (2,): hand force of NF1 [N];
- ``c`` (N,): mean of ``x`` over phases and targets;
- ``B`` (3, N): least squares of ``x[NF1, k] - c`` on ``(f[k], 1)``;
- ``D`` (N, 2): the first two columns of the pseudo-inverse of ``B``;
- ``A`` (N, 2): the columns of ``D``, the second made orthogonal to the first;
- ``s = mean_k(x[FF1, k]) - mean_k(x[NF1, k])``, and ``u`` (N,): ``s`` less its components along ``A``.

A rotation Q of unit space (x -> x Q) turns ``D``, ``A`` and ``u`` with it and leaves projections as they are.

The change of activity before the reach to target k, from one phase to another, has a uniform part, its mean
over targets (`common_share`). The rest differs between targets: `ring_turn` measures the turn of the ring of
targets in the plane of predicted force, the sign of a reach that aims against a field.
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
    matmul_per_network,
    name_networks,
    orthogonal_to,
    subtract_per_network,
)
from savings_gym.arrays import Floats, as_points

REGRESSORS = 3  # the two components of the hand force, and a constant


@dataclass(frozen=True, eq=False)
class ForceAxes:
    """Axes along which preparatory activity predicts hand force, by targeted dimensionality reduction (TDR).

    Attributes:
        centre: (..., units) c, mean activity over phases and targets.
        tuning: (..., 2, units) first two rows of B, change of activity with force [activity / N].
        decoder: (..., units, 2) D, from centred activity to force [N / activity].
        axes: (..., units, 2) A, orthogonal, not of unit length.
    """

    centre: Floats
    tuning: Floats
    decoder: Floats
    axes: Floats

    def project(self, activity: ArrayLike) -> Floats:
        """Return the coordinates (x - c) A, (networks..., any axes, 2) [N].

        The first is the predicted force along x. The second is the part of the predicted force along y that
        comes from activity orthogonal to the first axis.

        Args:
            activity: (networks..., any axes, units) x.
        """
        return matmul_per_network(subtract_per_network(activity, self.centre), self.axes)

    def predicted_force(self, activity: ArrayLike) -> Floats:
        """Return the force (x - c) D that activity predicts, (networks..., any axes, 2) [N].

        Args:
            activity: (networks..., any axes, units) x.
        """
        return matmul_per_network(subtract_per_network(activity, self.centre), self.decoder)


@dataclass(frozen=True, eq=False)
class UniformShift:
    """Change of preparatory activity that is common to all targets.

    Attributes:
        vector: (..., units) u, orthogonal to the force axes, not of unit length.
        raw: (..., units) s, the shift before it is made orthogonal.
        origin: (..., units) activity, mean over targets, in the phase whose projection is 0.
        scale: (...) ``s . u = |u|**2``, the divisor of projections.
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
        """Return the projection (x - origin) . u / (s . u), (networks..., any axes).

        Its mean over targets is 0 before the shift and 1 after it.

        Args:
            activity: (networks..., any axes, units) x.
        """
        centred = subtract_per_network(activity, self.origin)
        between = (1,) * (centred.ndim - self.vector.ndim)
        vector = self.vector.reshape(*self.vector.shape[:-1], *between, self.vector.shape[-1])
        along: Floats = np.sum(centred * vector, axis=-1)
        return along / self.scale.reshape((*self.scale.shape, *between))


def force_axes(activity: Activity, force: ArrayLike, *, phase: str = "NF1") -> ForceAxes:
    """Return TDR axes: regress the preparatory activity of one phase on the hand force of its reaches.

    Formulas are at the top of the module. All phases enter the centre c: the constant of the regression then
    carries the change of mean activity, and the pseudo-inverse makes the axes orthogonal to it. So pass the
    phases whose change the axes should not pick up. The reference study passes NF1, FF1, NF2 and FF2.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        force: (..., targets, 2) hand force in the reaches of `phase` [N].
        phase: Phase of the regression.

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
                f"activity has {count} {name}, expected at least {REGRESSORS}, one per regressor (two "
                "components of the force and a constant)"
            )
    design = np.concatenate([forces, np.ones((*shape[:-1], 1))], axis=-1)  # (..., targets, 3)
    flat = np.linalg.matrix_rank(design) < REGRESSORS
    if np.any(flat):
        raise ValueError(
            f"force{name_networks(flat)} lies on a line, expected targets that spread it in the plane"
        )
    centre = np.mean([x.mean(axis=-2) for x in phases.values()], axis=0)
    coefficients = np.linalg.pinv(design) @ (phases[phase] - centre[..., None, :])  # B, (..., 3, units)
    decoder = np.linalg.pinv(coefficients, rcond=NEGLIGIBLE)[..., :2]
    tuning = coefficients[..., :2, :]
    wrong = np.abs(tuning @ decoder - np.eye(2)).max(axis=(-2, -1)) > 1e-6
    if np.any(wrong):
        raise ValueError(
            f"activity of {phase}{name_networks(wrong)} does not tell the two components of the force apart, "
            "expected activity that is tuned to both, and other phases whose mean differs"
        )
    first, second = decoder[..., 0], decoder[..., 1]
    axes = np.stack([first, orthogonal_to(second, first[..., None])], axis=-1)
    return ForceAxes(centre, tuning, decoder, axes)


def uniform_shift(
    activity: Activity, axes: ForceAxes | ArrayLike, *, before: str = "NF1", after: str = "FF1"
) -> UniformShift:
    """Return the change of preparatory activity, mean over targets, orthogonal to the force axes.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        axes: Force axes, or any other (..., units, k); k = 0 for none.
        before: Phase whose projection is 0.
        after: Phase whose projection is 1.

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
            f"the shift from {before} to {after}{name_networks(none)} has no length orthogonal to the axes, "
            "expected phases whose mean activity differs"
        )
    return UniformShift(vector, raw, origin, np.sum(raw * vector, axis=-1))


def shift_projections(activity: Activity, shift: UniformShift) -> dict[str, Floats]:
    """Return the projection of the mean preparatory activity of every phase on the shift: NF1 = 0, FF1 = 1.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        shift: From the same activity.

    Returns:
        Phase name to (...), one number per network.
    """
    phases = as_activity(activity, (), AT_ONE_TIME)
    return {phase: shift.project(x.mean(axis=-2)) for phase, x in phases.items()}


def retained_fraction(activity: Activity, shift: UniformShift, *, phase: str = "NF2") -> Floats:
    """Return the fraction of the shift that is left in a phase, (...): 0 if washed out, 1 for all of it.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        shift: From the same networks.
        phase: Phase after washout.
    """
    return shift_projections(as_activity(activity, (phase,), AT_ONE_TIME), shift)[phase]


def trial_projections(activity: Activity, shift: UniformShift) -> dict[str, Floats]:
    """Return the projection on the shift over whole trials, mean over targets.

    Origin (NF1 = 0) and scale (FF1 = 1) are those of the preparatory time throughout. So the curve of a phase
    passes through its `shift_projections` at that time, and shows at other times how activity moves along the
    shift. The difference between the curves of two phases is the shift at every time.

    Args:
        activity: Phase name to activity (..., targets, time, units).
        shift: Of the same networks, at the preparatory time.

    Returns:
        Phase name to (..., time).
    """
    phases = as_activity(activity, (), OVER_TRIALS)
    return {phase: shift.project(x.mean(axis=-3)) for phase, x in phases.items()}


def common_share(activity: Activity, *, before: str = "NF1", after: str = "FF1") -> Floats:
    """Return the share of a change that all targets have in common, ``|mean_k d[k]|**2 / mean_k |d[k]|**2``.

    By chance, unrelated changes d[k] of n targets have 1 / n in common on average.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        before: Phase from which activity changes.
        after: Phase to which it changes.

    Returns:
        (...), 0 to 1; 1 for the same change before every target.

    Raises:
        ValueError: If a phase is missing, shapes do not match, or nothing changes.
    """
    phases = as_activity(activity, (before, after), AT_ONE_TIME)
    change = phases[after] - phases[before]
    total = np.mean(np.sum(change**2, axis=-1), axis=-1)
    none = total == 0.0
    if np.any(none):
        raise ValueError(
            f"activity{name_networks(none)} is the same in {before} and {after}, expected a change"
        )
    common: Floats = np.sum(change.mean(axis=-2) ** 2, axis=-1) / total
    return common


def ring_turn(ring: ArrayLike, reference: ArrayLike) -> Floats:
    """Return the angle by which a ring of points has turned about its centre, counterclockwise.

    The planar rotation that brings the centred reference r nearest to the centred ring p, by least squares,
    has the angle ``atan2(sum_k r[k] x p[k], sum_k r[k] . p[k])``. Size and centre of the rings do not matter.

    Args:
        ring: (..., targets, 2).
        reference: (..., targets, 2), the same targets before the turn.

    Returns:
        (...) [rad], -pi to pi.

    Raises:
        ValueError: If shapes do not match, or the points of a ring coincide.
    """
    points, before = as_points("ring", ring), as_points("reference", reference)
    if points.shape != before.shape or points.ndim < 2:
        raise ValueError(
            f"ring and reference have shapes {points.shape} and {before.shape}, expected one "
            "(..., targets, 2)"
        )
    p, r = (x - x.mean(axis=-2, keepdims=True) for x in (points, before))
    cross = np.sum(r[..., 0] * p[..., 1] - r[..., 1] * p[..., 0], axis=-1)
    inner = np.sum(r * p, axis=(-2, -1))
    size = np.sqrt(np.sum(p * p, axis=(-2, -1)) * np.sum(r * r, axis=(-2, -1)))
    flat = ~(np.hypot(cross, inner) > 1e-12 * size)
    if np.any(flat):
        raise ValueError(
            f"ring or reference{name_networks(flat)} has no direction, expected points that spread"
        )
    angle: Floats = np.arctan2(cross, inner)
    return angle
