"""Agents from elsewhere: a class named on the command line, found and checked before any work starts.

    python -m experiments.benchmark --agent path/to/mine.py:Mine --settings mine.toml
    python -m experiments.benchmark --agent stable_baselines3:TD3

A class fits if it is an on-policy or off-policy algorithm of stable-baselines3 (``module:Class``, imported
from the current directory or from what is installed), or if it is made and used like `TrialLearner`. The TOML
file has, all optional, ``description`` and ``code`` (a link), a table ``[settings]`` of arguments of the
class, and for an algorithm of stable-baselines3 also ``policy``, ``arms``, ``stack``, ``last_rate``,
``normalise_rewards`` and ``recurrent``, see `experiments.benchmark.agents.Sb3Agent`. Their ``action_noise``
is a number there, the standard deviation of normal noise on every action: TD3 and DDPG do not explore
without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from gymnasium.vector import VectorEnv

from experiments.benchmark.agents import AGENTS, Agent, OutsideAgent, Sb3Agent
from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.files import file_digest
from savings_gym.task.settings import TRIAL_STEPS

ABOUT: Final = ("description", "code")  # entries of the file beside [settings]
SB3_ENTRIES: Final = ("policy", "arms", "stack", "last_rate", "normalise_rewards", "recurrent")
GIVEN: Final = ("policy", "env", "seed", "device")  # arguments of an algorithm that the job sets
DEFAULT_ARMS: Final = 64
AGENT_FILE: Final = "agent"  # what an agent is told to save as
METHODS: Final = {
    "learn": "learn(trials)",
    "predict": "predict(observation, state=None, episode_start=None, deterministic=True)",
}


class MakeVectorEnv(Protocol):
    """Makes the environment in which an agent learns; to be called once."""

    def __call__(self, num_envs: int, autoreset_mode: str = "NextStep") -> VectorEnv[Any, Any, Any]:
        """Return the vector environment of a number of arms, which have to share the trials evenly."""


class TrialLearner(Protocol):
    """What an agent from elsewhere has to be: ``Class(make_env, seed, **settings)``.

    The environment that ``make_env(num_envs)`` returns goes through the phases by itself. Two more methods
    are optional. ``save(path)`` and ``load(path)`` write and read a file with all that the agent keeps from
    one call of `learn` to the next, so that a job which was killed goes on; without them it starts over.
    ``reset_optimiser()`` is called before the first trial of every phase but NF1. A class with an attribute
    ``recurrent = True`` is also probed with the memory that `predict` returns carried across trials.
    """

    def __init__(self, make_env: MakeVectorEnv, seed: int, **settings: Any) -> None: ...

    def learn(self, trials: int) -> object:
        """Learn from exactly so many more trials, of all arms together, from their first to last step."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, Any]:
        """Return actions (n, actuators) for observations (n, channels), and the memory after them.

        Args:
            observation: One row per arm.
            state: What the last call returned; None before the first.
            episode_start: (n,) whether a trial begins.
            deterministic: Whether to leave exploration out.
        """


def is_outside(name: str) -> bool:
    """Return whether the name of an agent is that of a class from elsewhere."""
    return name not in AGENTS and ":" in name


