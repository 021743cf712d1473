"""Every sentence the explorer shows, kept in one JSON file per language."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["section", "text"]


@cache
def _strings(language: str) -> dict[str, dict[str, str]]:
    source = files(__name__).joinpath(f"{language}.json").read_text(encoding="utf-8")
    return json.loads(source)


def text(key: str, **values: Any) -> str:
    """Return the string named `area.name`, with `{placeholders}` filled from `values`.

    Raises
    ------
    KeyError
        If there is no such string, or a placeholder has no value; the message names both.

    Examples
    --------
    >>> text("stack.move", name="dense")
    'Move dense'
    """
    area, _, name = key.partition(".")
    try:
        template = _strings("en")[area][name]
    except KeyError:
        raise KeyError(f"no string named {key!r} in strings/en.json") from None
    try:
        return template.format(**values)
    except KeyError as error:
        raise KeyError(f"string {key!r} needs a value for {error.args[0]!r}") from None


def section(area: str) -> dict[str, str]:
    """Return every template of one area, unformatted, for a component that fills them itself."""
    try:
        return dict(_strings("en")[area])
    except KeyError:
        raise KeyError(f"no area named {area!r} in strings/en.json") from None
