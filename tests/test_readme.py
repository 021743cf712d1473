"""The README's own code runs and does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
HEADLESS, PLOTS, CELL, CUSTOM = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_headless_example_learns_the_digits(capsys: pytest.CaptureFixture[str]) -> None:
    exec(HEADLESS, {})
    last = capsys.readouterr().out.splitlines()[-1]
    found = re.search(r"'accuracy': ([\d.]+)", last)
    assert found, last
    assert float(found[1]) > 0.92


def test_the_headless_example_is_short() -> None:
    lines = [line for line in HEADLESS.splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_plots_are_one_picture() -> None:
    *imports, last = PLOTS.strip().splitlines()
    scope: dict[str, object] = {}
    exec("\n".join(imports), scope)
    assert len(eval(last, scope)) == 2


def test_the_explorer_of_a_cell_follows() -> None:
    *lines, last = CELL.strip().splitlines()
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    explorer = eval(last, scope)
    explorer.sync()
    assert explorer._session.snapshot.layers[1].weights[0].histogram.mean == 1.0


def test_the_custom_layer_learns_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    exec(CUSTOM, {})
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d*", capsys.readouterr().out)]
    assert numbers[-4:] == pytest.approx([1.0, -2.0, 0.5, 3.0], abs=0.02)


def test_everything_it_points_to_exists() -> None:
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (root / target).exists(), target
