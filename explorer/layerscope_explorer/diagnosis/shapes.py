"""Why a layer cannot work, in plain words: what it expected, what it got, and the arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.configurable import fields_of
from layerscope.tensor import Shape
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.diagnosis.kinds import axes_taken, inputs_taken, takes_single
from layerscope_explorer.diagnosis.words import (
    named_in,
    plain,
    shape_words,
    sizes,
    tuple_words,
    value_words,
)
from layerscope_explorer.document import LayerSpec
from layerscope_explorer.snapshot import Problem
from layerscope_explorer.strings import text

#: What the axes of an input are, by their number without the batch.
_KINDS = {1: "flat", 2: "sequence", 3: "image", 4: "volume"}


#: Python's own words for values that do not fit together.
_INTERNAL = re.compile(r"\bobject\b|operand|subscript|iterable|\battribute\b|positional|<\w")


def explain(
    layer: Any,
    spec: LayerSpec,
    names: Mapping[str, str],
    given: Sequence[Shape],
    error: Exception,
) -> Problem:
    """Say in plain words why a layer cannot take what it gets.

    Parameters
    ----------
    layer : the layer, not built for this input; None if it could not even be made.
    spec : its description.
    names : of all layers, by id.
    given : shapes of its inputs, batch first.
    error : what the layer itself said.
    """
    case = Case(layer, spec, names, given, error)
    for reader in _READERS:
        found = reader(case)
        if found is not None:
            return Problem(spec.id, *found)
    argument = _guilty(spec, error)
    reason = plain(error)
    if _INTERNAL.search(reason):
        reason = text("diagnosis.unsuited")
    words = {"name": case.name, "reason": _sentence(reason)}
    if argument is not None and argument in spec.arguments:
        value = value_words(spec.arguments[argument])
        return Problem(
            spec.id, text("diagnosis.value", argument=argument, value=value, **words), argument
        )
    return Problem(spec.id, text("diagnosis.other", **words), argument)


def _guilty(spec: LayerSpec, error: Exception) -> str | None:
    """Return the argument an error speaks of: by its name, or by its value."""
    named = named_in(error, _arguments(spec))
    chosen = spec.arguments.items()
    quoted = (key for key, value in chosen if isinstance(value, str) and repr(value) in str(error))
    return named or next(quoted, None)


def _sentence(words: str) -> str:
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _arguments(spec: LayerSpec) -> tuple[str, ...]:
    cls = layerscope_catalogue().layer(spec.class_name)
    return tuple(declared.name for declared in fields_of(cls)) if cls else ()


@dataclass(frozen=True, slots=True)
class Case:
    """A layer that cannot work, and what is known of why."""

    layer: Any
    spec: LayerSpec
    names: Mapping[str, str]
    given: Sequence[Shape]
    error: Exception

    @property
    def name(self) -> str:
        """What the layer is called."""
        return self.names[self.spec.id]

    def come(self, at: int) -> str:
        """Return one of several inputs, and where it comes from, in words."""
        source = self.spec.sources[at - 1] if at else ""
        name = self.names.get(source, source) or text("diagnosis.above")
        return text("diagnosis.from", have=shape_words(self.given[at]), source=name)


#: A message and the argument at fault; None where a reader has nothing to say.
Found = tuple[str, str | None] | None

# --- readers: each knows one kind of problem ----------------------------------------------------


def wanted_axes(layer: Any) -> tuple[int, int] | None:
    """Return the fewest and most axes a layer's input may have, None if it does not say."""
    if layer is None:
        return None
    if type(layer).__name__ == "TimeDistributed":
        inner = wanted_axes(layer.layer)
        return (2, 99) if inner is None else (inner[0] + 1, inner[1] + 1)
    if type(layer).__name__ == "RNN":
        inner = wanted_axes(layer.cell)
        return (2, 99) if inner is None else (inner[0] + 1, inner[1] + 1)
    if type(layer).__name__ == "Permute":
        return len(layer.dims), len(layer.dims)
    spec = layer.input_spec
    spec = spec[0] if isinstance(spec, (list, tuple)) and spec else spec
    if spec is None or isinstance(spec, (list, tuple)):
        return axes_taken(layer)
    if spec.ndim is not None:
        return spec.ndim - 1, spec.ndim - 1
    low = (spec.min_ndim or 1) - 1
    high = (spec.max_ndim or 100) - 1
    return (low, high) if (low, high) != (0, 99) else None


