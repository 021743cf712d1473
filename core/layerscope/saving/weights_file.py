"""Weights in an HDF5 file, laid out as Keras 3 does.

Each layer has a group ``vars`` with its own weights, ``0``, ``1``, ...; the layers inside it are in
groups named after the attributes that hold them. In a list, a layer's group is named after its
class: ``layers/dense``, ``layers/dense_1``.
"""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.registry import snake_case

#: An array that takes so much memory is refused if the file holds hardly anything of it.
_SUSPICIOUS_SIZE = 2**28
_SUSPICIOUS_RATIO = 1000


class UnsafeFileError(ValueError):
    """A file asks for what no model needs: other files, or absurd amounts of memory."""


def readable_size(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


# --- memory ------------------------------------------------------------------------------------

#: Bytes that weights may take, and those they take so far, while the model of a file is made.
_ALLOWANCE: ContextVar[list[int] | None] = ContextVar("allowance", default=None)


@contextmanager
def weight_allowance(size_limit: int) -> Iterator[None]:
    """Refuse, while the block runs, to make weights that take more than so many bytes together."""
    token = _ALLOWANCE.set([size_limit, 0])
    try:
        yield
    finally:
        _ALLOWANCE.reset(token)


def account_for(shape: Sequence[int], dtype: str) -> None:
    """Take note of a weight that is about to be made.

    Raises
    ------
    UnsafeFileError
        If a file asks for more than is allowed.
    """
    allowance = _ALLOWANCE.get()
    if allowance is None:
        return
    allowance[1] += math.prod(shape) * np.dtype(dtype).itemsize
    if allowance[1] > allowance[0]:
        raise UnsafeFileError(
            f"The weights of the file's model would take at least {readable_size(allowance[1])}, "
            f"more than the limit of {readable_size(allowance[0])}; `size_limit` changes it."
        )


# --- places in the file ------------------------------------------------------------------------


def saved_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield a model and each layer inside it once, with its place in the file."""
    yield from _below(model, "", set())


def _below(layer: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield path, layer
    for name, value in _attributes(layer):
        place = f"{path}/{name}" if path else name
        if _has_weights_of_its_own(value):
            yield from _below(value, place, seen)
        elif isinstance(value, (list, tuple, dict)):
            yield from _contained(value, place, seen, ())


def _contained(
    container: Any, path: str, seen: set[int], around: tuple[int, ...]
) -> Iterator[tuple[str, Any]]:
    if id(container) in around:
        return
    counts: Counter[str] = Counter()
    for value in container.values() if isinstance(container, dict) else container:
        layer = _has_weights_of_its_own(value)
        if not layer and not isinstance(value, (list, tuple, dict)):
            continue
        # Names of layers are chosen automatically and would not be the same in another program.
        name = snake_case(type(value).__name__) if layer else "container"
        place = f"{path}/{name}_{counts[name]}" if counts[name] else f"{path}/{name}"
        counts[name] += 1
        if layer:
            yield from _below(value, place, seen)
        else:
            yield from _contained(value, place, seen, (*around, id(container)))


def _has_weights_of_its_own(value: Any) -> bool:
    return hasattr(type(value), "save_own_variables")


def _attributes(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a layer holds in Keras's order, which decides where a shared layer is put."""
    if getattr(layer, "layers_are_saved_first", False):
        yield "layers", layer.layers
    common = _common_attributes(type(layer))
    for name in sorted(dir(layer), key=lambda name: f"~{name}" if name[0] == "_" else name):
        if name in common or name.startswith("__"):
            continue
        try:
            value = getattr(layer, name)
        except Exception:  # A property may not be ready for being read.
            continue
        yield name, value


@functools.cache
def _common_attributes(cls: type) -> frozenset[str]:
    """Return the names all layers have, which hold nothing of one layer's own."""
    bases = [base for base in cls.__mro__ if vars(base).get("kind") == "layer"]
    if not bases:
        return frozenset()
    # What only instances have is at least declared.
    declared = (vars(base).get("__annotations__", {}) for base in bases[-1].__mro__)
    return frozenset(dir(bases[-1])).union(*declared)


# --- writing -----------------------------------------------------------------------------------


def write_weights(model: Any) -> bytes:
    """Return the content of a file with a model's weights."""
    content = io.BytesIO()
    with _h5py().File(content, "w") as file:
        for path, layer in saved_layers(model):
            arrays: dict[str, Any] = {}
            layer.save_own_variables(arrays)
            group = file.require_group(f"{path}/vars")
            group.attrs["name"] = layer.name
            for key, value in arrays.items():
                group[str(key)] = np.asarray(getattr(value, "value", value))
    return content.getvalue()


# --- reading -----------------------------------------------------------------------------------


class StoredArrays(Mapping[str, np.ndarray]):
    """The arrays of one group of a file, read when asked for."""

    def __init__(self, group: Any, size_limit: int) -> None:
        self._group = group
        self._size_limit = size_limit

    def __getitem__(self, key: str) -> np.ndarray:
        *folders, name = key.split("/")
        group = _subgroup(self._group, folders)
        dataset = None if group is None else _member(group, name)
        if dataset is None:
            raise KeyError(key)
        self._check(dataset)
        return np.asarray(dataset[()])

    def _check(self, dataset: Any) -> None:
        if not isinstance(dataset, _h5py().Dataset) or dataset.dtype.kind not in "fiub":
            raise UnsafeFileError(f"'{dataset.name}' is no array of numbers.")
        if dataset.external or dataset.is_virtual:
            raise UnsafeFileError(f"'{dataset.name}' has its content in another file.")
        size = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        empty = size > _SUSPICIOUS_SIZE and size > _SUSPICIOUS_RATIO * stored
        if empty or size > self._size_limit:
            raise UnsafeFileError(
                f"'{dataset.name}' would take {readable_size(size)} of memory, of which the file "
                f"holds {readable_size(stored)}. The limit is `size_limit`="
                f"{readable_size(self._size_limit)}."
            )

    def __iter__(self) -> Iterator[str]:
        return iter(() if self._group is None else self._group)

    def __len__(self) -> int:
        return 0 if self._group is None else len(self._group)


def read_weights(
    model: Any, source: Path | io.BytesIO, name: str, skip_mismatch: bool, size_limit: int
) -> None:
    """Give a model the weights of a file; what the model does not have is left unread.

    Parameters
    ----------
    name : of the file, for errors.
    skip_mismatch : warn of weights that do not fit instead of refusing the file.

    Raises
    ------
    ValueError
        If the file is broken or unsafe, or weights do not fit; the model is unchanged then.
    """
    before = [(variable, variable.numpy()) for variable in model.variables]
    try:
        with _h5py().File(source, "r") as file:
            failures = list(_failures(model, file, size_limit))
        if failures and not skip_mismatch:
            raise ValueError(_explained(failures, name))
    except Exception as error:
        for variable, value in before:
            variable.assign(value)
        if isinstance(error, UnsafeFileError):
            raise UnsafeFileError(f"File {name} is refused: {error}") from None
        if isinstance(error, (OSError, RuntimeError)):
            raise ValueError(f"File {name} is not a readable HDF5 file: {error}") from error
        raise
    if failures:
        warnings.warn(_explained(failures, name), stacklevel=4)


def _failures(model: Any, file: Any, size_limit: int) -> Iterator[tuple[Any, Exception]]:
    """Load what can be and yield the layers that cannot, with the reason."""
    for path, layer in saved_layers(model):
        group = _subgroup(file, [*path.split("/"), "vars"] if path else ["vars"])
        try:
            layer.load_own_variables(StoredArrays(group, size_limit))
        except UnsafeFileError:
            raise
        except Exception as error:
            yield layer, error


def _explained(failures: list[tuple[Any, Exception]], name: str) -> str:
    layers = ", ".join(f"'{layer.name}'" for layer, _ in failures)
    return (
        f"{len(failures)} layer(s) could not be loaded from {name}: {layers}. "
        f"The first: {failures[0][1]}"
    )


def _subgroup(group: Any, names: Iterable[str]) -> Any:
    """Return the group below another one, None if there is none."""
    for name in names:
        group = None if group is None else _member(group, name)
        if group is not None and not isinstance(group, _h5py().Group):
            raise UnsafeFileError(f"'{group.name}' is no group.")
    return group


def _member(group: Any, name: str) -> Any:
    """Return what a group has by a name, None if nothing; links are not followed."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, _h5py().HardLink):
        raise UnsafeFileError(f"'{name}' in '{group.name}' is a link.")
    return group[name]


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "Model files need the package h5py: `pip install layerscope[keras]`."
        ) from error
    return h5py
