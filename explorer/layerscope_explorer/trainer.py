"""Training a document's stack in the background: forward, back, and from anywhere again.

A training is a row of legs, each under settings of its own: an edit that lets every layer keep its
weights begins a new leg where training stands, any other begins a new training. As a step depends
on nothing but the state before it, whatever step is looked at, it is reached from the nearest state
that was kept by taking the steps between once more, with the same bytes as a result.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerscope import Model, optimizers, random
from layerscope.layers.layer import Layer
from layerscope.models.training_run import StepEvent, TrainingRun
from layerscope.models.training_run import TrainingState as RunState
from layerscope_explorer.data import SAMPLE, Data, data_of
from layerscope_explorer.diagnosis.dry_run import dry_run
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Weights
from layerscope_explorer.limits import (
    MAX_KEPT_BYTES,
    MAX_STEPS,
    MAX_TRAINING_SECONDS,
    MAX_VALUES,
)
from layerscope_explorer.making import origin_of
from layerscope_explorer.model import model_of
from layerscope_explorer.objective import Objective, activation_name, objective_of, takes
from layerscope_explorer.recording import Kept, Moment, Recording, Series, moments
from layerscope_explorer.sentence import end_words
from layerscope_explorer.snapshot import Float32Array, TrainingState, TrainingStatus
from layerscope_explorer.strings import text
from layerscope_explorer.workers import SlicedJob

_LOG = logging.getLogger(__name__)

#: Steps over which the drawn curves are averaged: single batches are too noisy to read.
SMOOTHING = 20
#: Points of a drawn curve.
CURVE_POINTS = 200
#: Weights are copied for the pictures at most this often, in seconds.
COPY_INTERVAL = 1 / 25
#: Changes of settings in one training; then it begins anew where it stands.
MOST_LEGS = 256
#: A person who steps back stays near: a state is kept this many steps before.
NEAR = 16


@dataclass(frozen=True, eq=False)
class _Wish:
    """What a person wants: to go to a step, to train on from there, or to stay.

    Attributes
    ----------
    aim : how many steps; None for where training is.
    play : whether to train on from there.
    """

    aim: int | None = None
    play: bool = False


@dataclass(frozen=True, eq=False)
class _Leg:
    """Part of a training under the same settings.

    Attributes
    ----------
    start : after how many steps it begins.
    document : the settings.
    places : by layer id, where its weights are among those of a state.
    """

    start: int
    document: Document
    places: Mapping[str, Sequence[int]]


@dataclass(frozen=True, eq=False)
class _Machine:
    """A document's stack, compiled.

    Attributes
    ----------
    document, data : what it was made of, and what it learns.
    model, layers : the stack, and its layers by id.
    x, y, validation : what `Model.steps` is given.
    score : "accuracy" or "error".
    """

    document: Document
    data: Data
    model: Model
    layers: Mapping[str, Layer]
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray]
    score: str

    def run(self, state: RunState | None = None) -> TrainingRun:
        """Return its training, from a state where one is given."""
        return self.model.steps(
            self.data.x,
            self.y,
            batch_size=self.document.training.batch_size,
            # It is the trainer that ends it: there may always be another epoch.
            epochs=10**9,
            validation_data=self.validation,
            seed=self.document.seed,
            state=state,
        )

    def weights(self) -> dict[str, list[np.ndarray]]:
        """Return copies of the weights by layer id."""
        layers = self.layers.items()
        return {layer_id: layer.get_weights() for layer_id, layer in layers if layer.weights}

    def places(self) -> dict[str, list[int]]:
        """Return where a layer's weights are among those of a state, by layer id."""
        at = {id(one): place for place, one in enumerate(self.model._all_variables())}
        layers = self.layers.items()
        return {
            layer_id: [at[id(weight)] for weight in layer.weights]
            for layer_id, layer in layers
            if layer.weights
        }


