"""JSON files and tables."""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from savings_gym.files.manifest import verified, write_atomically

if TYPE_CHECKING:
    import pandas as pd

ROW_GROUP: Final = 1_000_000  # rows; fixed, so that equal rows give equal bytes


def check_writable(path: Path) -> None:
    """Raise an OSError before any work is done if a file cannot be created; its folder is, if missing."""
    if path.parent.is_file():
        raise NotADirectoryError(f"{path.parent} is a file, expected a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity are refused."""
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def jsonable(value: Any) -> Any:
    """Return a value with tuples as lists, and NaN and infinity as None, throughout."""
    if isinstance(value, dict):
        return {key: jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_table(path: Path, table: Mapping[str, Any]) -> None:
    """Write columns of equal length as a parquet file, atomically.

    Raises:
        ImportError: If pandas or pyarrow is missing; the message says how to install them.
    """
    check_tables()
    import pandas as pd  # takes a second to import

    buffer = io.BytesIO()
    frame = pd.DataFrame(dict(table))
    frame.to_parquet(buffer, index=False, compression="zstd", row_group_size=ROW_GROUP)
    write_atomically(path, buffer.getvalue())


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a parquet file as a data frame, checked against the manifest of its run.

    Args:
        path: The file.
        columns: Only these columns, which must be there.

    Raises:
        FileNotFoundError, ValueError: If it is missing, damaged, or not what the run wrote; it is named.
        ImportError: If pandas or pyarrow is missing.
    """
    check_tables()
    import pandas as pd

    if not verified(path).is_file():
        raise FileNotFoundError(
            f"no file {str(path)!r}: {str(path.parent)!r} is not the folder of a finished run"
        )
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except Exception as error:  # a damaged file makes pandas raise anything, such as a KeyError
        raise ValueError(f"{path} is not a whole parquet file: {error}") from error


def check_tables() -> None:
    """Raise the ImportError of `write_table` before any work is done."""
    missing = [name for name in ("pandas", "pyarrow") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"tables are written with pandas and pyarrow, but {' and '.join(missing)} cannot be found: "
            "pip install pandas pyarrow, or pip install 'savings_gym[experiments]'"
        )
