"""The folder in which a command writes a page and, beside it, the numbers of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PAGE: Final = "README.md"


def check_out(out: Path, numbers: str) -> None:
    """Refuse a folder whose page is of something else, such as a clone of this repository.

    Args:
        out: The value of ``--out``.
        numbers: Name of the file with the numbers, which is written before the page.

    Raises:
        FileExistsError: If it is a file, or has a page without such numbers.
    """
    if out.is_file():
        raise FileExistsError(f"--out {out} is a file, expected a folder")
    if (out / PAGE).exists() and not (out / numbers).exists():
        raise FileExistsError(
            f"--out {out} has a {PAGE} but no {numbers}: a page of something else; choose another folder"
        )
