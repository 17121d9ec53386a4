"""Pictures that do not quite agree: a smooth warp per picture while fitting (Recipe, arXiv 2503.16611, section 3.3).

I'(p) = I(p + f(p, c)), I the render, c the picture's embedding, f a network of three layers over the harmonics
of the place, asked on a coarse grid and enlarged. After fitting it is dropped: the Gaussians stay sharp.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

GRID, HIDDEN, OCTAVES, EMBEDDING = 128, 128, 5, 32
# Learning rates of the network and of the embeddings; weights of the warp's size and roughness in the loss. The size
# must cost something: a smooth bend of the whole scene, with warps that undo it in every picture, looks the same.
RATE, EMBEDDING_RATE = 1e-3, 1e-2
SIZE, ROUGHNESS = 100.0, 1.0


class Distortion(nn.Module):
    """For `pictures` pictures; at first no warp at all.

    bound:  the largest shift, as a share of the picture's size.
    frozen: pictures that never warp: they fix the gauge, else all could drift together.
    grid:   places along each side where the network is asked.
    """

    def __init__(
        self, pictures: int, bound: float = 0.02, frozen: frozenset[int] = frozenset(), seed: int = 0, grid: int = GRID
    ):
        super().__init__()
        self.bound, self.frozen, self.grid = bound, frozen, grid
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embeddings = nn.Parameter(torch.randn(pictures, EMBEDDING))
            self.network = nn.Sequential(
                nn.Linear(4 * OCTAVES + EMBEDDING, HIDDEN), nn.ReLU(),
                nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
                nn.Linear(HIDDEN, 2),
            )  # fmt: skip
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)
        centres = (torch.arange(grid) + 0.5) / grid * 2 - 1
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        angles = torch.stack([x, y], -1)[..., None] * 2.0 ** torch.arange(OCTAVES) * (math.pi / 2)
        angles = angles.reshape(grid * grid, -1)
        self.register_buffer("harmonics", torch.cat([angles.sin(), angles.cos()], 1), persistent=False)

    def groups(self) -> list[dict]:
        return [
            {"params": list(self.network.parameters()), "lr": RATE},
            {"params": [self.embeddings], "lr": EMBEDDING_RATE},
        ]

    def field(self, picture: int) -> Tensor:
        """Shift [2, grid, grid] (x, y) as a share of half the picture's size."""
        embedding = self.embeddings[picture].expand(len(self.harmonics), -1)
        said = self.network(torch.cat([self.harmonics, embedding], 1))
        return (2 * self.bound * said.tanh()).T.reshape(2, self.grid, self.grid)

    def forward(self, image: Tensor, picture: int) -> tuple[Tensor, Tensor]:
        """The image [H, W, C] warped as that picture is, and what the warp costs: its size and its roughness."""
        if picture in self.frozen:
            return image, image.new_zeros(())
        height, width = image.shape[:2]
        field = self.field(picture)
        shift = interpolate(field[None], (height, width), mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
        y, x = ((torch.arange(size, device=image.device) + 0.5) / size * 2 - 1 for size in (height, width))
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1) + shift
        warped = grid_sample(image.permute(2, 0, 1)[None], grid[None], padding_mode="border", align_corners=False)
        rough = sum((field.diff(dim=d) * self.grid / 2).square().mean() for d in (1, 2))
        return warped[0].permute(1, 2, 0), SIZE * field.square().mean() + ROUGHNESS * rough
