"""What goes on inside layers while a model learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope import ops
from layerscope.autodiff import GradientTape
from layerscope.callbacks.callback import Callback, Logs
from layerscope.structure import leaves, map_structure, packed_like
from layerscope.tensor import Tensor


@dataclass(frozen=True)
class Snapshot:
    """The inside of layers after some steps of training, by the layers' names.

    Attributes
    ----------
    step : steps taken before, over all epochs.
    epoch : epoch it was taken in.
    weights : copies of each layer's weights.
    activations : each layer's outputs for the probe.
    gradients : of the loss of the probe for each weight, None where there is none.
    activation_gradients : of the loss of the probe for each output.
    """

    step: int
    epoch: int
    weights: dict[str, list[np.ndarray]]
    activations: dict[str, Any]
    gradients: dict[str, list[Any]]
    activation_gradients: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        kept = (self.weights, self.activations, self.gradients, self.activation_gradients)
        return sum(array.nbytes for array in leaves(list(kept)) if array is not None)


class SnapshotRecorder(Callback):
    """Takes a `Snapshot` of layers on the same samples every so many steps.

    Training is not disturbed: the probe is computed as in prediction, and states that it changes
    are put back. When the snapshots would take too much memory, every second one is dropped and
    they are taken half as often, so that they always reach from the first step to the last.

    Parameters
    ----------
    x : the probe: inputs of the model.
    y : its targets; without them there are no gradients.
    layers : names of the layers; default: all that the model's graph holds.
    every : steps between two snapshots.
    activations : whether to keep outputs, and their gradients.
    max_bytes : memory that all snapshots together may take.

    Attributes
    ----------
    snapshots : what was taken, oldest first.

    Raises
    ------
    ValueError
        If `every` or `max_bytes` is not positive, a layer is not known, the model is no graph of
        layers, or one snapshot alone takes more than `max_bytes`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> model = ls.Sequential([ls.Input((2,)), ls.layers.Dense(3), ls.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.ones((8, 2)), np.ones((8, 1))
    >>> recorder = ls.callbacks.SnapshotRecorder(x[:2], y[:2], layers=["dense"], every=2)
    >>> _ = model.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=[recorder])
    >>> [snapshot.step for snapshot in recorder.snapshots]
    [0, 2, 4, 6, 8]
    >>> recorder.snapshots[0].activations["dense"].shape
    (2, 3)
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        layers: Sequence[str] | None = None,
        every: int = 1,
        activations: bool = True,
        max_bytes: int = 2**28,
    ) -> None:
        for name, value in (("every", every), ("max_bytes", max_bytes)):
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(
                    f"Argument `{name}` must be a positive integer. Received: {name}={value!r}"
                )
        self.x = map_structure(np.asarray, x)
        self.y = None if y is None else map_structure(np.asarray, y)
        self.every = every
        self.activations = activations
        self.max_bytes = max_bytes
        self.snapshots: list[Snapshot] = []
        self._names = None if layers is None else list(layers)
        self._layers: list[Any] = []
        self._probe: Any = None
        self._step = 0
        self._epoch = 0

    # --- when ----------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._step, self._probe, self.snapshots = 0, None, []
        if self.model.built:
            self._record()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._step += 1
        if self._step % self.every == 0:
            self._record()

    def _record(self) -> None:
        snapshot = self._take()
        if snapshot.nbytes > self.max_bytes:
            raise ValueError(
                f"One snapshot takes {snapshot.nbytes} bytes. Record fewer `layers`, a smaller `x` "
                f"or no `activations`, or raise max_bytes={self.max_bytes}."
            )
        self.snapshots.append(snapshot)
        while sum(one.nbytes for one in self.snapshots) > self.max_bytes:
            self.every *= 2
            self.snapshots = [one for one in self.snapshots if one.step % self.every == 0]

    # --- what ----------------------------------------------------------------------------

    def _prepare(self) -> Any:
        """Return a model that gives the outputs of the layers beside its own."""
        model = self.model
        if not hasattr(model, "inputs"):
            raise ValueError(
                "SnapshotRecorder needs a Sequential model or one made of inputs and outputs. "
                f"Received: {model!r}"
            )
        names = self._names
        if names is None:
            given = {id(tensor) for tensor in model.inputs}
            names = [layer.name for layer in model.layers if id(layer.output) not in given]
        self._layers = [model.get_layer(name) for name in names]
        outputs = [layer.output for layer in self._layers]
        self._probe = model._functional(model.inputs, [outputs, model.output])
        return self._probe

    def _take(self) -> Snapshot:
        probe = self._probe or self._prepare()
        changing = [*self.model._all_variables(), *self.model.metrics_variables]
        changing = [(one, one.numpy()) for one in changing if not one.trainable]
        with GradientTape() as tape:
            # What is watched is recorded before the first weight too.
            x = map_structure(lambda one: tape.watch(one) if one.dtype.kind == "f" else one, self.x)
            outputs, y_pred = probe(x, training=False)
            loss = None
            if self.y is not None:
                loss = self.model._compute_loss(x, self.y, y_pred, None, False)
        for variable, value in changing:
            variable.assign(value)
        gradients: Any = [[], []]
        if loss is not None:
            weights = [layer.weights for layer in self._layers]
            gradients = _gradients(tape, loss, [weights, outputs])
        if not self.activations:
            outputs, gradients = [], [gradients[0], []]
        return Snapshot(
            step=self._step,
            epoch=self._epoch,
            weights=self._named([layer.get_weights() for layer in self._layers]),
            activations=self._named([map_structure(_copy, output) for output in outputs]),
            gradients=self._named(gradients[0]),
            activation_gradients=self._named(gradients[1]),
        )

    def _named(self, values: list[Any]) -> dict[str, Any]:
        """Return one value per layer by the layers' names, nothing for none."""
        return {layer.name: value for layer, value in zip(self._layers, values, strict=False)}


def _gradients(tape: GradientTape, loss: Any, sources: Any) -> Any:
    """Return gradients in the structure of `sources`, None for what is not learned or recorded."""
    flat = leaves(sources)
    wanted = [one for one in flat if isinstance(one, Tensor) or getattr(one, "trainable", False)]
    found = dict(zip(map(id, wanted), tape.gradient(loss, wanted), strict=True))
    gradients = [found.get(id(one)) for one in flat]
    return packed_like(sources, [None if one is None else _copy(one) for one in gradients])


def _copy(value: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(value))
