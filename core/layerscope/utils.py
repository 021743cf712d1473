"""Keras's small helpers under the name people know."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope import random
from layerscope.batches import PyDataset as PyDataset
from layerscope.batches import pack_x_y_sample_weight as pack_x_y_sample_weight
from layerscope.batches import unpack_x_y_sample_weight as unpack_x_y_sample_weight


def set_random_seed(seed: int) -> None:
    """Make all unseeded randomness of this context reproducible."""
    random.set_seed(seed)


def clear_session() -> None:
    """Exist for Keras's sake: there is no global state to clear."""


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Return class numbers as one-hot float32 vectors.

    Raises
    ------
    ValueError
        If a number is negative or not below `num_classes`.
    """
    numbers = np.asarray(x, dtype=np.int64)
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    count = int(numbers.max()) + 1 if num_classes is None else num_classes
    if numbers.size and (numbers.min() < 0 or numbers.max() >= count):
        raise ValueError(
            f"Argument `x` must hold numbers from 0 to {count - 1}. Received numbers from "
            f"{numbers.min()} to {numbers.max()}."
        )
    return np.eye(count, dtype=np.float32)[numbers]
