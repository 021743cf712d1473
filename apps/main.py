"""The served explorer: ``panel serve apps/``; ``/apps?demo=digits`` opens with another stack."""

import panel as pn

from layerscope_explorer.page import build_page
from layerscope_explorer.presets import OPENING, PRESETS
from layerscope_explorer.session import Session, opening_snapshot
from layerscope_explorer.workers import DocumentScheduler

wanted = (pn.state.session_args or {}).get("demo", [b""])[0].decode(errors="replace")
pictures = opening_snapshot(wanted if wanted in PRESETS else OPENING)
session = Session(DocumentScheduler(pn.state.curdoc), pictures)
build_page(session).servable()
# The module's names are gone when the page closes; the bound method keeps its session.
pn.state.on_session_destroyed(lambda context, close=session.close: close())
