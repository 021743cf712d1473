"""Laws of optimizers: what each does to gradients, what it remembers, and how it is told to."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Variable, optimizers, registry
from layerscope.configurable import field

ALL = [
    pytest.param(cls, id=cls.__name__)
    for cls in registry.subclasses(optimizers.Optimizer)
    if cls is not optimizers.MultiOptimizer
]
NOTHING: Any = None
SHAPES = {"kernel": (3, 4), "bias": (4,), "scale": ()}


def variables() -> list[Variable]:
    generator = np.random.default_rng(0)
    return [
        Variable(generator.normal(size=shape).astype("float32"), name=name)
        for name, shape in SHAPES.items()
    ]


def gradients(number: int, size: float = 1.0) -> list[np.ndarray]:
    generator = np.random.default_rng(number + 1)
    return [(generator.normal(size=one) * size).astype("float32") for one in SHAPES.values()]


def run(optimizer: Any, weights: list[Variable], steps: range) -> None:
    for number in steps:
        optimizer.apply(gradients(number), weights)


def values(weights: list[Variable]) -> list[np.ndarray]:
    return [weight.numpy() for weight in weights]


def same(found: list[np.ndarray], expected: list[np.ndarray], rtol: float = 0.0) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def rate_of(optimizer: Any) -> float:
    return float(optimizer.learning_rate)


# --- every optimizer -----------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_finds_the_bottom_of_a_bowl(cls: Any) -> None:
    target = np.array([[1.0, -2.0], [0.5, 3.0]])
    weight = Variable(np.zeros((2, 2)), dtype="float64")
    optimizer = cls(
        {"Adadelta": 60.0, "Adagrad": 1.0, "Adafactor": 0.5, "Ftrl": 2.0}.get(cls.__name__, 0.05)
    )
    for step in range(1000):
        optimizer.apply([2 * (weight.value - target)], [weight])
        if step == 700:
            optimizer.learning_rate = float(optimizer.learning_rate) / 10
    # Weight decay pulls a little towards zero.
    np.testing.assert_allclose(weight.value, target, atol=0.1)


@pytest.mark.parametrize("how", ["pickle", "deepcopy", "arrays"])
@pytest.mark.parametrize("cls", ALL)
def test_goes_on_bit_for_bit(cls: Any, how: str) -> None:
    options: Any = {"use_ema": True, "gradient_accumulation_steps": 2, "weight_decay": 0.01}
    weights, optimizer = variables(), cls(0.05, **options)
    run(optimizer, weights, range(5))
    if how == "pickle":
        again, restored = pickle.loads(pickle.dumps((optimizer, weights)))
    elif how == "deepcopy":
        again, restored = copy.deepcopy((optimizer, weights))
    else:
        stored: dict[str, np.ndarray] = {}
        optimizer.save_own_variables(stored)
        restored, again = variables(), cls(0.9, **options)
        again.build(restored)
        again.load_own_variables(stored)
        for one, other in zip(restored, weights, strict=True):
            one.assign(other.value)
    run(optimizer, weights, range(5, 12))
    run(again, restored, range(5, 12))
    for one, other in zip(
        [*weights, *optimizer.variables], [*restored, *again.variables], strict=True
    ):
        np.testing.assert_array_equal(one.value, other.value)
    assert int(again.iterations) == 6


@pytest.mark.parametrize("cls", ALL)
def test_accumulated_steps_equal_one_of_the_mean(cls: Any) -> None:
    whole, parts = variables(), variables()
    one, several = cls(0.05), cls(0.05, gradient_accumulation_steps=3)
    for number in range(4):
        three = [gradients(10 * number + index) for index in range(3)]
        mean = [sum(column) / np.float32(3) for column in zip(*three, strict=True)]
        one.apply(mean, whole)
        for index, grads in enumerate(three):
            before = values(parts)
            several.apply(grads, parts)
            if index < 2:
                same(values(parts), before)
    same(values(parts), values(whole), rtol=1e-4)
    assert int(several.iterations) == int(one.iterations) == 4


@pytest.mark.parametrize("cls", ALL)
def test_config_round_trip(cls: Any) -> None:
    made = cls(
        optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
        weight_decay=0.25,
        global_clipnorm=2.0,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=3,
        loss_scale_factor=4.0,
        gradient_accumulation_steps=2,
        name="mine",
    )
    config = json.loads(json.dumps(optimizers.serialize(made)))
    again = optimizers.deserialize(config)
    assert type(again) is cls
    assert optimizers.serialize(again) == optimizers.serialize(made)
    assert isinstance(again.get_config()["learning_rate"], dict)
    assert again.weight_decay == 0.25
    assert again.clipnorm is None


@pytest.mark.parametrize("cls", ALL)
def test_state_is_variables_named_after_the_weights(cls: Any) -> None:
    optimizer, weights = cls(0.1), variables()
    optimizer.build(weights)
    known = optimizer.variables
    assert [one.path for one in known[:2]] == [
        f"{optimizer.name}/iteration", f"{optimizer.name}/learning_rate"
    ]  # fmt: skip
    run(optimizer, weights, range(2))
    assert [id(one) for one in optimizer.variables] == [id(one) for one in known]
    assert int(known[0]) == 2
    assert float(known[1]) == pytest.approx(0.1)


# --- clipping ------------------------------------------------------------------------------------


def applied(size: float = 10.0, **options: Any) -> list[np.ndarray]:
    """Return what plain descent at rate 1 made of large gradients."""
    weights = [Variable(np.zeros(shape, "float32")) for shape in SHAPES.values()]
    optimizers.SGD(1.0, **options).apply(gradients(0, size), weights)
    return [-value for value in values(weights)]


def test_clipnorm_shortens_each_gradient() -> None:
    for found, grad in zip(applied(100.0, clipnorm=0.5), gradients(0, 100.0), strict=True):
        assert np.linalg.norm(found) == pytest.approx(0.5, rel=1e-5)
        np.testing.assert_allclose(found / 0.5, grad / np.linalg.norm(grad), rtol=1e-5)
    same(applied(0.01, clipnorm=5.0), gradients(0, 0.01), rtol=1e-6)


def test_clipvalue_limits_each_entry() -> None:
    same(applied(clipvalue=0.5), [np.clip(grad, -0.5, 0.5) for grad in gradients(0, 10.0)])


def test_global_clipnorm_keeps_the_proportions() -> None:
    found, grads = applied(global_clipnorm=0.5), gradients(0, 10.0)
    total = np.sqrt(sum(np.square(one).sum() for one in found))
    assert total == pytest.approx(0.5, rel=1e-5)
    factors = [np.unique(np.round(one / grad, 6)) for one, grad in zip(found, grads, strict=True)]
    assert len(np.unique(np.concatenate(factors))) == 1
    same(applied(0.01, global_clipnorm=5.0), gradients(0, 0.01), rtol=1e-6)


def test_global_clipnorm_has_no_direction_left_where_a_gradient_is_not_finite() -> None:
    a, b = Variable([1.0]), Variable([1.0])
    optimizers.SGD(1.0, global_clipnorm=1.0).apply([np.array([np.inf]), np.array([1.0])], [a, b])
    assert np.isnan(a.value).all()
    assert np.isnan(b.value).all()


def test_the_loss_scale_is_undone() -> None:
    optimizer, weight = optimizers.SGD(0.5, loss_scale_factor=8.0), Variable([1.0])
    with ls.GradientTape() as tape:
        loss = optimizer.scale_loss(ls.ops.sum(weight * 3.0))
    assert float(loss) == 24.0
    optimizer.apply(tape.gradient(loss, [weight]), [weight])
    assert float(weight.value[0]) == -0.5


# --- decay, averages, constraints ----------------------------------------------------------------


def test_weight_decay_and_what_is_kept_from_it() -> None:
    weights = [Variable([1.0], name=name) for name in ("kernel", "bias", "other")]
    optimizer = optimizers.SGD(0.5, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=[weights[2]], var_names=["^bi"])
    optimizer.apply([np.zeros(1)] * 3, weights)
    assert [float(weight.value[0]) for weight in weights] == pytest.approx([0.95, 1.0, 1.0])


def test_adamw_decays_unasked() -> None:
    weight = Variable([1.0])
    optimizers.AdamW(0.5).apply([np.zeros(1)], [weight])
    assert float(weight.value[0]) == pytest.approx(1 - 0.5 * 0.004)
    with pytest.raises(ValueError, match=r"`weight_decay` must be a float.*None"):
        optimizers.AdamW(weight_decay=NOTHING)


def test_muon_decays_matrices_and_the_rest_by_themselves() -> None:
    matrix, vector = Variable([[1.0]]), Variable([1.0])
    optimizer = optimizers.Muon(0.5, weight_decay=0.1, adam_weight_decay=0.2)
    optimizer.apply([np.zeros((1, 1)), np.zeros(1)], [matrix, vector])
    assert (float(matrix.value[0, 0]), float(vector.value[0])) == pytest.approx((0.95, 0.9))


def test_averages_follow_the_weights() -> None:
    weights, optimizer = variables(), optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75)
    expected = None
    for number in range(5):
        optimizer.apply(gradients(number), weights)
        now = values(weights)
        expected = (
            now
            if expected is None
            else [0.75 * old + 0.25 * new for old, new in zip(expected, now, strict=True)]
        )
    assert expected is not None
    with pytest.raises(ValueError, match=r"length of model variables \(1\)"):
        optimizer.finalize_variable_values(weights[:1])
    optimizer.finalize_variable_values(weights)
    same(values(weights), expected, rtol=1e-5)


def test_averages_replace_the_weights_when_it_is_time() -> None:
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    weight, found = Variable([0.0]), []
    for _ in range(4):
        optimizer.apply([np.array([-1.0])], [weight])
        found.append(float(weight.value[0]))
    # Averages: 1, (1 + 2) / 2, (1.5 + 2.5) / 2, (2 + 3.5) / 2.
    assert found == [1.0, 1.5, 2.5, 2.75]


def test_constraints_come_last() -> None:
    weight = Variable([3.0, 4.0], dtype="float64")
    weight.constraint = ls.constraints.NonNeg()
    optimizers.SGD(1.0).apply([np.array([5.0, 1.0])], [weight])
    assert weight.numpy().tolist() == [0.0, 3.0]


# --- the rate ------------------------------------------------------------------------------------


def test_the_rate_can_be_set() -> None:
    optimizer = optimizers.SGD(0.5)
    weight = Variable([0.0])
    optimizer.apply([np.ones(1)], [weight])
    optimizer.learning_rate = 0.25
    optimizer.apply([np.ones(1)], [weight])
    optimizer.variables[1].assign(1.0)
    optimizer.apply([np.ones(1)], [weight])
    assert float(weight.value[0]) == -1.75
    assert optimizer.get_config()["learning_rate"] == 1.0


def test_a_schedule_or_a_function_gives_the_rate() -> None:
    rates = iter([1.0, 2.0])
    weight = Variable([0.0])
    optimizer = optimizers.SGD(lambda: next(rates))
    for _ in range(2):
        optimizer.apply([np.ones(1)], [weight])
    assert float(weight.value[0]) == -3.0

    schedule = optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.5])
    weight, optimizer = Variable([0.0]), optimizers.SGD(schedule)
    assert len(optimizer.variables) == 1
    for _ in range(2):
        optimizer.apply([np.ones(1)], [weight])
    assert float(weight.value[0]) == -1.5
    with pytest.raises(TypeError, match="not settable"):
        optimizer.learning_rate = 0.1
    falling: Any = optimizers.schedules.ExponentialDecay(0.1, 1, 1.0)
    optimizer.learning_rate = falling
    assert rate_of(optimizer) == pytest.approx(0.1)


@pytest.mark.parametrize("rate", [-1, "fast", None, float("nan"), True, [0.1], optimizers.SGD])
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    with pytest.raises(ValueError, match="`learning_rate` must be a number"):
        optimizers.SGD(rate)


# --- errors --------------------------------------------------------------------------------------


def test_what_cannot_be_applied_is_said() -> None:
    a, b = Variable([1.0], name="a"), Variable([1.0], name="b")
    optimizer = optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="already be built"):
        optimizer.apply([np.ones(1)])
    optimizer.apply([np.ones(1)], [a])
    optimizer.apply([np.ones(1)])
    assert float(a.value[0]) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="Received a list of 2"):
        optimizer.apply([np.ones(1)] * 2)
    with pytest.raises(ValueError, match=r"Unknown variable.*path=b"):
        optimizer.apply([np.ones(1)], [b])
    with pytest.raises(ValueError, match=r"shape of its variable.*\(2,\).*'a'.*\(1,\)"):
        optimizer.apply([np.ones(2)], [a])
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.apply([None], [a])
    optimizer.apply([], [])
    optimizer = optimizers.SGD(0.1)
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['b'\]"):
        optimizer.apply([np.ones(1), None], [a, b])
    assert float(b.value[0]) == 1.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "Only one of `clipnorm`"),
        ({"ema_momentum": 1.5, "use_ema": True}, r"`ema_momentum` must be in the range.*1\.5"),
        ({"ema_overwrite_frequency": 0, "use_ema": True}, "must be an integer >= 1"),
        ({"gradient_accumulation_steps": 1}, "must be an integer >= 2"),
        ({"momentum": 2.0}, "`momentum` must be a float between"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        optimizers.SGD(**options)


def test_ftrl_does_not_divide_by_a_rate_of_zero() -> None:
    with pytest.raises(ValueError, match=r"above 0.*learning_rate=0\.0 in step 1"):
        optimizers.Ftrl(0.0).apply([np.ones(1)], [Variable([1.0])])


def test_weights_must_fit() -> None:
    optimizer = optimizers.Adam()
    with pytest.raises(ValueError, match="not yet been built"):
        optimizer.set_weights([])
    optimizer.build(variables())
    with pytest.raises(ValueError, match=r"has 8 variables\. Received: 1"):
        optimizer.set_weights([0])
    with pytest.raises(ValueError, match=r"kernel_momentum.*\(3, 4\).*\(1,\)"):
        optimizer.set_weights([0, 0.1, *([np.zeros(1)] * 6)])
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        optimizer.load_own_variables({"0": np.zeros(())})


def test_an_identifier_must_mean_an_optimizer() -> None:
    assert optimizers.get(None) is None
    assert type(optimizers.get("adamw")) is optimizers.AdamW
    for identifier in ("fastest", len, optimizers.schedules.CosineDecay(0.1, 1)):
        with pytest.raises(ValueError, match="Could not interpret optimizer"):
            optimizers.get(identifier)


def test_old_configs_are_read() -> None:
    with pytest.warns(UserWarning, match="`decay` is no longer supported"):
        made = optimizers.SGD.from_config({"decay": 0.1, "jit_compile": True, "learning_rate": 0.2})
    assert float(made.learning_rate) == pytest.approx(0.2)


# --- single rules --------------------------------------------------------------------------------


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


def test_lion_moves_every_weight_equally_far() -> None:
    weights = variables()
    before = values(weights)
    optimizers.Lion(0.25).apply(gradients(0), weights)
    for old, new, grad in zip(before, values(weights), gradients(0), strict=True):
        np.testing.assert_allclose(new - old, -0.25 * np.sign(grad), rtol=1e-5)


def test_lamb_moves_in_proportion_to_the_weights() -> None:
    weights = variables()
    before = values(weights)
    optimizers.Lamb(0.25).apply(gradients(0), weights)
    for old, new in zip(before, values(weights), strict=True):
        assert np.linalg.norm(new - old) == pytest.approx(0.25 * np.linalg.norm(old), rel=1e-4)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5)])
def test_muon_moves_along_an_orthogonal_matrix(shape: tuple[int, int]) -> None:
    weight = Variable(np.zeros(shape), dtype="float64")
    grad = np.random.default_rng(0).normal(size=shape)
    optimizers.Muon(1.0, weight_decay=None, rms_rate=None).apply([grad], [weight])
    stretches = np.linalg.svd(-weight.value, compute_uv=False)
    assert stretches.min() > 0.4
    assert stretches.max() < 1.3
    # Along the gradient's own directions.
    left, _, right = np.linalg.svd(grad, full_matrices=False)
    rotated = left.T @ -weight.value @ right.T
    np.testing.assert_allclose(rotated - np.diag(np.diag(rotated)), 0, atol=1e-9)


def test_ftrl_leaves_few_weights_that_are_not_zero() -> None:
    target = np.array([2.0, 0.05, -0.02, -3.0])
    found = {}
    for strength in (0.0, 3.0):
        weight = Variable(np.zeros(4), dtype="float64")
        optimizer = optimizers.Ftrl(0.5, l1_regularization_strength=strength)
        for _ in range(30):
            optimizer.apply([weight.value - target], [weight])
        found[strength] = weight.numpy()
    assert (found[0.0] != 0).all()
    assert (found[3.0] == 0).tolist() == [False, True, True, False]


def test_adafactor_rebuilds_squares_from_rows_and_columns() -> None:
    weight = Variable(np.ones((2, 3)), dtype="float64")
    optimizer = optimizers.Adafactor(0.1)
    # Squares that are a product of rows and columns are rebuilt exactly.
    grad = np.sqrt(np.outer([1.0, 4.0], [1.0, 2.0, 3.0]))
    optimizer.apply([grad], [weight])
    velocity = next(one for one in optimizer.variables if one.name.endswith("velocity"))
    np.testing.assert_allclose(velocity.value, np.square(grad), rtol=1e-12)
    np.testing.assert_allclose(1 - weight.value, 0.1, rtol=1e-6)


def test_a_schedule_free_average_is_that_of_all_steps() -> None:
    weight = Variable([0.0], dtype="float64")
    optimizer = optimizers.ScheduleFreeAdamW(0.1, beta_1=1.0)
    last, passed = 0.0, []
    for _ in range(4):
        optimizer.apply([np.array([2.0])], [weight])
        last -= 0.1
        passed.append(last)
        assert float(weight.value[0]) == pytest.approx(np.mean(passed), rel=1e-6)


# --- optimizers of one's own ---------------------------------------------------------------------


class Heavy(optimizers.Optimizer):
    """The house's way: fields, and an `update` that keeps what it likes."""

    friction: float = field(default=0.5, help="Share of speed lost.")

    def update(self, variable: Any, grad: Any, state: Any) -> None:
        speed = state.setdefault("speed", np.zeros_like(grad))
        speed *= 1 - self.friction
        speed -= self.learning_rate.numpy() * grad
        variable.assign_add(speed)


