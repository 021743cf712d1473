"""Fitting, evaluating, predicting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, layers, ops
from layerscope.callbacks import Callback, History, LambdaCallback
from layerscope.layers import Dense

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(20, 2)).astype("float32")
Y = (X @ [[1.0], [-2.0]] + 0.5).astype("float32")
LABELS = (Y[:, 0] > 0).astype("int32")


def linear(**options: Any) -> Sequential:
    ls.utils.set_random_seed(0)
    model = Sequential([Input((2,)), Dense(1, **options)])
    model.compile(ls.optimizers.SGD(0.1), "mse")
    return model


def classifier(last: int = 2, **options: Any) -> Sequential:
    ls.utils.set_random_seed(0)
    model = Sequential(
        [Input((2,)), Dense(8, activation="tanh"), Dense(last, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", **options)
    return model


# --- fit ---------------------------------------------------------------------------------------


def test_fit_finds_the_line() -> None:
    model = linear()
    history = model.fit(X, Y, epochs=60, batch_size=5, verbose=0)
    assert isinstance(history, History)
    assert history.epoch == list(range(60))
    assert history.history["loss"][-1] < 1e-3 < history.history["loss"][0]
    np.testing.assert_allclose(model.layers[0].get_weights()[0], [[1], [-2]], atol=0.02)


def test_one_step_is_the_gradient_step() -> None:
    model = linear()
    kernel, bias = model.get_weights()
    model.train_on_batch(X, Y)
    error = X @ kernel + bias - Y
    np.testing.assert_allclose(
        model.get_weights()[0], kernel - 0.1 * 2 * X.T @ error / 20, rtol=1e-5
    )
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.1 * 2 * error.mean(), rtol=1e-4)


def test_epoch_loss_is_weighted_by_batch_size() -> None:
    model = linear(trainable=False)
    expected = model.evaluate(X, Y, verbose=0)
    model.layers[0].trainable = True
    model.optimizer.learning_rate = 0.0
    history = model.fit(X, Y, batch_size=8, verbose=0)  # 8, 8 and 4
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-6)


def test_seed_makes_training_repeatable() -> None:
    def run(seed: int) -> list[float]:
        ls.utils.set_random_seed(seed)
        model = Sequential([Input((2,)), Dense(4), layers.Dropout(0.5), Dense(1)])
        model.compile("adam", "mse")
        return model.fit(X, Y, epochs=3, batch_size=4, verbose=0).history["loss"]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_shuffling() -> None:
    def order(**options: Any) -> list[float]:
        seen: list[float] = []

        class Watch(layers.Layer):
            def call(self, inputs: Any) -> Any:
                seen.extend(ops.convert_to_numpy(inputs)[:, 0].tolist())
                return inputs

            def compute_output_shape(self, input_shape: Any) -> Any:
                return input_shape

        model = Sequential([Input((1,)), Watch(), Dense(1)])
        model.compile("sgd", "mse")
        numbers = np.arange(10, dtype="float32")[:, None]
        ls.utils.set_random_seed(0)
        model.fit(numbers, numbers, batch_size=3, epochs=2, verbose=0, **options)
        return seen

    assert order(shuffle=False) == [*range(10), *range(10)]
    shuffled = order()
    assert sorted(shuffled[:10]) == sorted(shuffled[10:]) == list(range(10))
    assert shuffled[:10] != shuffled[10:] != list(range(10))


def test_validation_split_takes_the_last_samples() -> None:
    model = linear()
    seen: dict[str, float] = {}
    last = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.update(logs))
    model.fit(X, Y, validation_split=0.25, verbose=0, callbacks=[last], batch_size=4)
    assert seen["val_loss"] == pytest.approx(model.evaluate(X[15:], Y[15:], verbose=0), rel=1e-6)
    with pytest.raises(ValueError, match="both sides"):
        model.fit(X[:1], Y[:1], validation_split=0.5, verbose=0)


def test_validation_data() -> None:
    model = linear()
    weights = np.arange(5.0)
    history = model.fit(X, Y, validation_data=(X[:5], Y[:5], weights), verbose=0)
    found = model.evaluate(X[:5], Y[:5], sample_weight=weights, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(found, rel=1e-6)


def test_sample_and_class_weights() -> None:
    weights = np.where(LABELS == 1, 3.0, 0.5)
    runs = []
    ways: list[dict[str, Any]] = [
        {"sample_weight": weights},
        {"class_weight": {0: 0.5, 1: 3.0}},
    ]
    for options in ways:
        model = classifier()
        model.fit(X, LABELS, epochs=2, shuffle=False, verbose=0, **options)
        runs.append(model.get_weights())
    for one, other in zip(*runs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    # One-hot targets have classes too.
    model = classifier()
    model.compile("adam", "categorical_crossentropy")
    model.fit(
        X,
        ls.utils.to_categorical(LABELS),
        epochs=2,
        shuffle=False,
        verbose=0,
        class_weight={0: 0.5, 1: 3.0},
    )
    for one, other in zip(model.get_weights(), runs[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_class_weights_leave_the_validation_alone() -> None:
    model = classifier()
    history = model.fit(
        X, LABELS, validation_split=0.5, class_weight={0: 100.0, 1: 100.0}, verbose=0
    )
    expected = model.evaluate(X[10:], LABELS[10:], verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_zero_weights_stop_learning() -> None:
    model = linear()
    before = model.get_weights()
    model.fit(X, Y, sample_weight=np.zeros(20), verbose=0)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_frozen_layers_do_not_learn() -> None:
    model = classifier()
    model.layers[0].trainable = False
    before = model.get_weights()
    model.fit(X, LABELS, verbose=0)
    changed = [
        not np.array_equal(one, other)
        for one, other in zip(model.get_weights(), before, strict=True)
    ]
    assert changed == [False, False, True, True]


def test_constraints_hold_after_every_step() -> None:
    model = linear(kernel_constraint="non_neg")
    model.fit(X, Y, epochs=20, verbose=0)
    assert (model.get_weights()[0] >= 0).all()
    assert model.get_weights()[0][1] == 0


def test_penalties_are_part_of_the_loss() -> None:
    plain, heavy = linear(), linear(kernel_regularizer=ls.regularizers.L2(1.0))
    kernel = plain.get_weights()[0]
    difference = heavy.evaluate(X, Y, verbose=0) - plain.evaluate(X, Y, verbose=0)
    assert difference == pytest.approx((kernel**2).sum(), rel=1e-5)
    for model in (plain, heavy):
        model.fit(X, Y, epochs=30, verbose=0)
    assert np.abs(heavy.get_weights()[0]).sum() < np.abs(plain.get_weights()[0]).sum()


def test_penalties_alone_can_be_minimised() -> None:
    model = Sequential([Input((2,)), Dense(1, kernel_regularizer="l2", use_bias=False)])
    model.compile("sgd")
    before = np.abs(model.get_weights()[0]).sum()
    model.fit(X, verbose=0)
    assert np.abs(model.get_weights()[0]).sum() < before
    bare = Sequential([Input((2,)), Dense(1)])
    bare.compile("sgd")
    with pytest.raises(ValueError, match="No loss"):
        bare.fit(X, verbose=0)


def test_several_outputs_sum_their_losses() -> None:
    ls.utils.set_random_seed(0)
    x = Input((2,))
    model = Model(x, [Dense(1)(x), Dense(2)(x)])
    model.compile("sgd", "mse")
    targets = [Y, X]
    first, second = model(X)
    expected = ((first - Y) ** 2).mean() + ((second - X) ** 2).mean()
    assert model.evaluate(X, targets, verbose=0) == pytest.approx(expected, rel=1e-5)
    history = model.fit(X, targets, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert [one.shape for one in model.predict(X)] == [(20, 1), (20, 2)]


def test_several_inputs() -> None:
    a, b = Input((2,)), Input((2,))
    model = Model([a, b], Dense(1)(a - b))
    model.compile("adam", "mse")
    model.fit([X, X[::-1]], Y, epochs=2, verbose=0, validation_split=0.2)
    assert model.predict([X, X]).shape == (20, 1)


# --- callbacks -----------------------------------------------------------------------------------


class Recorder(Callback):
    """Writes down every call."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.calls.append("begin")

    def on_train_end(self, logs: Any = None) -> None:
        self.calls.append("end")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("epoch", epoch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("done", epoch, sorted(logs)))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("batch", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("stepped", batch, sorted(logs)))


