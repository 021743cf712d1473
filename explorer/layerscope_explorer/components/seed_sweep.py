"""The signal through the stack with sixteen seeds, as small multiples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.signal import drawable
from layerscope_explorer.strings import section, text
from layerscope_explorer.sweeping import SEEDS, Drawn, Sweep

__all__ = ["SeedSweep", "sentence", "tiles_of"]


def tiles_of(sweep: Sweep) -> dict[str, Any]:
    """Return what is drawn: a tile for each seed, all on one logarithmic axis.

    Returns
    -------
    dict
        `low` and `high`, decades at the bottom and top; `tiles` of `seed`, `health`, `label` and
        the lines `forth`, `back` and `other`, pairs of place and decade.
    """
    lines = [
        [_line(one.forth, one), _line(one.back, one), _line(one.other, one)] for one in sweep.drawn
    ]
    decades = [y for tile in lines for line in tile for _, y in line]
    tiles = [
        {
            "seed": one.seed,
            "health": one.health,
            "label": _label(one),
            "forth": forth,
            "back": back,
            "other": other,
        }
        for one, (forth, back, other) in zip(sweep.drawn, lines, strict=True)
    ]
    low, high = min(decades, default=-1.0), max(decades, default=1.0)
    return {
        "tiles": tiles,
        "low": math.floor(low),
        "high": max(math.ceil(high), math.floor(low) + 1),
    }


def _line(spreads: Mapping[str, float], one: Drawn) -> list[tuple[int, float]]:
    places = {layer_id: place for place, layer_id in enumerate(one.forth)}
    return [
        (places[layer_id], round(math.log10(drawable(spread)), 2))
        for layer_id, spread in spreads.items()
        if layer_id in places and spread == spread
    ]


def _end(spreads: Mapping[str, float]) -> float:
    """Return the last spread that is more than nothing: a softmax of nothing gives the same."""
    known = [spread for spread in spreads.values() if spread > 0]
    return known[-1] if known else math.nan


def _label(one: Drawn) -> str:
    health = text(f"stack.health_{one.health}_name")
    said = text("sweep.tile", seed=one.seed, end=wording.number(_end(one.forth)), health=health)
    if not one.other:
        return said
    return f"{said} {text('compare.a_says', said=wording.number(_end(one.other)))}"


def sentence(sweep: Sweep) -> str:
    """Say how much of the signal's end is chance."""
    parts = [_range("sweep.ends", [_end(one.forth) for one in sweep.drawn])]
    if any(one.other for one in sweep.drawn):
        parts.append(_range("sweep.ends_of_a", [_end(one.other) for one in sweep.drawn]))
    return " ".join(part for part in parts if part)


def _range(key: str, ends: list[float]) -> str:
    ends = [end for end in ends if end == end]
    if not ends:
        return ""
    values = {
        "low": wording.number(min(ends)),
        "high": wording.number(max(ends)),
        "median": wording.number(float(np.median(ends))),
    }
    return text(key, count=len(ends), **values)


class SeedSweep(Component):
    """Small multiples of a sweep; a click takes a seed over.

    Parameters
    ----------
    session
        Its `sweep` is drawn.
    """

    packed = param.String(default="{}", doc="`tiles_of` the sweep as JSON.")
    words = param.String(default="", doc="What there is to see, in a sentence.")
    progress = param.String(default="", doc="How far it is, in words; empty when it is done.")
    done = param.Number(default=0.0, doc="The same as a share.")
    count = param.Integer(default=SEEDS, doc="How many seeds there will be.")
    compared = param.Boolean(default=False, doc="Whether A is drawn as well.")
    outdated = param.Boolean(default=False, doc="Whether the stack has been edited since.")
    seed = param.Integer(default=0, doc="The seed that is shown.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("seed_sweep.js"))
    _stylesheets = stylesheets("seed_sweep")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("sweep"), **params)
        self._session = session
        session.param.watch(self._draw, "sweep")
        session.param.watch(self._age, ["document", "pinned"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        sweep: Sweep | None = self._session.sweep
        if sweep is None:
            return
        count = len(sweep.drawn)
        progress = text("sweep.progress", done=count, count=SEEDS) if sweep.running else ""
        self.param.update(
            packed=json.dumps(tiles_of(sweep)),
            words=sentence(sweep),
            progress=progress,
            done=count / SEEDS,
            compared=sweep.pinned is not None,
        )
        self._age()

    def _age(self, *_: Any) -> None:
        sweep: Sweep | None = self._session.sweep
        if sweep is None:
            return
        document = self._session.document
        new = (document.layers, document.input, document.phase, self._session.pinned)
        old = (sweep.document.layers, sweep.document.input, sweep.document.phase, sweep.pinned)
        self.param.update(outdated=new != old, seed=document.seed)

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        session = self._session
        match data.get("type"):
            case "seed":
                session.set_seed(int(data["value"]))
            case "stop":
                session.stop_sweep()
            case "again":
                session.start_sweep()
            case "close":
                session.close_sweep()
