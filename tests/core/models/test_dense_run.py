"""A step of a model of dense layers alone is taken without a tape: it must be what a tape gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.models import training


class Taped(ls.Sequential):
    """Nothing is known of a `call` of one's own, so a tape is needed."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training, mask)


class Twofold(ls.Sequential):
    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        return 2 * super().compute_loss(*args, **kwargs)


class Larger(ls.optimizers.SGD):
    def scale_loss(self, loss: Any) -> Any:
        return 8 * loss


class Halved(ls.losses.MeanSquaredError):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) / 2


Build = Callable[[type[ls.Sequential]], ls.Sequential]


def stack(*layers: Any, loss: Any = "mse", optimizer: Any = "adam", **options: Any) -> Build:
    """Return what makes the opening stack, or one of other layers, of either class."""

    def build(cls: type[ls.Sequential]) -> ls.Sequential:
        ls.utils.set_random_seed(3)
        made = [layer() for layer in layers] or [dense(8)(), dense(8)(), dense(1, "sigmoid")()]
        model = cls([ls.Input((2,)), *made])
        given: Any = optimizer() if callable(optimizer) else optimizer
        model.compile(given, loss() if callable(loss) else loss, **options)
        return model

    return build


def dense(units: int, activation: Any = "tanh", **options: Any) -> Callable[[], Any]:
    return lambda: ls.layers.Dense(units, activation, **options)


def frozen(build: Build) -> Build:
    def built(cls: type[ls.Sequential]) -> ls.Sequential:
        model = build(cls)
        model.layers[0].trainable = False
        return model

    return built


