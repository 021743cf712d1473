"""What every layer promises, tried on every built-in layer with the examples it brings."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, registry
from layerscope.configurable import REQUIRED, fields_of
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.image_layer import _ImageLayer
from layerscope.layers.signature import as_arguments
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tensor import KerasTensor

#: Layers that are not part of a stack: the base class, the entry, and models.
OTHER = {"Layer", "InputLayer", "Trainable", "Model", "Functional", "Sequential"}

#: Layers whose results are categories, whatever their type: nothing to differentiate.
OF_CATEGORIES = {
    "Discretization",
    "Hashing",
    "HashedCrossing",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
}

#: Layers whose results are constant but for jumps, so without a gradient.
IN_STEPS = {"RandomPosterization", "Equalization"}

#: Arguments without which a layer cannot be, although each has a default.
ONE_OF = {"CategoryEncoding": "num_tokens", "Discretization": "num_bins"}

BUILT_IN: list[type[layers.Layer]] = [
    cls for cls in registry.subclasses(layers.Layer) if cls.__name__ not in OTHER
]
EXAMPLES = [
    pytest.param(cls, example, id=f"{cls.__name__}-{number}")
    for cls in BUILT_IN
    for number, example in enumerate(cls.examples)
]
each_example = pytest.mark.parametrize(("cls", "example"), EXAMPLES)
each_layer = pytest.mark.parametrize("cls", BUILT_IN)


def make(cls: type[layers.Layer], example: Example, **options: Any) -> layers.Layer:
    if cls.__name__ in OF_CATEGORIES:
        options.pop("dtype", None)

    def build_up() -> layers.Layer:
        # The layers inside a layer follow the ambient type.
        ls.config.set_floatx(options.get("dtype", "float32"))
        ls.utils.set_random_seed(0)
        return cls(**{**example.arguments, **options})

    return copy_context().run(build_up)


def call(layer: layers.Layer, inputs: Any, **options: Any) -> Any:
    return layer(*as_arguments(type(layer), inputs), **options)


def build(layer: layers.Layer, input_shape: Any) -> None:
    layer.build(*as_arguments(type(layer), input_shape))


def output_shape(layer: layers.Layer, input_shape: Any) -> Any:
    return layer.compute_output_shape(*as_arguments(type(layer), input_shape))


def data(example: Example, dtype: str = "float32", batch: int | None = None) -> Any:
    """Return an input for the example, or several; with another number of samples for `batch`."""
    generator = np.random.default_rng(0)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        if batch is not None:
            shape = (batch, *shape[1:])
        if example.integers is not None:
            return generator.integers(0, example.integers, shape).astype("int32")
        if example.words is not None:
            return generator.choice(example.words, shape)
        return generator.normal(size=shape).astype(dtype)

    return map_shapes(draw, example.input_shape)


def shapes_of(values: Any) -> list[tuple[int | None, ...]]:
    return [tuple(value.shape) for value in leaves(values)]


def flat_shapes(structure: Any) -> list[tuple[int | None, ...]]:
    found: list[tuple[int | None, ...]] = []
    map_shapes(found.append, structure)
    return found


def assert_same(found: Any, expected: Any, rtol: float = 0, atol: float = 0) -> None:
    """Compare outputs, of which a layer may have several."""
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        if one.dtype.kind == "U":
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def run(layer: layers.Layer, x: Any, **options: Any) -> Any:
    """Call a layer; one that is random by itself always begins from its seed."""
    for inner in layer._flatten_layers():
        if hasattr(inner, "generator"):
            inner.generator.state.value[1] = 0
    return call(layer, x, **options)


def real(example: Example) -> bool:
    return example.integers is None and example.words is None


def single(example: Example) -> bool:
    return not isinstance(example.input_shape, list)


# --- declaration -----------------------------------------------------------------------------


def test_layers_are_found() -> None:
    assert {"Dense", "Conv2D", "MaxPooling2D", "Flatten", "Reshape", "Dropout", "Activation"} <= {
        cls.__name__ for cls in BUILT_IN
    }


@each_layer
def test_is_exported_and_brings_what_is_derived_from_it(cls: type[layers.Layer]) -> None:
    assert getattr(layers, cls.__name__) is cls
    assert cls.examples, "a layer needs sample configurations in `examples`"
    assert cls.section != "custom"
    assert cls.formula
    documentation = inspect.getdoc(cls) or ""
    assert "Source: " in documentation
    assert "Shapes: " in documentation
    assert ">>> " in documentation


@each_layer
def test_every_argument_has_help_and_a_valid_default(cls: type[layers.Layer]) -> None:
    for field in fields_of(cls):
        assert field.help.endswith("."), f"argument `{field.name}` needs help in a sentence"
        if field.default is not REQUIRED:
            field.check(field.default)


@each_layer
def test_signature_holds_the_fields(cls: type[layers.Layer]) -> None:
    parameters = list(inspect.signature(cls).parameters)
    assert parameters == [field.name for field in fields_of(cls)]
    assert {"name", "trainable", "dtype", "activity_regularizer"} <= set(parameters)


@each_layer
def test_unknown_argument_is_refused_with_a_suggestion(cls: Any) -> None:
    arguments = cls.examples[0].arguments
    with pytest.raises(ValueError, match="Did you mean `trainable`") as caught:
        cls(**arguments, trainabel=True)
    assert cls.__name__ in str(caught.value)
    assert "trainabel" in str(caught.value)


@each_layer
def test_missing_argument_is_named(cls: type[layers.Layer]) -> None:
    required = [field.name for field in fields_of(cls) if field.default is REQUIRED]
    if cls.__name__ in ONE_OF:
        with pytest.raises(ValueError, match=ONE_OF[cls.__name__]):
            cls()
        return
    if not required:
        cls()
        return
    with pytest.raises(TypeError, match=f"`{required[0]}`"):
        cls()


# --- configs ---------------------------------------------------------------------------------


def restored_in(way: str, layer: layers.Layer) -> layers.Layer:
    if way == "config":
        return type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    if way == "serialize":
        return layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    config = {"class_name": type(layer).__name__, "config": layer.get_config()}
    return layers.deserialize(json.loads(json.dumps(config)))


@each_example
def test_config_round_trip(cls: type[layers.Layer], example: Example) -> None:
    layer, x = make(cls, example, name="some_name", trainable=False), data(example)
    # What is random must start again from its seed.
    training = "seed" in example.arguments
    expected = call(layer, x, training=training)
    for way in ("config", "serialize", "class_name"):
        other = restored_in(way, layer)
        assert type(other) is cls, way
        assert other.get_config() == layer.get_config(), way
        assert (other.name, other.trainable) == ("some_name", False), way
        build(other, example.input_shape)
        other.set_weights(layer.get_weights())
        assert_same(call(other, x, training=training), expected)


@each_example
def test_copies_compute_the_same_and_share_nothing(
    cls: type[layers.Layer], example: Example
) -> None:
    layer, x = make(cls, example), data(example)
    expected = run(layer, x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert_same(run(other, x), expected)
        for variable in other.weights:
            variable.assign(np.full(variable.shape, 7, variable.dtype))
        assert_same(run(layer, x), expected)


@each_example
def test_build_config_round_trip(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example)
    call(layer, data(example))
    other = make(cls, example)
    config = layer.get_build_config()
    assert config is not None
    other.build_from_config(json.loads(json.dumps(config)))
    assert other.built
    assert [one.shape for one in other.weights] == [one.shape for one in layer.weights]


# --- shapes ----------------------------------------------------------------------------------


@each_example
def test_shape_rule_is_the_actual_shape(cls: type[layers.Layer], example: Example) -> None:
    expected = output_shape(make(cls, example), example.input_shape)
    assert shapes_of(call(make(cls, example), data(example))) == flat_shapes(expected)


@each_example
def test_shape_follows_the_batch(cls: type[layers.Layer], example: Example) -> None:
    for batch in (None, 0, 1, 5):
        shape = map_shapes(lambda shape, n=batch: (n, *shape[1:]), example.input_shape)
        found = flat_shapes(output_shape(make(cls, example), shape))
        assert all(one[0] == batch for one in found)
        if batch is not None:
            assert shapes_of(call(make(cls, example), data(example, batch=batch))) == found


@each_example
def test_what_an_unknown_length_leaves_known_is_right(
    cls: type[layers.Layer], example: Example
) -> None:
    actual = shapes_of(call(make(cls, example), data(example)))
    ranks = [len(shape) for shape in flat_shapes(example.input_shape)]
    for axis in range(1, max(ranks)):
        shape = map_shapes(
            lambda shape, axis=axis: tuple(
                None if index in (0, axis) else length for index, length in enumerate(shape)
            ),
            example.input_shape,
        )
        try:
            found = flat_shapes(output_shape(make(cls, example), shape))
        except ValueError:
            # A length that the weights or the result depend on must be known.
            continue
        for one, other in zip(found, actual, strict=True):
            assert len(one) == len(other)
            assert all(length in (None, real) for length, real in zip(one, other, strict=True))


@each_example
def test_symbolic_call_agrees_with_the_eager_one(cls: type[layers.Layer], example: Example) -> None:
    layer, x = make(cls, example), data(example)
    dtype = "float32" if real(example) else "int32" if example.words is None else "string"
    entry = map_structure(lambda x: ls.Input(batch_shape=(None, *x.shape[1:]), dtype=dtype), x)
    symbolic, eager = call(layer, entry), run(layer, x)
    for one, other in zip(leaves(symbolic), leaves(eager), strict=True):
        assert isinstance(one, KerasTensor)
        assert one.shape == (None, *other.shape[1:])
        assert one.dtype == ("string" if other.dtype.kind == "U" else other.dtype)
    model = ls.Model(layer.input, layer.output)
    assert_same(run(model, x), eager)


# --- values ----------------------------------------------------------------------------------


@each_example
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_type_is_kept(cls: type[layers.Layer], example: Example, dtype: str) -> None:
    if cls.__name__ in OF_CATEGORIES:
        pytest.skip("its results are categories")
    other = {"float32": "float64", "float64": "float32"}[dtype]
    for training in (False, True):
        layer = make(cls, example, dtype=dtype)
        for given in (dtype, other):
            for out in leaves(call(layer, data(example, given), training=training)):
                assert out.dtype == dtype
        with ls.GradientTape() as tape:
            x = map_structure(tape.watch, data(example, dtype))
            outputs = leaves(call(layer, x, training=training))
            total = sum((ls.ops.sum(out) for out in outputs), start=0.0)
        assert all(out.dtype == dtype for out in outputs)
        assert all(one.dtype == dtype for one in layer.weights)
        sources = [*(leaves(x) if real(example) else []), *layer.trainable_weights]
        for gradient in tape.gradient(total, sources):
            assert (gradient is None) == (training and cls.__name__ in IN_STEPS)
            assert gradient is None or gradient.dtype == dtype


@each_example
def test_gradients_of_input_and_weights(cls: type[layers.Layer], example: Example) -> None:
    if cls.__name__ in OF_CATEGORIES:
        pytest.skip("its results are categories")
    layer = make(cls, example, dtype="float64")
    build(layer, example.input_shape)
    generator = np.random.default_rng(3)
    values = [generator.normal(size=one.shape) for one in layer.weights]
    for variable, value in zip(layer.weights, values, strict=True):
        if variable.name == "moving_variance":
            np.abs(value, out=value)
    x = data(example, "float64")
    projections = [generator.normal(size=out.shape) for out in leaves(run(layer, x))]

    def outputs(x: Any, *weights: Any) -> Any:
        """Return all outputs as one number."""
        for variable, value in zip(layer.weights, weights, strict=True):
            variable.assign(value)
        pairs = zip(leaves(run(layer, x)), projections, strict=True)
        return sum((ls.ops.sum(out * projection) for out, projection in pairs), start=0.0)

    # With respect to the input, the weights being what they are.
    if real(example):
        if single(example):
            ls.check_gradients(lambda x: outputs(x, *values), x)
        else:
            ls.check_gradients(lambda *several: outputs(list(several), *values), *x)
    # With respect to the weights, which the tape watches by itself.
    with ls.GradientTape() as tape:
        total = outputs(x, *values)
    found = tape.gradient(total, layer.trainable_weights)
    places = [id(variable) for variable in layer.weights]
    for variable, gradient in zip(layer.trainable_weights, found, strict=True):
        index = places.index(id(variable))
        step = np.zeros_like(values[index])
        expected = np.empty_like(values[index])
        for position in np.ndindex(step.shape):
            step[position] = 1e-6
            above, below = (
                outputs(x, *values[:index], values[index] + sign * step, *values[index + 1 :])
                for sign in (1, -1)
            )
            expected[position] = (above - below) / 2e-6
            step[position] = 0
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@each_example
def test_a_batch_is_its_halves(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example, dtype="float64")
    x = data(example, "float64", batch=6)
    parts = [
        call(layer, map_structure(itemgetter(half), x), training=False)
        for half in (slice(2), slice(2, None))
    ]
    joined = [np.concatenate(pair) for pair in zip(*map(leaves, parts), strict=True)]
    assert_same(call(layer, x, training=False), joined, rtol=1e-12, atol=1e-14)


@each_example
def test_inputs_and_weights_are_left_alone(cls: type[layers.Layer], example: Example) -> None:
    for training in (False, True):
        layer, x = make(cls, example), data(example)
        build(layer, example.input_shape)
        kept, weights = copy.deepcopy(x), layer.get_weights()
        call(layer, x, training=training)
        assert_same(x, kept)
        if training and cls is layers.SpectralNormalization:
            continue  # Rewriting a weight is what it is for.
        for variable, expected in zip(layer.weights, weights, strict=True):
            if not (training and variable.name.startswith(("moving_", "renorm_"))):
                np.testing.assert_array_equal(variable.numpy(), expected)


@each_example
def test_inference_repeats_itself(cls: type[layers.Layer], example: Example) -> None:
    layer, x = make(cls, example), data(example)
    assert_same(run(layer, x), run(layer, x))
    # What prepares images is training unless told otherwise, as in Keras.
    options = {"training": False} if isinstance(layer, _ImageLayer) else {}
    assert_same(call(layer, x, training=False), call(layer, x, **options))


@each_example
def test_threads_do_not_disturb_each_other(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example)
    inputs = [data(example, batch=batch) for batch in (1, 2, 3, 4)]
    infer = partial(call, layer, training=False)
    expected = [infer(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for found, right in zip(pool.map(infer, inputs), expected, strict=True):
                assert_same(found, right)


@each_example
def test_memory_layout_does_not_matter(cls: type[layers.Layer], example: Example) -> None:
    def spread(x: np.ndarray) -> np.ndarray:
        wide = np.zeros((*x.shape[::-1], 2), x.dtype)
        wide[..., 0] = x.T
        return wide[..., 0].T

    layer, x = make(cls, example), data(example)
    assert_same(run(layer, map_structure(spread, x)), run(layer, x), rtol=1e-6, atol=1e-7)


@each_layer
def test_wrong_rank_is_explained(cls: type[layers.Layer]) -> None:
    layer = make(cls, cls.examples[0])
    spec = layer.input_spec
    if not single(cls.examples[0]):
        pytest.skip("takes several inputs")
    if spec is None or (spec.ndim is None and (spec.min_ndim or 0) < 2):
        pytest.skip("takes any rank")
    wanted = spec.ndim or spec.min_ndim
    for call in (
        lambda: layer(np.zeros((2,) * (wanted - 1), "float32")),
        lambda: layer(ls.Input((2,) * (wanted - 2))),
    ):
        with pytest.raises(ValueError, match=f"{wanted}") as caught:
            call()
        message = str(caught.value)
        assert f"ndim={wanted}, found ndim={wanted - 1}" in message
        assert layer.name in message
        assert not layer.weights


@each_example
def test_another_length_than_built_for_is_explained(
    cls: type[layers.Layer], example: Example
) -> None:
    layer = make(cls, example)
    call(layer, data(example))
    if not layer.weights or not real(example) or not single(example):
        pytest.skip("has no weights, or none that an input's length decides")
    first = 2 if isinstance(layer, layers.RNN) else 1
    axis = first if getattr(layer, "data_format", None) == "channels_first" else -1
    if isinstance(chosen := getattr(layer, "axis", None), int):
        axis = chosen
    shape = list(data(example).shape)
    wanted, shape[axis] = shape[axis], 7
    with pytest.raises(ValueError, match=f"value {wanted}") as caught:
        layer(np.zeros(shape, "float32"))
    assert str(tuple(shape)) in str(caught.value)


# --- weights ---------------------------------------------------------------------------------


@each_example
def test_weights_can_be_read_and_set(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example)
    build(layer, example.input_shape)
    new = [np.full_like(value, 0.5) for value in layer.get_weights()]
    layer.set_weights(new)
    for found, expected in zip(layer.get_weights(), new, strict=True):
        np.testing.assert_array_equal(found, expected)
        found[...] = 9  # a copy, not the weight itself
    for variable in layer.weights:
        assert (variable.value == 0.5).all()
    assert layer.count_params() == sum(value.size for value in new)
    assert layer.count_params() == sum(one.value.size for one in layer.weights)


@each_example
def test_wrong_weights_are_refused_and_change_nothing(
    cls: type[layers.Layer], example: Example
) -> None:
    layer = make(cls, example)
    build(layer, example.input_shape)
    before = layer.get_weights()
    with pytest.raises(ValueError, match=rf"length {len(before) + 1}.*expecting {len(before)}"):
        layer.set_weights([*before, np.zeros(1)])
    if before:
        wrong = [np.zeros_like(value) for value in before[:-1]] + [np.zeros((9, 9, 9))]
        with pytest.raises(ValueError, match=r"not compatible .* \(9, 9, 9\)"):
            layer.set_weights(wrong)
    for found, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


@each_example
def test_freezing_moves_the_weights(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example)
    build(layer, example.input_shape)
    weights, trained = layer.weights, layer.trainable_weights
    layer.trainable = False
    assert layer.trainable_weights == []
    assert [id(one) for one in layer.non_trainable_weights] == [id(one) for one in weights]
    layer.trainable = True
    assert [id(one) for one in layer.trainable_weights] == [id(one) for one in trained]


@each_layer
def test_counting_before_building_is_refused(cls: type[layers.Layer]) -> None:
    layer = make(cls, cls.examples[0], name="still_new")
    if layer.built:
        assert layer.count_params() == 0
        return
    with pytest.raises(ValueError, match=r"'still_new'.*isn't built"):
        layer.count_params()


@each_example
def test_weightless_building_counts_the_same(cls: type[layers.Layer], example: Example) -> None:
    from layerscope.layers.weight_owner import weightless

    layer = make(cls, example)
    build(layer, example.input_shape)
    with weightless():
        light = make(cls, example)
        build(light, example.input_shape)
    assert light.count_params() == layer.count_params()
    for one in light.weights:
        assert one.value.strides == (0,) * one.value.ndim
