"""Merging, masking, embedding and wrapping layers do what Keras's do.

Known differences, all of them on purpose:

- `Dot` accepts a length that is not known beside one that is; Keras refuses it.
- A mask goes along when an input of fewer axes is broadcast: in Keras it is lost for the values
  and, if every input has one, merging the masks fails.
- Lengths that one input leaves open and another knows are known in the output.
- `TimeDistributed` adds the activity penalties of its layer; Keras forgets them.
- `Embedding` refuses a number it has no vector for, as Keras does on NumPy; on JAX it gives NaN.
- `Lambda` never runs code from a config, whatever `safe_mode` says.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.masks import get_keras_mask, set_keras_mask
from oracle.layer_comparison import (
    Arguments,
    Comparison,
    Configuration,
    comparable,
    comparison_of,
    each_configuration,
)
from oracle.reference import (
    COUNT,
    choose,
    close,
    generator_of,
    keras,
    low_rank,
    numbers,
    numpy_of,
)

each_index = pytest.mark.parametrize("index", range(COUNT))


def broadcast_inputs(generator: np.random.Generator, count: int) -> list[tuple[int, ...]]:
    """Return shapes that can be broadcast, some of fewer axes."""
    common = numbers(generator, 1, 5, int(generator.integers(1, 5)))
    batch, found = int(generator.integers(1, 4)), []
    for _ in range(count):
        tail = common[int(generator.integers(0, len(common))) :]
        lengths = (length if generator.random() < 0.7 else 1 for length in tail)
        found.append((batch, *lengths))
    return found


def merging(generator: np.random.Generator) -> Configuration:
    return {}, broadcast_inputs(generator, int(generator.integers(1, 5)))


def subtraction(generator: np.random.Generator) -> Configuration:
    return {}, broadcast_inputs(generator, 2)


def concatenation(generator: np.random.Generator) -> Configuration:
    common = list(numbers(generator, 1, 5, int(generator.integers(2, 6))))
    axis = int(generator.integers(-len(common), len(common)))
    found = []
    for _ in range(int(generator.integers(1, 4))):
        common[axis] = int(generator.integers(1, 5))
        found.append(tuple(common))
    return {"axis": axis}, found


def dot(generator: np.random.Generator) -> Configuration:
    # The direction of a single number has no gradient, and its rounding errors no scale.
    batch, length = numbers(generator, 2, 6, 2)
    found, axes = [], []
    for _ in range(2):
        rest = list(numbers(generator, 1, 5, int(generator.integers(0, 3))))
        at = int(generator.integers(0, len(rest) + 1))
        found.append((batch, *rest[:at], length, *rest[at:]))
        axes.append(choose(generator, at + 1, at - len(rest) - 1))
    alike = axes[0] == axes[1] and axes[0] > 0
    chosen = axes[0] if alike and generator.random() < 0.5 else tuple(axes)
    return {"axes": chosen, "normalize": choose(generator, False, True)}, found


def masking(generator: np.random.Generator) -> Configuration:
    value = choose(generator, 0.0, 1, -0.5)
    x = generator.normal(size=numbers(generator, 1, 5, int(generator.integers(2, 5))))
    x[generator.random(x.shape[:-1]) < 0.5] = value
    x[generator.random(x.shape) < 0.2] = value
    return {"mask_value": value}, x.astype("float32")


def embedding(generator: np.random.Generator) -> Configuration:
    count, length = numbers(generator, 1, 8, 2)
    arguments = {
        "input_dim": count,
        "output_dim": length,
        "embeddings_initializer": choose(generator, "uniform", "ones"),
        "embeddings_regularizer": choose(generator, None, "l2"),
        "embeddings_constraint": choose(generator, None, "non_neg", "max_norm"),
        "mask_zero": choose(generator, False, True),
    }
    if arguments["embeddings_constraint"] is None:
        # Keras builds without the factor it is given.
        arguments |= low_rank(generator, factor=False)
    ids = generator.integers(0, count, numbers(generator, 1, 5, int(generator.integers(1, 4))))
    return arguments, ids.astype(choose(generator, "int32", "int64"))


def reversible(generator: np.random.Generator) -> Configuration:
    arguments, ids = embedding(generator)
    arguments |= {
        "reverse_dtype": choose(generator, None, "float32"),
        "logit_soft_cap": choose(generator, None, 2.0, 5),
    }
    # Keras cannot adapt a layer that has another table.
    tied = "lora_rank" in arguments or generator.random() < 0.5
    return {**arguments, "tie_weights": tied}, ids


CONFIGURATIONS = {
    **dict.fromkeys(["Add", "Multiply", "Average", "Maximum", "Minimum"], merging),
    "Subtract": subtraction,
    "Concatenate": concatenation,
    "Dot": dot,
    "Masking": masking,
    "Embedding": embedding,
    "ReversibleEmbedding": reversible,
    "Identity": lambda generator: ({}, numbers(generator, 1, 5, int(generator.integers(1, 4)))),
}


@each_configuration(CONFIGURATIONS)
def test_layer(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_values()
    compared.check_config()
    assert same_masks(compared.ours(compared.x), compared.theirs(compared.x))


@each_index
def test_reversed(index: int) -> None:
    """Scores of vectors, and their gradients, are Keras's."""
    generator = generator_of("reversed", index)
    arguments, _ = reversible(generator)
    shape = (*numbers(generator, 1, 5, int(generator.integers(1, 3))), arguments["output_dim"])
    compared = Comparison("ReversibleEmbedding", arguments, shape, generator, reverse=True)
    compared.output_shapes = lambda: tuple(  # type: ignore[method-assign]
        list(one.compute_output_shape(shape, reverse=True))
        for one in (compared.ours, compared.theirs)
    )
    compared.check_forward()
    compared.check_gradients()


