"""What callbacks do, and when."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Sequential, callbacks
from layerscope.layers import Dense

X = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
Y = (X @ [[1.0], [-2.0]]).astype("float32")


def linear(rate: float = 0.1, **options: Any) -> Sequential:
    ls.utils.set_random_seed(0)
    model = Sequential([Input((2,)), Dense(1)])
    model.compile(ls.optimizers.SGD(rate), "mse", **options)
    return model


def feed(callback: Any, losses: list[float], model: Any = None) -> Any:
    """Let a callback see the losses of epochs and return the model it watched."""
    model = model or linear()
    callback.set_model(model)
    callback.set_params({"epochs": len(losses), "steps": 1, "verbose": 0})
    callback.on_train_begin({})
    for epoch, loss in enumerate(losses):
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {"loss": loss, "acc": -loss})
        if model.stop_training:
            break
    callback.on_train_end({})
    return model


# --- the hooks ---------------------------------------------------------------------------------


class Recorder(callbacks.Callback):
    """Writes down every hook that is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        for name in dir(callbacks.Callback):
            if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
                setattr(self, name, self._noting(name.removeprefix("on_")))

    def _noting(self, name: str) -> Any:
        def note(*args: Any) -> None:
            assert isinstance(args[-1], dict)
            self.calls.append(f"{name} {args[0]}" if len(args) == 2 else name)

        return note


def test_the_order_of_the_hooks() -> None:
    recorder = Recorder()
    data = {"batch_size": 8, "validation_data": (X[:2], Y[:2]), "verbose": 0}
    linear().fit(X, Y, **data, callbacks=[recorder])
    assert recorder.calls == [
        "train_begin",
        "epoch_begin 0",
        "train_batch_begin 0",
        "train_batch_end 0",
        "train_batch_begin 1",
        "train_batch_end 1",
        "test_begin",
        "test_batch_begin 0",
        "test_batch_end 0",
        "test_end",
        "epoch_end 0",
        "train_end",
    ]
    recorder.calls.clear()
    linear().predict(X, batch_size=8, verbose=0, callbacks=[recorder])
    assert recorder.calls == [
        "predict_begin",
        "predict_batch_begin 0",
        "predict_batch_end 0",
        "predict_batch_begin 1",
        "predict_batch_end 1",
        "predict_end",
    ]


def test_steps_per_execution_calls_hooks_less_often() -> None:
    model, recorder = linear(steps_per_execution=3), Recorder()
    model.fit(X, Y, batch_size=3, verbose=0, callbacks=[recorder])
    batches = [call for call in recorder.calls if "batch" in call]
    assert batches == [f"train_batch_{call}" for call in ("begin 0", "end 2", "begin 3", "end 3")]
    assert model.optimizer.iterations == 4
    outputs: list[Any] = []
    taken = callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: outputs.append(logs["outputs"])
    )
    model.predict(X, batch_size=3, verbose=0, callbacks=[taken])
    assert [len(one) for one in outputs] == [9, 3]


