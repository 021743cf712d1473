"""The argument that says where the channels of an image are."""

from __future__ import annotations

from typing import Any

from layerscope.config import standardize_data_format
from layerscope.configurable import field


def data_format_field(after: str | None = None) -> Any:
    """Declare the argument `data_format`, in its place behind another one of a base class."""
    return field(
        default=None,
        converter=standardize_data_format,
        after=after,
        help="Where the channels are; None: the ambient setting.",
    )
