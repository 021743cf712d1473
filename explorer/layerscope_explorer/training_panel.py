"""What training is set to, and the buttons that drive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel as pn

from layerscope.configurable import Field
from layerscope_explorer.components.field_form import FieldForm
from layerscope_explorer.components.transport import Transport
from layerscope_explorer.controls import control_of
from layerscope_explorer.document import OPTIMIZERS, TrainingSpec
from layerscope_explorer.parts import read
from layerscope_explorer.strings import text

__all__ = ["OPTIONS", "TrainingPanel"]

_USUAL = TrainingSpec()

# The document itself says what is valid; these say how a control offers it.
OPTIONS: Mapping[str, Field] = {
    option.name: option
    for option in (
        Field("optimizer", _USUAL.optimizer, kind="choice", choices=tuple(OPTIMIZERS)),
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
        self.form = FieldForm(
            self._set,
            self._reset,
            owner="training",
            inline=True,
            sizing_mode="stretch_width",
            margin=0,
        )
        # The curves stand right under the buttons: what a person presses Train for.
        self._layout = pn.Column(
            self.transport,
            *([curves] if curves is not None else []),
            self.form,
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
        if event.old is None or event.new.training != event.old.training:
            self._refresh()

    def _refresh(self) -> None:
        values: Mapping[str, Any] = self._session.training_options
        controls = [
            self._control(option, values.get(name, option.default))
            for name, option in OPTIONS.items()
        ]
        self.form.fill([{"label": "", "open": True, "fields": controls}])

    def _control(self, option: Field, value: Any) -> dict[str, Any]:
        control = control_of(option, value)
        control |= {
            "name": text(f"training.{option.name}"),
            "heard": self.form.heard.get(option.name, 0),
        }
        if option.name in self._rejected:
            control["value"], control["error"] = self._rejected[option.name]
        return control

    def _set(self, name: str, raw: Any) -> None:
        try:
            self._session.set_training(name, read(OPTIONS[name], raw))
            self._rejected.pop(name, None)
        except ValueError as error:
            self._rejected[name] = (raw, str(error))
        self._refresh()

    def _reset(self, name: str) -> None:
        self._set(name, OPTIONS[name].default)
