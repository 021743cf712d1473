"""Operations that add a bias in the same step, for the output to be written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.compiled import sums as loops
from layerscope.ops import layout
from layerscope.ops.operation import Operation, operation
from layerscope.tensor import Shape

Array = Any

#: Numbers of which a sum of its own is worth while.
_PART = 2**16


def with_bias(
    plain: Operation[...],
) -> Callable[[Callable[..., Array]], Operation[...]]:
    """Turn a function of input, kernel and bias into what `plain` is, but with a bias.

    It takes the options of `plain` by name, and has the same gradients.
    """
    gradients = plain.joint_vjp
    assert gradients is not None

    def shape(x: Shape, kernel: Shape, bias: Shape, **options: Any) -> Shape:
        return plain.output_shape(x, kernel, **options)

    def gradients_of_all(
        g: Array,
        out: Array,
        x: Array,
        kernel: Array,
        bias: Array,
        wanted: list[bool],
        **options: Any,
    ) -> list[Array | None]:
        found = gradients(g, out, x, kernel, wanted=wanted, **options)
        grad_bias = _bias_gradient(g, options.get("data_format")) if wanted[2] else None
        return [*found, grad_bias]

    def decorate(forward: Callable[..., Array]) -> Operation[...]:
        biased = operation(shape, inputs=3)(forward)
        biased.joint_gradient(gradients_of_all)
        return biased

    return decorate


def _bias_gradient(g: Array, data_format: str | None) -> Array:
    g = layout.channels_last(g, data_format)
    return sum_of_rows(g.reshape(-1, g.shape[-1]))


def sum_of_rows(rows: Array) -> Array:
    """Return the sum (columns,) of the rows (n, columns) of a plain matrix of floats."""
    if rows.dtype.itemsize < 4:
        return np.add.reduce(rows, 0)
    parts = min(max(rows.size // _PART, 1), 16)
    sums = np.empty((parts, rows.shape[1]), rows.dtype)
    loops.sum_columns(parts, np.ascontiguousarray(rows), sums)
    return sums[0] if parts == 1 else np.add.reduce(sums, 0)
