"""The summary of a run in plain words: every measure beside the study's, and what they come to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from experiments import study
from experiments.report.finished import FinishedRun
from experiments.runs.tables import MISSING, NO_INTERVAL, format_interval, format_value
from experiments.study import LEVEL, REFERENCE, SIZES, VERDICTS, Quantity
from savings_gym.arrays import MM
from savings_gym.metrics.statistics import mean_interval

TILES: Final = (
    "savings.initial.difference", "savings.rate.ratio", "after_effect.mean", "adaptation.FF1", "shift.NF2",
)  # fmt: skip
PERCENT: Final = 100.0
SMALLEST_P: Final = 1e-4  # smaller ones are written as below it
UNITS: Final = {"per 5 batches": f"per {study.RATE_WINDOW} trials"}  # of the study, and in words
PLURAL: Final = {"agrees": "agree", "undecided": "are undecided", "differs": "differ"}


@dataclass(frozen=True)
class Measure:
    """One line of the table of measures.

    Attributes:
        key: Where the value stands in summary.json, such as ``savings.initial.difference``.
        label: Its name.
        meaning: What it says, for readers from outside the field.
        quantity: The value, with its interval and tests.
        verdict: How it compares with the study's, see `study.verdict`; empty if it is not compared.
        reason: Beside the verdict.
        percent: Whether a pure number is shown as a percentage.
    """

    key: str
    label: str
    meaning: str
    quantity: Quantity
    verdict: str = ""
    reason: str = ""
    percent: bool = False

    @property
    def scale(self) -> float:
        """From the quantity to what is shown."""
        return PERCENT if self.percent else 1.0

    @property
    def unit(self) -> str:
        """Unit of what is shown."""
        return "%" if self.percent else UNITS.get(self.quantity.unit, self.quantity.unit)

    def shown(self, value: float | None) -> str:
        """Return a value with its unit, as text."""
        return minus(format_value(None if value is None else self.scale * value, unit=self.unit))

    @property
    def value(self) -> str:
        """The value as text."""
        return self.shown(self.quantity.value)

    @property
    def interval(self) -> str:
        """The interval as text."""
        ends = [None if end is None else self.scale * end for end in self.quantity.ci]
        return minus(format_interval(ends))

    @property
    def p(self) -> str:
        """The p value as text, corrected if it was."""
        return p_words(corrected(self.quantity))

    @property
    def study(self) -> str:
        """The study's value as text."""
        return self.shown(REFERENCE[self.quantity.name].value) if self.verdict else MISSING


def measures(run: FinishedRun) -> list[Measure]:
    """Return every measure of a summary, in the order of the phases, compared with the study if it can be."""
    summary = run.summary
    lines = [*_deviations(summary), *_savings(summary), *_washout(summary), *_channel(summary)]
    return [_compared(line, run) for line in lines]


def _compared(line: Measure, run: FinishedRun) -> Measure:
    """A measure with its verdict, if the study has the number for such a run."""
    name = line.quantity.name
    of_size = name in {
        study.fraction(measure, size) for measure in ("rate", "initial deviation") for size in SIZES
    }
    if name not in REFERENCE or not (run.follows_study or (of_size and run.arguments is not None)):
        return line
    verdict, reason = study.verdict(REFERENCE[name], line.quantity)
    return Measure(line.key, line.label, line.meaning, line.quantity, verdict, reason, line.percent)


def _deviations(summary: dict[str, Any]) -> list[Measure]:
    lines = []
    for phase, name in (("FF1", study.INITIAL_FF1), ("FF2", study.INITIAL_FF2)):
        if entry := summary["phases"].get(phase):
            when = "the first time" if phase == "FF1" else "again, after the washout"
            lines.append(
                Measure(
                    f"phases.{phase}.initial_deviation",
                    f"Deviation at the start of {phase}",
                    f"how far the field pushes the hand off the straight line {when}",
                    _mm(name, entry["initial_deviation"], entry["initial_ci"], summary["networks"]),
                )
            )
    return lines


def _savings(summary: dict[str, Any]) -> list[Measure]:
    """Savings of the initial deviation and of the learning rate."""
    initial, rate = summary["savings"]["initial"], summary["savings"]["rate"]
    n, units, lines = summary["networks"], summary.get("units", 0), []
    if initial:
        p, holm = initial["p"], initial["p_holm"]
        saved = _mm(study.INITIAL_SAVINGS, initial["difference"], initial["ci"], n, p, holm)
        lines += [
            Measure(
                "savings.initial.difference", "Initial savings, FF1 − FF2",
                "how much less the field pushes the second time", saved,
            ),
            *_fractions("initial", initial, "initial deviation", units, "with initial savings"),
        ]  # fmt: skip
    if rate:
        unit = "per 5 batches"
        for phase, name in (("FF1", study.RATE_FF1), ("FF2", study.RATE_FF2)):
            value = None if rate[phase.lower()] is None else study.RATE_WINDOW * rate[phase.lower()]
            lines.append(
                Measure(
                    f"savings.rate.{phase.lower()}", f"Learning rate in {phase}",
                    "share of the error that 40 trials remove, from an exponential fit",
                    Quantity(name, value, NO_INTERVAL, rate["networks"], unit),
                )
            )  # fmt: skip
        ratio = Quantity(
            study.RATE_RATIO, rate["ratio"], tuple(rate["ci"]), rate["networks"], "1", rate["p"],
            p_holm=rate["p_holm"],
        )  # fmt: skip
        lines += [
            Measure(
                "savings.rate.ratio", "Rate savings, FF2 / FF1",
                "how many times as fast the error falls the second time", ratio,
            ),
            *_fractions("rate", rate, "rate", units, "with rate savings"),
        ]  # fmt: skip
    return lines