def same_masks(found: Any, expected: Any) -> bool:
    ours, theirs = get_keras_mask(found), keras.src.backend.get_keras_mask(expected)
    if ours is None or theirs is None:
        return ours is theirs
    return np.array_equal(getattr(ours, "value", ours), numpy_of(theirs))


MERGING = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]


@each_index
@pytest.mark.parametrize("name", MERGING)
def test_merging_under_masks(name: str, index: int) -> None:
    generator = generator_of(f"masked {name}", index)
    count = 2 if name == "Subtract" else int(generator.integers(1, 4))
    shape = numbers(generator, 1, 5, 3)
    arguments = {"axis": choose(generator, 0, 1, 2, -1)} if name == "Concatenate" else {}
    values = [generator.normal(size=shape).astype("float32") for _ in range(count)]
    counts = [
        None if generator.random() < 0.3 else generator.random(shape[:2]) < 0.6 for _ in values
    ]
    given = []
    for x, mask in zip(values, counts, strict=True):
        set_keras_mask(x, mask)
        tensor = keras.ops.convert_to_tensor(x)
        if mask is not None:
            keras.src.backend.set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
        given.append(tensor)
    theirs, ours = (getattr(one.layers, name)(**arguments) for one in (keras, ls))
    expected, found = theirs(given), ours(values)
    close(found, expected)
    assert same_masks(found, expected)


# --- one layer for every step --------------------------------------------------------------------


#: By tests of their own.
ALSO_COMPARED = {"TimeDistributed", "Lambda"}


class OfEveryStep(Comparison):
    """Compares `TimeDistributed` around the same layer in both libraries."""

    def make(self, library: Any, name: str, arguments: Arguments) -> Any:
        inner = getattr(library.layers, name)(**arguments)
        # It turns what comes in into its own type, whatever that of the layer inside.
        return library.layers.TimeDistributed(inner, dtype=arguments.get("dtype"))


INNER: dict[str, tuple[Arguments, int]] = {
    "Dense": ({"units": 3, "activation": "tanh"}, 1),
    "Conv1D": ({"filters": 2, "kernel_size": 2, "padding": "same"}, 2),
    "Conv2D": ({"filters": 2, "kernel_size": 2, "padding": "same"}, 3),
    "MaxPooling1D": ({"pool_size": 1}, 2),
    "Flatten": ({}, 2),
    "GroupNormalization": ({"groups": 1}, 2),
    "BatchNormalization": ({"momentum": 0.5}, 1),
    "GlobalAveragePooling1D": ({}, 2),
    "PReLU": ({}, 1),
}


def every_step(index: int, **options: Any) -> OfEveryStep:
    generator = generator_of("TimeDistributed", index)
    name = list(INNER)[index % len(INNER)]
    arguments, rank = INNER[name]
    shape = (int(generator.integers(2, 4)), *numbers(generator, 1, 5, rank + 1))
    return OfEveryStep(name, arguments, shape, generator, **options)


@each_index
@pytest.mark.parametrize("training", [False, True])
def test_one_layer_for_every_step(index: int, training: bool) -> None:
    compared = every_step(index, training=training)
    compared.check_values()
    compared.check_config()
    shape = (None, None, *compared.shape[2:])
    ours, theirs = compared.ours, compared.theirs
    assert ours.compute_output_shape(shape) == tuple(theirs.compute_output_shape(shape))


@each_index
@pytest.mark.parametrize("training", [False, True])
def test_masks_reach_the_layer_of_every_step(index: int, training: bool) -> None:
    generator = generator_of("masked steps", index)
    x = generator.normal(size=(6, 3, 2)).astype("float32")
    mask = generator.random((6, 3)) < 0.8
    theirs, ours = (
        one.layers.TimeDistributed(one.layers.BatchNormalization(momentum=0.5))
        for one in (keras, ls)
    )
    expected = theirs(x, training=training, mask=keras.ops.convert_to_tensor(mask))
    close(ours(x, training=training, mask=mask), expected)
    close(ours.get_weights(), theirs.get_weights())


