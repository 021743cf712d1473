"""Losses of probabilities and of margins, as metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from layerscope import losses
from layerscope.configurable import field
from layerscope.metrics.reduction import _MeanOf


class KLDivergence(_MeanOf):
    """Mean of how much two distributions differ. Source: Keras `KLDivergence`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.kl_divergence)
    _defaults: ClassVar[dict[str, Any]] = {"name": "kl_divergence"}
    _direction = "down"


class Poisson(_MeanOf):
    """Mean of how unlikely counts are under predicted rates. Source: Keras `Poisson`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.poisson)
    _defaults: ClassVar[dict[str, Any]] = {"name": "poisson"}
    _direction = "down"


class BinaryCrossentropy(_MeanOf):
    """Mean cross-entropy of targets that are zero or one. Source: Keras `BinaryCrossentropy`."""

    aliases: ClassVar[tuple[str, ...]] = ("bce", "BCE")
    function: ClassVar[Callable[..., Any]] = staticmethod(losses.binary_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "binary_crossentropy"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_logits", "label_smoothing")
    _direction = "down"

    from_logits: bool = field(default=False, help="Whether predictions are before the sigmoid.")
    label_smoothing: float = field(
        default=0, ge=0, le=1, help="Share of targets moved towards a half."
    )


class CategoricalCrossentropy(_MeanOf):
    """Mean cross-entropy of one-hot targets. Source: Keras `CategoricalCrossentropy`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.categorical_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_crossentropy"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_logits", "label_smoothing", "axis")
    _direction = "down"

    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    label_smoothing: float = field(default=0, ge=0, le=1, help="Share spread over all classes.")
    axis: int = field(default=-1, help="Where the classes are.")


class SparseCategoricalCrossentropy(_MeanOf):
    """Mean cross-entropy of class numbers. Source: Keras `SparseCategoricalCrossentropy`.

    As in Keras, what `ignore_class` ignores counts as 0 in the mean.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.sparse_categorical_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "sparse_categorical_crossentropy"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_logits", "ignore_class", "axis")
    _direction = "down"

    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    ignore_class: int | None = field(default=None, help="Class number whose loss is 0.")
    axis: int = field(default=-1, help="Where the classes are.")


class Hinge(_MeanOf):
    """Mean of by how much predictions miss a margin of 1. Source: Keras `Hinge`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.hinge)
    _defaults: ClassVar[dict[str, Any]] = {"name": "hinge"}
    _direction = "down"


class SquaredHinge(_MeanOf):
    """Mean square of by how much predictions miss a margin of 1. Source: Keras `SquaredHinge`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.squared_hinge)
    _defaults: ClassVar[dict[str, Any]] = {"name": "squared_hinge"}
    _direction = "down"


class CategoricalHinge(_MeanOf):
    """Mean of by how much the right class does not beat the best wrong one by 1.

    Source: Keras `CategoricalHinge`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.categorical_hinge)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_hinge"}
    _direction = "down"
