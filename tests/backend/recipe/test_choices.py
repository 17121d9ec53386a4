"""A sheet of seeds shows as many surroundings as asked for, and they differ."""

import numpy as np
from PIL import Image

from skyworld.choices import COLUMNS, offer
from skyworld.parameters import ChoicesParameters


def test_each_seed_gets_a_strip_of_its_own_and_the_photograph_stays(tmp_path):
    y, x = np.mgrid[0:120, 0:180] / 120
    noise = np.random.default_rng(0).random((120, 180, 1)) * 0.3
    ground = np.stack([0.3 + 0.2 * np.sin(9 * x), 0.4 + 0 * x, 0.2 + 0 * x], -1) + noise
    picture = np.where((y < 0.5)[..., None], (0.5, 0.7, 0.95), ground)
    Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)).save(tmp_path / "photo.png")
    wish = ChoicesParameters(photo=tmp_path / "photo.png", output=tmp_path / "sheet.jpg", seed=3, count=2)
    reports = list(offer(wish))
    assert reports[-1].fraction == 1 and reports[-1].preview == tmp_path / "sheet.jpg"
    strips = np.asarray(Image.open(tmp_path / "sheet.jpg"), float).reshape(2, COLUMNS // 4, COLUMNS, 3)
    around, photograph = np.r_[100:250], np.r_[370:400]
    assert np.abs(strips[0] - strips[1])[:, around].mean() > 3, "the surroundings differ"
    assert np.abs(strips[0] - strips[1])[80:110, photograph].mean() < 2, "the photograph does not"
