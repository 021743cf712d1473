"""Optimizers and learning-rate schedules give Keras's numbers, with all that they can be asked for.

Each optimizer is tried on ten random configurations of its own arguments and of those that all
have: step by step the weights, at the end everything it remembers and its config.
"""

from __future__ import annotations

import inspect
import json
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.reference import (
    COUNT,
    ON_TORCH,
    choose,
    close,
    generator_of,
    keras,
    only_right_on_jax,
)

Arguments = dict[str, Any]
Draw = Callable[[np.random.Generator], Arguments]

STEPS = 20
SHAPES = {"kernel": (3, 4), "bias": (4,), "scale": (), "embeddings": (5, 2), "filters": (2, 3, 2)}


def between(generator: np.random.Generator, low: float, high: float) -> float:
    """Return a number with few digits, as a person would write it."""
    return round(float(generator.uniform(low, high)), 3)


def flag(generator: np.random.Generator, probability: float = 0.5) -> bool:
    return bool(generator.random() < probability)


# --- arguments -----------------------------------------------------------------------------------


def moments(generator: np.random.Generator) -> Arguments:
    return {
        "beta_1": between(generator, 0.3, 0.95),
        "beta_2": between(generator, 0.8, 0.999),
        "epsilon": choose(generator, 1e-7, 1e-3),
    }


def sgd(generator: np.random.Generator) -> Arguments:
    return {"momentum": choose(generator, 0.0, 0.9, 0.5), "nesterov": flag(generator)}


def rmsprop(generator: np.random.Generator) -> Arguments:
    return {
        "rho": between(generator, 0.5, 0.95),
        "momentum": choose(generator, 0.0, 0.8),
        "epsilon": choose(generator, 1e-7, 1e-2),
        "centered": flag(generator),
    }


def adam(generator: np.random.Generator) -> Arguments:
    return moments(generator) | {"amsgrad": flag(generator)}


def adadelta(generator: np.random.Generator) -> Arguments:
    return {"rho": between(generator, 0.5, 0.99), "epsilon": choose(generator, 1e-7, 1e-3)}


def adagrad(generator: np.random.Generator) -> Arguments:
    return {
        "initial_accumulator_value": between(generator, 0.01, 1.0),
        "epsilon": choose(generator, 1e-7, 1e-3),
    }


def adafactor(generator: np.random.Generator) -> Arguments:
    return {
        "beta_2_decay": between(generator, -1.0, -0.3),
        "epsilon_1": choose(generator, 1e-30, 1e-4),
        "epsilon_2": choose(generator, 1e-3, 0.5),
        "clip_threshold": between(generator, 0.3, 2.0),
        "relative_step": flag(generator),
    }


def ftrl(generator: np.random.Generator) -> Arguments:
    return {
        "learning_rate_power": choose(generator, -0.5, -0.3, 0.0),
        "initial_accumulator_value": between(generator, 0.05, 1.0),
        "l1_regularization_strength": choose(generator, 0.0, 0.1),
        "l2_regularization_strength": choose(generator, 0.0, 0.1),
        "l2_shrinkage_regularization_strength": choose(generator, 0.0, 0.1),
        "beta": choose(generator, 0.0, 0.2),
    }


def lion(generator: np.random.Generator) -> Arguments:
    return {"beta_1": between(generator, 0.3, 0.95), "beta_2": between(generator, 0.3, 0.99)}


def muon(generator: np.random.Generator) -> Arguments:
    return {
        "adam_beta_1": between(generator, 0.3, 0.95),
        "adam_beta_2": between(generator, 0.8, 0.999),
        "adam_weight_decay": choose(generator, 0.0, 0.1),
        "exclude_layers": choose(generator, None, ["kern"], ["bias", "nothing"]),
        "exclude_embeddings": flag(generator),
        "adam_lr_ratio": choose(generator, 1.0, 0.5),
        "momentum": between(generator, 0.5, 0.95),
        "ns_steps": choose(generator, 3, 5),
        "nesterov": flag(generator),
        "rms_rate": choose(generator, None, 0.2),
    }


def schedule_free(generator: np.random.Generator) -> Arguments:
    return moments(generator) | {"warmup_steps": choose(generator, 0, 7)}


