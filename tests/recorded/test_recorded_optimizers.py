"""Layerscope's optimizers take the steps that Keras's took when `record_optimizers.py` ran."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import registry

FILE = np.load(Path(__file__).with_name("optimizers.npz"))
INDEX = json.loads(str(FILE["index"]))


def parts(flat: np.ndarray) -> list[np.ndarray]:
    """Cut a recorded row into the arrays it holds."""
    shapes = INDEX["shapes"].values()
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    pieces = np.split(flat, ends[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def test_every_optimizer_was_recorded() -> None:
    recorded = {entry["config"]["class_name"] for entry in INDEX["entries"]}
    ours = {cls.__name__ for cls in registry.subclasses(ls.optimizers.Optimizer)}
    assert recorded == ours - {"MultiOptimizer"}


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{entry['config']['class_name']}-{number}")
        for number, entry in enumerate(INDEX["entries"])
    ],
)
def test_steps(number: int) -> None:
    entry: dict[str, Any] = INDEX["entries"][number]
    optimizer = ls.optimizers.deserialize(entry["config"])
    rows, gradients = FILE[f"{number}/weights"], FILE[f"{number}/gradients"]
    weights = [
        ls.Variable(value, name=name)
        for name, value in zip(INDEX["shapes"], parts(rows[0]), strict=True)
    ]
    if entry["constrained"]:
        weights[0].constraint = ls.constraints.MaxNorm(1.0)
    if entry["kept_from_decay"]:
        optimizer.exclude_from_weight_decay(var_list=weights[:1], var_names=["bia"])
    for row, grads in zip(rows[1:], gradients, strict=True):
        optimizer.apply(parts(grads), weights)
        found = np.concatenate([weight.value.ravel() for weight in weights])
        np.testing.assert_allclose(found, row, rtol=5e-4, atol=5e-5)
    names = [re.sub(r"/variable_\d+$", "/variable", path) for path in entry["variables"]]
    assert [one.path for one in optimizer.variables] == names
