"""Training forwards and backwards: whatever step is looked at, it has the same bytes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from layerscope import losses, optimizers
from layerscope_explorer import edits
from layerscope_explorer.data import data_of
from layerscope_explorer.document import AUTO, LOSSES, OPTIMIZERS, Document
from layerscope_explorer.edits import add_layer, choose_data, set_argument, set_training
from layerscope_explorer.objective import objective_of, suitable, takes
from layerscope_explorer.recording import Kept, Recording, Series
from layerscope_explorer.trainer import Trainer, _by_batch, _smoothed

DENSE = {"units": 16, "activation": "relu"}


def on_digits() -> Document:
    """A stack with everything that has a state of its own: noise, statistics, an optimizer's."""
    document = add_layer(Document(), "Flatten", None, {})
    document = add_layer(document, "Dense", None, DENSE)
    document = add_layer(document, "BatchNormalization", None, {})
    document = add_layer(document, "Dropout", None, {"rate": 0.3})
    return add_layer(document, "Dense", None, {"units": 10, "activation": "softmax"})


def on_points(data: str = "spiral", units: int = 2, activation: str = "softmax") -> Document:
    document = edits.set_input(Document(), {"data": data, "points": 100})
    document = add_layer(document, "Dense", None, DENSE)
    return add_layer(document, "Dense", None, {"units": units, "activation": activation})


def done(trainer: Trainer) -> Trainer:
    trainer.wake()
    trainer.settle()
    assert trainer.state().status != "failed", trainer.state().message
    return trainer


def trained(document: Document, steps: int, **options: Any) -> Trainer:
    trainer = Trainer(document, **options)
    trainer.step(steps)
    return done(trainer)


def at(trainer: Trainer, step: int) -> dict[str, list[bytes]]:
    """Go to a step and return the bytes of its weights."""
    trainer.seek(step)
    done(trainer)
    assert trainer.state().at == step
    return {key: [one.tobytes() for one in found] for key, found in trainer.weights.items()}


def test_back_fifty_steps_and_forward_again_gives_the_same_bytes() -> None:
    trainer = trained(on_digits(), 120)
    last = at(trainer, 120)
    for _ in range(50):
        trainer.step(-1)
        done(trainer)
    assert trainer.state().at == 70
    seventy = at(trainer, 70)
    assert seventy != last
    for _ in range(50):
        trainer.step(1)
        done(trainer)
    assert trainer.state().at == 120
    assert at(trainer, 120) == last
    assert at(trainer, 70) == seventy


def test_steps_add_up_when_they_are_asked_for_at_once() -> None:
    trainer = trained(on_points(), 30)
    for _ in range(5):
        trainer.step(-1)
    for _ in range(2):
        trainer.step(1)
    assert done(trainer).state().at == 27


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rewinding_and_training_again_gives_the_same_bytes(optimizer: str) -> None:
    document = set_training(on_points(), "optimizer", optimizer)
    trainer = trained(document, 25)
    kept = {step: at(trainer, step) for step in (0, 7, 25)}
    trainer.seek(0)
    trainer.step(25)
    done(trainer)
    assert {step: at(trainer, step) for step in (0, 7, 25)} == kept
    again = trained(document, 25)
    assert {step: at(again, step) for step in (0, 7, 25)} == kept
    assert kept[0] != kept[25]


def test_few_states_are_enough_to_reach_every_step() -> None:
    document = on_digits()
    trainer, rich = trained(document, 90, most_bytes=30_000), trained(document, 90)
    kept = [one.at for one in trainer._recording]
    assert kept[0] == 0
    assert 1 <= len(kept) < 20 < len([one.at for one in rich._recording])
    for step in (89, 1, 44, 45, 46, 90, 0):
        assert at(trainer, step) == at(rich, step)


def test_memory_stays_within_its_bounds() -> None:
    recording: Recording[Any] = Recording(most_bytes=10_000, most=16)
    state = trained(on_points(), 1)._kept().state
    for step in range(1000):
        if recording.wants(step):
            recording.add(Kept(step, None, state))
        one = Kept(step, None, state).bytes
        assert recording.bytes <= 10_000 + one
    steps = [one.at for one in recording]
    assert steps[0] == 0
    assert len(set(np.diff(steps))) == 1


