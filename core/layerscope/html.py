"""Tables and small pictures as HTML, for notebooks: what `_repr_html_` is made of."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT, _BINS = 90, 24, 30
_CELL = 'style="text-align:left;vertical-align:middle;padding:2px 10px"'


class Markup(str):
    """Text that is HTML already; all other text is escaped."""

    __slots__ = ()


def html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with a caption; cells that are not `Markup` are escaped."""
    head = "".join(f"<th {_CELL}>{_cell(one)}</th>" for one in header)
    body = "".join(
        f"<tr>{''.join(f'<td {_CELL}>{_cell(one)}</td>' for one in row)}</tr>" for row in rows
    )
    caption = f'<caption style="text-align:left;font-weight:bold">{_cell(title)}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    return text if isinstance(text, Markup) else escape(text)


def sparkline(values: np.ndarray) -> Markup:
    """Return the histogram of an array's finite values as a small picture.

    The picture takes the colour of the text around it, and is named by mean and spread.
    """
    finite = np.asarray(values, np.float64).reshape(-1)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return Markup("")
    low, high = float(finite.min()), float(finite.max())
    label = f"{low:.3g} … {high:.3g}, mean {finite.mean():.3g}, sd {finite.std():.3g}"
    if low == high or not np.isfinite(high - low):
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(finite, _BINS, (low, high))
    heights = np.repeat(_HEIGHT * (1.0 - counts / max(counts.max(), 1)), 2)
    places = np.repeat(np.linspace(0.0, _WIDTH, _BINS + 1), 2)[1:-1]
    outline = " ".join(f"{x:.4g},{y:.4g}" for x, y in zip(places, heights, strict=True))
    corners = f"0,{_HEIGHT} {outline} {_WIDTH},{_HEIGHT}"
    return Markup(
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>"
        f'<polygon points="{corners}" fill="currentColor" fill-opacity="0.45"/></svg>'
    )
