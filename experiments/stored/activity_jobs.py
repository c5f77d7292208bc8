"""Activity of recurrent PPO: the agents that training keeps at the end of every phase, probed in MuJoCo.

A job's folder holds config.json and, in one folder per phase, model.zip and normalisation.pkl, as
``experiments.benchmark`` leaves them. The agents observe probes as they observed training. Both files hold
pickles, which can run any code when they are read: open only folders that you trust.
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
from savings_gym.arrays import as_choice
from savings_gym.files import read_config, verified
from savings_gym.perturbations.fields import Field, NullField, as_field
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
    """Return whether a folder holds the agent of any phase."""
    return any((folder / phase / MODEL).is_file() for phase in PHASES)


def job_folders(run: Path) -> list[Path]:
    """Return the folder itself if it is a job, or the jobs in it in the order of their numbers."""
    if is_job(run):
        return [run]
    jobs = [folder for folder in run.iterdir() if folder.is_dir() and is_job(folder)]
    return sorted(jobs, key=lambda folder: (len(folder.name), folder.name))


@dataclass(frozen=True)
class JobsSource:
    """Jobs of one agent, each of which counts as a network.

    Attributes:
        arguments: Job folder to the arguments in its config.json.
    """

    arguments: dict[Path, dict[str, Any]]

    def digest(self) -> str:
        """Return a digest of the agents."""
        return digest(path for folder in self.arguments for path in _files(folder))

    def record(self, field: str) -> xr.Dataset:
        """Return activity of all phases in the null field, or in the first field of the schedule."""
        first = next(iter(self.arguments.values()))
        chosen = NullField() if field == "null" else schedule_field(first["schedule"])
        seed = int(first["probe_seed"])
        recordings: dict[str, list[Recording]] = {phase: [] for phase in PHASES}
        for folder, arguments in self.arguments.items():
            for phase, of_phase in recordings.items():
                probe = make_probe(folder / phase, arguments, seed)
                agent = load_agent(folder / phase / MODEL, arguments)
                activity = probe(agent, chosen, number=0, record=True).activity
                probe.close()
                assert activity is not None
                of_phase.append(activity)
        task = task_settings(**first["task"])
        return activity_dataset(
            recordings, field=chosen, seed=seed, noise=task.noise, delays=task.delays,
            networks=[int(arguments["network"]) for arguments in self.arguments.values()],
        )  # fmt: skip


def jobs_source(folders: Iterable[Path]) -> JobsSource:
    """Return the agents in job folders; folders that lack a phase are left out with a warning.

    Raises:
        FileNotFoundError, ValueError: If no folder has all phases, an agent has no memory, or tasks or
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
    for other, arguments in complete.items():
        if arguments["algorithm"] != "RecurrentPPO":
            raise ValueError(
                f"{other} holds an agent of {arguments['algorithm']}, which has no memory to record; choose "
                "jobs of RecurrentPPO"
            )
        for name in ("task", "schedule"):
            if arguments[name] != first[name]:
                raise ValueError(f"{other} and {folder} differ in their {name}: they are not of one agent")
    numbers = [arguments["network"] for arguments in complete.values()]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"the jobs' network numbers are {numbers}, expected all of them to differ")
    return JobsSource(complete)


def schedule_field(schedule: dict[str, Any]) -> Field:
    """Return the first field of a schedule, from its dict, that is not null.

    Raises:
        ValueError: If there is none.
    """
    fields = [as_field(phase["field"]) for phase in schedule["phases"]]
    field = next((field for field in fields if not isinstance(field, NullField)), None)
    if field is None:
        raise ValueError("the run's schedule has no field to probe in; choose the field null")
    return field


def make_probe(folder: Path, arguments: dict[str, Any], seed: int) -> Probe:
    """Return a probe with the observations that the agent had in training at the end of a phase.

    Raises:
        ValueError, FileNotFoundError: If a wrapper is unknown, or its statistics are missing.
    """
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    from savings_gym.sb3.vec_env import ReachVecEnv

    if unknown := [name for name in arguments["wrappers"] if name != "VecNormalize"]:
        raise ValueError(
            f"{folder.parent}: the training environment was wrapped in {unknown}, known: VecNormalize"
        )
    env: VecEnv = ReachVecEnv(1, nthread=1, **arguments["task"])
    if arguments["wrappers"]:
        path = folder / NORMALISATION
        if not verified(path).is_file():  # before its pickle is loaded, which may execute anything
            raise FileNotFoundError(f"{folder} lacks {NORMALISATION}, the statistics of its observations")
        try:
            env = VecNormalize.load(str(path), env)
        except Exception as error:  # a damaged pickle raises anything
            raise ValueError(f"{path} cannot be read: {error}") from error
    return TrainingEnv.of(env).probe(seed, 0, None)


def load_agent(path: Path, arguments: dict[str, Any]) -> RecurrentPPO:
    """Return the agent in a model.zip, to act and not to learn on.

    The file names the class of the policy, and the schedules of learning, by the modules that they were in;
    here the class comes from the name in config.json, and the schedules are left out.

    Args:
        path: The file.
        arguments: Those in config.json.

    Raises:
        ValueError: If the policy is unknown, or the file cannot be read.
    """
    as_choice(f"the policy of {path}", arguments["policy"], POLICIES)
    replaced = {
        "policy_class": POLICIES[arguments["policy"]],
        "learning_rate": 0.0,
        "lr_schedule": None,
        "clip_range": 0.0,
        "clip_range_vf": None,
    }
    verified(path)  # its pickles are loaded only as the run wrote them
    try:
        return RecurrentPPO.load(path, device="cpu", custom_objects=replaced)
    except Exception as error:  # a damaged pickle raises anything
        raise ValueError(f"{path} is not a readable agent of RecurrentPPO: {error}") from error


def _files(folder: Path) -> list[Path]:
    paths = [folder / phase / name for phase in PHASES for name in (MODEL, NORMALISATION)]
    return [path for path in paths if path.is_file()]
