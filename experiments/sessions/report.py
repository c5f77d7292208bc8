"""The page of the sessions experiment: answer, methods, figure, and tables of measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.claims import bold_means, cell
from experiments.figures.results_page import RESULTS
from experiments.runs.tables import markdown_table
from experiments.sessions.answer import answer
from experiments.sessions.config import Sessions
from experiments.sessions.figure import FIGURE, caption
from experiments.sessions.measures import MEASURES
from experiments.sessions.methods import definitions, limits, tests, training
from experiments.sessions.washouts import washout_section
from experiments.sessions.weights import beside_weights, learned_in_weights
from experiments.study import Quantity


def page(
    numbers: Mapping[str, Mapping[str, Quantity]],
    command: str,
    config: Sessions,
    results: Path = RESULTS,
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
    taught = [f"*{name}*" for regime, name in networks.items() if config.taught(regime)]
    also = f" Some, {' and '.join(taught)}, were at first also taught to report the field." if taught else ""
    in_weights = "; in weights, the tests of `RESULTS.md` decide" if weights is not None else ""
    return f"""# Sessions: learning in activity

Networks whose weights stay fixed can still learn in their activity, which they carry from trial to trial. Do
savings appear in activity, in weights, or in both, and does the preparatory shift? To learn in activity,
networks were trained in sessions of several trials and then tested with fixed weights.{also}
Command: `{command}`

## Answer

{answer(numbers, weights, config)}

{limits(config)}

An effect is *found* if its test, a t test over the {config.networks} networks of each kind, tells it from 0
after the correction named below{in_weights}. Values are means over networks with 95 % t
intervals.

![Deviation, preparatory activity, and savings by the length of the washout, with fixed weights]({FIGURE})

{caption(tuple(networks.values()), config.networks)}

## Training

{training(config)}

## Tests

{tests(config)}

## Measures

{bold_means("all tests of the networks tested here")} Values of 0.000 mm lie within 0.5 µm of zero: after the
washout, a session and its sham are then the same.

{table}

{definitions()}
{washout_section(numbers, networks, config.washouts)}{beside_weights(weights, config)}"""
