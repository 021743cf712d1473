"""The shell: rows mirror snapshots, controls mirror fields, only valid values get through."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import panel as pn
import param
import pytest
from bokeh.document import Document

from layerscope.configurable import REQUIRED, Field, fields_of
from layerscope_explorer import strings
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.components.palette import Palette, groups_of
from layerscope_explorer.components.shortcuts import toggle_training
from layerscope_explorer.components.stack import LayerStack, format_shape, rows_of
from layerscope_explorer.components.transport import position_of
from layerscope_explorer.controls import Part, control_of, read
from layerscope_explorer.forms import form
from layerscope_explorer.page import build_page
from layerscope_explorer.snapshot import (
    Fix,
    Histogram,
    LayerView,
    Problem,
    Snapshot,
    TrainingState,
    WeightView,
)
from layerscope_explorer.theme import SECTION_COLORS, section_color

CATALOGUE = layerscope_catalogue()


def histogram() -> Histogram:
    edges = np.linspace(-1, 1, 11, dtype=np.float32)
    return Histogram(np.full(10, 0.5, np.float32), edges, 0.0, 0.58, -1.0, 1.0, 100, 100)


def layer(layer_id: str, class_name: str = "Dense", problem: Problem | None = None) -> LayerView:
    x = np.linspace(-1, 1, 5, dtype=np.float32)
    weight = WeightView("kernel", (3, 4), True, histogram(), (x, x * 0 + 0.5), None, "He", 3, 4)
    return LayerView(
        id=layer_id,
        name=layer_id,
        class_name=class_name,
        section="core",
        detail="4 units",
        output_shape=None if problem else (None, 4),
        params=12,
        weights=() if problem else (weight,),
        activation=None,
        output=None,
        health="bad" if problem else "ok",
        health_note="",
        problem=problem,
        milliseconds=0.1,
    )


def snapshot(*layers: LayerView) -> Snapshot:
    return Snapshot(1, (3,), layers, 12 * len(layers), "All is well.", 1.0)


@dataclass(frozen=True)
class FakeDocument:
    revision: int = 0
    seed: int = 7


class FakeSession(param.Parameterized):
    """Just enough of a session: it keeps configs and remembers what it was told."""

    document = param.Parameter(default=FakeDocument())
    selected = param.String(default="dense")
    snapshot = param.Parameter()
    training = param.Parameter(default=TrainingState())
    stale = param.Boolean(default=False)
    undo_name = param.String(default="")
    redo_name = param.String(default="")

    def __init__(self, *layers: LayerView, **configs: dict[str, Any]) -> None:
        super().__init__(snapshot=snapshot(*layers))
        self.configs = configs
        self.told: list[tuple[Any, ...]] = []
        self.training_options: dict[str, Any] = {}

    def layer_config(self, layer_id: str) -> dict[str, Any]:
        return dict(self.configs[layer_id])

    def set_argument(self, layer_id: str, argument: str, value: Any) -> None:
        json.dumps(value)
        self.configs[layer_id][argument] = value
        self._tell("set", layer_id, argument, value)

    def reset_argument(self, layer_id: str, argument: str) -> None:
        self.configs[layer_id].pop(argument, None)
        self._tell("reset", layer_id, argument)

    def select(self, layer_id: str) -> None:
        self.selected = layer_id

    def _tell(self, *words: Any) -> None:
        self.told.append(words)
        self.document = FakeDocument(len(self.told))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments: self.told.append((name, *arguments))


def dense_session() -> FakeSession:
    return FakeSession(layer("dense"), dense={"units": 4, "activation": "relu"})


def controls(inspector: Any) -> dict[str, dict[str, Any]]:
    return {c["path"]: c for group in inspector.form.groups for c in group["fields"]}


def say(component: Any, **message: Any) -> None:
    component._handle_msg(message)


class TestStrings:
    def test_values_fill_placeholders(self) -> None:
        assert strings.text("stack.move_up", name="dense") == "Move dense up"

    @pytest.mark.parametrize("key", ["stack.no_such", "no_area.x", "plain"])
    def test_unknown_key_is_named(self, key: str) -> None:
        with pytest.raises(KeyError, match=key):
            strings.text(key)

    def test_missing_value_is_named(self) -> None:
        with pytest.raises(KeyError, match="'name'"):
            strings.text("stack.move_up")


class TestRows:
    def test_rows_are_json_in_stack_order(self) -> None:
        rows = rows_of(snapshot(layer("dense"), layer("dense_1")))
        assert [row["id"] for row in json.loads(json.dumps(rows))] == ["dense", "dense_1"]
        assert rows[0]["shape"] == "4"
        heights = [int(height) for height in f"{rows[0]['spark']} {rows[0]['theory']}".split()]
        assert max(heights) == 100

    def test_a_problem_brings_its_sentence_and_fixes(self) -> None:
        problem = Problem("dense", "needs a flat input", None, (Fix("Flat", "Flatten", "dense"),))
        row = rows_of(snapshot(layer("dense", problem=problem)))[0]
        assert (row["error"], row["fixes"], row["shape"]) == ("needs a flat input", ["Flat"], "—")

    def test_shapes_leave_out_the_batch(self) -> None:
        assert format_shape((None, None, 8)) == "? × 8"

    def test_messages_become_commands(self) -> None:
        fix = Fix("Flat", "Flatten", "dense")
        session = FakeSession(layer("dense", problem=Problem("dense", "no", None, (fix,))))
        opened: list[int] = []
        stack = LayerStack(session, opened.append)
        say(stack, type="remove", id="dense")
        say(stack, type="move", id="dense", index=2)
        say(stack, type="fix", id="dense", index=0)
        say(stack, type="fix", id="dense", index=9)
        say(stack, type="palette", index=1)
        assert session.told == [
            ("remove_layer", "dense"),
            ("move_layer", "dense", 2),
            ("apply_fix", fix),
        ]
        assert opened == [1]


class TestPalette:
    def test_every_layer_is_in_one_group(self) -> None:
        groups = groups_of(CATALOGUE.palette())
        names = [item["name"] for group in groups for item in group["items"]]
        assert sorted(names) == sorted(CATALOGUE.layers)

    def test_adds_where_it_was_opened(self) -> None:
        session = dense_session()
        palette = Palette(session, CATALOGUE.palette())
        palette.open_at(3)
        assert palette.active
        say(palette, type="add", name="Flatten")
        assert session.told == [("add_layer", "Flatten", 3)]
        assert not palette.active


class TestControls:
    @pytest.mark.parametrize("name", list(CATALOGUE.layers))
    def test_every_editable_field_has_a_control(self, name: str) -> None:
        cls: Any = CATALOGUE.layer(name)
        for field in fields_of(cls):
            value = None if field.default is REQUIRED else field.default
            control = control_of(field, value, catalogue=CATALOGUE)
            assert control["control"] in {"number", "text", "switch", "select"}
            assert not control["changed"]
            json.dumps(control)

    @pytest.mark.parametrize(
        ("field", "raw", "value"),
        [
            (Field("units", kind="int", ge=1), 3, 3),
            (Field("rate", kind="float"), 1, 1.0),
            (Field("size", kind="ints", length=2), "3, 4", [3, 4]),
            (Field("size", kind="ints", length=2), "3", [3, 3]),
            (Field("size", kind="ints", optional=True), "", None),
            (Field("limit", kind="int", optional=True), None, None),
            (Field("mode", kind="choice", choices=("a",), optional=True), "", None),
        ],
    )
    def test_what_is_typed_is_read(self, field: Field, raw: Any, value: Any) -> None:
        assert read(field, raw) == value

    @pytest.mark.parametrize(
        ("field", "raw"),
        [
            (Field("units", kind="int", ge=1), 0),
            (Field("units", kind="int"), "many"),
            (Field("units", kind="int"), 2.5),
            (Field("units", kind="int"), None),
            (Field("units", kind="int"), float("inf")),
            (Field("rate", kind="float"), float("nan")),
            (Field("size", kind="ints", length=2), "3, x"),
            (Field("size", kind="ints", length=2), "1, 2, 3"),
        ],
    )
    def test_what_is_not_valid_says_why(self, field: Field, raw: Any) -> None:
        with pytest.raises(ValueError, match=field.name):
            read(field, raw)

    def test_spellings_of_a_part_are_one(self) -> None:
        spellings = ["glorot_uniform", "GlorotUniform", {"class_name": "GlorotUniform"}]
        parts = {Part.of(s, "initializer", CATALOGUE).name for s in spellings}  # type: ignore[union-attr]
        assert parts == {"GlorotUniform"}
        linear = Part.of(None, "activation", CATALOGUE)
        assert linear == Part.of("linear", "activation", CATALOGUE)


class TestForm:
    def test_shows_the_stored_values(self) -> None:
        shown = controls(form(dense_session(), CATALOGUE))
        assert shown["units"]["value"] == 4
        assert shown["activation"]["value"] == "relu"
        assert shown["activation"]["changed"]
        assert not shown["use_bias"]["changed"]

    def test_a_valid_value_reaches_the_session(self) -> None:
        session = dense_session()
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="units", value=9, count=1)
        assert session.told == [("set", "dense", "units", 9)]
        assert controls(inspector)["units"]["value"] == 9
        assert controls(inspector)["units"]["heard"] == 1

    def test_an_invalid_value_stays_with_its_reason(self) -> None:
        session = dense_session()
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="units", value=-3, count=1)
        assert session.told == []
        assert controls(inspector)["units"]["value"] == -3
        assert "units" in controls(inspector)["units"]["error"]
        say(inspector.form, type="set", path="units", value=5, count=2)
        assert controls(inspector)["units"]["error"] == ""

    def test_a_part_brings_its_own_arguments(self) -> None:
        session = dense_session()
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="kernel_initializer", value="RandomNormal", count=1)
        say(inspector.form, type="set", path="kernel_initializer.stddev", value=0.2, count=1)
        stored = {"class_name": "RandomNormal", "config": {"stddev": 0.2}}
        assert session.configs["dense"]["kernel_initializer"] == stored
        assert controls(inspector)["kernel_initializer.stddev"]["changed"]
        say(inspector.form, type="reset", path="kernel_initializer.stddev", count=2)
        assert session.configs["dense"]["kernel_initializer"]["config"] == {}
        say(inspector.form, type="reset", path="kernel_initializer", count=2)
        assert "kernel_initializer.stddev" not in controls(inspector)

    def test_the_stack_s_complaint_stands_at_the_guilty_control(self) -> None:
        session = FakeSession(
            layer("dense", problem=Problem("dense", "too many", "units")), dense={"units": 4}
        )
        assert controls(form(session, CATALOGUE))["units"]["error"] == "too many"

    def test_a_complaint_about_no_control_is_a_notice(self) -> None:
        session = FakeSession(
            layer("dense", problem=Problem("dense", "needs a flat input")), dense={"units": 4}
        )
        inspector = form(session, CATALOGUE)
        assert inspector.form.notice == "needs a flat input"
        session.snapshot = snapshot(layer("dense"))
        assert inspector.form.notice == ""

    def test_a_layer_that_is_gone_from_the_document_is_no_error(self) -> None:
        session = dense_session()
        inspector = form(session, CATALOGUE)
        session.configs.clear()
        session.document = FakeDocument(99)
        session.snapshot = snapshot()
        assert inspector.form.groups == []
        assert inspector.form.empty


class TestTraining:
    @pytest.mark.parametrize(
        ("status", "command"), [("idle", "train"), ("running", "pause"), ("paused", "resume")]
    )
    def test_one_key_does_the_sensible_thing(self, status: Any, command: str) -> None:
        session = dense_session()
        session.training = TrainingState(status)
        toggle_training(session)
        assert session.told == [(command,)]

    def test_progress_counts_whole_epochs_and_steps(self) -> None:
        state = TrainingState("running", epoch=2, epochs=4, step=5, steps_per_epoch=10)
        progress, words = position_of(state)
        assert progress == pytest.approx(0.375)
        assert "Epoch 2 of 4" in words


class TestTheme:
    def test_accents_are_distinct_and_unknown_sections_have_one(self) -> None:
        assert len(set(SECTION_COLORS.values())) == len(SECTION_COLORS)
        assert section_color("no such section").startswith("#")


class TestPage:
    def test_the_page_renders(self) -> None:
        root = build_page(dense_session(), CATALOGUE).get_root(Document())
        assert len(root.references()) > 50

    def test_nothing_of_the_process_watches_a_page(self) -> None:
        def watchers() -> int:
            return len(pn.state.param.watchers.get("busy", {}).get("value", []))

        before = watchers()
        build_page(dense_session(), CATALOGUE)
        assert watchers() == before

    def test_a_page_nobody_holds_is_freed(self) -> None:
        gone = weakref.ref(build_page(dense_session(), CATALOGUE))
        gc.collect()
        assert gone() is None
