"""Cells of a trial table: columns of a file as numbers, flags and names; what they cannot be is refused.

`savings_gym.trials` says what the columns mean. Every error names the file, the row and the column.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from savings_gym.arrays import Array, Floats
from savings_gym.files import read_table

SEPARATORS: Final = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
MISSING: Final = ("", "na", "n/a", "nan", "none", "<na>")  # cells without a value, in small letters
FLAGS: Final = {"true": 1.0, "false": 0.0}
LARGEST_TRIAL: Final = 2**53 - 1  # whole numbers up to here are exact as float64


@dataclass(frozen=True)
class FileColumn:
    """A column of a file.

    Attributes:
        file: The file.
        name: Name of the column in the file.
        cells: (n,) what stands in its cells, text or objects of Python.
    """

    file: Path
    name: str
    cells: Sequence[object]

    def numbers(self) -> Floats:
        """Return finite numbers, (n,); NaN for missing ones.

        Raises:
            ValueError: If a cell is not a number, or infinite.
        """
        numbers = np.full(len(self.cells), np.nan)
        for row, text in enumerate(self._texts()):
            if text.lower() not in MISSING:
                number = _as_float(text)
                if number is None:
                    raise self._refusal(row, "is not a number")
                if math.isinf(number):
                    raise self._refusal(row, "is not a finite number")
                numbers[row] = number
        return numbers

    def flags(self) -> Floats:
        """Return 0 and 1, (n,); NaN for missing ones.

        Raises:
            ValueError: If a cell is neither 0 or 1 nor True or False.
        """
        flags = np.full(len(self.cells), np.nan)
        for row, text in enumerate(self._texts()):
            if text.lower() not in MISSING:
                flag = FLAGS.get(text.lower(), _as_float(text))
                if flag not in (0.0, 1.0):
                    raise self._refusal(row, "is none of 0, 1, True and False")
                flags[row] = flag
        return flags

    def names(self) -> Array:
        """Return texts, (n,).

        Raises:
            ValueError: If one is missing.
        """
        names = self.names_or_empty()
        if (names == "").any():
            row = int(np.argmax(names == ""))
            if str(self.cells[row]).strip():
                raise self._refusal(row, "is a missing value, expected a name")
            raise ValueError(f"{self._place(row)}: the cell is empty")
        return names

    def names_or_empty(self) -> Array:
        """Return texts, (n,); empty ones for those that are missing."""
        return np.array(["" if text.lower() in MISSING else text for text in self._texts()])

    def trial_numbers(self) -> Array:
        """Return whole numbers, (n,).

        Raises:
            ValueError: If one is missing, is not whole, or is beyond `LARGEST_TRIAL` in magnitude.
        """
        numbers = self.numbers()
        for wrong, message in (
            (np.isnan(numbers) | (numbers != np.floor(numbers)), "is not a whole number"),
            (np.abs(numbers) > LARGEST_TRIAL, f"is beyond {LARGEST_TRIAL}, the largest number of a trial"),
        ):
            if wrong.any():
                raise self._refusal(int(np.argmax(wrong)), message)
        return numbers.astype(np.int64)

    def _texts(self) -> list[str]:
        return [str(cell).strip() for cell in self.cells]

    def _place(self, row: int) -> str:
        return f"{self.file}, row {row + 2}, column {self.name!r}"  # the first row is the heading

    def _refusal(self, row: int, message: str) -> ValueError:
        return ValueError(f"{self._place(row)}: {self.cells[row]!r} {message}")


def file_columns(file: Path) -> dict[str, FileColumn]:
    """Return the columns of a file by their names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of an unknown kind, not UTF-8, without rows, or not rectangular.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no file {str(file)!r}")
    if file.suffix == ".parquet":
        frame = read_table(file)
        if frame.empty:
            raise ValueError(f"{file} has no rows, expected at least one trial")
        return {str(name): FileColumn(file, str(name), frame[name].tolist()) for name in frame.columns}
    if file.suffix not in SEPARATORS:
        raise ValueError(f"{file} is of an unknown kind; choose from: {', '.join(SEPARATORS)}, .parquet")
    try:
        stream = io.StringIO(_text(file), newline="")
        rows = [row for row in csv.reader(stream, delimiter=SEPARATORS[file.suffix]) if row]
    except csv.Error as error:
        raise ValueError(f"{file} is not a table: {error}") from None
    if len(rows) < 2:
        raise ValueError(f"{file} has {len(rows)} rows, expected a heading and at least one trial")
    heading = [name.strip() for name in rows[0]]
    if len(set(heading)) < len(heading):
        raise ValueError(f"{file} has a column name twice: {', '.join(heading)}")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(heading):
            raise ValueError(f"{file}, row {number}: {len(row)} cells, expected {len(heading)}")
    columns = zip(heading, zip(*rows[1:], strict=True), strict=True)
    return {name: FileColumn(file, name, cells) for name, cells in columns}


def _text(file: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{file}, row {row}: the byte {error.object[error.start]:#04x} is not UTF-8; save the table with "
            "this encoding"
        ) from None


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
