"""Every lesson, completed in the browser by hand; and none by doing nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from browser.test_explorer import add_layer, card, open_lens, pick, set_number
from layerscope_explorer.lesson import LANGUAGES
from layerscope_explorer.lessons import LESSONS, lesson
from layerscope_explorer.strings import speaking, text
from seldom import once
from served_explorer import Arrive
from waiting import eventually

pytestmark = pytest.mark.browser

Solution = Callable[[Any], None]


def click_card(page: Any, position: int) -> None:
    card(page, position).locator(".ls-main").click()
    name = card(page, position).locator(".ls-name").inner_text()
    shown = page.locator(".ls-inspector .ls-subtitle")
    eventually(lambda: shown.inner_text() == name, f"{name} in the inspector")


def insert(page: Any, before: int, name: str) -> None:
    """Add a layer before the card at a place."""
    count = page.locator(".ls-card").count()
    page.locator(".ls-slot").nth(before).locator(".ls-insert").focus()
    page.keyboard.press("Enter")
    page.locator(".ls-palette .ls-search").fill(name)
    page.keyboard.press("Enter")
    eventually(lambda: page.locator(".ls-card").count() == count + 1, "a card more")
    subtitle = page.locator(".ls-inspector .ls-title")
    eventually(lambda: name in " ".join(subtitle.all_inner_texts()), f"{name} in the inspector")


def everywhere(argument: str, name: str) -> Solution:
    def solve(page: Any) -> None:
        pick(page, argument, name)
        page.locator(f".ls-arg-{argument} .ls-everywhere").click()

    return solve


def own_function(page: Any) -> None:
    insert(page, 2, "Lambda")
    pick(page, "function", "tanh")


def factor(value: str) -> Solution:
    return lambda page: set_number(page, "kernel_regularizer-l1", value)


def max_norm(page: Any) -> None:
    pick(page, "kernel_constraint", "MaxNorm")
    open_lens(page, "train")
    page.locator(".ls-train").click()


def pool(page: Any) -> None:
    set_number(page, "pool_size", "3, 3")


def more_recurrence(page: Any) -> None:
    page.locator(".ls-add-last").click()
    page.locator(".ls-palette .ls-search").fill("GRU")
    page.keyboard.press("Enter")
    eventually(lambda: "GRU" in page.locator(".ls-inspector .ls-title").first.inner_text(), "GRU")
    set_number(page, "units", "4")


def residual(page: Any) -> None:
    insert(page, 4, "Add")
    source = page.locator(".ls-inspector .ls-select").first
    source.select_option("layer1")


SOLUTIONS: dict[str, tuple[Solution, ...]] = {
    "custom-layer": (own_function, lambda page: pick(page, "function", "sigmoid")),
    "activations": (lambda page: page.locator(".ls-status .ls-cure").click(),),
    "initializers": (
        everywhere("kernel_initializer", "GlorotNormal"),
        everywhere("kernel_initializer", "HeNormal"),
    ),
    "regularizers": (lambda page: pick(page, "kernel_regularizer", "L1"), factor("0.0003")),
    "constraints": (max_norm,),
    "convolution-and-pooling": (pool, lambda page: page.locator(".ls-fix").first.click()),
    "recurrence": (
        lambda page: page.locator(".ls-arg-return_sequences .ls-switch").click(),
        more_recurrence,
    ),
    "merge-and-shared-layers": (
        residual,
        lambda page: card(page, 1).locator(".ls-main").press("s"),
    ),
}


@pytest.mark.parametrize("language", once(LANGUAGES))
@pytest.mark.parametrize("name", once(LESSONS))
def test_a_lesson_is_completed(arrive: Arrive, name: str, language: str) -> None:
    page = arrive(f"?lesson={name}&lang={language}")
    steps = lesson(name).steps
    solutions = iter(SOLUTIONS[name])
    forward = page.locator(".ls-next")
    say = page.locator(".ls-say")
    for number, step in enumerate(steps, 1):
        eventually(lambda step=step: shown(say) == squeezed(step.say[language]), "the step's words")
        with speaking(language):
            position = text("lesson.position", step=number, steps=len(steps))
        assert page.locator(".ls-position").inner_text() == position
        assert forward.is_disabled()
        if step.ask is not None:
            page.locator(".ls-answer").nth(step.ask.right).click()
            page.locator(".ls-because").wait_for()
        if step.goal is not None:
            assert forward.is_disabled()
            next(solutions)(page)
            page.locator(".ls-goal-state.ls-reached").wait_for()
        eventually(forward.is_enabled, "the way on")
        forward.click()
    page.locator(".ls-lesson.ls-finished").wait_for()
    assert page.locator(".ls-spotlight:visible").count() == 0


def shown(node: Any) -> str:
    return squeezed(node.inner_text())


def squeezed(words: str) -> str:
    return re.sub(r"\s+", " ", words).strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_doing_nothing_completes_no_lesson(arrive: Arrive, name: str) -> None:
    page = arrive(f"?lesson={name}")
    page.locator(".ls-lesson").wait_for()
    page.wait_for_timeout(300)
    forward = page.locator(".ls-next")
    assert forward.is_disabled()
    # Also not by saying that the button was pressed.
    forward.evaluate("node => { node.disabled = false; node.click() }")
    page.wait_for_timeout(300)
    assert squeezed(lesson(name).steps[0].say["en"]) == shown(page.locator(".ls-say"))
    assert page.locator(".ls-finished").count() == 0


@pytest.mark.slow
def test_a_light_is_on_what_the_step_is_about(arrive: Arrive) -> None:
    page = arrive("?lesson=custom-layer")
    light = page.locator(".ls-spotlight").first
    eventually(light.is_visible, "a light")
    box, target = light.bounding_box(), card(page, 1).bounding_box()
    assert abs(box["x"] + 4 - target["x"]) < 2
    assert abs(box["y"] + 4 - target["y"]) < 2
    page.locator(".ls-leave").click()
    page.locator(".ls-lesson").wait_for(state="hidden")
    assert page.locator(".ls-spotlight").count() == 0
    add_layer(page, "Dropout")
    eventually(lambda: page.locator(".ls-card").count() == 4, "everything can be changed again")


@pytest.mark.slow
def test_the_next_lesson_follows(arrive: Arrive) -> None:
    page = arrive("?lesson=activations")
    page.locator(".ls-answer").nth(2).click()
    page.locator(".ls-next").click()
    page.locator(".ls-lesson .ls-hint").wait_for()
    page.locator(".ls-status .ls-cure").click()
    page.locator(".ls-goal-state.ls-reached").wait_for()
    page.locator(".ls-next").click()
    page.locator(".ls-lesson.ls-finished").wait_for()
    page.locator(".ls-next").click()
    title = page.locator(".ls-lesson-title")
    following = lesson("initializers").title["en"]
    eventually(lambda: title.inner_text() == following, "the next lesson")
