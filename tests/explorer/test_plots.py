"""The numbers of a plot are those of what it shows."""

from __future__ import annotations

import doctest
import importlib
import sys

import holoviews as hv
import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Sequential, layers
from layerscope_explorer import plots
from layerscope_explorer.plots.house import _without
from processes import run


def values(element: object, axis: int = 1) -> np.ndarray:
    return np.asarray(element.dimension_values(axis), np.float64)  # pyright: ignore


@pytest.fixture
def model() -> Sequential:
    ls.utils.set_random_seed(1)
    return Sequential(
        [
            Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(5, activation="tanh", bias_regularizer="l1", name="dense"),
        ]
    )


def test_the_first_curve_does_not_wait_for_machine_code() -> None:
    code = """
import layerscope as ls
from layerscope.compiled import activations
from layerscope_explorer.curves import curve_of
for name in ls.activations.ACTIVATIONS:
    curve_of(ls.activations.get(name), -2, 2, 3)
loops = [one.loop for one in vars(activations).values() if hasattr(one, "loop")]
assert len(loops) > 10
assert not any(loop.signatures for loop in loops), loops
"""
    run(code)


def test_what_takes_long_to_import_is_not_imported() -> None:
    sys.modules.pop("this", None)
    with _without("this"), pytest.raises(ImportError):
        importlib.import_module("this")
    assert "this" not in sys.modules
    with _without("math"):
        assert importlib.import_module("math").pi > 3


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "softplus", "selu"])
def test_activation(name: str) -> None:
    line, slope = plots.plot_activation(name, low=-2.0, high=3.0)
    x = values(line, 0)
    function = ls.activations.get(name)
    np.testing.assert_allclose(values(line), np.asarray(function(x.astype("float32"))), atol=1e-6)
    middle = (values(line)[2:] - values(line)[:-2]) / (x[2:] - x[:-2])
    assert np.median(np.abs(middle - values(slope)[1:-1])) < 1e-3


def test_activation_of_a_layer_over_its_values() -> None:
    measured, line, _ = plots.plot_activation(layers.LeakyReLU(0.25), np.arange(100.0))
    assert values(line)[0] == pytest.approx(-1.25)
    assert measured.edges[0] <= 0.0
    assert measured.edges[-1] >= 99.0
    line, _ = plots.plot_activation(layers.Dense(2, activation="elu"))
    assert line.label == "elu"


def test_initializer_and_density() -> None:
    measured, exact = plots.plot_initializer("glorot_uniform", (30, 20))
    limit = np.sqrt(6 / 50)
    assert np.abs(values(exact, 0)).max() == pytest.approx(limit, rel=1e-3)
    assert np.sum(values(measured) * np.diff(measured.edges)) == pytest.approx(1.0, abs=1e-4)
    assert len(list(plots.plot_initializer("zeros", (3, 4)))) == 1


