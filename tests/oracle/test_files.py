"""Model files that Layerscope writes load in Keras and the reverse, and predict the same.

Keras does not read the optimizer's states of a file that has none, and says so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import registry
from layerscope.layers.signature import as_arguments
from layerscope.structure import leaves, map_shapes
from oracle.reference import close, keras, numpy_of, only_right_on_jax

LIBRARIES = [
    pytest.param(ls, keras, id="to_keras"),
    pytest.param(keras, ls, id="from_keras"),
]
both_ways = pytest.mark.parametrize(("writer", "reader"), LIBRARIES)


@functools.cache
def custom_objects(library: Any) -> dict[str, type[Any]]:
    """Return the same classes of one's own for either library."""

    class Block(library.layers.Layer):
        def __init__(self, units: int = 3, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.stages = [library.layers.Dense(units), [library.layers.Dense(units)]]
            self.named = {"a": library.layers.Dense(units), "b": library.layers.Dense(units)}

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(self.units,), initializer="uniform", name="scale")
            for layer in self.used():
                layer.build((None, self.units))
            self.built = True

        def used(self) -> list[Any]:
            return [self.stages[0], self.stages[1][0], self.named["b"], self.named["a"]]

        def call(self, inputs: Any) -> Any:
            for layer in self.used():
                inputs = layer(inputs)
            return inputs * self.scale

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    class OwnModel(library.Model):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.zoom = library.layers.Dense(3)
            self.out = library.layers.Dense(2)
            self.block = Block()
            self.again = self.block

        def call(self, inputs: Any) -> Any:
            return self.out(self.again(self.block(self.zoom(inputs))))

    return {"Block": Block, "OwnModel": OwnModel}


def sequential(library: Any) -> Any:
    model = library.Sequential(
        [
            library.Input((3,)),
            library.layers.Dense(4, "tanh"),
            library.layers.Dropout(0.5),
            library.layers.Dense(2),
        ]
    )
    model.compile(library.optimizers.Adam(0.02), "mse", metrics=["accuracy"])
    return model


def functional(library: Any) -> Any:
    layers = library.layers
    first, other = library.Input((3,), name="one"), library.Input((3,), name="other")
    shared = layers.Dense(3, "tanh")
    joined = layers.Concatenate()([shared(first), shared(other)])
    outputs = [layers.Dense(2)(joined), layers.Add()([shared(shared(other)), first])]
    return library.Model([first, other], outputs)


def nested(library: Any) -> Any:
    layers = library.layers
    inputs = library.Input((3,))
    inner = library.Sequential(
        [layers.Dense(3), library.Sequential([layers.Dense(3, "relu"), layers.Dense(3)])]
    )
    hidden = inner(inputs)
    graph = library.Model(inputs, [hidden, layers.Maximum()([inner(hidden), inputs])])
    # A model of one's own inside is built by the call.
    own = custom_objects(library)["OwnModel"]()
    return library.Model(inputs, own(layers.Average()(graph(inputs))))


def recurrent(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            library.Input((4, 3)),
            layers.Masking(),
            layers.LSTM(2, return_sequences=True, dropout=0.2, recurrent_dropout=0.1),
            layers.Bidirectional(layers.GRU(2, return_sequences=True)),
            layers.Bidirectional(
                layers.SimpleRNN(2, return_sequences=True),
                backward_layer=layers.LSTM(2, return_sequences=True, go_backwards=True),
            ),
            layers.TimeDistributed(layers.Dense(2)),
            layers.RNN([layers.GRUCell(2), layers.LSTMCell(3), layers.GRUCell(2)]),
        ]
    )


def stateful(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            library.Input(batch_shape=(5, 4, 3)),
            layers.LSTM(2, stateful=True, return_sequences=True),
            layers.Bidirectional(layers.GRU(2, stateful=True)),
        ]
    )


def convolutional(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            library.Input((6, 6, 2)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.SeparableConv2D(2, 2),
            layers.TimeDistributed(layers.Dense(3, use_bias=False)),
            layers.GroupNormalization(1),
            layers.GlobalAveragePooling2D(),
        ]
    )


def built_by_data(library: Any) -> Any:
    model = library.Sequential([library.layers.Dense(3), library.layers.Dense(1)])
    model(np.ones((5, 3), "float32"))
    return model


def own_model(library: Any) -> Any:
    model = custom_objects(library)["OwnModel"]()
    model(np.ones((5, 3), "float32"))
    return model


def own_layer(library: Any) -> Any:
    inputs = library.Input((3,))
    return library.Model(inputs, custom_objects(library)["Block"](name="mine")(inputs))


def low_rank(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            library.Input((6,), dtype="int32"),
            layers.Embedding(5, 4, lora_rank=2),
            layers.Conv1D(3, 2, lora_rank=2),
            layers.Dense(4, lora_rank=1),
        ]
    )


KINDS: dict[str, Callable[[Any], Any]] = {
    make.__name__: make
    for make in (
        sequential,
        functional,
        nested,
        recurrent,
        stateful,
        convolutional,
        built_by_data,
        own_model,
        own_layer,
        low_rank,
    )
}


def draw_weights(model: Any) -> None:
    """Give all weights values that nothing has at first."""
    generator = np.random.default_rng(1)
    model.set_weights(
        [generator.uniform(0.1, 0.9, np.shape(value)) for value in model.get_weights()]
    )


