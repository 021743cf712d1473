"""Files that people bring, read with care: nothing in them is run, nothing large is allocated.

A ``.csv`` becomes a table, an ``.npy`` of two axes too, with its last column to be learned; an
``.npz`` holds ``x`` and ``y``. Every refusal says what is wrong and what would be right.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from layerscope_explorer.data import MOST_AXES, MOST_VALUES
from layerscope_explorer.limits import (
    MAX_DATA_BYTES,
    MAX_DATA_COLUMNS,
    MAX_DATA_ROWS,
    MAX_DATA_VALUES,
)
from layerscope_explorer.own_data import Column, OwnFile, Pair, Table
from layerscope_explorer.strings import text

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
_SEPARATORS = ",;\t|"
#: Names that inputs and targets have in an ``.npz`` file.
_INPUT_NAMES, _TARGET_NAMES = ("x", "x_train", "inputs"), ("y", "y_train", "targets", "labels")
_LONGEST_NAME = 60


def read_file(name: str, content: bytes) -> OwnFile:
    """Return what a file holds.

    Raises
    ------
    ValueError
        If it cannot be used, in words.
    """
    name = name.replace("\\", "/").rpartition("/")[2][-_LONGEST_NAME:]
    if len(content) > MAX_DATA_BYTES:
        raise ValueError(text("own.too_large", name=name, limit=MAX_DATA_BYTES // 1_000_000))
    if not content:
        raise ValueError(text("own.empty", name=name))
    digest = sha256(content).hexdigest()
    ending = name.rpartition(".")[2].lower()
    if ending == "npy":
        array = _npy(name, io.BytesIO(content), len(content))
        return _table_of(name, digest, array)
    if ending == "npz":
        return _npz(name, digest, content)
    if ending in ("csv", "tsv", "txt"):
        return _csv(name, digest, content)
    raise ValueError(text("own.ending", name=name))


# --- text ---------------------------------------------------------------------------------------


def _csv(name: str, digest: str, content: bytes) -> Table:
    source = _decoded(name, content)
    if source.count("\n") > MAX_DATA_ROWS + 1:
        raise ValueError(text("own.many_rows", name=name, limit=f"{MAX_DATA_ROWS:,}"))
    first = next((line for line in source.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    if first.count(separator) >= MAX_DATA_COLUMNS:
        raise ValueError(text("own.many_columns", name=name, limit=MAX_DATA_COLUMNS))
    try:
        rows = list(_rows(source, separator))
    except csv.Error as error:
        raise ValueError(text("own.broken", name=name, reason=error)) from None
    if not rows:
        raise ValueError(text("own.empty", name=name))
    uneven = next((at for at, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if uneven is not None:
        raise ValueError(
            text("own.uneven", name=name, row=uneven + 1, have=len(rows[uneven]), want=len(rows[0]))
        )
    comma = separator == ";"
    heading = [f"column {number + 1}" for number in range(len(rows[0]))]
    if all(_number(word, comma) is None and word for word in rows[0]):
        heading, rows = _distinct(rows[0]), rows[1:]
    columns = zip(*rows, strict=True) if rows else [()] * len(heading)
    found = [_column(one, words, comma) for one, words in zip(heading, columns, strict=True)]
    return Table(name, digest, tuple(found))


def _decoded(name: str, content: bytes) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        source = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(text("own.encoding", name=name)) from None
    if "\0" in source:
        raise ValueError(text("own.encoding", name=name))
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _rows(source: str, separator: str) -> Iterator[list[str]]:
    for row in csv.reader(io.StringIO(source, newline=""), delimiter=separator):
        if any(word.strip() for word in row):
            yield [word.strip() for word in row]


def _distinct(names: Sequence[str]) -> list[str]:
    """Return headings that are short, and different."""
    found: list[str] = []
    for name in names:
        short, number = name[:_LONGEST_NAME], 2
        while short in found:
            short = f"{name[:_LONGEST_NAME]} {number}"
            number += 1
        found.append(short)
    return found


def _number(word: str, comma: bool) -> float | None:
    """Return a word as a number; NaN where it says that there is none, None if it is a word."""
    if word.lower() in _MISSING:
        return math.nan
    try:
        # Where columns are separated by semicolons, decimals often are by commas.
        return float(word.replace(",", ".") if comma else word)
    except ValueError:
        return None


def _column(name: str, words: Sequence[str], comma: bool) -> Column:
    numbers = [_number(word, comma) for word in words]
    known = [one for one in numbers if one is not None]
    # One word among many numbers is a value that is missing, many words are a column of words.
    if len(numbers) - len(known) > 0.02 * len(numbers) or all(map(math.isnan, known)):
        return Column(name, None, ["" if word.lower() in _MISSING else word for word in words])
    values = np.array([math.nan if one is None else one for one in numbers])
    # Larger ones would not be finite as float32, nor would their squares.
    values[np.abs(values) > 1e15] = math.nan
    return Column(name, values, words)


# --- arrays -------------------------------------------------------------------------------------


def _npy(name: str, stream: IO[bytes], length: int) -> np.ndarray:
    """Return an array of numbers, having compared what its header says with what there is."""
    try:
        version = npy_format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = npy_format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = npy_format.read_array_header_2_0(stream)
        else:
            raise ValueError(f"version {version}")
    except Exception as error:  # Whatever a damaged header makes its reader say.
        raise ValueError(text("own.broken", name=name, reason=_short(error))) from None
    if dtype.kind not in "biuf":
        raise ValueError(text("own.not_numbers", name=name, dtype=_short(dtype)))
    size = math.prod(shape)
    if size * dtype.itemsize > length or min(shape, default=1) < 0:
        raise ValueError(text("own.broken", name=name, reason=f"shape {_short(shape)}"))
    if size > MAX_DATA_VALUES:
        raise ValueError(text("own.many_values", name=name, limit=f"{MAX_DATA_VALUES:,}"))
    data = stream.read(size * dtype.itemsize)
    if len(data) < size * dtype.itemsize:
        raise ValueError(text("own.broken", name=name, reason=f"shape {_short(shape)}"))
    array = np.frombuffer(data, dtype, size).reshape(shape, order="F" if fortran else "C")
    if array.ndim == 0 or not array.size:
        raise ValueError(text("own.empty", name=name))
    if len(array) > MAX_DATA_ROWS:
        raise ValueError(text("own.many_rows", name=name, limit=f"{MAX_DATA_ROWS:,}"))
    with np.errstate(all="ignore"):
        values = array.astype(np.float64)
        return np.where(np.abs(values) <= 1e15, values, math.nan)


def _table_of(name: str, digest: str, array: np.ndarray) -> Table:
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError(text("own.not_table", name=name, shape=_short(array.shape)))
    if array.shape[1] > MAX_DATA_COLUMNS:
        raise ValueError(text("own.many_columns", name=name, limit=MAX_DATA_COLUMNS))
    columns = [
        Column(f"column {number + 1}", values, [f"{one:g}" for one in values])
        for number, values in enumerate(np.ascontiguousarray(array.T))
    ]
    return Table(name, digest, tuple(columns))


def _npz(name: str, digest: str, content: bytes) -> Pair:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()[:64]}
            found = [_named(members, names) for names in (_INPUT_NAMES, _TARGET_NAMES)]
            if None in found:
                raise ValueError(text("own.no_pair", name=name, have=_short(list(members))))
            arrays = []
            for one in filter(None, found):
                # A small archive can unpack to a very large one; of this no more is read than fits.
                with archive.open(one) as stream:
                    arrays.append(_npy(name, stream, one.file_size))
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(text("own.broken", name=name, reason=_short(error))) from None
    x, y = arrays
    if len(x) != len(y) or y.ndim > 2:
        raise ValueError(text("own.unlike", name=name, x=_short(x.shape), y=_short(y.shape)))
    if x.ndim - 1 > MOST_AXES or math.prod(x.shape[1:]) > MOST_VALUES:
        raise ValueError(text("own.large_input", name=name, shape=_short(x.shape[1:])))
    return Pair(name, digest, x, y)


def _named(members: dict[str, zipfile.ZipInfo], names: Sequence[str]) -> zipfile.ZipInfo | None:
    lower = {name.lower(): one for name, one in members.items()}
    return next((lower[name] for name in names if name in lower), None)


def _short(value: object) -> str:
    """Return a value in few words: what is in a file may be very long."""
    words = str(value).replace("\n", " ")
    return words if len(words) <= 120 else f"{words[:119]}…"
