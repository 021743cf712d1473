"""The shell of a notebook, where there is one; IPython is not imported for it."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["shell_here"]


def shell_here() -> Any:
    """Return IPython's shell that runs this, None outside of one."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()
