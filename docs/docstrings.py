"""Docstrings for autodoc: what Markdown and plain text leave out for reStructuredText is added."""

from __future__ import annotations

from typing import Any


def prepare(app: Any, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place; a handler of "autodoc-process-docstring"."""
    lines[:] = literal_blocks(without_sections(lines))


def without_sections(lines: list[str]) -> list[str]:
    """Return the lines before the first Markdown heading: the rest is on the pages of the environments."""
    first = next((i for i, line in enumerate(lines) if line.startswith("## ")), None)
    if first is None:
        return lines
    return [*lines[:first], "The pages of the environments have the rest of the specification.", ""]


def literal_blocks(lines: list[str]) -> list[str]:
    """Return the lines with "::" before every block that a blank line and four spaces set off: it is code."""
    result: list[str] = []
    last = ""  # line with text
    for line in lines:
        if line and result and not result[-1] and _indent(line) >= _indent(last) + 4:
            if not last.endswith("::"):
                result += [" " * _indent(last) + "::", ""]
        result.append(line)
        last = line or last
    return result


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
