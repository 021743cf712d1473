"""Operations on images, as `keras.ops.image` has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.compiled import resizing as compiled_resizing
from layerscope.config import float_type_for
from layerscope.ops import layout, shapes
from layerscope.ops.operation import float_result, operation
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


def _taps(length: int, new_length: int, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which entries each new position combines, and with which weights.

    Both axes span the same interval and an entry stands in the middle of its cell (half-pixel
    centres). Weights that would fall outside are shared out among the others.
    """
    centres = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
    if interpolation == "nearest":
        sources = np.clip(np.floor(centres + 0.5), 0, length - 1)
        return sources.astype(np.int64)[:, None], np.ones((new_length, 1))
    kernel, reach = KERNELS[interpolation]
    sources = np.floor(centres)[:, None].astype(np.int64) + np.arange(1 - reach, reach + 1)
    weights = kernel(np.abs(centres[:, None] - sources))
    weights[(sources < 0) | (sources >= length)] = 0
    return np.clip(sources, 0, length - 1), weights / weights.sum(axis=1, keepdims=True)


def _resize_shape(
    x: Shape,
    size: Sequence[int],
    interpolation: str = "bilinear",
    data_format: str | None = None,
) -> Shape:
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"Argument `interpolation` must be one of {', '.join(map(repr, INTERPOLATIONS))}. "
            f"Received: interpolation={interpolation!r}"
        )
    if len(x) != 4:
        raise shapes.ShapeError(
            f"`resize` takes images (batch, height, width, channels). Received shape {x}."
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
def resize(
    x: Array,
    size: Sequence[int],
    interpolation: str = "bilinear",
    data_format: str | None = None,
) -> Array:
    """Images of another height and width, without smoothing before they shrink.

    Parameters
    ----------
    x : (batch, height, width, channels), or channels second for ``"channels_first"``.
    size : new height and width.
    interpolation : ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos3"`` or ``"lanczos5"``.
    """
    _resize_shape(x.shape, size, interpolation, data_format)
    x = x.astype(float_type_for(x.dtype), copy=False)
    for axis, new_length in zip(_axes(data_format), layout.per_axis(size, 2), strict=True):
        taps = _taps(x.shape[axis], new_length, interpolation)
        x = _along(compiled_resizing.interpolate, x, axis, new_length, taps)
    return x


@resize.joint_gradient
def _resize_gradient(
    g: Array,
    out: Array,
    x: Array,
    size: Sequence[int],
    interpolation: str = "bilinear",
    data_format: str | None = None,
) -> tuple[Array]:
    for axis, new_length in zip(_axes(data_format), layout.per_axis(size, 2), strict=True):
        taps = _taps(x.shape[axis], new_length, interpolation)
        g = _along(compiled_resizing.interpolate_gradient, g, axis, x.shape[axis], taps)
    return (g,)
