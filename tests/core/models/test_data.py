"""What `fit`, `evaluate` and `predict` take as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential
from layerscope.layers import Dense
from layerscope.models.data import Arrays, Feed, source_of

X = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
Y = (X @ [[1.0], [-2.0]]).astype("float32")
WEIGHTS = np.linspace(0.5, 2, 20).astype("float32")


def linear() -> Sequential:
    ls.utils.set_random_seed(0)
    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", "mse", weighted_metrics=["mse"])
    return model


def batches(repeat: int = 1) -> Iterator[Any]:
    for start in [*range(0, 20, 5)] * repeat:
        part = slice(start, start + 5)
        yield X[part], Y[part], WEIGHTS[part]


class Again:
    """An iterable without a length."""

    def __iter__(self) -> Iterator[Any]:
        return batches()


class Parts(ls.utils.PyDataset):
    """Batches by number, which notes how it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        self.seen.append(index)
        return list(batches())[index]

    def on_epoch_begin(self) -> None:
        self.seen.append("begin")

    def on_epoch_end(self) -> None:
        self.seen.append("end")


class Endless(Parts):
    """Batches without an end."""

    @property
    def num_batches(self) -> None:
        return None

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(index % 4)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: batches(2), {"steps_per_epoch": 4}),
        (Again, {}),
        (lambda: list(batches()).__iter__(), {"epochs": 1}),
        (Parts, {}),
        (Endless, {"steps_per_epoch": 4}),
    ],
)
def test_every_kind_of_data_trains_alike(make: Callable[[], Any], options: Any) -> None:
    epochs = {"epochs": 2, **options}
    expected = linear().fit(
        X, Y, sample_weight=WEIGHTS, batch_size=5, shuffle=False, verbose=0, epochs=epochs["epochs"]
    )
    model = linear()
    found = model.fit(make(), shuffle=False, verbose=0, **epochs)
    assert found.history == expected.history
    measured = model.evaluate(X, Y, sample_weight=WEIGHTS, batch_size=5, verbose=0)
    steps = options.get("steps_per_epoch")
    assert model.evaluate(make(), steps=steps, verbose=0) == measured
    np.testing.assert_array_equal(
        model.predict(make(), steps=steps, verbose=0), model.predict(X, batch_size=5, verbose=0)
    )


def test_a_generator_is_not_read_ahead_of_its_last_step() -> None:
    generator = batches(3)
    linear().fit(generator, steps_per_epoch=3, epochs=2, verbose=0)
    assert len(list(generator)) == 12 - 6


def test_a_data_set_learns_of_epochs_and_is_shuffled() -> None:
    data = Parts()
    linear().fit(data, epochs=2, shuffle=False, verbose=0)
    assert data.seen == ["begin", 0, 1, 2, 3, "end"] * 2
    data = Parts()
    ls.utils.set_random_seed(2)
    linear().fit(data, epochs=8, verbose=0)
    orders = [tuple(data.seen[start + 1 : start + 5]) for start in range(0, 48, 6)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len(set(orders)) > 3


def test_shuffling_within_batches() -> None:
    source = Arrays(np.arange(20), batch_size=5, shuffle="batch")
    found = [batch for batch, _ in Feed(source, generator=np.random.default_rng(0)).epoch()]
    assert [sorted(batch) for batch in found] == np.arange(20).reshape(4, 5).tolist()
    assert any(sorted(batch) != batch.tolist() for batch in found)


def test_lists_and_dicts_of_arrays() -> None:
    a, b = Input((2,), name="a"), Input((1,), name="b")
    model = Model({"a": a, "b": b}, [Dense(1, name="p")(a), Dense(1, name="q")(b)])
    model.compile("sgd", "mse")
    data = {"a": X, "b": X[:, :1]}
    history = model.fit(data, [Y, Y], epochs=2, verbose=0, validation_split=0.25).history
    assert list(history) == [
        "loss",
        "p_loss",
        "q_loss",
        "val_loss",
        "val_p_loss",
        "val_q_loss",
    ]
    assert [len(one) for one in model.predict(data, batch_size=3, verbose=0)] == [20, 20]
    by_name = model.fit(data, {"q": Y, "p": Y}, verbose=0, sample_weight=WEIGHTS)
    assert by_name.history["loss"][0] > 0


def test_lists_of_numbers_are_arrays() -> None:
    model = linear()
    one = model.evaluate(X.tolist(), Y.tolist(), verbose=0)
    assert one == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)


def test_steps_cut_arrays() -> None:
    assert source_of(X, steps=3).num_batches == 3
    assert [len(batch) for batch, _ in Feed(source_of(X, steps=3), 3).epoch()] == [7, 7, 6]


def test_validation_by_generator_and_frequency() -> None:
    model = linear()
    history = model.fit(
        X,
        Y,
        epochs=4,
        verbose=0,
        validation_data=batches(9),
        validation_steps=2,
        validation_freq=2,
    ).history
    assert len(history["val_loss"]) == 2
    history = model.fit(
        X, Y, epochs=4, verbose=0, validation_data=(X, Y), validation_freq=[1, 4]
    ).history
    assert len(history["val_loss"]) == 2
    with pytest.raises(ValueError, match="validation_freq=0"):
        model.fit(X, Y, validation_data=(X, Y), validation_freq=0, verbose=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": X, "y": Y[:5]}, "Data cardinality is ambiguous.*x: 20, y: 5"),
        ({"x": None}, "Unrecognized data type: x=None"),
        ({"x": "text"}, "Unrecognized data type: x='text'"),
        ({"x": X[:0], "y": Y[:0]}, "at least one sample"),
        ({"x": batches(), "y": Y}, "When `x` is a generator, `y` should not be passed"),
        ({"x": Parts(), "sample_weight": WEIGHTS}, "When `x` is a Parts, `sample_weight`"),
        ({"x": batches(), "class_weight": {0: 1.0}}, "`class_weight` is not supported"),
        ({"x": batches(), "validation_split": 0.5}, "only supported for arrays"),
        ({"x": X, "y": Y, "batch_size": 0}, "batch_size=0"),
        ({"x": X, "y": Y, "steps_per_epoch": 0}, "positive integer or None"),
        ({"x": X, "y": Y, "validation_split": 1.0}, "both sides"),
        (
            {"x": X, "y": Y, "sample_weight": WEIGHTS, "class_weight": {0: 1.0}},
            "cannot be given at the same time",
        ),
        ({"x": iter([[X, Y]])}, "must give tuples"),
        ({"x": iter([(X, Y, WEIGHTS, 1)])}, "tuple of 4 entries"),
    ],
)
def test_mistakes(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        linear().fit(**data, verbose=0)


def test_mistakes_of_sample_weights_and_classes_of_several_outputs() -> None:
    x = Input((2,))
    model = Model(x, [Dense(1)(x), Dense(1)(x)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="one number per sample"):
        model.fit(X, [Y, Y], sample_weight=np.ones((20, 3)), verbose=0)
    with pytest.raises(ValueError, match="one array per output"):
        model.fit(X, [Y, Y], sample_weight=[WEIGHTS], verbose=0)
    with pytest.raises(ValueError, match="single output"):
        model.fit(X, [Y, Y], class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ValueError, match="no batch to predict"):
        model.predict(iter([]), verbose=0)
