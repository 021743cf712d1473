"""How losses put the samples together, what they let through and what they refuse."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import losses, registry
from layerscope.configurable import fields_of
from layerscope.masks import set_keras_mask

WRONG: Any = "x"
Y = np.array([[[1.0], [2.0], [4.0]], [[3.0], [5.0], [9.0]]], "float32")
PREDICTED = np.zeros_like(Y)
SQUARES = np.array([[1.0, 4, 16], [9, 25, 81]])
WEIGHT = np.array([[1.0], [3.0]])
MASK = np.array([[True, True, False], [True, False, False]])

CLASSES = [cls for cls in registry.subclasses(losses.Loss) if cls is not losses.LossFunctionWrapper]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def data_for(cls: Any, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions, in float64, that a loss is made for."""
    p = generator.dirichlet(np.ones(4), 6)
    labels = generator.integers(0, 4, 6)
    if cls in (losses.SparseCategoricalCrossentropy, losses.CategoricalGeneralizedCrossEntropy):
        return labels, p
    if cls is losses.Circle:
        return labels % 2, p / np.linalg.norm(p, axis=-1, keepdims=True)
    if cls is losses.CTC:
        return np.array([[1, 2, 0], [2, 2, 0], [3, 0, 0]]), generator.normal(size=(3, 6, 4))
    if "Hinge" in cls.__name__:
        return 2.0 * np.eye(4)[labels] - 1, generator.normal(size=(6, 4))
    return np.eye(4)[labels] * 0.8 + 0.05, p


# --- what every loss has -------------------------------------------------------------------------


@each_class
def test_declaration(cls: Any) -> None:
    assert "Source: " in (inspect.getdoc(cls) or "")
    assert all(field.help.endswith(".") for field in fields_of(cls))
    function = getattr(losses, cls.function.__name__)
    assert losses.get(function) is function
    assert losses.get(function.__name__) is function
    assert losses.deserialize(json.loads(json.dumps(losses.serialize(function)))) is function
    assert inspect.getdoc(function)


@each_class
def test_names_and_configs(cls: Any) -> None:
    made = cls(name="mine", reduction="sum")
    for identifier in (cls.__name__, cls, made, {"class_name": cls.__name__, "config": {}}):
        assert type(losses.get(identifier)) is cls
    assert type(losses.as_loss(cls.function.__name__)) is cls
    config = json.loads(json.dumps(losses.serialize(made)))
    assert config["module"] == "keras.losses"
    for found in (losses.deserialize(config), losses.get(config)):
        assert type(found) is cls
        assert found.get_config() == made.get_config()
    with pytest.raises(TypeError, match=f"deserializing class '{cls.__name__}'"):
        cls.from_config({"foo": 1})


@each_class
def test_gradients(cls: Any) -> None:
    y, p = data_for(cls, np.random.default_rng(1))
    for reduction in ("sum_over_batch_size", "sum"):
        loss = cls(reduction=reduction, dtype="float64")
        weights = np.random.default_rng(2).uniform(0.5, 2, len(loss_of_samples(cls, y, p)))
        ls.check_gradients(lambda value, loss=loss, weights=weights: loss(y, value, weights), p)


OPTIONS: list[tuple[Any, dict[str, Any]]] = [
    (losses.BinaryCrossentropy, {"from_logits": True, "label_smoothing": 0.2}),
    (losses.BinaryFocalCrossentropy, {"apply_class_balancing": True, "gamma": 1.5}),
    (losses.BinaryFocalCrossentropy, {"from_logits": True, "axis": 0}),
    (losses.CategoricalCrossentropy, {"from_logits": True, "label_smoothing": 0.1}),
    (losses.CategoricalFocalCrossentropy, {"from_logits": True, "alpha": 0.5, "gamma": 3.0}),
    (losses.SparseCategoricalCrossentropy, {"from_logits": True, "ignore_class": 1}),
    (losses.SparseCategoricalCrossentropy, {"ignore_class": 2}),
    (losses.CategoricalGeneralizedCrossEntropy, {"q": 0.2}),
    (losses.CosineSimilarity, {"axis": 0}),
    (losses.Huber, {"delta": 0.2}),
    (losses.Tversky, {"alpha": 0.3, "beta": 0.8, "axis": -1}),
    (losses.Dice, {"axis": 0}),
    (losses.Circle, {"gamma": 2.0, "margin": 0.2, "remove_diagonal": False}),
]


