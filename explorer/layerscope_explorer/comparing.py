"""Two stacks side by side: A, which was pinned, and B, which goes on being edited.

A is a document, plain data. It is looked at on the input, seed and phase of B, so that whatever
differs in the pictures comes of the settings that differ.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from layerscope.configurable import fields_of
from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.diagnosis.words import value_words
from layerscope_explorer.document import INPUT, Document, LayerSpec, TrainingSpec, frozen
from layerscope_explorer.engine import Engine
from layerscope_explorer.limits import MAX_LAYERS
from layerscope_explorer.sentence import initializer_words
from layerscope_explorer.snapshot import Snapshot
from layerscope_explorer.strings import language, section, text

__all__ = ["Difference", "PinnedStack", "differences", "on_same_ground"]


def on_same_ground(pinned: Document, current: Document) -> Document:
    """Return A on the input, seed and phase of B."""
    return replace(pinned, input=current.input, seed=current.seed, phase=current.phase)


class PinnedStack:
    """A, and what it takes to draw it.

    Parameters
    ----------
    document : A.
    weights : what its layers had learned when it was pinned, by layer id.
    seed : what they were drawn from: with another seed they are forgotten.
    """

    def __init__(
        self, document: Document, weights: Mapping[str, Sequence[np.ndarray]], seed: int
    ) -> None:
        self.document, self.weights, self.seed = document, dict(weights), seed
        self._engine = Engine()
        self._drawn: tuple[Any, ...] = ()

    def adopt(self, snapshot: Snapshot) -> None:
        """Take finished pictures for those of A: it was pinned as it stood."""
        self._drawn = self._ground(snapshot.document)

    def snapshot(self, current: Document, known: Snapshot | None) -> Snapshot:
        """Return A's pictures on the ground of `current`; those `known` if they still hold."""
        document = on_same_ground(self.document, current)
        ground = self._ground(document)
        if known is not None and ground == self._drawn:
            return known
        weights = self.weights if document.seed == self.seed else {}
        drawn = self._engine.snapshot(document, weights)
        self._drawn = ground
        return drawn

    def _ground(self, document: Document) -> tuple[Any, ...]:
        return document.layers, document.input, document.seed, document.phase, language()


