"""The inspector: the selected layer's arguments, live both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import panel as pn

from layerscope.configurable import Field, fields_of
from layerscope_explorer.catalogue import (
    Catalogue,
    layerscope_catalogue,
    summary_of,
    takes_several_inputs,
)
from layerscope_explorer.components.field_form import FieldForm
from layerscope_explorer.controls import control_of, groups_of
from layerscope_explorer.data import EDITABLE
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.edits import alike
from layerscope_explorer.formula import formula_pane, show_formula
from layerscope_explorer.own_code import with_own_code
from layerscope_explorer.parts import NONE_CHOICE, PART_KINDS, RESET, updated
from layerscope_explorer.session import NOTHING
from layerscope_explorer.snapshot import LayerView
from layerscope_explorer.strings import of_core, text
from layerscope_explorer.theme import section_color
from layerscope_explorer.thumbnails import thumbnails

__all__ = ["LayerForm", "form"]


@with_own_code
class LayerForm(pn.viewable.Viewer):
    """The selected layer's title, summary, formula and arguments, live both ways."""

    def __init__(self, session: Any, catalogue: Catalogue | None = None, **params: Any) -> None:
        super().__init__(**params)
        self._session = session
        self._given = catalogue
        self._rejected: dict[str, tuple[Any, str]] = {}
        self._editing = False
        self._shown: tuple[Any, ...] = ()
        self._formula = formula_pane("var(--ls-math-size, 13px)", margin=0)
        self.form = FieldForm(
            self._set,
            self._reset,
            self._preview,
            self._everywhere,
            formula=self._formula,
            thumbnails=thumbnails(session.document.code),
            sizing_mode="stretch_width",
            margin=0,
        )
        session.param.watch(self._follow, ["document", "snapshot", "selected", "rules"])
        self._refresh()

    @property
    def document(self) -> Document:
        """The stack whose layers are edited."""
        return self._session.document

    @property
    def _catalogue(self) -> Catalogue:
        return self._given or layerscope_catalogue()

    def __panel__(self) -> FieldForm:
        """Return the form itself."""
        return self.form

    def _fields(self) -> dict[str, Field]:
        view = self._view()
        cls: Any = self._catalogue.layer(view.class_name) if view else None
        fields = {field.name: field for field in fields_of(cls)} if cls else {}
        if view is not None and view.id == INPUT:
            kind = self._session.layer_config(INPUT).get("data", "digits")
            return {name: fields[name] for name in EDITABLE[kind]}
        return fields

    def _view(self) -> LayerView | None:
        snapshot = self._session.snapshot
        return snapshot.layer(self._session.selected) if snapshot else None

    def _follow(self, *events: Any) -> None:
        """Redraw if another layer, another document or another problem is shown now."""
        if self._editing:
            # The edit began here and is drawn when it is done.
            return
        view = self._view()
        shown = self._key(view)
        if shown == self._shown and view is not None:
            return
        if any(event.name == "document" for event in events):
            self._rejected.clear()
            drawn = thumbnails(self.document.code)
            if drawn is not self.form.thumbnails:
                self.form.thumbnails = drawn
        self._refresh()

    def _key(self, view: LayerView | None) -> tuple[Any, ...]:
        """Return all that the form depends on."""
        session = self._session
        # An id may stand for another layer, where a whole document was replaced.
        kind = view and (view.class_name, view.name, view.problem)
        return session.document, session.selected, session.rules, kind

    def _refresh(self) -> None:
        view = self._view()
        if view is None and self._is_in_document(self._session.selected):
            # A layer just added: what is shown stays until its picture is there.
            return
        self._shown = self._key(view)
        owner = f"{view.id}:{view.class_name}" if view else ""
        moved_on = owner != self.form.owner
        if moved_on:
            self._rejected.clear()
        groups = self._groups(view) if view else []
        if groups is None:
            return
        with pn.io.hold():
            if moved_on:
                self._draw_head(view)
            self.form.fill(
                groups,
                owner,
                notice=_notice(view, groups),
                empty="" if groups else text("inspector.nothing"),
            )

    def _is_in_document(self, layer_id: str) -> bool:
        try:
            self._session.layer_config(layer_id)
        except LookupError:
            return False
        return True

    def _draw_head(self, view: LayerView | None) -> None:
        self.form.heard.clear()
        cls = self._catalogue.layer(view.class_name) if view else None
        show_formula(self._formula, str(getattr(cls, "formula", "") or ""))
        self.form.param.update(
            title=view.class_name if view else "",
            subtitle=view.name if view else "",
            summary=of_core(summary_of(cls)) if cls else "",
            color=section_color(view.section) if view else "",
        )

    def _groups(self, view: LayerView) -> list[dict[str, Any]] | None:
        try:
            config = self._session.layer_config(view.id)
            groups = self._source_group(view)
        except LookupError:
            # The document moved on and its snapshot is still on the way.
            return None
        groups += groups_of(tuple(self._fields().values()), config, self._catalogue)
        problem = view.problem
        for group in groups:
            for control in group["fields"]:
                path = control["path"]
                control["heard"] = self.form.heard.get(path, 0)
                control["everywhere"] = self._words_for_all(path, config)
                if path in self._rejected:
                    control["value"], control["error"] = self._rejected[path]
                elif problem is not None and problem.argument == path:
                    control["error"] = problem.message
        if self._session.rules.only is not None:
            self._lock(groups, view.id)
        return groups

    def _lock(self, groups: list[dict[str, Any]], layer_id: str) -> None:
        """Lock what may not be changed, and unfold where something may."""
        for group in groups:
            for control in group["fields"]:
                control["locked"] = not self._may(layer_id, control["path"].split(".")[0])
            group["unfold"] = not all(control["locked"] for control in group["fields"])

    def _may(self, layer_id: str, name: str) -> bool:
        rules, owner = self._session.rules, self._session.document.owner(layer_id).id
        if name.startswith(_SOURCE):
            return rules.allow("sources")
        return rules.allow("input") if owner == INPUT else rules.allow_argument(owner, name)

    def _words_for_all(self, path: str, config: Mapping[str, Any]) -> str:
        """Return what the button says that gives all layers alike this value, "" for no button."""
        document, layer_id = self._session.document, self._session.selected
        field = self._fields().get(path)
        if field is None or field.kind not in PART_KINDS or path not in config:
            return ""
        others = alike(document, layer_id, path)
        same = [one for one in others if one.arguments.get(path) == config[path]]
        if len(others) < 3 or len(same) == len(others):
            return ""
        name = document.layer(layer_id).class_name
        return text("inspector.everywhere", count=len(others), name=name)

    def _set(self, path: str, raw: Any) -> None:
        if path.startswith(_SOURCE):
            self._set_source(int(path.removeprefix(_SOURCE)), raw)
            return
        name, *inside = path.split(".")
        field = self._fields().get(name)
        if field is None:
            return
        try:
            stored = self._session.layer_config(self._session.selected).get(name, field.default)
            value = updated(field, stored, inside, raw, self._catalogue)
            self._editing = True
            self._session.set_argument(self._session.selected, name, value)
            self._forget(path)
        except ValueError as error:
            if raw is not RESET:
                self._rejected[path] = (raw, str(error))
        finally:
            self._editing = False
        if isinstance(raw, (int, float)) and path not in self._rejected and self._session.computing:
            # A number that is dragged stands at its control already; the rest comes with the
            # pictures, which would have to wait for it.
            return
        self._refresh()

    def _set_source(self, place: int, raw: Any) -> None:
        """Take another layer's output, or none, at a place of the list."""
        layer_id = self._session.selected
        sources = list(self._session.document.layer(layer_id).sources)
        sources[place : place + 1] = [] if raw == NONE_CHOICE else [str(raw)]
        self._session.set_sources(layer_id, sources)
        self._refresh()

    def _reset(self, path: str) -> None:
        name, *inside = path.split(".")
        if inside:
            self._forget(path)
            self._set(path, RESET)
        elif name in self._fields():
            self._forget(path)
            self._session.reset_argument(self._session.selected, name)
            self._refresh()

    def _preview(self, path: str, raw: Any) -> None:
        """Let the session look at a choice without making it."""
        name, *inside = path.split(".")
        field = self._fields().get(name)
        layer_id = self._session.selected
        if field is None or raw is None:
            self._session.preview(layer_id, name, NOTHING)
            return
        stored = self._session.layer_config(layer_id).get(name, field.default)
        value = updated(field, stored, inside, raw, self._catalogue)
        self._session.preview(layer_id, name, value)

    def _everywhere(self, path: str) -> None:
        self._session.set_everywhere(self._session.selected, path.split(".")[0])
        self._refresh()

    def _forget(self, path: str) -> None:
        """Forget what was rejected at a control and inside it."""
        inside = [one for one in self._rejected if one == path or one.startswith(f"{path}.")]
        for one in inside:
            del self._rejected[one]

    def _source_group(self, view: LayerView) -> list[dict[str, Any]]:
        """Return the choice of what a layer of several inputs takes beside the card above."""
        cls: Any = self._catalogue.layer(view.class_name)
        if cls is None or not takes_several_inputs(cls):
            return []
        document = self._session.document
        names = document.names()
        above = [INPUT, *(one.id for one in document.layers[: document.index(view.id)])]
        options = [[NONE_CHOICE, text("inspector.no_source")]]
        options += [[one, names[one]] for one in reversed(above)]
        places = [*document.layer(view.id).sources, NONE_CHOICE]
        field = Field("source", default="", kind="choice", help=text("inspector.source_help"))
        controls = [
            control_of(field, source, path=f"{_SOURCE}{place}")
            | {"options": options, "changed": False, "heard": 0}
            | {"name": text("inspector.source" if source else "inspector.more_source")}
            for place, source in enumerate(places)
        ]
        return [{"label": text("inspector.sources"), "open": True, "fields": controls}]


#: Paths of the controls that choose whose output a layer takes.
_SOURCE = "source:"


def _notice(view: LayerView | None, groups: Sequence[Mapping[str, Any]]) -> str:
    """Return the layer's problem unless it already stands at one of the controls."""
    problem = view.problem if view else None
    paths = {control["path"] for group in groups for control in group["fields"]}
    return problem.message if problem and problem.argument not in paths else ""


def form(session: Any, catalogue: Catalogue | None = None) -> LayerForm:
    """Return the inspector of a session's selected layer."""
    return LayerForm(session, catalogue)
