"""The parts a layer or a training is made of: values, names, configs, mistakes."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import activations, constraints, optimizers, registry, regularizers
from layerscope.configurable import fields_of

WRONG: Any = "x"
W = np.array([[3.0, 0.0], [4.0, 1.0]])
PARTS = [
    pytest.param(base, cls, id=cls.__name__)
    for base in (
        regularizers.Regularizer,
        constraints.Constraint,
        optimizers.Optimizer,
    )
    for cls in registry.subclasses(base)
]
MODULES = {
    regularizers.Regularizer: regularizers,
    constraints.Constraint: constraints,
    optimizers.Optimizer: optimizers,
}


@pytest.mark.parametrize(("base", "cls"), PARTS)
def test_declaration(base: Any, cls: Any) -> None:
    assert inspect.getdoc(cls)
    assert all(field.help.endswith(".") for field in fields_of(cls))
    if hasattr(base, "formula"):
        assert cls.formula


@pytest.mark.parametrize(("base", "cls"), PARTS)
def test_names_and_configs(base: Any, cls: Any) -> None:
    module: Any = MODULES[base]
    made = cls()
    for identifier in (cls.__name__, registry.snake_case(cls.__name__), cls, made):
        assert type(module.get(identifier)) is cls
    config = json.loads(json.dumps(module.serialize(made)))
    for found in (module.deserialize(config), module.get(config)):
        assert type(found) is cls
        assert found.get_config() == made.get_config()
    assert type(module.get({"class_name": cls.__name__, "config": {}})) is cls
    with pytest.raises(ValueError, match=rf"Could not interpret.*{cls.__name__}"):
        module.get("nope")
    with pytest.raises(TypeError, match="Could not locate class 'Nope'"):
        module.deserialize({"class_name": "Nope", "config": {}})
    with pytest.raises(TypeError, match=f"deserializing class '{cls.__name__}'"):
        cls.from_config({"foo": 1})
    with pytest.raises(ValueError, match="Expected a config"):
        module.deserialize({"config": {}})


def test_none_means_none() -> None:
    assert regularizers.get(None) is None
    assert constraints.get(None) is None


# --- activations -------------------------------------------------------------------------------


def test_activation_values() -> None:
    x = np.array([-2.0, 0.5, 3.0, 9.0])
    np.testing.assert_array_equal(activations.relu(x), [0, 0.5, 3, 9])
    found = activations.relu(x, negative_slope=0.1, max_value=6.0, threshold=1.0)
    np.testing.assert_allclose(found, [-0.3, -0.05, 3.0, 6.0])
    np.testing.assert_array_equal(activations.relu(x, alpha=0.5), [-1.0, 0.5, 3.0, 9.0])
    np.testing.assert_array_equal(activations.relu(np.array([0.99, 1.0]), threshold=1.0), [0, 0])
    np.testing.assert_allclose(activations.softmax(np.array([1.0, 2.0])), [0.26894, 0.73106], 1e-4)
    assert activations.linear(x) is x


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_activation_names(name: str) -> None:
    function = activations.get(name)
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function
    assert activations.FORMULAS[name]
    ls.check_gradients(function, np.random.default_rng(0).normal(size=(3, 4)))


def test_activation_identifiers() -> None:
    assert activations.get(None) is activations.linear
    assert activations.get(np.tanh) is np.tanh
    for bad in ("nope", 3):
        with pytest.raises(ValueError, match=r"Could not interpret activation.*relu.*tanh"):
            activations.get(bad)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("function", [ls.ops.tanh, ls.ops.relu])
def test_operations_serve_as_activations(function: Any) -> None:
    layer = ls.layers.Dense(2, activation=function)
    x = np.random.default_rng(0).normal(size=(3, 2))
    expected = layer(x)
    copy = ls.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(layer))))
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_allclose(copy(x), expected, rtol=1e-6)


def test_an_activation_of_ones_own() -> None:
    @ls.saving.register_keras_serializable("tests")
    def doubled(x: Any) -> Any:
        return x * 2.0

    layer = ls.layers.Activation(doubled)
    config = json.loads(json.dumps(ls.layers.serialize(layer)))
    assert config["config"]["activation"]["registered_name"] == "tests>doubled"
    copy = ls.layers.deserialize(config)
    np.testing.assert_array_equal(copy(np.ones(2, "float32")), [2, 2])

    def halved(x: Any) -> Any:
        return x / 2

    config = ls.layers.serialize(ls.layers.Activation(halved))
    with pytest.raises(TypeError, match="halved"):
        ls.layers.deserialize(config)
    found = ls.layers.deserialize(config, custom_objects={"halved": halved})
    np.testing.assert_array_equal(found(np.ones(2, "float32")), [0.5, 0.5])


# --- regularizers ------------------------------------------------------------------------------


def test_regularizer_values() -> None:
    x = np.array([1.0, -2.0])
    assert regularizers.L1(0.1)(x) == pytest.approx(0.3)
    assert regularizers.L2(0.1)(x) == pytest.approx(0.5)
    assert regularizers.L1L2(0.1, 0.2)(x) == pytest.approx(1.3)
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.01, "l2": 0.01}
    assert regularizers.l1_l2().get_config() == {"l1": 0.0, "l2": 0.0}
    for cls in (regularizers.L1, regularizers.L2):
        with pytest.raises(ValueError, match="at least 0"):
            cls(-1.0)
        with pytest.raises(ValueError, match="a number"):
            cls(WRONG)


@pytest.mark.parametrize(
    "penalty", [regularizers.L1(0.1), regularizers.L2(0.1), regularizers.L1L2(0.1, 0.2)]
)
def test_regularizer_gradients(penalty: Any) -> None:
    ls.check_gradients(penalty, np.random.default_rng(0).normal(size=(3, 4)))


def test_a_regularizer_may_be_a_function() -> None:
    layer = ls.layers.Dense(2, kernel_regularizer=lambda x: ls.ops.sum(ls.ops.abs(x)))
    layer.build((None, 3))
    assert float(layer.losses[0]) == pytest.approx(np.abs(layer.get_weights()[0]).sum())


# --- constraints -------------------------------------------------------------------------------


def test_constraint_values() -> None:
    np.testing.assert_allclose(constraints.MaxNorm(2)(W), [[1.2, 0.0], [1.6, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(
        constraints.UnitNorm(axis=1)(W), [[1.0, 0.0], [0.970143, 0.242536]], rtol=1e-5
    )
    np.testing.assert_allclose(
        constraints.MinMaxNorm(2.0, 4.0, rate=0.5)(W), [[2.7, 0.0], [3.6, 1.5]], rtol=1e-6
    )
    np.testing.assert_array_equal(constraints.NonNeg()(-W), np.zeros((2, 2)))
    np.testing.assert_array_equal(constraints.UnitNorm()(np.zeros((2, 1))), np.zeros((2, 1)))
    assert constraints.MaxNorm(1, axis=(0, 1, 2))(np.ones((2, 2, 1, 3))).sum() == pytest.approx(6)


@pytest.mark.parametrize(
    "constraint",
    [
        constraints.MaxNorm(1.5),
        constraints.UnitNorm(),
        constraints.NonNeg(),
        constraints.MinMaxNorm(0.5, 1.0),
    ],
)
def test_constraints_are_projections(constraint: Any) -> None:
    w = np.random.default_rng(0).normal(size=(5, 4))
    once = constraint(w)
    assert once.shape == w.shape
    np.testing.assert_allclose(constraint(once), once, rtol=1e-6)


def test_bad_constraint_arguments() -> None:
    with pytest.raises(ValueError, match="`axis`"):
        constraints.MaxNorm(axis="a")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at least 0"):
        constraints.MaxNorm(-1)


# --- optimizers --------------------------------------------------------------------------------


def step(optimizer: optimizers.Optimizer, gradient: float = 1.0, start: float = 0.0) -> float:
    variable = ls.Variable([start], dtype="float64")
    optimizer.apply([np.array([gradient])], [variable])
    return float(variable.value[0])


def test_first_steps() -> None:
    assert step(optimizers.SGD(0.1)) == pytest.approx(-0.1)
    assert step(optimizers.SGD(0.1, momentum=0.9)) == pytest.approx(-0.1)
    assert step(optimizers.SGD(0.1, momentum=0.9, nesterov=True)) == pytest.approx(-0.19)
    expected = -0.1 * 0.001**0.5 / 0.1 * 0.1 / (0.001**0.5 + 0.5)
    for amsgrad in (False, True):
        found = step(optimizers.Adam(0.1, epsilon=0.5, amsgrad=amsgrad))
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.05),
        lambda: optimizers.SGD(0.02, momentum=0.9),
        lambda: optimizers.SGD(0.02, momentum=0.9, nesterov=True),
        lambda: optimizers.Adam(0.2),
        lambda: optimizers.Adam(0.2, amsgrad=True),
    ],
)
def test_optimizers_find_the_bottom_of_a_bowl(make: Any) -> None:
    optimizer, target = make(), np.array([[1.0, -2.0], [0.5, 3.0]])
    variable = ls.Variable(np.zeros((2, 2)))
    for _ in range(400):
        optimizer.apply([2 * (variable.value - target)], [variable])
    np.testing.assert_allclose(variable.value, target, atol=0.02)
    assert optimizer.iterations == 400


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.Adam])
def test_scalars_are_updated(make: Any) -> None:
    variable = ls.Variable(1.0)
    make(0.1).apply([np.float32(2.0)], [variable])
    assert variable.shape == ()
    assert float(variable) < 1


def test_optimizer_details() -> None:
    a, b = ls.Variable([1.0]), ls.Variable([1.0])
    optimizer = optimizers.SGD(0.1)
    optimizer.apply([None, np.ones(1)], [a, b])
    assert (float(a.value[0]), float(b.value[0])) == pytest.approx((1.0, 0.9))
    optimizer.apply_gradients([(np.ones(1), a)])
    assert float(a.value[0]) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply([None], [a])
    with pytest.raises(ValueError, match="at least 0"):
        optimizers.SGD(-0.1)
    with pytest.raises(ValueError, match="less than 1"):
        optimizers.Adam(beta_1=1.0)


def test_an_optimizer_of_ones_own() -> None:
    class Sign(optimizers.Optimizer):
        def update(self, variable: Any, grad: np.ndarray, state: dict[str, Any]) -> None:
            state["steps"] = state.get("steps", 0) + 1
            variable.value -= self.learning_rate * np.sign(grad)

    assert step(Sign(0.5), gradient=-3.0) == 0.5
