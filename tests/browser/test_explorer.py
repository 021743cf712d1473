"""The served explorer, used as a person uses it."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from layerscope_explorer.presets import why_did_it_die
from layerscope_explorer.view_state import ViewState, to_address
from served_explorer import Arrive, Server, Visit, open_explorer, watch
from waiting import eventually

pytestmark = pytest.mark.browser


def card(page: Any, position: int) -> Any:
    return page.locator(".ls-card").nth(position)


def chips(page: Any) -> list[str]:
    return page.locator(".ls-card .ls-chip").all_inner_texts()


def select(page: Any, position: int) -> None:
    card(page, position).locator(".ls-main").click()
    name = card(page, position).locator(".ls-name").inner_text()
    shown = page.get_by_label("Inspector", exact=True).locator(".ls-subtitle")
    eventually(lambda: shown.inner_text() == name, f"{name} in the inspector")
    opened = page.locator(".ls-lens-card:not(.ls-closed) .ls-caption").last
    eventually(lambda: name in opened.inner_text(), f"{name} in the open lens")


def lens(page: Any, title: str) -> Any:
    return page.get_by_label(title, exact=True).first


def words(page: Any, title: str) -> str:
    """Return what a lens says in words."""
    return " ".join(lens(page, title).locator(".ls-caption").all_inner_texts())


def picture(page: Any, title: str) -> bytes:
    """Return what is drawn in a lens, as pixels."""
    return lens(page, title).locator("canvas").first.screenshot()


def set_number(page: Any, argument: str, value: str) -> None:
    box = page.locator(f".ls-arg-{argument} input:is(.ls-number, .ls-text)")
    box.fill(value)
    box.press("Enter")


def add_layer(page: Any, name: str) -> None:
    page.get_by_role("button", name="Add layer", exact=True).click()
    page.locator(".ls-palette .ls-search").fill(name)
    page.keyboard.press("Enter")


def pick(page: Any, argument: str, choice: str) -> None:
    """Choose in a picker with drawings."""
    place = page.locator(f".ls-arg-{argument}").first
    place.locator(".ls-picker").click()
    place.locator(f".ls-option[data-name='{choice}']").click()


def open_lens(page: Any, name: str) -> None:
    page.locator(f".ls-tab-{name}").click()


def status(page: Any) -> str:
    return page.locator(".ls-status .ls-sentence").inner_text()


def test_opens_with_a_signal_that_dies(visit: Visit) -> None:
    page = visit.page
    assert chips(page) == [*["64"] * 9, "10"]
    said = words(page, "Signal")
    assert re.search(r"from 0\.99\d at input", said), said
    bad = page.locator('.ls-card[data-health="bad"]').count()
    assert bad >= 3
    assert status(page)


def test_add_move_duplicate_remove_and_undo(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    add_layer(page, "drop")
    eventually(lambda: len(chips(page)) == 6, "a sixth card")
    assert "Dropout" in card(page, 5).inner_text()
    card(page, 5).locator(".ls-main").press("Alt+ArrowUp")
    eventually(lambda: "Dropout" in card(page, 4).inner_text(), "Dropout one place up")
    card(page, 4).locator(".ls-main").press("d")
    eventually(lambda: len(chips(page)) == 7, "its copy")
    card(page, 5).locator(".ls-main").press("Delete")
    eventually(lambda: len(chips(page)) == 6, "the copy gone")
    page.keyboard.press("Control+z")
    eventually(lambda: len(chips(page)) == 7, "the copy back")


@pytest.mark.slow
def test_drag_reorders(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    grip = card(page, 4).locator(".ls-grip").bounding_box()
    target = card(page, 3).bounding_box()
    page.mouse.move(grip["x"] + 5, grip["y"] + 10)
    page.mouse.down()
    page.mouse.move(grip["x"] + 5, target["y"] + 5, steps=8)
    page.mouse.up()
    eventually(lambda: "10 units" in card(page, 3).inner_text(), "the last layer above the fourth")


def test_changing_units_and_activation_shows_at_once(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    select(page, 3)
    before = picture(page, "Weights")
    set_number(page, "units", "24")
    eventually(lambda: chips(page)[3] == "24", "the shape chip")
    assert "3,480" in card(page, 3).inner_text().replace("\u2009", ",")
    eventually(lambda: picture(page, "Weights") != before, "another histogram")
    open_lens(page, "activation")
    eventually(lambda: "relu" in words(page, "Activation"), "the activation")
    before = picture(page, "Activation")
    pick(page, "activation", "tanh")
    eventually(lambda: "tanh" in card(page, 3).inner_text(), "tanh on the card")
    eventually(lambda: picture(page, "Activation") != before, "another curve")
    eventually(lambda: "tanh" in words(page, "Activation"), "tanh in words")


@pytest.mark.slow
def test_a_number_is_chosen_in_the_output_and_followed_to_where_it_comes_from(
    arrive: Arrive,
) -> None:
    page = arrive("?demo=digits")
    select(page, 3)
    open_lens(page, "math")
    eventually(lambda: "sum of 144 products" in words(page, "Math"), "a number worked out")
    output = lens(page, "Math").locator("canvas").first
    box = output.bounding_box()
    output.click(position={"x": 4.5 / 64 * box["width"], "y": box["height"] / 2})
    eventually(lambda: "dense[4] is" in words(page, "Math"), "the fifth number of 64")
    assert "132 more" in lens(page, "Math").locator(".ls-calculation").inner_text()
    first = lens(page, "Math").locator(".ls-follow").first
    name = first.inner_text()
    assert name.startswith("flatten[")
    first.click()
    eventually(lambda: f"{name} is max_pooling2d[" in words(page, "Math"), "where it comes from")


def test_initializer_regularizer_and_constraint_can_be_picked(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    select(page, 3)
    pick(page, "kernel_initializer", "RandomNormal")
    eventually(lambda: "RandomNormal" in words(page, "Weights"), "its density")
    for group, argument, choice in (
        ("Regularizers", "kernel_regularizer", "L2"),
        ("Constraints", "kernel_constraint", "MaxNorm"),
    ):
        page.locator(".ls-group-label", has_text=group).first.click()
        pick(page, argument, choice)
        eventually(
            lambda argument=argument: (
                "ls-changed"
                in (page.locator(f".ls-arg-{argument}").first.get_attribute("class") or "")
            ),
            f"{argument} marked as changed",
        )


def test_a_wrong_shape_names_the_guilty_layer_and_leaves_the_rest_alive(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    select(page, 0)
    set_number(page, "kernel_size", "9, 9")
    eventually(lambda: "does not fit" in status(page), "the explanation")
    assert "conv2d" in status(page)
    complaint = page.locator(".ls-arg-kernel_size .ls-error")
    eventually(lambda: "does not fit" in complaint.inner_text(), "the same at the argument")
    # Cards below keep their settings; the one at fault is still editable.
    assert "64 units" in card(page, 3).inner_text()
    set_number(page, "kernel_size", "3, 3")
    eventually(lambda: chips(page)[0] == "6 × 6 × 16", "everything well again")
    # A value no layer could take never reaches the stack.
    set_number(page, "filters", "-1")
    error = page.locator(".ls-arg-filters .ls-error")
    eventually(lambda: "strictly positive" in error.inner_text(), "why it is refused")
    assert chips(page)[0] == "6 × 6 × 16"


def train(page: Any, epochs: int) -> Any:
    """Begin a training; return the words that say how far it is."""
    open_lens(page, "train")
    set_number(page, "epochs", str(epochs))
    page.locator(".ls-train").click()
    return page.locator(".ls-transport .ls-words")


def test_training_moves_the_pictures_pauses_and_goes_on(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    select(page, 3)
    untrained = picture(page, "Signal")
    progress = train(page, 400)  # more than any machine trains before the pause
    eventually(lambda: "poch 2" in progress.inner_text(), "the second epoch")
    eventually(lambda: picture(page, "Signal") != untrained, "the signal changing")
    page.get_by_role("button", name="Pause", exact=True).click()
    eventually(lambda: "aused" in progress.inner_text(), "the pause")
    time.sleep(0.3)  # the step that was running may still be shown
    held = progress.inner_text()
    time.sleep(0.5)
    assert progress.inner_text() == held
    page.get_by_role("button", name="Resume", exact=True).click()
    eventually(lambda: progress.inner_text() != held, "training going on")
    page.locator(".ls-reset").click()


@pytest.mark.slow
def test_training_ends_with_a_lower_loss(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    progress = train(page, 30)
    eventually(lambda: "inished" in progress.inner_text(), "the end", 180)
    losses = re.compile(r"loss went from ([\d.]+) to ([\d.]+)")
    eventually(lambda: losses.search(words(page, "Train")) is not None, "what training did")
    first, last = map(float, losses.findall(words(page, "Train"))[0])
    assert last < 0.5 * first


@pytest.mark.slow
def test_reset_forgets_a_training_that_runs(arrive: Arrive) -> None:
    page = arrive("?demo=digits")
    open_lens(page, "train")
    page.locator(".ls-arg-epochs input.ls-number").fill("400")
    page.locator(".ls-arg-epochs input.ls-number").press("Enter")
    page.locator(".ls-train").click()
    progress = page.locator(".ls-transport .ls-words")
    eventually(lambda: "of 400" in progress.inner_text(), "training")
    page.locator(".ls-reset").click()
    eventually(lambda: "Not trained" in progress.inner_text(), "nothing learned any more")


@pytest.mark.slow
def test_another_session_stays_responsive_while_one_trains(
    arrive: Arrive, chromium: Any, server: Server
) -> None:
    page = arrive("?demo=digits")
    progress = train(page, 400)
    eventually(lambda: "of 400" in progress.inner_text(), "training")
    other = watch(chromium.new_page(viewport={"width": 1440, "height": 900}))
    try:
        open_explorer(other.page, f"{server.url}?demo=digits")
        select(other.page, 3)
        for units in ("20", "30", "40"):
            set_number(other.page, "units", units)
            eventually(lambda units=units: chips(other.page)[3] == units, "the other's edit")
        assert other.problems == []
        assert "of 400" in progress.inner_text()
        assert chips(page)[3] == "64"
    finally:
        other.page.close()
        page.locator(".ls-train").click()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_nothing_overflows_sideways(chromium: Any, server: Server, width: int, height: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": height})
    visit = watch(page)
    try:
        open_explorer(page, server.url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.problems == []
        assert visit.foreign == []
    finally:
        page.close()


def test_theme_toggle_recolours_the_page(visit: Visit) -> None:
    page = visit.page

    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = background()
    page.get_by_role("button", name="Toggle theme").first.click()
    eventually(lambda: background() != light, "another background")


@pytest.mark.slow
def test_theme_is_remembered(visit: Visit) -> None:
    page = visit.page
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.get_by_role("button", name="Toggle theme").click()
    page.reload()
    assert page.evaluate(theme) == "dark"


@pytest.mark.slow
def test_axes_follow_the_theme(visit: Visit) -> None:
    page = visit.page

    def picture() -> str:
        return page.evaluate(FIRST_CANVAS)

    light = picture()
    page.get_by_role("button", name="Toggle theme").click()
    eventually(lambda: picture() != light, "numbers in another colour")


FIRST_CANVAS = """
() => Bokeh.index.query(view => view.model.type === "Figure").next().value
  .canvas_view.primary.canvas.toDataURL()
"""


def test_a_phone_shows_the_tab_that_is_open(chromium: Any, server: Server) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    watched = watch(page)
    state = to_address(ViewState(why_did_it_die(), lens="code"))
    open_explorer(page, f"{server.url}?state={state}")
    opened = page.locator(".ls-tab[aria-selected=true]")

    def seen() -> bool:
        box = opened.bounding_box()
        return box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390

    eventually(lambda: opened.get_attribute("data-name") == "code", "the lens of the address")
    eventually(seen, "its tab")
    page.keyboard.press("p")
    page.locator(".ls-compare").wait_for()
    eventually(seen, "its tab, where A and B are compared")
    opened.focus()
    page.keyboard.press("Home")
    eventually(lambda: opened.get_attribute("data-name") != "code", "another lens")
    eventually(seen, "the first tab")
    page.close()
    assert watched.problems == []
