"""What is random in a trial: target, catch, go time, start, noise.

Everything is drawn when the trial begins, always the same number of values in the same order,
whatever the noise level, the catch fraction, the go times or the options of `reset`. So the
sequence of trials depends only on the seed and on `targets`, and an option for one trial does not
change the trials after it. A trial that is drawn again, because no step was made in it, keeps its
place in the block of targets, so that no target is skipped; the rest is drawn again. A new schedule
draws only the target of such a trial again, and only if its phase excludes it.
Before its first trial, a session draws its fields and lengths, see `session.Session.draw`.
The order, from the arm's own generator:

1. target. Centre-out: at the start of every block, one shuffle of all targets, or of those of the phase
   (each comes once a block). Random reaches: two uniform numbers, the joint angles at the target.
2. catch: one uniform number, to be compared with the catch fraction.
3. go: one uniform number, scaled to the allowed control steps.
4. start. Centre-out: nothing. Random reaches: two uniform numbers, the joint angles at the start.
5. noise: standard normal numbers for the whole trial, (TRIAL_STEPS + 1, channels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from savings_gym.arrays import Floats

NO_TARGET = -1  # index of a target that is not one of the centre-out targets


@dataclass
class Draw:
    """One trial as it was drawn.

    Attributes:
        target: Index of the centre-out target, or `NO_TARGET`.
        start_joints: (2,) joint angles at the start [rad].
        target_joints: (2,) joint angles at the target of a random reach [rad].
        catch: Uniform number; the trial is a catch trial if it is below the catch fraction.
        go_step: Control step of go, or in a catch trial the one in which it is withheld.
    """

    target: int
    start_joints: Floats
    target_joints: Floats
    catch: float
    go_step: int


class TrialSampler:
    """Draws the trials of one arm, whose targets come in shuffled blocks.

    Args:
        start_joints: (2,) joint angles at the centre-out start [rad].
        joint_range: (2, 2) lowest and highest angle of each joint [rad].
        targets: Number of centre-out targets; 0 for random reaches.
        go_steps: First and last control step of go.
    """

    def __init__(
        self,
        start_joints: Floats,
        joint_range: Floats,
        targets: int,
        go_steps: tuple[int, int],
    ) -> None:
        self._start, self._joint_range, self._targets = start_joints, joint_range, targets
        self._go_steps = go_steps
        self._block: list[int] = []
        self._target = NO_TARGET
        self._chosen: tuple[int, ...] | None = None

    def restart(self) -> None:
        """Forget the block of targets, as after a new seed."""
        self._block = []

    def draw(
        self,
        rng: np.random.Generator,
        noise: Floats,
        again: bool = False,
        targets: tuple[int, ...] | None = None,
    ) -> Draw:
        """Draw the next trial.

        Args:
            rng: The arm's generator.
            noise: (TRIAL_STEPS + 1, channels), filled with standard normal numbers.
            again: Whether the trial replaces the last one, and takes its place in the block.
            targets: Indices of the centre-out targets of a block; None is all. Other ones than those of the
                last trial begin a new block.
        """
        target, start, goal = NO_TARGET, self._start, self._start
        if self._targets == 0:
            goal = self._uniform_joints(rng)
        else:
            target = self.draw_target(rng, again, targets)
        catch, go = rng.random(2)
        first, last = self._go_steps
        go_step = first + int(go * (last - first + 1))
        if self._targets == 0:
            start = self._uniform_joints(rng)
        rng.standard_normal(out=noise)
        return Draw(target, start, goal, float(catch), go_step)

    def draw_target(
        self, rng: np.random.Generator, again: bool = False, targets: tuple[int, ...] | None = None
    ) -> int:
        """Draw the next centre-out target alone, and return its index; arguments as of `draw`."""
        if targets != self._chosen:
            self._chosen, self._block, again = targets, [], False
        if again:
            self._block.append(self._target)
        if not self._block:
            self._block = rng.permutation(self._targets if targets is None else targets).tolist()
        self._target = self._block.pop()
        return self._target

    def _uniform_joints(self, rng: np.random.Generator) -> Floats:
        low, high = self._joint_range.T
        return low + (high - low) * rng.random(2)
