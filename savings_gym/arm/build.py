"""From an MJCF file and changes of it to a compiled model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import mujoco
import numpy as np

from savings_gym.arm.anatomy import JOINTS, MOTOR_TIME, MUSCLES, SEGMENTS
from savings_gym.arm.changes import ArmChanges

MODELS: Final[dict[str, str]] = {"muscle": "arm26.xml", "motor": "arm26.xml", "torque": "arm2.xml"}
ACTUATIONS: Final = tuple(MODELS)
KEYFRAME: Final = "centre_out"
STOPS: Final = tuple(f"{joint}_stop" for joint in JOINTS)
ARENA: Final = 2**16  # bytes of working memory per simulation; MuJoCo's default is 13 MB

_PACKAGE = Path(__file__).resolve().parents[1]


def asset(name: str) -> Path:
    """Return the path of a packaged file: beside the package in a checkout, inside it in a wheel.

    Args:
        name: File name inside ``assets/``, for example ``"arm26.xml"``.

    Raises:
        FileNotFoundError: If no such asset is installed; the message lists those that are.
    """
    folders = [folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir()]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    known = sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())
    raise FileNotFoundError(f"no asset {name!r}; installed assets: {', '.join(known) or 'none'}")


def build_model(actuation: str, changes: ArmChanges) -> mujoco.MjModel:
    """Compile the arm with an actuation; ideal motors take the muscles' place in the muscle arm.

    Raises:
        ValueError: If MuJoCo cannot read the file, or a named element is missing.
    """
    path = changes.file or str(asset(MODELS[actuation]))
    try:
        spec = mujoco.MjSpec.from_file(path)
    except Exception as error:
        raise ValueError(f"MuJoCo cannot read the arm in {path}: {error}") from error
    _check_names(spec, actuation, path)
    spec.memory = ARENA
    _scale_strengths(spec, actuation, dict(changes.strength))
    for segment, factor in changes.mass:
        body = spec.body(segment)
        body.mass *= factor
        body.inertia = body.inertia * factor
    if changes.length:
        _scale_lengths(spec, dict(changes.length))
    if changes.tool:
        _hold(spec, changes.tool)
    return spec.compile()


def _check_names(spec: Any, actuation: str, path: str) -> None:
    """Raise a ValueError if the file lacks an element that the package looks up by name."""
    required = {
        "joint": JOINTS, "body": SEGMENTS, "site": ("hand",), "tendon": STOPS, "key": (KEYFRAME,),
    }  # fmt: skip
    missing = [
        f"{kind} {name!r}" for kind, names in required.items() for name in names
        if getattr(spec, kind)(name) is None
    ]  # fmt: skip
    if missing:
        raise ValueError(f"the arm in {path} has no {', no '.join(missing)}")
    expected = JOINTS if actuation == "torque" else MUSCLES
    names = tuple(actuator.name for actuator in spec.actuators)
    if names != expected:
        raise ValueError(
            f"the arm in {path} has the actuators {names}; actuation {actuation!r} needs {expected}"
        )


def _scale_strengths(spec: Any, actuation: str, factors: dict[str, float]) -> None:
    names = [actuator.name for actuator in spec.actuators]
    unknown = [name for name in factors if name not in names]
    if unknown:
        raise ValueError(
            f"arm: with actuation {actuation!r} strength knows {', '.join(names)}; got {unknown[0]!r}"
        )
    for actuator in spec.actuators:
        factor = factors.get(actuator.name, 1.0)
        if actuation == "torque":
            actuator.ctrlrange = actuator.ctrlrange * factor
            continue
        strength = actuator.gainprm[2] * factor
        actuator.gainprm[2] = strength
        if actuation == "motor":
            actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
            actuator.gainprm[:] = 0.0
            actuator.gainprm[0] = -strength  # it pulls
            actuator.dynprm[:2] = MOTOR_TIME


def _scale_lengths(spec: Any, factors: dict[str, float]) -> None:
    """Stretch segments, and tendons with them. See `ArmChanges`."""
    before = _tendon_lengths(spec)
    for segment, factor in factors.items():
        _stretch(spec, segment, factor)
    after = _tendon_lengths(spec)
    for actuator in spec.actuators:
        if actuator.trntype == mujoco.mjtTrn.mjTRN_TENDON:
            longer = after[actuator.target] - before[actuator.target]
            actuator.lengthrange = actuator.lengthrange + longer


def _stretch(spec: Any, segment: str, factor: float) -> None:
    body, next_body = spec.body(segment), spec.body("forearm") if segment == "upper_arm" else None
    length = float((spec.site("hand") if next_body is None else next_body).pos[0])
    middle, extra = length / 2, (factor - 1.0) * length
    body.ipos[0] *= factor
    body.inertia = body.inertia * factor**2
    if next_body is not None:
        next_body.pos[0] += extra
    for element in (*body.sites, *body.geoms):
        if element.pos[0] > middle:
            element.pos[0] += extra
    for geom in body.geoms:
        for end in (0, 3):  # of capsules that are drawn from a point to a point; NaN for others
            if geom.fromto[end] > middle:
                geom.fromto[end] += extra


def _hold(spec: Any, mass: float) -> None:
    """Put a point mass [kg] into the hand: the forearm's mass, centre of mass and inertia change."""
    body, hand = spec.body("forearm"), float(spec.site("hand").pos[0])
    total, centre = body.mass + mass, float(body.ipos[0])
    moved = (body.mass * centre + mass * hand) / total
    farther = body.mass * (centre - moved) ** 2 + mass * (hand - moved) ** 2
    body.inertia = body.inertia + np.array([0.0, farther, farther])
    body.mass, body.ipos[0] = total, moved


def _tendon_lengths(spec: Any) -> dict[str, float]:
    """Return the length of every tendon at the keyframe [m]."""
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(KEYFRAME).id)
    mujoco.mj_fwdPosition(model, data)
    return {model.tendon(i).name: float(data.ten_length[i]) for i in range(model.ntendon)}


# What the closed forms are computed from; `make_read_only` protects these and all other arrays.
CONSTANTS: Final = (
    "body_mass", "body_inertia", "body_ipos", "body_pos", "site_pos", "geom_pos", "geom_size",
    "actuator_gainprm", "actuator_dynprm", "actuator_ctrlrange", "actuator_lengthrange",
    "tendon_stiffness", "tendon_stiffnesspoly", "tendon_lengthspring", "dof_damping", "key_qpos",
)  # fmt: skip


def make_read_only(model: mujoco.MjModel) -> None:
    """Refuse writes to the arrays of a model."""
    for name in dir(model):
        values = getattr(model, name, None)
        if isinstance(values, np.ndarray):
            values.setflags(write=False)


def constants_of(model: mujoco.MjModel) -> dict[str, Any]:
    """Return copies of what the closed forms are computed from, by name."""
    return {name: getattr(model, name).copy() for name in CONSTANTS} | {
        "opt.timestep": model.opt.timestep,
        "opt.gravity": model.opt.gravity.copy(),
    }


def differing(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    """Return the names of constants that differ."""
    return [name for name, values in left.items() if not np.array_equal(values, right[name])]
