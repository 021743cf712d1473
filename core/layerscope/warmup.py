"""Compile all loops before anybody waits for one: ``python -m layerscope.warmup``.

What is to be compiled is found by using everything there is: every example of every layer, forward
and back, every activation, a step of every optimizer. NumPy answers meanwhile, and each loop that
is called notes the types it was called with.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import pickle
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from typing import Any, BinaryIO

import numpy as np

from layerscope import activations, config, layers, losses, ops, optimizers, registry
from layerscope.autodiff import GradientTape
from layerscope.callbacks.progress import ProgressBar
from layerscope.compiled import compiling, every_loop
from layerscope.compiled.compiling import Progress, Request
from layerscope.compiled.jit import KERNELS, MACHINE_CODE, ask_for_types
from layerscope.compiled.machine_code import remove_outdated, writable_root
from layerscope.configurable import REQUIRED, fields_of
from layerscope.layers.layer import Example
from layerscope.layers.signature import as_arguments, call_signature
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tensor import Tensor, Variable

_LARGE = (1024, 128)
#: Layers that leave small arrays to NumPy, with an example that is not.
LARGE_EXAMPLES: tuple[tuple[type[layers.Layer], Example], ...] = (
    *(
        (layers.Dense, Example({"units": 128, "activation": name}, _LARGE))
        for name in (None, "relu", "sigmoid", "tanh")
    ),
    (layers.Dense, Example({"units": 8}, (16384, 8))),
    (layers.Dense, Example({"units": 32768, "activation": "relu"}, (4, 8))),
    (layers.Dense, Example({"units": 64}, (128, 64))),
    (layers.Conv2D, Example({"filters": 32, "kernel_size": 3}, (8, 16, 16, 32))),
    (layers.DepthwiseConv2D, Example({"kernel_size": 3}, (4, 16, 16, 32))),
    (layers.BatchNormalization, Example({}, _LARGE)),
    (layers.BatchNormalization, Example({"trainable": False}, _LARGE)),
    (layers.Add, Example({}, [_LARGE, _LARGE])),
    (layers.Concatenate, Example({}, [_LARGE, _LARGE])),
    (layers.Embedding, Example({"input_dim": 9, "output_dim": 32}, (16, 256), integers=9)),
    (layers.ZeroPadding2D, Example({}, (16, 16, 16, 32))),
    (layers.GlobalMaxPooling2D, Example({}, (16, 16, 16, 32))),
    (layers.GlobalAveragePooling2D, Example({}, (16, 16, 16, 32))),
)

#: A process that nobody asks for anything ends after so many seconds.
PATIENCE = 120.0


def walk(dtype: str = "float32") -> Iterator[None]:
    """Use everything that computes, a little more with every item, in numbers of one type."""
    config.set_floatx(dtype)
    for cls in registry.subclasses(layers.Layer):
        for example in cls.examples:
            for wide in (False, True):
                yield _tried(use_layer, cls, example, wide)
    for cls, example in LARGE_EXAMPLES:
        yield _tried(use_layer, cls, example)
    for activation in (*activations.ACTIVATIONS.values(), partial(ops.gelu, approximate=True)):
        for shape in ((8,), (512, 1024)):
            yield _tried(use_activation, activation, shape)
    for loss in registry.subclasses(losses.Loss):
        yield _tried(use_loss, loss)
    for cls in registry.subclasses(optimizers.Optimizer):
        for options in variants(cls):
            yield _tried(use_optimizer, cls, options)
    for loop in every_loop():
        ask_for_types(getattr(loop, "loop", loop), loop.types)
        yield


def _tried(use: Callable[..., None], *arguments: Any) -> None:
    # Not every layer can be made wider, not every loss takes what others take.
    with suppress(Exception), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        use(*arguments)


def use_layer(cls: type[layers.Layer], example: Example, wide: bool = False) -> None:
    """Call a layer, and ask for the gradients of its inputs and weights.

    Wide: with more samples, longer axes and more channels than in the example.
    """
    generator = np.random.default_rng(0)

    def draw(shape: tuple[int, ...]) -> Any:
        if wide:
            shape = (16, *(4 * length for length in shape[1:]))
        if example.integers is not None:
            return generator.integers(0, example.integers, shape).astype("int32")
        if example.words is not None:
            return generator.choice(example.words, shape)
        return generator.normal(size=shape).astype(config.floatx())

    layer = cls(**example.arguments)
    inputs = map_shapes(draw, example.input_shape)
    with GradientTape() as tape:
        if example.integers is None and example.words is None:
            inputs = map_structure(tape.watch, inputs)
        outputs = layer(*as_arguments(cls, inputs), **{"training": True} if _trains(cls) else {})
        numbers = [one for one in leaves(outputs) if str(one.dtype) in config.FLOAT_TYPES]
        total = sum(ops.sum(one * one) for one in numbers)
    sources = [one for one in leaves(inputs) if isinstance(one, Tensor)]
    if numbers:
        tape.gradient(total, [*sources, *layer.trainable_variables])
    layer(*as_arguments(cls, inputs))


def _trains(cls: type[layers.Layer]) -> bool:
    return call_signature(cls).training


def use_activation(activation: Callable[..., Any], shape: tuple[int, ...]) -> None:
    """Call an activation, and ask for its gradient."""
    numbers = np.linspace(-2.0, 2.0, math.prod(shape), dtype=config.floatx()).reshape(shape)
    with GradientTape() as tape:
        x = tape.watch(numbers)
        y = activation(x)
    tape.gradient(y, x)


def use_loss(cls: type[losses.Loss]) -> None:
    """Compare probabilities, and ask for their gradient."""
    wanted = np.eye(3, dtype=config.floatx())
    with GradientTape() as tape:
        found = tape.watch(np.full((3, 3), 1 / 3, config.floatx()))
        value = cls()(np.arange(3) if "Sparse" in cls.__name__ else wanted, found)
    tape.gradient(value, found)


def use_optimizer(cls: type[optimizers.Optimizer], options: dict[str, Any]) -> None:
    """Take a step."""
    ones = np.ones((3, 4), config.floatx())
    cls(**options).apply([ones], [Variable(ones)])


def variants(cls: type[optimizers.Optimizer]) -> Iterator[dict[str, Any]]:
    """Yield arguments of an optimizer: its defaults, and whatever is off switched on."""
    yield {}
    for field in fields_of(cls):
        if field.default is False:
            yield {field.name: True}
        elif field.default == 0 and field.default is not REQUIRED:
            yield {field.name: 0.5}


class Wanted:
    """What is to be compiled, in the order in which it was asked for.

    What another process asks for goes before what the catalogue needs.
    """

    def __init__(self) -> None:
        self._known: set[Request] = set()
        self._urgent: deque[Request] = deque()
        self._others: deque[Request] = deque()
        self.more = threading.Event()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits."""
        return bool(self._urgent)

    @property
    def progress(self) -> Progress:
        """How many of the functions known to be wanted are compiled."""
        return Progress(len(self._known) - len(self), len(self._known))

    def ask(self, request: Request, urgent: bool = False) -> bool:
        """Note a request, unless it is known."""
        if request in self._known and not (urgent and request in self._others):
            return True
        if request in self._known:
            self._others.remove(request)
        self._known.add(request)
        (self._urgent if urgent else self._others).append(request)
        self.more.set()
        return True

    def next(self) -> Request | None:
        """Return what to compile now."""
        for requests in (self._urgent, self._others):
            with suppress(IndexError):
                return requests.popleft()
        return None


