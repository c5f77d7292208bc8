"""Other arms: changed strengths, lengths and masses, a tool, or an MJCF file of your own.

The environments, `load_arm`, the torch arm and the fused rollout all take the same argument ``arm``:

    gym.make("ForceFieldReach-v0", arm={"strength": {"biceps": 0.5}, "length": {"forearm": 1.1}})
    gym.make("ForceFieldReach-v0", arm="my_arm.xml")
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savings_gym.arm.anatomy import JOINTS, MUSCLES, SEGMENTS
from savings_gym.arrays import as_number

Factors = tuple[tuple[str, float], ...]  # (name, factor) pairs, sorted by name

SMALLEST_FACTOR, LARGEST_FACTOR = 1e-3, 1e3
# Which elements each change applies to.
ELEMENTS = {"strength": (*MUSCLES, *JOINTS), "length": SEGMENTS, "mass": SEGMENTS}


@dataclass(frozen=True)
class ArmChanges:
    """How an arm differs from the standard one. Made by `as_arm_changes`.

    Factors, from 0.001 to 1000, multiply the values of the model file; 1 leaves them as they are.

    Attributes:
        file: Path of an MJCF file that stands in for the package's own. It must have the same named joints,
            bodies, site ``hand``, tendons, actuators and keyframe as ``assets/arm26.xml`` (``arm2.xml`` for
            torques), and obey the same equations of motion: two links in a plane, no gravity, damping,
            friction, armature or contact. None is the package's file.
        strength: Factors of the largest isometric force of a muscle (or ideal motor), or with
            ``actuation="torque"`` of the torque limit of a joint.
        length: Factors of the length of ``"upper_arm"`` or ``"forearm"``. What lies beyond the middle of the
            segment moves along with its far end, so that moment arms stay as they are; tendons grow or shrink
            so that fibres are as long as before at every posture. The centre of mass moves in proportion, and
            the moment of inertia about it grows with the square of the factor.
        mass: Factors of the mass of a segment and of its moment of inertia.
        tool: Mass in the hand, a point that moves with the forearm [kg].
    """

    file: str | None = None
    strength: Factors = ()
    length: Factors = ()
    mass: Factors = ()
    tool: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON-able values, without those that change nothing."""
        changes: dict[str, Any] = {} if self.file is None else {"file": self.file}
        changes |= {name: dict(getattr(self, name)) for name in ELEMENTS if getattr(self, name)}
        return changes | ({"tool": self.tool} if self.tool else {})

    def __bool__(self) -> bool:
        """Return whether anything differs from the standard arm."""
        return self != ArmChanges()


# What an argument `arm` may be.
ArmLike = ArmChanges | Mapping[str, Any] | str | os.PathLike[str] | None


def as_arm_changes(value: ArmLike) -> ArmChanges:
    """Return the argument ``arm``, checked.

    Args:
        value: The path of an MJCF file, or a dict with some of "file", "strength", "length", "mass" and
            "tool", see `ArmChanges`; None is the standard arm.

    Raises:
        ValueError: For another type, an unknown name, a factor that is not a number from 0.001 to 1000, or a
            tool that is not a mass from 0 to 1000 kg.
        FileNotFoundError: If there is no such file.
    """
    if value is None or isinstance(value, ArmChanges):
        return value or ArmChanges()
    if isinstance(value, (str, os.PathLike)):
        value = {"file": value}
    names = [field.name for field in dataclasses.fields(ArmChanges)]
    if not isinstance(value, Mapping) or not set(value) <= set(names):
        raise ValueError(
            f"arm must be the path of an MJCF file or a dict with some of {names}, got {value!r}"
        )
    file = None if value.get("file") is None else _checked_file(value["file"])
    factors = {name: _factors(name, value.get(name, ())) for name in ELEMENTS}
    return ArmChanges(
        file, **factors, tool=as_number("arm: tool", value.get("tool", 0.0), 0.0, LARGEST_FACTOR)
    )


def _checked_file(file: Any) -> str:
    if not isinstance(file, (str, os.PathLike)):
        raise ValueError(f"arm: file must be the path of an MJCF file, got {file!r}")
    path = Path(file).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"arm: there is no file {str(file)!r}")
    return str(path)


def _factors(change: str, values: Any) -> Factors:
    """Return the factors of one kind of change, from a dict or from (name, factor) pairs."""
    try:
        factors = dict(values) if isinstance(values, (Mapping, Iterable)) else None
    except (TypeError, ValueError):
        factors = None
    if factors is None or isinstance(values, str):
        raise ValueError(f"arm: {change} must be a dict from names to factors, got {values!r}")
    for name, factor in factors.items():
        if name not in ELEMENTS[change]:
            raise ValueError(f"arm: {change} knows {', '.join(ELEMENTS[change])}; got {name!r}")
        factors[name] = as_number(f"arm: {change} of {name}", factor, SMALLEST_FACTOR, LARGEST_FACTOR)
    return tuple(sorted((name, factor) for name, factor in factors.items() if factor != 1.0))
