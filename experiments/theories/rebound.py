"""Which theories predict spontaneous recovery: that what was learned comes back by itself?

    python -m experiments.theories.rebound [--preset smoke] [--out runs/rebound]

takes every theory, with its default parameters, through the design of Heald, Lengyel & Wolpert 2021: 50
trials without a perturbation, 125 in A, 15 in its opposite and 150 in a channel. Writes rebound.png and
README.md.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.runs.command_line import choice, choices, command_text, preset_main
from experiments.runs.tables import capitalised, markdown_table
from experiments.theories.figure import COLOURS, LINES
from experiments.theories.prediction import check_theories
from experiments.theories.report import listed
from savings_gym.arrays import Floats, as_seed, as_whole_number
from savings_gym.files import open_folder, write_atomically
from savings_gym.models.coin import Coin
from savings_gym.models.design import CHANNEL, Design
from savings_gym.models.names import MODELS, make_model

log = logging.getLogger(__name__)
LENGTHS: Final = (50, 125, 15, 150)  # none, A, its opposite, channel
FIGURE, PAGE = "rebound.png", "README.md"


@dataclass(frozen=True)
class Rebound:
    """Arguments of the command; the preset sets the defaults."""

    preset: Annotated[str, choice(("quick", "smoke"))] = "quick"
    """quick (a minute), smoke (seconds)."""
    out: Path = Path("runs/rebound")
    """Folder of the results."""
    theories: Annotated[tuple[str, ...], choices(MODELS)] = tuple(MODELS)
    """Theories to ask."""
    lengths: tuple[int, int, int, int] = LENGTHS
    """Trials without a perturbation, in A, in its opposite, and in the channel."""
    runs: int = 64
    """Learners over which contextual inference is averaged, each with 100 particles."""
    seed: int = 0
    """Seed of the noise of these learners; the other theories have none here."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        check_theories(self.theories)
        for name, trials in zip(("baseline", "A", "opposite", "channel"), self.lengths, strict=True):
            as_whole_number(f"lengths: {name}", trials, least=1)
        as_whole_number("runs", self.runs, least=1)
        as_seed("seed", self.seed)

    def design(self) -> Design:
        """Return the trials."""
        none, a, opposite, channel = self.lengths
        return Design.of_blocks((0.0, none), (1.0, a), (-1.0, opposite), (CHANNEL, channel))


PRESETS: Final = {
    "quick": Rebound(),
    "smoke": Rebound("smoke", Path("runs/rebound-smoke"), lengths=(5, 20, 4, 10), runs=2),
}


def expectation(config: Rebound, theory: str) -> tuple[Floats, Floats | None]:
    """Return what a theory expects of every trial, (T,); of contextual inference also the contexts.

    Returns:
        The expectation, and the probability of every context, (T, contexts + 1), or None.
    """
    if theory == "coin":
        return Coin(runs=config.runs, seed=config.seed).average(config.design())
    return make_model(theory).simulate(config.design()).expectation, None


END_A, END_B, LARGEST, TRIAL, END = (
    "end of A", "end of the opposite", "largest in the channel", "at trial of the channel",
    "end of the channel",
)  # fmt: skip


def moments(config: Rebound, expected: Floats) -> dict[str, float]:
    """Return the expectation at the ends of A, opposite and channel, and its largest in the channel."""
    ends = np.cumsum(config.lengths)
    channel = expected[ends[2] :]
    return {
        END_A: expected[ends[1] - 1],
        END_B: expected[ends[2] - 1],
        LARGEST: channel.max(),
        TRIAL: float(channel.argmax() + 1),
        END: channel[-1],
    }


