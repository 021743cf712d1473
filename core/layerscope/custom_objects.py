"""Objects of a user's own that configs may name.

Registered ones are known to the whole process; those of a scope only in its block, and only to the
thread that opened it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

#: Objects made known by `register_keras_serializable`.
_REGISTERED: dict[str, Any] = {}
_REGISTERED_NAMES: dict[Any, str] = {}

_SCOPED: ContextVar[dict[str, Any] | None] = ContextVar("custom_objects", default=None)


@contextmanager
def custom_object_scope(custom_objects: dict[str, Any]) -> Iterator[None]:
    """Make objects known by name while the block runs."""
    token = _SCOPED.set({**(_SCOPED.get() or {}), **custom_objects})
    try:
        yield
    finally:
        _SCOPED.reset(token)


CustomObjectScope = custom_object_scope


def get_custom_objects() -> dict[str, Any]:
    """Return the objects known by name at this moment."""
    return {**_REGISTERED, **(_SCOPED.get() or {})}


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """Decorate a class or function so that configs can name it as ``package>name``.

    Raises
    ------
    ValueError
        If a class lacks ``get_config``.
    """

    def decorate(item: T) -> T:
        if isinstance(item, type) and not hasattr(item, "get_config"):
            raise ValueError(
                f"Cannot register the class {item.__name__}: it has no `get_config()` method."
            )
        full = f"{package}>{name or item.__name__}"  # type: ignore[attr-defined]
        _REGISTERED[full] = item
        _REGISTERED_NAMES[item] = full
        return item

    return decorate


def get_registered_name(item: Any) -> str:
    """Return the name `item` was registered under, else its own."""
    return _REGISTERED_NAMES.get(item, getattr(item, "__name__", type(item).__name__))


def get_registered_object(name: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the object registered as `name`, None if there is none."""
    return (custom_objects or {}).get(name) or find_custom_object(name)


def find_custom_object(name: str) -> Any:
    """Return the scoped or registered object called `name`, None if there is none."""
    scoped = _SCOPED.get() or {}
    if name in scoped:
        return scoped[name]
    if name in _REGISTERED:
        return _REGISTERED[name]
    for full, item in _REGISTERED.items():
        if full.endswith(f">{name}"):
            return item
    return None
