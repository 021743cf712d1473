"""The math lens: every number it works out is the layer's, by inputs and weights that are true."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from explorer import weighing
from explorer.documents import example_documents
from layerscope import layers
from layerscope_explorer import edits
from layerscope_explorer.derivation import MOST_TERMS, Derivation, derive
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.lenses.math import MathLens, lines_of, sentence, study, table
from layerscope_explorer.presets import digits_stack, on_noise
from layerscope_explorer.session import Session
from layerscope_explorer.steps import Stack, Step, forward_alone

EXAMPLES = dict(example_documents())
#: Those of which the calculation by class is not all there is to say.
NO_CLASS = ("Lambda", "SpectralNormalization", "TimeDistributed-2", "GroupedQueryAttention")


@cache
def stack_of(name: str, phase: str = "inference") -> Stack:
    """Return an example at work, with random weights, so that nothing is hidden by zeros."""
    document = replace(EXAMPLES[name], phase=phase)
    plain = Engine().snapshot(document).stack
    assert plain.steps, name
    generator = np.random.default_rng(sum(map(ord, name)))
    weights = {
        step.spec.id: [
            _drawn(generator, weight) for weight in step.layer.weights
        ]
        for step in plain
    }  # fmt: skip
    return Engine().snapshot(document, weights).stack


def _drawn(generator: np.random.Generator, weight: Any) -> np.ndarray:
    if weight.value.dtype.kind != "f":
        return weight.value
    values = generator.normal(0.0, 0.5, weight.shape)
    positive = any(part in weight.name for part in ("variance", "stddev"))
    return (np.abs(values) + 0.5 if positive else values).astype(weight.value.dtype)


def cells(step: Step, count: int = 3, seed: int = 0) -> Iterator[tuple[int, tuple[int, ...]]]:
    generator = np.random.default_rng(seed)
    for _ in range(count):
        index = tuple(int(generator.integers(length)) for length in step.output.shape[1:])
        yield int(generator.integers(len(step.output))), index


def named(*beginnings: str) -> list[str]:
    return [name for name in EXAMPLES if name.rpartition("-")[0] in beginnings]


def close(one: float, other: float, scale: float = 1.0) -> bool:
    return math.isclose(one, other, rel_tol=1e-3, abs_tol=2e-4 * max(scale, 1e-3))


def line(found: Derivation, key: str) -> float:
    return next(one.value for one in found.lines if one.key == key)


def slopes_of(found: Derivation) -> np.ndarray:
    (slopes,) = found.slopes
    assert slopes is not None
    return slopes


def combined(found: Derivation, step: Step, place: tuple[int, ...]) -> float:
    """Combine the shown numbers as the kind of calculation says."""
    values = [term.value for term in found.terms]
    total = sum(values) + found.others
    if found.kind in ("winner", "smallest"):
        return max(values) if found.kind == "winner" else min(values)
    if found.kind == "product":
        return math.prod(values)
    if found.kind == "softmax":
        own = next(t.value for t in found.terms if close(t.given, float(step.inputs[0][place])))
        return own / total
    if found.kind in ("recurrent", "normalized", "lookup", "opaque", "function"):
        return found.result
    if found.kind in ("noise", "dropped"):
        return total + sum(one.value for one in found.lines if one.key == "chance")
    added = ("bias", "constant", "rest")
    return total + sum(one.value for one in found.lines if one.key in added)


# --- every layer ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_calculation_comes_to_what_the_layer_gave(name: str) -> None:
    for phase in ("inference", "training"):
        step = stack_of(name, phase).steps[0]
        before = [weight.value.copy() for weight in step.layer.variables]
        for sample, index in cells(step):
            found = derive(step, sample, index)
            place = (sample, *index)
            value = float(step.output[place])
            scale = max([abs(t.value) for t in found.terms] + [abs(value)])
            assert close(found.result, value, scale), found
            if found.lines:
                assert close(found.lines[-1].value, value, scale) or found.kind in (
                    "local", "offset", "noise", "dropped", "lookup",
                ), found  # fmt: skip
            applied = [one for one in found.lines if one.key in ("activation", "exponential")]
            target = applied[0].numbers["before"] if applied and found.kind != "softmax" else value
            assert close(combined(found, step, place), target, scale) or found.kind == "function"
            for term in found.terms:
                given = float(np.asarray(step.inputs[term.source][sample]).reshape(-1)[term.place])
                assert term.given == given
                if term.factor is not None:
                    assert close(term.value, given * term.factor, scale)
            assert len(found.terms) == min(found.count, MOST_TERMS)
            if found.kind in ("local", "opaque"):
                section = step.layer.section
                assert section in ("preprocessing", "attention") or name.startswith(NO_CLASS), name
        for weight, kept in zip(step.layer.variables, before, strict=True):
            np.testing.assert_array_equal(weight.value, kept)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_can_be_looked_at(name: str) -> None:
    document = EXAMPLES[name]
    layer_id = document.layers[0].id
    worked = study(stack_of(name), layer_id, {"sample": 3, "cell": None})
    output = stack_of(name).output(layer_id)
    assert output is not None
    assert abs(worked.value) == np.nanmax(np.abs(output[3].astype(np.float64)))
    assert sentence(worked)
    assert len(table(worked)) == len(lines_of(worked))
    if worked.marked:
        assert worked.output[worked.marked] == pytest.approx(worked.value, rel=1e-6)


# --- sums of products -------------------------------------------------------------------------

WEIGHTS = {
    "Dense": weighing.dense,
    "Conv1D": weighing.conv,
    "Conv2D": weighing.conv,
    "Conv3D": weighing.conv,
    "DepthwiseConv1D": weighing.depthwise,
    "DepthwiseConv2D": weighing.depthwise,
    "DepthwiseConv3D": weighing.depthwise,
    "SeparableConv1D": weighing.separable,
    "SeparableConv2D": weighing.separable,
    "Conv1DTranspose": weighing.transposed,
    "Conv2DTranspose": weighing.transposed,
    "Conv3DTranspose": weighing.transposed,
    "LocallyConnected1D": weighing.local,
    "LocallyConnected2D": weighing.local,
    "AveragePooling1D": weighing.mean_of_window,
    "AveragePooling2D": weighing.mean_of_window,
    "AveragePooling3D": weighing.mean_of_window,
    "GlobalAveragePooling1D": weighing.mean_of_all,
    "GlobalAveragePooling2D": weighing.mean_of_all,
    "GlobalAveragePooling3D": weighing.mean_of_all,
}


@pytest.mark.parametrize("name", named(*WEIGHTS))
def test_terms_are_inputs_times_weights(name: str) -> None:
    step = stack_of(name).steps[0]
    layer: Any = step.layer
    given, out = step.inputs[0].shape[1:], step.output.shape[1:]
    for sample, index in cells(step, 4):
        found = derive(step, sample, index)
        factors = WEIGHTS[name.rpartition("-")[0]](layer, given, out, index)
        assert found.count == sum(1 for factor in factors.values() if factor)
        for term in found.terms:
            place = tuple(map(int, np.unravel_index(term.place, given)))
            assert close(term.factor or 0.0, factors[place])
        bias = weighing.bias_of(layer, out, index)
        x = step.inputs[0][sample]
        total = sum(float(x[place]) * factor for place, factor in factors.items())
        before = total + bias
        if step.before is not None:
            assert close(step.before[(sample, *index)], before)
            applied = next(one for one in found.lines if one.key in ("activation", "exponential"))
            assert close(applied.numbers["before"], before)
        else:
            assert close(found.result, before)
        if bias:
            assert close(line(found, "bias"), bias)


@pytest.mark.parametrize("name", named("MaxPooling1D", "MaxPooling2D", "MaxPooling3D"))
def test_the_winner_is_the_largest_of_its_window(name: str) -> None:
    step = stack_of(name).steps[0]
    layer: Any = step.layer
    given = step.inputs[0].shape[1:]
    for sample, index in cells(step):
        found = derive(step, sample, index)
        at, channel = weighing.parted(layer, index)
        lengths, _ = weighing.parted(layer, given)
        places = {
            weighing.joined(layer, place, channel)
            for _, place in weighing.window(layer, lengths, at, layer.pool_size)
        }
        shown = {tuple(map(int, np.unravel_index(t.place, given))) for t in found.terms}
        assert found.count == len(places)
        assert shown <= places
        assert found.terms[0].value == max(step.inputs[0][sample][place] for place in places)


@pytest.mark.parametrize("name", named(*(f"GlobalMaxPooling{rank}D" for rank in (1, 2, 3))))
def test_the_winner_is_the_largest_of_its_channel(name: str) -> None:
    step = stack_of(name).steps[0]
    layer: Any = step.layer
    for sample, index in cells(step):
        found = derive(step, sample, index)
        x = step.inputs[0][sample]
        channel = index[0] if weighing.is_first(layer) else index[-1]
        own = np.take(x, channel, axis=0 if weighing.is_first(layer) else -1)
        assert found.count == own.size
        assert found.result == own.max()


# --- layers that only move numbers --------------------------------------------------------------


def cropped(layer: Any, x: np.ndarray) -> np.ndarray:
    ends = layer.cropping if isinstance(layer.cropping[0], tuple) else (layer.cropping,)
    first = 1 if getattr(layer, "data_format", "") == "channels_first" else 0
    for axis, (before, after) in enumerate(ends, start=first):
        x = np.take(x, range(before, x.shape[axis] - after), axis=axis)
    return x


def upsampled(layer: Any, x: np.ndarray) -> np.ndarray:
    first = 1 if getattr(layer, "data_format", "") == "channels_first" else 0
    size = layer.size if isinstance(layer.size, tuple) else (layer.size,)
    for axis, factor in enumerate(size, start=first):
        x = np.repeat(x, factor, axis=axis)
    return x


def zero_padded(layer: Any, x: np.ndarray) -> np.ndarray:
    pairs = layer.padding if isinstance(layer.padding[0], tuple) else (layer.padding,)
    first = getattr(layer, "data_format", "") == "channels_first"
    return np.pad(x, [(0, 0), *pairs] if first else [*pairs, (0, 0)], constant_values=-1)


MOVED = {
    "Flatten": lambda layer, x: (
        np.moveaxis(x, 0, -1) if layer.data_format == "channels_first" and x.ndim > 1 else x
    ).reshape(-1),
    "Reshape": lambda layer, x: x.reshape(layer.target_shape),
    "Permute": lambda layer, x: x.transpose([axis - 1 for axis in layer.dims]),
    "RepeatVector": lambda layer, x: np.stack([x] * layer.n),
    "ActivityRegularization": lambda layer, x: x,
    "Identity": lambda layer, x: x,
    **{f"Cropping{rank}D": cropped for rank in (1, 2, 3)},
    **{f"ZeroPadding{rank}D": zero_padded for rank in (1, 2, 3)},
    **{f"UpSampling{rank}D": upsampled for rank in (1, 2, 3)},
}


MIXED = [
    name for name in named("UpSampling2D") if "interpolation" in EXAMPLES[name].layers[0].arguments
]


@pytest.mark.parametrize("name", MIXED)
def test_what_is_between_numbers_is_a_weighted_mean(name: str) -> None:
    step = stack_of(name).steps[0]
    for sample, index in cells(step):
        found = derive(step, sample, index)
        assert found.kind in ("copy", "sum", "mean", "scaled")
        assert found.count <= MOST_TERMS
        assert close(sum(term.factor or 0.0 for term in found.terms), 1.0)


@pytest.mark.parametrize("name", [name for name in named(*MOVED) if name not in MIXED])
def test_moved_numbers_are_followed_to_their_place(name: str) -> None:
    step = stack_of(name).steps[0]
    shape = step.inputs[0].shape[1:]
    places = MOVED[name.rpartition("-")[0]](step.layer, np.arange(math.prod(shape)).reshape(shape))
    for sample, index in cells(step, 5):
        found = derive(step, sample, index)
        place = int(places[index])
        if place < 0:
            assert (found.kind, found.result) == ("constant", 0.0)
        else:
            assert (found.kind, found.terms[0].place) == ("copy", place)
            assert found.result == step.inputs[0][sample].reshape(-1)[place]


def test_masking_passes_steps_on_or_leaves_them_out() -> None:
    for name in named("Masking"):
        step = stack_of(name).steps[0]
        layer: Any = step.layer
        for sample, index in cells(step):
            x = step.inputs[0][sample]
            found = derive(step, sample, index)
            kept = bool((x[index[:-1]] != layer.mask_value).any())
            assert found.kind == ("copy" if kept else "constant")
            assert found.result == (x[index] if kept else 0.0)


# --- merging ------------------------------------------------------------------------------------

MERGED = {
    "Add": lambda values: sum(values),
    "Subtract": lambda values: values[0] - values[1],
    "Average": lambda values: sum(values) / len(values),
    "Multiply": lambda values: math.prod(values),
    "Maximum": lambda values: max(values),
    "Minimum": lambda values: min(values),
}


def two_inputs(name: str, arguments: dict[str, Any] | None = None) -> Step:
    """Return a layer that takes a dense layer's output and the data."""
    document = edits.add_layer(on_noise(Document(), 5, 4), "Dense", None, {"units": 4})
    document = edits.add_layer(document, name, None, arguments or {}, [INPUT])
    return Engine().snapshot(document).stack.steps[-1]


