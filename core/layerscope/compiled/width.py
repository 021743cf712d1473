"""The width of the vectors that a compiled loop is turned into."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic
def whole_vectors(context: Any) -> Any:
    """Let the loop that says so use the widest registers there are.

    LLVM leaves half of the 512 bits unused for fear of a lower clock, which long loops outweigh.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite checks what is added against the attributes it knows; this one has a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate
