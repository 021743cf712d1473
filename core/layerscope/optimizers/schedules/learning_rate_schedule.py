"""What a learning-rate schedule is."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope.config import floatx
from layerscope.configurable import Configurable
from layerscope.ops.creation import convert_to_numpy
from layerscope.tensor import Variable


class LearningRateSchedule(Configurable):
    """Base class: define ``__call__(step)`` and list arguments as fields, or in a constructor.

    Attributes
    ----------
    formula : LaTeX of the rate at step t.

    Examples
    --------
    >>> import layerscope as ls
    >>> class Halving(ls.optimizers.schedules.LearningRateSchedule):
    ...     def __init__(self, first):
    ...         self.first = first
    ...
    ...     def __call__(self, step):
    ...         return self.first / 2**step
    >>> float(ls.optimizers.SGD(Halving(0.5)).learning_rate)
    0.5
    """

    kind: ClassVar[str] = "schedule"
    keras_module: ClassVar[str] = "keras.optimizers.schedules"
    formula: ClassVar[str] = ""

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step, which is counted from 0.

        The built-in schedules also take an array of steps.
        """
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )


def as_number(rate: Any) -> Any:
    """Return the number in a rate that another optimizer has, anything else as it is."""
    return float(rate) if isinstance(rate, Variable) else rate


def as_steps(step: Any) -> np.ndarray:
    """Return steps as float64, in which every count of steps is exact."""
    return np.asarray(convert_to_numpy(step), np.float64)


def as_rates(rates: Any) -> Any:
    """Return rates in the type of the weights, which they multiply."""
    return np.asarray(rates, floatx())[()]
