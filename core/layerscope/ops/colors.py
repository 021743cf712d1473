"""Colours of images, written with operations and so differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.ops import layout, shapes
from layerscope.ops.depthwise_conv import depthwise_conv
from layerscope.ops.elementwise import abs as absolute
from layerscope.ops.elementwise import clip, equal, greater, maximum, minimum, mod, where
from layerscope.ops.manipulation import cast, concatenate, expand_dims, split, squeeze

Array = Any

#: How bright red, green and blue are.
LUMINANCE = (0.2989, 0.587, 0.114)


def _channel_axis(images: Array, data_format: str | None, *counts: int) -> int:
    """Return where the channels are, of which there must be one of `counts`."""
    ndim = len(images.shape)
    if ndim not in (3, 4):
        raise shapes.ShapeError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={images.shape}"
        )
    axis = ndim - 3 if layout.channels_first(data_format) else ndim - 1
    if counts and images.shape[axis] not in counts:
        raise shapes.ShapeError(
            f"Invalid channel size: expected {' or '.join(map(str, counts))} (3 is RGB, 1 is "
            f"grayscale). Received input with shape: images.shape={images.shape}"
        )
    return axis


def _require_floats(images: Array) -> None:
    if not str(images.dtype).startswith("float"):
        raise ValueError(
            f"Invalid images dtype: expected float dtype. Received: images.dtype={images.dtype}"
        )


def rgb_to_grayscale(images: Array, data_format: str | None = None) -> Array:
    """Brightness of RGB images, as one channel; one channel stays what it is.

    Raises
    ------
    ValueError
        If there are neither three channels nor one.
    """
    axis = _channel_axis(images, data_format, 3, 1)
    if images.shape[axis] == 1:
        return images
    planes = zip(split(images, 3, axis), LUMINANCE, strict=True)
    gray = sum((plane * weight for plane, weight in planes), start=0.0)
    return cast(gray, images.dtype)


def rgb_to_hsv(images: Array, data_format: str | None = None) -> Array:
    """Hue, saturation and value of RGB images in [0, 1].

    Raises
    ------
    ValueError
        If there are not three channels of floats.
    """
    axis = _channel_axis(images, data_format, 3)
    _require_floats(images)
    images = where(absolute(images) < np.finfo(images.dtype).eps, 0.0, images)
    red, green, blue = split(images, 3, axis)
    value = maximum(maximum(red, green), blue)
    spread = value - minimum(minimum(red, green), blue)
    saturation = where(value > 0, spread / where(value > 0, value, 1.0), 0.0)
    scale = 1.0 / (6.0 * where(spread > 0, spread, 1.0))
    hue = where(equal(value, green), scale * (blue - red) + 2 / 6, scale * (red - green) + 4 / 6)
    hue = where(equal(value, red), scale * (green - blue), hue)
    hue = where(spread > 0, hue, 0.0)
    hue = where(greater(0.0, hue), hue + 1.0, hue)
    return cast(concatenate([hue, saturation, value], axis), images.dtype)


def hsv_to_rgb(images: Array, data_format: str | None = None) -> Array:
    """RGB of images given by hue, saturation and value.

    Raises
    ------
    ValueError
        If there are not three channels of floats.
    """
    axis = _channel_axis(images, data_format, 3)
    _require_floats(images)
    hue, saturation, value = split(images, 3, axis)
    sixths = mod(hue, 1.0) * 6.0
    pure = (
        clip(absolute(sixths - 3.0) - 1.0, 0.0, 1.0),
        clip(2.0 - absolute(sixths - 2.0), 0.0, 1.0),
        clip(2.0 - absolute(sixths - 4.0), 0.0, 1.0),
    )
    planes = [value * (1.0 - saturation + saturation * plane) for plane in pure]
    return cast(concatenate(planes, axis), images.dtype)


def _gaussian(size: int, sigma: float) -> np.ndarray:
    weights = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return weights / weights.sum()


def smooth(images: Array, kernel: np.ndarray, data_format: str | None = None) -> Array:
    """Images of which each channel is convolved with one kernel, as if zeros were around them.

    Parameters
    ----------
    kernel : (height, width).
    """
    axis = _channel_axis(images, data_format)
    whole = images if len(images.shape) == 4 else expand_dims(images, 0)
    each = np.repeat(kernel[:, :, None, None], images.shape[axis], axis=2)
    smoothed = depthwise_conv(
        whole, each.astype(images.dtype), padding="same", data_format=data_format
    )
    return smoothed if len(images.shape) == 4 else squeeze(smoothed, 0)


def gaussian_blur(
    images: Array,
    kernel_size: Sequence[int] = (3, 3),
    sigma: Sequence[float] = (1.0, 1.0),
    data_format: str | None = None,
) -> Array:
    """Images blurred by a Gaussian, as if zeros were around them.

    Parameters
    ----------
    kernel_size : width and height of the window.
    sigma : standard deviation along the width and along the height, in pixels.
    """
    across, down = (
        _gaussian(int(size), float(width)) for size, width in zip(kernel_size, sigma, strict=True)
    )
    return smooth(images, np.outer(down, across), data_format)
