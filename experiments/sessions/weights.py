"""The same measures of networks that learn in their weights, from figures of the four-phase experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.supervised.reaches import STUDY_DELAYS
from experiments.claims import cell, opposite
from experiments.figures import practice
from experiments.figures.by_size import at
from experiments.figures.findings import Findings
from experiments.figures.preparatory import LENGTH as SHIFT_LENGTH
from experiments.figures.results_page import INDEX
from experiments.figures.runs import MAIN
from experiments.runs.tables import grouped, markdown_table
from experiments.savings.config import FOR_ENVIRONMENTS
from experiments.sessions.config import Sessions
from experiments.sessions.measures import LENGTH, RESIDUAL, SAVED_FIRST, SHIFT, SHIFT_BEYOND
from experiments.study import AFTER_EFFECT, INITIAL_FF1, SHIFT_FF2, SHIFT_NF2, Quantity
from experiments.study import RESIDUAL as LESS_NF2
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import N_TARGETS, Delays

MET, LEFT = "deviation, first test in FF1", "deviation, first test in NF2: the after-effect"
AGAIN: Final = "shift in FF2"
REVERSED: Final = (RESIDUAL,)  # what a figure has as NF1 less NF2
UPPER_BOUND: Final = (  # see `experiments.figures.practice`
    "an upper bound: the axis comes from the main run's own FF1, whose drift NF2 shares"
)


@dataclass(frozen=True)
class InWeights:
    """What the main run of the four-phase experiment says of networks that learn in their weights.

    Attributes:
        measures: Those of `sources`.
        washout: Updates of NF2, each of 8 reaches.
    """

    measures: dict[str, Quantity]
    washout: int


def sources(units: int) -> dict[str, tuple[str, str]]:
    """Return, by measure, the figure of the four-phase experiment that has it, and its name there.

    Of what is left beyond a sham, the figure of practice has the tests.

    Args:
        units: Of the networks of the main run.
    """
    return {
        MET: ("learning", INITIAL_FF1),
        LEFT: ("behaviour", AFTER_EFFECT),
        RESIDUAL: ("behaviour", LESS_NF2),
        SAVED_FIRST: ("practice", at(practice.SAVED, units)),
        LENGTH: ("preparatory", f"{SHIFT_LENGTH} / mean activity of NF1"),
        AGAIN: ("preparatory", SHIFT_FF2),
        SHIFT: ("preparatory", SHIFT_NF2),
        SHIFT_BEYOND: ("practice", at(practice.SHIFT, units)),
    }


def learned_in_weights(results: Path) -> InWeights | None:
    """Return what the main run says; None if the run or a measure is missing.

    Args:
        results: Folder of committed figures, with the list of their runs.
    """
    try:
        runs = json.loads((results / INDEX).read_text())["runs"]
        main = {run["kind"]: run for run in runs}[MAIN]
        wanted = sources(main["units"])
        stored = {figure: Findings.load(results, figure).by_name for figure in dict(wanted.values())}
        measures = {measure: stored[figure][name] for measure, (figure, name) in wanted.items()}
        measures |= {measure: opposite(measures[measure]) for measure in REVERSED}
    except (FileNotFoundError, KeyError):
        return None
    return InWeights(measures, main["updates"][PHASES.index("NF2")])


def beside_weights(found: InWeights | None, config: Sessions) -> str:
    """Return the section of the page as Markdown; none without the main run.

    Args:
        found: What `learned_in_weights` returned.
        config: Arguments of the sessions experiment.
    """
    if found is None:
        return ""
    networks = found.measures[SAVED_FIRST].networks
    rows = [(measure, cell(entry), str(entry.networks)) for measure, entry in found.measures.items()]
    updates = grouped(found.washout)
    rows.insert(0, ("washout", f"{updates} updates of {N_TARGETS} reaches", str(networks)))
    same = config.pretrained == FOR_ENVIRONMENTS
    trained_for = ", pre-trained for the delays of the environments" if same else ""
    return f"""
## Beside learning in weights

Networks whose memory is reset in every trial and whose recurrent weights learn from update to update, in the
four phases of `experiments.savings`; from the page of all results, `RESULTS.md`, whose tests decide what is
bold. They are other networks: {networks} of the study's protocol, which {_seen(STUDY_DELAYS)}. Those
of the sessions, {config.networks}{trained_for}, {_seen(config.delays)}. Their washouts differ, too. So
more than the place of memory differs. How much of the field they compensate is on the page of
[results](../../RESULTS.md#channel), how they learn opposite fields in turn on that of
[protocols](../protocols/README.md#interference). The length of the shift is that of a vector here, never
negative and without a test; its return in FF2, where 1 is all of it, shows that it is not
chance. What is left of it beyond the sham is {UPPER_BOUND}.

{markdown_table(("measure", "learned in weights", "networks"), rows)}
"""


def _seen(delays: Delays) -> str:
    """When networks see the hand and the cue, in words."""
    hand, cue = (f"{1e3 * delay:.0f} ms" for delay in (delays.vision, delays.cue_delay))
    return f"see hand and cue {hand} late" if hand == cue else f"see the hand {hand} and the cue {cue} late"
