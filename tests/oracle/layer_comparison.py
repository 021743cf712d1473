"""Comparing one layer with the Keras layer of the same name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")
jax = pytest.importorskip("jax", reason="the live comparison needs the `oracle` extra")

Arguments = dict[str, Any]

#: What Keras writes and Layerscope has no counterpart for, and what is named anew each time.
NOT_COMPARED = {"quantization_config", "name"}


def choose(generator: np.random.Generator, *values: Any) -> Any:
    """Return one of `values`."""
    return values[generator.integers(len(values))]


class Comparison:
    """Keras's layer and ours with the same arguments and weights, and data for them."""

    def __init__(
        self,
        name: str,
        arguments: Arguments,
        input_shape: tuple[int, ...],
        generator: np.random.Generator,
    ) -> None:
        self.theirs: Any = getattr(keras.layers, name)(**arguments)
        self.ours: Any = getattr(ls.layers, name)(**arguments)
        self.x = generator.normal(size=input_shape).astype("float32")
        self.generator = generator
        self.theirs.build(self.x.shape)
        self.ours.build(self.x.shape)
        self.ours.set_weights(self.theirs.get_weights())

    def check_forward(self) -> None:
        """Outputs, their type and their shape are the same."""
        expected, found = np.asarray(self.theirs(self.x)), self.ours(self.x)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=5e-6 * _scale(expected))
        assert found.dtype == expected.dtype
        shape = self.x.shape
        assert self.ours.compute_output_shape(shape) == tuple(
            self.theirs.compute_output_shape(shape)
        )
        assert [one.name for one in self.ours.weights] == [one.name for one in self.theirs.weights]

    def check_gradients(self) -> None:
        """Gradients of the input and of every weight are the same."""
        theirs, x = self.theirs, self.x
        projection = self.generator.normal(size=self.ours(x).shape).astype("float32")

        def total(variables: list[Any], value: Any) -> Any:
            out, _ = theirs.stateless_call(variables, theirs.non_trainable_variables, value)
            return (out * projection).sum()

        weights = [one.value for one in theirs.trainable_variables]
        expected_weights, expected_x = jax.grad(total, (0, 1))(weights, x)
        with ls.GradientTape() as tape:
            watched = tape.watch(x)
            loss = ls.ops.sum(self.ours(watched) * projection)
        found_x, *found = tape.gradient(loss, [watched, *self.ours.trainable_weights])
        for one, other in zip((found_x, *found), (expected_x, *expected_weights), strict=True):
            expected = np.asarray(other)
            np.testing.assert_allclose(one, expected, rtol=2e-5, atol=5e-6 * _scale(expected))

    def check_config(self) -> None:
        """Configs are the same, and each side builds the other's."""
        theirs, ours = self.theirs, self.ours
        assert comparable(ours.get_config()) == comparable(theirs.get_config())
        there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
        assert comparable(there.get_config()) == comparable(theirs.get_config())
        back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
        assert comparable(back.get_config()) == comparable(theirs.get_config())


def comparable(config: Any) -> Any:
    """Return a config as JSON would give it back, without what is not compared."""
    plain = json.loads(json.dumps(config))
    # Some of Keras's layers write down that there is no activity regularizer, some do not.
    return {
        key: value
        for key, value in plain.items()
        if key not in NOT_COMPARED and (key, value) != ("activity_regularizer", None)
    }


def _scale(values: np.ndarray) -> float:
    return max(float(np.abs(values).max(initial=0.0)), 1.0)
