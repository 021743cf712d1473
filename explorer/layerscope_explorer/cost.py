"""What a layer costs: operations, parameters, memory, time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope_explorer.steps import Stack, Step

__all__ = ["Cost", "costs_of", "flops_of"]

Shapes = Sequence[tuple[int, ...]]
_BYTES = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What one layer costs.

    Attributes
    ----------
    parameters, frozen : weights of its own, and how many of them training leaves alone.
    flops : floating-point operations per sample; a product with its sum counts 2.
    weight_bytes, output_bytes : memory of its weights, and of its outputs for the sample batch.
    milliseconds : measured time of the forward pass on the sample batch.
    """

    parameters: int
    frozen: int
    flops: int
    weight_bytes: int
    output_bytes: int
    milliseconds: float


def costs_of(stack: Stack) -> dict[str, Cost]:
    """Return what each reached layer of a stack costs, by id."""
    return {step.spec.id: _cost_of(step) for step in stack}


def _cost_of(step: Step) -> Cost:
    own = [] if step.spec.shares else step.layer.weights
    sizes = [int(np.prod(weight.shape, dtype=np.int64)) for weight in own]
    trained = {id(weight) for weight in step.layer.trainable_weights}
    frozen = sum(size for one, size in zip(own, sizes, strict=True) if id(one) not in trained)
    outputs = (step.output, *step.more_outputs)
    return Cost(
        parameters=sum(sizes),
        frozen=frozen,
        flops=flops_of(step),
        weight_bytes=_BYTES * sum(sizes),
        output_bytes=sum(one.nbytes for one in outputs),
        milliseconds=step.milliseconds,
    )


#: Begins the name of what adds a bias in the same step.
_BIASED = "biased_"


def flops_of(step: Step) -> int:
    """Return the floating-point operations of a forward pass, per sample.

    Counted from what the layer really computed, operation by operation: what a layer of one's own
    does counts as well. Moving values around counts nothing.
    """
    samples = max(len(step.output), 1)
    return round(sum(map(_flops_of_record, step.records)) / samples)


def _flops_of_record(record: Any) -> int:
    inputs = [np.shape(getattr(value, "value", value)) for value in record.inputs]
    outputs = [tuple(value.shape) for value in record.outputs]
    name = record.operation.name
    count = _COUNTS.get(name.removeprefix(_BIASED), _one_each)
    bias = _one_each(inputs, outputs, record.options) if name.startswith(_BIASED) else 0
    return int(count(inputs, outputs, record.options)) + bias


def _size(shape: Sequence[int]) -> int:
    return math.prod(shape)


def _nothing(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    return 0


def _one_each(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    return sum(map(_size, outputs))


def _several_each(number: int) -> Callable[[Shapes, Shapes, Any], int]:
    """Return a rule for what takes some operations per value."""
    return lambda inputs, outputs, options: number * _size(outputs[0])


def _per_input(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    return _size(inputs[0])


def _matmul(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    return 2 * _size(outputs[0]) * inputs[0][-1]


def _dense(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    activation = _COUNTS.get(options.get("activation"), _one_each)
    further = activation(inputs, outputs, {}) if options.get("activation") else 0
    return _matmul(inputs, outputs, options) + _size(outputs[0]) + further


def _dense_stack(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    x, *weights = inputs
    count = 0
    for place, activation in enumerate(options["activations"]):
        kernel, bias = weights[2 * place : 2 * place + 2]
        after = (*x[:-1], kernel[-1])
        count += _dense([x, kernel, bias], [after], {"activation": activation})
        x = after
    return count


def _einsum(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    letters: dict[str, int] = {}
    sides = options["subscripts"].replace(" ", "").split("->")[0].split(",")
    for names, shape in zip(sides, inputs, strict=True):
        # What an ellipsis stands for are the leading axes.
        named = names.replace("...", "")
        letters |= dict(zip(named[::-1], shape[::-1], strict=False))
        if "..." in names:
            letters["..."] = _size(shape[: len(shape) - len(named)])
    return 2 * math.prod(letters.values())


def _conv(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    # A kernel is (window, input channels of a group, filters).
    return 2 * _size(outputs[0]) * _size(inputs[1][:-1])


def _conv_transpose(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    # Every input value meets the window and all filters: (window, filters, input channels).
    return 2 * _size(inputs[0]) * _size(inputs[1][:-1])


def _depthwise(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    return 2 * _size(outputs[0]) * _size(inputs[1][:-2])


def _locally_connected(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    # A kernel is (windows, values in a window, filters).
    return 2 * inputs[0][0] * _size(inputs[1])


def _pool(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    return _size(outputs[0]) * _size(options["pool_size"])


def _recurrent(inputs: Shapes, outputs: Shapes, options: Any) -> int:
    samples, steps = inputs[0][:2]
    products = 2 * (_size(inputs[1]) + _size(inputs[2]))
    # Gates, activations and the state's update: some ten per unit and gate.
    return samples * steps * (products + 5 * inputs[1][-1])


_MOVES = (
    "cast", "concatenate", "expand_dims", "flip", "getitem", "pad", "repeat", "reshape", "split",
    "squeeze", "stack", "take", "tile", "transpose", "where", "broadcast_to", "pick", "copy",
)  # fmt: skip
_COUNTS: dict[str, Callable[[Shapes, Shapes, Any], int]] = {
    **dict.fromkeys(_MOVES, _nothing),
    **dict.fromkeys(("sum", "mean", "max", "min", "var", "std", "prod"), _per_input),
    **dict.fromkeys(("gru", "lstm", "simple_rnn"), _recurrent),
    **dict.fromkeys(("normalize_batch", "standardize"), _several_each(5)),
    **dict.fromkeys(("max_pool", "average_pool"), _pool),
    "dense": _dense,
    "dense_stack": _dense_stack,
    "matmul": _matmul,
    "einsum": _einsum,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "depthwise_conv": _depthwise,
    "locally_connected": _locally_connected,
    "softmax": _several_each(5),
    "tanh": _several_each(5),
    "sigmoid": _several_each(4),
}
