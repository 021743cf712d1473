"""Training in a cell: loss and weights as pictures that move while `fit` runs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from layerscope.callbacks import Callback
from layerscope_explorer.shell import shell_here
from layerscope_explorer.strings import FIRST, speaking, text
from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["Pace", "TrainingView"]

_WIDTH, _HEIGHT = 420, 150
_SMALL = (130, 52)
_MOST_POINTS, _MOST_WEIGHTS, _BINS = 300, 12, 40


class Pace:
    """Tells when something may be done again, so that pictures cost training little.

    Parameters
    ----------
    seconds : between two times.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, 0.0

    def due(self) -> bool:
        """Tell whether it is time; then it is not for a while."""
        now = time.perf_counter()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


class TrainingView(Callback):
    """A picture of a training, in the cell that runs `fit`.

    The loss, as `fit` prints it, and that of the validation after each epoch; and how each weight
    is distributed, over how it was at first. It needs no explorer, and works in every kind of
    notebook; outside of one nothing is shown.

    Parameters
    ----------
    seconds : between two pictures.
    language : of its words, ``"en"`` or ``"zh"``.

    Attributes
    ----------
    losses : mean over the epoch so far, after each step.
    validations : number of steps before each validation, and its loss.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> model = ls.Sequential([ls.Input((1,)), ls.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> view = TrainingView()
    >>> _ = model.fit(np.ones((8, 1)), np.ones((8, 1)), epochs=2, verbose=0, callbacks=[view])
    >>> len(view.losses), "<svg" in view._repr_html_()
    (2, True)
    """

    def __init__(self, seconds: float = 0.2, language: str = FIRST) -> None:
        self._pace = Pace(seconds)
        self._language = language
        self._display: Any = None
        self._forget()

    def _forget(self) -> None:
        self.losses: list[float] = []
        self.validations: list[tuple[int, float]] = []
        self._before: dict[str, np.ndarray] = {}
        self._epoch = 0
        self._key = "view_idle"

    # --- what happens --------------------------------------------------------------------

    def on_train_begin(self, logs: Any = None) -> None:
        self._forget()
        self._key = "view_running"
        self._note_weights()
        self._display = _displayed(self)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(float((logs or {}).get("loss", math.nan)))
        if self._pace.due():
            self._show()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if "val_loss" in (logs or {}):
            self.validations.append((len(self.losses), float(logs["val_loss"])))

    def on_train_end(self, logs: Any = None) -> None:
        ended = self._epoch + 1 < self._epochs or self.model.stop_training
        self._key = "view_stopped" if ended else "view_done"
        self._show()

    @property
    def _epochs(self) -> int:
        return int((self.params or {}).get("epochs", 1))

    def _weights(self) -> dict[str, np.ndarray]:
        """Return the first weights that learn, by their paths."""
        weights = self.model.trainable_weights[:_MOST_WEIGHTS]
        return {one.path: np.asarray(one.value) for one in weights}

    def _note_weights(self) -> None:
        """Keep weights as they are at first; layers may be built by the first step only."""
        for path, values in self._weights().items():
            self._before.setdefault(path, values.copy())

    # --- pictures ------------------------------------------------------------------------

    def _show(self) -> None:
        self._note_weights()
        if self._display is not None:
            self._display.update(self)

    def _repr_html_(self) -> str:
        """Return the newest picture."""
        with speaking(self._language):
            # Before the first step there is nothing to draw.
            if self.model is None:
                return f"<p>{escape(text('notebook.view_idle'))}</p>"
            said = text(
                f"notebook.{self._key}",
                epoch=self._epoch + 1,
                epochs=self._epochs,
                step=len(self.losses),
                loss=f"{self.losses[-1]:.4g}" if self.losses else "–",
            )
            curves = loss_picture(self.losses, self.validations, text("notebook.loss"))
            weights = "".join(
                f"<figure style='margin:0 10px 6px 0'>"
                f"{weight_picture(self._before[path], now, path)}"
                f"<figcaption style='font-size:11px'>{escape(path)}</figcaption></figure>"
                for path, now in self._weights().items()
                if path in self._before
            )
            legend = escape(text("notebook.view_legend")) if weights else ""
        return (
            f"<div><p style='margin:2px 0'>{escape(said)}</p>{curves}"
            f"<div style='display:flex;flex-wrap:wrap'>{weights}</div>"
            f"<p style='font-size:11px;margin:0'>{legend}</p></div>"
        )

    def __repr__(self) -> str:
        return f"<TrainingView steps={len(self.losses)}>"


