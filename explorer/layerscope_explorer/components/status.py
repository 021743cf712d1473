"""The bottom line: what the stack does, in one plain sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import again, text

__all__ = ["StatusLine"]


class StatusLine(Component):
    """What the last edit did, and how the stack is: read out when it settles; how long it took."""

    sentence = param.String(default="", doc="The status sentence.")
    cure = param.String(default="", doc="What the repair that the sentence speaks of is called.")
    level = param.Selector(default="ok", objects=["ok", "warn", "bad"], doc="The worst health.")
    duration = param.String(default="", doc="Time of the last update, with its unit.")
    duration_label = param.String(default="", doc="What the duration means.")

    compiling = param.String(default="", doc="How far compiling is, empty when it is over.")
    compiling_label = param.String(default="", doc="What that means.")

    _esm = Path(__file__).with_name("status.js")
    _stylesheets = stylesheets("status")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(
            duration_label=text("page.updated_in"),
            compiling_label=text("page.compiling_help"),
            **params,
        )
        self._session = session
        session.param.watch(self._draw, ["snapshot", "anew"])
        session.param.watch(self._draw_compiling, "compiling")
        self._draw()
        self._draw_compiling()

    def _draw(self, *_: Any) -> None:
        snapshot = self._session.snapshot
        if snapshot is None:
            self.param.update(sentence=text("page.starting"), cure="", level="ok", duration="")
            return
        healths = {layer.health for layer in snapshot.layers}
        spent = snapshot.milliseconds
        shown = f"{spent:.1f}" if spent < 10 else f"{spent:.0f}"
        self.param.update(
            sentence=" ".join(filter(None, [again(self._session.anew), snapshot.sentence])),
            cure=snapshot.cure.label if snapshot.cure else "",
            level=next((level for level in ("bad", "warn") if level in healths), "ok"),
            duration=text("page.milliseconds", value=shown),
        )

    def _draw_compiling(self, *_: Any) -> None:
        done, wanted = self._session.compiling
        shown = text("page.compiling", done=done, wanted=wanted) if done < wanted else ""
        self.compiling = shown

    def _handle_msg(self, data: Any) -> None:
        snapshot = self._session.snapshot
        if snapshot is not None and snapshot.cure is not None:
            self._session.apply_fix(snapshot.cure)
