"""From a document to a snapshot: every layer built, shown the data, and measured.

Layers are kept from one snapshot to the next: only the edited layer and those below it are
computed again. Nothing here knows of widgets, threads or time.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from layerscope import initializers, random
from layerscope.activations import linear
from layerscope.configurable import REQUIRED, fields_of
from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import weightless
from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.tensor import Shape, Variable
from layerscope_explorer import diagnosis
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.curves import Curve, curve_of, flat_shares, is_elementwise
from layerscope_explorer.data import Data
from layerscope_explorer.densities import density_of, point_mass_of
from layerscope_explorer.diagnosis import Signal, sizes
from layerscope_explorer.document import Document, LayerSpec
from layerscope_explorer.histograms import histogram
from layerscope_explorer.limits import MAX_OUTPUT, MAX_PARAMETERS
from layerscope_explorer.snapshot import (
    ActivationView,
    Histogram,
    LayerView,
    Problem,
    Snapshot,
    WeightView,
)
from layerscope_explorer.strings import text

# What a layer does to masks is for its card to say, not for the server's log.
warnings.filterwarnings("ignore", "Layer .* was passed an input with a mask", module=__name__)

#: Weights by layer id, in the order of `Layer.get_weights`.
Weights = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True)
class Step:
    """One layer of the stack, working: the layer, what it gave for the sample, how it looks."""

    key: str
    layer: Layer
    output: np.ndarray
    view: LayerView


class _Stop(Exception):
    """A layer that cannot work; carries why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def layer_seed(document: Document, layer_id: str) -> int:
    """Return the seed of one layer: moving or editing others leaves it as it is."""
    return crc32(f"{document.seed}/{layer_id}".encode())


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


