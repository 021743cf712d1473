"""Training that survives its process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

from layerscope.callbacks.callback import Callback, Logs
from layerscope.callbacks.step_counter import StepCounter


class BackupAndRestore(Callback):
    """Keeps where training stands in a file, and goes on from there when it is begun again.

    Weights, optimizer, metrics, randomness and the order of the samples are all kept: training ends
    as if it had never been interrupted, also in the middle of an epoch, where Keras begins the
    epoch anew. The file appears whole, and nothing in it is run.

    Parameters
    ----------
    backup_dir : folder for the file, of this callback alone.
    save_freq : ``"epoch"``, or a number of steps.
    double_checkpoint : whether to keep the file before the last too, for the case that the last is
        damaged.
    delete_checkpoint : whether to remove the folder when training is over.

    Raises
    ------
    ValueError
        If there is no folder's name, or `save_freq` is neither.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not backup_dir:
            raise ValueError(f"Empty `backup_dir` argument passed: backup_dir={backup_dir!r}")
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not whole:
            raise ValueError(
                "Invalid value for argument `save_freq`: it must be 'epoch' or a positive number "
                f"of steps. Received: save_freq={save_freq!r}"
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._path = Path(self.backup_dir, "latest.npz")
        self._previous = Path(self.backup_dir, "previous.npz")
        self._counter = StepCounter(save_freq)
        self._current_epoch = 0
        self._last_batch_seen = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self.model.built:
            raise ValueError(
                "To use the BackupAndRestore callback, your model must be built before you call "
                f"`fit()`. Model '{self.model.name}' is unbuilt: call it on a batch of data first."
            )
        if not self._path.exists() and not self._previous.exists():
            return
        run = self.model._training_run
        try:
            run.restore(run.load_state(self._path))
        except OSError:
            if not self._previous.exists():
                raise
            run.restore(run.load_state(self._previous))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._current_epoch = epoch + 1
        self._last_batch_seen = 0
        if self.save_freq == "epoch":
            self._save()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._last_batch_seen = batch
        if self._counter.is_due(batch):
            self._save()

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self._path.exists():
            os.replace(self._path, self._previous)
        state: Any = self.model._training_run.state()
        state.save(self._path)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.delete_checkpoint:
            shutil.rmtree(self.backup_dir, ignore_errors=True)