@pytest.mark.parametrize("name", MERGED)
def test_merged_numbers_are_those_of_each_input(name: str) -> None:
    step = two_inputs(name)
    for sample, index in cells(step, 6):
        found = derive(step, sample, index)
        values = [float(one[sample][index]) for one in step.inputs]
        place = int(np.ravel_multi_index(index, (5, 4)))
        assert close(found.result, MERGED[name](values))
        assert {(t.source, t.place, t.given) for t in found.terms} == {
            (source, place, value) for source, value in enumerate(values)
        }


def test_concatenation_and_dot_find_their_inputs() -> None:
    step = two_inputs("Concatenate")
    for sample, index in cells(step, 6):
        (term,) = derive(step, sample, index).terms
        assert (term.source, term.place) == (index[1] // 4, index[0] * 4 + index[1] % 4)
    step = two_inputs("Dot", {"axes": 2})
    for sample, (i, j) in cells(step, 3):
        found = derive(step, sample, (i, j))
        first, second = (one[sample].astype(np.float64) for one in step.inputs)
        assert close(found.result, float(first[i] @ second[j]), 3.0)
        assert found.count == 4
        for term in found.terms:
            k = term.place - i * 4
            assert term.source == 0
            assert close(term.given, first[i, k])
            assert close(term.factor or 0.0, second[j, k])


# --- functions ----------------------------------------------------------------------------------

FUNCTIONS = {
    ("Activation", "tanh"): np.tanh,
    ("Activation", "sigmoid"): lambda x: 1 / (1 + np.exp(-x)),
    ("ReLU", ""): lambda x: max(x, 0.0),
    ("ELU", ""): lambda x: x if x > 0 else math.exp(x) - 1,
    ("LeakyReLU", ""): lambda x: x if x > 0 else 0.3 * x,
    ("ThresholdedReLU", ""): lambda x: x if x > 1.0 else 0.0,
}


@pytest.mark.parametrize("case", FUNCTIONS, ids=str)
def test_functions_are_applied_to_the_number_at_their_place(case: tuple[str, str]) -> None:
    name, activation = case
    arguments = {"activation": activation} if activation else {}
    document = edits.add_layer(on_noise(Document(), 3, 4), name, None, arguments)
    step = Engine().snapshot(document).stack.steps[0]
    for sample, index in cells(step, 6):
        found = derive(step, sample, index)
        x = float(step.inputs[0][sample][index])
        assert found.kind == "function"
        assert found.terms[0].given == x
        assert close(found.result, float(FUNCTIONS[case](x)))


def test_prelu_multiplies_by_its_weight() -> None:
    for name in named("PReLU"):
        step = stack_of(name).steps[0]
        layer: Any = step.layer
        for sample, index in cells(step):
            x = step.inputs[0][sample]
            alpha = np.broadcast_to(weighing.array(layer.alpha), x.shape)[index]
            (term,) = derive(step, sample, index).terms
            assert close(term.factor or 0.0, 1.0 if x[index] > 0 else alpha)


@pytest.mark.parametrize("name", named("Softmax"))
def test_softmax_is_a_share_of_exponentials(name: str) -> None:
    step = stack_of(name).steps[0]
    layer: Any = step.layer
    for sample, index in cells(step):
        found = derive(step, sample, index)
        x = step.inputs[0][sample].astype(np.float64)
        axes = [axis % (x.ndim + 1) - 1 for axis in layer.axis]
        row = x[tuple(slice(None) if a in axes else at for a, at in enumerate(index))]
        assert found.count == row.size
        assert close(found.result, math.exp(x[index]) / np.exp(row).sum())
        shares = {t.place: t.value for t in found.terms}
        assert close(sum(shares.values()) + found.others, np.exp(row - row.max()).sum())


# --- noise --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [f"SpatialDropout{rank}D" for rank in (1, 2, 3)] + ["Dropout"]
)  # fmt: skip
def test_dropout_multiplies_by_nothing_or_more(name: str) -> None:
    shape = {"SpatialDropout2D": (3, 4, 5), "SpatialDropout3D": (2, 3, 2, 5)}.get(name, (6, 5))
    document = edits.add_layer(on_noise(Document(), *shape), name, None, {"rate": 0.4})
    step = Engine().snapshot(replace(document, phase="training")).stack.steps[0]
    kinds = set()
    for sample, index in cells(step, 12):
        found = derive(step, sample, index)
        x, y = (float(one[sample][index]) for one in (step.inputs[0], step.output))
        kinds.add(found.kind)
        if y == 0.0:
            assert (found.kind, found.result, found.count) == ("dropped", 0.0, 0)
        else:
            (term,) = found.terms
            assert term.given == x
            assert close(term.factor or 0.0, 1 / 0.6)
            assert close(found.result, x / 0.6)
    assert kinds == {"dropped", "noise"}


