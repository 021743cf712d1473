"""What `SnapshotRecorder` sees, and that it disturbs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, layers
from layerscope.callbacks import SnapshotRecorder
from layerscope.structure import leaves

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = X[:, :2].copy()


def make() -> Sequential:
    ls.utils.set_random_seed(0)
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(5, activation="tanh", kernel_regularizer="l2", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(2, name="last"),
        ]
    )
    model.compile("adam", "mse", metrics=["mse"])
    return model


def fit(model: Any, *recorders: SnapshotRecorder) -> Any:
    return model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=list(recorders))


def test_training_is_not_disturbed() -> None:
    plain = make()
    expected = fit(plain).history
    watched = make()
    recorder = SnapshotRecorder(X[:3], Y[:3])
    assert fit(watched, recorder).history == expected
    for one, other in zip(watched.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [one.step for one in recorder.snapshots] == list(range(7))
    assert [one.epoch for one in recorder.snapshots] == [0, 0, 0, 0, 1, 1, 1]


def test_a_snapshot_is_what_the_model_computes() -> None:
    model = make()
    recorder = SnapshotRecorder(X[:3], Y[:3])
    fit(model, recorder)
    last = recorder.snapshots[-1]
    assert list(last.weights) == ["first", "norm", "drop", "last"]
    np.testing.assert_array_equal(last.weights["first"][0], model.layers[0].get_weights()[0])
    np.testing.assert_allclose(last.activations["first"], model.layers[0](X[:3]), rtol=1e-6)
    np.testing.assert_allclose(
        last.activations["last"], model.predict(X[:3], verbose=0), rtol=1e-5, atol=1e-7
    )
    error = 2 * (last.activations["last"] - Y[:3]) / Y[:3].size
    np.testing.assert_allclose(last.activation_gradients["last"], error, rtol=1e-5)
    expected = last.activations["drop"].T @ error
    np.testing.assert_allclose(last.gradients["last"][0], expected, rtol=1e-4, atol=1e-7)
    # The moving statistics of a layer get no gradient.
    assert [one is None for one in last.gradients["norm"]] == [False, False, True, True]
    # Of the penalty too: the loss is the one that is trained.
    with ls.GradientTape() as tape:
        loss = model.compute_loss(X[:3], Y[:3], model(X[:3], training=False))
    kernel = model.layers[0].weights[0]
    np.testing.assert_allclose(
        last.gradients["first"][0], tape.gradient(loss, kernel), rtol=1e-4, atol=1e-7
    )


def test_memory_is_bounded() -> None:
    free = SnapshotRecorder(X[:3], Y[:3])
    fit(make(), free)
    size = free.snapshots[0].nbytes
    assert size == sum(
        array.nbytes
        for part in ("weights", "activations", "gradients", "activation_gradients")
        for array in leaves(getattr(free.snapshots[0], part))
        if array is not None
    )
    bounded = SnapshotRecorder(X[:3], Y[:3], max_bytes=3 * size)
    fit(make(), bounded)
    assert [one.step for one in bounded.snapshots] == [0, 4]
    assert bounded.every == 4
    with pytest.raises(ValueError, match=f"One snapshot takes {size} bytes"):
        fit(make(), SnapshotRecorder(X[:3], Y[:3], max_bytes=size - 1))


def test_what_to_record_can_be_chosen() -> None:
    recorder = SnapshotRecorder(X[:3], layers=["last"], every=2, activations=False)
    fit(make(), recorder)
    assert [one.step for one in recorder.snapshots] == [0, 2, 4, 6]
    last = recorder.snapshots[-1]
    assert (list(last.weights), last.activations, last.gradients) == (["last"], {}, {})
    with pytest.raises(ValueError, match="No such layer: nobody"):
        fit(make(), SnapshotRecorder(X[:3], layers=["nobody"]))
    with pytest.raises(ValueError, match="every=0"):
        SnapshotRecorder(X, every=0)
    with pytest.raises(ValueError, match="max_bytes=-1"):
        SnapshotRecorder(X, max_bytes=-1)


def test_several_inputs_and_states() -> None:
    a, b = Input(batch_shape=(4, 3, 4), name="a"), Input(batch_shape=(4, 4), name="b")
    hidden = layers.GRU(3, stateful=True, name="gru")(a)
    model = Model({"a": a, "b": b}, layers.Dense(2, name="out")(layers.concatenate([hidden, b])))
    model.compile("sgd", "mse")
    data = {"a": np.repeat(X[:, None], 3, 1), "b": X}
    recorder = SnapshotRecorder({name: one[:4] for name, one in data.items()}, Y[:4])
    model.fit(data, Y, batch_size=4, verbose=0, shuffle=False, callbacks=[recorder])
    gru: Any = model.get_layer("gru")
    state = gru.states[0].numpy()
    assert recorder.snapshots[-1].activations["gru"].shape == (4, 3)
    assert np.abs(state).sum() > 0


def test_a_model_without_a_graph_is_refused() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.last = layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.last(inputs)

    model = Own()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="SnapshotRecorder needs"):
        fit(model, SnapshotRecorder(X[:3]))
