"""The published constants of the arm, each once, with unit and source.

Every backend reads ``assets/arm26.xml``; tests read each number below back from the compiled model.

Sources:
    [NK] Nijhof & Kouwenhoven 2000, doi 10.1007/978-1-4612-2104-3_29: segments.
    [KWG] Kistemaker, Wong & Gribble 2010, doi 10.1152/jn.00483.2010: muscles.
    [C] Codol, Michaels, Kashefi, Pruszynski & Gribble 2024, doi 10.7554/eLife.88591: six lumped muscles.
"""

from __future__ import annotations

from typing import Final

JOINTS: Final = ("shoulder", "elbow")
SEGMENTS: Final = ("upper_arm", "forearm")
MUSCLES: Final = ("pectoralis", "deltoid", "brachioradialis", "triceps_lateral", "biceps", "triceps_long")

# Segments, (upper arm, forearm with hand) [NK].
SEGMENT_LENGTH: Final = (0.309, 0.333)  # m
SEGMENT_MASS: Final = (1.82, 1.43)  # kg
SEGMENT_COM: Final = (0.135, 0.165)  # m, centre of mass from the proximal joint
SEGMENT_INERTIA: Final = (0.051, 0.057)  # kg m^2, about the centre of mass
JOINT_RANGE_DEG: Final = ((0.0, 135.0), (0.0, 155.0))  # [C]
# Ours: at x rad outside the range the torque is -x (30 + 3000 x^2) N m, soft at first so that a touch is no
# shock. The closed forms of muscle paths hold up to 15 degrees outside. Full excitation for a long time can
# push a joint 30 degrees outside, where wraps end without a jump.
JOINT_STOP_STIFFNESS: Final = (30.0, 0.0, 3000.0)
CENTRE_OUT_START: Final = (1.047, 1.570)  # rad [C]

# Muscles, in the order of MUSCLES [KWG, C].
MAX_ISOMETRIC_FORCE: Final = (838.0, 1207.0, 1422.0, 1549.0, 414.0, 603.0)  # N
OPTIMAL_FIBRE_LENGTH: Final = (0.134, 0.140, 0.092, 0.093, 0.137, 0.127)  # m
TENDON_SLACK_LENGTH: Final = (0.039, 0.066, 0.172, 0.187, 0.204, 0.217)  # m
# The published musculotendon lengths are fits that no path over a 309 mm humerus can have. Our paths change
# their length likewise, and their tendons are longer (or shorter) by these constants, so that fibres are as
# long as published at CENTRE_OUT_START.
PATH_EXTRA_LENGTH: Final = (0.058227, 0.021955, 0.085901, -0.024383, 0.102304, 0.159076)  # m
MAX_SHORTENING_VELOCITY: Final = 10.0  # optimal lengths/s [C]
ACTIVATION_TIME: Final = 0.015  # s [C]
DEACTIVATION_TIME: Final = 0.050  # s [C]
SMALLEST_ACTIVATION: Final = 0.001  # [C]
# Time constant of ideal motors in the muscles' place, up and down: the shortest with which a physics step of
# 2 ms follows the command without overshoot (the rate is at most 2 / MOTOR_TIME). Ours.
MOTOR_TIME: Final = 0.004  # s
FIBRE_WIDTH: Final = 0.66  # optimal lengths: no active force beyond 1 -+ width [KWG]
LENGTHENING_FORCE: Final = 1.5  # maximum, in isometric forces [KWG]
# Optimal lengths: no passive force below it [KWG]; never reached inside the joint range.
PASSIVE_SLACK_LENGTH: Final = 1.4
