"""The shape doctor on a table of broken stacks, and on every layer in every place."""

from __future__ import annotations

import random
import re
import tracemalloc
from functools import cache
from typing import Any

import numpy as np
import pytest

from layerscope.configurable import fields_of
from layerscope_explorer import edits, presets
from layerscope_explorer.catalogue import (
    layerscope_catalogue,
    starting_values,
    takes_several_inputs,
)
from layerscope_explorer.diagnosis.dry_run import dry_run
from layerscope_explorer.diagnosis.words import plain
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.snapshot import Problem, Snapshot
from stacks import Row, dense, stack

FLAT, SEQUENCE, IMAGE, VOLUME = (12,), (6, 5), (8, 8, 3), (4, 4, 4, 2)
TOKENS = {"data": "tokens", "shape": [6], "vocabulary": 50}
CONV: Row = ("Conv2D", {"filters": 4, "kernel_size": [3, 3]})
LSTM: Row = ("LSTM", {"units": 4})
FLATTEN: Row = ("Flatten",)


def config(class_name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": arguments}


#: The stack, its layer that cannot work, the argument at fault, and words the message must have.
BROKEN: dict[str, tuple[Document, str, str | None, tuple[str, ...]]] = {
    # Too few or too many axes.
    "image layer after Flatten": (
        stack("digits", FLATTEN, CONV), "layer2", None, ("images", "64 numbers")),
    "pooling after Flatten": (
        stack("digits", FLATTEN, ("MaxPooling2D",), dense(10)), "layer2", None, ("images", "64")),
    "image layer after Dense": (
        stack(FLAT, dense(16), CONV), "layer2", None, ("images", "16 numbers")),
    "sequence layer on images": (
        stack(IMAGE, LSTM, dense(3)), "layer1", None, ("sequences", "(8, 8, 3)")),
    "recurrent layer on a flat row": (
        stack(FLAT, LSTM), "layer1", None, ("sequences", "12 numbers")),
    "second recurrent layer": (
        stack(SEQUENCE, LSTM, LSTM, dense(3)), "layer2", None, ("sequences", "4 numbers")),
    "recurrent layer after a bidirectional one": (
        stack(SEQUENCE, ("Bidirectional", {"layer": config("LSTM", units=4)}), LSTM),
        "layer2", None, ("sequences", "8 numbers")),
    "RepeatVector of a sequence": (
        stack(SEQUENCE, ("GRU", {"units": 4, "return_sequences": True}),
              ("RepeatVector", {"n": 3})),
        "layer2", None, ("flat", "(6, 4)")),
    "RepeatVector of an image": (
        stack(IMAGE, CONV, ("RepeatVector", {"n": 3})), "layer2", None, ("flat", "(6, 6, 4)")),
    "one axis too few": (
        stack(SEQUENCE, ("Conv2D", {"filters": 2, "kernel_size": [2, 2]})),
        "layer1", None, ("images", "(6, 5)")),
    "one axis too many": (
        stack(IMAGE, ("Conv1D", {"filters": 2, "kernel_size": [3]}), FLATTEN, dense(3)),
        "layer1", None, ("sequences", "(8, 8, 3)")),
    "volume layer on images": (
        stack(IMAGE, ("Conv3D", {"filters": 2, "kernel_size": [2, 2, 2]})),
        "layer1", None, ("volumes", "(8, 8, 3)")),
    "global pooling twice": (
        stack(IMAGE, ("GlobalAveragePooling2D",), ("GlobalMaxPooling2D",), dense(3)),
        "layer2", None, ("images", "3 numbers")),
    "moving images wanted": (
        stack(IMAGE, ("ConvLSTM2D", {"filters": 2, "kernel_size": [2, 2]})),
        "layer1", None, ("moving images", "(8, 8, 3)")),
    "moving volumes wanted": (
        stack(VOLUME, ("ConvLSTM3D", {"filters": 2, "kernel_size": [2, 2, 2]})),
        "layer1", None, ("moving volumes", "(4, 4, 4, 2)")),
    "a cell on a sequence": (
        stack(SEQUENCE, ("LSTMCell", {"units": 4}), dense(2)), "layer1", None, ("flat", "(6, 5)")),
    # Windows.
    "kernel larger than the image": (
        stack("digits", ("Conv2D", {"filters": 4, "kernel_size": [9, 9]}), FLATTEN, dense(10)),
        "layer1", "kernel_size", ("9×9", "8×8", "8 − 9 + 1 = 0")),
    "dilated kernel": (
        stack("digits", ("Conv2D", {"filters": 4, "kernel_size": [3, 3], "dilation_rate": [5, 5]})),
        "layer1", "kernel_size", ("11×11", "8×8", "8 − 11 + 1 = −2")),
    "pool larger than the image": (
        stack("digits", CONV, ("MaxPooling2D", {"pool_size": [7, 7]}), FLATTEN, dense(10)),
        "layer2", "pool_size", ("7×7", "6×6", "6 − 7 + 1 = 0")),
    "one pooling too many": (
        stack("digits", *[("MaxPooling2D",)] * 4, FLATTEN, dense(10)),
        "layer4", "pool_size", ("2×2", "1×1", "1 − 2 + 1 = 0")),
    "kernel longer than the sequence": (
        stack(SEQUENCE, ("Conv1D", {"filters": 4, "kernel_size": [7]})),
        "layer1", "kernel_size", ("7", "6 − 7 + 1 = 0")),
    "locally connected window": (
        stack(SEQUENCE, ("LocallyConnected1D", {"filters": 4, "kernel_size": [8]})),
        "layer1", "kernel_size", ("8", "6 − 8 + 1 = −1")),
    "separable window": (
        stack(IMAGE, ("SeparableConv2D", {"filters": 4, "kernel_size": [10, 3]})),
        "layer1", "kernel_size", ("10×3", "8×8", "8 − 10 + 1 = −1")),
    "moving window": (
        stack((3, 5, 2), ("ConvLSTM1D", {"filters": 2, "kernel_size": [6]})),
        "layer1", "kernel_size", ("6", "5 − 6 + 1 = 0")),
    "cropping everything": (
        stack(IMAGE, ("Cropping2D", {"cropping": [[4, 4], [1, 1]]}), FLATTEN, dense(3)),
        "layer1", "cropping", ("8×8", "8 − 4 − 4 = 0")),
    "cropping a sequence away": (
        stack(SEQUENCE, ("Cropping1D", {"cropping": [4, 3]})),
        "layer1", "cropping", ("6", "6 − 4 − 3 = −1")),
    # Counts that do not divide.
    "groups of one channel": (
        stack("digits", ("Conv2D", {"filters": 4, "kernel_size": [3, 3], "groups": 2})),
        "layer1", "groups", ("1 input channels", "2 equal groups")),
    "groups of filters": (
        stack((8, 8, 6), ("Conv2D", {"filters": 4, "kernel_size": [3, 3], "groups": 3})),
        "layer1", "groups", ("4 filters", "3 equal groups")),
    "group normalization": (
        stack("digits", CONV, ("GroupNormalization",), FLATTEN, dense(10)),
        "layer2", "groups", ("4 input channels", "32 equal groups")),
    "Reshape to more": (
        stack("digits", FLATTEN, ("Reshape", {"target_shape": [5, 5]}), FLATTEN, dense(10)),
        "layer2", "target_shape", ("64 values", "(5, 5)", "25")),
    "Reshape that does not divide": (
        stack(SEQUENCE, ("Reshape", {"target_shape": [-1, 4]})),
        "layer1", "target_shape", ("30 values", "no multiple of 4")),
    "Permute of other axes": (
        stack(IMAGE, ("Permute", {"dims": [2, 1]}), CONV),
        "layer1", "dims", ("2 axes", "(8, 8, 3)")),
    "Permute without an axis": (
        stack(SEQUENCE, ("Permute", {"dims": [1, 3]})), "layer1", "dims", ("permute", "1 to")),
    "an axis that is not there": (
        stack(FLAT, dense(8), ("BatchNormalization", {"axis": 3})),
        "layer2", "axis", ("no axis 3", "8 numbers")),
    "softmax along no axis": (
        stack(SEQUENCE, ("Softmax", {"axis": 4})), "layer1", "axis", ("no axis 4", "(6, 5)")),
    # Several inputs.
    "Add of unlike rows": (
        stack(FLAT, dense(8), dense(4), ("Add", {}, ["layer1"]), dense(3)),
        "layer3", None, ("4 numbers", "8 numbers", "dense")),
    "residual over a convolution": (
        stack((8, 8, 4), CONV, ("Add", {}, [INPUT]), FLATTEN, dense(3)),
        "layer2", None, ("(6, 6, 4)", "(8, 8, 4)")),
    "residual over more filters": (
        stack(IMAGE, ("Conv2D", {"filters": 8, "kernel_size": [3, 3]}), ("Add", {}, [INPUT])),
        "layer2", None, ("(6, 6, 8)", "(8, 8, 3)")),
    "Add of a row and an image": (
        stack(IMAGE, FLATTEN, dense(10), ("Add", {}, [INPUT])),
        "layer3", None, ("10 numbers", "(8, 8, 3)")),
    "Concatenate along the wrong axis": (
        stack(SEQUENCE, ("Cropping1D", {"cropping": [1, 1]}), ("Concatenate", {}, [INPUT])),
        "layer2", "axis", ("(4, 5)", "(6, 5)")),
    "Dot of unlike rows": (
        stack(FLAT, dense(8), dense(4), ("Dot", {"axes": 1}, ["layer1"])),
        "layer3", "axes", ("4 numbers", "8 numbers")),
    "Subtract of one": (
        stack(FLAT, dense(12), ("Subtract",)), "layer2", None, ("two inputs", "one")),
    "Subtract of three": (
        stack(FLAT, dense(12), ("Subtract", {}, [INPUT, INPUT])), "layer2", None, ("two", "3")),
    "Multiply of three of which one is unlike": (
        stack(FLAT, dense(8), dense(4), dense(8), ("Multiply", {}, ["layer1", "layer2"])),
        "layer4", None, ("4 numbers", "8 numbers")),
    "a source below": (
        stack(FLAT, dense(8), ("Add", {}, ["layer3"]), dense(8)),
        "layer2", None, ("add", "dense_1", "not above")),
    # Numbers that cannot be looked up.
    "Embedding of real numbers": (
        stack(FLAT, ("Embedding", {"input_dim": 20, "output_dim": 4}), FLATTEN, dense(3)),
        "layer1", None, ("whole numbers", "real numbers")),
    "a lookup that was not told of any token": (
        stack(TOKENS, ("IntegerLookup", {"output_mode": "multi_hot"})),
        "layer1", "output_mode", ("vocabulary", "multi_hot")),
    "tokens without a vector": (
        stack(TOKENS, ("Embedding", {"input_dim": 30, "output_dim": 4}), LSTM),
        "layer1", "input_dim", ("29", "token 49")),
    "Embedding after Dense": (
        stack(TOKENS, dense(8), ("Embedding", {"input_dim": 30, "output_dim": 4})),
        "layer2", None, ("whole numbers", "8 numbers")),
    "ReversibleEmbedding of real numbers": (
        stack(SEQUENCE, ("ReversibleEmbedding", {"input_dim": 20, "output_dim": 4})),
        "layer1", None, ("whole numbers", "(6, 5)")),
    "hashes of real numbers": (
        stack(FLAT, dense(4), ("Hashing", {"num_bins": 5}), dense(3)),
        "layer2", None, ("whole numbers", "4 numbers")),
    "categories that are not there": (
        stack(TOKENS, ("CategoryEncoding", {"num_tokens": 5}), dense(3)),
        "layer1", "num_tokens", ("0 to 4", "token 49")),
    "more hashes than vectors": (
        stack(TOKENS, ("Hashing", {"num_bins": 5}), ("Embedding", {"input_dim": 3,
                                                                  "output_dim": 2})),
        "layer2", "input_dim", ("0 to 2", "token 4")),
    "rows that are crossed": (
        stack(TOKENS, ("HashedCrossing", {"num_bins": 5}, [INPUT])),
        "layer1", None, ("single number", "6 numbers")),
    "bins without boundaries": (
        stack(FLAT, ("Discretization",)), "layer1", "num_bins", ("bin_boundaries",)),
    # Preprocessing of images.
    "random flip of a sequence": (
        stack(SEQUENCE, ("RandomFlip",)), "layer1", None, ("images", "(6, 5)")),
    "resizing after Flatten": (
        stack("digits", FLATTEN, ("Resizing", {"height": 4, "width": 4})),
        "layer2", None, ("images", "64 numbers")),
    "hue of grey": (
        stack("digits", ("RandomHue", {"factor": 0.2})), "layer1", None, ("3 channels",)),
    "grey of five channels": (
        stack((8, 8, 5), ("RandomGrayscale",)), "layer1", None, ("channel",)),
    # Attention.
    "attention of flat rows": (
        stack(FLAT, dense(6), ("Attention", {}, [INPUT])), "layer2", None, ("sequences", "6 num")),
    "attention to one input": (
        stack(SEQUENCE, dense(4), ("Attention",)), "layer2", None, ("two inputs",)),
    "attention to other features": (
        stack(SEQUENCE, dense(4), ("AdditiveAttention", {}, [INPUT])),
        "layer2", None, ("(6, 4)", "(6, 5)", "features")),
    "grouped attention in images": (
        stack(IMAGE, ("GroupedQueryAttention", {"head_dim": 2, "num_query_heads": 2,
                                                "num_key_value_heads": 1}, [INPUT])),
        "layer1", None, ("sequences", "(8, 8, 3)")),
    "einsum of more axes": (
        stack(SEQUENCE, ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 3})),
        "layer1", "equation", ("ab,bc->ac",)),
    # Wrappers and cells.
    "Bidirectional around Dense": (
        stack(SEQUENCE, ("Bidirectional", {"layer": config("Dense", units=4)})),
        "layer1", "layer", ("recurrent layer", "Dense")),
    "TimeDistributed of a row": (
        stack(FLAT, ("TimeDistributed", {"layer": config("Dense", units=4)})),
        "layer1", None, ("12 numbers",)),
    "TimeDistributed around LSTM": (
        stack(SEQUENCE, ("TimeDistributed", {"layer": config("LSTM", units=4)}), dense(2)),
        "layer1", "layer", ("LSTM", "3 axes", "(6, 5)")),
    "TimeDistributed around a window too large": (
        stack((3, 4, 4, 1),
              ("TimeDistributed", {"layer": config("Conv2D", filters=2, kernel_size=[5, 5])})),
        "layer1", "layer", ("5×5", "4×4", "4 − 5 + 1 = 0")),
    "RNN around Dense": (
        stack(SEQUENCE, ("RNN", {"cell": config("Dense", units=4)})),
        "layer1", "cell", ("a cell", "Dense")),
    # Shared layers.
    "shared with other features": (
        stack(FLAT, dense(8), ("Dense", {}, (), {"shares": "layer1"}), dense(3)),
        "layer2", None, ("12 numbers", "8 numbers")),
    "shared with a layer that is passed by": (
        stack(FLAT, ("Dense", {"units": 8}, (), {"bypassed": True}),
              ("Dense", {}, (), {"shares": "layer1"})),
        "layer2", None, ("shares", "passed by")),
    # Too much.
    "too many parameters": (
        stack("digits", FLATTEN, dense(10**9)), "layer2", None, ("parameters", "5,000,000")),
    "too many parameters after a sequence": (
        stack((60, 60), ("ReLU",), FLATTEN, dense(2000)),
        "layer3", None, ("parameters", "5,000,000")),
    "too many values": (
        stack("digits", ("UpSampling2D", {"size": [100, 100]})),
        "layer1", None, ("values", "16,000,000")),
    # Arguments that do not go together, or are nothing at all.
    "strides and dilation": (
        stack(IMAGE, ("Conv2D", {"filters": 2, "kernel_size": [2, 2], "strides": [2, 2],
                                 "dilation_rate": [2, 2]})),
        "layer1", "strides", ("conv2d", "Strides")),
    "padding that is not implemented": (
        stack(IMAGE, ("LocallyConnected2D", {"filters": 2, "kernel_size": [2, 2],
                                             "padding": "same"})),
        "layer1", "padding", ("valid",)),
    "an activation that is none": (
        stack(FLAT, dense(4, "reluu")), "layer1", "activation", ("reluu",)),
    "an argument that is none": (
        stack(FLAT, dense(-4)), "layer1", "units", ("units", "-4")),
    "noise of another shape": (
        stack(FLAT, ("Dropout", {"rate": 0.5, "noise_shape": [3, 4, 5]})),
        "layer1", "noise_shape", ("noise_shape",)),
    "an initializer for matrices": (
        stack(IMAGE, ("Conv2D", {"filters": 2, "kernel_size": [2, 2],
                                 "kernel_initializer": "identity"})),
        "layer1", None, ("conv2d",)),
    "a function of two": (
        stack(FLAT, ("Lambda", {"function": "matmul"}), dense(2)),
        "layer1", "output_shape", ("lambda",)),
}  # fmt: skip

