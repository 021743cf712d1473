"""A fully connected layer in one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.ops import shapes
from layerscope.ops.elementwise import tanh
from layerscope.ops.linalg import matmul
from layerscope.ops.nn import relu, sigmoid
from layerscope.ops.operation import Operation, operation

Array = Any

#: Activations of which the gradient needs no more than their output.
FUSED: dict[str, Operation[Any]] = {"relu": relu, "sigmoid": sigmoid, "tanh": tanh}
#: Those that NumPy computes in place.
_IN_PLACE: dict[str, Callable[..., Any]] = {
    "relu": lambda x: np.maximum(x, 0, out=x),
    "tanh": lambda x: np.tanh(x, out=x),
}


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
    out = np.matmul(x.reshape(-1, x.shape[-1]) if flat else x, kernel)
    if out.dtype == bias.dtype:
        out += bias
    else:
        out = out + bias
    if activation is not None:
        function = _IN_PLACE.get(activation)
        out = FUSED[activation].forward(out) if function is None else function(out)
    return out.reshape(*x.shape[:-1], -1) if flat else out


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
    if activation is not None:
        slope = FUSED[activation].vjps[0]
        assert slope is not None
        g = slope(g, out, None)
    plain = type(g) is type(x) is type(kernel) is np.ndarray
    if plain and 2 <= g.ndim and g.size > 0 and x.size > 0:
        rows = g if g.ndim == 2 else g.reshape(-1, g.shape[-1])
        entries = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        return (
            np.matmul(rows, kernel.T).reshape(x.shape) if wanted[0] else None,
            np.matmul(entries.T, rows) if wanted[1] else None,
            np.add.reduce(rows, 0) if wanted[2] else None,
        )
    left, right = matmul.vjps
    assert left is not None
    assert right is not None
    # The tape sums what the bias gets over the samples.
    return left(g, out, x, kernel), right(g, out, x, kernel), g


# Written with operations.
dense.first_order_only = False
