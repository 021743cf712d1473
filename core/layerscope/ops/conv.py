"""Convolution over one to three spatial axes, and its transpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from layerscope.ops import correlation, layout, shapes
from layerscope.ops.biased import with_bias
from layerscope.ops.operation import operation
from layerscope.ops.windows import Windows, check_padding, filters, restore, volume
from layerscope.tensor import Shape

Array = Any


def spatial_lengths(x: Shape, data_format: str | None) -> Shape:
    """Return the lengths of the spatial axes."""
    return x[2:] if layout.channels_first(data_format) else x[1:-1]


def check_ranks(name: str, x: Shape, kernel: Shape, last: str) -> None:
    """Raise if an input and a kernel do not have the same one to three spatial axes.

    Raises
    ------
    ShapeError
        With the axes that are expected; `last` describes the kernel's last two. Also if the kernel
        has no entries.
    """
    if len(x) != len(kernel) or len(x) not in (3, 4, 5):
        raise shapes.ShapeError(
            f"`{name}` takes an input (batch, *spatial, channels) with one to three spatial axes "
            f"and a kernel (*size, {last}). Received shapes {x} and {kernel}."
        )
    if 0 in kernel:
        raise shapes.ShapeError(
            f"`{name}` takes a kernel of at least one entry along each axis. "
            f"Received shape {kernel}."
        )


def finished(
    name: str, x: Shape, kernel: Shape, out: Shape, channels: int, data_format: str | None
) -> Shape:
    """Return the whole output shape, given its spatial lengths.

    Raises
    ------
    ShapeError
        If a length is not positive.
    """
    if any(length is not None and length <= 0 for length in out):
        raise shapes.ShapeError(
            f"Computed output size would be zero or negative. Received: input shape {x} and "
            f"kernel shape {kernel} in `{name}`, which give the spatial lengths {out}."
        )
    if layout.channels_first(data_format):
        return (x[0], channels, *out)
    return (x[0], *out, channels)


def _conv_shape(
    x: Shape,
    kernel: Shape,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Shape:
    check_ranks("conv", x, kernel, "channels / groups, filters")
    rank = len(x) - 2
    check_padding(padding, "valid", "same", *(("causal",) if rank == 1 else ()))
    channels = x[1] if layout.channels_first(data_format) else x[-1]
    *size, inputs, outputs = (int(length or 0) for length in kernel)
    if channels is not None and channels % inputs:
        raise shapes.ShapeError(
            f"The number of input channels must be a multiple of the kernel's {inputs}. "
            f"Received {channels} channels (full input shape {x})."
        )
    if channels is not None and outputs % (channels // inputs):
        raise shapes.ShapeError(
            f"The number of filters must be a multiple of the number of groups, "
            f"{channels // inputs}. Received {outputs} filters (kernel shape {kernel})."
        )
    out = shapes.windows(
        spatial_lengths(x, data_format),
        size,
        layout.per_axis(strides, rank),
        padding,
        layout.per_axis(dilation_rate, rank),
    )
    return finished("conv", x, kernel, out, outputs, data_format)


@operation(_conv_shape, inputs=2)
def conv(
    x: Array,
    kernel: Array,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Cross-correlation with a kernel.

    Parameters
    ----------
    x : (batch, *spatial, channels) with one to three spatial axes, or channels second for
        ``"channels_first"``; `data_format` None means the ambient setting.
    kernel : (*size, channels / groups, filters); the number of groups follows from it.
    strides, dilation_rate : one number, or one per spatial axis.
    padding : ``"valid"``, ``"same"``, or ``"causal"`` for one spatial axis.

    Returns
    -------
    (batch, *windows, filters), or filters second.
    """
    windows = _conv_windows(x, kernel, strides, padding, data_format, dilation_rate)
    out = _correlate(volume(x, data_format), filters(kernel), windows)
    return restore(out, x.ndim - 2, data_format)


