"""Known values and refusals of the merging, masking, embedding, function and wrapping layers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, ops
from layerscope.masks import get_keras_mask

A = np.arange(24, dtype="float32").reshape(2, 3, 4)
B = np.arange(8, dtype="float32").reshape(2, 4)


def doubled(x: Any) -> Any:
    return x * 2


# --- merging -----------------------------------------------------------------------------------


def test_missing_axes_come_after_the_batch() -> None:
    np.testing.assert_array_equal(layers.Add()([A, B]), A + B[:, None])
    np.testing.assert_array_equal(layers.Subtract()([B, A]), B[:, None] - A)
    assert layers.Add()([A, A[:, :1]]).shape == (2, 3, 4)
    assert layers.Add()([A[:, 0, 0], B]).shape == (2, 4)
    assert layers.Add().compute_output_shape([(None, 3, 4), (None, 1, 4)]) == (None, 3, 4)
    assert layers.Add().compute_output_shape([(None, None, 4), (2, 4)]) == (2, None, 4)


def test_one_input_is_a_list_too() -> None:
    for layer in (layers.Add(), layers.Average(), layers.Maximum(), layers.Concatenate()):
        np.testing.assert_array_equal(layer([A]), A)
    np.testing.assert_array_equal(layers.Add()((A, A)), 2 * A)
    masked = [layers.Masking()(A), layers.Masking()(A)]
    for layer in (layers.Multiply(), layers.Maximum()):
        assert layer(masked).dtype == "float32"


def test_functions_of_the_same_names() -> None:
    a, b = np.full((1, 2), 3, "float32"), np.full((1, 2), 2, "float32")
    expected = {"add": 5, "subtract": 1, "multiply": 6, "average": 2.5, "maximum": 3, "minimum": 2}
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(layers, name)([a, b]), [[value, value]])
    np.testing.assert_array_equal(layers.concatenate([a, b], axis=0), [[3, 3], [2, 2]])
    np.testing.assert_array_equal(layers.dot([a, b]), [[12]])
    np.testing.assert_allclose(layers.dot([a, b], axes=1, normalize=True), [[1]], rtol=1e-6)
    assert layers.add([ls.Input((3,)), ls.Input((3,))], name="sum").name == "sum"


def test_several_inputs_in_a_functional_model() -> None:
    entries = [ls.Input((3, 4)), ls.Input((4,))]
    merged = layers.Multiply()([layers.Dense(4)(entries[0]), entries[1]])
    model = ls.Model(entries, layers.Concatenate(axis=1)([merged, entries[0]]))
    assert model.output_shape == (None, 6, 4)
    copy = ls.Model.from_config(json.loads(json.dumps(model.get_config())))
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy([A, B]), model([A, B]))


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (layers.Add(), A, "should be called on a list of inputs"),
        (layers.Add(), [A, A[:1]], "different batch sizes"),
        (layers.Average(), [A, A[:, :2]], r"incompatible shapes.*\(3, 4\) and \(2, 4\)"),
        (layers.Subtract(), [A], "exactly 2 inputs"),
        (layers.Subtract(), [A, A, A], "exactly 2 inputs"),
        (layers.Concatenate(), A, "list of at least 1 input"),
        (layers.Concatenate(1), [A, A[:, :, :2]], "matching shapes except for the concatenation"),
        (layers.Concatenate(3), [A, A], r"`axis` must be in \[-3, 3\)"),
        (layers.Dot(1), [A, A[:, :2]], r"axis values 3 \(at axis 1\) != 2 \(at axis 1\)"),
        (layers.Dot(0), [A, A], "must not name axis 0"),
        (layers.Dot(1), [A], "list of 2 inputs"),
        (layers.Dot(3), [A, A], r"\[-3, 3\)"),
    ],
)
def test_inputs_that_cannot_be_merged(layer: Any, inputs: Any, message: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            layer(inputs)
    assert not layer.built


def test_nothing_cannot_be_merged() -> None:
    for layer in (layers.Add(), layers.Concatenate()):
        with pytest.raises(TypeError, match="without an input"):
            layer([])


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ((1, 2, 3), ValueError, r"two elements.*\(1, 2, 3\)"),
        ((1, 2.5), ValueError, "should be integers"),
        ("a", TypeError, "a list or an int. Received: axes=a"),
    ],
)
def test_axes_of_a_product(axes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        layers.Dot(axes)


def test_products_of_empty_axes() -> None:
    empty = np.zeros((2, 0, 3), "float32")
    np.testing.assert_array_equal(layers.Dot(1)([empty, empty]), np.zeros((2, 3, 3)))
    assert layers.Dot(2)([empty, empty]).shape == (2, 0, 0)


# --- embedding ---------------------------------------------------------------------------------


def test_numbers_are_looked_up() -> None:
    layer = layers.Embedding(3, 2, weights=np.array([[0, 0], [1, 2], [3, 4]]))
    assert layer.built
    assert layer.embeddings.dtype == "float32"
    np.testing.assert_array_equal(layer(np.array([[2, -2]])), [[[3, 4], [1, 2]]])
    # Real numbers are cut off.
    np.testing.assert_array_equal(layer(np.array([1.7, 2.2, -0.9])), [[1, 2], [3, 4], [0, 0]])
    assert "weights" not in layer.get_config()
    again = layers.Embedding(3, 2, weights=[np.ones((3, 2))])
    np.testing.assert_array_equal(again.get_weights()[0], np.ones((3, 2)))


def test_a_number_met_twice_learns_twice() -> None:
    layer = layers.Embedding(4, 1)
    with ls.GradientTape() as tape:
        loss = ops.sum(layer(np.array([[1, 3, 1], [1, -1, 0]])))
    gradient = tape.gradient(loss, layer.embeddings)
    np.testing.assert_array_equal(gradient, [[1], [3], [0], [2]])


def test_training_respects_constraint_and_penalty() -> None:
    layer = layers.Embedding(
        3, 2, embeddings_constraint="non_neg", embeddings_regularizer="l2", weights=np.ones((3, 2))
    )
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.06)]
    model = ls.Sequential([layer, layers.Flatten()])
    model.compile(ls.optimizers.SGD(10.0), loss="mse")
    model.fit(np.array([[1]]), np.array([[-5.0, -5.0]]), epochs=1, verbose=0)
    found = layer.get_weights()[0]
    assert (found >= 0).all()
    np.testing.assert_array_equal(found[1], [0, 0])


@pytest.mark.parametrize("number", [3, -4, 3.5])
def test_a_number_without_a_vector_is_refused(number: float) -> None:
    layer = layers.Embedding(3, 2, name="words")
    with pytest.raises(IndexError, match=rf"'words'.*{int(number)}.*input_dim=3.*-3 to 2"):
        layer(np.array([[0, number]]))


@pytest.mark.parametrize("number", [3.7, "3", None, True, -1, 0])
def test_sizes_of_an_embedding(number: Any) -> None:
    for name, arguments in (("input_dim", (number, 2)), ("output_dim", (2, number))):
        with pytest.raises(ValueError, match=f"`{name}` must be a positive integer.*{number}"):
            layers.Embedding(*arguments)


def embedding(**options: Any) -> layers.Embedding:
    return layers.Embedding(3, 2, **options)


def test_what_an_embedding_cannot_do_is_said() -> None:
    with pytest.raises(ValueError, match=r"`quantization_config` must be None.*Received: .*=2"):
        embedding(quantization_config=2)
    with pytest.raises(ValueError, match="not compatible"):
        embedding(weights=np.ones((2, 2)))
    with pytest.warns(UserWarning, match="`input_length` is deprecated"):
        embedding(input_length=10)


# --- masking -----------------------------------------------------------------------------------


def test_mask_values() -> None:
    x = np.array([[[0.0, 1.0], [0.0, 0.0], [np.nan, 0.0]]], "float32")
    layer = layers.Masking([0.0, 1.0])
    np.testing.assert_array_equal(layer.compute_mask(x), [[False, True, True]])
    np.testing.assert_array_equal(layers.Masking().compute_mask(x), [[True, False, True]])
    assert np.isnan(layers.Masking()(x)).any()
    assert layers.Masking()(np.array([[0, 1]])).dtype.kind == "i"
    for value in ("a", None):
        with pytest.raises(ValueError, match="`mask_value` must be a number"):
            layers.Masking(value)


# --- functions ---------------------------------------------------------------------------------


def test_functions_of_every_kind() -> None:
    x = np.array([[1.0, -2.0]], "float32")
    for function in (lambda x: x**2, ops.square, "square", np.square):
        np.testing.assert_array_equal(layers.Lambda(function)(x), [[1, 4]])
    np.testing.assert_array_equal(layers.Lambda("relu")(x), [[1, 0]])
    np.testing.assert_array_equal(
        layers.Lambda(lambda x, y: x + y, arguments={"y": 2})(x), [[3, 0]]
    )
    one, two = layers.Lambda(lambda x: [x, -x])(x)
    np.testing.assert_array_equal(one, -two)


def test_functions_may_ask_for_phase_and_mask() -> None:
    def function(x: Any, mask: Any = None, training: Any = None) -> Any:
        return x * (3 if training else 1) + (0 if mask is None else 1)

    layer, x = layers.Lambda(function), np.ones((1, 2, 1), "float32")
    assert layer(x).ravel().tolist() == [1, 1]
    assert layer(x, training=True).ravel().tolist() == [3, 3]
    assert layer(layers.Masking()(x)).ravel().tolist() == [2, 2]


def test_shape_of_a_function() -> None:
    assert layers.Lambda(lambda x: x[:, :1]).compute_output_shape((None, 4)) == (None, 1)
    assert layers.Lambda(np.sin, output_shape=(4,)).compute_output_shape((2, 5)) == (2, 4)
    rule = layers.Lambda(np.sin, output_shape=lambda shape: (*shape, 7))
    assert rule(ls.Input((5,))).shape == (None, 5, 7)
    whole = layers.Lambda(lambda x: ops.argmax(x, axis=-1))(ls.Input((5,)))
    assert (whole.shape, whole.dtype) == ((None,), "int32")
    with pytest.raises(NotImplementedError, match="specify the `output_shape`"):
        layers.Lambda(np.sin).compute_output_shape((2, 5))
    model = ls.Sequential([ls.Input((5,)), layers.Lambda(lambda x: x[:, :2]), layers.Dense(1)])
    assert model.output_shape == (None, 1)
    assert model.layers[0].output_shape == (None, 2)


def test_masks_of_a_function() -> None:
    x, mask = np.ones((1, 2, 3), "float32"), np.array([[True, False]])
    fixed = layers.Lambda(doubled, mask=mask)
    np.testing.assert_array_equal(get_keras_mask(fixed(x)), mask)
    computed = layers.Lambda(doubled, mask=lambda inputs, mask: ops.any(inputs > 2, axis=-1))
    np.testing.assert_array_equal(get_keras_mask(computed(x)), [[False, False]])
    assert not layers.Lambda(doubled).supports_masking
    again = layers.Lambda.from_config(
        json.loads(json.dumps(fixed.get_config())), {"doubled": doubled}
    )
    np.testing.assert_array_equal(again.compute_mask(x), mask)


def test_named_functions_are_found_again() -> None:
    config = json.loads(json.dumps(layers.serialize(layers.Lambda(doubled))))
    with pytest.raises(TypeError, match=r"unsupported callable.*doubled"):
        layers.deserialize(config)
    layer = layers.deserialize(config, {"doubled": doubled})
    np.testing.assert_array_equal(layer(A), 2 * A)


def test_a_layer_may_be_the_function() -> None:
    layer = layers.Lambda(layers.Dense(2))
    layer(A)
    assert [one.name for one in layer.weights] == ["kernel", "bias"]
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    again(A)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(A), layer(A))


def test_code_in_a_config_is_never_run() -> None:
    config = json.loads(json.dumps(layers.serialize(layers.Lambda(lambda x: x * 2))))
    assert config["config"]["function"]["class_name"] == "__lambda__"
    with pytest.raises(ValueError, match=r"`function` is a Python lambda.*custom_objects"):
        layers.deserialize(config)
    with pytest.raises(ValueError, match="never does"):
        layers.Lambda.from_config(config["config"], safe_mode=False)
    shaped = layers.Lambda(doubled, output_shape=lambda shape: shape)
    with pytest.raises(ValueError, match="`output_shape` is a Python lambda"):
        layers.Lambda.from_config(shaped.get_config(), {"doubled": doubled})


@pytest.mark.parametrize("function", [3, None, "no such function", {"class_name": "function"}])
def test_what_is_no_function(function: Any) -> None:
    with pytest.raises(TypeError, match="unsupported callable"):
        layers.Lambda(function)


# --- every step --------------------------------------------------------------------------------


class Counting(layers.Layer):
    """Counts its calls and keeps the masks it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: tuple[Any, ...] = ()

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        self.seen = (*self.seen, (inputs.shape, None if mask is None else mask.tolist(), training))
        return inputs + len(self.seen)