def test_older_hooks_are_called_too() -> None:
    seen: list[int] = []

    class Older(callbacks.Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    linear().fit(X, Y, batch_size=6, verbose=0, callbacks=[Older()])
    assert seen == [0, 1]


def test_a_list_of_callbacks() -> None:
    recorder = Recorder()
    both = callbacks.CallbackList([recorder, [callbacks.History()]], model=linear(), epochs=3)
    assert both.params == {"epochs": 3} == recorder.params
    both.on_epoch_end(2)
    both.on_epoch_end(3, logs={"loss": 1.0})
    assert recorder.calls == ["epoch_end 2", "epoch_end 3"]
    assert both.history is not None
    assert both.history.history == {"loss": [1.0]}
    both.append(second := Recorder())
    both.on_train_end()
    assert second.calls == ["train_end"]


# --- stopping ----------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [0, 1, 2, 3])
def test_early_stopping_waits(patience: int) -> None:
    stopping = callbacks.EarlyStopping("loss", patience=patience)
    model = feed(stopping, [5.0, 4.0, 4.5, 4.4, 4.3, 4.2, 4.1])
    assert model.stop_training
    assert stopping.stopped_epoch == 1 + max(patience, 1)
    assert stopping.best == 4.0


def test_early_stopping_by_its_arguments() -> None:
    def stops(losses: list[float], **options: Any) -> int:
        stopping = callbacks.EarlyStopping(**{"monitor": "loss", "patience": 1, **options})
        feed(stopping, losses)
        return stopping.stopped_epoch

    falling = [5.0, 4.9, 4.8, 4.7]
    assert stops(falling) == 0
    assert stops(falling, min_delta=0.5) == 1
    assert stops(falling, mode="max") == 1
    assert stops(falling, monitor="acc", mode="max") == 0
    flat = [5.0, 4.9, 4.9, 4.9]
    assert stops(flat, patience=2) == 3
    assert stops(flat, patience=2, baseline=4.0) == 2
    assert stops([1.0, 2.0, 3.0, 4.0], start_from_epoch=2) == 3
    with pytest.warns(UserWarning, match="'upwards' is unknown"):
        callbacks.EarlyStopping(mode="upwards")  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match=r"`val_mse`, which is not available.*loss"):
        feed(callbacks.EarlyStopping("val_mse", mode="min"), [1.0])
    with pytest.raises(ValueError, match=r"monitor='energy'.*mode='max'"):
        feed(callbacks.EarlyStopping("energy"), [1.0])


def test_early_stopping_restores_the_best_weights() -> None:
    model, seen = linear(0.9), []
    kept = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((logs["loss"], model.get_weights()))
    )
    stopping = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    model.fit(X, Y, epochs=20, batch_size=3, verbose=0, callbacks=[kept, stopping])
    best = min(seen, key=lambda one: one[0])[1]
    for found, expected in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_terminate_on_nan() -> None:
    model = linear(1e30)
    history = model.fit(X, Y, epochs=9, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert not np.isfinite(history.history["loss"][-1])
    assert len(history.epoch) < 9
    with pytest.raises(RuntimeError, match="NaN or Inf"):
        linear(1e30).fit(
            X, Y, epochs=9, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)]
        )


# --- the learning rate -------------------------------------------------------------------------


def test_reduce_on_plateau() -> None:
    def rates(losses: list[float], **options: Any) -> list[float]:
        found: list[float] = []
        model = linear(1.0)
        reduce = callbacks.ReduceLROnPlateau("loss", factor=0.5, **{"patience": 1, **options})
        reduce.set_model(model)
        reduce.on_train_begin()
        for epoch, loss in enumerate(losses):
            reduce.on_epoch_end(epoch, logs := {"loss": loss})
            found.append(logs["learning_rate"])
        return [*found[1:], float(model.optimizer.learning_rate)]

    flat = [1.0] * 5
    assert rates(flat) == [1, 0.5, 0.25, 0.125, 0.0625]
    assert rates(flat, patience=2) == [1, 1, 0.5, 0.5, 0.25]
    assert rates(flat, cooldown=2) == [1, 0.5, 0.5, 0.25, 0.25]
    assert rates(flat, min_lr=0.375) == [1, 0.5, 0.375, 0.375, 0.375]
    assert rates([5.0, 4.0, 3.0, 2.0, 1.0]) == [1] * 5
    with pytest.raises(ValueError, match=r"factor >= 1\.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_learning_rate_scheduler() -> None:
    model = linear()
    history = model.fit(
        X,
        Y,
        epochs=3,
        verbose=0,
        callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.5 / (1 + epoch))],
    )
    np.testing.assert_allclose(history.history["learning_rate"], [0.5, 0.25, 0.5 / 3], rtol=1e-6)
    with pytest.raises(ValueError, match="should be a float"):
        feed(callbacks.LearningRateScheduler(lambda epoch: "fast"), [1.0])  # type: ignore[arg-type]


