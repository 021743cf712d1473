"""A document's stack as code: for Keras, for Layerscope, and as JSON."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, Literal

from layerscope.configurable import REQUIRED, Field, fields_of
from layerscope.layers.signature import build_arguments
from layerscope.registry import snake_case
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.codec import to_json
from layerscope_explorer.data import Data, data_of
from layerscope_explorer.document import AUTO, INPUT, Document, LayerSpec
from layerscope_explorer.objective import objective_of
from layerscope_explorer.own_code import IMPORTS, defining, definitions_of
from layerscope_explorer.parts import PART_KINDS, Part

__all__ = ["LANGUAGES", "Code", "code_of", "is_chain", "missing_in_keras"]

Language = Literal["keras", "layerscope", "json"]
LANGUAGES: tuple[Language, ...] = ("keras", "layerscope", "json")

_WIDTH = 88
_HOMES = {
    "activation": "activations",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "layer": "layers",
    "cell": "layers",
}


@dataclass(frozen=True, slots=True)
class Code:
    """A stack in one language.

    Attributes
    ----------
    source
        The text.
    lines
        By layer id, the lines that are about it, counted from 0: first and one past the last.
    """

    source: str
    lines: Mapping[str, tuple[int, int]]


def code_of(document: Document, language: Language) -> Code:
    """Return a stack as code that builds it.

    A stack in which every layer takes what the one above gives becomes a `Sequential` model, any
    other a functional one. Bypassed layers are left out.
    """
    if language == "json":
        return _json(document)
    with defining(document.code):
        return _Writer(document, language).write()


def _json(document: Document) -> Code:
    source = to_json(document, indent=2)
    lines: dict[str, tuple[int, int]] = {}
    ids = [layer.id for layer in document.layers]
    written = source.splitlines()
    # Each layer's entry opens and closes at the same depth.
    starts = [number for number, line in enumerate(written) if line == "    {"]
    ends = [number + 1 for number, line in enumerate(written) if line.rstrip(",") == "    }"]
    for layer_id, start, end in zip(ids, starts, ends, strict=True):
        lines[layer_id] = (start, end)
    return Code(source, lines)


class _Writer:
    """Writes one document in one language."""

    def __init__(self, document: Document, language: Language) -> None:
        self.document = document
        self.language = language
        self.package = "keras" if language == "keras" else "layerscope"
        self.alias = "keras" if language == "keras" else "ls"
        self.names = {layer_id: _variable(name) for layer_id, name in document.names().items()}
        self.own = {one.name for one in definitions_of(document.code)}
        self.lines: list[str] = []
        self.places: dict[str, tuple[int, int]] = {}

    def write(self) -> Code:
        """Write everything."""
        layers = [layer for layer in self.document.layers if not layer.bypassed]
        imported = self.package if self.package == self.alias else f"{self.package} as {self.alias}"
        self.lines += [f"import {imported}", f"from {self.package} import layers", ""]
        if self.document.code:
            self._write_own()
        self.lines += [f"{self.alias}.utils.set_random_seed({self.document.seed})", ""]
        data = data_of(self.document.input.arguments)
        dtype = "" if data.x.dtype.kind == "f" else f', dtype="{data.x.dtype}"'
        given = f"{self.alias}.Input({data.shape}{dtype})"
        if is_chain(self.document):
            self._sequential(layers, given)
        else:
            self._functional(layers, given)
        if data.outputs:
            self._compile(layers, data)
        return Code("\n".join(self.lines) + "\n", self.places)

    def _write_own(self) -> None:
        """Write a person's own Python, after what it uses without importing it."""
        code = self.document.code
        used = [line for line, name in IMPORTS if re.search(rf"\b{name}\b", code)]
        lines = [*used, "", *code.strip().splitlines(), ""]
        if self.package == "layerscope":
            lines = [_KERAS_IMPORT.sub(_layerscope_import, line) for line in lines]
        self.lines += [line for line in lines if not line or line not in self.lines]

    def _given(self, layer: LayerSpec, inputs: list[str]) -> str:
        """Return what a layer is called on: one input, a list of several, or several one by one."""
        if not _merges(layer):
            return inputs[0]
        given = ", ".join(inputs)
        one_by_one = len(build_arguments(layerscope_catalogue().layers[layer.class_name])) > 1
        return given if one_by_one else f"[{given}]"

    def _sequential(self, layers: list[LayerSpec], given: str) -> None:
        self.lines += [f"model = {self.alias}.Sequential([", f"    {given},"]
        for layer in layers:
            self._note(layer, self._call(layer, 4), indent=4, end=",")
        self.lines.append("])")

    def _functional(self, layers: list[LayerSpec], given: str) -> None:
        self.lines.append(f"inputs = {given}")
        # A name of its own only for what is used again further down; what a bypassed layer gives is
        # that of the layer above it.
        makers = {INPUT: INPUT}
        above = INPUT
        for layer in self.document.layers:
            above = makers[layer.id] = above if layer.bypassed else layer.id
        reused = {makers[source] for layer in layers for source in layer.sources}
        values = {INPUT: "inputs"}
        shared = {layer.shares for layer in layers if layer.shares}
        last = "inputs"
        for layer in self.document.layers:
            if layer.bypassed:
                values[layer.id] = last
                continue
            inputs = [last, *(values[source] for source in layer.sources)]
            given = self._given(layer, inputs)
            owner = self.document.owner(layer.id)
            first = "[0]" if gives_several(owner) else ""
            name = self.names[layer.id]
            value = _new(f"{name}_output", values.values()) if layer.id in reused else "x"
            if layer.shares or layer.id in shared:
                if not layer.shares:
                    self._note(layer, f"{name} = {self._call(layer, 0)}")
                self._note(layer, f"{value} = {name}({given}){first}")
            else:
                self._note(layer, f"{value} = {self._call(layer, 0)}({given}){first}")
            values[layer.id] = last = value
        self.lines.append(f"model = {self.alias}.Model(inputs, {last})")

    def _note(self, layer: LayerSpec, code: str, indent: int = 0, end: str = "") -> None:
        written = [" " * indent + line for line in (code + end).splitlines()]
        first = self.places.get(layer.id, (len(self.lines), 0))[0]
        self.lines += written
        self.places[layer.id] = (first, len(self.lines))

    def _compile(self, layers: list[LayerSpec], data: Data) -> None:
        training = self.document.training
        last = self.document.owner(layers[-1].id) if layers else None
        given = last.arguments if last is not None else {}
        activation, units = str(given.get("activation", "")), given.get("units", data.outputs)
        if last is not None and last.class_name == "Softmax":
            activation = "softmax"
        try:
            objective = objective_of(data, training.loss, units, activation)
        except ValueError:
            objective = objective_of(data, AUTO, data.outputs, activation)
        loss = f'"{snake_case(objective.loss_name)}"'
        if objective.from_logits:
            loss = f"{self.alias}.losses.{objective.loss_name}(from_logits=True)"
        if objective.one_hot:
            self.lines.append(f"# Targets are one-hot: {self.alias}.utils.to_categorical(y).")
        self.lines += [
            "model.compile(",
            f"    {self.alias}.optimizers.{training.optimizer}({training.learning_rate}),",
            f"    {loss},",
            f'    metrics=["{"accuracy" if data.classes else "mae"}"],',
            ")",
            "model.summary()",
        ]

    # --- calls ---------------------------------------------------------------------------

    def _call(self, layer: LayerSpec, indent: int) -> str:
        """Return the layer's constructor call, over several lines where one is too long."""
        cls: Any = layerscope_catalogue().layer(layer.class_name)
        arguments = self._arguments(fields_of(cls), layer.arguments)
        place = "" if layer.class_name in self.own else "layers."
        return self._spread(f"{place}{layer.class_name}", arguments, indent)

    def _spread(self, function: str, arguments: list[str], indent: int) -> str:
        line = f"{function}({', '.join(arguments)})"
        if len(line) + indent <= _WIDTH or not arguments:
            return line
        inside = "".join(f"    {argument},\n" for argument in arguments)
        return f"{function}(\n{inside})"

    def _arguments(self, fields: tuple[Field, ...], given: Mapping[str, Any]) -> list[str]:
        written = []
        by_position = True
        for declared in fields:
            if declared.name not in given:
                by_position = False
                continue
            value = self._value(declared, given[declared.name])
            # As people write it: what must be given by position, the rest by name.
            plain = by_position and declared.default is REQUIRED and not declared.kw_only
            written.append(value if plain else f"{declared.name}={value}")
        return written

    def _value(self, declared: Field, value: Any) -> str:
        if declared.kind == "cells" or (declared.kind == "cell" and isinstance(value, list)):
            return "[" + ", ".join(self._part("cell", one) for one in value) + "]"
        named = isinstance(value, str) and value in self.own
        if declared.kind in PART_KINDS and (named or isinstance(value, Mapping)):
            return self._part(declared.kind, value)
        if declared.name == "function" and isinstance(value, str):
            # What a `Lambda` applies: the document names an operation.
            return f"{self.alias}.ops.{value}"
        if isinstance(value, list):
            return repr(_as_tuple(value))
        if isinstance(value, str):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return repr(value)

    def _part(self, kind: str, value: Any) -> str:
        catalogue = layerscope_catalogue()
        part = Part.of(value, kind, catalogue)
        if part is None:
            return "None"
        home = _HOMES[kind]
        if part.name in self.own and kind == "activation":
            return part.name
        place = "layers" if home == "layers" else f"{self.alias}.{home}"
        config = {name: one for name, one in part.config.items() if name != "name"}
        arguments = self._arguments(catalogue.fields(kind, part.name), config)
        prefix = "" if part.name in self.own else f"{place}."
        return f"{prefix}{part.name}({', '.join(arguments)})"


