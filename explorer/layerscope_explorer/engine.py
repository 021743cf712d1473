"""From a document to a snapshot: every layer built, shown the data, and measured.

Layers are kept from one snapshot to the next: only the edited layer and those below it are
computed again. Nothing here knows of widgets or time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerscope.autodiff import GradientTape
from layerscope.layers.layer import Layer
from layerscope.tensor import Shape
from layerscope_explorer.data import Data, data_of
from layerscope_explorer.diagnosis import dry_run
from layerscope_explorer.diagnosis.dry_run import COMPLAINTS, Stop
from layerscope_explorer.diagnosis.fixes import prescribe
from layerscope_explorer.diagnosis.health import judge
from layerscope_explorer.diagnosis.readings import Reading, own_slopes, reading_of
from layerscope_explorer.diagnosis.shapes import explain, gives_words
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.histograms import histogram
from layerscope_explorer.making import build_layer
from layerscope_explorer.making import layer_seed as layer_seed
from layerscope_explorer.making import make_layer as make_layer
from layerscope_explorer.measure import bare_view, input_view, view_of, weight_views
from layerscope_explorer.objective import Objective, activation_name, objective_of, takes
from layerscope_explorer.own_code import defining
from layerscope_explorer.sentence import status
from layerscope_explorer.snapshot import LayerView, Problem, Snapshot, WeightView
from layerscope_explorer.steps import Array, Gradients, Stack, Step, all_gradients, forward
from layerscope_explorer.strings import language, text

_LOG = logging.getLogger(__name__)

#: Weights by layer id, in the order of `Layer.get_weights`.
Weights = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True)
class _Value:
    """What one place in the stack gives: its array, its symbolic shape, and what made it."""

    key: str
    shape: Shape
    array: Array


@dataclass(frozen=True)
class _Done:
    """A finished layer: its step, how it looks by itself, and what is measured of it."""

    step: Step
    view: LayerView
    reading: Reading


def _look(
    step: Step, document: Document, weights: tuple[WeightView, ...]
) -> tuple[LayerView, Reading]:
    """Return how a layer looks and what is measured of it; never raises."""
    try:
        slopes = own_slopes(step)
        view = view_of(step, document, weights, slopes)
        dead = 0.0 if view.activation is None else view.activation.dead
        return view, reading_of(step, dead, slopes)
    except Exception as error:
        view = _defect(step.spec, step.name, document, error)
        return view, Reading(rms=0.0, before=None, varying=0.0, nonfinite=False)


def _defect(spec: LayerSpec, name: str, document: Document, error: Exception) -> LayerView:
    """Return how a layer looks that we fail to show: the page goes on, the log says where."""
    _LOG.error("%s cannot be shown", spec.class_name, exc_info=error)
    problem = Problem(spec.id, text("diagnosis.other", name=name, reason=error))
    bare = bare_view(spec, name, document, text("diagnosis.off"))
    return replace(bare, problem=problem, health="bad")


@dataclass(frozen=True)
class _Made:
    """A layer that was made and built for certain inputs: it serves again while they stay alike.

    Attributes
    ----------
    layer : built, with its weights.
    checked : what it gives, and its parameters.
    weights : how its weights look.
    trained : the values its weights were set to; kept so that their identity stays taken.
    """

    layer: Layer
    checked: dry_run.Checked
    weights: tuple[WeightView, ...]
    trained: Sequence[np.ndarray] | None = None


class Engine:
    """Makes snapshots of one session's documents."""

    def __init__(self) -> None:
        self._done: dict[str, _Done] = {}
        self._made: dict[str, _Made] = {}
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
        with defining(document.code):
            return self._snapshot(document, weights or {})

    def _snapshot(self, document: Document, weights: Weights) -> Snapshot:
        start = time.perf_counter()
        self._revision += 1
        data = data_of(document.input.arguments)
        run = _Run(document, data, weights, self._done, self._made)
        found = [run.found(spec) for spec in document.layers]
        # Only what this snapshot used is kept: memory stays that of one stack.
        self._done, self._made = run.done, run.made
        steps = [one.step for one in run.done.values()]
        last, loss = _end_of(document, steps, data)
        gradients = all_gradients(steps, last)
        stack = Stack(document, data, tuple(steps), gradients)
        views = [one if isinstance(one, LayerView) else one.view for one in found]
        views = [_with_gradient(view, gradients) for view in views]
        readings = {one.step.spec.id: one.reading for one in run.done.values()}
        judgement = judge(stack, views, readings)
        problem = run.problem or next((view.problem for view in views if view.problem), None)
        problem = problem and prescribe(document, problem, _works)
        sentence, cure = status(document, data, judgement, problem, run.params)
        return Snapshot(
            revision=self._revision,
            document=document,
            stack=stack,
            input=_with_gradient(input_view(document, data), gradients),
            layers=tuple(
                replace(view, problem=problem) if view.problem else view for view in judgement.views
            ),
            total_params=run.params,
            loss=loss,
            sentence=sentence,
            milliseconds=1000 * (time.perf_counter() - start),
            cure=cure,
            learned=frozenset(run.learned),
        )


