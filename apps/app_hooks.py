"""Called by ``panel serve``: everything slow happens before the first visitor."""

from layerscope_explorer.warmup import warm_up


def on_server_loaded(server_context: object) -> None:
    """Compile what the explorer needs, and make a first page."""
    warm_up()