#: An import of Keras in own code, which Layerscope can stand in for.
_KERAS_IMPORT = re.compile(r"^(\s*)(from|import) keras\b(?! as)(.*)$")


def _layerscope_import(found: re.Match[str]) -> str:
    indent, word, rest = found.groups()
    alias = " as keras" if word == "import" and not rest.strip() else ""
    return f"{indent}{word} layerscope{rest}{alias}"


def _variable(name: str) -> str:
    """Return a layer's name as that of a variable: `lambda` is a word of Python itself."""
    return f"{name}_" if iskeyword(name) else name


def _new(name: str, taken: Collection[str]) -> str:
    """Return a name, numbered if another call of the same layer has it already."""
    numbered = (f"{name}_{number}" if number else name for number in itertools.count())
    return next(one for one in numbered if one not in taken)


def is_chain(document: Document) -> bool:
    """Tell whether every layer takes what the one above it gives, and nothing else."""
    used = [layer for layer in document.layers if not layer.bypassed]
    return not any(layer.shares or _merges(layer) or gives_several(layer) for layer in used)


def _merges(layer: LayerSpec) -> bool:
    cls: Any = layerscope_catalogue().layer(layer.class_name)
    return bool(layer.sources) or takes_several_inputs(cls)


def gives_several(layer: LayerSpec) -> bool:
    """Tell whether a layer has more outputs than the one that goes on."""
    inner = layer.arguments.get("layer")
    options = [layer.arguments, inner.get("config", {}) if isinstance(inner, Mapping) else {}]
    return any(one.get(name) for one in options for name in _MORE_OUTPUTS)


_MORE_OUTPUTS = ("return_state", "return_attention_scores")


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(one) for one in value) if isinstance(value, list) else value


def missing_in_keras(document: Document) -> list[str]:
    """Return the layers of a stack that Keras 3 has no public class for."""
    catalogue = layerscope_catalogue()
    names = {layer.class_name for layer in document.layers if not layer.bypassed}
    return sorted(name for name in names if not getattr(catalogue.layer(name), "in_keras_3", True))
