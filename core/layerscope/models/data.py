"""Data of any kind as batches.

Arrays are cut; generators, iterables and data sets give batches of their own. A source gives one
pass after another, a `Feed` cuts the passes into epochs and knows where it stands.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, count, islice
from typing import Any

import numpy as np

from layerscope.batches import pack_x_y_sample_weight, unpack_x_y_sample_weight
from layerscope.config import floatx
from layerscope.structure import is_nested, leaves, map_structure, same_nesting

#: Samples of a batch unless one says otherwise.
BATCH_SIZE = 32

_END: Any = object()


class Source:
    """Something that gives batches.

    Attributes
    ----------
    num_batches : how many a pass has, None if that is not known.
    resumable : whether a pass can be begun in its middle.
    """

    num_batches: int | None = None
    resumable = True

    def one_pass(self, generator: np.random.Generator | None, skip: int) -> Iterator[Any]:
        """Yield batches, shuffled by `generator`, without the first `skip`."""
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        """Learn that an epoch begins."""

    def on_epoch_end(self) -> None:
        """Learn that an epoch is over."""


# --- arrays ------------------------------------------------------------------------------------


class Arrays(Source):
    """Arrays of equal length, one sample per entry of their first axis.

    Parameters
    ----------
    x, y, sample_weight : arrays, or structures of them.
    batch_size : samples per batch; default: enough for `steps`, or 32.
    steps : batches that a pass is cut into if there is no `batch_size`.
    shuffle : whether samples are drawn in a new order; ``"batch"``: within each batch.
    class_weight : factor of the samples of each class number.

    Raises
    ------
    ValueError
        If lengths or structures differ, or there are no samples.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: bool | str = False,
        class_weight: dict[int, float] | None = None,
    ) -> None:
        x, y, sample_weight = (_as_arrays(part) for part in (x, y, sample_weight))
        if class_weight is not None:
            sample_weight = weights_of_classes(y, class_weight, sample_weight)
        elif sample_weight is not None:
            sample_weight = _for_each_output(sample_weight, y)
        _check_lengths(x=x, y=y, sample_weight=sample_weight)
        self.data = x, y, sample_weight
        self.length = _length((x, y, sample_weight))
        if batch_size is None:
            batch_size = -(-self.length // steps) if steps else BATCH_SIZE
        self.batch_size = check_batch_size(batch_size)
        self.num_batches = -(-self.length // self.batch_size)
        self._shuffle = shuffle

    def take(self, index: Any) -> tuple[Any, Any, Any]:
        """Return inputs, targets and weights of the samples at `index`."""
        x, y, sample_weight = (
            None if part is None else map_structure(lambda leaf: _at(leaf, index), part)
            for part in self.data
        )
        return x, y, sample_weight

    def one_pass(self, generator: np.random.Generator | None, skip: int) -> Iterator[Any]:
        order = None
        if self._shuffle and self._shuffle != "batch" and generator is not None:
            order = generator.permutation(self.length)
        for start in range(0, self.length, self.batch_size):
            index: Any = slice(start, min(start + self.batch_size, self.length))
            if order is not None:
                index = order[index]
            elif self._shuffle == "batch" and generator is not None:
                index = generator.permutation(index.stop - start) + start
            if start >= skip * self.batch_size:
                yield pack_x_y_sample_weight(*self.take(index))

    def split(self, fraction: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Cut off the last `fraction` of the samples, as Keras does.

        Raises
        ------
        ValueError
            If either part would be empty.
        """
        cut = int(self.length * (1.0 - fraction))
        if not 0.0 < fraction < 1.0 or cut == 0 or cut == self.length:
            raise ValueError(
                "Argument `validation_split` must leave samples on both sides. "
                f"Received: validation_split={fraction} for {self.length} samples."
            )
        return self.take(slice(0, cut)), self.take(slice(cut, None))


def check_batch_size(value: Any) -> int:
    """Return a valid batch size.

    Raises
    ------
    ValueError
        If it is not a positive integer.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Argument `batch_size` must be a positive integer. Received: batch_size={value!r}"
        )
    return int(value)


def as_batch(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return what is given for one batch as arrays of one length."""
    batch = _as_arrays(x), _as_arrays(y), _as_arrays(sample_weight)
    _check_lengths(x=batch[0], y=batch[1], sample_weight=batch[2])
    return batch


def _as_arrays(part: Any) -> Any:
    if part is None or isinstance(part, np.ndarray):
        return part
    # A list of plain numbers is one array, a list of arrays are several inputs.
    if isinstance(part, (list, tuple)) and not any(
        is_nested(entry) or hasattr(entry, "shape") or entry is None for entry in part
    ):
        return np.asarray(part)
    if isinstance(part, (list, tuple)) and not any(
        hasattr(leaf, "shape") or leaf is None for leaf in leaves(part)
    ):
        return np.asarray(part)
    return map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), part)


def _at(leaf: Any, index: Any) -> Any:
    return None if leaf is None else leaf[index]


def _length(parts: Any) -> int:
    return next(len(leaf) for leaf in leaves(parts) if leaf is not None)


def _are_arrays_of_one_length(x: Any, *others: Any) -> bool:
    """Tell whether a batch is as most are, which is sooner known than what is wrong with one."""
    if type(x) is not np.ndarray or x.size == 0 or x.ndim == 0:
        return False
    samples = len(x)
    return all(
        one is None or (type(one) is np.ndarray and one.ndim > 0 and len(one) == samples)
        for one in others
    )


def _check_lengths(**parts: Any) -> None:
    if _are_arrays_of_one_length(*parts.values()):
        return
    arrays = {
        name: [leaf for leaf in leaves(part) if leaf is not None] for name, part in parts.items()
    }
    if not arrays["x"] or arrays["x"][0].ndim == 0 or not len(arrays["x"][0]):
        raise ValueError("Argument `x` must hold at least one sample.")
    first = len(arrays["x"][0])
    if any(leaf.ndim == 0 or len(leaf) != first for found in arrays.values() for leaf in found):
        sizes = {name: [leaf.shape[:1] for leaf in found] for name, found in arrays.items()}
        listed = ", ".join(
            f"{name}: {', '.join(str(*size) or 'a scalar' for size in found)}"
            for name, found in sizes.items()
            if found
        )
        raise ValueError(
            "Data cardinality is ambiguous: all arrays must have the same length. Received lengths "
            f"of {listed}."
        )


def _for_each_output(sample_weight: Any, y: Any) -> Any:
    """Return weights for each output, of which one may stand for all."""
    if not is_nested(y):
        return sample_weight
    if not is_nested(sample_weight):
        if sample_weight.ndim > 2 or (sample_weight.ndim == 2 and sample_weight.shape[1] != 1):
            raise ValueError(
                "Argument `sample_weight` must hold one number per sample if one array is for "
                "several outputs; give an array per output otherwise. Received an array of shape "
                f"{sample_weight.shape}."
            )
        return map_structure(lambda _: sample_weight, y)
    if not same_nesting(sample_weight, y):
        raise ValueError(
            "Argument `sample_weight` must hold one array per output, in the structure of `y`. "
            f"Received {len(leaves(sample_weight))} for {len(leaves(y))} outputs: "
            f"{_keys(sample_weight)} for {_keys(y)}."
        )
    return sample_weight


def _keys(structure: Any) -> str:
    return str(list(structure)) if isinstance(structure, dict) else f"a {type(structure).__name__}"


def weights_of_classes(y: Any, class_weight: dict[int, float], sample_weight: Any) -> np.ndarray:
    """Return the weight of each sample by its class; a class without one counts as 1.

    Raises
    ------
    ValueError
        If there are weights of samples too, several outputs, or no class numbers.
    """
    if sample_weight is not None:
        raise ValueError(
            "Arguments `class_weight` and `sample_weight` cannot be given at the same time."
        )
    if is_nested(y):
        raise ValueError(
            "Argument `class_weight` is only supported for models with a single output. Received "
            f"targets for {len(leaves(y))} outputs."
        )
    labels = np.asarray(y)
    if y is None or labels.ndim == 0:
        raise ValueError("Argument `class_weight` needs targets `y` that are class numbers.")
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    labels = np.round(labels)
    weights = np.ones(labels.shape, floatx())
    for number, weight in class_weight.items():
        weights[labels == number] = weight
    return weights


# --- what gives batches of its own -----------------------------------------------------------


class Generated(Source):
    """A generator, which goes on where it stands and cannot be begun anew."""

    resumable = False

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches

    def one_pass(self, generator: np.random.Generator | None, skip: int) -> Iterator[Any]:
        return map(_converted, self._batches)


class Iterated(Source):
    """Something that can be iterated over again and again."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        try:
            self.num_batches = len(batches)  # type: ignore[arg-type]
        except TypeError:
            self.num_batches = None

    def one_pass(self, generator: np.random.Generator | None, skip: int) -> Iterator[Any]:
        return map(_converted, islice(iter(self._batches), skip, None))


class Indexed(Source):
    """A data set with ``__getitem__`` and ``__len__``, such as a `PyDataset`."""

    def __init__(self, dataset: Any, shuffle: Any, class_weight: Any) -> None:
        self._dataset = dataset
        self._shuffle = shuffle
        self._class_weight = class_weight
        found = getattr(dataset, "num_batches", _END)
        self.num_batches = len(dataset) if found is _END else found

    def one_pass(self, generator: np.random.Generator | None, skip: int) -> Iterator[Any]:
        order: Iterable[int] = count() if self.num_batches is None else range(self.num_batches)
        if self._shuffle and generator is not None and self.num_batches is not None:
            order = generator.permutation(self.num_batches).tolist()
        for index in islice(order, skip, None):
            batch = _converted(self._dataset[index])
            if self._class_weight is not None:
                x, y, sample_weight = batch
                batch = x, y, weights_of_classes(y, self._class_weight, sample_weight)
            yield pack_x_y_sample_weight(*batch)

    def on_epoch_begin(self) -> None:
        getattr(self._dataset, "on_epoch_begin", int)()

    def on_epoch_end(self) -> None:
        getattr(self._dataset, "on_epoch_end", int)()


def _converted(batch: Any) -> tuple[Any, Any, Any]:
    """Return a batch that somebody's code gave as arrays.

    Raises
    ------
    ValueError
        If it is no batch.
    """
    if not isinstance(batch, tuple):
        raise ValueError(
            "A generator or data set must give tuples: `(x,)`, `(x, y)` or "
            f"`(x, y, sample_weight)`. Received: {batch!r:.200} (of type {type(batch).__name__})"
        )
    return as_batch(*unpack_x_y_sample_weight(batch))


def source_of(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[int, float] | None = None,
) -> Source:
    """Return what gives the batches of the data of `Model.fit`.

    Raises
    ------
    ValueError
        If the data is of no known kind, or an argument has no meaning for its kind.
    """
    if is_nested(x) or hasattr(x, "__array__"):
        return Arrays(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps,
            shuffle=shuffle,
            class_weight=class_weight,
        )
    if isinstance(x, (str, bytes)) or not (_is_indexed(x) or hasattr(x, "__iter__")):
        raise ValueError(f"Unrecognized data type: x={x!r} (of type {type(x).__name__})")
    kind = type(x).__name__
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"When `x` is a {kind}, `{name}` should not be passed: it is part of the batches "
                f"that the {kind} gives."
            )
    if _is_indexed(x):
        return Indexed(x, shuffle, class_weight)
    if class_weight is not None:
        raise ValueError(
            f"Argument `class_weight` is not supported when `x` is a {kind}. Received: "
            f"class_weight={class_weight}"
        )
    return Generated(x) if isinstance(x, Iterator) else Iterated(x)


def _is_indexed(x: Any) -> bool:
    return hasattr(x, "__getitem__") and (hasattr(x, "__len__") or hasattr(x, "num_batches"))


# --- epochs ------------------------------------------------------------------------------------


class Feed:
    """Cuts what a source gives into epochs.

    Parameters
    ----------
    source : where the batches come from.
    steps : batches of an epoch; default: one pass. Epochs of a given number of steps go on where
        the one before ended.
    generator : shuffles.
    """

    def __init__(
        self, source: Source, steps: int | None = None, generator: np.random.Generator | None = None
    ) -> None:
        if steps is not None and (not isinstance(steps, (int, np.integer)) or steps < 1):
            raise ValueError(
                "The number of steps of an epoch must be a positive integer or None. Received: "
                f"{steps!r}"
            )
        self.source = source
        self._steps = steps
        self._generator = generator
        self._pass: Iterator[Any] | None = None
        self._order = self._random_state()
        self._seen = 0

    @property
    def steps(self) -> int | None:
        """Number of steps of an epoch, None if that is not known."""
        return self._steps or self.source.num_batches

    def _random_state(self) -> Any:
        return None if self._generator is None else self._generator.bit_generator.state

    def position(self) -> tuple[Any, int]:
        """Return what `seek` takes: how the pass was shuffled and how much of it is seen."""
        return self._order, self._seen

    def seek(self, order: Any, seen: int) -> None:
        """Go to where `position` was asked for."""
        if self._generator is not None and order is not None:
            self._generator.bit_generator.state = order
        self._begin_pass(seen if self.source.resumable else 0)

    def _begin_pass(self, skip: int = 0) -> None:
        self._order, self._seen = self._random_state(), skip
        self._pass = self.source.one_pass(self._generator, skip)

    def peek(self) -> Any:
        """Return the batch that comes next without taking it, None if the pass is over."""
        if self._pass is None:
            self._begin_pass()
        assert self._pass is not None
        batch = next(self._pass, _END)
        if batch is _END:
            return None
        self._pass = chain([batch], self._pass)
        return batch

    def epoch(self, first: int = 0) -> Iterator[tuple[Any, bool]]:
        """Yield each batch from step `first`, and whether it is the epoch's last."""
        self.source.on_epoch_begin()
        if self._pass is None or (self._steps is None and not first and self._seen):
            self._begin_pass()
        assert self._pass is not None
        limit = self.steps
        batches = islice(self._pass, None if limit is None else max(limit - first, 0))
        step, batch = first, next(batches, _END)
        while batch is not _END:
            following = next(batches, _END)
            self._seen += 1
            step += 1
            if following is _END:
                self._finish_pass()
            yield batch, following is _END
            batch = following
        if limit is not None and step < limit:
            warnings.warn(
                f"Your input ran out of data after {step} of {limit} steps, which ends the epoch. "
                "A generator must give `steps_per_epoch * epochs` batches.",
                stacklevel=4,
            )
        self.source.on_epoch_end()

    def _finish_pass(self) -> None:
        """Let the next epoch begin a new pass if this one is used up."""
        total = self.source.num_batches
        if total is None or self._seen < total:
            return
        self._pass, self._seen, self._order = None, 0, self._random_state()