def test_a_model_for_every_step() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype("float32")
    found = []
    for library in (keras, ls):
        layers = library.layers
        inner = library.Sequential(
            [layers.Conv1D(2, 2), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2)]
        )
        layer = layers.TimeDistributed(inner)
        layer(x)
        if found:
            layer.set_weights(found[0][2])
        start = layer.get_weights()
        trained = numpy_of(layer(x, training=True))
        found.append((trained, numpy_of(layer(x)), start, layer.get_weights()))
    for expected, one in zip(found[0], found[1], strict=True):
        close(one, expected)


# --- functions -----------------------------------------------------------------------------------

FUNCTIONS: dict[str, tuple[Arguments, tuple[int, ...]]] = {
    "square": ({}, (2, 3)),
    "tanh": ({}, (2, 3, 4)),
    "flip": ({"axis": 1}, (2, 3)),
    "transpose": ({"axes": (0, 2, 1)}, (2, 3, 4)),
    "softmax": ({"axis": -1}, (2, 5)),
    "cumsum": ({"axis": 1}, (2, 5)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_as_layers(name: str) -> None:
    arguments, shape = FUNCTIONS[name]
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    theirs, ours = (
        one.layers.Lambda(getattr(one.ops, name), arguments=arguments) for one in (keras, ls)
    )
    close(ours(x), theirs(x))
    assert ours.compute_output_shape((None, *shape[1:])) == tuple(
        theirs.compute_output_shape((None, *shape[1:]))
    )
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    known = {name: getattr(keras.ops, name)}
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))), known)
    close(ours(x), there(x))
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    close(back(x), theirs(x))


def doubled(x: Any) -> Any:
    return x * 2


def doubled_shape(shape: Any) -> Any:
    return shape


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"output_shape": doubled_shape},
        {"output_shape": (3,)},
        {"mask": np.array([[True, False]])},
        {"arguments": {}},
    ],
    ids=["plain", "rule", "shape", "mask", "arguments"],
)
def test_custom_functions_are_described_alike(arguments: Arguments) -> None:
    theirs, ours = (one.layers.Lambda(doubled, **arguments) for one in (keras, ls))
    plain = json.loads(json.dumps(ours.get_config()))
    assert comparable(plain) == comparable(json.loads(json.dumps(theirs.get_config())))
    known = {"doubled": doubled, "doubled_shape": doubled_shape}
    x = np.ones((1, 2, 3), "float32")
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))), known)
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))), known)
    for layer in (there, back):
        close(numpy_of(layer(x)), np.full((1, 2, 3), 2.0))
    assert back.supports_masking == theirs.supports_masking
    assert same_masks(back(x), theirs(x))


# --- errors --------------------------------------------------------------------------------------


def ones(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [np.ones(shape, "float32") for shape in shapes]


@pytest.mark.parametrize(
    ("name", "arguments", "inputs"),
    [
        ("Add", {}, ones((2, 3))[0]),
        ("Add", {}, ones((2, 3), (3, 3))),
        ("Add", {}, ones((2, 3, 4), (2, 2, 4))),
        ("Add", {}, []),
        ("Subtract", {}, ones((2, 3))),
        ("Subtract", {}, ones((2, 3), (2, 3), (2, 3))),
        ("Concatenate", {}, ones((2, 3))[0]),
        ("Concatenate", {"axis": 1}, ones((2, 3, 4), (2, 3, 5))),
        ("Concatenate", {}, ones((2, 3), (2, 3, 1))),
        ("Concatenate", {}, []),
        ("Dot", {"axes": (1, 2, 3)}, None),
        ("Dot", {"axes": (1, 2.5)}, None),
        ("Dot", {"axes": "a"}, None),
        ("Dot", {"axes": 1}, ones((2, 3, 4), (2, 5, 3))),
        ("Dot", {"axes": 0}, ones((2, 3), (2, 3))),
        ("Dot", {"axes": 1}, ones((2, 3))),
        ("Embedding", {"input_dim": -1, "output_dim": 2}, None),
        ("Embedding", {"input_dim": 3.0, "output_dim": 2}, None),
        ("Embedding", {"input_dim": 3, "output_dim": 0}, None),
        ("Embedding", {"input_dim": 3, "output_dim": 2, "weights": np.ones((2, 2))}, None),
        ("Lambda", {"function": 3}, None),
        ("Lambda", {"function": "no such function"}, None),
        ("TimeDistributed", {"layer": 3}, None),
    ],
)
def test_errors_are_of_the_same_type(name: str, arguments: Arguments, inputs: Any) -> None:
    raised = []
    for library in (keras, ls):
        with pytest.raises((TypeError, ValueError)) as caught:
            getattr(library.layers, name)(**arguments)(inputs)
        raised.append(caught.type)
    theirs, ours = raised
    assert issubclass(ours, theirs)
