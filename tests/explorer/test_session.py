from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from layerscope_explorer.presets import digits_stack, why_did_it_die
from layerscope_explorer.session import NOTHING, Session
from layerscope_explorer.workers import InlineScheduler, SlicedJob


class SlowScheduler(InlineScheduler):
    """Keeps work until it is asked to do it: a pool under a test's control."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Callable[[Future[Any]], None]]] = []

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        self.waiting.append((work, done))

    def step(self) -> None:
        super().run(*self.waiting.pop(0))


def train_to_end(session: Session, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while session.training.status in ("running", "paused"):
        assert time.monotonic() < until, "training did not end"
        time.sleep(0.02)
        session.tick()


def digits_session(scheduler: InlineScheduler | None = None) -> Session:
    return Session(scheduler, digits_stack())


def test_opens_with_pictures_of_a_dying_signal() -> None:
    session = Session()
    assert session.document == why_did_it_die()
    assert [layer.output_shape for layer in session.snapshot.layers][-1] == (None, 10)
    assert session.selected == "layer2"
    spread = [session.snapshot.input.output.std, session.snapshot.layers[8].output.std]
    assert spread[0] == pytest.approx(1.0, abs=0.01)
    assert spread[1] < 1e-8


def test_edits_change_pictures_and_can_be_undone_by_name() -> None:
    session = digits_session()
    before = session.document
    session.set_argument("layer4", "units", 24)
    assert session.snapshot.layer("layer4").output_shape == (None, 24)
    assert session.history.past[-1].name == "Change units of dense"
    session.undo()
    assert session.document == before
    assert session.snapshot.layer("layer4").output_shape == (None, 64)
    assert session.history.future[0].name == "Change units of dense"
    session.redo()
    assert session.snapshot.layer("layer4").output_shape == (None, 24)


def test_selection_follows_what_is_added_and_removed() -> None:
    session = digits_session()
    session.add_layer("Dropout", 4)
    assert session.selected == "layer6"
    session.remove_layer("layer6")
    assert session.selected == "layer5"
    session.undo()
    assert session.document.layer("layer6").class_name == "Dropout"


def test_while_one_picture_is_computed_many_edits_lead_to_one_more() -> None:
    scheduler = SlowScheduler()
    session = digits_session(scheduler)
    scheduler.step()
    for units in range(20, 30):
        session.set_argument("layer4", "units", units)
    assert len(scheduler.waiting) == 1
    scheduler.step()
    assert session.snapshot.layer("layer4").output_shape == (None, 20)
    assert len(scheduler.waiting) == 1
    scheduler.step()
    assert session.snapshot.layer("layer4").output_shape == (None, 29)
    assert scheduler.waiting == []


def test_a_defect_in_the_engine_keeps_the_last_good_picture() -> None:
    scheduler = SlowScheduler()
    session = digits_session(scheduler)
    scheduler.step()
    good = session.snapshot
    assert good is not None
    session.set_argument("layer4", "units", 20)
    _, done = scheduler.waiting.pop()
    broken: Future[Any] = Future()
    broken.set_exception(RuntimeError("defect"))
    with pytest.raises(RuntimeError, match="defect"):
        done(broken)
    assert session.snapshot is good
    session.set_argument("layer4", "units", 21)
    scheduler.step()
    assert session.snapshot.layer("layer4").output_shape == (None, 21)


def test_training_learns_and_its_weights_are_shown() -> None:
    session = digits_session()
    initial = session.snapshot.layer("layer4").weights[0].histogram
    session.set_training("epochs", 2)
    session.train()
    train_to_end(session)
    state = session.training
    assert state.status == "finished"
    assert state.loss[-1] < 0.7 * state.loss[0]
    assert state.val_accuracy.shape == (2,)
    assert 0 <= state.accuracy.min() <= state.accuracy.max() <= 1
    trained = session.snapshot.layer("layer4").weights[0].histogram
    assert not np.array_equal(trained.counts, initial.counts)
    session.reset_weights()
    again = session.snapshot.layer("layer4").weights[0].histogram
    np.testing.assert_array_equal(again.counts, initial.counts)


def test_training_is_the_same_from_the_same_seed() -> None:
    curves = []
    for _ in range(2):
        session = digits_session()
        session.set_training("epochs", 1)
        session.train()
        train_to_end(session)
        curves.append(session.training.loss)
    np.testing.assert_array_equal(*curves)


def test_pause_holds_and_resume_goes_on() -> None:
    session = digits_session()
    session.set_training("epochs", 30)
    session.train()
    time.sleep(0.3)
    session.pause()
    time.sleep(0.2)
    session.tick()
    held = session.training
    assert held.status == "paused"
    assert held.step > 0
    time.sleep(0.3)
    session.tick()
    assert (session.training.epoch, session.training.step) == (held.epoch, held.step)
    session.resume()
    time.sleep(0.3)
    session.tick()
    assert session.training.status in ("running", "finished")
    assert (session.training.epoch, session.training.step) != (held.epoch, held.step)
    session.stop()
    assert session.training.status == "finished"


def test_an_edit_ends_training_and_keeps_what_other_layers_learned() -> None:
    session = digits_session()
    session.set_training("epochs", 1)
    session.train()
    train_to_end(session)
    learned = session.snapshot.layer("layer1").weights[0].histogram
    session.set_argument("layer5", "activation", "linear")
    kept = session.snapshot.layer("layer1").weights[0].histogram
    np.testing.assert_array_equal(kept.counts, learned.counts)
    session.set_training("epochs", 300)
    session.train()
    session.set_argument("layer4", "units", 12)
    assert session.training.status == "finished"


def test_a_stack_that_cannot_be_trained_says_why() -> None:
    session = digits_session()
    session.remove_layer("layer5")
    session.train()
    assert session.training.status == "failed"
    assert "10" in session.training.message


def test_divergence_ends_training_in_words() -> None:
    session = digits_session()
    session.set_argument("layer5", "activation", "linear")
    session.set_training("optimizer", "SGD")
    session.set_training("learning_rate", 10.0)
    huge = {"class_name": "RandomNormal", "config": {"stddev": 1e18}}
    session.set_argument("layer4", "kernel_initializer", huge)
    session.set_argument("layer5", "kernel_initializer", huge)
    session.train()
    train_to_end(session)
    assert session.training.status == "failed"
    assert "learning rate" in session.training.message


def test_a_closed_session_starts_nothing_more() -> None:
    session = digits_session()
    session.set_training("epochs", 300)
    session.train()
    trainer = session._trainer
    assert trainer is not None
    session.close()
    time.sleep(0.1)
    step = trainer.state().step
    time.sleep(0.2)
    assert trainer.state().step == step


def test_long_jobs_take_turns() -> None:
    """A job that started later still advances while an endless one runs."""
    stop = threading.Event()

    def endless():
        while not stop.is_set():
            time.sleep(0.001)
            yield None

    counts = {"first": 0, "second": 0}

    def counting(name: str) -> Callable[[Any], None]:
        def count(_: Any) -> None:
            counts[name] += 1

        return count

    jobs = [SlicedJob(endless(), counting(name), lambda error: None) for name in counts]
    for job in jobs:
        job.resume()
    time.sleep(0.6)
    stop.set()
    for job in jobs:
        job.cancel()
    assert min(counts.values()) > 0.2 * max(counts.values())


def test_sessions_share_nothing_that_one_could_change() -> None:
    one, two = digits_session(), digits_session()
    one.set_argument("layer4", "units", 7)
    one.set_seed(5)
    assert two.document == digits_stack()
    assert two.snapshot.layer("layer4").output_shape == (None, 64)


def test_a_lens_has_something_computed_of_the_selected_layer() -> None:
    session = Session()
    seen: list[tuple[str, Any]] = []

    def study(stack: Any, layer_id: str, options: Any) -> float:
        seen.append((layer_id, options["power"]))
        return float(stack.output(layer_id).std() ** options["power"])

    session.register_study("spread", study, power=1)
    session.open_lens("spread")
    assert session.study.lens == "spread"
    assert session.study.found == pytest.approx(session.snapshot.layer("layer2").output.std, 1e-3)
    picture = session.snapshot
    session.set_option("spread", power=2)
    session.select("layer3")
    # The stack's own pictures are not computed again for a look.
    assert session.snapshot is picture
    assert seen == [("layer2", 1), ("layer2", 2), ("layer3", 2)]
    session.set_argument("layer2", "units", 5)
    assert seen[-1] == ("layer3", 2)
    session.open_lens("other")
    assert session.study is None


def test_what_a_lens_cannot_find_costs_no_picture() -> None:
    session = Session()

    def study(stack: Any, layer_id: str, options: Any) -> float:
        raise ValueError("nothing to be found")

    session.register_study("broken", study)
    session.open_lens("broken")
    assert session.study.error == "nothing to be found"
    session.set_argument("layer2", "units", 5)
    assert session.snapshot.layer("layer2").output_shape == (None, 5)


def test_a_merging_layer_starts_as_a_residual() -> None:
    session = Session()
    session.add_layer("Add", 4)
    layer = session.document.layers[4]
    assert layer.sources == ("layer3",)
    assert session.snapshot.layer(layer.id).output_shape == (None, 64)
    session.add_layer("Subtract")
    assert session.snapshot.layers[-1].problem is None


def test_history_can_be_walked_by_steps() -> None:
    session = Session()
    for units in (3, 4, 5):
        session.set_argument(f"layer{units}", "units", units)
    last = session.document
    session.go(-3)
    assert session.document == why_did_it_die()
    session.go(3)
    assert session.document == last


def test_one_value_for_all_layers_alike_is_one_edit() -> None:
    session = Session()
    session.set_argument("layer3", "kernel_initializer", "glorot_normal")
    session.set_everywhere("layer3", "kernel_initializer")
    values = [one.arguments.get("kernel_initializer") for one in session.document.layers[1:]]
    assert values == ["glorot_normal"] * 9
    session.set_argument("layer3", "activation", "relu")
    session.set_everywhere("layer3", "activation")
    activations = [one.arguments["activation"] for one in session.document.layers[1:]]
    assert activations == [*["relu"] * 8, "softmax"]
    assert session.history.past[-1].name == "activation of all Dense layers"
    session.undo()
    assert session.document.layers[1].arguments["activation"] == "tanh"


def test_a_choice_can_be_looked_at_without_making_it() -> None:
    session = Session()
    before = session.document
    session.preview("layer3", "kernel_initializer", "glorot_normal")
    assert session.ghost.layers[8].output.std > 0.1
    assert session.document is before
    assert session.snapshot.layers[8].output.std < 1e-8
    session.preview("layer3", "kernel_initializer", NOTHING)
    assert session.ghost is None
    session.preview("layer3", "kernel_initializer", "no such thing")
    assert session.ghost is None
