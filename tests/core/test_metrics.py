"""Laws of all metrics, and what each of them counts."""

from __future__ import annotations

import inspect
import json
import pickle
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import losses, metrics, registry
from layerscope.configurable import fields_of
from layerscope.masks import set_keras_mask
from layerscope.metrics.reduction import _MeanOf  # pyright: ignore[reportPrivateUsage]

WRONG: Any = "x"
#: Arguments that must be given, or by whose defaults the data below would say nothing.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "SensitivityAtSpecificity": {"specificity": 0.4},
    "SpecificityAtSensitivity": {"sensitivity": 0.4},
    "PrecisionAtRecall": {"recall": 0.4},
    "RecallAtPrecision": {"precision": 0.4},
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "TopKCategoricalAccuracy": {"k": 1},
    "SparseTopKCategoricalAccuracy": {"k": 2},
    "MeanIoU": {"num_classes": 3},
    "OneHotMeanIoU": {"num_classes": 3},
}
BASES = (metrics.Mean, metrics.Sum, metrics.MeanMetricWrapper)
CLASSES = [cls for cls in registry.subclasses(metrics.Metric) if cls not in BASES]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def made(cls: Any, **options: Any) -> Any:
    return cls(**ARGUMENTS.get(cls.__name__, {}), **options)


