"""Python of a person's own: activations, initializers, layers and other parts beside the built-in.

It runs only where somebody runs the explorer for themselves, and only what that person has run
there before: what comes with a link or a file is shown first, and runs when they say so.
"""

from __future__ import annotations

import builtins
import inspect
import os
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from threading import Lock
from typing import Any, TypeVar

import numpy as np

import layerscope
from layerscope.configurable import REQUIRED, Configurable, Field, fields_of
from layerscope.constraints import Constraint
from layerscope.custom_objects import custom_object_scope
from layerscope.initializers import Initializer
from layerscope.layers.layer import Layer
from layerscope.regularizers import Regularizer
from layerscope_explorer.catalogue import (
    Catalogue,
    is_cell,
    is_offering,
    offering,
    own_free_catalogue,
)
from layerscope_explorer.limits import MAX_OWN_CODE
from layerscope_explorer.strings import text
from layerscope_explorer.wrapping import inside

__all__ = [
    "EXAMPLE",
    "IMPORTS",
    "Definition",
    "UnreadCode",
    "defining",
    "definitions_of",
    "explained",
    "is_known",
    "is_this_machine",
    "limited",
    "may_be_written",
    "run",
    "with_own_code",
]

T = TypeVar("T", bound=type)

_FILE = "<own code>"
_FLAG = "LAYERSCOPE_OWN_CODE"
_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")
#: The longest that definitions, and a trial of one of them, may take, in seconds.
LONGEST = 2.0

#: What own code can use without importing it, as it is written at the head of exported code.
IMPORTS = (
    ("import numpy as np", "np"),
    ("import keras", "keras"),
    ("from keras import activations", "activations"),
    ("from keras import constraints", "constraints"),
    ("from keras import initializers", "initializers"),
    ("from keras import layers", "layers"),
    ("from keras import ops", "ops"),
    ("from keras import random", "random"),
    ("from keras import regularizers", "regularizers"),
)
#: What the editor begins with.
EXAMPLE = '''\
def snake(x):
    """x + sin² x: periodic, yet never falling."""
    return x + ops.square(ops.sin(x))
'''

_BASES: Mapping[str, type] = {
    "layer": Layer,
    "initializer": Initializer,
    "regularizer": Regularizer,
    "constraint": Constraint,
}
_KIND_OF_DEFAULT: Mapping[type, str] = {bool: "bool", int: "int", float: "float", str: "text"}


@dataclass(frozen=True, slots=True)
class Definition:
    """One thing that own code defines.

    Attributes
    ----------
    name : as it is picked.
    kind : ``"activation" "layer" "initializer" "regularizer" "constraint"``.
    thing : the function or class.
    """

    name: str
    kind: str
    thing: Any


@dataclass(frozen=True, slots=True)
class _OwnCode:
    """What one text defines, and the catalogue that offers it beside everything else."""

    definitions: tuple[Definition, ...]
    catalogue: Catalogue


class UnreadCode(ValueError):
    """A document brings code that nobody has run here.

    Attributes
    ----------
    code : the code, to be read by a person.
    """

    def __init__(self, code: str) -> None:
        super().__init__(text("own_code.not_here"))
        self.code = code


_known: set[str] = set()
_lock = Lock()


def is_known(source: str) -> bool:
    """Tell whether a person has run this code here."""
    return not source or source in _known


def run(source: str) -> tuple[Definition, ...]:
    """Run code that a person wrote here, and return what it defines.

    From now on documents may carry it.

    Raises
    ------
    ValueError
        If it cannot be used; the message says why, and in which line.
    """
    found = _executed(source).definitions
    with _lock:
        _known.add(source)
    return found


def definitions_of(source: str) -> tuple[Definition, ...]:
    """Return what own code defines that was run here; nothing of any other."""
    return _executed(source).definitions if source and is_known(source) else ()


def may_be_written(headers: Mapping[str, Any]) -> bool:
    """Tell whether whoever sends these headers may write Python here.

    That takes ``LAYERSCOPE_OWN_CODE=1`` where the server was started, and a browser on the same
    machine: what comes from elsewhere, or through a proxy, is a visitor.
    """
    if os.environ.get(_FLAG, "") != "1":
        return False
    named = {name.lower(): str(value) for name, value in headers.items()}
    host = named.get("host", "").rpartition(":")[0] or named.get("host", "")
    passed_on = any(name.startswith("x-forwarded") or name == "forwarded" for name in named)
    return host in _THIS_MACHINE and not passed_on


def is_this_machine(document: Any) -> bool:
    """Tell whether a page was asked for from this machine, whatever the headers say.

    Parameters
    ----------
    document : the Bokeh document of the page; one that nobody serves is for nobody elsewhere.
    """
    context = document.session_context
    if context is None:
        return True
    try:
        return ip_address(str(getattr(context.request, "remote_ip", ""))).is_loopback
    except ValueError:
        return False


def defining(source: str) -> AbstractContextManager[Any]:
    """Let everything inside the block know what own code defines, and no other."""
    if source and is_known(source):
        return _offered(_executed(source))
    return offering(None) if is_offering() else nullcontext()


def with_own_code(cls: T) -> T:
    """Let all methods of a class know what the own code of its `document` defines."""
    return inside(cls, lambda self: defining(self.document.code))


@contextmanager
def _offered(own: _OwnCode) -> Iterator[None]:
    things = {one.name: one.thing for one in own.definitions}
    with offering(own.catalogue), custom_object_scope(things):
        yield


