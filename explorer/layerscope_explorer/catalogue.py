"""What a person can choose from: layers for the palette, parts for the inspector's pickers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from layerscope import registry
from layerscope.configurable import REQUIRED, Configurable, Field, fields_of
from layerscope_explorer.data import InputData
from layerscope_explorer.theme import SECTION_COLORS

__all__ = [
    "Catalogue",
    "canonical",
    "is_cell",
    "is_offering",
    "layerscope_catalogue",
    "offering",
    "own_free_catalogue",
    "summary_of",
    "takes_several_inputs",
]

NOT_IN_PALETTE = frozenset({"Layer", "InputLayer", "Sequential", "Functional"})
SECTION_ORDER = tuple(SECTION_COLORS)


def canonical(name: str) -> str:
    """Return the spelling under which `GlorotUniform` and `glorot_uniform` are the same.

    Examples
    --------
    >>> canonical("GlorotUniform") == canonical("glorot_uniform")
    True
    """
    return name.replace("_", "").lower()


def summary_of(thing: Any) -> str:
    """Return the first sentence of a docstring, without its mark-up."""
    documentation = inspect.getdoc(thing) or ""
    return documentation.split("\n\n")[0].replace("\n", " ").replace("`", "").strip()


@dataclass(frozen=True)
class Catalogue:
    """Everything that can be added to a stack or picked for an argument.

    Attributes
    ----------
    layers
        Layer classes by name, in the order the palette shows them.
    parts
        For each kind ("activation", "initializer", "regularizer", "constraint", "layer", "cell")
        the choices by name. A class that is configurable brings a nested form; anything else is a
        plain name.
    """

    layers: Mapping[str, type]
    parts: Mapping[str, Mapping[str, Any]]

    def palette(self) -> list[dict[str, str]]:
        """Return `{name, section, summary}` of every layer."""
        return [
            {"name": name, "section": section_of(cls), "summary": summary_of(cls)}
            for name, cls in self.layers.items()
        ]

    def layer(self, class_name: str) -> type | None:
        """Return the layer class of this name, or None; ``"Input"`` is what the data declares."""
        return InputData if class_name == "Input" else self.layers.get(class_name)

    def choices(self, kind: str) -> list[str]:
        """Return the names an argument of this kind can take."""
        return list(self.parts.get(kind, {}))

    def choice(self, kind: str, name: str) -> str | None:
        """Return the catalogue's own spelling of `name`, or None when it has no such choice."""
        wanted = canonical(name)
        for own, thing in self.parts.get(kind, {}).items():
            names = (own, *getattr(thing, "aliases", ()))
            if any(canonical(known) == wanted for known in names):
                return own
        return None

    def fields(self, kind: str, name: str) -> tuple[Field, ...]:
        """Return the arguments of one choice, for its nested form; empty for a plain name."""
        thing: Any = self.parts.get(kind, {}).get(name)
        if not inspect.isclass(thing) or not issubclass(thing, Configurable):
            return ()
        # The session's own seed decides, so that Undo and a shared link repeat a picture.
        return tuple(field for field in fields_of(thing) if field.name != "seed")

    def starting(self, kind: str, name: str, only: str = "") -> dict[str, Any]:
        """Return first values for the arguments of a choice that have no default.

        Parameters
        ----------
        only
            One argument, where not all are asked for.
        """
        thing: Any = self.parts.get(kind, {}).get(name)
        found = starting_values(thing) if inspect.isclass(thing) else {}
        return {key: value for key, value in found.items() if only in ("", key)}


def starting_value(declared: Field) -> Any:
    """Return a sensible first value for an argument without a default, None if none is obvious."""
    if declared.kind == "activation":
        return "relu"
    if declared.kind == "choice":
        return declared.choices[0]
    if declared.slider is None:
        return None
    low, high = declared.slider
    if declared.kind == "float":
        return round((low + high) / 2 + 1e-9, 1)
    middle = max(round((max(low, 1) * max(high, 1)) ** 0.5), 1)
    return [middle] * (declared.length or 1) if declared.kind == "ints" else middle


