"""Marks that Keras's tests carry."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    for mark in ("multi_device", "requires_trainable_backend"):
        config.addinivalue_line("markers", f"{mark}: set by Keras, without meaning here")