class KerasHeavy(optimizers.Optimizer):
    """Keras's way: a constructor, `build` and `update_step`."""

    def __init__(self, learning_rate: float = 0.01, friction: float = 0.5, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.friction = friction

    def build(self, variables: Any) -> None:
        super().build(variables)
        self.speeds = [
            self.add_variable_from_reference(reference_variable=one, name="speed")
            for one in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        speed = self.speeds[self._get_variable_index(variable)]
        self.assign(speed, speed * (1 - self.friction) - gradient * learning_rate)
        self.assign_add(variable, speed)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"friction": self.friction}


@pytest.mark.parametrize("cls", [Heavy, KerasHeavy])
def test_an_optimizer_of_ones_own(cls: Any) -> None:
    expected, found = variables(), variables()
    reference = optimizers.SGD(0.1, momentum=0.75, clipnorm=1.0)
    own = cls(0.1, friction=0.25, clipnorm=1.0)
    run(reference, expected, range(4))
    run(own, found, range(4))
    same(values(found), values(expected), rtol=1e-5)
    again, restored = pickle.loads(pickle.dumps((own, found)))
    run(own, found, range(4, 8))
    run(again, restored, range(4, 8))
    same(values(restored), values(found))
    assert any(one.path.endswith("/kernel_speed") for one in own.variables)

    config = json.loads(json.dumps(optimizers.serialize(own)))
    with ls.saving.custom_object_scope({cls.__name__: cls}):
        copied: Any = optimizers.deserialize(config)
    assert (type(copied), copied.friction, copied.clipnorm) == (cls, 0.25, 1.0)
    assert float(copied.learning_rate) == pytest.approx(0.1)


def test_a_rule_must_be_defined() -> None:
    class Nothing(optimizers.Optimizer):
        """Without a rule."""

    with pytest.raises(NotImplementedError, match=r"Nothing must define `update\(variable"):
        Nothing(0.1).apply([np.ones(1)], [Variable([1.0])])


# --- several optimizers --------------------------------------------------------------------------


def several() -> Any:
    decayed = optimizers.SGD(0.25, weight_decay=0.5, use_ema=True, ema_momentum=0.5)
    table = optimizers.OptimizerMap(optimizers.Adam(0.1), {"kern.*": decayed})
    return optimizers.MultiOptimizer(table, loss_scale_factor=2.0)


def test_each_variable_goes_with_its_optimizer() -> None:
    weights, optimizer = variables(), several()
    assert float(optimizer.scale_loss(3.0)) == 6.0
    expected, alone = variables(), [optimizers.Adam(0.1), several().optimizers[0]]
    alone[1].loss_scale_factor = None
    for number in range(4):
        grads = gradients(number)
        optimizer.apply([2 * grad for grad in grads], weights)
        alone[0].apply(grads[1:], expected[1:])
        alone[1].apply(grads[:1], expected[:1])
    same(values(weights), values(expected), rtol=1e-6)
    assert (int(optimizer.iterations), int(alone[0].iterations)) == (4, 4)
    optimizer.finalize_variable_values(weights)
    alone[1].finalize_variable_values(expected[:1])
    same(values(weights), values(expected), rtol=1e-6)


def test_several_optimizers_are_stored_together() -> None:
    weights, optimizer = variables(), several()
    run(optimizer, weights, range(3))
    config = json.loads(json.dumps(optimizers.serialize(optimizer)))
    again = optimizers.deserialize(config)
    assert again.get_config() == optimizer.get_config()
    stored: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(stored)
    restored = [Variable(one.value, name=one.name) for one in weights]
    again.build(restored)
    again.load_own_variables(stored)
    copied, others = pickle.loads(pickle.dumps((optimizer, weights)))
    for one, own in ((optimizer, weights), (again, restored), (copied, others)):
        run(one, own, range(3, 6))
    for found in (restored, others):
        for one, other in zip(found, weights, strict=True):
            np.testing.assert_array_equal(one.value, other.value)


def test_a_function_may_choose_the_optimizer() -> None:
    still, moving = optimizers.SGD(0.0), optimizers.SGD(1.0)
    optimizer = optimizers.MultiOptimizer(lambda one: still if one.name == "bias" else moving)
    weights = variables()
    before = values(weights)
    run(optimizer, weights, range(1))
    assert optimizer.optimizers == [moving, still]
    changed = [not np.array_equal(*pair) for pair in zip(before, values(weights), strict=True)]
    assert changed == [True, False, True]


def test_what_several_optimizers_cannot_do_is_said() -> None:
    one = optimizers.SGD()
    table = optimizers.OptimizerMap(one, {"a": one})
    wrong: Any = "sgd"
    with pytest.raises(ValueError, match="'a' already exists"):
        table["a"] = one
    with pytest.raises(TypeError, match="must be an Optimizer instance"):
        table["b"] = wrong
    with pytest.raises(TypeError, match="must be a dictionary"):
        optimizers.OptimizerMap(one, wrong)
    with pytest.raises(ValueError, match="cannot be MultiOptimizer"):
        table["b"] = several()
    table["k.*"], table[".*l"] = one, one
    with pytest.raises(ValueError, match="Multiple optimizers assigned to variable kernel"):
        optimizers.MultiOptimizer(table).build(variables())
    for attempt in (
        lambda: several().learning_rate,
        lambda: setattr(several(), "learning_rate", 1),
    ):
        with pytest.raises(AttributeError, match="individual `optimizers`"):
            attempt()


# --- schedules -----------------------------------------------------------------------------------

SCHEDULES: dict[str, Callable[[], Any]] = {
    "exponential": lambda: optimizers.schedules.ExponentialDecay(0.5, 10, 0.5),
    "staircase": lambda: optimizers.schedules.ExponentialDecay(0.5, 10, 0.5, staircase=True),
    "inverse": lambda: optimizers.schedules.InverseTimeDecay(0.5, 10, 1.0),
    "polynomial": lambda: optimizers.schedules.PolynomialDecay(0.5, 10, 0.1, power=2.0),
    "cycle": lambda: optimizers.schedules.PolynomialDecay(0.5, 10, 0.1, cycle=True),
    "piecewise": lambda: optimizers.schedules.PiecewiseConstantDecay([10, 15], [1.0, 0.5, 0.1]),
    "cosine": lambda: optimizers.schedules.CosineDecay(0.5, 10, alpha=0.2),
    "warm-up": lambda: optimizers.schedules.CosineDecay(
        0.0, 10, warmup_target=0.5, warmup_steps=5
    ),
    "restarts": lambda: optimizers.schedules.CosineDecayRestarts(0.5, 10, t_mul=2.0, m_mul=0.5),
    "equal restarts": lambda: optimizers.schedules.CosineDecayRestarts(0.5, 10, t_mul=1.0),
}  # fmt: skip
#: Rates at some steps, by hand.
EXPECTED = {
    "exponential": {0: 0.5, 5: 0.5**1.5, 10: 0.25, 20: 0.125},
    "staircase": {0: 0.5, 9: 0.5, 10: 0.25, 29: 0.125},
    "inverse": {0: 0.5, 10: 0.25, 30: 0.125},
    "polynomial": {0: 0.5, 5: 0.2, 10: 0.1, 99: 0.1},
    "cycle": {0: 0.5, 5: 0.3, 10: 0.1, 15: 0.2, 20: 0.1},
    "piecewise": {0: 1.0, 10: 1.0, 11: 0.5, 15: 0.5, 16: 0.1},
    "cosine": {0: 0.5, 5: 0.3, 10: 0.1, 99: 0.1},
    "warm-up": {0: 0.0, 1: 0.1, 5: 0.5, 10: 0.25, 15: 0.0, 99: 0.0},
    "restarts": {0: 0.5, 5: 0.25, 10: 0.25, 20: 0.125, 30: 0.125},
    "equal restarts": {0: 0.5, 5: 0.25, 10: 0.5, 25: 0.25},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    schedule = SCHEDULES[name]()
    for step, rate in EXPECTED[name].items():
        assert float(schedule(step)) == pytest.approx(rate, abs=1e-7), step
    steps = np.arange(40)
    np.testing.assert_array_equal(schedule(steps), [schedule(int(step)) for step in steps])
    assert schedule(3).dtype == "float32"
    config = json.loads(json.dumps(optimizers.schedules.serialize(schedule)))
    again = optimizers.schedules.deserialize(config)
    assert again.get_config() == schedule.get_config()
    assert type(schedule).formula


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: s.ExponentialDecay(0.1, 0, 0.5), r"`decay_steps` must be > 0.*decay_steps=0"),
        (lambda s: s.CosineDecay(0.1, -1), r"`decay_steps` must be > 0"),
        (lambda s: s.CosineDecayRestarts(0.1, 0), r"`first_decay_steps` must be > 0"),
        (lambda s: s.PiecewiseConstantDecay([1], [0.1]), "1 less than the length of values"),
        (lambda s: s.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "`boundaries` must ascend"),
        (lambda s: s.PiecewiseConstantDecay(1, [0.1]), "Expected a sequence of numbers"),
        (lambda s: s.PolynomialDecay("x", 1), "`initial_learning_rate` must be a number"),
    ],
)
def test_bad_schedules(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(optimizers.schedules)


def test_a_schedule_of_ones_own() -> None:
    class Halving(optimizers.schedules.LearningRateSchedule):
        def __init__(self, first: float) -> None:
            self.first = first

        def __call__(self, step: Any) -> Any:
            return self.first / 2**step

    optimizer, weight = optimizers.SGD(Halving(1.0)), Variable([0.0])
    for _ in range(3):
        optimizer.apply([np.ones(1)], [weight])
    assert float(weight.value[0]) == -1.75
    with ls.saving.custom_object_scope({"Halving": Halving}):
        again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert float(again.learning_rate) == 1.0
    with pytest.raises(NotImplementedError, match="must override `__call__"):
        optimizers.schedules.LearningRateSchedule()(1)


def test_training_with_a_schedule_goes_on_where_it_was() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(16, 3)), generator.normal(size=(16, 1))
    model = ls.Sequential([ls.Input((3,)), ls.layers.Dense(4, "tanh"), ls.layers.Dense(1)])
    rate = optimizers.schedules.CosineDecay(0.1, 12)
    model.compile(optimizers.Adam(rate, weight_decay=0.01, clipnorm=1.0), "mse")
    for _ in range(3):
        model.train_on_batch(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paused = pickle.loads(pickle.dumps(model))
    for one in (model, paused):
        for _ in range(3):
            one.train_on_batch(x, y)
    for found, expected in zip(paused.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert int(paused.optimizer.iterations) == 6