def starting_values(cls: Any) -> dict[str, Any]:
    """Return values, as plain data, for the arguments of a class that have no default."""
    found = {}
    for declared in fields_of(cls) if issubclass(cls, Configurable) else ():
        if declared.default is REQUIRED:
            value = starting_value(declared)
            # What no slider can suggest, such as a shape, comes from the class's own example.
            examples = getattr(cls, "examples", ())
            example = examples[0].arguments.get(declared.name) if examples else None
            found[declared.name] = example if value is None else value
    return json.loads(json.dumps({**_needed(cls, found), **found}))


def _needed(cls: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class's first example adds to arguments that are not enough to make one."""
    examples: Any = getattr(cls, "examples", ())
    try:
        if examples:
            cls(**found)
    except ValueError:
        return examples[0].arguments
    return {}


def section_of(cls: type) -> str:
    """Return the catalogue section a layer class declares."""
    return str(getattr(cls, "section", "other") or "other")


#: What is offered here beyond what `layerscope` has, for a document with code of its own.
_offered: ContextVar[Catalogue | None] = ContextVar("catalogue", default=None)


@contextmanager
def offering(catalogue: Catalogue | None) -> Iterator[None]:
    """Offer another catalogue inside the block, and in workers started there; None: the usual."""
    token = _offered.set(catalogue)
    try:
        yield
    finally:
        _offered.reset(token)


def is_offering() -> bool:
    """Tell whether more is offered here than what `layerscope` has."""
    return _offered.get() is not None


def layerscope_catalogue() -> Catalogue:
    """Return everything that can be chosen here."""
    return _offered.get() or own_free_catalogue()


@cache
def own_free_catalogue() -> Catalogue:
    """Return everything the installed `layerscope` offers."""
    from layerscope import activations, layers
    from layerscope.constraints import Constraint
    from layerscope.initializers import Initializer
    from layerscope.regularizers import Regularizer

    public = {
        thing.__name__: thing
        for thing in vars(layers).values()
        if inspect.isclass(thing)
        and issubclass(thing, layers.Layer)
        and thing.__name__ not in NOT_IN_PALETTE
    }
    layers_by_name = dict(sorted(public.items(), key=_palette_order))
    return Catalogue(
        layers=layers_by_name,
        parts={
            "activation": activations.ACTIVATIONS,
            "initializer": _parts_below(Initializer),
            "regularizer": _parts_below(Regularizer),
            "constraint": _parts_below(Constraint),
            "layer": {name: cls for name, cls in layers_by_name.items() if _can_be_wrapped(cls)},
            "cell": {name: cls for name, cls in layers_by_name.items() if is_cell(cls)},
        },
    )


@cache
def takes_several_inputs(cls: type) -> bool:
    """Tell whether a layer is called on a list of inputs."""
    examples = getattr(cls, "examples", ())
    return bool(examples) and all(isinstance(one.input_shape, list) for one in examples)


@cache
def is_cell(cls: Any) -> bool:
    """Tell whether a layer computes one step of a sequence, from an input and states."""
    names = {declared.name for declared in fields_of(cls)}
    return hasattr(cls, "get_initial_state") and "return_sequences" not in names


def _can_be_wrapped(cls: type) -> bool:
    return not takes_several_inputs(cls) and not is_cell(cls) and cls.__name__ != "Lambda"


def _palette_order(entry: tuple[str, type]) -> tuple[int, str]:
    section = section_of(entry[1])
    place = SECTION_ORDER.index(section) if section in SECTION_ORDER else len(SECTION_ORDER)
    return place, entry[0]


def _parts_below(base: type[Configurable]) -> dict[str, type]:
    return {cls.__name__: cls for cls in registry.subclasses(base) if not inspect.isabstract(cls)}
