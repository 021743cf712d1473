"""The served explorer: ``panel serve apps/``; ``/apps?demo=digits&lang=zh`` opens otherwise."""

import panel as pn

from layerscope_explorer.page import build_page
from layerscope_explorer.presets import OPENING, PRESETS
from layerscope_explorer.session import Session, opening_snapshot
from layerscope_explorer.strings import LANGUAGES, preferred
from layerscope_explorer.workers import DocumentScheduler


def asked(name: str) -> str:
    """Return an argument of the page's address, "" where there is none."""
    return (pn.state.session_args or {}).get(name, [b""])[0].decode(errors="replace")


demo, language = asked("demo"), asked("lang")
if language not in LANGUAGES:
    language = preferred(str((pn.state.headers or {}).get("Accept-Language", "")))
pictures = opening_snapshot(demo if demo in PRESETS else OPENING, language)
session = Session(DocumentScheduler(pn.state.curdoc), pictures, language)
build_page(session).servable()
# The module's names are gone when the page closes; the bound method keeps its session.
pn.state.on_session_destroyed(lambda context, close=session.close: close())
