"""What compensating the field pays, beside how much the reward of a trial varies, for several rewards.

    python -m experiments.benchmark.reward

Two model-based controllers make the same trials in the field of FF1 and FF2: one expects the field, one
expects none, as an agent at the start of FF1. The difference of their returns is what adaptation pays. A
learner has to find it among returns that vary with target, go time, catch trials and noise. Nothing is
learned, and every number follows from one set of trials of both.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.baselines.agents import ModelBasedController
from experiments.runs.command_line import command_main
from experiments.runs.tables import markdown_table
from savings_gym.arrays import Floats, as_seed, as_whole_number
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.files import write_atomically
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.rewards import REWARD_TERMS
from savings_gym.task.settings import CATCH_FRACTION, TRIAL_STEPS

log = logging.getLogger(__name__)
ARMS = 64
CATCH = 0.5  # share of catch trials that are made, whatever the share in a variant


@dataclass(frozen=True)
class Reward:
    """Arguments of the command."""

    trials: int = 512
    """Trials of each controller."""
    b: float = 8.0
    """Curl of the field [N s/m]."""
    seed: int = 0
    """Seed of the trials."""
    out: Path | None = None
    """Markdown file to write the table to."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_whole_number("trials", self.trials, least=ARMS)
        as_seed("seed", self.seed)
        CurlField(self.b)


@dataclass(frozen=True)
class Variant:
    """A reward and a share of catch trials.

    Attributes:
        lateral: Weight of the distance from the straight line.
        catch_fraction: Share of trials without a go cue.
    """

    lateral: float
    catch_fraction: float


VARIANTS = tuple(Variant(lateral, catch) for catch in (CATCH_FRACTION, 0.1) for lateral in (0.0, 2.0, 5.0))


@dataclass(frozen=True)
class TrialRewards:
    """Reward terms of the same trials of both controllers.

    Attributes:
        terms: (2, n, terms) sums over each trial, of the controller without and with the field in its model;
            the lateral term has weight 1.
        catch: (n,) whether a trial had no go cue.
    """

    terms: Floats
    catch: NDArray[np.bool_]

    def pay(self, variant: Variant) -> tuple[float, float]:
        """Return what compensating the field pays per trial, and the standard deviation of returns.

        Args:
            variant: The reward; its share of catch trials weights the two kinds of trials.
        """
        weights = np.array([variant.lateral if name == "reward_lateral" else 1.0 for name in REWARD_TERMS])
        without, with_field = self.terms @ weights
        share = np.where(self.catch, variant.catch_fraction, 1.0 - variant.catch_fraction)
        share = share / np.where(self.catch, self.catch.sum(), (~self.catch).sum())
        mean = float(share @ without)
        deviation = float(np.sqrt(share @ (without - mean) ** 2))
        return float(share @ (with_field - without)), deviation


def trial_rewards(config: Reward) -> TrialRewards:
    """Make the trials and return their rewards."""
    field = CurlField(config.b)
    made = [_trials(config, field, expected) for expected in (None, field)]
    assert (made[0][1] == made[1][1]).all()  # the same seed makes the same trials
    return TrialRewards(np.stack([terms for terms, _ in made]), made[0][1])


def _trials(config: Reward, field: CurlField, expected: CurlField | None) -> tuple[Floats, NDArray[np.bool_]]:
    """Reward terms (n, terms) and catch (n,) of the trials of one controller."""
    env = ReachVectorEnv(
        ARMS, field=field, catch_fraction=CATCH, reward_weights={"lateral": 1.0}, autoreset_mode="SameStep"
    )
    controller, (observation, info) = (
        ModelBasedController(env.settings, expected),
        env.reset(seed=config.seed),
    )
    sums, catch = [], []
    for _ in range(-(-config.trials // ARMS)):
        catch.append(info["catch"].copy())
        total, state, start = np.zeros((ARMS, len(REWARD_TERMS))), None, np.ones(ARMS, dtype=bool)
        for _ in range(TRIAL_STEPS):
            action, state = controller.predict(observation, state, start)
            observation, _, ended, truncated, info = env.step(action)
            last = info["final_info"] if (ended | truncated).all() else info
            total += np.stack([last[name] for name in REWARD_TERMS], axis=1)
            start = np.zeros(ARMS, dtype=bool)
        sums.append(total)
    env.close()
    return np.concatenate(sums), np.concatenate(catch)


def table(config: Reward) -> str:
    """Return the table of all variants as Markdown."""
    made, rows = trial_rewards(config), []
    for variant in VARIANTS:
        pay, deviation = made.pay(variant)
        named = (f"{variant.lateral:g}", f"{variant.catch_fraction:g}")
        rows.append([*named, f"{pay:.3f}", f"{deviation:.3f}", f"{pay / deviation:.2f}"])
    return markdown_table(("lateral", "catch trials", "pay per trial", "SD of returns", "pay / SD"), rows)


def run(config: Reward) -> int:
    """Print the table, and write it if asked to; return the exit status."""
    text = table(config)
    log.info(text)
    if config.out is not None:
        write_atomically(config.out, (text + "\n").encode())
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.benchmark.reward", Reward, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
