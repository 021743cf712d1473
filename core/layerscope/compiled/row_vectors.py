"""The vector instructions that fold rows into one, combine or copy some, for compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from layerscope.compiled.jit import native
from layerscope.compiled.registers import NARROW
from layerscope.compiled.vector_math import CONTRACTED
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
    pointer,
    store,
)

Step = Callable[[Any, Any, Any], Any]
#: Makes one vector of the four in a window of 2 x 2.
Square = Callable[[Any, Any, Any, Any, Any], Any]

#: Vectors that are folded together, and columns up to which that is quicker: of longer rows too
#: little lies side by side.
_MANY, _SOME, _FEW = 8, 4, 2
_MOST = 512


def summed(builder: Any, total: Any, row: Any) -> Any:
    """Add a row's vector."""
    return builder.fadd(total, row)


def largest(builder: Any, best: Any, row: Any) -> Any:
    """Take the larger numbers, NaN where there is one."""
    larger = builder.select(builder.fcmp_ordered(">", best, row), best, row)
    return builder.select(builder.fcmp_unordered("uno", best, best), best, larger)


def largest_of_four(builder: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Take the largest numbers, NaN where there is one."""
    return largest(builder, largest(builder, a, b), largest(builder, c, d))


def mean_of_four(builder: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the means."""
    total = summed(builder, summed(builder, a, b), summed(builder, c, d))
    return builder.fmul(total, ir.Constant(VECTOR, [0.25] * NARROW))


def _folding(step: Step, nothing: float, count: int) -> Any:
    """Make what folds so many vectors of rows, and what is there, called with addresses, bytes."""

    @intrinsic
    def fold(context: Any, rows: Any, stride: Any, number: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows, stride, number, out = arguments
            begun = [ir.Constant(VECTOR, [nothing] * NARROW)] * count
            loop = Loop(builder, number, [rows, *begun])
            at, *folded = loop.carried
            row = in_row(builder, pointer(builder, at, FLOAT), count)
            folded = [
                step(builder, value, load(builder, place))
                for value, place in zip(folded, row, strict=True)
            ]
            loop.close([builder.add(at, stride), *folded])
            targets = in_row(builder, pointer(builder, out, FLOAT), count)
            for value, target in zip(loop.carried[1:], targets, strict=True):
                store(builder, step(builder, load(builder, target), value), target)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 4), generate

    return fold


def folded(
    step: Step, nothing: float, together: int, plain: Callable[..., None]
) -> Callable[..., Any]:
    """Compile a fold: with vectors where rows consist of them, else as it is written.

    Parameters
    ----------
    step : adds a row to what is folded already.
    nothing : what adds nothing.
    together : how many rows are folded by themselves.
    plain : called with the result and the rows.
    """
    many, few, one = (_folding(step, nothing, count) for count in (_MANY, _FEW, 1))
    plain = native(inline="never")(plain)

    def compile_it(result: Any, rows: Any) -> Any:
        if result.dtype != types.float32:
            return lambda result, rows: plain(result, rows)

        def fold(result, rows):
            columns = result.size
            if columns % NARROW or columns > _MOST:
                plain(result, rows)
                return
            begin, to, stride = rows.ctypes.data, result.ctypes.data, SIZE * columns
            column = 0
            while column < columns:
                left = (columns - column) // NARROW
                for row in range(0, len(rows), together):
                    number = min(together, len(rows) - row)
                    at, out = begin + stride * row + SIZE * column, to + SIZE * column
                    if left >= _MANY:
                        many(at, stride, number, out)
                    elif left >= _FEW:
                        few(at, stride, number, out)
                    else:
                        one(at, stride, number, out)
                column += NARROW * (_MANY if left >= _MANY else _FEW if left >= _FEW else 1)

        return fold

    return compile_it


def _adding() -> Any:
    """Make what adds a row to another, vector by vector, called with addresses."""

    @intrinsic
    def add(context: Any, result: Any, row: Any, columns: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *rows, columns = arguments
            loop = Loop(builder, builder.sdiv(columns, INT(NARROW)), rows)
            _add_vector(builder, loop.carried)
            loop.close([builder.add(row, INT(SIZE * NARROW)) for row in loop.carried])
            rest = builder.srem(columns, INT(NARROW))
            with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
                _add_vector(builder, loop.carried, first_lanes(builder, rest, 0))
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 3), generate

    return add


def _add_vector(builder: Any, rows: list[Any], mask: Any = None) -> None:
    to, at = (pointer(builder, row, VECTOR) for row in rows)
    store(builder, builder.fadd(load(builder, to, mask), load(builder, at, mask)), to, mask)


def added(plain: Callable[..., None]) -> Callable[..., Any]:
    """Compile the addition of a row to another; what there is less of than a vector is masked."""
    add, plain = _adding(), native(inline="never")(plain)

    def compile_it(result: Any, row: Any) -> Any:
        if result.dtype != types.float32 or row.dtype != types.float32:
            return lambda result, row: plain(result, row)
        return lambda result, row: add(result.ctypes.data, row.ctypes.data, row.size)

    return compile_it


def _measuring(count: int) -> Any:
    """Make what sums distances of rows from so many vectors, and their squares.

    It is called with the addresses of what `folding.sum_distances` takes, bytes and a number.
    """

    @intrinsic
    def measure(
        context: Any, rows: Any, stride: Any, number: Any, shift: Any, sums: Any, squares: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows, stride, number, *vectors = arguments
            shift, sums, squares = (
                in_row(builder, pointer(builder, at, FLOAT), count) for at in vectors
            )
            middle = [load(builder, place) for place in shift]
            loop = Loop(builder, number, [rows, *[ir.Constant(VECTOR, [0.0] * NARROW)] * 2 * count])
            at, *found = loop.carried
            row = in_row(builder, pointer(builder, at, FLOAT), count)
            distances = [
                builder.fsub(load(builder, place), value)
                for place, value in zip(row, middle, strict=True)
            ]
            found = [
                *map(builder.fadd, found[:count], distances),
                *(
                    multiply_add(builder, distance, distance, total)
                    for distance, total in zip(distances, found[count:], strict=True)
                ),
            ]
            loop.close([builder.add(at, stride), *found])
            for value, target in zip(loop.carried[1:], [*sums, *squares], strict=True):
                store(builder, value, target)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 6), generate

    return measure


def measured(plain: Callable[..., None]) -> Callable[..., Any]:
    """Compile sums of distances: with vectors where rows consist of them."""
    some, one = _measuring(_SOME), _measuring(1)
    plain = native(inline="never", fastmath=CONTRACTED)(plain)

    def compile_it(rows: Any, shift: Any, sums: Any, squares: Any) -> Any:
        if rows.dtype != types.float32 or shift.dtype != types.float32:
            return lambda rows, shift, sums, squares: plain(rows, shift, sums, squares)

        def measure(rows, shift, sums, squares):
            columns, at = shift.size, 0
            if columns % NARROW:
                plain(rows, shift, sums, squares)
                return
            begin, middle, stride = rows.ctypes.data, shift.ctypes.data, SIZE * columns
            first, second = sums.ctypes.data, squares.ctypes.data
            while at < stride:
                vectors = middle + at, first + at, second + at
                if stride - at >= SIZE * NARROW * _SOME:
                    some(begin + at, stride, len(rows), *vectors)
                    at += SIZE * NARROW * _SOME
                else:
                    one(begin + at, stride, len(rows), *vectors)
                    at += SIZE * NARROW

        return measure

    return compile_it


def _folding_squares(square: Square, count: int) -> Any:
    """Make what folds windows of 2 x 2, some times so many vectors each.

    It is called with the addresses of both lines, how far apart windows lie and how long an entry
    is in bytes, how many windows there are, how many times, and where they are written.
    """

    @intrinsic
    def fold(
        context: Any,
        first: Any,
        second: Any,
        stride: Any,
        entry: Any,
        number: Any,
        times: Any,
        out: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, second, stride, entry, number, times, out = arguments
            part = INT(SIZE * NARROW * count)
            windows = Loop(builder, number, [first, second, out])
            parts = Loop(builder, times, windows.carried)
            *lines, to = parts.carried
            places = [
                pointer(builder, at, FLOAT)
                for line in lines
                for at in (line, builder.add(line, entry))
            ]
            a, b, c, d = (
                [load(builder, at) for at in in_row(builder, place, count)] for place in places
            )
            targets = in_row(builder, pointer(builder, to, FLOAT), count)
            for *corners, target in zip(a, b, c, d, targets, strict=True):
                store(builder, square(builder, *corners), target)
            parts.close([builder.add(at, part) for at in parts.carried])
            following = [builder.add(line, stride) for line in windows.carried[:2]]
            windows.close([*following, parts.carried[2]])
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 7), generate

    return fold


def folded_squares(square: Square, plain: Callable[..., None]) -> Callable[..., Any]:
    """Compile a fold of windows of 2 x 2: with vectors where entries consist of them."""
    one, two = (_folding_squares(square, count) for count in (1, 2))
    plain = native(inline="never")(plain)

    def compile_it(lines: Any, step: Any, out: Any) -> Any:
        if out.dtype != types.float32:
            return lambda lines, step, out: plain(lines, step, out)

        def fold(lines, step, out):
            number, channels = out.shape
            first, to = lines.ctypes.data, out.ctypes.data
            second, stride, entry = first + SIZE * lines[0].size, SIZE * step, SIZE * channels
            if channels % NARROW:
                plain(lines, step, out)
            elif channels % (2 * NARROW):
                one(first, second, stride, entry, number, channels // NARROW, to)
            else:
                two(first, second, stride, entry, number, channels // (2 * NARROW), to)

        return fold

    return compile_it


def _combining(count: int) -> Any:
    """Make what combines rows of so many vectors, or of several times so many.

    It is called with the addresses of what `folding.combine_rows` takes, and with numbers.
    """

    @intrinsic
    def combine(
        context: Any,
        x: Any,
        starts: Any,
        sources: Any,
        weights: Any,
        number: Any,
        times: Any,
        out: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, starts, sources, weights, number, times, out = arguments
            starts, sources = (pointer(builder, table, INT) for table in (starts, sources))
            x, weights, out = (pointer(builder, table, FLOAT) for table in (x, weights, out))
            length = builder.mul(times, INT(count * NARROW))
            rows = Loop(builder, number, [out])
            first, end = (
                builder.load(builder.gep(starts, [builder.add(rows.index, INT(more))]))
                for more in (0, 1)
            )
            parts = Loop(builder, times, rows.carried)
            (to,) = parts.carried
            begin = builder.gep(x, [builder.mul(parts.index, INT(count * NARROW))])
            nothing = [ir.Constant(VECTOR, [0.0] * NARROW)] * count
            taps = Loop(builder, builder.sub(end, first), nothing)
            tap = builder.add(first, taps.index)
            source = builder.load(builder.gep(sources, [tap]))
            weight = everywhere(builder, builder.load(builder.gep(weights, [tap])))
            row = in_row(builder, builder.gep(begin, [builder.mul(source, length)]), count)
            taps.close(
                [
                    multiply_add(builder, load(builder, place), weight, total)
                    for total, place in zip(taps.carried, row, strict=True)
                ]
            )
            for total, place in zip(taps.carried, in_row(builder, to, count), strict=True):
                store(builder, total, place)
            parts.close([builder.gep(to, [INT(count * NARROW)])])
            rows.close(parts.carried)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 7), generate

    return combine


def combined(plain: Callable[..., None]) -> Callable[..., Any]:
    """Compile a combination of rows: with vectors where rows consist of them."""
    many, one = _combining(_SOME), _combining(1)
    plain = native(inline="never", fastmath=CONTRACTED)(plain)

    def compile_it(x: Any, out: Any, taps: Any, position: Any) -> Any:
        kinds = [table.dtype for table in (x, out, *taps)]
        if kinds != [*(types.float32,) * 2, *(types.int64,) * 2, types.float32]:
            return lambda x, out, taps, position: plain(x, out, taps, position)

        def combine(x, out, taps, position):
            starts, sources, weights = taps
            length = out.shape[1]
            if length % NARROW:
                plain(x, out, taps, position)
                return
            begin, to = x.ctypes.data, out.ctypes.data
            first = starts.ctypes.data + 8 * position
            tables = sources.ctypes.data, weights.ctypes.data
            if length % (_SOME * NARROW):
                one(begin, first, *tables, len(out), length // NARROW, to)
            else:
                many(begin, first, *tables, len(out), length // (_SOME * NARROW), to)

        return combine

    return compile_it


def _picking(count: int) -> Any:
    """Make what copies rows of so many vectors, or of several times so many.

    It is called with the addresses of what `folding.pick_rows` takes, and with numbers.
    """

    @intrinsic
    def pick(context: Any, x: Any, sources: Any, number: Any, times: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, sources, number, times, out = arguments
            sources = pointer(builder, sources, INT)
            x, out = (pointer(builder, table, FLOAT) for table in (x, out))
            part = INT(count * NARROW)
            length = builder.mul(times, part)
            rows = Loop(builder, number, [out])
            source = builder.load(builder.gep(sources, [rows.index]))
            row = builder.gep(x, [builder.mul(source, length)])
            parts = Loop(builder, times, [row, *rows.carried])
            at, to = parts.carried
            values = [load(builder, place) for place in in_row(builder, at, count)]
            for value, place in zip(values, in_row(builder, to, count), strict=True):
                store(builder, value, place)
            parts.close([builder.gep(one, [part]) for one in parts.carried])
            rows.close(parts.carried[1:])
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 5), generate

    return pick


def picked(plain: Callable[..., None]) -> Callable[..., Any]:
    """Compile copies of rows: with vectors where rows consist of them."""
    many, one = _picking(_SOME), _picking(1)
    plain = native(inline="never")(plain)

    def compile_it(x: Any, out: Any, sources: Any) -> Any:
        if [table.dtype for table in (x, out, sources)] != [*(types.float32,) * 2, types.int64]:
            return lambda x, out, sources: plain(x, out, sources)

        def pick(x, out, sources):
            length = out.shape[1]
            begin, at, to = x.ctypes.data, sources.ctypes.data, out.ctypes.data
            if length % NARROW:
                plain(x, out, sources)
            elif length % (_SOME * NARROW):
                one(begin, at, len(out), length // NARROW, to)
            else:
                many(begin, at, len(out), length // (_SOME * NARROW), to)

        return pick

    return compile_it
