"""Edits pictures by the difference of two descriptions along a rectified flow (FlowEdit, arXiv 2412.08629).

The picture is never inverted: at each noise level both descriptions are asked where they would take a noised copy, and
the picture moves by what they disagree on. The last steps may follow the target alone, as Skyfall-GS has it
(arXiv 2510.15869): they draw the detail.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skyworld.models.checkpoints.architectures import EDIT
from skyworld.models.checkpoints.diffusion import Diffusion
from skyworld.models.checkpoints.flows import FLOWS
from skyworld.models.checkpoints.tiles import in_tiles
from skyworld.models.roles import EditSchedule

OVERLAP = 128  # px that tiles of a picture share which is too large for the model
Velocity = Callable[[Tensor, Tensor], Tensor]  # (latents, noise level) -> dz/ds


def flow_edit(
    latents: Tensor,
    levels: Tensor,
    source: Velocity,
    target: Velocity,
    schedule: EditSchedule,
    noise: Callable[[], Tensor],
) -> Tensor:
    """Latents of the edited picture.

    latents: of the picture.  levels: [schedule.steps + 1], falling to 0.  noise: new normal noise of the same shape.
    """
    edited = latents.clone()
    begin, turn = schedule.steps - schedule.n_max, schedule.steps - schedule.n_min
    for level, following in zip(levels[begin:turn], levels[begin + 1 : turn + 1], strict=True):
        moved = torch.zeros_like(latents)
        for _ in range(schedule.average):
            noised = (1 - level) * latents + level * noise()
            moved += target(noised + (edited - latents), level) - source(noised, level)
        edited = edited + (following - level) * moved / schedule.average
    if schedule.n_min == 0:
        return edited
    state = edited + levels[turn] * (noise() - latents)  # z_edit + z_src - x
    for level, following in zip(levels[turn:-1], levels[turn + 1 :], strict=True):
        state = state + (following - level) * target(state, level)
    return state


class FlowEditor(Diffusion):
    """Role Editor."""

    architectures = EDIT

    def __init__(self, pipe, architecture, *rest, panoramic: bool = False):
        super().__init__(pipe, architecture, *rest, panoramic=panoramic)
        self._target_guidance = self.guidance
        self._flow = FLOWS[architecture.pipeline](pipe, self.device)

    def edit(
        self,
        picture: np.ndarray,
        source: str,
        target: str,
        *,
        seed: int,
        schedule: EditSchedule = EditSchedule(),  # noqa: B008, frozen
    ) -> np.ndarray:
        """[H, W, 3] of the same size; pictures larger than the model's go in tiles.

        UserError where the answer is black or not made of numbers.
        """
        guidance = self._guidances(schedule)
        self.guidance = max(guidance)  # whether the words need their opposite
        self.prepare([(source, ""), (target, "")])
        words = [self.words(prompt, "") for prompt in (source, target)]
        self._holding.denoising()

        def once(tile: np.ndarray, number: int) -> np.ndarray:
            return self._edited(tile, words, guidance, seed + number, schedule)

        return in_tiles(picture, once, math.isqrt(self.architecture.most), min(OVERLAP, min(picture.shape[:2]) // 4))

    def _guidances(self, schedule: EditSchedule) -> tuple[float, float]:
        """Of the source and the target; a distilled model has none for either."""
        target = self._target_guidance if schedule.target_guidance is None else schedule.target_guidance
        own = min(self.architecture.source, target)
        return own if schedule.source_guidance is None else schedule.source_guidance, target

    @torch.no_grad()
    def _edited(self, tile: np.ndarray, words, guidance, seed: int, schedule: EditSchedule) -> np.ndarray:
        cell = self.architecture.cell
        height, width = tile.shape[:2]
        padded = np.pad(tile, ((0, -height % cell), (0, -width % cell), (0, 0)), "edge").clip(0, 1)
        grid = torch.from_numpy(np.ascontiguousarray(padded, np.float32)).permute(2, 0, 1)[None]
        latents = self._flow.encode(2 * grid - 1)
        random = torch.Generator("cpu").manual_seed(seed)

        def noise() -> Tensor:
            return torch.randn(latents.shape, generator=random).to(latents)

        def velocity(which: int) -> Velocity:
            return lambda state, level: self._flow.velocity(state, level, words[which], guidance[which])

        levels = self._flow.levels(schedule.steps, latents)
        edited = flow_edit(latents, levels, velocity(0), velocity(1), schedule, noise)
        answer = self._flow.decode(edited)[0, :, :height, :width]
        return self._sound(answer / 2 + 0.5).permute(1, 2, 0).contiguous().cpu().numpy()
