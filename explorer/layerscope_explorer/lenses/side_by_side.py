"""Pictures beside each other where there is room, below each other where there is not."""

from __future__ import annotations

from collections.abc import Sequence

import panel as pn

__all__ = ["SideBySide"]

_GRID = """
:host {
  display: grid !important;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));
  gap: 0 14px;
  width: 100%;
}
"""


class SideBySide(pn.Column):
    """A grid of columns of pictures that follows the width of the page.

    Parameters
    ----------
    columns
        What stands in each column, from top to bottom.
    """

    def __init__(self, *columns: Sequence[pn.viewable.Viewable]) -> None:
        super().__init__(
            *(
                pn.Column(*column, sizing_mode="stretch_width", margin=0, min_width=0)
                for column in columns
            ),
            stylesheets=[_GRID],
            sizing_mode="stretch_width",
            margin=0,
        )
