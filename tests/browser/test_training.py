"""The Train lens, used as a person uses it: choose data, train, go back, bring a file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from browser.test_explorer import card, chips
from served_explorer import Arrive
from waiting import eventually

pytestmark = pytest.mark.browser


def train_lens(arrive: Arrive) -> Any:
    """Open the network for the digits, and the Train lens."""
    page = arrive("?demo=digits")
    page.locator(".ls-tab-train").click()
    page.locator(".ls-transport").wait_for()
    return page


def place(page: Any) -> str:
    return page.locator(".ls-transport .ls-place").inner_text()


def said(page: Any) -> str:
    return page.locator(".ls-training-panel .ls-caption").first.inner_text()


def pictures(page: Any) -> list[str]:
    """Return what the pictures of the lens are for a screen reader."""
    return page.locator(".ls-training-panel [role=img]").evaluate_all(
        "found => found.map(one => one.ariaLabel)"
    )


def choose(page: Any, option: str, value: str) -> None:
    page.locator(f".ls-training-panel .ls-arg-{option} select").select_option(value)


def only_dense(page: Any) -> None:
    """Take away what only images can go through: all before the Dense layers."""
    for left in (4, 3, 2):
        card(page, 0).locator(".ls-main").press("Delete")
        eventually(lambda left=left: len(chips(page)) == left, f"{left} cards")


def test_steps_are_taken_and_taken_back_and_looked_at_again(arrive: Arrive) -> None:
    page = train_lens(arrive)
    assert page.get_by_role("button", name="Step back", exact=True).is_disabled()
    step = page.get_by_role("button", name="Step", exact=True)
    for number in range(1, 4):
        step.click()
        eventually(lambda at=number: place(page) == f"Step {at} of {at}", f"step {number}")
    page.locator(".ls-lens-card .ls-caption").first.click()
    page.keyboard.press(".")
    eventually(lambda: place(page) == "Step 4 of 4", "a step by the keyboard")
    for number in (3, 2, 1):
        page.keyboard.press(",")
        eventually(lambda at=number: place(page) == f"Step {at} of 4", f"back at {number}")
    slider = page.get_by_role("slider", name="Step of training to look at")
    slider.focus()
    page.keyboard.press("End")
    eventually(lambda: place(page) == "Step 4 of 4", "the last step by the slider")
    assert slider.get_attribute("aria-valuetext") == "Step 4 of 4"
    page.get_by_role("button", name="Rewind", exact=True).click()
    eventually(lambda: place(page) == "Step 0 of 4", "the beginning")
    eventually(lambda: any("several steps" in one for one in pictures(page)), "ridges")


@pytest.mark.slow
def test_another_task_is_chosen_and_drawn(arrive: Arrive) -> None:
    page = train_lens(arrive)
    eventually(lambda: any("true classes" in one for one in pictures(page)), "confusion")
    only_dense(page)
    choose(page, "data", "spiral")
    eventually(lambda: any("pair of inputs" in one for one in pictures(page)), "a map")
    eventually(lambda: chips(page)[-1] == "2", "two classes")
    page.locator(".ls-train").click()
    eventually(lambda: "nished" in page.locator(".ls-transport .ls-words").inner_text(), "end", 180)
    eventually(lambda: "Of 250 samples kept for judging" in said(page), "how good it is")
    choose(page, "data", "ripple")
    eventually(lambda: any("over true" in one for one in pictures(page)), "predictions")
    assert not any("true classes" in one for one in pictures(page))
    losses = page.locator(".ls-training-panel .ls-arg-loss option")
    eventually(lambda: "LogCosh" in losses.all_inner_texts(), "losses for numbers")
    assert "CategoricalCrossentropy" not in losses.all_inner_texts()


@pytest.mark.slow
def test_an_edit_says_what_begins_anew(arrive: Arrive) -> None:
    page = train_lens(arrive)
    page.get_by_role("button", name="Step", exact=True).click()
    eventually(lambda: place(page) == "Step 1 of 1", "a step")
    page.locator(".ls-card").nth(3).locator(".ls-main").click()
    box = page.locator(".ls-arg-units input.ls-number")
    box.wait_for()
    box.fill("24")
    box.press("Enter")
    status = page.locator(".ls-status .ls-sentence")
    eventually(lambda: "start with new weights" in status.inner_text(), "the notice")
    assert "dense, dense_1" in status.inner_text()


def test_a_file_is_shown_before_it_is_used(arrive: Arrive) -> None:
    page = train_lens(arrive)
    only_dense(page)
    rows = "\n".join(f"{one % 3 + one / 200:.2f},{one % 7},n{one},{'abc'[one % 3]}"
                     for one in range(90))  # fmt: skip
    content = f"long,wide,note,kind\n{rows}".encode()
    file = {"name": "flowers.csv", "mimeType": "text/csv", "buffer": content}
    page.locator(".ls-data-file input[type=file]").set_input_files(file)
    preview = page.locator(".ls-data-file .ls-preview")
    eventually(lambda: "72 samples to learn from" in preview.inner_text(), "the preview")
    assert "left out: words" in preview.inner_text()
    assert "to be learned: 3 classes" in preview.inner_text()
    page.get_by_role("button", name="Use this data", exact=True).click()
    eventually(lambda: "flowers.csv" in page.locator(".ls-input").inner_text(), "the card")
    eventually(lambda: chips(page)[-1] == "3", "three classes")
    page.locator(".ls-train").click()
    eventually(lambda: "nished" in page.locator(".ls-transport .ls-words").inner_text(), "end", 180)
    eventually(lambda: "True" in said(page) or "Of 18 samples" in said(page), "how good it is")


@pytest.mark.slow
def test_a_file_that_cannot_be_used_says_why(arrive: Arrive) -> None:
    page = train_lens(arrive)
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}]), allow_pickle=True)
    complaint = page.locator(".ls-data-file .ls-said")
    for name, content, words in (
        ("objects.npy", stream.getvalue(), "only numbers"),
        ("words.csv", "größe\n1\n".encode("latin-1"), "UTF-8"),
        ("large.csv", b"1,2\n" * 1_100_000, "larger than 4 MB"),
    ):
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        page.locator(".ls-data-file input[type=file]").set_input_files(file)
        eventually(lambda words=words: words in complaint.inner_text(), words)
