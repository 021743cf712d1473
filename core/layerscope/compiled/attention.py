"""Attention of one head over one sample at a time: all its products near the processor.

b batch, q queries, k keys, h heads, d features of queries and keys, e of values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.mapping import start
from layerscope.compiled.products import aligned, multiply_rows, panel_columns
from layerscope.compiled.registers import NARROW, ROWS, WIDE
from layerscope.compiled.softmax import largest_of
from layerscope.compiled.team import claim, shared

_F = np.float32
#: What may be done to sums.
_SUMS: dict[str, Any] = {"fastmath": {"contract", "nsz", "reassoc"}}


@callable_from_loops()
def _whole(rows: int) -> int:
    """Return how many rows whole blocks have that hold so many."""
    return (rows + ROWS - 1) // ROWS * ROWS


@native()
def _beginnings(rows: int, length: int, last: int) -> np.ndarray:
    """Return where rows of a length begin, for whole blocks; `last` is where surplus ones do."""
    found = np.empty(_whole(rows), np.int64)
    for row in range(len(found)):
        found[row] = min(row, last) * length
    return found


@native()
def _pack(panels: np.ndarray, matrix: np.ndarray, factor: Any) -> None:
    """Lay a matrix (depth, columns) times a factor out as panels."""
    depth, columns = matrix.shape
    begin = 0
    for n in range(0, columns, WIDE):
        width = WIDE if columns - n > NARROW else NARROW
        shown = min(width, columns - n)
        for r in range(depth):
            row = panels[begin : begin + width]
            for c in range(shown):
                row[c] = factor * matrix[r, n + c]
            for c in range(shown, width):
                row[c] = _F(0)
            begin += width


@native()
def _copy_rows(block: np.ndarray, out: np.ndarray) -> None:
    """Copy the first columns of a block's rows."""
    for i in range(out.shape[0]):
        row, result = block[i], out[i]
        for c in range(result.size):
            result[c] = row[c]