def test_an_unknown_layer_sees_one_step_at_a_time() -> None:
    inner = Counting()
    x, mask = np.zeros((2, 2, 1), "float32"), np.array([[True, False], [True, True]])
    found = layers.TimeDistributed(inner)(x, training=True, mask=mask)
    assert inner.seen == (((2, 1), [True, True], True), ((2, 1), [False, True], True))
    np.testing.assert_array_equal(found[:, :, 0], [[1, 2], [1, 2]])


def test_a_layer_that_treats_samples_alone_is_called_once() -> None:
    calls = []

    class Spy(layers.Dense):
        def call(self, inputs: Any) -> Any:
            calls.append(inputs.shape)
            return super().call(inputs)

    # As if it were a layer of Layerscope's own.
    Spy.__module__ = layers.Dense.__module__
    x = np.ones((2, 3, 4), "float32")
    wrapper = layers.TimeDistributed(Spy(5))
    assert wrapper(x, training=True).shape == (2, 3, 5)
    assert calls == [(6, 4)]


def test_statistics_are_those_of_each_step() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3, 2)).astype("float32")
    x += np.array([0, 10, 20], "float32")[:, None]
    layer = layers.TimeDistributed(layers.BatchNormalization(momentum=0.5))
    out = layer(x, training=True)
    np.testing.assert_allclose(out.mean(axis=0), np.zeros((3, 2)), atol=1e-5)
    expected = np.zeros(2)
    for step in range(3):
        expected = 0.5 * expected + 0.5 * x[:, step].mean(axis=0)
    moving_mean = layer.get_weights()[2]
    np.testing.assert_allclose(moving_mean, expected, rtol=1e-5)


