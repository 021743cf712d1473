from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerscope_explorer import edits
from layerscope_explorer.codec import from_json, to_json
from layerscope_explorer.comparing import PinnedStack, differences, on_same_ground
from layerscope_explorer.components.compare_bar import CompareBar
from layerscope_explorer.components.seed_sweep import SeedSweep, tiles_of
from layerscope_explorer.components.seed_sweep import sentence as sweep_sentence
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses import LENSES
from layerscope_explorer.lenses.code import CodeLens
from layerscope_explorer.lenses.comparison import NO_LINE, Outline, both_rows, gapped, steps_of
from layerscope_explorer.lenses.figure import new_figure
from layerscope_explorer.lenses.signal import SignalLens
from layerscope_explorer.lenses.weights import WeightsLens
from layerscope_explorer.limits import MAX_LAYERS
from layerscope_explorer.page import Region, Workbench
from layerscope_explorer.presets import digits_stack, why_did_it_die
from layerscope_explorer.session import Session
from layerscope_explorer.sweeping import SEEDS, draws


def random_edit(document: Document, chance: random.Random) -> Document:
    """Return a document after one random edit of its layers."""
    ids = [layer.id for layer in document.layers]
    kinds = [
        "add",
        *(["remove", "copy", "move", "units", "bypass", "roll", "share"] if ids else []),
    ]
    kind, layer_id = chance.choice(kinds), chance.choice(ids or [""])
    match kind:
        case "add":
            name = chance.choice(["Dense", "Dropout", "Add", "LayerNormalization"])
            return edits.add_layer(document, name, chance.randint(0, len(ids)))
        case "remove":
            return edits.remove_layer(document, layer_id)
        case "copy":
            return edits.duplicate_layer(document, layer_id)
        case "move":
            return edits.move_layer(document, layer_id, chance.randrange(len(ids)))
        case "share":
            return edits.share_layer(document, layer_id, chance.randint(0, len(ids)))
        case "bypass":
            bypassed = document.layer(layer_id).bypassed
            return edits.set_bypassed(document, layer_id, not bypassed)
        case "units" if document.owner(layer_id).class_name == "Dense":
            return edits.set_argument(document, layer_id, "units", chance.randint(1, 99))
    return edits.reroll_layer(document, layer_id)


def keys(a: Document, b: Document) -> list[str]:
    return [found.key for found in differences(a, b)]


def reverted(a: Document, b: Document, key: str) -> Document:
    return next(found for found in differences(a, b) if found.key == key).revert()


