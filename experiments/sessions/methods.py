"""The methods of the sessions experiment in words: how networks are trained and tested, and the measures."""

from __future__ import annotations

from experiments.runs.tables import grouped, markdown_table
from experiments.sessions.config import TRAINED_IN, Sessions
from experiments.sessions.measures import (
    ADAPTED,
    AFTER_EFFECT,
    CHANCE,
    DESPITE,
    EARLY,
    FIRST,
    INTERFERED,
    LENGTH,
    MEASURES,
    READ,
    READ_LATER,
    RESIDUAL,
    SAVED_EARLY,
    SAVED_FIRST,
    SHIFT,
    SHIFT_BEYOND,
)
from experiments.sessions.protocol import END, UNTRAINED, SessionTests
from experiments.sessions.testing import SIGNS
from experiments.stored.preparation import PREPARATORY_TIME
from savings_gym.task.session import NULL_SHARE, SIZES, Session
from savings_gym.task.settings import N_TARGETS, PROBE_GO


def training(config: Sessions) -> str:
    """Return how networks were trained, as Markdown: what tells the regimes apart comes first."""
    updates = grouped(config.updates)
    sizes = ", ".join(f"{size:g}" for size in SIZES[:-1])
    rows = [(config.name(UNTRAINED), "none", "no")] + [
        (config.name(regime), _blocks(TRAINED_IN[regime]), "yes" if config.taught(regime) else "no")
        for regime in config.regimes
    ]
    table = markdown_table(("networks", "session of training", "taught to report the field"), rows)
    taught = f"""

**Some were taught more than reaching.** In the first {100.0 * config.reading_share:g} % of updates, a linear
read-out of their activity learns to report the strength of the field at every moment. Its squared error is
added to the loss that trains the network, with a weight of {config.reading:g} that falls linearly to 0.
What it reads goes neither to the arm nor back to the network. Networks trained on *reaching alone* lack this
loss; in all else they are trained like those of *one field*."""
    return f"""All start from the same {config.networks} networks of {config.units} units, pre-trained on
single reaches. Training in sessions takes {updates} updates of {config.sessions} sessions per network, by
backpropagation through all trials of a session. A session draws a curl field of {sizes} or
{SIZES[-1]:g} N s/m to either side or, in one session in {round(1.0 / NULL_SHARE)}, none.\
{taught if any(map(config.taught, config.regimes)) else ""}

{table}"""


def _blocks(session: Session) -> str:
    """The blocks of a session of training in words; it ends after its smallest number of trials."""
    total = session.trials[0]
    if len(session.blocks) == 1:
        return f"{total} trials in the field"
    blocks = (
        f"{block.name} {low} to {high}" if low < high else f"{block.name} up to {high}"
        for block in session.blocks
        for low, high in (block.range,)
    )
    return f"{', '.join(blocks)} trials, {total} in all"


def tests(config: SessionTests) -> str:
    """Return what networks are tested in, as Markdown."""
    nf1, ff1, nf2, ff2 = config.nf1_trials, config.ff1_trials, config.nf2_trials, config.ff2_trials
    return f"""All are tested with fixed weights, in sessions of {nf1 + ff1 + nf2 + ff2} trials: NF1 without a
field ({nf1} trials), FF1 in a curl field of {abs(config.b):g} N s/m ({ff1}), a washout, NF2 ({nf2}), and FF2
in the same field ({ff2}). There are {config.tests} sessions with the field to each side,
{config.tests * len(SIGNS)} in all; each is run {N_TARGETS} times side by side, each time with another target
first, so that every trial is measured on all targets. A *sham* is the same session, with the same noise,
without a field in FF1."""


def limits(config: Sessions) -> str:
    """Return what the answer does not reach, as Markdown: washouts longer than those of training."""
    washouts = {
        regime: max((block.range[1] for block in TRAINED_IN[regime].blocks if block.name == "NF2"), default=0)
        for regime in config.regimes
    }
    most = max(washouts.values(), default=0)
    none = " and ".join(f"*{config.name(regime)}*" for regime, trials in washouts.items() if trials == 0)
    text = "No session of training had a washout"
    if most:
        text += f" of more than {most} trials" + (f", and those of {none} had none" if none else "")
    return f"{text}; whether networks trained with longer ones would save is not tested here."


def definitions() -> str:
    """Return what every measure is, as a list in Markdown."""
    end = f"mean of its last {END} trials"
    what = {
        FIRST: f"less the end of NF1 ({end}).",
        ADAPTED: f"the first trial of FF1 less its end ({end}): how much closer to the line reaches come.",
        AFTER_EFFECT: "less the end of NF1; negative to the side opposite to that of the field.",
        RESIDUAL: f"the residual of the washout; each end is the {end}.",
        SAVED_FIRST: "the first trial of FF2 in the sham, where the field is new, less that after a field "
        "in FF1; positive if networks save.",
        SAVED_EARLY: f"the same, mean of trials 2 to {EARLY}, which follow an encounter with the field.",
        INTERFERED: "deviation in the opposite field, which follows FF1 at once in sessions without NF1 and "
        "washout, less the same of the sham, to the side to which that field pushes; positive if what was "
        "learned in FF1 is in the way. An after-effect that fades in these trials counts as interference.",
        DESPITE: f"savings in the FF2 of those sessions, mean of trials 2 to {EARLY}; the sham meets the "
        "opposite field, too.",
        LENGTH: f"change of activity before go ({PREPARATORY_TIME:g} s into the trial; go comes at "
        f"{PROBE_GO:g} s) from the end of NF1 to the end of FF1, mean over targets, as a share of the length "
        "of activity in NF1. It is measured orthogonally to the force axes, along the direction that the "
        "change has in the other sessions, less the same of the sham. Without a shift that sessions share it "
        "is 0 on average.",
        SHIFT: "the same activity at the end of NF2, projected on the shift: 0 is the end of NF1 and 1 that "
        "of FF1, so the scale presupposes a shift.",
        SHIFT_BEYOND: "that, less the same of the sham.",
        READ: "share of trials, from the second of FF1 on, in which a linear read-out, fitted to the other "
        f"sessions, reads from the same activity to which side the field pushes, less {CHANCE:g}.",
        READ_LATER: f"the same in the last {END} trials of NF2.",
    }
    lines = "\n".join(f"- *{measure}*: {what[measure]}" for measure in MEASURES)
    return (
        "Deviations are on the side to which the field of FF1 pushes, mean over sessions, sides and targets."
        f"\n\n{lines}"
    )
