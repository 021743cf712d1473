"""Objects to plain data and back, in the format Keras 3 uses.

An object becomes ``{"module", "class_name", "config", "registered_name"}``. Built-in classes name
the module Keras has them in, so that a config written here also loads there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from layerscope.configurable import Configurable
from layerscope.registry import bases, find, valid_names

T = TypeVar("T")

#: Objects made known for the whole process by `register_keras_serializable`.
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


def registered_name(item: Any) -> str:
    """Return what a config calls a custom object."""
    return get_registered_name(item)


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


def is_built_in(cls: type) -> bool:
    """Tell whether Layerscope itself defines `cls`."""
    return cls.__module__.startswith("layerscope.")


def serialize_keras_object(obj: Any) -> Any:
    """Return the config of an object: class, arguments, and where to find the class."""
    if not isinstance(obj, Configurable):
        return serialize_value(obj)
    cls = type(obj)
    built_in = is_built_in(cls)
    return {
        "module": cls.keras_module if built_in else "builtins",
        "class_name": cls.__name__,
        "config": obj.get_config(),
        "registered_name": None if built_in else registered_name(cls),
    }


def serialize_value(value: Any) -> Any:
    """Return one constructor argument as plain data.

    Raises
    ------
    TypeError
        If it cannot be.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Configurable):
        return serialize_keras_object(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return type(value)(serialize_value(entry) for entry in value)
    if isinstance(value, dict):
        return {key: serialize_value(entry) for key, entry in value.items()}
    if hasattr(value, "get_config"):
        return {
            "module": "keras.random",
            "class_name": type(value).__name__,
            "config": value.get_config(),
            "registered_name": None,
        }
    if callable(value):
        return serialize_function(value)
    raise TypeError(f"cannot serialize {value!r}")


def serialize_function(function: Callable[..., Any]) -> str | dict[str, Any]:
    """Return the name of a built-in activation, or a config for another function."""
    name = getattr(function, "__name__", type(function).__name__)
    if function.__module__ == "layerscope.activations":
        return name
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": registered_name(function),
    }


def deserialize_keras_object(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the object a config describes.

    Raises
    ------
    TypeError
        If its class is not known.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        return config
    with custom_object_scope(custom_objects or {}):
        for base in bases():
            if (cls := find_class(base, config)) is not None:
                return cls.from_config(config.get("config", {}))
        custom = find_custom_object(config.get("registered_name") or config["class_name"])
        if custom is not None:
            inner = config.get("config", {})
            return custom.from_config(inner) if hasattr(custom, "from_config") else custom
    raise unknown_class(config)


def find_class(base: type[Configurable], config: dict[str, Any]) -> type[Any] | None:
    """Return the class below `base` that a config names, a custom one first."""
    for name in (config.get("registered_name"), config["class_name"]):
        custom = find_custom_object(name) if name else None
        if isinstance(custom, type) and issubclass(custom, base):
            return custom
    return find(base, config["class_name"])


def unknown_class(config: dict[str, Any]) -> TypeError:
    """Build the error for a class nobody knows."""
    return TypeError(
        f"Could not locate class {config.get('class_name')!r}. Make sure custom classes are "
        "decorated with `@layerscope.saving.register_keras_serializable()` or passed in "
        f"`custom_objects`. Full object config: {config}"
    )


def deserialize_as(base: type[T], config: Any, custom_objects: dict[str, Any] | None = None) -> T:
    """Return the object of one kind that a config describes.

    Raises
    ------
    ValueError
        If `config` is not a config.
    TypeError
        If its class is not known.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(
            f"Expected a config with 'class_name' and 'config' of a {base.__name__}. "
            f"Received: {config!r}"
        )
    with custom_object_scope(custom_objects or {}):
        cls = find_class(base, config)  # type: ignore[arg-type]
        if cls is None:
            raise unknown_class(config)
        return cls.from_config(config.get("config") or {})


def identify(base: type[T], identifier: Any) -> T | Callable[..., Any] | None:
    """Return the object of one kind meant by a name, class, config, instance or callable.

    Raises
    ------
    ValueError
        If nothing is meant by it.
    """
    kind: str = base.kind  # type: ignore[attr-defined]
    if identifier is None or isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, dict):
        return deserialize_as(base, identifier)
    if isinstance(identifier, str):
        found = find_custom_object(identifier) or find(base, identifier)  # type: ignore[arg-type]
        if found is not None:
            return found() if isinstance(found, type) else found
    elif callable(identifier):
        return identifier
    raise ValueError(
        f"Could not interpret {kind} identifier: {identifier!r}. "
        f"Valid names: {', '.join(valid_names(base))}."  # type: ignore[arg-type]
    )
