"""axe-core finds nothing serious on any lens, in the light and in the dark."""

from __future__ import annotations

from typing import Any

import pytest

from layerscope_explorer.lenses import LENSES
from served_explorer import Arrive, Visit, open_explorer

pytestmark = pytest.mark.browser

WORST = ("serious", "critical")
#: Milliseconds after which a card that is dimmed, or no more, looks as it will.
FADES = 400
THEMES = ["light", "dark"]


def violations(page: Any) -> list[str]:
    """Return what axe-core holds against a page, a line for each element."""
    # On a busy machine a card may be dimmed while axe-core looks: what stays is seen again.
    return _seen(page) and _seen(page)


def _seen(page: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    # What was asked for is there, and nothing dimmed or fading any more.
    page.wait_for_timeout(FADES)
    stale = page.locator(".ls-stale:visible")
    if stale.count():
        stale.first.wait_for(state="detached")
        page.wait_for_timeout(FADES)
    return [
        f"{found['impact']} {found['id']}: {node['target'][-1]} {node['html'][:120]}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in WORST
        for node in found["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_every_lens_can_be_read_by_everybody(visit: Visit, theme: str) -> None:
    page = visit.page
    if theme == "dark":
        page.get_by_role("button", name="Toggle theme").click()
    page.locator(".ls-card").nth(3).locator(".ls-main").click()
    found = {}
    for lens in [*(one.key for one in LENSES), "train"]:
        page.locator(f".ls-tab-{lens}").click()
        page.locator(f".ls-tab-{lens}[aria-selected='true']").wait_for()
        found[lens] = violations(page)
    assert found == {lens: [] for lens in found}


@pytest.mark.slow
def test_open_menus_too(visit: Visit) -> None:
    page = visit.page
    page.locator(".ls-add-last").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator(".ls-card").nth(3).locator(".ls-main").click()
    page.locator(".ls-arg-activation .ls-picker").click()
    assert violations(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("query", ["?lang=en", "?lang=zh"])
@pytest.mark.parametrize("theme", THEMES)
def test_a_and_b_the_seeds_and_the_keys_too(arrive: Arrive, theme: str, query: str) -> None:
    page = arrive(query, theme)
    page.keyboard.press("p")
    page.locator(".ls-compare").wait_for()
    page.locator(".ls-status .ls-cure").click()
    page.locator(".ls-difference").first.wait_for()
    page.keyboard.press("w")
    page.locator(".ls-tile[data-seed='15']").wait_for()
    page.keyboard.press("?")
    assert violations(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_menus_and_lessons_too(arrive: Arrive, theme: str) -> None:
    page = arrive("", theme)
    found = {}
    for key, menu in (("o", "open"), ("s", "share")):
        page.evaluate("document.activeElement?.blur()")
        page.keyboard.press(key)
        page.locator(f".ls-{menu}-menu .ls-panel").wait_for()
        if menu == "share":
            page.locator(".ls-teach > summary").click()
        found[menu] = violations(page)
        page.keyboard.press("Escape")
    open_explorer(page, page.url.partition("?")[0] + "?lesson=initializers")
    page.locator(".ls-answer").first.wait_for()
    found["question"] = violations(page)
    page.locator(".ls-answer").first.click()
    page.locator(".ls-because").wait_for()
    found["answer"] = violations(page)
    open_explorer(page, page.url.partition("?")[0] + "?demo=none-such")
    page.locator(".ls-page-notice").wait_for()
    found["notice"] = violations(page)
    assert found == {place: [] for place in found}


@pytest.mark.slow
def test_what_nobody_could_read_is_found(visit: Visit) -> None:
    visit.page.evaluate("document.querySelector('main, body').append(new Image(20, 20))")
    assert any("image-alt" in line for line in violations(visit.page))
