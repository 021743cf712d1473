"""Sums of products over windows, as blocks of a matrix product that never copies a window.

An image is cut into chunks of lines, small enough to stay near the processor: a chunk is copied
with its zeros around it, and tables say where in it the rows of the product begin and where the
entries of a window lie. A line is all that one index of the first spatial axis holds.

Images are (b, first, second, third * channels): sample, spatial axes.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.microkernel import multiply_blocks
from layerscope.compiled.products import aligned, lay_out, panel_width, repeat_last
from layerscope.compiled.registers import NARROW, ROWS, WIDE
from layerscope.compiled.team import claim, shared, whole_vectors

#: One product: its rows in the tables (`per_line` for each of `lines` lines), its runs (`n_runs`
#: of `steps` entries), where its panels lie, its `columns`, the channels it reads and writes,
#: and whether places overlap, so that blocks must be finished aside before they are written.
PRODUCT = np.dtype(
    [
        (name, np.int64)
        for name in (
            "row",
            "per_line",
            "lines",
            "run",
            "n_runs",
            "steps",
            "panel",
            "columns",
            "source",
            "target",
            "aside",
        )
    ]
)

#: Where lines lie, as the loops take it: lines of a chunk, chunks of an image, lines read for
#: each line written, lines a chunk reads, zeros before each axis, entries of a line of an image
#: with its zeros (rows times their length), whether there are no zeros at all.
Lines = tuple[int, int, int, int, int, int, int, int, int, int]

#: Entries of a panel that are worked through at a time: they are to stay in the first cache, and
#: what is added up at once short, for rounding errors not to grow.
_PANEL = 192 * WIDE

#: The same for the kernel's gradient, where there are many more sums than entries of the panel.
_GRADIENT_DEPTH = 384

#: Rows of channels that are each multiplied by themselves which are written together.
_TOGETHER = 4 * ROWS


@native(inline="never")
def _fill(
    chunk: np.ndarray,
    x: np.ndarray,
    sample: int,
    line: int,
    lines: int,
    lows: tuple[int, int, int],
    rows: int,
    length: int,
) -> None:
    """Copy `lines` lines of a sample, from `line` on, into a chunk where a line has `rows` rows."""
    whole_vectors()
    low_line, low_row, low = lows
    _, n_lines, n_rows, entries = x.shape
    if rows == n_rows and length == entries:
        # Lines without zeros of their own lie one after the other in both.
        whole = rows * length
        first = min(max(low_line - line, 0), lines)
        last = max(min(n_lines + low_line - line, lines), first)
        chunk[: first * whole] = 0
        copied = chunk[first * whole : last * whole]
        given = x[sample].reshape(-1)[(line + first - low_line) * whole :]
        for i in range(copied.size):
            copied[i] = given[i]
        chunk[last * whole : lines * whole] = 0
        return
    for a in range(lines):
        of = line + a - low_line
        for e in range(rows):
            row = e - low_row
            filled = chunk[(a * rows + e) * length : (a * rows + e + 1) * length]
            if of < 0 or of >= n_lines or row < 0 or row >= n_rows:
                filled[:] = 0
                continue
            filled[:low] = 0
            given, copied = x[sample, of, row], filled[low : low + entries]
            for i in range(given.size):
                copied[i] = given[i]
            filled[low + entries :] = 0


@native(inline="never")
def _multiply(
    source: np.ndarray,
    start: int,
    rows: np.ndarray,
    row: int,
    count: int,
    runs: np.ndarray,
    run: int,
    n_runs: int,
    steps: int,
    panels: np.ndarray,
    panel: int,
    columns: int,
    first: np.ndarray,
    column: int,
    out: np.ndarray,
    out_start: int,
    places: np.ndarray,
    last: np.ndarray,
    aside: bool,
    each: bool,
) -> None:
    """Multiply `count` rows of `source` with all panels of a product, and write the results.

    `last` is room for two tables of as many rows as a block has.
    """
    if each and columns % NARROW == 0 and not aside:
        # All panels for a few rows: what is multiplied so little is to be written in one piece.
        for m in range(row, row + count - count % ROWS, _TOGETHER):
            blocks = min(_TOGETHER, row + count - m) // ROWS
            for n in range(0, columns, WIDE):
                width = panel_width(columns - n)
                multiply_blocks(
                    source, start + n, rows, m, blocks, runs, run, n_runs, steps, 1,
                    panels, panel + n_runs * steps * n, width,
                    first, column + n, out, out_start + n, places, False, True, width, True,
                )  # fmt: skip
        row += count - count % ROWS
        count = count % ROWS
    last_rows, last_places = last
    # What overlaps is to be finished before it is written again.
    together = ROWS if aside else max(count, 1)
    for m in range(row, row + count, together):
        end = min(m + together, row + count)
        whole = end - (end - m) % ROWS
        if whole < end:
            repeat_last(rows, places, whole, end, last)
        at = panel
        for n in range(0, columns, WIDE):
            width = panel_width(columns - n)
            shown = min(width, columns - n)
            begin = start + n if each else start
            at_once = max(1, _PANEL // width // steps)
            for r in range(0, max(n_runs, 1), at_once):
                parts, right = min(at_once, n_runs - r), at + r * steps * width
                multiply_blocks(
                    source, begin, rows, m, (whole - m) // ROWS, runs, run + r, parts, steps, 1,
                    panels, right, width, first, column + n, out, out_start + n, places,
                    r > 0, each, shown, not aside,
                )  # fmt: skip
                if whole < end:
                    multiply_blocks(
                        source, begin, last_rows, 0, 1, runs, run + r, parts, steps, 1,
                        panels, right, width, first, column + n, out, out_start + n, last_places,
                        r > 0, each, shown, False,
                    )  # fmt: skip
            at += n_runs * steps * width


def _correlate_reference(
    x: np.ndarray,
    lines: Lines,
    products: np.ndarray,
    rows: np.ndarray,
    runs: np.ndarray,
    panels: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
    places: np.ndarray,
    line_out: int,
    each: bool,
) -> None:
    flat = out.reshape(len(x), -1)
    for line, chunk in _chunks(x, lines):
        for product in products:
            n = min(lines[0], product["lines"] - line) * product["per_line"]
            if n <= 0:
                continue
            at = slice(product["row"], product["row"] + n)
            span = slice(product["run"], product["run"] + product["n_runs"])
            entries = (runs[span, None] + np.arange(product["steps"])).reshape(-1)
            where = product["source"] + rows[at, None] + entries
            right = _matrix(panels[product["panel"] :], len(entries), product["columns"])
            channels = np.arange(product["columns"])
            to = line * line_out + product["target"] + places[at, None] + channels
            flat[:, to] = _products(chunk, where, right, each) + first[product["target"] + channels]


def _products(chunk: np.ndarray, at: np.ndarray, right: np.ndarray, each: bool) -> np.ndarray:
    """Multiply rows that lie at some places of every sample with a matrix."""
    if not each:
        return chunk[:, at] @ right
    out = np.zeros((len(chunk), len(at), right.shape[-1]), right.dtype)
    for k in range(at.shape[1]):
        out += chunk[:, at[:, k, None] + np.arange(right.shape[-1])] * right[..., k, None, :]
    return out


def _chunks(x: np.ndarray, lines: Lines) -> list[tuple[int, np.ndarray]]:
    """Return the chunks of all samples, flat, with the first line each is for."""
    count, chunks, step, reach, low_line, low_row, low, n_rows, length, _ = lines
    highs = (n_rows - low_row - x.shape[2], length - low - x.shape[3])
    high_line = max(0, (count * chunks - 1) * step + reach - low_line - x.shape[1])
    pads = ((low_line, high_line), (low_row, highs[0]), (low, highs[1]))
    x = np.pad(x, ((0, 0), *pads))
    found = []
    for line in range(0, count * chunks, count):
        begin = line * step
        found.append((line, x[:, begin : begin + reach].reshape(len(x), -1)))
    return found


def _matrix(panels: np.ndarray, depth: int, columns: int) -> np.ndarray:
    """Return the matrix that panels hold."""
    parts, begin = [], 0
    for n in range(0, columns, WIDE):
        width = panel_width(columns - n)
        parts.append(panels[begin : begin + depth * width].reshape(depth, width))
        begin += depth * width
    return np.concatenate(parts, axis=1)[:, :columns]


@shared(_correlate_reference)
def correlate(
    board: int,
    tasks: int,
    x: np.ndarray,
    lines: Lines,
    products: np.ndarray,
    rows: np.ndarray,
    runs: np.ndarray,
    panels: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
    places: np.ndarray,
    line_out: int,
    each: bool,
) -> None:
    """Multiply windows with matrices: what the places in `out` get begins at `first`.

    Shapes: x (b, first, second, third * channels), C-contiguous; `rows`, `runs` and `places` tables
    relative to a chunk, `products` of type `PRODUCT`, first (channels of `out` and `WIDE` more),
    out (b, ...), written; from one line to the next `places` grow by `line_out`. With `each` every
    channel is a sum of its own.
    """
    count, chunks, step, reach, low_line, low_row, low, n_rows, length, bare = lines
    pieces = len(x) * chunks
    flat, to, per_sample = x.reshape(-1), out.reshape(-1), out.size // len(x)
    source = flat if bare else aligned(reach * n_rows * length + WIDE)
    last = np.empty((2, ROWS), np.int64)
    task = claim(board, -1, tasks)
    while task >= 0:
        for piece in range(pieces * task // tasks, pieces * (task + 1) // tasks):
            sample, line = piece // chunks, piece % chunks * count
            start = 0
            if bare:
                start = (sample * x.shape[1] + line * step) * n_rows * length
            else:
                _fill(
                    source, x, sample, line * step, reach, (low_line, low_row, low), n_rows, length
                )
            for p in range(len(products)):
                product = products[p]
                n = min(count, product["lines"] - line) * product["per_line"]
                target = product["target"]
                _multiply(
                    source, start + product["source"], rows, product["row"], n,
                    runs, product["run"], product["n_runs"], product["steps"],
                    panels, product["panel"], product["columns"], first, target,
                    to, sample * per_sample + line * line_out + target, places, last,
                    product["aside"] != 0, each,
                )  # fmt: skip
        task = claim(board, task, tasks)


def _kernel_gradient_reference(
    x: np.ndarray,
    lines: Lines,
    values: np.ndarray,
    rows: np.ndarray,
    channels: int,
    runs: np.ndarray,
    steps: int,
    stride: int,
    out: np.ndarray,
    each: bool,
) -> None:
    out[...] = 0
    count, groups = lines[0], out.shape[1]
    columns = values.shape[-1] // groups
    pieces = len(x) * lines[1]
    begins = np.arange(len(out)) * pieces // len(out)
    for line, chunk in _chunks(x, lines):
        n = min(count, values.shape[1] - line)
        n_runs, n_steps = _covered(n, count, len(runs), steps)
        at = (runs[:n_runs, None] + stride * np.arange(n_steps)).reshape(-1)
        right = values[:, line : line + n].reshape(len(x), len(at), values.shape[-1])
        for group in range(groups):
            where = channels * group + rows[:, None] + at
            part = right[..., group * columns : (group + 1) * columns]
            for sample, product in enumerate(_products(chunk, where, part, each)):
                piece = sample * lines[1] + line // count
                task = np.searchsorted(begins, piece, "right") - 1
                out[task, group, :, :columns] += product


@callable_from_loops()
def _covered(lines: int, count: int, n_runs: int, steps: int) -> tuple[int, int]:
    """Return runs and steps of so many lines, of the `count` for which there are `n_runs`.

    Without steps (0) there is one run, along the lines.
    """
    return (n_runs // count * lines, steps) if steps else (1, lines)


@shared(_kernel_gradient_reference)
def correlate_kernel_gradient(
    board: int,
    tasks: int,
    x: np.ndarray,
    lines: Lines,
    values: np.ndarray,
    rows: np.ndarray,
    channels: int,
    runs: np.ndarray,
    steps: int,
    stride: int,
    out: np.ndarray,
    each: bool,
) -> None:
    """Sum over all windows the products of their entries with the window's values.

    Entry r of window q lies at ``rows[r] + runs[q // steps] + q % steps * stride`` in a chunk.
    Each task has a part of the windows and a sum of its own, for the caller to add up.

    Shapes: x (b, first, second, third * channels), values (b, lines, windows of a line, filters),
    both C-contiguous; rows (a multiple of `ROWS`), runs (those of a chunk), out (tasks, groups,
    len(rows), filters of a group, filled up to whole panels), written. A group has `channels`.
    With `each` every channel is a sum of its own.
    """
    count, chunks, step, reach, low_line, low_row, low, n_rows, length, bare = lines
    pieces = len(x) * chunks
    groups, width_out = out.shape[1], out.shape[3]
    filters = values.shape[3]
    columns = filters // groups
    per_line = values.shape[2]
    flat, upstream, sums = x.reshape(-1), values.reshape(-1), out.reshape(-1)
    source = flat if bare else aligned(reach * n_rows * length + WIDE)
    # As many filters as a panel has columns are one already.
    laid_out = columns == filters == panel_width(filters)
    packed = upstream if laid_out else aligned(count * per_line * width_out)
    places = width_out * np.arange(len(rows))
    task = claim(board, -1, tasks)
    while task >= 0:
        out[task] = 0
        for piece in range(pieces * task // tasks, pieces * (task + 1) // tasks):
            sample, line = piece // chunks, piece % chunks * count
            n = min(count, values.shape[1] - line)
            n_runs, n_steps = _covered(n, count, len(runs), steps)
            start = 0
            if bare:
                start = (sample * x.shape[1] + line * step) * n_rows * length
            else:
                _fill(
                    source, x, sample, line * step, reach, (low_line, low_row, low), n_rows, length
                )
            for group in range(groups):
                begin = (sample * values.shape[1] + line) * per_line * filters + group * columns
                if not laid_out:
                    lay_out(packed, upstream, begin, n * per_line, filters, columns)
                    begin = 0
                to = (task * groups + group) * len(rows) * width_out
                _add_products(
                    source, start + group * channels, rows, runs, n_runs, n_steps, stride,
                    packed, begin, columns, sums, to, places, each,
                )  # fmt: skip
        task = claim(board, task, tasks)


@native(inline="never")
def _add_products(
    source: np.ndarray,
    start: int,
    rows: np.ndarray,
    runs: np.ndarray,
    n_runs: int,
    steps: int,
    stride: int,
    packed: np.ndarray,
    panel: int,
    columns: int,
    out: np.ndarray,
    out_start: int,
    places: np.ndarray,
    each: bool,
) -> None:
    """Add the products of whole blocks of rows with all panels from `panel` on."""
    at_once = max(1, _GRADIENT_DEPTH // steps)
    for n in range(0, columns, WIDE):
        width = panel_width(columns - n)
        for r in range(0, n_runs, at_once):
            multiply_blocks(
                source, start + n if each else start, rows, 0, len(rows) // ROWS,
                runs, r, min(at_once, n_runs - r), steps, stride,
                packed, panel + r * steps * width, width, out, 0,
                out, out_start + n, places, True, each, width, True,
            )  # fmt: skip
        panel += n_runs * steps * width
