"""Agents by their name: those that ship, those of a folder, and those of the Hugging Face hub.

    from experiments.share.loading import load_agent

    agent = load_agent("gru128-paper")  # one of experiments/pretrained
    agent = load_agent("runs/savings-quick/networks_FF1.safetensors")
    agent = load_agent("hf:owner/repository")  # needs pip install 'savings_gym[hub]'

Weights of this project are safetensors, which hold numbers only. Agents of stable-baselines3 are pickles, and
to load a pickle is to run the program inside it: they are downloaded and loaded only with
``trust_pickles=True``.
"""

from __future__ import annotations

import importlib
import pickle
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Array, as_choice
from savings_gym.files import MANIFEST, verified
from savings_gym.probes.policy import Policy

PRETRAINED: Final = Path(__file__).resolve().parents[1] / "pretrained"
HUB: Final = "hf:"
WEIGHTS, ZIP, NORMALISATION = ".safetensors", "model.zip", "normalisation.pkl"
SAFE_FILES: Final = ("*" + WEIGHTS, MANIFEST, "README.md")
PICKLED_FILES: Final = (ZIP, NORMALISATION)
ALGORITHMS: Final = {  # of agents in a model.zip, by module
    "PPO": "stable_baselines3",
    "SAC": "stable_baselines3",
    "TD3": "stable_baselines3",
    "TQC": "sb3_contrib",
    "RecurrentPPO": "agents.ppo.recurrent_ppo",
}


def shipped_agents() -> list[str]:
    """Return the names of the agents in ``experiments/pretrained``."""
    return sorted(path.stem for path in PRETRAINED.glob(f"*{WEIGHTS}"))


def load_agent(
    name: str | Path,
    network: int | None = 0,
    *,
    algorithm: str | None = None,
    trust_pickles: bool = False,
) -> Policy:
    """Return a trained agent, which acts by `predict` and can be probed.

    If a folder has a ``manifest.json``, as those of `experiments.share.card` and of runs, its files must be
    those that it lists. Weights that carry a digest must agree with it.

    Args:
        name: A name of `shipped_agents`; a weights file; a folder with one weights file, or with a
            ``model.zip`` (and ``normalisation.pkl``) as the benchmark writes it at the end of a phase; or
            ``hf:owner/repository``, such a folder on the Hugging Face hub, with ``@revision`` if it is not
            the newest that is wanted.
        network: The network of an ensemble that acts; None lets all n act, in n times as many environments.
        algorithm: Of a ``model.zip``, which does not tell: one of `ALGORITHMS`.
        trust_pickles: Load a ``model.zip``. Only do so if you trust who made it: it can run any program.

    Raises:
        FileNotFoundError: If there is no such agent; lists what there is.
        ValueError: If an argument is wrong, a file is damaged or was changed, or the agent is a pickle
            that is not trusted.
        ImportError: If the hub is asked and huggingface_hub is not installed.
    """
    source = str(name)
    path = _download(source, trust_pickles) if source.startswith(HUB) else _local(source)
    file = path if path.is_file() else _file_in(path)
    if file.suffix == WEIGHTS:
        return _networks(file, network)
    return _pickled(file, algorithm, trust_pickles)


def _local(name: str) -> Path:
    """Return the file of an agent that ships, or an existing file or folder."""
    if name in shipped_agents():
        return PRETRAINED / f"{name}{WEIGHTS}"
    if Path(name).exists():
        return Path(name)
    raise FileNotFoundError(
        f"unknown agent {name!r}; choose from: {', '.join(shipped_agents())}, a weights file, a folder, or "
        f"{HUB}owner/repository"
    )


def _download(name: str, trust_pickles: bool) -> Path:
    """Return the local folder of a repository of the hub."""
    repository, _, revision = name.removeprefix(HUB).partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ValueError(f"expected {HUB}owner/repository or {HUB}owner/repository@revision, got {name!r}")
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"{name} needs huggingface_hub: pip install 'savings_gym[hub]' ({error})"
        ) from error
    patterns = [*SAFE_FILES, *(PICKLED_FILES if trust_pickles else ())]
    return Path(
        huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=patterns)
    )


def _file_in(folder: Path) -> Path:
    """Return the one file of an agent in a folder."""
    weights = sorted(folder.glob(f"*{WEIGHTS}"))
    if not weights and (folder / ZIP).is_file():
        return folder / ZIP
    if len(weights) != 1:
        held = ", ".join(path.name for path in weights) if weights else "none"
        raise FileNotFoundError(
            f"{folder} must hold one {WEIGHTS} file, or a {ZIP} (which the hub gives only with "
            f"trust_pickles=True); it holds {held}" + (": name one of them" if weights else "")
        )
    return weights[0]


def _networks(path: Path, network: int | None) -> Policy:
    from agents.supervised.checkpoints import load_ensemble
    from agents.supervised.policy import NetworkPolicy

    return NetworkPolicy(load_ensemble(path), network)


def _pickled(path: Path, algorithm: str | None, trust: bool) -> Policy:
    if path.suffix != ".zip":
        raise ValueError(f"{path} is not an agent: expected a {WEIGHTS} file or a {ZIP}")
    if not trust:
        raise ValueError(
            f"{path} holds pickles, which can run any program: load_agent(..., trust_pickles=True) if you "
            "trust who made it"
        )
    algorithm = as_choice(f"the algorithm of {path}", algorithm, ALGORITHMS)
    kind = getattr(importlib.import_module(ALGORITHMS[algorithm]), algorithm)
    model = kind.load(verified(path), device="cpu")
    statistics = path.with_name(NORMALISATION)
    normalisation = pickle.loads(verified(statistics).read_bytes()) if statistics.is_file() else None
    return Sb3Policy(model, normalisation)


class Sb3Policy:
    """An agent of stable-baselines3 that sees observations as in its training.

    Args:
        model: The agent.
        normalisation: Its `VecNormalize`, whose statistics stay as they are; None leaves observations alone.

    Raises:
        ValueError: If the agent saw stacked observations.
    """

    def __init__(self, model: Any, normalisation: Any = None) -> None:
        self._model, self._normalisation = model, normalisation
        if normalisation is not None:
            seen, expected = normalisation.observation_space.shape, model.observation_space.shape
            if seen != expected:
                raise ValueError(
                    f"the agent sees stacked observations, {expected} of {seen}: load it with "
                    "stable-baselines3, and its environment in VecNormalize and VecFrameStack"
                )

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Array, Any]:
        """Return the actions and the memory after them."""
        values = np.asarray(observation)
        if self._normalisation is not None:
            values = self._normalisation.normalize_obs(values)
        return self._model.predict(values, state, episode_start, deterministic)

    @property
    def policy(self) -> Any:
        """The agent's own policy, of whose memory probes need the shape."""
        return self._model.policy
