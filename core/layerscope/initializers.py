"""How weights get their first values.

An initializer is called with a shape and returns an array. Like Keras's, one with an integer seed
returns the same values at every call, and one without draws a seed when it is constructed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import random
from layerscope.config import standardize_dtype
from layerscope.configurable import Configurable, field
from layerscope.html import html_table, sparkline
from layerscope.plain_data import serialize_keras_object
from layerscope.random import Seed, check_seed
from layerscope.saving.serialization import deserialize_as, identify
from layerscope.tensor import Operators, is_tensor

InitializerCallable = Callable[..., Any]


class Initializer(Configurable):
    """Base class: define ``__call__(shape, dtype=None)`` and list arguments as fields.

    Attributes
    ----------
    formula : LaTeX of the distribution.
    """

    kind: ClassVar[str] = "initializer"
    keras_module: ClassVar[str] = "keras.initializers"
    formula: ClassVar[str] = ""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        """Return an array of `shape`; `dtype` None means `floatx`."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(shape, dtype)`.")

    def clone(self) -> Initializer:
        """Return a new initializer with the same arguments."""
        return self.from_config(self.get_config())

    def _repr_html_(self) -> str:
        """Return a notebook's view: what it draws for a square weight."""
        # Looking at one must not change what it draws later.
        state = random.ambient_state()
        try:
            drawn = sparkline(copy.deepcopy(self)(_SHOWN))
        except Exception:
            # Anybody's initializer, which may be made for some shapes only.
            drawn = ""
        finally:
            random.restore_ambient_state(state)
        return html_table(repr(self), ["shape", "values"], [[str(_SHOWN), drawn]])


#: Shape of the weight that a notebook shows of an initializer.
_SHOWN = (32, 32)

InitializerLike = (
    str
    | Initializer
    | InitializerCallable
    | dict[str, Any]
    | type[Initializer]
    | np.ndarray
    | Operators
    | None
)


class Zeros(Initializer):
    """All zeros."""

    aliases = ("zero", "zeros_initializer")
    formula = "0"

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.zeros(tuple(shape), standardize_dtype(dtype))


class Ones(Initializer):
    """All ones."""

    aliases = ("one", "ones_initializer")
    formula = "1"

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.ones(tuple(shape), standardize_dtype(dtype))


def _numbers(value: Any) -> Any:
    """Make an array of a list, as which a config holds one."""
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


class Constant(Initializer):
    """One value everywhere, or given values that broadcast to the shape."""

    formula = "c"

    value: float | np.ndarray = field(
        default=0.0, converter=_numbers, help="The value of every entry.", slider=(-2, 2)
    )

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.full(tuple(shape), self.value, standardize_dtype(dtype))


class _Random(Initializer):
    """Shared by all initializers that draw."""

    @property
    def _draw_seed(self) -> Seed:
        """Seed of every call: the given one, or one fixed at the first use."""
        given: Seed = getattr(self, "seed", None)
        if given is not None:
            return given
        if "_own_seed" not in self.__dict__:
            self._own_seed = random.make_seed()
        return self._own_seed

    def __post_init__(self) -> None:
        self._own_seed = random.make_seed()


class RandomNormal(_Random):
    r"""Normal distribution: :math:`N(\mu, \sigma^2)`."""

    aliases = ("normal",)
    formula = r"\mathcal{N}(\mu, \sigma^2)"

    mean: float = field(default=0.0, help="Centre of the distribution.", slider=(-1, 1))
    stddev: float = field(default=0.05, ge=0, help="Standard deviation.", slider=(0, 2))
    seed: Seed = field(default=None, converter=check_seed, help="Fixes what is drawn.")

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        kind = standardize_dtype(dtype)
        return random.normal(shape, self.mean, self.stddev, kind, self._draw_seed)


class RandomUniform(_Random):
    """Uniform distribution on ``[minval, maxval)``."""

    aliases = ("uniform",)
    formula = r"\mathcal{U}[a, b)"

    minval: float = field(default=-0.05, help="Lower end.", slider=(-2, 2))
    maxval: float = field(default=0.05, help="Upper end.", slider=(-2, 2))
    seed: Seed = field(default=None, converter=check_seed, help="Fixes what is drawn.")

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        kind = standardize_dtype(dtype)
        return random.uniform(shape, self.minval, self.maxval, kind, self._draw_seed)


