"""The state of an unfinished job, from which it goes on after a kill."""

from __future__ import annotations

import pickle
import time
from typing import Any, Final

import cloudpickle

from experiments.benchmark.protocol import Job
from savings_gym.files import Manifest, verified, write_atomically
from savings_gym.sb3.resume import random_state

STATE: Final = "state.pkl"
KEEP_EVERY: Final = 640  # trials between states within a phase
Content = dict[str, Any]


class JobState:
    """The file with the state of a job, whole or not there.

    Args:
        job: The job, whose folder only this process writes.

    Attributes:
        file: The file.
        stored: What was in it when the job began; None for a job that begins with its first trial.

    Raises:
        FileNotFoundError, ValueError: If the file is missing, was changed, or cannot be read; it is named.
        FileExistsError: If it is the state of a job with other arguments.
    """

    def __init__(self, job: Job) -> None:
        self.file, self._identity = job.out / STATE, job.identity()
        self._began, self._began_core = time.monotonic(), time.process_time()
        if self.file.is_file() and Manifest.of(self.file) is None:
            raise ValueError(f"{self.file} is in no manifest: remove {self.file.parent} to start over")
        self.stored: Content | None = self._read() if verified(self.file).is_file() else None
        self._before = (0.0, 0.0) if self.stored is None else self.stored["seconds"]

    def _read(self) -> Content:
        try:
            content = dict(pickle.loads(self.file.read_bytes()))  # as the manifest has it
            identity = content["identity"]
        except Exception as error:  # unpickling can raise anything
            raise ValueError(
                f"{self.file} cannot be read by this version (remove {self.file.parent} to start over): "
                f"{error}"
            ) from error
        if identity != self._identity:
            parts = [key for key in self._identity if identity.get(key) != self._identity[key]]
            raise FileExistsError(
                f"{self.file.parent} holds an unfinished job with another {', '.join(parts)}: choose another "
                "--out or remove it"
            )
        return content

    @property
    def seconds(self) -> tuple[float, float]:
        """Time and processor time so far, of all processes that did a part of the job which was kept [s]."""
        before, before_core = self._before
        return before + time.monotonic() - self._began, before_core + time.process_time() - self._began_core

    def keep(self, content: Content) -> None:
        """Replace the file by the state of this moment, that of the shared random generators included."""
        more = {"identity": self._identity, "seconds": self.seconds, "random": random_state()}
        write_atomically(self.file, cloudpickle.dumps(content | more))