@pytest.mark.parametrize(("cls", "options"), OPTIONS)
def test_gradients_with_options(cls: Any, options: dict[str, Any]) -> None:
    y, p = data_for(cls, np.random.default_rng(3))
    loss = cls(dtype="float64", **options)
    ls.check_gradients(lambda value: loss(y, value), p)
    plain = cls(dtype="float64")(y, p)
    assert float(loss(y, p)) != pytest.approx(float(plain), rel=1e-6)


def loss_of_samples(cls: Any, y: Any, p: Any) -> np.ndarray:
    return np.atleast_1d(cls(reduction="none", dtype="float64")(y, p))


@each_class
def test_reductions(cls: Any) -> None:
    reduction: Any
    y, p = data_for(cls, np.random.default_rng(4))
    values = loss_of_samples(cls, y, p)
    weight = np.random.default_rng(5).uniform(0, 2, len(values))
    counted = np.ones(len(values))
    if cls is losses.Circle:
        # Only what costs something counts in its mean.
        counted = len(values) / np.count_nonzero(values) * (values > 0)
    for reduction, expected in (
        ("sum", (values * weight * (counted > 0)).sum()),
        ("sum_over_batch_size", (values * weight * counted).mean()),
        ("mean", (values * weight * counted).mean()),
        ("none", values * weight * (counted > 0)),
        (None, values * weight * (counted > 0)),
        ("mean_with_sample_weight", (values * weight).sum() / (weight * (counted > 0)).sum()),
    ):
        loss = cls(reduction=reduction, dtype="float64")
        if values.size > 1:
            found = np.asarray(loss(y, p, weight))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_allclose(loss(y, p, 0.0), np.zeros_like(expected), atol=1e-12)
        assert np.asarray(loss(y, p)).dtype == np.float64


# --- samples, weights and masks ------------------------------------------------------------------


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
    expected = combined(SQUARES * WEIGHT)
    np.testing.assert_allclose(loss(Y, PREDICTED, WEIGHT), expected, rtol=1e-6)
    column = np.broadcast_to(WEIGHT[..., None], Y.shape)
    np.testing.assert_allclose(loss(Y, PREDICTED, column), expected, rtol=1e-6)


def test_weights_must_fit() -> None:
    with pytest.raises(ValueError, match=r"`sample_weight`.*\(2, 3\).*\(2,\)"):
        losses.MeanSquaredError()(Y, PREDICTED, WEIGHT[:, 0])
    masked = PREDICTED.copy()
    set_keras_mask(masked, MASK)
    with pytest.raises(ValueError, match=r"`sample_weight`.*\(2, 3\).*\(2,\)"):
        losses.MeanSquaredError()(Y, masked, WEIGHT[:, 0])


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_only_the_steps_of_a_mask_count(weight: Any) -> None:
    predicted = PREDICTED.copy()
    set_keras_mask(predicted, MASK)
    counted = SQUARES * MASK * (1 if weight is None else weight)
    mean = losses.MeanSquaredError()(Y, predicted, weight)
    np.testing.assert_allclose(mean, counted.sum() / MASK.sum(), rtol=1e-6)
    total = losses.MeanSquaredError(reduction="sum")(Y, predicted, weight)
    np.testing.assert_allclose(total, counted.sum(), rtol=1e-6)


def test_a_mask_of_nothing_costs_nothing() -> None:
    predicted = PREDICTED.copy()
    set_keras_mask(predicted, np.zeros_like(MASK))
    for reduction in ("sum", "mean", "mean_with_sample_weight"):
        assert float(losses.MeanSquaredError(reduction=reduction)(Y, predicted)) == 0


def test_masks_of_predictions_and_of_values_both_count() -> None:
    labels, p = np.array([0, 1, 2, 1]), np.full((4, 3), 1 / 3, "float32")
    set_keras_mask(p, np.array([True, True, True, False]))
    loss = losses.SparseCategoricalCrossentropy(ignore_class=2, reduction="none")
    np.testing.assert_allclose(loss(labels, p), np.log(3) * np.array([1, 1, 0, 0]), rtol=1e-6)


