"""Python of a person's own: what it may be, what it does, and that nobody else's is ever run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerscope_explorer import own_code
from layerscope_explorer.address import read_query
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.code import code_of
from layerscope_explorer.codec import from_json, to_json
from layerscope_explorer.data import data_of
from layerscope_explorer.edits import set_code
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses.own import sentence, table
from layerscope_explorer.model import model_of
from layerscope_explorer.own_code import (
    UnreadCode,
    defining,
    is_this_machine,
    may_be_written,
    run,
)
from layerscope_explorer.page import Workbench
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.rules import Rules
from layerscope_explorer.session import Session
from layerscope_explorer.strings import LANGUAGES, speaking
from layerscope_explorer.trials import trials_of
from layerscope_explorer.view_state import ViewState, from_file, to_address, to_file

CODE = '''
from keras.layers import Layer

def snake(x):
    return x + ops.square(ops.sin(x))

class Scaled(keras.initializers.Initializer):
    def __init__(self, scale=0.1):
        self.scale = scale

    def __call__(self, shape, dtype=None):
        return self.scale * random.normal(shape, dtype=dtype)

class Cap(constraints.Constraint):
    def __call__(self, w):
        return ops.clip(w, -0.5, 0.5)

class Cost(regularizers.Regularizer):
    def __call__(self, w):
        return ops.sum(ops.abs(w))

class Linear(Layer):
    """Multiplies by a matrix."""

    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x):
        return ops.matmul(x, self.kernel)
'''
DENSE = "layer4"


@pytest.fixture(autouse=True)
def _nothing_was_run() -> Iterator[None]:
    own_code._known.clear()
    yield
    own_code._known.clear()


@pytest.fixture
def session() -> Session:
    session = Session(start=digits_stack(), may_write_code=True)
    session.write_code(CODE)
    assert session.draft.error == ""
    return session


def test_what_is_defined_can_be_chosen() -> None:
    kinds = {one.name: one.kind for one in run(CODE)}
    assert kinds == {
        "snake": "activation",
        "Scaled": "initializer",
        "Cap": "constraint",
        "Cost": "regularizer",
        "Linear": "layer",
    }
    with defining(CODE):
        catalogue = layerscope_catalogue()
        assert catalogue.layer("Linear") is not None
        assert catalogue.choice("activation", "snake") == "snake"
        (scale,) = catalogue.fields("initializer", "Scaled")
        assert (scale.name, scale.kind, scale.default) == ("scale", "float", 0.1)
        with defining(""):
            assert layerscope_catalogue().layer("Linear") is None
    assert layerscope_catalogue().choice("activation", "snake") is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(x:", "Line 1: '(' was never closed"),
        ("x = 1\nx / 0", "Line 2: division by zero"),
        ("def relu(x):\n    return x", "relu is already the name of a built-in activation"),
        ("import sys\nsys.exit(3)", "Line 2: 3"),
        ("{}['a']", "Line 1: KeyError: 'a'"),
        ("x" * 20_001, "20,000 characters"),
    ],
)
def test_what_cannot_be_used_is_explained(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        run(source)
    assert said in str(caught.value)
    assert not own_code.is_known(source)


def test_what_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="still runs after"), own_code.limited(0.05):
        run("while True: pass")


def test_its_layers_compute_and_keep_their_words(session: Session) -> None:
    session.set_argument(DENSE, "activation", "snake")
    session.set_argument(
        DENSE, "kernel_initializer", {"class_name": "Scaled", "config": {"scale": 0.5}}
    )
    session.set_argument(DENSE, "kernel_constraint", "Cap")
    session.set_argument(DENSE, "kernel_regularizer", "Cost")
    session.add_layer("Linear", 4)
    views = session.snapshot.layers
    assert [view.problem for view in views] == [None] * 6
    dense, own = views[3], views[4]
    assert dense.activation.name == "snake"
    assert dense.weights[0].histogram.std == pytest.approx(0.5, rel=0.05)
    assert own.output_shape == (None, 8)
    assert own.params == 64 * 8
    assert from_json(to_json(session.document)) == session.document
    session.undo()
    assert [view.class_name for view in session.snapshot.layers].count("Linear") == 0


def test_an_activation_is_what_it_says(session: Session) -> None:
    session.set_argument(DENSE, "activation", "snake")
    stack = Engine().snapshot(session.document).stack
    step: Any = next(one for one in stack.steps if one.spec.id == DENSE)
    x = np.asarray(step.inputs[0]) @ step.layer.kernel.numpy() + step.layer.bias.numpy()
    np.testing.assert_allclose(step.output, x + np.sin(x) ** 2, rtol=1e-4, atol=1e-5)


def test_it_trains(session: Session) -> None:
    session.set_argument(DENSE, "activation", "snake")
    data = data_of({})
    layers: dict[str, Any]
    model, layers = model_of(session.document, data)
    assert data.labels is not None
    model.compile("adam", "sparse_categorical_crossentropy")
    before = layers[DENSE].kernel.numpy().copy()
    model.train_on_batch(data.x[:32], data.labels[:32])
    assert np.abs(layers[DENSE].kernel.numpy() - before).max() > 0


def test_training_goes_on_with_what_was_changed(session: Session) -> None:
    session.set_argument(DENSE, "activation", "snake")
    session.step(2)
    trainer: Any = session._trainer
    trainer.settle()
    session.tick()
    learned = trainer.weights[DENSE][0]
    session.write_code(CODE.replace("x + ops.square", "x - ops.square"))
    session.step(1)
    trainer.settle()
    session.tick()
    assert session.training.message == ""
    after = trainer.weights[DENSE][0]
    assert 0 < np.abs(after - learned).max() < 0.01
    layer = trainer._machine.layers[DENSE]
    assert float(layer.activation(np.float32(1.0))) < 1.0


def test_what_a_layer_uses_cannot_go_away(session: Session) -> None:
    session.add_layer("Linear")
    before = session.document
    session.write_code(CODE.replace("class Linear", "class Other"))
    assert "Linear" in session.draft.error
    assert session.document is before


def test_what_is_wrong_keeps_the_last_good_stack(session: Session) -> None:
    before, shown = session.document, session.snapshot
    session.write_code("def snake(x:")
    assert "Line 1" in session.draft.error
    assert session.document is before
    assert session.snapshot is shown
    session.write_code(CODE)
    assert session.draft.error == ""


def test_code_that_a_lesson_locks_stays_written(session: Session) -> None:
    session.rules = Rules.of(["units"])
    before, written = session.document, CODE + "\n# Mine.\n"
    session.write_code(written)
    assert session.document is before
    assert session.draft.source == written
    assert "code" in session.draft.error


def test_typing_is_one_step_of_the_history() -> None:
    session = Session(start=digits_stack(), may_write_code=True)
    for end in ("x", "x * 2", "x * 2.5"):
        session.write_code(f"def bent(x):\n    return {end}")
    assert len(session.history.past) == 1
    session.undo()
    assert session.document.code == ""


def test_an_edit_of_own_code_changes_the_picture(session: Session) -> None:
    session.set_argument(DENSE, "activation", "snake")
    before = session.snapshot.layer(DENSE).activation.y
    session.write_code(CODE.replace("x + ops.square", "x - ops.square"))
    after = session.snapshot.layer(DENSE).activation.y
    assert not np.array_equal(before, after)
    session.undo()
    np.testing.assert_array_equal(session.snapshot.layer(DENSE).activation.y, before)


# --- trials ---------------------------------------------------------------------------------------


def test_trials_measure_what_is_defined() -> None:
    run(CODE)
    trials: dict[str, Any] = {one.definition.name: one for one in trials_of(CODE)}
    assert all(one.error == "" for one in trials.values())
    assert trials["snake"].agreeing == 1.0
    assert trials["Scaled"].values.std == pytest.approx(0.1, rel=0.05)
    assert trials["Linear"].shapes == {(64,): (8,), (8, 8, 3): (8, 8, 8), (32, 2): (32, 8)}
    assert trials["Linear"].params == 512
    cap, cost = trials["Cap"].curve, trials["Cost"].curve
    np.testing.assert_allclose(cap.y, np.clip(cap.x, -0.5, 0.5), atol=1e-6)
    np.testing.assert_allclose(cost.y, np.abs(cost.x), atol=1e-6)


def test_a_wrong_derivative_is_found() -> None:
    # Half of the derivative of a square is lost.
    code = "def wrong(x):\n    return x * ops.stop_gradient(x)"
    run(code)
    (trial,) = trials_of(code)
    assert trial.error == ""
    assert trial.agreeing is not None
    assert trial.agreeing < 0.1
    assert "only" in sentence(trial)


def test_an_operation_without_gradient_is_named() -> None:
    code = "def bad(x):\n    return np.tanh(x)"
    run(code)
    (trial,) = trials_of(code)
    assert "Line 2" in trial.error
    assert "ops." in trial.error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def total(x):\n    return ops.sum(x)", "(7, 1)"),
        ("class Odd(layers.Layer):\n    def call(self, x):\n        return x @ x.nope", "nope"),
        ("class Odd(initializers.Initializer):\n    def __call__(self, shape, dtype=None):\n"
         "        return np.zeros(3)", "(3,)"),
    ],
)  # fmt: skip
def test_what_does_not_work_says_why(code: str, said: str) -> None:
    run(code)
    (trial,) = trials_of(code)
    assert said in trial.error
    for language in LANGUAGES:
        with speaking(language):
            assert trial.definition.name in sentence(trial)


def test_the_lens_says_and_shows_each_definition(session: Session) -> None:
    Workbench(session)
    session.open_lens("own")
    for trial in session.study.found:
        assert trial.definition.name in sentence(trial)
        assert table(trial)


# --- who may -------------------------------------------------------------------------------------


def test_nothing_is_run_where_nobody_may_write() -> None:
    session = Session(start=digits_stack())
    with pytest.raises(PermissionError, match="never run on a server"):
        session.write_code(CODE)
    assert "own" not in Workbench(session)._lens_makers()


@pytest.mark.parametrize(
    ("flag", "headers", "may"),
    [
        ("1", {"Host": "localhost:5006"}, True),
        ("1", {"Host": "127.0.0.1:5006"}, True),
        ("1", {"Host": "[::1]:5006"}, True),
        ("1", {"Host": "localhost"}, True),
        ("", {"Host": "localhost:5006"}, False),
        ("0", {"Host": "localhost:5006"}, False),
        ("1", {"Host": "192.168.0.7:5006"}, False),
        ("1", {"Host": "localhost.evil.example:5006"}, False),
        ("1", {"Host": "localhost:5006", "X-Forwarded-For": "10.0.0.1"}, False),
        ("1", {"Host": "localhost:5006", "Forwarded": "for=10.0.0.1"}, False),
        ("1", {}, False),
    ],
)
def test_only_the_person_at_this_machine_may(
    monkeypatch: pytest.MonkeyPatch, flag: str, headers: dict[str, str], may: bool
) -> None:
    monkeypatch.setenv("LAYERSCOPE_OWN_CODE", flag)
    assert may_be_written(headers) is may


@pytest.mark.parametrize(
    ("address", "may"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("localhost", False), ("", False)],
)
def test_headers_do_not_tell_where_somebody_is(address: str, may: bool) -> None:
    request = SimpleNamespace(remote_ip=address)
    page = SimpleNamespace(session_context=SimpleNamespace(request=request))
    assert is_this_machine(page) is may


def test_what_comes_along_is_not_run() -> None:
    marker: list[int] = []
    own_code.layerscope.touched = marker  # type: ignore[attr-defined]
    source = "keras.touched.append(1)"
    document = digits_stack()
    written = to_json(document).replace('"seed"', f'"code": "{source}", "seed"', 1)
    try:
        with pytest.raises(UnreadCode):
            from_json(written)
        with pytest.raises(UnreadCode):
            from_file(written)
    finally:
        del own_code.layerscope.touched  # type: ignore[attr-defined]
    assert marker == []


def test_what_comes_along_is_shown_and_opens_once_it_was_run(session: Session) -> None:
    session.add_layer("Linear")
    state = ViewState(session.document)
    kept, word = to_file(state), to_address(state)
    own_code._known.clear()
    opening = read_query({"state": word})
    assert opening.code == CODE
    assert "Python of its own" in opening.notice
    other = Session(start=digits_stack(), may_write_code=True)
    Workbench(other).open(opening)
    assert other.draft.unread
    assert other.draft.source == CODE
    assert other.document.code == ""
    other.write_code(other.draft.source)
    assert from_file(kept).document == session.document
    visitor = Session(start=digits_stack())
    Workbench(visitor).open(opening)
    assert visitor.draft.source == ""


def test_two_sessions_have_code_of_their_own() -> None:
    """One name, two functions: each session's pictures are those of its own."""
    slopes = {}

    def work(factor: int) -> None:
        session = Session(start=digits_stack(), may_write_code=True)
        session.write_code(f"def bent(x):\n    return {factor} * x")
        for _ in range(5):
            session.set_argument(DENSE, "activation", "bent")
            session.set_argument(DENSE, "activation", "relu")
        session.set_argument(DENSE, "activation", "bent")
        slopes[factor] = session.snapshot.layer(DENSE).activation.derivative

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for factor, slope in slopes.items():
        np.testing.assert_allclose(slope, factor, rtol=1e-5)
    assert len(slopes) == 3


# --- exported -------------------------------------------------------------------------------------


def test_code_for_layerscope_builds_the_stack(session: Session) -> None:
    session.set_argument(DENSE, "activation", "snake")
    session.set_argument(DENSE, "kernel_initializer", "Scaled")
    session.add_layer("Linear")
    namespace: dict[str, object] = {}
    exec(code_of(session.document, "layerscope").source, namespace)
    model = namespace["model"]
    assert [layer.name for layer in model.layers][-1].startswith("linear")  # type: ignore[attr-defined]
    assert model.layers[-3].activation.__name__ == "snake"  # type: ignore[attr-defined]
    keras = code_of(session.document, "keras").source
    assert "activation=snake" in keras
    assert "Linear()" in keras
    assert "layerscope" not in keras


def test_a_document_without_its_code_stays_as_it_is() -> None:
    run(CODE)
    document = set_code(digits_stack(), CODE)
    assert set_code(document, "").code == ""
    assert '"code"' not in to_json(digits_stack())
