"""The seed document's code, its typing errors corrected, runs; every name it mentions works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers
from layerscope.structure import leaves, map_shapes

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def keras_is_layerscope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``import keras`` in the seed's code find Layerscope."""
    monkeypatch.setitem(sys.modules, "keras", ls)
    for name in ("layers", "models", "backend", "initializers"):
        monkeypatch.setitem(sys.modules, f"keras.{name}", getattr(ls, name))


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


# --- custom layers ---------------------------------------------------------------------------


def test_a_layer_needs_three_methods() -> None:
    names = run("""
import keras

class MyLayer(keras.layers.Layer):
    def __init__(self):
        super().__init__()

    def build(self, input_shape):
        self.variable_0 = self.add_weight(shape=(input_shape[-1], 2), initializer="ones")
        self.variable_1 = self.add_weight(shape=(2,), initializer="zeros")

    def call(self, inputs):
        output = inputs @ self.variable_0 + self.variable_1
        return output

layer = MyLayer()
""")
    layer = names["layer"]
    np.testing.assert_array_equal(layer(np.ones((1, 3), "float32")), [[3.0, 3.0]])
    assert [one.shape for one in layer.weights] == [(3, 2), (2,)]


LINEAR = """
import numpy as np
import keras

class LinearLayer(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.w = self.add_variable(
            name="w",
            shape=[input_shape[-1], self.units],
            initializer=keras.initializers.zeros_initializer(),
        )
        self.b = self.add_variable(
            name="b",
            shape=[self.units],
            initializer=keras.initializers.zeros_initializer(),
        )

    def call(self, inputs):
        y_pred = keras.ops.matmul(inputs, self.w) + self.b
        return y_pred

class LinearModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = LinearLayer(units=1)

    def call(self, inputs):
        output = self.layer(inputs)
        return output

model = LinearModel()
"""


def test_the_linear_model_learns_a_line() -> None:
    model = run(LINEAR)["model"]
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    y = x @ np.array([[2.0], [-1.0]], "float32") + 0.5
    assert (model(x) == 0).all()
    model.compile(ls.optimizers.SGD(0.3), "mse")
    model.fit(x, y, epochs=40, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, [[2.0], [-1.0]], atol=1e-3)
    np.testing.assert_allclose(bias, [0.5], atol=1e-3)


def test_the_line_by_hand_with_a_tape() -> None:
    model = run(LINEAR)["model"]
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    y = x @ np.array([[2.0], [-1.0]], "float32") + 0.5
    for _ in range(100):
        with ls.GradientTape() as tape:
            loss = ls.ops.mean(ls.ops.square(model(x) - y))
        for variable, slope in zip(
            model.variables, tape.gradient(loss, model.variables), strict=True
        ):
            variable.assign_sub(0.3 * slope)
    np.testing.assert_allclose(model.get_weights()[0], [[2.0], [-1.0]], atol=1e-3)


def test_a_custom_layer_with_its_own_output_shape() -> None:
    names = run("""
import keras

class Doubled(keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return keras.ops.concatenate([x, x * self.scale], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])
""")
    layer = names["Doubled"]()
    assert layer.compute_output_shape((None, 3)) == (None, 6)
    assert layer(ls.Input((3,))).shape == (None, 6)
    assert layer(np.ones((2, 3))).shape == (2, 6)


# --- what all layers share ---------------------------------------------------------------------


def test_weights_and_configs() -> None:
    names = run("""
from keras import layers

layer = layers.Dense(3, activation="relu")
layer.build((None, 2))
weights = layer.get_weights()
layer.set_weights([2 * weight for weight in weights])
config = layer.get_config()
copy = layers.Dense.from_config(config)
other = layers.deserialize({"class_name": "Dense", "config": config})
""")
    for one, other in zip(names["layer"].get_weights(), names["weights"], strict=True):
        np.testing.assert_array_equal(one, 2 * other)
    assert names["copy"].get_config() == names["other"].get_config() == names["config"]


def test_a_single_node_and_a_shared_layer() -> None:
    names = run("""
import keras
from keras import layers

x = keras.Input((4,))
layer = layers.Dense(3)
y = layer(x)

shared = layers.Conv1D(2, 1)
a, b = keras.Input((5, 1)), keras.Input((7, 1))
at_a, at_b = shared(a), shared(b)
""")
    layer, shared = names["layer"], names["shared"]
    assert layer.input is names["x"]
    assert layer.output is names["y"]
    assert (layer.input_shape, layer.output_shape) == ((None, 4), (None, 3))
    assert shared.get_input_at(1) is names["b"]
    assert shared.get_output_at(0) is names["at_a"]
    assert shared.get_input_shape_at(1) == (None, 7, 1)
    assert shared.get_output_shape_at(1) == (None, 7, 2)
    with pytest.raises(AttributeError, match="multiple inbound nodes"):
        _ = shared.input_shape
    with pytest.raises(ValueError, match=r"at node 2.* only 2 inbound nodes"):
        shared.get_input_at(2)


# --- activations, initializers, regularizers, constraints ---------------------------------------


