"""Whole numbers as one vector per entry, or one per sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.tensor import Shape


def encode_categories(
    indices: np.ndarray, mode: str, depth: int, dtype: str, weights: Any = None
) -> np.ndarray:
    """Return indices themselves, a one for each, or which of them a sample holds.

    Parameters
    ----------
    indices : whole numbers; those that are not in ``[0, depth)`` count nowhere.
    mode : ``"int"``, ``"one_hot"``, ``"multi_hot"`` or ``"count"``.
    depth : number of categories.
    weights : what each index counts for in mode ``"count"``, 1 for None.
    """
    if mode == "int":
        return indices.astype(dtype)
    if indices.ndim == 0:
        indices = indices[None]
    if mode == "one_hot":
        flat = indices[..., 0] if indices.ndim > 1 and indices.shape[-1] == 1 else indices
        return (flat[..., None] == np.arange(depth)).astype(dtype)
    # As in Keras, what makes up a sample is its second axis.
    axis = 1 if indices.ndim > 1 else 0
    indices = np.moveaxis(indices, axis, -1)
    factors = np.ones(indices.shape) if weights is None else np.moveaxis(weights, axis, -1)
    counts = _weighted_counts(indices, factors, depth)
    return (counts > 0 if mode == "multi_hot" else counts).astype(dtype)


def _weighted_counts(indices: np.ndarray, factors: np.ndarray, depth: int) -> np.ndarray:
    """Return the sum of the factors of each category along the last axis."""
    before = indices.shape[:-1]
    samples = int(np.prod(before))
    valid = (indices >= 0) & (indices < depth)
    rows = np.broadcast_to(np.arange(samples).reshape(*before, 1), indices.shape)
    places = rows[valid] * depth + indices[valid]
    counts = np.bincount(places, factors[valid], minlength=samples * depth)
    return counts.reshape(*before, depth)


def encoded_shape(shape: Shape, mode: str, depth: int) -> Shape:
    """Return the shape of what `encode_categories` makes of indices of a shape."""
    if mode == "int":
        return tuple(shape)
    if mode == "one_hot":
        single = len(shape) > 1 and shape[-1] == 1
        return (*(shape[:-1] if single else shape or (1,)), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)
