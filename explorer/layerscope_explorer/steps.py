"""A stack at work: each layer with what it took, what it gave, and the way back through it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from layerscope.activations import linear
from layerscope.autodiff import GradientTape
from layerscope.layers.layer import Layer
from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.plain_data import is_built_in
from layerscope.structure import leaves
from layerscope.tensor import Shape, Tensor, Variable
from layerscope_explorer.catalogue import is_cell
from layerscope_explorer.data import Data
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.making import arguments_of

# What a layer does to masks is for its card to say, not for the server's log.
warnings.filterwarnings("ignore", "Layer .* was passed an input with a mask", module=__name__)

Array = np.ndarray


@dataclass(frozen=True)
class Gradients:
    """Derivatives of the loss with respect to one layer's values; None where it depends on none.

    Attributes
    ----------
    output, before : of what the layer gave, and of its pre-activation.
    inputs : of each of its inputs.
    weights : of each of its trainable weights.
    """

    output: Array | None = None
    before: Array | None = None
    inputs: tuple[Array | None, ...] = ()
    weights: tuple[Array | None, ...] = ()


@dataclass(frozen=True)
class Step:
    """One layer of the stack, working.

    Attributes
    ----------
    key : equal for steps that compute the same.
    spec, name, layer : what it is; a bypassed step has its layer unbuilt.
    input_ids : whose outputs it takes.
    input_shapes, output_shape : symbolic, batch first.
    inputs : arrays it took, (samples, ...).
    before : its pre-activation, None if it has none.
    output : what it gave; of several outputs the first.
    more_outputs : the others.
    milliseconds : how long the forward pass took.
    """

    key: str
    spec: LayerSpec
    name: str
    layer: Layer
    input_ids: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    inputs: tuple[Array, ...]
    before: Array | None
    output: Array
    more_outputs: tuple[Array, ...] = ()
    milliseconds: float = 0.0
    _tape: GradientTape | None = None
    _traced: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def records(self) -> Sequence[Any]:
        """The operations of the forward pass, in order."""
        return () if self._tape is None else self._tape._records or ()

    def pull(self, gradient: Array | None) -> Gradients:
        """Return the derivatives behind this layer, given that of its output."""
        if gradient is None:
            return Gradients(None, None, (None,) * len(self.inputs))
        if self._tape is None:
            return Gradients(gradient, gradient, (gradient,))
        inputs, before, output = self._traced
        if not isinstance(output, Tensor):
            return Gradients(gradient, None, (None,) * len(inputs))
        values = [*inputs, before, *self.layer.trainable_weights]
        # Whole numbers have no derivative, and an array of them would be taken for a number.
        known = [value for value in values if isinstance(value, (Tensor, Variable))]
        found = self._tape.gradient(output, known, output_gradients=gradient)
        by_value = {id(value): one for value, one in zip(known, found, strict=True)}
        all_found = [by_value.get(id(value)) for value in values]
        count = len(inputs)
        own = all_found[count] if self.before is not None else None
        return Gradients(gradient, own, tuple(all_found[:count]), tuple(all_found[count + 1 :]))

    def steepness(self) -> Array | None:
        """Return the derivative of each output with respect to the pre-activation it is made of.

        Of an activation that treats each value alone; zero where it has no derivative, None where
        the layer has no pre-activation.
        """
        _, before, output = self._traced or (None, None, None)
        if self._tape is None or not isinstance(before, Tensor):
            return None
        with np.errstate(all="ignore"):
            found = self._tape.gradient(output, before) if isinstance(output, Tensor) else None
        return np.zeros_like(before.value) if found is None else found

    def slopes(
        self, place: tuple[int, ...], weights: Sequence[Variable] = (), *, of_before: bool = False
    ) -> tuple[list[Array | None], list[Array | None]]:
        """Return the derivatives of one entry of the output, or of the pre-activation.

        Parameters
        ----------
        place : which entry, batch first.
        weights : trainable weights whose derivatives are wanted, too.

        Returns
        -------
        Those with respect to the inputs, and those with respect to `weights`; None where the entry
        depends on none of a value.
        """
        inputs, before, output = self._traced or (self.inputs, None, None)
        target = before if of_before else output
        if self._tape is None or not isinstance(target, Tensor):
            return [None] * len(inputs), [None] * len(weights)
        chosen = np.zeros(target.shape, target.dtype)
        chosen[place] = 1
        # Whole numbers have no derivative, and an array of them would be taken for a number.
        known = [value for value in (*inputs, *weights) if isinstance(value, (Tensor, Variable))]
        with np.errstate(all="ignore"):
            found = self._tape.gradient(target, known, output_gradients=chosen)
        by_value = {id(value): one for value, one in zip(known, found, strict=True)}
        return (
            [by_value.get(id(value)) for value in inputs],
            [by_value.get(id(value)) for value in weights],
        )

    def alone(self, sample: int) -> Step | None:
        """Return the layer at work on one of its samples only.

        None where that is not the same, because samples meet in statistics, because of chance or
        because the layer keeps something from call to call.
        """
        if not keeps_nothing(self.layer):
            return None
        inputs = tuple(_one_of(array, sample) for array in self.inputs)
        values = forward_alone(self.layer, inputs)
        output, wanted = values["output"], self.output[sample : sample + 1]
        near = 1e-5 * max(float(np.abs(np.nan_to_num(wanted)).max(initial=0.0)), 1e-30)
        if output.shape != wanted.shape or not np.allclose(
            output, wanted, rtol=1e-4, atol=near, equal_nan=True
        ):
            return None
        return replace(self, inputs=inputs, **values)


@dataclass(frozen=True)
class Stack:
    """Everything a document computes on its data, for the lenses' studies to read.

    Attributes
    ----------
    document, data : what is computed, on what.
    steps : reached layers, from input to output.
    gradients : by layer id, and the data's own under ``"input"``.
    """

    document: Document
    data: Data
    steps: tuple[Step, ...] = ()
    gradients: Mapping[str, Gradients] = field(default_factory=dict)

    def step(self, layer_id: str) -> Step | None:
        """Return the layer's step, None if it was not reached."""
        return next((step for step in self.steps if step.spec.id == layer_id), None)

    def output(self, layer_id: str) -> Array | None:
        """Return what a layer gave, the data itself for ``"input"``, None if it was not reached."""
        if layer_id == INPUT:
            return self.data.sample
        step = self.step(layer_id)
        return None if step is None else step.output

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)


