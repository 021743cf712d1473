"""The words around a lens's picture: what it shows, its legend and the numbers as a table."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import param

from layerscope_explorer.components import with_dom
from layerscope_explorer.components.component import Component

__all__ = ["Caption", "NumbersTable", "legend_entry"]

_HERE = Path(__file__).parent
_CSS = (_HERE / "caption.css").read_text(encoding="utf-8")


def legend_entry(mark: str, color: str, label: str, value: str = "") -> dict[str, str]:
    """Return one legend entry.

    Parameters
    ----------
    mark
        How the picture draws it: "fill", "outline", "line", "dash", "upright", "span" or
        "dot".
    color
        A CSS colour, the same as in the picture.
    label, value
        What it is, and its number if it has one.
    """
    return {"mark": mark, "color": color, "label": label, "value": value}


class Caption(Component):
    """Subject, choice of subject, one sentence and the legend, above a picture."""

    # One parameter for all of it: each parameter costs the server a fifth of a millisecond.
    content = param.Dict(
        default={}, doc="subject, detail, sentence, tone, legend, choices, choices_label, choice."
    )
    choice = param.String(doc="What a person chose among the choices.")
    stale = param.Boolean(default=False, doc="Whether the card is dimmed: newer work is under way.")

    _from_browser = frozenset({"choice"})
    _esm = with_dom(_HERE / "caption.js")
    _stylesheets: ClassVar[list[str]] = [_CSS]


class NumbersTable(Component):
    """The picture as a table: its text twin, folded away below it and filled when opened."""

    label = param.String(doc="What the table holds.")
    available = param.Boolean(default=False, doc="Whether there is anything to tell.")
    opened = param.Boolean(default=False, doc="Whether it is unfolded.")
    rows = param.List(item_type=tuple, doc="Pairs of what and how much.")

    _from_browser = frozenset({"opened"})
    _esm = _HERE / "numbers_table.js"
    _stylesheets: ClassVar[list[str]] = [_CSS]