def test_callbacks_see_everything_in_order() -> None:
    recorder = Recorder()
    model = linear()
    model.fit(X[:4], Y[:4], batch_size=2, validation_data=(X, Y), callbacks=[recorder], verbose=0)
    assert recorder.model is model
    assert recorder.params == {"epochs": 1, "steps": 2, "verbose": 0}
    assert recorder.calls == [
        "begin",
        ("epoch", 0),
        ("batch", 0),
        ("stepped", 0, ["loss"]),
        ("batch", 1),
        ("stepped", 1, ["loss", "val_loss"]),
        ("done", 0, ["loss", "val_loss"]),
        "end",
    ]
    with pytest.raises(ValueError, match="Unknown hook 'on_lunch'"):
        LambdaCallback(on_lunch=print)


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end"])
def test_stop_training(hook: str) -> None:
    model = linear()

    def stop(*_: Any) -> None:
        model.stop_training = True

    history = model.fit(
        X, Y, batch_size=5, epochs=5, callbacks=[LambdaCallback(**{hook: stop})], verbose=0
    )
    assert len(history.epoch) == 1
    assert model.optimizer.iterations == (4 if hook == "on_epoch_end" else 1)
    assert len(model.fit(X, Y, epochs=2, verbose=0).epoch) == 2


def test_initial_epoch() -> None:
    assert linear().fit(X, Y, epochs=5, initial_epoch=3, verbose=0).epoch == [3, 4]
    assert linear().fit(X, Y, epochs=2, initial_epoch=3, verbose=0).epoch == []


