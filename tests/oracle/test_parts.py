"""Activations, initializers, penalties, constraints, losses and optimizers give Keras's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")
jax = pytest.importorskip("jax", reason="the live comparison needs the `oracle` extra")

import layerscope as ls  # noqa: E402
from layerscope import registry  # noqa: E402

X = np.random.default_rng(0).normal(scale=2, size=(6, 5)).astype("float32")


def built_in(base: Any) -> list[str]:
    return [cls.__name__ for cls in registry.subclasses(base)]


# --- activations -------------------------------------------------------------------------------


# Keras 3.15's sparsemax is wrong where more than one entry stays positive.
@pytest.mark.parametrize("name", sorted(set(ls.activations.ACTIVATIONS) - {"sparsemax"}))
def test_activation(name: str) -> None:
    theirs, ours = getattr(keras.activations, name), getattr(ls.activations, name)
    np.testing.assert_allclose(ours(X), np.asarray(theirs(X)), rtol=1e-5, atol=1e-7)
    weights = np.random.default_rng(1).normal(size=X.shape).astype("float32")
    expected = jax.grad(lambda x: (theirs(x) * weights).sum())(X)
    found = ls.grad(lambda x: ls.ops.sum(ours(x) * weights))(X)
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-5, atol=1e-6)
    assert ls.activations.serialize(ours) == keras.activations.serialize(theirs)


@pytest.mark.parametrize("seed", range(20))
def test_relu_options(seed: int) -> None:
    generator = np.random.default_rng(seed)
    options = {
        "negative_slope": float(generator.choice([0.0, 0.1, 0.3])),
        "max_value": (None, 2.0, 6.0)[generator.integers(3)],
        "threshold": float(generator.choice([0.0, 0.5, 1.0])),
    }
    found = ls.activations.relu(X, **options)
    expected = np.asarray(keras.activations.relu(X, **options))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# --- initializers ------------------------------------------------------------------------------

SHAPES = [(400, 300), (3, 3, 40, 60), (5000,)]


@pytest.mark.parametrize("name", built_in(ls.initializers.Initializer))
@pytest.mark.parametrize("shape", SHAPES)
def test_initializer_statistics_and_config(name: str, shape: tuple[int, ...]) -> None:
    ours, theirs = getattr(ls.initializers, name)(), getattr(keras.initializers, name)()
    if name != "Identity":  # Keras forgets its gain
        assert ours.get_config() == theirs.get_config()
    if (name == "Identity" and len(shape) != 2) or (name == "Orthogonal" and len(shape) < 2):
        for one in (ours, theirs):
            with pytest.raises(ValueError, match=r"rank|dimensional"):
                one(shape)
        return
    found, expected = ours(shape), np.asarray(theirs(shape))
    assert found.dtype == expected.dtype
    deviation = float(expected.std())
    if deviation == 0 or name == "Identity":
        np.testing.assert_array_equal(found, expected)
        return
    assert found.std() == pytest.approx(deviation, rel=0.05)
    assert abs(found.mean() - expected.mean()) < 6 * deviation / np.sqrt(found.size)
    for quantile in (0.01, 0.25, 0.75, 0.99):
        one, other = np.quantile(found, quantile), np.quantile(expected, quantile)
        assert one == pytest.approx(other, abs=0.15 * deviation)


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling_options(distribution: Any, mode: Any) -> None:
    options = {"scale": 1.7, "mode": mode, "distribution": distribution, "seed": 3}
    ours = ls.initializers.VarianceScaling(**options)
    theirs = keras.initializers.VarianceScaling(**options)
    assert ours.get_config() == theirs.get_config()
    found, expected = ours((300, 500)), np.asarray(theirs((300, 500)))
    assert found.std() == pytest.approx(expected.std(), rel=0.02)
    if distribution != "untruncated_normal":
        assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=0.02)
    copy = keras.initializers.deserialize(ls.initializers.serialize(ours))
    assert copy.get_config() == ours.get_config()


# --- regularizers and constraints ----------------------------------------------------------------

PARTS = [
    ("regularizers", "L1", {"l1": 0.3}),
    ("regularizers", "L2", {"l2": 0.3}),
    ("regularizers", "L1L2", {"l1": 0.1, "l2": 0.2}),
    ("constraints", "MaxNorm", {"max_value": 1.5}),
    ("constraints", "MaxNorm", {"max_value": 1.5, "axis": 1}),
    ("constraints", "NonNeg", {}),
    ("constraints", "UnitNorm", {}),
    ("constraints", "UnitNorm", {"axis": (0, 1)}),
    ("constraints", "MinMaxNorm", {"min_value": 2.0, "max_value": 3.0, "rate": 0.4}),
]


def test_every_part_is_compared() -> None:
    tried = {name for _, name, _ in PARTS}
    wanted = built_in(ls.regularizers.Regularizer) + built_in(ls.constraints.Constraint)
    assert set(wanted) <= tried


def rounded(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without the digits Keras loses where it keeps factors as float32."""
    return {
        key: round(value, 6) if isinstance(value, float) else value for key, value in config.items()
    }


