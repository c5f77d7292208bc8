"""The page of the sessions experiment: methods, answer, figure, and tables of measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.claims import cell
from experiments.figures.results_page import RESULTS
from experiments.runs.tables import markdown_table
from experiments.sessions.answer import answer
from experiments.sessions.config import Sessions
from experiments.sessions.figure import FIGURE
from experiments.sessions.measures import MEASURES
from experiments.sessions.methods import definitions, limits, tests, training
from experiments.sessions.washouts import washout_section
from experiments.sessions.weights import beside_weights, learned_in_weights
from experiments.study import LEVEL, Quantity


def page(
    numbers: Mapping[str, Mapping[str, Quantity]], command: str, config: Sessions, results: Path = RESULTS
) -> str:
    """Return the page as Markdown.

    Args:
        numbers: Measures by what the networks were trained in.
        command: What made them.
        config: The arguments.
        results: Folder of the committed figures of the four-phase experiment.
    """
    networks = {regime: config.name(regime) for regime in numbers}
    weights = learned_in_weights(results)
    rows = [(measure, *(cell(its[measure]) for its in numbers.values())) for measure in MEASURES]
    table = markdown_table(("measure", *networks.values()), rows)
    return f"""# Sessions: learning in activity

Networks whose weights stay fixed can still learn in their activity, which they carry from trial to trial. Do
savings appear in activity, in weights, or in both, and does the preparatory shift?
Command: `{command}`

{training(config)}

{tests(config)}

## Answer

{answer(numbers, weights, config)}

{limits(config)}

An effect is shown if its p is below {LEVEL:.2g}: t tests over the {config.networks} networks of each kind,
corrected (Holm) for all tests of the networks tested here. Values are means over networks with 95 % t
intervals, which are not corrected.

![Deviation, preparatory activity, and savings by the length of the washout, with fixed weights]({FIGURE})

Blue: field in FF1; grey: the sham; shaded: trials in the field. Right: what a washout leaves of the
after-effect, and savings in the trial that follows, both beyond the sham. Bands and bars: 95 % t intervals.
Activity on the shift is scaled by the shift itself, so that it is noise where there is none; its axis is cut.

## Measures

{table}

{definitions()}
{washout_section(numbers, networks, config.washouts)}{beside_weights(weights, config)}"""
