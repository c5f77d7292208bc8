"""The tables of the documentation are the code's, and its pages are filled from the repository."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import savings_gym
from experiments.figures.command import PRESETS as FIGURE_PRESETS
from experiments.figures.command import Figures
from experiments.runs.command_line import preset_main
from savings_gym import (
    BCI_ENV_IDS,
    ENV_IDS,
    PROTOCOLS,
    BCIReachEnv,
    Field,
    ReachEnv,
    ReachVectorEnv,
    VisualPerturbation,
)
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS
from savings_gym.metrics.statistics import INTERVALS
from savings_gym.perturbations.modified import ModifiedField
from savings_gym.task.observation import observation_layout
from savings_gym.task.session import SESSIONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import blocks  # noqa: E402
import docstrings  # noqa: E402

PAGES = blocks.Pages(DOCS)


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def filled(page: str) -> str:
    return PAGES.filled(text_of(page), f"docs/{page}")


def table(text: str, first: str) -> list[list[str]]:
    """Rows of the table whose heading begins like this."""
    lines = text[text.index(f"| {first}") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def field_of(name: str) -> Field:
    arguments = {
        "CurlField": (8.0,),
        "ViscousField": ([[-1.0, 0.0], [0.0, -1.0]],),
        "ElasticField": (5.0,),
        "ConstantField": ((1.0, 2.0),),
        "PositionField": (5.0,),
        "AssistiveField": (5.0, 1.0),
        "ErrorAugmentation": (5.0,),
    }
    return getattr(savings_gym, name)(*arguments.get(name, ()))


def exported(base: type) -> set[str]:
    """Names of the public subclasses of a class."""
    public = {name: getattr(savings_gym, name) for name in savings_gym.__all__}
    return {
        name for name, value in public.items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }  # fmt: skip


VISUAL, MODIFIED = exported(VisualPerturbation), exported(ModifiedField)
FIELDS = exported(Field) - VISUAL - MODIFIED - {"SumField", "VisualPerturbation"}


def environment_pages() -> dict[str, str]:
    pages = [page for page in (DOCS / "environments").glob("*.md") if page.name != "index.md"]
    return {page.read_text().split("\n")[0].removeprefix("# "): f"environments/{page.name}" for page in pages}


def test_every_environment_has_a_page_and_a_picture() -> None:
    assert set(environment_pages()) == set(ENV_IDS)
    assert {path.stem for path in (DOCS / "environments/films").glob("*.gif")} == set(ENV_IDS)
    assert {row[0].strip("`") for row in table(filled("environments/index.md"), "id")} == set(ENV_IDS)
    listed = {row[1].strip("`") for row in table(text_of("environments/index.md"), "page")}
    assert listed == {*ENV_IDS, *BCI_ENV_IDS}


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_the_page_of_an_environment_tabulates_its_spaces(env_id: str) -> None:
    text, env = filled(environment_pages()[env_id]), gym.make(env_id).unwrapped
    layout = observation_layout(env.settings.actuation)
    for heading, space in (("Action", env.action_space), ("Observation", env.observation_space)):
        rows = table(text, f"Num | {heading}")
        assert [int(row[0]) for row in rows] == list(range(space.shape[0]))
        assert np.allclose(
            [[float(cell) for cell in row[2:4]] for row in rows], np.transpose([space.low, space.high])
        )
        assert (
            f"`Box({blocks._bound(space.low)}, {blocks._bound(space.high)}, {space.shape}, float32)`" in text
        )
    names = [row[1] for row in table(text, "Num | Observation")]
    for group, place in layout.items():
        words = {"muscle": "fibre", "go": "go", "hand": "hand", "target": "target", "joint": "joint"}
        assert all(name.startswith(words[group.split("_")[0]]) for name in names[place]), group
    assert "v0: first version" in text and blocks.force_of(env_id) in text
    for name in inspect.signature(type(env).__init__).parameters:
        assert name == "self" or f"* `{name}`" in text


def test_the_page_of_the_cursor_tabulates_its_spaces_and_arguments() -> None:
    text, env = filled("bci.md"), gym.make("BCIReach-v0").unwrapped
    rows = table(text, "Num | Observation")
    bounds = [[float(cell) for cell in row[2:4]] for row in rows]
    assert np.allclose(bounds, np.transpose([env.observation_space.low, env.observation_space.high]))
    assert "`Box(-1, 1, (90,), float32)`" in text and "population vector of 90 units" in text
    info = env.reset(seed=0)[1]
    assert all(f'"{name}"' in text for name in info if not name.startswith("reward_"))
    assert all(f"* `{name}`" in text for name in inspect.signature(BCIReachEnv).parameters)


def test_the_arguments_are_those_of_the_constructors() -> None:
    rows = table(filled("environments/index.md"), "argument")
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    single, vector = (set(inspect.signature(cls).parameters) for cls in (ReachEnv, ReachVectorEnv))
    assert sorted(named) == sorted(single) and single < vector
    arguments = blocks.markdown_section(inspect.cleandoc(ReachEnv.__doc__ or ""), "Arguments", "ReachEnv")
    assert sorted(re.findall(r"^\* `(\w+)`", arguments, re.MULTILINE)) == sorted(single)


def test_the_page_of_sessions_tabulates_the_named_ones() -> None:
    rows = table(filled("environments/reach_session.md"), "`session`")
    assert [row[0].strip('"') for row in rows] == list(SESSIONS)
    for row, make in zip(rows, SESSIONS.values(), strict=True):
        assert [part.split()[0] for part in row[1].split(", ")] == list(make().names)
        assert row[2] == ", ".join(str(block.trials) for block in make().blocks)
    info = gym.make("ReachSession-v0").reset(seed=0)[1]
    text = filled("environments/reach_session.md")
    assert all(f'"{name}"' in text for name in info if not name.startswith("reward_"))


def test_the_tables_of_fields_are_the_fields() -> None:
    text = filled("fields.md")
    described, terms = (table(text, f"field | {second}") for second in ("force on the hand", "$B$"))
    for rows in (described, terms):
        assert {match[1] for row in rows if (match := re.match(r"`(\w+)\(", row[0]))} == FIELDS
    start, target = np.zeros((1, 2)), np.ones((1, 2))
    for row in terms:
        present = {
            name for name, cell in zip(("B", "K", "x0", "c"), row[1:], strict=True) if cell not in "0-"
        }
        assert present == set(field_of(row[0].split("(")[0].strip("`")).terms(start, target)), row[0]


def test_the_tables_of_perturbations_are_the_perturbations() -> None:
    text = filled("perturbations.md")
    for first, names in (("visual perturbation", VISUAL), ("change", {*MODIFIED, "Phase"})):
        rows = table(text, first)
        assert {match[1] for row in rows if (match := re.match(r"`(\w+)\(", row[0]))} == names
    assert [row[0].strip('`"') for row in table(text, "protocol")] == list(PROTOCOLS)


def test_the_measures_are_all_there() -> None:
    text = text_of("measures.md")
    assert {row[0].replace(" ", "_") for row in table(text, "measure | formula")} == set(KINEMATIC_COLUMNS)
    assert len(table(text, "statistic")) == len(INTERVALS)


def test_every_figure_has_its_command() -> None:
    from experiments.figures.captions import QUESTIONS
    from experiments.figures.command import FIGURES

    rows = table(text_of("reproduce.md"), "figure")
    assert [row[0] for row in rows] == list(FIGURES)
    assert {row[0]: row[1] for row in rows} == QUESTIONS
    for name, _, command in rows:
        assert figures_of(command).figures == [name]


def test_the_command_of_the_figure_of_factors_runs_every_factor() -> None:
    from experiments.controls.conditions import FACTOR, chosen, conditions
    from experiments.savings.config import PRESETS

    rows = table(text_of("reproduce.md"), "figure")
    (config,) = (figures_of(command) for name, _, command in rows if name == "factors")
    every = conditions(PRESETS[config.preset])
    factors = {name for name, condition in every.items() if condition.control == FACTOR}
    assert factors and {*factors, "motor", "sham"} <= set(chosen(every, config.controls))


def figures_of(command: str) -> Figures:
    """The arguments of a command of `experiments.figures`."""
    module, *arguments = command.strip("`").removeprefix("python -m ").split()
    assert module == "experiments.figures"
    parsed: list[Figures] = []

    def keep(config: Figures) -> int:
        parsed.append(config)
        return 0

    assert preset_main(module, FIGURE_PRESETS, "quick", keep, arguments, "") == 0
    return parsed[0]


def test_the_reference_has_every_public_name() -> None:
    text = "".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    missing = [
        name for name in savings_gym.__all__ if not re.search(rf":: savings_gym\.{name}$", text, re.MULTILINE)
    ]
    assert not missing


def test_a_block_that_names_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no section 'Fleids'; its sections are .*'Fields'"):
        PAGES.filled("```{repository} savings_gym/README.md\n:section: Fleids\n```\n", "docs/fields.md")
    with pytest.raises(gym.error.Error):
        PAGES.filled("```{environment} ForceFeildReach-v0\n```\n", "docs/fields.md")


def test_links_lead_to_pages_pictures_or_the_repository() -> None:
    text = "[a](../agents/README.md#x) ![p](../experiments/p.png) [l](../LICENSE) [w](https://w) [s](#s)\n"
    code = "```python\nf[0](../LICENSE)\n```\n"
    here = PAGES.filled(text + code, "docs/fields.md")
    assert here == "[a](agents.md#x) ![p](../experiments/p.png) l [w](https://w) [s](#s)\n" + code
    known = blocks.Pages(DOCS, "owner/name")
    assert (
        known.filled("[l](../../LICENSE)", "docs/api/x.md")
        == "[l](https://github.com/owner/name/blob/main/LICENSE)"
    )
    notebook = "```{colab} docs/notebooks/first_reach.ipynb\n```"
    assert "github/owner/name/blob/main/docs/notebooks/" in known.filled(notebook, "docs/x.md")
    assert PAGES.filled(notebook, "docs/x.md") == ""


def test_indented_blocks_of_docstrings_become_code() -> None:
    lines = ["Do:", "", "    x = 1", "", "    y = 2", "", "Args:", "    x: One."]
    assert docstrings.literal_blocks(lines) == ["Do:", "", "::", "", *lines[2:]]
