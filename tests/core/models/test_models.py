"""Sequential, functional and subclassed models."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, layers, ops
from layerscope.layers import Dense

WRONG: Any = 3
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def small() -> Sequential:
    ls.utils.set_random_seed(0)
    return Sequential([Input((3,)), Dense(4, activation="tanh"), Dense(2)])


# --- Sequential --------------------------------------------------------------------------------


def test_sequential_with_an_input_is_built_at_once() -> None:
    model = small()
    assert model.built
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]
    assert [one.path for one in model.weights] == [
        "sequential/dense/kernel",
        "sequential/dense/bias",
        "sequential/dense_1/kernel",
        "sequential/dense_1/bias",
    ]
    hidden, out = model.layers
    np.testing.assert_array_equal(model(X), out(hidden(X)))
    assert [layer.name for layer in Sequential([Input((3,))]).layers] == []


def test_sequential_without_an_input_is_built_by_data() -> None:
    model = Sequential([Dense(2), Dense(1)])
    assert not model.built
    assert model.weights == []
    for what in ("input", "output", "input_shape", "output_shape", "inputs", "outputs"):
        with pytest.raises(AttributeError, match="has no defined"):
            getattr(model, what)
    with pytest.raises(ValueError, match="isn't built"):
        model.count_params()
    model(X)
    assert model.built
    assert (model.input_shape, model.output_shape) == ((4, 3), (4, 1))
    assert model(X[:2]).shape == (2, 1)


@pytest.mark.parametrize("option", [{"input_shape": (3,)}, {"input_dim": 3}])
def test_older_ways_to_give_the_input(option: dict[str, Any]) -> None:
    model = Sequential([Dense(2, **option), Dense(1)])
    assert model.input_shape == (None, 3)
    with pytest.raises(ValueError, match="batch_input_shape"):
        Dense(2, batch_input_shape=(None, 3))  # pyright: ignore[reportCallIssue]


def test_sequential_add_and_pop() -> None:
    model = small()
    last = model.pop()
    assert last.name == "dense_1"
    assert model.output_shape == (None, 4)
    model.add(Dense(5))
    assert model.output_shape == (None, 5)
    assert len(model.weights) == 4
    assert model(X).shape == (4, 5)
    with pytest.raises(ValueError, match="no layers"):
        Sequential().pop()
    with pytest.raises(ValueError, match="input comes first"):
        model.add(Input((3,)))
    with pytest.raises(ValueError, match=r"Only instances.*Received: 3"):
        model.add(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no layers"):
        Sequential([Input((3,))])(X)


def test_a_layer_that_does_not_fit_changes_nothing() -> None:
    model = small()
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=2"):
        model.add(layers.Conv2D(1, 2))
    assert model.output_shape == (None, 2)
    assert len(model.layers) == 2
    assert model(X).shape == (4, 2)


def test_wrong_input_is_explained() -> None:
    with pytest.raises(ValueError, match=r"value 3.*\(2, 7\)"):
        small()(np.ones((2, 7), "float32"))


# --- names -------------------------------------------------------------------------------------


def test_names_start_anew_in_every_model() -> None:
    for _ in range(2):
        assert [layer.name for layer in small().layers] == ["dense", "dense_1"]
    model = Sequential([Dense(1, name="dense"), Dense(1), Dense(1)])
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "dense_2"]


def test_given_names_must_differ() -> None:
    with pytest.raises(ValueError, match='"s" is used 2 times'):
        Sequential([Dense(1, name="s"), Dense(1, name="s")])
    x = Input((2,))
    with pytest.raises(ValueError, match='"s" is used 2 times'):
        Model(x, Dense(1, name="s")(Dense(2, name="s")(x)))


def test_a_second_model_does_not_rename_the_first() -> None:
    first = small()
    names = [layer.name for layer in first.layers]
    Sequential([Input((4,)), first.layers[1]])
    assert [layer.name for layer in first.layers] == names


def test_layers_of_two_models_join_a_third() -> None:
    a, b = small(), small()
    x = Input((3,))
    joined = Model(x, [a.layers[0](x), b.layers[0](x), a.layers[1](a.layers[0](x))])
    for model in (a, b, joined):
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)
    assert [layer.name for layer in a.layers] == ["dense", "dense_1"]


def test_sequential_names_are_snake_case() -> None:
    built = [layers.Conv2D(1, 1), layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.5)]
    model = Sequential([Input((4, 4, 1)), *built])
    assert [one.name for one in model.layers] == ["conv2d", "max_pooling2d", "flatten", "dropout"]
    assert model.name == "sequential"


# --- functional --------------------------------------------------------------------------------


def branched() -> Model:
    """Two inputs, a shared layer, an operation, two outputs."""
    ls.utils.set_random_seed(1)
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(4, activation="tanh", name="shared")
    left, right = shared(a), shared(b)
    total = Dense(2, name="total")(ops.concatenate([left, right * 2.0], axis=-1))
    return Model([a, b], [total, left])


def test_several_inputs_and_outputs() -> None:
    model = branched()
    y = X[::-1].copy()
    total, left = model([X, y])
    shared, out = model.get_layer("shared"), model.get_layer("total")
    np.testing.assert_array_equal(left, shared(X))
    joined = np.concatenate([shared(X), shared(y) * np.float32(2)], -1)
    np.testing.assert_allclose(total, out(joined), rtol=1e-6)
    assert len(model.weights) == 4
    assert len(shared._inbound_nodes) == 2
    assert model.output_shape == [(None, 2), (None, 4)]
    assert model.compute_output_shape([(7, 3), (7, 3)]) == [(7, 2), (7, 4)]
    for given in ({"b": y, "a": X}, (X, y)):
        np.testing.assert_array_equal(model(given)[0], total)
    with pytest.raises(ValueError, match="missing: \\['b'\\]"):
        model({"a": X})
    with pytest.raises(ValueError, match="expects 2"):
        model([X])
    with pytest.raises(ValueError, match="expected shape"):
        model([X, X[:, :2]])


def test_unnamed_inputs_can_be_told_apart() -> None:
    a, b = Input((3,)), Input((3,))
    model = Model([a, b], a - b)
    first, second = (layer.name for layer in model.layers)
    assert (first, second) == ("input_layer", "input_layer_1")
    np.testing.assert_allclose(model({second: X, first: 3 * X}), 2 * X, rtol=1e-6)


def test_dict_structures() -> None:
    a, b = Input((3,)), Input((3,))
    model = Model({"a": a, "b": b}, {"sum": a + b, "two": [a * 2.0]})
    found = model({"a": X, "b": X})
    np.testing.assert_array_equal(found["sum"], 2 * X)
    np.testing.assert_array_equal(found["two"][0], 2 * X)
    assert model.output_shape["sum"] == (None, 3)


def test_missing_input_is_refused() -> None:
    a, b = Input((3,)), Input((3,), name="forgotten")
    with pytest.raises(ValueError, match="not among the `inputs`"):
        Model(a, a + b)
    with pytest.raises(ValueError, match="must be made by `Input`"):
        Model(a, X)


def test_an_inner_tensor_may_be_the_input() -> None:
    x = Input((3,))
    hidden = Dense(4)(x)
    out = Dense(2)(hidden)
    head = Model(hidden, out)
    assert head(np.ones((1, 4), "float32")).shape == (1, 2)


def test_a_graph_of_unknown_lengths_runs_on_any() -> None:
    x = Input((None, 3))
    y = ops.expand_dims(x, 1)
    model = Model(x, ops.squeeze(y, 1) + ops.stack([x, x], axis=-1)[..., 0])
    assert model.output_shape == (None, None, 3)
    for shape in ((2, 5, 3), (1, 4, 3)):
        np.testing.assert_array_equal(model(np.ones(shape, "float32")), np.full(shape, 2.0))


def test_training_reaches_the_input_of_the_graph() -> None:
    model = branched()
    with ls.GradientTape() as tape:
        a = tape.watch(X)
        out = model([a, X])
    assert tape.gradient(out[0], a).shape == (4, 3)


@pytest.mark.parametrize("way", ["config", "json"])
def test_functional_config_round_trip(way: str) -> None:
    ls.utils.set_random_seed(0)
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(4, activation="tanh")

    @ls.saving.register_keras_serializable("tests")
    class Join(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return ops.concatenate(inputs, axis=-1)

    out = Dense(2)(Join()([shared(a), shared(b)]))
    model = Model({"a": a, "b": b}, [out, shared(b)], name="two")
    if way == "config":
        copy = Model.from_config(json.loads(json.dumps(model.get_config())))
    else:
        copy = ls.saving.deserialize_keras_object(json.loads(model.to_json()))
    copy.set_weights(model.get_weights())
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert copy.name == "two"
    given = {"a": X, "b": X[::-1].copy()}
    for found, expected in zip(copy(given), model(given), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert copy.get_config() == model.get_config()


def test_operations_in_a_graph_have_no_config() -> None:
    with pytest.raises(NotImplementedError, match=r"`(concatenate|multiply)`.*Wrap it in a layer"):
        branched().get_config()


# --- nested and subclassed -----------------------------------------------------------------------


def test_sequential_inside_functional_inside_sequential() -> None:
    inner = Sequential([Dense(4, activation="relu"), Dense(3)], name="inner")
    x = Input((3,))
    middle = Model(x, inner(x) + x, name="middle")
    outer = Sequential([Input((3,)), middle, Dense(1)])
    assert len(outer.weights) == 6
    assert [one.path for one in outer.weights][:2] == ["inner/dense/kernel", "inner/dense/bias"]
    np.testing.assert_allclose(outer(X), outer.layers[1](inner(X) + X), rtol=1e-6)
    inner.trainable = False
    assert len(outer.trainable_weights) == 2
    nested = Sequential([Input((3,)), Sequential([Dense(4), Dense(3)], name="in"), Dense(1)])
    copy = Sequential.from_config(json.loads(json.dumps(nested.get_config())))
    copy.set_weights(nested.get_weights())
    np.testing.assert_array_equal(copy(X), nested(X))


@pytest.mark.parametrize("deferred", [False, True])
def test_sequential_config_round_trip(deferred: bool) -> None:
    model = Sequential([Dense(2, name="one"), Dense(1)], name="s") if deferred else small()
    copy = Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert copy.built == (not deferred)
    expected = model(X)
    copy(X)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(X), expected)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


class Residual(Model):
    """A model with a branch of its own."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.hidden = Dense(units, activation="tanh")
        self.out = [Dense(3), layers.Dropout(0.5, seed=0)]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.out[1](self.out[0](self.hidden(inputs))) + inputs


