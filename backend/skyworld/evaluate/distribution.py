"""Distances between two sets of pictures, through the features of a network. They need not correspond.

Satellite-city papers take them over 512-pixel patches of the frames: `patches`.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from skyworld.evaluate.clip import embed, to_8bit
from skyworld.evaluate.registry import CLIP_B32, CLIP_L14_336, INCEPTION, Models, UnfitError


def patches(picture: np.ndarray, size: int = 512, rows: int = 9, columns: int = 16) -> list[np.ndarray]:
    """`size`-pixel squares of the picture on an even grid, overlapping so as to be `rows` x `columns` or, if that takes
    more to cover it, more."""

    def starts(length: int, least: int) -> np.ndarray:
        return np.linspace(0, length - size, max(least, -(-length // size))).round().astype(int)

    height, width = picture.shape[:2]
    if min(height, width) < size:
        raise UnfitError(f"a picture of {width}x{height} pixels has no patch of {size}")
    return [picture[y : y + size, x : x + size] for y in starts(height, rows) for x in starts(width, columns)]


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Frechet distance of the Gaussians fitted to the rows of x [n, d] and y [m, d] (Heusel et al. 2017), float64.

    |mu_x - mu_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^1/2). With S_x = A'A and S_y = B'B the trace of the root is the sum of
    the singular values of A B', which needs no matrix root and holds exactly for fewer samples than dimensions.
    """
    if min(len(x), len(y)) < 2:
        raise UnfitError("a covariance needs at least two pictures in each set")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    root = np.linalg.svd(np.linalg.qr(a, mode="r") @ np.linalg.qr(b, mode="r").T, compute_uv=False).sum()
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * root)


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared MMD with the kernel (x.y / d + 1)^3 (Binkowski et al. 2018), over all pairs, no subsets."""
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise UnfitError("the unbiased estimate needs at least two pictures in each set")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    same = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(same - 2 * xy.mean())


def gaussian_mmd(x: np.ndarray, y: np.ndarray, sigma: float = 10.0) -> float:
    """1000 times the biased squared MMD with a Gaussian kernel (Jayasumana et al. 2024, their published code)."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)

    def mean_kernel(a: np.ndarray, b: np.ndarray) -> float:
        square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        return np.exp(-square / (2 * sigma**2)).mean()

    return float(1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)))


def inception_features(pictures: list[np.ndarray], models: Models) -> np.ndarray:
    """[N, 2048]; pictures 8-bit, resized to 299 x 299 by PIL's antialiased bicubic in float (clean-fid, "clean")."""
    import torch

    from skyworld.evaluate import networks

    weights = models.load(_inception, INCEPTION)
    features = []
    for i in range(0, len(pictures), 16):
        x = torch.from_numpy(np.stack([_resized(picture) for picture in pictures[i : i + 16]])).to(models.device)
        with torch.inference_mode():
            features.append(networks.inception_features(weights, x).cpu().numpy())
    return np.concatenate(features)


def _resized(picture: np.ndarray) -> np.ndarray:
    channels = [Image.fromarray(c.astype(np.float32)) for c in to_8bit(picture).transpose(2, 0, 1)]
    return np.stack([np.asarray(c.resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255) for c in channels])


def _inception(path: Path, device: str) -> dict:
    from skyworld.evaluate.networks import state_dict

    return state_dict(path, "Mixed_7c.branch_pool.conv.weight", device)


def fid(pictures: list, references: list, models: Models) -> float:
    """Frechet Inception distance (Heusel et al. 2017), pictures resized as clean-fid does (Parmar et al. 2022)."""
    return frechet(*(models.features(inception_features, set_) for set_ in (pictures, references)))


def kid(pictures: list, references: list, models: Models) -> float:
    """Kernel Inception distance (Binkowski et al. 2018): unbiased, over all pairs, not x 1000; may be negative."""
    return kernel_distance(*(models.features(inception_features, set_) for set_ in (pictures, references)))


def clip_fid(pictures: list, references: list, models: Models) -> float:
    """Frechet distance of CLIP ViT-B/32 image embeddings, not normalised (clean-fid's `clip_vit_b_32`): pictures
    resized by PIL's antialiased bicubic to 224 on the short side, centre-cropped, 8 bit."""
    return frechet(*(embed(models, CLIP_B32, pictures=set_) for set_ in (pictures, references)))


def cmmd(pictures: list, references: list, models: Models) -> float:
    """CLIP maximum mean discrepancy (Jayasumana et al. 2024): ViT-L/14-336 embeddings of unit length, sigma 10, x 1000.

    Pictures, 8 bit, are squeezed to 336 x 336 by torch's bicubic without antialiasing or crop, as in the PyTorch port.
    """
    sets = [embed(models, CLIP_L14_336, pictures=set_, squeeze=True) for set_ in (pictures, references)]
    return gaussian_mmd(*(x / np.linalg.norm(x, axis=1, keepdims=True) for x in sets))