def test_a_trailing_axis_may_be_missing_on_either_side() -> None:
    loss = losses.MeanSquaredError()
    for y, predicted in ((Y[..., 0], PREDICTED), (Y, PREDICTED[..., 0])):
        np.testing.assert_allclose(loss(y, predicted), SQUARES.mean(), rtol=1e-6)
    with pytest.raises(ValueError, match=r"same shape.*\(2, 2\)"):
        losses.SparseCategoricalCrossentropy()(np.zeros((2, 2), int), np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"same shape.*\(2, 2\).*\(2, 4\)"):
        loss(np.zeros((2, 2)), np.zeros((2, 4)))


def test_nested_targets() -> None:
    class Total(losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return sum(ls.ops.mean(ls.ops.abs(y_true[key] - y_pred[key]), -1) for key in y_true)

    y, p = {"a": np.zeros((2, 3)), "b": np.ones((2, 1))}, {"a": np.ones((2, 3)), "b": [[3.0]] * 2}
    assert float(Total()(y, {**p, "b": np.array(p["b"])})) == 3.0


# --- values --------------------------------------------------------------------------------------


def test_crossentropies() -> None:
    one_hot, p = np.eye(2), np.array([[0.8, 0.2], [0.4, 0.6]])
    expected = -np.log([0.8, 0.6])
    cross = losses.CategoricalCrossentropy(reduction="none", dtype="float64")
    np.testing.assert_allclose(cross(one_hot, p), expected)
    np.testing.assert_allclose(cross(one_hot, 2 * p), expected)  # normalised first
    sparse = losses.SparseCategoricalCrossentropy(reduction="none", dtype="float64")
    for labels in ([0, 1], [[0], [1]]):
        np.testing.assert_allclose(sparse(np.array(labels), p), expected)
    np.testing.assert_allclose(sparse(np.array([0, 0]), np.array([[0.0, 1.0]] * 2)), -np.log(1e-7))
    ignoring = losses.SparseCategoricalCrossentropy(ignore_class=-1, reduction="none")
    np.testing.assert_allclose(ignoring(np.array([0, -1]), p), [expected[0], 0], rtol=1e-6)
    ignoring = losses.SparseCategoricalCrossentropy(ignore_class=0)
    one = np.array([[0.5, 0.5]] * 3)
    assert float(ignoring(np.array([0, 1, 0]), one)) == pytest.approx(np.log(2))
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.2)
    assert float(smooth(one_hot, p)) == pytest.approx(
        float(losses.CategoricalCrossentropy()(one_hot * 0.8 + 0.1, p))
    )


def test_logits_mean_their_probabilities() -> None:
    logits = np.array([[1.0, -2.0], [0.5, 3.0]])
    softmax, sigmoid = ls.ops.softmax(logits), ls.ops.sigmoid(logits)
    for cls, y, p in (
        (losses.CategoricalCrossentropy, np.eye(2), softmax),
        (losses.CategoricalFocalCrossentropy, np.eye(2), softmax),
        (losses.SparseCategoricalCrossentropy, np.array([0, 1]), softmax),
        (losses.BinaryCrossentropy, np.eye(2), sigmoid),
        (losses.BinaryFocalCrossentropy, np.eye(2), sigmoid),
    ):
        found = float(cls(from_logits=True)(y, logits))
        assert found == pytest.approx(float(cls()(y, p)), rel=1e-5)


def test_what_is_predicted_well_counts_little() -> None:
    y, p = np.eye(2), np.array([[0.8, 0.2], [0.4, 0.6]])
    right = np.array([0.8, 0.6])
    binary = losses.binary_focal_crossentropy(y, p, gamma=2.0)
    np.testing.assert_allclose(binary, -((1 - right) ** 2) * np.log(right), rtol=1e-5)
    balanced = losses.binary_focal_crossentropy(y, p, apply_class_balancing=True, alpha=0.25)
    # Each row has a one, weighted by 1/4, and a zero, by 3/4.
    np.testing.assert_allclose(balanced, np.asarray(binary) / 2, rtol=1e-6)
    categorical = losses.categorical_focal_crossentropy(y, p, alpha=0.3, gamma=3.0)
    np.testing.assert_allclose(categorical, -0.3 * (1 - right) ** 3 * np.log(right), rtol=1e-5)
    # Of both classes together any other shift would cancel out.
    y, p = y[:, :1], p[:, :1]
    smooth = losses.binary_crossentropy(y, p, label_smoothing=0.2)
    np.testing.assert_allclose(smooth, losses.binary_crossentropy(0.8 * y + 0.1, p), rtol=1e-6)


