"""The weights lens: pictures and singular values are those of the layer's own weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explorer.documents import example_documents
from layerscope_explorer import edits
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses.weights import WeightsLens, expectations, picture_sentence, study
from layerscope_explorer.presets import digits_stack, why_did_it_die
from layerscope_explorer.session import Session
from layerscope_explorer.spectra import chance_singular_values, singular_values
from layerscope_explorer.steps import weight_names
from stacks import dense, stack

EXAMPLES = dict(example_documents())


def looked(document: Document, layer_id: str, **options: Any) -> Any:
    stack = Engine().snapshot(document).stack
    step = stack.step(layer_id)
    assert step is not None
    return study(stack, layer_id, {"weight": "", "channel": 0, **options}), step.layer


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_weight_can_be_looked_at(name: str) -> None:
    document = EXAMPLES[name]
    layer_id = document.layers[0].id
    found, layer = looked(document, layer_id)
    if found is None:
        assert not layer.weights
        return
    names = weight_names(layer)
    assert len(set(names)) == len(names)
    for name, weight in zip(names, layer.weights, strict=True):
        found, _ = looked(document, layer_id, weight=name)
        value = np.asarray(weight.value, np.float32)
        drawn = found.values[np.isfinite(found.values)]
        assert np.isin(drawn, value).all()
        assert picture_sentence(found)
        if value.ndim >= 2 and np.isfinite(value).all():
            matrix = value.reshape(-1, value.shape[-1])
            expected = np.linalg.svd(matrix, compute_uv=False)
            np.testing.assert_allclose(found.singular, expected, rtol=1e-3, atol=1e-3)


def test_filters_of_each_channel_are_the_kernel_s() -> None:
    document = edits.add_layer(digits_stack(), "Conv2D", 1, {"filters": 3, "kernel_size": [3, 3]})
    found, layer = looked(document, "layer6", channel=2)
    kernel = np.asarray(layer.weights[0].value)
    assert (found.channels, found.channel, found.count) == (16, 2, 3)
    np.testing.assert_array_equal(found.values[:3, :3], kernel[:, :, 2, 0])
    np.testing.assert_array_equal(found.values[:3, 4:7], kernel[:, :, 2, 1])


def test_a_large_matrix_shows_its_strongest_entries() -> None:
    document = edits.set_argument(why_did_it_die(), "layer2", "units", 300)
    found, layer = looked(document, "layer2")
    kernel = np.asarray(layer.weights[0].value)
    assert found.values.shape == (22, 100)
    block = kernel[:3, :3]
    assert found.values[0, 0] == block.ravel()[np.abs(block).argmax()]


@pytest.mark.parametrize("shape", [(64, 64), (256, 64), (40, 120)])
def test_chance_singular_values_are_those_of_random_matrices(shape: tuple[int, int]) -> None:
    expected = chance_singular_values(shape, 0.3)
    draws: Any = [
        singular_values(np.random.default_rng(seed).normal(0.0, 0.3, shape)) for seed in range(20)
    ]
    np.testing.assert_allclose(np.mean(draws, axis=0), expected, atol=0.02 * expected[0])


def test_orthogonal_matrices_have_equal_singular_values() -> None:
    orthogonal = {"class_name": "Orthogonal", "config": {"gain": 1.5}}
    document = edits.set_argument(why_did_it_die(), "layer3", "kernel_initializer", orthogonal)
    found, _ = looked(document, "layer3")
    np.testing.assert_allclose(found.singular, 1.5, rtol=1e-4)
    np.testing.assert_array_equal(found.expected, 1.5)


def test_errors_of_chance_hold_over_many_seeds() -> None:
    beyond = 0
    document = stack("digits", ("Flatten",), dense(64, None, "he_uniform"))
    for seed in range(40):
        view = Engine().snapshot(edits.set_seed(document, seed)).layers[1]
        (_, mean), (_, variance) = expectations(view, "kernel")
        for said in (mean, variance):
            expected, rest = said.replace("−", "-").split(" ± ")
            error, rest = rest.split(" expected, ")
            measured = rest.split(" ")[0]
            beyond += abs(float(measured) - float(expected)) > 2 * float(error)
    assert 0 < beyond < 12


def test_the_chosen_weight_and_channel_are_shown() -> None:
    session = Session(start=digits_stack())
    session.open_lens("weights")
    lens = WeightsLens(session)
    assert lens.heat.content["rows"] > 3
    lens.body.caption.choice = "bias"
    assert lens.heat.content["rows"] == 1
    assert not lens.spectrum_side.visible
    session.select("layer4")
    assert lens.body.caption.content["choice"] == "bias"
    session.select("layer3")
    assert "no weights" in lens.body.caption.content["sentence"]
