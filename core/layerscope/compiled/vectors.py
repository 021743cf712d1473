"""What the modules that write vector instructions have in common, for compiled loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from layerscope.compiled.registers import NARROW

INT, FLOAT = ir.IntType(64), ir.FloatType()
VECTOR = ir.VectorType(FLOAT, NARROW)
#: Bytes of a number, which vectors in memory are aligned to.
SIZE = 4
#: Flags of a product and a sum: one instruction where the processor has it, two where it has not.
FUSED = ("contract",)


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


def load(builder: Any, at: Any) -> Any:
    """Read a vector, which may lie anywhere."""
    return builder.load(at, align=SIZE)


def store(builder: Any, value: Any, at: Any) -> None:
    """Write a vector anywhere."""
    builder.store(value, at, align=SIZE)


def everywhere(builder: Any, number: Any) -> Any:
    """Return a vector of one number."""
    nothing, place = ir.Constant(VECTOR, ir.Undefined), ir.IntType(32)
    value = builder.insert_element(nothing, number, place(0))
    places = ir.Constant(ir.VectorType(place, NARROW), [0] * NARROW)
    return builder.shuffle_vector(value, nothing, places)
