"""What preprocessing layers share: they take plain data, and learn from a pass over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from layerscope.config import FLOAT_TYPES
from layerscope.configurable import field
from layerscope.layers.layer import Layer
from layerscope.tensor import KerasTensor, Operators


class _DataLayer(Layer):
    """Base of layers that may also be called on lists and numbers."""

    section: ClassVar[str] = "preprocessing"
    #: Whether the input may be text, also a single one.
    takes_text: ClassVar[bool] = False

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(self._as_data(inputs), *args, **kwargs)

    def _as_data(self, inputs: Any) -> Any:
        """Return plain data as an array, real numbers in the layer's type."""
        plain = (bool, int, float, list, tuple, *((str, bytes) if self.takes_text else ()))
        arrays = (np.ndarray, np.generic, Operators)
        foreign = hasattr(inputs, "__array__") and not isinstance(inputs, arrays)
        if not (foreign or isinstance(inputs, plain)) or _holds_tensors(inputs):
            return inputs
        array = np.asarray(inputs)
        real = array.dtype.kind == "f" and self.dtype in FLOAT_TYPES
        return array.astype(self.dtype) if real else array


def bare_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for those layers of Keras that take fewer arguments than all others."""
    return {
        **{key: value for key, value in config.items() if (key, value) != ("trainable", True)},
        "dtype": config["dtype"]["config"]["name"],
    }


def _holds_tensors(inputs: Any) -> bool:
    return isinstance(inputs, (list, tuple)) and any(
        isinstance(one, Operators) or _holds_tensors(one) for one in inputs
    )


def dense_only(value: Any) -> Any:
    """Refuse `sparse=True`, as Keras does where there are no sparse tensors.

    Raises
    ------
    ValueError
        If `value` is true.
    """
    if value is True:
        raise ValueError(
            "`sparse=True` cannot be used: Layerscope has dense arrays only. Received: sparse=True"
        )
    return value


def sparse_field(after: str | None = None) -> Any:
    """Declare the argument `sparse`, which must be False."""
    return field(
        default=False,
        converter=dense_only,
        after=after,
        help="Must be False: all results are dense arrays.",
    )


def batches_of(data: Any, steps: int | None = None, whole: tuple[type, ...] = ()) -> Iterator[Any]:
    """Yield what a layer adapts to, batch by batch; an array is one batch.

    Parameters
    ----------
    steps : how many batches to take, all for None.
    whole : further types that are one batch.

    Raises
    ------
    TypeError
        If `data` is neither an array nor an iterable of batches.
    """
    if isinstance(data, (np.ndarray, Operators, *whole)) and not isinstance(data, KerasTensor):
        yield data
    elif isinstance(data, Iterable) and not isinstance(data, KerasTensor):
        yield from islice(data, steps)
    else:
        raise TypeError(
            "`adapt` takes an array or an iterable of batches. "
            f"Received: data={data!r} (of type {type(data).__name__})"
        )
