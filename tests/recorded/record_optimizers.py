"""Record steps of Keras's optimizers, for the tests that run without it.

``pip install -e '.[oracle]'``, then ``python tests/recorded/record_optimizers.py`` writes
``optimizers.npz`` anew: of every optimizer random configurations, with starting weights, gradients
and the weights after each step. Keras runs on JAX here, where all of it is right.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from oracle.reference import keras
from oracle.test_optimizers import OPTIMIZERS, SHAPES, Race

TARGET = Path(__file__).with_name("optimizers.npz")
CONFIGURATIONS = 3
STEPS = 7


def flat(values: list[Any]) -> np.ndarray:
    """Return the entries of several arrays in one."""
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(value)) for value in values])


def main() -> None:
    """Record everything."""
    entries: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for name in OPTIMIZERS:
        print(name, flush=True)
        races = (race for index in count() if (race := Race(name, index)).serializable)
        for race in islice(races, CONFIGURATIONS):
            race.without = None
            weights, grads = [flat(race.their_weights)], []
            for number in range(STEPS):
                race.step(number)
                grads.append(flat(race.grads))
                weights.append(flat(race.their_weights))
            key = str(len(entries))
            arrays |= {f"{key}/weights": np.stack(weights), f"{key}/gradients": np.stack(grads)}
            entries.append(
                {
                    "config": keras.optimizers.serialize(race.theirs),
                    "variables": [one.path for one in race.theirs.variables],
                    "kept_from_decay": race.kept_from_decay,
                    "constrained": race.constrained,
                }
            )
    index = {"keras": version("keras"), "shapes": SHAPES, "entries": entries}
    np.savez_compressed(TARGET, index=np.array(json.dumps(index)), **arrays)
    print(f"{len(entries)} results, {TARGET.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
