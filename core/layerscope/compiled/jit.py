"""The one place that decides how loops are compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: Every compiled function, in order of definition.
COMPILED: list[Any] = []


def _numba_wanted() -> bool:
    return os.environ.get("LAYERSCOPE_COMPILED", "1") != "0"


def compiled(reference: F) -> Callable[[Callable[..., Any]], F]:
    """Compile a loop, with `reference` as its plain NumPy twin.

    The interpreter lock is released while the loop runs, machine code is cached on disk, and
    division follows IEEE rules. No fast-math: a NaN must reach the user. A compiled function must
    not call one from another file, because Numba's cache would not notice that one changing.

    With ``LAYERSCOPE_COMPILED=0`` in the environment, or without Numba, the reference is used.
    """

    def decorate(loop: Callable[..., Any]) -> F:
        if not _numba_wanted():
            return reference
        try:
            from numba import njit
        except ImportError:
            return reference
        kernel: Any = njit(nogil=True, cache=True, error_model="numpy")(loop)
        kernel.reference = reference
        COMPILED.append(kernel)
        return kernel

    return decorate