def test_three_ways_to_an_activation() -> None:
    names = run("""
from keras.models import Sequential
from keras.layers import Activation, Dense
from keras import backend as K

models = []
for method in (1, 2, 3):
    model = Sequential()
    if method == 1:
        model.add(Dense(64))
        model.add(Activation("tanh"))
    elif method == 2:
        model.add(Dense(64, activation="tanh"))
    else:
        model.add(Dense(64, activation=K.tanh))
    model.build((None, 5))
    models.append(model)
""")
    x = RANDOM.normal(size=(3, 5)).astype("float32")
    first, *others = names["models"]
    for model in others:
        model.set_weights(first.get_weights())
        np.testing.assert_array_equal(model(x), first(x))
    np.testing.assert_allclose(first(x), np.tanh(x @ first.get_weights()[0]), rtol=1e-5)


def test_a_layer_with_everything_configured() -> None:
    names = run("""
import keras
from keras import backend as K

def my_init(shape, dtype=None):
    return K.random_normal(shape, dtype=dtype)

def l1_reg(weight):
    return 0.01 * keras.ops.sum(keras.ops.abs(weight))

model = keras.Sequential()
model.add(keras.layers.Dense(
    64,
    input_dim=8,
    kernel_initializer=my_init,
    bias_initializer="random_uniform",
    kernel_regularizer=l1_reg,
    bias_regularizer=keras.regularizers.l2(0.01),
    activity_regularizer=keras.regularizers.l1_l2(l1=0.01, l2=0.01),
    kernel_constraint=keras.constraints.MaxNorm(max_value=2, axis=0),
    bias_constraint=keras.constraints.NonNeg(),
    activation="softmax",
))
""")
    model = names["model"]
    kernel, bias = model.get_weights()
    assert kernel.shape == (8, 64)
    assert kernel.std() == pytest.approx(1, abs=0.15)
    assert 0 < np.abs(bias).max() <= 0.05
    x, y = np.ones((2, 8), "float32"), np.full((2, 64), 1 / 64, "float32")
    out = model(x)
    activity = (0.01 * np.abs(out).sum() + 0.01 * np.square(out).sum()) / 2
    expected = [activity, 0.01 * np.abs(kernel).sum(), 0.01 * np.square(bias).sum()]
    np.testing.assert_allclose([float(loss) for loss in model.losses], expected, rtol=1e-5)
    model.compile("sgd", "mse")
    model.train_on_batch(x, y)
    kernel, bias = model.get_weights()
    assert np.linalg.norm(kernel, axis=0).max() <= 2 + 1e-5
    assert bias.min() >= 0


# --- every mention ------------------------------------------------------------------------------

#: What the seed lists by section, spelled as Keras does; each layer then runs the contract test.
LAYERS = {
    "core": """Dense Activation Dropout Flatten Reshape Permute RepeatVector Lambda
        ActivityRegularization Masking SpatialDropout1D SpatialDropout2D SpatialDropout3D""",
    "convolution": """Conv1D Conv2D Conv3D SeparableConv1D SeparableConv2D DepthwiseConv3D
        Conv2DTranspose Conv3DTranspose Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D
        UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D""",
    "pooling": """MaxPooling1D MaxPooling2D MaxPooling3D GlobalMaxPooling1D GlobalMaxPooling2D
        GlobalMaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D""",
    "locally_connected": "LocallyConnected1D LocallyConnected2D",
    "recurrent": """RNN SimpleRNN SimpleRNNCell GRU GRUCell LSTM LSTMCell ConvLSTM2D
        ConvLSTM2DCell CuDNNGRU CuDNNLSTM""",
    "embedding": "Embedding",
    "merge": "Add Subtract Multiply Average Maximum Minimum Concatenate Dot",
    "activation": "LeakyReLU PReLU ELU ThresholdedReLU Softmax ReLU",
    "normalization": "BatchNormalization",
    "noise": "GaussianNoise GaussianDropout AlphaDropout",
    "wrapper": "TimeDistributed Bidirectional Wrapper",
}
MENTIONED = [(section, name) for section, names in LAYERS.items() for name in names.split()]


@pytest.mark.parametrize(("section", "name"), MENTIONED)
def test_every_layer_of_the_seed_is_there(section: str, name: str) -> None:
    cls = getattr(layers, name)
    assert issubclass(cls, layers.Layer)
    assert cls.section == section or (section == "core" and cls.section == "noise")
    assert cls.examples, "the contract test runs a layer's examples"


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"]
)
def test_every_merge_function_is_its_layer(name: str) -> None:
    x = [RANDOM.normal(size=(2, 3)).astype("float32") for _ in range(2)]
    options = {"axes": 1} if name == "dot" else {}
    layer = getattr(layers, name.capitalize())(**options)
    np.testing.assert_array_equal(getattr(layers, name)(x, **options), layer(x))


