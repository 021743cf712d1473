from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerscope_explorer.presets import digits_stack, shape_bug, why_did_it_die
from layerscope_explorer.session import NOTHING, Session
from layerscope_explorer.workers import ANSWER, MOST_WAIT, Courtesy, InlineScheduler, SlicedJob
from waiting import eventually


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
    eventually(lambda: taken(session) > 0, "the first step")
    session.pause()
    settled(session)
    held = session.training
    assert held.status == "paused"
    assert held.step > 0
    time.sleep(0.3)
    session.tick()
    assert (session.training.epoch, session.training.step) == (held.epoch, held.step)
    session.resume()
    eventually(lambda: taken(session) > held.at, "another step")
    assert session.training.status in ("running", "finished")
    assert (session.training.epoch, session.training.step) != (held.epoch, held.step)


def taken(session: Session) -> int:
    """Show how far training is, and return the number of steps."""
    session.tick()
    return session.training.at


def settled(session: Session) -> None:
    """Wait until training is where it is wanted, and show it."""
    assert session._trainer is not None
    session._trainer.settle()
    session.tick()
    session._trainer.settle()
    session.tick()


def counts(session: Session, layer_id: str) -> Any:
    return session.snapshot.layer(layer_id).weights[0].histogram.counts


def test_an_edit_that_keeps_shapes_keeps_what_was_learned_and_training_goes_on() -> None:
    session = digits_session()
    session.step(20)
    settled(session)
    learned = {layer_id: counts(session, layer_id) for layer_id in ("layer1", "layer4", "layer5")}
    session.set_argument("layer4", "activation", "tanh")
    session.set_argument("layer4", "kernel_regularizer", "l2")
    session.set_training("learning_rate", 0.01)
    for layer_id, known in learned.items():
        np.testing.assert_array_equal(counts(session, layer_id), known)
    assert session.anew == ""
    settled(session)
    assert (session.training.at, session.training.reached) == (20, 20)
    session.set_training("epochs", 300)
    session.train()
    session.set_argument("layer4", "activation", "relu")
    eventually(lambda: taken(session) > 20, "another step")
    assert session.training.status == "running"
    assert session.training.at > 20
    session.pause()


def test_other_edits_draw_the_changed_layers_anew_and_say_so() -> None:
    session = digits_session()
    initial = counts(session, "layer4")
    session.step(20)
    settled(session)
    learned = {layer_id: counts(session, layer_id) for layer_id in ("layer1", "layer4")}
    session.set_argument("layer4", "units", 12)
    np.testing.assert_array_equal(counts(session, "layer1"), learned["layer1"])
    assert session.anew.startswith("dense, dense_1 start with new weights")
    settled(session)
    assert (session.training.status, session.training.reached) == ("idle", 0)
    # What was undone is as it was.
    session.undo()
    np.testing.assert_array_equal(counts(session, "layer4"), learned["layer4"])
    # Who chooses another initializer wants to see what it draws, and back.
    session.set_argument("layer4", "kernel_initializer", "he_normal")
    assert session.anew.startswith("dense starts with new weights")
    assert not np.array_equal(counts(session, "layer4"), learned["layer4"])
    np.testing.assert_array_equal(counts(session, "layer1"), learned["layer1"])
    session.reset_argument("layer4", "kernel_initializer")
    np.testing.assert_array_equal(counts(session, "layer4"), learned["layer4"])
    session.set_seed(3)
    assert session.anew == "All layers start with new weights."
    session.set_seed(0)
    session.reset_weights()
    np.testing.assert_array_equal(counts(session, "layer4"), initial)
    assert session.anew == ""


def test_training_goes_back_and_forth_and_pictures_follow() -> None:
    session = digits_session()
    seen = {}
    for at in range(1, 13):
        session.step()
        settled(session)
        assert session.training.at == at
        seen[at] = counts(session, "layer4")
    for at in range(11, 0, -1):
        session.step(-1)
        settled(session)
        np.testing.assert_array_equal(counts(session, "layer4"), seen[at])
    session.seek(9)
    settled(session)
    np.testing.assert_array_equal(counts(session, "layer4"), seen[9])
    assert (session.training.at, session.training.reached) == (9, 12)
    assert [one.at for one in session.moments("layer4")] == list(range(13))
    session.seek(0)
    session.step(-1)
    settled(session)
    np.testing.assert_array_equal(counts(session, "layer4"), counts(digits_session(), "layer4"))


