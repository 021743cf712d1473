"""The output lens: what it draws of one sample is what the layer gave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explorer.documents import example_documents
from layerscope_explorer import edits
from layerscope_explorer.components.heat_map import tiled
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses.outputs import OutputsLens, sample_sentence, study
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.session import Session

EXAMPLES = dict(example_documents())


def looked(document: Any, sample: int = 0) -> tuple[Any, np.ndarray]:
    stack = Engine().snapshot(document).stack
    layer_id = document.layers[-1].id
    found = study(stack, layer_id, {"sample": sample})
    output = stack.output(layer_id)
    assert output is not None
    return found, output[sample]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_s_output_can_be_looked_at(name: str) -> None:
    found, value = looked(EXAMPLES[name], 3)
    drawn = found.values[np.isfinite(found.values)]
    if found.count == found.total and found.kind != "slices":
        assert sorted(drawn.tolist()) == sorted(np.asarray(value, np.float32).ravel().tolist())
    assert np.isin(drawn, np.asarray(value, np.float32)).all()
    assert sample_sentence(found)


def test_feature_maps_stand_in_rows() -> None:
    found, value = looked(edits.remove_layer(digits_stack(), "layer5"))
    assert found.kind == "units"
    document = digits_stack()
    for layer_id in ("layer5", "layer4", "layer3", "layer2"):
        document = edits.remove_layer(document, layer_id)
    found, value = looked(document)
    assert (found.kind, found.count, found.total) == ("maps", 16, 16)
    np.testing.assert_array_equal(found.values[:6, :6], value[..., 0])
    np.testing.assert_array_equal(found.values[:6, 7:13], value[..., 1])
    assert np.isnan(found.values[:6, 6]).all()


def test_tiles_say_how_many_are_shown() -> None:
    tiles = tiled(np.ones((40, 3, 3)), most=32)
    assert (tiles.count, tiles.total) == (32, 40)
    assert np.isfinite(tiles.values).sum() == 32 * 9


def test_another_sample_is_another_picture() -> None:
    session = Session(start=digits_stack())
    session.open_lens("outputs")
    lens = OutputsLens(session)
    first = lens.heat.content["values"]
    lens.stepper._handle_msg({"value": 5})
    assert lens.stepper.value == 5
    assert lens.heat.content["values"] != first
    lens.stepper._handle_msg({"value": 10**6})
    assert lens.stepper.value == 5
    session.select("input")
    assert lens.body.caption.content["subject"] == "Output of input"
