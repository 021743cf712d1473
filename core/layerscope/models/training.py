"""Fitting a model to data, measuring it, and predicting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from layerscope import ops, random
from layerscope.autodiff import GradientTape
from layerscope.batches import pack_x_y_sample_weight, unpack_x_y_sample_weight
from layerscope.callbacks import CallbackList, History
from layerscope.models.compilation import Compiled, Logs, plain_logs
from layerscope.models.data import Arrays, Feed, Source, as_batch, source_of, weights_of_classes
from layerscope.models.training_run import StepEvent as StepEvent
from layerscope.models.training_run import TrainingRun, first_batch_size
from layerscope.models.training_run import TrainingState as TrainingState
from layerscope.structure import leaves, map_structure, packed_like
from layerscope.tensor import Variable

Verbosity = Literal["auto"] | int


class Differentiated(NamedTuple):
    """What a step of the optimizer needs to know of a batch.

    Attributes
    ----------
    y_pred : the predictions.
    loss : their loss, penalties included.
    variables : what is trained.
    gradients : of the loss, with respect to each.
    """

    y_pred: Any
    loss: Any
    variables: list[Variable]
    gradients: Sequence[Any]


class Trainer(Compiled):
    """What a model can do beyond being a layer: learn, be measured, predict."""

    #: What the last `fit` returned.
    history: History | None = None

    # --- one batch -----------------------------------------------------------------------

    def train_step(self, data: Any) -> Logs:
        """Take one step of the optimizer and return the values so far; override to change it.

        Parameters
        ----------
        data : a batch: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred, loss, variables, gradients = self._differentiate(x, y, sample_weight)
        self._note(loss, x)
        if variables:
            self.optimizer.apply(gradients, variables)
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _differentiate(self, x: Any, y: Any, sample_weight: Any) -> Differentiated:
        """Predict a batch, and differentiate the loss."""
        with GradientTape() as tape:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss = self._compute_loss(x, y, y_pred, sample_weight, True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables  # type: ignore[attr-defined]
        gradients = tape.gradient(scaled, variables) if variables else []
        return Differentiated(y_pred, loss, variables, gradients)

    def test_step(self, data: Any) -> Logs:
        """Measure one batch and return the values so far; override to change it."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        self._note(self._compute_loss(x, y, y_pred, sample_weight, False), x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Return the predictions for one batch; override to change it."""
        return self(unpack_x_y_sample_weight(data)[0], training=False)  # type: ignore[operator]

    def _note(self, loss: Any, x: Any) -> None:
        assert self._loss_tracker is not None
        self._loss_tracker.update_state(loss, first_batch_size(x))

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Take one step on one batch and return its loss and metrics, as `evaluate` does."""
        self._assert_compile_called("train_on_batch")
        if class_weight is not None:
            sample_weight = weights_of_classes(y, class_weight, sample_weight)
        self.reset_metrics()
        logs = plain_logs(self.train_step(_one_batch(x, y, sample_weight)))
        return logs if return_dict else self._in_order(logs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Measure one batch and return its loss and metrics, as `evaluate` does."""
        self._assert_compile_called("test_on_batch")
        self.reset_metrics()
        logs = plain_logs(self.test_step(_one_batch(x, y, sample_weight)))
        return logs if return_dict else self._in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the predictions for one batch."""
        return map_structure(ops.convert_to_numpy, self.predict_step(_one_batch(x)))

    def _all_variables(self) -> list[Variable]:
        """Return all variables, with those that are no weights, as states of recurrent layers."""
        layers = self._flatten_layers()  # type: ignore[attr-defined]
        held = (leaf for layer in layers for leaf in leaves(dict(vars(layer))))
        found = [*self.variables, *(one for one in held if isinstance(one, Variable))]  # type: ignore[attr-defined]
        return list({id(one): one for one in found}.values())

    def _symbolic_build(self, data_batch: Any) -> None:
        """Create all that the first step on a batch would, and change nothing."""
        x, y, _ = unpack_x_y_sample_weight(data_batch)
        states = [(one, one.numpy()) for one in self._all_variables() if not one.trainable]
        y_pred = self(x, training=False)  # type: ignore[operator]
        for variable, value in states:
            variable.assign(value)
        for part in (self._compile_loss, self._compile_metrics):
            if part is not None and not part.built:
                part.build_for(y, y_pred)
        if self.optimizer is not None and not getattr(self.optimizer, "built", False):
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    # --- training ------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbosity = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | Literal["batch"] = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        Parameters
        ----------
        x, y : inputs and targets, one sample per entry of the first axis: arrays, or lists or dicts
            of them. Or as `x` alone a generator, an iterable or a `PyDataset` that gives batches
            ``(x, y)`` or ``(x, y, sample_weight)``.
        batch_size : samples per step, 32 unless given.
        epochs : epoch to stop before, counted from 0.
        verbose : 0 silent, 1 (and ``"auto"``) a progress bar, 2 one line per epoch.
        callbacks : hooks to call.
        validation_split : fraction of the samples, from the end, kept for validation.
        validation_data : ``(x, y)``, ``(x, y, sample_weight)`` or what gives batches, instead.
        shuffle : whether to draw the samples in a new order each epoch; ``"batch"``: within each
            batch.
        class_weight : factor of the samples of each class number.
        sample_weight : factor of each sample; one array for all outputs, or one for each.
        initial_epoch : epoch to start with.
        steps_per_epoch : steps of an epoch; default: until the data is used up.
        validation_steps, validation_batch_size : the same for the validation.
        validation_freq : epochs between two validations, or a list of epochs, from 1.

        Returns
        -------
        The values of every epoch, in its `history`.

        Raises
        ------
        ValueError
            If `compile` was not called, or data and arguments do not fit together.

        Examples
        --------
        >>> import numpy as np, layerscope as ls
        >>> model = ls.Sequential([ls.Input((1,)), ls.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse")
        >>> x = np.array([[1.0], [2.0]])
        >>> history = model.fit(x, 3 * x, epochs=2, verbose=0)
        >>> history.history["loss"][0]
        10.0
        """
        self._assert_compile_called("fit")
        for _ in self._prepared(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        ):
            pass
        assert self.history is not None
        return self.history

    def steps(
        self,
        x: Any = None,
        y: Any = None,
        *,
        batch_size: int | None = None,
        epochs: int = 1,
        seed: random.Seed = None,
        state: TrainingState | None = None,
        **options: Any,
    ) -> TrainingRun:
        """Train step by step, yielding an event after each; stop by not asking for the next.

        Parameters
        ----------
        x, y, batch_size, epochs, options : as of `fit`.
        seed : fixes the order of the samples.
        state : what the `state` of an earlier run gave, to go on from there bit for bit; the model
            must be made and compiled alike, data and arguments must be the same.

        Examples
        --------
        >>> import numpy as np, layerscope as ls
        >>> model = ls.Sequential([ls.Input((1,)), ls.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> run = model.steps(np.ones((6, 1)), np.ones((6, 1)), batch_size=2, epochs=3)
        >>> [(event.epoch, event.step) for _, event in zip(range(4), run)]
        [(0, 0), (0, 1), (0, 2), (1, 0)]
        >>> kept = run.state()
        >>> len(list(model.steps(np.ones((6, 1)), np.ones((6, 1)), batch_size=2, epochs=3,
        ...                      state=kept)))
        5
        """
        self._assert_compile_called("steps")
        options = {"verbose": 0, **options}
        run = self._prepared(x, y, batch_size=batch_size, epochs=epochs, seed=seed, **options)
        if state is not None:
            run.restore(state)
        return run

    def _prepared(
        self,
        x: Any,
        y: Any,
        *,
        batch_size: int | None,
        epochs: int,
        verbose: Verbosity,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | Literal["batch"] = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
        seed: random.Seed = None,
    ) -> TrainingRun:
        """Return a training that is ready to take its first step."""
        if validation_split and validation_data is None:
            whole = source_of(x, y, sample_weight)
            if not isinstance(whole, Arrays):
                raise ValueError(
                    "Argument `validation_split` is only supported for arrays. Received: "
                    f"validation_split={validation_split} for x={x!r}"
                )
            (x, y, sample_weight), validation_data = whole.split(validation_split)
        source = source_of(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
        )
        feed = Feed(source, steps_per_epoch, random.generator_of(seed) if shuffle else None)
        hooks = self._hooks(callbacks, verbose, epochs, feed.steps)
        validate = None
        if validation_data is not None:
            measured = _validation_source(
                validation_data, validation_batch_size or batch_size, validation_steps
            )
            validate = self._validation(measured, validation_steps, validation_freq, hooks)
        return TrainingRun(self, feed, hooks, epochs, initial_epoch, validate)

    def _hooks(self, callbacks: Any, verbose: Any, epochs: int, steps: int | None) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    def _validation(
        self, source: Source, steps: int | None, freq: Any, hooks: CallbackList
    ) -> Callable[[int], Logs | None]:
        """Return what measures the model after an epoch, if it is due."""
        if not isinstance(freq, (list, tuple, set)) and (not isinstance(freq, int) or freq < 1):
            raise ValueError(
                "Argument `validation_freq` must be a positive integer or a list of epochs. "
                f"Received: validation_freq={freq!r}"
            )

        def validate(epoch: int) -> Logs | None:
            due = (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq
            return self._measure(Feed(source, steps), hooks) if due else None

        return validate

    # --- measuring and predicting --------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbosity = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Measure the model on data.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, callbacks : as of `fit`.
        steps : batches to take; default: until the data is used up.
        return_dict : whether to return the values by name.

        Returns
        -------
        The loss, or a list of the loss and the metrics if there are any, or with `return_dict` a
        dict of them by name.
        """
        self._assert_compile_called("evaluate")
        source = source_of(x, y, sample_weight, batch_size=batch_size, steps=steps)
        feed = Feed(source, steps)
        logs = self._measure(feed, self._hooks_of_use(callbacks, verbose, feed))
        return logs if return_dict else self._in_order(logs)

    def _hooks_of_use(self, callbacks: Any, verbose: Any, feed: Feed) -> CallbackList:
        """Return callbacks without a history, which belongs to training."""
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=1,
            steps=feed.steps,
        )

    def _measure(self, feed: Feed, hooks: CallbackList) -> Logs:
        every = self.steps_per_execution
        self.stop_evaluating = False
        hooks.on_test_begin()
        self.reset_metrics()
        logs: Logs = {}
        for step, (batch, last) in enumerate(feed.epoch()):
            if step % every == 0:
                hooks.on_test_batch_begin(step)
            logs = plain_logs(self.test_step(batch))
            if last or (step + 1) % every == 0:
                hooks.on_test_batch_end(step, logs)
            if self.stop_evaluating:
                break
        logs = self._results_or(logs)
        hooks.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Verbosity = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the predictions for all samples, computed batch by batch.

        Parameters
        ----------
        x, batch_size, verbose, callbacks : as of `fit`.
        steps : batches to take; default: until the data is used up.
        """
        feed = Feed(source_of(x, batch_size=batch_size, steps=steps), steps)
        hooks = self._hooks_of_use(callbacks, verbose, feed)
        every = self.steps_per_execution
        self.stop_predicting = False
        hooks.on_predict_begin()
        parts: list[Any] = []
        for step, (batch, last) in enumerate(feed.epoch()):
            if step % every == 0:
                hooks.on_predict_batch_begin(step)
            parts.append(map_structure(ops.convert_to_numpy, self.predict_step(batch)))
            if last or (step + 1) % every == 0:
                outputs = parts[-1] if every == 1 else _joined(parts[step - step % every :])
                hooks.on_predict_batch_end(step, {"outputs": outputs})
            if self.stop_predicting:
                break
        hooks.on_predict_end()
        if not parts:
            raise ValueError("Argument `x` gave no batch to predict.")
        return _joined(parts)


def _one_batch(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    return pack_x_y_sample_weight(*as_batch(x, y, sample_weight))


def _validation_source(data: Any, batch_size: int | None, steps: int | None) -> Source:
    x, y, sample_weight = (data, None, None)
    if isinstance(data, (list, tuple)):
        x, y, sample_weight = unpack_x_y_sample_weight(data)
    return source_of(x, y, sample_weight, batch_size=batch_size, steps=steps)


def _joined(parts: list[Any]) -> Any:
    """Return the outputs of several batches as those of one, in memory of their own."""
    if len(parts) == 1 and type(parts[0]) is np.ndarray:
        return parts[0].copy()
    flat = [leaves(part) for part in parts]
    return packed_like(parts[0], [np.concatenate(pieces) for pieces in zip(*flat, strict=True)])
