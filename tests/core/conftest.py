"""Every test starts from the same randomness, so that what fails once fails always."""

from __future__ import annotations

import pytest

import layerscope as ls


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ls.utils.set_random_seed(0)
