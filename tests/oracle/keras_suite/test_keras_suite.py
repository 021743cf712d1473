"""Keras's own unit tests, run against Layerscope.

Each test case of Keras appears here under the name of its file and class, so that ``-k`` selects
by either: ``pytest tests/oracle/keras_suite -k conv_test``.
"""

from __future__ import annotations

import unittest

from oracle.keras_suite import loader
from oracle.keras_suite.not_applicable import NOT_APPLICABLE

_FILES = [
    *loader.test_files(
        "activations",
        "constraints",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "regularizers",
    )
]
_FOUND: list[str] = []

for _name in _FILES:
    if loader.exemption(_name.removeprefix("keras.src.").replace(".", "/")):
        continue
    for _case in loader.cases(_name):
        globals()[f"{_name.removeprefix('keras.src.')}.{_case.__name__}"] = _case
        _FOUND.extend(
            loader.identifier(_name, _case, method)
            for method in unittest.TestLoader().getTestCaseNames(_case)
        )


def test_every_exemption_is_needed() -> None:
    names = [*_FOUND, *(name.removeprefix("keras.src.").replace(".", "/") for name in _FILES)]
    for pattern in NOT_APPLICABLE:
        assert any(loader.fnmatchcase(name, pattern) for name in names), pattern
