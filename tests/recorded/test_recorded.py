"""Layerscope gives the numbers that real Keras gave when `record.py` ran."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.layers.signature import as_arguments
from layerscope.structure import leaves, map_structure

FILE = np.load(Path(__file__).with_name("keras.npz"))
INDEX = json.loads(str(FILE["index"]))


def entries(layers: bool) -> list[Any]:
    return [
        pytest.param(entry, id=f"{entry['name']}-{number}")
        for number, entry in enumerate(INDEX["entries"])
        if (entry["kind"] == "layer") is layers
    ]


def arrays(keys: list[str]) -> list[np.ndarray]:
    return [FILE[key] for key in keys]


def close(found: Any, expected: list[np.ndarray]) -> None:
    for one, other in zip(leaves(found), expected, strict=True):
        scale = max(float(np.abs(other).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(one, other, rtol=5e-5, atol=1e-5 * scale)


def test_the_versions_are_inside() -> None:
    assert INDEX["versions"]["keras"].startswith("3.")
    assert {"jax", "numpy", "python"} <= set(INDEX["versions"])


@pytest.mark.parametrize("entry", entries(layers=True))
def test_layer(entry: dict[str, Any]) -> None:
    layer: Any = getattr(ls.layers, entry["name"])(**entry["arguments"])
    given = arrays(entry["inputs"])
    x: Any = given if entry["several"] else given[0]
    shapes = as_arguments(type(layer), map_structure(lambda value: value.shape, x))
    layer.build(*shapes)
    layer.set_weights(arrays(entry["weights"]))
    assert [one.name for one in layer.weights] == entry["weight_names"]
    close(layer(*as_arguments(type(layer), x)), arrays(entry["outputs"]))
    factors = arrays(entry["factors"])
    with ls.GradientTape() as tape:
        watched = as_arguments(type(layer), map_structure(tape.watch, x))
        pairs = zip(leaves(layer(*watched)), factors, strict=True)
        total = sum((ls.ops.sum(out * factor) for out, factor in pairs), start=0.0)
    real = [one for one in leaves(watched) if one.dtype.kind == "f"]
    sources = [*real, *layer.trainable_weights]
    slopes = [
        np.zeros(source.shape) if one is None else one
        for one, source in zip(tape.gradient(total, sources), sources, strict=True)
    ]
    close(slopes, arrays(entry["gradients"]))
    # A config Keras wrote makes the same layer.
    copy: Any = ls.layers.deserialize({"class_name": entry["name"], "config": entry["config"]})
    copy.build(*shapes)
    copy.set_weights(layer.get_weights())
    close(copy(*as_arguments(type(copy), x)), arrays(entry["outputs"]))


@pytest.mark.parametrize("entry", entries(layers=False))
def test_function(entry: dict[str, Any]) -> None:
    name, arguments = entry["name"], entry["arguments"]
    if entry["kind"] == "activations":
        function: Any = partial(ls.activations.get(name), **arguments)
    else:
        function = getattr(getattr(ls, entry["kind"]), name)(**arguments)
    (x,) = arrays(entry["inputs"])
    close(function(x), arrays(entry["outputs"]))
    if entry["gradients"]:
        close(ls.grad(lambda value: ls.ops.sum(function(value)))(x), arrays(entry["gradients"]))
