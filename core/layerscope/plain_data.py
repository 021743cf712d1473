"""Objects to plain data, in the format Keras 3 uses.

An object becomes ``{"module", "class_name", "config", "registered_name"}``. Built-in classes name
the module Keras has them in, so that a config written here also loads there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.custom_objects import get_registered_name


def is_built_in(cls: type) -> bool:
    """Tell whether Layerscope itself defines `cls`."""
    return cls.__module__.startswith("layerscope.")


def serialize_keras_object(obj: Any) -> Any:
    """Return the config of an object: class, arguments, and where to find the class."""
    if not hasattr(obj, "get_config"):
        return serialize_value(obj)
    cls = type(obj)
    built_in = is_built_in(cls)
    return {
        "module": cls.keras_module if built_in else cls.__module__,
        "class_name": (getattr(cls, "keras_name", None) if built_in else None) or cls.__name__,
        "config": obj.get_config(),
        "registered_name": None if built_in else get_registered_name(cls),
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
    if hasattr(value, "get_config"):
        return serialize_keras_object(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return type(value)(serialize_value(entry) for entry in value)
    if isinstance(value, dict):
        return {key: serialize_value(entry) for key, entry in value.items()}
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
        "registered_name": get_registered_name(function),
    }
