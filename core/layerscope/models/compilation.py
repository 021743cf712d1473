"""What a model learns from: optimizer, losses and metrics, set by `compile`."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from layerscope import losses, ops, optimizers
from layerscope import metrics as metrics_module
from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.models.compiled_loss import CompileLoss, RunningLoss
from layerscope.models.compiled_metrics import CompileMetrics
from layerscope.plain_data import serialize_value
from layerscope.structure import map_structure
from layerscope.tensor import Tensor

Logs = dict[str, Any]

#: Names that mean a loss or metric only once the shapes of targets and outputs are known.
_OPEN = ("accuracy", "acc", "crossentropy", "ce")


class Compiled:
    """What `compile` sets, and the values it makes a model report.

    Attributes
    ----------
    compiled : whether `compile` was called.
    optimizer, loss : what it was given.
    stop_training, stop_evaluating, stop_predicting : set one to end `fit`, `evaluate` or `predict`
        after the step that is running.
    """

    name: Any
    compiled = False
    optimizer: Any = None
    loss: Any = None
    run_eagerly = False
    steps_per_execution = 1
    stop_training = False
    stop_evaluating = False
    stop_predicting = False
    _jit_compile: Any = False
    _loss_tracker: RunningLoss | None = None
    _compile_loss: CompileLoss | None = None
    _compile_metrics: CompileMetrics | None = None

    def compile(
        self,
        optimizer: str | optimizers.Optimizer | dict[str, Any] | None = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | Literal["auto"] = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose how to train.

        Parameters
        ----------
        optimizer : name, config or instance.
        loss : name, config, instance or function of ``(y_true, y_pred)``; for several outputs one
            for all, a list, or a dict by the outputs' names, None where an output has none.
        loss_weights : factors of the losses, in the same structure.
        metrics : what to report beside the loss; for several outputs a list of one entry each, or
            a dict. ``"accuracy"`` and ``"crossentropy"`` choose their kind by the targets' shape.
        weighted_metrics : metrics that count samples by their weights.
        steps_per_execution : steps between two calls of the callbacks.
        run_eagerly, jit_compile : taken for Keras's sake. A model is always run eagerly, and the
            loops of its layers are always compiled.
        auto_scale_loss : taken for Keras's sake: nothing is computed in half precision.

        Raises
        ------
        ValueError
            If an argument is of no known kind.
        """
        if not _is_whole(steps_per_execution) or steps_per_execution < 1:
            raise ValueError(
                "Argument `steps_per_execution` must be a positive integer. Received: "
                f"steps_per_execution={steps_per_execution!r}"
            )
        _check_names(losses.get, loss)
        loss = _revived(losses.as_loss, loss)
        metrics = _revived(metrics_module.get, metrics)
        weighted_metrics = _revived(metrics_module.get, weighted_metrics)
        names = getattr(self, "output_names", None)
        compiled_loss = None if loss is None else CompileLoss(loss, loss_weights, names)
        compiled_metrics = None
        if metrics is not None or weighted_metrics is not None:
            compiled_metrics = CompileMetrics(metrics, weighted_metrics, names)
        given = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        # Past the tracking of attributes: nothing here is part of the layer.
        self.__dict__.update(
            compiled=True,
            optimizer=optimizers.get(optimizer),
            loss=loss,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            _jit_compile=jit_compile,
            stop_training=False,
            _compile_config=given,
            _compile_loss=compiled_loss,
            _compile_metrics=compiled_metrics,
            _loss_tracker=RunningLoss("loss"),
        )

    @property
    def jit_compile(self) -> bool:
        """What was asked for; ``"auto"`` is False, for a model is run step by step."""
        return self._jit_compile is True

    @jit_compile.setter
    def jit_compile(self, value: bool | Literal["auto"]) -> None:
        self._jit_compile = value

    def _assert_compile_called(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"You must call `compile()` before calling `{method}()`.")

    # --- config --------------------------------------------------------------------------

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return what `compile` was given as plain data, None before it was called."""
        if not self.compiled:
            return None
        given: dict[str, Any] = self.__dict__["_compile_config"]
        try:
            return {
                "optimizer": serialize_value(self.optimizer),
                **{name: serialize_value(value) for name, value in given.items()},
            }
        except (TypeError, NotImplementedError) as error:
            warnings.warn(
                f"How model '{self.name}' is compiled is not kept: {error}.", stacklevel=2
            )
            return None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says; warn if it asks for what there is not."""
        try:
            for argument in ("metrics", "weighted_metrics"):
                _check_names(metrics_module.get, config.get(argument))
            self.compile(**config)
            if self.built and self.optimizer is not None:  # type: ignore[attr-defined]
                self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]
        except (TypeError, ValueError) as error:
            warnings.warn(
                f"Model '{self.name}' was not compiled as its file says: {error} Call "
                "`compile()`, or load it with `compile=False`.",
                stacklevel=3,
            )

    # --- loss and metrics ----------------------------------------------------------------

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the weighted loss of predictions, penalties included; override to change it.

        Raises
        ------
        ValueError
            If there is neither a loss nor a penalty, or targets do not fit the outputs.
        """
        total = None
        if self._compile_loss is not None:
            total = self._compile_loss(y, y_pred, sample_weight)
        for penalty in self.losses:  # type: ignore[attr-defined]
            penalty = penalty if penalty.shape == () else ops.sum(penalty)
            total = penalty if total is None else total + penalty
        if total is None:
            raise ValueError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or add penalties."
            )
        return total

    def _compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        """Call `compute_loss`, which in older code does not take `training`."""
        if _takes_training(type(self)):
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Take a batch into the metrics and return the values so far; override to change it."""
        if self._compile_metrics is not None:
            outputs = map_structure(_measurable, y_pred)
            self._compile_metrics.update_state(y, outputs, sample_weight)
        return self.get_metrics_result()

    @property
    def metrics(self) -> list[Any]:
        """The loss, what `compile` was given, each output's loss, and metrics among attributes."""
        found: list[Any] = []
        if self._loss_tracker is not None:
            found.append(self._loss_tracker)
        if self._compile_metrics is not None:
            found.append(self._compile_metrics)
        if self._compile_loss is not None:
            found.extend(self._compile_loss.metrics)
        for layer in self._layers_with_metrics():  # type: ignore[attr-defined]
            # A model inside reports by itself.
            if layer is self or not isinstance(layer, Compiled):
                found.extend(layer._own_metrics())
        return found

    @property
    def metrics_names(self) -> list[str]:
        """Names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Let all metrics forget."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> Logs:
        """Return the values of the metrics so far, by name."""
        found: Logs = {}
        for metric in self.metrics:
            if metric is self._compile_metrics and not metric.built:
                continue
            value = metric.result()
            found.update(value if isinstance(value, dict) else {metric.name: value})
        return plain_logs(found)

    def _results_or(self, logs: Logs) -> Logs:
        """Return the metrics' values, or what a step of one's own returned beside them."""
        found = self.get_metrics_result()
        return found if not logs or found.keys() == logs.keys() else plain_logs(logs)

    def _in_order(self, logs: Logs) -> Any:
        """Return values in the order of `metrics`, or the only one."""
        if len(logs) == 1:
            return next(iter(logs.values()))
        names: list[str] = []
        for metric in self.metrics:
            inner = metric.metrics if isinstance(metric, CompileMetrics) else [metric]
            names.extend(str(one.name) for one in inner)
        values = [logs[name] for name in names if name in logs]
        return values + [logs[name] for name in sorted(logs) if name not in names]


@functools.cache
def _takes_training(cls: type[Compiled]) -> bool:
    return "training" in inspect.signature(cls.compute_loss).parameters


def plain_logs(logs: Any) -> Logs:
    """Return single values as Python numbers, others as arrays.

    Raises
    ------
    ValueError
        If they are no dict: a step must return one.
    """
    if not isinstance(logs, dict):
        raise ValueError(
            "`train_step` and `test_step` must return a dict of values by name. Received: "
            f"{logs!r} (of type {type(logs).__name__})"
        )
    return {name: value if type(value) is float else _plain(value) for name, value in logs.items()}


def _plain(value: Any) -> Any:
    array = np.asarray(getattr(value, "value", value))
    if array.dtype.kind not in "fiub":
        return value
    return float(array.item()) if array.size == 1 else array


def _measurable(value: Any) -> Any:
    """Return an output as an array with its mask, for metrics are not differentiated."""
    if not isinstance(value, Tensor):
        return value
    mask = get_keras_mask(value)
    array = value.value
    if mask is not None:
        array = array.view()
        set_keras_mask(array, mask)
    return array


def _revived(get: Any, value: Any) -> Any:
    """Return losses or metrics with what configs describe in place of the configs."""
    if isinstance(value, dict):
        if "class_name" in value:
            return get(value)
        return {name: _revived(get, inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_revived(get, inner) for inner in value)
    return value


def _check_names(get: Any, structure: Any) -> None:
    """Raise a `ValueError` if a loss or metric that is named is not known."""
    for name in _names_in(structure):
        if name.lower() not in _OPEN:
            get(name)


def _names_in(structure: Any) -> Iterator[str]:
    """Yield the names in a structure, but for those in configs."""
    if isinstance(structure, str):
        yield structure
    elif isinstance(structure, dict) and "class_name" not in structure:
        structure = list(structure.values())
    if isinstance(structure, (list, tuple)):
        for inner in structure:
            yield from _names_in(inner)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
