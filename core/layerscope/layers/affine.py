"""What the normalization layers share: the learned scale and offset, and their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.exceptions import AxisError

from layerscope import constraints, initializers, regularizers
from layerscope.configurable import field
from layerscope.tensor import Shape, Variable

EPSILON: Any = field(
    default=1e-3, ge=0, slider=(1e-6, 1), help="Added to the variance before its root is taken."
)
CENTER: Any = field(default=True, help="Whether to add a learned offset, beta.")
SCALE: Any = field(default=True, help="Whether to multiply by a learned factor, gamma.")
BETA_INITIALIZER: Any = field(
    default="zeros", converter=initializers.get, help="First values of beta."
)
GAMMA_INITIALIZER: Any = field(
    default="ones", converter=initializers.get, help="First values of gamma."
)
BETA_REGULARIZER: Any = field(default=None, converter=regularizers.get, help="Penalty on beta.")
GAMMA_REGULARIZER: Any = field(default=None, converter=regularizers.get, help="Penalty on gamma.")
BETA_CONSTRAINT: Any = field(
    default=None, converter=constraints.get, help="Projection of beta after each step."
)
GAMMA_CONSTRAINT: Any = field(
    default=None, converter=constraints.get, help="Projection of gamma after each step."
)


def add_gamma_and_beta(
    layer: Any, shape: Sequence[int | None], rms_scaling: bool = False
) -> tuple[Variable | None, Variable | None]:
    """Create the weights `layer` asks for with `scale` and `center`; None for the others.

    With `rms_scaling` there is a gamma and no beta, whatever it asks for.
    """
    gamma = beta = None
    if layer.scale or rms_scaling:
        gamma = layer.add_weight(
            name="gamma",
            shape=shape,
            initializer=layer.gamma_initializer,
            regularizer=layer.gamma_regularizer,
            constraint=layer.gamma_constraint,
        )
    if layer.center and not rms_scaling:
        beta = layer.add_weight(
            name="beta",
            shape=shape,
            initializer=layer.beta_initializer,
            regularizer=layer.beta_regularizer,
            constraint=layer.beta_constraint,
        )
    return gamma, beta


def one_axis(value: Any) -> Any:
    """Refuse several axes where one is meant.

    Raises
    ------
    TypeError
        For a list or tuple.
    """
    if isinstance(value, (list, tuple)):
        raise TypeError(f"Argument `axis` must be one integer. Received: axis={value!r}")
    return value


def one_or_more_axes(problem: str) -> Callable[[Any], Any]:
    """Return a converter that refuses what is neither an axis nor several, saying `problem`."""

    def convert(value: Any) -> Any:
        if not isinstance(value, (int, list, tuple)):
            raise TypeError(f"{problem}. Received: axis={value!r}")
        return value

    return convert


def check_axes(axes: Sequence[int], shape: Shape) -> None:
    """Raise if an axis does not exist.

    Raises
    ------
    AxisError
        A ValueError as well as an IndexError: Keras raises now one, now the other.
    """
    for axis in axes:
        if not -len(shape) <= axis < len(shape):
            raise AxisError(
                f"Argument `axis` must be in [{-len(shape)}, {len(shape)}) for an input of shape "
                f"{shape}. Received: axis={axis}"
            )