def folder_name(name: str) -> str:
    """Return the name of an agent as that of a folder."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")


def find_agent(name: str, settings: Path | None = None) -> Agent:
    """Return an agent by its name.

    Args:
        name: An entry of `experiments.benchmark.agents`, "module:Class", or "path/to/file.py:Class".
        settings: TOML file for a class from elsewhere, see the module.

    Raises:
        ValueError: If there is no such agent, or the class or the file does not fit; nothing was run.
    """
    if name in AGENTS:
        if settings is not None:
            raise ValueError(
                f"--settings is for an agent from elsewhere, module:Class; {name!r} is declared in "
                "experiments/benchmark/agents.py"
            )
        return AGENTS[name]
    if not is_outside(name):
        raise ValueError(f"unknown agent {name!r}; choose from: {', '.join(AGENTS)}, or give module:Class")
    return _find(name, settings)


@cache
def _find(name: str, settings: Path | None) -> Agent:
    cls = load_class(name)
    content = _read(settings)
    algorithm = _is_algorithm(cls)
    known = (*ABOUT, *(SB3_ENTRIES if algorithm else ()), "settings")
    for entry in content:
        as_choice(f"an entry of {settings}", entry, known)
    return (_algorithm if algorithm else _learner)(name, cls, content)


def load_class(name: str) -> type:
    """Import the class that "module:Class" or "path/to/file.py:Class" names.

    Raises:
        ValueError: If that fails, or it is not a class.
    """
    place, _, attribute = name.rpartition(":")
    module = _module_of_file(name, Path(place)) if place.endswith(".py") else _module(name, place)
    cls = getattr(module, attribute, None)
    if not isinstance(cls, type):
        fitting = [
            key for key, value in vars(module).items()
            if isinstance(value, type) and all(hasattr(value, method) for method in METHODS)
        ]  # fmt: skip
        choice = f"choose from: {', '.join(fitting)}" if fitting else "no class there has learn and predict"
        raise ValueError(f"{name}: {place} has no class {attribute!r}; {choice}")
    return cls


def source_digest(cls: type) -> str | None:
    """Return the SHA-256 of the file that defines a class; None if there is none to be read."""
    try:
        return file_digest(Path(inspect.getfile(cls)))
    except (OSError, TypeError):
        return None


def saved_agent(learner: Any) -> dict[str, bytes]:
    """Return what the `save` of an agent writes, by file name."""
    with tempfile.TemporaryDirectory() as folder:
        learner.save(Path(folder) / AGENT_FILE)
        files = [file for file in sorted(Path(folder).rglob("*")) if file.is_file()]
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def load_agent(learner: Any, contents: Mapping[str, bytes]) -> None:
    """Let an agent `load` what it saved."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in contents.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        learner.load(Path(folder) / AGENT_FILE)


def _module(name: str, place: str) -> ModuleType:
    if not re.fullmatch(r"\w+(\.\w+)*", place):
        raise ValueError(f"{name}: {place!r} is neither a module nor a .py file")
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            raise ValueError(
                f"{name}: there is no module {error.name!r}, neither installed nor in {Path.cwd()}"
            ) from error
        raise _import_failure(name, error) from error
    except Exception as error:
        raise _import_failure(name, error) from error


def _module_of_file(name: str, file: Path) -> ModuleType:
    if not file.is_file():
        raise ValueError(f"{name}: there is no file {str(file)!r}")
    module_name = f"agent_from_{folder_name(str(file.with_suffix('')))}".replace("-", "_").replace(".", "_")
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, file.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # so that its classes can be pickled
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise _import_failure(name, error) from error
    return module


def _import_failure(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}")


