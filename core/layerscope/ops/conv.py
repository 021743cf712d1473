"""Convolution and pooling over the two spatial axes of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.compiled import patches as compiled_patches
from layerscope.compiled import pooling as compiled_pooling
from layerscope.config import standardize_data_format
from layerscope.ops import shapes
from layerscope.ops.operation import operation
from layerscope.tensor import Shape

Array = Any
Pair = tuple[int, int]

# Patches larger than this are made for a part of the batch at a time.
_PATCH_BYTES = 32 * 2**20


def pair(value: int | Sequence[int]) -> Pair:
    """Return one number per spatial axis."""
    if isinstance(value, (int, np.integer)):
        return int(value), int(value)
    first, second = value
    return int(first), int(second)


def _channels_first(data_format: str | None) -> bool:
    return standardize_data_format(data_format) == "channels_first"


def _channels_last(x: Array, data_format: str | None) -> Array:
    return np.moveaxis(x, 1, -1) if _channels_first(data_format) else x


def _restore_format(x: Array, data_format: str | None) -> Array:
    return np.moveaxis(x, -1, 1) if _channels_first(data_format) else x


def _conv_shape(
    x: Shape,
    kernel: Shape,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Shape:
    first = _channels_first(data_format)
    spatial = x[2:] if first else x[1:-1]
    channels = x[1] if first else x[-1]
    if len(spatial) != 2 or len(kernel) != 4:
        raise shapes.ShapeError(
            f"`conv` takes images (batch, height, width, channels) and a kernel (height, width, "
            f"in, out). Received shapes {x} and {kernel}."
        )
    height, width, inputs, filters = (int(length or 0) for length in kernel)
    if channels is not None and channels % inputs:
        raise shapes.ShapeError(
            f"The number of input channels must be a multiple of the kernel's {inputs}. "
            f"Received {channels} channels (full input shape {x})."
        )
    out = shapes.windows(spatial, (height, width), pair(strides), padding, pair(dilation_rate))
    if any(length is not None and length <= 0 for length in out):
        raise shapes.ShapeError(
            f"Computed output size would be zero or negative. Received: input shape {x}, "
            f"kernel shape {kernel}, strides={pair(strides)}, padding={padding!r}, "
            f"dilation_rate={pair(dilation_rate)}."
        )
    return (x[0], filters, *out) if first else (x[0], *out, filters)


class _Geometry:
    """Where the windows of one convolution lie."""

    def __init__(
        self, x: Array, kernel: Array, strides: Any, padding: str, dilation_rate: Any
    ) -> None:
        self.strides, self.dilation = pair(strides), pair(dilation_rate)
        self.size: Pair = kernel.shape[:2]
        self.spatial: Pair = x.shape[1:3]
        self.pads = [
            shapes.window_padding(length, size, stride, padding, dilation)
            for length, size, stride, dilation in zip(
                self.spatial, self.size, self.strides, self.dilation, strict=True
            )
        ]
        rows, columns = shapes.windows(
            self.spatial, self.size, self.strides, padding, self.dilation
        )
        self.out: Pair = (rows or 0, columns or 0)
        self.groups = x.shape[-1] // kernel.shape[2]
        per_image = self.out[0] * self.out[1] * kernel.shape[0] * kernel.shape[1] * x.shape[-1]
        self.batch = max(1, _PATCH_BYTES // max(per_image * x.itemsize, 1))

    @property
    def pointwise(self) -> bool:
        """Whether the patches are the image itself."""
        return self.size == (1, 1) and self.strides == (1, 1)

    def chunks(self, n: int) -> list[slice]:
        """Parts of the batch whose patches fit in memory."""
        return [slice(start, min(start + self.batch, n)) for start in range(0, n, self.batch)]

    def patches(self, x: Array) -> Array:
        """Windows of `x` as (batch, rows, columns, height, width, channels)."""
        if self.pointwise:
            return x.reshape(*x.shape[:3], 1, 1, x.shape[3])
        if any(any(pad) for pad in self.pads):
            x = np.pad(x, ((0, 0), *self.pads, (0, 0)))
        out = np.empty((len(x), *self.out, *self.size, x.shape[-1]), x.dtype)
        compiled_patches.gather_patches(np.ascontiguousarray(x), out, *self.strides, *self.dilation)
        return out

    def image(self, patches: Array) -> Array:
        """Sum of the windows where they overlap: the transpose of `patches`."""
        n, channels = len(patches), patches.shape[-1]
        if self.pointwise:
            return patches.reshape(n, *self.spatial, channels)
        lengths = [length + sum(pad) for length, pad in zip(self.spatial, self.pads, strict=True)]
        out = np.zeros((n, *lengths, channels), patches.dtype)
        compiled_patches.scatter_patches(
            np.ascontiguousarray(patches), out, *self.strides, *self.dilation
        )
        (top, _), (left, _) = self.pads
        return out[:, top : top + self.spatial[0], left : left + self.spatial[1]]


@operation(_conv_shape, inputs=2)
def conv(
    x: Array,
    kernel: Array,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Cross-correlation of images with a kernel.

    Parameters
    ----------
    x : (batch, height, width, channels), or channels second for ``"channels_first"``;
        `data_format` None means the ambient setting.
    kernel : (height, width, channels / groups, filters); the number of groups follows from it.
    strides, dilation_rate : one number, or one per spatial axis.
    padding : ``"valid"`` or ``"same"``.

    Returns
    -------
    (batch, rows, columns, filters), or filters second.
    """
    _conv_shape(x.shape, kernel.shape, strides, padding, data_format, dilation_rate)
    image = _channels_last(x, data_format)
    geometry = _Geometry(image, kernel, strides, padding, dilation_rate)
    filters, groups = kernel.shape[-1], geometry.groups
    out = np.empty((len(image), *geometry.out, filters), np.result_type(x, kernel))
    for part in geometry.chunks(len(image)):
        patches = geometry.patches(image[part])
        for channels, outputs in _groups(kernel, groups):
            rows = _rows(patches, channels, groups)
            weights = _group_kernel(kernel, outputs)
            result = rows @ weights
            out[part, ..., outputs] = result.reshape(len(patches), *geometry.out, -1)
    return _restore_format(out, data_format)