class TruncatedNormal(_Random):
    """Normal distribution redrawn beyond two standard deviations.

    The standard deviation of what is drawn is 0.8796 times `stddev`.
    """

    formula = r"\mathcal{N}(\mu, \sigma^2),\ |x-\mu| \le 2\sigma"

    mean: float = field(default=0.0, help="Centre of the distribution.", slider=(-1, 1))
    stddev: float = field(
        default=0.05, ge=0, help="Standard deviation before the tails are cut.", slider=(0, 2)
    )
    seed: Seed = field(default=None, converter=check_seed, help="Fixes what is drawn.")

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        kind = standardize_dtype(dtype)
        return random.truncated_normal(shape, self.mean, self.stddev, kind, self._draw_seed)


#: Standard deviation of a unit normal cut at two: what is drawn is divided by it.
TRUNCATED_STDDEV = 0.87962566103423978


def _axes(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(axis, int) for axis in value):
        return tuple(value)
    raise ValueError(f"Axes must be an integer or a tuple of integers. Received: {value!r}")


def compute_fans(
    shape: Sequence[int], input_axes: Any = None, output_axes: Any = None
) -> tuple[int, int]:
    """Return how many inputs feed one unit and how many units one input feeds.

    Two axes: their lengths. More: the last two, each times the receptive field. With
    `input_axes` and `output_axes` the products over those axes, other axes being the receptive
    field.
    """
    shape = tuple(shape)
    if input_axes is not None or output_axes is not None:
        ndim = len(shape)

        def chosen(value: Any, default: int) -> set[int]:
            if value is None:
                value = default
            return {axis % ndim for axis in ((value,) if isinstance(value, int) else value)}

        inputs, outputs = chosen(input_axes, -2), chosen(output_axes, -1)
        field_size = math.prod(
            length for axis, length in enumerate(shape) if axis not in inputs | outputs
        )
        return (
            math.prod(shape[axis] for axis in inputs) * field_size,
            math.prod(shape[axis] for axis in outputs) * field_size,
        )
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


class _Scaling:
    """What a variance scaling is made of: arguments or constants of the classes below."""

    scale: float
    mode: Literal["fan_in", "fan_out", "fan_avg"]
    distribution: Literal["truncated_normal", "untruncated_normal", "uniform"]
    input_axes: Any
    output_axes: Any


class _VarianceScaled(_Scaling, _Random):
    """Shared by `VarianceScaling` and the schemes that are named cases of it."""

    def variance(self, shape: Sequence[int]) -> float:
        """Variance of the entries of an array of `shape`."""
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        return self.scale / max(1.0, fan)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        kind = standardize_dtype(dtype)
        stddev = math.sqrt(self.variance(shape))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return random.uniform(shape, -limit, limit, kind, self._draw_seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, stddev, kind, self._draw_seed)
        return random.truncated_normal(shape, 0.0, stddev / TRUNCATED_STDDEV, kind, self._draw_seed)


def _distribution(value: str) -> Any:
    # The name Keras 2 documents first.
    return "truncated_normal" if value == "normal" else value


class VarianceScaling(_VarianceScaled):
    r"""Variance scaled to the number of connections: :math:`\mathrm{Var} = scale / n`.

    `n` is the fan-in, the fan-out or their mean. A truncated normal is widened so that what is
    drawn has exactly that variance.

    Source: He et al. 2015 and Glorot & Bengio 2010, as special cases; Keras `VarianceScaling`.
    """

    formula = r"\sigma^2 = \frac{s}{n}"

    scale: float = field(
        default=1.0,
        gt=0,
        help="Variance times the fan.",
        slider=(0.1, 4),
        refusal="Argument `scale` must be positive float, greater than 0. Received: scale={value}",
    )
    mode: Literal["fan_in", "fan_out", "fan_avg"] = field(
        default="fan_in",
        help="Which connections count.",
        refusal="Invalid `mode` argument: {value!r}. It must be one of 'fan_in', 'fan_out' and "
        "'fan_avg'.",
    )
    distribution: Literal["truncated_normal", "untruncated_normal", "uniform"] = field(
        default="truncated_normal",
        converter=_distribution,
        help="Shape of the distribution.",
        refusal="Invalid `distribution` argument: {value!r}. It must be one of 'truncated_normal', "
        "'untruncated_normal' and 'uniform'.",
    )
    seed: Seed = field(default=None, converter=check_seed, help="Fixes what is drawn.")
    input_axes: Any = field(default=None, converter=_axes, help="Axes that count as inputs.")
    output_axes: Any = field(default=None, converter=_axes, help="Axes that count as outputs.")


