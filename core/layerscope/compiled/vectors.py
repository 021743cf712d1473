"""What the modules that write vector instructions have in common, for compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from layerscope.compiled.registers import NARROW, VECTORS

INT, FLOAT = ir.IntType(64), ir.FloatType()
VECTOR = ir.VectorType(FLOAT, NARROW)
#: A place in a vector, and one for each of its numbers.
_PLACE = ir.IntType(32)
_PLACES = ir.VectorType(_PLACE, NARROW)
#: Bytes of a number, which vectors in memory are aligned to.
SIZE = 4
#: Flags of a product and a sum that may become one instruction.
_FUSED = ("contract",)


class Loop:
    """A counted loop of instructions that carries values from round to round."""

    def __init__(self, builder: Any, count: Any, carried: list[Any]) -> None:
        self.builder = builder
        self.head = builder.append_basic_block("head")
        body, self.end = builder.append_basic_block("body"), builder.append_basic_block("end")
        before = builder.block
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self._phis = []
        for value in (INT(0), *carried):
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            self._phis.append(phi)
        self.index, *self.carried = self._phis
        builder.cbranch(builder.icmp_signed("<", self.index, count), body, self.end)
        builder.position_at_end(body)

    def close(self, carried: list[Any]) -> None:
        """Go on with other values; what is carried can be used after the loop too."""
        following = self.builder.add(self.index, INT(1))
        for phi, value in zip(self._phis, (following, *carried), strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.end)


def pointer(builder: Any, address: Any, kind: Any) -> Any:
    """Return an address as that of a value of some kind."""
    return builder.inttoptr(address, kind.as_pointer())


def in_row(builder: Any, at: Any, count: int) -> list[Any]:
    """Return where so many vectors of a row lie."""
    at = builder.bitcast(at, VECTOR.as_pointer())
    return [builder.gep(at, [INT(j)]) for j in range(count)]


def load(builder: Any, at: Any, mask: Any = None) -> Any:
    """Read a vector, which may lie anywhere; with a mask only some of it, and 0 for the rest."""
    if mask is None:
        return builder.load(at, align=SIZE)
    nothing = ir.Constant(VECTOR, [0.0] * NARROW)
    return _masked(builder, "load", VECTOR, [at, _PLACE(SIZE), mask, nothing])


def store(builder: Any, value: Any, at: Any, mask: Any = None) -> None:
    """Write a vector anywhere; with a mask only some of it."""
    if mask is None:
        builder.store(value, at, align=SIZE)
    else:
        _masked(builder, "store", ir.VoidType(), [value, at, _PLACE(SIZE), mask])


def multiply_add(builder: Any, a: Any, b: Any, total: Any) -> Any:
    """Return ``a * b + total``: one instruction where the processor has it, two where not."""
    return builder.fadd(total, builder.fmul(a, b, flags=_FUSED), flags=_FUSED)


def of_either_width(builder: Any, wide: Any, write: Callable[[int], None]) -> None:
    """Write instructions for as many vectors a row as a whole panel has, and for one."""
    with builder.if_else(wide) as (is_wide, is_narrow):
        with is_wide:
            write(VECTORS)
        with is_narrow:
            write(1)


def prefetch(builder: Any, at: Any) -> None:
    """Ask for the cache line of what will be written later."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _PLACE, _PLACE, _PLACE])
    module, name = builder.module, "llvm.prefetch.p0"
    function = module.globals.get(name) or ir.Function(module, kind, name)
    # To write, to be kept in all caches, data.
    builder.call(function, [builder.bitcast(at, byte), _PLACE(1), _PLACE(3), _PLACE(1)])


def _masked(builder: Any, name: str, kind: Any, arguments: list[Any]) -> Any:
    """Call LLVM's masked load or store."""
    name = f"llvm.masked.{name}.v{NARROW}f32.p0v{NARROW}f32"
    taken = ir.FunctionType(kind, [one.type for one in arguments])
    module = builder.module
    function = module.globals.get(name) or ir.Function(module, taken, name)
    return builder.call(function, arguments)


def first_lanes(builder: Any, count: Any, before: int) -> Any:
    """Return the mask of a vector's first numbers: of so many there are, but for those before."""
    lanes = ir.Constant(_PLACES, [before + lane for lane in range(NARROW)])
    return builder.icmp_signed("<", lanes, everywhere(builder, builder.trunc(count, _PLACE)))


def everywhere(builder: Any, number: Any) -> Any:
    """Return a vector of one number."""
    nothing = ir.Constant(ir.VectorType(number.type, NARROW), ir.Undefined)
    value = builder.insert_element(nothing, number, _PLACE(0))
    return builder.shuffle_vector(value, nothing, ir.Constant(_PLACES, [0] * NARROW))


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of as many vectors as one has numbers.

    Bit by bit, what tells two rows apart is exchanged for what tells two places apart.
    """
    vectors, bit, lanes = list(rows), 1, range(NARROW)
    while bit < NARROW:
        # Places in two vectors, counted on from one to the other.
        first = [NARROW + lane - bit if lane & bit else lane for lane in lanes]
        second = [NARROW + lane if lane & bit else lane + bit for lane in lanes]
        masks = [ir.Constant(_PLACES, places) for places in (first, second)]
        for one in lanes:
            if not one & bit:
                pair = vectors[one], vectors[one + bit]
                vectors[one], vectors[one + bit] = (
                    builder.shuffle_vector(*pair, mask) for mask in masks
                )
        bit *= 2
    return vectors
