"""What a batch is made of, and data sets that give one batch after another."""

from __future__ import annotations

from typing import Any


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return inputs, targets and weights of a batch, None for what it does not have.

    Raises
    ------
    ValueError
        If it is a tuple of another length.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.utils.unpack_x_y_sample_weight(("inputs", "targets"))
    ('inputs', 'targets', None)
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "A batch must be `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`. Received a tuple of "
            f"{len(data)} entries: {data!r:.200}"
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return a batch, as `Model.train_step` gets it, without what is None at its end."""
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (tuple, list)) else x


class PyDataset:
    """Base of data sets whose batches are made when they are asked for.

    Define ``__getitem__(index)``, which returns a batch ``(x,)``, ``(x, y)`` or
    ``(x, y, sample_weight)``, and ``__len__``, the number of batches; or let `num_batches` be None
    if there is no end. Batches are made in the thread that trains.

    Parameters
    ----------
    workers, use_multiprocessing, max_queue_size : taken for Keras's sake.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> class Squares(ls.utils.PyDataset):
    ...     def __len__(self):
    ...         return 10
    ...     def __getitem__(self, index):
    ...         x = np.full((4, 1), index, "float32")
    ...         return x, x**2
    >>> Squares().num_batches
    10
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define `__getitem__(index)`.")

    @property
    def num_batches(self) -> int | None:
        """Number of batches of an epoch, None if there is no end."""
        if hasattr(self, "__len__"):
            return len(self)  # type: ignore[arg-type]
        raise NotImplementedError(f"{type(self).__name__} must define `__len__()`.")

    def on_epoch_begin(self) -> None:
        """Prepare an epoch."""

    def on_epoch_end(self) -> None:
        """Finish an epoch; a place to shuffle."""
