"""Both languages in one page, and everything by keyboard, on a screen and on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from layerscope_explorer.lenses import LENSES
from layerscope_explorer.strings import speaking, text
from served_explorer import Arrive, Server, Visit, open_explorer, watch
from waiting import eventually

pytestmark = pytest.mark.browser

#: All that a person can read or hear, through the shadow roots.
_SAID = """() => {
  const said = new Set()
  const look = root => {
    for (const node of root.querySelectorAll("*")) {
      if (["STYLE", "SCRIPT", "LINK"].includes(node.tagName)) continue
      if (node.closest(".ls-code pre, .katex")) continue
      for (const name of ["aria-label", "title", "placeholder", "alt"])
        if (node.getAttribute(name)) said.add(node.getAttribute(name))
      for (const child of node.childNodes)
        if (child.nodeType === 3 && child.data.trim()) said.add(child.data.trim())
      if (node.shadowRoot) look(node.shadowRoot)
    }
  }
  look(document)
  return [...said]
}"""
_FOCUSED = """() => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  return node ? `${node.className} ${node.getAttribute("aria-label") ?? ""}` : ""
}"""


def in_chinese(key: str, **values: Any) -> str:
    with speaking("zh"):
        return text(key, **values)


def sentences(page: Any) -> list[str]:
    """Return what is said in words with two or more English words in a row, and no Chinese."""
    return [
        said
        for said in page.evaluate(_SAID)
        if re.search(r"[a-z]{3,} [a-z]{3,}", said) and not re.search(r"[\u4e00-\u9fff]", said)
    ]


@pytest.mark.slow
def test_a_chinese_page_speaks_chinese_everywhere(arrive: Arrive) -> None:
    page = arrive("?lang=zh&demo=digits")
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.locator(".ls-card").nth(3).locator(".ls-main").click()
    left: dict[str, list[str]] = {}
    for lens in [*(one.key for one in LENSES), "train"]:
        page.locator(f".ls-tab-{lens}").click()
        page.locator(f".ls-tab-{lens}[aria-selected='true']").wait_for()
        page.wait_for_timeout(300)
        left[lens] = sentences(page)
    page.keyboard.press("Escape")
    page.locator(".ls-help").click()
    page.locator(".ls-add-last").click()
    page.wait_for_timeout(300)
    left["palette and keys"] = sentences(page)
    assert left == {place: [] for place in left}


def test_switching_loses_nothing(visit: Visit) -> None:
    page = visit.page
    page.locator(".ls-card").nth(2).locator(".ls-main").click()
    page.locator(".ls-tab-activation").click()
    page.keyboard.press("r")
    page.locator(".ls-undo:not([disabled])").wait_for()
    box = page.locator(".ls-seed-input")
    eventually(lambda: box.input_value() != "0", "another seed")
    seed = box.input_value()
    page.locator(".ls-language").focus()
    page.locator(".ls-language").select_option("zh")
    page.get_by_text(in_chinese("lenses.signal"), exact=True).wait_for()
    page.wait_for_url("**lang=zh**")
    page.wait_for_function("() => document.documentElement.lang === 'zh'")
    eventually(lambda: box.input_value() == seed, "the seed as it was")
    page.locator(".ls-tab-activation[aria-selected='true']").wait_for()
    page.locator(".ls-card.ls-selected .ls-name", has_text="dense_1").wait_for()
    assert page.evaluate(_FOCUSED).startswith("ls-select ls-language")
    name = in_chinese("session.edit_seed", seed=seed)
    undo = page.locator(".ls-undo")
    said = in_chinese("page.undo", name=name)
    eventually(lambda: undo.get_attribute("aria-label") == said, "what is undone, in Chinese")
    undo.click()
    redo = page.locator(".ls-redo")
    eventually(redo.is_enabled, "something to redo")
    eventually(lambda: box.input_value() == "0", "the seed of before")
    page.locator(".ls-language").select_option("en")
    page.get_by_text("Signal through the stack", exact=True).wait_for()
    shown = f"Redo: Seed {seed} (Ctrl+Shift+Z)"
    eventually(lambda: redo.get_attribute("aria-label") == shown, "what is redone, in English")


@pytest.mark.slow
def test_two_people_read_two_languages(chromium: Any, server: Server, visit: Visit) -> None:
    other = chromium.new_page(viewport={"width": 1440, "height": 900})
    watched = watch(other)
    open_explorer(other, f"{server.url}?lang=zh")
    for page in (visit.page, other, visit.page, other):
        page.locator("body").press("r")
        page.wait_for_timeout(250)
    assert "Signal falls" in visit.page.locator(".ls-status .ls-sentence").inner_text()
    assert "信号" in other.locator(".ls-status .ls-sentence").inner_text()
    other.close()
    assert watched.problems == []


@pytest.mark.slow
def test_the_browser_s_language_is_spoken_first(chromium: Any, server: Server) -> None:
    page = chromium.new_page(locale="zh-CN")
    open_explorer(page, server.url)
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.close()


@pytest.mark.slow
def test_keys_are_listed_beside_the_page(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("ArrowDown")
    page.locator(".ls-card.ls-selected .ls-name", has_text="dense_1").wait_for()
    before = page.evaluate(_FOCUSED)
    page.keyboard.press("?")
    sheet = page.locator(".ls-keys")
    sheet.wait_for()
    assert "Swap A and B" in sheet.inner_text()
    # One goes on working while it stands there.
    page.keyboard.press("p")
    page.locator(".ls-compare").wait_for()
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")
    assert page.evaluate(_FOCUSED) == before


@pytest.mark.slow
def test_from_the_stack_into_the_inspector_and_back(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("ArrowDown")
    page.locator(".ls-subtitle", has_text="dense_1").wait_for()
    card = page.evaluate(_FOCUSED)
    assert card.startswith("ls-main")
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.activeElement.matches('body')")
    page.wait_for_timeout(100)
    assert not page.evaluate(_FOCUSED).startswith("ls-main")
    page.keyboard.press("Escape")
    page.wait_for_timeout(100)
    assert page.evaluate(_FOCUSED) == card


def test_language_and_theme_have_keys(visit: Visit) -> None:
    page = visit.page
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    page.keyboard.press("l")
    page.get_by_text(in_chinese("lenses.signal"), exact=True).wait_for()


@pytest.mark.slow
def test_a_phone_reaches_everything_in_the_bar(chromium: Any, server: Server) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    watched = watch(page)
    open_explorer(page, server.url)
    assert page.locator(".ls-phase").is_hidden()
    theme = page.locator(".ls-theme").bounding_box()
    assert theme["x"] + theme["width"] <= 390
    more = page.locator(".ls-more")
    more.click()
    for control in (".ls-seed-input", ".ls-dice", ".ls-sweep", ".ls-phase", ".ls-pin", ".ls-help"):
        box = page.locator(f".ls-topbar {control}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390, control
    page.locator(".ls-phase").select_option("inference")
    page.locator(".ls-undo:not([disabled])").wait_for()
    page.locator(".ls-language").select_option("zh")
    page.get_by_text(in_chinese("lenses.signal"), exact=True).wait_for()
    page.locator(".ls-pin").click()
    page.locator(".ls-compare").wait_for()
    assert page.locator(".ls-pin").is_hidden()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    page.close()
    assert watched.problems == []
