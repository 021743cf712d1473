"""Repairs that give a layer other arguments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from layerscope.configurable import REQUIRED
from layerscope_explorer import edits
from layerscope_explorer.catalogue import (
    layerscope_catalogue,
    starting_values,
    takes_several_inputs,
)
from layerscope_explorer.diagnosis.patient import Idea, Patient
from layerscope_explorer.diagnosis.shapes import spatial_lengths
from layerscope_explorer.diagnosis.words import value_words
from layerscope_explorer.document import INPUT
from layerscope_explorer.snapshot import Fix
from layerscope_explorer.strings import text

#: Arguments that make an output, or the weights, smaller.
_SIZES = (
    "units", "filters", "output_dim", "input_dim", "n", "size", "output_size", "depth_multiplier",
    "kernel_size", "padding", "target_shape",
)  # fmt: skip
#: What is put inside a wrapper, or a layer of cells.
_INSIDE = {
    "Bidirectional": ("layer", {"class_name": "LSTM", "config": {"units": 8}}),
    "RNN": ("cell", {"class_name": "LSTMCell", "config": {"units": 8}}),
    "StackedRNNCells": ("cells", [{"class_name": "LSTMCell", "config": {"units": 8}}]),
}


def arguments(patient: Patient) -> Iterator[Fix]:
    """Think up a better value for the argument at fault."""
    match patient.problem.argument:
        case "kernel_size" | "pool_size" as argument:
            yield from _smaller_window(patient, argument)
        case "cropping":
            yield from _less_cropping(patient)
        case "groups":
            yield from _dividing_groups(patient)
        case "target_shape":
            yield from _other_targets(patient)
        case "dims":
            axes = patient.axes
            yield patient.set("dims", [*range(1, axes - 1), axes, axes - 1] if axes > 1 else [1])
        case "axis" if patient.layer is not None and not takes_several_inputs(type(patient.layer)):
            yield patient.set("axis", -1)
        case "equation":
            yield from _any_axes(patient)
        case "input_dim" | "num_tokens" as argument:
            yield from _as_many_tokens(patient, argument)
        case "layer" | "cell" | "cells":
            yield from _padded_inside(patient)
            argument, inside = _INSIDE.get(patient.owner.class_name, ("", None))
            if inside is not None:
                wrapped = inside[0] if isinstance(inside, list) else inside
                label = text("diagnosis.fix_inside", inner=wrapped["class_name"])
                yield Fix(label, patient.set(argument, inside).document)


def _padded_inside(patient: Patient) -> Iterator[Fix]:
    """Let the layer in a wrapper keep the lengths."""
    inside = patient.owner.arguments.get("layer")
    if isinstance(inside, dict) and "kernel_size" in inside.get("config", {}):
        padded = {**inside, "config": {**inside["config"], "padding": "same"}}
        label = text("diagnosis.fix_set", argument="padding", value="same")
        yield Fix(label, patient.set("layer", padded).document)


def _smaller_window(patient: Patient, argument: str) -> Iterator[Fix]:
    layer = patient.layer
    lengths = spatial_lengths(layer, patient.given)[-len(getattr(layer, argument)) :]
    window = getattr(layer, argument)
    fitting = [min(size, length or size) for size, length in zip(window, lengths, strict=True)]
    padding = patient.fields.get("padding")
    same = None
    if padding is not None and "same" in padding.choices:
        same = patient.set("padding", "same")
    smaller = patient.set(argument, fitting)
    # A kernel that was chosen keeps its size; a pool over so little is better small.
    yield from filter(None, (same, smaller) if argument == "kernel_size" else (smaller, same))
    if "dilation_rate" in patient.owner.arguments:
        yield patient.set("dilation_rate", [1] * len(window))
    for one in patient.reached():
        if "Pooling" in one.class_name and not one.class_name.startswith("Global"):
            label = text("diagnosis.fix_remove", name=patient.name_of(one.id))
            yield Fix(label, edits.remove_layer(patient.document, one.id))
            break


def _less_cropping(patient: Patient) -> Iterator[Fix]:
    """Crop what leaves at least one position."""
    lengths = [length or 1 for length in spatial_lengths(patient.layer, patient.given)]
    each = [min(1, (length - 1) // 2) for length in lengths]
    cropping = [[one, one] for one in each]
    yield patient.set("cropping", cropping if len(each) > 1 else cropping[0])


def _dividing_groups(patient: Patient) -> Iterator[Fix]:
    channels = _channels(patient)
    groups = patient.value("groups")
    filters = patient.owner.arguments.get("filters")
    count = math.gcd(channels, filters) if isinstance(filters, int) else channels
    wanted = groups if isinstance(groups, int) and groups > 0 else count
    dividing = [one for one in range(1, count + 1) if count % one == 0]
    # The nearest that divides; of two as near, the one with more groups.
    nearest = sorted(dividing, key=lambda one: (abs(one - wanted), -one))
    yield patient.set("groups", nearest[0])
    if isinstance(filters, int) and channels % wanted == 0:
        yield patient.set("filters", wanted * math.ceil(filters / wanted))
    if nearest[0] != 1:
        yield patient.set("groups", 1)


def _channels(patient: Patient) -> int:
    first = patient.owner.arguments.get("data_format") == "channels_first"
    axis = patient.owner.arguments.get("axis", 1 if first else -1)
    try:
        return patient.given[axis] or 1
    except IndexError:
        return 1


def _other_targets(patient: Patient) -> Iterator[Fix]:
    count = math.prod(length or 1 for length in patient.given[1:])
    target = [one for one in patient.value("target_shape") if isinstance(one, int)]
    if -1 in target:
        yield from _dividing(patient, count, target)
        return
    for place in reversed(range(len(target))):
        rest = math.prod(abs(one) for at, one in enumerate(target) if at != place)
        if rest and count % rest == 0:
            yield patient.set(
                "target_shape", [*target[:place], count // rest, *target[place + 1 :]]
            )
    nearest = _nearest_product(count, target)
    if nearest is not None:
        yield patient.set("target_shape", nearest)
    if patient.axes == 1 and min(target, default=0) > 0:
        units = math.prod(target)
        label = text("diagnosis.fix_project", layer="Dense", units=units)
        yield Fix(label, patient.insert("Dense", {"units": units}))
    yield patient.set("target_shape", [count])


def _dividing(patient: Patient, count: int, target: list[int]) -> Iterator[Fix]:
    """Change one length so that the open one comes out whole."""
    for place in reversed(range(len(target))):
        rest = math.prod(max(one, 1) for at, one in enumerate(target) if at != place)
        if target[place] == -1 or count % rest:
            continue
        fitting = [one for one in range(1, count // rest + 1) if (count // rest) % one == 0]
        nearest = min(fitting, key=lambda one, wanted=target[place]: (abs(one - wanted), -one))
        yield patient.set("target_shape", [*target[:place], nearest, *target[place + 1 :]])
    yield patient.set("target_shape", [count])


def _nearest_product(count: int, target: list[int]) -> list[int] | None:
    """Return lengths with the product `count`, as near as possible to those wanted."""
    if not 2 <= len(target) <= 4:
        return None
    dividing = [one for one in range(1, count + 1) if count % one == 0][:64]
    best, least = None, math.inf
    for lengths in itertools.product(dividing, repeat=len(target) - 1):
        rest, left = divmod(count, math.prod(lengths))
        if left or not rest:
            continue
        far = sum(
            abs(math.log(a / abs(b or 1))) for a, b in zip((*lengths, rest), target, strict=True)
        )
        if far < least:
            best, least = [*lengths, rest], far
    return best


def _any_axes(patient: Patient) -> Iterator[Fix]:
    """Let an equation leave its first axes open: ``ab,bc->ac`` becomes ``...b,bc->...c``."""
    equation = str(patient.value("equation"))
    if equation[:1].isalpha():
        yield patient.set("equation", equation.replace(equation[0], "..."))


def _as_many_tokens(patient: Patient, argument: str) -> Iterator[Fix]:
    place = patient.outline.above(patient.index)
    if place.largest is None:
        return
    yield patient.set(argument, place.largest + 1)
    known = patient.value(argument)
    shown = patient.document.input.arguments.get("data") == "tokens"
    if shown and isinstance(known, int) and known >= 2:
        label = text("diagnosis.fix_vocabulary", count=known)
        yield Fix(label, edits.set_argument(patient.document, INPUT, "vocabulary", known))


# --- smaller ------------------------------------------------------------------------------------


def smaller(patient: Patient) -> Iterator[Idea]:
    """Think up smaller layers, where this one asks for too much."""
    if patient.problem.argument is not None or patient.layer is None or patient.wanted is not None:
        return
    for argument in _SIZES:
        if argument not in patient.fields or argument not in patient.owner.arguments:
            continue
        yield [patient.set(argument, value) for value in _halved(patient.value(argument))]
    for above in patient.reached()[:1]:
        before = len(patient.shape_before(above.id)) - 2
        if above.class_name == "Flatten" and 1 <= before <= 3:
            pooling = f"GlobalAveragePooling{before}D"
            rest = edits.remove_layer(patient.document, above.id)
            document = edits.add_layer(rest, pooling, patient.index - 1, {})
            name = patient.name_of(above.id)
            yield Fix(text("diagnosis.fix_swap", new=pooling, old=name), document)


def _halved(value: Any) -> Iterator[Any]:
    """Return ever smaller round values."""
    largest = max(value, default=0) if isinstance(value, list) else value
    if not isinstance(largest, int) or isinstance(largest, bool):
        return
    size = 1 << (largest - 1).bit_length() - 1 if largest > 1 else 0
    while size >= 1:
        yield [min(one, size) for one in value] if isinstance(value, list) else size
        size //= 2


# --- back ---------------------------------------------------------------------------------------


def resets(patient: Patient) -> Iterator[Fix]:
    """Think of first values: of the argument at fault, then of those chosen, then of others."""
    if patient.wanted is not None:
        return
    guilty = patient.problem.argument
    cls: Any = layerscope_catalogue().layer(patient.owner.class_name)
    known = {**patient.owner.arguments, **(starting_values(cls) if cls else {})}
    chosen = [one for one in known if one != guilty]
    if guilty is not None and guilty in patient.fields:
        chosen.insert(0, guilty)
    for argument in chosen:
        document = edits.reset_argument(patient.document, patient.spec.id, argument)
        declared = patient.fields.get(argument)
        default = REQUIRED if declared is None else declared.default
        value = document.owner(patient.spec.id).arguments.get(argument, default)
        if value is REQUIRED or document == patient.document:
            continue
        words = {"argument": argument, "value": value_words(value)}
        yield Fix(text("diagnosis.fix_reset", **words), document)