def compile_one(request: Request) -> str:
    """Compile a function; return what went wrong, or nothing."""
    # Looking into a file runs it.
    vars(importlib.import_module(request.module))
    for kernel in list(KERNELS):
        code = kernel._cache
        if kernel.py_func.__module__ != request.module:
            continue
        if code.name_of(request.signature) == request.code:
            try:
                with code.alone(request.signature):
                    kernel.compile(request.signature)
            except Exception as error:
                return f"{request.code}: {error}"
            return "" if code.holds(request.signature) else f"{request.code} cannot be kept"
    return f"{request.code} is from another version of Layerscope"


def compile_everything(dtypes: Sequence[str] = ("float32",)) -> list[str]:
    """Compile what the catalogue needs, showing how far it is; return what went wrong."""
    wanted = Wanted()
    compiling.use(wanted)
    config.set_compilation("background")
    print("Looking for what is to be compiled ...", flush=True)
    failures: list[str] = []
    while True:
        for dtype in dtypes:
            for _ in walk(dtype):
                pass
        found = len(wanted)
        failures += _compile_all(wanted)
        # What loops answer may lead to others than what NumPy answered.
        if not found or failures:
            return failures


def _compile_all(wanted: Wanted) -> list[str]:
    failures = []
    requests = list(iter(wanted.next, None))
    bar = ProgressBar(len(requests), 1 if sys.stdout.isatty() else 2)
    # Numba holds the interpreter while it compiles: only processes do so side by side.
    with ProcessPoolExecutor(config.num_threads(), get_context("spawn")) as processes:
        answers = processes.map(compile_one, requests)
        for number, (request, failure) in enumerate(zip(requests, answers, strict=True), 1):
            if failure:
                failures.append(failure)
            bar.update(number, {"": request.code.rpartition("-")[0]})
    bar.update(len(requests), {}, final=True)
    return failures


def serve(requests: BinaryIO, answers: BinaryIO, everything: bool) -> None:
    """Compile what another process asks for, until it ends or nothing was asked for a while.

    Parameters
    ----------
    requests : pickled requests.
    answers : where to tell of every progress, pickled.
    everything : whether to compile also what the catalogue needs.
    """
    wanted = Wanted()
    compiling.use(wanted)
    config.set_compilation("background")
    over = threading.Event()

    def listen() -> None:
        with suppress(EOFError):
            while True:
                wanted.ask(pickle.load(requests), urgent=True)
        over.set()
        wanted.more.set()

    threading.Thread(target=listen, daemon=True).start()
    steps = walk() if everything else iter(())
    walking = everything
    while not over.is_set():
        wanted.more.clear()
        if walking and not wanted.is_urgent:
            walking = next(steps, steps) is not steps
        elif request := wanted.next():
            if failure := compile_one(request):
                print(failure, file=sys.stderr)
            # How much there is to do is known once everything has been used.
            if not walking:
                pickle.dump(tuple(wanted.progress), answers)
                answers.flush()
        elif not wanted.more.wait(PATIENCE):
            return


def _serve_the_parent(everything: bool) -> None:
    """Serve the process that started this one, without taking its time."""
    with suppress(AttributeError, OSError):
        os.nice(19)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What anybody prints must not get between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Python closes its own at the end, which it cannot while somebody listens there.
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    with suppress(BrokenPipeError):
        serve(requests, answers, everything)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m layerscope.warmup",
        description="Compile all loops of Layerscope for this machine, so that nobody waits later.",
    )
    parser.add_argument(
        "--float64", action="store_true", help="also for numbers of 64 bits (twice as long)"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--all", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not MACHINE_CODE:
        print("Nothing to compile: Numba is missing or switched off.")
        return 0
    if options.serve:
        _serve_the_parent(options.all)
        return 0
    remove_outdated()
    failures = compile_everything(config.FLOAT_TYPES if options.float64 else ("float32",))
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    print(f"Machine code is in {writable_root()}.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
