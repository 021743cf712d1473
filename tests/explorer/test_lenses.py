"""Lenses: what they draw is NumPy's own answer, and nothing a layer does makes them fall over."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
import param
import pytest
from bokeh.document import Document
from bokeh.models import Range1d

from layerscope import initializers
from layerscope_explorer.densities import density_of, point_mass_of
from layerscope_explorer.histograms import histogram
from layerscope_explorer.lenses import (
    activation,
    distribution,
    figure,
    outputs,
    training,
    weights,
)
from layerscope_explorer.lenses.activation import ActivationLens
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.lenses.training import TrainingLens
from layerscope_explorer.session import Session
from layerscope_explorer.snapshot import (
    ActivationView,
    LayerView,
    Problem,
    TrainingState,
    WeightView,
)

X = np.linspace(-4.0, 4.0, 257, dtype=np.float32)


class HistogramLens(LayerLens):
    """The least a lens can be: a histogram of the output, and words."""

    key = "histogram"

    def __init__(self, session: Any) -> None:
        self.picture = distribution.DistributionPicture("Outputs")
        super().__init__(session, LensBody(self.picture.pane))

    def title(self, layer: LayerView) -> str:
        return f"Values of {layer.name}"

    def _show(self, layer: LayerView, found: Any) -> None:
        drawn = outputs.frame(layer)
        self.picture.show(drawn, layer.id)
        said = outputs.sentence(layer)
        words = Words(self.title(layer), sentence=said, table=lambda: outputs.table(layer))
        self.body.say(words)

    def _show_nothing(self, words: Words) -> None:
        self.picture.show(distribution.distribution_frame(None), None)
        self.body.say(words)


LAYER_LENSES = [HistogramLens, ActivationLens]


class FakeSession(param.Parameterized):
    snapshot: Any = param.Parameter()
    selected: Any = param.String()
    training: Any = param.Parameter()
    stale: Any = param.Boolean()
    study: Any = param.Parameter()
    lens: Any = param.String()
    compared: Any = param.Parameter()
    pinned: Any = param.Parameter()
    pinned_training: Any = None

    def register_study(self, *names: Any, **options: Any) -> None:
        pass

    def moments(self, layer_id: str) -> list[Any]:
        return []


def weight(name="kernel", shape=(64, 32), initializer=None, values=None) -> WeightView:
    kind = initializer or initializers.GlorotUniform(seed=1)
    drawn = kind(shape) if values is None else values
    fan_in, fan_out = initializers.compute_fans(shape)
    return WeightView(
        name=name,
        shape=shape,
        trainable=True,
        histogram=histogram(drawn),
        density=density_of(kind, shape),
        point_mass=point_mass_of(kind, shape),
        initializer=type(kind).__name__,
        fan_in=fan_in,
        fan_out=fan_out,
    )


def curve(name="relu", inputs: Any = None, dead=0.0, saturated=0.0) -> ActivationView:
    y, slope = {
        "relu": (np.maximum(X, 0.0), (X > 0.0).astype(np.float32)),
        "tanh": (np.tanh(X), 1.0 - np.tanh(X) ** 2),
        "linear": (X, np.ones_like(X)),
        "softmax": (1.0 / (1.0 + 9.0 * np.exp(-X)), np.exp(-np.abs(X))),
    }[name]
    data = None if inputs is None else histogram(inputs)
    return ActivationView(name, X, y, slope, data, dead, saturated)


def layer(**changes: Any) -> LayerView:
    values = np.random.default_rng(0).normal(size=5_000).astype(np.float32)
    plain = LayerView(
        id="dense",
        name="dense",
        class_name="Dense",
        section="core",
        detail="32 units, relu",
        output_shape=(None, 32),
        params=2080,
        weights=(weight(), weight("bias", (32,), initializers.Zeros())),
        activation=curve("relu", values),
        output=histogram(np.maximum(values, 0.0)),
        health="ok",
        health_note="",
        problem=None,
        milliseconds=0.1,
    )
    return replace(plain, **changes)


def session_of(*layers: LayerView) -> FakeSession:
    snapshot = replace(Session().snapshot, layers=layers)
    return FakeSession(snapshot=snapshot, selected=layers[0].id, training=TrainingState())


def trained(steps: int, status: Any = "running") -> TrainingState:
    x = np.arange(1, steps + 1, dtype=np.float32)

    def float32(values: Any) -> Any:
        return np.asarray(values, dtype=np.float32)

    ends = np.arange(100, steps + 1, 100, dtype=np.float32)
    return TrainingState(
        status=status,
        epoch=1 + steps // 100,
        epochs=10,
        step=steps,
        steps_per_epoch=100,
        loss=float32(2.3 * np.exp(-x / 100)),
        accuracy=float32(1.0 - np.exp(-x / 100)),
        val_steps=ends,
        val_loss=float32(2.4 * np.exp(-ends / 100)),
        val_accuracy=float32(0.9 - 0.9 * np.exp(-ends / 100)),
        x=x,
    )


def column(source, name):
    return np.asarray(source.data[name])


NAN = np.full(20, np.nan, dtype=np.float32)
ODD_LAYERS = {
    "no weights, no activation": layer(class_name="Flatten", weights=(), activation=None),
    "nothing at all": layer(weights=(), activation=None, output=None),
    "nan": layer(
        weights=(weight(values=np.full((64, 32), np.nan)),),
        activation=curve("tanh", NAN),
        output=histogram(NAN),
    ),
    "empty": layer(
        weights=(weight(values=np.zeros(0)),),
        activation=curve("tanh", np.zeros(0)),
        output=histogram(np.zeros(0)),
    ),
    "constant": layer(
        weights=(weight(values=np.full((64, 32), 0.3)),),
        activation=curve("tanh", np.zeros(50)),
        output=histogram(np.full(50, 7.0)),
    ),
    "one value": layer(weights=(weight(values=np.ones(1)),), output=histogram(np.ones(1))),
    "huge": layer(
        activation=curve("relu", np.array([1e38, -1e38])), output=histogram([1e38, -1e38, 3.0])
    ),
    "tiny": layer(
        activation=curve("tanh", np.array([1e-30, -1e-30] * 50)),
        output=histogram(np.array([1e-38, -1e-38] * 50)),
    ),
    "empty curve": layer(activation=ActivationView("own", X[:0], X[:0], X[:0], None, 0.0, 0.0)),
    "broken curve": layer(
        activation=ActivationView("own", X, X * np.nan, X * np.nan, None, math.nan, 0.0)
    ),
    "problem": layer(output_shape=None, problem=Problem("dense", "needs a flat input")),
    "not reached": layer(output_shape=None, health="off"),
}


# What is drawn


def test_weight_frame_is_the_histogram_and_the_exact_density():
    values = initializers.HeNormal(seed=2)((64, 32))
    view = layer(weights=(weight(initializer=initializers.HeNormal(seed=2)),))
    drawn = weights.frame(view)
    edges = np.append(drawn["left"], drawn["right"][-1]).astype(np.float64)
    counts, _ = np.histogram(values, bins=edges)
    np.testing.assert_allclose(drawn["share"], counts / values.size, atol=1.5 / values.size)
    assert drawn["share"].sum() == pytest.approx(1.0, rel=1e-5)
    assert drawn["mean"][0] == pytest.approx(values.mean(dtype=np.float64), abs=1e-7)
    assert drawn["std"][0] == pytest.approx(values.std(dtype=np.float64), rel=1e-6)
    expected = density_of(initializers.HeNormal(), (64, 32))
    assert expected is not None
    np.testing.assert_array_equal(drawn["pdf"], expected[1])
    assert not drawn["stem"].size


def test_a_point_mass_is_a_stem():
    drawn = weights.frame(layer(), "bias")
    np.testing.assert_array_equal(drawn["stem"], [0.0])
    assert not drawn["x"].size


def test_a_bar_that_towers_is_cut_off_and_labelled():
    values = np.maximum(np.random.default_rng(0).normal(-1.0, 1.0, size=20_000), 0.0)
    drawn = outputs.frame(layer(output=histogram(values)))
    assert drawn["cut"].tolist() == [0]
    others = np.delete(drawn["top"], 0)
    assert others.max() < drawn["ceiling"][0] < drawn["top"][0]
    lens = HistogramLens(session_of(layer(output=histogram(values))))
    (label,) = lens.picture.cut.data["label"]
    assert f"{100.0 * drawn['share'][0]:.0f}" in label


def test_a_flat_histogram_is_not_cut():
    drawn = outputs.frame(layer(output=histogram(np.linspace(0.0, 1.0, 5_000))))
    assert not drawn["cut"].size


def test_shares_agree_with_counting():
    values = np.random.default_rng(0).normal(size=50_000)
    binned = histogram(values)
    for low, high in [(-1.0, 1.0), (0.5, 2.0), (-math.inf, 0.0), (1.0, math.inf)]:
        counted = ((values > low) & (values < high)).mean()
        assert distribution.share_between(binned, low, high) == pytest.approx(counted, abs=0.003)
    assert distribution.share_between(binned, -math.inf, math.inf) == pytest.approx(1.0)


def test_activation_frame_is_the_curve_and_its_data():
    values = np.random.default_rng(0).normal(0.0, 3.0, size=20_000)
    drawn = activation.frame(layer(activation=curve("tanh", values)))
    np.testing.assert_array_equal(drawn["y"], np.tanh(X))
    np.testing.assert_allclose(drawn["derivative"], 1.0 - np.tanh(X) ** 2)
    outside = (np.abs(values) > 4.0).mean()
    assert drawn["outside"][0] == pytest.approx(outside, abs=0.01)
    assert drawn["share"].sum() == pytest.approx(1.0 - outside, abs=0.01)
    assert drawn["left"][0] >= -4.0
    assert drawn["right"][-1] <= 4.0


def test_a_collapsed_signal_is_still_visible():
    drawn = activation.frame(layer(activation=curve("tanh", np.full(100, 1e-7))))
    widths = drawn["right"] - drawn["left"]
    assert widths.min() > 8.0 / 200
    assert drawn["share"].max() == pytest.approx(1.0, rel=1e-4)


def test_relu_has_a_dead_zone_below_zero():
    values = np.random.default_rng(0).normal(-0.5, 1.0, size=20_000)
    (zone,) = activation.zones(curve("relu", values))
    assert (zone.kind, zone.low, zone.high) == ("dead", -math.inf, 0.0)
    assert zone.share == pytest.approx((values < 0.0).mean(), abs=0.01)


def test_tanh_saturates_at_both_ends():
    values = np.random.default_rng(0).normal(0.0, 2.0, size=20_000)
    left, right = activation.zones(curve("tanh", values))
    assert left.kind == right.kind == "saturated"
    # Where 1 - tanh(x)^2 is a twentieth.
    assert right.low == pytest.approx(math.atanh(math.sqrt(0.95)), abs=0.04)
    assert left.high == pytest.approx(-right.low, abs=1e-6)
    assert right.share == pytest.approx((values > right.low).mean(), abs=0.01)


@pytest.mark.parametrize("name", ["linear", "softmax"])
def test_no_zones_where_flatness_means_nothing(name):
    assert activation.zones(curve(name)) == []


def test_training_frame_is_the_curve():
    drawn = training.frame(trained(250))
    np.testing.assert_array_equal(drawn["loss"], trained(250).loss)
    np.testing.assert_array_equal(drawn["val_steps"], [100.0, 200.0])


def test_long_curves_are_thinned_without_moving_old_points():
    x = np.arange(10_000, dtype=np.float32)
    noisy = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    steps, means = training.thinned(x, noisy)
    together = 32
    assert steps.size == math.ceil(10_000 / together) <= 400
    np.testing.assert_allclose(means[0], noisy[:together].mean(), atol=1e-6)
    earlier_steps, earlier = training.thinned(x[:9_600], noisy[:9_600])
    np.testing.assert_allclose(means[: earlier.size], earlier)
    np.testing.assert_allclose(steps[: earlier.size], earlier_steps)


def test_a_broken_loss_stays_broken_when_thinned():
    x = np.arange(2_000, dtype=np.float32)
    values = np.ones(2_000, dtype=np.float32)
    values[1_500:] = np.nan
    _, means = training.thinned(x, values)
    assert np.isnan(means[-1])
    assert means[0] == 1.0


# What is said


def test_the_weight_sentence_holds_the_numbers():
    view = layer()
    said = weights.sentence(view)
    assert "GlorotUniform" in said
    assert "0.144" in said  # sqrt(2 / (64 + 32))
    assert "2,048" in said
    assert "fan-in 64" in weights.detail(view.weights[0])
    assert "exactly 0" in weights.sentence(view, "bias")


def test_changed_weights_are_told_apart_from_chance():
    values = initializers.GlorotUniform(seed=1)((64, 32))
    wider = weights.sentence(layer(weights=(weight(values=1.5 * values),)))
    narrower = weights.sentence(layer(weights=(weight(values=0.5 * values),)))
    assert "wider than chance" in wider
    assert "narrower than chance" in narrower
    assert "than chance" not in weights.sentence(layer())


def test_a_layer_without_weights_says_so():
    said = weights.sentence(ODD_LAYERS["no weights, no activation"])
    assert said == "Flatten has no weights."


def test_the_activation_sentence_names_the_dead():
    values = np.random.default_rng(0).normal(-1.0, 0.5, size=5_000)
    said = activation.sentence(layer(activation=curve("relu", values, dead=0.25)))
    assert "25\u202f% of the units are dead" in said
    assert f"{100.0 * (values < 0).mean():.0f}\u202f% fall below 0" in said


def test_softmax_is_explained():
    assert "one coordinate" in activation.sentence(layer(activation=curve("softmax", X)))


def test_many_zeros_are_mentioned():
    share, reach = outputs.share_near_zero(layer().output or histogram([]))
    assert share == pytest.approx(0.5, abs=0.03)
    assert "zero" in outputs.sentence(layer())
    assert 0.0 < reach < 0.2


@pytest.mark.parametrize("module", [weights, activation, outputs])
@pytest.mark.parametrize("case", ODD_LAYERS)
def test_words_and_frames_exist_for_every_layer(module, case):
    view = ODD_LAYERS[case]
    assert module.sentence(view)
    assert isinstance(module.frame(view), dict)
    for name, value in module.table(view):
        assert name
        assert value


@pytest.mark.parametrize("steps", [0, 1, 250])
@pytest.mark.parametrize("status", ["idle", "running", "paused", "finished", "failed"])
def test_training_words(steps, status):
    assert training.sentence(trained(steps, status))
    assert len(training.table(trained(steps, status))) == steps // 100


# What is shown


def shown(*lenses: Any) -> Document:
    document = Document()
    document.add_root(pn.Column(*lenses).get_root(document))
    return document


def test_every_lens_renders():
    session = session_of(layer())
    document = shown(*(lens(session) for lens in LAYER_LENSES), TrainingLens(session))
    assert document.roots
    document.validate()


@pytest.mark.parametrize("lens_class", LAYER_LENSES)
@pytest.mark.parametrize("case", ODD_LAYERS)
def test_no_layer_makes_a_lens_fall_over(lens_class, case):
    odd = replace(ODD_LAYERS[case], id="odd")
    session = session_of(layer(), odd)
    lens = lens_class(session)
    shown(lens)
    session.selected = "odd"
    assert lens.body.caption.content["sentence"]
    lens.body.numbers.opened = True
    session.selected = "dense"
    assert lens.body.caption.content["subject"].endswith(" of dense")
    session.selected = "gone"
    assert lens.body.caption.content["sentence"]
    session.snapshot = None
    assert not lens.body.numbers.available


def test_lenses_follow_the_snapshot():
    session = session_of(layer())
    lens = HistogramLens(session)
    values = np.random.default_rng(5).uniform(2.0, 3.0, size=(64, 32))
    session.snapshot = session_of(layer(output=histogram(values))).snapshot
    bars = lens.picture.bars
    assert column(bars, "left")[0] == pytest.approx(2.0, abs=0.02)
    assert column(bars, "share").sum() == pytest.approx(1.0, rel=1e-5)
    assert column(lens.picture.marker, "mean")[0] == pytest.approx(values.mean())


def test_figures_and_sources_are_made_once():
    session = session_of(layer(), replace(ODD_LAYERS["nan"], id="odd"))
    lenses = [lens(session) for lens in LAYER_LENSES]
    document = shown(*lenses)
    models = {model.id for model in document.models}
    for selected in ("odd", "dense", "odd", "dense"):
        session.selected = selected
    assert {model.id for model in document.models} == models


def test_the_last_good_picture_stays_when_a_layer_breaks():
    session = session_of(layer())
    lens = HistogramLens(session)
    before = column(lens.picture.bars, "top").copy()
    broken = replace(ODD_LAYERS["problem"], id="dense")
    session.snapshot = session_of(broken).snapshot
    assert lens.body.caption.content["sentence"] == "needs a flat input"
    np.testing.assert_array_equal(column(lens.picture.bars, "top"), before)


def test_another_layer_that_is_broken_shows_nothing_of_the_first():
    session = session_of(layer(), replace(ODD_LAYERS["problem"], id="odd"))
    lens = HistogramLens(session)
    session.selected = "odd"
    assert not column(lens.picture.bars, "top").size


def test_stale_work_dims_the_lens():
    session = session_of(layer())
    lens = HistogramLens(session)
    session.stale = True
    assert lens.body.caption.stale
    session.stale = False
    assert not lens.body.caption.stale


def test_the_table_is_filled_only_when_it_is_read():
    session = session_of(layer())
    lens = HistogramLens(session)
    assert lens.body.numbers.available
    assert lens.body.numbers.rows == []
    lens.body.numbers.opened = True
    assert ("Values", "5,000") in lens.body.numbers.rows


def test_training_lens_follows_training():
    session = session_of(layer())
    lens = TrainingLens(session)
    assert "Train" in lens.body.caption.content["sentence"]
    session.training = trained(250)
    np.testing.assert_allclose(column(lens.loss.line, "y"), trained(250).loss)
    assert column(lens.accuracy.points, "x").tolist() == [100.0, 200.0]
    session.training = TrainingState()
    assert not column(lens.loss.line, "y").size


def test_a_diverged_training_does_not_raise():
    session = session_of(layer())
    lens = TrainingLens(session)
    state = trained(20)
    loss = state.loss.copy()
    loss[10:] = np.nan
    session.training = replace(state, loss=loss)
    assert "smaller learning rate" in lens.body.caption.content["sentence"]


# Axes


def test_axes_keep_still_under_small_changes():
    session = session_of(layer())
    lens = HistogramLens(session)
    values = np.random.default_rng(0).normal(size=(64, 32))
    axis = lens.picture.figure.x_range
    assert isinstance(axis, Range1d)
    ends = set()
    for factor in (1.0, 0.97, 1.02, 0.95, 1.0):
        session.snapshot = session_of(layer(output=histogram(factor * values))).snapshot
        ends.add((axis.start, axis.end))
    assert len(ends) <= 2


@pytest.mark.parametrize("low", [-3.217, -1e-9, 0.0, 4.4e7])
@pytest.mark.parametrize("span", [0.0, 1e-12, 0.031, 9e8])
def test_round_ends_hold_the_values(low, span):
    start, end = figure.round_outward(low, low + span)
    rounding = 1e-9 * (end - start)
    assert start - rounding <= low
    assert low + span <= end + rounding
    assert start < end


def test_only_changed_columns_are_replaced():
    source = figure.empty_source("a", "b")
    figure.replace_data(source, {"a": np.arange(30.0), "b": np.arange(30.0)})
    kept = source.data["a"]
    figure.replace_data(source, {"a": np.arange(30.0), "b": np.zeros(30)})
    assert source.data["a"] is kept
    assert not np.any(source.data["b"])
