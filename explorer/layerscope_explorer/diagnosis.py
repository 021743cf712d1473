"""Why a layer cannot work, and whether one that works is healthy: rules without state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.tensor import Shape
from layerscope_explorer.snapshot import Health, Histogram, Problem
from layerscope_explorer.strings import text

#: Shares of a layer's units above which it is worth a look, and broken.
DEAD_WARN, DEAD_BAD = 0.10, 0.50
SATURATED_WARN = 0.50
#: A spread of outputs below this is no signal any more; above that it is about to overflow.
VANISHED, EXPLODED = 1e-6, 1e6


def sizes(lengths: Sequence[int | None]) -> str:
    """Return lengths as people write them: ``3×3``."""
    return "×".join("?" if length is None else str(length) for length in lengths)


def shape_words(shape: Shape) -> str:
    """Return a shape without its batch axis, as text."""
    rest = shape[1:]
    if len(rest) == 1:
        return text("diagnosis.flat", length=rest[0])
    return f"({', '.join('?' if length is None else str(length) for length in rest)})"


def explain(layer: Any, layer_id: str, name: str, shape: Shape, error: ValueError) -> Problem:
    """Say in plain words why `layer` cannot take an input of `shape`.

    Parameters
    ----------
    layer : the layer, not built for this input.
    layer_id, name : which one it is, and what it is called in the stack.
    shape : the input's shape, batch first.
    error : what the layer itself said.
    """
    spec = getattr(layer, "input_spec", None)
    wanted = getattr(spec, "ndim", None)
    if wanted is not None and wanted != len(shape):
        return _wrong_rank(layer_id, name, wanted, shape)
    for argument in ("kernel_size", "pool_size"):
        if hasattr(layer, argument) and "zero or negative" in str(error):
            return Problem(layer_id, _too_large(layer, argument, name, shape), argument)
    if hasattr(layer, "groups") and "group" in str(error):
        channels = shape[getattr(layer, "axis", 1 if _channels_first(layer) else -1)]
        message = text("diagnosis.groups", name=name, groups=layer.groups, channels=channels)
        return Problem(layer_id, message, "groups")
    if hasattr(layer, "target_shape"):
        message = text(
            "diagnosis.reshape",
            name=name,
            have=shape_words(shape),
            want=f"({', '.join(map(str, layer.target_shape))})",
        )
        return Problem(layer_id, message, "target_shape")
    return Problem(layer_id, text("diagnosis.other", name=name, reason=error), _named_in(error))


def _wrong_rank(layer_id: str, name: str, wanted: int, shape: Shape) -> Problem:
    if wanted == 2:
        message = text("diagnosis.needs_flat", name=name, have=shape_words(shape))
        return Problem(layer_id, message)
    kinds = {3: "sequence", 4: "image", 5: "volume"}
    if wanted in kinds:
        message = text(f"diagnosis.needs_{kinds[wanted]}", name=name, have=shape_words(shape))
        return Problem(layer_id, message)
    message = text("diagnosis.needs_axes", name=name, wanted=wanted - 1, have=shape_words(shape))
    return Problem(layer_id, message)


def _channels_first(layer: Any) -> bool:
    return getattr(layer, "data_format", None) == "channels_first"


def _too_large(layer: Any, argument: str, name: str, shape: Shape) -> str:
    first = layer.data_format == "channels_first"
    spatial = shape[2:] if first else shape[1:-1]
    window = getattr(layer, argument)
    dilations = getattr(layer, "dilation_rate", (1,) * len(window))
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(window, dilations, strict=True)]
    return text("diagnosis.window", name=name, window=sizes(reach), image=sizes(spatial))


def empty_output(layer_id: str, name: str, shape: Shape, out: Shape) -> Problem | None:
    """Say that nothing is left, if an axis of the output has length zero."""
    if 0 not in out[1:]:
        return None
    return Problem(layer_id, text("diagnosis.empty", name=name, out=shape_words(out)))


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


def bad_argument(layer_id: str, name: str, error: Exception) -> Problem:
    """Say that a layer could not even be made."""
    reason = str(error)
    return Problem(layer_id, text("diagnosis.other", name=name, reason=reason), _named_in(error))


def _named_in(error: Exception) -> str | None:
    """Return the argument a message names, in backticks or as ``name=value``."""
    found = re.search(r"`(\w+)`|\b(\w+)=", str(error))
    return next((name for name in found.groups() if name), None) if found else None


@dataclass(frozen=True, slots=True)
class Signal:
    """What is known of a layer's output on the data.

    Attributes
    ----------
    output : distribution of the output.
    dead, saturated : shares of units whose derivative is zero, or nearly so, on all of the data.
    """

    output: Histogram | None
    dead: float = 0.0
    saturated: float = 0.0


def health_of(signal: Signal) -> tuple[Health, str]:
    """Return how a layer is doing and why, in a few words."""
    output = signal.output
    if output is None:
        return "off", text("diagnosis.off")
    if output.nonfinite:
        return "bad", text("diagnosis.nonfinite")
    if output.std > EXPLODED:
        return "bad", text("diagnosis.exploded", std=f"{output.std:.2g}")
    if output.std < VANISHED:
        return "bad", text("diagnosis.vanished", std=f"{output.std:.2g}")
    if signal.dead >= DEAD_BAD:
        return "bad", text("diagnosis.dead", share=f"{signal.dead:.0%}")
    if signal.dead >= DEAD_WARN:
        return "warn", text("diagnosis.dead", share=f"{signal.dead:.0%}")
    if signal.saturated >= SATURATED_WARN:
        return "warn", text("diagnosis.saturated", share=f"{signal.saturated:.0%}")
    return "ok", text("diagnosis.ok")
