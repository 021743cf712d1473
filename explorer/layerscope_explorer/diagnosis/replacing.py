"""Repairs that put another layer in the place of one that cannot work, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue, starting_values
from layerscope_explorer.diagnosis.kinds import COUNTS, values_taken
from layerscope_explorer.diagnosis.patient import Idea, Patient
from layerscope_explorer.snapshot import Fix
from layerscope_explorer.strings import text

#: How many tokens to show a layer that does not say how many it knows.
_TOKENS = 20
#: Where bins of real numbers of usual size end.
_BOUNDARIES = [-1.0, 0.0, 1.0]
_RANK = re.compile(r"([1-3])D")


def other_layer(patient: Patient) -> Iterator[Idea]:
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
    wants_whole = patient.layer is not None and "real" not in values_taken(patient.layer)
    if wants_whole and patient.problem.argument is None:
        yield from _whole_numbers(patient)


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


def _whole_numbers(patient: Patient) -> Iterator[Idea]:
    """Show tokens, or multiply real numbers instead of looking them up, or number their bins."""
    argument = next((one for one in COUNTS if one in patient.fields), None)
    known = patient.value(argument) if argument is not None else None
    known = known if isinstance(known, int) else _TOKENS
    if not patient.reached() and known >= 2:
        yield [_tokens(patient, steps, known) for steps in (patient.given[1] or 16, 1)]
    if "output_dim" in patient.fields:
        yield _swapped(patient, "Dense", {"units": patient.value("output_dim")})
    bins = {"bin_boundaries": _BOUNDARIES[: known - 1]}
    yield Fix(
        text("diagnosis.insert", layer="Discretization"), patient.insert("Discretization", bins)
    )


def _tokens(patient: Patient, steps: int, known: int) -> Fix:
    """Show tokens that the layer knows."""
    chosen = {"data": "tokens", "shape": [min(steps, 64)], "vocabulary": min(known, 100_000)}
    key = "fix_token" if steps == 1 else "fix_tokens"
    label = text(f"diagnosis.{key}", steps=min(steps, 64), count=known)
    return Fix(label, edits.set_input(patient.document, chosen))


def without(patient: Patient) -> Iterator[Fix]:
    """Take the layer out."""
    label = text("diagnosis.fix_remove", name=patient.name)
    yield Fix(label, edits.remove_layer(patient.document, patient.spec.id))
