"""Training as a sequence of steps that can be paused, left, kept and taken up again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from layerscope import random
from layerscope.models.compilation import Logs, plain_logs
from layerscope.models.data import Feed
from layerscope.saving.model_files import StrPath, write_file

_GROUPS = ("weights", "optimizer", "metrics")


@dataclass(frozen=True)
class StepEvent:
    """What happened in one step of training.

    Attributes
    ----------
    epoch, step : counted from 0.
    steps : number of steps of an epoch, None if that is not known.
    logs : values over the epoch so far; at the epoch's end with the validation's.
    batch_logs : values of this batch alone.
    epoch_end : whether this was the epoch's last step.
    """

    epoch: int
    step: int
    steps: int | None
    logs: Logs
    batch_logs: Logs
    epoch_end: bool


@dataclass(frozen=True)
class TrainingState:
    """All that training goes on from, as arrays and plain data; may be pickled.

    Attributes
    ----------
    epoch, step : the step to take next.
    order : how the samples of this pass were shuffled, or will be.
    seen : batches of the pass already taken.
    weights : the model's variables, states of layers and of their seed generators included.
    optimizer, metrics : what these keep.
    learning_rate : the optimizer's, None if that is among what it keeps.
    randomness : state of the generator that unseeded calls draw from, None before the first.
    """

    epoch: int
    step: int
    order: dict[str, Any] | None
    seen: int
    weights: list[np.ndarray]
    optimizer: list[np.ndarray]
    metrics: list[np.ndarray]
    learning_rate: float | None
    randomness: dict[str, Any] | None

    def save(self, filepath: StrPath) -> None:
        """Write the state to an ``.npz`` file, which appears whole or not at all."""
        arrays = {
            f"{group}/{index}": array
            for group in _GROUPS
            for index, array in enumerate(getattr(self, group))
        }
        plain = {name: value for name, value in vars(self).items() if name not in _GROUPS}
        content = io.BytesIO()
        np.savez(content, plain=np.array(json.dumps(plain)), **arrays)
        write_file(Path(filepath), content.getvalue())

    @classmethod
    def load(cls, filepath: StrPath) -> Self:
        """Read what `save` wrote; nothing in the file is run.

        Raises
        ------
        OSError
            If there is no such file, or it is not one of a state.
        """
        try:
            with np.load(filepath, allow_pickle=False) as file:
                plain = json.loads(str(file["plain"]))
                groups: dict[str, Any] = {group: [] for group in _GROUPS}
                for name in file.files:
                    group = name.partition("/")[0]
                    if group in groups:
                        groups[group].append(file[f"{group}/{len(groups[group])}"])
            return cls(**plain, **groups)
        except FileNotFoundError:
            raise
        except Exception as error:  # Whatever a damaged archive makes its reader say.
            raise OSError(f"{filepath} does not hold the state of a training: {error}") from error


class TrainingRun(Iterator[StepEvent]):
    """Training that goes on by one step whenever it is asked for the next event.

    To pause, do not ask; to leave, drop it or call `close`. `state` may be taken between steps.

    Parameters
    ----------
    model : what to train.
    feed : where the batches come from.
    hooks : callbacks.
    epochs, initial_epoch : the epoch to stop before and the one to start with, from 0.
    validate : returns the values to add at the end of an epoch, None if there are none.
    """

    def __init__(
        self,
        model: Any,
        feed: Feed,
        hooks: Any,
        epochs: int,
        initial_epoch: int = 0,
        validate: Callable[[int], Logs | None] | None = None,
    ) -> None:
        self.epochs = epochs
        self._model, self._feed, self._hooks, self._validate = model, feed, hooks, validate
        self._epoch, self._step = initial_epoch, 0
        self._logs: Logs = {}
        self._built = False
        self._events = self._run()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StepEvent:
        return next(self._events)

    def __reduce__(self) -> Any:
        # The copy of a model that is being trained is not being trained.
        return type(None), ()

    def close(self) -> None:
        """End where training stands."""
        self._events.close()  # type: ignore[attr-defined]

    # --- what it stands for --------------------------------------------------------------

    def state(self) -> TrainingState:
        """Return copies of all that training goes on from."""
        model = self._model
        self._build()
        rate = getattr(model.optimizer, "learning_rate", None)
        order, seen = self._feed.position()
        return TrainingState(
            epoch=self._epoch,
            step=self._step,
            order=order,
            seen=seen,
            weights=[variable.numpy() for variable in model._all_variables()],
            optimizer=[variable.numpy() for variable in model.optimizer.variables],
            metrics=[variable.numpy() for variable in model.metrics_variables],
            learning_rate=float(rate) if isinstance(rate, (int, float)) else None,
            randomness=random.ambient_state(),
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a state of a run of the same model on the same data.

        A generator is taken to stand where it stood.

        Raises
        ------
        ValueError
            If the state is of another model.
        """
        model = self._model
        self._feed.seek(state.order, state.seen)
        self._build()
        _assign("variables of the model", model._all_variables(), state.weights)
        _assign("variables of the optimizer", model.optimizer.variables, state.optimizer)
        if state.metrics:
            _assign("variables of the metrics", model.metrics_variables, state.metrics)
        if state.learning_rate is not None:
            model.optimizer.learning_rate = state.learning_rate
        random.restore_ambient_state(state.randomness)
        self._epoch, self._step = state.epoch, state.step

    @staticmethod
    def load_state(filepath: StrPath) -> TrainingState:
        """Return the state that a file holds."""
        return TrainingState.load(filepath)

    def _build(self) -> None:
        """Create what the first step would, so that a state has all there is to keep."""
        if self._built:
            return
        randomness = random.ambient_state()
        batch = self._feed.peek()
        if batch is not None:
            self._model._symbolic_build(data_batch=batch)
        random.restore_ambient_state(randomness)
        self._built = True

    # --- the loop ------------------------------------------------------------------------

    def _run(self) -> Iterator[StepEvent]:
        model = self._model
        model.__dict__["_training_run"] = self
        try:
            model.stop_training = False
            self._hooks.on_train_begin()
            while self._epoch < self.epochs and not model.stop_training:
                yield from self._run_epoch()
            if self.epochs > 0:
                model.optimizer.finalize_variable_values(model.trainable_variables)
            self._hooks.on_train_end(self._logs)
        finally:
            model.__dict__.pop("_training_run", None)

    def _run_epoch(self) -> Iterator[StepEvent]:
        model, hooks, epoch = self._model, self._hooks, self._epoch
        if not self._step:
            model.reset_metrics()
        hooks.on_epoch_begin(epoch)
        logs: Logs = {}
        batch_logs: Logs = {}
        for batch, last in self._feed.epoch(self._step):
            logs, batch_logs = self._take(batch, last)
            if model.stop_training:
                break
            if not last:
                yield StepEvent(epoch, self._step - 1, self._feed.steps, logs, batch_logs, False)
                if model.stop_training:
                    return
        yield self._finish_epoch(logs, batch_logs)

    def _take(self, batch: Any, last: bool) -> tuple[Logs, Logs]:
        """Take one step, and return the values so far and those of the batch."""
        model, step = self._model, self._step
        every = model.steps_per_execution
        if step % every == 0:
            self._hooks.on_train_batch_begin(step)
        tracker = model._loss_tracker
        tracker.last = None
        logs = plain_logs(model.train_step(batch))
        self._step, self._built = step + 1, True
        if last or self._step % every == 0:
            self._hooks.on_train_batch_end(step, logs)
        return logs, logs if tracker.last is None else {"loss": tracker.last}

    def _finish_epoch(self, logs: Logs, batch_logs: Logs) -> StepEvent:
        epoch, step = self._epoch, self._step
        self._logs = logs = dict(self._model._results_or(logs))
        values = None if self._validate is None else self._validate(epoch)
        logs.update({f"val_{name}": value for name, value in (values or {}).items()})
        self._epoch, self._step = epoch + 1, 0
        self._hooks.on_epoch_end(epoch, logs)
        return StepEvent(epoch, step - 1, self._feed.steps or step, logs, batch_logs, True)


def _assign(what: str, variables: list[Any], arrays: list[np.ndarray]) -> None:
    if [variable.shape for variable in variables] != [array.shape for array in arrays]:
        raise ValueError(
            f"The state is of another training: it holds {len(arrays)} {what} of shapes "
            f"{[array.shape for array in arrays]}, but there are {len(variables)} of shapes "
            f"{[variable.shape for variable in variables]}."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def first_batch_size(x: Any) -> int:
    """Return the number of samples of a batch's inputs."""
    while isinstance(x, (list, tuple, dict)):
        x = next(one for one in (x.values() if isinstance(x, dict) else x) if one is not None)
    return x.shape[0]
