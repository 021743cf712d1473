"""A model that is one layer after another."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from layerscope import ops
from layerscope.layers import Dense, deserialize, serialize
from layerscope.layers.input import Input, InputLayer
from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import inside
from layerscope.masks import get_keras_mask, with_masks
from layerscope.models.model import Model
from layerscope.models.naming import make_names_unique
from layerscope.tensor import KerasTensor, Shape, Tensor, Variable


class Sequential(Model):
    """Layers applied one after another.

    With an `Input` first (or the older ``input_shape=`` on the first layer) shapes are known and
    weights made at once; without, at the first call.

    Examples
    --------
    >>> import layerscope as ls
    >>> model = ls.Sequential([ls.Input((4,)), ls.layers.Dense(3), ls.layers.Dense(2)])
    >>> model.output_shape
    (None, 2)
    """

    keras_module: ClassVar[str] = "keras"
    #: Whether a file has the layers under `layers`, whatever other attributes hold them.
    layers_are_saved_first: ClassVar[bool] = True

    def __init__(
        self,
        layers: Sequence[Layer | KerasTensor] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self.stack: list[Layer] = []
        #: The state that each layer was in, and the runs of dense layers that follow from it.
        self._known_runs: tuple[list[Any], dict[int, _DenseRun]] = ([], {})
        self._symbolic_input: KerasTensor | None = None
        self._symbolic_output: KerasTensor | None = None
        for layer in layers or []:
            self.add(layer)

    @property
    def _entry(self) -> InputLayer | None:
        """Where data enters, None as long as no shape is known."""
        tensor = self._symbolic_input
        return None if tensor is None or tensor.history is None else tensor.history[0].operation

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return list(self.stack)

    def add(self, layer: Layer | KerasTensor) -> None:
        """Append a layer.

        Raises
        ------
        ValueError
            If it is not a layer, or an input that does not come first.
        """
        if isinstance(layer, KerasTensor) and layer.history is not None:
            layer = layer.history[0].operation
        if isinstance(layer, InputLayer):
            if self._entry is not None or self.stack:
                raise ValueError(
                    f"Sequential model '{self.name}' already has layers; an input comes first."
                )
            self._symbolic_input = self._symbolic_output = layer.output
            return
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `layerscope.Layer` can be added to a Sequential model. "
                f"Received: {layer!r} (of type {type(layer).__name__})"
            )
        if not self.stack and self._entry is None and layer._legacy_input_shape is not None:
            self.add(Input(layer._legacy_input_shape, dtype=layer.dtype))
        self.stack.append(layer)
        try:
            make_names_unique(self.stack)
            if self._symbolic_output is not None:
                with inside(self):
                    self._symbolic_output = layer(self._symbolic_output)
                self.built = True
            else:
                self.built = False
        except ValueError:
            # A layer that does not fit leaves the model as it was.
            self.stack.pop()
            raise

    def pop(self) -> Layer:
        """Remove and return the last layer.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not self.stack:
            raise ValueError(f"There are no layers in model '{self.name}'.")
        layer = self.stack.pop()
        if self._symbolic_output is not None and layer._inbound_nodes:
            self._symbolic_output = layer._inbound_nodes.pop().inputs[0]
        self.built = self.built and bool(self.stack)
        return layer

    def build(self, input_shape: Shape) -> None:
        """Make the weights for an input of this shape, batch first."""
        if self._symbolic_input is not None:
            return
        self._require_layers()
        entry = Input(batch_shape=tuple(input_shape), dtype=self.dtype)
        assert entry.history is not None
        value: Any = entry
        with inside(self):
            for layer in self.stack:
                value = layer(value)
        self._symbolic_input, self._symbolic_output = entry, value

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Apply the layers in order; `training` reaches them through the ambient phase.

        Masks travel with the values; `mask` replaces that of the input.
        """
        self._require_layers()
        inputs = with_masks(inputs, mask)
        at, stack, runs = 0, self.stack, self._dense_runs()
        while at < len(stack):
            run = runs.get(at)
            if run is not None and run.takes(inputs):
                inputs = ops.dense_stack(inputs, *run.weights, activations=run.activations)
                at += len(run.activations)
            else:
                inputs = stack[at](inputs)
                at += 1
        return inputs

    def _dense_runs(self) -> dict[int, _DenseRun]:
        """Return the dense layers that follow each other, by the place of the first."""
        states = [layer._state_of_call for layer in self.stack]
        known, runs = self._known_runs
        if len(known) != len(states) or not all(map(operator.is_, known, states)):
            runs = {}
            for at in range(len(self.stack)):
                run = _dense_run(self.stack[at:])
                if run is not None:
                    runs[at] = run
            self._known_runs = states, runs
        return runs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the output's shape, from each layer's rule alone."""
        for layer in self.stack:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def _symbolic(self, tensor: KerasTensor | None, what: str) -> KerasTensor:
        if tensor is None:
            raise AttributeError(
                f"Sequential model '{self.name}' has no defined {what} yet: give it an `Input`, "
                "build it or call it on data."
            )
        return tensor

    @property
    def inputs(self) -> list[KerasTensor]:
        """Symbolic input, in a list."""
        return [self._symbolic(self._symbolic_input, "inputs")]

    @property
    def outputs(self) -> list[KerasTensor]:
        """Symbolic output, in a list."""
        return [self._symbolic(self._symbolic_output, "outputs")]

    @property
    def input(self) -> KerasTensor:
        return self._symbolic(self._symbolic_input, "input")

    @property
    def output(self) -> KerasTensor:
        return self._symbolic(self._symbolic_output, "output")

    @property
    def input_shape(self) -> Shape:
        return self._symbolic(self._symbolic_input, "input shape").shape

    @property
    def output_shape(self) -> Shape:
        return self._symbolic(self._symbolic_output, "output shape").shape

    def get_config(self) -> dict[str, Any]:
        """Return the layers' configs, the input's first."""
        entry = [self._entry] if self._entry is not None else []
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in (*entry, *self.stack)],
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Sequential:
        """Rebuild the model that `get_config` described, with new weights."""
        model = cls(name=config.get("name"))
        for entry in config["layers"]:
            model.add(deserialize(entry, custom_objects))
        model.trainable = config.get("trainable", True)
        return model


class _DenseRun(NamedTuple):
    """Several dense layers in a row: kernel and bias of each, and its activation."""

    weights: list[Variable]
    activations: tuple[str | None, ...]

    def takes(self, value: Any) -> bool:
        """Tell whether to such a value the layers do nothing but multiply."""
        kernel = self.weights[0].value
        array = value.value if type(value) is Tensor else value
        return (
            type(array) is np.ndarray
            and array.dtype == kernel.dtype
            and array.ndim > 1
            and array.shape[-1] == len(kernel)
            and get_keras_mask(value) is None
        )


def _dense_run(layers: list[Layer]) -> _DenseRun | None:
    """Return the dense layers that come first, if there are several."""
    weights: list[Variable] = []
    activations: list[str | None] = []
    for layer in layers:
        product = layer._product() if isinstance(layer, Dense) else None
        if (
            product is None
            or layer.dtype != layers[0].dtype
            or (weights and weights[-1].shape[0] != product[0].shape[0])
        ):
            break
        kernel, bias, activation = product
        weights += [kernel, bias]
        activations.append(activation)
    return _DenseRun(weights, tuple(activations)) if len(activations) > 1 else None
