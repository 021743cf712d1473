"""A model becomes a document that stands for the same model."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.documents import example_documents
from layerscope import Input, Model, Sequential, layers, ops
from layerscope_explorer.data import data_of
from layerscope_explorer.from_model import document_of
from layerscope_explorer.model import model_of

DOCUMENTS = dict(example_documents())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_layer_comes_back_from_its_model(name: str) -> None:
    document = DOCUMENTS[name]
    data = data_of(document.input.arguments)
    try:
        model, _ = model_of(document, data)
    except (ValueError, TypeError) as error:
        pytest.skip(f"the example makes no model: {error}")
    try:
        found, weights = document_of(model)
    except ValueError as error:
        if "whole numbers" in str(error) or "does not take what" in str(error):
            pytest.skip(str(error))
        raise
    assert [one.class_name for one in found.layers] == [one.class_name for one in document.layers]
    again, _ = model_of(found, data_of(found.input.arguments), weights)
    assert [one.shape for one in again.weights] == [one.shape for one in model.weights]
    for one, other in zip(again.weights, model.weights, strict=True):
        if np.asarray(other.value).dtype.kind == "f":
            np.testing.assert_array_equal(one.value, other.value)
    assert again.layers[-1].get_config().keys() == model.layers[-1].get_config().keys()
    assert again.output_shape == model.output_shape


def test_residuals_and_shared_layers() -> None:
    inputs = Input((4,))
    dense = layers.Dense(4, activation="tanh")
    first = dense(inputs)
    model = Model(inputs, layers.Add()([dense(first), inputs]))
    document, weights = document_of(model)
    assert [one.class_name for one in document.layers] == ["Dense", "Dense", "Add"]
    assert document.layers[1].shares == "layer1"
    assert document.layers[2].sources == ("input",)
    again, _ = model_of(document, data_of(document.input.arguments), weights)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(again(x), model(x), rtol=1e-6)


def test_arguments_that_are_as_usual_are_left_out() -> None:
    model = Sequential([Input((8, 8, 1)), layers.Conv2D(2, 3, kernel_initializer="he_normal")])
    document, _ = document_of(model)
    assert document.input.arguments == {}
    arguments = dict(document.layers[0].arguments)
    assert arguments.keys() == {"filters", "kernel_size", "kernel_initializer"}
    assert arguments["kernel_initializer"]["class_name"] == "HeNormal"


def test_what_is_no_stack_is_refused_by_name() -> None:
    inputs = Input((4,))
    one, other = layers.Dense(3, name="one")(inputs), layers.Dense(3, name="other")(inputs)
    with pytest.raises(ValueError, match="'other' does not take what"):
        document_of(Model(inputs, layers.Add()([one, other])))
    with pytest.raises(ValueError, match="is an operation"):
        document_of(Model(inputs, ops.exp(inputs)))
    with pytest.raises(ValueError, match="does not know its shapes"):
        document_of(Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match=r"shows a Model\. Received: int"):
        document_of(3)

    class Mine(layers.Layer):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="is a Mine"):
        document_of(Sequential([Input((4,)), Mine()]))
