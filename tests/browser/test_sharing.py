"""Links, files, pictures and demos, as a person uses them."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.test_explorer import (
    card,
    chips,
    eventually,
    open_lens,
    select,
    set_number,
    status,
    words,
)
from layerscope_explorer.engine import Engine
from layerscope_explorer.lesson import lesson_of
from layerscope_explorer.presets import PRESETS
from layerscope_explorer.rules import Rules
from layerscope_explorer.spotlight import LENS_NAMES
from layerscope_explorer.strings import text
from layerscope_explorer.task import Task
from layerscope_explorer.view_state import ViewState, from_address, from_file, to_address
from served_explorer import Arrive, Server, Visit, open_explorer

pytestmark = pytest.mark.browser


def base(page: Any) -> str:
    return page.url.partition("?")[0]


def address(page: Any) -> str:
    """Return the page's address as the page has it now."""
    return page.evaluate("location.href")


def seed(page: Any) -> str:
    return page.locator(".ls-seed-input").input_value()


def word(page: Any) -> str:
    """Return the state in the page's address, "" where there is none."""
    return address(page).partition("state=")[2]


def units_in_address(page: Any, layer: str) -> int | None:
    """Return the units a layer has in the page's address, None where there is no state."""
    state = word(page)
    return from_address(state).document.layer(layer).arguments["units"] if state else None


def set_seed(page: Any, value: int) -> None:
    box = page.locator(".ls-seed-input")
    box.fill(str(value))
    box.press("Enter")


def open_menu(page: Any, key: str) -> None:
    page.evaluate("document.activeElement?.blur()")
    page.keyboard.press(key)


def notice(page: Any) -> str:
    return page.locator(".ls-page-notice p").inner_text()


def saved(page: Any, button: str, folder: Path) -> Path:
    """Press a button of the share menu and return the file that it gives."""
    if not page.locator(f".ls-{button}").is_visible():
        open_menu(page, "s")
    with page.expect_download() as found:
        page.locator(f".ls-{button}").click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


@pytest.fixture
def second(visiting: Any) -> Iterator[Visit]:
    """Another page of somebody else, not open yet."""
    with visiting() as other:
        yield other


def test_the_address_follows_and_back_undoes(arrive: Arrive, second: Visit) -> None:
    page = arrive("?demo=digits")
    select(page, 3)
    assert word(page) == ""
    entries = page.evaluate("history.length")
    set_number(page, "units", "24")
    eventually(lambda: word(page) != "", "the state in the address")
    first = address(page)
    set_seed(page, 7)
    eventually(lambda: address(page) != first, "the seed in the address")
    assert page.evaluate("history.length") == entries + 2
    assert from_address(word(page)).document.seed == 7
    open_explorer(second.page, address(page))
    assert (seed(second.page), chips(second.page)[3]) == ("7", "24")
    assert second.page.locator(".ls-card.ls-selected .ls-name").inner_text() == "dense"
    page.go_back()
    eventually(lambda: seed(page) == "0", "the seed of before")
    assert chips(page)[3] == "24"
    page.go_back()
    eventually(lambda: chips(page)[3] == "64", "the units of before")
    page.go_forward()
    eventually(lambda: chips(page)[3] == "24", "the units again")
    # Back and Undo walk through the same history.
    card(page, 3).locator(".ls-main").press("Control+z")
    eventually(lambda: chips(page)[3] == "64", "undone")


@pytest.mark.slow
def test_a_drag_is_one_entry_of_the_browsers_history(visit: Visit) -> None:
    page = visit.page
    select(page, 2)
    entries = page.evaluate("history.length")
    box = page.locator(".ls-arg-units .ls-slider").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(25):
        page.mouse.move(box["x"] + 60 + 3 * step, box["y"] + box["height"] / 2)
        page.wait_for_timeout(15)
    page.mouse.up()
    left = page.locator(".ls-arg-units .ls-number").input_value()
    eventually(lambda: chips(page)[2] == left, "the last value on the card")
    eventually(
        lambda: units_in_address(page, "layer3") == int(left), "the last value in the address"
    )
    assert page.evaluate("history.length") == entries + 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?state=abc", "damaged"),
        ("?demo=%3Cscript%3Ealert(1)%3C/script%3E", "no demo called “<script>alert(1)</script>”"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("?state=" + "A" * 7000, "damaged"),
                ("?state=" + to_address(ViewState(PRESETS["digits"]()))[:-30], "damaged"),
                ("?demo=../../etc/passwd", "no demo called"),
                ("?lesson=%00%ff", "no lesson called"),
            )
        ),
    ],
)
def test_a_broken_address_says_so_and_gives_a_working_page(
    arrive: Arrive, query: str, words: str
) -> None:
    page = arrive(query)
    eventually(lambda: words in notice(page), words)
    assert len(chips(page)) == 10
    set_seed(page, 5)
    eventually(lambda: word(page) != "", "a good address")
    page.locator(".ls-page-notice").get_by_role("button", name="Dismiss").click()
    page.locator(".ls-page-notice").wait_for(state="hidden")


