"""Every sentence the explorer shows, kept in one JSON file per language.

Which language is spoken belongs to the session: its methods, and the workers they start, speak it
(`speaks`), and so does whatever else its page calls. Nobody who needs a sentence has to know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

from panel.io.state import state

from layerscope_explorer.wrapping import inside

__all__ = [
    "FIRST",
    "LANGUAGES",
    "again",
    "language",
    "of_core",
    "preferred",
    "section",
    "speaking",
    "speaks",
    "text",
]

#: Languages with a file of strings, by what each calls itself.
LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "zh": "中文"})
#: What the program is written in: spoken where nobody chose.
FIRST = "en"

_spoken: ContextVar[str] = ContextVar("layerscope_language", default="")

T = TypeVar("T", bound=type)


def language() -> str:
    """Return the language that is spoken here: of the session whose work this is."""
    return _spoken.get() or _of_page() or FIRST


def _of_page() -> str:
    """Return the language of the page whose event is handled, "" outside of one."""
    document = state.curdoc
    return "" if document is None else document.template_variables.get("language", "")


@contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Speak a language inside the block, and in workers started there.

    Examples
    --------
    >>> with speaking("zh"):
    ...     text("stack.move", name="dense")
    '移动 dense'
    """
    token = _spoken.set(wanted)
    try:
        yield
    finally:
        _spoken.reset(token)


def speaks(cls: T) -> T:
    """Let all methods of a class speak the language in its attribute `language`."""
    return inside(cls, lambda self: speaking(self.language))


def preferred(header: str) -> str:
    """Return the language that an ``Accept-Language`` header asks for first, of those there are.

    Examples
    --------
    >>> preferred("fr;q=0.9, zh-CN, en;q=0.8"), preferred("tlh")
    ('zh', 'en')
    """
    wanted = []
    for entry in header.split(","):
        tag, _, quality = entry.partition(";q=")
        try:
            wanted.append((-float(quality or 1), tag.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    return next(
        (tag for _, tag in sorted(wanted, key=lambda one: one[0]) if tag in LANGUAGES), FIRST
    )


@cache
def _strings(spoken: str) -> dict[str, dict[str, str]]:
    source = files(__name__).joinpath(f"{spoken}.json").read_text(encoding="utf-8")
    found = json.loads(source)
    if spoken == FIRST:
        return found
    # A string that is not translated yet is better than none; a test finds it.
    return {area: own | found.get(area, {}) for area, own in _strings(FIRST).items()}


@cache
def _core(spoken: str) -> dict[str, str]:
    source = files(__name__).joinpath(f"core.{spoken}.json")
    return json.loads(source.read_text(encoding="utf-8")) if spoken != FIRST else {}


def of_core(sentence: str) -> str:
    """Return what the core says of a layer or an argument, in the language that is spoken here.

    The core speaks English only; what has no translation stays as it is.

    Examples
    --------
    >>> with speaking("zh"):
    ...     of_core("Largest norm."), of_core("Something else.")
    ('最大范数。', 'Something else.')
    """
    return _core(language()).get(sentence, sentence)


class Said(str):
    """A string that remembers what it says, so that it can be said again in another language."""

    __slots__ = ("key", "values")

    key: str
    values: dict[str, Any]


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
        template = _strings(language())[area][name]
    except KeyError:
        raise KeyError(f"no string named {key!r} in strings/{FIRST}.json") from None
    # An error would keep alive all that it came by.
    values = {
        name: value if isinstance(value, str) else str(value) for name, value in values.items()
    }
    try:
        said = Said(template.format(**values))
    except KeyError as error:
        raise KeyError(f"string {key!r} needs a value for {error.args[0]!r}") from None
    said.key, said.values = key, values
    return said


def again(said: str) -> str:
    """Return what `text` once returned in the language that is spoken here; other words as is.

    Examples
    --------
    >>> name = text("session.edit_add", name="Dense")
    >>> with speaking("zh"):
    ...     again(name)
    '添加 Dense'
    """
    if not isinstance(said, Said):
        return said
    return text(said.key, **{name: again(value) for name, value in said.values.items()})


def section(area: str) -> dict[str, str]:
    """Return every template of one area, unformatted, for a component that fills them itself."""
    try:
        return dict(_strings(language())[area])
    except KeyError:
        raise KeyError(f"no area named {area!r} in strings/{FIRST}.json") from None
