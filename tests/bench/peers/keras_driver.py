"""Keras on each of its backends, called as its users would for speed.

On JAX the call and its gradient are jitted, on TensorFlow they are a `tf.function`; torch is eager.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from peers import keras_like
from peers.cases import BOTH, DENSE_STACK, FORWARD, TASK, Case
from peers.data import Data
from peers.prepared import NoCounterpart, Prepared

#: Computes the output, and the output with gradients of the real inputs and of the weights.
Calls = tuple[Callable[[], Any], Callable[[], tuple[Any, list[Any]]]]


class Driver:
    """Keras on one of ``jax``, ``torch`` and ``tensorflow``."""

    def __init__(self, variant: str, threads: int) -> None:
        os.environ["KERAS_BACKEND"] = variant
        self.variant = variant
        self.framework: Any = importlib.import_module(variant)
        if variant == "torch":
            self.framework.set_num_threads(threads)
        if variant == "tensorflow":
            self.framework.config.threading.set_intra_op_parallelism_threads(threads)
        self.keras: Any = importlib.import_module("keras")

    def versions(self) -> dict[str, str]:
        return {"keras": self.keras.__version__, self.variant: self.framework.__version__}

    def prepare(self, case: Case, data: Data, dtype: str) -> Prepared:
        if case.family == "task":
            to_tensor = self.keras.ops.convert_to_tensor
            call, outputs = keras_like.task(case, data, self.keras, to_tensor)
            return Prepared({TASK: call}, outputs, list)
        if not hasattr(self.keras.layers, case.layer) and case.layer != DENSE_STACK:
            raise NoCounterpart(f"Keras 3 has no {case.layer}")
        layer = keras_like.layer_of(case, self.keras, dtype)
        tensors = [self.keras.ops.convert_to_tensor(array) for array in data.inputs]
        layer(*keras_like.arguments(case, tensors), **keras_like.options(case))
        layer.set_weights(data.weights)
        upstream = self.keras.ops.convert_to_tensor(data.upstream[0])
        forward, both = getattr(self, f"_on_{self.variant}")(case, layer, tensors, upstream)
        return Prepared(
            {FORWARD: forward, BOTH: both},
            lambda: [self._numpy(forward())],
            lambda: [self._numpy(gradient) for gradient in both()[1]],
        )

    def _numpy(self, value: Any) -> np.ndarray:
        return np.asarray(self.keras.ops.convert_to_numpy(value))

    def _on_torch(self, case: Case, layer: Any, tensors: list[Any], upstream: Any) -> Calls:
        torch = self.framework
        options = keras_like.options(case)

        def forward() -> Any:
            with torch.no_grad():
                return layer(*keras_like.arguments(case, tensors), **options)

        real = [] if case.integers else [tensor.clone().requires_grad_() for tensor in tensors]
        sources = [*real, *(weight.value for weight in layer.trainable_variables)]

        def both() -> tuple[Any, list[Any]]:
            output = layer(*keras_like.arguments(case, real or tensors), **options)
            return output, list(torch.autograd.grad(output, sources, upstream))

        return forward, both

    def _on_jax(self, case: Case, layer: Any, tensors: list[Any], upstream: Any) -> Calls:
        jax = self.framework
        options = keras_like.options(case)
        trained = [weight.value for weight in layer.trainable_variables]
        state = [weight.value for weight in layer.non_trainable_variables]

        def run(trained: list[Any], state: list[Any], inputs: list[Any]) -> Any:
            return layer.stateless_call(
                trained, state, *keras_like.arguments(case, inputs), **options
            )

        def run_both(trained: list[Any], state: list[Any], inputs: list[Any], seed: Any) -> Any:
            def of(inputs: list[Any], trained: list[Any]) -> Any:
                return run(trained, state, inputs)

            if case.integers:
                output, pull, state = jax.vjp(
                    lambda trained: of(inputs, trained), trained, has_aux=True
                )
                return output, list(pull(seed)[0]), state
            output, pull, state = jax.vjp(of, inputs, trained, has_aux=True)
            of_inputs, of_weights = pull(seed)
            return output, [*of_inputs, *of_weights], state

        fast, fast_both = jax.jit(run), jax.jit(run_both)

        def forward() -> Any:
            return jax.block_until_ready(fast(trained, state, tensors))[0]

        def both() -> tuple[Any, list[Any]]:
            found = jax.block_until_ready(fast_both(trained, state, tensors, upstream))
            return found[0], found[1]

        return forward, both

    def _on_tensorflow(self, case: Case, layer: Any, tensors: list[Any], upstream: Any) -> Calls:
        tf = self.framework
        options = keras_like.options(case)
        trained = [weight.value for weight in layer.trainable_variables]

        @tf.function
        def run(inputs: list[Any]) -> Any:
            return layer(*keras_like.arguments(case, inputs), **options)

        @tf.function
        def run_both(inputs: list[Any], seed: Any) -> Any:
            real = [] if case.integers else inputs
            with tf.GradientTape() as tape:
                for tensor in real:
                    tape.watch(tensor)
                output = layer(*keras_like.arguments(case, inputs), **options)
            gradients = tape.gradient(output, [*real, *trained], output_gradients=seed)
            # An embedding's is a list of rows there; everybody gives an array.
            return output, [tf.convert_to_tensor(gradient) for gradient in gradients]

        return lambda: run(tensors), lambda: run_both(tensors, upstream)
