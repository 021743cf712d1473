"""Convolution of each channel by itself, with windows that overlap along a row.

What adjacent windows have in common is read once for all of a block, straight from the image:
zeros around it are not copied, but read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.compiled.jit import ENABLED, callable_from_loops
from layerscope.compiled.products import matrices_of, panel_width
from layerscope.compiled.registers import ROWS, WIDE
from layerscope.compiled.team import claim, shared

#: Lengths of a window along a row for which there are blocks.
TAPS = (3, 5)

#: How windows lie: zeros before each column and before each row, fewer than taps; from one row of
#: windows to the next, and from one line of a window to the next; a window's lines, and its taps.
Windows = tuple[int, int, int, int, int, int]


def slide(
    x: np.ndarray,
    start: int,
    line: int,
    lines: int,
    place: int,
    begin: int,
    end: int,
    panels: np.ndarray,
    panel: int,
    taps: int,
    width: int,
    first: np.ndarray,
    column: int,
    out: np.ndarray,
    to: int,
) -> None:
    """Sum what `ROWS` adjacent windows of `taps` entries a line see, for `width` channels.

    The first window begins in `x` at `start`; its lines lie `line` apart, places `place` apart, in
    `x` as in `out`. Of the places only those from `begin` to before `end` are in the image.
    Results go to `out` at `to` and begin at ``first[column:]``; ``first[place:]`` is zeros. Arrays
    are flat.
    """
    places = np.arange(ROWS + taps - 1)
    inside = (places >= begin) & (places < end)
    channels = np.arange(width)
    kernel = panels[panel : panel + lines * taps * width].reshape(lines, taps, width)
    at = start + line * np.arange(lines)[:, None] + place * places[inside]
    seen = np.zeros((lines, len(places), width), x.dtype)
    seen[:, inside] = x[at[..., None] + channels]
    total = sum(seen[:, tap : tap + ROWS] * kernel[:, None, tap] for tap in range(taps))
    written = to + place * np.arange(ROWS)[:, None] + channels
    out[written] = first[column : column + width] + np.sum(total, axis=0)


def add_up(
    x: np.ndarray,
    start: int,
    values: np.ndarray,
    at: int,
    columns: int,
    place: int,
    begin: int,
    end: int,
    taps: int,
    width: int,
    nothing: np.ndarray,
    out: np.ndarray,
    to: int,
) -> None:
    """Add to each tap what a line of `columns` windows sees there, times the windows' values.

    Places are as for `slide`, `place` apart in `values` and taps in `out` as well, where sums are
    added from `to` on; `nothing` is zeros.
    """
    channels, places = np.arange(width), np.arange(columns + taps - 1)
    inside = (places >= begin) & (places < end)
    seen = np.zeros((len(places), width), x.dtype)
    seen[inside] = x[start + place * places[inside, None] + channels]
    factors = values[at + place * np.arange(columns)[:, None] + channels]
    for tap in range(taps):
        out[to + tap * place + channels] += (seen[tap : tap + columns] * factors).sum(0)


if ENABLED:
    from numba.extending import overload

    from layerscope.compiled import sliding_vectors

    overload(slide, strict=False, inline="always")(sliding_vectors.slide)
    overload(add_up, strict=False, inline="always")(sliding_vectors.add_up)


@callable_from_loops()
def _seen(top: int, n_rows: int, lines: int, dilation: int) -> tuple[int, int]:
    """Return the first of a window's lines that is in the image, and how many are."""
    first = (max(-top, 0) + dilation - 1) // dilation
    return first, max(min((n_rows - 1 - top) // dilation + 1, lines) - first, 0)


def _correlate_rows_reference(
    x: np.ndarray,
    windows: Windows,
    panels: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
) -> None:
    *_, lines, taps = windows
    (kernel,) = matrices_of(panels, (lines * taps, x.shape[3]))
    out[...] = first[: x.shape[3]]
    for k, view in _views(x, windows, out.shape):
        out += view * kernel[k]


def _views(
    x: np.ndarray, windows: Windows, out: tuple[int, ...]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of each tap with what all windows see there."""
    (low_line, low, stride, dilation, lines, taps), (rows, columns) = windows, out[1:3]
    needed = (rows - 1) * stride + (lines - 1) * dilation + 1, columns + taps - 1
    pads = [
        (low, max(0, wanted - low - length))
        for low, wanted, length in zip((low_line, low), needed, x.shape[1:3], strict=True)
    ]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    for u, v in np.ndindex(lines, taps):
        seen = padded[:, u * dilation :, v : v + columns]
        yield u * taps + v, seen[:, : stride * (rows - 1) + 1 : stride]


@shared(_correlate_rows_reference)
def correlate_rows(
    board: int,
    tasks: int,
    x: np.ndarray,
    windows: Windows,
    panels: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
) -> None:
    """Correlate every channel with its kernel, as panels of (lines * taps, channels).

    Shapes: x (b, rows, columns, channels), C-contiguous; first (channels and `WIDE` zeros), what
    results begin with; out (b, rows, columns, channels), written, of at least `ROWS` columns.
    Channels are whole vectors.
    """
    low_line, low, stride, dilation, lines, taps = windows
    n_rows, n_columns, channels = x.shape[1:]
    rows, columns = out.shape[1:3]
    flat, to = x.reshape(-1), out.reshape(-1)
    count = len(x) * rows
    task = claim(board, -1, tasks)
    while task >= 0:
        for line in range(count * task // tasks, count * (task + 1) // tasks):
            sample, row = line // rows, line % rows
            top = row * stride - low_line
            skipped, seen = _seen(top, n_rows, lines, dilation)
            start = (sample * n_rows + top + skipped * dilation) * n_columns
            for block in range(0, columns, ROWS):
                column = min(block, columns - ROWS)
                begin = low - column
                for n in range(0, channels, WIDE):
                    width = panel_width(channels - n)
                    slide(
                        flat, (start - begin) * channels + n, dilation * n_columns * channels, seen,
                        channels, begin, begin + n_columns,
                        panels, lines * taps * n + skipped * taps * width, taps, width,
                        first, n, to, (line * columns + column) * channels + n,
                    )  # fmt: skip
        task = claim(board, task, tasks)


def _kernel_gradient_reference(
    x: np.ndarray,
    windows: Windows,
    values: np.ndarray,
    out: np.ndarray,
) -> None:
    rows = len(values) * values.shape[1]
    begins = np.arange(1, len(out)) * rows // len(out)
    for k, view in _views(x, windows, values.shape):
        of_rows = (view * values).sum(2).reshape(rows, -1)
        out[:, k] = [part.sum(0) for part in np.split(of_rows, begins)]


@shared(_kernel_gradient_reference)
def correlate_rows_kernel_gradient(
    board: int,
    tasks: int,
    x: np.ndarray,
    windows: Windows,
    values: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum over all windows of `correlate_rows` what they see, times their values.

    Each task has some of their rows and a sum of its own, for the caller to add up.

    Shapes: x (b, rows, columns, channels) and values (b, rows, columns, channels), C-contiguous;
    out (tasks, lines * taps, channels), written.
    """
    low_line, low, stride, dilation, lines, taps = windows
    n_rows, n_columns, channels = x.shape[1:]
    rows, columns = values.shape[1:3]
    flat, upstream, sums = x.reshape(-1), values.reshape(-1), out.reshape(-1)
    nothing = np.zeros(WIDE, np.float32)
    count = len(x) * rows
    task = claim(board, -1, tasks)
    while task >= 0:
        out[task] = 0
        for line in range(count * task // tasks, count * (task + 1) // tasks):
            sample, row = line // rows, line % rows
            top = row * stride - low_line
            skipped, seen = _seen(top, n_rows, lines, dilation)
            for u in range(skipped, skipped + seen):
                start = (sample * n_rows + top + u * dilation) * n_columns - low
                to = (task * lines + u) * taps
                for n in range(0, channels, WIDE):
                    width = panel_width(channels - n)
                    add_up(
                        flat, start * channels + n, upstream, line * columns * channels + n,
                        columns, channels, low, low + n_columns, taps, width,
                        nothing, sums, to * channels + n,
                    )  # fmt: skip
        task = claim(board, task, tasks)
