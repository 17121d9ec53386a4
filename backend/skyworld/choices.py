"""Job kind `choices`: several seeds of a photograph's surroundings on one sheet, to choose from."""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from skyworld.parameters import ChoicesParameters
from skyworld.progress import Progress
from skyworld.world import atomic_write

WIDTH, COLUMNS = 1024, 768  # of a panorama that is made, of the sheet


def offer(parameters: ChoicesParameters) -> Iterator[Progress]:
    """Writes the sheet: a strip of each panorama, 45 degrees up and down, with its seed; it fills as they come."""
    from skyworld.models.builtin.panorama import BuiltinInpainter
    from skyworld.panorama.generate import generate
    from skyworld.panorama.photograph import analyse
    from skyworld.world.pictures import load_picture, within

    yield Progress(0.0, "reading the photograph")
    picture, exif_fov, _ = load_picture(parameters.photo)
    photograph = analyse(
        within(picture, WIDTH),
        fov_degrees=parameters.fov or None,
        pitch_degrees=parameters.pitch,
        exif_fov=exif_fov,
    )
    strips = []
    for index in range(parameters.count):
        seed = parameters.seed + index
        reports = generate(photograph, BuiltinInpainter(), width=WIDTH, seed=seed)
        while True:
            try:
                report = next(reports)
            except StopIteration as end:
                strips.append(_strip(end.value.picture, seed))
                break
            yield Progress((index + report.fraction) / parameters.count, f"seed {seed}: {report.message}")
        with atomic_write(parameters.output) as temporary:
            Image.fromarray(np.vstack(strips)).save(temporary, "JPEG", quality=88)
        yield Progress((index + 1) / parameters.count, f"seed {seed}", preview=parameters.output)


def _strip(panorama: np.ndarray, seed: int) -> np.ndarray:
    """[COLUMNS / 4, COLUMNS, 3] uint8: the panorama around the horizon, labelled."""
    quarter = panorama.shape[0] // 4
    strip = cv2.resize(panorama[quarter : 3 * quarter], (COLUMNS, COLUMNS // 4), interpolation=cv2.INTER_AREA)
    image = Image.fromarray((strip.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.text((12, 8), f"seed {seed}", "white", ImageFont.load_default(26), stroke_width=3, stroke_fill="black")
    return np.asarray(image)
