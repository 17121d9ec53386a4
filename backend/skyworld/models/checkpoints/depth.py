"""Depth models of transformers: Depth Anything (metric), ZoeDepth, Depth Pro.

Their own preprocessing stands here in short, for transformers' wants torchvision.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.checkpoints.held import IMAGENET, Held, load_model
from skyworld.models.roles import DepthEstimate
from skyworld.models.settings import Settings

FAR_SHARE = 0.98  # of a model's greatest depth: what lies there is further than it knows, sky mostly
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class TransformersDepth(Held):
    """Implements roles.DepthEstimator. Subclasses say how a picture becomes camera z in metres."""

    metric = True
    normalisation = IMAGENET

    @classmethod
    def load(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device) -> "TransformersDepth":
        from transformers import AutoModelForDepthEstimation

        model = load_model(AutoModelForDepthEstimation, checkpoint.folder, checkpoint.name, settings, device)
        return cls(checkpoint, settings, device, model)

    def __init__(self, checkpoint: Checkpoint, settings: Settings, device: torch.device, model: torch.nn.Module):
        super().__init__(checkpoint, settings, device, model)
        self.config = model.config
        self.preprocessing = _preprocessing(checkpoint.folder)
        self.mean = self.preprocessing.get("image_mean", self.normalisation[0])
        self.std = self.preprocessing.get("image_std", self.normalisation[1])

    def estimate(self, picture: np.ndarray, camera: Camera) -> DepthEstimate:
        with self.at_work() as (model,):
            depth, far = self._depth(model, picture, camera)
        depth = self.finite(depth, "depth")
        resized = interpolate(depth[None, None], picture.shape[:2], mode="bilinear", align_corners=False)
        depth = resized[0, 0].cpu().numpy()
        valid = np.isfinite(depth) & (depth > 0) & (depth < far)
        return DepthEstimate(np.where(valid, depth, 1.0).astype(np.float32), valid)

    def _wanted(self, height: int, width: int) -> tuple[int, int]:
        """The size that the checkpoint was trained at, as its preprocessing says, else this."""
        size = self.preprocessing.get("size", {})
        return size.get("height", height), size.get("width", width)

    def _depth(self, model: torch.nn.Module, picture: np.ndarray, camera: Camera) -> tuple[torch.Tensor, float]:
        """([h, w] camera z in metres, from where on it says nothing)."""
        raise NotImplementedError


class DepthAnything(TransformersDepth):
    """Depth Anything V2, the metric ones (arXiv 2406.09414): camera z up to `max_depth`, of the training's lenses."""

    def __init__(self, checkpoint: Checkpoint, settings: Settings, device: torch.device, model: torch.nn.Module):
        super().__init__(checkpoint, settings, device, model)
        if self.config.depth_estimation_type != "metric":
            raise UserError(
                f"{checkpoint.name} tells near from far, but no depth",
                hint="Take a metric one, such as depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf",
            )

    def _depth(self, model, picture, camera):
        size = _scaled(picture.shape[:2], self._wanted(518, 518), self.config.patch_size)
        predicted = model(self.pixels(picture, size, self.mean, self.std)).predicted_depth
        return predicted[0], FAR_SHARE * self.config.max_depth


class ZoeDepth(TransformersDepth):
    """ZoeDepth (arXiv 2302.12288): camera z; indoor and outdoor heads, chosen by the model itself."""

    normalisation = HALF

    def _depth(self, model, picture, camera):
        height, width = picture.shape[:2]
        # A mirrored border keeps the model's own border artefacts out of the picture.
        border = [int(math.sqrt(side / 2) * 3) for side in (height, width)]
        mirrored = np.pad(picture, [(border[0],) * 2, (border[1],) * 2, (0, 0)], mode="reflect")
        size = _scaled(mirrored.shape[:2], self._wanted(384, 512), 32)
        predicted = model(self.pixels(mirrored, size, self.mean, self.std)).predicted_depth
        whole = interpolate(predicted[:, None].float(), mirrored.shape[:2], mode="bicubic", align_corners=False)[0, 0]
        inside = whole[border[0] : border[0] + height, border[1] : border[1] + width]
        return inside, FAR_SHARE * max(each["max_depth"] for each in self.config.bin_configurations)


class DepthPro(TransformersDepth):
    """Depth Pro (arXiv 2410.02073): inverse depth for a focal length of one picture width; the camera's is known."""

    normalisation = HALF
    far = 1e4

    def _depth(self, model, picture, camera):
        side = _depth_pro_side(self.config)
        canonical = (
            model(self.pixels(picture, self._wanted(side, side), self.mean, self.std)).predicted_depth[:, None].float()
        )
        # The inverse is what varies evenly between two pixels of the model.
        canonical = interpolate(canonical, picture.shape[:2], mode="bilinear", align_corners=False)[0, 0]
        inverse = canonical * (camera.width / camera.K[0, 0])
        return 1 / inverse.clamp(1 / self.far, 1e4), FAR_SHARE * self.far


def _depth_pro_side(config) -> int:
    """Its square input: the patches of the largest of its scaled copies, 1536 px for the published weights."""
    return int(config.patch_size / config.scaled_images_ratios[0])


def _scaled(size: tuple[int, int], wanted: tuple[int, int], multiple: int) -> tuple[int, int]:
    """(height, width) of `size`'s shape with one side as wanted, that which changes the picture less; multiples."""
    scale = min((one / other for one, other in zip(wanted, size, strict=True)), key=lambda each: abs(1 - each))
    return tuple(max(1, round(side * scale / multiple)) * multiple for side in size)


def _preprocessing(folder: Path) -> dict:
    """What preprocessor_config.json says, where there is one."""
    file = folder / "preprocessor_config.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
