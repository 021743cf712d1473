"""The shell: rows mirror snapshots, controls mirror fields, only valid values get through."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace
from typing import Any

import pytest
from bokeh.document import Document as BokehDocument

from layerscope.configurable import REQUIRED, Field, fields_of
from layerscope_explorer import strings
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.components.palette import Palette, groups_of
from layerscope_explorer.components.shortcuts import toggle_training
from layerscope_explorer.components.stack import LayerStack, format_shape, rows_of
from layerscope_explorer.components.status import StatusLine
from layerscope_explorer.components.transport import Transport, position_of
from layerscope_explorer.controls import control_of
from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer
from layerscope_explorer.forms import form
from layerscope_explorer.page import build_page
from layerscope_explorer.parts import Part, read
from layerscope_explorer.session import Session
from layerscope_explorer.snapshot import Fix, Problem, TrainingState
from layerscope_explorer.theme import SECTION_COLORS, section_color
from layerscope_explorer.thumbnails import thumbnail
from layerscope_explorer.workers import InlineScheduler

CATALOGUE = layerscope_catalogue()


def dense_session() -> Session:
    """Return a session of a flat input and one dense layer, which is selected."""
    document = add_layer(Document(), "Flatten")
    document = add_layer(document, "Dense", None, {"units": 4, "activation": "relu"})
    session = Session(start=document)
    session.select("layer2")
    return session


def broken_session() -> Session:
    """Return a session whose second layer cannot take what the first gives."""
    session = Session(start=add_layer(add_layer(Document(), "Flatten"), "Conv2D"))
    session.select("layer2")
    return session


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
        rows = rows_of(dense_session().snapshot)
        assert [row["id"] for row in json.loads(json.dumps(rows))] == ["layer1", "layer2"]
        assert rows[1]["shape"] == "4"
        heights = [int(height) for height in f"{rows[1]['spark']} {rows[1]['theory']}".split()]
        assert max(heights) == 100
        assert rows[1]["drawing"] == thumbnail("activation", "relu")

    def test_a_problem_brings_its_sentence_and_fixes(self) -> None:
        session = broken_session()
        view = session.snapshot.layer("layer2")
        fix = Fix("Mend it", session.document)
        broken = replace(view, problem=replace(view.problem, fixes=(fix,)))
        row = rows_of(replace(session.snapshot, layers=(broken,)))[0]
        assert (row["error"], row["fixes"]) == (view.problem.message, ["Mend it"])
        assert row["shape"] == "—"

    def test_shapes_leave_out_the_batch(self) -> None:
        assert format_shape((None, None, 8)) == "? × 8"

    def test_messages_become_edits(self) -> None:
        session = dense_session()
        opened: list[int] = []
        stack = LayerStack(session, opened.append)
        say(stack, type="move", id="layer2", index=0)
        assert [layer.id for layer in session.document.layers] == ["layer2", "layer1"]
        say(stack, type="bypass", id="layer1")
        assert session.document.layer("layer1").bypassed
        say(stack, type="share", id="layer2")
        assert session.document.layers[-1].shares == "layer2"
        say(stack, type="unshare", id="layer3")
        say(stack, type="reroll", id="layer2")
        assert session.document.layer("layer2").roll == 1
        say(stack, type="remove", id="layer2")
        assert [layer.id for layer in session.document.layers] == ["layer1", "layer3"]
        say(stack, type="fix", id="layer1", index=9)
        say(stack, type="palette", index=1)
        assert opened == [1]

    def test_a_fix_of_a_card_is_made_unless_the_stack_moved_on(self) -> None:
        session = broken_session()
        mended = Document()
        view = session.snapshot.layer("layer2")
        problem = replace(view.problem, fixes=(Fix("Mend it", mended),))
        session.snapshot = replace(session.snapshot, layers=(replace(view, problem=problem),))
        stack = LayerStack(session, lambda index: None)
        session.document = replace(session.document, seed=5)
        say(stack, type="fix", id="layer2", index=0)
        assert session.document.seed == 5
        session.document = session.snapshot.document
        say(stack, type="fix", id="layer2", index=0)
        assert session.document == mended
        assert session.history.past[-1].name == "Mend it"


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
        assert session.document.layers[2].class_name == "Flatten"
        assert not palette.active


class TestControls:
    @pytest.mark.parametrize("name", list(CATALOGUE.layers))
    def test_every_editable_field_has_a_control(self, name: str) -> None:
        cls: Any = CATALOGUE.layer(name)
        for field in fields_of(cls):
            value = None if field.default is REQUIRED else field.default
            control = control_of(field, value, catalogue=CATALOGUE)
            assert control["control"] in {"number", "text", "switch", "select", "picker"}
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
        assert session.document.layer("layer2").arguments["units"] == 9
        assert controls(inspector)["units"]["value"] == 9
        assert controls(inspector)["units"]["heard"] == 1

    def test_an_invalid_value_stays_with_its_reason(self) -> None:
        session = dense_session()
        before = session.document
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="units", value=-3, count=1)
        assert session.document == before
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
        assert session.layer_config("layer2")["kernel_initializer"] == stored
        assert controls(inspector)["kernel_initializer.stddev"]["changed"]
        say(inspector.form, type="reset", path="kernel_initializer.stddev", count=2)
        assert session.layer_config("layer2")["kernel_initializer"]["config"] == {}
        say(inspector.form, type="reset", path="kernel_initializer", count=2)
        assert "kernel_initializer.stddev" not in controls(inspector)

    def test_a_wrapper_s_layer_is_edited_inside(self) -> None:
        session = dense_session()
        session.add_layer("TimeDistributed", 0)
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="layer", value="Conv2D", count=1)
        say(inspector.form, type="set", path="layer.filters", value=5, count=1)
        say(inspector.form, type="set", path="layer.kernel_initializer", value="Ones", count=1)
        inner = session.document.layers[0].arguments["layer"]
        assert inner["class_name"] == "Conv2D"
        assert inner["config"]["filters"] == 5
        assert inner["config"]["kernel_initializer"] == "Ones"
        say(inspector.form, type="set", path="layer.filters", value=0, count=2)
        assert "filters" in controls(inspector)["layer.filters"]["error"]

    def test_cells_are_added_edited_and_taken_away(self) -> None:
        session = dense_session()
        session.add_layer("StackedRNNCells", 1)
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="cells.add", value="GRUCell", count=1)
        say(inspector.form, type="set", path="cells.2.units", value=7, count=1)
        say(inspector.form, type="set", path="cells.0", value="", count=1)
        cells = session.document.layers[1].arguments["cells"]
        assert [cell["class_name"] for cell in cells] == ["SimpleRNNCell", "GRUCell"]
        assert cells[1]["config"]["units"] == 7
        say(inspector.form, type="set", path="cells.0", value="", count=2)
        say(inspector.form, type="set", path="cells.0", value="", count=3)
        assert len(session.document.layers[1].arguments["cells"]) == 1
        assert controls(inspector)["cells.0"]["error"]

    def test_a_merging_layer_chooses_its_sources(self) -> None:
        session = dense_session()
        session.add_layer("Concatenate", 2)
        inspector = form(session, CATALOGUE)
        say(inspector.form, type="set", path="source:0", value="layer1", count=1)
        say(inspector.form, type="set", path="source:1", value="input", count=1)
        assert session.document.layers[2].sources == ("layer1", "input")
        say(inspector.form, type="set", path="source:0", value="", count=1)
        assert session.document.layers[2].sources == ("input",)

    def test_the_kind_of_data_decides_which_arguments_it_has(self) -> None:
        session = dense_session()
        session.select("input")
        inspector = form(session, CATALOGUE)
        assert list(controls(inspector)) == ["data"]
        say(inspector.form, type="set", path="data", value="tokens", count=1)
        assert list(controls(inspector)) == ["data", "shape", "vocabulary"]
        say(inspector.form, type="set", path="shape", value="3, 4", count=1)
        assert "axes" in controls(inspector)["shape"]["error"]
        assert session.snapshot.input.output_shape == (None, 16)

    def test_the_stack_s_complaint_stands_at_the_guilty_control(self) -> None:
        session = dense_session()
        inspector = form(session, CATALOGUE)
        view = session.snapshot.layer("layer2")
        broken = replace(view, problem=Problem("layer2", "too many", "units"))
        session.snapshot = replace(session.snapshot, layers=(broken,))
        assert controls(inspector)["units"]["error"] == "too many"

    def test_a_complaint_about_no_control_is_a_notice(self) -> None:
        session = broken_session()
        inspector = form(session, CATALOGUE)
        assert "needs images" in inspector.form.notice
        session.remove_layer("layer1")
        assert inspector.form.notice == ""

    def test_a_layer_that_is_gone_from_the_document_is_no_error(self) -> None:
        session = dense_session()
        inspector = form(session, CATALOGUE)
        session.document = Document()
        session.snapshot = replace(session.snapshot, layers=())
        assert not inspector.form.groups
        assert inspector.form.empty


class TestStatus:
    def test_it_says_how_far_compiling_is(self) -> None:
        session = dense_session()
        status = StatusLine(session)
        assert status.compiling == ""
        session.compiling = (3, 12)
        assert "3" in status.compiling
        assert "12" in status.compiling
        session.compiling = (12, 12)
        assert status.compiling == ""

    def test_the_session_looks_how_far_compiling_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks: list[Any] = []

        class Noting(InlineScheduler):
            def every(self, milliseconds: int, tick: Any) -> Any:
                looks.append(tick)
                return super().every(milliseconds, tick)

        found = Session(Noting(), Document())
        assert found.compiling == (0, 0)
        monkeypatch.setattr("layerscope_explorer.session.compiling_progress", lambda: (1, 2))
        (look,) = looks
        look()
        assert found.compiling == (1, 2)


class TestTraining:
    @pytest.mark.parametrize(
        ("status", "command"), [("idle", "train"), ("running", "pause"), ("paused", "resume")]
    )
    def test_one_key_does_the_sensible_thing(
        self, status: Any, command: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = dense_session()
        session.training = TrainingState(status)
        told: list[str] = []
        for name in ("train", "pause", "resume"):
            monkeypatch.setattr(session, name, lambda name=name: told.append(name))
        toggle_training(session)
        assert told == [command]

    def test_the_place_counts_epochs_and_steps(self) -> None:
        state = TrainingState("running", epoch=2, epochs=4, step=5, steps_per_epoch=10)
        assert position_of(state) == "Epoch 2 of 4, step 5 of 10"
        assert position_of(TrainingState("paused", reached=9)) == "At the start"
        assert position_of(TrainingState("failed", message="too wild")) == "too wild"

    def test_the_transport_drives_the_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = dense_session()
        told: list[tuple[Any, ...]] = []
        for name in ("step", "seek", "reset_weights"):
            monkeypatch.setattr(session, name, lambda *args, name=name: told.append((name, *args)))
        transport = Transport(session)
        for message in ("step", "back", "rewind", "reset"):
            transport._handle_msg({"type": message})
        transport._handle_msg({"type": "seek", "at": 12})
        assert told == [("step", 1), ("step", -1), ("seek", 0), ("reset_weights",), ("seek", 12)]


class TestTheme:
    def test_accents_are_distinct_and_unknown_sections_have_one(self) -> None:
        assert len(set(SECTION_COLORS.values())) == len(SECTION_COLORS)
        assert section_color("no such section").startswith("#")


class TestPage:
    def test_the_page_renders(self) -> None:
        document = BokehDocument()
        build_page(dense_session(), CATALOGUE).server_doc(document)
        bar, menus, workbench = document.roots
        assert len(bar.references()) + len(menus.references()) < 50 < len(workbench.references())

    def test_a_page_nobody_holds_is_freed(self) -> None:
        gone = weakref.ref(build_page(dense_session(), CATALOGUE))
        gc.collect()
        assert gone() is None
