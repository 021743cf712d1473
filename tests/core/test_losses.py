"""How losses and metrics put the samples together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerscope import losses, metrics
from layerscope.masks import set_keras_mask

Y = np.array([[[1.0], [2.0], [4.0]], [[3.0], [5.0], [9.0]]], "float32")
PREDICTED = np.zeros_like(Y)
SQUARES = np.array([[1.0, 4, 16], [9, 25, 81]])
WEIGHT = np.array([1.0, 3.0])
MASK = np.array([[True, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("reduction", "combined"),
    [
        ("sum_over_batch_size", lambda values: values.mean()),
        ("sum", lambda values: values.sum()),
        ("none", lambda values: values),
        (None, lambda values: values),
    ],
)
def test_samples_are_combined(reduction: Any, combined: Any) -> None:
    loss = losses.MeanSquaredError(reduction=reduction)
    np.testing.assert_allclose(loss(Y, PREDICTED), combined(SQUARES), rtol=1e-6)
    expected = combined(SQUARES * WEIGHT[:, None])
    np.testing.assert_allclose(loss(Y, PREDICTED, WEIGHT), expected, rtol=1e-6)
    column = np.broadcast_to(WEIGHT[:, None, None], Y.shape)
    np.testing.assert_allclose(loss(Y, PREDICTED, column), expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_only_the_steps_of_a_mask_count(weight: Any) -> None:
    predicted = PREDICTED.copy()
    set_keras_mask(predicted, MASK)
    counted = SQUARES * MASK * (1 if weight is None else weight[:, None])
    mean = losses.MeanSquaredError()(Y, predicted, weight)
    np.testing.assert_allclose(mean, counted.sum() / MASK.sum(), rtol=1e-6)
    total = losses.MeanSquaredError(reduction="sum")(Y, predicted, weight)
    np.testing.assert_allclose(total, counted.sum(), rtol=1e-6)


def test_a_trailing_axis_may_be_missing_on_either_side() -> None:
    loss = losses.MeanSquaredError()
    for y, predicted in ((Y[..., 0], PREDICTED), (Y, PREDICTED[..., 0])):
        np.testing.assert_allclose(loss(y, predicted), SQUARES.mean(), rtol=1e-6)
    with pytest.raises(ValueError, match=r"same shape.*\(2, 2\)"):
        losses.SparseCategoricalCrossentropy()(np.zeros((2, 2), int), np.full((2, 3), 1 / 3))


def test_base_classes_say_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="must define `call"):
        losses.Loss()(Y, PREDICTED)
    for call in (
        lambda metric: metric.update_state(Y, PREDICTED),
        lambda metric: metric.result(),
    ):
        with pytest.raises(NotImplementedError, match=r"must define `"):
            call(metrics.Metric("m"))


def test_metrics_weigh_samples_over_all_batches() -> None:
    metric = metrics.MeanMetricWrapper(
        lambda y, predicted: np.abs(y - predicted)[..., 0], "distance"
    )
    for index, weight in enumerate(WEIGHT):
        metric.update_state(Y[[index]], PREDICTED[[index]], sample_weight=np.array([weight]))
    assert metric.result() == pytest.approx(((1 + 2 + 4) + 3 * (3 + 5 + 9)) / (3 + 3 * 3))
