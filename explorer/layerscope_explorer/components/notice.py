"""Lines that say what could not be done, until it is put away, and that the server is gone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import section

__all__ = ["Notice"]


class Notice(Component):
    """The session's notice; nothing where there is none.

    Where the connection to the server is lost, the page's own script says so, asks whether there is
    one again, and then offers to open the page anew: the stack is in its address.
    """

    words = param.String(default="", doc="What is said.")
    strings = param.Dict(default={}, doc="The visible texts.")

    _esm = with_dom(Path(__file__).with_name("notice.js"))
    _stylesheets = stylesheets("notice")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(words=session.notice, strings=section("notice"), **params)
        self._session = session
        session.param.watch(lambda event: self.param.update(words=event.new), "notice")

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        self._session.notice = ""
