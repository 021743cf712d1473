"""Attention of one head over one sample at a time: all its products near the processor.

b batch, q queries, k keys, h heads, d features of queries and keys, e of values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.products import (
    aligned,
    beginnings,
    multiply_rows,
    panel_columns,
    panel_width,
    whole_rows,
)
from layerscope.compiled.registers import WIDE
from layerscope.compiled.softmax import largest_of
from layerscope.compiled.team import claim, shared

_F = np.float32
#: Queries whose scores are computed together, for them to stay near the processor.
_TOGETHER = 64


@native()
def pack(panels: np.ndarray, matrix: np.ndarray, factor: Any) -> None:
    """Lay a matrix (depth, columns) times a factor out as panels."""
    depth, columns = matrix.shape
    begin = 0
    for n in range(0, columns, WIDE):
        width = panel_width(columns - n)
        shown = min(width, columns - n)
        for r in range(depth):
            row = panels[begin : begin + width]
            for c in range(shown):
                row[c] = factor * matrix[r, n + c]
            for c in range(shown, width):
                row[c] = _F(0)
            begin += width


@native()
def put_rows(memory: np.ndarray, out: np.ndarray, added: bool) -> None:
    """Copy the first columns of rows to `out`, or add them."""
    rows, columns = out.shape
    wide = panel_columns(columns)
    for i in range(rows):
        row, result = memory[i * wide : i * wide + columns], out[i]
        for c in range(columns):
            result[c] = result[c] + row[c] if added else row[c]


def _shares(query: np.ndarray, key: np.ndarray, scale: float) -> np.ndarray:
    """Return the weights of the values, (b, h, q, k), with NumPy."""
    scores = np.einsum("bqhd,bkhd->bhqk", query, key * scale)
    with np.errstate(invalid="ignore"):
        shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return shares


@native(fastmath=vm.SUMMED)
def _weigh(
    queries: np.ndarray,
    begin: int,
    rows: np.ndarray,
    count: int,
    features: int,
    panels: np.ndarray,
    keys: int,
    scores: np.ndarray,
    places: np.ndarray,
) -> None:
    """Write the weights of the values for some queries, which begin as `multiply_rows` says.

    Flat: queries, the keys' panels, and scores, where there is room for whole blocks and panels.
    """
    multiply_rows(queries, begin, rows, count, features, panels, 0, keys, scores, 0, places)
    bits, wide = scores.view(np.int32), panel_columns(keys)
    for i in range(count):
        row = scores[i * wide : i * wide + keys]
        largest = largest_of(bits[i * wide : i * wide + keys])
        total = _F(0)
        for j in range(keys):
            power = vm.exp(row[j] - largest)
            row[j] = power
            total += power
        factor = _F(1) / total
        for j in range(keys):
            row[j] *= factor


def attend_reference(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scale: float,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Do what `attend` does, with NumPy."""
    shares = _shares(query, key, scale)
    if weights.size:
        weights[...] = shares
    np.einsum("bhqk,bkhe->bqhe", shares, value, out=out)


