"""The size of a step: a number that may be changed, a schedule, or a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.config import floatx
from layerscope.optimizers.schedules.learning_rate_schedule import LearningRateSchedule
from layerscope.saving.serialization import deserialize_keras_object
from layerscope.tensor import Tensor, Variable


def learning_rate_of(value: Any) -> float | LearningRateSchedule | Callable[[], Any]:
    """Return what may be given as a learning rate in the form that is kept.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if isinstance(value, dict):
        value = deserialize_keras_object(value)
    if callable(value) and not isinstance(value, type):
        return value
    if isinstance(value, (Variable, Tensor, np.ndarray)) and not value.shape:
        value = float(value)
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        number = float(value)
        if np.isfinite(number) and number >= 0:
            return number
    raise ValueError(
        "Argument `learning_rate` must be a number of at least 0, or an instance of "
        "LearningRateSchedule, or a callable without arguments that returns a number. "
        f"Received: learning_rate={value!r}"
    )


class LearningRate:
    """Gives an optimizer its `learning_rate`.

    A number is kept as a variable, so that it is part of the optimizer's state.
    """

    name: Any
    #: Steps taken so far.
    _iterations: Variable
    _learning_rate: Any

    @property
    def learning_rate(self) -> Any:
        """The rate of the next step; a variable where a number was given.

        Raises
        ------
        TypeError
            If it is set to a number while a schedule decides it.
        """
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate(int(self._iterations.value))
        return rate if isinstance(rate, Variable) else rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate, known = learning_rate_of(value), self.__dict__.get("_learning_rate")
        if callable(rate):
            self._learning_rate = rate
        elif isinstance(known, Variable):
            known.assign(rate)
        elif isinstance(known, LearningRateSchedule):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its "
                "`learning_rate` constructor argument, hence its learning rate is not settable. "
                "If you need the learning rate to be settable, you should instantiate the "
                "optimizer with a float `learning_rate` argument."
            )
        else:
            self._learning_rate = Variable(
                rate, trainable=False, name="learning_rate", dtype=floatx()
            )

    def _rate(self) -> float:
        """Return the rate of this step as a number."""
        rate = self._learning_rate
        return float(rate.value if isinstance(rate, Variable) else self.learning_rate)

    def _rate_argument(self) -> Any:
        """Return the rate as a constructor takes it."""
        rate = self._learning_rate
        # The shortest number that stands for the variable's.
        return float(str(rate.value)) if isinstance(rate, Variable) else rate