# --- forward ------------------------------------------------------------------------------------


def activation_of(layer: Layer) -> Callable[[Any], Any] | None:
    """Return what a layer applies last to every unit, None if it has nothing of the kind."""
    if layer.section == "activation" and not layer.weights:
        return layer
    # A recurrent layer applies its activation at every step, inside.
    return None if layer.section == "recurrent" else getattr(layer, "activation", None)


def weight_names(layer: Layer) -> list[str]:
    """Return a name for each weight: as much of the end of its path as tells it from the others."""
    paths = [weight.path.split("/") for weight in layer.weights]
    names = []
    for at, path in enumerate(paths):
        others = paths[:at] + paths[at + 1 :]
        length = 1
        while length < len(path) and any(one[-length:] == path[-length:] for one in others):
            length += 1
        names.append("/".join(path[-length:]))
    return names


def call_layer(layer: Layer, inputs: Sequence[Any], training: bool) -> Any:
    """Call a layer the way its kind wants its inputs."""
    if is_cell(type(layer)):
        # A cell computes one step of a sequence: its first.
        states = layer.get_initial_state(len(inputs[0]))  # type: ignore[attr-defined]
        return layer(inputs[0], states, training=training)
    return layer(*arguments_of(layer, inputs), training=training)


#: Kinds of layers that have been called: the first call of a kind loads machine code.
_CALLED: set[type[Layer]] = set()
#: A first call that took longer is not repeated to find out how long others take, in milliseconds.
_LONG = 50.0


def forward(layer: Layer, inputs: Sequence[Array], training: bool) -> dict[str, Any]:
    """Show a built layer its inputs.

    What is random or moves while training does so in copies, so that the layer looks as it did
    and gives the same again.

    Returns
    -------
    The fields of a `Step` that depend on the data.
    """
    found = _forward(layer, inputs, training)
    if type(layer) not in _CALLED:
        _CALLED.add(type(layer))
        if found["milliseconds"] < _LONG:
            found = _forward(layer, inputs, training)
    return found


