"""Pages for who runs the server: numbers, and the teacher's page; both behind a token."""

from __future__ import annotations

import hmac
import os
from html import escape
from typing import Any, ClassVar

from tornado.web import RequestHandler

from layerscope_explorer.memory import give_back
from layerscope_explorer.serving.metrics import as_text, measured, pages
from layerscope_explorer.strings import LANGUAGES, preferred, speaking, text

__all__ = ["ROUTES", "TOKEN"]

#: Environment variable that holds the token; without one there are no such pages.
TOKEN = "LAYERSCOPE_TOKEN"


class _Guarded(RequestHandler):
    """Answers only who knows the token; to others there is nothing here."""

    def prepare(self) -> None:
        wanted = os.environ.get(TOKEN, "")
        bearer = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = self.get_query_argument("token", bearer)
        if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
            self.set_status(404)
            self.finish()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")


class MetricsHandler(_Guarded):
    """The numbers, one a line; ``collect=1`` has memory that nobody uses given back first."""

    def get(self) -> None:
        if self.get_query_argument("collect", ""):
            give_back()
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(as_text(measured()))


class TeacherHandler(_Guarded):
    """The same for people, with a line for each open page; renewed every few seconds."""

    seconds: ClassVar[int] = 5

    def get(self) -> None:
        accepts = self.request.headers.get("Accept-Language", "")
        wanted = self.get_query_argument("lang", "")
        with speaking(wanted if wanted in LANGUAGES else preferred(accepts)):
            # Nothing on this page is run, whatever may get into it.
            self.set_header(
                "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"
            )
            self.set_header("Refresh", str(self.seconds))
            self.finish(teacher_page(measured(), pages()))


def teacher_page(numbers: dict[str, float], rows: list[dict[str, Any]]) -> str:
    """Return the teacher's page as HTML."""
    told = {
        "sessions": f"{numbers['sessions']:g}",
        "training": f"{numbers['sessions_training']:g}",
        "median": text("page.milliseconds", value=round(1000 * numbers["edit_seconds_p50"])),
        "slow": text("page.milliseconds", value=round(1000 * numbers["edit_seconds_p95"])),
        "queue": f"{numbers['queue_edits'] + numbers['queue_training']:g}",
        "memory": f"{numbers['memory_bytes'] / 2**20:,.0f} MB",
        "faults": f"{numbers['faults_total']:g}",
    }
    facts = "".join(
        f"<div><dt>{escape(text(f'teacher.{name}'))}</dt><dd>{escape(value)}</dd></div>"
        for name, value in told.items()
    )
    columns = ("name", "minutes", "layers", "parameters", "milliseconds", "training")
    head = "".join(f"<th scope=col>{escape(text(f'teacher.column_{one}'))}</th>" for one in columns)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(row[one]))}</td>" for one in columns) + "</tr>"
        for row in rows
    )
    title = escape(text("teacher.title"))
    return (
        f"<!DOCTYPE html><html><meta charset=utf-8>"
        f'<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>{escape(text('teacher.private'))}</p><dl>{facts}</dl>"
        f"<div class=wide><table><tr>{head}</tr>{lines}</table></div></html>"
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return text("teacher.yes") if value else ""
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


_STYLE = (
    ":root { color-scheme: light dark }"
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 24px auto;"
    " padding: 0 16px }"
    "h1 { font-size: 1.4rem } p { opacity: .75 }"
    "dl { display: flex; flex-wrap: wrap; gap: 12px 32px } dt { opacity: .75 }"
    "dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums }"
    ".wide { overflow-x: auto } td, th { padding: 3px 16px 3px 0; text-align: left;"
    " font-variant-numeric: tabular-nums } tr + tr > * { border-top: 1px solid #8884 }"
)

#: What a server adds to its addresses; also a plugin of ``panel serve``.
ROUTES = [("/metrics", MetricsHandler, {}), ("/teacher", TeacherHandler, {})]
