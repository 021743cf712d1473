from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope_explorer import document as edits
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.curves import curve_of, flat_shares, is_elementwise
from layerscope_explorer.data import digits_data
from layerscope_explorer.document import Document, digits_stack
from layerscope_explorer.engine import Engine, _forward, make_layer
from layerscope_explorer.lenses.activation import sentence
from layerscope_explorer.limits import MAX_PARAMETERS


def picture(document: Document, engine: Engine | None = None):
    return (engine or Engine(digits_data())).snapshot(document)


def test_numbers_are_the_models_own() -> None:
    document = digits_stack()
    names = document.names()
    model = ls.Sequential([ls.Input((8, 8, 1))])
    for spec in document.layers:
        model.add(make_layer(document, spec, names[spec.id]))
    snapshot = picture(document)
    assert snapshot.total_params == model.count_params()
    value = digits_data().sample
    for view, layer in zip(snapshot.layers, model.layers, strict=True):
        value = layer(value)
        assert view.output is not None
        assert view.output_shape == layer.output_shape
        assert view.params == layer.count_params()
        assert view.output.mean == pytest.approx(float(value.mean()), abs=0.02)
        for seen, weight in zip(view.weights, layer.weights, strict=True):
            assert seen.histogram.std == pytest.approx(float(weight.value.std()), abs=1e-5)


@pytest.mark.parametrize("name", layerscope_catalogue().layers)
def test_what_is_shown_is_what_the_layer_gives(name: str) -> None:
    cls: Any = layerscope_catalogue().layer(name)
    for example in cls.examples:
        if isinstance(example.input_shape, list) or example.arguments.get("return_state"):
            continue
        layer = cls(**example.arguments)
        x = np.random.default_rng(0).normal(size=example.input_shape).astype("float32")
        if example.integers is not None:
            x = np.abs(x).astype("int32")
        elif example.words is not None:
            x = np.random.default_rng(0).choice(example.words, example.input_shape)
        layer(x)
        # A layer that draws goes on drawing.
        expected = copy.deepcopy(layer)(x)
        if isinstance(expected, np.ndarray) and expected.dtype.kind != "U":
            np.testing.assert_allclose(_forward(layer, x)[1], expected, rtol=1e-6)


def test_masks_reach_the_layers_below() -> None:
    document = Document(layers=())
    for place, (kind, arguments) in enumerate(
        [
            ("Reshape", {"target_shape": [8, 8]}),
            ("Masking", {}),
            ("Dense", {"units": 4, "activation": "relu"}),
            ("GRU", {"units": 3}),
        ]
    ):
        document = edits.add_layer(document, kind, place, arguments)
    names = document.names()
    model = ls.Sequential([ls.Input((8, 8, 1))])
    for spec in document.layers:
        model.add(make_layer(document, spec, names[spec.id]))
    shown = picture(document).layers[-1].output
    assert shown is not None
    expected = float(model(digits_data().sample).mean())
    assert shown.mean == pytest.approx(expected, abs=1e-4)


def test_only_what_changed_is_computed_again() -> None:
    engine = Engine(digits_data())
    first = engine.snapshot(digits_stack())
    second = engine.snapshot(edits.set_argument(digits_stack(), "layer4", "units", 32))
    assert [a is b for a, b in zip(first.layers, second.layers, strict=True)] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_layers_weights_do_not_depend_on_its_neighbours() -> None:
    # Removing a pooling of size one changes nothing for the layers below.
    plain = picture(digits_stack()).layers[0].weights[0].histogram
    longer = picture(edits.add_layer(digits_stack(), "Dense", 5)).layers[0].weights[0].histogram
    np.testing.assert_array_equal(plain.counts, longer.counts)
    other = picture(edits.set_seed(digits_stack(), 1)).layers[0].weights[0].histogram
    assert other.mean != plain.mean


@pytest.mark.parametrize(
    ("change", "guilty", "argument", "words"),
    [
        (("layer1", "kernel_size", [9, 9]), "layer1", "kernel_size", "9×9 does not fit"),
        (("layer2", "pool_size", [7, 7]), "layer2", "pool_size", "7×7 does not fit"),
        (("layer1", "groups", 4), "layer1", "groups", "4 equal groups"),
        (("layer4", "units", 10**9), "layer4", None, f"{MAX_PARAMETERS:,}"),
    ],
)
def test_a_problem_names_the_layer_and_the_argument(
    change: tuple[str, str, object], guilty: str, argument: str | None, words: str
) -> None:
    document = edits.set_argument(digits_stack(), *change)
    snapshot = picture(document)
    view = snapshot.layer(guilty)
    assert view is not None
    assert view.problem is not None
    assert view.problem.argument == argument
    assert words in view.problem.message
    assert view.name in view.problem.message
    below = snapshot.layers[document.index(guilty) + 1 :]
    assert [one.health for one in below] == ["off"] * len(below)
    assert all(one.detail or one.class_name == "Flatten" for one in below)


def test_an_image_layer_after_flatten_is_explained() -> None:
    snapshot = picture(edits.add_layer(digits_stack(), "Conv2D", 3))
    problem = snapshot.layers[3].problem
    assert problem is not None
    assert "needs images" in problem.message
    assert "144" in problem.message


def test_reshape_that_does_not_fit_is_explained() -> None:
    document = edits.add_layer(digits_stack(), "Reshape", 3, {"target_shape": [5, 5]})
    problem = picture(document).layers[3].problem
    assert problem is not None
    assert problem.argument == "target_shape"
    assert "(5, 5)" in problem.message