class Engine:
    """Makes snapshots of one session's documents.

    Parameters
    ----------
    data : what the stack is shown.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        self._steps: dict[str, Step] = {}
        self._revision = 0

    def snapshot(self, document: Document, weights: Weights | None = None) -> Snapshot:
        """Compute what every layer of `document` looks like on the data.

        Parameters
        ----------
        document : the stack.
        weights : trained weights by layer id; where shapes differ the initial ones are kept.
        """
        start = time.perf_counter()
        self._revision += 1
        names = document.names()
        shape: Shape = (None, *self.data.shape)
        output = self.data.sample
        key, total, problem = f"{document.seed}", 0, None
        views: list[LayerView] = []
        steps: dict[str, Step] = {}
        for spec in document.layers:
            name = names[spec.id]
            if problem is not None:
                views.append(_unreached(spec, name))
                continue
            trained = (weights or {}).get(spec.id)
            key = f"{key}|{spec.id}{spec.key}{name}{id(trained) if trained is not None else ''}"
            step = self._steps.get(key)
            if step is None:
                try:
                    step = _run(document, spec, name, key, shape, output, trained, total)
                except _Stop as stop:
                    problem = stop.problem
                    views.append(replace(_unreached(spec, name), problem=problem, health="bad"))
                    continue
            steps[key] = step
            total += step.view.params
            shape = step.view.output_shape or shape
            output = step.output
            views.append(step.view)
        # Only what this snapshot used is kept: memory stays that of one stack.
        self._steps = steps
        return Snapshot(
            revision=self._revision,
            input_shape=self.data.shape,
            layers=tuple(views),
            total_params=total,
            sentence=_sentence(views, problem, total, self.data),
            milliseconds=1000 * (time.perf_counter() - start),
        )


def _unreached(spec: LayerSpec, name: str) -> LayerView:
    return LayerView(
        id=spec.id,
        name=name,
        class_name=spec.class_name,
        section=getattr(layerscope_catalogue().layer(spec.class_name), "section", "other"),
        detail=detail_of(spec),
        output_shape=None,
        params=0,
        weights=(),
        activation=None,
        output=None,
        health="off",
        health_note=text("diagnosis.off"),
        problem=None,
        milliseconds=0.0,
    )


def _run(
    document: Document,
    spec: LayerSpec,
    name: str,
    key: str,
    shape: Shape,
    inputs: np.ndarray,
    trained: Sequence[np.ndarray] | None,
    params_before: int,
) -> Step:
    """Make one layer, show it the data and measure it."""
    try:
        layer = make_layer(document, spec, name)
    except (ValueError, TypeError) as error:
        raise _Stop(diagnosis.bad_argument(spec.id, name, error)) from None
    out_shape = _check(document, spec, layer, name, shape, len(inputs), params_before)
    start = time.perf_counter()
    try:
        layer.build(shape)
        if trained is not None and _fits(layer, trained):
            layer.set_weights(trained)
        with np.errstate(all="ignore"):
            before, output = _forward(layer, inputs)
    except (ValueError, TypeError, IndexError, ArithmeticError, np.linalg.LinAlgError) as error:
        problem = diagnosis.explain(layer, spec.id, name, shape, ValueError(str(error)))
        raise _Stop(problem) from None
    milliseconds = 1000 * (time.perf_counter() - start)
    view = _view(spec, layer, name, out_shape, before, output, milliseconds)
    return Step(key, layer, output, view)


def _check(
    document: Document,
    spec: LayerSpec,
    layer: Layer,
    name: str,
    shape: Shape,
    n_samples: int,
    params_before: int,
) -> Shape:
    """Return the output's shape, or stop before anything large is allocated."""
    try:
        if layer.input_spec is not None:
            layer.input_spec.check(shape, 0, name)
        out = layer.compute_output_shape(shape)
        with weightless():
            twin = make_layer(document, spec, name)
            twin.build(shape)
    except (ValueError, NotImplementedError) as error:
        problem = diagnosis.explain(layer, spec.id, name, shape, ValueError(str(error)))
        raise _Stop(problem) from None
    if problem := diagnosis.several_outputs(spec.id, name, out):
        raise _Stop(problem)
    if problem := diagnosis.empty_output(spec.id, name, shape, out):
        raise _Stop(problem)
    params = params_before + twin.count_params()
    if params > MAX_PARAMETERS:
        raise _Stop(diagnosis.too_big(spec.id, name, "parameters", params, MAX_PARAMETERS))
    size = n_samples * math.prod(length or 1 for length in out[1:])
    if size > MAX_OUTPUT:
        raise _Stop(diagnosis.too_big(spec.id, name, "values", size, MAX_OUTPUT))
    return out


def _fits(layer: Layer, weights: Sequence[np.ndarray]) -> bool:
    return [one.shape for one in layer.weights] == [np.shape(one) for one in weights]


def activation_of(layer: Layer) -> Callable[[Any], Any] | None:
    """Return what a layer applies last to every unit, None if it has nothing of the kind."""
    if layer.section == "activation" and not layer.weights:
        return layer
    # A recurrent layer applies its activation at every step, inside.
    return None if layer.section == "recurrent" else getattr(layer, "activation", None)


