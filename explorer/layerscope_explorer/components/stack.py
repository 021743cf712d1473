"""The stack of layers as one browser component: one list of rows in, small messages out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.rules import Rules
from layerscope_explorer.snapshot import Fix, LayerView, Snapshot, WeightView
from layerscope_explorer.strings import section, text
from layerscope_explorer.theme import section_color
from layerscope_explorer.thumbnails import thumbnail

__all__ = ["LayerStack", "format_count", "format_shape", "rows_of"]

SPARK_BINS = 30


def format_shape(shape: tuple[int | None, ...] | None) -> str:
    """Return an output shape without its batch axis, as `8 × 8 × 16`.

    Examples
    --------
    >>> format_shape((None, 8, 8, 16))
    '8 × 8 × 16'
    >>> format_shape((None,))
    'a single number'
    """
    if shape is None:
        return "—"
    return " × ".join("?" if size is None else str(size) for size in shape[1:]) or text(
        "diagnosis.scalar"
    )


def format_count(count: int) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u2009")


def _spark(weight: WeightView) -> tuple[str, str]:
    """Return measured and theoretical density as `SPARK_BINS` heights each, in percent.

    Text, because Bokeh visits every entry of a list at each update.
    """
    histogram = weight.histogram
    edges = np.asarray(histogram.edges, dtype=np.float64)
    centers = (edges[1:] + edges[:-1]) / 2
    if centers.size == 0 or not np.isfinite(edges).all():
        return "", ""
    grid = np.linspace(edges[0], edges[-1], SPARK_BINS)
    measured = np.interp(grid, centers, histogram.counts)
    theory = np.zeros(0)
    if weight.density is not None:
        x, pdf = weight.density
        theory = np.interp(grid, x, pdf, left=0.0, right=0.0)
    top = max(float(measured.max()), float(theory.max(initial=0.0)))
    if not np.isfinite(top) or top <= 0:
        return "", ""
    return _packed(measured / top), _packed(theory / top)


def _packed(heights: np.ndarray) -> str:
    return " ".join(f"{height:.0f}" for height in 100 * heights)


def _row(layer: LayerView, position: int, count: int) -> dict[str, Any]:
    spark, theory = _spark(layer.weights[0]) if layer.weights else ("", "")
    reached = layer.output_shape is not None
    shape = format_shape(layer.output_shape) if reached else text("stack.not_reached")
    more = f" +{len(layer.more_outputs)}" if layer.more_outputs else ""
    health = text(f"stack.health_{layer.health}_name")
    return {
        "id": layer.id,
        "name": layer.name,
        "kind": layer.class_name,
        "detail": layer.detail,
        "shape": format_shape(layer.output_shape) + more,
        "params": format_count(layer.params) if layer.params else "",
        "color": section_color(layer.section),
        "health": layer.health,
        "note": layer.health_note or health,
        "spark": spark,
        "theory": theory,
        "drawing": _drawing(layer),
        "bypassed": layer.bypassed,
        "shares": layer.shares,
        "sources": list(layer.sources),
        "error": layer.problem.message if layer.problem else "",
        "fixes": [fix.label for fix in _fixes_of(layer)],
        "label": text(
            "stack.card",
            position=position,
            count=count,
            kind=layer.class_name,
            name=layer.name,
            detail=layer.detail or "–",
            shape=shape,
            params=layer.params,
            health=health,
        ),
    }


def _drawing(layer: LayerView) -> str:
    """Return the curve of the layer's activation as path data, "" without one."""
    name = layer.activation.name if layer.activation else "linear"
    return "" if name == "linear" else thumbnail("activation", name)


def _fixes_of(layer: LayerView) -> Sequence[Fix]:
    """Return the repairs on a card: of what is broken, else of what is unhealthy."""
    return layer.problem.fixes if layer.problem else layer.cures


def rows_of(snapshot: Snapshot | None) -> list[dict[str, Any]]:
    """Return the stack's rows: plain JSON, one dictionary per layer."""
    if snapshot is None:
        return []
    count = len(snapshot.layers)
    return [_row(layer, index + 1, count) for index, layer in enumerate(snapshot.layers)]


def _input_row(snapshot: Snapshot | None) -> dict[str, str]:
    if snapshot is None:
        return {}
    view = snapshot.input
    shape = format_shape(view.output_shape)
    label = text("stack.input_card", detail=view.detail or text("stack.digits"), shape=shape)
    return {"detail": view.detail or text("stack.digits"), "shape": shape, "label": label}


def _total_of(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return ""
    count = len(snapshot.layers)
    key = "stack.total_one" if count == 1 else "stack.total"
    return text(key, count=format_count(snapshot.total_params), layers=count)


def _locks(rules: Rules) -> bool:
    return not rules.allow("layers")


class LayerStack(Component):
    """The layer cards of a session, from input to output.

    Parameters
    ----------
    session
        Its `snapshot` and `selected` are drawn, its commands are called.
    on_palette
        Called with the index at which the visitor wants to add a layer.
    """

    # One text: Param and Bokeh would visit every entry of nested lists at each change.
    packed_rows = param.String(default="[]", doc="`rows_of` the snapshot as JSON.")
    selected = param.String(default="", doc="Id of the selected layer.")
    input_row = param.Dict(default={}, doc="The data: detail, shape, label.")
    total = param.String(default="", doc="The closing line.")
    locked = param.Boolean(default=False, doc="Whether layers may not be added, moved or removed.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("stack.js"))
    _stylesheets = stylesheets("stack")

    def __init__(self, session: Any, on_palette: Callable[[int], None], **params: Any) -> None:
        super().__init__(strings=section("stack"), selected=session.selected, **params)
        self._session = session
        self._on_palette = on_palette
        session.param.watch(self._draw, "snapshot")
        session.param.watch(self._select, "selected")
        session.param.watch(lambda event: self.param.update(locked=_locks(event.new)), "rules")
        self._draw()

    def _draw(self, *_: Any) -> None:
        snapshot: Snapshot | None = self._session.snapshot
        self.param.update(
            packed_rows=json.dumps(rows_of(snapshot)),
            input_row=_input_row(snapshot),
            total=_total_of(snapshot),
        )

    def _select(self, *_: Any) -> None:
        self.selected = self._session.selected

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        session, layer_id = self._session, str(data.get("id", ""))
        match data.get("type"):
            case "palette":
                self._on_palette(int(data["index"]))
            case "select":
                session.select(layer_id)
            case "remove":
                session.remove_layer(layer_id)
            case "duplicate" | "share" | "unshare" | "bypass" | "reroll" as action:
                getattr(session, f"{action}_layer")(layer_id)
            case "move":
                session.move_layer(layer_id, int(data["index"]))
            case "fix":
                self._apply_fix(layer_id, int(data["index"]))

    def _apply_fix(self, layer_id: str, index: int) -> None:
        layer = self._session.snapshot and self._session.snapshot.layer(layer_id)
        fixes = _fixes_of(layer) if layer else ()
        # The picture may have moved on between drawing the button and the click.
        if 0 <= index < len(fixes):
            self._session.apply_fix(fixes[index])