# --- steps ---------------------------------------------------------------------------------------


def test_steps_yield_after_every_step() -> None:
    model = linear()
    events = list(model.steps(X, Y, batch_size=8, epochs=2, validation_data=(X, Y), shuffle=False))
    assert [(one.epoch, one.step, one.epoch_end) for one in events] == [
        (0, 0, False),
        (0, 1, False),
        (0, 2, True),
        (1, 0, False),
        (1, 1, False),
        (1, 2, True),
    ]
    assert all(one.steps == 3 for one in events)
    assert [("val_loss" in one.logs) for one in events] == [False, False, True] * 2
    losses = [one.batch_logs["loss"] for one in events[:3]]
    mean = np.average(losses, weights=[8, 8, 4])
    assert events[2].logs["loss"] == pytest.approx(mean, rel=1e-6)


def test_steps_can_be_left_early() -> None:
    model = linear()
    for event in model.steps(X, Y, batch_size=5, epochs=100):
        if event.epoch == 1:
            break
    assert model.optimizer.iterations == 5


def test_steps_repeat_with_a_seed() -> None:
    def run(seed: int) -> list[float]:
        return [one.batch_logs["loss"] for one in linear().steps(X, Y, batch_size=4, seed=seed)]

    assert run(1) == run(1) != run(2)


def test_fit_and_steps_agree() -> None:
    one, other = linear(), linear()
    one.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for _ in other.steps(X, Y, batch_size=4, epochs=2, shuffle=False):
        pass
    for found, expected in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


# --- measuring -----------------------------------------------------------------------------------


def test_evaluate_and_metrics() -> None:
    model = classifier(metrics=["accuracy"])
    loss, accuracy = model.evaluate(X, LABELS, verbose=0, batch_size=7)
    found = model.predict(X)
    assert accuracy == pytest.approx((found.argmax(-1) == LABELS).mean())
    expected = -np.log(found[np.arange(20), LABELS]).mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(X, LABELS, verbose=0, return_dict=True) == pytest.approx(
        {"loss": loss, "accuracy": accuracy}
    )
    assert linear().evaluate(X, Y, verbose=0) > 0


@pytest.mark.parametrize(
    ("last", "loss", "targets"),
    [
        (2, "sparse_categorical_crossentropy", LABELS),
        (2, "sparse_categorical_crossentropy", LABELS[:, None]),
        (2, "categorical_crossentropy", ls.utils.to_categorical(LABELS)),
        (2, "mse", ls.utils.to_categorical(LABELS)),
    ],
)
def test_accuracy_chooses_its_kind(last: int, loss: str, targets: np.ndarray) -> None:
    model = classifier(last)
    model.compile("sgd", loss, metrics=["acc"])
    found = model.evaluate(X, targets, verbose=0, return_dict=True)["acc"]
    assert found == pytest.approx((model.predict(X).argmax(-1) == LABELS).mean())


def test_binary_accuracy() -> None:
    model = Sequential([Input((2,)), Dense(1, activation="sigmoid")])
    model.compile("sgd", "mse", metrics=["accuracy"])
    found = model.evaluate(X, LABELS, verbose=0, return_dict=True)["accuracy"]
    assert found == pytest.approx(((model.predict(X)[:, 0] > 0.5) == LABELS).mean())


def test_a_metric_of_ones_own_is_not_mixed_with_validation() -> None:
    class Count(ls.metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="count")
            self.total = 0

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.total += len(y_pred)

        def result(self) -> float:
            return self.total

        def reset_state(self) -> None:
            self.total = 0

    model = linear()
    model.compile("sgd", "mse", metrics=[Count()])
    model.evaluate(X, Y, verbose=0)
    history = model.fit(X, Y, epochs=2, validation_data=(X[:6], Y[:6]), batch_size=4, verbose=0)
    assert history.history["count"] == [20, 20]
    assert history.history["val_count"] == [6, 6]


