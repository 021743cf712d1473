"""A model as a table of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from layerscope.html import html_table, sparkline
from layerscope.layers.layer import Layer
from layerscope.tensor import Variable


def summary_text(model: Any, line_length: int | None = None) -> str:
    """Return the layers of `model` with output shapes and parameter counts, and the totals."""
    rows = [
        (f"{layer.name} ({type(layer).__name__})", shape_text(layer), parameters_text(layer))
        for layer in model.layers
    ]
    header = ("Layer (type)", "Output Shape", "Param #")
    weights, trained = model.weights, model.trainable_weights
    others = model.non_trainable_weights
    lines = [
        f'Model: "{model.name}"',
        *_table(header, rows, line_length),
        f" Total params: {count(weights):,} ({size_text(weights)})",
        f" Trainable params: {count(trained):,} ({size_text(trained)})",
        f" Non-trainable params: {count(others):,} ({size_text(others)})",
    ]
    return "\n".join(lines)


def summary_html(model: Any) -> str:
    """Return the same as HTML, with the distribution of each layer's first weight."""
    rows = [
        [
            layer.name,
            type(layer).__name__,
            shape_text(layer),
            parameters_text(layer),
            sparkline(layer.weights[0].numpy()) if layer.weights else "",
        ]
        for layer in model.layers
    ]
    total, size = count(model.weights), size_text(model.weights)
    title = f"{type(model).__name__} {model.name}: {total:,} parameters, {size}"
    return html_table(title, ["layer", "type", "output shape", "parameters", "weights"], rows)


def shape_text(layer: Layer) -> str:
    """Return a layer's output shape as text, ``?`` while it is not known."""
    try:
        shape: Any = layer.output_shape
    except AttributeError:
        return "?"
    return str(shape)


def parameters_text(layer: Layer) -> str:
    """Return a layer's number of parameters as text."""
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def count(variables: Sequence[Variable]) -> int:
    """Return the number of scalars in `variables`."""
    return sum(math.prod(variable.shape) for variable in variables)


def size_text(variables: Sequence[Variable]) -> str:
    """Return the memory `variables` take, in the unit that reads best."""
    size = float(sum(variable.value.nbytes for variable in variables))
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"


def _table(
    header: tuple[str, ...], rows: list[tuple[str, ...]], line_length: int | None
) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    if line_length is not None:
        spare = line_length - sum(widths) - 3 * len(widths) - 1
        widths[0] = max(widths[0] + spare, len(header[0]))

    def rule(left: str, middle: str, right: str, fill: str) -> str:
        return left + middle.join(fill * (width + 2) for width in widths) + right

    def line(row: tuple[str, ...]) -> str:
        first, second, last = (
            text if len(text) <= width else text[: width - 1] + "…"
            for text, width in zip(row, widths, strict=True)
        )
        return f"│ {first:<{widths[0]}} │ {second:<{widths[1]}} │ {last:>{widths[2]}} │"

    return [
        rule("┌", "┬", "┐", "─"),
        line(header),
        rule("├", "┼", "┤", "─"),
        *[line(row) for row in rows],
        rule("└", "┴", "┘", "─"),
    ]
