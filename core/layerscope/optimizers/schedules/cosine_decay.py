"""Rates that fall along half a cosine, once or again and again."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.schedules.decays import NO_STEPS
from layerscope.optimizers.schedules.learning_rate_schedule import (
    LearningRateSchedule,
    as_number,
    as_rates,
    as_steps,
)


def _half_cosine(fraction: Any) -> Any:
    """Fall from 1 to 0 while `fraction` goes from 0 to 1."""
    return 0.5 * (1 + np.cos(np.pi * fraction))


class CosineDecay(LearningRateSchedule):
    """From one rate to its `alpha`-th part along half a cosine, after an optional warm-up.

    The warm-up leads from `initial_learning_rate` to `warmup_target` on a straight line, and the
    decay then starts at the target. Source: Loshchilov & Hutter 2016.
    """

    formula = r"\eta_0 \left((1 - \alpha) \frac{1 + \cos(\pi t / T)}{2} + \alpha\right)"

    initial_learning_rate: float = field(
        converter=as_number, help="Rate of the first step.", slider=(1e-4, 1)
    )
    decay_steps: float = field(gt=0, help="Steps of the decay.", refusal=NO_STEPS)
    alpha: float = field(default=0.0, help="Share of the rate that is left.", slider=(0, 1))
    name: str = field(default="CosineDecay", help="Name of the schedule.")
    warmup_target: float | None = field(
        default=None, help="Rate at the end of the warm-up; None: no warm-up."
    )
    warmup_steps: float = field(default=0, ge=0, help="Steps of the warm-up.")

    def __call__(self, step: Any) -> Any:
        step, top = as_steps(step), self.initial_learning_rate
        warm = 0.0
        if self.warmup_target is not None:
            warm, top = self.warmup_steps, self.warmup_target
        fraction = np.clip((step - warm) / self.decay_steps, 0, 1)
        rates = top * ((1 - self.alpha) * _half_cosine(fraction) + self.alpha)
        if warm:
            rising = self.initial_learning_rate + (top - self.initial_learning_rate) * step / warm
            rates = np.where(step < warm, rising, rates)
        return as_rates(rates)


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine after another, each `t_mul` times as long and `m_mul` times as high.

    Source: Loshchilov & Hutter 2016, "SGDR".
    """

    formula = r"\eta_0 \left((1 - \alpha)\, m^i\, \frac{1 + \cos(\pi t_i / T_i)}{2} + \alpha\right)"

    initial_learning_rate: float = field(
        converter=as_number, help="Rate of the first step.", slider=(1e-4, 1)
    )
    first_decay_steps: float = field(
        gt=0,
        help="Steps of the first cosine.",
        refusal="Argument `first_decay_steps` must be > 0. Received: first_decay_steps={value}",
    )
    t_mul: float = field(default=2.0, ge=1, help="Growth of the length.", slider=(1, 3))
    m_mul: float = field(default=1.0, ge=0, help="Growth of the height.", slider=(0, 1))
    alpha: float = field(default=0.0, help="Share of the rate that is left.", slider=(0, 1))
    name: str = field(default="SGDRDecay", help="Name of the schedule.")

    def __call__(self, step: Any) -> Any:
        passed = as_steps(step) / self.first_decay_steps
        if self.t_mul == 1:
            restarts = np.floor(passed)
            fraction = passed - restarts
        else:
            grown = self.t_mul - 1
            # The first n cosines are (t_mul**n - 1) / (t_mul - 1) times as long as one.
            restarts = np.floor(np.log1p(passed * grown) / np.log(self.t_mul))
            length = np.power(self.t_mul, restarts)
            fraction = (passed - (length - 1) / grown) / length
        height = np.power(self.m_mul, restarts) * _half_cosine(fraction)
        return as_rates(self.initial_learning_rate * ((1 - self.alpha) * height + self.alpha))
