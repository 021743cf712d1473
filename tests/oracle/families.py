"""Every layer's random configurations, from all the files that compare a family."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oracle.layer_comparison import Draw
from oracle.reference import keras


def _modules() -> Iterator[Any]:
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        yield importlib.import_module(f"oracle.{file.stem}")


def all_configurations() -> dict[str, Draw]:
    """Return the draws by layer name."""
    found: dict[str, Draw] = {}
    for module in _modules():
        found |= getattr(module, "CONFIGURATIONS", {})
    # What only Keras 2 has is compared on its own.
    return {name: draw for name, draw in found.items() if hasattr(keras.layers, name)}


def compared_layers() -> set[str]:
    """Return the names of all layers that are compared, some by tests of their own kind."""
    own = [getattr(module, "ALSO_COMPARED", ()) for module in _modules()]
    return {*all_configurations(), *(name for names in own for name in names)}
