"""Repairs of layers that take several inputs, and of what they take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from layerscope.configurable import fields_of
from layerscope.tensor import Shape
from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.diagnosis.kinds import inputs_taken
from layerscope_explorer.diagnosis.patient import Patient
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.snapshot import Fix
from layerscope_explorer.strings import text


def other_inputs(patient: Patient) -> Iterator[Fix]:
    """Think up other inputs, and other shapes of what comes from above."""
    spec = patient.spec
    if spec.shares:
        label = text("diagnosis.fix_unshare", name=patient.name)
        yield Fix(label, edits.unshare_layer(patient.document, spec.id))
        if patient.document.layer(spec.shares).bypassed:
            used = edits.set_bypassed(patient.document, spec.shares, False)
            name = patient.name_of(spec.shares)
            yield Fix(text("diagnosis.fix_use", name=name), used)
    unknown = [one for one in spec.sources if one not in patient.outline.places]
    if unknown:
        yield from _without_unknown(patient, unknown)
    if patient.layer is None or not takes_several_inputs(type(patient.layer)):
        if spec.shares and patient.axes:
            yield from _as_shared(patient)
        return
    if len(spec.sources) > 1 and inputs_taken(type(patient.layer)) == (2, 2):
        yield _with_sources(patient, "fix_one_source", spec.sources[0])
    if unknown:
        return
    if spec.sources:
        yield from _other_axes_merged(patient)
        yield from _same_lengths(patient, patient.outline.places[spec.sources[0]].shape)
    yield from _like_sources(patient)
    if len(spec.sources) > 1:
        for source in spec.sources:
            rest = [one for one in spec.sources if one != source]
            document = edits.set_sources(patient.document, spec.id, rest)
            yield Fix(text("diagnosis.fix_drop", name=patient.name_of(source)), document)


def _without_unknown(patient: Patient, unknown: list[str]) -> Iterator[Fix]:
    """Go below the sources that are not there yet, take others, or do without."""
    ids = [layer.id for layer in patient.document.layers]
    if all(one in ids for one in unknown):
        lowest = max(ids.index(one) for one in unknown)
        moved = edits.move_layer(patient.document, patient.spec.id, lowest)
        name = patient.name_of(ids[lowest])
        yield Fix(text("diagnosis.fix_below", name=patient.name, other=name), moved)
    yield from _like_sources(patient)
    known = [one for one in patient.spec.sources if one not in unknown]
    document = edits.set_sources(patient.document, patient.spec.id, known)
    names = ", ".join(patient.name_of(one) for one in unknown)
    yield Fix(text("diagnosis.fix_drop", name=names), document)


def _with_sources(patient: Patient, key: str, source: str) -> Fix:
    document = edits.set_sources(patient.document, patient.spec.id, [source])
    return Fix(text(f"diagnosis.{key}", name=patient.name_of(source)), document)


def _like_sources(patient: Patient) -> Iterator[Fix]:
    """Take what comes from above twice, or the nearest output above that is like it."""
    attends = getattr(patient.layer, "section", "") == "attention"
    if attends and not patient.spec.sources and patient.reached():
        yield _with_sources(patient, "fix_itself", patient.reached()[0].id)
    for source in patient.sources():
        if patient.outline.shape(source) == patient.given and (source,) != patient.spec.sources:
            yield _with_sources(patient, "fix_source", source)
            return
    for source in patient.sources()[:4]:
        if (source,) != patient.spec.sources:
            yield _with_sources(patient, "fix_source", source)


def _other_axes_merged(patient: Patient) -> Iterator[Fix]:
    """Concatenate, or multiply, along axes that fit."""
    shapes = [patient.given, *(patient.outline.places[one].shape for one in patient.spec.sources)]
    if patient.spec.class_name == "Concatenate":
        for axis in range(1, len(patient.given)):
            yield patient.set("axis", axis)
    if patient.spec.class_name == "Dot" and len(shapes) == 2:
        pairs = product(*(range(len(shape) - 1, 0, -1) for shape in shapes))
        for one, other in pairs:
            if shapes[0][one] == shapes[1][other]:
                yield patient.set("axes", [one, other])


# --- the same lengths ---------------------------------------------------------------------------


def _same_lengths(patient: Patient, wanted: Shape) -> Iterator[Fix]:
    """Bring what comes from above to a source's shape."""
    have = patient.given
    if len(have) == len(wanted):
        if have[1:-1] == wanted[1:-1] or patient.layer.section == "attention":
            yield _projected(patient, patient.document, wanted)
            return
        padded = _padded(patient)
        if padded != patient.document:
            yield Fix(text("diagnosis.fix_padding"), padded)
            fix = _projected(patient, padded, wanted)
            yield Fix(text("diagnosis.fix_padding_and", rest=fix.label), fix.document)
    units = math.prod(length or 1 for length in wanted[1:])
    if len(have) == 2:
        document = patient.insert("Dense", {"units": units})
        shape = {"target_shape": [length or 1 for length in wanted[1:]]}
        if len(wanted) > 2:
            document = edits.add_layer(document, "Reshape", patient.index + 1, shape)
        yield Fix(text("diagnosis.fix_project", layer="Dense", units=units), document)
    elif len(wanted) == 2:
        document = patient.insert("Flatten")
        if math.prod(length or 1 for length in have[1:]) != units:
            document = edits.add_layer(document, "Dense", patient.index + 1, {"units": units})
            yield Fix(text("diagnosis.fix_flatten_project", units=units), document)
        else:
            yield Fix(text("diagnosis.insert", layer="Flatten"), document)


def _as_shared(patient: Patient) -> Iterator[Fix]:
    """Bring what comes from above to the features the shared weights are for."""
    first = patient.document.index(patient.spec.shares)
    yield _projected(patient, patient.document, patient.outline.above(first).shape)


def _projected(patient: Patient, document: Document, wanted: Shape) -> Fix:
    """Insert what gives as many features: Dense, or a 1×1 convolution on images."""
    count = wanted[-1] or 1
    axes = len(wanted) - 2
    if axes < 2:
        label = text("diagnosis.fix_project", layer="Dense", units=count)
        return Fix(label, edits.add_layer(document, "Dense", patient.index, {"units": count}))
    kind = f"Conv{axes}D"
    arguments = {"filters": count, "kernel_size": [1] * axes}
    label = text("diagnosis.fix_conv1", layer=kind, size="×".join("1" * axes), filters=count)
    return Fix(label, edits.add_layer(document, kind, patient.index, arguments))


def _padded(patient: Patient) -> Document:
    """Let the layers between the source and this one keep the lengths."""
    document = patient.document
    source = patient.spec.sources[0]
    start = 0 if source == INPUT else document.index(source) + 1
    for layer in document.layers[start : patient.index]:
        cls = layerscope_catalogue().layer(layer.class_name)
        padding = next((one for one in fields_of(cls) if one.name == "padding"), None)  # type: ignore[arg-type]
        if padding is not None and "same" in padding.choices and not layer.shares:
            document = edits.set_argument(document, layer.id, "padding", "same")
    return document
