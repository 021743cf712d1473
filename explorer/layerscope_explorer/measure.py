"""From a working layer to what the views show of it: distributions, curves, words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerscope import initializers
from layerscope.configurable import REQUIRED, fields_of
from layerscope.layers.layer import Layer
from layerscope.tensor import Variable
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.curves import Curve, curve_of, flat_shares
from layerscope_explorer.data import Data
from layerscope_explorer.densities import density_of, point_mass_of
from layerscope_explorer.diagnosis.words import sizes
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.histograms import histogram
from layerscope_explorer.snapshot import ActivationView, Histogram, LayerView, WeightView
from layerscope_explorer.steps import Array, Step, activation_of, weight_names
from layerscope_explorer.strings import text

#: Curves reach at least this far on both sides of zero.
_REACH = 3.0


def weight_views(layer: Layer) -> tuple[WeightView, ...]:
    """Return what is shown of each of a layer's weights."""
    return tuple(map(_weight_view, layer.weights, weight_names(layer)))


def view_of(
    step: Step, document: Document, weights: tuple[WeightView, ...], slopes: Array | None = None
) -> LayerView:
    """Return what is shown of a layer on its own: without gradient and health.

    `slopes` are those of its activation on the data, where that treats each value alone.
    """
    layer, spec = step.layer, step.spec
    distribution = histogram(step.output)
    try:
        activation = _activation_view(layer, step.before, slopes)
    except (ValueError, TypeError):
        # What mixes values along another axis than the last has no curve of one unit.
        activation = None
    return LayerView(
        id=spec.id,
        name=step.name,
        class_name=spec.class_name,
        section=layer.section,
        detail=detail_of(spec, document),
        output_shape=step.output_shape,
        more_outputs=tuple((None, *one.shape[1:]) for one in step.more_outputs),
        params=0 if spec.shares else layer.count_params(),
        weights=weights,
        activation=activation,
        output=distribution,
        sources=_names_of(spec.sources, document),
        shares=document.names()[spec.shares] if spec.shares else "",
        milliseconds=step.milliseconds,
    )


def bare_view(spec: LayerSpec, name: str, document: Document, note: str) -> LayerView:
    """Return what is shown of a layer that computes nothing: not reached, or passed by."""
    return LayerView(
        id=spec.id,
        name=name,
        class_name=spec.class_name,
        section=getattr(layerscope_catalogue().layer(spec.class_name), "section", "other"),
        detail=detail_of(spec, document),
        health_note=note,
        sources=_names_of(spec.sources, document),
        shares=document.names()[spec.shares] if spec.shares else "",
        bypassed=spec.bypassed,
    )


def input_view(document: Document, data: Data) -> LayerView:
    """Return what is shown of the data."""
    return LayerView(
        id=INPUT,
        name=INPUT,
        class_name="Input",
        section="input",
        # Own data is known by its file.
        detail=document.input.arguments.get("file") or detail_of(document.input),
        output_shape=(None, *data.shape),
        output=histogram(data.sample),
        health="ok",
        health_note=text("diagnosis.ok"),
    )


def _names_of(layer_ids: tuple[str, ...], document: Document) -> tuple[str, ...]:
    # Most layers have no other sources, and all names of a deep stack take a while.
    names = document.names() if layer_ids else {}
    return tuple(names[layer_id] for layer_id in layer_ids if layer_id in names)


def _weight_view(weight: Variable, name: str) -> WeightView:
    initializer = weight.initializer
    fan_in, fan_out = initializers.compute_fans(weight.shape)
    return WeightView(
        name=name,
        shape=weight.shape,
        trainable=weight.trainable,
        histogram=histogram(weight.value),
        density=density_of(initializer, weight.shape),
        point_mass=point_mass_of(initializer, weight.shape),
        initializer=type(initializer).__name__,
        fan_in=fan_in,
        fan_out=fan_out,
    )


def _activation_view(
    layer: Layer, before: Array | None, slopes: Array | None
) -> ActivationView | None:
    activation = activation_of(layer)
    if activation is None:
        return None
    inputs: Histogram | None = None
    dead = saturated = 0.0
    reach, units = _REACH, 1
    rank = max(before.ndim, 2) if before is not None else 2
    if before is not None:
        inputs = histogram(before)
        units = 1 if slopes is not None else before.shape[-1]
        if np.isfinite(inputs.low + inputs.high):
            # Steps of powers of two keep the axis still while a value is dragged.
            widest = max(abs(inputs.low), abs(inputs.high), _REACH)
            reach = min(_REACH * 2 ** math.ceil(math.log2(widest / _REACH)), 1e6)
        if slopes is not None and not inputs.nonfinite:
            dead, saturated = flat_shares(slopes)
    with np.errstate(all="ignore"):
        curve: Curve = curve_of(activation, -reach, reach, units, rank)
    return ActivationView(
        name=getattr(activation, "__name__", layer.name),
        x=curve.x,
        y=curve.y,
        derivative=curve.derivative,
        inputs=inputs,
        dead=dead,
        saturated=saturated,
    )


# --- words --------------------------------------------------------------------------------------

_COUNTED = ("units", "filters")
_SIZES = ("kernel_size", "pool_size", "target_shape", "shape")


def detail_of(spec: LayerSpec, document: Document | None = None) -> str:
    """Return a layer's telling arguments in a few words: ``16 filters, 3×3, relu``."""
    if document is not None and spec.shares:
        return text("stack.same_as", name=document.names()[spec.shares])
    cls = layerscope_catalogue().layer(spec.class_name)
    words = []
    for declared in fields_of(cls) if cls else ():
        usual = declared.name in _SIZES and spec.class_name != "Input"
        chosen = declared.name in spec.arguments or usual
        value = spec.arguments.get(declared.name, declared.default)
        if chosen and value is not None and value is not REQUIRED:
            words.append(_words(declared.name, declared.kind, value))
    return ", ".join(word for word in words if word)


def _words(name: str, kind: str, value: Any) -> str:
    """Return one argument in a few words, nothing for those that need a form to be read."""
    if kind in ("activation", "choice"):
        return str(value)
    if name in _COUNTED:
        return text(f"stack.{name}" if value != 1 else f"stack.{name}_one", count=value)
    if kind == "ints":
        lengths = value if isinstance(value, (list, tuple)) else [value]
        return sizes(lengths) if name in _SIZES else f"{name} {sizes(lengths)}"
    if kind in ("int", "float") and isinstance(value, (int, float)):
        return f"{name} {value:g}"
    if kind == "layer":
        inner = value if isinstance(value, list) else [value]
        return ", ".join(one["class_name"] for one in inner if isinstance(one, dict))
    return f"{name} {value}".lower() if kind == "bool" else ""
