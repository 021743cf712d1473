"""What `compile` sets: losses and metrics of one output or several, and steps of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, layers, losses, metrics

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
A, B = X[:, :1].copy(), X[:, 1:].copy()
WEIGHTS = np.linspace(0, 2, 12).astype("float32")


def two(nesting: str = "list") -> Any:
    """Return a model with the outputs ``a`` and ``b``, and functions that give their losses."""
    ls.utils.set_random_seed(0)
    x = Input((3,))
    a, b = layers.Dense(1, name="a")(x), layers.Dense(2, name="b")(x)
    return Model(x, [a, b] if nesting == "list" else {"a": a, "b": b})


def squares(model: Any, weights: Any = 1.0) -> tuple[float, float]:
    """Return the weighted mean squared error of each output."""
    a, b = model.get_layer("a")(X), model.get_layer("b")(X)
    return (
        float((((a - A) ** 2).mean(-1) * weights).mean()),
        float((((b - B) ** 2).mean(-1) * weights).mean()),
    )


def measure(model: Any, y: Any, **options: Any) -> dict[str, float]:
    return model.evaluate(X, y, verbose=0, return_dict=True, **options)


@pytest.mark.parametrize(
    ("loss", "weights", "expected"),
    [
        ("mse", None, (1, 1)),
        (["mse", "mse"], [0.5, 2], (0.5, 2)),
        ({"b": "mse", "a": "mse"}, {"a": 3.0, "b": 0.1}, (3, 0.1)),
        ({"b": losses.MeanSquaredError(), "a": losses.MeanSquaredError()}, None, (1, 1)),
        ([None, "mse"], None, (0, 1)),
        ({"a": "mse", "b": None}, None, (1, 0)),
    ],
)
@pytest.mark.parametrize("targets", ["list", "dict"])
def test_losses_of_outputs(loss: Any, weights: Any, expected: Any, targets: str) -> None:
    model = two()
    model.compile("sgd", loss, loss_weights=weights)
    found = measure(model, [A, B] if targets == "list" else {"b": B, "a": A})
    of_a, of_b = squares(model)
    assert found["loss"] == pytest.approx(expected[0] * of_a + expected[1] * of_b, rel=1e-5)
    if 0 not in expected:
        # Each by itself is reported without its weight.
        assert found["a_loss"] == pytest.approx(of_a, rel=1e-5)
        assert found["b_loss"] == pytest.approx(of_b, rel=1e-5)
    else:
        assert set(found) == {"loss"}


def test_sample_weights_of_outputs() -> None:
    model = two()
    model.compile("sgd", "mse", metrics=[["mse"], []], weighted_metrics=[[], ["mse"]])
    found = measure(model, [A, B], sample_weight=[WEIGHTS, np.ones(12, "float32")])
    assert found["a_loss"] == pytest.approx(squares(model, WEIGHTS)[0], rel=1e-5)
    assert found["b_loss"] == pytest.approx(squares(model)[1], rel=1e-5)
    assert found["a_mse"] == pytest.approx(squares(model)[0], rel=1e-5)
    both = measure(model, [A, B], sample_weight=WEIGHTS)
    assert both["loss"] == pytest.approx(sum(squares(model, WEIGHTS)), rel=1e-5)
    assert both["b_mse"] == pytest.approx(squares(model, WEIGHTS)[1] * 12 / WEIGHTS.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"a": "mse"}, ["a_mse"]),
        ({"b": ["mse", "acc"], "a": "mse"}, ["a_mse", "b_mse", "b_acc"]),
        ([["mse"], ["accuracy"]], ["a_mse", "b_accuracy"]),
        (["mse", "mse"], ["a_mse", "b_mse"]),
        ([None, "mse"], ["b_mse"]),
    ],
)
@pytest.mark.parametrize("nesting", ["list", "dict"])
def test_names_of_metrics(given: Any, names: list[str], nesting: str) -> None:
    model = two(nesting)
    model.compile("sgd", "mse", metrics=given)
    found = measure(model, [A, B] if nesting == "list" else {"a": A, "b": B})
    assert sorted(found) == sorted(["loss", "a_loss", "b_loss", *names])
    assert model.metrics_names == ["loss", "compile_metrics", "a_loss", "b_loss"]


def test_names_that_occur_twice_are_told_apart() -> None:
    model = Sequential([Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mse", "mse"], weighted_metrics=["mse"])
    assert list(measure(model, A)) == ["loss", "mse", "mse_1", "weighted_mse"]
    assert len(model.evaluate(X, A, verbose=0)) >= 4


@pytest.mark.parametrize("targets", [[0, 1, 1] * 4, [[0], [1], [1]] * 4, np.eye(2)[[0, 1, 1] * 4]])
def test_crossentropy_chooses_its_kind(targets: Any) -> None:
    model = Sequential([Input((3,)), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "crossentropy")
    labels = np.array([0, 1, 1] * 4)
    wanted = -np.log(model.predict(X, verbose=0)[np.arange(12), labels]).mean()
    assert measure(model, np.array(targets))["loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "targets", "error", "message"),
    [
        ({"loss": {"a": "mse", "c": "mse"}}, [A, B], ValueError, r"`loss` must have the keys"),
        ({"loss": ["mse", "mse"], "loss_weights": [1.0]}, [A, B], ValueError, "match the number"),
        ({"loss": "mse", "loss_weights": "x"}, [A, B], ValueError, "loss_weights='x'"),
        ({"loss": "mse"}, [A], ValueError, "different structures"),
        ({"loss": "mse", "metrics": "mse"}, [A, B], ValueError, "metrics='mse'"),
        ({"loss": "mse", "metrics": ["mse"]}, [A, B], ValueError, "2 outputs named"),
        ({"loss": "mse", "metrics": {"c": "mse"}}, [A, B], ValueError, "2 outputs named"),
        ({"loss": "mse", "steps_per_execution": 0}, [A, B], ValueError, "steps_per_execution=0"),
    ],
)
def test_mistakes(options: dict[str, Any], targets: Any, error: Any, message: str) -> None:
    def use() -> None:
        model = two()
        model.compile("sgd", **options)
        measure(model, targets)

    with pytest.raises(error, match=message):
        use()


# --- steps of one's own --------------------------------------------------------------------------


def test_a_train_step_of_ones_own() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.last = layers.Dense(1, kernel_initializer="zeros")
            self.distance = metrics.Mean(name="distance")

        def call(self, inputs: Any) -> Any:
            return self.last(inputs)

        def train_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            with ls.GradientTape() as tape:
                loss = ls.ops.mean(ls.ops.abs(self(x, training=True) - y))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            self.distance.update_state(loss)
            return {"distance": self.distance.result(), "twice": 2 * loss}

        def test_step(self, data: Any) -> dict[str, Any]:
            return {"constant": 7}

        def predict_step(self, data: Any) -> Any:
            return self(data) + 100

    model = Own()
    model.compile("sgd")
    history = model.fit(X, A, epochs=3, batch_size=12, verbose=0, validation_data=(X, A)).history
    assert set(history) == {"distance", "twice", "val_constant"}
    assert history["distance"][0] == pytest.approx(np.abs(A).mean(), rel=1e-5)
    assert history["distance"][2] < history["distance"][0]
    assert history["twice"][0] == pytest.approx(2 * history["distance"][0], rel=1e-6)
    assert model.evaluate(X, A, verbose=0) == 7
    assert model.predict(X, verbose=0).mean() > 90
    assert model.distance in model.metrics
    events = list(model.steps(X, A, batch_size=6))
    assert [set(event.batch_logs) for event in events] == [{"distance", "twice"}] * 2


def test_a_step_must_return_values_by_name() -> None:
    class Wrong(Sequential):
        def train_step(self, data: Any) -> Any:
            return 1.0

    model = Wrong([Input((3,)), layers.Dense(1)])  # pyright: ignore[reportCallIssue]
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must return a dict"):
        model.fit(X, A, verbose=0)


def test_a_loss_and_metrics_of_ones_own() -> None:
    class Own(Sequential):
        def compute_loss(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
        ) -> Any:
            return super().compute_loss(x, y, y_pred, sample_weight) + 3.0

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "samples": len(x)}

    model = Own([Input((3,)), layers.Dense(1)])  # pyright: ignore[reportCallIssue]
    model.compile("sgd", "mse", metrics=["mse"])
    found = measure(model, A, batch_size=12)
    assert found["loss"] == pytest.approx(found["mse"] + 3, rel=1e-6)
    assert found["samples"] == 12


def test_metrics_inside_layers_and_lists_are_found() -> None:
    class Counting(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kept = [metrics.Mean(name="inside")]

        def call(self, inputs: Any) -> Any:
            self.kept[0].update_state(5.0)
            return inputs

    model = Sequential([Input((3,)), Counting(), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert measure(model, A)["inside"] == 5
    assert not model.non_trainable_variables
    counting: Any = model.layers[0]
    assert counting.metrics == counting.kept
    assert counting.metrics_variables == counting.kept[0].variables
    around = layers.Wrapper(counting)
    assert around.metrics == counting.kept


def test_evaluating_and_predicting_can_be_stopped() -> None:
    model = Sequential([Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")

    class Stop(ls.callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_evaluating = batch == 1

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_predicting = batch == 1

    found = model.evaluate(X, A, batch_size=3, verbose=0, callbacks=[Stop()])
    assert found == pytest.approx(model.evaluate(X[:6], A[:6], verbose=0), rel=1e-6)
    assert len(model.predict(X, batch_size=3, verbose=0, callbacks=[Stop()])) == 6


def test_stateful_layers_go_on_from_batch_to_batch() -> None:
    model = Sequential([Input(batch_shape=(2, 1, 3)), layers.SimpleRNN(2, stateful=True)])
    model.compile("sgd", "mse")
    rnn: Any = model.layers[0]
    whole = layers.SimpleRNN(2)
    whole.build((2, 4, 3))
    whole.set_weights(rnn.get_weights())
    steps = X[:8].reshape(4, 2, 3)
    found = model.predict(X[:8, None], batch_size=2, verbose=0)[-2:]
    np.testing.assert_allclose(found, whole(steps.swapaxes(0, 1)), rtol=1e-5)
    model.optimizer.learning_rate = 0.0
    rnn.reset_state()
    model.fit(X[:8, None], X[:8, :2], batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(rnn.states[0].numpy(), found, rtol=1e-5)