def two_rates() -> tuple[Sequential, list[Any]]:
    """Return a model whose kernel and bias have an optimizer, of the same kind, each."""
    fast, slow = ls.optimizers.SGD(1.0), ls.optimizers.SGD(0.25, name="slow")
    model = linear()
    several = ls.optimizers.OptimizerMap(slow, {".*kernel": fast})
    model.compile(ls.optimizers.MultiOptimizer(several), "mse")
    return model, [fast, slow]


def test_callbacks_change_the_rates_of_several_optimizers() -> None:
    model, optimizers = two_rates()
    halving = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    halving.set_model(model)
    halving.on_epoch_begin(0)
    assert [float(one.learning_rate) for one in optimizers] == [0.5, 0.125]
    halving.on_epoch_end(0, logs := {})
    assert logs == {"learning_rate_sgd": 0.5, "learning_rate_slow": 0.125}

    reduce = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_lr=0.125, cooldown=3)
    reduce.set_model(model)
    reduce.on_train_begin()
    for epoch in range(2):
        reduce.on_epoch_end(epoch, logs := {"loss": 1.0})
    assert logs == {"loss": 1.0, "learning_rate_sgd": 0.5, "learning_rate_slow": 0.125}
    assert [float(one.learning_rate) for one in optimizers] == [0.25, 0.125]
    assert reduce.in_cooldown()


# --- files -------------------------------------------------------------------------------------


def test_csv_logger(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    feed(callbacks.CSVLogger(path, separator=";"), [2.0, 1.0])
    feed(callbacks.CSVLogger(path, separator=";", append=True), [0.5])
    rows = list(csv.reader(path.open(), delimiter=";"))
    assert rows[0] == ["epoch", "acc", "loss", "val_acc", "val_loss"]
    assert [row[:3] for row in rows[1:]] == [
        ["0", "-2.0", "2.0"],
        ["1", "-1.0", "1.0"],
        ["0", "-0.5", "0.5"],
    ]
    feed(callbacks.CSVLogger(path), [3.0])
    assert len(path.read_text().splitlines()) == 2


def test_model_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    model = linear()
    saving = callbacks.ModelCheckpoint(
        tmp_path / "m-{epoch:02d}-{loss:.1f}.weights.h5", save_weights_only=True
    )
    feed(saving, [2.0, 1.0], model)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m-01-2.0.weights.h5",
        "m-02-1.0.weights.h5",
    ]
    best = tmp_path / "best" / "model.keras"
    feed(callbacks.ModelCheckpoint(best, "loss", save_best_only=True), [2.0, 1.0], model)
    wanted = model.get_weights()
    model.set_weights([weight + 1 for weight in wanted])
    worse = callbacks.ModelCheckpoint(
        best, "loss", save_best_only=True, initial_value_threshold=1.0
    )
    feed(worse, [3.0, 1.5], model)
    np.testing.assert_array_equal(ls.models.load_model(best).get_weights()[0], wanted[0])
    with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
        callbacks.ModelCheckpoint("model.keras", save_weights_only=True)
    with pytest.raises(ValueError, match="Unrecognized save_freq"):
        callbacks.ModelCheckpoint("model.keras", save_freq=0)
    with pytest.raises(KeyError, match="val_loss"):
        feed(callbacks.ModelCheckpoint(tmp_path / "{val_loss}.keras"), [1.0], model)


def test_model_checkpoint_by_steps(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    saving = callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=3
    )
    linear().fit(X, Y, batch_size=3, epochs=2, verbose=0, callbacks=[saving])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "1-3.weights.h5",
        "2-2.weights.h5",
    ]