def test_edits_that_keep_weights_make_legs_that_are_gone_through_again() -> None:
    documents = [on_digits()]
    documents.append(set_training(documents[-1], "learning_rate", 0.02))
    documents.append(set_argument(documents[-1], "layer2", "activation", "tanh"))
    documents.append(set_training(documents[-1], "optimizer", "SGD"))
    documents.append(set_training(documents[-1], "batch_size", 50))
    documents.append(set_argument(documents[-1], "layer2", "kernel_regularizer", "l2"))
    trainer = trained(documents[0], 30)
    marks = {30: at(trainer, 30)}
    for number, document in enumerate(documents[1:], start=2):
        trainer.update(document, {})
        trainer.step(20)
        done(trainer)
        marks[10 + 20 * number] = at(trainer, 10 + 20 * number)
    end = 10 + 20 * len(documents)
    assert trainer.state().reached == end
    for step in (30, end, 50, 70, end, 90, 30, 110):
        assert at(trainer, step) == marks[step]
    # Without the edits the first leg is the same, and what follows it is not.
    plain = trained(documents[0], 50)
    assert at(plain, 30) == marks[30]
    assert at(plain, 50) != marks[50]


def test_an_edit_in_the_past_forgets_what_lay_ahead() -> None:
    trainer = trained(on_points(), 40)
    ten = at(trainer, 10)
    trainer.update(set_training(on_points(), "learning_rate", 0.5), {})
    done(trainer)
    assert (trainer.state().at, trainer.state().reached) == (10, 10)
    trainer.step(5)
    done(trainer)
    assert trainer.state().reached == 15
    assert at(trainer, 10) == ten


def test_an_edit_that_changes_shapes_begins_anew_from_what_fits() -> None:
    trainer = trained(on_digits(), 20)
    learned = {key: [one.copy() for one in found] for key, found in trainer.weights.items()}
    trainer.update(set_argument(on_digits(), "layer5", "units", 10), {})
    assert done(trainer).state().reached == 20
    trainer.update(add_layer(on_digits(), "Dense", 4, {"units": 8}), {})
    done(trainer)
    assert trainer.state().reached == 0
    for mine, known in zip(trainer.weights["layer2"], learned["layer2"], strict=True):
        np.testing.assert_array_equal(mine, known)
    assert trainer.weights["layer5"][0].shape == (8, 10)


def test_pause_acts_within_a_tenth_of_a_second() -> None:
    trainer = Trainer(set_training(on_digits(), "epochs", 500))
    trainer.play()
    until = time.monotonic() + 60
    while trainer.state().at < 20 and time.monotonic() < until:
        time.sleep(0.01)
    trainer.pause()
    assert trainer.state().status == "paused"
    time.sleep(0.1)
    held = trainer.state().at
    assert held >= 20
    assert not trainer.busy
    time.sleep(0.2)
    assert trainer.state().at == held


