"""Images seen through a map of the plane: what was at one place appears at another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from layerscope.compiled import sampling as compiled_sampling
from layerscope.config import float_type_for
from layerscope.ops import layout, shapes
from layerscope.ops.manipulation import expand_dims, squeeze
from layerscope.ops.operation import operation
from layerscope.tensor import Shape

Array = Any
#: ``(height, width)`` to the row and the column, in the image, of every place of the result.
Places = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def _clipped(index: np.ndarray, length: int) -> np.ndarray:
    return np.clip(index, 0, length - 1)


def _wrapped(index: np.ndarray, length: int) -> np.ndarray:
    return index % length


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Reflect at the centre of the last entry, which is not repeated."""
    last = max(length - 1, 1)
    return np.minimum(np.abs((index + last) % (2 * last) - last), length - 1)


def _reflected(index: np.ndarray, length: int) -> np.ndarray:
    """Reflect at the edge of the last entry, which is repeated."""
    folded = index % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


#: Which entry stands for one outside, by the fill mode.
FILL_MODES = {
    "constant": _clipped,
    "nearest": _clipped,
    "wrap": _wrapped,
    "mirror": _mirrored,
    "reflect": _reflected,
}
INTERPOLATIONS = ("nearest", "bilinear")


def _neighbours(
    position: np.ndarray, length: int, interpolation: str, fill_mode: str
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the entries around each position along an axis: index, weight, whether inside."""
    if interpolation == "nearest":
        found = [(np.round(position), np.ones_like(position))]
    else:
        low = np.floor(position)
        found = [(low, 1 - (position - low)), (low + 1, position - low)]
    neighbours = []
    for entry, weight in found:
        index = entry.astype(np.int64)
        inside = (index >= 0) & (index < length) | (fill_mode != "constant")
        neighbours.append((FILL_MODES[fill_mode](index, length), weight, inside))
    return neighbours


def _taps(
    shape: tuple[int, ...], places: Places, interpolation: str, fill_mode: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which places each new one combines, their weights, and what is left for the filler.

    Shapes: (images, new places, taps) twice, (images, new places, 1).
    """
    images, height, width = shape[:3]
    rows, columns = np.broadcast_arrays(*places(height, width), np.zeros((images, 1, 1)))[:2]
    vertical = _neighbours(rows, height, interpolation, fill_mode)
    horizontal = _neighbours(columns, width, interpolation, fill_mode)
    sources, weights, filler = [], [], np.zeros(rows.shape)
    for (row, above, inside_y), (column, before, inside_x) in product(vertical, horizontal):
        weight, inside = above * before, inside_y & inside_x
        sources.append(row * width + column)
        weights.append(weight * inside)
        filler += weight * ~inside
    flat = (images, height * width)
    return (
        np.stack([one.reshape(flat) for one in sources], axis=-1),
        np.stack([one.reshape(flat) for one in weights], axis=-1),
        filler.reshape(*flat, 1),
    )


def _check(shape: Shape, interpolation: str, fill_mode: str) -> None:
    for name, value, valid in (
        ("interpolation", interpolation, INTERPOLATIONS),
        ("fill_mode", fill_mode, tuple(FILL_MODES)),
    ):
        if value not in valid:
            raise ValueError(
                f"Invalid value for argument `{name}`. Expected of one {set(valid)}. "
                f"Received: {name}={value}"
            )
    if len(shape) != 4:
        raise shapes.ShapeError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={shape}"
        )


def _sample_shape(x: Shape, places: Places, interpolation: str, fill_mode: str, **_: Any) -> Shape:
    _check(x, interpolation, fill_mode)
    return x


def _columns(x: Array, data_format: str | None, dtype: str) -> tuple[Array, tuple[int, ...]]:
    """Return images as (images, places, channels), and their shape with channels last."""
    x = layout.channels_last(x, data_format)
    flat = x.reshape(len(x), x.shape[1] * x.shape[2], x.shape[3])
    return np.ascontiguousarray(flat.astype(dtype, copy=False)), x.shape


