"""Names and texts that somebody sends are shown as text: none of it is run."""

from __future__ import annotations

import json

from explorer.hostile import SCRIPT, packed, state
from layerscope_explorer.task import Task
from served_explorer import Server, Visit, open_explorer


def test_no_markup_that_is_sent_is_run(visit: Visit, server: Server) -> None:
    page = visit.page
    hostile = json.loads(state())
    hostile["task"] = Task(SCRIPT[:300], "params() > 0").written()
    for query in (
        f"?state={packed(json.dumps(hostile))}",
        f"?demo={SCRIPT}",
        f"?lesson={SCRIPT}",
        f"?lang={SCRIPT}&state={SCRIPT}",
    ):
        open_explorer(page, f"{server.url}{query}")
        assert page.evaluate("window.injected") is None
    open_explorer(page, server.url)
    layers = [
        {"id": "layer1", "layer": SCRIPT, "arguments": {}},
        {"id": "layer1", "layer": "Dense", "arguments": {"units": 3, "activation": SCRIPT}},
        {"id": "layer1", "layer": "StringLookup", "arguments": {"vocabulary": [SCRIPT]}},
    ]
    for layer in layers:
        document = {**json.loads(state())["document"], "layers": [layer]}
        file = {"name": "a.json", "mimeType": "application/json"}
        content = json.dumps(document).encode()
        page.locator(".ls-open-menu input[type=file]").set_input_files(
            [{**file, "buffer": content}]
        )
        page.wait_for_timeout(300)
        assert page.evaluate("window.injected") is None