def test_choosing_data_makes_the_end_fit() -> None:
    session = digits_session()
    session.set_data({"data": "chirps"})
    assert session.document.layers[-1].arguments["units"] == 3
    session.set_data({"data": "ripple"})
    last = session.document.layers[-1].arguments
    assert (last["units"], last.get("activation", "linear")) == (1, "linear")
    session.set_data({"data": "digits"})
    assert session.document == replace(digits_stack(), next_id=session.document.next_id)
    with pytest.raises(ValueError, match="file"):
        session.set_data({"data": "own"})


def test_a_stack_that_cannot_be_trained_says_why() -> None:
    session = digits_session()
    session.remove_layer("layer5")
    session.train()
    train_to_end(session)
    session.undo()
    settled(session)
    assert session.training.status == "idle"
    session.redo()
    settled(session)
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
    at = trainer.state().at
    time.sleep(0.2)
    assert trainer.state().at == at


def test_long_jobs_take_turns() -> None:
    """A job that started later still advances while an endless one runs."""
    done: dict[str, int] = dict.fromkeys(("first", "second", "third"), 0)

    def counting(name: str) -> Callable[[], bool]:
        def count() -> bool:
            time.sleep(0.001)
            done[name] += 1
            return True

        return count

    jobs = [SlicedJob(counting(name)) for name in done]
    for job in jobs:
        job.wake()
    time.sleep(0.9)
    for job in jobs:
        job.cancel()
    assert min(done.values()) > 0.4 * max(done.values())


def test_a_job_of_long_pieces_gets_no_more_time_than_one_of_short_ones() -> None:
    spent: dict[float, float] = dict.fromkeys((0.001, 0.06), 0.0)

    def spending(seconds: float) -> Callable[[], bool]:
        def spend() -> bool:
            start = time.perf_counter()
            time.sleep(seconds)
            spent[seconds] += time.perf_counter() - start
            return True

        return spend

    jobs = [SlicedJob(spending(seconds)) for seconds in spent]
    for job in jobs:
        job.wake()
    time.sleep(0.9)
    late = SlicedJob(spending(0.002))
    spent[0.002] = 0.0
    late.wake()
    time.sleep(0.6)
    for job in (*jobs, late):
        job.cancel()
    assert min(spent[0.001], spent[0.06]) > 0.7 * max(spent[0.001], spent[0.06])
    assert spent[0.002] < spent[0.001], "who comes late does not catch up"


def test_a_job_that_is_woken_while_it_ends_looks_once_more() -> None:
    looked: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def look() -> bool:
        looked.append(1)
        started.set()
        go_on.wait(60)
        return False

    job = SlicedJob(look)
    job.wake()
    started.wait(60)
    job.wake()
    go_on.set()
    eventually(lambda: not job.busy, "the end of the job")
    assert len(looked) == 2


def test_training_waits_while_an_edit_is_answered_but_not_for_ever() -> None:
    courtesy = Courtesy()
    courtesy.give_way()
    courtesy.begin()
    assert courtesy.due
    started = time.perf_counter()
    courtesy.give_way()
    assert 0.5 * MOST_WAIT < time.perf_counter() - started < 10 * MOST_WAIT
    time.sleep(ANSWER)
    assert not courtesy.due


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


def test_of_many_choices_looked_at_the_last_is_computed() -> None:
    scheduler = SlowScheduler()
    session = digits_session(scheduler)
    scheduler.step()
    for units in range(20, 30):
        session.preview("layer4", "units", units)
    assert len(scheduler.waiting) == 1
    scheduler.step()
    assert not session.ghost
    assert len(scheduler.waiting) == 1
    scheduler.step()
    assert session.ghost.layer("layer4").output_shape == (None, 29)
    session.preview("layer4", "units", 30)
    session.preview("layer4", "units", NOTHING)
    scheduler.step()
    assert session.ghost is None
    assert scheduler.waiting == []


def test_a_stack_that_cannot_work_is_not_trained_and_says_why_in_plain_words() -> None:
    session = Session(start=shape_bug())
    session.train()
    settled(session)
    assert session.training.status == "failed"
    assert "needs images" in session.training.message
    (problem,) = (view.problem for view in session.snapshot.layers if view.problem)
    session.apply_fix(problem.fixes[0])
    session.step()
    settled(session)
    assert session.training.at == 1
