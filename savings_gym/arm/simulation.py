"""The simulation of any number of arms in MuJoCo."""

from __future__ import annotations

import os
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch

from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats, Indices

NOTHING, FORCES = mujoco.mjtStage.mjSTAGE_NONE.value, mujoco.mjtStage.mjSTAGE_ACC.value


class Simulation:
    """n arms, stepped by a pool of threads.

    The results depend neither on the number of threads nor on the other arms. Copies and pickles continue
    exactly like the original.

    Args:
        arm: The arm.
        n: Number of arms.
        nthread: Threads; 0 is one per CPU.

    Attributes:
        qpos: (n, 2) joint angles [rad]; like all arrays here, live.
        qvel: (n, 2) joint velocities [rad/s].
        act: (n, muscles) activations.
        ctrl: (n, actuators) commands, to be written before `step`.
        torque: (n, 2) joint torques from outside [N m], to be written before `step`.
    """

    def __init__(self, arm: Arm, n: int, nthread: int = 1) -> None:
        self.arm, self.n, self.nthread = arm, n, nthread
        self._open()

    def _open(self) -> None:
        # The working memory of one arm fits into the cache, so it pays to keep it between steps; that of many
        # does not. The results are the same.
        self._batch = Batch(self.arm.model, self.n, self.nthread, persistent=self.n == 1)
        self._process = os.getpid()
        bind = self._batch.bind
        self.qpos, self.qvel, self.act = bind("qpos"), bind("qvel"), bind("act")
        self.ctrl, self.torque = bind("ctrl"), bind("qfrc_applied")
        if self.arm.pulls:
            self._length, self._velocity = bind("actuator_length"), bind("actuator_velocity")
            self._force = bind("actuator_force")

    def __getstate__(self) -> dict[str, Any]:
        return {
            "arm": self.arm, "n": self.n, "nthread": self.nthread,
            "state": self._batch.state.copy(), "warning": self._batch.warning.copy(),
        }  # fmt: skip

    def __setstate__(self, stored: dict[str, Any]) -> None:
        self.arm, self.n, self.nthread = stored["arm"], stored["n"], stored["nthread"]
        self._open()
        self._batch.state[:] = stored["state"]
        self._refresh(None)
        self._batch.warning[:] = stored["warning"]

    def _refresh(self, arms: Indices | None) -> None:
        """Compute what is derived from the state."""
        if self.arm.pulls:
            self._batch.forward(arms, stage=FORCES)

    def place(self, arms: Indices | None, q: Floats) -> None:
        """Put arms at rest, their muscles at the smallest activation.

        Args:
            arms: (m,) which arms, ascending; None is all.
            q: (m, 2) joint angles [rad].
        """
        self._batch.reset(arms, stage=NOTHING)
        chosen = slice(None) if arms is None else arms
        self.qpos[chosen] = q
        self.act[chosen] = SMALLEST_ACTIVATION
        self._refresh(arms)

    def step(self, arms: Indices | None, steps: int = 1, *, more: bool = False) -> None:
        """Advance arms by physics steps.

        Afterwards muscles are reported as they are in the new state, not, as after MuJoCo's own step, in the
        state before the last physics step.

        Args:
            arms: (m,) which arms, ascending; None is all.
            steps: Number of physics steps.
            more: Whether more steps follow before muscles are read; then they are not computed.

        Raises:
            RuntimeError: If the arms were made before a fork of the process, and their threads are not here.
        """
        if self.nthread != 1 and self._process != os.getpid():
            raise RuntimeError(
                "these arms were made before this process was forked, and their threads stayed behind: make "
                "the environment in this process, or with nthread=1, or start processes with 'spawn'"
            )
        self._batch.step(arms, steps, FORCES if self.arm.pulls and not more else NOTHING)

    def diverged(self) -> bool:
        """Return whether an arm has left all bounds since it was placed."""
        return bool(self._batch.warning.any())

    def muscle_length(self) -> Floats:
        """Return the fibre lengths, (n, muscles) optimal lengths."""
        muscles = self.arm.muscles
        return np.asarray((self._length - muscles.slack) / muscles.optimal)

    def muscle_velocity(self) -> Floats:
        """Return the lengthening velocities of the fibres, (n, muscles) maximum shortening velocities."""
        return np.asarray(self._velocity / self.arm.muscles.speed)

    def muscle_force(self) -> Floats:
        """Return the muscle forces, (n, muscles) N, positive when they pull."""
        return -self._force
