"""Operations that rearrange entries without computing on them."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from layerscope.compiled import borders as compiled_borders
from layerscope.compiled import room
from layerscope.compiled import rows as compiled_rows
from layerscope.compiled.tasks import LARGE, tasks_of
from layerscope.config import floatx, standardize_dtype
from layerscope.ops import shapes
from layerscope.ops.elementwise import equal
from layerscope.ops.operation import operation
from layerscope.tensor import KerasTensor, Shape

Array = Any

_SINGLE = np.dtype(np.float32)
#: Types of places that are looked up quickly.
_PLACES = frozenset(map(np.dtype, (np.int32, np.int64)))


def _free_axes_shape(shape: Shape, axis: int | Sequence[int] | None = None) -> Shape:
    if axis is None:
        return tuple(length for length in shape if length != 1)
    axes = shapes.normalize_axes(axis, len(shape))
    for one in axes:
        if shape[one] not in (1, None):
            raise shapes.ShapeError(f"Cannot squeeze axis {one} of length {shape[one]} in {shape}.")
    return tuple(length for index, length in enumerate(shape) if index not in axes)


@operation(lambda shape, newshape: shapes.reshape(shape, _as_shape(newshape)))
def reshape(x: Array, newshape: int | Sequence[int | None]) -> Array:
    """The same entries in C order under another shape; one length may be -1."""
    return np.reshape(x, tuple(-1 if n is None else n for n in _as_shape(newshape)))


def _as_shape(newshape: Any) -> tuple[Any, ...]:
    return (newshape,) if isinstance(newshape, (int, np.integer)) else tuple(newshape)


reshape.gradients(lambda g, out, x, newshape: reshape(g, x.shape))


@operation(shapes.transpose)
def transpose(x: Array, axes: Sequence[int] | None = None) -> Array:
    """Axes permuted, reversed for None."""
    return np.transpose(x, axes)


def _inverse(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    if axes is None:
        return None
    return tuple(np.argsort(shapes.normalize_axes(axes, len(axes))).tolist())


transpose.gradients(lambda g, out, x, axes=None: transpose(g, _inverse(axes)))


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Two axes exchanged."""
    order = list(range(len(x.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, tuple(order))


def moveaxis(x: Array, source: int, destination: int) -> Array:
    """One axis moved to another place."""
    ndim = len(x.shape)
    order = [axis for axis in range(ndim) if axis != source % ndim]
    order.insert(destination % ndim, source % ndim)
    return transpose(x, tuple(order))


def _expand_shape(shape: Shape, axis: int | Sequence[int]) -> Shape:
    count = 1 if isinstance(axis, int) else len(axis)
    new = shapes.normalize_axes(axis, len(shape) + count)
    lengths = iter(shape)
    return tuple(1 if at in new else next(lengths) for at in range(len(shape) + count))


@operation(_expand_shape)
def expand_dims(x: Array, axis: int | Sequence[int]) -> Array:
    """New axes of length one."""
    return np.expand_dims(x, axis if isinstance(axis, int) else tuple(axis))


expand_dims.gradients(lambda g, out, x, axis: reshape(g, x.shape))


@operation(_free_axes_shape)
def squeeze(x: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Axes of length one removed."""
    return np.squeeze(x, axis if axis is None or isinstance(axis, int) else tuple(axis))


squeeze.gradients(lambda g, out, x, axis=None: reshape(g, x.shape))


@operation(lambda _, shape: tuple(shape))
def broadcast_to(x: Array, shape: Sequence[int]) -> Array:
    """Repeated along new or unit axes until it has the given shape."""
    return np.broadcast_to(x, tuple(shape))


# The tape sums a gradient back to its input's shape, which is all there is to do.
broadcast_to.gradients(lambda g, out, x, shape: g)


@operation(shapes.concatenate, inputs=None)
def _concatenate(*xs: Array, axis: int = -1) -> Array:
    first = xs[0]
    if first.size < LARGE or any(x.dtype != np.float32 for x in xs):
        return np.concatenate(xs, axis=axis)
    return _joined(xs, axis % first.ndim)


def _joined(xs: Sequence[Array], axis: int) -> Array:
    """Join float32 arrays on the threads there are."""
    before, after = xs[0].shape[:axis], xs[0].shape[axis + 1 :]
    if any(x.shape[:axis] != before or x.shape[axis + 1 :] != after for x in xs[1:]):
        # NumPy says what is wrong.
        return np.concatenate(xs, axis=axis)
    out = room.empty((*before, builtins.sum(x.shape[axis] for x in xs), *after))
    rows, tasks, at = math.prod(before), tasks_of(out.size), 0
    flat = out.reshape(rows, -1)
    parts = [np.ascontiguousarray(x).reshape(rows, -1) for x in xs]
    if len(parts) % 2:
        parts.append(parts[0][:, :0])
    for left, right in zip(parts[::2], parts[1::2], strict=True):
        compiled_rows.join_columns(tasks, left, right, at, flat)
        at += left.shape[1] + right.shape[1]
    return out


@_concatenate.joint_gradient
def _concatenate_gradient(g: Array, out: Array, *xs: Array, axis: int = -1) -> tuple[Array, ...]:
    ends = np.cumsum([x.shape[axis] for x in xs])
    at: list[Any] = [slice(None)] * len(out.shape)
    pieces = []
    for x, end in zip(xs, ends, strict=True):
        at[axis] = slice(int(end) - x.shape[axis], int(end))
        pieces.append(g[tuple(at)])
    return tuple(pieces)


_concatenate.first_order_only = False


def concatenate(xs: Sequence[Array], axis: int = 0) -> Array:
    """Arrays joined along an existing axis."""
    return _concatenate(*xs, axis=axis)


def stack(xs: Sequence[Array], axis: int = 0) -> Array:
    """Arrays joined along a new axis."""
    ndim = len(xs[0].shape) + 1
    return concatenate([expand_dims(x, axis % ndim) for x in xs], axis=axis % ndim)


def _split_shape(shape: Shape, cuts: Sequence[int], axis: int) -> list[Shape]:
    at = axis % len(shape)
    return [
        (*shape[:at], shapes.getitem(shape[at : at + 1], slice(*ends))[0], *shape[at + 1 :])
        for ends in pairwise([0, *cuts, shape[at]])
    ]


# One operation for all pieces, whose gradients need not each be as large as the whole.
@operation(_split_shape)
def _split(x: Array, cuts: Sequence[int], axis: int) -> tuple[Array, ...]:
    at: list[Any] = [slice(None)] * x.ndim
    pieces = []
    for start, stop in pairwise([0, *cuts, x.shape[axis]]):
        at[axis] = slice(start, stop)
        pieces.append(x[tuple(at)])
    return tuple(pieces)


@_split.joint_gradient
def _split_gradient(
    grads: list[Array], outs: list[Array], x: Array, cuts: Sequence[int], axis: int
) -> tuple[Array]:
    return (concatenate(grads, axis=axis),)


_split.first_order_only = False


def split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Cut along `axis` into equal sections, or at the given indices.

    Raises
    ------
    ValueError
        If the axis cannot be cut into that many equal sections.
    """
    length = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if length % indices_or_sections:
            raise ValueError(
                f"Axis {axis} of length {length} cannot be split into {indices_or_sections} "
                "equal sections."
            )
        step = length // int(indices_or_sections)
        cuts = list(range(step, length, step))
    else:
        cuts = [int(index) for index in indices_or_sections]
    return list(_split(x, cuts=cuts, axis=axis)) if cuts else [x]


def unstack(x: Array, num: int | None = None, axis: int = 0) -> list[Array]:
    """List of the slices along `axis`."""
    return [squeeze(piece, axis) for piece in split(x, num or x.shape[axis], axis)]


def _tile_shape(shape: Shape, repeats: int | Sequence[int]) -> Shape:
    counts = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    ndim = max(len(shape), len(counts))
    lengths = (1,) * (ndim - len(shape)) + tuple(shape)
    counts = (1,) * (ndim - len(counts)) + counts
    return tuple(
        None if length is None else length * count
        for length, count in zip(lengths, counts, strict=True)
    )


def _given_shape(_: Shape, *, shape: Shape, **__: Any) -> Shape:
    return tuple(shape)


@operation(_tile_shape)
def tile(x: Array, repeats: int | Sequence[int]) -> Array:
    """The whole array repeated along each axis."""
    return np.tile(x, repeats)


@operation(_given_shape)
def _untile(g: Array, shape: tuple[int, ...], repeats: int | Sequence[int]) -> Array:
    """Sum of the copies; the transpose of tiling."""
    counts = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    counts = (1,) * (g.ndim - len(counts)) + counts
    lengths = (1,) * (g.ndim - len(shape)) + shape
    pairs = [length for pair in zip(counts, lengths, strict=True) for length in pair]
    return g.reshape(pairs).sum(axis=tuple(range(0, 2 * g.ndim, 2))).reshape(shape)


tile.gradients(lambda g, out, x, repeats: _untile(g, shape=x.shape, repeats=repeats))
_untile.gradients(lambda g, out, x, shape, repeats: tile(g, repeats=repeats))


def _repeat_shape(shape: Shape, repeats: int, axis: int | None = None) -> Shape:
    if axis is None:
        total = shapes.size(shape)
        return (None if total is None else total * repeats,)
    length = shape[axis]
    out = list(shape)
    out[axis] = None if length is None else length * repeats
    return tuple(out)


@operation(_repeat_shape)
def repeat(x: Array, repeats: int, axis: int | None = None) -> Array:
    """Every entry along `axis` repeated in place; of the flattened array for None."""
    return np.repeat(x, repeats, axis)


@operation(_given_shape)
def _unrepeat(g: Array, shape: tuple[int, ...], repeats: int, axis: int | None) -> Array:
    """Sum of the copies; the transpose of repeating."""
    if axis is None:
        return g.reshape(-1, repeats).sum(axis=1).reshape(shape)
    at = axis % len(shape)
    return g.reshape(*shape[: at + 1], repeats, *shape[at + 1 :]).sum(axis=at + 1)


repeat.gradients(
    lambda g, out, x, repeats, axis=None: _unrepeat(g, shape=x.shape, repeats=repeats, axis=axis)
)
_unrepeat.gradients(lambda g, out, x, shape, repeats, axis: repeat(g, repeats, axis=axis))


def _take_shape(shape: Shape, indices: Shape, axis: int | None = None) -> Shape:
    if axis is None:
        return tuple(indices)
    at = shapes.normalize_axis(axis, len(shape))
    return (*shape[:at], *indices, *shape[at + 1 :])


@operation(_take_shape, inputs=2, dtype=lambda x, *_, **__: np.dtype(x.dtype).name)
def take(x: Array, indices: Any, axis: int | None = None) -> Array:
    """Entries at `indices` along `axis`; of the flattened array for None.

    Negative indices count from the end.
    """
    indices = np.asarray(indices)
    if axis == 0 and x.ndim == 2 and x.dtype == _SINGLE and x.flags.c_contiguous:
        return _rows_at(x, indices)
    return np.take(x, indices, axis=axis)


def _rows_at(x: Array, indices: Array) -> Array:
    """Return rows of a matrix; of few NumPy finds them as quickly, and says what is wrong."""
    size = indices.size * x.shape[1]
    if size < LARGE or indices.dtype not in _PLACES:
        return x.take(indices, axis=0)
    out, beyond = room.empty((*indices.shape, x.shape[1])), np.zeros(1, np.int64)
    places = np.ascontiguousarray(indices).reshape(-1)
    # Rows here and there are waited for longer than rows one after the other.
    compiled_rows.take_rows(tasks_of(4 * size), x, places, out.reshape(-1, x.shape[1]), beyond)
    return x.take(indices, axis=0) if beyond[0] else out


@lru_cache(maxsize=256)
def _around(shape: tuple[int, ...], axis: int | None) -> tuple[int, int, int]:
    """Return the entries before, along and behind an axis, all along None."""
    if axis is None:
        return shapes.around(shape, 0, len(shape) - 1)
    return shapes.around(shape, axis % len(shape), axis % len(shape))


@operation(_given_shape)
def _untake(g: Array, indices: Any, shape: tuple[int, ...], axis: int | None) -> Array:
    """Zeros but for what is added at `indices`; the transpose of taking."""
    g, places = np.asarray(g), np.asarray(indices).ravel()
    before, length, after = _around(shape, axis)
    out = room.empty((before, length, after), g.dtype)
    rows = np.ascontiguousarray(g).reshape(before, places.size, after)
    compiled_rows.sum_rows(tasks_of(out.size), rows, places, out)
    return out.reshape(shape)


def _take_gradient(g: Any, out: Any, x: Any, indices: Any, axis: int | None = None) -> Any:
    if type(g) is np.ndarray:
        # Of plain arrays there is nothing to record.
        return _untake.forward(g, indices, x.shape, axis)
    return _untake(g, indices=getattr(indices, "value", indices), shape=x.shape, axis=axis)


take.gradients(_take_gradient, None)
_untake.gradients(lambda g, out, x, indices, shape, axis: take(g, indices, axis=axis))


@operation(lambda shape, key: shapes.getitem(shape, key))
def getitem(x: Array, key: Any) -> Array:
    """Indexed or sliced as NumPy does."""
    return np.asarray(x)[key]


@getitem.joint_gradient
def _getitem_gradient(g: Array, out: Array, x: Array, key: Any) -> tuple[Array]:
    return (_scatter(g, shape=x.shape, key=key),)


getitem.first_order_only = False


@operation(lambda _, shape, key: tuple(shape))
def _scatter(g: Array, shape: tuple[int, ...], key: Any) -> Array:
    """Zeros but for `g` added where `key` points; the transpose of indexing."""
    g = np.asarray(g)
    out = np.zeros(shape, g.dtype)
    keys = key if isinstance(key, tuple) else (key,)
    if all(one is None or one is Ellipsis or isinstance(one, (int, slice)) for one in keys):
        out[key] = g
    else:
        # Only an array index can point at one entry twice.
        np.add.at(out, key, g)
    return out


_scatter.gradients(lambda g, out, x, shape, key: getitem(g, key=key))

Padding = int | Sequence[int] | Sequence[Sequence[int]]


def _pad_widths(pad_width: Padding, ndim: int) -> list[tuple[int, int]]:
    widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    return [(int(low), int(high)) for low, high in widths]


def _pad_shape(shape: Shape, pad_width: Padding, **_: Any) -> Shape:
    widths = _pad_widths(pad_width, len(shape))
    return tuple(
        None if length is None else length + low + high
        for length, (low, high) in zip(shape, widths, strict=True)
    )


@operation(_pad_shape)
def pad(
    x: Array, pad_width: Padding, mode: str = "constant", constant_values: float | None = None
) -> Array:
    """Entries added around each axis.

    Parameters
    ----------
    pad_width : ``((before, after), ...)`` per axis, one pair or one number for all.
    mode : ``"constant"``, ``"reflect"`` or ``"symmetric"``.
    constant_values : filler of the constant mode, 0 for None.
    """
    if mode == "constant":
        return _surrounded(x, _pad_widths(pad_width, x.ndim), constant_values or 0)
    if mode not in ("reflect", "symmetric"):
        raise ValueError(
            "Argument `mode` must be one of 'constant', 'reflect', 'symmetric'. "
            f"Received: mode={mode!r}"
        )
    return np.pad(x, pad_width, mode=mode)


def _surrounded(x: Array, widths: list[tuple[int, int]], value: float) -> Array:
    padded = [axis for axis, width in enumerate(widths) if width != (0, 0)]
    first, last = (padded[0], padded[-1]) if padded else (0, 0)
    plain = x.dtype == np.float32 and all(min(width) >= 0 for width in widths)
    if not plain or x.size < LARGE or last - first > 2:
        # With few NumPy is as quick, and it says what is wrong.
        return np.pad(x, widths, constant_values=value)
    # What lies inside the last padded axis moves with its entries.
    inner, outer = math.prod(x.shape[last + 1 :]), math.prod(x.shape[:first])
    missing = (1,) * (2 - last + first)
    lengths = [length + low + high for length, (low, high) in zip(x.shape, widths, strict=True)]
    out = room.empty(tuple(lengths))
    compiled_borders.surround(
        tasks_of(out.size),
        np.ascontiguousarray(x).reshape(outer, *missing, *x.shape[first:last], -1),
        (*(0,) * len(missing), *(low for low, _ in widths[first:last]), widths[last][0] * inner),
        np.float32(value),
        out.reshape(outer, *missing, *lengths[first:last], -1),
    )
    return out


def _pad_gradient(
    g: Array,
    out: Array,
    x: Array,
    pad_width: Padding,
    mode: str = "constant",
    constant_values: float | None = None,
) -> Array:
    widths = _pad_widths(pad_width, len(x.shape))
    if mode == "constant":
        inner = zip(widths, x.shape, strict=True)
        return g[tuple(slice(low, low + length) for (low, _), length in inner)]
    # Each copied border entry hands its gradient back to the entry it copies.
    copying: Any = mode
    source = np.pad(np.arange(x.size).reshape(x.shape), widths, mode=copying)
    return _untake(g, indices=source, shape=x.shape, axis=None)


pad.gradients(_pad_gradient)


@operation()
def flip(x: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Order reversed along `axis`, along all axes for None."""
    return np.flip(x, axis if axis is None or isinstance(axis, int) else tuple(axis))


flip.gradients(lambda g, out, x, axis=None: flip(g, axis=axis))


@operation()
def roll(x: Array, shift: int, axis: int | None = None) -> Array:
    """Entries moved along `axis`, those beyond the end re-entering at the start."""
    return np.roll(x, shift, axis)


roll.gradients(lambda g, out, x, shift, axis=None: roll(g, -shift, axis=axis))


@operation()
def tril(x: Array, k: int = 0) -> Array:
    """Lower triangle, zeros above the `k`-th diagonal."""
    return np.tril(x, k)


@operation()
def triu(x: Array, k: int = 0) -> Array:
    """Upper triangle, zeros below the `k`-th diagonal."""
    return np.triu(x, k)


tril.gradients(lambda g, out, x, k=0: tril(g, k=k))
triu.gradients(lambda g, out, x, k=0: triu(g, k=k))


@operation()
def sort(x: Array, axis: int = -1) -> Array:
    """Entries in ascending order along `axis`."""
    return np.sort(x, axis=axis)


def _sort_gradient(g: Array, out: Array, x: Array, axis: int = -1) -> Array:
    order = np.argsort(getattr(x, "value", x), axis=axis)
    places: list[Any] = list(np.indices(order.shape, sparse=True))
    # Where each entry went.
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.broadcast_to(places[axis], order.shape), axis)
    places[axis] = found
    return g[tuple(places)]


sort.gradients(_sort_gradient)


@operation(dtype="int32")
def argsort(x: Array, axis: int = -1) -> Array:
    """Indices that would sort along `axis`."""
    return np.argsort(x, axis=axis).astype("int32")


@operation(dtype=lambda x, dtype: standardize_dtype(dtype))
def cast(x: Array, dtype: Any) -> Array:
    """The same numbers as another type."""
    return np.asarray(x).astype(standardize_dtype(dtype), copy=False)


cast.gradients(lambda g, out, x, dtype: cast(g, x.dtype))


@operation()
def cumulate_reversed(x: Array, axis: int) -> Array:
    """Running sum from the end, the gradient of a running sum."""
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis)


cumulate_reversed.gradients(lambda g, out, x, axis: _cumulate(g, axis=axis))


@operation()
def _cumulate(x: Array, axis: int) -> Array:
    return np.cumsum(x, axis)


_cumulate.gradients(lambda g, out, x, axis: cumulate_reversed(g, axis=axis))


def one_hot(x: Array, num_classes: int, axis: int = -1, dtype: str | None = None) -> Array:
    """Integers as vectors with a single one; integers out of range give zeros."""
    ndim = len(x.shape) + 1
    at = axis % ndim
    classes = np.arange(num_classes).reshape([-1 if index == at else 1 for index in range(ndim)])
    return cast(equal(expand_dims(x, at), classes), dtype or floatx())


def ravel(x: Array) -> Array:
    """All entries along one axis."""
    return reshape(x, (-1,))


def shape(x: Array) -> Shape:
    """Length of each axis; None where a symbolic value does not know it."""
    return x.shape if isinstance(x, KerasTensor) else tuple(np.shape(getattr(x, "value", x)))


def size(x: Array) -> int | None:
    """Number of entries; None where a symbolic value does not know it."""
    return shapes.size(shape(x))


def ndim(x: Array) -> int:
    """Number of axes."""
    return len(shape(x))