@shared(attend_reference, fastmath=vm.SUMMED)
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
    h, q, k), or empty if nobody wants them, and out (b, q, h, e), written.
    """
    _, queries, heads, features = query.shape
    keys, values = value.shape[1], value.shape[3]
    wide, wide_out, together = panel_columns(keys), panel_columns(values), min(queries, _TOGETHER)
    numbers = np.arange(whole_rows(together))
    places, places_out = wide * numbers, wide_out * numbers
    for_scores, for_means = aligned(features * wide), aligned(keys * wide_out)
    scores, means = aligned(len(places) * wide), aligned(len(places) * wide_out)
    given = query.reshape(-1)
    # Made once: only the last of many queries are fewer.
    pieces, of_queries = len(query) * heads, beginnings(together, heads * features)
    task = claim(board, -1, tasks)
    while task >= 0:
        for piece in range(start(pieces, task, tasks), start(pieces, task + 1, tasks)):
            b, h = piece // heads, piece % heads
            pack(for_scores, key[b, :, h].T, scale)
            pack(for_means, value[b, :, h], _F(1))
            for first in range(0, queries, together):
                count = min(together, queries - first)
                begin = ((b * queries + first) * heads + h) * features
                rows = of_queries if count == together else beginnings(count, heads * features)
                _weigh(given, begin, rows, count, features, for_scores, keys, scores, places)
                if weights.size:
                    put_rows(scores, weights[b, h, first : first + count], False)
                multiply_rows(
                    scores, 0, places, count, keys, for_means, 0, values, means, 0, places_out
                )
                put_rows(means, out[b, first : first + count, h], False)
        task = claim(board, task, tasks)


def attend_gradient_reference(
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
    """Do what `attend_gradient` does, with NumPy."""
    weights = weights if weights.size else _shares(query, key, scale)
    slopes = np.einsum("bqhe,bkhe->bhqk", grad, value)
    slopes -= (slopes * weights).sum(-1, keepdims=True)
    slopes *= weights
    slopes *= scale
    np.einsum("bhqk,bkhd->bqhd", slopes, key, out=grad_query)
    np.einsum("bhqk,bqhd->bkhd", slopes, query, out=grad_key)
    np.einsum("bhqk,bqhe->bkhe", weights, grad, out=grad_value)


@shared(attend_gradient_reference, fastmath=vm.SUMMED)
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

    Weights that nobody kept are computed again. Shapes: those of `attend`, all C-contiguous; the
    gradients are written.
    """
    _, queries, heads, features = query.shape
    keys, values = value.shape[1], value.shape[3]
    wide, wide_in, wide_out = panel_columns(keys), panel_columns(features), panel_columns(values)
    widest, together = max(wide_in, wide_out), min(queries, _TOGETHER)
    count_all = max(whole_rows(together), whole_rows(keys))
    places, by_key = wide * np.arange(count_all), beginnings(keys, 1)
    places_in, places_out = wide_in * np.arange(count_all), wide_out * np.arange(count_all)
    by_value, by_feature = aligned(values * wide), aligned(keys * wide_in)
    panels, sums = aligned(together * widest), aligned(count_all * widest)
    slopes = aligned(whole_rows(together) * wide)
    kept = weights.size > 0
    scores = aligned(0 if kept else slopes.size)
    for_scores = aligned(0 if kept else features * wide)
    given, asked = grad.reshape(-1), query.reshape(-1)
    # Where they lie, and how far apart the queries' are.
    shares, length = (weights.reshape(-1), keys) if kept else (scores, wide)
    pieces, of_grads = len(query) * heads, beginnings(together, heads * values)
    task = claim(board, -1, tasks)
    while task >= 0:
        for piece in range(start(pieces, task, tasks), start(pieces, task + 1, tasks)):
            b, h = piece // heads, piece % heads
            pack(by_value, value[b, :, h].T, _F(1))
            pack(by_feature, key[b, :, h], _F(1))
            if not kept:
                pack(for_scores, key[b, :, h].T, scale)
            for first in range(0, queries, together):
                count, later = min(together, queries - first), first > 0
                end = first + count
                share_begin = (piece * queries + first) * keys if kept else 0
                if not kept:
                    begin = ((b * queries + first) * heads + h) * features
                    rows = beginnings(count, heads * features)
                    _weigh(asked, begin, rows, count, features, for_scores, keys, scores, places)
                pack(panels, grad[b, first:end, h], _F(1))
                multiply_rows(
                    shares, share_begin, by_key, keys, count, panels, 0, values, sums, 0,
                    places_out, length,
                )  # fmt: skip
                put_rows(sums, grad_value[b, :, h], later)
                begin = ((b * queries + first) * heads + h) * values
                rows = of_grads if count == together else beginnings(count, heads * values)
                multiply_rows(
                    given, begin, rows, count, values, by_value, 0, keys, slopes, 0, places
                )
                for i in range(count):
                    row = slopes[i * wide : i * wide + keys]
                    share = shares[share_begin + i * length : share_begin + i * length + keys]
                    total = _F(0)
                    for j in range(keys):
                        total += row[j] * share[j]
                    for j in range(keys):
                        row[j] = scale * (share[j] * (row[j] - total))
                multiply_rows(
                    slopes, 0, places, count, keys, by_feature, 0, features, sums, 0, places_in
                )
                put_rows(sums, grad_query[b, first:end, h], False)
                pack(panels, query[b, first:end, h], _F(1))
                multiply_rows(
                    slopes, 0, by_key, keys, count, panels, 0, features, sums, 0, places_in, wide
                )
                put_rows(sums, grad_key[b, :, h], later)
        task = claim(board, task, tasks)