def checked_windows(
    shape_rule: Callable[..., Shape],
    x: Array,
    kernel: Array,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Windows:
    """Return the windows of a convolution; arguments that an operation's shape rule refuses raise.

    Parameters
    ----------
    shape_rule : of the operation, called with the two shapes and all other arguments.
    """
    first = layout.channels_first(data_format)
    strides, dilation_rate = layout.hashable(strides), layout.hashable(dilation_rate)
    return _windows(shape_rule, x.shape, kernel.shape, strides, padding, first, dilation_rate)


@lru_cache(maxsize=256)
def _windows(
    shape_rule: Callable[..., Shape],
    x: Shape,
    kernel: Shape,
    strides: Any,
    padding: str,
    first: bool,
    dilation_rate: Any,
) -> Windows:
    data_format = "channels_first" if first else "channels_last"
    shape_rule(x, kernel, strides, padding, data_format, dilation_rate)
    spatial: Any = spatial_lengths(x, data_format)
    size: Any = kernel[:-2]
    return Windows.over(spatial, size, strides, padding, dilation_rate)


_conv_windows = partial(checked_windows, _conv_shape)


@conv.joint_gradient
def _conv_gradients(
    g: Array, out: Array, x: Array, kernel: Array, wanted: Sequence[bool], **options: Any
) -> list[Array | None]:
    data_format = options.get("data_format")
    windows = _conv_windows(x, kernel, **options)
    grads, weights = volume(g, data_format), filters(kernel)
    found: list[Array | None] = [None, None]
    if wanted[0]:
        grad = _spread(grads, weights, windows, _channels(x, data_format))
        found[0] = restore(grad, x.ndim - 2, data_format)
    if wanted[1]:
        grad = _kernel_gradient(volume(x, data_format), grads, weights, windows)
        found[1] = grad.reshape(kernel.shape)
    return found


@with_bias(conv)
def biased_conv(x: Array, kernel: Array, bias: Array, **options: Any) -> Array:
    """`conv` plus a bias (filters,), in one step."""
    data_format = options.get("data_format")
    windows = _conv_windows(x, kernel, **options)
    out = _correlate(volume(x, data_format), filters(kernel), windows, bias)
    return restore(out, x.ndim - 2, data_format)


def _conv_transpose_shape(
    x: Shape,
    kernel: Shape,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Shape:
    check_ranks("conv_transpose", x, kernel, "filters, channels")
    rank = len(x) - 2
    check_padding(padding, "valid", "same")
    channels = x[1] if layout.channels_first(data_format) else x[-1]
    *size, outputs, inputs = (int(length or 0) for length in kernel)
    if channels not in (None, inputs):
        raise shapes.ShapeError(
            f"The number of input channels must be the kernel's {inputs}. "
            f"Received {channels} channels (full input shape {x})."
        )
    out = shapes.transposed_windows(
        spatial_lengths(x, data_format),
        size,
        layout.per_axis(strides, rank),
        padding,
        None if output_padding is None else layout.per_axis(output_padding, rank),
        layout.per_axis(dilation_rate, rank),
    )
    return finished("conv_transpose", x, kernel, out, outputs, data_format)


@operation(_conv_transpose_shape, inputs=2)
def conv_transpose(
    x: Array,
    kernel: Array,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Transpose of `conv`: every entry adds a multiple of the kernel to the output.

    Parameters
    ----------
    x : (batch, *spatial, channels) with one to three spatial axes, or channels second for
        ``"channels_first"``; `data_format` None means the ambient setting.
    kernel : (*size, filters, channels): the kernel of the convolution this is the transpose of.
    strides, dilation_rate : one number, or one per spatial axis.
    padding : ``"valid"`` or ``"same"``.
    output_padding : how much longer than the shortest possible the output is, per spatial axis;
        None: as long as the strides call for.

    Returns
    -------
    (batch, *lengths, filters), or filters second.
    """
    windows = _transposed_windows(
        x, kernel, strides, padding, output_padding, data_format, dilation_rate
    )
    out = _spread(volume(x, data_format), filters(kernel), windows, kernel.shape[-2])
    return restore(out, x.ndim - 2, data_format)


def _transposed_windows(
    x: Array,
    kernel: Array,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Windows:
    _conv_transpose_shape(
        x.shape, kernel.shape, strides, padding, output_padding, data_format, dilation_rate
    )
    spatial: Any = spatial_lengths(x.shape, data_format)
    extra = None if output_padding is None else layout.per_axis(output_padding, len(spatial))
    return Windows.transposed(spatial, kernel.shape[:-2], strides, padding, extra, dilation_rate)


@conv_transpose.joint_gradient
def _transpose_gradients(
    g: Array, out: Array, x: Array, kernel: Array, wanted: Sequence[bool], **options: Any
) -> list[Array | None]:
    data_format = options.get("data_format")
    windows = _transposed_windows(x, kernel, **options)
    image, weights = volume(g, data_format), filters(kernel)
    found: list[Array | None] = [None, None]
    if wanted[0]:
        found[0] = restore(_correlate(image, weights, windows), x.ndim - 2, data_format)
    if wanted[1]:
        grad = _kernel_gradient(image, volume(x, data_format), weights, windows)
        found[1] = grad.reshape(kernel.shape)
    return found


@with_bias(conv_transpose)
def biased_conv_transpose(x: Array, kernel: Array, bias: Array, **options: Any) -> Array:
    """`conv_transpose` plus a bias (filters,), in one step."""
    data_format = options.get("data_format")
    windows = _transposed_windows(x, kernel, **options)
    out = _spread(volume(x, data_format), filters(kernel), windows, kernel.shape[-2], bias)
    return restore(out, x.ndim - 2, data_format)


# Below, images are (batch, depth, height, width, channels) and kernels have three axes of size.


def _channels(x: Array, data_format: str | None) -> int:
    return x.shape[1 if layout.channels_first(data_format) else -1]


def _correlate(image: Array, kernel: Array, windows: Windows, bias: Array | None = None) -> Array:
    """Product of every window with the kernel, as (batch, *windows, filters)."""
    if correlation.direct(windows, image, kernel):
        return correlation.correlated(image, kernel, windows, bias)
    groups = image.shape[-1] // kernel.shape[3]
    out = np.empty((len(image), *windows.out, kernel.shape[-1]), np.result_type(image, kernel))
    for part in windows.parts(image):
        patches = windows.patches(image[part])
        for inputs, outputs in _groups(kernel, groups):
            product = _rows(patches, inputs, groups) @ _matrix(kernel[..., outputs])
            out[part, ..., outputs] = product.reshape(len(patches), *windows.out, -1)
    return out if bias is None else out + bias


def _spread(
    values: Array, kernel: Array, windows: Windows, channels: int, bias: Array | None = None
) -> Array:
    """Sum of multiples of the kernel, one for every window: the transpose of `_correlate`."""
    if correlation.direct(windows, values, kernel):
        return correlation.spread(values, kernel, windows, channels, bias)
    inputs, groups = kernel.shape[3], channels // kernel.shape[3]
    dtype = np.result_type(values, kernel)
    image = np.empty((len(values), *windows.spatial, channels), dtype)
    for part in windows.parts(image):
        shape = (part.stop - part.start, *windows.out, *windows.size)
        patches = np.empty((*shape, channels), dtype)
        for columns, outputs in _groups(kernel, groups):
            product = _matrix(values[part, ..., outputs]) @ _matrix(kernel[..., outputs]).T
            patches[..., columns] = product.reshape(*shape, inputs)
        image[part] = windows.sum_patches(patches)
    return image if bias is None else image + bias


def _kernel_gradient(image: Array, values: Array, kernel: Array, windows: Windows) -> Array:
    """Sum over all windows of the window times its value, in the kernel's shape."""
    if correlation.direct(windows, image, values):
        return correlation.kernel_gradient(image, values, kernel, windows)
    groups = image.shape[-1] // kernel.shape[3]
    grad = np.zeros(kernel.shape, np.result_type(image, values))
    for part in windows.parts(image):
        patches = windows.patches(image[part])
        for inputs, outputs in _groups(kernel, groups):
            product = _rows(patches, inputs, groups).T @ _matrix(values[part, ..., outputs])
            grad[..., outputs] += product.reshape(*kernel.shape[:4], -1)
    return grad


def _groups(kernel: Array, groups: int) -> list[tuple[slice, slice]]:
    """Input and output channels of each group."""
    inputs, outputs = kernel.shape[3], kernel.shape[4] // groups
    return [
        (slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs))
        for g in range(groups)
    ]


def _matrix(x: Array) -> Array:
    """All axes but the last joined into one."""
    return x.reshape(-1, x.shape[-1])


def _rows(patches: Array, channels: slice, groups: int) -> Array:
    """Patches as one matrix, a window per row."""
    if groups > 1:
        patches = patches[..., channels]
    return patches.reshape(-1, np.prod(patches.shape[4:], dtype=int))
