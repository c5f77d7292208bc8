"""READMEs and documentation keep their promises: code runs when pasted, names exist, links lead somewhere."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import savings_gym
from savings_gym.metrics.statistics import mean_interval

ROOT = Path(__file__).parents[1]
README, *_ = READMES = [
    ROOT / folder / "README.md" for folder in (".", "savings_gym", "agents", "experiments")
]
PAGES = (*READMES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
TEXT = "\n".join(TEXTS.values())
MOST_LINES = 150
FAILURE = re.compile(r"Traceback \(most recent|(Syntax|Indentation|Tab)Error")
QUICK = re.compile(r"--preset[ =]smoke|--help|^python -c")  # commands that take seconds
END = "<end of a block>"
PAGE = "<start of a page>"
EVERY_CLONE_HAS = ("agents", "assets", "experiments", "savings_gym")


def blocks(languages: str) -> list[str]:
    """Code blocks of these languages, in order."""
    return [block for text in TEXTS.values() for block in code_of(text, languages)]


def code_of(text: str, languages: str) -> list[str]:
    """Code blocks of a page."""
    return re.findall(rf"^```(?:{languages})\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def outputs_of(text: str) -> list[str]:
    """What a page says that each of its Python blocks prints, empty for those of which it says nothing."""
    return re.findall(r"^```python\n.*?^```\n+(?:```text\n(.*?)^```)?", text, re.DOTALL | re.MULTILINE)


def assert_alike(printed: str, promised: str) -> None:
    """Compare words, and numbers to 1.5 of their last digit, which other machines may round otherwise."""
    words, numbers = re.compile(r"[^\s\d.-]+"), re.compile(r"-?\d+(?:\.\d+)?")
    assert words.findall(printed) == words.findall(promised)
    for ours, theirs in zip(numbers.findall(printed), numbers.findall(promised), strict=True):
        last_digit = 10.0 ** -len(theirs.partition(".")[2])
        assert float(ours) == pytest.approx(float(theirs), abs=1.5 * last_digit)


def shell_lines() -> list[str]:
    """Commands of all shell blocks, without comments, continued lines joined."""
    lines = "\n".join(blocks("bash|sh|shell|console")).replace("\\\n", " ").splitlines()
    words = (shlex.split(line.removeprefix("$ "), comments=True) for line in lines)
    return [shlex.join(command) for command in words if command]


def module_commands() -> list[tuple[str, str]]:
    """Every ``python -m MODULE ARGUMENTS`` of the pages, in blocks and in running text."""
    return re.findall(r"python -m ([\w.]+)([^`\n#]*)", TEXT)


WITH_CODE = [page for page in PAGES if code_of(TEXTS[page], "python")]


def clone_into(folder: Path) -> Path:
    """Make a folder like a fresh clone, with the code and nothing that was run in it; return it."""
    for name in EVERY_CLONE_HAS:
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder like a fresh clone."""
    return clone_into(tmp_path)


