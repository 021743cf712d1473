"""The explorer in a real JupyterLab: the teaching notebooks, and a page that follows Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from jupyter import EMPTY, Notebook, errors_of, jupyter_lab, text_of
from notebooks import NAMES
from served_explorer import Visit

pytestmark = pytest.mark.browser

Opening = Callable[..., AbstractContextManager[Notebook]]

STACK = """
ls.utils.set_random_seed(1)
model = ls.Sequential([ls.Input((4,)), ls.layers.Dense(3, "tanh"), ls.layers.Dense(2)])
explorer = Explorer(model)
explorer
"""


@pytest.fixture(scope="module")
def lab(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    with jupyter_lab(tmp_path_factory.mktemp("jupyter")) as url:
        yield url


@pytest.fixture
def opening(visiting: Callable[[], AbstractContextManager[Visit]], lab: str) -> Opening:
    """Opens a notebook for a block, and ends its kernel after it."""

    @contextmanager
    def open_notebook(name: str = EMPTY, application: str = "lab") -> Iterator[Notebook]:
        with visiting() as visit:
            notebook = Notebook(visit.page, lab, name, application)
            yield notebook
            notebook.end()

    return open_notebook


def explorer_of(notebook: Notebook, number: int = 0) -> Any:
    """Return an explorer's place in the page, once it is there."""
    found = notebook.page.locator(".jp-OutputArea-output").filter(
        has=notebook.page.locator(".ls-input")
    )
    found.nth(number).locator(".ls-field").first.wait_for(timeout=60_000)
    return found.nth(number)


def set_number(explorer: Any, argument: str, value: str) -> None:
    box = explorer.locator(f".ls-arg-{argument} input:is(.ls-number, .ls-text)")
    box.fill(value)
    box.press("Enter")


def eventually(notebook: Notebook, holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds, while the page goes on."""
    for _ in range(200):
        if holds():
            return
        notebook.page.wait_for_timeout(100)
    raise AssertionError(f"Not within 20 s: {what}")


def chip(explorer: Any, position: int) -> str:
    return explorer.locator(".ls-card .ls-chip").nth(position).inner_text()


def says(explorer: Any, lens: str) -> str:
    """Return what a lens says in words."""
    captions = explorer.get_by_label(lens, exact=True).first.locator(".ls-caption")
    return " ".join(captions.all_inner_texts())


def test_page_and_python_follow_each_other(opening: Opening) -> None:
    with opening() as notebook:
        notebook.run_all()
        assert errors_of([notebook.append(STACK)]) == []
        explorer = explorer_of(notebook)
        set_number(explorer, "units", "5")
        eventually(notebook, lambda: chip(explorer, 0) == "5", "five units on the card")
        assert text_of(notebook.append("explorer.model.layers[0].kernel.shape")) == "(4, 5)"
        notebook.append("explorer.model.layers[0].kernel.assign(ls.ops.full((4, 5), 7.0))")
        eventually(
            notebook,
            lambda: "these 20 values measure 0" in says(explorer, "Weights"),
            "that all weights are alike",
        )
        notebook.append("explorer.model.layers[1].activation = ls.activations.relu")
        eventually(
            notebook,
            lambda: "relu" in explorer.locator(".ls-card").nth(1).inner_text(),
            "relu on the second card",
        )
        notebook.append("explorer.model.add(ls.layers.Dense(6))")
        eventually(notebook, lambda: explorer.locator(".ls-card").count() == 3, "a third card")
        assert chip(explorer, 2) == "6"
