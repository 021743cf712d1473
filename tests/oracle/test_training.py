"""Whole trainings give Keras's histories, weights, measures and predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import layerscope
from oracle.reference import generator_of, keras

#: Values of an epoch, and weights after several, differ by what float32 rounds at each step.
RTOL, ATOL = 5e-4, 2e-5

#: A training: makes a model of either library, compiled, and says what `fit` gets.
Training = Callable[[Any], tuple[Any, dict[str, Any]]]
TRAININGS: dict[str, Training] = {}


def training(function: Training) -> Training:
    """Have a training compared."""
    TRAININGS[function.__name__] = function
    return function


def normal(name: str, *shape: int) -> np.ndarray:
    return generator_of(name).normal(size=shape).astype("float32")


def labels(name: str, count: int, classes: int) -> np.ndarray:
    return generator_of(name).integers(0, classes, count).astype("int32")


X, Y = normal("x", 50, 4), normal("y", 50, 2)
LABELS = labels("labels", 50, 3)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
WEIGHTS = generator_of("weights").uniform(0.1, 2, 50).astype("float32")
TOKENS = np.where(
    np.arange(7) < generator_of("lengths").integers(1, 8, (50, 1)),
    labels("t", 350, 9).reshape(50, 7) + 1,
    0,
)


def dense(k: Any, last: int = 2, activation: Any = None, **options: Any) -> Any:
    return k.Sequential(
        [
            k.Input((4,)),
            k.layers.Dense(6, activation="tanh", **options),
            k.layers.Dense(last, activation=activation),
        ]
    )


@training
def regression(k: Any) -> Any:
    model = dense(k)
    model.compile(k.optimizers.SGD(0.1), "mse", metrics=["mse"])
    return model, {"x": X, "y": Y, "batch_size": 16, "epochs": 3}


@training
def validation_split(k: Any) -> Any:
    model = dense(k, 3, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, {"x": X, "y": LABELS, "batch_size": 8, "epochs": 3, "validation_split": 0.3}


@training
def sample_weights(k: Any) -> Any:
    model = dense(k, 3, "softmax")
    model.compile(
        k.optimizers.Adam(0.01),
        "categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy", "mse"],
    )
    return model, {
        "x": X,
        "y": ONE_HOT,
        "sample_weight": WEIGHTS,
        "validation_data": (X[:20], ONE_HOT[:20], WEIGHTS[20:40]),
        "epochs": 3,
    }


@training
def class_weights(k: Any) -> Any:
    model = dense(k, 3, "softmax")
    model.compile("rmsprop", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    weights = {0: 0.2, 1: 3.0}
    return model, {"x": X, "y": LABELS, "class_weight": weights, "batch_size": 9, "epochs": 2}


def two_outputs(k: Any) -> Any:
    x = k.Input((4,), name="x")
    hidden = k.layers.Dense(5, activation="relu", name="hidden")(x)
    value = k.layers.Dense(2, name="value")(hidden)
    kind = k.layers.Dense(3, activation="softmax", name="kind")(hidden)
    return x, value, kind


@training
def outputs_by_name(k: Any) -> Any:
    x, value, kind = two_outputs(k)
    model = k.Model(x, [value, kind])
    model.compile(
        "sgd",
        {"value": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"value": 0.3, "kind": 2.0},
        metrics={"kind": ["accuracy"], "value": "mse"},
        weighted_metrics={"value": ["mse"]},
    )
    return model, {
        "x": X,
        "y": [Y, LABELS],
        "sample_weight": [WEIGHTS, WEIGHTS[::-1].copy()],
        "epochs": 2,
        "batch_size": 12,
    }


@training
def outputs_in_a_list(k: Any) -> Any:
    x, value, kind = two_outputs(k)
    model = k.Model(x, [value, kind, value])
    model.compile("sgd", ["mse", "categorical_crossentropy", None], loss_weights=[0.5, 1.0, 1.0])
    return model, {"x": X, "y": [Y, ONE_HOT, Y], "epochs": 2, "validation_split": 0.2}


@training
def outputs_in_a_dict(k: Any) -> Any:
    x, value, kind = two_outputs(k)
    model = k.Model({"x": x}, {"kind": kind, "value": value})
    model.compile(
        "adam",
        {"value": "mse", "kind": "sparse_categorical_crossentropy"},
        metrics={"kind": ["accuracy"]},
    )
    return model, {"x": {"x": X}, "y": {"kind": LABELS, "value": Y}, "epochs": 2}


@training
def several_inputs(k: Any) -> Any:
    one, other = k.Input((4,), name="one"), k.Input((4,), name="other")
    joined = k.layers.Concatenate()([one, k.layers.Dense(3, name="d")(other)])
    model = k.Model([one, other], k.layers.Dense(2, name="e")(joined))
    model.compile("adam", "mse")
    return model, {"x": [X, X[::-1].copy()], "y": Y, "epochs": 2, "batch_size": 7}


@training
def moving_statistics(k: Any) -> Any:
    model = k.Sequential(
        [
            k.Input((6, 6, 2)),
            k.layers.Conv2D(4, 3, padding="same"),
            k.layers.BatchNormalization(momentum=0.8),
            k.layers.ReLU(),
            k.layers.GlobalAveragePooling2D(),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(k.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["acc"])
    images = normal("images", 50, 6, 6, 2)
    return model, {
        "x": images,
        "y": LABELS,
        "epochs": 3,
        "batch_size": 10,
        "validation_data": (images[:15] + 1, LABELS[:15]),
    }


@training
def penalties_and_constraints(k: Any) -> Any:
    model = dense(
        k,
        kernel_regularizer=k.regularizers.L1L2(0.01, 0.02),
        bias_regularizer="l2",
        activity_regularizer=k.regularizers.L2(0.03),
        kernel_constraint=k.constraints.MaxNorm(0.8),
    )
    model.compile(k.optimizers.SGD(0.2), "mse", metrics=["mse"])
    return model, {"x": X, "y": Y, "epochs": 3, "validation_split": 0.2}


@training
def masked_tokens(k: Any) -> Any:
    model = k.Sequential(
        [
            k.Input((7,)),
            k.layers.Embedding(10, 5, mask_zero=True),
            k.layers.LSTM(4, return_sequences=True),
            k.layers.TimeDistributed(k.layers.Dense(10, activation="softmax")),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return model, {"x": TOKENS, "y": TOKENS, "epochs": 2}


@training
def stateful(k: Any) -> Any:
    model = k.Sequential(
        [k.Input(batch_shape=(10, 5, 2)), k.layers.GRU(4, stateful=True), k.layers.Dense(2)]
    )
    model.compile(k.optimizers.SGD(0.1), "mse")
    return model, {"x": normal("series", 50, 5, 2), "y": Y, "epochs": 3, "batch_size": 10}


@training
def frozen(k: Any) -> Any:
    model = dense(k)
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    return model, {"x": X, "y": Y, "epochs": 2}


@training
def nested_models(k: Any) -> Any:
    inner = dense(k, kernel_regularizer="l2")
    x = k.Input((4,))
    model = k.Model(x, k.layers.Dense(2, name="last")(inner(x)))
    model.compile("adam", "mse", metrics=["mse"])
    return model, {"x": X, "y": Y, "epochs": 2}


def batches(count: int) -> Iterator[tuple[np.ndarray, ...]]:
    for index in range(count):
        part = slice(index % 5 * 10, index % 5 * 10 + 10 - index % 3)
        yield X[part], Y[part], WEIGHTS[part]


@training
def generators(k: Any) -> Any:
    model = dense(k)
    model.compile(k.optimizers.SGD(0.1), "mse", metrics=["mse"], weighted_metrics=["mse"])
    return model, {
        "x": batches(100),
        "steps_per_epoch": 7,
        "epochs": 4,
        "validation_data": (X, Y, WEIGHTS),
        "validation_batch_size": 11,
        "validation_steps": 3,
        "validation_freq": 2,
    }


@training
def data_sets(k: Any) -> Any:
    class Parts(k.utils.PyDataset):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            return X[index::5], LABELS[index::5]

    model = dense(k, 3, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, {"x": Parts(), "epochs": 2, "class_weight": {1: 2.0}, "validation_data": Parts()}


@training
def changing_rates(k: Any) -> Any:
    model = dense(k)
    model.compile(k.optimizers.SGD(0.9), "mse")
    return model, {
        "x": X,
        "y": Y,
        "epochs": 12,
        "validation_split": 0.4,
        "callbacks": [
            k.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=1),
            k.callbacks.EarlyStopping(patience=3, restore_best_weights=True, min_delta=1e-3),
        ],
    }


@training
def scheduled_rates(k: Any) -> Any:
    model = dense(k)
    model.compile("adam", "mse")
    schedule = k.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else 0.1)
    return model, {"x": X, "y": Y, "initial_epoch": 1, "epochs": 4, "callbacks": [schedule]}


@training
def losses_of_ones_own(k: Any) -> Any:
    class Penalized(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = k.layers.Dense(3, activation="tanh")
            self.last = k.layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            hidden = self.first(inputs)
            self.add_loss(0.1 * k.ops.mean(hidden**2))
            return self.last(hidden)

        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Any = None,
            training: bool = True,
        ) -> Any:
            return 2.0 * super().compute_loss(x, y, y_pred, sample_weight, training)

    model = Penalized()
    model(X[:2])
    model.compile("sgd", lambda y, p: k.ops.mean(k.ops.abs(y - p), axis=-1))
    return model, {"x": X, "y": Y, "epochs": 2}


@training
def long_epochs(k: Any) -> Any:
    model = dense(k)
    model.compile("adam", "mse", steps_per_execution=1)
    return model, {"x": X, "y": Y, "batch_size": 16, "steps_per_epoch": 2, "epochs": 3}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_whole_training(name: str) -> None:
    if name == "stateful" and keras.backend.backend() != "tensorflow":
        pytest.skip("only on TensorFlow does Keras carry states from batch to batch in training")
    ours, options = TRAININGS[name](layerscope)
    theirs, their_options = TRAININGS[name](keras)
    theirs.set_weights(ours.get_weights())
    found = ours.fit(**options, shuffle=False, verbose=0)
    expected = theirs.fit(**their_options, shuffle=False, verbose=0)
    assert found.epoch == expected.epoch
    assert set(found.history) == set(expected.history)
    for key, values in expected.history.items():
        np.testing.assert_allclose(
            found.history[key], values, rtol=RTOL, atol=ATOL, err_msg=f"history of {key}"
        )
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=10 * RTOL, atol=10 * ATOL)
    compare_use(ours, theirs, options, their_options)


def compare_use(
    ours: Any, theirs: Any, options: dict[str, Any], their_options: dict[str, Any]
) -> None:
    """Compare measures and predictions of trained models on the data they were trained on."""
    theirs.set_weights(ours.get_weights())
    if "y" not in options:
        options = {"x": X, "y": Y if ours.output_shape[-1] == 2 else LABELS}
    measured = {name: options[name] for name in ("x", "y", "sample_weight") if name in options}
    size = options.get("batch_size")
    found = ours.evaluate(**measured, batch_size=size, verbose=0)
    expected = theirs.evaluate(**measured, batch_size=size, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=ATOL)
    assert ours.metrics_names == theirs.metrics_names
    predicted = ours.predict(options["x"], batch_size=size, verbose=0)
    wanted = theirs.predict(options["x"], batch_size=size, verbose=0)
    for one, other in zip(leaves(predicted), leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=RTOL, atol=ATOL)


def leaves(outputs: Any) -> list[np.ndarray]:
    if isinstance(outputs, dict):
        return [outputs[key] for key in sorted(outputs)]
    return outputs if isinstance(outputs, list) else [outputs]
