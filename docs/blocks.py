"""Blocks of a page that the build fills from the repository, so that nothing is written twice.

A page, in Markdown, may have three kinds of blocks:

    ```{repository} savings_gym/README.md
    :section: Fields
    ```

stands for a section of a Markdown file, without its heading, or without ``:section:`` for the whole file;

    ```{environment} ForceFieldReach-v0
    ```

stands for the specification of a registered environment, made from the docstring of `ReachEnv`, of
`ReachSessionEnv` for sessions, or of `BCIReachEnv`;

    ```{colab} docs/notebooks/first_reach.ipynb
    ```

stands for a link that opens a notebook in Colab, or for nothing if the address of the repository is unknown.

Links of the repository are kept: a link to a file that a page holds as a whole leads to that page, and a link
to any other file to the repository, if its address is known.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path, PurePosixPath

import gymnasium as gym
import numpy as np

from savings_gym import (
    BCI_ENV_IDS,
    BCIReachEnv,
    ReachEnv,
    ReachSessionEnv,
    Session,
    as_schedule,
    as_session,
)
from savings_gym.perturbations.fields import as_field

BLOCK = re.compile(r"^```\{(repository|environment|colab)\} (\S+)\n(?::section: (.+)\n)?```$", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
TORQUE = 'With `actuation="torque"`: '  # begins the second half of a section about a space


class Pages:
    """The pages of the site, and what fills them.

    Args:
        folder: Folder of the pages, in the root of the repository.
        repository: "owner/name" of the repository on GitHub; empty if unknown.
    """

    def __init__(self, folder: Path, repository: str = "") -> None:
        self.folder, self.root = folder, folder.parent
        self.address = f"https://github.com/{repository}/blob/main" if repository else ""
        self.colab = f"https://colab.research.google.com/github/{repository}/blob/main" if repository else ""
        self._page_of: dict[str, str] = {}  # file of the repository: page that holds it as a whole
        for page in sorted(folder.rglob("*.md")):
            for kind, name, section in BLOCK.findall(page.read_text(encoding="utf-8")):
                if kind == "repository" and not section:
                    self._page_of[name] = page.relative_to(self.root).as_posix()

    def fill(self, name: str, source: list[str]) -> None:
        """Fill the blocks of a page in place; a handler of "source-read"."""
        page = self.folder / f"{name}.md"
        if page.is_file():
            source[0] = self.filled(source[0], page.relative_to(self.root).as_posix())

    def filled(self, text: str, page: str) -> str:
        """Return the text of a page with its blocks filled and its links adapted.

        Args:
            text: Markdown of the page.
            page: Its path in the repository.

        Raises:
            ValueError: If a block names a section or an environment that there is not.
        """
        text = self._relink(text, page, page)
        return BLOCK.sub(lambda block: self._content(*block.groups(), page), text)

    def _content(self, kind: str, name: str, section: str | None, page: str) -> str:
        if kind == "environment":
            return environment_specification(name)
        if kind == "colab":
            return f"[Open in Colab]({self.colab}/{name})" if self.colab else ""
        text = (self.root / name).read_text(encoding="utf-8")
        if section is not None:
            text = markdown_section(text, section, name)
        return self._relink(text, name, page).strip()

    def _relink(self, text: str, source: str, page: str) -> str:
        """Return Markdown of a file with links as seen from a page, leaving code as it is."""
        parts = FENCE.split(text)
        parts[::2] = [LINK.sub(lambda link: self._link(*link.groups(), source, page), p) for p in parts[::2]]
        return "".join(parts)

    def _link(self, image: str, words: str, target: str, source: str, page: str) -> str:
        path, hash_, anchor = target.partition("#")
        if not path or re.match(r"\w+:", path):
            return f"{image}[{words}]({target})"
        absolute = os.path.normpath(PurePosixPath(source).parent / path)
        absolute = self._page_of.get(absolute, absolute)
        if image or PurePosixPath(absolute).parts[0] == self.folder.name:
            near = os.path.relpath(absolute, PurePosixPath(page).parent)
            return f"{image}[{words}]({near}{hash_}{anchor})"
        return f"[{words}]({self.address}/{absolute}{hash_}{anchor})" if self.address else words


def markdown_section(text: str, heading: str, name: str) -> str:
    """Return what stands under a heading of level 2, up to the next.

    Args:
        text: Markdown.
        heading: The words of the heading.
        name: Of the file, for the error.

    Raises:
        ValueError: If there is no such heading; it lists those that there are.
    """
    sections = _sections(text)
    if heading not in sections:
        raise ValueError(f"{name} has no section {heading!r}; its sections are {list(sections)}")
    return sections[heading]


def _sections(text: str) -> dict[str, str]:
    """Headings of level 2 to what stands under them."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return {heading: body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}


