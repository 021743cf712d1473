"""The vector instructions of a block of a matrix product, for compiled loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from layerscope.compiled.jit import native
from layerscope.compiled.registers import NARROW, ROWS, VECTORS, WIDE
from layerscope.compiled.vectors import (
    FLOAT,
    INT,
    SIZE,
    VECTOR,
    Loop,
    everywhere,
    first_lanes,
    in_row,
    load,
    multiply_add,
    of_either_width,
    pointer,
    prefetch,
    store,
    transposed,
)


def _entry(builder: Any, table: Any, index: Any) -> Any:
    return builder.load(builder.gep(table, [index]))


def _multiply(
    builder: Any, arguments: Any, vectors: int, each: bool, several: bool, part: bool
) -> None:
    x, rows, runs, n_runs, steps, stride, panel, first, out, places, added, shown = arguments
    rows, runs, places = (pointer(builder, one, INT) for one in (rows, runs, places))
    x, out, first = (pointer(builder, one, FLOAT) for one in (x, out, first))
    starts = [builder.gep(x, [_entry(builder, rows, INT(m))]) for m in range(ROWS)]
    targets = []
    for m in range(ROWS):
        target = builder.gep(out, [_entry(builder, places, INT(m))])
        targets += in_row(builder, target, vectors)
    if not each:
        # By the time the products are added up, their places are near.
        for target in targets:
            prefetch(builder, target)
    sums = [ir.Constant(VECTOR, [0.0] * NARROW)] * len(targets)
    runs_loop = Loop(builder, n_runs, [pointer(builder, panel, VECTOR), *sums])
    at = _entry(builder, runs, runs_loop.index)
    steps_loop = Loop(builder, steps, [at, *runs_loop.carried]) if several else None
    at, right, *sums = steps_loop.carried if steps_loop else (at, *runs_loop.carried)
    columns = [load(builder, builder.gep(right, [INT(j)])) for j in range(vectors)]
    added_up = []
    for m in range(ROWS):
        left = builder.gep(starts[m], [at])
        if each:
            values = [load(builder, one) for one in in_row(builder, left, vectors)]
        else:
            values = [everywhere(builder, builder.load(left, align=SIZE))] * vectors
        for j in range(vectors):
            total = sums[m * vectors + j]
            added_up.append(multiply_add(builder, values[j], columns[j], total))
    carried = [builder.gep(right, [INT(vectors)]), *added_up]
    if steps_loop:
        steps_loop.close([builder.add(at, stride), *carried])
        carried = [right, *sums]
    runs_loop.close(carried)
    # What the products are added to is chosen by address: there is always something to read.
    # It comes last, for an error that does not grow with the number of blocks.
    begun = builder.icmp_signed("!=", added, INT(0))
    firsts = in_row(builder, first, vectors) * ROWS
    results = []
    for k, total in enumerate(runs_loop.carried[1:]):
        mask = first_lanes(builder, shown, k % vectors * NARROW) if part else None
        before = load(builder, builder.select(begun, targets[k], firsts[k]), mask)
        results.append((builder.fadd(before, total), targets[k], mask))
        if not part:
            store(builder, *results.pop())
    # Of parts all are read before one is written.
    for result in results:
        store(builder, *result)


def _block(each: bool = False, several: bool = True, part: bool = False) -> Any:
    """Make a block as wide as a panel or half of it, called with addresses and numbers.

    Runs of a single step, unlike `several`, need no loop of their own. In a `part` not all columns
    are shown, or rows of the product lie not apart.
    """

    @intrinsic
    def block(
        context: Any,
        wide: Any,
        x: Any,
        rows: Any,
        runs: Any,
        n_runs: Any,
        steps: Any,
        stride: Any,
        panel: Any,
        first: Any,
        out: Any,
        places: Any,
        added: Any,
        shown: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            wide, *given = arguments
            of_either_width(
                builder,
                wide,
                lambda vectors: _multiply(builder, given, vectors, each, several, part),
            )
            return context.get_dummy_value()

        return types.void(types.boolean, *(types.int64,) * 12), generate

    return block


_whole, _part = _block(), _block(part=True)
_each, _single = _block(each=True, part=True), _block(each=True, several=False)


@native(inline="never")
def _multiply_at(
    each: bool, wide: bool, part: bool, blocks: int, x: int, rows: int, runs: int, n_runs: int,
    steps: int, stride: int, panel: int, first: int, out: int, places: int, added: int, shown: int,
) -> None:  # fmt: skip
    """Choose the block, and go through its rows; addresses are handed on sooner than arrays."""
    for block in range(blocks):
        at, to = rows + 8 * ROWS * block, places + 8 * ROWS * block
        if not each and not part:
            _whole(wide, x, at, runs, n_runs, steps, stride, panel, first, out, to, added, shown)
        elif not each:
            _part(wide, x, at, runs, n_runs, steps, stride, panel, first, out, to, added, shown)
        elif steps == 1 and not part:
            _single(wide, x, at, runs, n_runs, steps, stride, panel, first, out, to, added, shown)
        else:
            _each(wide, x, at, runs, n_runs, steps, stride, panel, first, out, to, added, shown)


def multiply_blocks(*arguments: Any) -> Any:
    """Compile what `microkernel.multiply_blocks` does."""

    def multiply(
        x, start, rows, row, blocks, runs, run, n_runs, steps, stride, panels, panel, width, first,
        column, out, out_start, places, added, each, shown, apart,
    ):  # fmt: skip
        _multiply_at(
            each,
            width == WIDE,
            (shown < width) | (not apart),
            blocks,
            x.ctypes.data + 4 * start,
            rows.ctypes.data + 8 * row,
            runs.ctypes.data + 8 * run,
            n_runs,
            steps,
            stride,
            panels.ctypes.data + 4 * panel,
            first.ctypes.data + 4 * column,
            out.ctypes.data + 4 * out_start,
            places.ctypes.data + 8 * row,
            int(added),
            shown,
        )

    return multiply


def _copying() -> Any:
    """Make the copy of as many numbers as a block is wide."""

    @intrinsic
    def _copy(context: Any, out: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            to, begin = (
                in_row(builder, pointer(builder, one, FLOAT), VECTORS) for one in arguments
            )
            values = [load(builder, at) for at in begin]
            for value, at in zip(values, to, strict=True):
                store(builder, value, at)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return _copy


_copy = _copying()


def copy_wide(*arguments: Any) -> Any:
    """Compile what `microkernel.copy_wide` does."""

    def copy(out, to, x, begin):
        _copy(out.ctypes.data + 4 * to, x.ctypes.data + 4 * begin)

    return copy


def _turning() -> Any:
    """Make the copy of a square of numbers, rows as columns."""

    @intrinsic
    def turn(context: Any, out: Any, width: Any, x: Any, length: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            out, width, x, length = arguments
            to, begin = pointer(builder, out, FLOAT), pointer(builder, x, FLOAT)
            rows = []
            for _ in range(NARROW):
                rows.append(load(builder, builder.bitcast(begin, VECTOR.as_pointer())))
                begin = builder.gep(begin, [length])
            for column in transposed(builder, rows):
                store(builder, column, builder.bitcast(to, VECTOR.as_pointer()))
                to = builder.gep(to, [width])
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 4), generate

    return turn


_turn = _turning()


def copy_turned(*arguments: Any) -> Any:
    """Compile what `microkernel.copy_turned` does."""

    def copy(out, to, width, x, begin, length):
        _turn(out.ctypes.data + 4 * to, width, x.ctypes.data + 4 * begin, length)

    return copy
