"""Every layer's random configurations, from all the files that compare a family."""

from __future__ import annotations

import importlib
from pathlib import Path

from oracle.layer_comparison import Draw
from oracle.reference import keras


def all_configurations() -> dict[str, Draw]:
    """Return the draws by layer name."""
    found: dict[str, Draw] = {}
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"oracle.{file.stem}")
        found |= getattr(module, "CONFIGURATIONS", {})
    # What only Keras 2 has is compared on its own.
    return {name: draw for name, draw in found.items() if hasattr(keras.layers, name)}
