"""Models in files as training goes on."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Literal

import numpy as np

from layerscope.callbacks.callback import Logs
from layerscope.callbacks.monitor import Mode, MonitorCallback
from layerscope.callbacks.step_counter import StepCounter, check_save_freq


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or steps; each file appears whole.

    Needs h5py: ``pip install layerscope[keras]``.

    Parameters
    ----------
    filepath : where to; ``{epoch:02d}``, ``{batch}`` and names of values as ``{val_loss:.2f}``
        are filled in. Ends in ``.keras``, or in ``.weights.h5`` for weights alone.
    monitor : name of the value in the logs that tells which model is best.
    verbose : 1 prints what is done.
    save_best_only : whether to save only what is better than all before.
    save_weights_only : whether to save weights alone.
    mode : whether less (``"min"``) or more (``"max"``) is better; ``"auto"`` asks the metric.
    save_freq : ``"epoch"``, or a number of steps.
    initial_value_threshold : what the first model must better.

    Raises
    ------
    ValueError
        If the file's name has the wrong end, or `save_freq` is neither.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Mode = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = check_save_freq(save_freq)
        self._counter = StepCounter(save_freq)
        self._epoch = 0
        suffix = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(suffix):
            raise ValueError(
                f"The filepath must end in `{suffix}` with save_weights_only={save_weights_only}. "
                f"Received: filepath={self.filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._counter.is_due(batch):
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only and not self._is_best(epoch, logs, path):
            return
        if path.is_dir():
            raise OSError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an "
                f"existing directory: {path}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)
        self._say(epoch, f"model saved to {path}")

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> Path:
        values = {"epoch": epoch + 1, **logs}
        if batch is not None:
            values.setdefault("batch", batch + 1)
        try:
            return Path(self.filepath.format(**values))
        except KeyError as error:
            raise KeyError(
                f"Argument `filepath` asks for {error}, which is not known. Received: "
                f"filepath={self.filepath!r}; known are: {', '.join(values)}."
            ) from error

    def _is_best(self, epoch: int, logs: Logs, path: Path) -> bool:
        current = logs.get(self.monitor)
        if current is None or np.ndim(current):
            what = "available" if current is None else "one number"
            warnings.warn(
                f"Can save best model only with {self.monitor} {what}; the model is saved anyway.",
                stacklevel=4,
            )
            return True
        if not self._is_improvement(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
            return False
        best = "None" if self.best is None else f"{self.best:.5f}"
        self._say(epoch, f"{self.monitor} improved from {best} to {current:.5f}")
        self.best = current
        return True

    def _say(self, epoch: int, text: str) -> None:
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: {text}")
