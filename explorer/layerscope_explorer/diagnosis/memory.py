"""How many values a layer holds at once, found from its shapes before any of them is there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.graph import unconnected, witnessed
from layerscope.ops import layout
from layerscope.ops.operation import Operation
from layerscope.tensor import KerasTensor, Shape
from layerscope_explorer.data import SAMPLE
from layerscope_explorer.limits import MAX_OPERATIONS

__all__ = ["TooManyOperations", "count", "followed"]

#: Operations that surround what they take with zeros, which may be far more than what they give.
_PADDED = frozenset({"conv", "conv_transpose", "depthwise_conv", "max_pool", "average_pool"})


def count(shape: Shape) -> int:
    """Return how many values a shape stands for, where the batch is the sample."""
    first, *rest = (*shape, 1)
    return (first or SAMPLE) * math.prod(length or 1 for length in rest)


def followed(call: Any, inputs: Sequence[Any]) -> tuple[Any, int]:
    """Return what a call gives, and how many values all its operations do: its way back keeps them.

    Parameters
    ----------
    call : what is called; it must do with symbolic tensors.
    inputs : symbolic tensors.

    Raises
    ------
    TooManyOperations
        If it takes more of them than a session may have.
    """
    meter = _Meter()
    with unconnected(), witnessed(meter):
        outputs = call(*inputs)
    return outputs, meter.values


class TooManyOperations(Exception):
    """A layer that does something again and again, for longer than anybody waits."""


class _Meter:
    """Adds up what symbolic calls would give."""

    def __init__(self) -> None:
        self.values = self._operations = 0

    def __call__(
        self,
        operation: Any,
        inputs: Any,
        options: Mapping[str, Any],
        outputs: list[KerasTensor],
    ) -> None:
        if not isinstance(operation, Operation):
            # What a layer gives was given by an operation inside.
            return
        self._operations += 1
        if self._operations > MAX_OPERATIONS:
            raise TooManyOperations
        self.values += sum(count(one.shape) for one in outputs)
        if operation.name.removeprefix("biased_") in _PADDED:
            given = dict(zip(operation.parameter_names, inputs, strict=False)) | dict(options)
            self.values += _padded(given)


def _padded(given: Mapping[str, Any]) -> int:
    """Return how many values what windows slide over has with the zeros around it."""
    shape = tuple(given["x"].shape)
    last = not layout.channels_first(given.get("data_format"))
    spatial, channels = (shape[1:-1], shape[-1]) if last else (shape[2:], shape[1])
    if given.get("padding", "valid") == "valid" and "output_padding" not in given:
        return 0
    rank = len(spatial)
    kernel = given.get("kernel")
    size = layout.per_axis(given["pool_size"], rank) if kernel is None else kernel.shape[:rank]
    apart = layout.per_axis(given.get("dilation_rate", 1), rank)
    lengths = [
        (length or 1) + wide * far for length, wide, far in zip(spatial, size, apart, strict=True)
    ]
    return count((None, *lengths, channels))
