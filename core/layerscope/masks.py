"""Masks that travel with values: which time steps of a tensor count.

A mask is boolean and lacks the value's last axes, usually ``(batch, steps)``; True means that the
step counts. It belongs to one tensor object, as in Keras: what an operation makes of the tensor has
none until a layer says so.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from layerscope.structure import leaves, map_structure
from layerscope.tensor import OPERATIONS, KerasTensor, Operators

#: Masks of plain arrays, which cannot carry attributes: by identity, dropped with the array.
MASKS_OF_ARRAYS: dict[int, tuple[weakref.ref[np.ndarray], Any]] = {}


def get_keras_mask(value: Any) -> Any:
    """Return the mask that travels with `value`, None if there is none."""
    if isinstance(value, np.ndarray):
        entry = MASKS_OF_ARRAYS.get(id(value)) if MASKS_OF_ARRAYS else None
        return entry[1] if entry is not None and entry[0]() is value else None
    return getattr(value, "_keras_mask", None)


def set_keras_mask(value: Any, mask: Any) -> None:
    """Let `mask` travel with `value`; None takes it away."""
    if not isinstance(value, np.ndarray):
        if isinstance(value, Operators):
            value._keras_mask = mask  # type: ignore[attr-defined]
        return
    key = id(value)
    if mask is None:
        MASKS_OF_ARRAYS.pop(key, None)
    else:
        MASKS_OF_ARRAYS[key] = weakref.ref(value, lambda _: MASKS_OF_ARRAYS.pop(key, None)), mask


def with_masks(values: Any, masks: Any) -> Any:
    """Return a tensor, or a structure of them, with masks; None leaves what each has."""
    if masks is None:
        return values
    waiting = iter(leaves(masks))

    def attach(value: Any) -> Any:
        mask = next(waiting)
        same = mask is None or mask is get_keras_mask(value)
        return value if same else with_mask(value, mask)

    return map_structure(attach, values)


def with_mask(value: Any, mask: Any) -> Any:
    """Return another object for the same value, which carries `mask`."""
    if isinstance(value, np.ndarray):
        value = value.view()
    elif isinstance(value, KerasTensor):
        value = KerasTensor(value.shape, value.dtype, value.name)
    else:
        value = OPERATIONS["reshape"](value, value.shape)
    set_keras_mask(value, mask)
    return value
