"""Letting all that a class does happen inside a block."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar

__all__ = ["inside"]

T = TypeVar("T", bound=type)


def inside(cls: T, block: Callable[[Any], AbstractContextManager[Any]]) -> T:
    """Run every method of a class, those with double underscores aside, inside a block.

    Parameters
    ----------
    block : called with the instance at each call.
    """

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            with block(self):
                return method(self, *args, **kwargs)

        return call

    for name, method in list(vars(cls).items()):
        if inspect.isfunction(method) and not name.startswith("__"):
            setattr(cls, name, wrapped(method))
    return cls
