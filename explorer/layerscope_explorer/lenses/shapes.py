"""The shapes lens: the stack as a table, with the sums behind its shapes and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from layerscope_explorer.arithmetic import parameters_in_words, shape_in_words
from layerscope_explorer.components.layer_table import LayerTable
from layerscope_explorer.cost import Cost, costs_of
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.snapshot import LayerView
from layerscope_explorer.steps import Stack
from layerscope_explorer.strings import text

__all__ = ["Measured", "ShapesLens", "study"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stack costs, and the sums behind one layer.

    Attributes
    ----------
    costs : by layer id; only what is reached.
    shape, parameters : the selected layer's sums in words.
    """

    costs: Mapping[str, Cost]
    shape: Sequence[str]
    parameters: Sequence[str]


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> Measured:
    """Return the costs of a stack and the sums of one of its layers."""
    step = stack.step(layer_id)
    costs = costs_of(stack)
    if step is None:
        return Measured(costs, (), ())
    return Measured(costs, tuple(shape_in_words(step)), tuple(parameters_in_words(step)))


def rows_of(views: Sequence[LayerView], costs: Mapping[str, Cost]) -> list[dict[str, Any]]:
    """Return the table, a row per layer: its id, cells as text, and its share of every cost."""
    totals = {name: sum(_amount(cost, name) for cost in costs.values()) for name in COSTS}
    rows = []
    for view in views:
        cost = costs.get(view.id)
        shape = "–" if view.output_shape is None else wording.shape(view.output_shape[1:])
        cells = [view.name, view.class_name, shape]
        cells += ["" if cost is None else _written(name, _amount(cost, name)) for name in COSTS]
        shares = {
            name: 0.0 if cost is None or not total else _amount(cost, name) / total
            for name, total in totals.items()
        }
        rows.append({"id": view.id, "cells": cells, "shares": shares})
    return rows


def beside(
    rows: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of B with the cells of A where they are not the same."""
    known = {row["id"]: row["cells"] for row in others}
    return [
        row | {"cells": _beside(row["cells"], known.get(row["id"], row["cells"]))} for row in rows
    ]


def _beside(b: Sequence[str], a: Sequence[str]) -> list[str]:
    # How long something takes is never the same twice: it is told where something else differs.
    if list(b[:-1]) == list(a[:-1]):
        return list(b)
    pairs = zip(b, a, strict=True)
    return [
        one if one == other else text("compare.row", b=one or "–", a=other or "–")
        for one, other in pairs
    ]


def totals_of(costs: Mapping[str, Cost]) -> list[str]:
    """Return the table's last row, without its first three cells."""
    sums = {name: sum(_amount(cost, name) for cost in costs.values()) for name in COSTS}
    return [_written(name, amount) for name, amount in sums.items()]


#: The columns of costs, which can also be drawn as bars.
COSTS = ("parameters", "flops", "memory", "time")


def _amount(cost: Cost, name: str) -> float:
    return {
        "parameters": cost.parameters,
        "flops": cost.flops,
        "memory": cost.weight_bytes + cost.output_bytes,
        "time": cost.milliseconds,
    }[name]


def _written(name: str, amount: float) -> str:
    if name == "memory":
        return text("shapes.kib", value=wording.number(amount / 1024))
    if name == "time":
        return text("shapes.ms", value=wording.number(amount))
    return wording.count(round(amount))


class ShapesLens(LayerLens):
    """The stack as a table: shapes, parameters, operations, memory and time of each layer.

    Parameters
    ----------
    session
        As `LayerLens` wants it.
    """

    key: ClassVar[str] = "shapes"
    study = staticmethod(study)

    def __init__(self, session: Any) -> None:
        headings = [text(f"shapes.{name}") for name in ("layer", "kind", "output", *COSTS)]
        self.table = LayerTable(
            session.select, headings=headings, sizing_mode="stretch_width", margin=0
        )
        self.shown = COSTS[0]
        super().__init__(session, LensBody(self.table, choices_label=text("shapes.bars")))
        self.body.caption.param.watch(self._choose, "choice")

    def data(self) -> list[tuple[str, ...]]:
        """Return the whole table."""
        table = self.table
        rows = [table.headings, *(row["cells"] for row in table.rows), table.totals]
        return [tuple(row) for row in rows] if table.rows else []

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("shapes.title")

    def _choose(self, event: Any) -> None:
        self.shown = next(name for name in COSTS if text(f"shapes.{name}") == event.new)
        self.refresh()

    def _show(self, layer: LayerView, found: Measured) -> None:
        snapshot = self.session.snapshot
        rows = rows_of((snapshot.input, *snapshot.layers), found.costs)
        totals = totals_of(found.costs)
        if (old := self.found_other) is not None:
            compared = self.session.compared
            rows = beside(rows, rows_of((compared.input, *compared.layers), old.costs))
            totals = _beside(totals, totals_of(old.costs))
        self.table.param.update(
            rows=[{**row, "share": row.pop("shares")[self.shown]} for row in rows],
            totals=["", "", text("shapes.total"), *totals],
            selected=layer.id,
            notes=self._notes(layer, found),
        )
        self.body.say(
            Words(
                subject=self.title(layer),
                sentence=self._sentence(found.costs),
                choices=[text(f"shapes.{name}") for name in COSTS],
                choice=text(f"shapes.{self.shown}"),
            )
        )

    def _notes(self, layer: LayerView, found: Measured) -> list[str]:
        shape = wording.shape((layer.output_shape or ())[1:])
        lines = [text("shapes.why_shape", name=layer.name, shape=shape), *found.shape]
        if found.parameters:
            cost = found.costs[layer.id]
            count = wording.count(sum(view.histogram.count for view in layer.weights))
            lines += [text("shapes.why_parameters", count=count), *found.parameters]
            if cost.frozen:
                lines.append(text("shapes.frozen", count=wording.count(cost.frozen)))
        return lines

    def _sentence(self, costs: Mapping[str, Cost]) -> str:
        if not costs:
            return text("session.empty")
        layer_id, cost = max(costs.items(), key=lambda pair: _amount(pair[1], self.shown))
        total = sum(_amount(one, self.shown) for one in costs.values())
        view = self.session.snapshot.layer(layer_id)
        share = _amount(cost, self.shown) / total if total else 0.0
        return text(
            "shapes.most",
            name=view.name if view else layer_id,
            share=wording.percent(share),
            what=text(f"shapes.of_{self.shown}"),
        )

    def _show_nothing(self, words: Words) -> None:
        self.table.param.update(rows=[], totals=[], notes=[])
        self.body.say(words)
