"""Code as people write it, which pyright must accept; it is also run once by the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

import layerscope as ls
from layerscope import (
    Input,
    Model,
    Sequential,
    constraints,
    initializers,
    layers,
    ops,
    regularizers,
)
from layerscope.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Reshape


def dense_layers() -> list[layers.Layer]:
    return [
        Dense(3, activation="relu", name="x"),
        Dense(3, "tanh", False),
        Dense(units=3, activation=None, kernel_initializer="he_normal", dtype="float64"),
        Dense(3, kernel_initializer=initializers.HeNormal(seed=1), bias_initializer="ones"),
        Dense(3, kernel_regularizer=regularizers.L2(0.01), kernel_constraint="non_neg"),
        Dense(3, activation=ops.tanh, activity_regularizer="l1", trainable=False),
        Dense(3, kernel_constraint=constraints.MaxNorm(2), bias_constraint=constraints.NonNeg),
        Dense(3, activation=lambda x: x * 2.0, kernel_initializer=initializers.Zeros),
    ]


def image_model() -> Sequential:
    model = Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(16, 3, activation="relu"),
            Conv2D(4, (3, 2), strides=(1, 1), padding="same", dilation_rate=1, groups=2),
            MaxPooling2D(),
            MaxPooling2D(pool_size=2, strides=1, padding="same", data_format="channels_last"),
            Dropout(0.5, seed=3),
            Flatten(),
            Reshape((-1, 2)),
            Activation("relu"),
            Flatten(),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Linear(layers.Layer):
    """A custom layer as the notes write it."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="zeros")
        self.b = self.add_variable(name="b", shape=[self.units], initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return inputs @ self.w + ops.square(self.b)


class Branch(Model):
    """A custom model."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = Linear(4, name="hidden")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.hidden(inputs)


def functional() -> Model:
    x = Input((4,))
    y = Dense(2)(x) + 1.0
    return Model(inputs=x, outputs=y, name="functional")


def train() -> float:
    model = Branch()
    model.compile(optimizer=ls.optimizers.SGD(0.1, momentum=0.9), loss=ls.losses.MeanSquaredError())
    history = model.fit(np.ones((4, 4)), np.zeros((4, 4)), epochs=2, verbose=0)
    with ls.GradientTape() as tape:
        loss = ops.mean(model(np.ones((4, 4))))
    tape.gradient(loss, model.trainable_variables)
    return history.history["loss"][-1]
