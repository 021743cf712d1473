"""The benchmark's own arithmetic, and its cases, without any peer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import layerscope as ls
from peers import keras_like, report, results, sweeps
from peers.accuracy import Errors
from peers.cases import CASES, LAYERS, TASKS, Case, chosen
from peers.checking import distance, problem_of
from peers.data import Data
from peers.layerscope_driver import Driver
from peers.limits import Limits
from peers.prepared import Prepared
from peers.processes import processes
from peers.results import Result, geometric_mean, ratios, share, table_of
from peers.rounds import time_cases, work_of
from peers.timing import median_of_calls

SMALL = [case for case in LAYERS if sum(map(math.prod, case.inputs)) < 5000]


def result(case: str, backend: str, *rounds: float, mode: str = "forward") -> Result:
    return Result(case, "family", mode, backend, list(rounds))


def test_the_figure_is_the_least_of_the_medians() -> None:
    one = result("a", "torch", 3.0, 2.0, 9.0)
    assert (one.best, one.median, one.noisy) == (2.0, 3.0, True)
    assert not result("a", "torch", 2.0, 4.0).noisy


def test_the_ratio_is_to_the_fastest_peer() -> None:
    table = table_of(
        [
            result("a", "layerscope", 3.0),
            result("a", "torch", 6.0, 4.0),
            result("a", "keras-jax", 2.0),
            result("b", "layerscope", 1.0),
            result("b", "torch", 2.0),
            result("c", "layerscope", 1.0),
            result("c", "torch"),
            result("a", "layerscope", 1.0, mode="both"),
        ]
    )
    found = ratios(table, "forward")
    assert found == {"a": 1.5, "b": 0.5}
    assert geometric_mean(list(found.values())) == pytest.approx(0.75**0.5)
    assert share(list(found.values()), 1.0) == 0.5
    assert ratios(table, "both") == {}


def test_reports_name_noise_ratios_and_shares() -> None:
    found = [result("a", "layerscope", 10.0, 30.0), result("a", "torch", 20.0)]
    table = table_of(found)
    row = report.times(table, ["layerscope", "torch", "keras-tf"], None).splitlines()[1].split()
    assert row == ["a", "forward", "10", "(20)†", "20", "(20)", "–", "0.50", "torch"]
    assert report.summary(table).splitlines()[-1].split() == ["share", "<=", "1.5", "100%"]
    earlier = table_of([result("a", "layerscope", 40.0)])
    assert "0.25†" in report.against(table, earlier, ["layerscope", "torch"])


def test_files_keep_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    first, second = result("a", "torch", 1.0, 2.0), result("b", "torch", 3.0)
    results.save(path, [first], {"threads": 2})
    results.save(path, [second], {"rounds": 1}, keep=True)
    assert results.load(path) == ([first, second], {"threads": 2, "rounds": 1})
    again = result("a", "torch", 5.0)
    results.save(path, [again], {}, keep=True)
    assert results.load(path)[0] == [second, again]
    results.save(path, [again], {})
    assert results.load(path)[0] == [again]


def test_a_limit_is_the_slower_of_computing_and_moving() -> None:
    limits = Limits(100.0, {1000: 50.0, 10_000: 10.0})
    assert limits.microseconds(1e6, 0.0) == pytest.approx(10.0)
    assert limits.microseconds(0.0, 900) == pytest.approx(0.018)
    assert limits.microseconds(1e3, 5000) == pytest.approx(0.5)
    assert limits.microseconds(0.0, 3000) == pytest.approx(0.06)
    assert limits.reached(1e6, 900, 20.0) == "50 GFLOP/s  50%"
    assert limits.reached(0.0, 900, 0.018) == "50 GB/s 100%"
    assert Limits.from_json(limits.to_json()) == limits
    one = Result("a", "f", "both", "layerscope", flops=10, bytes=4)
    assert work_of(one) == (30, 8)


def test_a_round_calls_until_its_time_is_over() -> None:
    calls: list[int] = []
    median, count = median_of_calls(lambda: calls.append(0), 0.002)
    assert 3 <= count < len(calls)
    assert 0 < median < 2000


def test_a_slope_is_fitted_to_the_last_decade() -> None:
    values = [1, 10, 100, 1000]
    assert sweeps.slope(values, [5.0, 5.0, 2.0, 20.0]) == pytest.approx(1.0)
    assert sweeps.slope([4], [1.0]) is None
    for sweep in sweeps.SWEEPS:
        assert sweeps.slope(sweep.values, [value**1.5 for value in sweep.values]) == pytest.approx(
            1.5
        )
        assert len({case.name for case in sweep.cases()}) == len(sweep.values)


def test_cases_are_chosen_by_name_or_family() -> None:
    assert [case.name for case in chosen("relu*,dropout")] == [
        "relu_1M",
        "relu_32x64",
        "dropout_1M",
    ]
    with pytest.raises(ValueError, match="No case is called 'rela'"):
        chosen("rela")


def test_cases_are_plain_data_of_layers_there_are() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert Case.from_json(case.to_json()) == case
    for case in LAYERS:
        layer = getattr(ls.layers, case.layer)(**case.arguments)
        output = layer.compute_output_shape(*keras_like.arguments(case, case.inputs))
        assert output[0] == next(iter(case.inputs))[0]


def test_operations_are_those_of_the_kernel_at_every_place() -> None:
    counted = 0
    for case in SMALL:
        if case.layer not in ("Conv1D", "Conv2D", "Dense"):
            continue
        layer = getattr(ls.layers, case.layer)(**case.arguments)
        output = layer(np.zeros(case.inputs[0], "float32"))
        entries = math.prod(layer.kernel.shape[:-1])
        assert case.flops == 2 * output.size * entries
        counted += 1
    assert counted >= 3


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_layerscope_draws_small_cases_and_agrees_with_itself(case: Case, tmp_path: Path) -> None:
    driver = Driver("", 1)
    driver.draw(case).save(tmp_path / "case.npz")
    data = Data.load(tmp_path / "case.npz")
    prepared = driver.prepare(case, data, "float32")
    assert problem_of(case, data, prepared) is None
    assert {mode: call() is not None for mode, call in prepared.calls.items()} == {
        "forward": True,
        "both": True,
    }
    double = driver.prepare(case, data.astype("float64"), "float64")
    assert double.outputs()[0].dtype == "float64"
    assert distance(data.outputs[0], double.outputs()[0]) < 1e-5


@pytest.mark.parametrize("case", [task for task in TASKS if "epoch" not in task.layer], ids=str)
def test_layerscope_does_the_tasks(case: Case) -> None:
    driver = Driver("", 1)
    data = driver.draw(case)
    prepared = driver.prepare(case, data, "float32")
    assert problem_of(case, data, prepared) is None
    prepared.calls["task"]()


def test_whoever_computes_something_else_is_found_out() -> None:
    case = next(case for case in SMALL if case.layer == "Dense")
    data = Driver("", 1).draw(case)

    def with_outputs(*outputs: np.ndarray) -> Prepared:
        return Prepared({}, lambda: list(outputs), lambda: data.gradients)

    assert problem_of(case, data, with_outputs(*data.outputs)) is None
    assert "another output" in str(problem_of(case, data, with_outputs(data.outputs[0] * 1.01)))
    assert "inf apart" in str(problem_of(case, data, with_outputs(data.outputs[0].T)))
    wrong = Prepared({}, lambda: data.outputs, lambda: [-one for one in data.gradients])
    assert "another gradient" in str(problem_of(case, data, wrong))
    dropout = next(case for case in LAYERS if case.random)
    data = Data([np.ones((100, 100), "float32")])
    assert "keeps 1.000" in str(problem_of(dropout, data, with_outputs(data.inputs[0])))


def test_errors_below_half_a_unit_count_as_that() -> None:
    assert Errors("a", (1e-9, 4e-7), (0.0, 1e-7)).ratio == pytest.approx(4.0)
    assert Errors("a", (1e-7, 0.0)).ratio is None


def test_a_process_is_asked_round_by_round() -> None:
    cases = chosen("relu_32x64,dense_32x2x8_tanh")
    with processes(["layerscope"], 1) as running:
        found = time_cases(
            cases, ["layerscope"], running, modes=["forward"], rounds=2, seconds=0.001
        )
    assert [(one.case, one.mode, len(one.rounds)) for one in found] == [
        ("dense_32x2x8_tanh", "forward", 2),
        ("relu_32x64", "forward", 2),
    ]


def test_stacks_of_dense_layers_are_built() -> None:
    case = next(sweep for sweep in sweeps.SWEEPS if sweep.name == "dense-depth").cases()[2]
    stack = keras_like.layer_of(case, ls, "float32")
    assert len(stack.layers) == case.arguments["depth"] == 4
