"""A force field of your own, and what it is worth to know it: `python -m experiments.examples.own_field`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro

from agents.baselines.agents import ModelBasedController
from savings_gym import Field, NullField, Probe
from savings_gym.arrays import MM, Floats
from savings_gym.task.settings import task_settings


@dataclass(frozen=True)
class Wind(Field, kind="example-wind"):
    """Wind that drags the hand along, f = drag (speed - v) [N].

    Attributes:
        speed: Velocity of the wind, x and y [m/s].
        drag: [N s/m].
    """

    speed: tuple[float, float] = (1.0, 0.0)
    drag: float = 3.0
    shapes = {"speed": (2,), "drag": ()}  # noqa: RUF012, names and shapes of what is checked

    def terms(self, start: Floats, target: Floats) -> dict[str, Any]:
        """Return those of B, K, x0 and c of f = B v + K (x0 - x) + c that are not zero."""
        return {"B": [[-self.drag, 0.0], [0.0, -self.drag]], "c": [self.drag * x for x in self.speed]}


def main(quick: bool = False) -> dict[str, float]:
    """Let a controller reach in wind, first without and then with knowledge of it.

    Args:
        quick: Torques instead of muscles, which takes a second.
    """
    settings = task_settings(actuation="torque" if quick else "muscle")
    probe, wind, deviations = Probe(settings), Wind(), {}
    for name, expected in (("unexpected", NullField()), ("expected", wind)):
        result = probe(ModelBasedController(settings, expected), wind)
        deviations[name] = float(np.abs(result.columns["lateral_deviation"]).mean())
        print(f"{name} wind: {MM * deviations[name]:.1f} mm off the line")
    return deviations


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.own_field")
