"""Convolution with a kernel of 3 x 3 that takes 16 products for four results, not 36.

Winograd's minimal filtering F(2 x 2, 3 x 3), as in Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks" (2016): tiles of 4 x 4, which overlap by two, and kernels are mapped;
then all there is to do is a product of matrices for each of the 16 places of a tile. The larger
F(4 x 4, 3 x 3) would save more, at the price of errors several times as large.

Channels and filters are multiples of `NARROW`.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.microkernel import multiply_blocks
from layerscope.compiled.products import (
    DEPTH,
    WHOLE,
    aligned,
    beginnings,
    matrices_of,
    panel_width,
    panels_of,
    whole_rows,
)
from layerscope.compiled.registers import NARROW, ROWS, WIDE
from layerscope.compiled.team import claim, shared, whole_vectors
from layerscope.compiled.tiles import tile_map

#: Places of a tile; the one whose product goes into all four results once.
PLACES, _EVERYWHERE = 16, 5

_INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
_KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)

_map_input, _map_kernel, _map_output = tile_map(_INPUT), tile_map(_KERNEL), tile_map(_OUTPUT)
_map_values, _map_sums = tile_map(_OUTPUT.T), tile_map(_KERNEL.T)


def _mapped(matrix: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """Map tiles (..., i, j, c)."""
    return np.einsum("ai,...ijc,bj->...abc", matrix, tiles, matrix)


def _tiles(x: np.ndarray, low: tuple[int, int], out: tuple[int, ...], size: int) -> np.ndarray:
    """Return the tiles of an image, two apart, as (b, down, across, i, j, c)."""
    down, across = (out[1] + 1) // 2, (out[2] + 1) // 2
    lengths = 2 * down + size - 2, 2 * across + size - 2
    around = np.zeros((len(x), *lengths, x.shape[3]), x.dtype)
    (rows, shown_rows), (columns, shown_columns) = (
        (slice(max(first, 0), max(min(length, first + given), 0)), slice(max(-first, 0), None))
        for first, length, given in zip(low, lengths, x.shape[1:3], strict=True)
    )
    inner = around[:, rows, columns]
    inner[...] = x[:, shown_rows, shown_columns][:, : inner.shape[1], : inner.shape[2]]
    at = np.arange(size)
    i, j = 2 * np.arange(down)[:, None] + at, 2 * np.arange(across)[:, None] + at
    return around[:, i[:, None, :, None], j[None, :, None, :]]


def _lay_out_reference(kernel: np.ndarray, panels: np.ndarray) -> None:
    mapped = _mapped(_KERNEL, kernel.reshape(3, 3, -1)).astype(kernel.dtype)
    panels[...] = panels_of(mapped.reshape(PLACES, *kernel.shape[2:]))


@shared(_lay_out_reference)
def lay_out_kernel(board: int, tasks: int, kernel: np.ndarray, panels: np.ndarray) -> None:
    """Map a kernel, and lay the matrix of each place out as panels.

    Shapes: kernel (3, 3, channels, filters), C-contiguous; panels (16 * channels * filters,),
    written.
    """
    channels, filters = kernel.shape[2:]
    entries = channels * filters
    given, unseen = kernel.reshape(-1), np.zeros(NARROW, np.float32)
    task = claim(board, -1, tasks)
    while task >= 0:
        for c in range(start(channels, task, tasks), start(channels, task + 1, tasks)):
            for n in range(0, filters, WIDE):
                width = panel_width(filters - n)
                for j in range(0, width, NARROW):
                    _map_kernel(
                        given, c * filters + n + j, 3 * entries, entries,
                        panels, n * channels + c * width + j, 4 * entries, entries, unseen, 0,
                    )  # fmt: skip
        task = claim(board, task, tasks)


@native(inline="never")
def _map_tiles(
    x: np.ndarray,
    sample: int,
    first: int,
    count: int,
    across: int,
    low_row: int,
    low_column: int,
    around: np.ndarray,
    turned: np.ndarray,
    place: int,
    unseen: np.ndarray,
) -> None:
    """Map `count` tiles of a sample; what lies beyond its borders is zero."""
    _, rows, columns, channels = x.shape
    flat = x.reshape(-1)
    for t in range(count):
        tile = first + t
        row, column = tile // across * 2 - low_row, tile % across * 2 - low_column
        source, line = flat, columns * channels
        at = ((sample * rows + row) * columns + column) * channels
        if row < 0 or column < 0 or row + 4 > rows or column + 4 > columns:
            source, at, line = around, 0, 4 * channels
            _surround(x, sample, row, column, 4, around)
        for c in range(0, channels, NARROW):
            _map_input(
                source, at + c, line, channels,
                turned, t * channels + c, 4 * place, place, unseen, 0,
            )  # fmt: skip


@native(inline="never")
def _surround(
    x: np.ndarray, sample: int, row: int, column: int, size: int, around: np.ndarray
) -> None:
    """Copy a tile that lies across a border, with zeros beyond it."""
    whole_vectors()
    _, rows, columns, channels = x.shape
    for i in range(size):
        for j in range(size):
            copy = around[(i * size + j) * channels : (i * size + j + 1) * channels]
            if 0 <= row + i < rows and 0 <= column + j < columns:
                given = x[sample, row + i, column + j]
                for c in range(channels):
                    copy[c] = given[c]
            else:
                copy[:] = 0


def _convolve_reference(
    x: np.ndarray,
    low_row: int,
    low_column: int,
    panels: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
    at_once: int,
    seen: np.ndarray,
) -> None:
    channels, filters = x.shape[3], out.shape[3]
    matrices = np.stack(matrices_of(panels, *[(channels, filters)] * PLACES))
    turned = _mapped(_INPUT, _tiles(x, (low_row, low_column), out.shape, 4))
    b, down, across = turned.shape[:3]
    turned = turned.reshape(-1, PLACES, channels).swapaxes(0, 1)
    sums = (turned @ matrices).swapaxes(0, 1).reshape(-1, 4, 4, filters)
    results = _mapped(_OUTPUT, sums) + first[:filters]
    results = results.reshape(b, down, across, 2, 2, filters).swapaxes(2, 3)
    whole = results.reshape(b, 2 * down, 2 * across, filters)
    out[...] = whole[:, : out.shape[1], : out.shape[2]]
    seen[...] = 0 * whole.sum()


@shared(_convolve_reference)
def convolve(
    board: int,
    tasks: int,
    x: np.ndarray,
    low_row: int,
    low_column: int,
    panels: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
    at_once: int,
    seen: np.ndarray,
) -> None:
    """Correlate an image with a kernel whose first entry meets `low_row` rows above it.

    Shapes: x (b, rows, columns, channels), panels as `lay_out_kernel` writes them, first (filters
    and `WIDE` zeros more), out (b, rows, columns, filters), written; all C-contiguous. `at_once`, a
    multiple of `ROWS`, tiles are worked through together. seen (tasks, `NARROW`), 0 before, is NaN
    after a result that is not finite: others of its tile are wrong then.
    """
    channels, filters = x.shape[3], out.shape[3]
    rows_out, across = out.shape[1], (out.shape[2] + 1) // 2
    tiles = (rows_out + 1) // 2 * across
    batches = (tiles + at_once - 1) // at_once
    pieces = len(x) * batches
    flat, checks, unseen = out.reshape(-1), seen.reshape(-1), np.zeros(NARROW, np.float32)
    turned, sums = aligned(PLACES * at_once * channels), aligned(PLACES * at_once * WIDE)
    # Of the last block some rows may never be written, but are multiplied.
    turned[:] = 0
    around = aligned(PLACES * channels)
    begins, places = beginnings(at_once, channels), beginnings(at_once, WIDE)
    task = claim(board, -1, tasks)
    while task >= 0:
        for piece in range(start(pieces, task, tasks), start(pieces, task + 1, tasks)):
            sample, begin = piece // batches, piece % batches * at_once
            count = min(at_once, tiles - begin)
            _map_tiles(
                x, sample, begin, count, across, low_row, low_column,
                around, turned, at_once * channels, unseen,
            )  # fmt: skip
            for n in range(0, filters, WIDE):
                width = panel_width(filters - n)
                for p in range(PLACES):
                    column = n if p == _EVERYWHERE else filters
                    for done in range(0, channels, DEPTH):
                        panel = (p * filters + n) * channels + done * width
                        multiply_blocks(
                            turned, p * at_once * channels + done, begins, 0,
                            whole_rows(count) // ROWS, WHOLE, 0, 1, min(DEPTH, channels - done), 1,
                            panels, panel, width, first, column, sums, p * at_once * WIDE, places,
                            done > 0, False, width, True,
                        )  # fmt: skip
                for t in range(count):
                    row, column = (begin + t) // across * 2, (begin + t) % across * 2
                    to = ((sample * rows_out + row) * out.shape[2] + column) * filters + n
                    # What lies beyond the borders is overwritten.
                    line = out.shape[2] * filters if row + 1 < rows_out else 0
                    step = filters if column + 1 < out.shape[2] else 0
                    for j in range(0, width, NARROW):
                        _map_output(
                            sums, t * WIDE + j, 4 * at_once * WIDE, at_once * WIDE,
                            flat, to + j, line, step, checks, task * NARROW,
                        )  # fmt: skip
        task = claim(board, task, tasks)


def _add_up_reference(
    x: np.ndarray,
    low_row: int,
    low_column: int,
    values: np.ndarray,
    at_once: int,
    sums: np.ndarray,
) -> None:
    channels, filters = x.shape[3], values.shape[3]
    turned = _mapped(_INPUT, _tiles(x, (low_row, low_column), values.shape, 4))
    upstream = _mapped(_OUTPUT.T, _tiles(values, (0, 0), values.shape, 2))
    left = turned.reshape(-1, PLACES, channels).transpose(1, 2, 0)
    right = upstream.reshape(-1, PLACES, filters).swapaxes(0, 1)
    sums[...] = 0
    sums[0, :, :channels] = left @ right


@shared(_add_up_reference)
def add_up(
    board: int,
    tasks: int,
    x: np.ndarray,
    low_row: int,
    low_column: int,
    values: np.ndarray,
    at_once: int,
    sums: np.ndarray,
) -> None:
    """Multiply the tiles of an image with those of its results' gradient, and add up.

    Shapes: x (b, rows, columns, channels), values (b, rows, columns, filters), C-contiguous; sums
    (tasks, 16, channels up to whole blocks of rows, filters), written: each task has its own.
    """
    channels, filters = x.shape[3], values.shape[3]
    across, tiles = (values.shape[2] + 1) // 2, (values.shape[1] + 1) // 2
    tiles *= across
    batches = (tiles + at_once - 1) // at_once
    pieces = len(x) * batches
    flat, totals, unseen = values.reshape(-1), sums.reshape(-1), np.zeros(NARROW, np.float32)
    # The last block of rows reads beyond the last channel.
    turned = aligned(PLACES * at_once * channels + ROWS)
    upstream = aligned(PLACES * at_once * filters)
    around, around_values = aligned(PLACES * channels), aligned(4 * filters)
    turned[:] = 0
    blocks = whole_rows(channels)
    rows, places = np.arange(blocks), filters * np.arange(blocks)
    task = claim(board, -1, tasks)
    while task >= 0:
        sums[task] = 0
        for piece in range(start(pieces, task, tasks), start(pieces, task + 1, tasks)):
            sample, begin = piece // batches, piece % batches * at_once
            count = min(at_once, tiles - begin)
            _map_tiles(
                x, sample, begin, count, across, low_row, low_column,
                around, turned, at_once * channels, unseen,
            )  # fmt: skip
            for t in range(count):
                row, column = (begin + t) // across * 2, (begin + t) % across * 2
                source, line = flat, values.shape[2] * filters
                at = ((sample * values.shape[1] + row) * values.shape[2] + column) * filters
                if row + 2 > values.shape[1] or column + 2 > values.shape[2]:
                    source, at, line = around_values, 0, 2 * filters
                    _surround(values, sample, row, column, 2, around_values)
                for n in range(0, filters, WIDE):
                    width = panel_width(filters - n)
                    for j in range(0, width, NARROW):
                        _map_values(
                            source, at + n + j, line, filters,
                            upstream, n * at_once + t * width + j,
                            4 * at_once * filters, at_once * filters, unseen, 0,
                        )  # fmt: skip
            for p in range(PLACES):
                for n in range(0, filters, WIDE):
                    width = panel_width(filters - n)
                    multiply_blocks(
                        turned, p * at_once * channels, rows, 0, blocks // ROWS,
                        WHOLE, 0, 1, count, channels,
                        upstream, (p * filters + n) * at_once, width,
                        unseen, 0, totals, (task * PLACES + p) * blocks * filters + n,
                        places, True, False, width, True,
                    )  # fmt: skip
        task = claim(board, task, tasks)


def _gradient_reference(sums: np.ndarray, grad: np.ndarray, seen: np.ndarray) -> None:
    channels, filters = grad.shape[2:]
    total = sums.sum(0)[:, :channels].reshape(4, 4, channels * filters)
    grad[...] = _mapped(_KERNEL.T, total).reshape(grad.shape)
    seen[...] = 0 * grad.sum()


@shared(_gradient_reference)
def kernel_gradient(
    board: int, tasks: int, sums: np.ndarray, grad: np.ndarray, seen: np.ndarray
) -> None:
    """Turn what `add_up` has added up into the kernel's gradient.

    Shapes: sums (parts, 16, channels and more, filters), overwritten; grad (3, 3, channels,
    filters), written; seen (tasks, `NARROW`) as that of `convolve`.
    """
    channels, filters = grad.shape[2:]
    place, entries = sums.shape[2] * filters, channels * filters
    totals, flat, checks = sums.reshape(-1), grad.reshape(-1), seen.reshape(-1)
    task = claim(board, -1, tasks)
    while task >= 0:
        for c in range(start(channels, task, tasks), start(channels, task + 1, tasks)):
            for p in range(PLACES):
                total = sums[0, p, c]
                for part in range(1, len(sums)):
                    more = sums[part, p, c]
                    for n in range(filters):
                        total[n] += more[n]
            for n in range(0, filters, NARROW):
                _map_sums(
                    totals, c * filters + n, 4 * place, place,
                    flat, c * filters + n, 3 * entries, entries, checks, task * NARROW,
                )  # fmt: skip
        task = claim(board, task, tasks)
