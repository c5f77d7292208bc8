"""What every trial of an experiment does to the learner, as the models of learning see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Array, Floats, as_finite, as_number, as_real, as_whole_number

CHANNEL: Final = "channel"  # in place of a perturbation in `Design.of_blocks`


@dataclass(frozen=True, eq=False)
class Design:
    """The trials of one learner, in order.

    A trial is one of three kinds. On a *free* trial the learner meets the perturbation p, and its error is
    p less its adaptation. On a *clamped* trial it sees a given error, whatever it does. On a *channel* trial
    it cannot err: its adaptation is measured as force, nothing is learned, and no perturbation is felt.

    Attributes:
        perturbation: (T,) size of the perturbation in units of the one to be learned: 0 without, 1 in A,
            -1 in its opposite. Ignored on other trials.
        clamp: (T,) error of clamped trials in the same unit, NaN on others; None clamps none.
        channel: (T,) whether a trial is in a channel; None means none is.
    """

    perturbation: Floats
    clamp: Floats | None = None
    channel: Array | None = None

    def __post_init__(self) -> None:
        """Check the arrays."""
        p = as_finite("perturbation", self.perturbation)
        if p.ndim != 1 or not p.size:
            raise ValueError(f"perturbation has shape {p.shape}, expected (T,) with at least one trial")
        clamp = np.full(p.shape, np.nan) if self.clamp is None else as_real("clamp", self.clamp)
        channel = np.zeros(p.shape, dtype=bool) if self.channel is None else np.asarray(self.channel)
        if clamp.shape != p.shape or channel.shape != p.shape:
            raise ValueError(
                f"clamp and channel have shapes {clamp.shape}, {channel.shape}, expected {p.shape}"
            )
        if channel.dtype != np.bool_:
            raise ValueError(f"channel is of dtype {channel.dtype}, expected booleans")
        if np.isinf(clamp).any() or (np.isfinite(clamp) & channel).any():
            raise ValueError("clamp has errors that are infinite, or on trials that are in a channel")
        for name, values in (("perturbation", p), ("clamp", clamp), ("channel", channel)):
            object.__setattr__(self, name, values)

    @classmethod
    def of_blocks(cls, *blocks: tuple[float | str, int]) -> Design:
        """Return the trials of blocks, such as ``(0.0, 50), (1.0, 125), (-1.0, 15), ("channel", 150)``.

        Args:
            *blocks: Perturbation, or "channel", and number of trials.

        Raises:
            ValueError: If there is no block, or one has another form.
        """
        if not blocks:
            raise ValueError('a design needs at least one block, such as (1.0, 100) or ("channel", 50)')
        sizes, channels = [], []
        for block in blocks:
            if not isinstance(block, tuple) or len(block) != 2:
                raise ValueError(f"a block is (perturbation or 'channel', trials), got {block!r}")
            kind, trials = block[0], as_whole_number("trials of a block", block[1], least=1)
            in_channel = kind == CHANNEL
            size = 0.0 if in_channel else as_number("perturbation of a block", kind)
            sizes.append(np.full(trials, size))
            channels.append(np.full(trials, in_channel))
        return cls(np.concatenate(sizes), channel=np.concatenate(channels))

    @property
    def trials(self) -> int:
        """Number of trials, T."""
        return self.perturbation.size

    @property
    def free(self) -> Array:
        """(T,) whether a trial is free: neither clamped nor in a channel."""
        assert self.clamp is not None and self.channel is not None
        return np.isnan(self.clamp) & ~self.channel

    @property
    def imposed_error(self) -> Floats:
        """(T,) error that the learner meets whatever it does: 0 in a channel, NaN on free trials."""
        assert self.clamp is not None and self.channel is not None
        return np.where(self.channel, 0.0, self.clamp)

    def __getitem__(self, trials: slice) -> Design:
        """Return some of the trials, at least one."""
        assert self.clamp is not None and self.channel is not None
        return Design(self.perturbation[trials], self.clamp[trials], self.channel[trials])

    def check_observed(self, observed: ArrayLike) -> Floats:
        """Return one measured value per trial, (T,), NaN where nothing was measured.

        Raises:
            ValueError: If the shape differs, a value is infinite, or all are NaN.
        """
        values = as_real("observed", observed)
        if values.shape != self.perturbation.shape:
            raise ValueError(f"observed has shape {values.shape}, expected {self.perturbation.shape}")
        if np.isinf(values).any() or np.isnan(values).all():
            raise ValueError("observed has infinite values, or none at all; NaN stands for a missing one")
        return values
