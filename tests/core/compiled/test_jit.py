"""How loops are compiled, and what runs where they are not."""

from __future__ import annotations

import os
import subprocess
import sys


def test_without_numba_the_references_run() -> None:
    code = (
        "import numpy as np, layerscope as ls\n"
        "from layerscope.compiled import every_loop\n"
        "assert not every_loop()\n"
        "model = ls.Sequential([ls.Input((4, 4, 1)), ls.layers.Conv2D(2, 2, activation='relu'),\n"
        "    ls.layers.MaxPooling2D(), ls.layers.Flatten(), ls.layers.Dense(1)])\n"
        "model.compile(ls.optimizers.Adam(amsgrad=True), 'mse')\n"
        "x = np.random.default_rng(0).normal(size=(8, 4, 4, 1))\n"
        "model.fit(x, np.ones((8, 1)), epochs=2, verbose=0)\n"
        "import sys; assert 'numba' not in sys.modules\n"
    )
    environment = {**os.environ, "LAYERSCOPE_COMPILED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
