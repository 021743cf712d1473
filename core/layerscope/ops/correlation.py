"""Where the blocks of a convolution's matrix products lie, and the products themselves.

A convolution, its transpose and the gradient of its kernel are one kind of product: rows found in
an image with zeros around it, times a matrix. What differs are the tables made here. With strides
the transpose is one product for each place an entry can have between two windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from layerscope.compiled.correlation import (
    PRODUCT,
    Lines,
    correlate,
    correlate_kernel_gradient,
    panel_width,
)
from layerscope.compiled.jit import ENABLED
from layerscope.compiled.microkernel import ROWS, WIDE
from layerscope.ops.windows import Windows

Array = Any

#: A chunk of an image is to stay in a core's second cache.
_CHUNK_BYTES = 192 * 2**10
#: Multiplications for which a team is worth calling, and that a sum of its own is worth.
_SHARED, _PART = 2**19, 2**22
#: A run longer than this needs no joining with the next.
_LONG = 256


@dataclass(frozen=True)
class _Phase:
    """Part of an axis whose places all read entries at the same distances.

    Attributes
    ----------
    start : first place written.
    count : how many are written.
    taps : entries of the kernel, each with the distance of what it meets.
    """

    start: int
    count: int
    taps: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Axis:
    """How what is written along an axis depends on what is read.

    Attributes
    ----------
    read, written : lengths.
    step, spread : distance between the entries read, and between the places written, of a phase.
    low, length : zeros before the entries, and their number with all zeros.
    phases : in which the places written fall.
    """

    read: int
    written: int
    step: int
    spread: int
    low: int
    length: int
    phases: tuple[_Phase, ...]

    @property
    def reach(self) -> int:
        """Entries read for one place written."""
        return 1 + max((at for phase in self.phases for _, at in phase.taps), default=0)


def _forward_axis(windows: Windows, axis: int) -> _Axis:
    size, step, dilation = (
        values[axis] for values in (windows.size, windows.strides, windows.dilation)
    )
    taps = tuple((t, t * dilation) for t in range(size))
    phase = _Phase(0, windows.out[axis], taps)
    return _axis(windows.spatial[axis], windows.out[axis], step, 1, windows.pads[axis][0], (phase,))


def _spread_axis(windows: Windows, axis: int) -> _Axis:
    """Return the transpose of `_forward_axis`: a window is read where it spread something."""
    step, dilation = windows.strides[axis], windows.dilation[axis]
    written, before = windows.spatial[axis], windows.pads[axis][0]
    phases = []
    for start in range(min(step, written)):
        places = [(t, start + before - t * dilation) for t in range(windows.size[axis])]
        met = sorted((at // step, t) for t, at in places if at % step == 0)
        count = -(-(written - start) // step)
        phases.append(_Phase(start, count, tuple((t, at) for at, t in met)))
    low = max(0, -min((at for phase in phases for _, at in phase.taps), default=0))
    phases = [
        _Phase(phase.start, phase.count, tuple((t, at + low) for t, at in phase.taps))
        for phase in phases
    ]
    return _axis(windows.out[axis], written, 1, step, low, tuple(phases))


def _axis(
    read: int, written: int, step: int, spread: int, low: int, phases: tuple[_Phase, ...]
) -> _Axis:
    needed = [
        (phase.count - 1) * step + at + 1 for phase in phases for _, at in phase.taps[-1:]
    ]
    return _Axis(read, written, step, spread, low, max(low + read, *needed, 1), phases)


def _axes(windows: Windows, transposed: bool) -> tuple[list[int], list[_Axis]]:
    """Return the axes with those of length 1 last, for the first to be cut into chunks."""
    trivial = zip(windows.spatial, windows.out, windows.size, strict=True)
    missing = 0
    for lengths in trivial:
        if lengths != (1, 1, 1) or missing == 2:
            break
        missing += 1
    # An image's rows are lines, its columns stay last.
    order = {0: [0, 1, 2], 1: [1, 0, 2], 2: [2, 0, 1]}[missing]
    make = _spread_axis if transposed else _forward_axis
    return order, [make(windows, axis) for axis in order]


@dataclass(frozen=True)
class Plan:
    """Tables of a product, for a batch of images with so many channels read and written.

    Attributes
    ----------
    image : shape of a sample, as the loops take it.
    lines : where its lines lie.
    products, rows, runs, places, line_out : as `correlate` takes them.
    orders : for each phase, the entries of the kernel its products take, in order.
    panels : entries of all panels.
    multiplications : in a sample.
    """

    image: tuple[int, int, int]
    lines: Lines
    products: Array
    rows: Array
    runs: Array
    places: Array
    line_out: int
    orders: tuple[Array, ...]
    panels: int
    multiplications: int


@lru_cache(maxsize=256)
def plan(
    windows: Windows, batch: int, channels: int, written: int, groups: int, transposed: bool
) -> Plan:
    """Return the tables of `correlate`, or of its transpose."""
    order, axes = _axes(windows, transposed)
    first, second, third = axes
    lines = _lines(axes, batch, channels, max(phase.count for phase in first.phases))
    units = second.length * third.length * channels, third.length * channels, channels
    units_out = second.written * third.written * written, third.written * written, written
    sizes = [windows.size[axis] for axis in range(3)]
    products, rows, places, runs, orders = [], [], [], [], []
    row = run = panel = multiplications = 0
    inputs, outputs = channels // groups, written // groups
    for phases in product(*(axis.phases for axis in axes)):
        counts = (lines[0], phases[1].count, phases[2].count)
        rows.append(_grid(counts, [axis.step * unit for axis, unit in zip(axes, units, strict=True)]))
        spread = [axis.spread * unit for axis, unit in zip(axes, units_out, strict=True)]
        start = sum(phase.start * unit for phase, unit in zip(phases, units_out, strict=True))
        places.append(start + _grid(counts, spread))
        taps = [
            (sum(at * unit for (_, at), unit in zip(met, units, strict=True)), met)
            for met in product(*(phase.taps for phase in phases))
        ]
        found, steps = _joined(np.array([at for at, _ in taps], np.int64), inputs)
        runs.append(found)
        orders.append(_order(order, [met for _, met in taps], sizes))
        per_line = counts[1] * counts[2]
        for group in range(groups):
            products.append(
                (
                    row,
                    per_line,
                    phases[0].count,
                    run,
                    len(found),
                    steps,
                    panel,
                    outputs,
                    group * inputs,
                    group * outputs,
                )
            )
            panel += len(taps) * inputs * panel_columns(outputs)
            multiplications += phases[0].count * per_line * len(taps) * inputs * outputs
        row, run = row + len(rows[-1]), run + len(found)
    return Plan(
        (first.read, second.read, third.read * channels),
        lines,
        np.array(products, PRODUCT),
        np.concatenate(rows),
        np.concatenate(runs),
        np.concatenate(places),
        units_out[0] * first.spread,
        tuple(orders),
        panel,
        multiplications,
    )


def _lines(axes: list[_Axis], batch: int, channels: int, total: int) -> Lines:
    """Cut the first axis into chunks, for their zeros to fit in and everybody to get some."""
    first, second, third = axes
    line = second.length * third.length * channels
    fitting = max(1, _CHUNK_BYTES // (4 * line * first.step))
    # Blocks are to be full: a chunk has some rows.
    few = -(-8 * ROWS // max(1, math.prod(a.phases[0].count for a in axes[1:])))
    count = min(max(min(fitting, -(-total * batch // 8)), few), total)
    count = -(-total // -(-total // count))
    bare = all((axis.low, axis.length) == (0, axis.read) for axis in axes)
    return (
        count,
        -(-total // count),
        first.step,
        (count - 1) * first.step + first.reach,
        first.low,
        second.low,
        third.low * channels,
        second.length,
        third.length * channels,
        int(bare),
    )


def _grid(counts: tuple[int, ...], steps: list[int]) -> Array:
    """Return the offsets of all places of a grid, in order."""
    axes = [step * np.arange(count) for count, step in zip(counts, steps, strict=True)]
    return (axes[0][:, None, None] + axes[1][:, None] + axes[2]).reshape(-1)


def _joined(runs: Array, steps: int) -> tuple[Array, int]:
    """Join runs that lie one after the other, as long as they are short."""
    n = len(runs)
    for factor in (f for f in range(n, 1, -1) if n % f == 0 and f * steps <= _LONG):
        parts = runs.reshape(-1, factor)
        if (np.diff(parts, axis=1) == steps).all():
            return np.ascontiguousarray(parts[:, 0]), steps * factor
    return runs, steps


def _order(order: list[int], taps: list[Any], sizes: list[int]) -> Array:
    """Return which entries of a kernel the taps are."""
    found = []
    for met in taps:
        at = dict(zip(order, (t for t, _ in met), strict=True))
        found.append((at[0] * sizes[1] + at[1]) * sizes[2] + at[2])
    return np.array(found, np.int64)


def panel_columns(columns: int) -> int:
    """Return how many columns whole panels have that hold so many."""
    rest = columns % WIDE
    return columns - rest + (panel_width(rest) if rest else 0)


def _panels(matrices: Iterator[Array], entries: int) -> Array:
    """Lay matrices out as panels, one after the other."""
    panels, begin = np.zeros(entries, np.float32), 0
    for matrix in matrices:
        depth, columns = matrix.shape
        for n in range(0, columns, WIDE):
            width = panel_width(columns - n)
            end = begin + depth * width
            shown = matrix[:, n : n + width]
            panels[begin:end].reshape(depth, width)[:, : shown.shape[1]] = shown
            begin = end
    return panels


def direct(x: Array, kernel: Array, windows: Windows) -> bool:
    """Return whether the blocks here are for such arrays: float32, and enough windows a sample."""
    return (
        ENABLED
        and x.dtype == kernel.dtype == np.float32
        and x.size > 0
        and kernel.size > 0
        and math.prod(windows.out) >= ROWS
    )


def correlated(image: Array, kernel: Array, windows: Windows, bias: Array | None = None) -> Array:
    """Product of every window with the kernel, as (batch, *windows, filters)."""
    filters, groups = kernel.shape[-1], image.shape[-1] // kernel.shape[3]
    found = plan(windows, len(image), image.shape[-1], filters, groups, False)
    taps = kernel.reshape(-1, *kernel.shape[3:])
    out = np.empty((len(image), *windows.out, filters), np.float32)
    return _run(found, image, _grouped(taps, found, groups, False), out, bias)


def spread(
    values: Array, kernel: Array, windows: Windows, channels: int, bias: Array | None = None
) -> Array:
    """Sum of multiples of the kernel, one for every window: the transpose of `correlated`."""
    groups = channels // kernel.shape[3]
    found = plan(windows, len(values), values.shape[-1], channels, groups, True)
    taps = kernel.reshape(-1, *kernel.shape[3:])
    out = np.empty((len(values), *windows.spatial, channels), np.float32)
    return _run(found, values, _grouped(taps, found, groups, True), out, bias)


def _grouped(taps: Array, found: Plan, groups: int, transposed: bool) -> Iterator[Array]:
    """Yield the matrix of each product, from a kernel (entries, channels, filters)."""
    filters = taps.shape[2] // groups
    for order in found.orders:
        chosen = taps[order]
        for group in range(groups):
            part = chosen[:, :, group * filters : (group + 1) * filters]
            part = part.swapaxes(1, 2) if transposed else part
            yield part.reshape(part.shape[0] * part.shape[1], part.shape[2])


def _run(
    found: Plan, x: Array, matrices: Iterator[Array], out: Array, bias: Array | None
) -> Array:
    first = np.zeros(out.shape[-1] + WIDE, np.float32)
    if bias is not None:
        first[: len(bias)] = bias
    batch = len(x)
    shared = batch * found.multiplications >= _SHARED
    correlate(
        batch * found.lines[1] if shared else 1,
        np.ascontiguousarray(x).reshape(batch, *found.image),
        found.lines,
        found.products,
        found.rows,
        found.runs,
        _panels(matrices, found.panels),
        first,
        out,
        found.places,
        found.line_out,
    )
    return out


def kernel_gradient(image: Array, values: Array, kernel: Array, windows: Windows) -> Array:
    """Sum over all windows of the window times its value, in the kernel's shape."""
    batch, channels, filters = len(image), image.shape[-1], kernel.shape[-1]
    inputs = kernel.shape[3]
    groups = channels // inputs
    found = plan(windows, batch, channels, filters, groups, False)
    order, axes = _axes(windows, False)
    rows, runs, steps, stride = _gradient_tables(windows, batch, channels, groups)
    parts = int(np.clip(batch * found.multiplications // _PART, 1, min(batch * found.lines[1], 16)))
    sums = np.empty((parts, groups, len(rows), panel_columns(filters // groups)), np.float32)
    correlate_kernel_gradient(
        parts,
        np.ascontiguousarray(image).reshape(batch, *found.image),
        found.lines,
        np.ascontiguousarray(values).reshape(batch, axes[0].written, -1, filters),
        rows,
        inputs,
        runs,
        steps,
        stride,
        sums,
    )
    taps = math.prod(windows.size)
    grad = np.add.reduce(sums, 0)[:, : taps * inputs, : filters // groups]
    grad = grad.reshape(groups, taps, inputs, filters // groups)
    result = np.empty((taps, inputs, groups, filters // groups), np.float32)
    result[found.orders[0]] = grad.transpose(1, 2, 0, 3)
    return result.reshape(kernel.shape)


@lru_cache(maxsize=256)
def _gradient_tables(
    windows: Windows, batch: int, channels: int, groups: int
) -> tuple[Array, Array, int, int]:
    """Return rows, runs, steps and stride of the kernel's gradient."""
    found = plan(windows, batch, channels, groups, groups, False)
    _, (first, second, third) = _axes(windows, False)
    inputs, line = channels // groups, third.length * channels
    # The plan of one filter a group, for its runs not to depend on the filters.
    entries = (found.runs[:, None] + np.arange(found.products[0]["steps"])).reshape(-1)
    padding = np.full(-len(entries) % ROWS, entries[-1])
    del inputs
    rows = np.concatenate([entries, padding])
    if third.written == 1 and second.written == 1:
        return rows, np.zeros(1, np.int64), 0, first.step * second.length * line
    counts = (found.lines[0], second.written, 1)
    steps = [first.step * second.length * line, second.step * line, 0]
    return rows, _grid(counts, steps), third.written, third.step * channels
