"""What the engine computed and the views draw: immutable records, no behaviour, no widgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from layerscope_explorer.document import Document
    from layerscope_explorer.steps import Stack

__all__ = [
    "ActivationView",
    "Fix",
    "Float32Array",
    "Health",
    "Histogram",
    "LayerView",
    "Problem",
    "Snapshot",
    "Study",
    "TrainingState",
    "TrainingStatus",
    "WeightView",
]

Float32Array = NDArray[np.float32]
Health = Literal["ok", "warn", "bad", "off"]
TrainingStatus = Literal["idle", "running", "paused", "finished", "failed"]


def _empty() -> Float32Array:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Distribution of an array, binned from all of its values up to ten million.

    Attributes
    ----------
    counts
        Density of each bin, float32 `(n_bins,)`, normalised to area 1.
    edges
        Bin edges, float32 `(n_bins + 1,)`.
    mean, std, low, high
        Of the finite values that were binned.
    count
        How many values the array really has.
    sampled
        How many were looked at.
    nonfinite
        How many of those were NaN or infinite.
    """

    counts: Float32Array
    edges: Float32Array
    mean: float
    std: float
    low: float
    high: float
    count: int
    sampled: int
    nonfinite: int = 0


@dataclass(frozen=True, slots=True)
class WeightView:
    """One weight of a layer: what it was drawn from and what came out.

    Attributes
    ----------
    density
        `(x, pdf)` of the initializer's exact distribution; None for a point mass or a
        custom callable.
    point_mass
        The single value the initializer gives (0.0 for zeros), when there is one.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool
    histogram: Histogram
    density: tuple[Float32Array, Float32Array] | None
    point_mass: float | None
    initializer: str
    fan_in: int
    fan_out: int


@dataclass(frozen=True, slots=True)
class ActivationView:
    """An activation's curve, its derivative and the data that meets it.

    Attributes
    ----------
    x, y, derivative
        The curve sampled at the same points, float32 `(n,)`.
    inputs
        The data's own pre-activations; None when the layer was not reached.
    dead, saturated
        Fractions of the layer's units, 0 to 1.
    """

    name: str
    x: Float32Array
    y: Float32Array
    derivative: Float32Array
    inputs: Histogram | None
    dead: float
    saturated: float


@dataclass(frozen=True, slots=True)
class Fix:
    """A one-click repair: the stack as it would be, and what to call the edit."""

    label: str
    document: Document


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a layer cannot work, in plain words, and the argument at fault if there is one."""

    layer_id: str
    message: str
    argument: str | None = None
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerView:
    """Everything the views show of one layer.

    Attributes
    ----------
    section
        The catalogue section ("core", "convolution", "pooling", ...).
    detail
        Its telling arguments in a few words.
    output_shape
        With the batch axis as None; None when a problem above (or in this layer) means it was not
        reached. Of several outputs the first, which is what the next layer takes.
    more_outputs
        Shapes of the others.
    params
        Of the layer's own weights; 0 where it shares another's.
    activation
        None when the layer has no activation.
    output, gradient
        Distributions of what it gives, and of the loss's derivative with respect to that.
    health
        "off" means not reached, or bypassed.
    cures
        One-click repairs of what is unhealthy.
    sources, shares
        Names of further layers it takes the outputs of, and of the one whose weights it has.
    milliseconds
        Time of the layer's forward pass on the sample batch.
    """

    id: str
    name: str
    class_name: str
    section: str
    detail: str
    output_shape: tuple[int | None, ...] | None = None
    more_outputs: tuple[tuple[int | None, ...], ...] = ()
    params: int = 0
    weights: tuple[WeightView, ...] = ()
    activation: ActivationView | None = None
    output: Histogram | None = None
    gradient: Histogram | None = None
    health: Health = "off"
    health_note: str = ""
    cures: tuple[Fix, ...] = ()
    problem: Problem | None = None
    sources: tuple[str, ...] = ()
    shares: str = ""
    bypassed: bool = False
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Study:
    """What one lens asked for about one layer, beyond what every snapshot holds.

    Attributes
    ----------
    lens, layer_id
        Who asked, about which layer.
    found
        What the lens's `study` function returned.
    error
        Why it failed, when it did.
    other
        What it returned for the same layer of A, while one is pinned; None where it failed.
    """

    lens: str
    layer_id: str
    found: Any = None
    error: str = ""
    other: Any = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent picture of the whole stack.

    Attributes
    ----------
    document
        What it is a picture of.
    stack
        The working layers with their arrays, which the lenses' studies read.
    input
        The data, seen as a layer.
    loss
        What the gradients are derivatives of: its value on the sample; None where the data has no
        classes to compare with, and the gradients are those of a random direction.
    sentence
        The status of the stack in one plain sentence.
    cure
        The repair it speaks of, if it does.
    milliseconds
        Time the engine took.
    learned
        Layers that have the trained weights they were given, by id.
    """

    revision: int
    document: Document
    stack: Stack
    input: LayerView
    layers: tuple[LayerView, ...]
    total_params: int
    loss: float | None
    sentence: str
    milliseconds: float
    cure: Fix | None = None
    learned: frozenset[str] = frozenset()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return tuple(length or 0 for length in (self.input.output_shape or ())[1:])

    def layer(self, layer_id: str) -> LayerView | None:
        """Return the layer with this id, the data for ``"input"``, or None."""
        if layer_id == self.input.id:
            return self.input
        return next((layer for layer in self.layers if layer.id == layer_id), None)


@dataclass(frozen=True, slots=True)
class Draft:
    """Python of a person's own as it stands in the editor.

    Attributes
    ----------
    source : the text.
    error : why it cannot be used, "" if nothing is wrong with it.
    unread : whether it came from elsewhere and has not been run.
    """

    source: str = ""
    error: str = ""
    unread: bool = False


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where training is and the curves so far.

    Attributes
    ----------
    at, reached
        How many steps were taken to where it is, and the most that were ever taken.
    epoch, step
        Of the last step that was taken, counted from 1.
    score
        What `accuracy` holds: "accuracy", or "error", the mean absolute error of numbers.
    x, loss, accuracy
        Step numbers and the values recorded at them, float32 `(n,)`, also of steps ahead.
    val_steps, val_loss, val_accuracy
        Validation results at epoch ends; `val_steps` in steps, float32 `(epochs done,)`.
    """

    status: TrainingStatus = "idle"
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps_per_epoch: int = 0
    loss: Float32Array = field(default_factory=_empty)
    accuracy: Float32Array = field(default_factory=_empty)
    val_steps: Float32Array = field(default_factory=_empty)
    val_loss: Float32Array = field(default_factory=_empty)
    val_accuracy: Float32Array = field(default_factory=_empty)
    x: Float32Array = field(default_factory=_empty)
    message: str = ""
    at: int = 0
    reached: int = 0
    score: str = "accuracy"
