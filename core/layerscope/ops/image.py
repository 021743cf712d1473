"""Operations on images, as `keras.ops.image` has them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.compiled import resizing as compiled_resizing
from layerscope.compiled import room
from layerscope.compiled.tasks import tasks_of
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


def _combinations(
    length: int, new_length: int, interpolation: str, antialias: bool
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


@functools.lru_cache(64)
def _taps(
    length: int, new_length: int, interpolation: str, antialias: bool, dtype: str, back: bool
) -> compiled_resizing.Taps:
    """Return what the loop combines at each new position; on the way `back`, at each old one."""
    sources, weights = _combinations(length, new_length, interpolation, antialias)
    into = np.repeat(np.arange(new_length), sources.shape[1])[weights.ravel() != 0]
    sources, weights = sources[weights != 0], weights[weights != 0]
    if back:
        order = np.argsort(sources, kind="stable")
        into, sources, weights = sources[order], into[order], weights[order]
    starts = np.searchsorted(into, np.arange((length if back else new_length) + 1))
    taps = starts, sources, weights.astype(dtype)
    for array in taps:
        array.flags.writeable = False
    return taps


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
    if 0 in _lengths(x, data_format):
        raise shapes.ShapeError(f"`resize` takes images of at least one pixel. Received shape {x}.")
    new = layout.per_axis(size, 2)
    return (x[0], x[1], *new) if layout.channels_first(data_format) else (x[0], *new, x[3])


def _lengths(shape: Any, data_format: str | None) -> tuple[int, int]:
    """Return height and width."""
    down, across = _axes(data_format)
    return shape[down], shape[across]


def _axes(data_format: str | None) -> tuple[int, int]:
    return (2, 3) if layout.channels_first(data_format) else (1, 2)


def _combined(
    x: Array,
    old: Sequence[int],
    new: Sequence[int],
    interpolation: str,
    antialias: bool,
    data_format: str | None,
    back: bool = False,
) -> Array:
    """Return images of shape `old` with shape `new`, or take the gradient of the `new` `back`."""
    images = np.ascontiguousarray(layout.channels_last(x, data_format))
    rows, columns = (
        _taps(length, new_length, interpolation, antialias, x.dtype.name, back)
        for length, new_length in zip(old, new, strict=True)
    )
    lengths = old if back else new
    out = room.empty((len(images), *lengths, images.shape[-1]), x.dtype)
    if out.size:
        tasks = min(tasks_of(max(out.size, x.size)), len(out) * out.shape[1])
        if interpolation == "nearest" and not back:
            compiled_resizing.pick(tasks, images, out, rows[1], columns[1])
        else:
            compiled_resizing.resize(tasks, images, out, rows, columns)
    return layout.restore_format(out, data_format)


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
    old, new = _lengths(x.shape, data_format), layout.per_axis(size, 2)
    return _combined(x, old, new, interpolation, antialias, data_format)


@operation(lambda g, shape, **_: shape)
def _unresize(g: Array, shape: Shape, **options: Any) -> Array:
    """Hand what each new pixel stands for back to those it was made of, in images of a shape."""
    data_format = options["data_format"]
    old, new = _lengths(shape, data_format), _lengths(g.shape, data_format)
    return _combined(g, old, new, **options, back=True)


def _resize_gradient(
    g: Array,
    out: Array,
    x: Array,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    data_format: str | None = None,
) -> Array:
    return _unresize(
        g,
        shape=tuple(x.shape),
        interpolation=interpolation,
        antialias=antialias,
        data_format=data_format,
    )


_resize.gradients(_resize_gradient)
_unresize.gradients(
    lambda g, out, x, shape, **options: _resize(
        g, size=_lengths(x.shape, options["data_format"]), **options
    )
)


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
