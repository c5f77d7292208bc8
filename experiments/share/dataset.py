"""Reaches of a policy as a Minari dataset, for offline reinforcement learning and imitation.

    python -m experiments.share.dataset --env ForceFieldReach-v0 --quality expert --out runs/minari
    MINARI_DATASETS_PATH=runs/minari minari list local

Every episode is a trial with a seed of its own, so that an environment that is recovered from the dataset
gives it again. The metadata hold the returns of expert, medium and random in the same trials: Minari's
``get_normalized_score`` is 0 for random and 1 for expert. Minari comes with
``pip install 'savings_gym[minari]'``.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import gymnasium as gym
import numpy as np

from experiments.runs.command_line import choice, command_main, command_text, refuse_unused
from experiments.runs.folder import versions
from experiments.share.demonstrators import ENVIRONMENTS, QUALITIES, check_environment, demonstrator
from experiments.share.episodes import Episodes, record_episodes, reference_returns, return_summary
from experiments.share.loading import load_agent
from experiments.share.provenance import AUTHOR, code_link
from savings_gym.arrays import as_choice, as_seed, as_whole_number
from savings_gym.envs.trials import spawn_seeds
from savings_gym.files import check_writable
from savings_gym.probes.policy import Policy

log = logging.getLogger(__name__)
VERSION: Final = 0  # of the datasets; one more whenever equal arguments give other episodes
NAMESPACE_FILE: Final = "namespace_metadata.json"


@dataclass(frozen=True)
class Dataset:
    """Arguments of the command."""

    env: Annotated[str, choice(ENVIRONMENTS)] = "ForceFieldReach-v0"
    """Environment, with its default arguments."""
    quality: Annotated[str, choice(QUALITIES)] = "expert"
    """Who reaches: expert (a model-based controller that knows the field), medium (the same with a wrong
    expectation and noise) or random."""
    agent: str | None = None
    """Reaches instead: an agent by its name, as for load_agent, such as gru128-paper."""
    network: int = 0
    """Number of the network in an ensemble, of --agent."""
    episodes: int = 1000
    """Number of trials of 1 s."""
    seed: int = 0
    """Seed of all random numbers."""
    out: Path = Path("runs/minari")
    """Folder of datasets: what MINARI_DATASETS_PATH names."""
    infos: bool = True
    """Keep what only the environment knows, too: hand, forces, target, terms of the reward."""
    reference_episodes: int = 100
    """Trials of expert, medium and random each, whose returns the metadata hold."""
    author: str = AUTHOR
    """Author in the metadata."""
    email: str | None = None
    """Address of the author in the metadata."""
    code: str | None = None
    """Link to the code; by default this commit at git's remote, if it has one."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        check_environment(self.env)
        as_choice("quality", self.quality, QUALITIES)
        as_whole_number("episodes", self.episodes, 2)
        as_whole_number("reference_episodes", self.reference_episodes, 2)
        as_whole_number("network", self.network)
        as_seed("seed", self.seed)

    @property
    def dataset_id(self) -> str:
        """The dataset's name in Minari, such as savings_gym/ForceFieldReach-v0/expert-v0."""
        name = self.quality
        if self.agent is not None:
            words = re.sub(r"[^\w-]+", "-", Path(self.agent).name.removesuffix(".safetensors")).strip("-")
            name = f"{words}-network{self.network}"
        return f"savings_gym/{self.env}/{name}-v{VERSION}"

    def policy(self) -> Policy:
        """Return who reaches."""
        if self.agent is not None:
            return load_agent(self.agent, self.network)
        return demonstrator(self.env, self.quality, self.seed)

    def algorithm(self) -> str:
        """Return who reaches, in words."""
        if self.agent is not None:
            return f"agent {self.agent}, network {self.network}"
        return f"{self.quality}: {QUALITIES[self.quality]}"


def check_given(config: Dataset) -> None:
    """Refuse arguments of a command line that change nothing.

    Raises:
        ValueError: If there are such arguments.
    """
    unused = {"network": "without --agent"} if config.agent is None else {"quality": "with --agent"}
    refuse_unused(config, Dataset(), unused)