def misfit(wanted: tuple[int, int] | None, given: Sequence[Shape]) -> int | None:
    """Return which of the inputs is the first with too few axes, or too many; None if none is."""
    low, high = wanted or (0, 99)
    return next((at for at, one in enumerate(given) if not low <= len(one) - 1 <= high), None)


def _wrong_rank(case: Case) -> Found:
    wanted = wanted_axes(case.layer)
    at = misfit(wanted, case.given)
    if wanted is None or at is None:
        return None
    have = len(case.given[at]) - 1
    name, got = case.name, case.come(at) if at else shape_words(case.given[0])
    axes = wanted[0] if have < wanted[0] else wanted[1]
    if case.spec.class_name.startswith("ConvLSTM") and not case.spec.class_name.endswith("Cell"):
        message = text(f"diagnosis.needs_moving_{axes}", name=name, have=got)
        return message, None
    if case.spec.class_name == "Permute":
        dims = tuple_words(case.layer.dims)
        return text("diagnosis.permute", name=name, dims=dims, axes=axes, have=got), "dims"
    kind = _KINDS.get(axes, "axes")
    return text(f"diagnosis.needs_{kind}", name=name, wanted=axes, have=got), None


def _window(case: Case) -> Found:
    for argument in ("kernel_size", "pool_size"):
        if hasattr(case.layer, argument) and "zero or negative" in str(case.error):
            return _too_large(case.layer, argument, case.name, case.given[0]), argument
    if hasattr(case.layer, "cropping") and "smaller than the" in str(case.error):
        rows = (
            case.layer.cropping
            if isinstance(case.layer.cropping[0], tuple)
            else (case.layer.cropping,)
        )
        lengths = spatial_lengths(case.layer, case.given[0])
        sums = [
            text(
                "diagnosis.crop_sum",
                length=length,
                low=low,
                high=high,
                left=_minus(length - low - high),
            )
            for length, (low, high) in zip(lengths, rows, strict=True)
            if length is not None and low + high >= length
        ]
        words = {"name": case.name, "image": sizes(lengths), "sums": ", ".join(sums)}
        return text("diagnosis.cropping", **words), "cropping"
    return None


def spatial_lengths(layer: Any, shape: Shape) -> Shape:
    """Return the lengths of an input's spatial axes."""
    first = getattr(layer, "data_format", None) == "channels_first"
    return shape[2:] if first else shape[1:-1]


def _minus(number: int) -> str:
    return str(number).replace("-", "−")


def _too_large(layer: Any, argument: str, name: str, shape: Shape) -> str:
    lengths = spatial_lengths(layer, shape)
    window = getattr(layer, argument)
    dilations = getattr(layer, "dilation_rate", (1,) * len(window))
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(window, dilations, strict=True)]
    # Recurrent convolutions have time before space.
    lengths = lengths[-len(reach) :]
    sums = (
        text("diagnosis.window_sum", length=length, size=size, left=_minus(length - size + 1))
        for length, size in zip(lengths, reach, strict=True)
        if length is not None and length < size
    )
    words = {"name": name, "window": sizes(reach), "image": sizes(lengths)}
    return text("diagnosis.window", sum=next(sums, ""), **words)


