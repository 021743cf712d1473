"""The vector instructions of windows that slide along a row, for compiled loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from layerscope.compiled.jit import native
from layerscope.compiled.registers import NARROW, ROWS, WIDE
from layerscope.compiled.vectors import (
    FLOAT,
    INT,
    VECTOR,
    Loop,
    in_row,
    load,
    multiply_add,
    of_either_width,
    pointer,
    prefetch,
    store,
)


def _inside(builder: Any, places: list[int], begin: Any, end: Any) -> dict[int, Any]:
    """Tell which of some places lie in a row; from others nothing is read.

    Of a block's places only those at its ends may lie outside.
    """
    return {
        p: builder.and_(
            builder.icmp_signed("<=", begin, INT(p)), builder.icmp_signed("<", INT(p), end)
        )
        for p in places
    }


def _slide(builder: Any, arguments: Any, vectors: int, taps: int) -> None:
    x, line, lines, place, begin, end, nothing, panel, first, out = arguments
    x, nothing, first, out = (pointer(builder, one, FLOAT) for one in (x, nothing, first, out))
    count = ROWS + taps - 1
    inside = _inside(builder, [p for p in range(count) if p < taps - 1 or p >= ROWS], begin, end)
    offsets = [builder.mul(place, INT(p)) for p in range(count)]
    for offset in offsets[:ROWS]:
        for target in in_row(builder, builder.gep(out, [offset]), vectors):
            prefetch(builder, target)
    nothing_yet = [ir.Constant(VECTOR, [0.0] * NARROW)] * (ROWS * vectors)
    loop = Loop(builder, lines, [x, pointer(builder, panel, VECTOR), *nothing_yet])
    row, right, *sums = loop.carried
    kernel = [load(builder, builder.gep(right, [INT(j)])) for j in range(taps * vectors)]
    for p in range(count):
        at = builder.gep(row, [offsets[p]])
        if p in inside:
            at = builder.select(inside[p], at, nothing)
        values = [load(builder, one) for one in in_row(builder, at, vectors)]
        for tap in range(max(0, p - ROWS + 1), min(taps, p + 1)):
            for j in range(vectors):
                k = (p - tap) * vectors + j
                sums[k] = multiply_add(builder, values[j], kernel[tap * vectors + j], sums[k])
    right = builder.gep(right, [INT(taps * vectors)])
    loop.close([builder.gep(row, [line]), right, *sums])
    begun = [load(builder, one) for one in in_row(builder, first, vectors)]
    for m in range(ROWS):
        for j, target in enumerate(in_row(builder, builder.gep(out, [offsets[m]]), vectors)):
            store(builder, builder.fadd(begun[j], loop.carried[2 + m * vectors + j]), target)


def _sliding(taps: int) -> Any:
    """Make a block of windows with so many entries of a line, called with addresses and numbers."""

    @intrinsic
    def block(
        context: Any,
        wide: Any,
        x: Any,
        line: Any,
        lines: Any,
        place: Any,
        begin: Any,
        end: Any,
        nothing: Any,
        panel: Any,
        first: Any,
        out: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            wide, *given = arguments
            of_either_width(builder, wide, lambda vectors: _slide(builder, given, vectors, taps))
            return context.get_dummy_value()

        return types.void(types.boolean, *(types.int64,) * 10), generate

    return block


def _add_up(builder: Any, arguments: Any, vectors: int, taps: int) -> None:
    x, values, columns, place, begin, end, nothing, out = arguments
    x, values, nothing, out = (pointer(builder, one, FLOAT) for one in (x, values, nothing, out))
    targets = [
        target
        for tap in range(taps)
        for target in in_row(builder, builder.gep(out, [builder.mul(place, INT(tap))]), vectors)
    ]
    sums = [ir.Constant(VECTOR, [0.0] * NARROW)] * len(targets)
    done: Any = INT(0)
    # First as many places together as a block has, then the rest one by one.
    for together in (ROWS, 1):
        count = together + taps - 1
        blocks = builder.sdiv(builder.sub(columns, done), INT(together))
        offsets = [builder.mul(place, INT(p)) for p in range(count)]
        step = builder.mul(place, INT(together))
        loop = Loop(builder, blocks, [x, values, begin, end, *sums])
        x, values, begin, end, *sums = loop.carried
        met = [
            [load(builder, at) for at in in_row(builder, builder.gep(values, [offset]), vectors)]
            for offset in offsets[:together]
        ]
        ends = [p for p in range(count) if p < taps - 1 or p >= together]
        inside = _inside(builder, ends, begin, end)
        for p in range(count):
            at = builder.gep(x, [offsets[p]])
            if p in inside:
                at = builder.select(inside[p], at, nothing)
            seen = [load(builder, one) for one in in_row(builder, at, vectors)]
            for tap in range(max(0, p - together + 1), min(taps, p + 1)):
                for j in range(vectors):
                    k = tap * vectors + j
                    sums[k] = multiply_add(builder, seen[j], met[p - tap][j], sums[k])
        passed = [builder.sub(one, INT(together)) for one in (begin, end)]
        moved = [builder.gep(one, [step]) for one in (x, values)]
        loop.close([*moved, *passed, *sums])
        x, values, begin, end, *sums = loop.carried
        done = builder.mul(blocks, INT(together))
    for total, target in zip(sums, targets, strict=True):
        store(builder, builder.fadd(load(builder, target), total), target)


def _adding_up(taps: int) -> Any:
    """Make the sums over the windows of a row, called with addresses and numbers."""

    @intrinsic
    def row(
        context: Any,
        wide: Any,
        x: Any,
        values: Any,
        columns: Any,
        place: Any,
        begin: Any,
        end: Any,
        nothing: Any,
        out: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            wide, *given = arguments
            of_either_width(builder, wide, lambda vectors: _add_up(builder, given, vectors, taps))
            return context.get_dummy_value()

        return types.void(types.boolean, *(types.int64,) * 8), generate

    return row


_three, _five = _sliding(3), _sliding(5)
_add_three, _add_five = _adding_up(3), _adding_up(5)


@native(inline="never")
def _slide_at(
    taps: int, wide: bool, x: int, line: int, lines: int, place: int, begin: int, end: int,
    nothing: int, panel: int, first: int, out: int,
) -> None:  # fmt: skip
    """Choose the block; addresses are handed on sooner than arrays."""
    if taps == 3:
        _three(wide, x, line, lines, place, begin, end, nothing, panel, first, out)
    else:
        _five(wide, x, line, lines, place, begin, end, nothing, panel, first, out)


def slide(*arguments: Any) -> Any:
    """Compile what `sliding.slide` does."""

    def block(
        x, start, line, lines, place, begin, end, panels, panel, taps, width, first, column, out, to
    ):
        _slide_at(
            taps,
            width == WIDE,
            x.ctypes.data + 4 * start,
            line,
            lines,
            place,
            begin,
            end,
            first.ctypes.data + 4 * place,
            panels.ctypes.data + 4 * panel,
            first.ctypes.data + 4 * column,
            out.ctypes.data + 4 * to,
        )

    return block


@native(inline="never")
def _add_up_at(
    taps: int, wide: bool, x: int, values: int, columns: int, place: int, begin: int, end: int,
    nothing: int, out: int,
) -> None:  # fmt: skip
    if taps == 3:
        _add_three(wide, x, values, columns, place, begin, end, nothing, out)
    else:
        _add_five(wide, x, values, columns, place, begin, end, nothing, out)


def add_up(*arguments: Any) -> Any:
    """Compile what `sliding.add_up` does."""

    def row(x, start, values, at, columns, place, begin, end, taps, width, nothing, out, to):
        _add_up_at(
            taps,
            width == WIDE,
            x.ctypes.data + 4 * start,
            values.ctypes.data + 4 * at,
            columns,
            place,
            begin,
            end,
            nothing.ctypes.data,
            out.ctypes.data + 4 * to,
        )

    return row
