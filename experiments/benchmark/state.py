"""The state of an unfinished job, from which it goes on after a kill, and its sham after NF1."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import time
from pathlib import Path
from typing import Any, Final

import cloudpickle

from experiments.benchmark.protocol import Job
from savings_gym.files import Manifest, verified, write_atomically
from savings_gym.sb3.resume import random_state

log = logging.getLogger(__name__)
STATE: Final = "state.pkl"
NF1_STATE: Final = "nf1.pkl"  # the last state of NF1, for the sham: up to there, both are one job
KEEP_EVERY: Final = 640  # trials between states within a phase
Content = dict[str, Any]


class JobState:
    """The file with the state of a job, whole or not there.

    Args:
        job: The job, whose folder only this process writes.

    Attributes:
        file: The file.
        stored: What was in it when the job began, or for a sham what is in `NF1_STATE` of the other job; None
            for a job that begins with its first trial.
        is_new: Whether this process is the first one of the job.

    Raises:
        FileNotFoundError, ValueError: If the file is missing, was changed, or cannot be read; it is named.
        FileExistsError: If it is the state of a job with other arguments.
    """

    def __init__(self, job: Job) -> None:
        self.file, self._identity, self._keep_nf1 = job.out / STATE, job.identity(), job.keep_nf1
        self._began, self._began_core = time.monotonic(), time.process_time()
        if self.file.is_file() and Manifest.of(self.file) is None:
            raise ValueError(f"{self.file} is in no manifest: remove {self.file.parent} to start over")
        self.is_new = not verified(self.file).is_file()
        self.stored: Content | None = None if self.is_new else _read(self.file, self._identity)
        self._before = (0.0, 0.0) if self.stored is None else self.stored["seconds"]
        self._in_first_phase = self.stored is not None and self.stored.get("first_phase", False)
        if self.is_new and job.nf1 is not None and verified(job.nf1 / NF1_STATE).is_file():
            protocol = dataclasses.replace(job.protocol, sham=False)
            with_field = dataclasses.replace(job, protocol=protocol, nf1=None)
            self.stored = _read(job.nf1 / NF1_STATE, with_field.identity())
            log.info("NF1 is that of %s up to its last state", job.nf1)

    @property
    def seconds(self) -> tuple[float, float]:
        """Time and processor time so far, of all processes that did a part of the job which was kept [s]."""
        before, before_core = self._before
        return before + time.monotonic() - self._began, before_core + time.process_time() - self._began_core

    def keep(self, content: Content, first_phase: bool) -> None:
        """Replace the file by the state of this moment, that of the shared random generators included.

        Args:
            content: The rest of the state.
            first_phase: Whether the job is in its first phase, which its sham shares.
        """
        if self._keep_nf1 and not first_phase and self._in_first_phase:
            write_atomically(self.file.with_name(NF1_STATE), self.file.read_bytes())
        self._in_first_phase = first_phase
        more = {
            "identity": self._identity,
            "first_phase": first_phase,
            "seconds": self.seconds,
            "random": random_state(),
        }
        write_atomically(self.file, cloudpickle.dumps(content | more))


def _read(file: Path, expected: dict[str, Any]) -> Content:
    """Return the content of a state; refuse that of a job with another identity."""
    try:
        content = dict(pickle.loads(file.read_bytes()))  # as the manifest has it
        identity = content["identity"]
    except Exception as error:  # unpickling can raise anything
        raise ValueError(
            f"{file} cannot be read by this version (remove {file.parent} to start over): {error}"
        ) from error
    if identity != expected:
        parts = [key for key in expected if identity.get(key) != expected[key]]
        raise FileExistsError(
            f"{file.parent} holds an unfinished job with another {', '.join(parts)}: choose another "
            "--out or remove it"
        )
    return content
