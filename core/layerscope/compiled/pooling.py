"""Maximum and mean over windows of a volume and the way back.

Images and sequences are volumes with unit axes. b batch, h/i/j output plane/row/column, c channel;
plane/row/column count in the volume. Threads share rows of windows; on the way back, where windows
meet, whole samples.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.folding import largest_of_squares, means_of_squares
from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared

Triple = tuple[int, int, int]
#: The first entry of a window and the one after its last, along each of the three axes.
Reach = tuple[int, int, int, int, int, int]


def _window(place: tuple[int, ...], size: Triple, stride: Triple, low: Triple) -> tuple[slice, ...]:
    """Return where the window at a place lies, without the padding."""
    corner = [i * s - before for i, s, before in zip(place, stride, low, strict=True)]
    ends = [first + reach for first, reach in zip(corner, size, strict=True)]
    spatial = [slice(max(first, 0), end) for first, end in zip(corner, ends, strict=True)]
    return (slice(None), *spatial)


@native(inline="always")
def _reach(
    h: int, i: int, j: int, x: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> Reach:
    """Return the first entry of a window and the one after its last, along each axis."""
    plane, row, column = h * stride[0] - low[0], i * stride[1] - low[1], j * stride[2] - low[2]
    return (
        max(plane, 0),
        min(plane + size[0], x.shape[1]),
        max(row, 0),
        min(row + size[1], x.shape[2]),
        max(column, 0),
        min(column + size[2], x.shape[3]),
    )


@native(inline="always")
def _are_squares(
    i: int, columns: int, x: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> bool:
    """Tell whether each window of a row has the usual 2 x 2 entries, which are taken together."""
    row = i * stride[1] - low[1]
    inside = row >= 0 and row + 2 <= x.shape[2]
    inside = inside and low[2] == 0 and (columns - 1) * stride[2] + 2 <= x.shape[3]
    return size[0] == 1 and size[1] == 2 and size[2] == 2 and inside


def _max_pool_reference(
    x: np.ndarray, out: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    for place in np.ndindex(*out.shape[1:4]):
        out[(slice(None), *place)] = x[_window(place, size, stride, low)].max(axis=(1, 2, 3))


@shared(_max_pool_reference)
def max_pool(
    board: int,
    tasks: int,
    x: np.ndarray,
    out: np.ndarray,
    size: Triple,
    stride: Triple,
    low: Triple,
) -> None:
    """Maximum of each window; a NaN wins over any number, padding never wins.

    Shapes: x (b, depth, height, width, c); out (b, planes, rows, columns, c), written. `low` is the
    padding before each axis.
    """
    planes, rows, columns, channels = out.shape[1:]
    parts = out.shape[0] * planes * rows
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            b, h, i = part // (planes * rows), part // rows % planes, part % rows
            if _are_squares(i, columns, x, size, stride, low):
                top = i * stride[1] - low[1]
                lines = x[b, h * stride[0] - low[0], top : top + 2]
                largest_of_squares(lines, stride[2] * channels, out[b, h, i])
                continue
            for j in range(columns):
                plane, end_plane, row, end_row, column, end_column = _reach(
                    h, i, j, x, size, stride, low
                )
                best = out[b, h, i, j]
                first = x[b, plane, row, column]
                for c in range(channels):
                    best[c] = first[c]
                for p in range(plane, end_plane):
                    for r in range(row, end_row):
                        for w in range(column, end_column):
                            entry = x[b, p, r, w]
                            for c in range(channels):
                                value, known = entry[c], best[c]
                                larger = value > known or value != value
                                best[c] = value if larger else known
        task = claim(board, task, tasks)


@native(inline="always")
def _meet(size: Triple, stride: Triple) -> bool:
    """Tell whether rows of windows overlap."""
    return size[0] > stride[0] or size[1] > stride[1]


@native(inline="always")
def _clear_rows(
    h: int, i: int, sample: np.ndarray, out: np.ndarray, stride: Triple, low: Triple
) -> None:
    """Put zeros from the first row of a row of windows to that of the next one."""
    last_plane, last_row = out.shape[1] - 1, out.shape[2] - 1
    plane = max(h * stride[0] - low[0], 0)
    end_plane = (h + 1) * stride[0] - low[0] if h < last_plane else sample.shape[0]
    row = max(i * stride[1] - low[1], 0)
    end_row = (i + 1) * stride[1] - low[1] if i < last_row else sample.shape[1]
    sample[plane:end_plane, row:end_row] = 0


def _max_pool_gradient_reference(
    grad_out: np.ndarray,
    out: np.ndarray,
    x: np.ndarray,
    grad_x: np.ndarray,
    size: Triple,
    stride: Triple,
    low: Triple,
) -> None:
    grad_x[...] = 0
    for place in np.ndindex(*out.shape[1:4]):
        where, at = _window(place, size, stride, low), (slice(None), *place)
        window = x[where]
        rest = grad_out[at].copy()
        for entry in np.ndindex(*window.shape[1:4]):
            value = window[(slice(None), *entry)]
            hit = (value == out[at]) | (value != value)
            grad_x[where][(slice(None), *entry)] += np.where(hit, rest, 0)
            rest[hit] = 0


@shared(_max_pool_gradient_reference)
def max_pool_gradient(
    board: int,
    tasks: int,
    grad_out: np.ndarray,
    out: np.ndarray,
    x: np.ndarray,
    grad_x: np.ndarray,
    size: Triple,
    stride: Triple,
    low: Triple,
) -> None:
    """Hand each window's gradient to the first entry that equals its maximum.

    Shapes: grad_out and out (b, planes, rows, columns, c); x and grad_x (b, depth, height, width,
    c), the latter written.
    """
    planes, rows, columns, channels = out.shape[1:]
    rows_at_once = planes * rows if _meet(size, stride) else 1
    parts = out.shape[0] * planes * rows // rows_at_once
    rest = np.empty(channels, grad_out.dtype)
    zero = grad_out.dtype.type(0)
    task = claim(board, -1, tasks)
    while task >= 0:
        first = rows_at_once * start(parts, task, tasks)
        end = rows_at_once * start(parts, task + 1, tasks)
        for part in range(first, end):
            b, h, i = part // (planes * rows), part // rows % planes, part % rows
            if rows_at_once == 1:
                _clear_rows(h, i, grad_x[b], out, stride, low)
            elif part % rows_at_once == 0:
                grad_x[b] = 0
            for j in range(columns):
                plane, end_plane, row, end_row, column, end_column = _reach(
                    h, i, j, x, size, stride, low
                )
                best, grad = out[b, h, i, j], grad_out[b, h, i, j]
                for c in range(channels):
                    rest[c] = grad[c]
                for p in range(plane, end_plane):
                    for r in range(row, end_row):
                        for w in range(column, end_column):
                            entry, grad_entry = x[b, p, r, w], grad_x[b, p, r, w]
                            for c in range(channels):
                                value, left = entry[c], rest[c]
                                hit = value == best[c] or value != value
                                grad_entry[c] += left if hit else zero
                                rest[c] = zero if hit else left
        task = claim(board, task, tasks)


def _average_pool_reference(
    x: np.ndarray, out: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    for place in np.ndindex(*out.shape[1:4]):
        out[(slice(None), *place)] = x[_window(place, size, stride, low)].mean(axis=(1, 2, 3))


@shared(_average_pool_reference)
def average_pool(
    board: int,
    tasks: int,
    x: np.ndarray,
    out: np.ndarray,
    size: Triple,
    stride: Triple,
    low: Triple,
) -> None:
    """Mean of the entries of each window; padding does not count.

    Shapes: x (b, depth, height, width, c); out (b, planes, rows, columns, c), written. `low` is the
    padding before each axis.
    """
    planes, rows, columns, channels = out.shape[1:]
    parts = out.shape[0] * planes * rows
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            b, h, i = part // (planes * rows), part // rows % planes, part % rows
            if _are_squares(i, columns, x, size, stride, low):
                top = i * stride[1] - low[1]
                lines = x[b, h * stride[0] - low[0], top : top + 2]
                means_of_squares(lines, stride[2] * channels, out[b, h, i])
                continue
            for j in range(columns):
                plane, end_plane, row, end_row, column, end_column = _reach(
                    h, i, j, x, size, stride, low
                )
                mean = out[b, h, i, j]
                for c in range(channels):
                    mean[c] = 0
                for p in range(plane, end_plane):
                    for r in range(row, end_row):
                        for w in range(column, end_column):
                            entry = x[b, p, r, w]
                            for c in range(channels):
                                mean[c] += entry[c]
                entries = (end_plane - plane) * (end_row - row) * (end_column - column)
                count = x.dtype.type(entries)
                for c in range(channels):
                    mean[c] /= count
        task = claim(board, task, tasks)


def _average_pool_gradient_reference(
    grad_out: np.ndarray, grad_x: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    grad_x[...] = 0
    for place in np.ndindex(*grad_out.shape[1:4]):
        window = grad_x[_window(place, size, stride, low)]
        count = grad_x.dtype.type(window.shape[1] * window.shape[2] * window.shape[3])
        window += (grad_out[(slice(None), *place)] / count)[:, None, None, None]


@shared(_average_pool_gradient_reference)
def average_pool_gradient(
    board: int,
    tasks: int,
    grad_out: np.ndarray,
    grad_x: np.ndarray,
    size: Triple,
    stride: Triple,
    low: Triple,
) -> None:
    """Hand each window's gradient to its entries in equal parts.

    Shapes: grad_out (b, planes, rows, columns, c); grad_x (b, depth, height, width, c), written.
    """
    planes, rows, columns, channels = grad_out.shape[1:]
    rows_at_once = planes * rows if _meet(size, stride) else 1
    parts = grad_out.shape[0] * planes * rows // rows_at_once
    share = np.empty(channels, grad_out.dtype)
    task = claim(board, -1, tasks)
    while task >= 0:
        first = rows_at_once * start(parts, task, tasks)
        end = rows_at_once * start(parts, task + 1, tasks)
        for part in range(first, end):
            b, h, i = part // (planes * rows), part // rows % planes, part % rows
            if rows_at_once == 1:
                _clear_rows(h, i, grad_x[b], grad_out, stride, low)
            elif part % rows_at_once == 0:
                grad_x[b] = 0
            for j in range(columns):
                plane, end_plane, row, end_row, column, end_column = _reach(
                    h, i, j, grad_x, size, stride, low
                )
                entries = (end_plane - plane) * (end_row - row) * (end_column - column)
                count, grad = grad_x.dtype.type(entries), grad_out[b, h, i, j]
                for c in range(channels):
                    share[c] = grad[c] / count
                for p in range(plane, end_plane):
                    for r in range(row, end_row):
                        for w in range(column, end_column):
                            grad_entry = grad_x[b, p, r, w]
                            for c in range(channels):
                                grad_entry[c] += share[c]
        task = claim(board, task, tasks)