def _forward(layer: Layer, inputs: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the layer's pre-activation, if it has one, and its output."""
    activation: Any = activation_of(layer)
    if activation is layer:
        return inputs, np.asarray(layer(inputs))
    if activation is None or activation is linear:
        return None, np.asarray(layer(inputs))
    # The activation comes last, so the layer without it gives the pre-activation.
    layer.activation = linear  # type: ignore[attr-defined]
    try:
        before = np.asarray(layer(inputs))
    finally:
        layer.activation = activation  # type: ignore[attr-defined]
    output = np.asarray(activation(before))
    set_keras_mask(output, get_keras_mask(before))
    return before, output


def _view(
    spec: LayerSpec,
    layer: Layer,
    name: str,
    out_shape: Shape,
    before: np.ndarray | None,
    output: np.ndarray,
    milliseconds: float,
) -> LayerView:
    distribution = histogram(output)
    activation, dead, saturated = _activation_view(layer, before)
    health, note = diagnosis.health_of(Signal(distribution, dead, saturated))
    return LayerView(
        id=spec.id,
        name=name,
        class_name=spec.class_name,
        section=layer.section,
        detail=detail_of(spec),
        output_shape=out_shape,
        params=layer.count_params(),
        weights=tuple(_weight_view(weight) for weight in layer.weights),
        activation=activation,
        output=distribution,
        health=health,
        health_note=note,
        problem=None,
        milliseconds=milliseconds,
    )


def _weight_view(weight: Variable) -> WeightView:
    initializer = weight.initializer
    fan_in, fan_out = initializers.compute_fans(weight.shape)
    return WeightView(
        name=weight.name,
        shape=weight.shape,
        trainable=weight.trainable,
        histogram=histogram(weight.value),
        density=density_of(initializer, weight.shape),
        point_mass=point_mass_of(initializer, weight.shape),
        initializer=type(initializer).__name__,
        fan_in=fan_in,
        fan_out=fan_out,
    )


#: Curves reach at least this far on both sides of zero.
_REACH = 3.0


def _activation_view(
    layer: Layer, before: np.ndarray | None
) -> tuple[ActivationView | None, float, float]:
    activation = activation_of(layer)
    if activation is None:
        return None, 0.0, 0.0
    inputs: Histogram | None = None
    dead = saturated = 0.0
    reach, units = _REACH, 1
    elementwise = is_elementwise(activation)
    if before is not None:
        inputs = histogram(before)
        units = 1 if elementwise else before.shape[-1]
        if np.isfinite(inputs.low + inputs.high):
            # Steps of powers of two keep the axis still while a value is dragged.
            widest = max(abs(inputs.low), abs(inputs.high), _REACH)
            reach = min(_REACH * 2 ** math.ceil(math.log2(widest / _REACH)), 1e6)
        if elementwise and not inputs.nonfinite:
            dead, saturated = flat_shares(activation, before)
    with np.errstate(all="ignore"):
        curve: Curve = curve_of(activation, -reach, reach, units)
    view = ActivationView(
        name=getattr(activation, "__name__", layer.name),
        x=curve.x,
        y=curve.y,
        derivative=curve.derivative,
        inputs=inputs,
        dead=dead,
        saturated=saturated,
    )
    return view, dead, saturated


# --- words --------------------------------------------------------------------------------------

_COUNTED = ("units", "filters")
_SIZES = ("kernel_size", "pool_size", "target_shape")


def detail_of(spec: LayerSpec) -> str:
    """Return a layer's telling arguments in a few words: ``16 filters, 3×3, relu``."""
    cls = layerscope_catalogue().layer(spec.class_name)
    words = []
    for declared in fields_of(cls) if cls else ():
        chosen = declared.name in spec.arguments or declared.name in _SIZES
        value = spec.arguments.get(declared.name, declared.default)
        if chosen and value is not None and value is not REQUIRED:
            words.append(_words(declared.name, declared.kind, value))
    return ", ".join(word for word in words if word)


def _words(name: str, kind: str, value: Any) -> str:
    """Return one argument in a few words, nothing for those that need a form to be read."""
    if kind in ("activation", "choice"):
        return str(value)
    if name in _COUNTED:
        return f"{value} {name if value != 1 else name[:-1]}"
    if kind == "ints":
        lengths = value if isinstance(value, (list, tuple)) else [value]
        return sizes(lengths) if name in _SIZES else f"{name} {sizes(lengths)}"
    if kind in ("int", "float"):
        return f"{name} {value:g}"
    return f"{name} {value}".lower() if kind == "bool" else ""


def _sentence(views: Sequence[LayerView], problem: Problem | None, total: int, data: Data) -> str:
    """Return the state of the stack in one plain sentence."""
    if problem is not None:
        return problem.message
    if not views:
        return text("session.empty")
    broken = [view for view in views if view.health == "bad"]
    last = views[-1]
    if not broken and last.output_shape is not None and last.output_shape[1:] != (data.classes,):
        have = diagnosis.shape_words(last.output_shape)
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
