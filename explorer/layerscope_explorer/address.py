"""The page's address: which stack, demo or lesson it opens with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from layerscope_explorer.lessons import LESSONS
from layerscope_explorer.own_code import UnreadCode
from layerscope_explorer.presets import OPENING, PRESETS
from layerscope_explorer.strings import text
from layerscope_explorer.view_state import ViewState, from_address, to_address

__all__ = ["Opening", "address_of", "read_query", "read_search", "state_of"]

_LONGEST_ECHO = 40


@dataclass(frozen=True, slots=True)
class Opening:
    """What an address asks for.

    Attributes
    ----------
    state : what the page shows.
    preset : name of the demo that this is, "" for none.
    lesson : name of the lesson to begin, "" for none.
    notice : why the page opens with something else than what was asked for; "" if it does not.
    code : Python that came along and was not run, to be read first.
    """

    state: ViewState
    preset: str = ""
    lesson: str = ""
    notice: str = ""
    code: str = ""


def read_query(query: Mapping[str, str]) -> Opening:
    """Return what an address asks for; never raises, whatever is in it.

    Examples
    --------
    >>> read_query({"demo": "digits"}).preset
    'digits'
    >>> read_query({"demo": "none-such"}).notice
    'There is no demo called “none-such”. This is the first one.'
    """
    if word := query.get("state", ""):
        try:
            return Opening(from_address(word))
        except UnreadCode as error:
            return replace(_usual(str(error)), code=error.code)
        except ValueError as error:
            return _usual(text("share.opened_instead", reason=str(error)[:300]))
    if name := query.get("lesson", ""):
        if name in LESSONS:
            return Opening(ViewState(PRESETS[OPENING]()), OPENING, name)
        return _usual(text("share.no_lesson", name=_plain(name)))
    name = query.get("demo", "") or OPENING
    if name not in PRESETS:
        return _usual(text("share.no_demo", name=_plain(name)))
    return Opening(ViewState(PRESETS[name]()), name)


def _plain(name: str) -> str:
    """Return what somebody wrote as it can be repeated to them."""
    return "".join(letter for letter in name if letter.isprintable())[:_LONGEST_ECHO]


def _usual(notice: str) -> Opening:
    return Opening(ViewState(PRESETS[OPENING]()), OPENING, notice=notice)


def read_search(search: str) -> Opening:
    """Return what the part of an address from its question mark on asks for."""
    try:
        return read_query(dict(parse_qsl(search.removeprefix("?"), max_num_fields=20)))
    except ValueError:
        return _usual(text("share.opened_instead", reason=text("share.damaged")))


def state_of(session: Any) -> ViewState:
    """Return what is shared of a session as it is now."""
    return ViewState(
        document=session.document,
        pinned=session.pinned,
        selected=session.selected,
        lens=session.lens,
        language=session.language,
        task=session.lesson and session.lesson.task,
    )


def address_of(state: ViewState) -> str:
    """Return the part of an address from its question mark on that opens a state.

    Raises
    ------
    ValueError
        If it is too much for an address.
    """
    return f"?state={to_address(state)}"
