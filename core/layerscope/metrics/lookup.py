"""Finding a metric by what a person may call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope import losses
from layerscope.custom_objects import custom_object_scope, find_custom_object
from layerscope.metrics.accuracy import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from layerscope.metrics.metric import Metric
from layerscope.metrics.regression import concordance_correlation, pearson_correlation
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify

MetricFunction = Callable[..., Any]
MetricLike = str | Metric | MetricFunction | dict[str, Any] | type[Metric] | None

_FUNCTIONS = (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    concordance_correlation,
    pearson_correlation,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)

#: The functions by every name of theirs, those of losses included.
FUNCTIONS: dict[str, MetricFunction] = {
    **losses.FUNCTIONS,
    **{function.__name__: function for function in _FUNCTIONS},
}


def get(identifier: MetricLike) -> Any:
    """Return the metric meant by a name, class, config, instance or function.

    As in Keras, a name means an instance of a class; a function stays a function.

    Raises
    ------
    ValueError
        If nothing is meant by it.

    Examples
    --------
    >>> from layerscope import metrics
    >>> metrics.get("mse")
    MeanSquaredError()
    >>> metrics.get("Precision").name
    'precision'
    """
    if isinstance(identifier, dict) and identifier.get("class_name") == "function":
        return deserialize(identifier)
    return identify(Metric, identifier)


def function_of(config: Any) -> MetricFunction:
    """Return the function, or the loss, that a wrapper's config names.

    Raises
    ------
    ValueError
        If it names none.
    """
    if isinstance(config, dict):
        if config.get("class_name") != "function":
            return losses.deserialize(config)
        registered = find_custom_object(str(config.get("registered_name")))
        config = registered or config["config"]
    if callable(config):
        return config
    if found := find_custom_object(str(config)) or FUNCTIONS.get(str(config)):
        return found
    raise ValueError(
        f"Could not interpret metric function: {config!r}. Valid names: "
        f"{', '.join(sorted(FUNCTIONS))}; others must be custom objects."
    )


def serialize(metric: Metric | MetricFunction) -> Any:
    """Return the config of a metric."""
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the metric a config describes, or the function it names.

    Raises
    ------
    ValueError
        If `config` is not a config or names nothing.
    TypeError
        If its class is not known.
    """
    with custom_object_scope(custom_objects or {}):
        if isinstance(config, dict) and config.get("class_name") == "function":
            return function_of(config)
        if isinstance(config, str):
            return get(config)
        return deserialize_as(Metric, config)