def test_ctc_sums_over_all_alignments() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 4, 3))
    p = np.asarray(ls.ops.softmax(logits))[0]

    def collapsed(path: tuple[int, ...]) -> list[int]:
        return [one for i, one in enumerate(path) if one and (i == 0 or path[i - 1] != one)]

    for labels in ([1, 2], [1, 1], [2], [1, 2, 1]):
        total = sum(
            np.prod([p[step, one] for step, one in enumerate(path)])
            for path in np.ndindex(3, 3, 3, 3)
            if collapsed(path) == labels
        )
        padded = np.array([[*labels, 0, 0][:4]])
        assert float(losses.CTC(dtype="float64")(padded, logits)) == pytest.approx(-np.log(total))


def test_known_values() -> None:
    y, p = np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [1.0, 4.0]])
    for name, expected in (
        ("mae", [0.5, 1.5]),
        ("mse", [0.5, 2.5]),
        ("huber", [0.25, 1.0]),
        ("log_cosh", [np.log(np.cosh(1)) / 2, (np.log(np.cosh(1)) + np.log(np.cosh(2))) / 2]),
        ("mape", [50.0, (100 / 1e-7 + 100) / 2]),
        ("msle", [np.log(2) ** 2 / 2, (np.log(2) ** 2 + np.log(5 / 3) ** 2) / 2]),
        ("hinge", [0.5, 0.5]),
        ("squared_hinge", [0.5, 0.5]),
        ("categorical_hinge", [0.0, 0.0]),
        ("cosine_similarity", [-(0.5**0.5), -8 / (2 * 17**0.5)]),
        ("poisson", [(1 - np.log(1e-7)) / 2, (5 - 2 * np.log(4)) / 2]),
    ):
        np.testing.assert_allclose(losses.get(name)(y, p), expected, rtol=1e-5)


def test_regions_and_distributions() -> None:
    y, p = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.5, 1.0, 0.25, 0.0])
    assert float(losses.dice(y, p)) == pytest.approx(1 - 2 * 1.5 / 3.75)
    assert float(losses.tversky(y, p)) == pytest.approx(float(losses.dice(y, p)))
    found = float(losses.tversky(y, p, alpha=0.2, beta=0.6))
    assert found == pytest.approx(1 - 1.5 / (1.5 + 0.2 * 0.5 + 0.6 * 0.25))
    one, other = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])
    expected = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    np.testing.assert_allclose(losses.kl_divergence(one, other), [expected])
    found = losses.categorical_generalized_cross_entropy(np.array([0]), other, q=0.5)
    np.testing.assert_allclose(found, [(1 - 0.9**0.5) / 0.5])


def test_circle_pulls_and_pushes() -> None:
    angles = np.array([0.0, 0.1, 1.5])
    p = np.stack([np.cos(angles), np.sin(angles)], -1)
    near = np.asarray(losses.circle(np.array([0, 0, 1]), p, gamma=8.0))
    far = np.asarray(losses.circle(np.array([0, 1, 0]), p, gamma=8.0))
    assert near[0] < far[0]
    # What has no other of its class costs nothing.
    assert near[2] == far[1] == 0
    expected = np.log1p(
        np.exp(-8 * (0.4 + 1 - np.cos(0.1)) * (0.4 - 1 + np.cos(0.1)))
        * np.exp(8 * (1.4 - 1 + np.cos(1.5)) * (0.6 - 1 + np.cos(1.5)))
    )
    assert near[0] == pytest.approx(expected)


# --- names, subclasses, mistakes -----------------------------------------------------------------


def test_aliases() -> None:
    for names in (
        ("mse", "MSE", "mean_squared_error"),
        ("mae", "MAE", "mean_absolute_error"),
        ("mape", "MAPE", "mean_absolute_percentage_error"),
        ("msle", "MSLE", "mean_squared_logarithmic_error"),
        ("bce", "BCE", "binary_crossentropy"),
        ("kld", "KLD", "kl_divergence", "kullback_leibler_divergence"),
        ("log_cosh", "logcosh"),
    ):
        functions = {getattr(losses, name) for name in names}
        assert functions == {losses.get(name) for name in names}
        assert len(functions) == 1
        assert len({type(losses.as_loss(name)) for name in names}) == 1
    assert losses.get(None) is None
    assert losses.as_loss(None) is None


