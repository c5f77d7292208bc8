"""Reward of the reaching task, term by term."""

from __future__ import annotations

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.task.settings import TRIAL_STEPS, RewardWeights

REWARD_TERMS = ("reward_proximity", "reward_effort", "reward_jerk")
SHORTEST_REACH = 0.10  # m; nearer targets are rewarded as if they were so far away
ROUGH = 0.03  # m/s; a bend of the hand's velocity that costs half of the most it can


def reward_terms(
    weights: RewardWeights,
    distance: Floats,
    reach: Floats,
    command: Floats,
    velocity: Floats,
) -> dict[str, Floats]:
    """Reward of one control step in n trials.

    With T = 100 control steps a trial, d the distance from the goal and D that from start to target,

        proximity = w_p / T · (1 − 2 d / D)      1 at the goal, 0 half way, −1 as far away as the start
        effort    = −w_e / T · mean(u²)          u the commands as shares of the largest
        jerk      = −w_j / T · b² / (b² + ROUGH²)    b = |v_k − 2 v_(k−1) + v_(k−2)|

    The goal is the start until go is seen, so the proximity of a reach does not depend on when go
    comes, only on how soon and how straight the hand gets to the target afterwards. For a smooth
    reach b is about 0.005 m/s; the jerk term levels off because an arm that hits the end of its
    joint range would lose hundreds otherwise.

    Args:
        weights: w_p, w_e, w_j.
        distance: (n,) d, m, after the step.
        reach: (n,) D, m.
        command: (n, m) u.
        velocity: (3, n, 2) hand velocity after the step, one and two steps before, m/s.

    Returns:
        (n,) of each of "reward_proximity", "reward_effort", "reward_jerk"; the reward is their sum.
    """
    bend = ((velocity[0] - 2.0 * velocity[1] + velocity[2]) ** 2).sum(axis=1)  # (n,)
    near = 1.0 - 2.0 * distance / np.maximum(reach, SHORTEST_REACH)
    return {
        "reward_proximity": weights.proximity / TRIAL_STEPS * near,
        "reward_effort": -weights.effort / TRIAL_STEPS * (command**2).mean(axis=1),
        "reward_jerk": -weights.jerk / TRIAL_STEPS * bend / (bend + ROUGH**2),
    }


def one_reward(
    weights: RewardWeights, distance: float, reach: float, command: list[float], bend: tuple[float, float]
) -> dict[str, float]:
    """`reward_terms` of one trial, in plain numbers; `bend` is that of each coordinate, m/s."""
    square = bend[0] * bend[0] + bend[1] * bend[1]
    effort = sum([u * u for u in command]) / len(command)
    return {
        "reward_proximity": weights.proximity
        / TRIAL_STEPS
        * (1.0 - 2.0 * distance / max(reach, SHORTEST_REACH)),
        "reward_effort": -weights.effort / TRIAL_STEPS * effort,
        "reward_jerk": -weights.jerk / TRIAL_STEPS * square / (square + ROUGH**2),
    }