class _Run:
    """One walk down a document, layer by layer."""

    def __init__(
        self,
        document: Document,
        data: Data,
        weights: Weights,
        known: Mapping[str, _Done],
        made: Mapping[str, _Made],
    ) -> None:
        self.document, self.data, self.weights = document, data, weights
        self.known, self.known_made = known, made
        self.made: dict[str, _Made] = {}
        self.names = document.names()
        self.done: dict[str, _Done] = {}
        self.params = self.values = 0
        self.problem: Problem | None = None
        # How a layer looks has words to it.
        shown = dict(document.input.arguments)
        start = f"{document.seed}|{document.phase}|{shown}|{language()}"
        first = _Value(start, (None, *data.shape), data.sample)
        self._values: dict[str, _Value] = {INPUT: first}
        self._last = first
        self._layers: dict[str, Layer] = {}
        # Who made the value at each place: behind a bypassed layer, the one above it.
        self._makers = {INPUT: INPUT}
        self._last_id = INPUT
        self.learned: set[str] = set()

    def found(self, spec: LayerSpec) -> LayerView | _Done:
        """Compute the next layer; return how it looks if it does not compute."""
        name = self.names[spec.id]
        if self.problem is not None:
            return bare_view(spec, name, self.document, text("diagnosis.off"))
        if spec.bypassed:
            self._values[spec.id] = self._last
            self._makers[spec.id] = self._last_id
            shape = self._last.shape
            note = text("diagnosis.bypassed")
            return replace(bare_view(spec, name, self.document, note), output_shape=shape)
        try:
            found = self._compute(spec, name)
        except Stop as stop:
            self.problem = stop.problem
            bare = bare_view(spec, name, self.document, text("diagnosis.off"))
            return replace(bare, problem=self.problem, health="bad")
        except Exception as error:
            defect = _defect(spec, name, self.document, error)
            self.problem = defect.problem
            return defect
        step = found.step
        self.done[step.key] = found
        self.params += 0 if spec.shares else step.layer.count_params()
        self._layers[spec.id] = step.layer
        self._last = _Value(step.key, step.output_shape, step.output)
        self._values[spec.id] = self._last
        self._makers[spec.id] = self._last_id = spec.id
        return found

    def _compute(self, spec: LayerSpec, name: str) -> _Done:
        input_ids, inputs = self._taken(spec)
        trained = self.weights.get(spec.shares or spec.id)
        key = "|".join(
            [
                *(one.key for one in inputs),
                f"{spec.id}{spec.key}{name}{','.join(spec.sources)}",
                self._owner_key(spec) + (str(id(trained)) if trained is not None else ""),
            ]
        )
        # A digest, or the keys of deep stacks would grow with every layer.
        key = f"{spec.id}:{hash(key + self.document.code)}"
        known = self.known.get(key)
        made = self._make(spec, name, inputs, trained)
        if known is not None:
            return known
        arrays = tuple(one.array for one in inputs)
        shapes = tuple(one.shape for one in inputs)
        try:
            values = forward(made.layer, arrays, self.document.phase == "training")
        except COMPLAINTS as error:
            raise Stop(explain(made.layer, spec, self.names, shapes, error)) from None
        if values["output"].dtype.kind not in "biuf":
            raise Stop(gives_words(spec.id, name))
        out = made.checked.outputs[0]
        step = Step(key, spec, name, made.layer, input_ids, shapes, out, arrays, **values)
        return _Done(step, *_look(step, self.document, made.weights))

    def _owner_key(self, spec: LayerSpec) -> str:
        return self._values[spec.shares].key if spec.shares in self._values else ""

    def _taken(self, spec: LayerSpec) -> tuple[tuple[str, ...], list[_Value]]:
        """Return whose outputs a layer takes, and what they are: that above it first."""
        dry_run.check_sources(spec, self.names, self._values)
        makers = (self._last_id, *(self._makers[source] for source in spec.sources))
        return makers, [self._last, *(self._values[source] for source in spec.sources)]

    def _make(
        self,
        spec: LayerSpec,
        name: str,
        inputs: Sequence[_Value],
        trained: Sequence[np.ndarray] | None,
    ) -> _Made:
        """Return a layer, built; the same as before if it would be built the same."""
        owner = dry_run.owner_of(spec, name, self._layers)
        places = [dry_run.place_of(one.array, one.shape) for one in inputs]
        mark = id(trained) if trained is not None else ""
        key = f"{self.document.seed}|{spec.id}{spec.key}{name}|{places}|{id(owner)}|{mark}"
        key += f"|{hash(self.document.code)}" if self.document.code else ""
        made = self.known_made.get(key)
        if made is None:
            # Nothing large is allocated before this says that the layer can work.
            checked = dry_run.check(self.document, spec, self.names, places, owner)
            self._check_size(spec, name, checked)
            layer = owner or make_layer(self.document, spec, name)
            self._build(spec, layer, inputs, trained)
            made = _Made(layer, checked, weight_views(layer), trained)
        self._check_size(spec, name, made.checked)
        self.values += made.checked.values
        self.made[key] = made
        if trained is not None and not spec.shares and _fits(made.layer, trained):
            self.learned.add(spec.id)
        return made

    def _check_size(self, spec: LayerSpec, name: str, checked: dry_run.Checked) -> None:
        parameters = self.params + checked.parameters
        dry_run.check_size(spec, name, checked, parameters, self.values + checked.values)

    def _build(
        self,
        spec: LayerSpec,
        layer: Layer,
        inputs: Sequence[_Value],
        trained: Sequence[np.ndarray] | None,
    ) -> None:
        shapes = tuple(one.shape for one in inputs)
        try:
            if not layer.built or layer._build_shapes is None:
                build_layer(self.document, spec, layer, shapes)
            if trained is not None and _fits(layer, trained):
                layer.set_weights(trained)
        except COMPLAINTS as error:
            raise Stop(explain(layer, spec, self.names, shapes, error)) from None


