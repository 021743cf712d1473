"""Ambient settings: default float type, epsilon, image layout, threads, compilation, memory.

Each lives in a context variable, so two sessions in one process never see each other's; only
compilation and memory are everybody's in a process, as machine code is.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import cache
from typing import Any, Literal

import numpy as np

_FLOATX: ContextVar[str] = ContextVar("floatx", default="float32")
_EPSILON: ContextVar[float] = ContextVar("epsilon", default=1e-7)
_IMAGE_DATA_FORMAT: ContextVar[DataFormat] = ContextVar(
    "image_data_format", default="channels_last"
)
_NUM_THREADS: ContextVar[int | None] = ContextVar("num_threads", default=None)
_FLASH_ATTENTION: ContextVar[bool | None] = ContextVar("flash_attention", default=None)

#: Shared by all threads: those of a pool would not see another thread's context.
_compilation: list[Compilation | None] = [None]

DataFormat = Literal["channels_last", "channels_first"]
Compilation = Literal["wait", "background"]

#: The largest block by which glibc still learns, but for what it adds to a block.
_LARGEST_BLOCK = 32 * 2**20 - 2**16

FLOAT_TYPES = ("float32", "float64")
_TYPES = (*FLOAT_TYPES, "int8", "int16", "int32", "int64", "uint8", "uint16", "bool")


def floatx() -> str:
    """Return the default float type, ``"float32"`` unless changed."""
    return _FLOATX.get()


def set_floatx(value: str) -> None:
    """Set the default float type to ``"float32"`` or ``"float64"``.

    Raises
    ------
    ValueError
        For any other type.
    """
    if value not in FLOAT_TYPES:
        raise ValueError(f"`floatx` must be one of {FLOAT_TYPES}. Received: {value!r}")
    _FLOATX.set(value)


def epsilon() -> float:
    """Return the small number that keeps divisions finite, 1e-7 unless changed."""
    return _EPSILON.get()


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisions finite."""
    _EPSILON.set(float(value))


def image_data_format() -> DataFormat:
    """Return ``"channels_last"`` or ``"channels_first"``."""
    return _IMAGE_DATA_FORMAT.get()


def set_image_data_format(value: str) -> None:
    """Set the layout that layers use when none is given.

    Raises
    ------
    ValueError
        For anything but ``"channels_last"`` and ``"channels_first"``.
    """
    _IMAGE_DATA_FORMAT.set(standardize_data_format(value))


def standardize_data_format(value: str | None) -> DataFormat:
    """Return a valid image layout, the ambient one for None.

    Raises
    ------
    ValueError
        For anything but ``"channels_last"`` and ``"channels_first"``.
    """
    if value is None:
        return image_data_format()
    if value not in ("channels_last", "channels_first"):
        raise ValueError(
            "The `data_format` argument must be one of 'channels_last', 'channels_first'. "
            f"Received: data_format={value!r}"
        )
    return value


@cache
def _threads_of_the_process() -> int:
    wanted = os.environ.get("LAYERSCOPE_NUM_THREADS")
    if wanted is not None:
        return _standardize_threads(wanted, "LAYERSCOPE_NUM_THREADS")
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _standardize_threads(value: Any, name: str) -> int:
    try:
        threads = int(value)
    except (TypeError, ValueError):
        threads = 0
    if threads < 1:
        raise ValueError(f"`{name}` must be a whole number of at least 1. Received: {value!r}")
    return threads


def num_threads() -> int:
    """Return how many threads share a compiled loop.

    As many as the process may use, unless ``LAYERSCOPE_NUM_THREADS`` in the environment or
    `set_num_threads` says otherwise. Results do not depend on it.
    """
    return _NUM_THREADS.get() or _threads_of_the_process()


def set_num_threads(value: int | None) -> None:
    """Set how many threads share a compiled loop; None: the default again.

    Raises
    ------
    ValueError
        If it is less than one.
    """
    _NUM_THREADS.set(None if value is None else _standardize_threads(value, "num_threads"))


