"""The teaching notebooks run, ask before they tell, and check their readers' answers."""

from __future__ import annotations

import ast
import re

import pytest

from layerscope_explorer import Explorer
from notebooks import FOLDER, NAMES, cells, run, solved, source

HAN = re.compile(r"[\u4e00-\u9fff]")
BOTH = [f"{name}{ending}" for name in NAMES for ending in ("", "_zh")]


def test_there_is_one_for_each_section() -> None:
    assert len(NAMES) == 9
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(BOTH)


@pytest.mark.parametrize("name", BOTH)
def test_it_asks_first_and_stores_nothing(name: str) -> None:
    words = [source(cell) for cell in cells(name, "markdown")]
    assert re.search(r"\*\*[^*]+[?？]", words[0])
    for heading in (
        ("## 预测", "## 练习") if name.endswith("_zh") else ("## Predict", "## Exercise")
    ):
        assert sum(heading in one for one in words) == 1
    code = cells(name, "code")
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("solution" in cell["metadata"].get("layerscope", {}) for cell in code) == 1
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 20_000


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_checks_its_exercise(name: str) -> None:
    ran = run([source(cell) for cell in cells(name, "code")])
    assert "Not yet" in ran.printed.splitlines()[-1]
    assert "guess" in ran.printed
    assert "Right!" in run(solved(name)).printed.splitlines()[-1]
    for shown in ran.shown:
        if isinstance(shown, Explorer):
            shown.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_chinese_one_has_the_same_code(name: str) -> None:
    ours, theirs = cells(name), cells(f"{name}_zh")
    assert [one["cell_type"] for one in ours] == [one["cell_type"] for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        if one["cell_type"] == "code":
            assert without_strings(source(one)) == without_strings(source(other))
        else:
            assert HAN.search(source(other))
            assert not HAN.search(source(one))
    spoken = re.findall(r'language="(\w+)"', "".join(source(cell) for cell in theirs))
    assert set(spoken) <= {"zh"}


def without_strings(code: str) -> str:
    """Return code with every string blank, which is all that may be translated."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        elif isinstance(node, ast.JoinedStr):
            node.values = [one for one in node.values if not isinstance(one, ast.Constant)]
    return ast.dump(tree)


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"{name}_zh" for name in NAMES])
def test_the_chinese_one_checks_its_exercise(name: str) -> None:
    assert "还不对" in run([source(one) for one in cells(name, "code")]).printed.splitlines()[-1]
    assert "正确" in run(solved(name)).printed.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_a_kernel_runs_it(name: str) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    client = pytest.importorskip("nbclient", reason="nbclient is not installed")
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", 4)
    client.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


def test_panel_serves_one() -> None:
    pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    from bokeh.application import Application
    from panel.io.handlers import NotebookHandler

    handler = NotebookHandler(filename=str(FOLDER / "3_activations.ipynb"))
    document = Application(handler).create_document()
    assert not handler.failed, handler.error_detail
    assert document.roots or document.template is not None
