"""From a document to a snapshot: every layer built, shown the data, and measured.

Layers are kept from one snapshot to the next: only the edited layer and those below it are
computed again. Nothing here knows of widgets, threads or time.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from layerscope import losses, random
from layerscope.autodiff import GradientTape
from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import weightless
from layerscope.structure import is_shape
from layerscope.tensor import Shape
from layerscope_explorer import diagnosis
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.data import Data, data_of
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.histograms import histogram
from layerscope_explorer.limits import MAX_OUTPUT, MAX_PARAMETERS
from layerscope_explorer.measure import bare_view, input_view, view_of
from layerscope_explorer.snapshot import LayerView, Problem, Snapshot
from layerscope_explorer.steps import (
    Array,
    Gradients,
    Stack,
    Step,
    all_gradients,
    arguments_of,
    forward,
)
from layerscope_explorer.strings import text

_LOG = logging.getLogger(__name__)

#: Weights by layer id, in the order of `Layer.get_weights`.
Weights = Mapping[str, Sequence[np.ndarray]]


class _Stop(Exception):
    """A layer that cannot work; carries why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def layer_seed(document: Document, layer_id: str) -> int:
    """Return the seed of one layer: moving or editing others leaves it as it is."""
    roll = document.layer(layer_id).roll
    again = f"/{roll}" if roll else ""
    return crc32(f"{document.seed}/{layer_id}{again}".encode())


def make_layer(document: Document, spec: LayerSpec, name: str) -> Layer:
    """Return the layer a spec describes, unbuilt, with its own randomness.

    Raises
    ------
    ValueError, TypeError
        If the arguments do not go together.
    """
    cls = layerscope_catalogue().layer(spec.class_name)
    if cls is None:
        raise ValueError(text("session.unknown_layer", name=spec.class_name))

    def construct() -> Layer:
        # Unseeded initializers and dropout draw their seeds from here.
        random.set_seed(layer_seed(document, spec.id))
        return cls(**spec.arguments, name=name)

    return copy_context().run(construct)


@dataclass(frozen=True)
class _Value:
    """What one place in the stack gives: its array, its symbolic shape, and what made it."""

    key: str
    shape: Shape
    array: Array


@dataclass(frozen=True)
class _Done:
    """A finished layer: its step, and how it looks by itself."""

    step: Step
    view: LayerView


class Engine:
    """Makes snapshots of one session's documents."""

    def __init__(self) -> None:
        self._done: dict[str, _Done] = {}
        self._revision = 0

    def snapshot(self, document: Document, weights: Weights | None = None) -> Snapshot:
        """Compute what every layer of `document` looks like on the data.

        Parameters
        ----------
        document : the stack.
        weights : trained weights by layer id; where shapes differ the initial ones are kept.

        Raises
        ------
        ValueError
            If there is no such data.
        """
        start = time.perf_counter()
        self._revision += 1
        data = data_of(document.input.arguments)
        run = _Run(document, data, weights or {}, self._done)
        views = [run.view(spec) for spec in document.layers]
        # Only what this snapshot used is kept: memory stays that of one stack.
        self._done = run.done
        steps = [one.step for one in run.done.values()]
        last, loss = _end_of(steps, data)
        gradients = all_gradients(steps, last)
        stack = Stack(document, data, tuple(steps), gradients)
        views = [_with_gradient(view, gradients.get(view.id)) for view in views]
        return Snapshot(
            revision=self._revision,
            document=document,
            stack=stack,
            input=_with_gradient(input_view(document, data), gradients.get(INPUT)),
            layers=tuple(views),
            total_params=run.params,
            loss=loss,
            sentence=_sentence(views, run.problem, run.params, data),
            milliseconds=1000 * (time.perf_counter() - start),
        )


