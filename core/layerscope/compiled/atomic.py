"""Words of memory that threads change and read at once, and their cores, for compiled loops."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD = ir.IntType(64)


def _at(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def add(context: Any, address: Any, number: Any) -> Any:
    """Add a number to the 64-bit word at an address, and return what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _at(builder, arguments[0]), arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def exchange(context: Any, address: Any, number: Any) -> Any:
    """Replace the 64-bit word at an address by a number, and return what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("xchg", _at(builder, arguments[0]), arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def read(context: Any, address: Any) -> Any:
    """Return the 64-bit word at an address as it is now."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_at(builder, arguments[0]), "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def give_way(context: Any) -> Any:
    """Let another thread have this core if one waits for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # Windows has it under another name, and a shorter wait for a core.
        if sys.platform != "win32":
            kind = ir.FunctionType(ir.IntType(32), ())
            function = cgutils.get_or_insert_function(builder.module, kind, "sched_yield")
            builder.call(function, ())
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def core(context: Any) -> Any:
    """Return the number of the core that this runs on, -1 where the system does not say."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if sys.platform != "linux":
            return _WORD(-1)
        kind = ir.FunctionType(ir.IntType(32), ())
        function = cgutils.get_or_insert_function(builder.module, kind, "sched_getcpu")
        return builder.sext(builder.call(function, ()), _WORD)

    return types.int64(), generate
