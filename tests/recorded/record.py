"""Record what real Keras computes, for the tests that run without it.

``pip install -e '.[oracle]'``, then ``python tests/recorded/record.py`` writes ``keras.npz`` anew:
of every layer two random configurations with weights, input, output and gradients, and values of
every activation, regularizer and constraint. Keras runs on JAX here, where all of it is right.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from layerscope.structure import leaves
from oracle.families import all_configurations
from oracle.layer_comparison import Comparison, comparable
from oracle.reference import generator_of, gradients_of, keras, layer_gradients, numpy_of
from oracle.test_activations import NAMES, OPTIONS
from oracle.test_parts import PARTS

TARGET = Path(__file__).with_name("keras.npz")
CONFIGURATIONS_OF_A_LAYER = 2


class Recording:
    """Arrays by number, and what each belongs to."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.entries: list[dict[str, Any]] = []

    def keep(self, values: Any) -> list[str]:
        """Store arrays and return their keys."""
        keys = []
        for value in leaves(values):
            keys.append(str(len(self.arrays)))
            self.arrays[keys[-1]] = np.asarray(value)
        return keys

    def add(self, kind: str, name: str, arguments: dict[str, Any], **facts: Any) -> None:
        """Store one result."""
        entry = {"kind": kind, "name": name, "arguments": arguments, **facts}
        self.entries.append(json.loads(json.dumps(entry)))

    def write(self) -> None:
        """Write everything, with the versions it was made with."""
        index = {
            "versions": {
                "keras": version("keras"),
                "jax": version("jax"),
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "entries": self.entries,
        }
        arrays: dict[str, Any] = {"index": np.array(json.dumps(index)), **self.arrays}
        np.savez_compressed(TARGET, **arrays)


def record_layer(recording: Recording, name: str, draw: Callable[..., Any], index: int) -> None:
    """Store one configuration of a layer."""
    generator = generator_of(f"recorded {name}", index)
    arguments, inputs = draw(generator)
    try:
        json.dumps(arguments)
    except TypeError:
        return  # such as a function, which a file cannot hold
    compared = Comparison(name, arguments, inputs, generator)
    theirs, x = compared.theirs, compared.x
    weights, given = theirs.get_weights(), compared.as_arguments(x)
    outputs = numpy_of(theirs(*given))
    factors = [generator.normal(size=out.shape).astype("float32") for out in leaves(outputs)]

    def total(values: list[Any]) -> Any:
        pairs = zip(values, factors, strict=True)
        return sum(keras.ops.sum(value * factor) for value, factor in pairs)

    recording.add(
        "layer",
        name,
        arguments,
        several=isinstance(x, list),
        inputs=recording.keep(x),
        weights=recording.keep(weights),
        weight_names=[one.name for one in theirs.weights],
        outputs=recording.keep(outputs),
        factors=recording.keep(factors),
        gradients=recording.keep(layer_gradients(theirs, given, total)),
        config=comparable(theirs.get_config()),
    )


def record_function(
    recording: Recording, kind: str, name: str, arguments: dict[str, Any], function: Any
) -> None:
    """Store a function's values, and its slope if it is not a projection."""
    generator = generator_of(f"recorded {name}")
    shape = (3, 4, 2) if kind == "constraints" else (4, 6)
    x = (2 * generator.normal(size=shape)).astype("float32")
    slopes = []
    if kind != "constraints":
        slopes = gradients_of(lambda value: keras.ops.sum(function(value)), x)
    recording.add(
        kind,
        name,
        arguments,
        inputs=recording.keep(x),
        outputs=recording.keep(numpy_of(function(keras.ops.convert_to_tensor(x)))),
        gradients=recording.keep(slopes),
    )


def main() -> None:
    """Record everything."""
    recording = Recording()
    for name in NAMES:
        arguments = OPTIONS.get(name, lambda _: {})(generator_of(f"recorded options of {name}"))
        function = partial(getattr(keras.activations, name), **arguments)
        record_function(recording, "activations", name, arguments, function)
    for kind, names in PARTS.items():
        for name, draw in names.items():
            arguments = draw(generator_of(f"recorded options of {name}"))
            function = getattr(getattr(keras, kind), name)(**arguments)
            record_function(recording, kind, name, arguments, function)
    for name, draw in all_configurations().items():
        print(name, flush=True)
        for index in range(CONFIGURATIONS_OF_A_LAYER):
            record_layer(recording, name, draw, index)
    recording.write()
    print(f"{len(recording.entries)} results, {TARGET.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