def compilation() -> Compilation:
    """Return what happens to a loop that is called before it is compiled (`set_compilation`).

    ``"wait"`` unless ``LAYERSCOPE_COMPILATION`` in the environment or `set_compilation` says
    otherwise.
    """
    return _compilation[0] or _compilation_of_the_process()


def set_compilation(value: str | None) -> None:
    """Set what happens, in the whole process, to a loop that is called before it is compiled.

    ``"wait"``
        The call compiles it, once per machine, which takes up to some seconds; the same program
        gives the same numbers to the last bit, also at its first run.
    ``"background"``
        Another process of low priority compiles it, while NumPy answers. Nobody waits; results may
        differ by roundings before and after.
    None
        The default again.

    ``python -m layerscope.warmup`` compiles everything beforehand: then there is no difference.

    Raises
    ------
    ValueError
        For anything else.
    """
    _compilation[0] = None if value is None else _standardize_compilation(value, "compilation")


@cache
def _compilation_of_the_process() -> Compilation:
    wanted = os.environ.get("LAYERSCOPE_COMPILATION", "wait")
    return _standardize_compilation(wanted, "LAYERSCOPE_COMPILATION")


def _standardize_compilation(value: str, name: str) -> Compilation:
    if value not in ("wait", "background"):
        raise ValueError(f"`{name}` must be one of 'wait', 'background'. Received: {value!r}")
    return value


def keep_large_arrays() -> None:
    """Let the process keep the memory of large arrays, for the next ones.

    Where Python runs on glibc, a freed block beyond a threshold goes back to the system at once,
    and the next array of its size is new memory, of which every page must be mapped and cleared
    first. That takes several times as long as most operations. glibc raises the threshold, up to
    32 MB, to the size of the largest block it ever saw freed: so one is freed here, which nothing
    was written to and which therefore never was in memory. The process then keeps up to 64 MB that
    it does not use, whatever they were used for: Layerscope does not call this when it is imported.
    A threshold that ``MALLOC_MMAP_THRESHOLD_`` or `mallopt` set stays as it is, and other
    allocators do not care.
    """
    np.empty(_LARGEST_BLOCK, np.uint8)


def enable_flash_attention() -> None:
    """Undo `disable_flash_attention`: layers compute on a graphics card where there is one."""
    _FLASH_ATTENTION.set(None)


def disable_flash_attention() -> None:
    """Let layers that are made from now on not ask for a graphics card."""
    _FLASH_ATTENTION.set(False)


def is_flash_attention_enabled() -> bool | None:
    """Return False after `disable_flash_attention`, otherwise None: where it is possible."""
    return _FLASH_ATTENTION.get()


@cache
def name_of(dtype: np.dtype) -> str:
    """Return the name of a type; NumPy puts it together anew each time, which takes long."""
    return dtype.name


def float_type_for(dtype: Any) -> str:
    """Return the float type to compute in, given numbers of a type: that type, or `floatx`."""
    name = name_of(dtype) if isinstance(dtype, np.dtype) else str(dtype)
    return name if name in FLOAT_TYPES else floatx()


def standardize_dtype(value: Any) -> str:
    """Return the name of a dtype given in any of the usual ways; None means `floatx`.

    Accepts a name, a NumPy dtype or type, a Keras ``DTypePolicy`` config, and anything with a
    ``dtype`` attribute.

    Raises
    ------
    ValueError
        If it names no type Layerscope computes in.
    """
    if value is None:
        return floatx()
    if isinstance(value, str) and value in _TYPES:
        return value
    if isinstance(value, dict):
        value = value.get("config", {}).get("name")
    # Python's own types mean what Keras takes them for, not NumPy's 64 bits.
    if value is float or value is int:
        return floatx() if value is float else "int32"
    try:
        name = name_of(np.dtype(getattr(value, "dtype", value)))
    except TypeError:
        name = str(value)
    if name == "string" or name.startswith(("str", "bytes")):
        return "string"
    if name not in _TYPES:
        raise ValueError(
            f"Argument `dtype` must be one of {', '.join(FLOAT_TYPES)} or an integer type. "
            f"Received: dtype={value!r}"
        )
    return name