def _groups(case: Case) -> Found:
    if "group" not in str(case.error) or "groups" not in _arguments(case.spec):
        return None
    groups = case.spec.arguments.get("groups", getattr(case.layer, "groups", 1))
    filters = case.spec.arguments.get("filters")
    name = case.name
    if isinstance(filters, int) and isinstance(groups, int) and groups > 0 and filters % groups:
        rest = filters % groups
        words = {"name": name, "groups": groups, "filters": filters, "rest": rest}
        return text("diagnosis.filter_groups", **words), "groups"
    if case.layer is None:
        return None
    first = getattr(case.layer, "data_format", None) == "channels_first"
    channels = case.given[0][getattr(case.layer, "axis", 1 if first else -1)]
    rest = channels % groups if channels and isinstance(groups, int) and groups > 0 else 0
    words = {"name": name, "groups": groups, "channels": channels, "rest": rest}
    return text("diagnosis.groups", **words), "groups"


def _arranging(case: Case) -> Found:
    if case.layer is None or case.spec.class_name != "Reshape":
        return None
    have = 1
    for length in case.given[0][1:]:
        have *= length or 1
    wanted = 1
    for length in case.layer.target_shape:
        wanted *= max(length, 1)
    key = "reshape_divides" if -1 in case.layer.target_shape else "reshape"
    words = {
        "name": case.name,
        "have": shape_words(case.given[0]),
        "count": have,
        "want": tuple_words(case.layer.target_shape),
        "wanted": wanted,
    }
    return text(f"diagnosis.{key}", **words), "target_shape"


def _axis(case: Case) -> Found:
    words = str(case.error)
    for argument in ("axis", "shared_axes"):
        if case.layer is None or argument not in _arguments(case.spec):
            continue
        if f"`{argument}`" in words or "out of bounds" in words:
            value = getattr(case.layer, argument)
            values = value if isinstance(value, (list, tuple)) else [value]
            return text(
                "diagnosis.axis",
                name=case.name,
                axis=", ".join(map(str, values)),
                have=shape_words(case.given[0]),
                last=len(case.given[0]) - 1,
            ), argument
    return None


def _merging(case: Case) -> Found:
    if case.layer is None or not takes_several_inputs(type(case.layer)):
        return None
    name = case.name
    fewest, most = inputs_taken(type(case.layer))
    if len(case.given) < fewest:
        return text("diagnosis.one_of_two", name=name), None
    if len(case.given) > most == 2:
        return text("diagnosis.more_than_two", name=name, count=len(case.given)), None
    merges = case.layer.section in ("merge", "attention")
    if not merges or misfit(wanted_axes(case.layer), case.given) is not None:
        return None
    have = text("diagnosis.and").join(map(case.come, range(len(case.given))))
    kinds = {"Concatenate": "concatenate", "Dot": "dot"}
    kind = kinds.get(case.spec.class_name, case.layer.section)
    argument = {"Concatenate": "axis", "Dot": "axes"}.get(case.spec.class_name)
    value = case.spec.arguments.get(argument or "", -1)
    return text(f"diagnosis.{kind}", name=name, have=have, axis=value), argument


def _wrapping(case: Case) -> Found:
    """Read what a wrapper, or a layer of cells, says of what is inside it."""
    name = case.name
    for argument, key in (("layer", case.spec.class_name), ("cell", "RNN"), ("cells", "cells")):
        inside = case.spec.arguments.get(argument)
        inside = inside[0] if isinstance(inside, list) and inside else inside
        if not isinstance(inside, dict):
            continue
        kind = str(inside.get("class_name", ""))
        if case.layer is None and key in ("Bidirectional", "RNN", "cells"):
            return text(f"diagnosis.wraps_{key}", name=name, inner=kind), argument
        if case.layer is None or key != "TimeDistributed":
            continue
        wanted = wanted_axes(case.layer)
        have = len(case.given[0]) - 1
        if wanted is not None and not wanted[0] <= have <= wanted[1]:
            words = {
                "name": name,
                "inner": kind,
                "wanted": wanted[0],
                "have": shape_words(case.given[0]),
            }
            return text("diagnosis.wraps_rank", **words), argument if have >= 2 else None
        if wanted is not None:
            shape = (case.given[0][0], *case.given[0][2:])
            inner = explain(
                case.layer.layer, _inner_spec(case.spec, inside), case.names, [shape], case.error
            )
            return inner.message, argument
    return None


