"""torch, eager, in its own layout and in channels last."""

# Types are checked where torch is not installed.
# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from peers.cases import BOTH, FORWARD, TASK, Case
from peers.data import Data
from peers.prepared import Prepared
from peers.torch_layers import build
from peers.torch_tasks import task

#: Layers whose inputs have channels, which torch puts behind the batch (or the time).
_WITH_CHANNELS = ("Conv", "Pooling", "UpSampling", "ZeroPadding", "LocallyConnected", "Batch")


class Driver:
    """torch; variant ``channels_last`` keeps images and kernels in that memory layout."""

    def __init__(self, variant: str, threads: int) -> None:
        self.channels_last = variant == "channels_last"
        torch.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def prepare(self, case: Case, data: Data, dtype: str) -> Prepared:
        del dtype  # That of the data.
        if case.family == "task":
            call, outputs = task(case, data)
            return Prepared({TASK: call}, outputs, list)
        weights, function = build(case, data.weights, self.channels_last)
        inputs = [self._tensor(case, array) for array in data.inputs]
        upstream = self._tensor(case, data.upstream[0])

        def forward() -> Any:
            with torch.no_grad():
                return function(*inputs)

        real = [] if case.integers else [x.clone().requires_grad_() for x in inputs]

        def both() -> Any:
            output = function(*(real or inputs))
            return output, torch.autograd.grad(output, [*real, *weights], upstream)

        def gradients() -> list[np.ndarray]:
            found = both()[1]
            count = len(real)
            return [_numpy(case, x) for x in found[:count]] + [x.numpy() for x in found[count:]]

        return Prepared(
            {FORWARD: forward, BOTH: both}, lambda: [_numpy(case, forward())], gradients
        )

    def _tensor(self, case: Case, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        first = _first_channel_axis(case)
        if first is None or tensor.ndim < first + 2:
            return tensor
        tensor = tensor.movedim(-1, first)
        # A sequence of channels has no such layout in torch.
        keep = self.channels_last and tensor.ndim > 3
        return tensor if keep else tensor.contiguous()


def _first_channel_axis(case: Case) -> int | None:
    """Return where torch has the channels, None where they stay last."""
    if case.layer == "ConvLSTM2D":
        return 2
    return 1 if any(part in case.layer for part in _WITH_CHANNELS) else None


def _numpy(case: Case, tensor: torch.Tensor) -> np.ndarray:
    first = _first_channel_axis(case)
    tensor = tensor.detach()
    if first is None or tensor.ndim < first + 2:
        return tensor.numpy()
    return tensor.movedim(first, -1).numpy()
