"""MoGe-2 and MoGe-3 (github.com/microsoft/MoGe): metric depth of one picture, its lens known. An optional package."""

import importlib

import numpy as np
import torch

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.checkpoints.held import Held
from skyworld.models.checkpoints.places import told
from skyworld.models.roles import DepthEstimate
from skyworld.models.settings import Settings

INSTALL = "Run `pip install git+https://github.com/microsoft/MoGe.git` in the backend's environment, or choose zoedepth"

# What the constructor of MoGe-2 takes.
SECOND = {
    *("encoder", "neck", "points_head", "mask_head", "normal_head", "scale_head"),
    *("remap_output", "num_tokens_range"),
}


class MoGe(Held):
    """Implements roles.DepthEstimator with `MoGeModel.infer`."""

    metric = True

    @classmethod
    def load(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device) -> "MoGe":
        file = checkpoint.folder / "model.pt"
        kind = _model_class(_version(file))
        with told(checkpoint.name):
            model = kind.from_pretrained(str(file))
        model = model.eval().to("cpu" if settings.offload != "none" else device)
        return cls(checkpoint, settings, device, model)

    def estimate(self, picture: np.ndarray, camera: Camera) -> DepthEstimate:
        with self.at_work() as (model,):
            pixels = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1).to(self._device)
            found = model.infer(
                pixels,
                fov_x=float(np.degrees(2 * np.arctan(camera.width / 2 / camera.K[0, 0]))),
                use_fp16=self._device.type == "cuda",
            )
        depth = self.finite(found["depth"], "depth").cpu().numpy()
        valid = np.isfinite(depth) & (depth > 0)  # infinite where the model's mask is off: the sky
        if "mask" in found:
            valid &= found["mask"].bool().cpu().numpy()
        return DepthEstimate(np.where(valid, depth, 1.0).astype(np.float32), valid)


def _version(file) -> int:
    """Of the model class, by what its constructor is told in the checkpoint: MoGe-3 has more than MoGe-2."""
    config = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["model_config"]
    if isinstance(config["encoder"], str):
        raise UserError(
            f"{file} is of MoGe-1, which does not measure in metres", hint="Take Ruicheng/moge-2-vitl-normal"
        )
    return 2 if set(config) <= SECOND else 3


def _model_class(version: int) -> type:
    try:
        return importlib.import_module(f"moge.model.v{version}").MoGeModel
    except ModuleNotFoundError as error:
        missing = "MoGe" if (error.name or "").split(".")[0] == "moge" else f"MoGe's package {error.name}"
        raise UserError(f"{missing} is not installed", hint=INSTALL) from error
