"""The process of one framework: answers requests, one JSON object a line.

Started by `peers.processes`; not meant to be run by hand.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from peers.cases import Case
from peers.checking import problem_of
from peers.data import Data
from peers.prepared import Driver, NoCounterpart, Prepared
from peers.processes import keep_to_cpus
from peers.timing import median_of_calls

#: Module of the driver, and its variant.
BACKENDS = {
    "layerscope": ("peers.layerscope_driver", ""),
    "torch": ("peers.torch_driver", ""),
    "torch-cl": ("peers.torch_driver", "channels_last"),
    "keras-torch": ("peers.keras_driver", "torch"),
    "keras-jax": ("peers.keras_driver", "jax"),
    "keras-tf": ("peers.keras_driver", "tensorflow"),
}


@dataclass
class Worker:
    """What a process knows between requests; each public method is one."""

    driver: Any
    prepared: Prepared | None = None
    #: Clocks when the last answer was ready: those of the wall and of this process.
    _left: tuple[float, float] = field(default=(0.0, 0.0))

    def about(self) -> dict[str, Any]:
        """Return versions, thread pools and the type of processor BLAS takes this one for."""
        pools = []
        with contextlib.suppress(ImportError):
            from threadpoolctl import threadpool_info

            pools = [
                {
                    "library": one["internal_api"],
                    "threads": one["num_threads"],
                    "core": one.get("architecture"),
                }
                for one in threadpool_info()
            ]
        return {"versions": self.driver.versions(), "pools": pools}

    def draw(self, case: Case, path: str) -> dict[str, Any]:
        """Write the numbers of a case; only Layerscope's process is asked."""
        data = self.driver.draw(case)
        data.save(path)
        # Of a table only some rows are read, which the output has the size of.
        read = data.outputs if case.integers else data.weights
        return {"bytes": sum(one.nbytes for one in [*data.inputs, *read, *data.outputs])}

    def prepare(self, case: Case, path: str) -> dict[str, Any]:
        """Make a case ready and check it; an answer with ``skipped`` says why it is not."""
        self.drop()
        data = Data.load(path)
        driver: Driver = self.driver
        try:
            prepared = driver.prepare(case, data, "float32")
        except NoCounterpart as reason:
            return {"skipped": str(reason)}
        if problem := problem_of(case, data, prepared):
            return {"skipped": problem}
        for call in prepared.calls.values():
            call()
            call()
        self.prepared = prepared
        gc.collect()
        # What is there now, gigabytes of modules included, is not looked at again while timing.
        gc.freeze()
        return {}

    def time(self, mode: str, seconds: float) -> dict[str, Any]:
        """Time one round of the case that is ready."""
        assert self.prepared
        median, count = median_of_calls(self.prepared.calls[mode], seconds)
        return {"median": median, "calls": count}

    def compute(self, case: Case, path: str, dtype: str, to: str) -> dict[str, Any]:
        """Write outputs and all gradients of a case in a precision."""
        driver: Driver = self.driver
        try:
            prepared = driver.prepare(case, Data.load(path).astype(dtype), dtype)
        except NoCounterpart as reason:
            return {"skipped": str(reason)}
        Data([], outputs=prepared.outputs(), gradients=prepared.gradients()).save(to)
        return {}

    def drop(self) -> dict[str, Any]:
        """Forget the case."""
        self.prepared = None
        gc.unfreeze()
        gc.collect()
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request, with the share of the time since the last that was spent spinning."""
        wall, busy = perf_counter() - self._left[0], process_time() - self._left[1]
        try:
            if "case" in request:
                request["case"] = Case.from_json(request["case"])
            reply = getattr(self, request.pop("ask"))(**request)
        except Exception as error:
            traceback.print_exc()
            reply = {"skipped": f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"}
        self._left = perf_counter(), process_time()
        return {**reply, "idle": busy, "waited": wall}


def main(backend: str, threads: int) -> None:
    """Answer requests until there are no more."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    keep_to_cpus(threads)
    module, variant = BACKENDS[backend]
    try:
        worker = Worker(importlib.import_module(module).Driver(variant, threads))
    except ImportError as error:
        print(json.dumps({"skipped": f"not installed ({error})"}), file=answers)
        return
    print(json.dumps({}), file=answers)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
