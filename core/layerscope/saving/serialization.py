"""Plain data to objects, from the format Keras 3 uses; `layerscope.plain_data` is the way there.

No code of a config is ever run and nothing is imported for one: a class must be Layerscope's, be
made known as a custom object, or be in a module that the program has loaded itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from layerscope.configurable import Configurable
from layerscope.custom_objects import custom_object_scope, find_custom_object, get_custom_objects
from layerscope.registry import bases, find, valid_names

T = TypeVar("T")


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
        # Two kinds may have a class of one name, as `Identity`; the module tells them apart.
        for base in sorted(bases(), key=lambda base: base.keras_module != config.get("module")):
            if (cls := find_class(base, config)) is not None:
                return cls.from_config(config.get("config", {}))
        custom = find_custom_object(config.get("registered_name") or config["class_name"])
        if custom is not None:
            inner = config.get("config", {})
            return custom.from_config(inner) if hasattr(custom, "from_config") else custom
    raise unknown_class(config)


def find_class(base: type[Configurable], config: dict[str, Any]) -> type[Any] | None:
    """Return the class below `base` that a config names, a custom one first."""
    candidates = [
        find_custom_object(name)
        for name in (config.get("registered_name"), config["class_name"])
        if name
    ]
    candidates.append(_loaded(config))
    for custom in candidates:
        if isinstance(custom, type) and issubclass(custom, base):
            return custom
    return find(base, config["class_name"])


def _loaded(config: dict[str, Any]) -> Any:
    """Return what the program has in the module that a config names, None if nothing."""
    module = sys.modules.get(str(config.get("module")))
    return vars(module).get(config["class_name"]) if module is not None else None


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
        # What was registered in a package must not hide what is built in by its bare name.
        found = (
            get_custom_objects().get(identifier)
            or find(base, identifier)  # type: ignore[arg-type]
            or find_custom_object(identifier)
        )
        if found is not None:
            return found() if isinstance(found, type) else found
    elif callable(identifier):
        return identifier
    raise ValueError(
        f"Could not interpret {kind} identifier: {identifier!r}. "
        f"Valid names: {', '.join(valid_names(base))}."  # type: ignore[arg-type]
    )
