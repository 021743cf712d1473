"""Arguments that a stranger may give a layer: no files, no code, nothing that is made too early.

Arguments come from anywhere: from a link, a file, a browser that somebody wrote himself. What the
core may do with them for its owner it must not do for a stranger.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from layerscope import ops
from layerscope.activations import ACTIVATIONS
from layerscope.ops.operation import Operation
from layerscope_explorer.catalogue import canonical
from layerscope_explorer.strings import text

__all__ = ["check_harmless", "functions"]

#: Arguments that Keras, and the core, also take as the path of a file.
_READ_FROM_FILES = frozenset({"vocabulary"})
#: What configs call functions, types and arrays; each is more than a plain value. A function is
#: chosen by its name, and only where the layer itself stands in the stack.
_CODE = frozenset(map(canonical, ("__lambda__", "function", "__numpy__", "__typespec__", "Lambda")))
#: Operations of these modules say what they would give before they give it.
_CALM = ("elementwise", "manipulation", "nn", "reductions")
_DEEPEST = 12


@cache
def functions() -> frozenset[str]:
    """Return the functions that a `Lambda` of the page may have, by name.

    Those that make something out of nothing, of whatever size, are not among them.
    """
    calm = {
        name
        for name in ops.__all__
        if isinstance(found := getattr(ops, name), Operation)
        and found.forward.__module__.rpartition(".")[2] in _CALM
    }
    return frozenset(calm | set(ACTIVATIONS)) - {"cast"}


def check_harmless(class_name: str, argument: str, value: Any) -> None:
    """Raise if a layer's argument, or one inside it, is more than a plain value.

    Raises
    ------
    ValueError
        With a message for who sent it.
    """
    named = isinstance(value, str) and value in functions()
    if class_name == "Lambda" and argument == "function" and not named:
        raise ValueError(text("faults.no_function", value=str(value)[:60]))
    _check(argument, value, 0)


def _check(name: Any, value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(text("faults.too_much"))
    if isinstance(value, str) and name in _READ_FROM_FILES:
        raise ValueError(text("faults.no_files", name=name))
    if isinstance(value, Mapping):
        if canonical(str(value.get("class_name", ""))) in _CODE:
            raise ValueError(text("faults.no_code"))
        for key, one in value.items():
            _check(key, one, depth + 1)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _check("", one, depth + 1)
