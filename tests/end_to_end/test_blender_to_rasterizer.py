"""What Blender's camera sees at a place of the picture, the rasterizer draws there."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from skyworld.camera.formats import nerfstudio
from skyworld.splats import Gaussians
from skyworld.splats.rasterize import rasterize

SCRIPT = Path(__file__).with_name("random_shots.py")
PIXEL = 0.01


def test_a_point_is_drawn_within_a_hundredth_of_a_pixel_of_where_blender_sees_it(tmp_path):
    files = tmp_path / "path.json", tmp_path / "seen.json"
    command = [sys.executable, str(SCRIPT), "0", "30", *map(str, files)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    path = nerfstudio.read(files[0])
    for camera, told in zip(path.cameras, json.loads(files[1].read_text()), strict=True):
        depth = float((camera.world_to_camera @ [*told["point"], 1])[2])
        size = 1.5 * depth / camera.K[0, 0]  # a round blob of one and a half pixels
        blob = Gaussians(
            means=torch.tensor([told["point"]], dtype=torch.float32),
            log_scales=torch.full((1, 3), math.log(size)),
            quats=torch.tensor([[1.0, 0, 0, 0]]),
            logit_opacities=torch.tensor([2.0]),
            sh=torch.ones(1, 1, 3),
        )
        alpha = rasterize(blob, [camera]).alpha[0].squeeze().numpy().astype(float)
        y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]] + 0.5
        centre = np.array([(alpha * x).sum(), (alpha * y).sum()]) / alpha.sum()
        assert np.abs(centre - told["pixel"]).max() < PIXEL