def test_the_wrong_number_of_outputs_is_said() -> None:
    snapshot = picture(edits.remove_layer(digits_stack(), "layer5"))
    assert "10" in snapshot.sentence
    assert "64" in snapshot.sentence


def test_dead_and_exploding_layers_are_marked() -> None:
    dead = {"class_name": "Constant", "config": {"value": -9.0}}
    view = picture(edits.set_argument(digits_stack(), "layer4", "bias_initializer", dead)).layers[3]
    assert view.health == "bad"
    assert view.activation is not None
    assert view.activation.dead == 1.0
    huge = {"class_name": "RandomNormal", "config": {"stddev": 1e30}}
    document = edits.set_argument(digits_stack(), "layer1", "kernel_initializer", huge)
    document = edits.set_argument(document, "layer4", "kernel_initializer", huge)
    assert {view.health for view in picture(document).layers} >= {"bad"}


@pytest.mark.parametrize("class_name", sorted(layerscope_catalogue().layers))
def test_every_layer_anywhere_gives_a_picture_or_a_plain_reason(class_name: str) -> None:
    engine = Engine(digits_data())
    for position in range(6):
        snapshot = engine.snapshot(edits.add_layer(digits_stack(), class_name, position))
        view = snapshot.layers[position]
        assert (view.output is None) == (view.problem is not None)
        if view.problem is not None:
            assert view.name in view.problem.message
        else:
            assert view.output_shape is not None
            assert view.health in ("ok", "warn", "bad")


def test_the_palette_has_layers_of_one_input() -> None:
    offered = set(layerscope_catalogue().layers)
    assert {"Masking", "Embedding", "TimeDistributed", "Lambda"} <= offered
    assert not {"Add", "Concatenate", "Dot"} & offered


def test_numbers_without_a_vector_are_a_plain_reason() -> None:
    arguments = {"input_dim": 1, "output_dim": 2}
    view = picture(edits.add_layer(digits_stack(), "Embedding", 0, arguments)).layers[0]
    assert view.problem is not None
    assert "has no vector for" in view.problem.message


def test_a_function_that_cannot_be_followed_is_a_plain_reason() -> None:
    document = edits.add_layer(digits_stack(), "Lambda", 0, {"function": "matmul"})
    view = picture(document).layers[0]
    assert view.problem is not None
    assert "`output_shape`" in view.problem.message


def test_a_layer_of_several_outputs_is_a_plain_reason() -> None:
    document = Document()
    for class_name, arguments in (
        ("Flatten", {}),
        ("RepeatVector", {"n": 2}),
        ("GRU", {"units": 2, "return_state": True}),
    ):
        document = edits.add_layer(document, class_name, arguments=arguments)
    view = picture(document).layers[2]
    assert view.problem is not None
    assert "2 outputs" in view.problem.message


def test_an_activation_layer_shows_its_curve() -> None:
    document = edits.add_layer(digits_stack(), "Activation", 4, {"activation": "tanh"})
    view = picture(document).layers[4]
    assert view.activation is not None
    np.testing.assert_allclose(view.activation.y, np.tanh(view.activation.x), rtol=1e-5)
    assert view.activation.inputs is not None


def test_empty_stack_has_a_picture_too() -> None:
    snapshot = picture(Document())
    assert snapshot.layers == ()
    assert snapshot.sentence


def test_trained_weights_are_shown_and_wrong_shapes_ignored() -> None:
    ones = [np.ones((144, 64), np.float32), np.zeros(64, np.float32)]
    snapshot = Engine(digits_data()).snapshot(digits_stack(), {"layer4": ones})
    assert snapshot.layers[3].weights[0].histogram.mean == 1.0
    snapshot = Engine(digits_data()).snapshot(digits_stack(), {"layer4": ones[:1]})
    assert snapshot.layers[3].weights[0].histogram.mean != 1.0


def test_curve_and_slope_of_known_functions() -> None:
    curve = curve_of(ls.activations.tanh, -2, 2, 1)
    np.testing.assert_allclose(curve.y, np.tanh(curve.x), rtol=1e-5)
    np.testing.assert_allclose(curve.derivative, 1 - np.tanh(curve.x) ** 2, atol=1e-5)
    soft = curve_of(ls.activations.softmax, -2, 2, 10)
    expected = np.exp(soft.x) / (np.exp(soft.x) + 9)
    np.testing.assert_allclose(soft.y, expected, rtol=1e-4)
    np.testing.assert_allclose(soft.derivative, expected * (1 - expected), atol=1e-5)


def test_elementwise_is_found_out_by_trying() -> None:
    assert is_elementwise(ls.activations.relu)
    assert not is_elementwise(ls.activations.softmax)


def test_dead_units_are_those_with_no_slope_on_any_sample() -> None:
    inputs = np.array([[-1.0, 1.0, -2.0], [-3.0, 2.0, 4.0]], np.float32)
    dead, _ = flat_shares(ls.activations.relu, inputs)
    assert dead == pytest.approx(1 / 3)


def test_a_recurrent_layer_says_where_its_activations_are() -> None:
    document = edits.add_layer(Document(layers=()), "Reshape", 0, {"target_shape": [8, 8]})
    document = edits.add_layer(document, "LSTM", 1, {"units": 3})
    view = picture(document).layers[1]
    assert view.activation is None
    assert sentence(view).startswith("LSTM applies its activations inside")
