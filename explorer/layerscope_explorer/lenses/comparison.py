"""How every lens shows A beside B: an outline in the picture, and words that say so.

Nothing of it exists before a stack is pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from bokeh.plotting import figure
from numpy.typing import NDArray

from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.figure import empty_source, replace_data
from layerscope_explorer.snapshot import Histogram
from layerscope_explorer.strings import text
from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["COMPARED", "Outline", "both_rows", "both_sentences", "gapped", "of_a", "steps_of"]

COMPARED = PLOT_COLORS["compared"]

T = TypeVar("T")
Line = tuple[NDArray[Any], NDArray[Any]]
Rows = Sequence[tuple[str, str]]
NO_LINE: Line = (np.zeros(0), np.zeros(0))


class Outline:
    """The line of A in a picture; made when there is first something to draw.

    Parameters
    ----------
    picture
        Where it is drawn, above everything else.
    look
        Further properties of the line, such as `y_range_name`.
    """

    def __init__(self, picture: figure, **look: Any) -> None:
        self._figure, self._look = picture, look
        self.source: Any = None

    def show(self, line: Line) -> None:
        """Draw a line, or none where it is empty; to be called inside `redraw`."""
        x, y = line
        if self.source is None:
            if not len(x):
                return
            self.source = empty_source("x", "y")
            look = {"line_color": COMPARED, "line_width": 2, **self._look}
            self._figure.line("x", "y", source=self.source, **look)
        replace_data(self.source, {"x": x, "y": y})


def steps_of(histogram: Histogram | None, highest: float = np.inf) -> Line:
    """Return the outline of a histogram's bars, none of which is drawn above `highest`."""
    if histogram is None or not np.isfinite(histogram.mean):
        return NO_LINE
    x = np.repeat(histogram.edges.astype(np.float64), 2)
    y = np.zeros_like(x)
    y[1:-1] = np.repeat(np.minimum(histogram.counts, highest), 2)
    return x, y


def gapped(lines: Iterable[Line]) -> Line:
    """Return several lines as one that is interrupted between them."""
    gap = np.array([np.nan])
    parts = [part for line in lines if len(line[0]) for part in (line, (gap, gap))]
    if not parts:
        return NO_LINE
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def of_a(label: str = "", value: str = "") -> dict[str, str]:
    """Return the legend's entry for the outline of A."""
    return legend_entry("outline", COMPARED, label or text("compare.outline"), value)


def both_sentences(of_b: str, of_a: str) -> str:
    """Return what is said of B and, if it is not the same, of A."""
    if of_a == of_b:
        return f"{of_b} {text('compare.same')}"
    return f"{of_b} {text('compare.a_says', said=of_a)}"


def both_rows(table: Callable[[T], Rows], b: T, a: T | None) -> list[tuple[str, str]]:
    """Return the table of B, each number with that of A where A has one of this name.

    Parameters
    ----------
    table : returns the numbers of one of them.
    b, a : what it is given; None for nothing to compare with.
    """
    if a is None:
        return list(table(b))
    of_b, of_a = list(table(b)), list(table(a))
    if [name for name, _ in of_b] == [name for name, _ in of_a]:
        pairs = zip(of_b, of_a, strict=True)
        return [(name, text("compare.row", b=one, a=other)) for (name, one), (_, other) in pairs]
    known = dict(of_a)
    rows = [(name, text("compare.row", b=one, a=known.pop(name, "–"))) for name, one in of_b]
    return rows + [(name, text("compare.row", b="–", a=other)) for name, other in known.items()]
