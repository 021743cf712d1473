"""The shapes lens: sums that come to the real shape, parameters and operations that are counted."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from explorer.documents import example_documents
from layerscope_explorer import edits
from layerscope_explorer.cost import flops_of
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses.shapes import ShapesLens, rows_of, study, totals_of
from layerscope_explorer.presets import digits_stack, on_noise
from layerscope_explorer.session import Session

EXAMPLES = dict(example_documents())

SAMPLES = 256


def step_of(name: str, arguments: dict[str, Any], *shape: int) -> Any:
    document = edits.add_layer(on_noise(Document(), *shape), name, None, arguments)
    return Engine().snapshot(document).stack.steps[0]


def value_of(formula: str) -> int:
    """Compute a sum as it is written."""
    python = formula.replace("−", "-").replace("·", "*").replace("⌊", "math.floor(")
    python = python.replace("⌋", ")").replace("⌈", "math.ceil(").replace("⌉", ")")
    return eval(python.replace(",", "") if "max" not in python else python, {"math": math})


@pytest.mark.parametrize("name", EXAMPLES)
def test_sums_come_to_what_they_say(name: str) -> None:
    document = EXAMPLES[name]
    stack = Engine().snapshot(document).stack
    found = study(stack, document.layers[0].id, {})
    step = stack.steps[0]
    for line in found.shape:
        parts = line.partition(": ")[2].split(" = ")
        if len(parts) > 1 and not re.search("[a-z]{4}", line.partition(": ")[2]):
            assert len({value_of(part) for part in parts}) == 1, line
    sizes = [
        value_of(line.split(" = ")[-1].split(" (")[0].replace(",", "")) for line in found.parameters
    ]
    assert sum(sizes) == step.layer.count_params()
    assert found.costs[step.spec.id].parameters == step.layer.count_params()
    assert found.costs[step.spec.id].flops >= 0


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "line"),
    [
        ("Conv2D", {"filters": 4, "kernel_size": [3, 3]}, (8, 9, 2), "height: 8 − 3 + 1 = 6"),
        (
            "Conv2D",
            {"filters": 4, "kernel_size": [3, 3], "strides": [2, 2]},
            (8, 9, 2),
            "width: ⌊(9 − 3) / 2⌋ + 1 = 4",
        ),
        (
            "Conv1D",
            {"filters": 4, "kernel_size": 3, "dilation_rate": 2},
            (10, 2),
            "steps: 10 − ((3 − 1) · 2 + 1) + 1 = 6",
        ),
        (
            "MaxPooling2D",
            {"padding": "same", "pool_size": [2, 2]},
            (7, 7, 2),
            "height: ⌈7 / 2⌉ = 4",
        ),
        ("ZeroPadding2D", {"padding": [[1, 2], [0, 3]]}, (4, 4, 1), "height: 4 + 1 + 2 = 7"),
        ("UpSampling1D", {"size": 3}, (4, 2), "steps: 4 · 3 = 12"),
        ("Flatten", {}, (3, 4, 2), "units: 3 · 4 · 2 = 24"),
        ("Dense", {"units": 7}, (3,), "units: 7 units, an entry each"),
        ("Activation", {"activation": "relu"}, (3,), "The shape stays as it was."),
    ],
)
def test_the_sums_are_those_of_the_textbook(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], line: str
) -> None:
    document = edits.add_layer(on_noise(Document(), *shape), name, None, arguments)
    stack = Engine().snapshot(document).stack
    assert line in study(stack, document.layers[0].id, {}).shape


def test_operations_are_those_of_the_textbook() -> None:
    # A product with its sum counts 2; adding the bias 1; relu 1.
    dense = step_of("Dense", {"units": 7, "activation": "relu"}, 5)
    assert flops_of(dense) == 2 * 5 * 7 + 7 + 7
    conv = step_of("Conv2D", {"filters": 4, "kernel_size": [3, 3]}, 8, 8, 2)
    assert flops_of(conv) == 2 * 6 * 6 * 4 * (3 * 3 * 2) + 6 * 6 * 4
    depthwise = step_of("DepthwiseConv2D", {"kernel_size": [3, 3], "use_bias": False}, 8, 8, 2)
    assert flops_of(depthwise) == 2 * 6 * 6 * 2 * 9
    pooling = step_of("AveragePooling2D", {"pool_size": [2, 2]}, 8, 8, 3)
    assert flops_of(pooling) == 4 * 4 * 3 * 4
    einsum = step_of("EinsumDense", {"equation": "abc,cd->abd", "output_shape": [None, 6]}, 4, 5)
    assert flops_of(einsum) == 2 * 4 * 5 * 6
    assert flops_of(step_of("Flatten", {}, 3, 4)) == 0


def test_a_layer_used_twice_has_its_parameters_once_and_its_operations_twice() -> None:
    document = on_noise(Document(), 4)
    document = edits.add_layer(document, "Dense", None, {"units": 4})
    document = edits.share_layer(document, "layer1")
    costs = study(Engine().snapshot(document).stack, "layer1", {}).costs
    assert (costs["layer1"].parameters, costs["layer2"].parameters) == (20, 0)
    assert costs["layer1"].flops == costs["layer2"].flops


def test_frozen_weights_are_counted_apart() -> None:
    step = step_of("BatchNormalization", {}, 6)
    (cost,) = study(
        Engine().snapshot(edits.add_layer(on_noise(Document(), 6), "BatchNormalization")).stack,
        "layer1",
        {},
    ).costs.values()
    assert (cost.parameters, cost.frozen) == (24, 12)
    assert cost.output_bytes == np.asarray(step.output).nbytes == SAMPLES * 6 * 4


def test_the_table_is_the_stack() -> None:
    session = Session(start=digits_stack())
    session.open_lens("shapes")
    lens = ShapesLens(session)
    assert [row["id"] for row in lens.table.rows] == [
        "input",
        *(layer.id for layer in session.document.layers),
    ]
    rows: Any = lens.table.rows
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    assert lens.table.totals[3] == "10,090"
    lens.table._handle_msg({"id": "layer4"})
    assert session.selected == "layer4"
    assert lens.table.selected == "layer4"
    assert "144 · 64 = 9,216 (kernel)" in lens.table.notes
    lens.body.caption.choice = "FLOPs a sample"
    assert "operations" in lens.body.caption.content["sentence"]


def test_a_broken_stack_has_a_table_too() -> None:
    document = edits.add_layer(digits_stack(), "Conv2D", 3)
    snapshot = Engine().snapshot(document)
    costs = study(snapshot.stack, "layer1", {}).costs
    rows = rows_of((snapshot.input, *snapshot.layers), costs)
    assert len(rows) == 7
    assert rows[-1]["cells"][2] == "–"
    assert totals_of(costs)[0] == "160"
