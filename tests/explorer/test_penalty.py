"""The penalty lens: its numbers are the layer's own, and no layer makes it fall over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from explorer.documents import example_documents
from layerscope_explorer.codec import to_json
from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer, set_argument, set_bypassed, share_layer
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses import LENSES
from layerscope_explorer.lenses.penalty import (
    PenaltyLens,
    output_label,
    rows,
    sentence,
    study,
    table,
)
from layerscope_explorer.penalties import gradient_of, group_axes, norms_of, penalties_of, step_rate
from layerscope_explorer.planes import plane_of
from layerscope_explorer.presets import digits_stack, on_noise, why_did_it_die
from layerscope_explorer.session import Session
from layerscope_explorer.steps import Stack

EXAMPLES = dict(example_documents())
L1, L2 = ls.regularizers.L1, ls.regularizers.L2
REGULARIZERS = ["L1", "L2", {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}},
                "OrthogonalRegularizer"]  # fmt: skip
CONSTRAINTS = ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"]


def dense(**arguments: Any) -> Document:
    return add_layer(on_noise(Document(), 6), "Dense", None, {"units": 4, **arguments})


def stack_of(document: Document) -> Stack:
    return Engine().snapshot(document).stack


def found_in(document: Document, weight: str = "", layer: int = 0):
    return study(stack_of(document), document.layers[layer].id, {"weight": weight})


# --- penalties ----------------------------------------------------------------------------------


def test_penalties_are_those_the_model_adds_to_its_loss() -> None:
    document = add_layer(on_noise(Document(), 6), "Dense", None, {
        "units": 5, "activation": "relu", "kernel_regularizer": "l2", "bias_regularizer": "l1",
        "bias_initializer": "ones", "activity_regularizer": "l1"})  # fmt: skip
    document = add_layer(document, "ActivityRegularization", None, {"l2": 0.3})
    document = add_layer(document, "Dense", None, {"units": 2, "kernel_regularizer": "l1"})
    stack = stack_of(document)
    model = ls.Sequential([ls.Input((6,))])
    for step in stack:
        layer = type(step.layer).from_config(step.layer.get_config())
        model.add(layer)
        layer.set_weights([np.array(one) for one in step.layer.get_weights()])
    model(stack.data.sample)
    expected = float(sum(map(float, model.losses)))
    found = penalties_of(stack)
    assert sum(one.total for one in found) == pytest.approx(expected, rel=1e-5)
    kernel, bias = stack.steps[0].layer.get_weights()
    assert found[0].weights == pytest.approx(0.01 * (kernel**2).sum() + 0.01 * bias.sum())
    output = np.maximum(stack.data.sample @ kernel + bias, 0)
    assert found[0].activity == pytest.approx(0.01 * output.sum() / len(output), rel=1e-5)


def test_weights_count_once_however_often_they_are_used_and_outputs_each_time() -> None:
    document = dense(units=6, kernel_regularizer="l2", activity_regularizer="l2")
    document = share_layer(document, document.layers[0].id)
    first, second = penalties_of(stack_of(document))
    assert first.weights > 0
    assert second.weights == 0
    stack = stack_of(document)
    for found, step in zip((first, second), stack, strict=True):
        assert found.activity == pytest.approx(0.01 * (step.output**2).sum() / 256, rel=1e-5)


def test_what_is_not_trained_costs_nothing() -> None:
    document = dense(kernel_regularizer="l2", kernel_constraint="MaxNorm", trainable=False)
    found = found_in(document)
    assert found.shares[0].weights == 0
    assert not found.trained
    assert found.rate == 0


def test_a_regularizer_that_fails_says_why_and_costs_no_picture() -> None:
    document = dense(bias_regularizer="OrthogonalRegularizer", kernel_regularizer="l2")
    found = found_in(document, "bias")
    assert "rank 2" in found.problem
    assert math.isnan(found.shares[0].weights)
    good = found_in(document, "kernel")
    assert not good.problem
    assert good.plane is not None


# --- a step and a projection ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regularizer", "derivative"),
    [
        (L1(0.3), lambda w: 0.3 * np.sign(w)),
        (L2(0.2), lambda w: 0.4 * w),
        (None, np.zeros_like),
    ],
)
def test_gradient_of_a_penalty(regularizer, derivative) -> None:
    values = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(gradient_of(regularizer, values), derivative(values))


def test_a_step_moves_a_weight_by_about_a_quarter_of_its_length() -> None:
    generator = np.random.default_rng(0)
    for scale in (1e-6, 1.0, 1e5):
        values, gradient = generator.normal(size=(8, 8)), scale * generator.normal(size=(8, 8))
        moved = step_rate(values, gradient) * np.linalg.norm(gradient) / np.linalg.norm(values)
        assert 0.15 < moved < 0.4
    assert step_rate(values, np.zeros((8, 8))) == 0
    assert step_rate(values, np.full((8, 8), np.nan)) == 0


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("shape", [(5, 4), (3, 3, 2, 6), (7,)])
def test_norms_are_those_of_what_the_constraint_returns(name, shape) -> None:
    generator = np.random.default_rng(1)
    values, stepped = 2 * generator.normal(size=shape), generator.normal(size=shape)
    constraint: Any = ls.constraints.get(name)
    found = norms_of(values, stepped, constraint)
    axes = group_axes(constraint, len(shape))
    for before, now, then, moved in (
        (values, found.now, found.now_projected, found.moved_now),
        (stepped, found.stepped, found.stepped_projected, found.moved_stepped),
    ):
        after = np.asarray(constraint(before))
        np.testing.assert_allclose(now, np.sqrt((before**2).sum(axis=axes)).ravel()[: now.size])
        np.testing.assert_allclose(then, np.sqrt((after**2).sum(axis=axes)).ravel()[: now.size])
        changed = np.abs(after - before).max(axis=axes) > 1e-5 * np.abs(before).max(axis=axes)
        assert moved == np.count_nonzero(changed)


def test_of_many_columns_some_are_drawn_and_all_counted() -> None:
    values = np.full((2, 500), 3.0)
    found = norms_of(values, values, ls.constraints.MaxNorm(1.0))
    assert (found.now.size, found.groups, found.moved_now) == (48, 500, 500)
    assert found.limits == (1.0,)


def test_the_plane_is_what_the_layers_own_objects_return() -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(size=(6, 3))
    stepped = values - 0.3 * generator.normal(size=(6, 3))
    regularizer, constraint = L1(0.5), ls.constraints.MaxNorm(1.2)
    plane: Any = plane_of(values, stepped, regularizer, constraint, (0,))
    assert plane is not None
    first, second = plane.places
    assert first[1] == second[1]
    ticks = np.linspace(-plane.reach, plane.reach, len(plane.penalty))

    def moved(x: float, y: float) -> np.ndarray:
        tried = values.copy()
        tried[first], tried[second] = x, y
        return tried

    for row, column in ((0, 0), (3, 17), (20, 5)):
        expected = float(regularizer(moved(ticks[column], ticks[row])))
        assert plane.penalty[row, column] == pytest.approx(expected)
    for start, end in zip(plane.starts, plane.ends, strict=True):
        image = constraint(moved(*start))
        np.testing.assert_allclose(end, [image[first], image[second]])
    assert len(plane.starts)
    image = constraint(moved(*plane.stepped))
    np.testing.assert_allclose(plane.projected, [image[first], image[second]])


def test_a_custom_object_is_drawn_as_any_other() -> None:
    def doubled_corner(w: Any) -> Any:
        return ls.ops.maximum(w, 0.5)

    values = np.random.default_rng(0).normal(size=(4, 4))
    plane = plane_of(values, values - 0.1, lambda w: np.abs(w).max(), doubled_corner, (0,))
    assert plane is not None
    assert (plane.ends >= 0.5).all()


@pytest.mark.parametrize("values", [np.ones((1, 1)), np.array([[np.nan, 1.0]]), np.float64(3.0)])
def test_no_plane_without_two_finite_values(values) -> None:
    values = np.asarray(values)
    assert plane_of(values, values, L2(), None, tuple(range(values.ndim))) is None


def test_the_step_is_the_one_gradient_descent_takes_with_the_penalty() -> None:
    document = dense(units=10, kernel_regularizer="l2", kernel_constraint="UnitNorm")
    stack = stack_of(document)
    step = stack.steps[0]
    found = study(stack, step.spec.id, {"weight": "kernel"})
    kernel = step.layer.get_weights()[0]
    found_gradients: Any = stack.gradients[step.spec.id].weights
    gradient = found_gradients[0] / 256 + 0.02 * kernel
    stepped = kernel - found.rate * gradient
    assert found.norms is not None
    np.testing.assert_allclose(found.norms.stepped, np.linalg.norm(stepped, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.norms.stepped_projected, 1.0, rtol=1e-5)
    assert found.plane is not None
    where = [stepped[place] for place in found.plane.places]
    np.testing.assert_allclose(found.plane.stepped, where, rtol=1e-5)


# --- the lens -------------------------------------------------------------------------------------


def lens_on(document: Document | None = None) -> tuple[Session, PenaltyLens]:
    session = Session(start=document)
    lens = PenaltyLens(session)
    session.open_lens("penalty")
    return session, lens


def test_it_is_among_the_lenses() -> None:
    assert PenaltyLens in LENSES


def test_nothing_acts_is_said_and_shown_faintly() -> None:
    session, lens = lens_on()
    content = lens.body.caption.content
    assert "Faintly" in content["sentence"]
    assert len(lens.norms.points.data["x"]) == 2 * 48
    assert len(lens.plane.contours.data["xs"]) > 3
    assert session.study.found.supposed
    lines: Any = lens.plane._lines.glyph
    faint = lines.line_alpha
    session.set_argument(session.selected, "kernel_regularizer", "l2")
    assert lines.line_alpha > faint
    assert "L2 adds" in lens.body.caption.content["sentence"]


def test_bars_and_table_tell_the_same_shares() -> None:
    document = digits_stack()
    session, lens = lens_on(document)
    for layer in document.layers:
        if layer.class_name in ("Dense", "Conv2D"):
            session.set_argument(layer.id, "kernel_regularizer", "l2")
    found, loss = session.study.found, session.snapshot.loss
    bars = rows(session.selected, found, loss)
    assert [bar["selected"] for bar in bars].count(True) == 1
    whole = sum(size for bar in bars for size, _ in bar["parts"])
    assert whole == pytest.approx(loss + sum(one.total for one in found.shares))
    assert len(bars) == 4
    assert len(table(found, loss)) > 4
    assert len(lens.shares.labels.data["y"]) == 4


def test_many_layers_with_a_penalty_are_summed_up() -> None:
    document = why_did_it_die()
    for layer in document.layers[1:]:
        document = set_argument(document, layer.id, "kernel_regularizer", "l2")
    bars = rows(document.layers[1].id, found_in(document, layer=1), 2.3)
    assert len(bars) == 8
    assert bars[-1]["name"] == "3 more"


def test_without_classes_there_is_no_bar_of_the_data() -> None:
    document = dense(kernel_regularizer="l2", bias_constraint="NonNeg")
    session, lens = lens_on(document)
    assert session.snapshot.loss is None
    assert [bar["name"] for bar in rows("", session.study.found, None)] == ["dense"]
    session.set_option("penalty", weight="bias")
    assert "of 4 values" in lens.body.caption.content["sentence"]


def test_the_weight_is_a_choice_and_so_is_a_penalized_output() -> None:
    session, lens = lens_on()
    session.set_argument(session.selected, "activity_regularizer", "l1")
    assert lens.body.caption.content["choices"] == ["kernel", "bias", output_label()]
    lens.body.caption.choice = output_label()
    assert session.study.found.label == output_label()
    assert session.study.found.penalty == pytest.approx(session.study.found.shares[1].activity)
    lens.body.caption.choice = "bias"
    assert lens.body.caption.content["choice"] == "bias"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_has_the_penalties_it_says(name: str) -> None:
    for document in (EXAMPLES[name],):
        snapshot = Engine().snapshot(document)
        layer_id = document.layers[0].id
        step = snapshot.stack.step(layer_id)
        if step is None:
            continue
        for label in study(snapshot.stack, layer_id, {"weight": ""}).labels or ("",):
            found = study(snapshot.stack, layer_id, {"weight": label})
            assert found.label == label
            assert not found.problem
            expected = float(sum(map(float, step.layer.losses)))
            assert found.shares[0].total == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.fixture(scope="module")
def open_lens() -> tuple[Session, PenaltyLens]:
    return lens_on()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_can_be_looked_at(name: str, open_lens) -> None:
    session, lens = open_lens
    for document in (EXAMPLES[name],):
        session.set_json(to_json(document))
        session.select(document.layers[0].id)
        assert not session.study.error
        assert lens.body.caption.content["sentence"]


@pytest.mark.parametrize("constraint", [None, *CONSTRAINTS])
@pytest.mark.parametrize("regularizer", [None, *REGULARIZERS], ids=str)
def test_every_regularizer_and_constraint_can_be_looked_at(
    regularizer, constraint, open_lens
) -> None:
    session, lens = open_lens
    arguments = {
        f"{weight}_{part}": value
        for weight in ("kernel", "bias")
        for part, value in (("regularizer", regularizer), ("constraint", constraint))
        if value is not None
    }
    images = on_noise(Document(), 5, 5, 2)
    conv = add_layer(images, "Conv2D", None, {"filters": 3, "kernel_size": [2, 2], **arguments})
    for document in (dense(**arguments), dense(units=1, **arguments), conv):
        session.set_json(to_json(document))
        session.select(document.layers[0].id)
        for weight in ("kernel", "bias"):
            session.set_option("penalty", weight=weight)
            assert not session.study.error
            found, snapshot = session.study.found, session.snapshot
            drawn = found.norms is not None
            assert drawn == (constraint is not None or found.supposed) or found.problem
            assert bool(found.problem) == (
                regularizer == "OrthogonalRegularizer" and (weight == "bias" or document is conv)
            )
            assert sentence(snapshot.layers[0], found, None)
            assert lens.body.caption.content["sentence"]


def test_layers_not_reached_passed_by_or_without_numbers_leave_a_sentence() -> None:
    wrong = add_layer(
        on_noise(Document(), 4), "Conv2D", None, {"filters": 2, "kernel_size": [2, 2]}
    )
    wrong = add_layer(wrong, "Dense", None, {"units": 3})
    bypassed = set_bypassed(dense(), dense().layers[0].id, True)
    nan = dense(kernel_initializer={"class_name": "Constant", "config": {"value": math.inf}},
                kernel_regularizer="l2", kernel_constraint="MaxNorm")  # fmt: skip
    for document in (wrong, bypassed, nan, Document()):
        session, lens = lens_on(document)
        for layer_id in ("input", *(layer.id for layer in document.layers)):
            session.select(layer_id)
            lens.refresh()
            assert lens.body.caption.content["sentence"]
