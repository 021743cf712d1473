"""What Keras's tests import, answered by Layerscope."""

from __future__ import annotations

import builtins
import unittest
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

import layerscope
from layerscope import masks, tensor
from layerscope.losses import loss
from layerscope.metrics import reduction
from oracle.keras_suite import test_case

#: Arithmetic on shapes that tests compare with, free of any backend.
_AS_THEY_ARE = ("keras.src.backend.common.backend_utils",)

#: Modules that only Keras's backends need.
_FOREIGN = ("conftest", "grain", "jax", "keras", "ml_dtypes", "tensorflow", "torch")


class Missing:
    """A name Layerscope does not have: may be imported and passed around, skips when used."""

    #: Whether a module is being loaded, whose decorators must not end the whole file.
    loading = False

    def __init__(self, path: str) -> None:
        self._path = path

    def _skip(self) -> unittest.SkipTest:
        return unittest.SkipTest(f"Layerscope has no {self._path}")

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._path}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Missing:
        if not Missing.loading:
            raise self._skip()
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise self._skip()

        return (type("Absent", (), {"__new__": refuse}),)

    def __instancecheck__(self, instance: Any) -> bool:
        raise self._skip()

    def __enter__(self) -> Any:
        raise self._skip()

    def __exit__(self, *exception: Any) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False


class Names:
    """A module of Keras: its names are looked up in modules of Layerscope."""

    def __init__(self, path: str, *sources: Any, **own: Any) -> None:
        self._path = path
        self._sources = (SimpleNamespace(**own), *sources)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for source in self._sources:
            if hasattr(source, name):
                return getattr(source, name)
        return Missing(f"{self._path}.{name}")


def _always(decorated: Any) -> Any:
    return decorated


_RANDOM = Names("keras.random", layerscope.random)
_LAYERS = Names("keras.layers", layerscope.layers)
_BACKEND = Names(
    "keras.backend",
    layerscope.backend,
    layerscope.config,
    masks,
    tensor,
    layerscope.ops,
    backend=lambda: "layerscope",
    compute_output_spec=lambda function, *args: function(*args),
    config=layerscope.config,
    keras_tensor=tensor,
    numpy=layerscope.ops,
    random=_RANDOM,
    SUPPORTS_COMPLEX_DTYPES=False,
    SUPPORTS_RAGGED_TENSORS=False,
    SUPPORTS_SPARSE_TENSORS=False,
)
_LOSSES = Names("keras.losses", layerscope.losses, loss)
_METRICS = Names("keras.metrics", layerscope.metrics, reduction)
_METRICS_UTILS = Names(
    "keras.metrics",
    AUCCurve=SimpleNamespace(PR="PR", ROC="ROC", PRGAIN="PRGAIN"),
    AUCSummationMethod=SimpleNamespace(
        INTERPOLATION="interpolation", MAJORING="majoring", MINORING="minoring"
    ),
)
#: What a metric calls its `dtype` in Keras, besides.
layerscope.metrics.Metric._dtype = property(lambda metric: metric.dtype)  # type: ignore[attr-defined]
_TESTING = Names("keras.testing", test_case, test_case=test_case, test_utils=test_case)
_MODELS = Names("keras.models", layerscope.models)

#: Files that Keras keeps its metrics in.
_METRIC_FAMILIES = (
    "accuracy",
    "confusion",
    "correlation",
    "f_score",
    "hinge",
    "iou",
    "probabilistic",
    "reduction",
    "regression",
)

#: Stand-ins by the longest path they stand for.
_MODULES: dict[str, Any] = {
    "conftest": Names("conftest", skip_if_backend=lambda backend, reason: _always),
    "keras.backend": _BACKEND,
    "keras.src.backend": _BACKEND,
    "keras.src.dtype_policies": Names(
        "keras.dtype_policies",
        dtype_policy=Names(
            "keras.dtype_policies.dtype_policy",
            dtype_policy=layerscope.config.floatx,
            set_dtype_policy=layerscope.config.set_floatx,
        ),
    ),
    "keras.src.layers": _LAYERS,
    "keras.src.layers.activations": Names(
        "keras.layers",
        **dict.fromkeys(("activation", "elu", "leaky_relu", "prelu", "relu", "softmax"), _LAYERS),
    ),
    "keras.src.losses": Names("keras.losses", _LOSSES, losses=_LOSSES, loss=_LOSSES),
    "keras.src.metrics": Names(
        "keras.metrics",
        _METRICS,
        **dict.fromkeys(
            (
                *(f"{family}_metrics" for family in _METRIC_FAMILIES),
                "metric",
            ),
            _METRICS,
        ),
        metrics_utils=_METRICS_UTILS,
    ),
    "keras.src.models": _MODELS,
    "keras.src.ops": Names(
        "keras.ops",
        layerscope.ops,
        numpy=Names("keras.ops.numpy", layerscope.ops, np),
        random=_RANDOM,
    ),
    "keras.src.random": _RANDOM,
    "keras.src.testing": _TESTING,
    **{
        f"keras.src.{name}": Names(f"keras.{name}", getattr(layerscope, name))
        for name in (
            "activations",
            "constraints",
            "initializers",
            "optimizers",
            "regularizers",
            "saving",
            "utils",
        )
    },
}
_MODULES["keras.src"] = Names(
    "keras",
    SimpleNamespace(**{path.removeprefix("keras.src."): found for path, found in _MODULES.items()}),
    layerscope,
)
_MODULES["keras"] = _MODULES["keras.src"]


def importer(load: Callable[[str], Any]) -> Callable[..., Any]:
    """Return what a test file uses in place of ``__import__``.

    Parameters
    ----------
    load : returns another file of Keras as a module: some tests take helpers from one.
    """

    def stand_in_import(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] not in _FOREIGN:
            return builtins.__import__(name, *args, **kwargs)
        if name.endswith("_test") or name in _AS_THEY_ARE:
            return load(name)
        prefix = name
        while prefix not in _MODULES and "." in prefix:
            prefix = prefix.rpartition(".")[0]
        return _MODULES.get(prefix) or Missing(name)

    return stand_in_import