def test_a_phase_told_to_the_model_counts_for_layers_told_another() -> None:
    inputs = ls.Input((3,))
    model = Model(inputs, layers.Dropout(0.5, seed=0)(inputs, training=True))
    assert not np.array_equal(model(X), X)
    np.testing.assert_array_equal(model(X, training=False), X)
    quiet = Model(inputs, layers.Dropout(0.5, seed=0)(inputs, training=False))
    np.testing.assert_array_equal(quiet(X), X)
    assert not np.array_equal(quiet(X, training=True), X)


def test_subclassed_model() -> None:
    model = Residual(5)
    assert [layer.name for layer in model.layers] == ["dense", "dense", "dropout"]
    np.testing.assert_array_equal(model(X), model(X))
    assert not np.array_equal(model(X, training=True), model(X))
    assert len(model.weights) == 4
    assert Residual.from_config(model.get_config())(X).shape == (4, 3)
    model.compile("adam", "mse")
    history = model.fit(X, X, epochs=3, verbose=0)
    assert len(history.history["loss"]) == 3


def test_get_layer() -> None:
    model = small()
    assert model.get_layer("dense_1") is model.layers[1]
    assert model.get_layer(index=-1) is model.layers[1]
    with pytest.raises(ValueError, match=r"No such layer: nope.*'dense', 'dense_1'"):
        model.get_layer("nope")
    with pytest.raises(ValueError, match="only has 2 layers"):
        model.get_layer(index=2)
    with pytest.raises(ValueError, match="either a layer name or a layer index"):
        model.get_layer()


