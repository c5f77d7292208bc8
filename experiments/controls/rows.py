"""Comparisons of a control: its networks paired with the same networks in other conditions."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from experiments.controls.conditions import MAIN, Condition
from experiments.runs.folder import RunFolder
from experiments.runs.networks import kept_networks
from experiments.savings.config import command
from experiments.stored.activity import activity_of_run
from experiments.stored.preparation import Preparation, preparation
from experiments.stored.resistance import resistance
from savings_gym.activity.preparatory import common_share, retained_fraction, uniform_shift
from savings_gym.arrays import Floats, Indices
from savings_gym.files import PROBES, jsonable, read_table
from savings_gym.metrics.curves import PhaseCurves, phase_curves, shared_networks
from savings_gym.metrics.savings import field_side, final_deviation, savings
from savings_gym.metrics.statistics import Sampling, estimate
from savings_gym.perturbations.fields import CurlField, Field
from savings_gym.perturbations.modified import Scaled
from savings_gym.perturbations.visual import VisuomotorRotation
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
Row = dict[str, Any]
Phase = tuple[str, str]  # of a condition, and the phase's name
Values = tuple[Indices, Floats]  # numbers of networks, and a value of each
SPREAD: Final = 50  # probes at the end of NF1 whose spread a network's residual is compared with


class ControlRows:
    """Rows of the table of controls.

    Args:
        done: Complete conditions by name, the main run among them.
        seed: Seed of resampling tests.
    """

    def __init__(self, done: dict[str, Condition], seed: int = 0) -> None:
        """Cache probes and activity once they are read."""
        self.done, self.seed, self.sampling = done, seed, Sampling(seed)
        self.table = cache(self._table)
        self.preparation = cache(self._preparation)
        self._resistance = cache(self._measure_resistance)

    def row(self, name: str) -> Row:
        """Return everything about one condition, JSON-able; lengths in metres, rates per trial."""
        condition, table = self.done[name], self.table(name)
        summary = RunFolder.read_summary(condition.config.out)
        curves = phase_curves(table)
        start = {phase: estimate(curves[phase].deviation[:, 0], self.sampling) for phase in ("FF1", "FF2")}
        phases = condition.config.phases()
        first, second = phases[1].field, phases[3].field
        naive, sham = condition.naive, condition.sham
        row = {
            "name": name, "control": condition.control, "tests": condition.tests, "sham": sham,
            "networks": summary["networks"],
            "updates": [phase.updates for phase in phases],
            "ff1_start": dataclasses.asdict(start["FF1"]), "ff2_start": dataclasses.asdict(start["FF2"]),
            "ff1_end": dataclasses.asdict(estimate(final_deviation(curves["FF1"]), self.sampling)),
            "within": self.compare((name, "FF1"), (name, "FF2")) if first == second else None,
            "mirrored": (
                self.compare((name, "FF1"), (name, "FF2"), mirror=True) if opposite(first, second) else None
            ),
            "first": self.compare((naive, "FF1"), (name, "FF2")) if naive in self.done else None,
            "practice": (
                self.compare((sham, "FF2"), (name, "FF2")) if sham is not None and sham in self.done else None
            ),
            "versus_main": self.versus_main(name),
            "after_effect": dataclasses.asdict(estimate(curves["NF2"].deviation[:, 0], self.sampling)),
            "washout_residual": dataclasses.asdict(estimate(residual(curves), self.sampling)),
            "matched": self.matched(name), "by_target": self.by_target(name), "shift": self.shift(name),
            "resistance": self.resistance(name),
            "wall_time_s": summary["wall_time_s"], "command": command(condition.config),
        }  # fmt: skip
        return dict(jsonable(row))

    def compare(
        self, first: Phase, second: Phase, networks: Floats | None = None,
        targets: tuple[int, ...] | None = None, mirror: bool = False,
    ) -> Row | None:  # fmt: skip
        """Return savings of the second phase against the first, in the same networks.

        Args:
            first: Condition and phase in which the field was met without what is tested.
            second: Condition and phase in which it was met with it.
            networks: Numbers of the networks; all that both have if None.
            targets: Targets whose mean deviation is compared; all if None.
            mirror: Change the sign of the second deviation, for a field that pushes to the other side.

        Returns:
            ``initial`` and ``rate`` as in a summary, without ``p_holm``; None if no network is left.
        """
        tables = [self.table(name) for name, _ in (first, second)]
        shared = np.intersect1d(*(table["network"].unique() for table in tables))
        kept = shared if networks is None else np.intersect1d(shared, networks)
        if not kept.size:
            return None
        parts = []
        for table, (_, phase), label in zip(tables, (first, second), ("FF1", "FF2"), strict=True):
            rows = (table["phase"] == phase) & table["network"].isin(kept)
            if targets is not None:
                rows &= table["target"].isin(targets)
            parts.append(table[rows].assign(phase=label))
        if mirror:
            parts[1]["lateral_deviation"] = -parts[1]["lateral_deviation"]
        summary = savings(pd.concat(parts, ignore_index=True), self.seed, partial=True).to_dict()["savings"]
        return {  # p values are corrected over the whole table, see `experiments.controls.meaning`
            measure: {key: value for key, value in summary[measure].items() if key != "p_holm"}
            for measure in ("initial", "rate")
        }

    def versus_main(self, name: str) -> Row | None:
        """Return initial savings beyond practice, less those of the main run, paired over networks [m].

        None for the main run itself, without a sham of both, for networks that began with other weights, and
        for another field in FF2, since savings in two fields cannot be compared.
        """
        fields = [self.done[condition].config.phases()[3].field for condition in (name, MAIN)]
        if name == MAIN or fields[0] != fields[1] or self._weights(name) != self._weights(MAIN):
            return None
        saved = [self._beyond_practice(condition) for condition in (name, MAIN)]
        if saved[0] is None or saved[1] is None:
            return None
        return dataclasses.asdict(estimate(_less(saved[0], saved[1])[1], self.sampling))

    def _beyond_practice(self, name: str) -> Values | None:
        """How much closer to the line FF2 begins than in the sham [m], see `saved_beyond`."""
        sham = self.done[name].sham
        if sham is None or sham not in self.done:
            return None
        return saved_beyond(*(phase_curves(self.table(run))["FF2"] for run in (name, sham)))

    def matched(self, name: str) -> Row | None:
        """Return savings of the networks that returned to baseline, against first encounter and practice.

        Their residual, NF2 - NF1, does not exceed the standard deviation of their own deviation over the
        last probes of NF1.
        """
        curves, naive = phase_curves(self.table(name)), self.done[name].naive
        if naive not in self.done:
            return None
        spread = curves["NF1"].deviation[:, -SPREAD:].std(axis=-1)
        back = curves["NF1"].networks[np.abs(residual(curves)) <= spread]
        first = self.compare((naive, "FF1"), (name, "FF2"), back) or {}
        sham = self.done[name].sham
        practice = (
            self.compare((sham, "FF2"), (name, "FF2"), back)
            if sham is not None and sham in self.done
            else None
        )
        return {"networks": int(back.size), "spread": float(spread.mean()), "practice": practice, **first}

    def by_target(self, name: str) -> Row | None:
        """Return savings on the targets that FF1 trained and on the others; None if it trained all."""
        condition = self.done[name]
        trained, sham = condition.config.change.ff1_targets, condition.sham
        others = tuple(sorted(set(range(N_TARGETS)) - set(trained)))
        if not others or sham is None or sham not in self.done or condition.naive not in self.done:
            return None
        row: Row = {"trained": list(trained)}
        for label, targets in (("on_trained", trained), ("on_others", others)):
            first = self.compare((condition.naive, "FF1"), (name, "FF2"), targets=targets)
            practice = self.compare((sham, "FF2"), (name, "FF2"), targets=targets)
            row[label] = {"first": first, "practice": practice}
        return row

    def shift(self, name: str) -> Row | None:
        """Return what happened to preparatory activity; None if the analysis refuses it.

        ``retained``: share of the condition's own shift that is left in NF2. ``common``: share of its change
        from NF1 to FF1 that all targets have in common. ``length``: of its own shift, over the main run's.
        ``ff1_on_main``, ``nf2_on_main``: change from its own NF1 along the main run's shift, in whose unit
        the main run's FF1 is 1. ``beyond_sham``: the last, less that of its sham. Networks that began with
        other weights than the main run's have only the first two; with a cue, only the values of NF2 count.
        """
        prepared, main = self.preparation(name), self.preparation(MAIN)
        if prepared is None or main is None:
            return None
        sham = self.done[name].sham
        ours, theirs = shared_networks(prepared.numbers, main.numbers)
        cue = self.done[name].config.change.cue  # in FF1 it is part of the activity, not of the learning
        values = {}
        if not cue:
            values = {
                "retained": retained_fraction(prepared.activity, prepared.shift)[ours],
                "common": common_share(prepared.activity)[ours],
            }
        same = self._weights(name) == self._weights(MAIN)
        if same:
            in_nf2 = self._on_main(name, "NF2")
            values["nf2_on_main"] = in_nf2[1]
        if same and not cue:
            values |= {
                "length": prepared.shift.length[ours] / main.shift.length[theirs],
                "ff1_on_main": self._on_main(name, "FF1")[1],
            }
        if same and sham is not None and sham in self.done and self.preparation(sham) is not None:
            values["beyond_sham"] = _less(in_nf2, self._on_main(sham, "NF2"))[1]
        trained = self.done[name].config.change.ff1_targets
        if len(trained) < N_TARGETS:
            values["others_on_trained"] = _others_on_trained(prepared, trained)[ours]
        return {key: dataclasses.asdict(estimate(value, self.sampling)) for key, value in values.items()}

    def resistance(self, name: str) -> Row:
        """Return co-contraction and stiffness of the networks that meet FF2, those at the end of NF2.

        Returns:
            Kind to its estimate, and kind with ``", beyond sham"`` to its difference from the sham's; nothing
            if activity cannot be recorded.
        """
        values, sham = dict(self._resistance(name)), self.done[name].sham
        if sham is not None and sham in self.done:
            ours, theirs = (self._networks(condition) for condition in (name, sham))
            for kind, without in self._resistance(sham).items():
                if kind in values:
                    values[f"{kind}, beyond sham"] = _less((ours, values[kind]), (theirs, without))[1]
        return {kind: dataclasses.asdict(estimate(value, self.sampling)) for kind, value in values.items()}

    def _networks(self, name: str) -> Indices:
        """Numbers of the networks of a condition that did not diverge, (n,)."""
        config = self.done[name].config
        return np.array(kept_networks(config.out, config.networks))

    def _weights(self, name: str) -> Path | None:
        """Where the networks of a condition come from; None if they were pre-trained in its run."""
        return self.done[name].config.pretrained

    def _on_main(self, name: str, phase: str) -> Values:
        """Change of mean preparatory activity from NF1 along the main run's shift."""
        prepared, main = self.preparation(name), self.preparation(MAIN)
        assert prepared is not None and main is not None
        ours, theirs = shared_networks(prepared.numbers, main.numbers)
        change = (prepared.activity[phase].mean(axis=1) - prepared.activity["NF1"].mean(axis=1))[ours]
        along: Floats = np.sum(change * main.shift.vector[theirs], axis=-1) / main.shift.scale[theirs]
        return prepared.numbers[ours], along

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(self.done[name].config.out / PROBES)

    def _measure_resistance(self, name: str) -> dict[str, Floats]:
        try:
            return resistance(self.done[name].config.out, "NF2")
        except (FileNotFoundError, ValueError) as error:
            log.warning("%s: no stiffness, %s", name, error)
            return {}

    def _preparation(self, name: str) -> Preparation | None:
        run: Path = self.done[name].config.out
        try:
            return preparation(activity_of_run(run))
        except ValueError as error:
            log.warning("%s: no shift, %s", name, error)
            return None


