"""What is left out where nothing is to be done must be done again as soon as there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, ops
from layerscope.masks import set_keras_mask


def stack(**last: Any) -> ls.Sequential:
    return ls.Sequential(
        [
            ls.Input((3,)),
            layers.Dense(4, activation="tanh", kernel_initializer=ls.initializers.HeNormal(1)),
            layers.Dense(5, activation="relu", kernel_initializer=ls.initializers.HeNormal(2)),
            layers.Dense(2, kernel_initializer=ls.initializers.HeNormal(3), **last),
        ]
    )


def dense_layers(model: ls.Sequential) -> list[layers.Dense]:
    return [layer for layer in model.layers if isinstance(layer, layers.Dense)]


def data(rows: int = 6) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 3)).astype("float32")


def one_by_one(model: ls.Sequential, x: Any) -> Any:
    """Return what the layers give when each is called with its ordinary operations."""
    for layer in dense_layers(model):
        x = layer.activation(ops.add(ops.matmul(x, layer.kernel), layer.bias))
    return x


def twice(model: ls.Sequential, x: Any) -> None:
    for _ in range(2):
        model(x)


def recorded(function: Any, x: Any) -> tuple[list[str], Any, list[Any]]:
    with ls.GradientTape() as tape:
        output = function(x)
    names = [record.operation.name for record in tape._records or ()]
    return names, output.value, tape.gradient(output, function.trainable_variables)


def test_a_run_of_dense_layers_is_one_operation_and_computes_the_same() -> None:
    model, x = stack(), data()
    first, second = recorded(model, x), recorded(model, x)
    assert first[0] == second[0] == ["dense_stack"]
    np.testing.assert_array_equal(first[1], second[1])
    for one, other in zip(first[2], second[2], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(second[1], one_by_one(model, x), rtol=1e-6, atol=1e-6)


def test_gradients_pass_frozen_layers_inside_a_run() -> None:
    model, x = stack(), data()
    model.layers[1].trainable = False
    model(x)

    def gradients(function: Any) -> list[Any]:
        with ls.GradientTape() as tape:
            watched = tape.watch(x)
            output = function(watched)
        return tape.gradient(output, [watched, *model.trainable_variables])

    found, expected = gradients(model), gradients(lambda value: one_by_one(model, value))
    assert len(found) == 5
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    # Only the last layer is trained: nothing goes further back.
    model.layers[0].trainable = False
    assert [one.shape for one in recorded(model, x)[2]] == [(5, 2), (2,)]


def test_a_run_can_be_differentiated_twice() -> None:
    model, x = stack(), data(2)
    model(x)
    variables = model.trainable_variables
    vectors = [np.ones_like(variable.value) for variable in variables]
    fused = ls.hvp(lambda *_: ops.sum(ops.square(model(x))), variables, vectors)
    expected = ls.hvp(lambda *_: ops.sum(ops.square(one_by_one(model, x))), variables, vectors)
    for one, other in zip(fused, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_results_do_not_depend_on_what_was_called_before() -> None:
    model, x = stack(), data()
    first = model(x)
    for other in (x[:3], x.astype("float64"), x):
        again = model(other)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(model(x.astype("float64")), again)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer, "activation", ops.sin),
        lambda layer: setattr(layer, "activation", None),
        lambda layer: setattr(layer, "activity_regularizer", ls.regularizers.L2(0.1)),
        lambda layer: layer.enable_lora(1, b_initializer="ones"),
    ],
    ids=["other activation", "no activation", "penalty", "lora"],
)
def test_a_layer_that_changes_leaves_the_run(change: Any) -> None:
    model, x = stack(), data()
    twice(model, x)
    layer = dense_layers(model)[1]
    change(layer)
    output = model(x)
    layer.activation = layer.activation or ls.activations.linear
    np.testing.assert_allclose(output, one_by_one(model, x), rtol=1e-5, atol=1e-6)
    assert len(model.losses) == (layer.activity_regularizer is not None)


def test_a_dense_layer_of_ones_own_is_called() -> None:
    class Doubled(layers.Dense):
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    model, x = ls.Sequential([layers.Dense(2), Doubled(2), layers.Dense(2)]), data()
    first = model(x)
    np.testing.assert_array_equal(first, model(x))
    hidden = model.layers[0](x)
    np.testing.assert_allclose(
        first, model.layers[2](2 * (hidden @ dense_layers(model)[1].kernel.value)), rtol=1e-5
    )


def test_other_types_and_lengths_are_noticed() -> None:
    model, x = stack(), data()
    twice(model, x)
    assert model(x.astype("float64")).dtype == "float32"
    np.testing.assert_array_equal(model(data(4)), model(data(4).astype("float64")))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        model(np.ones((6, 4), "float32"))
    layer = model.layers[0]
    layer.input_spec = layers.InputSpec(shape=(5, 3))
    with pytest.raises(ValueError, match=r"expected shape=\(5, 3\)"):
        model(x)


def test_a_mask_that_comes_later_is_passed_on() -> None:
    seen: list[Any] = []

    class Keeping(layers.Layer):
        def call(self, inputs: Any, mask: Any = None) -> Any:
            seen.append(mask)
            return inputs

    model = ls.Sequential([layers.Dense(2), layers.Dense(3), Keeping()])
    x = data().reshape(2, 3, 3)
    model(x)
    seen.clear()
    model(x)
    masked, mask = x.copy(), np.array([[True, True, False], [True, False, False]])
    set_keras_mask(masked, mask)
    twice(model, masked)
    assert [one is None for one in seen] == [True, False, False]
    assert seen[1] is seen[2] is mask


def test_the_phase_reaches_layers_called_on_the_like() -> None:
    seen: list[Any] = []

    class Listening(layers.Layer):
        def call(self, inputs: Any, training: bool | None = None) -> Any:
            seen.append(training)
            return inputs

    model, x = ls.Sequential([Listening()]), data()
    model(x)
    seen.clear()
    for training in (None, True, False, None):
        model(x, training=training)
    assert seen == [None, True, False, None]


def test_the_mean_of_all_is_the_mean_of_the_samples() -> None:
    generator = np.random.default_rng(0)
    y, p = generator.normal(size=(2, 5, 3)).astype("float32")
    loss = ls.losses.MeanSquaredError()
    expected = ls.losses.MeanSquaredError(reduction="none")(y, p).mean()
    assert loss(y, p) == pytest.approx(float(expected), rel=1e-6)
    assert loss(y, p, np.ones(5)) == pytest.approx(float(expected), rel=1e-6)
    assert loss(y.tolist(), p) == pytest.approx(float(expected), rel=1e-6)
    assert np.isnan(loss(np.where(y == y[0, 0], np.nan, y), p))


def test_crossentropy_of_class_numbers_is_that_of_their_one_hot_codes() -> None:
    generator = np.random.default_rng(1)
    x = generator.uniform(0, 1, (4, 5, 3)).astype("float32")
    x[0, 0], x[1, 1, 2], x[2, 2] = [0, 0, 1], np.nan, [0, 0, 0]
    labels = generator.integers(0, 3, (4, 5))
    labels[0, 0] = 1
    losses = ls.losses.SparseCategoricalCrossentropy(), ls.losses.CategoricalCrossentropy()
    results = []
    with np.errstate(invalid="ignore"):
        for loss, target in zip(losses, (labels, np.eye(3, dtype="float32")[labels]), strict=True):
            loss.reduction = "none"
            with ls.GradientTape() as tape:
                watched = tape.watch(x)
                value = loss(target, watched)
            results.append((value.value, tape.gradient(value, watched)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
