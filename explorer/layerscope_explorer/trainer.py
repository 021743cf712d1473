"""Training a document's stack in the background, at full speed, observed from outside."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerscope import Model, optimizers
from layerscope.layers.layer import Layer
from layerscope.models.training import StepEvent
from layerscope_explorer.data import Data
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Weights
from layerscope_explorer.model import model_of
from layerscope_explorer.snapshot import Float32Array, TrainingState, TrainingStatus
from layerscope_explorer.strings import text
from layerscope_explorer.workers import SlicedJob

#: Steps over which the drawn curves are averaged: single batches are too noisy to read.
SMOOTHING = 20
#: Points of a drawn curve.
CURVE_POINTS = 400
#: Weights are copied for the pictures at most this often, in seconds.
COPY_INTERVAL = 1 / 15


class Trainer:
    """Trains one stack; pauses, goes on and stops without waiting.

    Parameters
    ----------
    document : the stack and how to train it.
    data : what to train on.
    weights : weights to start from, by layer id; the initial ones where there are none.

    Raises
    ------
    ValueError
        If the stack cannot be trained on the data.
    """

    def __init__(
        self,
        document: Document,
        data: Data,
        weights: Weights | None = None,
    ) -> None:
        self.spec = document.training
        self._model, self._layers = _compiled(document, data, weights)
        self._losses: list[float] = []
        self._accuracies: list[float] = []
        self._validation: list[tuple[int, float, float]] = []
        self._seen = 0.0
        self._status: TrainingStatus = "idle"
        self._message = ""
        self._event: StepEvent | None = None
        self._copied = 0.0
        self._steps_per_epoch = math.ceil(len(data.x) / self.spec.batch_size)
        #: Newest copy of the weights; replaced as a whole, so reading needs no lock.
        self.weights: Weights = self._copy()
        self._document, self._data = document, data
        self._job = SlicedJob(self.steps(), self._take, self._end)

    def steps(self) -> Iterator[StepEvent]:
        """Yield after each step of training, in the caller's own time."""
        return self._model.steps(
            self._data.x,
            self._data.y,
            batch_size=self.spec.batch_size,
            epochs=self.spec.epochs,
            validation_data=(self._data.x_test, self._data.y_test),
            seed=self._document.seed,
        )

    def start(self) -> None:
        """Start, or go on after a pause."""
        if self._status in ("idle", "paused"):
            self._status = "running"
            self._job.resume()

    def pause(self) -> None:
        """Stop after the step that is running, ready to go on."""
        if self._status == "running":
            self._status = "paused"
            self._job.pause()

    def stop(self) -> None:
        """End for good; what was learned stays."""
        self._job.cancel()
        if self._status in ("running", "paused"):
            self._status = "finished"
            self._message = text("session.stopped")

    def _take(self, event: StepEvent) -> None:
        """Note one step; runs in the worker."""
        loss = event.batch_logs["loss"]
        seen = event.logs.get("accuracy", 0.0) * (event.step + 1)
        # The log holds the epoch's mean so far; the batch's own value is its increment.
        self._accuracies.append(seen - (self._seen if event.step else 0.0))
        self._seen = seen
        self._losses.append(loss)
        if event.epoch_end:
            step = len(self._losses)
            measured = (event.logs["val_loss"], event.logs["val_accuracy"])
            self._validation.append((step, *measured))
        self._event = event
        if not math.isfinite(loss):
            raise ArithmeticError(text("session.diverged", step=len(self._losses)))
        now = time.perf_counter()
        if now - self._copied >= COPY_INTERVAL:
            self._copied = now
            self.weights = self._copy()

    def _end(self, error: BaseException | None) -> None:
        """Note that training ended by itself; runs in the worker."""
        self.weights = self._copy()
        self._status = "finished" if error is None else "failed"
        self._message = "" if error is None else str(error)

    def _copy(self) -> dict[str, list[np.ndarray]]:
        layers = self._layers.items()
        return {layer_id: layer.get_weights() for layer_id, layer in layers if layer.weights}

    def final_weights(self) -> Weights:
        """Return the weights as they are now."""
        return self._copy()

    def state(self) -> TrainingState:
        """Return where training is, with curves short enough to draw."""
        event = self._event
        count = len(self._losses)
        at = _evenly(count)
        validation = np.array(self._validation, np.float32).reshape(-1, 3)
        return TrainingState(
            status=self._status,
            epoch=event.epoch + 1 if event else 0,
            epochs=self.spec.epochs,
            step=event.step + 1 if event else 0,
            steps_per_epoch=self._steps_per_epoch,
            loss=_smoothed(self._losses[:count])[at],
            accuracy=_smoothed(self._accuracies[:count])[at].clip(0, 1),
            val_steps=validation[:, 0],
            val_loss=validation[:, 1],
            val_accuracy=validation[:, 2],
            x=(at + 1).astype(np.float32),
            message=self._message,
        )


def _compiled(
    document: Document, data: Data, weights: Weights | None
) -> tuple[Model, dict[str, Layer]]:
    """Build and compile the stack, with the weights its pictures show."""
    model, layers = model_of(document, data, weights)
    compile_for(model, layers, document, data)
    return model, layers


def compile_for(
    model: Model, layers: Mapping[str, Layer], document: Document, data: Data
) -> None:
    """Compile a stack's model as its document says, for the classes of the data.

    Raises
    ------
    ValueError
        If the data has no classes, or the stack's output cannot tell them.
    """
    if data.y is None:
        raise ValueError(text("session.no_classes"))
    shape: Any = model.output_shape
    last = [spec for spec in document.layers if not spec.bypassed][-1]
    if shape != (None, data.classes):
        have = f"({', '.join(map(str, shape[1:]))})"
        name = document.names()[last.id]
        raise ValueError(text("session.not_classes", name=name, have=have, classes=data.classes))
    optimizer: Any = optimizers.get(document.training.optimizer)
    optimizer.learning_rate = document.training.learning_rate
    # The loss is cross-entropy on whatever the last layer gives: logits unless it is a softmax.
    end = layers[last.shares or last.id]
    logits = getattr(getattr(end, "activation", None), "__name__", "") != "softmax"
    loss: Mapping[str, Any] = {
        "class_name": "SparseCategoricalCrossentropy",
        "config": {"from_logits": logits},
    }
    model.compile(optimizer, dict(loss), metrics=["accuracy"])


def _evenly(count: int) -> np.ndarray:
    """Return at most `CURVE_POINTS` positions spread over `count`, the last among them."""
    if count <= CURVE_POINTS:
        return np.arange(count)
    return np.linspace(0, count - 1, CURVE_POINTS).round().astype(int)


def _smoothed(values: Sequence[float]) -> Float32Array:
    """Return the mean of each value and up to `SMOOTHING` - 1 before it."""
    finite = np.nan_to_num(np.asarray(values, np.float64), posinf=1e30).clip(-1e30, 1e30)
    sums = np.concatenate([[0.0], np.cumsum(finite)])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - SMOOTHING, 0)
    return ((sums[ends] - sums[starts]) / np.maximum(ends - starts, 1)).astype(np.float32)
