"""Entries of models, and what a layer may demand of its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

INNER = ls.KerasTensor((4, 3), "float32")


def test_an_input_may_be_a_tensor() -> None:
    layer = layers.InputLayer(input_tensor=INNER, batch_shape=(4, 3), dtype="float32")
    assert layer.output is INNER
    assert layer.batch_shape == (4, 3)
    model = ls.Model(INNER, layers.Dense(2)(INNER))
    assert model(np.ones((4, 3), "float32")).shape == (4, 2)


def test_the_older_name_of_the_shape() -> None:
    with pytest.warns(UserWarning, match="`input_shape` is deprecated"):
        assert layers.InputLayer(input_shape=(3,)).batch_shape == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "must pass a `shape`"),
        ({"shape": (2,), "sparse": True}, "sparse=True"),
        ({"shape": (2,), "ragged": True}, "ragged=True"),
        ({"input_tensor": INNER, "shape": (2,)}, r"incompatible `shape`.*\(2,\).*\(3,\)"),
        ({"input_tensor": INNER, "batch_size": 5}, "incompatible `batch_size`.*5.*4"),
        ({"input_tensor": INNER, "dtype": "int32"}, "incompatible `dtype`.*'int32'.*'float32'"),
    ],
)
def test_entries_that_contradict_themselves(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.InputLayer(**arguments)


class Demanding(layers.Layer):
    def __init__(self, *specs: layers.InputSpec | None) -> None:
        super().__init__(name="demanding")
        self.input_spec = list(specs)

    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    ("specs", "shapes", "message"),
    [
        ([layers.InputSpec(max_ndim=2)], [(1, 2, 3)], "expected max_ndim=2, found ndim=3"),
        ([layers.InputSpec(shape=(None, 3))], [(1, 4)], r"shape=\(None, 3\), found shape=\(1, 4\)"),
        ([layers.InputSpec(axes={-1: 3})], [(1, 4)], "axis -1 .* value 3"),
        ([layers.InputSpec(ndim=2)], [(1, 2), (1, 2)], r"expected 1 input\(s\). Received 2"),
        ([None, layers.InputSpec(ndim=3)], [(1, 2), (1, 2)], "expected ndim=3, found ndim=2"),
    ],
)
def test_demands_are_checked(specs: list[Any], shapes: list[Any], message: str) -> None:
    values = [np.zeros(shape, "float32") for shape in shapes]
    with pytest.raises(ValueError, match=rf"'demanding'.*{message}"):
        Demanding(*specs)(values if len(values) > 1 else values[0])


def test_what_meets_the_demands_passes() -> None:
    x = np.zeros((1, 3), "float32")
    demanding = Demanding(layers.InputSpec(shape=(None, 3), max_ndim=2), None)
    assert demanding([x, np.zeros(5, "float32")])[0] is x