def in_short(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return which theories predict recovery: expectations that rise above zero in the channel.

    They start there from what the opposite has left, so that a memory that only fades ends at zero, or, if it
    starts above it, never rises.

    Args:
        found: Theory to its `moments`.
    """
    comes = {t: its for t, its in found.items() if its[LARGEST] > max(its[END_B], 0.0)}
    fades = [theory for theory in found if theory not in comes]
    parts = []
    if comes:
        names = capitalised(listed([MODELS[theory].name for theory in comes]))
        sizes = listed([f"{its[LARGEST]:.3f}" for its in comes.values()])
        trials = listed([f"{its[TRIAL]:.0f}" for its in comes.values()])
        parts.append(
            f"{names} {'predict' if len(comes) > 1 else 'predicts'} that adaptation to A comes back: in the "
            f"channel, where no error can teach, the expectation rises above zero, to {sizes} of A at trial "
            f"{trials}."
        )
    if fades:
        names = capitalised(listed([MODELS[theory].name for theory in fades]))
        parts.append(
            f"{names} {'predict' if len(fades) > 1 else 'predicts'} no recovery: what the opposite has left "
            "fades towards zero."
        )
    return " ".join(parts)


def page(config: Rebound, expected: Mapping[str, Floats]) -> str:
    """Return the page as Markdown."""
    found = {theory: moments(config, its) for theory, its in expected.items()}
    names = list(next(iter(found.values())))
    rows = [
        (MODELS[theory].name, *(f"{its[name]:.{0 if name == TRIAL else 3}f}" for name in names))
        for theory, its in found.items()
    ]
    none, a, opposite, channel = config.lengths
    return f"""# Which theories predict spontaneous recovery?

Command: `{command_text("experiments.theories.rebound", config, PRESETS)}`

## In short

{in_short(found)}

![Expectations, and contexts]({FIGURE})

{caption(config, "coin" in expected)}

## Methods

What theories of learning, with their default parameters, expect of the perturbation over {none} trials
without one, {a} in A, {opposite} in its opposite, and {channel} in a channel, where no error can teach. It
is the design in which Heald, Lengyel & Wolpert (2021, doi 10.1038/s41586-021-04129-3) show the spontaneous
recovery of contextual inference, after Smith, Ghazizadeh & Shadmehr (2006, doi 10.1371/journal.pbio.0040179),
who found it in people and explained it by two rates. Expectations are shares of A. Contextual inference is
the mean of {config.runs} learners.

The parameters of two rates are those that Smith et al. fitted to people, those of contextual inference are
those of Heald et al. The others were not fitted to data: the values of one rate and of a memory of errors
have no source, and the rates of three rates and the bases of the memory of errors are ours. So the table says
what each theory does with these values, not which theory describes people best.

{markdown_table(("theory", *names), rows)}
"""


def caption(config: Rebound, contexts: bool) -> str:
    """Return what the panels show.

    Args:
        config: The arguments.
        contexts: Whether contextual inference is among the theories.
    """
    text = (
        "a, the perturbation that each theory expects before a trial, as a share of A; shaded in blue, "
        "trials in A; in grey, in the channel; white between them, in the opposite of A."
    )
    if contexts:
        text += (
            " b, shaded alike, how probable contextual inference finds each context before a trial, mean "
            f"over {config.runs} learners; contexts are in the order in which they are met, and further ones "
            "are not drawn."
        )
    return text


def draw(config: Rebound, expected: Mapping[str, Floats], contexts: Floats | None) -> Figure:
    """Draw expectations, and how probable contextual inference finds its contexts."""
    figure = look.new_figure(2.3)
    left, right = figure.subplots(1, 2)
    ends = np.cumsum(config.lengths)
    for axes in (left, right):
        axes.axvspan(ends[0], ends[1], color=look.FIELD_SHADE, zorder=0)
        axes.axvspan(ends[2], ends[3], color="#f4f4f4", zorder=0)
        axes.set(xlabel="Trial")
    left.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for theory, its in expected.items():
        label = MODELS[theory].name
        left.plot(its, color=COLOURS[theory], linestyle=LINES[theory], linewidth=1.2, label=label)
    left.set(ylabel="Expected perturbation (share of A)")
    left.legend(loc="upper right")
    if contexts is not None:
        names = ("first context", "second", "third")
        for number, (name, colour) in enumerate(zip(names, (look.INK, look.OURS, look.SECOND), strict=True)):
            right.plot(contexts[:, number], color=colour, linewidth=1.2, label=name)
        right.legend(loc="best")
        right.set_title(Coin.name.capitalize(), loc="left")
    right.set(ylabel="Probability of a context", ylim=(0.0, 1.0))
    look.letter_panels((left, right))
    return figure


def run(config: Rebound) -> int:
    """Ask every theory; return the exit status."""
    open_folder(config.out, {**dataclasses.asdict(config), "out": str(config.out)})
    found = {theory: expectation(config, theory) for theory in MODELS if theory in config.theories}
    expected = {theory: its for theory, (its, _) in found.items()}
    contexts = next((its for _, its in found.values() if its is not None), None)
    with look.house_style():
        look.save_picture(draw(config, expected, contexts), config.out / FIGURE)
    text = page(config, expected)
    write_atomically(config.out / PAGE, text.encode())
    log.info("%s", text)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.theories.rebound", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
