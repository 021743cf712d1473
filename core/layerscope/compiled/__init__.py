"""Compiled loops over arrays: they know nothing of layers, operations or tapes.

Every loop has a plain NumPy reference with the same signature, which tests compare with and which
runs where Numba is missing, or has not compiled the loop yet.

A file is run when something of it is first used: importing Numba takes longer than all of
Layerscope.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
import threading
from types import ModuleType
from typing import Any

_loading = threading.RLock()
#: What may be asked of a file before it is run.
_KNOWN_BEFORE = frozenset({"__class__", "__name__", "__spec__", "__path__", "__file__"})


class _Later(ModuleType):
    """A module that runs its file when it is first asked for anything."""

    def __getattribute__(self, name: str) -> Any:
        if name not in _KNOWN_BEFORE:
            with _loading:
                # Another thread may have been faster.
                if type(self) is _Later:
                    _run(self)
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _KNOWN_BEFORE:
            # The file would set it again.
            vars(self)
        ModuleType.__setattr__(self, name, value)


class _Running(ModuleType):
    """A module whose file is running, which other threads wait for."""

    def __getattribute__(self, name: str) -> Any:
        with _loading:
            return ModuleType.__getattribute__(self, name)


def _run(module: ModuleType) -> None:
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    module.__class__ = _Running
    try:
        module.__spec__.loader.exec_module(module)
    except BaseException:
        module.__class__ = _Later
        raise
    module.__class__ = ModuleType


def _prepare() -> None:
    for _, name, _ in pkgutil.iter_modules(__path__, __name__ + "."):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__class__ = _Later
        sys.modules[name] = module
        globals()[name.rpartition(".")[2]] = module


def every_loop() -> list[Any]:
    """Return all compiled loops, in order of their files; none where only references run."""
    from layerscope.compiled.jit import COMPILED, ENABLED

    if not ENABLED:
        return []
    for _, name, _ in pkgutil.iter_modules(__path__, __name__ + "."):
        # Looking into a file runs it.
        vars(importlib.import_module(name))
    return COMPILED


_prepare()
