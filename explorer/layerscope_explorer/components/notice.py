"""A line that says what could not be done, until it is put away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import text

__all__ = ["Notice"]


class Notice(Component):
    """The session's notice; nothing where there is none."""

    words = param.String(default="", doc="What is said.")
    dismiss = param.String(default="", doc="What the button is called that puts it away.")

    _esm = with_dom(Path(__file__).with_name("notice.js"))
    _stylesheets = stylesheets("notice")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(words=session.notice, dismiss=text("share.dismiss"), **params)
        self._session = session
        session.param.watch(lambda event: self.param.update(words=event.new), "notice")

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        self._session.notice = ""
