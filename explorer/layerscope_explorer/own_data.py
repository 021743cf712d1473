"""A person's own data: files read as tables or arrays, made ready to learn from.

What is read stays with the session that loaded it. A document names it by a digest of its bytes, so
that undo finds it again, and a stack opened elsewhere says which file it was made with.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy as np

from layerscope_explorer.strings import text

#: Rows that can be learned from at least, and different values a class column has at most.
LEAST_ROWS, MOST_CLASSES = 10, 20
#: Part of the rows that is kept for judging.
_TEST_SHARE = 0.2
#: Columns called like this are meant to be learned.
_TARGET_NAMES = ("target", "label", "class", "y")


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and targets, split for training and for judging.

    Attributes
    ----------
    x, y, x_test, y_test : float32 inputs; targets are int32 classes (n,) or float32 (n, k).
    names : of the classes; empty where targets are numbers.
    scale : mean and spread the numbers to be learned had before they were standardized.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    names: tuple[str, ...] = ()
    scale: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Use:
    """What becomes of one column: "input", "target" or "unused", and why."""

    name: str
    role: str
    note: str = ""


class OwnFile(Protocol):
    """A file that was read: what it offers to learn, and the samples for that."""

    @property
    def name(self) -> str:
        """What the file is called."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, in hexadecimal digits."""
        ...

    @property
    def targets(self) -> Sequence[str]:
        """Names of what can be learned."""
        ...

    @property
    def first_target(self) -> str:
        """What is most likely meant to be learned."""
        ...

    @property
    def head(self) -> Sequence[Sequence[str]]:
        """The first rows as a person would write them, the names above them."""
        ...

    def uses(self, target: str) -> Sequence[Use]:
        """Return what becomes of every column."""
        ...

    def samples(self, target: str) -> Samples:
        """Return what is learned from.

        Raises
        ------
        ValueError
            If nothing can be learned from the file, in words.
        """
        ...


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : its heading.
    numbers : float64, NaN where there is none; None for a column of words.
    words : what stands there; of a column of numbers too.
    """

    name: str
    numbers: np.ndarray | None
    words: Sequence[str]

    @cached_property
    def kinds(self) -> list[str]:
        """The different values, at most one more than classes may be; "" is none."""
        if self.numbers is not None:
            found = np.unique(self.numbers[np.isfinite(self.numbers)])[: MOST_CLASSES + 1]
            return [f"{value:g}" for value in found]
        return sorted(set(self.words) - {""})[: MOST_CLASSES + 1]

    @property
    def has_classes(self) -> bool:
        """Whether its values are a few kinds rather than quantities."""
        if not 2 <= len(self.kinds) <= MOST_CLASSES:
            return False
        if self.numbers is None:
            return True
        finite = self.numbers[np.isfinite(self.numbers)]
        return bool((finite == np.round(finite)).all()) and len(self.kinds) <= len(finite) / 4

    @property
    def missing(self) -> np.ndarray:
        """Where there is no value, or none that can be used."""
        if self.numbers is not None:
            return ~np.isfinite(self.numbers)
        return np.array([not word for word in self.words])

    def classes(self) -> np.ndarray:
        """Return the number of each row's kind, -1 where there is none."""
        if self.numbers is not None:
            kinds = np.unique(self.numbers[np.isfinite(self.numbers)])
            filled = np.where(self.missing, kinds[0], self.numbers)
            return np.where(self.missing, -1, np.searchsorted(kinds, filled)).astype(np.int32)
        numbers = {kind: number for number, kind in enumerate(self.kinds)}
        return np.array([numbers.get(word, -1) for word in self.words], np.int32)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows and named columns, one of which is learned from the others."""

    name: str
    digest: str
    columns: tuple[Column, ...]
    _made: dict[str, Samples] = field(default_factory=dict, repr=False)

    @property
    def targets(self) -> Sequence[str]:
        """Names of the columns that could be learned: those whose values differ, and repeat."""
        return [one.name for one in self.columns if self._is_number(one) or one.has_classes]

    @property
    def first_target(self) -> str:
        """The column called target, label, class or y, else the last."""
        targets = self.targets
        named = [one for one in targets if one.strip().lower() in _TARGET_NAMES]
        return next(iter([*named, *reversed(targets)]), "")

    @property
    def head(self) -> Sequence[Sequence[str]]:
        """The names, and the first five rows."""
        rows = zip(*(column.words[:5] for column in self.columns), strict=True)
        return [[one.name for one in self.columns], *map(list, rows)]

    def uses(self, target: str) -> Sequence[Use]:
        """Return what becomes of every column."""
        return [self._use(column, target) for column in self.columns]

    def _use(self, column: Column, target: str) -> Use:
        if column.name == target:
            kind = "target_classes" if column.has_classes else "target_numbers"
            return Use(column.name, "target", text(f"own.{kind}", count=len(column.kinds)))
        if column.numbers is None:
            return Use(column.name, "unused", text("own.words"))
        if not self._is_number(column):
            return Use(column.name, "unused", text("own.constant"))
        missing = int(column.missing.sum())
        return Use(column.name, "input", text("own.missing", count=missing) if missing else "")

    @staticmethod
    def _is_number(column: Column) -> bool:
        return column.numbers is not None and len(column.kinds) > 1

    def samples(self, target: str) -> Samples:
        """Return what is learned from; rows without all values are left out.

        Raises
        ------
        ValueError
            If there is no such column to learn, no number to learn it from, or too few rows.
        """
        if target not in self._made:
            self._made[target] = self._samples(target)
        return self._made[target]

    def _samples(self, target: str) -> Samples:
        if target not in self.targets:
            raise ValueError(text("own.no_target", name=self.name))
        learned = next(one for one in self.columns if one.name == target)
        roles = {use.name: use.role for use in self.uses(target)}
        inputs = [one for one in self.columns if roles[one.name] == "input"]
        if not inputs:
            raise ValueError(text("own.no_inputs", name=self.name))
        whole = ~np.any([one.missing for one in [*inputs, learned]], axis=0)
        x = np.stack([one.numbers[whole] for one in inputs if one.numbers is not None], axis=1)
        if learned.has_classes:
            return split(self.name, x, learned.classes()[whole], tuple(learned.kinds))
        assert learned.numbers is not None
        return split(self.name, x, learned.numbers[whole, None])


@dataclass(frozen=True, eq=False)
class Pair:
    """Arrays of inputs and targets as an ``.npz`` file holds them."""

    name: str
    digest: str
    x: np.ndarray
    y: np.ndarray

    @property
    def targets(self) -> Sequence[str]:
        """What can be learned: ``y``."""
        return ["y"]

    first_target = "y"

    @property
    def head(self) -> Sequence[Sequence[str]]:
        """Names and shapes."""
        return [["x", "y"], [str(self.x.shape), str(self.y.shape)]]

    def uses(self, target: str) -> Sequence[Use]:
        """Return what becomes of the two."""
        kind = "target_classes" if self._kinds is not None else "target_numbers"
        count = 0 if self._kinds is None else len(self._kinds)
        return [Use("x", "input"), Use("y", "target", text(f"own.{kind}", count=count))]

    @cached_property
    def _kinds(self) -> np.ndarray | None:
        """The classes; None where there are too many, or halves, and targets are numbers."""
        if self.y.ndim > 1 and self.y.shape[1:] != (1,):
            return None
        y = self.y.reshape(-1)
        kinds = np.unique(y[np.isfinite(y)])
        whole = bool((kinds == np.round(kinds)).all())
        return kinds if whole and 2 <= len(kinds) <= MOST_CLASSES else None

    @cached_property
    def _samples(self) -> Samples:
        x, y = (one.reshape(len(one), -1) for one in (self.x, self.y))
        kept = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        x = self.x[kept].reshape(-1, *(self.x.shape[1:] or (1,)))
        if self._kinds is None:
            return split(self.name, x, y[kept])
        names = tuple(f"{one:g}" for one in self._kinds)
        return split(self.name, x, np.searchsorted(self._kinds, y[kept, 0]).astype(np.int32), names)

    def samples(self, target: str) -> Samples:
        """Return what is learned from; samples with values that are no numbers are left out.

        Raises
        ------
        ValueError
            If too few are left.
        """
        return self._samples


def split(file: str, x: np.ndarray, y: np.ndarray, names: tuple[str, ...] = ()) -> Samples:
    """Return samples in a random order, a fifth of them for judging, standardized by the others.

    A table's columns are standardized one by one, images and sequences as a whole.

    Raises
    ------
    ValueError
        If there are too few.
    """
    if len(x) < LEAST_ROWS:
        raise ValueError(text("own.few_rows", name=file, count=len(x), least=LEAST_ROWS))
    order = np.random.default_rng(0).permutation(len(x))
    first, last = np.split(order, [len(x) - max(int(_TEST_SHARE * len(x)), 1)])
    axis: Any = 0 if x.ndim == 2 else None
    x = np.asarray(x, np.float64)
    mean, std = x[first].mean(axis=axis), x[first].std(axis=axis)
    # What does not vary in the rows for training becomes 0, not infinite.
    x = np.clip((x - mean) / np.where(std > 0, std, 1.0), -1e6, 1e6).astype(np.float32)
    scale = (0.0, 1.0)
    if not names:
        scale = float(y[first].mean()), float(y[first].std()) or 1.0
        y = ((y - scale[0]) / scale[1]).astype(np.float32)
    return Samples(x[first], y[first], x[last], y[last], names, scale)


class Shelf:
    """The files of one session, the latest few of them.

    Parameters
    ----------
    most : how many are kept.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._files: dict[str, Any] = {}

    def put(self, file: OwnFile) -> OwnFile:
        """Keep a file as the newest and let go of the oldest; return it, shared with who has it."""
        self._files.pop(file.digest, None)
        with _LOCK:
            known = _KNOWN.get(file.digest)
            if known is None or known.name != file.name:
                _KNOWN[file.digest] = known = file
            file = known
        self._files[file.digest] = file
        while len(self._files) > self._most:
            del self._files[next(iter(self._files))]
        return file


def find(digest: str) -> OwnFile | None:
    """Return the file whose bytes have this digest, None if no session holds it (any more)."""
    with _LOCK:
        return _KNOWN.get(digest)


#: Files by digest, as long as a session holds them.
_KNOWN: WeakValueDictionary[str, Any] = WeakValueDictionary()
_LOCK = threading.Lock()
