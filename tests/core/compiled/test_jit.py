"""What runs where loops are not compiled."""

from __future__ import annotations

from layerscope.compiled import every_loop
from layerscope.compiled.jit import ENABLED
from processes import run


def test_without_numba_the_references_run() -> None:
    code = """
import numpy as np, layerscope as ls
from layerscope.compiled import every_loop
assert not every_loop()
model = ls.Sequential([ls.Input((4, 4, 1)), ls.layers.Conv2D(2, 2, activation='relu'),
    ls.layers.MaxPooling2D(), ls.layers.Flatten(), ls.layers.Dense(1)])
model.compile(ls.optimizers.Adam(amsgrad=True), 'mse')
x = np.random.default_rng(0).normal(size=(8, 4, 4, 1))
model.fit(x, np.ones((8, 1)), epochs=2, verbose=0)
import sys; assert 'numba' not in sys.modules
"""
    run(code, LAYERSCOPE_COMPILED="0")


def test_loops_run_as_plain_python() -> None:
    code = """
import numpy as np
from layerscope.compiled import every_loop, pooling
x = np.arange(4.0).reshape(1, 1, 2, 2, 1)
out = np.empty((1, 1, 1, 1, 1))
pooling.average_pool(1, x, out, (1, 2, 2), (1, 2, 2), (0, 0, 0))
assert out.item() == 1.5
assert every_loop() and not any(getattr(loop, "signatures", []) for loop in every_loop())
"""
    run(code, NUMBA_DISABLE_JIT="1", LAYERSCOPE_COMPILED="1")


def test_a_file_is_run_once_when_many_threads_want_it_at_once() -> None:
    code = """
import sys, threading
sys.setswitchinterval(1e-6)
from layerscope import compiled
def use():
    compiled.pooling.max_pool, compiled.team.claim
    from layerscope.compiled.rows import take_rows
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
names = [loop.__name__ for loop in compiled.every_loop()]
print(len(names) - len(set(names)), type(compiled.pooling).__name__)
"""
    assert run(code) == ["0", "module"]


def test_loops_have_references_and_names() -> None:
    assert bool(every_loop()) == ENABLED
    for loop in every_loop():
        assert callable(loop.reference)
        assert loop.__doc__
