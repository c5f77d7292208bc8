"""The top of the results page: what the tests say in a few sentences, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from experiments import study
from experiments.figures import timing
from experiments.figures.by_size import at
from experiments.figures.cause import CAUSE_ANCHOR, cause
from experiments.figures.channel import BEYOND_SHAM as CHANNEL_BEYOND_SHAM
from experiments.figures.channel import end
from experiments.figures.comparison import beside_the_study, tally
from experiments.figures.controls import MEANING, MIRRORED, PRACTICE
from experiments.figures.displacement import LARGER, MORE_NEGATIVE, RANDOM, SLOPE_AT_CUE, WITHOUT_STEEPEST
from experiments.figures.explanations import MIRROR, OPPOSITE, apart
from experiments.figures.findings import Findings, effect, p_text
from experiments.figures.practice import BEYOND, FASTER, SAVED, SHIFT, TRACE, as_ratio
from experiments.figures.preparatory import SHAM
from experiments.figures.size import INITIAL, saved, step, values_at
from experiments.runs.tables import MISSING, format_p, format_value, listed, markdown_table
from experiments.savings.config import PRESETS
from experiments.stored.preparation import PREPARATORY_TIME
from experiments.study import Quantity
from savings_gym.arrays import PERCENT

Numbers = Mapping[str, Mapping[str, Quantity]]  # by figure and name
UNITS: Final = PRESETS["paper"].units  # of the main run
EVERY_NUMBER: Final = "[all of them](#every-number-of-the-study)"
OPPOSITE_SAVED, MIRROR_SAVED = (
    f"{name}: initial savings, {MEANING[PRACTICE]}" for name in (OPPOSITE, MIRROR)
)
BEYOND_PRACTICE: Final = "... than after equal practice without a field"
ROWS: Final = (  # figure, quantity, what it means
    ("learning", study.INITIAL_SAVINGS, "FF2 starts closer to the line than FF1 by"),
    ("practice", at(SAVED, UNITS), BEYOND_PRACTICE),
    ("learning", study.RATE_RATIO, "FF2 is learned faster than FF1 by a factor of"),
    ("practice", at(FASTER, UNITS), f"{BEYOND_PRACTICE} (geometric mean)"),
    ("behaviour", study.AFTER_EFFECT, "after-effect, start of NF2"),
    ("behaviour", study.RESIDUAL, "left of it at the end of NF2 (NF1 - NF2)"),
    ("channel", end("FF1"), "share of the field compensated in a channel after FF1"),
    ("channel", CHANNEL_BEYOND_SHAM, "... left after NF2, beyond networks that never met the field"),
    ("preparatory", study.SHIFT_NF2, "share of the preparatory shift left in NF2"),
    ("practice", at(SHIFT, UNITS), "... beyond networks that never met the field"),
    ("practice", at(TRACE, UNITS), "memory trace beyond networks that never met the field"),
    ("displacement", study.SLOPE, "effect of a displacement along the shift at 0.16 s"),
    ("displacement", WITHOUT_STEEPEST, "... without the network that responds most"),
    ("displacement", RANDOM, "... along random directions"),
    *(
        (
            "practice",
            step(SAVED, *sizes),
            f"savings beyond practice, {sizes[1]} units less {sizes[0]} units",
        )  # fmt: skip
        for sizes in pairwise(study.SIZES)
    ),
    (
        "controls",
        OPPOSITE_SAVED,
        "the opposite field, met second, starts closer than after practice alone by",
    ),
    ("controls", MIRROR_SAVED, "... of networks that met it in FF1, too"),
    (
        "controls",
        f"{OPPOSITE}: initial savings, {MEANING[MIRRORED]}",
        "FF2 in the opposite field starts closer than FF1 in the field by",
    ),
)


def in_short(findings: Mapping[str, Findings], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what the tests say in up to seven bullets of Markdown, of the figures that there are.

    An effect is stated if its corrected test shows it; otherwise the sentence says that it is not shown.

    Args:
        findings: By figure.
        rows: Those of `experiments.figures.comparison.compare`.
    """
    numbers = {figure: its.by_name for figure, its in findings.items()}
    every = list(rows)
    verdicts = f"Of the study's {len(every)} numbers, {tally(every)} ({EVERY_NUMBER})." if every else ""
    points = [
        _savings(numbers),
        _sizes(numbers),
        _opposite(numbers),
        timing.in_short(numbers["timing"]) if "timing" in numbers else "",
        _kept(numbers),
        _displaced(numbers, bool(cause(findings))),
        verdicts,
    ]
    return "\n".join(f"- {point}" for point in points if point)