def run(config: Dataset) -> int:
    """Write the dataset; return the exit status."""
    folder = config.out / config.dataset_id
    if folder.exists():
        raise FileExistsError(f"{folder} exists already: choose another --out, or remove it")
    minari = _minari()
    check_writable(config.out / NAMESPACE_FILE)
    policy = config.policy()
    log.info("%s, %d episodes", config.dataset_id, config.episodes)
    episodes = record_episodes(config.env, policy, spawn_seeds(config.seed, config.episodes))
    references = reference_returns(config.env, tuple(QUALITIES), config.reference_episodes)
    write_dataset(minari, config, episodes, references)
    own = return_summary(episodes.returns)
    log.info("return %.2f, SD %.2f, of %d episodes", own["mean"], own["sd"], own["n"])
    for quality, of in references.items():
        log.info("%-6s %.2f, SD %.2f, of %d reference episodes", quality, of["mean"], of["sd"], of["n"])
    log.info("wrote %s; MINARI_DATASETS_PATH=%s finds it", folder, config.out)
    return 0


def write_dataset(
    minari: Any, config: Dataset, episodes: Episodes, references: dict[str, dict[str, Any]]
) -> None:
    """Write a dataset, whole or not at all.

    Args:
        minari: The package.
        config: The arguments.
        episodes: The reaches.
        references: Returns by quality, of `reference_returns`.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=config.out, prefix=".") as temporary, _datasets_in(Path(temporary)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`author_email` is set to None")
            dataset = minari.create_dataset_from_buffers(
                config.dataset_id,
                _buffers(minari, episodes, config.infos),
                env=gym.spec(config.env),
                eval_env=gym.spec(config.env),
                algorithm_name=config.algorithm(),
                author=config.author,
                author_email=config.email,
                code_permalink=config.code or code_link(),
                ref_min_score=references["random"]["mean"],
                ref_max_score=references["expert"]["mean"],
                num_episodes_average_score=config.reference_episodes,
                description=description(config),
                requirements=[f"{name}=={versions()[name]}" for name in ("savings_gym", "mujoco")],
            )
        dataset.storage.update_metadata(
            {
                "returns": return_summary(episodes.returns),
                "reference_returns": references,
                "seed": config.seed,
                "versions": versions(),
                "command": command(config),
            }
        )
        _move(Path(temporary), config)


def description(config: Dataset) -> str:
    """Return the description of a dataset."""
    return (
        f"Reaches of a planar two-joint arm in trials of 1 s: {config.env} of savings_gym, with its noise, "
        f"delays and catch trials. By {config.algorithm()}. The environment gives every episode again after "
        "reset(seed=seed of the episode), under its actions."
    )


def command(config: Dataset) -> str:
    """Return the command line that makes the dataset."""
    return command_text("experiments.share.dataset", config, Dataset())


def _minari() -> Any:
    """Return the package.

    Raises:
        ImportError: If it is not installed; says how to install it.
    """
    try:
        import minari
    except ImportError as error:
        raise ImportError(f"datasets need Minari: pip install 'savings_gym[minari]' ({error})") from error
    return minari


def _buffers(minari: Any, episodes: Episodes, infos: bool) -> list[Any]:
    """Return the episodes as Minari wants them."""
    from minari.data_collector import EpisodeBuffer

    n, steps = episodes.rewards.shape
    last = np.arange(steps) == steps - 1
    return [
        EpisodeBuffer(
            id=i,
            seed=episodes.seeds[i],
            observations=episodes.observations[i],
            actions=episodes.actions[i],
            rewards=episodes.rewards[i],
            terminations=np.zeros(steps, dtype=bool),
            truncations=last,
            infos={name: values[i] for name, values in episodes.infos.items()} if infos else None,
        )
        for i in range(n)
    ]


@contextmanager
def _datasets_in(folder: Path) -> Iterator[None]:
    """Let Minari write into a folder."""
    name = "MINARI_DATASETS_PATH"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _move(temporary: Path, config: Dataset) -> None:
    """Move the finished dataset into the folder of datasets, with those namespaces that it lacks."""
    target = config.out / config.dataset_id
    target.parent.mkdir(parents=True, exist_ok=True)
    for file in temporary.rglob(NAMESPACE_FILE):
        there = config.out / file.relative_to(temporary)
        if not there.exists():
            file.replace(there)
    (temporary / config.dataset_id).replace(target)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.share.dataset", Dataset, run, arguments, __doc__, check=check_given)


if __name__ == "__main__":
    sys.exit(main())
