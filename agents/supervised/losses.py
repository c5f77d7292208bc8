"""The loss of the study (eLife 107423), term by term: what each network pays for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms; their units are the inverse of those in `loss_terms`."""

    position: float = 1e3
    jerk: float = 1e5
    muscle: float = 0.1
    muscle_change: float = 3e-4
    activity: float = 1e-5
    activity_change: float = 1e-3

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"the weight of {name} must be finite and at least 0, got {value}")


def goal_distance(trajectory: Trajectory, reaches: Reaches) -> torch.Tensor:
    """Return the L1 distance of the hand to the goal, averaged over time, (n, m) [m].

    The goal is the start until the go cue reaches the network, then the target. A visual perturbation may
    score the cursor, where the hand is seen, instead of the hand.
    """
    return _distances(trajectory, reaches).mean(1)


def _distances(trajectory: Trajectory, reaches: Reaches) -> torch.Tensor:
    """L1 distance of what is scored to the goal at the end of each control step, (n, T, m) [m]."""
    return (reaches.scored(trajectory.hand) - reaches.goal()).abs().sum(-1)


def loss_terms(trajectory: Trajectory, reaches: Reaches) -> dict[str, torch.Tensor]:
    """Return the unweighted loss terms of every network, (n,) each: means over trials and time.

    - position: ``goal_distance`` [m].
    - jerk: squared second difference of hand velocity, summed over x and y [(m/s)^2].
    - muscle: muscle force, summed over muscles [N].
    - muscle_change: squared first difference of force, summed over muscles [N^2].
    - activity: mean square of the hidden activity.
    - activity_change: mean square of its first difference.
    """
    jerk = trajectory.velocity.diff(n=2, dim=1)
    return {
        "position": _distances(trajectory, reaches).mean((1, 2)),
        "jerk": jerk.square().sum(-1).mean((1, 2)),
        "muscle": trajectory.force.sum(-1).mean((1, 2)),
        "muscle_change": trajectory.force.diff(dim=1).square().sum(-1).mean((1, 2)),
        "activity": trajectory.hidden.square().mean((1, 2, 3)),
        "activity_change": trajectory.hidden.diff(dim=1).square().mean((1, 2, 3)),
    }


def mean_terms(trajectories: Sequence[Trajectory], trials: Sequence[Reaches]) -> dict[str, torch.Tensor]:
    """Return the unweighted loss terms as means over batches of equal size, (n,) each."""
    terms = [loss_terms(*batch) for batch in zip(trajectories, trials, strict=True)]
    if len(terms) == 1:
        return terms[0]
    return {name: torch.stack([each[name] for each in terms]).mean(0) for name in terms[0]}


def total_loss(terms: dict[str, torch.Tensor], weights: LossWeights) -> torch.Tensor:
    """Return the weighted sum of the terms, (n,)."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum(0)
