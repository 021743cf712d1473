"""Machine code on disk: a file for each loop, types of arguments and processor.

A file is named after everything its content depends on, so it is never changed: processes that
start at once may write the same one, each puts a whole file in its place. All places are looked
into, the first that can be written to is written to: an image may bring files it cannot change.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import itertools
import os
import pickle
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, compiler, config
from numba.core.bytecode import FunctionIdentity
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

_settings: Any = config
_MONTH = 30 * 24 * 3600


def _number_apart() -> None:
    """Number the functions compiled from now on as no other process does.

    Numba counts from 1 in every process, and makes the number the only difference between functions
    of one name, such as those a function makes: of two from different processes that happen to have
    the same one, its linker takes whichever is loaded first.
    """
    FunctionIdentity._unique_ids = itertools.count(int.from_bytes(os.urandom(6), "big"))


_number_apart()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_number_apart)


@functools.cache
def _sources() -> str:
    """Return what changes whenever a file of this package does: loops call each other."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _roots() -> list[Path]:
    """Return where machine code may be, the preferred place first."""
    if told := _settings.CACHE_DIR:
        chosen = [told]
    else:
        user = AppDirs(appname="layerscope", appauthor=False).user_cache_dir
        chosen = [Path(__file__).parent / "__pycache__", user]
    if _own.cache_info().currsize:
        chosen.append(_own())
    return [Path(one) for one in chosen]


@functools.cache
def _own() -> str:
    """Return a place for this process alone, where no other can be written to."""
    place = tempfile.mkdtemp(prefix="layerscope-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _folder(root: Path) -> Path:
    return root / f"layerscope-{_sources()}"


def writable_root() -> Path:
    """Return the first place that files can be written to."""
    for root in _roots():
        with suppress(OSError):
            _folder(root).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=_folder(root)).close()
            return root
    return Path(_own())


def remove_outdated() -> None:
    """Remove what other versions of the loops left where nothing was written for a month."""
    for root in _roots():
        for folder in root.glob("layerscope-" + "[0-9a-f]" * 16):
            with suppress(OSError):
                if folder != _folder(root) and time.time() - folder.stat().st_mtime > _MONTH:
                    shutil.rmtree(folder)


class MachineCode(caching._Cache):
    """What there is on disk for one compiled function; Numba asks it before it compiles."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._names: dict[Any, str] = {}

    @property
    def cache_path(self) -> Any:
        return str(_roots()[0])

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        name = self.name_of(sig)
        for root in _roots():
            # What cannot be read for whatever reason is compiled again.
            with suppress(Exception):
                content = (_folder(root) / name).read_bytes()
                # A machine that lost power may have kept the name of a file without its content.
                if hashlib.sha256(content[32:]).digest() == content[:32]:
                    parts = pickle.loads(content[32:])
                    return compiler.CompileResult._rebuild(target_context, *parts)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        if data.lifted or data.library.has_dynamic_globals:
            return
        content = dumps(data._reduce())
        folder = _folder(writable_root())
        unfinished = folder / f"{uuid.uuid4().hex}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(unfinished, folder / self.name_of(sig))
        except OSError:
            # A full disk: it will be compiled again.
            with suppress(OSError):
                unfinished.unlink()

    def holds(self, signature: Any) -> bool:
        """Tell whether there is machine code for these types of arguments."""
        name = self.name_of(signature)
        return any((_folder(root) / name).exists() for root in _roots())

    @contextmanager
    def alone(self, signature: Any) -> Iterator[None]:
        """Wait while another process compiles the same: then there is machine code to load."""
        try:
            import fcntl

            lock = open(_folder(writable_root()) / (self.name_of(signature) + ".lock"), "wb")  # noqa: SIM115
        except (ImportError, OSError):
            yield
            return
        with lock:
            # Some file systems have no locks.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                with suppress(OSError):
                    os.unlink(lock.name)

    def name_of(self, signature: Any) -> str:
        """Return the name of the file with machine code for these types of arguments."""
        if signature not in self._names:
            self._names[signature] = self._name_of(signature)
        return self._names[signature]

    def _name_of(self, signature: Any) -> str:
        function = self._kernel.py_func
        codegen = self._kernel.targetctx.codegen()
        depends_on = (
            _identity(self._kernel),
            tuple(str(one) for one in signature),
            codegen.magic_tuple(),
            numba.__version__,
            sys.version_info[:3],
        )
        digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:24]
        return f"{function.__module__.rpartition('.')[2]}.{function.__name__}-{digest}.bin"

    def enable(self) -> None:
        """Do nothing: it always is."""

    def disable(self) -> None:
        """Do nothing: Numba disables it never."""

    def flush(self) -> None:
        """Do nothing: outdated files have other names."""


def _stable(option: Any) -> str:
    """Return an option as text that is the same in every process, as that of a set is not."""
    flags = getattr(option, "flags", option)
    return repr(sorted(flags)) if isinstance(flags, (set, frozenset)) else repr(option)


def _identity(value: Any) -> Any:
    """Return what tells a function from all others, with what it was made from."""
    if hasattr(value, "py_func"):
        options = sorted((name, _stable(one)) for name, one in value.targetoptions.items())
        return (_identity(value.py_func), options)
    if hasattr(value, "__code__"):
        code = value.__code__
        cells = [_identity(cell.cell_contents) for cell in value.__closure__ or ()]
        defaults = repr(value.__defaults__)
        place = value.__module__, value.__qualname__, code.co_firstlineno
        return (
            place,
            hashlib.sha256(code.co_code).hexdigest(),
            repr(code.co_consts),
            cells,
            defaults,
        )
    return repr(value)
