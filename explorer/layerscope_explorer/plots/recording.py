"""What every layer of a model gives on inputs, and how the model's output depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import Model, ops
from layerscope.autodiff import GradientTape
from layerscope.layers.layer import Layer
from layerscope.structure import leaves

__all__ = ["Recorded", "default_inputs", "drawn_layers", "recorded"]

Array = NDArray[Any]
SAMPLES = 256


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one layer gave.

    Attributes
    ----------
    layer : the layer.
    output : what it gave, (samples, ...); the first where it gives several.
    gradient : of the model's output, weighed at random, with respect to that; None where it does
        not depend on it.
    """

    layer: Layer
    output: Array
    gradient: Array | None


def drawn_layers(model: Any) -> list[Any]:
    """Return the layers of a built model that compute something.

    Raises
    ------
    ValueError
        If it is no model whose layers stand in a known order.
    """
    if not isinstance(model, Model):
        raise ValueError(f"`model` must be a Model. Received: {type(model).__name__}")
    if getattr(model, "inputs", None) is None:
        raise ValueError(
            "`model` must know its inputs: a Sequential or functional model that was built. Give "
            "a Sequential an Input, or call it once."
        )
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


def default_inputs(model: Any) -> Any:
    """Return standard normal inputs for a model; zeros where it takes whole numbers."""
    random = np.random.default_rng(0)
    made = []
    for tensor in leaves(model.inputs):
        shape = (SAMPLES, *(length or 16 for length in tensor.shape[1:]))
        if np.dtype(tensor.dtype).kind == "f":
            made.append(random.standard_normal(shape, dtype=np.float32).astype(tensor.dtype))
        else:
            made.append(np.zeros(shape, tensor.dtype))
    return made[0] if len(made) == 1 else made


def recorded(model: Any, x: Any = None, training: bool = False) -> Sequence[Recorded]:
    """Run a model and return what each of its layers gave.

    Parameters
    ----------
    model : built; Sequential or functional.
    x : its inputs; by default 256 samples of standard normal ones.
    training : whether layers behave as in a step of training.
    """
    layers = drawn_layers(model)
    firsts = [leaves(layer.output)[0] for layer in layers]
    inner = Model(model.inputs, firsts)
    given = default_inputs(model) if x is None else x
    with np.errstate(all="ignore"), GradientTape() as tape:
        watched = _watched(tape, given)
        outputs = leaves(inner(watched, training=training))
        last = outputs[-1]
        direction = np.random.default_rng(0).standard_normal(last.shape, dtype=np.float32)
        total = ops.sum(last * direction.astype(str(last.dtype)))
        floats = [one for one in outputs if np.dtype(str(one.dtype)).kind == "f"]
    found = iter(tape.gradient(total, floats))
    gradients = [next(found) if any(one is each for each in floats) else None for one in outputs]
    return [
        Recorded(layer, np.asarray(output), None if gradient is None else np.asarray(gradient))
        for layer, output, gradient in zip(layers, outputs, gradients, strict=True)
    ]


def _watched(tape: GradientTape, x: Any) -> Any:
    if isinstance(x, dict):
        return {name: tape.watch(np.asarray(one)) for name, one in x.items()}
    if isinstance(x, (list, tuple)):
        return [tape.watch(np.asarray(one)) for one in x]
    return tape.watch(np.asarray(x))
