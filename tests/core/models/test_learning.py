"""Models learn, whatever the seed: each task reaches its score from five beginnings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Sequential, layers
from layerscope.layers import Dense

SEEDS = pytest.mark.parametrize("seed", range(5))


def digits() -> Any:
    """Return the digits' images, scaled to 1, and labels: for training, then for test."""
    (x, y), (x_test, y_test) = ls.datasets.digits.load_data()
    return (x / np.float32(x.max()), y), (x_test / np.float32(x.max()), y_test)


def accuracy_on_digits(model: Sequential, *, epochs: int, size: int, flat: bool = False) -> float:
    """Train on digits and return the share of right answers on others."""
    (x, y), (x_test, y_test) = digits()
    shape = model.input_shape[1:]
    model.compile(ls.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x.reshape(-1, *shape), y, batch_size=size, epochs=epochs, verbose=0)
    return model.evaluate(x_test.reshape(-1, *shape), y_test, batch_size=500, verbose=0)[1]


@SEEDS
def test_exclusive_or(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    y = np.array([0, 1, 1, 0], "float32")[:, None]
    model = Sequential([Input((2,)), Dense(8, activation="tanh"), Dense(1, activation="sigmoid")])
    model.compile(ls.optimizers.Adam(0.05), "mse", metrics=["accuracy"])
    model.fit(x, y, epochs=300, verbose=0)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy == 1
    assert loss < 0.01


@SEEDS
def test_two_spirals(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    angle = np.linspace(0.5, 3 * np.pi, 150)
    arm = np.stack([angle * np.cos(angle), angle * np.sin(angle)], -1) / 3
    x = np.concatenate([arm, -arm]).astype("float32")
    y = np.repeat([0, 1], 150)
    model = Sequential(
        [
            Input((2,)),
            Dense(32, activation="tanh"),
            Dense(32, activation="tanh"),
            Dense(2, activation="softmax"),
        ]
    )
    model.compile(ls.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["acc"])
    model.fit(x, y, epochs=250, batch_size=50, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.99


@SEEDS
def test_digits_by_dense_layers(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    model = Sequential(
        [
            Input((8, 8)),
            layers.Flatten(),
            Dense(48, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )
    assert accuracy_on_digits(model, epochs=15, size=64) > 0.93


@SEEDS
def test_digits_by_convolution(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(12, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.BatchNormalization(momentum=0.9),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.2),
            Dense(10, activation="softmax"),
        ]
    )
    assert accuracy_on_digits(model, epochs=8, size=64) > 0.95


@pytest.mark.slow
@SEEDS
def test_digits_by_an_lstm_over_rows(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    model = Sequential([Input((8, 8)), layers.LSTM(32), Dense(10, activation="softmax")])
    assert accuracy_on_digits(model, epochs=20, size=64) > 0.92


@pytest.mark.slow
@SEEDS
def test_a_gru_copies_what_it_saw(seed: int) -> None:
    """Say three symbols after a pause, in order."""
    ls.utils.set_random_seed(seed)
    generator = np.random.default_rng(seed)
    symbols = generator.integers(1, 5, (1200, 3))
    blank = np.zeros((1200, 4), int)
    x = np.concatenate([symbols, blank], 1)
    model = Sequential(
        [
            Input((7,)),
            layers.Embedding(5, 8),
            layers.GRU(32, return_sequences=True),
            Dense(5, activation="softmax"),
        ]
    )
    y = np.concatenate([blank, symbols], 1)
    model.compile(ls.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    # Learnt by epoch 35 whatever the seed: rounding alone moves that by a few.
    model.fit(x[:1000], y[:1000], batch_size=50, epochs=50, verbose=0)
    said = model.predict(x[1000:], verbose=0)[:, 4:].argmax(-1)
    assert (said == symbols[1000:]).mean() > 0.98


@SEEDS
def test_an_autoencoder_keeps_what_matters(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    (x, _), (x_test, _) = digits()
    x, x_test = x.reshape(-1, 64), x_test.reshape(-1, 64)
    model = Sequential(
        [
            Input((64,)),
            Dense(32, activation="relu"),
            Dense(10, name="code"),
            Dense(32, activation="relu"),
            Dense(64, activation="sigmoid"),
        ]
    )
    model.compile(ls.optimizers.Adam(0.005), "mse")
    model.fit(x, x, batch_size=64, epochs=25, verbose=0)
    # Ten numbers tell more than half of what the mean image leaves open.
    assert model.evaluate(x_test, x_test, verbose=0) < 0.4 * x_test.var(0).mean()
