"""Functions of one number inside compiled loops, compared with double precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from layerscope.compiled import jit, vector_math

numba = pytest.importorskip("numba")

Function = Callable[..., float]


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def _sigmoid(x: float) -> float:
    return math.exp(x) / (1 + math.exp(x)) if x < 0 else 1 / (1 + math.exp(-x))


#: In double precision, and from where to where the result is an ordinary float32.
FUNCTIONS: dict[str, tuple[Function, float, float]] = {
    "exp": (math.exp, -87.0, 88.7),
    "expm1": (math.expm1, -100.0, 88.7),
    "sigmoid": (_sigmoid, -87.0, 100.0),
    "tanh": (math.tanh, -20.0, 20.0),
    "softplus": (_softplus, -87.0, 1000.0),
    "erf": (math.erf, -10.0, 10.0),
    "bell": (lambda x: math.exp(-x * x / 2), -13.0, 13.0),
    "normal_cdf": (_normal_cdf, -6.0, 20.0),
    "gelu": (lambda x: x * _normal_cdf(x), -6.0, 1000.0),
}

#: What becomes of minus infinity and infinity.
LIMITS = {
    "exp": (0, np.inf),
    "expm1": (-1, np.inf),
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "softplus": (0, np.inf),
    "erf": (-1, 1),
    "bell": (0, 0),
    "normal_cdf": (0, 1),
    "gelu": (0, np.inf),
}


def loop_over(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a compiled loop that applies a function to every entry."""
    function = getattr(vector_math, name)
    bell = vector_math.bell

    if name == "normal_cdf":

        def loop(x: np.ndarray, out: np.ndarray) -> None:
            for k in range(x.size):
                out[k] = function(x[k], bell(x[k]))

    else:

        def loop(x: np.ndarray, out: np.ndarray) -> None:
            for k in range(x.size):
                out[k] = function(x[k])

    kernel = numba.njit(error_model="numpy")(loop)

    def run(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        with np.errstate(all="ignore"):
            kernel(x, out)
        return out

    run.kernel = kernel  # type: ignore[attr-defined]
    return run


@pytest.fixture(scope="module")
def loops() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    return {name: loop_over(name) for name in FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("dtype", "error"), [("float32", 3e-7), ("float64", 1e-13)])
def test_agrees_with_double_precision(loops, name, dtype, error) -> None:
    exact, low, high = FUNCTIONS[name]
    generator = np.random.default_rng(0)
    x = np.concatenate(
        [
            generator.uniform(low, high, 2000),
            generator.normal(size=2000),
            10 ** generator.uniform(-6, 0, 1000),
            -(10 ** generator.uniform(-6, 0, 1000)),
            [low, high, 0.0, 1.0, -1.0],
        ]
    ).astype(dtype)
    x = x[(x >= low) & (x <= high)]
    expected = np.array([exact(float(value)) for value in x])
    # Rounding the square of x costs more of the probability the farther x is out.
    tails = name in ("bell", "normal_cdf", "gelu")
    far = 1 + np.minimum(x.astype(float), 20) ** 2 / 4 if tails else 1.0
    assert np.all(np.abs(loops[name](x) - expected) <= error * far * np.abs(expected))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_reaches_its_limits_and_keeps_a_nan(loops, name) -> None:
    for dtype in ("float32", "float64"):
        low, high, nan = loops[name](np.array([-np.inf, np.inf, np.nan], dtype))
        assert (low, high) == LIMITS[name]
        assert np.isnan(nan)


def test_exponentials_underflow_and_overflow_like_numpys(loops) -> None:
    x = np.array([-1e30, -104.5, -103.0, -95.0, 88.72, 88.73, 1e30], "float32")
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(loops["exp"](x), np.exp(x), rtol=1e-6, atol=3e-45)


def test_what_is_taken_off_a_large_number_vanishes_where_it_has_few_bits(loops) -> None:
    x = np.linspace(-13.2, -12.9, 301, dtype="float32")
    expected = [value * _normal_cdf(value) for value in x.tolist()]
    np.testing.assert_allclose(loops["gelu"](x), expected, rtol=2e-5, atol=3e-38)
    assert np.array_equal(loops["gelu"](-x), -x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_single_precision_runs_in_vectors(loops, name) -> None:
    kernel = loops[name].kernel
    if not jit.ENABLED or numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    kernel(np.zeros(3, "float32"), np.zeros(3, "float32"))
    single, *_ = (key for key in kernel.signatures if key[0].dtype == numba.types.float32)
    assert " x float>" in kernel.inspect_llvm(single)


def test_is_plain_python_as_well() -> None:
    for name, (exact, _, _) in FUNCTIONS.items():
        function = getattr(vector_math, name)
        arguments = (0.5, math.exp(-0.125)) if name == "normal_cdf" else (0.5,)
        assert function(*arguments) == pytest.approx(exact(0.5), rel=1e-12)
