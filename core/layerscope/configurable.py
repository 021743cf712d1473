"""One declaration per constructor argument, from which everything else is derived.

A configurable class (layer, initializer, regularizer, constraint, optimizer, loss) declares each
argument once, as an annotated ``field``. Its constructor, validation, error messages, config,
``repr``, reference page and the explorer's form all come from that declaration.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, TypeVar, dataclass_transform, overload

import numpy as np

from layerscope.plain_data import serialize_value

REQUIRED: Any = inspect.Parameter.empty

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Field:
    """One constructor argument: what is valid, what it means, how a control offers it.

    Attributes
    ----------
    name : argument name.
    kind : ``"int" "float" "bool" "choice" "text" "ints" "activation" "initializer" "regularizer"
        "constraint" "layer" "cell" "cells"`` or ``"any"``; derived from the annotation unless
        declared.
    default : default value, ``REQUIRED`` when the caller must give one.
    converter : brings what a caller may pass to the annotated type, which is checked afterwards.
    optional : whether None is valid.
    ge, gt, le, lt : bounds on the value (on each entry for ``"ints"``).
    slider : the softer range a control offers.
    choices : valid values of a ``"choice"``.
    length : number of entries of ``"ints"``, None for any number.
    per_axis : whether there is one entry per spatial axis, as many as the class's `rank`.
    after : argument of a base class that this one follows; None: the order of declaration.
    last : whether it stands behind the arguments that subclasses declare.
    refusal : error for an invalid ``{value}``, where Keras has its own words for it.
    arrays : whether an array of numbers may stand for a ``"float"``; derived as `kind`.
    single : whether one integer in place of ``"ints"`` is kept as such; derived as `kind`.
    """

    name: str
    default: Any = REQUIRED
    converter: Callable[[Any], Any] | None = None
    help: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    slider: tuple[float, float] | None = None
    kw_only: bool = False
    kind: str = "any"
    optional: bool = False
    choices: tuple[str, ...] = ()
    length: int | None = None
    per_axis: bool = False
    after: str | None = None
    last: bool = False
    refusal: str | None = None
    arrays: bool = False
    single: bool = False

    def check(self, value: Any) -> Any:
        """Return `value` in the form the class stores.

        Raises
        ------
        ValueError
            If the value is not valid; the message names the argument, what is valid and the value.
        """
        if self.converter is not None:
            value = self.converter(value)
        if value is None and (self.optional or self.default is None):
            return None
        return _CHECKS.get(self.kind, _check_any)(self, value)

    def expected(self) -> str:
        """Describe in words what is valid."""
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", self.ge),
                ("greater than", self.gt),
                ("at most", self.le),
                ("less than", self.lt),
            )
            if bound is not None
        ]
        words = {
            "int": "an integer",
            "float": "a number",
            "bool": "True or False",
            "text": "a string",
            "choice": "one of " + ", ".join(repr(choice) for choice in self.choices),
            "ints": f"an integer or a tuple of {self.length or 'several'} integers",
        }.get(self.kind, f"a valid {self.kind}")
        if bounds:
            words += (", each " if self.kind == "ints" else " ") + " and ".join(bounds)
        return words + (" or None" if self.optional else "")

    def error(self, value: Any) -> ValueError:
        """Build the error for an invalid `value`."""
        if self.refusal is not None:
            return ValueError(self.refusal.format(value=value))
        return ValueError(
            f"Argument `{self.name}` must be {self.expected()}. Received: {self.name}={value!r}"
        )

    def _in_bounds(self, value: float) -> bool:
        return not (
            (self.ge is not None and value < self.ge)
            or (self.gt is not None and value <= self.gt)
            or (self.le is not None and value > self.le)
            or (self.lt is not None and value >= self.lt)
        )


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _check_int(field: Field, value: Any) -> int:
    if not _is_integer(value) or not field._in_bounds(value):
        raise field.error(value)
    return int(value)


def _check_float(field: Field, value: Any) -> float | np.ndarray:
    if field.arrays and isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value
    if not (_is_integer(value) or isinstance(value, (float, np.floating))):
        raise field.error(value)
    number = float(value)
    if not np.isfinite(number) or not field._in_bounds(number):
        raise field.error(value)
    return number


def _check_bool(field: Field, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise field.error(value)
    return bool(value)


def _check_text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise field.error(value)
    return value


def _check_choice(field: Field, value: Any) -> str:
    if not isinstance(value, str) or value not in field.choices:
        raise field.error(value)
    return value


def _check_ints(field: Field, value: Any) -> int | tuple[int, ...]:
    if field.single and _is_integer(value):
        return _check_int(field, value)
    entries = (value,) * (field.length or 1) if _is_integer(value) else value
    if not isinstance(entries, (tuple, list)) or (field.length and len(entries) != field.length):
        raise field.error(value)
    if not all(map(_is_integer, entries)):
        raise field.error(value)
    beyond = {int(entry) for entry in entries if not field._in_bounds(entry)}
    if beyond and field.length and field.refusal is None:
        bound = "value > 0" if field.ge == 1 else f"value >= {field.ge}"
        raise ValueError(
            f"The `{field.name}` argument must be a tuple of {field.length} integers. Received "
            f"{field.name}={value}, including values {beyond} that do not satisfy `{bound}`"
        )
    if beyond:
        raise field.error(value)
    return tuple(int(entry) for entry in entries)


def _check_any(field: Field, value: Any) -> Any:
    return value


_CHECKS: dict[str, Callable[[Field, Any], Any]] = {
    "int": _check_int,
    "float": _check_float,
    "bool": _check_bool,
    "text": _check_text,
    "choice": _check_choice,
    "ints": _check_ints,
}


@overload
def field(
    *,
    default: S = ...,
    converter: Callable[[S], T],
    help: str = ...,
    ge: float | None = ...,
    gt: float | None = ...,
    le: float | None = ...,
    lt: float | None = ...,
    slider: tuple[float, float] | None = ...,
    kw_only: bool = ...,
    per_axis: bool = ...,
    kind: str = ...,
    after: str | None = ...,
    last: bool = ...,
    refusal: str | None = ...,
) -> T: ...


@overload
def field(
    *,
    default: Any = ...,
    help: str = ...,
    ge: float | None = ...,
    gt: float | None = ...,
    le: float | None = ...,
    lt: float | None = ...,
    slider: tuple[float, float] | None = ...,
    kw_only: bool = ...,
    per_axis: bool = ...,
    kind: str = ...,
    after: str | None = ...,
    last: bool = ...,
    refusal: str | None = ...,
) -> Any: ...


def field(*, default: Any = REQUIRED, **options: Any) -> Any:
    """Declare a constructor argument of a `Configurable` class.

    Parameters
    ----------
    default : default value; leave out when the caller must give one. Type checkers see it only
        when it is passed by name.
    converter : turns what a caller may pass (a name, a config) into what is stored.
    help : one plain sentence.
    ge, gt, le, lt : bounds.
    slider : range a control offers.
    kw_only : may only be passed by name.
    per_axis : for integers: one per spatial axis, of which the class's `rank` tells the number.
    kind : what is wanted, where the annotation cannot say it: ``"cell"``, ``"cells"``.
    after : argument of a base class that this one follows; None: the order of declaration.
    last : stands behind the arguments that subclasses declare.
    refusal : error for an invalid ``{value}``, where Keras has its own words for it.
    """
    return Field(name="", default=default, **options)


def sizes(value: int | Sequence[int] | None) -> Any:
    """Tell type checkers that one integer may stand for one per axis; the check repeats it."""
    return value


def lower_case(value: Any) -> Any:
    """Let a word be given in any case."""
    return value.lower() if isinstance(value, str) else value


def whole_number(name: str) -> Callable[[Any], Any]:
    """Return a converter that refuses what is no integer with the error Keras has for it."""

    def convert(value: Any) -> Any:
        if not _is_integer(value):
            raise TypeError(
                f"Expected an integer value for `{name}`. Received: {name}={value!r} (of type "
                f"{type(value).__name__})"
            )
        return value

    return convert


def _resolve(field: Field, name: str, hint: Any) -> Field:
    """Complete `field` with what its annotation says."""
    arguments = typing.get_args(hint)
    optional = type(None) in arguments
    if optional:
        remaining = [argument for argument in arguments if argument is not type(None)]
        hint = remaining[0] if len(remaining) == 1 else typing.Union[tuple(remaining)]  # noqa: UP007
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    found: dict[str, Any] = {"kind": field.kind}
    if arguments == (float, np.ndarray):
        found = {"kind": "float", "arrays": True}
    elif arguments == (int, tuple[int, ...]):
        found = {"kind": "ints", "single": True}
    elif origin is Literal:
        found = {"kind": "choice", "choices": arguments}
    elif origin is tuple and arguments and arguments[0] is int:
        length = None if Ellipsis in arguments else len(arguments)
        found = {"kind": "ints", "length": length or field.length}
    elif origin is Callable:
        found = {"kind": "activation"}
    elif isinstance(hint, type) and issubclass(hint, Configurable):
        found = {"kind": hint.kind}
    elif hint in (int, float, bool, str):
        found = {"kind": {int: "int", float: "float", bool: "bool", str: "text"}[hint]}
    return replace(field, name=name, optional=optional, **found)


def _unknown_arguments(owner: type, unknown: dict[str, Any], known: list[str]) -> ValueError:
    name = next(iter(unknown))
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    return ValueError(
        f"Unrecognized keyword arguments passed to {owner.__name__}: {unknown}.{hint} "
        f"Valid arguments: {', '.join(known) or 'none'}."
    )


@dataclass_transform(field_specifiers=(field,))
class Configurable:
    """Base of every class whose instances are described by a config.

    A subclass lists its arguments as ``name: type = field(...)`` and may define
    ``__post_init__`` for checks that involve several arguments. A subclass that defines its own
    ``__init__`` works as any Python class; the arguments it was called with become its config.
    """

    kind: ClassVar[str] = "object"
    #: Where Keras keeps the class, so that a config written here also loads there.
    keras_module: ClassVar[str] = "builtins"
    #: What Keras's configs call the class, where that is not its own name.
    keras_name: ClassVar[str | None] = None
    aliases: ClassVar[tuple[str, ...]] = ()
    #: Arguments of a base class that here may also be given by position, and what each follows.
    _positional: ClassVar[dict[str, str]] = {}
    #: Other defaults for arguments of a base class.
    _defaults: ClassVar[dict[str, Any]] = {}
    #: Arguments that follow all others, in this order, also by position.
    _last: ClassVar[tuple[str, ...]] = ()
    _declared: ClassVar[dict[str, Field]] = {}
    _fields: ClassVar[tuple[Field, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = {
            name: replace(value, name=name)
            for name, value in vars(cls).items()
            if isinstance(value, Field)
        }
        for name in declared:
            delattr(cls, name)
        cls._declared = declared
        cls._fields = ()
        bare = cls.__init__ in (object.__init__, Configurable.__init__)
        given = hasattr(cls.__init__, "_fields")
        if (declared or bare or given) and "__init__" not in vars(cls):
            _give_constructor(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        instance = super().__new__(cls)
        if not hasattr(cls.__init__, "_fields"):
            # What a hand-written constructor was called with is the best config it can have.
            object.__setattr__(instance, "_call_arguments", (args, kwargs))
        return instance

    def _set_arguments(self, arguments: dict[str, Any]) -> None:
        """Keep checked arguments as attributes."""
        for name, value in arguments.items():
            setattr(self, name, value)

    def __post_init__(self) -> None:
        """Check or complete arguments that depend on each other."""

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        """Take over arguments of older Keras versions and return those that remain unknown."""
        return unknown

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain, JSON-friendly data.

        Raises
        ------
        NotImplementedError
            If a hand-written constructor took arguments that cannot be serialized.
        """
        if fields := fields_of(type(self)):
            return {field.name: serialize_value(self._argument(field.name)) for field in fields}
        return _recorded_config(self)

    def _argument(self, name: str) -> Any:
        """Return the value of an argument as the constructor takes it."""
        return getattr(self, attribute_of(type(self), name))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Create an instance from what `get_config` returned.

        Raises
        ------
        TypeError
            If the constructor does not accept the config.
        """
        try:
            return cls(**config)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"Error when deserializing class '{cls.__name__}' using config={config}. {error}"
            ) from error

    def __repr__(self) -> str:
        values = {one: self._argument(one.name) for one in fields_of(type(self))}
        changed = [
            f"{one.name}={value!r}"
            for one, value in values.items()
            if one.default is REQUIRED or _differs(value, one.check(one.default))
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


def _differs(value: Any, default: Any) -> bool:
    # Arrays answer `!=` entry by entry.
    return value is not default and (isinstance(value, np.ndarray) or value != default)


def _recorded_config(instance: Configurable) -> dict[str, Any]:
    """Rebuild a config from the arguments a hand-written constructor was called with."""
    cls = type(instance)
    args, kwargs = instance.__dict__.get("_call_arguments", ((), {}))
    signature = inspect.signature(cls.__init__)
    bound = signature.bind(instance, *args, **kwargs)
    bound.apply_defaults()
    config: dict[str, Any] = {}
    for parameter in list(signature.parameters.values())[1:]:
        value = bound.arguments[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            config.update(value)
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            config[parameter.name] = value
    try:
        return {name: serialize_value(value) for name, value in config.items()}
    except TypeError as error:
        raise NotImplementedError(
            f"{cls.__name__} was created with arguments that cannot be serialized ({error}); "
            "override `get_config()`."
        ) from error


@functools.cache
def attribute_of(cls: type[Configurable], name: str) -> str:
    """Return where an argument is kept: ``_weights`` if `weights` is what an instance computes."""
    known = getattr(cls, name, None)
    return f"_{name}" if isinstance(known, property) and known.fset is None else name


@functools.cache
def _arguments_of(
    declaring: type[Configurable], cls: type[Configurable]
) -> list[tuple[Field, str, bool, Any]]:
    """Return each field of a constructor with the attribute of `cls` that keeps the argument.

    They come with whether all instances have the same unless one is given, and with it.
    """
    found = []
    for one in fields_of(declaring):
        value, is_shared = one.default, False
        # A converter may look at the settings or make an object; nothing is nothing in any case.
        if value is not REQUIRED and (one.converter is None or _means_nothing(one)):
            value = one.check(value)
            is_shared = not isinstance(value, (list, dict, np.ndarray))
        found.append((one, attribute_of(cls, one.name), is_shared, value))
    return found


def _means_nothing(field: Field) -> bool:
    kinds = ("activation", "initializer", "regularizer", "constraint")
    return field.default is None and field.kind in kinds


@functools.cache
def accepts(cls: type[Configurable], name: str) -> bool:
    """Tell whether the constructor of `cls` takes an argument called `name`."""
    parameters = inspect.signature(cls.__init__).parameters
    variadic = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return variadic or name in parameters


def _merged_fields(cls: type[Configurable]) -> dict[str, Field]:
    """Return the fields of `cls` and its bases in the order of its constructor."""
    merged: dict[str, Field] = {}
    for base in reversed(cls.__mro__):
        declared = vars(base).get("_declared", {})
        for name in [one for one in merged if one in vars(base)]:
            # What a class sets itself is no argument of its constructor any more.
            del merged[name]
        for name, value in declared.items():
            # A redeclared argument takes the position its new class gives it.
            merged.pop(name, None)
            merged[name] = _for_rank(value, getattr(cls, "rank", None))
            _move_behind(merged, name, value.after)
        for name, before in vars(base).get("_positional", {}).items():
            if before in merged:
                if merged[name].kw_only:
                    merged[name] = replace(merged[name], kw_only=False)
                _move_behind(merged, name, before)
        for name, default in vars(base).get("_defaults", {}).items():
            merged[name] = replace(merged[name], default=default)
    for name in cls._last:
        if name in merged:
            value = merged.pop(name)
            moved = value.kw_only or not value.last
            merged[name] = replace(value, kw_only=False, last=True) if moved else value
    return dict(sorted(merged.items(), key=lambda item: item[1].last))


def _move_behind(merged: dict[str, Field], name: str, before: str | None) -> None:
    """Let one argument follow another, if that one is there."""
    if before not in merged:
        return
    moved = merged.pop(name)
    names = list(merged)
    merged[name] = moved
    for later in names[names.index(before) + 1 :]:
        merged[later] = merged.pop(later)


def _for_rank(field: Field, rank: int | None) -> Field:
    """Give a field with an entry per spatial axis the right number of them."""
    if not field.per_axis or rank is None:
        return field
    default = field.default
    if rank > 1 and isinstance(default, int):
        default = (default,) * rank
    return replace(field, length=rank, default=default)


def _give_constructor(cls: type[Configurable]) -> None:
    """Write the constructor that the declared fields of `cls` and its bases describe."""
    merged = _merged_fields(cls)
    positional = [value for value in merged.values() if not value.kw_only]
    keyword = [value for value in merged.values() if value.kw_only]
    # Required arguments of a subclass may follow defaults of its base.
    positional.sort(key=lambda value: value.default is not REQUIRED)
    names = [value.name for value in positional]
    required = [value.name for value in merged.values() if value.default is REQUIRED]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(names):
            raise TypeError(
                f"{type(self).__name__} takes at most {len(names)} positional arguments "
                f"({', '.join(names)}), got {len(args)}."
            )
        values = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name in values:
                raise TypeError(f"{type(self).__name__} got two values for argument `{name}`.")
            values[name] = value
        if strange := values.keys() - merged.keys():
            unknown = self._accept_legacy_arguments({name: values[name] for name in strange})
            if unknown:
                raise _unknown_arguments(
                    type(self), unknown, [*names, *(value.name for value in keyword)]
                )
        for name in required:
            if name not in values:
                raise TypeError(f"{type(self).__name__} is missing required argument `{name}`.")
        arguments = {}
        for declared, attribute, is_shared, value in _arguments_of(cls, type(self)):
            if declared.name in values:
                value = declared.check(values[declared.name])
            elif not is_shared:
                value = declared.check(value)
            arguments[attribute] = value
        self._set_arguments(arguments)
        self.__post_init__()

    by_position, by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("self", by_position),
        *[_parameter(value, by_position) for value in positional],
        *[_parameter(value, by_name) for value in keyword],
    ]
    __init__.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    __init__._fields = (*positional, *keyword)  # type: ignore[attr-defined]
    cls.__init__ = __init__


def _parameter(value: Field, kind: Any) -> inspect.Parameter:
    return inspect.Parameter(value.name, kind, default=value.default)


def fields_of(cls: type[Configurable]) -> tuple[Field, ...]:
    """Return the constructor arguments of `cls` in order; empty for a hand-written constructor."""
    if "_fields" in vars(cls) and cls._fields:
        return cls._fields
    declared: tuple[Field, ...] = getattr(cls.__init__, "_fields", ())
    if not declared:
        return ()
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        # Only the annotations of fields are evaluated: others may name types unknown at run time.
        names = vars(base).get("_declared", {})
        if names:
            scope = vars(inspect.getmodule(base))
            for name in names:
                annotation = base.__annotations__[name]
                hints[name] = eval(annotation, scope) if isinstance(annotation, str) else annotation
    cls._fields = tuple(_resolve(value, value.name, hints[value.name]) for value in declared)
    return cls._fields