class Interruption(callbacks.Callback):
    """Breaks training off after some steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("save_freq", ["epoch", 1, 2])
@pytest.mark.parametrize("steps", [1, 4, 6, 11])
def test_training_that_broke_off_ends_as_if_it_had_not(
    tmp_path: Path, save_freq: Any, steps: int
) -> None:
    def make() -> Sequential:
        ls.utils.set_random_seed(0)
        model = Sequential([Input((2,)), Dense(4), ls.layers.Dropout(0.5), Dense(1)])
        model.compile("adam", "mse", metrics=["mse"])
        return model

    options: dict[str, Any] = {"batch_size": 4, "epochs": 4, "verbose": 0}
    whole = make()
    history = whole.fit(X, Y, **options).history
    backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq)
    with pytest.raises(KeyboardInterrupt):
        make().fit(X, Y, **options, callbacks=[backup, Interruption(steps)])
    again = make()
    backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq)
    found = again.fit(X, Y, **options, callbacks=[backup]).history
    assert found["loss"] == history["loss"][-len(found["loss"]) :]
    for one, other in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "backup").exists()


def test_a_damaged_backup(tmp_path: Path) -> None:
    def backup(**options: Any) -> callbacks.BackupAndRestore:
        return callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False, **options)

    linear().fit(X, Y, epochs=3, verbose=0, callbacks=[backup(double_checkpoint=True)])
    (tmp_path / "latest.npz").write_bytes(b"0")
    history = linear().fit(X, Y, epochs=4, verbose=0, callbacks=[backup()])
    assert history.epoch == [2, 3]
    (tmp_path / "previous.npz").unlink()
    (tmp_path / "latest.npz").write_bytes(b"0")
    with pytest.raises(OSError, match="does not hold the state"):
        linear().fit(X, Y, epochs=4, verbose=0, callbacks=[backup()])
    model = Sequential([Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must be built"):
        model.fit(X, Y, verbose=0, callbacks=[backup()])


# --- averages ----------------------------------------------------------------------------------


class Averaging(ls.optimizers.SGD):
    """A stand-in that follows averages, whichever the optimizers themselves can."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        super().apply(grads, trainable_variables)
        if "_model_variables_moving_average" not in self.__dict__:
            self._model_variables_moving_average = [
                ls.Variable(one.numpy()) for one in trainable_variables
            ]
        self._trainable_variables = list(trainable_variables)
        for average, variable in zip(
            self._model_variables_moving_average, trainable_variables, strict=True
        ):
            average.assign(0.5 * average.value + 0.5 * variable.value)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_weights_are_exchanged_for_their_averages(swap_on_epoch: bool) -> None:
    model = linear()
    model.compile(Averaging(0.3), "mse")
    seen: dict[str, np.ndarray] = {}

    def note(name: str) -> Any:
        return lambda *_: seen.__setitem__(name, model.get_weights()[0])

    watch = callbacks.LambdaCallback(
        on_train_batch_end=note("trained"), on_test_begin=note("test"), on_epoch_end=note("end")
    )
    swap = callbacks.SwapEMAWeights(swap_on_epoch)
    model.fit(X, Y, validation_data=(X, Y), epochs=3, verbose=0, callbacks=[swap, watch])
    assert not np.array_equal(seen["trained"], seen["test"])
    assert np.array_equal(seen["end"], seen["test" if swap_on_epoch else "trained"])
    with pytest.raises(ValueError, match="use_ema=True"):
        linear().fit(
            X, Y, validation_data=(X, Y), verbose=0, callbacks=[callbacks.SwapEMAWeights()]
        )


def test_only_averages_that_an_optimizer_follows_are_exchanged() -> None:
    averaging, plain = ls.optimizers.SGD(0.3, use_ema=True), ls.optimizers.SGD(0.3)
    model = linear()
    several = ls.optimizers.OptimizerMap(plain, {".*kernel": averaging})
    model.compile(ls.optimizers.MultiOptimizer(several), "mse")
    model.train_on_batch(X, Y)
    kernel, bias = model.get_weights()
    average = np.array([[5.0], [6.0]])
    averaging._model_variables_moving_average[0].assign(average)
    swap = callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    np.testing.assert_array_equal(model.get_weights()[0], average)
    np.testing.assert_array_equal(model.get_weights()[1], bias)
    swap.on_test_end()
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    for others in ({}, {".*kernel": ls.optimizers.SGD()}):
        several = ls.optimizers.OptimizerMap(plain, {**others})
        model.compile(ls.optimizers.MultiOptimizer(several), "mse")
        with pytest.raises(ValueError, match="one of several"):
            swap.on_test_begin()