@pytest.mark.slow
@pytest.mark.parametrize("demo", PRESETS)
def test_every_demo_opens_by_its_address_and_from_the_menu(arrive: Arrive, demo: str) -> None:
    snapshot = Engine().snapshot(PRESETS[demo]())
    page = arrive(f"?demo={demo}")
    assert page.locator(".ls-card").count() == len(snapshot.layers)
    assert status(page) == snapshot.sentence
    open_explorer(page, base(page) + "?demo=digits")
    open_menu(page, "o")
    page.locator(f".ls-demos .ls-entry[data-name='{demo}']").click()
    eventually(lambda: status(page) == snapshot.sentence, "the demo's sentence")


@pytest.mark.slow
def test_the_shape_bug_is_repaired_by_one_button(arrive: Arrive) -> None:
    page = arrive("?demo=shape-bug")
    assert "needs images" in status(page)
    page.locator(".ls-fix").first.click()
    eventually(lambda: chips(page) == ["6 × 6 × 8", "288", "10"], "shapes all the way down")


@pytest.mark.slow
def test_the_copied_link_opens_the_same_page(visit: Visit, second: Visit) -> None:
    page = visit.page
    select(page, 4)
    open_lens(page, "activation")
    open_menu(page, "s")
    page.locator(".ls-link").click()
    panel = page.locator(".ls-share-menu .ls-panel")
    eventually(lambda: panel.get_attribute("data-copied") is not None, "a link")
    assert "copied" in page.locator(".ls-sharing .ls-said").inner_text()
    open_explorer(second.page, base(page) + panel.get_attribute("data-copied"))
    assert second.page.locator(".ls-tab-activation[aria-selected='true']").count() == 1
    name = second.page.locator(".ls-card.ls-selected .ls-name").inner_text()
    assert name == card(page, 4).locator(".ls-name").inner_text()