def paste(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Type code at Python's prompt, started in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSTARTUP"}
    return subprocess.run(
        [sys.executable, "-i", "-q"],
        input=code + "\n",
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@cache
def help_text(module: str) -> str:
    """What ``python -m MODULE --help`` prints; our commands do it in this process, which has loaded torch."""
    if module.startswith(("experiments.", "savings_gym.")) and not module.startswith("experiments.examples."):
        found = importlib.import_module(module)
        command = importlib.import_module(f"{module}.__main__") if hasattr(found, "__path__") else found
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
            patch.setenv("COLUMNS", "200")
            with pytest.raises(SystemExit) as end:
                command.main(["--help"])
        assert end.value.code in (None, 0)
        return printed.getvalue()
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_is_short() -> None:
    assert len(TEXTS[README].splitlines()) <= MOST_LINES


@pytest.fixture(scope="module")
def pasted(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[list[str], str]]:
    """What the blocks of every page print, block by block, and what the page's blocks write to stderr.

    All are pasted at one prompt, since imports take most of their time; every page has a clone of its own.
    """
    typed = ["import os, sys"]
    for page in WITH_CODE:
        folder = clone_into(tmp_path_factory.mktemp("clone"))
        typed.append(f"os.chdir({str(folder)!r})\nprint({PAGE!r}, file=sys.stderr)\nprint({PAGE!r})")
        typed += [f"{code}\nprint({END!r})" for code in code_of(TEXTS[page], "python")]
    done = paste("\n".join(typed), folder)
    (_, *shown), (_, *written) = done.stdout.split(PAGE), done.stderr.split(PAGE)
    return {
        page: (its.split(END)[:-1], errors)
        for page, its, errors in zip(WITH_CODE, shown, written, strict=True)
    }


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_runs_when_pasted_at_the_prompt(page: Path, pasted: dict[Path, tuple[list[str], str]]) -> None:
    shown, errors = pasted[page]
    assert not FAILURE.search(errors), errors
    assert len(shown) == len(code_of(TEXTS[page], "python"))
    assert all(its.strip() and "None" not in its for its in shown), "a reader expects to see numbers"
    for printed, promised in zip(shown, outputs_of(TEXTS[page]), strict=True):
        if promised:
            assert_alike(printed, promised)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_block_needs_no_name_of_another(page: Path) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--select", "F821", "-"]
    for code in code_of(TEXTS[page], "python"):
        done = subprocess.run(ruff, input=code, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_pasting_notices_a_loop_without_a_blank_line_after_it(tmp_path: Path) -> None:
    loop = "for number in range(2):\n    print(number)\n"
    assert FAILURE.search(paste(loop + "print('end')\n", tmp_path).stderr)
    assert not FAILURE.search(paste(loop + "\nprint('end')\n", tmp_path).stderr)
    assert FAILURE.search(paste("1 / 0\n", tmp_path).stderr)


def quick_commands() -> list[str]:
    return [command for command in shell_lines() if QUICK.search(command)]


def test_some_commands_are_quick() -> None:
    assert len(quick_commands()) >= 3


@pytest.mark.parametrize("command", quick_commands())
def test_quick_commands_run(command: str, clone: Path) -> None:
    here = command.replace("python ", f"{shlex.quote(sys.executable)} ", 1)
    done = subprocess.run(here, shell=True, cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", sorted({module for module, _ in module_commands()}))
def test_commands_know_their_options_and_presets(module: str) -> None:
    for name, arguments in module_commands():
        if name == module:
            for option in re.findall(r"--[\w.-]+", arguments):
                assert re.search(rf"(?<![\w-]){option}(?![\w.-])", help_text(module)), option
            for preset in re.findall(r"--preset[ =](\w+)", arguments):
                assert re.search(rf"\b{preset}\b", help_text(module)), preset
            for names in re.findall(r"--only ((?:[a-z-]+ ?)+)", arguments):
                assert all(re.search(rf"(?<![\w-]){name}", help_text(module)) for name in names.split()), (
                    names
                )


def test_make_targets_exist() -> None:
    targets = {line.split()[1] for line in shell_lines() if line.startswith("make ")}
    targets |= set(re.findall(r"`make (\w+)", TEXT))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_extras_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        name
        for names in re.findall(r"(?:savings_gym|['\"]\.)\[([\w,]+)\]", TEXT)
        for name in names.split(",")
    }
    assert named <= set(project["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    text = TEXTS[page]
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue  # the web
        if workflow := re.fullmatch(r"\.\./\.\./actions/workflows/([\w.-]+)(/badge\.svg)?", path):
            assert (ROOT / ".github/workflows" / workflow[1]).is_file(), (
                link
            )  # relative to the page on GitHub
        elif path:
            assert (page.parent / path).exists(), link
        else:
            assert anchor in anchors, link


def test_the_table_of_measures_names_what_exists() -> None:
    table = TEXT[TEXT.index("| measure | what it is |") :].split("\n\n")[0]
    names = re.findall(r"^\| `([\w.]+)\.(\w+)`", table, re.MULTILINE)
    assert len(names) >= 10
    for module, name in names:
        assert callable(getattr(importlib.import_module(f"savings_gym.{module}"), name)), name


def test_the_tree_of_contributing_names_every_room() -> None:
    tree = re.search(r"^```\n(assets/.*?)^```", TEXTS[ROOT / "CONTRIBUTING.md"], re.DOTALL | re.MULTILINE)[1]
    named = {
        name
        for line in tree.splitlines()
        for name in re.findall(r"\w+", re.split(r"\s{2,}", line.strip())[0])
    }
    for layer in ("savings_gym", "agents", "experiments"):
        assert {path.parent.name for path in (ROOT / layer).glob("*/__init__.py")} <= named, layer
    assert {path.stem for path in (ROOT / "experiments").glob("[a-z]*.py")} <= named


BEYOND = "initial savings, against equal practice without a field in FF1"


def test_the_results_of_the_readme_are_the_committed_ones() -> None:
    folder = ROOT / "experiments" / "results"
    figures = "learning practice controls size preparatory behaviour displacement factors"
    found = {
        entry["name"]: entry
        for figure in figures.split()
        for entry in json.loads((folder / "figures" / f"{figure}.json").read_text())["quantities"]
    }
    rows = {
        "initial deviation FF1": ("{:.1f} mm", 1),
        "initial savings, FF1 - FF2": ("{:.2f} mm", 1),
        "initial savings beyond practice, 128 units": ("{:.2f} mm", 1),
        "rate savings, FF2 / FF1": ("{:.2f}", 1),
        "after-effect, start of NF2": ("{:.1f} mm", 1),
        "preparatory shift in NF2 (NF1 = 0, FF1 = 1)": ("{:.3f}", 1),
        "shift in NF2 beyond the sham": ("{:.3f}", 1),
        "displacement slope": ("{:.2f} mm", 1),
    }
    sentences = {
        "sham: initial savings, against the first encounter with the field": ("{:.2f} mm", -1),
        f"opposite: {BEYOND}": ("{:.2f} mm", 1),
        f"mirror: {BEYOND}": ("{:.2f} mm", 1),
        f"other-field: {BEYOND}": ("{:.2f} mm", 1),
        "double: initial savings beyond practice": ("{:.2f} mm", 1),
        "washout-short: initial savings beyond practice": ("{:.2f} mm", 1),
        "motor: initial savings beyond practice": ("{:.2f} mm", 1),
        "initial savings beyond practice, 32 units": ("{:.2f} mm", 1),
        "initial savings beyond practice, 64 units": ("{:.2f} mm", 1),
        "remainder of a displacement when go is seen, shift": ("{:.0f} %", 1),
        "displacement slope, displaced at 0.51 s": ("{:.2f} mm", -1),
    }
    text = " ".join(TEXTS[README].replace("−", "-").split())
    for (name, (form, sign)), between in [
        *((entry, ("| {} | {} to {} |",)) for entry in rows.items()),
        *((entry, ("{} ({} to {})", "{} ({} to {}; 8", "{}, {} to {}")) for entry in sentences.items()),
    ]:
        number, value, ends = form.split()[0], sign * found[name]["value"], found[name]["ci"]
        low, high = (number.format(end) for end in sorted(sign * end for end in ends))
        assert any(way.format(form.format(value), low, high) in text for way in between), name
    verdicts = Counter(
        row["verdict"] for row in json.loads((folder / "figures" / "reference.json").read_text())["rows"]
    )
    testable = sum(verdicts.values()) - verdicts["not testable"]
    assert (
        not verdicts["agrees"]
        and (
            f"{verdicts['differs']} of the {testable} numbers that can be tested differ, "
            f"{verdicts['undecided']} are undecided and none agrees"
        )
        in text
    )
    page = (ROOT / "experiments" / "RESULTS.md").read_text()
    wide = re.search(r"For (\d+) of all numbers our interval is wider than the margin", page)[1]
    assert f"; {wide} could not have agreed, since our interval is wider than the margin" in text
    slopes = np.array(found["displacement slope"]["values"])
    others = np.delete(slopes, np.argmin(slopes))
    inner = mean_interval(others)
    assert f"in {np.sum(slopes < 0)} of {slopes.size} networks" in text
    size, low, high = (f"{-value:.2f}" for value in (others.mean(), inner[1], inner[0]))
    assert f"({size} mm, {low} to {high}, without one outlying network)" in text
    sums = [found["preparatory shift in NF2 (NF1 = 0, FF1 = 1)"]["value"], 0.1825]
    effects = [-found["displacement slope, displaced at 0.51 s"]["value"], 0.44]
    ours, theirs = (f"{left * effect:.2f}" for left, effect in zip(sums, effects, strict=True))
    assert f"that is {ours} mm of savings, in the study's own numbers {theirs} of 0.9 mm" in text
    assert f"0.18 × 0.44 = {theirs} mm of 0.9 mm" in page


def test_environments_and_fields_exist() -> None:
    assert set(re.findall(r"\b\w*Reach\w*-v\d+", TEXT)) <= {*savings_gym.ENV_IDS, *savings_gym.BCI_ENV_IDS}
    assert set(re.findall(r"\b([A-Z]\w*Field)\(", TEXT)) <= set(savings_gym.__all__)
