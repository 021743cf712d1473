"""Why a shape is what it is: the sums behind a layer's output, checked before they are shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from layerscope.tensor import Shape
from layerscope_explorer.steps import Step
from layerscope_explorer.strings import text

__all__ = ["parameters_in_words", "shape_in_words"]

#: A claim: the axis it is about, what it says, and the length it comes to.
Claim = tuple[int, str, int]


def shape_in_words(step: Step) -> list[str]:
    """Return the arithmetic behind an output shape, a line per axis that changes.

    The rules read a layer's arguments, which mean the same in every layer that has them. What they
    say is compared with the shape the layer really has; where they do not apply, the layer's word
    is all there is.
    """
    given, out = step.input_shapes[0], step.output_shape
    for rule in _RULES:
        try:
            claims = list(rule(step.layer, step.input_shapes, out))
        except (ValueError, TypeError, IndexError):
            # An argument of the same name that means something else: not this rule's layer.
            continue
        if claims and all(-len(out) <= axis < len(out) and out[axis] == n for axis, _, n in claims):
            lines = [(_axis_name(step, axis), said) for axis, said, _ in claims]
            return [text("shapes.axis", name=name, sum=said) for name, said in lines]
    if tuple(given) == tuple(out):
        return [text("shapes.kept")]
    return [text("shapes.given", layer=step.spec.class_name)]


def parameters_in_words(step: Step) -> list[str]:
    """Return how many parameters each weight has and why: ``3 · 3 · 1 · 16 = 144 (kernel)``."""
    lines = []
    for weight in step.layer.weights:
        lengths = " · ".join(map(str, weight.shape)) or "1"
        size = math.prod(weight.shape)
        said = lengths if len(weight.shape) < 2 else f"{lengths} = {size:,}"
        lines.append(text("shapes.weight", sum=said, name=weight.name))
    return lines


def _axis_name(step: Step, axis: int) -> str:
    """Return what an axis of the output holds."""
    rank = len(step.output_shape)
    axis %= rank
    first = _channels_first(step.layer)
    if rank <= 2:
        return text("shapes.units")
    if axis == (1 if first else rank - 1):
        return text("shapes.channels")
    spatial = {3: ("steps",), 4: ("height", "width"), 5: ("depth", "height", "width")}.get(rank)
    place = axis - (2 if first else 1)
    return text(f"shapes.{spatial[place]}") if spatial else text("shapes.axis_number", axis=axis)


def _channels_first(layer: Any) -> bool:
    return getattr(layer, "data_format", None) == "channels_first"


def _spatial(layer: Any, rank: int) -> range:
    """Return the axes that windows slide over."""
    return range(2, rank) if _channels_first(layer) else range(1, rank - 1)


def _per_axis(value: Any, count: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


# --- rules --------------------------------------------------------------------------------------


def _windows(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Convolutions and pooling: how often a window fits."""
    size = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    if size is None or not hasattr(layer, "strides") or hasattr(layer, "output_padding"):
        return
    yield from _sliding(layer, size, inputs[0], out)
    yield from _channels(layer, inputs[0], out)


