"""Pictures that go all the way around: callbacks on the latents that let the left and the right edge meet.

A callback is what diffusers calls at the end of each step; latents are [B, C, h, w], or packed [B, h w, C] with one
token a cell.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

STRIDE = 0.382  # of a turn by which each step looks elsewhere: no two of many steps have their edges close together


def rolled(columns: int) -> Callable:
    """Turns the latents a little further before each step, so that the edges lie elsewhere, and back after the last.

    For pictures that come from noise alone. columns: cells around.
    """
    turned = 0

    def callback(pipe, step: int, timestep, values: dict) -> dict:
        nonlocal turned
        last = step == pipe.num_timesteps - 1
        shift = -turned if last else round(STRIDE * columns)
        turned += shift
        latents = values["latents"]
        return {"latents": _columnwise(latents, columns, lambda grid, cell: grid.roll(shift * cell, -1))}

    return callback


def margins_alike(columns: int, margin: int) -> Callable:
    """For pictures with so many cells of the other side beyond each edge: keeps these what the other side is."""

    def alike(grid: torch.Tensor, cell: int) -> torch.Tensor:
        m, n = margin * cell, (columns - 2 * margin) * cell
        return torch.cat([grid[..., n : n + m], grid[..., m : m + n], grid[..., m : 2 * m]], -1)

    def callback(pipe, step: int, timestep, values: dict) -> dict:
        return {"latents": _columnwise(values["latents"], columns, alike)}

    return callback


def _columnwise(latents: torch.Tensor, columns: int, change: Callable) -> torch.Tensor:
    """`change` of (grid [..., columns x cell], latents that a cell is wide)."""
    if latents.ndim > 3:
        return change(latents, latents.shape[-1] // columns)
    grid = latents.unflatten(1, (-1, columns)).movedim(2, -1)
    return change(grid, 1).movedim(-1, 2).flatten(1, 2)


@contextmanager
def closed_decoding(vae, margin: int = 8) -> Iterator[None]:
    """Meanwhile the VAE decodes latents as if what lies beyond an edge was the other side."""
    plain = vae.decode

    def decode(latents: torch.Tensor, **more) -> tuple[torch.Tensor]:
        wide = torch.cat([latents[..., -margin:], latents, latents[..., :margin]], -1)
        picture = plain(wide, **more)[0]
        pixels = margin * (picture.shape[-1] // wide.shape[-1])
        return (picture[..., pixels:-pixels],)

    vae.decode = decode
    try:
        yield
    finally:
        del vae.decode
