"""The rules of health on stacks that a person who knows labelled, healthy ones among them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from layerscope_explorer import edits, presets
from layerscope_explorer.codec import to_json
from layerscope_explorer.data import data_of
from layerscope_explorer.diagnosis.dry_run import dry_run
from layerscope_explorer.diagnosis.health import DEAD_BAD, DEAD_WARN, FADED, Judgement, judge
from layerscope_explorer.diagnosis.readings import alike, measured, own_slopes, reading_of
from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.session import Session
from layerscope_explorer.snapshot import Snapshot
from stacks import Row, constant, dense, normal, stack

FLAT: Row = ("Flatten",)
END = dense(10, "softmax")
TOKENS = {"data": "tokens", "shape": [12], "vocabulary": 50}
WAVES = {"data": "waves", "shape": [16, 4]}
BIAS = constant(-2.0)


def config(class_name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": arguments}


def deep(count: int, *row: Any, data: str = "digits", end: Row = END, **more: Any) -> Document:
    return stack(data, FLAT, *[dense(64, *row, **more)] * count, end)


def conv(filters: int, **more: Any) -> Row:
    arguments = {"filters": filters, "kernel_size": [3, 3], "activation": "relu", **more}
    return "Conv2D", arguments


def lstm(units: int, sequences: bool = True, **more: Any) -> Row:
    return "LSTM", {"units": units, "return_sequences": sequences, **more}


def uniform(reach: float) -> dict[str, Any]:
    return config("RandomUniform", minval=-reach, maxval=reach)


def residual(blocks: int) -> Document:
    rows: list[Row] = [FLAT, dense(64, "relu", "he_normal")]
    for block in range(blocks):
        source = "layer2" if block == 0 else f"layer{2 + 3 * block}"
        rows += [dense(64, "relu", "he_normal"), dense(64), ("Add", {}, [source])]
    return stack("digits", *rows, END)


@dataclass(frozen=True)
class Case:
    """A stack, what is wrong with it, and what else may rightly be said of it."""

    document: Document
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


def ill(document: Document, must: str, may: str = "") -> Case:
    return Case(document, frozenset(must.split()), frozenset(may.split()))


#: Rules by what they speak of.
KINDS = {
    "faded": "fading", "fading": "fading", "little": "fading", "slow": "fading",
    "exploded": "exploding", "growing": "exploding", "amplifies": "exploding",
    "silent": "constant", "constant": "constant", "silent_above": "constant",
    "adds_nothing": "branch", "nonfinite": "nonfinite", "duplicates": "duplicates",
    "one_share": "one_share", "dead": "dead", "saturated": "saturated", "sharp": "saturated",
    "unvaried": "unvaried", "drops_all": "dropout", "drops_most": "dropout",
    "drops_nothing": "dropout", "gradient_gone": "vanishing_gradient",
    "gradient_weak": "vanishing_gradient", "gradient_blocked": "vanishing_gradient",
    "gradient_wild": "exploding_gradient", "gradient_strong": "exploding_gradient",
    "gradient_nonfinite": "nonfinite",
}  # fmt: skip

HEALTHY: dict[str, Document] = {
    "digits CNN": presets.digits_stack(),
    "digits CNN with He": stack(
        "digits", conv(16, kernel_initializer="he_normal"), ("MaxPooling2D",),
        conv(32, kernel_initializer="he_normal", padding="same"), ("GlobalAveragePooling2D",), END),
    "logistic regression": stack("digits", FLAT, END),
    "logits at the end": stack("digits", FLAT, dense(64, "relu", "he_normal"), dense(10)),
    "Glorot and tanh, 8 deep": deep(8, "tanh"),
    "Glorot and tanh, 4 deep": deep(4, "tanh"),
    "He and ReLU, 3 deep": deep(3, "relu", "he_normal"),
    "He and ReLU, 8 deep": deep(8, "relu", "he_normal"),
    "He and ReLU, 12 deep": deep(12, "relu", "he_uniform"),
    "Glorot and ReLU, 2 deep": deep(2, "relu"),
    "Glorot and sigmoid, 1 deep": deep(1, "sigmoid"),
    "Glorot and sigmoid, 2 deep": deep(2, "sigmoid"),
    "LeCun and SELU, 10 deep": deep(10, "selu", "lecun_normal"),
    "GELU with He": deep(4, "gelu", "he_normal"),
    "SiLU with He": deep(4, "silu", "he_normal"),
    "ELU with He": deep(5, "elu", "he_normal"),
    "orthogonal tanh": deep(6, "tanh", "orthogonal"),
    "BatchNorm MLP": stack(
        "digits", FLAT, *[dense(64), ("BatchNormalization",), ("ReLU",)] * 4, END),
    "BatchNorm mends tiny weights": stack(
        "digits", FLAT, *[dense(64, None, normal(0.05)), ("BatchNormalization",), ("ReLU",)] * 3,
        END),
    "LayerNorm MLP": stack(
        "digits", FLAT, *[dense(64, "gelu"), ("LayerNormalization",)] * 4, END),
    "residual MLP": residual(4),
    "dropout MLP": stack(
        "digits", FLAT, *[dense(128, "relu", "he_normal"), ("Dropout", {"rate": 0.5})] * 2, END),
    "Gaussian noise": stack(
        "digits", ("GaussianNoise", {"stddev": 0.1}), FLAT, dense(32, "tanh"), END),
    "leaky": deep(6, "leaky_relu", "he_normal"),
    "PReLU": stack("digits", FLAT, *[dense(64, None, "he_normal"), ("PReLU",)] * 3, END),
    "one LSTM": stack(WAVES, lstm(32, False), dense(1)),
    "two LSTMs": stack(WAVES, lstm(32), lstm(32, False), dense(5, "softmax")),
    "three LSTMs": stack(WAVES, lstm(32), lstm(32), lstm(32, False), dense(1)),
    "bidirectional LSTM": stack(
        WAVES, ("Bidirectional", {"layer": config("LSTM", units=16)}), dense(1, "sigmoid")),
    "SimpleRNN": stack(WAVES, ("SimpleRNN", {"units": 32}), dense(1)),
    "embedding and GRU": stack(
        TOKENS, ("Embedding", {"input_dim": 50, "output_dim": 16}), ("GRU", {"units": 16}),
        dense(1, "sigmoid")),
    "embedding and pooling": stack(
        TOKENS, ("Embedding", {"input_dim": 50, "output_dim": 16}), ("GlobalAveragePooling1D",),
        dense(16, "relu"), dense(1, "sigmoid")),
    "Conv1D on waves": stack(
        WAVES, ("Conv1D", {"filters": 16, "kernel_size": [3], "activation": "relu"}),
        ("MaxPooling1D",), ("Conv1D", {"filters": 16, "kernel_size": [3], "activation": "relu"}),
        ("GlobalMaxPooling1D",), dense(3, "softmax")),
    "ConvLSTM": stack(
        (4, 8, 8, 1), ("ConvLSTM2D", {"filters": 4, "kernel_size": [3, 3]}), FLAT, dense(1)),
    "autoencoder": stack(
        "digits", FLAT, dense(32, "relu"), dense(8, "relu"), dense(32, "relu"), dense(64)),
    "separable CNN": stack(
        "digits", ("SeparableConv2D", {"filters": 16, "kernel_size": [3, 3], "activation": "relu"}),
        ("GlobalAveragePooling2D",), END),
    "wide He": stack("digits", FLAT, dense(512, "relu", "he_normal"), END),
    "zero end": stack(
        "digits", FLAT, dense(64, "relu", "he_normal"), dense(10, "softmax", "zeros")),
    "regression on noise": stack((20,), dense(32, "relu", "he_normal"), dense(1)),
    "small biases": deep(2, "relu", "he_normal", bias_initializer=constant(0.1)),
    "inference": replace(presets.digits_stack(), phase="inference"),
    "wide and deep": stack("digits", FLAT, *[dense(256, "relu", "he_normal")] * 5, END),
    "BatchNorm CNN": stack(
        "digits",
        *[("Conv2D", {"filters": 16, "kernel_size": [3, 3], "padding": "same"}),
          ("BatchNormalization",), ("ReLU",)] * 3,
        ("GlobalAveragePooling2D",), END),
    "every step": stack(
        WAVES, ("Bidirectional", {"layer": config("GRU", units=16, return_sequences=True)}),
        ("TimeDistributed", {"layer": config("Dense", units=4)})),
    "tanh, 12 deep": deep(12, "tanh"),
    "two GRUs": stack(
        WAVES, ("GRU", {"units": 32, "return_sequences": True}), ("GRU", {"units": 32}), dense(1)),
    "softplus": deep(3, "softplus"),
    "embedding and LSTM": stack(
        TOKENS, ("Embedding", {"input_dim": 50, "output_dim": 32}), lstm(32, False),
        dense(16, "relu"), dense(1, "sigmoid")),
    "CNN on noise": stack(
        (16, 16, 3), conv(16), conv(16), ("MaxPooling2D",), conv(32), ("GlobalAveragePooling2D",),
        dense(3, "softmax")),
    "CNN with He, 7 deep": stack(
        "digits", *[conv(16, padding="same", kernel_initializer="he_normal")] * 7,
        ("GlobalAveragePooling2D",), END),
    "depthwise": stack(
        "digits", ("DepthwiseConv2D", {"kernel_size": [3, 3], "activation": "relu"}), conv(8),
        FLAT, END),
    "locally connected": stack(
        "digits",
        ("LocallyConnected2D", {"filters": 4, "kernel_size": [3, 3], "activation": "relu"}),
        FLAT, END),
    "two branches": stack("digits", FLAT, dense(32, "relu"), ("Concatenate", {}, ["layer1"]), END),
    "similarity": stack((16,), dense(8), dense(8), ("Dot", {"axes": 1}, ["layer1"])),
    "gate": stack(
        (16,), dense(16, "tanh"), dense(16, "sigmoid"), ("Multiply", {}, ["layer1"]), dense(2)),
    "sigmoid, 4 deep": deep(4, "sigmoid"),
    "tanh with He": deep(6, "tanh", "he_normal"),
    "ReLU with LeCun": deep(4, "relu", "lecun_normal"),
    "biases of -1": deep(2, "relu", "he_normal", bias_initializer=constant(-1.0)),
    "long recurrence": stack(
        {"data": "waves", "shape": [60, 2]},
        ("SimpleRNN", {"units": 32, "return_sequences": True}), ("SimpleRNN", {"units": 32}),
        dense(1)),
    "unit lengths": stack("digits", FLAT, dense(32, "relu"), ("UnitNormalization",), END),
    "Gaussian dropout": stack(
        "digits", FLAT, dense(32, "relu", "he_normal"), ("GaussianDropout", {"rate": 0.3}), END),
    "self-normalizing with dropout": stack(
        "digits", FLAT,
        *[dense(64, "selu", "lecun_normal"), ("AlphaDropout", {"rate": 0.1})] * 4, END),
    "group normalization": stack(
        "digits", conv(8), ("GroupNormalization", {"groups": 4}), FLAT, END),
    "decoder": stack(
        (16,), dense(64, "relu"), ("Reshape", {"target_shape": [4, 4, 4]}), ("UpSampling2D",),
        conv(8, padding="same"), conv(1, padding="same", activation="sigmoid")),
}  # fmt: skip

ILL: dict[str, Case] = {
    "tiny weights, tanh": ill(presets.why_did_it_die(), "fading", "constant vanishing_gradient"),
    "tiny weights, relu": ill(
        deep(8, "relu", normal(0.01)), "fading", "constant vanishing_gradient"),
    "tiny weights, 3 deep": ill(
        deep(3, "tanh", normal(0.01)), "fading", "constant vanishing_gradient"),
    "one tiny layer": ill(
        stack("digits", FLAT, dense(64, "tanh"), dense(64, "tanh", normal(1e-4)), END), "fading",
        "constant vanishing_gradient"),
    "Glorot and ReLU, 8 deep": ill(deep(8, "relu"), "fading"),
    "Glorot and ReLU, 12 deep": ill(deep(12, "relu"), "fading", "constant vanishing_gradient"),
    "tiny CNN": ill(
        stack("digits", *[conv(16, kernel_initializer=normal(0.005), padding="same")] * 4,
              ("GlobalAveragePooling2D",), END), "fading", "constant vanishing_gradient"),
    "sd 1, relu, 10 deep": ill(
        deep(10, "relu", normal(1.0)), "exploding", "exploding_gradient saturated"),
    "sd 1, linear, 6 deep": ill(
        deep(6, "linear", normal(1.0)), "exploding", "exploding_gradient saturated"),
    "sd 20 at the end": ill(
        stack("digits", FLAT, dense(64, "relu"), dense(10, "softmax", normal(20.0))), "saturated",
        "exploding_gradient"),
    "ones everywhere": ill(
        deep(6, "relu", "ones"), "duplicates exploding",
        "exploding_gradient saturated dead vanishing_gradient"),
    "sd 1e30": ill(
        stack("digits", FLAT, dense(8, "relu", normal(1e30)), dense(8, "relu", normal(1e30)), END),
        "nonfinite exploding", "saturated exploding_gradient"),
    "bias -2": ill(
        deep(3, "relu", "he_normal", bias_initializer=BIAS), "dead",
        "fading constant vanishing_gradient"),
    "bias -9 in one layer": ill(
        stack("digits", FLAT, dense(64, "relu", "he_normal", bias_initializer=constant(-9.0)),
              dense(64, "relu", "he_normal"), END), "dead",
        "constant vanishing_gradient"),
    "dead ReLU layer": ill(
        stack("digits", FLAT, dense(64, None, bias_initializer=constant(-20.0)), ("ReLU",), END),
        "dead", "constant vanishing_gradient"),
    "dead filters": ill(
        stack("digits", conv(16, bias_initializer=constant(-6.0)), FLAT, END), "dead",
        "fading constant vanishing_gradient"),
    "saturated tanh": ill(deep(3, "tanh", normal(3.0)), "saturated", "exploding_gradient"),
    "saturated sigmoid": ill(
        deep(2, "sigmoid", normal(5.0)), "saturated", "exploding_gradient vanishing_gradient"),
    "saturated by its bias": ill(
        deep(1, "sigmoid", bias_initializer=constant(12.0)), "saturated",
        "constant vanishing_gradient"),
    "sigmoid, 8 deep": ill(deep(8, "sigmoid"), "vanishing_gradient", "constant fading"),
    "sigmoid, 12 deep": ill(deep(12, "sigmoid"), "vanishing_gradient constant", "fading"),
    "zeros everywhere": ill(
        deep(3, "tanh", "zeros"), "constant", "duplicates vanishing_gradient dead"),
    "zeros and relu": ill(
        deep(2, "relu", "zeros"), "constant", "duplicates vanishing_gradient dead"),
    "zeros with biases": ill(
        deep(2, "relu", "zeros", bias_initializer=constant(0.5), end=dense(10, "softmax", "zeros")),
        "constant", "duplicates vanishing_gradient"),
    "all the same": ill(
        deep(2, "tanh", constant(0.02), end=dense(10, "softmax", constant(0.02))), "duplicates",
        "constant vanishing_gradient fading saturated"),
    "same filters": ill(
        stack("digits", conv(8, kernel_initializer=constant(0.1)), ("GlobalAveragePooling2D",),
              dense(10, "softmax", constant(0.1))), "duplicates", "constant vanishing_gradient"),
    "same gates": ill(
        stack(WAVES, ("SimpleRNN", {"units": 8, "kernel_initializer": constant(0.1),
                                    "recurrent_initializer": constant(0.1)}),
              dense(4, None, constant(0.1))), "duplicates", "vanishing_gradient"),
    "softmax over one": ill(
        stack("digits", FLAT, dense(32, "relu"), dense(1, "softmax")), "one_share",
        "constant vanishing_gradient"),
    "softmax layer over one": ill(
        stack((12,), dense(1), ("Softmax",)), "one_share", "constant vanishing_gradient"),
    "dropout of all": ill(
        stack("digits", FLAT, dense(64, "relu"), ("Dropout", {"rate": 1.0}), END), "dropout",
        "constant vanishing_gradient"),
    "dropout of nearly all": ill(
        stack("digits", FLAT, dense(64, "relu"), ("Dropout", {"rate": 0.95}), END), "dropout"),
    "dropout of nothing": ill(
        stack("digits", FLAT, dense(64, "relu"), ("Dropout", {"rate": 0.0}), END), "dropout"),
    "BatchNorm of a constant": ill(
        stack("digits", FLAT, dense(64, None, "zeros"), ("BatchNormalization",), ("ReLU",), END),
        "unvaried constant", "dead vanishing_gradient exploding_gradient duplicates"),
    "BatchNorm of next to nothing": ill(
        stack("digits", FLAT, dense(64, None, normal(1e-5)), ("BatchNormalization",), END),
        "unvaried fading", "constant vanishing_gradient exploding_gradient"),
    "LayerNorm of one": ill(
        stack((12,), dense(1), ("LayerNormalization",), dense(4)), "constant",
        "vanishing_gradient unvaried"),
    "huge input weights": ill(
        stack("digits", FLAT, dense(64, "relu", normal(50.0)), END), "exploding",
        "saturated exploding_gradient"),
    "deep linear, too small": ill(
        deep(10, "linear", normal(0.03)), "fading", "vanishing_gradient constant"),
    "sd 1 on noise": ill(
        stack((64,), *[dense(64, "relu", normal(1.0))] * 8, dense(4)),
        "exploding exploding_gradient"),
    "SiLU with Glorot": ill(deep(6, "silu"), "fading"),
    "CNN with Glorot, 7 deep": ill(
        stack("digits", *[conv(16, padding="same")] * 7, ("GlobalAveragePooling2D",), END),
        "fading"),
    "sigmoid, 6 deep": ill(deep(6, "sigmoid"), "vanishing_gradient", "constant"),
    "sd 0.02, 6 deep": ill(
        deep(6, "relu", normal(0.02)), "fading", "constant vanishing_gradient"),
    "uniform in ±1": ill(deep(3, "tanh", uniform(1.0)), "saturated"),
    "uniform in ±0.05, 5 deep": ill(
        deep(5, "relu", uniform(0.05)), "fading", "constant vanishing_gradient"),
    "tanh with biases of 5": ill(
        deep(2, "tanh", bias_initializer=constant(5.0)), "saturated",
        "constant vanishing_gradient"),
    "ReLU with biases of -4": ill(
        deep(1, "relu", "he_normal", bias_initializer=constant(-4.0)), "dead", "fading"),
    "one layer of zeros": ill(
        stack("digits", FLAT, dense(32, "tanh", "zeros"), END), "constant", "vanishing_gradient"),
    "saturated recurrence": ill(
        stack(WAVES, ("SimpleRNN", {"units": 32, "kernel_initializer": normal(3.0)}), dense(1)),
        "saturated"),
    "slowly exploding": ill(
        deep(10, "linear", normal(0.3)), "exploding", "exploding_gradient saturated"),
    "a branch of zeros": ill(
        stack("digits", FLAT, dense(64, "relu", "he_normal"), dense(64, "relu", "he_normal"),
              dense(64, None, "zeros"), ("Add", {}, ["layer2"]), END),
        "branch", "vanishing_gradient"),
    "tiny LSTM": ill(
        stack(WAVES, lstm(16, True, kernel_initializer=normal(1e-6),
                          recurrent_initializer="zeros"), dense(8, "tanh", normal(1e-3)), dense(1)),
        "fading", "constant vanishing_gradient"),
}  # fmt: skip

CASES: dict[str, Case] = {**{name: Case(one) for name, one in HEALTHY.items()}, **ILL}


@cache
def judged(name: str) -> tuple[Snapshot, Judgement]:
    return look(CASES[name].document)


def look(document: Document) -> tuple[Snapshot, Judgement]:
    engine = Engine()
    snapshot = engine.snapshot(document)
    readings = {one.step.spec.id: one.reading for one in engine._done.values()}
    return snapshot, judge(snapshot.stack, snapshot.layers, readings)


def kinds(judgement: Judgement) -> frozenset[str]:
    return frozenset(KINDS[finding.rule] for finding in judgement.findings)


def test_there_are_enough_of_both() -> None:
    assert len(HEALTHY) >= 40
    assert len(ILL) >= 35


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_stacks_are_left_alone(name: str) -> None:
    snapshot, judgement = judged(name)
    assert not judgement.findings
    assert {view.health for view in snapshot.layers} == {"ok"}


@pytest.mark.parametrize("name", ILL)
def test_ill_stacks_are_named(name: str) -> None:
    case = CASES[name]
    found = kinds(judged(name)[1])
    assert case.must <= found
    assert found <= case.must | case.may


def test_precision_and_recall(capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong = Counter[str](), Counter[str]()
    named, known = Counter[str](), Counter[str]()
    for name, case in CASES.items():
        found = kinds(judged(name)[1])
        right.update(found & case.must)
        wrong.update(found - case.must - case.may)
        named.update(found)
        known.update(case.must)
    with capsys.disabled():
        print(f"\n{len(CASES)} stacks, {len(HEALTHY)} of them healthy")
        for kind in sorted(set(KINDS.values())):
            precision = 1 - wrong[kind] / max(named[kind], 1)
            recall = right[kind] / max(known[kind], 1)
            print(
                f"{kind:20} named {named[kind]:3}, precision {precision:4.0%}; "
                f"labelled {known[kind]:3}, recall {recall:4.0%}"
            )
    assert set(known) == set(KINDS.values())
    assert sum(wrong.values()) == 0
    assert right == known


# --- cures --------------------------------------------------------------------------------------

#: Where one cure is enough, what the best of the worst layer's is called; and where only naming the
#: layer helps, because a person has to decide.
BEST = {
    "tiny weights, tanh": "Use Glorot for the 8 tanh layers",
    "tiny weights, relu": "Use He for the 8 relu layers",
    "Glorot and ReLU, 8 deep": "Use He for the 8 relu layers",
    "sd 1, relu, 10 deep": "Use He for the 10 relu layers",
    "bias -2": "Start the biases of 3 layers at zero",
    "dropout of all": "Set rate to 0.2",
    "softmax layer over one": "Delete softmax",
    "softmax over one": "Set units to 10",
    "same filters": "Use Glorot and He for conv2d + dense",
}


@pytest.mark.parametrize("name", ILL)
def test_the_best_cure_cures(name: str) -> None:
    snapshot, judgement = judged(name)
    assert snapshot.cure is not None
    assert snapshot.cure.label in snapshot.sentence
    after = look(snapshot.cure.document)[1]
    worst = {"ok": 0, "warn": 1, "bad": 2}
    before = [worst[one.health] for one in judgement.findings]
    left = [worst[one.health] for one in after.findings]
    # Nothing is broken any more, and what the stack was ill of is gone.
    assert max(left, default=0) < 2
    assert sum(left) < sum(before)
    assert not CASES[name].must & kinds(after)


@pytest.mark.parametrize("name", BEST)
def test_the_best_cure_has_a_plain_name(name: str) -> None:
    cure = judged(name)[0].cure
    assert cure is not None
    assert cure.label == BEST[name]


@pytest.mark.parametrize("name", ILL)
def test_every_cure_is_a_stack_that_works(name: str) -> None:
    tried = [CASES[name].document]
    for view in judged(name)[0].layers:
        assert len(view.cures) <= 3
        assert (view.health in ("warn", "bad")) >= bool(view.cures)
        for cure in view.cures:
            assert cure.document != CASES[name].document
            # Layers that are ill of the same are offered the same.
            if cure.document not in tried:
                tried.append(cure.document)
                assert dry_run(cure.document).problem is None


def test_dead_units_can_also_leak() -> None:
    view = judged("bias -2")[0].layers[1]
    assert [cure.label for cure in view.cures][1] == "Use leaky_relu for the 3 relu layers"
    after = look(view.cures[1].document)[1]
    assert "dead" not in kinds(after)


def test_a_trained_stack_is_still_healthy() -> None:
    session = Session()
    session.set_json(to_json(presets.digits_stack()))
    session.set_training("epochs", 5)
    session.train()
    until = time.monotonic() + 60
    while session.training.status == "running" and time.monotonic() < until:
        time.sleep(0.02)
        session.tick()
    assert session.training.status == "finished"
    assert {view.health for view in session.snapshot.layers} == {"ok"}
    session.close()


# --- the opening demo ---------------------------------------------------------------------------


def test_the_opening_stack_is_told_and_cured() -> None:
    snapshot, _ = judged("tiny weights, tanh")
    marks = Counter(view.health for view in snapshot.layers)
    assert marks["bad"] == 5
    assert snapshot.sentence == (
        "Signal falls from 1 to 1.9e-09 over 8 layers: RandomNormal with stddev 0.01 is too small "
        "for tanh. Try: Use Glorot for the 8 tanh layers."
    )
    assert snapshot.cure is not None
    cured = Engine().snapshot(snapshot.cure.document)
    assert {view.health for view in cured.layers} == {"ok"}
    assert cured.cure is None
    # The same with ReLU and Glorot is amber, and He is offered.
    rectified = snapshot.cure.document
    for layer in rectified.layers[1:9]:
        rectified = edits.set_argument(rectified, layer.id, "activation", "relu")
    amber = Engine().snapshot(rectified)
    assert {view.health for view in amber.layers} == {"ok", "warn"}
    assert amber.cure is not None
    assert amber.cure.label == "Use He for the 8 relu layers"


def test_a_stack_that_ends_in_something_else_is_told_how_to_end() -> None:
    for document, label in (
        (stack("digits", FLAT, dense(64, "relu")), "10 units, softmax"),
        (stack("digits", conv(8)), "Add Flatten and Dense with 10 units, softmax"),
        (stack("digits", conv(8), END), "Insert Flatten before dense"),
        (
            stack("digits", ("Reshape", {"target_shape": [8, 8]}), lstm(4, False)),
            "Add Dense with 10 units, softmax",
        ),
    ):
        snapshot = Engine().snapshot(document)
        assert "need 10 numbers" in snapshot.sentence
        assert snapshot.cure is not None
        assert snapshot.cure.label == label
        ended = Engine().snapshot(snapshot.cure.document)
        assert ended.layers[-1].output_shape == (None, 10)
        assert ended.loss is not None


def test_a_broken_stack_tells_its_best_repair() -> None:
    snapshot = Engine().snapshot(stack("digits", FLAT, conv(4), FLAT, END))
    assert snapshot.cure is not None
    assert snapshot.sentence.startswith("conv2d needs images")
    assert snapshot.sentence.endswith("Try: Move conv2d above flatten.")


# --- measures -----------------------------------------------------------------------------------


def test_thresholds_are_ordered() -> None:
    assert DEAD_WARN < DEAD_BAD
    assert FADED < 1


def test_measures_are_those_of_the_numbers() -> None:
    values = np.array([[3.0, 4.0], [-3.0, 4.0]], np.float32)
    rms, varying, finite = measured(values)
    assert rms == pytest.approx(np.sqrt(12.5))
    assert varying == pytest.approx(np.sqrt(4.5))
    assert finite
    assert measured(np.array([[np.nan, 1.0]]))[2] is False
    far = 1e4 + 1e-3 * np.arange(4.0).reshape(4, 1)
    assert measured(far)[1] == pytest.approx(far.std())
    assert measured(np.full((5, 3), 1e6))[1] == 0.0
    for odd in (np.zeros((0, 3)), np.array(["a"]), np.ones((3, 2, 2), bool)):
        assert np.isfinite(measured(odd)[0])


def test_units_are_alike_only_if_all_their_weights_are() -> None:
    def share(*row: Any) -> float:
        return alike(Engine().snapshot(stack((6, 3), row)).stack.steps[0].layer)

    assert share("Dense", {"units": 4, "kernel_initializer": "zeros"}) == 1.0
    assert share("Dense", {"units": 4}) == 0.0
    assert share("Dense", {"units": 1, "kernel_initializer": "zeros"}) == 0.0
    # The recurrent weights tell the units apart.
    assert share("LSTM", {"units": 4, "kernel_initializer": "zeros"}) == 0.0


def test_judging_changes_health_only() -> None:
    snapshot = Engine().snapshot(deep(32, "tanh", normal(0.01)))
    readings = {one.spec.id: reading_of(one, 0.0, own_slopes(one)) for one in snapshot.stack.steps}
    again = judge(snapshot.stack, snapshot.layers, readings)
    for before, after in zip(snapshot.layers, again.views, strict=True):
        assert after.output is before.output
        assert after.weights is before.weights


def test_every_layer_is_judged_on_every_data() -> None:
    for arguments in (TOKENS, WAVES):
        assert data_of(arguments).sample.size
        for row in (("Flatten",), ("Identity",), ("Masking",)):
            view = Engine().snapshot(stack(arguments, row)).layers[0]
            assert view.health == "ok"
