"""The teaching notebooks, run without a kernel: their code cells, one after the other."""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "apps" / "notebooks"
#: Name of each notebook, without its ending.
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb") if not path.stem.endswith("_zh"))


@dataclass(frozen=True)
class Ran:
    """What came of a notebook's code: what was printed, and what each cell shows."""

    printed: str
    shown: list[Any]


def cells(name: str, kind: str = "") -> list[dict[str, Any]]:
    """Return a notebook's cells, of one kind or all."""
    found = json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))["cells"]
    return [one for one in found if kind in ("", one["cell_type"])]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def solved(name: str) -> list[str]:
    """Return a notebook's code with the solution in place of what an exercise begins with."""
    return [
        "".join(one["metadata"].get("layerscope", {}).get("solution", one["source"]))
        for one in cells(name, "code")
    ]


def run(code: list[str]) -> Ran:
    """Run code cells as a kernel does, and return what comes of them."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed, shown = io.StringIO(), []
    with redirect_stdout(printed):
        for number, one in enumerate(code):
            tree = ast.parse(one, f"<cell {number}>")
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, f"<cell {number}>", "exec"), names)
            if isinstance(last, ast.Expr):
                shown.append(
                    eval(compile(ast.Expression(last.value), f"<cell {number}>", "eval"), names)
                )
    return Ran(printed.getvalue(), shown)
