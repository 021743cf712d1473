"""Repairs that give a layer as many axes as it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from layerscope_explorer import edits
from layerscope_explorer.diagnosis.kinds import axes_taken, channels_taken
from layerscope_explorer.diagnosis.patient import Patient
from layerscope_explorer.diagnosis.words import tuple_words
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.snapshot import Fix
from layerscope_explorer.strings import text

#: Data of so many axes a sample, for want of anything better.
_NOISE = {1: (64,), 2: (16, 8), 3: (8, 8, 3), 4: (4, 8, 8, 2)}


def other_axes(patient: Patient) -> Iterator[Fix]:
    """Think up ways to another number of axes: undo what changed it, or change it again."""
    wanted = patient.wanted
    if wanted is None:
        return
    yield from _sequences(patient, wanted)
    yield from _before_flattening(patient, wanted)
    if wanted == 1:
        yield Fix(text("diagnosis.insert", layer="Flatten"), patient.insert("Flatten"))
        if 2 <= patient.axes <= 4:
            pooling = f"GlobalAveragePooling{patient.axes - 1}D"
            yield Fix(text("diagnosis.insert", layer=pooling), patient.insert(pooling))
        return
    target = list(rearranged([length or 1 for length in patient.given[1:]], wanted))
    label = text("diagnosis.fix_reshape", shape=tuple_words(target))
    yield Fix(label, patient.insert("Reshape", {"target_shape": target}))
    if patient.axes == 1:
        repeat = text("diagnosis.insert", layer="RepeatVector")
        yield Fix(repeat, patient.insert("RepeatVector", {"n": 8}))


def _sequences(patient: Patient, wanted: int) -> Iterator[Fix]:
    """Let the recurrent layer above return a step for each of its input, or its last one only."""
    above = next(iter(patient.reached()), None)
    if above is None or abs(wanted - patient.axes) != 1:
        return
    whole = wanted > patient.axes
    owner = patient.document.owner(above.id)
    arguments = with_sequences(owner, whole)
    if arguments is not None:
        key = "fix_sequences" if whole else "fix_last_step"
        label = text(f"diagnosis.{key}", name=patient.name_of(above.id))
        yield Fix(label, _with(patient.document, owner.id, arguments))


def with_sequences(spec: LayerSpec, whole: bool) -> Mapping[str, Any] | None:
    """Return what to change for a recurrent layer to return sequences; None if it is none."""
    inside = spec.arguments.get("layer")
    if spec.class_name == "Bidirectional" and isinstance(inside, dict):
        config = {**inside.get("config", {}), "return_sequences": whole}
        return {"layer": {**inside, "config": config}}
    try:
        edits.check_argument(spec.class_name, "return_sequences", whole)
    except ValueError:
        return None
    return {"return_sequences": whole}


def _with(document: Document, layer_id: str, arguments: Mapping[str, Any]) -> Document:
    for argument, value in arguments.items():
        document = edits.set_argument(document, layer_id, argument, value)
    return document


def _before_flattening(patient: Patient, wanted: int) -> Iterator[Fix]:
    """Take away what changed the axes, or go above it."""
    for layer in patient.reached():
        shape = patient.shape_before(layer.id)
        if len(shape) - 1 != wanted:
            continue
        name = patient.name_of(layer.id)
        moved = edits.move_layer(
            patient.document, patient.spec.id, patient.document.index(layer.id)
        )
        yield Fix(text("diagnosis.fix_move", name=patient.name, other=name), moved)
        removed = edits.remove_layer(patient.document, layer.id)
        yield Fix(text("diagnosis.fix_remove", name=name), removed)
        return


def other_channels(patient: Patient) -> Iterator[Fix]:
    """Give images as many channels as the layer's examples have."""
    layer = patient.layer
    if patient.wanted is not None or axes_taken(layer) != (3, 3):
        return
    for channels in sorted(channels_taken(layer) - {patient.given[-1]}, reverse=True):
        arguments = {"filters": channels, "kernel_size": [1, 1]}
        words = {"layer": "Conv2D", "size": "1×1", "filters": channels}
        yield Fix(text("diagnosis.fix_conv1", **words), patient.insert("Conv2D", arguments))


def rearranged(lengths: list[int], wanted: int) -> tuple[int, ...]:
    """Return a shape of `wanted` axes for as many values, of which the last is for features.

    Examples
    --------
    >>> rearranged([64], 3)
    (8, 8, 1)
    >>> rearranged([8, 8, 3], 2)
    (8, 24)
    >>> rearranged([6, 5], 3)
    (6, 5, 1)
    """
    if len(lengths) == 1 and wanted > 2:
        return _near_cube(lengths[0], wanted - 1)
    if len(lengths) < wanted:
        return (*lengths, *[1] * (wanted - len(lengths)))
    return (*lengths[: wanted - 1], math.prod(lengths[wanted - 1 :]))


def _near_cube(count: int, axes: int) -> tuple[int, ...]:
    """Return `axes` equal lengths, as long as possible, and what is left for the features."""
    side = max(one for one in range(1, round(count ** (1 / axes)) + 1) if count % one**axes == 0)
    if side > 1:
        return (*[side] * axes, count // side**axes)
    return (count, *[1] * axes)


def other_data(patient: Patient) -> Iterator[Fix]:
    """Think up other data, where the layer gets it as it is."""
    if patient.reached():
        return
    wanted = patient.wanted
    if wanted == 3:
        yield _shown(patient, {"data": "digits"}, text("diagnosis.fix_digits"))
    if wanted in _NOISE:
        shape = list(_NOISE[wanted])
        label = text("diagnosis.fix_noise", shape=tuple_words(shape))
        yield _shown(patient, {"data": "noise", "shape": shape}, label)


def _shown(patient: Patient, arguments: Mapping[str, Any], label: str) -> Fix:
    return Fix(label, _with(patient.document, INPUT, arguments))