def test_penalties_of_every_step_are_added() -> None:
    x = np.ones((2, 3, 4), "float32")
    inner = layers.Dense(1, kernel_initializer="ones", activity_regularizer="l1")
    layer = layers.TimeDistributed(inner)
    layer(x)
    assert sum(float(loss) for loss in layer.losses) == pytest.approx(0.01 * 4 * 3)


def test_unknown_steps_and_samples() -> None:
    layer = layers.TimeDistributed(layers.Dense(3))
    assert layer(ls.Input((None, 4))).shape == (None, None, 3)
    for steps in (0, 1, 5):
        assert layer(np.zeros((2, steps, 4), "float32")).shape == (2, steps, 3)
    conv = layers.TimeDistributed(layers.Conv2D(4, 3))
    assert conv.compute_output_shape((2, 5, 8, 8, 3)) == (2, 5, 6, 6, 4)


def test_a_model_for_every_step() -> None:
    model = ls.Sequential([layers.Dense(3, activation="relu"), layers.Dense(2)])
    layer, x = layers.TimeDistributed(model), np.ones((2, 3, 4), "float32")
    found = layer(x)
    assert found.shape == (2, 3, 2)
    for step in range(3):
        np.testing.assert_allclose(found[:, step], model(x[:, step]), rtol=1e-6)
    assert len(layer.trainable_weights) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.TimeDistributed(3), "Layer 3 supplied to Wrapper"),
        (
            lambda: layers.TimeDistributed(layers.Dense(2))(np.ones((2, 3), "float32")),
            r"at least 3 dimensions, received: \(2, 3\)",
        ),
        (
            lambda: layers.TimeDistributed(layers.Dense(2))(A, mask=np.ones((2, 4), bool)),
            r"mask.*shape \(2, 4\).*\(2, 3\)",
        ),
        (
            lambda: layers.TimeDistributed(layers.Dense(2))(A, mask=np.ones(2, bool)),
            "at least 2D",
        ),
    ],
)
def test_what_has_no_steps(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
