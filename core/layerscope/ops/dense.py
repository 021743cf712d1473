"""Fully connected layers in one step: one, or one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.compiled.tasks import LARGE
from layerscope.ops import epilogue, shapes, small_dense
from layerscope.ops.biased import sum_of_rows
from layerscope.ops.elementwise import tanh
from layerscope.ops.linalg import matmul
from layerscope.ops.manipulation import reshape
from layerscope.ops.nn import relu, sigmoid, softmax
from layerscope.ops.operation import Operation, operation
from layerscope.ops.product import is_shared, matrix_product, shared_product
from layerscope.ops.reductions import sum as sum_over
from layerscope.tensor import Shape

Array = Any

#: Activations of which the gradient needs no more than their output.
FUSED: dict[str, Operation[...]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "tanh": tanh,
}
_SINGLE = np.dtype(np.float32)
#: So many entries get a bias sooner from NumPy, and so wide rows are summed sooner by themselves.
_FEW, _WIDE = 1 << 13, 64


@operation(shapes.dense, inputs=3)
def dense(x: Array, kernel: Array, bias: Array, activation: str | None = None) -> Array:
    """``activation(x @ kernel + bias)`` over the last axis.

    Parameters
    ----------
    x : (..., in).
    kernel, bias : (in, units) and (units,).
    activation : one of `FUSED`, None for none.
    """
    flat = x.ndim > 2 and x.size > 0
    # One large product instead of a batch of small ones.
    rows = x.reshape(-1, x.shape[-1]) if flat else x
    if activation in (None, "relu") and is_shared(rows, kernel, bias):
        out = shared_product(rows, kernel, bias, rectified=activation == "relu")
    else:
        out = _finished(matrix_product(rows, kernel), bias, activation)
    return out.reshape(*x.shape[:-1], -1) if flat else out


def _finished(out: Array, bias: Array, activation: str | None) -> Array:
    """Return ``activation(out + bias)``, in the memory of `out` where that is possible."""
    same = out.dtype == bias.dtype
    if (
        same
        and out.dtype == _SINGLE
        and activation in epilogue.ACTIVATIONS
        and (activation is not None or out.size >= _FEW)
        and bias.ndim == 1
    ):
        return epilogue.finish(out, bias, activation)
    if same:
        out += bias
    else:
        out = out + bias
    return out if activation is None else FUSED[activation].forward(out)


@dense.joint_gradient
def _dense_gradient(
    g: Array,
    out: Array,
    x: Array,
    kernel: Array,
    bias: Array,
    wanted: Sequence[bool],
    activation: str | None = None,
) -> tuple[Array | None, ...]:
    return _gradients(g, out, x, kernel, activation, wanted)


def _gradients(
    g: Array, out: Array, x: Array, kernel: Array, activation: str | None, wanted: Sequence[bool]
) -> tuple[Array | None, Array | None, Array | None]:
    plain = type(g) is type(x) is type(kernel) is np.ndarray
    grad_bias = None
    if (
        plain
        and out.size >= LARGE
        and g.dtype == out.dtype == _SINGLE
        and activation in epilogue.ACTIVATIONS
        and (activation is not None or out.shape[-1] < _WIDE)
    ):
        g, grad_bias = epilogue.finish_gradient(g, out, activation)
    elif activation is not None:
        slope = FUSED[activation].vjps[0]
        assert slope is not None
        g = slope(g, out, None)
    if not plain or g.ndim < 2 or not x.size or not g.size:
        left, right = matmul.vjps
        assert left is not None
        assert right is not None
        # The tape sums what the bias gets over the samples.
        return left(g, out, x, kernel), right(g, out, x, kernel), g
    rows, entries = g, x
    if g.ndim > 2:
        rows, entries = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
    for_x, for_kernel, for_bias = wanted
    if for_bias and grad_bias is None:
        grad_bias = sum_of_rows(rows)
    return (
        matrix_product(rows, kernel.T).reshape(x.shape) if for_x else None,
        matrix_product(entries.T, rows) if for_kernel else None,
        grad_bias,
    )


# Written with operations.
dense.first_order_only = False


def _projection_shape(x: Shape, kernel: Shape, bias: Shape, summed: int = 1) -> Shape:
    return (*x[: len(x) - summed], *kernel[summed:])


@operation(_projection_shape, inputs=3)
def projection(x: Array, kernel: Array, bias: Array, summed: int = 1) -> Array:
    """``x @ kernel + bias`` where several axes are summed over, or several are new.

    Parameters
    ----------
    x : (..., *old).
    kernel, bias : (*old, *new) and new.
    summed : number of old axes.
    """
    rows, matrix = _as_matrices(x, kernel, summed, np.ndarray.reshape)
    out = dense.forward(rows, matrix, bias.reshape(-1))
    return out.reshape(x.shape[: x.ndim - summed] + kernel.shape[summed:])


def _as_matrices(
    x: Array, kernel: Array, summed: int, reshaped: Callable[..., Array]
) -> tuple[Array, Array]:
    length = math.prod(kernel.shape[:summed])
    return reshaped(x, (-1, length)), reshaped(kernel, (length, -1))


@projection.joint_gradient
def _projection_gradient(
    g: Array,
    out: Array,
    x: Array,
    kernel: Array,
    bias: Array,
    summed: int = 1,
    *,
    wanted: Sequence[bool],
) -> list[Array | None]:
    plain = type(g) is type(out) is type(x) is type(kernel) is np.ndarray
    reshaped = np.ndarray.reshape if plain else reshape
    rows, matrix = _as_matrices(x, kernel, summed, reshaped)
    units = (-1, matrix.shape[1])
    found = _gradients(reshaped(g, units), reshaped(out, units), rows, matrix, None, wanted)
    for_x, for_kernel, for_bias = found
    if for_bias is not None and len(for_bias.shape) > 1:
        for_bias = sum_over(for_bias, axis=0)
    return [
        None if one is None else reshaped(one, value.shape)
        for one, value in ((for_x, x), (for_kernel, kernel), (for_bias, bias))
    ]


projection.first_order_only = False


def _stack_shape(x: Shape, *weights: Shape, **_: Any) -> Shape:
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = shapes.dense(x, kernel, bias)
    return x


@operation(_stack_shape, inputs=None)
def dense_stack(x: Array, *weights: Array, activations: Sequence[str | None]) -> Array:
    """Several of `dense` one after another.

    Parameters
    ----------
    x : (..., in).
    weights : kernel and bias of each.
    activations : of each.
    """
    return _dense_stack_saving(x, *weights, activations=activations)[0]


def _stack_outputs(
    x: Array, weights: Sequence[Array], activations: Sequence[str | None], function: Any
) -> list[Array]:
    outputs = []
    for place, activation in enumerate(activations):
        x = function(x, weights[2 * place], weights[2 * place + 1], activation=activation)
        outputs.append(x)
    return outputs


@dense_stack.saving
def _dense_stack_saving(
    x: Array, *weights: Array, activations: Sequence[str | None]
) -> tuple[Array, list[Array] | small_dense.Outputs]:
    if small_dense.fits(x, weights):
        return small_dense.outputs(x, weights, activations)
    outputs = _stack_outputs(x, weights, activations, dense.forward)
    return outputs[-1], outputs


@dense_stack.joint_gradient
def _dense_stack_gradient(
    g: Array,
    out: Array,
    x: Array,
    *weights: Array,
    activations: Sequence[str | None],
    saved: list[Array] | small_dense.Outputs,
    wanted: Sequence[bool],
) -> list[Array | None]:
    # Arrays that were kept do not know where they came from, which a second derivative needs.
    plain = type(out) is np.ndarray
    if plain and isinstance(saved, small_dense.Outputs):
        return small_dense.gradients(g, x, saved, wanted[0])
    outputs = saved if plain else _stack_outputs(x, weights, activations, dense)
    gradients: list[Array | None] = []
    for place in range(len(activations) - 1, -1, -1):
        first = 2 * place
        earlier = any(wanted[: first + 1])
        before, kernel = outputs[place - 1] if place else x, weights[first]
        wants = (earlier, *wanted[first + 1 : first + 3])
        g, *found = _gradients(g, outputs[place], before, kernel, activations[place], wants)
        gradients[:0] = found
        if not earlier:
            break
    return [g, *[None] * (len(weights) - len(gradients)), *gradients]


dense_stack.first_order_only = False
