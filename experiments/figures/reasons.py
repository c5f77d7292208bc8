"""Why numbers of ours differ from the study's: a sentence for each group, or that it is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from experiments import study
from experiments.study import BATCHES, DISPLACEMENTS, PHASES_OF_LOSSES, SIZES

DIFFERS: Final = "differs"
NAMED: Final = 8  # most numbers of one reason


@dataclass(frozen=True)
class Reason:
    """Numbers of the study that would differ for one reason.

    Attributes:
        names: Their names in `experiments.study.REFERENCE`.
        measures: What they measure; several reasons may be about one thing.
        text: The reason, with the figure that shows it; or what is ruled out and what is not known.
    """

    names: tuple[str, ...]
    measures: str
    text: str


CURVES: Final = "the learning curves, from their start on"
REASONS: Final = (
    Reason(
        (
            study.INITIAL_FF1,
            study.INITIAL_FF2,
            study.DISPLACED_FF1,
            *(study.curve(phase, BATCHES[0]) for phase in ("FF1", "FF2")),
            *(study.displaced(m) for m in DISPLACEMENTS),
        ),
        CURVES,
        "Probably the integrator. The study makes one step of explicit Euler every 10 ms, which adds energy "
        "to a hand in a curl field. When its code was stepped, that raised the deviation by 1.7 mm, more "
        "than ours lies below the study's. In our networks, which were not trained with it, it adds twice as "
        "much (figure *integrator*). Networks of ours that are trained with it were not run.",
    ),
    Reason(
        tuple(study.curve(phase, batch) for phase in ("FF1", "FF2") for batch in BATCHES[1:]),
        CURVES,
        "The curves start lower, see above. Why they stay lower is not known. At batch 1000, the last "
        "that was read off the study's plot, ours have reached the line, the study's not yet.",
    ),
    Reason(
        (
            study.RATE_RATIO,
            study.RATE_EFFECT,
            study.RATE_FF1,
            study.RATE_FF2,
            *(study.fraction("rate", units) for units in SIZES),
        ),
        "the gain in learning rate",
        "It is not known why ours gain more. Delays, onset of the field, go times, initial weights and "
        "schedule are those of the study's code. The muscles are not: they have MuJoCo's force-length and "
        "force-velocity curves, and elbow moment arms that are off by up to 1.9 mm at 45 to 120 degrees, "
        "and by more beyond; nobody has tested what that changes.",
    ),
    Reason(
        (
            study.INITIAL_SAVINGS,
            study.INITIAL_SHARE,
            *(study.fraction("initial deviation", units) for units in SIZES),
        ),
        "initial savings",
        "It is not known. The study's integrator lowers initial savings, which makes the difference larger "
        "(figure *integrator*).",
    ),
    Reason((study.AFTER_EFFECT, study.RESIDUAL), "the washout", "It is not known."),
    Reason(
        (
            *(study.position_loss(phase, batch) for phase, batch in PHASES_OF_LOSSES),
            *(study.position_loss(phase) for phase in ("NF1", "NF2")),
        ),
        "position loss",
        "It is not known. At the end of NF1 the study's integrator hardly changes the loss (figure "
        "*integrator*); in the field this was not measured.",
    ),
    Reason(
        (study.SHIFT_NF2, study.SHIFT_FF2),
        "the preparatory shift",
        "Networks that never met the field move along the same shift when they practise (figure "
        "*preparatory*); the study has no such sham.",
    ),
    Reason(
        (study.SLOPE,),
        "the displacement of preparatory activity",
        "Of a displacement at 0.16 s, 8 % is left when the cue is seen, because most of it lies in modes "
        "that decay within 0.1 s (figure *persistence*); networks of ours that keep more respond more. "
        "Whether the study's networks keep more is not known (see *Does the trace cause the savings?*).",
    ),
    Reason(
        (study.PEAK_SPEED,),
        "the speed of the hand",
        "It is not known; the study's number is read off a plot.",
    ),
)


def why_they_differ(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a list of the numbers that differ, by reason, as Markdown; of many, the first are named.

    Args:
        rows: Those of `experiments.figures.comparison.compare`.
    """
    differing = {row["name"] for row in rows if row["verdict"] == DIFFERS}
    if not differing:
        return "None of them does."
    lines = []
    for reason in REASONS:
        names = [name for name in reason.names if name in differing]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            lines.append(f"- *{'; '.join(names[:NAMED])}*{more}: {reason.text}")
    return "\n".join(lines)