@pytest.mark.parametrize(("module", "name", "options"), PARTS)
def test_penalties_and_projections(module: str, name: str, options: dict[str, Any]) -> None:
    ours = getattr(getattr(ls, module), name)(**options)
    theirs = getattr(getattr(keras, module), name)(**options)
    np.testing.assert_allclose(ours(X), np.asarray(theirs(X)), rtol=1e-5, atol=1e-7)
    found, expected = ours.get_config(), theirs.get_config()
    assert rounded(found) == rounded(expected)
    copy = getattr(keras, module).deserialize(getattr(ls, module).serialize(ours))
    assert rounded(copy.get_config()) == rounded(expected)
    back = getattr(ls, module).deserialize(getattr(keras, module).serialize(theirs))
    assert rounded(back.get_config()) == rounded(found)


# --- losses ------------------------------------------------------------------------------------

GENERATOR = np.random.default_rng(5)
PROBABILITIES = GENERATOR.dirichlet(np.ones(4), 6).astype("float32")
LOGITS = GENERATOR.normal(scale=3, size=(6, 4)).astype("float32")
ONE_HOT = np.eye(4, dtype="float32")[GENERATOR.integers(0, 4, 6)]
LABELS = ONE_HOT.argmax(-1)
WEIGHTS = GENERATOR.uniform(0, 2, 6).astype("float32")
CERTAIN = np.eye(4, dtype="float32")[GENERATOR.integers(0, 4, 6)]

LOSSES = [
    ("MeanSquaredError", {}, LOGITS, PROBABILITIES),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {}, ONE_HOT, 3 * PROBABILITIES),
    ("CategoricalCrossentropy", {}, ONE_HOT, CERTAIN),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, LOGITS),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, LABELS[:, None], PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, LABELS, CERTAIN),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, LOGITS),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, LABELS, PROBABILITIES),
]


def test_every_loss_is_compared() -> None:
    assert set(built_in(ls.losses.Loss)) == {name for name, *_ in LOSSES}


@pytest.mark.parametrize(("name", "options", "y", "p"), LOSSES)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_loss_and_gradient(
    name: str,
    options: dict[str, Any],
    y: np.ndarray,
    p: np.ndarray,
    reduction: Any,
    weights: Any,
) -> None:
    ours = getattr(ls.losses, name)(reduction=reduction, **options)
    theirs = getattr(keras.losses, name)(reduction=reduction, **options)
    found, slope = ls.value_and_grad(lambda value: ours(y, value, weights))(p)
    expected = theirs(y, p, sample_weight=weights)
    wanted = jax.grad(lambda value: theirs(y, value, sample_weight=weights))(p)
    np.testing.assert_allclose(found, np.asarray(expected), rtol=2e-5)
    np.testing.assert_allclose(slope, np.asarray(wanted), rtol=1e-4, atol=1e-5)


# --- optimizers --------------------------------------------------------------------------------

OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
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
        theirs.apply([jax.numpy.asarray(grad) for grad in grads], keras_s)
        for found, expected in zip(mine, keras_s, strict=True):
            np.testing.assert_allclose(
                found.value, np.asarray(expected.value), rtol=1e-4, atol=1e-5
            )


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
