"""Where the channels of an image stand, and numbers given once or per spatial axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.config import standardize_data_format

Array = Any


def channels_first(data_format: str | None) -> bool:
    """Return whether channels come before the spatial axes; None means the ambient setting."""
    return data_format != "channels_last" and (
        standardize_data_format(data_format) == "channels_first"
    )


def channels_last(x: Array, data_format: str | None) -> Array:
    """Return `x` with its channels moved to the end."""
    return np.moveaxis(x, 1, -1) if channels_first(data_format) else x


def restore_format(x: Array, data_format: str | None) -> Array:
    """Return `x` with its channels moved from the end to where `data_format` has them."""
    return np.moveaxis(x, -1, 1) if channels_first(data_format) else x


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Return one number per spatial axis."""
    if isinstance(value, (int, np.integer)):
        return (int(value),) * rank
    if len(value) != rank:
        raise ValueError(
            f"Expected one number, or one per spatial axis ({rank}). Received: {value!r}"
        )
    return tuple(int(one) for one in value)


def hashable(value: Any) -> Any:
    """Return numbers given once or per axis as what can be looked up."""
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value
