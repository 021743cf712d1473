"""Small attention with all its projections in a single call, and the way back.

What a few heads over a few places compute takes less time than calling a loop for each part.

b batch, q queries, k keys, h heads, d features of queries and keys, e of values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import attention
from layerscope.compiled.attention import attend_gradient_reference, attend_reference, put_rows
from layerscope.compiled.jit import compiled, native
from layerscope.compiled.products import (
    aligned,
    beginnings,
    lay_out,
    lay_out_turned,
    multiply_rows,
    panel_columns,
    whole_rows,
)

_attend: Any = getattr(attention.attend, "loop", None)
_attend_gradient: Any = getattr(attention.attend_gradient, "loop", None)


def _outputs_reference(
    scale: Any,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    query_kernel: np.ndarray,
    query_bias: np.ndarray,
    key_kernel: np.ndarray,
    key_bias: np.ndarray,
    value_kernel: np.ndarray,
    value_bias: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    means: np.ndarray,
    shares: np.ndarray,
    out: np.ndarray,
) -> None:
    queries[...] = np.einsum("bqi,ihd->bqhd", query, query_kernel) + query_bias
    keys[...] = np.einsum("bki,ihd->bkhd", key, key_kernel) + key_bias
    values[...] = np.einsum("bki,ihe->bkhe", value, value_kernel) + value_bias
    attend_reference(queries, keys, values, scale, shares, means)
    out[...] = np.einsum("bqhe,heo->bqo", means, kernel) + bias


@native()
def _project(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """Write rows times a kernel plus a bias; all flat."""
    units = bias.size
    n, depth = out.size // units, kernel.size // units
    rows, wide = whole_rows(n), panel_columns(units)
    panels, memory = aligned(depth * wide), aligned(rows * wide)
    lay_out(panels, kernel, 0, depth, units, units)
    places = wide * np.arange(rows)
    multiply_rows(x, 0, beginnings(n, depth), n, depth, panels, 0, units, memory, 0, places)
    for i in range(n):
        row, result = memory[i * wide : i * wide + units], out[i * units : (i + 1) * units]
        for c in range(units):
            result[c] = row[c] + bias[c]


@compiled(_outputs_reference)
def attention_outputs(
    scale: Any,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    query_kernel: np.ndarray,
    query_bias: np.ndarray,
    key_kernel: np.ndarray,
    key_bias: np.ndarray,
    value_kernel: np.ndarray,
    value_bias: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    means: np.ndarray,
    shares: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write what attention gives, and what the gradient needs of it; all arrays are C-contiguous.

    Shapes: query (b, q, in), key and value (b, k, in), each `in` of its own; kernels of query and
    key (in, h, d), of value (in, h, e), their biases (h, d) and (h, e); kernel and bias of the
    result (h, e, out) and (out,). Written: queries (b, q, h, d), keys (b, k, h, d), values (b, k,
    h, e), means (b, q, h, e) and shares (b, h, q, k) of them, out (b, q, out).
    """
    _project(
        query.reshape(-1), query_kernel.reshape(-1), query_bias.reshape(-1), queries.reshape(-1)
    )
    _project(key.reshape(-1), key_kernel.reshape(-1), key_bias.reshape(-1), keys.reshape(-1))
    _project(
        value.reshape(-1), value_kernel.reshape(-1), value_bias.reshape(-1), values.reshape(-1)
    )
    _attend(0, 1, queries, keys, values, scale, shares, means)
    _project(means.reshape(-1), kernel.reshape(-1), bias, out.reshape(-1))


def _gradients_reference(
    scale: Any,
    grad: np.ndarray,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    query_kernel: np.ndarray,
    key_kernel: np.ndarray,
    value_kernel: np.ndarray,
    kernel: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    means: np.ndarray,
    shares: np.ndarray,
    grad_query: np.ndarray,
    grad_key: np.ndarray,
    grad_value: np.ndarray,
    *grads: np.ndarray,
) -> None:
    grads[6][...] = np.einsum("bqhe,bqo->heo", means, grad)
    grads[7][...] = grad.sum((0, 1))
    slopes = [np.empty_like(one) for one in (queries, keys, values)]
    of_means = np.einsum("bqo,heo->bqhe", grad, kernel)
    attend_gradient_reference(of_means, queries, keys, values, scale, shares, *slopes)
    given = (query, query_kernel, grad_query), (key, key_kernel, grad_key)
    for place, (x, own, grad_x) in enumerate((*given, (value, value_kernel, grad_value))):
        slope = slopes[place]
        grads[2 * place][...] = np.einsum("bki,bkhd->ihd", x, slope)
        grads[2 * place + 1][...] = slope.sum((0, 1))
        if grad_x.size:
            grad_x[...] = np.einsum("bkhd,ihd->bki", slope, own)