def shared(cls: type[ls.Sequential]) -> ls.Sequential:
    ls.utils.set_random_seed(3)
    inner = ls.layers.Dense(2, "tanh")
    model = cls([ls.Input((2,)), inner, inner, ls.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


#: What a step without a tape is for.
PLAIN: dict[str, Build] = {
    "adam": stack(),
    "sgd": stack(optimizer="sgd"),
    "binary": stack(loss="binary_crossentropy", metrics=["accuracy"]),
    "several classes": stack(dense(4), dense(2, "softmax"), loss="sparse_categorical_crossentropy"),
    "clipped": stack(optimizer=lambda: ls.optimizers.SGD(clipnorm=0.01)),
    "constrained": stack(dense(4, kernel_constraint="unit_norm"), dense(1)),
    "large": stack(dense(700), dense(700), dense(1), optimizer="sgd"),
    "accumulated": stack(optimizer=lambda: ls.optimizers.SGD(gradient_accumulation_steps=2)),
}

#: Where it is not enough.
MORE: dict[str, Build] = {
    "a penalty": stack(dense(4, kernel_regularizer="l2"), dense(1)),
    "a penalty on outputs": stack(dense(4, activity_regularizer="l2"), dense(1)),
    "dropout": stack(dense(4), dense(1), lambda: ls.layers.Dropout(0.5, seed=1)),
    "no weights behind": stack(dense(4), dense(1), lambda: ls.layers.Activation("relu")),
    "no bias": stack(dense(4, use_bias=False), dense(1)),
    "frozen": frozen(stack()),
    "a layer used twice": shared,
    "another loss": stack(loss="mae"),
    "a loss of one's own": stack(loss=Halved),
    "a weighted loss": stack(loss_weights=0.5),
    "a scaled loss": stack(optimizer=lambda: ls.optimizers.SGD(loss_scale_factor=4.0)),
    "an optimizer of one's own": stack(optimizer=Larger),
}


def batch(rows: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 2)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def assert_alike(one: ls.Sequential, other: ls.Sequential, tolerance: float = 0) -> None:
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, tolerance, tolerance)


@pytest.mark.parametrize("name", [*PLAIN, *MORE])
def test_steps_are_those_of_a_tape(name: str) -> None:
    build = (PLAIN | MORE)[name]
    model, taped = build(ls.Sequential), build(Taped)
    # How a large product is summed depends on where its factors lie.
    tolerance = 1e-6 if name == "large" else 0
    for rows in (12, 12, 5, 12, 12):
        x, y = batch(rows)
        loss = pytest.approx(taped.train_on_batch(x, y), tolerance, tolerance)
        assert model.train_on_batch(x, y) == loss
    assert_alike(model, taped, tolerance)


@pytest.fixture
def no_tape(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse() -> Any:
        raise AssertionError("a tape was asked for")

    return lambda: monkeypatch.setattr(training, "GradientTape", refuse)


@pytest.mark.parametrize("name", PLAIN)
def test_dense_layers_alone_need_no_tape(name: str, no_tape: Callable[[], None]) -> None:
    model = PLAIN[name](ls.Sequential)
    model.train_on_batch(*batch())
    no_tape()
    before = model.get_weights()
    model.train_on_batch(*batch())
    model.train_on_batch(*batch())
    assert any(np.any(one != other) for one, other in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("name", MORE)
def test_more_than_dense_layers_need_one(name: str, no_tape: Callable[[], None]) -> None:
    model = MORE[name](ls.Sequential)
    model.train_on_batch(*batch())
    no_tape()
    with pytest.raises(AssertionError, match="a tape was asked for"):
        model.train_on_batch(*batch())


def test_a_loss_of_the_models_own_counts() -> None:
    model, plain = stack(optimizer="sgd")(Twofold), stack(optimizer="sgd")(ls.Sequential)
    assert model.train_on_batch(*batch()) == 2 * plain.train_on_batch(*batch())
    assert model.train_on_batch(*batch()) > 1.5 * plain.train_on_batch(*batch())


def test_weights_of_samples_count() -> None:
    model, taped = stack()(ls.Sequential), stack()(Taped)
    x, y = batch()
    for _ in range(3):
        one, other = (
            each.train_on_batch(x, y, sample_weight=np.linspace(0, 1, len(x)))
            for each in (model, taped)
        )
        assert one == other
    assert_alike(model, taped)


def change_nothing(model: Any) -> None:
    pass


def freeze(model: Any) -> None:
    model.layers[1].trainable = False


def freeze_one_weight(model: Any) -> None:
    model.layers[0].bias.trainable = False


def penalize(model: Any) -> None:
    model.layers[0].kernel.regularizer = ls.regularizers.L2(0.1)


def penalize_outputs(model: Any) -> None:
    model.layers[1].activity_regularizer = ls.regularizers.L2(0.1)


def penalize_the_whole(model: Any) -> None:
    model.activity_regularizer = ls.regularizers.L2(0.1)


def activate_otherwise(model: Any) -> None:
    model.layers[0].activation = ls.activations.relu


def adapt(model: Any) -> None:
    model.layers[0].enable_lora(1)


def drop_the_bias(model: Any) -> None:
    model.layers[0].bias = None


def replace_the_values(model: Any) -> None:
    model.set_weights([np.full_like(one, 0.1) for one in model.get_weights()])


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize(
    "change",
    [
        *(change_nothing, freeze, freeze_one_weight, penalize, penalize_outputs),
        *(penalize_the_whole, activate_otherwise, adapt, drop_the_bias, replace_the_values),
    ],
)
def test_what_changes_between_steps_counts(change: Callable[[Any], None]) -> None:
    model, taped = stack(optimizer="sgd")(ls.Sequential), stack(optimizer="sgd")(Taped)
    before = [model.train_on_batch(*batch()), taped.train_on_batch(*batch())]
    for each in (model, taped):
        each.train_on_batch(*batch())
        ls.utils.set_random_seed(4)
        change(each)
        if change is adapt:
            each.compile("sgd", "mse")
    for _ in range(2):
        assert model.train_on_batch(*batch()) == taped.train_on_batch(*batch())
    assert before[0] == before[1]
    assert_alike(model, taped)


def test_what_differentiates_a_step_sees_it() -> None:
    model = stack()(ls.Sequential)
    x, y = batch()
    model.train_on_batch(x, y)
    with ls.GradientTape() as tape:
        found = model._differentiate(x, y, None)
    first = model.trainable_variables[0]
    # The step's own tape has been walked back on this one: the loss is a value that it knows.
    assert tape.gradient(found.loss, first) is not None


def test_targets_of_another_type_are_brought_to_the_losss() -> None:
    model, taped = stack()(ls.Sequential), stack()(Taped)
    x, y = batch()
    for _ in range(3):
        one, other = (each.train_on_batch(x, y.astype(int)) for each in (model, taped))
        assert one == other
    assert_alike(model, taped)


def test_targets_that_do_not_fit_are_refused_as_before() -> None:
    model = stack()(ls.Sequential)
    x, y = batch()
    model.train_on_batch(x, y)
    with pytest.raises(ValueError, match="same shape"):
        model.train_on_batch(x, np.repeat(y, 3, 1))
    with pytest.raises(ValueError, match="cardinality"):
        model.train_on_batch(x, y[1:])
    with pytest.raises(ValueError, match="incompatible"):
        model.train_on_batch(np.repeat(x, 2, 1), y)