def test_summary() -> None:
    lines: list[str] = []
    model = small()
    model.layers[0].trainable = False
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "dense (Dense)" in text
    assert "(None, 4)" in text
    assert "Total params: 26 (104.00 B)" in text
    assert "Trainable params: 10 (40.00 B)" in text
    assert "Non-trainable params: 16 (64.00 B)" in text
    Sequential([Dense(2)]).summary(print_fn=lines.append)
    assert "0 (unbuilt)" in lines[-1]
    model.summary(line_length=60, print_fn=lines.append)
    assert {len(line) for line in lines[-1].splitlines()[1:6]} == {60}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Input(), "must pass a `shape`"),
        (lambda: Input(WRONG), r"such as \(3,\)"),
        (lambda: Input((3,), batch_shape=(None, 3)), "cannot pass both"),
        (lambda: Input((-3,)), "whole numbers"),
    ],
)
def test_bad_inputs(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_input_types() -> None:
    assert Input((2,), batch_size=5).shape == (5, 2)
    assert Input(batch_shape=(1, 2)).shape == (1, 2)
    assert Input((2,), dtype="int32").dtype == "int32"


# --- what a graph's config can hold --------------------------------------------------------------


@ls.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    def call(self, inputs: Any, factors: Any = None) -> Any:
        return inputs["x"] * (factors["first"] if factors else 1)


def test_arguments_of_calls_are_part_of_the_config() -> None:
    x = Input((3,), name="x")
    model = Model(x, Scaled()({"x": x}, factors={"first": 3.0}))
    copy = Model.from_config(json.loads(json.dumps(model.get_config())))
    np.testing.assert_array_equal(copy(X), 3 * X)


def test_a_constant_array_in_a_graph_has_no_config() -> None:
    x = Input((3,))
    model = Model(x, layers.Add()([x, X[:1]]))
    with pytest.raises(NotImplementedError, match="constant array"):
        model.get_config()


def test_calls_that_do_not_connect() -> None:
    x = Input((3,), name="x")
    config = Model(x, Dense(2, name="a")(Dense(2, name="b")(x)), name="torn").get_config()
    config["layers"] = [one for one in config["layers"] if one["config"]["name"] != "b"]
    with pytest.raises((TypeError, ValueError), match="'torn' do not connect"):
        Model.from_config(config)


def test_sizes_in_the_unit_that_reads_best() -> None:
    from layerscope.models.summary import size_text

    def held(*shape: int) -> Any:
        return ls.Variable(np.broadcast_to(np.float32(0), shape))

    assert size_text([held(2)]) == "8.00 B"
    assert size_text([held(3, 256)]) == "3.00 KB"
    assert size_text([held(1024, 1024)]) == "4.00 MB"
