"""What Layerscope and Keras share: how layers are called, and the whole tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from peers.cases import DENSE_STACK, Case
from peers.data import Arrays, Data, draw_weights

BATCH = 32
Task = tuple[Callable[[], Any], Callable[[], Arrays]]


def layer_of(case: Case, library: Any, dtype: str) -> Any:
    """Return a case's layer, or its stack of equal dense ones."""
    if case.layer != DENSE_STACK:
        return getattr(library.layers, case.layer)(**case.arguments, dtype=dtype)
    options = {key: value for key, value in case.arguments.items() if key != "depth"}
    dense = library.layers.Dense
    return library.Sequential(
        [dense(**options, dtype=dtype) for _ in range(case.arguments["depth"])]
    )


def arguments(case: Case, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return inputs as the layer takes them: several as one list, one once or repeatedly."""
    return (list(inputs),) if len(inputs) > 1 else (inputs[0],) * case.repeated


def options(case: Case) -> dict[str, Any]:
    """Return further arguments of the call."""
    return {} if case.training is None else {"training": case.training}


def task_data(case: Case, library: Any, generator: np.random.Generator) -> Data:
    """Return samples and labels of a task, and first weights of its model."""
    if case.layer.startswith("epoch"):
        images, labels = library.datasets.digits.load_arrays()
        inputs = [images if case.layer == "epoch_cnn" else images.reshape(-1, 64), labels]
    elif case.layer == "build":
        inputs = []
    else:
        samples = generator.standard_normal((BATCH, 2), "float32")
        inputs = [samples, samples[:, :1] * samples[:, 1:]]
    weights = model_of(case, library).weights
    shapes = [(weight.name, tuple(weight.shape)) for weight in weights]
    return Data(inputs, draw_weights(shapes, generator) if inputs else [])


def model_of(case: Case, library: Any) -> Any:
    """Return the model a task is about, not compiled."""
    layers, Input = library.layers, library.Input
    if case.layer == "epoch_mlp":
        stack = [
            Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    elif case.layer == "epoch_cnn":
        stack = [
            Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    elif case.layer == "build":
        stack = [
            Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    else:
        stack = [
            Input((2,)),
            layers.Dense(8, activation="tanh"),
            layers.Dense(8, activation="tanh"),
            layers.Dense(1),
        ]
    return library.Sequential(stack)


def task(
    case: Case, data: Data, library: Any, to_tensor: Callable[[Any], Any] = np.asarray
) -> Task:
    """Return a task as a call, and a function of what it must give.

    The latter runs before the former: it sees the first weights.
    """
    if case.layer == "build":
        return lambda: _build(case, library), lambda: [np.asarray(_build(case, library))]
    model = model_of(case, library)
    model.set_weights(data.weights)
    samples, labels = data.inputs
    if case.layer == "call":
        tensor = to_tensor(samples)
        return lambda: model(tensor), lambda: [_numpy(model(tensor))]
    if case.layer == "predict":

        def predict() -> Any:
            return model.predict(samples, verbose=0)

        return predict, lambda: [_numpy(predict())]
    loss = "sparse_categorical_crossentropy" if case.layer.startswith("epoch") else "mse"
    sgd = case.layer == "step_sgd"
    optimizers = library.optimizers
    optimizer = optimizers.SGD(0.01) if sgd else optimizers.Adam(0.001)
    model.compile(optimizer=optimizer, loss=loss)
    if case.layer.startswith("step"):

        def step() -> Any:
            return model.train_on_batch(samples, labels)

        return step, lambda: [np.asarray(step(), "float32").reshape(-1)[:1]]

    def epoch() -> Any:
        return model.fit(samples, labels, batch_size=BATCH, epochs=1, verbose=0)

    return epoch, lambda: [np.asarray(epoch().history["loss"], "float32")]


def _build(case: Case, library: Any) -> int:
    lines: list[str] = []
    model = model_of(case, library)
    model.summary(print_fn=lambda line, **_: lines.append(line))
    return int(model.count_params())


def _numpy(value: Any) -> np.ndarray:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)
