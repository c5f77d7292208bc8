"""Savings of a controller written by hand: `python -m experiments.examples.own_controller`."""

import tyro

from agents.baselines.agents import ModelBasedController
from savings_gym import CurlField, Probe, ProbeRecorder, four_phase
from savings_gym.arrays import MM
from savings_gym.task.settings import N_TARGETS, TaskSettings, task_settings

STRENGTH = 8.0  # N s/m, of the curl field
FAST, SLOW = (0.6, 0.25), (0.98, 0.08)  # what is kept from batch to batch, and learned of an error
FULL_ERROR = 0.02  # m, lateral deviation that counts as an unknown field of full strength


class TwoRateController:
    """Expects a curl field whose strength it learns, as the sum of a fast and a slow state.

    Two such states show savings (Smith, Ghazizadeh & Shadmehr 2006, doi 10.1371/journal.pbio.0040179): when
    washout has brought their sum to zero, the slow one still remembers the field.
    """

    def __init__(self, settings: TaskSettings) -> None:
        self.settings, self.fast, self.slow = settings, 0.0, 0.0

    def controller(self) -> ModelBasedController:
        """Return a controller that expects the field as far as it is known."""
        return ModelBasedController(self.settings, CurlField(STRENGTH * (self.fast + self.slow)))

    def learn(self, deviation: float) -> None:
        """Learn from the mean lateral deviation of a batch of reaches [m]."""
        error = deviation / FULL_ERROR
        self.fast = FAST[0] * self.fast + FAST[1] * error
        self.slow = SLOW[0] * self.slow + SLOW[1] * error


def main(quick: bool = False) -> ProbeRecorder:
    """Take the controller through the four phases; it learns from the 8 reaches by which it is measured.

    Args:
        quick: Torques instead of muscles, no delays, and short phases.
    """
    settings = task_settings(actuation="torque", delays=None) if quick else task_settings()
    lengths = (1, 3, 1, 3) if quick else (5, 40, 12, 40)  # batches
    schedule = four_phase(CurlField(STRENGTH), *(N_TARGETS * n for n in lengths))
    agent, probe, recorder = TwoRateController(settings), Probe(settings), ProbeRecorder()
    for phase in schedule.phases:
        for trial in range(0, phase.trials + 1, N_TARGETS):
            result = probe(agent.controller(), phase.field)
            recorder.add(result, phase.name, update=trial // N_TARGETS, trial=trial)
            if trial < phase.trials:
                agent.learn(result.mean("lateral_deviation"))
    initial = recorder.measures()["savings"]["initial"]
    print(f"FF1 starts {MM * initial['ff1']:.1f} mm off the line, FF2 {MM * initial['ff2']:.1f} mm")
    return recorder


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.examples.own_controller")
