"""A compiled function handed over to other threads, which call it without the interpreter.

What a thread would need of the interpreter to call a function is no longer in its core's caches
after a loop over large arrays; waiting for it takes longer than a short loop.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_CODE, _WORD, _BYTE = ir.IntType(32), ir.IntType(64), ir.IntType(8)
_CALL = ir.FunctionType(_CODE, (_WORD, _WORD))
#: Bytes for what a function returns, and for what it says of an error.
_REST = 64
#: What compiled functions return unless they raise: that all is well, or that there is no result.
_FINE = (0, -2)


@intrinsic
def hand_over(context: Any, place: Any) -> Any:
    """Write to a place how to call the function that says so with the arguments it was called with.

    Two 64-bit words are written, for `take_over`. The function's first argument is a number.
    There is one place for the arguments of each function, so that they can be read even when the
    function has ended with an error.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.function
        # The first two are where to write the result and the error.
        given = _without_owners(list(function.args)[2:])
        kept = _memory(builder.module, f"{function.name}.given", [one.type for one in given])
        for index, value in enumerate(given):
            builder.store(value, builder.gep(kept, [_CODE(0), _CODE(index)]))
        caller = _caller(builder.module, function, kept.type)
        words = builder.inttoptr(arguments[0], _WORD.as_pointer())
        builder.store(builder.ptrtoint(caller, _WORD), words)
        builder.store(builder.ptrtoint(kept, _WORD), builder.gep(words, [_WORD(1)]))
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _without_owners(values: list[Any]) -> list[Any]:
    """Return the parts of arguments without those that say who owns an array's memory.

    Threads that counted references to the same owner would wait for each other all the time. Of an
    array there are its owner, the object it was, two numbers, its memory, lengths and strides.
    """
    array = [_BYTE.as_pointer(), _BYTE.as_pointer(), _WORD, _WORD]
    found = list(values)
    for index in range(len(values) - len(array)):
        kinds = [one.type for one in values[index : index + len(array) + 1]]
        if kinds[:-1] == array and isinstance(kinds[-1], ir.PointerType):
            found[index : index + 2] = [ir.Constant(array[0], None)] * 2
    return found


def _memory(module: Any, name: str, kinds: list[Any]) -> Any:
    if name not in module.globals:
        memory: Any = ir.GlobalVariable(module, ir.LiteralStructType(kinds), name)
        memory.linkage = "internal"
        memory.initializer = ir.Constant(memory.value_type, None)
    return module.globals[name]


def _caller(module: Any, function: Any, kept: Any) -> Any:
    """Make a function of the first argument and the place of all, which returns an error code."""
    name = f"{function.name}.helping"
    if name in module.globals:
        return module.globals[name]
    caller = ir.Function(module, _CALL, name)
    caller.linkage = "internal"
    builder = ir.IRBuilder(caller.append_basic_block())
    first, place = caller.args
    place = builder.inttoptr(place, kept)
    values = [
        builder.load(builder.gep(place, [_CODE(0), _CODE(index)]))
        for index in range(len(function.args) - 2)
    ]
    rest = [builder.bitcast(_empty(builder), function.args[index].type) for index in range(2)]
    # A second copy of the function would only be more to load.
    builder.ret(builder.call(function, [*rest, first, *values[1:]], attrs=("noinline",)))
    return caller


def _empty(builder: Any) -> Any:
    room = builder.alloca(ir.ArrayType(_BYTE, _REST))
    room.align = 16
    builder.store(ir.Constant(ir.ArrayType(_BYTE, _REST), None), room)
    return room


@intrinsic
def take_over(context: Any, place: Any, first: Any) -> Any:
    """Call what was handed over, with another first argument; tell whether it failed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words = builder.inttoptr(arguments[0], _WORD.as_pointer())
        function = builder.inttoptr(builder.load(words), _CALL.as_pointer())
        kept = builder.load(builder.gep(words, [_WORD(1)]))
        code = builder.call(function, [arguments[1], kept])
        fine = [builder.icmp_signed("==", code, _CODE(one)) for one in _FINE]
        return builder.not_(builder.or_(*fine))

    return types.boolean(types.int64, types.int64), generate
