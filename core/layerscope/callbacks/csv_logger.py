"""Values of the epochs as a table in a file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from layerscope.callbacks.callback import Callback, Logs


class CSVLogger(Callback):
    """Writes the values of each epoch into a CSV file.

    Parameters
    ----------
    filename : where to.
    separator : between the columns.
    append : whether to add to a file that is there, rather than to replace it.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self.csv_file: TextIO | None = None
        self._with_header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        path = Path(self.filename)
        if self.csv_file is not None:
            self.csv_file.close()
        self._with_header = not (self.append and path.exists() and path.stat().st_size)
        self.csv_file = path.open("a" if self.append else "w", newline="")
        self.keys = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self.csv_file is not None
        logs = logs or {}
        first = self.keys is None
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(name.startswith("val_") for name in logs):
                # Validation may come in a later epoch.
                self.keys += [f"val_{name}" for name in self.keys]
        writer = csv.writer(self.csv_file, delimiter=self.sep)
        if first and self._with_header:
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(_written(logs.get(name, "NA")) for name in self.keys)])
        self.csv_file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
            self.csv_file = None


def _written(value: Any) -> Any:
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'
