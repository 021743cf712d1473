"""Comparing one layer with the Keras layer of the same name."""

from __future__ import annotations

import copy
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np
import pytest

import layerscope as ls
from layerscope.layers.signature import as_arguments
from layerscope.structure import leaves, map_shapes, map_structure
from oracle.reference import (
    COUNT,
    close,
    double_precision,
    generator_of,
    keras,
    layer_gradients,
    numpy_of,
    only_right_on_jax,
)
from oracle.reference import (
    choose as choose,
)

Arguments = dict[str, Any]
#: What a layer is made with, and the shape of its input (or shapes, or arrays).
Configuration = tuple[Arguments, Any]
Draw = Callable[[np.random.Generator], Configuration]

#: What Keras writes and Layerscope has no counterpart for, and what is named anew each time.
#: Keras's `rms_scaling` divides by the wrong quantity.
NOT_COMPARED = {"quantization_config", "name", "rms_scaling", "build_config"}


class Comparison:
    """Keras's layer and ours with the same arguments and weights, and data for them.

    Where float32 rounds the two apart, as in the variance of values far from zero that hardly
    differ, float64 decides: there they must agree as closely, and in float32 roughly.

    Parameters
    ----------
    name : class name in both libraries.
    arguments : of both constructors.
    inputs : shape of a random input, a list of shapes, or arrays.
    generator : randomness of input and projection.
    weighted : whether to fill the weights with random numbers, so that none is zero.
    options : of the calls, such as ``training=True``.
    """

    def __init__(
        self,
        name: str,
        arguments: Arguments,
        inputs: Any,
        generator: np.random.Generator,
        weighted: bool = True,
        **options: Any,
    ) -> None:
        self.name, self.arguments = name, arguments
        self.theirs: Any = self.make(keras, name, arguments)
        self.ours: Any = self.make(ls, name, arguments)
        self.generator = generator
        self.options = options
        given = isinstance(leaves(inputs)[0], np.ndarray)
        self.x = inputs if given else map_shapes(self._draw, inputs)
        self.shape = map_structure(lambda value: tuple(value.shape), self.x)
        self.theirs.build(*self.as_arguments(self.shape))
        self.ours.build(*self.as_arguments(self.shape))
        weights = self.theirs.get_weights()
        if weighted:
            weights = [
                np.abs(generator.normal(size=one.shape)) + 0.1
                if variable.name.endswith(("variance", "stddev"))
                else generator.normal(size=one.shape) * 0.5
                for one, variable in zip(weights, self.theirs.weights, strict=True)
            ]
            self.theirs.set_weights(weights)
        self.ours.set_weights(weights)

    def make(self, library: Any, name: str, arguments: Arguments) -> Any:
        """Return the layer of one of the libraries; a config stands for a layer inside it."""
        inner = {
            key: self.make(library, value["class_name"], value["config"])
            for key, value in arguments.items()
            if isinstance(value, dict) and "class_name" in value
        }
        return getattr(library.layers, name)(**{**arguments, **inner})

    def as_arguments(self, inputs: Any) -> tuple[Any, ...]:
        """Return inputs, or shapes, as both layers take them: as one argument or as several."""
        return as_arguments(type(self.ours), inputs)

    def output_shapes(self) -> tuple[Any, Any]:
        """Return what our rule says of the output's shape, and what Keras's says."""
        shapes = self.as_arguments(self.shape)
        return tuple(
            as_lists(layer.compute_output_shape(*shapes)) for layer in (self.ours, self.theirs)
        )

    def _draw(self, shape: Any) -> np.ndarray:
        return self.generator.normal(size=shape).astype("float32")

    def in_double(self) -> Self:
        """Return the same comparison, of the same weights and data, in float64."""
        twin = copy.copy(self)
        arguments = {**self.arguments, "dtype": "float64"}
        twin.theirs = self.make(keras, self.name, arguments)
        twin.ours = self.make(ls, self.name, arguments)
        twin.x = map_structure(_doubled, self.x)
        for layer, weights in ((twin.theirs, self.theirs), (twin.ours, self.ours)):
            layer.build(*self.as_arguments(self.shape))
            layer.set_weights(weights.get_weights())
        return twin

    def check_values(self) -> None:
        """Outputs and gradients are the same."""
        before = self.ours.get_weights(), self.theirs.get_weights()
        state = copy.deepcopy(self.generator)
        try:
            self.check_forward()
            self.check_gradients()
        except AssertionError as error:
            if "Not equal to tolerance" not in str(error):
                raise
            self.ours.set_weights(before[0])
            self.theirs.set_weights(before[1])
            self.generator = state
            with double_precision():
                twin = self.in_double()
                twin.check_forward()
                twin.check_gradients()
            # Every call in training changes averages, which some outputs depend on.
            twin.ours.set_weights(before[0])
            found, decided = (
                one.ours(*one.as_arguments(one.x), **one.options) for one in (self, twin)
            )
            close(found, decided, rtol=1e-2)

    def check_forward(self) -> None:
        """Outputs, their type, shapes, penalties and names of weights are the same."""
        inputs = self.as_arguments(self.x)
        expected = numpy_of(self.theirs(*inputs, **self.options))
        found = self.ours(*inputs, **self.options)
        close(found, expected)
        assert [one.dtype for one in leaves(found)] == [one.dtype for one in leaves(expected)]
        assert [one.shape for one in leaves(found)] == [one.shape for one in leaves(expected)]
        ours, theirs = self.ours, self.theirs
        assert operator.eq(*self.output_shapes())
        assert [one.name for one in ours.weights] == [one.name for one in theirs.weights]
        close(ours.losses, theirs.losses, rtol=1e-4)
        # A training call may have changed weights that are not trained.
        close(ours.get_weights(), theirs.get_weights())
        assert ours.supports_masking == theirs.supports_masking

    def check_gradients(self) -> None:
        """Gradients of the input and of every weight are the same."""
        ours, options = self.ours, self.options
        inputs = self.as_arguments(self.x)
        shapes = [one.shape for one in leaves(ours(*inputs, **options))]
        projections = [self._draw(shape) for shape in shapes]
        ours.set_weights(self.theirs.get_weights())

        def total(outputs: list[Any]) -> Any:
            pairs = zip(outputs, projections, strict=True)
            return sum(keras.ops.sum(out * as_tensor(factor)) for out, factor in pairs)

        as_tensor = keras.ops.convert_to_tensor
        expected = layer_gradients(self.theirs, inputs, total, **options)
        with ls.GradientTape() as tape:
            watched = map_structure(tape.watch, inputs)
            pairs = zip(leaves(ours(*watched, **options)), projections, strict=True)
            value = sum((ls.ops.sum(out * factor) for out, factor in pairs), start=0.0)
        real = [one for one in leaves(watched) if one.dtype.kind == "f"]
        sources = [*real, *ours.trainable_weights]
        found = [
            np.zeros(source.shape) if one is None else one
            for one, source in zip(tape.gradient(value, sources), sources, strict=True)
        ]
        close(found, expected, rtol=5e-5, atol=1e-5)

    def check_config(self) -> None:
        """Configs are the same, and each side builds the other's."""
        theirs, ours = self.theirs, self.ours
        assert comparable(ours.get_config()) == comparable(theirs.get_config())
        there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
        back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
        for one, same in ((there, theirs), (back, ours)):
            assert comparable(one.get_config()) == comparable(theirs.get_config())
            one.build(*self.as_arguments(self.shape))
            one.set_weights(same.get_weights())
            if not self.options.get("training"):
                inputs = self.as_arguments(self.x)
                close(numpy_of(one(*inputs)), same(*inputs))


