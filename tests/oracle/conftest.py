"""Real Keras, which Layerscope is compared with here.

Needs the `oracle` extra; run with ``pytest tests/oracle``. Each layer is tried on
``LAYERSCOPE_CONFIGURATIONS`` random configurations (30 unless set), drawn from
``LAYERSCOPE_SEED`` (0 unless set). Keras runs on torch here, which compiles nothing: a
configuration takes milliseconds where JAX takes most of a second. ``KERAS_BACKEND=jax`` compares
with JAX instead.
"""

from __future__ import annotations

import os

# Before anything imports Keras.
os.environ.setdefault("KERAS_BACKEND", "torch")
# Several processes share the cores, and threads of each that spin take twice the time of all.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# On JAX nearly all the time goes into compiling what then runs once.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
