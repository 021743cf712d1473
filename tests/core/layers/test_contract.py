"""What every layer promises, tried on every built-in layer with the examples it brings."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, registry
from layerscope.configurable import REQUIRED, fields_of
from layerscope.layers.layer import Example
from layerscope.tensor import KerasTensor

#: Layers that are not part of a stack: the base class, the entry, and models.
OTHER = {"Layer", "InputLayer", "Trainable", "Model", "Functional", "Sequential"}

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
    ls.utils.set_random_seed(0)
    return cls(**{**example.arguments, **options})


def data(example: Example, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(0).normal(size=lengths(example)).astype(dtype)


def lengths(example: Example) -> list[int]:
    return [int(length or 0) for length in example.input_shape]


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
@pytest.mark.parametrize("way", ["config", "serialize", "class_name"])
def test_config_round_trip(cls: type[layers.Layer], example: Example, way: str) -> None:
    layer, x = make(cls, example, name="some_name", trainable=False), data(example)
    # What is random must start again from its seed.
    training = "seed" in example.arguments
    expected = layer(x, training=training)
    copy = restored_in(way, layer)
    assert type(copy) is cls
    assert copy.get_config() == layer.get_config()
    assert (copy.name, copy.trainable) == ("some_name", False)
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    found = copy(x, training=training)
    np.testing.assert_array_equal(found, expected)


@each_example
def test_build_config_round_trip(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example)
    layer(data(example))
    copy = make(cls, example)
    config = layer.get_build_config()
    assert config is not None
    copy.build_from_config(json.loads(json.dumps(config)))
    assert copy.built
    assert [one.shape for one in copy.weights] == [one.shape for one in layer.weights]


# --- shapes ----------------------------------------------------------------------------------


@each_example
def test_shape_rule_is_the_actual_shape(cls: type[layers.Layer], example: Example) -> None:
    x = data(example)
    expected = make(cls, example).compute_output_shape(x.shape)
    assert make(cls, example)(x).shape == expected


@each_example
@pytest.mark.parametrize("batch", [None, 0, 1, 5])
def test_shape_follows_the_batch(
    cls: type[layers.Layer], example: Example, batch: int | None
) -> None:
    shape = (batch, *lengths(example)[1:])
    found = make(cls, example).compute_output_shape(shape)
    assert found[0] == batch
    if batch is not None:
        assert make(cls, example)(np.zeros((batch, *shape[1:]), "float32")).shape == found


@each_example
def test_symbolic_call_agrees_with_the_eager_one(cls: type[layers.Layer], example: Example) -> None:
    layer, x = make(cls, example), data(example)
    symbolic = layer(ls.Input(batch_shape=(None, *x.shape[1:])))
    eager = layer(x)
    assert isinstance(symbolic, KerasTensor)
    assert symbolic.shape == (None, *eager.shape[1:])
    assert symbolic.dtype == eager.dtype
    model = ls.Model(layer.input, layer.output)
    np.testing.assert_array_equal(model(x), eager)


# --- values ----------------------------------------------------------------------------------


@each_example
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [False, True])
def test_type_is_kept(
    cls: type[layers.Layer], example: Example, dtype: str, training: bool
) -> None:
    layer = make(cls, example, dtype=dtype)
    other = {"float32": "float64", "float64": "float32"}[dtype]
    for given in (dtype, other):
        assert layer(data(example, given), training=training).dtype == dtype
    with ls.GradientTape() as tape:
        x = tape.watch(data(example, dtype))
        out = layer(x, training=training)
    assert out.dtype == dtype
    assert all(one.dtype == dtype for one in layer.weights)
    for one in tape.gradient(out, [x, *layer.trainable_weights]):
        assert one.dtype == dtype


@each_example
def test_gradients_of_input_and_weights(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example, dtype="float64")
    layer.build(example.input_shape)
    generator = np.random.default_rng(3)
    values = [generator.normal(size=one.shape) for one in layer.weights]
    for variable, value in zip(layer.weights, values, strict=True):
        if variable.name == "moving_variance":
            np.abs(value, out=value)

    def outputs(x: Any, *weights: Any) -> Any:
        for variable, value in zip(layer.weights, weights, strict=True):
            variable.assign(value)
        return layer(x)

    # With respect to the input, the weights being what they are.
    ls.check_gradients(lambda x: outputs(x, *values), data(example, "float64"))
    # With respect to the weights, which the tape watches by itself.
    x = data(example, "float64")
    out_shape = layer(x).shape
    projection = generator.normal(size=out_shape)
    with ls.GradientTape() as tape:
        total = ls.ops.sum(outputs(x, *values) * projection)
    found = tape.gradient(total, layer.trainable_weights)
    for index, gradient in enumerate(found):
        step = np.zeros_like(values[index])
        expected = np.empty_like(values[index])
        for position in np.ndindex(step.shape):
            step[position] = 1e-6
            above, below = (
                np.sum(
                    outputs(x, *values[:index], values[index] + sign * step, *values[index + 1 :])
                    * projection
                )
                for sign in (1, -1)
            )
            expected[position] = (above - below) / 2e-6
            step[position] = 0
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@each_example
def test_a_batch_is_its_halves(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example, dtype="float64")
    x = np.concatenate([data(example, "float64")] * 2)
    x += np.random.default_rng(1).normal(size=x.shape)
    half = len(x) // 2
    parts = [layer(x[:half]), layer(x[half:])]
    np.testing.assert_allclose(layer(x), np.concatenate(parts), rtol=1e-12)


@each_example
@pytest.mark.parametrize("training", [False, True])
def test_inputs_and_weights_are_left_alone(
    cls: type[layers.Layer], example: Example, training: bool
) -> None:
    layer, x = make(cls, example), data(example)
    layer.build(x.shape)
    kept, weights = x.copy(), layer.get_weights()
    layer(x, training=training)
    np.testing.assert_array_equal(x, kept)
    for variable, expected in zip(layer.weights, weights, strict=True):
        if not (training and variable.name.startswith("moving_")):
            np.testing.assert_array_equal(variable.numpy(), expected)


@each_example
def test_inference_repeats_itself(cls: type[layers.Layer], example: Example) -> None:
    layer, x = make(cls, example), data(example)
    np.testing.assert_array_equal(layer(x), layer(x))
    np.testing.assert_array_equal(layer(x, training=False), layer(x))


@each_example
def test_memory_layout_does_not_matter(cls: type[layers.Layer], example: Example) -> None:
    layer, x = make(cls, example), data(example)
    wide = np.zeros((*x.shape[::-1], 2), x.dtype)
    wide[..., 0] = x.T
    np.testing.assert_allclose(layer(wide[..., 0].T), layer(x), rtol=1e-6, atol=1e-7)


@each_layer
def test_wrong_rank_is_explained(cls: type[layers.Layer]) -> None:
    layer = make(cls, cls.examples[0])
    spec = layer.input_spec
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
        assert not layer.built


@each_example
def test_another_length_than_built_for_is_explained(
    cls: type[layers.Layer], example: Example
) -> None:
    layer = make(cls, example)
    layer(data(example))
    if not layer.weights:
        pytest.skip("has no weights")
    axis = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
    if isinstance(chosen := getattr(layer, "axis", None), int):
        axis = chosen
    shape = lengths(example)
    shape[axis] = 7
    with pytest.raises(ValueError, match=f"value {example.input_shape[axis]}") as caught:
        layer(np.zeros(shape, "float32"))
    assert str(tuple(shape)) in str(caught.value)


# --- weights ---------------------------------------------------------------------------------


@each_example
def test_weights_can_be_read_and_set(cls: type[layers.Layer], example: Example) -> None:
    layer = make(cls, example)
    layer.build(example.input_shape)
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
    layer.build(example.input_shape)
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
    layer.build(example.input_shape)
    weights, trained = layer.weights, layer.trainable_weights
    layer.trainable = False
    assert layer.trainable_weights == []
    assert [id(one) for one in layer.non_trainable_weights] == [id(one) for one in weights]
    layer.trainable = True
    assert [id(one) for one in layer.trainable_weights] == [id(one) for one in trained]


@each_layer
def test_counting_before_building_is_refused(cls: type[layers.Layer]) -> None:
    layer = make(cls, cls.examples[0], name="still_new")
    with pytest.raises(ValueError, match=r"'still_new'.*isn't built"):
        layer.count_params()


@each_example
def test_weightless_building_counts_the_same(cls: type[layers.Layer], example: Example) -> None:
    from layerscope.layers.weight_owner import weightless

    layer = make(cls, example)
    layer.build(example.input_shape)
    with weightless():
        light = make(cls, example)
        light.build(example.input_shape)
    assert light.count_params() == layer.count_params()
    for one in light.weights:
        assert one.value.strides == (0,) * one.value.ndim
