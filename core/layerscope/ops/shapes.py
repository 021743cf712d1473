"""Shape rules: the output shape of an operation from its inputs' shapes, None where unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.tensor import Shape


class ShapeError(ValueError):
    """Shapes that do not fit together."""


def broadcast(*shapes: Shape, **_: Any) -> Shape:
    """Shape of an elementwise combination, by NumPy's rules with unknown lengths.

    Raises
    ------
    ShapeError
        If two known lengths differ and neither is 1.
    """
    ndim = max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    out: list[int | None] = []
    for lengths in zip(*padded, strict=True):
        known = {length for length in lengths if length not in (1, None)}
        if len(known) > 1:
            raise ShapeError(f"Shapes {', '.join(map(str, shapes))} cannot be broadcast together.")
        if known:
            out.append(known.pop())
        else:
            out.append(None if None in lengths else 1)
    return tuple(out)


def normalize_axis(axis: int, ndim: int) -> int:
    """Return a non-negative axis.

    Raises
    ------
    ValueError
        If the axis does not exist.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"Argument `axis` must be in [{-ndim}, {ndim}). Received: axis={axis}")
    return axis % ndim


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Return all axes meant by `axis`, every one of them for None."""
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(normalize_axis(one, ndim) for one in axes)


def around(shape: tuple[int, ...], first: int, last: int) -> tuple[int, int, int]:
    """Return the entries before, along and behind the axes from one to another."""
    behind = last + 1
    return math.prod(shape[:first]), math.prod(shape[first:behind]), math.prod(shape[behind:])


def reduction(
    shape: Shape,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    **_: Any,
) -> Shape:
    """Shape after reducing over `axis`."""
    axes = normalize_axes(axis, len(shape))
    if keepdims:
        return tuple(1 if index in axes else length for index, length in enumerate(shape))
    return tuple(length for index, length in enumerate(shape) if index not in axes)


def matmul(a: Shape, b: Shape, **_: Any) -> Shape:
    """Shape of a matrix product.

    Raises
    ------
    ShapeError
        If the inner lengths differ.
    """
    if not a or not b:
        raise ShapeError(f"A matrix product needs at least one axis each. Received: {a} and {b}")
    inner_a, inner_b = a[-1], b[-2:][0]
    if inner_a is not None and inner_b is not None and inner_a != inner_b:
        raise ShapeError(f"Inner lengths of a matrix product differ: {a} and {b}.")
    rows = a[-2:-1]
    columns = b[-1:] if len(b) > 1 else ()
    leading = broadcast(a[:-2], b[:-2]) if len(a) > 2 or len(b) > 2 else ()
    return (*leading, *rows, *columns)


def dense(x: Shape, kernel: Shape, bias: Shape, **_: Any) -> Shape:
    """Shape of a product with a matrix and an offset of its columns.

    Raises
    ------
    ShapeError
        If lengths differ.
    """
    return broadcast(matmul(x, kernel), bias)


def transpose(shape: Shape, axes: Sequence[int] | None = None) -> Shape:
    """Shape after permuting the axes."""
    if axes is None:
        return tuple(reversed(shape))
    return tuple(shape[axis] for axis in axes)


def size(shape: Shape) -> int | None:
    """Number of entries, None if any length is unknown."""
    known = [length for length in shape if length is not None]
    return math.prod(known) if len(known) == len(shape) else None


def reshape(shape: Shape, newshape: Sequence[int | None]) -> Shape:
    """Shape after a reshape whose target may hold one -1.

    Raises
    ------
    ShapeError
        If the number of entries changes.
    """
    target = [-1 if length is None else length for length in newshape]
    unknown = [index for index, length in enumerate(target) if length == -1]
    total = size(shape)
    if total is None:
        return tuple(None if length == -1 else length for length in target)
    if unknown:
        rest = math.prod(length for length in target if length != -1)
        if len(unknown) > 1 or rest == 0 or total % rest:
            raise _size_changed(shape, newshape)
        target[unknown[0]] = total // rest
    if math.prod(target) != total:
        raise _size_changed(shape, newshape)
    return tuple(target)


def _size_changed(shape: Shape, newshape: Sequence[int | None]) -> ShapeError:
    return ShapeError(
        "The total size of the tensor must be unchanged. "
        f"Received: input_shape={shape}, target_shape={tuple(newshape)}"
    )


def concatenate(*shapes: Shape, axis: int = -1) -> Shape:
    """Shape of a concatenation.

    Raises
    ------
    ShapeError
        If shapes differ off the axis.
    """
    ndim = len(shapes[0])
    axis = normalize_axis(axis, ndim)
    out = list(shapes[0])
    total: int | None = 0
    for shape in shapes:
        if len(shape) != ndim:
            raise ShapeError(f"Cannot concatenate shapes of different rank: {list(shapes)}")
        for index, length in enumerate(shape):
            if index == axis or length is None:
                continue
            if out[index] is None:
                out[index] = length
            elif out[index] != length:
                raise ShapeError(
                    f"Shapes to concatenate must match except on axis {axis}: {list(shapes)}"
                )
        length = shape[axis]
        total = None if total is None or length is None else total + length
    out[axis] = total
    return tuple(out)


def getitem(shape: Shape, key: Any) -> Shape:
    """Shape of an indexed or sliced value, by NumPy's rules.

    Raises
    ------
    IndexError
        If there are more indices than axes.
    ShapeError
        For a mask, because the number of entries it picks depends on its values.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    consumed = sum(1 for one in keys if one is not None and one is not Ellipsis)
    if consumed > len(shape):
        raise IndexError(f"Too many indices for shape {shape}: {key!r}")
    at = next((index for index, one in enumerate(keys) if one is Ellipsis), len(keys))
    keys[at : at + 1] = [slice(None)] * (len(shape) - consumed)
    lengths = iter(shape)
    out: list[int | None] = []
    first = 0
    picked: list[Shape] = []
    places: list[int] = []
    for position, one in enumerate(keys):
        if one is None:
            out.append(1)
        elif isinstance(one, slice):
            out.append(_sliced(next(lengths), one))
        else:
            next(lengths)
            picked.append(_index_shape(one))
            places.append(position)
            first = len(out) if len(picked) == 1 else first
    if not any(picked):
        return tuple(out)
    # Arrays of indices are broadcast; what they pick comes first unless they stand together.
    together = places[-1] - places[0] == len(places) - 1
    first = first if together else 0
    return (*out[:first], *broadcast(*picked), *out[first:])