class _Run:
    """One walk down a document, layer by layer."""

    def __init__(
        self, document: Document, data: Data, weights: Weights, known: Mapping[str, _Done]
    ) -> None:
        self.document, self.data, self.weights = document, data, weights
        self.known = known
        self.names = document.names()
        self.done: dict[str, _Done] = {}
        self.params = 0
        self.problem: Problem | None = None
        start = f"{document.seed}|{document.phase}|{dict(document.input.arguments)}"
        first = _Value(start, (None, *data.shape), data.sample)
        self._values: dict[str, _Value] = {INPUT: first}
        self._last = first
        self._layers: dict[str, Layer] = {}
        self._last_id = INPUT

    def view(self, spec: LayerSpec) -> LayerView:
        """Compute the next layer and return how it looks."""
        name = self.names[spec.id]
        if self.problem is not None:
            return bare_view(spec, name, self.document, text("diagnosis.off"))
        if spec.bypassed:
            self._values[spec.id] = self._last
            shape = self._last.shape
            note = text("diagnosis.bypassed")
            return replace(bare_view(spec, name, self.document, note), output_shape=shape)
        try:
            found = self._compute(spec, name)
        except _Stop as stop:
            self.problem = stop.problem
            bare = bare_view(spec, name, self.document, text("diagnosis.off"))
            return replace(bare, problem=stop.problem, health="bad")
        except Exception as error:
            # A defect of ours: the page goes on, the log says where it is.
            _LOG.exception("%s cannot be shown", spec.class_name)
            self.problem = diagnosis.bad_argument(spec.id, name, error)
            bare = bare_view(spec, name, self.document, text("diagnosis.off"))
            return replace(bare, problem=self.problem, health="bad")
        step = found.step
        self.done[step.key] = found
        self.params += found.view.params
        self._layers[spec.id] = step.layer
        self._last = _Value(step.key, step.output_shape, step.output)
        self._values[spec.id] = self._last
        self._last_id = spec.id
        return found.view

    def _compute(self, spec: LayerSpec, name: str) -> _Done:
        input_ids = self._input_ids(spec, name)
        inputs = [self._values[one] for one in input_ids]
        trained = self.weights.get(spec.shares or spec.id)
        key = "|".join(
            [
                *(one.key for one in inputs),
                f"{spec.id}{spec.key}{name}{','.join(spec.sources)}",
                self._owner_key(spec) + (str(id(trained)) if trained is not None else ""),
            ]
        )
        # A digest, or the keys of deep stacks would grow with every layer.
        key = f"{spec.id}:{hash(key)}"
        if (found := self.known.get(key)) is not None:
            return found
        step = self._step(spec, name, key, input_ids, inputs, trained)
        return _Done(step, view_of(step, self.document))

    def _owner_key(self, spec: LayerSpec) -> str:
        return self._values[spec.shares].key if spec.shares in self._values else ""

    def _input_ids(self, spec: LayerSpec, name: str) -> tuple[str, ...]:
        """Return whose outputs a layer takes: that above it first."""
        for source in spec.sources:
            if source not in self._values:
                raise _Stop(diagnosis.not_above(spec.id, name, self.names.get(source, source)))
        return (self._last_id, *spec.sources)

    def _step(
        self,
        spec: LayerSpec,
        name: str,
        key: str,
        input_ids: tuple[str, ...],
        inputs: Sequence[_Value],
        trained: Sequence[np.ndarray] | None,
    ) -> Step:
        """Make one layer, show it the data."""
        layer = self._layer(spec, name)
        shapes = tuple(one.shape for one in inputs)
        shape: Any = list(shapes) if takes_several_inputs(type(layer)) else shapes[0]
        out = self._check(spec, layer, name, shape)
        arrays = tuple(one.array for one in inputs)
        try:
            if not layer.built or layer._build_shapes is None:
                copy_context().run(self._build, spec, layer, shapes)
            if trained is not None and _fits(layer, trained):
                layer.set_weights(trained)
            found = forward(layer, arrays, self.document.phase == "training")
        except (ValueError, TypeError, IndexError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise self._explained(spec, layer, name, shape, error) from None
        return Step(key, spec, name, layer, input_ids, shapes, out, arrays, **found)

    def _build(self, spec: LayerSpec, layer: Layer, shapes: Sequence[Shape]) -> None:
        """Build a layer; what draws its seeds only now repeats too."""
        random.set_seed(layer_seed(self.document, spec.id) + 1)
        layer.build(*arguments_of(layer, shapes))

    def _layer(self, spec: LayerSpec, name: str) -> Layer:
        if spec.shares:
            if spec.shares not in self._layers:
                raise _Stop(diagnosis.nothing_to_share(spec.id, name))
            return self._layers[spec.shares]
        try:
            return make_layer(self.document, spec, name)
        except (ValueError, TypeError) as error:
            raise _Stop(diagnosis.bad_argument(spec.id, name, error)) from None

    def _check(self, spec: LayerSpec, layer: Layer, name: str, shape: Any) -> Shape:
        """Return the output's shape, or stop before anything large is allocated."""
        given = arguments_of(layer, shape if takes_several_inputs(type(layer)) else [shape])
        try:
            if layer.input_spec is not None and is_shape(shape):
                layer.input_spec.check(shape, 0, name)
            with weightless():
                twin = (
                    self._layer(spec, name)
                    if spec.shares
                    else make_layer(self.document, spec, name)
                )
                if not spec.shares:
                    twin.build(*given)
                out = twin.compute_output_shape(*given)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise self._explained(spec, layer, name, shape, error) from None
        outs = _flat(out)
        first = shape if is_shape(shape) else shape[0]
        for one in outs:
            if problem := diagnosis.empty_output(spec.id, name, first, one):
                raise _Stop(problem)
        params = self.params + (0 if spec.shares else twin.count_params())
        if params > MAX_PARAMETERS:
            raise _Stop(diagnosis.too_big(spec.id, name, "parameters", params, MAX_PARAMETERS))
        samples = len(self.data.sample)
        size = samples * sum(math.prod(length or 1 for length in one[1:]) for one in outs)
        if size > MAX_OUTPUT:
            raise _Stop(diagnosis.too_big(spec.id, name, "values", size, MAX_OUTPUT))
        return outs[0]

    def _explained(
        self, spec: LayerSpec, layer: Layer, name: str, shape: Any, error: Exception
    ) -> _Stop:
        reason = ValueError(str(error))
        return _Stop(diagnosis.explain(layer, spec.id, name, shape, reason))


def _flat(shapes: Any) -> list[Shape]:
    """Return the shapes in a structure of them, such as a cell's output and its states."""
    return [shapes] if is_shape(shapes) else [one for inner in shapes for one in _flat(inner)]


def _fits(layer: Layer, weights: Sequence[np.ndarray]) -> bool:
    return [one.shape for one in layer.weights] == [np.shape(one) for one in weights]


# --- the loss -----------------------------------------------------------------------------------


def _end_of(steps: Sequence[Step], data: Data) -> tuple[Array | None, float | None]:
    """Return each sample's gradient of its loss at the stack's end, and the loss itself.

    Where the data has no classes, or the output cannot tell them, it is a random direction.
    """
    if not steps:
        return None, None
    output = steps[-1].output
    if output.dtype.kind != "f":
        return None, None
    labels = data.labels
    if labels is None or output.shape != (len(labels), data.classes):
        direction = np.random.default_rng(0).standard_normal(output.shape, dtype=np.float32)
        return direction.astype(output.dtype, copy=False), None
    logits = getattr(getattr(steps[-1].layer, "activation", None), "__name__", "") != "softmax"
    with np.errstate(all="ignore"), GradientTape() as tape:
        watched = tape.watch(output)
        loss = losses.sparse_categorical_crossentropy(labels, watched, from_logits=logits)
    return tape.gradient(loss, watched), float(np.mean(loss.value))


def _with_gradient(view: LayerView, gradients: Gradients | None) -> LayerView:
    if gradients is None or gradients.output is None:
        return view
    return replace(view, gradient=histogram(gradients.output))


# --- words --------------------------------------------------------------------------------------


def _sentence(views: Sequence[LayerView], problem: Problem | None, total: int, data: Data) -> str:
    """Return the state of the stack in one plain sentence."""
    if problem is not None:
        return problem.message
    if not views:
        return text("session.empty")
    broken = [view for view in views if view.health == "bad"]
    last = views[-1]
    wrong_end = data.classes and last.output_shape and last.output_shape[1:] != (data.classes,)
    if not broken and wrong_end:
        have = diagnosis.shape_words(last.output_shape or ())
        return text("session.not_classes", name=last.name, have=have, classes=data.classes)
    for view in (*broken, *(view for view in views if view.health == "warn")):
        return text("session.unhealthy", name=view.name, note=view.health_note)
    first, end = float(data.sample.std()), last.output.std if last.output else 0.0
    return text(
        "session.healthy",
        layers=len(views),
        params=f"{total:,}",
        first=f"{first:.2g}",
        last=f"{end:.2g}",
    )
