"""What layers share that move images in the plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    is_number,
    overridable,
    supported,
)

FillMode = Literal["reflect", "wrap", "constant", "nearest"]
Interpolation = Literal["bilinear", "nearest"]


_fill_mode = supported("fill_mode", "reflect", "wrap", "constant", "nearest")
_interpolation = supported("interpolation", "nearest", "bilinear")


def fill_mode_field(after: str | None = None) -> Any:
    """Declare the argument `fill_mode`."""
    return field(
        default="reflect",
        converter=_fill_mode,
        after=after,
        help="What is seen beyond the edges.",
    )


def interpolation_field(after: str | None = None) -> Any:
    """Declare the argument `interpolation`."""
    return field(
        default="bilinear",
        converter=_interpolation,
        after=after,
        help="How the pixels in between are made.",
    )


def fill_value_field(after: str | None = None) -> Any:
    """Declare the argument `fill_value`."""
    return field(
        default=0.0, after=after, help='Value beyond the edges, with fill mode "constant".'
    )


def checked_factor(
    name: str, valid: Callable[[float], bool], described: str
) -> Callable[[Any], Any]:
    """Return a converter that refuses a factor beyond a range and leaves others as they are."""

    def convert(value: Any) -> Any:
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        entries: Any = value if pair else (value,)
        if not all(is_number(one) and valid(one) for one in entries):
            raise ValueError(
                f"The `{name}` argument should be a number (or a list of two numbers) in the "
                f"range {described}. Received: {name}={value}"
            )
        return value

    return convert


def limits(factor: Any) -> tuple[float, float]:
    """Return the lower and the upper limit that a factor stands for."""
    if is_number(factor):
        return -abs(factor), abs(factor)
    return min(factor), max(factor)


def transforms(*coefficients: Any) -> np.ndarray:
    """Return a0 a1 a2 b0 b1 b2, of which some are the same for all images, as (batch, 8)."""
    return np.stack(np.broadcast_arrays(*coefficients, 0.0, 0.0), axis=-1)


class _AffineLayer(_RandomImageLayer):
    """Base of layers that show images moved, by `affine_transform`."""

    fill_mode: FillMode = field(
        default="reflect",
        kw_only=True,
        help="What is seen beyond the edges.",
        **overridable(_fill_mode),
    )
    interpolation: Interpolation = field(
        default="bilinear",
        kw_only=True,
        help="How the pixels in between are made.",
        **overridable(_interpolation),
    )
    fill_value: float = field(
        default=0.0, kw_only=True, help='Value beyond the edges, with fill mode "constant".'
    )

    def _matrix(self, transformation: Any, shape: Any) -> np.ndarray:
        """Return where what each pixel shows comes from, (batch, 8)."""
        raise NotImplementedError

    def _moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return ops.image.affine_transform(
            images,
            self._matrix(transformation, images.shape),
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def _transform(self, images: Any, transformation: Any) -> Any:
        return self._moved(images, transformation, self.interpolation)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._moved(masks, transformation, "nearest")
