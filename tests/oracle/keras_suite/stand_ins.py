"""What Keras's tests import, answered by Layerscope."""

from __future__ import annotations

import builtins
import contextlib
import os
import shutil
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

import layerscope
from layerscope import masks, structure, tensor
from layerscope.losses import loss
from layerscope.metrics import reduction
from layerscope.models import compiled_loss, compiled_metrics, training
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


_SCOPES: list[str] = []


@contextmanager
def _name_scope(name: str) -> Iterator[None]:
    """Let variables made inside have a path, as those of layers have."""
    _SCOPES.append(name)
    try:
        yield
    finally:
        _SCOPES.pop()


class _Scoped(type):
    """Makes variables of Layerscope, and takes them for its instances."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        variable = tensor.Variable(*args, **kwargs)
        variable.scope = tuple(_SCOPES)
        return variable

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, tensor.Variable)


class _Variable(metaclass=_Scoped):
    pass


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
    device=lambda name: contextlib.nullcontext(),
    keras_tensor=tensor,
    name_scope=_name_scope,
    numpy=layerscope.ops,
    random=_RANDOM,
    Variable=_Variable,
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
_CALLBACKS = Names("keras.callbacks", layerscope.callbacks)
_DATASETS = Names("keras.utils", layerscope.utils)
#: Files, as Keras's utilities for any storage have them.
_FILES = Names(
    "keras.utils.file_utils",
    File=open,
    exists=os.path.exists,
    join=os.path.join,
    rmtree=shutil.rmtree,
)

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
    "keras.src.backend.common.symbolic_scope": Names("keras", in_symbolic_scope=lambda: False),
    "keras.src.backend.torch.trainer": Names("keras", TorchTrainer=training.Trainer),
    "keras.src.callbacks": _CALLBACKS,
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
    "keras.src.trainers.compile_utils": Names("keras", compiled_loss, compiled_metrics),
    "keras.src.trainers.data_adapters": Names("keras", py_dataset_adapter=_DATASETS),
    "keras.src.tree": Names("keras.tree", structure, flatten=structure.leaves),
    "keras.src.utils": Names(
        "keras.utils",
        layerscope.utils,
        file_utils=_FILES,
        numerical_utils=layerscope.utils,
        rng_utils=layerscope.utils,
    ),
    **{
        f"keras.src.{name}": Names(f"keras.{name}", getattr(layerscope, name))
        for name in (
            "activations",
            "callbacks",
            "constraints",
            "initializers",
            "optimizers",
            "regularizers",
            "saving",
        )
    },
}
_MODULES["keras.src"] = Names(
    "keras",
    SimpleNamespace(**{path.removeprefix("keras.src."): found for path, found in _MODULES.items()}),
    layerscope,
)
_MODULES["keras"] = _MODULES["keras.src"]


_MODULES["keras"] = Names("keras", _MODULES["keras.src"], src=_MODULES["keras.src"])

#: Stand-ins in the file that takes its trainer from a backend: it is that of eager execution.
_OF_TRAINER_TEST: dict[str, Any] = {
    "keras.src": Names(
        "keras", SimpleNamespace(backend=Names("keras.backend", _BACKEND, backend=lambda: "torch"))
    )
}


def importer(load: Callable[[str], Any], file: str) -> Callable[..., Any]:
    """Return what a test file uses in place of ``__import__``.

    Parameters
    ----------
    load : returns another file of Keras as a module: some tests take helpers from one.
    file : name of the test file.
    """
    own = _OF_TRAINER_TEST if file == "keras.src.trainers.trainer_test" else {}

    def stand_in_import(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] not in _FOREIGN:
            return builtins.__import__(name, *args, **kwargs)
        if name.endswith("_test") or name in _AS_THEY_ARE:
            return load(name)
        if name in own and args[2] == ("backend",):
            return own[name]
        prefix = name
        while prefix not in _MODULES and "." in prefix:
            prefix = prefix.rpartition(".")[0]
        return _MODULES.get(prefix) or Missing(name)

    return stand_in_import
