"""Codebooks: few values, or few rows, that stand for many. What .sog stores its scales, colours and harmonics in."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from skyworld.splats.formats.checks import slices

_BINS = 1 << 14
_SAMPLE = 1 << 17
_SCORES = 1 << 24  # distances held at once while rows are assigned


def codebook(values: np.ndarray, size: int = 256, iterations: int = 30) -> np.ndarray:
    """`size` ascending float32 values that stand for all `values` [n, ...]: one-dimensional k-means on a histogram.

    A bin weighs the root of its count: dense regions do not take every entry from the tails, whose errors
    are seen just as well. Where there are no more than `size` distinct values, they are kept exactly.
    """
    low, high = float(values.min()), float(values.max())
    counts, sums = np.zeros(_BINS), np.zeros(_BINS)
    scale = (_BINS - 1) / max(high - low, 1e-30)
    for part in slices(len(values)):
        chunk = values[part].ravel().astype(np.float64)
        bins = ((chunk - low) * scale).astype(np.int64)
        counts += np.bincount(bins, minlength=_BINS)
        sums += np.bincount(bins, chunk, _BINS)
    occupied = counts > 0
    means, weights = sums[occupied] / counts[occupied], np.sqrt(counts[occupied])
    if len(means) <= size:
        return np.r_[means, np.full(size - len(means), means[-1])].astype(np.float32)
    weight, moment = (np.r_[0, np.cumsum(column)] for column in (weights, weights * means))
    # Entries as dense as the cube root of the density are the best that many can do (Panter and Dite 1951).
    coarse = np.cumsum(np.cbrt(counts.reshape(-1, _BINS >> 10).sum(1)))
    edges = low + np.arange(len(coarse) + 1) / len(coarse) * (high - low)
    entries = np.interp((np.arange(size) + 0.5) / size * coarse[-1], np.r_[0, coarse], edges)
    for _ in range(iterations):
        edges = np.r_[0, np.searchsorted(means, (entries[1:] + entries[:-1]) / 2), len(means)]
        mass = np.diff(weight[edges])
        entries = np.where(mass > 0, np.diff(moment[edges]) / np.maximum(mass, 1e-30), entries)
    return entries.astype(np.float32)


def nearest(values: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Index uint8 of the nearest of the ascending `entries` [256] for each of `values`."""
    return np.searchsorted((entries[1:] + entries[:-1]) / 2, values).astype(np.uint8)


def palette(rows: Tensor, size: int, *, seed: int = 0, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """k-means of rows [n, ...] in two levels: (entries [at most size, d], label [n] int64), on the rows' device.

    The rows fall into about sqrt(size) groups, and each group gets entries in proportion to its squared
    error: 2 sqrt(size) distances a row instead of `size`. Bit for bit the same for one `seed` on the CPU.
    """
    random = torch.Generator().manual_seed(seed)
    count = len(rows)
    flat = rows[torch.randperm(count, generator=random)[:_SAMPLE].to(rows.device)].flatten(1)
    groups = _lloyd(flat, max(1, round(size**0.5)), iterations, random)
    del flat
    group = torch.empty(count, dtype=torch.int64, device=rows.device)
    error = torch.zeros(len(groups), dtype=torch.float64, device=rows.device)
    for part in slices(count):
        group[part], apart = _assign(rows[part].flatten(1), groups)
        error += torch.bincount(group[part], apart.clamp_min(0).double(), len(groups))
    members = torch.bincount(group, minlength=len(groups))
    order = torch.argsort(group, stable=True)
    shares = _shares(error.cpu(), members.cpu(), size)
    labels = torch.empty(count, dtype=torch.int64, device=rows.device)

    def refine(where: Tensor, share: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        chunk = rows[where].flatten(1)
        entries = _lloyd(chunk, share, iterations, torch.Generator().manual_seed(seed))
        return where, entries, _assign(chunk, entries)[0]

    seeds = range(seed + 1, seed + 1 + len(shares))
    jobs = [job for job in zip(order.split(members.tolist()), shares, seeds, strict=True) if job[1]]
    entries, used = [], 0
    with _one_thread_each(1 if rows.is_cuda else os.cpu_count() or 1) as pool:
        for where, own, label in pool.map(refine, *zip(*jobs, strict=True)):
            labels[where] = label + used
            entries.append(own)
            used += len(own)
    return torch.cat(entries), labels


@contextmanager
def _one_thread_each(workers: int) -> Iterator[Executor]:
    """Threads whose own torch works on one core: thousands of small products on all cores wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers, "palette") as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def _shares(error: Tensor, members: Tensor, size: int) -> list[int]:
    """Entries for each group: one where it has members, the rest in proportion to its error, never above members."""
    least = (members > 0).long()
    spare = size - int(least.sum())
    wish = least + (error / error.sum().clamp_min(1e-30) * spare).long()
    return torch.minimum(wish, members).tolist()


def _lloyd(rows: Tensor, size: int, iterations: int, random: torch.Generator) -> Tensor:
    """k-means of rows [n, d] -> [min(size, n), d]. Entries that nobody is near to go where the error is largest."""
    if size >= len(rows):
        return rows.clone()
    entries = rows[torch.randperm(len(rows), generator=random)[:size].to(rows.device)].clone()
    if size == 1:
        return rows.mean(0, keepdim=True)
    for _ in range(iterations):
        sums, members = torch.zeros_like(entries), torch.zeros_like(entries[:, 0])
        error = rows.new_empty(len(rows))
        for part in slices(len(rows), max(1, _SCORES // size)):
            # As a product of matrices: sums in a fixed order, also on a GPU, where adding by index has none.
            chosen = rows.new_zeros(part.stop - part.start, size)
            label, error[part] = _assign(rows[part], entries)
            chosen.scatter_(1, label[:, None], 1.0)
            sums.addmm_(chosen.T, rows[part])
            members += chosen.sum(0)
        entries = sums / members.clamp_min(1)[:, None]
        empty = (members == 0).nonzero()[:, 0]
        entries[empty] = rows[error.topk(len(empty)).indices]
    return entries


def _assign(rows: Tensor, entries: Tensor) -> tuple[Tensor, Tensor]:
    """Index [n] of the entry [k, d] nearest to each row [n, d], and the square of how far it is."""
    norms = entries.square().sum(1)
    labels = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    error = rows.square().sum(1)
    for part in slices(len(rows), max(1, _SCORES // len(entries))):
        least, labels[part] = torch.addmm(norms, rows[part], entries.T, alpha=-2).min(1)
        error[part] += least
    return labels, error
