"""A model that is a graph of symbolic calls."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope.custom_objects import custom_object_scope
from layerscope.graph import Node, nodes_between, unconnected
from layerscope.layers.input import InputLayer
from layerscope.layers.layer import Layer
from layerscope.masks import with_masks
from layerscope.models.graph_config import graph_config, rebuild_graph
from layerscope.models.model import Model
from layerscope.models.naming import make_names_unique
from layerscope.ops.shapes import ShapeError
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tensor import KerasTensor


class Functional(Model):
    """The layers between symbolic inputs and outputs; made by ``Model(inputs, outputs)``."""

    keras_module: ClassVar[str] = "keras.src.models.functional"
    #: Whether a file has the layers under `layers`, whatever other attributes hold them.
    layers_are_saved_first: ClassVar[bool] = True

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        for tensor in (*leaves(inputs), *leaves(outputs)):
            if not isinstance(tensor, KerasTensor):
                raise ValueError(
                    "`inputs` and `outputs` of a model must be made by `Input` and by calling "
                    f"layers on it. Received: {tensor!r}"
                )
        self._input_structure = inputs
        self._output_structure = outputs
        self._input_tensors: list[KerasTensor] = leaves(inputs)
        self._output_tensors: list[KerasTensor] = leaves(outputs)
        self._nodes: list[Node] = nodes_between(self._input_tensors, self._output_tensors)
        entries = [_source(tensor) for tensor in self._input_tensors]
        found: dict[int, Layer] = {
            id(layer): layer for layer in entries if isinstance(layer, InputLayer)
        }
        for node in self._nodes:
            if isinstance(node.operation, Layer):
                found.setdefault(id(node.operation), node.operation)
        self.graph_layers = list(found.values())
        make_names_unique(self.graph_layers)
        self.built = True

    @property
    def layers(self) -> list[Layer]:
        return list(self.graph_layers)

    @property
    def inputs(self) -> list[KerasTensor]:
        """Symbolic inputs."""
        return self._input_tensors

    @property
    def outputs(self) -> list[KerasTensor]:
        """Symbolic outputs."""
        return self._output_tensors

    @property
    def input_shape(self) -> Any:
        return map_structure(lambda tensor: tensor.shape, self._input_structure)

    @property
    def output_shape(self) -> Any:
        return map_structure(lambda tensor: tensor.shape, self._output_structure)

    @property
    def input(self) -> Any:
        return self._input_structure

    @property
    def output(self) -> Any:
        return self._output_structure

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the graph; `training` reaches the layers through the ambient phase.

        As in Keras it also takes the place of what layers were told when they were connected, which
        Keras writes down even if nobody told them.

        Masks travel with the values; `mask` replaces those of the inputs.
        """
        given = with_masks(self._arrange(inputs), mask)
        values: dict[int, Any] = {}
        for tensor, value in zip(self._input_tensors, given, strict=True):
            self._check(tensor, value)
            values[id(tensor)] = value
        for node in self._nodes:
            results = node.run(lambda tensor: values[id(tensor)], training)
            for tensor, value in zip(node.outputs, leaves(results), strict=True):
                values[id(tensor)] = value
        return map_structure(lambda tensor: values[id(tensor)], self._output_structure)

    def _arrange(self, inputs: Any) -> list[Any]:
        """Put the given values in the order of the symbolic inputs."""
        if isinstance(inputs, dict):
            if isinstance(self._input_structure, dict):
                return [inputs[key] for key in self._input_structure]
            names = [_source(tensor).name for tensor in self._input_tensors]
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(f"Model '{self.name}' needs inputs {names}; missing: {missing}.")
            return [inputs[name] for name in names]
        given = leaves(inputs)
        if len(given) != len(self._input_tensors):
            raise ValueError(
                f"Model '{self.name}' expects {len(self._input_tensors)} input(s), received "
                f"{len(given)}."
            )
        return given

    def _check(self, tensor: KerasTensor, value: Any) -> None:
        expected, shape = tensor.shape, tuple(value.shape)
        fits = len(shape) == len(expected) and all(
            want in (None, have) or have is None
            for want, have in zip(expected, shape, strict=False)
        )
        if not fits:
            fixed = f", whose batch size is {expected[0]}" if expected[0] is not None else ""
            raise ShapeError(
                f"Input of model '{self.name}' is incompatible with the model{fixed}: expected "
                f"shape={expected}, found shape={shape}"
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output's shape for an input's."""
        tensors = map_shapes(lambda shape: KerasTensor(shape, self.dtype), input_shape)
        with unconnected():
            return map_structure(lambda tensor: tensor.shape, self.call(tensors))

    def get_config(self) -> dict[str, Any]:
        """Return the layers, the calls that connect them, inputs and outputs."""
        return graph_config(self)

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Functional:
        """Rebuild the model that `get_config` described, with new weights."""
        with custom_object_scope(custom_objects or {}):
            inputs, outputs = rebuild_graph(config)
        model = cls(inputs, outputs, name=config.get("name"))
        model.trainable = config.get("trainable", True)
        return model


def _source(tensor: KerasTensor) -> Any:
    """Return what made a symbolic tensor."""
    return None if tensor.history is None else tensor.history[0].operation


Model._functional = Functional
