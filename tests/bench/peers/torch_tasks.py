"""The whole tasks, as one writes them in torch by hand."""

# Types are checked where torch is not installed.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from peers.cases import Case
from peers.data import Arrays, Data
from peers.keras_like import BATCH, Task


class _ChannelsLast(nn.Flatten):
    """Flattens images in the order Keras does, so that weights fit."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.permute(0, 2, 3, 1))


def _model(case: Case) -> nn.Sequential:
    if case.layer == "epoch_mlp":
        return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    if case.layer == "epoch_cnn":
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            _ChannelsLast(),
            nn.Linear(4 * 4 * 16, 10),
        )
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def _load(model: nn.Sequential, weights: Arrays) -> None:
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), weights, strict=True):
            value = torch.from_numpy(array)
            parameter.copy_(value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T)


def task(case: Case, data: Data) -> Task:
    """Return a task as a call, and a function of what it must give, which runs first."""
    if case.layer == "build":
        return _build, lambda: [np.asarray(_build())]
    model = _model(case)
    _load(model, data.weights)
    samples, labels = map(torch.from_numpy, data.inputs)
    if case.layer in ("call", "predict"):
        run = _predict(model, samples, data.inputs[0] if case.layer == "predict" else None)
        return run, lambda: [np.asarray(run())]
    if case.layer.startswith("step"):
        sgd = case.layer == "step_sgd"
        kind: Any = torch.optim.SGD if sgd else torch.optim.Adam
        optimizer = kind(model.parameters(), 0.01 if sgd else 0.001)

        def step() -> float:
            return _step(model, optimizer, F.mse_loss, samples, labels).item()

        return step, lambda: [np.asarray([step()], "float32")]
    if samples.ndim == 4:
        samples = samples.permute(0, 3, 1, 2).contiguous()
    optimizer = torch.optim.Adam(model.parameters(), 0.001)
    labels = labels.long()

    def epoch() -> float:
        total = torch.zeros(())
        for places in torch.randperm(len(samples)).split(BATCH):
            batch = samples[places]
            loss = _step(model, optimizer, F.cross_entropy, batch, labels[places])
            total += loss.detach() * len(batch)
        return total.item() / len(samples)

    return epoch, lambda: [np.asarray([epoch()], "float32")]


def _predict(
    model: nn.Sequential, samples: torch.Tensor, array: np.ndarray | None
) -> Callable[[], Any]:
    """Return a call on a tensor, or from an array to an array where one is given."""

    def call() -> Any:
        with torch.no_grad():
            return model(samples)

    def predict() -> Any:
        with torch.no_grad():
            return model(torch.from_numpy(array)).numpy()

    return call if array is None else predict


def _step(
    model: nn.Sequential, optimizer: Any, loss_of: Any, samples: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    optimizer.zero_grad()
    loss = loss_of(model(samples), labels)
    loss.backward()
    optimizer.step()
    return loss


def _build() -> int:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.BatchNorm2d(8),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 5 * 16, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
        nn.Softmax(-1),
    )
    assert str(model)
    # What does not learn counts as well.
    learned = sum(parameter.numel() for parameter in model.parameters())
    return learned + sum(one.numel() for one in model.buffers() if one.ndim)
