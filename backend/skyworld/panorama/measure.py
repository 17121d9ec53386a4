"""Numbers that tell how good a panorama is. Pictures are float [H, W, 3], 0 to 1."""

import cv2
import numpy as np

from skyworld.camera import resample_view
from skyworld.models.roles import Photograph
from skyworld.panorama.placement import downsample, native_camera


def photograph_psnr(panorama: np.ndarray, photograph: Photograph, width: int | None = None) -> float:
    """PSNR in dB of the panorama seen (bilinear) by the photograph's camera against the photograph.

    width: pixels of the view; None is the panorama's own density at the photograph's middle. The
    photograph is brought to that size by area.
    """
    camera = photograph.camera.resized(width) if width else native_camera(photograph.camera, panorama.shape[1])
    seen = resample_view(panorama, camera)
    error = float(((seen - downsample(photograph.picture, camera)) ** 2).mean())
    return float(10 * np.log10(1 / max(error, 1e-10)))


def repetition(panorama: np.ndarray, beyond_degrees: float = 12.0) -> tuple[float, float]:
    """Highest autocorrelation of the high-passed horizon band, with itself beyond some yaw and with its mirror image.

    0 to 1; 1 is wallpaper (or one mirror axis around the whole).
    """
    grey = cv2.cvtColor(panorama.astype(np.float32), cv2.COLOR_RGB2GRAY)
    height = grey.shape[0]
    rows = grey[int(0.38 * height) : int(0.68 * height)]
    band = cv2.resize(rows, (512, max(8, round(rows.shape[0] * 512 / rows.shape[1]))), interpolation=cv2.INTER_AREA)
    band = band - cv2.GaussianBlur(band, (0, 0), 6)
    energy = max(float((band**2).sum()), 1e-9)
    spectrum = np.fft.rfft(band, axis=1)
    itself, mirrored = (
        np.fft.irfft((spectrum * np.conj(np.fft.rfft(other, axis=1))).sum(0), 512) / energy
        for other in (band, band[:, ::-1])
    )
    skip = int(beyond_degrees / 360 * 512)
    return float(itself[skip:-skip].max()), float(mirrored.max())


def unknown_pixels(panorama: np.ndarray) -> int:
    """How many pixels are not a colour: NaN, infinite, or outside 0 to 1."""
    good = np.isfinite(panorama) & (panorama >= 0) & (panorama <= 1)
    return int((~good.all(-1)).sum())