class TestDifferences:
    def test_a_stack_does_not_differ_from_itself(self) -> None:
        assert differences(digits_stack(), digits_stack()) == []

    def test_seed_phase_and_data_are_those_of_both(self) -> None:
        stack = digits_stack()
        other = edits.set_phase(edits.set_seed(stack, 9), "inference")
        other = edits.set_input(other, {"data": "noise", "shape": [8, 8, 1]})
        assert differences(stack, other) == []

    def test_an_argument_is_told_with_both_values(self) -> None:
        a = digits_stack()
        b = edits.set_argument(a, "layer4", "units", 32)
        (found,) = differences(a, b)
        assert (found.key, found.name) == ("layer4 units", "dense: units")
        assert (found.before, found.after) == ("64", "32")
        assert found.revert() == a

    def test_a_default_is_told_as_what_it_is(self) -> None:
        a = digits_stack()
        b = edits.set_argument(
            a, "layer4", "kernel_initializer", {"class_name": "HeNormal", "config": {}}
        )
        (found,) = differences(a, b)
        assert (found.before, found.after) == ("glorot_uniform", "HeNormal")

    def test_every_kind_of_change_goes_back_alone(self) -> None:
        a = edits.add_layer(digits_stack(), "Add", 4, {}, ("layer3",))
        changes: dict[str, Callable[[Document], Document]] = {
            "layer5 units": lambda d: edits.set_argument(d, "layer5", "units", 12),
            "layer2 use": lambda d: edits.set_bypassed(d, "layer2", True),
            "layer4 roll": lambda d: edits.reroll_layer(d, "layer4"),
            "layer6 sources": lambda d: edits.set_sources(d, "layer6", ["layer2"]),
            "training batch_size": lambda d: edits.set_training(d, "batch_size", 7),
            "layer7 added": lambda d: edits.add_layer(d, "Dropout", 3),
            "layer1 removed": lambda d: edits.remove_layer(d, "layer1"),
        }
        b = a
        for change in changes.values():
            b = change(b)
        assert set(keys(a, b)) == set(changes)
        for key in changes:
            back = reverted(a, b, key)
            assert set(keys(a, back)) == set(changes) - {key}, key

    def test_the_fewest_moves_are_told(self) -> None:
        a = why_did_it_die()
        b = edits.move_layer(a, "layer9", 1)
        assert keys(a, b) == ["layer9 moved"]
        assert reverted(a, b, "layer9 moved") == a

    def test_shared_weights_come_back_with_what_has_them(self) -> None:
        a = edits.share_layer(why_did_it_die(), "layer3", 5)
        shared = f"layer{a.next_id - 1}"
        b = edits.unshare_layer(a, shared)
        assert keys(a, b) == [f"{shared} kind"]
        assert reverted(a, b, f"{shared} kind") == a
        gone = edits.remove_layer(edits.remove_layer(a, shared), "layer3")
        back = reverted(a, gone, f"{shared} removed")
        # Its owner is not there: it has the same arguments, and weights of its own.
        assert back.layer(shared).shares == ""
        assert back.layer(shared).arguments == a.layer("layer3").arguments

    def test_another_kind_of_layer_goes_back_whole(self) -> None:
        a = digits_stack()
        b = from_json(to_json(a).replace('"Flatten"', '"GlobalAveragePooling2D"'))
        assert keys(a, b) == ["layer3 kind"]
        assert reverted(a, b, "layer3 kind") == a

    def test_going_back_needs_room(self) -> None:
        a = digits_stack()
        b = edits.remove_layer(a, "layer1")
        while len(b.layers) < MAX_LAYERS:
            b = edits.add_layer(b, "Dropout")
        with pytest.raises(ValueError, match="64 layers"):
            reverted(a, b, "layer1 removed")

    @pytest.mark.parametrize("seed", range(12))
    def test_whatever_was_edited_goes_back_one_by_one(self, seed: int) -> None:
        chance = random.Random(seed)
        a = why_did_it_die() if seed % 2 else digits_stack()
        b = a
        for _ in range(12):
            b = random_edit(b, chance)
        for _ in range(200):
            found = differences(a, b)
            if not found:
                break
            step = chance.choice(found).revert()
            assert step != b
            # Also what is half way back can be kept and opened.
            assert from_json(to_json(step)).layers == step.layers
            b = step
        assert differences(a, b) == []
        assert [layer.id for layer in b.layers] == [layer.id for layer in a.layers]


class TestPinnedStack:
    def test_it_is_computed_once_per_ground(self) -> None:
        stack = digits_stack()
        pinned = PinnedStack(stack, {}, stack.seed)
        first = pinned.snapshot(stack, None)
        assert pinned.snapshot(edits.set_argument(stack, "layer4", "units", 3), first) is first
        other = pinned.snapshot(edits.set_seed(stack, 4), first)
        assert other is not first
        alone = Engine().snapshot(edits.set_seed(stack, 4))
        for one, same in zip(other.layers, alone.layers, strict=True):
            assert one.output is not None
            assert same.output is not None
            np.testing.assert_array_equal(one.output.counts, same.output.counts)

    def test_what_it_had_learned_belongs_to_its_seed(self) -> None:
        stack = digits_stack()
        learned = {"layer4": [np.full((144, 64), 0.5, np.float32), np.zeros(64, np.float32)]}
        pinned = PinnedStack(stack, learned, stack.seed)
        means = [
            pinned.snapshot(edits.set_seed(stack, seed), None).layers[3].weights[0].histogram.mean
            for seed in (0, 1)
        ]
        assert means[0] == pytest.approx(0.5)
        assert abs(means[1]) < 0.1


