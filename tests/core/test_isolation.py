"""What is ambient belongs to one thread: several people share a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import numpy as np

import layerscope as ls
from layerscope import ops


def together(*tasks: Callable[[Callable[[], Any]], Any]) -> list[Any]:
    """Run tasks in threads that wait for one another where they call `meet`."""
    barrier = threading.Barrier(len(tasks), timeout=20)
    results: list[Any] = [None] * len(tasks)

    def run(index: int) -> None:
        try:
            results[index] = tasks[index](barrier.wait)
        except Exception as error:
            barrier.abort()
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def test_tapes() -> None:
    variable = ls.Variable(3.0)

    def taping(meet: Callable[[], Any]) -> float:
        with ls.GradientTape() as tape:
            meet()
            y = variable * variable
            meet()
        return float(tape.gradient(y, variable))

    def computing(meet: Callable[[], Any]) -> bool:
        meet()
        plain = not isinstance(variable * variable, ls.Tensor)
        meet()
        return plain

    assert together(taping, computing, taping) == [6.0, True, 6.0]


def test_settings() -> None:
    def with_settings(floatx: str, layout: str, epsilon: float) -> Any:
        def task(meet: Callable[[], Any]) -> Any:
            ls.config.set_floatx(floatx)
            ls.config.set_image_data_format(layout)
            ls.config.set_epsilon(epsilon)
            meet()
            layer = ls.layers.Flatten()
            found = ls.layers.Dense(1)(np.ones((1, 2))).dtype.name
            meet()
            return found, layer.data_format, ls.config.epsilon()

        return task

    one = ("float64", "channels_first", 1e-3)
    other = ("float32", "channels_last", 1e-7)
    assert together(with_settings(*one), with_settings(*other)) == [one, other]
    assert (ls.config.floatx(), ls.config.image_data_format()) == ("float32", "channels_last")


def test_random_seeds() -> None:
    def seeded(seed: int) -> Any:
        def task(meet: Callable[[], Any]) -> list[float]:
            ls.utils.set_random_seed(seed)
            drawn = []
            for _ in range(3):
                meet()
                drawn.append(float(ls.random.normal((), seed=None)))
            return drawn

        return task

    first = together(seeded(1), seeded(2))
    assert together(seeded(2), seeded(1)) == first[::-1]


def test_training_phase_and_losses() -> None:
    def called(training: bool) -> Any:
        def task(meet: Callable[[], Any]) -> bool:
            class Wait(ls.layers.Layer):
                def __init__(self) -> None:
                    super().__init__()
                    self.drop = ls.layers.Dropout(0.5, seed=0)

                def call(self, inputs: Any) -> Any:
                    meet()
                    out = self.drop(inputs)
                    meet()
                    return out

            return bool((Wait()(np.ones(100, "float32"), training=training) == 1).all())

        return task

    assert together(called(True), called(False)) == [False, True]


def test_custom_objects_and_weightless_building() -> None:
    def known(meet: Callable[[], Any]) -> bool:
        from layerscope.layers.weight_owner import weightless

        with ls.saving.custom_object_scope({"thing": np.tanh}), weightless():
            meet()
            found = ls.activations.get("thing") is np.tanh
            meet()
        return found

    def unknown(meet: Callable[[], Any]) -> bool:
        meet()
        layer = ls.layers.Dense(2)
        layer.build((None, 2))
        try:
            ls.activations.get("thing")
        except ValueError:
            return bool(layer.kernel.value.flags.writeable)
        finally:
            meet()
        return False

    assert together(known, unknown) == [True, True]


def test_models_trained_side_by_side_equal_those_trained_alone() -> None:
    x = np.random.default_rng(0).normal(size=(16, 4, 4, 1)).astype("float32")

    def train(seed: int) -> list[np.ndarray]:
        ls.utils.set_random_seed(seed)
        model = ls.Sequential(
            [
                ls.Input((4, 4, 1)),
                ls.layers.Conv2D(2, 2, activation="relu"),
                ls.layers.Dropout(0.3),
                ls.layers.Flatten(),
                ls.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        model.fit(x, x.sum((1, 2)), epochs=5, batch_size=4, verbose=0)
        return model.get_weights()

    alone = [copy_context().run(train, seed) for seed in (1, 2)]
    both = together(lambda meet: train(1), lambda meet: train(2))
    for found, expected in zip(both, alone, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_thread_inherits_nothing_from_an_open_tape() -> None:
    with ls.GradientTape() as tape:
        x = tape.watch(2.0)
        (inside,) = together(lambda meet: isinstance(ops.square(x), ls.Tensor))
    assert inside is False
