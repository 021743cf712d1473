"""A model that is one layer after another."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from layerscope.layers import deserialize, serialize
from layerscope.layers.input import Input, InputLayer
from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import inside
from layerscope.masks import with_masks
from layerscope.models.dense_run import DenseRun, first_run
from layerscope.models.model import Model
from layerscope.models.naming import name_last
from layerscope.models.training import Differentiated
from layerscope.tape import is_recording
from layerscope.tensor import KerasTensor, Shape, Tensor


class _Runs(NamedTuple):
    """Dense layers of a model that follow each other.

    Attributes
    ----------
    states : that the model's layers are in; with others there may be other runs.
    of_place : the run that begins with a layer.
    whole : the run of all layers, if a training step changes its weights and nothing else.
    """

    states: list[Any]
    of_place: dict[int, DenseRun]
    whole: DenseRun | None


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
        self._known_runs = _Runs([], {}, None)
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
            name_last(self.stack)
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
        at, stack, runs = 0, self.stack, self._runs().of_place
        while at < len(stack):
            run = runs.get(at)
            if run is not None and run.takes(inputs):
                inputs = run(inputs)
                at += len(run.activations)
            else:
                inputs = stack[at](inputs)
                at += 1
        return inputs

    def _runs(self) -> _Runs:
        """Return the dense layers that follow each other."""
        states = [layer._state_of_call for layer in self.stack]
        if not _are_the_same(self._known_runs.states, states):
            self._known_runs = self._find_runs(states)
        return self._known_runs

    def _find_runs(self, states: list[Any]) -> _Runs:
        found = {at: first_run(self.stack[at:]) for at in range(len(self.stack))}
        runs = {at: run for at, run in found.items() if run is not None}
        whole = runs.get(0)
        if (
            whole is None
            or len(whole.activations) != len(self.stack)
            or not _are_the_same(whole.weights, self.trainable_variables)
            or not _are_the_same(self.stack, self._sublayers())
            or not _learns_as_usual(type(self))
        ):
            whole = None
        return _Runs(states, runs, whole)

    def _differentiate(self, x: Any, y: Any, sample_weight: Any) -> Differentiated:
        run = self._runs().whole
        if run is not None and sample_weight is None and self._loss_comes_from(run, x):
            assert self._compile_loss is not None
            out, gradients = run.vjp(x)
            known = self._compile_loss.value_and_gradient(y, out)
            # An optimizer may want another loss to be differentiated.
            if known is not None and self.optimizer.scale_loss(known[0]) is known[0]:
                loss, g = known
                return Differentiated(Tensor(out), loss, run.weights, gradients(g))
        return super()._differentiate(x, y, sample_weight)

    def _loss_comes_from(self, run: DenseRun, x: Any) -> bool:
        """Tell whether there is no penalty, and nobody but a step asks what the run computes."""
        return (
            type(x) is np.ndarray
            and x.ndim == 2
            and x.dtype == run.weights[0].value.dtype
            and self._known_arguments((x,)) is not None
            and self._compile_loss is not None
            and self.activity_regularizer is None
            and not any(layer._losses for layer in (self, *self.stack))
            and all(one.trainable and one.regularizer is None for one in run.weights)
            and not is_recording()
        )

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


def _are_the_same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


@functools.cache
def _learns_as_usual(cls: type[Sequential]) -> bool:
    """Tell whether outputs, loss and weights of a model are those of its layers, and no more."""
    decisive = ("__call__", "call", "compute_loss", "losses", "trainable_variables")
    return all(getattr(cls, name) is getattr(Sequential, name) for name in decisive)