class TestSession:
    def test_nothing_pinned_costs_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("layerscope_explorer.session._compared", None)
        monkeypatch.setattr("layerscope_explorer.session.differences", None)
        session = Session(start=digits_stack())
        workbench = Workbench(session)
        session.open_lens("weights")
        session.set_argument("layer4", "units", 12)
        lens = next(one for one in workbench._open.values())[0]
        outlines = [one for one in _outlines(lens) if one.source is not None]
        assert outlines == []
        assert session.compared is None

    def test_pinning_takes_the_pictures_that_are_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = Session(start=digits_stack())
        shown = session.snapshot
        monkeypatch.setattr(PinnedStack, "_engine", None, raising=False)
        session.pin()
        assert session.pinned is session.document
        assert session.compared is shown
        session.set_argument("layer4", "units", 12)
        assert session.compared is shown
        assert session.snapshot is not shown

    def test_a_follows_the_seed_and_the_data_of_b(self) -> None:
        session = Session(start=digits_stack())
        session.pin()
        session.set_seed(11)
        assert session.compared.document.seed == 11
        session.set_argument("input", "data", "noise")
        assert session.compared.document.input == session.document.input
        assert [found.key for found in session.differences] == []

    def test_every_chip_is_one_undoable_edit(self) -> None:
        session = Session(start=digits_stack())
        session.pin()
        session.set_argument("layer4", "units", 12)
        session.set_argument("layer1", "filters", 4)
        before = session.document
        session.revert("layer4 units")
        assert [found.key for found in session.differences] == ["layer1 filters"]
        assert session.history.past[-1].name == "Back to A: dense: units"
        session.undo()
        assert session.document == before
        session.revert("no such key")
        assert session.document == before

    def test_swapping_is_undone_and_redone_on_both_sides(self) -> None:
        session = Session(start=digits_stack())
        a = session.document
        session.pin()
        session.set_argument("layer4", "units", 12)
        b = session.document
        session.swap()
        assert (session.document.layers, session.pinned.layers) == (a.layers, b.layers)
        session.swap()
        assert (session.document.layers, session.pinned.layers) == (b.layers, a.layers)
        session.go(-2)
        assert (session.document.layers, session.pinned.layers) == (b.layers, a.layers)
        session.redo()
        assert (session.document.layers, session.pinned.layers) == (a.layers, b.layers)
        session.undo()
        assert (session.document.layers, session.pinned.layers) == (b.layers, a.layers)
        assert session.compared.document.layers == a.layers

    def test_ids_stay_apart_after_swapping(self) -> None:
        session = Session(start=digits_stack())
        session.pin()
        session.add_layer("Dropout")
        session.swap()
        session.add_layer("Dropout")
        ids = [layer.id for layer in (*session.document.layers, *session.pinned.layers)]
        assert len({*ids}) == 7

    def test_unpinned_a_is_gone_everywhere(self) -> None:
        session = Session(start=digits_stack())
        session.pin()
        session.unpin()
        assert session.pinned is session.compared is None
        session.set_argument("layer4", "units", 12)
        assert session.compared is None
        session.swap()
        assert session.document.layer("layer4").arguments["units"] == 12

    def test_a_document_from_elsewhere_can_be_pinned(self) -> None:
        session = Session(start=digits_stack())
        session.pin(why_did_it_die())
        assert session.compared.document == on_same_ground(why_did_it_die(), session.document)

    def test_a_that_cannot_work_takes_nothing_down(self) -> None:
        session = Session(start=digits_stack())
        WeightsLens(session)
        session.open_lens("weights")
        session.pin(from_json(to_json(digits_stack()).replace('"Flatten"', '"LSTM"')))
        session.select("layer5")
        session.set_argument("layer4", "units", 12)
        assert session.compared is not None
        assert session.study.found is not None


def _outlines(lens: Any) -> list[Outline]:
    found = []
    for part in vars(lens).values():
        for one in getattr(part, "__dict__", {}).values():
            found += [one] if isinstance(one, Outline) else []
    return found


def table_of(lens: Any) -> list[tuple[str, str]]:
    """Return what a lens's table holds when it is unfolded."""
    lens.body.numbers.opened = True
    return lens.body.numbers.rows