def _doubled(array: np.ndarray) -> np.ndarray:
    return array.astype("float64") if array.dtype.kind == "f" else array


def as_lists(shapes: Any) -> Any:
    """Return shapes in lists, which compare whatever held them."""
    if isinstance(shapes, (list, tuple)):
        return [as_lists(entry) for entry in shapes]
    return shapes


def comparable(config: Any) -> Any:
    """Return a config as JSON would give it back, without what is not compared."""
    if isinstance(config, dict):
        # Some of Keras's layers write down that there is no activity regularizer, some do not.
        return {
            key: comparable(value)
            for key, value in config.items()
            if key not in NOT_COMPARED and (key, value) != ("activity_regularizer", None)
        }
    if isinstance(config, (list, tuple)):
        return [comparable(entry) for entry in config]
    # Keras keeps the factors of some penalties as float32.
    return float(np.float32(config)) if isinstance(config, float) else config


def each_configuration(names: Iterable[str]) -> Any:
    """Try a test on `COUNT` random configurations of each layer, as a `Comparison`."""
    return pytest.mark.parametrize(
        ("name", "index"),
        [
            pytest.param(name, index, id=f"{name}-{index}", marks=only_right_on_jax(name))
            for name in names
            for index in range(COUNT)
        ],
    )


def comparison_of(
    configurations: Mapping[str, Draw], name: str, index: int, **options: Any
) -> Comparison:
    """Return the comparison of one random configuration."""
    generator = generator_of(name, index)
    arguments, inputs = configurations[name](generator)
    return Comparison(name, arguments, inputs, generator, **options)
