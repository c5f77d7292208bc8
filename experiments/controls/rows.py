"""What a control found: its numbers, networks paired with the same ones in other conditions."""

from __future__ import annotations

import dataclasses
import logging
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from experiments.controls.conditions import MAIN, Condition
from experiments.runs.folder import RunFolder
from experiments.savings.config import command
from experiments.stored.activity import activity_of_run
from experiments.stored.preparation import Preparation, preparation
from savings_gym.activity.preparatory import common_share, retained_fraction, uniform_shift
from savings_gym.arrays import Floats
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import final_deviation, jsonable, savings
from savings_gym.metrics.statistics import Sampling, estimate

log = logging.getLogger(__name__)
Row = dict[str, Any]
SPREAD: Final = 50  # probes at the end of NF1 whose spread a network's residual is compared with


class ControlRows:
    """Rows of the table of controls.

    Args:
        done: complete conditions by name, the main run among them.
        seed: of bootstrap and permutations.
    """

    def __init__(self, done: dict[str, Condition], seed: int = 0) -> None:
        """Keeps probes and activity that were read."""
        self.done, self.seed, self.sampling = done, seed, Sampling(seed)
        self.table = cache(self._table)
        self.preparation = cache(self._preparation)

    def row(self, name: str) -> Row:
        """Everything about one condition, JSON-able; lengths in metres, rates per trial."""
        condition, table = self.done[name], self.table(name)
        summary = RunFolder.read_summary(condition.config.out)
        curves = phase_curves(table)
        start = {phase: estimate(curves[phase].deviation[:, 0], self.sampling) for phase in ("FF1", "FF2")}
        phases = condition.config.phases()
        within = phases[1].field == phases[3].field
        naive, sham = condition.naive, condition.sham
        found = {
            "name": name, "control": condition.control, "tests": condition.tests, "sham": sham,
            "networks": summary["networks"],
            "updates": [phase.updates for phase in phases],
            "ff1_start": dataclasses.asdict(start["FF1"]), "ff2_start": dataclasses.asdict(start["FF2"]),
            "ff1_end": dataclasses.asdict(estimate(final_deviation(curves["FF1"]), self.sampling)),
            "within": self.compare((name, "FF1"), (name, "FF2")) if within else None,
            "first": self.compare((naive, "FF1"), (name, "FF2")) if naive in self.done else None,
            "practice": self.compare((sham, "FF2"), (name, "FF2")) if sham in self.done else None,
            "versus_main": self.versus_main(name),
            "after_effect": summary["after_effect"], "washout_residual": summary["washout_residual"],
            "matched": self.matched(name), "by_target": self.by_target(name), "shift": self.shift(name),
            "wall_time_s": summary["wall_time_s"], "command": command(condition.config),
        }  # fmt: skip
        return dict(jsonable(found))

    def compare(
        self, first: tuple[str | None, str], second: tuple[str, str],
        networks: Floats | None = None, targets: tuple[int, ...] | None = None,
    ) -> Row | None:  # fmt: skip
        """Savings of the second (condition, phase) against the first, in the same networks.

        Args:
            first: where the field was met without what is tested.
            second: where it was met with it.
            networks: numbers of the networks; all that both have if None.
            targets: whose mean deviation is compared; all if None.

        Returns:
            ``initial`` and ``rate`` as in a summary; None without any network.
        """
        tables = [self.table(str(name)) for name, _ in (first, second)]
        both = np.intersect1d(*(table["network"].unique() for table in tables))
        kept = both if networks is None else np.intersect1d(both, networks)
        if not kept.size:
            return None
        parts = []
        for table, (_, phase), label in zip(tables, (first, second), ("FF1", "FF2"), strict=True):
            rows = (table["phase"] == phase) & table["network"].isin(kept)
            if targets is not None:
                rows &= table["target"].isin(targets)
            parts.append(table[rows].assign(phase=label))
        found = savings(pd.concat(parts, ignore_index=True), self.seed, partial=True).to_dict()["savings"]
        return {"initial": found["initial"], "rate": found["rate"]}

    def versus_main(self, name: str) -> Row | None:
        """Initial savings beyond practice, less those of the main run, paired over networks [m].

        None for the main run itself, without a sham of both, and for networks with other weights at first.
        """
        if name == MAIN or self._weights(name) != self._weights(MAIN):
            return None
        ours, theirs = self._beyond_practice(name), self._beyond_practice(MAIN)
        if ours is None or theirs is None:
            return None
        n = min(len(ours), len(theirs))
        return dataclasses.asdict(estimate(ours[:n] - theirs[:n], self.sampling))

    def _beyond_practice(self, name: str) -> Floats | None:
        """(n,) how much nearer FF2 begins than in the sham, m; positive is savings."""
        sham = self.done[name].sham
        if sham not in self.done:
            return None
        without, ours = (phase_curves(self.table(run))["FF2"].deviation[:, 0] for run in (str(sham), name))
        saved: Floats = (without - ours) * np.sign(without.mean())
        return saved

    def matched(self, name: str) -> Row | None:
        """Savings of networks that came back to their baseline, against the first encounter and practice.

        Those whose residual, NF2 - NF1, is no larger than the standard deviation of their own deviation over
        the last probes of NF1.
        """
        curves, naive = phase_curves(self.table(name)), self.done[name].naive
        if naive not in self.done:
            return None
        residual = final_deviation(curves["NF2"]) - final_deviation(curves["NF1"])
        spread = curves["NF1"].deviation[:, -SPREAD:].std(axis=-1)
        back = curves["NF1"].networks[np.abs(residual) <= spread]
        found = self.compare((naive, "FF1"), (name, "FF2"), back)
        sham = self.done[name].sham
        practice = self.compare((sham, "FF2"), (name, "FF2"), back) if sham in self.done else None
        about = {"networks": int(back.size), "spread": float(spread.mean()), "practice": practice}
        return about | (found or {})

    def by_target(self, name: str) -> Row | None:
        """Savings on the targets that FF1 trained and on the others; None where it trained all."""
        condition = self.done[name]
        trained = condition.config.change.ff1_targets
        others = tuple(sorted(set(range(8)) - set(trained)))
        if not others or condition.sham not in self.done or condition.naive not in self.done:
            return None
        found: Row = {"trained": list(trained)}
        for label, targets in (("on_trained", trained), ("on_others", others)):
            first = self.compare((condition.naive, "FF1"), (name, "FF2"), targets=targets)
            practice = self.compare((condition.sham, "FF2"), (name, "FF2"), targets=targets)
            found[label] = {"first": first, "practice": practice}
        return found

    def shift(self, name: str) -> Row | None:
        """What happened to preparatory activity; None where the analysis refuses it.

        ``retained``: share of the condition's own shift that is left in NF2. ``common``: share of its change
        from NF1 to FF1 that all targets have in common. ``length``: of its own shift, over the main run's.
        ``ff1_on_main``, ``nf2_on_main``: change from its own NF1 along the main run's shift, in whose unit
        the main run's FF1 is 1. ``beyond_sham``: the last, less that of its sham. Networks that began with
        other weights than the main run's have the first two only; with a cue, only what concerns NF2 is told.
        """
        found, main = self.preparation(name), self.preparation(MAIN)
        if found is None or main is None:
            return None
        n, sham = min(found.networks, main.networks), self.done[name].sham
        cue = self.done[name].config.change.cue  # in FF1 it is part of the activity, and none of the learning
        values = {}
        if not cue:
            values = {
                "retained": retained_fraction(found.activity, found.shift)[:n],
                "common": common_share(found.activity)[:n],
            }
        same = self._weights(name) == self._weights(MAIN)
        if same:
            values["nf2_on_main"] = self._on_main(name, "NF2", n)
        if same and not cue:
            values |= {
                "length": found.shift.length[:n] / main.shift.length[:n],
                "ff1_on_main": self._on_main(name, "FF1", n),
            }
        if same and sham in self.done and self.preparation(sham) is not None:
            values["beyond_sham"] = values["nf2_on_main"] - self._on_main(str(sham), "NF2", n)
        trained = self.done[name].config.change.ff1_targets
        if len(trained) < 8:
            values["others_on_trained"] = _others_on_trained(found, trained)[:n]
        return {key: dataclasses.asdict(estimate(value, self.sampling)) for key, value in values.items()}

    def _weights(self, name: str) -> Path | None:
        """Where the networks of a condition come from; None where they were pre-trained in its run."""
        return self.done[name].config.pretrained

    def _on_main(self, name: str, phase: str, n: int) -> Floats:
        """(n,) change of mean preparatory activity from NF1 along the main run's shift."""
        found, main = self.preparation(name), self.preparation(MAIN)
        assert found is not None and main is not None
        change = (found.activity[phase].mean(axis=1) - found.activity["NF1"].mean(axis=1))[:n]
        along: Floats = np.sum(change * main.shift.vector[:n], axis=-1) / main.shift.scale[:n]
        return along

    def _table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.done[name].config.out / "probes.parquet")

    def _preparation(self, name: str) -> Preparation | None:
        run: Path = self.done[name].config.out
        try:
            return preparation(activity_of_run(run))
        except ValueError as error:
            log.warning("%s: no shift, %s", name, error)
            return None


def _others_on_trained(found: Preparation, trained: tuple[int, ...]) -> Floats:
    """(n,) change before untrained targets along the shift of the trained ones, whose own change is 1."""
    chosen = {phase: x[:, list(trained)] for phase, x in found.activity.items()}
    shift = uniform_shift(chosen, found.axes)
    others = [k for k in range(found.force.shape[1]) if k not in trained]
    change = (found.activity["FF1"] - found.activity["NF1"])[:, others].mean(axis=1)
    along: Floats = np.sum(change * shift.vector, axis=-1) / shift.scale
    return along
