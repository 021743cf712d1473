"""The vector instructions of a block of a matrix product, for compiled loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from layerscope.compiled.registers import NARROW, ROWS, VECTORS, WIDE

_INT, _FLOAT = ir.IntType(64), ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, NARROW)
# One instruction where the processor has it, two where it has not.
_FUSED = ("contract",)


class _Loop:
    """A counted loop of instructions that carries values from round to round."""

    def __init__(self, builder: Any, count: Any, carried: list[Any]) -> None:
        self.builder = builder
        self.head = builder.append_basic_block("head")
        body, self.end = builder.append_basic_block("body"), builder.append_basic_block("end")
        before = builder.block
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self._phis = []
        for value in (_INT(0), *carried):
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            self._phis.append(phi)
        self.index, *self.carried = self._phis
        builder.cbranch(builder.icmp_signed("<", self.index, count), body, self.end)
        builder.position_at_end(body)

    def close(self, carried: list[Any]) -> None:
        """Go on with other values; what is carried can be used after the loop too."""
        following = self.builder.add(self.index, _INT(1))
        for phi, value in zip(self._phis, (following, *carried), strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.end)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _entry(builder: Any, table: Any, index: Any) -> Any:
    return builder.load(builder.gep(table, [index]))


def _vectors(builder: Any, at: Any, count: int) -> list[Any]:
    """Return where the vectors of a row lie."""
    at = builder.bitcast(at, _VECTOR.as_pointer())
    return [builder.gep(at, [_INT(j)]) for j in range(count)]


def _everywhere(builder: Any, at: Any) -> Any:
    """Read one number into a whole vector."""
    nothing, number = ir.Constant(_VECTOR, ir.Undefined), ir.IntType(32)
    value = builder.insert_element(nothing, builder.load(at, align=4), number(0))
    places = ir.Constant(ir.VectorType(number, NARROW), [0] * NARROW)
    return builder.shuffle_vector(value, nothing, places)


def _multiply(builder: Any, arguments: Any, vectors: int, each: bool) -> None:
    x, rows, runs, n_runs, steps, stride, panel, first, out, places, added = arguments
    rows, runs, places = (_pointer(builder, one, _INT) for one in (rows, runs, places))
    x, out, first = (_pointer(builder, one, _FLOAT) for one in (x, out, first))
    starts = [builder.gep(x, [_entry(builder, rows, _INT(m))]) for m in range(ROWS)]
    targets = []
    for m in range(ROWS):
        target = builder.gep(out, [_entry(builder, places, _INT(m))])
        targets += _vectors(builder, target, vectors)
    sums = [ir.Constant(_VECTOR, [0.0] * NARROW)] * len(targets)
    runs_loop = _Loop(builder, n_runs, [_pointer(builder, panel, _VECTOR), *sums])
    at = _entry(builder, runs, runs_loop.index)
    steps_loop = _Loop(builder, steps, [at, *runs_loop.carried])
    at, right, *sums = steps_loop.carried
    columns = [builder.load(builder.gep(right, [_INT(j)]), align=4) for j in range(vectors)]
    added_up = []
    for m in range(ROWS):
        left = builder.gep(starts[m], [at])
        if each:
            values = [builder.load(one, align=4) for one in _vectors(builder, left, vectors)]
        else:
            values = [_everywhere(builder, left)] * vectors
        for j in range(vectors):
            product = builder.fmul(values[j], columns[j], flags=_FUSED)
            added_up.append(builder.fadd(sums[m * vectors + j], product, flags=_FUSED))
    right_after = builder.gep(right, [_INT(vectors)])
    steps_loop.close([builder.add(at, stride), right_after, *added_up])
    runs_loop.close([right, *sums])
    # What the products are added to is chosen by address: there is always something to read.
    # It comes last, for an error that does not grow with the number of blocks.
    begun = builder.icmp_signed("!=", added, _INT(0))
    firsts = _vectors(builder, first, vectors) * ROWS
    for target, other, total in zip(targets, firsts, runs_loop.carried[1:], strict=True):
        before = builder.load(builder.select(begun, target, other), align=4)
        builder.store(builder.fadd(before, total), target, align=4)


def _block(vectors: int, each: bool) -> Any:
    """Make a block so many vectors wide, called with addresses and numbers."""

    @intrinsic
    def block(
        context: Any,
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
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _multiply(builder, arguments, vectors, each)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 11), generate

    return block


_wide, _narrow = _block(VECTORS, False), _block(1, False)
_wide_each, _narrow_each = _block(VECTORS, True), _block(1, True)


def multiply_block(*arguments: Any) -> Any:
    """Compile what `microkernel.multiply_block` does."""

    def multiply(
        x, start, rows, row, runs, run, n_runs, steps, stride, panels, panel, width, first,
        column, out, out_start, places, added, each,
    ):  # fmt: skip
        at = x.ctypes.data + 4 * start
        row_at, run_at = rows.ctypes.data + 8 * row, runs.ctypes.data + 8 * run
        right = panels.ctypes.data + 4 * panel
        begin = first.ctypes.data + 4 * column
        to, place = out.ctypes.data + 4 * out_start, places.ctypes.data + 8 * row
        more = int(added)
        if each:
            if width == WIDE:
                _wide_each(at, row_at, run_at, n_runs, steps, stride, right, begin, to, place, more)
            else:
                _narrow_each(
                    at, row_at, run_at, n_runs, steps, stride, right, begin, to, place, more
                )
        elif width == WIDE:
            _wide(at, row_at, run_at, n_runs, steps, stride, right, begin, to, place, more)
        else:
            _narrow(at, row_at, run_at, n_runs, steps, stride, right, begin, to, place, more)

    return multiply


def _copying() -> Any:
    """Make the copy of as many numbers as a block is wide."""

    @intrinsic
    def _copy(context: Any, out: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            to, begin = (
                _vectors(builder, _pointer(builder, one, _FLOAT), VECTORS) for one in arguments
            )
            values = [builder.load(at, align=4) for at in begin]
            for value, at in zip(values, to, strict=True):
                builder.store(value, at, align=4)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return _copy


_copy = _copying()


def copy_wide(*arguments: Any) -> Any:
    """Compile what `microkernel.copy_wide` does."""

    def copy(out, to, x, begin):
        _copy(out.ctypes.data + 4 * to, x.ctypes.data + 4 * begin)

    return copy
