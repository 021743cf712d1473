"""A layer that cannot work, with everything a repair needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerscope.configurable import Field, fields_of
from layerscope.layers.weight_owner import weightless
from layerscope.tensor import Shape
from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.diagnosis.dry_run import COMPLAINTS, Outline
from layerscope_explorer.diagnosis.shapes import wanted_axes
from layerscope_explorer.diagnosis.words import value_words
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.making import make_layer
from layerscope_explorer.snapshot import Fix, Problem
from layerscope_explorer.strings import text

#: A repair, or several of which only the first that works is of interest.
Idea = Fix | list[Fix]


@dataclass(frozen=True)
class Patient:
    """The first layer of a stack that cannot work.

    Attributes
    ----------
    document, problem : the stack, and what is wrong.
    outline : what is reached of it.
    index, spec, name : the layer; where it shares another's weights, `owner` has the arguments.
    layer : itself, unbuilt; None if it cannot even be made.
    given : shape of what it gets from above.
    """

    document: Document
    problem: Problem
    outline: Outline
    index: int
    spec: LayerSpec
    owner: LayerSpec
    name: str
    layer: Any
    given: Shape

    @classmethod
    def of(cls, document: Document, problem: Problem, outline: Outline) -> Patient:
        """Examine the layer of a problem."""
        index = document.index(problem.layer_id)
        spec, owner = document.layers[index], document.owner(problem.layer_id)
        name = document.names()[spec.id]
        layer = None
        try:
            with weightless():
                layer = make_layer(document, owner, name)
        except COMPLAINTS:
            pass
        given = outline.above(index).shape
        return cls(document, problem, outline, index, spec, owner, name, layer, given)

    @property
    def axes(self) -> int:
        """How many axes one sample has that it gets."""
        return len(self.given) - 1

    @property
    def whole(self) -> bool:
        """Whether it gets whole numbers from above."""
        return self.outline.above(self.index).whole

    @property
    def wanted(self) -> int | None:
        """How many axes a sample should have; None where that is not what is wrong."""
        wanted = wanted_axes(self.layer)
        if wanted is None or wanted[0] <= self.axes <= wanted[1]:
            return None
        return wanted[0] if self.axes < wanted[0] else wanted[1]

    @property
    def fields(self) -> Mapping[str, Field]:
        """The arguments the layer can have, by name."""
        cls: Any = layerscope_catalogue().layer(self.owner.class_name)
        return {one.name: one for one in fields_of(cls)} if cls else {}

    def value(self, argument: str) -> Any:
        """Return an argument's value, its default where it has none of its own."""
        return self.owner.arguments.get(argument, self.fields[argument].default)

    def reached(self) -> list[LayerSpec]:
        """Return the layers above that compute something, from the nearest up."""
        return [one for one in reversed(self.document.layers[: self.index]) if not one.bypassed]

    def shape_before(self, layer_id: str) -> Shape:
        """Return what a layer above gets."""
        return self.outline.above(self.document.index(layer_id)).shape

    def sources(self) -> list[str]:
        """Return whose outputs it could also take, from the nearest up, the data last."""
        return [one.id for one in self.reached()[1:]] + [INPUT]

    def name_of(self, layer_id: str) -> str:
        """Return what a layer is called."""
        return self.document.names().get(layer_id, layer_id)

    # --- repairs ------------------------------------------------------------------------------

    def set(self, argument: str, value: Any, document: Document | None = None) -> Fix:
        """Return the repair that gives an argument another value."""
        label = text("diagnosis.fix_set", argument=argument, value=value_words(value))
        base = self.document if document is None else document
        return Fix(label, edits.set_argument(base, self.spec.id, argument, value))

    def insert(self, class_name: str, arguments: Mapping[str, Any] | None = None) -> Document:
        """Return the stack with another layer right above this one.

        Where other inputs of it have the same number of axes, they come from there as well.
        """
        document = edits.add_layer(self.document, class_name, self.index, arguments or {})
        if self.wanted is None:
            return document
        alike = [self._axes_of(one) == self.axes for one in self.spec.sources]
        inserted = document.layers[self.index].id
        sources = zip(self.spec.sources, alike, strict=True)
        taken = [inserted if same else source for source, same in sources]
        return edits.set_sources(document, self.spec.id, taken) if any(alike) else document

    def _axes_of(self, layer_id: str) -> int | None:
        shape = self.outline.shape(layer_id)
        return None if shape is None else len(shape) - 1

    def swap(self, class_name: str, arguments: Mapping[str, Any]) -> Document:
        """Return the stack with another layer in the place of this one."""
        rest = edits.remove_layer(self.document, self.spec.id)
        return edits.add_layer(rest, class_name, self.index, arguments)
