"""The observation of the reaching task: which channels hold what, for muscles and for torques."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from gymnasium import spaces

from savings_gym.arm.anatomy import JOINTS, MUSCLES
from savings_gym.arrays import Floats

PLANE: Final = 2  # x and y
JOINT_SPEED: Final = 10.0  # rad/s, unit of the joint velocities that the torque arm feels


@dataclass(frozen=True)
class Channels:
    """Neighbouring channels of one kind.

    Attributes:
        name: What they hold.
        size: How many they are.
        low: Lowest value.
        high: Highest value.
    """

    name: str
    size: int
    low: float
    high: float


class ObservationLayout(Mapping[str, slice]):
    """Slices of the observation by name, in the order of the channels.

        >>> dict(MUSCLE_OBSERVATION)
        {'hand_position': slice(0, 2), 'muscle_length': slice(2, 8), 'muscle_velocity': slice(8, 14),
         'target_position': slice(14, 16), 'go_cue': slice(16, 17)}

    Hand and proprioception are sensed late and with noise; the target is always known, and the go cue is late
    but free of noise. A cue that a trial begins, if there is one, is neither late nor noisy.

    Args:
        proprioception: What is felt of the arm.
        trial_cue: Whether there is a last channel, "trial_cue", 1 in the first observation of a trial.

    Attributes:
        size: Number of channels.
        low: (size,) lowest values.
        high: (size,) highest values.
        proprioception: Slice of all that is felt.
        sensed: Slice of what is late and noisy: the hand position and all that is felt.
    """

    def __init__(self, *proprioception: Channels, trial_cue: bool = False) -> None:
        hand = Channels("hand_position", PLANE, -1.0, 1.0)
        target, cue = Channels("target_position", PLANE, -1.0, 1.0), Channels("go_cue", 1, 0.0, 1.0)
        groups = [hand, *proprioception, target, cue] + [Channels("trial_cue", 1, 0.0, 1.0)] * trial_cue
        ends = np.cumsum([group.size for group in groups]).tolist()
        starts = (0, *ends[:-1])
        self._slices = {g.name: slice(start, end) for g, start, end in zip(groups, starts, ends, strict=True)}
        self.size: int = ends[-1]
        self.low = np.repeat([g.low for g in groups], [g.size for g in groups]).astype(np.float32)
        self.high = np.repeat([g.high for g in groups], [g.size for g in groups]).astype(np.float32)
        self.sensed = slice(0, self["target_position"].start)
        self.proprioception = slice(self["hand_position"].stop, self.sensed.stop)

    def __getitem__(self, name: str) -> slice:
        return self._slices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)

    def width(self, name: str) -> int:
        """Return the number of channels of a name."""
        return self[name].stop - self[name].start

    def sensor_noise(self, vision: float, proprioception: float) -> Floats:
        """Return the standard deviation of the noise on what is sensed, (sensed channels,).

        Args:
            vision: On the hand position [m].
            proprioception: On what is felt.
        """
        sd = np.full(self.sensed.stop, float(proprioception))
        sd[self["hand_position"]] = vision
        return sd


_FELT_OF_MUSCLES = (
    Channels("muscle_length", len(MUSCLES), 0.0, 2.0),  # optimal lengths
    Channels("muscle_velocity", len(MUSCLES), -5.0, 5.0),  # maximum shortening velocities
)
_FELT_OF_JOINTS = (
    Channels("joint_angle", len(JOINTS), -4.0, 4.0),  # rad
    Channels("joint_velocity", len(JOINTS), -5.0, 5.0),  # JOINT_SPEED
)
MUSCLE_OBSERVATION: Final = ObservationLayout(*_FELT_OF_MUSCLES)
TORQUE_OBSERVATION: Final = ObservationLayout(*_FELT_OF_JOINTS)
_MUSCLE_CUED: Final = ObservationLayout(*_FELT_OF_MUSCLES, trial_cue=True)
_TORQUE_CUED: Final = ObservationLayout(*_FELT_OF_JOINTS, trial_cue=True)


def observation_layout(actuation: str, trial_cue: bool = False) -> ObservationLayout:
    """Return the layout of the observation.

    Args:
        actuation: "muscle", "motor" or "torque".
        trial_cue: Whether a cue says that a trial begins.
    """
    if actuation == "torque":
        return _TORQUE_CUED if trial_cue else TORQUE_OBSERVATION
    return _MUSCLE_CUED if trial_cue else MUSCLE_OBSERVATION


def reach_spaces(actuation: str, trial_cue: bool = False) -> tuple[spaces.Box, spaces.Box]:
    """Return observation and action space of one arm, as tabulated in `envs.ReachEnv`."""
    layout = observation_layout(actuation, trial_cue)
    if actuation == "torque":
        action = spaces.Box(-1.0, 1.0, (len(JOINTS),), np.float32)
    else:
        action = spaces.Box(0.0, 1.0, (len(MUSCLES),), np.float32)
    return spaces.Box(layout.low, layout.high, dtype=np.float32), action
