"""Tapes inside tapes, and derivatives of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import GradientTape, Variable, ops

X = np.array([[0.3, -0.8], [1.2, 0.5], [-0.4, 0.9]])
LABELS = np.array([0, 2, 1])


def perceptron(loss: str) -> tuple[list[Variable], Callable[..., Any]]:
    """Return weights in float64, and the loss as a function that reads them."""
    generator = np.random.default_rng(0)
    shapes = [(2, 5), (5,), (5, 3), (3,)]
    weights = [Variable(generator.normal(size=shape), dtype="float64") for shape in shapes]

    def value(*_: Any) -> Any:
        first, bias, second, offset = weights
        hidden = ops.tanh(ops.matmul(X, first) + bias)
        logits = ops.matmul(hidden, second) + offset
        if loss == "logits":
            return ops.mean(
                ls.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True)
            )
        probabilities = ops.softmax(logits)
        return ops.mean(
            ls.losses.categorical_crossentropy(np.eye(3)[LABELS], probabilities, from_logits=False)
        )

    return weights, value


@pytest.mark.parametrize("loss", ["logits", "probabilities"])
def test_hessian_vector_product_of_a_perceptron(loss: str) -> None:
    weights, function = perceptron(loss)
    generator = np.random.default_rng(1)
    vectors = [generator.normal(size=weight.shape) for weight in weights]
    products = ls.hvp(function, weights, vectors)
    start = [weight.numpy() for weight in weights]

    def gradients(step: float) -> list[np.ndarray]:
        for weight, value, vector in zip(weights, start, vectors, strict=True):
            weight.assign(value + step * vector)
        with GradientTape() as tape:
            value = function()
        return tape.gradient(value, weights)

    step = 1e-5
    for found, above, below in zip(products, gradients(step), gradients(-step), strict=True):
        np.testing.assert_allclose(found, (above - below) / (2 * step), rtol=1e-6, atol=1e-9)
        assert np.abs(found).max() > 1e-3


def test_hessian_vector_product_of_a_model() -> None:
    model = ls.Sequential([ls.layers.Dense(4, "tanh"), ls.layers.Dense(3, "softmax")])
    model(X)
    loss = ls.losses.SparseCategoricalCrossentropy()
    weights = model.trainable_variables
    vectors = [np.ones(weight.shape) for weight in weights]
    products = ls.hvp(lambda *_: loss(LABELS, model(X)), weights, vectors)
    start = [weight.numpy() for weight in weights]
    found = []
    for step in (0.01, -0.01):
        for weight, value in zip(weights, start, strict=True):
            weight.assign(value + np.float32(step))
        with GradientTape() as tape:
            value = loss(LABELS, model(X))
        found.append(tape.gradient(value, weights))
    for product, above, below in zip(products, *found, strict=True):
        np.testing.assert_allclose(product, (above - below) / 0.02, rtol=0.02, atol=2e-3)


def test_hessian_is_symmetric_and_holds_every_product() -> None:
    def function(x: Any) -> Any:
        return ops.sum(ops.exp(ops.matmul(X, x)) * ops.sin(x[0] * x[1])) + ops.prod(x)

    point = np.array([0.4, -0.7])
    hessian = ls.hessian(function)(point)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)
    for index, vector in enumerate(np.eye(2)):
        (product,) = ls.hvp(function, [point], [vector])
        np.testing.assert_allclose(product, hessian[index], rtol=1e-12)


def test_single_entries_have_gradients() -> None:
    def function(x: Any) -> Any:
        return x[0] * ops.take(x, 1) * 2.0

    assert ls.grad(function)(np.array([3.0, 5.0])).tolist() == [10.0, 6.0]
    assert ls.hessian(function)(np.array([3.0, 5.0])).tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_jacobian_forward_and_backward_agree() -> None:
    def function(a: Any, b: Any) -> Any:
        return ops.softmax(ops.matmul(a, b)) * ops.sum(a)

    generator = np.random.default_rng(2)
    a, b = generator.normal(size=(2, 3)), generator.normal(size=(3, 4))
    by_a, by_b = ls.jacobian(function, (0, 1))(a, b)
    assert (by_a.shape, by_b.shape) == ((2, 4, 2, 3), (2, 4, 3, 4))
    np.testing.assert_array_equal(ls.jacobian(function, 1)(a, b), by_b)
    da, db = generator.normal(size=a.shape), generator.normal(size=b.shape)
    value, forward = ls.jvp(function, [a, b], [da, db])
    np.testing.assert_allclose(value, function(a, b))
    expected = np.tensordot(by_a, da, 2) + np.tensordot(by_b, db, 2)
    np.testing.assert_allclose(forward, expected, rtol=1e-12)
    step = 1e-6
    ahead, behind = function(a + step * da, b + step * db), function(a - step * da, b - step * db)
    np.testing.assert_allclose(forward, (ahead - behind) / (2 * step), rtol=1e-6)

    _, pull_back = ls.vjp(function, a, b)
    weights = generator.normal(size=(2, 4))
    for found, full in zip(pull_back(weights), (by_a, by_b), strict=True):
        np.testing.assert_allclose(found, np.tensordot(weights, full, 2), rtol=1e-12)
    assert pull_back(weights)[0] is not None  # once more, as often as wanted


def test_where_nothing_depends_there_are_zeros() -> None:
    x = np.ones(2)
    assert ls.hessian(lambda x: ops.sum(x * 2.0))(x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert ls.jacobian(lambda x: np.ones(3))(x).shape == (3, 2)
    assert ls.grad(lambda x: np.float64(1))(x).tolist() == [0.0, 0.0]
    assert ls.jvp(lambda x: np.ones(3), [x], [x])[1].tolist() == [0.0, 0.0, 0.0]
    assert ls.hvp(lambda x: ops.sum(x * 2.0), [x], [x])[0].tolist() == [0.0, 0.0]


def test_gradient_penalty_reaches_the_weights() -> None:
    weight = Variable([[0.5], [-1.0]], dtype="float64")

    def penalty() -> Any:
        with GradientTape() as inner:
            x = inner.watch(X)
            y = ops.sum(ops.tanh(ops.matmul(x, weight)))
        return ops.sum(ops.square(inner.gradient(y, x)))

    with GradientTape() as outer:
        value = penalty()
    found = outer.gradient(value, weight)
    start, step = weight.numpy(), 1e-6
    for index in np.ndindex(weight.shape):
        moved = []
        for sign in (1, -1):
            change = np.zeros_like(start)
            change[index] = sign * step
            weight.assign(start + change)
            moved.append(float(penalty()))
        assert found[index] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-6)


def test_the_operation_that_has_no_second_gradient_is_named() -> None:
    image, kernel = np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1))
    with pytest.raises(NotImplementedError, match=r"gradient of `conv` cannot itself"):
        ls.hvp(lambda k: ops.sum(ops.conv(image, k) ** 2), [kernel], [kernel])


def test_a_scalar_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"Only a scalar.*\(2,\)"):
        ls.hvp(lambda x: x * 2, [np.ones(2)], [np.ones(2)])


# --- the tape ------------------------------------------------------------------------------------


def test_variables_may_be_watched_one_by_one() -> None:
    a, b = Variable(2.0), Variable(3.0)
    with GradientTape(watch_accessed_variables=False, persistent=True) as tape:
        assert tape.watch(a) is a
        y = a * b * b
    assert tape.gradient(y, [a, b]) == [9.0, None]
    assert tape.jacobian(y, {"a": a, "b": b})["b"] is None
    assert tape.watched_variables() == (a,)
    with GradientTape() as tape:
        y = a * b
    assert tape.watched_variables() == (a, b)


def test_a_variable_that_is_not_trainable_can_be_watched() -> None:
    with GradientTape() as tape:
        x = tape.watch(Variable(2.0, trainable=False))
        y = x * x
    assert float(tape.gradient(y, x)) == 4.0


def test_recording_can_be_stopped_and_started_over() -> None:
    x = Variable(3.0)
    with GradientTape(persistent=True) as outer:
        with GradientTape() as tape:
            y = x * x
            with tape.stop_recording():
                z = x * x
            total = y + z
        assert float(tape.gradient(total, x)) == 6.0
    assert float(outer.gradient(total, x)) == 12.0
    with pytest.raises(RuntimeError, match="while the tape records"), tape.stop_recording():
        pass
    with GradientTape() as tape:
        y = x * x
        tape.reset()
        z = x * 2.0
        total = y + z
    assert float(tape.gradient(total, x)) == 2.0


def test_several_targets_add_up() -> None:
    with GradientTape(persistent=True) as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        y, z = x * x, ops.sum(x)
    np.testing.assert_array_equal(tape.gradient([y, z, 5.0], x), [3, 5])
    np.testing.assert_array_equal(tape.gradient([y, z], x, [np.array([1.0, 0.0]), 10.0]), [12, 10])
    np.testing.assert_array_equal(tape.gradient([z, z], x), [2, 2])


def test_output_gradients_must_fit() -> None:
    with GradientTape() as tape:
        x = tape.watch(np.ones(3))
        y = x * 2.0
    with pytest.raises(ValueError, match=r"output_gradients.*\(2,\).*\(3,\)"):
        tape.gradient(y, x, np.ones(2))


def test_jacobian_of_a_tape() -> None:
    with GradientTape() as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        other = tape.watch(1.0)
        y = x**2
    by_x, by_other = tape.jacobian(y, [x, other])
    np.testing.assert_array_equal(by_x, [[2, 0], [0, 4]])
    assert by_other is None
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.jacobian(y, x)
