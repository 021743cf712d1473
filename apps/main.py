"""The served explorer: ``panel serve apps/``."""

import panel as pn

from layerscope_explorer.page import build_page
from layerscope_explorer.session import Session
from layerscope_explorer.workers import DocumentScheduler

session = Session(DocumentScheduler(pn.state.curdoc))
build_page(session).servable()
# The module's names are gone when the page closes; the bound method keeps its session.
pn.state.on_session_destroyed(lambda context, close=session.close: close())
