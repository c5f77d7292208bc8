"""Reading the field from activity: a further loss that makes networks remember which field they are in.

Reaching well in sessions rewards a memory of the field, but the gradient hardly finds it: what a network felt
in one trial fades in the hold before the next. A linear read-out that learns, beside the network, to tell the
strength of the curl field at every moment asks for that memory directly. It is an auxiliary task in the sense
of Jaderberg et al. (2017, arXiv:1611.05397); the arm never sees what it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from agents.supervised.networks import Ensemble
from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory


def curl_strength(reaches: Reaches) -> torch.Tensor:
    """Return the strength of the curl part of the field of every trial, (n, m) [N s/m].

    It is half the difference of the off-diagonal entries of B, added up over onsets, with the sign of
    ``CurlField.b``.
    """
    velocity_parts = torch.stack([field[0] for field in reaches.fields]).sum(0)
    return (velocity_parts[..., 0, 1] - velocity_parts[..., 1, 0]) / 2.0


class FieldReading:
    """A linear read-out of each network's activity that learns to tell the strength of the field.

    Args:
        ensemble: The networks.
        unit: Strength that is read as 1 [N s/m].
        rate: Learning rate of Adam.

    Attributes:
        weight: (n, units) of the read-outs, 0 at first.
        bias: (n,) likewise.
    """

    def __init__(self, ensemble: Ensemble, unit: float, rate: float) -> None:
        """Begin with read-outs that say 0."""
        like = ensemble.initial
        self.unit = unit
        self.weight = torch.zeros(ensemble.networks, ensemble.units, dtype=like.dtype, device=like.device)
        self.bias = torch.zeros(ensemble.networks, dtype=like.dtype, device=like.device)
        for parameter in (self.weight, self.bias):
            parameter.requires_grad_()
        self.optimiser = torch.optim.Adam([self.weight, self.bias], lr=rate)

    def read(self, trajectory: Trajectory) -> torch.Tensor:
        """Return what is read at every moment of a batch of trials, (n, T, m), in `unit`."""
        read = torch.einsum("ntmu,nu->ntm", trajectory.hidden, self.weight)
        return read + self.bias[:, None, None]

    def loss(self, trajectories: Sequence[Trajectory], trials: Sequence[Reaches]) -> torch.Tensor:
        """Return the mean square error of reading, over trials and time, (n,)."""
        errors = [
            (self.read(trajectory) - curl_strength(reaches)[:, None] / self.unit).square().mean((1, 2))
            for trajectory, reaches in zip(trajectories, trials, strict=True)
        ]
        return torch.stack(errors).mean(0)

    def step(self) -> None:
        """Update the read-outs with the gradient of the last loss that was propagated, and forget it."""
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes, to be saved."""
        return {
            "weight": self.weight.detach(), "bias": self.bias.detach(),
            "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        with torch.no_grad():
            self.weight.copy_(state["weight"])
            self.bias.copy_(state["bias"])
        self.optimiser.load_state_dict(state["optimiser"])