def _sliding(layer: Any, size: Any, given: Shape, out: Shape) -> Iterator[Claim]:
    axes = _spatial(layer, len(given))
    sizes, strides = _per_axis(size, len(axes)), _per_axis(layer.strides, len(axes))
    dilations = _per_axis(getattr(layer, "dilation_rate", 1), len(axes))
    for axis, k, s, d in zip(axes, sizes, strides, dilations, strict=True):
        n = given[axis]
        if n is None:
            return
        reach = (k - 1) * d + 1
        window = str(k) if d == 1 else f"(({k} − 1) · {d} + 1)"
        if layer.padding == "valid":
            length = (n - reach) // s + 1
            said = f"{n} − {window} + 1" if s == 1 else f"⌊({n} − {window}) / {s}⌋ + 1"
        else:
            length = -(-n // s)
            said = f"{n}" if s == 1 else f"⌈{n} / {s}⌉"
        yield axis, f"{said} = {length}", length


def _channels(layer: Any, given: Shape, out: Shape) -> Iterator[Claim]:
    axis = 1 if _channels_first(layer) else len(out) - 1
    if hasattr(layer, "filters"):
        yield axis, text("shapes.filters", count=layer.filters), layer.filters
    elif hasattr(layer, "depth_multiplier") and given[axis] is not None:
        length = given[axis] * layer.depth_multiplier
        yield axis, f"{given[axis]} · {layer.depth_multiplier} = {length}", length


def _transposed(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Transposed convolutions: where the windows reach."""
    if not hasattr(layer, "output_padding"):
        return
    axes = _spatial(layer, len(inputs[0]))
    count = len(axes)
    strides = _per_axis(layer.strides, count)
    dilations = _per_axis(layer.dilation_rate, count)
    extra = None if layer.output_padding is None else _per_axis(layer.output_padding, count)
    for place, axis in enumerate(axes):
        n, s = inputs[0][axis], strides[place]
        if n is None:
            return
        k = (layer.kernel_size[place] - 1) * dilations[place] + 1
        if extra is not None:
            cut = 2 * (k // 2) if layer.padding == "same" else 0
            length = (n - 1) * s + k - cut + extra[place]
            said = f"({n} − 1) · {s} + {k} − {cut} + {extra[place]}"
        elif layer.padding == "valid":
            length = n * s + max(k - s, 0)
            said = f"{n} · {s} + max({k} − {s}, 0)"
        else:
            length = n * s
            said = f"{n} · {s}"
        yield axis, f"{said} = {length}", length
    yield from _channels(layer, inputs[0], out)


def _sized(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """What is told how large its output is."""
    size = getattr(layer, "output_size", None)
    if size is None and hasattr(layer, "height") and hasattr(layer, "width"):
        size = (layer.height, layer.width)
    if size is None or len(out) != len(inputs[0]):
        return
    axes = _spatial(layer, len(out))
    for axis, length in zip(axes, _per_axis(size, len(axes)), strict=True):
        yield axis, text("shapes.as_told", count=length), length


def _pooled_away(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Global pooling: one number per channel."""
    if not hasattr(layer, "keepdims") or layer.weights or len(inputs[0]) < 3:
        return
    axis = 1 if _channels_first(layer) else len(inputs[0]) - 1
    channels = inputs[0][axis]
    if channels is not None:
        places = [one for at, one in enumerate(inputs[0]) if at not in (0, axis)]
        said = text("shapes.one_of", count=" · ".join(map(str, places)))
        yield (axis if layer.keepdims else len(out) - 1), f"{channels}, {said}", channels


def _einsum(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Axes that an equation keeps and adds."""
    equation = getattr(layer, "equation", "")
    if "->" not in equation:
        return
    for axis, letter in enumerate(equation.split("->")[1].replace("...", "")[::-1], start=1):
        length = out[-axis]
        if axis < len(out) and length is not None:
            yield len(out) - axis, text("shapes.letter", letter=letter, length=length), length


def _borders(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Cropping and padding: what is cut off or put on at each end."""
    cropping, padding = getattr(layer, "cropping", None), getattr(layer, "padding", None)
    ends = cropping if cropping is not None else padding
    if not isinstance(ends, tuple) or hasattr(layer, "strides"):
        return
    pairs = ends if isinstance(ends[0], tuple) else (ends,)
    sign, symbol = (-1, "−") if cropping is not None else (1, "+")
    for axis, (before, after) in zip(_spatial(layer, len(out)), pairs, strict=True):
        n = inputs[0][axis]
        if n is None:
            return
        length = n + sign * (before + after)
        yield axis, f"{n} {symbol} {before} {symbol} {after} = {length}", length


def _scaled(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Upsampling: every value several times."""
    size = getattr(layer, "size", None)
    if size is None or hasattr(layer, "kernel_size"):
        return
    axes = _spatial(layer, len(out))
    for axis, factor in zip(axes, _per_axis(size, len(axes)), strict=False):
        n = inputs[0][axis]
        if n is None:
            return
        yield axis, f"{n} · {factor} = {n * factor}", n * factor


def _flattened(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """All axes but the batch in one."""
    given = inputs[0]
    if len(out) == 2 and len(given) > 2 and None not in given[1:] and not layer.weights:
        length = math.prod(given[1:])  # type: ignore[arg-type]
        yield 1, f"{' · '.join(map(str, given[1:]))} = {length}", length


def _arranged(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """A new arrangement of as many values."""
    if not hasattr(layer, "target_shape") or None in (*inputs[0][1:], *out[1:]):
        return
    size = math.prod(inputs[0][1:])  # type: ignore[arg-type]
    have, want = (" · ".join(map(str, one[1:])) for one in (inputs[0], out))
    yield len(out) - 1, f"{have} = {size} = {want}", out[-1] or 0


def _permuted(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Axes in another order."""
    for axis, source in enumerate(getattr(layer, "dims", None) or (), start=1):
        n = inputs[0][source]
        if n is not None:
            yield axis, text("shapes.axis_of", source=source, length=n), n


def _repeated(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """The same vector at every step."""
    if hasattr(layer, "n") and len(out) == len(inputs[0]) + 1:
        yield 1, text("shapes.times", count=layer.n), layer.n


def _units(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Units of dense and recurrent layers stand on the last axis."""
    units = getattr(layer, "units", None)
    if not isinstance(units, int):
        return
    yield len(out) - 1, text("shapes.units_of", count=units), units
    if hasattr(layer, "return_sequences") and len(out) == 3 and inputs[0][1] is not None:
        yield 1, text("shapes.every_step", count=inputs[0][1]), inputs[0][1]


def _embedded(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """A vector for every token."""
    if isinstance(getattr(layer, "output_dim", None), int):
        yield len(out) - 1, text("shapes.vector_of", count=layer.output_dim), layer.output_dim


def _concatenated(layer: Any, inputs: Sequence[Shape], out: Shape) -> Iterator[Claim]:
    """Inputs one after another along an axis."""
    axis = getattr(layer, "axis", None)
    alike = all(len(one) == len(out) for one in inputs)
    if len(inputs) < 2 or not isinstance(axis, int) or not alike:
        return
    lengths = [one[axis] for one in inputs]
    if None not in lengths:
        length = sum(lengths)  # type: ignore[arg-type]
        yield axis, f"{' + '.join(map(str, lengths))} = {length}", length


_RULES: tuple[Callable[[Any, Sequence[Shape], Shape], Iterator[Claim]], ...] = (
    _windows,
    _transposed,
    _sized,
    _pooled_away,
    _einsum,
    _borders,
    _scaled,
    _embedded,
    _arranged,
    _permuted,
    _repeated,
    _units,
    _concatenated,
    _flattened,
)
