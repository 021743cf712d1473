"""Activations, initializers, penalties, constraints and optimizers give Keras's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

import layerscope as ls
from layerscope import registry
from oracle.layer_comparison import comparable
from oracle.reference import (
    COUNT,
    choose,
    close,
    generator_of,
    gradients_of,
    keras,
    numbers,
    numpy_of,
)

X = np.random.default_rng(0).normal(scale=2, size=(6, 5)).astype("float32")

each_index = pytest.mark.parametrize("index", range(COUNT))


def built_in(base: Any) -> list[str]:
    return [cls.__name__ for cls in registry.subclasses(base)]


# --- activations -------------------------------------------------------------------------------


@each_index
def test_relu_options(index: int) -> None:
    generator = generator_of("relu options", index)
    options = {
        "negative_slope": float(generator.choice([0.0, 0.1, 0.3])),
        "max_value": (None, 2.0, 6.0)[generator.integers(3)],
        "threshold": float(generator.choice([0.0, 0.5, 1.0])),
    }
    expected = keras.activations.relu(keras.ops.convert_to_tensor(X), **options)
    close(ls.activations.relu(X, **options), expected)


# --- initializers ------------------------------------------------------------------------------


def scaled(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(generator.uniform(0.2, 3)),
        "mode": choose(generator, "fan_in", "fan_out", "fan_avg"),
        "distribution": choose(generator, "uniform", "truncated_normal", "untruncated_normal"),
    }


def spread(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "mean": float(generator.normal()),
        "stddev": float(generator.uniform(0.01, 2)),
    }


def bounds(generator: np.random.Generator) -> dict[str, Any]:
    low, width = generator.normal(), generator.uniform(0.1, 3)
    return {"minval": float(low), "maxval": float(low + width)}


def waves(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "side": choose(generator, "real", "imag"),
        "window": choose(generator, None, "hann", "hamming", "tukey", "boxcar"),
        "scaling": choose(generator, None, "density", "spectrum"),
        "periodic": choose(generator, True, False),
    }


#: Options of the initializers that have some beside the seed.
INITIALIZERS: dict[str, Any] = {
    "Constant": lambda g: {"value": float(g.normal())},
    "Identity": lambda g: {"gain": float(g.uniform(0.1, 2))},
    "Orthogonal": lambda g: {"gain": float(g.uniform(0.1, 2))},
    "RandomNormal": spread,
    "STFT": waves,
    "RandomUniform": bounds,
    "TruncatedNormal": spread,
    "VarianceScaling": scaled,
}


def weight_shape(generator: np.random.Generator, name: str) -> tuple[int, ...]:
    """Return the shape of a weight with enough entries for statistics."""
    if name == "STFT":
        steps, frequencies = numbers(generator, 3, 20, 2)
        return steps, 1, frequencies
    rank = 2 if name == "Identity" else int(generator.integers(2 if name == "Orthogonal" else 1, 6))
    size = {1: 40_000, 2: 200, 3: 34, 4: 14, 5: 8}[rank]
    return tuple(size + int(extra) for extra in generator.integers(0, 5, rank))


@each_index
@pytest.mark.parametrize("name", built_in(ls.initializers.Initializer))
def test_initializer(name: str, index: int) -> None:
    generator = generator_of(name, index)
    shape = weight_shape(generator, name)
    options = INITIALIZERS.get(name, lambda _: {})(generator)
    ours = getattr(ls.initializers, name)(**options)
    theirs = getattr(keras.initializers, name)(**options)
    if name != "Identity":  # Keras forgets its gain
        assert comparable(ours.get_config()) == comparable(theirs.get_config())
        there = keras.initializers.deserialize(ls.initializers.serialize(ours))
        assert comparable(there.get_config()) == comparable(ours.get_config())
        back = ls.initializers.deserialize(keras.initializers.serialize(theirs))
        assert comparable(back.get_config()) == comparable(ours.get_config())
    found, expected = ours(shape), numpy_of(theirs(shape))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if name in ("Zeros", "Ones", "Constant", "Identity", "STFT"):
        # Keras computes the waves' angles in float32.
        close(found, expected, atol=3e-5 if name == "STFT" else 0)
        return
    comparison: Any = ks_2samp(found.ravel(), expected.ravel())
    assert comparison.pvalue > 1e-7
    if name == "Orthogonal":
        rows = found.reshape(-1, shape[-1])
        rows = rows if len(rows) <= shape[-1] else rows.T
        close(rows @ rows.T, np.eye(len(rows)) * options["gain"] ** 2, atol=1e-5)


@pytest.mark.parametrize(("name", "rank"), [("Identity", 1), ("Identity", 3), ("Orthogonal", 1)])
def test_initializers_refuse_other_ranks(name: str, rank: int) -> None:
    for library in (ls, keras):
        with pytest.raises(ValueError, match=r"rank|dimensional"):
            getattr(library.initializers, name)()((3,) * rank)


# --- regularizers and constraints ----------------------------------------------------------------


def factor(generator: np.random.Generator) -> float:
    return float(generator.uniform(0, 1))


def axes(generator: np.random.Generator) -> int | tuple[int, ...]:
    return choose(generator, 0, 1, -1, (0, 1), (1, 2))


PARTS: dict[str, dict[str, Any]] = {
    "regularizers": {
        "L1": lambda g: {"l1": factor(g)},
        "L2": lambda g: {"l2": factor(g)},
        "L1L2": lambda g: {"l1": factor(g), "l2": factor(g)},
        "OrthogonalRegularizer": lambda g: {
            "factor": factor(g),
            "mode": choose(g, "rows", "columns"),
        },
    },
    "constraints": {
        "MaxNorm": lambda g: {"max_value": 3 * factor(g), "axis": axes(g)},
        "NonNeg": lambda g: {},
        "UnitNorm": lambda g: {"axis": axes(g)},
        "MinMaxNorm": lambda g: {
            "min_value": factor(g),
            "max_value": 1 + 2 * factor(g),
            "rate": factor(g),
            "axis": axes(g),
        },
    },
}


def test_every_part_is_compared() -> None:
    assert set(built_in(ls.regularizers.Regularizer)) == set(PARTS["regularizers"])
    assert set(built_in(ls.constraints.Constraint)) == set(PARTS["constraints"])


@each_index
@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in PARTS for name in PARTS[module]]
)
def test_penalties_and_projections(module: str, name: str, index: int) -> None:
    generator = generator_of(name, index)
    options = PARTS[module][name](generator)
    ours = getattr(getattr(ls, module), name)(**options)
    theirs = getattr(getattr(keras, module), name)(**options)
    # Of a single row Keras takes the mean angle with none others, which is no number.
    least, rank = (2, 2) if name == "OrthogonalRegularizer" else (1, 3)
    x = generator.normal(size=numbers(generator, least, 6, rank)).astype("float32")
    close(ours(x), theirs(keras.ops.convert_to_tensor(x)))
    if module == "regularizers":
        (expected,) = gradients_of(theirs, x)
        close(ls.grad(ours)(x), expected)
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    there = getattr(keras, module).deserialize(getattr(ls, module).serialize(ours))
    assert comparable(there.get_config()) == comparable(theirs.get_config())
    back = getattr(ls, module).deserialize(getattr(keras, module).serialize(theirs))
    assert comparable(back.get_config()) == comparable(ours.get_config())


# --- optimizers --------------------------------------------------------------------------------

OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05, "momentum": 0.8, "rho": 0.7, "epsilon": 1e-2}),
    ("RMSprop", {"learning_rate": 0.05, "centered": True, "epsilon": 1e-2}),
    ("Adam", {"learning_rate": 0.1}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adam", {"learning_rate": 0.1, "amsgrad": True}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_twenty_steps(name: str, options: dict[str, Any]) -> None:
    ours, theirs = (
        getattr(ls.optimizers, name)(**options),
        getattr(keras.optimizers, name)(**options),
    )
    generator = np.random.default_rng(0)
    start = [generator.normal(size=shape).astype("float32") for shape in ((3, 4), (4,), ())]
    mine = [ls.Variable(value) for value in start]
    keras_s = [keras.Variable(value) for value in start]
    for _ in range(20):
        grads = [generator.normal(size=value.shape).astype("float32") for value in start]
        ours.apply(grads, mine)
        theirs.apply([keras.ops.convert_to_tensor(grad) for grad in grads], keras_s)
        for found, expected in zip(mine, keras_s, strict=True):
            close(found.value, expected.value, rtol=1e-4, atol=1e-5)


# --- training ----------------------------------------------------------------------------------


def model_of(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            library.Input((6, 6, 1)),
            layers.Conv2D(
                4, 3, activation="relu", kernel_regularizer=library.regularizers.L2(1e-3)
            ),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(8, activation="tanh", kernel_constraint=library.constraints.MaxNorm(1.0)),
            layers.Dense(
                3, activation="softmax", activity_regularizer=library.regularizers.L1(1e-3)
            ),
        ]
    )


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("weighting", [{}, {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}}])
def test_fit_gives_the_same_curve(optimizer: str, weighting: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 6, 6, 1)).astype("float32")
    y = (x.mean((1, 2, 3)) > 0).astype(int) + (x[:, 0, 0, 0] > 0)
    theirs, ours = model_of(keras), model_of(ls)
    ours.set_weights(theirs.get_weights())
    curves = []
    for model in (theirs, ours):
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            x,
            y,
            epochs=4,
            batch_size=8,
            shuffle=False,
            verbose=0,
            validation_split=0.2,
            **weighting,
        )
        curves.append(history.history)
    expected, found = curves
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-4, atol=1e-5, err_msg=name)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    assert ours.evaluate(x, y, verbose=0) == pytest.approx(
        theirs.evaluate(x, y, verbose=0), rel=1e-3
    )
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_masked_steps_train_alike(loss: str, weighted: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(8, 5, 3)).astype("float32")
    x[generator.random((8, 5)) < 0.4] = 0
    y = generator.dirichlet(np.ones(2), (8, 5)).astype("float32")
    weights = generator.uniform(0.5, 2, (8, 5)).astype("float32") if weighted else None
    found = []
    for library in (keras, ls):
        model = library.Sequential(
            [
                library.Input((5, 3)),
                library.layers.Masking(),
                library.layers.LSTM(4, return_sequences=True),
                library.layers.Dropout(0.0),
                library.layers.Dense(2, activation="softmax"),
            ]
        )
        if found:
            model.set_weights(found[0][0])
        start = model.get_weights()
        model.compile(library.optimizers.SGD(0.5), loss)
        steps = [float(model.train_on_batch(x, y, sample_weight=weights)) for _ in range(5)]
        found.append((start, steps, model.get_weights()))
    (_, expected, there), (_, steps, here) = found
    np.testing.assert_allclose(steps, expected, rtol=1e-4)
    close(here, there, rtol=1e-3, atol=1e-4)
