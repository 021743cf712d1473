"""Operations on images, as `keras.ops.image` has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.compiled import resizing as compiled_resizing
from layerscope.config import float_type_for
from layerscope.ops import layout, shapes
from layerscope.ops.colors import gaussian_blur as gaussian_blur
from layerscope.ops.colors import hsv_to_rgb as hsv_to_rgb
from layerscope.ops.colors import rgb_to_grayscale as rgb_to_grayscale
from layerscope.ops.colors import rgb_to_hsv as rgb_to_hsv
from layerscope.ops.manipulation import expand_dims, getitem, pad, squeeze
from layerscope.ops.operation import float_result, operation
from layerscope.ops.warping import affine_transform as affine_transform
from layerscope.ops.warping import perspective_transform as perspective_transform
from layerscope.tensor import Shape

Array = Any


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - distance, 0)


def _keys_cubic(distance: np.ndarray) -> np.ndarray:
    """Cubic convolution with a = -1/2 (Keys 1981)."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def _lanczos3(distance: np.ndarray) -> np.ndarray:
    return np.where(distance < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


def _lanczos5(distance: np.ndarray) -> np.ndarray:
    return np.where(distance < 5, np.sinc(distance) * np.sinc(distance / 5), 0)


#: Weight of an entry by its distance, and the distance from which it has none.
KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_keys_cubic, 2),
    "lanczos3": (_lanczos3, 3),
    "lanczos5": (_lanczos5, 5),
}
INTERPOLATIONS = ("nearest", *KERNELS)


def _taps(
    length: int, new_length: int, interpolation: str, antialias: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return which entries each new position combines, and with which weights.

    Both axes span the same interval and an entry stands in the middle of its cell (half-pixel
    centres). Weights that would fall outside are shared out among the others. With `antialias` a
    window is as wide as the cells of the new axis, if those are wider.
    """
    centres = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
    if interpolation == "nearest":
        sources = np.clip(np.floor(centres + 0.5), 0, length - 1)
        return sources.astype(np.int64)[:, None], np.ones((new_length, 1))
    kernel, reach = KERNELS[interpolation]
    spread = max(length / new_length, 1) if antialias else 1
    reach = math.ceil(reach * spread)
    sources = np.floor(centres)[:, None].astype(np.int64) + np.arange(1 - reach, reach + 1)
    weights = kernel(np.abs(centres[:, None] - sources) / spread)
    weights[(sources < 0) | (sources >= length)] = 0
    return np.clip(sources, 0, length - 1), weights / weights.sum(axis=1, keepdims=True)


def _resize_shape(
    x: Shape,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    data_format: str | None = None,
) -> Shape:
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"Argument `interpolation` must be one of {', '.join(map(repr, INTERPOLATIONS))}. "
            f"Received: interpolation={interpolation!r}"
        )
    if len(x) != 4:
        raise shapes.ShapeError(
            f"`resize` takes images (batch, height, width, channels) or one image. "
            f"Received shape {x}."
        )
    new = layout.per_axis(size, 2)
    return (x[0], x[1], *new) if layout.channels_first(data_format) else (x[0], *new, x[3])


def _axes(data_format: str | None) -> tuple[int, int]:
    return (2, 3) if layout.channels_first(data_format) else (1, 2)


def _flat(x: Array, axis: int) -> Array:
    """Return `x` as (what comes before the axis, the axis, what comes after)."""
    before = int(np.prod(x.shape[:axis]))
    after = int(np.prod(x.shape[axis + 1 :]))
    return np.ascontiguousarray(x).reshape(before, x.shape[axis], after)


def _along(
    loop: Callable[..., None], x: Array, axis: int, new_length: int, taps: tuple[Array, Array]
) -> Array:
    """Run an interpolating loop along one axis."""
    flat = _flat(x, axis)
    out = np.zeros((flat.shape[0], new_length, flat.shape[2]), x.dtype)
    sources, weights = taps
    loop(flat, out, sources, weights.astype(x.dtype))
    return out.reshape(*x.shape[:axis], new_length, *x.shape[axis + 1 :])


@operation(_resize_shape, dtype=float_result)
def _resize(
    x: Array,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    data_format: str | None = None,
) -> Array:
    """Images of another height and width."""
    _resize_shape(x.shape, size, interpolation, antialias, data_format)
    x = x.astype(float_type_for(x.dtype), copy=False)
    for axis, new_length in zip(_axes(data_format), layout.per_axis(size, 2), strict=True):
        taps = _taps(x.shape[axis], new_length, interpolation, antialias)
        x = _along(compiled_resizing.interpolate, x, axis, new_length, taps)
    return x


@_resize.joint_gradient
def _resize_gradient(
    g: Array,
    out: Array,
    x: Array,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    data_format: str | None = None,
) -> tuple[Array]:
    for axis, new_length in zip(_axes(data_format), layout.per_axis(size, 2), strict=True):
        taps = _taps(x.shape[axis], new_length, interpolation, antialias)
        g = _along(compiled_resizing.interpolate_gradient, g, axis, x.shape[axis], taps)
    return (g,)


def aspect_window(
    height: int, width: int, new_height: int, new_width: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where the largest centred part with another shape begins and ends, down and across."""
    tall = max(min(height, int(width * new_height / new_width)), 1)
    wide = max(min(width, int(height * new_width / new_height)), 1)
    top, left = int((height - tall) / 2), int((width - wide) / 2)
    return (top, top + tall), (left, left + wide)


def _aspect_margins(
    height: int, width: int, new_height: int, new_width: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return what to put around an image so that it has another shape, down and across."""
    tall = max(height, int(width * new_height / new_width))
    wide = max(width, int(height * new_width / new_height))
    above, before = int((tall - height) / 2), int((wide - width) / 2)
    return (above, above), (before, before)


def resize(
    x: Array,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Images of another height and width.

    Parameters
    ----------
    x : (batch, height, width, channels), or channels second for ``"channels_first"``; or one
        image, without the batch.
    size : new height and width.
    interpolation : ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos3"`` or ``"lanczos5"``.
    antialias : whether to smooth before an image shrinks.
    crop_to_aspect_ratio : whether to keep the proportions by leaving out what is too much.
    pad_to_aspect_ratio : whether to keep the proportions by a margin of `fill_value`.

    Raises
    ------
    ValueError
        If the proportions are to be kept in both ways, or an argument is not valid.
    """
    if fill_mode != "constant":
        raise ValueError(
            "Invalid value for argument `fill_mode`. Only `'constant'` is supported. "
            f"Received: fill_mode={fill_mode}"
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`."
        )
    single = len(x.shape) == 3
    images = expand_dims(x, 0) if single else x
    _resize_shape(images.shape, size, interpolation, antialias, data_format)
    before = (slice(None),) * _axes(data_format)[0]
    lengths = [images.shape[axis] for axis in _axes(data_format)]
    if crop_to_aspect_ratio:
        down, across = aspect_window(*lengths, *size)
        images = getitem(images, key=(*before, slice(*down), slice(*across)))
    elif pad_to_aspect_ratio:
        widths = [(0, 0)] * 4
        widths[len(before) : len(before) + 2] = _aspect_margins(*lengths, *size)
        images = pad(images, widths, constant_values=fill_value)
    images = _resize(
        images, size, interpolation=interpolation, antialias=antialias, data_format=data_format
    )
    return squeeze(images, 0) if single else images
