"""The explorer in a real JupyterLab: the teaching notebooks, and a page that follows Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter import EMPTY, Notebook, errors_of, jupyter_lab, text_of, write_notebooks
from notebooks import NAMES
from served_explorer import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOTH = [f"{name}{ending}" for name in NAMES for ending in ("", "_zh")]

Opening = Callable[..., AbstractContextManager[Notebook]]

STACK = """
ls.utils.set_random_seed(1)
model = ls.Sequential([ls.Input((4,)), ls.layers.Dense(3, "tanh"), ls.layers.Dense(2)])
explorer = Explorer(model)
explorer
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jupyter")


@pytest.fixture(scope="module")
def lab(chromium: Any, folder: Path) -> Iterator[str]:
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    with jupyter_lab(folder) as url:
        yield url


@pytest.fixture
def opening(
    visiting: Callable[[], AbstractContextManager[Visit]], lab: str, folder: Path
) -> Opening:
    """Opens a notebook as it came for a block, and ends its kernel after it."""

    @contextmanager
    def open_notebook(name: str = EMPTY) -> Iterator[Notebook]:
        write_notebooks(folder)
        with visiting() as visit:
            notebook = Notebook(visit.page, lab, name)
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


@pytest.mark.parametrize("name", BOTH)
def test_a_notebook_runs_from_top_to_bottom(opening: Opening, name: str) -> None:
    with opening(name) as notebook:
        cells = notebook.run_all()
        assert errors_of(cells) == []
        assert all(cell["count"] for cell in cells)
        shown = sum("_exec.v0+json" in str(cell["outputs"]) for cell in cells)
        drawn = notebook.page.locator(".jp-OutputArea-output .bk-Canvas, .jp-OutputArea-output svg")
        eventually(notebook, lambda: drawn.count() >= shown, f"{shown} pictures")
        for blank in notebook.page.locator(".ls-lens-card:not(.ls-closed)").all():
            assert blank.locator(".ls-caption").first.inner_text() != ""


@pytest.mark.parametrize(
    ("name", "argument", "value", "code", "expected"),
    [
        ("3_activations", "units", "16", "explorer.model.layers[0].units", "16"),
        ("7_convolution_and_pooling", "filters", "4", "explorer.model.layers[0].filters", "4"),
        ("8_recurrence", "units", "6", "explorer.model.output_shape", "(None, 40, 6)"),
    ],
)
def test_widgets_of_a_notebook(
    opening: Opening, name: str, argument: str, value: str, code: str, expected: str
) -> None:
    with opening(name) as notebook:
        notebook.run_all()
        explorer = explorer_of(notebook)
        before = notebook.page.locator(".ls-total").inner_text()
        set_number(explorer, argument, value)
        total = explorer.locator(".ls-total")
        eventually(notebook, lambda: total.inner_text() != before, "another number of parameters")
        assert text_of(notebook.append(code)) == expected
        explorer.locator(".ls-bar button").first.click()
        eventually(notebook, lambda: total.inner_text() == before, "as before")


def test_restart_and_run_all(opening: Opening) -> None:
    with opening("3_activations") as notebook:
        notebook.run_all()
        explorer_of(notebook)
        assert errors_of(notebook.restart_and_run_all()) == []
        explorer = explorer_of(notebook)
        set_number(explorer, "units", "7")
        eventually(notebook, lambda: chip(explorer, 0) == "7", "seven units on the card")
        assert text_of(notebook.append("explorer.model.layers[0].units")) == "7"


def test_a_page_that_is_closed_and_opened_again(opening: Opening) -> None:
    with opening() as notebook:
        notebook.run_all()
        notebook.append(STACK)
        set_number(explorer_of(notebook), "units", "5")
        notebook.append("explorer.model.layers[0].units")
        notebook.command("docmanager:save")
        notebook.page.wait_for_timeout(1000)
        notebook.open_again()
        assert text_of(notebook.append("explorer.model.layers[0].units")) == "5"
        assert errors_of([notebook.append("explorer")]) == []
        explorer = explorer_of(notebook, -1)
        assert chip(explorer, 0) == "5"
        set_number(explorer, "units", "6")
        eventually(notebook, lambda: chip(explorer, 0) == "6", "six units on the card")
        assert text_of(notebook.append("explorer.model.layers[0].units")) == "6"


def test_two_explorers_of_one_model(opening: Opening) -> None:
    with opening() as notebook:
        notebook.run_all()
        notebook.append(STACK)
        notebook.append("other = Explorer(model)\nother")
        first, second = explorer_of(notebook, 0), explorer_of(notebook, 1)
        notebook.append("model.layers[0].kernel.assign(ls.ops.full((4, 3), 7.0))")
        for explorer in (first, second):
            eventually(
                notebook,
                lambda explorer=explorer: "12 values measure 0" in says(explorer, "Weights"),
                "that all weights are alike",
            )


def test_the_stop_button_leaves_a_usable_model(opening: Opening) -> None:
    with opening() as notebook:
        notebook.run_all()
        notebook.append(STACK)
        code = """
model.compile("sgd", "mse")
x, y = ls.ops.ones((64, 4)), ls.ops.ones((64, 2))
history = explorer.fit(x, y, batch_size=8, epochs=10_000_000)
print("went on", len(model.fit(x, y, verbose=0).history["loss"]))
"""
        notebook.start(code)
        shown = notebook.page.locator(".jp-OutputArea-output svg").first
        shown.wait_for(timeout=20_000)
        notebook.page.wait_for_timeout(500)
        notebook.command("notebook:interrupt-kernel")
        cell = notebook.finished(0)
        assert errors_of([cell]) == []
        assert "went on 1" in text_of(cell)


def test_twenty_explorers(opening: Opening) -> None:
    with opening() as notebook:
        notebook.run_all()
        notebook.append(STACK)
        explorer_of(notebook)
        resident = "int(open('/proc/self/statm').read().split()[1]) // 256"
        before = int(text_of(notebook.append(resident)))
        made = "kept = [Explorer(model) for _ in range(19)]\nfor one in kept: display(one)"
        assert errors_of([notebook.append(made, timeout=200)]) == []
        explorer = explorer_of(notebook, 19)
        each = (int(text_of(notebook.append(resident))) - before) / 19
        print(f"{each:.1f} MB of the kernel for each explorer")
        assert each < 20
        set_number(explorer, "units", "5")
        eventually(notebook, lambda: chip(explorer, 0) == "5", "five units on the card")
        assert text_of(notebook.append("kept[-1].model.layers[0].units")) == "5"


def test_notebook_7(visiting: Callable[[], AbstractContextManager[Visit]], tmp_path: Path) -> None:
    with jupyter_lab(tmp_path, "notebook") as url, visiting() as visit:
        notebook = Notebook(visit.page, url, "3_activations", "notebook")
        assert errors_of(notebook.run_all()) == []
        explorer = explorer_of(notebook)
        set_number(explorer, "units", "5")
        eventually(notebook, lambda: chip(explorer, 0) == "5", "five units on the card")
        assert text_of(notebook.append("explorer.model.layers[0].units")) == "5"
        notebook.end()
        # What Notebook 7.6 complains of when it loads its own settings.
        visit.problems[:] = [one for one in visit.problems if "reading 'schema'" not in one]
