"""Layerscope, through its public interface: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np

import layerscope as ls
from peers import keras_like
from peers.cases import BOTH, FORWARD, TASK, Case
from peers.data import Arrays, Data, draw_inputs, draw_weights, generator_of
from peers.prepared import Prepared


class Driver:
    """Layerscope; it also draws the numbers of a case and computes what the others must."""

    def __init__(self, variant: str, threads: int) -> None:
        del variant, threads  # It takes as many threads as the process may use.
        ls.config.keep_large_arrays()

    def versions(self) -> dict[str, str]:
        return {"layerscope": ls.__version__, "numpy": np.__version__}

    def draw(self, case: Case) -> Data:
        """Return the numbers of a case, with what comes of them."""
        generator = generator_of(case)
        if case.family == "task":
            data = keras_like.task_data(case, ls, generator)
            return Data(**{**vars(data), "outputs": self.prepare(case, data, "float32").outputs()})
        data = Data(draw_inputs(case, generator))
        layer = _built(case, data, "float32")
        shapes = [(weight.name, tuple(weight.shape)) for weight in layer.weights]
        data.weights = draw_weights(shapes, generator)
        layer.set_weights(data.weights)
        output = np.asarray(_call(layer, case, data.inputs))
        data.upstream = [generator.standard_normal(output.shape, "float32")]
        data.outputs = [output]
        if not case.random:
            count = 0 if case.integers else len(data.inputs)
            data.gradients = self.prepare(case, data, "float32").gradients()[:count]
        return data

    def prepare(self, case: Case, data: Data, dtype: str) -> Prepared:
        if case.family == "task":
            call, outputs = keras_like.task(case, data, ls)
            return Prepared({TASK: call}, outputs, list)
        layer = _built(case, data, dtype)
        layer.set_weights(data.weights)
        given, options = keras_like.arguments(case, data.inputs), keras_like.options(case)
        weights, upstream = layer.trainable_variables, data.upstream[0]

        def forward() -> Any:
            return layer(*given, **options)

        def both() -> Any:
            with ls.GradientTape() as tape:
                real = [] if case.integers else [tape.watch(x) for x in data.inputs]
                output = layer(*keras_like.arguments(case, real or data.inputs), **options)
            return output, tape.gradient(output, [*real, *weights], output_gradients=upstream)

        return Prepared(
            {FORWARD: forward, BOTH: both},
            lambda: [np.asarray(forward())],
            lambda: [np.asarray(gradient) for gradient in both()[1]],
        )


def _built(case: Case, data: Data, dtype: str) -> Any:
    layer = keras_like.layer_of(case, ls, dtype)
    _call(layer, case, data.inputs)
    return layer


def _call(layer: Any, case: Case, inputs: Arrays) -> Any:
    return layer(*keras_like.arguments(case, inputs), **keras_like.options(case))
