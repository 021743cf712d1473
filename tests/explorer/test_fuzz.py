"""Made-up states, files, messages and values: nothing raises but refusals in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.editing import CATALOGUE, LAYERS
from explorer.hostile import document, packed, state
from explorer.test_hostile import Opened
from layerscope.configurable import fields_of
from layerscope_explorer import edits
from layerscope_explorer.address import read_search
from layerscope_explorer.conditions import Condition
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.facts import Facts
from layerscope_explorer.lesson import read_lesson
from layerscope_explorer.limits import MAX_LAYERS, MAX_PARAMETERS, MAX_VALUES
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.session import Session
from layerscope_explorer.view_state import from_file, to_address, to_file

few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

names = st.sampled_from(
    ["units", "layer1", "input", "Dense", "relu", "digits", "Adam", "type", "id", "value", "path",
     "<script>", "../..", "__class__", "layer99", "NaN", "0", "", "\x00", "中文", "state", "lens 3"]
)  # fmt: skip
numbers = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([10**9, -(10**9), 2**31, 2**63, 10**30, 1e308, -0.0]),
    st.floats(allow_nan=True, allow_infinity=True),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, names, st.text(max_size=20))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(names, st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=12,
)


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of everything inside of data."""
    found = [path]
    if isinstance(data, dict):
        entries = list(data.items())
    else:
        entries = list(enumerate(data)) if isinstance(data, list) else []
    for key, one in entries:
        found += _places(one, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """Return data with something else at some of its places."""
    data = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(_places(data)[1:]))
        place = data
        for key in way:
            place = place[key]
        place[last] = draw(values)
        if draw(st.booleans()) and isinstance(place, dict):
            place[draw(names)] = draw(values)
    return data


def done(call: Callable[[], Any]) -> Any:
    """Return what a call gives, None where it refuses in words that can be shown."""
    refusal = ""
    try:
        return call()
    except ValueError as error:
        refusal = str(error)
    assert 0 < len(refusal) < 20_000
    assert refusal.encode()
    return None


def read(source: str) -> None:
    """Read a file, and write what it holds again."""
    found = done(lambda: from_file(source))
    if found is None:
        return
    assert len(found.document.layers) <= MAX_LAYERS
    assert from_file(to_file(found)) == found
    done(lambda: to_address(found))


def check_files(data: Any) -> None:
    read(json.dumps(data))


def check_text(source: str) -> None:
    read(source)
    opening = read_search(f"?state={source}&demo={source}&lesson={source}")
    assert opening.state.document.layers


def check_addresses(data: bytes) -> None:
    assert read_search(f"?state={packed(data)}").notice


GOALS = [
    "most(dead)",
    "least(x)",
    'dead("dense")',
    "params()",
    "5 %",
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    "<",
    "==",
    "1e999",
    "-",
    "*",
    "/",
    "**",
    "lambda",
    '"a"',
    "None",
    ".",
    "x",
    ",",
]


def check_goals(words: list[str]) -> None:
    session = _known()
    goal = done(lambda: Condition.read(" ".join(words)))
    if goal is not None:
        assert goal.holds(Facts(session.snapshot, session.training)) in (True, False)


def check_lessons(source: str) -> None:
    with pytest.raises(ValueError, match="fuzzed"):
        read_lesson(source, "fuzzed")


_SESSIONS: list[Session] = []


def _known() -> Session:
    if not _SESSIONS:
        _SESSIONS.append(Session())
    return _SESSIONS[0]


@st.composite
def stacks(draw: st.DrawFn) -> Document:
    """Return a stack of layers with whatever arguments pass for each alone."""
    found = digits_stack()
    kinds = st.sampled_from(["digits", "noise", "waves", "tokens"])
    found = edits.set_argument(found, "input", "data", draw(kinds))
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(LAYERS))
        found = edits.add_layer(found, name, draw(st.integers(0, 3)))
        layer_id = f"layer{found.next_id - 1}"
        for one in fields_of(CATALOGUE.layers[name]):
            if draw(st.integers(0, 3)):
                continue
            edit = partial(edits.set_argument, found, layer_id, one.name, draw(values))
            found = done(edit) or found
    return found