def data_for(cls: Any, count: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets, predictions and weights of samples that a metric is made for."""
    generator = np.random.default_rng(11)
    p = generator.uniform(0.05, 0.95, (count, 3)).astype("float32")
    labels, weights = generator.integers(0, 3, count), generator.integers(0, 4, count)
    one_hot = np.eye(3, dtype="float32")[labels]
    name = cls.__name__
    if name.startswith("Sparse"):
        return labels, p, weights
    if name in ("IoU", "MeanIoU"):
        return labels, p.argmax(-1), weights
    if name == "BinaryIoU":
        return labels % 2, p[:, 0], weights
    if name == "Accuracy":
        return labels, p.argmax(-1), weights
    return one_hot, p, weights if "IoU" in name else weights.astype("float32")


def value_of(metric: Any) -> np.ndarray:
    return np.asarray(metric.result(), "float64")


# --- laws ----------------------------------------------------------------------------------------


@each_class
def test_declaration(cls: Any) -> None:
    assert "Source: " in (inspect.getdoc(cls) or "")
    assert all(field.help.endswith(".") for field in fields_of(cls))
    assert cls._direction in ("up", "down", None)


@each_class
def test_batches_do_not_matter(cls: Any) -> None:
    y, p, weights = data_for(cls)
    whole, parts, reset = made(cls), made(cls), made(cls)
    whole.update_state(y, p, weights)
    reset.update_state(y[::-1], p)
    reset.reset_state()
    assert not any(np.any(variable.value) for variable in reset.variables)
    for part in (slice(0, 5), slice(5, 6), slice(6, 12)):
        for metric in (parts, reset):
            metric.update_state(y[part], p[part], weights[part])
    for metric in (parts, reset):
        np.testing.assert_allclose(value_of(metric), value_of(whole), rtol=1e-5)
    if cls not in (metrics.BinaryIoU, metrics.IoU, metrics.MeanIoU):
        assert np.any(value_of(whole)), "zero says nothing"


@each_class
def test_a_weight_is_a_number_of_samples(cls: Any) -> None:
    y, p, weights = data_for(cls)
    weighted, repeated = made(cls), made(cls)
    weighted.update_state(y, p, weights)
    times = weights.astype(int)
    repeated.update_state(np.repeat(y, times, axis=0), np.repeat(p, times, axis=0))
    np.testing.assert_allclose(value_of(weighted), value_of(repeated), rtol=1e-5)
    plain = made(cls)
    plain.update_state(y, p)
    unit = made(cls)
    unit.update_state(y, p, np.ones_like(weights))
    np.testing.assert_allclose(value_of(unit), value_of(plain), rtol=1e-6)
    assert not np.allclose(value_of(plain), value_of(weighted)), "weights must tell"


@each_class
def test_what_weighs_nothing_does_not_count(cls: Any) -> None:
    y, p, weights = data_for(cls)
    half = np.arange(len(y)) < 6
    first, masked = made(cls), made(cls)
    first.update_state(y[half], p[half])
    masked.update_state(y, p, half.astype(weights.dtype))
    np.testing.assert_allclose(value_of(masked), value_of(first), rtol=1e-5)
    if isinstance(masked, _MeanOf):
        masked.reset_state()
        hidden = p.copy()
        set_keras_mask(hidden, half)
        masked.update_state(y, hidden)
        np.testing.assert_allclose(value_of(masked), value_of(first), rtol=1e-5)


@each_class
def test_names_and_configs(cls: Any) -> None:
    metric = made(cls, name="mine")
    for identifier in (cls.__name__, registry.snake_case(cls.__name__), cls):
        if cls.__name__ not in ARGUMENTS or "k" in ARGUMENTS[cls.__name__]:
            assert type(metrics.get(identifier)) is cls
    assert metrics.get(metric) is metric
    config = json.loads(json.dumps(metrics.serialize(metric)))
    assert config["module"] == "keras.metrics"
    y, p, weights = data_for(cls)
    metric.update_state(y, p, weights)
    for found in (metrics.deserialize(config), metrics.get(config), pickle.loads(_pickled(metric))):
        assert type(found) is cls
        assert found.get_config() == metric.get_config()
        found.reset_state()
        found.update_state(y, p, weights)
        np.testing.assert_array_equal(value_of(found), value_of(metric))
    with pytest.raises(TypeError, match=f"deserializing class '{cls.__name__}'"):
        cls.from_config({"foo": 1})


def _pickled(metric: Any) -> bytes:
    return pickle.dumps(metric)


@each_class
def test_stateless(cls: Any) -> None:
    y, p, weights = data_for(cls)
    metric, reference = made(cls), made(cls)
    reference.update_state(y, p, weights)
    metric.update_state(y, p)
    before = [variable.value.copy() for variable in metric.variables]
    state = metric.stateless_reset_state()
    assert not any(map(np.any, state))
    state = metric.stateless_update_state(state, y, p, weights)
    np.testing.assert_array_equal(metric.stateless_result(state), reference.result())
    for variable, value in zip(metric.variables, before, strict=True):
        np.testing.assert_array_equal(variable.value, value)
    with pytest.raises(ValueError, match="1:1"):
        metric.stateless_result(state[:-1])


# --- values --------------------------------------------------------------------------------------


def test_counts_at_thresholds() -> None:
    y, p = np.array([0, 1, 1, 0]), np.array([0.1, 0.6, 0.3, 0.5])
    for name, expected in (
        ("TruePositives", [2, 1, 0]),
        ("FalsePositives", [1, 0, 0]),
        ("TrueNegatives", [1, 2, 2]),
        ("FalseNegatives", [0, 1, 2]),
    ):
        metric = getattr(metrics, name)(thresholds=[0.2, 0.55, 0.9])
        np.testing.assert_array_equal(metric(y, p), expected)
        assert np.shape(getattr(metrics, name)()(y, p)) == ()
    even = metrics.TruePositives(thresholds=[0.0, 0.5, 1.0])
    np.testing.assert_array_equal(even(np.ones(4), np.array([0.0, 0.5, 0.6, 1.0])), [3, 2, 0])
    # What is exactly on a threshold is not above it.
    assert float(metrics.Precision(thresholds=0.5)(y, p)) == 1.0
    assert metrics.Precision().thresholds == [0.5]
    assert metrics.Precision().init_thresholds is None


def test_precision_among_the_largest_and_of_one_class() -> None:
    y, p = np.array([[0, 1, 1], [1, 0, 0]]), np.array([[0.2, 0.3, 0.1], [0.6, 0.7, 0.4]])
    assert float(metrics.Precision(top_k=1)(y, p)) == 0.5
    assert float(metrics.Recall(top_k=2)(y, p)) == pytest.approx(2 / 3)
    assert float(metrics.Recall(class_id=0, thresholds=0.5)(y, p)) == 1.0
    with pytest.raises(ValueError, match="class_id"):
        metrics.Recall(class_id=0)(y[0], p[0])


def ranking_area(y: np.ndarray, p: np.ndarray) -> float:
    """Return how likely a one has a larger prediction than a zero."""
    differences = p[y == 1][:, None] - p[y == 0][None, :]
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def test_area_is_the_chance_of_the_right_order() -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 60)
    p = (generator.integers(0, 50, 60) + 0.5 * y).round() / 50
    p = p.clip(0, 1)
    thresholds = (np.arange(1, 50) / 50 - 0.01).tolist()
    found = float(metrics.AUC(thresholds=thresholds)(y, p))
    assert found == pytest.approx(ranking_area(y, p), abs=1e-6)
    lower, upper = (
        float(metrics.AUC(thresholds=thresholds, summation_method=method)(y, p))
        for method in ("minoring", "majoring")
    )
    assert lower < found < upper
    of_logits = metrics.AUC(thresholds=thresholds, from_logits=True)
    logits = np.log((p + 1e-9) / (1 - p + 1e-9))
    assert float(of_logits(y, logits)) == pytest.approx(found, abs=1e-6)


def test_between_thresholds_precision_follows_a_hyperbola() -> None:
    generator = np.random.default_rng(2)
    y, p = generator.integers(0, 2, 40), generator.uniform(size=40)
    limits = [1.1, 0.75, 0.5, 0.25, -0.1]
    right = [np.sum((p > limit) & (y == 1)) for limit in limits]
    wrong = [np.sum((p > limit) & (y == 0)) for limit in limits]
    path = np.linspace(0, 4, 40001)[1:]
    counts = np.interp(path, range(5), right), np.interp(path, range(5), wrong)
    recall = np.concatenate([[0], counts[0] / right[-1]])
    expected = np.sum(np.diff(recall) * counts[0] / (counts[0] + counts[1]))
    found = metrics.AUC(num_thresholds=5, curve="PR")(y, p)
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_areas_of_several_labels() -> None:
    generator = np.random.default_rng(1)
    y, p = generator.integers(0, 2, (40, 3)), generator.uniform(size=(40, 3))
    for curve in ("ROC", "PR", "PRGAIN"):
        single = [float(metrics.AUC(curve=curve)(y[:, i], p[:, i])) for i in range(3)]
        several = metrics.AUC(curve=curve, multi_label=True)
        assert float(several(y, p)) == pytest.approx(np.mean(single), abs=1e-6)
        weighted = metrics.AUC(curve=curve, multi_label=True, label_weights=[1.0, 0.0, 3.0])
        expected = (single[0] + 3 * single[2]) / 4
        assert float(weighted(y, p)) == pytest.approx(expected, abs=1e-6)


def test_top_k_and_ties() -> None:
    p = np.array([[0.1, 0.4, 0.4, 0.1], [0.7, 0.1, 0.1, 0.1]])
    found = metrics.sparse_top_k_categorical_accuracy(np.array([2, 3]), p, k=2)
    np.testing.assert_array_equal(found, [1, 1])
    found = metrics.sparse_top_k_categorical_accuracy(np.array([0, 1]), p, k=1)
    np.testing.assert_array_equal(found, [0, 0])


def test_f_scores() -> None:
    y, p = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.6]])
    # Of the first class one of two is found and one of two is right, of the second both.
    np.testing.assert_allclose(metrics.F1Score(threshold=0.5)(y, p), [0.5, 1.0], rtol=1e-5)
    assert float(metrics.F1Score(average="macro", threshold=0.5)(y, p)) == pytest.approx(0.75)
    assert float(metrics.F1Score(average="micro", threshold=0.5)(y, p)) == pytest.approx(0.75)
    assert metrics.F1Score().beta == 1.0
    y, p = np.array([[1], [1], [1], [0]]), np.array([[0.9], [0.1], [0.2], [0.7]])
    # Precision 1/2, recall 1/3.
    found = metrics.FBetaScore(beta=3.0, threshold=0.5)(y, p)
    np.testing.assert_allclose(found, [10 / 6 / (9 / 2 + 1 / 3)], rtol=1e-5)


def test_overlaps() -> None:
    y, p = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    metric = metrics.MeanIoU(num_classes=3)
    assert float(metric(y, p)) == pytest.approx(1 / 3)
    np.testing.assert_array_equal(metric.total_cm.value, [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    outside = metrics.MeanIoU(num_classes=2)
    outside.update_state(np.array([0, -1, 2, 1]), np.array([5, 0, 0, 1]))
    np.testing.assert_array_equal(outside.total_cm.value, [[0, 0], [0, 1]])
    ignoring = metrics.MeanIoU(num_classes=2, ignore_class=0)
    assert float(ignoring(y, p)) == pytest.approx(0.25)
    one_hot = metrics.OneHotMeanIoU(num_classes=2)
    assert float(one_hot(np.eye(2)[y], np.eye(2)[p])) == pytest.approx(1 / 3)
    with pytest.warns(UserWarning, match="float"):
        metrics.MeanIoU(num_classes=2)(y, p, np.full(4, 0.5))


def test_correlations() -> None:
    y = np.array([[1.0, 2.0, 4.0]])
    assert float(metrics.PearsonCorrelation()(y, 3 * y - 1)) == pytest.approx(1, abs=1e-6)
    assert float(metrics.ConcordanceCorrelation()(y, 3 * y - 1)) < 0.9
    # The same variance twice, and the means one apart.
    found = float(metrics.ConcordanceCorrelation()(y, y + 1))
    assert found == pytest.approx(2 * y.var() / (2 * y.var() + 1), rel=1e-5)
    assert float(metrics.ConcordanceCorrelation()(y, y)) == pytest.approx(1, abs=1e-6)
    assert float(metrics.CosineSimilarity()(y, 2 * y)) == pytest.approx(1, abs=1e-6)


def test_share_of_variance() -> None:
    y, p = np.array([[1.0], [4.0], [3.0], [8.0]]), np.array([[2.0], [4.0], [4.0], [7.0]])
    score = 1 - 3 / ((y - y.mean()) ** 2).sum()
    assert float(metrics.R2Score()(y, p)) == pytest.approx(score)
    adjusted = metrics.R2Score(num_regressors=1)
    assert float(adjusted(y, p)) == pytest.approx(1 - (1 - score) * 3 / 2)
    for number, message in ((3, "Division by zero"), (5, "More independent")):
        with pytest.warns(UserWarning, match=message):
            found = metrics.R2Score(num_regressors=number)(y, p)
        assert float(found) == pytest.approx(score)


# --- metrics of one's own ------------------------------------------------------------------------


class Spread(metrics.Metric):
    """Largest less smallest, of which each is a metric inside."""

    def __init__(self, name: str = "spread", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.largest = self.add_variable((), "zeros", name="largest")
        self.seen = {"sum": metrics.Sum(name="inner")}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.largest.assign(max(float(self.largest), float(np.max(y_pred))))
        self.seen["sum"].update_state(y_pred)

    def result(self) -> Any:
        return self.largest.value


def test_a_metric_of_ones_own() -> None:
    metric = Spread()
    assert float(metric(None, np.array([1.0, 5.0]))) == 5.0
    assert [float(variable) for variable in metric.variables] == [5.0, 6.0]
    metric.reset_state()
    assert [float(variable) for variable in metric.variables] == [0.0, 0.0]
    assert [variable.name for variable in metric.variables] == ["largest", "total"]
    config = metrics.serialize(metric)
    found = metrics.deserialize(config, custom_objects={"Spread": Spread})
    assert isinstance(found, Spread)
    assert found.get_config() == metric.get_config()


def distance(y: Any, p: Any, factor: float = 1.0) -> Any:
    return factor * ls.ops.abs(y - p)


def test_a_function_as_metric() -> None:
    assert metrics.get(distance) is distance
    metric = metrics.MeanMetricWrapper(distance, factor=2.0)
    for y, p, weight in ((1.0, 2.0, 1.0), (1.0, 4.0, 3.0)):
        metric.update_state(np.array([y]), np.array([p]), sample_weight=np.array([weight]))
    assert float(metric.result()) == pytest.approx(2 * (1 + 3 * 3) / 4)
    config = json.loads(json.dumps(metrics.serialize(metric)))
    copy = metrics.deserialize(config, custom_objects={"distance": distance})
    assert float(copy(np.array([1.0]), np.array([3.0]))) == 4.0
    with pytest.raises(ValueError, match=r"'distance'.*custom objects"):
        metrics.deserialize(config)
    of_loss = metrics.MeanMetricWrapper(losses.huber, delta=0.1)
    back = metrics.deserialize(json.loads(json.dumps(metrics.serialize(of_loss))))
    assert back.get_config() == of_loss.get_config()
    assert of_loss._direction == "down"


def test_gradients_do_not_pass_through_metrics() -> None:
    metric = metrics.MeanSquaredError()
    value, slope = ls.value_and_grad(lambda p: ls.ops.sum(p) + 0 * float(metric(1 + 0 * p, p)))(
        np.array([2.0, 3.0])
    )
    assert float(value) == 5.0
    np.testing.assert_array_equal(slope, [1, 1])


# --- names and mistakes --------------------------------------------------------------------------


def test_aliases() -> None:
    for names, cls in (
        (("mse", "MSE"), metrics.MeanSquaredError),
        (("mae", "MAE"), metrics.MeanAbsoluteError),
        (("mape", "MAPE"), metrics.MeanAbsolutePercentageError),
        (("msle", "MSLE"), metrics.MeanSquaredLogarithmicError),
        (("bce", "BCE"), metrics.BinaryCrossentropy),
    ):
        for name in names:
            assert type(metrics.get(name)) is cls
            assert getattr(metrics, name) is getattr(losses, name)
    assert metrics.get(None) is None
    assert metrics.kld is metrics.kl_divergence


def test_mistakes() -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: metrics.get("nope"), r"'nope'.*Accuracy"),
        (lambda: metrics.deserialize({"config": {}}), "Expected a config"),
        (lambda: metrics.deserialize({"class_name": "Nope", "config": {}}), "class 'Nope'"),
        (lambda: metrics.Metric().update_state(1, 2), "must define `update_state"),
        (lambda: metrics.Metric().result(), "must define `result"),
        (lambda: metrics.Precision(thresholds=[0.5, 2.0]), r"in \[0, 1\].*2.0"),
        (lambda: metrics.Precision(top_k=0), "`top_k` must be an integer at least 1"),
        (lambda: metrics.Recall(class_id=WRONG), "`class_id` must be an integer"),
        (lambda: metrics.AUC(num_thresholds=1), "`num_thresholds` must be an integer > 1"),
        (lambda: metrics.AUC(num_thresholds=None), "`num_thresholds` must be an integer > 1"),
        (lambda: metrics.AUC(curve=WRONG), 'curve value: "x".*PRGAIN'),
        (lambda: metrics.AUC(summation_method=WRONG), 'method value: "x".*minoring'),
        (lambda: metrics.AUC(num_labels=2), "`num_labels` is needed only"),
        (lambda: metrics.AUC(multi_label=True)(np.ones(3), np.ones(3)), "rank 2"),
        (lambda: metrics.AUC(multi_label=True).result(), "no result before"),
        (lambda: metrics.AUC()(np.ones(3), np.ones(4)), r"\(4,\).*\(3,\)"),
        (lambda: metrics.SensitivityAtSpecificity(2), r"`specificity`.*\[0, 1\].*2"),
        (lambda: metrics.PrecisionAtRecall(0.5, num_thresholds=0), "integer > 0"),
        (lambda: metrics.FBetaScore(average=WRONG), "`average`.*micro.*average=x"),
        (lambda: metrics.FBetaScore(beta=-1.0), "`beta`.*> 0.*-1.0"),
        (lambda: metrics.FBetaScore(threshold=1), "Python float.*threshold=1"),
        (lambda: metrics.F1Score()(np.ones(3), np.ones(3)), "2D inputs"),
        (lambda: metrics.F1Score().result(), "no result before"),
        (lambda: metrics.R2Score(num_regressors=-1), ">= 0.*-1"),
        (lambda: metrics.R2Score(class_aggregation=WRONG), "`class_aggregation`.*x"),
        (lambda: metrics.R2Score()(np.ones(3), np.ones(3)), "2D inputs"),
        (lambda: metrics.IoU(num_classes=2, target_class_ids=[2]), "id 2 is out of range"),
        (lambda: metrics.IoU(num_classes=2, target_class_ids=[-1]), r"`target_class_ids`.*\[-1\]"),
        (lambda: metrics.IoU(num_classes=2, target_class_ids=WRONG), "`target_class_ids`.*'x'"),
        (lambda: metrics.Mean(dtype=WRONG), "`dtype` must be one of"),
        (lambda: metrics.Mean.from_config({"nmae": 1}), "Did you mean `name`"),
    ]
    for call, message in cases:
        with pytest.raises((ValueError, TypeError, NotImplementedError), match=message):
            call()


def test_the_constructor_of_the_base_must_be_called() -> None:
    class Forgetful(metrics.Metric):
        def __init__(self) -> None:
            pass

        def update_state(self, *args: Any) -> None:
            raise AssertionError("not reached")

    with pytest.raises(RuntimeError, match="super"):
        Forgetful()(1, 2)
    with pytest.raises(RuntimeError, match="super"):
        Forgetful().add_variable(())
