"""A page whose server is out of reach."""

from __future__ import annotations

import re
from typing import Any

import pytest

from browser.test_explorer import card
from layerscope_explorer.strings import text
from served_explorer import Server, open_explorer
from waiting import eventually

pytestmark = pytest.mark.browser


def test_a_lost_connection_is_told_and_the_stack_comes_back(chromium: Any, server: Server) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sockets = []

    def through(socket: Any) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket(re.compile("/apps/ws"), through)
    open_explorer(page, server.url)
    cards = page.locator(".ls-card")
    count = cards.count()
    card(page, 1).locator(".ls-main").click()
    page.keyboard.press("d")
    eventually(lambda: cards.count() == count + 1, "a card more")
    eventually(lambda: "state=" in page.evaluate("location.href"), "the stack in the address")

    context.set_offline(True)
    sockets.pop().close()
    page.get_by_text(text("notice.lost")).wait_for()
    reload = page.locator(".ls-reload")
    assert reload.is_hidden()

    context.set_offline(False)
    page.get_by_text(text("notice.back")).wait_for()
    reload.click()
    page.get_by_text(text("notice.back")).wait_for(state="detached")
    eventually(lambda: cards.count() == count + 1, "the stack as it was")
    card(page, 1).locator(".ls-main").click()
    page.keyboard.press("Delete")
    eventually(lambda: cards.count() == count, "a page that works")
    context.close()
