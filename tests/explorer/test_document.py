from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from explorer.editing import LAYERS, histories
from layerscope_explorer import edits
from layerscope_explorer.codec import from_json, to_json
from layerscope_explorer.document import INPUT, VERSION, Document
from layerscope_explorer.history import History
from layerscope_explorer.limits import MAX_LAYERS
from layerscope_explorer.presets import digits_stack, on_noise, why_did_it_die


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
    back = from_json(to_json(document))
    assert (back.layers, back.input, back.phase) == (
        document.layers,
        document.input,
        document.phase,
    )
    assert (back.seed, back.training) == (document.seed, document.training)
    assert to_json(back) == to_json(document)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_shared_layers_and_sources_stay_true(made: tuple[History, list[Document]]) -> None:
    for document in made[1]:
        ids = [layer.id for layer in document.layers]
        assert len(set(ids)) == len(ids)
        for layer in document.layers:
            assert set(layer.sources) <= {INPUT, *ids}
            if layer.shares:
                owner = document.layer(layer.shares)
                assert not owner.shares
                assert owner.class_name == layer.class_name
                assert ids.index(owner.id) < ids.index(layer.id)
                assert not layer.arguments


def test_a_document_of_version_1_still_opens() -> None:
    old = {
        "version": 1,
        "seed": 3,
        "layers": [["layer1", "Flatten", {}], ["layer4", "Dense", {"units": 7}]],
        "training": {"epochs": 4},
    }
    document = from_json(json.dumps(old))
    assert [(one.id, one.class_name) for one in document.layers] == [
        ("layer1", "Flatten"),
        ("layer4", "Dense"),
    ]
    assert document.layer("layer4").arguments == {"units": 7}
    assert (document.seed, document.training.epochs, document.next_id) == (3, 4, 5)


def test_the_first_of_shared_layers_has_the_arguments() -> None:
    document = edits.share_layer(digits_stack(), "layer4")
    document = edits.set_argument(document, "layer6", "units", 7)
    assert document.layer("layer4").arguments["units"] == 7
    document = edits.remove_layer(document, "layer4")
    assert document.layer("layer6").arguments["units"] == 7
    assert document.layer("layer6").shares == ""


def test_sources_are_above_and_for_layers_of_several_inputs() -> None:
    document = edits.add_layer(digits_stack(), "Add", 4)
    document = edits.set_sources(document, "layer6", ["layer3", INPUT])
    assert document.layer("layer6").sources == ("layer3", INPUT)
    with pytest.raises(ValueError, match="not above"):
        edits.set_sources(document, "layer6", ["layer5"])
    with pytest.raises(ValueError, match="one input"):
        edits.set_sources(document, "layer4", ["layer3"])
    assert edits.remove_layer(document, "layer3").layer("layer6").sources == (INPUT,)


def test_data_has_the_arguments_of_its_kind() -> None:
    document = edits.set_argument(why_did_it_die(), INPUT, "data", "tokens")
    assert dict(document.input.arguments) == {"data": "tokens", "shape": [16]}
    with pytest.raises(ValueError, match="axes"):
        edits.set_argument(document, INPUT, "shape", [3, 4])
    with pytest.raises(ValueError, match="too large"):
        edits.set_argument(on_noise(document, 3), INPUT, "shape", [10_000, 10_000])


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
        from_json(source)


#: Documents as earlier versions wrote them, with the layers that are read from them.
STORED = {
    "version 1": (
        '{"version":1,"seed":7,"layers":[["layer1","Flatten",{}],'
        '["layer3","Dense",{"units":10,"activation":"softmax"}]],'
        '"training":{"optimizer":"SGD","learning_rate":0.1,"batch_size":16,"epochs":4}}',
        ["Flatten", "Dense"],
    ),
    "version 2": (
        '{"version":2,"seed":3,"phase":"training","input":{"data":"waves","shape":[32,2]},'
        '"layers":[{"id":"layer1","layer":"LSTM","arguments":{"units":8}},'
        '{"id":"layer2","layer":"Dense","arguments":{"units":8,"activation":"tanh"},"roll":2},'
        '{"id":"layer4","layer":"Add","arguments":{},"sources":["layer1"],"bypassed":true}],'
        '"training":{"optimizer":"Adam","learning_rate":0.001,"batch_size":32,"epochs":15}}',
        ["LSTM", "Dense", "Add"],
    ),
    "version 3": (
        '{"version":3,"seed":0,"phase":"inference","input":{"data":"spiral","jitter":0.2},'
        '"layers":[{"id":"layer1","layer":"Dense","arguments":{"units":2}}],'
        '"training":{"optimizer":"Lion","learning_rate":0.01,"batch_size":8,"epochs":2,'
        '"loss":"Huber"}}',
        ["Dense"],
    ),
}


@pytest.mark.parametrize("version", STORED)
def test_documents_of_earlier_versions_still_open(version: str) -> None:
    source, names = STORED[version]
    document = from_json(source)
    assert [layer.class_name for layer in document.layers] == names
    assert document.training.loss == ("Huber" if version == "version 3" else "auto")
    assert document.training.epochs == json.loads(source)["training"]["epochs"]
    again = to_json(document)
    assert json.loads(again)["version"] == VERSION
    assert from_json(again) == document
    assert to_json(from_json(again)) == again


@pytest.mark.parametrize(
    "training",
    [
        {"loss": "Nope"},
        {"loss": 3},
        {"loss": ["auto"]},
        {"optimizer": "os"},
        {"learning_rate": float("nan")},
        {"learning_rate": True},
        {"learning_rate": "0.1"},
        {"batch_size": 2.5},
        {"batch_size": 10**30},
        {"epochs": True},
        {"more": 1},
    ],
)
def test_training_is_checked_when_a_document_is_read(training: dict[str, object]) -> None:
    written = json.loads(to_json(digits_stack()))
    written["training"] |= training
    with pytest.raises(ValueError, match=r"\w"):
        from_json(json.dumps(written))


def test_names_are_those_of_the_model() -> None:
    document = digits_stack()
    assert list(document.names().values()) == [
        "input", "conv2d", "max_pooling2d", "flatten", "dense", "dense_1",
    ]  # fmt: skip
