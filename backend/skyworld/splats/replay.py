"""Training steps as a CUDA graph: recorded once, replayed until Gaussians come or go.

A step of half a million Gaussians is a hundred small launches; Python takes longer to ask for them than the GPU to
do them. Recording works where no shape in the step depends on the GPU's numbers: not with terms of depth.
What changes from step to step, the camera, the picture and the rates, is copied into tensors that stay in their
places.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace

import torch
from torch import Tensor

from skyworld.splats.rasterize.cuda import matrices
from skyworld.splats.rasterize.options import Standing

# Pairs of Gaussians and tiles that there is room for, relative to the most that were seen.
_ROOM = 1.3


class Replay:
    """Calls step(view, standing, numbers) -> tensors, or replays what such a call did."""

    def __init__(self, step: Callable):
        self.step = step
        self.key: Hashable = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.pool = torch.cuda.graph_pool_handle()
        self.tally = torch.zeros(1, dtype=torch.int32, device="cuda")

    def __call__(self, key: Hashable, view, numbers: Tensor):
        """key: changes whenever the step does: with the rows, the size of the picture, the weights of the terms."""
        camera = matrices(view.camera, numbers.device)
        if key != self.key:
            # The first step of its kind runs as it is: it compiles what is new and counts the pairs.
            self.graph, self.key = None, key
            self.result = None
            K, world_to_camera, position = (tensor[None] for tensor in camera)
            return self.step(view, Standing(K, world_to_camera, position, self.tally), numbers)
        if self.graph is not None:
            self._fill(camera, view, numbers)
            self.graph.replay()
            return self.result
        self.slots = [tensor[None].clone() for tensor in camera]
        self.picture, self.numbers = view.picture.clone(), numbers.clone()
        self.weight, self.alpha = (None if each is None else each.clone() for each in (view.weight, view.alpha))
        capacity = int(_ROOM * int(self.tally)) + 1024
        still = replace(view, picture=self.picture, weight=self.weight, alpha=self.alpha)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            self.result = self.step(still, Standing(*self.slots, self.tally, capacity), self.numbers)
        self.graph = graph
        graph.replay()
        return self.result

    def _fill(self, camera, view, numbers: Tensor) -> None:
        for slot, tensor in zip(self.slots, camera, strict=True):
            slot[0].copy_(tensor)
        self.picture.copy_(view.picture)
        self.numbers.copy_(numbers, non_blocking=True)
        for slot, tensor in ((self.weight, view.weight), (self.alpha, view.alpha)):
            if slot is not None:
                slot.copy_(tensor)
