"""Whether the trace in preparatory activity causes the savings: what the figures say of it together.

Two sums decide. A displacement acts by what is left of it when the cue is seen, times the effect of one that
is made then; a trace acts by its size times the same effect. Both assume that effects add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments import study
from experiments.controls.conditions import MAIN
from experiments.figures import factors
from experiments.figures.by_size import at
from experiments.figures.displacement import LARGER_AT_CUE, SLOPE_AT_CUE, WITHOUT_STEEPEST
from experiments.figures.fading import FADING, LEFT_SHIFT
from experiments.figures.findings import Findings, effect, p_text
from experiments.figures.persistence import LEFT, LEFT_SHARE, LEFT_SLOWEST, SHIFT, SIZE_LEFT
from experiments.figures.practice import SAVED
from experiments.figures.practice import SHIFT as SHIFT_BEYOND
from experiments.figures.relation import INITIAL, correlated
from experiments.runs.tables import format_value, listed
from experiments.savings.config import PRESETS
from experiments.stored.preparation import PREPARATORY_TIME
from experiments.study import REFERENCE, Quantity

CAUSE: Final = "Does the trace cause the savings?"  # the section's heading
CAUSE_ANCHOR: Final = CAUSE.lower().replace(" ", "-").rstrip("?")
UNITS: Final = PRESETS["paper"].units  # of the main run
NEEDED: Final = (  # figure and number
    ("persistence", f"{LEFT}, {SHIFT}"),
    ("displacement", SLOPE_AT_CUE),
    ("displacement", LARGER_AT_CUE),
    ("displacement", study.SLOPE),
    ("displacement", WITHOUT_STEEPEST),
    ("preparatory", study.SHIFT_NF2),
    ("practice", at(SHIFT_BEYOND, UNITS)),
    ("learning", study.INITIAL_SAVINGS),
    ("practice", at(SAVED, UNITS)),
)
VERBS: Final = ("falls with", "is not measurably related to", "grows with")


def cause(findings: Mapping[str, Findings]) -> str:
    """Return two paragraphs of Markdown: why displacements do what they do, and what the trace amounts to.

    Args:
        findings: By figure.

    Returns:
        Empty if a figure that it needs is missing, or if a displacement when the cue is seen is not shown to
        lower the initial deviation.
    """
    found = [_number(findings, figure, name) for figure, name in NEEDED]
    numbers = [entry for entry in found if entry is not None and entry.value is not None]
    if len(numbers) < len(NEEDED) or effect(numbers[1]) >= 0:
        return ""
    left, at_cue, larger, slope, rest, kept, kept_beyond, saved, saved_beyond = numbers
    fades = " ".join(
        part
        for part in (
            _fades(left, at_cue, larger, slope, rest),
            _related(findings.get("persistence")),
            _by_size(findings.get("fading")),
            _protocol(findings.get("factors")),
        )
        if part
    )
    trace = " ".join(
        part
        for part in (
            _trace(at_cue, (kept, kept_beyond), (saved, saved_beyond)),
            _savers(findings),
        )
        if part
    )
    return f"{fades}\n\n{trace}"


def _number(findings: Mapping[str, Findings], figure: str, name: str) -> Quantity | None:
    return findings[figure].by_name.get(name) if figure in findings else None


def _text(entry: Quantity, unit: str | None = None) -> str:
    return format_value(entry.value, entry.ci, entry.unit if unit is None else unit)


def _value(entry: Quantity, scale: float = 1.0) -> float:
    assert entry.value is not None
    return scale * entry.value


def _fades(left: Quantity, at_cue: Quantity, larger: Quantity, slope: Quantity, rest: Quantity) -> str:
    """A displacement's effect as what is left of it times the effect of one that cannot fade."""
    share, per_shift, theirs = _value(left, 0.01), _value(at_cue), REFERENCE[study.SLOPE].value
    random = {
        1: "more than one in a random direction does",
        0: "in magnitude not measurably more than one in a random direction does",
        -1: "in magnitude less than one in a random direction does",
    }[effect(larger)]
    needed, most = 100.0 * theirs / per_shift, max(left.values, default=_value(left))
    enough = (
        f"and the most in one of these networks is {most:.0f} %" if needed > most else "as some networks have"
    )
    return (
        f"**A displacement fades before it can act.** Of one made at {PREPARATORY_TIME} s, {_text(left)} is "
        f"left when the cue is seen ([persistence](#persistence)). One made when the cue is seen changes the "
        f"initial deviation by {_text(at_cue, 'mm')} per shift, {random}; the study's slope, of "
        f"displacements at {PREPARATORY_TIME} s, is {theirs:g} ([displacement](#displacement)). What is "
        f"left, times this effect, is {share * per_shift:.2f} mm; measured are {_text(slope, 'mm')}, and "
        f"{_text(rest, 'mm')} without the network that responds most. By this route the study's "
        f"slope would need {needed:.0f} % left, {enough}. Whether the study's networks keep that much is not "
        "known; in this, ours are not shown to be theirs."
    )