def test_other_noise_is_told_apart_from_the_input() -> None:
    for name, arguments in (
        ("GaussianNoise", {"stddev": 0.5}),
        ("GaussianDropout", {"rate": 0.3}),
        ("AlphaDropout", {"rate": 0.3}),
    ):
        document = edits.add_layer(on_noise(Document(), 6), name, None, arguments)
        step = Engine().snapshot(replace(document, phase="training")).stack.steps[0]
        for sample, index in cells(step, 6):
            found = derive(step, sample, index)
            x, y = (float(one[sample][index]) for one in (step.inputs[0], step.output))
            assert found.kind in ("noise", "dropped")
            assert all(term.given == x for term in found.terms)
            if name == "GaussianNoise":
                assert close(line(found, "chance"), y - x)
            if name == "GaussianDropout":
                assert close(found.terms[0].factor or 0.0, y / x)
        still = Engine().snapshot(replace(document, phase="inference")).stack.steps[0]
        assert derive(still, 0, (2,)).kind == "copy"


# --- tables and statistics ----------------------------------------------------------------------


def test_embedding_reads_the_row_of_its_token() -> None:
    for name in named("Embedding"):
        step = stack_of(name).steps[0]
        layer: Any = step.layer
        rows = weighing.array(layer.embeddings)
        for sample, (at, unit) in cells(step, 5):
            found = derive(step, sample, (at, unit))
            token = int(step.inputs[0][sample, at])
            assert (found.kind, found.terms[0].given) == ("lookup", float(token))
            assert close(found.result, rows[token, unit])
            assert np.flatnonzero(slopes_of(found)).tolist() == [at]