@operation(_sample_shape, dtype=lambda x, *_, **__: str(x.dtype))
def _sample(
    x: Array,
    places: Places,
    interpolation: str,
    fill_mode: str,
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Images of which each place shows what is at another place of `x`."""
    _check(x.shape, interpolation, fill_mode)
    dtype = float_type_for(x.dtype)
    flat, shape = _columns(x, data_format, dtype)
    sources, weights, filler = _taps(shape, places, interpolation, fill_mode)
    out = np.empty_like(flat)
    compiled_sampling.sample(flat, out, sources, weights.astype(dtype))
    out += (filler * fill_value).astype(dtype)
    if x.dtype.kind != "f":
        out = np.round(out).astype(x.dtype)
    return layout.restore_format(out.reshape(shape), data_format)


@_sample.joint_gradient
def _sample_gradient(
    g: Array,
    out: Array,
    x: Array,
    places: Places,
    interpolation: str,
    fill_mode: str,
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> tuple[Array]:
    flat, shape = _columns(g, data_format, str(g.dtype))
    sources, weights, _ = _taps(shape, places, interpolation, fill_mode)
    grad = np.zeros_like(flat)
    compiled_sampling.sample_gradient(flat, grad, sources, weights.astype(g.dtype))
    return (layout.restore_format(grad.reshape(shape), data_format),)


def _warped(x: Array, places: Places, **options: Any) -> Array:
    """Sample one image, or a batch of them."""
    if len(x.shape) == 3:
        return squeeze(_sample(expand_dims(x, 0), places, **options), 0)
    return _sample(x, places, **options)


def _projected(transforms: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    a0, a1, a2, b0, b1, b2, c0, c1 = transforms.T[:, :, None, None]
    y, x = np.arange(height)[:, None], np.arange(width)
    depth = c0 * x + c1 * y + 1
    return (b0 * x + b1 * y + b2) / depth, (a0 * x + a1 * y + a2) / depth


def affine_transform(
    images: Array,
    transform: Array,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Images of which place (x, y) shows what was at another place.

    The place shown is ``((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)``, with
    ``k = c0 x + c1 y + 1``. There is no gradient with respect to the transform.

    Parameters
    ----------
    images : (batch, height, width, channels) or one image; channels before height for
        ``"channels_first"``.
    transform : ``a0 a1 a2 b0 b1 b2 c0 c1``, for all images or (batch, 8) for each.
    interpolation : ``"nearest"`` or ``"bilinear"``.
    fill_mode : what is seen outside: ``"constant"``, ``"nearest"``, ``"wrap"``, ``"mirror"`` or
        ``"reflect"``.
    fill_value : the constant.

    Raises
    ------
    ValueError
        If an argument is none of those, or a shape does not fit.
    """
    transforms = np.atleast_2d(np.asarray(getattr(transform, "value", transform), float))
    batch = images.shape[0] if len(images.shape) == 4 else 1
    if transforms.shape[1:] != (8,) or (len(transforms) not in (1, batch or len(transforms))):
        raise ValueError(
            "Invalid transform shape: expected (8,), or (batch, 8) for a batch of images. "
            f"Received: transform.shape={np.shape(transform)}, images.shape={images.shape}"
        )
    return _warped(
        images,
        partial(_projected, transforms),
        interpolation=interpolation,
        fill_mode=fill_mode,
        fill_value=fill_value,
        data_format=data_format,
    )


def homography(start_points: np.ndarray, end_points: np.ndarray) -> np.ndarray:
    """Return the transforms that take each end point to its start point.

    Shapes: points (batch, 4, 2) as x and y; result (batch, 8), as `affine_transform` takes it.

    Raises
    ------
    ValueError
        If three end points are on a line.
    """
    x, y = end_points[..., 0], end_points[..., 1]
    one, zero = np.ones_like(x), np.zeros_like(x)
    u, v = start_points[..., 0], start_points[..., 1]
    horizontal = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    vertical = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    equations = np.concatenate([horizontal, vertical], axis=1)
    try:
        return np.linalg.solve(equations, np.concatenate([u, v], axis=1)[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise ValueError(
            "No three of the four points of an image may be on a line, as the corners of one that "
            f"is a pixel wide or high are. Received: end_points={end_points.tolist()}"
        ) from None


def perspective_transform(
    images: Array,
    start_points: Array,
    end_points: Array,
    interpolation: str = "bilinear",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Images of which four points are where four others were, straight lines staying straight.

    Parameters
    ----------
    images : (batch, height, width, channels) or one image.
    start_points, end_points : x and y of four points, (4, 2) or (batch, 4, 2): before and after.
    interpolation : ``"nearest"`` or ``"bilinear"``.
    fill_value : what is seen outside.

    Raises
    ------
    ValueError
        If a shape does not fit or three points are on a line.
    """
    start, end = (
        np.asarray(getattr(points, "value", points), float) for points in (start_points, end_points)
    )
    for name, points in (("start_points", start), ("end_points", end)):
        if points.shape[-2:] != (4, 2) or points.ndim not in (2, 3):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {points.shape}"
            )
    if start.shape != end.shape:
        raise ValueError(
            "start_points and end_points must have the same shape. Received "
            f"start_points.shape={start.shape}, end_points.shape={end.shape}"
        )
    transforms = homography(start.reshape(-1, 4, 2), end.reshape(-1, 4, 2))
    return affine_transform(images, transforms, interpolation, "constant", fill_value, data_format)
