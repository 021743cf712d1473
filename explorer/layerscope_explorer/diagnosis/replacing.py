"""Repairs that put another layer in the place of one that cannot work, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue, starting_values
from layerscope_explorer.diagnosis.patient import Patient
from layerscope_explorer.document import INPUT
from layerscope_explorer.snapshot import Fix
from layerscope_explorer.strings import text

_RANK = re.compile(r"([1-3])D")


def other_layer(patient: Patient) -> Iterator[Fix]:
    """Think up the same kind of layer for another number of axes, one step at a time, or whole."""
    if patient.spec.shares:
        return
    yield from _of_other_rank(patient)
    yield from _unwrapped(patient)
    if patient.wanted is not None and patient.axes == patient.wanted + 1:
        config = dict(patient.owner.arguments)
        inside = {"class_name": patient.owner.class_name, "config": config}
        label = text("diagnosis.fix_each_step", name=patient.name)
        yield Fix(label, patient.swap("TimeDistributed", {"layer": inside}))
    if patient.owner.class_name == "Embedding":
        yield from _looked_up(patient)


def whole_cell(patient: Patient) -> Iterator[Fix]:
    """Think up the layer that takes a cell's step again and again."""
    name = patient.owner.class_name.removesuffix("Cell")
    several = name != patient.owner.class_name and name in layerscope_catalogue().layers
    if several and patient.wanted is not None and patient.axes == patient.wanted + 1:
        yield _swapped(patient, name, patient.owner.arguments)


def _swapped(patient: Patient, class_name: str, arguments: Mapping[str, Any]) -> Fix:
    label = text("diagnosis.fix_swap", new=class_name, old=patient.name)
    return Fix(label, patient.swap(class_name, arguments))


def _of_other_rank(patient: Patient) -> Iterator[Fix]:
    name = patient.owner.class_name
    found = _RANK.search(name)
    if found is None or patient.wanted is None:
        return
    old = int(found[1])
    new = old + patient.axes - patient.wanted
    other = name.replace(found[0], f"{new}D")
    if other in layerscope_catalogue().layers:
        yield _swapped(patient, other, _resized(patient, other, old, new))


def _resized(patient: Patient, class_name: str, old: int, new: int) -> dict[str, Any]:
    """Return the layer's arguments for another number of spatial axes."""
    arguments = starting_values(layerscope_catalogue().layers[class_name])
    for argument, value in patient.owner.arguments.items():
        if isinstance(value, list) and len(value) == old:
            value = (value * new)[:new]
        try:
            edits.check_argument(class_name, argument, value)
        except ValueError:
            continue
        arguments[argument] = value
    return arguments


def _unwrapped(patient: Patient) -> Iterator[Fix]:
    """Take the layer out of its wrapper."""
    inside = patient.owner.arguments.get("layer")
    if isinstance(inside, dict) and patient.problem.argument in ("layer", None):
        config = {**inside.get("config", {})}
        config.pop("name", None)
        yield _swapped(patient, str(inside.get("class_name")), config)


def _looked_up(patient: Patient) -> Iterator[Fix]:
    """Show tokens, or multiply real numbers instead of looking them up."""
    known = patient.value("input_dim")
    if not patient.reached() and isinstance(known, int) and known >= 2:
        steps = patient.given[1] or 16
        document = edits.set_argument(patient.document, INPUT, "data", "tokens")
        document = edits.set_argument(document, INPUT, "shape", [min(steps, 64)])
        document = edits.set_argument(document, INPUT, "vocabulary", min(known, 100_000))
        yield Fix(text("diagnosis.fix_tokens", steps=min(steps, 64), count=known), document)
    yield _swapped(patient, "Dense", {"units": patient.value("output_dim")})


def without(patient: Patient) -> Iterator[Fix]:
    """Take the layer out."""
    label = text("diagnosis.fix_remove", name=patient.name)
    yield Fix(label, edits.remove_layer(patient.document, patient.spec.id))