class _NamedScheme(_VarianceScaled):
    """A variance scaling whose scale, mode and distribution are fixed by its name."""

    seed: Seed = field(default=None, converter=check_seed, help="Fixes what is drawn.")
    input_axes: Any = field(default=None, converter=_axes, help="Axes that count as inputs.")
    output_axes: Any = field(default=None, converter=_axes, help="Axes that count as outputs.")


class GlorotUniform(_NamedScheme):
    """Glorot uniform (Xavier): variance 2 / (fan_in + fan_out).

    Source: Glorot & Bengio 2010, eq. 16.
    """

    formula = r"\mathcal{U}[-l, l],\ l = \sqrt{6 / (n_{in} + n_{out})}"
    scale = 1.0
    mode = "fan_avg"
    distribution = "uniform"


class GlorotNormal(_NamedScheme):
    """Glorot normal (Xavier): variance 2 / (fan_in + fan_out).

    Source: Glorot & Bengio 2010, eq. 12.
    """

    formula = r"\mathcal{N}(0, 2 / (n_{in} + n_{out}))"
    scale = 1.0
    mode = "fan_avg"
    distribution = "truncated_normal"


class HeUniform(_NamedScheme):
    """He uniform: variance 2 / fan_in, made for ReLU.

    Source: He et al. 2015, eq. 10.
    """

    formula = r"\mathcal{U}[-l, l],\ l = \sqrt{6 / n_{in}}"
    scale = 2.0
    mode = "fan_in"
    distribution = "uniform"


class HeNormal(_NamedScheme):
    """He normal: variance 2 / fan_in, made for ReLU.

    Source: He et al. 2015, eq. 10.
    """

    formula = r"\mathcal{N}(0, 2 / n_{in})"
    scale = 2.0
    mode = "fan_in"
    distribution = "truncated_normal"


class LecunUniform(_NamedScheme):
    """LeCun uniform: variance 1 / fan_in.

    Source: LeCun et al. 1998, section 4.6.
    """

    formula = r"\mathcal{U}[-l, l],\ l = \sqrt{3 / n_{in}}"
    scale = 1.0
    mode = "fan_in"
    distribution = "uniform"


class LecunNormal(_NamedScheme):
    """LeCun normal: variance 1 / fan_in, made for SELU.

    Source: LeCun et al. 1998, section 4.6.
    """

    formula = r"\mathcal{N}(0, 1 / n_{in})"
    scale = 1.0
    mode = "fan_in"
    distribution = "truncated_normal"


class Orthogonal(_Random):
    """Random matrix with orthonormal rows or columns, times `gain`.

    The Q factor of a normal matrix, signs fixed so that it is uniformly distributed. More than two
    axes are flattened but for the last. Source: Saxe et al. 2013.
    """

    aliases = ("OrthogonalInitializer",)
    formula = r"g\,Q,\ Q^\top Q = I"

    gain: float = field(default=1.0, help="Factor on the orthonormal matrix.", slider=(0.1, 3))
    seed: Seed = field(default=None, converter=check_seed, help="Fixes what is drawn.")

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        shape = tuple(shape)
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        draws = random.normal(
            (max(rows, columns), min(rows, columns)), dtype="float64", seed=self._draw_seed
        )
        q, r = np.linalg.qr(draws)
        q *= np.sign(np.diag(r))
        if rows < columns:
            q = q.T
        return (self.gain * q.reshape(shape)).astype(standardize_dtype(dtype))


class Identity(Initializer):
    """Ones on the diagonal of a matrix, times `gain`."""

    aliases = ("IdentityInitializer",)
    formula = r"g\,I"

    gain: float = field(default=1.0, help="Value on the diagonal.", slider=(-2, 2))

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={tuple(shape)} of rank {len(shape)}."
            )
        return (self.gain * np.eye(shape[0], shape[1])).astype(standardize_dtype(dtype))


