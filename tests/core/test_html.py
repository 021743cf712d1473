"""What a notebook shows of models, layers and parts."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from html_reader import Reader
from layerscope import Input, Sequential, layers
from layerscope.html import html_table, sparkline


def test_a_model_is_a_table_of_its_layers() -> None:
    model = Sequential([Input((4,)), layers.Dense(3, name="first"), layers.ReLU(name="second")])
    page = Reader(model._repr_html_())
    for word in ("first", "Dense", "(None, 3)", "15", "second", "ReLU", "0"):
        assert word in page.texts
    assert page.tags.count("svg") == 1
    assert any("15" in one and "parameters" in one for one in page.texts)


def test_a_layer_shows_its_weights() -> None:
    layer = layers.Dense(3, name="mine")
    assert "no weights yet" in layer._repr_html_()
    layer.build((None, 4))
    page = Reader(layer._repr_html_())
    for word in ("kernel", "(4, 3)", "GlorotUniform", "bias"):
        assert any(word in one for one in page.texts)
    assert page.tags.count("svg") == 2


@pytest.mark.parametrize("name", ["he_normal", "zeros", "orthogonal", "identity"])
def test_an_initializer_shows_what_it_draws(name: str) -> None:
    page = Reader(ls.initializers.get(name)._repr_html_())
    assert "svg" in page.tags


def test_an_initializer_that_draws_nothing_is_shown_without() -> None:
    class Mine(ls.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            raise ValueError("only for some shapes")

    assert "svg" not in Mine()._repr_html_()


def test_showing_draws_no_seed() -> None:
    def drawn(shown: bool) -> list[np.ndarray]:
        ls.utils.set_random_seed(3)
        first = ls.initializers.RandomNormal()
        if shown:
            assert "svg" in first._repr_html_()
        return [first((3,)), ls.initializers.RandomNormal()((3,))]

    np.testing.assert_array_equal(drawn(True), drawn(False))


def test_showing_leaves_a_generator_where_it_is() -> None:
    generator = ls.random.SeedGenerator(5)
    ls.initializers.RandomNormal(seed=generator)._repr_html_()
    assert generator.next() == ls.random.SeedGenerator(5).next()


def test_text_is_never_markup() -> None:
    hostile = '<img src=x onerror="alert(1)">'
    assert "<img" not in html_table(hostile, [hostile], [[hostile]])


@pytest.mark.parametrize(
    "values", [[], [np.nan], [1.0], [0.0, 1e300, -1e300], [np.inf, 1.0], [[1, 2], [3, 4]]]
)
def test_any_values_make_a_picture_or_none(values: list) -> None:
    drawn = sparkline(np.asarray(values))
    Reader(drawn)
    assert "nan" not in drawn
