"""What a person does to complete each step of the lessons that has a goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Solution = Callable[[Any], None]


def _own_function(session: Any) -> None:
    session.add_layer("Lambda", 2)
    session.set_argument(session.selected, "function", "tanh")


def _no_dead_units(session: Any) -> None:
    session.set_argument("layer2", "bias_initializer", "zeros")
    session.set_everywhere("layer2", "bias_initializer")


def _everywhere(name: str) -> Solution:
    def solve(session: Any) -> None:
        session.set_argument("layer2", "kernel_initializer", name)
        session.set_everywhere("layer2", "kernel_initializer")

    return solve


def _l1(factor: float) -> Solution:
    value = {"class_name": "L1", "config": {"l1": factor}}
    return lambda session: session.set_argument("layer2", "kernel_regularizer", value)


def _max_norm(session: Any) -> None:
    limit = {"class_name": "MaxNorm", "config": {"max_value": 2.0, "axis": 0}}
    session.set_argument("layer2", "kernel_constraint", limit)
    session.step(3)
    session._trainer.settle()
    session.tick()


def _read_steps(session: Any) -> None:
    session.add_layer("GRU")
    session.set_argument(session.selected, "units", 4)


def _residual(session: Any) -> None:
    session.add_layer("Add", 4)
    session.set_sources(session.selected, ["layer1"])


#: By lesson, what is done at each step with a goal, in order.
SOLUTIONS: Mapping[str, tuple[Solution, ...]] = {
    "custom-layer": (
        _own_function,
        lambda session: session.set_argument("layer3", "function", "sigmoid"),
    ),
    "activations": (_no_dead_units,),
    "initializers": (_everywhere("glorot_normal"), _everywhere("he_normal")),
    "regularizers": (_l1(0.01), _l1(0.0003)),
    "constraints": (_max_norm,),
    "convolution-and-pooling": (
        lambda session: session.set_argument("layer2", "pool_size", [3, 3]),
        lambda session: session.apply_fix(session.snapshot.layer("layer2").problem.fixes[0]),
    ),
    "recurrence": (
        lambda session: session.set_argument("layer1", "return_sequences", True),
        _read_steps,
    ),
    "merge-and-shared-layers": (_residual, lambda session: session.share_layer("layer2")),
}