def _groups(kernel: Array, groups: int) -> list[tuple[slice, slice]]:
    inputs, filters = kernel.shape[2], kernel.shape[3] // groups
    return [
        (slice(g * inputs, (g + 1) * inputs), slice(g * filters, (g + 1) * filters))
        for g in range(groups)
    ]


def _rows(patches: Array, channels: slice, groups: int) -> Array:
    """Patches as one matrix, a window per row."""
    if groups > 1:
        patches = patches[..., channels]
    return patches.reshape(-1, patches.shape[3] * patches.shape[4] * patches.shape[5])


def _group_kernel(kernel: Array, outputs: slice) -> Array:
    weights = kernel[..., outputs]
    return weights.reshape(-1, weights.shape[-1])


def _conv_grad_input(
    g: Array,
    out: Array,
    x: Array,
    kernel: Array,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Array:
    g, image = _channels_last(g, data_format), _channels_last(x, data_format)
    geometry = _Geometry(image, kernel, strides, padding, dilation_rate)
    grad = np.empty(image.shape, g.dtype)
    for part in geometry.chunks(len(image)):
        grads = g[part]
        patches = np.empty((len(grads), *geometry.out, *geometry.size, image.shape[-1]), g.dtype)
        for channels, outputs in _groups(kernel, geometry.groups):
            rows = np.ascontiguousarray(grads[..., outputs]).reshape(-1, _width(outputs))
            product = rows @ _group_kernel(kernel, outputs).T
            patches[..., channels] = product.reshape(*patches.shape[:5], kernel.shape[2])
        grad[part] = geometry.image(patches)
    return _restore_format(grad, data_format)


def _conv_grad_kernel(
    g: Array,
    out: Array,
    x: Array,
    kernel: Array,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Array:
    g, image = _channels_last(g, data_format), _channels_last(x, data_format)
    geometry = _Geometry(image, kernel, strides, padding, dilation_rate)
    grad = np.zeros(kernel.shape, g.dtype)
    for part in geometry.chunks(len(image)):
        patches = geometry.patches(image[part])
        grads = g[part]
        for channels, outputs in _groups(kernel, geometry.groups):
            rows = _rows(patches, channels, geometry.groups)
            columns = np.ascontiguousarray(grads[..., outputs]).reshape(-1, _width(outputs))
            grad[..., outputs] += (rows.T @ columns).reshape(*kernel.shape[:3], -1)
    return grad


def _width(part: slice) -> int:
    return part.stop - part.start


conv.gradients(_conv_grad_input, _conv_grad_kernel)
conv.first_order_only = True


def _pool_shape(
    x: Shape,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Shape:
    first = _channels_first(data_format)
    spatial, size = (x[2:] if first else x[1:-1]), pair(pool_size)
    if len(spatial) != 2:
        raise shapes.ShapeError(
            f"`max_pool` takes images (batch, height, width, channels). Received shape {x}."
        )
    out = shapes.windows(spatial, size, pair(size if strides is None else strides), padding)
    return (x[0], x[1], *out) if first else (x[0], *out, x[-1])


def _pool(
    x: Array,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: str,
    data_format: str | None,
) -> tuple[Array, Array]:
    _pool_shape(x.shape, pool_size, strides, padding, data_format)
    image = np.ascontiguousarray(_channels_last(x, data_format))
    size = pair(pool_size)
    stride = pair(size if strides is None else strides)
    (top, _), (left, _) = (
        shapes.window_padding(length, size_, stride_, padding)
        for length, size_, stride_ in zip(image.shape[1:3], size, stride, strict=True)
    )
    rows, columns = shapes.windows(image.shape[1:3], size, stride, padding)
    out = np.empty((len(image), rows or 0, columns or 0, image.shape[-1]), image.dtype)
    winner = np.empty(out.shape, np.int32)
    if out.size:
        compiled_pooling.max_pool(image, out, winner, *size, *stride, top, left)
    return _restore_format(out, data_format), winner


@operation(_pool_shape)
def max_pool(
    x: Array,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Maximum over windows of an image; padding never wins, the first of equal values does.

    Parameters
    ----------
    x : (batch, height, width, channels), or channels second for ``"channels_first"``.
    pool_size, strides : one number, or one per spatial axis; strides None: the pool size.
    padding : ``"valid"`` or ``"same"``.
    """
    return _pool(x, pool_size, strides, padding, data_format)[0]


@max_pool.saving
def _max_pool_saving(
    x: Array,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> tuple[Array, Array]:
    return _pool(x, pool_size, strides, padding, data_format)


@max_pool.joint_gradient
def _max_pool_gradient(
    g: Array,
    out: Array,
    x: Array,
    saved: Array,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> tuple[Array]:
    grad_out = np.ascontiguousarray(_channels_last(g, data_format))
    grad = np.zeros(_channels_last(x, data_format).shape, grad_out.dtype)
    compiled_pooling.max_pool_gradient(grad_out, saved, grad)
    return (_restore_format(grad, data_format),)
