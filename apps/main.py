"""The served explorer: ``panel serve apps/``; ``/apps?demo=digits&lang=zh`` opens otherwise."""

import panel as pn

from layerscope_explorer.page import open_page

# The module's names are gone when the page closes; the session is kept by what it returns.
pn.state.on_session_destroyed(
    open_page(pn.state.curdoc, pn.state.session_args or {}, pn.state.headers or {})
)
