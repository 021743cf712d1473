"""Training that is paused, left, kept and taken up again."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Sequential, layers
from layerscope.models.training import StepEvent, TrainingState

X = np.random.default_rng(0).normal(size=(22, 3)).astype("float32")
Y = (X[:, 0] > X[:, 1]).astype("int32")
OPTIONS: dict[str, Any] = {
    "batch_size": 4,
    "epochs": 3,
    "validation_data": (X[:5], Y[:5]),
}


def make(optimizer: str = "adam", build: bool = True) -> Sequential:
    """Return a model in which all is at stake: noise, moving statistics, momentum, metrics."""
    ls.utils.set_random_seed(3)
    model = Sequential([Input((3,))] if build else [])
    model.add(layers.Dense(6, activation="tanh", kernel_regularizer="l2"))
    model.add(layers.BatchNormalization())
    model.add(layers.Dropout(0.3, seed=5))
    model.add(layers.GaussianNoise(0.1, seed=6))
    model.add(layers.Dense(2, activation="softmax"))
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model


def values(event: StepEvent) -> Any:
    return (event.epoch, event.step, event.epoch_end, event.logs, event.batch_logs)


def same_weights(one: Any, other: Any) -> None:
    for found, expected in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize("pause", [0, 1, 4, 5, 6, 12, 17])
def test_training_goes_on_bit_for_bit(optimizer: str, pause: int) -> None:
    whole = make(optimizer)
    expected = [values(event) for event in whole.steps(X, Y, seed=7, **OPTIONS)]
    assert len(expected) == 18
    first = make(optimizer)
    run = first.steps(X, Y, seed=7, **OPTIONS)
    seen = [values(next(run)) for _ in range(pause)]
    state = pickle.loads(pickle.dumps(run.state()))
    # Another process knows neither the weights nor where randomness stood.
    other = make(optimizer)
    for layer in other.layers:
        layer.set_weights([weight + 1 for weight in layer.get_weights()])
    ls.utils.set_random_seed(99)
    found = [values(event) for event in other.steps(X, Y, seed=123, state=state, **OPTIONS)]
    assert seen + found == expected
    same_weights(other, whole)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
@pytest.mark.parametrize("steps_per_epoch", [None, 2, 4, 9])
def test_the_order_of_the_samples_is_kept(shuffle: Any, steps_per_epoch: int | None) -> None:
    options = {
        "batch_size": 4,
        "epochs": 4,
        "shuffle": shuffle,
        "steps_per_epoch": steps_per_epoch,
    }
    expected = [values(event) for event in make().steps(X, Y, seed=1, **options)]
    for pause in range(1, len(expected)):
        run = make().steps(X, Y, seed=1, **options)
        for _ in range(pause):
            next(run)
        found = [values(event) for event in make().steps(X, Y, state=run.state(), **options)]
        assert found == expected[pause:]


def test_a_state_survives_in_a_file(tmp_path: Path) -> None:
    run = make().steps(X, Y, seed=7, **OPTIONS)
    for _ in range(8):
        next(run)
    state = run.state()
    state.save(tmp_path / "state.npz")
    found = TrainingState.load(tmp_path / "state.npz")
    assert (found.epoch, found.step, found.order, found.seen) == (1, 2, state.order, 2)
    expected = [values(event) for event in run]
    assert [values(e) for e in make().steps(X, Y, state=found, **OPTIONS)] == expected
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    (tmp_path / "state.npz").write_bytes(b"0")
    with pytest.raises(OSError, match="does not hold the state"):
        TrainingState.load(tmp_path / "state.npz")
    with pytest.raises(FileNotFoundError):
        TrainingState.load(tmp_path / "nothing.npz")


def test_a_state_does_not_change_as_training_goes_on() -> None:
    run = make().steps(X, Y, seed=7, **OPTIONS)
    next(run)
    state = run.state()
    before = pickle.dumps(state)
    list(run)
    assert pickle.dumps(state) == before


def test_taking_a_state_does_not_disturb() -> None:
    run, other = (make().steps(X, Y, seed=7, **OPTIONS) for _ in range(2))
    expected = [values(event) for event in other]
    found = []
    for event in run:
        run.state()
        found.append(values(event))
    assert found == expected


def test_states_of_layers_and_unseeded_noise_are_kept() -> None:
    def model() -> Any:
        ls.utils.set_random_seed(1)

        class Noise(layers.Layer):
            def call(self, inputs: Any) -> Any:
                return inputs + ls.random.normal(inputs.shape)

            def compute_output_shape(self, input_shape: Any) -> Any:
                return input_shape

        found = Sequential(
            [Input(batch_shape=(4, 5, 1)), Noise(), layers.GRU(3, stateful=True), layers.Dense(1)]
        )
        found.compile("adam", "mse")
        return found

    x = np.random.default_rng(0).normal(size=(16, 5, 1)).astype("float32")
    options: dict[str, Any] = {"batch_size": 4, "epochs": 2, "shuffle": False}
    expected = [values(event) for event in model().steps(x, x[:, 0], **options)]
    run = model().steps(x, x[:, 0], **options)
    for _ in range(3):
        next(run)
    state = run.state()
    again = model()
    found = [values(event) for event in again.steps(x, x[:, 0], state=state, **options)]
    assert found == expected[3:]
    assert np.abs(again.layers[1].states[0].numpy()).sum() > 0


def test_a_model_that_is_not_built_can_take_a_state() -> None:
    run = make(build=False).steps(X, Y, seed=2, **OPTIONS)
    for _ in range(7):
        next(run)
    found = [values(event) for event in make(build=False).steps(X, Y, state=run.state(), **OPTIONS)]
    assert found == [values(event) for event in run]


def test_a_generator_goes_on_where_it_stands() -> None:
    def batches(first: int) -> Iterator[Any]:
        for index in range(first, 30):
            part = slice(index % 5 * 4, index % 5 * 4 + 4)
            yield X[part], Y[part]

    options: dict[str, Any] = {"epochs": 3, "steps_per_epoch": 4}
    expected = [values(event) for event in make().steps(batches(0), **options)]
    run = make().steps(batches(0), **options)
    for _ in range(6):
        next(run)
    found = [values(event) for event in make().steps(batches(6), state=run.state(), **options)]
    assert found == expected[6:]


def test_a_run_can_be_left_in_many_ways() -> None:
    ended: list[str] = []
    hook = ls.callbacks.LambdaCallback(on_train_end=lambda logs: ended.append("end"))
    model = make()
    run = model.steps(X, Y, callbacks=[hook], **OPTIONS)
    next(run)
    run.close()
    assert list(run) == []
    assert ended == []
    run = model.steps(X, Y, callbacks=[hook], **OPTIONS)
    next(run)
    model.stop_training = True
    assert list(run) == []
    assert ended == ["end"]
    assert len(list(model.steps(X, Y, **OPTIONS))) == 18


def test_a_state_of_another_model_is_refused() -> None:
    run = make().steps(X, Y, **OPTIONS)
    next(run)
    other = Sequential([Input((3,)), layers.Dense(2, activation="softmax")])
    other.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="state is of another training"):
        other.steps(X, Y, state=run.state(), **OPTIONS)
    with pytest.raises(ValueError, match="variables of the optimizer"):
        make("rmsprop").steps(X, Y, state=run.state(), **OPTIONS)


def test_callbacks_see_a_training_that_is_taken_up() -> None:
    history = make().fit(X, Y, shuffle=False, verbose=0, **OPTIONS).history
    run = make().steps(X, Y, shuffle=False, **OPTIONS)
    for _ in range(8):
        next(run)
    model = make()
    list(model.steps(X, Y, shuffle=False, state=run.state(), **OPTIONS))
    assert model.history is not None
    assert model.history.epoch == [1, 2]
    assert model.history.history == {name: found[1:] for name, found in history.items()}


def test_a_model_can_be_copied_while_it_is_trained() -> None:
    model = make()
    copies: list[Any] = []
    keep = ls.callbacks.LambdaCallback(on_epoch_end=lambda *_: copies.append(copy.deepcopy(model)))
    model.fit(X, Y, shuffle=False, verbose=0, callbacks=[keep], **OPTIONS)
    same_weights(copies[-1], model)
    history = copies[0].fit(X, Y, shuffle=False, verbose=0, initial_epoch=1, **OPTIONS)
    assert history.epoch == [1, 2]
