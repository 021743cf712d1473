"""The vector instructions that fold rows into one, for compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from layerscope.compiled.jit import native
from layerscope.compiled.registers import NARROW
from layerscope.compiled.vectors import FLOAT, Loop, in_row, load, pointer, store

Step = Callable[[Any, Any, Any], Any]

#: Vectors that are folded together, and columns up to which that is quicker: of longer rows too
#: little lies side by side.
_MANY, _FEW = 8, 2
_MOST = 512


def summed(builder: Any, total: Any, row: Any) -> Any:
    """Add a row's vector."""
    return builder.fadd(total, row)


def largest(builder: Any, best: Any, row: Any) -> Any:
    """Take the larger numbers, NaN where there is one."""
    larger = builder.select(builder.fcmp_ordered(">", best, row), best, row)
    return builder.select(builder.fcmp_unordered("uno", best, best), best, larger)


def _folding(step: Step, count: int) -> Any:
    """Make what folds so many vectors of rows, called with addresses and bytes."""

    @intrinsic
    def fold(context: Any, rows: Any, stride: Any, number: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows, stride, number, out = arguments
            targets = in_row(builder, pointer(builder, out, FLOAT), count)
            loop = Loop(builder, number, [rows, *(load(builder, target) for target in targets)])
            at, *folded = loop.carried
            row = in_row(builder, pointer(builder, at, FLOAT), count)
            folded = [
                step(builder, value, load(builder, place))
                for value, place in zip(folded, row, strict=True)
            ]
            loop.close([builder.add(at, stride), *folded])
            for value, target in zip(loop.carried[1:], targets, strict=True):
                store(builder, value, target)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 4), generate

    return fold


def folded(step: Step, plain: Callable[..., None]) -> Callable[..., Any]:
    """Compile a fold: with vectors where rows consist of them, else as it is written."""
    many, few, one = (_folding(step, count) for count in (_MANY, _FEW, 1))
    plain = native(inline="never")(plain)

    def compile_it(result: Any, rows: Any) -> Any:
        if result.dtype != types.float32:
            return lambda result, rows: plain(result, rows)

        def fold(result, rows):
            columns = result.size
            if columns % NARROW or columns > _MOST:
                plain(result, rows)
                return
            begin, to, n, stride = rows.ctypes.data, result.ctypes.data, len(rows), 4 * columns
            for at in range(0, columns - columns % (_MANY * NARROW), _MANY * NARROW):
                many(begin + 4 * at, stride, n, to + 4 * at)
            rest = columns - columns % (_MANY * NARROW)
            for at in range(rest, columns - columns % (_FEW * NARROW), _FEW * NARROW):
                few(begin + 4 * at, stride, n, to + 4 * at)
            if columns % (_FEW * NARROW):
                at = columns - NARROW
                one(begin + 4 * at, stride, n, to + 4 * at)

        return fold

    return compile_it
