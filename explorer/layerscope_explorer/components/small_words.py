"""A line of small words inside a picture's column."""

from __future__ import annotations

from pathlib import Path

import panel as pn
import param

from layerscope_explorer.components import stylesheets

__all__ = ["SmallWords"]


class SmallWords(pn.custom.JSComponent):
    """A muted sentence above a picture, set as text."""

    text_of = param.String(default="", doc="The words.")

    _esm = Path(__file__).with_name("small_words.js")
    _stylesheets = stylesheets("small_words")