# --- what differs -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that A and B do not share.

    Attributes
    ----------
    key : stays the same while other settings change.
    layer_id : of the layer it is about; "" for how the stack is trained.
    name : what differs, in words.
    before, after : what it is in A and in B, in words; "" where there is no such thing.
    revert : returns B with this as it is in A.
    """

    key: str
    layer_id: str
    name: str
    before: str
    after: str
    revert: Callable[[], Document]


def differences(pinned: Document, current: Document) -> list[Difference]:
    """Return the settings in which `current` differs from `pinned`, in the order of the stack."""
    return [*_layers(pinned, current), *_training(pinned, current)]


def _layers(pinned: Document, current: Document) -> Iterator[Difference]:
    old = {layer.id: layer for layer in pinned.layers}
    new = {layer.id: layer for layer in current.layers}
    names, old_names = current.names(), pinned.names()
    moved = _moved([one for one in old if one in new], [one for one in new if one in old])
    for layer in current.layers:
        if layer.id not in old:
            put = partial(edits.remove_layer, current, layer.id)
            name = text("compare.added", name=names[layer.id])
            yield Difference(f"{layer.id} added", layer.id, name, "", "", put)
            continue
        yield from _layer(old[layer.id], layer, pinned, current, names[layer.id])
        if layer.id in moved:
            back = partial(_moved_back, pinned, current, layer.id)
            name = text("compare.moved", name=names[layer.id])
            yield Difference(f"{layer.id} moved", layer.id, name, "", "", back)
    for layer in pinned.layers:
        if layer.id not in new:
            name = text("compare.removed", name=old_names[layer.id])
            back = partial(_put_back, pinned, current, layer)
            yield Difference(f"{layer.id} removed", layer.id, name, "", "", back)


def _layer(
    old: LayerSpec, new: LayerSpec, pinned: Document, current: Document, name: str
) -> Iterator[Difference]:
    """Return what differs between two states of the same layer."""

    def of(what: str, before: str, after: str, revert: Callable[[], Document]) -> Difference:
        label = text("compare.setting", name=name, setting=section("compare").get(what, what))
        return Difference(f"{new.id} {what}", new.id, label, before, after, revert)

    if (old.class_name, old.shares) != (new.class_name, new.shares):
        # Another kind of layer has other arguments: all of it goes back at once.
        whole = partial(_replaced, pinned, current, old)
        yield of("kind", _kind(pinned, old), _kind(current, new), whole)
        return
    for argument, (before, after) in _arguments(old, new).items():
        back = partial(_argument_back, current, old, argument)
        yield of(argument, _words(before), _words(after), back)
    if old.bypassed != new.bypassed:
        before, after = (text(f"compare.{'off' if one.bypassed else 'on'}") for one in (old, new))
        yield of("use", before, after, partial(edits.set_bypassed, current, new.id, old.bypassed))
    if old.sources != new.sources:
        before, after = (
            ", ".join(document.names().get(one, one) for one in spec.sources) or "–"
            for document, spec in ((pinned, old), (current, new))
        )
        yield of("sources", before, after, partial(_sources_back, current, old))
    if old.roll != new.roll:
        rolled = replace(current.layer(new.id), roll=old.roll)
        yield of("roll", str(old.roll), str(new.roll), partial(edits.with_layer, current, rolled))


def _kind(document: Document, layer: LayerSpec) -> str:
    if not layer.shares:
        return layer.class_name
    return text("stack.same_as", name=document.names()[layer.id])


def _arguments(old: LayerSpec, new: LayerSpec) -> dict[str, tuple[Any, Any]]:
    """Return the values of the arguments that differ, in the order of the class."""
    cls = layerscope_catalogue().layer(new.class_name)
    declared = {one.name: one.default for one in fields_of(cls)} if cls else {}
    names = [*declared, *sorted({*old.arguments, *new.arguments} - declared.keys())]
    pairs = {
        name: tuple(spec.arguments.get(name, declared.get(name)) for spec in (old, new))
        for name in names
        if name in old.arguments or name in new.arguments
    }
    return {name: (before, after) for name, (before, after) in pairs.items() if before != after}


def _words(value: Any) -> str:
    if isinstance(value, Mapping) and "config" in value:
        return initializer_words(value)
    return value_words(value)


def _training(pinned: Document, current: Document) -> Iterator[Difference]:
    words = section("training")
    for option in TrainingSpec.__dataclass_fields__:
        before, after = (getattr(one.training, option) for one in (pinned, current))
        if before != after:
            back = partial(edits.set_training, current, option, before)
            name = words.get(option, option)
            told = _words(before), _words(after)
            yield Difference(f"training {option}", "", name, *told, back)


# --- back to A, one setting at a time -----------------------------------------------------------


def _argument_back(current: Document, old: LayerSpec, argument: str) -> Document:
    layer = current.layer(old.id)
    arguments = {name: one for name, one in layer.arguments.items() if name != argument}
    if argument in old.arguments:
        arguments[argument] = old.arguments[argument]
    return edits.with_layer(current, replace(layer, arguments=frozen(arguments)))


def _sources_back(current: Document, old: LayerSpec) -> Document:
    layer = current.layer(old.id)
    return edits.with_layer(current, replace(layer, sources=_known_above(current, old, old.id)))


def _known_above(current: Document, old: LayerSpec, layer_id: str) -> tuple[str, ...]:
    """Return the sources a layer had in A that are above its place in B."""
    above = {INPUT}
    for one in current.layers:
        if one.id == layer_id:
            break
        above.add(one.id)
    return tuple(source for source in old.sources if source in above)


def _replaced(pinned: Document, current: Document, old: LayerSpec) -> Document:
    """Return B with one layer exactly as it is in A."""
    return edits.with_layer(current, _fitted(pinned, current, old))


def _fitted(pinned: Document, current: Document, old: LayerSpec) -> LayerSpec:
    """Return a layer of A as it can stand in B, where others may be missing."""
    sources = _known_above(current, old, old.id)
    if not old.shares:
        return replace(old, sources=sources)
    owners = [one.id for one in current.layers if not one.shares]
    above = owners[: owners.index(old.shares) + 1] if old.shares in owners else []
    if above and current.index(old.shares) < _place(pinned, current, old.id):
        return replace(old, sources=sources)
    owner = pinned.owner(old.id)
    return replace(old, arguments=owner.arguments, roll=owner.roll, shares="", sources=sources)


def _place(pinned: Document, current: Document, layer_id: str) -> int:
    """Return where a layer of A belongs in B: behind the nearest one above it that B has too."""
    places = {one.id: place for place, one in enumerate(current.layers)}
    if layer_id in places:
        return places[layer_id]
    for one in reversed(pinned.layers[: pinned.index(layer_id)]):
        if one.id in places:
            return places[one.id] + 1
    return 0


def _put_back(pinned: Document, current: Document, old: LayerSpec) -> Document:
    """Return B with a layer that only A has."""
    at = _place(pinned, current, old.id)
    layers = list(current.layers)
    layers.insert(at, replace(old, sources=()))
    full = replace(current, layers=tuple(layers))
    if len(layers) > MAX_LAYERS:
        raise ValueError(text("session.too_many_layers", limit=MAX_LAYERS))
    return edits.with_layer(full, _fitted(pinned, full, old))


def _moved_back(pinned: Document, current: Document, layer_id: str) -> Document:
    rest = replace(current, layers=tuple(one for one in current.layers if one.id != layer_id))
    return edits.move_layer(current, layer_id, _place(pinned, rest, layer_id))


def _moved(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """Return the fewest of the same ids that changed their place from `old` to `new`.

    Those that are left are the longest sequence in the order of `old`.

    Examples
    --------
    >>> _moved(["a", "b", "c", "d"], ["d", "a", "b", "c"])
    {'d'}
    """
    place = {one: at for at, one in enumerate(old)}
    tails: list[int] = []
    ends: list[str] = []
    before: dict[str, str] = {}
    for one in new:
        at = bisect_left(tails, place[one])
        if at:
            before[one] = ends[at - 1]
        tails[at : at + 1], ends[at : at + 1] = [place[one]], [one]
    kept = set()
    last = ends[-1] if ends else None
    while last is not None:
        kept.add(last)
        last = before.get(last)
    return set(new) - kept