def _works(document: Document) -> bool:
    """Tell whether a stack really runs, for what no dry run shows."""
    run = _Run(document, data_of(document.input.arguments), {}, {}, {})
    for spec in document.layers:
        run.found(spec)
    return run.problem is None


def _fits(layer: Layer, weights: Sequence[np.ndarray]) -> bool:
    return [one.shape for one in layer.weights] == [np.shape(one) for one in weights]


# --- the loss -----------------------------------------------------------------------------------


def _end_of(
    document: Document, steps: Sequence[Step], data: Data
) -> tuple[Array | None, float | None]:
    """Return each sample's gradient of its loss at the stack's end, and the loss itself.

    Where the data has nothing to learn, or the output is not of its form, it is a random direction.
    """
    if not steps:
        return None, None
    output = steps[-1].output
    if output.dtype.kind != "f":
        return None, None
    objective = _objective(document, steps[-1], data)
    if objective is None or data.targets is None:
        direction = np.random.default_rng(0).standard_normal(output.shape, dtype=np.float32)
        return direction.astype(output.dtype, copy=False), None
    with np.errstate(all="ignore"), GradientTape() as tape:
        watched = tape.watch(output)
        loss = objective.loss(reduction=None)(objective.targets(data.targets), watched)
        return tape.gradient(loss, watched), float(np.mean(loss.value))


def _objective(document: Document, last: Step, data: Data) -> Objective | None:
    """Return what the stack makes small, None where it cannot learn the data."""
    if not takes(data, last.output.shape):
        return None
    try:
        units = last.output.shape[1]
        return objective_of(data, document.training.loss, units, activation_name(last.layer))
    except ValueError:
        return None


def _with_gradient(view: LayerView, gradients: Mapping[str, Gradients]) -> LayerView:
    """Add the distribution of the gradient of what a layer gives."""
    found = gradients.get(view.id)
    if found is None or found.output is None:
        return view
    return replace(view, gradient=histogram(found.output))
