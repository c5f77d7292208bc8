"""Reward of the reaching task, term by term."""

from __future__ import annotations

from typing import Any

from savings_gym.task.settings import TRIAL_STEPS, RewardWeights

REWARD_TERMS = ("reward_proximity", "reward_effort", "reward_jerk", "reward_lateral")
SHORTEST_REACH = 0.10  # m; nearer targets are rewarded as if they were this far away
NO_REACH = 1e-9  # m; a target at the start has no line to it, and nothing is beside it
ROUGH = 0.03  # m/s; a bend of the hand's velocity that costs half of the most it can


def reward_terms(
    weights: RewardWeights, distance: Any, reach: Any, effort: Any, bend: Any, lateral: Any
) -> dict[str, Any]:
    """Return the reward terms of one control step, in one trial or in n.

    With T = 100 control steps per trial, d the distance from the goal and D that from start to target,

        proximity = w_p / T · (1 − 2 d / D)      1 at the goal, 0 half way, −1 as far away as the start
        effort    = −w_e / T · mean(u²)          u the commands as shares of the largest
        jerk      = −w_j / T · b² / (b² + ROUGH²)    b = |v_k − 2 v_(k−1) + v_(k−2)|, v the hand's velocity
        lateral   = −w_l / T · l / D              l the distance from the line through start and target

    The goal is the start until the go cue is seen, so the proximity of a reach does not depend on when go
    comes, only on how soon and how straight the hand gets to the target afterwards. For a smooth
    reach b is about 0.005 m/s; the jerk term levels off because an arm that hits the end of its
    joint range would lose hundreds otherwise. The lateral term is for learners to which a field that pushes
    the hand aside should cost more; its weight is 0 unless given.

    Args:
        weights: w_p, w_e, w_j, w_l.
        distance: A number or (n,), d after the step [m].
        reach: D, at least `SHORTEST_REACH` [m].
        effort: mean(u²).
        bend: b² [m²/s²].
        lateral: l after the step [m].

    Returns:
        A value for each of `REWARD_TERMS`; the reward is their sum.
    """
    return {
        "reward_proximity": weights.proximity / TRIAL_STEPS * (1.0 - 2.0 * distance / reach),
        "reward_effort": -weights.effort / TRIAL_STEPS * effort,
        "reward_jerk": -weights.jerk / TRIAL_STEPS * bend / (bend + ROUGH**2),
        "reward_lateral": -weights.lateral / TRIAL_STEPS * lateral / reach,
    }
