"""Where the packaged files are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """Path of an asset.

    Args:
        name: file name inside ``assets/``, for example ``"arm26.xml"``.

    Raises:
        FileNotFoundError: when no such asset is installed; the message lists those that are.
    """
    folders = [folder for folder in (_HERE / "assets", _HERE.parent / "assets") if folder.is_dir()]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    known = sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())
    raise FileNotFoundError(f"no asset {name!r}; installed assets: {', '.join(known) or 'none'}")