def test_a_saved_file_opens_and_a_broken_one_changes_nothing(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    set_seed(page, 11)
    path = saved(page, "save", tmp_path)
    assert from_file(path.read_text("utf-8")).document.seed == 11
    open_explorer(page, base(page) + "?demo=digits")
    before = chips(page)
    broken = tmp_path / "broken.json"
    for content, reason in (
        ("{", "not JSON"),
        ("[]", "no saved stack"),
        (json.dumps({"version": 99, "document": {}}), "another version"),
        (path.read_text("utf-8").replace('"units": 64', '"units": -3', 1), "units"),
        ("x" * 2_100_000, "too large"),
    ):
        broken.write_text(content, "utf-8")
        page.locator(".ls-open-menu input[type=file]").set_input_files(broken)
        eventually(lambda reason=reason: reason in notice(page), reason)
        assert chips(page) == before
        assert seed(page) == "0"
    page.locator(".ls-open-menu input[type=file]").set_input_files(path)
    eventually(lambda: seed(page) == "11", "the seed of the file")
    eventually(lambda: len(chips(page)) == 10, "the cards of the file")
    page.keyboard.press("Control+z")
    eventually(lambda: chips(page) == before, "the stack of before")


@pytest.mark.slow
def test_a_file_can_be_dropped_on_the_page(visit: Visit) -> None:
    page = visit.page
    source = json.dumps(json.loads(PRESET_FILE) | {"selected": "layer4"})
    page.evaluate(
        """source => {
          const data = new DataTransfer()
          data.items.add(new File([source], "stack.json", {type: "application/json"}))
          document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}))
        }""",
        source,
    )
    eventually(lambda: len(chips(page)) == 5, "the digits' stack")
    selected = page.locator(".ls-card.ls-selected .ls-name")
    eventually(lambda: selected.inner_text() == "dense", "the layer that the file selects")


def _preset_file() -> str:
    from layerscope_explorer.view_state import to_file

    return to_file(ViewState(PRESETS["digits"]()))


PRESET_FILE = _preset_file()


@pytest.mark.slow
def test_pictures_and_numbers_of_every_lens_can_be_kept(arrive: Arrive, tmp_path: Path) -> None:
    page = arrive("?demo=digits")
    select(page, 3)
    for lens in ("signal", *LENS_NAMES):
        what = "signal" if lens == "signal" else "lens"
        if what == "lens":
            open_lens(page, lens)
            opened = page.get_by_label(text(f"page.{lens}_lens"), exact=True)
            # The numbers behind a picture, or its own tables, come with it.
            opened.locator(":is(.ls-numbers, table, pre):visible").first.wait_for()
        open_menu(page, "s")
        assert saved(page, f"{what}-png", tmp_path).read_bytes().startswith(b"\x89PNG")
        # Its lines may be drawn a moment later.
        eventually(
            lambda what=what: saved(page, f"{what}-png", tmp_path).stat().st_size > 8_000,
            f"the picture of {lens}",
        )
        drawing = ElementTree.fromstring(saved(page, f"{what}-svg", tmp_path).read_text("utf-8"))
        texts = "".join(drawing.itertext())
        assert len(texts) > 60, (lens, texts)
        assert len(list(drawing.iter())) > 12
        if lens == "code":
            # A text is no table.
            page.locator(f".ls-{what}-csv").click()
            eventually(
                lambda: "nothing to save" in page.locator(".ls-sharing .ls-said").inner_text(),
                "why",
            )
        else:
            rows = list(
                csv.reader(saved(page, f"{what}-csv", tmp_path).read_text("utf-8").splitlines())
            )
            assert len(rows) > 3, lens
            assert all(len(row) >= 2 for row in rows)
        page.keyboard.press("Escape")


@pytest.mark.slow
def test_the_report_needs_nothing_else(visit: Visit, second: Visit, tmp_path: Path) -> None:
    page = visit.page
    open_lens(page, "weights")
    eventually(lambda: words(page, "Weights") != "", "the weights in words")
    path = saved(page, "report", tmp_path)
    source = path.read_text("utf-8")
    assert source.count("<svg") >= 2
    assert "picture of" not in source
    assert "keras.Sequential" in source
    asked: list[str] = []
    reader = second.page
    reader.on("request", lambda request: asked.append(request.url))
    second.foreign.clear()
    reader.goto(path.as_uri())
    assert reader.locator("h2").count() == 3
    again = reader.get_by_role("link", name="Open this view again").get_attribute("href")
    assert again.startswith(base(page) + "?state=")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    second.foreign.clear()


@pytest.mark.slow
def test_exported_code_is_a_file(visit: Visit, tmp_path: Path) -> None:
    source = saved(visit.page, "keras", tmp_path).read_text("utf-8")
    compile(source, "layerscope.py", "exec")
    assert source.startswith("import keras\n")


@pytest.mark.slow
def test_a_teacher_prepares_a_locked_link(arrive: Arrive, second: Visit) -> None:
    page = arrive("?demo=dead-relu")
    select(page, 1)
    open_menu(page, "s")
    page.locator(".ls-teach > summary").click()
    page.locator(".ls-words").fill("Wake the units of every layer.")
    page.locator(".ls-goal").fill("most(dead) <")
    page.locator(".ls-open").select_option("arguments")
    page.locator(".ls-class-link").click()
    said = page.locator(".ls-sharing .ls-said")
    eventually(lambda: "no goal" in said.inner_text(), "what is wrong with the goal")
    page.locator(".ls-goal").fill("most(dead) < 10 %")
    page.locator(".ls-class-link").click()
    panel = page.locator(".ls-share-menu .ls-panel")
    eventually(lambda: panel.get_attribute("data-copied") is not None, "a link")

    student = second.page
    open_explorer(student, base(page) + panel.get_attribute("data-copied"))
    assert student.locator(".ls-say").inner_text() == "Wake the units of every layer."
    assert student.locator(".ls-seed-input").is_disabled()
    assert not student.locator(".ls-add-last").is_visible()
    goal = student.locator(".ls-goal-state")
    assert "Not reached" in goal.inner_text()
    student.locator(".ls-main").nth(1).press("Delete")
    student.locator(".ls-main").nth(1).press("d")
    student.keyboard.press("r")
    eventually(lambda: "Locked" in notice(student), "why nothing happened")
    assert len(chips(student)) == 6
    student.locator(".ls-status .ls-cure").click()
    eventually(lambda: "done" in goal.inner_text(), "the goal")
    # The address the student has now still holds the task.
    eventually(lambda: word(student) != "", "an address")
    kept = from_address(word(student)).task
    assert kept is not None
    assert kept.words == "Wake the units of every layer."


@pytest.mark.slow
def test_a_locked_link_stays_locked_when_the_address_is_typed_by_hand(arrive: Arrive) -> None:
    task = Task("Only units.", "", Rules.of(["units"]))
    state = ViewState(PRESETS["digits"](), selected="layer4", task=task)
    assert lesson_of(task).task == task
    page = arrive(f"?state={to_address(state)}")
    assert page.locator(".ls-arg-activation.ls-locked").count() == 1
    assert page.locator(".ls-arg-units.ls-locked").count() == 0
    set_number(page, "units", "12")
    eventually(lambda: chips(page)[3] == "12", "what is left open")


@pytest.mark.slow
def test_menus_by_keyboard(visit: Visit, server: Server) -> None:
    page = visit.page
    open_menu(page, "s")
    assert page.locator(".ls-share-menu .ls-panel").is_visible()
    page.keyboard.press("ArrowDown")
    eventually(lambda: "ls-save" in str(_deep_focus(page)), "the second button")
    page.keyboard.press("Escape")
    assert not page.locator(".ls-share-menu .ls-panel").is_visible()
    assert "ls-menu-button" in str(_deep_focus(page))
    page.locator(".ls-seed-input").press("s")
    assert not page.locator(".ls-share-menu .ls-panel").is_visible()


def _deep_focus(page: Any) -> str:
    return page.evaluate(
        """() => { let node = document.activeElement
          while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
          return node?.className ?? "" }"""
    )