def _read(file: Path | None) -> dict[str, Any]:
    """Return the content of a TOML file; nothing without one."""
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text())
    except FileNotFoundError as error:
        raise ValueError(f"--settings: there is no file {str(file)!r}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"--settings {file} is not a TOML file: {error}") from error
    if not isinstance(content.get("settings", {}), dict):
        raise ValueError(f"{file}: settings must be a table, [settings], got {content['settings']!r}")
    for entry in ABOUT:
        if not isinstance(content.get(entry, ""), str):
            raise ValueError(f"{file}: {entry} must be a text, got {content[entry]!r}")
    return content


def _is_algorithm(cls: type) -> bool:
    """Return whether a class is an algorithm of stable-baselines3."""
    if "stable_baselines3" not in sys.modules:
        return False
    from stable_baselines3.common.base_class import BaseAlgorithm

    return issubclass(cls, BaseAlgorithm)


def _learner(name: str, cls: Any, content: Mapping[str, Any]) -> OutsideAgent:
    """Return the agent of a class that learns trial by trial, checked."""
    for method, signature in METHODS.items():
        if not callable(getattr(cls, method, None)):
            raise ValueError(
                f"{name} has no {signature}; an agent is a class, made by {cls.__name__}(make_env, seed), "
                f"with {' and '.join(METHODS.values())}, or an algorithm of stable-baselines3"
            )
    _check_call(name, cls.learn, (None, 1), {}, f"its learn must be {METHODS['learn']}")
    call = dict.fromkeys(("state", "episode_start", "deterministic"))
    _check_call(name, cls.predict, (None, None), call, f"its predict must be {METHODS['predict']}")
    for method in [method for method in ("save", "load") if hasattr(cls, method)]:
        _check_call(name, getattr(cls, method), (None, Path()), {}, f"its {method} must be {method}(path)")
    if hasattr(cls, "save") != hasattr(cls, "load"):
        raise ValueError(f"{name} has only one of save(path) and load(path): a job needs both to go on")
    if hasattr(cls, "reset_optimiser"):
        _check_call(name, cls.reset_optimiser, (None,), {}, "its reset_optimiser takes no arguments")
    settings = dict(content.get("settings", {}))
    _check_settings(name, cls, settings, ("make_env", "seed"))
    _check_call(name, cls, (None, 0), settings, f"it must be made by {cls.__name__}(make_env, seed, ...)")
    return OutsideAgent(
        description=content.get("description", cls.__name__),
        learner=name,
        settings=_defaults(cls, ("make_env", "seed")) | settings,
        source=source_digest(cls),
        code=content.get("code"),
        recurrent=bool(getattr(cls, "recurrent", False)),
    )


def _algorithm(name: str, cls: Any, content: Mapping[str, Any]) -> Sb3Agent:
    """Return the agent of an algorithm of stable-baselines3, checked by making it once."""
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    from experiments.benchmark.noise import has_known_noise

    if not issubclass(cls, (OnPolicyAlgorithm, OffPolicyAlgorithm)):
        raise ValueError(
            f"{name} is neither an on-policy nor an off-policy algorithm of stable-baselines3: only those "
            "collect the rollouts that take an agent through the phases"
        )
    settings = dict(content.get("settings", {}))
    _check_settings(name, cls, settings, GIVEN)
    if issubclass(cls, OnPolicyAlgorithm):
        settings.setdefault("n_steps", TRIAL_STEPS)  # so that phases end with a rollout
    entries: dict[str, Any] = {"policy": next(iter(cls.policy_aliases), "MlpPolicy"), "arms": DEFAULT_ARMS}
    entries |= {"normalise_rewards": False}
    entries |= {entry: content[entry] for entry in SB3_ENTRIES if entry in content}
    agent = Sb3Agent(
        description=content.get("description", f"{cls.__name__} of {cls.__module__.partition('.')[0]}"),
        algorithm=name,
        settings=settings,
        source=source_digest(cls),
        code=content.get("code"),
        **entries,
    )
    if agent.last_rate is not None and "learning_rate" not in settings:
        raise ValueError(f"{name}: last_rate needs a learning_rate in [settings], from which it falls")
    return replace(agent, known_noise=has_known_noise(_make(name, cls, agent)))


def _make(name: str, cls: Any, agent: Sb3Agent) -> Any:
    """Return an algorithm made with its settings; refuse one that cannot be, in the words of its error."""
    from experiments.benchmark.noise import arguments
    from savings_gym.sb3.vec_env import ReachVecEnv

    try:
        as_whole_number("stack", agent.stack, least=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = ReachVecEnv(agent.arms, nthread=1)
            return cls(agent.policy, env, device="cpu", **arguments(agent.settings, env.action_space))
    except Exception as error:  # whatever an algorithm raises on bad settings
        words = " ".join(str(error).split())
        raise ValueError(f"{name} cannot be made for the arm: {type(error).__name__}: {words}") from error


def _check_settings(name: str, cls: type, settings: Mapping[str, Any], given: tuple[str, ...]) -> None:
    """Refuse arguments that a class does not have, or that the job sets."""
    parameters = inspect.signature(cls).parameters
    valid = [
        parameter for parameter in parameters if parameter not in given and not parameter.startswith("_")
    ]
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for setting in settings:
        if setting in given or (setting not in valid and not open_ended):
            why = "is set by the benchmark" if setting in given else "is not an argument of it"
            raise ValueError(f"{name}: {setting!r} {why}; choose from: {', '.join(valid) or 'nothing'}")


def _check_call(
    name: str, function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], expected: str
) -> None:
    """Refuse a function that does not take some arguments."""
    try:
        inspect.signature(function).bind(*arguments, **keywords)
    except TypeError as error:
        raise ValueError(f"{name} does not fit, {error}: {expected}") from error


def _defaults(cls: type, given: tuple[str, ...]) -> dict[str, Any]:
    """Return the defaults of a class's arguments, as far as JSON knows them."""
    values = {
        parameter.name: parameter.default
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.name not in given and parameter.default is not parameter.empty
    }
    return {key: json.loads(json.dumps(value)) for key, value in values.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