@lru_cache(maxsize=64)
def _executed(source: str) -> _OwnCode:
    if len(source) > MAX_OWN_CODE:
        raise ValueError(text("own_code.too_long", limit=f"{MAX_OWN_CODE:,}"))
    namespace: dict[str, Any] = {
        "__name__": "own_code",
        "__builtins__": {**vars(builtins), "__import__": _import},
        **{name: _given(name) for _, name in IMPORTS},
    }
    given = dict(namespace)
    try:
        program = compile(source, _FILE, "exec", dont_inherit=True)
        with limited():
            exec(program, namespace)
    except (Exception, SystemExit) as error:
        raise ValueError(explained(error)) from None
    found = tuple(
        definition
        for name, thing in namespace.items()
        if given.get(name) is not thing
        and not name.startswith("_")
        and (definition := _definition(name, thing))
    )
    return _OwnCode(found, _extended(own_free_catalogue(), found))


def _given(name: str) -> Any:
    if name == "np":
        return np
    return layerscope if name == "keras" else getattr(layerscope, name)


def _import(name: str, *arguments: Any, **options: Any) -> Any:
    """Import as Python does, with Layerscope in Keras's place: it offers the same."""
    first, dot, rest = name.partition(".")
    own = f"layerscope{dot}{rest}" if first == "keras" else name
    return builtins.__import__(own, *arguments, **options)


# --- what is defined --------------------------------------------------------------------------


def _definition(name: str, thing: Any) -> Definition | None:
    """Return what a name of own code stands for; None for what is only a help to the rest."""
    if isinstance(thing, types.FunctionType) and thing.__code__.co_filename == _FILE:
        needed = [
            one
            for one in inspect.signature(thing).parameters.values()
            if one.default is inspect.Parameter.empty and one.kind is one.POSITIONAL_OR_KEYWORD
        ]
        kind = "activation" if len(needed) == 1 else ""
    elif inspect.isclass(thing) and thing.__module__ == "own_code":
        kind = next((one for one, base in _BASES.items() if issubclass(thing, base)), "")
    else:
        return None
    if not kind:
        return None
    free = own_free_catalogue()
    if (free.layer(name) if kind == "layer" else free.choice(kind, name)) is not None:
        raise ValueError(text("own_code.name_taken", name=name, kind=text(f"own_code.kind_{kind}")))
    if kind != "activation":
        cls: Any = thing
        cls._fields = fields_of(cls) or fields_from_signature(cls)
    return Definition(name, kind, thing)


def fields_from_signature(cls: type[Configurable]) -> tuple[Field, ...]:
    """Return the arguments of a hand-written constructor, for a form.

    A default tells the type; without one an annotation may.

    Examples
    --------
    >>> class Scaled(Layer):
    ...     def __init__(self, factor=2.0, **kwargs):
    ...         super().__init__(**kwargs)
    >>> [(one.name, one.kind, one.default) for one in fields_from_signature(Scaled)]
    [('factor', 'float', 2.0)]
    """
    found = []
    for one in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        default = REQUIRED if one.default is one.empty else one.default
        kind = _KIND_OF_DEFAULT.get(type(default)) or _kind_of_annotation(one.annotation)
        field = Field(one.name, default, kind=kind, optional=default is None)
        found.append(replace(field, kw_only=one.kind is one.KEYWORD_ONLY))
    return tuple(found)


def _kind_of_annotation(annotation: Any) -> str:
    names = {one.__name__: kind for one, kind in _KIND_OF_DEFAULT.items()}
    return names.get(getattr(annotation, "__name__", str(annotation)), "any")


def _extended(base: Catalogue, definitions: tuple[Definition, ...]) -> Catalogue:
    """Return a catalogue that offers what own code defines, first."""
    layers = {one.name: one.thing for one in definitions if one.kind == "layer"}
    own: dict[str, dict[str, Any]] = {
        kind: {one.name: one.thing for one in definitions if one.kind == kind}
        for kind in base.parts
    }
    own["cell"] = {name: cls for name, cls in layers.items() if is_cell(cls)}
    own["layer"] = {name: cls for name, cls in layers.items() if not is_cell(cls)}
    return Catalogue(
        layers={**layers, **base.layers},
        parts={kind: {**own[kind], **choices} for kind, choices in base.parts.items()},
    )


# --- failing well -------------------------------------------------------------------------------


def explained(error: BaseException) -> str:
    """Say what went wrong in own code, and in which of its lines."""
    if isinstance(error, SyntaxError) and error.filename == _FILE:
        return text("own_code.line", line=error.lineno, reason=error.msg)
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    reason = str(error) or type(error).__name__
    if isinstance(error, TypeError) and "__array_ufunc__" in reason:
        reason = text("own_code.use_ops")
    if isinstance(error, KeyError):
        reason = f"KeyError: {reason}"
    return text("own_code.line", line=line, reason=reason) if line else reason


@contextmanager
def limited(seconds: float = LONGEST) -> Iterator[None]:
    """End own code that does not end by itself.

    Raises
    ------
    ValueError
        If its lines are still being run after so many seconds.
    """
    until = time.monotonic() + seconds

    def in_own_code(frame: Any, event: str, argument: Any) -> Callable[..., Any]:
        if time.monotonic() > until:
            raise ValueError(text("own_code.too_slow", seconds=f"{seconds:g}"))
        return in_own_code

    def on_call(frame: Any, event: str, argument: Any) -> Callable[..., Any] | None:
        if frame.f_code.co_filename != _FILE:
            return None
        # A loop within one line is no new line for Python.
        frame.f_trace_opcodes = True
        return in_own_code

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)
