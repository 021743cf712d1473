"""The lenses: each answers one question about the selected layer, or about the whole stack."""

from __future__ import annotations

from layerscope_explorer.lenses.activation import ActivationLens
from layerscope_explorer.lenses.lens import LayerLens
from layerscope_explorer.lenses.outputs import OutputsLens
from layerscope_explorer.lenses.weights import WeightsLens

__all__ = ["LAYER_LENSES"]

#: Lenses on the selected layer, in the order of their tabs.
LAYER_LENSES: tuple[type[LayerLens], ...] = (
    WeightsLens,
    ActivationLens,
    OutputsLens,
)
