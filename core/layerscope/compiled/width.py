"""The width of the vectors that a compiled loop is turned into."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic, overload

_KEY = "prefer-vector-width"


def whole_vectors() -> None:
    """Let the loop that says so use the widest registers there are, unless it wants `half_vectors`.

    LLVM leaves half of the 512 bits unused for fear of a lower clock, which long loops outweigh.
    """


def half_vectors() -> None:
    """Let the loop that says so use registers of half the width.

    Where all it does is wait for memory, it waits less: 3 % to 10 % were measured on an AMD EPYC.
    """


def _prefer(function: Any, bits: int) -> None:
    # llvmlite checks what is added against the attributes it knows; this one has a value.
    set.add(function.attributes, f'"{_KEY}"="{bits}"')


@intrinsic
def _widen(context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not any(_KEY in one for one in builder.function.attributes):
            _prefer(builder.function, 512)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _halve(context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        attributes = builder.function.attributes
        for one in [one for one in attributes if _KEY in one]:
            attributes.discard(one)
        _prefer(builder.function, 256)
        return context.get_dummy_value()

    return types.void(), generate


def _in_place_of(function: Any, change: Any) -> None:
    # Part of the loop itself: it is its own attributes that change.
    overload(function, inline="always")(lambda: lambda: change())


_in_place_of(whole_vectors, _widen)
_in_place_of(half_vectors, _halve)
