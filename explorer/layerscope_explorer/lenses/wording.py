"""Numbers as a person would write them, for sentences, legends and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["average", "count", "number", "percent", "shape"]

# A number and its percent sign stay on one line.
_PERCENT = "\u202f%"


def number(value: float) -> str:
    """Return a value to three significant digits.

    Examples
    --------
    >>> number(0.118034), number(-12.0), number(1.7e-9), number(30120000.0), number(float("nan"))
    ('0.118', '−12', '1.7e-9', '3.01e7', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    if value < 0.0:
        # The sign the axes use; a hyphen would be hard to see.
        return f"−{number(-value)}"
    if 1e-3 <= abs(value) < 1e5:
        decimals = max(0, 2 - math.floor(math.log10(abs(value))))
        written = f"{value:,.{decimals}f}"
        return written.rstrip("0").rstrip(".") if "." in written else written
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def average(mean: float, std: float) -> str:
    r"""Return a mean, or "≈ 0" when it is nothing beside the values' spread.

    Examples
    --------
    >>> average(0.00012, 0.2), average(0.12, 0.2), average(0.0, 0.0)
    ('≈\xa00', '0.12', '0')
    """
    return "≈\u00a00" if 0.0 < abs(mean) < 0.02 * std else number(mean)


def percent(share: float) -> str:
    r"""Return a share of 1 as a percentage that never rounds something to nothing.

    Examples
    --------
    >>> percent(0.523), percent(0.0), percent(0.0004), percent(0.9999), percent(1.0)
    ('52\u202f%', '0\u202f%', '<\xa00.1\u202f%', '>\xa099.9\u202f%', '100\u202f%')
    """
    if math.isnan(share):
        return "–"
    if share <= 0.0:
        return f"0{_PERCENT}"
    if share >= 1.0:
        return f"100{_PERCENT}"
    if share < 0.001:
        return f"<\u00a00.1{_PERCENT}"
    if share > 0.999:
        return f">\u00a099.9{_PERCENT}"
    if share < 0.0095 or share > 0.9905:
        return f"{100.0 * share:.1f}{_PERCENT}"
    return f"{100.0 * share:.0f}{_PERCENT}"


def count(value: int) -> str:
    """Return a whole number with its thousands apart.

    Examples
    --------
    >>> count(1605632)
    '1,605,632'
    """
    return f"{value:,}"


def shape(value: Sequence[int | None]) -> str:
    """Return a shape as Keras prints it.

    Examples
    --------
    >>> shape((None, 10)), shape((64,))
    ('(None, 10)', '(64,)')
    """
    return str(tuple(value))