class TestLenses:
    def compared(self) -> Session:
        session = Session(start=digits_stack())
        session.pin()
        session.set_argument("layer4", "units", 24)
        session.set_argument(
            "layer4", "kernel_regularizer", {"class_name": "L2", "config": {"l2": 0.1}}
        )
        session.select("layer4")
        return session

    @pytest.mark.parametrize("lens", LENSES, ids=lambda one: one.key)
    def test_every_lens_tells_both(self, lens: Any) -> None:
        session = self.compared()
        shown = lens(session)
        session.open_lens(lens.key)
        session.set_argument("layer4", "units", 25)
        before = str(shown.body.caption.content) + str(
            getattr(getattr(shown, "table", None), "rows", "")
        )
        session.unpin()
        after = str(shown.body.caption.content) + str(
            getattr(getattr(shown, "table", None), "rows", "")
        )
        assert before != after
        for outline in _outlines(shown):
            assert outline.source is None or len(outline.source.data["x"]) == 0

    @pytest.mark.parametrize("key", ["weights", "activation", "outputs", "penalty"])
    def test_pictures_have_the_outline_of_a(self, key: str) -> None:
        session = self.compared()
        shown = next(one for one in LENSES if one.key == key)(session)
        session.open_lens(key)
        session.set_argument("layer4", "units", 26)
        drawn = [one for one in _outlines(shown) if one.source is not None]
        assert drawn
        assert any(len(one.source.data["x"]) for one in drawn)
        assert any(entry["mark"] == "outline" for entry in shown.body.caption.content["legend"])

    def test_the_signal_has_both(self) -> None:
        session = Session(start=why_did_it_die())
        lens = SignalLens(session)
        session.pin()
        session.set_argument("layer2", "kernel_initializer", "glorot_normal")
        session.set_everywhere("layer2", "kernel_initializer")
        a = lens.depth.other.source.data["y"]
        b = lens.depth.lines["forth"].data["y"]
        assert len(a) == len(b)
        assert a[8] < 1e-6 < b[8]
        assert "In A: Forward" in lens.body.caption.content["sentence"]
        assert any("(A: " in value for _, value in table_of(lens))
        session.unpin()
        assert len(lens.depth.other.source.data["y"]) == 0

    def test_the_table_has_both_numbers(self) -> None:
        session = self.compared()
        lens = WeightsLens(session)
        session.open_lens("weights")
        rows = dict(table_of(lens))
        assert rows["Shape"] == "(144, 24) (A: (144, 64))"

    def test_the_code_marks_what_differs(self) -> None:
        session = self.compared()
        lens = CodeLens(session)
        session.open_lens("code")
        added = [lens.view.source.splitlines()[number] for number in lens.view.added]
        removed = [line for lines in lens.view.removed.values() for line in lines]
        assert any("24" in line for line in added)
        assert any("64" in line for line in removed)
        session.unpin()
        assert (lens.view.added, lens.view.removed) == ([], {})

    def test_an_outline_does_not_exist_before_it_is_needed(self) -> None:
        picture = new_figure("test")
        outline = Outline(picture)
        outline.show(NO_LINE)
        assert picture.renderers == []
        outline.show((np.arange(3), np.arange(3)))
        outline.show(NO_LINE)
        assert len(picture.renderers) == 1
        assert len(outline.source.data["x"]) == 0

    def test_bars_become_steps(self) -> None:
        session = Session(start=digits_stack())
        histogram = session.snapshot.layers[0].output
        x, y = steps_of(histogram)
        assert y[0] == y[-1] == 0
        widths = np.diff(x)
        assert float((y[1:] * widths).sum()) == pytest.approx(1.0, abs=1e-3)
        both = gapped([(x, y), NO_LINE, (x, y)])[0]
        assert int(np.isnan(both).sum()) == 2

    def test_rows_of_both_meet_by_name(self) -> None:
        def table(numbers: dict[str, str]) -> list[tuple[str, str]]:
            return list(numbers.items())

        b, a = {"x": "1", "y": "2"}, {"y": "3", "z": "4"}
        assert both_rows(table, b, None) == [("x", "1"), ("y", "2")]
        assert both_rows(table, b, b) == [("x", "1 (A: 1)"), ("y", "2 (A: 2)")]
        found = both_rows(table, b, a)
        assert found == [("x", "1 (A: –)"), ("y", "2 (A: 3)"), ("z", "– (A: 4)")]


