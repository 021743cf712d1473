"""Laws of every operation: gradients, shapes, types and memory layouts, over one table of cases."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import ops
from layerscope.ops.attention import projected_attention, without_future
from layerscope.ops.image import _unresize
from layerscope.ops.nn import drop
from layerscope.ops.normalization import normalize_rows, scale_and_shift
from layerscope.tensor import OPERATIONS, KerasTensor


@dataclass(frozen=True)
class Case:
    """One way to call an operation.

    Attributes
    ----------
    name : operation or function that is tried.
    call : what is called with the arrays.
    inputs : arrays in float64.
    batched : which inputs have the batch as their first axis.
    derivatives : 2 where gradients can be differentiated again, 0 where there are none.
    """

    name: str
    call: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    batched: tuple[int, ...]
    derivatives: int

    def arrays(self, dtype: str = "float64", copies: int = 1) -> list[np.ndarray]:
        return [
            np.concatenate([value] * copies if index in self.batched else [value]).astype(dtype)
            if value.ndim
            else value.astype(dtype)
            for index, value in enumerate(self.inputs)
        ]


CASES: list[Any] = []


def case(
    name: str,
    *shapes: tuple[int, ...],
    call: Callable[..., Any] | None = None,
    within: tuple[float, float] = (-2.0, 2.0),
    batched: tuple[int, ...] = (0,),
    derivatives: int = 2,
    label: str = "",
    **options: Any,
) -> None:
    generator = np.random.default_rng(len(CASES))
    inputs = tuple(generator.uniform(*within, size=shape) for shape in shapes)
    function = call or functools.partial(getattr(ops, name), **options)
    words = [*map(str, shapes), *(f"{key}={value}" for key, value in options.items()), label]
    identity = f"{name}-{'-'.join(filter(None, words))}".replace(" ", "")
    CASES.append(pytest.param(Case(name, function, inputs, batched, derivatives), id=identity))


# --- elementwise -----------------------------------------------------------------------------

BROADCASTS = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1, 4), (2, 1)), ((3, 4), ()), ((3, 1), (1, 4))]
for a, b in BROADCASTS:
    both = (0, 1) if a == b else (0,)
    for name in ("add", "subtract", "multiply", "maximum", "minimum"):
        case(name, a, b, batched=both)
    for name in ("divide", "power", "mod"):
        case(name, a, b, within=(0.5, 2.0), batched=both)
    case("where", a, b, call=lambda x, y: ops.where(x > y, x * y, y), batched=both)
case("add", (4,), (3, 4), batched=(1,))
case("power", (3, 4), call=lambda x: x**3)
case("power", (3, 4), call=lambda x: 2.0**x, label="base")
case("power", (3,), call=lambda x: (x * 0.0) ** 2, label="zero")
case("matmul", (3, 4), (4, 2), call=operator.matmul, label="operator")
for reflected in (operator.add, operator.sub, operator.mul, operator.truediv):
    case(
        {"sub": "subtract", "mul": "multiply", "truediv": "divide"}.get(
            reflected.__name__, reflected.__name__
        ),
        (3, 4),
        call=lambda x, f=reflected: f(np.full(4, 2, x.dtype), x),
        within=(0.5, 2.0),
        label="reflected",
    )
for name in ("negative", "square", "exp", "expm1", "tanh", "sin", "cos", "sigmoid", "softplus"):
    case(name, (3, 4))
for name in ("abs", "relu"):
    case(name, (3, 4))
for name in ("sqrt", "rsqrt", "reciprocal", "log", "log1p"):
    case(name, (3, 4), within=(0.3, 2.0))
case("clip", (3, 4), x_min=-0.5, x_max=1.0)
case("stop_gradient", (3, 4), call=lambda x: x * ops.stop_gradient(x), derivatives=0)
for name in ("floor", "ceil", "sign", "isnan", "isinf", "isfinite", "logical_not"):
    case(name, (3, 4), derivatives=0)
case("round", (3, 4), derivatives=0, decimals=1)
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    case(name, (3, 4), (4,), derivatives=0)
for name in ("floor_divide", "logical_and", "logical_or"):
    case(name, (3, 4), (4,), within=(0.5, 3.0), derivatives=0)

# --- reductions ------------------------------------------------------------------------------

AXES = [None, 0, -1, (0, 2), (-1, 1)]
for axis in AXES:
    for keepdims in (False, True):
        for name in ("sum", "mean", "var", "max", "min", "logsumexp"):
            case(name, (2, 3, 4), axis=axis, keepdims=keepdims)
        for name in ("std", "norm"):
            case(name, (2, 3, 4), axis=axis, keepdims=keepdims)
        case("prod", (2, 3, 4), axis=axis, keepdims=keepdims)
        case("any", (2, 3, 4), axis=axis, keepdims=keepdims, derivatives=0)
        case("all", (2, 3, 4), axis=axis, keepdims=keepdims, derivatives=0)
ZERO = [0.0, 1.0, 1.0, 1.0]
case("prod", (3, 4), call=lambda x: ops.prod(ops.multiply(x, ZERO), axis=1))
for axis in (None, 0, -1):
    case("cumsum", (3, 4), axis=axis)
    case("argmax", (3, 4), axis=axis, derivatives=0)
    case("argmin", (3, 4), axis=axis, derivatives=0)
    case("count_nonzero", (3, 4), axis=axis, derivatives=0)
case("argmax", (3, 4), axis=1, keepdims=True, derivatives=0)
case("cumulate_reversed", (3, 4), call=lambda x: OPERATIONS["cumulate_reversed"](x, axis=1))
case("cumulate", (3, 4), call=lambda x: OPERATIONS["cumulate"](x, axis=1))
case("moments", (3, 4), call=lambda x: ops.concatenate(ops.moments(x, axes=1), axis=0))
for order in (1, 2):
    case("normalize", (3, 4), axis=1, order=order)
for axis in (-1, 0, (0, 1)):
    case("softmax", (3, 4), axis=axis)
    case("log_softmax", (3, 4), axis=axis)
for shape in ((3, 4), (2, 3, 4)):
    case("squared_error", shape, shape, batched=(0, 1))
    case("mean_squared_error", shape, shape, batched=())
case("squared_error", (4,), (4,), batched=())
for shape, near in (((3, 4), 0.05), ((2, 3, 4), 0.05), ((4,), 0.05), ((3, 4), 0.3)):
    for name in ("binary_crossentropy", "mean_binary_crossentropy"):
        case(name, shape, shape, within=(0.1, 0.9), batched=(), label=str(near),
             call=functools.partial(getattr(ops, name), epsilon=near))  # fmt: skip
LABELS = np.array([[0, 3], [1, 1], [3, 2]])
for shape, labels, near in (((3, 4), LABELS[:, 0], 1e-7), ((3, 2, 4), LABELS, 0.2)):
    for name in ("sparse_crossentropy", "mean_sparse_crossentropy"):
        case(name, shape, within=(0.1, 1.0), batched=(),
             call=functools.partial(getattr(ops, name), labels=labels, epsilon=near))  # fmt: skip

# --- activations -----------------------------------------------------------------------------

for name in ("celu", "elu", "squareplus"):
    case(name, (3, 4))
for name in ("erf", "gelu", "log_sigmoid", "mish", "selu", "silu", "softsign", "tanh_shrink"):
    case(name, (3, 4))
for name in ("hard_sigmoid", "hard_silu", "hard_tanh", "relu6", "sparse_plus", "sparse_sigmoid"):
    case(name, (3, 4), within=(-8.0, 8.0))
for name in ("hard_swish", "swish"):
    case(name, (3, 4))
for name in ("leaky_relu", "hard_shrink", "soft_shrink"):
    case(name, (3, 4))
case("celu", (3, 4), alpha=0.5)
case("elu", (3, 4), alpha=0.5)
case("squareplus", (3, 4), b=1.0)
case("gelu", (3, 4), approximate=False)
case("leaky_relu", (3, 4), negative_slope=0.0)
case("threshold", (3, 4), threshold=0.5, default_value=-1.0)
for name in ("hard_shrink", "soft_shrink"):
    case(name, (3, 4), threshold=1.0)
case("normal_cdf", (3, 4), call=lambda x: OPERATIONS["normal_cdf"](x))
case("prelu", (3, 4), (3, 4), batched=(0, 1))
case("prelu", (3, 2, 4), (1, 4))
case(
    "drop",
    (3, 4),
    call=lambda x: drop(x, keys=np.array([[1, 2]], "uint32"), rate=0.4),
    batched=(),
)
case("glu", (3, 4))
case("glu", (3, 4, 2), axis=1)
for axis in (-1, 0, 1):
    case("sparsemax", (3, 4), axis=axis)

# --- normalization ---------------------------------------------------------------------------

for options in ({"axis": -1}, {"axis": 1, "epsilon": 0.1}):
    for output in range(3):
        case(
            "normalize_batch",
            (3, 4, 2),
            (2,) if options["axis"] == -1 else (4,),
            (2,) if options["axis"] == -1 else (4,),
            call=lambda x, scale, offset, options=options, output=output: ops.normalize_batch(
                x, scale, offset, **options
            )[output],
            derivatives=1,
            label=f"{options}-{output}",
        )
MOMENTS: dict[str, Any] = {
    "mean": np.array([0.1, -0.2, 0.3], "float32"),
    "variance": np.ones(3, "float32"),
}
AFFINE: dict[str, Any] = {"offset": np.full(3, 0.5, "float32"), "scale": np.full(3, 2.0, "float32")}
case("batch_normalization", (3, 2, 3), axis=-1, **MOMENTS)
case("batch_normalization", (4, 3, 2), axis=1, **MOMENTS, **AFFINE)
case(
    "batch_normalization",
    (2, 4),
    (4,),
    (4,),
    call=lambda x, mean, variance: ops.batch_normalization(x, mean, variance, 1),
    within=(0.5, 2.0),
    label="moments",
)
for axis in (-1, 1, (1, 2)):
    case("standardize", (3, 4, 2), axis=axis, epsilon=0.1)
    case("rms_normalization", (3, 4, 2), axis=axis)
case("layer_normalization", (3, 4), (4,), (4,))
case("layer_normalization", (3, 4, 2), (4,), axis=1, epsilon=0.1)
case("layer_normalization", (3, 4, 2), (4, 2), axis=(1, 2))
for centered in (True, False):
    case(
        "normalize_rows",
        (3, 4, 2),
        (4, 2),
        (4, 2),
        call=functools.partial(normalize_rows, centered=centered, epsilon=0.1),
        label=f"centered={centered}",
    )
for axis, channels in ((-1, 2), (1, 4)):
    case(
        "scale_and_shift",
        (3, 4, 2),
        *[(channels,)] * 3,
        call=functools.partial(scale_and_shift, axis=axis),
        label=f"axis={axis}",
    )
case("rms_normalization", (3, 4, 2), (4,), axis=1, epsilon=0.1)
case("rms_normalization", (3, 4, 2), (4, 2), axis=(1, 2))

# --- recurrence ------------------------------------------------------------------------------

#: Number of blocks and states of each, and the shapes its bias may have, by its options.
RECURRENT: dict[str, tuple[int, int]] = {"simple_rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1)}
SOME_STEPS = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)


def recurrence(name: str, masked: bool, output: int, **options: Any) -> None:
    blocks, n_states = RECURRENT[name]
    bias = (2, 6) if name == "gru" and options.get("reset_after", True) else (2 * blocks,)

    def call(x: Any, *others: Any) -> Any:
        mask = np.resize(SOME_STEPS, (x.shape[0] or 1, 5)) if masked else None
        return getattr(ops, name)(x, *others, mask=mask, **options)[output]

    case(
        name,
        (3, 5, 4),
        (4, 2 * blocks),
        (2, 2 * blocks),
        bias,
        *[(3, 2)] * n_states,
        call=call,
        batched=(0, *range(4, 4 + n_states)),
        derivatives=1,
        label=f"{options}-{masked}-{output}",
    )


for name, (_, n_states) in RECURRENT.items():
    for output in range(n_states + 1):
        recurrence(name, True, output, go_backwards=True)
    recurrence(name, False, 0)
recurrence("gru", True, 0, reset_after=False)
recurrence("gru", False, 1, reset_after=False, go_backwards=True)

# --- products --------------------------------------------------------------------------------

PRODUCTS = [
    ((3, 4), (4, 2)),
    ((3, 5, 4), (4, 2)),
    ((3, 5, 4), (3, 4, 2)),
    ((3, 1, 5, 4), (2, 4, 2)),
    ((3, 4), (4,)),
    ((3, 5, 4), (4,)),
]
for a, b in PRODUCTS:
    case("matmul", a, b, batched=(0, 1) if len(b) == len(a) > 2 else (0,))
case("matmul", (4,), (3, 4, 2), batched=(1,))
case("matmul", (4,), (4, 2), batched=())
case("matmul", (4,), (4,), batched=())
for shape in ((3, 4), (2, 3, 4), (4,)):
    for activation in (None, "relu", "sigmoid", "softmax", "tanh"):
        case("dense", shape, (4, 2), (2,), batched=(0,) if len(shape) > 1 else (),
             activation=activation)  # fmt: skip
    case("dense_stack", shape, (4, 3), (3,), (3, 2), (2,),
         batched=(0,) if len(shape) > 1 else (), activations=("tanh", None))  # fmt: skip
case("projection", (2, 3, 4), (4, 2, 5), (2, 5), batched=(0,))
case("projection", (2, 3, 4), (3, 4, 5), (5,), batched=(0,), summed=2)
case("dot", (3, 4), (4, 2))
case("dot", (3, 4), ())
case("dot", (3, 4), (2, 4, 5))
case("tensordot", (3, 4, 5), (4, 5, 2))
case("tensordot", (3, 4, 5), (5, 2), axes=1)
case("tensordot", (3, 4, 5), (5, 4, 2), axes=([2, 1], [0, 1]))
case("tensordot", (3, 4, 5), (4, 2), axes=([-2], [0]))
for subscripts, *shapes in [
    ("ij,jk->ik", (3, 4), (4, 2)),
    ("bij,bjk->bik", (3, 2, 4), (3, 4, 5)),
    ("...ij,jk->...ik", (3, 2, 4), (4, 5)),
    ("ij,jk", (3, 4), (4, 2)),
    ("ij->j", (3, 4)),
    ("ij->", (3, 4)),
    ("ij->ji", (3, 4)),
    ("ij,i,jk->k", (3, 4), (3,), (4, 2)),
    ("bhwc,chf->bwf", (3, 2, 2, 4), (4, 2, 3)),
    ("ii->i", (4, 4)),
    ("ii,jk->ik", (4, 4), (2, 5)),
]:
    case(
        "einsum",
        *shapes,
        call=functools.partial(ops.einsum, subscripts),
        label=subscripts,
        batched=tuple(
            index
            for index, term in enumerate(subscripts.split("->")[0].split(","))
            if term[0] == subscripts[0] and len(shapes[index]) and shapes[index][0] == 3
        ),
    )

# --- rearranging -----------------------------------------------------------------------------

case("reshape", (3, 4), newshape=(-1, 2, 2))
case("reshape", (3, 4), newshape=(4, 3), batched=())
case("reshape", (3, 4), newshape=-1)
for axes in (None, (2, 0, 1), (0, -1, 1)):
    case("transpose", (3, 4, 2), axes=axes)
case("transpose", (3, 4), call=lambda x: x.T, label="T")
case("swapaxes", (3, 4, 2), axis1=1, axis2=-1)
case("moveaxis", (3, 4, 2), source=-1, destination=1)
case("moveaxis", (3, 4, 2), source=1, destination=-1)
for axis in (0, -1, (0, -1), (1, 2)):
    case("expand_dims", (3, 4), axis=axis)
for axis in (1, -2, (1, -1)):
    case("squeeze", (3, 1, 1) if isinstance(axis, tuple) else (3, 1, 4), axis=axis)
case("squeeze", (3, 1, 4), axis=None)
case("broadcast_to", (3, 1), shape=(2, 3, 4), batched=())
case("broadcast_to", (4,), call=lambda x: ops.broadcast_to(x, (3, 4)), batched=())
for axis, b in ((0, (2, 4)), (1, (3, 2)), (-1, (3, 4))):
    case(
        "concatenate",
        (3, 4),
        b,
        call=lambda x, y, a=axis: ops.concatenate([x, y], axis=a),
        batched=(0, 1),
    )
for axis in (0, 1, -1):
    case(
        "stack",
        (3, 4),
        (3, 4),
        call=lambda x, y, a=axis: ops.stack([x, y], axis=a),
        batched=(0, 1),
        label=str(axis),
    )
case("split", (3, 6), call=lambda x: ops.split(x, 3, axis=1)[1])
case("split", (3, 6), call=lambda x: ops.split(x, [1, 4], axis=-1)[1], label="cuts")
case("split", (3, 6), call=lambda x: ops.concatenate(ops.split(x, 2, axis=1)[::-1]), batched=())
case("unstack", (3, 4), call=lambda x: ops.unstack(x, axis=1)[2])
for repeats in (2, (2, 3), (2, 1, 3), (1, 2)):
    case("tile", (3, 4), repeats=repeats)
for axis in (None, 0, -1):
    case("repeat", (3, 4), repeats=3, axis=axis)
case("take", (3, 4), indices=[[0, 2], [2, 1]], axis=1)
case("take", (3, 4), indices=2, axis=-1)
case("take", (3, 4, 2), indices=[1, 1, -3, -1], axis=1)
case("take", (3, 4), indices=[[2, 2], [-3, 0]], axis=0, batched=())
case("take", (3, 4), indices=np.array([5, 5, 1]), axis=None, batched=())
for name, form, options in (
    ("tile", (6, 4), {"shape": (3, 2), "repeats": (2, 2)}),
    ("repeat", (3, 4), {"shape": (3, 2), "repeats": 2, "axis": 1}),
    ("take", (3, 2), {"shape": (3, 4), "indices": np.array([1, 1]), "axis": 1}),
):
    case(f"un{name}", form, call=functools.partial(OPERATIONS[f"un{name}"], **options), batched=())
for label, key in {
    "slice": (slice(None), slice(1, 3)),
    "step": (slice(None), slice(None, None, -2)),
    "integer": (slice(None), 1),
    "ellipsis": (Ellipsis, 0),
    "new": (slice(None), None, 2),
    "list": (slice(None), [0, 0, 2]),
    "array": (slice(None), np.array([[0, 1], [1, 3]])),
}.items():
    case("getitem", (3, 4), call=lambda x, k=key: x[k], label=label)
case("getitem", (3, 4, 5), call=lambda x: x[:, [0, 1], [2, 2]], label="pairs")
case("getitem", (3, 4, 5), call=lambda x: x[:, [0, 1], :, None], label="mixed")
case("getitem", (3, 4, 5, 2), call=lambda x: x[:, [0, 1], :, [1, 1]], label="apart")
case("scatter", (3, 2), call=lambda g: OPERATIONS["scatter"](
    g, shape=(3, 4), key=(slice(None), slice(1, 3))), batched=())  # fmt: skip
for mode in ("constant", "reflect", "symmetric"):
    case("pad", (3, 4), pad_width=((0, 0), (2, 1)), mode=mode)
case("pad", (3, 4), pad_width=1, constant_values=2.0, batched=())
for axis in (None, 0, (0, 1)):
    case("flip", (3, 4), axis=axis)
case("roll", (3, 4), shift=1, axis=1)
case("roll", (3, 4), shift=-2, axis=None)
for k in (-1, 0, 1):
    case("tril", (3, 4), k=k)
    case("triu", (3, 4), k=k)
for axis in (-1, 0):
    case("sort", (3, 4), axis=axis)
    case("argsort", (3, 4), axis=axis, derivatives=0)
case("cast", (3, 4), call=lambda x: ops.cast(ops.cast(x, "float64"), x.dtype))
case("ravel", (3, 4))
case("one_hot", (3, 4), call=lambda x: ops.one_hot(x, 3, axis=1, dtype="float32"), derivatives=0)
for name in ("zeros_like", "ones_like"):
    case(name, (3, 4), derivatives=0)
case("full_like", (3, 4), fill_value=2.5, derivatives=0)

# --- images ----------------------------------------------------------------------------------

WINDOWS: list[dict[str, Any]] = [
    {},
    {"padding": "same"},
    {"strides": 2, "padding": "same"},
    {"strides": (2, 1)},
    {"dilation_rate": (1, 2), "padding": "same"},
    {"dilation_rate": 2},
]
for options in WINDOWS:
    case("conv", (2, 6, 5, 2), (3, 2, 2, 3), derivatives=1, **options)
    case("biased_conv", (2, 6, 5, 2), (3, 2, 2, 3), (3,), derivatives=1, **options)
case("conv", (2, 5, 5, 4), (2, 2, 2, 4), derivatives=1, label="groups")
case("conv", (2, 4, 5, 5), (2, 2, 2, 4), derivatives=1, data_format="channels_first")
case("conv", (2, 4, 5, 3), (1, 1, 3, 2), derivatives=1, label="pointwise")
case("conv", (2, 4, 5, 3), (1, 1, 3, 2), derivatives=1, strides=2)
case("conv", (2, 6, 4), (3, 2, 2), derivatives=1, padding="causal", dilation_rate=2)
case("conv", (2, 2, 6), (3, 2, 2), derivatives=1, strides=2, data_format="channels_first")
case("conv", (2, 3, 4, 3, 2), (2, 2, 1, 2, 3), derivatives=1, padding="same", strides=(1, 2, 1))
case("conv", (2, 4, 3, 3, 2), (2, 2, 2, 1, 2), derivatives=1, dilation_rate=(2, 1, 1))
SPREADS: list[dict[str, Any]] = [
    {},
    {"strides": 2},
    {"strides": (3, 2), "padding": "same"},
    {"strides": (3, 2), "padding": "same", "output_padding": (2, 0)},
    {"strides": 2, "output_padding": 1},
    {"dilation_rate": (1, 2), "padding": "same"},
]
for options in SPREADS:
    case("conv_transpose", (2, 3, 2, 2), (3, 2, 3, 2), derivatives=1, **options)
    case("biased_conv_transpose", (2, 3, 2, 2), (3, 2, 3, 2), (3,), derivatives=1, **options)
case("conv_transpose", (2, 2, 3), (4, 1, 2), derivatives=1, strides=2, data_format="channels_first")
case("conv_transpose", (2, 3, 2, 1, 2), (2, 1, 2, 3, 2), derivatives=1, strides=(1, 2, 1))
case("conv_transpose", (2, 3, 2), (1, 2, 2), derivatives=1, strides=2)
for options in WINDOWS:
    case("depthwise_conv", (2, 6, 5, 2), (3, 2, 2, 3), derivatives=1, **options)
    case("biased_depthwise_conv", (2, 6, 5, 2), (3, 2, 2, 3), (6,), derivatives=1, **options)
for name, *shapes in (
    ("biased_conv", (2, 2, 5, 4), (2, 2, 2, 3), (3,)),
    ("biased_conv_transpose", (2, 2, 3), (4, 1, 2), (1,)),
    ("biased_depthwise_conv", (2, 3, 5), (2, 3, 1), (3,)),
):
    case(name, *shapes, derivatives=1, data_format="channels_first")
case("depthwise_conv", (2, 3, 5), (2, 3, 1), derivatives=1, data_format="channels_first")
case("depthwise_conv", (2, 3, 3, 2, 2), (2, 2, 1, 2, 2), derivatives=1, strides=2, padding="same")
case("locally_connected", (2, 7, 2), (6, 4, 3), derivatives=1, kernel_size=2)
case("locally_connected", (2, 7, 2), (3, 4, 3), derivatives=1, kernel_size=2, strides=2)
case(
    "locally_connected", (2, 3, 4, 3), (2, 6, 2), derivatives=1, kernel_size=(1, 2), strides=2,
    data_format="channels_first",
)  # fmt: skip
case("locally_connected", (2, 2, 3, 3, 2), (4, 16, 2), derivatives=1, kernel_size=2)
case("locally_connected", (2, 3, 2), (3, 2, 2), derivatives=1, kernel_size=1)


def alignment(x: Any) -> Any:
    batch = x.shape[0] or 1
    labels, lengths, steps = [[1, 1, 2], [2, 0, 0]], [3, 1], [5, 4]
    return ops.ctc_loss(
        np.resize(labels, (batch, 3)), x, np.resize(lengths, batch), np.resize(steps, batch)
    )


case("ctc_loss", (2, 5, 3), call=alignment, derivatives=1)
SEPARABLE = (2, 6, 5, 2), (3, 2, 2, 2), (1, 1, 4, 3)
for options in WINDOWS[2:4]:
    call = functools.partial(ops.separable_conv, **options)
    case("conv", *SEPARABLE, call=call, derivatives=1, label=f"separable-{options}")
    case("separable_conv", *SEPARABLE, derivatives=0, **options)
POOLS: list[dict[str, Any]] = [
    {"pool_size": 2},
    {"pool_size": (3, 2), "strides": (1, 2)},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 2, "data_format": "channels_first"},
    {"pool_size": 2, "strides": 3, "padding": "same"},
]
for name in ("max_pool", "average_pool"):
    for options in POOLS:
        case(name, (2, 5, 6, 3), derivatives=1, **options)
    case(name, (2, 5, 3), derivatives=1, pool_size=2)
    case(name, (2, 3, 5), derivatives=1, pool_size=3, strides=2, padding="same",
         data_format="channels_first")  # fmt: skip
    case(name, (2, 3, 4, 5, 2), derivatives=1, pool_size=(1, 2, 3), strides=(2, 1, 2))
    case(name, (2, 2, 3, 4, 3), derivatives=1, pool_size=2, padding="same",
         data_format="channels_first")  # fmt: skip
for interpolation in ops.image.INTERPOLATIONS:
    for size in ((6, 8), (2, 7)):
        case("resize", (2, 3, 4, 2), call=functools.partial(
            ops.image.resize, size=size, interpolation=interpolation),
            label=f"{interpolation}-{size}")  # fmt: skip
case("resize", (2, 3, 4, 5), call=functools.partial(
    ops.image.resize, size=(3, 9), data_format="channels_first"))  # fmt: skip
for fill_mode in ("constant", "nearest", "wrap", "mirror", "reflect"):
    for interpolation in ("nearest", "bilinear"):
        case("sample", (2, 3, 4, 2), call=functools.partial(
            ops.image.affine_transform, transform=[0.9, 0.3, -0.8, -0.2, 1.1, 0.7, 0.0, 0.1],
            interpolation=interpolation, fill_mode=fill_mode, fill_value=0.5),
            derivatives=1, label=f"{fill_mode}-{interpolation}")  # fmt: skip
case("sample", (2, 2, 3, 4), call=functools.partial(
    ops.image.perspective_transform, start_points=[[0, 0], [3, 0], [0, 2], [3, 2]],
    end_points=[[0.5, 0], [3, 1], [0, 2.5], [2, 2]], data_format="channels_first"),
    derivatives=1)  # fmt: skip
case("resize", (2, 5, 4, 2), call=functools.partial(
    ops.image.resize, size=(2, 3), antialias=True), label="antialias")  # fmt: skip
for options in ({"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True, "fill_value": 1.5}):
    case("resize", (2, 3, 6, 1), call=functools.partial(
        ops.image.resize, size=(4, 4), **options))  # fmt: skip
case("unresize", (2, 6, 5, 2), call=functools.partial(
    _unresize, shape=(2, 3, 4, 2), interpolation="bicubic", antialias=False,
    data_format=None), batched=())  # fmt: skip

# --- attention -------------------------------------------------------------------------------

SEEN = np.array([[True, False, False], [True, True, False], [False, True, True]])
for options in ({}, {"scale": 2.0}, {"is_causal": True}, {"mask": SEEN}, {"bias": 2.0 * SEEN}):
    attend = functools.partial(ops.dot_product_attention, **options)
    label = "-".join(["attention", *options])
    at_once = not {"is_causal", "bias"} & set(options)
    case("attend" if at_once else "dot_product_attention", (2, 3, 4, 2), (2, 3, 4, 2), (2, 3, 4, 5),
         call=attend, batched=(0, 1, 2), label=label)  # fmt: skip
    # Heads of keys are shared.
    case("repeat", (2, 3, 4, 2), (2, 3, 2, 2), (2, 3, 2, 5),
         call=attend, batched=(0, 1, 2), label=label)  # fmt: skip
case("projected_attention", (2, 3, 4), (2, 5, 3), (2, 5, 2), (4, 2, 3), (2, 3), (3, 2, 3), (2, 3),
     (2, 2, 4), (2, 4), (2, 4, 5), (5,), call=functools.partial(projected_attention, scale=0.5),
     batched=(0, 1, 2))  # fmt: skip
case("without_future", (2, 3, 4), call=lambda x: ops.softmax(without_future(x)))

DIFFERENTIABLE = [one for one in CASES if one.values[0].derivatives]
TWICE = [one for one in CASES if one.values[0].derivatives == 2]
ONCE = [one for one in CASES if one.values[0].derivatives == 1]

# --- laws ------------------------------------------------------------------------------------


def test_every_gradient_rule_has_a_case() -> None:
    tried = {one.values[0].name for one in DIFFERENTIABLE}
    stated = {name for name, operation in OPERATIONS.items() if operation.differentiable}
    assert stated <= tried, f"no gradient case for {sorted(stated - tried)}"


def test_every_public_operation_has_a_case() -> None:
    tried = {one.values[0].name for one in CASES}
    other = {"absolute", "amax", "amin"}  # second names
    other |= {"arange", "array", "convert_to_numpy", "convert_to_tensor", "eye", "full", "linspace"}
    other |= {"ones", "zeros", "ndim", "shape", "size"}  # not of symbolic values
    public = set(ops.__all__) - other
    assert public <= tried, f"no case for {sorted(public - tried)}"


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_gradient_matches_finite_differences(case: Case) -> None:
    ls.check_gradients(case.call, *case.arrays(), rtol=1e-5)


def gradient_of(case: Case) -> Callable[..., Any]:
    """Return the gradients of a case as one differentiable array."""
    out = np.asarray(case.call(*case.arrays()))
    projection = np.random.default_rng(1).normal(size=out.shape)

    def gradients(*values: Any) -> Any:
        with ls.GradientTape() as tape:
            watched = [tape.watch(value) for value in values]
            total = ops.sum(case.call(*watched) * projection)
        found = tape.gradient(total, watched)
        return ops.concatenate([ops.ravel(one) for one in found if one is not None])

    return gradients


@pytest.mark.parametrize("case", TWICE)
def test_gradient_of_the_gradient(case: Case) -> None:
    # A second difference divides rounding by the step twice.
    ls.check_gradients(gradient_of(case), *case.arrays(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", ONCE)
def test_a_rule_on_plain_arrays_refuses_a_second_gradient(case: Case) -> None:
    with ls.GradientTape() as tape:
        watched = [tape.watch(value) for value in case.arrays()]
        with pytest.raises(NotImplementedError, match=case.name):
            gradient_of(case)(*watched)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_symbolic_shape_and_type_are_those_of_the_result(case: Case, dtype: str) -> None:
    arrays = case.arrays(dtype)
    result = case.call(*arrays)
    symbolic = case.call(*(KerasTensor(value.shape, dtype) for value in arrays))
    assert symbolic.shape == np.shape(result)
    assert symbolic.dtype == result.dtype
    assert dtype == "float64" or result.dtype not in ("float64", "int64")


@pytest.mark.parametrize("case", [one for one in CASES if one.values[0].batched])
def test_symbolic_shape_with_unknown_batch(case: Case) -> None:
    small, large = case.arrays(), case.arrays(copies=2)
    shapes = np.shape(case.call(*small)), np.shape(case.call(*large))
    symbolic = case.call(
        *(
            KerasTensor((None, *value.shape[1:]) if index in case.batched else value.shape)
            for index, value in enumerate(small)
        )
    )
    assert len(symbolic.shape) == len(shapes[0])
    for found, one, other in zip(symbolic.shape, *shapes, strict=True):
        # Unknown exactly where it depends on the batch.
        assert found == (one if one == other else None)


def permuted(value: np.ndarray) -> np.ndarray:
    """Return the same array with its memory in another order, and gaps."""
    wide = np.zeros((*value.shape[::-1], 2), value.dtype)
    wide[..., 0] = value.T
    return wide[..., 0].T


@pytest.mark.parametrize("case", CASES)
def test_memory_layout_does_not_matter(case: Case) -> None:
    arrays = case.arrays()
    kept = [value.copy() for value in arrays]
    views = [permuted(value) for value in arrays]
    np.testing.assert_allclose(case.call(*views), case.call(*arrays), rtol=1e-12, atol=1e-13)
    if case.derivatives:
        found, expected = (_gradients(case, values) for values in (views, arrays))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
    for value, original in zip((*arrays, *views), (*kept, *kept), strict=True):
        np.testing.assert_array_equal(value, original, err_msg="an input was changed")


def other_lengths(case: Case) -> Iterator[list[np.ndarray]]:
    """Yield the inputs of a case, each time with another length along one axis of one of them."""
    for place, value in enumerate(arrays := case.arrays("float32")):
        for axis, length in enumerate(value.shape):
            for other in (length - 1, length + 1):
                shape = (*value.shape[:axis], other, *value.shape[axis + 1 :])
                yield [*arrays[:place], np.resize(value, shape), *arrays[place + 1 :]]


def found_amid(case: Case, arrays: list[np.ndarray], neighbour: float) -> Iterator[Any]:
    """Yield result and gradients, or what is raised, where a number surrounds each input."""
    values = []
    for array in arrays:
        memory = np.full(array.size + 2 * 4096, neighbour, array.dtype)
        values.append(memory[4096:-4096].reshape(array.shape))
        values[-1][...] = array
    try:
        yield case.call(*values)
        yield _gradients(case, values) if case.derivatives else []
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        yield str(error)


#: One call of each public operation that brings several arrays together.
TOGETHER = {
    one.values[0].name: one
    for one in CASES
    if one.values[0].name in ops.__all__
    and (len(one.values[0].inputs) > 1 or "crossentropy" in one.values[0].name)
}


@pytest.mark.parametrize("case", TOGETHER.values())
def test_nothing_is_read_beside_inputs_that_do_not_fit(case: Case) -> None:
    with np.errstate(all="ignore"):
        for arrays in other_lengths(case):
            found, expected = (list(found_amid(case, arrays, number)) for number in (np.nan, 1e30))
            np.testing.assert_equal(found, expected)


def _gradients(case: Case, values: list[np.ndarray]) -> list[np.ndarray]:
    with ls.GradientTape() as tape:
        watched = [tape.watch(value) for value in values]
        out = case.call(*watched)
    seed = np.random.default_rng(0).normal(size=out.shape)
    return [one for one in tape.gradient(out, watched, seed) if one is not None]


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_gradients_keep_float32(case: Case) -> None:
    with ls.GradientTape() as tape:
        watched = [tape.watch(value) for value in case.arrays("float32")]
        out = case.call(*watched)
    assert out.dtype == np.float32
    for value, gradient in zip(watched, tape.gradient(out, watched), strict=True):
        if gradient is not None:
            assert gradient.dtype == np.float32
            assert gradient.shape == value.shape