#: Words and signs that mean something to a programmer only.
JARGON = re.compile(
    r"ndim|None|NoneType|Traceback|object|__|Error|_shape=|dtype|serializ|kwarg|NotImpl|tuple|"
    r"float32|<\w|\w\(\)|`|np\.|self\.|Received"
)


@cache
def seen(name: str) -> Snapshot:
    return Engine().snapshot(BROKEN[name][0])


def problem_of(snapshot: Snapshot) -> Problem | None:
    return next((view.problem for view in snapshot.layers if view.problem is not None), None)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stack_is_understood(name: str) -> None:
    document, guilty, argument, words = BROKEN[name]
    snapshot = seen(name)
    problem = problem_of(snapshot)
    assert problem is not None
    assert problem.layer_id == guilty
    assert problem.argument == argument
    view = snapshot.layer(guilty)
    assert view is not None
    assert view.name in problem.message
    for word in words:
        assert word in problem.message
    assert not JARGON.search(problem.message), problem.message
    index = document.index(guilty)
    assert all(one.output is not None or one.bypassed for one in snapshot.layers[:index])
    assert all(one.output is None and one.problem is None for one in snapshot.layers[index + 1 :])
    assert problem.message in snapshot.sentence


@pytest.mark.parametrize("name", BROKEN)
def test_its_repairs_work(name: str) -> None:
    guilty = BROKEN[name][1]
    problem = problem_of(seen(name))
    assert problem is not None
    assert 1 <= len(problem.fixes) <= 3
    assert len({fix.label for fix in problem.fixes}) == len(problem.fixes)
    broken = []
    for fix in problem.fixes:
        repaired = problem_of(Engine().snapshot(fix.document))
        broken.append(repaired is not None)
        if repaired is not None:
            # A later layer may still be broken, but never this one.
            assert repaired.layer_id != guilty
    assert not broken[0], problem.fixes[0].label
    # Deleting is what one can do without a doctor.
    assert problem.fixes[0].label != f"Delete {seen(name).layer(guilty).name}"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("image layer after Flatten", "Move conv2d above flatten"),
        ("second recurrent layer", "Let lstm return every step"),
        ("kernel larger than the image", "Set padding to same"),
        ("group normalization", "Set groups to 4"),
        ("residual over a convolution", "Pad the layers in between (same)"),
        ("tokens without a vector", "Set input_dim to 50"),
        ("a cell on a sequence", "Use LSTM instead of lstm_cell"),
        ("too many parameters", "Set units to 32768"),
        ("an activation that is none", "Set activation back to none"),
        ("shared with other features", "Give dense its own weights"),
        ("hue of grey", "Insert Conv2D 1×1 with 3 filters"),
        ("attention of flat rows", "Insert Reshape to (6, 1)"),
        ("attention to one input", "Compare the output of dense with itself"),
        ("attention to other features", "Insert Dense with 5 units"),
        ("einsum of more axes", "Set equation to ...b,bc->...c"),
        ("categories that are not there", "Set num_tokens to 50"),
    ],
)
def test_the_best_repair_comes_first(name: str, best: str) -> None:
    problem = problem_of(seen(name))
    assert problem is not None
    assert problem.fixes[0].label == best