def _displayed(view: TrainingView) -> Any:
    """Show a view in the cell that runs; return what updates it there, None outside of a cell."""
    if shell_here() is None:
        return None
    from IPython.display import display

    return display(view, display_id=True)


def loss_picture(
    losses: Sequence[float], validations: Sequence[tuple[int, float]], label: str
) -> str:
    """Return the loss over the steps as a small picture, validations as points.

    The vertical axis is logarithmic where the losses span more than two decades.
    """
    most = min(len(losses), _MOST_POINTS)
    at = np.linspace(0, len(losses) - 1, most).round().astype(int)
    values = np.asarray(losses, np.float64)[at]
    points = np.asarray(validations, np.float64).reshape(-1, 2)
    drawn = np.concatenate([values, points[:, 1]])
    finite = drawn[np.isfinite(drawn)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    logarithmic = low > 0 and high / low > 100
    low = low if logarithmic else min(low, 0.0)

    def height(value: Any) -> Any:
        share = (
            np.log(np.maximum(value, low) / low) / math.log(high / low)
            if logarithmic
            else (np.asarray(value) - low) / ((high - low) or 1.0)
        )
        return _HEIGHT - 6 - (_HEIGHT - 12) * np.asarray(share)

    across = _WIDTH / max(len(losses), 1)
    line = " ".join(
        f"{across * (step + 1):.1f},{height(value):.1f}"
        for step, value in zip(at, values, strict=True)
        if math.isfinite(value)
    )
    dots = "".join(
        f"<circle cx='{across * step:.1f}' cy='{height(value):.1f}' r='3.5' "
        f"fill='{PLOT_COLORS['accent']}'/>"
        for step, value in points
        if math.isfinite(value)
    )
    return (
        f"<svg width='{_WIDTH + 50}' height='{_HEIGHT}' role='img' aria-label='{escape(label)}'>"
        f"<polyline points='{line}' fill='none' stroke='{PLOT_COLORS['measured']}' "
        f"stroke-width='2'/>{dots}"
        f"<g font-size='11' fill='currentColor'><text x='{_WIDTH + 6}' y='12'>{high:.3g}</text>"
        f"<text x='{_WIDTH + 6}' y='{_HEIGHT - 4}'>{low:.3g}</text></g></svg>"
    )


def weight_picture(before: np.ndarray, now: np.ndarray, label: str) -> str:
    """Return how a weight is distributed, filled, over how it was at first, as an outline."""
    width, height = _SMALL
    both = np.concatenate([np.ravel(before), np.ravel(now)]).astype(np.float64)
    both = both[np.isfinite(both)]
    low, high = (float(both.min()), float(both.max())) if both.size else (0.0, 0.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts = [
        np.histogram(values[np.isfinite(values)], _BINS, (low, high))[0] for values in (before, now)
    ]
    tallest = max(int(one.max(initial=0)) for one in counts) or 1
    places = np.repeat(np.linspace(0.0, width, _BINS + 1), 2)[1:-1]
    outlines = [
        " ".join(
            f"{x:.1f},{height - (height - 2) * count / tallest:.1f}"
            for x, count in zip(places, np.repeat(one, 2), strict=True)
        )
        for one in counts
    ]
    return (
        f"<svg width='{width}' height='{height}' role='img' aria-label='{escape(label)}'>"
        f"<title>{escape(label)}: {low:.3g} … {high:.3g}</title>"
        f"<polygon points='0,{height} {outlines[1]} {width},{height}' "
        f"fill='{PLOT_COLORS['measured']}' fill-opacity='0.55'/>"
        f"<polyline points='{outlines[0]}' fill='none' stroke='{PLOT_COLORS['accent']}'/></svg>"
    )