class Trainer:
    """Trains one stack, and goes to any step of its training.

    The methods only say what is wanted, and return at once; `work` does it, in a pool.

    Parameters
    ----------
    document : the stack and how to train it.
    weights : weights to start from, by layer id; the initial ones where there are none.
    most_bytes : memory for the way back.
    """

    def __init__(
        self,
        document: Document,
        weights: Weights | None = None,
        most_bytes: int = MAX_KEPT_BYTES,
    ) -> None:
        self._wanted: tuple[Document, Weights] = (document, weights or {})
        self._entered: Document | None = None
        self._machine: _Machine | None = None
        self._run: TrainingRun | None = None
        self._legs: list[_Leg] = []
        self._leg = 0
        self._recording: Recording[_Leg] = Recording(most_bytes)
        self._losses, self._scores = Series(), Series()
        self._epochs, self._steps = Series(np.int32), Series(np.int32)
        self._validation: list[tuple[int, float, float]] = []
        self._at = self._reached = self._epoch = 0
        self._goal = 0
        # The wish, its goal if it has one, whether its aim was met, and whether all of it was done.
        self._wish = self._heard = self._met = self._done = _Wish()
        self._lock = threading.Lock()
        self._status: TrainingStatus = "idle"
        self._message = self._problem = ""
        self._copied = self._spent = 0.0
        #: Newest copy of the weights; replaced as a whole, so reading needs no lock.
        self.weights: Weights = weights or {}
        self._job = SlicedJob(self.work)

    # --- what is wanted ------------------------------------------------------------------

    @property
    def document(self) -> Document:
        """The newest document it was given."""
        return self._wanted[0]

    @property
    def busy(self) -> bool:
        """Whether it is on its way to where it is wanted."""
        return self._job.busy

    @property
    def behind(self) -> bool:
        """Whether it has yet to follow an edit."""
        return self._entered is not self.document

    def update(self, document: Document, weights: Weights) -> None:
        """Follow an edit: at once while training runs, else with the next `wake`.

        Parameters
        ----------
        weights : for layers that cannot keep those they have.
        """
        self._wanted = (document, weights)
        if self._status == "running":
            self.wake()

    def wake(self) -> None:
        """Do what is wanted, in the pool."""
        self._job.wake()

    def play(self) -> None:
        """Train on, to the end of the epochs; from there for as many again."""
        self._go(_Wish(self._pending(), play=True), "running")

    def pause(self) -> None:
        """Stay where training is, after the step that is being taken."""
        if self._status == "running":
            self._go(_Wish(), "paused")

    def step(self, count: int) -> None:
        """Go some steps on, or back where that is negative; adds up when asked again and again."""
        pending = self._pending()
        start = self._at if pending is None else pending
        self._go(_Wish(max(start + count, 0)), "paused")

    def seek(self, at: int) -> None:
        """Go to where training was after so many steps."""
        self._go(_Wish(min(max(at, 0), self._reached)), "paused")

    def _pending(self) -> int | None:
        """Return the step it is on the way to, if it is."""
        return None if self._wish is self._met else self._wish.aim

    def _go(self, wish: _Wish, status: TrainingStatus) -> None:
        with self._lock:
            self._status, self._message, self._wish = status, "", wish
        self.wake()

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until it is where it is wanted, for who has no loop to be told in.

        Raises
        ------
        TimeoutError
            If that takes longer.
        """
        until = time.monotonic() + seconds
        while self.busy:
            if time.monotonic() > until:
                raise TimeoutError(f"Training is still under way after {seconds} s")
            time.sleep(0.001)

    def close(self) -> None:
        """End for good."""
        self._job.cancel()

    # --- the work ------------------------------------------------------------------------

    def work(self) -> bool:
        """Do one small piece of what is wanted, and tell whether there is more."""
        try:
            return self._work()
        except (ValueError, TypeError, ArithmeticError) as error:
            self._fail(str(error))
        except Exception as error:
            _LOG.error("training failed", exc_info=error)
            self._fail(str(error))
        return False

    def _fail(self, message: str) -> None:
        self._publish()
        self._finish(self._wish, "failed", message)

    def _finish(self, wish: _Wish, status: TrainingStatus, message: str = "") -> None:
        """Note that a wish is done with, unless there is a newer one."""
        self._done = wish
        with self._lock:
            if self._wish is wish:
                self._status, self._message = status, message

    def _work(self) -> bool:
        wish = self._wish
        self._follow()
        if wish.aim == self._at or wish.aim is None:
            self._met = wish
        if wish is not self._met:
            if wish is not self._done and not self._go_near(wish.aim or 0):
                self._take_step(wish.aim)
            return wish is not self._done
        if wish is self._done or not wish.play:
            self._publish()
            return False
        if wish is not self._heard:
            self._heard = wish
            self._set_goal()
        if self._epoch >= self._goal and self._at == self._reached:
            self._publish()
            self._finish(wish, "finished")
            return False
        self._copy_now_and_then()
        self._take_step(None)
        return True

    def _set_goal(self) -> None:
        """End after the epochs, or after as many again where they are over."""
        epochs = self.document.training.epochs
        self._goal = epochs * (self._epoch // epochs + 1)

    def _publish(self) -> None:
        if self._machine is not None:
            self.weights = self._machine.weights()

    def _copy_now_and_then(self) -> None:
        now = time.perf_counter()
        if now - self._copied >= COPY_INTERVAL:
            self._copied = now
            self._publish()

    def _take_step(self, aim: int | None) -> None:
        """Take one step, under the settings it was taken under before if it was."""
        while self._leg + 1 < len(self._legs) and self._legs[self._leg + 1].start <= self._at:
            self._leg += 1
            self._join(self._legs[self._leg].document, {})
        if self._at >= MAX_STEPS:
            raise ValueError(text("training.too_long", limit=f"{MAX_STEPS:,}"))
        if self._spent > MAX_TRAINING_SECONDS:
            minutes = f"{MAX_TRAINING_SECONDS / 60:g}"
            raise ValueError(text("training.too_much_time", minutes=minutes))
        assert self._run is not None
        start = time.perf_counter()
        event = next(self._run)
        self._spent += time.perf_counter() - start
        self._at += 1
        self._epoch = event.epoch + event.epoch_end
        if self._at > self._reached:
            self._note(event)
            self._reached = self._at
        if self._recording.wants(self._at):
            self._recording.add(self._kept())
        elif aim is not None and aim - self._at == NEAR and aim < self._reached:
            self._recording.look_near(self._kept())
        if not math.isfinite(event.batch_logs["loss"]):
            raise ArithmeticError(text("session.diverged", step=self._at))

    def _kept(self) -> Kept[_Leg]:
        assert self._run is not None
        return Kept(self._at, self._legs[self._leg], self._run.state())

    def _note(self, event: StepEvent) -> None:
        """Note what a step gave that was never taken before."""
        self._losses.append(event.batch_logs["loss"])
        self._scores.append(event.logs.get("score", 0.0))
        self._epochs.append(event.epoch)
        self._steps.append(event.step)
        if event.epoch_end and "val_loss" in event.logs:
            measured = (event.logs["val_loss"], event.logs["val_score"])
            self._validation = [*self._validation, (self._at, *measured)]

    def _go_near(self, aim: int) -> bool:
        """Go to the last state that is kept before a step, if that is nearer; tell whether."""
        kept = self._recording.before(aim)
        if self._at <= aim and kept.at <= self._at:
            return False
        leg = self._legs.index(kept.leg)
        if leg != self._leg:
            self._machine = _compiled(kept.leg.document, None)
            self._leg = leg
        assert self._machine is not None
        self._start_run(self._machine.run(kept.state))
        self._at, self._epoch = kept.at, kept.state.epoch
        return True

    def _start_run(self, run: TrainingRun) -> None:
        if self._run is not None:
            self._run.close()
        self._run = run

    # --- edits ---------------------------------------------------------------------------

    def _follow(self) -> None:
        """Take over the newest document where it is another."""
        document, weights = self._wanted
        if document is not self._entered:
            self._entered, self._problem = document, ""
            try:
                self._take_over(document, weights)
            except ValueError as error:
                self._problem = str(error)
        if self._problem:
            raise ValueError(self._problem)

    def _take_over(self, document: Document, weights: Weights) -> None:
        known = self._legs[self._leg].document if self._legs else None
        if known is None or _what_learns(known) != _what_learns(document):
            self._enter(document, weights)
        if self._status == "failed":
            # What was wrong is mended, or at least another thing.
            self._status, self._message = "paused", ""
        self._set_goal()

    def _enter(self, document: Document, weights: Weights) -> None:
        """Go on under other settings from where training stands; what lay ahead is forgotten."""
        joined = self._join(document, weights)
        assert self._machine is not None
        places = self._machine.places()
        if joined and len(self._legs) < MOST_LEGS:
            self._legs = [*self._legs[: self._leg + 1], _Leg(self._at, document, places)]
            self._leg += 1
            self._forget_ahead(self._at)
            return
        if self._legs:
            # Not the stack it was: it stands at its own beginning.
            self._start_run(self._machine.run())
            self._finish(self._wish, "paused")
        self._at = self._epoch = 0
        self._legs, self._leg = [_Leg(0, document, places)], 0
        self._forget_ahead(0)
        self._recording.clear()
        self._recording.add(self._kept())
        self._publish()

    def _forget_ahead(self, at: int) -> None:
        self._reached = at
        for series in (self._losses, self._scores, self._epochs, self._steps):
            series.cut(at)
        self._validation = [one for one in self._validation if one[0] <= at]
        self._recording.cut(at)

    def _join(self, document: Document, weights: Weights) -> bool:
        """Build another document's stack and let it go on from this one's state.

        Returns
        -------
        Whether every layer of it kept its weights, on the same data.
        """
        before, run = self._machine, self._run
        carried = {} if before is None else _carried(before, document)
        machine = _compiled(document, {**weights, **carried})
        new = machine.run()
        joined = before is not None and run is not None and _keeps_all(before, machine, carried)
        if before is not None and run is not None and joined:
            new.restore(_joined(before, run.state(), machine, new.state()))
            machine.model.optimizer.learning_rate = document.training.learning_rate
        else:
            random.set_seed(document.seed)
        self._machine = machine
        self._start_run(new)
        return joined

    # --- what is shown -------------------------------------------------------------------

    def moments(self, layer_id: str) -> list[Moment]:
        """Return a layer's weights at every state that is kept, oldest first."""
        return moments(self._recording, layer_id)

    def state(self) -> TrainingState:
        """Return where training is, with curves short enough to draw."""
        machine = self._machine
        at, count = self._at, len(self._steps)
        series = (self._losses, self._scores, self._epochs, self._steps)
        noted = [one.first(count) for one in series]
        # Training may have cut them meanwhile, to go on under other settings.
        count = min(map(len, noted))
        losses, scores, epochs, steps = (one[:count] for one in noted)
        drawn = _evenly(count)
        scores = _by_batch(scores, steps)
        validation = np.array(self._validation, np.float32).reshape(-1, 3)
        data = machine.data if machine is not None else None
        batch = self.document.training.batch_size
        here = min(at, count) - 1
        return TrainingState(
            status=self._status if self._reached or self._status != "paused" else "idle",
            at=at,
            reached=max(self._reached, at),
            epoch=int(epochs[here]) + 1 if here >= 0 else 0,
            epochs=self._goal,
            step=int(steps[here]) + 1 if here >= 0 else 0,
            steps_per_epoch=math.ceil(len(data.x) / batch) if data is not None else 0,
            score=machine.score if machine is not None else "accuracy",
            loss=_smoothed(losses, drawn),
            accuracy=_smoothed(scores, drawn),
            val_steps=validation[:, 0],
            val_loss=validation[:, 1],
            val_accuracy=validation[:, 2],
            x=(drawn + 1).astype(np.float32),
            message=self._message,
        )


