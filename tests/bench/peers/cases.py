"""What is timed: layers with their inputs, and whole tasks, as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from typing import Any

Shape = tuple[int, ...]

FORWARD, BOTH, TASK = "forward", "both", "task"

#: Equal dense layers, `depth` of them, which no framework has as a layer.
DENSE_STACK = "DenseStack"


@dataclass(frozen=True)
class Case:
    """A layer, by the name and arguments it has in Keras, on inputs of given shapes.

    Attributes
    ----------
    name : how it is chosen and reported.
    family : of which a geometric mean is taken.
    layer : class name of the layer; of tasks, what is done.
    arguments : of the layer's constructor.
    inputs : shapes, batch first and channels last.
    training : argument of the call, None for layers that have none.
    integers : the input holds whole numbers below this.
    repeated : how often the one input is handed over: twice for self-attention.
    flops : floating point operations of the forward pass that BLAS would do.
    random : the output is drawn anew in every call.
    """

    name: str
    family: str
    layer: str
    arguments: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Shape, ...] = ()
    training: bool | None = None
    integers: int | None = None
    repeated: int = 1
    flops: float = 0
    random: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        """What can be timed."""
        return (TASK,) if self.family == "task" else (FORWARD, BOTH)

    def to_json(self) -> dict[str, Any]:
        """Return the case as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Case:
        """Return the case that `to_json` gave."""
        return cls(**{**data, "inputs": tuple(map(tuple, data["inputs"]))})


def dense(name: str, batch: int, entries: int, units: int, activation: str | None = None) -> Case:
    """Return a dense layer."""
    arguments = {"units": units, "activation": activation}
    flops = 2 * batch * entries * units
    return Case(name, "dense", "Dense", arguments, ((batch, entries),), flops=flops)


def convolution(
    name: str, layer: str, shape: Shape, filters: int, size: int, positions: int, **arguments: Any
) -> Case:
    """Return a convolution that puts `size` ** rank weights a channel and filter at `positions`.

    `positions` counts a single sample's.
    """
    rank = len(shape) - 2
    flops = 2 * shape[0] * positions * size**rank * shape[-1] * filters
    arguments = {"filters": filters, "kernel_size": size, **arguments}
    return Case(name, "convolution", layer, arguments, (shape,), flops=flops)


def conv2d(name: str, shape: Shape, filters: int, size: int) -> Case:
    """Return a two-dimensional convolution that keeps the image's size."""
    positions = shape[1] * shape[2]
    return convolution(name, "Conv2D", shape, filters, size, positions, padding="same")


def recurrent(name: str, layer: str, gates: int, shape: Shape, units: int) -> Case:
    """Return a recurrent layer that gives its whole sequence."""
    batch, steps, entries = shape
    flops = 2 * batch * steps * gates * units * (entries + units)
    arguments = {"units": units, "return_sequences": True}
    return Case(name, "recurrent", layer, arguments, (shape,), flops=flops)


def embedding(name: str, shape: Shape, entries: int, width: int) -> Case:
    """Return a table of vectors that whole numbers below `entries` look up."""
    arguments = {"input_dim": entries, "output_dim": width}
    return Case(name, "embedding", "Embedding", arguments, (shape,), integers=entries)


def attention(name: str, shape: Shape, heads: int, width: int) -> Case:
    """Return self-attention of as many channels as its heads have together."""
    batch, steps, channels = shape
    inner = heads * width
    flops = 2 * batch * steps * (4 * channels * inner + 2 * steps * inner)
    arguments = {"num_heads": heads, "key_dim": width}
    return Case(
        name, "attention", "MultiHeadAttention", arguments, (shape,), repeated=2, flops=flops
    )


def activation(name: str, function: str, shape: Shape) -> Case:
    """Return an activation as a layer."""
    return Case(name, "activation", "Activation", {"activation": function}, (shape,))


def task(name: str, what: str) -> Case:
    """Return a whole task, which each driver writes as its users would."""
    return Case(name, "task", what)


def _depthwise(name: str, layer: str, filters: int | None, shape: Shape) -> Case:
    positions, channels = shape[0] * math.prod(shape[1:-1]), shape[-1]
    flops = 2 * positions * channels * (9 + (filters or 0))
    arguments: dict[str, Any] = {"kernel_size": 3, "padding": "same"}
    arguments |= {"filters": filters} if filters else {}
    return Case(name, "depthwise", layer, arguments, (shape,), flops=flops)


_MEDIUM, _LARGE, _MILLION = (16, 32, 32, 64), (32, 56, 56, 64), (1000, 1000)