def saved_beyond(run: PhaseCurves, sham: PhaseCurves) -> Values:
    """Return how much closer to the line a run begins FF2 than its sham, network by network.

    Args:
        run: Its curves of FF2.
        sham: Those of the sham.

    Returns:
        Numbers of the networks that both have, (n,), and (n,) differences [m]; positive is savings.
    """
    without, ours = ((each.networks, each.deviation[:, 0]) for each in (sham, run))
    networks, nearer = _less(without, ours)
    return networks, field_side(without[1]) * nearer


def _less(first: Values, second: Values) -> Values:
    """The first values less the second ones, of the networks that have both."""
    ours, theirs = shared_networks(first[0], second[0])
    return first[0][ours], first[1][ours] - second[1][theirs]


def residual(curves: Mapping[str, PhaseCurves]) -> Floats:
    """Return how far NF2 ends from NF1, (n,) [m]."""
    return final_deviation(curves["NF2"]) - final_deviation(curves["NF1"])


def opposite(first: Field, second: Field) -> bool:
    """Return whether two fields are one perturbation with opposite signs."""
    if isinstance(first, CurlField):
        return second == dataclasses.replace(first, b=-first.b)
    if isinstance(first, VisuomotorRotation):
        return second == dataclasses.replace(first, angle_deg=-first.angle_deg)
    return not first.is_null and second == Scaled(first, -1.0)


def _others_on_trained(prepared: Preparation, trained: tuple[int, ...]) -> Floats:
    """(n,) change before untrained targets along the shift of the trained ones, whose own change is 1."""
    of_trained = {phase: x[:, list(trained)] for phase, x in prepared.activity.items()}
    shift = uniform_shift(of_trained, prepared.axes)
    others = [k for k in range(prepared.force.shape[1]) if k not in trained]
    change = (prepared.activity["FF1"] - prepared.activity["NF1"])[:, others].mean(axis=1)
    along: Floats = np.sum(change * shift.vector, axis=-1) / shift.scale
    return along
