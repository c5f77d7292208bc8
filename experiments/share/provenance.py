"""Where shared files come from: author, licence, and a link to the code that made them."""

from __future__ import annotations

import re
import subprocess
from typing import Final

from savings_gym.files import versions
from savings_gym.files.versions import CHECKOUT

AUTHOR: Final = "savings_gym contributors"
LICENCE: Final = "mit"
STUDY: Final = "https://doi.org/10.7554/eLife.107423"


def code_link() -> str:
    """Return a link to the commit of this checkout, or its version and commit if it has no address.

    The address is that of git's remote "origin", without user names and passwords.
    """
    used = versions()
    commit = used.get("commit", "").removesuffix("-dirty")
    address = _web_address(_remote())
    if address and commit:
        return f"{address}/tree/{commit}"
    return f"savings_gym {used['savings_gym']}" + (f", commit {commit}" if commit else "")


def _remote() -> str:
    """Return the address of the remote "origin", "" if there is none."""
    command = ["git", "-C", str(CHECKOUT), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _web_address(remote: str) -> str:
    """Return the https address of a remote, "" for one that is no place on the web.

    >>> _web_address("git@github.com:someone/savings_gym.git")
    'https://github.com/someone/savings_gym'
    """
    found = re.fullmatch(
        r"(?:https?://|ssh://)?(?:[^@/\s]+@)?([\w-]+(?:\.[\w-]+)+)(?::\d+)?[:/]([\w./-]+?)(?:\.git)?/?",
        remote,
    )
    return f"https://{found[1]}/{found[2]}" if found else ""
