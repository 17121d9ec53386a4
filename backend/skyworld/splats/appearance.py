"""One scene, many lights: colours that depend on the picture (WildGaussians, arXiv 2407.08447; Skyfall-GS).

Each Gaussian has an embedding, the column `appearance`, at first Fourier features of its place; each picture
has one; a small network turns both and the Gaussian's colour into a gain and an offset of its harmonics.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from skyworld.splats.gaussians import Gaussians
from skyworld.splats.spherical_harmonics import C0

COLUMN = "appearance"
RATE = 0.005  # of the column
_OCTAVES, _PICTURE, _HIDDEN = 4, 32, 128
_BOUND = 0.01


class Appearance(nn.Module):
    """For `pictures` pictures. Without training it changes nothing."""

    def __init__(self, pictures: int, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embeddings = nn.Parameter(torch.randn(pictures, _PICTURE) * 0.1)
            self.network = nn.Sequential(
                nn.Linear(3 + 6 * _OCTAVES + _PICTURE, _HIDDEN), nn.ReLU(),
                nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(),
                nn.Linear(_HIDDEN, 6),
            )  # fmt: skip
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def groups(self) -> list[dict]:
        """Parameter groups with the learning rates of Skyfall-GS."""
        return [
            {"params": [self.embeddings], "lr": 0.001},
            {"params": list(self.network.parameters()), "lr": 0.0005},
        ]

    def forward(self, gaussians: Gaussians, picture: int) -> Gaussians:
        """The Gaussians in the light of one picture; the gain is 1 + what the network says, x 0.01."""
        lead = gaussians.sh[:, 0].clamp_max(1.0)
        picture_part = self.embeddings[picture].expand(len(gaussians), -1)
        said = self.network(torch.cat([lead, gaussians.extra[COLUMN], picture_part], 1)) * _BOUND
        offset, gain = said[:, None, :3] / C0, 1 + said[:, None, 3:]
        sh = torch.cat([gaussians.sh[:, :1] * gain + offset, gaussians.sh[:, 1:] * gain], 1)
        return replace(gaussians, sh=sh)


def with_embeddings(gaussians: Gaussians, seed: int = 0) -> Gaussians:
    """With the column `appearance` [N, 24]: sines and cosines of the place, four octaves, and a little noise."""
    centred = gaussians.means - gaussians.means.mean(0)
    count = len(gaussians)
    reach = centred.abs().kthvalue(max(1, math.ceil(0.97 * count)), dim=0).values.clamp_min(1e-6)
    place = centred / reach * 0.5 + 0.5
    angles = (place[:, :, None] * 2.0 ** torch.arange(_OCTAVES, device=place.device) * math.pi).flatten(1)
    noise = torch.randn(count, 6 * _OCTAVES, generator=torch.Generator().manual_seed(seed)).to(place) * 1e-4
    column = torch.cat([angles.sin(), angles.cos()], 1) + noise
    return replace(gaussians, extra=gaussians.extra | {COLUMN: column})


def fixed(gaussians: Gaussians, appearance: Appearance | None, picture: int) -> Gaussians:
    """In the light of one picture for good: harmonics changed, the column `appearance` gone."""
    if appearance is not None:
        with torch.no_grad():
            gaussians = appearance(gaussians, picture)
    rest: dict[str, Tensor] = {name: column for name, column in gaussians.extra.items() if name != COLUMN}
    return replace(gaussians, extra=rest)