def test_regularizer() -> None:
    line, slope = plots.plot_regularizer(ls.regularizers.L1L2(0.1, 0.2))
    x = values(line, 0)
    np.testing.assert_allclose(values(line), 0.1 * np.abs(x) + 0.2 * x**2, atol=1e-5)
    np.testing.assert_allclose(
        values(slope)[x != 0], (0.1 * np.sign(x) + 0.4 * x)[x != 0], atol=1e-5
    )
    (line,) = plots.plot_regularizer(ls.regularizers.OrthogonalRegularizer(0.5))
    assert values(line)[len(values(line)) // 2] == pytest.approx(0.0, abs=1e-6)
    assert values(line)[0] == pytest.approx(0.5 * 1.0, rel=1e-5)


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_constraint(name: str) -> None:
    _, before, after = plots.plot_constraint(name)
    made = ls.constraints.get(name)
    pairs = np.stack([values(before, 0), values(before, 1)]).astype(np.float32)
    expected = np.asarray(made(pairs))
    np.testing.assert_allclose(np.stack([values(after, 0), values(after, 1)]), expected, atol=1e-6)


def test_weights(model: Sequential) -> None:
    kernel = model.layers[0].weights[0]
    measured, _ = plots.plot_weights(model.layers[0])
    assert measured.edges[0] <= np.min(kernel.value) <= measured.edges[1]
    assert measured.edges[-2] <= np.max(kernel.value) <= measured.edges[-1]
    assert len(plots.plot_weights(model)) == 4
    assert isinstance(plots.plot_weights(kernel), hv.Overlay)
    with pytest.raises(ValueError, match="has no weights"):
        plots.plot_weights(layers.Dense(3))
    with pytest.raises(ValueError, match=r"must be one of kernel, bias\. Received: name='gamma'"):
        plots.plot_weights(model.layers[0], "gamma")


def test_signal_is_that_of_the_model(model: Sequential) -> None:
    x = np.random.default_rng(0).standard_normal((32, 6, 6, 2), dtype=np.float32)
    strips, spread = plots.plot_signal(model, x)
    outputs = [x]
    for layer in model.layers:
        outputs.append(np.asarray(layer(outputs[-1])))
    line, slopes = spread
    np.testing.assert_allclose(values(line), [one.std() for one in outputs[1:]], rtol=1e-4)
    direction = np.random.default_rng(0).standard_normal((32, 5), dtype=np.float32)
    assert values(slopes)[-1] == pytest.approx(direction.std(), rel=1e-4)
    assert len(strips.data) == 3


def test_outputs_shapes_and_penalties(model: Sequential) -> None:
    x = np.random.default_rng(0).standard_normal((4, 6, 6, 2), dtype=np.float32)
    maps = plots.plot_outputs(model, x, "conv", sample=2)
    expected = np.asarray(model.layers[0](x))[2]
    assert len(maps) == 3
    first = next(iter(maps))
    drawn = first.dimension_values(2, flat=False)[::-1]
    np.testing.assert_allclose(drawn, expected[..., 0], rtol=1e-6)
    bars = plots.plot_outputs(model, x, sample=1)
    np.testing.assert_allclose(values(bars), np.asarray(model(x))[1], rtol=1e-5)
    given, parameters = plots.plot_shapes(model)
    assert values(given).tolist() == [48, 48, 5]
    assert values(parameters).tolist() == [57, 0, 245]
    kernel = np.asarray(model.layers[0].weights[0].value)
    penalty = plots.plot_penalty(model)
    np.testing.assert_allclose(values(penalty), [0.01 * np.sum(kernel**2), 0, 0], rtol=1e-5)
    with pytest.raises(ValueError, match="must be one of conv, flat, dense"):
        plots.plot_outputs(model, x, "other")
    with pytest.raises(ValueError, match="from 0 to 3"):
        plots.plot_outputs(model, x, sample=4)


def test_sequences_are_traces() -> None:
    model = Sequential([Input((7, 2)), layers.Dense(3)])
    lines = plots.plot_outputs(model, np.ones((1, 7, 2), "float32"))
    assert [len(values(line)) for line in lines] == [7, 7, 7]


def test_everything_can_be_drawn_and_combined(model: Sequential) -> None:
    row = plots.plot_activation("relu") + plots.plot_initializer("he_normal", (8, 4))
    both = plots.plot_activation("relu") * plots.plot_activation("gelu")
    for plot in (
        row,
        both,
        plots.plot_signal(model),
        plots.plot_outputs(model),
        plots.plot_constraint("max_norm"),
    ):
        assert hv.render(plot, backend="bokeh") is not None


def test_what_cannot_be_drawn_says_why() -> None:
    with pytest.raises(ValueError, match=r"low=2\.0, high=1\.0"):
        plots.plot_activation("relu", low=2.0, high=1.0)
    with pytest.raises(ValueError, match="`regularizer` must be given"):
        plots.plot_regularizer(None)
    with pytest.raises(ValueError, match="`constraint` must be given"):
        plots.plot_constraint(None)
    with pytest.raises(ValueError, match="must know its inputs"):
        plots.plot_signal(Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match=r"must be a Model\. Received: int"):
        plots.plot_shapes(3)


@pytest.mark.parametrize("name", ["parts", "stacks"])
def test_the_examples_in_the_documentation(name: str) -> None:
    module = importlib.import_module(f"layerscope_explorer.plots.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 3
    assert result.failed == 0