class TestBar:
    def test_chips_say_what_differs_and_take_it_back(self) -> None:
        session = Session(start=digits_stack())
        session.pin()
        bar = CompareBar(session)
        assert bar.chips == []
        session.set_argument("layer4", "units", 12)
        (chip,) = bar.chips
        assert chip["name"] == "dense: units"
        assert chip["change"] == "64 → 12"
        assert chip["revert"] == "Back to A: dense: units 64 → 12"
        bar._handle_msg({"type": "revert", "key": chip["key"]})
        assert bar.chips == []
        assert session.history.past[-1].name == "Back to A: dense: units"

    def test_it_stands_only_while_there_is_an_a(self) -> None:
        session = Session(start=digits_stack())
        workbench = Workbench(session)

        def bars() -> int:
            return len(list(workbench.body.select(CompareBar)))

        assert bars() == 0
        session.pin()
        assert bars() == 1
        session.set_language("zh")
        assert bars() == 1
        session.unpin()
        assert bars() == 0

    def test_a_is_told_above_the_signal_and_the_sweep_below_it(self) -> None:
        session = Session(start=digits_stack())
        workbench = Workbench(session)
        session.start_sweep()
        session.stop_sweep()
        session.pin()

        def cards() -> list[str]:
            regions: list[Any] = list(workbench.body.select(Region))
            (column,) = [one for one in regions if workbench._lens_place in list(one)]
            return [getattr(one, "label", "") or type(one).__name__ for one in column]

        assert cards() == ["CompareBar", "Signal", "SeedSweep", "Region"]
        # All cards at once.
        session.set_language("zh")
        session.set_language("en")
        assert cards() == ["CompareBar", "Signal", "SeedSweep", "Region"]


class TestSweep:
    def wait(self, session: Session) -> None:
        until = time.monotonic() + 60
        while session.sweep.running and time.monotonic() < until:
            session.tick_sweep()
            time.sleep(0.01)
        assert not session.sweep.running

    def small(self) -> Document:
        document = edits.set_input(Document(), {"data": "noise", "shape": [6]})
        document = edits.add_layer(document, "Dense", None, {"units": 5, "activation": "relu"})
        return edits.add_layer(document, "Dense", None, {"units": 4})

    def test_sixteen_seeds_are_what_each_would_show(self) -> None:
        session = Session(start=self.small())
        session.start_sweep()
        self.wait(session)
        drawn = session.sweep.drawn
        assert [one.seed for one in drawn] == list(range(SEEDS))
        assert len({one.forth["layer2"] for one in drawn}) == SEEDS
        session.set_seed(5)
        assert drawn[5].forth["layer2"] == session.snapshot.layer("layer2").output.std
        assert drawn[5].back["layer1"] == session.snapshot.layer("layer1").gradient.std

    def test_a_is_swept_with_the_same_seeds(self) -> None:
        session = Session(start=self.small())
        session.pin()
        session.set_argument("layer1", "units", 9)
        session.start_sweep()
        self.wait(session)
        alone = [one.forth for one in draws(session.pinned, None)]
        assert [one.other for one in session.sweep.drawn] == alone
        assert "In A it goes" in sweep_sentence(session.sweep)
        assert all(tile["other"] for tile in tiles_of(session.sweep)["tiles"])

    def test_it_can_be_stopped_and_put_away(self) -> None:
        session = Session(start=why_did_it_die())
        session.start_sweep()
        job = session._sweeping
        session.stop_sweep()
        assert job is not None
        assert job.ended
        assert not session.sweep.running
        done = len(session.sweep.drawn)
        time.sleep(0.1)
        assert len(session.sweep.drawn) == done < SEEDS
        session.close_sweep()
        assert session.sweep is None

    def test_an_edit_ends_it_and_its_pictures_say_so(self) -> None:
        session = Session(start=why_did_it_die())
        session.start_sweep()
        card = SeedSweep(session)
        assert not card.outdated
        session.set_argument("layer2", "units", 12)
        assert card.outdated
        session.tick_sweep()
        assert not session.sweep.running

    def test_another_seed_is_one_of_its_tiles(self) -> None:
        session = Session(start=self.small())
        session.start_sweep()
        self.wait(session)
        card = SeedSweep(session)
        card._handle_msg({"type": "seed", "value": 7})
        assert session.document.seed == card.seed == 7
        assert not card.outdated

    def test_values_that_are_no_numbers_are_left_out(self) -> None:
        document = edits.set_argument(
            self.small(), "layer1", "kernel_initializer",
            {"class_name": "Constant", "config": {"value": 3e38}},
        )  # fmt: skip
        found = next(draws(document, None))
        assert found.health == "bad"
        session = Session(start=document)
        session.start_sweep()
        session.stop_sweep()
        sweep = replace(session.sweep, drawn=(found,))
        assert isinstance(sweep_sentence(sweep), str)
        assert tiles_of(sweep)["tiles"][0]["seed"] == 0