def _forward(layer: Layer, inputs: Sequence[Array], training: bool) -> dict[str, Any]:
    kept = [(one, one.value) for one in layer.variables]
    for variable, value in kept:
        variable.value = value.copy()
    start = perf_counter()
    try:
        with np.errstate(all="ignore"), GradientTape(persistent=True) as tape:
            watched = tuple(_watched(tape, one) for one in inputs)
            before, outputs = _split(layer, watched, training)
    finally:
        milliseconds = 1000 * (perf_counter() - start)
        for variable, value in kept:
            variable.value = value
    first, *others = leaves(outputs)
    return {
        "before": None if before is None else _array(before),
        "output": _array(first),
        "more_outputs": tuple(map(_array, others)),
        "milliseconds": milliseconds,
        "_tape": tape,
        "_traced": (watched, before, first),
    }


def forward_alone(layer: Layer, inputs: Sequence[Array]) -> dict[str, Any]:
    """Show a built layer its inputs at inference, changing nothing, not even for a moment.

    So other threads may use the layer meanwhile, as they do with the opening stack's.

    Returns
    -------
    The fields of a `Step` that depend on the data.
    """
    with np.errstate(all="ignore"), GradientTape(persistent=True) as tape:
        watched = tuple(_watched(tape, one) for one in inputs)
        # A copy, which loses its activation for a while; its weights are the layer's own.
        before, outputs = _split(copy(layer), watched, training=False)
    first, *others = leaves(outputs)
    return {
        "before": None if before is None else _array(before),
        "output": _array(first),
        "more_outputs": tuple(map(_array, others)),
        "_tape": tape,
        "_traced": (watched, before, first),
    }


def keeps_nothing(layer: Layer) -> bool:
    """Tell whether a call at inference leaves a layer and those inside as they are."""
    return all(
        is_built_in(type(one))
        and not getattr(one, "stateful", False)
        and one.activity_regularizer is None
        for one in layer._flatten_layers()
    )


def _one_of(array: Array, sample: int) -> Array:
    """Return a batch of one sample, with its mask."""
    one = array[sample : sample + 1]
    mask = get_keras_mask(array)
    if mask is not None:
        one = np.array(one)
        set_keras_mask(one, mask[sample : sample + 1])
    return one


def _watched(tape: GradientTape, array: Array) -> Any:
    return tape.watch(array) if array.dtype.kind == "f" else array


def _split(layer: Any, inputs: tuple[Any, ...], training: bool) -> tuple[Any, Any]:
    """Return the layer's pre-activation, if it has one, and its outputs."""
    activation: Any = activation_of(layer)
    if activation is layer:
        return inputs[0], call_layer(layer, inputs, training)
    if activation is None or activation is linear:
        return None, call_layer(layer, inputs, training)
    # The activation comes last, so the layer without it gives the pre-activation.
    # Not by assignment, which a built layer refuses where the activation is a layer itself.
    vars(layer)["activation"] = linear
    try:
        before = call_layer(layer, inputs, training)
    finally:
        vars(layer)["activation"] = activation
    output = activation(before)
    set_keras_mask(output, get_keras_mask(before))
    return before, output


def _array(value: Any) -> Array:
    """Return a value as an array that keeps its mask."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    array = value.value
    set_keras_mask(array, get_keras_mask(value))
    return array


# --- backward -----------------------------------------------------------------------------------


def all_gradients(steps: Sequence[Step], last: Array | None) -> dict[str, Gradients]:
    """Walk a stack backwards.

    Parameters
    ----------
    steps : from input to output.
    last : derivative of the loss with respect to the last step's output.
    """
    arriving: dict[str, Array | None] = {}
    found: dict[str, Gradients] = {}
    if steps:
        arriving[steps[-1].spec.id] = last
    with np.errstate(all="ignore"):
        for step in reversed(steps):
            gradients = step.pull(arriving.get(step.spec.id))
            found[step.spec.id] = gradients
            for source, gradient in zip(step.input_ids, gradients.inputs, strict=True):
                if gradient is not None:
                    known = arriving.get(source)
                    arriving[source] = gradient if known is None else known + gradient
    found[INPUT] = Gradients(arriving.get(INPUT))
    return found


# --- inference ----------------------------------------------------------------------------------


def predict(stack: Stack, x: Array) -> Array | None:
    """Return what a stack gives for other inputs at inference; None where it gives nothing.

    Layers stay as they are: other threads may use them meanwhile.
    """
    values = {INPUT: x}
    last = None
    with np.errstate(all="ignore"):
        for step in stack.steps:
            inputs = [values[source] for source in step.input_ids]
            if keeps_nothing(step.layer):
                last = _array(leaves(call_layer(step.layer, inputs, training=False))[0])
            else:
                last = forward(step.layer, inputs, training=False)["output"]
            values[step.spec.id] = last
    return last