# --- machines -----------------------------------------------------------------------------------


def compile_for(
    model: Model, layers: Mapping[str, Layer], document: Document, data: Data
) -> Objective:
    """Compile a stack's model as its document says, and return what it makes small.

    Raises
    ------
    ValueError
        If the stack cannot be trained on its data.
    """
    if data.missing:
        raise ValueError(text("input.missing", file=data.missing))
    if data.y is None or data.x_test is None or data.y_test is None:
        raise ValueError(text("session.no_classes"))
    shape: Any = model.output_shape
    last = [spec for spec in document.layers if not spec.bypassed][-1]
    if not takes(data, shape):
        raise ValueError(end_words(data, document.names()[last.id], shape))
    training = document.training
    end = layers[last.shares or last.id]
    objective = objective_of(data, training.loss, shape[1], activation_name(end))
    optimizer: Any = optimizers.get(training.optimizer)
    optimizer.learning_rate = training.learning_rate
    model.compile(optimizer, objective.loss(), metrics=[objective.metric()])
    return objective


def _compiled(document: Document, weights: Weights | None) -> _Machine:
    """Build and compile a stack, with the weights its pictures show."""
    data = data_of(document.input.arguments)
    _check_batch(document)
    model, layers = model_of(document, data, weights)
    objective = compile_for(model, layers, document, data)
    assert data.y is not None
    assert data.x_test is not None
    assert data.y_test is not None
    # What shares weights has them from the layer it shares them with.
    own = {spec.id: layers[spec.id] for spec in document.layers if spec.id in layers}
    own = {key: layer for key, layer in own.items() if not document.layer(key).shares}
    return _Machine(
        document,
        data,
        model,
        own,
        objective.targets(data.y),
        (data.x_test, objective.targets(data.y_test)),
        objective.score,
    )


