"""What could not be done: a sentence for the person, a line for the log, and the page goes on.

The log says where something failed and on whose page, never what was typed there.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerscope_explorer.ledger import ledger
from layerscope_explorer.strings import text
from layerscope_explorer.visitors import current_visitor

__all__ = ["check_plain", "note", "noting", "place_of", "surviving"]

_LOG = logging.getLogger(__name__)

#: Of a sentence that is shown.
_LONGEST = 300
#: How deep what a browser sends may be nested, and how many values it may have.
_DEEPEST, _MOST = 12, 20_000
#: Whole numbers beyond this mean nothing anywhere, and are slow to write down.
_LARGEST = 2**64


@contextmanager
def surviving(session: Any = None) -> Iterator[None]:
    """Say on the page what goes wrong inside, and go on.

    Parameters
    ----------
    session : whose `notice` is written; that of the page whose event is handled by default.
    """
    try:
        yield
    except ValueError as error:
        _tell(session, logging.INFO, error, str(error)[:_LONGEST])
    except LookupError as error:
        _tell(session, logging.WARNING, error, text("faults.gone"))
    except MemoryError as error:
        _tell(session, logging.ERROR, error, text("faults.no_memory"))
    except Exception as error:
        _tell(session, logging.ERROR, error, text("faults.not_understood"))


@contextmanager
def noting() -> Iterator[None]:
    """Write what goes wrong inside into the log, and go on."""
    try:
        yield
    except Exception as error:
        note(error)


def note(error: BaseException, level: int = logging.ERROR) -> None:
    """Write into the log that something went wrong, and where; not what it says."""
    visitor = current_visitor()
    page = "" if visitor is None else visitor.name
    ledger().count("faults" if level >= logging.ERROR else "refused")
    _LOG.log(level, "%s at %s", type(error).__name__, place_of(error), extra={"page": page})


def _tell(session: Any, level: int, error: Exception, words: str) -> None:
    note(error, level)
    visitor = current_visitor()
    session = session or (visitor and visitor.session)
    if session is not None:
        # What is said again would not be seen.
        session.notice = ""
        session.notice = words


def place_of(error: BaseException) -> str:
    """Return where an exception came from, without what it says: that may be anybody's text."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(
        f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in reversed(frames)
    )


def check_plain(value: Any, longest: int, depth: int = 0) -> int:
    """Raise unless a value is plain JSON of moderate size; return of how many values it is.

    Parameters
    ----------
    value : what somebody sent.
    longest : of a text in it.

    Raises
    ------
    ValueError
        If it is more, or something else.
    """
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, (int, float)):
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError(text("faults.too_much"))
        return 1
    if isinstance(value, str):
        if len(value) > longest:
            raise ValueError(text("faults.too_much"))
        return 1
    if depth >= _DEEPEST:
        raise ValueError(text("faults.too_much"))
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    else:
        raise ValueError(text("faults.not_understood"))
    count = len(parts)
    if count > _MOST:
        raise ValueError(text("faults.too_much"))
    for part in parts:
        count += check_plain(part, longest, depth + 1)
        if count > _MOST:
            raise ValueError(text("faults.too_much"))
    return count