def test_metric_functions_and_bad_names() -> None:
    model = linear()
    model.compile("sgd", "mse", metrics=["mse", lambda y, p: np.abs(y - p)])
    values = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert values["mse"] == pytest.approx(values["loss"], rel=1e-5)
    assert "<lambda>" in values
    model.compile("sgd", "mse", metrics=["nope"])
    with pytest.raises(ValueError, match=r"'nope'.*Accuracy"):
        model.evaluate(X, Y, verbose=0)


def test_on_batch_functions() -> None:
    model = linear()
    before = model.test_on_batch(X, Y)
    assert model.train_on_batch(X, Y) == pytest.approx(before, rel=1e-6)
    assert model.test_on_batch(X, Y, return_dict=True)["loss"] < before
    np.testing.assert_array_equal(model.predict_on_batch(X), model(X))


def test_predict_joins_batches() -> None:
    model = classifier()
    np.testing.assert_allclose(model.predict(X, batch_size=3), model(X), rtol=1e-6)
    with pytest.raises(ValueError, match="batch_size"):
        model.predict(X, batch_size=0)


def test_progress_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    model = linear()
    model.fit(X, Y, epochs=2, batch_size=10, verbose=1)
    text = capsys.readouterr().out
    assert "Epoch 2/2" in text
    assert "2/2 ━" in text
    assert "loss: " in text
    model.fit(X, Y, verbose=2)
    assert "1/1 - 0s" in capsys.readouterr().out
    model.fit(X, Y, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""


# --- mistakes -------------------------------------------------------------------------------


def test_mistakes_are_explained() -> None:
    bare = Sequential([Input((2,)), Dense(1)])
    for use in (bare.fit, bare.evaluate, bare.train_on_batch):
        with pytest.raises(ValueError, match="call `compile"):
            use(X, Y)
    model = linear()
    with pytest.raises(ValueError, match="cardinality"):
        model.fit(X, Y[:3], verbose=0)
    with pytest.raises(ValueError, match="at least one sample"):
        model.fit(X[:0], Y[:0], verbose=0)
    with pytest.raises(ValueError, match=r"same shape.*\(20, 2\)"):
        model.fit(X, X, verbose=0)
    with pytest.raises(ValueError, match="class_weight"):
        model.fit(X, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ValueError, match=r"0 to 1.*0 to 5"):
        classifier().fit(X[:6], np.arange(6), verbose=0)
    with pytest.raises(ValueError, match=r"'nope'.*Adam"):
        model.compile("nope")
    with pytest.raises(ValueError, match=r"'nope'.*MeanSquaredError"):
        model.compile("sgd", "nope")


# --- the seed's example --------------------------------------------------------------------------


class LinearLayer(layers.Layer):
    """The custom layer of the notes, its typing slips corrected."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.w = self.add_variable(
            name="w",
            shape=[input_shape[-1], self.units],
            initializer=ls.initializers.zeros_initializer(),
        )
        self.b = self.add_variable(
            name="b", shape=[self.units], initializer=ls.initializers.zeros_initializer()
        )

    def call(self, inputs: Any) -> Any:
        return ops.matmul(inputs, self.w) + self.b


class LinearModel(Model):
    """A model of one such layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = LinearLayer(units=1)

    def call(self, inputs: Any) -> Any:
        return self.layer(inputs)


def test_the_custom_layer_of_the_notes_trains() -> None:
    model = LinearModel()
    model.compile(ls.optimizers.SGD(0.1), "mse")
    history = model.fit(X, Y, epochs=60, batch_size=5, verbose=0)
    assert history.history["loss"][-1] < 1e-3
    np.testing.assert_allclose(model.layer.w, [[1], [-2]], atol=0.02)
    np.testing.assert_allclose(model.layer.b, [0.5], atol=0.02)
    assert [one.path for one in model.weights] == [
        "linear_model/linear_layer/w",
        "linear_model/linear_layer/b",
    ]


def test_the_custom_layer_of_the_notes_has_gradients() -> None:
    generator = np.random.default_rng(0)

    def called(x: Any, w: Any, b: Any) -> Any:
        layer = LinearLayer(2)
        layer.build(x.shape)
        layer.__dict__.update(w=w, b=b)
        return layer(x)

    shapes = ((3, 4), (4, 2), (2,))
    ls.config.set_floatx("float64")
    try:
        ls.check_gradients(called, *(generator.normal(size=shape) for shape in shapes))
    finally:
        ls.config.set_floatx("float32")


def test_the_training_loop_of_the_notes() -> None:
    model = LinearModel()
    optimizer = ls.optimizers.SGD(0.1)
    loss: Any = None
    for _ in range(200):
        with ls.GradientTape() as tape:
            loss = ops.mean(ops.square(model(X) - Y))
        grads = tape.gradient(loss, model.variables)
        optimizer.apply_gradients(zip(grads, model.variables, strict=True))
    assert float(loss) < 1e-3
