"""Three people's ways through the page, with the keyboard alone; axe-core looks where they end."""

from __future__ import annotations

from typing import Any

import pytest

from browser.test_accessibility import violations
from browser.test_explorer import card, chips, status
from browser.test_sharing import base
from served_explorer import Visit, open_explorer
from waiting import eventually

pytestmark = pytest.mark.browser

_FOCUSED = """selector => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  return Boolean(node?.matches?.(selector))
}"""
_OUTLINE = """() => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  const style = getComputedStyle(node)
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
}"""


@pytest.fixture
def page(visit: Visit) -> Any:
    """The page, without a mouse."""

    def no_mouse(*_: Any, **__: Any) -> None:
        raise AssertionError("This person has no mouse.")

    for name in ("click", "dblclick", "down", "up", "move", "wheel"):
        setattr(visit.page.mouse, name, no_mouse)
    return visit.page


def tab_to(page: Any, selector: str, *, back: bool = False, most: int = 120) -> None:
    """Press Tab until an element has the focus, and see that one can see it."""
    for _ in range(most):
        if page.evaluate(_FOCUSED, selector):
            assert page.evaluate(_OUTLINE), f"The focus on {selector} cannot be seen."
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{most} times Tab do not reach {selector}")


def test_a_student_finds_why_a_deep_tanh_net_dies(page: Any) -> None:
    assert "too small for tanh" in status(page)
    broken = page.locator(".ls-card[data-health='bad']")
    assert broken.count() > 0
    # The signal's picture in words, and in numbers.
    tab_to(page, ".ls-signal-card .ls-numbers summary, .ls-numbers summary")
    page.keyboard.press("Enter")
    table = page.locator(".ls-numbers table:visible").first
    eventually(lambda: "dense_7" in table.inner_text(), "the signal in numbers")
    # Which layer: down the stack, to the one that gives almost nothing.
    page.evaluate("document.activeElement.blur()")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    eventually(lambda: "ls-selected" in card(page, 5).get_attribute("class"), "the sixth card")
    page.keyboard.press("2")
    caption = page.locator(".ls-lens-place .ls-caption:visible").last
    eventually(lambda: "tanh" in caption.inner_text(), "the activation's data")
    tab_to(page, ".ls-cure")
    page.keyboard.press("Enter")
    eventually(lambda: "too small" not in status(page), "the cured status")
    eventually(lambda: broken.count() == 0, "healthy cards")
    assert violations(page) == []


def test_a_teacher_prepares_a_locked_lesson(page: Any, visiting: Any) -> None:
    page.keyboard.press("o")
    tab_to(page, ".ls-entry[data-name='dead-relu']")
    page.keyboard.press("Enter")
    eventually(lambda: len(chips(page)) == 6, "the demo")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("s")
    tab_to(page, ".ls-teach > summary")
    page.keyboard.press("Enter")
    tab_to(page, ".ls-words")
    page.keyboard.type("Wake the units of every layer.")
    tab_to(page, ".ls-goal")
    page.keyboard.type("most(dead) < 10 %")
    tab_to(page, ".ls-open")
    page.keyboard.press("ArrowDown")
    tab_to(page, ".ls-class-link")
    page.keyboard.press("Enter")
    panel = page.locator(".ls-share-menu .ls-panel")
    eventually(lambda: panel.get_attribute("data-copied") is not None, "a link")
    assert violations(page) == []

    with visiting() as visit:
        student = visit.page
        open_explorer(student, base(page) + panel.get_attribute("data-copied"))
        assert student.locator(".ls-say").inner_text() == "Wake the units of every layer."
        assert student.locator(".ls-seed-input").is_disabled()
        tab_to(student, ".ls-cure")
        student.keyboard.press("Enter")
        goal = student.locator(".ls-goal-state")
        eventually(lambda: "done" in goal.inner_text(), "the goal")
        assert violations(student) == []


def test_an_engineer_cures_dead_relus_and_copies_the_code(page: Any) -> None:
    page.keyboard.press("o")
    tab_to(page, ".ls-entry[data-name='dead-relu']")
    page.keyboard.press("Enter")
    eventually(lambda: len(chips(page)) == 6, "the stack")
    eventually(lambda: "dead" in status(page).lower(), "what is wrong")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("2")
    caption = page.locator(".ls-lens-place .ls-caption:visible").last
    eventually(lambda: "dead" in caption.inner_text(), "how much of it is dead")
    tab_to(page, ".ls-cure")
    page.keyboard.press("Enter")
    eventually(lambda: "dead" not in status(page).lower(), "the cured status")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("7")
    tab_to(page, ".ls-copy")
    page.keyboard.press("Enter")
    copied = page.locator(".ls-copy:visible")
    eventually(lambda: copied.inner_text() == "Copied", "that it was copied")
    code = page.locator(".ls-code-box pre:visible").inner_text()
    assert "keras.Sequential" in code
    assert "-2.0" not in code
    assert violations(page) == []
