"""Exported code builds the stack it was exported from."""

from __future__ import annotations

from typing import Any

import pytest

from explorer.documents import example_documents
from layerscope_explorer import edits
from layerscope_explorer.code import code_of, missing_in_keras
from layerscope_explorer.codec import from_json
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses.code import CodeLens
from layerscope_explorer.presets import PRESETS, why_did_it_die
from layerscope_explorer.session import Session

EXAMPLES = dict(example_documents())


def built(document: Document) -> Any:
    found: dict[str, Any] = {}
    exec(code_of(document, "layerscope").source, found)
    return found["model"]


def branched() -> Document:
    document = edits.add_layer(why_did_it_die(), "Add", 4, None, ["layer2"])
    document = edits.share_layer(document, "layer3", 6)
    document = edits.set_bypassed(document, "layer5", True)
    return edits.add_layer(document, "Concatenate", 9, None, ["input", "layer11"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_code_of_every_layer_builds_it(name: str) -> None:
    document = EXAMPLES[name]
    view = Engine().snapshot(document).layers[0]
    assert view.problem is None, view.problem.message
    if "Cell" in name:
        pytest.skip("a cell alone is no model")
    model = built(document)
    shape = model.output_shape
    assert (shape if isinstance(shape, tuple) else shape[0]) == view.output_shape
    assert model.count_params() == view.params


@pytest.mark.parametrize("name", [name for name in PRESETS if PRESETS[name]().layers])
def test_the_code_of_the_presets_builds_them(name: str) -> None:
    document = PRESETS[name]()
    snapshot = Engine().snapshot(document)
    for problem in filter(None, [view.problem for view in snapshot.layers]):
        # One demo is there to be repaired by its button.
        document = problem.fixes[0].document
        snapshot = Engine().snapshot(document)
    model = built(document)
    assert model.count_params() == snapshot.total_params
    assert model.output_shape == snapshot.layers[-1].output_shape


def test_branches_and_shared_layers_are_functional_code() -> None:
    document = edits.remove_layer(branched(), "layer13")
    snapshot = Engine().snapshot(document)
    assert all(view.problem is None for view in snapshot.layers)
    assert built(document).count_params() == snapshot.total_params


def test_each_call_of_a_shared_layer_has_a_variable_of_its_own() -> None:
    document = edits.add_layer(why_did_it_die(), "LeakyReLU", 1)
    first = document.layers[1].id
    document = edits.share_layer(document, first, 2)
    second = document.layers[2].id
    document = edits.add_layer(document, "Subtract", 3, None, [first])
    document = edits.add_layer(document, "Add", 4, None, [second])
    source = code_of(document, "keras").source
    assert "leaky_re_lu_output = leaky_re_lu(x)" in source
    assert "leaky_re_lu_output_1 = leaky_re_lu(leaky_re_lu_output)" in source
    assert "layers.Subtract()([leaky_re_lu_output_1, leaky_re_lu_output])" in source
    assert "layers.Add()([x, leaky_re_lu_output_1])" in source


def test_what_a_bypassed_layer_gives_is_that_of_the_layer_above() -> None:
    document = edits.add_layer(why_did_it_die(), "Add", 4, None, ["layer2"])
    document = edits.set_bypassed(document, "layer2", True)
    source = code_of(document, "keras").source
    assert "flatten_output = layers.Flatten()(inputs)" in source
    assert "layers.Add()([x, flatten_output])" in source


def test_a_variable_is_no_word_of_python() -> None:
    document = edits.add_layer(why_did_it_die(), "Lambda", 1, {"function": "square"})
    document = edits.share_layer(document, document.layers[1].id, 3)
    assert built(document).count_params() == Engine().snapshot(document).total_params


def test_lines_of_a_layer_are_about_it() -> None:
    document = why_did_it_die()
    for language in ("keras", "layerscope", "json"):
        code = code_of(document, language)
        lines = code.source.splitlines()
        for layer in document.layers:
            first, end = code.lines[layer.id]
            assert layer.class_name in "\n".join(lines[first:end])
            others = {"Flatten", "Dense"} - {layer.class_name}
            assert not any(other in "\n".join(lines[first:end]) for other in others)


def test_layers_that_keras_3_lacks_are_named() -> None:
    document = edits.add_layer(why_did_it_die(), "ThresholdedReLU")
    assert missing_in_keras(document) == ["ThresholdedReLU"]
    assert missing_in_keras(why_did_it_die()) == []


def test_json_can_be_edited_and_wrong_json_says_why() -> None:
    session = Session()
    session.open_lens("code")
    lens = CodeLens(session)
    lens.body.caption.choice = "JSON"
    assert lens.view.editable
    assert from_json(lens.view.source) == session.document
    lens._edit(lens.view.source.replace('"seed": 0', '"seed": 7'))
    assert session.document.seed == 7
    before = session.document
    lens._edit("{")
    assert "not JSON" in lens.view.error
    assert session.document == before
    session.undo()
    assert session.document.seed == 0
