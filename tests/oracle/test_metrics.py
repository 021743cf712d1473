"""Metrics give Keras's numbers over several batches, with weights, masks and options."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import registry
from layerscope.masks import set_keras_mask
from layerscope.metrics import confusion
from layerscope.metrics.reduction import _MeanOf  # pyright: ignore[reportPrivateUsage]
from oracle.layer_comparison import comparable
from oracle.reference import COUNT, choose, close, generator_of, keras, numbers, numpy_of
from oracle.targets import (
    LOGITS,
    SMOOTHING,
    Case,
    Generator,
    between,
    binary,
    classes,
    drawn,
    hinges,
    labels_and_predictions,
    normal,
    one_hot_hinge,
    one_of,
    positive,
    regression,
    sparse,
)

#: Arguments that Keras takes, and leaves out of the config.
LOST = {"CosineSimilarity": "axis"}
Draw = Callable[[Generator], Case]
#: Metrics whose mean leaves out what a mask hides.
MASKED = {cls.__name__ for cls in registry.subclasses(_MeanOf)}


def equal_or_not(generator: Generator) -> Case:
    shape = numbers(generator, 2, 6, int(generator.integers(1, 4)))
    return {}, generator.integers(0, 3, shape), generator.integers(0, 3, shape)


def one_hot(**options: Callable[[Generator], Any]) -> Draw:
    def draw(generator: Generator) -> Case:
        labels, p = labels_and_predictions(generator, logits=False)
        return drawn(generator, options), np.eye(p.shape[-1])[labels], p

    return draw


def class_numbers(generator: Generator) -> Case:
    labels, p = labels_and_predictions(generator, logits=False)
    return {}, choose(generator, labels, labels[..., None]), p


def top_of(generator: Generator, p: np.ndarray) -> dict[str, Any]:
    # Keras on torch cannot choose more classes than there are.
    return {"k": int(generator.integers(1, p.shape[-1] + 1))}


def top_k(generator: Generator) -> Case:
    _, y, p = one_hot()(generator)
    return top_of(generator, p), y, p


def sparse_top_k(generator: Generator) -> Case:
    _, labels, p = class_numbers(generator)
    options = top_of(generator, p) | drawn(generator, {"from_sorted_ids": one_of(True, False)})
    labels = labels[..., 0] if labels.ndim == p.ndim else labels
    return options, labels, np.argsort(-p, -1) if options.get("from_sorted_ids") else p


def columns(generator: Generator) -> Case:
    options = {
        "class_aggregation": one_of(None, "uniform_average", "variance_weighted_average"),
        "num_regressors": one_of(0, 1, 2),
    }
    shape = (int(generator.integers(8, 16)), int(generator.integers(1, 4)))
    return drawn(generator, options), normal(generator, shape), normal(generator, shape)


def decisions(limits: bool = True, **options: Callable[[Generator], Any]) -> Draw:
    def draw(generator: Generator) -> Case:
        shape = (int(generator.integers(6, 20)), int(generator.integers(3, 5)))
        found = drawn(generator, options)
        if limits and generator.random() < 0.6:
            several = np.sort(generator.uniform(0, 1, int(generator.integers(1, 5)))).round(3)
            found["thresholds"] = choose(
                generator, several.tolist(), float(several[0]), [0.0, 0.25, 0.5, 0.75, 1.0]
            )
        if "class_id" not in found and "top_k" not in found and generator.random() < 0.3:
            shape = shape[:1]
        return found, generator.integers(0, 2, shape), generator.uniform(0, 1, shape)

    return draw


def best_at(name: str) -> Draw:
    def draw(generator: Generator) -> Case:
        options = {"num_thresholds": one_of(1, 2, 10, 50), "class_id": one_of(0, 2)}
        found, y, p = decisions(limits=False, **options)(generator)
        return {name: between(0.1, 0.9)(generator), **found}, y, p

    return draw


def areas(generator: Generator) -> Case:
    found = drawn(
        generator,
        {
            "num_thresholds": one_of(2, 3, 20, 101),
            "curve": one_of("ROC", "PR", "PRGAIN"),
            "summation_method": one_of("interpolation", "minoring", "majoring"),
            **LOGITS,
        },
    )
    shape = (int(generator.integers(6, 20)), int(generator.integers(2, 4)))
    if generator.random() < 0.3:
        found["thresholds"] = generator.uniform(0.1, 0.9, 3).round(3).tolist()
    if generator.random() < 0.4:
        found["multi_label"] = True
        found |= drawn(generator, {"num_labels": lambda _: shape[1]})
    if generator.random() < 0.4:
        found["label_weights"] = generator.uniform(0.2, 2, shape[1]).round(3).tolist()
    p = 2 * normal(generator, shape)
    if not found.get("from_logits"):
        p = generator.uniform(0, 1, shape)
    return found, generator.integers(0, 2, shape), p


def f_scores(**options: Callable[[Generator], Any]) -> Draw:
    def draw(generator: Generator) -> Case:
        shape = (int(generator.integers(6, 20)), int(generator.integers(2, 5)))
        every = {
            "average": one_of(None, "micro", "macro", "weighted"),
            "threshold": between(0.1, 0.9),
            **options,
        }
        p = generator.uniform(0, 1, shape)
        return drawn(generator, every), generator.integers(0, 2, shape), p

    return draw


def overlaps(targets: bool = True, chosen: bool = False, dense: bool = False) -> Draw:
    """Return a draw of class numbers, or one-hot targets and probabilities of classes."""

    def draw(generator: Generator) -> Case:
        kinds = int(generator.integers(2, 5))
        found: dict[str, Any] = {"num_classes": kinds}
        if chosen:
            ids = generator.permutation(kinds)[: int(generator.integers(1, kinds + 1))]
            found["target_class_ids"] = ids.tolist()
        found |= drawn(generator, {"ignore_class": one_of(0, -1)})
        shape = numbers(generator, 3, 6, 2)
        y, p = generator.integers(0, kinds, shape), generator.integers(0, kinds, shape)
        if targets:
            found |= drawn(generator, {"sparse_y_true": one_of(True, False)})
        if dense or not found.get("sparse_y_true", True):
            y = np.eye(kinds)[y]
        found |= drawn(generator, {"sparse_y_pred": one_of(True, False)})
        if not found.get("sparse_y_pred", not dense):
            p = generator.uniform(0, 1, (*shape, kinds))
        return found, y, p

    return draw


def two_regions(generator: Generator) -> Case:
    shape = numbers(generator, 2, 6, 2)
    options = {"target_class_ids": one_of([0], [1], [0, 1]), "threshold": between(0.1, 0.9)}
    return (
        drawn(generator, options),
        generator.integers(0, 2, shape),
        generator.uniform(0, 1, shape),
    )


CASES: dict[str, Draw] = {
    "Accuracy": equal_or_not,
    "BinaryAccuracy": binary(threshold=between(0.2, 0.8)),
    "CategoricalAccuracy": one_hot(),
    "SparseCategoricalAccuracy": class_numbers,
    "TopKCategoricalAccuracy": top_k,
    "SparseTopKCategoricalAccuracy": sparse_top_k,
    "MeanSquaredError": regression(),
    "RootMeanSquaredError": regression(),
    "MeanAbsoluteError": regression(),
    "MeanAbsolutePercentageError": positive(),
    "MeanSquaredLogarithmicError": positive(),
    "CosineSimilarity": regression(axis=one_of(-1, 1)),
    "LogCoshError": regression(),
    "PearsonCorrelation": regression(axis=one_of(-1, 1)),
    "ConcordanceCorrelation": regression(axis=one_of(-1, 1)),
    "R2Score": columns,
    "KLDivergence": binary(),
    "Poisson": positive(),
    "BinaryCrossentropy": binary(**LOGITS, **SMOOTHING),
    # The first axis is split into batches.
    "CategoricalCrossentropy": classes(first_axis=1, **SMOOTHING),
    "SparseCategoricalCrossentropy": sparse,
    "Hinge": hinges,
    "SquaredHinge": hinges,
    "CategoricalHinge": one_hot_hinge,
    **dict.fromkeys(
        ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives"), decisions()
    ),
    **dict.fromkeys(
        ("Precision", "Recall"), decisions(top_k=one_of(1, 2), class_id=one_of(0, 1, 2))
    ),
    "SensitivityAtSpecificity": best_at("specificity"),
    "SpecificityAtSensitivity": best_at("sensitivity"),
    "PrecisionAtRecall": best_at("recall"),
    "RecallAtPrecision": best_at("precision"),
    "AUC": areas,
    "FBetaScore": f_scores(beta=between(0.3, 3)),
    "F1Score": f_scores(),
    "IoU": overlaps(chosen=True),
    "MeanIoU": overlaps(),
    "OneHotIoU": overlaps(targets=False, chosen=True, dense=True),
    "OneHotMeanIoU": overlaps(targets=False, dense=True),
    "BinaryIoU": two_regions,
}
BASES = {"Mean", "Sum", "MeanMetricWrapper"}

each_case = pytest.mark.parametrize(
    ("name", "index"), [(name, index) for name in CASES for index in range(COUNT)]
)


def test_every_metric_is_compared() -> None:
    built_in = {cls.__name__ for cls in registry.subclasses(ls.metrics.Metric)}
    assert built_in == {*CASES, *BASES}
    theirs = {name for name, cls in vars(keras.metrics).items() if inspect.isclass(cls)}
    assert theirs - {"Metric"} == built_in
    assert {name for name in vars(keras.metrics) if name[0] != "_"} <= set(vars(ls.metrics))


def both(name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    return getattr(ls.metrics, name)(**options), getattr(keras.metrics, name)(**options)


def weight_shapes(
    name: str, y: np.ndarray, p: np.ndarray, options: dict[str, Any]
) -> list[tuple[int, ...]]:
    """Return the shapes that weights of a batch may have."""
    if "IoU" in name:
        return [p.shape[:2]]
    if name == "AUC":
        return [y.shape[:1]]
    if name == "SparseCategoricalCrossentropy":
        # What counts is a mask of its own, which Keras on torch cannot stretch weights to.
        return [p.shape[:-1]]
    if name in ("R2Score", "FBetaScore", "F1Score") or p.ndim == 1:
        return [y.shape[:1]]
    if hasattr(confusion, name) and y.ndim == 2:
        return [y.shape[:1], (y.shape[0], 1)]
    # One weight for each value that is left when the axis is summed over.
    return [y.shape[:1], tuple(np.delete(p.shape, options.get("axis", -1)).tolist())]


def data_of(name: str, generator: Generator) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """Return options, and batches of targets, predictions, weights and masks."""
    options, y, p = CASES[name](generator)
    y, p = (one.astype("float32") if one.dtype.kind == "f" else one for one in (y, p))
    # One sample has no variance.
    first = 3 if name == "R2Score" else 1
    at = sorted(set(numbers(generator, first, len(y), 2)))
    weighted, masked = generator.random() < 0.6, name in MASKED and generator.random() < 0.4
    shape = choose(generator, *weight_shapes(name, y, p, options))
    masked = masked and "ignore_class" not in options
    if masked and weighted:
        shape = shape[:1]
    weights = generator.uniform(0, 2, shape).astype("float32")
    weights[generator.random(shape) < 0.2] = 0
    mask = generator.random(shape[:1]) < 0.7
    batches = zip(*(np.split(one, at) for one in (y, p, weights, mask)), strict=True)
    return options, [
        (one, other, weight if weighted else None, part if masked else None)
        for one, other, weight, part in batches
    ]


def update(ours: Any, theirs: Any, batch: tuple[Any, ...]) -> None:
    y, p, weights, mask = batch
    tensor = keras.ops.convert_to_tensor(p)
    if mask is not None:
        p = p.copy()
        set_keras_mask(p, mask)
        keras.src.backend.set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
    ours.update_state(y, p, weights)
    theirs.update_state(y, tensor, None if weights is None else weights.copy())


@each_case
def test_results_over_batches(name: str, index: int) -> None:
    generator = generator_of(f"metric {name}", index)
    options, batches = data_of(name, generator)
    ours, theirs = both(name, options)
    # Keras counts instances in the names.
    assert ours.name == re.sub(r"_\d+$", "", theirs.name)
    for _ in range(2):
        for batch in batches:
            update(ours, theirs, batch)
            with np.errstate(invalid="ignore"):
                close(ours.result(), theirs.result(), rtol=1e-4, atol=1e-5)
        assert len(ours.variables) == len(theirs.variables)
        for one, other in zip(ours.variables, theirs.variables, strict=True):
            assert one.name == other.name
            close(one.value, other.value, rtol=1e-4, atol=1e-5)
        ours.reset_state()
        theirs.reset_state()
    assert not any(np.any(variable.value) for variable in ours.variables)
    assert ours._direction == getattr(theirs, "_direction", None)


@each_case
def test_configs_go_both_ways(name: str, index: int) -> None:
    generator = generator_of(f"metric {name}", index)
    ours, theirs = both(name, CASES[name](generator)[0])
    expected = theirs.get_config()
    if expected.get("label_weights") is not None:
        # A tensor, which Keras itself cannot write to a file.
        expected["label_weights"] = numpy_of(expected["label_weights"]).tolist()
    if name == "SparseTopKCategoricalAccuracy":
        expected = {"from_sorted_ids": False, **expected}
    found = ours.get_config()
    kept = {key: value for key, value in found.items() if key != LOST.get(name)}
    assert comparable(kept) == comparable(expected)
    there = keras.metrics.deserialize(json.loads(json.dumps(ls.metrics.serialize(ours))))
    assert type(there) is type(theirs)
    again = {key: there.get_config().get(key, False) for key in expected} | {
        "label_weights": expected.get("label_weights")
    }
    assert comparable(again) == comparable({"label_weights": None, **expected})
    written = {**keras.metrics.serialize(theirs), "config": expected}
    back = ls.metrics.deserialize(json.loads(json.dumps(written)))
    assert type(back) is type(ours)
    assert comparable(back.get_config()) == comparable(found) or name in LOST


@pytest.mark.parametrize("index", range(COUNT))
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_values_and_weights(name: str, index: int) -> None:
    generator = generator_of(f"metric {name}", index)
    ours, theirs = both(name, {})
    for _ in range(3):
        shape = numbers(generator, 1, 5, int(generator.integers(0, 4)))
        values = normal(generator, shape).astype("float32")
        of_weights = choose(generator, *(shape[:number] for number in range(len(shape) + 1)))
        weights = generator.uniform(0, 2, of_weights).astype("float32")
        weights = choose(generator, None, weights)
        ours.update_state(values, weights)
        theirs.update_state(values, None if weights is None else np.copy(weights))
        close(ours.result(), theirs.result())
        close(ours(values), theirs(values))
    assert comparable(ours.get_config()) == comparable(theirs.get_config())


@pytest.mark.parametrize("index", range(COUNT))
def test_wrapped_functions(index: int) -> None:
    generator = generator_of("metric wrapper", index)
    _, y, p = positive()(generator)
    y, p = y.astype("float32"), p.astype("float32")
    name = choose(generator, "huber", "log_cosh", "mean_absolute_error", "binary_accuracy")
    options = {"huber": {"delta": 0.5}, "binary_accuracy": {"threshold": 1.0}}.get(name, {})
    ours, theirs = (
        library.metrics.MeanMetricWrapper(getattr(library.metrics, name), name="mine", **options)
        for library in (ls, keras)
    )
    for part in (slice(0, 1), slice(1, None)):
        close(ours(y[part], p[part]), theirs(y[part], p[part]))
    assert ours._direction == getattr(theirs, "_direction", None)
    config = json.loads(json.dumps(keras.metrics.serialize(theirs)))
    back = ls.metrics.deserialize(config)
    close(back(y, p), keras.metrics.deserialize(config)(y, p))
    there = keras.metrics.deserialize(json.loads(json.dumps(ls.metrics.serialize(ours))))
    close(back.result(), there(y, p))


@pytest.mark.parametrize("name", CASES)
def test_without_changing_the_metric(name: str) -> None:
    options, batches = data_of(name, generator_of(f"stateless {name}"))
    ours, theirs = both(name, options)
    y, p, _, _ = batches[0]
    for metric in (ours, theirs):
        metric.update_state(y, p)
        metric.reset_state()
    state = [variable.value for variable in ours.variables]
    there = [variable.value for variable in theirs.variables]
    for y, p, weights, _ in batches:
        state = ours.stateless_update_state(state, y, p, weights)
        there = theirs.stateless_update_state(
            there, y, p, None if weights is None else weights.copy()
        )
        close(ours.stateless_result(state), theirs.stateless_result(there), 1e-4, 1e-5)
    assert not any(np.any(variable.value) for variable in ours.variables)
    close(ours.stateless_reset_state(), theirs.stateless_reset_state())


FUNCTIONS = [
    name
    for name, value in vars(keras.metrics).items()
    if inspect.isfunction(value) and name not in ("get", "serialize", "deserialize")
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_aliases(name: str) -> None:
    ours, theirs = getattr(ls.metrics, name), getattr(keras.metrics, name)
    assert ours.__name__ == theirs.__name__
    assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]


#: Names that need no arguments.
NAMES = [
    name
    for name, cls in sorted(keras.src.metrics.ALL_OBJECTS_DICT.items())
    if cls.__name__ in CASES
    and "At" not in cls.__name__
    and cls.__name__ not in ("IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU")
]


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert type(ls.metrics.get(name)).__name__ == type(keras.metrics.get(name)).__name__
