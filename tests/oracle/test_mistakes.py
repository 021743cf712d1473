"""Where Keras refuses a mistake, Layerscope does with the same type of exception.

Keras refuses what its own code has a ``raise`` for. Much else it takes without a word, or stumbles
over later, in a comparison of a text with a number or in the backend: Layerscope refuses that too,
and the type Keras happens to end with is only the same where it says as much.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import layerscope as ls
from core.layers.test_mistakes import MISTAKES, SHARED, Mistake, attempt, own_nonsense
from layerscope import layers
from oracle.keras2_comparison import keras2
from oracle.reference import keras

#: Layers and arguments that Keras refuses with another type, and why.
DIFFERENT = {
    **{
        (
            name,
            str({"trainabel": True}),
        ): "Keras 2 raises a TypeError where Keras 3 raises a ValueError"
        for name in ("LocallyConnected1D", "LocallyConnected2D", "ThresholdedReLU")
    },
    **{
        (f"Adaptive{what}Pooling{rank}D", str({"output_size": (2,) * (rank + 1)})): (
            "Keras raises a TypeError for a wrong number of lengths, but a ValueError in 1D"
        )
        for what in ("Max", "Average")
        for rank in (2, 3)
    },
}


def library_of(name: str) -> Any:
    """Return the Keras that has the layer; skip the test if none does."""
    if hasattr(keras.layers, name):
        return keras
    if not hasattr(keras2().layers, name):
        pytest.skip("Keras has no such layer")
    return keras2()


def raised(library: Any, name: str, mistake: Mistake) -> Exception | None:
    """Return what a mistake leads to, at the latest when the layer is called."""
    cls = getattr(layers, name)
    examples = cls.examples
    name = cls.keras_name or name
    if library is not ls and mistake.shape is None and examples and not name.endswith("Cells"):
        mistake = mistake._replace(shape=examples[0].input_shape)
    try:
        attempt(library, name, mistake)
    except Exception as error:
        return error
    return None


def is_refused(error: Exception) -> bool:
    """Tell whether Keras raised the error by itself, rather than stumbled."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    own = {"keras", "tf_keras"} & set(Path(frame.filename).parts)
    line = linecache.getline(frame.filename, frame.lineno or 0)
    return bool(own) and line.strip().startswith("raise ")


@pytest.fixture(autouse=True)
def whole_tracebacks() -> Iterator[None]:
    """Keras cuts its own lines out of tracebacks."""
    keras.config.disable_traceback_filtering()
    yield
    keras.config.enable_traceback_filtering()


@pytest.mark.parametrize("name", MISTAKES)
def test_refusals_are_of_the_same_type(name: str) -> None:
    library = library_of(getattr(layers, name).keras_name or name)
    compared = 0
    for mistake in [*MISTAKES[name], *SHARED, *own_nonsense(getattr(layers, name))]:
        theirs = raised(library, name, mistake)
        if theirs is None or not is_refused(theirs):
            continue
        compared += 1
        same = isinstance(raised(ls, name, mistake), type(theirs))
        assert same == ((name, str(mistake.arguments)) not in DIFFERENT), mistake
    assert compared >= 3