@pytest.mark.parametrize("name", ["softmax", "relu", "tanh", "sigmoid", "linear"])
def test_every_activation(name: str) -> None:
    x = RANDOM.normal(size=(2, 3)).astype("float32")
    expected: dict[str, Callable[[np.ndarray], Any]] = {
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "linear": lambda x: x,
    }
    np.testing.assert_allclose(getattr(ls.activations, name)(x), expected[name](x), rtol=1e-5)


def test_activation_arguments_in_the_seed_s_spelling() -> None:
    x = np.array([[-2.0, 0.5, 9.0]], "float32")
    found = ls.activations.relu(x, alpha=0.1, max_value=6.0, threshold=1.0)
    np.testing.assert_allclose(found, [[-0.3, -0.05, 6.0]], rtol=1e-6)
    columns = ls.activations.softmax(np.zeros((2, 4), "float32"), axis=1)
    np.testing.assert_array_equal(columns, np.full((2, 4), 0.25))


@pytest.mark.parametrize(
    ("code", "deviation"),
    [
        ("Zeros()", 0.0),
        ("Ones()", 0.0),
        ("Constant(value=0)", 0.0),
        ("Constant(value=1)", 0.0),
        ("RandomNormal(mean=0.0, stddev=0.05, seed=None)", 0.05),
        ("RandomUniform(minval=-0.05, maxval=0.05, seed=None)", 0.05 / 3**0.5),
        ("TruncatedNormal(mean=0.0, stddev=0.05, seed=None)", 0.05 * 0.8796),
        ("VarianceScaling(scale=1.0, mode='fan_in', distribution='normal')", 0.1),
        ("Orthogonal(gain=1.0, seed=None)", 0.1),
        ("lecun_normal()", 0.1),
        ("lecun_uniform()", 0.1),
        ("glorot_normal()", 0.1),
        ("glorot_uniform()", 0.1),
        ("he_normal()", 2**0.5 / 10),
        ("he_uniform()", 2**0.5 / 10),
    ],
)
def test_every_initializer(code: str, deviation: float) -> None:
    values = run(f"import keras\nvalues = keras.initializers.{code}((100, 100))")["values"]
    assert values.std() == pytest.approx(deviation, rel=0.05, abs=1e-9)


def test_the_other_initializers() -> None:
    identity = ls.initializers.Identity(gain=1.0)((3, 3))
    np.testing.assert_array_equal(identity, np.eye(3))
    assert issubclass(ls.initializers.Zeros, ls.initializers.Initializer)
    assert isinstance(ls.initializers.get("random_uniform"), ls.initializers.RandomUniform)


@pytest.mark.parametrize(
    ("code", "penalty"),
    [
        ("l1(0.)", 0.0),
        ("l2(0.)", 0.0),
        ("l1(0.1)", 0.6),
        ("l2(0.1)", 1.4),
        ("l1_l2(l1=0.01, l2=0.01)", 0.2),
    ],
)
def test_every_regularizer(code: str, penalty: float) -> None:
    x = np.array([[1.0, -2.0, 3.0]], "float32")
    found = run(f"import keras\nfound = keras.regularizers.{code}")["found"]
    assert isinstance(found, ls.regularizers.Regularizer)
    assert float(found(x)) == pytest.approx(penalty, rel=1e-5)


@pytest.mark.parametrize(
    ("code", "norms"),
    [
        ("MaxNorm(max_value=2, axis=0)", [2.0, 0.5]),
        ("NonNeg()", [4.0, 0.5]),
        ("UnitNorm()", [1.0, 1.0]),
        ("MinMaxNorm(min_value=0, max_value=1.0, rate=1.0, axis=0)", [1.0, 0.5]),
    ],
)
def test_every_constraint(code: str, norms: list[float]) -> None:
    weight = np.array([[4.0, 0.5], [0.0, 0.0]], "float32")
    found = run(f"import keras\nfound = keras.constraints.{code}")["found"]
    np.testing.assert_allclose(np.linalg.norm(found(weight), axis=0), norms, rtol=1e-5)


# --- together -----------------------------------------------------------------------------------


def test_every_layer_with_one_input_works_in_a_model() -> None:
    for _, name in MENTIONED:
        cls = getattr(layers, name)
        for example in cls.examples:
            if isinstance(example.input_shape, list) or name.endswith("Cell"):
                continue
            dtype = "float32" if example.integers is None else "int32"
            entry = ls.Input(batch_shape=example.input_shape, dtype=dtype)
            out = cls(**example.arguments)(entry)
            model = ls.Model(entry, out)
            x = map_shapes(lambda shape: np.ones(shape), example.input_shape).astype(dtype)
            for found, symbolic in zip(leaves(model(x)), leaves(out), strict=True):
                assert found.shape == symbolic.shape, name


def test_the_backend_tells_kinds_of_values_apart() -> None:
    from layerscope import backend as K

    assert [K.is_float_dtype(kind) for kind in ("float32", "int32", "bool")] == [True, False, False]
    assert [K.is_int_dtype(kind) for kind in ("uint8", "float32")] == [True, False]
    assert K.is_keras_tensor(ls.Input((2,)))
    assert not K.is_keras_tensor(np.ones(2))
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = K.no_such_name