LAYERS = [
    dense("dense_32x784x128_relu", 32, 784, 128, "relu"),
    dense("dense_256x1024x1024", 256, 1024, 1024),
    dense("dense_32x2x8_tanh", 32, 2, 8, "tanh"),
    conv2d("conv2d_mnist_3x3x32", (32, 28, 28, 1), 32, 3),
    conv2d("conv2d_64_64_3x3", _MEDIUM, 64, 3),
    conv2d("conv2d_128_128_3x3", (8, 14, 14, 128), 128, 3),
    conv2d("conv2d_1x1_64_128", _MEDIUM, 128, 1),
    # Padded beforehand: where one zero more goes, to the left or right, is a matter of taste.
    convolution("conv2d_stem_7x7s2", "Conv2D", (1, 230, 230, 3), 64, 7, 112**2, strides=2),
    convolution("conv2d_3x3s2_64", "Conv2D", (16, 33, 33, 64), 64, 3, 16**2, strides=2),
    conv2d("conv2d_8x8_3x3x16", (32, 8, 8, 1), 16, 3),
    convolution(
        "conv2dT_3x3s2_64_32", "Conv2DTranspose", (16, 16, 16, 64), 32, 3, 16**2, strides=2
    ),
    convolution("conv1d_5_64_128", "Conv1D", (32, 256, 64), 128, 5, 256, padding="same"),
    convolution("conv1d_3_4_8", "Conv1D", (32, 20, 4), 8, 3, 20, padding="same"),
    convolution("conv3d_3_8_16", "Conv3D", (4, 16, 32, 32, 8), 16, 3, 16 * 32**2, padding="same"),
    convolution("locally2d_3x3_3_16", "LocallyConnected2D", (8, 32, 32, 3), 16, 3, 30**2),
    _depthwise("depthwise_3x3_64", "DepthwiseConv2D", None, _MEDIUM),
    _depthwise("separable_3x3_64_128", "SeparableConv2D", 128, _MEDIUM),
    Case("maxpool2d_2", "pooling", "MaxPooling2D", {}, (_LARGE,)),
    Case("maxpool2d_8x8", "pooling", "MaxPooling2D", {}, ((32, 8, 8, 16),)),
    Case("avgpool2d_2", "pooling", "AveragePooling2D", {"pool_size": 2}, (_LARGE,)),
    Case("gap2d", "pooling", "GlobalAveragePooling2D", {}, ((32, 28, 28, 128),)),
    Case("gmp2d", "pooling", "GlobalMaxPooling2D", {}, ((32, 28, 28, 128),)),
    Case("upsample2d_nearest", "reshaping", "UpSampling2D", {}, (_MEDIUM,)),
    Case(
        "upsample2d_bilinear",
        "reshaping",
        "UpSampling2D",
        {"interpolation": "bilinear"},
        (_MEDIUM,),
    ),
    Case("zeropad2d_2", "reshaping", "ZeroPadding2D", {"padding": 2}, ((16, 56, 56, 64),)),
    Case("batchnorm_train", "normalization", "BatchNormalization", {}, ((32, 28, 28, 64),), True),
    Case("batchnorm_infer", "normalization", "BatchNormalization", {}, ((32, 28, 28, 64),), False),
    Case("batchnorm_32x16", "normalization", "BatchNormalization", {}, ((32, 16),), True),
    Case("layernorm_256", "normalization", "LayerNormalization", {}, ((32, 128, 256),)),
    Case("layernorm_32x16", "normalization", "LayerNormalization", {}, ((32, 16),)),
    recurrent("lstm_32x100x64_128", "LSTM", 4, (32, 100, 64), 128),
    recurrent("lstm_16x20x8_16", "LSTM", 4, (16, 20, 8), 16),
    recurrent("gru_32x100x64_128", "GRU", 3, (32, 100, 64), 128),
    recurrent("gru_16x20x8_16", "GRU", 3, (16, 20, 8), 16),
    recurrent("simplernn_32x100x64_128", "SimpleRNN", 1, (32, 100, 64), 128),
    recurrent("simplernn_16x20x8_16", "SimpleRNN", 1, (16, 20, 8), 16),
    Case(
        "convlstm2d_16",
        "recurrent",
        "ConvLSTM2D",
        {"filters": 16, "kernel_size": 3, "padding": "same", "return_sequences": True},
        ((4, 8, 16, 16, 3),),
        flops=2 * 4 * 8 * 16**2 * 9 * (3 + 16) * 64,
    ),
    embedding("embedding_20kx128", (32, 100), 20_000, 128),
    embedding("embedding_100x8", (16, 20), 100, 8),
    attention("mha_4x32", (16, 64, 128), 4, 32),
    attention("mha_2x8", (8, 12, 16), 2, 8),
    activation("softmax_1024x1000", "softmax", (1024, 1000)),
    activation("softmax_32x10", "softmax", (32, 10)),
    activation("gelu_1M", "gelu", _MILLION),
    activation("relu_1M", "relu", _MILLION),
    activation("relu_32x64", "relu", (32, 64)),
    activation("tanh_1M", "tanh", _MILLION),
    activation("sigmoid_1M", "sigmoid", _MILLION),
    activation("silu_1M", "silu", _MILLION),
    Case("dropout_1M", "dropout", "Dropout", {"rate": 0.5}, (_MILLION,), True, random=True),
    Case("add_1M", "merging", "Add", {}, (_MILLION, _MILLION)),
    Case("concat_1M", "merging", "Concatenate", {}, ((1000, 500), (1000, 500))),
]

TASKS = [
    task("mlp_call", "call"),
    task("mlp_predict", "predict"),
    task("mlp_step_sgd", "step_sgd"),
    task("mlp_step_adam", "step_adam"),
    task("digits_mlp_epoch", "epoch_mlp"),
    task("digits_cnn_epoch", "epoch_cnn"),
    task("build10_summary", "build"),
]

CASES = [*LAYERS, *TASKS]


def chosen(patterns: str) -> list[Case]:
    """Return the cases whose name or family fits one of the comma-separated patterns.

    Raises
    ------
    ValueError
        If a pattern fits none.
    """
    wanted = patterns.split(",")
    for pattern in wanted:
        if not any(_fits(case, pattern) for case in CASES):
            names = ", ".join(case.name for case in CASES)
            raise ValueError(f"No case is called {pattern!r}. There are: {names}")
    return [case for case in CASES if any(_fits(case, pattern) for pattern in wanted)]


def _fits(case: Case, pattern: str) -> bool:
    return fnmatch(case.name, pattern) or fnmatch(case.family, pattern)
