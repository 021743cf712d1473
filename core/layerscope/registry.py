"""Finding a built-in class by what a person may call it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from layerscope.configurable import Configurable


@functools.lru_cache(1024)
def snake_case(name: str) -> str:
    """Return a class name the way Keras writes it in lower case: ``Conv2D`` -> ``conv2d``."""
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def bases() -> list[type[Any]]:
    """Return the base class of every kind: layer, initializer, regularizer, ..."""
    return [
        cls for cls in Configurable.__subclasses__() if cls.__module__.startswith("layerscope.")
    ]


def subclasses(base: type[Configurable]) -> Iterator[type[Any]]:
    """Yield every built-in class below `base`, in order of definition.

    Classes of users are left out: one person's class must not appear in another's palette.
    """
    # A class with two bases below `base` is met twice.
    yield from dict.fromkeys(_below(base))


def _below(base: type[Configurable]) -> Iterator[type[Any]]:
    for child in base.__subclasses__():
        if child.__module__.startswith("layerscope."):
            if not child.__name__.startswith("_"):
                yield child
            yield from _below(child)


@functools.cache
def names_of(cls: type[Configurable]) -> set[str]:
    """Return every name `cls` answers to."""
    names = {cls.__name__, *vars(cls).get("aliases", ())}
    return names | {snake_case(name) for name in names}


def find(base: type[Configurable], name: str) -> type[Any] | None:
    """Return the built-in class below `base` called `name`, None if there is none."""
    try:
        return _found(base, name)
    except LookupError:
        return None


@functools.lru_cache(1024)
def _found(base: type[Configurable], name: str) -> type[Any]:
    """Find a class; that there is none is not remembered, for its module may come later."""
    for cls in subclasses(base):
        if name in names_of(cls):
            return cls
    raise LookupError(name)


def valid_names(base: type[Configurable]) -> list[str]:
    """Return the class names below `base`, sorted, for messages and menus."""
    return sorted({cls.__name__ for cls in subclasses(base)})
