"""The explorer in a cell: model and page follow each other."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import weakref
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyviz_comms import Comm

import layerscope as ls
from html_reader import Reader
from layerscope import Input, Model, Sequential, layers
from layerscope_explorer import Explorer, TrainingView, offline
from layerscope_explorer.notebook import kernel
from layerscope_explorer.notebook.kernel import KernelScheduler, follow_cells, stoppable
from layerscope_explorer.notebook.training_view import loss_picture, weight_picture
from layerscope_explorer.view_state import from_file


def chain() -> Any:
    ls.utils.set_random_seed(1)
    return Sequential(
        [
            Input((4,)),
            layers.Dense(3, activation="tanh", name="mine"),
            layers.Dropout(0.5),
            layers.Dense(2, name="yours"),
        ]
    )


def drawn(explorer: Explorer, place: int, weight: int = 0) -> Any:
    """Return how the page's snapshot shows a weight."""
    return explorer._session.snapshot.layers[place].weights[weight].histogram


class TestFromPython:
    def test_the_page_shows_the_model_s_own_weights(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        for place, layer in ((0, model.layers[0]), (2, model.layers[2])):
            kernel = layer.kernel.numpy()
            assert drawn(explorer, place).mean == pytest.approx(kernel.mean(), rel=1e-4)
        assert explorer.model is model

    def test_assigned_weights_are_on_the_page(self) -> None:
        explorer: Any = Explorer(chain())
        explorer.model.layers[2].kernel.assign(np.full((3, 2), 7.0))
        explorer.sync()
        assert drawn(explorer, 2).mean == 7.0
        assert drawn(explorer, 0).mean != 7.0

    def test_what_was_not_changed_is_not_computed_again(self) -> None:
        explorer: Any = Explorer(chain())
        before = explorer._session.snapshot
        explorer.sync()
        assert explorer._session.snapshot is before

    def test_assigned_arguments_are_on_the_page_and_can_be_undone(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        session = explorer._session
        kernel = model.layers[0].kernel.numpy()
        model.layers[0].activation = ls.activations.relu
        model.layers[1].rate = 0.25
        explorer.sync()
        assert [dict(one.arguments) for one in session.document.layers][:2] == [
            {"units": 3, "activation": "relu"},
            {"rate": 0.25},
        ]
        assert explorer.model is model
        np.testing.assert_array_equal(model.layers[0].kernel.numpy(), kernel)
        session.undo()
        session.undo()
        assert session.document.layers[0].arguments["activation"] == "tanh"
        assert explorer.model.layers[0].activation is ls.activations.tanh

    def test_added_layers_are_on_the_page(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        model.add(layers.Dense(5))
        explorer.sync()
        assert [one.class_name for one in explorer._session.document.layers][-1] == "Dense"
        assert explorer._session.snapshot.layers[-1].output_shape == (None, 5)
        assert explorer.model is model

    def test_what_cannot_be_shown_is_said_and_changes_nothing(self) -> None:
        class Own(layers.Layer):
            def call(self, inputs: Any) -> Any:
                return inputs

        with pytest.raises(ValueError, match="own"):
            Explorer(Sequential([Input((4,)), Own()]))
        with pytest.raises(ValueError, match="Model"):
            Explorer(layers.Dense(3))  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="language"):
            Explorer(language="tlh")
        model = chain()
        explorer: Any = Explorer(model)
        model.add(Own())
        before = explorer._session.document
        explorer._after_cell()
        assert "Own" in explorer._session.notice
        assert explorer._session.document is before


class TestFromThePage:
    def test_an_argument(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        kept = model.layers[0].kernel.numpy()
        explorer._session.set_argument("layer3", "units", 6)
        assert explorer.model is not model
        assert explorer.model.layers[2].kernel.shape == (3, 6)
        np.testing.assert_array_equal(explorer.model.layers[0].kernel.numpy(), kept)

    def test_undone_it_is_the_first_model_again(self) -> None:
        model = chain()
        kept = model.get_weights()
        explorer: Any = Explorer(model)
        explorer._session.set_argument("layer1", "units", 6)
        assert explorer.model is not model
        explorer._session.undo()
        assert explorer.model is model
        for one, other in zip(model.get_weights(), kept, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_weights_go_into_the_same_model(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        session = explorer._session
        session.set_weights({"layer1": [np.ones((4, 3), "float32"), np.zeros(3, "float32")]})
        explorer._before_cell()
        assert float(model.layers[0].kernel.numpy().min()) == 1.0

    def test_another_seed_draws_the_weights_that_are_shown(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        explorer._session.set_seed(5)
        kernel = explorer.model.layers[0].kernel.numpy()
        assert explorer.model is model
        assert drawn(explorer, 0).mean == pytest.approx(kernel.mean(), rel=1e-4)

    def test_a_stack_that_cannot_work_says_so(self) -> None:
        explorer: Any = Explorer(chain())
        explorer._session.add_layer("Conv2D")
        explorer._before_cell()
        with pytest.raises(ValueError, match="onv2"):
            _ = explorer.model

    def test_how_it_was_compiled_stays(self) -> None:
        model = chain()
        model.compile("sgd", "mse")
        explorer: Any = Explorer(model)
        explorer._session.set_argument("layer1", "units", 6)
        assert explorer.model.compiled
        assert explorer.model.predict(np.ones((2, 4)), verbose=0).shape == (2, 2)

    def test_merges_and_shared_layers(self) -> None:
        inputs = Input((4,))
        dense = layers.Dense(4)
        model = Model(inputs, layers.Add()([dense(dense(inputs)), inputs]))
        explorer: Any = Explorer(model)
        dense.kernel.assign(np.eye(4))
        explorer.sync()
        assert drawn(explorer, 0).mean == 0.25
        explorer._session.bypass_layer("layer2")
        assert explorer.model.count_params() == 20
        np.testing.assert_array_equal(
            explorer.model.predict(np.ones((1, 4)), verbose=0), np.full((1, 4), 2.0)
        )

    def test_two_explorers_of_one_model(self) -> None:
        model = chain()
        first, second = Explorer(model), Explorer(model)
        first._session.set_weights({"layer1": [np.ones((4, 3)), np.zeros(3)]})
        first._before_cell()
        second._before_cell()
        first._after_cell()
        second._after_cell()
        assert drawn(first, 0).mean == drawn(second, 0).mean == 1.0


class TestGivingAway:
    def test_the_default_is_the_page_s(self) -> None:
        explorer: Any = Explorer()
        assert len(explorer.model.layers) == len(explorer._session.document.layers) == 10
        assert explorer.model.input_shape == (None, 8, 8, 1)

    def test_url(self) -> None:
        explorer: Any = Explorer(chain())
        again = Explorer.from_url(explorer.url())
        assert again._session.document.layers == explorer._session.document.layers
        assert Explorer.from_url("?demo=digits&lang=zh").model.count_params() > 0
        for url in ("?demo=none-such", "http://localhost/apps?state=broken"):
            with pytest.raises(ValueError, match=r"none-such|damaged"):
                Explorer.from_url(url)
        with pytest.raises(ValueError, match="url"):
            Explorer.from_url("digits")
        usual = Explorer.from_url("http://localhost:5006/apps")
        assert usual._session.document == Explorer()._session.document

    def test_save(self, tmp_path: Path) -> None:
        explorer: Any = Explorer(chain())
        explorer.save(tmp_path / "a.json")
        kept = from_file((tmp_path / "a.json").read_text("utf-8"))
        assert kept.document.layers == explorer._session.document.layers
        explorer.save(tmp_path / "a.py")
        assert "keras.Sequential" in (tmp_path / "a.py").read_text("utf-8")
        pytest.importorskip("h5py")
        explorer.save(str(tmp_path / "a.keras"))
        again: Any = ls.saving.load_model(tmp_path / "a.keras")
        x = np.ones((2, 4), "float32")
        np.testing.assert_allclose(again.predict(x), explorer.model.predict(x), atol=1e-6)
        with pytest.raises(ValueError, match=r"\.json, \.py or \.keras"):
            explorer.save(tmp_path / "a.txt")

    def test_keras(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "keras", None)
        with pytest.raises(ImportError, match="pip install keras"):
            Explorer(chain()).to_keras()
        model = Sequential([Input((8, 2)), layers.LocallyConnected1D(2, 3)])
        with pytest.raises(ValueError, match="LocallyConnected1D"):
            Explorer(model).to_keras()


class TestTraining:
    def test_on_the_page_s_own_data(self) -> None:
        explorer: Any = Explorer.from_url("?demo=digits")
        before = explorer.model.get_weights()[0]
        history = explorer.fit(epochs=1)
        assert set(history.history) >= {"loss", "val_loss"}
        after = explorer.model.layers[0].kernel.numpy()
        assert not np.array_equal(before, after)
        assert drawn(explorer, 0).mean == pytest.approx(after.mean(), rel=1e-4)

    def test_on_given_data(self) -> None:
        model = chain()
        explorer: Any = Explorer(model)
        x, y = np.ones((64, 4), "float32"), np.ones((64, 2), "float32")
        with pytest.raises(ValueError, match="compile"):
            explorer.fit(x, y)
        model.compile("sgd", "mse")
        seen: list[int] = []
        counter = ls.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        explorer.fit(x, y, epochs=3, callbacks=counter)
        assert seen == [0, 1, 2]

    def test_the_stop_button_leaves_a_whole_step(self) -> None:
        model = chain()
        model.compile("sgd", "mse")
        explorer: Any = Explorer(model)
        x, y = np.ones((64, 4), "float32"), np.ones((64, 2), "float32")

        def press(batch: int, logs: Any) -> None:
            if batch == 1:
                os.kill(os.getpid(), signal.SIGINT)

        button = ls.callbacks.LambdaCallback(on_train_batch_end=press)
        usual = signal.getsignal(signal.SIGINT)
        history = explorer.fit(x, y, batch_size=8, epochs=50, callbacks=[button])
        assert signal.getsignal(signal.SIGINT) is usual
        assert len(history.history["loss"]) <= 1
        assert np.isfinite(model.predict(x, verbose=0)).all()
        assert len(model.fit(x, y, verbose=0).history["loss"]) == 1

    def test_pressed_twice_it_interrupts(self) -> None:
        pressed: list[int] = []

        def press_twice() -> None:
            with stoppable(lambda: pressed.append(1)):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

        # A shell lets what runs in the background ignore the signal.
        usual = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                press_twice()
        finally:
            signal.signal(signal.SIGINT, usual)
        assert pressed == [1]


class TestTrainingView:
    def test_it_draws_what_fit_reports(self) -> None:
        model = chain()
        model.compile("sgd", "mse")
        view = TrainingView(language="zh")
        assert "尚未训练" in view._repr_html_()
        x, y = np.ones((32, 4), "float32"), np.ones((32, 2), "float32")
        history = model.fit(x, y, 8, 3, verbose=0, validation_data=(x, y), callbacks=[view])
        assert view.losses[3::4] == pytest.approx(history.history["loss"])
        assert [one for _, one in view.validations] == history.history["val_loss"]
        assert [step for step, _ in view.validations] == [4, 8, 12]
        page = Reader(view._repr_html_())
        assert page.tags.count("svg") == 1 + len(model.trainable_weights)
        assert page.tags.count("circle") == 3
        assert "12 步后完成" in view._repr_html_()

    def test_a_training_that_ends_early_says_so(self) -> None:
        model = chain()
        model.compile("sgd", "mse")
        view = TrainingView()
        stop = ls.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=0)
        model.fit(np.ones((8, 4)), np.ones((8, 2)), epochs=9, verbose=0, callbacks=[view, stop])
        assert "Stopped" in view._repr_html_()

    @pytest.mark.parametrize(
        "losses", [[], [1.0], [0.0, 0.0], [1.0, np.nan, np.inf], list(np.geomspace(1, 1e-9, 999))]
    )
    def test_any_losses_make_a_picture(self, losses: list[float]) -> None:
        drawn = loss_picture(losses, [(1, 0.5), (2, np.nan)], "<loss>")
        Reader(drawn)
        assert "nan" not in drawn
        assert "inf" not in drawn

    def test_any_weights_make_a_picture(self) -> None:
        for values in ([], [0.0], [np.nan, 1.0], [1e30, -1e30]):
            Reader(weight_picture(np.zeros(1), np.asarray(values), "<w>"))


class Shell:
    """A notebook's shell, as far as its events go."""

    def __init__(self) -> None:
        self.events = self
        self.callbacks: dict[str, list[Any]] = {"pre_run_cell": [], "post_run_cell": []}
        self.register = lambda event, hook: self.callbacks[event].append(hook)
        self.unregister = lambda event, hook: self.callbacks[event].remove(hook)

    def cell(self) -> None:
        for hooks in self.callbacks.values():
            for hook in list(hooks):
                hook(SimpleNamespace())


class TestKernel:
    def test_hooks_go_with_the_explorer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shell = Shell()
        monkeypatch.setattr(kernel, "shell_here", lambda: shell)
        model = chain()
        explorer: Any = Explorer(model)
        model.layers[2].kernel.assign(np.full((3, 2), 7.0))
        shell.cell()
        assert drawn(explorer, 2).mean == 7.0
        explorer.close()
        assert shell.callbacks == {"pre_run_cell": [], "post_run_cell": []}
        explorer: Any = Explorer(model)
        gone = weakref.ref(explorer)
        del explorer
        gc.collect()
        assert gone() is None
        assert shell.callbacks == {"pre_run_cell": [], "post_run_cell": []}

    def test_nothing_is_followed_outside_of_a_notebook(self) -> None:
        follow_cells(SimpleNamespace(), "before", "after")()

    def test_work_comes_back_to_the_loop(self) -> None:
        async def main() -> list[Any]:
            scheduler = KernelScheduler(asyncio.get_running_loop())
            got: list[Any] = []

            def done(future: Future[Any]) -> None:
                got.append(future.result())

            scheduler.run(lambda: 1, done)
            scheduler.animate(lambda: 2, done)
            assert got == []
            with scheduler.at_once():
                assert sorted(got) == [1, 2]
                scheduler.run(lambda: 3, done)
                assert got[-1] == 3
            await asyncio.sleep(0.05)
            assert len(got) == 3
            ticks: list[int] = []
            stop = scheduler.every(5, lambda: ticks.append(1))
            scheduler.later(5, lambda: got.append("later"))
            await asyncio.sleep(0.05)
            stop()
            count = len(ticks)
            assert count
            await asyncio.sleep(0.03)
            assert len(ticks) == count
            return got

        assert asyncio.run(main())[-1] == "later"


def test_scripts_come_again_only_with_the_cell_that_brought_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brought: list[str] = []
    cells = iter([("a", 1), ("a", 1), ("b", 2), ("a", 3), ("a", 3), ("b", 4)])
    monkeypatch.setattr(offline, "_cell", lambda: next(cells))
    monkeypatch.setattr(offline, "_bringing", lambda brings={}: brings)
    monkeypatch.setattr(offline, "load_notebook", lambda inline: brought.append("again"))

    def load() -> None:
        brought.append("first")

    counts = []
    for _ in range(6):
        offline.bring_scripts(load)
        counts.append(len(brought))
    assert brought == ["first", "again"]
    assert counts == [1, 1, 1, 2, 2, 2]


def test_the_cell_holds_the_page() -> None:
    explorer: Any = Explorer(chain(), language="zh")
    assert explorer._create_view().get_root().ref


def test_pages_are_heard_on_the_kernel_s_loop_whatever_thread_hears_them() -> None:
    heard: list[tuple[Any, threading.Thread]] = []

    class Page(Comm):
        def send(self, data: Any = None, metadata: Any = None, buffers: Any = ()) -> None:
            heard.append(("answered", threading.current_thread()))

    async def main() -> None:
        KernelScheduler(asyncio.get_running_loop())
        page: Any = Page(on_msg=lambda message: heard.append((message, threading.current_thread())))
        await asyncio.to_thread(page._handle_msg, {"from": "a subshell"})
        await asyncio.sleep(0.05)
        page._handle_msg({"from": "the loop"})

    asyncio.run(main())
    said = [what for what, _ in heard]
    assert said == [{"from": "a subshell"}, "answered", {"from": "the loop"}, "answered"]
    assert {thread for _, thread in heard} == {threading.current_thread()}
