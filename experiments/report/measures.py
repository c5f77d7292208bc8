"""The measures of a run as the page shows them: meaning, value, interval, and the study's value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from experiments import study
from experiments.report.finished import FinishedRun
from experiments.runs.networks import of_kept_networks
from experiments.runs.tables import MISSING, NO_INTERVAL, format_interval, format_value
from experiments.study import REFERENCE, SIZES, Quantity
from savings_gym.arrays import MM, PERCENT
from savings_gym.metrics.statistics import mean_interval

SMALLEST_P: Final = 1e-4  # smaller ones are written as below it
RATE: Final = f"share of the error that {study.RATE_WINDOW} trials remove, from an exponential fit"
CHANNEL: Final = "share of the field's force that is compensated when stiff walls guide the hand"
UNITS: Final = {"per 5 batches": f"per {study.RATE_WINDOW} trials"}  # of the study, and in words


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
                    RATE if phase == "FF1" else "",
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


def _fractions(section: str, saved: dict[str, Any], measure: str, units: int, words: str) -> list[Measure]:
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
        Measure(
            f"savings.{section}.paired_fraction", f"Networks {words}", "each against itself", own,
            percent=True,
        ),
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
    lines: list[Measure] = []
    for phase, value in summary.get("adaptation", {}).items():
        values = of_kept_networks(summary, summary.get("adaptation_networks", {}).get(phase, []))
        ends = NO_INTERVAL if None in values or len(values) < 2 else mean_interval(values)
        entry = Quantity(f"channel force, {phase}", value, ends, summary["networks"], "1")
        meaning = "" if lines else CHANNEL
        label = f"Channel force, end of {phase}"
        lines.append(Measure(f"adaptation.{phase}", label, meaning, entry, percent=True))
    return lines


def _mm(
    name: str, value: float, ci: Any, networks: int, p: float | None = None, p_holm: float | None = None,
    scale: float = MM,
) -> Quantity:  # fmt: skip
    """A quantity in mm, from metres."""
    low, high = (None if end is None else scale * end for end in ci)
    return Quantity(name, scale * value, (low, high), networks, "mm", p, p_holm=p_holm)


def p_words(p: float | None) -> str:
    """Return a p value as text."""
    if p is None:
        return MISSING
    return "< 0.0001" if p < SMALLEST_P else f"{p:.2g}"


def minus(text: str) -> str:
    """Return text with proper minus signs before numbers."""
    return re.sub(r"(?<![\w])-(?=\d)", "−", text)


def corrected(entry: Quantity) -> float | None:
    """Return the p value that claims rest on: the corrected one, if there is one."""
    return entry.p if entry.p_holm is None else entry.p_holm