def _window(value: Any) -> Any:
    """Refuse what SciPy knows no window by.

    Raises
    ------
    ValueError
        For a name that is unknown, or stands for windows that need a parameter.
    """
    if isinstance(value, str):
        _window_of(value, 1, False)
    elif value is not None and np.ndim(value) != 1:
        raise ValueError(
            "Argument `window` must be the name of a window, a sequence of numbers or None. "
            f"Received: window={value!r}"
        )
    return value


def _window_of(name: str, length: int, periodic: bool) -> np.ndarray:
    from scipy.signal import get_window

    try:
        return np.asarray(get_window(name, length, periodic))
    except ValueError as error:
        raise ValueError(
            "Argument `window` must be a name that `scipy.signal.get_window` knows. "
            f"Received: window={name!r} ({error})"
        ) from None


class STFT(Initializer):
    """Waves of rising frequency under a window: a kernel for short-time Fourier transforms.

    The kernel, one of `Conv1D`, is (steps, 1, frequencies); the frequencies go up to half a turn
    per step. `side` says which part of the transform it computes. Source: Keras `STFT`.
    """

    aliases = ("STFTInitializer",)
    formula = r"w_t \cos(-2 \pi k t / n)"

    side: Literal["real", "imag"] = field(
        default="real",
        help="Real part, cosines, or imaginary part, sines.",
        refusal="side should be 'real' or 'imag', not {value}",
    )
    window: Any = field(
        default="hann",
        converter=_window,
        help="Name of a window in SciPy, the window itself with a number per step, or None.",
    )
    scaling: Literal["density", "spectrum"] | None = field(
        default="density",
        help="Divide by the window's length as a vector, by the sum of its magnitudes, or None.",
        refusal="Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received "
        "scaling={value}",
    )
    periodic: bool = field(
        default=False, help="Whether a named window goes on after its end with its beginning."
    )

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) != 3 or shape[1] != 1:
            raise ValueError(
                "STFT initializer can only be used for a kernel of shape (steps, 1, frequencies). "
                f"Received: shape={tuple(shape)}."
            )
        steps, _, frequencies = shape
        turns = np.arange(frequencies) / max(2 * (frequencies - 1), 1)
        angles = -2 * np.pi * np.arange(steps)[:, None, None] * turns
        waves = np.cos(angles) if self.side == "real" else np.sin(angles)
        return (waves * self._weights(steps)).astype(standardize_dtype(dtype))

    def _weights(self, steps: int) -> np.ndarray | float:
        """Return the scaled window so that it broadcasts against the kernel."""
        if self.window is None:
            return 1.0
        window = self.window
        if isinstance(window, str):
            window = _window_of(window, steps, self.periodic)
        window = np.asarray(window, "float64")
        if window.shape != (steps,):
            raise ValueError(
                "The shape of `window` must be equal to [frame_length]. Received: window "
                f"shape={window.shape}, frame_length={steps}"
            )
        scale = 1.0
        if self.scaling is not None:
            scale = np.linalg.norm(window, 2 if self.scaling == "density" else 1)
        # A short window may consist of zeros alone.
        return (window / (scale or 1.0))[:, None, None]


# Keras's lower-case spellings and TensorFlow's class names.
zeros = zeros_initializer = Zeros
ones = ones_initializer = Ones
constant = Constant
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
orthogonal = OrthogonalInitializer = Orthogonal
identity = IdentityInitializer = Identity
stft = STFTInitializer = STFT


def get(identifier: InitializerLike) -> Any:
    """Return the initializer meant by a name, class, config, instance, callable or array.

    An array is what every weight of its shape begins with.
    """
    return _given(identifier) if is_tensor(identifier) else identify(Initializer, identifier)


def _given(values: Any) -> InitializerCallable:
    """Return an initializer that returns `values` and refuses other shapes."""

    def initialize(shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if tuple(shape) != tuple(values.shape):
            raise ValueError(
                f"Expected `shape` to be {tuple(values.shape)}, that of the array given as "
                f"initializer. Received: shape={tuple(shape)}"
            )
        return np.array(values, dtype=standardize_dtype(dtype))

    return initialize


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Return the config of an initializer."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Initializer:
    """Return the initializer a config describes."""
    return deserialize_as(Initializer, config, custom_objects)