OPTIMIZERS: dict[str, Draw] = {
    "SGD": sgd,
    "RMSprop": rmsprop,
    "Adam": adam,
    "AdamW": adam,
    "Adadelta": adadelta,
    "Adagrad": adagrad,
    "Adamax": moments,
    "Adafactor": adafactor,
    "Nadam": moments,
    "Ftrl": ftrl,
    "Lion": lion,
    "Lamb": moments,
    "Muon": muon,
    "ScheduleFreeAdamW": schedule_free,
}


def common(generator: np.random.Generator, name: str) -> Arguments:
    """Draw what every optimizer takes, each as often present as not."""
    drawn: Arguments = {"name": "mine"}
    if flag(generator):
        drawn["weight_decay"] = between(generator, 0.01, 0.3)
    if flag(generator, 0.6):
        limit = choose(generator, "clipnorm", "clipvalue", "global_clipnorm")
        drawn[limit] = between(generator, 0.3, 2.0)
    if flag(generator):
        drawn["use_ema"] = True
        drawn["ema_momentum"] = between(generator, 0.5, 0.99)
        drawn["ema_overwrite_frequency"] = choose(generator, None, 1, 4)
    if flag(generator, 0.3):
        drawn["loss_scale_factor"] = choose(generator, 0.5, 8.0)
    if flag(generator, 0.4):
        drawn["gradient_accumulation_steps"] = choose(generator, 2, 3)
    return drawn


# --- schedules -----------------------------------------------------------------------------------


def exponential(generator: np.random.Generator) -> Arguments:
    return {
        "decay_steps": int(generator.integers(1, 30)),
        "decay_rate": between(generator, 0.3, 1.1),
        "staircase": flag(generator),
    }


def polynomial(generator: np.random.Generator) -> Arguments:
    return {
        "decay_steps": int(generator.integers(1, 30)),
        "end_learning_rate": between(generator, 0.0, 0.1),
        "power": choose(generator, 0.5, 1.0, 2.0),
        "cycle": flag(generator),
    }


def cosine(generator: np.random.Generator) -> Arguments:
    drawn: Arguments = {
        "decay_steps": int(generator.integers(1, 30)),
        "alpha": choose(generator, 0.0, 0.2),
    }
    if flag(generator):
        drawn["warmup_target"] = between(generator, 0.05, 0.5)
        drawn["warmup_steps"] = int(generator.integers(1, 10))
    return drawn


def restarts(generator: np.random.Generator) -> Arguments:
    return {
        "first_decay_steps": int(generator.integers(2, 12)),
        "t_mul": choose(generator, 1.0, 1.5, 2.0),
        "m_mul": choose(generator, 1.0, 0.7),
        "alpha": choose(generator, 0.0, 0.2),
    }


def piecewise(generator: np.random.Generator) -> Arguments:
    count = int(generator.integers(1, 5))
    return {
        "boundaries": sorted(int(n) for n in generator.integers(0, 50, count)),
        "values": [between(generator, 0.001, 0.5) for _ in range(count + 1)],
    }


SCHEDULES: dict[str, Draw] = {
    "ExponentialDecay": exponential,
    "InverseTimeDecay": exponential,
    "PolynomialDecay": polynomial,
    "CosineDecay": cosine,
    "CosineDecayRestarts": restarts,
    "PiecewiseConstantDecay": piecewise,
}


def schedule(generator: np.random.Generator, name: str) -> Arguments:
    """Draw the arguments of a schedule."""
    drawn = SCHEDULES[name](generator)
    if name != "PiecewiseConstantDecay":
        drawn["initial_learning_rate"] = between(generator, 0.01, 0.5)
    return drawn


def same_config(found: Any, expected: Any) -> None:
    """Compare configs key by key; a rate went through float32 in Keras."""
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for key, value in expected.items():
            if key not in ("module", "registered_name"):
                same_config(found[key], value)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6)
    else:
        assert found == expected


