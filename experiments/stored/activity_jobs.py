"""Activity of recurrent PPO: the agents that training keeps at the end of every phase, probed in MuJoCo.

A job's folder holds config.json and, a folder a phase, model.zip and normalisation.pkl, as
``experiments.benchmark`` leaves them. The agents see a probe as they saw training. Both files hold pickles,
which can run any code when they are read: open only folders that you trust.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.ppo.recurrent_policy import GruPolicy, RecurrentPolicy, RnnPolicy
from agents.ppo.recurrent_ppo import RecurrentPPO
from experiments.runs.folder import digest
from savings_gym.activity.recording import Recording, activity_dataset
from savings_gym.fields import Field, NullField, as_field
from savings_gym.files import read_config
from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import task_settings

if TYPE_CHECKING:
    import xarray as xr

    from savings_gym.probes.probe import Probe


log = logging.getLogger(__name__)
MODEL, NORMALISATION = "model.zip", "normalisation.pkl"
NEEDED = ("algorithm", "policy", "schedule", "task", "wrappers", "network", "probe_seed")
POLICIES = {policy.__name__: policy for policy in (RecurrentPolicy, GruPolicy, RnnPolicy)}


def is_job(folder: Path) -> bool:
    """Whether a folder holds the agent of some phase."""
    return any((folder / phase / MODEL).is_file() for phase in PHASES)


def job_folders(run: Path) -> list[Path]:
    """The folder itself, or the jobs in it, in the order of their numbers."""
    if is_job(run):
        return [run]
    jobs = [folder for folder in run.iterdir() if folder.is_dir() and is_job(folder)]
    return sorted(jobs, key=lambda folder: (len(folder.name), folder.name))


@dataclass(frozen=True)
class JobsSource:
    """Jobs of one agent, each a network.

    Attributes:
        arguments: job folder to what its config.json says.
    """

    arguments: dict[Path, dict[str, Any]]

    def mark(self) -> str:
        """Of these agents and no others."""
        return digest(path for folder in self.arguments for path in _files(folder))

    def record(self, field: str) -> xr.Dataset:
        """Activity of all phases in the null field, or in the first field of the schedule."""
        first = next(iter(self.arguments.values()))
        chosen = NullField() if field == "null" else schedule_field(first["schedule"])
        seed = int(first["probe_seed"])
        recordings: dict[str, list[Recording]] = {phase: [] for phase in PHASES}
        for folder, given in self.arguments.items():
            for phase, kept in recordings.items():
                probe = make_probe(folder / phase, given, seed)
                agent = load_agent(folder / phase / MODEL, given)
                found = probe(agent, chosen, number=0, record=True).activity
                probe.close()
                assert found is not None
                kept.append(found)
        task = task_settings(**first["task"])
        return activity_dataset(
            recordings, field=chosen, seed=seed, noise=task.noise, delays=task.delays,
            networks=[int(given["network"]) for given in self.arguments.values()],
        )  # fmt: skip


def jobs_source(folders: Iterable[Path]) -> JobsSource:
    """The agents in job folders; folders that lack a phase are left out, and named in a warning.

    Raises:
        FileNotFoundError, ValueError: when none has all phases, for agents without memory, and when tasks or
            schedules differ.
    """
    complete, lacking = {}, []
    for folder in folders:
        missing = [phase for phase in PHASES if not (folder / phase / MODEL).is_file()]
        if missing:
            lacking.append(f"{folder} lacks {', '.join(f'{phase}/{MODEL}' for phase in missing)}")
        else:
            complete[folder] = read_config(folder, NEEDED)
    if not complete:
        raise FileNotFoundError(f"{'; '.join(lacking)}: is the run complete?")
    for text in lacking:
        log.warning("left out: %s", text)
    folder, first = next(iter(complete.items()))
    for other, given in complete.items():
        if given["algorithm"] != "RecurrentPPO":
            raise ValueError(
                f"{other} holds an agent of {given['algorithm']}, which has no memory to record; activity is "
                "recorded of RecurrentPPO"
            )
        for name in ("task", "schedule"):
            if given[name] != first[name]:
                raise ValueError(f"{other} and {folder} have another {name}: they are no runs of one agent")
    numbers = [given["network"] for given in complete.values()]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"the jobs' network numbers are {numbers}, expected different ones")
    return JobsSource(complete)


def schedule_field(schedule: dict[str, Any]) -> Field:
    """The first field of a schedule, from its dict, that is not null.

    Raises:
        ValueError: when there is none.
    """
    fields = [as_field(phase["field"]) for phase in schedule["phases"]]
    found = [field for field in fields if not isinstance(field, NullField)]
    if not found:
        raise ValueError("the run's schedule has no field to probe in; choose the field null")
    return found[0]


def make_probe(folder: Path, given: dict[str, Any], seed: int) -> Probe:
    """A probe that shows the agent what training showed it at the end of a phase.

    Raises:
        ValueError, FileNotFoundError: for wrappers that are not known here, or whose statistics are missing.
    """
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    from savings_gym.sb3.vec_env import ReachVecEnv

    if unknown := [name for name in given["wrappers"] if name != "VecNormalize"]:
        raise ValueError(
            f"{folder.parent}: the training environment was wrapped in {unknown}, known: VecNormalize"
        )
    env: VecEnv = ReachVecEnv(1, nthread=1, **given["task"])
    if given["wrappers"]:
        path = folder / NORMALISATION
        if not path.is_file():
            raise FileNotFoundError(f"{folder} lacks {NORMALISATION}, the statistics of its observations")
        try:
            env = VecNormalize.load(str(path), env)
        except Exception as error:  # a damaged pickle raises anything
            raise ValueError(f"{path} cannot be read: {error}") from error
    return TrainingEnv.of(env).probe(seed, 0, None)


def load_agent(path: Path, given: dict[str, Any]) -> RecurrentPPO:
    """Return the agent in a model.zip, to act and not to learn on.

    The file names the class of the policy, and the schedules of learning, by the modules that they were in;
    here the class comes from the name in config.json, and the schedules are left out.

    Args:
        path: The file.
        given: Arguments in config.json.

    Raises:
        ValueError: If the policy is unknown, or the file cannot be read.
    """
    if given["policy"] not in POLICIES:
        raise ValueError(f"{path} has the policy {given['policy']!r}; known are: {', '.join(POLICIES)}")
    replaced = {
        "policy_class": POLICIES[given["policy"]],
        "learning_rate": 0.0,
        "lr_schedule": None,
        "clip_range": 0.0,
        "clip_range_vf": None,
    }
    try:
        return RecurrentPPO.load(path, device="cpu", custom_objects=replaced)
    except Exception as error:  # a damaged pickle raises anything
        raise ValueError(f"{path} cannot be read as an agent of RecurrentPPO: {error}") from error


def _files(folder: Path) -> list[Path]:
    paths = [folder / phase / name for phase in PHASES for name in (MODEL, NORMALISATION)]
    return [path for path in paths if path.is_file()]
