from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.structure import leaves
from layerscope_explorer import edits, steps
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.curves import curve_of, flat_shares, is_elementwise
from layerscope_explorer.data import digits_data
from layerscope_explorer.diagnosis.readings import own_slopes
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.engine import Engine, make_layer
from layerscope_explorer.lenses.activation import sentence
from layerscope_explorer.limits import MAX_PARAMETERS
from layerscope_explorer.making import arguments_of
from layerscope_explorer.model import model_of
from layerscope_explorer.presets import digits_stack, on_noise, why_did_it_die
from layerscope_explorer.steps import Step, call_layer, forward


def picture(document: Document, engine: Engine | None = None):
    return (engine or Engine()).snapshot(document)


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
        shape = example.input_shape
        shapes: Any = shape if isinstance(shape, list) else [shape]
        generator = np.random.default_rng(0)
        inputs = [generator.normal(size=one).astype("float32") for one in shapes]
        if example.integers is not None:
            inputs = [np.abs(one).astype("int32") for one in inputs]
        elif example.words is not None:
            inputs = [generator.choice(example.words, one) for one in shapes]
        layer = cls(**example.arguments)
        layer.build(*arguments_of(layer, shapes))
        expected = leaves(call_layer(layer, inputs, training=False))
        for _ in range(2):
            found = forward(layer, inputs, training=False)
            for one, other in zip((found["output"], *found["more_outputs"]), expected, strict=True):
                if one.dtype.kind == "U":
                    np.testing.assert_array_equal(one, other)
                else:
                    np.testing.assert_allclose(one, other, rtol=1e-6)
        # What is random in training is drawn the same again.
        first, again = (forward(layer, inputs, training=True)["output"] for _ in range(2))
        np.testing.assert_array_equal(first, again)