@pytest.mark.parametrize("index", range(COUNT))
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str, index: int) -> None:
    arguments = schedule(generator_of(name, index), name)
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    ours = getattr(ls.optimizers.schedules, name)(**arguments)
    steps = range(60)
    expected = [float(theirs(step)) for step in steps]
    found = np.array([float(ours(step)) for step in steps])
    away = ~np.isclose(found, expected, rtol=1e-5, atol=1e-6)
    if name == "CosineDecayRestarts":
        # Where one cosine ends, Keras, in float32, may be at the start of the next, or not yet.
        begins = [np.diff(rates, prepend=rates[0]) > 0 for rates in (found, expected)]
        away &= ~np.logical_or(*begins)
    assert not away.any(), (arguments, away)
    np.testing.assert_array_equal(ours(np.arange(60)), found.astype("float32"))

    same_config(ours.get_config(), theirs.get_config())
    config = json.loads(json.dumps(keras.optimizers.schedules.serialize(theirs)))
    assert ls.optimizers.schedules.deserialize(config).get_config() == ours.get_config()
    config = json.loads(json.dumps(ls.optimizers.schedules.serialize(ours)))
    again = keras.optimizers.schedules.deserialize(config)
    assert again.get_config() == theirs.get_config()


# --- optimizers ----------------------------------------------------------------------------------


class Race:
    """The same optimizer in both libraries, and variables for each."""

    def __init__(self, name: str, index: int) -> None:
        self.generator = generator = generator_of(name, index)
        arguments = OPTIMIZERS[name](generator) | common(generator, name)
        self.arguments = arguments
        kind = choose(generator, "number", "number", "schedule", "callable")
        rate = between(generator, 0.01, 0.3)
        # Ftrl divides by the rate, which must not fall to zero.
        decay = choose(generator, *(SCHEDULES if name != "Ftrl" else ["InverseTimeDecay"]))
        options = schedule(generator, decay)
        if decay == "CosineDecayRestarts":
            # Which cosine a step belongs to at which one ends is up to rounding.
            options["first_decay_steps"] += 0.37
        self.serializable = kind != "callable"

        def made(library: Any) -> Any:
            given: Any = rate
            if kind == "schedule":
                given = getattr(library.optimizers.schedules, decay)(**options)
            elif kind == "callable":
                given = lambda: rate  # noqa: E731
            return getattr(library.optimizers, name)(learning_rate=given, **arguments)

        self.theirs, self.ours = made(keras), made(ls)
        start = {key: generator.normal(size=shape) for key, shape in SHAPES.items()}
        self.their_weights = [
            keras.Variable(value.astype("float32"), name=key) for key, value in start.items()
        ]
        self.our_weights = [
            ls.Variable(value.astype("float32"), name=key) for key, value in start.items()
        ]
        self.constrained, self.kept_from_decay = flag(generator), flag(generator)
        if self.constrained:
            self.their_weights[0].constraint = keras.constraints.MaxNorm(1.0)
            self.our_weights[0].constraint = ls.constraints.MaxNorm(1.0)
        if self.kept_from_decay:
            for optimizer, weights in (
                (self.theirs, self.their_weights),
                (self.ours, self.our_weights),
            ):
                optimizer.exclude_from_weight_decay(var_list=weights[:1], var_names=["bia"])
        self.without = choose(generator, None, None, 0, 3)
        if "gradient_accumulation_steps" in arguments and not ON_TORCH:
            # On JAX Keras keeps for later what a variable left out of an update had gathered.
            self.without = None
        self.grads: list[Any] = []

    def step(self, number: int) -> None:
        """Take one step in both; every third one leaves a variable out, if so drawn."""
        size = 10.0 ** self.generator.integers(-2, 2)
        grads: list[Any] = [
            (self.generator.normal(size=shape) * size).astype("float32")
            for shape in SHAPES.values()
        ]
        if self.without is not None and number % 3 == 0:
            grads[self.without] = None
        self.grads = grads
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Gradients do not exist")
            self.ours.apply(grads, self.our_weights)
            self.theirs.apply(
                [None if one is None else keras.ops.convert_to_tensor(one) for one in grads],
                self.their_weights,
            )

    def compare(self) -> None:
        for found, expected in zip(self.our_weights, self.their_weights, strict=True):
            close(found.value, expected.value, rtol=5e-4, atol=5e-5)


STEPPED = [pytest.param(name, marks=only_right_on_jax(name)) for name in OPTIMIZERS]