def _inner_spec(spec: LayerSpec, inside: Mapping[str, Any]) -> LayerSpec:
    return LayerSpec(spec.id, str(inside["class_name"]), inside.get("config", {}))


def _other_length(case: Case) -> Found:
    """Read that weights are there for another number of features: of a shared layer."""
    axes = getattr(case.layer.input_spec, "axes", None) if case.layer is not None else None
    for axis, length in (axes or {}).items():
        if length is not None and case.given[0][axis] not in (length, None):
            words = {"name": case.name, "length": length, "have": shape_words(case.given[0])}
            return text("diagnosis.other_length", **words), None
    return None


def _single(case: Case) -> Found:
    """Read that a layer takes one number of each sample, as all its examples have."""
    at = next(
        (
            at
            for at, one in enumerate(case.given)
            if math.prod(length or 0 for length in one[1:]) != 1
        ),
        None,
    )
    if case.layer is None or at is None or not takes_single(case.layer):
        return None
    have = case.come(at) if at else shape_words(case.given[0])
    return text("diagnosis.needs_single", name=case.name, have=have), None


_READERS = (
    _merging,
    _wrapping,
    _wrong_rank,
    _other_length,
    _window,
    _groups,
    _arranging,
    _axis,
    _single,
)


# --- problems no layer speaks of itself ---------------------------------------------------------


def empty_output(layer: Any, layer_id: str, name: str, shape: Shape, out: Shape) -> Problem:
    """Say that nothing is left: an axis of the output has length zero."""
    words = {"name": name, "out": shape_words(out), "have": shape_words(shape)}
    argument = next((one for one in ("cropping", "pool_size") if hasattr(layer, one)), None)
    return Problem(layer_id, text("diagnosis.empty", **words), argument)


def not_above(layer_id: str, name: str, source: str) -> Problem:
    """Say that a layer takes the output of one that is not above it."""
    return Problem(layer_id, text("diagnosis.not_above", name=name, source=source))


def nothing_to_share(layer_id: str, name: str) -> Problem:
    """Say that the layer whose weights this one shares computes nothing."""
    return Problem(layer_id, text("diagnosis.nothing_to_share", name=name))


def too_big(layer_id: str, name: str, what: str, count: int, limit: int) -> Problem:
    """Say that a layer asks for more than a session may have."""
    message = text(f"diagnosis.too_many_{what}", name=name, count=f"{count:,}", limit=f"{limit:,}")
    return Problem(layer_id, message)


def too_long(layer_id: str, name: str, limit: int) -> Problem:
    """Say that a layer takes longer than a session may have."""
    return Problem(layer_id, text("diagnosis.too_long", name=name, limit=f"{limit:,}"))


def needs_tokens(layer_id: str, name: str, shape: Shape) -> Problem:
    """Say that a layer looks up whole numbers and gets others."""
    return Problem(layer_id, text("diagnosis.needs_tokens", name=name, have=shape_words(shape)))


def needs_words(layer_id: str, name: str) -> Problem:
    """Say that a layer takes words only."""
    return Problem(layer_id, text("diagnosis.needs_words", name=name))


def gives_words(layer_id: str, name: str) -> Problem:
    """Say that a layer gives words, of which there is no picture."""
    return Problem(layer_id, text("diagnosis.words", name=name))


def unknown_token(layer_id: str, name: str, largest: int, argument: str, known: int) -> Problem:
    """Say that there are tokens a layer does not know, as one of its arguments says."""
    words = {"name": name, "largest": largest, "known": known, "last": known - 1}
    message = text("diagnosis.unknown_token", argument=argument, **words)
    return Problem(layer_id, message, argument)
