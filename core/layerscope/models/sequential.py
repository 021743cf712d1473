"""A model that is one layer after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from layerscope import ops
from layerscope.layers import Dense, deserialize, serialize
from layerscope.layers.input import Input, InputLayer
from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import inside
from layerscope.masks import with_masks
from layerscope.models.model import Model
from layerscope.models.naming import make_names_unique
from layerscope.tensor import KerasTensor, Shape


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
        at, stack = 0, self.stack
        while at < len(stack):
            run = _dense_run(stack, at, inputs)
            if len(run) > 1:
                weights = [weight for kernel, bias, _ in run for weight in (kernel, bias)]
                inputs = ops.dense_stack(inputs, *weights, activations=[one[2] for one in run])
                at += len(run)
            else:
                inputs = stack[at](inputs)
                at += 1
        return inputs

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


def _dense_run(stack: list[Layer], at: int, value: Any) -> list[tuple[Any, Any, str | None]]:
    """Return what the dense layers from a place on multiply by, if nothing else is done to a value.

    That is so once they were called on its like.
    """
    first, run = stack[at], []
    if not isinstance(first, Dense) or first._known_arguments((value,)) is None:
        return run
    for place in range(at, len(stack)):
        layer = stack[place]
        product = layer._product() if isinstance(layer, Dense) else None
        if (
            product is None
            or layer.dtype != first.dtype
            or (run and run[-1][0].shape[1] != product[0].shape[0])
        ):
            break
        run.append(product)
    return run
