"""Gaussians while they are being fitted: columns with gradients, Adam's moments beside them, rows that come and go."""

import math
from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from skyworld.splats.gaussians import NAMES, Gaussians

# Adam (Kingma and Ba 2015) with the epsilon of 3DGS.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-15
# 3DGS: the higher bands of the harmonics learn at a twentieth of the rate of the first.
SH_REST = 1 / 20


class Fitted:
    """N Gaussians under optimisation.

    columns: name -> leaf tensor [N, ...]; those named in `rates` require gradients.
    moments: name -> first and second moment, of the same shape.
    changes: how often rows came or went: until it grows, every tensor stays in its place.
    """

    def __init__(self, gaussians: Gaussians, trained: Mapping[str, object]):
        self.columns = {name: tensor.detach().clone().contiguous() for name, tensor in gaussians.tensors()}
        self.trained = [name for name in trained if name in self.columns]
        self.moments = {name: (torch.zeros_like(c), torch.zeros_like(c)) for name, c in self._trained_columns()}
        self.changes = 0
        self._require_gradients()

    def __len__(self) -> int:
        return len(self.columns["means"])

    def _trained_columns(self):
        return [(name, self.columns[name]) for name in self.trained]

    def _require_gradients(self) -> None:
        for _, column in self._trained_columns():
            column.requires_grad_()

    @property
    def gaussians(self) -> Gaussians:
        """The columns themselves, with their gradients."""
        extra = {name: column for name, column in self.columns.items() if name not in NAMES}
        return Gaussians(**{name: self.columns[name] for name in NAMES}, extra=extra)

    def values(self, name: str) -> Tensor:
        """A column without its gradient, to be read or changed in place."""
        return self.columns[name].detach()

    def numbers(self, rates: Mapping[str, np.ndarray]) -> Tensor:
        """[steps, trained columns, 4] for `step`, from each column's rate at every step: the rate of a row's first
        numbers, of its others, and the corrections of both moments for having begun at 0."""
        steps = 1 + np.arange(len(next(iter(rates.values()))))
        corrections = (1 / (1 - BETA1**steps), 1 / np.sqrt(1 - BETA2**steps))
        rest = {"sh": SH_REST}
        columns = [np.stack([rates[n], rates[n] * rest.get(n, 1.0), *corrections], 1) for n in self.trained]
        return torch.from_numpy(np.stack(columns, 1).astype(np.float32)).to(self.columns["means"].device)

    @torch.no_grad()
    def step(self, numbers: Tensor, seen: Tensor | None = None) -> None:
        """One step of Adam against the gradients, which are cleared. numbers: [trained columns, 4] of this step.

        seen: [N] bool; only those rows move and only their moments change (selective Adam, Taming 3DGS,
        arXiv 2406.15643). The corrections count the steps of all.
        """
        for (name, column), own in zip(self._trained_columns(), numbers, strict=True):
            if column.grad is not None:
                lead = 3 if name == "sh" else column[:1].numel()
                _adam_step(column.detach(), column.grad.contiguous(), *self.moments[name], seen, lead, own)
                column.grad = None

    @torch.no_grad()
    def keep(self, rows: Tensor) -> None:
        """Only these rows stay: indices or a mask [N]."""
        self._rebuild(lambda tensor: tensor[rows], lambda tensor: tensor[rows])

    @torch.no_grad()
    def append(self, columns: Mapping[str, Tensor]) -> None:
        """New rows, every column of them; their moments start at 0."""
        count = len(columns["means"])
        self._rebuild(
            lambda tensor, name: torch.cat([tensor, columns[name]]),
            lambda tensor: torch.cat([tensor, tensor.new_zeros(count, *tensor.shape[1:])]),
            named=True,
        )

    def _rebuild(self, of_column, of_moment, named: bool = False) -> None:
        self.changes += 1
        for name, column in self.columns.items():
            values = column.detach()
            self.columns[name] = (of_column(values, name) if named else of_column(values)).contiguous()
        for name, pair in self.moments.items():
            self.moments[name] = tuple(of_moment(moment) for moment in pair)
        self._require_gradients()

    @torch.no_grad()
    def forget(self, rows: Tensor | slice = slice(None), names: tuple[str, ...] | None = None) -> None:
        """Sets the moments of these rows to 0."""
        for name in names or self.trained:
            for moment in self.moments[name]:
                moment[rows] = 0

    def state(self) -> dict:
        """Everything that a later run needs to go on with the same bits."""
        copies = {name: column.detach().clone() for name, column in self.columns.items()}
        moments = {name: tuple(moment.clone() for moment in pair) for name, pair in self.moments.items()}
        return {"columns": copies, "moments": moments}

    def restore(self, state: dict) -> None:
        device = self.columns["means"].device
        self.columns = {name: column.to(device, copy=True) for name, column in state["columns"].items()}
        self.moments = {
            name: tuple(moment.to(device, copy=True) for moment in pair) for name, pair in state["moments"].items()
        }
        self._require_gradients()


def _adam_step(column, gradient, first, second, seen, lead: int, numbers: Tensor) -> None:
    """In place: column [N, ...] and its moments. The first `lead` numbers of a row have the first rate."""
    if column.device.type == "cuda":
        if find_spec("triton"):
            from skyworld.splats.fused import adam_step

            return adam_step(column, gradient, first, second, seen, lead, numbers)
        return _plain_adam(column, gradient, first, second, seen, lead, numbers)
    shape = (len(column), -1)
    arrays = [tensor.numpy().reshape(shape) for tensor in (column, gradient, first, second)]
    rows = np.ones(len(column), np.bool_) if seen is None else seen.numpy()
    _adam_kernel(*arrays, rows, lead, numbers.numpy())


def _plain_adam(column, gradient, first, second, seen, lead: int, numbers: Tensor) -> None:
    """The same in torch, for CUDA without Triton (Windows)."""
    rows = slice(None) if seen is None else seen
    g = gradient[rows]
    m, v = BETA1 * first[rows] + (1 - BETA1) * g, BETA2 * second[rows] + (1 - BETA2) * g * g
    first[rows], second[rows] = m, v
    leads = torch.arange(column[0].numel(), device=column.device) < lead
    rate = torch.where(leads, numbers[0], numbers[1]).reshape(column.shape[1:])
    column[rows] = column[rows] - rate * numbers[2] * m / (v.sqrt() * numbers[3] + EPSILON)


@njit(parallel=True, cache=True, nogil=True)
def _adam_kernel(column, gradient, first, second, rows, lead, numbers):
    rate_lead, rate_rest, bias_first, bias_second = numbers
    b1, b2, epsilon = np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)
    for row in prange(column.shape[0]):
        if not rows[row]:
            continue
        for i in range(column.shape[1]):
            g = gradient[row, i]
            m = b1 * first[row, i] + (np.float32(1) - b1) * g
            v = b2 * second[row, i] + (np.float32(1) - b2) * g * g
            first[row, i], second[row, i] = m, v
            rate = rate_lead if i < lead else rate_rest
            column[row, i] -= rate * bias_first * m / (math.sqrt(v) * bias_second + epsilon)


def compile_kernels() -> None:
    table = np.zeros((2, 3), np.float32)
    _adam_kernel(table, table, table.copy(), table.copy(), np.ones(2, np.bool_), 3, np.ones(4, np.float32))
