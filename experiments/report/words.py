"""The summary of a run in plain words: whether it shows savings, and what happened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

from experiments.report.finished import FinishedRun
from experiments.report.measures import SMALLEST_P, Measure, corrected, p_words
from experiments.runs.tables import MISSING, grouped
from experiments.study import LEVEL
from savings_gym.task.schedule import PHASES

TILES: Final = (
    "savings.initial.difference", "savings.rate.ratio", "after_effect.mean", "adaptation.FF1", "shift.NF2",
)  # fmt: skip


def headline(run: FinishedRun) -> str:
    """Return in one sentence whether the run shows savings."""
    saved = run.summary["savings"]
    if not saved["initial"]:
        return f"Savings could not be measured: {saved['missing']}."
    who = "The networks" if run.arguments is not None else "The learners"
    effects = {"initial": _effect(saved["initial"], "difference", 0.0)}
    if saved["rate"] and saved["rate"]["ratio"] is not None:
        effects["rate"] = _effect(saved["rate"], "ratio", 1.0)
    if all(effect is None for effect in effects.values()):
        return "Too few for a test: the numbers describe what happened, and claim nothing."
    initial, rate = effects["initial"] == 1, effects.get("rate") == 1
    if -1 in effects.values() and not (initial or rate):
        return f"{who} did worse when the field came back."
    if initial and rate:
        return f"{who} show savings: back in the field they err less from the start, and learn faster."
    if initial:
        return (
            f"{who} show savings: back in the field they err less from the start. "
            "That they also learn faster is not shown."
        )
    if rate:
        return (
            f"{who} show savings: back in the field they learn faster. "
            "That they err less at first is not shown."
        )
    return f"{who} show no measurable savings."


def _effect(saved: dict[str, Any], name: str, null: float) -> int | None:
    """1 or -1 if a measure lies above or below no effect, 0 if that cannot be told, None without a test."""
    p = saved["p"] if saved["p_holm"] is None else saved["p_holm"]
    if p is None or saved[name] is None:
        return None
    return 0 if p >= LEVEL else 1 if saved[name] > null else -1


def story(run: FinishedRun, lines: Iterable[Measure]) -> list[str]:
    """Return what happened in the run, in a few sentences with the numbers of the table."""
    by_key = {line.key: line for line in lines}
    phases, sentences = run.summary["phases"], []
    trials = {phase: grouped(entry["trials"]) for phase, entry in phases.items()}
    if set(PHASES) <= set(trials):
        b = run.summary.get("b")
        field = "a force field" if b is None else f"a curl field of {b:g} N per m/s"
        sentences.append(
            f"{run.learner} made {trials['NF1']} reaches without a field (NF1, baseline), {trials['FF1']} in "
            f"{field} that pushes the hand (FF1), {trials['NF2']} without it (NF2, washout), and "
            f"{trials['FF2']} in the field once more (FF2).{_protocol(run)}"
        )
    if initial := by_key.get("savings.initial.difference"):
        sentences.append(_first_reaches(by_key, initial))
    ratio = by_key.get("savings.rate.ratio")
    if ratio and ratio.quantity.value is not None:
        sentences.append(f"The second time the error fell {ratio.value} times as fast{_support(ratio)}.")
    if effect := by_key.get("after_effect.mean"):
        first = by_key.get("phases.FF1.initial_deviation")
        strayed, pushed = (0.0 if line is None else line.quantity.value or 0.0 for line in (effect, first))
        side = "other" if strayed * pushed < 0.0 else "same"
        size = mirrored(effect) if strayed < 0.0 else effect
        sentences.append(
            f"When the field was taken away, the hand strayed {size.value} to the {side} side"
            f"{_support(size)}."
        )
    if force := by_key.get("adaptation.FF1"):
        sentences.append(f"At the end of FF1, {force.value} of the field's force was compensated.")
    return sentences


def _first_reaches(by_key: dict[str, Measure], initial: Measure) -> str:
    """How far the first reaches in the field strayed, the first and the second time."""
    starts = [by_key[f"phases.{phase}.initial_deviation"] for phase in ("FF1", "FF2")]
    values = [line.quantity.value or 0.0 for line in starts]
    if min(values) * max(values) > 0.0:  # on one side
        values = [abs(value) for value in values]
    first, second = (line.shown(value) for line, value in zip(starts, values, strict=True))
    saved = initial.quantity.value or 0.0
    change = "less" if saved >= 0.0 else "more"
    return (
        f"In the first reaches in the field the hand strayed {first} from the straight line, and {second} "
        f"when the field came back: {initial.shown(abs(saved))} {change}{_support(initial)}."
    )


def mirrored(line: Measure) -> Measure:
    """Return a measure with the other sign."""
    low, high = (None if end is None else -end for end in reversed(line.quantity.ci))
    value = None if line.quantity.value is None else -line.quantity.value
    return dataclasses.replace(line, quantity=dataclasses.replace(line.quantity, value=value, ci=(low, high)))


def _protocol(run: FinishedRun) -> str:
    """What the networks were told, or that the run is a control."""
    if run.standard:
        return " Nothing told them which field was on."
    if run.arguments is not None:
        return " This run is a control, in which a phase differs from that: its settings say how."
    return ""


def _support(line: Measure) -> str:
    """Interval and p of a measure, in brackets."""
    parts = []
    if line.interval != MISSING:
        parts.append(f"95 % interval {line.interval}")
    p = corrected(line.quantity)
    if p is not None:
        parts.append(f"p {'' if p < SMALLEST_P else '= '}{p_words(p)}")
        if p >= LEVEL:
            parts.append("no measurable effect")
    return f" ({'; '.join(parts)})" if parts else ""


def tiles(lines: Iterable[Measure]) -> list[Measure]:
    """Return the few measures that a reader wants first, those that the run has."""
    by_key = {line.key: line for line in lines}
    return [by_key[key] for key in TILES if key in by_key and by_key[key].quantity.value is not None]
