"""The page of recurrent PPO in sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments.claims import bold_means, cell
from experiments.runs.tables import grouped, markdown_table
from experiments.sessions.answer import answer
from experiments.sessions.figure import FIGURE, caption
from experiments.sessions.measures import ERROR, MEASURES, REACHING, SPEED
from experiments.sessions.methods import definitions, tests
from experiments.sessions.ppo.config import STRAIGHT, TRIALS, USUAL, SessionsPpo
from experiments.sessions.protocol import SAVINGS, UNTRAINED
from experiments.sessions.testing import Outcome
from experiments.sessions.washouts import washout_section
from experiments.study import Quantity
from savings_gym.arrays import Floats
from savings_gym.task.session import NULL_SHARE, SIZES

LIMITS: Final = (
    "Training in sessions took {trials} trials, in {rollouts} rollouts; whether more would teach agents to "
    "adapt is not tested. Networks that learned by gradients are not shown to adapt either, unless they were "
    "also taught to report the field ([page](../sessions/README.md))."
)
COLUMNS: Final = {ERROR: "endpoint_error", SPEED: "peak_speed"}


def reaching(tested: Mapping[str, Mapping[str, Outcome]]) -> dict[str, dict[str, Floats]]:
    """Return how agents reach in NF1 of the savings test, (n,), by what they were trained in.

    Args:
        tested: Results by kind of test, by what the agents were trained in.
    """
    means = {
        regime: its[SAVINGS].table.query("phase == 'NF1'").groupby("network")[list(COLUMNS.values())].mean()
        for regime, its in tested.items()
    }
    usual = means[UNTRAINED][COLUMNS[SPEED]]
    return {
        regime: {
            ERROR: mean[COLUMNS[ERROR]].to_numpy(dtype=float),
            SPEED: (mean[COLUMNS[SPEED]] / usual).to_numpy(dtype=float),
        }
        for regime, mean in means.items()
    }


def page(numbers: Mapping[str, Mapping[str, Quantity]], command: str, config: SessionsPpo) -> str:
    """Return the page as Markdown.

    Args:
        numbers: Measures by what the agents were trained in.
        command: What made them.
        config: The arguments.
    """
    names = {regime: config.name(regime) for regime in numbers}
    rows = [
        (measure, *(cell(its[measure]) for its in numbers.values())) for measure in (*REACHING, *MEASURES)
    ]
    bold = _of_agents(bold_means("all tests of the agents tested here"))
    return f"""# Sessions: recurrent PPO

An agent with a memory that lasts from trial to trial could adapt to a field, and save, with fixed weights.
Do rewards teach it to? Recurrent PPO learns in sessions of {TRIALS} trials in one field, and is then tested
with fixed weights in the same sessions as the networks of `experiments.sessions`, which learn by gradients
through the arm. Command: `{command}`

## Answer

{_of_agents(answer(numbers, None, config))}

{LIMITS.format(trials=grouped(config.session_trials), rollouts=_rollouts(config))}

An effect is *found* if its test, a t test over the {config.networks} agents, tells it from 0 after the
correction named below. Values are means over agents with 95 % t intervals.

![Deviation, preparatory activity, and savings by the length of the washout, with fixed weights]({FIGURE})

{_of_agents(caption(tuple(names.values()), config.networks))}

## Training

{_training(config)}

## Tests

{tests(config)}

## Measures

{bold} Activity is that of the
recurrent layer of the actor. Slower reaches deviate less in a curl field, so the table begins with how agents
reach.

{markdown_table(("measure", *names.values()), rows)}

- *{ERROR}*: distance of the hand from the target at the end of the trial, mean over the trials of NF1.
- *{SPEED}*: of the hand, mean over the same trials.

{definitions()}
{washout_section(numbers, names, config.washouts)}"""


def _rollouts(config: SessionsPpo) -> int:
    """How often agents learn in sessions: after a session of all arms."""
    return config.session_trials // (config.arms * TRIALS)


def _training(config: SessionsPpo) -> str:
    """Return how agents were trained, as Markdown."""
    sizes = ", ".join(f"{size:g}" for size in SIZES[:-1])
    return f"""{config.networks} agents, `recurrent-ppo-{config.cell}` of the benchmark with its
hyper-parameters, first learn to reach in {grouped(config.reaching_trials)} trials without a field, on
{config.agent.arms} arms. There an episode is a trial, in which memory begins anew:
*{config.name(UNTRAINED)}*. Copies of them then go through {grouped(config.session_trials)} trials in
sessions, on {config.arms} arms. There an episode is a session of {TRIALS} trials, through which memory is
carried, in a curl field of {sizes} or {SIZES[-1]:g} N s/m to either side or, in one session
in {round(1.0 / NULL_SHARE)}, in none. Agents learn after every session of all arms. Gradients go back through
whole sessions, {config.minibatch} in a minibatch; the learning rate is {config.rate:g}.{_rewards(config)}"""


def _rewards(config: SessionsPpo) -> str:
    """Return how the rewards of sessions differ, as a paragraph; nothing if all are the usual one."""
    if STRAIGHT not in config.regimes:
        return ""
    text = f"""

The usual reward pays little for compensating the field. In *{config.name(STRAIGHT)}*, agents also lose
reward by the distance of the hand from the straight line to the target (`lateral={config.straightness:g}` of
`RewardWeights`)"""
    alike = f"; in all else they are trained like those of *{config.name(USUAL)}*"
    return f"{text}{alike if USUAL in config.regimes else ''}."


def _of_agents(text: str) -> str:
    """Return what a text says of networks as said of agents."""
    return text.replace("network", "agent")
