"""A view as one HTML file that needs nothing else, and numbers as comma-separated values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from layerscope_explorer.address import state_of
from layerscope_explorer.code import code_of
from layerscope_explorer.components.stack import format_count, format_shape
from layerscope_explorer.strings import text
from layerscope_explorer.view_state import to_file

__all__ = ["Exhibit", "comma_separated", "picture_mark", "report"]

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What one lens shows.

    Attributes
    ----------
    name : of the lens.
    title, sentence : what it is and what it says.
    rows : its numbers.
    """

    name: str
    title: str
    sentence: str = ""
    rows: Rows = ()


#: How people write numbers: with a real minus, and commas or thin spaces between thousands.
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,\u2009\u202f\u00a0]\d{3})+(?![\d,])")


def comma_separated(rows: Rows) -> str:
    r"""Return rows as CSV, their numbers as machines read them.

    Examples
    --------
    >>> comma_separated([("mean", "−0.5"), ("sum, in all", "1,024")])
    'mean,-0.5\r\n"sum, in all",1024\r\n'
    """
    out = io.StringIO()
    csv.writer(out).writerows([[_plain(cell) for cell in row] for row in rows])
    return out.getvalue()


def _plain(cell: str) -> str:
    cell = _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), cell).replace("−", "-")
    # A table calculator would run what begins like a formula.
    return f"'{cell}" if re.match(r"[=+@]|-(?![\d.])", cell) else cell


def picture_mark(name: str) -> str:
    """Return what stands in a report for the picture of a lens, until the browser draws it."""
    return f"<!--picture of {name}-->"


def report(session: Any, exhibits: Sequence[Exhibit], again: str) -> str:
    """Return a session's view as the text of an HTML file.

    Parameters
    ----------
    session : whose view it is.
    exhibits : what its lenses show; the browser puts their pictures at their `picture_mark`.
    again : address that opens the view again, "" for none.
    """
    snapshot, document = session.snapshot, session.document
    phase = text(f"page.phase_{document.phase}")
    parts = [
        f"<h1>{escape(text('share.report_title'))}</h1>",
        f"<p>{escape(snapshot.sentence)}</p>",
        f"<p class=quiet>{escape(text('share.report_seed', seed=document.seed, phase=phase))}</p>",
    ]
    if again.startswith(("http://", "https://")):
        label = escape(text("share.report_again"))
        parts.append(f'<p><a href="{escape(again)}">{label}</a></p>')
    parts += [f"<h2>{escape(text('share.report_stack'))}</h2>", _layers(session)]
    for exhibit in {one.name: one for one in exhibits}.values():
        parts += [
            f"<h2>{escape(exhibit.title)}</h2>",
            f"<p>{escape(exhibit.sentence)}</p>",
            f"<figure>{picture_mark(exhibit.name)}</figure>",
            _table(exhibit.rows),
        ]
    parts += [
        _folded(text("share.report_code"), code_of(document, "keras").source),
        _folded(text("share.report_state"), to_file(state_of(session))),
    ]
    body = "\n".join(part for part in parts if part)
    title = escape(text("share.report_title"))
    return _PAGE.format(title=title, style=_STYLE, body=body)


def _layers(session: Any) -> str:
    heads = [text(f"share.report_{name}") for name in ("layer", "kind", "output", "params")]
    heads += [text("share.report_settings"), text("share.report_health")]
    rows = [
        [
            view.name,
            view.class_name,
            format_shape(view.output_shape),
            format_count(view.params) if view.params else "",
            view.detail,
            view.problem.message if view.problem else view.health_note or view.health,
        ]
        for view in (session.snapshot.input, *session.snapshot.layers)
    ]
    return _table(rows, heads)


def _table(rows: Rows, heads: Sequence[str] = ()) -> str:
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{escape(one)}</th>" for one in heads)
    lines = [f"<tr>{head}</tr>"] if heads else []
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(str(one))}</td>" for one in rest)
        lines.append(f"<tr><th scope=row>{escape(str(first))}</th>{cells}</tr>")
    return f"<div class=wide><table>{''.join(lines)}</table></div>"


def _folded(title: str, source: str) -> str:
    return f"<details><summary>{escape(title)}</summary><pre>{escape(source)}</pre></details>"


_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 960px; margin: 32px auto; padding: 0 16px; background: Canvas; color: CanvasText;
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2em 0 .4em; }
.quiet { opacity: .75; } figure { margin: 12px 0; } figure svg { max-width: 100%; height: auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 3px 14px 3px 0; text-align: left; font-weight: normal; vertical-align: top; }
th[scope=col] { font-weight: 600; } tr + tr > * { border-top: 1px solid #8884; }
pre { overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; } summary { cursor: pointer; }
details { margin: 14px 0; }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<body>
{body}
</body>
</html>
"""
