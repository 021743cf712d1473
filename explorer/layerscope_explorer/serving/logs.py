"""The server's log: a JSON object a line, with the page it is about, nothing that was typed."""

from __future__ import annotations

import json
import logging
import sys
import time

from layerscope_explorer.faults import place_of

__all__ = ["JsonLines", "log_as_json"]


class JsonLines(logging.Formatter):
    """Writes a record as JSON.

    Of an exception only its kind and its place are written: what it says may be somebody's text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if _is_ours(record) else str(record.msg)[:200],
        }
        if page := getattr(record, "page", ""):
            line["page"] = page
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line |= {"error": type(error).__name__, "where": place_of(error)}
        return json.dumps(line, ensure_ascii=False)


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell whether our own code wrote a record; others put what they were sent into theirs."""
    return record.name.startswith("layerscope_explorer")


def log_as_json(level: int = logging.INFO) -> None:
    """Let the whole process log JSON lines to the standard error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("layerscope_explorer").setLevel(level)
    for name in ("bokeh", "panel", "tornado", "tornado.access", "tornado.application"):
        other = logging.getLogger(name)
        other.handlers[:] = []
        other.propagate = True
        other.setLevel(logging.WARNING)