def _fractions(
    section: str, saved: dict[str, Any], measure: str, units: int, words: str
) -> list[Measure]:
    """Shares of networks, and of pairs of networks, with savings."""
    own = Quantity(
        f"paired fraction, {measure}", saved["paired_fraction"], tuple(saved["paired_ci"]), saved["networks"],
        "1",
    )  # fmt: skip
    pairs = Quantity(
        study.fraction(measure, units), saved["all_pairs_fraction"], tuple(saved["all_pairs_ci"]),
        saved["networks"], "1",
    )  # fmt: skip
    return [
        Measure(f"savings.{section}.paired_fraction", f"Networks {words}", "each against itself", own, percent=True),
        Measure(
            f"savings.{section}.all_pairs_fraction", f"Pairs {words}",
            "FF2 of one network against FF1 of another, as the study counts", pairs, percent=True,
        ),
    ]  # fmt: skip


def _washout(summary: dict[str, Any]) -> list[Measure]:
    lines, n = [], summary["networks"]
    if effect := summary["after_effect"]:
        lines.append(
            Measure(
                "after_effect.mean", "After-effect, start of NF2",
                "deviation to the other side once the field is gone: it was compensated, not resisted",
                _mm(study.AFTER_EFFECT, effect["mean"], effect["ci"], n, effect["p"]),
            )
        )  # fmt: skip
    if residual := summary["washout_residual"]:
        low, high = residual["ci"]
        lines.append(
            Measure(
                "washout_residual.mean", "Residual after washout, NF1 − NF2",
                "what is left of the after-effect at the end of NF2",
                _mm(study.RESIDUAL, residual["mean"], (high, low), n, residual["p"], scale=-MM),
            )
        )  # fmt: skip
    return lines


def _channel(summary: dict[str, Any]) -> list[Measure]:
    lines = []
    for phase, value in summary.get("adaptation", {}).items():
        values = summary.get("adaptation_networks", {}).get(phase, [])
        ends = NO_INTERVAL if None in values or len(values) < 2 else mean_interval(values)
        entry = Quantity(f"channel force, {phase}", value, ends, summary["networks"], "1")
        meaning = "" if lines else "share of the field's force that is compensated when stiff walls guide the hand"
        lines.append(
            Measure(f"adaptation.{phase}", f"Channel force, end of {phase}", meaning, entry, percent=True)
        )
    return lines


def _mm(
    name: str, value: float, ci: Any, networks: int, p: float | None = None, p_holm: float | None = None,
    scale: float = MM,
) -> Quantity:  # fmt: skip
    """A quantity in mm, from metres."""
    low, high = (None if end is None else scale * end for end in ci)
    return Quantity(name, scale * value, (low, high), networks, "mm", p, p_holm=p_holm)


def corrected(entry: Quantity) -> float | None:
    """Return the p value that claims rest on: the corrected one, if there is one."""
    return entry.p if entry.p_holm is None else entry.p_holm


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
            f"{who} show savings: back in the field they err less from the start. That they also learn faster "
            "is not shown."
        )
    if rate:
        return f"{who} show savings: back in the field they learn faster. That they err less at first is not shown."
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
    trials = {phase: f"{entry['trials']:,}" for phase, entry in phases.items()}
    b = run.summary.get("b")
    field = "a force field" if b is None else f"a curl field of {b:g} N per m/s, which pushes the hand sideways"
    if set(trials) >= {"NF1", "FF1", "NF2", "FF2"}:
        sentences.append(
            f"{run.learner} made {trials['NF1']} reaches without a field (NF1, baseline), {trials['FF1']} in "
            f"{field} (FF1), {trials['NF2']} without it (NF2, washout), and {trials['FF2']} in the field once "
            "more (FF2). Nothing told them which field was on."
        )
    if initial := by_key.get("savings.initial.difference"):
        sentences.append(_first_reaches(by_key, initial))
    ratio = by_key.get("savings.rate.ratio")
    if ratio and ratio.quantity.value is not None:
        sentences.append(f"The second time the error fell {ratio.value} times as fast{_support(ratio)}.")
    if effect := by_key.get("after_effect.mean"):
        first = by_key.get("phases.FF1.initial_deviation")
        opposite = first is not None and first.quantity.value * effect.quantity.value < 0.0  # type: ignore[operator]
        distance = effect.shown(abs(effect.quantity.value or 0.0))
        side = "the other side" if opposite else "the same side"
        sentences.append(
            f"When the field was taken away, the hand strayed {distance} to {side}{_support(effect)}."
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
    return (
        f"In the first reaches in the field the hand strayed {first} from the straight line, and {second} when "
        f"the field came back: {initial.shown(abs(saved))} {'less' if saved >= 0.0 else 'more'}{_support(initial)}."
    )


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


def tally(lines: Iterable[Measure]) -> str:
    """Return how many measures agree with the study's, in words; empty if none is compared."""
    counts = Counter(line.verdict for line in lines if line.verdict)
    parts = [f"{counts[word]} {word if counts[word] == 1 else PLURAL.get(word, word)}" for word in VERDICTS if counts[word]]
    return ", ".join(parts).replace("1 undecided", "1 is undecided")


def p_words(p: float | None) -> str:
    """Return a p value as text."""
    if p is None:
        return MISSING
    return "< 0.0001" if p < SMALLEST_P else f"{p:.2g}"


def minus(text: str) -> str:
    """Return text with proper minus signs before numbers."""
    return re.sub(r"(?<![\w])-(?=\d)", "−", text)
