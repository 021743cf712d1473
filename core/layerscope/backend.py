"""What tutorials take from ``keras.backend``: settings, random tensors and every operation.

Keras 2's code says ``K.tanh`` and ``K.random_normal``; here ``K`` is ``layerscope.backend``.
"""

from typing import Any

from layerscope import ops
from layerscope.config import (
    FLOAT_TYPES,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_dtype,
)
from layerscope.random import normal as random_normal
from layerscope.random import truncated_normal
from layerscope.random import uniform as random_uniform
from layerscope.tensor import KerasTensor, Variable, is_tensor
from layerscope.utils import clear_session

__all__ = [
    "KerasTensor",
    "Variable",
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "is_tensor",
    "random_normal",
    "random_uniform",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
    "truncated_normal",
]


def is_float_dtype(dtype: Any) -> bool:
    """Tell whether a type holds real numbers."""
    return standardize_dtype(dtype) in FLOAT_TYPES


def is_int_dtype(dtype: Any) -> bool:
    """Tell whether a type holds whole numbers."""
    return standardize_dtype(dtype).lstrip("u").startswith("int")


def is_keras_tensor(value: Any) -> bool:
    """Tell whether `value` stands for data that comes later."""
    return isinstance(value, KerasTensor)


def __getattr__(name: str) -> Any:
    """Return the operation called `name`."""
    if name in ops.__all__:
        return getattr(ops, name)
    raise AttributeError(f"module 'layerscope.backend' has no attribute {name!r}")