def _what_learns(document: Document) -> tuple[Any, ...]:
    """Return what a training depends on; how long it is to go on does not matter."""
    training = replace(document.training, epochs=1)
    return document.layers, document.input, document.seed, document.code, training


def _carried(before: _Machine, document: Document) -> dict[str, list[np.ndarray]]:
    """Return the weights that layers bring with them into another document."""
    known = {layer.id for layer in document.layers if not layer.shares}
    return {
        layer_id: weights
        for layer_id, weights in before.weights().items()
        if layer_id in known
        and origin_of(before.document, layer_id) == origin_of(document, layer_id)
    }


def _keeps_all(before: _Machine, after: _Machine, carried: Weights) -> bool:
    """Tell whether every layer has the weights it brought, and learns the same data."""
    if before.document.input != after.document.input:
        return False
    needed = {key: layer for key, layer in after.layers.items() if layer.weights}
    return all(
        key in carried
        and [np.shape(one) for one in carried[key]] == [one.shape for one in layer.weights]
        for key, layer in needed.items()
    )


def _check_batch(document: Document) -> None:
    """Raise if a step would hold more values than a session may have."""
    values = dry_run(document).values
    most = max(MAX_VALUES * SAMPLE // max(values, 1), 1)
    if document.training.batch_size > most:
        size = document.training.batch_size
        raise ValueError(text("training.batch_too_large", size=size, most=most))


def _joined(before: _Machine, state: RunState, after: _Machine, fresh: RunState) -> RunState:
    """Return the state in which another machine goes on from where one stands."""
    old, new = before.document, after.document
    same_stack = (old.layers, old.seed) == (new.layers, new.seed)
    same_batches = old.training.batch_size == new.training.batch_size
    same_rule = old.training.optimizer == new.training.optimizer
    # Other batches begin an epoch of their own, in the order of this one.
    place = (
        {"epoch": state.epoch, "step": state.step, "seen": state.seen}
        if same_batches
        else {"epoch": state.epoch + bool(state.step), "step": 0, "seen": 0}
    )
    return replace(
        fresh,
        **place,
        order=state.order,
        weights=state.weights if same_stack else fresh.weights,
        optimizer=state.optimizer
        if same_rule and _alike(state.optimizer, fresh.optimizer)
        else fresh.optimizer,
        metrics=state.metrics
        if same_batches and _alike(state.metrics, fresh.metrics)
        else fresh.metrics,
        randomness=state.randomness,
    )


def _alike(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return [one.shape for one in some] == [one.shape for one in others]


# --- curves -------------------------------------------------------------------------------------


def _evenly(count: int) -> np.ndarray:
    """Return at most `CURVE_POINTS` positions spread over `count`, the last among them."""
    if count <= CURVE_POINTS:
        return np.arange(count)
    return np.linspace(0, count - 1, CURVE_POINTS).round().astype(int)


def _by_batch(running: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return each batch's own value, where `running` is the mean of the epoch so far."""
    total = running.astype(np.float64) * (steps + 1)
    before = np.concatenate([[0.0], total[:-1]])
    return np.maximum(np.where(steps > 0, total - before, total), 0.0)


def _smoothed(values: np.ndarray, at: np.ndarray) -> Float32Array:
    """Return the mean of up to `SMOOTHING` values at some positions and before them."""
    window = at[:, None] - np.arange(SMOOTHING)
    inside = window >= 0
    taken = np.nan_to_num(values[np.where(inside, window, 0)].astype(np.float64), posinf=1e30)
    sums = (taken.clip(-1e30, 1e30) * inside).sum(axis=1)
    return (sums / np.maximum(inside.sum(axis=1), 1)).astype(np.float32)
