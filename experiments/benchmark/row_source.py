"""Folders with probe tables from which a row of the benchmark is made, and what they know about the agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.benchmark.agents import AGENTS
from experiments.benchmark.protocol import RECORD, exploration_of
from experiments.benchmark.row_file import FIXED_KIND, LEARNER, PRETRAINED, About
from experiments.benchmark.values import Finished
from savings_gym.files import CONFIG, PROBES, SUMMARY, read_config, read_table, verified

OWN_CODE: Final = "experiments/benchmark/agents.py"
KIND_OF: Final = {"SupervisedAgent": PRETRAINED, "FixedAgent": FIXED_KIND}  # by class of the declaration


@dataclass(frozen=True)
class TableFolder:
    """A folder with probes.parquet and summary.json: of a job, `SavingsCallback`, or `ProbeRecorder.save`.

    Attributes:
        out: The folder.

    Raises:
        FileNotFoundError, ValueError: If a table is missing or was changed, or the run is not complete.
    """

    out: Path

    def __post_init__(self) -> None:
        """Check that the run is complete."""
        if not self.summary.get("complete", True):
            raise ValueError(f"{self.out} holds a run that is not complete")

    @cached_property
    def networks(self) -> list[int]:
        """Numbers of the networks in the probe table, in order."""
        return sorted(int(n) for n in read_table(self.out / PROBES, ["network"])["network"].unique())

    @property
    def seed(self) -> int:
        """Number of the first network."""
        return self.networks[0]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of summary.json."""
        return _json(self.out / SUMMARY)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Arguments in config.json; empty without one."""
        return read_config(self.out) if (self.out / CONFIG).is_file() else {}

    @cached_property
    def record(self) -> dict[str, Any] | None:
        """Content of job.json; without one, how the first phase ended, if the summary says so."""
        if (self.out / RECORD).is_file():
            return _json(self.out / RECORD)
        first = self.summary.get("first_phase")
        if not first:
            return None
        end = {
            "trials": first["trials"],
            "criterion_met": first["met"],
            "criterion_probes": first.get("probes"),
        }
        return {"nf1": end}

    @property
    def is_sham(self) -> bool:
        """Whether FF1 had no field: by the configuration, or else by a name that begins with "sham"."""
        if "protocol" in self.config:
            return bool(self.config["protocol"].get("sham", False))
        if "schedule" in self.config:
            fields = {phase["name"]: phase["field"]["kind"] for phase in self.config["schedule"]["phases"]}
            return bool(fields.get("FF1") == "null")
        if "change" in self.config:
            return self.config["change"].get("ff1_b") == 0.0
        return self.out.name.startswith("sham")


def find_folders(place: Path) -> list[TableFolder]:
    """Return the folders with probe tables: the place itself, or those directly in it.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If two of them hold the same network, both with a field in FF1 or both without.
    """
    places = [place] if (place / PROBES).is_file() else sorted(p.parent for p in place.glob(f"*/{PROBES}"))
    if not places:
        raise FileNotFoundError(f"neither {place} nor a folder in it has {PROBES}")
    folders = [TableFolder(path) for path in places]
    check_seeds_differ([folder for folder in folders if not folder.is_sham])
    check_seeds_differ([folder for folder in folders if folder.is_sham])
    return folders


def check_seeds_differ(folders: Sequence[TableFolder]) -> None:
    """Refuse folders that hold the same network twice."""
    owner: dict[int, Path] = {}
    for folder in folders:
        for network in folder.networks:
            if network in owner:
                raise ValueError(
                    f"{owner[network]} and {folder.out} both hold network {network}: give every seed a "
                    "number of its own, SavingsCallback(network=...) or ProbeRecorder.add(..., network=...)"
                )
            owner[network] = folder.out


def known_about(folders: Sequence[Finished], **given: Any) -> About:
    """Return what is known about the agent of a row.

    Args:
        folders: Its folders with a field in FF1.
        **given: Entries of `About` that are known better; None leaves them to the folders.

    Raises:
        ValueError: If neither says what a row has to say; it is named.
    """
    first = folders[0] if isinstance(folders[0], TableFolder) else TableFolder(folders[0].out)
    records = [folder.record or {} for folder in folders]
    record = records[0]
    entries = {
        "kind": LEARNER, "code": None, "commit": None, "command": None, "protocol": None,
        "hyper_parameters": first.config.get("hyperparameters", {}),
        "agent": first.config.get("algorithm"), "description": None,
        "versions": first.summary.get("versions", {}),
        "wall_time_s": _mean([r.get("wall_time_s") for r in records]) or first.summary.get("wall_time_s"),
        "steps_per_second": _mean([r.get("steps_per_second") for r in records]),
    }  # fmt: skip
    if "identity" in record:
        entries |= _known_of_job(record)
    entries |= {name: value for name, value in given.items() if value is not None}
    for name in ("agent", "description", "code"):
        if not entries[name]:
            raise ValueError(f"{first.out} does not say the {name} of the row: give --{name}")
    if entries["kind"] == FIXED_KIND:
        entries["steps_per_second"] = None
    return About(**entries)


def _known_of_job(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the record of a job of the benchmark knows about its agent."""
    identity = record["identity"]
    settings, name = dict(identity["settings"]), identity["agent"]
    declared, kind = AGENTS.get(name), settings.pop("kind")
    protocol = {key: value for key, value in identity["protocol"].items() if key != "sham"}
    if "exploration" in protocol:  # older jobs have none
        protocol["exploration"] = exploration_of(name, kind, protocol["exploration"])
    return {
        "agent": name,
        "kind": KIND_OF.get(kind, LEARNER),
        "protocol": protocol,
        "hyper_parameters": settings,
        "description": record.get("description") or (declared.description if declared else None),
        "code": record.get("code") or (OWN_CODE if declared else name),
        "commit": record["versions"].get("commit") if declared else None,
        "versions": record["versions"],
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _json(file: Path) -> dict[str, Any]:
    if not verified(file).is_file():
        raise FileNotFoundError(f"{file} is missing: {file.parent} is not the folder of a finished run")
    try:
        return dict(json.loads(file.read_text()))
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}") from error
