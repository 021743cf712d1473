"""Every layer of the catalogue, added in the browser by hand: a form and the right shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.components.stack import rows_of
from layerscope_explorer.document import Document
from layerscope_explorer.edits import set_input
from layerscope_explorer.session import Session
from served_explorer import Arrive

pytestmark = pytest.mark.browser

#: Inputs that suit the layers, by the number of axes of their examples' input.
INPUTS: dict[str, dict[str, Any]] = {
    "tokens": {"data": "tokens", "shape": [12]},
    "vector": {"data": "noise", "shape": [12]},
    "sequence": {"data": "waves", "shape": [12, 4]},
    "image": {"data": "noise", "shape": [8, 8, 3]},
    "volume": {"data": "noise", "shape": [4, 6, 6, 2]},
}
_BY_RANK = {1: "vector", 2: "vector", 3: "sequence", 4: "image", 5: "volume", 6: "volume"}


def input_for(cls: Any) -> str:
    """Return the name of the input that a layer's first example asks for."""
    example = cls.examples[0]
    if example.integers is not None:
        return "tokens"
    shape = example.input_shape
    first = shape[0] if isinstance(shape, list) else shape
    return _BY_RANK[len(first)]


def layers_of(kind: str) -> list[str]:
    """Return the layers that are tried on an input."""
    classes = layerscope_catalogue().layers
    return [name for name, cls in classes.items() if input_for(cls) == kind]


def expected_rows(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each layer with the card it should have."""
    session = Session(start=set_input(Document(), INPUTS[kind]))
    for name in layers_of(kind):
        session.add_layer(name)
        yield name, rows_of(session.snapshot)[0]
        session.undo()


def choose_input(page: Any, kind: str) -> None:
    """Set the data and its shape in the input's own form."""
    page.locator(".ls-input").click()
    page.locator(".ls-arg-data select").select_option(INPUTS[kind]["data"])
    shape = page.locator(".ls-arg-shape .ls-text")
    shape.fill(", ".join(map(str, INPUTS[kind]["shape"])))
    shown = " × ".join(map(str, INPUTS[kind]["shape"]))
    page.locator(".ls-input .ls-chip", has_text=shown).wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
def test_every_layer_can_be_added_and_opens_its_form(arrive: Arrive, kind: str) -> None:
    page = arrive("?demo=empty")
    choose_input(page, kind)
    card = page.locator(".ls-card")
    for name, row in expected_rows(kind):
        page.get_by_role("button", name="Add layer", exact=True).click()
        page.locator(".ls-palette .ls-search").fill(name)
        page.keyboard.press("Enter")
        card.locator(".ls-chip", has_text=row["shape"]).wait_for()
        assert card.locator(".ls-kind").inner_text() == name
        assert card.locator(".ls-chip").inner_text() == row["shape"], name
        assert card.locator(".ls-params").inner_text() == row["params"], name
        title = page.locator(".ls-form .ls-title", has_text=name).first
        title.wait_for()
        assert page.locator(".ls-inspector .ls-field").count() >= 1, name
        card.locator(".ls-main").press("Control+z")
        card.wait_for(state="detached")
