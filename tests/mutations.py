"""Mistakes put into the core one at a time, to see that the tests notice each of them.

Run ``python tests/mutations.py``, with words of names to try only some. The core, its tests and
their data are copied; each mutation changes the copy, the tests named for it run there, and the
change is undone. A mutation that no test fails for survives: then a test is missing. None of them
needs Keras.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = Path("core/layerscope")
#: What the tests need beside the core.
COPIED = (
    "core",
    "tests/core",
    "tests/processes.py",
    "tests/recorded",
    "assets",
    "pyproject.toml",
)

ATTENTION = "tests/core/layers/test_attention.py"
CONTRACT = "tests/core/layers/test_contract.py"
CONVOLUTION = "tests/core/layers/test_convolution.py"
LOW_RANK = "tests/core/layers/test_low_rank.py"
LAYER = "tests/core/layers/test_layer.py"
LOSSES = "tests/core/test_losses.py"
METRICS = "tests/core/test_metrics.py"
LOCAL = "tests/core/layers/test_locally_connected.py"
MASKS = "tests/core/layers/test_masks.py"
MERGING = "tests/core/layers/test_merging.py"
NORMALIZATION = "tests/core/layers/test_normalization.py"
PARTS = "tests/core/test_parts.py"
FORMULAS = "tests/core/layers/test_formulas.py"
INITIALIZERS = "tests/core/test_initializers.py"
OPTIMIZERS = ("tests/core/test_optimizers.py", "tests/recorded/test_recorded_optimizers.py")
POOLING = "tests/core/layers/test_pooling.py"
RECURRENT = "tests/core/layers/test_recurrent.py"
DENSE_RUN = "tests/core/models/test_dense_run.py"
CONV_LSTM = "tests/core/layers/test_conv_lstm.py"
SECOND = "tests/core/test_second_derivatives.py"
OPERATIONS = "tests/core/ops/test_operations.py"
VALUES = "tests/core/ops/test_values.py"


@dataclass(frozen=True)
class Edit:
    """A piece of a file under the core, found exactly once, and what takes its place."""

    file: str
    found: str
    replacement: str


@dataclass(frozen=True)
class Mutation:
    """One mistake.

    Attributes
    ----------
    name : what goes wrong.
    tests : files with the tests that should notice.
    edits : what makes it; several where code that checks itself must be wrong everywhere.
    """

    name: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]


def mutation(name: str, tests: str | tuple[str, ...], *edits: tuple[str, str, str]) -> Mutation:
    chosen = (tests,) if isinstance(tests, str) else tests
    return Mutation(name, chosen, tuple(Edit(*edit) for edit in edits))


# The fused operations and the cells check each other; without the former, a cell stands alone.
LSTM_ALONE = ("layers/lstm.py", "if not self._fusible(training):", "if True:")
GRU_ALONE = ("layers/gru.py", "if not self._fusible(training):", "if True:")

MUTATIONS = [
    # --- recurrent ---
    mutation(
        "LSTM: input and forget gate swapped in the cell",
        RECURRENT,
        (
            "layers/lstm.py",
            "i, f, g, o = ops.split(x, 4, axis=-1)",
            "f, i, g, o = ops.split(x, 4, axis=-1)",
        ),
    ),
    mutation(
        "LSTM: input and forget gate swapped everywhere",
        FORMULAS,
        LSTM_ALONE,
        (
            "layers/lstm.py",
            "i, f, g, o = ops.split(x, 4, axis=-1)",
            "f, i, g, o = ops.split(x, 4, axis=-1)",
        ),
    ),
    mutation(
        "LSTM: candidate and output gate swapped everywhere",
        FORMULAS,
        LSTM_ALONE,
        (
            "layers/lstm.py",
            "i, f, g, o = ops.split(x, 4, axis=-1)",
            "i, f, o, g = ops.split(x, 4, axis=-1)",
        ),
    ),
    mutation(
        "LSTM: unit_forget_bias ignored",
        FORMULAS,
        (
            "layers/lstm.py",
            "return OpenForgetGate(first, self._biases) if self.unit_forget_bias else first",
            "return first",
        ),
    ),
    mutation(
        "LSTM: the ones of unit_forget_bias in the wrong block",
        FORMULAS,
        (
            "layers/lstm.py",
            "[before, np.ones(units, dtype), after]",
            "[after, np.ones(units, dtype), before]",
        ),
    ),
    mutation(
        "GRU: update and reset gate swapped everywhere",
        FORMULAS,
        GRU_ALONE,
        (
            "layers/gru.py",
            "hz, hr, hh = ops.split(hidden, 3, axis=-1)\n            z, r =",
            "hz, hr, hh = ops.split(hidden, 3, axis=-1)\n            r, z =",
        ),
    ),
    mutation(
        "GRU: the new state is mixed the other way round",
        FORMULAS,
        GRU_ALONE,
        (
            "layers/gru.py",
            "z * state + (1 - z) * candidate",
            "(1 - z) * state + z * candidate",
        ),
    ),
    mutation(
        "GRU: reset_after=False computes the other form",
        FORMULAS,
        GRU_ALONE,
        (
            "layers/gru.py",
            "self.activation(xh + project(r * state, last, masks[1]))",
            "self.activation(xh + r * project(state, last, masks[1]))",
        ),
    ),
    mutation(
        "SimpleRNN: the state is not multiplied by its kernel in the fused operation",
        FORMULAS,
        (
            "ops/recurrent.py",
            "np.concatenate([recurrent_kernel, bias[None], kernel])",
            "np.concatenate([0 * recurrent_kernel, bias[None], kernel])",
        ),
    ),
    mutation(
        "RNN: the outputs of go_backwards are reversed again",
        RECURRENT,
        (
            "layers/recurrent.py",
            "output = outputs if self.return_sequences else outputs[:, -1]",
            "outputs = ops.flip(outputs, axis=1) if self.go_backwards else outputs\n"
            "        output = outputs if self.return_sequences else outputs[:, -1]",
        ),
    ),
    mutation(
        "RNN: a state is not kept between the calls of a stateful layer",
        RECURRENT,
        ("layers/recurrent.py", "variable.assign(state)", "pass"),
    ),
    mutation(
        "RNN: masked steps change the state",
        RECURRENT,
        (
            "ops/recurrent.py",
            "counts = np.ascontiguousarray(mask, bool)",
            "counts = np.ones(x.shape[:2], bool)",
        ),
    ),
    mutation(
        "RNN: zero_output_for_mask ignored",
        RECURRENT,
        (
            "layers/recurrent.py",
            "shown = kept if self.zero_output_for_mask else np.logical_or.accumulate(kept, axis=1)",
            "shown = np.logical_or.accumulate(kept, axis=1)",
        ),
    ),
    mutation(
        "recurrent dropout: the factors are drawn anew at each step",
        (RECURRENT, "tests/core/test_seed.py"),
        (
            "layers/recurrent_cell.py",
            "if name not in masks or leaves(masks[name])[0].shape != tuple(value.shape):",
            "if True:",
        ),
    ),
    mutation(
        "Bidirectional: what comes backwards is not reversed",
        RECURRENT,
        (
            "layers/bidirectional.py",
            "backward = ops.flip(backward, axis=1)",
            "backward = ops.flip(backward, axis=0)[::-1]",
        ),
    ),
    mutation(
        "Bidirectional: 'ave' does not halve",
        FORMULAS,
        (
            "layers/bidirectional.py",
            "return (forward + backward) / 2",
            "return forward + backward",
        ),
    ),
    mutation(
        "ConvLSTM: input and forget gate swapped",
        CONV_LSTM,
        (
            "layers/conv_lstm.py",
            "i, f, g, o = ops.split(x, self.gates, axis=self._channel_axis)",
            "f, i, g, o = ops.split(x, self.gates, axis=self._channel_axis)",
        ),
    ),
    mutation(
        "StackedRNNCells: every cell goes backwards again",
        FORMULAS,
        ("layers/stacked_rnn_cells.py", "go_backwards = False\n", "pass\n"),
    ),
    mutation(
        "TimeDistributed: every step is given the first step's mask",
        MERGING,
        (
            "layers/time_distributed.py",
            "None if mask is None else mask[:, step]",
            "None if mask is None else mask[:, 0]",
        ),
    ),
    mutation(
        "CuDNNGRU: the bias of the state comes first",
        (RECURRENT, FORMULAS),
        (
            "layers/cudnn_rnn.py",
            "return ops.reshape(self.bias, (2, 3 * self.units))",
            "return ops.flip(ops.reshape(self.bias, (2, 3 * self.units)), axis=0)",
        ),
    ),
    mutation(
        "RNN: initial_state ignored",
        RECURRENT,
        (
            "layers/recurrent.py",
            "return self._given_states(given, batch)\n",
            "return self.get_initial_state(batch)\n",
        ),
    ),
    mutation(
        "Bidirectional: the states of the two directions exchanged",
        (RECURRENT, FORMULAS),
        (
            "layers/bidirectional.py",
            "return list(states[:half]), list(states[half:])",
            "return list(states[half:]), list(states[:half])",
        ),
    ),
    mutation(
        "recurrent dropout: every gate has the first one's factors",
        (RECURRENT, FORMULAS),
        (
            "layers/recurrent_cell.py",
            "ops.matmul(value * one, block) for one, block in",
            "ops.matmul(value * mask[0], block) for one, block in",
        ),
    ),
    # --- convolutions ---
    mutation(
        "convolution: the kernel is flipped",
        CONVOLUTION,
        (
            "layers/conv.py",
            "self._convolve(ops.conv, ops.biased_conv, inputs, self.kernel)",
            "self._convolve(ops.conv, ops.biased_conv, inputs, ops.flip(self.kernel, axis=0))",
        ),
    ),
    mutation(
        "'same' padding: the odd zero comes first",
        VALUES,
        (
            "ops/shapes.py",
            "return total // 2, total - total // 2",
            "return total - total // 2, total // 2",
        ),
    ),
    mutation(
        "'causal' padding comes after the steps",
        (VALUES, CONVOLUTION),
        ("ops/shapes.py", "return reach, 0", "return 0, reach"),
    ),
    mutation(
        "transposed convolution: the odd entry is cut off first",
        CONVOLUTION,
        (
            "ops/shapes.py",
            'before = surplus // 2 if padding == "same" else 0',
            'before = surplus - surplus // 2 if padding == "same" else 0',
        ),
    ),
    mutation(
        "groups: filters meet the channels of another group",
        CONVOLUTION,
        (
            "ops/conv.py",
            "slice(g * outputs, (g + 1) * outputs))",
            "slice((groups - 1 - g) * outputs, (groups - g) * outputs))",
        ),
    ),
    mutation(
        "depth_multiplier: the outputs of one channel do not stand together",
        CONVOLUTION,
        (
            "ops/depthwise_conv.py",
            "np.repeat(image, kernel.shape[-1], axis=-1)",
            "np.tile(image, (1,) * (image.ndim - 1) + kernel.shape[-1:])",
        ),
        (
            "ops/depthwise_conv.py",
            "kernel.reshape(*kernel.shape[:3], -1)",
            "kernel.swapaxes(3, 4).reshape(*kernel.shape[:3], -1)",
        ),
        (
            "ops/depthwise_conv.py",
            "grad.reshape(*grad.shape[:4], *kernel.shape[-2:]).sum(-1)",
            "grad.reshape(*grad.shape[:4], *kernel.shape[:-3:-1]).sum(-2)",
        ),
        (
            "ops/depthwise_conv.py",
            "windows).reshape(kernel.shape)",
            "windows)\n"
            "        turned = found[1].reshape(*kernel.shape[:-2], *kernel.shape[:-3:-1])\n"
            "        found[1] = np.swapaxes(turned, -1, -2)",
        ),
    ),
    mutation(
        "channels_first: rows and columns of an image are exchanged",
        CONVOLUTION,
        ("ops/layout.py", "np.moveaxis(x, 1, -1)", "np.swapaxes(x, 1, -1)"),
        ("ops/layout.py", "np.moveaxis(x, -1, 1)", "np.swapaxes(x, -1, 1)"),
    ),
    mutation(
        "LocallyConnected: windows of even length begin one later",
        LOCAL,
        (
            "layers/locally_connected.py",
            "paddings.append((size // 2, max(reach - length, 0)))",
            "paddings.append(((size - 1) // 2, max(reach + 1 - length, 0)))",
        ),
    ),
    mutation(
        "UpSampling: the corners of old and new image are aligned",
        (VALUES, POOLING),
        (
            "ops/image.py",
            "(np.arange(new_length) + 0.5) * (length / new_length) - 0.5",
            "np.arange(new_length) * ((length - 1) / max(new_length - 1, 1))",
        ),
    ),
    mutation(
        "low-rank adaptation: lora_alpha ignored",
        (LOW_RANK, CONTRACT),
        (
            "layers/low_rank.py",
            "weight + self.lora_alpha / self.lora_rank * ops.matmul",
            "weight + ops.matmul",
        ),
    ),
    mutation(
        "LocallyConnected: the list of weights is sorted by input",
        (LOCAL, FORMULAS),
        ("layers/locally_connected.py", "(image, output, outputs_first=True)", "(image, output)"),
    ),
    mutation(
        "UpSampling: the nearest entry is always the one before",
        (VALUES, POOLING, FORMULAS),
        ("ops/image.py", "np.floor(centres + 0.5)", "np.floor(centres)"),
    ),
    # --- pooling and borders ---
    mutation(
        "average pooling counts the padding",
        (POOLING, VALUES),
        (
            "compiled/pooling.py",
            "entries = (end_plane - plane) * (end_row - row) * (end_column - column)\n"
            "                count = x.dtype.type(entries)\n"
            "                for c in range(channels):\n"
            "                    mean[c]",
            "entries = size[0] * size[1] * size[2]\n"
            "                count = x.dtype.type(entries)\n"
            "                for c in range(channels):\n"
            "                    mean[c]",
        ),
    ),
    mutation(
        "max pooling pads with zeros",
        (POOLING, VALUES),
        (
            "compiled/pooling.py",
            "best[c] = first[c]",
            "best[c] = max(first[c], 0)",
        ),
    ),
    mutation(
        "GlobalAveragePooling1D: the mean is over all steps, whatever the mask",
        (MASKS, POOLING),
        (
            "layers/global_pooling.py",
            "total / ops.sum(weights, axis=steps, keepdims=self.keepdims)",
            "total / inputs.shape[steps]",
        ),
    ),
    mutation(
        "cropping: start and end exchanged",
        FORMULAS,
        (
            "layers/cropping.py",
            "for axis, (before, after), length",
            "for axis, (after, before), length",
        ),
    ),
    mutation(
        "zero padding: start and end exchanged",
        FORMULAS,
        ("layers/zero_padding.py", "widths[axis] = border", "widths[axis] = border[::-1]"),
    ),
    # --- normalization ---
    mutation(
        "BatchNormalization: the unbiased variance",
        NORMALIZATION,
        (
            "compiled/standardizing.py",
            "variance[c] = total[c] / n",
            "variance[c] = total[c] / (n - 1)",
        ),
    ),
    mutation(
        "BatchNormalization: a frozen layer uses the batch's statistics",
        FORMULAS,
        (
            "layers/batch_normalization.py",
            "if not training or not self.trainable:",
            "if not training:",
        ),
    ),
    mutation(
        "BatchNormalization: momentum is the share of the new statistics",
        NORMALIZATION,
        (
            "layers/batch_normalization.py",
            "np.array(momentum, dtype), np.array(1 - momentum, dtype)",
            "np.array(1 - momentum, dtype), np.array(momentum, dtype)",
        ),
    ),
    mutation(
        "BatchNormalization: epsilon left out at inference",
        NORMALIZATION,
        ("ops/normalization.py", "factor = rsqrt(variance + epsilon)", "factor = rsqrt(variance)"),
    ),
    mutation(
        "BatchNormalization: masked entries enter the mean",
        FORMULAS,
        (
            "layers/batch_normalization.py",
            "mean = ops.sum(ops.where(counts, inputs, 0.0), axis=others",
            "mean = ops.sum(inputs, axis=others",
        ),
    ),
    mutation(
        "GroupNormalization: neighbours are in different groups",
        FORMULAS,
        (
            "layers/group_normalization.py",
            "self.groups, lengths[axis] // self.groups,",
            "lengths[axis] // self.groups, self.groups,",
        ),
        (
            "layers/group_normalization.py",
            "if index != axis]\n        grouped",
            "if index != axis + 1]\n        grouped",
        ),
    ),
    mutation(
        "gamma and beta in the other order",
        FORMULAS,
        (
            "layers/affine.py",
            "    return gamma, beta\n",
            "    layer._trainable_variables.reverse()\n    return gamma, beta\n",
        ),
    ),
    # --- masks ---
    mutation(
        "a layer's call is not given the mask that came with its input",
        MASKS,
        ("layers/layer.py", "{**kwargs, **masks}", "{**kwargs}"),
    ),
    mutation(
        "a mask does not travel on with the output",
        MASKS,
        (
            "layers/layer.py",
            "return self._with_mask(outputs, first, previous_mask)",
            "return outputs",
        ),
    ),
    mutation(
        "merging: a step counts only where it does in all inputs",
        (MASKS, MERGING),
        (
            "layers/merging.py",
            "counts = ops.logical_or(counts, other)",
            "counts = ops.logical_and(counts, other)",
        ),
    ),
    mutation(
        "Concatenate: a step counts only if all its entries do",
        (MASKS, MERGING),
        ("layers/concatenation.py", "return ops.any(joined,", "return ops.all(joined,"),
    ),
    mutation(
        "Masking does not zero the steps",
        (MASKS, MERGING),
        (
            "layers/masking.py",
            "ops.where(ops.expand_dims(counts, -1), inputs, 0)",
            "ops.multiply(inputs, 1)",
        ),
    ),
    mutation(
        "Masking: a step is masked if any entry has the value",
        (MASKS, MERGING),
        ("layers/masking.py", "return ops.any(ops.not_equal(", "return ops.all(ops.not_equal("),
    ),
    mutation(
        "Embedding: mask_zero gives no mask",
        (MASKS, MERGING),
        (
            "layers/embedding.py",
            "return ops.not_equal(inputs, 0) if self.mask_zero else None",
            "return None",
        ),
    ),
    mutation(
        "Softmax: masked entries take part in the sum",
        FORMULAS,
        (
            "layers/softmax.py",
            "ops.softmax(ops.where(mask, inputs, _MASKED), axis=axis)",
            "ops.softmax(inputs, axis=axis)",
        ),
    ),
    # --- attention ---
    mutation(
        "attention: scores are not scaled where weights are wanted",
        ATTENTION,
        ("layers/heads.py", "query * self._scale, key)", "query, key)"),
    ),
    mutation(
        "attention: scores are not scaled in the operation",
        ATTENTION,
        ("ops/attention.py", "_by_head(query * scale, key)", "_by_head(query, key)"),
    ),
    mutation(
        "attention at once: gradient not scaled",
        OPERATIONS,
        ("ops/attention.py", "weights, weights) * scale", "weights, weights)"),
    ),
    mutation(
        "projection: gradient of the bias not summed over samples",
        OPERATIONS,
        ("ops/dense.py", "grad_bias = sum_of_rows(rows)", "grad_bias = rows[0]"),
    ),
    mutation(
        "large mean: divided by the wrong number",
        "tests/core/ops/test_large.py",
        ("ops/reductions.py", "keepdims, np.float32(around[1])", "keepdims, np.float32(around[0])"),
    ),
    mutation(
        "attention: heads of keys are shared in turn",
        ATTENTION,
        (
            "layers/group_query_attention.py",
            "ops.repeat(projected, self.num_repeats, axis=2)",
            "ops.tile(projected, (1, 1, self.num_repeats, 1))",
        ),
    ),
    mutation(
        "attention: a query does not see its own place",
        ATTENTION,
        (
            "ops/attention.py",
            "np.tri(queries, keys, dtype=bool)",
            "np.tri(queries, keys, -1) > 0",
        ),
    ),
    mutation(
        "attention: the window is one place wider",
        ATTENTION,
        ("layers/heads.py", "ops.abs(apart) < distance", "ops.abs(apart) <= distance"),
    ),
    mutation(
        "attention: the mask of the values is that of the queries",
        ATTENTION,
        (
            "layers/heads.py",
            "((query_mask, False), (value_mask, True)",
            "((query_mask, False), (value_mask, False)",
        ),
    ),
    mutation(
        "attention: only one of two masks counts",
        ATTENTION,
        ("layers/heads.py", "return ops.logical_and(mask, other)", "return other"),
    ),
    mutation(
        "attention: the gate is forgotten",
        ATTENTION,
        ("layers/heads.py", "outputs = outputs * self._gate_dense(query)", "pass"),
    ),
    mutation(
        "attention: the mask of the queries does not zero outputs",
        ATTENTION,
        (
            "layers/attention.py",
            "ops.where(ops.expand_dims(query_mask, -1), outputs, 0.0)",
            "outputs",
        ),
    ),
    mutation(
        "attention: weights are dropped while not training",
        ATTENTION,
        ("layers/attention.py", "if training and self.dropout > 0:", "if self.dropout > 0:"),
    ),
    mutation(
        "attention: hidden scores keep their gradient",
        ATTENTION,
        (
            "ops/attention.py",
            "where(causal_mask(*out.shape[-2:]), g, 0.0))",
            "g)",
        ),
    ),
    mutation(
        "EinsumDense: the bias does not reach over the axes behind it",
        ATTENTION,
        ("layers/einsum_dense.py", "*[1] * behind,", ""),
    ),
    mutation(
        "ReversibleEmbedding: the cap is no bound",
        ATTENTION,
        (
            "layers/reversible_embedding.py",
            "ops.tanh(scores / self.logit_soft_cap) * self.logit_soft_cap",
            "ops.tanh(scores) * self.logit_soft_cap",
        ),
    ),
    mutation(
        "einsum: a repeated axis is no diagonal to the gradient",
        "tests/core/ops/test_operations.py",
        ("ops/linalg.py", "np.eye(length, dtype=operand.dtype)", "np.ones((length, length))"),
    ),
    mutation(
        "SpectralNormalization: the estimate starts anew at every call",
        NORMALIZATION,
        ("layers/spectral_normalization.py", "self.vector_u.assign(u)", "pass"),
    ),
    mutation(
        "SpectralNormalization: the weight changes while not training",
        NORMALIZATION,
        ("layers/spectral_normalization.py", "if training and self.kernel", "if self.kernel"),
    ),
    # --- noise ---
    mutation(
        "dropout does not scale up what is left",
        (POOLING, "tests/core/test_seed.py"),
        ("random.py", "return kept * np.dtype(dtype).type(1 / (1 - rate))", "return kept"),
    ),
    mutation(
        "SpatialDropout drops single entries",
        POOLING,
        (
            "layers/spatial_dropout.py",
            "noise_shape = (None, None, *unit) if first else (None, *unit, None)",
            "noise_shape = None",
        ),
    ),
    mutation(
        "GaussianDropout: the variance is used as the deviation",
        POOLING,
        (
            "layers/gaussian_dropout.py",
            "math.sqrt(self.rate / (1 - self.rate))",
            "self.rate / (1 - self.rate)",
        ),
    ),
    mutation(
        "AlphaDropout: mean and variance are not restored",
        POOLING,
        ("layers/alpha_dropout.py", " - scale * _LOWEST * self.rate", ""),
    ),
    mutation(
        "noise is the same at every call",
        (POOLING, "tests/core/test_seed.py", "tests/core/test_random.py"),
        ("random.py", "self.state.value[1] += 1", "pass"),
    ),
    # --- merging and shapes ---
    mutation(
        "Flatten: channels_first keeps the channels in front",
        FORMULAS,
        ("layers/flatten.py", "inputs = ops.moveaxis(inputs, 1, -1)", "pass"),
    ),
    mutation(
        "Average is the sum",
        MERGING,
        (
            "layers/elementwise_merging.py",
            "functools.reduce(ops.add, inputs) / len(inputs)",
            "functools.reduce(ops.add, inputs)",
        ),
    ),
    mutation(
        "LeakyReLU has another default",
        FORMULAS,
        ("layers/rectifiers.py", "default=0.3,", "default=0.2,"),
    ),
    mutation(
        "ReLU: the slope begins at zero, not at the threshold",
        ("tests/core/test_activations.py", FORMULAS),
        ("activations.py", "negative_slope * (x - threshold))", "negative_slope * x)"),
    ),
    mutation(
        "Permute goes the other way",
        (POOLING, FORMULAS),
        (
            "layers/permute.py",
            "return ops.transpose(inputs, (0, *self.dims))",
            "order = [self.dims.index(n + 1) + 1 for n in range(len(self.dims))]\n"
            "        return ops.transpose(inputs, (0, *order))",
        ),
        (
            "layers/permute.py",
            "*(input_shape[axis] for axis in self.dims)",
            "*(input_shape[self.dims.index(n + 1) + 1] for n in range(len(self.dims)))",
        ),
    ),
    mutation(
        "Dot: cosines are not asked for",
        MERGING,
        ("layers/dot_product.py", "if self.normalize:", "if False:"),
    ),
    mutation(
        "Lambda: arguments ignored",
        MERGING,
        ("layers/lambda_layer.py", "inputs, **self.arguments, **{name", "inputs, **{name"),
    ),
    # --- layers and weights ---
    mutation(
        "step without a tape: a penalty is passed over",
        DENSE_RUN,
        ("models/sequential.py", "one.trainable and one.regularizer is None", "one.trainable"),
    ),
    mutation(
        "step without a tape: a weight that is not trained is",
        DENSE_RUN,
        (
            "models/sequential.py",
            "one.trainable and one.regularizer is None",
            "one.regularizer is None",
        ),
    ),
    mutation(
        "step without a tape: layers behind the dense ones are left out",
        DENSE_RUN,
        ("models/sequential.py", "or len(whole.activations) != len(self.stack)", "or False"),
    ),
    mutation(
        "step without a tape: what a model computes itself is passed over",
        DENSE_RUN,
        ("models/sequential.py", "or not _learns_as_usual(type(self))", "or False"),
    ),
    mutation(
        "step without a tape: an outer tape does not see it",
        DENSE_RUN,
        ("models/sequential.py", "and not is_recording()", ""),
    ),
    mutation(
        "step without a tape: an optimizer's own loss is passed over",
        DENSE_RUN,
        ("models/sequential.py", "self.optimizer.scale_loss(known[0]) is known[0]", "True"),
    ),
    mutation(
        "step without a tape: the weight of the loss is left out",
        DENSE_RUN,
        ("models/compiled_loss.py", "if path or weight is not None or", "if path or"),
    ),
    mutation(
        "weights that are not trained come first",
        (LAYER, "tests/core/models/test_models.py", NORMALIZATION),
        (
            "layers/weight_owner.py",
            "found = [*self._trainable_variables, *self._non_trainable_variables]\n",
            "found = [*self._non_trainable_variables, *self._trainable_variables]\n",
        ),
    ),
    mutation(
        "SeparableConv: the kernels in the other order",
        CONVOLUTION,
        (
            "layers/separable_conv.py",
            "constraint=self.pointwise_constraint,\n        )\n",
            "constraint=self.pointwise_constraint,\n        )\n"
            "        self._trainable_variables.reverse()\n",
        ),
    ),
    mutation(
        "set_weights does not look at the shapes",
        (CONTRACT,),
        ("layers/weight_owner.py", "if variable.shape != array.shape:", "if False:"),
    ),
    mutation(
        "freezing a layer leaves those inside trained",
        (LAYER, "tests/core/models/test_models.py"),
        (
            "layers/weight_owner.py",
            "        for layer in self._sublayers():\n            layer.trainable = value\n",
            "",
        ),
    ),
    mutation(
        "the phase of a layer does not reach those inside",
        (LAYER, RECURRENT, MERGING),
        (
            "layers/layer.py",
            "training = _TRAINING.get() if explicit is None else explicit",
            "training = explicit",
        ),
    ),
    mutation(
        "penalties of earlier calls are kept",
        LAYER,
        ("layers/layer.py", "layer._losses.clear()", "pass"),
    ),
    mutation(
        "the activity penalty is not divided by the batch size",
        LAYER,
        (
            "layers/layer.py",
            "self.activity_regularizer(output) / max(output.shape[0], 1)",
            "self.activity_regularizer(output)",
        ),
    ),
    mutation(
        "a config lacks an argument",
        CONTRACT,
        (
            "layers/layer.py",
            "if key not in _BASE_ARGUMENTS}",
            'if key not in (*_BASE_ARGUMENTS, "use_bias")}',
        ),
    ),
    mutation(
        "constraints are not applied after a step",
        OPTIMIZERS,
        ("optimizers/optimizer.py", "if variable.constraint is not None:", "if False:"),
    ),
    mutation(
        "Dense: the kernel's penalty is laid on the bias",
        (LAYER, "tests/core/models/test_training.py", FORMULAS),
        (
            "layers/dense.py",
            "regularizer=self.bias_regularizer",
            "regularizer=self.kernel_regularizer",
        ),
    ),
    # --- parts ---
    mutation(
        "L2 is halved",
        PARTS,
        ("regularizers.py", "return self.l2 * ops", "return 0.5 * self.l2 * ops"),
    ),
    mutation(
        "OrthogonalRegularizer counts every pair once",
        FORMULAS,
        (
            "regularizers.py",
            "/ max(number * (number - 1), 1)",
            "/ max(number * (number - 1) / 2, 1)",
        ),
    ),
    mutation(
        "MaxNorm: norms along another axis",
        PARTS,
        (
            "constraints.py",
            "axis=self.axis, keepdims=True)\n        return w * (ops.clip",
            "axis=-1, keepdims=True)\n        return w * (ops.clip",
        ),
    ),
    mutation(
        "MinMaxNorm: rate ignored",
        PARTS,
        (
            "constraints.py",
            "self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms",
            "ops.clip(norms, self.min_value, self.max_value)",
        ),
    ),
    mutation(
        "Orthogonal: gain ignored",
        INITIALIZERS,
        ("initializers.py", "(self.gain * q.reshape(shape))", "(q.reshape(shape))"),
    ),
    mutation(
        "a truncated normal is not truncated",
        INITIALIZERS,
        ("random.py", "while beyond.size:", "while False:"),
    ),
    mutation(
        "fan-in and fan-out swapped",
        INITIALIZERS,
        (
            "initializers.py",
            "return shape[-2] * receptive_field, shape[-1] * receptive_field",
            "return shape[-1] * receptive_field, shape[-2] * receptive_field",
        ),
    ),
    # --- losses and metrics ---
    mutation(
        "losses: weights do not change the number in a mean with them",
        LOSSES,
        (
            "losses/loss.py",
            'if reduction == "mean_with_sample_weight" and sample_weight is not None:',
            "if False:",
        ),
    ),
    mutation(
        "losses: what a mask hides counts in the mean's number",
        LOSSES,
        ("losses/loss.py", 'if reduction in ("mean", "sum_over_batch_size"):', "if False:"),
    ),
    mutation(
        "losses: the mask of the predictions is forgotten",
        LOSSES,
        (
            "losses/loss.py",
            "mask = _both(mask, get_keras_mask(values))",
            "mask = get_keras_mask(values)",
        ),
    ),
    mutation(
        "losses: the mask of the values is forgotten",
        LOSSES,
        ("losses/loss.py", "mask = _both(mask, get_keras_mask(values))", "pass"),
    ),
    mutation(
        "losses: other shapes are broadcast",
        LOSSES,
        (
            "losses/loss.py",
            "*as_pair(y_true, y_pred))\n    check_same_shape(y_true, y_pred)",
            "*as_pair(y_true, y_pred))",
        ),
    ),
    mutation(
        "losses: smoothing towards one",
        LOSSES,
        (
            "losses/probabilistic.py",
            "y_true * (1.0 - share) + 0.5 * share if share",
            "y_true * (1.0 - share) + 1.0 * share if share",
        ),
    ),
    mutation(
        "losses: smoothing over all classes forgets their number",
        LOSSES,
        ("losses/probabilistic.py", "+ label_smoothing / classes", "+ label_smoothing"),
    ),
    mutation(
        "losses: focal weight of what is predicted badly",
        LOSSES,
        (
            "losses/probabilistic.py",
            "loss = ops.power(1.0 - of_target, gamma) * loss",
            "loss = ops.power(of_target, gamma) * loss",
        ),
    ),
    mutation(
        "losses: probabilities not divided by their sum",
        LOSSES,
        (
            "losses/probabilistic.py",
            "y_pred / ops.sum(y_pred, axis=axis, keepdims=True), epsilon()",
            "y_pred, epsilon()",
        ),
    ),
    mutation(
        "losses: Huber's line without its offset",
        LOSSES,
        (
            "losses/regression.py",
            "linear = delta * distance - 0.5 * delta**2",
            "linear = delta * distance",
        ),
    ),
    mutation(
        "losses: CosineSimilarity without its sign",
        LOSSES,
        ("losses/regression.py", "return -ops.sum(ops.normalize", "return ops.sum(ops.normalize"),
    ),
    mutation(
        "losses: CTC skips the blank between equal labels",
        LOSSES,
        ("ops/ctc.py", "skips[:, 3::2] = target[:, 1:] != target[:, :-1]", "skips[:, 3::2] = True"),
    ),
    mutation(
        "losses: CTC must end in a blank",
        LOSSES,
        ("ops/ctc.py", "final[rows[lengths > 0], ends[lengths > 0] - 1] = 0", "pass"),
    ),
    mutation(
        "metrics: Mean divides by the number of samples",
        METRICS,
        (
            "metrics/reduction.py",
            "self.count.assign_add(weight.sum() if weight is not None else values.size)",
            "self.count.assign_add(values.size)",
        ),
    ),
    mutation(
        "metrics: a mask is forgotten",
        METRICS,
        (
            "metrics/reduction.py",
            'super().update_state(values, apply_mask(sample_weight, mask, self.dtype, "sum"))',
            "super().update_state(values, sample_weight)",
        ),
    ),
    mutation(
        "metrics: what is on a threshold is above it",
        METRICS,
        (
            "metrics/confusion.py",
            "passed = np.searchsorted(limits, y_pred.reshape(-1)).reshape(y_pred.shape)",
            'passed = np.searchsorted(limits, y_pred.reshape(-1), "right").reshape(y_pred.shape)',
        ),
    ),
    mutation(
        "metrics: evenly spaced thresholds rounded down",
        METRICS,
        (
            "metrics/confusion.py",
            "np.ceil(np.clip(np.nan_to_num(y_pred), 0, 1) * steps)",
            "np.floor(np.clip(np.nan_to_num(y_pred), 0, 1) * steps)",
        ),
    ),
    mutation(
        "metrics: weights of labels are forgotten",
        METRICS,
        ("metrics/auc.py", "        if self.label_weights is None:", "        if True:"),
    ),
    mutation(
        "metrics: the lower of both heights is the upper",
        METRICS,
        (
            "metrics/auc.py",
            'np.minimum if self.summation_method == "minoring"',
            'np.maximum if self.summation_method == "minoring"',
        ),
    ),
    mutation(
        "metrics: precision is interpolated along a line",
        METRICS,
        ("metrics/auc.py", "slope * (gained + rest * np.log(growth))", "slope * gained"),
    ),
    mutation(
        "metrics: IoU counts the overlap twice",
        METRICS,
        (
            "metrics/iou.py",
            "matrix.sum(axis=0) + matrix.sum(axis=1) - right",
            "matrix.sum(axis=0) + matrix.sum(axis=1)",
        ),
    ),
    mutation(
        "metrics: IoU counts what is to be ignored",
        METRICS,
        ("metrics/iou.py", "counted &= true != self.ignore_class", "pass"),
    ),
    mutation(
        "metrics: R2Score of the largest number of regressors unadjusted",
        METRICS,
        (
            "metrics/regression.py",
            "return self._adjusted(scores) if self.num_regressors else scores",
            "return scores",
        ),
    ),
    mutation(
        "metrics: concordance without the difference of the means",
        METRICS,
        (
            "metrics/regression.py",
            "scale = variances + np.square(mean_true - mean_pred) + epsilon()",
            "scale = variances + epsilon()",
        ),
    ),
    mutation(
        "metrics: stateless updates change the metric",
        METRICS,
        (
            "metrics/metric.py",
            "        twin = copy.deepcopy(self)\n        if len(values)",
            "        twin = self\n        if len(values)",
        ),
    ),
    mutation(
        "metrics: metrics inside are not reset",
        METRICS,
        (
            "metrics/metric.py",
            "for variable in self.variables:",
            "for variable in self._variables:",
        ),
    ),
    mutation(
        "metrics: F-score without the square of beta",
        METRICS,
        ("metrics/f_score.py", "square = self.beta**2", "square = self.beta"),
    ),
    # --- optimizers ---
    mutation(
        "optimizer: gradients are summed, not averaged",
        OPTIMIZERS,
        ("optimizers/optimizer.py", "(array + total) / count", "array + total"),
    ),
    mutation(
        "optimizer: sums of gradients are not emptied",
        OPTIMIZERS,
        ("optimizers/optimizer.py", "variable.value.fill(0)", "variable.value.fill(1)"),
    ),
    mutation(
        "optimizer: the first average starts at zero",
        OPTIMIZERS,
        (
            "optimizers/optimizer.py",
            "memory = self.ema_momentum if step > 1 else 0.0",
            "memory = self.ema_momentum",
        ),
    ),
    mutation(
        "optimizer: names do not keep from weight decay",
        OPTIMIZERS,
        (
            "optimizers/optimizer.py",
            "or any(re.search(pattern, variable.name) for pattern in patterns)",
            "or False",
        ),
    ),
    mutation(
        "optimizer: the loss scale stays",
        OPTIMIZERS,
        ("optimizers/optimizer.py", "array / self.loss_scale_factor for", "array for"),
    ),
    mutation(
        "optimizer: each gradient is clipped by itself",
        OPTIMIZERS,
        ("optimizers/gradients.py", "norm = norm_of(gradients)", "norm = norm_of(gradients[:1])"),
    ),
    mutation(
        "optimizer: a step is counted from zero",
        OPTIMIZERS,
        (
            "optimizers/optimizer.py",
            "(self.gradient_accumulation_steps or 1) + 1",
            "(self.gradient_accumulation_steps or 1)",
        ),
    ),
    mutation(
        "optimizer: what is first kept is lost",
        OPTIMIZERS,
        ("optimizers/state.py", "        return self[name]\n", "        return default\n"),
    ),
    mutation(
        "optimizer: a copy looks for other variables",
        OPTIMIZERS,
        (
            "optimizers/state.py",
            "        self._number_variables(self._trainable_variables)\n",
            "        self._indices = {}\n",
        ),
    ),
    mutation(
        "optimizer: Nadam looks ahead without its product",
        OPTIMIZERS,
        ("optimizers/nadam.py", "ahead / (1 - product * ahead)", "ahead / (1 - product)"),
    ),
    mutation(
        "optimizer: Muon does not look ahead",
        OPTIMIZERS,
        ("optimizers/muon.py", "momentum = gradient + self.momentum * momentum", "pass"),
    ),
    mutation(
        "optimizer: a boundary belongs to the next rate",
        OPTIMIZERS,
        ("optimizers/schedules/decays.py", 'side="left"', 'side="right"'),
    ),
    # --- gradients ---
    mutation(
        "tape: recording is not stopped",
        (SECOND, OPERATIONS),
        (
            "autodiff/gradient_tape.py",
            "for tape in TAPES.get() if tape is not records))\n        try:\n            yield",
            "for tape in TAPES.get()))\n        try:\n            yield",
        ),
    ),
    mutation(
        "tape: what is not watched is seen",
        (SECOND, OPERATIONS),
        (
            "autodiff/gradient_tape.py",
            "if self.watch_accessed_variables:\n            return sources",
            "if True:\n            return sources",
        ),
    ),
    mutation(
        "tape: only the last of two targets counts",
        (SECOND, OPERATIONS),
        (
            "autodiff/backward.py",
            "grads[key] = grad if held is None else held + grad",
            "grads[key] = grad",
        ),
    ),
    mutation(
        "second gradient: products of others are taken as fixed",
        (SECOND, OPERATIONS),
        (
            "ops/reductions.py",
            "_others(flat) if isinstance(x, np.ndarray) else _differentiable_others(flat)",
            '_others(getattr(flat, "value", flat))',
        ),
    ),
    mutation(
        "second gradient: sorted entries do not go back",
        (SECOND, OPERATIONS),
        ("ops/manipulation.py", "places[axis] = found", "places[axis] = order"),
    ),
]


class Copy:
    """A copy of what the tests need, to be mutated."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in COPIED:
            source, target = ROOT / name, place / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        # Only the copy is imported, and no byte code or machine code outlives a mutation.
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(place / part) for part in ("core", "tests")),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAYERSCOPE_COMPILED": "0",
            "NUMBA_CACHE_DIR": str(place / "numba"),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def test(self, tests: tuple[str, ...]) -> tuple[int, str]:
        """Return pytest's exit code and the first test that failed, or what it said instead."""
        done = self.run("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        said = (done.stdout + done.stderr).strip().splitlines() or [""]
        return done.returncode, failed[1] if failed else said[-1]

    def edit(self, edits: tuple[Edit, ...]) -> dict[Path, str]:
        """Change the files and return what they held.

        Raises
        ------
        ValueError
            If a text is not there exactly once: the code has changed, and the mutation must.
        """
        before: dict[Path, str] = {}
        for edit in edits:
            path = self.place / CORE / edit.file
            text = path.read_text()
            before.setdefault(path, text)
            if text.count(edit.found) != 1:
                raise ValueError(f"{edit.file} holds {text.count(edit.found)} times: {edit.found}")
            path.write_text(text.replace(edit.found, edit.replacement))
        return before


def main(words: list[str]) -> int:
    chosen = [one for one in MUTATIONS if all(word in one.name for word in words)]
    if not chosen:
        print(f"No mutation has all of these in its name: {', '.join(words)}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        where = copy.run("-c", "import layerscope; print(layerscope.__file__)").stdout
        assert where.startswith(folder), f"the copy is not what is imported, but {where}"
        tests = tuple(sorted({test for one in chosen for test in one.tests}))
        code, said = copy.test(tests)
        if code:
            print(f"Without a mutation the tests must pass: {said}")
            return 2
        survived = []
        for one in chosen:
            before = copy.edit(one.edits)
            code, said = copy.test(one.tests)
            for path, text in before.items():
                path.write_text(text)
            # 1: tests failed. Anything else but 0 means that they could not run.
            verdict = {0: "SURVIVED", 1: "caught"}.get(code, "BROKEN")
            if verdict != "caught":
                survived.append(one.name)
            print(f"{verdict:8}  {one.name}\n          {said}", flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} mutations were caught.")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
