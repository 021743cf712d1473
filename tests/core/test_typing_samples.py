"""The code that pyright checks also runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest


def test_typing_samples_run() -> None:
    path = Path(__file__).with_name("typing_samples.py")
    spec = importlib.util.spec_from_file_location("typing_samples", path)
    assert spec is not None
    assert spec.loader is not None
    samples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(samples)
    for layer in samples.dense_layers():
        assert layer(np.ones((2, 4), "float32")).shape == (2, 3)
    assert samples.image_model().output_shape == (None, 10)
    assert samples.functional().output_shape == (None, 2)
    assert samples.train() == pytest.approx(0)