def test_gradients_are_the_models_own() -> None:
    document = edits.add_layer(why_did_it_die(), "Add", 4, None, ["layer2"])
    document = edits.share_layer(document, "layer3", 6)
    for spec in document.layers:
        if spec.class_name == "Dense" and not spec.shares:
            document = edits.set_argument(document, spec.id, "kernel_initializer", "glorot_normal")
    stack: Any = picture(document).stack
    data = stack.data
    model, layers = model_of(document, data)
    assert data.labels is not None
    with ls.GradientTape() as tape:
        x = tape.watch(data.sample)
        loss = ls.losses.sparse_categorical_crossentropy(data.labels, model(x, training=True))
    weights = layers["layer3"].trainable_weights
    of_input, *of_weights = tape.gradient(loss, [x, *weights])
    found = stack.gradients[INPUT].output
    np.testing.assert_allclose(found, of_input, rtol=1e-3, atol=1e-6)
    shared = ["layer3", *(one.id for one in document.layers if one.shares)]
    sums = [sum(stack.gradients[one].weights[k] for one in shared) for k in range(2)]
    for one, other in zip(sums, of_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_attention_between_two_cards_of_a_stack() -> None:
    document = edits.add_layer(digits_stack(), "Reshape", 0, {"target_shape": [8, 8]})
    query = document.layers[0].id
    options = {"num_heads": 2, "key_dim": 4, "use_gate": True}
    document = edits.add_layer(document, "MultiHeadAttention", 1, options, [query])
    document = edits.add_layer(document, "Reshape", 2, {"target_shape": [8, 8, 1]})
    attention = document.layers[1].id
    snapshot: Any = picture(document)
    model, made = model_of(document, snapshot.stack.data)
    x = snapshot.stack.data.sample
    images = x.reshape(-1, 8, 8)
    expected = made[attention](images, images)
    np.testing.assert_allclose(snapshot.stack.output(attention), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(snapshot.stack.steps[-1].output, model(x), rtol=1e-4, atol=1e-5)


def test_bypassed_and_shared_layers() -> None:
    plain: Any = picture(why_did_it_die())
    document = edits.set_bypassed(why_did_it_die(), "layer3", True)
    passed: Any = picture(document)
    assert passed.layers[2].bypassed
    assert passed.layers[2].output is None
    assert passed.layers[2].output_shape == (None, 64)
    assert passed.layers[3].output.std > 5 * plain.layers[3].output.std
    shared = picture(edits.share_layer(why_did_it_die(), "layer3", 4))
    assert shared.total_params == plain.total_params
    steps = {step.spec.id: step for step in shared.stack}
    assert steps["layer11"].layer is steps["layer3"].layer


def test_the_phase_decides_what_noise_does() -> None:
    document = edits.add_layer(digits_stack(), "Dropout", 4, {"rate": 0.5})
    training: Any = picture(document)
    inference: Any = picture(edits.set_phase(document, "inference"))
    zeros = [float(np.mean(one.stack.step("layer6").output == 0)) for one in (training, inference)]
    assert zeros[0] > zeros[1] + 0.2


@pytest.mark.parametrize("shape", [(5,), (6, 3), (5, 5, 2), (3, 4, 4, 2)])
def test_noise_of_any_shape_can_be_shown(shape: tuple[int, ...]) -> None:
    snapshot: Any = picture(on_noise(edits.add_layer(Document(), "Dense"), *shape))
    assert snapshot.input.output_shape == (None, *shape)
    assert snapshot.layers[0].output_shape[:-1] == (None, *shape[:-1])
    assert snapshot.loss is None
    assert snapshot.layers[0].gradient is not None


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
    engine = Engine()
    first = engine.snapshot(digits_stack())
    second = engine.snapshot(edits.set_argument(digits_stack(), "layer4", "units", 32))
    pairs = zip(first.stack.steps, second.stack.steps, strict=True)
    assert [a is b for a, b in pairs] == [True, True, True, False, False]


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
        (("layer4", "lora_rank", 10**9), "layer4", None, f"{MAX_PARAMETERS:,}"),
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
    position = random.Random(class_name).randrange(6)
    snapshot = picture(edits.add_layer(digits_stack(), class_name, position))
    view = snapshot.layers[position]
    assert (view.output is None) == (view.problem is not None)
    if view.problem is not None:
        assert view.name in view.problem.message
    else:
        assert view.output_shape is not None
        assert view.health in ("ok", "warn", "bad")


def test_the_palette_has_every_layer() -> None:
    offered = set(layerscope_catalogue().layers)
    assert {"Masking", "Embedding", "TimeDistributed", "Lambda", "Add", "RNN", "Dot"} <= offered


def test_numbers_without_a_vector_are_a_plain_reason() -> None:
    arguments = {"input_dim": 1, "output_dim": 2}
    document = edits.set_argument(digits_stack(), INPUT, "data", "tokens")
    view = picture(edits.add_layer(document, "Embedding", 0, arguments)).layers[0]
    assert view.problem is not None
    assert "token 19" in view.problem.message


def test_a_function_that_cannot_be_followed_is_a_plain_reason() -> None:
    document = edits.add_layer(digits_stack(), "Lambda", 0, {"function": "matmul"})
    view = picture(document).layers[0]
    assert view.problem is not None
    assert view.problem.argument == "output_shape"


def test_of_several_outputs_the_first_goes_on() -> None:
    document = Document()
    for class_name, arguments in (
        ("Flatten", {}),
        ("RepeatVector", {"n": 2}),
        ("GRU", {"units": 2, "return_state": True}),
        ("Dense", {"units": 3}),
    ):
        document = edits.add_layer(document, class_name, arguments=arguments)
    views = picture(document).layers
    assert views[2].output_shape == (None, 2)
    assert views[2].more_outputs == ((None, 2),)
    assert views[3].output_shape == (None, 3)


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
    snapshot = Engine().snapshot(digits_stack(), {"layer4": ones})
    assert snapshot.layers[3].weights[0].histogram.mean == 1.0
    snapshot = Engine().snapshot(digits_stack(), {"layer4": ones[:1]})
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


def test_slopes_of_an_activation_are_its_derivatives_on_the_data() -> None:
    def found(step: Step) -> np.ndarray:
        slopes = own_slopes(step)
        assert slopes is not None
        return slopes

    document = edits.add_layer(Document(), "Dense", None, {"units": 5, "activation": "tanh"})
    document = edits.add_layer(document, "LeakyReLU", None, {"negative_slope": 0.25})
    document = edits.add_layer(document, "Softmax", None)
    dense, leaky, softmax = Engine().snapshot(on_noise(document, 6)).stack.steps
    assert dense.before is not None
    assert leaky.before is not None
    np.testing.assert_allclose(found(dense), 1 - np.tanh(dense.before) ** 2, atol=1e-6)
    np.testing.assert_array_equal(found(leaky), np.where(leaky.before < 0, 0.25, 1.0))
    assert own_slopes(softmax) is None


def test_loading_a_layer_s_machine_code_is_not_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.040, 1.0, 1.002, 2.0, 2.003])
    monkeypatch.setattr(steps, "_CALLED", set())
    monkeypatch.setattr(steps, "perf_counter", lambda: next(times))
    layer = ls.layers.Dense(3)
    x = np.ones((2, 4), np.float32)
    layer(x)
    assert [forward(layer, [x], True)["milliseconds"] for _ in range(2)] == pytest.approx([2, 3])


def test_dead_units_are_those_with_no_slope_on_any_sample() -> None:
    slopes = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]], np.float32)
    dead, _ = flat_shares(slopes)
    assert dead == pytest.approx(1 / 3)


def test_a_recurrent_layer_says_where_its_activations_are() -> None:
    document = edits.add_layer(Document(layers=()), "Reshape", 0, {"target_shape": [8, 8]})
    document = edits.add_layer(document, "LSTM", 1, {"units": 3})
    view = picture(document).layers[1]
    assert view.activation is None
    assert sentence(view).startswith("LSTM applies its activations inside")