def environment_specification(env_id: str) -> str:
    """Return the specification of a registered environment, as Markdown with headings of level 2.

    Raises:
        gymnasium.error.Error: If there is no such environment.
    """
    spec = gym.spec(env_id)
    torque = spec.kwargs.get("actuation") == "torque"
    described = BCIReachEnv if env_id in BCI_ENV_IDS else ReachEnv
    sections = _sections(inspect.cleandoc(described.__doc__ or ""))
    if "session" in spec.kwargs:
        sections = _session_sections(sections)
    for name in ("Action space", "Observation space"):
        muscle, _, torques = sections[name].partition(f"\n\n{TORQUE}")
        sections[name] = torques if torque else muscle
    body = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in sections.items())
    return f"{_summary(env_id)}\n\n{body}"


def _session_sections(trial: dict[str, str]) -> dict[str, str]:
    """Return the sections of a session, then those of its trials, from those of a trial environment."""
    own = _sections(inspect.cleandoc(ReachSessionEnv.__doc__ or ""))
    items = re.split(r"^(?=\* `)", trial["Arguments"], flags=re.MULTILINE)
    shared = [item for item in items if not re.match(r"\* `(field|schedule|trial_cue)`", item)]
    own["Arguments"] = "\n".join([own["Arguments"], "".join(shared).strip()])
    return own | {name: text for name, text in trial.items() if name not in (*own, "End of a trial")}


def _summary(env_id: str) -> str:
    """A table of how to make an environment, of its spaces, and of its field or phases."""
    env = gym.make(env_id)
    spaces = {"Action space": env.action_space, "Observation space": env.observation_space}
    rows = {"Make": f'`gym.make("{env_id}")`, `gym.make_vec("{env_id}", num_envs=64)`'}
    for name, box in spaces.items():
        assert isinstance(box, gym.spaces.Box)
        rows[name] = f"`Box({_bound(box.low)}, {_bound(box.high)}, {box.shape}, {box.dtype})`"
    if env_id in BCI_ENV_IDS:
        rows["Decoder"] = f"population vector of {env.unwrapped.settings.units} units"
    else:
        rows["Force"] = force_of(env_id)
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _bound(values: np.ndarray) -> str:
    return f"{values[0]:g}" if (values == values[0]).all() else "..."


def force_of(env_id: str) -> str:
    """Return the field of a registered environment, or its phases, in words."""
    arguments = gym.spec(env_id).kwargs
    if "session" in arguments:
        return _session_in_words(as_session(arguments["session"]))
    schedule = as_schedule(arguments.get("schedule"))
    if schedule is None:
        field = as_field(arguments.get("field"))
        return "none" if field.is_null else f"`{field}`"
    phases = (
        f"{phase.name} {'no field' if phase.field.is_null else f'`{phase.field}`'}, {phase.trials} trials"
        for phase in schedule.phases
    )
    return "; ".join(phases)


def _session_in_words(session: Session) -> str:
    """Return the blocks of a session in words."""
    blocks = [
        f"{block.name} {block.field if isinstance(block.field, str) else 'no field'}, {block.trials} trials"
        for block in session.blocks
    ]
    return "; ".join([*blocks, f"A is one of {len(session.pairs)} fields"])
