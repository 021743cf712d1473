"""Convolution of each channel by itself, alone and followed by a mix of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from layerscope.compiled import depthwise as compiled_depthwise
from layerscope.ops import correlation, layout, shapes
from layerscope.ops.biased import with_bias
from layerscope.ops.conv import (
    biased_conv,
    check_ranks,
    checked_windows,
    conv,
    finished,
    spatial_lengths,
)
from layerscope.ops.operation import operation
from layerscope.ops.windows import Windows, check_padding, filters, restore, volume
from layerscope.tensor import Shape

Array = Any


def _depthwise_shape(
    x: Shape,
    kernel: Shape,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Shape:
    check_ranks("depthwise_conv", x, kernel, "channels, multiplier")
    rank = len(x) - 2
    check_padding(padding, "valid", "same")
    channels = x[1] if layout.channels_first(data_format) else x[-1]
    *size, inputs, multiplier = (int(length or 0) for length in kernel)
    if channels not in (None, inputs):
        raise shapes.ShapeError(
            f"The number of input channels must be the kernel's {inputs}. "
            f"Received {channels} channels (full input shape {x})."
        )
    out = shapes.windows(
        spatial_lengths(x, data_format),
        size,
        layout.per_axis(strides, rank),
        padding,
        layout.per_axis(dilation_rate, rank),
    )
    return finished("depthwise_conv", x, kernel, out, inputs * multiplier, data_format)


@operation(_depthwise_shape, inputs=2)
def depthwise_conv(
    x: Array,
    kernel: Array,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Cross-correlation of every channel with kernels of its own.

    Parameters
    ----------
    x : (batch, *spatial, channels) with one to three spatial axes, or channels second for
        ``"channels_first"``; `data_format` None means the ambient setting.
    kernel : (*size, channels, multiplier).
    strides, dilation_rate : one number, or one per spatial axis.
    padding : ``"valid"`` or ``"same"``.

    Returns
    -------
    (batch, *windows, channels * multiplier), or channels second; those made of one input channel
    stand together.
    """
    options = (strides, padding, data_format, dilation_rate)
    return _forward(x, kernel, None, _windows(x, kernel, *options), data_format)


def _forward(
    x: Array, kernel: Array, bias: Array | None, windows: Windows, data_format: str | None
) -> Array:
    dtype = np.result_type(x, kernel)
    image, weights = _repeated(volume(x, data_format), kernel), _per_channel(kernel, dtype)
    if correlation.direct(windows, image, weights):
        out = correlation.correlated_each(image, weights, windows, bias)
    else:
        image = windows.pad(image).astype(dtype, copy=False)
        out = np.zeros((len(x), *windows.out, image.shape[-1]), dtype)
        compiled_depthwise.depthwise(image, weights, out, *windows.steps)
        out = out if bias is None else out + bias
    return restore(out, x.ndim - 2, data_format)


_windows = partial(checked_windows, _depthwise_shape)


def _repeated(image: Array, kernel: Array) -> Array:
    """Image with each channel once for every kernel it meets."""
    return np.repeat(image, kernel.shape[-1], axis=-1) if kernel.shape[-1] > 1 else image


def _per_channel(kernel: Array, dtype: Any) -> Array:
    """Kernel as (depth, height, width, output channel)."""
    kernel = filters(kernel)
    return np.ascontiguousarray(kernel.reshape(*kernel.shape[:3], -1), dtype)


@depthwise_conv.joint_gradient
def _gradients(
    g: Array, out: Array, x: Array, kernel: Array, wanted: Sequence[bool], **options: Any
) -> list[Array | None]:
    data_format = options.get("data_format")
    windows = _windows(x, kernel, **options)
    grads = np.ascontiguousarray(volume(g, data_format))
    weights = _per_channel(kernel, grads.dtype)
    found: list[Array | None] = [None, None]
    if wanted[0]:
        grad = _input_gradient(grads, weights, windows)
        if kernel.shape[-1] > 1:
            grad = grad.reshape(*grad.shape[:4], *kernel.shape[-2:]).sum(-1)
        found[0] = restore(grad, x.ndim - 2, data_format)
    if wanted[1]:
        image = _repeated(volume(x, data_format), kernel)
        found[1] = _kernel_gradient(image, grads, weights, windows).reshape(kernel.shape)
    return found


def _input_gradient(grads: Array, weights: Array, windows: Windows) -> Array:
    if correlation.direct(windows, grads, weights):
        return correlation.spread_each(grads, weights, windows)
    padded = windows.empty_padded(len(grads), grads.shape[-1], grads.dtype)
    compiled_depthwise.depthwise_input_gradient(grads, weights, padded, *windows.steps)
    return windows.crop(padded)


def _kernel_gradient(image: Array, grads: Array, weights: Array, windows: Windows) -> Array:
    if correlation.direct(windows, image, grads):
        return correlation.kernel_gradient_each(image, grads, weights, windows)
    image = windows.pad(image).astype(grads.dtype, copy=False)
    grad = np.zeros((len(image), *windows.size, grads.shape[-1]), grads.dtype)
    compiled_depthwise.depthwise_kernel_gradient(image, grads, grad, *windows.steps)
    return grad.sum(0)


@with_bias(depthwise_conv)
def biased_depthwise_conv(x: Array, kernel: Array, bias: Array, **options: Any) -> Array:
    """`depthwise_conv` plus a bias (channels * multiplier,), in one step."""
    return _forward(x, kernel, bias, _windows(x, kernel, **options), options.get("data_format"))


def separable_conv(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
    bias: Array | None = None,
) -> Any:
    """`depthwise_conv`, then a `conv` with a kernel of size 1 that mixes the channels.

    Shapes: x (batch, *spatial, channels), depthwise_kernel (*size, channels, multiplier),
    pointwise_kernel (1, ..., channels * multiplier, filters), bias (filters,) or None,
    output (batch, *windows, filters).
    """
    x = depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)
    if bias is None:
        return conv(x, pointwise_kernel, data_format=data_format)
    return biased_conv(x, pointwise_kernel, bias, data_format=data_format)