def _attend_reference(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scale: float,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    scores = np.einsum("bqhd,bkhd->bhqk", query, key * scale)
    with np.errstate(invalid="ignore"):
        np.exp(scores - scores.max(-1, keepdims=True), out=weights)
    weights /= weights.sum(-1, keepdims=True)
    np.einsum("bhqk,bkhe->bqhe", weights, value, out=out)


@shared(_attend_reference, **_SUMS)
def attend(
    board: int,
    tasks: int,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scale: float,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """``softmax(scale * query @ key.T) @ value`` for each sample and head, and the weights.

    Shapes: query (b, q, h, d), key (b, k, h, d), value (b, k, h, e), all C-contiguous; weights (b,
    h, q, k) and out (b, q, h, e), written.
    """
    _, queries, heads, features = query.shape
    keys, values = value.shape[1], value.shape[3]
    wide, wide_out = panel_columns(keys), panel_columns(values)
    rows = _beginnings(queries, heads * features, queries - 1)
    weight_rows = _beginnings(queries, wide, queries - 1)
    places, places_out = (
        _beginnings(queries, wide, len(rows)),
        _beginnings(queries, wide_out, len(rows)),
    )
    panels = aligned(max(features * wide, keys * wide_out))
    memory, memory_out = aligned(len(rows) * wide), aligned(len(rows) * wide_out)
    scores, means = memory.reshape(len(rows), wide), memory_out.reshape(len(rows), wide_out)
    bits, given = scores.view(np.int32), query.reshape(-1)
    pieces = len(query) * heads
    task = claim(board, -1, tasks)
    while task >= 0:
        for piece in range(start(pieces, task, tasks), start(pieces, task + 1, tasks)):
            b, h = piece // heads, piece % heads
            _pack(panels, key[b, :, h].T, scale)
            begin = (b * queries * heads + h) * features
            multiply_rows(given, begin, rows, queries, features, panels, 0, keys, memory, 0, places)
            for i in range(queries):
                row, share = scores[i, :keys], weights[b, h, i]
                largest = largest_of(bits[i, :keys])
                total = _F(0)
                for j in range(row.size):
                    power = vm.exp(row[j] - largest)
                    row[j] = power
                    total += power
                factor = _F(1) / total
                for j in range(row.size):
                    row[j] *= factor
                    share[j] = row[j]
            _pack(panels, value[b, :, h], _F(1))
            multiply_rows(
                memory, 0, weight_rows, queries, keys, panels, 0, values, memory_out, 0, places_out
            )
            _copy_rows(means, out[b, :, h])
        task = claim(board, task, tasks)


def _attend_gradient_reference(
    grad: np.ndarray,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scale: float,
    weights: np.ndarray,
    grad_query: np.ndarray,
    grad_key: np.ndarray,
    grad_value: np.ndarray,
) -> None:
    slopes = np.einsum("bqhe,bkhe->bhqk", grad, value)
    slopes -= (slopes * weights).sum(-1, keepdims=True)
    slopes *= weights
    slopes *= scale
    np.einsum("bhqk,bkhd->bqhd", slopes, key, out=grad_query)
    np.einsum("bhqk,bqhd->bkhd", slopes, query, out=grad_key)
    np.einsum("bhqk,bqhe->bkhe", weights, grad, out=grad_value)


@shared(_attend_gradient_reference, **_SUMS)
def attend_gradient(
    board: int,
    tasks: int,
    grad: np.ndarray,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scale: float,
    weights: np.ndarray,
    grad_query: np.ndarray,
    grad_key: np.ndarray,
    grad_value: np.ndarray,
) -> None:
    """Gradients of what `attend` computes, given that of its result and the weights it kept.

    Shapes: those of `attend`, all C-contiguous; the gradients are written.
    """
    _, queries, heads, features = query.shape
    keys, values = value.shape[1], value.shape[3]
    wide, widest = panel_columns(keys), max(panel_columns(features), panel_columns(values))
    grad_rows = _beginnings(queries, heads * values, queries - 1)
    places = _beginnings(queries, wide, len(grad_rows))
    by_query = _beginnings(queries, wide, queries - 1)
    by_key = _beginnings(keys, queries, keys - 1)
    places_query = _beginnings(queries, panel_columns(features), len(grad_rows))
    places_key = _beginnings(keys, panel_columns(features), len(by_key))
    places_value = _beginnings(keys, panel_columns(values), len(by_key))
    deepest = max(queries, keys)
    panels = aligned(max(values * wide, deepest * widest))
    memory, turned = aligned(len(grad_rows) * wide), aligned(keys * queries)
    memory_out = aligned(max(len(grad_rows), len(by_key)) * widest)
    slopes, columns = memory.reshape(len(grad_rows), wide), turned.reshape(keys, queries)
    given = grad.reshape(-1)
    pieces = len(query) * heads
    task = claim(board, -1, tasks)
    while task >= 0:
        for piece in range(start(pieces, task, tasks), start(pieces, task + 1, tasks)):
            b, h = piece // heads, piece % heads
            for i in range(queries):
                for j in range(keys):
                    columns[j, i] = weights[b, h, i, j]
            _pack(panels, grad[b, :, h], _F(1))
            multiply_rows(
                turned, 0, by_key, keys, queries, panels, 0, values, memory_out, 0, places_value
            )
            _copy_rows(_matrix(memory_out, keys, panel_columns(values)), grad_value[b, :, h])
            _pack(panels, value[b, :, h].T, _F(1))
            begin = (b * queries * heads + h) * values
            multiply_rows(
                given, begin, grad_rows, queries, values, panels, 0, keys, memory, 0, places
            )
            for i in range(queries):
                row, share = slopes[i, :keys], weights[b, h, i]
                total = _F(0)
                for j in range(row.size):
                    total += row[j] * share[j]
                for j in range(row.size):
                    row[j] = scale * (share[j] * (row[j] - total))
                for j in range(row.size):
                    columns[j, i] = row[j]
            _pack(panels, key[b, :, h], _F(1))
            multiply_rows(
                memory, 0, by_query, queries, keys, panels, 0, features, memory_out, 0, places_query
            )
            _copy_rows(_matrix(memory_out, queries, panel_columns(features)), grad_query[b, :, h])
            _pack(panels, query[b, :, h], _F(1))
            multiply_rows(
                turned, 0, by_key, keys, queries, panels, 0, features, memory_out, 0, places_key
            )
            _copy_rows(_matrix(memory_out, keys, panel_columns(features)), grad_key[b, :, h])
        task = claim(board, task, tasks)


@native()
def _matrix(memory: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return memory[: rows * columns].reshape(rows, columns)
