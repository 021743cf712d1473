"""What happens to gradients before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.tensor import Tensor, Variable

Arrays = list[np.ndarray]


def as_array(gradient: Any, variable: Variable) -> np.ndarray:
    """Return a gradient as an array like its variable, entries in C order.

    Raises
    ------
    ValueError
        If their shapes differ.
    """
    value = variable.value
    if (
        type(gradient) is np.ndarray
        and gradient.shape == value.shape
        and gradient.dtype == value.dtype
        and gradient.flags.c_contiguous
    ):
        return gradient
    if isinstance(gradient, (Tensor, Variable)):
        gradient = gradient.value
    array = np.asarray(gradient, value.dtype, order="C")
    if array.shape != value.shape:
        raise ValueError(
            "A gradient must have the shape of its variable. Received: gradient of shape "
            f"{array.shape} for variable '{variable.path}' of shape {variable.shape}."
        )
    return array


def norm_of(gradients: Sequence[np.ndarray]) -> np.floating:
    """Return the Euclidean norm of all entries of all gradients."""
    return np.sqrt(sum(np.square(gradient).sum() for gradient in gradients))


def clip_by_norm(gradient: np.ndarray, limit: float) -> np.ndarray:
    """Scale a gradient down until its norm is at most `limit`."""
    return gradient * limit / np.maximum(norm_of([gradient]), limit)


def clip_by_global_norm(gradients: Arrays, limit: float) -> Arrays:
    """Scale all gradients by one factor until their common norm is at most `limit`.

    If one entry is not finite, all become NaN: there is no direction left.
    """
    norm = norm_of(gradients)
    factor = np.minimum(limit / np.maximum(norm, limit), 1) if np.isfinite(norm) else np.nan
    return [gradient * gradient.dtype.type(factor) for gradient in gradients]


def clip_by_value(gradient: np.ndarray, limit: float) -> np.ndarray:
    """Limit every entry of a gradient to ``[-limit, limit]``."""
    return np.clip(gradient, -limit, limit)