def test_the_end_is_after_the_epochs_and_there_may_be_more() -> None:
    trainer = Trainer(set_training(on_points(), "epochs", 2))
    for wanted in (8, 16):
        trainer.play()
        trainer.settle()
        state = trainer.state()
        assert (state.status, state.at, state.epoch) == ("finished", wanted, wanted // 4)
    # From the past it goes through the same to where it has been.
    last = at(trainer, 16)
    trainer.seek(3)
    trainer.play()
    trainer.settle()
    assert trainer.state().at == 16
    assert at(trainer, 16) == last


def test_curves_hold_what_lies_ahead_too() -> None:
    trainer = trained(on_points(), 12)
    loss = trainer.state().loss
    trainer.seek(5)
    done(trainer)
    np.testing.assert_array_equal(trainer.state().loss, loss)
    trainer.step(7)
    done(trainer)
    np.testing.assert_array_equal(trainer.state().loss, loss)
    assert len(trainer.state().val_loss) == 3


def test_a_defect_is_told_and_training_can_be_left() -> None:
    trainer = Trainer(set_argument(on_points(), "layer2", "units", 5))
    trainer.play()
    trainer.settle()
    assert trainer.state().status == "failed"
    assert "2 classes" in trainer.state().message
    trainer.update(on_points(), {})
    assert done(trainer).state().status == "idle"


# Objectives


def test_all_optimizers_are_offered() -> None:
    known = {
        name
        for name in optimizers.__all__
        if isinstance(getattr(optimizers, name), type)
        and issubclass(getattr(optimizers, name), optimizers.Optimizer)
    }
    assert set(OPTIMIZERS) == known - {"Optimizer", "MultiOptimizer"}


@pytest.mark.parametrize(
    ("data", "units", "activation"),
    [("spiral", 2, "softmax"), ("spiral", 1, "sigmoid"), ("ripple", 1, "linear")],
)
def test_every_loss_that_is_offered_trains_or_says_why_not(
    data: str, units: int, activation: str
) -> None:
    document = on_points(data, units, activation)
    tried = 0
    for loss in suitable(data_of(document.input.arguments)):
        trainer = Trainer(set_training(document, "loss", loss))
        trainer.step(3)
        trainer.settle()
        state = trainer.state()
        if state.status == "failed":
            assert loss in state.message
            assert units == 1
            continue
        assert np.isfinite(state.loss).all(), loss
        assert np.isfinite(state.accuracy).all(), loss
        tried += 1
    assert tried >= 5


def test_losses_are_those_of_the_core() -> None:
    for name in LOSSES[1:]:
        assert issubclass(getattr(losses, name), losses.Loss)


def test_targets_suit_the_loss() -> None:
    digits = data_of({})
    y = np.array([3, 0], np.int32)
    sparse = objective_of(digits, AUTO, 10, "softmax")
    assert (sparse.loss_name, sparse.from_logits) == ("SparseCategoricalCrossentropy", False)
    assert sparse.targets(y) is y
    assert objective_of(digits, AUTO, 10, "linear").from_logits
    hot = objective_of(digits, "CategoricalHinge", 10, "linear").targets(y)
    np.testing.assert_array_equal(hot.argmax(axis=1), y)
    spiral = data_of({"data": "spiral"})
    assert objective_of(spiral, AUTO, 1, "sigmoid").loss_name == "BinaryCrossentropy"
    assert objective_of(spiral, AUTO, 1, "sigmoid").targets(y).shape == (2, 1)
    assert takes(spiral, (None, 1))
    assert takes(spiral, (None, 2))
    assert not takes(digits, (None, 1))
    with pytest.raises(ValueError, match="Dice does not suit"):
        objective_of(data_of({"data": "ripple"}), "Dice", 1, "linear")


@pytest.mark.parametrize(
    ("data", "least"), [("circles", 0.9), ("xor", 0.85), ("gauss", 0.9), ("spiral", 0.6)]
)
def test_small_networks_learn_the_toys(data: str, least: float) -> None:
    document = set_training(on_points(data), "learning_rate", 0.03)
    state = trained(document, 240).state()
    assert state.val_accuracy[-1] > least


def test_sequences_and_heights_can_be_learned() -> None:
    document = edits.set_input(Document(), {"data": "chirps", "points": 300, "jitter": 0.0})
    convolution = {"filters": 16, "kernel_size": [7], "activation": "relu"}
    document = add_layer(document, "Conv1D", None, convolution)
    document = add_layer(document, "Flatten", None, {})
    document = add_layer(document, "Dense", None, {"units": 3, "activation": "softmax"})
    document = set_training(document, "learning_rate", 0.01)
    assert trained(document, 200).state().val_accuracy[-1] > 0.7
    ripple = choose_data(on_points(), {"data": "ripple", "points": 500, "jitter": 0.0})
    state = trained(set_training(ripple, "learning_rate", 0.02), 400).state()
    assert state.score == "error"
    assert state.val_accuracy[-1] < 0.6 * state.val_accuracy[0]


# Curves


def test_a_series_keeps_what_readers_saw() -> None:
    series = Series()
    for value in range(1000):
        series.append(value)
    seen = series.first(1000)
    series.cut(500)
    series.append(-1)
    assert seen[500] == 500
    assert series.first(501)[500] == -1
    assert len(series) == 501


def test_each_batch_is_told_from_the_mean_so_far() -> None:
    steps = np.array([0, 1, 2, 0, 1])
    values = np.array([0.5, 1.0, 0.0, 0.25, 0.75])
    running = np.array([0.5, 0.75, 0.5, 0.25, 0.5])
    np.testing.assert_allclose(_by_batch(running, steps), values)


def test_smoothing_is_the_mean_of_what_came_before() -> None:
    values = np.arange(100.0)
    smooth = _smoothed(values, np.array([0, 5, 99]))
    np.testing.assert_allclose(smooth, [0, 2.5, float(np.mean(values[80:]))])


def test_a_state_can_be_read_while_the_curves_are_cut_one_after_the_other() -> None:
    trainer = Trainer(on_digits())
    trainer.step(5)
    trainer.settle()
    trainer._epochs.cut(2)
    state = trainer.state()
    assert len(state.x) == len(state.loss) == 2
    trainer._losses.cut(0)
    assert trainer.state().epoch == 0
    trainer.close()
