"""What of a document may be changed while a lesson or a teacher's task is open."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from layerscope_explorer.document import Document, LayerSpec
from layerscope_explorer.strings import text

__all__ = ["AREAS", "FREE", "Rules", "changes"]

#: Parts of a document that are locked or open as a whole. "arguments" are those of every layer.
AREAS = ("layers", "sources", "arguments", "rerolls", "input", "seed", "phase", "training", "code")

_ARGUMENT = re.compile(r"(?:layer\d{1,6}\.)?[a-z][a-z0-9_]{0,39}")
_MOST = 40


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be changed; everything where `only` is None.

    Attributes
    ----------
    only : names of areas, of arguments (``"activation"``), or of an argument of one layer
        (``"layer3.activation"``).
    """

    only: frozenset[str] | None = None

    @classmethod
    def of(cls, names: Iterable[str] | None) -> Rules:
        """Return the rules with these names.

        Raises
        ------
        ValueError
            If one can be no name.
        """
        if names is None:
            return FREE
        names = list(names)
        for name in names:
            if not isinstance(name, str) or not _ARGUMENT.fullmatch(name):
                raise ValueError(text("lesson.bad_rule", name=str(name)[:60]))
        if len(names) > _MOST:
            raise ValueError(text("lesson.bad_rule", name=len(names)))
        return cls(frozenset(names))

    def allow(self, area: str) -> bool:
        """Tell whether an area may be changed."""
        return self.only is None or area in self.only

    def allow_argument(self, layer_id: str, argument: str) -> bool:
        """Tell whether a layer's argument may be changed."""
        if self.only is None:
            return True
        return not self.only.isdisjoint(("arguments", argument, f"{layer_id}.{argument}"))

    def forbidden(self, before: Document, after: Document) -> list[str]:
        """Return what an edit changes though it may not, as names for `only`."""
        return [
            name
            for name in changes(before, after)
            if not (self.allow_argument(*name.split(".")) if "." in name else self.allow(name))
        ]


#: Nothing is locked.
FREE = Rules()


def changes(before: Document, after: Document) -> list[str]:
    """Return what differs between two documents, as names for `Rules.only`.

    Examples
    --------
    >>> from layerscope_explorer.edits import set_argument, set_seed
    >>> from layerscope_explorer.presets import digits_stack
    >>> document = digits_stack()
    >>> changes(document, set_seed(document, 1))
    ['seed']
    >>> changes(document, set_argument(document, "layer1", "filters", 3))
    ['layer1.filters']
    """
    found = [
        name
        for name in ("input", "seed", "phase", "training", "code")
        if getattr(before, name) != getattr(after, name)
    ]
    if _frames(before) != _frames(after):
        found.insert(0, "layers")
    known = {layer.id: layer for layer in before.layers}
    for layer in after.layers:
        if layer.id in known:
            found += _layer_changes(known[layer.id], layer)
    return list(dict.fromkeys(found))


def _frames(document: Document) -> list[tuple[str, str, bool, str]]:
    return [(one.id, one.class_name, one.bypassed, one.shares) for one in document.layers]


def _layer_changes(before: LayerSpec, after: LayerSpec) -> list[str]:
    names = [*before.arguments, *(one for one in after.arguments if one not in before.arguments)]
    nothing = object()
    changed = [
        f"{after.id}.{name}"
        for name in names
        if before.arguments.get(name, nothing) != after.arguments.get(name, nothing)
    ]
    if before.sources != after.sources:
        changed.append("sources")
    if before.roll != after.roll:
        changed.append("rerolls")
    return changed
