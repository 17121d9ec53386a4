"""Depth Anything 3, metric (arXiv 2511.10647, github.com/ByteDance-Seed/Depth-Anything-3). An optional package."""

import json

import cv2
import numpy as np
import torch

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.checkpoints.held import Held
from skyworld.models.checkpoints.places import told
from skyworld.models.roles import DepthEstimate
from skyworld.models.settings import Settings

INSTALL = "Run `pip install depth-anything-3` in the backend's environment, or choose zoedepth"
CANONICAL_FOCAL = 300.0  # pixels: metres = output * focal length / 300 (the project's README)


class DepthAnything3(Held):
    """Implements roles.DepthEstimator with `DepthAnything3.inference`."""

    metric = True

    @classmethod
    def load(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device) -> "DepthAnything3":
        name = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8")).get("model_name", "")
        if "metric" not in name:
            raise UserError(
                f"{checkpoint.name} ({name}) does not measure in metres", hint="Take depth-anything/DA3METRIC-LARGE"
            )
        try:
            from depth_anything_3.api import DepthAnything3 as Model
        except ModuleNotFoundError as error:
            missing = "" if (error.name or "").startswith("depth_anything_3") else f"'s package {error.name}"
            raise UserError(f"Depth Anything 3{missing} is not installed", hint=INSTALL) from error
        with told(checkpoint.name):
            model = Model.from_pretrained(str(checkpoint.folder))
        return cls(checkpoint, settings, device, model.eval().to("cpu" if settings.offload != "none" else device))

    def estimate(self, picture: np.ndarray, camera: Camera) -> DepthEstimate:
        height, width = picture.shape[:2]
        with self.at_work() as (model,):
            found = model.inference([np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)])
        canonical = self.finite(torch.as_tensor(np.asarray(found.depth[0], np.float32)), "depth").numpy()
        focal = camera.K[0, 0] * canonical.shape[1] / width  # of the picture as the model saw it
        depth = cv2.resize(canonical * (focal / CANONICAL_FOCAL), (width, height), interpolation=cv2.INTER_LINEAR)
        valid = np.isfinite(depth) & (depth > 0)
        if found.sky is not None:
            sky = np.asarray(found.sky[0], np.uint8)
            valid &= cv2.resize(sky, (width, height), interpolation=cv2.INTER_NEAREST) == 0
        return DepthEstimate(np.where(valid, depth, 1.0).astype(np.float32), valid)