@native()
def _project_gradient(
    grad: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    grad_x: np.ndarray,
    grad_kernel: np.ndarray,
    grad_bias: np.ndarray,
) -> None:
    """Gradients of what `_project` computes; all flat, and an empty `grad_x` is not wanted."""
    units = grad_bias.size
    n, depth = grad.size // units, kernel.size // units
    wide, wide_in = panel_columns(units), panel_columns(depth)
    rows, rows_in = whole_rows(n), whole_rows(depth)
    panels = aligned(max(n * wide, units * wide_in))
    memory = aligned(max(rows_in * wide, rows * wide_in))
    lay_out(panels, grad, 0, n, units, units)
    places = wide * np.arange(rows_in)
    multiply_rows(x, 0, beginnings(depth, 1), depth, n, panels, 0, units, memory, 0, places, depth)
    put_rows(memory, grad_kernel.reshape(depth, units), False)
    grad_bias[:] = 0
    for i in range(n):
        for c in range(units):
            grad_bias[c] += grad[i * units + c]
    if grad_x.size:
        lay_out_turned(panels, kernel, 0, units, depth)
        places = wide_in * np.arange(rows)
        multiply_rows(grad, 0, beginnings(n, units), n, units, panels, 0, depth, memory, 0, places)
        put_rows(memory, grad_x.reshape(n, depth), False)


@compiled(_gradients_reference)
def attention_gradients(
    scale: Any,
    grad: np.ndarray,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    query_kernel: np.ndarray,
    key_kernel: np.ndarray,
    value_kernel: np.ndarray,
    kernel: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    means: np.ndarray,
    shares: np.ndarray,
    grad_query: np.ndarray,
    grad_key: np.ndarray,
    grad_value: np.ndarray,
    grad_query_kernel: np.ndarray,
    grad_query_bias: np.ndarray,
    grad_key_kernel: np.ndarray,
    grad_key_bias: np.ndarray,
    grad_value_kernel: np.ndarray,
    grad_value_bias: np.ndarray,
    grad_kernel: np.ndarray,
    grad_bias: np.ndarray,
) -> None:
    """Gradients of what `attention_outputs` computes, given that of its result and what it kept.

    They are written, in the shapes of what they belong to; those of inputs that are empty are not
    wanted.
    """
    of_means = np.empty(means.shape, means.dtype)
    _project_gradient(
        grad.reshape(-1), means.reshape(-1), kernel.reshape(-1),
        of_means.reshape(-1), grad_kernel.reshape(-1), grad_bias,
    )  # fmt: skip
    of_queries, of_keys = np.empty(queries.shape, means.dtype), np.empty(keys.shape, means.dtype)
    of_values = np.empty(values.shape, means.dtype)
    _attend_gradient(
        0, 1, of_means, queries, keys, values, scale, shares, of_queries, of_keys, of_values
    )
    _project_gradient(
        of_queries.reshape(-1), query.reshape(-1), query_kernel.reshape(-1),
        grad_query.reshape(-1), grad_query_kernel.reshape(-1), grad_query_bias.reshape(-1),
    )  # fmt: skip
    _project_gradient(
        of_keys.reshape(-1), key.reshape(-1), key_kernel.reshape(-1),
        grad_key.reshape(-1), grad_key_kernel.reshape(-1), grad_key_bias.reshape(-1),
    )  # fmt: skip
    _project_gradient(
        of_values.reshape(-1), value.reshape(-1), value_kernel.reshape(-1),
        grad_value.reshape(-1), grad_value_kernel.reshape(-1), grad_value_bias.reshape(-1),
    )  # fmt: skip
