"""The machinery all layers share."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, ops
from layerscope.layers import Dense, Layer

X = np.arange(6, dtype="float32").reshape(2, 3)


class Scale(Layer):
    """A layer with a weight of its own and one inside another layer."""

    def build(self, input_shape: Any) -> None:
        self.rest = self.add_weight((1,), "ones", trainable=False, name="rest")
        self.inner = Dense(2, name="inner")
        self.inner.build(input_shape)
        self.factor = self.add_weight((), "ones", name="factor")

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs) * self.factor + self.rest


# --- add_weight ------------------------------------------------------------------------------


def test_add_weight_rules() -> None:
    layer = Layer()
    scalar, matrix = layer.add_weight(), layer.add_weight((2, 3))
    numbers = layer.add_weight([4], dtype="int32", name="numbers")
    assert [one.name for one in layer.weights] == ["variable", "variable_1", "numbers"]
    assert (scalar.shape, matrix.shape, numbers.shape) == ((), (2, 3), (4,))
    assert (matrix.dtype, numbers.dtype) == ("float32", "int32")
    assert matrix.value.std() > 0  # Glorot
    assert (numbers.value == 0).all()
    assert numbers.path == "layer/numbers"
    with pytest.raises(ValueError, match="Cannot convert '4' to a shape"):
        layer.add_weight(shape=4)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="must be known"):
        layer.add_weight((None, 3))


def test_add_weight_resolves_names() -> None:
    layer = Layer()
    weight = layer.add_weight((2,), "ones", regularizer="l2", constraint="non_neg", trainable=False)
    assert isinstance(weight.regularizer, ls.regularizers.L2)
    assert isinstance(weight.constraint, ls.constraints.NonNeg)
    assert layer.losses == []  # not trainable, so not penalised
    other = layer.add_weight((2,), "ones", regularizer="l2", name="w")
    assert [float(loss) for loss in layer.losses] == pytest.approx([0.02])
    assert other.trainable


def test_add_variable_is_the_older_name() -> None:
    layer = Layer()
    assert layer.add_variable(name="w", shape=[2, 1], initializer="zeros").shape == (2, 1)
    with pytest.raises(TypeError, match="initializer"):
        layer.add_variable(name="w", shape=[2, 1])  # pyright: ignore[reportCallIssue]


def test_initializer_may_be_any_function() -> None:
    layer = Dense(2, kernel_initializer=lambda shape, dtype=None: np.full(shape, 3.0))
    np.testing.assert_array_equal(layer(X[:, :1] * 0 + 1), [[3, 3], [3, 3]])
    assert layer.kernel.dtype == "float32"


def test_initial_values_are_not_shared() -> None:
    values = np.ones((3, 2), "float32")
    layer = Dense(2, kernel_initializer=lambda shape, dtype=None: values)
    layer.build((None, 3))
    layer.kernel.value[...] = 5
    assert (values == 1).all()


def test_a_variable_of_fortran_order_can_be_trained() -> None:
    variable = ls.Variable(np.ones((2, 3)).T, dtype="float32")
    for optimizer in (ls.optimizers.SGD(0.5, momentum=0.9), ls.optimizers.Adam(0.5)):
        before = variable.numpy()
        optimizer.apply([np.ones((3, 2), "float32")], [variable])
        assert (variable.value < before).all()


# --- order, tracking, freezing -----------------------------------------------------------------


def test_weight_order() -> None:
    layer = Scale()
    layer(X)
    assert [one.name for one in layer.weights] == ["factor", "rest", "kernel", "bias"]
    assert [one.name for one in layer.trainable_weights] == ["factor", "kernel", "bias"]
    assert [one.name for one in layer.non_trainable_weights] == ["rest"]
    assert [one.path for one in layer.weights] == [
        "scale/factor",
        "scale/rest",
        "scale/inner/kernel",
        "scale/inner/bias",
    ]
    layer.trainable = False
    assert [one.name for one in layer.weights] == ["factor", "rest", "kernel", "bias"]
    assert layer.trainable_weights == []
    assert not layer.inner.trainable
    layer.trainable = True
    assert len(layer.trainable_weights) == 3


def test_layers_in_containers_are_found() -> None:
    class Nest(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.many = [Dense(1), {"a": Dense(2)}]
            self.filled_later: list[Layer] = []
            self.filled_later.append(Dense(3))
            self.shared = self.many[0]

        def call(self, inputs: Any) -> Any:
            assert isinstance(self.many[1], dict)
            return self.filled_later[0](self.many[1]["a"](self.shared(inputs)))

    layer = Nest()
    assert layer(X).shape == (2, 3)
    assert [one.shape for one in layer.weights] == [(3, 1), (1,), (1, 2), (2,), (2, 3), (3,)]
    layer.filled_later = None  # pyright: ignore[reportAttributeAccessIssue]
    assert len(layer.weights) == 4


def test_a_variable_may_be_an_attribute() -> None:
    class Own(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.w = ls.Variable(2.0, name="w")
            self.fixed = ls.Variable(1.0, trainable=False, name="fixed")

        def call(self, inputs: Any) -> Any:
            return inputs * self.w + self.fixed

    layer = Own()
    np.testing.assert_array_equal(layer(X), 2 * X + 1)
    assert [one.name for one in layer.weights] == ["w", "fixed"]
    with ls.GradientTape() as tape:
        out = layer(X)
    assert float(tape.gradient(out, layer.w)) == X.sum()


# --- building ----------------------------------------------------------------------------------


def test_build_runs_once_with_a_tuple() -> None:
    seen = []

    class Once(Layer):
        def build(self, input_shape: Any) -> None:
            seen.append(input_shape)
            self.w = self.add_weight((input_shape[-1],), "ones")

        def call(self, inputs: Any) -> Any:
            return inputs * self.w

    layer = Once()
    layer(X)
    layer(np.ones((5, 3), "float32"))
    layer.build((7, 3))
    assert seen == [(2, 3)]


def test_build_of_several_inputs() -> None:
    seen: list[Any] = []

    class Pair(Layer):
        def build(self, a_shape: Any, b_shape: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            seen.append((a_shape, b_shape))

        def call(self, a: Any, b: Any) -> Any:
            return ops.concatenate([a, b], axis=-1)

    class Listed(Layer):
        def build(self, input_shape: Any) -> None:
            seen.append(input_shape)

        def call(self, inputs: Any) -> Any:
            return ops.concatenate(inputs, axis=-1)

    y = np.ones((2, 4), "float32")
    assert Pair()(X, y).shape == (2, 7)
    assert Pair()(X, b=y).shape == (2, 7)
    assert Listed()([X, y]).shape == (2, 7)
    assert seen == [((2, 3), (2, 4)), ((2, 3), (2, 4)), [(2, 3), (2, 4)]]
    assert Pair()(ls.Input((3,)), ls.Input((4,))).shape == (None, 7)
    assert Listed()([ls.Input((3,)), ls.Input((4,))]).shape == (None, 7)
    assert Listed().compute_output_shape([(None, 3), (None, 4)]) == (None, 7)


def test_state_created_after_building_is_refused() -> None:
    class Late(Layer):
        def call(self, inputs: Any) -> Any:
            self.w = self.add_weight((3,))
            return inputs * self.w

    layer = Late()
    for _ in range(2):
        with pytest.raises(ValueError, match="already built"):
            layer(X)
    built = Dense(2)
    built(X)
    with pytest.raises(ValueError, match="already built"):
        built.extra = Dense(1)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_failed_build_can_be_repeated() -> None:
    layer = Dense(2, bias_initializer=lambda shape, dtype=None: 1 / len(failures))
    failures: list[int] = []
    with pytest.raises(ZeroDivisionError):
        layer(X)
    assert layer.weights == []
    failures.append(1)
    layer.bias_initializer = ls.initializers.Zeros()
    layer(X)
    assert [one.name for one in layer.weights] == ["kernel", "bias"]


def test_forgotten_super_init_is_named() -> None:
    class Forgot(Layer):
        def __init__(self) -> None:
            self.a = 1

        def call(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(RuntimeError, match=r"'Forgot'.*super\(\).__init__\(\)"):
        Forgot()(X)


def test_missing_call_and_missing_input() -> None:
    with pytest.raises(NotImplementedError, match="does not have a `call`"):
        Layer()(X)
    with pytest.raises(TypeError, match="without an input"):
        Dense(2)()


@pytest.mark.parametrize("value", ["text", [1.0, 2.0], [[1.0, 2.0]], 3.0])
def test_what_is_not_an_array_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="Only input tensors"):
        Dense(2)(value)


@pytest.mark.parametrize("name", ["a/b", 3, ""])
def test_bad_names(name: Any) -> None:
    with pytest.raises(ValueError, match="`name` must be a string"):
        Dense(1, name=name)


def test_errors_inside_models_name_the_layer() -> None:
    class Inside(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.picky = layers.Conv2D(1, 3, name="picky")

        def call(self, inputs: Any) -> Any:
            return self.picky(inputs)

    with pytest.raises(ValueError, match="zero or negative") as caught:
        Inside()(np.ones((1, 2, 2, 1), "float32"))
    assert any("'picky'" in note for note in caught.value.__notes__)


# --- training phase ------------------------------------------------------------------------------


def test_training_reaches_the_layers_inside() -> None:
    seen: list[Any] = []

    class Watch(Layer):
        def call(self, inputs: Any, training: bool | None = None) -> Any:
            seen.append(training)
            return inputs

    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Watch()

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    Watch()(X)
    Watch()(X, training=True)
    Outer()(X, training=True)
    Outer()(X)
    assert seen == [None, True, True, None]
    model = ls.Sequential([ls.Input((3,)), Watch()])
    functional = ls.Model(model.input, model.output)
    seen.clear()
    model(X, training=True)
    model(X)
    functional(X, training=True)
    functional(X, training=False)
    assert seen == [True, None, True, False]


def test_losses_are_those_of_the_last_call() -> None:
    layer = Dense(2, kernel_regularizer="l2", activity_regularizer="l2", kernel_initializer="ones")
    for _ in range(2):
        layer(np.ones((4, 3), "float32"))
        # activity 0.01 * sum(9) * 8 / 4 first, then kernel 0.01 * 6
        assert [float(one) for one in layer.losses] == pytest.approx([0.18, 0.06])
    layer.trainable = False
    assert len(layer.losses) == 1


def test_added_losses() -> None:
    class Penalty(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(ops.sum(inputs))
            self.add_loss([ops.max(inputs)])
            return inputs

    layer = Penalty()
    layer(X)
    layer(X)
    assert [float(one) for one in layer.losses] == [15.0, 5.0]
    with ls.GradientTape() as tape:
        x = tape.watch(X)
        layer(x)
        total = layer.losses[0]
    np.testing.assert_array_equal(tape.gradient(total, x), np.ones((2, 3)))


def test_shared_layer_adds_a_loss_per_call() -> None:
    shared = Dense(1, activity_regularizer="l1", kernel_initializer="ones", use_bias=False)
    x = ls.Input((3,))
    model = ls.Model(x, [shared(x), shared(x * 2.0)])
    model(np.ones((1, 3), "float32"))
    assert [float(one) for one in model.losses] == pytest.approx([0.03, 0.06])


# --- graph -------------------------------------------------------------------------------------


def test_nodes_of_a_shared_layer() -> None:
    layer = Dense(2, name="shared")
    with pytest.raises(AttributeError, match="never been called and thus has no defined input"):
        layer.input  # noqa: B018
    with pytest.raises(AttributeError, match="never been called"):
        layer.output_shape  # noqa: B018
    with pytest.raises(RuntimeError, match="never been called and thus has no defined output"):
        layer.get_output_at(0)
    a, b = ls.Input((3,)), ls.Input((4, 3))
    y = layer(a)
    assert layer.input is a
    assert layer.output is y
    assert layer.input_shape == (None, 3)
    z = layer(b)
    assert layer.input is a  # the first call, as in Keras
    assert layer.get_input_at(1) is b
    assert layer.get_output_at(1) is z
    assert layer.get_input_shape_at(1) == (None, 4, 3)
    assert layer.get_output_shape_at(1) == (None, 4, 2)
    with pytest.raises(ValueError, match="input at node 5, but the layer has only 2"):
        layer.get_input_at(5)
    with pytest.raises(AttributeError, match="multiple inbound nodes, with different output"):
        layer.output_shape  # noqa: B018
    layer(X)
    assert len(layer._inbound_nodes) == 2  # a call on data leaves no node


def test_a_symbolic_value_explains_itself() -> None:
    x = ls.Input((3,))
    for use in (lambda: np.dot(x, X), lambda: float(x[0, 0]), lambda: bool(x), lambda: list(x)):
        with pytest.raises(TypeError, match="stands for data that comes later"):
            use()


def test_numpy_on_recorded_values_is_refused() -> None:
    layer = Dense(2)
    layer.build((None, 3))
    with ls.GradientTape() as tape:
        x = tape.watch(X)
        with pytest.raises(TypeError, match="silently drop it from the gradient"):
            np.mean(x)
        with pytest.raises(TypeError, match="silently drop it from the gradient"):
            np.dot(X, layer.kernel)
    assert np.dot(X, layer.kernel).shape == (2, 2)


def test_a_layer_keeps_counts_of_what_it_sees() -> None:
    class Counting(Layer):
        def build(self, input_shape: Any) -> None:
            self.total = self.add_weight((), "zeros", trainable=False)

        def call(self, inputs: Any) -> Any:
            self.total.assign_add(ops.sum(inputs))
            return inputs

    layer = Counting()
    layer(X)
    with ls.GradientTape() as tape:
        layer(tape.watch(X))
    assert float(layer.total) == 30.0


def test_copies_do_not_share_weights() -> None:
    layer = Dense(2)
    expected = layer(X)
    twin = copy.deepcopy(layer)
    layer.kernel.assign(np.zeros((3, 2)))
    np.testing.assert_array_equal(twin(X), expected)


# --- inheritance ---------------------------------------------------------------------------------


def test_subclass_with_another_field() -> None:
    from layerscope.configurable import field

    class Gain(Dense):
        gain: float = field(default=2.0, ge=0, help="Factor.")

        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * self.gain

    layer = Gain(2, gain=3, kernel_initializer="ones")
    np.testing.assert_array_equal(layer(X)[:, 0], 3 * X.sum(1))
    assert layer.get_config()["gain"] == 3.0
    with ls.saving.custom_object_scope({"Gain": Gain}):
        twin = layers.deserialize(layers.serialize(layer))
    assert isinstance(twin, Gain)
    with pytest.raises(ValueError, match="`gain` must be a number at least 0"):
        Gain(2, gain=-1)


def test_subclass_with_its_own_constructor() -> None:
    class Double(Dense):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(2 * units, **options)

    layer = Double(2, name="double", activation="tanh")
    assert layer(X).shape == (2, 4)
    twin = Double.from_config(layer.get_config())
    assert twin(X).shape == (2, 4)
    assert twin.get_config() == layer.get_config()


def test_constructor_arguments_that_cannot_be_serialized() -> None:
    class Odd(Layer):
        def __init__(self, thing: Any) -> None:
            super().__init__()

    with pytest.raises(NotImplementedError, match=r"Odd.*get_config"):
        Odd(object()).get_config()
    assert Odd(3).get_config()["thing"] == 3


# --- classes of one's own in configs ---------------------------------------------------------


def test_a_config_finds_a_class_in_the_module_it_names() -> None:
    config = ls.layers.serialize(Scale())
    assert config["module"] == __name__
    assert type(ls.layers.deserialize(config)) is Scale
    with pytest.raises(TypeError, match="Could not locate class 'Scale'"):
        ls.layers.deserialize({**config, "module": "no.such.module", "registered_name": None})


def test_custom_objects_name_the_classes_inside_a_config() -> None:
    class Doubled(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    config = ls.layers.TimeDistributed(Doubled()).get_config()
    with pytest.raises(TypeError, match="Could not locate class 'Doubled'"):
        ls.layers.TimeDistributed.from_config(config)
    layer = ls.layers.TimeDistributed.from_config(config, custom_objects={"Doubled": Doubled})
    assert type(layer.layer) is Doubled


def test_other_values_of_variables_for_one_call() -> None:
    layer = Dense(2, kernel_regularizer="l2")
    with pytest.raises(ValueError, match="must be built"):
        layer.stateless_call([], [], X)
    layer.build(X.shape)
    kept = layer.get_weights()
    other = [np.ones_like(value) for value in kept]
    outputs, state, losses = layer.stateless_call(other, [], X, return_losses=True)
    np.testing.assert_allclose(outputs, X.sum(-1, keepdims=True) + np.ones((1, 2)), rtol=1e-6)
    assert state == []
    assert [float(loss) for loss in losses] == pytest.approx([0.01 * X.shape[-1] * 2])
    for found, expected in zip(layer.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"`trainable_variables`.*2 variables.*1 values"):
        layer.stateless_call(other[:1], [], X)


# --- what `build` and `call` are given ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [("a", "does not end in `_shape`"), ("c_shape", "does not have argument `c`")],
)
def test_build_takes_shapes_of_the_arguments_of_call(name: str, message: str) -> None:
    def call(self: Layer, a: Any, b: Any) -> Any:
        return a + b

    names: dict[str, Any] = {}
    exec(f"def build(self, {name}, b_shape): pass", names)
    layer = type("Odd", (Layer,), {"build": names["build"], "call": call})()
    with pytest.raises(ValueError, match=f"'Odd'.*`{name}`.*{message}"):
        layer(X, X)


def test_build_config_of_several_inputs() -> None:
    class Pair(Layer):
        def build(self, a_shape: Any, b_shape: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            self.scale = self.add_weight((a_shape[-1], b_shape[-1]), "ones")

        def call(self, a: Any, b: Any) -> Any:
            return ops.matmul(a, self.scale) + b

    layer, other = Pair(), Pair()
    layer(X, np.ones((2, 4), "float32"))
    config: Any = layer.get_build_config()
    assert config == {"shapes_dict": {"a_shape": (2, 3), "b_shape": (2, 4)}}
    other.build_from_config(config)
    assert other.scale.shape == (3, 4)


def test_what_is_recorded_comes_to_the_layer_s_type() -> None:
    layer = Dense(2)
    with ls.GradientTape() as tape:
        x = tape.watch(X.astype("float64"))
        out = layer(x)
        assert out.dtype == "float32"
        (gradient,) = tape.gradient(ops.sum(out), [x])
    assert gradient.dtype == "float64"
    variable = ls.Variable(X.astype("float64"))
    np.testing.assert_array_equal(layer(variable), layer(X))
    assert layers.Identity()(np.float64(1.5)).dtype == "float32"


def test_only_what_has_a_call_can_be_followed() -> None:
    with pytest.raises(NotImplementedError, match="no `call` to follow"):
        Layer().compute_output_shape((1, 2))


def test_arguments_of_a_weight_by_position() -> None:
    layer = Layer()
    with pytest.raises(TypeError, match=r"at most 3 positional.*Received 4"):
        layer.add_weight((1,), "ones", "float32", True)
    with pytest.raises(ValueError, match="`name='kernel'`"):
        layer.add_weight("kernel", (1,))
    with pytest.raises(ValueError, match="`shape` was passed both"):
        layer.add_weight((1,), shape=(2,))


def test_states_of_seeds_are_variables_and_no_weights() -> None:
    layer = layers.Dropout(0.5, seed=0)
    assert layer.weights == []
    assert [one.name for one in layer.non_trainable_variables] == ["seed_generator_state"]


def test_a_layer_can_be_taken_out_again() -> None:
    layer: Any = Layer()
    layer.inner = Dense(2)
    layer.inner.build((None, 3))
    assert len(layer.weights) == 2
    del layer.inner
    assert layer.weights == []


def test_layers_under_private_names_are_tracked() -> None:
    class Hidden(Layer):
        def __init__(self) -> None:
            super().__init__()
            self._inner = Dense(2)
            self._several = [Dense(1)]

        def call(self, inputs: Any) -> Any:
            return self._several[0](self._inner(inputs))

    layer = Hidden()
    layer(X)
    assert [one.shape for one in layer.weights] == [(3, 2), (2,), (2, 1), (1,)]
    layer.trainable = False
    assert layer.trainable_weights == []


def test_a_layer_called_by_a_function_knows_where_it_is() -> None:
    inner = ls.layers.Dense(2)
    ls.layers.Lambda(lambda x: inner(x), name="outer")(np.ones((2, 3), "float32"))
    assert inner.kernel.path == "outer/dense/kernel"
