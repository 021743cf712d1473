"""What a lesson can put a light on, or hide: names for parts of the page."""

from __future__ import annotations

import re

__all__ = ["HIDEABLE", "LENS_NAMES", "selector_of"]

_PARTS = {
    "stack": ".ls-stack-column",
    "input": ".ls-input",
    "add": ".ls-add-last",
    "signal": ".ls-signal-card",
    "lens": ".ls-lens-place",
    "inspector": ".ls-inspector",
    "status": ".ls-status",
    "cure": ".ls-cure",
    "seed": ".ls-seed",
    "dice": ".ls-dice",
    "phase": ".ls-phase",
    "undo": ".ls-undo",
    "train": ".ls-train",
}
_WITH_NAME = {
    "layer": ".ls-card[data-id='{}']",
    "argument": ".ls-arg-{}",
    "tab": ".ls-tab-{}",
}

#: Names of the lenses that have a tab, in order.
LENS_NAMES = (
    "weights", "activation", "outputs", "penalty", "shapes", "math", "code", "train",
)  # fmt: skip
#: Lenses, and parts of the page, that a lesson can do without.
HIDEABLE: tuple[str, ...] = (*LENS_NAMES, "signal", "inspector", "status")


def selector_of(name: str) -> str:
    """Return the CSS selector of a part: ``"signal"``, ``"argument units"``, ``"tab weights"``.

    Raises
    ------
    ValueError
        If there is no such part.

    Examples
    --------
    >>> selector_of("argument units")
    '.ls-arg-units'
    """
    kind, _, rest = name.partition(" ")
    if not rest and kind in _PARTS:
        return _PARTS[kind]
    if kind in _WITH_NAME and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", rest):
        return _WITH_NAME[kind].format(rest)
    valid = ", ".join([*_PARTS, *(f"{one} NAME" for one in _WITH_NAME)])
    raise ValueError(f"there is no part {name!r}; valid are {valid}.")