# --- every layer, everywhere --------------------------------------------------------------------

PLACES: dict[str, Document] = {
    "dense": stack(FLAT, dense(6)),
    "image": stack(IMAGE),
    "sequence": stack(SEQUENCE),
    "volume": stack(VOLUME),
    "tokens": stack(TOKENS),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("class_name", sorted(layerscope_catalogue().layers))
def test_every_layer_anywhere_gives_a_picture_or_a_plain_reason(
    class_name: str, place: str
) -> None:
    document = edits.add_layer(PLACES[place], class_name)
    layer = document.layers[-1]
    if takes_several_inputs(layerscope_catalogue().layers[class_name]):
        document = edits.set_sources(document, layer.id, [INPUT])
    snapshot = Engine().snapshot(document)
    view = snapshot.layers[-1]
    assert (view.output is None) == (view.problem is not None)
    outline = dry_run(document)
    if view.problem is None:
        assert outline.problem is None
        assert outline.shape(layer.id) == view.output_shape
        assert view.health in ("ok", "warn", "bad")
        return
    assert outline.problem is not None
    assert outline.problem.message == view.problem.message
    assert view.name in view.problem.message
    assert not JARGON.search(view.problem.message), view.problem.message
    assert view.problem.fixes
    best = view.problem.fixes[0]
    assert problem_of(Engine().snapshot(best.document)) is None, best.label


@pytest.mark.parametrize("invert", [False, True])
def test_of_words_there_is_no_picture(invert: bool) -> None:
    layer: Row = ("StringLookup", {"vocabulary": ["a", "b"], "invert": invert})
    problem = problem_of(Engine().snapshot(stack(TOKENS, layer, dense(3))))
    assert problem is not None
    assert problem.message == dry_run(stack(TOKENS, layer)).problem.message  # type: ignore[union-attr]
    assert ("gives words" if invert else "needs words") in problem.message
    assert [fix.label for fix in problem.fixes] == ["Delete string_lookup"]


@pytest.mark.parametrize("class_name", sorted(layerscope_catalogue().layers))
def test_a_dry_run_knows_which_numbers_stay_whole(class_name: str) -> None:
    document = edits.add_layer(PLACES["tokens"], class_name)
    layer = document.layers[-1]
    steps = Engine().snapshot(document).stack.steps
    if steps and steps[0].output.dtype.kind in "iub":
        place = dry_run(document).places[layer.id]
        assert place.whole
        assert place.largest is None or place.largest >= steps[0].output.max()


def test_a_dry_run_allocates_nothing() -> None:
    huge = stack(FLAT, dense(400_000), dense(1))
    dry_run(huge)
    tracemalloc.start()
    outline = dry_run(huge)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outline.problem is not None
    assert peak < 300_000


def test_a_dry_run_is_what_the_engine_finds() -> None:
    for document in (presets.why_did_it_die(), presets.digits_stack()):
        snapshot = Engine().snapshot(document)
        outline = dry_run(document)
        assert outline.problem is None
        assert [outline.shape(view.id) for view in snapshot.layers] == [
            view.output_shape for view in snapshot.layers
        ]


def test_an_empty_stack_and_a_bypassed_layer_have_no_problem() -> None:
    assert dry_run(Document()).problem is None
    passed = stack(FLAT, ("Conv2D", {"filters": 2, "kernel_size": [2, 2]}, (), {"bypassed": True}))
    assert dry_run(passed).problem is None


def test_messages_lose_what_only_a_programmer_reads() -> None:
    words = plain("Layer `x` got (None, 8). Received: input_shape=[(None, 8)]")
    assert words == "Layer x got (8)."


def test_a_gradient_finds_its_way_around_a_bypassed_source() -> None:
    add = ("Add", {}, ["layer2"])
    passed = ("Dense", {"units": 8}, (), {"bypassed": True})
    around = Engine().snapshot(stack(FLAT, dense(8), passed, dense(8), add)).stack
    direct = Engine().snapshot(stack(FLAT, dense(8), ("Identity",), dense(8), add)).stack
    found, known = (one.gradients["layer1"].weights[0] for one in (around, direct))
    assert found is not None
    assert known is not None
    np.testing.assert_allclose(found, known, rtol=1e-5)


def test_a_softmax_along_another_axis_has_a_picture_without_a_curve() -> None:
    view = Engine().snapshot(stack(SEQUENCE, ("Softmax", {"axis": 2}))).layers[0]
    assert view.problem is None
    assert view.output is not None
    assert Engine().snapshot(stack(SEQUENCE, ("Softmax", {"axis": 1}))).layers[0].output is not None


#: Values that no form would let through, but a shared link might bring.
ODD = (
    None, True, 0, -1, 0.5, 100, "same", "relu", [], [0], [2, 2], [[1, 1], [5, 5]],
    {"class_name": "LSTM", "config": {"units": 3}}, {"class_name": "Nope", "config": {}},
)  # fmt: skip


@pytest.mark.parametrize("class_name", sorted(layerscope_catalogue().layers))
def test_no_argument_makes_the_engine_raise(class_name: str) -> None:
    draw = random.Random(class_name)
    arguments = starting_values(layerscope_catalogue().layers[class_name])
    names = [one.name for one in fields_of(layerscope_catalogue().layers[class_name])]
    for name in draw.sample(names, min(len(names), 5)):
        if name in ("name", "dtype"):
            continue
        value = draw.choice(ODD)
        place = draw.choice((FLAT, SEQUENCE, IMAGE, VOLUME, TOKENS))
        snapshot = Engine().snapshot(stack(place, (class_name, {**arguments, name: value})))
        view = snapshot.layers[0]
        assert (view.output is None) == (view.problem is not None)
        assert view.problem is None or view.problem.fixes
