"""The one place that decides how loops are compiled, and who answers until they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np

from layerscope import config

numba: Any = None
if os.environ.get("LAYERSCOPE_COMPILED", "1") != "0":
    with suppress(ImportError):
        import numba

F = TypeVar("F", bound=Callable[..., Any])

#: Every compiled loop of the files that were used, in order of definition.
COMPILED: list[Any] = []

#: Every function there may be machine code for: loops and what they call.
KERNELS: list[Any] = []

#: Whether loops run at all: references do without Numba, and with ``LAYERSCOPE_COMPILED=0``.
ENABLED = numba is not None

#: Whether loops are machine code: with ``NUMBA_DISABLE_JIT=1`` they run as plain Python.
MACHINE_CODE = ENABLED and not numba.config.DISABLE_JIT


def native(**options: Any) -> Callable[[F], F]:
    """Compile a function that compiled loops call; it is plain Python without Numba.

    The interpreter lock is released while it runs, and division follows IEEE rules. Fast-math is
    for those who say so: a NaN must reach the user.
    """

    def decorate(function: F) -> F:
        if not ENABLED:
            return function
        kernel: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
        if MACHINE_CODE:
            from layerscope.compiled.machine_code import MachineCode

            kernel._cache = MachineCode(kernel)
            KERNELS.append(kernel)
        return kernel

    return decorate


def callable_from_loops(**options: Any) -> Callable[[F], F]:
    """Let compiled loops call a function that is plain Python for everybody else."""

    def decorate(function: F) -> F:
        if not ENABLED:
            return function
        from numba.extending import register_jitable

        return register_jitable(error_model="numpy", **options)(function)

    return decorate


def compiled(
    reference: F, types: Sequence[str] = (), **options: Any
) -> Callable[[Callable[..., Any]], F]:
    """Compile a loop, with `reference` as its plain NumPy twin.

    The interpreter lock is released while the loop runs, and machine code is kept on disk. Without
    Numba, or with ``LAYERSCOPE_COMPILED=0``, the reference is used.

    Parameters
    ----------
    reference : does the same, with the same arguments.
    types : signatures, as Numba writes them, that `layerscope.warmup` does not find by itself.
    options : Numba's.
    """

    def decorate(loop: Callable[..., Any]) -> F:
        if not ENABLED:
            return reference
        kernel: Any = native(**options)(loop)
        kernel.reference, kernel.types = reference, types
        answer_until_compiled(kernel, reference)
        COMPILED.append(kernel)
        return kernel

    return decorate


def answer_until_compiled(kernel: Any, reference: Callable[..., Any]) -> None:
    """Let a reference answer as long as another process compiles, if there is one that does.

    Numba asks `_compile_for_args` what to call for types of arguments it has no machine code for;
    calls for which there is some are not slowed down.
    """
    if MACHINE_CODE:
        kernel._compile_for_args = partial(_what_to_call, kernel, reference)


def _what_to_call(kernel: Any, reference: Callable[..., Any], *arguments: Any) -> Any:
    if any(map(_is_frozen, arguments)):
        # Loops do not write to what they are given to read: no machine code of its own for that.
        return lambda *given: kernel(*map(_thawed, given))
    if is_ready(kernel, *arguments):
        # The class's own, not the one that `answer_until_compiled` set.
        return type(kernel)._compile_for_args(kernel, *arguments)

    def answer(*given: Any) -> Any:
        # Loops do not warn of what comes out infinite.
        with np.errstate(all="ignore"):
            return reference(*given)

    return answer


def _is_frozen(argument: Any) -> bool:
    return (
        isinstance(argument, np.ndarray)
        and not argument.flags.writeable
        and argument.dtype.fields is None
    )


class _Thawed:
    """An array as if it could be written to; what `numpy.asarray` makes of it keeps it alive."""

    def __init__(self, array: np.ndarray) -> None:
        address, _ = array.__array_interface__["data"]
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


def _thawed(argument: Any) -> Any:
    """Return a view of the same memory that Numba gives the usual type; only to be read."""
    return np.asarray(_Thawed(argument)) if _is_frozen(argument) else argument


def ask_for_types(kernel: Any, types: Sequence[str]) -> None:
    """Let a function be compiled for signatures as Numba writes them."""
    from numba.core.sigutils import normalize_signature

    for one in types:
        _is_ready(kernel, normalize_signature(one)[0])


def is_ready(kernel: Any, *arguments: Any) -> bool:
    """Tell whether a function can be called with such arguments as machine code.

    If the process waits for compilation (see `layerscope.config.set_compilation`), that is now so;
    if not, another process is asked to compile it unless there is machine code on disk.
    """
    if not MACHINE_CODE:
        return True
    return _is_ready(kernel, tuple(numba.typeof(_thawed(one)) for one in arguments))


def _is_ready(kernel: Any, signature: tuple[Any, ...]) -> bool:
    if signature in kernel.overloads:
        return True
    code = kernel._cache
    if not code.holds(signature):
        if config.compilation() == "background":
            from layerscope.compiled import compiling

            if compiling.ask(kernel, signature):
                return False
        with code.alone(signature):
            kernel.compile(signature)
    return True


def compile_everything_meanwhile() -> None:
    """Let NumPy answer until another process has compiled all that the catalogue needs."""
    if MACHINE_CODE:
        from layerscope.compiled import compiling

        config.set_compilation("background")
        compiling.start(everything=True)


def compiling_progress() -> tuple[int, int]:
    """Return how many functions another process has compiled, and of how many; 0 of 0 at rest."""
    if not MACHINE_CODE or config.compilation() == "wait":
        return 0, 0
    from layerscope.compiled import compiling

    return compiling.progress()