def summary_table(findings: Mapping[str, Findings]) -> str:
    """Return the numbers that matter most, in one table."""
    lines = []
    for figure, name, words in ROWS:
        entry = findings[figure].by_name.get(name) if figure in findings else None
        if entry is None or entry.value is None:
            continue
        shown = as_ratio(entry) if name == at(FASTER, UNITS) else entry
        ours = format_value(shown.value, shown.ci, shown.unit)
        p, networks = format_p(entry.p_holm), str(entry.networks)
        lines.append((words, ours, p, _of_study(name), networks, f"[{figure}](#{figure})"))
    return markdown_table(
        ("finding", "ours [95 % interval]", "p (Holm)", "study", "networks", "figure"), lines
    )


def summary(findings: Mapping[str, Findings], main: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the table of the numbers that matter most, with what its columns mean.

    Args:
        findings: By figure.
        main: What the main run is, in a sentence.
        rows: Those of `experiments.figures.comparison.compare`.
    """
    every = list(rows)
    text = (
        f"{main} Intervals are 95 % intervals over networks; they are not corrected, so one may exclude 0 "
        "although its corrected p is above 0.05. p values are two-sided and corrected (Holm) over the "
        "effects that one figure tests; an estimate without a p was not tested. Some figures probe the "
        "stored networks again, with noise of their own: their values differ a little from the table of the "
        "main run (initial savings by up to a tenth)."
    )
    parts = [text.strip(), summary_table(findings), beside_the_study(every) if every else ""]
    return "\n\n".join(part for part in parts if part)


def _of_study(name: str) -> str:
    """The study's number, marked if it is not printed there."""
    reference = study.REFERENCE.get(name)
    if reference is None:
        return MISSING
    mark = "" if reference.source == study.PRINTED else "~"
    return mark + format_value(reference.value, unit=reference.unit, digits=4)


def _number(entry: Quantity, scale: float = 1.0, unit: str | None = None) -> str:
    """A value with its interval, as in a sentence."""
    low, high = (None if end is None else scale * end for end in entry.ci)
    value = None if entry.value is None else scale * entry.value
    return format_value(value, (low, high), entry.unit if unit is None else unit)


def _entries(numbers: Numbers, *names: tuple[str, str]) -> list[Quantity] | None:
    """Quantities by figure and name; None if one of them, or its value, is missing."""
    found = [numbers.get(figure, {}).get(name) for figure, name in names]
    entries = [entry for entry in found if entry is not None and entry.value is not None]
    return entries if len(entries) == len(names) else None


def _savings(numbers: Numbers) -> str:
    """Where FF2 starts and how fast it is learned, against FF1 and against equal practice."""
    own = _entries(numbers, ("learning", study.INITIAL_SAVINGS), ("learning", study.RATE_RATIO))
    practised = _entries(numbers, ("practice", at(SAVED, UNITS)), ("practice", at(FASTER, UNITS)))
    if own is None:
        return ""
    text = (
        "The second encounter with the field, FF2, "
        f"{_second_time(own[0], own[1], effect(own[1], null=1.0), 'the first, FF1')}."
    )
    if practised is not None:
        start, rate = practised
        again = _second_time(start, as_ratio(rate), effect(rate), "after equal practice without a field")
        text += f" It {again}."
    return text


def _second_time(start: Quantity, rate: Quantity, faster: int, than: str) -> str:
    """Whether FF2 starts nearer to the line, and is learned faster, in words."""
    begins = {
        1: f"starts {_number(start)} nearer to the line than {than}",
        0: f"is not shown to start nearer to the line than {than} ({_number(start)})",
        -1: f"starts farther from the line than {than} (savings of {_number(start)})",
    }[effect(start)]
    learned = {
        1: f"is learned {_number(rate)} times as fast",
        0: f"is not shown to be learned faster ({_number(rate)} times as fast)",
        -1: f"is learned more slowly ({_number(rate)} times as fast)",
    }[faster]
    return f"{begins}, and {learned}"


def _sizes(numbers: Numbers) -> str:
    """Initial savings beyond practice at every size."""
    its = numbers.get("practice", {})
    sizes = [units for units in study.SIZES if at(SAVED, units) in its]
    if len(sizes) < 2:
        return ""
    sentence = BEYOND.sentence(its, SAVED, sizes)
    against_ff1 = [numbers.get("size", {}).get(saved(INITIAL, units)) for units in sizes]
    entries = [entry for entry in against_ff1 if entry is not None and entry.value is not None]
    if len(entries) < len(sizes):
        return sentence
    saving = [str(u) for u, entry in zip(sizes, entries, strict=True) if effect(entry) > 0]
    shown = f"at {listed(saving)} units only" if saving else "at no size"
    where = "above 0 at every size" if len(saving) == len(sizes) else f"shown to be above 0 {shown}"
    return f"{sentence} Against FF1 of the same networks, savings are {values_at(entries)}, {where}."


def _opposite(numbers: Numbers) -> str:
    """Which part of savings helps in the opposite field, too, and which belongs to the field."""
    entries = _entries(numbers, ("controls", OPPOSITE_SAVED), ("controls", MIRROR_SAVED))
    if entries is None:
        return ""
    helped, again = entries
    met = {
        1: f"starts {_number(helped)} nearer to the line than after equal practice",
        0: f"is not shown to start nearer to the line than after equal practice ({_number(helped)})",
        -1: f"starts farther from the line than after equal practice (savings of {_number(helped)})",
    }[effect(helped)]
    itself = {1: "more", 0: "not measurably more", -1: "less"}[apart(again.ci, helped.ci)]
    return (
        f"FF2 in the opposite field {met}; after an FF1 in that field, too, it starts {_number(again)} "
        f"nearer, which is {itself}."
    )


def _kept(numbers: Numbers) -> str:
    """What the washout leaves of the preparatory shift and of a memory trace, beyond practice."""
    entries = _entries(
        numbers, ("preparatory", study.SHIFT_NF2), ("preparatory", SHAM), ("practice", at(SHIFT, UNITS)),
        ("practice", at(TRACE, UNITS)),
    )  # fmt: skip
    if entries is None:
        return ""
    kept, practised, left, trace = entries
    whole, drift, more = (_number(entry, PERCENT, "%") for entry in (kept, practised, left))
    is_left = "is left" if effect(kept) > 0 else "is left, which is not shown to be more than none"
    further = {
        1: f"the field leaves {more} beyond practice, an upper bound",
        0: f"that the field leaves more than practice does is not shown ({more})",
        -1: f"the field leaves less than practice does ({more})",
    }[effect(left)]
    traced = "shown" if effect(trace) > 0 else "not shown"
    corrected = "" if trace.p_holm is None else f"; corrected {p_text(trace)}"
    return (
        f"After the washout, {whole} of the preparatory shift {is_left}; practice alone moves activity by "
        f"{drift} of it, and {further}. A memory trace beyond practice is {traced} "
        f"({_number(trace)}{corrected})."
    )


def _displaced(numbers: Numbers, explained: bool) -> str:
    """What a displacement along the shift does, beside the study's and random directions.

    Args:
        numbers: By figure and name.
        explained: Whether the page has a section on the cause.
    """
    entries = _entries(numbers, ("displacement", study.SLOPE), ("displacement", LARGER))
    if entries is None:
        return ""
    slope, larger = entries
    changes = (
        f"changes the initial deviation in FF2 by {_number(slope)}"
        if effect(slope)
        else f"is not shown to change the initial deviation in FF2 ({_number(slope)})"
    )
    random = {
        1: "within a network, a random direction of equal length changes it less",
        0: "within a network, a random direction of equal length is not shown to change it less",
        -1: "within a network, a random direction of equal length changes it more, up or down",
    }[effect(larger)]
    signed, at_cue = (numbers["displacement"].get(name) for name in (MORE_NEGATIVE, SLOPE_AT_CUE))
    if signed is not None and effect(signed) < 0 and effect(larger) < 0:
        random = (
            "random directions of equal length change it less on average (shift less random: "
            f"{_number(signed)}), but within a network more, up or down"
        )
    later = "" if at_cue is None else f" Made when the cue is seen, it changes it by {_number(at_cue)}."
    why = f" ([why](#{CAUSE_ANCHOR}))" if explained else ""
    return (
        f"A displacement of activity along the shift at {PREPARATORY_TIME} s {changes}, in the study by "
        f"{_of_study(study.SLOPE)}; {random}.{later}"
        f"{'' if effect(larger) > 0 else f' That the trace causes the savings is not shown{why}.'}"
    )
