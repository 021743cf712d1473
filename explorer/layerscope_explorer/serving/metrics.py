"""What a server is doing, in numbers: cheap enough to be asked every second."""

from __future__ import annotations

import os
import time
from typing import Any

from layerscope_explorer.ledger import ledger, quantile
from layerscope_explorer.visitors import visitors
from layerscope_explorer.workers import edit_pool, training_pool

__all__ = ["as_text", "measured", "memory", "pages"]

_STARTED = time.monotonic()


def memory() -> int:
    """Return the bytes of memory that this process has, 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def measured() -> dict[str, float]:
    """Return the numbers by name."""
    edits = ledger().lately()
    here = visitors()
    counts = ledger().counts()
    sessions = [visitor.session for visitor in here]
    return {
        "uptime_seconds": round(time.monotonic() - _STARTED, 1),
        "sessions": len(here),
        "sessions_in_memory": here.alive,
        "sessions_served_total": here.served,
        "sessions_refused_total": counts.get("full", 0),
        "sessions_training": sum(_trains(one) for one in sessions),
        "queue_edits": edit_pool()._work_queue.qsize(),
        "queue_training": training_pool()._work_queue.qsize(),
        "edits_total": counts.get("edits", 0),
        "edit_seconds_p50": round(quantile(edits, 0.5), 4),
        "edit_seconds_p95": round(quantile(edits, 0.95), 4),
        "refused_total": counts.get("refused", 0),
        "faults_total": counts.get("faults", 0),
        "memory_bytes": memory(),
    }


def as_text(numbers: dict[str, float]) -> str:
    r"""Return numbers as Prometheus reads them.

    Examples
    --------
    >>> as_text({"sessions": 2})
    'layerscope_sessions 2\n'
    """
    return "".join(f"layerscope_{name} {value}\n" for name, value in numbers.items())


def pages() -> list[dict[str, Any]]:
    """Return of each open page how large what it shows is, and since when; never what it is."""
    now = time.monotonic()
    rows = []
    for visitor in visitors():
        session = visitor.session
        snapshot = None if session is None else session.snapshot
        rows.append(
            {
                "name": visitor.name,
                "minutes": round((now - visitor.since) / 60, 1),
                "layers": 0 if snapshot is None else len(snapshot.layers),
                "parameters": 0 if snapshot is None else snapshot.total_params,
                "milliseconds": 0.0 if snapshot is None else round(snapshot.milliseconds, 1),
                "training": _trains(session),
            }
        )
    return rows


def _trains(session: Any) -> bool:
    return session is not None and session.training.status == "running"
