"""The lenses: each answers one question about the selected layer, or about the whole stack."""

from __future__ import annotations

from typing import Any

from layerscope_explorer.lenses.activation import ActivationLens
from layerscope_explorer.lenses.code import CodeLens
from layerscope_explorer.lenses.math import MathLens
from layerscope_explorer.lenses.outputs import OutputsLens
from layerscope_explorer.lenses.own import OwnLens
from layerscope_explorer.lenses.penalty import PenaltyLens
from layerscope_explorer.lenses.shapes import ShapesLens
from layerscope_explorer.lenses.weights import WeightsLens

__all__ = ["LENSES", "OwnLens"]

#: Classes of the lenses, in the order of their tabs; each is made with a session.
LENSES: tuple[Any, ...] = (
    WeightsLens,
    ActivationLens,
    OutputsLens,
    PenaltyLens,
    ShapesLens,
    MathLens,
    CodeLens,
)