def test_a_loss_may_be_a_function_or_a_subclass() -> None:
    def absolute(y: Any, p: Any, factor: float = 1.0) -> Any:
        return factor * ls.ops.mean(ls.ops.abs(y - p), axis=-1)

    class Absolute(losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return absolute(y_true, y_pred)

    y, p = np.zeros((2, 2), "float32"), np.full((2, 2), -2.0, "float32")
    for identifier in (absolute, Absolute(), Absolute):
        loss = losses.as_loss(identifier)
        assert loss is not None
        assert float(loss(y, p)) == 2.0
    assert Absolute().name == "absolute"
    assert losses.get(absolute) is absolute
    doubled = losses.LossFunctionWrapper(absolute, reduction="sum", factor=2.0)
    assert float(doubled(y, p)) == 8.0
    config = json.loads(json.dumps(losses.serialize(doubled)))
    copy = losses.deserialize(config, custom_objects={"absolute": absolute})
    assert float(copy(y, p)) == 8.0
    assert copy.get_config() == doubled.get_config()


@pytest.mark.parametrize(
    "base",
    [losses.MeanSquaredError, losses.BinaryCrossentropy, losses.SparseCategoricalCrossentropy],
)
def test_a_loss_made_of_another_is_asked_itself(base: Any) -> None:
    class Own(base):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return 0 * ls.ops.sum(y_pred, axis=-1) + 7

    classes = base is losses.SparseCategoricalCrossentropy
    target = np.array([0, 1]) if classes else np.eye(2, dtype="float32")
    assert float(Own()(target, np.full((2, 2), 0.5, "float32"))) == 7


def test_mistakes() -> None:
    for call, message in (
        (lambda: losses.Loss()(Y, PREDICTED), "must define `call"),
        (lambda: losses.get("nope"), r"'nope'.*MeanSquaredError"),
        (lambda: losses.deserialize({"config": {}}), "Expected a config"),
        (lambda: losses.deserialize({"class_name": "Nope", "config": {}}), "locate class 'Nope'"),
        (lambda: losses.MeanSquaredError(reduction=WRONG), "'sum'.*Received: reduction='x'"),
        (lambda: losses.MeanSquaredError(dtype=WRONG), "`dtype` must be one of"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), r"\(0, 1\).*q=1.0"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=2.0), "`label_smoothing`.*at most 1"),
        (lambda: losses.CategoricalCrossentropy(axis=WRONG), "`axis` must be an integer"),
        (lambda: losses.ctc(np.zeros(3), np.zeros((1, 2, 3))), r"y_true.shape=\(3,\)"),
        (lambda: losses.ctc(np.zeros((1, 3)), np.zeros((2, 3))), r"y_pred.shape=\(2, 3\)"),
        (
            lambda: losses.SparseCategoricalCrossentropy()(np.array([4]), np.ones((1, 3))),
            "from 0 to 2",
        ),
    ):
        with pytest.raises((ValueError, TypeError, NotImplementedError), match=message):
            call()
    with pytest.warns(SyntaxWarning, match="single class"):
        losses.CategoricalCrossentropy()(np.ones((2, 1)), np.ones((2, 1)))


@each_class
def test_there_are_targets(cls: Any) -> None:
    model = ls.Sequential([ls.Input((4,)), ls.layers.Dense(3)])
    model.compile("sgd", cls(name="mine"))
    with pytest.raises(ValueError, match=r"Loss 'mine' compares .* y_true=None"):
        model.train_on_batch(np.ones((2, 4), "float32"))


@pytest.mark.parametrize(
    "name", ["hinge", "squared_hinge", "categorical_hinge", "kl_divergence", "poisson", "dice"]
)
def test_what_cannot_be_broadcast_is_named(name: str) -> None:
    loss, predicted = losses.get(name), np.ones((7, 3), "float32")
    with pytest.raises(ValueError, match=r"`y_true` and `y_pred`.*\(7,\).*\(7, 3\)"):
        loss(np.ones(7, "float32"), predicted)
    assert np.shape(loss(np.ones((7, 1), "float32"), predicted)) == np.shape(
        loss(predicted, predicted)
    )
