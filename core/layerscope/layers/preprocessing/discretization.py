"""Real numbers as the numbers of the bins they fall into."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.category_codes import encode_categories, encoded_shape
from layerscope.layers.preprocessing.data_layer import (
    _DataLayer,
    bare_config,
    batches_of,
    sparse_field,
)
from layerscope.tensor import KerasTensor, Shape


def _summarize(values: np.ndarray, epsilon: float) -> np.ndarray:
    """Return evenly spaced ranks of `values`, and how many values each stands for."""
    ordered = np.sort(values, axis=None)
    step = max(ordered.size * epsilon, 1)
    chosen = ordered[int(step - 1) :: int(step)]
    return np.stack([chosen, np.full_like(chosen, step)])


def _compress(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """Return about ``1 / epsilon`` quantiles of a summary, with their weights."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    cumulated = summary[1].cumsum()
    known = cumulated / cumulated[-1]
    weights = np.diff(np.interp(shares, known, cumulated), prepend=0)
    return np.stack([np.interp(shares, known, summary[0]), weights]).astype("float32")


def _merge(first: np.ndarray, second: np.ndarray, epsilon: float) -> np.ndarray:
    both = np.concatenate([first, second], axis=1)
    return _compress(both[:, np.argsort(both[0])], epsilon)


def _as_boundaries(value: Any) -> list[float] | None:
    if value is None:
        return None
    if np.ndim(value) != 1 or np.asarray(value).dtype.kind not in "iuf":
        raise ValueError(
            "Argument `bin_boundaries` must be a list of numbers. "
            f"Received: bin_boundaries={value!r}"
        )
    return [float(one) for one in value]


class Discretization(_DataLayer):
    """Numbers the bins that real numbers fall into, from 0 below the first boundary.

    The boundaries are an argument, or `adapt` learns the quantiles of data as boundaries.

    Shapes: as the input for ``"int"``; one more axis of bins for ``"one_hot"``; the axis of a
    sample gives way to one of bins for ``"multi_hot"`` and ``"count"``.
    Source: Keras `Discretization`; quantiles of a stream from mergeable summaries.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Discretization([0.0, 1.0])(np.array([[-1.5, 0.5, 1.0]]))
    array([[0, 1, 2]], dtype=int32)
    """

    formula: ClassVar[str] = r"y = \#\{j : b_j \le x\}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"bin_boundaries": [-0.5, 0.0, 1.0]}, (2, 3)),
        Example({"bin_boundaries": [0.0], "output_mode": "one_hot"}, (2, 3)),
        Example({"bin_boundaries": [0.0, 1.0], "output_mode": "count"}, (2, 3)),
    )
    _positional: ClassVar[dict[str, str]] = {"dtype": "sparse", "name": "dtype"}

    bin_boundaries: list[float] | None = field(
        default=None, converter=_as_boundaries, help="Where bins end; None: to be learned."
    )
    num_bins: int | None = field(
        default=None,
        ge=0,
        slider=(2, 20),
        help="How many bins to learn.",
        refusal="`num_bins` must be an integer greater than or equal to 0. "
        "Received: num_bins={value!r}",
    )
    epsilon: float = field(default=0.01, gt=0, le=1, help="Error allowed when learning quantiles.")
    output_mode: Literal["int", "one_hot", "multi_hot", "count"] = field(
        default="int", help="Numbers of bins, or vectors with an entry per bin."
    )
    sparse: bool = sparse_field()

    def __post_init__(self) -> None:
        if self.num_bins is not None and self.bin_boundaries is not None:
            raise ValueError(
                "Both `num_bins` and `bin_boundaries` should not be set. Received: "
                f"num_bins={self.num_bins} and bin_boundaries={self.bin_boundaries}"
            )
        if self.num_bins is None and self.bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        self.reset_state()

    @property
    def output_dtype(self) -> str:
        """Type of the result."""
        return "int32" if self.output_mode == "int" else self.dtype

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the boundaries from an array, or from an iterable of batches.

        Parameters
        ----------
        steps : how many batches to take, all for None.

        Raises
        ------
        ValueError
            If the boundaries were an argument.
        """
        if self.num_bins is None:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with "
                "`bin_boundaries`, use `num_bins` instead."
            )
        self.reset_state()
        for batch in batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch into account."""
        values = np.asarray(ops.convert_to_numpy(data), "float32")
        new = _summarize(values, self.epsilon)
        self.summary = _merge(new, self.summary, self.epsilon)

    def finalize_state(self) -> None:
        """Make boundaries of what was seen."""
        if self.num_bins is not None:
            self.bin_boundaries = _compress(self.summary, 1 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forget what was seen, not the boundaries."""
        self.summary = np.zeros((2, 0), "float32")

    def call(self, inputs: Any) -> Any:
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or "
                "call `adapt(dataset)` before you can start using the `Discretization` layer."
            )
        boundaries = np.asarray(self.bin_boundaries, "float32")
        indices = np.digitize(ops.convert_to_numpy(inputs), boundaries)
        return encode_categories(indices, self.output_mode, len(boundaries) + 1, self.output_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        known = self.bin_boundaries
        depth = self.num_bins if known is None else len(known) + 1
        assert depth is not None
        return encoded_shape(input_shape, self.output_mode, depth)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.output_dtype)

    def get_config(self) -> dict[str, Any]:
        return bare_config(super().get_config())

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Discretization:
        """Create a layer from what `get_config` returned; an adapted one has both arguments."""
        learned = None
        if config.get("num_bins") is not None:
            learned = config.get("bin_boundaries")
            config = {**config, "bin_boundaries": None}
        layer = super().from_config(config, custom_objects)
        if learned is not None:
            layer.bin_boundaries = _as_boundaries(learned)
        return layer
