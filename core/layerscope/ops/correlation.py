"""Where the blocks of a convolution's matrix products lie, and the products themselves.

A convolution, its transpose and the gradient of its kernel are one kind of product: rows found in
an image with zeros around it, times a matrix. What differs are the tables made here. With strides
the transpose is one product for each place an entry can have between two windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from layerscope.compiled import correlation as loops
from layerscope.compiled import jit, reductions, registers, room
from layerscope.compiled import products as compiled_products
from layerscope.compiled.tasks import evenly, tasks_of, tiled
from layerscope.ops import sliding, winograd
from layerscope.ops.windows import Windows

Array = Any

#: A chunk of an image is to stay in a core's second cache.
_CHUNK_BYTES = 192 * 2**10
#: Multiplications for which a team is worth calling, and that a sum of its own is worth.
_SHARED, _PART = 2**19, 2**20
#: Panels of fewer entries may begin anywhere, and are looked up.
_FEW, _NOTHING = 2**12, np.zeros(1, np.float32)
_SINGLE = np.dtype(np.float32)
#: A run longer than this needs no joining with the next.
_LONG = 256
#: Entries that are looked at together.
_TOGETHER = 128
#: Time that a block of `NARROW` columns takes, of that of `WIDE` ones.
_NARROW_COST = 0.7


@dataclass(frozen=True)
class _Phase:
    """Part of an axis whose places all read entries at the same distances.

    Attributes
    ----------
    places : where the results are written, the first of `slots` adjacent ones.
    reads : from where on entries are read for each.
    taps : distances of the entries read, each with the kernel's entry that every slot meets
        there, -1 for none.
    """

    places: tuple[int, ...]
    reads: tuple[int, ...]
    taps: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def slots(self) -> int:
        """How many adjacent places are written at a time."""
        return len(self.taps[0][1]) if self.taps else 1


@dataclass(frozen=True)
class _Axis:
    """How what is written along an axis depends on what is read.

    Attributes
    ----------
    read, written : lengths.
    step, spread : from one place of a phase to the next, entries read and places written.
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

    @classmethod
    def of(cls, windows: Windows, axis: int, transposed: bool, slots: int = 1) -> _Axis:
        """Return an axis of a convolution, or of its transpose, which spreads what it reads."""
        size, stride, dilation = (
            values[axis] for values in (windows.size, windows.strides, windows.dilation)
        )
        before = windows.pads[axis][0]
        read, written = windows.spatial[axis], windows.out[axis]
        step, spread = stride, 1
        if transposed:
            read, written, step, spread = written, read, 1, stride

        def met(place: int) -> list[tuple[int, int]]:
            if not transposed:
                return [(place * stride + t * dilation - before, t) for t in range(size)]
            found = [(place + before - t * dilation, t) for t in range(size)]
            return [(at // stride, t) for at, t in found if at % stride == 0]

        phases = []
        for first in range(min(spread, written) if slots == 1 else 1):
            starts = range(first, written, spread)
            if slots > 1:
                starts = (*range(0, written - slots, slots), written - slots)
            taps: dict[int, list[int]] = {}
            for slot in range(slots):
                for at, t in met(first + slot):
                    taps.setdefault(at, [-1] * slots)[slot] = t
            reads = tuple(start // spread * step for start in starts)
            ordered = tuple((at, tuple(taps[at])) for at in sorted(taps))
            phases.append(_Phase(tuple(starts), reads, ordered))
        return cls._padded(read, written, step, spread, phases)

    @classmethod
    def _padded(
        cls, read: int, written: int, step: int, spread: int, phases: list[_Phase]
    ) -> _Axis:
        """Add as many zeros as the phases reach beyond the entries."""
        reached = [at for phase in phases for at, _ in phase.taps]
        low = max(0, -min(reached, default=0))
        needed = [phase.reads[-1] + phase.taps[-1][0] + 1 for phase in phases if phase.taps]
        phases = [
            _Phase(phase.places, phase.reads, tuple((at + low, t) for at, t in phase.taps))
            for phase in phases
        ]
        length = low + max(read, 1, *needed)
        return cls(read, written, step, spread, low, length, tuple(phases))

    @property
    def overlapping(self) -> bool:
        """Whether some places are written twice, by slots of two."""
        return sum(len(phase.places) * phase.slots for phase in self.phases) > self.written

    @property
    def reach(self) -> int:
        """Entries read for one place written."""
        return 1 + max((at for phase in self.phases for at, _ in phase.taps), default=0)

    def cost(self, columns: int) -> float:
        """Return a measure of the time that products along this axis take."""
        slots = max(phase.slots for phase in self.phases)
        wide, rest = divmod(columns * slots, registers.WIDE)
        vectors = wide + (_NARROW_COST if 0 < rest <= registers.NARROW else rest > 0)
        return vectors * sum(len(phase.places) * len(phase.taps) for phase in self.phases)


def _last_axis(windows: Windows, axis: int, transposed: bool, columns: int, fill: bool) -> _Axis:
    """Return the last axis; few columns are filled up with those of adjacent places."""
    found = _Axis.of(windows, axis, transposed)
    if not fill or columns > registers.NARROW // 2:
        return found
    for slots in range(found.spread, registers.WIDE // columns + 1, found.spread):
        if 1 < slots <= found.written and (found.written - slots) % found.spread == 0:
            other = _Axis.of(windows, axis, transposed, slots)
            found = min(found, other, key=lambda axis: axis.cost(columns))
    return found


@lru_cache(maxsize=256)
def _axes(
    windows: Windows, transposed: bool, columns: int = 1, fill: bool = False
) -> tuple[list[int], list[_Axis]]:
    """Return the axes, the first of which is cut into chunks, and their places in the windows."""
    missing = 0
    for lengths in zip(windows.spatial, windows.out, windows.size, strict=True):
        if lengths != (1, 1, 1) or missing == 2:
            break
        missing += 1
    # An image's rows are lines and its columns stay last; a sequence's entries are lines.
    order = ([0, 1, 2], [1, 0, 2], [2, 0, 1])[missing]
    axes = [_Axis.of(windows, axis, transposed) for axis in order[:2]]
    return order, [*axes, _last_axis(windows, order[2], transposed, columns, fill)]


# Told apart by identity, as the windows they are for.
@dataclass(frozen=True, eq=False)
class Plan:
    """Tables of a product, for a batch of images with so many channels read and written.

    Attributes
    ----------
    image : shape of a sample, as the loops take it.
    lines : where its lines lie.
    products, rows, runs, places, line_out : as `correlate` takes them.
    orders : for each phase, the entries of the kernel its products take, in order.
    in_order : whether it is a single phase that takes them as they come.
    panels : entries of all panels.
    multiplications : in a sample.
    """

    image: tuple[int, int, int]
    lines: loops.Lines
    products: Array
    rows: Array
    runs: Array
    places: Array
    line_out: int
    orders: tuple[Array, ...]
    in_order: bool
    panels: int
    multiplications: int


@lru_cache(maxsize=256)
def plan(
    windows: Windows,
    batch: int,
    channels: int,
    written: int,
    groups: int,
    transposed: bool,
    fill: bool = False,
    each: bool = False,
) -> Plan:
    """Return the tables of `correlate`, or of its transpose.

    With `fill`, few channels are written for several adjacent places at a time, which reads
    entries that some of them do not meet: as nothing (0), unless they are infinite or NaN.
    With `each` every channel is correlated by itself.
    """
    order, axes = _axes(windows, transposed, written, fill and groups == 1)
    lines = _lines(axes, batch, channels, each and channels % registers.NARROW > 0)
    first, second, third = axes
    units = second.length * third.length * channels, third.length * channels, channels
    units_out = second.written * third.written * written, third.written * written, written
    products, rows, places, runs, orders = [], [], [], [], []
    row = run = panel = multiplications = 0
    inputs, outputs = 1 if each else channels // groups, written // groups
    for phases in product(*(axis.phases for axis in axes)):
        reads = [phases[0].reads[: lines[0]], phases[1].reads, phases[2].reads]
        rows.append(_offsets(reads, units))
        written_at = [phases[0].places[: lines[0]], phases[1].places, phases[2].places]
        places.append(_offsets(written_at, units_out))
        met = _offsets([[at for at, _ in phase.taps] for phase in phases], units)
        found, steps = (met, 1) if each else _joined(met, inputs)
        runs.append(found)
        chosen = _order(order, phases, windows.size)
        orders.append(chosen)
        columns, per_line = outputs * chosen.shape[1], len(reads[1]) * len(reads[2])
        for group in range(groups):
            products.append(
                (
                    *(row, per_line, len(phases[0].places), run, len(found), steps),
                    *(panel, columns, group * inputs, group * outputs, third.overlapping),
                )
            )
            panel += len(met) * inputs * compiled_products.panel_columns(columns)
            multiplications += len(phases[0].places) * per_line * len(met) * inputs * columns
        row, run = row + len(rows[-1]), run + len(found)
    return Plan(
        (first.read, second.read, third.read * channels),
        lines,
        np.array(products, loops.PRODUCT),
        np.concatenate(rows),
        np.concatenate(runs),
        np.concatenate(places),
        units_out[0] * first.spread,
        tuple(orders),
        len(orders) == 1 and np.array_equal(orders[0][:, 0], range(math.prod(windows.size))),
        panel,
        multiplications,
    )


def _lines(axes: list[_Axis], batch: int, channels: int, beyond: bool) -> loops.Lines:
    """Cut the first axis into chunks, for their zeros to fit in and everybody to get some.

    An image is copied even if it needs no zeros where what lies beyond its end will be read.
    """
    first, second, third = axes
    total = max(len(phase.places) for phase in first.phases)
    per_line = len(second.phases[0].places) * len(third.phases[0].places)
    line = second.length * third.length * channels
    fitting = max(1, _CHUNK_BYTES // (4 * line * first.step))
    # A chunk has some rows, for few blocks to lack some.
    few = -(-8 * registers.ROWS // per_line)
    count = min(max(min(fitting, -(-total * batch // 8)), few), total)
    chunks = -(-total // count)
    count = -(-total // chunks)
    bare = not beyond and all((axis.low, axis.length) == (0, axis.read) for axis in axes)
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


def _offsets(axes: Sequence[Sequence[int]], units: Sequence[int]) -> Array:
    """Return the offsets of all places of a grid, in order."""
    first, second, third = (
        np.array(axis, np.int64) * unit for axis, unit in zip(axes, units, strict=True)
    )
    return (first[:, None, None] + second[:, None] + third).reshape(-1)


def _joined(runs: Array, steps: int) -> tuple[Array, int]:
    """Join runs that lie one after the other, as long as they are short."""
    n = len(runs)
    for factor in (f for f in range(n, 1, -1) if n % f == 0 and f * steps <= _LONG):
        parts = runs.reshape(-1, factor)
        if (np.diff(parts, axis=1) == steps).all():
            return np.ascontiguousarray(parts[:, 0]), steps * factor
    return runs, steps


def _order(order: list[int], phases: Sequence[_Phase], size: Sequence[int]) -> Array:
    """Return which entries of a kernel are met, as (taps, slots), -1 for none."""
    found = []
    for taps in product(*(phase.taps for phase in phases)):
        (first,), (second,), last = (met for _, met in taps)
        for slot in last:
            at = dict(zip(order, (first, second, slot), strict=True))
            found.append(-1 if slot < 0 else (at[0] * size[1] + at[1]) * size[2] + at[2])
    return np.array(found, np.int64).reshape(-1, phases[2].slots)


def _panels(matrices: Iterator[Array], entries: int) -> Array:
    """Lay matrices (taps, entries read, columns) out as panels, one after the other."""
    panels, begin = room.zeros((entries,)), 0
    for matrix in matrices:
        *depth, columns = matrix.shape
        for n in range(0, columns, registers.WIDE):
            width = compiled_products.panel_width(columns - n)
            end = begin + math.prod(depth) * width
            shown = matrix[..., n : n + width]
            panels[begin:end].reshape(*depth, width)[..., : shown.shape[-1]] = shown
            begin = end
    return panels


def direct(windows: Windows, a: Array, b: Array) -> bool:
    """Return whether the blocks here are for two arrays: float32, and enough windows a sample."""
    return (
        jit.ENABLED
        and windows.count >= registers.ROWS
        and a.dtype == b.dtype == _SINGLE
        and a.size > 0 < b.size
    )


def correlated(image: Array, kernel: Array, windows: Windows, bias: Array | None = None) -> Array:
    """Product of every window with the kernel, as (batch, *windows, filters)."""
    groups = image.shape[-1] // kernel.shape[3]
    found = winograd.correlated(image, kernel, windows, bias)
    if found is not None:
        return found
    out = room.empty((len(image), *windows.out, kernel.shape[-1]))
    return _Product(windows, groups, False).of(image, kernel, out, bias)


def spread(
    values: Array, kernel: Array, windows: Windows, channels: int, bias: Array | None = None
) -> Array:
    """Sum of multiples of the kernel, one for every window: the transpose of `correlated`."""
    groups = channels // kernel.shape[3]
    found = winograd.spread(values, kernel, windows, channels, bias)
    if found is not None:
        return found
    out = room.empty((len(values), *windows.spatial, channels))
    return _Product(windows, groups, True).of(values, kernel, out, bias)


def kernel_gradient(image: Array, values: Array, kernel: Array, windows: Windows) -> Array:
    """Sum over all windows of the window times its value, in the kernel's shape."""
    groups = image.shape[-1] // kernel.shape[3]
    found = winograd.kernel_gradient(image, values, kernel, windows)
    if found is not None:
        return found
    return _kernel_gradient(image, values, kernel, windows, groups, False)


def correlated_each(
    image: Array, kernel: Array, windows: Windows, bias: Array | None = None
) -> Array:
    """Correlate every channel with its own kernel, of (depth, height, width, channels)."""
    found = sliding.correlated(image, kernel, windows, bias)
    if found is not None:
        return found
    out = room.empty((len(image), *windows.out, kernel.shape[-1]))
    return _Product(windows, 1, False, True).of(image, kernel, out, bias)


def spread_each(values: Array, kernel: Array, windows: Windows) -> Array:
    """Return the transpose of `correlated_each`."""
    found = sliding.spread(values, kernel, windows)
    if found is not None:
        return found
    out = room.empty((len(values), *windows.spatial, values.shape[-1]))
    return _Product(windows, 1, True, True).of(values, kernel, out)


def kernel_gradient_each(image: Array, values: Array, kernel: Array, windows: Windows) -> Array:
    """Sum over all windows of every channel's window times its value."""
    found = sliding.kernel_gradient(image, values, windows)
    if found is not None:
        return found
    return _kernel_gradient(image, values, kernel, windows, 1, True)


def _holds_nan(x: Array) -> bool:
    """Tell whether an entry is no number: then the largest of some is none."""
    per_sample = x.size // len(x)
    columns = _TOGETHER if per_sample % _TOGETHER == 0 else x.shape[-1]
    largest = np.empty((len(x), columns), x.dtype)
    reductions.max_middle(tasks_of(x.size), x.reshape(len(x), -1, columns), largest)
    return bool(np.isnan(largest).any())


class _Product(NamedTuple):
    """A convolution of `groups` of channels or its transpose, or of `each` channel by itself."""

    windows: Windows
    groups: int
    transposed: bool
    each: bool = False

    def of(self, x: Array, kernel: Array, out: Array, bias: Array | None = None) -> Array:
        """Write the product of `x` and a kernel, and a bias, to `out`; return it."""
        found = self._plan(x, out, fill=not self.each)
        self._run(found, x, kernel, out, bias)
        if found.orders[0].shape[1] > 1 and _holds_nan(out):
            # Perhaps what should have been nothing times an infinity.
            self._run(self._plan(x, out, fill=False), x, kernel, out, bias)
        return out

    def _plan(self, x: Array, out: Array, fill: bool) -> Plan:
        channels = x.shape[-1], out.shape[-1]
        return plan(self.windows, len(x), *channels, self.groups, self.transposed, fill, self.each)

    def _run(self, found: Plan, x: Array, kernel: Array, out: Array, bias: Array | None) -> None:
        shared = len(x) * found.multiplications >= _SHARED
        tasks = len(x) * found.lines[1] if shared else 1
        loops.correlate(tasks, *self.arguments(found, x, kernel, out, bias))

    def arguments(
        self, found: Plan, x: Array, kernel: Array, out: Array, bias: Array | None
    ) -> tuple[Any, ...]:
        """Return what `correlate` takes."""
        slots = found.orders[0].shape[1]
        bias = tiled(bias, slots) if bias is not None and slots > 1 else bias
        first = compiled_products.beginning(out.shape[-1] * slots, bias)
        return (
            np.ascontiguousarray(x).reshape(len(x), *found.image),
            found.lines,
            found.products,
            found.rows,
            found.runs,
            self._panels(found, kernel),
            first,
            out,
            found.places,
            found.line_out,
            self.each,
        )

    def _panels(self, found: Plan, kernel: Array) -> Array:
        """Return the panels of the kernel; a small one may be a single panel as it is."""
        columns = kernel.shape[-1]
        if (
            kernel.size == found.panels < _FEW
            and columns in (registers.NARROW, registers.WIDE)
            and found.in_order
            and self.groups == 1
            and not (self.transposed or self.each)
        ):
            return np.ascontiguousarray(kernel).reshape(-1)
        if found.panels < _FEW:
            return np.concatenate([_NOTHING, kernel.reshape(-1)]).take(
                _places(self, found, kernel.shape)
            )
        return _panels(self._matrices(found, kernel), found.panels)

    def _matrices(self, found: Plan, kernel: Array) -> Iterator[Array]:
        """Yield the matrix of each product, as (taps, entries read, columns)."""
        taps = kernel.reshape(-1, *kernel.shape[3:])
        if self.each:
            yield from (taps[order] for order in found.orders)
            return
        slots = found.orders[0].shape[1]
        if slots > 1:
            taps = np.concatenate([taps, np.zeros_like(taps[:1])])
        filters = taps.shape[2] // self.groups
        for order in found.orders:
            for group in range(self.groups):
                part = taps[:, :, group * filters : (group + 1) * filters]
                if self.transposed:
                    part = part.swapaxes(1, 2)
                if slots == 1:
                    yield part if found.in_order else part[order[:, 0]]
                else:
                    # (taps, slots, entries read, columns of a slot)
                    part = part[order].swapaxes(1, 2)
                    yield part.reshape(*part.shape[:2], slots * part.shape[3])


@lru_cache(maxsize=256)
def _places(product: _Product, found: Plan, shape: tuple[int, ...]) -> Array:
    """Return for each entry of the panels which one of a kernel it is, from 1 on; 0 for none."""
    numbers = np.arange(1, math.prod(shape) + 1, dtype=np.float32).reshape(shape)
    return _panels(product._matrices(found, numbers), found.panels).astype(np.int64)


def _kernel_gradient(
    image: Array, values: Array, kernel: Array, windows: Windows, groups: int, each: bool
) -> Array:
    batch, channels, filters = len(image), image.shape[-1], kernel.shape[-1]
    found = plan(windows, batch, channels, filters, groups, False, each=each)
    lines, rows, runs, steps, stride = _gradient_tables(windows, batch, channels, groups, each)
    columns, inputs = filters // groups, 1 if each else channels // groups
    parts = evenly(min(batch * found.multiplications // _PART, batch * found.lines[1], 16))
    sums = np.empty(
        (parts, groups, len(rows), compiled_products.panel_columns(columns)), np.float32
    )
    loops.correlate_kernel_gradient(
        parts,
        np.ascontiguousarray(image).reshape(batch, *found.image),
        found.lines,
        np.ascontiguousarray(values).reshape(batch, lines, -1, filters),
        rows,
        inputs,
        runs,
        steps,
        stride,
        sums,
        each,
    )
    order = found.orders[0][:, 0]
    total = sums[0] if parts == 1 else np.add.reduce(sums, 0)
    grad = total[:, : len(order) * inputs, :columns]
    if groups == 1 and found.in_order:
        return np.ascontiguousarray(grad).reshape(kernel.shape)
    result = np.empty((len(order), inputs, groups, columns), np.float32)
    result[order] = grad.reshape(groups, len(order), inputs, columns).transpose(1, 2, 0, 3)
    return result.reshape(kernel.shape)


@lru_cache(maxsize=256)
def _gradient_tables(
    windows: Windows, batch: int, channels: int, groups: int, each: bool
) -> tuple[int, Array, Array, int, int]:
    """Return lines, rows, runs, steps and stride of the kernel's gradient."""
    # Neither depends on how many filters a group has.
    found = plan(windows, batch, channels, channels if each else groups, groups, False, each=each)
    _, (first, second, third) = _axes(windows, False)
    line = third.length * channels
    entries = (found.runs[:, None] + np.arange(found.products[0]["steps"])).reshape(-1)
    rows = np.concatenate([entries, np.full(-len(entries) % registers.ROWS, entries[-1])])
    if third.written == 1 and second.written == 1:
        return first.written, rows, np.zeros(1, np.int64), 0, first.step * second.length * line
    reads = [first.phases[0].reads[: found.lines[0]], second.phases[0].reads, [0]]
    runs = _offsets(reads, [second.length * line, line, 0])
    return first.written, rows, runs, third.written, third.step * channels