@pytest.mark.parametrize("phase", ["training", "inference"])
def test_batch_normalization_shows_whose_mean_it_takes(phase: str) -> None:
    for name in named("BatchNormalization"):
        step = stack_of(name, phase).steps[0]
        layer: Any = step.layer
        axis = layer.axis % step.output.ndim
        for sample, index in cells(step):
            found = derive(step, sample, index)
            channel = (sample, *index)[axis]
            own = np.take(step.inputs[0], channel, axis=axis).astype(np.float64)
            whose = "batch" if phase == "training" else "moving"
            mean, variance = (
                (own.mean(), own.var())
                if whose == "batch"
                else (layer.moving_mean.value[channel], layer.moving_variance.value[channel])
            )
            assert close(line(found, f"mean_{whose}"), mean)
            assert close(line(found, f"variance_{whose}"), variance)
            x = float(step.inputs[0][sample][index])
            y = (x - mean) / math.sqrt(variance + layer.epsilon)
            assert close(line(found, "standardized"), y)
            if not layer.renorm or phase == "inference":
                y *= 1.0 if layer.gamma is None else layer.gamma.value[channel]
                y += 0.0 if layer.beta is None else layer.beta.value[channel]
                assert close(found.result, y)


def test_layer_normalization_shows_the_sample_s_mean() -> None:
    document = edits.add_layer(on_noise(Document(), 3, 6), "LayerNormalization")
    step = Engine().snapshot(document).stack.steps[0]
    for sample, (i, j) in cells(step):
        found = derive(step, sample, (i, j))
        row = step.inputs[0][sample, i].astype(np.float64)
        assert close(line(found, "mean_sample"), row.mean())
        assert close(line(found, "variance_sample"), row.var())
        assert close(found.result, (row[j] - row.mean()) / math.sqrt(row.var() + 1e-3))


