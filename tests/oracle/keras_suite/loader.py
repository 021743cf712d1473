"""Keras's test files, read from the installed package and run against Layerscope."""

from __future__ import annotations

import builtins
import functools
import importlib.util
import sys
import unittest
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

from oracle.keras_suite.not_applicable import NOT_APPLICABLE
from oracle.keras_suite.stand_ins import Missing, importer


@functools.cache
def source_folder() -> Path:
    """Return the folder of Keras's sources, without importing Keras."""
    found = importlib.util.find_spec("keras")
    if found is None or found.origin is None:
        raise unittest.SkipTest("Keras is not installed: pip install layerscope[oracle]")
    return Path(found.origin).parent / "src"


@functools.cache
def load(name: str) -> ModuleType:
    """Run a test file of Keras, ``keras.src.layers.core.dense_test``, with our stand-ins."""
    path = source_folder().joinpath(*name.split(".")[2:]).with_suffix(".py")
    module = ModuleType(name.replace("keras.src", "keras_suite", 1))
    module.__file__ = str(path)
    # Where a config of one of its classes says that it is.
    sys.modules[module.__name__] = module
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": importer(load, name)}
    before, Missing.loading = Missing.loading, True
    try:
        exec(compile(path.read_text(), path, "exec"), module.__dict__)
    finally:
        Missing.loading = before
    return module


def test_files(*folders: str) -> Iterator[str]:
    """Yield the module names of the test files below folders of ``keras/src``."""
    for folder in folders:
        for path in sorted((source_folder() / folder).rglob("*_test.py")):
            relative = path.relative_to(source_folder()).with_suffix("")
            yield ".".join(("keras.src", *relative.parts))


def cases(name: str) -> Iterator[type[unittest.TestCase]]:
    """Yield the test cases a file defines, what does not apply to Layerscope marked as skipped."""
    module = load(name)
    for case in list(vars(module).values()):
        if (
            isinstance(case, type)
            and issubclass(case, unittest.TestCase)
            and case.__module__ == module.__name__
        ):
            for method in unittest.TestLoader().getTestCaseNames(case):
                if reason := exemption(identifier(name, case, method)):
                    setattr(case, method, unittest.skip(reason)(_own(case, method)))
            yield case


def identifier(name: str, case: type, method: str) -> str:
    """Return what the table calls a test: ``layers/core/dense::DenseTest::test_x``."""
    path = name.removeprefix("keras.src.").removesuffix("_test").replace(".", "/")
    return f"{path}::{case.__name__}::{method}"


def exemption(test: str) -> str | None:
    """Return why a test does not apply, None if it does."""
    return next(
        (reason for pattern, reason in NOT_APPLICABLE.items() if fnmatchcase(test, pattern)), None
    )


def _own(case: type, method: str) -> Any:
    """Return a function that belongs to `case` alone, for a mark must not reach other classes."""
    inherited = getattr(case, method)

    @functools.wraps(inherited)
    def own(self: Any) -> Any:
        return inherited(self)

    return own
