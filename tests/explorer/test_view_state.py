"""What is shared comes back as it was, and what is broken or hostile is refused in words."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib
from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.editing import histories
from layerscope_explorer.address import address_of, read_query, read_search, state_of
from layerscope_explorer.codec import to_json
from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer
from layerscope_explorer.history import History
from layerscope_explorer.limits import MAX_ADDRESS
from layerscope_explorer.page import Workbench
from layerscope_explorer.presets import OPENING, PRESETS, digits_stack
from layerscope_explorer.rules import Rules
from layerscope_explorer.session import Session
from layerscope_explorer.spotlight import LENS_NAMES
from layerscope_explorer.task import Task
from layerscope_explorer.view_state import ViewState, from_address, from_file, to_address, to_file

TASK = Task("Bring it back.", "most(dead) < 5 %", Rules.of(["activation", "layer2.units"]))


def packed(text: str) -> str:
    """Return a text as the word of an address."""
    return urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


@st.composite
def states(draw: st.DrawFn) -> tuple[ViewState, History, list[Document]]:
    """A state after random edits."""
    history, seen = draw(histories())
    ids = [layer.id for layer in history.document.layers]
    return (
        ViewState(
            document=history.document,
            pinned=draw(st.sampled_from([None, seen[0]])),
            selected=draw(st.sampled_from(["", "input", *ids])),
            lens=draw(st.sampled_from(["", *LENS_NAMES])),
            language=draw(st.sampled_from(["", "en", "zh"])),
            task=draw(st.sampled_from([None, TASK])),
        ),
        history,
        seen,
    )


@settings(max_examples=200, deadline=None)
@given(states())
def test_200_random_edit_sequences_come_back_byte_by_byte(
    made: tuple[ViewState, History, list[Document]],
) -> None:
    state, history, seen = made
    texts = [to_json(document) for document in seen]
    for expected in reversed(texts):
        assert to_json(history.document) == expected
        history = history.undo()
    for expected in texts:
        assert to_json(history.document) == expected
        history = history.redo()
    assert to_file(from_file(to_file(state))) == to_file(state)
    word = to_address(state)
    back = from_address(word)
    assert to_address(back) == word
    assert to_json(back.document) == to_json(state.document)
    assert (back.selected, back.lens, back.language, back.task) == (
        state.selected, state.lens, state.language, state.task,
    )  # fmt: skip
    assert (back.pinned is None) == (state.pinned is None)
    # What comes back can be edited on: no id is given twice.
    ids = [layer.id for layer in add_layer(back.document, "Flatten").layers]
    assert len(set(ids)) == len(ids)


def test_a_link_is_short() -> None:
    """A link fits into a message: a chat cuts long ones off."""
    assert all(len(to_address(ViewState(make()))) < 500 for make in PRESETS.values())


OLD = {
    1: {
        "version": 1,
        "seed": 3,
        "layers": [["layer1", "Flatten", {}], ["layer2", "Dense", {"units": 7}]],
        "training": {"optimizer": "SGD", "learning_rate": 0.1, "batch_size": 8, "epochs": 2},
    },
    2: {
        "version": 2,
        "seed": 3,
        "phase": "inference",
        "input": {"data": "noise", "shape": [5]},
        "layers": [
            {"id": "layer1", "layer": "Dense", "arguments": {"units": 7}, "roll": 2},
            {"id": "layer4", "layer": "Dense", "arguments": {}, "shares": "layer1"},
        ],
        "training": {"optimizer": "Adam", "learning_rate": 0.01, "batch_size": 16, "epochs": 4},
    },
    3: {
        "version": 3,
        "seed": 3,
        "phase": "inference",
        "input": {"data": "ripple", "points": 200, "jitter": 0.2},
        "layers": [{"id": "layer2", "layer": "Dense", "arguments": {"units": 7}}],
        "training": {
            "loss": "Huber",
            "optimizer": "RMSprop",
            "learning_rate": 0.03,
            "batch_size": 16,
            "epochs": 4,
        },
    },
}


@pytest.mark.parametrize("version", OLD)
def test_stacks_of_older_versions_still_open(version: int) -> None:
    old = OLD[version]
    for state in (
        from_file(json.dumps(old)),
        from_file(json.dumps({"version": 1, "document": old})),
        from_address(packed(json.dumps({"version": 1, "document": old}))),
    ):
        document = state.document
        assert document.seed == 3
        assert document.layers[-1].class_name == "Dense"
        assert document.owner(document.layers[-1].id).arguments["units"] == 7
        assert document.training.learning_rate == old["training"]["learning_rate"]
        assert document.phase == "inference"


GOOD = json.loads(to_file(ViewState(digits_stack(), digits_stack(), "layer2", "math", "zh", TASK)))


def changed(**parts: Any) -> str:
    return json.dumps({**GOOD, **parts})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "null",
        "[]",
        "{}",
        "7",
        "[" * 100_000,
        '{"a":' * 50_000,
        json.dumps({"version": 1}),
        changed(version=2),
        changed(version="1"),
        changed(document=[]),
        changed(document={**GOOD["document"], "version": 99}),
        changed(pinned=3),
        changed(selected=["layer2"]),
        changed(lens="x" * 1000),
        changed(task="x"),
        changed(task={"words": "x" * 500}),
        changed(task={"goal": "__import__('os').system('true')"}),
        changed(task={"only": ["../x"]}),
        changed(task={"only": 3}),
        changed(task={"other": 3}),
        changed(document={**GOOD["document"], "seed": 10**400}),
        '{"version":1,"document":{"version":2,"seed":"\\ud800"}}',
        '{"version":1,"lens":"\\ud800","document":' + json.dumps(GOOD["document"]) + "}",
        "x" * 600_000,
    ],
)
def test_what_is_no_state_is_refused_in_words(source: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        from_file(source)
    word = packed(source)
    if len(word) <= MAX_ADDRESS:
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            from_address(word)
    opening = read_query({"state": word})
    assert opening.notice
    assert opening.preset == OPENING
    # Also what is repeated of it can be sent to a page.
    assert opening.notice.encode()
    assert len(opening.notice) < 500


def test_a_bomb_is_not_unpacked() -> None:
    word = urlsafe_b64encode(zlib.compress(b" " * 5_000_000, 9)).decode()
    assert len(word) < MAX_ADDRESS
    tracemalloc.start()
    with pytest.raises(ValueError, match="damaged"):
        from_address(word)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_any_damage_to_a_good_state_is_refused_or_harmless() -> None:
    generator = random.Random(0)
    source = json.dumps(GOOD)
    word = to_address(from_file(source))
    for _ in range(300):
        for text, read in ((source, from_file), (word, from_address)):
            at = generator.randrange(len(text))
            letter = chr(generator.choice([*range(32, 127), 0, 0x4E2D]))
            broken = text[:at] + letter + text[at + generator.randrange(3) :]
            # Anything but a refusal in words would end the test.
            with suppress(ValueError):
                to_file(read(broken))


def test_an_address_that_asks_for_nothing_known_says_so() -> None:
    assert read_query({}).preset == OPENING
    assert read_query({}).notice == ""
    assert "nowhere" in read_query({"demo": "nowhere"}).notice
    assert "nowhere" in read_query({"lesson": "nowhere"}).notice
    assert read_search("?demo=digits").preset == "digits"
    assert read_search("?lesson=activations").lesson == "activations"
    assert read_search("?" + "&".join(f"a{n}=1" for n in range(100))).notice


def test_what_is_looked_at_is_shared_too() -> None:
    session = Session()
    session.select("layer4")
    session.open_lens("math")
    opening = read_search(address_of(state_of(session)))
    assert (opening.state.selected, opening.state.lens) == ("layer4", "math")
    other = Session(start=PRESETS["digits"]())
    other.show(opening.state, "Open a link")
    assert other.document.layers == session.document.layers
    assert (other.selected, other.lens) == ("layer4", "math")
    other.undo()
    assert other.document == PRESETS["digits"]()


def test_a_layer_or_lens_that_is_gone_is_not_looked_at() -> None:
    state = from_file(changed(selected="layer77", lens="nowhere"))
    assert (state.selected, state.lens) == ("", "")


def test_every_lens_can_be_shared() -> None:
    assert tuple(Workbench(Session())._lens_makers()) == LENS_NAMES
