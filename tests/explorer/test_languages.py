from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document as BokehDocument

from layerscope.configurable import fields_of
from layerscope_explorer import strings
from layerscope_explorer.catalogue import layerscope_catalogue, summary_of
from layerscope_explorer.components.shortcuts import LETTERS, SHEET
from layerscope_explorer.data import InputData
from layerscope_explorer.lenses import LENSES
from layerscope_explorer.page import Workbench, build_page
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.session import Session
from layerscope_explorer.strings import LANGUAGES, again, speaking, text

OTHERS = [language for language in LANGUAGES if language != "en"]
HAN = re.compile(r"[\u4e00-\u9fff]")


def raw(language: str) -> dict[str, str]:
    """Return what a file of strings holds, by full key."""
    source = files(strings.__name__).joinpath(f"{language}.json").read_text("utf-8")
    return {
        f"{area}.{name}": said
        for area, own in json.loads(source).items()
        for name, said in own.items()
    }


def places(said: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", said))


@pytest.mark.parametrize("language", OTHERS)
class TestFiles:
    def test_none_is_missing_and_none_too_many(self, language: str) -> None:
        english, other = raw("en"), raw(language)
        assert sorted(english.keys() - other.keys()) == []
        assert sorted(other.keys() - english.keys()) == []

    def test_placeholders_are_the_same(self, language: str) -> None:
        other = raw(language)
        assert [key for key, said in raw("en").items() if places(said) != places(other[key])] == []

    def test_what_has_words_is_translated(self, language: str) -> None:
        other = raw(language)
        names = {
            "sweep.mark_ok",
            "session.initializer_with",
            "page.title",
            "stack.health_ok",
            "code.keras",
            "code.layerscope",
            "code.json",
        }
        left = [
            key
            for key, said in raw("en").items()
            if re.search(r"[A-Za-z]{2,}", re.sub(r"\{\w+\}", "", said))
            and not HAN.search(other[key])
        ]
        formulas = [key for key in left if key.startswith("math_lines.") or key.endswith(".kib")]
        assert sorted(set(left) - names - set(formulas)) == []


def told_by_core() -> set[str]:
    """Return every sentence of the core that stands on the page: of layers and of arguments."""
    catalogue = layerscope_catalogue()
    parts = [
        thing
        for kind in ("initializer", "regularizer", "constraint")
        for thing in catalogue.parts[kind].values()
    ]
    layers: list[Any] = [*catalogue.layers.values(), InputData]
    helps = {field.help for cls in (*layers, *parts) for field in fields_of(cls)}
    return ({summary_of(cls) for cls in layers} | helps) - {""}


@pytest.mark.parametrize("language", OTHERS)
def test_what_the_core_says_is_translated(language: str) -> None:
    source = files(strings.__name__).joinpath(f"core.{language}.json").read_text("utf-8")
    known = json.loads(source)
    assert sorted(told_by_core() - known.keys()) == []
    assert sorted(known.keys() - told_by_core()) == []
    assert [sentence for sentence, said in known.items() if not HAN.search(said)] == []


def test_every_string_asked_for_by_name_exists() -> None:
    known = raw("en")
    asked = re.compile(r"\btext\(\s*\"(\w+\.\w+)\"")
    found = set()
    for module in Path(strings.__file__).parents[1].rglob("*.py"):
        found |= set(asked.findall(re.sub(r">>> .*", "", module.read_text("utf-8"))))
    assert len(found) > 200
    assert sorted(found - known.keys()) == []


def test_every_key_of_the_sheet_is_explained() -> None:
    known = raw("en")
    used = {f"keys.{name}" for keys in SHEET.values() for _, name in keys}
    used |= {f"keys.place_{place}" for place in SHEET} | {"keys.title"}
    assert {key for key in known if key.startswith("keys.")} == used
    # A letter that nobody is told of would be a trap.
    assert {caps.lower() for caps, _ in SHEET["page"]} >= set(LETTERS)


class TestSpeaking:
    def test_a_block_speaks_its_language_and_no_longer(self) -> None:
        with speaking("zh"):
            assert text("stack.moved", name="dense", position=2) == "dense 已移到第 2 位"
        assert text("stack.moved", name="dense", position=2) == "dense moved to position 2"

    def test_what_was_said_is_said_again_with_what_is_inside(self) -> None:
        inner = text("diagnosis.cure_layers", count=3)
        said = text("diagnosis.cure_relu", group=inner)
        with speaking("zh"):
            assert again(said) == "对 3 个网络层使用 relu 和 He 初始化"
        assert again(again(said)) == said
        assert again("as it is") == "as it is"

    def test_what_was_said_keeps_no_error_alive(self) -> None:
        error = ValueError("numbers")
        said: Any = text("diagnosis.other", name="dense", reason=error)
        assert said.values["reason"] == "numbers"

    def test_an_unknown_language_falls_back_string_by_string(self) -> None:
        assert strings.preferred("") == "en"
        assert strings.preferred("de, zh-TW;q=0.4, en;q=0.2") == "zh"
        assert strings.preferred("en-GB, zh;q=x") == "en"


class ThreadScheduler:
    """Works in a thread of its own, as the server does, and waits for it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self.threads: set[int] = set()

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        def noted() -> Any:
            self.threads.add(threading.get_ident())
            return work()

        future = self._pool.submit(copy_context().run, noted)
        future.exception()
        done(future)

    animate = run

    def every(self, milliseconds: int, tick: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        pass

    def together(self) -> Any:
        return nullcontext()


class TestSessions:
    def test_two_speak_at_once_and_so_do_their_workers(self) -> None:
        workers = ThreadScheduler(), ThreadScheduler()
        english = Session(workers[0], digits_stack())
        chinese = Session(workers[1], digits_stack(), "zh")
        for _ in range(2):
            for session in (english, chinese):
                session.set_argument(
                    "layer4", "units", session.document.layer("layer4").arguments["units"] + 1
                )
        assert not HAN.search(english.snapshot.sentence)
        assert HAN.search(chinese.snapshot.sentence)
        assert english.history.past[-1].name == "Change units of dense"
        assert chinese.history.past[-1].name == "修改 dense 的 units"
        assert HAN.search(chinese.snapshot.layers[0].health_note)
        assert all(threading.get_ident() not in one.threads and one.threads for one in workers)

    def test_switching_changes_words_and_nothing_else(self) -> None:
        session = Session(start=digits_stack())
        session.remove_layer("layer2")
        session.set_seed(5)
        session.undo()
        before, history, document = session.snapshot, session.history, session.document
        session.set_language("zh")
        assert session.document is document
        assert session.history is history
        assert HAN.search(session.snapshot.sentence)
        for old, new in zip(before.layers, session.snapshot.layers, strict=True):
            assert old.output is not None
            assert new.output is not None
            np.testing.assert_array_equal(old.output.counts, new.output.counts)
            assert old.health == new.health
        with speaking("zh"):
            assert again(history.past[-1].name) == "删除 max_pooling2d"
            assert again(history.future[0].name) == "种子 5"
        session.set_language("en")
        assert session.snapshot.sentence == before.sentence

    def test_what_was_learned_stays(self) -> None:
        session = Session(start=digits_stack())
        learned: dict[str, Any] = {
            "layer4": [np.full((144, 64), 0.125, np.float32), np.zeros(64, np.float32)]
        }
        session._trained = learned
        session.set_language("zh")
        assert session._trained is learned
        weight = session.snapshot.layer("layer4").weights[0].histogram
        assert weight.mean == pytest.approx(0.125)

    def test_refusals_speak_too(self) -> None:
        session = Session(start=digits_stack(), language="zh")
        with pytest.raises(ValueError, match="种子必须是"):
            session.set_seed(-1)
        with pytest.raises(ValueError, match="没有语言"):
            session.set_language("xx")


def said_on(page: BokehDocument) -> str:
    return json.dumps(page.to_json(deferred=False), ensure_ascii=False)


class TestPage:
    def open(self, language: str) -> tuple[Session, BokehDocument]:
        session = Session(start=digits_stack(), language=language)
        page = build_page(session)
        document = page.server_doc(BokehDocument())
        for lens in [*(one.key for one in LENSES), "train"]:
            session.open_lens(lens)
        return session, document

    def test_no_english_is_left_on_a_chinese_page(self) -> None:
        english = [
            said
            for key, said in raw("en").items()
            if not places(said) and len(said) > 9 and " " in said and raw("zh")[key] != said
        ]
        assert len(english) > 100
        shown = said_on(self.open("zh")[1])
        assert [
            said for said in english if json.dumps(said, ensure_ascii=False)[1:-1] in shown
        ] == []

    def test_switching_makes_the_page_anew_and_lets_the_old_one_go(self) -> None:
        session, document = self.open("en")
        session.set_seed(3)

        def watchers() -> int:
            kinds = session.param.watchers.values()
            return sum(len(each) for kind in kinds for each in kind.values())

        session.open_lens("weights")
        session.set_language("zh")
        followed, models = watchers(), len(document.models)
        for language in ("en", "zh"):
            session.set_language(language)
        assert watchers() == followed
        assert len(document.models) <= models
        assert session.history.past[-1].name == "Seed 3"
        assert "种子 3" in said_on(document)

    def test_the_open_lens_stays_open(self) -> None:
        session = Session(start=digits_stack())
        workbench = Workbench(session)
        session.open_lens("weights")
        session.set_language("zh")
        assert list(workbench._open) == ["weights"]
