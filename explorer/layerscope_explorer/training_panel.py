"""What training is set to, and the buttons that drive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel as pn

from layerscope.configurable import Field
from layerscope_explorer.components.data_file import DataFile
from layerscope_explorer.components.field_form import FieldForm
from layerscope_explorer.components.transport import Transport
from layerscope_explorer.controls import control_of
from layerscope_explorer.data import data_of
from layerscope_explorer.document import AUTO, LOSSES, OPTIMIZERS, TrainingSpec
from layerscope_explorer.objective import suitable
from layerscope_explorer.parts import read
from layerscope_explorer.strings import text
from layerscope_explorer.toys import TOYS

__all__ = ["OPTIONS", "TrainingPanel"]

_USUAL = TrainingSpec()
#: Data with something to learn; what a person brings is chosen by its file.
_DATA = ("digits", *TOYS)

# The document itself says what is valid; these say how a control offers it.
OPTIONS: Mapping[str, Field] = {
    option.name: option
    for option in (
        Field("loss", _USUAL.loss, kind="choice", choices=LOSSES),
        Field("optimizer", _USUAL.optimizer, kind="choice", choices=OPTIMIZERS),
        Field("learning_rate", _USUAL.learning_rate, kind="float", slider=(1e-5, 1.0)),
        Field("batch_size", _USUAL.batch_size, kind="int", slider=(1, 256)),
        Field("epochs", _USUAL.epochs, kind="int", slider=(1, 60)),
    )
}


class TrainingPanel(pn.viewable.Viewer):
    """The transport buttons, the learning curves and the training options.

    The options shown are the session's `training_options`, which a loaded document or an Undo
    may change at any time.
    """

    def __init__(self, session: Any, curves: Any = None, **params: Any) -> None:
        super().__init__(**params)
        self._session = session
        self.body = curves.body if curves is not None else None
        self._rejected: dict[str, tuple[Any, str]] = {}
        self.transport = Transport(session, sizing_mode="stretch_width", margin=0)
        wide: dict[str, Any] = {"inline": True, "sizing_mode": "stretch_width", "margin": 0}
        self.choices = FieldForm(self._set, self._reset, owner="choices", **wide)
        self.form = FieldForm(self._set, self._reset, owner="training", **wide)
        self.file = DataFile(session, sizing_mode="stretch_width", margin=0)
        # The curves stand close to the buttons: what a person presses Train for.
        self._layout = pn.Column(
            self.transport,
            self.choices,
            *([curves] if curves is not None else []),
            self.form,
            self.file,
            css_classes=["ls-training-panel"],
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "12px"},
        )
        session.param.watch(self._follow, "document")
        self._refresh()

    def __panel__(self) -> pn.Column:
        """Return the panel's layout."""
        return self._layout

    def _follow(self, event: Any) -> None:
        old, new = event.old, event.new
        if old is None or (old.training, old.input) != (new.training, new.input):
            self._refresh()

    def _refresh(self) -> None:
        values: Mapping[str, Any] = self._session.training_options
        controls = [
            self._control(option, values.get(name, option.default))
            for name, option in OPTIONS.items()
        ]
        controls[0]["options"] = self._losses(values["loss"])
        choices, numbers = [self._data_control(), *controls[:2]], controls[2:]
        for form, fields in ((self.choices, choices), (self.form, numbers)):
            form.fill([{"label": "", "open": True, "fields": fields}], form.owner)

    def _losses(self, chosen: str) -> list[list[str]]:
        """Return the losses that suit the data, and the chosen one, with what they are called."""
        fitting = suitable(data_of(self._session.document.input.arguments))
        names = [name for name in LOSSES if name in fitting or name == chosen]
        return [[name, text("training.auto") if name == AUTO else name] for name in names]

    def _data_control(self) -> dict[str, Any]:
        """Return the choice of what is learned."""
        arguments = self._session.document.input.arguments
        kind = arguments.get("data", "digits")
        options = [[name, text(f"data.{name}")] for name in _DATA]
        if kind not in _DATA:
            # Noise and the like have nothing to learn, but are what the stack is shown.
            options.append([kind, arguments.get("file") or text(f"data.{kind}")])
        field = Field("data", "digits", kind="choice", choices=_DATA)
        control = self._control(field, kind)
        return control | {"options": options, "changed": False}

    def _control(self, option: Field, value: Any) -> dict[str, Any]:
        control = control_of(option, value)
        control |= {
            "name": text(f"training.{option.name}"),
            "heard": max(one.heard.get(option.name, 0) for one in (self.choices, self.form)),
        }
        if option.name in self._rejected:
            control["value"], control["error"] = self._rejected[option.name]
        return control

    def _set(self, name: str, raw: Any) -> None:
        try:
            if name == "data":
                self._session.set_data({"data": str(raw)})
            else:
                self._session.set_training(name, read(OPTIONS[name], raw))
            self._rejected.pop(name, None)
        except ValueError as error:
            self._rejected[name] = (raw, str(error))
        self._refresh()

    def _reset(self, name: str) -> None:
        self._set(name, OPTIONS[name].default)
