"""Comparing one layer with the Keras 2 layer of the same name, where Keras 3 has none."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.layer_comparison import comparable
from oracle.reference import close

#: A weight of ours as Keras 2 keeps it, given its name and value.
Arranged = Callable[[str, np.ndarray], np.ndarray]


@functools.cache
def keras2() -> Any:
    """Return Keras 2, which takes seconds to import; skip the test where it is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    reason = "the comparison with Keras 2 needs the `oracle` extra"
    return pytest.importorskip("tf_keras", reason=reason)


class Keras2Comparison:
    """Keras 2's layer and ours with the same arguments and weights, and data for them.

    Parameters
    ----------
    name : class name in both libraries.
    arguments : of both constructors.
    shape : of a random input.
    generator : randomness of input, weights and projection.
    arranged : how Keras 2 keeps our weights, where that differs.
    """

    def __init__(
        self,
        name: str,
        arguments: dict[str, Any],
        shape: tuple[int, ...],
        generator: np.random.Generator,
        arranged: Arranged = lambda name, value: value,
    ) -> None:
        self.theirs: Any = getattr(keras2().layers, name)(**arguments)
        self.ours: Any = getattr(ls.layers, name)(**arguments)
        self.generator, self.arranged, self.shape = generator, arranged, shape
        self.x = self._draw(shape)
        self.theirs.build(shape)
        self.ours.build(shape)
        self.ours.set_weights([0.5 * self._draw(one.shape) for one in self.ours.weights])
        self.theirs.set_weights(self._arranged(self.ours.get_weights()))

    def _draw(self, shape: Any) -> np.ndarray:
        return self.generator.normal(size=shape).astype("float32")

    def _arranged(self, values: list[Any]) -> list[np.ndarray]:
        """Return one array per weight of ours as Keras 2 keeps them."""
        names = [one.name for one in self.ours.weights]
        return [self.arranged(*pair) for pair in zip(names, values, strict=True)]

    def check_forward(self) -> None:
        """Outputs, shapes, penalties and names of weights are the same."""
        ours, theirs = self.ours, self.theirs
        close(ours(self.x), theirs(self.x).numpy())
        assert ours.compute_output_shape(self.shape) == tuple(
            theirs.compute_output_shape(self.shape)
        )
        # Theirs are called layer/kernel:0.
        names = [one.name.split("/")[-1].split(":")[0] for one in theirs.weights]
        assert [one.name for one in ours.weights] == names
        close(sorted(ours.losses), sorted(float(one) for one in theirs.losses), rtol=1e-4)

    def check_gradients(self) -> None:
        """Gradients of the input and of every weight are the same."""
        tensorflow = pytest.importorskip("tensorflow")
        projection = self._draw(self.ours(self.x).shape)
        x = tensorflow.constant(self.x)
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            total = tensorflow.reduce_sum(self.theirs(x) * projection)
        expected = tape.gradient(total, [x, *self.theirs.trainable_weights])
        with ls.GradientTape() as own:
            watched = own.watch(self.x)
            value = ls.ops.sum(self.ours(watched) * projection)
        found_x, *found = own.gradient(value, [watched, *self.ours.trainable_weights])
        close([found_x, *self._arranged(found)], [np.asarray(one) for one in expected], rtol=5e-5)

    def check_config(self) -> None:
        """Configs are the same, and each side builds the other's."""
        theirs, ours = self.theirs, self.ours
        wanted = comparable(theirs.get_config())
        assert comparable(ours.get_config()) == wanted
        layers = keras2().layers
        there = layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
        back = ls.layers.deserialize(json.loads(json.dumps(layers.serialize(theirs))))
        for copy in (there, back):
            assert comparable(copy.get_config()) == wanted
        back.build(self.shape)
        back.set_weights(ours.get_weights())
        close(back(self.x), ours(self.x))


def check_the_same_mistake(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Both layers refuse the arguments, or an input of that shape, with the same type of error."""
    x = np.zeros(shape, "float32")
    with pytest.raises(Exception) as expected:  # noqa: PT011
        getattr(keras2().layers, name)(**arguments)(x)
    with pytest.raises(expected.type):
        getattr(ls.layers, name)(**arguments)(x)
