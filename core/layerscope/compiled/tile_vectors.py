"""The vector instructions that map a square tile, for compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from layerscope.compiled.registers import NARROW
from layerscope.compiled.vectors import INT, SIZE, VECTOR, load, pointer, store

Matrix = list[list[float]]


def _at(builder: Any, begin: Any, i: int, row: Any, j: int, column: Any) -> Any:
    """Return where an entry of a tile lies."""
    offset = builder.add(builder.mul(row, INT(i)), builder.mul(column, INT(j)))
    return pointer(builder, builder.add(begin, offset), VECTOR)


def _sum(builder: Any, factors: list[float], values: list[Any]) -> Any:
    """Add multiples of vectors; with a factor of 1 or -1 nothing is multiplied."""
    total = None
    for factor, value in zip(factors, values, strict=True):
        if not factor:
            continue
        term = value
        if abs(factor) != 1:
            term = builder.fmul(value, ir.Constant(VECTOR, [abs(factor)] * NARROW))
        if total is None:
            total = term if factor > 0 else builder.fneg(term)
        else:
            total = (builder.fadd if factor > 0 else builder.fsub)(total, term)
    return total


def _columns(rows: list[list[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _map(builder: Any, matrix: Matrix, arguments: Any) -> None:
    begin, row, column, to, out_row, out_column, place = arguments
    size = range(len(matrix[0]))
    tile = [[load(builder, _at(builder, begin, i, row, j, column)) for j in size] for i in size]
    for _ in range(2):
        # The rows of the matrix times each column, and the result turned over.
        tile = [[_sum(builder, factors, values) for factors in matrix] for values in _columns(tile)]
    seen = pointer(builder, place, VECTOR)
    total = None
    for i, values in reversed(list(enumerate(tile))):
        for j, value in reversed(list(enumerate(values))):
            store(builder, value, _at(builder, to, i, out_row, j, out_column))
            total = value if total is None else builder.fadd(total, value)
    nothing = builder.fmul(total, ir.Constant(VECTOR, [0.0] * NARROW))
    store(builder, builder.fadd(load(builder, seen), nothing), seen)


def _turning(matrix: Matrix) -> Any:
    """Make the map, called with addresses and bytes."""

    @intrinsic
    def turn(
        context: Any,
        begin: Any,
        row: Any,
        column: Any,
        to: Any,
        out_row: Any,
        out_column: Any,
        place: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _map(builder, matrix, arguments)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 7), generate

    return turn


def mapped(matrix: Matrix) -> Callable[..., Any]:
    """Compile what `tiles.tile_map` returns for a matrix."""
    turn = _turning(matrix)

    def compile_it(*arguments: Any) -> Any:
        def mapped(x, at, row, column, out, to, out_row, out_column, seen, place):
            turn(
                x.ctypes.data + SIZE * at, SIZE * row, SIZE * column,
                out.ctypes.data + SIZE * to, SIZE * out_row, SIZE * out_column,
                seen.ctypes.data + SIZE * place,
            )  # fmt: skip

        return mapped

    return compile_it