# --- recurrence ---------------------------------------------------------------------------------


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm(layer: Any, xs: np.ndarray, f: Any = np.tanh) -> Iterator[dict[str, np.ndarray]]:
    cell = layer.cell
    w, u = weighing.array(cell.kernel), weighing.array(cell.recurrent_kernel)
    b = 0.0 if cell.bias is None else weighing.array(cell.bias).reshape(-1, w.shape[1]).sum(0)
    h = c = np.zeros(w.shape[1] // 4)
    hard = getattr(cell.recurrent_activation, "__name__", "") == "hard_sigmoid"
    gate = (lambda x: np.clip(x / 6 + 0.5, 0, 1)) if hard else sigmoid
    for x in xs:
        i, forget, g, o = np.split(x @ w + h @ u + b, 4)
        i, forget, g, o = gate(i), gate(forget), f(g), gate(o)
        c = forget * c + i * g
        h = o * f(c)
        yield {
            "input_gate": i, "forget_gate": forget, "candidate": g, "output_gate": o,
            "carry": c, "shown": h,
        }  # fmt: skip


def gru(layer: Any, xs: np.ndarray, f: Any = np.tanh) -> Iterator[dict[str, np.ndarray]]:
    cell = layer.cell
    w, u = weighing.array(cell.kernel), weighing.array(cell.recurrent_kernel)
    units = w.shape[1] // 3
    after = getattr(cell, "reset_after", True)
    b = np.zeros((2, 3 * units))
    if cell.bias is not None:
        rows = weighing.array(cell.bias).reshape(-1, 3 * units)
        b[: len(rows)] = rows
    h = np.zeros(units)
    for x in xs:
        xz, xr, xh = np.split(x @ w + b[0], 3)
        hz, hr, hh = np.split(h @ u + b[1], 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        candidate = f(xh + (r * hh if after else (r * h) @ u[:, 2 * units :]))
        h = z * h + (1 - z) * candidate
        key = "reset_candidate" if after else "candidate_of_reset"
        yield {"update_gate": z, "reset_gate": r, key: candidate, "renewed": h}


def simple(layer: Any, xs: np.ndarray, f: Any = np.tanh) -> Iterator[dict[str, np.ndarray]]:
    cell = layer.cell
    w, u = weighing.array(cell.kernel), weighing.array(cell.recurrent_kernel)
    b = 0.0 if cell.bias is None else weighing.array(cell.bias)
    h = np.zeros(w.shape[1])
    for x in xs:
        h = f(x @ w + h @ u + b)
        yield {"state": h}


RECURRENT = {
    "LSTM": lstm, "CuDNNLSTM": lstm, "GRU": gru, "CuDNNGRU": gru, "SimpleRNN": simple,
}  # fmt: skip


CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell")


def kind_of(cell: Any) -> str:
    return type(cell).__name__.strip("_").removesuffix("Cell")


@pytest.mark.parametrize("name", named(*RECURRENT, "RNN", "StackedRNNCells", *CELLS))
def test_gates_are_those_of_the_textbook(name: str) -> None:
    step = stack_of(name).steps[0]
    layer: Any = step.layer
    if hasattr(layer, "get_initial_state") and not hasattr(layer, "return_sequences"):
        # A cell takes one step.
        layer = SimpleNamespace(cell=layer, go_backwards=False, return_sequences=False)
    *others, cell = getattr(layer.cell, "cells", [layer.cell])
    softsign = getattr(getattr(cell, "activation", None), "__name__", "") == "softsign"
    activation = (lambda x: x / (1 + abs(x))) if softsign else np.tanh
    for sample, index in cells(step):
        found = derive(step, sample, index)
        xs = step.inputs[0][sample].astype(np.float64)
        xs = (xs[::-1] if layer.go_backwards else xs) if xs.ndim > 1 else xs[None]
        for other in others:
            given = RECURRENT[kind_of(other)](SimpleNamespace(cell=other), xs)
            xs = np.array([list(one.values())[-1] for one in given])
        steps = list(RECURRENT[kind_of(cell)](SimpleNamespace(cell=cell), xs, activation))
        wanted = steps[index[0] if layer.return_sequences else -1]
        assert found.kind == "recurrent"
        for key, values in wanted.items():
            assert close(line(found, key), values[index[-1]]), key
        last = next(reversed(wanted.values()))
        assert close(found.result, last[index[-1]])


def test_a_convolutional_cell_s_first_step_is_a_convolution_of_the_input() -> None:
    arguments = {"filters": 2, "kernel_size": [2, 2]}
    document = edits.add_layer(on_noise(Document(), 1, 4, 4, 3), "ConvLSTM2D", None, arguments)
    step = Engine().snapshot(document).stack.steps[0]
    cell: Any = step.layer
    kernel, bias = (weighing.array(one) for one in (cell.cell.kernel, cell.cell.bias))
    for sample, (row, column, unit) in cells(step):
        found = derive(step, sample, (row, column, unit))
        x = step.inputs[0][sample, 0, row : row + 2, column : column + 2].astype(np.float64)
        i, _, g, o = (
            float((x * kernel[..., unit + 2 * gate]).sum() + bias[unit + 2 * gate])
            for gate in range(4)
        )
        carry = sigmoid(i) * math.tanh(g)
        assert close(line(found, "carry"), carry)
        assert close(found.result, sigmoid(o) * math.tanh(carry))


def test_a_bidirectional_layer_shows_the_direction_that_gave_the_number() -> None:
    inner = {"class_name": "LSTM", "config": {"units": 2, "return_sequences": True}}
    document = edits.add_layer(on_noise(Document(), 5, 3), "Bidirectional", None, {"layer": inner})
    step = Engine().snapshot(document).stack.steps[0]
    layer: Any = step.layer
    xs = step.inputs[0][4].astype(np.float64)
    there = [one["shown"] for one in lstm(layer.forward_layer, xs)]
    back = [one["shown"] for one in lstm(layer.backward_layer, xs[::-1])][::-1]
    for at in range(5):
        for unit in range(4):
            found = derive(step, 4, (at, unit))
            assert found.lines[0].words["name"] == ("forward" if unit < 2 else "backward")
            assert close(found.result, (there if unit < 2 else back)[at][unit % 2])


def test_padded_steps_of_tokens_are_left_out() -> None:
    tokens = {"data": "tokens", "shape": [6], "vocabulary": 9}
    document = edits.set_input(Document(), tokens)
    embedding = {"input_dim": 9, "output_dim": 3, "mask_zero": True}
    document = edits.add_layer(document, "Embedding", None, embedding)
    document = edits.add_layer(document, "LSTM", None, {"units": 4})
    stack = Engine().snapshot(document).stack
    step = stack.steps[1]
    lengths = (stack.data.sample != 0).sum(axis=1)
    sample = int(np.argmin(lengths))
    assert lengths[sample] < 6
    found = derive(step, sample, (2,))
    assert line(found, "step") == lengths[sample]
    steps = list(lstm(step.layer, step.inputs[0][sample][: lengths[sample]].astype(np.float64)))
    assert close(found.result, steps[-1]["shown"][2])


def test_what_is_inside_a_wrapper_is_shown_at_its_step() -> None:
    inner = {"class_name": "Dense", "config": {"units": 3, "activation": "tanh"}}
    document = edits.add_layer(
        on_noise(Document(), 4, 5), "TimeDistributed", None, {"layer": inner}
    )
    step = Engine().snapshot(document).stack.steps[0]
    layer: Any = step.layer
    kernel = weighing.array(layer.layer.kernel)
    for sample, (at, unit) in cells(step):
        found = derive(step, sample, (at, unit))
        assert found.kind == "sum"
        for term in found.terms:
            assert close(term.factor or 0.0, kernel[term.place - 5 * at, unit])
        x = step.inputs[0][sample, at].astype(np.float64)
        assert close(found.result, math.tanh(x @ kernel[:, unit]))


# --- dependence and the lens --------------------------------------------------------------------


def test_the_slopes_are_the_receptive_field() -> None:
    step = Engine().snapshot(digits_stack()).stack.steps[0]
    found = derive(step, 7, (2, 3, 5))
    layer: Any = step.layer
    field = slopes_of(found)
    np.testing.assert_allclose(field[2:5, 3:6, 0], weighing.array(layer.kernel)[:, :, 0, 5])
    assert np.count_nonzero(field) == 9


def test_a_large_sum_says_what_the_other_terms_add() -> None:
    document = edits.add_layer(on_noise(Document(), 256), "Dense", None, {"units": 8})
    stack = Engine().snapshot(document).stack
    worked = study(stack, "layer1", {"sample": 0, "cell": ("layer1", 3)})
    found = worked.derivation
    assert found is not None
    assert (found.count, len(found.terms)) == (256, MOST_TERMS)
    layer: Any = stack.steps[0].layer
    products = stack.steps[0].inputs[0][0] * weighing.array(layer.kernel)[:, 3]
    largest = sorted(np.abs(products), reverse=True)[:MOST_TERMS]
    np.testing.assert_allclose([abs(t.value) for t in found.terms], largest, rtol=1e-4)
    assert close(found.others + sum(t.value for t in found.terms), products.sum())
    assert any(line["name"] == "244 more" for line in lines_of(worked))


def test_a_person_chooses_samples_and_numbers_and_follows_them() -> None:
    session = Session(start=digits_stack())
    session.open_lens("math")
    lens = MathLens(session)
    session.select("layer2")
    assert lens.found is not None
    lens.output._handle_msg({"row": 0, "column": 1})
    assert lens.found.place == np.ravel_multi_index((0, 1, 0), (3, 3, 16))
    lens.cell._handle_msg({"value": 17})
    assert (lens.found.place, lens.found.name) == (17, "max_pooling2d[0, 1, 1]")
    assert lens.output.marked == list(lens.found.marked)
    lens.sample._handle_msg({"value": 9})
    assert (lens.found.sample, lens.found.place) == (9, 17)
    term = lens.found.derivation.terms[0]  # type: ignore[union-attr]
    lens.calculation._handle_msg({"line": 0})
    assert session.selected == "layer1"
    assert (lens.found.place, lens.found.sample) == (term.place, 9)
    assert lens.found.value == term.given
    session.select(INPUT)
    assert lens.found.derivation is None
    assert "data" in lens.body.caption.content["sentence"]


def test_layers_that_do_not_work_take_nothing_down() -> None:
    session = Session(start=edits.add_layer(digits_stack(), "Conv2D", 3))
    session.open_lens("math")
    lens = MathLens(session)
    for layer in session.document.layers:
        session.select(layer.id)
        assert lens.body.caption.content["sentence"]
    session.bypass_layer("layer2")
    session.select("layer2")
    assert lens.calculation.lines == []
    assert "passed by" in lens.body.caption.content["sentence"]


def test_numbers_that_are_none_are_worked_out_too() -> None:
    document = edits.add_layer(on_noise(Document(), 4), "Dense", None, {"units": 3})
    weights = {"layer1": [np.full((4, 3), np.nan, np.float32), np.zeros(3, np.float32)]}
    stack = Engine().snapshot(document, weights).stack
    worked = study(stack, "layer1", {"sample": 0, "cell": None})
    assert math.isnan(worked.value)
    assert lines_of(worked)[-1]["value"] == "NaN"
    assert sentence(worked)
    weights["layer1"][0][:] = np.inf
    stack = Engine().snapshot(document, weights).stack
    assert lines_of(study(stack, "layer1", {"sample": 0, "cell": None}))


def test_what_is_out_of_reach_is_chosen_anew() -> None:
    stack = Engine().snapshot(digits_stack()).stack
    for cell in (("layer1", 10**6), ("layer9", 0), ("layer1", -1)):
        worked = study(stack, "layer1", {"sample": 10**6, "cell": cell})
        assert worked.sample == 255
        assert abs(worked.value) == np.abs(stack.steps[0].output[255]).max()
    with pytest.raises(ValueError, match="Nothing came out"):
        study(stack, "layer9", {"sample": 0, "cell": None})


def test_a_sum_over_numbers_and_words_takes_what_has_slopes() -> None:
    tokens = {"data": "tokens", "shape": [6], "vocabulary": 9}
    document = edits.set_input(Document(), tokens)
    document = edits.add_layer(document, "Embedding", None, {"input_dim": 9, "output_dim": 6})
    document = edits.add_layer(document, "Add", None, {}, [INPUT])
    stack = Engine().snapshot(document).stack
    worked = study(stack, "layer2", {"sample": 0, "cell": None})
    assert worked.derivation is not None
    assert close(worked.derivation.result, worked.value)
    assert sentence(worked)


def test_what_goes_in_twice_is_told_apart() -> None:
    document = edits.add_layer(on_noise(Document(), 3, 4), "Multiply", None, {}, [INPUT])
    worked = study(Engine().snapshot(document).stack, "layer1", {"sample": 2, "cell": None})
    row, column = divmod(worked.place, 4)
    assert worked.terms == (f"input[{row}, {column}] (1)", f"input[{row}, {column}] (2)")
    assert worked.value == pytest.approx(worked.derivation.terms[0].value ** 2)  # type: ignore[union-attr]
    session = Session(start=document)
    session.open_lens("math")
    product: Any = MathLens(session).calculation.lines[2]
    assert product["said"].count("×") == 1


def test_working_a_number_out_leaves_the_layer_as_it_is() -> None:
    layer = layers.Dense(3, activation=layers.ReLU())
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    wanted = layer(x)
    inside = list(layer._flatten_layers())
    found = forward_alone(layer, (x,))
    np.testing.assert_array_equal(found["output"], wanted)
    assert (found["before"] < 0).any()
    assert list(layer._flatten_layers()) == inside
    assert isinstance(layer.activation, layers.ReLU)
    np.testing.assert_array_equal(layer(x), wanted)


def test_a_layer_that_breaks_is_shown_by_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Engine().snapshot(digits_stack()).stack.steps[0]

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no way back")

    monkeypatch.setattr(type(step), "slopes", broken)
    found = derive(step, 0, (1, 2, 3))
    assert (found.kind, found.result) == ("opaque", float(step.output[0, 1, 2, 3]))


def test_two_sessions_may_work_out_the_same_stack_at_once() -> None:
    stack = Engine().snapshot(digits_stack()).stack
    ids = [step.spec.id for step in stack]
    wanted = [study(stack, one, {"sample": 3, "cell": None}).derivation for one in ids]
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            [pool.submit(study, stack, one, {"sample": 3, "cell": None}) for one in ids]
            for _ in range(25)
        ]
        for row in jobs:
            assert [job.result().derivation for job in row] == wanted
