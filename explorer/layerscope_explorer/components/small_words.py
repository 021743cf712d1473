"""A line of small words inside a picture's column."""

from __future__ import annotations

from pathlib import Path

import param

from layerscope_explorer.components import stylesheets
from layerscope_explorer.components.component import Component

__all__ = ["SmallWords"]


class SmallWords(Component):
    """A muted sentence above a picture, set as text."""

    text_of = param.String(default="", doc="The words.")

    _esm = Path(__file__).with_name("small_words.js")
    _stylesheets = stylesheets("small_words")
