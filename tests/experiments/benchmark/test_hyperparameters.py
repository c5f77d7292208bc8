"""The file of hyper-parameters: every value has an origin, and defaults are those of the classes."""

import dataclasses
import inspect
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from sb3_contrib.tqc.policies import TQCPolicy  # noqa: E402

from agents.ppo.plain_ppo import PPOSettings  # noqa: E402
from experiments.benchmark.agents import AGENTS, HYPERPARAMETERS, OutsideAgent, Sb3Agent  # noqa: E402
from experiments.benchmark.learners import ALGORITHMS  # noqa: E402
from experiments.benchmark.search import SEARCHABLE, with_values  # noqa: E402

CLASSES = {"recurrent-ppo": "RecurrentPPO", "ppo": "PPO", "sac": "SAC", "tqc": "TQC"}
TABLES = [name for name, table in HYPERPARAMETERS.items() if "settings" in table]


def flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by name; those of the policy as "policy_kwargs.name"."""
    inner = {f"policy_kwargs.{name}": value for name, value in settings.get("policy_kwargs", {}).items()}
    return {name: value for name, value in settings.items() if name != "policy_kwargs"} | inner


def defaults(table: str) -> dict[str, Any]:
    if table == "plain-ppo":
        return dataclasses.asdict(PPOSettings())
    signature = inspect.signature(ALGORITHMS[CLASSES[table]].__init__)
    values = {name: parameter.default for name, parameter in signature.parameters.items()}
    of_policy = inspect.signature(TQCPolicy.__init__).parameters["n_quantiles"].default
    return values | {"policy_kwargs.n_quantiles": of_policy}


@pytest.mark.parametrize("table", TABLES)
def test_every_setting_has_an_origin_and_defaults_are_those_of_the_class(table: str) -> None:
    content = HYPERPARAMETERS[table]
    settings, origin = flat(content["settings"]), content["origin"]
    assert settings.keys() == origin.keys()
    for name, where in origin.items():
        kind, *of_table = where.split()
        assert kind in ("default", "hand", "table", "search")
        if kind == "default":
            assert settings[name] == defaults(table)[name], name
        if kind == "table":
            assert settings[name] == flat(HYPERPARAMETERS[of_table[0]]["settings"])[name]
    searched = "search" in origin.values()
    assert content["found"] and searched == ("python -m experiments.benchmark.search" in content["found"])


def test_every_learner_has_its_hyper_parameters_from_the_file() -> None:
    declared = [table.get("settings") for table in HYPERPARAMETERS.values()]
    for agent in AGENTS.values():
        settings = getattr(agent, "settings", None)
        assert settings is None or isinstance(agent, OutsideAgent) or settings in declared
    assert AGENTS["plain-ppo"].settings == dataclasses.asdict(PPOSettings())  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SEARCHABLE)
def test_all_choices_of_the_search_are_arguments_of_the_agent(name: str) -> None:
    agent = SEARCHABLE[name]
    known = {field.name for field in dataclasses.fields(Sb3Agent)}
    known |= set(inspect.signature(ALGORITHMS[agent.algorithm].__init__).parameters)
    known |= set(inspect.signature(ALGORITHMS["PPO"].__init__).parameters)  # RecurrentPPO passes them on
    for setting, choices in agent.search.items():
        assert setting.partition(".")[0] in known and len(set(choices)) > 1
        changed = with_values(agent, {setting: choices[0]}), with_values(agent, {setting: choices[1]})
        assert changed[0] != changed[1]