def _related(persistence: Findings | None) -> str:
    """What goes with how much is left, over networks."""
    entries = (
        [persistence.by_name.get(name) for name in (SIZE_LEFT, LEFT_SHARE, LEFT_SLOWEST)]
        if persistence
        else []
    )
    known = [entry for entry in entries if entry is not None and entry.value is not None]
    if len(known) < 3:
        return ""
    size, share, slowest = (f"{VERBS[1 + effect(entry)]}" for entry in known)
    numbers = [f"(rank correlation {_text(entry)}, {p_text(entry)})" for entry in known]
    return (
        f"The size of a network's response {size} what it keeps {numbers[0]}. What it keeps {share} the "
        f"share of the shift in modes slower than 0.1 s {numbers[1]}, and {slowest} the decay rate of its "
        f"slowest mode {numbers[2]}."
    )


def _by_size(its: Findings | None) -> str:
    """What is left and what it does at every size."""
    if its is None:
        return ""
    sizes = FADING.sizes(its.by_name)
    parts = [FADING.sentence(its.by_name, name, sizes) for name in (LEFT_SHIFT, study.SLOPE)]
    told = " ".join(part for part in parts if part)
    return f"By network size ([fading](#fading)): {told[:1].lower()}{told[1:]}" if told else ""


def _protocol(its: Findings | None) -> str:
    """Which changes of the protocol alter slope or remainder."""
    changes = _changes(its)
    if not changes:
        return ""
    altering = [
        f"`{name}`"
        for name, entries in changes.items()
        if any(effect(entries[kind]) for kind in (factors.RESPONSE, factors.LEFT) if kind in entries)
    ]
    least = min(entry.networks for entries in changes.values() for entry in entries.values())
    if altering:
        return (
            f"Of {len(changes)} changes of the protocol, {listed(altering)} alter the slope or what is left "
            "([factors](#factors))."
        )
    return (
        f"None of {len(changes)} changes of the protocol is shown to alter the slope or what is left "
        f"([factors](#factors); {least} networks each, so small changes would be missed)."
    )


def _changes(its: Findings | None) -> dict[str, dict[str, Quantity]]:
    """Condition to measure to its difference from the main run."""
    changes: dict[str, dict[str, Quantity]] = {}
    for entry in its.quantities if its else ():
        name, _, rest = entry.name.partition(": ")
        if rest.endswith(factors.LESS_MAIN) and name != MAIN:
            changes.setdefault(name, {})[rest.removesuffix(factors.LESS_MAIN)] = entry
    return changes


def _trace(at_cue: Quantity, kept: tuple[Quantity, Quantity], saved: tuple[Quantity, Quantity]) -> str:
    """The trace times the effect of a displacement, against the savings, in our networks and in the study."""
    per_shift = abs(_value(at_cue))
    ours, beyond_practice = (per_shift * _value(entry) for entry in kept)
    slope, left, savings = (
        abs(REFERENCE[name].value) for name in (study.SLOPE, study.SHIFT_NF2, study.INITIAL_SAVINGS)
    )
    small = ours < 0.5 * _value(saved[0]) and beyond_practice < 0.5 * _value(saved[1])
    theirs = ", in ours and by the study's own numbers" if left * slope < 0.5 * savings else ""
    title = f"The trace is too small to be the savings{theirs}." if small else "What the trace amounts to."
    return (
        f"**{title}** Washout leaves {_value(kept[0]):.3f} of the shift, {_value(kept[1]):.3f} beyond "
        f"practice ([practice](#practice)). Times the effect of a displacement when the cue is seen, that is "
        f"{ours:.2f} mm, or {beyond_practice:.2f} mm, of savings of {_value(saved[0]):.2f} mm, or "
        f"{_value(saved[1]):.2f} mm beyond practice. In the study it is {left:.2g} × "
        f"{slope:.2g} = {left * slope:.2f} mm of {savings:.1f} mm; if its displacements fade, too, this is a "
        "lower bound, since a trace stays. These sums take effects to add up."
    )


def _savers(findings: Mapping[str, Findings]) -> str:
    """Whether networks that keep more save more, and what becomes of the slope where savings change."""
    parts = []
    entry = _number(findings, "relation", correlated(INITIAL, UNITS))
    if entry is not None and entry.value is not None:
        words = {1: "save more", 0: "are not shown to save more", -1: "save less"}[effect(entry)]
        parts.append(
            f"Networks that keep more of the shift {words} (r = {_text(entry)}, {p_text(entry)}; "
            "[relation](#relation))."
        )
    savers = [
        f"`{name}`"
        for name, entries in _changes(findings.get("factors")).items()
        if factors.SAVED in entries
        and effect(entries[factors.SAVED]) > 0
        and factors.RESPONSE in entries
        and not effect(entries[factors.RESPONSE])
    ]
    if savers:
        parts.append(f"Savings are larger in {listed(savers)} without a measurable change of the slope.")
    return " ".join(parts)
