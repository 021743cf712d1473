"""Real Keras, which Layerscope is compared with here.

Needs the `oracle` extra; run with ``pytest tests/oracle``. Each layer family is tried on
``LAYERSCOPE_CONFIGURATIONS`` random configurations (8 unless set), because Keras compiles anew
for every one; 30 take about half an hour on two cores.
"""

from __future__ import annotations

import os

# Before anything imports Keras.
os.environ.setdefault("KERAS_BACKEND", "jax")
