"""A beside B, and sixteen seeds, as a person uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from browser.test_explorer import set_number
from served_explorer import Arrive, Visit
from waiting import eventually

pytestmark = pytest.mark.browser


def names(page: Any) -> list[str]:
    return page.locator(".ls-difference-name").all_inner_texts()


def test_a_is_pinned_compared_taken_back_and_swapped_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.locator(".ls-card").nth(1).locator(".ls-main").click()
    alone = page.get_by_label("Signal", exact=True).locator("canvas").first.screenshot()
    page.keyboard.press("p")
    page.locator(".ls-pin[aria-pressed=true]").wait_for()
    page.get_by_text("B does not differ from A yet.").wait_for()
    set_number(page, "units", "32")
    page.locator(".ls-difference").wait_for()
    assert names(page) == ["dense: units"]
    assert page.locator(".ls-difference-change").inner_text() == "64 → 32"
    page.get_by_text("In A: Forward").first.wait_for()
    signal = page.get_by_label("Signal", exact=True)
    eventually(lambda: signal.locator("canvas").first.screenshot() != alone, "A in the picture")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.locator(".ls-difference-change", has_text="32 → 64").wait_for()
    chip = page.locator(".ls-card").nth(1).locator(".ls-chip")
    chip.filter(has_text="64").wait_for()
    page.keyboard.press("Control+z")
    page.locator(".ls-difference-change", has_text="64 → 32").wait_for()
    page.locator(".ls-revert").focus()
    page.keyboard.press("Enter")
    page.locator(".ls-difference").wait_for(state="detached")
    chip.filter(has_text="64").wait_for()
    page.keyboard.press("Control+z")
    page.locator(".ls-difference").wait_for()
    page.locator(".ls-unpin").click()
    page.locator(".ls-compare").wait_for(state="detached")
    page.locator(".ls-pin[aria-pressed=false]").wait_for()
    eventually(lambda: "In A" not in signal.inner_text(), "A gone")


@pytest.mark.slow
def test_many_chips_go_back_one_after_another(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("p")
    page.locator(".ls-compare").wait_for()
    page.locator(".ls-status .ls-cure").click()
    page.locator(".ls-difference").nth(7).wait_for()
    page.locator(".ls-revert").first.focus()
    for left in (7, 6, 5):
        page.keyboard.press("Enter")
        page.get_by_text(f"B differs from A in {left} settings.").wait_for()
    assert names(page)[0] == "dense_3: kernel_initializer"


@pytest.mark.slow
def test_sixteen_seeds_in_one_click(visit: Visit) -> None:
    page = visit.page
    page.locator(".ls-topbar .ls-sweep").click()
    page.locator(".ls-tile[data-seed='15']").wait_for()
    assert page.locator(".ls-tile[data-seed]").count() == 16
    page.locator(".ls-sweep .ls-again").wait_for()
    said = page.locator(".ls-sweep-words").inner_text()
    assert re.fullmatch(r"Over 16 seeds .* median [\d.e-]+\.", said), said
    page.locator(".ls-tile[data-seed='5']").click()
    page.locator(".ls-tile[data-seed='5'][aria-current=true]").wait_for()
    eventually(lambda: page.locator(".ls-seed-input").input_value() == "5", "the tile's seed")
    page.keyboard.press("Control+z")
    page.locator(".ls-tile[data-seed='0'][aria-current=true]").wait_for()
    page.locator(".ls-sweep .ls-close").click()
    page.locator(".ls-tile").first.wait_for(state="detached")


@pytest.mark.slow
def test_a_sweep_shows_how_far_it_is_and_stops(arrive: Arrive) -> None:
    # Long enough to be stopped.
    page = arrive("?demo=digits")
    page.locator(".ls-card").first.locator(".ls-main").click()
    set_number(page, "filters", "200")
    page.locator(".ls-card .ls-chip", has_text="200").first.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    # Several may be done between two looks.
    page.locator(".ls-sweep-progress", has_text=re.compile(r"[1-9]\d? of 16 seeds")).wait_for()
    page.locator(".ls-sweep .ls-stop").click()
    page.locator(".ls-sweep .ls-again").wait_for()
    assert 0 < page.locator(".ls-tile[data-seed]").count() < 16