@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("name", STEPPED)
def test_steps_and_state(name: str, index: int) -> None:
    race = Race(name, index)
    for number in range(STEPS):
        race.step(number)
        race.compare()
    ours, theirs = race.ours, race.theirs
    assert int(ours.iterations) == int(theirs.iterations)
    assert float(ours.learning_rate) == pytest.approx(float(theirs.learning_rate), rel=1e-5)
    assert len(ours.variables) == len(theirs.variables)
    for found, expected in zip(ours.variables, theirs.variables, strict=True):
        # Keras numbers the variables that nobody named.
        assert found.path == re.sub(r"/variable_\d+$", "/variable", expected.path)
        assert found.shape == tuple(expected.shape)
        close(found.value, expected.value, rtol=1e-3, atol=1e-4)
    ours.finalize_variable_values(race.our_weights)
    theirs.finalize_variable_values(race.their_weights)
    race.compare()


@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_configs_travel_both_ways(name: str, index: int) -> None:
    race = Race(name, index)
    if not race.serializable:
        pytest.skip("a function has no config that another process could read")
    ours, theirs = race.ours, race.theirs
    same_config(ours.get_config(), theirs.get_config())
    config = json.loads(json.dumps(keras.optimizers.serialize(theirs)))
    same_config(ls.optimizers.deserialize(config).get_config(), theirs.get_config())
    config = json.loads(json.dumps(ls.optimizers.serialize(ours)))
    # Not `keras.optimizers.deserialize`, which forgets Lamb.
    again = keras.saving.deserialize_keras_object(config)
    same_config(again.get_config(), theirs.get_config())


@pytest.mark.parametrize("name", STEPPED)
def test_what_one_remembers_the_other_takes_over(name: str) -> None:
    race = Race(name, 0)
    for number in range(3):
        race.step(number)
    for found, expected in zip(race.our_weights, race.their_weights, strict=True):
        found.assign(np.asarray(keras.ops.convert_to_numpy(expected.value)))
    race.ours.set_weights([keras.ops.convert_to_numpy(one.value) for one in race.theirs.variables])
    for number in range(3, 8):
        race.step(number)
        race.compare()


@pytest.mark.parametrize("name", [*OPTIMIZERS, *SCHEDULES, "MultiOptimizer"])
def test_arguments_are_taken_in_keras_s_order(name: str) -> None:
    found = []
    for library in (ls, keras):
        cls = getattr(library.optimizers, name, None) or getattr(library.optimizers.schedules, name)
        parameters = inspect.signature(cls.__init__).parameters
        found.append([one for one in parameters if one not in ("self", "args", "kwargs")])
    ours, theirs = found
    assert ours == theirs


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults(name: str) -> None:
    same_config(
        getattr(ls.optimizers, name)(name="mine").get_config(),
        getattr(keras.optimizers, name)(name="mine").get_config(),
    )


def test_several_optimizers() -> None:
    generator = generator_of("MultiOptimizer")
    start = {key: generator.normal(size=shape).astype("float32") for key, shape in SHAPES.items()}
    made, weights = [], []
    for library in (ls, keras):
        fast = library.optimizers.SGD(0.1, momentum=0.5, weight_decay=0.1, name="fast")
        slow = library.optimizers.Adam(0.01, name="slow")
        table = library.optimizers.OptimizerMap(slow, {"kern.*": fast, "bias": fast})
        made.append(library.optimizers.MultiOptimizer(table, loss_scale_factor=4.0, name="mine"))
        weights.append([library.Variable(value, name=key) for key, value in start.items()])
    ours, theirs = made
    for _ in range(5):
        grads = [generator.normal(size=shape).astype("float32") for shape in SHAPES.values()]
        ours.apply(grads, weights[0])
        theirs.apply([keras.ops.convert_to_tensor(grad) for grad in grads], weights[1])
    for found, expected in zip(*weights, strict=True):
        close(found.value, expected.value)
    assert [one.path for one in ours.variables] == [one.path for one in theirs.variables]
    for found, expected in zip(ours.variables, theirs.variables, strict=True):
        close(found.value, expected.value)
    same_config(ours.get_config(), theirs.get_config())
    config = json.loads(json.dumps(keras.optimizers.serialize(theirs)))
    same_config(ls.optimizers.deserialize(config).get_config(), theirs.get_config())
    config = json.loads(json.dumps(ls.optimizers.serialize(ours)))
    again = keras.saving.deserialize_keras_object(config)
    same_config(again.get_config(), theirs.get_config())
