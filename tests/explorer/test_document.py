from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope_explorer import document as edits
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.document import Document, History, digits_stack
from layerscope_explorer.limits import MAX_LAYERS

LAYERS = sorted(layerscope_catalogue().layers)


@st.composite
def edit(draw: st.DrawFn, document: Document) -> Document:
    """One random edit of a document."""
    ids = [layer.id for layer in document.layers]
    kinds = ["add", "seed", *(["remove", "duplicate", "move", "argument"] if ids else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "add":
        index = draw(st.integers(0, len(ids)))
        return edits.add_layer(document, draw(st.sampled_from(LAYERS)), index)
    if kind == "seed":
        return edits.set_seed(document, draw(st.integers(0, 2**31 - 1)))
    layer_id = draw(st.sampled_from(ids))
    if kind == "remove":
        return edits.remove_layer(document, layer_id)
    if kind == "duplicate":
        return edits.duplicate_layer(document, layer_id)
    if kind == "move":
        return edits.move_layer(document, layer_id, draw(st.integers(-2, len(ids) + 2)))
    return edits.set_argument(document, layer_id, "trainable", draw(st.booleans()))


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, list[Document]]:
    history = History(digits_stack())
    seen = [history.document]
    for number in range(draw(st.integers(1, 8))):
        changed = draw(edit(history.document))
        if changed != history.document:
            history = history.edit(f"edit {number}", changed)
            seen.append(changed)
    return history, seen


@settings(max_examples=60, deadline=None)
@given(histories())
def test_undo_and_redo_walk_through_every_document(
    made: tuple[History, list[Document]],
) -> None:
    history, seen = made
    for document in reversed(seen[:-1]):
        history = history.undo()
        assert history.document == document
    assert history.undo() is history
    for document in seen[1:]:
        history = history.redo()
        assert history.document == document
    assert history.redo() is history


@settings(max_examples=60, deadline=None)
@given(histories())
def test_text_form_keeps_the_document(made: tuple[History, list[Document]]) -> None:
    document = made[0].document
    back = edits.from_json(edits.to_json(document))
    assert [(one.class_name, dict(one.arguments)) for one in back.layers] == [
        (one.class_name, dict(one.arguments)) for one in document.layers
    ]
    assert (back.seed, back.training) == (document.seed, document.training)


def test_values_dragged_one_after_another_are_one_step_back() -> None:
    history = History(digits_stack())
    for filters in range(3, 9):
        document = edits.set_argument(history.document, "layer1", "filters", filters)
        history = history.edit("Change filters", document, "layer1.filters")
    assert len(history.past) == 1
    assert history.undo().document == digits_stack()


def test_a_default_is_not_part_of_the_document() -> None:
    document = edits.set_argument(digits_stack(), "layer1", "padding", "same")
    assert document.layer("layer1").arguments["padding"] == "same"
    document = edits.set_argument(document, "layer1", "padding", "valid")
    assert "padding" not in document.layer("layer1").arguments


@pytest.mark.parametrize("class_name", LAYERS)
def test_every_layer_can_be_added_with_its_first_values(class_name: str) -> None:
    document = edits.add_layer(Document(), class_name)
    for name, value in document.layers[0].arguments.items():
        edits.check_argument(class_name, name, value)


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("filters", -1, "`filters`. Expected a strictly positive value"),
        ("filters", 2.5, "`filters`"),
        ("activation", "nope", "nope"),
        ("kernel_initializer", {"class_name": "Nope", "config": {}}, "Nope"),
        ("no_such", 1, "no_such"),
        ("name", "x", "name"),
    ],
)
def test_invalid_values_are_refused_with_the_reason(
    argument: str, value: object, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        edits.set_argument(digits_stack(), "layer1", argument, value)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "[]",
        "{}",
        "x" * 300_000,
        "[" * 100_000,
        json.dumps({"version": 99}),
        json.dumps({"version": 1, "seed": 0, "layers": [], "training": {"epochs": 10**9}}),
        json.dumps({"version": 1, "seed": -1, "layers": [], "training": {}}),
        json.dumps({"version": 1, "seed": 0, "layers": [["a", "os", {}]], "training": {}}),
        json.dumps(
            {"version": 1, "seed": 0, "layers": [["a", "Dense", {"units": "x"}]], "training": {}}
        ),
        json.dumps({"version": 1, "seed": 0, "layers": [["a", "Dense"]], "training": {}}),
        json.dumps(
            {
                "version": 1,
                "seed": 0,
                "layers": [[str(n), "Flatten", {}] for n in range(MAX_LAYERS + 1)],
                "training": {},
            }
        ),
    ],
)
def test_broken_text_is_refused_in_words(source: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        edits.from_json(source)


def test_names_are_those_of_the_model() -> None:
    document = digits_stack()
    assert list(document.names().values()) == [
        "conv2d", "max_pooling2d", "flatten", "dense", "dense_1",
    ]  # fmt: skip
