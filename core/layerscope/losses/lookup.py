"""Finding a loss by what a person may call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope import registry
from layerscope.custom_objects import find_custom_object, get_custom_objects
from layerscope.losses.circle import circle
from layerscope.losses.ctc import ctc
from layerscope.losses.hinge import categorical_hinge, hinge, squared_hinge
from layerscope.losses.loss import Loss, LossFunctionWrapper
from layerscope.losses.overlap import dice, tversky
from layerscope.losses.probabilistic import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from layerscope.losses.regression import (
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify

LossFunction = Callable[..., Any]
LossLike = str | Loss | LossFunction | dict[str, Any] | type[Loss] | None

_FUNCTIONS = (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    circle,
    cosine_similarity,
    ctc,
    dice,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)

#: The functions by every name of theirs.
FUNCTIONS: dict[str, LossFunction] = {
    **{function.__name__: function for function in _FUNCTIONS},
    **dict.fromkeys(("bce", "BCE"), binary_crossentropy),
    **dict.fromkeys(("kld", "KLD", "kullback_leibler_divergence"), kl_divergence),
    "logcosh": log_cosh,
    **dict.fromkeys(("mae", "MAE"), mean_absolute_error),
    **dict.fromkeys(("mape", "MAPE"), mean_absolute_percentage_error),
    **dict.fromkeys(("mse", "MSE"), mean_squared_error),
    **dict.fromkeys(("msle", "MSLE"), mean_squared_logarithmic_error),
}


def get(identifier: LossLike) -> Any:
    """Return the loss meant by a name, class, config, instance or function.

    As in Keras, the name of a class means an instance, that of a function the function, which
    gives one value per sample; `as_loss` makes a `Loss` of either.

    Raises
    ------
    ValueError
        If nothing is meant by it.

    Examples
    --------
    >>> from layerscope import losses
    >>> losses.get("mse") is losses.mean_squared_error
    True
    >>> losses.get("Huber")
    Huber()
    """
    if isinstance(identifier, str):
        custom = get_custom_objects().get(identifier)
        identifier = custom or FUNCTIONS.get(identifier, identifier)
    elif isinstance(identifier, dict) and identifier.get("class_name") == "function":
        return deserialize(identifier)
    return identify(Loss, identifier)


def as_loss(identifier: LossLike) -> Loss | None:
    """Return the `Loss` meant by what `get` takes: its reduction is that of a training.

    Raises
    ------
    ValueError
        If nothing is meant by it.

    Examples
    --------
    >>> from layerscope import losses
    >>> losses.as_loss("mse")
    MeanSquaredError()
    """
    found = get(identifier)
    if found is None or isinstance(found, Loss):
        return found
    name = getattr(found, "__name__", None)
    if FUNCTIONS.get(name or "") is found and (cls := registry.find(Loss, name or "")):
        return cls()
    return LossFunctionWrapper(found, name=name)


def serialize(loss: Loss | LossFunction) -> Any:
    """Return the config of a loss."""
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the loss a config describes, or the function it names.

    Raises
    ------
    ValueError
        If `name` is not a config or names nothing.
    TypeError
        If its class is not known.
    """
    if isinstance(name, dict) and name.get("class_name") == "function":
        custom = (custom_objects or {}).get(name["config"])
        registered = find_custom_object(str(name.get("registered_name")))
        return custom or registered or get(name["config"])
    if isinstance(name, str):
        return (custom_objects or {}).get(name) or get(name)
    return deserialize_as(Loss, name, custom_objects)