def data_for(kind: str) -> Any:
    shapes = {"recurrent": (5, 4, 3), "stateful": (5, 4, 3), "convolutional": (5, 6, 6, 2)}
    generator = np.random.default_rng(0)

    def draw() -> np.ndarray:
        if kind == "low_rank":
            return generator.integers(0, 5, (5, 6)).astype("int32")
        return generator.normal(size=shapes.get(kind, (5, 3))).astype("float32")

    return [draw(), draw()] if kind == "functional" else draw()


def predictions(model: Any, x: Any) -> list[Any]:
    # Kept states go on from batch to batch.
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_states()
    return leaves(model.predict(x, batch_size=5, verbose=0))


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
@both_ways
@pytest.mark.parametrize("kind", KINDS)
def test_models(kind: str, writer: Any, reader: Any, tmp_path: Path) -> None:
    model, x = KINDS[kind](writer), data_for(kind)
    draw_weights(model)
    expected = predictions(model, x)
    model.save(str(tmp_path / "model.keras"))
    loaded = reader.saving.load_model(str(tmp_path / "model.keras"), custom_objects(reader))
    close(predictions(loaded, x), expected)

    model.save_weights(str(tmp_path / "model.weights.h5"))
    for name in ("model.weights.h5", "model.keras"):
        other = KINDS[kind](reader)
        other.load_weights(str(tmp_path / name))
        close(predictions(other, x), expected)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
@pytest.mark.filterwarnings("error:Model .* was not compiled")
@both_ways
@pytest.mark.parametrize(
    ("optimizer", "loss"),
    [
        ("Adam", "MeanSquaredError"),
        ("SGD", "CategoricalCrossentropy"),
        ("RMSprop", "MeanSquaredError"),
    ],
)
def test_how_a_model_is_compiled(
    optimizer: str, loss: str, writer: Any, reader: Any, tmp_path: Path
) -> None:
    model = sequential(writer)
    model.compile(
        getattr(writer.optimizers, optimizer)(0.02),
        getattr(writer.losses, loss)(),
        metrics=["accuracy"],
    )
    model.save(str(tmp_path / "model.keras"))
    loaded = reader.saving.load_model(str(tmp_path / "model.keras"))
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.02)
    x, y = data_for("sequential"), np.eye(2, dtype="float32")[[0, 1, 0, 1, 1]]
    close(np.asarray(loaded.evaluate(x, y, verbose=0)), np.asarray(model.evaluate(x, y, verbose=0)))
    loaded.fit(x, y, verbose=0)


@pytest.mark.filterwarnings("ignore:.*could not be loaded")
@both_ways
def test_what_does_not_fit(writer: Any, reader: Any, tmp_path: Path) -> None:
    """Both refuse, and both keep the weights of the layer that does not fit if asked to."""
    path = str(tmp_path / "model.weights.h5")
    sequential(writer).save_weights(path)
    other = reader.Sequential(
        [
            reader.Input((3,)),
            reader.layers.Dense(4),
            reader.layers.Dropout(0.5),
            reader.layers.Dense(5),
        ]
    )
    before = [np.array(value) for value in other.get_weights()]
    with pytest.raises(ValueError, match="could not be loaded"):
        other.load_weights(path)
    other.load_weights(path, skip_mismatch=True)
    changed = [
        not np.array_equal(one, two) for one, two in zip(other.get_weights(), before, strict=True)
    ]
    assert changed == [True, False, False, False]


# --- every layer -----------------------------------------------------------------------------


#: Cells need states, Keras's `Wrapper` computes nothing, it knows none of the functions that a
#: `Lambda` may name here, its `RandomCrop` cuts nothing at inference, its `Equalization` cannot be
#: connected, and what `StringLookup` returns need not be numbers.
NOT_ALONE = (
    "Cell", "Cells", "Wrapper", "Lambda", "RandomCrop", "Equalization", "StringLookup"
)  # fmt: skip


def single_layers() -> list[Any]:
    return [
        pytest.param(cls, example, id=f"{cls.__name__}-{number}", marks=only_right_on_jax(name))
        for cls in registry.subclasses(ls.Layer)
        for number, example in enumerate(cls.examples)
        if hasattr(keras.layers, name := cls.keras_name or cls.__name__)
        and not name.endswith(NOT_ALONE)
        and example.words is None
    ]


@pytest.mark.filterwarnings("ignore:Layer.*does not support")
@pytest.mark.parametrize(("cls", "example"), single_layers())
def test_every_layer(cls: type[Any], example: Any, tmp_path: Path) -> None:
    """A model of one layer goes to Keras and comes back."""
    generator = np.random.default_rng(0)
    kind = "float32" if example.integers is None else "int32"

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        if example.integers is not None:
            return generator.integers(0, example.integers, shape).astype(kind)
        return generator.normal(size=shape).astype(kind)

    x = map_shapes(draw, example.input_shape)
    inputs = map_shapes(lambda shape: ls.Input(batch_shape=shape, dtype=kind), example.input_shape)
    layer = cls(**example.arguments)
    model = ls.Model(inputs, layer(*as_arguments(cls, inputs)))
    draw_weights(model)
    model.save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(str(tmp_path / "ours.keras"))
    theirs.save(str(tmp_path / "theirs.keras"))
    again = ls.saving.load_model(tmp_path / "theirs.keras")
    if not getattr(model.layers[-1], "lora_enabled", False):
        for have, want in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(have, want)
    expected = leaves(model(x, training=False))
    close(leaves(again(x, training=False)), expected)
    close(leaves(numpy_of(theirs(x, training=False))), expected, rtol=1e-4, atol=2e-5)
