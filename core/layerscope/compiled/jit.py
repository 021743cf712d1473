"""The one place that decides how loops are compiled, and where machine code is kept."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

numba: Any = None
if os.environ.get("LAYERSCOPE_COMPILED", "1") != "0":
    with suppress(ImportError):
        import numba

F = TypeVar("F", bound=Callable[..., Any])

#: Every compiled loop, in order of definition.
COMPILED: list[Any] = []

#: Whether loops run at all: references do without Numba, and with ``LAYERSCOPE_COMPILED=0``.
ENABLED = numba is not None

#: Whether loops are machine code: with ``NUMBA_DISABLE_JIT=1`` they run as plain Python.
MACHINE_CODE = ENABLED and not numba.config.DISABLE_JIT


@functools.cache
def _sources() -> str:
    """Return what changes whenever a file of this package does."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


if ENABLED:
    from numba.core import caching

    class _AllSources:
        """Machine code is outdated once any file of the package changed: loops call each other."""

        def get_source_stamp(self) -> str:
            return _sources()

    class _BesideTheSource(_AllSources, caching.InTreeCacheLocator):
        pass

    class _AtTheUser(_AllSources, caching.UserWideCacheLocator):
        pass

    class _WhereTold(_AllSources, caching.UserProvidedCacheLocator):
        pass

    class _CacheImpl(caching.CompileResultCacheImpl):
        _locator_classes = [_WhereTold, _BesideTheSource, _AtTheUser]  # noqa: RUF012

    class _Cache(caching.FunctionCache):
        _impl_class = _CacheImpl


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
            kernel._cache = _Cache(function)
        return kernel

    return decorate


def compiled(reference: F, **options: Any) -> Callable[[Callable[..., Any]], F]:
    """Compile a loop, with `reference` as its plain NumPy twin.

    The interpreter lock is released while the loop runs, and machine code is kept on disk. Options
    are Numba's. Without Numba, or with ``LAYERSCOPE_COMPILED=0``, the reference is used.
    """

    def decorate(loop: Callable[..., Any]) -> F:
        if not ENABLED:
            return reference
        kernel: Any = native(**options)(loop)
        kernel.reference = reference
        COMPILED.append(kernel)
        return kernel

    return decorate
