"""Fitting a model to data."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from layerscope import losses, metrics, ops, optimizers, random
from layerscope.autodiff import GradientTape
from layerscope.layers.layer import Layer
from layerscope.models.callbacks import Callback, History
from layerscope.models.data import Batch, Dataset, split_validation
from layerscope.models.progress import ProgressBar
from layerscope.plain_data import serialize_value
from layerscope.structure import leaves, map_structure
from layerscope.tensor import Shape


@dataclass(frozen=True)
class StepEvent:
    """What happened in one step of training.

    Attributes
    ----------
    epoch, step : counted from 0.
    steps : number of steps of an epoch.
    logs : means over the epoch so far; at the epoch's end with the validation's values.
    batch_logs : values of this batch alone.
    epoch_end : whether this was the epoch's last step.
    """

    epoch: int
    step: int
    steps: int
    logs: dict[str, float]
    batch_logs: dict[str, float]
    epoch_end: bool


class _TrainingState:
    """What `compile` sets."""

    optimizer: optimizers.Optimizer
    loss: losses.Loss | None
    stop_training: bool
    _loss_tracker: metrics.Mean
    _metrics: list[metrics.Metric] | None
    _metrics_wanted: list[Any]


class Trainable(_TrainingState, Layer):
    """What a model can do beyond being a layer: learn, be measured, predict."""

    def compile(
        self,
        optimizer: str | optimizers.Optimizer | dict[str, Any] = "rmsprop",
        loss: losses.LossLike = None,
        metrics: Sequence[Any] | None = None,
        *,
        run_eagerly: bool = False,
        jit_compile: bool | Literal["auto"] = "auto",
    ) -> None:
        """Choose how to train.

        Parameters
        ----------
        optimizer : name, config or instance.
        loss : name, config, instance or function of ``(y_true, y_pred)``.
        metrics : what to report beside the loss; ``"accuracy"`` chooses its kind by the loss.
        run_eagerly, jit_compile : taken for Keras's sake. A model is always run eagerly, and the
            loops of its layers are always compiled.
        """
        self.optimizer = optimizers.get(optimizer)
        self.loss = losses.as_loss(loss)
        self.stop_training = False
        self._loss_tracker = _mean("loss")
        self._metrics_wanted = list(metrics or [])
        self._metrics = None

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return what `compile` was given as plain data, None before it was called."""
        if "optimizer" not in self.__dict__:
            return None
        try:
            return {
                "optimizer": serialize_value(self.optimizer),
                "loss": serialize_value(self.loss),
                "metrics": serialize_value(self._metrics_wanted) or None,
            }
        except (TypeError, NotImplementedError) as error:
            warnings.warn(
                f"How model '{self.name}' is compiled is not kept: {error}.", stacklevel=2
            )
            return None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says; warn if it asks for what there is not."""
        try:
            for name in ("loss_weights", "weighted_metrics"):
                if config.get(name):
                    raise ValueError(f"`{name}` is not supported.")
            for wanted in config.get("metrics") or ():
                _metric(wanted, (), ())
            known = {"optimizer", "loss", "metrics"}
            self.compile(**{name: value for name, value in config.items() if name in known})
        except (TypeError, ValueError) as error:
            warnings.warn(
                f"Model '{self.name}' was not compiled as its file says: {error} Call `compile()`, "
                "or load it with `compile=False`.",
                stacklevel=3,
            )

    # --- one batch -----------------------------------------------------------------------

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Any:
        """Return the loss of predictions, summed over a model's outputs, penalties included.

        Raises
        ------
        ValueError
            If there is neither a loss nor a penalty.
        """
        parts = []
        if self.loss is not None:
            outputs = leaves(y_pred)
            targets = leaves(y) if len(outputs) > 1 else [y]
            parts.extend(
                self.loss(target, output, sample_weight)
                for target, output in zip(targets, outputs, strict=True)
            )
        parts.extend(self.losses)
        if not parts:
            raise ValueError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or add penalties."
            )
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Take one step of the optimizer and return the batch's loss; override to change it."""
        with GradientTape() as tape:
            y_pred = self(batch.x, training=True)
            loss = self.compute_loss(batch.x, batch.y, y_pred, batch.sample_weight)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return self._track(loss, batch, y_pred)

    def test_step(self, batch: Batch) -> dict[str, float]:
        """Measure one batch; override to change it."""
        y_pred = self(batch.x, training=False)
        loss = self.compute_loss(batch.x, batch.y, y_pred, batch.sample_weight)
        return self._track(loss, batch, y_pred)

    def predict_step(self, batch: Batch) -> Any:
        """Return the predictions for one batch; override to change it."""
        return self(batch.x, training=False)

    def _track(self, loss: Any, batch: Batch, y_pred: Any) -> dict[str, float]:
        value = float(ops.convert_to_numpy(loss))
        self._loss_tracker.update_state(value, batch.size)
        if self._metrics_wanted:
            self._measure_batch(batch.y, map_structure(ops.convert_to_numpy, y_pred))
        return {"loss": value}

    def _measure_batch(self, y: Any, y_pred: Any) -> None:
        """Update the metrics, which are chosen once the shapes they measure are known.

        Like Keras's, they leave sample weights to the loss.
        """
        if not isinstance(y_pred, np.ndarray):
            raise ValueError("Metrics need a model with one output.")
        if self._metrics is None:
            shapes = np.shape(y), y_pred.shape
            self._metrics = [_metric(wanted, *shapes) for wanted in self._metrics_wanted]
            for metric in self._metrics:
                metric.reset_state()
        for metric in self._metrics:
            metric.update_state(y, y_pred)

    def _logs(self) -> dict[str, float]:
        return {
            str(metric.name): float(metric.result())
            for metric in (self._loss_tracker, *(self._metrics or []))
        }

    def _reset_metrics(self) -> None:
        for metric in (self._loss_tracker, *(self._metrics or [])):
            metric.reset_state()

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Take one step on one batch and return its loss and metrics, as `evaluate` does."""
        return self._on_batch(self.train_step, Dataset.of(x, y, sample_weight), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Measure one batch and return its loss and metrics, as `evaluate` does."""
        return self._on_batch(self.test_step, Dataset.of(x, y, sample_weight), return_dict)

    def _on_batch(self, step: Callable[[Batch], Any], data: Dataset, return_dict: bool) -> Any:
        self._require_compiled()
        self._reset_metrics()
        step(data.take(slice(None)))
        return _results(self._logs(), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the predictions for one batch."""
        return map_structure(
            ops.convert_to_numpy, self.predict_step(Dataset.of(x).take(slice(None)))
        )

    # --- all batches ---------------------------------------------------------------------

    def steps(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int = 32,
        epochs: int = 1,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        seed: random.Seed = None,
    ) -> Iterator[StepEvent]:
        """Train step by step, yielding after each; stop by not asking for the next.

        Parameters
        ----------
        x, y, sample_weight : inputs, targets and the weight of each sample.
        batch_size : samples per step.
        epochs : epoch to stop before, counted from 0.
        validation_data : ``(x, y)`` or ``(x, y, sample_weight)`` to measure after each epoch.
        shuffle : whether to draw the samples in a new order each epoch.
        initial_epoch : epoch to start with.
        seed : fixes the order of the samples.
        """
        self._require_compiled()
        batch_size = _batch_size(batch_size)
        data = Dataset.of(x, y, sample_weight)
        validation = None if validation_data is None else Dataset.of(*validation_data)
        generator = random.generator_of(seed) if shuffle else None
        total = data.steps(batch_size)
        self.stop_training = False
        for epoch in range(initial_epoch, epochs):
            self._reset_metrics()
            for step, batch in enumerate(data.batches(batch_size, generator)):
                batch_logs = self.train_step(batch)
                logs, last = self._logs(), step + 1 == total
                if last and validation is not None:
                    measured = self._measure(validation, batch_size)
                    logs.update({f"val_{name}": value for name, value in measured.items()})
                yield StepEvent(epoch, step, total, logs, batch_logs, last)
                if self.stop_training and not last:
                    return
            if self.stop_training:
                return

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Literal["auto"] | int = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
    ) -> History:
        """Train for a number of epochs.

        Parameters
        ----------
        x, y : inputs and targets, one sample per entry of the first axis.
        batch_size : samples per step, 32 unless given.
        epochs : epoch to stop before, counted from 0.
        verbose : 0 silent, 1 (and ``"auto"``) a progress bar, 2 one line per epoch.
        callbacks : hooks to call.
        validation_split : fraction of the samples, from the end, kept for validation.
        validation_data : ``(x, y)`` or ``(x, y, sample_weight)`` instead of a split.
        shuffle : whether to draw the samples in a new order each epoch.
        class_weight : factor of the samples of each class number.
        sample_weight : factor of each sample.
        initial_epoch : epoch to start with.

        Returns
        -------
        The values of every epoch, in its `history`.
        """
        self._require_compiled()
        batch_size = _batch_size(batch_size)
        data = Dataset.of(x, y, sample_weight)
        if validation_split and validation_data is None:
            data, held = split_validation(data, validation_split)
            validation_data = (held.x, held.y, held.sample_weight)
        weights = _with_class_weight(data.y, class_weight, data.sample_weight)
        history = History()
        hooks = [history, *(callbacks or [])]
        level = 1 if verbose == "auto" else int(verbose)
        for hook in hooks:
            hook.set_model(self)
            hook.set_params({"epochs": epochs, "steps": data.steps(batch_size), "verbose": level})
        _notify(hooks, "on_train_begin")
        bar: ProgressBar | None = None
        events = self.steps(
            data.x,
            data.y,
            batch_size=batch_size,
            epochs=epochs,
            validation_data=validation_data,
            shuffle=shuffle,
            sample_weight=weights,
            initial_epoch=initial_epoch,
        )
        for epoch in range(initial_epoch, epochs):
            _notify(hooks, "on_epoch_begin", epoch)
            if level:
                print(f"Epoch {epoch + 1}/{epochs}")
            bar = ProgressBar(data.steps(batch_size), level)
            event = self._run_epoch(events, hooks, bar)
            if event is None:
                break
            bar.update(event.step + 1, event.logs, final=True)
            _notify(hooks, "on_epoch_end", epoch, event.logs)
            if self.stop_training:
                break
        _notify(hooks, "on_train_end")
        return history

    def _run_epoch(
        self, events: Iterator[StepEvent], hooks: Sequence[Callback], bar: ProgressBar
    ) -> StepEvent | None:
        """Take steps until the epoch ends and return its last event."""
        event = None
        step = 0
        while True:
            _notify(hooks, "on_train_batch_begin", step)
            event = next(events, None)
            if event is None:
                return None
            _notify(hooks, "on_train_batch_end", event.step, event.logs)
            bar.update(event.step + 1, event.logs)
            step = event.step + 1
            if event.epoch_end or self.stop_training:
                return event

    def _measure(self, data: Dataset, batch_size: int) -> dict[str, float]:
        """Measure the model on data without disturbing the training's running values."""
        saved = self._loss_tracker, self._metrics
        self._loss_tracker, self._metrics = copy.deepcopy(saved)
        self._reset_metrics()
        try:
            for batch in data.batches(batch_size, None):
                self.test_step(batch)
            return self._logs()
        finally:
            self._loss_tracker, self._metrics = saved

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Literal["auto"] | int = "auto",
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Measure the model on data.

        Returns
        -------
        The loss, or a list of the loss and the metrics if there are any, or with `return_dict` a
        dict of them by name.
        """
        self._require_compiled()
        batch_size = _batch_size(batch_size)
        data = Dataset.of(x, y, sample_weight)
        logs = self._measure(data, batch_size)
        steps = data.steps(batch_size)
        ProgressBar(steps, 1 if verbose == "auto" else int(verbose)).update(steps, logs, final=True)
        return _results(logs, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Literal["auto"] | int = 0,
    ) -> Any:
        """Return the predictions for all samples, computed batch by batch."""
        data = Dataset.of(x)
        size = _batch_size(batch_size)
        bar = ProgressBar(data.steps(size), 1 if verbose == "auto" else int(verbose))
        parts = []
        for step, batch in enumerate(data.batches(size, None)):
            parts.append(map_structure(ops.convert_to_numpy, self.predict_step(batch)))
            bar.update(step + 1, {}, final=step + 1 == bar.steps)
        flat = [leaves(part) for part in parts]
        joined = iter([np.concatenate(pieces) for pieces in zip(*flat, strict=True)])
        return map_structure(lambda _: next(joined), parts[0])

    def _require_compiled(self) -> None:
        if "optimizer" not in self.__dict__:
            raise ValueError("You must call `compile()` before using the model for training.")


def _mean(name: str) -> metrics.Mean:
    return metrics.Mean(name=name, dtype="float64")


def _metric(wanted: Any, target_shape: Shape, output_shape: Shape) -> metrics.Metric:
    """Return the metric meant by a name, an instance or a function.

    ``"accuracy"`` and ``"acc"`` choose their kind by the shapes of target and output, as in Keras.
    """
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", None)
    if wanted in ("accuracy", "acc"):
        if output_shape[-1:] == (1,):
            found: Any = metrics.BinaryAccuracy()
        elif len(target_shape) < len(output_shape) or target_shape[-1:] == (1,):
            found = metrics.SparseCategoricalAccuracy()
        else:
            found = metrics.CategoricalAccuracy()
    else:
        found = metrics.get(wanted)
    if not isinstance(found, metrics.Metric):
        return metrics.MeanMetricWrapper(found, name=name)
    if isinstance(wanted, str):
        found.name = wanted
    return found


def _batch_size(value: Any) -> int:
    """Return a valid batch size, 32 for None."""
    if value is None:
        return 32
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Argument `batch_size` must be a positive integer. Received: batch_size={value!r}"
        )
    return int(value)


def _results(logs: dict[str, float], return_dict: bool) -> Any:
    """Return values by name, or a list of them, or the only one."""
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _notify(hooks: Sequence[Callback], name: str, *args: Any) -> None:
    for hook in hooks:
        function: Callable[..., None] = getattr(hook, name)
        function(*args)


def _with_class_weight(
    y: Any, class_weight: dict[int, float] | None, sample_weight: Any
) -> np.ndarray | None:
    """Combine the weights of classes and samples.

    Raises
    ------
    ValueError
        If there are no class numbers to look weights up by.
    """
    if class_weight is None:
        return None if sample_weight is None else np.asarray(sample_weight)
    labels = np.asarray(y)
    if y is None or labels.ndim == 0:
        raise ValueError("Argument `class_weight` needs targets `y` that are class numbers.")
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    weights = np.ones(labels.shape, np.float32)
    for number, weight in class_weight.items():
        weights[labels == number] = weight
    return weights if sample_weight is None else weights * np.asarray(sample_weight)
