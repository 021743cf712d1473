"""The code of a stack builds the same model in real Keras: shapes, parameters and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from layerscope_explorer import edits, own_code
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.code import code_of, missing_in_keras
from layerscope_explorer.data import data_of
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.model import model_of
from layerscope_explorer.presets import PRESETS
from oracle.reference import ON_TORCH, WRONG_ON_TORCH, close, generator_of, keras, numpy_of

CATALOGUE = layerscope_catalogue()
#: Inputs to start from.
INPUTS: tuple[dict[str, Any], ...] = (
    {},
    {"data": "noise", "shape": [12]},
    {"data": "noise", "shape": [6, 5, 3]},
    {"data": "noise", "shape": [4, 5, 4, 2]},
    {"data": "waves", "shape": [10, 3]},
    {"data": "tokens", "shape": [9]},
)
#: Of which class of layer each argument is, and what else it may be.
CHOICES: dict[str, tuple[Any, ...]] = {
    "activation": ("relu", "tanh", "swish", "softmax", "gelu"),
    "kernel_initializer": ("he_normal", "glorot_normal", "lecun_uniform"),
    "kernel_regularizer": ({"class_name": "L2", "config": {"l2": 0.02}}, "l1"),
    "kernel_constraint": ({"class_name": "MaxNorm", "config": {"max_value": 1.5, "axis": 0}},),
    "bias_initializer": ("ones", {"class_name": "Constant", "config": {"value": -0.5}}),
    "padding": ("same", "valid"),
    "use_bias": (False,),
    "units": (3, 5),
    "filters": (2, 6),
    "rate": (0.25,),
    "return_sequences": (True,),
    "go_backwards": (True,),
}
#: Stacks of random layers.
STACKS = 100


#: What stands for nothing by itself, or computes only once it has seen data.
NOT_ALONE = {
    "Discretization": "needs data to adapt to",
    "Equalization": "is part of a cycle in any functional model of Keras",
    "IntegerLookup": "needs a vocabulary",
    "Normalization": "needs data to adapt to",
    "RandomCrop": "gives another shape than Keras itself says, where the input is smaller",
    "Wrapper": "has no rule of its own",
}


def usable() -> list[str]:
    """Return the layers that Keras has, too, and that are right in the Keras at hand."""
    wrong = {*NOT_ALONE, *(WRONG_ON_TORCH if ON_TORCH else ())}
    return sorted(
        name
        for name, cls in CATALOGUE.layers.items()
        if name not in wrong
        and "Cell" not in name
        and getattr(cls, "in_keras_3", True)
        and hasattr(keras.layers, name)
    )


def works(document: Document) -> bool:
    return all(view.problem is None for view in Engine().snapshot(document).layers)


def random_stack(index: int) -> Document:
    """Return a stack that works, of random layers, some with other arguments, shared or merged."""
    generator = generator_of("exported code", index)
    names = usable()
    document = edits.set_input(Document(), INPUTS[index % len(INPUTS)])
    if document.input.arguments.get("data") == "tokens":
        # Nearly everything in Keras on torch wants real numbers.
        document = edits.add_layer(document, "Embedding", None, {"input_dim": 20, "output_dim": 4})
    wanted = 2 + index % 5
    for _ in range(60):
        if len(document.layers) >= wanted:
            break
        changed = random_edit(document, generator, names)
        if changed is not None and works(changed):
            document = changed
    return document


def random_edit(
    document: Document, generator: np.random.Generator, names: list[str]
) -> Document | None:
    """Return a document with one layer more; None where the choice cannot be."""
    if document.layers and generator.random() < 0.1:
        return edits.share_layer(document, document.layers[-1].id)
    name = names[generator.integers(len(names))]
    cls = CATALOGUE.layers[name]
    sources = []
    if takes_several_inputs(cls):
        above = [INPUT, *(layer.id for layer in document.layers)]
        sources = [above[generator.integers(len(above))]]
    document = edits.add_layer(document, name, None, None, sources)
    added = document.layers[-1].id
    for argument, values in CHOICES.items():
        if generator.random() < 0.4:
            try:
                value = values[generator.integers(len(values))]
                document = edits.set_argument(document, added, argument, value)
            except ValueError:
                continue
    if len(document.layers) > 1 and generator.random() < 0.1:
        document = edits.set_bypassed(document, document.layers[-2].id, True)
    return document


#: Python of a person's own, written for Keras.
OWN_CODE = """
from keras.layers import Layer

def snake(x):
    return x + ops.square(ops.sin(x))

class Spread(initializers.Initializer):
    def __init__(self, scale=0.1):
        self.scale = scale

    def __call__(self, shape, dtype=None):
        return self.scale * random.normal(shape, dtype=dtype)

class Linear(Layer):
    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1], self.units), initializer=Spread(0.2), name="kernel"
        )

    def call(self, x):
        return keras.ops.matmul(x, self.kernel)
"""


def own_stack() -> Document:
    """Return a stack of layers, activations and initializers of a person's own."""
    own_code.run(OWN_CODE)
    with own_code.defining(OWN_CODE):
        document = edits.set_code(PRESETS["digits"](), OWN_CODE)
        document = edits.set_argument(document, "layer1", "activation", "snake")
        document = edits.set_argument(document, "layer4", "kernel_initializer", "Spread")
        return edits.add_layer(document, "Linear", 4, {"units": 6})


def repaired(document: Document) -> Document:
    """Return a demo's stack; the one that is there to be repaired, repaired."""
    problems = [view.problem for view in Engine().snapshot(document).layers if view.problem]
    return problems[0].fixes[0].document if problems else document


def stacks() -> Iterator[Any]:
    for name, make in PRESETS.items():
        if make().layers:
            yield pytest.param(lambda make=make: repaired(make()), id=name)
    yield pytest.param(own_stack, id="own code")
    for index in range(STACKS):
        yield pytest.param(lambda index=index: random_stack(index), id=f"random-{index}")


@pytest.mark.parametrize("make", list(stacks()))
def test_keras_builds_the_same_model(make: Any) -> None:
    document = make()
    assert document.layers
    assert missing_in_keras(document) == []
    source = code_of(document, "keras").source
    found: dict[str, Any] = {}
    exec(compile(source, "exported.py", "exec"), found)
    theirs = found["model"]
    data = data_of(document.input.arguments)
    ours, _ = model_of(document, data)
    snapshot = Engine().snapshot(document)
    reached = [view for view in snapshot.layers if not view.bypassed]
    assert theirs.count_params() == ours.count_params() == snapshot.total_params
    assert theirs.output_shape == ours.output_shape == reached[-1].output_shape, source
    weights = theirs.get_weights()
    assert [one.shape for one in weights] == [one.shape for one in ours.get_weights()], source
    ours.set_weights(weights)
    sample = data.sample[:5]
    expected = numpy_of(theirs(sample, training=False))
    close(np.asarray(ours(sample, training=False)), expected, rtol=2e-4, atol=2e-5)


def test_the_random_stacks_are_many_kinds() -> None:
    kinds = {layer.class_name for index in range(STACKS) for layer in random_stack(index).layers}
    assert len(kinds) > 40