def check_engine(found: Document) -> None:
    snapshot = Engine().snapshot(found)
    assert snapshot.sentence.encode()
    problems = [view.problem for view in snapshot.layers if view.problem]
    assert all(problem.message.encode() for problem in problems)
    if snapshot.stack is not None:
        held = sum(step.output.size for step in snapshot.stack)
        assert held <= MAX_VALUES
        assert snapshot.total_params <= MAX_PARAMETERS


COMPONENTS = [
    "LayerStack",
    "TopBar",
    "Shortcuts",
    "Palette",
    "FieldForm",
    "SharingMenus",
    "AddressBar",
    "LensTabs",
    "StatusLine",
    "Notice",
    "LessonCard",
    "CodeView",
]
TYPES = [
    "select",
    "remove",
    "duplicate",
    "share",
    "unshare",
    "bypass",
    "reroll",
    "move",
    "fix",
    "palette",
    "seed",
    "phase",
    "pin",
    "sweep",
    "go",
    "language",
    "add",
    "set",
    "reset",
    "preview",
    "everywhere",
    "open",
    "class",
    "link",
    "save",
    "code",
    "csv",
    "report",
    "looked",
    "demo",
    "lesson",
    "guess",
    "next",
    "again",
    "leave",
]
KEYS = [
    "id",
    "index",
    "value",
    "name",
    "path",
    "count",
    "steps",
    "text",
    "words",
    "goal",
    "option",
    "search",
    "source",
    "key",
    "page",
    "open",
    "row",
    "column",
    "line",
    "what",
]
messages = st.one_of(
    values,
    st.builds(
        lambda kind, rest: {**rest, "type": kind},
        st.one_of(st.sampled_from(TYPES), values),
        st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
    ),
)


_PAGES: list[Opened] = []


def _page() -> Opened:
    """Return one page for all messages: it has to go on whatever came before."""
    if not _PAGES:
        _PAGES.append(Opened())
    return _PAGES[0]


def check_messages(sent: list[tuple[str, Any]]) -> None:
    opened = _page()
    for name, data in sent:
        opened.send(name, data)
        assert len(opened.session.document.layers) <= MAX_LAYERS
        opened.said().encode()
    assert opened.lives()


CHECKS: dict[str, tuple[Any, Any]] = {
    "files": (check_files, damaged(json.loads(state()))),
    "documents": (check_files, damaged(document())),
    "any JSON": (check_files, values),
    "text": (check_text, st.text(max_size=200)),
    "bytes in an address": (check_addresses, st.binary(max_size=200)),
    "goals": (check_goals, st.lists(st.sampled_from(GOALS), min_size=1, max_size=12)),
    "lessons": (check_lessons, st.one_of(st.text(max_size=100), values.map(json.dumps))),
    "stacks": (check_engine, stacks()),
}


@pytest.mark.parametrize("what", CHECKS)
def test_made_up_input_is_read_or_refused(what: str) -> None:
    check, strategy = CHECKS[what]
    few(given(strategy)(check))()


@pytest.mark.slow
@pytest.mark.parametrize("what", CHECKS)
def test_hundreds_of_made_up_inputs_are_read_or_refused(what: str) -> None:
    check, strategy = CHECKS[what]
    # They are other ones every time. A stack takes as long as all its layers.
    count = 100 if what == "stacks" else 500
    settings(few, max_examples=count)(given(strategy)(check))()


sent = st.lists(st.tuples(st.sampled_from(COMPONENTS), messages), min_size=1, max_size=8)


@settings(few, max_examples=10)
@given(sent)
def test_made_up_messages_leave_a_page_that_works(sent: list[tuple[str, Any]]) -> None:
    check_messages(sent)


@pytest.mark.slow
@settings(few, max_examples=70)
@given(sent)
def test_hundreds_of_made_up_messages_leave_a_page_that_works(
    sent: list[tuple[str, Any]],
) -> None:
    check_messages(sent)
