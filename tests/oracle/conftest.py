"""Real Keras, which Layerscope is compared with here.

Needs the `oracle` extra; run with ``pytest tests/oracle``.
"""

from __future__ import annotations

import os

# Before anything imports Keras.
os.environ.setdefault("KERAS_BACKEND", "jax")
