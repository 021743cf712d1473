"""Python of a person's own in the page: written, seen, picked, exported; nowhere on a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser.test_explorer import card, open_lens, pick
from browser.test_sharing import base, notice, word
from served_explorer import Visit, open_explorer, served
from waiting import eventually

pytestmark = pytest.mark.browser

SNAKE = "def snake(x):\n    return x + ops.square(ops.sin(x))\n"
LAYER = (
    SNAKE
    + """
class Halved(layers.Layer):
    def call(self, x):
        return x / 2
"""
)


@pytest.fixture
def at_home(visiting: Any) -> Iterator[Visit]:
    """The explorer of somebody who serves it for themselves and allows own code."""
    with served(LAYERSCOPE_OWN_CODE="1") as server:
        with visiting() as visit:
            open_explorer(visit.page, server.url)
            yield visit
        assert "".join(server.errors()) == ""


def write(page: Any, source: str) -> None:
    page.locator(".ls-code-box textarea:visible").fill(source)


def said(page: Any) -> str:
    return page.locator(".ls-lens-place .ls-sentence:visible").inner_text()


def test_what_is_written_is_seen_picked_and_exported(at_home: Visit) -> None:
    page = at_home.page
    open_lens(page, "own")
    page.locator(".ls-run:visible").click()
    eventually(lambda: "agrees with central differences" in said(page), "the example's derivative")
    write(page, LAYER)
    eventually(lambda: "Halved takes 3 of 3" in said(page), "the layer's shapes")
    write(page, LAYER + "def f(x:")
    error = page.locator(".ls-code-error:visible")
    eventually(lambda: "Line 7" in error.inner_text(), "what is wrong, and where")
    write(page, LAYER)
    error.wait_for(state="hidden")
    card(page, 1).click()
    pick(page, "activation", "snake")
    eventually(lambda: "snake" in card(page, 1).inner_text(), "the card's activation")
    page.locator(".ls-add-last").click()
    page.locator(".ls-palette .ls-search").fill("Halved")
    page.keyboard.press("Enter")
    eventually(lambda: "Halved" in page.locator(".ls-inspector .ls-title").first.inner_text(), "it")
    open_lens(page, "code")
    code = page.locator(".ls-code-box pre:visible")
    eventually(lambda: "activation=snake" in code.inner_text(), "the exported activation")
    assert "Halved()" in code.inner_text()
    assert "def snake(x):" in code.inner_text()


@pytest.mark.slow
def test_a_stack_with_code_does_not_open_on_a_server(at_home: Visit, visit: Visit) -> None:
    page = at_home.page
    open_lens(page, "own")
    write(page, SNAKE)
    page.locator(".ls-run:visible").click()
    eventually(lambda: "snake agrees" in said(page), "its derivative")
    eventually(lambda: word(page) != "", "the address")
    other = visit.page
    assert other.locator(".ls-tab-own").count() == 0
    open_explorer(other, f"{base(other)}?state={word(page)}")
    eventually(lambda: "never run on a server" in notice(other), "why it does not open")
    assert card(other, 1).is_visible()