def _index_shape(index: Any) -> Shape:
    array = index if hasattr(index, "shape") else np.asarray(index)
    if np.dtype(array.dtype).kind == "b":
        raise ShapeError("The shape of what a mask picks depends on its values.")
    return tuple(array.shape)


def _sliced(length: int | None, key: slice) -> int | None:
    if length is None:
        return None
    return len(range(*key.indices(length)))


def window(
    length: int | None, size: int, stride: int, padding: str, dilation: int = 1
) -> int | None:
    """Number of windows along one axis.

    ``valid``: floor((n - d(k-1) - 1) / s) + 1; ``same`` and ``causal``: ceil(n / s).
    """
    if length is None:
        return None
    if padding == "valid":
        return max((length - dilation * (size - 1) - 1) // stride + 1, 0)
    return -(-length // stride)


def window_padding(
    length: int, size: int, stride: int, padding: str, dilation: int = 1
) -> tuple[int, int]:
    """How many entries to add before and after one axis; the odd one goes to the end."""
    reach = dilation * (size - 1)
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return reach, 0
    total = max((-(-length // stride) - 1) * stride + reach + 1 - length, 0)
    return total // 2, total - total // 2


def windows(
    spatial: Sequence[int | None],
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] | None = None,
) -> Shape:
    """Number of windows along each spatial axis."""
    dilation = dilation or (1,) * len(sizes)
    return tuple(
        window(length, size_, stride, padding, dilation_)
        for length, size_, stride, dilation_ in zip(spatial, sizes, strides, dilation, strict=True)
    )


def transposed_window(
    length: int | None,
    size: int,
    stride: int,
    padding: str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> int | None:
    """Length of one axis that a transposed convolution makes of `length` windows.

    With k = d(size - 1) + 1 and output padding p: ``valid`` (n - 1)s + k + p and ``same``
    (n - 1)s + k - 2 floor(k / 2) + p; without: ``valid`` ns + max(k - s, 0) and ``same`` ns.
    """
    if length is None:
        return None
    reach = dilation * (size - 1) + 1
    if output_padding is None:
        return length * stride + (max(reach - stride, 0) if padding == "valid" else 0)
    full = (length - 1) * stride + reach + output_padding
    return full if padding == "valid" else full - 2 * (reach // 2)


def transposed_padding(
    length: int, out: int, size: int, stride: int, padding: str, dilation: int = 1
) -> tuple[int, int]:
    """How many entries to cut before and after one axis, so that `out` remain at most."""
    surplus = max((length - 1) * stride + dilation * (size - 1) + 1 - out, 0)
    before = surplus // 2 if padding == "same" else 0
    return before, surplus - before


def transposed_windows(
    spatial: Sequence[int | None],
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: str,
    output_padding: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
) -> Shape:
    """Length that a transposed convolution gives each spatial axis."""
    dilation = dilation or (1,) * len(sizes)
    extra = output_padding or (None,) * len(sizes)
    return tuple(
        transposed_window(length, size_, stride, padding, extra_, dilation_)
        for length, size_, stride, extra_, dilation_ in zip(
            spatial, sizes, strides, extra, dilation, strict=True
        )
    )
