"""From a layer's class to its calculation, which must come to what the layer gave."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope import layers
from layerscope_explorer.catalogue import is_cell
from layerscope_explorer.derivation.activating import as_function, as_softmax
from layerscope_explorer.derivation.choosing import (
    as_dropped,
    as_extreme,
    as_lookup,
    as_product,
    as_winner,
)
from layerscope_explorer.derivation.entry import Entry
from layerscope_explorer.derivation.normalizing import as_normalized
from layerscope_explorer.derivation.records import Derivation, agree
from layerscope_explorer.derivation.recurrence import as_recurrence
from layerscope_explorer.derivation.sums import as_sum
from layerscope_explorer.derivation.wrapping import inside, merge_directions
from layerscope_explorer.steps import Step

__all__ = ["derive"]

_LOG = logging.getLogger(__name__)


def derive(step: Step, sample: int, index: tuple[int, ...]) -> Derivation:
    """Return how one entry of a layer's output comes about.

    What a class promises is compared with what the layer gave; where it is something else, because
    of a mask or of chance, the entry is taken as a sum of products, which every layer is near its
    inputs.

    Parameters
    ----------
    step : the layer at work; only read.
    sample : which sample.
    index : which entry of the sample's output.
    """
    entry = Entry(step, sample, index)
    try:
        with np.errstate(all="ignore"):
            return _derived(entry)
    except Exception:
        # A defect of ours, or of a layer that was never called so: the page goes on.
        _LOG.exception("an entry of %s cannot be derived", step.name)
        return Derivation("opaque", entry.value, slopes=(None,) * len(step.inputs))


def _derived(entry: Entry) -> Derivation:
    if entry.inputs:
        for way in _ways(entry.layer):
            found = _tried(way, entry)
            if found is not None and agree(found.result, entry.value, _size(found)):
                return found
    return as_sum(entry)


def _tried(way: Callable[[Entry], Derivation | None], entry: Entry) -> Derivation | None:
    try:
        return way(entry)
    except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        # An argument or a shape that this way does not know of.
        _LOG.debug("%s is not derived by %s: %s", entry.step.name, way, error)
        return None


def _size(found: Derivation) -> float:
    """Return the largest number that went into a result."""
    numbers = [*(term.value for term in found.terms), *(line.value for line in found.lines)]
    return max(map(abs, numbers), default=0.0)


def _ways(layer: Any) -> list[Callable[[Entry], Derivation | None]]:
    """Return the calculations that a layer of this class may stand for."""
    return [way for classes, way in _FAMILIES if isinstance(layer, classes)] + (
        [as_recurrence] if is_cell(type(layer)) else []
    )


def _inside(entry: Entry) -> Derivation | None:
    return inside(entry, _derived)


def _merged(entry: Entry) -> Derivation | None:
    return merge_directions(entry, _derived)


_FAMILIES: tuple[tuple[Any, Callable[[Entry], Derivation | None]], ...] = (
    (layers.Multiply, as_product),
    ((layers.Maximum, layers.Minimum), as_extreme),
    (
        (
            layers.MaxPooling1D,
            layers.MaxPooling2D,
            layers.MaxPooling3D,
            layers.GlobalMaxPooling1D,
            layers.GlobalMaxPooling2D,
            layers.GlobalMaxPooling3D,
            layers.AdaptiveMaxPooling1D,
            layers.AdaptiveMaxPooling2D,
            layers.AdaptiveMaxPooling3D,
        ),
        as_winner,
    ),
    (layers.Embedding, as_lookup),
    (
        (
            layers.Dropout,
            layers.SpatialDropout1D,
            layers.SpatialDropout2D,
            layers.SpatialDropout3D,
            layers.GaussianDropout,
            layers.GaussianNoise,
            layers.AlphaDropout,
        ),
        as_dropped,
    ),
    (
        (
            layers.BatchNormalization,
            layers.LayerNormalization,
            layers.GroupNormalization,
            layers.RMSNormalization,
            layers.UnitNormalization,
        ),
        as_normalized,
    ),
    (layers.RNN, as_recurrence),
    (layers.Bidirectional, _merged),
    (layers.Wrapper, _inside),
    (layers.Layer, as_softmax),
    (layers.Layer, as_function),
)
