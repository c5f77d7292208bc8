"""The same measures of networks that learn in their weights, from figures of the four-phase experiment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agents.supervised.reaches import STUDY_DELAYS
from experiments.claims import cell
from experiments.figures.controls import MEANING, PRACTICE
from experiments.figures.findings import Findings
from experiments.figures.preparatory import BEYOND_SHAM
from experiments.figures.preparatory import LENGTH as SHIFT_LENGTH
from experiments.runs.tables import markdown_table
from experiments.savings.config import FOR_ENVIRONMENTS
from experiments.sessions.config import Sessions
from experiments.sessions.measures import LENGTH, SAVED_FIRST, SHIFT, SHIFT_BEYOND
from experiments.study import SHIFT_FF2, SHIFT_NF2, Quantity
from savings_gym.task.settings import Delays

AGAIN: Final = "shift in FF2"
IN_WEIGHTS: Final = {  # measure: figure of the four-phase experiment that has it, and its name there
    SAVED_FIRST: ("controls", f"main: initial savings, {MEANING[PRACTICE]}"),
    LENGTH: ("preparatory", f"{SHIFT_LENGTH} / mean activity of NF1"),
    AGAIN: ("preparatory", SHIFT_FF2),
    SHIFT: ("preparatory", SHIFT_NF2),
    SHIFT_BEYOND: ("preparatory", BEYOND_SHAM),
}


def learned_in_weights(results: Path) -> dict[str, Quantity]:
    """Return the measures of `IN_WEIGHTS`; none if one of them is missing.

    Args:
        results: Folder of committed figures.
    """
    try:
        stored = {
            figure: {entry.name: entry for entry in Findings.load(results, figure).quantities}
            for figure in dict(IN_WEIGHTS.values())
        }
        return {measure: stored[figure][name] for measure, (figure, name) in IN_WEIGHTS.items()}
    except (FileNotFoundError, KeyError):
        return {}


def beside_weights(found: Mapping[str, Quantity], config: Sessions) -> str:
    """Return the section of the page as Markdown; none without figures.

    Args:
        found: What `learned_in_weights` returned.
        config: Arguments of the sessions experiment.
    """
    if not found:
        return ""
    rows = [(measure, cell(entry), str(entry.networks)) for measure, entry in found.items()]
    same = config.pretrained == FOR_ENVIRONMENTS
    trained_for = ", pre-trained for the delays of the environments" if same else ""
    return f"""
## Beside learning in weights

Networks whose memory is reset in every trial and whose recurrent weights learn from update to update, in the
four phases of `experiments.savings`; from the page of all results, `RESULTS.md`. They are other networks:
{found[SAVED_FIRST].networks} of the study's protocol, which {_seen(STUDY_DELAYS)}. Those of the sessions,
{config.networks}{trained_for}, {_seen(config.delays)}. So they differ in more than
the place of their memory. The length of the shift is that of a vector here, never negative and without a
test; that it is there again in FF2, where 1 is all of it, shows that it is no accident.

{markdown_table(("measure", "learned in weights", "networks"), rows)}
"""


def _seen(delays: Delays) -> str:
    """When networks see the hand and the cue, in words."""
    hand, cue = (f"{1e3 * delay:.0f} ms" for delay in (delays.vision, delays.cue_delay))
    return f"see hand and cue {hand} late" if hand == cue else f"see the hand {hand} and the cue {cue} late"
